/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt exec: one more process in a running container.
 *
 * Theory of operation: the container's first process is the handle to its
 * namespaces (runtime/exec.c), found by the file "pid" of the bundle and checked by
 * its start time. The process object of the bundle's config.json is the base, so
 * that environment, limits, capabilities, seccomp filter are the container's; the
 * options change it. The new process is a child of ours; streams, signals and the
 * terminal are carried by the relay of crt run. Nothing is written and no lock is
 * taken. With --detach it is left to the container's pid namespace.
 *
 * The attacker is the container: its passwd and group files are read through
 * /proc/PID/root with a size limit and links resolved inside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/compose.h"
#include "cmd/container.h"
#include "cmd/events.h"
#include "cmd/exec.h"
#include "cmd/limits.h"
#include "cmd/opt.h"
#include "cmd/relay.h"
#include "cmd/request.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

#define EXIT_NOT_RUNNING 255 /* podman's */

struct options {
	bool detach, interactive, latest, privileged, tty;
	const char *user, *workdir, *detach_keys;
	struct strv env, env_file;
	unsigned int preserve_fds;
};

static const struct option_spec options[] = {
	{ "detach", 'd', OPT_FLAG, offsetof(struct options, detach),
	  .help = "Start the command and do not wait for it" },
	{ "detach-keys", 0, OPT_STRING, offsetof(struct options, detach_keys), .arg = "KEYS",
	  .help = "Accepted for scripts" },
	{ "env", 'e', OPT_STRINGS, offsetof(struct options, env), .arg = "NAME[=VALUE]",
	  .help = "Set an environment variable (NAME alone: the host's value)" },
	{ "env-file", 0, OPT_STRINGS, offsetof(struct options, env_file), .arg = "FILE",
	  .help = "Read environment variables from FILE", .complete = "file" },
	{ "interactive", 'i', OPT_FLAG, offsetof(struct options, interactive),
	  .help = "Keep standard input open" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest),
	  .help = "In the newest container" },
	{ "preserve-fds", 0, OPT_UINT, offsetof(struct options, preserve_fds), .arg = "N",
	  .help = "Pass N file descriptors, from 3 on, into the container" },
	{ "privileged", 0, OPT_FLAG, offsetof(struct options, privileged),
	  .help = "Give the command all capabilities of the container's user namespace" },
	{ "tty", 't', OPT_FLAG, offsetof(struct options, tty),
	  .help = "Give the command a terminal" },
	{ "user", 'u', OPT_STRING, offsetof(struct options, user), .arg = "USER[:GROUP]",
	  .help = "Run as this user of the container" },
	{ "workdir", 'w', OPT_STRING, offsetof(struct options, workdir), .arg = "DIR",
	  .help = "Working directory in the container" },
	OPTION_END
};

const struct cmd_verb cmd_verb_exec = {
	.name = "exec",
	.run = cmd_exec,
	.options = options,
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.summary = "Run a command in a running container",
	.stops_at_operand = true,
	.operands = OPERANDS_CONTAINERS,
	.runs_containers = true,
};

/* ---- the process object ------------------------------------------------------------------ */

static int put(json_t *obj, const char *key, json_t *value, struct error *e)
{
	return json_object_set_new(obj, key, value) < 0 ?
		       error_set(e, -ENOMEM, "composing the process") :
		       0;
}

static int put_strings(json_t *obj, const char *key, char *const *v, size_t n, struct error *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(v[i])) < 0) {
			json_decref(list);
			return error_setf(e, -EILSEQ, "\"%s\" of the command is not valid UTF-8",
					  key);
		}
	return put(obj, key, list, e);
}

