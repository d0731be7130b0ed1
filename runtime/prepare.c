/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From struct spec to the plan of the child: the process and its namespaces.
 *
 * Theory of operation: everything that needs memory, names or comparison of
 * strings happens here, in the parent, before the clone. Memory comes from
 * one list of blocks that dies with struct prepared; fds are recorded there
 * too, so that any failure releases everything at one place. The plan keeps
 * pointers into struct spec, which must therefore live as long.
 *
 * Trust: strings of the spec are hostile but only copied. What is decided
 * here: which namespaces need an intermediate process (see child_join.c),
 * whether PATH must be searched, which limits of this host are asked about.
 * A crash leaves nothing: no object outside this process exists yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/lsm.h"
#include "runtime/prepare.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

#define CGROUP2_MAGIC 0x63677270

struct prepare_block {
	struct prepare_block *next;
	max_align_t data[];
};

void prepared_init(struct prepared *pr)
{
	*pr = (struct prepared){ .blocks = NULL };
	pr->plan.sync_fd = -1;
	pr->plan.parent_fd = -1;
	pr->plan.listen_fd = -1;
	pr->plan.proc_fd = -1;
	pr->plan.console_sock_fd = -1;
	pr->plan.hook_state_fd = -1;
	pr->plan.hook_start_state_fd = -1;
	pr->plan.notify_fd = -1;
	pr->plan.cgroup_dir_fd = -1;
	pr->plan.join_pid_fd = -1;
	pr->plan.scope_fd = -1;
	for (int i = 0; i < 3; i++)
		pr->plan.stdio[i] = -1;
}

void prepared_fini(struct prepared *pr)
{
	while (pr->blocks != NULL) {
		struct prepare_block *b = pr->blocks;

		pr->blocks = b->next;
		free(b);
	}
	for (size_t i = 0; i < pr->fds_n; i++)
		close_fd(&pr->fds[i]);
	close_fd(&pr->plan.listen_fd);
	seccomp_program_fini(&pr->seccomp);
	prepared_init(pr);
}

void *prepared_alloc(struct prepared *pr, size_t n, size_t size)
{
	struct prepare_block *b;
	size_t bytes;

	if (!mul_size(n, size, &bytes) || !add_size(bytes, sizeof(*b), &bytes))
		return NULL;
	b = calloc(1, bytes);
	if (b == NULL)
		return NULL;
	b->next = pr->blocks;
	pr->blocks = b;
	return b->data;
}

char *prepared_printf(struct prepared *pr, const char *fmt, ...)
{
	va_list ap, again;
	char *ret;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ret = n < 0 ? NULL : prepared_alloc(pr, (size_t)n + 1, 1);
	if (ret != NULL)
		(void)vsnprintf(ret, (size_t)n + 1, fmt, again);
	va_end(again);
	return ret;
}

int prepared_own_fd(struct prepared *pr, int fd)
{
	if (pr->fds_n == sizeof(pr->fds) / sizeof(pr->fds[0])) {
		(void)close(fd); /* refused */
		return -EMFILE;
	}
	pr->fds[pr->fds_n++] = fd;
	return fd;
}

void prepared_close_fd(struct prepared *pr, int *fd)
{
	for (size_t i = 0; i < pr->fds_n; i++)
		if (*fd >= 0 && pr->fds[i] == *fd)
			close_fd(&pr->fds[i]);
	*fd = -1;
}

int prepare_host_probe(int proc_fd, struct prepare_host *ret, struct error *e)
{
	_cleanup_free_ char *map = NULL;
	unsigned long long inside = 1, outside = 0, count = 0;
	struct statfs sfs;
	int r;

	r = procfs_read(proc_fd, "self/uid_map", 64 << 10, &map);
	if (r < 0 && r != -ENOENT)
		return error_set(e, r, "read /proc/self/uid_map");
	if (map != NULL)
		(void)sscanf(map, "%llu %llu %llu", &inside, &outside, &count);
	ret->in_userns = map != NULL && !(inside == 0 && outside == 0 && count == 4294967295ULL);
	ret->cgroup2 = statfs("/sys/fs/cgroup", &sfs) == 0 && sfs.f_type == CGROUP2_MAGIC;
	ret->euid = geteuid();
	ret->egid = getegid();
	return 0;
}

