/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt network: the group, and rm, prune, connect, disconnect.
 *
 * Theory of operation: names, messages and exit codes are podman's. A network is used by the containers
 * whose records name it, running or not; it is removed under the exclusive lock of the
 * networks when there are none. Connecting first changes what the container asks for
 * (request.json and record, under the shared lock), so that its next life has it, and then, when it
 * runs, plugs it in; what fails is taken back. Disconnecting goes the other way round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/inside.h"
#include "cmd/network.h"
#include "cmd/networks.h"
#include "cmd/out.h"
#include "cmd/record.h"
#include "cmd/request.h"
#include "cmd/rundir.h"
#include "cmd/verbs.h"

struct options {
	bool force;
	const char *ip, *ip6, *mac;
	struct strv filters, aliases;
};
#define AT(m) offsetof(struct options, m)

static void options_fini(struct options *o)
{
	strv_fini(&o->filters);
	strv_fini(&o->aliases);
}

static int network_rm(int argc, char **argv, const struct cmd_global *g);
static int network_prune(int argc, char **argv, const struct cmd_global *g);
static int network_connect(int argc, char **argv, const struct cmd_global *g);
static int network_disconnect(int argc, char **argv, const struct cmd_global *g);

static const struct option_spec rm_options[] = {
	{ "force", 'f', OPT_FLAG, AT(force),
	  .help = "Remove the containers that use them as well" },
	OPTION_END
};
static const struct cmd_verb verb_rm = {
	.name = "network rm",
	.alias = "network remove",
	.run = network_rm,
	.options = rm_options,
	.usage = "[OPTIONS] NAME...",
	.summary = "Remove networks",
	.operands = OPERANDS_NETWORKS,
};

static const struct option_spec prune_options[] = {
	{ "filter", 0, OPT_STRINGS, AT(filters), .arg = "KEY=VALUE",
	  .help = "Remove only some, see network ls", .complete = NETWORK_FILTER_WORDS },
	{ "force", 'f', OPT_FLAG, AT(force), .help = "Do not ask" },
	OPTION_END
};
static const struct cmd_verb verb_prune = {
	.name = "network prune",
	.run = network_prune,
	.options = prune_options,
	.usage = "[OPTIONS]",
	.summary = "Remove all networks that no container uses",
};

static const struct option_spec connect_options[] = {
	{ "alias", 0, OPT_STRINGS, AT(aliases), .arg = "NAME",
	  .help = "Another name of the container there" },
	{ "ip", 0, OPT_STRING, AT(ip), .arg = "ADDRESS", .help = "Its IPv4 address there" },
	{ "ip6", 0, OPT_STRING, AT(ip6), .arg = "ADDRESS", .help = "Its IPv6 address there" },
	{ "mac-address", 0, OPT_STRING, AT(mac), .arg = "ADDRESS",
	  .help = "Address of its network device there" },
	OPTION_END
};
const struct cmd_verb network_verb_connect = {
	.name = "network connect",
	.run = network_connect,
	.options = connect_options,
	.usage = "[OPTIONS] NETWORK CONTAINER",
	.summary = "Put a container on a network",
	.operands = OPERANDS_NETWORK_CONTAINER,
};

static const struct option_spec disconnect_options[] = {
	{ "force", 'f', OPT_FLAG, AT(force), .help = "It is no error when it is not on it" },
	OPTION_END
};
const struct cmd_verb network_verb_disconnect = {
	.name = "network disconnect",
	.run = network_disconnect,
	.options = disconnect_options,
	.usage = "[OPTIONS] NETWORK CONTAINER",
	.summary = "Take a container off a network",
	.operands = OPERANDS_NETWORK_CONTAINER,
};

static const struct option_spec no_options[] = { OPTION_END };
static const struct cmd_verb *const verbs[] = { &network_verb_connect,
						&network_verb_create,
						&network_verb_disconnect,
						&network_verb_exists,
						&network_verb_inspect,
						&network_verb_ls,
						&verb_prune,
						&verb_rm,
						NULL };

const struct cmd_verb cmd_verb_network = {
	.name = "network",
	.run = cmd_network,
	.options = no_options,
	.usage = "connect|create|disconnect|exists|inspect|ls|prune|rm [ARG...]",
	.summary = "Networks that containers share",
	.stops_at_operand = true,
	.operands = OPERANDS_WORDS,
	.words = "connect|create|disconnect|exists|inspect|ls|prune|rm",
	.verbs = verbs,
};

