/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt logs: what a detached container has written.
 *
 * Theory of operation: the log is a file beside the container's record (or where
 * --log-opt path said) that crt-monitor appends to (monitor_log.c), with older ones
 * as NAME.1, NAME.2 ... It is read line by line with a bounded buffer; --tail first
 * finds its place from the end. --since and --until are compared as text, because
 * all time stamps have one form. A piece without a newline is printed without one.
 *
 * With --log-driver journald it is the journal that is read (journal.c).
 *
 * Following: inotify tells that the file grew, the monitor's socket that the
 * container has ended; whatever the order, the file is read to its end once more
 * after that. A file that became shorter, or whose name became another's, was
 * rotated.
 *
 * The text is the container's, and hostile: where our output is a terminal,
 * control characters in it are escaped, tabs and colours (ESC [ digits m) apart.
 * Files and pipes get what was written. A line that is not a log line (somebody else's file) is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/journal.h"
#include "cmd/monitor.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/request.h"
#include "cmd/verbs.h"
#include "cmd/when.h"

#define READ_SIZE 65536
#define ENTRY_MAX \
	(256u << 10) /* of the file; a read of the monitor's is 32 KiB, escaped at most 192 */
#define STAMP_LEN 29 /* "2001-02-03T04:05:06.123456789" */
#define OUT_FLUSH 65536
#define FOLLOW_MS 1000 /* look again also without an event, as on network file systems */

struct options {
	bool follow, latest, names, timestamps;
	bool has_tail;
	unsigned long long tail;
	const char *since, *until;
};

static int on_tail(void *data, const char *value, struct error *e)
{
	struct options *o = data;

	o->has_tail = strcmp(value, "all") != 0 && value[0] != '-';
	if (o->has_tail && str_to_u64(value, INT64_MAX, &o->tail) < 0)
		return error_setf(e, -EINVAL, "--tail %s: not a number of lines", value);
	return 0;
}

static const struct option_spec options[] = {
	{ "follow", 'f', OPT_FLAG, offsetof(struct options, follow),
	  .help = "Go on showing output until the container ends" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest),
	  .help = "Of the newest container" },
	{ "names", 'n', OPT_FLAG, offsetof(struct options, names),
	  .help = "Begin each line with the container's name" },
	{ "since", 0, OPT_STRING, offsetof(struct options, since), .arg = "TIME",
	  .help = "Only what is younger: a time, or a duration such as 10m" },
	{ "tail", 0, OPT_CALL, 0, .arg = "N", .help = "Only the last N lines", .call = on_tail },
	{ "timestamps", 't', OPT_FLAG, offsetof(struct options, timestamps),
	  .help = "Begin each line with its time" },
	{ "until", 0, OPT_STRING, offsetof(struct options, until), .arg = "TIME",
	  .help = "Only what is older" },
	OPTION_END
};

const struct cmd_verb cmd_verb_logs = {
	.name = "logs",
	.run = cmd_logs,
	.options = options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Show what containers have written",
	.operands = OPERANDS_CONTAINERS,
};

struct logs {
	const struct options *o;
	const char *name; /* of the container */
	char since[WHEN_TEXT], until[WHEN_TEXT];
	bool json;
	bool journal;
	bool mid[2]; /* the last piece of the stream had no newline */
	bool past;   /* --until was reached */
	bool terminal[2];
	struct buf out[2];
	struct buf line; /* unfinished line of the file */
};

/* ---- output ------------------------------------------------------------------------------ */

static int flush(struct logs *l, int which, struct error *e)
{
	int r = l->out[which].err;

	if (r == 0 && l->out[which].len > 0)
		r = fd_write_all(which == 0 ? STDOUT_FILENO : STDERR_FILENO, l->out[which].data,
				 l->out[which].len);
	buf_reset(&l->out[which]);
	return r < 0 && r != -EPIPE ? error_set(e, r, "writing") : r;
}

/* Bytes of a sequence that only sets colours, 0 = none. */
static size_t colour_len(const char *s, size_t len)
{
	size_t n = 2;

	if (len < 3 || s[0] != '\033' || s[1] != '[')
		return 0;
	while (n < len && n < 32 && ((s[n] >= '0' && s[n] <= '9') || s[n] == ';'))
		n++;
	return n < len && s[n] == 'm' ? n + 1 : 0;
}

static void put_safely(struct buf *b, const char *s, size_t len)
{
	size_t start = 0;

	if (len > 0 && s[len - 1] == '\r') /* how a pty ends a line */
		len--;
	for (size_t i = 0; i < len;) {
		size_t n = s[i] == '\t' ? 1 : s[i] == '\033' ? colour_len(s + i, len - i) : 0;

		if (n == 0) {
			i++;
			continue;
		}
		(void)buf_puts_escaped(b, s + start, i - start); /* flush() sees a failure */
		(void)buf_append(b, s + i, n);
		i += n;
		start = i;
	}
	(void)buf_puts_escaped(b, s + start, len - start);
}

static int emit(struct logs *l, const char *time, size_t time_len, bool is_err, bool complete,
		const char *text, size_t len, struct error *e)
{
	struct buf *b = &l->out[is_err];
	int r = 0;

	if (time_len < STAMP_LEN || (l->since[0] != '\0' && strncmp(time, l->since, STAMP_LEN) < 0))
		return 0;
	if (l->until[0] != '\0' && strncmp(time, l->until, STAMP_LEN) > 0) {
		l->past = true;
		return 0;
	}
	/* keep the order of the streams as well as two descriptors can */
	if (l->out[!is_err].len > 0)
		r = flush(l, !is_err, e);
	if (!l->mid[is_err]) {
		if (l->o->names)
			(void)buf_printf(b, "%s ", l->name);
		if (l->o->timestamps) {
			(void)buf_append(b, time, time_len);
			(void)buf_putc(b, ' ');
		}
	}
	if (l->terminal[is_err])
		put_safely(b, text, len);
	else
		(void)buf_append(b, text, len);
	if (complete)
		(void)buf_putc(b, '\n'); /* flush() sees a failure */
	l->mid[is_err] = !complete;
	return r == 0 && b->len >= OUT_FLUSH ? flush(l, is_err, e) : r;
}

/* ---- lines ------------------------------------------------------------------------------- */

/* "TIME stdout F TEXT" */
static int line_k8s(struct logs *l, const char *line, size_t len, struct error *e)
{
	const char *space = memchr(line, ' ', len);
	size_t time_len = space != NULL ? (size_t)(space - line) : len;
	const char *rest = line + time_len;
	size_t rest_len = len - time_len;
	bool is_err;

	if (rest_len < strlen(" stdout F ") ||
	    (strncmp(rest, " stdout ", 8) != 0 && strncmp(rest, " stderr ", 8) != 0))
		return 0;
	is_err = rest[4] == 'e';
	if ((rest[8] != 'F' && rest[8] != 'P') || rest[9] != ' ')
		return 0;
	return emit(l, line, time_len, is_err, rest[8] == 'F', rest + 10, rest_len - 10, e);
}

static int line_json(struct logs *l, const char *line, size_t len, struct error *e)
{
	_cleanup_json_ json_t *obj = json_parse(line, len, "log line", NULL);
	const char *text = json_string_value(json_object_get(obj, "log"));
	const char *time = json_string_value(json_object_get(obj, "time"));
	const char *stream = json_string_value(json_object_get(obj, "stream"));
	size_t n = text != NULL ? strlen(text) : 0;
	bool complete = n > 0 && text[n - 1] == '\n';

	if (text == NULL || time == NULL || stream == NULL)
		return 0;
	return emit(l, time, strlen(time), strcmp(stream, "stderr") == 0, complete, text,
		    n - complete, e);
}

static int take_line(struct logs *l, const char *line, size_t len, struct error *e)
{
	return l->json ? line_json(l, line, len, e) : line_k8s(l, line, len, e);
}

static int take_data(struct logs *l, const char *data, size_t len, struct error *e)
{
	int r = 0;

	while (r == 0 && len > 0 && !l->past) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl != NULL ? (size_t)(nl - data) : len;

		if (nl != NULL && l->line.len == 0) {
			r = take_line(l, data, n, e);
		} else {
			if (l->line.len + n > ENTRY_MAX)
				buf_reset(&l->line); /* not one of ours */
			if (buf_append(&l->line, data, n) < 0)
				return error_set(e, -ENOMEM, "reading the log");
			if (nl != NULL) {
				r = take_line(l, l->line.data, l->line.len, e);
				buf_reset(&l->line);
			}
		}
		n += nl != NULL;
		data += n;
		len -= n;
	}
	return r;
}

