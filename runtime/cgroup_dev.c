/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules of cgroup version 2: a small BPF program made from them.
 *
 * Theory of operation: version 2 has no devices files; a program attached to
 * the group answers each open and mknod of a device. Rules are ordered and the
 * last one that fits decides, so the program tests them from the last to the
 * first, behind those that every container needs; what nothing fits is
 * denied. It has no loop and no map, only comparisons with constants, so the
 * kernel's verifier always accepts it up to its size limit.
 *
 * For a scope of systemd the same goes to it as DevicePolicy and DeviceAllow,
 * as far as these can say it: its program and ours must then both agree.
 *
 * Only root of the host may load it. Without it a container with CAP_MKNOD
 * could make a node of any disk, so as root a failure is an error; in a user
 * namespace device nodes cannot be made anyway and nothing is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"

#define MAX_RULES 256 /* of at most 9 instructions each: below the verifier's 4096 */

struct program {
	struct bpf_insn insn[16 + MAX_RULES * 9];
	size_t n;
};

static void emit(struct program *p, uint8_t code, unsigned int dst, unsigned int src, int16_t off,
		 int32_t imm)
{
	struct bpf_insn *i = &p->insn[p->n++];

	*i = (struct bpf_insn){ .code = code, .off = off, .imm = imm };
	i->dst_reg = dst & 0xfu;
	i->src_reg = src & 0xfu;
}

struct rule {
	bool allow;
	int type;      /* BPF_DEVCG_DEV_*, 0 = both */
	int access;    /* BPF_DEVCG_ACC_* */
	int64_t major; /* -1 = any */
	int64_t minor;
};

/* r2 type, r3 access, r4 major, r5 minor; falls through to the next rule when this one does not fit. */
static void emit_rule(struct program *p, const struct rule *r)
{
	const int all = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
	size_t jumps[4], n = 0;

	if (r->type != 0) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, r->type);
	}
	if (r->access != all) {
		emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, r->access);
		jumps[n++] = p->n;
		/* everything that is asked for must be in the rule */
		emit(p, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
	}
	if (r->major >= 0) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)r->major);
	}
	if (r->minor >= 0) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t)r->minor);
	}
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, r->allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		p->insn[jumps[i]].off = (int16_t)(p->n - jumps[i] - 1);
}

static int64_t number_or_any(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0 &&
			       json_integer_value(v) <= INT32_MAX ?
		       json_integer_value(v) :
		       -1;
}

static struct rule parse_rule(const json_t *j)
{
	const char *type = json_string_value(json_object_get(j, "type"));
	const char *word = json_string_value(json_object_get(j, "access"));
	struct rule r = { .allow = json_is_true(json_object_get(j, "allow")),
			  .major = number_or_any(json_object_get(j, "major")),
			  .minor = number_or_any(json_object_get(j, "minor")) };

	r.type = type == NULL	? 0 :
		 type[0] == 'b' ? BPF_DEVCG_DEV_BLOCK :
		 type[0] == 'c' ? BPF_DEVCG_DEV_CHAR :
				  0;
	if (word == NULL || word[0] == '\0')
		word = "rwm";
	r.access = (strchr(word, 'm') != NULL ? BPF_DEVCG_ACC_MKNOD : 0) |
		   (strchr(word, 'r') != NULL ? BPF_DEVCG_ACC_READ : 0) |
		   (strchr(word, 'w') != NULL ? BPF_DEVCG_ACC_WRITE : 0);
	return r;
}

/* As on version 1: nodes may be made, and these used, whatever the rules say. */
static const struct rule always[] = {
	{ true, 0, BPF_DEVCG_ACC_MKNOD, -1, -1 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  1, 3 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  1, 5 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  1, 7 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  1, 8 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  1, 9 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  5, 0 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  5, 2 },
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	  136, -1 },
};

static void build(struct program *p, const json_t *rules)
{
	const int16_t type_off = offsetof(struct bpf_cgroup_dev_ctx, access_type);

	emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, type_off, 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1,
	     offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		emit_rule(p, &always[i]);
	for (size_t i = json_array_size(rules); i > 0; i--) {
		struct rule r = parse_rule(json_array_get(rules, i - 1));

		emit_rule(p, &r);
		if (r.type == 0 && r.major < 0 && r.minor < 0 && r.access == 7)
			return; /* nothing before it can matter, and code that is never reached is refused */
	}
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int load(const struct program *p)
{
	static const char license[] = "Apache-2.0";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)p->insn;
	attr.insn_cnt = (uint32_t)p->n;
	attr.license = (uint64_t)(uintptr_t)license;
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

int cgroup_devices2(const char *dir, const json_t *rules, struct error *e)
{
	_cleanup_free_ struct program *p = NULL;
	_cleanup_fd_ int prog_fd = -1, dir_fd = -1;
	union bpf_attr attr;

	if (json_array_size(rules) == 0)
		return 0;
	if (json_array_size(rules) > MAX_RULES - sizeof(always) / sizeof(always[0]))
		return error_setf(e, -E2BIG, "linux.resources.devices: more than %d rules",
				  MAX_RULES - 10);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return error_set(e, -ENOMEM, "linux.resources.devices");
	build(p, rules);
	prog_fd = load(p);
	if (prog_fd < 0)
		return error_set(e, -errno, "load the device rules of the cgroup");
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return error_set(e, -errno, "open %s", dir);
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)dir_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return error_set(e, -errno, "attach the device rules to %s", dir);
	return 0;
}

