/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-oci exec.
 *
 * Theory of operation: options become struct runtime_exec. As runc: whatever
 * fails before the program runs is exit status 255; afterwards the status is
 * the program's. With --detach the pid file is written and we leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"
#include "cmd/oci.h"
#include "runtime/runtime.h"

#define EXEC_FAILED 255

struct exec_options {
	const char *process;
	const char *console_socket;
	const char *pidfd_socket;
	const char *pid_file;
	const char *cwd;
	const char *user;
	const char *label;
	const char *apparmor;
	const char *preserve_fds;
	const char *cgroup;
	bool tty;
	bool detach;
	bool no_new_privs;
	bool ignore_paused;
	bool no_subreaper;
	struct strv env;
	struct strv caps;
	struct strv gids;
};

static int add_word(const char *value, void *data)
{
	return strv_add(data, value);
}

static int parse(int argc, char **argv, struct exec_options *o, struct error *e)
{
	const struct oci_option opts[] = {
		{ .name = "--console-socket", .value = &o->console_socket },
		{ .name = "--pidfd-socket", .value = &o->pidfd_socket },
		{ .name = "--cwd", .value = &o->cwd },
		{ .name = "--env", .letter = 'e', .each = add_word, .data = &o->env },
		{ .name = "--tty", .letter = 't', .flag = &o->tty },
		{ .name = "--user", .letter = 'u', .value = &o->user },
		{ .name = "--additional-gids", .letter = 'g', .each = add_word, .data = &o->gids },
		{ .name = "--process", .letter = 'p', .value = &o->process },
		{ .name = "--detach", .letter = 'd', .flag = &o->detach },
		{ .name = "--pid-file", .value = &o->pid_file },
		{ .name = "--process-label", .value = &o->label },
		{ .name = "--apparmor", .value = &o->apparmor },
		{ .name = "--no-new-privs", .flag = &o->no_new_privs },
		{ .name = "--cap", .letter = 'c', .each = add_word, .data = &o->caps },
		{ .name = "--preserve-fds", .value = &o->preserve_fds },
		{ .name = "--cgroup", .value = &o->cgroup },
		{ .name = "--ignore-paused", .flag = &o->ignore_paused },
		{ .name = "--no-subreaper", .flag = &o->no_subreaper },
	};
	int at = oci_options(argc, argv, opts, sizeof(opts) / sizeof(opts[0]), e);

	if (at < 0)
		return at;
	if (at >= argc)
		return error_setf(e, -EINVAL, "exec: \"exec\" requires a minimum of 1 argument");
	if (o->process == NULL && at + 1 >= argc)
		return error_setf(e, -EINVAL, "exec: process args cannot be empty");
	return at;
}

static int fill(const struct exec_options *o, struct runtime_exec *x, char **argv, int at,
		char **ret_text, struct error *e)
{
	unsigned long long n = 0;
	int r;

	if (o->process != NULL) {
		r = oci_read_file(o->process, ret_text, &x->process_len, e);
		if (r < 0)
			return r;
		x->process = *ret_text;
	} else {
		x->args = argv + at + 1;
	}
	if (o->preserve_fds != NULL && (r = str_to_u64(o->preserve_fds, 65536, &n)) < 0)
		return error_setf(e, r, "--preserve-fds: \"%s\" is not a number", o->preserve_fds);
	x->id = argv[at];
	x->env = o->env.v;
	memcpy(&x->caps, &o->caps.v, sizeof(x->caps)); /* only read */
	memcpy(&x->gids, &o->gids.v, sizeof(x->gids));
	x->cwd = o->cwd;
	x->user = o->user;
	x->apparmor = o->apparmor;
	x->selinux = o->label;
	x->cgroup = o->cgroup;
	x->terminal = o->tty;
	x->no_new_privs = o->no_new_privs;
	x->ignore_paused = o->ignore_paused;
	x->detach = o->detach;
	x->preserve_fds = (unsigned int)n;
	x->listen_fds = oci_listen_fds();
	if (o->console_socket == NULL)
		return 0;
	x->console_sock_fd = oci_connect(o->console_socket, e);
	return x->console_sock_fd < 0 ? error_prefix(e, "--console-socket") : 0;
}

static int follow(const struct exec_options *o, pid_t pid, int pid_fd, int console_fd,
		  struct error *e)
{
	int status;

	if (o->pidfd_socket != NULL) {
		int sock = oci_connect(o->pidfd_socket, e);

		if (sock >= 0) {
			(void)fd_send(sock, "pidfd", 5, &pid_fd,
				      1); /* a receiver that left wants none */
			(void)close(sock);
		}
	}
	if (o->pid_file != NULL && oci_write_pid_file(o->pid_file, (int)pid, e) < 0) {
		proc_kill(pid, pid_fd);
		return EXEC_FAILED;
	}
	if (o->detach)
		return 0;
	status = oci_foreground(pid_fd, console_fd, -1, e);
	if (status >= 0)
		status = proc_wait(pid);
	return status < 0 ? EXEC_FAILED : proc_status_code(status);
}

int oci_exec(struct oci_global *g, int argc, char **argv, struct error *e)
{
	struct exec_options o = { .tty = false };
	struct runtime_exec x = RUNTIME_EXEC_INIT;
	int console_fd = -1, pid_fd = -1, status = EXEC_FAILED, at, r;
	char *text = NULL;
	pid_t pid = -1;

	at = r = parse(argc, argv, &o, e);
	if (r >= 0)
		r = oci_open_root(g, false, e);
	if (r >= 0)
		r = fill(&o, &x, argv, at, &text, e);
	x.state_root_fd = g->state_root_fd;
	if (!o.detach && x.console_sock_fd < 0)
		x.ret_console_fd = &console_fd;
	if (r >= 0)
		r = runtime_exec(&x, &pid, &pid_fd, e);
	if (r == RUNTIME_START_OK && pid > 0)
		status = follow(&o, pid, pid_fd, console_fd, e);
	close_fd(&pid_fd);
	close_fd(&console_fd);
	close_fd(&x.console_sock_fd);
	strv_fini(&o.env);
	strv_fini(&o.caps);
	strv_fini(&o.gids);
	free(text);
	return status;
}
