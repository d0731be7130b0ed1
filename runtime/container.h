/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: a container made by this process, as create and restore share it. */
#ifndef RUNTIME_CONTAINER_H
#define RUNTIME_CONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/parent.h"
#include "runtime/prepare.h"
#include "runtime/runtime.h"
#include "runtime/state.h"

struct runtime_container {
	struct spec spec;
	struct prepared pr;
	struct state state;
	struct parent_child child;
	char *id;
	int state_root_fd; /* borrowed, -1 */
	bool made_dir;
	bool gate_on_disk;
	bool ran_start; /* past the gate: poststop hooks are due */
	bool reaped;
	bool keep; /* the container outlives this structure */
};

/* An empty one after the check of the id; release with runtime_container_destroy(). NULL: e is set. */
struct runtime_container *container_new(const struct runtime_create *c, struct error *e);
/* Read and check config.json, fill in the state, make the state directory with a copy of it. */
int container_begin(struct runtime_container *k, const struct runtime_create *c, struct error *e);
/* prestart and createRuntime hooks for the new process. data is the container. */
int container_create_hooks(void *data, pid_t pid, struct error *e);

#endif
