/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-net: the network of one container.
 *
 * Who starts it: crt, through net_start(). What it gets: fd 3, a socket to
 * crt; 0-2 are /dev/null; an empty environment. What it may do: open IPv4 and
 * IPv6 sockets in the host's network namespace, read resolv.conf. How it
 * dies: by itself, when the last holder of the other end of fd 3 is gone.
 * All the rest is in net/slirp.c.
 */
#include <stdio.h>
#include <string.h>

#include "net/net.h"

int main(int argc, char **argv)
{
	/* by `crt version` */
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return printf("%s\n", net_slirp_version()) < 0 || fflush(stdout) != 0;
	return net_slirp_main();
}
