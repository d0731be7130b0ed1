/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp compiler against two independent judges.
 *
 * "reference": libseccomp's own compiler, fed the way other OCI runtimes feed
 * it, its program run by the interpreter of seccomp_vm.h. "oracle": the
 * profile's rules evaluated directly, in C. Compared for every number of the
 * three ABIs of x86 and for generated arguments. Where several rules with
 * different actions match, libseccomp's answer depends on its internal tree;
 * there only the oracle counts (the strictest action). Deviations from
 * libseccomp that are wanted are written in the head of runtime/seccomp.c:
 * ENOSYS above the highest named call, foreign ABIs, bundled calls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/buf.h"
#include "runtime/seccomp.h"
#include "tests/unit/seccomp_ref.h"

/* ---- a deterministic random source ------------------------------------------------------- */
static uint64_t rng_state = 1;

static uint32_t rnd(uint32_t n)
{
	rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(rng_state >> 33) % n;
}

/* ---- comparing ---------------------------------------------------------------------------------- */
static struct seccomp_program build(const json_t *profile)
{
	struct seccomp_program p = SECCOMP_PROGRAM_INIT;
	struct error e = ERROR_INIT;

	if (seccomp_compile(profile, &p, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(vm_valid(p.filter, p.len));
	return p;
}

static const json_t *current; /* shown when a comparison fails */

static void show_current(void)
{
	char *text = json_dumps(current, JSON_COMPACT);

	print_message("%s\n", text);
	free(text);
}

struct tally {
	unsigned long calls, referenced;
};

/*
 * libseccomp 2.5 merges several inequalities on one argument wrongly ("a < 4" or "a <= 0x100000013" denies 4), so with
 * more than one rule for a call it judges only those that compare for equality.
 */
static bool ref_is_right(const struct oracle *o, int a, int nr)
{
	const unsigned int *list = o->per_nr[a][nr];

	for (size_t i = 0; list[0] != 0 && list[1] != 0 && list[i] != 0; i++)
		for (size_t k = 0; k < o->r[list[i] - 1].n; k++)
			if (strcmp(o->r[list[i] - 1].c[k].op, "SCMP_CMP_EQ") != 0)
				return false;
	return true;
}

static void compare_one(const struct oracle *o, const struct sock_filter *ours,
			const struct sock_filter *ref, int a, int nr, const uint64_t args[6],
			struct tally *t)
{
	uint32_t got = vm_call(ours, abis[a].audit, (uint32_t)nr + abis[a].base, args), want;
	bool ambiguous;

	if (!o->listed[a]) {
		want = (o->def & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ?
			       SCMP_ACT_ERRNO(ENOSYS) :
		       o->def == SCMP_ACT_KILL_PROCESS ? SCMP_ACT_KILL_PROCESS :
							 SCMP_ACT_KILL_THREAD;
		assert_int_equal(got, want);
		return;
	}
	if (o->bundled[a][nr])
		return;
	want = oracle_eval(o, a, nr, args, &ambiguous);
	t->calls++;
	if (got != want)
		show_current();
	if (got != want)
		fail_msg("%s nr %d args %llx %llx %llx: got %#x, want %#x", abis[a].oci, nr,
			 (unsigned long long)args[0], (unsigned long long)args[1],
			 (unsigned long long)args[2], got, want);
	if (ref == NULL || ambiguous || nr > o->last[a] || !(o->fixed || ref_is_right(o, a, nr)))
		return;
	want = vm_call(ref, abis[a].audit, (uint32_t)nr + abis[a].base, args);
	t->referenced++;
	if (got != want)
		show_current();
	if (got != want)
		fail_msg("%s nr %d args %llx %llx %llx: got %#x, libseccomp says %#x", abis[a].oci,
			 nr, (unsigned long long)args[0], (unsigned long long)args[1],
			 (unsigned long long)args[2], got, want);
}

/* Values around those that the rules of this number compare with. */
static void random_args(const struct oracle *o, int a, int nr, uint64_t args[6])
{
	const unsigned int *list = o->per_nr[a][nr];
	size_t n = 0;

	while (list[n] != 0)
		n++;
	for (int i = 0; i < 6; i++)
		args[i] = rnd(4) == 0 ? ((uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX)) :
					rnd(50);
	for (int tries = 0; tries < 4 && n > 0; tries++) {
		const struct rule *r = &o->r[list[rnd((uint32_t)n)] - 1];

		for (size_t k = 0; k < r->n; k++) {
			uint64_t v = strcmp(r->c[k].op, "SCMP_CMP_MASKED_EQ") == 0 ? r->c[k].two :
										     r->c[k].value;

			switch (rnd(8)) {
			case 0:
				v++;
				break;
			case 1:
				v--;
				break;
			case 2:
				v ^= 1ull << 32;
				break;
			case 3:
				v ^= 1ull << 63;
				break;
			case 4:
				v ^= 1ull << rnd(64);
				break;
			default:
				break;
			}
			args[r->c[k].index] = v;
		}
	}
	if (abis[a].audit == AUDIT_ARCH_I386)
		for (int i = 0; i < 6; i++)
			args[i] &= UINT32_MAX;
}

static void compare(const json_t *profile, bool fixed, int tuples, struct tally *t)
{
	struct oracle *o = oracle_new(profile);
	struct seccomp_program p = build(profile);
	static const uint64_t zero[6];
	struct sock_filter *ref;

	o->fixed = fixed;
	ref = ref_build(o);

	current = profile;
	for (int a = 0; a < ABIS; a++)
		for (int nr = 0; nr < NRS; nr++) {
			compare_one(o, p.filter, ref, a, nr, zero, t);
			for (int i = 0; o->per_nr[a][nr][0] != 0 &&
					o->r[o->per_nr[a][nr][0] - 1].n > 0 && i < tuples;
			     i++) {
				uint64_t args[6];

				random_args(o, a, nr, args);
				compare_one(o, p.filter, ref, a, nr, args, t);
			}
		}
	/* no ABI of this machine at all */
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_AARCH64, 63, zero),
			 vm_call(p.filter, 0, 0, zero));
	assert_false(passes(vm_call(p.filter, AUDIT_ARCH_AARCH64, 63, zero)));
	free(ref);
	free(o);
	seccomp_program_fini(&p);
}

/* ---- profiles ------------------------------------------------------------------------------------- */
static json_t *parse(const char *text)
{
	json_error_t je;
	json_t *j = json_loads(text, 0, &je);

	if (j == NULL)
		fail_msg("%s: %s", text, je.text);
	return j;
}

static void test_podman(void **state)
{
	static const char *const caps_none[] = { NULL };
	static const char *const caps_some[] = { "CAP_AUDIT_WRITE", "CAP_SYS_CHROOT", NULL };
	static const char *const caps_admin[] = { "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_TIME",
						  NULL };
	static const char *const *const sets[] = { caps_none, caps_some, caps_admin };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		json_t *p = podman_profile(sets[i]);
		struct tally t = { 0 };

		if (p == NULL) {
			print_message("skipped: no " PODMAN_PROFILE
				      " (package golang-github-containers-common)\n");
			skip();
		}
		compare(p, true, 300, &t);
		print_message(
			"podman's profile %zu: %lu calls compared, %lu of them with libseccomp\n",
			i, t.calls, t.referenced);
		json_decref(p);
	}
}

