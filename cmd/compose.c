/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image configuration + request -> OCI runtime configuration.
 *
 * Theory of operation: the tree is built from zero for every container, so that
 * nothing of another one can leak into it. podman's defaults are the contract:
 * capabilities, environment, namespaces, hostname. What the image says
 * (hostile, checked by imageconf.c) fills only the fields that the image
 * specification gives it; what the request says wins.
 *
 * The user is the one thing that needs the root file system (names live in its
 * /etc/passwd), so it is filled in by compose_user() inside the keeper, after
 * the mount; capabilities and HOME depend on it.
 */
#include "cmd/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd/user.h"
#include "runtime/runtime.h"

#define HOSTNAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define CAP_BIT(c)     (1ull << (c))
#define CAPS_ALL       (CAP_BIT(CAP_LAST_CAP + 1) - 1)

/* The capabilities of podman 4. */
#define CAPS_DEFAULT                                                                               \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) |                    \
	 CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_KILL) | CAP_BIT(CAP_NET_BIND_SERVICE) |                 \
	 CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_SETUID) | \
	 CAP_BIT(CAP_SYS_CHROOT))

void run_plan_fini(struct run_plan *p)
{
	storage_image_fini(&p->image);
	imageconf_fini(&p->conf);
	userns_caps_fini(&p->caps);
	id_map_fini(&p->keeper_map);
	id_map_fini(&p->shift_map);
	free(p->name);
	free(p->hostname);
	free(p->user);
	free(p->rundir);
	free(p->rootfs);
	free(p->networks);
	strv_fini(&p->env);
	strv_fini(&p->notes);
	strv_fini(&p->net_sysctls);
	json_decref(p->config);
	free(p->seccomp);
	limits_plan_fini(&p->limits);
	*p = (struct run_plan){ 0 };
}

/* ---- small JSON helpers: every allocation failure ends in one place ------------------------ */

/* Set obj[key] to value (stolen); -ENOMEM when either is missing. */
static int set_new(json_t *obj, const char *key, json_t *value, struct error *e)
{
	if (json_object_set_new(obj, key, value) < 0)
		return error_set(e, -ENOMEM, "composing %s", key);
	return 0;
}

/* ---- capabilities --------------------------------------------------------------------------- */

static int caps_apply(const struct strv *names, bool add, uint64_t *caps, struct error *e)
{
	for (size_t i = 0; i < names->n; i++) {
		int cap;

		if (strcasecmp(names->v[i], "all") == 0) {
			*caps = add ? CAPS_ALL : 0;
			continue;
		}
		cap = runtime_cap_parse(names->v[i]);
		if (cap < 0)
			return error_setf(e, -EINVAL, "unknown capability \"%s\"", names->v[i]);
		if (add)
			*caps |= CAP_BIT(cap);
		else
			*caps &= ~CAP_BIT(cap);
	}
	return 0;
}

static bool names_all(const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcasecmp(names->v[i], "all") == 0)
			return true;
	return false;
}

/*
 * The bounding set, and what --cap-add named. As podman: "drop ALL" comes
 * before the added ones, a single dropped one wins over "add ALL", and none can
 * be named in both.
 */
static int caps_of(const struct run_request *req, uint64_t *ret_bounding, uint64_t *ret_added,
		   struct error *e)
{
	uint64_t caps = req->privileged ? CAPS_ALL : CAPS_DEFAULT, added = 0, dropped = 0;
	bool drop_all = names_all(&req->cap_drop);
	int r;

	r = caps_apply(&req->cap_add, true, &added, e);
	if (r == 0 && !drop_all && !names_all(&req->cap_add)) {
		r = caps_apply(&req->cap_drop, true, &dropped, e);
		for (int c = 0; r == 0 && c <= CAP_LAST_CAP; c++)
			if ((added & dropped & CAP_BIT(c)) != 0)
				r = error_setf(e, -EINVAL,
					       "capability %s cannot be dropped and added",
					       runtime_cap_name(c));
	}
	if (r == 0 && drop_all)
		caps = 0;
	if (r == 0)
		caps |= added;
	if (r == 0 && !drop_all)
		r = caps_apply(&req->cap_drop, false, &caps, e);
	if (r < 0)
		return r;
	*ret_bounding = caps;
	*ret_added = added & caps;
	return 0;
}

