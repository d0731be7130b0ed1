/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an OCI linux.seccomp object to the rules that seccomp_bpf.c turns into
 * a program.
 *
 * Theory of operation: the object comes from a bundle, so every value is
 * checked and named in the error; nothing of it is executed but the filter,
 * which can only take rights away. The meaning follows what callers of an OCI
 * runtime are used to:
 *
 * - The native ABI is always part of the filter, "architectures" adds more.
 *   ABIs that this kernel can never run are accepted and left out. A call
 *   from an ABI that is not listed is answered with ENOSYS where the default
 *   is an errno, else the thread (or process) is killed.
 * - Unknown names of system calls are skipped: a profile names calls of all
 *   ABIs and kernels.
 * - A rule that says what the default action says is skipped.
 * - Several rules on one call are alternatives; conditions in one rule must
 *   all hold. But a rule that names one argument twice becomes one rule for
 *   each of its conditions, which is how existing profiles are understood.
 * - Numbers above the highest named call get ENOSYS unless the default lets
 *   calls through: programs fall back from a call that the profile's author
 *   did not know, but they give up on EPERM.
 * - socket(2) and friends also exist as numbers of socketcall(2), ipc(2) on
 *   some ABIs. A rule without conditions covers both forms. A rule with
 *   conditions cannot see the bundled arguments: if it is stricter than the
 *   default it takes the whole bundled call, otherwise it does not open it.
 *
 * Everything is plain memory of the parent, before the container's process
 * exists; a crash leaves nothing.
 */
#include "runtime/seccomp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "runtime/seccomp_int.h"

#define WHERE	  "linux.seccomp"
#define X32_BIT	  0x40000000u
#define ERRNO_MAX 0xffff /* the data part of an action */

static void profile_fini(struct seccomp_profile *p)
{
	for (size_t i = 0; i < p->sections_n; i++)
		free(p->sections[i].refs);
	free(p->rules);
}

static int grow(void **v, size_t *cap, size_t n, size_t size)
{
	size_t want = *cap == 0 ? 256 : *cap * 2;
	void *p;

	if (n < *cap)
		return 0;
	p = reallocarray(*v, want, size);
	if (p == NULL)
		return -ENOMEM;
	*v = p;
	*cap = want;
	return 0;
}

static int add_rule(struct seccomp_profile *p, const struct seccomp_rule *r, uint32_t *ret)
{
	void *v = p->rules;

	if (p->rules_n >= UINT32_MAX / 2 || grow(&v, &p->rules_cap, p->rules_n, sizeof(*r)) < 0)
		return -ENOMEM;
	p->rules = v;
	p->rules[p->rules_n] = *r;
	*ret = (uint32_t)p->rules_n++;
	return 0;
}

static int add_ref(struct seccomp_section *s, uint32_t nr, uint32_t rule)
{
	void *v = s->refs;

	if (grow(&v, &s->refs_cap, s->refs_n, sizeof(*s->refs)) < 0)
		return -ENOMEM;
	s->refs = v;
	s->refs[s->refs_n++] = (struct seccomp_ref){ .nr = nr, .rule = rule };
	return 0;
}

static int32_t number_of(const char *name, int column)
{
	const struct seccomp_row *row = seccomp_row_find(name);

	return row != NULL ? row->nr[column] : -1;
}

static void add_section(struct seccomp_profile *p, const struct seccomp_arch *arch)
{
	int column = seccomp_arch_column(arch);

	for (size_t i = 0; i < p->sections_n; i++)
		if (p->sections[i].arch == arch)
			return;
	if (column < 0 || p->sections_n == SECCOMP_SECTIONS)
		return; /* no kernel of this machine runs it */
	p->sections[p->sections_n++] = (struct seccomp_section){
		.arch = arch,
		.column = column,
		.socketcall = number_of("socketcall", column),
		.ipc = number_of("ipc", column),
		.lo = arch->token != arch->audit ? X32_BIT : 0,
		.hi = strcmp(arch->name, "SCMP_ARCH_X86_64") == 0 ? X32_BIT - 1 : UINT32_MAX - 1,
	};
}

