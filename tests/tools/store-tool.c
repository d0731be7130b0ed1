/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store-tool: the store's operations one by one, for the hard tests.
 *
 *   store-tool ROOT ingest NAME DIGIT KIB   commit an image of two layers (one shared) with KIB of data
 *   store-tool ROOT rmi NAME                remove it
 *   store-tool ROOT create ID NAME | rm ID  a container
 *   store-tool ROOT check                   print the images; fail if one is incomplete or anything is left
 *   store-tool ROOT fsck [quick|repair|force]   storage_check(); print the findings
 *   store-tool ROOT empty                   empty the trash
 *   store-tool ROOT hot NAME N              time N times what crt run asks of the store, without the mount
 *
 * Theory of operation
 *
 * The digests are made up (the store does not compute them), so an image is a
 * function of one digit, and the check can tell what each file must hold.
 * Results: exit status 0, or 1 with one line on stderr. Hostile input: none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "storage/storage.h"

static void digest_of(char a, char b, char ret[80])
{
	memcpy(ret, "sha256:", 7);
	memset(ret + 7, a, 64);
	ret[70] = b;
	ret[71] = '\0';
}

static int put(int dir_fd, const char *path, const char *text, struct error *e)
{
	return fd_write_file_at(dir_fd, path, text, strlen(text), 0600, false, e);
}

static int put_blob(int dir_fd, const char *digest, const char *text, struct error *e)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", digest + 7);
	return put(dir_fd, path, text, e);
}

static int put_layer(int dir_fd, const char *diff_id, unsigned long long kib, struct error *e)
{
	char path[200];
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)snprintf(path, sizeof(path), "layers/%s", diff_id + 7);
	if (mkdirat(dir_fd, path, 0700) < 0)
		return error_set(e, -errno, "%s", path);
	(void)snprintf(path, sizeof(path), "layers/%s/fs", diff_id + 7);
	if (mkdirat(dir_fd, path, 0755) < 0)
		return error_set(e, -errno, "%s", path);
	for (unsigned long long i = 0; i < kib; i++)
		(void)buf_printf(&b, "%-1023llu\n", i);
	(void)buf_printf(&b, "%s", diff_id);
	(void)snprintf(path, sizeof(path), "layers/%s/fs/data", diff_id + 7);
	return b.err < 0 ? b.err : put(dir_fd, path, buf_str(&b), e);
}

/* Blobs and layers of the image of this digit. */
static int fill(struct storage *s, int dir_fd, char digit, unsigned long long kib, struct error *e)
{
	char config[80], layer[2][80], manifest[80];
	_cleanup_buf_ struct buf m = BUF_INIT;
	_cleanup_buf_ struct buf c = BUF_INIT;
	int r = 0;

	digest_of(digit, '1', manifest);
	digest_of(digit, '2', config);
	digest_of('0', '3', layer[0]); /* shared by all */
	digest_of(digit, '3', layer[1]);
	(void)buf_printf(&m,
			 "{\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"%s\"},"
			 "{\"digest\":\"%s\"}]}",
			 config, layer[0], layer[1]);
	(void)buf_printf(&c, "{\"rootfs\":{\"diff_ids\":[\"%s\",\"%s\"]}}", layer[0], layer[1]);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		if (!storage_has_layer(s, layer[i]))
			r = put_layer(dir_fd, layer[i], i == 0 ? 1 : kib, e);
	}
	if (r == 0)
		r = put_blob(dir_fd, config, buf_str(&c), e);
	return r == 0 ? put_blob(dir_fd, manifest, buf_str(&m), e) : r;
}

static int ingest(struct storage *s, char *name, char digit, const char *kib_text, struct error *e)
{
	struct storage_txn *t;
	char manifest[80];
	unsigned long long kib;
	int r;

	if (str_to_u64(kib_text, 1u << 20, &kib) < 0)
		return error_setf(e, -EINVAL, "KIB is a number");
	r = storage_txn_begin(s, &t, e);
	if (r < 0)
		return r;
	r = fill(s, storage_txn_fd(t), digit, kib, e);
	if (r < 0) {
		storage_txn_abort(t);
		return r;
	}
	digest_of(digit, '1', manifest);
	return storage_txn_commit(t, manifest, &name, 1, e);
}

/* Every layer's file ends with the layer's name: nothing is cut off. */
static int check_layer(const char *path, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	const char *hex = strstr(path, "/layers/");
	size_t len = 0;
	int r;

	if (fd < 0)
		return error_set(e, -errno, "%s", path);
	r = fd_read_file_at(fd, "data", 1u << 30, &text, &len, e);
	if (r < 0)
		return error_prefix(e, "%s", path);
	if (hex == NULL || len < 64 || strncmp(text + len - 64, hex + strlen("/layers/"), 64) != 0)
		return error_setf(e, -EBADMSG, "%s is incomplete", path);
	return 0;
}

