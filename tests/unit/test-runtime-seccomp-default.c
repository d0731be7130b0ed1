/* SPDX-License-Identifier: Apache-2.0 */
/* The default profile of `crt run`, call by call, through the BPF interpreter and next to podman's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/json.h"
#include "runtime/runtime.h"
#include "runtime/seccomp.h"
#include "tests/unit/seccomp_ref.h"

#define DENY(number) (SECCOMP_RET_ERRNO | (number))
#define ALLOW	     SECCOMP_RET_ALLOW
#define ALL_CAPS     ((1ull << 41) - 1)

static uint64_t cap_bit(const char *name)
{
	int n = runtime_cap_parse(name);

	assert_true(n >= 0);
	return 1ull << n;
}

static json_t *profile(uint64_t caps)
{
	struct error e = ERROR_INIT;
	struct buf b = BUF_INIT;
	json_t *j;

	assert_int_equal(runtime_seccomp_default_profile(caps, &b, &e), 0);
	j = json_parse(buf_str(&b), b.len, "profile", &e);
	if (j == NULL)
		fail_msg("%s", e.msg);
	buf_fini(&b);
	return j;
}

static struct seccomp_program program(uint64_t caps)
{
	struct seccomp_program p = SECCOMP_PROGRAM_INIT;
	struct error e = ERROR_INIT;
	json_t *j = profile(caps);

	if (seccomp_compile(j, &p, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(vm_valid(p.filter, p.len));
	json_decref(j);
	return p;
}

/* Answer of the native ABI to a call by name with up to three arguments. */
static uint32_t ask(const struct seccomp_program *p, const char *name, uint64_t a0, uint64_t a1,
		    uint64_t a2)
{
	const uint64_t args[6] = { a0, a1, a2 };
	int nr = seccomp_syscall_resolve_name(name);

	assert_true(nr >= 0);
	return vm_call(p->filter, seccomp_arch_native(), (uint32_t)nr, args);
}

/*
 * Every number of x86_64 that a container without capabilities does not get (arguments 0). The numbers of a real
 * container are compared with the same list by tests/feature/seccomp-golden.txt.
 */
static const struct {
	uint32_t answer;
	const char *numbers; /* ranges */
} golden_x86_64[] = {
	{ DENY(1),
	  "53 103 134 136 139 153 155-156 161 163-185 212 227 236 246 248-250 256 272 278-279 298 300 304 308 "
	  "312-313 320-321 323 333 335-423 428-433 440 442-443 450" },
	{ DENY(38), "425-427 435 457-461 467-600" },
	{ DENY(97), "41" },
};

static bool in_ranges(const char *r, int nr)
{
	while (*r != '\0') {
		char *end;
		long from = strtol(r, &end, 10), to = from;

		if (*end == '-')
			to = strtol(end + 1, &end, 10);
		if (nr >= from && nr <= to)
			return true;
		r = end;
		while (*r == ' ')
			r++;
	}
	return false;
}

static void test_golden(void **state)
{
	struct seccomp_program p = program(0);

	(void)state;
#ifdef __x86_64__
	for (int nr = 0; nr < NRS; nr++) {
		uint32_t got = vm_call(p.filter, AUDIT_ARCH_X86_64, (uint32_t)nr, NULL),
			 want = ALLOW;

		for (size_t i = 0; i < sizeof(golden_x86_64) / sizeof(golden_x86_64[0]); i++)
			if (in_ranges(golden_x86_64[i].numbers, nr))
				want = golden_x86_64[i].answer;
		if (got != want)
			fail_msg("call %d: got %#x, want %#x", nr, got, want);
	}
#else
	print_message("skipped: the list is for x86_64\n");
	(void)golden_x86_64;
	(void)in_ranges;
#endif
	seccomp_program_fini(&p);
}

