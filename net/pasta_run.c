/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --network pasta: crt-net starts pasta and ends it.
 *
 * Theory of operation
 *
 * crt-net has the container's namespaces from the set-up child and waits until
 * crt says that the ids are mapped. Then it goes into the user namespace, as
 * podman does, because pasta can be given names of files only, and may look
 * at processes of its own user namespace that have no more capabilities than it keeps:
 * the network namespace is /proc/PID/fd/N of crt-net, which gives up all of them. pasta gets its own by
 * its exec, being root there. It makes its device, binds the published
 * ports, goes into the background and only then lets its first process end:
 * with exit code 0 the network is there, otherwise what it wrote to its
 * standard error is the reason, and the container does not start. It writes its
 * number into a file that exists in memory only.
 *
 * crt-net stays because pasta knows nothing of the container's life: when
 * crt's end of the socket is closed it kills pasta, and when pasta ends
 * crt-net does. pasta's cage is its own. Ports that are to be chosen are
 * tried and given up again just before; who takes one in that instant makes
 * the start fail.
 *
 * The container's frames reach pasta only. A crash of crt-net leaves pasta
 * and with it the network namespace, both of which use nothing.
 */
#include "net/pasta.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"

#define REASON_MAX 400 /* bytes of pasta's words that are told */
/* A container that starts again: the pasta that served it before may have its ports for an instant. */
#define BIND_ROUNDS   20
#define BIND_PAUSE_NS 50000000

struct pasta {
	struct net_forward *forwards;
	size_t forwards_n;
	struct strv options;
	int user_fd, net_fd;
};

/* ---- what it is told ---- */

static int receive(int ctl_fd, const struct wire_request *w, struct pasta *p, struct error *e)
{
	struct wire_message m;
	const char *at = m.u.pasta.text;
	bool go = false;
	int ret = wire_recv(ctl_fd, &m, NULL);

	if (ret != WIRE_TYPE_PASTA)
		return error_set(e, ret < 0 ? ret : -EPROTO, "crt-net: read the options of pasta");
	for (uint32_t i = 0; i < m.u.pasta.n; i++) {
		if (at >= m.u.pasta.text + sizeof(m.u.pasta.text) || strv_add(&p->options, at) < 0)
			return error_set(e, -ENOMEM, "crt-net: read the options of pasta");
		at += strlen(at) + 1;
	}
	p->forwards = calloc(w->forwards_n + 1, sizeof(*p->forwards));
	if (p->forwards == NULL)
		return error_set(e, -ENOMEM, "crt-net: read the published ports");
	p->forwards_n = w->forwards_n;
	ret = wire_recv_forwards(ctl_fd, p->forwards, p->forwards_n);
	if (ret < 0)
		return error_set(e, ret, "crt-net: read the published ports");
	while (!go || p->net_fd < 0) {
		_cleanup_fd_ int fd = -1;

		ret = wire_recv(ctl_fd, &m, &fd);
		if (ret == WIRE_TYPE_GO)
			go = true;
		else if (ret == WIRE_TYPE_NAMESPACE && fd >= 0 && p->net_fd < 0)
			*(p->user_fd < 0 ? &p->user_fd : &p->net_fd) = steal_fd(&fd);
		else
			return error_set(e, ret < 0 ? ret : -EPROTO,
					 "crt-net: receive the namespaces for pasta");
	}
	return 0;
}

