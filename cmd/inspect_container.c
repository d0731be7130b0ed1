/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt inspect: a container as podman shows it.
 *
 * Theory of operation
 *
 * Programs look for keys and must find them, so each part begins with all of podman's keys
 * and the values of a container for which nothing was asked; then comes what the record
 * says, and what the request says that lies beside it. Records and requests are our own
 * files, but the strings in them come from images; as JSON they cannot do any harm. A
 * request that cannot be read leaves the defaults: inspect must work on what is damaged.
 */
#include "cmd/inspect.h"
#include "cmd/netcount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/limits.h"
#include "cmd/monitor.h"
#include "cmd/request.h"

static const char top_defaults[] =
	"{\"Pod\":\"\",\"OCIRuntime\":\"crt-oci\",\"Driver\":\"overlay\",\"MountLabel\":\"\",\"ProcessLabel\":\"\","
	"\"AppArmorProfile\":\"\",\"EffectiveCaps\":[],\"BoundingCaps\":[],\"ExecIDs\":[],"
	"\"GraphDriver\":{\"Name\":\"overlay\",\"Data\":{}},\"Dependencies\":[],\"Namespace\":\"\","
	"\"IsInfra\":false,\"IsService\":false}";

static const char state_defaults[] =
	"{\"OciVersion\":\"1.0.2\",\"Status\":\"\",\"Running\":false,\"Paused\":false,\"Restarting\":false,"
	"\"OOMKilled\":false,\"Dead\":false,\"Pid\":0,\"ConmonPid\":0,\"ExitCode\":0,\"Error\":\"\","
	"\"StartedAt\":\"0001-01-01T00:00:00Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\","
	"\"Health\":{\"Status\":\"\",\"FailingStreak\":0,\"Log\":null}}";

static const char config_defaults[] =
	"{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":false,"
	"\"AttachStderr\":false,\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":[],\"Cmd\":[],"
	"\"Image\":\"\",\"Volumes\":null,\"WorkingDir\":\"/\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{},"
	"\"Annotations\":{},\"StopSignal\":\"SIGTERM\",\"StopTimeout\":10,\"Timeout\":0,\"Umask\":\"0022\","
	"\"Passwd\":true}";

static const char host_defaults[] =
	"{\"Binds\":[],\"CgroupManager\":\"\",\"CgroupMode\":\"\",\"ContainerIDFile\":\"\","
	"\"LogConfig\":{\"Type\":\"none\",\"Config\":null,\"Path\":\"\",\"Tag\":\"\",\"Size\":\"0B\"},"
	"\"NetworkMode\":\"\",\"PortBindings\":{},\"RestartPolicy\":{\"Name\":\"\",\"MaximumRetryCount\":0},"
	"\"AutoRemove\":false,\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"CapAdd\":[],\"CapDrop\":[],\"Dns\":[],"
	"\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":[],\"GroupAdd\":[],\"IpcMode\":\"private\","
	"\"Cgroup\":\"\",\"Cgroups\":\"disabled\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"private\","
	"\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":[],\"Tmpfs\":{},"
	"\"UTSMode\":\"private\",\"UsernsMode\":\"\",\"ShmSize\":65536000,\"Runtime\":\"oci\","
	"\"ConsoleSize\":[0,0],\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,"
	"\"CgroupParent\":\"\",\"BlkioWeight\":0,\"BlkioWeightDevice\":null,\"BlkioDeviceReadBps\":null,"
	"\"BlkioDeviceWriteBps\":null,\"BlkioDeviceReadIOps\":null,\"BlkioDeviceWriteIOps\":null,"
	"\"CpuPeriod\":0,\"CpuQuota\":0,\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\","
	"\"CpusetMems\":\"\",\"Devices\":[],\"DiskQuota\":0,\"KernelMemory\":0,\"MemoryReservation\":0,"
	"\"MemorySwap\":0,\"MemorySwappiness\":0,\"OomKillDisable\":false,\"PidsLimit\":0,\"Ulimits\":[],"
	"\"CpuCount\":0,\"CpuPercent\":0,\"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,\"CgroupConf\":null}";

