/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to a running container: what run, create and start share.
 *
 * Theory of operation: the path of one run. The option table (or the store, for
 * crt start) fills a struct run_request. The image is found in the store or
 * fetched. compose_config() joins them into an OCI configuration. Then, side by
 * side because each costs about a millisecond: crt-net starts if ports are
 * published or nobody will be there to start it with the container's first frame,
 * the keeper is cloned and makes its network namespace, newuidmap and newgidmap write the id
 * maps, and this process writes the files of the bundle. The gate is opened when
 * the ids are mapped and the published ports are bound; from then on this
 * process only relays, or, for a detached container, ends as soon as the program
 * runs: the keeper has become its monitor (monitor-main.c).
 *
 * What was made is removed by whoever can: the keeper (root of the namespace)
 * deletes the writable layer, this process what the keeper never got to. A
 * crash of this process is noticed by the keeper; what a crash of both leaves
 * is a record whose lock is free, which ps shows as exited and rm removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/launch.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/fetch.h"
#include "cmd/keeper.h"
#include "cmd/networks.h"
#include "cmd/record.h"
#include "cmd/relay.h"
#include "cmd/rundir.h"
#include "cmd/volumes.h"
#include "cmd/container.h"

#define NAME_TRIES     50
#define NET_TIMEOUT_MS 10000 /* crt-net answers in milliseconds; a stuck one must not hang us */

/* ---- the image ----------------------------------------------------------------------------- */

static int fetch_image(struct launch *r, bool quiet, struct error *e)
{
	struct cmd_fetch_options o = {
		.platform = r->req->platform,
		.tls_verify = r->req->tls_verify,
		.authfile = r->req->authfile,
	};
	_cleanup_free_ char *ref = NULL;
	int ret;

	ret = cmd_fetch_image(r->plan.store, r->req->image, &o, quiet, &ref, e);
	if (ret < 0)
		return ret;
	ret = storage_image_resolve(r->plan.store, ref, &r->plan.image, e);
	return ret > 0 ? -ENOENT : ret;
}

/* Is the image for --platform? The variant is the registry's business. */
static bool platform_matches(const struct launch *r)
{
	const struct storage_image *i = &r->plan.image;
	const char *want = r->req->platform;
	size_t os_len = want != NULL ? strcspn(want, "/") : 0;
	const char *arch = want != NULL && want[os_len] == '/' ? want + os_len + 1 : "";
	size_t arch_len = strcspn(arch, "/");

	if (want == NULL || i->os == NULL || i->architecture == NULL)
		return true;
	if (strncmp(arch, "x86_64", arch_len) == 0)
		arch = "amd64", arch_len = 5;
	else if (strncmp(arch, "aarch64", arch_len) == 0)
		arch = "arm64", arch_len = 5;
	return strlen(i->os) == os_len && strncmp(i->os, want, os_len) == 0 &&
	       strlen(i->architecture) == arch_len && strncmp(i->architecture, arch, arch_len) == 0;
}

/*
 * A directory or archive of the caller's may have changed since it was taken in under its name, and
 * looking costs little: what is in the store already is not copied again. So "missing" means
 * registries, as with podman.
 */
static bool is_local_source(const char *image)
{
	return str_starts(image, "oci:") || str_starts(image, "oci-archive:") ||
	       str_starts(image, "docker-archive:");
}

static int find_image(struct launch *r, struct error *e)
{
	const struct run_request *req = r->req;
	struct run_plan *p = &r->plan;
	int ret = STORAGE_MISSING;
	bool known = false;

	if (req->pull == REQUEST_PULL_MISSING || req->pull == REQUEST_PULL_NEVER)
		ret = storage_image_resolve(p->store, req->image, &p->image, e);
	if (ret == STORAGE_FOUND && req->pull == REQUEST_PULL_MISSING &&
	    is_local_source(req->image)) {
		known = true; /* nothing to show when it is what it was */
		storage_image_fini(&p->image);
		ret = STORAGE_MISSING;
	}
	if (ret == STORAGE_FOUND && !platform_matches(r)) {
		if (req->pull == REQUEST_PULL_NEVER)
			return error_setf(e, -ENOENT,
					  "%s: the image in the store is for %s/%s and not for %s",
					  req->image, p->image.os, p->image.architecture,
					  req->platform);
		storage_image_fini(&p->image);
		ret = STORAGE_MISSING;
	}
	if (ret == STORAGE_MISSING && req->pull != REQUEST_PULL_NEVER) {
		*e = ERROR_INIT;
		/* says so if there is only another platform */
		ret = fetch_image(r, r->req->quiet || known, e);
		/* what is newer cannot be had: then what is there will do, as with podman */
		if (ret != STORAGE_FOUND && req->pull == REQUEST_PULL_NEWER) {
			struct error sub = ERROR_INIT;

			if (storage_image_resolve(p->store, req->image, &p->image, &sub) ==
				    STORAGE_FOUND &&
			    platform_matches(r)) {
				log_debug("%s: using the image in the store: %s", req->image,
					  e->msg);
				*e = ERROR_INIT;
				ret = STORAGE_FOUND;
			}
		}
	}
	if (ret == STORAGE_MISSING)
		return -ENOENT;
	if (ret < 0)
		return ret;
	return imageconf_parse(p->image.config, p->image.config_len, req->image, &p->conf, e);
}

