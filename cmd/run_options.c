/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of `crt run`.
 *
 * Theory of operation: one table. Simple values land in struct run_options and
 * are moved into the request afterwards; options with a syntax of their own are
 * parsed by the functions of cmd/request.h as they come. The order of mounts,
 * environment and capabilities is the order of the command line. What cannot
 * go together is refused here, before anything is touched.
 */
#include "cmd/run_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "cmd/attach.h"
#include "cmd/verbs.h"

struct run_options {
	struct run_request *req;
	bool rm, interactive, tty, init, quiet, explain, privileged, read_only, sig_proxy, rootfs,
		publish_all, detach, replace;
	int tls_verify;
	const char *name, *workdir, *user, *hostname, *platform, *authfile, *cidfile, *pidfile,
		*detach_keys;
	bool no_healthcheck;
	const char *health[HEALTH_OPTION_COUNT];
	const char *conmon_pidfile;
	unsigned int preserve_fds, stop_timeout, timeout;
	unsigned long long shm_size;
	struct strv env, env_file, labels, annotations, cap_add, cap_drop, devices, sysctls,
		group_add, add_host, dns, dns_search, dns_option, expose, network_alias;
	const char *ip, *ip6, *mac;
	struct limits_options limits;
};

static struct run_request *request_of(void *data)
{
	return ((struct run_options *)data)->req;
}

static int on_volume(void *data, const char *value, struct error *e)
{
	return request_add_volume(request_of(data), value, e);
}

static int on_mount(void *data, const char *value, struct error *e)
{
	return request_add_mount(request_of(data), value, e);
}

static int on_tmpfs(void *data, const char *value, struct error *e)
{
	return request_add_tmpfs(request_of(data), value, e);
}

static int on_image_volume(void *data, const char *value, struct error *e)
{
	return request_set_image_volume(request_of(data), value, e);
}

static int on_volumes_from(void *data, const char *value, struct error *e)
{
	return strv_add(&request_of(data)->volumes_from, value) < 0 ?
		       error_set(e, -ENOMEM, "--volumes-from") :
		       0;
}

static int on_ulimit(void *data, const char *value, struct error *e)
{
	return request_add_ulimit(request_of(data), value, e);
}

static int on_security_opt(void *data, const char *value, struct error *e)
{
	return request_add_security_opt(request_of(data), value, e);
}

static int on_userns(void *data, const char *value, struct error *e)
{
	return request_set_userns(request_of(data), value, e);
}

static int on_entrypoint(void *data, const char *value, struct error *e)
{
	return request_set_entrypoint(request_of(data), value, e);
}

static int on_restart(void *data, const char *value, struct error *e)
{
	return request_set_restart(request_of(data), value, e);
}

static int on_log_driver(void *data, const char *value, struct error *e)
{
	return request_set_log_driver(request_of(data), value, e);
}

static int on_log_opt(void *data, const char *value, struct error *e)
{
	return request_add_log_opt(request_of(data), value, e);
}

static int on_publish(void *data, const char *value, struct error *e)
{
	return net_parse_publish(value, &request_of(data)->net, e);
}

static int on_network(void *data, const char *value, struct error *e)
{
	return net_parse_network(value, &request_of(data)->net, e);
}

static int on_pull(void *data, const char *value, struct error *e)
{
	static const char *const words[] = {
		[REQUEST_PULL_MISSING] = "missing",
		[REQUEST_PULL_ALWAYS] = "always",
		[REQUEST_PULL_NEVER] = "never",
		[REQUEST_PULL_NEWER] = "newer",
	};

	_Static_assert(sizeof(words) / sizeof(words[0]) == REQUEST_PULL_COUNT,
		       "a word for each policy");
	for (int i = 0; i < REQUEST_PULL_COUNT; i++)
		if (strcmp(words[i], value) == 0) {
			request_of(data)->pull = (enum request_pull)i;
			return 0;
		}
	return error_setf(e, -EINVAL, "--pull %s: must be always, missing, never or newer", value);
}

