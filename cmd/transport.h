/* SPDX-License-Identifier: Apache-2.0 */
/* Images by transport (containers-transports(5)): what copy, push and save have in common. */
#ifndef CMD_TRANSPORT_H
#define CMD_TRANSPORT_H

#include "cmd/fetch.h"
#include "storage/storage.h"

/* Where an image comes from or goes to. */
struct transport {
	enum transport_kind {
		TRANSPORT_STORE,    /* ours: a name alone, or containers-storage:NAME */
		TRANSPORT_REGISTRY, /* docker://NAME */
		TRANSPORT_FILES,    /* oci:, oci-archive:, docker-archive:, dir:, builtin: */
	} kind;
	const char *text;	/* as given; borrowed */
	const char *name;	/* of the store: without a prefix; borrowed */
	struct storage_ref ref; /* of the others, and of names that are references */
};
/*
 * docker: a name alone means a registry (crt push), else the store. 0 or -errno.
 */
int transport_parse(const char *text, bool docker, struct transport *ret, struct error *e);
void transport_fini(struct transport *t);

/* An image on its way from one transport to another. */
struct transfer {
	struct storage *s; /* borrowed */
	struct storage_fetch *fetch;
	struct storage_bundle *bundle;
};
/* Get hold of the packed image. Options are for registries. 0 or -errno. */
int transfer_from(struct transfer *t, struct storage *s, const struct transport *from,
		  const struct cmd_fetch_options *o, bool all, bool quiet, struct error *e);
/* Write or push it. *ret_digest (caller frees) is what arrived. 0 or -errno. */
int transfer_to(struct transfer *t, const struct transport *to, const struct cmd_fetch_options *o,
		bool quiet, char **ret_digest, struct error *e);
void transfer_fini(struct transfer *t);

/* Is text an abbreviation of this stored name? */
bool transport_says_name(const char *name, const char *text);
/* --retry (-1: not given) and --retry-delay (NULL: not given; "2s", "500ms") into the options. 0 or -EINVAL. */
int transport_retries(struct cmd_fetch_options *o, long long retry, const char *delay,
		      struct error *e);
/* The stored image that text means, and its packed form with the name that text says. 0 or -errno. */
int transport_bundle(struct storage *s, const char *text, struct storage_bundle **ret,
		     struct error *e);
/*
 * Write images to a path: an archive (made under another name, then renamed; pipes and devices are
 * written to directly) or a directory, made where missing. 0 or -errno.
 */
int transport_write(struct storage_bundle *const *bundles, size_t n, enum storage_format format,
		    const char *path, struct error *e);

#endif
