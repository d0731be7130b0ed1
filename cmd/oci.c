/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-oci: the OCI runtime as a command, with the command line of runc and crun.
 *
 * Theory of operation: started by podman (through conmon), containerd's shim,
 * dockerd or by hand; short-lived but for a foreground `run` or `exec`. This
 * file parses the global options, chooses the state directory and the log,
 * calls the verb, prints the one error. The verbs hold no logic of their own:
 * runtime/ does the work. Input: argv, the bundle, our own state directory
 * (0700, owner checked). Where callers read combined output nothing but the
 * answer is printed: an error goes to --log when that is given, and to
 * standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "cmd/oci.h"
#include "runtime/runtime.h"

static const struct {
	const char *name;
	oci_verb_fn fn;
	const char *args;
	const char *help;
} verbs[] = {
	{ "create", oci_create, "[options] ID", "make a container and leave it at its start gate" },
	{ "start", oci_start, "ID", "start a created container" },
	{ "run", oci_run, "[options] ID", "create and start a container, and wait for it" },
	{ "state", oci_state, "ID", "print the state of a container as JSON" },
	{ "kill", oci_kill, "[--all] [--regex] ID [SIGNAL]",
	  "send a signal (TERM) to a container" },
	{ "delete", oci_delete, "[--force] [--regex] ID", "remove a stopped container" },
	{ "exec", oci_exec, "[options] ID COMMAND [ARG...]",
	  "run a command in a running container" },
	{ "list", oci_list, "[--quiet] [--format table|json]", "list containers" },
	{ "ps", oci_ps, "[--format table|json] ID [PS-OPTION...]",
	  "list the processes of a container" },
	{ "pause", oci_pause, "ID", "freeze a container" },
	{ "resume", oci_resume, "ID", "thaw a container" },
	{ "update", oci_update, "[options] ID", "change the resource limits of a container" },
	{ "events", oci_events, "[--stats] [--interval TIME] ID",
	  "print figures of a container, one line each time" },
	{ "checkpoint", oci_checkpoint, "[options] ID", "save a running container with CRIU" },
	{ "restore", oci_restore, "[options] ID", "bring back a container that was saved" },
	{ "spec", oci_spec, "[--rootless] [--bundle DIR]", "write a config.json to begin with" },
	{ "features", oci_features, "", "print what this runtime can do as JSON" },
};

int oci_options(int argc, char **argv, const struct oci_option *opts, size_t n, struct error *e)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		const char *arg = argv[i], *value = strchr(arg, '=');
		size_t len = value != NULL && arg[1] == '-' ? (size_t)(value - arg) : strlen(arg),
		       k;
		bool is_short = arg[1] != '-';

		if (strcmp(arg, "--") == 0)
			return i + 1;
		/* "-name" is "--name" to some callers; "-b" is a letter */
		for (k = 0; k < n; k++) {
			const char *name = opts[k].name;

			if (!is_short && strlen(name) == len && strncmp(arg, name, len) == 0)
				break;
			if (is_short && arg[1] == opts[k].letter && opts[k].letter != 0 &&
			    (arg[2] == '\0' || opts[k].flag == NULL))
				break;
			if (is_short && arg[2] != '\0' && strcmp(arg + 1, name + 2) == 0)
				break;
		}
		if (k == n)
			return error_setf(e, -EINVAL, "flag provided but not defined: %s", arg);
		value = value != NULL && !is_short ? value + 1 : NULL;
		if (is_short && arg[2] != '\0' && arg[1] == opts[k].letter && opts[k].flag == NULL)
			value = arg[2] == '=' ? arg + 3 : arg + 2;
		if (opts[k].flag != NULL) {
			*opts[k].flag = value == NULL || strcmp(value, "false") != 0;
			continue;
		}
		if (value == NULL) {
			if (i + 1 >= argc)
				return error_setf(e, -EINVAL, "flag needs an argument: %s", arg);
			value = argv[++i];
		}
		if (opts[k].value != NULL)
			*opts[k].value = value;
		if (opts[k].each != NULL && opts[k].each(value, opts[k].data) < 0)
			return error_setf(e, -EINVAL, "invalid value \"%s\" for flag %s", value,
					  arg);
	}
	return i;
}

