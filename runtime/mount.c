/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of mounts: config.json's entries as struct plan_mount.
 *
 * Theory of operation: pure translation, no file is touched. Each entry's
 * options are split into mount flags (this mount or the whole tree),
 * propagation, special words, and the rest, which belongs to the file system
 * and stays in order. A /dev of our own is put in front when the
 * configuration has none; an entry for /proc, /sys or /dev must meet a real
 * directory in the image (child_mount.c checks it). Strings stay borrowed
 * from the spec.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "runtime/child.h"
#include "runtime/idmap.h"
#include "runtime/lsm.h"
#include "runtime/mountopt.h"
#include "runtime/prepare.h"
#include "runtime/sys.h"

static int add_option(struct prepared *pr, struct plan_mount *m, const char *text, struct error *e)
{
	struct plan_option *o = &m->options[m->options_n];
	const char *eq = strchr(text, '=');
	char *key;

	o->key = text;
	o->value = NULL;
	if (eq != NULL) {
		key = prepared_printf(pr, "%.*s", (int)(eq - text), text);
		if (key == NULL)
			return error_set(e, -ENOMEM, "mounts");
		o->key = key;
		o->value = eq + 1;
	}
	m->options_n++;
	return 0;
}

static int apply_option(struct prepared *pr, struct plan_mount *m, const char *text,
			struct error *e)
{
	const struct mountopt *o = mountopt_find(text);

	if (o == NULL) {
		if (!str_starts(text, "idmap=") && !str_starts(text, "ridmap="))
			return add_option(pr, m, text, e);
		m->idmap = true;
		m->idmap_recursive = text[0] == 'r';
		m->idmap_text = strchr(text, '=') + 1;
		return 0;
	}
	switch (o->kind) {
	case MOUNTOPT_ATTR:
		/* the last word wins */
		m->attr_set = (m->attr_set & ~o->clear) | o->value;
		m->attr_clr = (m->attr_clr & ~o->value) | o->clear;
		break;
	case MOUNTOPT_REC:
		m->rec_set = (m->rec_set & ~o->clear) | o->value;
		m->rec_clr = (m->rec_clr & ~o->value) | o->clear;
		break;
	case MOUNTOPT_PROPAGATION:
		if (m->propagation_n == sizeof(m->propagation) / sizeof(m->propagation[0]))
			return error_setf(e, -EINVAL, "mounts: %s: too many propagation options",
					  m->destination);
		m->propagation[m->propagation_n++] = (unsigned long)o->value;
		break;
	case MOUNTOPT_BIND:
		m->kind = PLAN_MOUNT_BIND;
		break;
	case MOUNTOPT_RBIND:
		m->kind = PLAN_MOUNT_BIND;
		m->recursive = true;
		break;
	case MOUNTOPT_REMOUNT:
		m->kind = PLAN_MOUNT_REMOUNT;
		break;
	case MOUNTOPT_SB:
		return add_option(pr, m, o->name, e);
	case MOUNTOPT_COPYUP:
		m->copyup = true;
		break;
	case MOUNTOPT_IDMAP:
		m->idmap = true;
		break;
	case MOUNTOPT_RIDMAP:
		m->idmap = true;
		m->idmap_recursive = true;
		break;
	case MOUNTOPT_SRC_NOFOLLOW:
		m->src_nofollow = true;
		break;
	case MOUNTOPT_DST_NOFOLLOW:
		m->dst_nofollow = true;
		break;
	case MOUNTOPT_COPY_SYMLINK:
		m->copy_symlink = true;
		break;
	case MOUNTOPT_IGNORE:
	case MOUNTOPT_COUNT:
		break;
	}
	return 0;
}

static bool is_real_fs(const char *type)
{
	static const char *const virtual_fs[] = { "tmpfs",  "proc",    "sysfs",	  "devpts",
						  "mqueue", "cgroup",  "cgroup2", "bpf",
						  "ramfs",  "debugfs", "tracefs", "securityfs" };

	for (size_t i = 0; i < sizeof(virtual_fs) / sizeof(virtual_fs[0]); i++)
		if (strcmp(type, virtual_fs[i]) == 0)
			return false;
	return true;
}

static int finish_bind(struct prepared *pr, struct plan_mount *m, const char *bundle,
		       struct error *e)
{
	if (m->source == NULL || m->source[0] == '\0')
		return error_setf(e, -EINVAL, "mounts: %s: a bind mount needs a source",
				  m->destination);
	if (m->source[0] != '/') {
		m->source = prepared_printf(pr, "%s/%s", bundle, m->source);
		if (m->source == NULL)
			return error_set(e, -ENOMEM, "mounts");
	}
	m->options_n = 0; /* they belong to no file system */
	return 0;
}

