/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of an image configuration.
 *
 * Theory of operation: one instruction is a word and its value, divided by a blank or an equal
 * sign. Values of CMD, ENTRYPOINT and VOLUME are JSON arrays, or else text: for a command that of a
 * shell, for VOLUME names. Everything comes from the command line of the user, and what it
 * makes is checked again when the image is run (imageconf.c).
 */
#include "cmd/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/proc.h"

static int set(json_t *config, const char *key, json_t *value)
{
	return json_object_set_new(config, key, value) < 0 ? -ENOMEM : 0;
}

/* config[key], made as an empty object or array where it is something else. Borrowed. */
static json_t *member(json_t *config, const char *key, bool array)
{
	json_t *m = json_object_get(config, key);

	if (array ? json_is_array(m) : json_is_object(m))
		return m;
	m = array ? json_array() : json_object();
	return json_object_set_new(config, key, m) < 0 ? NULL : m;
}

/* A JSON array of strings, or NULL. */
static json_t *array_of(const char *value)
{
	json_t *list = value[0] == '[' ? json_parse(value, strlen(value), "--change", NULL) : NULL;
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!json_is_string(one)) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int set_command(json_t *config, const char *key, const char *value)
{
	json_t *list = array_of(value);

	if (list == NULL)
		list = json_pack("[s,s,s]", "/bin/sh", "-c", value);
	return set(config, key, list);
}

int change_set_env(json_t *config, const char *entry)
{
	json_t *env = member(config, "Env", true), *one;
	size_t len = strcspn(entry, "=") + 1, i;

	if (env == NULL)
		return -ENOMEM;
	json_array_foreach(env, i, one)
		if (json_is_string(one) && strncmp(json_string_value(one), entry, len) == 0)
			return json_array_set_new(env, i, json_string(entry)) < 0 ? -ENOMEM : 0;
	return json_array_append_new(env, json_string(entry)) < 0 ? -ENOMEM : 0;
}

/* The value without quotes around it. Caller frees. */
static char *unquoted(const char *value)
{
	size_t len = strlen(value);

	if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0])
		return strndup(value + 1, len - 2);
	return strdup(value);
}

/* "KEY=VALUE" or "KEY VALUE": *ret_key and *ret_value, owned by the caller. 0, -EINVAL, -ENOMEM. */
static int pair(const char *value, char **ret_key, char **ret_value)
{
	size_t len = strcspn(value, "= ");

	if (len == 0 || value[len] == '\0')
		return -EINVAL;
	*ret_key = strndup(value, len);
	*ret_value = unquoted(value + len + 1);
	return *ret_key == NULL || *ret_value == NULL ? -ENOMEM : 0;
}

static int add_env(json_t *config, const char *value)
{
	_cleanup_free_ char *key = NULL, *text = NULL, *entry = NULL;
	int r = pair(value, &key, &text);

	if (r < 0)
		return r;
	entry = str_printf("%s=%s", key, text);
	return entry == NULL ? -ENOMEM : change_set_env(config, entry);
}

static int add_label(json_t *config, const char *value)
{
	_cleanup_free_ char *key = NULL, *text = NULL;
	json_t *labels = member(config, "Labels", false);
	int r = pair(value, &key, &text);

	if (r < 0)
		return r;
	return labels == NULL ? -ENOMEM : set(labels, key, json_string(text));
}

static int add_port(json_t *config, const char *value)
{
	_cleanup_free_ char *copy = strdup(value);
	json_t *ports = member(config, "ExposedPorts", false);
	char *rest = copy, *word;
	int r = copy == NULL || ports == NULL ? -ENOMEM : 0;

	while (r == 0 && (word = strsep(&rest, " \t")) != NULL) {
		size_t digits = strspn(word, "0123456789-");
		_cleanup_free_ char *key = NULL;

		if (word[0] == '\0')
			continue;
		if (digits == 0 || (word[digits] != '\0' && strcmp(word + digits, "/tcp") != 0 &&
				    strcmp(word + digits, "/udp") != 0))
			return -EINVAL;
		key = word[digits] == '\0' ? str_printf("%s/tcp", word) : strdup(word);
		r = key == NULL ? -ENOMEM : set(ports, key, json_object());
	}
	return r;
}

static int add_volumes(json_t *config, const char *value)
{
	_cleanup_json_ json_t *list = array_of(value);
	json_t *volumes = member(config, "Volumes", false), *one;
	size_t i;
	int r = volumes == NULL ? -ENOMEM : 0;

	if (list == NULL) {
		_cleanup_free_ char *copy = strdup(value);
		char *rest = copy, *word;

		if (copy == NULL)
			return -ENOMEM;
		while (r == 0 && (word = strsep(&rest, " \t")) != NULL)
			if (word[0] != '\0')
				r = set(volumes, word, json_object());
		return r;
	}
	json_array_foreach(list, i, one)
		if (r == 0)
			r = set(volumes, json_string_value(one), json_object());
	return r;
}

static int set_signal(json_t *config, const char *value)
{
	return proc_signal_parse(value) <= 0 ? -EINVAL :
					       set(config, "StopSignal", json_string(value));
}

static int add_onbuild(json_t *config, const char *value)
{
	json_t *list = member(config, "OnBuild", true);

	return list == NULL || json_array_append_new(list, json_string(value)) < 0 ? -ENOMEM : 0;
}

static int set_one(json_t *config, const char *word, const char *value)
{
	if (strcasecmp(word, "CMD") == 0)
		return set_command(config, "Cmd", value);
	if (strcasecmp(word, "ENTRYPOINT") == 0)
		return set_command(config, "Entrypoint", value);
	if (strcasecmp(word, "ENV") == 0)
		return add_env(config, value);
	if (strcasecmp(word, "EXPOSE") == 0)
		return add_port(config, value);
	if (strcasecmp(word, "LABEL") == 0)
		return add_label(config, value);
	if (strcasecmp(word, "ONBUILD") == 0)
		return add_onbuild(config, value);
	if (strcasecmp(word, "STOPSIGNAL") == 0)
		return set_signal(config, value);
	if (strcasecmp(word, "USER") == 0)
		return set(config, "User", json_string(value));
	if (strcasecmp(word, "VOLUME") == 0)
		return add_volumes(config, value);
	if (strcasecmp(word, "WORKDIR") == 0)
		return value[0] != '/' ? -EINVAL : set(config, "WorkingDir", json_string(value));
	return -ENOENT;
}

int change_apply(json_t *config, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *word, *value;
	size_t len;
	int r;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--change");
	word = copy + strspn(copy, " \t");
	len = strcspn(word, " \t=");
	value = word + len;
	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t");
	for (len = strlen(value); len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL; len--)
		value[len - 1] = '\0';
	r = word[0] == '\0' || value[0] == '\0' ? -EINVAL : set_one(config, word, value);
	if (r == -ENOENT)
		return error_setf(
			e, -EINVAL,
			"--change \"%s\": %s is not one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, "
			"ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR",
			text, word);
	if (r == -EINVAL)
		return error_setf(e, r, "--change \"%s\": the value is missing or not valid", text);
	return r < 0 ? error_set(e, r, "--change \"%s\"", text) : 0;
}

int change_apply_all(json_t *config, const struct strv *list, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = change_apply(config, list->v[i], e);
	return r;
}
