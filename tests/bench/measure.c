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
 * Theory of operation: figures of a shared machine drift, so the commands alternate: round 1 runs every
 * command once, round 2 again in another order, and so on; then medians are compared. With COPIES > 1 a
 * run is that many processes started at once, and its time is until all have ended. Wall time ends when the
 * started process ends. CPU time and the peak of resident memory are those of it and of all its
 * descendants, also the ones that detach: this process is their subreaper and waits for them before the
 * next run. It is small and uses vfork, so that its own memory does not show up in the peak of what it starts.
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
#define ROUNDS	1000
#define COPIES	512

struct entry {
	char *label;
	char *words[WORDS];
	double wall[ROUNDS], cpu[ROUNDS];
	long rss_kib;
	unsigned int failed;
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

static int read_entries(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;

	if (f == NULL)
		return -errno;
	while (getline(&line, &cap, f) > 0 && entries_n < ENTRIES) {
		struct entry *e = &entries[entries_n];
		char *save = NULL, *copy = strdup(line), *tab;
		size_t n = 0;

		if (copy == NULL)
			return -ENOMEM;
		copy[strcspn(copy, "\n")] = '\0';
		tab = strchr(copy, '\t');
		if (copy[0] == '#' || tab == NULL)
			continue;
		*tab = '\0';
		e->label = copy;
		for (char *w = strtok_r(tab + 1, " ", &save); w != NULL && n < WORDS - 1;
		     w = strtok_r(NULL, " ", &save))
			e->words[n++] = w;
		if (n > 0)
			entries_n++;
	}
	free(line);
	(void)fclose(f); /* only read */
	return entries_n > 0 ? 0 : -ENODATA;
}

static pid_t start(const struct entry *e, const posix_spawn_file_actions_t *quiet)
{
	extern char **environ;
	char *argv[WORDS], numbered[4096];
	pid_t pid;

	serial++;
	for (size_t i = 0; i < WORDS; i++) {
		char *at = e->words[i] != NULL ? strstr(e->words[i], "%i") : NULL;

		argv[i] = e->words[i];
		if (at != NULL) {
			(void)snprintf(numbered, sizeof(numbered), "%.*sb%d-%u%s",
				       (int)(at - e->words[i]), e->words[i], (int)getpid(), serial,
				       at + 2);
			argv[i] = numbered;
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

static void run(struct entry *e, unsigned int round, unsigned int copies,
		const posix_spawn_file_actions_t *quiet)
{
	pid_t pids[COPIES];
	unsigned int running = 0;
	double t0 = now_ms(), end = t0;

	for (unsigned int i = 0; i < copies; i++) {
		pids[i] = start(e, quiet);
		if (pids[i] < 0)
			e->failed++;
		else
			running++;
	}
	e->cpu[round] = 0;
	for (;;) {
		struct rusage u;
		int status;
		pid_t pid = wait4(-1, &status, 0, &u);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break; /* nobody is left, detached ones included */
		e->cpu[round] += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
				 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
		if (u.ru_maxrss > e->rss_kib)
			e->rss_kib = u.ru_maxrss;
		if (!is_one_of(pid, pids, copies))
			continue;
		if (status != 0)
			e->failed++;
		if (--running == 0)
			end = now_ms();
	}
	e->wall[round] = end - t0;
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

static void print_table(unsigned int rounds, unsigned int copies)
{
	struct entry *base = &entries[0];
	double wall, cpu;

	for (size_t i = 0; i < entries_n; i++)
		if (entries[i].label[0] == '*')
			base = &entries[i];
	wall = median(base->wall, rounds);
	cpu = median(base->cpu, rounds);
	(void)printf(
		"| %u rounds, %u at once | min ms | median ms | ratio | cpu ms | cpu ratio | peak RSS MiB | failed |\n",
		rounds, copies);
	(void)printf("|---|---:|---:|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < entries_n; i++) {
		struct entry *e = &entries[i];
		double w = median(e->wall, rounds), c = median(e->cpu, rounds);

		(void)printf("| %s | %.1f | %.1f | %.3f | %.1f | %.3f | %.1f | %u |\n",
			     e->label + (e->label[0] == '*'), e->wall[0], w, w / wall, c, c / cpu,
			     (double)e->rss_kib / 1024, e->failed);
	}
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
	for (size_t i = 0; i < entries_n; i++) {
		entries[i].failed = 0;
		entries[i].rss_kib = 0;
	}
	for (unsigned int k = 0; k < rounds; k++)
		for (size_t i = 0; i < entries_n; i++)
			run(&entries[(i + k) % entries_n], k, copies, &quiet);
	print_table(rounds, copies);
	return 0;
}
