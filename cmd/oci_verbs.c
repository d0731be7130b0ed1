/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small verbs of crt-oci: state, kill, delete, list, ps, pause, resume,
 * update, spec, features.
 *
 * Theory of operation: options to arguments, one call of runtime/, its text
 * to standard output. What is printed from a container's record (ids,
 * bundles) was checked when it was made; still, tables are escaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/proc.h"
#include "cmd/oci.h"
#include "runtime/runtime.h"

static int print(const char *text, struct error *e)
{
	int r = fd_write_all(STDOUT_FILENO, text, strlen(text));

	return r < 0 ? error_set(e, r, "write to standard output") : 0;
}

/* Options, then min..max words; the state root is opened. Index of the first word or -1. */
static int begin(struct oci_global *g, int argc, char **argv, const struct oci_option *opts,
		 size_t n, int min, int max, struct error *e)
{
	/* the words behind the id are for the host's ps, options too */
	int at = max > 3 ? oci_options(argc, argv, opts, n, e) :
			   oci_options_anywhere(argc, argv, opts, n, e);

	if (at < 0)
		return -1;
	if (argc - at < min || argc - at > max) {
		(void)error_setf(e, -EINVAL, "%s: \"%s\" requires %s%d argument%s", argv[0],
				 argv[0], min == max ? "exactly " : "a minimum of ", min,
				 min == 1 ? "" : "s");
		return -1;
	}
	return oci_open_root(g, false, e) < 0 ? -1 : at;
}

int oci_state(struct oci_global *g, int argc, char **argv, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	int at = begin(g, argc, argv, NULL, 0, 1, 1, e);

	if (at < 0 || runtime_state(g->state_root_fd, argv[at], &text, e) < 0)
		return 1;
	return print(text, e) < 0 ? 1 : 0;
}

/* What kill and delete do to one container, or with --regex to each whose id matches. */
struct oci_each {
	int (*fn)(int state_root_fd, const char *id, const struct oci_each *how, struct error *e);
	int sig;
	bool flag;
};

/* All of them are tried; the first error is the one reported. */
static int each_matching(int state_root_fd, const char *pattern, const struct oci_each *how,
			 struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *arr = NULL;
	struct error one = ERROR_INIT;
	json_t *item;
	regex_t re;
	size_t i;
	int r;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return error_setf(e, -EINVAL, "--regex: \"%.64s\" is not a regular expression",
				  pattern);
	r = runtime_list(state_root_fd, &text, e);
	if (r == 0 && (arr = json_parse(text, strlen(text), "list", e)) == NULL)
		r = -EINVAL;
	json_array_foreach(arr, i, item) {
		const char *id = json_string_value(json_object_get(item, "id"));

		if (regexec(&re, id, 0, NULL, 0) == 0 &&
		    how->fn(state_root_fd, id, how, r == 0 ? e : &one) < 0)
			r = -EIO;
	}
	regfree(&re);
	return r;
}

static int act(int state_root_fd, const char *id, bool regex, const struct oci_each *how,
	       struct error *e)
{
	int r = regex ? each_matching(state_root_fd, id, how, e) :
			how->fn(state_root_fd, id, how, e);

	return r < 0 ? 1 : 0;
}

static int kill_one(int state_root_fd, const char *id, const struct oci_each *how, struct error *e)
{
	return runtime_kill(state_root_fd, id, how->sig, how->flag, e);
}

static int delete_one(int state_root_fd, const char *id, const struct oci_each *how,
		      struct error *e)
{
	return runtime_delete(state_root_fd, id, how->flag, e);
}

int oci_kill(struct oci_global *g, int argc, char **argv, struct error *e)
{
	bool all = false, regex = false;
	const struct oci_option opts[] = { { .name = "--all", .letter = 'a', .flag = &all },
					   { .name = "--regex", .letter = 'r', .flag = &regex } };
	int at = begin(g, argc, argv, opts, 2, 1, 2, e), sig = SIGTERM;
	const char *id;

	if (at < 0)
		return 1;
	id = argv[at];
	/* 0 asks whether there is somebody */
	if (at + 1 < argc)
		sig = strcmp(argv[at + 1], "0") == 0 ? 0 : proc_signal_parse(argv[at + 1]);
	if (sig < 0) {
		(void)error_setf(e, -EINVAL, "unknown signal \"%s\"", argv[at + 1]);
		return 1;
	}
	return act(g->state_root_fd, id, regex,
		   &(struct oci_each){ .fn = kill_one, .sig = sig, .flag = all }, e);
}

