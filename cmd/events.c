/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing events.
 *
 * Theory of operation: there is no daemon that could keep them, so whoever does a thing
 * appends a line of JSON to the file "events" of the store: opened with O_APPEND, written
 * with one write(2), closed. Lines of several writers do not mix, nobody waits, and what
 * was killed has no line after that. Several events of one step are one write. All that is
 * not ASCII is escaped, so that the file is harmless whatever names and labels say.
 *
 * A file of a certain size is renamed to events.1, which it replaces. Two writers at that
 * point: a lock that is only tried, on the file itself, and a look whether the name still
 * means it; who does not get it writes to the larger file.
 *
 * Nothing here fails an operation: on a full or read-only disk the event is lost.
 */
#include "cmd/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "cmd/record.h"

#define ROTATE_BYTES (2 << 20)
#define LABELS_MAX   64 /* of one event: a container can have ten thousand */
#define EVENT_MAX    (64u << 10)

static json_t *now_json(void)
{
	char text[80];
	struct timespec ts;
	struct tm tm;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || gmtime_r(&ts.tv_sec, &tm) == NULL)
		return json_null();
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
		       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		       tm.tm_sec, ts.tv_nsec);
	return json_string(text);
}

/* Takes obj, which may be NULL. */
static void put(struct buf *b, json_t *obj)
{
	_cleanup_json_ json_t *line = obj;
	_cleanup_free_ char *text =
		line != NULL ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;

	if (text == NULL || len > EVENT_MAX)
		return;
	(void)buf_append(b, text, len); /* events_write() sees a failure */
	(void)buf_putc(b, '\n');
}

static json_t *attributes(const json_t *labels, const char *more, const char *text)
{
	json_t *obj = json_object();
	const char *key;
	size_t n = 0;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
		if (n++ < LABELS_MAX)
			(void)json_object_set(obj, key, value); /* fewer are better than none */
	if (more != NULL)
		(void)json_object_set_new(obj, more, json_string(text)); /* as above */
	return obj;
}

void event_container(struct buf *b, const char *status, const struct event_subject *who, int code,
		     const char *key, const char *value)
{
	json_t *obj = json_pack("{s:s, s:s?, s:s?, s:s, s:o, s:s, s:o}", "ID", who->id, "Image",
				who->image, "Name", who->name, "Status", status, "Time", now_json(),
				"Type", "container", "Attributes",
				attributes(who->labels, key, value));

	if (code >= 0)
		(void)json_object_set_new(obj, "ContainerExitCode", json_integer(code));
	if (key != NULL && strcmp(key, "health_status") == 0)
		(void)json_object_set_new(obj, "HealthStatus", json_string(value));
	put(b, obj);
}

void event_object(struct buf *b, const char *type, const char *status, const char *id,
		  const char *name)
{
	put(b, json_pack("{s:s*, s:s?, s:s, s:o, s:s, s:{}}", "ID", id, "Name", name, "Status",
			 status, "Time", now_json(), "Type", type, "Attributes"));
}

static void rotate(int root_fd, int fd)
{
	struct stat ours, named;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 &&
	    fstatat(root_fd, EVENTS_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
		(void)renameat(root_fd, EVENTS_FILE, root_fd, EVENTS_OLD_FILE); /* or it grows */
}

void events_write(struct storage *s, struct buf *b)
{
	int root_fd = s != NULL ? storage_root_fd(s) : -1;
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (root_fd >= 0 && b->err == 0 && b->len > 0)
		fd = openat(root_fd, EVENTS_FILE,
			    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			    0600);
	if (fd >= 0 && write(fd, b->data, b->len) == (ssize_t)b->len && fstat(fd, &st) == 0 &&
	    st.st_size >= ROTATE_BYTES)
		rotate(root_fd, fd);
	buf_reset(b);
}

struct event_subject event_subject_of(const json_t *record)
{
	struct event_subject who = {
		.id = json_string_value(json_object_get(record, "id")),
		.name = json_string_value(json_object_get(record, "name")),
		.image = json_string_value(json_object_get(record, "image")),
		.labels = json_object_get(record, "labels"),
	};

	if (who.image == NULL)
		who.image = json_string_value(json_object_get(record, "rootfs"));
	return who;
}

void events_record(struct storage *s, const char *status, const json_t *record)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct event_subject who = event_subject_of(record);

	if (who.id == NULL)
		return;
	event_container(&b, status, &who, -1, NULL, NULL);
	events_write(s, &b);
}

void events_container(struct storage *s, const char *status, const struct container *c, int code)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct event_subject who = event_subject_of(c->record);

	who.id = c->id;
	event_container(&b, status, &who, code, NULL, NULL);
	events_write(s, &b);
}

void events_object(struct storage *s, const char *type, const char *status, const char *id,
		   const char *name)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	event_object(&b, type, status, id, name);
	events_write(s, &b);
}

void events_launched(struct storage *s, const struct run_plan *p, bool created, bool started,
		     bool attached)
{
	_cleanup_json_ json_t *labels = record_labels(p);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct event_subject who = {
		.id = p->id,
		.name = p->name,
		.image = p->req->rootfs != NULL ? p->req->rootfs :
			 p->image.name != NULL	? p->image.name :
						  p->req->image,
		.labels = labels,
	};

	if (created)
		event_container(&b, "create", &who, -1, NULL, NULL);
	if (started) {
		event_container(&b, "init", &who, -1, NULL, NULL);
		event_container(&b, "start", &who, -1, NULL, NULL);
	}
	if (attached)
		event_container(&b, "attach", &who, -1, NULL, NULL);
	events_write(s, &b);
}
