/* SPDX-License-Identifier: Apache-2.0 */
/* Images: finding by every kind of text, listing, removing, and what the sweep keeps. */
#include "storage-fixture.h"

static void expect(struct fixture *f, const char *text, char manifest)
{
	struct storage_image img;
	struct error e = ERROR_INIT;
	char d[80];

	if (storage_image_resolve(f->s, text, &img, &e) != STORAGE_FOUND)
		fail_msg("%s: %s", text, e.msg);
	assert_string_equal(img.digest, fake_digest(manifest, d));
	storage_image_fini(&img);
}

static void expect_missing(struct fixture *f, const char *text)
{
	struct storage_image img;
	struct error e = ERROR_INIT;

	assert_int_equal(storage_image_resolve(f->s, text, &img, &e), STORAGE_MISSING);
	assert_non_null(strstr(e.msg, "image not known"));
}

static int rmi(struct fixture *f, const char *text, bool force, struct error *e)
{
	_cleanup_strv_ struct strv untagged = { .v = NULL };
	_cleanup_strv_ struct strv deleted = { .v = NULL };
	int r = storage_image_remove(f->s, text, force ? STORAGE_REMOVE_FORCE : 0, &untagged,
				     &deleted, e);

	return r < 0 ? r : (int)(untagged.n * 10 + deleted.n);
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	struct storage_image img;
	struct error e = ERROR_INIT;
	char d[80], text[200];

	expect_missing(f, "busybox");
	add_image(f->s, '1', '2', 'a', "docker.io/library/busybox:latest");
	add_image(f->s, '3', '4', 'b', "quay.io/x/busybox:latest");
	add_image(f->s, '5', '6', 'c', "quay.io/x/tool:v1");
	expect(f, "busybox", '1');
	expect(f, "docker.io/busybox", '1');
	expect(f, "library/busybox", '1');
	expect(f, "x/busybox", '3');
	expect(f, "quay.io/x/busybox", '3');
	expect(f, "tool:v1", '5');
	expect_missing(f, "tool");
	expect_missing(f, "ool:v1");
	expect_missing(f, "quay.io/busybox");
	/* digests and ids */
	expect(f, fake_digest('3', d), '3');
	expect(f, fake_digest('4', d), '3');
	expect(f, d + 7, '3');
	expect(f, "444444", '3');
	expect_missing(f, "77777");
	(void)snprintf(text, sizeof(text), "quay.io/x/tool@%s", fake_digest('5', d));
	expect(f, text, '5');
	(void)snprintf(text, sizeof(text), "tool:anything@%s", d);
	expect(f, text, '5');
	(void)snprintf(text, sizeof(text), "quay.io/x/other@%s", d);
	expect_missing(f, text);
	/* localhost before docker.io */
	add_image(f->s, '7', '8', 'a', "localhost/busybox:latest");
	expect(f, "busybox", '7');
	/* two registries, no preference */
	add_image(f->s, '9', '0', 'a', "ghcr.io/y/tool:v1");
	assert_int_equal(storage_image_resolve(f->s, "tool:v1", &img, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "ambiguous"));
	assert_int_equal(storage_image_resolve(f->s, "Tool", &img, &e), -EINVAL);
	assert_int_equal(storage_image_resolve(f->s, "", &img, &e), -EINVAL);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	struct storage_image *images;
	size_t n;
	char d[80], path[200];

	assert_int_equal(storage_image_list(f->s, &images, &n, NULL), 0);
	assert_int_equal(n, 0);
	storage_images_free(images, n);
	add_image(f->s, '1', '2', 'a', "localhost/old:latest");
	add_image(f->s, '3', '4', 'b', "localhost/new:latest");
	add_image(f->s, '3', '4', 'b', "localhost/new:other");
	add_image(f->s, '5', '6', 'c', "localhost/damaged:latest");
	(void)snprintf(path, sizeof(path), "oci/blobs/sha256/%s", fake_digest('6', d) + 7);
	put_at(storage_root_fd(f->s), path, "{");
	assert_int_equal(storage_image_list(f->s, &images, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(images[0].name, "localhost/new:latest");
	assert_int_equal(images[0].names.n, 2);
	assert_string_equal(images[1].name, "localhost/old:latest");
	storage_images_free(images, n);
	/* the damaged one can be removed */
	assert_int_equal(rmi(f, "damaged", false, NULL), 11);
	assert_int_equal(count_entries(f, "layers"), 2);
}

static void test_retag(void **state)
{
	struct fixture *f = *state;
	struct storage_image *images;
	size_t n;

	add_image(f->s, '1', '2', 'a', "localhost/x:latest");
	add_image(f->s, '3', '4', 'b', "localhost/x:latest");
	expect(f, "x", '3');
	expect(f, "222222", '1'); /* without a name now */
	assert_int_equal(storage_image_list(f->s, &images, &n, NULL), 0);
	assert_int_equal(n, 2);
	storage_images_free(images, n);
	assert_int_equal(rmi(f, "222222", false, NULL), 1);
	expect_missing(f, "222222");
	/* pulled again: nothing doubles */
	add_image(f->s, '3', '4', 'b', "localhost/x:latest");
	assert_int_equal(storage_image_list(f->s, &images, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(images[0].names.n, 1);
	storage_images_free(images, n);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;

	add_image(f->s, '1', '2', 'a', "localhost/one:latest");
	add_image(f->s, '1', '2', 'a', "localhost/two:latest");
	add_image(f->s, '3', '4', 'a', "localhost/shares:latest");
	assert_int_equal(rmi(f, "222222", false, &e), -EBUSY);
	assert_int_equal(rmi(f, "one", false, &e), 10);
	expect(f, "two", '1');
	assert_int_equal(rmi(f, "two", false, &e), 11);
	expect_missing(f, "two");
	assert_int_equal(count_entries(f, "layers"), 1); /* still shared */
	assert_int_equal(count_entries(f, "oci/blobs/sha256"), 2);
	assert_int_equal(rmi(f, "two", false, &e), -ENOENT);
	assert_int_equal(rmi(f, "shares", false, &e), 11);
	assert_int_equal(count_entries(f, "layers"), 0);
	assert_int_equal(count_entries(f, "oci/blobs/sha256"), 0);
	assert_true(storage_trash_pending(f->s));
	storage_trash_empty(f->s);
	assert_false(storage_trash_pending(f->s));
}

/* An image that a container was made of: refused, and by force without the layers. */
static void test_used(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	char record[200], d[80];

	add_image(f->s, '1', '2', 'a', "localhost/x:latest");
	(void)snprintf(record, sizeof(record), "{\"imageId\":\"%s\"}", fake_digest('2', d) + 7);
	assert_int_equal(storage_container_create(f->s, "abcdef", "c", record, false, NULL, &e), 0);
	assert_int_equal(rmi(f, "x", false, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "used by container abcdef"));
	expect(f, "x", '1');
	assert_int_equal(rmi(f, "x", true, &e), 11);
	expect_missing(f, "x");
	assert_true(storage_has_layer(f->s, fake_digest('a', d)));
	/* the next removal after the container's end takes them */
	assert_int_equal(storage_container_remove(f->s, "abcdef", &e), 0);
	add_image(f->s, '3', '4', 'b', "localhost/y:latest");
	assert_int_equal(rmi(f, "y", false, &e), 11);
	assert_int_equal(count_entries(f, "layers"), 0);
}

/* A pull that runs meanwhile may count on layers of the store; its end sweeps. */
static void test_remove_during_pull(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	struct storage_txn *t;
	pid_t pid;
	int status = 0;

	add_image(f->s, '1', '2', 'a', "localhost/x:latest");
	add_image(f->s, '5', '6', 'c', "localhost/z:latest");
	assert_int_equal(storage_txn_begin(f->s, &t, &e), 0);
	put_image(storage_txn_fd(t), '3', '4', "a"); /* skips the layer: the store has it */
	pid = fork(); /* locks of one process do not exclude each other where files are shared */
	if (pid == 0) {
		struct storage *other;

		if (storage_open(f->root, false, &other, NULL) < 0)
			_exit(1);
		f->s = other;
		_exit(rmi(f, "x", false, NULL) == 11 && rmi(f, "z", false, NULL) == 11 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count_entries(f, "layers"), 2);
	assert_int_equal(commit_as(t, '3', "localhost/y:latest", &e), 0);
	expect(f, "y", '3');
	expect_missing(f, "x");
	assert_int_equal(count_entries(f, "layers"), 1);
}

/* An entry whose manifest is gone is no image, and a later pull does not bring its names back. */
static void test_dead_entry(void **state)
{
	struct fixture *f = *state;
	char d[80], path[200];

	add_image(f->s, '1', '2', 'a', "localhost/x:latest");
	(void)snprintf(path, sizeof(path), "oci/blobs/sha256/%s", fake_digest('1', d) + 7);
	assert_int_equal(unlinkat(storage_root_fd(f->s), path, 0), 0);
	expect_missing(f, "x");
	add_image(f->s, '1', '2', 'a', "localhost/other:latest");
	expect_missing(f, "x");
	expect(f, "other", '1');
}

static void test_damaged_index(void **state)
{
	struct fixture *f = *state;
	struct storage_image img;
	struct error e = ERROR_INIT;

	put_at(storage_root_fd(f->s), "oci/index.json", "{\"manifests\":[");
	assert_true(storage_image_resolve(f->s, "x", &img, &e) < 0);
	assert_non_null(strstr(e.msg, "damaged"));
	/* entries that are nonsense do not hide the others */
	put_at(storage_root_fd(f->s), "oci/index.json",
	       "{\"manifests\":[3,{},{\"digest\":\"sha256:../x\"},[]]}");
	add_image(f->s, '1', '2', 'a', "localhost/x:latest");
	expect(f, "x", '1');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_list, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_retag, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_remove, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_used, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_remove_during_pull, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_dead_entry, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_index, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
