/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt stats: what containers use.
 *
 * Theory of operation: a container with cgroups is asked by them. Of one without, the
 * processes are found by the pid namespace (processes.c), one walk for all containers, and
 * summed up: CPU time with that of the children that were waited for, memory by shares
 * (smaps_rollup; resident where that cannot be read), bytes read and written of processes
 * that live. Traffic is that of the devices of its network namespace. What
 * cannot be read counts as nothing; a container that ends in between is left out.
 *
 * CPU % is since the sample before, in the first sample since the container's start, as
 * podman has it. The container controls nothing of what is printed but numbers;
 * its name is checked when it is given.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/procfs.h"
#include "cmd/container.h"
#include "cmd/limits.h"
#include "cmd/out.h"
#include "cmd/processes.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

#define FILE_MAX 65536
#define NANO	 1000000000ull
#define CLEAR	 "\033[2J\033[1;1H"

struct options {
	bool all, latest, no_reset, no_stream, no_trunc;
	const char *format;
	unsigned int interval;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Also containers that do not run" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "json, table, or a template such as \"{{.Name}} {{.MemUsage}}\"",
	  .complete = "json|table" },
	{ "interval", 'i', OPT_UINT, offsetof(struct options, interval), .arg = "SECONDS",
	  .help = "Time between two reports (default 5)" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest), .help = "Of the newest" },
	{ "no-reset", 0, OPT_FLAG, offsetof(struct options, no_reset),
	  .help = "Do not clear the screen between reports" },
	{ "no-stream", 0, OPT_FLAG, offsetof(struct options, no_stream),
	  .help = "One report only" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc), .help = "Show whole ids" },
	OPTION_END
};

const struct cmd_verb cmd_verb_stats = {
	.name = "stats",
	.run = cmd_stats,
	.options = options,
	.usage = "[OPTIONS] [CONTAINER...]",
	.summary = "Show what containers use of CPUs, memory, network and devices",
	.operands = OPERANDS_CONTAINERS,
};

static const struct out_column columns[] = {
	{ "ID", "ID" },
	{ "NAME", "Name" },
	{ "CPU %", "CPUPerc" },
	{ "MEM USAGE / LIMIT", "MemUsage" },
	{ "MEM %", "MemPerc" },
	{ "NET IO", "NetIO" },
	{ "BLOCK IO", "BlockIO" },
	{ "PIDS", "PIDS" },
	{ "CPU TIME", "UpTime" },
	{ "AVG CPU %", "AVGCPU" },
	{ NULL, NULL },
};

struct sample {
	uint64_t cpu; /* nanoseconds */
	uint64_t memory, limit;
	uint64_t net_in, net_out, block_in, block_out;
	uint64_t pids;
	bool has_net;
	double percent, average;
};

/* The sample before, by container. */
struct past {
	char *id;
	uint64_t cpu;
	uint64_t at; /* nanoseconds of the monotonic clock */
};

struct stats {
	const struct options *o;
	struct processes t;
	struct past *past;
	size_t past_n;
	uint64_t memory; /* of the host */
	double uptime;
	long ticks;
};

/* ---- one container --------------------------------------------------------------------------- */

static char *read_proc(const struct stats *st, pid_t pid, const char *name)
{
	char path[64], *text = NULL;

	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	return procfs_read(st->t.proc_fd, path, FILE_MAX, &text) < 0 ? NULL : text;
}

