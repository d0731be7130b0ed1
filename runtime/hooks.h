/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: hooks that run in the runtime's own namespaces. */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

#include <stddef.h>

#include "base/error.h"
#include "runtime/spec.h"

/*
 * Run hooks one after the other with state (JSON text) on standard input and
 * the bundle as current directory. Stops at the first failure, with runc's
 * text "error running createRuntime hook #1: ...". 0 or -errno.
 */
int hooks_run(const struct spec_hooks *hooks, enum spec_hook_kind kind, const char *state,
	      struct error *e);

#endif
