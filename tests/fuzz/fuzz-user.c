/* SPDX-License-Identifier: Apache-2.0 */
/* --user and the passwd and group files of an image: three parts, a line "---" between them. */
#include "base/cleanup.h"
#include "cmd/user.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_part(&data, &size);
	_cleanup_free_ char *passwd = fuzz_part(&data, &size);
	_cleanup_free_ char *group = fuzz_part(&data, &size);
	char extra_name[] = "audio", extra_id[] = "29";
	char *extra[] = { extra_name, extra_id };
	struct user_identity u = { .uid = UINT32_MAX };
	struct error e = ERROR_INIT;
	int r;

	for (int i = 0; i < 4; i++) {
		r = user_resolve(text, (i & 1) != 0 ? NULL : passwd, (i & 2) != 0 ? NULL : group,
				 extra, i == 0 ? 2 : 0, &u, &e);
		fuzz_check_result(r, &e);
		if (r < 0)
			continue;
		MUST(u.uid != UINT32_MAX && u.gid != UINT32_MAX);
		MUST(u.home == NULL || u.home[0] == '/');
		for (size_t k = 0; k < u.groups_n; k++)
			MUST(u.groups[k] != UINT32_MAX);
		user_identity_fini(&u);
		u = (struct user_identity){ .uid = UINT32_MAX };
	}
	return 0;
}