json_t *compose_caps_json(uint64_t caps)
{
	json_t *list = json_array();

	for (int c = 0; list != NULL && c <= CAP_LAST_CAP; c++)
		if ((caps & CAP_BIT(c)) != 0 &&
		    json_array_append_new(list, json_string(runtime_cap_name(c))) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* Root holds what the bounding set holds; anybody else only what was added by name. */
static int set_capabilities(struct run_plan *p, json_t *process, bool root, struct error *e)
{
	uint64_t bounding = 0, added = 0, held;
	json_t *caps = json_object();
	int r;

	r = set_new(process, "capabilities", caps, e);
	if (r == 0)
		r = caps_of(p->req, &bounding, &added, e);
	if (r < 0)
		return r;
	held = root ? bounding : added;
	r = set_new(caps, "bounding", compose_caps_json(bounding), e);
	if (r == 0)
		r = set_new(caps, "effective", compose_caps_json(held), e);
	if (r == 0)
		r = set_new(caps, "permitted", compose_caps_json(held), e);
	if (r == 0 && !root && added != 0)
		r = set_new(caps, "inheritable", compose_caps_json(held), e);
	if (r == 0 && !root && added != 0)
		r = set_new(caps, "ambient", compose_caps_json(held), e);
	return r;
}

/* ---- process --------------------------------------------------------------------------------- */

static int compose_args(struct run_plan *p, json_t *process, struct error *e)
{
	const struct run_request *req = p->req;
	const struct strv *entry = req->entrypoint_set ? &req->entrypoint : &p->conf.entrypoint;
	const struct strv *cmd = req->args.n > 0 ? &req->args : &p->conf.cmd;
	struct strv all = { 0 };
	int r = 0;

	if (req->entrypoint_set && req->args.n == 0)
		cmd = &req->args; /* another entrypoint does not want the image's arguments */
	if (req->init && (strv_add(&all, COMPOSE_INIT) < 0 || strv_add(&all, "--") < 0))
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < entry->n; i++)
		r = strv_add(&all, entry->v[i]);
	for (size_t i = 0; r == 0 && i < cmd->n; i++)
		r = strv_add(&all, cmd->v[i]);
	if (r < 0)
		r = error_set(e, r, "composing the command");
	else if (entry->n + cmd->n == 0)
		r = error_setf(
			e, -EINVAL,
			"no command or entrypoint provided, and no CMD or ENTRYPOINT from image");
	else
		r = set_new(process, "args", json_strings(&all), e);
	strv_fini(&all);
	return r;
}

static int compose_env(struct run_plan *p, struct error *e)
{
	const struct run_request *req = p->req;
	struct strv *env = &p->env;
	int r;

	r = strv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (r == 0)
		r = strv_add(env, "container=crt");
	if (r == 0 && req->tty)
		r = strv_add(env, "TERM=xterm");
	if (r == 0)
		r = strv_addf(env, "HOSTNAME=%s", p->hostname);
	for (size_t i = 0; r == 0 && i < p->conf.env.n; i++)
		r = strv_env_set(env, p->conf.env.v[i]);
	for (size_t i = 0; r == 0 && i < req->env.n; i++)
		r = strv_env_set(env, req->env.v[i]);
	if (r == 0 && p->notify)
		r = strv_env_set(env, "NOTIFY_SOCKET=" NOTIFY_INSIDE "/" NOTIFY_SOCKET);
	return r < 0 ? error_set(e, r, "composing the environment") : 0;
}

static int compose_rlimits(const struct run_request *req, json_t *process, struct error *e)
{
	json_t *list;

	if (req->ulimits_n == 0)
		return 0;
	list = json_array();
	for (size_t i = 0; list != NULL && i < req->ulimits_n; i++) {
		const struct request_ulimit *u = &req->ulimits[i];
		json_t *one = json_object();

		/*
		 * "unlimited" is 2^64-1 in the specification; jansson's integers are signed and
		 * print it as -1, which other runtimes refuse. 2^63-1 is what ours reads as unlimited.
		 */
		if (json_object_set_new(one, "type", json_string(u->type)) < 0 ||
		    json_object_set_new(one, "soft",
					json_integer((json_int_t)(u->soft & INT64_MAX))) < 0 ||
		    json_object_set_new(one, "hard",
					json_integer((json_int_t)(u->hard & INT64_MAX))) < 0 ||
		    json_array_append_new(list, one) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return set_new(process, "rlimits", list, e);
}

static int compose_console(const struct run_request *req, json_t *process, struct error *e)
{
	struct winsize ws;
	json_t *size;
	int r;

	r = set_new(process, "terminal", json_boolean(req->tty), e);
	if (r < 0 || !req->tty)
		return r;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0)
		return 0;
	if (ws.ws_row == 0 || ws.ws_col == 0)
		return 0;
	size = json_object();
	r = set_new(process, "consoleSize", size, e);
	if (r == 0)
		r = set_new(size, "height", json_integer(ws.ws_row), e);
	if (r == 0)
		r = set_new(size, "width", json_integer(ws.ws_col), e);
	return r;
}

static int compose_process(struct run_plan *p, struct error *e)
{
	const struct run_request *req = p->req;
	json_t *process = json_object();
	const char *cwd = req->workdir != NULL && req->workdir[0] != '\0' ? req->workdir :
									    p->conf.workdir;
	int r;

	if (cwd == NULL)
		cwd = "/";
	if (cwd[0] != '/')
		return error_setf(e, -EINVAL, "--workdir %s: must be an absolute path", cwd);
	r = set_new(p->config, "process", process, e);
	if (r == 0)
		r = compose_console(req, process, e);
	if (r == 0)
		r = compose_args(p, process, e);
	if (r == 0)
		r = compose_env(p, e);
	if (r == 0)
		r = set_new(process, "cwd", json_string(cwd), e);
	if (r == 0)
		r = compose_rlimits(req, process, e);
	if (r == 0 && req->limits.oom_score_set)
		r = set_new(process, "oomScoreAdj", json_integer(req->limits.oom_score_adj), e);
	if (r == 0)
		r = set_new(process, "noNewPrivileges", json_boolean(req->no_new_privs), e);
	return r;
}

/* ---- linux ------------------------------------------------------------------------------------ */

static int add_namespace(json_t *list, const char *type, struct error *e)
{
	json_t *one = json_object();

	if (json_object_set_new(one, "type", json_string(type)) < 0 ||
	    json_array_append_new(list, one) < 0)
		return error_set(e, -ENOMEM, "composing namespaces");
	return 0;
}

static int add_id_maps(json_t *linux_obj, const char *key, const struct id_range *arr, size_t n,
		       struct error *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *one = json_object();

		if (json_object_set_new(one, "containerID", json_integer(arr[i].inside)) < 0 ||
		    json_object_set_new(one, "hostID", json_integer(arr[i].outside)) < 0 ||
		    json_object_set_new(one, "size", json_integer(arr[i].count)) < 0 ||
		    json_array_append_new(list, one) < 0) {
			json_decref(list);
			return error_set(e, -ENOMEM, "composing %s", key);
		}
	}
	return set_new(linux_obj, key, list, e);
}

/*
 * The network namespace is the keeper's (made while the id maps were being
 * written), so it is not in the list: absent means the runtime's own.
 */
static int compose_namespaces(struct run_plan *p, json_t *linux_obj, struct error *e)
{
	const struct run_request *req = p->req;
	json_t *list = json_array();
	int r;

	r = set_new(linux_obj, "namespaces", list, e);
	if (r == 0)
		r = add_namespace(list, "mount", e);
	if (r == 0 && !req->pid_host)
		r = add_namespace(list, "pid", e);
	if (r == 0 && !req->ipc_host)
		r = add_namespace(list, "ipc", e);
	if (r == 0 && !req->uts_host)
		r = add_namespace(list, "uts", e);
	if (r == 0)
		r = add_namespace(list, "cgroup", e);
	if (r < 0 || p->shift_map.uid_n == 0)
		return r;
	r = add_namespace(list, "user", e);
	if (r == 0)
		r = add_id_maps(linux_obj, "uidMappings", p->shift_map.uid, p->shift_map.uid_n, e);
	if (r == 0)
		r = add_id_maps(linux_obj, "gidMappings", p->shift_map.gid, p->shift_map.gid_n, e);
	return r;
}

/* Its hundreds of names stay text: a tree of them would be built, printed and torn down for nothing. */
static int default_seccomp(struct run_plan *p, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	uint64_t bounding = 0, added = 0;
	int r;

	r = caps_of(p->req, &bounding, &added, e);
	if (r == 0)
		r = runtime_seccomp_default_profile(bounding, &b, e);
	if (r < 0)
		return r;
	free(p->seccomp);
	p->seccomp = buf_steal(&b);
	return p->seccomp == NULL ? error_set(e, -ENOMEM, "the default seccomp profile") : 0;
}

static int compose_seccomp(struct run_plan *p, json_t *linux_obj, struct error *e)
{
	const struct run_request *req = p->req;
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	json_t *profile;
	int r;

	if (req->seccomp != NULL ? strcmp(req->seccomp, "unconfined") == 0 : req->privileged)
		return 0;
	if (req->seccomp == NULL)
		return default_seccomp(p, e);
	fd = open(req->seccomp, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : fd_read_to_end(fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "--security-opt seccomp=%s", req->seccomp);
	profile = json_parse(buf_str(&b), b.len, req->seccomp, e);
	if (profile == NULL)
		return -EINVAL;
	return set_new(linux_obj, "seccomp", profile, e);
}

static int compose_sysctl(struct run_plan *p, json_t *linux_obj, struct error *e)
{
	const struct run_request *req = p->req;
	json_t *obj;
	int r;

	if (req->sysctls.n == 0)
		return 0;
	obj = json_object();
	r = set_new(linux_obj, "sysctl", obj, e);
	for (size_t i = 0; r == 0 && i < req->sysctls.n; i++) {
		const char *text = req->sysctls.v[i], *eq = strchr(text, '=');
		_cleanup_free_ char *key = NULL;

		if (eq == NULL || eq == text)
			return error_setf(e, -EINVAL, "--sysctl %s: expected KEY=VALUE", text);
		if (p->own_netns && (str_starts(text, "net.") || str_starts(text, "net/"))) {
			if (strv_add(&p->net_sysctls, text) < 0)
				return error_set(e, -ENOMEM, "--sysctl %s", text);
			continue;
		}
		key = strndup(text, (size_t)(eq - text));
		if (key == NULL)
			return error_set(e, -ENOMEM, "--sysctl %s", text);
		r = set_new(obj, key, json_string(eq + 1), e);
	}
	return r;
}

static int compose_linux(struct run_plan *p, struct error *e)
{
	json_t *linux_obj = json_object();
	int r;

	r = set_new(p->config, "linux", linux_obj, e);
	if (r == 0)
		r = compose_namespaces(p, linux_obj, e);
	if (r == 0)
		r = compose_sysctl(p, linux_obj, e);
	if (r == 0)
		r = compose_limits(p, linux_obj, e);
	if (r == 0)
		r = compose_devices(p, linux_obj, e);
	if (r == 0)
		r = compose_linux_paths(p, linux_obj, e);
	if (r == 0)
		r = compose_seccomp(p, linux_obj, e);
	return r;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static int compose_annotations(struct run_plan *p, struct error *e)
{
	const struct strv *list = &p->req->annotations;
	json_t *obj = json_object();
	int r;

	r = set_new(p->config, "annotations", obj, e);
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		size_t key_len = strcspn(list->v[i], "=");
		_cleanup_free_ char *key = strndup(list->v[i], key_len);

		if (key_len == 0 || list->v[i][key_len] == '\0')
			return error_setf(e, -EINVAL, "--annotation %s: expected KEY=VALUE",
					  list->v[i]);
		if (key == NULL)
			return error_set(e, -ENOMEM, "--annotation");
		r = set_new(obj, key, json_string(list->v[i] + key_len + 1), e);
	}
	if (r == 0 && p->req->keep_groups)
		r = set_new(obj, "run.oci.keep_original_groups", json_string("1"), e);
	return r;
}

static int compose_hostname(struct run_plan *p, struct error *e)
{
	const struct run_request *req = p->req;
	char host[256] = "";

	if (req->hostname != NULL) {
		if (strlen(req->hostname) == 0 || strlen(req->hostname) > 64)
			return error_setf(e, -EINVAL, "--hostname %s: must have 1 to 64 characters",
					  req->hostname);
		if (req->hostname[strspn(req->hostname, HOSTNAME_CHARS)] != '\0')
			return error_setf(
				e, -EINVAL,
				"--hostname %s: may have letters, digits, '.', '-' and '_' only",
				req->hostname);
		if (req->uts_host)
			return error_setf(e, -EINVAL, "--hostname cannot be used with --uts host");
		p->hostname = strdup(req->hostname);
	} else if (req->uts_host ||
		   (req->net.mode == NET_MODE_HOST && gethostname(host, sizeof(host) - 1) == 0)) {
		if (host[0] == '\0' && gethostname(host, sizeof(host) - 1) < 0)
			return error_set(e, -errno, "reading the host's name");
		p->hostname = strndup(host, 64);
	} else {
		p->hostname = strndup(p->id, ID_SHORT_LEN);
	}
	return p->hostname != NULL ? 0 : error_set(e, -ENOMEM, "hostname");
}

static int compose_maps(struct run_plan *p, struct error *e)
{
	const struct run_request *req = p->req;

	switch (req->userns) {
	case REQUEST_USERNS_KEEP_ID:
		if (p->caps.kind == USERNS_KIND_NONE)
			return error_setf(e, -EINVAL,
					  "--userns keep-id is for users other than root");
		return userns_map_keep_id(&p->caps, req->keep_uid, req->keep_gid, &p->shift_map, e);
	case REQUEST_USERNS_NOMAP:
		if (p->caps.kind == USERNS_KIND_NONE)
			return error_setf(e, -EINVAL,
					  "--userns nomap is for users other than root");
		return userns_map_nomap(&p->caps, &p->shift_map, e);
	case REQUEST_USERNS_HOST:
	case REQUEST_USERNS_COUNT:
	default:
		return 0;
	}
}

/* --user, else the image's, else with keep-id the caller, else root. */
static int compose_user_text(struct run_plan *p, struct error *e)
{
	const struct run_request *req = p->req;

	if (req->user != NULL)
		p->user = strdup(req->user);
	else if (req->userns == REQUEST_USERNS_KEEP_ID)
		p->user = str_printf(
			"%u:%u", req->keep_uid >= 0 ? (unsigned int)req->keep_uid : p->caps.uid,
			req->keep_gid >= 0 ? (unsigned int)req->keep_gid : p->caps.gid);
	else
		p->user = strdup(p->conf.user != NULL ? p->conf.user : "");
	if (p->user == NULL)
		return error_set(e, -ENOMEM, "user");
	p->single_user = p->caps.kind == USERNS_KIND_SINGLE && req->userns == REQUEST_USERNS_HOST &&
			 p->user[0] != '\0' && strcmp(p->user, "0") != 0 &&
			 strcmp(p->user, "root") != 0;
	if (p->caps.kind == USERNS_KIND_SINGLE && req->group_add.n > 0)
		log_warning("--group-add is ignored: the container has a single id (%s)",
			    p->caps.reason);
	return 0;
}

int compose_config(struct run_plan *p, struct error *e)
{
	const struct run_request *req = p->req;
	json_t *root = json_object();
	int r;

	p->own_netns = req->net.mode != NET_MODE_HOST && req->net.mode != NET_MODE_JOIN;
	p->config = json_object();
	if (p->config == NULL)
		return error_set(e, -ENOMEM, "composing the configuration");
	p->rootfs = req->rootfs != NULL && !req->rootfs_overlay ?
			    strdup(req->rootfs) :
			    str_printf("%s/rootfs", p->rundir);
	if (p->rootfs == NULL)
		r = error_set(e, -ENOMEM, "composing the configuration");
	else
		r = compose_maps(p, e);
	if (r == 0)
		r = compose_hostname(p, e);
	if (r == 0)
		r = compose_user_text(p, e);
	if (r == 0)
		r = set_new(p->config, "ociVersion", json_string("1.0.2"), e);
	if (r < 0) {
		json_decref(root);
		return r;
	}
	r = set_new(p->config, "root", root, e);
	if (r == 0)
		r = set_new(root, "path",
			    json_string(req->rootfs != NULL && !req->rootfs_overlay ? p->rootfs :
										      "rootfs"),
			    e);
	if (r == 0)
		r = set_new(root, "readonly", json_boolean(req->read_only), e);
	if (r == 0)
		r = compose_process(p, e);
	if (r == 0 && !req->uts_host)
		r = set_new(p->config, "hostname", json_string(p->hostname), e);
	if (r == 0)
		r = compose_mounts(p, p->config, e);
	if (r == 0)
		r = compose_annotations(p, e);
	if (r == 0)
		r = compose_linux(p, e);
	return r;
}

/* ---- the user, inside the keeper -------------------------------------------------------------------- */

/* A passwd or group file of the container: missing is NULL, a hostile one (FIFO, huge, loop) an error. */
int compose_read_accounts(int root_fd, const char *path, char **ret, struct error *e)
{
	struct error sub = ERROR_INIT;
	int r;

	r = path_read_file_in(root_fd, path, LIMIT_PASSWD_BYTES, ret, NULL, &sub);
	if (r == -ENOENT || r == -ENOTDIR) {
		*ret = NULL;
		return 0;
	}
	if (r < 0)
		return error_set(e, r, "reading /%s of the container", path);
	return 0;
}

/*
 * with_own: the user's own group is a supplementary one, too, so that a set-gid program of the image
 * cannot shed it, where its files deny that group something.
 */
int compose_set_user(json_t *process, const struct user_identity *u, bool with_own, struct error *e)
{
	json_t *user = json_object(), *groups;
	int r;

	for (size_t i = 0; i < u->groups_n; i++)
		with_own = with_own && u->groups[i] != u->gid;

	r = set_new(process, "user", user, e);
	if (r == 0)
		r = set_new(user, "uid", json_integer(u->uid), e);
	if (r == 0)
		r = set_new(user, "gid", json_integer(u->gid), e);
	if (r == 0)
		r = set_new(user, "umask", json_integer(022), e);
	if (r < 0 || (u->groups_n == 0 && !with_own))
		return r;
	groups = json_array();
	if (with_own && json_array_append_new(groups, json_integer(u->gid)) < 0)
		r = error_set(e, -ENOMEM, "composing groups");
	for (size_t i = 0; r == 0 && i < u->groups_n; i++)
		if (json_array_append_new(groups, json_integer(u->groups[i])) < 0)
			r = error_set(e, -ENOMEM, "composing groups");
	if (r < 0) {
		json_decref(groups);
		return r;
	}
	return set_new(user, "additionalGids", groups, e);
}

/* An id that the container's map does not hold cannot be assumed: say so before the kernel does. */
static int check_mapped(struct run_plan *p, const struct user_identity *u, struct error *e)
{
	const struct id_map *m = p->shift_map.uid_n > 0 ? &p->shift_map : &p->keeper_map;
	uint32_t out;

	if (p->caps.kind == USERNS_KIND_NONE)
		return 0;
	if (!id_map_to_outside(m->uid, m->uid_n, u->uid, &out))
		return error_setf(e, -EINVAL,
				  "uid %u does not exist in the container's user namespace (%s)",
				  u->uid,
				  p->caps.kind == USERNS_KIND_SINGLE ?
					  "only one id is mapped: see /etc/subuid" :
					  "see /etc/subuid");
	if (!id_map_to_outside(m->gid, m->gid_n, u->gid, &out))
		return error_setf(e, -EINVAL,
				  "gid %u does not exist in the container's user namespace (%s)",
				  u->gid,
				  p->caps.kind == USERNS_KIND_SINGLE ?
					  "only one id is mapped: see /etc/subgid" :
					  "see /etc/subgid");
	return 0;
}

/*
 * With a single id, a user other than root is the caller shown under that number: keep-id with
 * the image's ids. Now, because only its passwd tells them.
 */
static int shift_single(struct run_plan *p, const struct user_identity *u, struct error *e)
{
	int r;

	if (!p->single_user || (u->uid == 0 && u->gid == 0))
		return 0;
	r = userns_map_keep_id(&p->caps, u->uid, u->gid, &p->shift_map, e);
	if (r == 0)
		r = compose_namespaces(p, json_object_get(p->config, "linux"), e);
	return r;
}

/* passwd with one more line, so that the user has a name (as podman does). */
static int passwd_with(struct run_plan *p, const char *passwd, const struct user_identity *u,
		       char **ret, struct error *e)
{
	bool keep_id = p->req->userns == REQUEST_USERNS_KEEP_ID && p->req->user == NULL;
	struct buf b = BUF_INIT;

	(void)buf_puts(&b, passwd);
	if (b.len > 0 && b.data[b.len - 1] != '\n')
		(void)buf_putc(&b, '\n');
	if (keep_id)
		(void)buf_printf(&b, "%s:*:%u:%u:%s:%s:/bin/sh\n", p->caps.user, u->uid, u->gid,
				 p->caps.user, "/");
	else
		(void)buf_printf(&b, "%u:*:%u:%u:container user:/:/bin/sh\n", u->uid, u->uid,
				 u->gid);
	*ret = buf_steal(&b);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "passwd");
}

/* group with one more line: without it shells of some images complain that keep-id's group has no name. */
static int group_with(struct run_plan *p, const char *group, uint32_t gid, char **ret,
		      struct error *e)
{
	const char *newline = group[0] != '\0' && group[strlen(group) - 1] != '\n' ? "\n" : "";

	if (p->req->userns != REQUEST_USERNS_KEEP_ID || user_group_known(group, gid))
		return 0;
	*ret = str_printf("%s%s%s:x:%u:%s\n", group, newline, p->caps.user, gid, p->caps.user);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "group");
}

