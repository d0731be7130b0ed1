/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks: a command in the container that says by its exit code whether the
 * container does its work. Configuration, results, and one run of a check.
 */
#ifndef CMD_HEALTH_H
#define CMD_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "cmd/imageconf.h"

struct container;
struct run_request;
struct storage;

enum health_action {
	HEALTH_ACTION_NONE,
	HEALTH_ACTION_KILL,
	HEALTH_ACTION_RESTART,
	HEALTH_ACTION_STOP,
	HEALTH_ACTION_COUNT
};

/* What the options --health-* say, in this order; as strings borrowed from argv, NULL = not given. */
enum health_option {
	HEALTH_CMD,
	HEALTH_INTERVAL,
	HEALTH_RETRIES,
	HEALTH_TIMEOUT,
	HEALTH_START_PERIOD,
	HEALTH_ON_FAILURE,
	HEALTH_LOG_COUNT,
	HEALTH_LOG_SIZE,
	HEALTH_STARTUP_CMD,
	HEALTH_STARTUP_INTERVAL,
	HEALTH_STARTUP_RETRIES,
	HEALTH_STARTUP_SUCCESS,
	HEALTH_STARTUP_TIMEOUT,
	HEALTH_OPTION_COUNT
};

/* Part of the request. Times in nanoseconds; -1 = not given. */
struct request_health {
	bool none; /* --no-healthcheck */
	char *cmd, *startup_cmd;
	int64_t interval, timeout, start_period, retries;
	int64_t startup_interval, startup_timeout, startup_retries, startup_success;
	int64_t log_count, log_size;
	enum health_action on_failure;
};
#define REQUEST_HEALTH_INIT                               \
	((struct request_health){ .interval = -1,         \
				  .timeout = -1,          \
				  .start_period = -1,     \
				  .retries = -1,          \
				  .startup_interval = -1, \
				  .startup_timeout = -1,  \
				  .startup_retries = -1,  \
				  .startup_success = -1,  \
				  .log_count = -1,        \
				  .log_size = -1 })
void request_health_fini(struct request_health *h);
/* 0, -ENOMEM, or -EINVAL with an e that names option and value. */
int request_health_take(struct request_health *h, const char *const options[HEALTH_OPTION_COUNT],
			bool none, struct error *e);

/* Image and request as the object "healthcheck" of a record; *ret NULL: there is no check. 0 or -ENOMEM. */
int health_config(const struct imageconf_health *image, const struct request_health *h,
		  json_t **ret);
/* How often the monitor checks, in milliseconds; 0 = not. */
uint32_t health_interval_ms(const json_t *config, bool startup);

/* "starting", "healthy", "unhealthy"; "" where there is no check. */
const char *health_status(const struct container *c);
/* As inspect shows it: Status, FailingStreak, Log. A new reference; NULL where there is no check. */
json_t *health_results(struct storage *s, const struct container *c);
/* The life has ended: keep the results beside the record. */
void health_keep(struct storage *s, const char *id, const json_t *record);
/* The file of the results in the bundle. */
#define HEALTH_FILE "health.json"

struct health_outcome {
	bool ok;	   /* of this run */
	bool healthy;	   /* and not of the startup check */
	const char *shown; /* what crt healthcheck run prints, or NULL */
	bool startup_done; /* the startup check, if any, has passed */
	bool restart;	   /* the startup check has failed too often */
	enum health_action action;
};
/* Run the check of a running container once and write its result down. 0 or -errno. */
int health_run(struct storage *s, struct container *c, struct health_outcome *ret, struct error *e);

#endif
