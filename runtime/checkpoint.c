/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a container with CRIU.
 *
 * Theory of operation: criu freezes the container, reads it, writes images,
 * and kills it, or lets it run on. We tell it what is not the container's own
 * and will be given anew at the restore: mounts that come from the host (found
 * in the container's mountinfo below each bind mount of config.json, so that
 * the mounts of an "rbind" are among them), joined network and pid namespaces,
 * and standard streams that lead outside. What the streams are is written to
 * descriptors.json among the images, in the form of runc.
 *
 * When criu fails the container runs on. After success it is deleted with all
 * its traces, as callers of runc expect. A crash of ours ends criu, which
 * leaves the container as it was, and incomplete images.
 *
 * Trust: names of mounts and files were chosen inside the container; they go
 * into a request in which lengths are explicit, and are opened only below the
 * container's root. We write to the image directory, which is the caller's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/criu.h"
#include "runtime/state.h"

#define MOUNTINFO_MAX (16u << 20)
#define OPTS_PID      2

/* What is known of the container while the request is made. */
struct dump {
	const struct state *state;
	struct spec spec;
	int proc_fd;
	int root_fd; /* the container's root */
	char *mountinfo;
};

static void dump_fini(struct dump *d)
{
	spec_fini(&d->spec);
	close_fd(&d->proc_fd);
	close_fd(&d->root_fd);
	free(d->mountinfo);
}

void criu_unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++)
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	*to = '\0';
}

/* Next line of a mountinfo text: its id, mount point and type; false at the end. */
static bool next_mount(char **rest, int *ret_id, char **ret_point, const char **ret_type)
{
	char *line, *dash;
	int at = 0;

	while ((line = strsep(rest, "\n")) != NULL) {
		if (sscanf(line, "%d %*d %*s %*s %n", ret_id, &at) < 1 || at == 0 ||
		    (dash = strstr(line + at, " - ")) == NULL)
			continue;
		*ret_type = dash + 3;
		dash[3 + strcspn(dash + 3, " ")] = '\0';
		line[at + (int)strcspn(line + at, " ")] = '\0';
		criu_unescape(line + at);
		*ret_point = line + at;
		return true;
	}
	return false;
}

bool criu_mount_is_bind(const struct spec_mount *m)
{
	if (m->type != NULL && strcmp(m->type, "bind") == 0)
		return true;
	for (size_t i = 0; i < m->options_n; i++)
		if (strcmp(m->options[i], "bind") == 0 || strcmp(m->options[i], "rbind") == 0)
			return true;
	return false;
}

bool criu_path_below(const char *path, const char *dir, const char **ret_rest)
{
	size_t n = strlen(dir);

	while (n > 0 && dir[n - 1] == '/')
		n--;
	if (strncmp(path, dir, n) != 0 || (path[n] != '\0' && path[n] != '/'))
		return false;
	*ret_rest = path + n;
	return true;
}

/* Where a destination is once its links are followed, as mountinfo has it. Caller frees; NULL when it is gone. */
static char *resolve(int root_fd, const char *destination)
{
	_cleanup_fd_ int fd = path_open_in(root_fd, destination, O_PATH, 0);
	char name[32], target[4096];
	ssize_t n;

	if (fd < 0)
		return NULL;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, target, sizeof(target));
	return n <= 0 || n == (ssize_t)sizeof(target) ? NULL : strndup(target, (size_t)n);
}

static bool listed(const char *const *v, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], path) == 0)
			return true;
	return false;
}

/* Does the mount at this point come from the host? The innermost mount of the configuration decides. */
static bool is_external(const struct dump *d, char *const *where, const char *point,
			const char *type)
{
	const struct spec_mount *found = NULL;
	size_t best = 0;

	if (strcmp(point, "/") == 0 || listed(d->spec.masked, d->spec.masked_n, point))
		return false;
	for (size_t i = 0; i < d->spec.mounts_n; i++) {
		const char *rest;

		if (where[i] != NULL && strlen(where[i]) >= best &&
		    criu_path_below(point, where[i], &rest)) {
			found = &d->spec.mounts[i];
			best = strlen(where[i]);
		}
	}
	/* device nodes where none can be made */
	return found != NULL && criu_mount_is_bind(found) ? true : strcmp(type, "devtmpfs") == 0;
}

