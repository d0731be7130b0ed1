/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of crt-fetch.
 *
 * Theory of operation
 *
 * A list of what may be called; everything else kills the process, which crt
 * reports as "the fetcher died". Calls that libraries try and do without
 * (clone3, whose arguments a filter cannot see; sockets of other families;
 * terminal ioctls) fail with an error instead. Notable absences: execve, fork
 * (clone is for threads only), ptrace, mount and its kin, setns, unshare, kill,
 * bpf, keyctl, io_uring, memory that is executable. Foreign architectures are
 * killed by libseccomp's default.
 *
 * Without a network (local sources) there are no new sockets at all.
 *
 * In a sanitized build a missing call fails with EPERM instead of killing,
 * because the run-time of the sanitizer calls more than this.
 */
#include <assert.h>
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/unpack/cage.h"

#ifdef CRT_SANITIZED
#define OTHERWISE SCMP_ACT_ERRNO(EPERM)
#else
#define OTHERWISE SCMP_ACT_KILL_PROCESS
#endif

/* Every source. */
static const int always[] = {
	/* data */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(_llseek),
	SCMP_SYS(close),
	SCMP_SYS(fcntl),
	SCMP_SYS(fcntl64),
	SCMP_SYS(dup),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(ppoll_time64),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(fadvise64),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(fallocate),
	SCMP_SYS(eventfd2),
	/* files below the transaction */
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(open),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(linkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(utimensat),
	SCMP_SYS(utimensat_time64),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(fgetxattr),
	SCMP_SYS(flistxattr),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlinkat),
	SCMP_SYS(readlink),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64),
	SCMP_SYS(fstat64),
	SCMP_SYS(statx),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(umask),
	SCMP_SYS(fstatfs),
	/* memory (mmap and mprotect: see below) */
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	/* threads and signals of our own */
	SCMP_SYS(futex),
	SCMP_SYS(futex_time64),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* time, identity, chance */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrandom),
};

/* Registries: sockets, and what the resolver uses. */
static const int with_network[] = {
	SCMP_SYS(connect),    SCMP_SYS(bind),	    SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendto),	   SCMP_SYS(recvfrom),
	SCMP_SYS(sendmmsg),   SCMP_SYS(recvmmsg),   SCMP_SYS(shutdown),	   SCMP_SYS(socketpair),
	SCMP_SYS(pipe2),      SCMP_SYS(select),	    SCMP_SYS(pselect6),	   SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),  SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
};

/* Tried by libraries, which do without. */
static const struct {
	int call;
	unsigned short error;
} refused[] = {
	{ SCMP_SYS(clone3), ENOSYS },	     { SCMP_SYS(prlimit64), EPERM },
	{ SCMP_SYS(getrlimit), EPERM },	     { SCMP_SYS(ugetrlimit), EPERM },
	{ SCMP_SYS(getcwd), ENOENT },	     { SCMP_SYS(memfd_create), ENOSYS },
	{ SCMP_SYS(membarrier), ENOSYS },    { SCMP_SYS(getpriority), EPERM },
	{ SCMP_SYS(get_mempolicy), ENOSYS },
};

#define ALLOW_IF(call, n, ...) seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(call), n, __VA_ARGS__)
#define REFUSE_IF(error, call, n, ...) \
	seccomp_rule_add(f, SCMP_ACT_ERRNO(error), SCMP_SYS(call), n, __VA_ARGS__)

/*
 * Calls whose arguments decide. A rule without conditions would replace all
 * others of its call, so refusals are written as the complement.
 */
static int add_conditional(scmp_filter_ctx f)
{
	const uint64_t threads = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

	if (ALLOW_IF(clone, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, threads, threads)) < 0)
		return -EINVAL;
#ifdef CRT_SANITIZED
	if (seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0) < 0 ||
	    seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 0) < 0)
		return -EINVAL;
#else
	if (ALLOW_IF(mmap, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) < 0 ||
	    ALLOW_IF(mprotect, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) < 0)
		return -EINVAL;
#endif
	/* abort(), names of threads */
	if (ALLOW_IF(tgkill, 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) < 0 ||
	    ALLOW_IF(prctl, 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)) < 0 ||
	    REFUSE_IF(EINVAL, prctl, 1, SCMP_A0(SCMP_CMP_NE, PR_SET_NAME)) < 0)
		return -EINVAL;
	/* what terminals are asked lies below these two */
	static_assert(FIONREAD < FIONBIO, "order of the numbers");
	if (ALLOW_IF(ioctl, 1, SCMP_A1(SCMP_CMP_EQ, FIONREAD)) < 0 ||
	    ALLOW_IF(ioctl, 1, SCMP_A1(SCMP_CMP_EQ, FIONBIO)) < 0 ||
	    REFUSE_IF(ENOTTY, ioctl, 1, SCMP_A1(SCMP_CMP_LT, FIONREAD)) < 0)
		return -EINVAL;
	return 0;
}

static int add_sockets(scmp_filter_ctx f)
{
	/* the resolver asks for the addresses of this host by NETLINK_ROUTE, which is 0, and tries a local socket */
	if (ALLOW_IF(socket, 1, SCMP_A0(SCMP_CMP_EQ, AF_INET)) < 0 ||
	    ALLOW_IF(socket, 1, SCMP_A0(SCMP_CMP_EQ, AF_INET6)) < 0 ||
	    ALLOW_IF(socket, 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, 0)) < 0 ||
	    REFUSE_IF(EAFNOSUPPORT, socket, 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) < 0)
		return -EINVAL;
	return 0;
}

static int add_calls(scmp_filter_ctx f, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i],
				     0); /* those that the architecture lacks do nothing */
	return r;
}

int cage_filter(bool network, struct error *e)
{
	scmp_filter_ctx f = seccomp_init(OTHERWISE);
	int r;

	if (f == NULL)
		return error_set(e, -ENOMEM, "make the cage: list of system calls");
	r = add_calls(f, always, sizeof(always) / sizeof(always[0]));
	if (r == 0 && network)
		r = add_calls(f, with_network, sizeof(with_network) / sizeof(with_network[0]));
	if (r == 0 && network)
		r = add_sockets(f);
	if (r == 0)
		r = add_conditional(f);
	for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++) {
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(refused[i].error), refused[i].call, 0);
		if (r == -EACCES)
			r = 0; /* what happens to all others is the same */
	}
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r < 0 ? error_set(e, r, "make the cage: list of system calls") : 0;
}
