/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of one container.
 *
 * Theory of operation: `crt run` clones the keeper into a new user and mount
 * namespace. While newuidmap and newgidmap write the id maps, the keeper makes
 * the network namespace and the tap device, which need capabilities but no
 * ids. Then: root file system, user, config.json, create, report, wait for the
 * gate, start, wait for the end.
 *
 * The keeper is the only process that reaps the container, so the exit status
 * has one owner. It cannot be reached from the container: it is outside of its
 * pid namespace and not dumpable. If `crt run` dies (its socket end closes) the
 * keeper kills the container and cleans up; if the keeper dies, the kernel
 * kills the container with it, crt does the same (a container can switch its
 * parent-death signal off), and what both left is ended and removed by the next
 * `crt ps` or `crt rm` (container.c). The executable that the container's process runs
 * before its own program cannot be written from inside: main() saw to that.
 * If fuse-overlayfs dies under the container, every file of it answers
 * ENOTCONN from then on: the keeper kills the container and names the reason.
 *
 * The attacker controls the root file system (through the image) and, after the
 * start, the container. What is read from the root file system here: passwd and
 * group, by path_read_file_in() with a size limit.
 */
#include "cmd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "cmd/detach.h"
#include "cmd/events.h"
#include "cmd/pause.h"
#include "cmd/record.h"
#include "cmd/rundir.h"
#include "cmd/volumes.h"
#include "runtime/runtime.h"

#define ORPHAN_ROUNDS 1000 /* each round kills a whole generation; who forks faster has won */

struct keeper {
	struct keeper_start *start;
	struct run_plan *plan;
	int ctl_fd;
	int root_fd;
	bool mounted;
	struct storage_rootfs_handle mount;
	struct runtime_container *container;
	struct net_agent agent;
	struct limits_watch watch;
	bool oom;
	struct detach detach;
	int notify_in_fd; /* from the container, -1 = none */
};

static void report(struct keeper *k, enum keeper_event event, int value, const struct error *e)
{
	struct keeper_message m = { .event = event, .value = value };

	if (e != NULL)
		m.error = *e;
	(void)fd_send(k->ctl_fd, &m, sizeof(m), NULL,
		      0); /* a dead reader is noticed by its hang-up */
}

/* ---- before the ids are mapped -------------------------------------------------------------- */

