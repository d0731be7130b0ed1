/* SPDX-License-Identifier: Apache-2.0 */
/* Container records: names, locks, crashes, many at once. */
#include "storage-fixture.h"

#include <signal.h>
#include <sys/file.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "aaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void expect_found(struct fixture *f, const char *text, const char *id)
{
	_cleanup_free_ char *got = NULL;
	struct error e = ERROR_INIT;

	if (storage_container_find(f->s, text, &got, &e) != STORAGE_FOUND)
		fail_msg("%s: %s", text, e.msg);
	assert_string_equal(got, id);
}

static void test_life(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	_cleanup_free_ char *record = NULL;
	struct strv ids;
	char *none;

	assert_int_equal(storage_container_create(f->s, ID_A, "one", "{\"a\":1}", true, NULL, &e),
			 0);
	assert_int_equal(storage_container_create(f->s, ID_B, NULL, "{}", false, NULL, &e), 0);
	expect_found(f, "one", ID_A);
	expect_found(f, ID_A, ID_A);
	expect_found(f, "aaab", ID_B);
	assert_int_equal(storage_container_find(f->s, "aaa", &none, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "ambiguous"));
	assert_int_equal(storage_container_find(f->s, "two", &none, &e), STORAGE_MISSING);
	assert_int_equal(storage_container_find(f->s, "../names", &none, &e), STORAGE_MISSING);
	assert_int_equal(storage_container_record(f->s, ID_A, &record, &e), 0);
	assert_string_equal(record, "{\"a\":1}");
	free(record);
	record = NULL;
	assert_int_equal(storage_container_update(f->s, ID_A, "{\"a\":2}", &e), 0);
	assert_int_equal(storage_container_record(f->s, ID_A, &record, &e), 0);
	assert_string_equal(record, "{\"a\":2}");
	assert_int_equal(storage_container_list(f->s, &ids, &e), 0);
	assert_int_equal(ids.n, 2);
	strv_fini(&ids);
	assert_int_equal(storage_container_remove(f->s, ID_A, &e), 0);
	assert_int_equal(storage_container_remove(f->s, ID_A, &e), -ENOENT);
	assert_int_equal(storage_container_find(f->s, "one", &none, &e), STORAGE_MISSING);
	assert_int_equal(count_entries(f, "names"), 0);
	assert_int_equal(count_entries(f, "trash"), 0);
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "-x", "a b", "a\n", "\xc3\xbc" };
	struct fixture *f = *state;
	struct error e = ERROR_INIT;

	assert_int_equal(storage_container_create(f->s, ID_A, "one", "{}", false, NULL, &e), 0);
	assert_int_equal(storage_container_create(f->s, ID_B, "one", "{}", false, NULL, &e),
			 -EEXIST);
	assert_non_null(strstr(e.msg, "\"one\" is in use by container aaaaaaaaaaaa"));
	assert_int_equal(count_entries(f, "containers"), 1);
	assert_int_equal(storage_container_create(f->s, ID_A, "two", "{}", false, NULL, &e),
			 -EEXIST);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(storage_container_create(f->s, ID_B, bad[i], "{}", false, NULL,
							  &e),
				 -EINVAL);
	assert_int_equal(storage_container_create(f->s, "../../x", "two", "{}", false, NULL, &e),
			 -EINVAL);
	assert_int_equal(count_entries(f, "names"), 1);
	assert_int_equal(count_entries(f, "trash"), 0);
}

/* A name whose container is gone is free again. */
static void test_stale_name(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	char *none;

	put_at(storage_root_fd(f->s), "names/one", ID_B " one\n");
	assert_int_equal(storage_container_find(f->s, "one", &none, &e), STORAGE_MISSING);
	assert_int_equal(storage_container_create(f->s, ID_A, "one", "{}", false, NULL, &e), 0);
	expect_found(f, "one", ID_A);

	/* so is one that a power cut left without content ... */
	put_at(storage_root_fd(f->s), "names/three", "");
	assert_int_equal(storage_container_create(f->s, "dd", "three", "{}", false, NULL, &e), 0);
	expect_found(f, "three", "dd");

	/* ... but not while that container is being made. */
	assert_int_equal(mkdirat(storage_root_fd(f->s), "containers/+" ID_B, 0700), 0);
	put_at(storage_root_fd(f->s), "names/two", ID_B " two\n");
	assert_int_equal(storage_container_create(f->s, "cc", "two", "{}", false, NULL, &e),
			 -EEXIST);
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	int go[2];
	pid_t pid;
	char c;
	int fd;

	assert_int_equal(storage_container_create(f->s, ID_A, "one", "{}", false, NULL, &e), 0);
	assert_false(storage_container_is_live(f->s, ID_A));
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		if (storage_container_lock(f->s, ID_A, NULL) < 0 || write(go[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_true(storage_container_is_live(f->s, ID_A));
	assert_int_equal(storage_container_lock(f->s, ID_A, &e), -EWOULDBLOCK);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(storage_container_is_live(f->s, ID_A));
	fd = storage_container_lock(f->s, ID_A, &e);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(go[0]);
	(void)close(go[1]);
}

/* Killed while creating: not listed, and the listing clears it away; one that lives is left alone. */
static void test_unfinished(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	struct strv ids;
	int fd;

	assert_int_equal(mkdirat(storage_root_fd(f->s), "containers/+" ID_A, 0700), 0);
	fd = openat(storage_root_fd(f->s), "containers/+" ID_A, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(storage_container_list(f->s, &ids, &e), 0);
	assert_int_equal(ids.n, 0);
	assert_int_equal(count_entries(f, "containers"), 1);
	(void)close(fd);
	assert_int_equal(storage_container_list(f->s, &ids, &e), 0);
	assert_int_equal(count_entries(f, "containers"), 0);
	assert_true(storage_trash_pending(f->s));
}

/* Sixteen processes want the same name forty times: one wins each time, nothing stays behind. */
static void test_race(void **state)
{
	struct fixture *f = *state;
	pid_t pid[16];
	size_t wins = 0;

	for (unsigned int p = 0; p < 16; p++) {
		pid[p] = fork();
		if (pid[p] == 0) {
			int won = 0;

			for (unsigned int i = 0; i < 40; i++) {
				struct error e = ERROR_INIT;
				char id[65];
				int r;

				(void)snprintf(id, sizeof(id), "%064x", p * 1000 + i + 1);
				r = storage_container_create(f->s, id, "wanted", "{}", false, NULL,
							     &e);
				if (r == -EEXIST)
					continue;
				if (r < 0 || storage_container_remove(f->s, id, &e) < 0) {
					fprintf(stderr, "%s\n", e.msg);
					_exit(255);
				}
				won++;
			}
			_exit(won);
		}
	}
	for (unsigned int p = 0; p < 16; p++) {
		int status = 0;

		assert_int_equal(waitpid(pid[p], &status, 0), pid[p]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 40);
		wins += (size_t)WEXITSTATUS(status);
	}
	assert_true(wins > 0);
	assert_int_equal(count_entries(f, "names"), 0);
	assert_int_equal(count_entries(f, "containers"), 0);
	assert_int_equal(count_entries(f, "trash"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_names, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_stale_name, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_lock, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unfinished, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_race, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
