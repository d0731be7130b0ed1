/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp profile of a container that asked for none.
 *
 * Theory of operation: an allow list for the native ABI only, written as an
 * OCI linux.seccomp object, so that the bundle of `crt run` means the same to
 * any OCI runtime. The attacker is every process of the container; he may
 * have all the capabilities that the container keeps, but only inside its
 * user namespace. The profile therefore cuts what the kernel offers to the
 * root of a user namespace and to everybody:
 *
 * - what makes or enters namespaces and mounts, needs CAP_SYS_ADMIN. clone()
 *   without namespace flags stays; clone3() hides its flags in memory, so it
 *   answers ENOSYS and the C library falls back to clone();
 * - families of sockets are listed, each as a rule of its own: the local,
 *   internet, netlink and packet ones. AF_ALG and AF_VSOCK are never open
 *   (page cache writes through the former, the latter reaches the hypervisor
 *   of the host). The others answer EAFNOSUPPORT, as a kernel without them;
 * - on netlink, the audit protocol answers EINVAL: the programs that log
 *   logins then know that there is no audit here;
 * - ioctl() is open except for the two that type into somebody's terminal,
 *   TIOCSTI and TIOCLINUX (ENOTTY);
 * - no keyrings (they are not namespaced), BPF, perf events, userfaultfd,
 *   kexec, kernel modules, handles of files, swap, clock or quota, unless a
 *   capability that the container keeps is about just that;
 * - io_uring (ENOSYS): it would do by itself what this list forbids.
 *
 * The kernel reads an int argument from the lower half of a register, so a
 * rule that denies compares under a mask of 32 bits; a rule that allows
 * compares all 64, which can only deny too much. A deny rule must be stricter
 * than the allow rule beside it and differ from the default action, because
 * rules that repeat the default are dropped by every runtime.
 *
 * Foreign ABIs (x32, i386) are not listed: their calls answer ENOSYS. On
 * i386 the arguments of socketcall() are in memory and cannot be filtered.
 * Unlisted calls answer EPERM, calls newer than this list ENOSYS. Nothing is
 * kept here, a crash leaves nothing.
 */
#include <linux/capability.h>
#include <stdbool.h>

#include "base/buf.h"
#include "runtime/runtime.h"
#include "runtime/seccomp_int.h"

#define NO_CAP (-1)

/* s390 swapped the first two arguments of clone() */
#if defined(__s390x__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif
/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define CLONE_NAMESPACES 0x7e020000

