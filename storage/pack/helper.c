/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt's side of crt-pack.
 *
 * Theory of operation: the helper is found in the host's namespaces and executed by its
 * descriptor in whatever namespaces the caller is. It gets three descriptors, an empty
 * environment, and its request in the socket. It may have been taken over by the archive that
 * it reads: so of its answer only numbers and digests are taken, and text is escaped. It dies
 * with us.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "storage/pack/helper-proto.h"
#include "storage/storage.h"

int storage_helper_open(struct error *e)
{
	return proc_find_helper("crt-pack", NULL, e);
}

static int take_error(const json_t *answer, int code, struct error *e)
{
	const char *msg = json_string_value(json_object_get(answer, "msg"));
	_cleanup_free_ char *shown = str_escape(msg != NULL ? msg : "no reason given");

	return error_setf(e, code < 0 && code > -4096 ? code : -EINVAL, "%s",
			  shown != NULL ? shown : "crt-pack failed");
}

/* Send the request, start it, wait for the answer. 0 or -errno; *ret is a new reference. */
static int ask(int helper_fd, const json_t *request, int dir_fd, int source_fd, json_t **ret,
	       struct error *e)
{
	static char name[] = "crt-pack";
	char *const argv[] = { name, NULL };
	char message[HELPER_MESSAGE_MAX + 1];
	_cleanup_free_ char *text = json_to_text(request);
	_cleanup_fd_ int ours = -1;
	_cleanup_fd_ int theirs = -1;
	size_t no_fds = 0;
	long long code;
	json_t *answer;
	int pair[2], status, r;
	ssize_t n;
	pid_t pid;

	if (text == NULL)
		return error_set(e, -ENOMEM, "asking crt-pack");
	r = fd_socketpair(SOCK_SEQPACKET, pair);
	if (r < 0)
		return error_set(e, r, "making a socket");
	ours = pair[0];
	theirs = pair[1];
	r = fd_send(ours, text, strlen(text), NULL, 0);
	if (r < 0)
		return error_set(e, r, "asking crt-pack");
	{
		const struct proc_fd_map fds[] = {
			{ .fd = STDERR_FILENO, .target = STDERR_FILENO },
			{ .fd = theirs, .target = HELPER_FD_CONTROL },
			{ .fd = dir_fd, .target = HELPER_FD_DIR },
			{ .fd = source_fd, .target = HELPER_FD_SOURCE },
		};
		const struct proc_spawn s = { .path_fd = helper_fd,
					      .argv = argv,
					      .fds = fds,
					      .fds_n = sizeof(fds) / sizeof(fds[0]),
					      .die_with_parent = true };

		r = proc_spawn(&s, &pid, NULL, e);
	}
	if (r < 0)
		return r;
	close_fd(&theirs);
	n = fd_recv(ours, message, sizeof(message) - 1, NULL, &no_fds);
	status = proc_wait(pid);
	if (n <= 0)
		return error_setf(e, -ECHILD, "crt-pack died (exit code %d)",
				  status < 0 ? -1 : proc_status_code(status));
	answer = json_parse(message, (size_t)n, "the answer of crt-pack", e);
	if (answer == NULL)
		return -EBADMSG;
	code = json_integer_value(json_object_get(answer, "code"));
	if (code != 0) {
		r = take_error(answer, (int)code, e);
		json_decref(answer);
		return r;
	}
	*ret = answer;
	return 0;
}

int storage_untar(const struct storage_untar *u, unsigned int *ret_notes, struct error *e)
{
	_cleanup_json_ json_t *request =
		json_pack("{s:s,s:b,s:b,s:I,s:I,s:b}", "op", "untar", "keep_ids", (int)u->keep_ids,
			  "set_owner", (int)u->set_owner, "uid", (json_int_t)u->uid, "gid",
			  (json_int_t)u->gid, "overwrite", (int)u->overwrite);
	_cleanup_json_ json_t *answer = NULL;
	int r = ask(u->helper_fd, request, u->dir_fd, u->fd, &answer, e);

	if (r == 0)
		*ret_notes = (unsigned int)json_integer_value(json_object_get(answer, "notes"));
	return r;
}

static int take_digest(const json_t *answer, const char *key, char ret[STORAGE_DIGEST_SIZE])
{
	const char *text = json_string_value(json_object_get(answer, key));

	if (!storage_digest_valid(text))
		return -EBADMSG;
	(void)snprintf(ret, STORAGE_DIGEST_SIZE, "%s", text); /* fits: it is valid */
	return 0;
}

int storage_layer_make(const struct storage_layer_source *l, struct storage_layer_made *ret,
		       struct error *e)
{
	_cleanup_json_ json_t *request =
		json_pack("{s:s,s:b}", "op", "layer", "keep_ids", (int)l->keep_ids);
	_cleanup_json_ json_t *answer = NULL;
	struct storage_layer_made made = { .size = 0 };
	int r = ask(l->helper_fd, request, l->txn_fd, l->tree_fd, &answer, e);

	if (r < 0)
		return r;
	if (take_digest(answer, "diff_id", made.diff_id) < 0 ||
	    take_digest(answer, "digest", made.digest) < 0)
		return error_setf(e, -EBADMSG, "crt-pack gave no digests");
	made.size = (uint64_t)json_integer_value(json_object_get(answer, "size"));
	*ret = made;
	return 0;
}
