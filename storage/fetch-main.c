/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main of crt-fetch.
 *
 * Theory of operation
 *
 * Started by crt (storage_fetch_exec) in a user and mount namespace of its
 * own (only a mount namespace for root), with an empty environment and the
 * descriptors of fetch-proto.h. Order, and why:
 *
 *   1 not dumpable, no core, private umask: the request may hold a password;
 *   2 the request is read: it comes from crt, it is trusted;
 *   3 what needs the host's files is loaded: TLS library, id map;
 *   4 the cage (unpack/cage.c);
 *   5 only then the first foreign byte, from the network or a local source.
 *
 * The result, or one error message, is the last thing said. Whatever happens
 * here can only reach the transaction directory; crt judges by the messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "storage/fetch-proto.h"
#include "storage/registry/http.h"
#include "storage/registry/ingest.h"
#include "storage/storage.h"
#include "storage/unpack/cage.h"

static int read_request(struct fetch_ctx *c, struct error *e)
{
	_cleanup_free_ char *text = malloc(FETCH_REQUEST_MAX);
	const char *platform = NULL;
	size_t no_fds = 0;
	ssize_t n;

	if (text == NULL)
		return error_set(e, -ENOMEM, "read the request");
	n = fd_recv(c->control_fd, text, FETCH_REQUEST_MAX, NULL, &no_fds);
	if (n <= 0)
		return error_set(e, n < 0 ? (int)n : -EPIPE, "read the request");
	c->request = json_parse(text, (size_t)n, "request", e);
	explicit_bzero(text, (size_t)n);
	if (c->request == NULL || json_get_bool(c->request, "", "keep_ids", &c->keep_ids, e) < 0 ||
	    json_get_bool(c->request, "", "all", &c->all, e) < 0 ||
	    json_get_string(c->request, "", "platform", &platform, e) < 0)
		return -EINVAL;
	return platform_parse(platform, &c->platform, e);
}

/* The ids that this namespace has, from lines "inside outside count". */
static int read_map(const char *path, struct id_range **ret, size_t *ret_n, struct error *e)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *f = fopen(path, "re");
	size_t cap = 0;
	int r = 0;

	if (f == NULL)
		return error_set(e, -errno, "open %s", path);
	while (r == 0 && getline(&line, &cap, f) > 0) {
		unsigned int in, out, count;

		if (sscanf(line, "%u %u %u", &in, &out, &count) != 3)
			return error_setf(e, -EINVAL, "%s is malformed", path);
		if (count == UINT32_MAX)
			continue; /* the whole range: no limit, as outside of user namespaces */
		r = id_map_add(ret, ret_n,
			       (struct id_range){ .inside = in, .outside = out, .count = count });
	}
	return r < 0 ? error_set(e, r, "read %s", path) : 0;
}

static int open_source(struct fetch_ctx *c, struct source *ret, struct error *e)
{
	const char *kind = "";

	if (json_get_string(c->request, "", "source", &kind, e) < 0)
		return -EINVAL;
	if (strcmp(kind, "docker") == 0)
		return source_registry_open(c, ret, e);
	return source_local_open(c, ret, e);
}

/* What is to be done: push and query work without a transaction. */
static int read_op(struct fetch_ctx *c, enum fetch_op *ret, struct error *e)
{
	static const char *const names[] = { FETCH_OP_NAMES };
	const char *text = names[FETCH_OP_FETCH];

	if (json_get_string(c->request, "", "op", &text, e) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (enum fetch_op)i;
			return 0;
		}
	}
	return error_setf(e, -EINVAL, "malformed request");
}

static int prepare(struct fetch_ctx *c, enum fetch_op *ret_op, struct error *e)
{
	const char *kind = "";
	int r;

	r = read_request(c, e);
	if (r == 0)
		r = read_op(c, ret_op, e);
	if (r == 0)
		r = read_map("/proc/self/uid_map", &c->map.uid, &c->map.uid_n, e);
	if (r == 0)
		r = read_map("/proc/self/gid_map", &c->map.gid, &c->map.gid_n, e);
	if (r < 0)
		return r;
	(void)json_get_string(c->request, "", "source", &kind, NULL); /* judged by open_source() */
	c->source_fd = strcmp(kind, "docker") == 0 ? -1 : FETCH_FD_SOURCE;
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return error_set(e, -errno, "eventfd");
	if (c->source_fd < 0) {
		r = http_global_init(e);
		if (r < 0)
			return r;
	}
	return cage_enter(fetch_op_has_txn(*ret_op) ? &c->txn_fd : NULL,
			  c->source_fd < 0 ? NULL : &c->source_fd, c->source_fd < 0, e);
}

static int run(struct fetch_ctx *c, char digest[DIGEST_TEXT_SIZE], size_t *ret_candidate,
	       struct error *e)
{
	enum fetch_op op = FETCH_OP_FETCH;
	struct source s;
	int r;

	r = prepare(c, &op, e);
	if (r < 0)
		return r;
	if (op == FETCH_OP_PUSH)
		return fetch_push(c, digest, e);
	if (op == FETCH_OP_QUERY)
		return fetch_query(c, e);
	if (op == FETCH_OP_LOAD)
		return fetch_load(c, digest, e);
	r = open_source(c, &s, e);
	if (r < 0)
		return r;
	r = ingest_run(c, &s, digest, e);
	*ret_candidate = c->candidate;
	s.free(s.data);
	return r;
}

int storage_fetch_main(int argc, char **argv)
{
	struct fetch_ctx c = { .control_fd = FETCH_FD_CONTROL,
			       .txn_fd = FETCH_FD_TXN,
			       .source_fd = -1,
			       .wake_fd = -1 };
	struct error e = ERROR_INIT;
	char digest[DIGEST_TEXT_SIZE] = "";
	size_t candidate = 0;
	struct stat st;
	int r;

	(void)argc;
	if (fd_sanitize_stdio() < 0 || fstat(FETCH_FD_CONTROL, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void)fprintf(stderr, "%s: is started by crt, not by hand\n",
			      argv[0] != NULL ? argv[0] : "crt-fetch");
		return 125;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* cannot fail */
	(void)umask(0);
	proc_own_signals();

	r = run(&c, digest, &candidate, &e);
	if (r == 0)
		r = fetch_say(&c,
			      json_pack("{s:s, s:s, s:I}", "t", "done", "d", digest, "i",
					(json_int_t)candidate),
			      &e);
	if (r < 0)
		(void)fetch_say(&c,
				json_pack("{s:s, s:i, s:s}", "t", "error", "code", r, "msg", e.msg),
				NULL);
	json_decref(c.request);
	id_map_fini(&c.map);
	return r < 0 ? 1 : 0;
}
