/* SPDX-License-Identifier: Apache-2.0 */
/* Root file systems: overlays mounted in a user namespace and used. */
#include "storage-fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

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

#define CHECK(cond)                                                                          \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __func__, __LINE__, #cond, \
				errno);                                                      \
			_exit(1);                                                            \
		}                                                                            \
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

	return fd >= 0 && fd_read_file_at(fd, name, 100, &got, NULL, NULL) == 0 &&
	       strcmp(got, text) == 0;
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
	struct storage_rootfs q = { .container_id = "abc123",
				    .target_fd = target(f, path),
				    .is_volatile = true };
	struct stat st;
	int fd;

	CHECK(storage_image_resolve(f->s, "x", &img, &e) == STORAGE_FOUND);
	CHECK(storage_container_create(f->s, "abc123", "name", "{}", false, NULL, &e) == 0);
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
	struct storage_rootfs q = { .target_fd = target(f, path),
				    .target = path,
				    .driver = STORAGE_DRIVER_OVERLAY };
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
		struct overlay_plan p = { .lower_fd = lower,
					  .lower = names,
					  .lower_n = 2,
					  .upper_fd = -1,
					  .work_fd = -1 };
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
	struct storage_rootfs q = { .target_fd = target(f, path),
				    .target = path,
				    .layers = &layers,
				    .driver = STORAGE_DRIVER_OVERLAY };

	CHECK(strv_addf(&layers, "%s/layers/none", f->root) == 0);
	CHECK(storage_rootfs_mount(f->s, &q, &h, &e) == -ENOENT);
	CHECK(strstr(e.msg, "is missing") != NULL && strstr(e.msg, "layers/none") != NULL);
	strv_fini(&layers);
}