/* Those that label their own files, or whose files have no labels, take no such option. */
static int add_label(struct plan_mount *m, const struct spec *s, struct error *e)
{
	static const char *const without[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };
	const char *key;
	int r = lsm_mount_option(s, &key, e);

	if (r < 0 || key == NULL)
		return r;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (strcmp(m->type, without[i]) == 0) {
			/* it knows no such option, but its files have labels */
			if (strcmp(m->type, "mqueue") == 0)
				m->label = s->mount_label;
			return 0;
		}
	m->options[m->options_n].key = key;
	m->options[m->options_n++].value = s->mount_label;
	return 0;
}

static int finish_fs(struct prepared *pr, struct plan_mount *m, const struct spec *s,
		     struct error *e)
{
	if (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0) {
		/* engines say "cgroup" for whatever the host has, with options of version 1 that mean nothing here */
		m->options_n = 0;
		m->type = "cgroup2";
		if (!pr->plan.cgroup2) {
			m->kind = PLAN_MOUNT_CGROUP1;
			m->type = "cgroup";
			(void)add_option(pr, m, "mode=755", e);
			return prepare_cgroup1(pr, e);
		}
		return 0;
	}
	if ((m->attr_set & MOUNT_ATTR_RDONLY) && is_real_fs(m->type))
		(void)add_option(pr, m, "ro", e); /* its own journal must not be replayed either */
	/* what others mount on and what /dev is filled with comes first */
	m->late_readonly = (m->attr_set & MOUNT_ATTR_RDONLY) != 0 && strcmp(m->type, "tmpfs") == 0;
	pr->plan.late_readonly = pr->plan.late_readonly || m->late_readonly;
	return add_label(m, s, e);
}

/*
 * The kernel lets only the owner of the file system change a mount's ids, so
 * this is done here and not in the new user namespace. The copy must not
 * stay a peer of the host's mount.
 */
static int make_idmapped(struct prepared *pr, struct plan_mount *m, const struct spec_mount *from,
			 const struct spec *s, struct error *e)
{
	struct id_map map = from->idmap.uid_n > 0 ? from->idmap : s->idmap, own = { .uid = NULL };
	struct sys_mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP, .propagation = MS_PRIVATE };
	_cleanup_fd_ int ns_fd = -1;
	int fd, r = 0;

	if (m->idmap_text != NULL) {
		r = idmap_parse(m->idmap_text, &s->idmap, &own);
		if (r < 0)
			return error_setf(
				e, r,
				"mounts: %s: option \"idmap=%.64s\": expected uids=FS-HOST-SIZE#...;gids=...",
				m->destination, m->idmap_text);
		/* one half alone leaves the other to the container's map */
		if (own.uid_n > 0) {
			map.uid = own.uid;
			map.uid_n = own.uid_n;
		}
		if (own.gid_n > 0) {
			map.gid = own.gid;
			map.gid_n = own.gid_n;
		}
	}
	if (map.uid_n == 0 || map.gid_n == 0) {
		id_map_fini(&own);
		return error_setf(
			e, -EINVAL,
			"mounts: %s: idmap needs mappings, of the mount or of the container",
			m->destination);
	}
	ns_fd = idmap_namespace(pr->plan.proc_fd, &map, e);
	id_map_fini(&own);
	if (ns_fd < 0)
		return error_prefix(e, "mounts: %s: idmap", m->destination);
	fd = sys_open_tree(AT_FDCWD, m->source,
			   OPEN_TREE_CLONE | (m->recursive ? AT_RECURSIVE : 0u));
	if (fd < 0)
		return error_set(e, -errno, "mounts: %s: open %s", m->destination, m->source);
	a.userns_fd = (uint64_t)ns_fd;
	if (sys_mount_setattr(fd, m->idmap_recursive ? AT_RECURSIVE : 0, &a) < 0)
		r = error_set(e, -errno, "mounts: %s: id-map %s", m->destination, m->source);
	m->fd = prepared_own_fd(pr, fd);
	return r < 0 ? r : m->fd < 0 ? error_set(e, m->fd, "mounts") : 0;
}

