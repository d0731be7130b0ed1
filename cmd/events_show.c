/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt events: shows what happened, and what happens.
 *
 * Theory of operation: the lines of events.1 and events (events.c) are read in this order
 * and filtered; each is shown by itself, so that a pipe has it at once. Following: inotify
 * tells that the file grew; when the name means another file than the one that is open,
 * the rest of the open one is read and then the new one from its beginning. A
 * line without its newline is kept until the rest comes. What is no event is skipped.
 *
 * Names, labels and images are foreign text: they are escaped in the form for people.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/events.h"
#include "cmd/filter.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "cmd/when.h"

#define STAMP_LEN 29   /* "2001-02-03T04:05:06.123456789" */
#define FOLLOW_MS 1000 /* look again also without an event, as on network file systems */
#define READ_SIZE 65536

struct options {
	bool no_trunc, stream;
	const char *since, *until, *format;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: container=, event=, image=, label=, type=, volume=",
	  .complete = "container=|event=|image=|label=|type=container|type=image|type=volume|"
		      "volume=" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json, one object a line, or by a Go template", .complete = "json" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc),
	  .help = "Show whole ids (default true)" },
	{ "since", 0, OPT_STRING, offsetof(struct options, since), .arg = "TIME",
	  .help = "Begin with what happened then: a time, or a duration such as 10m" },
	{ "stream", 0, OPT_FLAG, offsetof(struct options, stream),
	  .help = "Go on with what happens from now on (default true)" },
	{ "until", 0, OPT_STRING, offsetof(struct options, until), .arg = "TIME",
	  .help = "End at this time, or after this duration" },
	OPTION_END
};

const struct cmd_verb cmd_verb_events = {
	.name = "events",
	.run = cmd_events,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Show what happened to containers, images and volumes",
};

/* ---- filters: item is an event -------------------------------------------------------------- */

static const char *text_of(const json_t *event, const char *key)
{
	const char *s = json_string_value(json_object_get(event, key));

	return s != NULL ? s : "";
}

static bool is_type(const json_t *event, const char *type)
{
	return strcmp(text_of(event, "Type"), type) == 0;
}

static int by_container(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e; /* every text is one */
	return item == NULL || (is_type(item, "container") &&
				(strcmp(text_of(item, "Name"), value) == 0 ||
				 (*value != '\0' && str_starts(text_of(item, "ID"), value))));
}

static int by_event(const void *item, const char *value, void *data, struct error *e)
{
	const char *is = item != NULL ? text_of(item, "Status") : value;

	(void)data;
	(void)e;
	return strcmp(is, value) == 0 || (strcmp(value, "die") == 0 && strcmp(is, "died") == 0) ||
	       (strcmp(value, "delete") == 0 && strcmp(is, "remove") == 0);
}

static int by_image(const void *item, const char *value, void *data, struct error *e)
{
	const char *image;

	(void)data;
	(void)e;
	if (item == NULL)
		return 1;
	image = text_of(item, is_type(item, "image") ? "Name" : "Image");
	return *value != '\0' &&
	       (strstr(image, value) != NULL ||
		(is_type(item, "image") && str_starts(text_of(item, "ID"), value)));
}

static int by_label(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e;
	return item == NULL || filter_label(json_object_get(item, "Attributes"), value);
}

static int by_type(const void *item, const char *value, void *data, struct error *e)
{
	static const char *const types[] = { "container", "image",  "volume",  "network",
					     "pod",	  "system", "machine", "secret" };

	(void)data;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], value) == 0)
			return item == NULL || is_type(item, value);
	return error_setf(e, -EINVAL, "\"%s\" is no type: container, image, volume, network",
			  value);
}

static int by_volume(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e;
	return item == NULL ||
	       (is_type(item, "volume") && strcmp(text_of(item, "Name"), value) == 0);
}

static int by_pod(const void *item, const char *value, void *data, struct error *e)
{
	(void)item;
	(void)data;
	return error_setf(e, -EINVAL, "there are no pods, so none is \"%s\"", value);
}

static const struct filter_spec filters[] = {
	{ "container", false, by_container },
	{ "event", false, by_event },
	{ "image", false, by_image },
	{ "label", true, by_label },
	{ "type", false, by_type },
	{ "volume", false, by_volume },
	{ "pod", false, by_pod },
	{ NULL, false, NULL },
};

/* ---- one event ------------------------------------------------------------------------------- */

struct reader {
	const struct options *o;
	char since[WHEN_TEXT], until[WHEN_TEXT];
	bool past; /* --until was reached */
	bool json;
	int root_fd;
	struct buf line; /* unfinished */
};

/* "2001-02-03 04:05:06.123456789 +0000 UTC", as podman prints times. */
static void put_time(struct buf *b, const char *stamp)
{
	size_t len = strlen(stamp) >= STAMP_LEN ? STAMP_LEN : 0;

	while (len > 20 && stamp[len - 1] == '0')
		len--;
	for (size_t i = 0; i < len; i++)
		(void)buf_putc(b,
			       stamp[i] == 'T' ? ' ' : stamp[i]); /* out_write() sees a failure */
	(void)buf_puts(b, " +0000 UTC");
}

