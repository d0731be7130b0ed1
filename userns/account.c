/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the system: files of /etc, programs that know more, the login name, our own map.
 *
 * Theory of operation: crt is linked statically, because loading shared
 * objects would cost more than most of its work, so libc's own lookups
 * (getpwuid, which loads the plug-ins of nsswitch.conf) are not for us. The
 * login name is looked for in /etc/passwd, which answers for nearly everybody
 * in a few microseconds; users of a directory service are asked of getent(1),
 * which does load the plug-ins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "userns/private.h"

#define ETC_FILE_MAX (16u << 20) /* 100000 users with 40 bytes and some comments */

int subid_read_etc(const char *path, char **ret, size_t *ret_len)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *text;
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = fd_read_to_end(fd, &b, ETC_FILE_MAX);
	if (r < 0)
		return r;
	len = b.len;
	text = buf_steal(&b);
	if (text == NULL)
		return -ENOMEM;
	*ret = text;
	*ret_len = len;
	return 0;
}

int subid_ask_program(char *const *argv, struct buf *out)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int from = -1;
	_cleanup_fd_ int to = -1;
	struct proc_fd_map map = { .target = 1 };
	struct proc_spawn s = { .path_fd = -1, .argv = argv, .fds = &map, .fds_n = 1 };
	int p[2];
	pid_t pid;
	int r;

	if (proc_find_program(argv[0], &path) < 0 || fd_pipe(p) < 0)
		return -ENOENT;
	from = p[0];
	to = p[1];
	s.path = path;
	map.fd = to;
	r = proc_spawn(&s, &pid, NULL, NULL);
	if (r < 0)
		return r;
	close_fd(&to);
	r = fd_read_to_end(from, out, ETC_FILE_MAX);
	close_fd(&from);
	return proc_wait(pid) != 0 ? -ENOENT : r;
}

char *account_find_name(const char *passwd, size_t len, uid_t uid)
{
	char number[24];
	size_t number_len = (size_t)snprintf(number, sizeof(number), "%lu", (unsigned long)uid);
	const char *end = passwd + len;

	/* name:password:uid:... */
	for (const char *line = passwd; line < end;) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		const char *stop = nl != NULL ? nl : end;
		const char *first = memchr(line, ':', (size_t)(stop - line));
		const char *second =
			first == NULL ? NULL : memchr(first + 1, ':', (size_t)(stop - first - 1));

		if (second != NULL && first > line &&
		    memchr(line, '\0', (size_t)(first - line)) == NULL &&
		    (size_t)(stop - second - 1) > number_len &&
		    memcmp(second + 1, number, number_len) == 0 && second[1 + number_len] == ':')
			return strndup(line, (size_t)(first - line));
		line = stop + 1;
	}
	return NULL;
}

char *account_name(uid_t uid)
{
	char program[] = "getent", database[] = "passwd", number[24];
	char *argv[] = { program, database, number, NULL };
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	char *name = NULL;
	size_t len = 0;

	(void)snprintf(number, sizeof(number), "%lu", (unsigned long)uid); /* fits */
	if (subid_read_etc("/etc/passwd", &text, &len) == 0)
		name = account_find_name(text, len, uid);
	if (name == NULL && subid_ask_program(argv, &out) == 0)
		name = account_find_name(buf_str(&out), out.len, uid);
	return name != NULL ? name : strdup(number);
}

bool userns_self_has_gid(uint32_t gid)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	size_t len = 0;

	if (subid_read_etc("/proc/self/gid_map", &text, &len) < 0)
		return true; /* a kernel without user namespaces has all ids */
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		unsigned int inside, outside, count;

		if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && gid >= inside &&
		    gid - inside < count)
			return true;
	}
	return false;
}
