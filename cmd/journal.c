/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: what is said about a container in it, and reading it back.
 *
 * Theory of operation: the fields that are the same in each message are made once, by the
 * keeper, and handed to crt-monitor as text (monitor_journal.c). Names of containers and
 * images have no newlines by their syntax; a tag, which may be a template, is refused when
 * it has one, since a newline would begin another field.
 *
 * Reading is journalctl's: the format of the files is its own. It is asked for messages of
 * this container that this user has sent: others could send messages that look like ours, but the
 * journal itself notes the sender's uid. Its JSON lines become lines of a k8s-file log,
 * which crt logs knows how to show. A message that is not text comes as numbers.
 */
#include "cmd/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/proc.h"
#include "cmd/compose.h"
#include "cmd/template.h"

#define READ_SIZE 65536
#define QUIET_MS  500 /* after the end: as long as the journal may need for the last messages */

/* ---- fields -------------------------------------------------------------------------------------- */

static const char *image_of(const struct run_plan *p)
{
	return p->req->rootfs != NULL ? p->req->rootfs :
	       p->image.name != NULL  ? p->image.name :
	       p->req->image != NULL  ? p->req->image :
					"";
}

static int make_tag(const struct run_plan *p, struct buf *b, struct error *e)
{
	_cleanup_json_ json_t *fields = json_pack("{s:s, s:s, s:s, s:s, s:s}", "ID", p->id,
						  "FullID", p->id, "Name", p->name, "ImageName",
						  image_of(p), "ImageID",
						  p->image.id != NULL ? p->image.id : "");
	int r;

	if (p->req->log_tag == NULL)
		return 0;
	if (fields == NULL)
		return error_set(e, -ENOMEM, "--log-opt tag");
	r = template_run(p->req->log_tag, fields, fields, false, b, e);
	if (r < 0)
		return error_prefix(e, "--log-opt tag=%s", p->req->log_tag);
	if (strchr(buf_str(b), '\n') != NULL)
		return error_setf(e, -EINVAL, "--log-opt tag: must be one line");
	return 0;
}

int journal_fields(const struct run_plan *p, char to[JOURNAL_FIELDS_MAX], struct error *e)
{
	_cleanup_buf_ struct buf tag = BUF_INIT, b = BUF_INIT;
	int r = make_tag(p, &tag, e);

	if (r < 0)
		return r;
	(void)buf_printf(&b,
			 "CONTAINER_ID=%.12s\nCONTAINER_ID_FULL=%s\nCONTAINER_NAME=%s\n"
			 "CONTAINER_TAG=%s\nIMAGE_NAME=%s\nSYSLOG_IDENTIFIER=%s\n",
			 p->id, p->id, p->name, buf_str(&tag), image_of(p),
			 tag.len > 0 ? buf_str(&tag) : p->name);
	if (b.err != 0 || b.len >= JOURNAL_FIELDS_MAX)
		return error_setf(e, -E2BIG, "--log-driver journald: the tag is too long");
	memcpy(to, buf_str(&b), b.len + 1);
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct reader {
	int (*line)(void *data, const char *text, size_t len, struct error *e);
	void *data;
	struct buf rest; /* a line of JSON that is not complete */
};

static int put_message(struct buf *b, const json_t *message)
{
	json_t *byte;
	size_t i;

	if (json_is_string(message))
		return buf_append(b, json_string_value(message), json_string_length(message));
	json_array_foreach((json_t *)(uintptr_t)message, i, byte)
		(void)buf_putc(b, (char)json_integer_value(byte)); /* the last one says it */
	return b->err;
}

static int take_entry(struct reader *r, const char *text, size_t len, struct error *e)
{
	_cleanup_json_ json_t *entry = json_parse(text, len, "journal", NULL);
	const char *usec = json_string_value(json_object_get(entry, "__REALTIME_TIMESTAMP"));
	const char *priority = json_string_value(json_object_get(entry, "PRIORITY"));
	bool partial = json_object_get(entry, "CONTAINER_PARTIAL_MESSAGE") != NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	unsigned long long us;
	struct tm tm;
	char at[32];
	time_t sec;

	if (usec == NULL || str_to_u64(usec, INT64_MAX, &us) < 0)
		return 0;
	sec = (time_t)(us / 1000000);
	if (gmtime_r(&sec, &tm) == NULL || strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return 0;
	(void)buf_printf(&b, "%s.%06llu000+00:00 %s %c ", at, us % 1000000,
			 priority != NULL && priority[0] == '3' ? "stderr" : "stdout",
			 partial ? 'P' : 'F');
	if (put_message(&b, json_object_get(entry, "MESSAGE")) < 0)
		return error_set(e, -ENOMEM, "reading the journal");
	return r->line(r->data, b.data, b.len, e);
}

static int take_data(struct reader *r, const char *data, size_t len, struct error *e)
{
	int ret = 0;

	while (ret == 0 && len > 0) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl != NULL ? (size_t)(nl - data) : len;

		if (r->rest.len + n > LIMIT_JSON_BYTES)
			buf_reset(&r->rest); /* none of ours is so long */
		if (buf_append(&r->rest, data, n) < 0)
			return error_set(e, -ENOMEM, "reading the journal");
		if (nl != NULL) {
			ret = take_entry(r, buf_str(&r->rest), r->rest.len, e);
			buf_reset(&r->rest);
			n++;
		}
		data += n;
		len -= n;
	}
	return ret;
}

/* 1 when journalctl has ended by itself. Until it does or, following, the container has and nothing comes any more. */
static int pump(struct reader *r, int fd, int end_fd, struct error *e)
{
	_cleanup_free_ char *data = malloc(READ_SIZE);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = end_fd, .events = POLLIN } };
	bool ended = false;
	int ret = data == NULL ? error_set(e, -ENOMEM, "reading the journal") : 0;

	while (ret == 0) {
		ssize_t n;
		int got = poll(p, 2, ended ? QUIET_MS : -1);

		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return error_set(e, -errno, "reading the journal");
		if (got > 0 && p[1].revents != 0) {
			ended = true;
			p[1].fd = -1;
		}
		if (got < 0 || p[0].revents == 0)
			continue;
		n = read(fd, data, READ_SIZE);
		if (n == 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return error_set(e, -errno, "reading the journal");
		if (n > 0)
			ret = take_data(r, data, (size_t)n, e);
	}
	return ret;
}

