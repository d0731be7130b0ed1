/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cage-attack: enter the cage of crt-fetch as it does, then behave as somebody who took it over.
 *
 * usage: cage-attack TRANSACTION-DIRECTORY ATTACK
 *
 * Run it in a mount namespace of its own. Exit code 0: the attack succeeded
 * (which is the failure of a test); 1: refused with the error that is printed;
 * 2: wrong usage or no cage. A system call that is not allowed kills it.
 * "control" does what crt-fetch must be able to do and succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "storage/unpack/cage.h"

static int txn_fd;
static int tripwire_fd;

static int refused(int r)
{
	return r < 0 ? -errno : 0;
}

static int control(void)
{
	int fd = openat(txn_fd, "layers/file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1 || fchown(fd, 0, 0) < 0 || fchmod(fd, 04755) < 0)
		return -errno;
	(void)close(fd);
	if (mknodat(txn_fd, "layers/whiteout", S_IFCHR, 0) < 0 ||
	    mkdirat(txn_fd, "layers/d", 0700) < 0 ||
	    linkat(txn_fd, "layers/file", txn_fd, "layers/d/link", 0) < 0)
		return -errno;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return refused(fd);
}

/* Climb from the descriptor to the host's root. */
static int climb(void)
{
	struct stat st;

	if (openat(txn_fd, "../../../../../../../../../../etc/passwd", O_RDONLY | O_CLOEXEC) >= 0)
		return 0;
	return refused(fstatat(txn_fd, "../../../../../../../../../../home", &st, 0));
}

static int open_host(void)
{
	static const char *const paths[] = { "/etc/passwd",    "/home",	    "/proc/1/environ",
					     "/proc/self/exe", "/dev/null", "/usr/bin/env",
					     "/root",	       "/sys" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (open(paths[i], O_RDONLY | O_CLOEXEC) >= 0)
			return 0;
	return -errno;
}

static int write_root(void)
{
	return refused(open("/etc/hosts", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) == 0 ||
			       refused(mkdir("/new", 0700)) == 0 ?
		       0 :
		       -errno;
}

static int passed_fd(void)
{
	return refused(openat(tripwire_fd, "file", O_RDWR | O_CLOEXEC));
}

static int do_fork(void)
{
	return refused((int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

static int do_exec(void)
{
	char name[] = "x";
	char *argv[] = { name, NULL };

	return refused(execve("/txn/layers/file", argv, argv));
}

static int do_userns(void)
{
	return refused(unshare(CLONE_NEWUSER));
}

static int do_mount(void)
{
	return refused(mount("none", "/txn", "tmpfs", 0, NULL));
}

static int do_chroot(void)
{
	return refused(chroot("/txn"));
}

static int do_ptrace(void)
{
	return refused((int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int do_kill(void)
{
	return refused(kill(getppid(), SIGTERM));
}

static int kill_thread(void)
{
	return refused((int)syscall(SYS_tgkill, getppid(), getppid(), SIGTERM));
}

static int unix_socket(void)
{
	return refused(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int packet_socket(void)
{
	return refused(socket(AF_PACKET, SOCK_RAW, 0));
}

static int vsock(void)
{
	return refused(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED ?
		       -errno :
		       0;
}

static int device(void)
{
	return refused(mknodat(txn_fd, "layers/sda", S_IFBLK | 0600, (dev_t)0x800));
}

static int push_tty(void)
{
	return refused((int)syscall(SYS_ioctl, 0, 0x5412, "x")); /* TIOCSTI */
}

static int keys(void)
{
	return refused((int)syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static const struct {
	const char *name;
	int (*run)(void);
} attacks[] = {
	{ "control", control },
	{ "climb", climb },
	{ "open-host", open_host },
	{ "write-root", write_root },
	{ "passed-fd", passed_fd },
	{ "fork", do_fork },
	{ "exec", do_exec },
	{ "userns", do_userns },
	{ "mount", do_mount },
	{ "chroot", do_chroot },
	{ "ptrace", do_ptrace },
	{ "kill", do_kill },
	{ "kill-thread", kill_thread },
	{ "unix-socket", unix_socket },
	{ "packet-socket", packet_socket },
	{ "vsock", vsock },
	{ "executable-memory", executable_memory },
	{ "device", device },
	{ "push-tty", push_tty },
	{ "keys", keys },
};

int main(int argc, char **argv)
{
	struct error e = ERROR_INIT;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
			(void)printf("%s\n", attacks[i].name);
		return 0;
	}
	if (argc != 3)
		return 2;
	txn_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* as the local source: read-only afterwards */
	tripwire_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (txn_fd < 0 || tripwire_fd < 0 || cage_enter(&txn_fd, &tripwire_fd, true, &e) < 0) {
		(void)fprintf(stderr, "cage-attack: %s\n", e.msg);
		return 2;
	}
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		int r;

		if (strcmp(attacks[i].name, argv[2]) != 0)
			continue;
		r = attacks[i].run();
		(void)dprintf(1, "%s\n", r < 0 ? error_strerror(-r) : "done");
		return r < 0 ? 1 : 0;
	}
	return 2;
}
