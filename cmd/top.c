/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt top: the processes of a container.
 *
 * Theory of operation: nothing is run inside. The processes are found by the pid
 * namespace (processes.c) and each descriptor is a function from /proc/PID to a text:
 * one table names them, their headings and the letters of ps's AIX formats. Ids
 * and process numbers are those of inside, by the first process's uid_map and the
 * line NSpid; names of users are looked up in the container's own passwd and group
 * files, which are read with a limit and parsed line by line. Arguments that
 * begin with '-' are for ps(1): then that is run inside, as podman does.
 *
 * The container controls command lines and names: they are escaped by the table.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/procfs.h"
#include "cmd/compose.h"
#include "cmd/container.h"
#include "cmd/out.h"
#include "cmd/processes.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

#define FILE_MAX    65536
#define NANO	    1000000000ull
#define COLUMNS_MAX 32

/* The fields of stat behind the name. */
enum {
	STAT_STATE = 0,
	STAT_PPID = 1,
	STAT_PGRP = 2,
	STAT_TTY = 4,
	STAT_UTIME = 11,
	STAT_STIME = 12,
	STAT_NICE = 16,
	STAT_START = 19,
	STAT_VSIZE = 20,
};

/* What is the same for all processes of one call. */
struct world {
	struct processes t;
	pid_t first;
	uint64_t ns;
	size_t level; /* of the container's pid namespace in NSpid */
	char *uid_map, *gid_map, *passwd, *group, *host_passwd, *host_group;
	double uptime;
	long ticks;
};

/* One process. */
struct one {
	const struct world *w;
	pid_t pid;
	char *stat_text, *status;
	char *stat[PROCESS_FIELDS];
};

/* ---- pieces of /proc ----------------------------------------------------------------------- */

static char *read_proc(const struct world *w, pid_t pid, const char *name)
{
	char path[64], *text = NULL;

	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	return procfs_read(w->t.proc_fd, path, FILE_MAX, &text) < 0 ? NULL : text;
}

/* Word n of the line "KEY:\t..." of status; an empty text when it is not there. Caller frees. */
static char *status_word(const char *status, const char *key, size_t n)
{
	_cleanup_free_ char *head = str_printf("\n%s:", key);
	const char *s = head != NULL && status != NULL ? strstr(status, head) : NULL;

	if (s == NULL)
		return strdup("");
	s += strlen(head);
	for (size_t i = 0;; i++) {
		size_t len;

		s += strspn(s, " \t");
		len = strcspn(s, " \t\n");
		if (i == n || len == 0)
			return strndup(s, len);
		s += len;
	}
}

/* The number inside for one outside, by a map as /proc shows it. */
static char *map_id(const char *map, const char *outside)
{
	unsigned long id = strtoul(outside, NULL, 10);

	for (const char *s = map; s != NULL && *s != '\0';) {
		unsigned long in, out, count;

		if (sscanf(s, "%lu %lu %lu", &in, &out, &count) == 3 && id >= out &&
		    id - out < count)
			return str_printf("%lu", in + (id - out));
		s = strchr(s, '\n');
		s = s != NULL ? s + 1 : NULL;
	}
	return strdup(map == NULL ? outside : "?");
}

/* "name:x:ID:..." -> the name, else the number. */
static char *name_of(const char *file, const char *id)
{
	size_t id_len = strlen(id);

	for (const char *line = file; line != NULL && *line != '\0';) {
		size_t name = strcspn(line, ":\n");
		const char *rest = line + name;

		if (*rest == ':' && name > 0) {
			rest += 1 + strcspn(rest + 1, ":\n");
			if (*rest == ':' && strncmp(rest + 1, id, id_len) == 0 &&
			    (rest[1 + id_len] == ':' || rest[1 + id_len] == '\n'))
				return strndup(line, name);
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return strdup(id);
}

static char *id_name(const struct one *p, const char *key, size_t n, bool inside)
{
	bool user = strcmp(key, "Uid") == 0;
	_cleanup_free_ char *id = status_word(p->status, key, n), *own = NULL;

	if (id == NULL)
		return NULL;
	if (!inside)
		return name_of(user ? p->w->host_passwd : p->w->host_group, id);
	own = map_id(user ? p->w->uid_map : p->w->gid_map, id);
	return own == NULL ? NULL : name_of(user ? p->w->passwd : p->w->group, own);
}

static char *groups_names(const struct one *p, bool inside)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < 64; i++) {
		_cleanup_free_ char *id = status_word(p->status, "Groups", i), *name = NULL;

		if (id == NULL || id[0] == '\0')
			break;
		name = id_name(p, "Groups", i, inside);
		(void)buf_printf(&b, "%s%s", i > 0 ? "," : "", name != NULL ? name : "?");
	}
	return buf_steal(&b);
}

