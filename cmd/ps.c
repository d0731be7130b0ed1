/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt ps: the containers of the store.
 *
 * Theory of operation: records are loaded, filtered, and shown by cmd/out.h. The
 * JSON objects have the keys of "podman ps --format json".
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/procfs.h"
#include "cmd/container.h"
#include "cmd/filter.h"
#include "cmd/health.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/size.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

#define COMMAND_SHOWN 17

struct options {
	bool all, external, latest, no_heading, no_trunc, ns, pod, quiet, size, sync;
	unsigned int last, watch;
	const char *format, *sort;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Show also containers that have ended" },
	{ "external", 0, OPT_FLAG, offsetof(struct options, external),
	  .help = "Accepted for scripts: no other program keeps containers here" },
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: name=, id=, status=, exited=, ancestor=, label=, since= ...",
	  .complete =
		  "name=|id=|status=running|status=exited|status=created|exited=|ancestor=|label=|label!=|"
		  "before=|since=|until=|volume=|network=|health=healthy|health=unhealthy|"
		  "restart-policy=" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "last", 'n', OPT_UINT, offsetof(struct options, last), .arg = "N",
	  .help = "Show the N newest, in any state" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest),
	  .help = "Show the newest, in any state" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc),
	  .help = "Show whole ids and commands" },
	{ "noheading", 0, OPT_FLAG, offsetof(struct options, no_heading),
	  .help = "Leave the heading out" },
	{ "ns", 0, OPT_FLAG, offsetof(struct options, ns), .help = "Show the namespaces" },
	{ "pod", 'p', OPT_FLAG, offsetof(struct options, pod),
	  .help = "Show the columns of pods, which are empty" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show only the ids" },
	{ "size", 's', OPT_FLAG, offsetof(struct options, size),
	  .help = "Show how much was written, and with the image" },
	{ "sort", 0, OPT_STRING, offsetof(struct options, sort), .arg = "COLUMN",
	  .help = "Sort by command, created, id, image, names, runningfor, size or status",
	  .complete = "command|created|id|image|names|runningfor|size|status" },
	{ "sync", 0, OPT_FLAG, offsetof(struct options, sync),
	  .help = "Accepted for scripts: what is shown is always true" },
	{ "watch", 'w', OPT_UINT, offsetof(struct options, watch), .arg = "SECONDS",
	  .help = "Show it again and again" },
	OPTION_END
};

const struct cmd_verb cmd_verb_ps = {
	.name = "ps",
	.grouped = "ls|list|ps",
	.run = cmd_ps,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "List containers",
};

static const struct out_column columns[] = {
	{ "CONTAINER ID", "ID" },      { "IMAGE", "Image" },   { "COMMAND", "Command" },
	{ "CREATED", "CreatedHuman" }, { "STATUS", "Status" }, { "PORTS", "Ports" },
	{ "NAMES", "Names" },	       { NULL, NULL },
};
static const struct out_column columns_size[] = {
	{ "CONTAINER ID", "ID" },      { "IMAGE", "Image" },   { "COMMAND", "Command" },
	{ "CREATED", "CreatedHuman" }, { "STATUS", "Status" }, { "PORTS", "Ports" },
	{ "NAMES", "Names" },	       { "SIZE", "Size" },     { NULL, NULL },
};
static const struct out_column columns_pod[] = {
	{ "CONTAINER ID", "ID" }, { "IMAGE", "Image" },
	{ "COMMAND", "Command" }, { "CREATED", "CreatedHuman" },
	{ "STATUS", "Status" },	  { "PORTS", "Ports" },
	{ "NAMES", "Names" },	  { "POD ID", "Pod" },
	{ "PODNAME", "PodName" }, { NULL, NULL },
};
static const struct out_column columns_quiet[] = { { "CONTAINER ID", "ID" }, { NULL, NULL } };

static const struct out_column columns_ns[] = {
	{ "CONTAINER ID", "ID" },   { "NAMES", "Names" }, { "PID", "Pid" },
	{ "CGROUPNS", "CGROUPNS" }, { "IPC", "IPC" },	  { "MNT", "MNT" },
	{ "NET", "NET" },	    { "PIDNS", "PIDNS" }, { "USERNS", "USERNS" },
	{ "UTS", "UTS" },	    { NULL, NULL },
};

/* ---- filters: item is a struct container, data all of them ------------------------------- */

struct all {
	const struct container *c;
	size_t n;
};

static int by_id(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;

	(void)data;
	(void)e; /* every text is one */
	return c == NULL || str_starts(c->id, value);
}

