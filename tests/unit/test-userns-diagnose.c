/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns/diagnose.c: the cause is told from sysctls that this kernel need not have. What /proc says is made up here
 * (linked with --wrap=procfs_read).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/procfs.h"
#include "userns/private.h"

/* file, text, file, text ... NULL */
static const char *const *files;

int __wrap_procfs_read(int proc_fd, const char *rel, size_t max, char **ret);

int __wrap_procfs_read(int proc_fd, const char *rel, size_t max, char **ret)
{
	(void)proc_fd;
	(void)max;
	for (size_t i = 0; files[i] != NULL; i += 2) {
		if (strcmp(files[i], rel) == 0) {
			*ret = strdup(files[i + 1]);
			return *ret != NULL ? 0 : -ENOMEM;
		}
	}
	return -ENOENT;
}

#define APPARMOR "sys/kernel/apparmor_restrict_unprivileged_userns"
#define ROOT	 "self/mountinfo", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"

static void expect(const char *const *list, int err, const char *want, const char * not )
{
	struct userns_caps caps = { .kind = USERNS_KIND_RANGE };
	struct error e = ERROR_INIT;

	files = list;
	assert_int_equal(diagnose_clone(err, &caps, &e), -err);
	if (strstr(e.msg, want) == NULL || (not != NULL && strstr(e.msg, not ) != NULL))
		fail_msg("wanted \"%s\": %s", want, e.msg);
}

static void test_causes(void **state)
{
	(void)state;
	expect((const char *const[]){ APPARMOR, "1\n", ROOT, NULL }, EACCES,
	       "load an AppArmor profile with \"userns,\"", "seccomp");
	expect((const char *const[]){ APPARMOR, "0\n", ROOT, NULL }, EPERM, "security module",
	       "AppArmor");
	/* the older switch is the more specific one */
	expect((const char *const[]){ APPARMOR, "1\n", "sys/kernel/unprivileged_userns_clone",
				      "0\n", ROOT, NULL },
	       EPERM, "sysctl kernel.unprivileged_userns_clone=1", "AppArmor");
	expect((const char *const[]){ "self/status", "Name:\tx\nSeccomp:\t2\n", ROOT, NULL }, EPERM,
	       "a seccomp filter forbids", "AppArmor");
	expect((const char *const[]){ "self/mountinfo", "1 2 3:4 /x /y rw - a b c\n", NULL }, EPERM,
	       "inside a chroot", NULL);
	expect((const char *const[]){ "sys/user/max_user_namespaces", "0\n", ROOT, NULL }, ENOSPC,
	       "sysctl user.max_user_namespaces=15000", NULL);
	expect((const char *const[]){ "sys/user/max_user_namespaces", "7\n", ROOT, NULL }, ENOSPC,
	       "user.max_user_namespaces = 7 is reached", NULL);
	expect((const char *const[]){ ROOT, NULL }, ENOSYS, "does not offer it", NULL);
	expect((const char *const[]){ ROOT, NULL }, EAGAIN, "ulimit -u", NULL);
}

static void test_powerless(void **state)
{
	(void)state;
	files = (const char *const[]){ APPARMOR, "1\n", NULL };
	assert_non_null(strstr(diagnose_powerless(), "AppArmor takes the capabilities"));
	files = (const char *const[]){ "self/status", "x\nSeccomp:\t2\n", NULL };
	assert_non_null(strstr(diagnose_powerless(), "seccomp"));
	files = (const char *const[]){ APPARMOR, "nonsense", NULL };
	assert_string_equal(diagnose_powerless(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_powerless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
