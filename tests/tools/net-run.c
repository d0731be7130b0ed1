/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-run [--network MODE] [-p SPEC]... [--dns ADDR]... COMMAND [ARG...]
 *
 * Run a command in new user, mount and network namespaces whose network is
 * served by crt-net, with no container around it: the net module alone, for
 * tests and measurements. Prints "ready MS PORT..." to fd 9 if that is open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"
#include "net/net.h"

static double now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int fail(const struct error *e)
{
	fprintf(stderr, "net-run: %s\n", e->msg);
	return 125;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "net-run: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void enter(uid_t uid, gid_t gid)
{
	char map[64];

	if (unshare((uid != 0 ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET) < 0) {
		fprintf(stderr, "net-run: unshare: %s\n", strerror(errno));
		_exit(125);
	}
	if (uid != 0) {
		write_text("/proc/self/setgroups", "deny");
		(void)snprintf(map, sizeof(map), "0 %u 1", uid);
		write_text("/proc/self/uid_map", map);
		(void)snprintf(map, sizeof(map), "0 %u 1", gid);
		write_text("/proc/self/gid_map", map);
	}
	(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* The command sees the resolv.conf and hosts that a container would. */
static void bind_text(const char *target, const struct buf *b)
{
	char path[] = "/tmp/net-run-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, b->data, b->len) < 0 ||
	    mount(path, target, NULL, MS_BIND, NULL) < 0)
		fprintf(stderr, "net-run: %s: %s\n", target, strerror(errno));
	if (fd >= 0)
		close(fd);
	(void)unlink(path);
}

/* As the keeper of a container does; until crt-net is gone. */
static void serve(struct net_agent *agent)
{
	struct pollfd p = { .fd = agent->fd, .events = POLLIN };

	(void)fd_close_from((unsigned int)agent->fd + 1, 0);
	while (poll(&p, 1, -1) >= 0 && net_agent_serve(agent) == 0)
		;
	_exit(0);
}

static void child(const struct net_request *r, int sock, const struct buf *resolv,
		  const struct buf *hosts, char **argv)
{
	struct error e = ERROR_INIT;
	struct net_agent agent = NET_AGENT_INIT;
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (r->mode != NET_MODE_HOST)
		enter(uid, gid);
	if (net_tap_create(r, sock, &agent, &e) < 0)
		_exit(fail(&e));
	if (agent.fd >= 0 && fork() == 0)
		serve(&agent);
	if (r->mode != NET_MODE_HOST) {
		write_text("/proc/sys/net/ipv4/ping_group_range", "0 0");
		bind_text("/etc/resolv.conf", resolv);
		bind_text("/etc/hosts", hosts);
	}
	execvp(argv[0], argv);
	fprintf(stderr, "net-run: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	struct net_handle h = NET_HANDLE_INIT;
	struct buf resolv = BUF_INIT, hosts = BUF_INIT;
	struct strv none = { .n = 0 };
	struct error e = ERROR_INIT;
	struct net_request r;
	double start = now_ms();
	int status, sock = -1, i, ret = 0;
	pid_t pid;

	net_request_init(&r);
	for (i = 1; i + 1 < argc && argv[i][0] == '-' && ret == 0; i += 2) {
		if (strcmp(argv[i], "-p") == 0)
			ret = net_parse_publish(argv[i + 1], &r, &e);
		else if (strcmp(argv[i], "--network") == 0)
			ret = net_parse_mode(argv[i + 1], &r, &e);
		else if (strcmp(argv[i], "--dns") == 0)
			ret = strv_add(&r.dns, argv[i + 1]);
		else
			ret = error_setf(&e, -EINVAL, "unknown option %s", argv[i]);
	}
	if (ret == 0 && i >= argc)
		ret = error_setf(&e, -EINVAL, "no command");
	if (ret == 0 && r.mode == NET_MODE_SLIRP) {
		ret = net_start(&r, &h, &e);
		sock = ret == 0 ? net_tap_socket(&h) : -1;
	}
	if (ret == 0)
		ret = net_resolv_conf(&r, &resolv, &e);
	if (ret == 0)
		ret = net_hosts(&r, "net-run", "net-run", &none, &hosts, &e);
	if (ret < 0)
		return fail(&e);
	pid = fork();
	if (pid == 0)
		child(&r, sock, &resolv, &hosts, argv + i);
	if (sock >= 0)
		close(sock);
	if (r.mode == NET_MODE_SLIRP && net_wait_ready(&h, &r, true, 10000, &e) < 0) {
		kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		net_stop(&h);
		return fail(&e);
	}
	if (fcntl(9, F_GETFD) >= 0) {
		dprintf(9, "ready %.2f", now_ms() - start);
		for (size_t j = 0; j < r.forwards_n; j++)
			dprintf(9, " %u", r.forwards[j].host_port);
		dprintf(9, "\n");
		close(9);
	}
	(void)waitpid(pid, &status, 0);
	net_stop(&h);
	net_request_fini(&r);
	buf_fini(&resolv);
	buf_fini(&hosts);
	return proc_status_code(status);
}
