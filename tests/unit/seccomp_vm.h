/* SPDX-License-Identifier: Apache-2.0 */
/* A classic BPF interpreter for seccomp programs, with the kernel's own rules on what is a valid program. */
#ifndef TESTS_UNIT_SECCOMP_VM_H
#define TESTS_UNIT_SECCOMP_VM_H

#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VM_X32_BIT 0x40000000u

/* True when the kernel's checker would accept the program: known codes, forward jumps inside, a return at the end. */
static inline bool vm_valid(const struct sock_filter *f, size_t n)
{
	if (n == 0 || n > BPF_MAXINSNS || f[n - 1].code != (BPF_RET | BPF_K))
		return false;
	for (size_t i = 0; i < n; i++) {
		switch (f[i].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f[i].k % 4 != 0 || f[i].k >= sizeof(struct seccomp_data))
				return false;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
		case BPF_RET | BPF_K:
			break;
		case BPF_JMP | BPF_JA:
			if (f[i].k >= n - i - 1)
				return false;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			if (i + 1 + f[i].jt >= n || i + 1 + f[i].jf >= n)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* The program's answer; *steps (may be NULL) counts the instructions. */
static inline uint32_t vm_run(const struct sock_filter *f, const struct seccomp_data *d,
			      unsigned int *steps)
{
	uint32_t a = 0;
	unsigned int count = 0;

	for (size_t i = 0;; i++) {
		bool yes;

		count++;
		switch (f[i].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)d + f[i].k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f[i].k;
			continue;
		case BPF_JMP | BPF_JA:
			i += f[i].k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == f[i].k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= f[i].k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = a > f[i].k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = (a & f[i].k) != 0;
			break;
		default: /* a return: vm_valid() saw all others */
			if (steps != NULL)
				*steps = count;
			return f[i].k;
		}
		i += yes ? f[i].jt : f[i].jf;
	}
}

static inline uint32_t vm_call(const struct sock_filter *f, uint32_t arch, uint32_t nr,
			       const uint64_t args[6])
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };

	if (args != NULL)
		memcpy(d.args, args, sizeof(d.args));
	return vm_run(f, &d, NULL);
}

#endif
