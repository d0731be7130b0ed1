/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of the frames in a file, in the format that tcpdump and wireshark read.
 *
 * Theory of operation
 *
 * crt opens the file as the user who asked for it, relative to its own
 * directory, and hands the fd to crt-net, which can open nothing. crt-net
 * writes a head and then each frame with one system call, so that a reader
 * finds whole records up to the last moment; a crash leaves a valid file. When
 * a write fails, the disk being full, the file ends there and the network goes
 * on.
 *
 * Only regular files: a pipe whose reader sleeps would stop the network. The
 * attacker is the container: it chooses what is in the frames, not how many of
 * its bytes are a record.
 */
#include "net/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MAGIC_NANOSECONDS 0xa1b23c4du
#define SNAP_LENGTH	  262144u
#define LINK_ETHERNET	  1u
#define PARTS_MAX	  2

struct file_head {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t accuracy, snap_length, link;
};

struct record_head {
	uint32_t seconds, nanoseconds, stored, length;
};

int pcap_open(const char *path, struct error *e)
{
	_cleanup_fd_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0)
		return error_set(e, -errno, "--network: pcap=%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_setf(e, -EINVAL, "--network: pcap=%s: must be a regular file", path);
	return steal_fd(&fd);
}

int pcap_begin(int fd)
{
	const struct file_head h = {
		.magic = MAGIC_NANOSECONDS,
		.major = 2,
		.minor = 4,
		.snap_length = SNAP_LENGTH,
		.link = LINK_ETHERNET,
	};

	return write(fd, &h, sizeof(h)) == (ssize_t)sizeof(h) ? 0 : -EIO;
}

int pcap_frame(int fd, const struct iovec *parts, size_t n)
{
	struct iovec iov[1 + PARTS_MAX];
	struct record_head h = { .stored = 0 };
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	h.seconds = (uint32_t)now.tv_sec;
	h.nanoseconds = (uint32_t)now.tv_nsec;
	for (size_t i = 0; i < n && i < PARTS_MAX; i++) {
		iov[1 + i] = parts[i];
		h.stored += (uint32_t)parts[i].iov_len;
	}
	h.length = h.stored;
	iov[0] = (struct iovec){ .iov_base = &h, .iov_len = sizeof(h) };
	return writev(fd, iov, (int)n + 1) == (ssize_t)(sizeof(h) + h.stored) ? 0 : -EIO;
}
