/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The criu program as a service of one caller.
 *
 * Theory of operation: "criu swrk N" serves one client over a socket pair. We
 * send a request, criu reports each of its steps and waits for our consent,
 * then sends the result and ends. It is looked for in the system's directories
 * only, gets a fixed environment (its own configuration is /etc/criu), and no
 * descriptors but those named; the images' directory it opens through our
 * /proc/PID/fd. It dies with us.
 *
 * Trust: criu runs with all of root's rights and believes its images, so an
 * image directory is as powerful as whoever could write it. What it sends us
 * is parsed with care (criu_wire.c); its texts may quote the container's and
 * are escaped where they are printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/criu.h"
#include "runtime/prepare.h"

#define SOCKET_NUMBER "3"
#define ANSWER_MAX    65536
#define LOG_MAX	      (64u << 20) /* criu's log of a very large container */
#define LOG_LEVEL     4

/* Numbers of criu's fields. */
enum request_field {
	REQUEST_TYPE = 1,
	REQUEST_OPTS = 2,
	REQUEST_NOTIFY_SUCCESS = 3
};

enum opts_field {
	OPTS_IMAGES_FD = 1,
	OPTS_LEAVE_RUNNING = 3,
	OPTS_EXT_UNIX_SK = 4,
	OPTS_TCP_ESTABLISHED = 5,
	OPTS_EVASIVE_DEVICES = 6,
	OPTS_SHELL_JOB = 7,
	OPTS_FILE_LOCKS = 8,
	OPTS_LOG_LEVEL = 9,
	OPTS_LOG_FILE = 10,
	OPTS_PAGE_SERVER = 11,
	OPTS_NOTIFY = 12,
	OPTS_ROOT = 13,
	OPTS_PARENT_IMAGE = 14,
	OPTS_TRACK_MEMORY = 15,
	OPTS_AUTO_DEDUP = 16,
	OPTS_WORK_FD = 17,
	OPTS_LINK_REMAP = 18,
	OPTS_MANAGE_CGROUPS = 24,
	OPTS_EXT_MASTERS = 30,
	OPTS_CGROUPS_MODE = 34,
	OPTS_EXTERNAL = 37,
	OPTS_EMPTY_NS = 38,
	OPTS_FREEZE_CGROUP = 44,
	OPTS_TCP_SKIP_IN_FLIGHT = 46,
	OPTS_LAZY_PAGES = 48,
	OPTS_STATUS_FD = 49,
	OPTS_ORPHAN_PTS_MASTER = 50,
	OPTS_LSM_PROFILE = 53,
	OPTS_LSM_MOUNT_CONTEXT = 63,
	OPTS_NETWORK_LOCK = 64,
};