/* An action with its errno: "action" and "errnoRet", or the default pair. */
static int parse_action(const json_t *obj, const char *where, const char *key,
			const char *errno_key, uint32_t *ret, struct error *e)
{
	const char *name = NULL;
	int64_t data = EPERM;
	int r, has_errno;

	r = json_get_string(obj, where, key, &name, e);
	if (r < 0)
		return r;
	if (r == 0)
		return error_setf(e, -EINVAL, "%s.%s: missing", where, key);
	if (seccomp_action_parse(name, ret) < 0)
		return error_setf(e, -EINVAL, "%s.%s: unknown action \"%s\"", where, key, name);
	has_errno = json_get_int(obj, where, errno_key, 0, ERRNO_MAX, &data, e);
	if (has_errno < 0)
		return has_errno;
	if (*ret == SECCOMP_RET_ERRNO || *ret == SECCOMP_RET_TRACE)
		*ret |= (uint32_t)data;
	else if (has_errno > 0)
		return error_setf(e, -EINVAL, "%s.%s: action %s takes no errno", where, errno_key,
				  name);
	return 0;
}

static int parse_architectures(const json_t *obj, struct seccomp_profile *p, struct error *e)
{
	const struct seccomp_arch *arch = seccomp_arch_find(SECCOMP_NATIVE);
	json_t *list = NULL, *item;
	size_t i;
	int r;

	if (arch != NULL)
		add_section(p, arch);
	if (p->sections_n == 0)
		return error_setf(e, -ENOTSUP, WHERE ": this machine's architecture is not known");
	r = json_get_array(obj, WHERE, "architectures", &list, e);
	if (r <= 0)
		return r;
	json_array_foreach(list, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL)
			return error_setf(e, -EINVAL,
					  WHERE ".architectures[%zu]: expected a string", i);
		arch = seccomp_arch_find(name);
		if (arch == NULL)
			return error_setf(e, -EINVAL,
					  WHERE ".architectures[%zu]: unknown architecture \"%s\"",
					  i, name);
		add_section(p, arch);
	}
	return 0;
}

static int parse_flags(const json_t *obj, unsigned int *ret, struct error *e)
{
	json_t *list = NULL, *item;
	unsigned int flags = 0, flag;
	size_t i;
	int r;

	r = json_get_array(obj, WHERE, "flags", &list, e);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		return 0;
	}
	json_array_foreach(list, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL)
			return error_setf(e, -EINVAL, WHERE ".flags[%zu]: expected a string", i);
		if (seccomp_flag_parse(name, &flag) < 0)
			return error_setf(e, -EINVAL, WHERE ".flags[%zu]: unknown flag \"%s\"", i,
					  name);
		flags |= flag;
	}
	*ret = flags;
	return 0;
}

/* A non-negative number; a missing one is 0, as the other runtimes read it. */
static int parse_value(const json_t *arg, const char *where, const char *key, uint64_t *ret,
		       struct error *e)
{
	int r;

	*ret = 0;
	r = json_get_u64(arg, where, key, ret, e);
	return r < 0 ? r : 0;
}

static int parse_cond(const json_t *arg, const char *where, struct seccomp_cond *ret,
		      struct error *e)
{
	uint64_t value, value_two;
	const char *op = NULL;
	int64_t index = -1;
	int r;

	if (!json_is_object(arg))
		return error_setf(e, -EINVAL, "%s: expected an object", where);
	r = json_get_int(arg, where, "index", 0, SECCOMP_ARGS - 1, &index, e);
	if (r < 0)
		return r;
	if (r == 0)
		return error_setf(e, -EINVAL, "%s.index: missing", where);
	if ((r = parse_value(arg, where, "value", &value, e)) < 0 ||
	    (r = parse_value(arg, where, "valueTwo", &value_two, e)) < 0)
		return r;
	r = json_get_string(arg, where, "op", &op, e);
	if (r < 0)
		return r;
	if (op == NULL)
		return error_setf(e, -EINVAL, "%s.op: missing", where);
	if (seccomp_cond_parse(op, value, value_two, ret) < 0)
		return error_setf(e, -EINVAL, "%s.op: unknown operator \"%s\"", where, op);
	ret->arg = (uint8_t)index;
	return 0;
}

/* The conditions of one entry: one rule, or one for each condition. Rules are appended to p. */
static int parse_args(const json_t *entry, const char *where, uint32_t action,
		      struct seccomp_profile *p, uint32_t *ret_first, uint32_t *ret_n,
		      struct error *e)
{
	struct seccomp_rule rule = { .action = action };
	bool seen[SECCOMP_ARGS] = { false }, twice = false;
	json_t *args = NULL, *item;
	uint32_t id, n = 0;
	size_t i;
	int r;