static int by_name(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;

	(void)data;
	(void)e; /* every text is one */
	return c == NULL || filter_regex(c->name, value);
}

static int by_label(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;

	(void)data;
	(void)e; /* every text is one */
	return c == NULL || filter_label(json_object_get(c->record, "labels"), value);
}

static int by_no_label(const void *item, const char *value, void *data, struct error *e)
{
	return item == NULL || !by_label(item, value, data, e);
}

static int by_exited(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;
	unsigned long long code;

	(void)data;
	if (str_to_u64(value, 255, &code) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is not an exit code", value);
	return c == NULL || (strcmp(c->state, "exited") == 0 && c->exit_code == (int)code);
}

static int by_status(const void *item, const char *value, void *data, struct error *e)
{
	static const char *const states[] = { "created", "running",    "paused",     "stopped",
					      "exited",	 "restarting", "unknown",    "removing",
					      "dead",	 "stopping",   "initialized" };
	const struct container *c = item;

	(void)data;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i], value) == 0)
			return c == NULL || strcmp(c->state, value) == 0 ||
			       (strcmp(c->state, "exited") == 0 && strcmp(value, "stopped") == 0);
	return error_setf(e, -EINVAL,
			  "\"%s\" is no state of a container: created, running, paused, exited",
			  value);
}

static int by_ancestor(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;

	(void)data;
	(void)e; /* an image that does not exist has no containers */
	if (c == NULL || strcmp(c->image, value) == 0 ||
	    (c->image_id[0] != '\0' && str_starts(c->image_id, value)))
		return 1;
	/* "busybox" and "busybox:latest" for "docker.io/library/busybox:latest" */
	for (const char *at = strstr(c->image, value); at != NULL; at = strstr(at + 1, value)) {
		const char *end = at + strlen(value);

		if ((at == c->image || at[-1] == '/') && (*end == '\0' || *end == ':'))
			return 1;
	}
	return 0;
}

static const struct container *find(const struct all *all, const char *text, struct error *e)
{
	const struct container *found = NULL;

	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->c[i].name, text) == 0)
			return &all->c[i];
		if (text[0] != '\0' && str_starts(all->c[i].id, text))
			found = &all->c[i];
	}
	if (found == NULL)
		(void)error_setf(e, -ENOENT, "no container with name or id \"%s\"", text);
	return found;
}

/* The text of RFC 3339 in UTC sorts like the time, to the nanosecond. */
static const char *created_text(const struct container *c)
{
	const char *text = json_string_value(json_object_get(c->record, "created"));

	return text != NULL ? text : "";
}

static int by_order(const void *item, const char *value, void *data, bool before, struct error *e)
{
	const struct container *c = item, *other = find(data, value, e);
	int order;

	if (other == NULL || c == NULL)
		return other != NULL ? 1 : -ENOENT;
	order = strcmp(created_text(c), created_text(other));
	return before ? order < 0 : order > 0;
}

static int by_before(const void *item, const char *value, void *data, struct error *e)
{
	return by_order(item, value, data, true, e);
}

static int by_since(const void *item, const char *value, void *data, struct error *e)
{
	return by_order(item, value, data, false, e);
}

static int by_until(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;
	time_t t;

	(void)data;
	if (out_parse_until(value, time(NULL), &t) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is neither a time nor a duration", value);
	return c == NULL || c->created < t;
}

/* SOURCE[:DESTINATION] or a volume's name */
static int by_volume(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;
	_cleanup_json_ json_t *list = c != NULL ? container_volumes(c) : NULL;
	size_t len = strcspn(value, ":");
	json_t *v;
	size_t i;

	(void)data;
	(void)e; /* every text is one */
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(json_object_get(v, "Name"));
		const char *source = json_string_value(json_object_get(v, "Source"));
		const char *dest = json_string_value(json_object_get(v, "Destination"));

		name = name != NULL ? name : source;
		if (dest == NULL || name == NULL)
			continue;
		if (value[len] == '\0' && strcmp(dest, value) == 0)
			return 1;
		if (strlen(name) == len && strncmp(name, value, len) == 0 &&
		    (value[len] == '\0' || strcmp(dest, value + len + 1) == 0))
			return 1;
	}
	return c == NULL;
}

/* Names of networks that it is connected to. A new reference. */
static json_t *networks(const struct container *c)
{
	json_t *list = json_array(), *one;
	const char *key;

	json_object_foreach(json_object_get(c->record, "networks"), key, one)
		(void)json_array_append_new(list, json_string(key)); /* as in a pack */
	return list;
}