int cmd_network(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_network, argc, argv, g);
}

/* ---- rm and prune ---------------------------------------------------------------------------- */

static int remove_users(struct storage *s, const struct strv *ids, struct error *e)
{
	for (size_t i = 0; i < ids->n; i++) {
		struct container c = { .id = NULL };
		int r = container_load(s, ids->v[i], &c, e);

		if (r == 0)
			r = container_remove(s, &c, 0, e);
		container_fini(&c);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	*e = ERROR_INIT;
	return 0;
}

/* 0, -EBUSY when it is used, -ENOENT. */
static int remove_network(struct storage *s, const char *name, bool force, struct error *e)
{
	if (strcmp(name, NET_DEFAULT_NETWORK) == 0)
		return error_setf(e, -EINVAL, "default network %s cannot be removed", name);
	for (int tries = 0;; tries++) {
		_cleanup_strv_ struct strv users = { .v = NULL };
		_cleanup_fd_ int lock = storage_network_lock(s, true, e);
		int r = lock < 0 ? lock : networks_users(s, name, &users, e);

		if (r < 0)
			return r;
		if (users.n == 0)
			return storage_network_remove(s, name, e);
		if (!force || tries == 3)
			return error_setf(
				e, -EBUSY,
				"\"%s\" has associated containers with it (%.12s%s). Use -f to "
				"forcefully delete containers and pods: network is being used",
				name, users.v[0], users.n > 1 ? " and others" : "");
		close_fd(&lock); /* containers are stopped without it */
		r = remove_users(s, &users, e);
		if (r < 0)
			return r;
	}
}

static int say(const char *name, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s\n", name); /* out_write() sees a failure */
	return out_write(&b, e);
}

/* An exit code. */
static int rm_one(struct storage *s, const char *text, const struct options *o)
{
	_cleanup_free_ char *name = NULL;
	struct error e = ERROR_INIT;
	int r = networks_find(s, text, &name, &e);

	if (r == -ENOENT && o->force)
		return 0;
	if (r == 0)
		r = remove_network(s, name, o->force, &e);
	if (r == 0)
		r = say(text, &e);
	if (r == 0)
		return 0;
	log_error(&e);
	return r == -ENOENT ? NETWORK_EXIT_MISSING : r == -EBUSY ? NETWORK_EXIT_USED : EXIT_CRT;
}

static int network_rm(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .force = false };
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_rm, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(&verb_rm, "crt network rm needs names of networks");
	if (storage_open(g->root, true, &s, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	code = 0;
	for (int i = first; i < argc; i++) {
		int one = rm_one(s, argv[i], &o);

		code = one > code ? one : code;
	}
	inside_empty_trash(s);
	storage_free(s);
	return code;
}

/* As podman: a question on the terminal, no without an answer. */
static bool confirmed(void)
{
	char answer[16] = "";

	(void)fputs("WARNING! This will remove all networks not used by at least one container.\n"
		    "Are you sure you want to continue? [y/N] ",
		    stdout);
	(void)fflush(stdout); /* a question that cannot be shown gets no answer */
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int prune_one(struct storage *s, const char *name, const struct options *o, struct error *e)
{
	_cleanup_network_ struct network n = { .json = NULL };
	int r = strcmp(name, NET_DEFAULT_NETWORK) == 0 ? 1 : networks_load(s, name, &n, e);

	if (r == 0)
		r = filter_pass(network_filters, &o->filters, n.json, s, e) - 1;
	if (r == 0)
		r = remove_network(s, name, false, e);
	if (r == 0)
		r = say(name, e);
	if (r == -EBUSY || r == -ENOENT)
		*e = ERROR_INIT; /* used, or removed meanwhile */
	return e->code;
}

static int prune(const struct options *o, const struct cmd_global *g, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, true, &s, e);

	if (r == 0)
		r = filter_check(network_filters, &o->filters, s, e);
	if (r == 0)
		r = networks_list(s, &names, e);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = prune_one(s, names.v[i], o, e);
	storage_free(s);
	return r;
}

static int network_prune(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .force = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_prune, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&verb_prune, "crt network prune takes no arguments");
	} else if (first >= 0) {
		code = (o.force || confirmed()) && prune(&o, g, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	options_fini(&o);
	return code;
}

/* ---- connect and disconnect ---------------------------------------------------------------------- */

/* One call of either. */
struct change {
	struct storage *store;
	char *containers; /* runtime directory */
	char *network;
	struct container c;
	struct run_request req; /* what the container asks for; has_request: from request.json */
	bool has_request;
};

static void change_fini(struct change *ch)
{
	run_request_fini(&ch->req);
	container_fini(&ch->c);
	free(ch->network);
	free(ch->containers);
	storage_free(ch->store);
}

static int change_init(struct change *ch, const struct cmd_global *g, char **names, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	int r;

	*ch = (struct change){ .store = NULL };
	run_request_init(&ch->req);
	r = storage_open(g->root, true, &ch->store, e);
	if (r == 0)
		r = rundir_open(g->runroot, ch->store, &ch->containers, e);
	if (r == 0)
		r = networks_find(ch->store, names[0], &ch->network, e);
	if (r == 0)
		r = container_open(ch->store, names[1], &ch->c, e);
	if (r < 0)
		return r;
	ch->has_request =
		storage_container_read(ch->store, ch->c.id, "request.json", &text, NULL) == 0;
	return ch->has_request ? request_from_json(text, &ch->req, e) : 0;
}

static json_t *records_networks(const struct change *ch)
{
	json_t *networks = json_object_get(ch->c.record, "networks");

	return json_is_object(networks) ? json_deep_copy(networks) : json_object();
}

/* Write what it asks for, and its record with this entry (taken; NULL: without). */
static int keep(struct change *ch, json_t *entry, bool remove, struct error *e)
{
	_cleanup_free_ char *text = ch->has_request ? request_to_json(&ch->req) : NULL;
	_cleanup_json_ json_t *networks = records_networks(ch), *changes = NULL, *config = NULL;
	int r = 0;

	if (networks == NULL || (ch->has_request && text == NULL) ||
	    (remove ? json_object_del(networks, ch->network) < 0 :
		      json_object_set_new(networks, ch->network, entry) < 0))
		return error_set(e, -ENOMEM, "network %s", ch->network);
	config = json_copy(json_object_get(ch->c.record, "config"));
	if (config != NULL && json_object_size(networks) > 0)
		(void)json_object_set_new(config, "networkMode", json_string("bridge"));
	changes = json_pack("{s:O, s:O*}", "networks", networks, "config", config);
	if (text != NULL)
		r = storage_container_write(ch->store, ch->c.id, "request.json", text, e);
	if (r == 0)
		r = record_update(ch->store, ch->c.id, changes, e);
	if (r == 0)
		(void)json_object_update(ch->c.record, changes);
	return r;
}

/* A mode of which networks can be no part. */
static int check_mode(const struct change *ch, struct error *e)
{
	const char *mode = json_string_value(
		json_object_get(json_object_get(ch->c.record, "config"), "networkMode"));

	if (mode == NULL || strcmp(mode, "bridge") == 0 || strcmp(mode, "slirp4netns") == 0)
		return 0;
	return error_setf(e, -EINVAL, "\"%s\" is not supported: invalid network mode", mode);
}

/* The bundle's resolv.conf, which the container sees: with the server in front of others, or without it. */
static void change_server(const struct change *ch, const char *server, bool add)
{
	const char *dir = json_string_value(json_object_get(ch->c.record, "rundir"));
	_cleanup_free_ char *path = str_printf("%s/resolv.conf", dir != NULL ? dir : "");
	_cleanup_free_ char *text = NULL, *line = str_printf("nameserver %s\n", server);
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	const char *at;

	if (path == NULL || line == NULL || server[0] == '\0' ||
	    fd_read_file_at(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, NULL, NULL) < 0)
		return;
	at = strstr(text, line);
	if ((at != NULL) == add)
		return;
	if (add)
		(void)buf_printf(&b, "%s%s", line, text);
	else
		(void)buf_printf(&b, "%.*s%s", (int)(at - text), text, at + strlen(line));
	fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	/* another id's with --userns=keep-id, or the disk is full: names are not found, addresses are */
	if (fd < 0 || b.err < 0 || fd_write_all(fd, b.data, b.len) < 0)
		log_warning("%s: the name server of network %s cannot be noted: %s", ch->c.name,
			    ch->network, error_strerror(errno));
}

static const char *text_of(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

static int plug_in(struct change *ch, const struct network *n, const struct net_member *m,
		   struct error *e)
{
	struct networks_join j;
	json_t *entry = NULL;
	int r = networks_open_container(ch->store, &ch->c, &j, e);

	if (r < 0)
		return r;
	j.containers = ch->containers;
	j.net = &ch->req.net;
	r = networks_join_one(&j, &n->net, m, &entry, e);
	networks_close_container(&j);
	if (r < 0)
		return r;
	if (n->net.dns)
		change_server(ch, text_of(entry, n->net.prefix != 0 ? "gateway" : "gateway6"),
			      true);
	return keep(ch, entry, false, e);
}

static int connect_to(struct change *ch, const struct options *o, struct error *e)
{
	_cleanup_network_ struct network n = { .json = NULL };
	_cleanup_fd_ int lock = -1;
	struct net_lease want;
	struct net_request only;
	struct net_member *m;
	int r = check_mode(ch, e);

	if (r < 0)
		return r;
	if (json_object_get(json_object_get(ch->c.record, "networks"), ch->network) != NULL)
		return error_setf(e, -EEXIST,
				  "container %.12s is already connected to network \"%s\"",
				  ch->c.id, ch->network);
	m = net_member_add(&ch->req.net, ch->network);
	if (m == NULL)
		return error_setf(e, -E2BIG, "container %.12s: at most %d networks", ch->c.id,
				  NET_MEMBERS_MAX);
	/* the options are those of this one only */
	only = (struct net_request){ .members = m, .members_n = 1 };
	r = net_check_members(&only, o->ip, o->ip6, o->mac, &o->aliases, e);
	if (r < 0)
		return r;
	lock = storage_network_lock(ch->store, false, e);
	if (lock < 0)
		return lock;
	r = networks_load(ch->store, ch->network, &n, e);
	if (r == 0)
		r = net_lease_want(m, &n.net, &want, e);
	if (r == 0)
		r = keep(ch, json_object(), false, e);
	close_fd(&lock);
	if (r < 0 || !container_is_running(&ch->c))
		return r;
	r = plug_in(ch, &n, m, e);
	if (r < 0) {
		net_member_remove(&ch->req.net, ch->req.net.members_n - 1);
		(void)keep(ch, NULL, true, NULL); /* the first error is the one to report */
	}
	return r;
}

static int disconnect_from(struct change *ch, const struct options *o, struct error *e)
{
	json_t *entry = json_object_get(json_object_get(ch->c.record, "networks"), ch->network);
	int r = check_mode(ch, e);

	if (r < 0)
		return r;
	if (entry == NULL)
		return o->force ? 0 :
				  error_setf(e, -ENOENT,
					     "container %.12s is not connected to network \"%s\"",
					     ch->c.id, ch->network);
	if (container_is_running(&ch->c)) {
		r = networks_leave(ch->containers, ch->network, ch->c.id, e);
		if (r < 0 && r != -ENOENT)
			return r;
		*e = ERROR_INIT;
		change_server(ch, text_of(entry, "gateway"), false);
		change_server(ch, text_of(entry, "gateway6"), false);
	}
	for (size_t i = 0; i < ch->req.net.members_n; i++)
		if (strcmp(ch->req.net.members[i].name, ch->network) == 0)
			net_member_remove(&ch->req.net, i--);
	return keep(ch, NULL, true, e);
}

static int change_one(const struct cmd_verb *verb, int argc, char **argv,
		      const struct cmd_global *g,
		      int (*fn)(struct change *ch, const struct options *o, struct error *e))
{
	struct options o = { .force = false };
	struct error e = ERROR_INIT;
	struct change ch;
	int code;
	int first = opt_parse(verb, argc, argv, &o, &code);
	int r;

	if (first >= 0 && argc - first != 2) {
		code = opt_usage_error(verb, "crt %s needs a network and a container", verb->name);
	} else if (first >= 0) {
		r = change_init(&ch, g, argv + first, &e);
		if (r == 0)
			r = fn(&ch, &o, &e);
		if (r < 0)
			log_error(&e);
		code = r < 0 ? EXIT_CRT : 0;
		change_fini(&ch);
	}
	options_fini(&o);
	return code;
}

static int network_connect(int argc, char **argv, const struct cmd_global *g)
{
	return change_one(&network_verb_connect, argc, argv, g, connect_to);
}

static int network_disconnect(int argc, char **argv, const struct cmd_global *g)
{
	return change_one(&network_verb_disconnect, argc, argv, g, disconnect_from);
}
