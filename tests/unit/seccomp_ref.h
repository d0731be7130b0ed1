/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two judges of a compiled seccomp profile: the profile's rules evaluated
 * directly ("oracle"), and libseccomp's own compiler ("reference"), fed the
 * way other OCI runtimes feed it. Also podman's profile as it would hand it
 * to a runtime. For cmocka tests; include <cmocka.h> before.
 */
#ifndef TESTS_UNIT_SECCOMP_REF_H
#define TESTS_UNIT_SECCOMP_REF_H

#include <errno.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/seccomp_vm.h"

#define PODMAN_PROFILE "/usr/share/containers/seccomp.json"
#define NRS	       601
#define ABIS	       3
#define RULES_MAX      6000

static const struct {
	uint32_t token, audit, base;
	bool is32;
	const char *oci;
} abis[ABIS] = {
	{ SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0, false, "SCMP_ARCH_X86_64" },
	{ SCMP_ARCH_X86, AUDIT_ARCH_I386, 0, true, "SCMP_ARCH_X86" },
	{ SCMP_ARCH_X32, AUDIT_ARCH_X86_64, VM_X32_BIT, true, "SCMP_ARCH_X32" },
};

/* ---- the oracle ----------------------------------------------------------------------------- */
struct cond {
	unsigned int index;
	char op[24];
	uint64_t value, two;
};
struct rule {
	uint32_t action;
	const char *name;
	size_t n;
	struct cond c[6];
};
struct oracle {
	uint32_t def;
	bool listed[ABIS];
	bool fixed; /* not a random profile */
	struct rule r[RULES_MAX];
	size_t n;
	int last[ABIS];
	unsigned int per_nr[ABIS][NRS][40]; /* rule index + 1, zero-terminated */
	bool bundled[ABIS][NRS];	    /* socketcall, ipc: judged by other tests */
};

static inline uint32_t action_of(const json_t *o, const char *key, const char *errno_key)
{
	const char *a = json_string_value(json_object_get(o, key));
	const json_t *d = json_object_get(o, errno_key);
	uint32_t data = json_is_integer(d) ? (uint32_t)json_integer_value(d) : EPERM;

	if (strcmp(a, "SCMP_ACT_ALLOW") == 0)
		return SCMP_ACT_ALLOW;
	if (strcmp(a, "SCMP_ACT_ERRNO") == 0)
		return SCMP_ACT_ERRNO(data);
	if (strcmp(a, "SCMP_ACT_TRACE") == 0)
		return SCMP_ACT_TRACE(data);
	if (strcmp(a, "SCMP_ACT_LOG") == 0)
		return SCMP_ACT_LOG;
	if (strcmp(a, "SCMP_ACT_TRAP") == 0)
		return SCMP_ACT_TRAP;
	if (strcmp(a, "SCMP_ACT_KILL_PROCESS") == 0)
		return SCMP_ACT_KILL_PROCESS;
	if (strcmp(a, "SCMP_ACT_NOTIFY") == 0)
		return SCMP_ACT_NOTIFY;
	assert_true(strcmp(a, "SCMP_ACT_KILL") == 0 || strcmp(a, "SCMP_ACT_KILL_THREAD") == 0);
	return SCMP_ACT_KILL_THREAD;
}

static inline bool passes(uint32_t action)
{
	uint32_t full = action & SECCOMP_RET_ACTION_FULL;

	return full == SECCOMP_RET_ALLOW || full == SECCOMP_RET_LOG || full == SECCOMP_RET_TRACE;
}

/* The number by which the kernel knows the name (libseccomp answers with a negative one for bundled calls). */
static inline int number_of(int abi, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(abis[abi].token, name);

	if (nr >= 0 || nr == __NR_SCMP_ERROR)
		return nr;
	for (int i = 330; i < 410; i++) {
		char *s = seccomp_syscall_resolve_num_arch(abis[abi].token, i);
		bool same = s != NULL && strcmp(s, name) == 0;

		free(s);
		if (same)
			return i;
	}
	return nr;
}