static const char network_defaults[] =
	"{\"EndpointID\":\"\",\"Gateway\":\"\",\"IPAddress\":\"\",\"IPPrefixLen\":0,\"IPv6Gateway\":\"\","
	"\"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,\"MacAddress\":\"\",\"Bridge\":\"\","
	"\"SandboxID\":\"\",\"HairpinMode\":false,\"LinkLocalIPv6Address\":\"\",\"LinkLocalIPv6PrefixLen\":0,"
	"\"Ports\":{},\"SandboxKey\":\"\",\"Networks\":{}}";

/* A new object: the defaults with known, which is taken. NULL on -ENOMEM. */
static json_t *with_defaults(const char *defaults, json_t *known)
{
	_cleanup_json_ json_t *more = known;
	json_t *obj = json_parse(defaults, strlen(defaults), "defaults", NULL);
	const char *key;
	json_t *value;

	if (obj == NULL || more == NULL) {
		json_decref(obj);
		return NULL;
	}
	json_object_foreach(more, key, value) {
		if (json_is_null(value))
			continue;
		if (json_object_set(obj, key, value) < 0) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

/* A new reference to obj[key], null when it is not there. */
static json_t *copy(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return v != NULL ? json_incref(v) : json_null();
}

/* {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]} */
static json_t *port_map(const json_t *ports)
{
	json_t *map = json_object();
	json_t *port;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)ports, i, port) {
		const char *protocol = json_string_value(json_object_get(port, "protocol"));
		_cleanup_free_ char *key = str_printf(
			"%lld/%s",
			(long long)json_integer_value(json_object_get(port, "containerPort")),
			protocol != NULL ? protocol : "tcp");
		_cleanup_free_ char *host = str_printf(
			"%lld", (long long)json_integer_value(json_object_get(port, "hostPort")));
		json_t *list;

		if (key == NULL || host == NULL) {
			json_decref(map);
			return NULL;
		}
		list = json_object_get(map, key);
		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(map, key,
						  list); /* the pack below fails on a NULL list */
		}
		(void)json_array_append_new(list,
					    json_pack("{s:o, s:s}", "HostIp", copy(port, "hostIp"),
						      "HostPort", host));
	}
	return map;
}

/* The bundle knows it before the record, and is gone when the record does. */
static bool was_oom(struct storage *s, const struct container *c)
{
	const char *dir = json_string_value(json_object_get(c->record, "rundir"));
	_cleanup_free_ char *path = NULL;
	struct container now;
	bool oom;

	if (json_is_integer(json_object_get(c->record, "exitCode")))
		return json_is_true(json_object_get(c->record, "oomKilled"));
	path = dir != NULL ? str_printf("%s/" MONITOR_OOM, dir) : NULL;
	if (strcmp(c->state, "exited") != 0 || path == NULL)
		return false;
	if (access(path, F_OK) == 0 || limits_oom(dir))
		return true;
	if (container_load(s, c->id, &now, NULL) < 0)
		return false;
	oom = json_is_true(json_object_get(now.record, "oomKilled"));
	container_fini(&now);
	return oom;
}

static json_t *state_json(struct storage *s, const struct container *c)
{
	return with_defaults(
		state_defaults,
		json_pack("{s:b, s:s, s:b, s:b, s:i, s:i, s:o, s:o, s:o, s:o*, s:s}", "OOMKilled",
			  (int)was_oom(s, c), "Status", c->state, "Running",
			  (int)(strcmp(c->state, "running") == 0), "Paused",
			  (int)(strcmp(c->state, "paused") == 0), "Pid", (int)c->pid, "ConmonPid",
			  (int)c->keeper, "ExitCode",
			  c->exit_code < 0 && !c->live && strcmp(c->state, "exited") == 0 ?
				  json_integer(-1) : /* nobody saw it */
				  json_integer(c->exit_code > 0 ? c->exit_code : 0),
			  "StartedAt",
			  json_is_string(json_object_get(c->record, "started")) ?
				  copy(c->record, "started") :
				  json_null(),
			  "FinishedAt", copy(c->record, "finished"), "Health", health_results(s, c),
			  "Error",
			  container_has_lost_network(c) ?
				  "crt-net was killed: the container has no network until it "
				  "is restarted" :
				  ""));
}