/* System calls that are open when the container keeps one of the capabilities. Names by topic. */
static const struct {
	int cap, other_cap;
	const char *names;
} groups[] = {
	/* files and directories */
	{ NO_CAP, NO_CAP,
	  "access cachestat chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 "
	  "fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock "
	  "fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat "
	  "lchown lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat "
	  "mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 "
	  "read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile "
	  "setxattr setxattrat splice stat statfs statx symlink symlinkat sync sync_file_range sync_file_range2 syncfs tee "
	  "truncate umask unlink unlinkat utime utimensat utimes write writev" },
	/* waiting, notification, pipes, asynchronous files */
	{ NO_CAP, NO_CAP,
	  "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd "
	  "eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy "
	  "io_getevents io_setup io_submit pause pipe pipe2 poll ppoll pselect6 select signalfd signalfd4 timerfd_create "
	  "timerfd_gettime timerfd_settime" },
	/* memory */
	{ NO_CAP, NO_CAP,
	  "brk get_mempolicy madvise map_shadow_stack mbind membarrier memfd_create memfd_secret mincore mlock mlock2 "
	  "mlockall mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
	  "process_mrelease remap_file_pages set_mempolicy" },
	/* processes, threads, signals, scheduling */
	{ NO_CAP, NO_CAP,
	  "arch_prctl capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv "
	  "futex_wake get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage "
	  "getsid gettid ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self "
	  "modify_ldt pidfd_getfd pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace "
	  "restart_syscall riscv_flush_icache rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
	  "rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity "
	  "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr "
	  "sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area set_tid_address setpgid "
	  "setpriority setrlimit setsid sigaltstack tgkill times tkill vfork wait4 waitid" },
	/* users */
	{ NO_CAP, NO_CAP,
	  "getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid setgroups setregid "
	  "setresgid setresuid setreuid setuid" },
	/* time and system */
	{ NO_CAP, NO_CAP,
	  "adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer getrandom gettimeofday nanosleep "
	  "setitimer sysinfo time timer_create timer_delete timer_getoverrun timer_gettime timer_settime uname" },
	/* messages between processes; sockets have rules of their own below */
	{ NO_CAP, NO_CAP,
	  "accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify mq_open "
	  "mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd recvfrom recvmmsg recvmsg semctl semget semop "
	  "semtimedop sendmmsg sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown" },
#if __SIZEOF_LONG__ == 4
	{ NO_CAP, NO_CAP,
	  "_llseek _newselect chown32 clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64 fadvise64_64 "
	  "arm_fadvise64_64 arm_sync_file_range cacheflush fchown32 fcntl64 fstat64 fstatat64 fstatfs64 ftruncate64 "
	  "futex_time64 getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32 getuid32 lchown32 lstat64 mmap2 "
	  "mq_timedreceive_time64 mq_timedsend_time64 nice ppoll_time64 pselect6_time64 recv recvmmsg_time64 rt_sigtimedwait_time64 "
	  "sched_rr_get_interval_time64 semtimedop_time64 send sendfile64 set_tls setfsgid32 setfsuid32 setgid32 setgroups32 "
	  "setregid32 setresgid32 setresuid32 setreuid32 setuid32 sigaction sigpending sigprocmask sigreturn sigsuspend stat64 "
	  "statfs64 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 truncate64 ugetrlimit "
	  "utimensat_time64 waitpid" },
	{ CAP_SYS_TIME, NO_CAP, "clock_settime64 stime" },
#endif
	{ CAP_SYS_ADMIN, NO_CAP,
	  "clone clone3 fanotify_init fsconfig fsmount fsopen fspick keyctl mount mount_setattr move_mount open_tree "
	  "pivot_root quotactl setdomainname sethostname setns umount umount2 unshare" },
	{ CAP_SYS_ADMIN, CAP_BPF, "bpf" },
	{ CAP_SYS_ADMIN, CAP_PERFMON, "perf_event_open" },
	{ CAP_SYS_ADMIN, CAP_SYSLOG, "syslog" },
	{ CAP_DAC_READ_SEARCH, NO_CAP, "open_by_handle_at" },
	{ CAP_SYS_BOOT, NO_CAP, "reboot" },
	{ CAP_SYS_CHROOT, NO_CAP, "chroot" },
	{ CAP_SYS_MODULE, NO_CAP, "delete_module finit_module init_module" },
	{ CAP_SYS_PACCT, NO_CAP, "acct" },
	{ CAP_SYS_PTRACE, NO_CAP, "kcmp process_madvise" },
	{ CAP_SYS_RAWIO, NO_CAP, "ioperm iopl" },
	{ CAP_SYS_TIME, NO_CAP, "clock_settime settimeofday" },
	{ CAP_SYS_TTY_CONFIG, NO_CAP, "vhangup" },
};

/* Calls for which programs have a fallback that only ENOSYS starts; also the newest names that the list knows. */
static const char absent_names[] =
	"file_getattr file_setattr io_uring_enter io_uring_register io_uring_setup listmount listns lsm_get_self_attr "
	"lsm_list_modules lsm_set_self_attr open_tree_attr statmount";

#define ALLOW	     "\"action\":\"SCMP_ACT_ALLOW\""
#define FAIL(number) "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":" number
#define COND(index, op, value, two) \
	"{\"index\":" index ",\"value\":" value ",\"valueTwo\":" two ",\"op\":\"SCMP_CMP_" op "\"}"
#define RULE(name, action, conds) ",{\"names\":[\"" name "\"]," action ",\"args\":[" conds "]}"
#define IS(index, value)	  COND(index, "EQ", value, "0")
/* in the lower 32 bits: all bits but those of "value" are wanted as in two */
#define BITS(index, mask, two) COND(index, "MASKED_EQ", mask, two)
#define ALL32		       "4294967295"

