/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt keep FD: what crt-monitor becomes when its container has ended. Not for
 * people.
 *
 * Theory of operation: this is the keeper's process still, root of the container's
 * user namespace, in its mount and network namespaces, holding its lock;
 * struct monitor_life (monitor.h) is in the memfd FD. Without a restart the end
 * is recorded, the root file system unmounted and the bundle removed, and the
 * process ends: the namespaces and crt-net go with it. With one, the bundle, the
 * mounts and the network are there still: the container is made and started
 * again from the same config.json, and crt-monitor executed. A container that
 * cannot be started again has ended with that error's exit code.
 *
 * Nothing of the caller is left here: standard streams are /dev/null, so failures
 * can be told to nobody. They show in the record.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/detach.h"
#include "cmd/events.h"
#include "cmd/keeper.h"
#include "cmd/limits.h"
#include "cmd/record.h"
#include "cmd/request.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

#define NET_END_MS 500

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_keep = {
	.name = "keep",
	.run = cmd_keep,
	.options = options,
	.usage = "FD",
	.summary = "End or restart a detached container (internal)",
	.hidden = true,
	.runs_containers = true,
};

static int exit_code(const struct monitor_life *l)
{
	return l->reason == MONITOR_REASON_FUSE ? EXIT_CRT : proc_status_code(l->status);
}

/*
 * The next life may want the same ports of the host, and begins when our lock is free: not before crt-net,
 * which has the other side of net_fd, has let go of them. One that was stopped by a signal is killed.
 */
static void end_network(const struct monitor_life *l)
{
	if (l->net_pid_fd < 0 || proc_pidfd_wait(l->net_pid_fd, NET_END_MS) == 0)
		return;
	(void)proc_pidfd_send_signal(l->net_pid_fd, SIGKILL); /* just ended: fine */
	(void)proc_pidfd_wait(l->net_pid_fd, NET_END_MS); /* it is dead, whatever the kernel does */
}

/* lived: this life has not been told of yet. */
static int end(struct storage *s, struct monitor_life *l, int code, bool lived)
{
	_cleanup_free_ char *rootfs = str_printf("%s/%s/rootfs", l->containers, l->id);
	struct storage_rootfs_handle mount = { .fuse_pid = l->fuse_pid,
					       .fuse_pid_fd = l->fuse_pid_fd };
	struct keeper_end e = {
		.store = s,
		.containers = l->containers,
		.id = l->id,
		.rootfs = rootfs,
		.mount = l->mounted && rootfs != NULL ? &mount : NULL,
		.pid_host = l->pid_host,
		.remove = l->rm,
		.lived = lived,
		.code = code,
		.oom = l->reason == MONITOR_REASON_MEMORY,
	};

	if (l->net_fd >= 0)
		(void)shutdown(l->net_fd, SHUT_WR); /* crt-net is gone: fine */
	keeper_clean_up(&e);
	end_network(l);
	return 0;
}

/* The limits as they are now (crt update), and how they were made before. */
static int settle_limits(struct storage *s, struct detach *d, const struct runtime_container *k,
			 const json_t *file, const struct error *why, struct error *e)
{
	struct monitor_life *l = &d->life;
	const char *manager = json_string_value(json_object_get(file, "manager"));
	_cleanup_free_ char *text = NULL;
	struct run_request req;
	struct limits_made m = {
		.limits = &req.limits,
		.manager = manager,
		.why = why->code < 0			? why->msg :
		       strcmp(manager, "disabled") == 0 ? "as before" :
							  NULL,
		.is_root = json_is_true(json_object_get(file, "root")),
		.pid_host = l->pid_host,
		.has_fuse = l->fuse_pid > 0,
	};
	int r = storage_container_read(s, l->id, "request.json", &text, e);

	if (r < 0)
		return r;
	run_request_init(&req);
	r = request_from_json(text, &req, e);
	if (r == 0)
		r = limits_settle(l->rundir_fd, k, &m, &l->watch, e);
	run_request_fini(&req);
	return r;
}

