/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-bridge: holder of the user-defined networks of one user.
 *
 * Who starts it: the first crt that needs a network, through net_bridge_open(). What
 * it gets: fds 3 to 5, a listening socket, the directory in which that lies, and a
 * connection to who started it; 0-2 are /dev/null; an empty environment. What it
 * may do: what the user may; it parses nothing of a container's. Its child,
 * the name server, which does, may open IPv4 and IPv6 sockets in the host's network
 * namespace and read resolv.conf. How it dies: by itself, with the last container
 * of the last network. All the rest is in net/switch.c and net/names.c.
 */
#include "net/net.h"

int main(void)
{
	return net_switch_main();
}
