/* SPDX-License-Identifier: Apache-2.0 */
/* Trees as tar archives: what our reader, GNU tar and libarchive's tar find in them; layers; hooks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "storage/storage.h"
#include "storage/unpack/tar.h"

struct world {
	char dir[64];
	int fd;	     /* the temporary directory */
	int tree_fd; /* "tree" in it */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/test-pack-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->fd >= 0);
	assert_int_equal(mkdirat(w->fd, "tree", 0755), 0);
	w->tree_fd = openat(w->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->tree_fd >= 0);
	*state = w;
	return 0;
}

static int remove_below_tmp(const char *name)
{
	_cleanup_fd_ int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return path_remove_tree(fd, name, NULL);
}

static int teardown(void **state)
{
	struct world *w = *state;

	(void)close(w->tree_fd);
	(void)close(w->fd);
	assert_int_equal(remove_below_tmp(w->dir + 5), 0);
	free(w);
	return 0;
}

static int put_file(const struct world *w, const char *name, const char *text)
{
	int fd = openat(w->tree_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void put_text(const struct world *w, const char *name, const char *text)
{
	(void)close(put_file(w, name, text));
}

static int to_buf(void *data, const void *bytes, size_t len, struct error *e)
{
	(void)e;
	return buf_append(data, bytes, len);
}

/* Everything, or the options' own. */
static void pack_into(const struct world *w, struct storage_pack p, struct buf *b)
{
	struct error e = ERROR_INIT;

	p.root_fd = w->tree_fd;
	p.write = to_buf;
	p.write_data = b;
	assert_int_equal(storage_pack(&p, &e), 0);
	assert_int_equal(b->len % 512, 0);
}

static ssize_t read_all(void *data, const void **ret, struct error *e)
{
	struct buf *b = data;
	size_t n = b->len;

	(void)e;
	*ret = b->data;
	b->len = 0;
	return (ssize_t)n;
}

/* One line for each entry: "TYPE PATH MODE SIZE LINK XATTRS\n". Eats b. */
static void list(struct buf *b, struct buf *ret)
{
	struct error e = ERROR_INIT;
	const struct tar_entry *n;
	struct tar_reader *t;
	int r;

	assert_int_equal(tar_new(read_all, NULL, b, &t), 0);
	while ((r = tar_next(t, &n, &e)) > 0) {
		(void)buf_printf(ret, "%c %s %04o", "fhlcbdp?"[n->type], n -> path, n -> mode);
		if (n->type == TAR_FILE)
			(void)buf_printf(ret, " %llu", (unsigned long long)n->size);
		if (n->link[0] != '\0')
			(void)buf_printf(ret, " -> %s", n->link);
		for (size_t i = 0; i < n->xattrs_n; i++)
			(void)buf_printf(ret, " %s=%.*s", n->xattrs[i].name, (int)n->xattrs[i].len,
					 n->xattrs[i].value);
		(void)buf_putc(ret, '\n');
	}
	assert_int_equal(r, 0);
	tar_free(t);
}

static bool xattr_works(const struct world *w)
{
	return fsetxattr(w->tree_fd, "user.test", "x", 1, 0) == 0 &&
	       fremovexattr(w->tree_fd, "user.test") == 0;
}

/* ---- our own reader ---------------------------------------------------------------------- */

static void test_kinds(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf tar = BUF_INIT, text = BUF_INIT;
	_cleanup_buf_ struct buf want = BUF_INIT;

	put_text(w, "b", "hello");
	assert_int_equal(fchmodat(w->tree_fd, "b", 04755, 0), 0);
	assert_int_equal(linkat(w->tree_fd, "b", w->tree_fd, "c", 0), 0);
	assert_int_equal(mkdirat(w->tree_fd, "a", 0700), 0);
	assert_int_equal(symlinkat("../b", w->tree_fd, "a/link"), 0);
	assert_int_equal(mkfifoat(w->tree_fd, "a/fifo", 0600), 0);
	put_text(w, "a/empty", "");
	put_text(w, "\xff\n", "bytes");
	pack_into(w, (struct storage_pack){ .with_top = true }, &tar);
	list(&tar, &text);
	(void)buf_puts(&want, "d ./ 0755\nd a/ 0700\nf a/empty 0644 0\np a/fifo 0600\n"
			      "l a/link 0777 -> ../b\nf b 4755 5\nh c 4755 -> b\n"
			      "f \xff\n 0644 5\n");
	assert_string_equal(buf_str(&text), buf_str(&want));
}

static void test_names_of_every_length(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf tar = BUF_INIT, text = BUF_INIT, want = BUF_INIT;
	char name[256];

	for (size_t len = 90; len < 256; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		put_text(w, name, "");
		/* the same with a directory in front, where ustar's prefix may do */
		(void)buf_printf(&want, "f some/dir/%s 0644 0\n", name);
	}
	assert_int_equal(symlinkat(name, w->tree_fd, "z"), 0);
	(void)buf_printf(&want, "l some/dir/z 0777 -> %s\n", name);
	pack_into(w, (struct storage_pack){ .as = "some/dir" }, &tar);
	list(&tar, &text);
	assert_string_equal(buf_str(&text), buf_str(&want));
}

static void test_same_bytes(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf one = BUF_INIT, two = BUF_INIT;
	char name[16];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "%d", (i * 7919) % 300);
		put_text(w, name, name);
	}
	pack_into(w, (struct storage_pack){ .name = NULL }, &one);
	pack_into(w, (struct storage_pack){ .name = NULL }, &two);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
}

