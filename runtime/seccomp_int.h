/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of the seccomp compiler share: names, the parsed profile, the emitter. */
#ifndef RUNTIME_SECCOMP_INT_H
#define RUNTIME_SECCOMP_INT_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1u << 5)
#endif

/* OCI name of the ABI of this program */
#if defined(__x86_64__) && defined(__ILP32__)
#define SECCOMP_NATIVE "SCMP_ARCH_X32"
#elif defined(__x86_64__)
#define SECCOMP_NATIVE "SCMP_ARCH_X86_64"
#elif defined(__i386__)
#define SECCOMP_NATIVE "SCMP_ARCH_X86"
#elif defined(__aarch64__)
#define SECCOMP_NATIVE "SCMP_ARCH_AARCH64"
#elif defined(__arm__)
#define SECCOMP_NATIVE "SCMP_ARCH_ARM"
#elif defined(__riscv) && __riscv_xlen == 64
#define SECCOMP_NATIVE "SCMP_ARCH_RISCV64"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SECCOMP_NATIVE "SCMP_ARCH_PPC64LE"
#elif defined(__s390x__)
#define SECCOMP_NATIVE "SCMP_ARCH_S390X"
#elif defined(__loongarch64)
#define SECCOMP_NATIVE "SCMP_ARCH_LOONGARCH64"
#elif defined(__mips64) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SECCOMP_NATIVE "SCMP_ARCH_MIPSEL64"
#else
#error "name this machine's OCI architecture"
#endif

#define SECCOMP_ARGS 6 /* arguments of a system call */

/* One comparison: ((arg & mask) TEST value), the result inverted when negate is set. */
enum seccomp_test {
	SECCOMP_TEST_EQ,
	SECCOMP_TEST_GE,
	SECCOMP_TEST_GT,
};
struct seccomp_cond {
	uint8_t arg;
	uint8_t test;
	bool negate;
	uint64_t mask; /* all ones except for SECCOMP_TEST_EQ */
	uint64_t value;
};

/* All conditions hold -> action. No condition: always. */
struct seccomp_rule {
	uint32_t action; /* SECCOMP_RET_* with its data */
	uint32_t cond_n;
	struct seccomp_cond cond[SECCOMP_ARGS];
};

/* "this rule is about this number"; order is the order of the profile */
struct seccomp_ref {
	uint32_t nr;
	uint32_t rule;
};

/*
 * Names and numbers of system calls, generated at build time by runtime/make-syscall-table.c: one column
 * for each ABI that this kernel's family runs, found through an open hash of the names.
 */
#define SECCOMP_COLUMNS 3
#define SECCOMP_SLOTS	2048
struct seccomp_row {
	char name[32];
	uint8_t socketcall;	     /* its number behind socketcall(2), 0 = none */
	uint8_t ipc;		     /* its number behind ipc(2), 0 = none */
	int32_t nr[SECCOMP_COLUMNS]; /* -1 = not in this ABI */
};
extern const uint32_t seccomp_columns[SECCOMP_COLUMNS]; /* libseccomp's token of the ABI, 0 = none */
extern const struct seccomp_row seccomp_rows[];
extern const uint16_t seccomp_slots[SECCOMP_SLOTS];

/* An ABI as the kernel's seccomp_data shows it. */
struct seccomp_arch {
	const char *name; /* OCI's */
	uint32_t audit;	  /* seccomp_data.arch */
	uint32_t token;	  /* libseccomp's */
	bool is32;	  /* arguments are 32 bits wide */
};

/* The rules of one ABI. Numbers outside [lo, hi] never reach it. */
struct seccomp_section {
	const struct seccomp_arch *arch;
	int column;	    /* of seccomp_rows */
	int32_t socketcall; /* numbers of the bundling calls, -1 = none */
	int32_t ipc;
	uint32_t lo;
	uint32_t hi;
	struct seccomp_ref *refs;
	size_t refs_n;
	size_t refs_cap;
	bool has_last;
	uint32_t last; /* highest number that the profile names */
};

#define SECCOMP_SECTIONS 4 /* no kernel runs more ABIs */

struct seccomp_profile {
	struct seccomp_rule *rules;
	size_t rules_n;
	size_t rules_cap;
	struct seccomp_section sections[SECCOMP_SECTIONS]; /* native first */
	size_t sections_n;
	uint32_t default_action;
	uint32_t beyond_action;	 /* numbers above the highest named one */
	uint32_t foreign_action; /* ABIs that the profile does not list */
};

/* NULL when unknown */
const struct seccomp_arch *seccomp_arch_find(const char *name);
/* Fills test, negate, mask, value from OCI's value and valueTwo. -EINVAL when op is unknown. */
int seccomp_cond_parse(const char *op, uint64_t value, uint64_t value_two,
		       struct seccomp_cond *ret);
/* Column of the ABI in the table of calls, or -1: not runnable here. */
int seccomp_arch_column(const struct seccomp_arch *arch);
/* NULL when the name is unknown. */
const struct seccomp_row *seccomp_row_find(const char *name);

/* The finished program, owned by the caller. Sorts the sections' refs. 0 or -errno. */
int seccomp_emit(struct seccomp_profile *p, struct sock_filter **ret, unsigned short *ret_len,
		 struct error *e);

#endif
