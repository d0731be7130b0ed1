/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes of the host are a container's: found by its pid namespace. */
#ifndef CMD_PROCESSES_H
#define CMD_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* All that this caller may look into, at one moment. */
struct process {
	pid_t pid, ppid;
	uint64_t ns; /* inode of the pid namespace */
	char state;  /* as in /proc/PID/stat */
};
struct processes {
	int proc_fd;
	uint64_t own_ns;
	struct process *v;
	size_t n;
};
#define PROCESSES_INIT ((struct processes){ .proc_fd = -1 })

int processes_load(struct processes *t, struct error *e);
void processes_fini(struct processes *t);
/* The inode of a process's namespace ("net"), of its pid namespace; 0 when nobody tells. */
uint64_t processes_inode(int proc_fd, pid_t pid, const char *ns);
uint64_t processes_ns(int proc_fd, pid_t pid);
/*
 * Is p one of the container whose first process is first: of its pid namespace, or, where that is the
 * host's, one of its descendants?
 */
bool processes_has(const struct processes *t, pid_t first, uint64_t first_ns,
		   const struct process *p);
/* The fields of /proc/PID/stat behind the name: [0] is the state, [1] the parent. NULL = gone. Caller frees *text. */
#define PROCESS_FIELDS 50
int processes_stat(int proc_fd, pid_t pid, char **text, char *fields[PROCESS_FIELDS]);

#endif
