/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's group as a transient scope of systemd (version 2 only).
 *
 * Theory of operation: crt-sdbus talks D-Bus for us, one per request. To
 * create, it makes the scope with itself in it, we write the limits that
 * systemd has no property for into the group's files, the container's process
 * is cloned where we are, and crt-sdbus has systemd move it over while it
 * waits; then crt-sdbus leaves. A crash on our side closes the socket: the
 * scope is empty and ends. Of the configuration the scope's name, its slice and
 * the annotations "org.systemd.property.NAME" are foreign: names are restricted
 * to what units and properties may be called, values to a few simple types. An
 * unprivileged user talks to his own systemd, root to the system's.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "runtime/cgroup.h"

#define HELPER_FD	  3
#define MESSAGE_MAX	  65536
#define ANNOTATION	  "org.systemd.property."
#define QUOTA_STEP	  10000 /* systemd keeps quotas in percents, and never cuts what was asked for */
#define CPU_WORDS	  128
#define DEFAULT_PERIOD_US 100000

extern char **environ;

static int helper_start(int *ret_fd, pid_t *ret_pid, struct error *e)
{
	static char name[] = "crt-sdbus";
	char *const argv[] = { name, NULL };
	_cleanup_fd_ int exe_fd = proc_find_helper(name, NULL, e), ours = -1, theirs = -1;
	struct proc_fd_map fds[1];
	struct proc_spawn s = { .path_fd = exe_fd,
				.argv = argv,
				.envp = environ,
				.fds = fds,
				.fds_n = 1,
				.die_with_parent = true };
	int sv[2], r;

	if (exe_fd < 0)
		return error_prefix(e, "the systemd cgroup manager");
	r = fd_socketpair(SOCK_SEQPACKET, sv);
	if (r < 0)
		return error_set(e, r, "make a socket pair for crt-sdbus");
	ours = sv[0];
	theirs = sv[1];
	fds[0] = (struct proc_fd_map){ .fd = theirs, .target = HELPER_FD };
	r = proc_spawn(&s, ret_pid, NULL, e);
	if (r < 0)
		return error_prefix(e, "start crt-sdbus");
	*ret_fd = ours;
	ours = -1;
	return 0;
}

/* Send a request and wait for the answer. *ret (may be NULL) is a new reference. */
static int ask(int fd, const json_t *request, json_t **ret, struct error *e)
{
	_cleanup_free_ char *text = request != NULL ? json_to_text(request) : NULL, *in = NULL;
	_cleanup_json_ json_t *answer = NULL;
	const char *why;
	ssize_t n;

	in = malloc(MESSAGE_MAX);
	if (text == NULL || in == NULL)
		return error_set(e, -ENOMEM, "systemd cgroup manager");
	if (strlen(text) >= MESSAGE_MAX)
		return error_setf(e, -E2BIG, "systemd cgroup manager: the properties are too long");
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return error_set(e, -errno, "talk to crt-sdbus");
	do
		n = recv(fd, in, MESSAGE_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return error_setf(e, -EIO, "systemd cgroup manager: crt-sdbus ended unexpectedly");
	answer = json_parse(in, (size_t)n, "answer of crt-sdbus", e);
	if (answer == NULL)
		return -EINVAL;
	why = json_string_value(json_object_get(answer, "error"));
	if (why != NULL)
		return error_setf(e, -EIO, "systemd cgroup manager: %s", why);
	if (ret != NULL)
		*ret = json_incref(answer);
	return 0;
}

static bool name_is_clean(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && strchr(":-_.\\@", s[i]) == NULL)
			return false;
	return n < 200;
}

/* linux.cgroupsPath is SLICE:PREFIX:NAME. Caller frees both. */
static int scope_name(const struct spec *s, const char *id, bool user, char **ret_unit,
		      char **ret_slice, struct error *e)
{
	const char *want = s->cgroups_path, *a, *b;

	if (want == NULL || want[0] == '\0') {
		*ret_unit = str_printf("crt-%s.scope", id);
		*ret_slice = strdup(user ? "user.slice" : "system.slice");
	} else {
		a = strchr(want, ':');
		b = a != NULL ? strchr(a + 1, ':') : NULL;
		if (b == NULL || b[1] == '\0' || !name_is_clean(want, (size_t)(a - want)) ||
		    !name_is_clean(a + 1, strlen(a + 1)))
			return error_setf(
				e, -EINVAL,
				"expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"%.200s\" instead",
				want);
		*ret_slice = a > want ? strndup(want, (size_t)(a - want)) :
			     user     ? strdup("user.slice") :
					strdup("system.slice");
		*ret_unit = str_printf("%.*s%s%s.scope", (int)(b - a - 1), a + 1,
				       b - a > 1 ? "-" : "", b + 1);
	}
	return *ret_unit == NULL || *ret_slice == NULL ?
		       error_set(e, -ENOMEM, "systemd cgroup manager") :
		       0;
}

