/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt version.
 *
 * Theory of operation: prints constants of the build, the kernel's release and
 * which libslirp crt-net is linked with, which crt itself is not: so crt-net is
 * asked. libslirp handles what containers send, and its defects are known by
 * version; a distribution may have mended an older one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "net/net.h"

#define SLIRP_TEXT_MAX 64

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_version = {
	.name = "version",
	.run = cmd_version,
	.options = options,
	.usage = "",
	.summary = "Show the version",
};

/* What crt-net says; an empty buffer when it cannot be asked. */
static void slirp_version(struct buf *ret)
{
	_cleanup_free_ char *path = NULL;
	int pipe_fds[2], pid_fd = -1;
	pid_t pid;

	if (proc_find_helper("crt-net", &path, NULL) < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return;
	{
		char *argv[] = { path, (char[]){ "--version" }, NULL };
		const struct proc_fd_map fds[] = { { pipe_fds[1], STDOUT_FILENO } };
		const struct proc_spawn spawn = {
			.path = path,
			.path_fd = -1,
			.argv = argv,
			.fds = fds,
			.fds_n = 1,
			.die_with_parent = true,
		};
		int r = proc_spawn(&spawn, &pid, &pid_fd, NULL);

		close_fd(&pipe_fds[1]);
		if (r == 0) {
			/* too much of it is none */
			if (fd_read_to_end(pipe_fds[0], ret, SLIRP_TEXT_MAX) < 0)
				buf_reset(ret);
			(void)proc_wait(pid); /* what it said counts */
			close_fd(&pid_fd);
		}
	}
	close_fd(&pipe_fds[0]);
}

int cmd_version(int argc, char **argv, const struct cmd_global *g)
{
	_cleanup_buf_ struct buf b = BUF_INIT, slirp = BUF_INIT;
	struct error e = ERROR_INIT;
	struct utsname u;
	int code;
	int first = opt_parse(&cmd_verb_version, argc, argv, NULL, &code);

	(void)g; /* the version is the same everywhere */
	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&cmd_verb_version, "crt version takes no arguments");
	/* out_write() sees a failure */
	(void)buf_printf(&b, "Version:      %s\n", CRT_VERSION);
	if (uname(&u) == 0)
		(void)buf_printf(&b, "Kernel:       %s %s\nArchitecture: %s\n", u.sysname,
				 u.release, u.machine);
	slirp_version(&slirp);
	if (slirp.len > 1 && slirp.data[slirp.len - 1] == '\n') {
		const char *advice;

		slirp.data[--slirp.len] = '\0';
		advice = net_slirp_advice(slirp.data);
		(void)buf_printf(&b, "libslirp:     %s", slirp.data);
		if (advice != NULL)
			(void)buf_printf(&b, " (%s)", advice);
		(void)buf_putc(&b, '\n');
	}
	if (out_write(&b, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
