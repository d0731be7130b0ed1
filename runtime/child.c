/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new process between clone and exec: the order of its steps.
 *
 * Theory of operation: the parent has prepared struct child_plan; this
 * process has a private copy of its memory, shares no lock with anybody and
 * allocates nothing. It speaks to the parent over one SOCK_SEQPACKET socket:
 * reports upwards, single bytes ("go on") downwards; end of file means that
 * the parent died, and then it ends too. Failures are reported as {step,
 * index, errno}, the parent makes text of them.
 *
 * Order, and why:
 *  1. oom score (procfs files belong to us only while we are dumpable); wait
 *     for the id maps; become non-dumpable (a process that is already in a
 *     joined pid namespace must not trace us);
 *  2. what needs the caller's own ids: the root, copies of bind sources and
 *     host devices. After the map, because with it come our rights over files
 *     of mapped owners: a root of mode 0700 may belong to one of them. Then
 *     take the namespace's root;
 *  3. join namespaces, enter cgroups, then make the cgroup namespace, which
 *     shows the group we are in;
 *  4. mounts, devices, console; hooks that want the mounted but not yet
 *     entered root; masked and read-only paths; pivot_root;
 *  5. child_exec.c: limits, ids, capabilities; the gate; seccomp; exec.
 * Whatever fails, the namespaces die with this process: nothing to undo here.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

int child_report_fd = -1;
bool child_close_early;

void child_close(int fd)
{
	if (child_close_early)
		(void)close(fd);
}

static void send_report(const struct child_report *rep)
{
	int tries = CHILD_TRIES;

	while (send(child_report_fd, rep, sizeof(*rep), MSG_NOSIGNAL) < 0 && errno == EINTR &&
	       --tries > 0)
		;
}

_Noreturn void child_fail_aux(enum child_step step, size_t index, unsigned int aux, int err)
{
	struct child_report rep = { .kind = REPORT_FAILED,
				    .step = (uint8_t)step,
				    .aux = (uint16_t)aux,
				    .index = (uint32_t)index,
				    .err = err };

	send_report(&rep);
	_exit(1);
}

_Noreturn void child_fail(enum child_step step, size_t index, int err)
{
	child_fail_aux(step, index, 0, err);
}

void child_warn(enum child_step step, size_t index, int err)
{
	struct child_report rep = {
		.kind = REPORT_WARNING, .step = (uint8_t)step, .index = (uint32_t)index, .err = err
	};

	send_report(&rep);
}

void child_send(enum child_report_kind kind)
{
	struct child_report rep = { .kind = (uint8_t)kind };

	send_report(&rep);
}

int child_send_fd(int sock, const void *data, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = { .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl.buf,
			      .msg_controllen = sizeof(ctl.buf) };
	struct cmsghdr *c;
	int tries = CHILD_TRIES;
	ssize_t n;

	memcpy(&iov.iov_base, &data, sizeof(data)); /* sendmsg only reads it */
	memset(&ctl, 0, sizeof(ctl));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR && --tries > 0);
	return n < 0 ? -errno : 0;
}

