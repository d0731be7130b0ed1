/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which means the limits of a container hold.
 *
 * Theory of operation: the runtime tries to make control groups. Where it can, they are
 * noted in a file of the bundle, which exec, pause, update, stats and the clean-up
 * read. Where it cannot, other means are taken while the container still waits at
 * its gate: memory is watched (limits_watch.c); the number of processes is
 * RLIMIT_NPROC, which since Linux 5.14 counts per user namespace, so that only the
 * container's own processes count, for each of its users; CPUs are affinity, which
 * for --cpus means as many CPUs, rounded up. A container can undo the
 * last one, and by many users the second, so these are for the honest; one line
 * says what was done and what was not, and --require-limits makes it an error.
 *
 * A crash between group and file leaves empty groups, which end with the machine;
 * afterwards the file is there for who cleans up. The file is our own, in a private directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/limits.h"
#include "cmd/processes.h"
#include "runtime/runtime.h"

#define NANO	     1000000000
#define PERIOD_US    100000
#define FUSE_THREADS 10 /* of fuse-overlayfs, which has the container's root for its user */

struct means {
	const struct limits_made *m;
	json_t *file;
	struct buf done, missing;
};

static void say(struct buf *b, const char *text)
{
	/* a shorter line is better than none */
	(void)buf_printf(b, "%s%s", b->len > 0 ? ", " : "", text);
}

/* ---- CPUs ---------------------------------------------------------------------------------- */

/* "0-2,7" */
static int parse_cpus(const char *text, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	while (*text != '\0') {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (end == text)
			return -EINVAL;
		if (*end == '-') {
			text = end + 1;
			to = strtoul(text, &end, 10);
			if (end == text)
				return -EINVAL;
		}
		if (from > to || to >= CPU_SETSIZE || (*end != ',' && *end != '\0'))
			return -EINVAL;
		for (unsigned long i = from; i <= to; i++)
			CPU_SET(i, ret);
		text = *end == ',' ? end + 1 : end;
	}
	return 0;
}

static char *print_cpus(const cpu_set_t *set)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, set))
			(void)buf_printf(&b, "%s%d", b.len > 0 ? "," : "", i);
	return buf_steal(&b);
}

/* How many CPUs the limits amount to; 0 = any. */
static int64_t cpus_wanted(const struct limits *l)
{
	int64_t period = l->cpu_period > 0 ? l->cpu_period : PERIOD_US;

	if (l->nano_cpus > 0)
		return (l->nano_cpus + NANO - 1) / NANO;
	return l->cpu_quota > 0 ? (l->cpu_quota + period - 1) / period : 0;
}

/* Leave n of the set, beginning anywhere, so that not all containers have the same. */
static void thin_out(cpu_set_t *set, int64_t n, unsigned int seed)
{
	int have = CPU_COUNT(set), at = (int)(seed % CPU_SETSIZE);

	for (int i = 0; i < CPU_SETSIZE; i++, at = (at + 1) % CPU_SETSIZE)
		if (CPU_ISSET(at, set) && have > n) {
			CPU_CLR(at, set);
			have--;
		}
}

/* The CPUs that the limits leave of those that pid has. 0 = all of them, 1 = fewer, or -errno. */
static int choose_cpus(const struct limits *l, pid_t pid, cpu_set_t *ret, struct error *e)
{
	int64_t n = cpus_wanted(l);
	cpu_set_t have, want;
	int before;

	if (sched_getaffinity(pid, sizeof(have), &have) < 0)
		return error_set(e, -errno, "reading the CPU affinity");
	before = CPU_COUNT(&have);
	if (l->cpuset_cpus != NULL) {
		if (parse_cpus(l->cpuset_cpus, &want) < 0)
			return error_setf(e, -EINVAL, "--cpuset-cpus %s: not a list of CPUs",
					  l->cpuset_cpus);
		CPU_AND(&have, &have, &want);
		if (CPU_COUNT(&have) == 0)
			return error_setf(e, -EINVAL,
					  "--cpuset-cpus %s: none of these CPUs may be used here",
					  l->cpuset_cpus);
	}
	if (n > 0 && n < CPU_COUNT(&have))
		thin_out(&have, n, (unsigned int)pid);
	*ret = have;
	return CPU_COUNT(&have) < before;
}