int journal_read(const struct journal_query *q,
		 int (*line)(void *data, const char *text, size_t len, struct error *e), void *data,
		 struct error *e)
{
	char name[] = "journalctl", json[] = "--output=json", all[] = "--all",
	     pager[] = "--no-pager", quiet[] = "--quiet", follow[] = "--follow", lines[48],
	     match[128], uid[32];
	char env[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C.UTF-8";
	char *argv[] = { name, json, all, pager, quiet, lines, match, uid, follow, NULL };
	char *envp[] = { env, locale, NULL };
	struct reader r = { .line = line, .data = data };
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int out_fd = -1, child_fd = -1, pid_fd = -1;
	struct proc_fd_map map[] = { { .target = STDOUT_FILENO },
				     { .fd = STDERR_FILENO, .target = STDERR_FILENO } };
	struct proc_spawn s = { .path_fd = -1,
				.argv = argv,
				.envp = envp,
				.fds = map,
				.fds_n = 2,
				.die_with_parent = true };
	int fds[2], ret;
	pid_t pid;

	if (proc_find_program("journalctl", &path) < 0)
		return error_setf(
			e, -ENOENT,
			"the log is in the journal, and there is no journalctl to read it");
	(void)snprintf(match, sizeof(match), "CONTAINER_ID_FULL=%s", q->id);
	(void)snprintf(uid, sizeof(uid), "_UID=%u", (unsigned int)geteuid());
	(void)snprintf(lines, sizeof(lines), "--lines=all");
	if (q->has_max)
		(void)snprintf(lines, sizeof(lines), "--lines=%llu", q->max);
	if (q->end_fd < 0)
		argv[8] = NULL;
	ret = fd_pipe(fds);
	if (ret < 0)
		return error_set(e, ret, "making a pipe");
	out_fd = fds[0];
	child_fd = fds[1];
	map[0].fd = child_fd;
	s.path = path;
	ret = proc_spawn(&s, &pid, &pid_fd, e);
	if (ret < 0)
		return ret;
	close_fd(&child_fd);
	ret = pump(&r, out_fd, q->end_fd, e);
	if (ret != 1)
		proc_kill(pid, pid_fd);
	else
		ret = proc_wait(pid) == 0 ?
			      0 :
			      error_setf(e, -EIO, "journalctl could not read the journal");
	buf_fini(&r.rest);
	return ret;
}
