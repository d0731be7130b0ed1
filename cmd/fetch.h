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
	const char *policy;   /* or NULL */
	bool retries_given;
	unsigned int retries;	     /* with retries_given */
	unsigned int retry_delay_ms; /* 0 = default */
	const char *
		store_as; /* name of a fetched image, instead of the one it was fetched by; or NULL */
};

/* The caller of crt-fetch's request about ref, as the options say. Borrows from both. */
struct storage_fetch_request cmd_fetch_request(const struct cmd_fetch_options *o,
					       const struct storage_ref *ref);
/*
 * Run a crt-fetch that was begun, in a namespace of its own, showing progress unless quiet.
 * *ret (caller frees) is what storage_fetch_finish() says. f is not freed. 0 or -errno.
 */
int cmd_fetch_run(struct storage_fetch *f, bool quiet, char **ret, struct error *e);

/*
 * Fetch the image that reftext names into the store, showing progress on
 * standard error unless quiet. *ret_ref (caller frees) finds it by
 * storage_image_resolve(). 0 or -errno.
 */
int cmd_fetch_image(struct storage *s, const char *reftext, const struct cmd_fetch_options *o,
		    bool quiet, char **ret_ref, struct error *e);

#endif
