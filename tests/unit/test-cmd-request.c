/* SPDX-License-Identifier: Apache-2.0 */
/* Values of crt run's options. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/request.h"

/* The option parsers need a request; the network part belongs to another module and is not linked here. */
void net_request_init(struct net_request *r)
{
	*r = (struct net_request){ .ipv6 = true };
}

void net_request_fini(struct net_request *r)
{
	*r = (struct net_request){ .mode = NET_MODE_NONE };
}

static bool has(const struct strv *s, const char *want)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], want) == 0)
			return true;
	return false;
}

static void test_volumes(void **state)
{
	struct run_request r;
	struct error e = ERROR_INIT;

	(void)state;
	run_request_init(&r);
	assert_int_equal(request_add_volume(&r, "/usr:/mnt//x/:ro,z,exec", &e), 0);
	assert_string_equal(r.mounts[0].source, "/usr");
	assert_string_equal(r.mounts[0].destination, "/mnt/x");
	assert_true(has(&r.mounts[0].options, "ro"));
	assert_false(has(&r.mounts[0].options, "rw"));
	assert_true(has(&r.mounts[0].options, "rbind"));
	assert_true(has(&r.mounts[0].options, "nosuid"));
	assert_true(has(&r.mounts[0].options, "rprivate"));
	assert_int_equal(request_add_volume(&r, "/usr:/mnt/x", &e), -EINVAL); /* twice */
	assert_non_null(strstr(e.msg, "duplicate mount destination"));
	run_request_fini(&r);
}

static void test_bad_volumes(void **state)
{
	static const char *const bad[] = { "usr",
					   "/",
					   "/usr:relative",
					   "/usr:/",
					   "/usr:/a/..",
					   "/usr:/x:ro:rw",
					   "/usr:/x:bogus",
					   "-name:/x",
					   "na/me:/x",
					   "na me:/x",
					   "name:/x:copy,nocopy",
					   "name:/x:U,U",
					   "/nonexistent-dir:/x",
					   ":/x",
					   "/usr:/x:",
					   "/usr:/x:ro,",
					   "/usr:/x:ro,rw",
					   "/usr:/x:rw,ro",
					   "/usr:/x:ro,ro",
					   "/usr:/x:exec,z,noexec",
					   "/usr:/x:nosuid,suid",
					   "/usr:/x:dev,nodev",
					   "/usr:/x:z,Z",
					   "/usr:/x:bind,rbind",
					   "/usr:/x:private,rslave",
					   "/usr:/x:copy,nocopy",
					   "/usr:/x:tmpcopyup",
					   "/usr:/x:size=1m",
					   "/usr:/x:O",
					   "/usr:/x:idmap" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct run_request r;
		struct error e = ERROR_INIT;

		run_request_init(&r);
		if (request_add_volume(&r, bad[i], &e) >= 0 || strstr(e.msg, bad[i]) == NULL)
			fail_msg("-v %s: %s", bad[i], e.msg);
		run_request_fini(&r);
	}
}

