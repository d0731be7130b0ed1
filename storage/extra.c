/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-only stores beside the user's own.
 *
 * Theory of operation
 *
 * A site keeps images once for all users of a machine or cluster: in our own format, or in that
 * of podman. They are named by the caller's environment and configuration or by the
 * administrator's, never by an image. Nothing in them is changed, locked or
 * created: readers of the list need no lock (index.c), and layers never change.
 *
 * Their owner can put anything into the containers that run from them, and is trusted with that
 * by who named the store; a directory that others than its owner may write is refused
 * with a warning, one that is not there is passed over (a file system of the
 * site may not be mounted). Documents are parsed with the same limits and distrust as
 * those of a registry. Files of layers belong to ids that the user's namespace often does
 * not have: rootfs.c then mounts by fuse-overlayfs.
 *
 * The stores are opened at the first image that the own store does not have, so that they
 * cost nothing to all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "storage/registry/toml.h"
#include "storage/store.h"

void extra_free(struct storage *s)
{
	for (size_t i = 0; i < s->extra_n; i++)
		storage_free(s->extra[i]);
	free(s->extra);
	s->extra = NULL;
	s->extra_n = 0;
}

static bool has_file(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, R_OK, 0) == 0;
}

/* 1 = opened, 0 = not there or not fit, -ENOMEM. */
static int open_one(const char *path, struct storage **ret)
{
	struct storage *x = calloc(1, sizeof(*x));
	struct stat st;

	if (x == NULL)
		return -ENOMEM;
	x->is_extra = x->extra_loaded = true;
	x->root = strdup(path);
	x->root_fd = x->root != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (x->root_fd < 0 || fstat(x->root_fd, &st) < 0) {
		if (x->root != NULL && errno != ENOENT)
			log_warning("image store %s: %s", path, error_strerror(errno));
		goto none;
	}
	if ((st.st_mode & 022) != 0) {
		log_warning(
			"image store %s is not used: others than its owner may write it (mode %04o)",
			path, (unsigned int)(st.st_mode & 07777));
		goto none;
	}
	x->is_podman = has_file(x->root_fd, "overlay-images/images.json");
	if (!x->is_podman && !has_file(x->root_fd, "oci/index.json")) {
		log_warning(
			"image store %s: there is neither oci/index.json nor overlay-images/images.json "
			"that you may read",
			path);
		goto none;
	}
	*ret = x;
	return 1;
none:
	storage_free(x);
	return 0;
}

static int add_path(struct storage *s, const char *path)
{
	struct storage **more, *x = NULL;
	int r;

	if (path[0] != '/' || strcmp(path, s->root) == 0)
		return 0;
	for (size_t i = 0; i < s->extra_n; i++)
		if (strcmp(s->extra[i]->root, path) == 0)
			return 0;
	r = open_one(path, &x);
	if (r <= 0)
		return r;
	more = reallocarray(s->extra, s->extra_n + 1, sizeof(*more));
	if (more == NULL) {
		storage_free(x);
		return -ENOMEM;
	}
	s->extra = more;
	s->extra[s->extra_n++] = x;
	return 0;
}

/* Paths separated by one of the characters; blanks around and lines with "#" do not count. */
static int add_paths(struct storage *s, const char *text, const char *separators)
{
	int r = 0;

	while (r == 0 && *text != '\0') {
		size_t len = strcspn(text, separators);
		size_t skip = strspn(text, " \t\r");
		_cleanup_free_ char *path = skip < len ? strndup(text + skip, len - skip) :
							 strdup("");

		if (path == NULL)
			return -ENOMEM;
		for (size_t n = strlen(path); n > 0 && strchr(" \t\r/", path[n - 1]) != NULL; n--)
			path[n - 1] = '\0';
		r = path[0] != '\0' && path[0] != '#' ? add_path(s, path) : 0;
		text += len + (text[len] != '\0');
	}
	return r;
}

/* Read a file of the machine's or user's configuration. NULL when there is none. */
static char *read_config(const char *dir, const char *name, size_t *ret_len)
{
	_cleanup_free_ char *path = dir != NULL ? str_printf("%s/%s", dir, name) : NULL;
	char *text = NULL;

	if (path == NULL ||
	    fd_read_file_at(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, ret_len, NULL) < 0)
		return NULL;
	return text;
}

static int add_list(struct storage *s, const char *dir)
{
	size_t len = 0;
	_cleanup_free_ char *text = read_config(dir, "crt/image-stores", &len);

	return text != NULL ? add_paths(s, text, "\n") : 0;
}

/* additionalimagestores of a storage.conf */
static int add_storage_conf(struct storage *s, const char *dir)
{
	size_t len = 0;
	_cleanup_free_ char *text = read_config(dir, "containers/storage.conf", &len);
	_cleanup_json_ json_t *doc = text != NULL ? toml_parse(text, len, "storage.conf", NULL) :
						    NULL;
	const json_t *list =
		json_object_get(json_object_get(json_object_get(doc, "storage"), "options"),
				"additionalimagestores");
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *path = json_string_value(json_array_get(list, i));

		r = path != NULL ? add_paths(s, path, "\n") : 0;
	}
	return r;
}

static int load(struct storage *s, struct error *e)
{
	const char *named = getenv("CRT_IMAGE_STORES"), *config = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	_cleanup_free_ char *user = NULL;
	int r = 0;

	if (s->extra_loaded)
		return 0;
	s->extra_loaded = true;
	if (config != NULL && config[0] == '/')
		user = strdup(config);
	else if (home != NULL && home[0] == '/')
		user = str_printf("%s/.config", home);
	if (named != NULL)
		r = add_paths(s, named, ":");
	if (r == 0)
		r = add_list(s, user);
	if (r == 0)
		r = add_list(s, CRT_SYSCONFDIR);
	if (r == 0)
		r = add_storage_conf(s, user);
	if (r == 0)
		r = add_storage_conf(s, "/etc");
	return r < 0 ? error_set(e, r, "image stores") : 0;
}

int extra_resolve(struct storage *s, const char *text, struct storage_image *ret, struct error *e)
{
	struct error why = ERROR_INIT;
	int r = load(s, &why);

	if (r == 0)
		r = STORAGE_MISSING;
	for (size_t i = 0; r == STORAGE_MISSING && i < s->extra_n; i++) {
		struct storage *x = s->extra[i];

		r = x->is_podman ? podman_resolve(x, text, ret, &why) :
				   image_resolve_in(x, text, ret, &why);
	}
	if (r == STORAGE_FOUND)
		ret->is_readonly = true;
	else if (r < 0 && e != NULL)
		*e = why;
	return r;
}

int extra_list(struct storage *s, struct storage_image **list, size_t *n, size_t *cap,
	       struct error *e)
{
	int r = load(s, e);

	for (size_t i = 0; r == 0 && i < s->extra_n; i++) {
		struct storage *x = s->extra[i];
		struct storage_image *images = NULL;
		size_t k = 0;

		if (x->is_podman) {
			r = podman_list(x, list, n, cap, e);
			continue;
		}
		r = storage_image_list(x, &images, &k, e);
		for (size_t j = 0; r == 0 && j < k; j++) {
			r = image_list_grow(list, cap, *n);
			if (r == 0) {
				(*list)[(*n)++] = images[j];
				images[j] = (struct storage_image){ .name = NULL };
			}
		}
		storage_images_free(images, k);
	}
	return r;
}