static bool is_everything(const struct rule *r)
{
	return r->type == 0 && r->major < 0 && r->minor < 0 && r->access == 7;
}

/* The name that /proc/devices has for a major number: "char-pts" of "136 pts". Caller frees; NULL without one. */
static char *class_name(const char *devices, bool block, int64_t major)
{
	const char *at = strstr(devices, block ? "Block devices:" : "Character devices:");
	char *end;

	if (at == NULL)
		return NULL;
	while ((at = strchr(at, '\n')) != NULL && *++at != '\n') {
		long long number = strtoll(at, &end, 10);

		if (end == at)
			return NULL; /* the next section */
		if (number == major && *end == ' ')
			return str_printf("%s-%.*s", block ? "block" : "char",
					  (int)strcspn(end + 1, "\n"), end + 1);
	}
	return NULL;
}

/* One rule for one type. 0, -ENOTSUP when systemd has no words for it, or -ENOMEM. */
static int add_allow(json_t *allow, const char *devices, const struct rule *r, bool block)
{
	_cleanup_free_ char *name = NULL;
	char access_word[4], *at = access_word;
	json_t *item;

	if (r->major >= 0 && r->minor >= 0)
		name = str_printf("/dev/%s/%lld:%lld", block ? "block" : "char",
				  (long long)r->major, (long long)r->minor);
	else if (r->major < 0 && r->minor < 0)
		name = str_printf("%s-*", block ? "block" : "char");
	else if (r->minor < 0)
		name = class_name(devices, block, r->major);
	if (name == NULL)
		return -ENOTSUP;
	if (r->access & BPF_DEVCG_ACC_READ)
		*at++ = 'r';
	if (r->access & BPF_DEVCG_ACC_WRITE)
		*at++ = 'w';
	if (r->access & BPF_DEVCG_ACC_MKNOD)
		*at++ = 'm';
	*at = '\0';
	item = json_pack("[s,s]", name, access_word);
	return item == NULL || json_array_append_new(allow, item) < 0 ? -ENOMEM : 0;
}

static int add_rule(json_t *allow, const char *devices, const struct rule *r)
{
	int ret = 0;

	if (!r->allow)
		return 0; /* our own program denies it */
	if (r->type != BPF_DEVCG_DEV_BLOCK)
		ret = add_allow(allow, devices, r, false);
	if (ret == 0 && r->type != BPF_DEVCG_DEV_CHAR)
		ret = add_allow(allow, devices, r, true);
	return ret;
}

int cgroup_devices_systemd(int proc_fd, const json_t *rules, json_t *list, struct error *e)
{
	_cleanup_json_ json_t *allow = json_array(), *policy = NULL, *entries = NULL;
	_cleanup_free_ char *devices = NULL;
	size_t n = json_array_size(rules), first = 0;
	bool open = false; /* everything that is not denied is allowed */
	int r;

	if (n == 0 || procfs_read(proc_fd, "devices", 1 << 16, &devices) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct rule rule = parse_rule(json_array_get(rules, i));

		if (is_everything(&rule)) {
			first = i + 1;
			open = rule.allow;
		}
	}
	if (open)
		return 0;
	r = allow == NULL ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < sizeof(always) / sizeof(always[0]); i++)
		r = add_rule(allow, devices, &always[i]);
	for (size_t i = first; r == 0 && i < n; i++) {
		struct rule rule = parse_rule(json_array_get(rules, i));

		r = add_rule(allow, devices, &rule);
	}
	if (r == -ENOTSUP)
		return 0;
	policy = json_pack("[s,s,s]", "DevicePolicy", "s", "strict");
	entries = json_pack("[s,s,O]", "DeviceAllow", "a(ss)", allow);
	if (r < 0 || policy == NULL || entries == NULL || json_array_append(list, policy) < 0 ||
	    json_array_append(list, entries) < 0)
		return error_set(e, -ENOMEM, "linux.resources.devices");
	return 0;
}
