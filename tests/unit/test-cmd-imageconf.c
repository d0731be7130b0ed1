/* SPDX-License-Identifier: Apache-2.0 */
/* Image configurations, honest and hostile (T26). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/imageconf.h"

static int parse(const char *text, struct imageconf *c, struct error *e)
{
	return imageconf_parse(text, strlen(text), "test", c, e);
}

static void test_all_fields(void **state)
{
	struct imageconf c = { 0 };
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(
		parse("{\"architecture\":\"amd64\",\"config\":{\"User\":\"web:33\",\"Env\":[\"PATH=/bin\",\"A=B\\nC\",\"E=\"],"
		      "\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\",\"b\"],\"Volumes\":{\"/data//x/\":{}},\"WorkingDir\":\"/w\","
		      "\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{},\"7\":{}},\"Labels\":{\"k\":\"v=w\"},"
		      "\"StopSignal\":\"SIGQUIT\",\"Unknown\":5}}",
		      &c, &e),
		0);
	assert_string_equal(c.user, "web:33");
	assert_int_equal(c.env.n, 3);
	assert_string_equal(c.env.v[1], "A=B\nC");
	assert_string_equal(c.cmd.v[1], "b");
	assert_string_equal(c.volumes.v[0], "/data/x");
	assert_string_equal(c.labels.v[0], "k=v=w");
	assert_int_equal(c.exposed.n, 3);
	assert_int_equal(c.stop_signal, 3);
	imageconf_fini(&c);
}

static void test_empty(void **state)
{
	struct imageconf c = { 0 };
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(parse("{}", &c, &e), 0);
	imageconf_fini(&c);
	assert_int_equal(
		parse("{\"config\":{\"Entrypoint\":null,\"Cmd\":[],\"User\":\"\",\"Env\":null}}",
		      &c, &e),
		0);
	assert_null(c.user);
	imageconf_fini(&c);
}

static void test_refusals_name_the_field(void **state)
{
	static const struct {
		const char *config, *field;
	} table[] = {
		{ "{\"Env\":[\"SECRET\"]}", "config.Env[0]" },
		{ "{\"Env\":[\"A=1\",\"=x\"]}", "config.Env[1]" },
		{ "{\"Env\":[\"*\"]}", "config.Env[0]" },
		{ "{\"Env\":[5]}", "config.Env[0]" },
		{ "{\"Env\":\"A=1\"}", "config.Env" },
		{ "{\"Cmd\":[[\"a\"]]}", "config.Cmd[0]" },
		{ "{\"ExposedPorts\":{\"0\":{}}}", "config.ExposedPorts" },
		{ "{\"ExposedPorts\":{\"65536/tcp\":{}}}", "config.ExposedPorts" },
		{ "{\"ExposedPorts\":{\"1-70000\":{}}}", "config.ExposedPorts" },
		{ "{\"ExposedPorts\":{\"80/quic\":{}}}", "config.ExposedPorts" },
		{ "{\"StopSignal\":\"SIGFOO\"}", "config.StopSignal" },
		{ "{\"Volumes\":{\"data\":{}}}", "config.Volumes" },
		{ "{\"Volumes\":{\"/x/..\":{}}}", "config.Volumes" },
		{ "{\"WorkingDir\":\"relative\"}", "config.WorkingDir" },
		{ "{\"Labels\":{\"a\":1}}", "config.Labels" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[256];
		struct imageconf c = { 0 };
		struct error e = ERROR_INIT;

		(void)snprintf(text, sizeof(text), "{\"config\":%s}", table[i].config);
		if (parse(text, &c, &e) != -EINVAL || strstr(e.msg, table[i].field) == NULL)
			fail_msg("%s: %s", text, e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_fields),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refusals_name_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
