/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-oci create, run, start and restore.
 *
 * Theory of operation: options become struct runtime_create; runtime/ does
 * the rest. `create` leaves the container at its gate and exits; `run` starts
 * it and either exits too (--detach) or stays: it passes signals on, carries
 * the terminal, and ends with the container's status, after deleting it
 * (unless --keep).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/oci.h"
#include "runtime/runtime.h"

struct create_options {
	const char *bundle;
	const char *config;
	const char *console_socket;
	const char *pidfd_socket;
	const char *pid_file;
	const char *preserve_fds;
	bool no_pivot;
	bool no_new_keyring;
	bool no_subreaper;
	bool detach;
	bool keep;
};

int oci_connect(const char *path, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir_fd = -1;
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL, *text = NULL;

	if (fd < 0)
		return error_set(e, -errno, "socket");
	if (strlen(path) >= sizeof(sa.sun_path) && slash != NULL) {
		/* too long for an address: name it through its directory */
		dir = strndup(path, (size_t)(slash - path));
		dir_fd = dir == NULL ?
				 -1 :
				 open(dir[0] != '\0' ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir_fd < 0)
			return error_set(e, -errno, "open %s", path);
		text = str_printf("/proc/self/fd/%d/%s", dir_fd, slash + 1);
		if (text == NULL || strlen(text) >= sizeof(sa.sun_path))
			return error_set(e, -ENAMETOOLONG, "connect to %s", path);
		path = text;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return error_set(e, -errno, "connect to %s", path);
	return steal_fd(&fd);
}

int oci_write_pid_file(const char *path, int pid, struct error *e)
{
	_cleanup_free_ char *dir = strdup(path), *text = str_printf("%d", pid);
	_cleanup_fd_ int dir_fd = -1;
	const char *name = path;
	char *slash;
	int r;

	if (dir == NULL || text == NULL)
		return error_set(e, -ENOMEM, "pid file %s", path);
	slash = strrchr(dir, '/');
	if (slash != NULL) {
		name = path + (slash - dir) + 1;
		*slash = '\0';
	}
	dir_fd = open(slash == NULL  ? "." :
		      dir[0] != '\0' ? dir :
				       "/",
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return error_set(e, -errno, "pid file %s", path);
	r = fd_write_file_at(dir_fd, name, text, strlen(text), 0644, false, e);
	return r < 0 ? error_prefix(e, "pid file %s", path) : 0;
}

unsigned int oci_listen_fds(void)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	unsigned long long n = 0, owner = 0;

	if (fds == NULL || str_to_u64(fds, 1024, &n) < 0)
		return 0;
	if (pid != NULL && str_to_u64(pid, INT32_MAX, &owner) == 0 &&
	    owner != (unsigned long long)getpid())
		return 0;
	return (unsigned int)n;
}

static int parse(int argc, char **argv, bool run, struct create_options *o, struct error *e)
{
	const struct oci_option opts[] = {
		{ .name = "--bundle", .letter = 'b', .value = &o->bundle },
		{ .name = "--console-socket", .value = &o->console_socket },
		{ .name = "--pidfd-socket", .value = &o->pidfd_socket },
		{ .name = "--pid-file", .value = &o->pid_file },
		{ .name = "--preserve-fds", .value = &o->preserve_fds },
		{ .name = "--no-pivot", .flag = &o->no_pivot },
		{ .name = "--no-new-keyring", .flag = &o->no_new_keyring },
		{ .name = "--no-subreaper", .flag = &o->no_subreaper },
		/* crun's --config owns -f */
		{ .name = "--config", .letter = 'f', .value = &o->config },
		{ .name = "--detach", .letter = 'd', .flag = &o->detach },
		{ .name = "--keep", .flag = &o->keep },
	};
	size_t n = sizeof(opts) / sizeof(opts[0]) - (run ? 0 : 2);
	int at = oci_options_anywhere(argc, argv, opts, n, e);

	if (at >= 0 && at + 1 != argc)
		return error_setf(e, -EINVAL, "%s: \"%s\" requires exactly 1 argument", argv[0],
				  argv[0]);
	return at;
}

/* Everything of a create that must be released again. */
struct create_call {
	struct create_options o;
	struct runtime_create c;
	char *bundle;
	char *config_text;
	int bundle_fd;
	int console_fd;
	int notify_fd;
};

static void create_call_fini(struct create_call *k)
{
	free(k->bundle);
	free(k->config_text);
	close_fd(&k->bundle_fd);
	close_fd(&k->c.console_sock_fd);
	close_fd(&k->console_fd);
	close_fd(&k->notify_fd);
}

static int prepare(struct create_call *k, struct oci_global *g, const char *id, struct error *e)
{
	struct create_options *o = &k->o;
	unsigned long long n = 0;
	int r;

	k->bundle = oci_absolute(o->bundle != NULL ? o->bundle : ".");
	if (k->bundle == NULL)
		return error_set(e, -errno, "bundle %s", o->bundle != NULL ? o->bundle : ".");
	k->bundle_fd = open(k->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->bundle_fd < 0)
		return error_set(e, -errno, "bundle %s", k->bundle);
	if (o->config != NULL) {
		r = fd_read_file_at(AT_FDCWD, o->config, 4 << 20, &k->config_text, &k->c.config_len,
				    e);
		if (r < 0)
			return r;
		k->c.config = k->config_text;
	}
	r = oci_open_root(g, true, e);
	if (r < 0)
		return r;
	if (o->preserve_fds != NULL) {
		r = str_to_u64(o->preserve_fds, 65536, &n);
		if (r < 0)
			return error_setf(e, r, "--preserve-fds: \"%s\" is not a number",
					  o->preserve_fds);
	}
	if (o->console_socket != NULL) {
		k->c.console_sock_fd = oci_connect(o->console_socket, e);
		if (k->c.console_sock_fd < 0)
			return error_prefix(e, "--console-socket");
	}
	k->c.id = id;
	k->c.bundle = k->bundle;
	k->c.bundle_fd = k->bundle_fd;
	k->c.state_root_fd = g->state_root_fd;
	k->c.state_root = g->state_root;
	k->c.preserve_fds = (unsigned int)n;
	k->c.listen_fds = oci_listen_fds();
	k->c.notify_socket = getenv("NOTIFY_SOCKET");
	k->c.no_pivot = o->no_pivot;
	k->c.no_new_keyring = o->no_new_keyring;
	k->c.cgroup_manager = g->cgroup_manager;
	return 0;
}

static int publish(const struct create_call *k, const struct runtime_container *c, struct error *e)
{
	int r = 0;

	if (k->o.pidfd_socket != NULL) {
		int pid_fd = runtime_container_pidfd(c), sock = oci_connect(k->o.pidfd_socket, e);

		if (sock < 0)
			return error_prefix(e, "--pidfd-socket");
		r = fd_send(sock, "pidfd", 5, &pid_fd, 1);
		(void)close(sock);
		if (r < 0)
			return error_set(e, r, "--pidfd-socket");
	}
	if (k->o.pid_file != NULL)
		r = oci_write_pid_file(k->o.pid_file, (int)runtime_container_pid(c), e);
	return r;
}

int oci_create(struct oci_global *g, int argc, char **argv, struct error *e)
{
	struct create_call k = {
		.c = RUNTIME_CREATE_INIT, .bundle_fd = -1, .console_fd = -1, .notify_fd = -1
	};
	struct runtime_container *c = NULL;
	int at = parse(argc, argv, false, &k.o, e), r = at;

	if (r >= 0)
		r = prepare(&k, g, argv[at], e);
	k.c.detach = true;
	if (r >= 0)
		r = runtime_container_create(&k.c, &c, e);
	if (r >= 0 && (r = publish(&k, c, e)) < 0) {
		runtime_container_destroy(c);
		c = NULL;
	}
	runtime_container_release(c);
	create_call_fini(&k);
	return r < 0 ? 1 : 0;
}

static int run_started(struct create_call *k, struct runtime_container *c, struct error *e)
{
	int status;

	if (k->o.detach) {
		if (k->notify_fd >= 0)
			oci_notify_wait(k->notify_fd, runtime_container_pidfd(c),
					runtime_container_pid(c));
		runtime_container_release(c);
		return 0;
	}
	status = oci_foreground(runtime_container_pidfd(c), k->console_fd, k->notify_fd, e);
	if (status >= 0)
		status = runtime_container_wait(c, e);
	if (k->o.keep)
		runtime_container_release(c);
	else
		runtime_container_destroy(c);
	return status < 0 ? 1 : proc_status_code(status);
}

int oci_run(struct oci_global *g, int argc, char **argv, struct error *e)
{
	struct create_call k = {
		.c = RUNTIME_CREATE_INIT, .bundle_fd = -1, .console_fd = -1, .notify_fd = -1
	};
	struct runtime_container *c = NULL;
	int at = parse(argc, argv, true, &k.o, e), r = at, status = 1;

	if (r >= 0)
		r = prepare(&k, g, argv[at], e);
	k.c.detach = k.o.detach;
	k.c.start_follows = true;
	if (r >= 0 && !k.o.detach && k.c.console_sock_fd < 0)
		k.c.ret_console_fd = &k.console_fd;
	if (r >= 0)
		r = runtime_container_create(&k.c, &c, e);
	if (r >= 0 && ((r = publish(&k, c, e)) < 0 ||
		       (r = oci_notify_open(g, argv[at], &k.notify_fd, e)) < 0 ||
		       (r = runtime_container_start(c, e)) != 0)) {
		runtime_container_destroy(c);
		c = NULL;
		r = -1;
	}
	if (r >= 0)
		status = run_started(&k, c, e);
	create_call_fini(&k);
	return status;
}

static int parse_restore(int argc, char **argv, struct create_options *o, struct oci_criu *criu,
			 struct error *e)
{
	const struct oci_option own[] = {
		{ .name = "--bundle", .letter = 'b', .value = &o->bundle },
		{ .name = "--console-socket", .value = &o->console_socket },
		{ .name = "--pid-file", .value = &o->pid_file },
		{ .name = "--pidfd-socket", .value = &o->pidfd_socket },
		{ .name = "--detach", .letter = 'd', .flag = &o->detach },
		{ .name = "--no-pivot", .flag = &o->no_pivot },
		{ .name = "--no-subreaper", .flag = &o->no_subreaper },
		{ .name = "--no-new-keyring", .flag = &o->no_new_keyring },
		{ .name = "--keep", .flag = &o->keep },
	};
	struct oci_option opts[sizeof(own) / sizeof(own[0]) + OCI_CRIU_OPTIONS];
	size_t n = sizeof(own) / sizeof(own[0]);
	int at;

	memcpy(opts, own, sizeof(own));
	n += oci_criu_options(criu, true, opts + n);
	at = oci_options_anywhere(argc, argv, opts, n, e);
	if (at >= 0 && at + 1 != argc)
		return error_setf(e, -EINVAL, "restore: \"restore\" requires exactly 1 argument");
	return at;
}

int oci_restore(struct oci_global *g, int argc, char **argv, struct error *e)
{
	struct create_call k = {
		.c = RUNTIME_CREATE_INIT, .bundle_fd = -1, .console_fd = -1, .notify_fd = -1
	};
	struct oci_criu criu = { .c = RUNTIME_CRIU_INIT };
	struct runtime_container *c = NULL;
	int at = parse_restore(argc, argv, &k.o, &criu, e), r = at, status = 1;

	if (r >= 0)
		r = oci_criu_open(&criu, g, true, e);
	if (r >= 0)
		r = prepare(&k, g, argv[at], e);
	if (r >= 0 && !k.o.detach && k.c.console_sock_fd < 0)
		k.c.ret_console_fd = &k.console_fd;
	if (r >= 0)
		r = runtime_container_restore(&k.c, &criu.c, &c, e);
	if (r >= 0 && (r = publish(&k, c, e)) < 0)
		runtime_container_destroy(c);
	if (r >= 0)
		status = run_started(&k, c, e);
	create_call_fini(&k);
	oci_criu_fini(&criu);
	return status;
}

int oci_start(struct oci_global *g, int argc, char **argv, struct error *e)
{
	_cleanup_fd_ int notify_fd = -1, pid_fd = -1;
	int at = oci_options_anywhere(argc, argv, NULL, 0, e);
	pid_t pid = -1;

	if (at < 0)
		return 1;
	if (at + 1 != argc) {
		(void)error_setf(e, -EINVAL, "start: \"start\" requires exactly 1 argument");
		return 1;
	}
	if (oci_open_root(g, false, e) < 0 || oci_notify_open(g, argv[at], &notify_fd, e) < 0)
		return 1;
	/* before the gate opens: afterwards the process may be gone at any time */
	if (notify_fd >= 0)
		pid_fd = runtime_pidfd(g->state_root_fd, argv[at], &pid, NULL);
	if (runtime_start(g->state_root_fd, argv[at], e) != RUNTIME_START_OK)
		return 1;
	if (pid_fd >= 0)
		oci_notify_wait(notify_fd, pid_fd, pid);
	return 0;
}
