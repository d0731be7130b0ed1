/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be checked: the options --health-* and HEALTHCHECK of the image.
 *
 * Theory of operation: the options are parsed into plain data (struct request_health) and
 * kept with the request. When a container is made they are laid over what the image says,
 * and the result is the object "healthcheck" of the record, which is all that inspect,
 * the check and the monitor look at:
 *
 *	test          ["CMD", WORD...] or ["CMD-SHELL", TEXT]
 *	interval, timeout, startPeriod   nanoseconds; interval 0: only by crt healthcheck run
 *	retries, onFailure, logCount, logSize
 *	startup       the same for the time until the container has come up, or not there
 *
 * The image is hostile: its numbers were checked by imageconf.c, its command is only ever
 * run inside of the container.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/health.h"
#include "cmd/when.h"

#define NS		1000000000LL
#define INTERVAL	(30 * NS)
#define TIMEOUT		(30 * NS)
#define RETRIES		3
#define LOG_COUNT	5
#define LOG_COUNT_MAX	100
#define LOG_SIZE	500
#define LOG_SIZE_MAX	(64 << 10)
#define INTERVAL_MIN_MS 20 /* who asks for less gets what a process can do */

static const char *const option_names[] = {
	[HEALTH_CMD] = "health-cmd",
	[HEALTH_INTERVAL] = "health-interval",
	[HEALTH_RETRIES] = "health-retries",
	[HEALTH_TIMEOUT] = "health-timeout",
	[HEALTH_START_PERIOD] = "health-start-period",
	[HEALTH_ON_FAILURE] = "health-on-failure",
	[HEALTH_LOG_COUNT] = "health-max-log-count",
	[HEALTH_LOG_SIZE] = "health-max-log-size",
	[HEALTH_STARTUP_CMD] = "health-startup-cmd",
	[HEALTH_STARTUP_INTERVAL] = "health-startup-interval",
	[HEALTH_STARTUP_RETRIES] = "health-startup-retries",
	[HEALTH_STARTUP_SUCCESS] = "health-startup-success",
	[HEALTH_STARTUP_TIMEOUT] = "health-startup-timeout",
};
_Static_assert(sizeof(option_names) / sizeof(option_names[0]) == HEALTH_OPTION_COUNT,
	       "a name for each option");

static const char *const action_names[] = {
	[HEALTH_ACTION_NONE] = "none",
	[HEALTH_ACTION_KILL] = "kill",
	[HEALTH_ACTION_RESTART] = "restart",
	[HEALTH_ACTION_STOP] = "stop",
};
_Static_assert(sizeof(action_names) / sizeof(action_names[0]) == HEALTH_ACTION_COUNT,
	       "a name for each action");

void request_health_fini(struct request_health *h)
{
	free(h->cmd);
	free(h->startup_cmd);
	*h = REQUEST_HEALTH_INIT;
}

static int take_time(const char *const *options, enum health_option which, int64_t min, int64_t *to,
		     struct error *e)
{
	const char *text = options[which];
	long long ns;

	if (text == NULL)
		return 0;
	if ((which == HEALTH_INTERVAL || which == HEALTH_STARTUP_INTERVAL) &&
	    strcmp(text, "disable") == 0) {
		*to = 0;
		return 0;
	}
	if (when_parse_duration(text, &ns) < 0 || ns < min)
		return error_setf(e, -EINVAL, "--%s %s: must be a duration such as 30s%s",
				  option_names[which], text,
				  min >= NS ? " of at least one second" : "");
	*to = ns;
	return 0;
}

static int take_number(const char *const *options, enum health_option which, int64_t min,
		       int64_t max, int64_t *to, struct error *e)
{
	const char *text = options[which];
	unsigned long long n;

	if (text == NULL)
		return 0;
	if (str_to_u64(text, (unsigned long long)max, &n) < 0 || (int64_t)n < min)
		return error_setf(e, -EINVAL, "--%s %s: must be a number from %lld to %lld",
				  option_names[which], text, (long long)min, (long long)max);
	*to = (int64_t)n;
	return 0;
}

static int take_action(struct request_health *h, const char *text, struct error *e)
{
	for (int i = 0; text != NULL && i < HEALTH_ACTION_COUNT; i++)
		if (strcmp(action_names[i], text) == 0) {
			h->on_failure = (enum health_action)i;
			return 0;
		}
	return text == NULL ?
		       0 :
		       error_setf(e, -EINVAL,
				  "--health-on-failure %s: must be none, kill, restart or stop",
				  text);
}

static int take_cmd(char **to, const char *text, struct error *e)
{
	free(*to);
	*to = text != NULL ? strdup(text) : NULL;
	return text != NULL && *to == NULL ? error_set(e, -ENOMEM, "--health-cmd") : 0;
}