/* The container's environment, then the options'. */
static int set_env(json_t *process, const struct options *o, struct error *e)
{
	struct run_request req;
	json_t *old = json_object_get(process, "env"), *one;
	size_t i;
	int r = 0;

	run_request_init(&req);
	json_array_foreach(old, i, one)
		if (r == 0 && json_is_string(one) &&
		    strv_env_set(&req.env, json_string_value(one)) < 0)
			r = error_set(e, -ENOMEM, "environment");
	if (r == 0 && o->tty && strv_env_get(&req.env, "TERM") == NULL &&
	    strv_env_set(&req.env, "TERM=xterm") < 0)
		r = error_set(e, -ENOMEM, "environment");
	for (i = 0; r == 0 && i < o->env_file.n; i++)
		r = request_add_env_file(&req, o->env_file.v[i], e);
	for (i = 0; r == 0 && i < o->env.n; i++)
		r = request_add_env(&req, o->env.v[i], e);
	if (r == 0)
		r = put_strings(process, "env", req.env.v, req.env.n, e);
	run_request_fini(&req);
	return r;
}

static int compose(int bundle_fd, pid_t pid, const struct options *o, char **args, int n,
		   char **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *config = NULL;
	_cleanup_fd_ int root_fd = -1;
	json_t *process;
	char path[32];
	size_t len;
	int r;

	r = fd_read_file_at(bundle_fd, "config.json", LIMIT_JSON_BYTES, &text, &len, e);
	if (r < 0)
		return r;
	config = json_parse(text, len, "config.json", e);
	process = json_object_get(config, "process");
	if (process == NULL)
		return e->code < 0 ? e->code : error_setf(e, -EINVAL, "config.json is damaged");
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root_fd = o->user != NULL ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (o->user != NULL && root_fd < 0)
		return error_set(e, -errno, "opening the container's root");
	r = put_strings(process, "args", args, (size_t)n, e);
	if (r == 0)
		r = put(process, "terminal", json_boolean(o->tty), e);
	if (r == 0 && o->workdir != NULL)
		r = put(process, "cwd", json_string(o->workdir), e);
	if (r == 0)
		r = compose_exec_user(process, o->user, o->privileged, root_fd, e);
	if (r == 0)
		r = set_env(process, o, e);
	if (r == 0 && limits_join(bundle_fd, process) < 0)
		r = error_set(e, -ENOMEM, "composing the process");
	if (r < 0)
		return r;
	(void)json_object_del(process, "consoleSize"); /* not there is fine */
	*ret = json_to_text(process);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "composing the process");
}

int exec_compose(int bundle_fd, pid_t pid, char **args, int n, char **ret, struct error *e)
{
	const struct options none = { .detach = false };

	return compose(bundle_fd, pid, &none, args, n, ret, e);
}

/* ---- the process ------------------------------------------------------------------------- */

static int carry(const struct options *o, struct relay_stdio *stdio, pid_t pid, int pid_fd,
		 int console_fd, struct error *e)
{
	struct net_handle no_net = NET_HANDLE_INIT;
	struct relay relay = {
		.stdio = stdio,
		.ctl_fd = -1,
		.child_pid = pid,
		.child_pid_fd = pid_fd,
		.console_fd = console_fd,
		.tty = o->tty,
		.interactive = o->interactive,
		.sig_proxy = true,
		.net = &no_net,
	};

	relay_stdio_close_child(stdio);
	return relay_run(&relay, e);
}