int oci_options_anywhere(int argc, char **argv, const struct oci_option *opts, size_t n,
			 struct error *e)
{
	int at = oci_options(argc, argv, opts, n, e);

	while (at > 0 && strcmp(argv[at - 1], "--") != 0) {
		int from = at, used;

		while (from < argc && (argv[from][0] != '-' || argv[from][1] == '\0'))
			from++;
		if (from == argc)
			return at;
		used = oci_options(argc - from + 1, argv + from - 1, opts, n, e) - 1;
		if (used < 0)
			return -EINVAL;
		/* the words go behind the options: one word after the other, there are few */
		for (int i = 0; i < used; i++) {
			char *option = argv[from + i];

			memmove(&argv[at + 1], &argv[at], (size_t)(from + i - at) * sizeof(*argv));
			argv[at++] = option;
		}
	}
	return at;
}

/* Inside somebody's user namespace (rootless podman) we are uid 0 but not the machine's root. */
static bool acts_as_user(void)
{
	_cleanup_free_ char *map = NULL;
	unsigned int inside = 1, outside = 0, count = 0;

	if (geteuid() != 0)
		return true;
	if (fd_read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL, NULL) < 0)
		return false;
	return sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
	       !(inside == 0 && outside == 0) && access("/run", W_OK) < 0;
}

/* Never a name in /tmp: anybody could have taken it. */
static int default_root(struct oci_global *g, struct error *e)
{
	const char *dir = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	_cleanup_free_ char *run_user = str_printf("/run/user/%u", geteuid());

	if (run_user == NULL)
		return error_set(e, -ENOMEM, "state directory");
	if (!acts_as_user())
		g->state_root = strdup("/run/crt-oci");
	else if (dir != NULL && dir[0] == '/')
		g->state_root = str_printf("%s/crt-oci", dir);
	else if (access(run_user, W_OK | X_OK) == 0)
		g->state_root = str_printf("%s/crt-oci", run_user);
	else if (home != NULL && home[0] == '/')
		g->state_root = str_printf("%s/.local/state/crt-oci", home);
	else
		return error_setf(
			e, -ENOENT,
			"no place for the state of containers: set XDG_RUNTIME_DIR or give --root");
	return g->state_root == NULL ? error_set(e, -ENOMEM, "state directory") : 0;
}

char *oci_absolute(const char *path)
{
	_cleanup_free_ char *cwd = NULL, *joined = NULL, *clean = NULL;

	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		joined = cwd == NULL ? NULL : str_printf("%s/%s", cwd, path);
		if (joined == NULL)
			return NULL;
		path = joined;
	}
	clean = path_clean(path);
	if (clean == NULL)
		return NULL;
	return clean[0] == '/' ? steal_ptr(&clean) : str_printf("/%s", clean);
}

int oci_open_root(struct oci_global *g, bool create, struct error *e)
{
	int r = 0;

	if (g->state_root_fd >= 0)
		return 0;
	if (g->root != NULL) {
		g->state_root = oci_absolute(g->root);
		if (g->state_root == NULL)
			return error_set(e, -ENOMEM, "--root");
		if (strcmp(g->state_root, "/") == 0)
			return error_setf(e, -EINVAL,
					  "--root: \"/\" cannot be the state directory");
	} else if ((r = default_root(g, e)) < 0) {
		return r;
	}
	if (!create && access(g->state_root, F_OK) < 0)
		return 0;
	g->state_root_fd = path_open_private_dir(g->state_root, e);
	if (g->state_root_fd < 0)
		return error_prefix(e, "state directory");
	return 0;
}

/* What crun's suite looks for before it tests readiness and labels. */
#if RUNTIME_SYSTEMD
#define VERSION_FEATURES "+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU"
#else
#define VERSION_FEATURES "+SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU"
#endif

static int print_version(void)
{
	/* go-runc wants the first word; the + line is what crun's suite reads */
	(void)printf("crt-oci version %s\ncommit: %s\nspec: 1.3.0\n" VERSION_FEATURES "\n",
		     CRT_VERSION, CRT_VERSION);
	return 0;
}

