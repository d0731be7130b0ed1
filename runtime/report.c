/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of what went wrong between clone and exec.
 *
 * Theory of operation: the child sends numbers only; here they meet the plan,
 * which still holds every name. The report comes from a process that may have
 * been running inside hostile surroundings, so every index is checked. Texts
 * that engines match (a missing or forbidden program) are runc's, in lower
 * case.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "runtime/plan.h"
#include "runtime/runtime.h"

static const char *const step_texts[STEP_COUNT] = {
	[STEP_NONE] = "child process",
	[STEP_SYNC] = "talk to the container's process",
	[STEP_UNSHARE] = "unshare namespaces",
	[STEP_TIME_OFFSETS] = "set the offsets of the time namespace",
	[STEP_CLONE] = "clone the container's process",
	[STEP_BECOME_ROOT] = "become root of the user namespace",
	[STEP_KEYRING] = "create a session keyring",
	[STEP_CGROUP] = "enter the cgroup",
	[STEP_PROPAGATION] = "set the propagation of the mount namespace",
	[STEP_PROC_FD] = "open /proc",
	[STEP_OOM_SCORE] = "write oom_score_adj",
	[STEP_SCHEDULER] = "set the scheduler",
	[STEP_IOPRIO] = "set the io priority",
	[STEP_AFFINITY] = "set the CPU affinity",
	[STEP_MEMPOLICY] = "set the memory policy",
	[STEP_PERSONALITY] = "set the personality",
	[STEP_LSM] = "write to /proc/self/attr/exec",
	[STEP_CONSOLE_PTMX] = "open the container's /dev/pts/ptmx",
	[STEP_CONSOLE_PEER] = "open the console's terminal",
	[STEP_CONSOLE_SEND] = "send the console's master",
	[STEP_CONSOLE_BIND] = "bind /dev/console",
	[STEP_CONSOLE_CTTY] = "take the controlling terminal",
	[STEP_STDIO] = "set up standard input and output",
	[STEP_ROOT_READONLY] = "make the root file system read-only",
	[STEP_PIVOT] = "pivot_root",
	[STEP_HOSTNAME] = "sethostname",
	[STEP_DOMAINNAME] = "setdomainname",
	[STEP_SETGROUPS] = "setgroups",
	[STEP_SETGID] = "setgid",
	[STEP_SETUID] = "setuid",
	[STEP_CAPS] = "unable to apply caps",
	[STEP_NO_NEW_PRIVS] = "set no_new_privs",
	[STEP_SECCOMP] = "load the seccomp filter",
	[STEP_NOTIFY_SOCKET] = "send the seccomp listener",
	[STEP_GATE] = "wait for start",
};

static int mount_error(const struct child_plan *p, const struct child_report *rep, struct error *e)
{
	const struct plan_mount *m;
	const char *what;

	if (rep->index >= p->mounts_n)
		return error_setf(e, -EPROTO, "the container's process sent a malformed report");
	m = &p->mounts[rep->index];
	what = m->source != NULL ? m->source : m->type != NULL ? m->type : "none";
	if (rep->step == STEP_SOURCE)
		return error_set(e, -rep->err, "error mounting \"%s\" to rootfs at \"%s\": open %s",
				 what, m->destination, what);
	if (rep->step == STEP_MOUNT_OPTION)
		return error_set(e, -rep->err,
				 "error mounting \"%s\" to rootfs at \"%s\": option \"%s\"", what,
				 m->destination,
				 rep->aux < m->options_n ? m->options[rep->aux].key : "?");
	if (rep->step == STEP_MOUNT_ATTR)
		return error_set(e, -rep->err,
				 "error mounting \"%s\" to rootfs at \"%s\": set mount flags", what,
				 m->destination);
	if (rep->step == STEP_TARGET)
		return error_set(e, -rep->err,
				 "error mounting \"%s\" to rootfs at \"%s\": create mount point",
				 what, m->destination);
	if (rep->step == STEP_TARGET_NOT_DIR)
		return error_setf(
			e, -ENOTDIR,
			"error mounting \"%s\" to rootfs at \"%s\": it must be mounted on ordinary directory, not on a link",
			what, m->destination);
	if (rep->step == STEP_TARGET_PROC)
		return error_setf(
			e, -EPERM,
			"error mounting \"%s\" to rootfs at \"%s\": cannot be mounted because it is inside /proc",
			what, m->destination);
	if (rep->step == STEP_COPYUP)
		return error_set(
			e, -rep->err,
			"error mounting \"%s\" to rootfs at \"%s\": copy the directory's content",
			what, m->destination);
	return error_set(e, -rep->err, "error mounting \"%s\" to rootfs at \"%s\"", what,
			 m->destination);
}

static int program_error(const struct child_plan *p, const struct child_report *rep,
			 struct error *e)
{
	const char *name = p->process != NULL && p->process->args_n > 0 ? p->process->args[0] : "";

