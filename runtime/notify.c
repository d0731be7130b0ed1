/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket by which a container's process tells the service manager that it is ready.
 *
 * Theory of operation: a caller with NOTIFY_SOCKET in its environment is a
 * service of systemd. Its socket is not given to the container: whoever can
 * send there can name another main process. A directory of the state is bound
 * read-only over the same path of the container, and `start` (or `run`) makes
 * a socket of ours in it, named "notify", that every id of the container may
 * send to. What is passed on from there, and until when, is up to the caller.
 *
 * The directory is empty until the socket is made and nobody inside can write
 * to it, so the name is ours. The container's processes choose every byte and
 * the number of messages. After a crash the directory goes with the state.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "runtime/notify.h"
#include "runtime/runtime.h"
#include "runtime/state.h"
#include "runtime/sys.h"

#define SOCKET_NAME  "notify"
#define DEFAULT_PATH "/run/notify" /* where the caller's is in no file system */

static bool has_socket(const struct spec_process *p)
{
	for (size_t i = 0; i < p->env_n; i++)
		if (str_starts(p->env[i], "NOTIFY_SOCKET="))
			return true;
	return false;
}

static int add_mount(struct prepared *pr, const char *source, const char *target)
{
	struct child_plan *plan = &pr->plan;
	struct plan_mount *v = prepared_alloc(pr, plan->mounts_n + 1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	if (plan->mounts_n > 0)
		memcpy(v, plan->mounts, plan->mounts_n * sizeof(*v));
	v[plan->mounts_n] = (struct plan_mount){ .kind = PLAN_MOUNT_BIND,
						 .source = source,
						 .destination = target,
						 .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
							     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
						 .userns_fd = -1,
						 .fd = -1 };
	plan->mounts = v;
	plan->mounts_n++;
	return 0;
}

int notify_prepare(struct prepared *pr, const struct spec *s, int dir_fd, const char *dir,
		   const char *caller, struct error *e)
{
	const char *target = caller[0] == '/' ? caller : DEFAULT_PATH;
	struct child_plan *plan = &pr->plan;
	char *source, *env;

	/* an engine that made one itself passes on what comes there */
	if (caller[0] == '\0' || has_socket(&s->process))
		return 0;
	if (mkdirat(dir_fd, STATE_NOTIFY, 0755) < 0 ||
	    fchmodat(dir_fd, STATE_NOTIFY, 0755, 0) < 0) /* whatever the umask says */
		return error_set(e, -errno, "create the directory of the notify socket");
	source = prepared_printf(pr, "%s/" STATE_NOTIFY, dir);
	env = prepared_printf(pr, "NOTIFY_SOCKET=%s/" SOCKET_NAME, target);
	target = prepared_printf(pr, "%s", target);
	if (source == NULL || env == NULL || target == NULL || add_mount(pr, source, target) < 0)
		return error_set(e, -ENOMEM, "NOTIFY_SOCKET");
	plan->envp[plan->envp_free++] = env;
	return 0;
}

int runtime_notify_open(int state_root_fd, const char *id, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1, dir_fd = -1;
	struct state s;
	int r = state_load(state_root_fd, id, &s, e);

	if (r < 0)
		return r;
	dir_fd = openat(s.dir_fd, STATE_NOTIFY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = dir_fd < 0 ? -errno : 0;
	state_fini(&s);
	if (r < 0)
		return r == -ENOENT ? r : error_set(e, r, "open the notify socket's directory");
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(e, -errno, "socket");
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" SOCKET_NAME, dir_fd);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == EADDRINUSE)
		return -ENOENT; /* another start was first, and its caller gets the messages */
	if (fchmodat(dir_fd, SOCKET_NAME, 0666, 0) < 0)
		return error_set(e, -errno, "create the notify socket of container %s", id);
	return steal_fd(&fd);
}
