/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole layer, applied to a directory: nothing outside of that directory is
 * touched, whatever names, links and kinds the archive has.
 *
 * Around the target lie a file and a directory that the layer might reach by a
 * mistake; they are looked at after every input.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "storage/unpack/apply.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tar-mutate.h"

static char home[256];
static int home_fd = -1;

static void clear(void)
{
	struct error e = ERROR_INIT;

	MUST(path_remove_tree(home_fd, "root", &e) == 0);
}

static void goodbye(void)
{
	(void)path_remove_tree(home_fd, "root", NULL);
	(void)path_remove_tree(home_fd, "canary", NULL);
	(void)unlinkat(home_fd, "etc", 0);
	(void)rmdir(home);
}

static void begin(void)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	if (home_fd < 0) {
		(void)snprintf(home, sizeof(home), "%s/fuzz-layer-XXXXXX",
			       tmp != NULL ? tmp : P_tmpdir);
		MUST(mkdtemp(home) != NULL);
		home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		MUST(home_fd >= 0 && mkdirat(home_fd, "canary", 0700) == 0);
		fd = openat(home_fd, "etc", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		MUST(fd >= 0 && write(fd, "same", 4) == 4 && close(fd) == 0);
		MUST(atexit(goodbye) == 0);
	}
	MUST(mkdirat(home_fd, "root", 0700) == 0);
}

static void look_around(void)
{
	struct stat st;
	char text[8];
	int fd = openat(home_fd, "etc", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	MUST(fd >= 0 && read(fd, text, sizeof(text)) == 4 && memcmp(text, "same", 4) == 0);
	MUST(fstat(fd, &st) == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0600);
	MUST(close(fd) == 0);
	MUST(fstatat(home_fd, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0);
	MUST(S_ISDIR(st.st_mode) && st.st_nlink <= 2 && (st.st_mode & 07777) == 0700);
	MUST(fstat(home_fd, &st) == 0 && (st.st_mode & 07777) == 0700);
	MUST(unlinkat(home_fd, "canary", AT_REMOVEDIR) == 0); /* it is empty still */
	MUST(mkdirat(home_fd, "canary", 0700) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct id_map map = { .uid_n = 0 };
	const struct apply_options o = { .keep_ids = false, .map = &map };
	struct pieces p = { .data = data, .len = size, .piece = 4096 };
	struct error e = ERROR_INIT;
	const struct tar_entry *n;
	_cleanup_fd_ int fd = -1;
	struct tar_reader *t;
	struct apply *a;
	int r;

	begin();
	fd = openat(home_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd >= 0 && apply_new(fd, &o, &a) == 0 && tar_new(read_piece, NULL, &p, &t) == 0);
	while ((r = tar_next(t, &n, &e)) > 0) {
		r = apply_entry(a, t, n, &e);
		if (r < 0)
			break;
	}
	if (r >= 0)
		r = apply_finish(a, &e);
	fuzz_check_result(r, &e);
	tar_free(t);
	apply_free(a);
	look_around();
	clear();
	return 0;
}