static int add(json_t *list, const char *name, const char *type, json_t *value)
{
	json_t *item = value != NULL ? json_pack("[s,s,o]", name, type, value) : NULL;

	return item == NULL ? -ENOMEM : json_array_append_new(list, item) < 0 ? -ENOMEM : 0;
}

/* A number of 64 bits; negative is infinity. */
static int add_limit(json_t *list, const char *name, int64_t v)
{
	return add(list, name, "t", v < 0 ? json_string("infinity") : json_integer(v));
}

static int add_cpuset(json_t *list, const json_t *resources, const char *key, const char *name,
		      struct error *e)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(resources, "cpu"), key));
	unsigned long words[CPU_WORDS] = { 0 };
	size_t n = sizeof(words);
	json_t *bytes;
	int r;

	if (text == NULL || text[0] == '\0')
		return 0;
	r = prepare_parse_list(text, words, CPU_WORDS);
	if (r < 0)
		return error_set(e, r, "linux.resources.cpu.%s: \"%.64s\"", key, text);
	while (n > 0 && (words[(n - 1) / 8] >> ((n - 1) % 8 * 8) & 0xff) == 0)
		n--;
	bytes = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
			bytes, json_integer((json_int_t)(words[i / 8] >> (i % 8 * 8) & 0xff)));
	return add(list, name, "ay", bytes) < 0 ? error_set(e, -ENOMEM, "cgroup") : 0;
}

static int add_cpu(json_t *list, const json_t *resources)
{
	int64_t quota = 0, period = 0, shares = 0;
	int r = 0;

	if (cgroup_number(resources, "cpu", "shares", &shares) && shares != 0)
		r = add_limit(list, "CPUWeight", cgroup_cpu_weight(shares));
	if (cgroup_number(resources, "cpu", "period", &period) && period > 0)
		r = r < 0 ? r : add_limit(list, "CPUQuotaPeriodUSec", period);
	if (r < 0 || !cgroup_number(resources, "cpu", "quota", &quota) || quota == 0)
		return r;
	if (quota > 0) {
		if (quota > INT64_MAX / 2000000)
			quota = INT64_MAX / 2000000;
		quota = quota * 1000000 / (period > 0 ? period : DEFAULT_PERIOD_US);
		quota = (quota + QUOTA_STEP - 1) / QUOTA_STEP * QUOTA_STEP;
	}
	return add_limit(list, "CPUQuotaPerSecUSec", quota);
}

static int add_resources(json_t *list, const json_t *resources, struct error *e)
{
	int64_t limit = 0, v = 0;
	int r = 0;

	if (cgroup_number(resources, "memory", "limit", &limit) && limit != 0)
		r = add_limit(list, "MemoryMax", limit);
	if (r == 0 && cgroup_number(resources, "memory", "reservation", &v) && v != 0)
		r = add_limit(list, "MemoryLow", v);
	/* one that is too small is refused where the file is written */
	if (r == 0 && cgroup_number(resources, "memory", "swap", &v) && v != 0 &&
	    (v < 0 || v >= limit))
		r = add_limit(list, "MemorySwapMax", v < 0 ? v : v - (limit > 0 ? limit : 0));
	if (r == 0 && cgroup_number(resources, "pids", "limit", &v))
		r = add_limit(list, "TasksMax", v <= 0 ? -1 : v);
	if (r == 0)
		r = add_cpu(list, resources);
	if (r < 0)
		return error_set(e, r, "cgroup");
	r = add_cpuset(list, resources, "cpus", "AllowedCPUs", e);
	return r < 0 ? r : add_cpuset(list, resources, "mems", "AllowedMemoryNodes", e);
}

/* 'text' or "text" at *s, moved behind it; no escapes. NULL when there is none. */
static json_t *take_quoted(const char **s)
{
	const char *end = **s == '\'' || **s == '"' ? strchr(*s + 1, **s) : NULL;
	json_t *v;

	if (end == NULL)
		return NULL;
	v = json_stringn(*s + 1, (size_t)(end - *s - 1));
	*s = end + 1;
	return v;
}

