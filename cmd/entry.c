/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first instructions of crt and crt-oci: root's protected copy, without starting the C library for it.
 *
 * Theory of operation: for root each create, run and exec executes our own file
 * a second time, from a read-only mount (runtime/self.c says why). The exec
 * itself is cheap. What is dear is the C library that starts before main()
 * only to be thrown away: it asks the processor for its features, and in a
 * virtual machine each question is a trip to the host, a third of a
 * millisecond together. So the ELF entry is here: it does the usual case of
 * runtime_protect_self() and jumps to the C library's _start.
 *
 * Nothing is relocated yet and no thread-local memory exists: only system
 * calls, the stack, and constants addressed relative to the program counter;
 * no function of any library, no stack protector, no sanitizer (tests/lint checks
 * that nothing is left undefined). Without assembly for an architecture
 * the entry stays _start.
 *
 * This is a shortcut and decides nothing: where a call fails or anything is
 * unusual we go on, and runtime_protect_self() in main() checks again and does
 * it, or refuses. The caller chooses argv and the environment and is root
 * himself. A crash leaves nothing: a detached mount dies with its fd.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
__asm__(".text\n"
	".globl crt_entry\n"
	".type crt_entry, @function\n"
	"crt_entry:\n"
	"	endbr64\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rbx\n"
	"	mov %rdx, %r12\n" /* the dynamic linker's, for _start */
	"	mov %rsp, %rdi\n"
	"	call crt_entry_protect\n"
	"	mov %rbx, %rsp\n"
	"	mov %r12, %rdx\n"
	"	jmp _start\n"
	".size crt_entry, .-crt_entry\n");

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl crt_entry\n"
	".type crt_entry, %function\n"
	"crt_entry:\n"
	"	mov x19, x0\n" /* the dynamic linker's, for _start */
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	bl crt_entry_protect\n"
	"	mov x0, x19\n"
	"	mov x30, #0\n"
	"	b _start\n"
	".size crt_entry, .-crt_entry\n");

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#else
#error "meson.build sets the entry for x86_64 and aarch64 only"
#endif

void crt_entry_protect(long *stack);

static const char self_exe[] = "/proc/self/exe";

static long address(const void *p)
{
	return (long)(intptr_t)p;
}

static bool same(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* A word that names a verb and is not one only costs time. */
static bool has_verb(char *const *argv)
{
	for (size_t i = 1; argv[0] != NULL && argv[i] != NULL; i++)
		if (same(argv[i], "create") || same(argv[i], "run") || same(argv[i], "exec"))
			return true;
	return false;
}

/* The first user namespace maps "0 0 4294967295"; elsewhere our file is mostly out of reach anyway. */
static bool in_first_userns(void)
{
	static const char all[] = "4294967295";
	char text[128] __attribute__((uninitialized));
	long fd = call(SYS_openat, AT_FDCWD, address("/proc/self/uid_map"), O_RDONLY | O_CLOEXEC, 0,
		       0);
	long n, i = 0, k = 0;

	if (fd < 0)
		return false;
	n = call(SYS_read, fd, address(text), sizeof(text), 0, 0);
	(void)call(SYS_close, fd, 0, 0, 0, 0);
	while (i < n && k < (long)sizeof(all) - 1)
		k = text[i++] == all[k] ? k + 1 : 0;
	return k == (long)sizeof(all) - 1;
}

static bool is_read_only(long fd)
{
	struct statfs sfs __attribute__((uninitialized));

	return call(SYS_fstatfs, fd, address(&sfs), 0, 0, 0) == 0 && (sfs.f_flags & ST_RDONLY) != 0;
}

/* stack is what the kernel puts there: argc, argv, NULL, the environment, NULL, ... */
void crt_entry_protect(long *stack)
{
	char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
	char path[PATH_MAX] __attribute__((uninitialized));
	struct statfs sfs __attribute__((uninitialized));
	struct mount_attr attr;
	long fd, n;

	if (call(SYS_geteuid, 0, 0, 0, 0, 0) != 0 || !has_verb(argv) ||
	    call(SYS_statfs, address(self_exe), address(&sfs), 0, 0, 0) < 0 ||
	    (sfs.f_flags & ST_RDONLY) || !in_first_userns())
		return;
	n = call(SYS_readlinkat, AT_FDCWD, address(self_exe), address(path), sizeof(path) - 1, 0);
	if (n <= 0 || path[0] != '/')
		return;
	path[n] = '\0';
	fd = call(SYS_open_tree, AT_FDCWD, address(self_exe), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC,
		  0, 0);
	if (fd < 0)
		return;
	attr.attr_set = MOUNT_ATTR_RDONLY;
	attr.attr_clr = 0;
	attr.propagation = 0;
	attr.userns_fd = 0;
	/* a mount that would not be seen as read-only would be executed again and again */
	if (call(SYS_mount_setattr, fd, address(""), AT_EMPTY_PATH, address(&attr), sizeof(attr)) ==
		    0 &&
	    is_read_only(fd)) {
		char *given = argv[0];

		/* helpers are looked for beside it (proc_own_dir()) */
		argv[0] = path;
		(void)call(SYS_execveat, fd, address(""), address(argv), address(envp),
			   AT_EMPTY_PATH);
		argv[0] = given;
	}
	(void)call(SYS_close, fd, 0, 0, 0, 0);
}