/* Rules that look at arguments; every line is an alternative. */
static const char argument_rules[] =
	/* the execution domains of today's Linux, 32-bit names of the machine, and the question (0xffffffff) */
	RULE("personality", ALLOW, IS("0", "0")) RULE("personality", ALLOW, IS("0", "8"))
		RULE("personality", ALLOW, IS("0", "131072"))
			RULE("personality", ALLOW, IS("0", "131080"))
				RULE("personality", ALLOW, IS("0", ALL32))
	/* TIOCSTI, TIOCLINUX: ENOTTY */
	RULE("ioctl", FAIL("25"), BITS("1", ALL32, "21522"))
		RULE("ioctl", FAIL("25"), BITS("1", ALL32, "21532"))
			RULE("ioctl", ALLOW, COND("1", "GE", "0", "0"))
	/* AF_UNIX, AF_INET, AF_INET6, AF_PACKET */
	RULE("socket", ALLOW, IS("0", "1")) RULE("socket", ALLOW, IS("0", "2"))
		RULE("socket", ALLOW, IS("0", "10")) RULE("socket", ALLOW, IS("0", "17"))
	/* 0, 3, 4-7, 8-9, 11, 12-15, above 17: EAFNOSUPPORT */
	RULE("socket", FAIL("97"), BITS("0", ALL32, "0"))
		RULE("socket", FAIL("97"), BITS("0", ALL32, "3")) RULE("socket", FAIL("97"),
								       BITS("0", "4294967292", "4"))
			RULE("socket", FAIL("97"), BITS("0", "4294967294", "8"))
				RULE("socket", FAIL("97"), BITS("0", ALL32, "11"))
					RULE("socket", FAIL("97"), BITS("0", "4294967292", "12"))
						RULE("socket", FAIL("97"),
						     COND("0", "GT", "17", "0"))
	/* two ends of a pair are local; the others cannot make one anyway */
	RULE("socketpair", ALLOW, IS("0", "1"));

/* AF_NETLINK without CAP_AUDIT_WRITE: protocols 0-7, 10-11, 12-15, 16-23; NETLINK_AUDIT (9): EINVAL */
static const char netlink_rules[] = RULE("socket", FAIL("22"),
					 BITS("0", ALL32, "16") "," BITS("2", ALL32, "9"))
	RULE("socket", ALLOW, IS("0", "16") "," BITS("2", "4294967288", "0"))
		RULE("socket", ALLOW, IS("0", "16") "," BITS("2", "4294967294", "10"))
			RULE("socket", ALLOW, IS("0", "16") "," BITS("2", "4294967292", "12"))
				RULE("socket", ALLOW,
				     IS("0", "16") "," BITS("2", "4294967288", "16"));
static const char netlink_audit_rule[] = RULE("socket", ALLOW, IS("0", "16"));

static bool has(uint64_t caps, int cap)
{
	return cap != NO_CAP && (caps >> cap & 1) != 0;
}

/* "a b c" -> "a","b","c" with a comma before all but the first of the list. */
static void put_names(struct buf *b, const char *names, bool *first)
{
	for (size_t i = 0, n; names[i] != '\0'; i += n + (names[i + n] == ' ')) {
		for (n = 0; names[i + n] != ' ' && names[i + n] != '\0'; n++)
			continue;
		buf_puts(b, *first ? "\"" : ",\"");
		buf_append(b, names + i, n);
		buf_putc(b, '"');
		*first = false;
	}
}

int runtime_seccomp_default_profile(uint64_t caps, struct buf *b, struct error *e)
{
	bool first = true;

	buf_puts(
		b,
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"architectures\":[\"" SECCOMP_NATIVE
		"\"],"
		"\"syscalls\":[{\"names\":[");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].cap == NO_CAP || has(caps, groups[i].cap) ||
		    has(caps, groups[i].other_cap))
			put_names(b, groups[i].names, &first);
	buf_puts(b, "]," ALLOW "},{\"names\":[");
	first = true;
	put_names(b, absent_names, &first);
	if (!has(caps, CAP_SYS_ADMIN))
		put_names(b, "clone3", &first);
	buf_puts(b, "]," FAIL("38") "}");
	if (!has(caps, CAP_SYS_ADMIN))
		buf_printf(b,
			   ",{\"names\":[\"clone\"]," ALLOW
			   ",\"args\":[{\"index\":%d,\"value\":%d,\"valueTwo\":0,"
			   "\"op\":\"SCMP_CMP_MASKED_EQ\"}]}",
			   CLONE_FLAGS_ARG, CLONE_NAMESPACES);
	buf_puts(b, argument_rules);
	buf_puts(b, has(caps, CAP_AUDIT_WRITE) ? netlink_audit_rule : netlink_rules);
	buf_puts(b, "]}");
	return b->err < 0 ? error_set(e, b->err, "writing the default seccomp profile") : 0;
}
