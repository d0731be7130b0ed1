/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that a seccomp profile may use: actions, operators, ABIs, flags
 * and system calls.
 *
 * Theory of operation: constant tables. The profile's author controls the
 * strings, which are only compared. The numbers of system calls differ for
 * each ABI; they are a table made at build time (runtime/make-syscall-table.c),
 * which also knows calls that are newer than the distribution's libseccomp: a
 * profile written for a newer distribution then means the same on this one.
 * Nothing is kept, nothing is allocated.
 */
#include "runtime/seccomp.h"
#include "runtime/seccomp_int.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Headers older than the newest OCI names. */
#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#define ARCH_LOONGARCH64 (EM_LOONGARCH | 0x80000000u | 0x40000000u)
#define ARCH_X32	 (EM_X86_64 | 0x40000000u)
#define X32_BIT		 0x40000000u

static const char *const action_names[] = {
	"SCMP_ACT_ALLOW",	"SCMP_ACT_ERRNO",
	"SCMP_ACT_KILL",	"SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",	"SCMP_ACT_TRACE",
	"SCMP_ACT_TRAP",	NULL,
};
static const uint32_t action_values[] = {
	SECCOMP_RET_ALLOW,	  SECCOMP_RET_ERRNO,	   SECCOMP_RET_KILL_THREAD,
	SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_LOG,
	SECCOMP_RET_USER_NOTIF,	  SECCOMP_RET_TRACE,	   SECCOMP_RET_TRAP,
};
_Static_assert(ARRAY_SIZE(action_names) == ARRAY_SIZE(action_values) + 1,
	       "one value for each action");

static const char *const operator_names[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE",	     "SCMP_CMP_GT", "SCMP_CMP_LE",
	"SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};
static const struct {
	uint8_t test;
	bool negate;
} operator_values[] = {
	{ SECCOMP_TEST_EQ, false }, { SECCOMP_TEST_GE, false }, { SECCOMP_TEST_GT, false },
	{ SECCOMP_TEST_GT, true },  { SECCOMP_TEST_GE, true },	{ SECCOMP_TEST_EQ, false },
	{ SECCOMP_TEST_EQ, true },
};
_Static_assert(ARRAY_SIZE(operator_names) == ARRAY_SIZE(operator_values) + 1,
	       "one value for each operator");
#define OPERATOR_MASKED_EQ 5

static const char *const flag_names[] = {
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};
static const unsigned int flag_values[] = {
	SECCOMP_FILTER_FLAG_LOG,
	SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	SECCOMP_FILTER_FLAG_TSYNC,
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};
_Static_assert(ARRAY_SIZE(flag_names) == ARRAY_SIZE(flag_values) + 1, "one value for each flag");

#define ARCH(n, a, is32)                   \
	{                                  \
		"SCMP_ARCH_" n, a, a, is32 \
	}
static const struct seccomp_arch arches[] = {
	ARCH("X86_64", AUDIT_ARCH_X86_64, false),
	ARCH("X86", AUDIT_ARCH_I386, true),
	{ "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, ARCH_X32, true },
	ARCH("AARCH64", AUDIT_ARCH_AARCH64, false),
	ARCH("ARM", AUDIT_ARCH_ARM, true),
	ARCH("MIPS", AUDIT_ARCH_MIPS, true),
	ARCH("MIPS64", AUDIT_ARCH_MIPS64, false),
	ARCH("MIPS64N32", AUDIT_ARCH_MIPS64N32, true),
	ARCH("MIPSEL", AUDIT_ARCH_MIPSEL, true),
	ARCH("MIPSEL64", AUDIT_ARCH_MIPSEL64, false),
	ARCH("MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32, true),
	ARCH("PPC64", AUDIT_ARCH_PPC64, false),
	ARCH("PPC", AUDIT_ARCH_PPC, true),
	ARCH("PPC64LE", AUDIT_ARCH_PPC64LE, false),
	ARCH("S390X", AUDIT_ARCH_S390X, false),
	ARCH("S390", AUDIT_ARCH_S390, true),
	ARCH("PARISC64", AUDIT_ARCH_PARISC64, false),
	ARCH("PARISC", AUDIT_ARCH_PARISC, true),
	ARCH("RISCV64", AUDIT_ARCH_RISCV64, false),
	ARCH("LOONGARCH64", ARCH_LOONGARCH64, false),
	ARCH("M68K", AUDIT_ARCH_M68K, true),
	ARCH("SH", AUDIT_ARCH_SHEL, true),
	ARCH("SHEB", AUDIT_ARCH_SH, true),
};
static const char *const arch_names[] = {
	"SCMP_ARCH_AARCH64",	 "SCMP_ARCH_ARM",    "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",	 "SCMP_ARCH_MIPS",   "SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPS64N32",	 "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC",	 "SCMP_ARCH_PPC64",  "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_RISCV64",	 "SCMP_ARCH_S390",   "SCMP_ARCH_S390X",
	"SCMP_ARCH_SH",		 "SCMP_ARCH_SHEB",   "SCMP_ARCH_X32",
	"SCMP_ARCH_X86",	 "SCMP_ARCH_X86_64", NULL,
};
_Static_assert(ARRAY_SIZE(arch_names) == ARRAY_SIZE(arches) + 1, "every architecture is listed");

const char *const *seccomp_action_names(void)
{
	return action_names;
}

const char *const *seccomp_operator_names(void)
{
	return operator_names;
}

const char *const *seccomp_arch_names(void)
{
	return arch_names;
}

const char *const *seccomp_flag_names(void)
{
	return flag_names;
}

static int find_name(const char *const *names, const char *name)
{
	for (int i = 0; names[i] != NULL; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -EINVAL;
}

int seccomp_action_parse(const char *name, uint32_t *ret)
{
	int i = find_name(action_names, name);

	if (i < 0)
		return i;
	*ret = action_values[i];
	return 0;
}

int seccomp_flag_parse(const char *name, unsigned int *ret)
{
	int i = find_name(flag_names, name);

	if (i < 0)
		return i;
	*ret = flag_values[i];
	return 0;
}

int seccomp_cond_parse(const char *op, uint64_t value, uint64_t value_two, struct seccomp_cond *ret)
{
	int i = find_name(operator_names, op);

	if (i < 0)
		return i;
	ret->test = operator_values[i].test;
	ret->negate = operator_values[i].negate;
	if (i == OPERATOR_MASKED_EQ) {
		ret->mask = value;
		ret->value = value_two & value;
	} else {
		ret->mask = UINT64_MAX;
		ret->value = value;
	}
	return 0;
}

const struct seccomp_arch *seccomp_arch_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++)
		if (strcmp(arches[i].name, name) == 0)
			return &arches[i];
	return NULL;
}

int seccomp_arch_column(const struct seccomp_arch *arch)
{
	for (int i = 0; i < SECCOMP_COLUMNS; i++)
		if (seccomp_columns[i] == arch->token)
			return i;
	return -1;
}

/* The same function as in runtime/make-syscall-table.c. */
static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h ^ h >> 15;
}

const struct seccomp_row *seccomp_row_find(const char *name)
{
	for (uint32_t slot = hash(name);; slot++) {
		uint16_t i = seccomp_slots[slot % SECCOMP_SLOTS];

		if (i == 0) /* half of the slots are */
			return NULL;
		if (strcmp(seccomp_rows[i - 1].name, name) == 0)
			return &seccomp_rows[i - 1];
	}
}
