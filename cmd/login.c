/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt login, crt logout.
 *
 * Theory of operation: the password is asked at the terminal or read from
 * standard input, tried at the registry by crt-fetch (in its cage, over the
 * socket that has no name), and only when the registry lets it in written to
 * the auth file (storage/registry/authfile.c). It is in no argument and no
 * environment of any process, and this process cannot be dumped meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/fetch.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/prompt.h"
#include "cmd/verbs.h"

#define SECRET_MAX	 (64u << 10)
#define DEFAULT_REGISTRY "docker.io"

struct options {
	const char *authfile, *user, *password;
	int tls_verify;
	bool get_login, password_stdin, all, verbose;
};

static const struct option_spec login_options[] = {
	{ "authfile", 0, OPT_STRING, offsetof(struct options, authfile), .arg = "FILE",
	  .help = "File to keep the credentials in", .complete = "file" },
	{ "get-login", 0, OPT_FLAG, offsetof(struct options, get_login),
	  .help = "Print the user name that is logged in" },
	{ "password", 'p', OPT_STRING, offsetof(struct options, password), .arg = "PASSWORD",
	  .help = "Password (visible to other users: prefer --password-stdin)" },
	{ "password-stdin", 0, OPT_FLAG, offsetof(struct options, password_stdin),
	  .help = "Read the password from standard input" },
	{ "tls-verify", 0, OPT_TRISTATE, offsetof(struct options, tls_verify),
	  .help = "Require HTTPS and a valid certificate (default true)" },
	{ "username", 'u', OPT_STRING, offsetof(struct options, user), .arg = "NAME",
	  .help = "User name" },
	{ "verbose", 'v', OPT_FLAG, offsetof(struct options, verbose),
	  .help = "Accepted for scripts" },
	OPTION_END
};

const struct cmd_verb cmd_verb_login = {
	.name = "login",
	.run = cmd_login,
	.options = login_options,
	.usage = "[OPTIONS] [REGISTRY]",
	.summary = "Keep a password for a registry",
	.details = "REGISTRY is HOST[:PORT], docker.io by default.",
};

static const struct option_spec logout_options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all), .help = "Of all registries" },
	{ "authfile", 0, OPT_STRING, offsetof(struct options, authfile), .arg = "FILE",
	  .help = "File that has the credentials", .complete = "file" },
	OPTION_END
};

const struct cmd_verb cmd_verb_logout = {
	.name = "logout",
	.run = cmd_logout,
	.options = logout_options,
	.usage = "[OPTIONS] [REGISTRY]",
	.summary = "Forget the password for a registry",
};

/* "https://host/v1/" and "host/" are host. Caller frees. */
static char *registry_name(const char *text)
{
	const char *start = str_starts(text, "https://") ? text + 8 :
			    str_starts(text, "http://")	 ? text + 7 :
							   text;
	size_t len = start != text ? strcspn(start, "/") : strlen(start);

	while (len > 0 && start[len - 1] == '/')
		len--;
	return strndup(start, len);
}

static void forget(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}
#define _cleanup_secret_ __attribute__((cleanup(forget)))

/* Does the registry let them in? */
static int try_out(const struct options *o, const struct cmd_global *g, const char *registry,
		   const char *user, const char *password, struct error *e)
{
	_cleanup_secret_ char *creds = str_printf("%s:%s", user, password);
	_cleanup_free_ char *text = str_printf("%s/login", registry);
	struct cmd_fetch_options f = { .tls_verify = o->tls_verify, .creds = creds };
	struct storage_ref ref = { .transport = NULL };
	struct storage_fetch *fetch = NULL;
	_cleanup_free_ char *answer = NULL;
	struct storage *s = NULL;
	int r;

	if (creds == NULL || text == NULL)
		return error_set(e, -ENOMEM, "log in");
	r = storage_ref_parse(text, &ref, e);
	if (r == 0 && ref.domain == NULL)
		r = error_setf(e, -EINVAL, "\"%s\" is no name of a registry", registry);
	if (r == 0)
		r = storage_open(g->root, false, &s, e);
	if (r == 0) {
		struct storage_fetch_request request = cmd_fetch_request(&f, &ref);

		r = storage_query_begin(s, STORAGE_ASK_LOGIN, NULL, 0, &request, &fetch, e);
	}
	if (r == 0)
		r = cmd_fetch_run(fetch, true, &answer, e);
	storage_fetch_free(fetch);
	storage_free(s);
	storage_ref_fini(&ref);
	return r;
}

