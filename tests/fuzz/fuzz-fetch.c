/* SPDX-License-Identifier: Apache-2.0 */
/* What crt-fetch, which reads hostile bytes, says to crt: one message a line. The reader is private to its file. */
#include <sys/socket.h>

#include "storage/fetch.c"
#include "storage/store.h"
#include "tests/fuzz/fuzz.h"

static void on_event(void *data, const struct storage_fetch_event *event)
{
	(void)data;
	if (event->kind == STORAGE_FETCH_LAYER) {
		MUST(storage_digest_valid(event->digest));
		return;
	}
	MUST(event->text != NULL);
	for (const char *p = event->text; *p != '\0'; p++)
		MUST((unsigned char)*p >= ' ' && *p != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char root[] = "/nonexistent", name[] = "docker.io/library/x:latest", *names[] = { name };
	struct storage s = { .root = root, .root_fd = -1 };
	struct storage_fetch f = {
		.s = &s, .names = { .v = names, .n = 1 }, .source_fd = -1, .helper_fd = -1
	};
	struct outcome o = { .done = false };
	int sock[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) == 0);
	f.control_fd = sock[0];
	while (size > 0 && !o.done) {
		const uint8_t *nl = memchr(data, '\n', size);
		size_t len = nl != NULL ? (size_t)(nl - data) : size;
		struct error e = ERROR_INIT;
		char answers[256];
		int r;

		r = handle(&f, (const char *)data, len, on_event, NULL, &o, &e);
		fuzz_check_result(r, &e);
		while (recv(sock[1], answers, sizeof(answers), MSG_DONTWAIT) > 0)
			;
		if (o.done)
			MUST(storage_digest_valid(o.digest) && o.candidate == 0);
		len += nl != NULL;
		data += len;
		size -= len;
	}
	MUST(close(sock[0]) == 0 && close(sock[1]) == 0);
	return 0;
}