static int print_help(void)
{
	(void)printf(
		"Usage: crt-oci [--root DIR] [--log FILE] [--log-format text|json] [--debug]\n"
		"               [--cgroup-manager cgroupfs|systemd|disabled] [--systemd-cgroup] VERB ...\n\nVerbs:\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		(void)printf("  %-10s %-32s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
	return 0;
}

struct log_options {
	const char *file;
	const char *format;
	const char *level;
	bool debug;
};

static int open_log(const struct log_options *l, struct error *e)
{
	const char *path = l->file;
	int fd;

	log_set_format(LOG_FORMAT_TEXT);
	if (l->format != NULL && strcmp(l->format, "json") == 0)
		log_set_format(LOG_FORMAT_JSON);
	else if (l->format != NULL && strcmp(l->format, "text") != 0)
		return error_setf(e, -EINVAL, "invalid log-format: %s", l->format);
	if (l->debug || (l->level != NULL && strcmp(l->level, "debug") == 0))
		log_set_level(LOG_LEVEL_DEBUG);
	else if (l->level != NULL && strcmp(l->level, "error") == 0)
		log_set_level(LOG_LEVEL_ERROR);
	if (path == NULL || path[0] == '\0')
		return 0;
	if (strncmp(path, "file:", 5) == 0)
		path += 5;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return error_set(e, -errno, "open log file %s", path);
	log_set_fd(fd); /* stays open until we end */
	return 0;
}

static void print_error(const struct log_options *l, const struct error *e)
{
	log_error(e);
	if (l->file == NULL || l->file[0] == '\0')
		return;
	/* callers that keep a log of ours still show people our standard error */
	log_set_fd(STDERR_FILENO);
	log_set_format(LOG_FORMAT_TEXT);
	log_error(e);
}

static int call_verb(struct oci_global *g, int argc, char **argv, struct error *e)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[0], verbs[i].name) != 0)
			continue;
		if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
			(void)printf("Usage: crt-oci %s %s\n\n%s\n", verbs[i].name, verbs[i].args,
				     verbs[i].help);
			return 0;
		}
		return verbs[i].fn(g, argc, argv, e);
	}
	(void)error_setf(e, -EINVAL, "No help topic for '%s'", argv[0]);
	return 3;
}

static bool enters_containers(const char *verb)
{
	return strcmp(verb, "create") == 0 || strcmp(verb, "run") == 0 || strcmp(verb, "exec") == 0;
}

int main(int argc, char **argv)
{
	struct oci_global g = { .state_root_fd = -1 };
	struct log_options l = { .file = NULL };
	struct error e = ERROR_INIT;
	bool version = false, help = false;
	const char *rootless = NULL;
	const struct oci_option opts[] = {
		{ .name = "--root", .value = &g.root },
		{ .name = "--log", .value = &l.file },
		{ .name = "--log-format", .value = &l.format },
		{ .name = "--log-level", .value = &l.level },
		{ .name = "--debug", .flag = &l.debug },
		{ .name = "--systemd-cgroup", .flag = &g.systemd_cgroup },
		{ .name = "--cgroup-manager", .value = &g.cgroup_manager },
		{ .name = "--rootless", .value = &rootless },
		{ .name = "--criu", .value = &g.criu },
		{ .name = "--version", .letter = 'v', .flag = &version },
		{ .name = "--help", .letter = 'h', .flag = &help },
	};
	int at, status;

	/* the heap grows at once: what is not touched costs nothing, each brk(2) does */
	(void)mallopt(M_TOP_PAD, 1 << 20);
	if (fd_sanitize_stdio() < 0)
		return 1;
	log_set_name("crt-oci");
	proc_own_signals();
	at = oci_options(argc, argv, opts, sizeof(opts) / sizeof(opts[0]), &e);
	if (at >= 0 && open_log(&l, &e) < 0)
		at = -1;
	if (at < 0) {
		print_error(&l, &e);
		return 1;
	}
	if (g.systemd_cgroup)
		g.cgroup_manager = "systemd";
	if (version)
		return print_version();
	if (help || at >= argc)
		return print_help();
	if (enters_containers(argv[at]) && runtime_protect_self(argv, &e) < 0) {
		print_error(&l, &e);
		return 1;
	}
	log_debug("crt-oci " CRT_VERSION ": %s", argv[at]);
	status = call_verb(&g, argc - at, argv + at, &e);
	if (e.code != 0)
		print_error(&l, &e);
	free(g.state_root);
	return status;
}