static uint64_t nanoseconds(const struct one *p, int field)
{
	return strtoull(p->stat[field], NULL, 10) * NANO / (uint64_t)p->w->ticks;
}

static uint64_t cpu_time(const struct one *p)
{
	return nanoseconds(p, STAT_UTIME) + nanoseconds(p, STAT_STIME);
}

static uint64_t elapsed(const struct one *p)
{
	double ns = p->w->uptime * (double)NANO - (double)nanoseconds(p, STAT_START);

	return ns > 0 ? (uint64_t)ns : 0;
}

/* ---- descriptors --------------------------------------------------------------------------- */

static char *get_args(const struct one *p)
{
	char path[64];
	_cleanup_fd_ int fd = -1;
	char text[4096];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/cmdline", (int)p->pid);
	fd = procfs_open_at(p->w->t.proc_fd, path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	while (n > 0 && text[n - 1] == '\0')
		n--;
	if (n <= 0) {
		_cleanup_free_ char *comm = read_proc(p->w, p->pid, "comm");

		if (comm != NULL)
			comm[strcspn(comm, "\n")] = '\0';
		return str_printf("[%s]", comm != NULL ? comm : "?");
	}
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	return strndup(text, (size_t)n);
}

static char *get_comm(const struct one *p)
{
	char *comm = read_proc(p->w, p->pid, "comm");

	if (comm != NULL)
		comm[strcspn(comm, "\n")] = '\0';
	return comm != NULL ? comm : strdup("?");
}

static char *caps_text(const struct one *p, const char *key)
{
	_cleanup_free_ char *hex = status_word(p->status, key, 0);
	_cleanup_buf_ struct buf b = BUF_INIT;
	uint64_t caps = hex != NULL ? strtoull(hex, NULL, 16) : 0;
	int n = 0, known = 0;

	for (int i = 0; i < 64 && runtime_cap_name(i) != NULL; i++) {
		const char *name = runtime_cap_name(i);

		known++;
		if ((caps >> i & 1) == 0)
			continue;
		(void)buf_printf(&b, "%s%s", n++ > 0 ? "," : "",
				 str_starts(name, "CAP_") ? name + 4 : name);
	}
	return n == 0 ? strdup("none") : n == known ? strdup("full") : buf_steal(&b);
}

static char *get_capamb(const struct one *p)
{
	return caps_text(p, "CapAmb");
}

static char *get_capbnd(const struct one *p)
{
	return caps_text(p, "CapBnd");
}

static char *get_capeff(const struct one *p)
{
	return caps_text(p, "CapEff");
}

static char *get_capinh(const struct one *p)
{
	return caps_text(p, "CapInh");
}

static char *get_capprm(const struct one *p)
{
	return caps_text(p, "CapPrm");
}

static char *get_etime(const struct one *p)
{
	return out_nanoseconds(elapsed(p));
}

static char *get_group(const struct one *p)
{
	return id_name(p, "Gid", 1, true);
}

static char *get_groups(const struct one *p)
{
	return groups_names(p, true);
}

static char *get_hgroup(const struct one *p)
{
	return id_name(p, "Gid", 1, false);
}

static char *get_hgroups(const struct one *p)
{
	return groups_names(p, false);
}

static char *get_hpid(const struct one *p)
{
	return str_printf("%d", (int)p->pid);
}

static char *get_huser(const struct one *p)
{
	return id_name(p, "Uid", 1, false);
}

static char *get_label(const struct one *p)
{
	char *text = read_proc(p->w, p->pid, "attr/current");

	if (text != NULL)
		text[strcspn(text, "\n")] = '\0';
	if (text != NULL && text[0] != '\0')
		return text;
	free(text);
	return strdup("?");
}

static char *get_nice(const struct one *p)
{
	return strdup(p->stat[STAT_NICE]);
}

static char *get_pcpu(const struct one *p)
{
	uint64_t e = elapsed(p);

	return str_printf("%.3f", e > 0 ? 100.0 * (double)cpu_time(p) / (double)e : 0.0);
}

/* The number inside of a process of the host; 0 when it is not of the container. */
static char *inside_pid(const struct world *w, pid_t pid)
{
	_cleanup_free_ char *status = NULL;
	struct process p = { .pid = pid, .ns = processes_ns(w->t.proc_fd, pid) };
	char *word;

	if (p.ns == 0 || p.ns != w->ns)
		return strdup("0");
	status = read_proc(w, pid, "status");
	word = status_word(status, "NSpid", w->level);
	if (word == NULL || word[0] != '\0')
		return word;
	free(word);
	return strdup("?");
}

static char *get_pid(const struct one *p)
{
	return inside_pid(p->w, p->pid);
}

static char *get_ppid(const struct one *p)
{
	pid_t parent = (pid_t)strtol(p->stat[STAT_PPID], NULL, 10);

	/* the first process's parent is outside, also where that has the same pid namespace */
	return p->pid == p->w->first ? strdup("0") : inside_pid(p->w, parent);
}

static char *get_pgid(const struct one *p)
{
	return status_word(p->status, "NSpgid", p->w->level);
}

static char *get_rgroup(const struct one *p)
{
	return id_name(p, "Gid", 0, true);
}

static char *get_rss(const struct one *p)
{
	return status_word(p->status, "VmRSS", 0);
}

static char *get_ruser(const struct one *p)
{
	return id_name(p, "Uid", 0, true);
}

static char *get_seccomp(const struct one *p)
{
	_cleanup_free_ char *mode = status_word(p->status, "Seccomp", 0);

	return strdup(mode == NULL	     ? "?" :
		      strcmp(mode, "0") == 0 ? "disabled" :
		      strcmp(mode, "1") == 0 ? "strict" :
		      strcmp(mode, "2") == 0 ? "filter" :
					       "?");
}

static char *get_state(const struct one *p)
{
	return strdup(p->stat[STAT_STATE]);
}

static char *get_stime(const struct one *p)
{
	return out_time(time(NULL) - (time_t)(elapsed(p) / NANO));
}

static char *get_time(const struct one *p)
{
	return out_nanoseconds(cpu_time(p));
}

static char *get_tty(const struct one *p)
{
	unsigned int dev = (unsigned int)strtol(p->stat[STAT_TTY], NULL, 10);
	unsigned int major = dev >> 8 & 0xfff, minor = (dev & 0xff) | (dev >> 12 & 0xfff00);

	if (major >= 136 && major <= 143)
		return str_printf("pts/%u", (major - 136) * 256 + minor);
	return major == 4 ? str_printf("tty%u", minor) : strdup("?");
}

static char *get_user(const struct one *p)
{
	return id_name(p, "Uid", 1, true);
}

static char *get_vsz(const struct one *p)
{
	return str_printf("%llu", strtoull(p->stat[STAT_VSIZE], NULL, 10) / 1024);
}

static const struct descriptor {
	const char *name;
	const char *heading;
	char letter; /* %C */
	char *(*get)(const struct one *p);
} descriptors[] = {
	{ "args", "COMMAND", 'a', get_args },
	{ "capamb", "AMBIENT CAPS", 0, get_capamb },
	{ "capbnd", "BOUNDING CAPS", 0, get_capbnd },
	{ "capeff", "EFFECTIVE CAPS", 0, get_capeff },
	{ "capinh", "INHERITED CAPS", 0, get_capinh },
	{ "capprm", "PERMITTED CAPS", 0, get_capprm },
	{ "comm", "COMMAND", 'c', get_comm },
	{ "etime", "ELAPSED", 't', get_etime },
	{ "group", "GROUP", 'G', get_group },
	{ "groups", "GROUPS", 0, get_groups },
	{ "hgroup", "HGROUP", 0, get_hgroup },
	{ "hgroups", "HGROUPS", 0, get_hgroups },
	{ "hpid", "HPID", 0, get_hpid },
	{ "huser", "HUSER", 0, get_huser },
	{ "label", "LABEL", 0, get_label },
	{ "nice", "NI", 'n', get_nice },
	{ "pcpu", "%CPU", 'C', get_pcpu },
	{ "pgid", "PGID", 'r', get_pgid },
	{ "pid", "PID", 'p', get_pid },
	{ "ppid", "PPID", 'P', get_ppid },
	{ "rgroup", "RGROUP", 'g', get_rgroup },
	{ "rss", "RSS", 0, get_rss },
	{ "ruser", "RUSER", 'u', get_ruser },
	{ "seccomp", "SECCOMP", 0, get_seccomp },
	{ "state", "STATE", 0, get_state },
	{ "stime", "STIME", 0, get_stime },
	{ "time", "TIME", 'x', get_time },
	{ "tty", "TTY", 'y', get_tty },
	{ "user", "USER", 'U', get_user },
	{ "vsz", "VSZ", 'z', get_vsz },
};
#define DESCRIPTORS_N (sizeof(descriptors) / sizeof(descriptors[0]))

static const char *const default_words[] = { "user",  "pid", "ppid", "pcpu",
					     "etime", "tty", "time", "args" };

struct columns {
	const struct descriptor *v[COLUMNS_MAX];
	size_t n;
};

static int add_word(struct columns *c, const char *word, size_t len, struct error *e)
{
	const struct descriptor *found = NULL;

	for (size_t i = 0; i < DESCRIPTORS_N; i++)
		if ((strlen(descriptors[i].name) == len &&
		     strncmp(descriptors[i].name, word, len) == 0) ||
		    (len == 2 && word[0] == '%' && descriptors[i].letter == word[1]))
			found = &descriptors[i];
	if (found == NULL)
		return error_setf(e, -EINVAL, "\"%.*s\" is no format descriptor; see crt-top(1)",
				  (int)(len > 64 ? 64 : len), word);
	if (c->n == COLUMNS_MAX)
		return error_setf(e, -E2BIG, "more than %d columns", COLUMNS_MAX);
	c->v[c->n++] = found;
	return 0;
}

static int choose_columns(struct columns *c, char **words, int n, struct error *e)
{
	int r = 0;

	for (size_t i = 0; n == 0 && r == 0 && i < sizeof(default_words) / sizeof(default_words[0]);
	     i++)
		r = add_word(c, default_words[i], strlen(default_words[i]), e);
	for (int i = 0; r == 0 && i < n; i++)
		for (const char *s = words[i]; r == 0 && *s != '\0';) {
			size_t len = strcspn(s, ", ");

			if (len > 0)
				r = add_word(c, s, len, e);
			s += len + (s[len] != '\0');
		}
	return r;
}

/* ---- the table -------------------------------------------------------------------------------- */

static void world_fini(struct world *w)
{
	free(w->uid_map);
	free(w->gid_map);
	free(w->passwd);
	free(w->group);
	free(w->host_passwd);
	free(w->host_group);
	processes_fini(&w->t);
}

static int world_init(struct world *w, pid_t first, struct error *e)
{
	_cleanup_free_ char *uptime = NULL, *status = NULL;
	_cleanup_fd_ int root_fd = -1;
	char path[32];
	int r = processes_load(&w->t, e);

	if (r < 0)
		return r;
	w->first = first;
	w->ns = processes_ns(w->t.proc_fd, first);
	if (w->ns == 0)
		return error_setf(e, -ESRCH, "the container has ended");
	w->ticks = sysconf(_SC_CLK_TCK);
	if (procfs_read(w->t.proc_fd, "uptime", 128, &uptime) == 0)
		w->uptime = strtod(uptime, NULL);
	w->uid_map = read_proc(w, first, "uid_map");
	w->gid_map = read_proc(w, first, "gid_map");
	status = read_proc(w, first, "status");
	for (;; w->level++) { /* the last number is the container's own */
		_cleanup_free_ char *next = status_word(status, "NSpid", w->level + 1);

		if (next == NULL || next[0] == '\0')
			break;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)first);
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd >= 0) { /* without them there are numbers */
		(void)compose_read_accounts(root_fd, "etc/passwd", &w->passwd, NULL);
		(void)compose_read_accounts(root_fd, "etc/group", &w->group, NULL);
	}
	(void)fd_read_file_at(AT_FDCWD, "/etc/passwd", LIMIT_PASSWD_BYTES, &w->host_passwd, NULL,
			      NULL);
	(void)fd_read_file_at(AT_FDCWD, "/etc/group", LIMIT_PASSWD_BYTES, &w->host_group, NULL,
			      NULL);
	return 0;
}