/* The shape of the other widespread profile: EPERM by default, masked clone, personality values, socket families. */
static void test_docker_like(void **state)
{
	static const char *const texts[] = {
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"architectures\":[\"SCMP_ARCH_X86_64\","
		"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"read\",\"write\",\"openat\",\"close\",\"mmap\","
		"\"munmap\",\"futex\",\"socketcall\",\"ipc\",\"clock_gettime\",\"futex_time64\",\"no_such_call\"],"
		"\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,\"valueTwo\":0,"
		"\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
		"{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38},"
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":131072,\"op\":"
		"\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":38,\"op\":\"SCMP_CMP_LT\"}]},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":39,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":40,\"op\":\"SCMP_CMP_GT\"}]}]}",
		/* a deny list, with kill and trap */
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":["
		"{\"names\":[\"ptrace\",\"kexec_load\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		"{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13,\"args\":[{\"index\":1,\"value\":4294967295,"
		"\"valueTwo\":21522,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
		"{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_TRAP\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":1,\"value\":9,\"op\":\"SCMP_CMP_GE\"}]},"
		"{\"names\":[\"prctl\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"value\":3,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":0,\"value\":7,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		/* nothing but a default */
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
		"{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":[]}",
		"{\"defaultAction\":\"SCMP_ACT_TRAP\",\"architectures\":[\"SCMP_ARCH_X32\",\"SCMP_ARCH_ARM\",\"SCMP_ARCH_S390X\"],"
		"\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":77}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *p = parse(texts[i]);
		struct tally t = { 0 };

		compare(p, true, 500, &t);
		assert_true(t.calls > 0);
		json_decref(p);
	}
}

