/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt's side of fetching: the request, the exec of crt-fetch, its reports, the commit.
 *
 * Theory of operation
 *
 * crt reads what is trusted (registries.conf, auth files, the command line)
 * and does nothing else; crt-fetch, in a namespace and a cage of its own,
 * touches what is not. Between them is one SOCK_SEQPACKET socket:
 *
 *   begin   resolve the reference, find credentials, open the local source,
 *           find the helper, begin the transaction, put the request into the
 *           socket: {"source","tag","platform","keep_ids","candidates","proxy"}.
 *           Secrets are in no argument and no environment
 *   exec    in the child: descriptors to their numbers, everything else
 *           closed, empty environment, execveat of the helper's open file
 *   finish  read messages until the result; answer questions about what the
 *           store has; commit
 *
 * crt-fetch may have been taken over by what it read. So its messages are
 * parsed strictly, digests must be digests, text is escaped, the index of the
 * candidate must exist, the amount of waiting is bounded, and the commit
 * (txn.c) checks the transaction.
 *
 * Digests are computed by crt-fetch, and the commit believes them: a tree
 * cannot be compared with the digest of a tar without unpacking it again, and
 * hashing the blobs here would protect what is not run. So whoever takes
 * crt-fetch over, by a defect of TLS, HTTP, decompression or tar, can deliver a
 * wrong image, and under the diff-id of a layer that the store does not have
 * yet a wrong layer, which a later image with that layer would use ("crt rmi"
 * of all that name it, and it is fetched anew). What he cannot do is change what
 * is in the store already, read anything, or reach the user's other processes
 * and files. An honest crt-fetch compares every byte from outside with its
 * digest before it is reported (registry/ingest.c).
 *
 * When crt dies, the transaction's lock is free and the next start throws it
 * away; crt-fetch dies with it (parent death signal and the closed socket).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "storage/bundle.h"
#include "storage/fetch-priv.h"
#include "storage/registry/conf.h"
#include "storage/registry/policy.h"
#include "storage/store.h"

#define SHARE_MS      (10 * 60 * 1000)
#define SHARE_STEP_MS 50

void storage_fetch_free(struct storage_fetch *f)
{
	if (f == NULL)
		return;
	storage_txn_abort(f->txn);
	strv_fini(&f->names);
	free(f->store_as);
	for (size_t i = 0; i < f->images_n; i++) {
		free(f->images[i].digest);
		strv_fini(&f->images[i].names);
	}
	free(f->images);
	close_fd(&f->control_fd);
	close_fd(&f->child_fd);
	close_fd(&f->source_fd);
	close_fd(&f->helper_fd);
	close_fd(&f->share_fd);
	free(f);
}

/* ---- begin ------------------------------------------------------------------------ */

static int open_source(const char *path, const char *shown, int *ret, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return error_set(e, -errno, "open %s", shown);
	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "stat %s", shown);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return error_setf(e, -EINVAL, "%s is neither a file nor a directory", shown);
	*ret = steal_fd(&fd);
	return 0;
}

/* builtin:NAME is NAME.oci.tar beside the executable (build tree), in ../share/crt, or in the data directory. */
static int open_builtin(const char *name, int *ret, struct error *e)
{
	_cleanup_free_ char *dir = proc_own_dir();
	const char *self = dir != NULL ? dir : "";
	_cleanup_free_ char *beside = NULL;
	_cleanup_free_ char *shared = NULL;
	_cleanup_free_ char *last = NULL;

	beside = str_printf("%s/%s.oci.tar", self, name);
	shared = str_printf("%s/../share/crt/%s.oci.tar", self, name);
	last = str_printf("%s/%s.oci.tar", CRT_DATADIR, name);
	if (beside == NULL || shared == NULL || last == NULL)
		return error_set(e, -ENOMEM, "open a built-in image");
	if (open_source(beside, beside, ret, NULL) == 0 ||
	    open_source(shared, shared, ret, NULL) == 0 || open_source(last, last, ret, NULL) == 0)
		return 0;
	return error_setf(e, -ENOENT,
			  "there is no built-in image \"%s\" (looked for %s, %s and %s)", name,
			  beside, shared, last);
}