/* --pid, --ipc, --uts: "host", or the default under its names */
static int on_namespace(bool *host, const char *option, const char *value, struct error *e)
{
	if (strcmp(value, "host") == 0)
		*host = true;
	else if (strcmp(value, "private") == 0 || *value == '\0')
		*host = false;
	else
		return error_setf(e, -EINVAL, "--%s %s: must be host or private", option, value);
	return 0;
}

static int on_pid(void *data, const char *value, struct error *e)
{
	return on_namespace(&request_of(data)->pid_host, "pid", value, e);
}

static int on_ipc(void *data, const char *value, struct error *e)
{
	return on_namespace(&request_of(data)->ipc_host, "ipc", value, e);
}

static int on_uts(void *data, const char *value, struct error *e)
{
	return on_namespace(&request_of(data)->uts_host, "uts", value, e);
}

static int on_sdnotify(void *data, const char *value, struct error *e)
{
	static const char *const words[] = {
		[REQUEST_SDNOTIFY_CONTAINER] = "container",
		[REQUEST_SDNOTIFY_CONMON] = "conmon",
		[REQUEST_SDNOTIFY_HEALTHY] = "healthy",
		[REQUEST_SDNOTIFY_IGNORE] = "ignore",
	};

	_Static_assert(sizeof(words) / sizeof(words[0]) == REQUEST_SDNOTIFY_COUNT,
		       "a word for each way");
	for (int i = 0; i < REQUEST_SDNOTIFY_COUNT; i++)
		if (strcmp(words[i], value) == 0) {
			request_of(data)->sdnotify = (enum request_sdnotify)i;
			return 0;
		}
	return error_setf(e, -EINVAL, "--sdnotify %s: must be container, conmon, healthy or ignore",
			  value);
}

static int on_stop_signal(void *data, const char *value, struct error *e)
{
	int sig = proc_signal_parse(value);

	if (sig <= 0)
		return error_setf(e, -EINVAL, "--stop-signal %s: invalid signal", value);
	request_of(data)->stop_signal = sig;
	return 0;
}

#define AT(member)    offsetof(struct run_options, member)
#define HEALTH(which) offsetof(struct run_options, health[HEALTH_##which])

