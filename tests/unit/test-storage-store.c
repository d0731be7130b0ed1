/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store: where, whose, which version (T16). */
#include "storage-fixture.h"

static void expect_refused(const char *root, bool create, int code, const char *why)
{
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int r = storage_open(root, create, &s, &e);

	if (r >= 0)
		fail_msg("%s: opened", root);
	assert_int_equal(r, code);
	if (strstr(e.msg, why) == NULL || strstr(e.msg, root) == NULL)
		fail_msg("\"%s\" does not name \"%s\" and \"%s\"", e.msg, root, why);
}

static void test_modes(void **state)
{
	static const char *const dirs[] = { ".",   "oci",   "layers", "containers",
					    "tmp", "trash", "names" };
	static const char *const files[] = { "version", "oci/oci-layout" };
	struct fixture *f = *state;
	struct storage *s;
	char root[128];
	struct stat st;
	mode_t old = umask(0);

	(void)snprintf(root, sizeof(root), "%s/a/b/store", f->dir);
	assert_int_equal(storage_open(root, true, &s, NULL), 0);
	(void)umask(old);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		assert_int_equal(fstatat(storage_root_fd(s), dirs[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(fstatat(storage_root_fd(s), files[i], &st, AT_SYMLINK_NOFOLLOW),
				 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_string_equal(storage_root(s), root);
	storage_free(s);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	char path[128], text[128];
	struct storage *s;

	(void)snprintf(path, sizeof(path), "%s/link", f->dir);
	assert_int_equal(symlink(f->root, path), 0);
	expect_refused(path, true, -ELOOP, "symbolic link");
	expect_refused(path, false, -ELOOP, "symbolic link");

	(void)snprintf(path, sizeof(path), "%s/file", f->dir);
	assert_int_equal(symlinkat("x", AT_FDCWD, path), 0);
	assert_int_equal(unlink(path), 0);
	{
		_cleanup_fd_ int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		put_at(dir, "file", "x");
	}
	expect_refused(path, true, -ENOTDIR, "not a directory");

	assert_int_equal(chmod(f->root, 0770), 0);
	expect_refused(f->root, true, -EPERM, "may be written by others");
	assert_int_equal(chmod(f->root, 0702), 0);
	expect_refused(f->root, false, -EPERM, "may be written by others");
	assert_int_equal(chmod(f->root, 0755), 0); /* readable by others: closed, not refused */
	assert_int_equal(storage_open(f->root, false, &s, NULL), 0);
	storage_free(s);
	{
		struct stat st;

		assert_int_equal(stat(f->root, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	if (geteuid() == 0) {
		(void)snprintf(text, sizeof(text), "%s/foreign", f->dir);
		assert_int_equal(mkdir(text, 0700), 0);
		assert_int_equal(chown(text, 12345, 12345), 0);
		expect_refused(text, true, -EPERM, "belongs to user 12345");
	}
	put_at(storage_root_fd(f->s), "version", "2\n");
	expect_refused(f->root, true, -EPROTO, "format \"2\"");
	put_at(storage_root_fd(f->s), "version", "\x1b[31m\n");
	expect_refused(f->root, false, -EPROTO, "format");
}

/* Read-only verbs make nothing, and see an empty store. */
static void test_missing(void **state)
{
	struct fixture *f = *state;
	struct storage *s;
	struct storage_image *images, img;
	struct strv ids, gone = { .v = NULL };
	struct error e = ERROR_INIT;
	struct storage_txn *t;
	char root[128], why[64];
	size_t n;

	(void)snprintf(root, sizeof(root), "%s/none/store", f->dir);
	assert_int_equal(storage_open(root, false, &s, NULL), 0);
	assert_int_equal(storage_root_fd(s), -1);
	assert_int_equal(storage_image_list(s, &images, &n, NULL), 0);
	assert_int_equal(n, 0);
	storage_images_free(images, n);
	assert_int_equal(storage_container_list(s, &ids, NULL), 0);
	assert_int_equal(ids.n, 0);
	assert_int_equal(storage_image_resolve(s, "busybox", &img, &e), STORAGE_MISSING);
	assert_int_equal(storage_image_remove(s, "busybox", false, &gone, &gone, &e), -ENOENT);
	assert_int_equal(storage_container_remove(s, "abc", &e), -ENOENT);
	assert_int_equal(storage_txn_begin(s, &t, &e), -ENOENT);
	assert_int_equal(storage_container_lock(s, "abc", &e), -ENOENT);
	assert_false(storage_has_layer(s, "sha256:x"));
	assert_false(storage_trash_pending(s));
	assert_int_equal(storage_driver_cached(s, why, sizeof(why)), STORAGE_DRIVER_AUTO);
	storage_trash_empty(s);
	storage_free(s);
	(void)snprintf(root, sizeof(root), "%s/none", f->dir);
	assert_int_equal(access(root, F_OK), -1);
}

static void with_env(const char *crt, const char *xdg, const char *home)
{
	(void)(crt != NULL ? setenv("CRT_ROOT", crt, 1) : unsetenv("CRT_ROOT"));
	(void)(xdg != NULL ? setenv("XDG_DATA_HOME", xdg, 1) : unsetenv("XDG_DATA_HOME"));
	(void)(home != NULL ? setenv("HOME", home, 1) : unsetenv("HOME"));
}

static void expect_root(const char *want)
{
	struct storage *s;
	struct error e = ERROR_INIT;

	if (storage_open(NULL, false, &s, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(storage_root(s), want);
	storage_free(s);
}

static void test_place(void **state)
{
	(void)state;
	with_env("/nowhere/a/", "/nowhere/b", "/nowhere/c");
	expect_root("/nowhere/a");
	with_env(NULL, "/nowhere/b", "/nowhere/c");
	expect_root("/nowhere/b/crt");
	with_env("", "relative", "/nowhere/c");
	expect_root("/nowhere/c/.local/share/crt");
	with_env(NULL, NULL, NULL);
	if (geteuid() == 0)
		expect_root("/root/.local/share/crt");
}

/* A layout that was cut short is completed. */
static void test_unfinished_layout(void **state)
{
	struct fixture *f = *state;
	struct storage *s;

	assert_int_equal(unlinkat(storage_root_fd(f->s), "version", 0), 0);
	assert_int_equal(unlinkat(storage_root_fd(f->s), "layers", AT_REMOVEDIR), 0);
	assert_int_equal(storage_open(f->root, true, &s, NULL), 0);
	assert_true(store_has(f, "layers") && store_has(f, "version"));
	storage_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_modes, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refused, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unfinished_layout, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