static inline void oracle_add(struct oracle *o, const struct rule *r)
{
	assert_true(o->n < RULES_MAX);
	o->r[o->n++] = *r;
	for (int a = 0; a < ABIS; a++) {
		int nr = number_of(a, r->name);
		unsigned int *list;

		if (nr < 0)
			continue;
		nr = (int)((uint32_t)nr & ~VM_X32_BIT);
		assert_true(nr < NRS);
		if (nr > o->last[a])
			o->last[a] = nr;
		if (r->action == o->def)
			continue;
		list = o->per_nr[a][nr];
		while (*list != 0)
			list++;
		assert_true(list < &o->per_nr[a][nr][39]);
		*list = (unsigned int)o->n;
	}
}

static inline struct oracle *oracle_new(const json_t *profile)
{
	struct oracle *o = calloc(1, sizeof(*o));
	const json_t *archs = json_object_get(profile, "architectures"), *entry, *item;
	size_t i, k;

	assert_non_null(o);
	o->def = action_of(profile, "defaultAction", "defaultErrnoRet");
	o->listed[0] = true;
	for (int a = 0; a < ABIS; a++) {
		o->last[a] = -1;
		json_array_foreach(archs, i, item)
			o->listed[a] |= strcmp(json_string_value(item), abis[a].oci) == 0;
	}
	o->bundled[1][102] = o->bundled[1][117] = true;
	json_array_foreach(json_object_get(profile, "syscalls"), i, entry) {
		struct rule r = { .action = action_of(entry, "action", "errnoRet") };
		const json_t *args = json_object_get(entry, "args");
		unsigned int seen = 0;
		bool twice = false;

		json_array_foreach(args, k, item) {
			struct cond c = { .index = (unsigned int)json_integer_value(
						  json_object_get(item, "index")) };

			(void)snprintf(c.op, sizeof(c.op), "%s",
				       json_string_value(json_object_get(item, "op")));
			c.value = (uint64_t)json_integer_value(json_object_get(item, "value"));
			c.two = (uint64_t)json_integer_value(json_object_get(item, "valueTwo"));
			twice |= (seen & (1u << c.index)) != 0;
			seen |= 1u << c.index;
			assert_true(r.n < 6);
			r.c[r.n++] = c;
		}
		json_array_foreach(json_object_get(entry, "names"), k, item) {
			r.name = json_string_value(item);
			if (!twice) {
				oracle_add(o, &r);
				continue;
			}
			for (size_t m = 0; m < r.n; m++) {
				struct rule one = {
					.action = r.action, .name = r.name, .n = 1, .c = { r.c[m] }
				};

				oracle_add(o, &one);
			}
		}
	}
	return o;
}

static inline bool holds(const struct cond *c, const uint64_t args[6], bool is32)
{
	uint64_t wide = is32 ? UINT32_MAX : UINT64_MAX;
	uint64_t v = args[c->index] & wide, want = c->value & wide;
	const char *op = c->op + strlen("SCMP_CMP_");

	if (strcmp(op, "NE") == 0)
		return v != want;
	if (strcmp(op, "LT") == 0)
		return v < want;
	if (strcmp(op, "LE") == 0)
		return v <= want;
	if (strcmp(op, "EQ") == 0)
		return v == want;
	if (strcmp(op, "GE") == 0)
		return v >= want;
	if (strcmp(op, "GT") == 0)
		return v > want;
	assert_string_equal(op, "MASKED_EQ");
	return (v & want) == (c->two & want);
}

static inline int32_t strict(uint32_t action)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL);
}

static inline uint32_t oracle_eval(const struct oracle *o, int abi, int nr, const uint64_t args[6],
				   bool *ambiguous)
{
	const unsigned int *list = o->per_nr[abi][nr];
	uint32_t ret = o->def;
	bool found = false;

	*ambiguous = false;
	if (nr > o->last[abi] && o->last[abi] >= 0 && !passes(o->def))
		return SCMP_ACT_ERRNO(ENOSYS);
	for (size_t i = 0; list[i] != 0; i++)
		if (o->r[list[i] - 1].n == 0)
			return o->r[list[i] - 1].action;
	for (size_t i = 0; list[i] != 0; i++) {
		const struct rule *r = &o->r[list[i] - 1];
		bool all = true;

		for (size_t k = 0; k < r->n; k++)
			all &= holds(&r->c[k], args, abis[abi].is32);
		if (!all)
			continue;
		if (found && ret != r->action)
			*ambiguous = true;
		if (!found || strict(r->action) < strict(ret))
			ret = r->action;
		found = true;
	}
	return ret;
}