static const struct option_spec options[] = {
	{ "add-host", 0, OPT_STRINGS, AT(add_host), "HOST:IP",
	  "Add a line to /etc/hosts (IP may be host-gateway)", NULL, NULL },
	{ "annotation", 0, OPT_STRINGS, AT(annotations), "KEY=VALUE", "Add an OCI annotation", NULL,
	  NULL },
	{ "authfile", 0, OPT_STRING, AT(authfile), "FILE", "Read registry credentials from FILE",
	  "file", NULL },
	{ "cap-add", 0, OPT_LIST, AT(cap_add), "CAP", "Add a capability, or ALL", NULL, NULL },
	{ "cap-drop", 0, OPT_LIST, AT(cap_drop), "CAP", "Drop a capability, or ALL", NULL, NULL },
	{ "cidfile", 0, OPT_STRING, AT(cidfile), "FILE",
	  "Write the container's id to FILE, which must not exist", "file", NULL },
	{ "cgroup-conf", 0, OPT_STRINGS, AT(limits.conf), "FILE=VALUE",
	  "Write VALUE to FILE of the container's cgroup (version 2)", NULL, NULL },
	{ "cgroup-parent", 0, OPT_STRING, AT(limits.cgroup_parent), "PATH",
	  "Make the container's cgroup below this one", NULL, NULL },
	{ "cgroups", 0, OPT_STRING, AT(limits.cgroups), "MODE",
	  "A cgroup of its own: enabled, disabled, no-conmon or split",
	  "enabled|disabled|no-conmon|split", NULL },
	{ "conmon-pidfile", 0, OPT_STRING, AT(conmon_pidfile), "FILE",
	  "Write the process id of the container's monitor to FILE", "file", NULL },
	{ "detach", 'd', OPT_FLAG, AT(detach), NULL,
	  "Run in the background and print the container's id", NULL, NULL },
	{ "detach-keys", 0, OPT_STRING, AT(detach_keys), "KEYS",
	  "Keys that end crt attach (default ctrl-p,ctrl-q)", NULL, NULL },
	{ "device", 0, OPT_STRINGS, AT(devices), "HOST[:CONTAINER][:PERM]",
	  "Add a device of the host", "file", NULL },
	{ "dns", 0, OPT_STRINGS, AT(dns), "IP", "Use this name server", NULL, NULL },
	{ "dns-option", 0, OPT_STRINGS, AT(dns_option), "OPTION", "Set an option in resolv.conf",
	  NULL, NULL },
	{ "dns-search", 0, OPT_STRINGS, AT(dns_search), "DOMAIN",
	  "Set a search domain in resolv.conf", NULL, NULL },
	{ "entrypoint", 0, OPT_CALL, 0, "COMMAND", "Use instead of the image's ENTRYPOINT", NULL,
	  on_entrypoint },
	{ "env", 'e', OPT_STRINGS, AT(env), "NAME[=VALUE]",
	  "Set an environment variable (NAME alone: the host's value)", NULL, NULL },
	{ "env-file", 0, OPT_STRINGS, AT(env_file), "FILE", "Read environment variables from FILE",
	  "file", NULL },
	{ "explain", 0, OPT_FLAG, AT(explain), NULL, "Print the plan as JSON and run nothing", NULL,
	  NULL },
	{ "expose", 0, OPT_STRINGS, AT(expose), "PORT[/udp]", "Let -P publish this port, too", NULL,
	  NULL },
	{ "group-add", 0, OPT_STRINGS, AT(group_add), "GROUP",
	  "Add a supplementary group (keep-groups: the caller's)", NULL, NULL },
	{ "health-cmd", 0, OPT_STRING, HEALTH(CMD), "COMMAND",
	  "Command that tells whether the container is healthy (none: the image's is not run)",
	  NULL, NULL },
	{ "health-interval", 0, OPT_STRING, HEALTH(INTERVAL), "DURATION",
	  "Time between two checks (default 30s; disable: only by hand)", NULL, NULL },
	{ "health-max-log-count", 0, OPT_STRING, HEALTH(LOG_COUNT), "N",
	  "Results that are kept (default 5)", NULL, NULL },
	{ "health-max-log-size", 0, OPT_STRING, HEALTH(LOG_SIZE), "N",
	  "Bytes of a check's output that are kept (default 500)", NULL, NULL },
	{ "health-on-failure", 0, OPT_STRING, HEALTH(ON_FAILURE), "ACTION",
	  "What happens to an unhealthy one: none, kill, restart or stop", "none|kill|restart|stop",
	  NULL },
	{ "health-retries", 0, OPT_STRING, HEALTH(RETRIES), "N",
	  "Failures in a row that make it unhealthy (default 3)", NULL, NULL },
	{ "health-start-period", 0, OPT_STRING, HEALTH(START_PERIOD), "DURATION",
	  "Time in which failures do not count (default 0s)", NULL, NULL },
	{ "health-startup-cmd", 0, OPT_STRING, HEALTH(STARTUP_CMD), "COMMAND",
	  "Check with this command first, until the container has come up", NULL, NULL },
	{ "health-startup-interval", 0, OPT_STRING, HEALTH(STARTUP_INTERVAL), "DURATION",
	  "Time between two of these checks (default 30s)", NULL, NULL },
	{ "health-startup-retries", 0, OPT_STRING, HEALTH(STARTUP_RETRIES), "N",
	  "Failures after which it is started again (default 0: never)", NULL, NULL },
	{ "health-startup-success", 0, OPT_STRING, HEALTH(STARTUP_SUCCESS), "N",
	  "Successes after which the other check begins (default 0: one)", NULL, NULL },
	{ "health-startup-timeout", 0, OPT_STRING, HEALTH(STARTUP_TIMEOUT), "DURATION",
	  "Time that such a check may take (default 30s)", NULL, NULL },
	{ "health-timeout", 0, OPT_STRING, HEALTH(TIMEOUT), "DURATION",
	  "Time that a check may take (default 30s)", NULL, NULL },
	{ "hostname", 'h', OPT_STRING, AT(hostname), "NAME", "Set the container's host name", NULL,
	  NULL },
	{ "image-volume", 0, OPT_CALL, 0, "MODE",
	  "VOLUME directories of the image: anonymous (default), tmpfs or ignore",
	  "anonymous|tmpfs|ignore", on_image_volume },
	{ "init", 0, OPT_FLAG, AT(init), NULL,
	  "Run an init as pid 1 that reaps processes and passes signals on", NULL, NULL },
	{ "interactive", 'i', OPT_FLAG, AT(interactive), NULL, "Keep standard input open", NULL,
	  NULL },
	{ "ip", 0, OPT_STRING, AT(ip), "ADDRESS", "IPv4 address on the user-defined network", NULL,
	  NULL },
	{ "ip6", 0, OPT_STRING, AT(ip6), "ADDRESS", "IPv6 address on the user-defined network",
	  NULL, NULL },
	{ "ipc", 0, OPT_CALL, 0, "MODE", "IPC namespace: host or private", "host|private", on_ipc },
	{ "label", 'l', OPT_STRINGS, AT(labels), "KEY=VALUE", "Set a label", NULL, NULL },
	{ "log-driver", 0, OPT_CALL, 0, "DRIVER",
	  "Where output goes: k8s-file, json-file, journald, none or passthrough",
	  "k8s-file|json-file|journald|none|passthrough", on_log_driver },
	{ "log-opt", 0, OPT_CALL, 0, "KEY=VALUE",
	  "path=, max-size=, max-file=, tag=", "path=|max-size=|max-file=|tag=", on_log_opt },
	{ "mac-address", 0, OPT_STRING, AT(mac), "ADDRESS",
	  "Address of the network device on the user-defined network", NULL, NULL },
	{ "mount", 0, OPT_CALL, 0, "type=TYPE,...",
	  "Mount a directory of the host, a volume or a tmpfs", NULL, on_mount },
	{ "name", 0, OPT_STRING, AT(name), "NAME", "Name the container", NULL, NULL },
	{ "net", 0, OPT_CALL, 0, "MODE", NULL, "network", on_network },
	{ "network", 0, OPT_CALL, 0, "MODE",
	  "Network: slirp[:OPT=VALUE,...], host, none, container:NAME, ns:PATH, or NAME[:OPT=VALUE,...] of "
	  "user-defined ones",
	  "network", on_network },
	{ "network-alias", 0, OPT_STRINGS, AT(network_alias), "NAME",
	  "Another name of the container on its user-defined networks", NULL, NULL },
	{ "no-healthcheck", 0, OPT_FLAG, AT(no_healthcheck), NULL,
	  "Do not run the image's health check", NULL, NULL },
	{ "oom-kill-disable", 0, OPT_FLAG, AT(limits.oom_kill_disable), NULL,
	  "Let processes wait for memory instead of being killed (cgroup version 1)", NULL, NULL },
	{ "oom-score-adj", 0, OPT_STRING, AT(limits.oom_score_adj), "NUMBER",
	  "How soon the kernel kills it when memory is short, -1000 to 1000", NULL, NULL },
	{ "pid", 0, OPT_CALL, 0, "MODE", "PID namespace: host or private", "host|private", on_pid },
	{ "pidfile", 0, OPT_STRING, AT(pidfile), "FILE", "Write the container's process id to FILE",
	  "file", NULL },
	{ "platform", 0, OPT_STRING, AT(platform), "OS/ARCH[/VARIANT]",
	  "Choose this platform of a multi-platform image", NULL, NULL },
	{ "preserve-fds", 0, OPT_UINT, AT(preserve_fds), "N",
	  "Pass N file descriptors, from 3 on, into the container", NULL, NULL },
	{ "privileged", 0, OPT_FLAG, AT(privileged), NULL,
	  "Give the container all that the caller could do in a user namespace", NULL, NULL },
	{ "publish", 'p', OPT_CALL, 0, "[[IP:][HOST-PORT]:]PORT[/udp]",
	  "Publish a port or range of ports on the host", NULL, on_publish },
	{ "publish-all", 'P', OPT_FLAG, AT(publish_all), NULL,
	  "Publish the image's and --expose's ports on free ports of the host", NULL, NULL },
	{ "pull", 0, OPT_CALL, 0, "POLICY", "Pull the image: always, missing, never or newer",
	  "always|missing|never|newer", on_pull },
	{ "quiet", 'q', OPT_FLAG, AT(quiet), NULL, "Do not show the progress of a pull", NULL,
	  NULL },
	{ "read-only", 0, OPT_FLAG, AT(read_only), NULL,
	  "Make the root file system read-only (not /run, /tmp, /var/tmp)", NULL, NULL },
	{ "replace", 0, OPT_FLAG, AT(replace), NULL, "Remove a container of the same name first",
	  NULL, NULL },
	{ "require-limits", 0, OPT_FLAG, AT(limits.require), NULL,
	  "Fail where limits cannot be set by a cgroup", NULL, NULL },
	{ "restart", 0, OPT_CALL, 0, "POLICY",
	  "Start again when it ends: no, on-failure[:N], always, unless-stopped",
	  "no|on-failure|always|unless-stopped", on_restart },
	{ "rm", 0, OPT_FLAG, AT(rm), NULL, "Remove the container when it ends", NULL, NULL },
	{ "rootfs", 0, OPT_FLAG, AT(rootfs), NULL,
	  "The argument is a directory, not an image (DIR:O: keep it unchanged)", NULL, NULL },
	{ "sdnotify", 0, OPT_CALL, 0, "WHEN",
	  "When $NOTIFY_SOCKET hears READY=1: container (default), conmon, healthy, ignore",
	  "container|conmon|healthy|ignore", on_sdnotify },
	{ "security-opt", 0, OPT_CALL, 0, "OPTION",
	  "seccomp=, no-new-privileges, mask=, unmask=", NULL, on_security_opt },
	{ "shm-size", 0, OPT_SIZE, AT(shm_size), "SIZE", "Size of /dev/shm", NULL, NULL },
	{ "sig-proxy", 0, OPT_FLAG, AT(sig_proxy), NULL,
	  "Pass signals on to the container (default true)", NULL, NULL },
	{ "stop-signal", 0, OPT_CALL, 0, "SIGNAL", "Signal that stops the container", NULL,
	  on_stop_signal },
	{ "stop-timeout", 0, OPT_UINT, AT(stop_timeout), "SECONDS",
	  "Time to stop before the container is killed", NULL, NULL },
	{ "sysctl", 0, OPT_STRINGS, AT(sysctls), "KEY=VALUE",
	  "Set a kernel parameter of the container's namespaces", NULL, NULL },
	{ "timeout", 0, OPT_UINT, AT(timeout), "SECONDS", "Kill the container after this time",
	  NULL, NULL },
	{ "tls-verify", 0, OPT_TRISTATE, AT(tls_verify), NULL,
	  "Require HTTPS and verify certificates (default true)", NULL, NULL },
	{ "tmpfs", 0, OPT_CALL, 0, "DIR[:OPTIONS]", "Mount a tmpfs", NULL, on_tmpfs },
	{ "tty", 't', OPT_FLAG, AT(tty), NULL, "Give the container a terminal", NULL, NULL },
	{ "ulimit", 0, OPT_CALL, 0, "NAME=SOFT[:HARD]", "Set a resource limit", NULL, on_ulimit },
	{ "user", 'u', OPT_STRING, AT(user), "USER[:GROUP]", "Run as this user of the container",
	  NULL, NULL },
	{ "userns", 0, OPT_CALL, 0, "MODE", "User namespace: host, keep-id[:uid=N,gid=N] or nomap",
	  "host|keep-id|nomap", on_userns },
	{ "uts", 0, OPT_CALL, 0, "MODE", "UTS namespace: host or private", "host|private", on_uts },
	{ "volume", 'v', OPT_CALL, 0, "[HOST-PATH|NAME:]CONTAINER-PATH[:OPTIONS]",
	  "Mount a directory or file of the host, or a volume", "dir", on_volume },
	{ "volumes-from", 0, OPT_CALL, 0, "CONTAINER[:OPTIONS]",
	  "Mount what this container has mounted", "container", on_volumes_from },
	{ "workdir", 'w', OPT_STRING, AT(workdir), "DIR", "Working directory in the container",
	  NULL, NULL },
	LIMITS_OPTIONS(struct run_options, limits),
	OPTION_END
};