/* ---- the bundle ------------------------------------------------------------------------------- */

static int write_file(struct launch *r, const char *name, const struct buf *b, struct error *e)
{
	if (b->err != 0)
		return error_set(e, b->err, "composing %s", name);
	return fd_create_file_at(r->bundle_fd, name, buf_str(b), b->len, 0644, e);
}

/* hosts and resolv.conf of the container whose network this one has. */
static int copy_files(struct launch *r, struct buf *hosts, struct buf *resolv, struct error *e)
{
	_cleanup_fd_ int dir_fd = open(r->join.rundir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *hosts_text = NULL, *resolv_text = NULL;
	int ret;

	if (dir_fd < 0)
		return error_set(e, -errno, "opening %s", r->join.rundir);
	ret = fd_read_file_at(dir_fd, "hosts", LIMIT_JSON_BYTES, &hosts_text, NULL, e);
	if (ret == 0)
		ret = fd_read_file_at(dir_fd, "resolv.conf", LIMIT_JSON_BYTES, &resolv_text, NULL,
				      e);
	if (ret < 0)
		return ret;
	(void)buf_puts(hosts, hosts_text); /* write_file() sees a failure */
	(void)buf_puts(resolv, resolv_text);
	return 0;
}

static int write_network_files(struct launch *r, struct error *e)
{
	const struct run_plan *p = &r->plan;
	_cleanup_buf_ struct buf hosts = BUF_INIT, resolv = BUF_INIT, hostname = BUF_INIT;
	struct net_request net = r->req->net; /* borrowed */
	int ret;

	if (net.mode == NET_MODE_JOIN)
		net.mode = NET_MODE_HOST; /* whose names are as good as any, except a container's */
	if (r->join.rundir != NULL)
		ret = copy_files(r, &hosts, &resolv, e);
	else
		ret = net_hosts(&net, p->hostname, p->name, &r->req->add_host, &hosts, e);
	if (ret == 0)
		ret = write_file(r, "hosts", &hosts, e);
	if (ret == 0 && r->join.rundir == NULL)
		ret = net_resolv_conf(&net, &resolv, e);
	if (ret == 0)
		ret = write_file(r, "resolv.conf", &resolv, e);
	if (ret == 0) {
		(void)buf_printf(&hostname, "%s\n", p->hostname);
		ret = write_file(r, "hostname", &hostname, e);
	}
	return ret;
}

static int write_containerenv(struct launch *r, struct error *e)
{
	const struct run_plan *p = &r->plan;
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (r->req->privileged) /* as podman: details only for a container that is trusted anyway */
		(void)buf_printf(
			&b,
			"engine=\"crt-%s\"\nname=\"%s\"\nid=\"%s\"\nimage=\"%s\"\nimageid=\"%s\"\nrootless=%d\n",
			CRT_VERSION, p->name, p->id, p->image.name != NULL ? p->image.name : "",
			p->image.id != NULL ? p->image.id : "", p->caps.kind != USERNS_KIND_NONE);
	return write_file(r, ".containerenv", &b, e);
}

/* Create the record. A name that we made up may be taken already: there are only some ten thousand. */
static int make_record(struct launch *r, bool started, struct error *e)
{
	struct run_plan *p = &r->plan;
	_cleanup_fd_ int volumes_lock = -1;
	_cleanup_fd_ int networks_lock = -1;

	if (volumes_make(p, &volumes_lock, e) < 0)
		return e->code;
	if (r->req->net.members_n > 0) {
		networks_lock = storage_network_lock(p->store, false, e);
		if (networks_lock < 0 || networks_plan(p, e) < 0) /* are they there still? */
			return e->code;
	}

	for (int tries = 0;; tries++) {
		_cleanup_free_ char *record = record_new(p, started, e);
		int ret;

		if (record == NULL)
			return -ENOMEM;
		ret = storage_container_create(p->store, p->id, p->name, record, false, &r->lock_fd,
					       e);
		if (ret != -EEXIST || r->req->name != NULL || tries == NAME_TRIES)
			return ret;
		*e = ERROR_INIT;
		free(p->name);
		p->name = id_random_name();
		if (p->name == NULL)
			return error_set(e, -ENOMEM, "container name");
	}
}

/*
 * A container that stays is on the disk before anybody is told of it; until then a power cut loses it whole.
 * Syncing takes as long as the helpers that write the id maps, so it is done while they work.
 */
static int sync_record(struct launch *l, struct error *e)
{
	return l->req->rm || l->existing ? 0 : storage_container_sync(l->plan.store, l->plan.id, e);
}

/* The bundle directory. */
static int make_bundle(struct launch *r, struct error *e)
{
	struct run_plan *p = &r->plan;

	free(p->rundir);
	p->rundir = NULL;
	r->bundle_fd = rundir_make(r->containers, p->id, &p->rundir, e);
	return r->bundle_fd < 0 ? r->bundle_fd : 0;
}

/* Undo where no keeper did. */
static void remove_container(struct launch *r)
{
	struct error e = ERROR_INIT;

	if (!r->recorded)
		return;
	/* the record last: it is what tells later commands where the bundle is */
	if (rundir_remove(r->containers, r->plan.id, &e) < 0)
		log_warning("%s", e.msg);
	if (!r->existing && storage_container_remove(r->plan.store, r->plan.id, &e) < 0 &&
	    e.code != -ENOENT)
		log_warning("%s", e.msg);
	r->recorded = false;
}

static int write_cidfile(const struct launch *r, struct error *e)
{
	const char *path = r->req->cidfile;
	_cleanup_fd_ int fd = -1;
	int ret;

	if (path == NULL)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_set(e, -errno, "--cidfile %s", path);
	ret = fd_write_all(fd, r->plan.id, strlen(r->plan.id));
	return ret < 0 ? error_set(e, ret, "--cidfile %s", path) : 0;
}

/* What crt start needs. One that goes with its end is started once only. */
static int write_request(struct launch *r, struct error *e)
{
	_cleanup_free_ char *text = NULL;

	if (r->req->rm && !r->req->detach)
		return 0;
	text = request_to_json(r->req);
	if (text == NULL)
		return error_set(e, -ENOMEM, "writing the container's request");
	return storage_container_write(r->plan.store, r->plan.id, "request.json", text, e);
}

/* --replace */
static int remove_namesake(struct launch *r, struct error *e)
{
	struct container c = { .id = NULL };
	_cleanup_free_ char *id = NULL;
	int ret;

	if (!r->req->replace)
		return 0;
	ret = storage_container_find(r->plan.store, r->req->name, &id, e);
	if (ret == STORAGE_FOUND)
		ret = container_load(r->plan.store, id, &c, e);
	if (ret == STORAGE_MISSING || ret == -ENOENT) {
		*e = ERROR_INIT;
		return 0;
	}
	if (ret == 0 && strcmp(c.name, r->req->name) == 0)
		ret = container_remove(r->plan.store, &c, container_stop_timeout(&c), e);
	container_fini(&c);
	return ret;
}

int launch_create(struct launch *l, bool started, struct error *e)
{
	int ret = remove_namesake(l, e);

	if (ret == 0)
		ret = make_record(l, started, e);
	if (ret < 0)
		return ret;
	l->recorded = true;
	ret = write_request(l, e);
	if (ret == 0)
		ret = write_cidfile(l, e);
	if (ret == 0 && !started)
		ret = sync_record(l, e);
	if (ret < 0)
		remove_container(l);
	return ret;
}

/* ---- start ------------------------------------------------------------------------------------- */

static void become_keeper(struct launch *r, struct userns_child *self)
{
	struct keeper_start k = {
		.plan = &r->plan,
		.containers = r->containers,
		.bundle_fd = r->bundle_fd,
		.lock_fd = r->lock_fd,
		.tap_sock = -1,
		.net_fd = -1,
		.net_pid_fd = -1,
		.notify_fd = r->notify_fd,
		.join = r->join,
		.detached = r->detached,
		.keep_record = r->existing,
	};

	close_fd(&r->ctl[0]);
	memcpy(k.stdio, r->stdio.child, sizeof(k.stdio));
	for (int i = 0; i < 3; i++)
		close_fd(&r->stdio.parent[i]);
	if (r->req->net.mode == NET_MODE_SLIRP)
		k.tap_sock = net_tap_socket(&r->net);
	if (r->req->net.mode == NET_MODE_SLIRP && r->detached) {
		k.net_fd = net_tap_socket(&r->net); /* crt-net lives as long as one is open */
		k.net_pid_fd = r->net.pid_fd >= 0 ? fd_dup(r->net.pid_fd) : -1;
	}
	net_forget(&r->net);
	keeper_main(&k, self, r->ctl[1]);
}

static bool has_free_port(const struct net_request *n)
{
	for (size_t i = 0; i < n->forwards_n; i++)
		if (n->forwards[i].host_port == 0)
			return true;
	return false;
}

static int open_gate(struct launch *r, struct error *e)
{
	int ret = fd_send(r->ctl[0], "g", 1, NULL, 0);

	return ret < 0 ? error_set(e, ret, "the container's keeper died") : 0;
}

/* --network NAME: as soon as the keeper has made the network namespace. */
static int join_networks(struct launch *r, struct error *e)
{
	struct networks_join j = { .store = r->plan.store,
				   .containers = r->containers,
				   .id = r->plan.id,
				   .name = r->plan.name,
				   .net = &r->req->net,
				   .life_fd = r->keeper.pid_fd };
	struct keeper_message m;
	int fds[2] = { -1, -1 }, ret;
	size_t n = 2;
	ssize_t len;

	if (r->req->net.members_n == 0)
		return 0;
	len = fd_recv(r->ctl[0], &m, sizeof(m), fds, &n);
	if (len == (ssize_t)sizeof(m) && m.event == KEEPER_FAILED) {
		*e = m.error;
		ret = m.error.code < 0 ? m.error.code : -EIO;
	} else if (len != (ssize_t)sizeof(m) || m.event != KEEPER_NETWORK || n != 2) {
		ret = error_setf(e, -EPIPE, "the container's keeper died");
	} else {
		j.net_fd = fds[0];
		j.rtnl_fd = fds[1];
		ret = networks_join_all(&j, &r->plan, e);
	}
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	return ret;
}

/* Everything up to the open gate. On failure the keeper, if any, is told by its closed socket. */
static int launch(struct launch *r, struct error *e)
{
	struct run_plan *p = &r->plan;
	bool slirp = r->req->net.mode == NET_MODE_SLIRP;
	int ret;

	ret = fd_socketpair(SOCK_SEQPACKET, r->ctl);
	if (ret < 0)
		return error_set(e, ret, "making a socket pair");
	if (!r->detached)
		ret = relay_stdio_init(&r->stdio, r->req->interactive, r->req->tty, e);
	if (ret == 0 && slirp)
		ret = r->detached ? net_start(&r->req->net, &r->net, e) :
				    net_prepare(&r->req->net, &r->net, e);
	if (ret == 0 && r->req->net.mode == NET_MODE_JOIN)
		ret = join_open(p->store, &r->req->net, p->caps.kind == USERNS_KIND_NONE, &r->join,
				e);
	if (ret < 0)
		return ret;
	relay_block_signals();
	ret = r->join.net_fd >= 0 ? userns_clone_join(&r->keeper, e) :
				    userns_clone(&p->caps, &p->keeper_map, 0, false, &r->keeper, e);
	if (ret < 0)
		return ret;
	if (ret == 0)
		become_keeper(r, &r->keeper);
	close_fd(&r->ctl[1]);
	relay_stdio_close_child(&r->stdio);
	ret = join_networks(r, e);
	if (ret == 0)
		ret = write_network_files(r, e);
	if (ret == 0)
		ret = write_containerenv(r, e);
	if (ret == 0)
		ret = sync_record(r, e);
	if (ret < 0) {
		/* it waits for its id map, and would go on waiting when its sockets were closed later */
		proc_kill(r->keeper.pid, r->keeper.pid_fd);
		r->keeper.pid = 0;
		return ret;
	}
	ret = userns_map_finish(&r->keeper, &p->caps, &p->keeper_map, e);
	if (ret < 0) {
		r->keeper.pid = 0; /* it was killed and reaped */
		return ret;
	}
	if (slirp) {
		bool chosen = has_free_port(&r->req->net);

		ret = net_wait_ready(&r->net, &r->req->net, false, NET_TIMEOUT_MS, e);
		r->net_answered = true;
		if (ret == 0 && chosen) /* before the keeper may write the record, too */
			ret = record_ports(p->store, p, e);
	}
	return ret == 0 && r->created == NULL ? open_gate(r, e) : ret;
}

/* Wait for the keeper, which cleans up after its last report. */
static void end_keeper(struct launch *r)
{
	close_fd(&r->ctl[0]);
	if (r->keeper.pid > 0) {
		(void)proc_wait(r->keeper.pid);
		r->recorded = false; /* the keeper removed or finished it */
	}
	userns_child_fini(&r->keeper);
}

/*
 * Three processes set a container up; when one fails the others see consequences (broken pipes,
 * a directory that is gone). The reason is crt-net's (a port in use), else the keeper's, else ours.
 */
static void prefer_the_reason(struct launch *r, struct error *e)
{
	struct pollfd pfd = { .events = POLLIN };
	struct error net = ERROR_INIT;
	struct keeper_message m;

	if (r->net.pid > 0) {
		if (r->net_answered && e->code != -EPIPE)
			return; /* it was the last step, and this is its reason */
		if (!r->net_answered &&
		    net_wait_ready(&r->net, &r->req->net, false, NET_TIMEOUT_MS, &net) < 0) {
			*e = net;
			return;
		}
	}
	pfd.fd = r->ctl[0];
	if (poll(&pfd, 1, 0) == 1 &&
	    fd_recv(r->ctl[0], &m, sizeof(m), NULL, NULL) == (ssize_t)sizeof(m) &&
	    m.event == KEEPER_FAILED)
		*e = m.error;
}

/* The bundle, then everything up to the open gate. */
static int begin(struct launch *r, struct error *e)
{
	int ret = make_bundle(r, e);

	r->recorded = true; /* there is something to remove */
	return ret < 0 ? ret : launch(r, e);
}

int launch_foreground(struct launch *r, struct error *e)
{
	struct relay relay = {
		.stdio = &r->stdio,
		.tty = r->req->tty,
		.interactive = r->req->interactive,
		.sig_proxy = r->req->sig_proxy,
		.timeout = r->req->timeout,
		.pidfile = r->req->pidfile,
		.net = &r->net,
		.net_request = &r->req->net,
	};
	int code = 125;

	if (begin(r, e) == 0) {
		relay.ctl_fd = r->ctl[0];
		code = relay_run(&relay, e);
	} else {
		prefer_the_reason(r, e);
	}
	net_stop(&r->net);
	end_keeper(r);
	relay_stdio_fini(&r->stdio);
	remove_container(r);
	return code;
}

/* Until the program runs and the keeper has become the monitor, which closes its end. 0 or the exit code. */
static int await_start(struct launch *r, struct error *e)
{
	bool started = false;

	for (;;) {
		struct keeper_message m;
		int fds[2] = { -1, -1 };
		size_t n = 2;
		ssize_t len = fd_recv(r->ctl[0], &m, sizeof(m), fds, &n);
		int ret = 0;

		close_fd(&fds[0]);
		close_fd(&fds[1]);
		if (len == 0 && started)
			return 0;
		if (len != (ssize_t)sizeof(m)) {
			(void)error_setf(e, -EPIPE, "the container's keeper died");
			return 125;
		}
		if (m.event == KEEPER_CREATED)
			ret = relay_write_pidfile(r->req->pidfile, m.pid, e);
		if (m.event == KEEPER_CREATED && ret == 0 && r->created != NULL) {
			ret = r->created(r->created_data, e);
			if (ret == 0)
				ret = open_gate(r, e);
		}
		if (m.event == KEEPER_FAILED || m.event == KEEPER_EXITED) {
			*e = m.error;
			return m.value;
		}
		if (ret < 0)
			return 125;
		started = started || m.event == KEEPER_STARTED;
	}
}

int launch_detached(struct launch *r, struct error *e)
{
	int code = 125;

	r->detached = true;
	if (begin(r, e) == 0)
		code = await_start(r, e);
	else
		prefer_the_reason(r, e);
	if (code == 0 && relay_write_pidfile(r->req->conmon_pidfile, r->keeper.pid, e) < 0) {
		log_warning("--conmon-pidfile: %s", e->msg);
		*e = ERROR_INIT;
	}
	if (code == 0) { /* keeper and crt-net go on without us */
		notify_tell(r->notify_fd, r->keeper.pid,
			    r->req->sdnotify == REQUEST_SDNOTIFY_CONMON);
		net_forget(&r->net);
		r->keeper.pid = 0;
		r->recorded = false;
		userns_child_fini(&r->keeper);
		return 0;
	}
	net_stop(&r->net);
	end_keeper(r);
	remove_container(r);
	return code;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

/* The image of a container that exists, whatever its name means by now. */
static int find_same_image(struct launch *l, struct error *e)
{
	struct run_plan *p = &l->plan;
	int ret = storage_image_resolve(p->store, l->image_id, &p->image, e);

	if (ret == STORAGE_MISSING)
		return error_setf(e, -ENOENT, "the image of the container (%s) was removed",
				  l->req->image);
	if (ret < 0)
		return ret;
	return imageconf_parse(p->image.config, p->image.config_len, l->req->image, &p->conf, e);
}

/* -P. What the image says is not the user's mistake: a port that cannot be published is only named. */
static int publish_exposed(struct launch *r, struct error *e)
{
	const struct strv *image = &r->plan.conf.exposed;
	int ret = 0;

	if (!r->req->publish_all)
		return 0;
	for (size_t i = 0; ret == 0 && i < r->req->expose.n; i++)
		ret = net_parse_exposed(r->req->expose.v[i], &r->req->net, e);
	for (size_t i = 0; ret == 0 && i < image->n; i++) {
		ret = net_parse_exposed(image->v[i], &r->req->net, e);
		if (ret == -EINVAL) {
			log_warning("EXPOSE of the image: %s", e->msg);
			*e = ERROR_INIT;
			ret = 0;
		}
	}
	return ret;
}

int launch_plan(struct launch *r, struct error *e)
{
	struct run_plan *p = &r->plan;
	int ret;

	ret = userns_probe(&p->caps, e);
	if (ret == 0)
		ret = userns_map_default(&p->caps, &p->keeper_map, e);
	if (ret == 0 && r->req->rootfs == NULL)
		ret = r->existing ? find_same_image(r, e) : find_image(r, e);
	if (ret == 0)
		ret = publish_exposed(r, e);
	if (ret < 0)
		return ret;
	ret = r->existing ? 0 : id_generate(p->id);
	if (ret < 0)
		return error_set(e, ret, "making the container's id: random numbers");
	if (!r->existing)
		p->name = r->req->name != NULL ? strdup(r->req->name) : id_random_name();
	p->rundir = str_printf("%s/%s", r->containers, p->id);
	if (p->name == NULL || p->rundir == NULL)
		return error_set(e, -ENOMEM, "container name");
	if (r->req->sdnotify != REQUEST_SDNOTIFY_IGNORE && !r->req->explain) {
		ret = notify_open(&r->notify_fd, e);
		if (ret < 0)
			return ret;
		p->notify = r->notify_fd >= 0 && r->req->sdnotify == REQUEST_SDNOTIFY_CONTAINER;
	}
	ret = volumes_resolve(p, e);
	if (ret == 0)
		ret = networks_plan(p, e);
	return ret < 0 ? ret : compose_config(p, e);
}

void launch_init(struct launch *l, const struct cmd_global *g, struct run_request *req)
{
	/* modes of what is made are given; a umask that keeps its owner out is of no use */
	(void)umask(022);
	*l = (struct launch){
		.global = g,
		.req = req,
		.bundle_fd = -1,
		.lock_fd = -1,
		.notify_fd = -1,
		.net = NET_HANDLE_INIT,
		.join = JOIN_INIT,
		.stdio = { { -1, -1, -1 }, { -1, -1, -1 } },
		.ctl = { -1, -1 },
	};
	l->plan.req = req;
}

void launch_fini(struct launch *l)
{
	struct storage *store = l->plan.store;

	close_fd(&l->bundle_fd);
	close_fd(&l->lock_fd);
	close_fd(&l->notify_fd);
	close_fd(&l->ctl[0]);
	close_fd(&l->ctl[1]);
	join_fini(&l->join);
	run_plan_fini(&l->plan);
	storage_free(store);
	free(l->containers);
	l->containers = NULL;
}

int launch_open(struct launch *l, struct error *e)
{
	int ret = storage_open(l->global->root, true, &l->plan.store, e);

	if (ret == 0)
		ret = rundir_open(l->global->runroot, l->plan.store, &l->containers, e);
	return ret;
}
