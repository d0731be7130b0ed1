/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking an image into the store.
 *
 * Theory of operation: storage_fetch_begin() reads the caller's configuration
 * (trusted) and opens a transaction. The fetcher runs in a child in a user and
 * mount namespace of its own, with the map that containers will have, so that
 * files get the owners the image names; it becomes crt-fetch, which cages
 * itself before the first foreign byte. This process only reads progress,
 * draws it, and commits. A crash at any point leaves a transaction directory
 * whose lock is free: the next command throws it away.
 */
#include "cmd/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "cmd/events.h"
#include "cmd/progress.h"
#include "userns/userns.h"

/* In the child: map, become crt-fetch. Never returns. */
static void fetcher(struct storage_fetch *f, struct userns_child *self,
		    const struct userns_caps *caps)
{
	struct error e = ERROR_INIT;

	if (userns_map_wait(self, caps, &e) == 0)
		(void)storage_fetch_exec(f, &e); /* returns only when it failed */
	storage_fetch_child_failed(f, &e);
	_exit(1);
}

static int run_fetcher(struct storage_fetch *f, const struct userns_caps *caps,
		       const struct id_map *map, bool quiet, char **ret_ref, struct error *e)
{
	struct userns_child child = { .pid = 0 };
	struct progress progress;
	int r;

	r = userns_clone(caps, map, 0, true, &child, e);
	if (r < 0)
		return r;
	if (r == 0)
		fetcher(f, &child, caps);
	r = userns_map_finish(&child, caps, map, e);
	if (r == 0) {
		progress_init(&progress, quiet);
		r = storage_fetch_finish(f, progress_event, &progress, ret_ref, e);
		progress_fini(&progress);
		if (r < 0)
			proc_kill(child.pid, child.pid_fd);
		else
			(void)proc_wait(
				child.pid); /* its result was already told over the socket */
	}
	userns_child_fini(&child);
	return r;
}

static void note_pull(struct storage *s, const char *ref)
{
	struct storage_image image = { 0 };

	if (storage_image_resolve(s, ref, &image, NULL) != STORAGE_FOUND)
		return;
	events_object(s, "image", "pull", image.id, ref);
	storage_image_fini(&image);
}

int cmd_fetch_run(struct storage_fetch *f, bool quiet, char **ret, struct error *e)
{
	struct userns_caps caps = { 0 };
	struct id_map map = { 0 };
	int r;

	r = userns_probe(&caps, e);
	if (r == 0)
		r = userns_map_default(&caps, &map, e);
	if (r == 0)
		r = run_fetcher(f, &caps, &map, quiet, ret, e);
	id_map_fini(&map);
	userns_caps_fini(&caps);
	return r;
}

struct storage_fetch_request cmd_fetch_request(const struct cmd_fetch_options *o,
					       const struct storage_ref *ref)
{
	return (struct storage_fetch_request){
		.ref = ref,
		.platform = o->platform,
		.tls_verify = o->tls_verify,
		.authfile = o->authfile,
		.creds = o->creds,
		.policy = o->policy,
		.retries_given = o->retries_given,
		.retries = o->retries,
		.retry_delay_ms = o->retry_delay_ms,
		.store_as = o->store_as,
	};
}

int cmd_fetch_image(struct storage *s, const char *reftext, const struct cmd_fetch_options *o,
		    bool quiet, char **ret_ref, struct error *e)
{
	struct storage_ref ref = { 0 };
	struct userns_caps caps = { 0 };
	struct id_map map = { 0 };
	struct storage_fetch *f = NULL;
	int r;

	r = storage_ref_parse(reftext, &ref, e);
	if (r == 0)
		r = userns_probe(&caps, e);
	if (r == 0)
		r = userns_map_default(&caps, &map, e);
	if (r == 0) {
		struct storage_fetch_request request = cmd_fetch_request(o, &ref);

		request.keep_ids = caps.kind != USERNS_KIND_SINGLE;
		r = storage_fetch_begin(s, &request, &f, e);
	}
	if (r == 0)
		r = run_fetcher(f, &caps, &map, quiet, ret_ref, e);
	if (r >= 0)
		note_pull(s, *ret_ref);
	if (r < 0 && ref.path != NULL && strstr(e->msg, ref.path) == NULL)
		(void)error_prefix(e, "%s", reftext);
	storage_fetch_free(f);
	id_map_fini(&map);
	userns_caps_fini(&caps);
	storage_ref_fini(&ref);
	return r;
}
