/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawing the progress of a pull.
 *
 * Theory of operation: on a terminal each layer has a line that is redrawn in
 * place (cursor up, erase, print). Elsewhere nothing is printed but notes (what
 * had to be left out or changed), so that scripts see only what the container
 * prints. All texts come from the fetcher, which read them from a registry, and
 * were escaped by storage.
 */
#include "cmd/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define SHOWN_DIGEST 12
#define BAR_WIDTH    30

void progress_init(struct progress *p, bool quiet)
{
	*p = (struct progress){ .quiet = quiet, .bars = isatty(STDERR_FILENO) == 1 };
}

void progress_fini(struct progress *p)
{
	free(p->layers);
	*p = (struct progress){ 0 };
}

static struct progress_layer *find_layer(struct progress *p, const char *digest)
{
	const char *hex = strchr(digest, ':');
	struct progress_layer *bigger;
	char shown[sizeof(bigger->digest)];

	hex = hex != NULL ? hex + 1 : digest;
	(void)snprintf(shown, sizeof(shown), "%.*s", SHOWN_DIGEST, hex);
	for (size_t i = 0; i < p->layers_n; i++)
		if (strcmp(p->layers[i].digest, shown) == 0)
			return &p->layers[i];
	bigger = realloc(p->layers, (p->layers_n + 1) * sizeof(*bigger));
	if (bigger == NULL)
		return NULL;
	p->layers = bigger;
	p->layers[p->layers_n] = (struct progress_layer){ .done = 0 };
	memcpy(p->layers[p->layers_n].digest, shown, sizeof(shown));
	return &p->layers[p->layers_n++];
}

static void put_size(struct buf *b, uint64_t bytes)
{
	if (bytes < 1000 * 1000)
		(void)buf_printf(b, "%.1fKB", (double)bytes / 1e3);
	else if (bytes < 1000 * 1000 * 1000)
		(void)buf_printf(b, "%.1fMB", (double)bytes / 1e6);
	else
		(void)buf_printf(b, "%.2fGB", (double)bytes / 1e9);
}

static void put_layer(struct buf *b, const struct progress_layer *l)
{
	static const char *const states[] = {
		[STORAGE_LAYER_WAITING] = "waiting",	   [STORAGE_LAYER_DOWNLOADING] = "",
		[STORAGE_LAYER_UNPACKING] = "unpacking",   [STORAGE_LAYER_DONE] = "done",
		[STORAGE_LAYER_EXISTS] = "exists already", [STORAGE_LAYER_UPLOADING] = "",
	};
	unsigned int filled = l->total > 0 && l->done <= l->total ?
				      (unsigned int)(l->done * BAR_WIDTH / l->total) :
				      0;

	(void)buf_printf(b, "%s ", l->digest);
	if (l->state == STORAGE_LAYER_DOWNLOADING || l->state == STORAGE_LAYER_UPLOADING) {
		(void)buf_putc(b, '[');
		for (unsigned int i = 0; i < BAR_WIDTH; i++)
			(void)buf_putc(b, i < filled ? '=' : i == filled ? '>' : '-');
		(void)buf_puts(b, "] ");
		put_size(b, l->done);
		(void)buf_puts(b, " / ");
		put_size(b, l->total);
	} else {
		(void)buf_puts(b, states[l->state]);
	}
}

static void redraw(struct progress *p)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct winsize ws = { .ws_row = 24 };
	size_t shown = p->layers_n;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 2 &&
	    shown > (size_t)ws.ws_row - 2)
		shown = (size_t)ws.ws_row - 2; /* what scrolled away cannot be redrawn */
	if (p->drawn > 0)
		(void)buf_printf(&b, "\033[%zuA", p->drawn);
	for (size_t i = 0; i < shown; i++) {
		(void)buf_puts(&b, "\r\033[K");
		put_layer(&b, &p->layers[i]);
		(void)buf_putc(&b, '\n');
	}
	p->drawn = shown;
	if (b.err == 0)
		(void)fd_write_all(STDERR_FILENO, b.data, b.len); /* a lost bar is no failure */
}

static void say(struct progress *p, const char *prefix, const char *text)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s%s\n", prefix, text);
	p->drawn = 0; /* the bars go on below this line */
	if (b.err == 0)
		(void)fd_write_all(STDERR_FILENO, b.data, b.len); /* as above */
}

void progress_event(void *data, const struct storage_fetch_event *event)
{
	struct progress *p = data;
	struct progress_layer *l;

	if (p->quiet)
		return;
	switch (event->kind) {
	case STORAGE_FETCH_RESOLVED:
		if (p->bars)
			say(p, "Trying to pull ", event->text);
		return;
	case STORAGE_FETCH_NOTE:
		say(p, "Note: ", event->text);
		return;
	case STORAGE_FETCH_LAYER:
	default:
		break;
	}
	if (!p->bars)
		return;
	l = find_layer(p, event->digest);
	if (l == NULL)
		return;
	l->done = event->done;
	l->total = event->total;
	l->state = (int)event->state;
	redraw(p);
}