/* ---- the reference ---------------------------------------------------------------------------- */
static inline enum scmp_compare ref_op(const char *op)
{
	static const char *const names[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	static const enum scmp_compare values[] = { SCMP_CMP_NE,       SCMP_CMP_LT, SCMP_CMP_LE,
						    SCMP_CMP_EQ,       SCMP_CMP_GE, SCMP_CMP_GT,
						    SCMP_CMP_MASKED_EQ };

	for (size_t i = 0; i < 7; i++)
		if (strcmp(op + strlen("SCMP_CMP_"), names[i]) == 0)
			return values[i];
	fail();
	return SCMP_CMP_EQ;
}

/*
 * NULL when libseccomp refuses the profile (it does not take the same condition twice). Its 2.5 forgets to load the
 * number in some filters that list x32 and begin with a conditional rule; no judge then (the fixed profiles begin
 * otherwise).
 */
static inline struct sock_filter *ref_build(const struct oracle *o)
{
	bool x32_untrusted = o->listed[2] && !o->fixed;
	scmp_filter_ctx ctx = seccomp_init(o->def);
	struct sock_filter *f = NULL;
	off_t size;
	int fd;

	assert_non_null(ctx);
	if (x32_untrusted)
		goto out;
	for (int a = 1; a < ABIS; a++)
		if (o->listed[a])
			assert_int_equal(seccomp_arch_add(ctx, abis[a].token), 0);
	for (size_t i = 0; i < o->n; i++) {
		const struct rule *r = &o->r[i];
		struct scmp_arg_cmp c[6];
		int nr;

		nr = seccomp_syscall_resolve_name(r->name);
		if (r->action == o->def || nr == __NR_SCMP_ERROR)
			continue;
		for (size_t k = 0; k < r->n; k++)
			c[k] = (struct scmp_arg_cmp){ .arg = r->c[k].index,
						      .op = ref_op(r->c[k].op),
						      .datum_a = r->c[k].value,
						      .datum_b = r->c[k].two };
		if (seccomp_rule_add_array(ctx, r->action, nr, (unsigned int)r->n, c) != 0)
			goto out;
	}
	fd = memfd_create("bpf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	size = lseek(fd, 0, SEEK_END);
	f = malloc((size_t)size);
	assert_non_null(f);
	assert_true(pread(fd, f, (size_t)size, 0) == (ssize_t)size);
	assert_int_equal(close(fd), 0);
	assert_true(vm_valid(f, (size_t)size / sizeof(*f)));
out:
	seccomp_release(ctx);
	return f;
}

/* As podman turns its file into an OCI object for a container with these capabilities. */
static inline json_t *podman_profile(const char *const *caps)
{
	json_t *file = json_load_file(PODMAN_PROFILE, 0, NULL), *out, *list, *entry, *item;
	size_t i, k;

	if (file == NULL)
		return NULL;
	out = json_pack("{s:O,s:O,s:[sss],s:[]}", "defaultAction",
			json_object_get(file, "defaultAction"), "defaultErrnoRet",
			json_object_get(file, "defaultErrnoRet"), "architectures",
			"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "syscalls");
	assert_non_null(out);
	list = json_object_get(out, "syscalls");
	json_array_foreach(json_object_get(file, "syscalls"), i, entry) {
		json_t *inc = json_object_get(entry, "includes"),
		       *exc = json_object_get(entry, "excludes"), *copy;
		bool take = json_object_get(inc, "arches") == NULL;

		json_array_foreach(json_object_get(inc, "arches"), k, item)
			take |= strcmp(json_string_value(item), "amd64") == 0;
		for (int ex = 0; ex < 2; ex++)
			json_array_foreach(json_object_get(ex ? exc : inc, "caps"), k, item) {
				bool have = false;

				for (size_t m = 0; caps[m] != NULL; m++)
					have |= strcmp(caps[m], json_string_value(item)) == 0;
				take &= have != (ex == 1);
			}
		if (!take)
			continue;
		copy = json_pack("{s:O,s:O}", "names", json_object_get(entry, "names"), "action",
				 json_object_get(entry, "action"));
		if (json_is_integer(json_object_get(entry, "errnoRet")))
			json_object_set(copy, "errnoRet", json_object_get(entry, "errnoRet"));
		if (json_array_size(json_object_get(entry, "args")) > 0)
			json_object_set(copy, "args", json_object_get(entry, "args"));
		json_array_append_new(list, copy);
	}
	json_decref(file);
	return out;
}

#endif
