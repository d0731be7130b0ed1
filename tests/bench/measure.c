/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure: run commands in turn, many times, and print a table.
 *
 * usage: measure ROUNDS COPIES FILE
 *
 * Each line of FILE is "LABEL<tab>COMMAND LINE"; words are separated by blanks, there is no quoting, "%i"
 * in a word becomes a number that is used once. A line whose label begins with "*" is the one that the
 * others are compared with (else the first).
 *
 * A line may have several steps, "LABEL<tab>NAME=COMMAND LINE<tab>NAME=COMMAND LINE...", that run one after
 * the other with the same number (COPIES must be 1); each has figures of its own, compared with the same
 * step of the other lines. A step without a NAME ("=COMMAND LINE") is not shown, and the step "=" waits
 * until nothing that was started is left.
 *
 * Theory of operation: figures of a shared machine drift, so the commands alternate: round 1 runs every
 * command once, round 2 again in another order, and so on; then medians are compared. With COPIES > 1 a
 * run is that many processes started at once, and its time is until all have ended. Wall time ends when the
 * started process ends. CPU time and the peak of resident memory are those of it and of all its
 * descendants, also the ones that detach: this process is their subreaper and waits for them before the
 * next run. What outlives a step (a container that was created) counts with what it used meanwhile, from
 * its schedstat. It is small and uses vfork, so that its own memory does not show up in the peak of what it
 * starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 32
#define WORDS	64
#define STEPS	12
#define ROUNDS	1000
#define COPIES	512

struct step {
	const char *name; /* NULL: not shown */
	char *words[WORDS];
	double *wall, *cpu; /* one for each round */
	long rss_kib;
	unsigned int failed;
};

struct entry {
	char *label;
	struct step steps[STEPS];
	size_t steps_n;
};

static struct entry entries[ENTRIES];
static size_t entries_n;
static unsigned int serial;

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int add_step(struct entry *e, char *text, bool named)
{
	struct step *s = &e->steps[e->steps_n++];
	char *save = NULL, *equals = named ? strchr(text, '=') : NULL;
	size_t n = 0;

	s->name = "";
	if (equals != NULL) {
		*equals = '\0';
		s->name = equals > text ? text : NULL;
		text = equals + 1;
	}
	s->wall = calloc(ROUNDS, sizeof(*s->wall));
	s->cpu = calloc(ROUNDS, sizeof(*s->cpu));
	if (s->wall == NULL || s->cpu == NULL)
		return -ENOMEM;
	for (char *w = strtok_r(text, " ", &save); w != NULL && n < WORDS - 1;
	     w = strtok_r(NULL, " ", &save))
		s->words[n++] = w;
	return 0;
}

static int read_entries(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	int r = 0;

	if (f == NULL)
		return -errno;
	while (r == 0 && getline(&line, &cap, f) > 0 && entries_n < ENTRIES) {
		struct entry *e = &entries[entries_n];
		char *copy = strdup(line), *save = NULL, *word;
		bool named;

		if (copy == NULL)
			return -ENOMEM;
		copy[strcspn(copy, "\n")] = '\0';
		e->label = strtok_r(copy, "\t", &save);
		named = strchr(save, '\t') != NULL;
		while (r == 0 && e->steps_n < STEPS && e->label != NULL && e->label[0] != '#' &&
		       (word = strtok_r(NULL, "\t", &save)) != NULL)
			r = add_step(e, word, named);
		entries_n += e->steps_n > 0;
	}
	free(line);
	(void)fclose(f); /* only read */
	return r == 0 && entries_n == 0 ? -ENODATA : r;
}

static pid_t start(const struct step *s, unsigned int number,
		   const posix_spawn_file_actions_t *quiet)
{
	extern char **environ;
	char *argv[WORDS], numbered[2][4096];
	size_t used = 0;
	pid_t pid;

	for (size_t i = 0; i < WORDS; i++) {
		char *at = s->words[i] != NULL ? strstr(s->words[i], "%i") : NULL;

		argv[i] = s->words[i];
		if (at != NULL && used < 2) {
			argv[i] = numbered[used++];
			(void)snprintf(argv[i], sizeof(numbered[0]), "%.*sb%d-%u%s",
				       (int)(at - s->words[i]), s->words[i], (int)getpid(), number,
				       at + 2);
		}
		if (argv[i] == NULL)
			break;
	}
	return posix_spawnp(&pid, argv[0], quiet, NULL, argv, environ) == 0 ? pid : -1;
}