int oci_delete(struct oci_global *g, int argc, char **argv, struct error *e)
{
	bool force = false, regex = false;
	const struct oci_option opts[] = { { .name = "--force", .letter = 'f', .flag = &force },
					   { .name = "--regex", .letter = 'r', .flag = &regex } };
	int at = begin(g, argc, argv, opts, 2, 1, 1, e);

	if (at < 0)
		return 1;
	return act(g->state_root_fd, argv[at], regex,
		   &(struct oci_each){ .fn = delete_one, .flag = force }, e);
}

static int print_table(const char *text, bool quiet, struct error *e)
{
	_cleanup_json_ json_t *arr = json_parse(text, strlen(text), "list", e);
	_cleanup_buf_ struct buf b = BUF_INIT;
	static const char *const keys[] = { "id", "pid", "status", "bundle", "created", "owner" };
	static const char *const heads[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	size_t width[6], i, k;
	json_t *item;

	if (arr == NULL)
		return -EINVAL;
	for (k = 0; k < 6; k++)
		width[k] = strlen(heads[k]);
	json_array_foreach(arr, i, item)
		for (k = 0; k < 6; k++) {
			const json_t *v = json_object_get(item, keys[k]);
			size_t n = json_is_string(v) ?
					   strlen(json_string_value(v)) :
					   (size_t)snprintf(NULL, 0, "%lld",
							    (long long)json_integer_value(v));

			if (n > width[k])
				width[k] = n;
		}
	for (k = 0; !quiet && k < 6; k++)
		(void)buf_printf(&b, "%-*s%s", (int)width[k], heads[k], k == 5 ? "\n" : "   ");
	json_array_foreach(arr, i, item) {
		for (k = 0; k < (quiet ? 1 : 6); k++) {
			const json_t *v = json_object_get(item, keys[k]);
			char number[24];

			(void)snprintf(number, sizeof(number), "%lld",
				       (long long)json_integer_value(v));
			(void)buf_printf(&b, "%-*s%s", quiet ? 0 : (int)width[k],
					 json_is_string(v) ? json_string_value(v) : number,
					 quiet || k == 5 ? "\n" : "   ");
		}
	}
	return print(buf_str(&b), e);
}

int oci_list(struct oci_global *g, int argc, char **argv, struct error *e)
{
	const char *format = "table";
	bool quiet = false;
	const struct oci_option opts[] = { { .name = "--format", .letter = 'f', .value = &format },
					   { .name = "--quiet", .letter = 'q', .flag = &quiet } };
	_cleanup_free_ char *text = NULL;
	int r;

	if (begin(g, argc, argv, opts, 2, 0, 0, e) < 0 ||
	    runtime_list(g->state_root_fd, &text, e) < 0)
		return 1;
	if (!quiet && strcmp(format, "json") == 0)
		r = print(text, e);
	else if (quiet || strcmp(format, "table") == 0)
		r = print_table(text, quiet, e);
	else
		r = error_setf(e, -EINVAL, "invalid format option");
	return r < 0 ? 1 : 0;
}

/* The host's ps, its lines cut down to our pids. args: what follows the id. */
static int ps_table(const pid_t *pids, size_t n, char **args, struct error *e)
{
	char all[] = "-ef", *const plain[] = { all, NULL };
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct strv argv = { .v = NULL };
	_cleanup_buf_ struct buf out = BUF_INIT, b = BUF_INIT;
	_cleanup_fd_ int in_fd = -1;
	struct proc_fd_map fds[2] = { { -1, 1 }, { 2, 2 } };
	struct proc_spawn s = { .path_fd = -1, .fds = fds, .fds_n = 2 };
	extern char **environ;
	int pair[2], r, column = -1;
	char *rest, *line;
	pid_t pid;

	r = proc_find_program("ps", &path);
	if (r < 0)
		return error_set(e, r, "ps");
	r = strv_add(&argv, "ps");
	for (char *const *a = args[0] != NULL ? args : plain; r == 0 && *a != NULL; a++)
		r = strv_add(&argv, *a);
	if (r == 0)
		r = fd_pipe(pair);
	if (r < 0)
		return error_set(e, r, "ps");
	in_fd = pair[0];
	fds[0].fd = pair[1];
	s.path = path;
	s.argv = argv.v;
	s.envp = environ;
	r = proc_spawn(&s, &pid, NULL, e);
	(void)close(pair[1]);
	if (r < 0)
		return r;
	r = fd_read_to_end(in_fd, &out, 16 << 20);
	(void)proc_wait(pid); /* its lines are what counts */
	if (r < 0)
		return error_set(e, r, "ps");
	rest = out.data;
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		_cleanup_free_ char *copy = strdup(line);
		char *words = copy, *word;
		bool keep = column < 0;

		for (int i = 0; words != NULL && (word = strsep(&words, " ")) != NULL;) {
			if (*word == '\0')
				continue;
			if (column < 0 && strcmp(word, "PID") == 0) {
				column = i;
				break;
			}
			for (size_t k = 0; i == column && k < n; k++)
				keep = keep || strtol(word, NULL, 10) == pids[k];
			i++;
		}
		if (column < 0)
			return error_setf(e, -EINVAL, "ps: the output has no PID column");
		if (keep && *line != '\0')
			(void)buf_printf(&b, "%s\n", line);
	}
	return print(buf_str(&b), e);
}

