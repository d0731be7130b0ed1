/* SPDX-License-Identifier: Apache-2.0 */
/* policy.json: whatever it holds, only a list that is understood and met lets an image pass. */
#include <string.h>

#include "base/cleanup.h"
#include "storage/registry/policy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *policy = json_parse((const char *)data, size, "policy.json", NULL);
	struct error e = ERROR_INIT;
	int r;

	if (policy == NULL)
		return 0;
	r = policy_judge(policy, "docker", "a.example.com/team/app:1", "a.example.com/team/app",
			 &e);
	MUST(r == 0 || (r < 0 && e.msg[0] != '\0'));
	if (r == 0)
		MUST(memmem(data, size, "insecureAcceptAnything", 22) != NULL ||
		     memmem(data, size, "\\u", 2) != NULL);
	(void)policy_judge(policy, "oci", "/a/b:c", "/a/b", NULL);
	return 0;
}