static int check(struct storage *s, struct error *e)
{
	struct storage_image *images;
	struct strv ids;
	size_t n;
	int r = storage_image_list(s, &images, &n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		printf("%s\n", images[i].name != NULL ? images[i].name : images[i].id);
		for (size_t k = 0; r == 0 && k < images[i].layers.n; k++)
			r = check_layer(images[i].layers.v[k], e);
	}
	storage_images_free(images, n);
	if (r == 0)
		r = storage_container_list(s, &ids, e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_free_ char *record = NULL;

		printf("container %s\n", ids.v[i]);
		r = storage_container_record(s, ids.v[i], &record, e);
	}
	strv_fini(&ids);
	if (r == 0 && storage_root_fd(s) >= 0) {
		struct stat st;

		storage_trash_empty(s);
		if (storage_trash_pending(s))
			return error_setf(e, -EBUSY, "the trash cannot be emptied");
		if (fstatat(storage_root_fd(s), "tmp", &st, 0) == 0 && st.st_nlink > 2)
			return error_setf(e, -EBUSY, "a transaction is left in tmp");
	}
	return r;
}

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int hot(const char *root, const char *name, const char *rounds, struct error *e)
{
	unsigned long long n;
	double best = 1e9, sum = 0, removal = 0;

	if (str_to_u64(rounds, 100000, &n) < 0 || n == 0)
		return error_setf(e, -EINVAL, "N is a number");
	for (unsigned long long i = 0; i < n; i++) {
		double start = now_us(), t;
		struct storage_image img;
		struct storage *s;
		char id[ID_LEN + 1], why[200];
		int lock;
		int r = storage_open(root, true, &s, e);

		if (r == 0)
			r = storage_image_resolve(s, name, &img, e);
		if (r != STORAGE_FOUND)
			return r < 0 ? r : -ENOENT;
		r = id_generate(id);
		if (r == 0)
			r = storage_container_create(s, id, id, "{\"imageId\":\"x\"}", false, NULL,
						     e);
		lock = r == 0 ? storage_container_lock(s, id, e) : -1;
		(void)storage_driver_cached(s, why, sizeof(why)); /* the cost is what matters */
		t = now_us() - start;
		best = t < best ? t : best;
		sum += t;
		start = now_us();
		if (r == 0)
			r = storage_container_remove(s, id, e);
		removal += now_us() - start;
		close_fd(&lock);
		storage_image_fini(&img);
		storage_free(s);
		if (r < 0)
			return r;
	}
	printf("open+resolve+create+lock+driver: min %.0f us, mean %.0f us; remove: mean %.0f us\n",
	       best, sum / (double)n, removal / (double)n);
	return 0;
}

static void print_finding(void *data, const struct storage_finding *f)
{
	static const char *const kinds[] = { "list",	  "image",  "blob",    "layer",
					     "container", "volume", "leftover" };

	(void)data;
	printf("%s%s: %s: %s\n", kinds[f->kind], f->repaired ? " (repaired)" : "", f->object,
	       f->text);
	(void)fflush(stdout); /* tests wait for it */
}

static int run(int argc, char **argv, struct storage *s, struct error *e)
{
	const char *verb = argv[2];
	struct strv untagged = { .v = NULL }, deleted = { .v = NULL };
	int r;

	if (strcmp(verb, "ingest") == 0 && argc == 6)
		return ingest(s, argv[3], argv[4][0], argv[5], e);
	if (strcmp(verb, "rmi") == 0 && argc == 4) {
		r = storage_image_remove(s, argv[3], STORAGE_REMOVE_FORCE, &untagged, &deleted, e);
		strv_fini(&untagged);
		strv_fini(&deleted);
		return r;
	}
	if (strcmp(verb, "create") == 0 && argc == 5)
		return storage_container_create(s, argv[3], argv[4], "{\"state\":\"new\"}", true,
						NULL, e);
	if (strcmp(verb, "rm") == 0 && argc == 4)
		return storage_container_remove(s, argv[3], e);
	if (strcmp(verb, "check") == 0 && argc == 3)
		return check(s, e);
	if (strcmp(verb, "fsck") == 0 && (argc == 3 || argc == 4))
		return storage_check(s,
				     argc == 3			    ? 0 :
				     strcmp(argv[3], "repair") == 0 ? STORAGE_CHECK_REPAIR :
				     strcmp(argv[3], "force") == 0  ? STORAGE_CHECK_REPAIR |
									     STORAGE_CHECK_FORCE :
								     STORAGE_CHECK_QUICK,
				     print_finding, NULL, e);
	if (strcmp(verb, "empty") == 0 && argc == 3) {
		storage_trash_empty(s);
		return 0;
	}
	if (strcmp(verb, "hot") == 0 && argc == 5)
		return hot(argv[1], argv[3], argv[4], e);
	return error_setf(e, -EINVAL, "see the head of store-tool.c for the verbs");
}

int main(int argc, char **argv)
{
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int r;

	if (argc < 3) {
		fprintf(stderr, "usage: store-tool ROOT VERB ...\n");
		return 1;
	}
	r = storage_open(argv[1], true, &s, &e);
	if (r == 0)
		r = run(argc, argv, s, &e);
	storage_free(s);
	if (r < 0)
		fprintf(stderr, "store-tool: %s\n", e.msg);
	return r < 0 ? 1 : 0;
}
