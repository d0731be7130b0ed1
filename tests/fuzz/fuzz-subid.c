/* SPDX-License-Identifier: Apache-2.0 */
/* subuid files, answers of getsubids, nsswitch.conf and passwd texts: no range overlaps another or holds the own id. */
#include "tests/fuzz/fuzz.h"
#include "userns/private.h"

#define OWN 1000u

static void check(const struct id_range *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t end = (uint64_t)a[i].outside + a[i].count;

		MUST(a[i].count > 0 && end <= UINT32_MAX);
		MUST(OWN < a[i].outside || OWN >= end);
		for (size_t k = 0; k < i; k++)
			MUST(a[k].outside >= end ||
			     (uint64_t)a[k].outside + a[k].count <= a[i].outside);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct id_range *a = NULL, *b = NULL;
	size_t a_n = 0, b_n = 0;
	char *name;

	if (size > 4096)
		return 0;
	MUST(subid_parse((const char *)data, size, "alice", OWN, OWN, &a, &a_n) == 0);
	check(a, a_n);
	MUST(subid_parse_getsubids((const char *)data, size, OWN, &b, &b_n) == 0);
	check(b, b_n);
	(void)subid_has_foreign_source((const char *)data, size);
	name = account_find_name((const char *)data, size, OWN);
	MUST(name == NULL || (name[0] != '\0' && strpbrk(name, ":\n") == NULL));
	free(name);
	free(a);
	free(b);
	return 0;
}
