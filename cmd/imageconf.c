/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image configuration -> struct imageconf.
 *
 * Theory of operation: the text comes from a registry and is hostile. It is
 * parsed strictly (no duplicate keys, bounded size and depth) and every value
 * that we use is checked here; what we do not use is ignored. A bad value
 * refuses the image with the field's name: guessing would let an image mean
 * different things to different tools. No value is ever completed from the
 * host: an Env entry without "=" does not import a host variable.
 */
#include "cmd/imageconf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"

void imageconf_fini(struct imageconf *c)
{
	strv_fini(&c->env);
	strv_fini(&c->entrypoint);
	strv_fini(&c->cmd);
	strv_fini(&c->volumes);
	strv_fini(&c->exposed);
	strv_fini(&c->labels);
	strv_fini(&c->health.test);
	free(c->user);
	free(c->workdir);
	*c = (struct imageconf){ 0 };
}

static int get_strings(const json_t *config, const char *key, struct strv *ret, struct error *e)
{
	json_t *list = NULL, *item;
	size_t i;
	int r;

	r = json_get_array(config, "config", key, &list, e);
	if (r <= 0)
		return r;
	if (json_array_size(list) > LIMIT_ENV)
		return error_setf(e, -E2BIG, "config.%s: more than %d entries", key, LIMIT_ENV);
	json_array_foreach(list, i, item) {
		if (!json_is_string(item))
			return error_setf(e, -EINVAL, "config.%s[%zu]: expected a string", key, i);
		if (json_string_length(item) >= LIMIT_ENV_BYTES)
			return error_setf(e, -E2BIG, "config.%s[%zu]: longer than %u bytes", key, i,
					  LIMIT_ENV_BYTES);
		if (strv_add(ret, json_string_value(item)) < 0)
			return error_set(e, -ENOMEM, "config.%s", key);
	}
	return 0;
}

static int check_env(const struct strv *env, struct error *e)
{
	for (size_t i = 0; i < env->n; i++) {
		const char *eq = strchr(env->v[i], '=');

		if (eq == NULL || eq == env->v[i])
			return error_setf(e, -EINVAL, "config.Env[%zu]: expected NAME=VALUE", i);
	}
	return 0;
}

/* "80", "80/tcp", "8000-8010/udp" */
static bool port_valid(const char *text)
{
	size_t len = strcspn(text, "/");
	_cleanup_free_ char *copy = strndup(text, len);
	unsigned long long from, to;
	char *dash;

	if (copy == NULL)
		return false;
	if (text[len] == '/' && strcmp(text + len, "/tcp") != 0 &&
	    strcmp(text + len, "/udp") != 0 && strcmp(text + len, "/sctp") != 0)
		return false;
	dash = strchr(copy, '-');
	if (dash != NULL)
		*dash++ = '\0';
	if (str_to_u64(copy, 65535, &from) < 0 || from == 0)
		return false;
	return dash == NULL || (str_to_u64(dash, 65535, &to) == 0 && to >= from);
}

static int get_exposed(const json_t *config, struct strv *ret, struct error *e)
{
	json_t *set = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(config, "config", "ExposedPorts", &set, e);
	if (r <= 0)
		return r;
	json_object_foreach(set, key, value) {
		_cleanup_free_ char *safe = NULL;

		if (port_valid(key)) {
			if (strv_add(ret, key) < 0)
				return error_set(e, -ENOMEM, "config.ExposedPorts");
			continue;
		}
		safe = str_escape(key);
		return error_setf(e, -EINVAL, "config.ExposedPorts: \"%s\" is not a port",
				  safe != NULL ? safe : "");
	}
	return 0;
}

static int get_volumes(const json_t *config, struct strv *ret, struct error *e)
{
	json_t *set = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(config, "config", "Volumes", &set, e);
	if (r <= 0)
		return r;
	if (json_object_size(set) > LIMIT_MOUNTS)
		return error_setf(e, -E2BIG, "config.Volumes: more than %d entries", LIMIT_MOUNTS);
	json_object_foreach(set, key, value) {
		_cleanup_free_ char *clean = NULL;

		if (key[0] != '/' || strlen(key) >= LIMIT_TAR_NAME)
			return error_setf(
				e, -EINVAL,
				"config.Volumes: a path must be absolute and shorter than %d bytes",
				LIMIT_TAR_NAME);
		clean = path_clean(key);
		if (clean == NULL)
			return error_set(e, -ENOMEM, "config.Volumes");
		if (strcmp(clean, "/") == 0)
			return error_setf(e, -EINVAL,
					  "config.Volumes: the root cannot be a volume");
		if (strv_add_take(ret, steal_ptr(&clean)) < 0)
			return error_set(e, -ENOMEM, "config.Volumes");
	}
	return 0;
}

