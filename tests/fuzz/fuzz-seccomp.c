/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp to BPF: what comes out is what the kernel accepts, every path
 * of it ends, and it answers with nothing but an action.
 */
#include "runtime/seccomp.h"
#include "base/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/seccomp_vm.h"

static void run(const struct seccomp_program *p, uint32_t arch, uint32_t nr, uint64_t arg)
{
	const struct seccomp_data d = { .nr = (int)nr,
					.arch = arch,
					.args = { arg, arg >> 1, arg + 1, ~arg, 0, arg } };
	unsigned int steps = 0;
	uint32_t answer = vm_run(p->filter, &d, &steps);

	MUST(steps <= p->len);
	switch (answer & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		break;
	case SECCOMP_RET_USER_NOTIF:
		MUST(p->has_notify && p->listener_path != NULL);
		break;
	default: /* an answer that is no action */
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64,
					   AUDIT_ARCH_ARM, 0 };
	static const uint64_t args[] = { 0, 1, 0x80000000u, 0x100000001ull, UINT64_MAX };
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *j = json_parse((const char *)data, size, "seccomp", &e);
	_cleanup_seccomp_program_ struct seccomp_program p = SECCOMP_PROGRAM_INIT;
	int r;

	if (j == NULL)
		return 0;
	r = seccomp_compile(j, &p, &e);
	fuzz_check_result(r, &e);
	if (r < 0) {
		MUST(p.filter == NULL && p.listener_path == NULL);
		return 0;
	}
	if (p.filter == NULL)
		return 0;
	MUST(vm_valid(p.filter, p.len));
	for (size_t a = 0; a < sizeof(arches) / sizeof(arches[0]); a++)
		for (uint32_t nr = 0; nr < 470; nr++) {
			run(&p, arches[a], nr, args[nr % 5]);
			run(&p, arches[a], nr | VM_X32_BIT, args[(nr + 1) % 5]);
		}
	run(&p, AUDIT_ARCH_X86_64, UINT32_MAX, 0);
	return 0;
}
