/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: tty-inject
 *
 * Tries to type into the terminal behind descriptors 0, 1, 2 and /dev/tty, in the two ways that a kernel
 * offers, and prints one line for each attempt: what, where, result.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void try(const char *what, const char *where, int fd, unsigned long cmd, void *arg)
{
	const char *result = ioctl(fd, cmd, arg) >= 0 ? "DONE" : strerrorname_np(errno);

	(void)printf("%s %s %s\n", what, where, result);
}

int main(void)
{
	static const char *const names[] = { "0", "1", "2", "/dev/tty" };
	int fds[] = { 0, 1, 2, open("/dev/tty", O_RDWR | O_CLOEXEC) };
	char text[] = "X";
	char paste[] = { 3 }; /* TIOCL_PASTESEL */

	for (int i = 0; i < 4; i++) {
		try("TIOCSTI", names[i], fds[i], TIOCSTI, text);
		/* the kernel ignores the upper half of the number, a filter must too */
		try("TIOCSTI+", names[i], fds[i], TIOCSTI | 1ul << 32, text);
		try("TIOCLINUX", names[i], fds[i], TIOCLINUX, paste);
	}
	return 0;
}