/* A copy of the reference's text as images are named. */
static int local_name(const struct storage_ref *ref, struct strv *ret, struct error *e)
{
	struct storage_ref abs = *ref;
	int r;

	abs.path = strdup(ref->path);
	if (abs.path == NULL)
		return error_set(e, -ENOMEM, "image reference");
	r = storage_ref_make_absolute(&abs, e);
	if (r == 0 && strv_add_take(ret, storage_ref_text(&abs)) < 0)
		r = error_set(e, -ENOMEM, "image reference");
	free(abs.path);
	return r;
}

static int set_proxy(json_t *request, const char *key, const char *lower, const char *upper)
{
	const char *v = getenv(lower);

	if (v == NULL && upper != NULL)
		v = getenv(upper);
	if (v == NULL || v[0] == '\0' || strlen(v) > 1024)
		return 0;
	return json_object_set_new(request, key, json_string(v));
}

int fetch_registry_request(struct storage_fetch *f, const struct storage_fetch_request *r,
			   json_t *request, struct error *e)
{
	json_t *candidates = NULL, *c;
	size_t i;
	int res;

	res = conf_candidates(r, &candidates, e);
	if (res < 0)
		return res;
	if (json_object_set_new(request, "candidates", candidates) < 0)
		return error_set(e, -ENOMEM, "make the request");
	json_array_foreach(candidates, i, c)
		if (strv_add(&f->names, json_string_value(json_object_get(c, "name"))) < 0)
			return error_set(e, -ENOMEM, "make the request");
	/* like curl, HTTP_PROXY in capitals is not used: CGI sets it from a request */
	if (set_proxy(request, "proxy_http", "all_proxy", "ALL_PROXY") < 0 ||
	    set_proxy(request, "proxy_https", "all_proxy", "ALL_PROXY") < 0 ||
	    set_proxy(request, "proxy_http", "http_proxy", NULL) < 0 ||
	    set_proxy(request, "proxy_https", "https_proxy", "HTTPS_PROXY") < 0 ||
	    set_proxy(request, "proxy_none", "no_proxy", "NO_PROXY") < 0)
		return error_set(e, -ENOMEM, "make the request");
	if (r->retries_given &&
	    json_object_set_new(request, "retries", json_integer((json_int_t)r->retries)) < 0)
		return error_set(e, -ENOMEM, "make the request");
	if (r->retry_delay_ms > 0 &&
	    json_object_set_new(request, "retry_ms", json_integer(r->retry_delay_ms)) < 0)
		return error_set(e, -ENOMEM, "make the request");
	return 0;
}

/* name is TRANSPORT:/PATH[:TAG]. */
static int local_policy(const struct storage_fetch_request *r, const char *transport,
			const char *name, struct error *e)
{
	const char *identity = name + strlen(transport) + 1;
	_cleanup_free_ char *scope =
		r->ref->tag != NULL ?
			strndup(identity, strlen(identity) - strlen(r->ref->tag) - 1) :
			strdup(identity);

	return scope == NULL ? error_set(e, -ENOMEM, "make the request") :
			       policy_check(r->policy, transport, identity, scope, e);
}

static int make_request(struct storage_fetch *f, const struct storage_fetch_request *r,
			json_t *request, struct error *e)
{
	const char *transport = r->ref->transport;
	int res;

	if (json_object_set_new(request, "keep_ids", json_boolean(r->keep_ids)) < 0 ||
	    json_object_set_new(request, "all", json_boolean(r->all && r->packed_only)) < 0 ||
	    (r->platform != NULL &&
	     json_object_set_new(request, "platform", json_string(r->platform)) < 0) ||
	    json_object_set_new(request, "source", json_string(transport)) < 0)
		return error_set(e, -ENOMEM, "make the request");
	if (strcmp(transport, "docker") == 0)
		return fetch_registry_request(f, r, request, e);
	res = local_name(r->ref, &f->names, e);
	if (res == 0 && strcmp(transport, "builtin") == 0)
		return open_builtin(r->ref->path, &f->source_fd, e);
	if (res == 0)
		res = local_policy(r, transport, f->names.v[0], e);
	if (res == 0 && r->ref->tag != NULL &&
	    json_object_set_new(request, "tag", json_string(r->ref->tag)) < 0)
		res = error_set(e, -ENOMEM, "make the request");
	if (res == 0) {
		_cleanup_free_ char *shown = str_escape(r->ref->path);

		res = open_source(r->ref->path, shown != NULL ? shown : transport, &f->source_fd,
				  e);
	}
	return res;
}

