/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt run --explain.
 *
 * Theory of operation: prints what compose_config() decided, with the reasons,
 * and the OCI configuration itself. Nothing was created. Only the user is still
 * a text here: names are looked up in the container's root file system, which
 * is not mounted.
 */
#include "cmd/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

static json_t *ranges_json(const struct id_range *arr, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:I,s:I,s:I}", "containerID", (json_int_t)arr[i].inside,
				  "hostID", (json_int_t)arr[i].outside, "size",
				  (json_int_t)arr[i].count)); /* checked by json_pack's user */
	return list;
}

static json_t *map_json(const struct id_map *m)
{
	return json_pack("{s:o,s:o}", "uid", ranges_json(m->uid, m->uid_n), "gid",
			 ranges_json(m->gid, m->gid_n));
}

static json_t *userns_json(const struct run_plan *p)
{
	static const char *const kinds[] = {
		[USERNS_KIND_NONE] = "none",
		[USERNS_KIND_RANGE] = "subordinate-ids",
		[USERNS_KIND_SINGLE] = "single-id",
	};
	json_t *obj;

	_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == USERNS_KIND_COUNT,
		       "a word for each kind");
	obj = json_pack("{s:s,s:s,s:o}", "kind", kinds[p->caps.kind], "reason", p->caps.reason,
			"idMap", map_json(&p->keeper_map));
	if (obj != NULL && p->shift_map.uid_n > 0)
		(void)json_object_set_new(obj, "containerMap",
					  map_json(&p->shift_map)); /* shown where it can be */
	return obj;
}

static json_t *rootfs_json(const struct run_plan *p)
{
	static const char *const drivers[] = {
		[STORAGE_DRIVER_AUTO] = "probed at the first run",
		[STORAGE_DRIVER_OVERLAY] = "overlay",
		[STORAGE_DRIVER_FUSE] = "fuse-overlayfs",
	};
	char why[200] = "";
	enum storage_driver driver = storage_driver_cached(p->store, why, sizeof(why));
	json_t *layers = json_array();

	_Static_assert(sizeof(drivers) / sizeof(drivers[0]) == STORAGE_DRIVER_COUNT,
		       "a word for each driver");
	if (p->req->rootfs != NULL && !p->req->rootfs_overlay)
		return json_pack("{s:s,s:s,s:o}", "driver", "directory", "why", "--rootfs",
				 "layers", layers);
	if (p->shift_map.uid_n > 0 && p->caps.kind == USERNS_KIND_RANGE) {
		driver = STORAGE_DRIVER_FUSE;
		(void)snprintf(why, sizeof(why),
			       "--userns shows stored ids as others, which only FUSE can do");
	}
	for (size_t i = 0; i < p->image.layers.n; i++)
		(void)json_array_append_new(layers,
					    json_string(p->image.layers.v[i])); /* as above */
	return json_pack("{s:s,s:s,s:b,s:o}", "driver", drivers[driver], "why", why, "volatile",
			 (int)p->req->rm, "layers", layers);
}

static json_t *network_json(const struct run_plan *p)
{
	static const char *const modes[] = {
		[NET_MODE_SLIRP] = "slirp",
		[NET_MODE_HOST] = "host",
		[NET_MODE_NONE] = "none",
		[NET_MODE_JOIN] = "join",
	};
	const struct net_request *n = &p->req->net;
	json_t *ports = json_array(), *members = json_array();

	for (size_t i = 0; i < n->members_n; i++)
		(void)json_array_append_new(members, json_string(n->members[i].name));
	_Static_assert(sizeof(modes) / sizeof(modes[0]) == NET_MODE_COUNT, "a word for each mode");
	for (size_t i = 0; i < n->forwards_n; i++)
		(void)json_array_append_new(
			ports, json_pack("{s:s,s:i,s:i,s:s}", "hostIp", n->forwards[i].host_addr,
					 "hostPort", (int)n->forwards[i].host_port, "containerPort",
					 (int)n->forwards[i].container_port, "protocol",
					 n->forwards[i].proto == NET_PROTO_UDP ? "udp" : "tcp"));
	return json_pack("{s:s,s:b,s:o,s:o}", "mode", n->pasta ? "pasta" : modes[n->mode],
			 "hostLoopback", (int)n->allow_host_loopback, "ports", ports, "networks",
			 members);
}

static json_t *notes_json(const struct run_plan *p)
{
	json_t *list = json_array();

	if (p->caps.kind == USERNS_KIND_SINGLE)
		(void)json_array_append_new(list,
					    json_pack("{s:s,s:s}", "fallback", "single-id map",
						      "why", p->caps.reason));
	for (size_t i = 0; i < p->notes.n; i++)
		(void)json_array_append_new(list, json_pack("{s:s}", "note", p->notes.v[i]));
	return list;
}

int explain_print(const struct run_plan *p, struct error *e)
{
	_cleanup_json_ json_t *plan = NULL, *config = NULL;
	_cleanup_free_ char *text = compose_text(p);

	config = text != NULL ? json_parse(text, strlen(text), "the plan", e) : NULL;
	if (config == NULL)
		return error_set(e, -ENOMEM, "printing the plan");
	free(steal_ptr(&text));

	plan = json_pack("{s:s,s:s,s:s?,s:s?,s:s,s:o,s:o,s:o,s:o,s:O}", "id", p->id, "name",
			 p->name, "image", p->image.name != NULL ? p->image.name : p->req->image,
			 "imageDigest", p->image.digest != NULL ? p->image.digest : "", "user",
			 p->user, "userNamespace", userns_json(p), "rootfs", rootfs_json(p),
			 "network", network_json(p), "fallbacks", notes_json(p), "config", config);
	text = plan != NULL ? json_to_pretty(plan) : NULL;
	if (text == NULL)
		return error_set(e, -ENOMEM, "printing the plan");
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		return error_set(e, -errno, "printing the plan");
	return 0;
}