static void test_named_volumes(void **state)
{
	struct run_request r;
	struct error e = ERROR_INIT;

	(void)state;
	run_request_init(&r);
	assert_int_equal(request_add_volume(&r, "name:/a:ro,nocopy", &e), 0);
	assert_int_equal(request_add_volume(&r, "/b", &e), 0);
	assert_int_equal(request_add_volume(&r, "/c:U", &e), -EINVAL); /* no place for it */
	assert_int_equal(request_add_mount(&r, "src=other,dst=/d,chown=true,volume-nocopy", &e), 0);
	assert_int_equal(request_add_default_mount(&r, REQUEST_MOUNT_VOLUME, NULL, "/a", 0, &e), 1);
	assert_int_equal(r.mounts_n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(r.mounts[i].type, REQUEST_MOUNT_VOLUME);
	assert_string_equal(r.mounts[0].source, "name");
	assert_int_equal(r.mounts[0].flags, REQUEST_MOUNT_NOCOPY);
	assert_true(has(&r.mounts[0].options, "ro"));
	assert_null(r.mounts[1].source);
	assert_int_equal(r.mounts[1].flags, REQUEST_MOUNT_ANONYMOUS);
	assert_string_equal(r.mounts[2].source, "other");
	assert_int_equal(r.mounts[2].flags, REQUEST_MOUNT_NOCOPY | REQUEST_MOUNT_CHOWN);
	run_request_fini(&r);
}

static void test_mounts(void **state)
{
	static const char *const bad[] = { "src=/usr,dst=/x",
					   "type=bind,dst=/x",
					   "type=bind,src=/usr",
					   "type=volume,src=a/b,dst=/x",
					   "type=volume,src=,dst=/x",
					   "type=volume,src=a",
					   "type=artifact,src=a,dst=/x",
					   "type=bind,src=/usr,dst=/x,ro=maybe",
					   "type=tmpfs,dst=/x,src=/usr",
					   "type=tmpfs,dst=/x,tmpfs-size=big",
					   "type=bind,src=/usr,dst=/x,nonsense",
					   "type=bind,src=/usr,dst=/x,ro,readonly=true",
					   "type=bind,src=/usr,dst=/x,rw,ro",
					   "type=bind,src=/usr,src=/usr,dst=/x",
					   "type=bind,src=/usr,dst=/x,dst=/x",
					   "type=bind,type=bind,src=/usr,dst=/x",
					   "type=bind,src=/usr,dst=/x,bind-propagation=ro",
					   "type=bind,src=/usr,dst=/x,relabel=bogus",
					   "type=bind,src=/usr,dst=/x,relabel=shared,z",
					   "type=bind,src=,dst=/x",
					   "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-size=2m",
					   "type=tmpfs,dst=/x,tmpfs-mode=99",
					   "type=tmpfs,dst=/x,tmpfs-mode=x",
					   "type=tmpfs,dst=/x,bind-propagation=private",
					   "type=tmpfs,dst=/x,tmpcopyup,notmpcopyup",
					   "type=tmpfs,dst=/x,z" };
	struct run_request r;
	struct error e = ERROR_INIT;

	(void)state;
	run_request_init(&r);
	assert_int_equal(request_add_mount(&r, "type=bind,source=/usr,target=/a,readonly", &e), 0);
	assert_true(has(&r.mounts[0].options, "ro"));
	assert_int_equal(
		request_add_mount(&r, "dst=/b,type=tmpfs,tmpfs-size=1m,tmpfs-mode=700", &e), 0);
	assert_true(has(&r.mounts[1].options, "size=1m"));
	assert_true(has(&r.mounts[1].options, "mode=700"));
	assert_int_equal(request_add_tmpfs(&r, "/c:size=5m,noexec", &e), 0);
	assert_true(has(&r.mounts[2].options, "noexec"));
	assert_true(has(&r.mounts[2].options, "tmpcopyup"));
	assert_int_equal(request_add_tmpfs(&r, "/d:notmpcopyup,ro", &e), 0);
	assert_false(has(&r.mounts[3].options, "tmpcopyup"));
	assert_false(has(&r.mounts[3].options, "rw"));
	assert_int_equal(request_add_mount(&r,
					   "type=bind,src=/usr,dst=/e,rw=false,bind-nonrecursive,"
					   "relabel=private,bind-propagation=rslave",
					   &e),
			 0);
	assert_true(has(&r.mounts[4].options, "ro"));
	assert_true(has(&r.mounts[4].options, "bind"));
	assert_true(has(&r.mounts[4].options, "rslave"));
	assert_false(has(&r.mounts[4].options, "rbind"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (request_add_mount(&r, bad[i], &e) >= 0)
			fail_msg("--mount %s was taken", bad[i]);
	run_request_fini(&r);
}

static void test_env(void **state)
{
	struct run_request r;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(setenv("CRT_TEST_A", "1", 1), 0);
	assert_int_equal(setenv("CRT_TEST_B", "2", 1), 0);
	run_request_init(&r);
	assert_int_equal(request_add_env(&r, "X=1", &e), 0);
	assert_int_equal(request_add_env(&r, "CRT_TEST_A", &e), 0);
	assert_int_equal(request_add_env(&r, "CRT_TEST_MISSING", &e), 0);
	assert_int_equal(r.env.n, 2);
	assert_string_equal(r.env.v[1], "CRT_TEST_A=1");
	assert_int_equal(request_add_env(&r, "CRT_TEST_*", &e), 0);
	assert_int_equal(r.env.n, 3);
	assert_int_equal(request_add_env(&r, "=x", &e), -EINVAL);
	assert_int_equal(request_add_env(&r, "", &e), -EINVAL);
	run_request_fini(&r);
}

static void test_ulimits(void **state)
{
	static const char *const bad[] = { "nofile",	 "nofile=", "nofile=a",
					   "nofile=5:4", "bogus=1", "nofile=-2" };
	struct run_request r;
	struct error e = ERROR_INIT;

	(void)state;
	run_request_init(&r);
	assert_int_equal(request_add_ulimit(&r, "nofile=10:20", &e), 0);
	assert_int_equal(request_add_ulimit(&r, "core=-1", &e), 0);
	assert_int_equal(request_add_ulimit(&r, "nofile=11", &e), 0); /* the last one wins */
	assert_int_equal(r.ulimits_n, 2);
	assert_string_equal(r.ulimits[0].type, "RLIMIT_NOFILE");
	assert_true(r.ulimits[0].soft == 11 && r.ulimits[0].hard == 11);
	assert_true(r.ulimits[1].soft == RLIM_INFINITY);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(request_add_ulimit(&r, bad[i], &e) < 0);
	run_request_fini(&r);
}

static void test_security_and_userns(void **state)
{
	struct run_request r;
	struct error e = ERROR_INIT;

	(void)state;
	run_request_init(&r);
	assert_int_equal(request_add_security_opt(&r, "no-new-privileges", &e), 0);
	assert_true(r.no_new_privs);
	assert_int_equal(request_add_security_opt(&r, "no-new-privileges:false", &e), 0);
	assert_false(r.no_new_privs);
	assert_int_equal(request_add_security_opt(&r, "mask=/a:/b", &e), 0);
	assert_int_equal(r.mask.n, 2);
	assert_int_equal(request_add_security_opt(&r, "seccomp=unconfined", &e), 0);
	assert_true(request_add_security_opt(&r, "seccomp", &e) < 0);
	assert_true(request_add_security_opt(&r, "selinux=on", &e) < 0);

	assert_int_equal(request_set_userns(&r, "keep-id:uid=5,gid=6", &e), 0);
	assert_int_equal(r.userns, REQUEST_USERNS_KEEP_ID);
	assert_int_equal(r.keep_uid, 5);
	assert_int_equal(r.keep_gid, 6);
	assert_true(request_set_userns(&r, "keep-id:uid=x", &e) < 0);
	assert_true(request_set_userns(&r, "auto", &e) < 0);

	assert_int_equal(request_set_entrypoint(&r, "[\"a\", \"b c\"]", &e), 0);
	assert_int_equal(r.entrypoint.n, 2);
	assert_int_equal(request_set_entrypoint(&r, "", &e), 0);
	assert_int_equal(r.entrypoint.n, 0);
	assert_true(request_set_entrypoint(&r, "[1]", &e) < 0);
	run_request_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_bad_volumes),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_named_volumes),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_ulimits),
		cmocka_unit_test(test_security_and_userns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