static int send_request(struct storage_fetch *f, const json_t *request, struct error *e)
{
	_cleanup_free_ char *text = json_to_text(request);
	int pair[2], r;

	if (text == NULL)
		return error_set(e, -ENOMEM, "make the request");
	if (strlen(text) > FETCH_REQUEST_MAX)
		return error_setf(
			e, -E2BIG,
			"the request to crt-fetch is too long: are there too many mirrors or certificates?");
	r = fd_socketpair(SOCK_SEQPACKET, pair);
	if (r < 0)
		return error_set(e, r, "make a socket");
	f->control_fd = pair[0];
	f->child_fd = pair[1];
	r = fd_send(f->control_fd, text, strlen(text), NULL, 0);
	explicit_bzero(text, strlen(text)); /* it may hold a password */
	return r < 0 ? error_set(e, r, "send the request to crt-fetch") : 0;
}

struct storage_fetch *fetch_new(struct storage *s, enum fetch_op op)
{
	struct storage_fetch *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->s = s;
	f->op = op;
	f->control_fd = f->child_fd = f->source_fd = f->helper_fd = f->share_fd = -1;
	return f;
}

int fetch_start(struct storage_fetch *f, json_t *request, struct error *e)
{
	static const char *const names[] = { FETCH_OP_NAMES };

	if (json_object_set_new(request, "op", json_string(names[f->op])) < 0)
		return error_set(e, -ENOMEM, "make the request");
	f->helper_fd = proc_find_helper("crt-fetch", NULL, e);
	if (f->helper_fd < 0)
		return f->helper_fd;
	if (fetch_op_has_txn(f->op)) {
		int r = storage_txn_begin(f->s, &f->txn, e);

		if (r < 0)
			return r;
	}
	return send_request(f, request, e);
}

/*
 * Several pulls of one image at the same time: one fetches, the others wait and then find its
 * layers in the store. The lock is one byte of a file whose place is a hash of name and
 * platform, so that nothing remains of it; it goes with this process. A wait that is longer than
 * SHARE_MS ends, and both fetch.
 */
static void share(struct storage_fetch *f, const struct storage_fetch_request *r)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	uint64_t hash = 0xcbf29ce484222325ull;
	int waited = 0;

	if (f->names.n == 0 || strcmp(r->ref->transport, "docker") != 0 || r->packed_only ||
	    f->s->root_fd < 0)
		return;
	for (const char *p = f->names.v[0]; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3ull;
	for (const char *p = r->platform != NULL ? r->platform : ""; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3ull;
	l.l_start = (off_t)(hash >> 2);
	f->share_fd = openat(f->s->root_fd, "pull.lock",
			     O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	while (f->share_fd >= 0 && fcntl(f->share_fd, F_OFD_SETLK, &l) < 0) {
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || waited >= SHARE_MS) {
			close_fd(&f->share_fd);
			return;
		}
		(void)poll(NULL, 0, SHARE_STEP_MS);
		waited += SHARE_STEP_MS;
	}
}

int storage_fetch_begin(struct storage *s, const struct storage_fetch_request *r,
			struct storage_fetch **ret, struct error *e)
{
	struct storage_fetch *f = fetch_new(s, FETCH_OP_FETCH);
	_cleanup_json_ json_t *request = json_object();
	int res;

	if (f == NULL || request == NULL) {
		free(f);
		return error_set(e, -ENOMEM, "fetch an image");
	}
	f->packed_only = r->packed_only;
	f->store_as = r->store_as != NULL ? strdup(r->store_as) : NULL;
	res = r->store_as != NULL && f->store_as == NULL ? error_set(e, -ENOMEM, "fetch an image") :
							   make_request(f, r, request, e);
	if (res == 0)
		share(f, r);
	if (res == 0)
		res = fetch_start(f, request, e);
	if (res < 0) {
		storage_fetch_free(f);
		return res;
	}
	*ret = f;
	return 0;
}

/* ---- exec ------------------------------------------------------------------------- */

/* Move fd to target; all sources are above the targets already. */
static int place_fd(int fd, int target, struct error *e)
{
	if (dup2(fd, target) < 0) /* the copy is not CLOEXEC: crt-fetch shall have it */
		return error_set(e, -errno, "pass a descriptor to crt-fetch");
	return 0;
}

int storage_fetch_exec(struct storage_fetch *f, struct error *e)
{
	static char name[] = "crt-fetch";
	static char *const argv[] = { name, NULL };
	static char *const envp[] = { NULL };
	int fds[] = { f->child_fd, f->txn != NULL ? storage_txn_fd(f->txn) : -1, f->source_fd,
		      f->helper_fd };
	int null_fd, r;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FETCH_FD_SOURCE + 1);
		if (fds[i] < 0)
			return error_set(e, -errno, "pass a descriptor to crt-fetch");
	}
	f->child_fd = fds[0]; /* storage_fetch_child_failed() must find it after a failure */
	null_fd = fd_open_null(e);
	if (null_fd < 0)
		return null_fd;
	r = place_fd(null_fd, 0, e);
	if (r == 0)
		r = place_fd(null_fd, 1, e);