static char path_variable[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

int criu_usable(const char *program, char **ret_path, struct error *e)
{
	const char *name = program != NULL && program[0] != '\0' ? program : "criu";
	_cleanup_fd_ int proc_fd = procfs_open(e);
	_cleanup_free_ char *path = NULL;
	struct prepare_host host;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = prepare_host_probe(proc_fd, &host, e);
	if (r < 0)
		return r;
	if (host.euid != 0 || host.in_userns)
		return error_setf(
			e, -EPERM,
			"checkpoint and restore need CRIU with the rights of the machine's root; run this as root, outside of user namespaces");
	if (strchr(name, '/') != NULL) {
		path = strdup(name);
		r = path == NULL ? -ENOMEM : access(path, X_OK) < 0 ? -errno : 0;
	} else {
		r = proc_find_program(name, &path);
	}
	if (r == -ENOENT)
		return error_setf(
			e, r,
			"checkpoint and restore need CRIU, but there is no program \"%s\"; install the package criu, or name it with --criu",
			name);
	if (r < 0)
		return error_set(e, r, "the program %s", name);
	if (ret_path != NULL)
		*ret_path = steal_ptr(&path);
	return 0;
}

static int ask_version(struct criu *c, const char *path, struct error *e)
{
	_cleanup_buf_ struct buf none = BUF_INIT;
	struct criu_answer a;
	int r = criu_call(c, CRIU_VERSION, &none, NULL, NULL, &a, e);

	if (r < 0)
		return r;
	if (a.version < CRIU_VERSION_MIN)
		return error_setf(e, -ENOTSUP,
				  "%s is version %d.%d, checkpoint and restore need 3.15 or later",
				  path, a.version / 10000, a.version / 100 % 100);
	return 0;
}

static int spawn(const char *path, const struct proc_fd_map *fds, size_t fds_n, struct criu *c,
		 struct error *e)
{
	static char name[] = "criu", verb[] = "swrk", number[] = SOCKET_NUMBER;
	char *argv[] = { name, verb, number, NULL }, *envp[] = { path_variable, NULL };
	struct proc_fd_map all[8];
	struct proc_spawn s = { .path = path,
				.path_fd = -1,
				.argv = argv,
				.envp = envp,
				.fds = all,
				.fds_n = fds_n + 1,
				.die_with_parent = true };
	int sv[2], r;

	if (fds_n + 1 > sizeof(all) / sizeof(all[0]))
		return error_set(e, -EMFILE, "start %s", path);
	r = fd_socketpair(SOCK_SEQPACKET, sv);
	if (r < 0)
		return error_set(e, r, "make a socket pair for criu");
	all[0] = (struct proc_fd_map){ .fd = sv[1], .target = 3 };
	if (fds_n > 0)
		memcpy(all + 1, fds, fds_n * sizeof(*fds));
	r = proc_spawn(&s, &c->pid, NULL, e);
	(void)close(sv[1]); /* criu's end */
	c->sock_fd = sv[0];
	return r;
}

int criu_open(const struct runtime_criu *o, struct criu *ret, struct error *e)
{
	ret->work_path = o->work_path;
	ret->image_fd = open(o->image_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->image_fd < 0)
		return error_set(e, -errno, "image directory %s", o->image_path);
	ret->work_fd = open(o->work_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->work_fd < 0)
		return error_set(e, -errno, "work directory %s", o->work_path);
	return 0;
}

int criu_start(struct criu *c, const struct runtime_criu *o, const struct proc_fd_map *fds,
	       size_t fds_n, struct error *e)
{
	struct criu asked = CRIU_INIT;
	_cleanup_free_ char *path = NULL;
	int r = criu_usable(o->program, &path, e);

	if (r < 0)
		return r;
	/* it answers one request and ends */
	r = spawn(path, NULL, 0, &asked, e);
	if (r == 0)
		r = ask_version(&asked, path, e);
	criu_end(&asked);
	return r < 0 ? r : spawn(path, fds, fds_n, c, e);
}

void criu_end(struct criu *c)
{
	close_fd(&c->sock_fd);
	if (c->pid > 0)
		(void)proc_wait(c->pid); /* it ends with its socket */
	close_fd(&c->image_fd);
	close_fd(&c->work_fd);
	*c = CRIU_INIT;
}

/* criu's first complaint, when its answer has none. */
static void first_complaint(int work_fd, const char *log, char *to, size_t size)
{
	_cleanup_free_ char *text = NULL;
	const char *at, *text_at;

	if (fd_read_file_at(work_fd, log, LOG_MAX, &text, NULL, NULL) < 0)
		return;
	at = strstr(text, "Error (");
	text_at = at != NULL ? strstr(at, "): ") : NULL;
	if (text_at == NULL)
		return;
	(void)snprintf(to, size, "%.*s", (int)strcspn(text_at + 3, "\n"), text_at + 3);
}

static int failed(const struct criu *c, enum criu_type type, struct criu_answer *a, struct error *e)
{
	const char *log = type == CRIU_RESTORE ? RUNTIME_CRIU_RESTORE_LOG : RUNTIME_CRIU_DUMP_LOG;
	const char *why = a->message;

	if (type == CRIU_VERSION)
		return error_setf(e, -ENOTSUP, "criu does not tell its version: %s", a->message);
	a->message[strcspn(a->message, "\n")] = '\0';
	if (a->message[0] == '\0')
		first_complaint(c->work_fd, log, a->message, sizeof(a->message));
	/* "Error (criu/files.c:17): what is wrong" */
	if (str_starts(a->message, "Error (") && strstr(a->message, "): ") != NULL)
		why = strstr(a->message, "): ") + 3;
	return error_setf(
		e, -EIO,
		"criu failed: %s; its log is %s/%s, and \"criu check\" tells whether this kernel will do",
		why[0] != '\0' ? why :
		a->error != 0  ? error_strerror(a->error) :
				 "it does not say why",
		c->work_path, log);
}

static int send_request(const struct criu *c, enum criu_type type, const struct buf *opts,
			const bool *consent, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	criu_put_int(&b, REQUEST_TYPE, type);
	if (opts != NULL && opts->len > 0)
		criu_put_message(&b, REQUEST_OPTS, opts);
	if (consent != NULL)
		criu_put_int(&b, REQUEST_NOTIFY_SUCCESS, *consent);
	r = b.err < 0 ? b.err : fd_send(c->sock_fd, b.data, b.len, NULL, 0);
	return r < 0 ? error_set(e, r, "talk to criu") : 0;
}

static int receive(const struct criu *c, struct criu_answer *ret, int *ret_fd, struct error *e)
{
	_cleanup_free_ char *data = malloc(ANSWER_MAX);
	size_t fds_n = 1;
	ssize_t n;
	int fd = -1;

	if (data == NULL)
		return error_set(e, -ENOMEM, "criu");
	n = fd_recv(c->sock_fd, data, ANSWER_MAX, &fd, &fds_n);
	if (n <= 0) {
		struct criu_answer none = { .type = -1 };

		return n < 0 ? error_set(e, (int)n, "talk to criu") :
			       failed(c, CRIU_DUMP, &none, e);
	}
	if (criu_answer_parse(data, (size_t)n, ret) < 0) {
		if (fds_n > 0)
			close_fd(&fd);
		return error_setf(e, -EBADMSG, "criu sent what is no answer");
	}
	*ret_fd = fds_n > 0 ? fd : -1;
	return 0;
}

int criu_call(struct criu *c, enum criu_type type, const struct buf *opts, criu_notify_fn notify,
	      void *data, struct criu_answer *ret, struct error *e)
{
	struct error why = ERROR_INIT;
	int r = opts->err < 0 ? error_set(e, opts->err, "criu") :
				send_request(c, type, opts, NULL, e);

	while (r == 0) {
		struct criu_answer a;
		bool consent = true;
		int fd = -1;

		r = receive(c, &a, &fd, why.code == 0 ? e : NULL);
		if (r == 0 && a.type == CRIU_NOTIFY) {
			consent = notify == NULL ||
				  notify(data, a.script, a.pid, steal_fd(&fd), &why) >= 0;
			r = send_request(c, CRIU_NOTIFY, NULL, &consent, e);
			continue;
		}
		close_fd(&fd);
		if (r == 0 && a.success && why.code == 0) {
			*ret = a;
			return 0;
		}
		if (r == 0 && why.code == 0)
			return failed(c, type, &a, e);
		break;
	}
	if (why.code != 0 && e != NULL)
		*e = why;
	return why.code != 0 ? why.code : r;
}

void criu_put_mount(struct buf *b, const char *key, const char *value)
{
	_cleanup_free_ char *text = str_printf("mnt[%s]:%s", key, value);

	if (text != NULL)
		criu_put_string(b, OPTS_EXTERNAL, text);
	else
		b->err = -ENOMEM;
}

void criu_put_external(struct buf *b, const char *text)
{
	criu_put_string(b, OPTS_EXTERNAL, text);
}

static void put_page_server(struct buf *b, const struct runtime_criu *o)
{
	_cleanup_buf_ struct buf ps = BUF_INIT;

	if (o->page_server_address == NULL)
		return;
	criu_put_string(&ps, 1, o->page_server_address);
	criu_put_int(&ps, 2, o->page_server_port);
	criu_put_message(b, OPTS_PAGE_SERVER, &ps);
}

int criu_put_common(struct buf *b, const struct criu *c, const struct runtime_criu *o,
		    const char *root, const char *log, const json_t *cgroup, struct error *e)
{
	const char *freezer = cgroup != NULL ? cgroup_path(cgroup, "freezer") : NULL;
	const struct {
		unsigned int field;
		bool value;
	} flags[] = {
		{ OPTS_LEAVE_RUNNING, o->leave_running },
		{ OPTS_EXT_UNIX_SK, o->ext_unix_sk },
		{ OPTS_TCP_ESTABLISHED, o->tcp_established },
		{ OPTS_EVASIVE_DEVICES, true },
		{ OPTS_SHELL_JOB, o->shell_job },
		{ OPTS_FILE_LOCKS, o->file_locks },
		{ OPTS_NOTIFY, true },
		{ OPTS_TRACK_MEMORY, o->pre_dump || o->parent_path != NULL },
		{ OPTS_AUTO_DEDUP, o->auto_dedup },
		{ OPTS_LINK_REMAP, o->link_remap },
		{ OPTS_MANAGE_CGROUPS, true },
		{ OPTS_EXT_MASTERS, true },
		{ OPTS_TCP_SKIP_IN_FLIGHT, o->tcp_skip_in_flight },
		{ OPTS_LAZY_PAGES, o->lazy_pages },
		{ OPTS_ORPHAN_PTS_MASTER, true },
	};

	criu_put_int(b, OPTS_IMAGES_FD, c->image_fd);
	criu_put_int(b, OPTS_WORK_FD, c->work_fd);
	criu_put_int(b, OPTS_LOG_LEVEL, LOG_LEVEL);
	criu_put_string(b, OPTS_LOG_FILE, log);
	criu_put_string(b, OPTS_ROOT, root);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].value)
			criu_put_int(b, flags[i].field, 1);
	put_page_server(b, o);
	if (o->parent_path != NULL)
		criu_put_string(b, OPTS_PARENT_IMAGE, o->parent_path);
	criu_put_int(b, OPTS_CGROUPS_MODE, o->cgroups_mode);
	if (o->empty_network)
		criu_put_int(b, OPTS_EMPTY_NS, CLONE_NEWNET);
	if (freezer != NULL)
		criu_put_string(b, OPTS_FREEZE_CGROUP, freezer);
	if (o->status_fd >= 0)
		criu_put_int(b, OPTS_STATUS_FD, o->status_fd);
	if (o->lsm_profile != NULL)
		criu_put_string(b, OPTS_LSM_PROFILE, o->lsm_profile);
	if (o->lsm_mount_context != NULL)
		criu_put_string(b, OPTS_LSM_MOUNT_CONTEXT, o->lsm_mount_context);
	if (o->network_lock != 0)
		criu_put_int(b, OPTS_NETWORK_LOCK, o->network_lock);
	return b->err < 0 ? error_set(e, b->err, "criu") : 0;
}

int criu_check_spec(const struct spec *s, const char *id, struct error *e)
{
	static const enum spec_ns kinds[] = { SPEC_NS_USER, SPEC_NS_MOUNT };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (s->ns[kinds[i]].present && s->ns[kinds[i]].path != NULL)
			return error_setf(
				e, -ENOTSUP,
				"container %s joins the %s namespace %s: CRIU cannot checkpoint or restore such a container",
				id, spec_ns_name(kinds[i]), s->ns[kinds[i]].path);
	return 0;
}
