/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor: the least that a container costs on this kernel.
 *
 * usage: floor [--overlay DIR] ROOTFS CMD [ARGS...]
 *
 * Theory of operation: only what the kernel must do for a container of the usual shape, with nothing
 * read, checked, written or kept: clone into all namespaces, a single-id map where the caller is not
 * root, the root file system (a bind mount of ROOTFS, or an overlay over it with its upper directory
 * in DIR), /proc, a tmpfs as /dev with the usual device nodes bound, pivot_root, execve; then wait and,
 * with an overlay, remove the upper directory. No engine can be faster; how far one is from it is the
 * measure of what it adds. A tool for benchmarks, not for isolation: no seccomp, no capabilities
 * dropped, no masked paths.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK (64 * 1024)

struct plan {
	const char *rootfs, *overlay;
	char *const *argv;
	uid_t uid;
	gid_t gid;
	int gate[2];
};

static _Noreturn void die(const char *what)
{
	perror(what);
	_exit(125);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	(void)close(fd); /* read by the kernel at write() */
}

static void mount_root(const struct plan *p)
{
	char options[3 * 4096];

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("private");
	if (p->overlay == NULL) {
		if (mount(p->rootfs, p->rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
			die(p->rootfs);
		if (chdir(p->rootfs) < 0)
			die(p->rootfs);
		return;
	}
	(void)snprintf(options, sizeof(options),
		       "lowerdir=%s,upperdir=%s/u,workdir=%s/w,volatile,userxattr", p->rootfs,
		       p->overlay, p->overlay);
	if (mount("overlay", p->rootfs, "overlay", 0, options) < 0)
		die("overlay");
	if (chdir(p->rootfs) < 0)
		die(p->rootfs);
}

static void mount_rest(void)
{
	static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };

	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		die("proc");
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755") < 0)
		die("dev");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		char from[32], to[32];
		int fd;

		(void)snprintf(from, sizeof(from), "/dev/%s", nodes[i]);
		(void)snprintf(to, sizeof(to), "dev/%s", nodes[i]);
		fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
			die(to);
		(void)close(fd); /* only made to be covered */
	}
}

static int child(void *arg)
{
	static char path[] = "PATH=/bin", *environment[] = { path, NULL };
	const struct plan *p = arg;
	char c;

	if (read(p->gate[0], &c, 1) < 0) /* the map is written */
		die("gate");
	mount_root(p);
	mount_rest();
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("pivot_root");
	if (sethostname("floor", 5) < 0)
		die("sethostname");
	execve(p->argv[0], p->argv, environment);
	die(p->argv[0]);
}

static void write_maps(pid_t pid, const struct plan *p)
{
	char path[64], text[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
	put(path, "deny");
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	(void)snprintf(text, sizeof(text), "0 %u 1", p->uid);
	put(path, text);
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	(void)snprintf(text, sizeof(text), "0 %u 1", p->gid);
	put(path, text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	static char stack[STACK] __attribute__((aligned(16)));
	struct plan p = { .uid = geteuid(), .gid = getegid() };
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
		    CLONE_NEWCGROUP | SIGCHLD,
	    status;
	static const char *const upper_dirs[] = { "", "/u", "/w" }, *const work_dirs[] = {
		"", "/incompat", "/incompat/volatile"
	};
	char overlay[4096], path[4200];
	pid_t pid;

	if (argc > 2 && strcmp(argv[1], "--overlay") == 0) {
		(void)snprintf(overlay, sizeof(overlay), "%s/floor-%d", argv[2], (int)getpid());
		p.overlay = overlay;
		argv += 2, argc -= 2;
	}
	if (argc < 3) {
		(void)fprintf(stderr, "usage: floor [--overlay DIR] ROOTFS CMD [ARGS...]\n");
		return 125;
	}
	p.rootfs = argv[1];
	p.argv = argv + 2;
	if (p.overlay != NULL)
		for (size_t i = 0; i < 3; i++) {
			(void)snprintf(path, sizeof(path), "%s%s", overlay, upper_dirs[i]);
			if (mkdir(path, 0755) < 0)
				die(path);
		}
	if (p.uid != 0)
		flags |= CLONE_NEWUSER;
	if (pipe2(p.gate, O_CLOEXEC) < 0)
		die("pipe");
	pid = clone(child, stack + sizeof(stack), flags, &p);
	if (pid < 0)
		die("clone");
	if (p.uid != 0)
		write_maps(pid, &p);
	(void)close(p.gate[0]); /* ours; the child has its own */
	if (write(p.gate[1], "", 1) < 0 || waitpid(pid, &status, 0) < 0)
		die("child");
	if (p.overlay != NULL) {
		/* the kernel made these with no mode at all */
		for (size_t i = 0; i < 3; i++) {
			(void)snprintf(path, sizeof(path), "%s/w/work%s", overlay, work_dirs[i]);
			(void)chmod(path, 0700);
		}
		/* what is left is seen in DIR */
		(void)nftw(overlay, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