/* crt plugs us in from outside, where it has power over both sides. */
static int report_network(struct keeper *k, struct error *e)
{
	const struct keeper_message m = { .event = KEEPER_NETWORK };
	_cleanup_fd_ int proc_fd = procfs_open(e);
	_cleanup_fd_ int net_fd = -1, rtnl_fd = -1;
	int fds[2], r;

	if (proc_fd < 0)
		return proc_fd;
	net_fd = openat(proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (net_fd < 0)
		return error_set(e, -errno, "opening the network namespace");
	rtnl_fd = net_rtnl_open(e);
	if (rtnl_fd < 0)
		return rtnl_fd;
	fds[0] = net_fd;
	fds[1] = rtnl_fd;
	r = fd_send(k->ctl_fd, &m, sizeof(m), fds, 2);
	return r < 0 ? error_set(e, r, "reporting to crt") : 0;
}

static int make_network(struct keeper *k, struct error *e)
{
	struct run_plan *p = k->plan;
	int r;

	if (k->start->join.net_fd >= 0) {
		r = join_enter(&k->start->join, e);
		join_fini(&k->start->join);
		return r;
	}
	if (!p->own_netns)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return error_set(e, -errno, "creating a network namespace");
	r = net_tap_create(&p->req->net, steal_fd(&k->start->tap_sock), &k->agent, e);
	return r == 0 && p->req->net.members_n > 0 ? report_network(k, e) : r;
}

/* ping without a capability, for all groups that exist here; an optional kindness, so failures are nobody's business */
static void allow_ping(const struct keeper *k)
{
	_cleanup_fd_ int proc_fd = k->plan->own_netns ? procfs_open(NULL) : -1;

	if (proc_fd >= 0 && procfs_write(proc_fd, "sys/net/ipv4/ping_group_range", "0 65535") < 0)
		(void)procfs_write(proc_fd, "sys/net/ipv4/ping_group_range", "0 0");
}

/*
 * --sysctl net.*: here and not by the runtime, because the network namespace is ours and config.json
 * has none. /proc/sys/net shows the namespace of whoever looks.
 */
static int set_net_sysctls(const struct keeper *k, struct error *e)
{
	const struct strv *list = &k->plan->net_sysctls;
	_cleanup_fd_ int proc_fd = list->n > 0 ? procfs_open(NULL) : -1;

	for (size_t i = 0; i < list->n; i++) {
		const char *text = list->v[i], *eq = strchr(text, '=');
		_cleanup_free_ char *path = str_printf("sys/%.*s", (int)(eq - text), text);
		int r = proc_fd < 0 ? proc_fd : path == NULL ? -ENOMEM : 0;

		/* net/ipv4/conf/eth0.1 is net.ipv4.conf.eth0/1 when it begins with a dot */
		for (size_t c = strlen("sys/"); r == 0 && text[3] == '.' && path[c] != '\0'; c++)
			path[c] = (char)(path[c] == '.' ? '/' : path[c] == '/' ? '.' : path[c]);
		if (r == 0)
			r = procfs_write(proc_fd, path, eq + 1);
		if (r < 0)
			return error_set(e, r, "--sysctl %s", text);
	}
	return 0;
}

/* ---- root file system ------------------------------------------------------------------------ */

/* --rootfs DIR: found before the namespace was made, but may we enter it with the ids we have now? */
static int check_rootfs(const struct run_plan *p, struct error *e)
{
	_cleanup_fd_ int fd = open(p->req->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || faccessat(fd, ".", X_OK, AT_EACCESS) < 0)
		return error_set(e, -errno, "--rootfs %s", p->req->rootfs);
	return 0;
}

static int mount_rootfs(struct keeper *k, struct error *e)
{
	struct run_plan *p = k->plan;
	_cleanup_fd_ int target = -1;
	struct strv lower = { 0 };
	struct storage_rootfs r = {
		.layers = &p->image.layers,
		.container_id = p->id,
		.target = p->rootfs,
		.is_volatile = p->req->rm,
		.shift = p->shift_map.uid_n > 0 && p->caps.kind == USERNS_KIND_RANGE ?
				 &p->shift_map :
				 NULL,
	};
	int ret = p->req->rootfs != NULL ? check_rootfs(p, e) : 0;

	if (ret < 0)
		return ret;
	if (p->req->rootfs != NULL && !p->req->rootfs_overlay) {
		k->root_fd = open(p->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return k->root_fd < 0 ? error_set(e, -errno, "--rootfs %s", p->rootfs) : 0;
	}
	if (p->req->rootfs != NULL) {
		if (strv_add(&lower, p->req->rootfs) < 0)
			return error_set(e, -ENOMEM, "--rootfs %s", p->req->rootfs);
		r.layers = &lower;
		r.is_foreign = true;
	}
	target = open(p->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r.target_fd = target;
	if (target < 0)
		ret = error_set(e, -errno, "opening %s", p->rootfs);
	else
		ret = storage_rootfs_mount(p->store, &r, &k->mount, e);
	strv_fini(&lower);
	if (ret < 0)
		return error_prefix(e, "mounting the root file system");
	k->mounted = true;
	k->root_fd = open(p->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return k->root_fd < 0 ? error_set(e, -errno, "opening %s", p->rootfs) : 0;
}

/* The image's VOLUME directories exist even where no layer has them. */
static int make_volumes(struct keeper *k, struct error *e)
{
	const struct strv *volumes = &k->plan->conf.volumes;

	for (size_t i = 0; i < volumes->n; i++) {
		int fd = path_mkdir_in(k->root_fd, volumes->v[i], 0755, e);

		if (fd < 0)
			return error_prefix(e, "volume of the image");
		(void)close(fd);
	}
	return 0;
}

/* Files of the bundle that the container sees belong to its root, also where that is another id than ours. */
static int chown_files(struct keeper *k, struct error *e)
{
	static const char *const files[] = { "hosts",	      "hostname", "resolv.conf",
					     ".containerenv", "passwd",	  "group" };
	const struct run_plan *p = k->plan;
	uint32_t uid, gid;

	if (!id_map_to_outside(p->shift_map.uid, p->shift_map.uid_n, 0, &uid) ||
	    !id_map_to_outside(p->shift_map.gid, p->shift_map.gid_n, 0, &gid))
		return 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (fchownat(k->start->bundle_fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return error_set(e, -errno, "changing the owner of %s", files[i]);
	return 0;
}

/* Our version of /etc/NAME, as a file of the bundle. */
static int bind_account(struct keeper *k, const char *name, const char *text, struct error *e)
{
	_cleanup_free_ char *path = str_printf("%s/%s", k->plan->rundir, name);
	_cleanup_free_ char *dst = str_printf("/etc/%s", name);
	json_t *mounts = json_object_get(k->plan->config, "mounts");
	json_t *m;
	int r;

	if (text == NULL)
		return 0;
	r = fd_create_file_at(k->start->bundle_fd, name, text, strlen(text), 0644, e);
	if (r < 0)
		return r;
	m = path == NULL || dst == NULL ?
		    NULL :
		    json_pack("{s:s,s:s,s:s,s:[s,s,s,s,s]}", "destination", dst, "type", "bind",
			      "source", path, "options", "bind", "rprivate", "nosuid", "noexec",
			      "nodev");
	return json_array_append_new(mounts, m) < 0 ?
		       error_set(e, -ENOMEM, "composing /etc/%s", name) :
		       0;
}

/* The container waits at its gate: by which means do its limits hold? */
static int settle_limits(struct keeper *k, const struct error *why, struct error *e)
{
	const struct run_plan *p = k->plan;
	struct limits_made m = {
		.limits = &p->req->limits,
		.manager = p->limits.manager,
		.why = why->code < 0 ? why->msg : p->limits.why,
		.is_root = p->caps.kind == USERNS_KIND_NONE,
		.pid_host = p->req->pid_host,
		.has_fuse = k->mounted && k->mount.fuse_pid > 0,
		.warn = true,
	};

	return limits_settle(k->start->bundle_fd, k->container, &m,
			     k->start->detached ? &k->detach.life.watch : &k->watch, e);
}

/* ---- create and start --------------------------------------------------------------------------- */

static int create(struct keeper *k, int *ret_console, struct error *e)
{
	struct run_plan *p = k->plan;
	struct runtime_create c = RUNTIME_CREATE_INIT;
	_cleanup_free_ char *passwd = NULL, *group = NULL, *text = NULL;
	struct error why = ERROR_INIT;
	int r;

	r = compose_user(p, k->root_fd, &passwd, &group, e);
	if (r == 0)
		r = bind_account(k, "passwd", passwd, e);
	if (r == 0)
		r = bind_account(k, "group", group, e);
	if (r == 0)
		r = chown_files(k, e);
	if (r == 0)
		r = volumes_fill(p, k->root_fd, e);
	if (r < 0)
		return r;
	text = compose_text(p);
	if (text == NULL)
		return error_set(e, -ENOMEM, "writing config.json");
	r = fd_create_file_at(k->start->bundle_fd, "config.json", text, strlen(text), 0600, e);
	if (r < 0)
		return r;
	c.id = p->id;
	c.bundle = p->rundir;
	c.bundle_fd = k->start->bundle_fd;
	c.config_tree = p->config;
	c.seccomp = p->seccomp;
	memcpy(c.stdio, k->start->detached ? k->detach.child : k->start->stdio, sizeof(c.stdio));
	c.preserve_fds = p->req->preserve_fds;
	c.ret_console_fd = p->req->tty ? ret_console : NULL;
	c.die_with_parent = true;
	c.cgroup_manager = p->limits.manager;
	c.ret_cgroup_error = &why;
	r = runtime_container_create(&c, &k->container, e);
	if (r == 0)
		r = settle_limits(k, &why, e);
	if (p->req->rootfs != NULL && !p->req->rootfs_overlay &&
	    (r == -EACCES || r == -EPERM || r == -EROFS || r == -EOVERFLOW))
		return error_hint(e,
				  "; if %s lacks mount points and is not yours to write, use "
				  "--rootfs %s:O, which leaves it as it is",
				  p->req->rootfs, p->req->rootfs);
	return r;
}

int keeper_write_pid(int bundle_fd, pid_t pid, struct storage *s, const char *id, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	unsigned long long start = 0, own = 0;
	char text[128], boot[37] = "";
	size_t len;
	int r;

	/* the times tell these processes from later ones of the same number (container.c) */
	r = proc_fd < 0 ? proc_fd : procfs_start_time(proc_fd, pid, &start);
	if (r == 0)
		r = procfs_start_time(proc_fd, getpid(), &own);
	if (r == 0 && s != NULL)
		r = procfs_boot_id(proc_fd, boot);
	if (r < 0)
		return error_set(e, r, "reading the start time of the container");
	(void)unlinkat(bundle_fd, MONITOR_EXIT, 0); /* of the life before; rarely there */
	(void)unlinkat(bundle_fd, PAUSE_FILE, 0);
	(void)snprintf(text, sizeof(text), "%d %llu %d %llu %s", (int)pid, start, (int)getpid(),
		       own, boot);
	len = strlen(text);
	r = s == NULL ? 0 : storage_container_write(s, id, "pid", text, e);
	return r < 0 ? r : fd_write_file_at(bundle_fd, "pid", text, len, 0600, false, e);
}

static int report_created(struct keeper *k, int console_fd, struct error *e)
{
	struct keeper_message m = { .event = KEEPER_CREATED,
				    .pid = runtime_container_pid(k->container) };
	int fds[2] = { runtime_container_pidfd(k->container), console_fd };
	int r = keeper_write_pid(k->start->bundle_fd, m.pid,
				 k->start->detached ? k->plan->store : NULL, k->plan->id, e);

	if (r < 0)
		return r;
	r = fd_send(k->ctl_fd, &m, sizeof(m), fds, console_fd >= 0 ? 2 : 1);
	return r < 0 ? error_set(e, r, "reporting to crt") : 0;
}

/* Wait for the gate. 0; -ECANCELED when crt went away. */
static int wait_gate(struct keeper *k, struct error *e)
{
	char go;
	ssize_t n;

	do
		n = recv(k->ctl_fd, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : error_setf(e, -ECANCELED, "crt went away");
}

static void close_stdio(struct keeper_start *s)
{
	for (int i = 0; i < 3; i++)
		if (s->stdio[i] > 2)
			close_fd(&s->stdio[i]);
}

/* The empty word as a command: what no PATH has, but refused earlier than other such names. */
static bool is_nameless(const struct run_plan *p)
{
	const json_t *args = json_object_get(json_object_get(p->config, "process"), "args");
	const char *name = json_string_value(json_array_get(args, 0));

	return name != NULL && name[0] == '\0';
}

static int prepare_detach(struct keeper *k, struct error *e)
{
	struct keeper_start *s = k->start;
	int r = detach_init(&k->detach, k->plan, s->containers, s->bundle_fd, s->lock_fd, s->net_fd,
			    e);

	return r == 0 ? detach_streams(&k->detach, e) : r;
}

/* From the end of the map to the running program. 0, or the exit code of `crt run` with e filled. */
static int bring_up(struct keeper *k, struct userns_child *self, struct error *e)
{
	_cleanup_fd_ int console_fd = -1;
	int r;

	r = make_network(k, e);
	if (r == 0)
		r = userns_map_wait(self, &k->plan->caps, e);
	if (r == 0) {
		allow_ping(k);
		r = set_net_sysctls(k, e);
	}
	if (r == 0)
		r = mount_rootfs(k, e);
	if (r == 0)
		r = make_volumes(k, e);
	if (r == 0 && k->plan->notify) {
		k->notify_in_fd = notify_listen(k->start->bundle_fd, e);
		r = k->notify_in_fd < 0 ? k->notify_in_fd : 0;
	}
	if (r == 0 && k->start->detached)
		r = prepare_detach(k, e);
	if (r == 0)
		r = create(k, &console_fd, e);
	/* not before: id maps, ours and the container's, are written through /proc directories that must be the caller's */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (r == 0)
		r = report_created(k, console_fd, e);
	if (k->start->detached)
		k->detach.life.console_fd = steal_fd(&console_fd);
	close_fd(&console_fd);
	if (r == 0)
		r = wait_gate(k, e);
	if (r < 0)
		return is_nameless(k->plan) ? 127 : 125;
	r = runtime_container_start(k->container, e);
	close_stdio(k->start);
	if (r == 0)
		return 0;
	return r == RUNTIME_START_NOT_FOUND ? 127 : r == RUNTIME_START_NOT_EXECUTABLE ? 126 : 125;
}

/* ---- the end ------------------------------------------------------------------------------------------ */

/*
 * Wait until the container's first process ends; kill it when crt goes away or the server of its
 * root file system dies (then with e filled). Returns the exit code.
 */
static int hold(struct keeper *k, struct error *e)
{
	struct pollfd fds[7] = {
		{ .fd = runtime_container_pidfd(k->container), .events = POLLIN },
		{ .fd = k->ctl_fd, .events = 0 },
		{ .fd = k->mounted ? k->mount.fuse_pid_fd : -1, .events = POLLIN },
		{ .fd = k->agent.fd, .events = POLLIN },
		{ .fd = k->notify_in_fd, .events = POLLIN },
		{ .fd = k->watch.events_fd, .events = POLLPRI },
		{ .fd = k->watch.above_fd, .events = POLLPRI },
	};
	int status;

	notify_tell(k->start->notify_fd, 0, k->plan->req->sdnotify == REQUEST_SDNOTIFY_CONMON);

	while (fds[0].revents == 0) {
		if (poll(fds, 7, k->watch.memory > 0 ? LIMITS_WATCH_MS : -1) < 0 && errno != EINTR)
			break;
		if (limits_watch_check(&k->watch, clock_now_ms())) {
			k->oom = true;
			log_warning("the container had more memory than --memory allows: it was "
				    "killed");
			k->watch.memory = 0;
			(void)proc_pidfd_send_signal(fds[0].fd, SIGKILL); /* gone already is fine */
		}
		if (fds[5].revents != 0 || fds[6].revents != 0) {
			limits_watch_event(&k->watch);
			fds[5].fd = k->watch.events_fd;
			fds[6].fd = fds[5].fd >= 0 ? k->watch.above_fd : -1;
		}
		if (fds[4].fd >= 0 && fds[4].revents != 0)
			notify_forward(k->notify_in_fd, k->start->notify_fd, 0);
		if (fds[3].fd >= 0 && fds[3].revents != 0 && net_agent_serve(&k->agent) < 0) {
			net_agent_fini(&k->agent);
			fds[3].fd = -1;
		}
		if (fds[0].revents == 0 && fds[2].fd >= 0 && fds[2].revents != 0) {
			error_setf(e, -ENOTCONN,
				   "fuse-overlayfs, which serves the container's root file system, "
				   "died (killed, or out of memory?): the container was killed");
			(void)proc_pidfd_send_signal(fds[0].fd, SIGKILL); /* gone already is fine */
			fds[2].fd = -1;
		}
		if (fds[1].fd >= 0 && (fds[1].revents & (POLLHUP | POLLERR)) != 0) {
			(void)proc_pidfd_send_signal(fds[0].fd, SIGKILL); /* gone already is fine */
			fds[1].fd = -1;
		}
	}
	status = runtime_container_wait(k->container, NULL);
	if (status >= 0 && WIFSIGNALED(status) && limits_watch_oom(&k->watch))
		k->oom = true;
	return status < 0 || e->code != 0 ? 125 : proc_status_code(status);
}

/*
 * With --pid host no namespace ends the container's other processes with its first one. Orphans
 * become children of the keeper, their subreaper; they are killed and reaped until none is left.
 * A child cannot be confused with another process: its number is taken until it is reaped.
 */
static void end_orphans(pid_t fuse_pid)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/task/%d/children", (int)getpid(), (int)getpid());
	for (int round = 0; proc_fd >= 0 && round < ORPHAN_ROUNDS; round++) {
		_cleanup_free_ char *text = NULL;
		char *rest, *word;
		bool found = false;

		if (procfs_read(proc_fd, path, LIMIT_JSON_BYTES, &text) < 0)
			return; /* a kernel without this file */
		rest = text;
		while ((word = strsep(&rest, " \n")) != NULL) {
			unsigned long long pid;

			if (str_to_u64(word, INT32_MAX, &pid) < 0 || pid == 0 ||
			    (pid_t)pid == fuse_pid)
				continue;
			found = true;
			(void)kill((pid_t)pid, SIGKILL); /* ended already is fine */
			(void)proc_wait((pid_t)pid);
		}
		if (!found)
			return;
	}
}

static json_t *read_record(const struct keeper_end *end)
{
	_cleanup_free_ char *text = NULL;

	if (storage_container_record(end->store, end->id, &text, NULL) < 0)
		return NULL;
	return json_parse(text, strlen(text), "record", NULL);
}

void keeper_clean_up(const struct keeper_end *end)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *record = read_record(end);
	_cleanup_buf_ struct buf events = BUF_INIT;
	struct event_subject who = event_subject_of(record);
	_cleanup_free_ char *rundir = NULL;
	bool oom;

	if (end->lived && who.id != NULL)
		event_container(&events, "died", &who, end->code, NULL, NULL);
	/* Whatever can fail here is only left behind, and removed by a later command. */
	if (end->pid_host)
		end_orphans(end->mount != NULL ? end->mount->fuse_pid : 0);
	if (end->mount != NULL)
		storage_rootfs_umount(end->mount, end->rootfs);
	rundir = str_printf("%s/%s", end->containers, end->id);
	oom = end->oom || limits_oom(rundir);
	limits_end(rundir);
	if (oom && who.id != NULL)
		event_container(&events, "oom", &who, -1, NULL, NULL);
	if (!end->remove && end->code >= 0 &&
	    record_finish(end->store, end->id, end->code, oom, &e) < 0)
		log_warning("%s", e.msg);
	if (!end->remove)
		health_keep(end->store, end->id, record);
	if (rundir_remove(end->containers, end->id, &e) < 0)
		log_warning("%s", e.msg);
	if (end->lived && who.id != NULL)
		event_container(&events, "cleanup", &who, -1, NULL, NULL);
	/* the record last: it is what tells later commands where the bundle is */
	if (end->remove && storage_container_remove(end->store, end->id, &e) < 0)
		log_warning("%s", e.msg);
	else if (end->remove && who.id != NULL)
		event_container(&events, "remove", &who, -1, NULL, NULL);
	if (end->remove)
		volumes_drop_anonymous(end->store, json_object_get(record, "volumes"));
	events_write(end->store, &events);
}

static void clean_up(struct keeper *k, int code, bool lived)
{
	struct run_plan *p = k->plan;
	struct keeper_end end = {
		.store = p->store,
		.containers = k->start->containers,
		.id = p->id,
		.rootfs = p->rootfs,
		.mount = k->mounted ? &k->mount : NULL,
		.pid_host = p->req->pid_host,
		.remove = !k->start->keep_record && (p->req->rm || code < 0),
		.lived = lived,
		.code = code,
	};

	end.oom = k->oom || limits_oom(p->rundir); /* before the groups are gone */
	runtime_container_destroy(k->container);
	close_fd(&k->root_fd);
	keeper_clean_up(&end);
}

static void note_start(const struct keeper *k, bool started)
{
	const struct keeper_start *s = k->start;

	events_launched(s->plan->store, s->plan, !s->keep_record, started, started && !s->detached);
}

/* The program runs: from here on crt-monitor is who we are. */
static void become_monitor(struct keeper *k, struct error *e)
{
	struct monitor_life *l = &k->detach.life;

	l->pid = runtime_container_pid(k->container);
	l->pid_fd = runtime_container_pidfd(k->container);
	l->mounted = k->mounted;
	l->fuse_pid = k->mounted ? k->mount.fuse_pid : 0;
	l->fuse_pid_fd = k->mounted ? k->mount.fuse_pid_fd : -1;
	l->agent = k->agent;
	l->net_pid_fd = k->start->net_pid_fd;
	l->notify_fd = k->start->notify_fd;
	l->notify_in_fd = k->notify_in_fd;
	report(k, KEEPER_STARTED, 0, NULL);
	note_start(k, true);
	(void)detach_exec(&k->detach, e);
}

void keeper_main(struct keeper_start *start, struct userns_child *self, int ctl_fd)
{
	struct keeper k = { .start = start,
			    .plan = start->plan,
			    .ctl_fd = ctl_fd,
			    .root_fd = -1,
			    .notify_in_fd = -1,
			    .agent = NET_AGENT_INIT,
			    .watch = LIMITS_WATCH_INIT };
	struct error e = ERROR_INIT;
	int code;

	(void)prctl(PR_SET_NAME, "crt-keeper");
	if (k.plan->req->pid_host)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* end_orphans() */
	(void)setsid(); /* signals of the terminal are for crt, which passes them on */
	code = bring_up(&k, self, &e);
	if (code == 0 && start->detached) {
		e = ERROR_INIT;
		become_monitor(&k, &e);
		code = 125;
		report(&k, KEEPER_FAILED, code, &e);
		clean_up(&k, code, true);
	} else if (code == 0) {
		report(&k, KEEPER_STARTED, 0, NULL);
		note_start(&k, true);
		e = ERROR_INIT; /* a step may have failed that had a fall-back */
		code = hold(&k, &e);
		report(&k, KEEPER_EXITED, code, &e);
		clean_up(&k, code, true);
	} else {
		report(&k, KEEPER_FAILED, code, &e);
		note_start(&k, false);
		/* what never was a container leaves nothing */
		clean_up(&k, code == 125 ? -1 : code, false);
	}
	_exit(0);
}
