/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt unshare: a command as root of the caller's user namespace.
 *
 * Theory of operation: the child of userns_clone() has the map that containers
 * have and a mount namespace of its own, and becomes the command. With it the
 * caller can look at, change and delete what containers wrote as other users.
 * Nothing of an image is involved: the command is the host's, found by PATH, with
 * the caller's environment. Both processes share the terminal; keyboard signals
 * reach both, and only the command obeys them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/opt.h"
#include "cmd/verbs.h"
#include "userns/userns.h"

#define EXIT_CANNOT_EXEC 126
#define EXIT_NOT_FOUND	 127

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_unshare = {
	.name = "unshare",
	.run = cmd_unshare,
	.options = options,
	.usage = "[COMMAND [ARG...]]",
	.summary = "Run a command as root of the user namespace that containers have",
	.details = "Without COMMAND the shell in $SHELL is started.",
	.stops_at_operand = true,
};

static void set_signal(int sig, void (*handler)(int))
{
	const struct sigaction sa = { .sa_handler = handler };

	(void)sigaction(sig, &sa, NULL); /* valid signals: cannot fail */
}

/* execve() by PATH. Returns only on failure: the errno that tells most. */
static int exec_by_path(char *const *argv)
{
	const char *path = getenv("PATH");
	int err = ENOENT;

	if (strchr(argv[0], '/') != NULL) {
		(void)execve(argv[0], argv, environ);
		return errno;
	}
	if (path == NULL)
		path = "/usr/bin:/bin";
	for (;;) {
		size_t len = strcspn(path, ":");
		_cleanup_free_ char *file =
			str_printf("%.*s%s%s", (int)len, path, len > 0 ? "/" : "./", argv[0]);

		if (file == NULL)
			return ENOMEM;
		(void)execve(file, argv, environ);
		if (errno != ENOENT && errno != ENOTDIR)
			err = errno;
		if (path[len] == '\0')
			return err;
		path += len + 1;
	}
}

/* The child's part. */
static void become(struct userns_child *self, const struct userns_caps *caps, char *const *argv)
{
	struct error e = ERROR_INIT;
	int err;

	if (userns_map_wait(self, caps, &e) < 0) {
		log_error(&e);
		_exit(EXIT_CRT);
	}
	set_signal(SIGPIPE, SIG_DFL);
	set_signal(SIGXFSZ, SIG_DFL);
	err = exec_by_path(argv);
	(void)error_set(&e, -err, "%s", argv[0]);
	log_error(&e);
	_exit(err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC);
}

static int run(const struct userns_caps *caps, char *const *argv, struct error *e)
{
	struct userns_child child = { .pid = 0 };
	struct id_map map = { 0 };
	int r;

	r = userns_map_default(caps, &map, e);
	if (r < 0)
		return r;
	r = userns_clone(caps, &map, 0, true, &child, e);
	if (r < 0) {
		id_map_fini(&map);
		return r;
	}
	if (r == 0)
		become(&child, caps, argv);
	set_signal(SIGINT, SIG_IGN);
	set_signal(SIGQUIT, SIG_IGN);
	r = userns_map_finish(&child, caps, &map, e);
	if (r == 0) {
		r = proc_wait(child.pid);
		r = r < 0 ? error_set(e, r, "waiting for %s", argv[0]) : proc_status_code(r);
	}
	userns_child_fini(&child);
	id_map_fini(&map);
	return r;
}

int cmd_unshare(int argc, char **argv, const struct cmd_global *g)
{
	struct userns_caps caps = { .kind = USERNS_KIND_NONE };
	char fallback[] = "/bin/sh";
	char *shell = getenv("SHELL");
	char *only_shell[] = { shell != NULL && shell[0] == '/' ? shell : fallback, NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_unshare, argc, argv, NULL, &code);

	(void)g; /* no store is opened */
	if (first < 0)
		return code;
	code = userns_probe(&caps, &e);
	if (code == 0)
		code = run(&caps, first < argc ? argv + first : only_shell, &e);
	userns_caps_fini(&caps);
	if (code >= 0)
		return code;
	log_error(&e);
	return EXIT_CRT;
}