static json_t *take_strings(const char *s)
{
	json_t *list = json_array(), *v;

	for (s++; *s != ']' && *s != '\0';) {
		s += strspn(s, ", ");
		v = take_quoted(&s);
		if (v == NULL || json_array_append_new(list, v) < 0)
			break;
		s += strspn(s, ", ");
	}
	if (strcmp(s, "]") == 0)
		return list;
	json_decref(list);
	return NULL;
}

/* "NAMESec" in seconds is how people write what systemd calls "NAMEUSec". */
static int add_seconds(json_t *list, const char *name, const char *text, struct error *e)
{
	_cleanup_free_ char *usec =
		str_printf("%.*sUSec", (int)(strlen(name) - strlen("Sec")), name);
	const char *s = strrchr(text, ' ') != NULL ? strrchr(text, ' ') + 1 : text;
	char *end = NULL;
	double v = *s >= '0' && *s <= '9' ? strtod(s, &end) : -1;

	if (v < 0 || *end != '\0' || v > 9.2e12 || !name_is_clean(name, strlen(name)))
		return error_setf(e, -EINVAL,
				  "annotation " ANNOTATION
				  "%.64s: \"%.64s\" is not a number of seconds",
				  name, text);
	return usec == NULL || add_limit(list, usec, (int64_t)(v * 1e6)) < 0 ?
		       error_set(e, -ENOMEM, "annotation") :
		       0;
}

static bool is_seconds(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 3, "Sec") == 0 && strcmp(name + n - 4, "USec") != 0;
}

/* One property in GVariant text: a string, a boolean, an integer with its type before it, or strings. */
static int add_annotation(json_t *list, const char *name, const char *text, struct error *e)
{
	static const struct {
		const char *word;
		const char *type;
	} integers[] = {
		{ "uint64 ", "t" }, { "uint32 ", "u" }, { "int64 ", "x" }, { "int32 ", "i" }
	};
	const char *s = text, *type = "i";
	json_t *value = NULL;
	char *end;

	if (*s == '\'' || *s == '"') {
		type = "s";
		value = take_quoted(&s);
	} else if (*s == '[') {
		type = "as";
		value = take_strings(s);
		s = "";
	} else if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
		type = "b";
		value = json_boolean(*s == 't');
		s = "";
	} else {
		for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
			if (strncmp(s, integers[i].word, strlen(integers[i].word)) == 0) {
				type = integers[i].type;
				s += strlen(integers[i].word);
				break;
			}
		errno = 0;
		value = json_integer(strtoll(s, &end, 10));
		s = end == s || errno != 0 ? "?" : end;
	}
	if (value == NULL || *s != '\0' || !name_is_clean(name, strlen(name)) || name[0] == '\0') {
		json_decref(value);
		return error_setf(e, -EINVAL,
				  "annotation " ANNOTATION "%.64s: cannot use the value \"%.64s\"",
				  name, text);
	}
	return add(list, name, type, value) < 0 ? error_set(e, -ENOMEM, "annotation") : 0;
}

static int scope_properties(struct prepared *pr, const struct spec *s, const char *id,
			    const char *slice, bool user, json_t **ret, struct error *e)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *title = str_printf("container %s", id);
	const char *key, *name;
	json_t *v;
	int r;

	if (title == NULL || add(list, "Description", "s", json_string(title)) < 0 ||
	    add(list, "Slice", "s", json_string(slice)) < 0 ||
	    add(list, "Delegate", "b", json_true()) < 0 ||
	    add(list, "DefaultDependencies", "b", json_false()) < 0 ||
	    add(list, "CollectMode", "s", json_string("inactive-or-failed")) < 0)
		return error_set(e, -ENOMEM, "systemd cgroup manager");
	r = add_resources(list, s->resources, e);
	/* the user's systemd may not load such programs */
	if (r == 0 && !user)
		r = cgroup_devices_systemd(pr->plan.proc_fd,
					   json_object_get(s->resources, "devices"), list, e);
	if (r < 0)
		return r;
	json_object_foreach(s->annotations, key, v) {
		if (strncmp(key, ANNOTATION, strlen(ANNOTATION)) != 0)
			continue;
		name = key + strlen(ANNOTATION);
		r = is_seconds(name) ? add_seconds(list, name, json_string_value(v), e) :
				       add_annotation(list, name, json_string_value(v), e);
		if (r < 0)
			return r;
	}
	*ret = json_incref(list);
	return 0;
}