	if (rep->step == STEP_LOOKUP_PATH)
		return error_setf(e, -ENOENT, "exec: \"%s\": executable file not found in $PATH",
				  name);
	if (rep->step == STEP_EXEC)
		return error_set(e, -rep->err, "exec %s", name);
	if (rep->err == EISDIR) /* callers know execve's EACCES */
		return error_setf(e, -EACCES, "exec: \"%s\": is a directory: permission denied",
				  name);
	if (rep->err == EACCES)
		return error_set(e, -rep->err, "exec: \"%s\"", name);
	return error_set(e, -rep->err, "exec: \"%s\": stat %s", name, name);
}

static int hook_error(const struct child_report *rep, struct error *e)
{
	const char *kind = rep->aux < SPEC_HOOK_COUNT ? spec_hook_names[rep->aux] : "?";

	if (rep->step == STEP_HOOK_TIMEOUT)
		return error_setf(e, -ETIMEDOUT, "error running %s hook #%u: timed out", kind,
				  rep->index);
	if (rep->step == STEP_HOOK_STATUS && rep->err < 0)
		return error_setf(e, -EIO, "error running %s hook #%u: killed by signal %d", kind,
				  rep->index, -rep->err);
	if (rep->step == STEP_HOOK_STATUS)
		return error_setf(e, -EIO, "error running %s hook #%u: exit status %d", kind,
				  rep->index, rep->err);
	return error_set(e, -rep->err, "error running %s hook #%u", kind, rep->index);
}

static int device_error(const struct child_plan *p, const struct child_report *rep, struct error *e)
{
	const char *path = rep->index < p->devices_n ? p->devices[rep->index].path : "/dev";

	if (rep->step == STEP_DEVICE_WRONG)
		return error_setf(e, -EINVAL,
				  "device %s: the host's node is of another type or number", path);
	if (rep->step == STEP_DEVICE_SOURCE)
		return error_set(e, -rep->err, "device %s: open the host's node", path);
	return error_set(e, -rep->err, "creating device node %s", path);
}

static const char *nth(const char *const *v, size_t n, size_t i)
{
	return i < n ? v[i] : "?";
}

int report_format(const struct child_plan *p, const struct child_report *rep, struct error *e)
{
	enum child_step step = rep->step < STEP_COUNT ? (enum child_step)rep->step : STEP_NONE;
	int err = rep->err > 0 && rep->err < 4096 ? rep->err : EPROTO;
	const char *text;

	if (step >= STEP_SOURCE && step <= STEP_COPYUP)
		return mount_error(p, rep, e);
	if (step >= STEP_DEVICE_SOURCE && step <= STEP_DEVICE)
		return device_error(p, rep, e);
	if (step >= STEP_HOOK && step <= STEP_HOOK_TIMEOUT)
		return hook_error(rep, e);
	if (step >= STEP_LOOKUP_PATH && step <= STEP_EXEC)
		return program_error(p, rep, e);
	if (step == STEP_ROOTFS_OPEN || step == STEP_ROOTFS_MOUNT)
		return error_set(e, -err, "%s the root file system %s",
				 step == STEP_ROOTFS_OPEN ? "open" : "mount", p->rootfs);
	if (step == STEP_JOIN)
		return error_set(e, -err, "join the %s namespace",
				 rep->index < p->joins_n ? spec_ns_name(p->joins[rep->index].ns) :
							   "?");
	if (step == STEP_SYMLINK)
		return error_set(e, -err, "create link %s",
				 rep->index < p->links_n ? p->links[rep->index].path : "?");
	if (step == STEP_MASK)
		return error_set(e, -err, "can't mask path \"%s\"",
				 nth(p->masked, p->masked_n, rep->index));
	if (step == STEP_READONLY_PATH)
		return error_set(e, -err, "can't make path \"%s\" read-only",
				 nth(p->readonly, p->readonly_n, rep->index));
	if (step == STEP_SYSCTL)
		return error_set(e, -err, "write sysctl /proc/%s",
				 rep->index < p->sysctls_n ? p->sysctls[rep->index].path : "?");
	if (step == STEP_RLIMIT && p->process != NULL && rep->index < p->process->rlimits_n)
		return error_set(e, -err, "error setting rlimit %s",
				 p->process->rlimits[rep->index].name);
	if (step == STEP_CWD)
		return error_set(e, -err, "chdir to cwd (\"%s\") set in config.json failed",
				 p->process != NULL && p->process->cwd != NULL ? p->process->cwd :
										 "");
	if (step == STEP_CWD_OUTSIDE)
		return error_setf(
			e, -EPERM,
			"current working directory is outside of container mount namespace root");
	if (step == STEP_CAP_BOUND || step == STEP_CAP_AMBIENT)
		return error_set(e, -err, "%s capability %s",
				 step == STEP_CAP_BOUND ? "drop" : "raise ambient",
				 runtime_cap_name((int)rep->index) != NULL ?
					 runtime_cap_name((int)rep->index) :
					 "?");
	if (step == STEP_LSM && p->apparmor_exec != NULL && err == ENOENT)
		return error_setf(e, -ENOENT,
				  "apparmor failed to apply profile: \"%.200s\" is not loaded",
				  p->process->apparmor);
	text = step < STEP_COUNT ? step_texts[step] : NULL;
	return error_set(e, -err, "%s", text != NULL ? text : "child process");
}
