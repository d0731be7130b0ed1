/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacked layers: layers/<hex of the uncompressed digest>/fs.
 *
 * Theory of operation
 *
 * A layer is a directory that was renamed into place after its data had been
 * synced, and never changes afterwards; it is shared by all images that name
 * it. The wrapper directory belongs to the caller, what is below fs/ may
 * belong to subordinate ids and is hostile: it is only ever handed to a mount.
 * fs/ must be a real directory: were it a link, an overlay would show the
 * host's files as a layer.
 */
#include "storage/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"

bool layer_exists_at(int dir_fd, const char *diff_id)
{
	const char *hex = blob_hex(diff_id);
	char path[STORE_PATH_MAX];
	struct stat st;

	if (hex == NULL || store_rel(path, "layers/%s", hex) < 0 ||
	    fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return false;
	return store_rel(path, "layers/%s/fs", hex) == 0 &&
	       fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

bool storage_has_layer(struct storage *s, const char *diff_id)
{
	return s->root_fd >= 0 && layer_exists_at(s->root_fd, diff_id);
}

uint64_t layer_size_exact_at(int dir_fd, const char *diff_id, bool *ret_exact)
{
	const char *hex = blob_hex(diff_id);
	_cleanup_free_ char *text = NULL;
	char path[STORE_PATH_MAX];
	unsigned long long n = 0;
	size_t len;

	*ret_exact = false;
	if (hex == NULL || store_rel(path, "layers/%s/size", hex) < 0 ||
	    fd_read_file_at(dir_fd, path, 64, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	len = strcspn(text, " ");
	*ret_exact = strcmp(text + len, " exact") == 0;
	text[len] = '\0';
	return str_to_u64(text, UINT64_MAX, &n) == 0 ? n : 0;
}

uint64_t layer_size_at(int dir_fd, const char *diff_id)
{
	bool exact;

	return layer_size_exact_at(dir_fd, diff_id, &exact);
}

uint64_t storage_layer_size(struct storage *s, const char *diff_id)
{
	return s->root_fd < 0 ? 0 : layer_size_at(s->root_fd, diff_id);
}