int prepare_parse_list(const char *text, unsigned long *words, size_t words_n)
{
	const size_t bits = 8 * sizeof(unsigned long);
	const char *s = text;

	while (*s != '\0') {
		unsigned long from, to;
		char *end;

		while (*s == ' ' || *s == '\n')
			s++;
		if (*s < '0' || *s > '9')
			return -EINVAL;
		from = to = strtoul(s, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			to = strtoul(end + 1, &end, 10);
		}
		if (to < from)
			return -EINVAL;
		if (to >= words_n * bits)
			return -ERANGE;
		for (unsigned long i = from; i <= to; i++)
			words[i / bits] |= 1UL << (i % bits);
		while (*end == ' ' || *end == '\n')
			end++;
		if (*end == ',')
			end++;
		else if (*end != '\0')
			return -EINVAL;
		s = end;
	}
	return 0;
}

/* PATH from the container's environment as directories. */
static int split_path(struct prepared *pr, const char *path, struct error *e)
{
	size_t n = 1, at = 0;
	const char **dirs;
	char *copy;

	for (const char *s = path; *s != '\0'; s++)
		n += *s == ':';
	dirs = prepared_alloc(pr, n, sizeof(*dirs));
	copy = prepared_printf(pr, "%s", path);
	if (dirs == NULL || copy == NULL)
		return error_set(e, -ENOMEM, "PATH");
	while (copy != NULL) {
		char *dir = strsep(&copy, ":");

		if (dir[0] == '/') /* relative entries are never searched */
			dirs[at++] = dir;
	}
	pr->plan.path_dirs = dirs;
	pr->plan.path_dirs_n = at;
	return 0;
}

/* A later word for the same name counts, as if each were set in turn. */
static bool is_set_later(const struct spec_process *p, size_t i)
{
	size_t len = strcspn(p->env[i], "=") + 1;

	for (size_t k = i + 1; k < p->env_n; k++)
		if (strncmp(p->env[k], p->env[i], len) == 0)
			return true;
	return false;
}

static int prepare_env(struct prepared *pr, const struct spec_process *p, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	const char *path = NULL;
	bool home = false;
	size_t at = 0;

	/* HOME, LISTEN_PID, LISTEN_FDS, NOTIFY_SOCKET and the end */
	plan->envp = prepared_alloc(pr, p->env_n + 6, sizeof(char *));
	if (plan->envp == NULL)
		return error_set(e, -ENOMEM, "process.env");
	for (size_t i = 0; i < p->env_n; i++) {
		/* an empty HOME is looked up as a missing one is */
		if (is_set_later(p, i) || strcmp(p->env[i], "HOME=") == 0)
			continue;
		memcpy(&plan->envp[at++], &p->env[i], sizeof(char *)); /* never written through */
		if (str_starts(p->env[i], "PATH="))
			path = p->env[i] + strlen("PATH=");
		home = home || str_starts(p->env[i], "HOME=");
	}
	plan->envp_free = at;
	plan->set_home = !home;
	if (p->args_n > 0 && strchr(p->args[0], '/') == NULL && path != NULL)
		return split_path(pr, path, e);
	return 0;
}

static int prepare_seccomp(struct prepared *pr, const json_t *seccomp, struct error *e)
{
	int r;

	r = seccomp_compile(seccomp, &pr->seccomp, e);
	if (r < 0)
		return error_prefix(e, "linux.seccomp");
	if (pr->seccomp.filter == NULL)
		return 0;
	pr->fprog.filter = pr->seccomp.filter;
	pr->fprog.len = pr->seccomp.len;
	pr->plan.seccomp = &pr->fprog;
	pr->plan.seccomp_flags = pr->seccomp.flags;
	return 0;
}