static int put_mounts(const struct dump *d, struct buf *b, struct error *e)
{
	_cleanup_free_ char *info = strdup(d->mountinfo);
	char **where = calloc(d->spec.mounts_n + 1, sizeof(*where)), *rest = info, *point = NULL;
	const char *type = NULL;
	int id, r = 0;

	if (info == NULL || where == NULL)
		r = error_set(e, -ENOMEM, "checkpoint");
	for (size_t i = 0; r == 0 && i < d->spec.mounts_n; i++)
		where[i] = resolve(d->root_fd, d->spec.mounts[i].destination);
	while (r == 0 && next_mount(&rest, &id, &point, &type))
		if (is_external(d, where, point, type))
			criu_put_mount(b, point, point);
	for (size_t i = 0; where != NULL && i < d->spec.mounts_n; i++)
		free(where[i]);
	free(where);
	return r;
}

/* A namespace that the container joined stays outside; the key names it at the restore. */
static int put_namespace(const struct dump *d, struct buf *b, enum spec_ns ns, const char *kind,
			 const char *key, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	char name[64];

	if (!d->spec.ns[ns].present || d->spec.ns[ns].path == NULL)
		return 0;
	(void)snprintf(name, sizeof(name), "%d/ns/%s", (int)d->state->pid, spec_ns_file(ns));
	if (fstatat(d->proc_fd, name, &st, 0) < 0)
		return error_set(e, -errno, "read /proc/%s", name);
	text = str_printf("%s[%llu]:%s", kind, (unsigned long long)st.st_ino, key);
	if (text == NULL)
		return error_set(e, -ENOMEM, "checkpoint");
	criu_put_external(b, text);
	return 0;
}

static bool mount_is_inside(const struct dump *d, int id)
{
	_cleanup_free_ char *info = strdup(d->mountinfo);
	char *rest = info, *point;
	const char *type;
	int other = -1;

	while (info != NULL && next_mount(&rest, &other, &point, &type))
		if (other == id)
			return true;
	return false;
}

/* "pipe:[7]", or what criu calls a file outside: "file[MOUNT:INODE]". Caller frees; NULL: out of memory. */
static char *describe_fd(const struct dump *d, int fd)
{
	_cleanup_free_ char *info = NULL;
	char name[64], target[4096];
	const char *line;
	struct stat st;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/fd/%d", (int)d->state->pid, fd);
	n = readlinkat(d->proc_fd, name, target, sizeof(target) - 1);
	if (n < 0 || fstatat(d->proc_fd, name, &st, 0) < 0)
		return strdup("");
	target[n] = '\0';
	if (!S_ISREG(st.st_mode))
		return strdup(target);
	(void)snprintf(name, sizeof(name), "%d/fdinfo/%d", (int)d->state->pid, fd);
	if (procfs_read(d->proc_fd, name, 65536, &info) < 0 ||
	    (line = strstr(info, "\nmnt_id:")) == NULL)
		return strdup(target);
	n = strtol(line + strlen("\nmnt_id:"), NULL, 10);
	if (mount_is_inside(d, (int)n))
		return strdup(target);
	return str_printf("file[%lx:%llx]", (unsigned long)n, (unsigned long long)st.st_ino);
}

