/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): TCP connections to IPv6 addresses of the host, led to the IPv4 side. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;

int relay_new(struct relay **ret);
void relay_free(struct relay *r);
/* Accept on listen_fd (owned from here on, also on failure) and connect to 127.0.0.1:port. 0 or -errno. */
int relay_listen(struct relay *r, int listen_fd, uint16_t port);
/* How many pollfd entries relay_fill() may write now. */
size_t relay_poll_max(const struct relay *r);
/* Write the entries to watch; returns their number. With !accept the listening sockets are left out. */
size_t relay_fill(struct relay *r, struct pollfd *p, bool accept);
/* The same entries after poll(). */
void relay_dispatch(struct relay *r, const struct pollfd *p, size_t n);
/* Sockets of connections that are open. */
size_t relay_open(const struct relay *r);

#endif
