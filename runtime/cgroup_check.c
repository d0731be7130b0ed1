/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types in a linux.resources object.
 *
 * Theory of operation: the rest of the code takes from the object what it
 * finds; a limit of the wrong type would silently not hold. So every member
 * that the specification names is compared with a table here, for a
 * configuration and for an update alike, and the error names its JSON path.
 * Unknown members are ignored. Pure: no file is touched.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "runtime/cgroup.h"

enum kind {
	KIND_NUMBER,
	KIND_STRING,
	KIND_BOOL,
	KIND_OBJECT,
	KIND_ARRAY,
	KIND_COUNT
};

struct member {
	const char *section; /* NULL: of the resources object itself */
	const char *key;
	enum kind kind;
};

static const struct member members[] = {
	{ NULL, "devices", KIND_ARRAY },
	{ NULL, "memory", KIND_OBJECT },
	{ NULL, "cpu", KIND_OBJECT },
	{ NULL, "pids", KIND_OBJECT },
	{ NULL, "blockIO", KIND_OBJECT },
	{ NULL, "hugepageLimits", KIND_ARRAY },
	{ NULL, "network", KIND_OBJECT },
	{ NULL, "rdma", KIND_OBJECT },
	{ NULL, "unified", KIND_OBJECT },
	{ "memory", "limit", KIND_NUMBER },
	{ "memory", "reservation", KIND_NUMBER },
	{ "memory", "swap", KIND_NUMBER },
	{ "memory", "kernel", KIND_NUMBER },
	{ "memory", "kernelTCP", KIND_NUMBER },
	{ "memory", "swappiness", KIND_NUMBER },
	{ "memory", "disableOOMKiller", KIND_BOOL },
	{ "memory", "useHierarchy", KIND_BOOL },
	{ "memory", "checkBeforeUpdate", KIND_BOOL },
	{ "cpu", "shares", KIND_NUMBER },
	{ "cpu", "quota", KIND_NUMBER },
	{ "cpu", "burst", KIND_NUMBER },
	{ "cpu", "period", KIND_NUMBER },
	{ "cpu", "realtimeRuntime", KIND_NUMBER },
	{ "cpu", "realtimePeriod", KIND_NUMBER },
	{ "cpu", "idle", KIND_NUMBER },
	{ "cpu", "cpus", KIND_STRING },
	{ "cpu", "mems", KIND_STRING },
	{ "pids", "limit", KIND_NUMBER },
	{ "blockIO", "weight", KIND_NUMBER },
	{ "blockIO", "leafWeight", KIND_NUMBER },
	{ "blockIO", "weightDevice", KIND_ARRAY },
	{ "blockIO", "throttleReadBpsDevice", KIND_ARRAY },
	{ "blockIO", "throttleWriteBpsDevice", KIND_ARRAY },
	{ "blockIO", "throttleReadIOPSDevice", KIND_ARRAY },
	{ "blockIO", "throttleWriteIOPSDevice", KIND_ARRAY },
	{ "network", "classID", KIND_NUMBER },
	{ "network", "priorities", KIND_ARRAY },
};

/* Members of the objects in arrays. */
static const struct member items[] = {
	{ "devices", "allow", KIND_BOOL },	    { "devices", "type", KIND_STRING },
	{ "devices", "major", KIND_NUMBER },	    { "devices", "minor", KIND_NUMBER },
	{ "devices", "access", KIND_STRING },	    { "hugepageLimits", "pageSize", KIND_STRING },
	{ "hugepageLimits", "limit", KIND_NUMBER }, { "blockIO", "major", KIND_NUMBER },
	{ "blockIO", "minor", KIND_NUMBER },	    { "blockIO", "rate", KIND_NUMBER },
	{ "blockIO", "weight", KIND_NUMBER },	    { "blockIO", "leafWeight", KIND_NUMBER },
	{ "network", "name", KIND_STRING },	    { "network", "priority", KIND_NUMBER },
};

static bool fits(const json_t *v, enum kind kind)
{
	switch (kind) {
	case KIND_NUMBER:
		return json_is_integer(v) || json_is_real(v);
	case KIND_STRING:
		return json_is_string(v);
	case KIND_BOOL:
		return json_is_boolean(v);
	case KIND_OBJECT:
		return json_is_object(v);
	case KIND_ARRAY:
		return json_is_array(v);
	case KIND_COUNT:
		break;
	}
	return false;
}

static int check(const json_t *v, enum kind kind, const char *where, const char *key,
		 struct error *e)
{
	static const char *const names[KIND_COUNT] = { "a number", "a string", "true or false",
						       "an object", "an array" };

	if (v == NULL || json_is_null(v) || fits(v, kind))
		return 0;
	return error_setf(e, -EINVAL, "%s.%s: expected %s", where, key, names[kind]);
}

static int check_items(const json_t *arr, const char *section, const char *where, struct error *e)
{
	char path[160];
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(arr, i, item) {
		(void)snprintf(path, sizeof(path), "%s[%zu]", where, i);
		if (!json_is_object(item))
			return error_setf(e, -EINVAL, "%s: expected an object", path);
		for (size_t k = 0; r == 0 && k < sizeof(items) / sizeof(items[0]); k++)
			if (strcmp(items[k].section, section) == 0)
				r = check(json_object_get(item, items[k].key), items[k].kind, path,
					  items[k].key, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_resources_check(const json_t *resources, const char *where, struct error *e)
{
	const char *key;
	char path[128];
	json_t *v;
	int r;

	if (resources == NULL)
		return 0;
	if (!json_is_object(resources))
		return error_setf(e, -EINVAL, "%s: expected an object", where);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const struct member *m = &members[i];
		const json_t *section = m->section == NULL ? resources :
							     json_object_get(resources, m->section);

		(void)snprintf(path, sizeof(path), "%s%s%s", where, m->section != NULL ? "." : "",
			       m->section != NULL ? m->section : "");
		v = json_object_get(section, m->key);
		r = check(v, m->kind, path, m->key, e);
		if (r == 0 && json_is_array(v)) {
			(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), ".%s",
				       m->key);
			r = check_items(v, m->section != NULL ? m->section : m->key, path, e);
		}
		if (r < 0)
			return r;
	}
	(void)snprintf(path, sizeof(path), "%s.unified", where);
	json_object_foreach(json_object_get(resources, "unified"), key, v)
		if (!json_is_string(v))
			return error_setf(e, -EINVAL, "%s[\"%.64s\"]: expected a string", path,
					  key);
	json_object_foreach(json_object_get(resources, "rdma"), key, v)
		if (!json_is_object(v))
			return error_setf(e, -EINVAL, "%s.rdma[\"%.64s\"]: expected an object",
					  where, key);
	return 0;
}