static json_t *random_profile(void)
{
	static const char *const names[] = { "read",	   "write",   "ioctl",	      "socket",
					     "bind",	   "accept",  "personality",  "clone",
					     "kill",	   "mmap",    "semop",	      "shmat",
					     "fchmodat",   "statx",   "clone3",	      "ipc",
					     "socketcall", "time",    "futex_time64", "waitpid",
					     "keyctl",	   "openat2", "no_such",      "sendmsg" };
	static const char *const acts[] = { "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",
					    "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS",
					    "SCMP_ACT_TRAP",  "SCMP_ACT_TRACE",
					    "SCMP_ACT_LOG" };
	static const char *const ops[] = { "SCMP_CMP_NE",	"SCMP_CMP_LT", "SCMP_CMP_LE",
					   "SCMP_CMP_EQ",	"SCMP_CMP_GE", "SCMP_CMP_GT",
					   "SCMP_CMP_MASKED_EQ" };
	json_t *p = json_object(), *archs = json_array(), *list = json_array();
	uint32_t entries = rnd(12);

	json_object_set_new(p, "defaultAction", json_string(acts[rnd(7)]));
	for (int a = 0; a < ABIS; a++)
		if (rnd(2) == 0)
			json_array_append_new(archs, json_string(abis[a].oci));
	json_object_set_new(p, "architectures", archs);
	json_object_set_new(p, "syscalls", list);
	for (uint32_t i = 0; i < entries; i++) {
		const char *act = acts[rnd(rnd(2) ? 2 : 7)];
		json_t *entry = json_object(), *nl = json_array(), *args = json_array();
		uint32_t count = 1 + rnd(3);

		while (count-- > 0)
			json_array_append_new(nl, json_string(names[rnd(24)]));
		count = rnd(3) == 0 ? 0 : 1 + rnd(3);
		while (count-- > 0) {
			json_int_t v = rnd(3) != 0 ? rnd(6) :
						     (json_int_t)((uint64_t)rnd(3) << 32 | rnd(40));

			json_array_append_new(
				args, json_pack("{s:i,s:I,s:I,s:s}", "index", rnd(3), "value", v,
						"valueTwo", (json_int_t)rnd(5), "op", ops[rnd(7)]));
		}
		json_object_set_new(entry, "names", nl);
		json_object_set_new(entry, "action", json_string(act));
		if (rnd(2) == 0 &&
		    (strcmp(act, "SCMP_ACT_ERRNO") == 0 || strcmp(act, "SCMP_ACT_TRACE") == 0))
			json_object_set_new(entry, "errnoRet", json_integer(rnd(200)));
		json_object_set_new(entry, "args", args);
		json_array_append_new(list, entry);
	}
	return p;
}

static void test_random(void **state)
{
	struct tally t = { 0 };

	(void)state;
	for (int i = 0; i < 400; i++) {
		json_t *p = random_profile();

		rng_state += (uint64_t)i;
		compare(p, false, 60, &t);
		json_decref(p);
	}
	print_message("random profiles: %lu calls compared, %lu of them with libseccomp\n", t.calls,
		      t.referenced);
	assert_true(t.referenced > t.calls / 10);
}

