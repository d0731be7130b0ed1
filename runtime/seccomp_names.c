/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that a seccomp profile may use: actions, operators, ABIs, flags
 * and system calls.
 *
 * Theory of operation: constant tables. The profile's author controls the
 * strings, which are only compared. Numbers of system calls come from
 * libseccomp's tables, because they differ for each ABI; libseccomp of the
 * distribution may be older than the kernel, so the names that were added to
 * all ABIs under one number since Linux 6.5 are known here as well: a profile
 * written for a newer distribution then means the same on this one. Nothing
 * is kept, nothing is allocated.
 */
#include "runtime/seccomp.h"
#include "runtime/seccomp_int.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
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

enum arch_family {
	FAMILY_X86,
	FAMILY_ARM,
	FAMILY_MIPS,
	FAMILY_MIPSEL,
	FAMILY_PPC,
	FAMILY_PPCLE,
	FAMILY_S390,
	FAMILY_PARISC,
	FAMILY_RISCV,
	FAMILY_LOONGARCH,
	FAMILY_M68K,
	FAMILY_SH,
	FAMILY_SHEB
};

#define ARCH(n, a, f, is32, mux, base)                   \
	{                                                \
		"SCMP_ARCH_" n, a, a, f, is32, mux, base \
	}
static const struct seccomp_arch arches[] = {
	ARCH("X86_64", AUDIT_ARCH_X86_64, FAMILY_X86, false, MUX_NONE, 0),
	ARCH("X86", AUDIT_ARCH_I386, FAMILY_X86, true, MUX_X86, 0),
	{ "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, ARCH_X32, FAMILY_X86, true, MUX_NONE, X32_BIT },
	ARCH("AARCH64", AUDIT_ARCH_AARCH64, FAMILY_ARM, false, MUX_NONE, 0),
	ARCH("ARM", AUDIT_ARCH_ARM, FAMILY_ARM, true, MUX_NONE, 0),
	ARCH("MIPS", AUDIT_ARCH_MIPS, FAMILY_MIPS, true, MUX_MIPS, 4000),
	ARCH("MIPS64", AUDIT_ARCH_MIPS64, FAMILY_MIPS, false, MUX_NONE, 5000),
	ARCH("MIPS64N32", AUDIT_ARCH_MIPS64N32, FAMILY_MIPS, true, MUX_NONE, 6000),
	ARCH("MIPSEL", AUDIT_ARCH_MIPSEL, FAMILY_MIPSEL, true, MUX_MIPS, 4000),
	ARCH("MIPSEL64", AUDIT_ARCH_MIPSEL64, FAMILY_MIPSEL, false, MUX_NONE, 5000),
	ARCH("MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32, FAMILY_MIPSEL, true, MUX_NONE, 6000),
	ARCH("PPC64", AUDIT_ARCH_PPC64, FAMILY_PPC, false, MUX_PPC, 0),
	ARCH("PPC", AUDIT_ARCH_PPC, FAMILY_PPC, true, MUX_PPC, 0),
	ARCH("PPC64LE", AUDIT_ARCH_PPC64LE, FAMILY_PPCLE, false, MUX_PPC, 0),
	ARCH("S390X", AUDIT_ARCH_S390X, FAMILY_S390, false, MUX_S390, 0),
	ARCH("S390", AUDIT_ARCH_S390, FAMILY_S390, true, MUX_S390, 0),
	ARCH("PARISC64", AUDIT_ARCH_PARISC64, FAMILY_PARISC, false, MUX_NONE, 0),
	ARCH("PARISC", AUDIT_ARCH_PARISC, FAMILY_PARISC, true, MUX_NONE, 0),
	ARCH("RISCV64", AUDIT_ARCH_RISCV64, FAMILY_RISCV, false, MUX_NONE, 0),
	ARCH("LOONGARCH64", ARCH_LOONGARCH64, FAMILY_LOONGARCH, false, MUX_NONE, 0),
	ARCH("M68K", AUDIT_ARCH_M68K, FAMILY_M68K, true, MUX_NONE, 0),
	ARCH("SH", AUDIT_ARCH_SHEL, FAMILY_SH, true, MUX_NONE, 0),
	ARCH("SHEB", AUDIT_ARCH_SH, FAMILY_SHEB, true, MUX_NONE, 0),
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

/* Sorted by name; one number for every ABI (plus its base). */
struct number {
	const char *name;
	uint32_t nr;
};
static const struct number newer_calls[] = {
	{ "cachestat", 451 },
	{ "fchmodat2", 452 },
	{ "file_getattr", 468 },
	{ "file_setattr", 469 },
	{ "futex_requeue", 456 },
	{ "futex_wait", 455 },
	{ "futex_wake", 454 },
	{ "getxattrat", 464 },
	{ "listmount", 458 },
	{ "listns", 470 },
	{ "listxattrat", 465 },
	{ "lsm_get_self_attr", 459 },
	{ "lsm_list_modules", 461 },
	{ "lsm_set_self_attr", 460 },
	{ "map_shadow_stack", 453 },
	{ "mseal", 462 },
	{ "open_tree_attr", 467 },
	{ "removexattrat", 466 },
	{ "set_mempolicy_home_node", 450 },
	{ "setxattrat", 463 },
	{ "statmount", 457 },
};

/*
 * Sorted by name: calls that some ABIs bundle behind socketcall(2) or ipc(2), with the number in its first
 * argument. Most of them got a number of their own later, which libseccomp does not tell: one column for
 * each enum arch_mux, 0 = none.
 */
static const struct seccomp_mux mux_calls[] = {
	{ "accept", false, 5, { 0, 0, 330, 4168 } },
	{ "accept4", false, 18, { 364, 364, 344, 4334 } },
	{ "bind", false, 2, { 361, 361, 327, 4169 } },
	{ "connect", false, 3, { 362, 362, 328, 4170 } },
	{ "getpeername", false, 7, { 368, 368, 332, 4171 } },
	{ "getsockname", false, 6, { 367, 367, 331, 4172 } },
	{ "getsockopt", false, 15, { 365, 365, 340, 4173 } },
	{ "listen", false, 4, { 363, 363, 329, 4174 } },
	{ "msgctl", true, 14, { 402, 402, 402, 4402 } },
	{ "msgget", true, 13, { 399, 399, 399, 4399 } },
	{ "msgrcv", true, 12, { 401, 401, 401, 4401 } },
	{ "msgsnd", true, 11, { 400, 400, 400, 4400 } },
	{ "recv", false, 10, { 0, 0, 336, 4175 } },
	{ "recvfrom", false, 12, { 371, 371, 337, 4176 } },
	{ "recvmmsg", false, 19, { 337, 357, 343, 4335 } },
	{ "recvmsg", false, 17, { 372, 372, 342, 4177 } },
	{ "semctl", true, 3, { 394, 394, 394, 4394 } },
	{ "semget", true, 2, { 393, 393, 393, 4393 } },
	{ "semop", true, 1, { 0, 0, 0, 0 } },
	{ "semtimedop", true, 4, { 0, 392, 392, 0 } },
	{ "send", false, 9, { 0, 0, 334, 4178 } },
	{ "sendmmsg", false, 20, { 345, 358, 349, 4343 } },
	{ "sendmsg", false, 16, { 370, 370, 341, 4179 } },
	{ "sendto", false, 11, { 369, 369, 335, 4180 } },
	{ "setsockopt", false, 14, { 366, 366, 339, 4181 } },
	{ "shmat", true, 21, { 397, 397, 397, 4397 } },
	{ "shmctl", true, 24, { 396, 396, 396, 4396 } },
	{ "shmdt", true, 22, { 398, 398, 398, 4398 } },
	{ "shmget", true, 23, { 395, 395, 395, 4395 } },
	{ "shutdown", false, 13, { 373, 373, 338, 4182 } },
	{ "socket", false, 1, { 359, 359, 326, 4183 } },
	{ "socketpair", false, 8, { 360, 360, 333, 4184 } },
};

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

const struct seccomp_arch *seccomp_arch_find_native(void)
{
	uint32_t token = seccomp_arch_native();

	for (size_t i = 0; i < ARRAY_SIZE(arches); i++)
		if (arches[i].token == token)
			return &arches[i];
	return NULL;
}

static int compare_number(const void *name, const void *entry)
{
	return strcmp(name, ((const struct number *)entry)->name);
}

int64_t seccomp_nr_resolve(const struct seccomp_arch *arch, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(arch->token, name);

	if (nr >= 0)
		return nr;
	if (nr == __NR_SCMP_ERROR) {
		const struct number *c = bsearch(name, newer_calls, ARRAY_SIZE(newer_calls),
						 sizeof(newer_calls[0]), compare_number);

		if (c != NULL)
			return arch->nr_base + c->nr;
	}
	return -1;
}

static int compare_mux(const void *name, const void *entry)
{
	return strcmp(name, ((const struct seccomp_mux *)entry)->name);
}

const struct seccomp_mux *seccomp_mux_find(const char *name)
{
	return bsearch(name, mux_calls, ARRAY_SIZE(mux_calls), sizeof(mux_calls[0]), compare_mux);
}

unsigned int seccomp_supported_flags(void)
{
	unsigned int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flag_values); i++) {
		unsigned int ask = flag_values[i];

		/* this one is only valid together with a listener */
		if (ask == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
			ask |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		/* the program pointer is NULL: a known flag gives EFAULT, nothing is installed */
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, ask, NULL) < 0 && errno == EFAULT)
			ret |= flag_values[i];
	}
	return ret;
}

bool seccomp_action_supported(uint32_t action)
{
	uint32_t full = action & SECCOMP_RET_ACTION_FULL;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &full) == 0;
}