#ifndef CRT_SANITIZED /* whose reports are wanted */
	if (r == 0)
		r = place_fd(null_fd, 2, e);
#endif
	if (r == 0)
		r = place_fd(fds[0], FETCH_FD_CONTROL, e);
	if (r == 0 && fds[1] >= 0)
		r = place_fd(fds[1], FETCH_FD_TXN, e);
	else if (r == 0)
		(void)close(FETCH_FD_TXN); /* whatever it was */
	if (r == 0 && fds[2] >= 0)
		r = place_fd(fds[2], FETCH_FD_SOURCE, e);
	else if (r == 0)
		(void)close(FETCH_FD_SOURCE); /* whatever it was */
	if (r == 0)
		r = fd_close_from(FETCH_FD_SOURCE + 1, CLOSE_RANGE_CLOEXEC) < 0 ?
			    error_setf(e, -EINVAL, "close the descriptors of crt") :
			    0;
	if (r < 0)
		return r;
	(void)syscall(SYS_execveat, fds[3], "", argv, envp, AT_EMPTY_PATH);
	return error_set(e, -errno, "execute crt-fetch");
}

void storage_fetch_child_failed(struct storage_fetch *f, const struct error *e)
{
	_cleanup_json_ json_t *m =
		json_pack("{s:s, s:i, s:s}", "t", "error", "code", e->code, "msg", e->msg);
	_cleanup_free_ char *text = m != NULL ? json_to_text(m) : NULL;

	if (text != NULL)
		(void)fd_send(f->child_fd, text, strlen(text), NULL,
			      0); /* crt then says that the fetcher died */
}

/* ---- finish ----------------------------------------------------------------------- */

/* The result, once it is known. */
struct outcome {
	bool done;
	char digest[80];
	int64_t candidate;
};

static int protocol_error(struct error *e)
{
	return error_setf(e, -EPROTO,
			  "crt-fetch sent something that is no valid report: the image is refused");
}

static int answer(struct storage_fetch *f, const json_t *m, struct error *e)
{
	const char *digest = "", *diff = "";
	_cleanup_fd_ int fd = -1;
	char text[64];
	bool layer, blob;
	int r;

	if (json_get_string(m, "", "d", &digest, e) < 0 ||
	    json_get_string(m, "", "diff", &diff, e) < 0 ||
	    !(f->packed_only || storage_digest_valid(diff)) ||
	    (digest[0] != '\0' && !storage_digest_valid(digest)))
		return protocol_error(e);
	layer = f->packed_only || storage_has_layer(f->s, diff);
	blob = digest[0] != '\0' && storage_has_blob(f->s, digest);
	if (!layer && blob) {
		fd = storage_open_blob(f->s, digest, e);
		if (fd < 0)
			return fd;
	}
	(void)snprintf(text, sizeof(text), "{\"layer\":%s,\"blob\":%s}", layer ? "true" : "false",
		       blob ? "true" : "false"); /* fits */
	r = fd_send(f->control_fd, text, strlen(text), &fd, fd >= 0 ? 1 : 0);
	return r < 0 ? error_set(e, r, "answer crt-fetch") : 0;
}