static int add_row(struct out_rows *rows, const struct columns *c, const struct world *w, pid_t pid)
{
	struct one p = { .w = w, .pid = pid };
	_cleanup_free_ char *stat_text = NULL, *status = NULL;
	json_t *row;
	int r = 0;

	if (processes_stat(w->t.proc_fd, pid, &stat_text, p.stat) < 0 ||
	    (status = read_proc(w, pid, "status")) == NULL)
		return 0; /* it has ended */
	p.status = status;
	row = json_object();
	for (size_t i = 0; r == 0 && i < c->n; i++) {
		_cleanup_free_ char *raw = c->v[i]->get(&p);
		_cleanup_free_ char *text = raw != NULL ? str_escape(raw) : NULL;
		char key[24];

		(void)snprintf(key, sizeof(key), "c%zu", i);
		r = text == NULL ? -ENOMEM : json_object_set_new(row, key, json_string(text));
	}
	if (r < 0) {
		json_decref(row);
		return -ENOMEM;
	}
	return out_rows_add(rows, row, json_object());
}

static int print(const struct columns *c, const struct world *w, struct error *e)
{
	struct out_column columns[COLUMNS_MAX + 1] = { { NULL, NULL } };
	char keys[COLUMNS_MAX][24];
	struct out_rows rows;
	int r = out_rows_init(&rows);

	for (size_t i = 0; i < c->n; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "c%zu", i);
		columns[i] = (struct out_column){ c->v[i]->heading, keys[i] };
	}
	for (size_t i = 0; r == 0 && i < w->t.n; i++)
		if (processes_has(&w->t, w->first, w->ns, &w->t.v[i]))
			r = add_row(&rows, c, w, w->t.v[i].pid);
	if (r == 0)
		r = out_print(&rows, columns, NULL, false, e);
	else
		(void)error_set(e, r, "listing processes");
	out_rows_fini(&rows);
	return r;
}

