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

/* ABIs with socketcall(2) and ipc(2). */
enum arch_mux {
	MUX_NONE = -1,
	MUX_X86,
	MUX_S390,
	MUX_PPC,
	MUX_MIPS,
	MUX_COUNT,
};
struct seccomp_mux {
	const char *name;
	bool ipc; /* else socketcall */
	uint16_t call;
	uint16_t nr[MUX_COUNT]; /* number of its own, 0 = none */
};

/* An ABI as the kernel's seccomp_data shows it. */
struct seccomp_arch {
	const char *name; /* OCI's */
	uint32_t audit;	  /* seccomp_data.arch */
	uint32_t token;	  /* libseccomp's */
	uint8_t family;	  /* ABIs that one kernel can run together */
	bool is32;	  /* arguments are 32 bits wide */
	int8_t mux;	  /* enum arch_mux */
	uint32_t nr_base; /* offset of the numbers in this ABI */
};

/* The rules of one ABI. Numbers outside [lo, hi] never reach it. */
struct seccomp_section {
	const struct seccomp_arch *arch;
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
const struct seccomp_arch *seccomp_arch_find_native(void);
/* Fills test, negate, mask, value from OCI's value and valueTwo. -EINVAL when op is unknown. */
int seccomp_cond_parse(const char *op, uint64_t value, uint64_t value_two,
		       struct seccomp_cond *ret);
/* Number of a name, or a negative value: unknown here. */
int64_t seccomp_nr_resolve(const struct seccomp_arch *arch, const char *name);
/* NULL when the name is not bundled anywhere. */
const struct seccomp_mux *seccomp_mux_find(const char *name);

/* The finished program, owned by the caller. Sorts the sections' refs. 0 or -errno. */
int seccomp_emit(struct seccomp_profile *p, struct sock_filter **ret, unsigned short *ret_len,
		 struct error *e);

#endif
