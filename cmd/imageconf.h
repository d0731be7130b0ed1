/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an OCI image configuration that a run needs, checked (image-spec, config.md). */
#ifndef CMD_IMAGECONF_H
#define CMD_IMAGECONF_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Healthcheck: times in nanoseconds, 0 = not set. */
struct imageconf_health {
	struct strv test; /* "CMD", WORD...; "CMD-SHELL", TEXT; "NONE"; empty: nothing is said */
	int64_t interval, timeout, start_period, retries;
};

/* All strings are owned. */
struct imageconf {
	struct strv env; /* NAME=VALUE */
	struct strv entrypoint, cmd;
	struct strv volumes;  /* absolute clean paths */
	struct strv exposed;  /* "80/tcp" */
	struct strv labels;   /* key=value */
	char *user, *workdir; /* NULL when not set */
	int stop_signal;      /* 0 when not set */
	struct imageconf_health health;
};

/* Parse the configuration of an image (hostile). what names the image. 0, -EINVAL with the field's name, -ENOMEM. */
int imageconf_parse(const char *text, size_t len, const char *what, struct imageconf *ret,
		    struct error *e);
void imageconf_fini(struct imageconf *c);

#endif
