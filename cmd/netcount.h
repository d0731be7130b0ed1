/* SPDX-License-Identifier: Apache-2.0 */
/* Private to cmd/: what went through the network of a running container. */
#ifndef CMD_NETCOUNT_H
#define CMD_NETCOUNT_H

#include <jansson.h>
#include <sys/types.h>

/*
 * {"Interfaces": {"tap0": {"RxBytes": N, ...}}, "Tcp": {...}} of the network namespace of process pid, as the
 * container sees it; empty when the namespace is ours or gone. A new reference, NULL on -ENOMEM.
 */
json_t *netcount_json(pid_t pid);

#endif
