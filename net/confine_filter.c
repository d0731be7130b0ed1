/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of crt-net.
 *
 * Theory of operation
 *
 * A classic BPF program, assembled here from three tables instead of by a
 * library, because it is short, compiles in no time and keeps the list next to
 * the reasons: calls that are allowed; calls of which one argument is looked
 * at; calls that kill, since no code of ours, of libslirp or the C library
 * makes them and an intruder would. Whatever is in no table fails with EPERM:
 * a C library that prefers another call for the same purpose then gets an
 * error and not a signal.
 *
 * Foreign architectures (and x32) kill. Sanitizers need calls of their own
 * when they report; such builds leave the filter out.
 */
#include "net/confine_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#endif

#define X32_BIT 0x40000000u

/* frames, sockets, the clock, memory */
static const int allowed[] = {
	SYS_read,
	SYS_write,
	SYS_writev,
	SYS_ppoll,
	SYS_recvmsg,
	SYS_recvfrom,
	SYS_sendto,
	SYS_sendmsg,
	SYS_close,
	SYS_fcntl,
	SYS_connect,
	SYS_accept,
	SYS_accept4,
	SYS_bind,
	SYS_listen,
	SYS_shutdown,
	/* published ports */
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_splice,
	SYS_pipe2,
	SYS_getsockname,
	SYS_getpeername,
	SYS_getsockopt,
	SYS_setsockopt,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_futex,
	SYS_getrandom,
	SYS_rt_sigreturn,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
	/* resolv.conf */
	SYS_fstat,
	SYS_newfstatat,
	SYS_lseek,
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_stat
	SYS_stat,
#endif
};

enum check {
	CHECK_ONE_OF,	 /* argument is one of two values */
	CHECK_MASK_CLEAR /* argument has none of these bits */
};

static const struct {
	int nr;
	unsigned int arg;
	enum check check;
	uint32_t a, b;
} checked[] = {
	{ SYS_socket, 0, CHECK_ONE_OF, AF_INET, AF_INET6 },
	{ SYS_ioctl, 1, CHECK_ONE_OF, FIONREAD, SIOCGIFHWADDR },
	{ SYS_mmap, 2, CHECK_MASK_CLEAR, PROT_EXEC, 0 },
	{ SYS_mprotect, 2, CHECK_MASK_CLEAR, PROT_EXEC, 0 },
	{ SYS_openat, 2, CHECK_MASK_CLEAR, O_ACCMODE | O_CREAT | O_TRUNC, 0 },
};

static const int deadly[] = {
	SYS_execve,
	SYS_execveat,
	SYS_clone,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_mount,
	SYS_pivot_root,
	SYS_unshare,
	SYS_setns,
	SYS_bpf,
	SYS_keyctl,
	SYS_add_key,
	SYS_perf_event_open,
	SYS_init_module,
	SYS_finit_module,
	SYS_kexec_load,
#ifdef SYS_fork
	SYS_fork,
#endif
#ifdef SYS_vfork
	SYS_vfork,
#endif
#ifdef SYS_clone3
	SYS_clone3,
#endif
#ifdef SYS_io_uring_setup
	SYS_io_uring_setup,
#endif
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define INSNS	 (8 + COUNT(allowed) * 2 + COUNT(checked) * 6 + COUNT(deadly) * 2)

static void emit(struct sock_filter *code, size_t *n, uint16_t op, uint8_t jt, uint8_t jf,
		 uint32_t k)
{
	code[(*n)++] = (struct sock_filter){ .code = op, .jt = jt, .jf = jf, .k = k };
}

#define LOAD(offset)	emit(code, &n, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(offset))
#define RETURN(what)	emit(code, &n, BPF_RET | BPF_K, 0, 0, (what))
#define IF_EQ(k, t, f)	emit(code, &n, BPF_JMP | BPF_JEQ | BPF_K, (t), (f), (uint32_t)(k))
#define IF_SET(k, t, f) emit(code, &n, BPF_JMP | BPF_JSET | BPF_K, (t), (f), (uint32_t)(k))

/* The low half of a 64-bit argument: flags, families and requests fit it, and the kernel looks at no more. */
static size_t arg_offset(unsigned int arg)
{
	size_t offset = offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);

	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? offset + sizeof(uint32_t) : offset;
}

static size_t assemble(struct sock_filter *code, uint32_t arch)
{
	size_t n = 0;

	LOAD(offsetof(struct seccomp_data, arch));
	IF_EQ(arch, 1, 0);
	RETURN(SECCOMP_RET_KILL_PROCESS);
	LOAD(offsetof(struct seccomp_data, nr));
	emit(code, &n, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	RETURN(SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < COUNT(allowed); i++) {
		IF_EQ(allowed[i], 0, 1);
		RETURN(SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < COUNT(checked); i++) {
		if (checked[i].check == CHECK_ONE_OF) {
			IF_EQ(checked[i].nr, 0, 5);
			LOAD(arg_offset(checked[i].arg));
			IF_EQ(checked[i].a, 1, 0);
			IF_EQ(checked[i].b, 0, 1);
			RETURN(SECCOMP_RET_ALLOW);
		} else {
			IF_EQ(checked[i].nr, 0, 4);
			LOAD(arg_offset(checked[i].arg));
			IF_SET(checked[i].a, 1, 0);
			RETURN(SECCOMP_RET_ALLOW);
		}
		RETURN(SECCOMP_RET_ERRNO | EPERM);
	}
	for (size_t i = 0; i < COUNT(deadly); i++) {
		IF_EQ(deadly[i], 0, 1);
		RETURN(SECCOMP_RET_KILL_PROCESS);
	}
	RETURN(SECCOMP_RET_ERRNO | EPERM);
	return n;
}

int confine_filter(struct error *e)
{
#if defined(ARCH) && !defined(CRT_SANITIZED)
	static struct sock_filter code[INSNS];
	struct sock_fprog prog = { .len = (unsigned short)assemble(code, ARCH), .filter = code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		return error_set(e, -errno, "crt-net: install the system call filter");
#else
	(void)e;
	(void)assemble;
#endif
	return 0;
}
