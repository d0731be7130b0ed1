/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: seccomp-probe
 *
 * Prints what the seccomp filter that this process was born under answers, without executing a
 * single one of the calls: "ABI ERRNO ranges of numbers", and the same for values of arguments.
 *
 * Theory of operation: a thread puts a second filter above the existing one that passes every call
 * to a listener, and the main thread answers each with a mark. The kernel takes the strictest of
 * all answers, so an errno (or a death) of the first filter wins over the listener, and a call
 * that the first filter would let through comes back with the mark. Reboots, kills and exits are
 * therefore harmless. The probing thread may make no call of its own while it probes; it writes
 * to memory that the main thread prints.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARK 3999 /* no errno of the kernel */
#define NRS  501
#define X32  0x40000000L

/* What one question got: 0 = let through, else an errno. */
struct series {
	const char *name;
	unsigned int from, n;
	short answer[NRS];
};

static struct series native = { .name = "native", .n = NRS };
static struct series x32 = { .name = "x32", .n = NRS };
static struct series i386 = { .name = "i386", .n = NRS };
static struct series sockets = { .name = "socket", .n = 47 };
static struct series pairs = { .name = "socketpair", .n = 47 };
static struct series netlink = { .name = "netlink", .n = 24 };
static struct series ttys = { .name = "ioctl", .from = 0x5400, .n = 0x80 };
static struct series clones = { .name = "clone-flag-bit", .n = 32 };

static atomic_int listener = -1;
static atomic_bool done, no_i386;

static short meaning(long ret)
{
	return ret == -MARK || ret >= 0 ? 0 : (short)-ret;
}

#ifdef __x86_64__
static long call(long nr, long a, long b, long c)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static long call_i386(long nr)
{
	int ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "0"((int)nr), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

static sigjmp_buf after_fault;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(after_fault, 1); /* no sigreturn: that would be a call */
}

static void probe(void)
{
	for (long nr = 0; nr < NRS; nr++) {
		/* uretprobe, uprobe: the kernel exempts its own trampolines from filters and kills other callers */
		if (nr == 335 || nr == 336)
			continue;
		native.answer[nr] = meaning(call(nr, 0, 0, 0));
		x32.answer[nr] = meaning(call(nr | X32, 0, 0, 0));
	}
	for (unsigned int i = 0; i < sockets.n; i++) {
		sockets.answer[i] = meaning(call(SYS_socket, i, 1, 0));
		pairs.answer[i] = meaning(call(SYS_socketpair, i, 1, 0));
	}
	for (unsigned int i = 0; i < netlink.n; i++)
		netlink.answer[i] = meaning(call(SYS_socket, 16, 3, i));
	for (unsigned int i = 0; i < ttys.n; i++)
		ttys.answer[i] = meaning(call(SYS_ioctl, 0, ttys.from + i, 0));
	for (unsigned int i = 0; i < clones.n; i++)
		clones.answer[i] = meaning(call(SYS_clone, 1L << i, 0, 0));
	/* last: a kernel without 32-bit programs answers with a signal */
	if (sigsetjmp(after_fault, 0) == 0)
		for (long nr = 0; nr < NRS; nr++)
			i386.answer[nr] = meaning(call_i386(nr));
	else
		no_i386 = true;
}
#endif

static void *probe_thread(void *arg)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF) };
	struct sock_fprog prog = { .len = 1, .filter = all };

	(void)arg;
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (listener < 0)
		listener =
			-1 -
			errno; /* with no filter above us calls are possible, but the main thread prints */
	else
		probe();
	done = true;
	for (;;)
		continue; /* even the end of a thread is a call; the process ends under us */
	return NULL;
}

static int serve(int fd)
{
	/* larger than any kernel's structures */
	union {
		struct seccomp_notif n;
		char room[512];
	} req;
	struct seccomp_notif_resp resp;

	while (!done) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 50) <= 0)
			continue;
		memset(&req, 0, sizeof(req));
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
			continue;
		resp = (struct seccomp_notif_resp){ .id = req.n.id, .error = -MARK };
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno != ENOENT) {
			perror("seccomp-probe: answering");
			return 2;
		}
	}
	return 0;
}

static void print(const struct series *s)
{
	bool seen[4096] = { false };

	for (unsigned int i = 0; i < s->n; i++) {
		short err = s->answer[i];
		const char *name = strerrorname_np(err);

		if (err == 0 || seen[err])
			continue;
		seen[err] = true;
		(void)printf("%s %s", s->name, name != NULL ? name : "?");
		for (unsigned int k = i; k < s->n; k++) {
			unsigned int last = k;

			if (s->answer[k] != err)
				continue;
			while (last + 1 < s->n && s->answer[last + 1] == err)
				last++;
			(void)(last == k ? printf(" %u", s->from + k) :
					   printf(" %u-%u", s->from + k, s->from + last));
			k = last;
		}
		(void)printf("\n");
	}
}

int main(void)
{
#ifdef __x86_64__
	pthread_t thread;
	int r;

	(void)signal(SIGSEGV, on_fault);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		perror("seccomp-probe: no_new_privs");
		return 2;
	}
	/* the C library tries clone3 here and must get along without it */
	r = pthread_create(&thread, NULL, probe_thread, NULL);
	if (r != 0) {
		(void)fprintf(stderr, "seccomp-probe: thread: %s\n", strerror(r));
		return 2;
	}
	while (listener == -1)
		(void)usleep(1000);
	if (listener < 0) {
		(void)fprintf(stderr, "seccomp-probe: listener: %s\n", strerror(-1 - listener));
		return 2;
	}
	r = serve(listener);
	if (r != 0)
		return r;
	print(&native);
	print(&x32);
	if (no_i386)
		(void)printf("i386 absent from this kernel\n");
	else
		print(&i386);
	print(&sockets);
	print(&pairs);
	print(&netlink);
	print(&ttys);
	print(&clones);
	(void)fflush(stdout);
	_exit(0);
#else
	(void)native, (void)x32, (void)i386, (void)sockets, (void)pairs, (void)netlink, (void)ttys,
		(void)clones;
	(void)probe_thread, (void)serve, (void)print, (void)meaning, (void)no_i386;
	(void)printf("skipped: the probe knows x86_64 only\n");
	return 0;
#endif
}