static int convert(struct prepared *pr, const struct spec_mount *from, const struct spec *s,
		   const char *bundle, struct plan_mount *m, struct error *e)
{
	bool fs_word;
	int r;

	*m = (struct plan_mount){ .kind = PLAN_MOUNT_FS,
				  .source = from->source,
				  .destination = from->destination,
				  .type = from->type,
				  .fd = -1 };
	if (from->destination[0] != '/') {
		m->destination = prepared_printf(pr, "/%s", from->destination);
		if (m->destination == NULL)
			return error_set(e, -ENOMEM, "mounts");
	}
	/* room for what finish_fs() adds */
	m->options = prepared_alloc(pr, from->options_n + 4, sizeof(*m->options));
	if (m->options == NULL)
		return error_set(e, -ENOMEM, "mounts");
	for (size_t i = 0; i < from->options_n; i++)
		if ((r = apply_option(pr, m, from->options[i], e)) < 0)
			return r;
	if (child_path_is(m->destination, ""))
		return error_setf(e, -EINVAL, "mounts: the root itself cannot be a destination");
	m->strict = child_path_is(m->destination, "proc") || child_path_is(m->destination, "sys") ||
		    child_path_is(m->destination, "dev");
	fs_word = m->kind == PLAN_MOUNT_FS && m->type != NULL;
	if (fs_word && strcmp(m->type, "bind") == 0) {
		m->kind = PLAN_MOUNT_BIND;
		m->recursive = true;
	}
	if (from->idmap.uid_n > 0 || m->idmap) {
		if (m->kind != PLAN_MOUNT_BIND)
			return error_setf(e, -EINVAL,
					  "mounts: %s: only bind mounts can be id-mapped",
					  m->destination);
		m->idmap = true;
	}
	if (m->kind == PLAN_MOUNT_BIND) {
		r = finish_bind(pr, m, bundle, e);
		return r == 0 && m->idmap ? make_idmapped(pr, m, from, s, e) : r;
	}
	if (m->kind == PLAN_MOUNT_REMOUNT)
		return 0;
	if (m->type == NULL || m->type[0] == '\0' || strcmp(m->type, "none") == 0)
		return error_setf(e, -EINVAL,
				  "mounts: %s: a type or the option \"bind\" is required",
				  m->destination);
	return finish_fs(pr, m, s, e);
}

/* The /dev and devpts that every container has. */
static int add_dev(struct prepared *pr, const struct spec *s, struct plan_mount *v, size_t *n,
		   struct error *e)
{
	int r;

	v[*n] = (struct plan_mount){ .kind = PLAN_MOUNT_FS,
				     .source = "tmpfs",
				     .destination = "/dev",
				     .type = "tmpfs",
				     .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
				     .strict = true,
				     .is_dev = true,
				     .fd = -1 };
	v[*n].options = prepared_alloc(pr, 3, sizeof(*v->options));
	if (v[*n].options == NULL)
		return error_set(e, -ENOMEM, "mounts");
	(void)add_option(pr, &v[*n], "mode=755", e);
	(void)add_option(pr, &v[*n], "size=65536k", e);
	if ((r = add_label(&v[*n], s, e)) < 0)
		return r;
	(*n)++;
	v[*n] = (struct plan_mount){ .kind = PLAN_MOUNT_FS,
				     .source = "devpts",
				     .destination = "/dev/pts",
				     .type = "devpts",
				     .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
				     .fd = -1 };
	v[*n].options = prepared_alloc(pr, 3, sizeof(*v->options));
	if (v[*n].options == NULL)
		return error_set(e, -ENOMEM, "mounts");
	(void)add_option(pr, &v[*n], "ptmxmode=0666", e);
	(void)add_option(pr, &v[*n], "mode=0620", e);
	if ((r = add_label(&v[*n], s, e)) < 0)
		return r;
	(*n)++;
	return 0;
}

int prepare_mounts(struct prepared *pr, const struct spec *s, const char *bundle, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	struct plan_mount *v;
	bool has_dev = false;
	size_t n = 0;
	int r;

	v = prepared_alloc(pr, s->mounts_n + 2, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "mounts");
	for (size_t i = 0; i < s->mounts_n; i++)
		has_dev = has_dev || child_path_is(s->mounts[i].destination, "dev");
	if (!has_dev) {
		r = add_dev(pr, s, v, &n, e);
		if (r < 0)
			return r;
		plan->own_dev = true;
	}
	for (size_t i = 0; i < s->mounts_n; i++) {
		r = convert(pr, &s->mounts[i], s, bundle, &v[n], e);
		if (r < 0)
			return r;
		if (!plan->own_dev && v[n].kind == PLAN_MOUNT_FS &&
		    child_path_is(v[n].destination, "dev")) {
			v[n].is_dev = true;
			plan->own_dev = true;
		}
		n++;
	}
	plan->mounts = v;
	plan->mounts_n = n;
	return 0;
}
