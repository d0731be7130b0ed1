/* SPDX-License-Identifier: Apache-2.0 */
/* In crt: credentials for a registry from auth files and credential helpers. */
#ifndef STORAGE_REGISTRY_CREDS_H
#define STORAGE_REGISTRY_CREDS_H

#include "base/buf.h"
#include "base/json.h"

/*
 * Find what is known about name ("host[:port]/repository") and set "user" and
 * "password", or "token", in the endpoint. authfile: only this file (it must
 * exist), NULL: the usual places. Nothing found is success.
 */
int creds_find(const char *name, const char *authfile, json_t *endpoint, struct error *e);
/* "user:password" of --creds. */
int creds_split(const char *text, json_t *endpoint, struct error *e);

/* The auth files that are read, most particular first. 0 or -ENOMEM. */
int creds_places(struct strv *ret);
/* What helpers call a registry. Borrowed. */
const char *creds_server(const char *host);
/*
 * Run docker-credential-HELPER VERB with input; its output is added to answer (erase that).
 * 0, 1 when it exits with a failure, -errno.
 */
int creds_run_helper(const char *helper, const char *verb, const char *input, struct buf *answer,
		     struct error *e);
/* Pure: does this key of an auth file mean the registry? Old ones are URLs. */
bool creds_key_is(const char *key, const char *registry);
/* Pure: base64 of text. Caller frees; NULL = -ENOMEM. */
char *creds_encode(const char *text);
/* Pure: the keys to look for, most specific first; strings for strv_fini(). */
int creds_keys(const char *name, struct strv *ret);
/* Pure: "user:password" from base64. Caller frees both. 0 or -EINVAL, -ENOMEM. */
int creds_decode(const char *base64, char **ret_user, char **ret_password);

#endif