/* ---- what libseccomp cannot judge ------------------------------------------------------------------ */
static void test_bundled_calls(void **state)
{
	const uint64_t one[6] = { 1 }, two[6] = { 2 }, v1[6] = { 0x10001 };
	struct seccomp_program p;
	json_t *j;

	(void)state;
	/* unconditional: both forms; conditional allow: the bundled form stays closed */
	j = parse(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":["
		"{\"names\":[\"bind\",\"semop\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}");
	p = build(j);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 361, NULL), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 102, two), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 102, one), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 359, two), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 117, one), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 117, v1), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 117, two), SECCOMP_RET_ERRNO | EPERM);
	seccomp_program_fini(&p);
	json_decref(j);
	/* a conditional denial closes the bundled form, whose arguments nobody can see */
	j = parse(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":["
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"value\":38,\"op\":\"SCMP_CMP_EQ\"}]}]}");
	p = build(j);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 102, one), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_I386, 102, two), SECCOMP_RET_ALLOW);
	seccomp_program_fini(&p);
	json_decref(j);
}

static void test_new_calls(void **state)
{
	json_t *j = parse(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X32\"],"
		"\"syscalls\":[{\"names\":[\"read\",\"fchmodat2\",\"mseal\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	struct seccomp_program p = build(j);

	(void)state;
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 452, NULL), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 462, NULL), SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, VM_X32_BIT + 452, NULL),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 453, NULL),
			 SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 463, NULL),
			 SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, UINT32_MAX, NULL),
			 SECCOMP_RET_ERRNO | ENOSYS);
	seccomp_program_fini(&p);
	json_decref(j);
}

static void test_flags_and_notify(void **state)
{
	struct seccomp_program p;
	json_t *j;

	(void)state;
	j = parse("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
	p = build(j);
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_false(p.has_notify);
	assert_null(p.listener_path);
	seccomp_program_fini(&p);
	json_decref(j);
	j = parse("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[]}");
	p = build(j);
	assert_int_equal(p.flags, 0);
	seccomp_program_fini(&p);
	json_decref(j);
	j = parse(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\","
		"\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"listenerPath\":\"/run/l\",\"listenerMetadata\":\"m\",\"syscalls\":["
		"{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}");
	p = build(j);
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_LOG | 1u << 5);
	assert_true(p.has_notify);
	assert_string_equal(p.listener_path, "/run/l");
	assert_string_equal(p.listener_metadata, "m");
	assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 83, NULL), SECCOMP_RET_USER_NOTIF);
	seccomp_program_fini(&p);
	json_decref(j);
	assert_int_equal(seccomp_compile(NULL, &p, NULL), 0);
	assert_null(p.filter);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "[]", "linux.seccomp: expected an object" },
		{ "{}", "linux.seccomp.defaultAction: missing" },
		{ "{\"defaultAction\":1}", "linux.seccomp.defaultAction: expected a string" },
		{ "{\"defaultAction\":\"ALLOW\"}",
		  "linux.seccomp.defaultAction: unknown action \"ALLOW\"" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "cannot be used as default action" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}",
		  "linux.seccomp.defaultErrnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":65536}",
		  "linux.seccomp.defaultErrnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
		  "takes no errno" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"x86\"]}",
		  "architectures[0]: unknown architecture \"x86\"" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":{}}",
		  "linux.seccomp.architectures" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}",
		  "flags[0]: unknown flag \"X\"" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[1]}",
		  "syscalls[0]: expected an object" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"]}]}",
		  "syscalls[0].action: missing" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]}",
		  "syscalls[0].names: at least one" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"\"],\"action\":\"SCMP_ACT_LOG\"}]}",
		  "syscalls[0].names[0]" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\","
		  "\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		  "syscalls[0].args[0].index" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\","
		  "\"args\":[{\"index\":0,\"value\":1,\"op\":\"EQ\"}]}]}",
		  "syscalls[0].args[0].op: unknown operator \"EQ\"" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\","
		  "\"args\":[{\"index\":0,\"value\":-1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		  "syscalls[0].args[0].value" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		  "listenerPath: missing" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"write\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		  "cannot be used for the write syscall" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seccomp_program p = SECCOMP_PROGRAM_INIT;
		struct error e = ERROR_INIT;
		json_t *j = parse(cases[i].text);

		assert_true(seccomp_compile(j, &p, &e) < 0);
		if (strstr(e.msg, cases[i].msg) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.msg, cases[i].msg);
		assert_null(p.filter);
		json_decref(j);
	}
}