int oci_ps(struct oci_global *g, int argc, char **argv, struct error *e)
{
	const char *format = "table";
	const struct oci_option opts[] = { { .name = "--format", .letter = 'f', .value = &format } };
	int at = begin(g, argc, argv, opts, 1, 1, 1000, e), r;
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	if (at < 0 || runtime_pids(g->state_root_fd, argv[at], &pids, &n, e) < 0)
		return 1;
	if (strcmp(format, "json") != 0) {
		r = n == 0 ? 0 : ps_table(pids, n, argv + at + 1, e);
		return r < 0 ? 1 : 0;
	}
	(void)buf_puts(&b, n == 0 ? "null" : "[");
	for (size_t i = 0; i < n; i++)
		(void)buf_printf(&b, "%s%d", i > 0 ? "," : "", (int)pids[i]);
	if (n > 0)
		(void)buf_puts(&b, "]");
	return print(buf_str(&b), e) < 0 ? 1 : 0;
}

static int set_paused(struct oci_global *g, int argc, char **argv, bool paused, struct error *e)
{
	int at = begin(g, argc, argv, NULL, 0, 1, 1, e);

	return at < 0 || runtime_pause(g->state_root_fd, argv[at], paused, e) < 0 ? 1 : 0;
}

int oci_pause(struct oci_global *g, int argc, char **argv, struct error *e)
{
	return set_paused(g, argc, argv, true, e);
}

int oci_resume(struct oci_global *g, int argc, char **argv, struct error *e)
{
	return set_paused(g, argc, argv, false, e);
}

/* One number option of update: where it goes in linux.resources. */
struct update_number {
	json_t *resources;
	const char *section;
	const char *key;
	bool text;
};

static int add_number(const char *value, void *data)
{
	const struct update_number *u = data;
	json_t *section = json_object_get(u->resources, u->section);
	unsigned long long v = 0;
	bool negative = value[0] == '-';

	if (section == NULL) {
		section = json_object();
		if (json_object_set_new(u->resources, u->section, section) < 0)
			return -ENOMEM;
	}
	if (u->text)
		return json_object_set_new(section, u->key, json_string(value));
	/* sizes may carry a suffix, "-1" is unlimited */
	if (negative ? str_to_u64(value + 1, INT64_MAX, &v) < 0 : str_to_size(value, &v) < 0)
		return -EINVAL;
	return json_object_set_new(section, u->key,
				   json_integer(negative ? -(json_int_t)v : (json_int_t)v));
}