const struct cmd_verb cmd_verb_run = {
	.name = "run",
	.run = cmd_run,
	.options = options,
	.usage = "[OPTIONS] IMAGE [COMMAND [ARG...]]",
	.summary = "Run a command in a new container",
	.runs_containers = true,
	.stops_at_operand = true,
	.operands = OPERANDS_IMAGE,
};

const struct cmd_verb cmd_verb_create = {
	.name = "create",
	.run = cmd_create,
	.options = options,
	.usage = "[OPTIONS] IMAGE [COMMAND [ARG...]]",
	.summary = "Make a container without starting it",
	.details =
		"The options are those of crt run; those that are about a running crt have no effect.",
	.stops_at_operand = true,
	.operands = OPERANDS_IMAGE,
};

/* Copy an optional string into the request. */
static int take(char **to, const char *from)
{
	if (from == NULL)
		return 0;
	*to = strdup(from);
	return *to != NULL ? 0 : -ENOMEM;
}

static void move_list(struct strv *to, struct strv *from)
{
	strv_fini(to);
	*to = *from;
	*from = (struct strv){ 0 };
}

static int take_groups(struct run_request *req, const struct strv *groups)
{
	for (size_t i = 0; i < groups->n; i++) {
		if (strcmp(groups->v[i], "keep-groups") == 0)
			req->keep_groups = true;
		else if (strv_add(&req->group_add, groups->v[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --rootfs: the operand is DIR or DIR:O */
static int take_rootfs(struct run_request *req, const char *operand, struct error *e)
{
	_cleanup_free_ char *dir = strdup(operand);
	int r;

	if (dir == NULL)
		return error_set(e, -ENOMEM, "--rootfs %s", operand);
	if (str_ends(dir, ":O")) {
		dir[strlen(dir) - 2] = '\0';
		req->rootfs_overlay = true;
	}
	r = path_canonical(dir, &req->rootfs);
	return r < 0 ? error_set(e, r, "--rootfs %s", dir) : 0;
}

static int take_env(struct run_request *req, const struct run_options *o, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->env_file.n; i++)
		r = request_add_env_file(req, o->env_file.v[i], e);
	for (size_t i = 0; r == 0 && i < o->env.n; i++)
		r = request_add_env(req, o->env.v[i], e);
	return r;
}

static int check(const struct run_request *req, struct error *e)
{
	if (req->name != NULL && !id_name_valid(req->name))
		return error_setf(
			e, -EINVAL,
			"--name: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]* and have at most %d characters",
			LIMIT_NAME);
	if (req->platform != NULL && (strchr(req->platform, '/') == NULL || req->rootfs != NULL))
		return error_setf(e, -EINVAL, "--platform %s: %s", req->platform,
				  req->rootfs != NULL ? "cannot be used with --rootfs" :
							"expected OS/ARCH[/VARIANT]");
	for (size_t i = 0; i < req->labels.n; i++)
		if (req->labels.v[i][0] == '=' || req->labels.v[i][0] == '\0')
			return error_setf(e, -EINVAL, "--label %s: expected KEY[=VALUE]",
					  req->labels.v[i]);
	if (req->keep_groups && req->group_add.n > 0)
		return error_setf(e, -EINVAL,
				  "--group-add keep-groups cannot be used with other groups");
	if (req->rm && req->restart != REQUEST_RESTART_NO &&
	    req->restart != REQUEST_RESTART_ON_FAILURE)
		return error_setf(e, -EINVAL, "--restart %s cannot be used with --rm",
				  request_restart_name(req->restart));
	if (req->detach_keys != NULL && attach_check_keys(req->detach_keys, e) < 0)
		return -EINVAL;
	if (req->replace && req->name == NULL)
		return error_setf(e, -EINVAL, "--replace needs --name");
	if (req->detach && req->preserve_fds > 0)
		return error_setf(e, -EINVAL, "--preserve-fds cannot be used with --detach");
	if (req->preserve_fds > 1000)
		return error_setf(e, -EINVAL, "--preserve-fds %u: at most 1000", req->preserve_fds);
	return 0;
}

/* A container may be started again from elsewhere. */
static int absolute_pcap(struct net_request *net, struct error *e)
{
	_cleanup_free_ char *cwd = NULL;
	char *path;

	if (net->pcap == NULL || net->pcap[0] == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	path = cwd != NULL ? str_printf("%s/%s", cwd, net->pcap) : NULL;
	if (path == NULL)
		return error_set(e, -errno, "--network: pcap=%s", net->pcap);
	free(net->pcap);
	net->pcap = path;
	return 0;
}

static int check_expose(const struct run_request *req, struct error *e)
{
	struct net_request scratch;
	int r = 0;

	net_request_init(&scratch);
	for (size_t i = 0; r == 0 && i < req->expose.n; i++)
		r = net_parse_exposed(req->expose.v[i], &scratch, e);
	net_request_fini(&scratch);
	return r < 0 ? error_prefix(e, "--expose") : 0;
}

/* As podman: scripts add -p to whatever network they are given. */
static void drop_ports(struct run_request *req)
{
	if (req->net.mode == NET_MODE_SLIRP || (req->net.forwards_n == 0 && !req->publish_all))
		return;
	log_warning("%s is ignored: with --network %s", req->net.forwards_n == 0 ? "-P" : "-p",
		    req->net.mode == NET_MODE_HOST ?
			    "host the container's ports are ports of the host" :
		    req->net.mode == NET_MODE_JOIN ?
			    "container: and ns: ports are published by who made the network" :
			    "none the container cannot be reached");
	req->publish_all = false;
	req->net.forwards_n = 0;
}

static int take_all(struct run_request *req, struct run_options *o, int argc, char **argv,
		    struct error *e)
{
	int r;

	req->rm = o->rm;
	req->interactive = o->interactive;
	req->tty = o->tty;
	req->init = o->init;
	req->detach = o->detach;
	req->replace = o->replace;
	req->timeout = o->timeout;
	req->quiet = o->quiet;
	req->explain = o->explain;
	req->privileged = o->privileged;
	req->read_only = o->read_only;
	req->sig_proxy = o->sig_proxy;
	req->tls_verify = o->tls_verify;
	req->preserve_fds = o->preserve_fds;
	req->stop_timeout = o->stop_timeout;
	req->shm_size = o->shm_size;
	move_list(&req->labels, &o->labels);
	move_list(&req->annotations, &o->annotations);
	move_list(&req->cap_add, &o->cap_add);
	move_list(&req->cap_drop, &o->cap_drop);
	move_list(&req->devices, &o->devices);
	move_list(&req->sysctls, &o->sysctls);
	move_list(&req->add_host, &o->add_host);
	move_list(&req->expose, &o->expose);
	req->publish_all = o->publish_all;
	move_list(&req->net.dns, &o->dns);
	move_list(&req->net.dns_search, &o->dns_search);
	move_list(&req->net.dns_option, &o->dns_option);
	if (take(&req->name, o->name) < 0 || take(&req->workdir, o->workdir) < 0 ||
	    take(&req->user, o->user) < 0 || take(&req->hostname, o->hostname) < 0 ||
	    take(&req->platform, o->platform) < 0 || take(&req->authfile, o->authfile) < 0 ||
	    take(&req->cidfile, o->cidfile) < 0 || take(&req->detach_keys, o->detach_keys) < 0 ||
	    take(&req->pidfile, o->pidfile) < 0 ||
	    take(&req->conmon_pidfile, o->conmon_pidfile) < 0 || take(&req->image, argv[0]) < 0 ||
	    take_groups(req, &o->group_add) < 0)
		return error_set(e, -ENOMEM, "reading the command line");
	for (int i = 1; i < argc; i++)
		if (strv_add(&req->args, argv[i]) < 0)
			return error_set(e, -ENOMEM, "reading the command line");
	r = take_env(req, o, e);
	if (r == 0 && o->rootfs)
		r = take_rootfs(req, argv[0], e);
	if (r == 0)
		r = request_health_take(&req->health, o->health, o->no_healthcheck, e);
	if (r == 0)
		r = limits_take(&req->limits, &o->limits, e);
	if (r == 0)
		r = check(req, e);
	if (r == 0)
		r = net_check_dns(&req->net, e);
	if (r == 0)
		r = check_expose(req, e);
	if (r == 0)
		r = net_check_members(&req->net, o->ip, o->ip6, o->mac, &o->network_alias, e);
	if (r == 0)
		r = absolute_pcap(&req->net, e);
	if (r == 0)
		drop_ports(req);
	return r;
}

static void options_fini(struct run_options *o)
{
	struct strv *lists[] = { &o->env,	 &o->env_file, &o->labels,	 &o->annotations,
				 &o->cap_add,	 &o->cap_drop, &o->devices,	 &o->sysctls,
				 &o->group_add,	 &o->add_host, &o->dns,		 &o->dns_search,
				 &o->dns_option, &o->expose,   &o->network_alias };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_fini(lists[i]);
	limits_options_fini(&o->limits);
}

/* All of these can end up in config.json, which holds no other texts. */
static int check_arguments(int argc, char **argv, struct error *e)
{
	for (int i = 0; i < argc; i++)
		if (!json_is_text(argv[i])) {
			_cleanup_free_ char *shown = str_escape(argv[i]);

			return error_setf(
				e, -EILSEQ,
				"argument \"%.100s\" is not valid UTF-8, as everything in "
				"a container's configuration must be",
				shown != NULL ? shown : "");
		}
	return 0;
}

/* What came from the caller's environment or a file. The value may be a secret. */
static int check_env(const struct run_request *req, struct error *e)
{
	for (size_t i = 0; i < req->env.n; i++)
		if (!json_is_text(req->env.v[i])) {
			_cleanup_free_ char *shown = str_escape(req->env.v[i]);

			return error_setf(e, -EILSEQ,
					  "the environment variable %.*s is not valid UTF-8, as "
					  "everything in a container's configuration must be",
					  shown != NULL ? (int)strcspn(shown, "=") : 0,
					  shown != NULL ? shown : "");
		}
	return 0;
}

bool run_options_parse(const struct cmd_verb *verb, int argc, char **argv, struct run_request *req,
		       int *ret_code)
{
	struct run_options o = {
		.req = req,
		.sig_proxy = req->sig_proxy,
		.tls_verify = req->tls_verify,
		.stop_timeout = req->stop_timeout,
		.shm_size = req->shm_size,
	};
	struct error e = ERROR_INIT;
	int first = opt_parse(verb, argc, argv, &o, ret_code);
	bool ok = false;

	if (first >= 0 && check_arguments(argc, argv, &e) < 0) {
		log_error(&e);
		*ret_code = EXIT_CRT;
	} else if (first >= 0 && first == argc) {
		*ret_code = opt_usage_error(verb, "an image name is missing");
	} else if (first >= 0) {
		ok = take_all(req, &o, argc - first, argv + first, &e) == 0 &&
		     check_env(req, &e) == 0;
		if (!ok) {
			log_error(&e);
			*ret_code = EXIT_CRT;
		}
	}
	options_fini(&o);
	return ok;
}
