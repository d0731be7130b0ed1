/* SPDX-License-Identifier: Apache-2.0 */
/* Root file systems: overlays mounted in a user namespace and used. */
#include "storage-fixture.h"

#include <sched.h>

#include "storage/store.h"

#define SKIP_CODE 77

static void write_text(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		_exit(SKIP_CODE);
}

/* Run fn as root of a new user and mount namespace (only our own id mapped). */
static void in_namespace(void (*fn)(struct fixture *f), struct fixture *f)
{
	unsigned int uid = geteuid(), gid = getegid();
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		char map[64];

		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			_exit(SKIP_CODE);
		write_text("/proc/self/setgroups", "deny");
		(void)snprintf(map, sizeof(map), "0 %u 1\n", uid);
		write_text("/proc/self/uid_map", map);
		(void)snprintf(map, sizeof(map), "0 %u 1\n", gid);
		write_text("/proc/self/gid_map", map);
		fn(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP_CODE) {
		print_message("skipped: no user namespace can be made here\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(cond)                                                                     \
	do {                                                                            \
		if (!(cond)) {                                                          \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __func__, __LINE__, #cond, errno); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

static int target(const struct fixture *f, char path[128])
{
	int fd;

	(void)snprintf(path, 128, "%s/target", f->dir);
	(void)mkdir(path, 0700);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static bool file_is(const char *dir, const char *name, const char *text)
{
	_cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *got = NULL;

	return fd >= 0 && fd_read_file_at(fd, name, 100, &got, NULL, NULL) == 0 && strcmp(got, text) == 0;
}

static void fill_store(struct fixture *f)
{
	struct error e = ERROR_INIT;
	struct storage_txn *t;

	assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
	/* The same layer twice: builders write such images. */
	put_image(storage_txn_fd(t), '1', '2', "aba");
	put_layer(storage_txn_fd(t), 'a', "one", "1");
	put_layer(storage_txn_fd(t), 'b', "two", "2");
	assert_int_equal(commit_as(t, '1', "localhost/x:latest", &e), 0);
	add_image(f->s, '3', '4', 'c', "localhost/single:latest");
}

static void writable(struct fixture *f)
{
	struct storage_rootfs_handle h;
	struct error e = ERROR_INIT;
	struct storage_image img;
	char path[128], why[200];
	struct storage_rootfs q = { .container_id = "abc123", .target_fd = target(f, path), .is_volatile = true };
	struct stat st;
	int fd;

	CHECK(storage_image_resolve(f->s, "x", &img, &e) == STORAGE_FOUND);
	CHECK(storage_container_create(f->s, "abc123", "name", "{}", false, &e) == 0);
	CHECK(storage_driver_cached(f->s, why, sizeof(why)) == STORAGE_DRIVER_AUTO);
	q.layers = &img.layers;
	q.target = path;
	if (storage_rootfs_mount(f->s, &q, &h, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	close_fd(&q.target_fd);
	CHECK(h.driver == STORAGE_DRIVER_OVERLAY);
	CHECK(storage_driver_cached(f->s, why, sizeof(why)) == STORAGE_DRIVER_OVERLAY);
	CHECK(file_is(path, "one", "1") && file_is(path, "two", "2"));
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0 && unlinkat(fd, "one", 0) == 0);
	put_at(fd, "new", "n");
	close_fd(&fd);
	storage_rootfs_umount(&h, path);
	CHECK(access(path, F_OK) == 0 && !file_is(path, "two", "2"));
	CHECK(store_has(f, "containers/abc123/upper/new"));
	CHECK(count_entries(f, "tmp") == 0);
	CHECK(storage_container_remove(f->s, "abc123", &e) == 0);
	CHECK(count_entries(f, "trash") == 0 && count_entries(f, "names") == 0);
	storage_image_fini(&img);
}

static void read_only(struct fixture *f)
{
	struct storage_rootfs_handle h;
	struct error e = ERROR_INIT;
	struct storage_image img;
	char path[128];
	struct storage_rootfs q = { .target_fd = target(f, path), .target = path, .driver = STORAGE_DRIVER_OVERLAY };
	int fd;

	/* One layer only: still a root file system. */
	CHECK(storage_image_resolve(f->s, "single", &img, &e) == STORAGE_FOUND);
	q.layers = &img.layers;
	CHECK(storage_rootfs_mount(f->s, &q, &h, &e) == 0);
	CHECK(file_is(path, "file", "c"));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0 && unlinkat(fd, "file", 0) < 0 && errno == EROFS);
	storage_image_fini(&img);
}

/* Every way of describing the mount to the kernel gives the same result. */
static void every_api(struct fixture *f)
{
	char path[128];
	int target_fd = target(f, path);

	for (unsigned int api = 0; api < OVERLAY_API_COUNT; api++) {
		char name[2][300], d[80];
		const char *names[2] = { name[0], name[1] };
		int lower[2];
		struct overlay_plan p = { .lower_fd = lower, .lower = names, .lower_n = 2, .upper_fd = -1, .work_fd = -1 };
		struct storage_rootfs_handle h = { .fuse_pid_fd = -1 };
		struct error e = ERROR_INIT;

		for (unsigned int i = 0; i < 2; i++) {
			(void)snprintf(name[i], sizeof(name[i]), "%s/layers/%s/fs", f->root,
				       fake_digest("ab"[i], d) + 7);
			lower[i] = open(name[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
			CHECK(lower[i] >= 0);
		}
		if (overlay_native_mount(&p, target_fd, (enum overlay_api)api, &e) < 0) {
			fprintf(stderr, "api %u: %s\n", api, e.msg);
			_exit(1);
		}
		CHECK(file_is(path, "one", "1") && file_is(path, "two", "2"));
		storage_rootfs_umount(&h, path);
		CHECK(!file_is(path, "one", "1"));
	}
}

static void missing_layer(struct fixture *f)
{
	struct storage_rootfs_handle h;
	struct error e = ERROR_INIT;
	char path[128];
	struct strv layers = { .v = NULL };
	struct storage_rootfs q = { .target_fd = target(f, path), .target = path, .layers = &layers,
				    .driver = STORAGE_DRIVER_OVERLAY };

	CHECK(strv_addf(&layers, "%s/layers/none", f->root) == 0);
	CHECK(storage_rootfs_mount(f->s, &q, &h, &e) == -ENOENT);
	CHECK(strstr(e.msg, "is missing") != NULL && strstr(e.msg, "layers/none") != NULL);
	strv_fini(&layers);
}

static void test_writable(void **state)
{
	fill_store(*state);
	in_namespace(writable, *state);
}

static void test_read_only(void **state)
{
	fill_store(*state);
	in_namespace(read_only, *state);
}

static void test_every_api(void **state)
{
	fill_store(*state);
	in_namespace(every_api, *state);
}

static void test_missing_layer(void **state)
{
	in_namespace(missing_layer, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_writable, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_every_api, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_missing_layer, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
