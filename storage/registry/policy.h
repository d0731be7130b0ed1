/* SPDX-License-Identifier: Apache-2.0 */
/* In crt: which sources policy.json allows. */
#ifndef STORAGE_REGISTRY_POLICY_H
#define STORAGE_REGISTRY_POLICY_H

#include "base/json.h"

/*
 * Pure: what the policy says about an image. scope is "host/repository" (docker) or an
 * absolute path, identity the same with tag or digest. 0, -EACCES (rejected, or a
 * signature is demanded, which cannot be verified), -EINVAL (malformed).
 */
int policy_judge(const json_t *policy, const char *transport, const char *identity,
		 const char *scope, struct error *e);
/* The same by file (NULL: the user's, else the system's; none of both allows everything). */
int policy_check(const char *file, const char *transport, const char *identity, const char *scope,
		 struct error *e);

#endif
