/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File descriptors: whole reads and writes, passing them, durable files.
 *
 * Theory of operation
 *
 * Every descriptor made here is CLOEXEC from birth and, where it is a
 * duplicate, numbered 3 or higher, so that a caller who was started with a
 * closed standard stream never writes a secret or a log line into a file that
 * happened to get the number 1.
 *
 * fd_write_file_at() replaces a file as a whole. The new content is written
 * to a name nobody else uses (".NAME.<64 random bits>", O_EXCL|O_NOFOLLOW), then
 * renamed over the old one. A reader sees the old or the new file. A crash
 * before the rename leaves the old file and a stray temporary name; with
 * "durable" the content was synced before the rename and the directory after
 * it, so a power cut cannot show a file that is there but empty.
 *
 * The attacker may be the peer of a socket: a message may carry more
 * descriptors than were asked for, or be longer than the buffer. Surplus
 * descriptors are closed; a message that was cut is an error, because a cut
 * message has no meaning.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FDS_MAX 32  /* what fd_send() takes */
#define SCM_MAX 253 /* what the kernel lets a peer attach to one message */

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t len)
{
	char *p = data;
	size_t done = 0;

	if (len > SSIZE_MAX)
		return -EINVAL;
	while (done < len) {
		ssize_t n = read(fd, p + done, len - done);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_read_to_end(int fd, struct buf *b, size_t max)
{
	size_t total = 0;

	for (;;) {
		size_t want = 16384;
		char *p;
		ssize_t n;

		/* One byte more than allowed is asked for, so that "too long" is seen. */
		if (want > max - total)
			want = max - total + (max < SIZE_MAX ? 1 : 0);
		if (want == 0)
			return -EFBIG;
		p = buf_reserve(b, want);
		if (p == NULL)
			return b->err;
		n = read(fd, p, want);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0) {
			*p = '\0';
			return 0;
		}
		total += (size_t)n;
		if (total > max)
			return -EFBIG;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
	}
}

int fd_read_file_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len,
		    struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	struct stat st;
	size_t len;
	char *text;
	int r;

	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_set(e, -errno, "opening %s", path);
	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "reading %s", path);
	if (S_ISDIR(st.st_mode))
		return error_set(e, -EISDIR, "reading %s", path);
	if (!S_ISREG(st.st_mode))
		return error_setf(e, -EINVAL, "reading %s: not a regular file", path);
	r = fd_read_to_end(fd, &b, max);
	if (r == -EFBIG)
		return error_setf(e, r, "reading %s: more than %zu bytes", path, max);
	if (r < 0)
		return error_set(e, r, "reading %s", path);
	len = b.len;
	if (b.data == NULL && buf_puts(&b, "") < 0)
		return error_set(e, -ENOMEM, "reading %s", path);
	text = buf_steal(&b);
	if (text == NULL)
		return error_set(e, -ENOMEM, "reading %s", path);
	*ret = text;
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}

