/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to runtime/: from an OCI linux.seccomp object to a classic BPF
 * program. Done in the parent; the child only installs the finished program.
 */
#ifndef RUNTIME_SECCOMP_H
#define RUNTIME_SECCOMP_H

#include <jansson.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Zero-initialise with SECCOMP_PROGRAM_INIT. filter == NULL: nothing to install. Free with seccomp_program_fini(). */
struct seccomp_program {
	struct sock_filter *filter; /* for struct sock_fprog */
	unsigned short len;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_*; the caller adds NEW_LISTENER when has_notify */
	bool has_notify;    /* some answer is SECCOMP_RET_USER_NOTIF */
	char *listener_path;	 /* linux.seccomp.listenerPath or NULL */
	char *listener_metadata; /* linux.seccomp.listenerMetadata or NULL */
};
#define SECCOMP_PROGRAM_INIT	  ((struct seccomp_program){ .filter = NULL })
#define _cleanup_seccomp_program_ __attribute__((cleanup(seccomp_program_fini)))

/*
 * Compile. linux_seccomp is borrowed; NULL or JSON null gives an empty
 * program. Unknown syscall names are skipped; unknown actions, operators,
 * architectures and flags are -EINVAL with the JSON path in the message, and
 * so is a NOTIFY action without listenerPath; -E2BIG when the result is
 * longer than the kernel's 4096 instructions. *ret is untouched on failure
 * and owned by the caller afterwards.
 *
 * Flags: an absent "flags" asks for SPEC_ALLOW, an empty array for none, as
 * runc and crun do.
 */
int seccomp_compile(const json_t *linux_seccomp, struct seccomp_program *ret, struct error *e);
void seccomp_program_fini(struct seccomp_program *p);

/*
 * Names for `features`: NULL-terminated constant tables of what
 * seccomp_compile() accepts ("SCMP_ACT_ALLOW", "SCMP_CMP_EQ", "SCMP_ARCH_X86_64",
 * "SECCOMP_FILTER_FLAG_LOG").
 */
const char *const *seccomp_action_names(void);
const char *const *seccomp_operator_names(void);
const char *const *seccomp_arch_names(void);
const char *const *seccomp_flag_names(void);
/* The value of a name of seccomp_flag_names() / seccomp_action_names(); -EINVAL when unknown. */
int seccomp_flag_parse(const char *name, unsigned int *ret);
int seccomp_action_parse(const char *name, uint32_t *ret);

#endif
