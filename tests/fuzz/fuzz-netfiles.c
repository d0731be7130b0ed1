/* SPDX-License-Identifier: Apache-2.0 */
/* The host's resolv.conf and hosts, and --add-host: three parts, a line "---" between them. */
#include "base/cleanup.h"
#include "net/files.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *resolv = fuzz_part(&data, &size);
	_cleanup_free_ char *hosts = fuzz_part(&data, &size);
	_cleanup_free_ char *add = fuzz_part(&data, &size);
	_cleanup_buf_ struct buf a = BUF_INIT, b = BUF_INIT;
	struct strv list = { .v = NULL };
	struct error e = ERROR_INIT;
	struct net_request r;
	char *save = NULL;
	int res;

	net_request_init(&r);
	for (char *line = strtok_r(add, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		MUST(strv_add(&list, line) == 0);
	for (int mode = 0; mode < NET_MODE_COUNT; mode++) {
		r.mode = (enum net_mode)mode;
		buf_reset(&a);
		res = files_resolv_build(&r, resolv, &a, &e);
		fuzz_check_result(res, &e);
		buf_reset(&b);
		res = files_hosts_build(&r, hosts, "10.0.2.2", "box", "name", &list, &b, &e);
		fuzz_check_result(res, &e);
		MUST(res < 0 || b.len == 0 || b.data[b.len - 1] == '\n');
	}
	strv_fini(&list);
	net_request_fini(&r);
	return 0;
}