static int show(const struct container *c, char **words, int n, struct error *e)
{
	struct world w = { .t = PROCESSES_INIT };
	struct columns columns = { .n = 0 };
	int r = choose_columns(&columns, words, n, e);

	if (r == 0 && strcmp(c->state, "running") != 0)
		r = error_setf(e, -ESRCH,
			       "top can only be used on running containers: container %s is %s",
			       c->name, c->state);
	if (r == 0)
		r = world_init(&w, c->pid, e);
	if (r == 0)
		r = print(&columns, &w, e);
	world_fini(&w);
	return r;
}

/* ---- the verb ------------------------------------------------------------------------------- */

struct options {
	bool latest;
};

static const struct option_spec options[] = { { "latest", 'l', OPT_FLAG,
						offsetof(struct options, latest),
						.help = "Of the newest container" },
					      OPTION_END };

const struct cmd_verb cmd_verb_top = {
	.name = "top",
	.run = cmd_top,
	.options = options,
	.usage = "[OPTIONS] CONTAINER [FORMAT-DESCRIPTOR... | PS-OPTION...]",
	.summary = "Show the processes of a container",
	.details =
		"Descriptors, separated by blanks or commas: args, capamb, capbnd, capeff, capinh, capprm, comm,\n"
		"etime, group, groups, hgroup, hgroups, hpid, huser, label, nice, pcpu, pgid, pid, ppid, rgroup,\n"
		"rss, ruser, seccomp, state, stime, time, tty, user, vsz. Words with '-' are options for a ps inside.",
	.stops_at_operand = true,
	.operands = OPERANDS_CONTAINERS,
	.runs_containers = true,
};

