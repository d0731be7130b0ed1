/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of containers that have no state on disk, by their record.
 *
 * Theory of operation: `crt run` makes a container without a state root; what
 * cgroup_create() recorded is handed to it as text, which it keeps beside the
 * bundle and gives back here. The text is our own file in a private directory;
 * a damaged one is refused and nothing is done. Each call is one small step on
 * the groups' files, and a crash leaves nothing that the next call would not see.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "runtime/cgroup.h"
#include "runtime/runtime.h"

static json_t *parse(const char *text, struct error *e)
{
	return text == NULL ? NULL : json_parse(text, strlen(text), "the record of cgroups", e);
}

int runtime_cgroup_freeze(const char *cgroup, bool frozen, struct error *e)
{
	_cleanup_json_ json_t *record = parse(cgroup, e);

	return record == NULL ? -EINVAL : cgroup_freeze(record, frozen, e);
}

bool runtime_cgroup_is_frozen(const char *cgroup)
{
	_cleanup_json_ json_t *record = parse(cgroup, NULL);

	return record != NULL && cgroup_is_frozen(record);
}

int runtime_cgroup_update(const char *cgroup, const char *resources, size_t len, struct error *e)
{
	_cleanup_json_ json_t *record = parse(cgroup, e), *j = NULL;
	int r = 0;

	if (record == NULL)
		return -EINVAL;
	j = json_parse(resources, len, "resources", e);
	if (j == NULL || cgroup_resources_check(j, "resources", e) < 0)
		return -EINVAL;
	if (json_object_get(record, "scope") != NULL)
		r = cgroup_systemd_update(record, j, e);
	return r == 0 ? cgroup_update(record, j, e) : r;
}

/* Bytes read and written: "8:0 rbytes=1 wbytes=2 ..." or "8:0 Read 1". */
static json_t *read_io(const json_t *record)
{
	bool v2 = cgroup_version(record) == 2;
	const char *dir = cgroup_path(record, "blkio");
	_cleanup_free_ char *text = NULL;
	unsigned long long in = 0, out = 0;
	char *rest, *word;

	if (dir == NULL ||
	    cgroup_read(dir, v2 ? "io.stat" : "blkio.throttle.io_service_bytes", &text) < 0)
		return json_pack("{s:i,s:i}", "read", 0, "write", 0);
	rest = text;
	while ((word = strsep(&rest, v2 ? " \n" : "\n")) != NULL) {
		const char *blank = strchr(word, ' ');

		if (v2 && strncmp(word, "rbytes=", 7) == 0)
			in += strtoull(word + 7, NULL, 10);
		else if (v2 && strncmp(word, "wbytes=", 7) == 0)
			out += strtoull(word + 7, NULL, 10);
		else if (!v2 && blank != NULL && strncmp(blank, " Read ", 6) == 0)
			in += strtoull(blank + 6, NULL, 10);
		else if (!v2 && blank != NULL && strncmp(blank, " Write ", 7) == 0)
			out += strtoull(blank + 7, NULL, 10);
	}
	return json_pack("{s:I,s:I}", "read", (json_int_t)in, "write", (json_int_t)out);
}

int runtime_cgroup_stats(const char *cgroup, char **ret, struct error *e)
{
	_cleanup_json_ json_t *record = parse(cgroup, e), *stats = NULL;
	const char *dir;

	if (record == NULL)
		return -EINVAL;
	stats = cgroup_stats(record);
	dir = cgroup_path(record, "memory");
	if (json_object_set_new(stats, "blkio", read_io(record)) < 0 ||
	    json_object_set_new(stats, "cgroup", json_string(dir != NULL ? dir : "")) < 0 ||
	    (*ret = json_to_text(stats)) == NULL)
		return error_set(e, -ENOMEM, "stats");
	return 0;
}

unsigned int runtime_cgroup_oom_kills(const char *cgroup)
{
	_cleanup_json_ json_t *record = parse(cgroup, NULL);
	const char *dir = record != NULL ? cgroup_path(record, "memory") : NULL;
	_cleanup_free_ char *text = NULL;
	char *rest, *line;

	if (dir == NULL ||
	    cgroup_read(dir, cgroup_version(record) == 2 ? "memory.events" : "memory.oom_control",
			&text) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, "oom_kill ", strlen("oom_kill ")) == 0)
			return (unsigned int)strtoul(line + strlen("oom_kill "), NULL, 10);
	return 0;
}

void runtime_cgroup_remove(const char *cgroup)
{
	_cleanup_json_ json_t *record = parse(cgroup, NULL);

	if (record != NULL)
		cgroup_remove(record);
}