static void put_text(struct buf *b, const char *text)
{
	(void)buf_puts_escaped(b, text, strlen(text)); /* as above */
}

static void put_people(const struct reader *r, const json_t *event, struct buf *b)
{
	const char *type = text_of(event, "Type"), *id = text_of(event, "ID");
	const char *key;
	json_t *value;

	put_time(b, text_of(event, "Time"));
	(void)buf_putc(b, ' ');
	put_text(b, type);
	(void)buf_putc(b, ' ');
	put_text(b, text_of(event, "Status"));
	if (*id != '\0') {
		(void)buf_putc(b, ' ');
		(void)buf_puts_escaped(b, id, r->o->no_trunc || strlen(id) < 12 ? strlen(id) : 12);
	}
	if (strcmp(type, "container") != 0) {
		(void)buf_putc(b, ' ');
		put_text(b, text_of(event, "Name"));
		(void)buf_putc(b, '\n');
		return;
	}
	(void)buf_puts(b, " (image=");
	put_text(b, text_of(event, "Image"));
	(void)buf_puts(b, ", name=");
	put_text(b, text_of(event, "Name"));
	json_object_foreach(json_object_get(event, "Attributes"), key, value) {
		(void)buf_puts(b, ", ");
		put_text(b, key);
		(void)buf_putc(b, '=');
		put_text(b, json_is_string(value) ? json_string_value(value) : "");
	}
	(void)buf_puts(b, ")\n");
}

static int put_template(const struct reader *r, json_t *event, struct error *e)
{
	static const char defaults[] =
		"{\"ID\":\"\",\"Image\":\"\",\"Name\":\"\",\"Status\":\"\",\"Type\":\"\",\"Attributes\":{},"
		"\"ContainerExitCode\":0,\"HealthStatus\":\"\",\"Network\":\"\"}";
	_cleanup_buf_ struct buf time = BUF_INIT;
	json_t *fields = json_parse(defaults, strlen(defaults), "defaults", e);
	struct out_rows rows = { NULL, NULL };
	int ret;

	put_time(&time, text_of(event, "Time"));
	if (fields == NULL || json_object_update(fields, event) < 0 ||
	    json_object_set_new(fields, "Time", json_string(buf_str(&time))) < 0 ||
	    out_rows_init(&rows) < 0) {
		json_decref(fields);
		return error_set(e, -ENOMEM, "showing an event");
	}
	ret = out_rows_add(&rows, fields, json_incref(event));
	ret = ret < 0 ? error_set(e, ret, "showing an event") :
			out_print(&rows, NULL, r->o->format, true, e);
	out_rows_fini(&rows);
	return ret;
}

static int show(struct reader *r, const char *line, size_t len, struct error *e)
{
	_cleanup_json_ json_t *event = json_parse(line, len, "event", NULL);
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *time = text_of(event, "Time");
	int ret;

	if (event == NULL || strlen(time) < STAMP_LEN ||
	    (r->since[0] != '\0' && strncmp(time, r->since, STAMP_LEN) < 0))
		return 0;
	if (r->until[0] != '\0' && strncmp(time, r->until, STAMP_LEN) > 0) {
		r->past = true;
		return 0;
	}
	ret = filter_pass(filters, &r->o->filters, event, NULL, e);
	if (ret <= 0)
		return ret;
	if (r->o->format != NULL && !r->json)
		return put_template(r, event, e);
	if (r->json) {
		_cleanup_free_ char *text = json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII);

		(void)buf_puts(&b, text != NULL ? text : ""); /* out_write() sees a failure */
		(void)buf_putc(&b, '\n');
	} else {
		put_people(r, event, &b);
	}
	return out_write(&b, e);
}

/* ---- the file -------------------------------------------------------------------------------- */

static int take(struct reader *r, const char *data, size_t len, struct error *e)
{
	int ret = 0;

	while (ret == 0 && len > 0 && !r->past) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl != NULL ? (size_t)(nl - data) : len;

		if (r->line.len + n > LIMIT_JSON_BYTES)
			buf_reset(&r->line); /* not one of ours */
		if (buf_append(&r->line, data, n) < 0)
			return error_set(e, -ENOMEM, "reading events");
		if (nl != NULL) {
			ret = show(r, buf_str(&r->line), r->line.len, e);
			buf_reset(&r->line);
			n++;
		}
		data += n;
		len -= n;
	}
	return ret;
}

static int read_on(struct reader *r, int fd, struct error *e)
{
	_cleanup_free_ char *data = malloc(READ_SIZE);
	ssize_t n;
	int ret = data == NULL ? error_set(e, -ENOMEM, "reading events") : 0;

	while (ret == 0 && !r->past && (n = read(fd, data, READ_SIZE)) != 0) {
		if (n < 0 && errno != EINTR)
			return error_set(e, -errno, "reading events");
		if (n > 0)
			ret = take(r, data, (size_t)n, e);
	}
	return ret;
}

