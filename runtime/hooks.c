/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prestart, createRuntime, poststart and poststop hooks.
 *
 * Theory of operation: programs of the host named by config.json, run by
 * whoever runs us, in our namespaces. The state goes to standard input
 * through a memory file (no pipe: a hook that never reads cannot block us);
 * standard output and error are ours. Each hook has its timeout, watched by a
 * pidfd; a late hook is killed. No other fd is passed on. A crash of this
 * process ends the hook too (PDEATHSIG).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "runtime/hooks.h"

extern char **environ;

static int run_one(const struct spec_hook *h, const char *kind, size_t index, const char *state,
		   struct error *e)
{
	_cleanup_fd_ int in_fd = -1, pid_fd = -1;
	const char *single[2] = { h->path, NULL };
	const char **argv = h->args != NULL && h->args_n > 0 ? h->args : single;
	struct proc_spawn s = { .path = h->path, .path_fd = -1, .die_with_parent = true };
	struct proc_fd_map fds[3] = { { -1, 0 }, { 1, 1 }, { 2, 2 } };
	pid_t pid;
	int r;

	in_fd = memfd_create("state", MFD_CLOEXEC);
	if (in_fd < 0)
		return error_set(e, -errno, "error running %s hook #%zu: memfd_create", kind,
				 index);
	r = fd_write_all(in_fd, state, strlen(state));
	if (r < 0 || lseek(in_fd, 0, SEEK_SET) < 0)
		return error_set(e, r < 0 ? r : -errno,
				 "error running %s hook #%zu: write the state", kind, index);
	fds[0].fd = in_fd;
	s.fds = fds;
	s.fds_n = 3;
	memcpy(&s.argv, &argv, sizeof(argv)); /* execve writes to none of them */
	if (h->env != NULL)
		memcpy(&s.envp, &h->env, sizeof(h->env));
	else
		s.envp = environ;
	r = proc_spawn(&s, &pid, &pid_fd, e);
	if (r < 0)
		return error_prefix(e, "error running %s hook #%zu", kind, index);
	r = proc_pidfd_wait(pid_fd, h->timeout > 0 ? h->timeout * 1000 : -1);
	if (r < 0) {
		proc_kill(pid, pid_fd);
		return error_setf(e, r, "error running %s hook #%zu: %s", kind, index,
				  r == -ETIMEDOUT ? "timed out" : "cannot wait for it");
	}
	r = proc_wait(pid);
	if (r < 0)
		return error_set(e, r, "error running %s hook #%zu: wait", kind, index);
	if (WIFSIGNALED(r))
		return error_setf(e, -EIO, "error running %s hook #%zu: killed by signal %d", kind,
				  index, WTERMSIG(r));
	if (WEXITSTATUS(r) != 0)
		return error_setf(e, -EIO, "error running %s hook #%zu: exit status %d", kind,
				  index, WEXITSTATUS(r));
	return 0;
}

int hooks_run(const struct spec_hooks *hooks, enum spec_hook_kind kind, const char *state,
	      struct error *e)
{
	for (size_t i = 0; i < hooks->n; i++) {
		int r = run_one(&hooks->v[i], spec_hook_names[kind], i, state, e);

		if (r < 0)
			return r;
	}
	return 0;
}
