/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --network pasta: crt's side and the set-up child's.
 *
 * Theory of operation
 *
 * pasta is a program of its own that serves a network namespace which exists
 * already. crt-net starts it (pasta_run.c) and lives as long as ever, so that
 * for the rest of crt nothing is different: there is a helper, a socket that
 * keeps it alive, ports that are reported. Here is what others contribute: the
 * program is found by crt, which knows the user's PATH, and handed over as an
 * open file; the set-up child hands over its namespaces.
 *
 * The attacker controls nothing here: nothing of the image runs yet.
 */
#include "net/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/procfs.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

int pasta_open(struct error *e)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = strdup(path != NULL ? path : PATH_DEFAULT);
	char *rest = copy, *dir;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "find " PASTA_NAME);
	if (geteuid() == 0)
		return error_setf(
			e, -EPERM,
			"--network pasta: pasta gives up root's rights before it would need them; "
			"as root use --network slirp");
	while ((dir = strsep(&rest, ":")) != NULL) {
		_cleanup_free_ char *name = str_printf("%s/" PASTA_NAME, dir);
		_cleanup_fd_ int fd = -1;
		struct stat st;

		if (name == NULL)
			return error_set(e, -ENOMEM, "find " PASTA_NAME);
		if (dir[0] != '/')
			continue;
		fd = open(name, O_PATH | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    faccessat(AT_FDCWD, name, X_OK, AT_EACCESS) == 0)
			return steal_fd(&fd);
	}
	return error_setf(
		e, -ENOENT,
		"--network pasta: there is no program pasta in PATH; install the package passt, "
		"or use --network slirp");
}

int pasta_send_options(int sock, const struct net_request *r)
{
	struct wire_pasta p = { .n = (uint32_t)r->pasta_options.n };
	size_t at = 0;

	for (size_t i = 0; i < r->pasta_options.n; i++) {
		size_t len = strlen(r->pasta_options.v[i]) + 1;

		if (len > sizeof(p.text) - at)
			return -EMSGSIZE;
		memcpy(p.text + at, r->pasta_options.v[i], len);
		at += len;
	}
	return wire_send(sock, WIRE_TYPE_PASTA, &p, sizeof(p), -1);
}

int pasta_send_namespaces(int sock, struct error *e)
{
	static const char *const names[] = { "self/ns/user", "self/ns/net" };
	_cleanup_fd_ int proc_fd = procfs_open(e);

	if (proc_fd < 0)
		return proc_fd;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_fd_ int fd = openat(proc_fd, names[i], O_RDONLY | O_CLOEXEC);
		int ret = fd < 0 ? -errno : wire_send(sock, WIRE_TYPE_NAMESPACE, NULL, 0, fd);

		if (ret < 0)
			return error_set(e, ret, "hand the namespaces over to crt-net");
	}
	return 0;
}