	r = json_get_array(entry, where, "args", &args, e);
	if (r < 0)
		return r;
	*ret_first = (uint32_t)p->rules_n;
	for (int pass = 0; pass < 2; pass++) {
		json_array_foreach(args, i, item) {
			struct seccomp_cond c;
			char at[96];

			(void)snprintf(at, sizeof(at), "%s.args[%zu]", where, i);
			r = parse_cond(item, at, &c, e);
			if (r < 0)
				return r;
			if (pass == 0) {
				twice |= seen[c.arg];
				if (!seen[c.arg])
					rule.cond[rule.cond_n++] = c;
				seen[c.arg] = true;
				continue;
			}
			if (add_rule(p, &(struct seccomp_rule){ action, 1, { c } }, &id) < 0)
				return error_set(e, -ENOMEM, "%s", where);
			n++;
		}
		if (!twice)
			break;
	}
	if (!twice) {
		if (add_rule(p, &rule, &id) < 0)
			return error_set(e, -ENOMEM, "%s", where);
		n = 1;
	}
	*ret_n = n;
	return 0;
}

static void note_number(struct seccomp_section *s, uint32_t nr)
{
	if (!s->has_last || nr > s->last)
		s->last = nr;
	s->has_last = true;
}

/* The bundled form of a call, see the head of this file: call is the first argument of number nr. */
static int add_mux(struct seccomp_profile *p, struct seccomp_section *s, uint32_t nr, uint8_t call,
		   uint32_t first, uint32_t n)
{
	struct seccomp_rule rule = { .action = p->rules[first].action, .cond_n = 1 };
	bool conditional = true;
	uint32_t id;

	for (uint32_t i = 0; i < n; i++)
		conditional &= p->rules[first + i].cond_n > 0;
	if (conditional && (int32_t)(rule.action & SECCOMP_RET_ACTION_FULL) >=
				   (int32_t)(p->default_action & SECCOMP_RET_ACTION_FULL))
		return 0;
	/* the kernel looks at 32 bits of socketcall's number and at 16 of ipc's: the rest is a version */
	rule.cond[0] = (struct seccomp_cond){
		.test = SECCOMP_TEST_EQ,
		.mask = (int32_t)nr == s->ipc ? 0xffff : UINT32_MAX,
		.value = call,
	};
	if (add_rule(p, &rule, &id) < 0)
		return -ENOMEM;
	note_number(s, nr);
	return add_ref(s, nr, id);
}