static int open_events(const struct reader *r, const char *name)
{
	return openat(r->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* The open file to its end, then, where the name means another one by now, that. */
static int read_news(struct reader *r, int *fd, struct error *e)
{
	struct stat ours, named;
	int ret = *fd < 0 ? 0 : read_on(r, *fd, e);

	if (ret < 0 || fstatat(r->root_fd, EVENTS_FILE, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return ret;
	if (*fd >= 0 && fstat(*fd, &ours) == 0 && ours.st_ino == named.st_ino &&
	    ours.st_dev == named.st_dev)
		return ret;
	if (*fd >= 0) {
		ret = read_on(r, *fd, e); /* written between our last look and the rename */
		(void)close(*fd);
		buf_reset(&r->line);
	}
	*fd = open_events(r, EVENTS_FILE);
	return ret < 0 || *fd < 0 ? ret : read_on(r, *fd, e);
}

/* Milliseconds until --until, at most FOLLOW_MS. */
static int time_left(struct reader *r)
{
	struct timespec now;
	char text[WHEN_TEXT];
	struct tm tm;

	if (r->until[0] == '\0')
		return FOLLOW_MS;
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	if (gmtime_r(&now.tv_sec, &tm) == NULL)
		return FOLLOW_MS;
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + 19, sizeof(text) - 19, ".%09ld", now.tv_nsec);
	if (strncmp(text, r->until, STAMP_LEN) >= 0)
		return 0;
	return strncmp(text, r->until, 19) == 0 ? 20 : 200;
}

static int follow(struct reader *r, int *fd, struct error *e)
{
	_cleanup_fd_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p[2] = { { .fd = notify, .events = POLLIN },
			       { .fd = STDOUT_FILENO, .events = 0 } };
	char path[32], news[4096];
	int ret = 0, left;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", r->root_fd);
	if (notify >= 0) /* without it the time-out does */
		(void)inotify_add_watch(notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	for (;;) {
		left = time_left(r);
		ret = read_news(r, fd, e);
		if (ret < 0 || r->past || left == 0)
			return ret;
		if (poll(p, 2, left) < 0 && errno != EINTR)
			return error_set(e, -errno, "waiting for events");
		if ((p[1].revents & (POLLERR | POLLHUP)) != 0)
			return 0; /* nobody reads it */
		if (p[0].revents != 0 && read(notify, news, sizeof(news)) < 0)
			p[0].fd = -1; /* that they come is enough; the time-out does else */
	}
}

/* A duration is how long to go on. */
static int parse_until(const char *text, char ret[WHEN_TEXT], struct error *e)
{
	_cleanup_free_ char *at = NULL;
	long long ns;
	struct timespec now;

	if (when_parse_duration(text[0] == '-' ? text + 1 : text, &ns) < 0)
		return when_parse(text, ret, e);
	if (text[0] == '-')
		return when_parse(text + 1, ret, e);
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	ns += now.tv_nsec;
	at = str_printf("%lld.%09lld", (long long)now.tv_sec + ns / 1000000000, ns % 1000000000);
	return at == NULL ? error_set(e, -ENOMEM, "--until") : when_parse(at, ret, e);
}

static int run(const struct options *o, const struct cmd_global *g, struct error *e)
{
	struct reader r = { .o = o };
	struct storage *s = NULL;
	_cleanup_fd_ int fd = -1, old_fd = -1;
	int ret = filter_check(filters, &o->filters, NULL, e);

	r.json = o->format != NULL &&
		 (strcmp(o->format, "json") == 0 || strcmp(o->format, "{{json .}}") == 0);
	if (ret == 0 && o->since != NULL && when_parse(o->since, r.since, e) < 0)
		ret = error_prefix(e, "--since");
	if (ret == 0 && o->until != NULL && parse_until(o->until, r.until, e) < 0)
		ret = error_prefix(e, "--until");
	/* as podman: only what is new, unless a time or the whole is asked for */
	if (ret == 0 && o->since == NULL && o->until == NULL && o->stream)
		ret = when_parse("0s", r.since, e);
	if (ret == 0)
		ret = storage_open(g->root, true, &s, e);
	if (ret == 0) {
		r.root_fd = storage_root_fd(s);
		fd = open_events(&r, EVENTS_FILE);
		old_fd = open_events(&r, EVENTS_OLD_FILE);
		if (old_fd >= 0)
			ret = read_on(&r, old_fd, e);
		if (ret == 0)
			ret = o->stream && !r.past ? follow(&r, &fd, e) : read_news(&r, &fd, e);
	}
	buf_fini(&r.line);
	storage_free(s);
	return ret;
}

int cmd_events(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .no_trunc = true, .stream = true };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_events, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&cmd_verb_events, "crt events takes no arguments");
	} else if (first >= 0) {
		code = run(&o, g, &e) < 0 && e.code != -EPIPE ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.filters);
	return code;
}
