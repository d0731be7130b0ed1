/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netload serve PORT                  send every byte back, one connection after the other
 * netload rtt ADDRESS PORT SECONDS    round trips of one byte in one connection, per second
 * netload conn ADDRESS PORT SECONDS   connections, each with one round trip, per second
 * netload count ADDRESS PORT NUMBER   so many connections one after the other, each with one round trip
 * netload hold ADDRESS PORT NUMBER    connections open at once, then one round trip in each
 *
 * Theory of operation: what iperf3 does not measure, for network.sh. Static, so that it runs in
 * any container. The peer is itself; a failure is a message and exit code 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		errno = EINVAL;
		fail(host);
	}
	return a;
}

static int dial(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		fail("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
	return fd;
}

static void round_trip(int fd)
{
	char byte = 'x';

	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		fail("round trip");
}

static int serve(const char *port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t n = 1, cap = 1;
	struct pollfd *p = malloc(sizeof(*p));
	int on = 1;

	if (p == NULL || fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		return fail("listen");
	p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	while (poll(p, n, -1) > 0) {
		for (size_t i = n; i-- > 1;) {
			char block[4096];
			ssize_t len = p[i].revents != 0 ? read(p[i].fd, block, sizeof(block)) : -1;

			if (len > 0 && write(p[i].fd, block, (size_t)len) == len)
				continue;
			if (p[i].revents != 0) {
				close(p[i].fd);
				p[i] = p[--n];
			}
		}
		while ((fd = accept4(p[0].fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			if (n == cap) {
				cap *= 2;
				p = realloc(p, cap * sizeof(*p));
				if (p == NULL)
					return fail("memory");
			}
			p[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
	return fail("poll");
}

static int rtt(const struct sockaddr_in *to, double seconds)
{
	double start = now(), end = start + seconds;
	int fd = dial(to);
	unsigned long n = 0;

	while (now() < end) {
		round_trip(fd);
		n++;
	}
	printf("%.0f\n", (double)n / (now() - start));
	return 0;
}

static int conn(const struct sockaddr_in *to, double seconds)
{
	double start = now(), end = start + seconds;
	unsigned long n = 0;

	while (now() < end) {
		int fd = dial(to);

		round_trip(fd);
		close(fd);
		n++;
	}
	printf("%.0f\n", (double)n / (now() - start));
	return 0;
}

static int count(const struct sockaddr_in *to, unsigned long n)
{
	double start = now();

	for (unsigned long i = 0; i < n; i++) {
		int fd = dial(to);

		round_trip(fd);
		close(fd);
	}
	printf("%lu in sequence: %.2f s\n", n, now() - start);
	return 0;
}

static int hold(const struct sockaddr_in *to, unsigned long n)
{
	int *fds = calloc(n, sizeof(int));
	double start = now();

	if (fds == NULL)
		return fail("memory");
	for (unsigned long i = 0; i < n; i++)
		fds[i] = dial(to);
	for (unsigned long i = 0; i < n; i++)
		round_trip(fds[i]);
	printf("%lu at once: %.2f s\n", n, now() - start);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct sockaddr_in to;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc != 5)
		return 2;
	to = address(argv[2], argv[3]);
	if (strcmp(argv[1], "rtt") == 0)
		return rtt(&to, strtod(argv[4], NULL));
	if (strcmp(argv[1], "conn") == 0)
		return conn(&to, strtod(argv[4], NULL));
	if (strcmp(argv[1], "count") == 0)
		return count(&to, strtoul(argv[4], NULL, 10));
	if (strcmp(argv[1], "hold") == 0)
		return hold(&to, strtoul(argv[4], NULL, 10));
	return 2;
}