static int apply_cpus(struct means *s, pid_t pid, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	cpu_set_t set;
	int r;

	if (s->m->limits->cpuset_cpus == NULL && cpus_wanted(s->m->limits) == 0)
		return 0;
	r = choose_cpus(s->m->limits, pid, &set, e);
	if (r < 0)
		return r;
	text = print_cpus(&set);
	if (r > 0 && (sched_setaffinity(pid, sizeof(set), &set) < 0 || text == NULL ||
		      json_object_set_new(s->file, "cpus", json_string(text)) < 0)) {
		say(&s->missing, "--cpus");
		return 0;
	}
	if (s->m->limits->cpuset_cpus != NULL)
		say(&s->done, "--cpuset-cpus by CPU affinity");
	if (cpus_wanted(s->m->limits) > 0)
		say(&s->done, "--cpus by CPU affinity, rounded up");
	return 0;
}

/* ---- processes -------------------------------------------------------------------------------- */

/* RLIMIT_NPROC counts per user namespace since Linux 5.14; before, it counted all of the user's. */
static bool counts_by_namespace(void)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 14));
}

static int set_nproc(pid_t pid, int64_t n)
{
	const struct rlimit limit = { (rlim_t)n, (rlim_t)n };

	return prlimit(pid, RLIMIT_NPROC, &limit, NULL) < 0 ? -errno : 0;
}

static void apply_pids(struct means *s, pid_t pid)
{
	/* the keeper and the server of the root file system are of the same namespace */
	int64_t n = s->m->limits->pids + 1 + (s->m->has_fuse ? FUSE_THREADS : 0);

	if (s->m->limits->pids <= 0)
		return;
	if (s->m->is_root || !counts_by_namespace() || set_nproc(pid, n) < 0 ||
	    json_object_set_new(s->file, "nproc", json_integer(n)) < 0)
		say(&s->missing, "--pids-limit");
	else
		say(&s->done, "--pids-limit by RLIMIT_NPROC for each of its users");
}

static void apply_memory(struct means *s, pid_t pid, struct limits_watch *watch)
{
	if (s->m->limits->memory <= 0)
		return;
	if (s->m->pid_host) { /* which processes are the container's? */
		say(&s->missing, "--memory");
		return;
	}
	*watch = LIMITS_WATCH_INIT;
	watch->pid = pid;
	watch->memory = s->m->limits->memory;
	(void)json_object_set_new(s->file, "memory",
				  json_integer(watch->memory)); /* is shown only */
	say(&s->done, "--memory by watching, which kills the container");
}

static void say_missing(struct means *s)
{
	const struct limits *l = s->m->limits;
	const struct {
		bool is_asked;
		const char *option;
	} all[] = {
		{ l->memory_swap > 0, "--memory-swap" },
		{ l->memory_reservation > 0, "--memory-reservation" },
		{ l->cpu_shares > 0, "--cpu-shares" },
		{ l->cpu_rt_runtime > 0 || l->cpu_rt_period > 0, "--cpu-rt-runtime" },
		{ l->cpuset_mems != NULL, "--cpuset-mems" },
		{ l->blkio_weight > 0, "--blkio-weight" },
		{ l->read_bps.n > 0, "--device-read-bps" },
		{ l->write_bps.n > 0, "--device-write-bps" },
		{ l->read_iops.n > 0, "--device-read-iops" },
		{ l->write_iops.n > 0, "--device-write-iops" },
		{ l->conf.n > 0, "--cgroup-conf" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].is_asked)
			say(&s->missing, all[i].option);
}

static int other_means(struct means *s, pid_t pid, const char *why, struct limits_watch *watch,
		       struct error *e)
{
	int r;

	if (s->m->limits->require)
		return error_setf(e, -ENOTSUP,
				  "--require-limits: there is no cgroup to set limits by (%s)",
				  why);
	apply_memory(s, pid, watch);
	apply_pids(s, pid);
	r = apply_cpus(s, pid, e);
	if (r < 0)
		return r;
	say_missing(s);
	if (s->m->warn)
		log_warning("limits without a cgroup (%s): %s%s%s%s", why, buf_str(&s->done),
			    s->done.len > 0 && s->missing.len > 0 ? "; " : "",
			    s->missing.len > 0 ? "not applied: " : "", buf_str(&s->missing));
	return 0;
}

