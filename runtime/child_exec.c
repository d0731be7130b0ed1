/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last steps of the new process: limits, ids, capabilities, seccomp, exec.
 *
 * Theory of operation: the root is already the container's, so every file
 * seen here is the attacker's; /proc is reached only through the host's
 * procfs fd that the parent verified. Order, and why:
 *  - names, sysctls, scheduling, labels while we still have every right;
 *  - the working directory by openat2 without magic links, then getcwd must
 *    name a path inside the root (a directory fd of the host that leaked in
 *    would show as "(unreachable)");
 *  - supplementary groups, gid, bounding set, uid (keeping capabilities),
 *    capabilities; the ambient set last, because a change of ids clears it;
 *  - the program is looked for with the final ids;
 *  - the gate: nobody gets further before `start`;
 *  - startContainer hooks; a seccomp filter without no_new_privs needs
 *    CAP_SYS_ADMIN and so comes before the final capset, with no_new_privs it
 *    comes last, so that the filter sees as few of our calls as possible;
 *  - every fd that was not asked for becomes CLOEXEC; execve.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif

/* As the kernel's struct sched_attr, first version. */
struct sched_attr_v0 {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

static void set_oom_score(const struct child_plan *p)
{
	char text[24], *at = text;
	int32_t v = p->process->oom_score_adj;
	int fd;

	if (v < 0)
		*at++ = '-';
	(void)child_append_num(at, text + sizeof(text) - 1, (unsigned long)(v < 0 ? -(long)v : v));
	fd = openat(p->proc_fd, "self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		child_fail(STEP_OOM_SCORE, 0, errno);
	if (write(fd, text, strlen(text)) < 0) {
		/* lowering needs a right that no user has: the score stays what it is */
		if (errno != EACCES && errno != EPERM)
			child_fail(STEP_OOM_SCORE, 0, errno);
		child_warn(STEP_OOM_SCORE, 0, errno);
	}
	(void)close(fd);
}

void child_early_process(const struct child_plan *p)
{
	const struct spec_process *proc = p->process;

	if (proc->has_oom_score)
		set_oom_score(p);
	if (p->has_affinity_early &&
	    syscall(SYS_sched_setaffinity, 0, sizeof(p->affinity_early), p->affinity_early) < 0)
		child_fail(STEP_AFFINITY, 0, errno);
	if (proc->sched.present) {
		struct sched_attr_v0 a = { .size = sizeof(a),
					   .policy = proc->sched.policy,
					   .flags = proc->sched.flags,
					   .nice = proc->sched.nice,
					   .priority = proc->sched.priority,
					   .runtime = proc->sched.runtime,
					   .deadline = proc->sched.deadline,
					   .period = proc->sched.period };

		if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
			child_fail(STEP_SCHEDULER, 0, errno);
	}
	if (proc->has_ioprio && syscall(SYS_ioprio_set, 1, 0, proc->ioprio) < 0)
		child_fail(STEP_IOPRIO, 0, errno);
}

static void set_names(const struct child_plan *p)
{
	if (p->hostname != NULL && sethostname(p->hostname, strlen(p->hostname)) < 0)
		child_fail(STEP_HOSTNAME, 0, errno);
	if (p->domainname != NULL && setdomainname(p->domainname, strlen(p->domainname)) < 0)
		child_fail(STEP_DOMAINNAME, 0, errno);
}

static void set_sysctls(const struct child_plan *p)
{
	for (size_t i = 0; i < p->sysctls_n; i++) {
		int fd = sys_openat2(p->proc_fd, p->sysctls[i].path, O_WRONLY, 0,
				     RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
		size_t len = strlen(p->sysctls[i].value);

		if (fd < 0 || write(fd, p->sysctls[i].value, len) != (ssize_t)len)
			child_fail(STEP_SYSCTL, i, errno);
		(void)close(fd);
	}
}

static void set_memory_and_cpu(const struct child_plan *p)
{
	if (p->has_mempolicy && syscall(SYS_set_mempolicy, p->mempolicy_mode, p->mempolicy_nodes,
					sizeof(p->mempolicy_nodes) * 8) < 0)
		child_fail(STEP_MEMPOLICY, 0, errno);
	if (p->has_affinity &&
	    syscall(SYS_sched_setaffinity, 0, sizeof(p->affinity), p->affinity) < 0)
		child_fail(STEP_AFFINITY, 0, errno);
	if (p->has_personality && personality(p->personality) < 0)
		child_fail(STEP_PERSONALITY, 0, errno);
}

static void join_keyring(const struct child_plan *p)
{
	if (!p->new_keyring)
		return;
	child_lsm_keys(p);
	/* kernels without keys, and outer seccomp filters, are no reason to fail */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, p->keyring_name) < 0 &&
	    errno != ENOSYS && errno != EPERM && errno != EDQUOT)
		child_fail(STEP_KEYRING, 0, errno);
}

static int enter_cwd(const char *cwd, bool make)
{
	int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r = 0;

	if (root_fd < 0)
		return -errno;
	fd = child_path_open(root_fd, cwd, O_PATH | O_DIRECTORY, false);
	if (fd == -ENOENT && make) {
		fd = child_path_target(root_fd, cwd, CHILD_PATH_DIR);
	}
	if (fd < 0)
		r = fd;
	else if (fchdir(fd) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	(void)close(root_fd);
	return r;
}

static void check_cwd(void)
{
	char path[4096];
	long n = syscall(SYS_getcwd, path, sizeof(path));

	/* a path too long to name is still inside: the kernel says ERANGE only for real paths */
	if (n < 0 && errno == ERANGE)
		return;
	if (n < 0 || path[0] != '/')
		child_fail(STEP_CWD_OUTSIDE, 0, n < 0 ? errno : ENOENT);
}

/*
 * Engines started with more rights than we have ask for more than we may
 * give. A limit that is lower than asked for is still a limit: what the hard
 * limit of our creator allows.
 */
static void lower_rlimit(const struct spec_rlimit *l, size_t index)
{
	struct rlimit64 v = { .rlim_cur = l->soft, .rlim_max = l->hard }, now;

	if (syscall(SYS_prlimit64, 0, l->resource, NULL, &now) < 0)
		child_fail(STEP_RLIMIT, index, errno);
	v.rlim_max = v.rlim_max > now.rlim_max ? now.rlim_max : v.rlim_max;
	v.rlim_cur = v.rlim_cur > v.rlim_max ? v.rlim_max : v.rlim_cur;
	if (syscall(SYS_prlimit64, 0, l->resource, &v, NULL) < 0)
		child_fail(STEP_RLIMIT, index, errno);
	child_warn(STEP_RLIMIT, index, EPERM);
}

static void set_rlimits(const struct child_plan *p)
{
	for (size_t i = 0; i < p->process->rlimits_n; i++) {
		const struct spec_rlimit *l = &p->process->rlimits[i];
		struct rlimit64 v = { .rlim_cur = l->soft, .rlim_max = l->hard };

		if (syscall(SYS_prlimit64, 0, l->resource, &v, NULL) == 0)
			continue;
		if (errno != EPERM)
			child_fail(STEP_RLIMIT, i, errno);
		lower_rlimit(l, i);
	}
}

static void set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(effective >> (32 * i));
		d[i].permitted = (uint32_t)(permitted >> (32 * i));
		d[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &h, d) < 0)
		child_fail(STEP_CAPS, 0, errno);
}

