/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch-run: take one image into a store, for tests and measurements.
 *
 * usage: fetch-run [--root DIR] [--platform P] [--authfile F] [--creds U:P] [--tls-verify 0|1] [--single] REFERENCE
 *
 * Prints one line per event on stderr and the digest on stdout.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "storage/storage.h"
#include "userns/userns.h"

static void on_event(void *data, const struct storage_fetch_event *event)
{
	const bool *quiet = data;

	if (*quiet)
		return;
	if (event->kind == STORAGE_FETCH_LAYER)
		(void)fprintf(stderr, "layer %.19s state %d %llu/%llu\n", event->digest,
			      (int)event->state, (unsigned long long)event->done,
			      (unsigned long long)event->total);
	else
		(void)fprintf(stderr, "%s: %s\n",
			      event->kind == STORAGE_FETCH_NOTE ? "note" : "resolved", event->text);
}

static int fetch(struct storage *s, const struct storage_fetch_request *r,
		 const struct userns_caps *caps, bool quiet, struct error *e)
{
	struct userns_child child = { .pid = 0 };
	struct storage_fetch *f = NULL;
	struct id_map map = { 0 };
	char *digest = NULL;
	int res;

	res = userns_map_default(caps, &map, e);
	if (res == 0)
		res = storage_fetch_begin(s, r, &f, e);
	if (res == 0)
		res = userns_clone(caps, &map, 0, true, &child, e);
	if (res < 0)
		goto out;
	if (res == 0) {
		if (userns_map_wait(&child, caps, e) == 0)
			(void)storage_fetch_exec(f, e); /* returns only when it failed */
		storage_fetch_child_failed(f, e);
		_exit(1);
	}
	res = userns_map_finish(&child, caps, &map, e);
	if (res == 0) {
		res = storage_fetch_finish(f, on_event, &quiet, &digest, e);
		if (res < 0)
			proc_kill(child.pid, child.pid_fd);
		else if (proc_wait(child.pid) >= 0)
			(void)printf("%s\n", digest);
	}
	userns_child_fini(&child);
out:
	free(digest);
	storage_fetch_free(f);
	id_map_fini(&map);
	return res;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "platform", required_argument, NULL, 'p' },
		{ "authfile", required_argument, NULL, 'a' },
		{ "creds", required_argument, NULL, 'c' },
		{ "tls-verify", required_argument, NULL, 't' },
		{ "single", no_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	struct storage_fetch_request r = { .tls_verify = -1 };
	struct storage_ref ref = { 0 };
	struct userns_caps caps = { 0 };
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	const char *root = NULL;
	bool single = false, quiet = false;
	int c, res;

	while ((c = getopt_long(argc, argv, "q", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			root = optarg;
			break;
		case 'p':
			r.platform = optarg;
			break;
		case 'a':
			r.authfile = optarg;
			break;
		case 'c':
			r.creds = optarg;
			break;
		case 't':
			r.tls_verify = optarg[0] == '1';
			break;
		case 's':
			single = true;
			break;
		case 'q':
			quiet = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc) {
		(void)fprintf(stderr, "usage: fetch-run [options] REFERENCE\n");
		return 2;
	}
	res = storage_ref_parse(argv[optind], &ref, &e);
	if (res == 0)
		res = userns_probe(&caps, &e);
	if (res == 0) {
		if (single)
			caps.kind = USERNS_KIND_SINGLE;
		r.ref = &ref;
		r.keep_ids = caps.kind != USERNS_KIND_SINGLE;
		res = storage_open(root, true, &s, &e);
	}
	if (res == 0)
		res = fetch(s, &r, &caps, quiet, &e);
	if (res < 0)
		(void)fprintf(stderr, "fetch-run: %s\n", e.msg);
	storage_free(s);
	userns_caps_fini(&caps);
	storage_ref_fini(&ref);
	return res < 0 ? 125 : 0;
}