static int create(struct storage *s, struct detach *d, struct runtime_container **ret,
		  struct error *e)
{
	struct monitor_life *l = &d->life;
	struct runtime_create c = RUNTIME_CREATE_INIT;
	_cleanup_free_ char *bundle = str_printf("%s/%s", l->containers, l->id);
	_cleanup_json_ json_t *file = limits_file(bundle);
	const char *manager = json_string_value(json_object_get(file, "manager"));
	struct error why = ERROR_INIT;
	int r;

	if (bundle == NULL)
		return error_set(e, -ENOMEM, "container");
	limits_end(bundle); /* of the last life */
	l->watch = LIMITS_WATCH_INIT;
	r = detach_streams(d, e);
	if (r < 0)
		return r;
	c.id = l->id;
	c.bundle = bundle;
	c.bundle_fd = l->rundir_fd;
	memcpy(c.stdio, d->child, sizeof(c.stdio));
	c.ret_console_fd = l->tty ? &l->console_fd : NULL;
	c.die_with_parent = true;
	c.cgroup_manager = manager != NULL ? manager : "disabled";
	c.ret_cgroup_error = &why;
	r = runtime_container_create(&c, ret, e);
	if (r == 0 && manager != NULL) {
		r = settle_limits(s, d, *ret, file, &why, e);
		if (r < 0) {
			runtime_container_destroy(*ret);
			*ret = NULL;
		}
	}
	return r;
}

/* One life ended, the next began. */
static void note_next(struct storage *s, const char *id, int code, bool started)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *record = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct event_subject who;

	if (storage_container_record(s, id, &text, NULL) == 0)
		record = json_parse(text, strlen(text), "record", NULL);
	who = event_subject_of(record);
	if (who.id == NULL)
		return;
	if (code >= 0)
		event_container(&b, "died", &who, code, NULL, NULL);
	if (started) {
		event_container(&b, "init", &who, -1, NULL, NULL);
		event_container(&b, "start", &who, -1, NULL, NULL);
	}
	events_write(s, &b);
}

/* Returns on failure only: the exit code. */
static int again(struct storage *s, struct detach *d, struct error *e)
{
	struct monitor_life *l = &d->life;
	struct runtime_container *k = NULL;
	_cleanup_free_ char *bundle = str_printf("%s/%s", l->containers, l->id);
	int r;

	note_next(s, l->id, exit_code(l), false);
	(void)unlinkat(l->rundir_fd, HEALTH_FILE, 0); /* of the life before; rarely there */
	l->restart_count++;
	l->reason = MONITOR_REASON_NONE;
	r = bundle == NULL ? -ENOMEM : record_started(s, l->id, bundle, l->restart_count, e);
	if (r == 0)
		r = create(s, d, &k, e);
	/* not before: see keeper.c */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (r < 0)
		return EXIT_CRT;
	r = keeper_write_pid(l->rundir_fd, runtime_container_pid(k), s, l->id, e);
	if (r == 0)
		r = runtime_container_start(k, e);
	if (r == 0) {
		l->pid = runtime_container_pid(k);
		l->pid_fd = runtime_container_pidfd(k);
		note_next(s, l->id, -1, true);
		r = detach_exec(d, e);
	}
	runtime_container_destroy(k);
	return r == RUNTIME_START_NOT_FOUND ? 127 : r == RUNTIME_START_NOT_EXECUTABLE ? 126 : 125;
}

int cmd_keep(int argc, char **argv, const struct cmd_global *g)
{
	struct detach d = { .child = { -1, -1, -1 } };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	unsigned long long fd;
	bool again_wanted;
	int code;

	if (argc != 2 || str_to_u64(argv[1], INT32_MAX, &fd) < 0 ||
	    pread((int)fd, &d.life, sizeof(d.life), 0) != (ssize_t)sizeof(d.life) ||
	    d.life.version != MONITOR_VERSION)
		return opt_usage_error(&cmd_verb_keep, "this is no verb for people");
	(void)close((int)fd);
	(void)prctl(PR_SET_NAME, "crt-keeper");
	if (d.life.pid_host)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* keeper_clean_up() ends orphans */
	close_fd(&d.life.pid_fd);
	if (storage_open(g->root, false, &s, &e) < 0)
		return EXIT_CRT;
	code = exit_code(&d.life);
	again_wanted = d.life.again;
	if (again_wanted)
		code = again(s, &d, &e);
	code = end(s, &d.life, code, !again_wanted);
	storage_free(s);
	return code;
}
