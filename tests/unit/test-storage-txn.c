/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: what a commit takes, refuses, and leaves behind. */
#include "storage-fixture.h"

static void test_commit(void **state)
{
	struct fixture *f = *state;
	struct storage_image img;
	char d[80];

	add_image(f->s, '1', '2', 'a', "docker.io/library/busybox:latest");
	assert_int_equal(storage_image_resolve(f->s, "busybox", &img, NULL), STORAGE_FOUND);
	assert_string_equal(img.name, "docker.io/library/busybox:latest");
	assert_string_equal(img.digest, fake_digest('1', d));
	assert_string_equal(img.id, fake_digest('2', d) + 7);
	assert_int_equal(img.layers.n, 1);
	assert_int_equal(access(img.layers.v[0], F_OK), 0);
	assert_int_equal(img.size, 1000);
	assert_string_equal(img.os, "linux");
	storage_image_fini(&img);
	assert_int_equal(count_entries(f, "tmp"), 0);
	assert_int_equal(count_entries(f, "trash"), 0);
}

static void test_incomplete(void **state)
{
	struct fixture *f = *state;
	struct storage_txn *t;
	struct error e = ERROR_INIT;

	assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
	put_image(storage_txn_fd(t), '1', '2', "ab");
	put_layer(storage_txn_fd(t), 'a', "file", "x");
	assert_int_equal(commit_as(t, '1', "docker.io/library/x:latest", &e), -ENOENT);
	assert_non_null(strstr(e.msg, "layer 1"));
	assert_int_equal(count_entries(f, "layers"), 0);
	assert_int_equal(count_entries(f, "oci/blobs/sha256"), 0);
	assert_int_equal(count_entries(f, "tmp"), 0);
}

/* A compromised fetcher may leave links where layers and blobs are expected. */
static void test_links_refused(void **state)
{
	struct fixture *f = *state;
	struct storage_txn *t;
	struct error e = ERROR_INIT;
	char d[80], path[256];

	assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
	put_image(storage_txn_fd(t), '1', '2', "a");
	(void)snprintf(path, sizeof(path), "layers/%s", fake_digest('a', d) + 7);
	assert_int_equal(mkdirat(storage_txn_fd(t), path, 0700), 0);
	(void)snprintf(path, sizeof(path), "layers/%s/fs", d + 7);
	assert_int_equal(symlinkat("/", storage_txn_fd(t), path), 0);
	assert_int_equal(commit_as(t, '1', NULL, &e), -ENOENT);

	assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", fake_digest('1', d) + 7);
	assert_int_equal(symlinkat("/etc/passwd", storage_txn_fd(t), path), 0);
	assert_true(commit_as(t, '1', NULL, &e) < 0);
	assert_int_equal(count_entries(f, "oci/blobs/sha256"), 0);
}

static void test_bad_documents(void **state)
{
	static const char *const manifests[] = {
		"",
		"[]",
		"{}",
		"{\"config\":{},\"layers\":[]}",
		"{\"config\":{\"digest\":\"sha256:../../x\"},\"layers\":[]}",
		/* an index and a manifest at once */
		"{\"config\":{\"digest\":\"sha256:2222222222222222222222222222222222222222222222222222222222222222\"},"
		"\"layers\":[],\"manifests\":[]}",
		/* duplicate keys */
		"{\"layers\":[],\"layers\":[],\"config\":{\"digest\":"
		"\"sha256:2222222222222222222222222222222222222222222222222222222222222222\"}}",
		/* a layer that the config does not know */
		"{\"config\":{\"digest\":\"sha256:2222222222222222222222222222222222222222222222222222222222222222\"},"
		"\"layers\":[{\"digest\":\"sha256:3333333333333333333333333333333333333333333333333333333333333333\"}]}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(manifests) / sizeof(manifests[0]); i++) {
		struct error e = ERROR_INIT;
		struct storage_txn *t;

		assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
		put_blob(storage_txn_fd(t), '1', manifests[i]);
		put_blob(storage_txn_fd(t), '2', "{\"rootfs\":{\"diff_ids\":[]}}");
		if (commit_as(t, '1', "localhost/x:latest", &e) >= 0)
			fail_msg("accepted: %s", manifests[i]);
		assert_true(e.msg[0] != '\0');
	}
	assert_false(store_has(f, "oci/index.json"));
}

/* The owner of a transaction dies: the next opening moves it to trash; a living one is left alone. */
static void test_stale(void **state)
{
	struct fixture *f = *state;
	struct storage_txn *live;
	struct storage *other;
	pid_t pid;

	assert_int_equal(storage_txn_begin(f->s, &live, NULL), 0);
	pid = fork();
	if (pid == 0) {
		struct storage_txn *t;

		_exit(storage_txn_begin(f->s, &t, NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(count_entries(f, "tmp"), 2);
	assert_false(storage_trash_pending(f->s));
	assert_int_equal(storage_open(f->root, false, &other, NULL), 0);
	assert_int_equal(count_entries(f, "tmp"), 1);
	assert_true(storage_trash_pending(other));
	storage_trash_empty(other);
	assert_false(storage_trash_pending(other));
	storage_free(other);
	storage_txn_abort(live);
	assert_int_equal(count_entries(f, "tmp"), 0);
}

/* The same layer twice in an image, and layers shared between images. */
static void test_shared(void **state)
{
	struct fixture *f = *state;
	struct storage_txn *t;
	struct error e = ERROR_INIT;
	char d[80];

	add_image(f->s, '1', '2', 'a', "localhost/one:latest");
	assert_true(storage_has_layer(f->s, fake_digest('a', d)));
	assert_true(storage_has_blob(f->s, fake_digest('1', d)));
	assert_false(storage_has_blob(f->s, "sha256:../../version"));
	assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
	put_image(storage_txn_fd(t), '3', '4', "aa");
	assert_int_equal(commit_as(t, '3', "localhost/two:latest", &e), 0);
	assert_int_equal(count_entries(f, "layers"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commit, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_incomplete, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_links_refused, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bad_documents, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_stale, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_shared, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
