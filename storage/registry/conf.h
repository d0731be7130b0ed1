/* SPDX-License-Identifier: Apache-2.0 */
/* In crt: which registries a reference means, by registries.conf, and the credentials for them. */
#ifndef STORAGE_REGISTRY_CONF_H
#define STORAGE_REGISTRY_CONF_H

#include "base/json.h"
#include "storage/storage.h"

/*
 * The candidates of a reference, in the order to try: an array of
 *   {"name": full reference text,
 *    "endpoints": [{"host", "path", "reference", "insecure", and where known "user", "password", "token", "ca"}]}
 * New reference in *ret. -errno with e set (blocked registry, broken file ...).
 */
int conf_candidates(const struct storage_fetch_request *r, json_t **ret, struct error *e);

#endif