/* Rules first .. first+n-1 are about name; a redundant entry only counts as "the profile knows this call". */
static int add_name(struct seccomp_profile *p, const char *name, bool redundant, uint32_t first,
		    uint32_t n)
{
	const struct seccomp_row *row = seccomp_row_find(name);

	for (size_t i = 0; row != NULL && i < p->sections_n; i++) {
		struct seccomp_section *s = &p->sections[i];
		int32_t nr = row->nr[s->column];
		int r = 0;

		if (!redundant && row->socketcall != 0 && s->socketcall >= 0)
			r = add_mux(p, s, (uint32_t)s->socketcall, row->socketcall, first, n);
		else if (!redundant && row->ipc != 0 && s->ipc >= 0)
			r = add_mux(p, s, (uint32_t)s->ipc, row->ipc, first, n);
		if (r < 0)
			return r;
		if (nr < 0)
			continue;
		note_number(s, (uint32_t)nr);
		for (uint32_t k = 0; k < n && !redundant; k++) {
			r = add_ref(s, (uint32_t)nr, first + k);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int parse_entry(const json_t *entry, size_t index, struct seccomp_profile *p,
		       bool *has_notify, struct error *e)
{
	json_t *names = NULL, *item;
	uint32_t action, first = 0, n = 0;
	char where[64];
	size_t i;
	int r;

	(void)snprintf(where, sizeof(where), WHERE ".syscalls[%zu]", index);
	if (!json_is_object(entry))
		return error_setf(e, -EINVAL, "%s: expected an object", where);
	if ((r = parse_action(entry, where, "action", "errnoRet", &action, e)) < 0 ||
	    (r = json_get_array(entry, where, "names", &names, e)) < 0 ||
	    (r = parse_args(entry, where, action, p, &first, &n, e)) < 0)
		return r;
	if (json_array_size(names) == 0)
		return error_setf(e, -EINVAL, "%s.names: at least one name is required", where);
	if (action == SECCOMP_RET_USER_NOTIF)
		*has_notify = true;
	json_array_foreach(names, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL || name[0] == '\0')
			return error_setf(e, -EINVAL,
					  "%s.names[%zu]: expected the name of a system call",
					  where, i);
		/* the listener itself is sent by sendmsg, before anybody could answer */
		if (action == SECCOMP_RET_USER_NOTIF &&
		    (strcmp(name, "write") == 0 || strcmp(name, "sendmsg") == 0))
			return error_setf(
				e, -EINVAL,
				"%s.names[%zu]: SCMP_ACT_NOTIFY cannot be used for the %s syscall",
				where, i, name);
		if (add_name(p, name, action == p->default_action, first, n) < 0)
			return error_set(e, -ENOMEM, "%s", where);
	}
	return 0;
}

static int parse_profile(const json_t *obj, struct seccomp_profile *p, bool *has_notify,
			 struct error *e)
{
	json_t *list = NULL, *item;
	uint32_t def;
	size_t i;
	int r;

	r = parse_action(obj, WHERE, "defaultAction", "defaultErrnoRet", &def, e);
	if (r < 0)
		return r;
	p->default_action = p->beyond_action = def;
	p->foreign_action = SECCOMP_RET_KILL_THREAD;
	switch (def & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_USER_NOTIF:
		return error_setf(
			e, -EINVAL,
			WHERE ".defaultAction: SCMP_ACT_NOTIFY cannot be used as default action");
	case SECCOMP_RET_ERRNO:
		p->foreign_action = p->beyond_action = SECCOMP_RET_ERRNO | ENOSYS;
		break;
	case SECCOMP_RET_KILL_PROCESS:
		p->foreign_action = def;
		p->beyond_action = SECCOMP_RET_ERRNO | ENOSYS;
		break;
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
		p->beyond_action = SECCOMP_RET_ERRNO | ENOSYS;
		break;
	default:
		break; /* calls pass, new ones too */
	}
	r = parse_architectures(obj, p, e);
	if (r < 0)
		return r;
	r = json_get_array(obj, WHERE, "syscalls", &list, e);
	if (r < 0)
		return r;
	json_array_foreach(list, i, item) {
		r = parse_entry(item, i, p, has_notify, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_string(const json_t *obj, const char *key, char **ret, struct error *e)
{
	const char *s = NULL;
	int r = json_get_string(obj, WHERE, key, &s, e);

	if (r <= 0 || s[0] == '\0')
		return r;
	*ret = strdup(s);
	return *ret == NULL ? error_set(e, -ENOMEM, WHERE ".%s", key) : 0;
}

int seccomp_compile(const json_t *linux_seccomp, struct seccomp_program *ret, struct error *e)
{
	__attribute__((cleanup(profile_fini))) struct seccomp_profile p = { .rules = NULL };
	_cleanup_seccomp_program_ struct seccomp_program prog = SECCOMP_PROGRAM_INIT;
	int r;

	if (linux_seccomp == NULL || json_is_null(linux_seccomp)) {
		*ret = prog;
		return 0;
	}
	if (!json_is_object(linux_seccomp))
		return error_setf(e, -EINVAL, WHERE ": expected an object");
	if ((r = parse_flags(linux_seccomp, &prog.flags, e)) < 0 ||
	    (r = parse_profile(linux_seccomp, &p, &prog.has_notify, e)) < 0 ||
	    (r = copy_string(linux_seccomp, "listenerPath", &prog.listener_path, e)) < 0 ||
	    (r = copy_string(linux_seccomp, "listenerMetadata", &prog.listener_metadata, e)) < 0)
		return r;
	if (prog.has_notify && prog.listener_path == NULL)
		return error_setf(e, -EINVAL,
				  WHERE ".listenerPath: missing, but SCMP_ACT_NOTIFY is used");
	/*
	 * The new process has one thread, so TSYNC changes nothing, and together with a listener it is refused;
	 * WAIT_KILLABLE_RECV without a listener is refused too.
	 */
	prog.flags &= prog.has_notify ? ~(unsigned int)SECCOMP_FILTER_FLAG_TSYNC :
					~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	r = seccomp_emit(&p, &prog.filter, &prog.len, e);
	if (r < 0)
		return r;
	*ret = prog;
	prog = SECCOMP_PROGRAM_INIT;
	return 0;
}

void seccomp_program_fini(struct seccomp_program *p)
{
	if (p == NULL)
		return;
	free(p->filter);
	free(p->listener_path);
	free(p->listener_metadata);
	*p = SECCOMP_PROGRAM_INIT;
}
