/* SPDX-License-Identifier: Apache-2.0 */
/* A container as ps, inspect and rm see it: its record joined with whether it lives. */
#ifndef CMD_CONTAINER_H
#define CMD_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"
#include "storage/storage.h"

/* Strings are borrowed from record and never NULL. Release with container_fini(). */
struct container {
	char *id;
	json_t *record;
	const char *name, *image, *image_id;
	const char *state; /* "created", "running", "paused", "exited" */
	pid_t pid;	   /* 0 = none */
	pid_t keeper;	   /* or monitor; likewise */
	time_t created;
	time_t started;	 /* of the last life; 0 = none yet */
	time_t finished; /* 0 = not, or nobody saw it */
	int exit_code;	 /* -1 = not, or nobody saw it */
	bool live;
	/* bytes written, and of the image's files: filled by size_containers() only */
	uint64_t size_rw, size_image;
};

/* Load one by its full id. 0, -ENOENT when it went away in the meantime, or -errno. */
int container_load(struct storage *s, const char *id, struct container *ret, struct error *e);
void container_fini(struct container *c);
/* By name, id or beginning of an id. 0, -ENOENT (e says so), -EINVAL (ambiguous) or -errno. */
int container_open(struct storage *s, const char *text, struct container *ret, struct error *e);
/* Its first process exists; paused or not. */
bool container_is_running(const struct container *c);
/*
 * All, newest first; what cannot be read is left out with a warning, what a killed keeper left is
 * cleared away. Release with containers_free().
 */
int container_list(struct storage *s, struct container **ret, size_t *ret_n, struct error *e);
void containers_free(struct container *c, size_t n);
/* "Up 5 minutes", "Exited (0) 2 hours ago", "Created". Caller frees; NULL on -ENOMEM. */
char *container_status(const struct container *c, time_t now);
/* It runs, but the program that is its network was killed: it can reach nothing. */
bool container_has_lost_network(const struct container *c);
/* "0.0.0.0:8080->80/tcp, ..." Caller frees; NULL on -ENOMEM. */
char *container_ports(const struct container *c);
/* The volumes with podman's keys, without what crt itself mounts (/proc, /etc/hosts ...). NULL on -ENOMEM. */
json_t *container_volumes(const struct container *c);
/* The command as one line. Caller frees; NULL on -ENOMEM. */
char *container_command(const struct container *c);
/*
 * End a living container for good: note that no restart policy shall undo it, the stop signal and up to
 * grace seconds (0: none; UINT32_MAX: any), then SIGKILL; waits until its keeper has cleaned up, and kills
 * that when it does not. 0 or -errno.
 */
int container_stop(struct storage *s, struct container *c, unsigned int grace, struct error *e);
/* --stop-timeout */
unsigned int container_stop_timeout(const struct container *c);
/* One signal to the first process. 0; -ESRCH and the reason when it does not run; -errno. */
int container_kill(struct storage *s, struct container *c, int sig, struct error *e);
/* Wait for the end; the exit code, -1 when nobody saw it. 0 or -errno. */
int container_wait(struct storage *s, struct container *c, int *ret_code, struct error *e);
/* A pidfd of the first process, which is certainly it. -ESRCH when there is none. */
int container_pidfd(struct storage *s, const struct container *c);
/* The same for its keeper or monitor, which holds the lock. */
int container_keeper_pidfd(struct storage *s, const struct container *c);
/* Its process number and start time as the keeper noted them; zeros when it does not run. */
void container_process(struct storage *s, const struct container *c, pid_t *ret_pid,
		       unsigned long long *ret_start);
/* Stop it where it lives and remove all of it. 0 or -errno. The trash is the caller's to empty. */
int container_remove(struct storage *s, struct container *c, unsigned int grace, struct error *e);
/* Connect to the monitor (monitor.h). fd, -ENOTCONN when it has none that listens, or -errno. */
int container_connect(const struct container *c, struct error *e);

/*
 * Remove the bundle of a container that is not live, normally gone already, and
 * end a process that survived its keeper.
 */
void container_remove_bundle(const struct container *c);

#endif