bool child_wait_byte(int fd)
{
	char byte;
	ssize_t n;

	do {
		n = recv(fd, &byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

static void reset_signals(void)
{
	/* those that we, or a shell that starts us in the background, ignore */
	static const int sigs[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM,
				    SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ };
	struct sigaction sa;
	sigset_t none;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		(void)sigaction(sigs[i], &sa, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Must be repeated after each change of ids, which clears it. */
static void die_with_parent(const struct child_plan *p)
{
	if (p->die_with_parent)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static void wait_map(const struct child_plan *p)
{
	if (p->wait_map && !child_wait_byte(p->sync_fd))
		_exit(1);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void become_root(const struct child_plan *p)
{
	if (p->become_root) {
		/* the inherited supplementary groups stay until the very end */
		if (setresgid(p->root_gid, p->root_gid, p->root_gid) < 0 ||
		    setresuid(p->root_uid, p->root_uid, p->root_uid) < 0)
			child_fail(STEP_BECOME_ROOT, 0, errno);
		die_with_parent(p);
	}
}

/* The parent moves us into the groups of version 1 or the scope, which takes long, while we go on. */
static void wait_groups(const struct child_plan *p)
{
	if (!p->enter && (p->cgroup_fds_n > 0 || p->scope_fd >= 0) && !child_wait_byte(p->sync_fd))
		_exit(1);
}

static void unshare_namespaces(const struct child_plan *p)
{
	if (p->unshare_flags == 0)
		return;
	if (p->unshare_flags & CLONE_NEWCGROUP)
		wait_groups(p);
	if (syscall(SYS_unshare, p->unshare_flags) < 0)
		child_fail(STEP_UNSHARE, 0, errno);
}

static void join_namespaces(const struct child_plan *p)
{
	if (p->intermediate)
		return;
	for (size_t i = 0; i < p->joins_n; i++)
		if (syscall(SYS_setns, p->joins[i].fd, p->joins[i].flag) < 0)
			child_fail(STEP_JOIN, i, errno);
}

static void take_console(struct child_plan *p, int slave_fd)
{
	for (int i = 0; i < 3; i++)
		if (dup2(slave_fd, i) < 0)
			child_fail(STEP_STDIO, (size_t)i, errno);
	(void)close(slave_fd);
	if (syscall(SYS_ioctl, 0, 0x540E /* TIOCSCTTY */, 0) < 0)
		child_fail(STEP_CONSOLE_CTTY, 0, errno);
	(void)p;
}

static void take_stdio(const struct child_plan *p)
{
	for (int i = 0; i < 3; i++)
		if (p->stdio[i] >= 0 && p->stdio[i] != i && dup2(p->stdio[i], i) < 0)
			child_fail(STEP_STDIO, (size_t)i, errno);
}

/* The container's own node for a descriptor of the host's, or NULL. */
static const char *own_node(const struct stat *st)
{
	static const struct {
		const char *path;
		unsigned int minor;
	} nodes[] = { { "dev/null", 3 },
		      { "dev/zero", 5 },
		      { "dev/full", 7 },
		      { "dev/random", 8 },
		      { "dev/urandom", 9 } };

	if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != 1)
		return NULL;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (minor(st->st_rdev) == nodes[i].minor)
			return nodes[i].path;
	return NULL;
}

/* Put the container's node in the place of descriptor fd. It is no worse without. */
static void take_node(const struct child_plan *p, int fd, const char *path, dev_t dev)
{
	char name[32] = "self/fd/";
	int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
	int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int path_fd = root_fd < 0 ? -1 : child_dev_node(root_fd, path, dev);
	int own_fd = -1;

	if (path_fd >= 0 && flags >= 0) {
		(void)child_append_num(name + strlen(name), name + sizeof(name) - 1,
				       (unsigned long)path_fd);
		own_fd = openat(p->proc_fd, name,
				(flags & (O_ACCMODE | O_APPEND | O_NONBLOCK)) | O_CLOEXEC);
	}
	if (own_fd >= 0) {
		(void)!dup2(own_fd, fd);
		(void)close(own_fd);
	}
	if (path_fd >= 0)
		(void)close(path_fd);
	if (root_fd >= 0)
		(void)close(root_fd);
}

/*
 * Streams from and to nowhere are the container's own devices: with a descriptor of the host's
 * /dev/null real root in the container could change the mode of that node for the whole host, it
 * would hold the host's mount, and CRIU could not save it. Where the container has no such device
 * they stay what they are.
 */
static void own_nodes(const struct child_plan *p)
{
	struct stat st;

	for (int i = 0; i < 3; i++) {
		const char *path = fstat(i, &st) == 0 ? own_node(&st) : NULL;

		if (path != NULL)
			take_node(p, i, path, st.st_rdev);
	}
}

static void make_root(struct child_plan *p, int root_fd)
{
	int slave_fd = -1;

	child_mount_all(p, root_fd);
	if (!(p->unshare_flags & CLONE_NEWCGROUP))
		wait_groups(p);
	if (p->terminal)
		slave_fd = child_console_open(p, root_fd);
	if (p->wait_hooks) {
		child_send(REPORT_HOOKS);
		if (!child_wait_byte(p->sync_fd))
			_exit(1);
	}
	child_hooks_run(p, p->hooks_create, p->hooks_create_n, p->hook_state_fd,
			SPEC_HOOK_CREATE_CONTAINER);
	child_mount_masks(p, root_fd);
	child_mount_pivot(p, root_fd);
	(void)close(root_fd);
	if (slave_fd >= 0)
		take_console(p, slave_fd);
}

_Noreturn void child_main(struct child_plan *p)
{
	int root_fd = -1;

	child_report_fd = p->sync_fd;
	/* a descriptor that may write would keep a file system from becoming read-only */
	child_close_early = p->late_readonly ||
			    p->mounts_n + p->devices_n + p->masked_n + p->readonly_n > 120;
	if (p->parent_fd >= 0)
		(void)close(p->parent_fd);
	reset_signals();
	(void)umask(0);
	(void)setsid();
	die_with_parent(p);
	if (!p->intermediate)
		child_early_process(p);
	wait_map(p);
	if (!p->enter) {
		root_fd = child_mount_prepare(p);
		child_dev_prepare(p);
	}
	become_root(p);
	join_namespaces(p);
	unshare_namespaces(p);
	if (!p->enter)
		make_root(p, root_fd);
	else if (p->terminal) {
		int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			child_fail(STEP_CONSOLE_PTMX, 0, errno);
		take_console(p, child_console_open(p, fd));
		(void)close(fd);
	}
	if (!p->terminal) {
		take_stdio(p);
		own_nodes(p);
	}
	child_finish(p);
}
