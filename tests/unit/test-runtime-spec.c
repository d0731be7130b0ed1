/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: what is read, what is refused and in which words, and that damaged text is survived. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/error.h"
#include "runtime/spec.h"

#define MINIMAL                                                                                          \
	"\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"/bin/true\"]," \
	"\"cwd\":\"/\"}"
#define MOUNT_NS "{\"type\":\"mount\"}"

static int parse(const char *text, struct spec *s, struct error *e)
{
	*e = ERROR_INIT;
	return spec_parse(text, strlen(text), s, e);
}

static void test_minimal(void **state)
{
	struct spec s;
	struct error e;

	(void)state;
	assert_int_equal(parse("{" MINIMAL ",\"linux\":{\"namespaces\":[" MOUNT_NS "]}}", &s, &e),
			 0);
	assert_string_equal(s.root_path, "rootfs");
	assert_string_equal(s.process.args[0], "/bin/true");
	assert_null(s.process.args[1]);
	assert_int_equal(s.process.umask, -1);
	assert_true(s.ns[SPEC_NS_MOUNT].present);
	assert_false(s.ns[SPEC_NS_PID].present);
	assert_int_equal(spec_check(&s, &e), 0);
	spec_fini(&s);
}

static void test_rich(void **state)
{
	static const char text[] =
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/r\",\"readonly\":true},\"hostname\":\"h\","
		"\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},\"user\":{\"uid\":7,"
		"\"gid\":8,\"umask\":18,\"additionalGids\":[1,2]},\"args\":[\"a\",\"b\"],\"env\":[\"X=1\"],"
		"\"cwd\":\"/w\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_NOSUCH\"]},"
		"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":5,\"hard\":18446744073709551615}],"
		"\"oomScoreAdj\":-5,\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3},"
		"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4}},"
		"\"mounts\":[{\"destination\":\"/d\",\"type\":\"tmpfs\",\"options\":[\"ro\"],\"unknown\":{}}],"
		"\"hooks\":{\"poststop\":[{\"path\":\"/h\",\"timeout\":3}]},\"annotations\":{\"a\":\"b\"},"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"},{\"type\":\"uts\"},{\"type\":"
		"\"pid\",\"path\":\"/proc/1/ns/pid\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
		"\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":3}],"
		"\"maskedPaths\":[\"/proc/kcore\"],\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\","
		"\"flags\":[\"MPOL_F_STATIC_NODES\"]}}}";
	struct spec s;
	struct error e;

	(void)state;
	assert_int_equal(parse(text, &s, &e), 0);
	assert_int_equal(spec_check(&s, &e), 0);
	assert_true(s.process.terminal);
	assert_int_equal(s.process.rows, 24);
	assert_int_equal(s.process.uid, 7);
	assert_int_equal(s.process.gids_n, 2);
	assert_int_equal(s.process.umask, 022);
	assert_int_equal(s.process.caps[SPEC_CAP_BOUNDING], 1 << 5);
	assert_string_equal(s.process.unknown_cap, "CAP_NOSUCH");
	assert_true(s.process.rlimits[0].hard == UINT64_MAX);
	assert_int_equal(s.process.oom_score_adj, -5);
	assert_int_equal(s.process.sched.policy, 3);
	assert_int_equal(s.process.ioprio, 2 << 13 | 4);
	assert_int_equal(s.mounts_n, 1);
	assert_int_equal(s.hooks[SPEC_HOOK_POSTSTOP].v[0].timeout, 3);
	assert_string_equal(s.ns[SPEC_NS_PID].path, "/proc/1/ns/pid");
	assert_int_equal(s.idmap.uid[0].outside, 1000);
	assert_true(s.has_mempolicy);
	assert_int_equal(s.mempolicy_mode, 2 | 1 << 15);
	spec_fini(&s);
}

/* Each wrong document and a piece of what must be said about it. */
static const struct {
	const char *text;
	const char *says;
} wrong[] = {
	{ "", "config.json" },
	{ "[]", "expected an object" },
	{ "{}", "ociVersion" },
	{ "{\"ociVersion\":1}", "ociVersion" },
	{ "{" MINIMAL ",\"mounts\":{}}", "mounts" },
	{ "{" MINIMAL ",\"mounts\":[{}]}", "mounts[0].destination" },
	{ "{" MINIMAL ",\"mounts\":[{\"destination\":\"/a\",\"options\":[3]}]}",
	  "mounts[0].options[0]" },
	{ "{" MINIMAL ",\"hooks\":{\"poststop\":[{\"path\":\"rel\"}]}}", "hooks.poststop[0].path" },
	{ "{" MINIMAL ",\"linux\":{\"namespaces\":[{\"type\":\"moon\"}]}}", "moon" },
	{ "{" MINIMAL ",\"linux\":{\"namespaces\":[" MOUNT_NS "," MOUNT_NS "]}}", "given twice" },
	{ "{" MINIMAL ",\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":0}]}}",
	  "uidMappings[0]" },
	{ "{" MINIMAL
	  ",\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":4294967295,\"size\":9}]}}",
	  "uidMappings" },
	{ "{" MINIMAL ",\"linux\":{\"devices\":[{\"path\":\"/d\",\"type\":\"cc\"}]}}",
	  "linux.devices[0].type" },
	{ "{" MINIMAL ",\"linux\":{\"sysctl\":{\"a\":1}}}", "linux.sysctl" },
	{ "{" MINIMAL ",\"annotations\":{\"a\":[]}}", "annotations" },
	{ "{" MINIMAL ",\"linux\":{\"memoryPolicy\":{\"mode\":\"x\"}}}", "memoryPolicy.mode" },
	{ "{" MINIMAL ",\"ociVersion\":\"1.0.2\"}", "ociVersion" }, /* a duplicate key */
	{ "{" MINIMAL, "config.json" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct spec s;
		struct error e;

		if (parse(wrong[i].text, &s, &e) == 0)
			fail_msg("accepted: %s", wrong[i].text);
		if (strstr(e.msg, wrong[i].says) == NULL)
			fail_msg("%s: \"%s\" does not name \"%s\"", wrong[i].text, e.msg,
				 wrong[i].says);
	}
}