static int settle(struct means *s, const struct runtime_container *c, const char *cgroup,
		  struct limits_watch *watch, struct error *e)
{
	const char *why = s->m->why != NULL ? s->m->why : "it could not be made";

	if (cgroup != NULL) {
		json_t *record = json_parse(cgroup, strlen(cgroup), "cgroups", e);
		const char *dir =
			json_string_value(json_object_get(json_object_get(record, "paths"), ""));

		if (dir != NULL)
			limits_watch_group(watch, dir);
		return record == NULL ? -EINVAL :
		       json_object_set_new(s->file, "cgroup", record) < 0 ?
					error_set(e, -ENOMEM, "noting the cgroups") :
					0;
	}
	if (limits_any(s->m->limits))
		return other_means(s, runtime_container_pid(c), why, watch, e);
	if (s->m->warn && s->m->limits->cgroups != LIMITS_CGROUPS_DISABLED)
		log_warning("the container has no cgroup of its own: %s", why);
	return 0;
}

int limits_settle(int bundle_fd, const struct runtime_container *c, const struct limits_made *m,
		  struct limits_watch *watch, struct error *e)
{
	_cleanup_free_ char *cgroup = runtime_container_cgroup(c), *text = NULL;
	_cleanup_json_ json_t *file = json_object();
	struct means s = { .m = m, .file = file };
	int r = 0;

	if (cgroup == NULL && m->why == NULL)
		return 0;
	if (json_object_set_new(file, "manager", json_string(m->manager)) < 0 ||
	    json_object_set_new(file, "root", json_boolean(m->is_root)) < 0)
		return error_set(e, -ENOMEM, "noting the limits");
	r = settle(&s, c, cgroup, watch, e);
	buf_fini(&s.done);
	buf_fini(&s.missing);
	if (r < 0)
		return r;
	text = json_to_text(file);
	if (text == NULL)
		return error_set(e, -ENOMEM, "noting the limits");
	return fd_write_file_at(bundle_fd, LIMITS_FILE, text, strlen(text), 0600, false, e);
}

/* ---- afterwards ---------------------------------------------------------------------------------- */

