/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -p, --network, --dns and subnets, each line with a letter in front: p, e (-P), m (a mode), n (a mode or
 * networks), s or d.
 */
#include "base/cleanup.h"
#include "base/limits.h"
#include "net/net.h"
#include "tests/fuzz/fuzz.h"

static void subnet(const char *text)
{
	struct net_network n = { .name = "n" };
	struct error e = ERROR_INIT;
	int family = 0, r = net_parse_subnet(text, &n, &family, &e);

	fuzz_check_result(r, &e);
	MUST(r < 0 || family == AF_INET || family == AF_INET6);
	if (r == 0) {
		MUST(net_network_check(&n, &e) == 0);
		MUST(net_network_overlaps(&n, &n));
	}
}

static void one(struct net_request *r, const char *line)
{
	struct error e = ERROR_INIT;

	if (line[0] == 'p')
		fuzz_check_result(net_parse_publish(line + 1, r, &e), &e);
	else if (line[0] == 'e')
		fuzz_check_result(net_parse_exposed(line + 1, r, &e), &e);
	else if (line[0] == 'm')
		fuzz_check_result(net_parse_mode(line + 1, r, &e), &e);
	else if (line[0] == 'n')
		fuzz_check_result(net_parse_network(line + 1, r, &e), &e);
	else if (line[0] == 's')
		subnet(line + 1);
	else if (line[0] == 'd' && strv_add(&r->dns, line + 1) == 0)
		fuzz_check_result(net_check_dns(r, &e), &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct net_request r;
	char *save = NULL;

	net_request_init(&r);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		one(&r, line);
	MUST(r.forwards_n <= LIMIT_FORWARDS);
	MUST(memchr(r.cidr, '\0', sizeof(r.cidr)) != NULL);
	for (size_t i = 0; i < r.forwards_n; i++) {
		MUST(r.forwards[i].container_port != 0 && r.forwards[i].proto < NET_PROTO_COUNT);
		MUST(memchr(r.forwards[i].host_addr, '\0', sizeof(r.forwards[i].host_addr)) !=
		     NULL);
	}
	MUST(r.members_n <= NET_MEMBERS_MAX);
	net_request_fini(&r);
	return 0;
}