static int parse_process(const char *text, struct spec_process *p, struct error *e)
{
	json_t *j = json_loads(text, 0, NULL);
	int r;

	assert_non_null(j);
	*e = ERROR_INIT;
	r = spec_process_parse(j, "process", p, e);
	if (r == 0)
		spec_process_fini(p);
	json_decref(j);
	return r;
}

static void test_T13_numbers(void **state)
{
	static const char *const bad[] = {
		"-1", "4294967295", "4294967296", "\"0\"", "1.5", "true"
	};
	static const char *const good[] = { "0", "2147483648", "4294967294" };
	struct spec_process p;
	struct error e;
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"user\":{\"uid\":%s}}", bad[i]);
		assert_int_equal(parse_process(text, &p, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "process.user.uid"));
		(void)snprintf(text, sizeof(text), "{\"user\":{\"additionalGids\":[%s]}}", bad[i]);
		assert_int_equal(parse_process(text, &p, &e), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"user\":{\"uid\":%s,\"gid\":%s}}", good[i],
			       good[i]);
		assert_int_equal(parse_process(text, &p, &e), 0);
	}
	assert_int_equal(
		parse_process("{\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
			      "{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]}",
			      &p, &e),
		-EINVAL);
	assert_non_null(strstr(e.msg, "given twice"));
}

/* Refusals of what is well-formed. tail goes into "linux" behind a mount namespace. */
static const struct {
	const char *head;
	const char *tail;
	const char *says;
} refused[] = {
	{ ",\"hostname\":\"x\"", "", "UTS" },
	{ "", ",\"sysctl\":{\"kernel.shmmax\":\"1\"}", "ipc" },
	{ "", ",\"sysctl\":{\"net.core.somaxconn\":\"1\"}", "network" },
	{ "", ",\"sysctl\":{\"vm.swappiness\":\"1\"}", "separate kernel namespace" },
	{ "", ",\"sysctl\":{\"net/../kernel/core_pattern\":\"x\"}", "not a sysctl name" },
	{ "", ",\"rootfsPropagation\":\"sideways\"", "rootfsPropagation" },
	{ "", ",\"maskedPaths\":[\"proc\"]", "maskedPaths[0]" },
	{ "", ",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]", "isn't enabled" },
	{ "", ",\"timeOffsets\":{\"monotonic\":{\"secs\":1}}", "time namespace" },
	{ "", ",\"netDevices\":{\"eth0\":{}}", "netDevices" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char text[1024];
		struct spec s;
		struct error e;

		(void)snprintf(text, sizeof(text),
			       "{" MINIMAL "%s,\"linux\":{\"namespaces\":[" MOUNT_NS "]%s}}",
			       refused[i].head, refused[i].tail);
		assert_int_equal(parse(text, &s, &e), 0);
		assert_true(spec_check(&s, &e) < 0);
		if (strstr(e.msg, refused[i].says) == NULL)
			fail_msg("%s: \"%s\" does not name \"%s\"", text, e.msg, refused[i].says);
		spec_fini(&s);
	}
}

/* Every cut and many single changes of a real document: no crash, and the same answer twice. */
static void test_T60_damage(void **state)
{
	static const char text[] =
		"{" MINIMAL
		",\"mounts\":[{\"destination\":\"/d\",\"type\":\"tmpfs\",\"options\":[\"ro\"]}],"
		"\"linux\":{\"namespaces\":[" MOUNT_NS
		"],\"devices\":[{\"path\":\"/x\",\"type\":\"c\"}],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]}}";
	static const char junk[] = { '"', '{', '}',  '[',  ']', ',',   ':',
				     '0', '-', '\0', '\\', 'n', '\x80' };

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (size_t k = 0; k <= sizeof(junk); k++) {
			char copy[sizeof(text)];
			size_t len = sizeof(text) - 1;
			int first = 0, again = 0;

			memcpy(copy, text, sizeof(text));
			if (k == sizeof(junk))
				len = i;
			else
				copy[i] = junk[k];
			for (int pass = 0; pass < 2; pass++) {
				struct error e = ERROR_INIT;
				struct spec s;
				int r = spec_parse(copy, len, &s, &e);

				if (r == 0) {
					r = spec_check(&s, &e);
					spec_fini(&s);
				}
				if (r < 0)
					assert_true(e.msg[0] != '\0');
				if (pass == 0)
					first = r;
				again = r;
			}
			assert_int_equal(first, again);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal), cmocka_unit_test(test_rich),
		cmocka_unit_test(test_wrong),	cmocka_unit_test(test_T13_numbers),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_T60_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
