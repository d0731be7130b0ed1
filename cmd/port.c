/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt port: where published ports of a container are reached.
 *
 * Theory of operation: the record of a container holds what was asked for and,
 * once they are known, the ports that were chosen. Lines and exit codes are
 * podman's. What is printed are numbers and addresses that crt itself checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	bool all;
};

static const struct option_spec options[] = { { "all", 'a', OPT_FLAG, offsetof(struct options, all),
						.help = "Show the ports of all running containers" },
					      OPTION_END };

const struct cmd_verb cmd_verb_port = {
	.name = "port",
	.run = cmd_port,
	.options = options,
	.usage = "[OPTIONS] CONTAINER [PORT[/udp]]",
	.summary = "Show where published ports are reached",
	.operands = OPERANDS_CONTAINERS,
};

/* "80" or "80/tcp": does it name this port? */
static bool port_matches(const char *want, unsigned int number, const char *proto)
{
	size_t len = strcspn(want, "/");
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", number);
	return strlen(text) == len && memcmp(text, want, len) == 0 &&
	       strcmp(want[len] == '/' ? want + len + 1 : "tcp", proto) == 0;
}

/* Lines for one container; with want only the host's side. Returns how many, or -ENOMEM. */
static int print_ports(const struct container *c, const char *want, bool with_id, struct buf *b)
{
	const json_t *port;
	size_t i;
	int n = 0;

	json_array_foreach(json_object_get(c->record, "ports"), i, port) {
		const char *ip = json_string_value(json_object_get(port, "hostIp"));
		const char *proto = json_string_value(json_object_get(port, "protocol"));
		unsigned int inside =
			(unsigned int)json_integer_value(json_object_get(port, "containerPort"));
		unsigned int outside =
			(unsigned int)json_integer_value(json_object_get(port, "hostPort"));
		bool v6 = ip != NULL && strchr(ip, ':') != NULL;

		if (proto == NULL || (want != NULL && !port_matches(want, inside, proto)))
			continue;
		n++;
		if (with_id)
			(void)buf_printf(b, "%.*s\t", ID_SHORT_LEN, c->id);
		if (want == NULL)
			(void)buf_printf(b, "%u/%s -> ", inside, proto);
		(void)buf_printf(b, "%s%s%s:%u\n", v6 ? "[" : "",
				 ip != NULL && ip[0] != '\0' ? ip : "0.0.0.0", v6 ? "]" : "",
				 outside); /* b->err is seen by out_write() */
	}
	return n;
}

static int one_container(struct storage *s, const char *text, const char *want, struct buf *b,
			 struct error *e)
{
	struct container c = { .id = NULL };
	_cleanup_free_ char *id = NULL;
	int r = storage_container_find(s, text, &id, e);

	if (r == STORAGE_MISSING)
		return -ENOENT;
	if (r == STORAGE_FOUND)
		r = container_load(s, id, &c, e);
	if (r < 0)
		return r;
	r = print_ports(&c, want, false, b);
	container_fini(&c);
	if (r == 0 && want != NULL)
		return error_setf(e, -ENOENT, "container %s: port %s is not published", text, want);
	return 0;
}

static int all_containers(struct storage *s, struct buf *b, struct error *e)
{
	struct container *list;
	size_t n;
	int r = container_list(s, &list, &n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (list[i].live)
			(void)print_ports(&list[i], NULL, true, b);
	containers_free(list, n);
	return 0;
}

int cmd_port(int argc, char **argv, const struct cmd_global *g)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	struct storage *s;
	int code, first = opt_parse(&cmd_verb_port, argc, argv, &o, &code);
	int r;

	if (first < 0)
		return code;
	if (o.all && first != argc)
		return opt_usage_error(&cmd_verb_port, "--all cannot be used with a container");
	if (!o.all && (argc - first < 1 || argc - first > 2))
		return opt_usage_error(&cmd_verb_port,
				       "crt port needs a container, and takes one port");
	r = storage_open(g->root, false, &s, &e);
	if (r == 0) {
		r = o.all ? all_containers(s, &b, &e) :
			    one_container(s, argv[first],
					  argc - first == 2 ? argv[first + 1] : NULL, &b, &e);
		if (r == 0)
			r = out_write(&b, &e);
		storage_free(s);
	}
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