/* Keep the connection until the process has been moved. */
static int keep(struct prepared *pr, int fd, pid_t pid, const char *unit, const char *sub,
		struct error *e)
{
	struct child_plan *plan = &pr->plan;

	plan->scope_fd = prepared_own_fd(pr, fd);
	if (plan->scope_fd < 0)
		return error_set(e, -EMFILE, "systemd cgroup manager");
	plan->scope_helper = pid;
	plan->scope_unit = prepared_printf(pr, "%s", unit);
	plan->scope_sub = prepared_printf(pr, "%s%s", sub != NULL && sub[0] != '/' ? "/" : "",
					  sub != NULL ? sub : "");
	return plan->scope_unit == NULL || plan->scope_sub == NULL ?
		       error_set(e, -ENOMEM, "systemd cgroup manager") :
		       0;
}

int cgroup_systemd_create(struct prepared *pr, const struct spec *s, const char *id, bool user,
			  json_t *record, struct error *e)
{
	_cleanup_json_ json_t *request = NULL, *answer = NULL, *properties = NULL;
	_cleanup_free_ char *unit = NULL, *slice = NULL, *dir = NULL;
	pid_t pid;
	int fd, r;

	if ((r = scope_name(s, id, user, &unit, &slice, e)) < 0 ||
	    (r = scope_properties(pr, s, id, slice, user, &properties, e)) < 0 ||
	    (r = helper_start(&fd, &pid, e)) < 0 || (r = keep(pr, fd, pid, unit, NULL, e)) < 0)
		return r;
	request = json_pack("{s:s,s:s,s:b,s:O}", "op", "start", "unit", unit, "user", user,
			    "properties", properties);
	r = ask(fd, request, &answer, e);
	if (r < 0)
		return r;
	dir = str_printf("/sys/fs/cgroup%s", json_string_value(json_object_get(answer, "path")));
	if (dir == NULL || json_object_set_new(record, "scope", json_string(unit)) < 0 ||
	    json_object_set_new(record, "user", json_boolean(user)) < 0 ||
	    json_object_set_new(json_object_get(record, "paths"), "", json_string(dir)) < 0)
		return error_set(e, -ENOMEM, "systemd cgroup manager");
	return 0;
}

int cgroup_systemd_enter(struct prepared *pr, const json_t *record, const char *sub,
			 struct error *e)
{
	const char *unit = json_string_value(json_object_get(record, "scope"));
	_cleanup_json_ json_t *request = NULL;
	pid_t pid;
	int fd, r;

	request = json_pack("{s:s,s:s,s:b}", "op", "join", "unit", unit, "user",
			    json_is_true(json_object_get(record, "user")));
	if ((r = helper_start(&fd, &pid, e)) < 0 || (r = keep(pr, fd, pid, unit, sub, e)) < 0)
		return r;
	return ask(fd, request, NULL, e);
}

int cgroup_systemd_attach(const struct child_plan *plan, pid_t pid, struct error *e)
{
	_cleanup_json_ json_t *request = json_pack("{s:s,s:s,s:s,s:i}", "op", "attach", "unit",
						   plan->scope_unit, "sub", plan->scope_sub, "pid",
						   (int)pid);
	int r = ask(plan->scope_fd, request, NULL, e);

	if (r == 0)
		(void)proc_wait(plan->scope_helper); /* it leaves the scope */
	return r;
}

static int one_request(const json_t *request, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	pid_t pid;
	int r = helper_start(&fd, &pid, e);

	if (r < 0)
		return r;
	r = ask(fd, request, NULL, e);
	(void)proc_wait(pid);
	return r;
}

int cgroup_systemd_update(const json_t *record, const json_t *resources, struct error *e)
{
	_cleanup_json_ json_t *request = NULL, *list = json_array();
	int r = add_resources(list, resources, e);

	if (r < 0 || json_array_size(list) == 0)
		return r;
	request = json_pack("{s:s,s:O,s:O,s:O}", "op", "set", "unit",
			    json_object_get(record, "scope"), "user",
			    json_object_get(record, "user"), "properties", list);
	return one_request(request, e);
}

int cgroup_systemd_stop(const json_t *record, struct error *e)
{
	_cleanup_json_ json_t *request = json_pack("{s:s,s:O,s:O}", "op", "stop", "unit",
						   json_object_get(record, "scope"), "user",
						   json_object_get(record, "user"));

	return one_request(request, e);
}
