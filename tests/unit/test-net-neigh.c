/* SPDX-License-Identifier: Apache-2.0 */
/* The frames that tell libslirp where the container is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/filter.h"
#include "net/neigh.h"
#include "tests/unit/frames.h"

static void both(void **state)
{
	static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
	uint8_t arp[NEIGH_ARP_LEN], na[NEIGH_NA_LEN];
	struct net_request r;
	struct layout l;

	(void)state;
	net_request_init(&r);
	assert_int_equal(layout_make(&r, &l, NULL), 0);
	neigh_arp_frame(&l, mac, arp);
	assert_true(filter_frame(arp, sizeof(arp)));
	assert_memory_equal(arp + 6, mac, 6);
	assert_memory_equal(arp + 22, mac, 6);
	assert_memory_equal(arp + 28, &l.guest, 4);
	neigh_na_frame(&l, mac, na);
	assert_true(filter_frame(na, sizeof(na)));
	assert_true(frame_sums_right(na, sizeof(na)));
	assert_memory_equal(na + 6, mac, 6);
	assert_memory_equal(na + 22, &l.guest6, 16);
	net_request_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both),
	};

	return cmocka_run_group_tests_name("net/neigh", tests, NULL, NULL);
}