/* A list without its first words. */
static json_t *rest_of(const json_t *command, size_t first)
{
	json_t *rest = json_array();
	json_t *word;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)command, i, word)
		if (i >= first)
			(void)json_array_append(rest, word); /* a NULL list makes the pack fail */
	return rest;
}

/* A health check with docker's keys; NULL: there is none. */
static json_t *check_json(const json_t *check)
{
	return json_pack("{s:O, s:O*, s:O*, s:O*, s:O*, s:O*}", "Test",
			 json_object_get(check, "test"), "StartPeriod",
			 json_object_get(check, "startPeriod"), "Interval",
			 json_object_get(check, "interval"), "Timeout",
			 json_object_get(check, "timeout"), "Retries",
			 json_object_get(check, "retries"), "Successes",
			 json_object_get(check, "success"));
}

static json_t *config_json(const struct container *c, const struct run_request *req)
{
	const json_t *check = json_object_get(c->record, "healthcheck");
	const json_t *config = json_object_get(c->record, "config");
	size_t own = json_array_size(json_object_get(config, "entrypoint"));

	return with_defaults(
		config_defaults,
		json_pack(
			"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:i, s:o*, s:o*, s:O*}",
			"Hostname", copy(config, "hostname"), "User", copy(config, "user"), "Tty",
			copy(config, "tty"), "OpenStdin", copy(config, "openStdin"), "Env",
			copy(config, "env"), "Cmd",
			rest_of(json_object_get(c->record, "command"), own), "Entrypoint",
			copy(config, "entrypoint"), "WorkingDir", copy(config, "cwd"), "StopSignal",
			copy(config, "stopSignal"), "StopTimeout", copy(config, "stopTimeout"),
			"Labels", json_sorted(json_object_get(c->record, "labels")), "Image",
			c->image, "Timeout", (int)req->timeout, "Healthcheck", check_json(check),
			"StartupHealthCheck", check_json(json_object_get(check, "startup")),
			"HealthcheckOnFailureAction", json_object_get(check, "onFailure")));
}

/* "/host:/dst:rw,rprivate" as podman has them. */
static json_t *binds_json(const json_t *volumes)
{
	json_t *list = json_array();
	json_t *v, *o;
	size_t i, k;

	json_array_foreach((json_t *)(uintptr_t)volumes, i, v) {
		const char *name = json_string_value(json_object_get(v, "Name"));
		const char *source = json_string_value(json_object_get(v, "Source"));
		_cleanup_buf_ struct buf b = BUF_INIT;

		(void)buf_printf(&b, "%s:%s:", name != NULL ? name : source,
				 json_string_value(json_object_get(v, "Destination")));
		json_array_foreach(json_object_get(v, "Options"), k, o)
			(void)buf_printf(&b, "%s%s", k > 0 ? "," : "", json_string_value(o));
		(void)json_array_append_new(
			list, json_string(buf_str(&b))); /* a shorter list is better than none */
	}
	return list;
}

static json_t *tmpfs_json(const struct run_request *req)
{
	json_t *obj = json_object();

	for (size_t i = 0; i < req->mounts_n; i++)
		if (req->mounts[i].type == REQUEST_MOUNT_TMPFS) {
			_cleanup_buf_ struct buf b = BUF_INIT;

			for (size_t k = 0; k < req->mounts[i].options.n; k++)
				(void)buf_printf(&b, "%s%s", k > 0 ? "," : "",
						 req->mounts[i].options.v[k]);
			(void)json_object_set_new(obj, req->mounts[i].destination,
						  json_string(buf_str(&b))); /* as above */
		}
	return obj;
}