/* crt exec CONTAINER ps ARG... */
static int run_ps(const char *name, char **words, int n, const struct cmd_global *g)
{
	_cleanup_free_ char **argv = calloc((size_t)n + 5, sizeof(*argv));
	char verb[] = "exec", latest[] = "--latest", ps[] = "ps";
	int argc = 0;

	if (argv == NULL)
		return EXIT_CRT;
	argv[argc++] = verb;
	argv[argc++] = name != NULL ? (char *)(uintptr_t)name : latest;
	argv[argc++] = ps;
	for (int i = 0; i < n; i++)
		argv[argc++] = words[i];
	return cmd_exec(argc, argv, g);
}

static int find_and_show(const struct cmd_global *g, const char *name, char **words, int n,
			 struct error *e)
{
	struct container c = { .id = NULL }, *all = NULL;
	struct storage *s = NULL;
	size_t count = 0;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0 && name != NULL) {
		r = container_open(s, name, &c, e);
		if (r == 0)
			r = show(&c, words, n, e);
		container_fini(&c);
	} else if (r == 0) {
		r = container_list(s, &all, &count, e);
		if (r == 0)
			r = count > 0 ? show(&all[0], words, n, e) :
					error_setf(e, -ENOENT, "there is no container");
		containers_free(all, count);
	}
	storage_free(s);
	return r;
}

int cmd_top(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .latest = false };
	struct error e = ERROR_INIT;
	const char *name;
	int code;
	int first = opt_parse(&cmd_verb_top, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (!o.latest && first == argc)
		return opt_usage_error(&cmd_verb_top, "the name or id of a container is missing");
	name = o.latest ? NULL : argv[first++];
	if (first < argc && argv[first][0] == '-')
		return run_ps(name, argv + first, argc - first, g);
	if (find_and_show(g, name, argv + first, argc - first, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
