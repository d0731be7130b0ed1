/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb applied to each of the containers that the command line names.
 *
 * Theory of operation: names are looked up one after the other and what fails
 * is reported without stopping the rest, as podman does. Nothing is locked here:
 * what a container is can change at any time, so that every function checks
 * what it needs at the moment of acting and says what it found.
 */
#include "cmd/each.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/out.h"

static int say(const char *name, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_puts_escaped(&b, name, strlen(name)); /* out_write() sees a failure */
	(void)buf_putc(&b, '\n');
	return out_write(&b, e);
}

static int apply(const struct each *each, struct storage *s, struct container *c, const char *said)
{
	struct error e = ERROR_INIT;
	int r = each->fn(s, c, said, each->data, &e);

	if (r == 0 && !each->quiet)
		r = say(said, &e);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

static int apply_named(const struct each *each, struct storage *s, const char *said)
{
	struct container c = { .id = NULL };
	struct error e = ERROR_INIT;
	int r = container_open(s, said, &c, &e);
	int code;

	if (r == -ENOENT && each->ignore)
		return 0;
	if (r < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	code = apply(each, s, &c, said);
	container_fini(&c);
	return code;
}

static int apply_all(const struct each *each, struct storage *s)
{
	struct container *all = NULL;
	struct error e = ERROR_INIT;
	size_t n = 0;
	int code = 0;

	if (container_list(s, &all, &n, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	if (each->latest && n == 0)
		code = opt_usage_error(each->verb, "there is no container");
	for (size_t i = 0; i < n && (i == 0 || !each->latest); i++) {
		if (!each->latest && each->wanted != NULL && !each->wanted(&all[i]))
			continue;
		if (apply(each, s, &all[i], each->latest ? all[i].name : all[i].id) != 0)
			code = EXIT_CRT;
	}
	containers_free(all, n);
	return code;
}

int each_container(const struct each *each, char **names, int n)
{
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	int code = 0;

	if (n == 0 && !each->all && !each->latest)
		return opt_usage_error(each->verb, "the name or id of a container is missing");
	if (n > 0 && (each->all || each->latest))
		return opt_usage_error(each->verb, "--%s cannot be combined with names",
				       each->all ? "all" : "latest");
	if (storage_open(each->global->root, false, &s, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	if (n == 0)
		code = apply_all(each, s);
	for (int i = 0; i < n; i++)
		if (apply_named(each, s, names[i]) != 0)
			code = EXIT_CRT;
	storage_free(s);
	return code;
}