int request_health_take(struct request_health *h, const char *const options[HEALTH_OPTION_COUNT],
			bool none, struct error *e)
{
	int r;

	h->none = none || (options[HEALTH_CMD] != NULL && strcmp(options[HEALTH_CMD], "none") == 0);
	if (none && options[HEALTH_CMD] != NULL)
		return error_setf(e, -EINVAL, "--no-healthcheck cannot be used with --health-cmd");
	if (options[HEALTH_CMD] != NULL && options[HEALTH_CMD][0] == '\0')
		return error_setf(e, -EINVAL, "--health-cmd: must not be empty");
	r = take_cmd(&h->cmd, options[HEALTH_CMD], e);
	if (r == 0)
		r = take_cmd(&h->startup_cmd, options[HEALTH_STARTUP_CMD], e);
	if (r == 0)
		r = take_time(options, HEALTH_INTERVAL, 1, &h->interval, e);
	if (r == 0)
		r = take_time(options, HEALTH_TIMEOUT, NS, &h->timeout, e);
	if (r == 0)
		r = take_time(options, HEALTH_START_PERIOD, 0, &h->start_period, e);
	if (r == 0)
		r = take_number(options, HEALTH_RETRIES, 1, INT32_MAX, &h->retries, e);
	if (r == 0)
		r = take_action(h, options[HEALTH_ON_FAILURE], e);
	if (r == 0)
		r = take_number(options, HEALTH_LOG_COUNT, 0, LOG_COUNT_MAX, &h->log_count, e);
	if (r == 0)
		r = take_number(options, HEALTH_LOG_SIZE, 0, LOG_SIZE_MAX, &h->log_size, e);
	if (r == 0)
		r = take_time(options, HEALTH_STARTUP_INTERVAL, 1, &h->startup_interval, e);
	if (r == 0)
		r = take_time(options, HEALTH_STARTUP_TIMEOUT, NS, &h->startup_timeout, e);
	if (r == 0)
		r = take_number(options, HEALTH_STARTUP_RETRIES, 0, INT32_MAX, &h->startup_retries,
				e);
	if (r == 0)
		r = take_number(options, HEALTH_STARTUP_SUCCESS, 0, INT32_MAX, &h->startup_success,
				e);
	return r;
}

/* A JSON list of several words is a command, all else is for a shell. NULL on -ENOMEM. */
static json_t *test_of(const char *cmd)
{
	_cleanup_json_ json_t *list =
		cmd[0] == '[' ? json_parse(cmd, strlen(cmd), "--health-cmd", NULL) : NULL;
	const char *first = json_string_value(json_array_get(list, 0));
	json_t *test, *word;
	bool prefixed;
	size_t i;

	prefixed = first != NULL && (strcmp(first, "CMD") == 0 || strcmp(first, "CMD-SHELL") == 0);
	json_array_foreach(list, i, word)
		if (!json_is_string(word))
			first = NULL; /* not a list of words */
	if (first == NULL)
		return json_pack("[s, s]", "CMD-SHELL", cmd);
	if (!prefixed && json_array_size(list) == 1)
		return json_pack("[s, s]", "CMD-SHELL", first);
	test = prefixed ? json_array() : json_pack("[s]", "CMD");
	(void)json_array_extend(test, list); /* NULL list: the pack below fails */
	return test;
}

static json_t *image_test(const struct imageconf_health *image)
{
	json_t *test = json_array();

	for (size_t i = 0; i < image->test.n; i++)
		(void)json_array_append_new(test, json_string(image->test.v[i])); /* as above */
	return test;
}

static json_int_t first_of(int64_t given, int64_t of_image, int64_t otherwise)
{
	return given >= 0 ? given : of_image > 0 ? of_image : otherwise;
}

int health_config(const struct imageconf_health *image, const struct request_health *h,
		  json_t **ret)
{
	bool of_image = image->test.n > 1 && strcmp(image->test.v[0], "NONE") != 0;
	json_t *startup = NULL, *obj;

	*ret = NULL;
	if (h->none || (h->cmd == NULL && !of_image))
		return 0;
	if (h->startup_cmd != NULL) {
		startup = json_pack("{s:o, s:I, s:I, s:I, s:I}", "test", test_of(h->startup_cmd),
				    "interval", first_of(h->startup_interval, 0, INTERVAL),
				    "timeout", first_of(h->startup_timeout, 0, TIMEOUT), "retries",
				    first_of(h->startup_retries, 0, 0), "success",
				    first_of(h->startup_success, 0, 0));
		if (startup == NULL)
			return -ENOMEM;
	}
	obj = json_pack("{s:o, s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:o*}", "test",
			h->cmd != NULL ? test_of(h->cmd) : image_test(image), "interval",
			first_of(h->interval, image->interval, INTERVAL), "timeout",
			first_of(h->timeout, image->timeout, TIMEOUT), "startPeriod",
			first_of(h->start_period, image->start_period, 0), "retries",
			first_of(h->retries, image->retries, RETRIES), "onFailure",
			action_names[h->on_failure], "logCount",
			first_of(h->log_count, 0, LOG_COUNT), "logSize",
			first_of(h->log_size, 0, LOG_SIZE), "startup", startup);
	*ret = obj;
	return obj == NULL ? -ENOMEM : 0;
}

uint32_t health_interval_ms(const json_t *config, bool startup)
{
	const json_t *check = startup ? json_object_get(config, "startup") : config;
	json_int_t ns = json_integer_value(json_object_get(check, "interval"));
	json_int_t ms = ns / 1000000;

	if (ns <= 0)
		return 0;
	return ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : ms > INT32_MAX ? INT32_MAX : (uint32_t)ms;
}
