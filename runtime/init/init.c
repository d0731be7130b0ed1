/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-init: the first process of a container that was started with --init.
 *
 * usage: crt-init -- CMD ARGS...
 *
 * Theory of operation: pid 1 of a pid namespace inherits every orphan and has
 * no default actions for signals, and most programs are prepared for neither.
 * This one starts CMD in a process of its own, forwards to it every signal
 * that it gets, reaps everything else, and ends as CMD ended.
 *
 * Order of steps: (1) block all signals, so that none is lost or kills us
 * before we listen; (2) fork; the child makes itself a process group of its
 * own, takes the terminal's foreground if there is a terminal, restores the
 * signal mask and executes CMD; (3) wait for signals with sigwaitinfo(): no
 * handlers, therefore nothing that could be interrupted or race. SIGCHLD means
 * "reap until there is nothing to reap"; SIGTTIN and SIGTTOU are ours alone;
 * everything else is passed on, also SIGTERM to a child that has just ended
 * (it is not reaped before this loop does so, hence the pid cannot be another
 * process). Real-time signals keep no value: kill(2) carries none.
 *
 * When CMD has ended, this process ends, and the kernel kills what is left in
 * the namespace. If it dies earlier the kernel does the same; nothing is kept
 * on disk. Started outside of a pid namespace it becomes a subreaper, so that
 * orphans still come to it.
 *
 * The attacker is CMD and everything below it: he can send signals (the
 * forwarding loop handles one at a time, nothing queues here) and make
 * orphans without end (each reaping is constant work). No input is parsed, no
 * memory allocated, no file opened but the program itself.
 *
 * Exit codes: that of CMD, 128+n when a signal ended it, 126 when it cannot
 * be executed, 127 when it does not exist, 125 for errors of our own.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_OWN	    125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND	    127

/* No stdio: it would be half of this program. */
static void say(const char *what, const char *object, const char *why)
{
	const char *const parts[] = { "crt-init: ", what, object, ": ", why, "\n" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (write(2, parts[i], strlen(parts[i])) < 0)
			return; /* nobody is listening */
}

static const char *reason(int err)
{
	switch (err) {
	case ENOENT:
		return "no such file or directory";
	case EACCES:
		return "permission denied";
	case ENOEXEC:
		return "exec format error";
	case ENOMEM:
		return "out of memory";
	case EAGAIN:
		return "too many processes";
	default:
		return "cannot be executed";
	}
}

/*
 * Execute argv[0] of the container, found in its own PATH as a shell would: the first one that can be
 * executed, else the error that says most. Returns only on failure, with the errno.
 */
static int execute(char *const *argv)
{
	const char *dirs = getenv("PATH"), *name = argv[0];
	char path[4096];
	int err = ENOENT;

	if (strchr(name, '/') != NULL) {
		(void)execve(name, argv, environ);
		return errno;
	}
	if (dirs == NULL)
		dirs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	while (*name != '\0') {
		size_t n = strcspn(dirs, ":"), len = strlen(name);

		if (n > 0 && n + 1 + len < sizeof(path)) {
			memcpy(path, dirs, n);
			path[n] = '/';
			memcpy(path + n + 1, name, len + 1);
			(void)execve(path, argv, environ);
			if (errno != ENOENT && errno != ENOTDIR)
				err = errno;
		}
		if (dirs[n] == '\0')
			break;
		dirs += n + 1;
	}
	return err;
}

/* Does not return. */
static void run_child(char *const *argv, const sigset_t *old_mask)
{
	int err;

	/*
	 * A group of its own: a signal that the terminal sends to the foreground group reaches CMD once and not a
	 * second time through us. Both calls fail harmlessly where there is no terminal or we do not lead it.
	 */
	if (setpgid(0, 0) == 0)
		(void)tcsetpgrp(0, getpid());
	(void)sigprocmask(SIG_SETMASK, old_mask, NULL); /* fails only for a bad argument */
	err = execute(argv);
	say("exec ", argv[0], reason(err));
	_exit(err == ENOENT || err == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reap whatever has ended. True when the child is among it. */
static bool reap(pid_t child, int *ret_status)
{
	bool ended = false;

	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			return ended;
		if (pid == child) {
			*ret_status = status;
			ended = true;
		}
	}
}

int main(int argc, char **argv)
{
	sigset_t all, old;
	pid_t child;
	int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

	if (first >= argc) {
		say("usage: crt-init -- CMD ARGS", "", "no program given");
		return EXIT_OWN;
	}
	(void)sigfillset(&all);
	if (sigprocmask(SIG_BLOCK, &all, &old) < 0)
		return EXIT_OWN;
	if (getpid() != 1)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* known since Linux 3.4 */
	child = fork();
	if (child < 0) {
		say("fork", "", reason(errno));
		return EXIT_OWN;
	}
	if (child == 0)
		run_child(argv + first, &old);
	for (;;) {
		int sig = sigwaitinfo(&all, NULL), status;

		if (sig < 0)
			continue; /* EINTR by SIGCONT after SIGSTOP */
		if (sig == SIGCHLD) {
			if (reap(child, &status))
				return exit_code(status);
		} else if (sig != SIGTTIN && sig != SIGTTOU) {
			(void)kill(child, sig); /* a child that has ended is still ours to reap */
		}
	}
}