static bool is_one_of(pid_t pid, const pid_t *pids, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static double rusage_ms(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e3 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e3;
}

/* What our living children, adopted ones of earlier steps, have used so far. */
static double children_ms(void)
{
	char path[64], list[4096], *at, *end;
	double ms = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (f == NULL)
		return 0; /* a kernel without it: what outlives a step is not counted */
	at = fgets(list, sizeof(list), f);
	(void)fclose(f); /* only read */
	for (; at != NULL; at = end) {
		long pid = strtol(at, &end, 10);
		unsigned long long ns = 0;

		if (end == at)
			break;
		(void)snprintf(path, sizeof(path), "/proc/%ld/schedstat", pid);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			ms += (double)ns / 1e6;
		(void)fclose(f); /* only read */
	}
	return ms;
}

/* Reap until all of pids have ended, or with all set until there is no child left. Returns when the last of pids did. */
static double reap(struct step *s, double *cpu, const pid_t *pids, unsigned int n, bool all)
{
	unsigned int running = 0;
	double end = now_ms();

	for (unsigned int i = 0; i < n; i++)
		running += pids[i] > 0;
	while (all || running > 0) {
		struct rusage u;
		int status;
		pid_t pid = wait4(-1, &status, 0, &u);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break; /* nobody is left, detached ones included */
		*cpu += rusage_ms(&u);
		if (u.ru_maxrss > s->rss_kib)
			s->rss_kib = u.ru_maxrss;
		if (!is_one_of(pid, pids, n))
			continue;
		if (status != 0)
			s->failed++;
		if (--running == 0)
			end = now_ms();
	}
	return end;
}

static void run_step(struct step *s, unsigned int round, unsigned int copies, bool all,
		     const posix_spawn_file_actions_t *quiet)
{
	double t0, before = all ? 0 : children_ms();
	pid_t pids[COPIES];

	s->cpu[round] = -before;
	t0 = now_ms();
	for (unsigned int i = 0; i < copies; i++) {
		pids[i] = start(s, copies > 1 ? ++serial : serial, quiet);
		s->failed += pids[i] < 0;
	}
	s->wall[round] = reap(s, &s->cpu[round], pids, copies, all) - t0;
	if (!all)
		s->cpu[round] += children_ms();
}

/* Jiffies that the processors were idle, and all; false where /proc/stat is not as expected. */
static bool idle_jiffies(unsigned long long *ret_idle, unsigned long long *ret_all)
{
	unsigned long long v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "re");
	int n = 0;

	if (f != NULL) {
		n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
			   &v[3], &v[4], &v[5], &v[6], &v[7]);
		(void)fclose(f);
	}
	*ret_idle = v[3] + v[4];
	*ret_all = 0;
	for (size_t i = 0; i < 8; i++)
		*ret_all += v[i];
	return n == 8;
}

/*
 * The kernel takes namespaces apart in the background, for seconds after 50 containers: wait until the
 * processors are idle, or 3 seconds, so that nobody pays for the one before.
 */
static void settle(void)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	unsigned long long idle, all, idle2, all2;

	for (int i = 0; i < 30; i++) {
		if (!idle_jiffies(&idle, &all) || nanosleep(&pause, NULL) < 0 ||
		    !idle_jiffies(&idle2, &all2))
			return;
		if ((idle2 - idle) * 10 >= (all2 - all) * 9)
			return;
	}
}

static void run(struct entry *e, unsigned int round, unsigned int copies,
		const posix_spawn_file_actions_t *quiet)
{
	double rest = 0;

	serial++;
	if (copies > 1)
		settle();
	for (size_t i = 0; i < e->steps_n; i++) {
		struct step *s = &e->steps[i];

		if (s->words[0] == NULL)
			(void)reap(s, &rest, NULL, 0, true);
		else
			run_step(s, round, copies, e->steps_n == 1, quiet);
	}
	(void)reap(&e->steps[e->steps_n - 1], &rest, NULL, 0, true);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), compare_double);
	return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void print_step(size_t at, const struct entry *base, unsigned int rounds)
{
	const struct step *b = &base->steps[at];
	double wall, cpu;

	if (at >= base->steps_n || b->name == NULL)
		return;
	wall = median(b->wall, rounds);
	cpu = median(b->cpu, rounds);
	for (size_t i = 0; i < entries_n; i++) {
		struct step *s = &entries[i].steps[at];
		const char *label = entries[i].label + (entries[i].label[0] == '*');
		double w, c;

		if (at >= entries[i].steps_n)
			continue;
		w = median(s->wall, rounds);
		c = median(s->cpu, rounds);
		(void)printf("| %s%s%s | %.1f | %.1f | %.3f | %.1f | %.1f | %.3f | %.1f | %u |\n",
			     s->name, s->name[0] != '\0' ? ", " : "", label, s->wall[0], w,
			     w / wall, s->cpu[0], c, c / cpu, (double)s->rss_kib / 1024, s->failed);
	}
}

static void print_table(unsigned int rounds, unsigned int copies)
{
	const struct entry *base = &entries[0];

	for (size_t i = 0; i < entries_n; i++)
		if (entries[i].label[0] == '*')
			base = &entries[i];
	(void)printf(
		"| %u rounds, %u at once | min ms | median ms | ratio | min cpu ms | cpu ms | cpu ratio | peak RSS MiB | failed |\n",
		rounds, copies);
	(void)printf("|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < base->steps_n; i++)
		print_step(i, base, rounds);
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t quiet;
	unsigned int rounds, copies;
	int r;

	rounds = argc == 4 ? (unsigned int)strtoul(argv[1], NULL, 10) : 0;
	copies = argc == 4 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	if (rounds < 1 || rounds > ROUNDS || copies < 1 || copies > COPIES) {
		(void)fprintf(stderr, "usage: measure ROUNDS COPIES FILE\n");
		return 125;
	}
	r = read_entries(argv[3]);
	if (r < 0) {
		(void)fprintf(stderr, "measure: %s: %s\n", argv[3], strerror(-r));
		return 125;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0,
		    0); /* without it detached helpers are not counted */
	if (posix_spawn_file_actions_init(&quiet) != 0 ||
	    posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0) != 0 ||
	    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) != 0 ||
	    (getenv("BENCH_VERBOSE") == NULL &&
	     posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0) != 0))
		return 125;
	for (size_t i = 0; i < entries_n; i++) /* caches warm, first use done */
		run(&entries[i], 0, copies, &quiet);
	for (size_t i = 0; i < entries_n; i++)
		for (size_t k = 0; k < entries[i].steps_n; k++) {
			entries[i].steps[k].failed = 0;
			entries[i].steps[k].rss_kib = 0;
		}
	for (unsigned int k = 0; k < rounds; k++)
		for (size_t i = 0; i < entries_n; i++)
			run(&entries[(i + k) % entries_n], k, copies, &quiet);
	print_table(rounds, copies);
	return 0;
}