static json_t *ulimits_json(const struct run_request *req)
{
	json_t *list = json_array();

	for (size_t i = 0; i < req->ulimits_n; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:I}", "Name", req->ulimits[i].type, "Soft",
					(json_int_t)req->ulimits[i].soft, "Hard",
					(json_int_t)req->ulimits[i].hard)); /* as above */
	return list;
}

static json_t *log_json(const struct storage *s, const struct container *c,
			const struct run_request *req)
{
	bool file = req->log_driver == REQUEST_LOG_K8S_FILE ||
		    req->log_driver == REQUEST_LOG_JSON_FILE;
	_cleanup_free_ char *path = NULL;

	if (req->log_path != NULL)
		path = strdup(req->log_path);
	else if (file)
		path = str_printf("%s/containers/%s/ctr.log", storage_root(s), c->id);
	return json_pack("{s:s, s:n, s:s, s:s, s:s}", "Type", request_log_name(req->log_driver),
			 "Config", "Path", path != NULL ? path : "", "Tag",
			 req->log_tag != NULL ? req->log_tag : "", "Size", "0B");
}

static json_t *host_json(struct storage *s, const struct container *c,
			 const struct run_request *req, json_t *ports, const json_t *volumes)
{
	const json_t *config = json_object_get(c->record, "config");
	json_t *obj = with_defaults(
		host_defaults,
		json_pack(
			"{s:b, s:o, s:O?, s:o, s:o, s:{s:s, s:i}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			"s:s, s:s, s:s, s:b, s:b, s:o, s:s, s:I, s:o}",
			"AutoRemove", (int)json_is_true(json_object_get(c->record, "rm")),
			"NetworkMode", copy(config, "networkMode"), "PortBindings", ports, "Binds",
			binds_json(volumes), "LogConfig", log_json(s, c, req), "RestartPolicy",
			"Name",
			req->restart != REQUEST_RESTART_NO ? request_restart_name(req->restart) :
							     "",
			"MaximumRetryCount", (int)req->restart_max, "CapAdd",
			json_strings(&req->cap_add), "CapDrop", json_strings(&req->cap_drop), "Dns",
			json_strings(&req->net.dns), "DnsOptions",
			json_strings(&req->net.dns_option), "DnsSearch",
			json_strings(&req->net.dns_search), "ExtraHosts",
			json_strings(&req->add_host), "GroupAdd", json_strings(&req->group_add),
			"IpcMode", req->ipc_host ? "host" : "private", "PidMode",
			req->pid_host ? "host" : "private", "UTSMode",
			req->uts_host ? "host" : "private", "Privileged", (int)req->privileged,
			"ReadonlyRootfs", (int)req->read_only, "Tmpfs", tmpfs_json(req),
			"UsernsMode", req->userns == REQUEST_USERNS_HOST ? "" : "private",
			"ShmSize", (json_int_t)req->shm_size, "Ulimits", ulimits_json(req)));

	if (obj != NULL && limits_inspect(&req->limits, obj) < 0) {
		json_decref(obj);
		obj = NULL;
	}
	return obj;
}

/* One of NetworkSettings.Networks, from its entry in the record; addresses only while it is on it. */
static json_t *endpoint_json(const struct container *c, const char *name, const json_t *entry)
{
	static const char *const keys[][2] = { { "ip", "IPAddress" },
					       { "gateway", "Gateway" },
					       { "mac", "MacAddress" },
					       { "gateway6", "IPv6Gateway" },
					       { "ip6", "GlobalIPv6Address" } };
	const json_t *aliases = json_object_get(entry, "aliases");
	json_t *names = json_is_array(aliases) ? json_deep_copy(aliases) : json_array();
	json_t *obj;

	(void)json_array_append_new(names, json_sprintf("%.12s", c->id));
	obj = json_pack("{s:s, s:i, s:i, s:s, s:n, s:n, s:n, s:o}", "EndpointID", "", "IPPrefixLen",
			0, "GlobalIPv6PrefixLen", 0, "NetworkID", name, "DriverOpts", "IPAMConfig",
			"Links", "Aliases", names);

	for (size_t i = 0; obj != NULL && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text = json_string_value(json_object_get(entry, keys[i][0]));

		(void)json_object_set_new(obj, keys[i][1],
					  json_string(c->pid > 0 && text != NULL ? text : ""));
	}
	if (obj != NULL && c->pid > 0) {
		(void)json_object_set_new(
			obj, "IPPrefixLen",
			json_integer(json_integer_value(json_object_get(entry, "prefix"))));
		(void)json_object_set_new(
			obj, "GlobalIPv6PrefixLen",
			json_integer(json_integer_value(json_object_get(entry, "prefix6"))));
	}
	return obj;
}