/* The number behind a word of a file; 0 when it is not there. */
static uint64_t number_behind(const char *text, const char *key)
{
	const char *at = text != NULL ? strstr(text, key) : NULL;

	return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t memory_of(const struct stats *st, pid_t pid)
{
	_cleanup_free_ char *text = read_proc(st, pid, "smaps_rollup");

	if (text == NULL) {
		text = read_proc(st, pid, "status");
		return number_behind(text, "\nVmRSS:") * 1024;
	}
	return number_behind(text, "\nPss:") * 1024;
}

static void add_process(const struct stats *st, pid_t pid, struct sample *s)
{
	_cleanup_free_ char *text = NULL, *io = NULL, *status = NULL;
	char *f[PROCESS_FIELDS];

	if (processes_stat(st->t.proc_fd, pid, &text, f) < 0)
		return;
	for (int i = 11; i <= 14;
	     i++) /* utime, stime, and those of children that were waited for */
		s->cpu += strtoull(f[i], NULL, 10) * NANO / (uint64_t)st->ticks;
	s->pids += strtoull(f[17], NULL, 10); /* threads, as a cgroup counts */
	s->memory += memory_of(st, pid);
	io = read_proc(st, pid, "io");
	s->block_in += number_behind(io, "\nread_bytes: ");
	s->block_out += number_behind(io, "\nwrite_bytes: ");
}

static void by_processes(const struct stats *st, const struct container *c, struct sample *s)
{
	uint64_t ns = processes_ns(st->t.proc_fd, c->pid);

	for (size_t i = 0; i < st->t.n; i++)
		if (processes_has(&st->t, c->pid, ns, &st->t.v[i]))
			add_process(st, st->t.v[i].pid, s);
}

static uint64_t number_at(const json_t *obj, const char *a, const char *b, const char *c)
{
	const json_t *v = json_object_get(json_object_get(obj, a), b);
	json_int_t n = json_integer_value(c != NULL ? json_object_get(v, c) : v);

	return n > 0 ? (uint64_t)n : 0;
}

static bool by_cgroup(const char *cgroup, struct sample *s)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *j = NULL;

	if (runtime_cgroup_stats(cgroup, &text, NULL) < 0)
		return false;
	j = json_parse(text, strlen(text), "stats", NULL);
	s->cpu = number_at(j, "cpu", "usage", "total");
	s->memory = number_at(j, "memory", "usage", "usage");
	s->limit = number_at(j, "memory", "usage", "limit");
	s->pids = number_at(j, "pids", "current", NULL);
	s->block_in = number_at(j, "blkio", "read", NULL);
	s->block_out = number_at(j, "blkio", "write", NULL);
	return j != NULL;
}

static uint64_t net_ns(const struct stats *st, pid_t pid)
{
	return processes_inode(st->t.proc_fd, pid, "net");
}

/* All devices but lo, unless they are the host's. */
static void add_network(const struct stats *st, pid_t pid, struct sample *s)
{
	_cleanup_free_ char *text = read_proc(st, pid, "net/dev");
	uint64_t ns = net_ns(st, pid);
	char *rest = text, *line;

	s->has_net = text != NULL && ns != 0 && ns != net_ns(st, getpid());
	while (s->has_net && (line = strsep(&rest, "\n")) != NULL) {
		const char *name = line + strspn(line, " ");
		const char *colon = strchr(name, ':');
		unsigned long long in = 0, out = 0;

		if (colon == NULL || str_starts(name, "lo:") ||
		    sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &in, &out) != 2)
			continue;
		s->net_in += in;
		s->net_out += out;
	}
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * NANO + (uint64_t)ts.tv_nsec;
}

static double percent(uint64_t part, double whole)
{
	return whole > 0 ? 100.0 * (double)part / whole : 0;
}

