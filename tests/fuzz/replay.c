/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feed a fuzzer every file of a directory: what was found once stays fixed, and
 * the corpus is tried by every ordinary build, with any compiler.
 *
 * usage: replay-NAME FILE|DIRECTORY...
 *
 * Theory of operation: each input lies in memory of exactly its size, so that
 * sanitizers see a byte too much. Beside the file as it is, some beginnings of
 * it are fed (input that ends too early is the commonest damage) and some
 * copies with one byte changed. The name is printed first: after a crash it is
 * the last line. An input that takes longer than TIMEOUT kills the process.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>

#define TIMEOUT	   20
#define BEGINNINGS 24
#define CHANGES	   24
#define INPUT_MAX  (16u << 20)

static unsigned int count;

static void feed(const char *data, size_t len)
{
	uint8_t *copy = malloc(len != 0 ? len : 1);

	MUST(copy != NULL);
	if (len != 0)
		memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static int replay_file(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *name = strrchr(path, '/');
	size_t step;

	name = name != NULL ? name + 1 : path;
	if (fd < 0 || fd_read_to_end(fd, &b, INPUT_MAX) < 0) {
		(void)printf("not ok %u - %s cannot be read\n", ++count, name);
		return -1;
	}
	(void)printf("# %s\n", name);
	(void)fflush(stdout);
	(void)alarm(TIMEOUT);
	feed(b.data, b.len);
	step = b.len / BEGINNINGS + 1;
	for (size_t n = 0; n < b.len; n += step)
		feed(b.data, n);
	step = b.len / CHANGES + 1;
	for (size_t n = step / 2; n < b.len; n += step) {
		char was = b.data[n];

		b.data[n] = (char)(was ^ (n % 2 != 0 ? 0x80 : 0x11));
		feed(b.data, b.len);
		b.data[n] = was;
	}
	(void)alarm(0);
	(void)printf("ok %u - %s\n", ++count, name);
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int replay_dir(const char *path)
{
	struct dirent **list = NULL;
	int n = scandir(path, &list, NULL, by_name), r = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *file = str_printf("%s/%s", path, list[i]->d_name);

		if (list[i]->d_name[0] != '.' && (file == NULL || replay_file(file) < 0))
			r = -1;
		free(list[i]);
	}
	free(list);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0) {
			(void)fprintf(stderr, "%s: cannot be read\n", argv[i]);
			r = -1;
		} else if ((S_ISDIR(st.st_mode) ? replay_dir(argv[i]) : replay_file(argv[i])) < 0) {
			r = -1;
		}
	}
	feed("", 0);
	(void)printf("1..%u\n", count);
	return r == 0 && count > 0 ? 0 : 1;
}