static int put_streams(const struct dump *d, int image_fd, struct buf *b, struct error *e)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *text = NULL;
	int r;

	for (int fd = 0; fd < 3; fd++) {
		_cleanup_free_ char *what = describe_fd(d, fd);

		if (what != NULL && str_starts(what, "file["))
			criu_put_external(b, what);
		/* names inside the container may be anything: only what a restore asks about is kept */
		if (what == NULL ||
		    json_array_append_new(list, strchr(what, '[') != NULL && what[0] != '/' ?
							json_string(what) :
							json_string("/dev/null")) < 0)
			return error_set(e, -ENOMEM, "checkpoint");
	}
	text = json_to_text(list);
	if (text == NULL)
		return error_set(e, -ENOMEM, "checkpoint");
	r = fd_write_file_at(image_fd, CRIU_DESCRIPTORS, text, strlen(text), 0600, false, e);
	return r < 0 ? error_prefix(e, "image directory") : 0;
}

static int load(struct dump *d, struct error *e)
{
	const struct state *s = d->state;
	char name[32];
	int r;

	d->proc_fd = procfs_open(e);
	if (d->proc_fd < 0)
		return d->proc_fd;
	switch (state_status(s, d->proc_fd)) {
	case STATE_RUNNING:
	case STATE_PAUSED:
		break;
	case STATE_STOPPED:
		return error_setf(e, -ESRCH, "container not running");
	case STATE_CREATED:
	case STATE_CREATING:
	case STATE_COUNT:
		return error_setf(
			e, -EINVAL,
			"container %s was not started yet: start it before the checkpoint", s->id);
	}
	r = state_config(s, &d->spec, e);
	if (r == 0)
		r = criu_check_spec(&d->spec, s->id, e);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%d/root", (int)s->pid);
	d->root_fd = openat(d->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->root_fd < 0)
		return error_set(e, -errno, "open /proc/%s", name);
	(void)snprintf(name, sizeof(name), "%d/mountinfo", (int)s->pid);
	r = procfs_read(d->proc_fd, name, MOUNTINFO_MAX, &d->mountinfo);
	return r < 0 ? error_set(e, r, "read /proc/%s", name) : 0;
}

static int dump(struct dump *d, const struct runtime_criu *o, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct criu criu = CRIU_INIT;
	struct criu_answer a;
	int r;

	r = criu_open(o, &criu, e);
	if (r == 0) {
		criu_put_int(&b, OPTS_PID, d->state->pid);
		r = criu_put_common(&b, &criu, o, d->state->rootfs, RUNTIME_CRIU_DUMP_LOG,
				    d->state->cgroup, e);
	}
	if (r == 0 && !o->pre_dump && (r = put_mounts(d, &b, e)) == 0 &&
	    (r = put_namespace(d, &b, SPEC_NS_NETWORK, "net", CRIU_NET_KEY, e)) == 0 &&
	    (r = put_namespace(d, &b, SPEC_NS_PID, "pid", CRIU_PID_KEY, e)) == 0)
		r = put_streams(d, criu.image_fd, &b, e);
	if (r == 0)
		r = criu_start(&criu, o, NULL, 0, e);
	if (r == 0)
		r = criu_call(&criu, o->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, &b, NULL, NULL, &a,
			      e);
	criu_end(&criu);
	return r;
}

int runtime_criu_usable(const char *program, struct error *e)
{
	return criu_usable(program, NULL, e);
}

int runtime_checkpoint(int state_root_fd, const char *id, const struct runtime_criu *o,
		       struct error *e)
{
	struct dump d = { .proc_fd = -1, .root_fd = -1 };
	struct state s = STATE_INIT;
	int r;

	r = state_load(state_root_fd, id, &s, e);
	if (r < 0)
		return r;
	d.state = &s;
	r = load(&d, e);
	if (r == 0) {
		r = dump(&d, o, e);
		if (r < 0)
			r = error_prefix(e, "checkpoint container %s", id);
	}
	dump_fini(&d);
	state_fini(&s);
	if (r < 0 || o->leave_running || o->pre_dump)
		return r;
	r = runtime_delete(state_root_fd, id, true, e);
	return r < 0 ? error_prefix(e, "container %s was saved, but is still there", id) : 0;
}
