/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went through the network of a running container.
 *
 * Theory of operation
 *
 * The kernel counts for each network namespace, and shows that of a process in
 * /proc/PID/net: bytes, packets, errors and drops of each device, and the
 * connections of TCP. Published TCP ports reach the container by lo, because
 * their last part is a connection inside; the server's connections are counted
 * as those that it accepted. Nothing is kept by crt.
 *
 * The container chooses the names of its devices; they are shown through
 * JSON's quoting. Lines that are not understood are left out.
 */
#include "cmd/netcount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/procfs.h"

#define TEXT_MAX (1u << 20)
#define FIELDS	 12 /* of a line of net/dev that are looked at */

static char *read_net(int proc_fd, pid_t pid, const char *name)
{
	_cleanup_free_ char *path = str_printf("%d/net/%s", pid, name);
	char *text = NULL;

	return path != NULL && procfs_read(proc_fd, path, TEXT_MAX, &text) == 0 ? text : NULL;
}

/* "  tap0: 1 2 3 ...": the counters of one device. False: another line. */
static bool add_device(json_t *devices, char *line)
{
	static const struct {
		const char *key;
		size_t field;
	} keys[] = { { "RxBytes", 0 }, { "RxPackets", 1 }, { "RxErrors", 2 },  { "RxDropped", 3 },
		     { "TxBytes", 8 }, { "TxPackets", 9 }, { "TxErrors", 10 }, { "TxDropped", 11 } };
	const char *name = line + strspn(line, " ");
	char *colon = strrchr(line, ':'), *at;
	unsigned long long n[FIELDS];
	json_t *device;

	if (colon == NULL)
		return false;
	*colon = '\0';
	at = colon + 1;
	for (size_t i = 0; i < FIELDS; i++) {
		char *end;

		n[i] = strtoull(at, &end, 10);
		if (end == at)
			return false;
		at = end;
	}
	device = json_object();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		(void)json_object_set_new(device, keys[i].key,
					  json_integer((json_int_t)n[keys[i].field]));
	return json_object_set_new(devices, name, device) == 0;
}

static json_t *tcp_json(const char *text)
{
	unsigned long long opened = 0, accepted = 0, failed = 0, reset = 0, now = 0;
	const char *line = text;

	/* a line of names, then one of numbers */
	while (line != NULL && sscanf(line, "Tcp: %*u %*d %*d %*d %llu %llu %llu %llu %llu",
				      &opened, &accepted, &failed, &reset, &now) != 5) {
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "Opened", (json_int_t)opened, "Accepted",
			 (json_int_t)accepted, "Failed", (json_int_t)failed, "Reset",
			 (json_int_t)reset, "Established", (json_int_t)now);
}

static bool is_ours(int proc_fd, pid_t pid)
{
	_cleanup_free_ char *path = str_printf("%d/ns/net", pid);
	struct stat its, own;

	return path == NULL || fstatat(proc_fd, path, &its, 0) < 0 ||
	       fstatat(proc_fd, "self/ns/net", &own, 0) < 0 || its.st_ino == own.st_ino;
}

json_t *netcount_json(pid_t pid)
{
	_cleanup_fd_ int proc_fd = pid > 0 ? procfs_open(NULL) : -1;
	_cleanup_free_ char *dev = NULL, *snmp = NULL;
	char *rest, *line;
	json_t *devices;

	if (proc_fd < 0 || is_ours(proc_fd, pid))
		return json_object();
	dev = read_net(proc_fd, pid, "dev");
	snmp = read_net(proc_fd, pid, "snmp");
	if (dev == NULL || snmp == NULL)
		return json_object(); /* it has just ended */
	devices = json_object();
	rest = dev;
	while ((line = strsep(&rest, "\n")) != NULL)
		(void)add_device(devices, line); /* the heading is none */
	return json_pack("{s:o,s:o}", "Interfaces", devices, "Tcp", tcp_json(snmp));
}