static int say(const char *fmt, const char *name, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_puts(&b, fmt); /* out_write() sees a failure */
	(void)buf_puts_escaped(&b, name, strlen(name));
	(void)buf_putc(&b, '\n');
	return out_write(&b, e);
}

static int password_from_stdin(char **ret, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = fd_read_to_end(STDIN_FILENO, &b, SECRET_MAX);

	if (r < 0)
		return error_set(e, r, "read the password");
	while (b.len > 0 && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r'))
		b.data[--b.len] = '\0';
	if (b.len == 0 || strlen(b.data) != b.len)
		return error_setf(e, -EINVAL, "standard input has no password");
	*ret = buf_steal(&b);
	return 0;
}

static int ask_user(const struct options *o, char **ret_user, char **ret_password, struct error *e)
{
	int r = 0;

	if (o->user != NULL)
		*ret_user = strdup(o->user);
	else
		r = prompt_line("Username: ", false, ret_user, e);
	if (r < 0 && o->password_stdin)
		return error_setf(e, -EINVAL, "--password-stdin needs --username");
	if (r == 0 && o->password_stdin)
		r = password_from_stdin(ret_password, e);
	else if (r == 0 && o->password != NULL)
		*ret_password = strdup(o->password);
	else if (r == 0)
		r = prompt_line("Password: ", true, ret_password, e);
	if (r == 0 && (*ret_user == NULL || *ret_password == NULL))
		r = error_set(e, -ENOMEM, "log in");
	if (r == 0 && ((*ret_user)[0] == '\0' || strchr(*ret_user, ':') != NULL))
		r = error_setf(e, -EINVAL, "a user name is not empty and has no colon");
	return r;
}

static int login(const struct options *o, const struct cmd_global *g, const char *registry,
		 struct error *e)
{
	_cleanup_secret_ char *user = NULL;
	_cleanup_secret_ char *password = NULL;
	int r;

	if (o->get_login) {
		r = storage_auth_get(o->authfile, registry, &user, NULL, e);
		return r < 0 ? r : say("", user, e);
	}
	if (o->user == NULL && o->password == NULL && !o->password_stdin &&
	    storage_auth_get(o->authfile, registry, &user, &password, NULL) == 0 &&
	    try_out(o, g, registry, user, password, NULL) == 0)
		return say("Existing credentials are valid. Already logged in to ", registry, e);
	forget(&user);
	forget(&password);
	r = ask_user(o, &user, &password, e);
	if (r == 0)
		r = try_out(o, g, registry, user, password, e);
	if (r == 0)
		r = storage_auth_set(o->authfile, registry, user, password, e);
	return r < 0 ? r : say("Login Succeeded!", "", e);
}

int cmd_login(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .tls_verify = -1 };
	_cleanup_free_ char *registry = NULL;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_login, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first > 1)
		return opt_usage_error(&cmd_verb_login, "crt login takes one registry");
	if (o.password != NULL && o.password_stdin)
		return opt_usage_error(&cmd_verb_login,
				       "--password and --password-stdin exclude each other");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* cannot fail */
	registry = registry_name(first < argc ? argv[first] : DEFAULT_REGISTRY);
	if (registry == NULL || login(&o, g, registry, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}

int cmd_logout(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .tls_verify = -1 };
	_cleanup_free_ char *registry = NULL;
	struct error e = ERROR_INIT;
	int code, r;
	int first = opt_parse(&cmd_verb_logout, argc, argv, &o, &code);

	(void)g;
	if (first < 0)
		return code;
	if (argc - first > (o.all ? 0 : 1))
		return opt_usage_error(&cmd_verb_logout, "crt logout takes one registry, or --all");
	registry = registry_name(first < argc ? argv[first] : DEFAULT_REGISTRY);
	r = registry == NULL ? error_set(&e, -ENOMEM, "log out") :
			       storage_auth_remove(o.authfile, o.all ? NULL : registry, &e);
	if (r == 0)
		r = say("Removed login credentials for ", o.all ? "all registries" : registry, &e);
	if (r < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
