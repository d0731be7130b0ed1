/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of `crt run`'s options, mounts apart (request_mount.c).
 *
 * Theory of operation: every option value has one parser here that turns text
 * into plain data or says what is wrong with it, before anything exists.
 */
#include "cmd/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"

extern char **environ;

void run_request_init(struct run_request *r)
{
	*r = (struct run_request){
		.pull = REQUEST_PULL_MISSING,
		.tls_verify = -1,
		.sig_proxy = true,
		.stop_timeout = 10,
		.keep_uid = -1,
		.keep_gid = -1,
		.shm_size = 65536000,
		.log_max_files = 1,
		.health = REQUEST_HEALTH_INIT,
		.limits = LIMITS_INIT,
	};
	net_request_init(&r->net);
}

static void mount_fini(struct request_mount *m)
{
	free(m->source);
	free(m->destination);
	strv_fini(&m->options);
}

void run_request_fini(struct run_request *r)
{
	struct strv *lists[] = { &r->args,    &r->entrypoint, &r->labels,  &r->annotations,
				 &r->env,     &r->group_add,  &r->cap_add, &r->cap_drop,
				 &r->mask,    &r->unmask,     &r->sysctls, &r->devices,
				 &r->add_host };
	char *strings[] = { r->image,	 r->rootfs,	 r->platform, r->authfile, r->name,
			    r->cidfile,	 r->pidfile,	 r->workdir,  r->user,	   r->seccomp,
			    r->hostname, r->detach_keys, r->log_path, r->log_tag };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_fini(lists[i]);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(strings[i]);
	for (size_t i = 0; i < r->mounts_n; i++)
		mount_fini(&r->mounts[i]);
	free(r->mounts);
	free(r->ulimits);
	net_request_fini(&r->net);
	strv_fini(&r->expose);
	limits_fini(&r->limits);
	strv_fini(&r->volumes_from);
	request_health_fini(&r->health);
	free(r->conmon_pidfile);
	*r = (struct run_request){ 0 };
}

/* ---- environment ---------------------------------------------------------------------- */

static int env_put(struct run_request *r, const char *entry, struct error *e)
{
	if (strlen(entry) >= LIMIT_ENV_BYTES)
		return error_setf(e, -E2BIG, "environment entry longer than %u bytes",
				  LIMIT_ENV_BYTES);
	if (r->env.n >= LIMIT_ENV)
		return error_setf(e, -E2BIG, "more than %d environment entries", LIMIT_ENV);
	if (strv_env_set(&r->env, entry) < 0)
		return error_set(e, -ENOMEM, "environment");
	return 0;
}

/* NAME=VALUE, NAME (the host's value, if it is set there), PREFIX* (all such of the host) */
int request_add_env(struct run_request *r, const char *text, struct error *e)
{
	size_t len = strlen(text);
	int ret = 0;

	if (len == 0 || text[0] == '=')
		return error_setf(e, -EINVAL, "invalid environment variable \"%s\"", text);
	if (strchr(text, '=') != NULL)
		return env_put(r, text, e);
	for (char **v = environ; ret == 0 && *v != NULL; v++) {
		bool all = text[len - 1] == '*' && strncmp(*v, text, len - 1) == 0;

		if (all || (strncmp(*v, text, len) == 0 && (*v)[len] == '='))
			ret = env_put(r, *v, e);
	}
	return ret;
}

int request_add_env_file(struct run_request *r, const char *path, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *rest, *line;
	int ret;

	if (fd < 0)
		return error_set(e, -errno, "--env-file %s", path);
	ret = fd_read_to_end(fd, &b, (size_t)LIMIT_ENV * 1024);
	if (ret < 0)
		return error_set(e, ret, "--env-file %s", path);
	if (b.len == 0)
		return 0;
	if (memchr(b.data, '\0', b.len) != NULL)
		return error_setf(e, -EINVAL, "--env-file %s: holds a NUL byte", path);
	rest = b.data;
	while ((line = strsep(&rest, "\n")) != NULL) {
		line += strspn(line, " \t\v\f\r");
		if (*line == '\0' || *line == '#')
			continue;
		if (request_add_env(r, line, e) < 0)
			return error_prefix(e, "--env-file %s", path);
	}
	return 0;
}