/* A blob that is pushed; nothing else of the store is given away. */
static int answer_open(struct storage_fetch *f, const json_t *m, struct error *e)
{
	const char *digest = "";
	_cleanup_fd_ int fd = -1;
	int r;

	if (f->offer == NULL || json_get_string(m, "", "d", &digest, e) < 0 ||
	    !storage_digest_valid(digest) || !bundle_has(f->offer, digest))
		return protocol_error(e);
	fd = bundle_open(f->offer, digest, e);
	if (fd < 0)
		return fd;
	r = fd_send(f->control_fd, "{}", 2, &fd, 1);
	return r < 0 ? error_set(e, r, "answer crt-fetch") : 0;
}

static int layer_event(const json_t *m, storage_fetch_fn fn, void *data, struct error *e)
{
	static const char *const states[] = {
		[STORAGE_LAYER_WAITING] = "waiting",
		[STORAGE_LAYER_DOWNLOADING] = "downloading",
		[STORAGE_LAYER_UNPACKING] = "unpacking",
		[STORAGE_LAYER_DONE] = "done",
		[STORAGE_LAYER_EXISTS] = "exists",
		[STORAGE_LAYER_UPLOADING] = "uploading",
	};
	struct storage_fetch_event event = { .kind = STORAGE_FETCH_LAYER };
	const char *digest = "", *state = "";
	int64_t done = 0, total = 0;

	if (json_get_string(m, "", "d", &digest, e) < 0 ||
	    json_get_string(m, "", "s", &state, e) < 0 ||
	    json_get_int(m, "", "n", 0, INT64_MAX, &done, e) < 0 ||
	    json_get_int(m, "", "m", 0, INT64_MAX, &total, e) < 0 || !storage_digest_valid(digest))
		return protocol_error(e);
	event.digest = digest;
	event.done = (uint64_t)done;
	event.total = (uint64_t)total;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i], state) != 0)
			continue;
		event.state = i;
		if (fn != NULL)
			fn(data, &event);
		return 0;
	}
	return protocol_error(e);
}

static int text_event(const json_t *m, bool note, storage_fetch_fn fn, void *data, struct error *e)
{
	struct storage_fetch_event event = { .kind = note ? STORAGE_FETCH_NOTE :
							    STORAGE_FETCH_RESOLVED };
	_cleanup_free_ char *shown = NULL;
	const char *text = "";

	if (json_get_string(m, "", "text", &text, e) < 0)
		return protocol_error(e);
	shown = str_escape(text);
	event.text = shown != NULL ? shown : "";
	if (fn != NULL)
		fn(data, &event);
	return 0;
}

/* An image of an archive under load; its name is a stranger's and may be none. */
static int load_event(struct storage_fetch *f, const json_t *m, struct error *e)
{
	const char *digest = "", *name = "";
	bool docker = false;

	if (json_get_string(m, "", "d", &digest, e) < 0 ||
	    json_get_string(m, "", "name", &name, e) < 0 ||
	    json_get_bool(m, "", "docker", &docker, e) < 0 || !storage_digest_valid(digest))
		return protocol_error(e);
	return fetch_load_note(f, digest, name, docker, e);
}

static int failure(const json_t *m, struct error *e)
{
	_cleanup_free_ char *shown = NULL;
	const char *text = "";
	int64_t code = 0;

	if (json_get_string(m, "", "msg", &text, e) < 0 ||
	    json_get_int(m, "", "code", -4095, -1, &code, e) < 0 || text[0] == '\0')
		return protocol_error(e);
	shown = str_escape(text);
	return error_setf(e, code < 0 ? (int)code : -EIO, "%s", shown != NULL ? shown : "");
}