static void test_needs_capability(void **state)
{
	static const struct {
		const char *cap, *calls;
	} table[] = {
		{ "SYS_ADMIN",
		  "bpf clone3 fanotify_init fsconfig fsmount fsopen fspick keyctl mount mount_setattr move_mount "
		  "open_tree perf_event_open pivot_root quotactl setdomainname sethostname setns syslog umount2 unshare" },
		{ "BPF", "bpf" },
		{ "PERFMON", "perf_event_open" },
		{ "SYSLOG", "syslog" },
		{ "DAC_READ_SEARCH", "open_by_handle_at" },
		{ "SYS_BOOT", "reboot" },
		{ "SYS_CHROOT", "chroot" },
		{ "SYS_MODULE", "init_module finit_module delete_module" },
		{ "SYS_PACCT", "acct" },
		{ "SYS_PTRACE", "kcmp process_madvise" },
		{ "SYS_RAWIO", "iopl ioperm" },
		{ "SYS_TIME", "settimeofday clock_settime" },
		{ "SYS_TTY_CONFIG", "vhangup" },
	};
	struct seccomp_program none = program(0);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct seccomp_program with = program(cap_bit(table[i].cap));
		char *calls = strdup(table[i].calls), *save = NULL;

		for (char *c = strtok_r(calls, " ", &save); c != NULL;
		     c = strtok_r(NULL, " ", &save)) {
			assert_int_equal(ask(&none, c, 0, 0, 0),
					 DENY(strcmp(c, "clone3") == 0 ? 38 : 1));
			assert_int_equal(ask(&with, c, 0, 0, 0), ALLOW);
		}
		free(calls);
		seccomp_program_fini(&with);
	}
	seccomp_program_fini(&none);
}

static void test_never(void **state)
{
	static const char *const never[] = { "add_key",	       "request_key",
					     "userfaultfd",    "io_uring_setup",
					     "io_uring_enter", "io_uring_register",
					     "kexec_load",     "kexec_file_load",
					     "vmsplice",       "swapon",
					     "swapoff",	       "lookup_dcookie",
					     "nfsservctl" };
	struct seccomp_program p = program(ALL_CAPS);

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_int_not_equal(ask(&p, never[i], 0, 0, 0), ALLOW);
	seccomp_program_fini(&p);
}

static void test_clone_flags(void **state)
{
	static const uint64_t ns[] = { 0x20000,	   0x02000000, 0x04000000, 0x08000000,
				       0x10000000, 0x20000000, 0x40000000 };
	struct seccomp_program none = program(0), admin = program(cap_bit("SYS_ADMIN"));
	const uint64_t thread = 0x3d0f00, fork = 0x1200011; /* as the C library passes them */

	(void)state;
	assert_int_equal(ask(&none, "clone", thread, 0, 0), ALLOW);
	assert_int_equal(ask(&none, "clone", fork, 0, 0), ALLOW);
	assert_int_equal(ask(&none, "clone", fork | 1ull << 63, 0, 0), ALLOW);
	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		assert_int_equal(ask(&none, "clone", fork | ns[i], 0, 0), DENY(1));
		assert_int_equal(ask(&none, "clone", thread | ns[i] | 1ull << 40, 0, 0), DENY(1));
		assert_int_equal(ask(&admin, "clone", fork | ns[i], 0, 0), ALLOW);
	}
	seccomp_program_fini(&none);
	seccomp_program_fini(&admin);
}

