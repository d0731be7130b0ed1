/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: start a helper, wait by pidfd, kill and reap, find our helpers. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct proc_fd_map {
	int fd;	    /* ours */
	int target; /* number in the child */
};

struct proc_spawn {
	const char *path; /* absolute; no PATH search */
	int path_fd;	  /* used instead of path when >= 0 (execveat); set -1 */
	char *const *argv;
	char *const *envp;	       /* NULL = empty environment */
	const struct proc_fd_map *fds; /* everything else is closed; 0,1,2 default to /dev/null */
	size_t fds_n;
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL (race with parent's death handled) */
	bool new_session;
};

/*
 * Start a program (vfork semantics: all signals reset and unblocked in the
 * child). An exec failure is reported here, with its errno. *ret_pid_fd (may be
 * NULL) is a pidfd owned by the caller. 0 or -errno.
 */
int proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, int *ret_pid_fd, struct error *e);
#define PROC_SPAWN_MAX 4
/*
 * The same for n (at most PROC_SPAWN_MAX) programs, which are loaded side by
 * side. When one cannot be started the others are killed and reaped. Arrays of
 * n; ret_pid_fds may be NULL. 0 or -errno.
 */
int proc_spawn_many(const struct proc_spawn *s, size_t n, pid_t *ret_pids, int *ret_pid_fds,
		    struct error *e);
/* Wait for a child; retries EINTR. Returns the wait status (>= 0) or -errno. */
int proc_wait(pid_t pid);
/*
 * For the beginning of main(), whatever the caller left: SIGCHLD is not ignored (a child would be
 * gone before it is waited for), SIGPIPE and SIGXFSZ are (the failing write says it).
 */
void proc_own_signals(void);
/* Exit code as a shell gives it: 0-255 or 128+signal. */
int proc_status_code(int status);
/* SIGKILL and reap. */
void proc_kill(pid_t pid, int pid_fd);
int proc_pidfd_open(pid_t pid);
int proc_pidfd_send_signal(int pid_fd, int sig);
/* Wait until the process behind the pidfd ends; timeout_ms < 0 = for ever. 0, -ETIMEDOUT or -errno. */
int proc_pidfd_wait(int pid_fd, int timeout_ms);

/*
 * Directory of the running executable; of the original where we run a protected
 * copy (runtime_protect_self()). NULL when nobody tells. The caller frees it.
 */
char *proc_own_dir(void);

/*
 * Find a helper of ours ("crt-net"): beside the running executable, in
 * "../libexec/crt" relative to it, then in the compiled-in libexec directory;
 * environment variables are not consulted. Returns an O_PATH|O_CLOEXEC fd and,
 * if ret_path is not NULL, the path (caller frees). -ENOENT names all places.
 */
int proc_find_helper(const char *name, char **ret_path, struct error *e);
/* Find a host program such as "newuidmap" in /usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin only. Caller frees. */
int proc_find_program(const char *name, char **ret_path);
/* Signal by name or number ("15", "TERM", "SIGTERM", "RTMIN+3"; any case). Number or -EINVAL. */
int proc_signal_parse(const char *s);
/* "SIGTERM"; buffer static per call site not needed: returns a constant or NULL when unknown. */
const char *proc_signal_name(int sig);

#endif