static int choose_port(struct net_forward *f)
{
	bool v6 = strchr(f->host_addr, ':') != NULL;
	_cleanup_fd_ int fd =
		socket(v6 ? AF_INET6 : AF_INET,
		       (f->proto == NET_PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr *sa = v6 ? (struct sockaddr *)&a : (struct sockaddr *)&a4;
	socklen_t len = v6 ? sizeof(a) : sizeof(a4);

	if (f->host_addr[0] != '\0') /* checked by the parser */
		(void)inet_pton(sa->sa_family, f->host_addr,
				v6 ? (void *)&a.sin6_addr : (void *)&a4.sin_addr);
	if (fd < 0 || bind(fd, sa, len) < 0 || getsockname(fd, sa, &len) < 0)
		return -errno;
	f->host_port = ntohs(v6 ? a.sin6_port : a4.sin_port);
	return 0;
}

/* ---- its command line ---- */

static int add_word(struct strv *to, const char *word)
{
	return strv_add(to, word);
}

static int add_forward(struct strv *to, const struct net_forward *f)
{
	_cleanup_free_ char *spec = str_printf("%s%s%u:%u", f->host_addr,
					       f->host_addr[0] != '\0' ? "/" : "", f->host_port,
					       f->container_port);

	if (spec == NULL)
		return -ENOMEM;
	if (add_word(to, f->proto == NET_PROTO_TCP ? "-t" : "-u") < 0)
		return -ENOMEM;
	return add_word(to, spec);
}

static bool has_option(const struct strv *options, const char *letter, const char *word)
{
	for (size_t i = 0; i < options->n; i++)
		if (strcmp(options->v[i], letter) == 0 || strcmp(options->v[i], word) == 0)
			return true;
	return false;
}

/* Ports that are not asked for stay closed, in both directions, and the host's loopback as well. */
static int add_closed(struct strv *to, const struct strv *options, bool tcp, bool udp)
{
	static const struct {
		const char *letter, *word;
	} doors[] = { { "-t", "--tcp-ports" },
		      { "-u", "--udp-ports" },
		      { "-T", "--tcp-ns" },
		      { "-U", "--udp-ns" } };

	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		if ((i == 0 && tcp) || (i == 1 && udp) ||
		    has_option(options, doors[i].letter, doors[i].word))
			continue;
		if (add_word(to, doors[i].letter) < 0 || add_word(to, "none") < 0)
			return -ENOMEM;
	}
	if (has_option(options, "--map-gw", "--map-gw")) /* podman's word for the opposite */
		return 0;
	return add_word(to, "--no-map-gw");
}

int pasta_words(const struct net_forward *f, size_t forwards_n, const struct wire_request *w,
		const struct strv *options, struct strv *ret)
{
	static const char *const first[] = { PASTA_NAME, "--config-net", "--quiet", "--dns-forward",
					     PASTA_DNS };
	bool tcp = false, udp = false;
	int code = 0;

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (!(i >= 3 && has_option(options, "--dns-forward", "--dns-forward")))
			code |= add_word(ret, first[i]);
	for (size_t i = 0; i < forwards_n; i++) {
		*(f[i].proto == NET_PROTO_TCP ? &tcp : &udp) = true;
		code |= add_forward(ret, &f[i]);
	}
	code |= add_closed(ret, options, tcp, udp);
	if (w->ipv6 == 0)
		code |= add_word(ret, "-4");
	for (size_t i = 0; i < options->n; i++)
		if (strcmp(options->v[i], "--map-gw") != 0)
			code |= add_word(ret, options->v[i]);
	return code != 0 ? -ENOMEM : 0;
}

/* ---- its life ---- */

/* "/proc/PID/fd/N": a name for an fd of ours that pasta can open. */
static int add_fd_option(struct strv *to, const char *option, int fd)
{
	_cleanup_free_ char *name = str_printf("/proc/%d/fd/%d", getpid(), fd);

	return name == NULL || strv_add(to, option) < 0 || strv_add(to, name) < 0 ? -ENOMEM : 0;
}

/* Its words as one line: without what it says about syslog, and before it begins to explain its options. */
static void tidy(struct buf *said, struct buf *ret)
{
	char *rest = said->len != 0 ? said->data : NULL, *line;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (str_starts(line, "Usage:"))
			break;
		if (line[0] == '\0' || str_starts(line, "Failed to send "))
			continue;
		(void)buf_printf(ret, "%s%s", ret->len != 0 ? "; " : "", line); /* less is told */
	}
}

/* Run it until it goes into the background. 0, or -errno with its own words. */
static int run_first(int exe_fd, const struct strv *words, struct error *e)
{
	_cleanup_buf_ struct buf said = BUF_INIT, reason = BUF_INIT;
	_cleanup_fd_ int read_fd = -1, write_fd = -1, pid_fd = -1;
	struct proc_fd_map map = { .target = 2 };
	struct proc_spawn s = { .path_fd = exe_fd, .argv = words->v, .fds = &map, .fds_n = 1 };
	int pipe_fds[2], ret;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_set(e, -errno, "start pasta");
	read_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	map.fd = write_fd;
	ret = proc_spawn(&s, &pid, &pid_fd, e);
	if (ret < 0)
		return error_prefix(e, "start pasta");
	close_fd(&write_fd);
	ret = proc_wait(pid);
	if (fd_set_nonblock(read_fd, true) == 0)
		for (;;) {
			char block[REASON_MAX];
			ssize_t n = read(read_fd, block, sizeof(block));

			if (n <= 0 || said.len + (size_t)n > REASON_MAX)
				break;
			(void)buf_append(&said, block, (size_t)n); /* less is told */
		}
	if (ret == 0)
		return 0;
	tidy(&said, &reason);
	return error_setf(e, -ECANCELED, "pasta could not make the network (exit code %d): %s",
			  WIFEXITED(ret) ? WEXITSTATUS(ret) : 128,
			  reason.len != 0 ? buf_str(&reason) : "it did not say why");
}