static void test_sockets(void **state)
{
	const uint64_t sets[] = { 0, ALL_CAPS };

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct seccomp_program p = program(sets[s]);

		for (uint64_t family = 0; family < 64; family++) {
			bool open = family == 1 || family == 2 || family == 10 || family == 16 ||
				    family == 17;

			assert_int_equal(ask(&p, "socket", family, 1, 0), open ? ALLOW : DENY(97));
			/* the kernel reads 32 bits: rubbish above them must not open anything */
			assert_int_not_equal(ask(&p, "socket", family | 1ull << 32, 1, 0), ALLOW);
			assert_int_not_equal(ask(&p, "socket", family | 0xffffffffull << 32, 1, 0),
					     ALLOW);
			assert_int_equal(ask(&p, "socketpair", family, 1, 0),
					 family == 1 ? ALLOW : DENY(1));
		}
		for (uint64_t proto = 0; proto < 24; proto++) {
			uint32_t got = ask(&p, "socket", 16, 3, proto),
				 audit = ask(&p, "socket", 16, 3, proto | 1ull << 35);

			if (s == 1)
				assert_int_equal(got, ALLOW);
			else
				assert_int_equal(got, proto == 9 ? DENY(22) :
						      proto == 8 ? DENY(1) :
								   ALLOW);
			if (s == 0 && proto == 9)
				assert_int_equal(audit, DENY(22));
		}
		seccomp_program_fini(&p);
	}
}

static void test_ioctl(void **state)
{
	static const uint64_t open_cmds[] = { 0,
					      0x5401,
					      0x5411,
					      0x5413,
					      0x541b,
					      0x541d,
					      0x80045430,
					      0xffffffff80045430ull,
					      0xffffffffffffffffull };
	static const uint64_t closed[] = { 0x5412, 0x541c };
	struct seccomp_program p = program(ALL_CAPS);

	(void)state;
	for (size_t i = 0; i < sizeof(open_cmds) / sizeof(open_cmds[0]); i++)
		assert_int_equal(ask(&p, "ioctl", 0, open_cmds[i], 0), ALLOW);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ask(&p, "ioctl", 0, closed[i], 0), DENY(25));
		assert_int_equal(ask(&p, "ioctl", 7, closed[i] | 1ull << 32, 9), DENY(25));
		assert_int_equal(ask(&p, "ioctl", 7, closed[i] | 0xffffffffull << 32, 9), DENY(25));
	}
	seccomp_program_fini(&p);
}

static void test_personality(void **state)
{
	struct seccomp_program p = program(ALL_CAPS);

	(void)state;
	assert_int_equal(ask(&p, "personality", 0, 0, 0), ALLOW);
	assert_int_equal(ask(&p, "personality", 8, 0, 0), ALLOW);
	assert_int_equal(ask(&p, "personality", 0x20000, 0, 0), ALLOW);
	assert_int_equal(ask(&p, "personality", 0x20008, 0, 0), ALLOW);
	assert_int_equal(ask(&p, "personality", 0xffffffff, 0, 0), ALLOW);
	assert_int_equal(ask(&p, "personality", 0x0040000, 0, 0), DENY(1)); /* ADDR_NO_RANDOMIZE */
	assert_int_equal(ask(&p, "personality", 0x0400000, 0, 0), DENY(1)); /* READ_IMPLIES_EXEC */
	seccomp_program_fini(&p);
}

static void test_foreign_and_new(void **state)
{
	const uint64_t sets[] = { 0, ALL_CAPS };

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct seccomp_program p = program(sets[s]);

		for (uint32_t nr = 0; nr < NRS; nr++) {
#ifdef __x86_64__
			assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, nr, NULL), DENY(38));
			assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, nr | VM_X32_BIT,
						 NULL),
					 DENY(38));
#endif
			assert_int_equal(vm_call(p.filter, 0x12345, nr, NULL), DENY(38));
			if (nr > 470)
				assert_int_equal(vm_call(p.filter, seccomp_arch_native(), nr, NULL),
						 DENY(38));
		}
		assert_int_equal(vm_call(p.filter, seccomp_arch_native(), UINT32_MAX, NULL),
				 DENY(38));
		seccomp_program_fini(&p);
	}
}