static int handle(struct storage_fetch *f, const char *text, size_t len, storage_fetch_fn fn,
		  void *data, struct outcome *ret, struct error *e)
{
	_cleanup_json_ json_t *m = json_parse(text, len, "report", NULL);
	const char *kind = "", *digest = "";

	if (m == NULL || !json_is_object(m) || json_get_string(m, "", "t", &kind, e) < 0)
		return protocol_error(e);
	if (strcmp(kind, "layer") == 0)
		return layer_event(m, fn, data, e);
	if (strcmp(kind, "note") == 0 || strcmp(kind, "resolved") == 0)
		return text_event(m, kind[0] == 'n', fn, data, e);
	if (strcmp(kind, "ask") == 0)
		return answer(f, m, e);
	if (strcmp(kind, "image") == 0)
		return f->op == FETCH_OP_LOAD ? load_event(f, m, e) : protocol_error(e);
	if (strcmp(kind, "open") == 0)
		return answer_open(f, m, e);
	if (strcmp(kind, "alive") == 0)
		return 0;
	if (strcmp(kind, "error") == 0)
		return failure(m, e);
	if (strcmp(kind, "done") != 0 || json_get_string(m, "", "d", &digest, e) < 0 ||
	    (f->op != FETCH_OP_LOAD &&
	     json_get_int(m, "", "i", 0, (int64_t)f->names.n - 1, &ret->candidate, e) < 0) ||
	    (f->op == FETCH_OP_QUERY ? digest[0] != '\0' : !storage_digest_valid(digest)))
		return protocol_error(e);
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", digest); /* checked length */
	ret->done = true;
	return 0;
}

static int receive(struct storage_fetch *f, char *buf, size_t size, struct error *e)
{
	struct pollfd p = { .fd = f->control_fd, .events = POLLIN };
	size_t no_fds = 0;
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, FETCH_SILENCE_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return error_setf(e, -ETIMEDOUT, "the fetcher said nothing for %d seconds",
				  FETCH_SILENCE_MS / 1000);
	n = fd_recv(f->control_fd, buf, size, NULL, &no_fds);
	if (n == 0 || n == -ECONNRESET)
		return error_setf(e, -ECHILD, "the fetcher died before it was done");
	if (n < 0)
		return error_set(e, (int)n, "read the fetcher's reports");
	return (int)n;
}

/* What crt-fetch wrote to the memory file. */
static int query_answer(struct storage_fetch *f, char **ret, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = lseek(f->source_fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r == 0)
		r = fd_read_to_end(f->source_fd, &b, FETCH_ANSWER_MAX);
	if (r < 0)
		return error_set(e, r, "read the answer of crt-fetch");
	if (strlen(buf_str(&b)) != b.len)
		return protocol_error(e);
	*ret = b.len > 0 ? buf_steal(&b) : strdup("");
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "read the answer of crt-fetch");
}

int storage_fetch_finish(struct storage_fetch *f, storage_fetch_fn fn, void *data,
			 char **ret_image_ref, struct error *e)
{
	_cleanup_free_ char *buf = malloc(FETCH_MESSAGE_MAX);
	_cleanup_free_ char *digest = NULL;
	struct outcome out = { .done = false };
	int r;

	if (buf == NULL)
		return error_set(e, -ENOMEM, "fetch an image");
	close_fd(&f->child_fd); /* so that its death is seen */
	while (!out.done) {
		r = receive(f, buf, FETCH_MESSAGE_MAX, e);
		if (r >= 0)
			r = handle(f, buf, (size_t)r, fn, data, &out, e);
		if (r < 0)
			return r;
	}
	if (f->op == FETCH_OP_QUERY)
		return query_answer(f, ret_image_ref, e);
	if (f->op == FETCH_OP_LOAD)
		return fetch_load_commit(f, ret_image_ref, e);
	digest = strdup(out.digest);
	if (digest == NULL)
		return error_set(e, -ENOMEM, "fetch an image");
	if (f->op == FETCH_OP_PUSH || f->packed_only) {
		*ret_image_ref = steal_ptr(&digest);
		return 0;
	}
	r = storage_txn_commit(steal_ptr(&f->txn), out.digest,
			       f->store_as != NULL ? &f->store_as : &f->names.v[out.candidate], 1,
			       e);
	if (r < 0)
		return r;
	*ret_image_ref = steal_ptr(&digest);
	return 0;
}