int compose_user(struct run_plan *p, int root_fd, char **ret_passwd, char **ret_group,
		 struct error *e)
{
	_cleanup_free_ char *passwd = NULL, *group = NULL;
	struct user_identity u = { 0 };
	json_t *process = json_object_get(p->config, "process");
	_cleanup_free_ char *home = NULL;
	int r;

	*ret_passwd = NULL;
	*ret_group = NULL;
	r = compose_read_accounts(root_fd, "etc/passwd", &passwd, e);
	if (r == 0)
		r = compose_read_accounts(root_fd, "etc/group", &group, e);
	if (r == 0)
		r = user_resolve(p->user, passwd, group, p->req->group_add.v, p->req->group_add.n,
				 &u, e);
	if (r < 0)
		return r;
	r = shift_single(p, &u, e);
	if (r == 0)
		r = check_mapped(p, &u, e);
	if (r == 0)
		r = compose_set_user(process, &u,
				     p->user[0] != '\0' && p->caps.kind != USERNS_KIND_SINGLE, e);
	if (r == 0)
		r = set_capabilities(p, process, u.uid == 0, e);
	if (r == 0 && strv_env_get(&p->env, "HOME") == NULL) {
		home = str_printf("HOME=%s", u.home != NULL ? u.home : u.uid == 0 ? "/root" : "/");
		if (home == NULL || strv_env_set(&p->env, home) < 0)
			r = error_set(e, -ENOMEM, "composing the environment");
	}
	if (r == 0)
		r = set_new(process, "env", json_strings(&p->env), e);
	if (r == 0 && u.name == NULL && u.uid != 0 && passwd != NULL)
		r = passwd_with(p, passwd, &u, ret_passwd, e);
	if (r == 0 && group != NULL)
		r = group_with(p, group, u.gid, ret_group, e);
	user_identity_fini(&u);
	return r;
}

char *compose_text(const struct run_plan *p)
{
	_cleanup_json_ json_t *linux_obj = json_incref(json_object_get(p->config, "linux"));
	_cleanup_free_ char *outer = NULL, *inner = NULL;
	const size_t flags = JSON_COMPACT | JSON_EMBED; /* without the outermost braces */

	if (p->seccomp == NULL)
		return json_to_text(p->config);
	if (json_object_del(p->config, "linux") < 0)
		return NULL;
	outer = json_dumps(p->config, flags);
	inner = json_dumps(linux_obj, flags);
	if (json_object_set(p->config, "linux", linux_obj) < 0 || outer == NULL || inner == NULL)
		return NULL;
	return str_printf("{%s,\"linux\":{%s,\"seccomp\":%s}}", outer, inner, p->seccomp);
}