/* The process in the background, which is ours to reap. pid or -errno. */
static pid_t read_pid(int fd, struct error *e)
{
	char text[32] = "";
	long pid;

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return error_set(e, -errno, "read the number of pasta's process");
	pid = strtol(text, NULL, 10);
	if (pid <= 1)
		return error_setf(e, -EPROTO, "pasta did not say its process number");
	return (pid_t)pid;
}

static int start(int exe_fd, struct pasta *p, const struct wire_request *w, pid_t *ret_pid,
		 struct error *e)
{
	_cleanup_fd_ int file_fd = memfd_create("pid", MFD_CLOEXEC);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { .effective = 0 } };
	struct strv words = { 0 };
	int ret;

	for (size_t i = 0; i < p->forwards_n; i++) {
		ret = p->forwards[i].host_port == 0 ? choose_port(&p->forwards[i]) : 0;
		if (ret < 0)
			return error_set(e, ret, "publish a free port to container port %u",
					 p->forwards[i].container_port);
	}
	if (file_fd < 0)
		return error_set(e, -errno, "start pasta");
	ret = pasta_words(p->forwards, p->forwards_n, w, &p->options, &words);
	if (ret == 0)
		ret = add_fd_option(&words, "--pid", file_fd);
	if (ret == 0)
		ret = add_fd_option(&words, "--netns", p->net_fd);
	if (ret < 0)
		(void)error_set(e, ret, "start pasta");
	else if (setns(p->user_fd, CLONE_NEWUSER) < 0 || syscall(SYS_capset, &header, none) < 0)
		ret = error_set(e, -errno, "enter the container's user namespace to start pasta");
	/* what it leaves in the background becomes our child, and it may look at our fds */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)prctl(PR_SET_DUMPABLE, 1);
	for (int i = 0; ret == 0; i++) {
		const struct timespec pause = { .tv_nsec = BIND_PAUSE_NS };

		ret = run_first(exe_fd, &words, e);
		if (ret == 0 || i == BIND_ROUNDS || strstr(e->msg, "Failed to bind") == NULL)
			break;
		ret = nanosleep(&pause, NULL) == 0 ? 0 : -EINTR;
	}
	(void)prctl(PR_SET_DUMPABLE, 0);
	strv_fini(&words);
	if (ret < 0)
		return ret;
	ret = read_pid(file_fd, e);
	if (ret < 0)
		return ret;
	*ret_pid = ret;
	return 0;
}

static void supervise(int ctl_fd, pid_t pid)
{
	_cleanup_fd_ int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[2] = { { .fd = ctl_fd, .events = POLLIN },
				 { .fd = pid_fd, .events = POLLIN } };

	while (pid_fd >= 0 && poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	(void)kill(pid, SIGKILL); /* a child: the number is its own until it is reaped */
	(void)waitpid(pid, NULL, 0);
}

int pasta_serve(int ctl_fd, const struct wire_request *w, int exe_fd, struct error *e)
{
	struct pasta p = { .user_fd = -1, .net_fd = -1 };
	pid_t pid = 0;
	int ret = receive(ctl_fd, w, &p, e);

	if (ret == 0)
		ret = start(exe_fd, &p, w, &pid, e);
	close_fd(&exe_fd);
	if (ret == 0) {
		ret = wire_send(ctl_fd, WIRE_TYPE_BOUND, NULL, 0, -1);
		if (ret == 0)
			ret = wire_send_forwards(ctl_fd, p.forwards, p.forwards_n);
		if (ret == 0)
			ret = wire_send(ctl_fd, WIRE_TYPE_TAKEN, NULL, 0, -1);
		close_fd(&p.net_fd); /* it would keep the namespace */
		if (ret == 0)
			supervise(ctl_fd, pid);
		else
			(void)kill(pid, SIGKILL);
		ret = 0;
	}
	close_fd(&p.user_fd);
	close_fd(&p.net_fd);
	strv_fini(&p.options);
	free(p.forwards);
	return ret;
}