/* The same as one text, which the caller frees. */
static char *network_text(const struct container *c)
{
	_cleanup_json_ json_t *list = networks(c);
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		(void)buf_printf(&b, "%s%s", i > 0 ? "," : "", json_string_value(one));
	return b.err < 0 ? NULL : strdup(buf_str(&b));
}

static int by_network(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;
	_cleanup_json_ json_t *list = c != NULL ? networks(c) : NULL;
	const char *mode;
	json_t *one;
	size_t i;

	(void)data;
	(void)e; /* every text is one */
	if (c == NULL)
		return 1;
	json_array_foreach(list, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), value) == 0)
			return 1;
	mode = json_string_value(
		json_object_get(json_object_get(c->record, "config"), "networkMode"));
	return mode != NULL && strcmp(mode, value) == 0;
}

/* What a record says under key, or else. */
static int by_record(const struct container *c, const char *key, const char *otherwise,
		     const char *value)
{
	const char *is = c != NULL ? json_string_value(json_object_get(c->record, key)) : value;

	return strcmp(is != NULL ? is : otherwise, value) == 0;
}

static int by_health(const void *item, const char *value, void *data, struct error *e)
{
	static const char *const known[] = { "healthy", "unhealthy", "starting", "none" };
	const char *is = item != NULL ? health_status(item) : value;

	(void)data;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], value) == 0)
			return strcmp(*is != '\0' ? is : "none", value) == 0;
	return error_setf(e, -EINVAL, "\"%s\" is none of healthy, unhealthy, starting, none",
			  value);
}

static int by_restart(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e; /* every text is one */
	return by_record(item, "restartPolicy", "no", value);
}

static int by_pod(const void *item, const char *value, void *data, struct error *e)
{
	(void)item;
	(void)data;
	return error_setf(e, -EINVAL, "there are no pods, so none is \"%s\"", value);
}

static const struct filter_spec filters[] = {
	{ "name", false, by_name },	    { "id", false, by_id },
	{ "status", false, by_status },	    { "exited", false, by_exited },
	{ "ancestor", false, by_ancestor }, { "label", true, by_label },
	{ "label!", true, by_no_label },    { "before", false, by_before },
	{ "since", false, by_since },	    { "until", false, by_until },
	{ "volume", false, by_volume },	    { "network", false, by_network },
	{ "health", false, by_health },	    { "restart-policy", false, by_restart },
	{ "pod", false, by_pod },	    { NULL, false, NULL },
};

static int passes(const struct options *o, const struct container *c, struct all *all,
		  struct error *e)
{
	if (!o->all && !o->latest && o->last == 0 && !filter_has(&o->filters, "status") &&
	    !filter_has(&o->filters, "exited") && strcmp(c->state, "running") != 0 &&
	    strcmp(c->state, "paused") != 0)
		return 0;
	return filter_pass(filters, &o->filters, c, all, e);
}

/* ---- order ---------------------------------------------------------------------------------- */

static int compare_times(time_t x, time_t y)
{
	return (x > y) - (x < y);
}

static int compare(const void *a, const void *b, void *data)
{
	const struct container *x = a, *y = b;
	const char *by = data;
	_cleanup_free_ char *p = NULL, *q = NULL;

	switch (by[0]) {
	case 'c': /* command, created */
		if (by[1] == 'r')
			return strcmp(created_text(x), created_text(y));
		p = container_command(x);
		q = container_command(y);
		return strcmp(p != NULL ? p : "", q != NULL ? q : "");
	case 'i': /* id, image */
		return by[1] == 'd' ? strcmp(x->id, y->id) : strcmp(x->image, y->image);
	case 'n':
		return strcmp(x->name, y->name);
	case 's': /* size, status */
		return by[1] == 'i' ? (x->size_rw > y->size_rw) - (x->size_rw < y->size_rw) :
				      strcmp(x->state, y->state);
	case 'r':
		return compare_times(x->created, y->created);
	default:
		return strcmp(x->state, y->state);
	}
}

static int sort(struct container *c, size_t n, const char *by, struct error *e)
{
	static const char *const known[] = { "command", "created",    "id",   "image",
					     "names",	"runningfor", "size", "status" };

	for (size_t i = 0; by != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], by) != 0)
			continue;
		qsort_r(c, n, sizeof(*c), compare, (void *)(uintptr_t)by);
		return 0;
	}
	return by == NULL ? 0 :
			    error_setf(e, -EINVAL,
				       "--sort %s: must be command, created, id, image, names, "
				       "runningfor, size or status",
				       by);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Where the volumes are in the container. */
