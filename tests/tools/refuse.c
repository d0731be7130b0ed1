/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: refuse CALL=ERRNO[,CALL=ERRNO...] CMD [ARG...]
 *
 * Run a command that finds some system calls refused ("mknodat=EPERM,openat2=ENOSYS"), as under an
 * older kernel or in an outer container. Needs root, so that set-uid programs keep working.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number(const char *name)
{
	for (int err = 1; err < 200; err++) {
		const char *known = strerrorname_np(err);

		if (known != NULL && strcmp(known, name) == 0)
			return err;
	}
	return -1;
}

static int refuse(scmp_filter_ctx ctx, char *what)
{
	char *equals = strchr(what, '=');
	int err = equals != NULL ? number(equals + 1) : -1;
	int call;

	if (err < 0)
		return -1;
	*equals = '\0';
	call = seccomp_syscall_resolve_name(what);
	if (call == __NR_SCMP_ERROR)
		return -1;
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)err), call, 0);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	char *rest, *what;

	if (argc < 3 || ctx == NULL) {
		(void)fprintf(stderr, "usage: refuse CALL=ERRNO[,...] CMD [ARG...]\n");
		return 2;
	}
	rest = argv[1];
	while ((what = strsep(&rest, ",")) != NULL)
		if (refuse(ctx, what) < 0) {
			(void)fprintf(stderr, "refuse: %s: unknown\n", what);
			return 2;
		}
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) < 0 || seccomp_load(ctx) < 0) {
		(void)fprintf(stderr, "refuse: the filter is not taken (needs root)\n");
		return 2;
	}
	seccomp_release(ctx);
	(void)execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 2;
}
