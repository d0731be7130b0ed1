/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a temporary directory and hand-made images for it. */
#ifndef TESTS_UNIT_STORAGE_FIXTURE_H
#define TESTS_UNIT_STORAGE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "storage/storage.h"

struct fixture {
	char dir[64];
	char root[80];
	struct storage *s;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error e = ERROR_INIT;

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/crt-test-storage.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->root, sizeof(f->root), "%s/store", f->dir);
	if (storage_open(f->root, true, &f->s, &e) < 0)
		fail_msg("%s", e.msg);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	_cleanup_fd_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	storage_free(f->s);
	(void)path_remove_tree(tmp, f->dir + strlen("/tmp/"), NULL);
	free(f);
	return 0;
}

/* "sha256:" and 64 times the digit. */
static inline const char *fake_digest(char digit, char ret[80])
{
	memcpy(ret, "sha256:", 7);
	memset(ret + 7, digit, 64);
	ret[71] = '\0';
	return ret;
}

static inline void put_at(int dir_fd, const char *path, const char *text)
{
	struct error e = ERROR_INIT;

	if (fd_write_file_at(dir_fd, path, text, strlen(text), 0600, false, &e) < 0)
		fail_msg("%s", e.msg);
}

/* layers/<digit...>/fs with one file "name" that holds text. */
static inline void put_layer(int txn_fd, char digit, const char *name, const char *text)
{
	char d[80], path[256];

	(void)fake_digest(digit, d);
	(void)snprintf(path, sizeof(path), "layers/%s", d + 7);
	assert_int_equal(mkdirat(txn_fd, path, 0700), 0);
	(void)snprintf(path, sizeof(path), "layers/%s/fs", d + 7);
	assert_int_equal(mkdirat(txn_fd, path, 0755), 0);
	(void)snprintf(path, sizeof(path), "layers/%s/fs/%s", d + 7, name);
	put_at(txn_fd, path, text);
	(void)snprintf(path, sizeof(path), "layers/%s/size", d + 7);
	put_at(txn_fd, path, "1000\n");
}

static inline void put_blob(int txn_fd, char digit, const char *text)
{
	char d[80], path[256];

	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", fake_digest(digit, d) + 7);
	put_at(txn_fd, path, text);
}

/* Manifest and config blobs of an image; layers is a string of digits, lowest first. */
static inline void put_image(int txn_fd, char manifest, char config, const char *layers)
{
	_cleanup_buf_ struct buf m = BUF_INIT;
	_cleanup_buf_ struct buf c = BUF_INIT;
	char d[80];

	(void)buf_printf(
		&m,
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":9,"
		"\"digest\":\"%s\"},\"layers\":[",
		fake_digest(config, d));
	(void)buf_printf(
		&c,
		"{\"created\":\"2020-01-0%cT00:00:00Z\",\"architecture\":\"amd64\",\"os\":\"linux\","
		"\"config\":{\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
		manifest >= '1' && manifest <= '9' ? manifest : '1');
	for (const char *l = layers; *l != '\0'; l++) {
		(void)buf_printf(&m, "%s{\"mediaType\":\"x\",\"size\":7,\"digest\":\"%s\"}",
				 l == layers ? "" : ",", fake_digest('f', d));
		(void)buf_printf(&c, "%s\"%s\"", l == layers ? "" : ",", fake_digest(*l, d));
	}
	(void)buf_puts(&m, "]}");
	(void)buf_puts(&c, "]}}");
	put_blob(txn_fd, manifest, buf_str(&m));
	put_blob(txn_fd, config, buf_str(&c));
}

static inline int commit_as(struct storage_txn *t, char manifest, const char *name, struct error *e)
{
	char d[80];
	char *copy = name != NULL ? strdup(name) : NULL;
	char *names[1] = { copy };
	int r = storage_txn_commit(t, fake_digest(manifest, d), names, name != NULL ? 1 : 0, e);

	free(copy);
	return r;
}

/* An image of one layer with one file. */
static inline void add_image(struct storage *s, char manifest, char config, char layer,
			     const char *name)
{
	char layers[2] = { layer, '\0' };
	struct error e = ERROR_INIT;
	struct storage_txn *t;
	char d[80];

	if (storage_txn_begin(s, &t, &e) < 0)
		fail_msg("%s", e.msg);
	put_image(storage_txn_fd(t), manifest, config, layers);
	if (!storage_has_layer(s, fake_digest(layer, d)))
		put_layer(storage_txn_fd(t), layer, "file", layers);
	if (commit_as(t, manifest, name, &e) < 0)
		fail_msg("%s", e.msg);
}

static inline bool store_has(const struct fixture *f, const char *path)
{
	return faccessat(storage_root_fd(f->s), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline size_t count_entries(const struct fixture *f, const char *path)
{
	int fd = openat(storage_root_fd(f->s), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *de;
	size_t n = 0;

	assert_non_null(d);
	while ((de = readdir(d)) != NULL)
		n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
	(void)closedir(d);
	return n;
}

#endif
