/* SPDX-License-Identifier: Apache-2.0 */
/* Taking an image into the store: joins userns (the fetcher's namespace) and storage (the fetcher). */
#ifndef CMD_FETCH_H
#define CMD_FETCH_H

#include <stdbool.h>

#include "base/error.h"
#include "storage/storage.h"

/* Zero-initialise with tls_verify = -1; strings are borrowed. */
struct cmd_fetch_options {
	const char *platform; /* "os/arch[/variant]" or NULL */
	int tls_verify;	      /* 1, 0, -1 = as configured */
	const char *authfile; /* or NULL */
	const char *creds;    /* "user:password" or NULL */
};

/*
 * Fetch the image that reftext names into the store, showing progress on
 * standard error unless quiet. *ret_ref (caller frees) finds it by
 * storage_image_resolve(). 0 or -errno.
 */
int cmd_fetch_image(struct storage *s, const char *reftext, const struct cmd_fetch_options *o,
		    bool quiet, char **ret_ref, struct error *e);

#endif