/* ---- limits ----------------------------------------------------------------------------- */

static const char *const ulimit_types[] = {
	"RLIMIT_AS",	 "RLIMIT_CORE",	  "RLIMIT_CPU",	       "RLIMIT_DATA",
	"RLIMIT_FSIZE",	 "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
	"RLIMIT_NICE",	 "RLIMIT_NOFILE", "RLIMIT_NPROC",      "RLIMIT_RSS",
	"RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
};

/* "nofile" -> "RLIMIT_NOFILE", or NULL. */
const char *request_ulimit_name(const char *text)
{
	for (size_t i = 0; text != NULL && i < sizeof(ulimit_types) / sizeof(ulimit_types[0]); i++)
		if (strcmp(ulimit_types[i], text) == 0)
			return ulimit_types[i];
	return NULL;
}

static const char *ulimit_type(const char *name)
{
	for (size_t i = 0; i < sizeof(ulimit_types) / sizeof(ulimit_types[0]); i++)
		if (strcasecmp(ulimit_types[i] + strlen("RLIMIT_"), name) == 0)
			return ulimit_types[i];
	return NULL;
}

static int parse_limit(const char *text, uint64_t *ret)
{
	unsigned long long v;

	if (strcmp(text, "-1") == 0 || strcmp(text, "unlimited") == 0) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	if (str_to_u64(text, UINT64_MAX, &v) < 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int read_ulimit(char *text, struct request_ulimit *ret, struct error *e)
{
	char *soft = strchr(text, '='), *hard;

	if (soft == NULL)
		return error_setf(e, -EINVAL, "expected NAME=SOFT[:HARD]");
	*soft++ = '\0';
	hard = strchr(soft, ':');
	if (hard != NULL)
		*hard++ = '\0';
	ret->type = ulimit_type(text);
	if (ret->type == NULL)
		return error_setf(e, -EINVAL, "invalid ulimit type \"%s\"", text);
	if (parse_limit(soft, &ret->soft) < 0 ||
	    parse_limit(hard != NULL ? hard : soft, &ret->hard) < 0)
		return error_setf(e, -EINVAL, "a limit is a number, -1 or unlimited");
	if (ret->soft > ret->hard)
		return error_setf(e, -EINVAL,
				  "the soft limit must not be greater than the hard limit");
	return 0;
}

/* NAME=SOFT[:HARD], or "host": the caller's limits, which is what happens anyway */
int request_add_ulimit(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct request_ulimit u, *bigger;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--ulimit %s", text);
	if (strcmp(text, "host") == 0)
		return 0;
	if (read_ulimit(copy, &u, e) < 0)
		return error_prefix(e, "--ulimit %s", text);
	for (size_t i = 0; i < r->ulimits_n; i++)
		if (strcmp(r->ulimits[i].type, u.type) == 0) {
			r->ulimits[i] = u;
			return 0;
		}
	bigger = realloc(r->ulimits, (r->ulimits_n + 1) * sizeof(u));
	if (bigger == NULL)
		return error_set(e, -ENOMEM, "--ulimit %s", text);
	r->ulimits = bigger;
	r->ulimits[r->ulimits_n++] = u;
	return 0;
}

/* ---- security --------------------------------------------------------------------------- */

static int split_into(struct strv *list, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *part;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--security-opt");
	while ((part = strsep(&rest, ":")) != NULL)
		if (*part != '\0' && strv_add(list, part) < 0)
			return error_set(e, -ENOMEM, "--security-opt");
	return 0;
}

/* podman separates key and value by "=", docker by ":" too */
int request_add_security_opt(struct run_request *r, const char *text, struct error *e)
{
	size_t key_len = strcspn(text, "=:");
	const char *value = text[key_len] != '\0' ? text + key_len + 1 : NULL;
	_cleanup_free_ char *key = strndup(text, key_len);

	if (key == NULL)
		return error_set(e, -ENOMEM, "--security-opt");
	if (strcmp(key, "no-new-privileges") == 0) {
		if (value != NULL && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return error_setf(e, -EINVAL, "--security-opt %s: must be true or false",
					  text);
		r->no_new_privs = value == NULL || strcmp(value, "true") == 0;
		return 0;
	}
	if (value == NULL)
		return error_setf(e, -EINVAL,
				  "--security-opt %s: invalid option or its value is missing",
				  text);
	if (strcmp(key, "seccomp") == 0) {
		free(r->seccomp);
		r->seccomp = strdup(value);
		return r->seccomp != NULL ? 0 : error_set(e, -ENOMEM, "--security-opt");
	}
	if (strcmp(key, "mask") == 0)
		return split_into(&r->mask, value, e);
	if (strcmp(key, "unmask") == 0)
		return split_into(&r->unmask, value, e);
	if ((strcmp(key, "label") == 0 && strcmp(value, "disable") == 0) ||
	    (strcmp(key, "apparmor") == 0 && strcmp(value, "unconfined") == 0))
		return 0; /* neither a label nor a profile is ever set */
	return error_setf(
		e, -EINVAL,
		"--security-opt %s: invalid option; there are seccomp=, no-new-privileges, "
		"mask=, unmask=, label=disable and apparmor=unconfined",
		text);
}

/* ---- user namespace, entrypoint ------------------------------------------------------------ */

static int keep_id_options(struct run_request *r, char *text, struct error *e)
{
	char *rest = text, *part;

	while ((part = strsep(&rest, ",")) != NULL) {
		unsigned long long id;
		bool uid = str_starts(part, "uid=");

		if (!uid && !str_starts(part, "gid="))
			return error_setf(e, -EINVAL, "unknown option \"%s\"", part);
		if (str_to_u64(part + 4, UINT32_MAX - 1, &id) < 0)
			return error_setf(e, -EINVAL, "\"%s\" is not an id", part + 4);
		*(uid ? &r->keep_uid : &r->keep_gid) = (int64_t)id;
	}
	return 0;
}

/* host|keep-id[:uid=N,gid=N]|nomap */
int request_set_userns(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--userns");
	r->keep_uid = r->keep_gid = -1;
	if (strcmp(text, "host") == 0 || *text == '\0') {
		r->userns = REQUEST_USERNS_HOST;
	} else if (strcmp(text, "nomap") == 0) {
		r->userns = REQUEST_USERNS_NOMAP;
	} else if (strcmp(text, "keep-id") == 0) {
		r->userns = REQUEST_USERNS_KEEP_ID;
	} else if (str_starts(text, "keep-id:")) {
		r->userns = REQUEST_USERNS_KEEP_ID;
		if (keep_id_options(r, copy + strlen("keep-id:"), e) < 0)
			return error_prefix(e, "--userns %s", text);
	} else {
		return error_setf(e, -EINVAL,
				  "--userns %s: unrecognized mode; there are host, "
				  "keep-id[:uid=N,gid=N] and nomap",
				  text);
	}
	return 0;
}

/* CMD, '["CMD","ARG"]', or "" for none */
int request_set_entrypoint(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_json_ json_t *list = NULL;
	json_t *item;
	size_t i;

	strv_fini(&r->entrypoint);
	r->entrypoint_set = true;
	if (*text == '\0')
		return 0;
	if (*text != '[')
		return strv_add(&r->entrypoint, text) < 0 ? error_set(e, -ENOMEM, "--entrypoint") :
							    0;
	list = json_parse(text, strlen(text), "--entrypoint", e);
	if (list == NULL)
		return -EINVAL;
	json_array_foreach(list, i, item) {
		if (!json_is_string(item))
			return error_setf(e, -EINVAL, "--entrypoint %s: expected a list of strings",
					  text);
		if (strv_add(&r->entrypoint, json_string_value(item)) < 0)
			return error_set(e, -ENOMEM, "--entrypoint");
	}
	return 0;
}

/* ---- life and log ------------------------------------------------------------------------- */

static const char *const restart_names[] = {
	[REQUEST_RESTART_NO] = "no",
	[REQUEST_RESTART_ON_FAILURE] = "on-failure",
	[REQUEST_RESTART_ALWAYS] = "always",
	[REQUEST_RESTART_UNLESS_STOPPED] = "unless-stopped",
};
_Static_assert(sizeof(restart_names) / sizeof(restart_names[0]) == REQUEST_RESTART_COUNT,
	       "a name for each policy");

static const char *const log_names[] = {
	[REQUEST_LOG_K8S_FILE] = "k8s-file", [REQUEST_LOG_JSON_FILE] = "json-file",
	[REQUEST_LOG_NONE] = "none",	     [REQUEST_LOG_PASSTHROUGH] = "passthrough",
	[REQUEST_LOG_JOURNALD] = "journald",
};
_Static_assert(sizeof(log_names) / sizeof(log_names[0]) == REQUEST_LOG_COUNT,
	       "a name for each driver");

const char *request_restart_name(enum request_restart restart)
{
	return restart_names[restart];
}

const char *request_log_name(enum request_log log)
{
	return log_names[log];
}

int request_set_restart(struct run_request *r, const char *text, struct error *e)
{
	const char *colon = strchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	unsigned long long n = 0;

	for (int i = 0; i < REQUEST_RESTART_COUNT; i++) {
		if (strlen(restart_names[i]) != len || strncmp(restart_names[i], text, len) != 0)
			continue;
		if (colon != NULL &&
		    (i != REQUEST_RESTART_ON_FAILURE || str_to_u64(colon + 1, INT32_MAX, &n) < 0))
			break;
		r->restart = (enum request_restart)i;
		r->restart_max = (unsigned int)n;
		return 0;
	}
	return error_setf(e, -EINVAL,
			  "--restart %s: must be no, on-failure[:N], always or unless-stopped",
			  text);
}

int request_set_log_driver(struct run_request *r, const char *text, struct error *e)
{
	for (int i = 0; i < REQUEST_LOG_COUNT; i++)
		if (strcmp(log_names[i], text) == 0) {
			r->log_driver = (enum request_log)i;
			return 0;
		}
	return error_setf(
		e, -EINVAL,
		"--log-driver %s: must be k8s-file, json-file, journald, none or passthrough",
		text);
}

int request_add_log_opt(struct run_request *r, const char *text, struct error *e)
{
	const char *eq = strchr(text, '=');
	const char *value = eq != NULL ? eq + 1 : "";
	size_t len = eq != NULL ? (size_t)(eq - text) : strlen(text);
	unsigned long long n;
	char **to = NULL;

	if (len == strlen("path") && strncmp(text, "path", len) == 0 && value[0] == '/')
		to = &r->log_path;
	else if (len == strlen("tag") && strncmp(text, "tag", len) == 0)
		to = &r->log_tag;
	if (to != NULL) {
		free(*to);
		*to = strdup(value);
		return *to != NULL ? 0 : error_set(e, -ENOMEM, "--log-opt %s", text);
	}
	if (len == strlen("max-size") && strncmp(text, "max-size", len) == 0 &&
	    str_to_size(value, &n) == 0 && n <= INT64_MAX) {
		r->log_max_size = (int64_t)n;
		return 0;
	}
	if (len == strlen("max-file") && strncmp(text, "max-file", len) == 0 &&
	    str_to_u64(value, 1000, &n) == 0 && n > 0) {
		r->log_max_files = (unsigned int)n;
		return 0;
	}
	return error_setf(e, -EINVAL,
			  "--log-opt %s: must be path=/FILE, max-size=SIZE, max-file=N or tag=TEXT",
			  text);
}
