/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to net/: DNS messages (dns.c), and questions handed on to the name
 * servers of the host (dns_forward.c).
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define DNS_HEADER	12u
#define DNS_NAME_MAX	255u  /* as text, without the dot at the end */
#define DNS_QUERY_MAX	1232u /* longest question that is taken by UDP */
#define DNS_UDP_PLAIN	512u  /* longest answer for those who do not say what they can take */
#define DNS_UDP_MAX	4096u /* longest answer by UDP whatever they say */
#define DNS_TCP_MAX	65535u
#define DNS_PORT	53
#define DNS_SERVERS_MAX 3 /* asked in turn, as by the C library */

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_ANY = 255
};

enum dns_code {
	DNS_CODE_OK = 0,
	DNS_CODE_FORMAT = 1, /* the question cannot be understood */
	DNS_CODE_SERVER = 2, /* no answer could be had */
	DNS_CODE_NAME = 3,   /* there is no such name */
	DNS_CODE_NOT_IMPLEMENTED = 4,
	DNS_CODE_REFUSED = 5
};

struct dns_question {
	uint16_t id;
	uint16_t type, class;
	bool recursion;		     /* wanted */
	bool edns;		     /* the peer knows the extension, and takes udp_size bytes */
	bool odd;		     /* the name has bytes that no host name has; name is "" */
	uint16_t udp_size;	     /* DNS_UDP_PLAIN to DNS_UDP_MAX */
	uint16_t end;		     /* where the question section ends */
	char name[DNS_NAME_MAX + 1]; /* lower case, labels with dots between; "" = the root */
};

/*
 * Look at a question. 0; -EBADMSG: answer DNS_CODE_FORMAT; -EOPNOTSUPP: answer
 * DNS_CODE_NOT_IMPLEMENTED; -ENOMSG: it is none (an answer, too short), say nothing.
 */
int dns_parse(const uint8_t *msg, size_t len, struct dns_question *ret);
/* "4.3.2.1.in-addr.arpa", "...ip6.arpa": the address asked for. Its family, or 0. */
int dns_parse_reverse(const char *name, struct in6_addr *ret);

/* An answer that is being written; everything that does not fit is left out and marked. */
struct dns_answer {
	uint8_t *data;
	size_t cap, len;
	uint16_t records;
	bool truncated, edns;
};

/* Begin with the question's header and text. cap at least DNS_UDP_PLAIN. */
void dns_answer_begin(struct dns_answer *a, uint8_t *buf, size_t cap, const uint8_t *query,
		      const struct dns_question *q, enum dns_code code);
/* A record for the name asked for: an address of the family, or a name. */
void dns_answer_address(struct dns_answer *a, int family, const void *addr, uint32_t ttl);
void dns_answer_name(struct dns_answer *a, const char *name, uint32_t ttl);
/* Its length. */
size_t dns_answer_end(struct dns_answer *a);
/* An answer without a question section, for what cannot be parsed. Needs DNS_HEADER bytes of query and buf. */
size_t dns_refuse(uint8_t *buf, const uint8_t *query, enum dns_code code);
/*
 * An answer of somebody else on its way to one who takes at most max bytes: what is longer is
 * cut to its question and marked, so that the peer asks again by TCP. Returns the length.
 */
size_t dns_cut(uint8_t *msg, size_t len, size_t max);

/* ---- handing on ---- */

/* Who asked; copied, and given back with the answer. Questions of one peer address are counted. */
struct dns_client {
	void *where;
	uint64_t id;
	struct sockaddr_in6 peer; /* IPv4 mapped */
	uint16_t query_id, udp_size;
	bool tcp;
};

struct dns_forward;
/*
 * Called once for each question taken: msg has the peer's id and is msg[0..len), and may be changed;
 * len 0: nobody answered.
 */
typedef void (*dns_reply_fn)(void *data, const struct dns_client *client, uint8_t *msg, size_t len);

/* Before the cage; everything after it needs sockets and /etc/resolv.conf only. NULL when memory is short. */
struct dns_forward *dns_forward_new(dns_reply_fn reply, void *data);
void dns_forward_free(struct dns_forward *f); /* replies to nobody */
/*
 * Hand a question on, by TCP when the peer came by TCP. Who is asked is what resolv.conf says now, or
 * the servers (at most DNS_SERVERS_MAX, port included), if there are any.
 * 0; -EBUSY: too many are under way; or -errno. reply is not called from within.
 */
int dns_forward_ask(struct dns_forward *f, const uint8_t *query, size_t len,
		    const struct dns_question *q, const struct dns_client *client,
		    const struct sockaddr_in6 *servers, size_t servers_n);
/* Nobody waits for the answers to this one any more. */
void dns_forward_forget(struct dns_forward *f, const void *where, uint64_t id);
/* What to poll for POLLIN, and for how long at most (-1 = for ever); then dispatch. */
int dns_forward_fd(const struct dns_forward *f);
int dns_forward_timeout(const struct dns_forward *f);
void dns_forward_dispatch(struct dns_forward *f);

/* An address of either family, with the port of DNS. */
bool dns_parse_server(const char *text, struct sockaddr_in6 *ret);
/* Name servers in the text of a resolv.conf. Returns how many, at most max; none named means 127.0.0.1. */
size_t dns_parse_servers(const char *text, struct sockaddr_in6 *ret, size_t max);

#endif