static json_t *file_at(int dir_fd, const char *path)
{
	_cleanup_free_ char *text = NULL;

	if (fd_read_file_at(dir_fd, path, LIMIT_JSON_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	return json_parse(text, strlen(text), LIMITS_FILE, NULL);
}

json_t *limits_file(const char *rundir)
{
	_cleanup_free_ char *path =
		rundir != NULL && rundir[0] == '/' ? str_printf("%s/" LIMITS_FILE, rundir) : NULL;

	return path == NULL ? NULL : file_at(AT_FDCWD, path);
}

static char *cgroup_of(const json_t *file)
{
	const json_t *cgroup = json_object_get(file, "cgroup");

	return json_is_object(cgroup) ? json_to_text(cgroup) : NULL;
}

char *limits_cgroup(const char *rundir)
{
	_cleanup_json_ json_t *file = limits_file(rundir);

	return cgroup_of(file);
}

char *limits_cgroup_at(int bundle_fd)
{
	_cleanup_json_ json_t *file = file_at(bundle_fd, LIMITS_FILE);

	return cgroup_of(file);
}

bool limits_oom(const char *rundir)
{
	_cleanup_free_ char *cgroup = limits_cgroup(rundir);

	return cgroup != NULL && runtime_cgroup_oom_kills(cgroup) > 0;
}

void limits_end(const char *rundir)
{
	_cleanup_free_ char *cgroup = limits_cgroup(rundir);

	if (cgroup != NULL)
		runtime_cgroup_remove(cgroup);
}

int limits_join(int bundle_fd, json_t *process)
{
	_cleanup_json_ json_t *file = file_at(bundle_fd, LIMITS_FILE);
	json_int_t nproc = json_integer_value(json_object_get(file, "nproc"));
	const char *cpus = json_string_value(json_object_get(file, "cpus"));
	json_t *rlimits = json_object_get(process, "rlimits"), *one;
	cpu_set_t set;
	size_t i;

	/* inherited; what cannot be limited was said at the container's start */
	if (cpus != NULL && parse_cpus(cpus, &set) == 0)
		(void)sched_setaffinity(0, sizeof(set), &set);
	if (nproc <= 0)
		return 0;
	if (rlimits == NULL) {
		rlimits = json_array();
		if (json_object_set_new(process, "rlimits", rlimits) < 0)
			return -ENOMEM;
	}
	json_array_foreach(rlimits, i, one) {
		const char *type = json_string_value(json_object_get(one, "type"));

		if (type != NULL && strcmp(type, "RLIMIT_NPROC") == 0)
			return 0; /* --ulimit */
	}
	return json_array_append_new(rlimits, json_pack("{s:s,s:I,s:I}", "type", "RLIMIT_NPROC",
							"soft", nproc, "hard", nproc));
}

static int each_process(pid_t first, int (*fn)(pid_t pid, const void *data), const void *data,
			struct error *e)
{
	struct processes t;
	uint64_t ns;
	int r = processes_load(&t, e);

	if (r < 0)
		return r;
	ns = processes_ns(t.proc_fd, first);
	for (size_t i = 0; r == 0 && i < t.n; i++)
		if (processes_has(&t, first, ns, &t.v[i]))
			r = fn(t.v[i].pid, data);
	processes_fini(&t);
	return r;
}

static int give_cpus(pid_t pid, const void *data)
{
	return sched_setaffinity(pid, sizeof(cpu_set_t), data) < 0 && errno != ESRCH ? -errno : 0;
}

static int give_nproc(pid_t pid, const void *data)
{
	int r = set_nproc(pid, *(const int64_t *)data);

	return r == -ESRCH ? 0 : r;
}

static int change_cpus(json_t *file, pid_t first, const struct limits *l, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	cpu_set_t set;
	int r;

	/* of ours, who are not limited */
	r = choose_cpus(l, 0, &set, e);
	if (r >= 0)
		r = each_process(first, give_cpus, &set, e);
	if (r < 0)
		return error_set(e, r, "setting the CPU affinity");
	text = print_cpus(&set);
	return text == NULL || json_object_set_new(file, "cpus", json_string(text)) < 0 ?
		       error_set(e, -ENOMEM, "noting the limits") :
		       0;
}

static int change_pids(json_t *file, pid_t first, const struct limits *l, struct error *e)
{
	int64_t n = l->pids + 1;
	int r;

	if (geteuid() == 0 || !counts_by_namespace() || l->pids <= 0)
		return error_setf(e, -ENOTSUP,
				  "the container has no cgroup: --pids-limit cannot be changed");
	r = each_process(first, give_nproc, &n, e);
	if (r < 0)
		return error_set(e, r, "setting RLIMIT_NPROC");
	return json_object_set_new(file, "nproc", json_integer(n)) < 0 ?
		       error_set(e, -ENOMEM, "noting the limits") :
		       0;
}

int limits_change(const char *rundir, pid_t first, const struct limits_options *o,
		  const struct limits *l, struct error *e)
{
	_cleanup_json_ json_t *file = limits_file(rundir);
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int dir_fd = -1;
	int r = 0;

	if (o->memory_swap != NULL || o->memory_reservation != NULL ||
	    o->memory_swappiness != NULL || o->cpu_shares != NULL || o->cpu_rt_runtime != NULL ||
	    o->cpu_rt_period != NULL || o->cpuset_mems != NULL || o->blkio_weight != NULL ||
	    o->read_bps.n + o->write_bps.n + o->read_iops.n + o->write_iops.n > 0)
		return error_setf(
			e, -ENOTSUP,
			"the container has no cgroup: while it runs only --memory, --cpus, "
			"--cpuset-cpus and --pids-limit can be changed");
	if (file == NULL)
		file = json_pack("{s:s,s:b}", "manager", "disabled", "root", (int)(geteuid() == 0));
	if (o->pids != NULL)
		r = change_pids(file, first, l, e);
	if (r == 0 && (o->cpus != NULL || o->cpuset_cpus != NULL || o->cpu_quota != NULL ||
		       o->cpu_period != NULL))
		r = change_cpus(file, first, l, e);
	if (r < 0)
		return r;
	dir_fd = open(rundir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	text = json_to_text(file);
	if (dir_fd < 0 || text == NULL)
		return error_set(e, dir_fd < 0 ? -errno : -ENOMEM, "noting the limits");
	return fd_write_file_at(dir_fd, LIMITS_FILE, text, strlen(text), 0600, false, e);
}