/* As podman: what the only network says stands at the top, too. */
static json_t *network_json(const struct container *c, json_t *ports)
{
	static const char *const same[] = { "IPAddress",	 "IPPrefixLen",
					    "Gateway",		 "MacAddress",
					    "GlobalIPv6Address", "GlobalIPv6PrefixLen",
					    "IPv6Gateway" };
	json_t *known = json_pack("{s:O?}", "Ports", ports), *networks = json_object(), *entry;
	const char *name;

	json_object_foreach(json_object_get(c->record, "networks"), name, entry)
		(void)json_object_set_new(networks, name, endpoint_json(c, name, entry));
	if (json_object_size(networks) == 1)
		for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
			json_object_foreach(networks, name, entry)
				(void)json_object_set(known, same[i],
						      json_object_get(entry, same[i]));
	(void)json_object_set_new(known, "Networks", networks);
	if (c->pid > 0)
		(void)json_object_set_new(known, "Counters", netcount_json(c->pid));
	return with_defaults(network_defaults, known);
}

/* The files of the bundle that exist as long as the container does. */
static int add_paths(json_t *obj, const struct container *c)
{
	static const char *const names[][2] = { { "ResolvConfPath", "resolv.conf" },
						{ "HostnamePath", "hostname" },
						{ "HostsPath", "hosts" },
						{ "OCIConfigPath", "config.json" },
						{ "PidFile", "pid" } };
	const char *dir = json_string_value(json_object_get(c->record, "rundir"));

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *path = dir != NULL ? str_printf("%s/%s", dir, names[i][1]) :
							  strdup("");

		if (path == NULL || json_object_set_new(obj, names[i][0], json_string(path)) < 0)
			return -ENOMEM;
	}
	return 0;
}

json_t *inspect_container_json(struct storage *s, const struct container *c)
{
	const json_t *command = json_object_get(c->record, "command");
	_cleanup_json_ json_t *volumes = container_volumes(c);
	_cleanup_json_ json_t *ports = port_map(json_object_get(c->record, "ports"));
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *dir = NULL;
	struct run_request req;
	json_t *obj;

	run_request_init(&req);
	if (storage_container_read(s, c->id, "request.json", &text, NULL) == 0 &&
	    request_from_json(text, &req, NULL) < 0) {
		run_request_fini(&req);
		run_request_init(&req);
	}
	dir = str_printf("%s/containers/%s", storage_root(s), c->id);
	obj = with_defaults(
		top_defaults,
		json_pack(
			"{s:s, s:o, s:O?, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:O?, s:o, s:o, s:o, s:s?}",
			"Id", c->id, "Created", copy(c->record, "created"), "Path",
			json_array_get(command, 0), "Args", rest_of(command, 1), "State",
			state_json(s, c), "Image", c->image_id, "ImageName", c->image, "Name",
			c->name, "RestartCount",
			json_is_integer(json_object_get(c->record, "restarts")) ?
				copy(c->record, "restarts") :
				json_integer(0),
			"Rootfs",
			json_is_string(json_object_get(c->record, "rootfs")) ?
				copy(c->record, "rootfs") :
				json_string(""),
			"Mounts", volumes, "Config", config_json(c, &req), "HostConfig",
			host_json(s, c, &req, ports, volumes), "NetworkSettings",
			network_json(c, ports), "StaticDir", dir));
	if (obj != NULL && add_paths(obj, c) < 0) {
		json_decref(obj);
		obj = NULL;
	}
	run_request_fini(&req);
	return obj;
}
