/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: a network that the program pasta serves. */
#ifndef NET_PASTA_H
#define NET_PASTA_H

#include "base/buf.h"
#include "net/net.h"
#include "net/wire.h"

#define PASTA_NAME	  "pasta"
#define PASTA_OPTIONS_MAX WIRE_PASTA_TEXT
#define PASTA_DNS	  "169.254.1.1" /* in the container: leads to the host's name server */

/* crt: the program, opened. fd or -errno with what to do. */
int pasta_open(struct error *e);
/* crt: send the options. 0 or -errno. */
int pasta_send_options(int sock, const struct net_request *r);
/* Set-up child: hand over the namespaces that pasta is to serve. 0 or -errno. */
int pasta_send_namespaces(int sock, struct error *e);
/*
 * crt-net: all the rest, until the peer is gone or pasta has ended. exe_fd is owned. 0 or -errno, when the
 * peer has not been told that it is ready.
 */
int pasta_serve(int ctl_fd, const struct wire_request *w, int exe_fd, struct error *e);
/* The words of the command line, "pasta" first; host ports are to be known. 0 or -ENOMEM. */
int pasta_words(const struct net_forward *f, size_t forwards_n, const struct wire_request *w,
		const struct strv *options, struct strv *ret);

#endif