static int set_percent(struct stats *st, const struct container *c, struct sample *s)
{
	_cleanup_free_ char *text = NULL;
	uint64_t now = now_ns();
	struct past *p = NULL, *more;
	char *f[PROCESS_FIELDS];

	if (processes_stat(st->t.proc_fd, c->pid, &text, f) == 0)
		s->average =
			percent(s->cpu, (st->uptime - strtod(f[19], NULL) / (double)st->ticks) *
						(double)NANO);
	for (size_t i = 0; i < st->past_n; i++)
		if (strcmp(st->past[i].id, c->id) == 0)
			p = &st->past[i];
	s->percent = p == NULL || s->cpu < p->cpu ? s->average :
						    percent(s->cpu - p->cpu, (double)(now - p->at));
	if (p == NULL) {
		more = reallocarray(st->past, st->past_n + 1, sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		st->past = more;
		p = &more[st->past_n];
		p->id = strdup(c->id);
		if (p->id == NULL)
			return -ENOMEM;
		st->past_n++;
	}
	p->cpu = s->cpu;
	p->at = now;
	return 0;
}

static int take_sample(struct stats *st, const struct container *c, struct sample *s)
{
	const char *rundir = json_string_value(json_object_get(c->record, "rundir"));
	_cleanup_json_ json_t *file = limits_file(rundir);
	_cleanup_free_ char *cgroup = limits_cgroup(rundir);

	*s = (struct sample){ .limit = st->memory };
	if (c->pid <= 0)
		return 0;
	if (cgroup == NULL || !by_cgroup(cgroup, s)) {
		json_int_t n = json_integer_value(json_object_get(file, "memory"));

		by_processes(st, c, s);
		s->limit = n > 0 ? (uint64_t)n : st->memory;
	}
	if (s->limit == 0 || s->limit > st->memory)
		s->limit = st->memory;
	add_network(st, c->pid, s);
	return set_percent(st, c, s);
}

/* ---- a report --------------------------------------------------------------------------------- */

/* "A / B" of two amounts. Caller frees. */
static char *pair(uint64_t a, uint64_t b, char *(*print)(uint64_t))
{
	_cleanup_free_ char *x = print(a), *y = print(b);

	return x != NULL && y != NULL ? str_printf("%s / %s", x, y) : NULL;
}

static int add_row(struct stats *st, const struct container *c, struct out_rows *rows)
{
	struct sample s;
	_cleanup_free_ char *id = out_id(c->id, st->o->no_trunc), *memory = NULL, *binary = NULL,
			    *net = NULL, *block = NULL, *cpu_time = NULL, *share = NULL,
			    *average = NULL, *memory_share = NULL, *pids = NULL;
	json_t *fields, *data;

	if (take_sample(st, c, &s) < 0)
		return -ENOMEM;
	memory = pair(s.memory, s.limit, out_bytes);
	binary = pair(s.memory, s.limit, out_bytes_binary);
	net = s.has_net ? pair(s.net_in, s.net_out, out_bytes) : strdup("-- / --");
	block = pair(s.block_in, s.block_out, out_bytes);
	cpu_time = out_nanoseconds(s.cpu);
	share = str_printf("%.2f%%", s.percent);
	average = str_printf("%.2f%%", s.average);
	memory_share = str_printf("%.2f%%", percent(s.memory, (double)s.limit));
	pids = str_printf("%llu", (unsigned long long)s.pids);
	fields = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:f,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		"ID", id, "ContainerID", c->id, "Name", c->name, "CPUPerc", share, "AVGCPU",
		average, "MemUsage", memory, "MemUsageBytes", binary, "MemPerc", memory_share,
		"NetIO", net, "BlockIO", block, "PIDS", pids, "UpTime", cpu_time, "CPU", s.percent,
		"CPUNano", (json_int_t)s.cpu, "MemLimit", (json_int_t)s.limit, "NetInput",
		(json_int_t)s.net_in, "NetOutput", (json_int_t)s.net_out, "BlockInput",
		(json_int_t)s.block_in, "BlockOutput", (json_int_t)s.block_out, "PIDs",
		(json_int_t)s.pids, "Memory", (json_int_t)s.memory);
	data = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", id, "name", c->name,
			 "cpu_time", cpu_time, "cpu_percent", share, "avg_cpu", average,
			 "mem_usage", memory, "mem_percent", memory_share, "net_io", net,
			 "block_io", block, "pids", pids);
	return out_rows_add(rows, fields, data);
}

