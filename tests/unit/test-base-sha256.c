/* SPDX-License-Identifier: Apache-2.0 */
/* base/sha256: published vectors, every way of cutting the input, files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sha256.h"

static void test_vectors(void **state)
{
	static const struct {
		const char *text, *digest;
	} v[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	struct sha256 h;
	char got[SHA256_HEX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		sha256_init(&h);
		sha256_add(&h, v[i].text, strlen(v[i].text));
		sha256_end(&h, got);
		assert_string_equal(got, v[i].digest);
	}
	sha256_init(&h);
	for (size_t i = 0; i < 1000000; i++)
		sha256_add(&h, "a", 1);
	sha256_end(&h, got);
	assert_string_equal(got,
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* However a text is cut, the digest is that of the text. */
static void test_cuts(void **state)
{
	static unsigned char data[1024];
	char want[SHA256_HEX + 1], got[SHA256_HEX + 1];
	struct sha256 h;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 131 + i / 7);
	for (size_t len = 0; len <= sizeof(data); len += 37) {
		sha256_init(&h);
		for (size_t i = 0; i < len; i++)
			sha256_add(&h, data + i, 1);
		sha256_end(&h, want);
		for (size_t step = 3; step < 300; step += 61) {
			sha256_init(&h);
			for (size_t at = 0; at < len; at += step)
				sha256_add(&h, data + at, len - at < step ? len - at : step);
			sha256_end(&h, got);
			assert_string_equal(got, want);
		}
	}
}

static void test_file(void **state)
{
	int fd = memfd_create("sha256", MFD_CLOEXEC);
	char got[SHA256_HEX + 1];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(sha256_file(fd, got), 0);
	assert_string_equal(got,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	(void)close(fd);
	assert_true(sha256_file(fd, got) < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
