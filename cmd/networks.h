/* SPDX-License-Identifier: Apache-2.0 */
/* User-defined networks: their definitions, and containers on them. */
#ifndef CMD_NETWORKS_H
#define CMD_NETWORKS_H

#include <jansson.h>

#include "cmd/compose.h"
#include "cmd/container.h"
#include "net/net.h"
#include "storage/storage.h"

/* A definition. Release with network_fini(). */
struct network {
	json_t *json; /* podman's keys */
	struct net_network net;
};
void network_fini(struct network *n);
#define _cleanup_network_ __attribute__((cleanup(network_fini)))

/* By its name; the default network is always there. 0, -ENOENT or -errno, with e filled. */
int networks_load(struct storage *s, const char *name, struct network *ret, struct error *e);
/* The name that a name, an id or the beginning of an id means. Caller frees. 0, -ENOENT, -EINVAL (ambiguous), -errno. */
int networks_find(struct storage *s, const char *text, char **ret_name, struct error *e);
/* All names, the default one included; sorted. */
int networks_list(struct storage *s, struct strv *ret, struct error *e);
/* Podman's JSON of a definition. NULL on -ENOMEM. */
json_t *networks_json(const struct net_network *n, const char *id, const char *created,
		      const char *interface, bool ipv6, json_t *labels, json_t *options);
/* Ids of the containers, running or not, whose records name it. */
int networks_users(struct storage *s, const char *name, struct strv *ret_ids, struct error *e);

/*
 * Fill p->networks for the members of the request, and choose the mode: no way out when all are
 * internal. 0 or -errno.
 */
int networks_plan(struct run_plan *p, struct error *e);
/* The record's "networks" before anybody is on them. NULL on -ENOMEM. */
json_t *networks_record(const struct net_request *r);

/* A container that is to be on networks. Everything borrowed. */
struct networks_join {
	struct storage *store;
	const char *containers; /* runtime directory of all containers */
	const char *id, *name;
	struct net_request *net;
	int life_fd, net_fd, rtnl_fd; /* see struct net_join */
};
/*
 * Join one: *ret is its entry in the record. 0 or -errno. The member becomes part of the answer: own
 * addresses and gateways are added to the request.
 */
int networks_join_one(const struct networks_join *j, const struct net_network *n,
		      const struct net_member *m, json_t **ret, struct error *e);
/* Join all of the plan, note it in the record. 0 or -errno. */
int networks_join_all(const struct networks_join *j, const struct run_plan *p, struct error *e);
/* Leave one. -ENOENT when nobody knows of it. */
int networks_leave(const char *containers, const char *network, const char *id, struct error *e);
/* What a running container needs to join: opened by its first process. 0 or -errno. */
int networks_open_container(struct storage *s, const struct container *c, struct networks_join *ret,
			    struct error *e);
void networks_close_container(struct networks_join *j);
/*
 * Is there no holder, though containers are on networks? Then start one and tell it. Failures are
 * only logged.
 */
void networks_repair(struct storage *s, const char *containers);

#endif