/* From where it stands to its end. 0 or -errno. */
static int read_on(struct logs *l, int fd, struct error *e)
{
	_cleanup_free_ char *data = malloc(READ_SIZE);
	ssize_t n = 0;
	int r = data == NULL ? error_set(e, -ENOMEM, "reading the log") : 0;

	while (r == 0 && !l->past && (n = read(fd, data, READ_SIZE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(e, -errno, "reading the log");
		r = take_data(l, data, (size_t)n, e);
	}
	for (int i = 0; r == 0 && i < 2; i++)
		r = flush(l, i, e);
	return r;
}

/* ---- --tail ------------------------------------------------------------------------------- */

/* Does this line end one of the container's? Its beginning may be cut off: then it is a long one. */
static bool ends_line(const struct logs *l, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	size_t at = space != NULL ? (size_t)(space - line) : len;

	if (l->json)
		return memmem(line, len, "\\n\",\"stream\"", 12) != NULL;
	return len - at > 9 && line[at + 8] == 'F';
}

/* Lines found from the end of the file; *ret_at: where the oldest wanted one begins. */
static int find_tail(const struct logs *l, int fd, unsigned long long want,
		     unsigned long long *ret_found, off_t *ret_at, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT; /* from pos to the end of the line under judgement */
	_cleanup_free_ char *data = malloc(READ_SIZE);
	off_t pos = lseek(fd, 0, SEEK_END), end;
	unsigned long long found = 0;
	bool first = true;

	if (pos < 0 || data == NULL)
		return error_set(e, data == NULL ? -ENOMEM : -errno, "reading the log");
	end = pos;
	while (pos > 0) {
		size_t n = pos > READ_SIZE ? READ_SIZE : (size_t)pos;
		ssize_t got;

		pos -= (off_t)n;
		got = pread(fd, data, n, pos);
		if (got != (ssize_t)n)
			return error_set(e, got < 0 ? -errno : -EIO, "reading the log");
		for (size_t i = n; i > 0; i--) {
			off_t start = pos + (off_t)i;
			char head[64];
			ssize_t len;

			if (data[i - 1] != '\n')
				continue;
			if (start == end) /* the newline of the last line */
				continue;
			if (l->json) {
				size_t size = end - start > ENTRY_MAX ? ENTRY_MAX :
									(size_t)(end - start);
				char *line = NULL;

				buf_reset(&b);
				line = buf_reserve(&b, size);
				if (line == NULL)
					return error_set(e, -ENOMEM, "reading the log");
				len = pread(fd, line, size, start);
				found += len > 0 && (first || ends_line(l, line, (size_t)len));
			} else {
				len = pread(fd, head, sizeof(head), start);
				found += len > 0 && (first || ends_line(l, head, (size_t)len));
			}
			first = false;
			if (found > want) {
				*ret_found = want;
				*ret_at = end;
				return 0;
			}
			end = start;
		}
	}
	*ret_found = found + (end > 0); /* the first line of the file */
	*ret_at = 0;
	if (*ret_found > want) {
		*ret_found = want;
		*ret_at = end;
	}
	return 0;
}

/* ---- files -------------------------------------------------------------------------------- */

struct file {
	int dir_fd;
	char name[MONITOR_LOG_NAME];
	unsigned int files; /* how many there can be */
};

static int open_file(const struct file *f, unsigned int i)
{
	char name[MONITOR_LOG_NAME + 16];

	if (i == 0)
		(void)snprintf(name, sizeof(name), "%s", f->name);
	else
		(void)snprintf(name, sizeof(name), "%s.%u", f->name, i);
	return openat(f->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* All of it as far as it is written; *ret_fd: the current file, at its end. */
static int show(struct logs *l, const struct file *f, int *ret_fd, struct error *e)
{
	unsigned long long want = l->o->tail, found = 0;
	unsigned int oldest = f->files - 1;
	off_t at = 0;
	int r = 0;

	for (unsigned int i = 0; l->o->has_tail && i < f->files; i++) {
		_cleanup_fd_ int fd = open_file(f, i);

		oldest = i;
		at = 0;
		if (fd < 0)
			continue;
		r = find_tail(l, fd, want, &found, &at, e);
		if (r < 0)
			return r;
		want -= found;
		if (want == 0)
			break;
	}
	for (unsigned int i = oldest + 1; r == 0 && i-- > 0;) {
		_cleanup_fd_ int fd = open_file(f, i);

		if (fd < 0)
			continue;
		if (i == oldest && lseek(fd, at, SEEK_SET) < 0)
			return error_set(e, -errno, "reading the log");
		r = read_on(l, fd, e);
		if (i == 0)
			*ret_fd = steal_fd(&fd);
	}
	return r;
}

/* Rotated since? Then fd is the new file, at its beginning. */
static int reopen(struct logs *l, const struct file *f, int *fd, struct error *e)
{
	struct stat ours, named;
	int fresh;

	if (fstat(*fd, &ours) < 0)
		return error_set(e, -errno, "reading the log");
	if (lseek(*fd, 0, SEEK_CUR) > ours.st_size)
		(void)lseek(*fd, 0, SEEK_SET); /* emptied; a regular file: cannot fail */
	if (fstatat(f->dir_fd, f->name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (named.st_ino == ours.st_ino && named.st_dev == ours.st_dev))
		return 0;
	fresh = open_file(f, 0);
	if (fresh < 0)
		return 0;
	(void)close(*fd);
	*fd = fresh;
	return read_on(l, *fd, e);
}

static int follow(struct logs *l, const struct file *f, const struct container *c, int *fd,
		  struct error *e)
{
	static const char quiet = MONITOR_PACKET_QUIET;
	_cleanup_fd_ int sock = container_connect(c, e);
	_cleanup_fd_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p[2] = { { .fd = notify, .events = POLLIN },
			       { .fd = sock, .events = POLLIN } };
	char path[32], events[4096];
	int r = 0;

	if (sock < 0)
		return sock == -ENOTCONN ? read_on(l, *fd, e) : sock;
	(void)send(sock, &quiet, 1, MSG_NOSIGNAL); /* else it has ended: poll() tells */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->dir_fd);
	if (notify >= 0) /* without it the time-out does */
		(void)inotify_add_watch(notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	while (r == 0 && !l->past) {
		bool ended;

		r = read_on(l, *fd, e);
		if (r == 0)
			r = reopen(l, f, fd, e);
		if (r < 0)
			break;
		if (poll(p, 2, FOLLOW_MS) < 0 && errno != EINTR)
			return error_set(e, -errno, "waiting for the container");
		ended = p[1].revents != 0;
		if (p[0].revents != 0 && read(notify, events, sizeof(events)) < 0)
			p[0].fd = -1; /* that they come is enough; the time-out does else */
		if (ended) {
			r = read_on(l, *fd, e);
			return r == 0 ? reopen(l, f, fd, e) : r;
		}
	}
	return r;
}

/* Where the log of this container is. 0, -ENOENT with the reason, or -errno. */
static int find_file(struct storage *s, const struct container *c, struct logs *l, struct file *f,
		     struct error *e)
{
	_cleanup_free_ char *text = NULL, *dir = NULL;
	struct run_request req;
	const char *slash;
	int r = storage_container_read(s, c->id, "request.json", &text, e);

	if (r < 0)
		return error_setf(e, -ENOENT,
				  "container %s has no log: it was run with --rm in the foreground",
				  c->name);
	run_request_init(&req);
	r = request_from_json(text, &req, e);
	if (r == 0 && req.log_driver == REQUEST_LOG_JOURNALD)
		l->journal = true;
	else if (r == 0 && req.log_driver != REQUEST_LOG_K8S_FILE &&
		 req.log_driver != REQUEST_LOG_JSON_FILE)
		r = error_setf(e, -ENOENT, "container %s has no log: --log-driver %s", c->name,
			       request_log_name(req.log_driver));
	if (r == 0 && !l->journal) {
		slash = req.log_path != NULL ? strrchr(req.log_path, '/') : NULL;
		if (slash != NULL)
			dir = str_printf("%.*s/", (int)(slash - req.log_path), req.log_path);
		(void)snprintf(f->name, sizeof(f->name), "%s",
			       slash != NULL ? slash + 1 : "ctr.log");
		f->files = req.log_max_files > 0 ? req.log_max_files : 1;
		l->json = req.log_driver == REQUEST_LOG_JSON_FILE;
		f->dir_fd = dir != NULL ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
					  storage_container_open(s, c->id, e);
		if (f->dir_fd < 0)
			r = error_set(e, -errno, "opening the log of %s", c->name);
	}
	run_request_fini(&req);
	return r;
}

static int take_entry(void *data, const char *text, size_t len, struct error *e)
{
	struct logs *l = data;
	int r = line_k8s(l, text, len, e);

	for (int i = 0; r == 0 && i < 2; i++)
		r = flush(l, i, e);
	return r;
}

/* --log-driver journald */
static int show_journal(struct logs *l, const struct container *c, struct error *e)
{
	static const char quiet = MONITOR_PACKET_QUIET;
	struct error ignored = ERROR_INIT;
	_cleanup_fd_ int sock = l->o->follow && c->live ? container_connect(c, &ignored) : -1;
	struct journal_query q = { .id = c->id,
				   .max = l->o->tail,
				   .has_max = l->o->has_tail,
				   .end_fd = sock >= 0 ? sock : -1 };

	if (sock >= 0)
		(void)send(sock, &quiet, 1, MSG_NOSIGNAL); /* else it has ended: poll() tells */
	return journal_read(&q, take_entry, l, e);
}

static int logs_of(struct storage *s, const struct container *c, const struct options *o,
		   struct error *e)
{
	struct logs l = {
		.o = o,
		.name = c->name,
		.terminal = { isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1 },
	};
	struct file f = { .dir_fd = -1, .files = 1 };
	_cleanup_fd_ int fd = -1;
	int r = 0;

	if (o->since != NULL)
		r = when_parse(o->since, l.since, e);
	if (r == 0 && o->until != NULL)
		r = when_parse(o->until, l.until, e);
	if (r == 0)
		r = find_file(s, c, &l, &f, e);
	if (r == 0 && l.journal)
		r = show_journal(&l, c, e);
	else if (r == 0)
		r = show(&l, &f, &fd, e);
	if (r == 0 && o->follow && fd >= 0 && c->live)
		r = follow(&l, &f, c, &fd, e);
	close_fd(&f.dir_fd);
	for (int i = 0; i < 2; i++)
		buf_fini(&l.out[i]);
	buf_fini(&l.line);
	return r == -EPIPE ? 0 : r;
}

static int logs(const struct options *o, const struct cmd_global *g, char **names, int n,
		struct error *e)
{
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0 && o->latest) {
		struct container *all = NULL;
		size_t count = 0;

		r = container_list(s, &all, &count, e);
		if (r == 0 && count == 0)
			r = error_setf(e, -ENOENT, "there is no container");
		else if (r == 0)
			r = logs_of(s, &all[0], o, e);
		containers_free(all, count);
	}
	for (int i = 0; r == 0 && i < n; i++) {
		struct container c = { .id = NULL };

		r = container_open(s, names[i], &c, e);
		if (r == 0)
			r = logs_of(s, &c, o, e);
		container_fini(&c);
	}
	storage_free(s);
	return r;
}

int cmd_logs(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .follow = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_logs, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if ((first == argc) != o.latest)
		return opt_usage_error(&cmd_verb_logs,
				       o.latest ? "--latest cannot be combined with names" :
						  "the name or id of a container is missing");
	if (logs(&o, g, argv + first, argc - first, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