static int start(struct storage *s, const struct container *c, int bundle_fd,
		 const struct options *o, char **args, int n, struct error *e)
{
	struct runtime_exec x = RUNTIME_EXEC_INIT;
	struct relay_stdio stdio = { { -1, -1, -1 }, { -1, -1, -1 } };
	_cleanup_free_ char *process = NULL, *cgroup = limits_cgroup_at(bundle_fd);
	_cleanup_fd_ int null_fd = -1, first_fd = -1;
	int console_fd = -1, pid_fd = -1, r, code;
	pid_t pid;

	container_process(s, c, &x.pid, &x.start_time);
	first_fd = o->user != NULL ? container_pidfd(s, c) : -1;
	r = compose(bundle_fd, x.pid, o, args, n, &process, e);
	/* its accounts were read below a number: which still was its own */
	if (r == 0 && o->user != NULL && (first_fd < 0 || proc_pidfd_send_signal(first_fd, 0) < 0))
		r = error_setf(e, -ESRCH, "container %s has just ended", c->name);
	if (r == 0 && o->detach) {
		null_fd = fd_open_null(e);
		r = null_fd < 0 ? null_fd : 0;
		stdio.child[0] = stdio.child[1] = stdio.child[2] = null_fd;
	} else if (r == 0) {
		r = relay_stdio_init(&stdio, o->interactive, o->tty, e);
	}
	if (r < 0)
		return EXIT_CRT;
	relay_block_signals();
	x.id = c->id;
	x.bundle_fd = bundle_fd;
	x.process = process;
	x.process_len = strlen(process);
	x.terminal = o->tty;
	x.detach = o->detach;
	x.preserve_fds = o->preserve_fds;
	x.ret_console_fd = &console_fd;
	memcpy(x.stdio, stdio.child, sizeof(x.stdio));
	x.cgroup_record = cgroup;
	r = runtime_exec(&x, &pid, &pid_fd, e);
	if (r == RUNTIME_START_OK)
		events_container(s, "exec", c, -1);
	if (r == RUNTIME_START_OK && !o->detach) {
		code = carry(o, &stdio, pid, pid_fd, console_fd, e);
		events_container(s, "exec_died", c, code);
	} else {
		code = r == RUNTIME_START_OK		 ? 0 :
		       r == RUNTIME_START_NOT_FOUND	 ? 127 :
		       r == RUNTIME_START_NOT_EXECUTABLE ? 126 :
							   EXIT_CRT;
	}
	if (o->detach)
		stdio.child[0] = stdio.child[1] = stdio.child[2] = -1;
	relay_stdio_fini(&stdio);
	return code;
}

static int exec_in(struct storage *s, const struct container *c, const struct options *o,
		   char **args, int n, struct error *e)
{
	const char *dir = json_string_value(json_object_get(c->record, "rundir"));
	_cleanup_fd_ int bundle_fd = -1;

	if (!container_is_running(c) || strcmp(c->state, "paused") == 0) {
		(void)error_setf(e, -ESRCH,
				 "can only exec in running containers: container %s is in state %s",
				 c->name, c->state);
		return EXIT_NOT_RUNNING;
	}
	bundle_fd = open(dir != NULL ? dir : "", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle_fd < 0) {
		(void)error_set(e, -errno, "opening the bundle of container %s", c->name);
		(void)error_hint(e, " (is the runtime directory gone, as after a logout?)");
		return EXIT_CRT;
	}
	return start(s, c, bundle_fd, o, args, n, e);
}

static int find_and_exec(const struct options *o, const struct cmd_global *g, char **words, int n,
			 struct error *e)
{
	struct container c = { .id = NULL }, *all = NULL;
	struct storage *s = NULL;
	size_t count = 0;
	int code = EXIT_CRT;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0 && o->latest) {
		r = container_list(s, &all, &count, e);
		if (r == 0 && count == 0)
			(void)error_setf(e, -ENOENT, "there is no container");
		else if (r == 0)
			code = exec_in(s, &all[0], o, words, n, e);
		containers_free(all, count);
	} else if (r == 0) {
		r = container_open(s, words[0], &c, e);
		if (r == 0)
			code = exec_in(s, &c, o, words + 1, n - 1, e);
		container_fini(&c);
	}
	storage_free(s);
	return code;
}

int cmd_exec(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .detach = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_exec, argc, argv, &o, &code);

	if (first >= 0 && argc - first < (o.latest ? 1 : 2)) {
		code = opt_usage_error(&cmd_verb_exec, "a container and a command are needed");
	} else if (first >= 0 && o.detach && o.tty) {
		code = opt_usage_error(&cmd_verb_exec, "--tty cannot be used with --detach");
	} else if (first >= 0) {
		code = find_and_exec(&o, g, argv + first, argc - first, &e);
		if (e.code != 0)
			log_error(&e);
	}
	strv_fini(&o.env);
	strv_fini(&o.env_file);
	return code;
}
