/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a user namespace could not be made or is worth nothing.
 *
 * Theory of operation
 *
 * clone(CLONE_NEWUSER) has a handful of errno values for a dozen causes. What
 * helps the user is the name of the knob. Each cause leaves a trace that an
 * unprivileged process can read: a sysctl, the "Seccomp" line of its status, the
 * missing "/" in its mountinfo. This file reads those traces, only after a
 * failure, and makes one line with the cause and what to do. Where several
 * traces are there the most specific one wins. Nothing is changed here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/procfs.h"
#include "userns/private.h"

/* A sysctl as a number, -1 when it does not exist. */
static long long sysctl_value(int proc_fd, const char *path)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long n;

	if (proc_fd < 0 || procfs_read(proc_fd, path, 64, &text) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, 1ULL << 62, &n) < 0 ? -1 : (long long)n;
}

static bool seccomp_is_on(int proc_fd)
{
	_cleanup_free_ char *text = NULL;
	const char *p;

	if (proc_fd < 0 || procfs_read(proc_fd, "self/status", 65536, &text) < 0)
		return false;
	p = strstr(text, "\nSeccomp:");
	return p != NULL && strncmp(p + strlen("\nSeccomp:"), "\t2", 2) == 0;
}

/* In a chroot no mount of ours sits at "/" (unless the new root is a mount point itself). */
static bool is_chrooted(int proc_fd)
{
	_cleanup_free_ char *text = NULL;
	char *line;
	char *next;

	if (proc_fd < 0 || procfs_read(proc_fd, "self/mountinfo", 16u << 20, &text) < 0)
		return false;
	/* "ID PARENT MAJ:MIN ROOT MOUNTPOINT ...": the fifth field. */
	for (line = text; line != NULL && *line != '\0'; line = next) {
		char *p = line;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		for (int field = 1; field < 5 && p != NULL; field++) {
			p = strchr(p, ' ');
			if (p != NULL)
				p++;
		}
		if (p != NULL && strncmp(p, "/ ", 2) == 0)
			return false;
	}
	return true;
}

static int explain_limit(int proc_fd, int err, struct error *e)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	long long max = sysctl_value(proc_fd, "sys/user/max_user_namespaces");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "sys/user/max_%s_namespaces",
			       names[i]); /* fits */
		if (sysctl_value(proc_fd, path) == 0)
			return error_setf(
				e, -err,
				"%s namespaces are switched off (user.max_%s_namespaces = 0): the administrator "
				"must raise it, e.g. sysctl user.max_%s_namespaces=15000",
				names[i], names[i], names[i]);
	}
	return error_setf(
		e, -err,
		"no more user namespaces can be made: the limit user.max_user_namespaces = %lld is reached, or "
		"they are nested more than 32 deep",
		max);
}

const char *diagnose_powerless(void)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);

	if (sysctl_value(proc_fd, "sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		return ": AppArmor takes the capabilities of unprivileged user namespaces away "
		       "(kernel.apparmor_restrict_unprivileged_userns = 1): load an AppArmor profile with \"userns,\" for crt, "
		       "or set it to 0";
	if (seccomp_is_on(proc_fd))
		return ": a seccomp filter is active (is this an outer container?)";
	return "";
}

static int explain_eperm(int proc_fd, int err, struct error *e)
{
	if (sysctl_value(proc_fd, "sys/kernel/unprivileged_userns_clone") == 0)
		return error_setf(
			e, -err,
			"user namespaces are for root only here (kernel.unprivileged_userns_clone = 0): the "
			"administrator must run sysctl kernel.unprivileged_userns_clone=1");
	if (sysctl_value(proc_fd, "sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		return error_setf(
			e, -err,
			"AppArmor forbids user namespaces to unconfined programs "
			"(kernel.apparmor_restrict_unprivileged_userns = 1): load an AppArmor profile with "
			"\"userns,\" for crt, or set it to 0");
	if (is_chrooted(proc_fd))
		return error_setf(
			e, -err,
			"user namespaces cannot be made inside a chroot: start crt outside of it, or make the "
			"new root a mount point with pivot_root");
	if (seccomp_is_on(proc_fd))
		return error_setf(
			e, -err,
			"a seccomp filter forbids user namespaces: an outer container needs "
			"--security-opt seccomp=unconfined (or --privileged)");
	return error_set(
		e, -err,
		"making a user namespace: forbidden by a security module or because this user id is not "
		"mapped in the surrounding namespace");
}

int diagnose_clone(int err, const struct userns_caps *c, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);

	if (c->kind == USERNS_KIND_NONE) {
		if (err == ENOSPC)
			return explain_limit(proc_fd, err, e);
		return error_set(e, -err, "making namespaces as root");
	}
	switch (err) {
	case ENOSPC:
	case EUSERS:
		return explain_limit(proc_fd, err, e);
	case EPERM:
	case EACCES:
		return explain_eperm(proc_fd, err, e);
	case EINVAL:
	case ENOSYS:
		return error_set(
			e, -err,
			"making a user namespace: this kernel (or an outer container's filter) does not "
			"offer it");
	case EAGAIN:
		return error_set(e, -err,
				 "making a process: the limit of processes (ulimit -u) is reached");
	default:
		return error_set(e, -err, "making a user namespace");
	}
}