static json_t *mount_points(const struct container *c)
{
	_cleanup_json_ json_t *volumes = container_volumes(c);
	json_t *list = json_array();
	json_t *v;
	size_t i;

	json_array_foreach(volumes, i, v)
		(void)json_array_append(list, json_object_get(v, "Destination")); /* as in a pack */
	return list;
}

/* The same as one text, which the caller frees. */
static char *mount_text(const struct container *c)
{
	_cleanup_json_ json_t *points = mount_points(c);
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *v;
	size_t i;

	json_array_foreach(points, i, v)
		(void)buf_printf(&b, "%s%s", i > 0 ? "," : "", json_string_value(v));
	return b.err < 0 ? NULL : strdup(buf_str(&b));
}

/* As podman: 0 as long as there is none. */
static int shown_code(const struct container *c)
{
	return strcmp(c->state, "exited") == 0 ? c->exit_code : 0;
}

/* The ports with podman's keys. */
static json_t *port_list(const struct container *c)
{
	json_t *list = json_array();
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(c->record, "ports"), i, p)
		(void)json_array_append_new(
			list, json_pack("{s:O*, s:O*, s:O*, s:i, s:O*}", "host_ip",
					json_object_get(p, "hostIp"), "container_port",
					json_object_get(p, "containerPort"), "host_port",
					json_object_get(p, "hostPort"), "range", 1, "protocol",
					json_object_get(p, "protocol"))); /* as in a pack */
	return list;
}

/* Numbers of the namespaces; empty for what does not run. */
static json_t *namespaces(const struct container *c)
{
	static const char *const names[][2] = {
		{ "cgroup", "CGROUPNS" }, { "ipc", "IPC" },	{ "mnt", "MNT" }, { "net", "NET" },
		{ "pid", "PIDNS" },	  { "user", "USERNS" }, { "uts", "UTS" },
	};
	_cleanup_fd_ int proc_fd = c->pid > 0 ? procfs_open(NULL) : -1;
	json_t *obj = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], text[64] = "";
		ssize_t n = -1;

		(void)snprintf(path, sizeof(path), "%d/ns/%s", (int)c->pid, names[i][0]);
		if (proc_fd >= 0)
			n = readlinkat(proc_fd, path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		text[strcspn(text, "]")] = '\0'; /* "net:[4026531840]" */
		(void)json_object_set_new(
			obj, names[i][1],
			json_string(strchr(text, '[') != NULL ? strchr(text, '[') + 1 : ""));
	}
	return obj;
}

static json_t *row_data(const struct options *o, const struct container *c, const char *status)
{
	json_t *labels = json_object_get(c->record, "labels");
	json_t *command = json_object_get(c->record, "command");
	json_t *nothing = json_null();

	return json_pack(
		"{s:b, s:O, s:s, s:b, s:I, s:i, s:s, s:s, s:s, s:b, s:O, s:o, s:[s], s:o, s:o, s:i, "
		"s:s, s:s, s:o, s:o, s:I, s:s, s:s, s:I}",
		"AutoRemove", (int)json_is_true(json_object_get(c->record, "rm")), "Command",
		command != NULL ? command : nothing, "CreatedAt", created_text(c), "Exited",
		(int)(strcmp(c->state, "exited") == 0), "ExitedAt",
		c->finished > 0 ? (json_int_t)c->finished : (json_int_t)-62135596800LL, "ExitCode",
		shown_code(c), "Id", c->id, "Image", c->image, "ImageID", c->image_id, "IsInfra", 0,
		"Labels", labels != NULL ? labels : nothing, "Mounts", mount_points(c), "Names",
		c->name, "Namespaces", o->ns ? namespaces(c) : json_object(), "Networks",
		networks(c), "Pid", (int)c->pid, "Pod", "", "PodName", "", "Ports", port_list(c),
		"Size",
		o->size ? json_pack("{s:I, s:I}", "rootFsSize", (json_int_t)c->size_image, "rwSize",
				    (json_int_t)c->size_rw) :
			  json_null(),
		"StartedAt", c->started > 0 ? (json_int_t)c->started : (json_int_t)-62135596800LL,
		"State", c->state, "Status", status, "Created", (json_int_t)c->created);
}