static int host_figures(struct stats *st, struct error *e)
{
	_cleanup_free_ char *memory = NULL, *uptime = NULL;
	int r = processes_load(&st->t, e);

	if (r < 0)
		return r;
	if (procfs_read(st->t.proc_fd, "meminfo", FILE_MAX, &memory) == 0)
		st->memory = number_behind(memory, "MemTotal:") * 1024;
	if (procfs_read(st->t.proc_fd, "uptime", 128, &uptime) == 0)
		st->uptime = strtod(uptime, NULL);
	st->ticks = sysconf(_SC_CLK_TCK);
	return 0;
}

/* The containers of this report: named ones must exist, of the others those that run. */
static int collect(struct stats *st, struct storage *s, char **names, int n, struct out_rows *rows,
		   size_t *ret_running, struct error *e)
{
	struct container *all = NULL;
	size_t count = 0;
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++) {
		struct container c = { .id = NULL };

		r = container_open(s, names[i], &c, e);
		if (r == 0) {
			*ret_running += c.pid > 0;
			r = add_row(st, &c, rows);
		}
		container_fini(&c);
	}
	if (r < 0 || n > 0)
		return r;
	r = container_list(s, &all, &count, e);
	if (r == 0 && st->o->latest && count == 0)
		r = error_setf(e, -ENOENT, "there is no container");
	for (size_t i = 0; r == 0 && i < count && (i == 0 || !st->o->latest); i++) {
		if (all[i].pid <= 0 && !st->o->all && !st->o->latest)
			continue;
		*ret_running += all[i].pid > 0;
		r = add_row(st, &all[i], rows);
	}
	containers_free(all, count);
	return r;
}

static int report(struct stats *st, struct storage *s, char **names, int n, size_t *ret_running,
		  struct error *e)
{
	struct out_rows rows;
	bool clear = !st->o->no_stream && !st->o->no_reset && isatty(STDOUT_FILENO) == 1;
	int r = out_rows_init(&rows);

	*ret_running = 0;
	if (r == 0)
		r = host_figures(st, e);
	if (r == 0)
		r = collect(st, s, names, n, &rows, ret_running, e);
	processes_fini(&st->t);
	if (r == 0 && clear) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		(void)buf_puts(&b, CLEAR); /* out_write() sees a failure */
		r = out_write(&b, e);
	}
	if (r == 0)
		r = out_print(&rows, columns, st->o->format, false, e);
	else if (e->code == 0)
		(void)error_set(e, r, "stats");
	out_rows_fini(&rows);
	return r;
}

static int run(const struct options *o, const struct cmd_global *g, char **names, int n,
	       struct error *e)
{
	struct stats st = { .o = o, .t = PROCESSES_INIT };
	const struct sigaction end = { .sa_handler = SIG_DFL };
	struct storage *s = NULL;
	size_t running = 0;
	int r = storage_open(g->root, false, &s, e);

	if (!o->no_stream)
		(void)sigaction(SIGPIPE, &end, NULL); /* a reader that goes away ends a stream */
	if (r == 0)
		r = report(&st, s, names, n, &running, e);
	/* with names: until none of them runs */
	while (r == 0 && !o->no_stream && (n == 0 || running > 0)) {
		const struct timespec ts = { .tv_sec = o->interval };

		(void)nanosleep(&ts, NULL); /* a signal ends us */
		r = report(&st, s, names, n, &running, e);
		if (r == -ENOENT && n > 0) { /* it went with its end */
			*e = ERROR_INIT;
			r = 0;
			break;
		}
	}
	for (size_t i = 0; i < st.past_n; i++)
		free(st.past[i].id);
	free(st.past);
	storage_free(s);
	return r;
}

int cmd_stats(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .interval = 5 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_stats, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first < argc && (o.all || o.latest))
		return opt_usage_error(&cmd_verb_stats, "--%s cannot be combined with names",
				       o.all ? "all" : "latest");
	if (o.interval == 0)
		return opt_usage_error(&cmd_verb_stats, "--interval must be at least 1");
	if (run(&o, g, argv + first, argc - first, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