/* What is in permitted, and what may be in inheritable: the kernel allows there what either set has. */
static void get_caps(uint64_t *ret_permitted, uint64_t *ret_inheritable)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		child_fail(STEP_CAPS, 0, errno);
	*ret_permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	*ret_inheritable = *ret_permitted | d[0].inheritable | (uint64_t)d[1].inheritable << 32;
}

static void drop_bounding(const struct child_plan *p)
{
	for (unsigned int cap = 0; cap < 64; cap++) {
		if (p->caps[SPEC_CAP_BOUNDING] & (1ull << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break; /* the kernel's last one */
			child_fail(STEP_CAP_BOUND, cap, errno);
		}
	}
}

static void change_ids(const struct child_plan *p)
{
	const struct spec_process *proc = p->process;

	if (!p->keep_groups && syscall(SYS_setgroups, proc->gids_n, proc->gids) < 0) {
		/* a map of one id forbids it; then the caller's own groups stay, as restrictions too */
		if (!(errno == EPERM && p->setgroups_denied))
			child_fail(STEP_SETGROUPS, 0, errno);
		if (proc->gids_n > 0)
			child_warn(STEP_SETGROUPS, 0, errno);
	}
	if (setresgid(proc->gid, proc->gid, proc->gid) < 0)
		child_fail(STEP_SETGID, 0, errno);
	drop_bounding(p);
	/* root that stays root keeps its capabilities without asking */
	if (proc->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		child_fail(STEP_CAPS, 0, errno);
	if (setresuid(proc->uid, proc->uid, proc->uid) < 0)
		child_fail(STEP_SETUID, 0, errno);
	if (proc->uid != 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		child_fail(STEP_CAPS, 0, errno);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (p->die_with_parent)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/*
 * Pipes that were made for the container become its user's, so that
 * /dev/stdout can be opened again. Anything else (a device of the host, a
 * file) is not ours to give away.
 */
static void own_stdio(const struct child_plan *p)
{
	struct stat st;

	if (p->process->uid == 0 || p->terminal)
		return;
	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != p->process->uid)
			(void)!fchown(fd, p->process->uid, (gid_t)-1); /* a convenience */
}

/* Final sets; what the bounding set of our own creator lacks cannot be granted. keep is kept in permitted for now. */
static void apply_caps(const struct child_plan *p, uint64_t keep)
{
	uint64_t have, may_inherit, ambient;

	get_caps(&have, &may_inherit);
	may_inherit &= p->caps[SPEC_CAP_BOUNDING]; /* the kernel insists */
	set_caps(p->caps[SPEC_CAP_EFFECTIVE] & p->caps[SPEC_CAP_PERMITTED] & have,
		 (p->caps[SPEC_CAP_PERMITTED] | keep) & have,
		 p->caps[SPEC_CAP_INHERITABLE] & may_inherit);
	if (keep != 0)
		return;
	ambient = p->caps[SPEC_CAP_AMBIENT] & p->caps[SPEC_CAP_PERMITTED] &
		  p->caps[SPEC_CAP_INHERITABLE] & have;
	for (unsigned int cap = 0; ambient != 0 && cap < 64; cap++)
		if ((ambient & (1ull << cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			child_warn(STEP_CAP_AMBIENT, cap, errno);
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (sys_faccessat2(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 && errno != ENOSYS)
		return -EACCES;
	return 0;
}

/* Where the program is; found is the memory for a path made from PATH. */
static const char *find_program(const struct child_plan *p, char *found, size_t size)
{
	const char *name = p->process->args[0];
	int r;

	if (strchr(name, '/') != NULL) {
		r = check_program(name);
		if (r < 0)
			child_fail(STEP_LOOKUP, 0, -r);
		return name;
	}
	for (size_t i = 0; i < p->path_dirs_n; i++) {
		char *at = child_append(found, found + size - 1, p->path_dirs[i]);

		at = child_append(at, found + size - 1, "/");
		at = child_append(at, found + size - 1, name);
		if (at < found + size - 1 && check_program(found) == 0)
			return found;
	}
	child_fail(STEP_LOOKUP_PATH, 0, ENOENT);
}

/* One passwd line's uid and home, cut out in place. */
static bool passwd_line_home(char *line, unsigned long uid, char **ret_home)
{
	char *field[7] = { line };
	unsigned long v = 0;
	int n = 1;

	for (char *s = line; *s != '\0'; s++) {
		if (*s != ':')
			continue;
		*s = '\0';
		if (n == 7)
			return false;
		field[n++] = s + 1;
	}
	if (n != 7 || field[2][0] == '\0')
		return false;
	for (const char *s = field[2]; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || v > 0xffffffffUL)
			return false;
		v = v * 10 + (unsigned long)(*s - '0');
	}
	*ret_home = field[5];
	return v == uid && field[5][0] == '/';
}

/* HOME=... for the process's uid from the container's own /etc/passwd; "/" when it says nothing. */
static char *find_home(const struct child_plan *p)
{
	static char text[64 * 1024 + 1];
	static char home[4096 + 8];
	int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	ssize_t n = 0, got;
	struct stat st;
	char *dir, *line, *next;

	(void)child_append(home, home + sizeof(home) - 1, "HOME=/");
	fd = root_fd < 0 ? -1 :
			   child_path_open(root_fd, "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY,
					   false);
	if (root_fd >= 0)
		(void)close(root_fd);
	if (fd < 0)
		return home;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while (n < (ssize_t)sizeof(text) - 1 &&
		       (got = read(fd, text + n, sizeof(text) - 1 - (size_t)n)) > 0)
			n += got;
	(void)close(fd);
	text[n] = '\0';
	for (line = text; *line != '\0'; line = next) {
		next = line + strcspn(line, "\n");
		if (*next == '\n')
			*next++ = '\0';
		if (passwd_line_home(line, p->process->uid, &dir)) {
			(void)child_append(child_append(home, home + sizeof(home) - 1, "HOME="),
					   home + sizeof(home) - 1, dir);
			break;
		}
	}
	return home;
}

/* Wait until somebody opens the gate; then reports go to him. */
static void wait_gate(const struct child_plan *p)
{
	int fd;

	child_send(REPORT_READY);
	if (p->listen_fd < 0) {
		if (!child_wait_byte(p->sync_fd))
			_exit(1);
		return;
	}
	/* a creator that dies before our record is on disk takes us along */
	if (!child_wait_byte(p->sync_fd))
		_exit(1);
	/* from here on the gate is the socket in the state directory */
	(void)close(p->sync_fd);
	for (;;) {
		fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0)
			_exit(1);
		child_report_fd = fd;
		if (child_wait_byte(fd)) {
			child_send(
				REPORT_READY); /* to this one, of several that may have knocked */
			return;
		}
		(void)close(fd);
	}
}

/* The process state for the seccomp agent. Our pid as the host's procfs names it. */
static size_t notify_text(const struct child_plan *p, char *text, size_t size)
{
	char pid[32];
	ssize_t n = readlinkat(p->proc_fd, "self", pid, sizeof(pid) - 1);
	char *at = text;

	if (n < 0)
		child_fail(STEP_PROC_FD, 0, errno);
	pid[n < 0 ? 0 : n] = '\0';
	for (int i = 0; i < 3; i++) {
		at = child_append(at, text + size - 1, p->notify_text[i]);
		if (i < 2)
			at = child_append(at, text + size - 1, pid);
	}
	return (size_t)(at - text);
}

static void install_seccomp(const struct child_plan *p)
{
	static char text[64 * 1024];
	bool notify = (p->seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
	size_t len = notify ? notify_text(p, text, sizeof(text)) : 0;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->seccomp_flags, p->seccomp);

	if (fd < 0)
		child_fail(STEP_SECCOMP, 0, errno);
	if (notify) {
		int r = child_send_fd(p->notify_fd, text, len, (int)fd);

		if (r < 0)
			child_fail(STEP_NOTIFY_SOCKET, 0, -r);
		(void)close((int)fd);
		(void)close(p->notify_fd);
	}
}

_Noreturn static void exec_program(struct child_plan *p, const char *path)
{
	const struct spec_process *proc = p->process;
	bool nnp = proc->no_new_privs;
	const char **args = proc->args;
	char *const *argv;
	uint64_t have, may_inherit;

	(void)umask(proc->umask >= 0 ? (mode_t)proc->umask : 022);
	(void)syscall(SYS_close_range, 3 + p->keep_fds, ~0U,
		      CLOSE_RANGE_CLOEXEC); /* all ours have it anyway */
	if (p->seccomp != NULL && !nnp) {
		/* installing without no_new_privs takes CAP_SYS_ADMIN, kept in permitted until now */
		get_caps(&have, &may_inherit);
		set_caps(have, have,
			 p->caps[SPEC_CAP_INHERITABLE] & p->caps[SPEC_CAP_BOUNDING] & may_inherit);
		install_seccomp(p);
	}
	apply_caps(p, 0);
	if (nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(STEP_NO_NEW_PRIVS, 0, errno);
	memcpy(&argv, &args, sizeof(argv)); /* execve changes none of them */
	if (p->seccomp != NULL && nnp)
		install_seccomp(p);
	/* a program of the container's, under all that the container is under */
	child_hooks_run(p, p->hooks_start, p->hooks_start_n, p->hook_start_state_fd,
			SPEC_HOOK_START_CONTAINER);
	(void)execve(path, argv, p->envp);
	child_fail(STEP_EXEC, 0, errno);
}

_Noreturn void child_finish(struct child_plan *p)
{
	static char found[4096];
	const char *path = NULL;
	bool sys_admin_later = p->seccomp != NULL && !p->process->no_new_privs;
	int r;

	join_keyring(p);
	set_names(p);
	set_sysctls(p);
	set_memory_and_cpu(p);
	child_lsm_exec(p);
	if (p->set_home)
		p->envp[p->envp_free++] = find_home(p);
	/* pivot_root left us at the root */
	r = !p->enter && strcmp(p->process->cwd, "/") == 0 ? 0 :
							     enter_cwd(p->process->cwd, !p->enter);
	if (r == 0)
		check_cwd();
	set_rlimits(p);
	own_stdio(p);
	change_ids(p);
	if (r < 0) {
		/* a directory that only its owner may enter */
		if (r == -EACCES)
			r = enter_cwd(p->process->cwd, false);
		if (r < 0)
			child_fail(STEP_CWD, 0, -r);
		check_cwd();
	}
	apply_caps(p, (sys_admin_later ? 1ull << CAP_SYS_ADMIN : 0) | 1ull << CAP_SETPCAP);
	if (p->lookup_early)
		path = find_program(p, found, sizeof(found));
	wait_gate(p);
	if (path == NULL)
		path = find_program(p, found, sizeof(found));
	exec_program(p, path);
}