static const struct {
	const char *option;
	const char *section;
	const char *key;
	bool text;
} update_options[] = {
	{ "--blkio-weight", "blockIO", "weight", false },
	{ "--cpu-period", "cpu", "period", false },
	{ "--cpu-quota", "cpu", "quota", false },
	{ "--cpu-burst", "cpu", "burst", false },
	{ "--cpu-share", "cpu", "shares", false },
	{ "--cpu-rt-period", "cpu", "realtimePeriod", false },
	{ "--cpu-rt-runtime", "cpu", "realtimeRuntime", false },
	{ "--cpu-idle", "cpu", "idle", false },
	{ "--cpuset-cpus", "cpu", "cpus", true },
	{ "--cpuset-mems", "cpu", "mems", true },
	{ "--memory", "memory", "limit", false },
	{ "--memory-reservation", "memory", "reservation", false },
	{ "--memory-swap", "memory", "swap", false },
	{ "--kernel-memory", "memory", "kernel", false },
	{ "--kernel-memory-tcp", "memory", "kernelTCP", false },
	{ "--pids-limit", "pids", "limit", false },
};
#define UPDATE_OPTIONS (sizeof(update_options) / sizeof(update_options[0]))

int oci_read_file(const char *file, char **ret, size_t *ret_len, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	int r;

	if (strcmp(file, "-") != 0) {
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return error_set(e, -errno, "open %s", file);
	}
	r = fd_read_to_end(fd < 0 ? STDIN_FILENO : fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "read %s", fd < 0 ? "standard input" : file);
	if (b.data == NULL && buf_puts(&b, "") < 0)
		return error_set(e, -ENOMEM, "read %s", file);
	*ret_len = b.len;
	*ret = buf_steal(&b);
	return *ret == NULL ? error_set(e, -ENOMEM, "read %s", file) : 0;
}

int oci_update(struct oci_global *g, int argc, char **argv, struct error *e)
{
	struct oci_option opts[UPDATE_OPTIONS + 1];
	struct update_number numbers[UPDATE_OPTIONS];
	_cleanup_json_ json_t *resources = json_object();
	_cleanup_free_ char *text = NULL;
	const char *file = NULL;
	size_t len = 0;
	int at;

	for (size_t i = 0; i < UPDATE_OPTIONS; i++) {
		numbers[i] = (struct update_number){ resources, update_options[i].section,
						     update_options[i].key,
						     update_options[i].text };
		opts[i] = (struct oci_option){ .name = update_options[i].option,
					       .each = add_number,
					       .data = &numbers[i] };
	}
	opts[UPDATE_OPTIONS] =
		(struct oci_option){ .name = "--resources", .letter = 'r', .value = &file };
	at = begin(g, argc, argv, opts, UPDATE_OPTIONS + 1, 1, 1, e);
	if (at < 0)
		return 1;
	if (file != NULL) {
		if (oci_read_file(file, &text, &len, e) < 0)
			return 1;
	} else {
		text = json_to_text(resources);
		if (text == NULL)
			return 1;
		len = strlen(text);
	}
	return runtime_update(g->state_root_fd, argv[at], text, len, e) < 0 ? 1 : 0;
}

int oci_spec(struct oci_global *g, int argc, char **argv, struct error *e)
{
	const char *bundle = ".", *file = "config.json";
	bool rootless = false;
	const struct oci_option opts[] = { { .name = "--bundle", .letter = 'b', .value = &bundle },
					   { .name = "--file", .letter = 'f', .value = &file },
					   { .name = "--rootless", .flag = &rootless } };
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int dir_fd = -1, fd = -1;
	int at = oci_options_anywhere(argc, argv, opts, 3, e), r;

	(void)g;
	if (at < 0)
		return 1;
	dir_fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir_fd < 0 ? -1 :
			  openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				 0666);
	if (fd < 0 && errno == EEXIST) {
		(void)error_setf(e, -EEXIST, "File %s exists. Remove it first", file);
		return 1;
	}
	if (fd < 0) {
		(void)error_set(e, -errno, "write %s/%s", bundle, file);
		return 1;
	}
	r = runtime_spec_template(rootless, &text, e);
	if (r == 0 && (r = fd_write_all(fd, text, strlen(text))) < 0)
		(void)error_set(e, r, "write %s/%s", bundle, file);
	return r < 0 ? 1 : 0;
}

int oci_features(struct oci_global *g, int argc, char **argv, struct error *e)
{
	_cleanup_free_ char *text = NULL;

	(void)g;
	(void)argc;
	(void)argv;
	return runtime_features(&text, e) < 0 || print(text, e) < 0 ? 1 : 0;
}