/* No call that podman's profile denies is open here, but for calls that are newer than its file. */
static void test_as_strict_as_podman(void **state)
{
	static const char *const sets[][4] = { { NULL },
					       { "CAP_SYS_CHROOT", NULL },
					       { "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", NULL },
					       { "CAP_AUDIT_WRITE", "CAP_SYS_TIME",
						 "CAP_DAC_READ_SEARCH", NULL } };

	(void)state;
	for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
		json_t *theirs_json = podman_profile(sets[s]);
		struct seccomp_program ours, theirs = SECCOMP_PROGRAM_INIT;
		uint64_t caps = 0;

		if (theirs_json == NULL) {
			print_message("skipped: no " PODMAN_PROFILE
				      " (package golang-github-containers-common)\n");
			skip();
		}
		for (size_t i = 0; sets[s][i] != NULL; i++)
			caps |= cap_bit(sets[s][i]);
		ours = program(caps);
		assert_int_equal(seccomp_compile(theirs_json, &theirs, NULL), 0);
		for (uint32_t nr = 0; nr < NRS; nr++)
			for (uint64_t v = 0; v < 64; v++)
				for (uint64_t w = 0; w < 12; w++) {
					const uint64_t args[6] = { v, w * 4, w };

					if (vm_call(theirs.filter, AUDIT_ARCH_X86_64, nr, args) ==
						    ALLOW ||
					    vm_call(ours.filter, AUDIT_ARCH_X86_64, nr, args) !=
						    ALLOW)
						continue;
					if (nr == 449 || (nr >= 451 && nr <= 456) ||
					    (nr >= 462 && nr <= 466))
						continue; /* futex_waitv, cachestat .. futex_requeue, mseal .. removexattrat */
					fail_msg("call %u, argument %llu is open, podman denies it",
						 nr, (unsigned long long)v);
				}
		seccomp_program_fini(&ours);
		seccomp_program_fini(&theirs);
		json_decref(theirs_json);
	}
}

/* The object means the same to a runtime that uses libseccomp. */
static void test_means_the_same_elsewhere(void **state)
{
	static const uint64_t values[] = { 0,
					   1,
					   2,
					   3,
					   5,
					   8,
					   9,
					   10,
					   11,
					   14,
					   16,
					   17,
					   18,
					   38,
					   40,
					   0x5412,
					   0x541c,
					   0x5413,
					   0x20000,
					   0x10000011,
					   1ull << 32,
					   1ull << 32 | 0x5412,
					   1ull << 32 | 38,
					   UINT64_MAX };
	const uint64_t sets[] = { 0, ALL_CAPS };
	const size_t n = sizeof(values) / sizeof(values[0]);

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct seccomp_program p = program(sets[s]);
		json_t *j = profile(sets[s]);
		struct oracle *o = oracle_new(j);
		struct sock_filter *ref = ref_build(o);

		assert_non_null(ref);
		for (uint32_t nr = 0; (int)nr <= o->last[0] && nr < 450; nr++)
			for (size_t i = 0; i < n * n; i++) {
				const uint64_t args[6] = { values[i % n], values[i / n],
							   values[i / n] };

				assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, nr, args),
						 vm_call(ref, AUDIT_ARCH_X86_64, nr, args));
			}
		free(ref);
		free(o);
		json_decref(j);
		seccomp_program_fini(&p);
	}
}

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void test_cost(void **state)
{
	struct seccomp_program p = program(0);
	struct buf b = BUF_INIT;
	double t = now_us();

	(void)state;
	assert_int_equal(runtime_seccomp_default_profile(0, &b, NULL), 0);
	for (int i = 0; i < 20; i++) {
		seccomp_program_fini(&p);
		p = program(0);
	}
	print_message(
		"default profile: %zu bytes, %u instructions; written, parsed and compiled in %.0f us\n",
		b.len, p.len, (now_us() - t) / 20);
	assert_true(b.len < 8192);
	assert_true(p.len < 300);
	seccomp_program_fini(&p);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_needs_capability),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_clone_flags),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_ioctl),
		cmocka_unit_test(test_personality),
		cmocka_unit_test(test_foreign_and_new),
		cmocka_unit_test(test_as_strict_as_podman),
		cmocka_unit_test(test_means_the_same_elsewhere),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
