/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: the pure halves of net_resolv_conf() and net_hosts(). */
#ifndef NET_FILES_H
#define NET_FILES_H

#include "base/buf.h"
#include "base/error.h"
#include "net/net.h"

/* host: text of the host's resolv.conf. */
int files_resolv_build(const struct net_request *r, const char *host, struct buf *b,
		       struct error *e);
/* host: text of the host's /etc/hosts; host_ip: where the host is reached from the container, "" = nowhere. */
int files_hosts_build(const struct net_request *r, const char *host, const char *host_ip,
		      const char *hostname, const char *container_name, const struct strv *add_host,
		      struct buf *b, struct error *e);

#endif
