/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cage of crt-fetch.
 *
 * Theory of operation
 *
 * What comes after this point parses bytes of strangers with a TLS library,
 * an HTTP library, two decompressors and a tar reader. Whoever takes it over
 * shall hold: sockets to the network, one directory to write to, and a few
 * descriptors. Order, each step needing what the next ones take away:
 *
 *   1 limits: no core dump, size of files, number of descriptors, memory;
 *   2 modules of the resolver and the unwinder are loaded while there are
 *     libraries to load;
 *   3 the root directory (cage-root.c): nothing of the host is visible;
 *   4 capabilities: only what unpacking needs (owners, modes and file
 *     capabilities of files in the namespace); no set-uid bit gives more;
 *   5 Landlock, where the kernel has it: the same limits once more, by another
 *     mechanism; no signals to and no abstract sockets of others (Linux 6.12);
 *   6 the system call list (cage-filter.c).
 *
 * A step that fails ends crt-fetch: there is no unpacking outside the cage.
 * Landlock is the exception, kernels and boot options may lack it.
 */
#include "storage/unpack/cage.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"

#define MEMORY_MAX (1ull << 30) /* four zstd windows of LIMIT_ZSTD_WINDOW_LOG and the queues */
#define FILES_MAX  256

static int set_limit(int which, rlim_t value, struct error *e)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)which, &l) < 0)
		return error_set(e, -errno, "make the cage: read a limit");
	if (l.rlim_max == RLIM_INFINITY || l.rlim_max > value)
		l.rlim_max = value;
	l.rlim_cur = l.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &l) < 0)
		return error_set(e, -errno, "make the cage: set a limit");
	return 0;
}

static int limits(struct error *e)
{
	int r = set_limit(RLIMIT_CORE, 0, e);

	if (r == 0)
		r = set_limit(RLIMIT_FSIZE, LIMIT_LAYER_BYTES, e);
	if (r == 0)
		r = set_limit(RLIMIT_NOFILE, FILES_MAX, e);
#ifndef CRT_SANITIZED /* whose shadow memory is larger */
	if (r == 0)
		r = set_limit(RLIMIT_DATA, MEMORY_MAX, e);
#endif
	return r;
}

/* What libc would load at run time. Newer ones have the resolver built in: then there is nothing to load. */
static void preload(void)
{
	static const char *const names[] = { "libgcc_s.so.1", "libnss_files.so.2",
					     "libnss_dns.so.2" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)dlopen(names[i],
			     RTLD_NOW |
				     RTLD_GLOBAL); /* stays loaded; a missing one is not needed */
}

static int capabilities(struct error *e)
{
	const uint64_t keep = (1ull << CAP_CHOWN) | (1ull << CAP_DAC_OVERRIDE) |
			      (1ull << CAP_FOWNER) | (1ull << CAP_SETFCAP) | (1ull << CAP_FSETID);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .permitted = 0 } };

	for (int cap = 0; cap < 64; cap++) {
		if ((keep & (1ull << cap)) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
		    errno != EINVAL) /* EINVAL: the kernel has no such one */
			return error_set(e, -errno, "make the cage: drop capabilities");
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set(e, -errno, "make the cage: drop capabilities");
	if (syscall(SYS_capget, &header, data) < 0)
		return error_set(e, -errno, "make the cage: read capabilities");
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(e, -errno, "make the cage: drop capabilities");
	return 0;
}

/* ---- Landlock: numbers of the kernel's interface, which libc headers may lack -------- */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif
#define LL_VERSION	1u
#define LL_PATH_BENEATH 1
#define LL_READ_FILE	(1ull << 2)
#define LL_READ_DIR	(1ull << 3)
#define LL_EXECUTE	(1ull << 0)
#define LL_FS_ABI2	((1ull << 14) - 1) /* up to "refer" */
#define LL_FS_TRUNCATE	(1ull << 14)	   /* 3 */
#define LL_FS_IOCTL_DEV (1ull << 15)	   /* 5 */
#define LL_SCOPE_ALL	3ull		   /* 6: abstract sockets and signals */

struct ll_ruleset {
	uint64_t fs, net, scoped;
};
struct ll_path {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static int landlock_allow(int rules, const char *path, uint64_t allowed)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct ll_path rule = { .allowed = allowed, .parent_fd = fd };

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return syscall(SYS_landlock_add_rule, rules, LL_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

/* path NULL: the places of the cage of cage_root(). */
static int landlock(const char *path, struct error *e)
{
	struct ll_ruleset set = { .fs = LL_FS_ABI2 };
	_cleanup_fd_ int rules = -1;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);
	int r;

	if (abi < 2) /* without it, or forbidding hard links between directories */
		return 0;
	if (abi >= 3)
		set.fs |= LL_FS_TRUNCATE;
	if (abi >= 5)
		set.fs |= LL_FS_IOCTL_DEV;
	if (abi >= 6)
		set.scoped = LL_SCOPE_ALL;
	rules = (int)syscall(SYS_landlock_create_ruleset, &set,
			     abi >= 6 ? sizeof(set) :
			     abi >= 4 ? 2 * sizeof(uint64_t) :
					sizeof(uint64_t),
			     0);
	if (rules < 0)
		return error_set(e, -errno, "make the cage: Landlock rules");
	r = landlock_allow(rules, path != NULL ? path : "/txn", set.fs & ~LL_EXECUTE);
	if (r == 0 && path == NULL)
		r = landlock_allow(rules, "/src", LL_READ_FILE | LL_READ_DIR);
	if (r == 0 && path == NULL)
		r = landlock_allow(rules, "/etc", LL_READ_FILE | LL_READ_DIR);
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		r = -errno;
	return r < 0 ? error_set(e, r, "make the cage: Landlock rules") : 0;
}

int cage_enter(int *txn_fd, int *source_fd, bool network, struct error *e)
{
	int r;

	r = limits(e);
	if (r < 0)
		return r;
	preload();
	r = cage_root(txn_fd, source_fd, network, e);
	if (r == 0)
		r = capabilities(e);
	if (r == 0)
		r = landlock(NULL, e);
	return r < 0 ? r : cage_filter(network, e);
}

int cage_enter_dir(int *dir_fd, struct error *e)
{
	int r = limits(e), fd;

	if (r < 0)
		return r;
	preload();
	/* without the right to do so (a caller's own directory) Landlock and the filter remain */
	if (fchdir(*dir_fd) < 0 || (chroot(".") < 0 && errno != EPERM))
		return error_set(e, -errno, "make the cage: enter the directory");
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -errno, "make the cage: open the directory");
	(void)close(*dir_fd); /* nothing was written through it */
	*dir_fd = fd;
	r = capabilities(e);
	if (r == 0)
		r = landlock(".", e);
	return r < 0 ? r : cage_filter(false, e);
}