static int get_labels(const json_t *config, struct strv *ret, struct error *e)
{
	json_t *set = NULL, *value;
	const char *key;
	int r;

	r = json_get_object(config, "config", "Labels", &set, e);
	if (r <= 0)
		return r;
	json_object_foreach(set, key, value) {
		if (!json_is_string(value))
			return error_setf(e, -EINVAL, "config.Labels: a value is not a string");
		if (strv_addf(ret, "%s=%s", key, json_string_value(value)) < 0)
			return error_set(e, -ENOMEM, "config.Labels");
	}
	return 0;
}

static int get_string(const json_t *config, const char *key, size_t max, char **ret,
		      struct error *e)
{
	const char *s = NULL;
	int r;

	r = json_get_string(config, "config", key, &s, e);
	if (r <= 0 || *s == '\0')
		return r < 0 ? r : 0;
	if (strlen(s) >= max)
		return error_setf(e, -EINVAL, "config.%s: longer than %zu bytes", key, max);
	*ret = strdup(s);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "config.%s", key);
}

static int get_stop_signal(const json_t *config, int *ret, struct error *e)
{
	_cleanup_free_ char *text = NULL, *safe = NULL;
	int r;

	r = get_string(config, "StopSignal", 32, &text, e);
	if (r < 0 || text == NULL)
		return r;
	r = proc_signal_parse(text);
	if (r > 0) {
		*ret = r;
		return 0;
	}
	safe = str_escape(text);
	return error_setf(e, -EINVAL, "config.StopSignal: \"%s\" is not a signal",
			  safe != NULL ? safe : "");
}

/* An extension of docker's, with its names. */
static int get_health(const json_t *config, struct imageconf_health *ret, struct error *e)
{
	json_t *obj = NULL;
	int r = json_get_object(config, "config", "Healthcheck", &obj, e);

	if (r <= 0)
		return r;
	r = get_strings(obj, "Test", &ret->test, e);
	if (r < 0)
		return error_prefix(e, "config.Healthcheck");
	if (json_get_int(obj, "config.Healthcheck", "Interval", 0, INT64_MAX, &ret->interval, e) <
		    0 ||
	    json_get_int(obj, "config.Healthcheck", "Timeout", 0, INT64_MAX, &ret->timeout, e) <
		    0 ||
	    json_get_int(obj, "config.Healthcheck", "StartPeriod", 0, INT64_MAX, &ret->start_period,
			 e) < 0 ||
	    json_get_int(obj, "config.Healthcheck", "Retries", 0, INT32_MAX, &ret->retries, e) < 0)
		return -EINVAL;
	return 0;
}

static int read_config(const json_t *config, struct imageconf *c, struct error *e)
{
	int r;

	r = get_strings(config, "Env", &c->env, e);
	if (r == 0)
		r = check_env(&c->env, e);
	if (r == 0)
		r = get_strings(config, "Entrypoint", &c->entrypoint, e);
	if (r == 0)
		r = get_strings(config, "Cmd", &c->cmd, e);
	if (r == 0)
		r = get_volumes(config, &c->volumes, e);
	if (r == 0)
		r = get_exposed(config, &c->exposed, e);
	if (r == 0)
		r = get_labels(config, &c->labels, e);
	if (r == 0)
		r = get_string(config, "User", LIMIT_NAME * 2, &c->user, e);
	if (r == 0)
		r = get_string(config, "WorkingDir", LIMIT_TAR_NAME, &c->workdir, e);
	if (r == 0 && c->workdir != NULL && c->workdir[0] != '/')
		r = error_setf(e, -EINVAL, "config.WorkingDir: must be an absolute path");
	if (r == 0)
		r = get_stop_signal(config, &c->stop_signal, e);
	if (r == 0)
		r = get_health(config, &c->health, e);
	return r;
}

int imageconf_parse(const char *text, size_t len, const char *what, struct imageconf *ret,
		    struct error *e)
{
	_cleanup_json_ json_t *top = json_parse(text, len, "the image configuration", e);
	struct imageconf c = { 0 };
	json_t *config = NULL;
	int r;

	if (top == NULL)
		return error_prefix(e, "image %s", what);
	r = json_get_object(top, "", "config", &config, e);
	if (r >= 0)
		r = read_config(config, &c, e);
	if (r < 0) {
		imageconf_fini(&c);
		return error_prefix(e, "image %s", what);
	}
	*ret = c;
	return 0;
}
