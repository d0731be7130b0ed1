/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: from struct spec to struct child_plan, with the memory and the fds that it needs. */
#ifndef RUNTIME_PREPARE_H
#define RUNTIME_PREPARE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/plan.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"

struct prepare_block;

/* The plan and what it points to. Zero-initialise with PREPARED_INIT, release with prepared_fini(). */
struct prepared {
	struct child_plan plan;
	struct prepare_block *blocks;
	struct seccomp_program seccomp;
	struct sock_fprog fprog;
	int fds[64]; /* closed by prepared_fini() */
	size_t fds_n;
};
void prepared_init(struct prepared *pr);
void prepared_fini(struct prepared *pr);
/* Zeroed memory that lives as long as pr; NULL when short. */
void *prepared_alloc(struct prepared *pr, size_t n, size_t size);
char *prepared_printf(struct prepared *pr, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Hand an fd over: closed by prepared_fini(). Returns fd, or -EMFILE (closed). */
int prepared_own_fd(struct prepared *pr, int fd);
/* Close one of them earlier; -1 is none. */
void prepared_close_fd(struct prepared *pr, int *fd);

/* What is the same for every container of this call. */
struct prepare_host {
	bool in_userns; /* this process lives in a user namespace already */
	bool cgroup2;	/* /sys/fs/cgroup is cgroup version 2 */
	uid_t euid;
	gid_t egid;
};
int prepare_host_probe(int proc_fd, struct prepare_host *ret, struct error *e);

/* process: ids, environment, capabilities, limits, seccomp (may be NULL), labels. */
int prepare_process(struct prepared *pr, const struct spec_process *p, const json_t *seccomp,
		    struct error *e);
/* When the filter has notifications: connect to its agent. state: the OCI state with pid %PID%, as one line. */
int prepare_notify(struct prepared *pr, const char *state, struct error *e);
/* namespaces: clone flags, joins, id maps to be written. */
int prepare_namespaces(struct prepared *pr, const struct spec *s, const struct prepare_host *h,
		       struct error *e);
/* hostname, sysctls, memory policy, personality. */
int prepare_settings(struct prepared *pr, const struct spec *s, struct error *e);
/* root, mounts, /dev, masked paths. bundle: absolute path for relative names. */
int prepare_rootfs(struct prepared *pr, const struct spec *s, const char *bundle,
		   const struct prepare_host *h, struct error *e);
int prepare_mounts(struct prepared *pr, const struct spec *s, const char *bundle, struct error *e);
int prepare_devices(struct prepared *pr, const struct spec *s, struct error *e);
/* cgroup v1 hierarchies of this host for a cgroup mount. */
/* Where the host has a procfs or sysfs, for a root that is entered without pivot_root(2). */
int prepare_no_pivot(struct prepared *pr, struct error *e);
int prepare_cgroup1(struct prepared *pr, struct error *e);
/* createContainer and startContainer hooks. */
int prepare_hooks(struct prepared *pr, const struct spec *s, struct error *e);

/* A CPU or node list "0-3,7" into bits of words. 0, -EINVAL or -ERANGE. */
int prepare_parse_list(const char *text, unsigned long *words, size_t words_n);

#endif
