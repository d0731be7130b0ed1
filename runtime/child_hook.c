/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that run inside the container's namespaces: createContainer (before
 * the root is changed: the path is the host's) and startContainer (after it:
 * the path is the container's).
 *
 * Theory of operation: fork, the state JSON as standard input (a sealed
 * memory file, a new open file each time so that the offset is its own), exec,
 * wait with a timeout through a pidfd. A hook that fails or is late is killed
 * and the creation ends. A startContainer hook is a program of the container's:
 * it runs with its ids and capabilities and under its seccomp filter. The hook inherits no other fd: all are CLOEXEC.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

_Noreturn static void run_hook(const struct plan_hook *h, int state_fd)
{
	extern char **environ;
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(state_fd, 0) >= 0) {
		(void)lseek(0, 0, SEEK_SET);
		(void)execve(h->path, h->argv, h->envp != NULL ? h->envp : environ);
	}
	_exit(errno == ENOENT ? 127 : 126);
}

static void wait_hook(const struct plan_hook *h, pid_t pid, size_t index, enum spec_hook_kind kind)
{
	struct pollfd pfd = { .events = POLLIN };
	int status = 0, tries = CHILD_TRIES, n;
	pid_t done;

	if (h->timeout > 0) {
		struct timespec now, end;

		pfd.fd = sys_pidfd_open(pid, 0);
		(void)clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += h->timeout;
		do {
			long ms;

			(void)clock_gettime(CLOCK_MONOTONIC, &now);
			ms = (end.tv_sec - now.tv_sec) * 1000 +
			     (end.tv_nsec - now.tv_nsec) / 1000000;
			n = ms <= 0 ? 0 : poll(&pfd, 1, (int)(ms > 1000000 ? 1000000 : ms));
		} while (n < 0 && errno == EINTR && --tries > 0);
		(void)close(pfd.fd);
		if (n == 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			child_fail_aux(STEP_HOOK_TIMEOUT, index, kind, ETIMEDOUT);
		}
	}
	while ((done = waitpid(pid, &status, 0)) < 0 && errno == EINTR && --tries > 0)
		;
	if (done < 0)
		child_fail_aux(STEP_HOOK, index, kind, errno);
	if (WIFSIGNALED(status))
		child_fail_aux(STEP_HOOK_STATUS, index, kind, -WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		child_fail_aux(STEP_HOOK_STATUS, index, kind, WEXITSTATUS(status));
}

void child_hooks_run(const struct child_plan *p, const struct plan_hook *hooks, size_t n,
		     int state_fd, enum spec_hook_kind kind)
{
	(void)p;
	for (size_t i = 0; i < n; i++) {
		struct clone_args args = { .exit_signal = SIGCHLD };
		pid_t pid = sys_clone3(&args);

		/* filters of the container's refuse clone3(2), whose flags they cannot see */
		if (pid < 0 && (errno == ENOSYS || errno == EPERM))
			pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid < 0)
			child_fail_aux(STEP_HOOK, i, kind, errno);
		if (pid == 0)
			run_hook(&hooks[i], state_fd);
		wait_hook(&hooks[i], pid, i, kind);
	}
}