/* Open a fresh temporary file beside name; its name is left in *ret_name. */
static int temp_file_at(int dir_fd, const char *name, mode_t mode, char **ret_name)
{
	for (int tries = 0; tries < 16; tries++) {
		_cleanup_free_ char *tmp = NULL;
		unsigned long long rnd;
		int fd;

		if (getrandom(&rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
			return -EIO;
		/* The name itself may have up to NAME_MAX bytes: keep a part of it only. */
		tmp = str_printf(".%.64s.%016llx", name, rnd);
		if (tmp == NULL)
			return -ENOMEM;
		fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    mode & 0700);
		if (fd >= 0) {
			*ret_name = steal_ptr(&tmp);
			return fd;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int fd_write_file_at(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		     bool durable, struct error *e)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_fd_ int parent_fd = -1;
	_cleanup_fd_ int fd = -1;
	const char *slash = strrchr(name, '/');
	const char *base = name;
	int r;

	if (slash != NULL || dir_fd == AT_FDCWD) {
		_cleanup_free_ char *dir = NULL;

		if (slash == NULL)
			dir = str_printf(".");
		else
			dir = str_printf("%.*s", slash == name ? 1 : (int)(slash - name), name);
		if (dir == NULL)
			return error_set(e, -ENOMEM, "writing %s", name);
		parent_fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (parent_fd < 0)
			return error_set(e, -errno, "writing %s: opening directory %s", name, dir);
		dir_fd = parent_fd;
		if (slash != NULL)
			base = slash + 1;
	}
	if (base[0] == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return error_setf(e, -EINVAL, "writing \"%s\": not a file name", name);

	fd = temp_file_at(dir_fd, base, mode, &tmp);
	if (fd < 0)
		return error_set(e, fd, "writing %s", name);
	r = fd_write_all(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && close(steal_fd(&fd)) < 0 && errno != EINTR)
		r = -errno; /* NFS and quota errors come late */
	if (r == 0 && renameat(dir_fd, tmp, dir_fd, base) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, tmp, 0); /* the failure above is what matters */
		return error_set(e, r, "writing %s", name);
	}
	if (durable) {
		_cleanup_fd_ int sync_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (sync_fd < 0 || fsync(sync_fd) < 0)
			return error_set(e, -errno, "syncing the directory of %s", name);
	}
	return 0;
}

int fd_create_file_at(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		      struct error *e)
{
	_cleanup_fd_ int fd = -1;
	mode_t mask = umask(0); /* cheaper than a chmod of the file; one thread */
	int r;

	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	r = fd < 0 ? -errno : 0;
	(void)umask(mask);
	if (r == 0)
		r = fd_write_all(fd, data, len);
	if (r == 0 && close(steal_fd(&fd)) < 0 && errno != EINTR)
		r = -errno; /* NFS and quota errors come late */
	return r < 0 ? error_set(e, r, "writing %s", name) : 0;
}

int fd_dup(int fd)
{
	int r = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return r < 0 ? -errno : r;
}

int fd_set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
	return fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_open_null(struct error *e)
{
	_cleanup_fd_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return error_set(e, -errno, "opening /dev/null");
	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "opening /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return error_setf(e, -ENODEV, "/dev/null is not the null device");
	return steal_fd(&fd);
}

int fd_sanitize_stdio(void)
{
	for (int want = 0; want < 3; want++) {
		int fd;

		if (fcntl(want, F_GETFD) >= 0)
			continue;
		/* The lowest free number is "want", because the ones below are open. */
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
		if (fd < 0)
			return -errno;
		if (fd != want) {
			(void)close(
				fd); /* another thread took the number: nothing of ours does that */
			return -EBADF;
		}
	}
	return 0;
}

int fd_close_from(unsigned int first, unsigned int flags)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *ent;

	if (close_range(first, ~0U, (int)flags) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
		return -errno;
	d = opendir("/proc/self/fd");
	if (d == NULL)
		return -errno;
	while ((ent = readdir(d)) != NULL) {
		unsigned long long n;

		if (str_to_u64(ent->d_name, INT_MAX, &n) < 0 || n < first || (int)n == dirfd(d))
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			(void)fd_set_cloexec((int)n, true); /* listed a moment ago: cannot fail */
		else
			(void)close((int)n); /* as close_range(2): errors are not reported */
	}
	return 0;
}

int fd_pipe(int ret[2])
{
	return pipe2(ret, O_CLOEXEC) < 0 ? -errno : 0;
}

int fd_socketpair(int type, int ret[2])
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret) < 0 ? -errno : 0;
}

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = { 0 };
	struct iovec iov = { .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n > FDS_MAX)
		return -EINVAL;
	memcpy(&iov.iov_base, &data, sizeof(iov.iov_base)); /* sendmsg() does not write to it */
	if (n > 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&msg);
		if (c == NULL)
			return -EINVAL;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	/* A stream socket may take a part; the descriptors went with its first byte. */
	while ((size_t)sent < len) {
		ssize_t more =
			send(sock, (const char *)data + sent, len - (size_t)sent, MSG_NOSIGNAL);

		if (more < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		sent += more;
	}
	return 0;
}

/* Move descriptors of one SCM_RIGHTS message into fds; those beyond room are closed. */
static size_t take_fds(struct cmsghdr *c, int *fds, size_t have, size_t room)
{
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (have < room)
			fds[have++] = fd;
		else
			(void)close(fd); /* surplus: nobody asked for it */
	}
	return have;
}

ssize_t fd_recv(int sock, void *data, size_t len, int *fds, size_t *n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * SCM_MAX)];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	size_t room = n != NULL ? *n : 0;
	size_t have = 0;
	ssize_t got;
	int reset =
		0; /* told once, before what a peer sent that died with something of ours unread */

	if (n != NULL)
		*n = 0;
	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !reset++)));
	if (got < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			have = take_fds(c, fds, have, room);
	}
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (size_t i = 0; i < have; i++)
			(void)close(fds[i]); /* a cut message is refused as a whole */
		if (n != NULL)
			*n = 0;
		return -EMSGSIZE;
	}
	if (n != NULL)
		*n = have;
	return got;
}
