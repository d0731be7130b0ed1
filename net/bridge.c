/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt's side of crt-bridge: find it or start it, join and leave networks.
 *
 * Theory of operation
 *
 * The holder listens on a socket in a private directory. Whoever needs it
 * takes the lock of that directory, tries to connect, and when nobody
 * listens makes the socket itself, starts the holder with it and lets the lock go:
 * a connection waits in the socket's queue until the holder takes it, so that
 * nothing is waited for under the lock and of twenty that come at once one starts it.
 * The holder takes the same lock before it removes its socket and ends, and does
 * not when somebody is in the queue.
 *
 * After a SIGKILL of the holder its socket refuses connections; the next command
 * finds that under the lock and starts another. The networks went with it, but
 * containers may be there that were on them: so who started it (fresh) has a
 * connection that is served before all others, tells first what there was, and only
 * then goes on.
 *
 * Everybody here is the same user: the directory is checked to be private.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/path.h"
#include "base/proc.h"
#include "net/rtnl.h"
#include "net/switch.h"

#define LOCK_MS 10000
#define BACKLOG 512

/* The path may be too long for sun_path: named through the directory's fd. */
static void socket_address(int dir_fd, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/" SWITCH_SOCKET,
		       dir_fd);
}

/* 0; 1: nobody listens; or -errno. */
static int try_connect(int dir_fd, struct net_bridge *b, struct error *e)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	if (fd < 0)
		return error_set(e, -errno, "connect to crt-bridge");
	socket_address(dir_fd, &sa);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ?
			       1 :
			       error_set(e, -errno, "connect to crt-bridge");
	b->fd = steal_fd(&fd);
	return 0;
}

static int start(int dir_fd, struct net_bridge *b, struct error *e)
{
	static char name[] = "crt-bridge";
	char *const argv[] = { name, NULL };
	_cleanup_fd_ int exe_fd = proc_find_helper(name, NULL, e);
	/* another open directory: the lock of ours would go with it */
	_cleanup_fd_ int its_dir_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int listen_fd = -1, ours = -1, theirs = -1;
	struct sockaddr_un sa;
	mode_t mask;
	pid_t pid;
	int sv[2];
	int r;

	if (exe_fd < 0)
		return exe_fd;
	if (its_dir_fd < 0)
		return error_set(e, -errno, "open the directory of crt-bridge");
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	socket_address(dir_fd, &sa);
	if (unlinkat(dir_fd, SWITCH_SOCKET, 0) < 0 && errno != ENOENT)
		return error_set(e, -errno, "remove the socket of an ended crt-bridge");
	mask = umask(0177); /* as good as the directory, which is private */
	r = listen_fd < 0 ? -1 : bind(listen_fd, (const struct sockaddr *)&sa, sizeof(sa));
	(void)umask(mask);
	if (r < 0 || listen(listen_fd, BACKLOG) < 0)
		return error_set(e, -errno, "make the socket of crt-bridge");
	r = fd_socketpair(SOCK_SEQPACKET, sv);
	if (r < 0)
		return error_set(e, r, "make a socket pair for crt-bridge");
	ours = sv[0];
	theirs = sv[1];
	r = proc_spawn(
		&(struct proc_spawn){
			.path_fd = exe_fd,
			.argv = argv,
			.fds = (const struct proc_fd_map[]){ { listen_fd, SWITCH_LISTEN_FD },
							     { its_dir_fd, SWITCH_DIR_FD },
							     { theirs, SWITCH_FIRST_FD } },
			.fds_n = 3,
			.new_session = true,
		},
		&pid, NULL, e);
	if (r < 0) {
		(void)unlinkat(dir_fd, SWITCH_SOCKET, 0);
		return error_prefix(e, "start crt-bridge");
	}
	/* it has forked: what we started has ended, or does so at once */
	(void)proc_wait(pid);
	b->fd = steal_fd(&ours);
	b->fresh = true;
	return 0;
}

int net_bridge_open(const char *dir, bool start_it, struct net_bridge *ret, struct error *e)
{
	_cleanup_fd_ int dir_fd = -1;
	struct net_bridge b = NET_BRIDGE_INIT;
	int r;

	if (!start_it && access(dir, F_OK) < 0 && errno == ENOENT)
		return 1;
	dir_fd = path_open_private_dir(dir, e);
	if (dir_fd < 0)
		return dir_fd;
	r = lock_fd(dir_fd, true, LOCK_MS, e);
	if (r == 0)
		r = try_connect(dir_fd, &b, e);
	if (r == 1 && start_it)
		r = start(dir_fd, &b, e);
	if (r == 0)
		*ret = b;
	return r < 0 ? error_prefix(e, "the holder of the networks") : r;
}

void net_bridge_close(struct net_bridge *b)
{
	close_fd(&b->fd);
	*b = NET_BRIDGE_INIT;
}

static int ask(const struct net_bridge *b, const struct switch_request *q, const int *fds, size_t n,
	       struct switch_answer *ret, struct error *e)
{
	ssize_t len;
	int r = fd_send(b->fd, q, sizeof(*q), fds, n);

	if (r < 0)
		return error_set(e, r, "talk to crt-bridge");
	len = fd_recv(b->fd, ret, sizeof(*ret), NULL, NULL);
	if (len != (ssize_t)sizeof(*ret))
		return error_set(e, len < 0 ? (int)len : -ECONNRESET, "hear from crt-bridge");
	if (ret->error.code < 0 && e != NULL)
		*e = ret->error;
	return ret->error.code;
}

static void copy_text(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from);
}

int net_bridge_join(const struct net_bridge *b, const struct net_network *n,
		    const struct net_join *j, struct net_lease *l, struct error *e)
{
	struct switch_request q = {
		.version = SWITCH_VERSION,
		.op = SWITCH_JOIN,
		.network = *n,
		.lease = *l,
	};
	const int fds[] = { j->life_fd, j->net_fd, j->rtnl_fd };
	struct switch_answer a;
	int r;

	copy_text(q.id, sizeof(q.id), j->id);
	copy_text(q.host_ip, sizeof(q.host_ip), j->host_ip);
	for (size_t i = 0; i < j->names_n; i++)
		names_add(&q.names, j->names[i]);
	r = net_parse_server_list(j->dns, q.servers, e);
	if (r < 0)
		return r;
	q.servers_n = (uint32_t)r;
	r = ask(b, &q, fds, 3, &a, e);
	if (r == 0)
		*l = a.lease;
	return r;
}

int net_bridge_leave(const struct net_bridge *b, const char *network, const char *id,
		     struct error *e)
{
	struct switch_request q = { .version = SWITCH_VERSION, .op = SWITCH_LEAVE };
	struct switch_answer a;

	copy_text(q.id, sizeof(q.id), id);
	copy_text(q.network.name, sizeof(q.network.name), network);
	return ask(b, &q, NULL, 0, &a, e);
}

int net_rtnl_open(struct error *e)
{
	return rtnl_open(e);
}
