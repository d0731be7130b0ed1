/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crt-oci: what its verbs share. */
#ifndef CMD_OCI_H
#define CMD_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/runtime.h"

/* The global options. */
struct oci_global {
	const char *root; /* --root, NULL = the default place */
	const char *cgroup_manager;
	const char *criu; /* --criu, NULL = the installed one */
	bool systemd_cgroup;
	bool rootless_given;
	char *state_root;  /* what was chosen */
	int state_root_fd; /* -1 until oci_open_root() */
};

/* One option of a verb. value: where the text goes; flag: where the truth goes; list: called for each. */
struct oci_option {
	const char *name; /* "--bundle" */
	char letter;	  /* 'b' or 0 */
	const char **value;
	bool *flag;
	int (*each)(const char *value, void *data);
	void *data;
};

/*
 * Parse argv[1..] of a verb: "--name VALUE", "--name=VALUE", "-b VALUE";
 * options end at the first other word, or at "--". Returns its index, or -EINVAL with e set.
 */
int oci_options(int argc, char **argv, const struct oci_option *opts, size_t n, struct error *e);
/* The same for verbs whose options may also stand behind their words; argv is put in order. */
int oci_options_anywhere(int argc, char **argv, const struct oci_option *opts, size_t n,
			 struct error *e);

/* An absolute path without ".", ".." and "//"; links are left alone. Caller frees. */
char *oci_absolute(const char *path);
/* Open (create: and make) the state root. 0 or -errno; a missing one without create leaves the fd -1. */
int oci_open_root(struct oci_global *g, bool create, struct error *e);

/* Verbs: exit status; e is printed by main() when it has a code. argv[0] is the verb. */
typedef int (*oci_verb_fn)(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_create(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_run(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_start(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_restore(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_checkpoint(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_exec(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_state(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_kill(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_delete(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_list(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_ps(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_pause(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_resume(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_update(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_events(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_spec(struct oci_global *g, int argc, char **argv, struct error *e);
int oci_features(struct oci_global *g, int argc, char **argv, struct error *e);

/* The options of checkpoint and restore about CRIU. Release with oci_criu_fini(). */
struct oci_criu {
	struct runtime_criu c;
	const char *image_path;
	const char *work_path;
	const char *page_server;
	const char *status_fd;
	const char *cgroups_mode;
	const char *empty_ns;
	const char *network_lock;
	char *image; /* absolute */
	char *work;
	char *address;
};
#define OCI_CRIU_OPTIONS 20
/* Fill to[OCI_CRIU_OPTIONS]; their number. */
size_t oci_criu_options(struct oci_criu *o, bool restore, struct oci_option *to);
/* Check them and open the directories (dump: and make them). */
int oci_criu_open(struct oci_criu *o, const struct oci_global *g, bool restore, struct error *e);
void oci_criu_fini(struct oci_criu *o);

/* A file of the caller's of at most LIMIT_JSON_BYTES, "-" for standard input. */
int oci_read_file(const char *file, char **ret, size_t *ret_len, struct error *e);
/* Connect to a console or pidfd socket. fd or -errno. */
int oci_connect(const char *path, struct error *e);
/* The pid in decimal without a newline, by rename. */
int oci_write_pid_file(const char *path, int pid, struct error *e);
/* The number of LISTEN_FDS that are for us. */
unsigned int oci_listen_fds(void);
/*
 * Stay until the process ends (it is not reaped), passing on signals, with console_fd >= 0 the
 * terminal, and with notify_fd >= 0 what the container reports to the service manager.
 */
int oci_foreground(int pid_fd, int console_fd, int notify_fd, struct error *e);

/* Before a start: the socket of the container's reports when our caller wants them; else *ret_fd stays. */
int oci_notify_open(struct oci_global *g, const char *id, int *ret_fd, struct error *e);
/* Pass one message on; main_pid > 0 is told with READY=1. True when that was in it. */
bool oci_notify_pass(int fd, pid_t main_pid);
/* Until the container is ready or has ended. */
void oci_notify_wait(int fd, int pid_fd, pid_t main_pid);

#endif