/* fuse-overlayfs: read, write, whiteout, its death; nothing of it stays. */
static void fuse(struct fixture *f)
{
	struct storage_rootfs_handle h;
	struct error e = ERROR_INIT;
	struct storage_image img;
	char path[128];
	struct storage_rootfs q = { .container_id = "abc123",
				    .target_fd = target(f, path),
				    .target = path,
				    .driver = STORAGE_DRIVER_FUSE,
				    .is_volatile = true };
	int fd;

	if (overlay_fuse_usable(&e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(SKIP_CODE);
	}
	CHECK(storage_image_resolve(f->s, "x", &img, &e) == STORAGE_FOUND);
	CHECK(storage_container_create(f->s, "abc123", "name", "{}", false, NULL, &e) == 0);
	q.layers = &img.layers;
	if (storage_rootfs_mount(f->s, &q, &h, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	close_fd(&q.target_fd);
	CHECK(h.driver == STORAGE_DRIVER_FUSE && h.fuse_pid > 0);
	CHECK(file_is(path, "one", "1") && file_is(path, "two", "2"));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0 && unlinkat(fd, "one", 0) == 0);
	put_at(fd, "new", "n");
	close_fd(&fd);
	CHECK(store_has(f, "containers/abc123/upper/new"));
	CHECK(kill(h.fuse_pid, SIGKILL) == 0);
	while (file_is(path, "new", "n"))
		;
	CHECK(access(path, F_OK) < 0 && errno == ENOTCONN);
	storage_rootfs_umount(&h, path);
	CHECK(access(path, F_OK) == 0);

	/* A server that cannot start says why. */
	q.target_fd = target(f, path);
	q.container_id = NULL;
	q.upper_dir = f->root;
	q.work_dir = "/proc/self/fdinfo";
	CHECK(storage_rootfs_mount(f->s, &q, &h, &e) < 0);
	fprintf(stderr, "(expected) %s\n", e.msg);
	CHECK(strstr(e.msg, "fuse-overlayfs") != NULL);
	storage_image_fini(&img);
}

/* ---- shift of ids: needs a map of many ids, which only root may write without helpers ---- */

static void put_map(pid_t pid, const char *file, const char *map)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	write_text(path, map);
}

/* Fork a child into a new namespace with this map for users and groups; 0 in the child. */
static pid_t fork_mapped(int flags, const char *map)
{
	int go[2], ready[2];
	pid_t pid;
	char c;

	CHECK(pipe(go) == 0 && pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		CHECK(unshare(flags) == 0 && write(ready[1], "x", 1) == 1 &&
		      read(go[0], &c, 1) == 1);
		CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
		CHECK(prctl(PR_SET_DUMPABLE, 1) == 0); /* else /proc/PID/uid_map is closed to us */
		return 0;
	}
	CHECK(read(ready[0], &c, 1) == 1);
	put_map(pid, "uid_map", map);
	put_map(pid, "gid_map", map);
	CHECK(write(go[1], "x", 1) == 1);
	return pid;
}

static void join(pid_t pid)
{
	int status = 0;

	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool owner_is(int dir_fd, const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == uid &&
	    st.st_gid == gid)
		return true;
	fprintf(stderr, "%s: owner %u:%u, expected %u:%u\n", name, st.st_uid, st.st_gid, uid, gid);
	return false;
}

/* What the container sees, in its own namespace, as root and as the mapped user. */
static void shifted_view(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(owner_is(fd, ".", 0, 0) && owner_is(fd, "root", 0, 0));
	CHECK(owner_is(fd, "five", 5, 5) && owner_is(fd, "user", 1001, 1001));
	put_at(fd, "by-root", "x"); /* as root of the container */
	CHECK(fchownat(fd, "root", 7, 7, 0) == 0 && owner_is(fd, "root", 7, 7));
	CHECK(mkdirat(fd, "home", 0755) == 0 && fchownat(fd, "home", 1001, 1001, 0) == 0);
	CHECK(setresgid(1001, 1001, 1001) == 0 && setresuid(1001, 1001, 1001) == 0);
	CHECK(faccessat(fd, "root", W_OK, AT_EACCESS) < 0);
	put_at(fd, "home/mine", "x");
	CHECK(owner_is(fd, "home/mine", 1001, 1001));
}

static void shifted_keeper(struct fixture *f)
{
	/* What --userns=keep-id makes for the caller 1001: 1001 is the keeper's 0. */
	struct id_range ranges[] = { { 0, 1, 1001 }, { 1001, 0, 1 }, { 1002, 1002, 64534 } };
	const struct id_map map = { .uid = ranges, .uid_n = 3, .gid = ranges, .gid_n = 3 };
	struct storage_rootfs_handle h;
	struct error e = ERROR_INIT;
	struct storage_txn *t;
	struct storage_image img;
	char path[128], d[80], dir[200];
	struct storage_rootfs q = { .container_id = "abc123", .shift = &map, .is_volatile = true };
	int fd;
	pid_t pid;

	(void)snprintf(f->root, sizeof(f->root), "%s/mapped", f->dir);
	CHECK(storage_open(f->root, true, &f->s, &e) == 0);
	CHECK(storage_txn_begin(f->s, &t, &e) == 0);
	put_image(storage_txn_fd(t), '1', '2', "a");
	put_layer(storage_txn_fd(t), 'a', "root", "x");
	(void)snprintf(dir, sizeof(dir), "layers/%s/fs", fake_digest('a', d) + 7);
	fd = openat(storage_txn_fd(t), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_at(fd, "five", "x");
	put_at(fd, "user", "x");
	CHECK(fchownat(fd, "five", 5, 5, 0) == 0 && fchownat(fd, "user", 1001, 1001, 0) == 0);
	CHECK(fchmod(fd, 0755) == 0);
	CHECK(commit_as(t, '1', "localhost/x:latest", &e) == 0);
	CHECK(storage_image_resolve(f->s, "x", &img, &e) == STORAGE_FOUND);
	CHECK(storage_container_create(f->s, "abc123", "name", "{}", false, NULL, &e) == 0);
	q.layers = &img.layers;
	q.target_fd = target(f, path);
	q.target = path;
	if (storage_rootfs_mount(f->s, &q, &h, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	CHECK(h.driver == STORAGE_DRIVER_FUSE);
	pid = fork_mapped(CLONE_NEWUSER, "0 1 1001\n1001 0 1\n1002 1002 64534\n");
	if (pid == 0) {
		shifted_view(path);
		_exit(0);
	}
	join(pid);
	storage_rootfs_umount(&h, path);
	/* Stored as the image's ids, not as the shown ones. */
	fd = openat(storage_root_fd(f->s), "containers/abc123/upper",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(owner_is(fd, "by-root", 0, 0) && owner_is(fd, "root", 7, 7) &&
	      owner_is(fd, "home/mine", 1001, 1001));
	CHECK(storage_container_remove(f->s, "abc123", &e) == 0 && count_entries(f, "trash") == 0);
}

static void test_shift(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	pid_t pid;

	if (geteuid() != 0 || overlay_fuse_usable(&e) < 0) {
		print_message("skipped: %s\n",
			      e.msg[0] != '\0' ? e.msg : "only root may write a map of many ids");
		skip();
	}
	assert_int_equal(chown(f->dir, 100000, 100000), 0);
	pid = fork_mapped(CLONE_NEWUSER | CLONE_NEWNS, "0 100000 65536\n");
	if (pid == 0) {
		shifted_keeper(f);
		_exit(0);
	}
	join(pid);
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

static void test_fuse(void **state)
{
	fill_store(*state);
	in_namespace(fuse, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_writable, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_every_api, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_fuse, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_shift, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_missing_layer, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