static char *shown_command(const struct container *c, bool full)
{
	char *text = container_command(c);
	size_t len = COMMAND_SHOWN;

	if (text == NULL || full || strlen(text) <= len)
		return text;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--; /* not in the middle of a character */
	text[len] = '\0';
	char *cut = str_printf("%s...", text);

	free(text);
	return cut;
}

static int add_row(struct out_rows *rows, const struct options *o, const struct container *c)
{
	time_t now = time(NULL);
	_cleanup_free_ char *id = out_id(c->id, o->no_trunc);
	_cleanup_free_ char *image_id = out_id(c->image_id, o->no_trunc);
	_cleanup_free_ char *command = shown_command(c, o->no_trunc);
	_cleanup_free_ char *status = container_status(c, now);
	_cleanup_free_ char *ports = container_ports(c);
	_cleanup_free_ char *mounts = mount_text(c);
	_cleanup_free_ char *nets = network_text(c);
	_cleanup_free_ char *size = o->size ? size_text(c) : strdup("");
	_cleanup_free_ char *age = out_duration(c->created, now);
	_cleanup_free_ char *at = out_time(c->created);
	_cleanup_free_ char *human = age != NULL ? str_printf("%s ago", age) : NULL;
	json_t *labels = json_object_get(c->record, "labels");
	json_t *fields;

	if (id == NULL || image_id == NULL || command == NULL || status == NULL || ports == NULL ||
	    at == NULL || human == NULL || mounts == NULL || nets == NULL || size == NULL)
		return -ENOMEM;
	fields = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:O?}",
		"ID", id, "Image", c->image, "ImageID", image_id, "Command", command,
		"CreatedHuman", human, "RunningFor", human, "CreatedAt", at, "Status", status,
		"State", c->state, "Ports", ports, "Names", c->name, "Pid", (int)c->pid, "ExitCode",
		shown_code(c), "Mounts", mounts, "Networks", nets, "Size", size, "Pod", "",
		"PodName", "", "Labels", labels);
	if (o->ns) {
		_cleanup_json_ json_t *ns = namespaces(c);

		if (json_object_update(fields, ns) < 0) {
			json_decref(fields);
			return -ENOMEM;
		}
	}
	return out_rows_add(rows, fields, row_data(o, c, status));
}

static int list(const struct options *o, const struct cmd_global *g, struct error *e)
{
	struct container *all = NULL;
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	size_t limit = o->latest ? 1 : o->last > 0 ? o->last : SIZE_MAX;
	struct all known;
	size_t n = 0;
	int r;

	r = storage_open(g->root, false, &s, e);
	if (r == 0)
		r = container_list(s, &all, &n, e);
	known = (struct all){ .c = all, .n = n };
	if (r == 0)
		r = filter_check(filters, &o->filters, &known, e);
	if (r == 0 && (o->size || (o->sort != NULL && strcmp(o->sort, "size") == 0)))
		r = size_containers(s, all, n, e);
	if (r == 0 && limit == SIZE_MAX) /* the newest ones stay in their order */
		r = sort(all, n, o->sort, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing containers");
	for (size_t i = 0; r == 0 && i < n && json_array_size(rows.fields) < limit; i++) {
		r = passes(o, &all[i], &known, e);
		if (r > 0 && (r = add_row(&rows, o, &all[i])) < 0)
			r = error_set(e, r, "listing containers");
	}
	if (r == 0)
		r = out_print(&rows,
			      o->quiet ? columns_quiet :
			      o->ns    ? columns_ns :
			      o->size  ? columns_size :
			      o->pod   ? columns_pod :
					 columns,
			      o->format, o->quiet || o->no_heading, e);
	out_rows_fini(&rows);
	containers_free(all, n);
	storage_free(s);
	return r;
}

/* --watch: wait, and begin anew on a terminal. False: nobody reads it any more. */
static bool next_round(unsigned int seconds)
{
	struct pollfd p = { .fd = STDOUT_FILENO };
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (poll(&p, 1, seconds > INT32_MAX / 1000 ? INT32_MAX : (int)seconds * 1000) != 0)
		return false;
	if (isatty(STDOUT_FILENO) == 1)
		(void)buf_puts(&b, "\033[H\033[2J"); /* out_write() sees a failure */
	return out_write(&b, NULL) == 0;
}

int cmd_ps(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_ps, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&cmd_verb_ps, "crt ps takes no arguments");
	} else if (first >= 0) {
		do
			code = list(&o, g, &e) < 0 ? EXIT_CRT : 0;
		while (code == 0 && o.watch > 0 && next_round(o.watch));
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.filters);
	return code;
}
