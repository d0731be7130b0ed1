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
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/info.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/template.h"
#include "cmd/verbs.h"
#include "net/net.h"

#define SLIRP_TEXT_MAX 64

struct options {
	const char *format;
};

static const struct option_spec options[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "json, or a template such as \"{{.Client.Version}}\"", .complete = "json" },
	OPTION_END
};

const struct cmd_verb cmd_verb_version = {
	.name = "version",
	.run = cmd_version,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Show the version",
};

void version_slirp(struct buf *ret)
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
	if (ret->len > 0 && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = '\0';
}

json_t *version_json(void)
{
	struct utsname u = { .sysname = "" };
	_cleanup_free_ char *arch = NULL;

	(void)uname(&u); /* cannot fail */
	arch = str_printf("linux/%s", strcmp(u.machine, "x86_64") == 0	? "amd64" :
				      strcmp(u.machine, "aarch64") == 0 ? "arm64" :
									  u.machine);
	return json_pack("{s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s}", "APIVersion", CRT_VERSION, "Built", 0,
			 "BuiltTime", "", "GitCommit", "", "GoVersion", "", "Os", "linux", "OsArch",
			 arch, "Version", CRT_VERSION);
}

static int print_formatted(const char *format, struct error *e)
{
	_cleanup_json_ json_t *tree = json_pack("{s:o}", "Client", version_json()), *fields = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int r = 0;

	/* both {{.Client.Version}} and {{.Version}} are in use */
	fields = version_json();
	if (tree == NULL || fields == NULL || json_object_update(fields, tree) < 0)
		return error_set(e, -ENOMEM, "making the output");
	if (strcmp(format, "json") == 0) {
		text = json_to_pretty(tree);
		if (text == NULL)
			return error_set(e, -ENOMEM, "making the output");
		(void)buf_puts(&b, text); /* out_write() sees a failure */
	} else {
		r = template_run(format, fields, tree, isatty(STDOUT_FILENO) == 1, &b, e);
		(void)buf_putc(&b, '\n');
	}
	return r < 0 ? r : out_write(&b, e);
}

int cmd_version(int argc, char **argv, const struct cmd_global *g)
{
	_cleanup_buf_ struct buf b = BUF_INIT, slirp = BUF_INIT;
	struct options o = { .format = NULL };
	struct error e = ERROR_INIT;
	struct utsname u;
	int code;
	int first = opt_parse(&cmd_verb_version, argc, argv, &o, &code);

	(void)g; /* the version is the same everywhere */
	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&cmd_verb_version, "crt version takes no arguments");
	if (o.format != NULL) {
		if (print_formatted(o.format, &e) == 0)
			return 0;
		log_error(&e);
		return EXIT_CRT;
	}
	/* out_write() sees a failure */
	(void)buf_printf(&b, "Version:      %s\n", CRT_VERSION);
	if (uname(&u) == 0)
		(void)buf_printf(&b, "Kernel:       %s %s\nArchitecture: %s\n", u.sysname,
				 u.release, u.machine);
	version_slirp(&slirp);
	if (slirp.len > 0) {
		const char *advice = net_slirp_advice(buf_str(&slirp));

		(void)buf_printf(&b, "libslirp:     %s", buf_str(&slirp));
		if (advice != NULL)
			(void)buf_printf(&b, " (%s)", advice);
		(void)buf_putc(&b, '\n');
	}
	if (out_write(&b, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