int prepare_notify(struct prepared *pr, const char *state, struct error *e)
{
	static const char marker[] = "\"pid\":0,";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct child_plan *plan = &pr->plan;
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *text = NULL;
	char *copy, *second;
	int fd;

	if (!pr->seccomp.has_notify)
		return 0;
	if (strlen(pr->seccomp.listener_path) >= sizeof(sa.sun_path))
		return error_set(e, -ENAMETOOLONG, "linux.seccomp.listenerPath");
	memcpy(sa.sun_path, pr->seccomp.listener_path, strlen(pr->seccomp.listener_path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(e, -errno, "socket");
	plan->notify_fd = fd = prepared_own_fd(pr, fd);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return error_set(e, fd < 0 ? fd : -errno, "connect to the seccomp agent %s",
				 sa.sun_path);
	/* the pid is known to the new process only: it puts it between the pieces */
	j = json_pack("{s:s,s:[s],s:i,s:s*,s:o}", "ociVersion", "1.0.2", "fds", "seccompFd", "pid",
		      0, "metadata", pr->seccomp.listener_metadata, "state",
		      json_loads(state, 0, NULL));
	text = j == NULL ? NULL : json_to_text(j);
	copy = text == NULL ? NULL : prepared_printf(pr, "%s", text);
	if (copy == NULL)
		return error_set(e, -ENOMEM, "linux.seccomp.listenerPath");
	plan->notify_text[0] = copy;
	for (int i = 1; i < 3; i++) {
		second = strstr(copy, marker);
		if (second == NULL)
			return error_setf(e, -EINVAL,
					  "linux.seccomp.listenerPath: malformed state");
		second[strlen("\"pid\":")] = '\0';
		copy = second + strlen("\"pid\":0");
		plan->notify_text[i] = copy;
	}
	plan->seccomp_flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return 0;
}

int prepare_process(struct prepared *pr, const struct spec_process *p, const json_t *seccomp,
		    struct error *e)
{
	struct child_plan *plan = &pr->plan;
	int r;

	plan->process = p;
	plan->terminal = p->terminal;
	memcpy(plan->caps, p->caps, sizeof(plan->caps));
	if (p->unknown_cap[0] != '\0')
		log_warning("process.capabilities: %s is unknown and ignored", p->unknown_cap);
	if ((r = prepare_env(pr, p, e)) < 0 ||
	    (r = lsm_prepare(pr, p->apparmor, p->selinux, e)) < 0)
		return r;
	return prepare_seccomp(pr, seccomp, e);
}

static int open_joins(struct prepared *pr, const struct spec *s, struct error *e)
{
	struct child_plan *plan = &pr->plan;

	for (int k = 0; k < SPEC_NS_COUNT; k++) {
		int fd;

		if (s->ns[k].path == NULL)
			continue;
		fd = open(s->ns[k].path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_set(e, -errno, "open the %s namespace %s",
					 spec_ns_name((enum spec_ns)k), s->ns[k].path);
		fd = prepared_own_fd(pr, fd);
		if (fd < 0)
			return error_set(e, fd, "linux.namespaces");
		plan->joins[plan->joins_n].fd = fd;
		plan->joins[plan->joins_n].flag = (int)spec_ns_flag((enum spec_ns)k);
		plan->joins[plan->joins_n].ns = (enum spec_ns)k;
		plan->joins_n++;
	}
	return 0;
}

/* The namespace's root, or what stands for it where id 0 is not mapped. */
static uint32_t root_of(const struct id_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].inside == 0)
			return 0;
	return n > 0 ? r[0].inside : 0;
}

int prepare_namespaces(struct prepared *pr, const struct spec *s, const struct prepare_host *h,
		       struct error *e)
{
	struct child_plan *plan = &pr->plan;
	bool user_new = s->ns[SPEC_NS_USER].present && s->ns[SPEC_NS_USER].path == NULL;
	bool time_new = s->ns[SPEC_NS_TIME].present && s->ns[SPEC_NS_TIME].path == NULL;
	int r;

	if (!s->ns[SPEC_NS_USER].present && h->euid != 0)
		return error_setf(e, -EPERM, "rootless container requires user namespaces");
	for (int k = 0; k < SPEC_NS_COUNT; k++)
		if (s->ns[k].present && s->ns[k].path == NULL)
			plan->clone_flags |= spec_ns_flag((enum spec_ns)k);
	if ((r = open_joins(pr, s, e)) < 0)
		return r;
	if (user_new && s->idmap.uid_n == 0 && s->idmap.gid_n == 0 && h->euid == 0)
		return error_setf(
			e, -EINVAL,
			"user namespaces enabled, but no mappings found: uidMappings and gidMappings are required");
	plan->in_userns = h->in_userns || s->ns[SPEC_NS_USER].present;
	plan->setgroups_denied = plan->in_userns;
	plan->wait_map = user_new;
	plan->maps_by_root = h->euid == 0 && !h->in_userns;
	if (s->ns[SPEC_NS_USER].present) {
		plan->become_root = true;
		plan->root_uid = root_of(s->idmap.uid, s->idmap.uid_n);
		plan->root_gid = root_of(s->idmap.gid, s->idmap.gid_n);
	}
	plan->new_net = s->ns[SPEC_NS_NETWORK].present;
	plan->cgroup_ns = s->ns[SPEC_NS_CGROUP].present;
	plan->cgroup2 = h->cgroup2;
	if (time_new && (s->monotonic.present || s->boottime.present)) {
		plan->clone_flags &= ~(uint64_t)CLONE_NEWTIME;
		plan->intermediate = true;
		plan->time_offsets = prepared_printf(
			pr, "monotonic %lld %u\nboottime %lld %u\n", (long long)s->monotonic.secs,
			s->monotonic.nanosecs, (long long)s->boottime.secs, s->boottime.nanosecs);
		if (plan->time_offsets == NULL)
			return error_set(e, -ENOMEM, "linux.timeOffsets");
	}
	for (size_t i = 0; i < plan->joins_n; i++) {
		enum spec_ns ns = plan->joins[i].ns;

		if (user_new || ns == SPEC_NS_USER || ns == SPEC_NS_PID || ns == SPEC_NS_MOUNT ||
		    ns == SPEC_NS_TIME)
			plan->intermediate = true;
	}
	return 0;
}

static int prepare_sysctls(struct prepared *pr, const struct spec *s, struct error *e)
{
	struct plan_sysctl *v;
	const char *key;
	json_t *val;
	size_t n = json_object_size(s->sysctl), at = 0;

	if (n == 0)
		return 0;
	v = prepared_alloc(pr, n, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "linux.sysctl");
	json_object_foreach(s->sysctl, key, val) {
		char *path = prepared_printf(pr, "sys/%s", key);
		bool slashes = strchr(key, '/') != NULL;

		if (path == NULL)
			return error_set(e, -ENOMEM, "linux.sysctl");
		/* "net/ipv4/conf/eth0.1/forwarding" keeps its dots, "net.ipv4.ip_forward" has slashes for dots */
		for (char *c = path; !slashes && *c != '\0'; c++)
			if (*c == '.')
				*c = '/';
		v[at].path = path;
		v[at].value = json_string_value(val);
		at++;
	}
	pr->plan.sysctls = v;
	pr->plan.sysctls_n = at;
	return 0;
}

int prepare_settings(struct prepared *pr, const struct spec *s, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	int r;

	if (s->hostname != NULL && s->hostname[0] != '\0')
		plan->hostname = s->hostname;
	if (s->domainname != NULL && s->domainname[0] != '\0')
		plan->domainname = s->domainname;
	plan->has_personality = s->has_personality;
	plan->personality = s->personality;
	if (s->has_mempolicy) {
		plan->has_mempolicy = true;
		plan->mempolicy_mode = s->mempolicy_mode;
		if (s->mempolicy_nodes != NULL) {
			r = prepare_parse_list(s->mempolicy_nodes, plan->mempolicy_nodes,
					       sizeof(plan->mempolicy_nodes) /
						       sizeof(plan->mempolicy_nodes[0]));
			if (r < 0)
				return error_set(e, r, "linux.memoryPolicy.nodes: \"%s\"",
						 s->mempolicy_nodes);
		}
	}
	return prepare_sysctls(pr, s, e);
}

static int convert_hooks(struct prepared *pr, const struct spec_hooks *from,
			 const struct plan_hook **ret, size_t *ret_n, struct error *e)
{
	struct plan_hook *v;

	if (from->n == 0)
		return 0;
	v = prepared_alloc(pr, from->n, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "hooks");
	for (size_t i = 0; i < from->n; i++) {
		const struct spec_hook *h = &from->v[i];
		const char **argv = h->args;

		if (argv == NULL || h->args_n == 0) {
			argv = prepared_alloc(pr, 2, sizeof(*argv));
			if (argv == NULL)
				return error_set(e, -ENOMEM, "hooks");
			argv[0] = h->path;
		}
		v[i].path = h->path;
		v[i].timeout = h->timeout;
		memcpy(&v[i].argv, &argv, sizeof(argv)); /* execve writes to none of them */
		memcpy(&v[i].envp, &h->env, sizeof(h->env));
	}
	*ret = v;
	*ret_n = from->n;
	return 0;
}

int prepare_hooks(struct prepared *pr, const struct spec *s, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	int r;

	r = convert_hooks(pr, &s->hooks[SPEC_HOOK_CREATE_CONTAINER], &plan->hooks_create,
			  &plan->hooks_create_n, e);
	if (r == 0)
		r = convert_hooks(pr, &s->hooks[SPEC_HOOK_START_CONTAINER], &plan->hooks_start,
				  &plan->hooks_start_n, e);
	plan->wait_hooks = plan->hooks_create_n > 0 || plan->hooks_start_n > 0 ||
			   s->hooks[SPEC_HOOK_PRESTART].n > 0 ||
			   s->hooks[SPEC_HOOK_CREATE_RUNTIME].n > 0;
	return r;
}