static void test_one_entry(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf tar = BUF_INIT, text = BUF_INIT;
	_cleanup_buf_ struct buf tar2 = BUF_INIT, text2 = BUF_INIT;

	assert_int_equal(mkdirat(w->tree_fd, "d", 0755), 0);
	put_text(w, "d/x", "1");
	put_text(w, "other", "2");
	pack_into(w, (struct storage_pack){ .name = "d", .as = "new" }, &tar);
	list(&tar, &text);
	assert_string_equal(buf_str(&text), "d new/ 0755\nf new/x 0644 1\n");
	pack_into(w, (struct storage_pack){ .name = "other" }, &tar2);
	list(&tar2, &text2);
	assert_string_equal(buf_str(&text2), "f other 0644 1\n");
}

static void test_layer(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf tar = BUF_INIT, text = BUF_INIT;
	int fd;

	if (!xattr_works(w) || mknodat(w->tree_fd, "gone", S_IFCHR, makedev(0, 0)) < 0) {
		print_message("skipped: no attributes or no whiteouts here\n");
		skip();
	}
	assert_int_equal(mkdirat(w->tree_fd, "opaque", 0755), 0);
	fd = openat(w->tree_fd, "opaque", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(fsetxattr(fd, "user.mine", "kept", 4, 0), 0);
	(void)close(fd);
	put_text(w, "opaque/new", "");
	fd = put_file(w, "own", "x");
	assert_int_equal(fsetxattr(fd, "user.containers.override_stat", "7:8:4711:file", 13, 0), 0);
	(void)close(fd);
	pack_into(w, (struct storage_pack){ .is_layer = true, .use_override = true }, &tar);
	list(&tar, &text);
	assert_string_equal(buf_str(&text), "f .wh.gone 0000 0\nd opaque/ 0755 user.mine=kept\n"
					    "f opaque/.wh..wh..opq 0000 0\nf opaque/new 0644 0\n"
					    "f own 4711 1\n");
}

static int hook(void *data, const char *path, struct storage_pack_meta *m, struct error *e)
{
	(void)e;
	(*(int *)data)++;
	m->mode = 0400;
	m->uid = 5000000; /* more than an octal field holds */
	return strcmp(path, "out") == 0;
}

static void test_hook(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf tar = BUF_INIT;
	struct error e = ERROR_INIT;
	const struct tar_entry *n;
	struct tar_reader *t;
	int asked = 0;

	assert_int_equal(mkdirat(w->tree_fd, "out", 0755), 0);
	put_text(w, "out/never", "");
	put_text(w, "in", "");
	pack_into(w, (struct storage_pack){ .hook = hook, .hook_data = &asked }, &tar);
	assert_int_equal(asked, 2);
	assert_int_equal(tar_new(read_all, NULL, &tar, &t), 0);
	assert_int_equal(tar_next(t, &n, &e), 1);
	assert_string_equal(n->path, "in");
	assert_int_equal(n->mode, 0400);
	assert_int_equal(n->uid, 5000000);
	assert_int_equal(tar_next(t, &n, &e), 0);
	tar_free(t);
}

static void test_deep(void **state)
{
	const struct world *w = *state;
	_cleanup_buf_ struct buf tar = BUF_INIT, text = BUF_INIT;
	int fd = fd_dup(w->tree_fd), deep = 500; /* more than stay open */
	size_t lines = 0;

	for (int i = 0; i < deep; i++) {
		int sub;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		assert_int_equal(mkdirat(fd, "e", 0755), 0);
		sub = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = sub;
	}
	(void)close(fd);
	pack_into(w, (struct storage_pack){ .name = NULL }, &tar);
	list(&tar, &text);
	for (const char *s = buf_str(&text); *s != '\0'; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 2 * deep);
}

/* ---- other people's readers -------------------------------------------------------------------- */

static int run(const char *const *argv)
{
	struct proc_fd_map fds[] = { { .fd = 2, .target = 1 }, { .fd = 2, .target = 2 } };
	char *const env[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };
	struct proc_spawn s = {
		.path = argv[0], .path_fd = -1, .envp = env, .fds = fds, .fds_n = 2
	};
	char *copy[16] = { NULL };
	struct error e = ERROR_INIT;
	pid_t pid;
	int status;

	for (size_t i = 0; argv[i] != NULL; i++)
		copy[i] = strdup(argv[i]);
	s.argv = copy;
	assert_int_equal(proc_spawn(&s, &pid, NULL, &e), 0);
	status = proc_wait(pid);
	for (size_t i = 0; copy[i] != NULL; i++)
		free(copy[i]);
	return status;
}

/* A tree with everything that an ordinary user can make. */
static void fill(const struct world *w)
{
	char name[201];
	int fd;

	memset(name, 'l', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	put_text(w, name, "long");
	put_text(w, "caf\xc3\xa9", "utf-8");
	put_text(w, "plain", "text\n");
	assert_int_equal(linkat(w->tree_fd, "plain", w->tree_fd, "second", 0), 0);
	assert_int_equal(symlinkat(name, w->tree_fd, "link"), 0);
	fd = put_file(w, "sparse", "head");
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	assert_int_equal(pwrite(fd, "middle", 6, 5 << 20), 6);
	(void)close(fd);
	fd = put_file(w, "hole", "");
	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	(void)close(fd);
	fd = put_file(w, "big", "");
	assert_int_equal(ftruncate(fd, 100), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(fd_write_all(fd, name, 200), 0);
	if (xattr_works(w))
		assert_int_equal(fsetxattr(fd, "user.note", "with\nlines", 10, 0), 0);
	(void)close(fd);
	assert_int_equal(mkdirat(w->tree_fd, "dir", 0711), 0);
	put_text(w, "dir/x", "");
}

static void write_archive(const struct world *w, bool fractions)
{
	int fd = openat(w->fd, "tar", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct storage_pack p = { .root_fd = w->tree_fd,
				  .with_fractions = fractions,
				  .write = storage_pack_to_fd,
				  .write_data = &fd };
	struct error e = ERROR_INIT;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(storage_pack(&p, &e), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size < (1 << 20)); /* the holes are not in it */
	(void)close(fd);
}

static void test_gnu_tar(void **state)
{
	const struct world *w = *state;
	_cleanup_free_ char *file = str_printf("%s/tar", w->dir);
	_cleanup_free_ char *tree = str_printf("%s/tree", w->dir);
	const char *compare[] = { "/usr/bin/tar", "--compare", "-f", file, "-C", tree, NULL };

	if (access(compare[0], X_OK) < 0)
		skip();
	fill(w);
	write_archive(w, true);
	assert_int_equal(run(compare), 0);
}

static void test_libarchive(void **state)
{
	const struct world *w = *state;
	_cleanup_free_ char *file = str_printf("%s/tar", w->dir);
	_cleanup_free_ char *tree = str_printf("%s/tree", w->dir);
	_cleanup_free_ char *out = str_printf("%s/out", w->dir);
	const char *extract[] = { "/usr/bin/bsdtar", "-xpf", file, "-C", out, NULL };
	const char *diff[] = { "/usr/bin/diff", "-r", "--no-dereference", tree, out, NULL };
	struct stat a, b;
	char value[16];

	if (access(extract[0], X_OK) < 0)
		skip();
	fill(w);
	write_archive(w, false);
	assert_int_equal(mkdir(out, 0755), 0);
	assert_int_equal(run(extract), 0);
	assert_int_equal(run(diff), 0);
	assert_int_equal(fstatat(w->fd, "out/plain", &a, 0), 0);
	assert_int_equal(fstatat(w->fd, "out/second", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fstatat(w->fd, "out/dir", &a, 0), 0);
	assert_int_equal(a.st_mode & 07777, 0711);
	free(tree);
	tree = str_printf("%s/out/big", w->dir);
	if (xattr_works(w))
		assert_int_equal(getxattr(tree, "user.note", value, sizeof(value)), 10);
}

/* Values that fill the room to the last byte, and then more: what is left out must not be written. */
static void test_xattrs_that_fill_the_room(void **state)
{
	static const size_t sizes[] = { 32 << 10, 32 << 10, 1, 20000 };
	char dir[] = "/dev/shm/test-pack-XXXXXX", name[] = "user.a";
	_cleanup_fd_ int tree_fd = -1;
	_cleanup_fd_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_free_ char *value = malloc(32 << 10);
	struct storage_pack p = { .write = storage_pack_to_fd, .write_data = &null_fd };
	struct error e = ERROR_INIT;
	bool works = true;
	int fd, r = 0;

	(void)state;
	assert_non_null(value);
	memset(value, 'v', 32 << 10);
	if (mkdtemp(dir) == NULL)
		skip();
	tree_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(tree_fd, "f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	for (size_t i = 0; works && i < 4; i++, name[5]++)
		works = fsetxattr(fd, name, value, sizes[i], 0) == 0;
	(void)close(fd);
	p.root_fd = tree_fd;
	if (works)
		r = storage_pack(&p, &e);
	(void)unlinkat(tree_fd, "f", 0);
	(void)rmdir(dir);
	if (!works) /* an older kernel's tmpfs */
		skip();
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_of_every_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hook, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gnu_tar, setup, teardown),
		cmocka_unit_test_setup_teardown(test_libarchive, setup, teardown),
		cmocka_unit_test(test_xattrs_that_fill_the_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
