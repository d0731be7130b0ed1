/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/fd.c: whole writes, durable files, passing descriptors.
 *
 * Theory of operation: the interesting peers are hostile ones, so messages
 * with too many descriptors and messages that are too long are sent by hand.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/path.h"

static int open_count(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_pass_fds(void **state)
{
	_cleanup_fd_ int null_fd = fd_open_null(NULL);
	int before = open_count();
	int sock[2];
	int got[4] = { -1, -1, -1, -1 };
	size_t n = 4;
	char data[16];
	int send[2];

	(void)state;
	assert_true(null_fd >= 0);
	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sock), 0);
	assert_int_equal(fcntl(sock[0], F_GETFD), FD_CLOEXEC);
	send[0] = null_fd;
	send[1] = sock[0];
	assert_int_equal(fd_send(sock[0], "hello", 5, send, 2), 0);
	assert_int_equal(fd_recv(sock[1], data, sizeof(data), got, &n), 5);
	assert_int_equal(n, 2);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	close_fd(&got[0]);
	close_fd(&got[1]);

	/* More than asked for: the surplus is closed. */
	assert_int_equal(fd_send(sock[0], "x", 1, send, 2), 0);
	n = 1;
	assert_int_equal(fd_recv(sock[1], data, sizeof(data), got, &n), 1);
	assert_int_equal(n, 1);
	close_fd(&got[0]);
	assert_int_equal(fd_send(sock[0], "x", 1, send, 2), 0);
	assert_int_equal(fd_recv(sock[1], data, sizeof(data), NULL, NULL), 1);
	assert_int_equal(open_count(), before + 2);

	/* Longer than the buffer: refused as a whole, and nothing stays open. */
	assert_int_equal(fd_send(sock[0], "0123456789", 10, send, 2), 0);
	n = 4;
	assert_int_equal(fd_recv(sock[1], data, 4, got, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(open_count(), before + 2);

	close_fd(&sock[0]);
	n = 4;
	assert_int_equal(fd_recv(sock[1], data, sizeof(data), got, &n), 0);
	assert_int_equal(fd_send(sock[1], "x", 1, NULL, 0), -EPIPE); /* and no SIGPIPE */
	close_fd(&sock[1]);

	/* A peer that died with something unread: its last words come first. */
	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sock), 0);
	assert_int_equal(fd_send(sock[1], "unread", 6, NULL, 0), 0);
	assert_int_equal(fd_send(sock[0], "last", 4, NULL, 0), 0);
	close_fd(&sock[0]);
	assert_int_equal(fd_recv(sock[1], data, sizeof(data), NULL, NULL), 4);
	assert_int_equal(fd_recv(sock[1], data, sizeof(data), NULL, NULL), 0);
	close_fd(&sock[1]);
}

static void test_read_to_end(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char chunk[1000];
	int p[2];

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(fd_pipe(p), 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(fd_write_all(p[1], chunk, sizeof(chunk)), 0);
	close_fd(&p[1]);
	assert_int_equal(fd_read_to_end(p[0], &b, 40000), 0);
	assert_int_equal(b.len, 40000);
	assert_int_equal(strlen(b.data), 40000);
	close_fd(&p[0]);

	buf_reset(&b);
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(fd_write_all(p[1], chunk, 11), 0);
	close_fd(&p[1]);
	assert_int_equal(fd_read_to_end(p[0], &b, 10), -EFBIG);
	close_fd(&p[0]);
}

static void test_read_full(void **state)
{
	char data[8];
	int p[2];

	(void)state;
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(fd_write_all(p[1], "abcde", 5), 0);
	close_fd(&p[1]);
	assert_int_equal(fd_read_full(p[0], data, 3), 3);
	assert_int_equal(fd_read_full(p[0], data, 8), 2);
	assert_int_equal(fd_read_full(p[0], data, 8), 0);
	close_fd(&p[0]);
	assert_int_equal(fd_read_full(-1, data, 8), -EBADF);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/crt-test-fd-XXXXXX";
	_cleanup_fd_ int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int dir_fd = -1;
	_cleanup_free_ char *path = NULL;
	char *text = NULL;
	size_t len;
	struct stat st;
	mode_t old;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	old = umask(0777);
	assert_int_equal(fd_write_file_at(dir_fd, "f", "one", 3, 0644, true, NULL), 0);
	(void)umask(old);
	assert_int_equal(fstatat(dir_fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fd_write_file_at(dir_fd, "f", "two!", 4, 0600, false, NULL), 0);
	assert_int_equal(fd_read_file_at(dir_fd, "f", 4, &text, &len, NULL), 0);
	assert_string_equal(text, "two!");
	assert_int_equal(len, 4);
	free(text);
	text = NULL;

	path = str_printf("%s/g", dir);
	assert_int_equal(fd_write_file_at(AT_FDCWD, path, "", 0, 0600, false, NULL), 0);
	assert_int_equal(fd_read_file_at(AT_FDCWD, path, 4, &text, NULL, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	text = NULL;

	assert_int_equal(symlinkat("f", dir_fd, "link"), 0);
	assert_int_equal(fd_read_file_at(dir_fd, "link", 4, &text, NULL, NULL), -ELOOP);
	assert_int_equal(fd_read_file_at(dir_fd, "f", 3, &text, NULL, NULL), -EFBIG);
	assert_int_equal(fd_read_file_at(dir_fd, ".", 3, &text, NULL, NULL), -EISDIR);
	assert_int_equal(mkfifoat(dir_fd, "fifo", 0600), 0);
	assert_int_equal(fd_read_file_at(dir_fd, "fifo", 3, &text, NULL, NULL), -EINVAL);
	assert_null(text);
	assert_int_equal(fd_write_file_at(dir_fd, "..", "x", 1, 0600, false, NULL), -EINVAL);

	/* A directory in the way: an error, and no temporary file is left. */
	assert_int_equal(mkdirat(dir_fd, "d", 0700), 0);
	assert_true(fd_write_file_at(dir_fd, "d", "x", 1, 0600, false, NULL) < 0);
	assert_int_equal(unlinkat(dir_fd, "f", 0), 0);
	assert_int_equal(unlinkat(dir_fd, "g", 0), 0);
	assert_int_equal(unlinkat(dir_fd, "link", 0), 0);
	assert_int_equal(unlinkat(dir_fd, "fifo", 0), 0);
	assert_int_equal(unlinkat(dir_fd, "d", AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_flags(void **state)
{
	_cleanup_fd_ int fd = fd_open_null(NULL);
	_cleanup_fd_ int copy = fd_dup(fd);

	(void)state;
	assert_true(copy >= 3);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_set_cloexec(copy, false), 0);
	assert_int_equal(fcntl(copy, F_GETFD), 0);
	assert_int_equal(fd_set_nonblock(copy, true), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_set_nonblock(copy, false), 0);
	assert_int_equal(fd_set_cloexec(-1, true), -EBADF);
	assert_int_equal(fd_close_from(200, 4 /* CLOSE_RANGE_CLOEXEC */), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pass_fds),  cmocka_unit_test(test_read_to_end),
		cmocka_unit_test(test_read_full), cmocka_unit_test(test_files),
		cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