/* A program as long as the kernel takes works, a longer one is refused, and long jumps are right. */
static void test_long_programs(void **state)
{
	(void)state;
	for (int n = 100; n <= 1700; n += 400) {
		struct seccomp_program p = SECCOMP_PROGRAM_INIT;
		struct error e = ERROR_INIT;
		struct buf b = BUF_INIT;
		json_t *j;
		int r;

		buf_puts(&b, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[");
		for (int i = 0; i < n; i++)
			buf_printf(
				&b,
				"%s{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_%s\",\"args\":[{\"index\":1,\"value\":%d,\"op\":"
				"\"SCMP_CMP_EQ\"}]}",
				i ? "," : "", i % 3 ? "ioctl" : "fcntl", i % 2 ? "ALLOW" : "LOG",
				i);
		buf_puts(&b, "]}");
		j = parse(buf_str(&b));
		r = seccomp_compile(j, &p, &e);
		if (n > 1100) {
			assert_int_equal(r, -E2BIG);
			assert_non_null(strstr(e.msg, "4096"));
		} else {
			assert_int_equal(r, 0);
			assert_true(vm_valid(p.filter, p.len));
			for (int i = 0; i < n + 10; i++) {
				const uint64_t args[6] = { 0, (uint64_t)i };
				uint32_t act = i % 2 ? SECCOMP_RET_ALLOW : SECCOMP_RET_LOG,
					 no = SECCOMP_RET_ERRNO | EPERM;

				assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 16, args),
						 i < n && i % 3 ? act : no);
				assert_int_equal(vm_call(p.filter, AUDIT_ARCH_X86_64, 72, args),
						 i < n && i % 3 == 0 ? act : no);
			}
		}
		seccomp_program_fini(&p);
		json_decref(j);
		buf_fini(&b);
	}
}

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Prints, judges nothing but the order of magnitude: the reason why this compiler exists. */
static void test_speed(void **state)
{
	static const char *const caps[] = { "CAP_SYS_CHROOT", NULL };
	json_t *j = podman_profile(caps);
	struct seccomp_program p = SECCOMP_PROGRAM_INIT;
	struct oracle *o;
	double t0, first, ours, ref;
	unsigned int steps, most = 0;

	(void)state;
	if (j == NULL) {
		print_message("skipped: no " PODMAN_PROFILE
			      " (package golang-github-containers-common)\n");
		skip();
	}
	t0 = now_us();
	p = build(j);
	first = now_us() - t0;
	t0 = now_us();
	for (int i = 0; i < 20; i++) {
		seccomp_program_fini(&p);
		p = build(j);
	}
	ours = (now_us() - t0) / 20;
	o = oracle_new(j);
	o->fixed = true;
	t0 = now_us();
	free(ref_build(o));
	ref = now_us() - t0;
	for (int nr = 0; nr < NRS; nr++) {
		struct seccomp_data d = { .arch = AUDIT_ARCH_X86_64, .nr = nr };

		(void)vm_run(p.filter, &d, &steps);
		most = steps > most ? steps : most;
	}
	print_message(
		"podman's profile, 3 ABIs: %u instructions, at most %u run; compiled in %.0f us (first time %.0f), "
		"libseccomp %.0f us\n",
		p.len, most, ours, first, ref);
	assert_true(ours * 2 < ref);
	free(o);
	seccomp_program_fini(&p);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_speed),
		cmocka_unit_test(test_podman),
		cmocka_unit_test(test_docker_like),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_bundled_calls),
		cmocka_unit_test(test_new_calls),
		cmocka_unit_test(test_flags_and_notify),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_long_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
