/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of images: the list of what is in them, and the plan of each. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "storage/registry/ingest.h"
#include "tests/fuzz/fuzz.h"

#define IMAGES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *request = json_pack("{s:s}", "source", "archive");
	_cleanup_json_ json_t *list = NULL;
	_cleanup_fd_ int fd = memfd_create("archive", MFD_CLOEXEC);
	struct fetch_ctx c = { .control_fd = -1,
			       .txn_fd = -1,
			       .source_fd = fd,
			       .wake_fd = -1,
			       .request = request,
			       .last_sent_ms = INT64_MAX / 2 };
	struct source s;
	bool docker = false;

	MUST(fd >= 0 && request != NULL && fd_write_all(fd, data, size) == 0);
	MUST(platform_parse("linux/amd64", &c.platform, NULL) == 0);
	if (source_local_open(&c, &s, NULL) < 0)
		return 0;
	if (source_local_images(&s, &c, &list, &docker, NULL) == 0) {
		for (size_t i = 0; i < json_array_size(list) && i < IMAGES; i++) {
			struct ingest_plan p = { .layers = NULL };

			source_local_choose(&s, i);
			if (s.plan(s.data, &c, &p, NULL) == 0) {
				MUST(digest_valid(p.config_digest));
				MUST(p.layers_n <= LIMIT_LAYERS);
				for (size_t k = 0; k < p.layers_n; k++)
					MUST(digest_valid(p.layers[k].l.diff_id));
			}
			ingest_plan_fini(&p);
		}
	}
	s.free(s.data);
	return 0;
}
