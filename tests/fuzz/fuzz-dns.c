/* SPDX-License-Identifier: Apache-2.0 */
/* DNS: questions of containers, answers to them, names for addresses, and the name servers of resolv.conf. */
#include <errno.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "net/dns.h"
#include "tests/fuzz/fuzz.h"

static void answer(const uint8_t *data, size_t size, const struct dns_question *q)
{
	static const uint8_t addr[16] = { 10, 1, 2, 3 };
	uint8_t out[DNS_UDP_PLAIN];
	struct dns_answer a;
	struct dns_question back;
	size_t len;

	MUST(q->end <= size && q->end >= DNS_HEADER + 5);
	MUST(q->udp_size >= DNS_UDP_PLAIN && q->udp_size <= DNS_UDP_MAX);
	MUST(memchr(q->name, '\0', sizeof(q->name)) != NULL);
	dns_answer_begin(&a, out, sizeof(out), data, q, DNS_CODE_OK);
	for (int i = 0; i < 40; i++) {
		dns_answer_address(&a, AF_INET, addr, 60);
		dns_answer_address(&a, AF_INET6, addr, 60);
		dns_answer_name(&a, q->name, 60);
	}
	len = dns_answer_end(&a);
	MUST(len <= sizeof(out) && a.truncated);
	MUST(dns_parse(out, len, &back) == -ENOMSG);
	out[2] &= 0x7f; /* our answer's question is the one that was asked */
	memset(out + 6, 0, 6);
	MUST(dns_parse(out, len, &back) == 0 && strcmp(back.name, q->name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct sockaddr_in6 servers[3];
	struct in6_addr addr;
	struct dns_question q;
	uint8_t refused[DNS_HEADER];
	int r = dns_parse(data, size, &q);
	size_t n;

	MUST(r == 0 || r == -ENOMSG || r == -EBADMSG || r == -EOPNOTSUPP);
	if (r == 0) {
		answer(data, size, &q);
		(void)dns_parse_reverse(q.name, &addr);
	} else if (r != -ENOMSG) {
		MUST(dns_refuse(refused, data, DNS_CODE_FORMAT) == DNS_HEADER);
	}
	n = dns_cut((uint8_t *)text, size, DNS_UDP_PLAIN);
	MUST(n <= size && (n <= DNS_UDP_PLAIN || size < DNS_HEADER));
	free(text);
	text = fuzz_text(data, size);
	(void)dns_parse_reverse(text, &addr);
	n = dns_parse_servers(text, servers, 3);
	MUST(n >= 1 && n <= 3);
	return 0;
}
