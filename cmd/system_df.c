/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt system df: how much of the disk is taken, and by what.
 *
 * Theory of operation: everything is measured, nothing is taken from records, so that the sums
 * are those of du: images are layers/ and oci/, containers containers/, volumes
 * volumes/ of the store. A layer or blob that several images share counts once. What could be
 * got back are the layers and blobs that only images without a container need, the containers that
 * do not run, and the volumes that no container has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/du.h"
#include "cmd/image_filter.h"
#include "cmd/out.h"
#include "cmd/system.h"
#include "cmd/volumes.h"

struct options {
	const char *format;
	bool verbose;
};

static const struct option_spec options[] = {
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "verbose", 'v', OPT_FLAG, offsetof(struct options, verbose),
	  .help = "Show each image, container and volume" },
	OPTION_END
};

static int df_main(int argc, char **argv, const struct cmd_global *g);
const struct cmd_verb system_verb_df = {
	.name = "system df",
	.run = df_main,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Show how much of the disk images, containers and volumes take",
};

/* What was found. Sizes are bytes on the disk, in the order of paths. */
struct df {
	struct storage *s;
	struct storage_image *images;
	struct container *containers;
	struct strv volumes, used; /* used: ids of images that containers have */
	size_t images_n, containers_n;
	struct strv paths;
	uint64_t *sizes;
	json_t *where;	/* path -> index in paths */
	json_t **parts; /* of each image: its paths */
	json_t *owners; /* path -> number of images */
};

static void df_fini(struct df *d)
{
	storage_images_free(d->images, d->images_n);
	containers_free(d->containers, d->containers_n);
	strv_fini(&d->volumes);
	strv_fini(&d->used);
	strv_fini(&d->paths);
	free(d->sizes);
	json_decref(d->where);
	json_decref(d->owners);
	for (size_t i = 0; d->parts != NULL && i < d->images_n; i++)
		json_decref(d->parts[i]);
	free(d->parts);
	storage_free(d->s);
}

/* Measure this, too. */
static int add_path(struct df *d, char *path)
{
	if (path != NULL && json_object_get(d->where, path) != NULL) {
		free(path);
		return 0;
	}
	if (path != NULL &&
	    json_object_set_new(d->where, path, json_integer((json_int_t)d->paths.n)) < 0) {
		free(path);
		return -ENOMEM;
	}
	return strv_add_take(&d->paths, path);
}

static uint64_t size_of(const struct df *d, const char *path)
{
	const json_t *at = path != NULL ? json_object_get(d->where, path) : NULL;

	return at != NULL ? d->sizes[json_integer_value(at)] : 0;
}

/* ---- images ---------------------------------------------------------------------------------- */

/* One part of image i. */
static int add_part(struct df *d, size_t i, char *path)
{
	_cleanup_free_ char *copy = path != NULL ? strdup(path) : NULL;
	json_int_t n;

	if (copy == NULL || add_path(d, path) < 0)
		return -ENOMEM;
	for (size_t k = 0; k < json_array_size(d->parts[i]); k++)
		if (strcmp(json_string_value(json_array_get(d->parts[i], k)), copy) == 0)
			return 0;
	n = json_integer_value(json_object_get(d->owners, copy)) + 1;
	if (json_object_set_new(d->owners, copy, json_integer(n)) < 0 ||
	    json_array_append_new(d->parts[i], json_string(copy)) < 0)
		return -ENOMEM;
	return 0;
}

static char *blob_path(const char *digest)
{
	return storage_digest_valid(digest) ? str_printf("oci/blobs/sha256/%s", digest + 7) :
					      strdup("");
}

/* Manifest, configuration and packed layers. A manifest that cannot be read has no parts. */
static int add_blobs(struct df *d, size_t i)
{
	_cleanup_fd_ int fd = storage_open_blob(d->s, d->images[i].digest, NULL);
	_cleanup_json_ json_t *manifest = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *one;
	size_t k;
	int r = add_part(d, i, blob_path(d->images[i].digest));

	if (fd < 0 || fd_read_to_end(fd, &b, LIMIT_JSON_BYTES) < 0 ||
	    (manifest = json_parse(buf_str(&b), b.len, "manifest", NULL)) == NULL)
		return r;
	if (r == 0)
		r = add_part(d, i,
			     blob_path(json_string_value(json_object_get(
				     json_object_get(manifest, "config"), "digest"))));
	json_array_foreach(json_object_get(manifest, "layers"), k, one)
		if (r == 0)
			r = add_part(d, i,
				     blob_path(json_string_value(json_object_get(one, "digest"))));
	return r;
}

static int add_layers(struct df *d, size_t i)
{
	size_t root_len = strlen(storage_root(d->s));
	int r = 0;

	for (size_t k = 0; r == 0 && k < d->images[i].layers.n; k++) {
		const char *path = d->images[i].layers.v[k];
		size_t len = strlen(path);

		/* "ROOT/layers/HEX/fs"; one of another store is not ours to count */
		if (strncmp(path, storage_root(d->s), root_len) != 0 || !str_ends(path, "/fs"))
			continue;
		r = add_part(d, i,
			     strndup(path + root_len + 1, len - root_len - 1 - strlen("/fs")));
	}
	return r;
}

static bool is_used(const struct df *d, const struct storage_image *image)
{
	for (size_t i = 0; i < d->used.n; i++)
		if (image->id != NULL && strcmp(d->used.v[i], image->id) == 0)
			return true;
	return false;
}

static long long users_of(const struct df *d, const struct storage_image *image)
{
	long long n = 0;

	for (size_t i = 0; i < d->used.n; i++)
		n += image->id != NULL && strcmp(d->used.v[i], image->id) == 0;
	return n;
}

/* ---- finding and measuring ------------------------------------------------------------------------ */

static int find(struct df *d, struct error *e)
{
	int r = container_list(d->s, &d->containers, &d->containers_n, e);

	if (r == 0)
		r = storage_image_list(d->s, &d->images, &d->images_n, e);
	if (r == 0)
		r = storage_volume_list(d->s, &d->volumes, e);
	if (r == 0)
		r = image_used(d->s, &d->used, e);
	if (r < 0)
		return r;
	d->where = json_object();
	d->owners = json_object();
	d->parts = calloc(d->images_n + 1, sizeof(*d->parts));
	if (d->parts == NULL)
		return error_set(e, -ENOMEM, "measuring the store");
	r = add_path(d, strdup("layers"));
	if (r == 0)
		r = add_path(d, strdup("oci"));
	for (size_t i = 0; r == 0 && i < d->images_n; i++) {
		d->parts[i] = json_array();
		r = add_layers(d, i);
		if (r == 0)
			r = add_blobs(d, i);
	}
	for (size_t i = 0; r == 0 && i < d->containers_n; i++)
		r = add_path(d, str_printf("containers/%s", d->containers[i].id));
	for (size_t i = 0; r == 0 && i < d->volumes.n; i++)
		r = add_path(d, str_printf("volumes/%s", d->volumes.v[i]));
	d->sizes = calloc(d->paths.n + 1, sizeof(*d->sizes));
	if (r < 0 || d->sizes == NULL)
		return error_set(e, -ENOMEM, "measuring the store");
	return du_paths(d->s, &d->paths, d->sizes, e);
}

static uint64_t container_size(const struct df *d, const struct container *c)
{
	_cleanup_free_ char *path = str_printf("containers/%s", c->id);

	return size_of(d, path);
}

static uint64_t volume_size(const struct df *d, const char *name)
{
	_cleanup_free_ char *path = str_printf("volumes/%s", name);

	return size_of(d, path);
}

/* What only images without a container need. */
static uint64_t images_reclaimable(const struct df *d)
{
	_cleanup_json_ json_t *kept = json_object(), *counted = json_object();
	uint64_t sum = 0;
	json_t *part;
	size_t k;

	for (size_t i = 0; i < d->images_n; i++)
		if (is_used(d, &d->images[i]))
			json_array_foreach(d->parts[i], k, part)
				(void)json_object_set_new(kept, json_string_value(part),
							  json_true());
	for (size_t i = 0; i < d->images_n; i++)
		json_array_foreach(d->parts[i], k, part) {
			const char *path = json_string_value(part);

			if (json_object_get(kept, path) != NULL ||
			    json_object_get(counted, path) != NULL)
				continue;
			(void)json_object_set_new(counted, path, json_true());
			sum += size_of(d, path);
		}
	return sum;
}

/* ---- output --------------------------------------------------------------------------------------------- */

static int add_row(struct out_rows *rows, const char *type, size_t total, size_t active,
		   uint64_t size, uint64_t reclaimable)
{
	_cleanup_free_ char *size_text = out_size(size);
	_cleanup_free_ char *part = out_size(reclaimable);
	_cleanup_free_ char *reclaim_text = NULL;
	json_t *fields, *data;

	if (size_text == NULL || part == NULL)
		return -ENOMEM;
	reclaim_text =
		str_printf("%s (%d%%)", part, size == 0 ? 0 : (int)(reclaimable * 100 / size));
	if (reclaim_text == NULL)
		return -ENOMEM;
	fields = json_pack("{s:s,s:I,s:I,s:s,s:s}", "Type", type, "Total", (json_int_t)total,
			   "Active", (json_int_t)active, "Size", size_text, "Reclaimable",
			   reclaim_text);
	data = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:s}", "Type", type, "Total",
			 (json_int_t)total, "TotalCount", (json_int_t)total, "Active",
			 (json_int_t)active, "RawSize", (json_int_t)size, "RawReclaimable",
			 (json_int_t)reclaimable, "Size", size_text, "Reclaimable", reclaim_text);
	return out_rows_add(rows, fields, data);
}

static int show(const struct df *d, const struct options *o, struct error *e)
{
	static const struct out_column columns[] = { { "TYPE", "Type" },
						     { "TOTAL", "Total" },
						     { "ACTIVE", "Active" },
						     { "SIZE", "Size" },
						     { "RECLAIMABLE", "Reclaimable" },
						     { NULL, NULL } };
	struct out_rows rows = { NULL, NULL };
	size_t used_images = 0, running = 0, used_volumes = 0;
	uint64_t size[2] = { 0, 0 }, free_size[2] = { 0, 0 };
	int r = out_rows_init(&rows);

	for (size_t i = 0; i < d->images_n; i++)
		used_images += is_used(d, &d->images[i]);
	for (size_t i = 0; i < d->containers_n; i++) {
		uint64_t one = container_size(d, &d->containers[i]);

		size[0] += one;
		if (container_is_running(&d->containers[i]))
			running++;
		else
			free_size[0] += one;
	}
	for (size_t i = 0; r == 0 && i < d->volumes.n; i++) {
		_cleanup_strv_ struct strv users = { .v = NULL };
		uint64_t one = volume_size(d, d->volumes.v[i]);

		if (volumes_users(d->s, d->volumes.v[i], &users, e) < 0)
			r = e->code;
		size[1] += one;
		if (users.n > 0)
			used_volumes++;
		else
			free_size[1] += one;
	}
	if (r == 0)
		r = add_row(&rows, "Images", d->images_n, used_images,
			    size_of(d, "layers") + size_of(d, "oci"), images_reclaimable(d));
	if (r == 0)
		r = add_row(&rows, "Containers", d->containers_n, running, size[0], free_size[0]);
	if (r == 0)
		r = add_row(&rows, "Local Volumes", d->volumes.n, used_volumes, size[1],
			    free_size[1]);
	if (r == 0)
		r = out_print(&rows, columns, o->format, false, e);
	else if (e->code == 0)
		(void)error_set(e, r, "listing");
	out_rows_fini(&rows);
	return r;
}

static int heading(const char *text, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s\n\n", text); /* out_write() sees a failure */
	return out_write(&b, e);
}

static int show_images(const struct df *d, struct error *e)
{
	static const struct out_column columns[] = { { "REPOSITORY", "Repository" },
						     { "TAG", "Tag" },
						     { "IMAGE ID", "ImageID" },
						     { "CREATED", "Created" },
						     { "SIZE", "Size" },
						     { "SHARED SIZE", "SharedSize" },
						     { "UNIQUE SIZE", "UniqueSize" },
						     { "CONTAINERS", "Containers" },
						     { NULL, NULL } };
	struct out_rows rows = { NULL, NULL };
	int r = out_rows_init(&rows);

	for (size_t i = 0; r == 0 && i < d->images_n; i++) {
		const struct storage_image *m = &d->images[i];
		const char *colon = m->name != NULL ? strrchr(m->name, ':') : NULL;
		_cleanup_free_ char *repo =
			colon != NULL ? strndup(m->name, (size_t)(colon - m->name)) : NULL;
		_cleanup_free_ char *id = out_id(m->id, false);
		_cleanup_free_ char *age = NULL, *all = NULL, *shared = NULL, *own = NULL;
		uint64_t sum[2] = { 0, 0 };
		time_t created = 0;
		json_t *part;
		size_t k;

		json_array_foreach(d->parts[i], k, part) {
			const char *path = json_string_value(part);

			sum[json_integer_value(json_object_get(d->owners, path)) > 1] +=
				size_of(d, path);
		}
		(void)out_parse_time(m->created != NULL ? m->created : "", &created);
		age = out_duration(created, time(NULL));
		all = out_size(sum[0] + sum[1]);
		shared = out_size(sum[1]);
		own = out_size(sum[0]);
		r = out_rows_add(&rows,
				 json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "Repository",
					   repo != NULL ? repo : "<none>", "Tag",
					   colon != NULL ? colon + 1 : "<none>", "ImageID", id,
					   "Created", age, "Size", all, "SharedSize", shared,
					   "UniqueSize", own, "Containers",
					   (json_int_t)users_of(d, m)),
				 json_object());
	}
	if (r < 0)
		(void)error_set(e, r, "listing");
	if (r == 0)
		r = heading("Images space usage:", e);
	if (r == 0)
		r = out_print(&rows, columns, NULL, false, e);
	out_rows_fini(&rows);
	return r;
}

static int show_containers(const struct df *d, struct error *e)
{
	static const struct out_column columns[] = { { "CONTAINER ID", "ContainerID" },
						     { "IMAGE", "Image" },
						     { "COMMAND", "Command" },
						     { "LOCAL VOLUMES", "LocalVolumes" },
						     { "SIZE", "Size" },
						     { "CREATED", "Created" },
						     { "STATUS", "Status" },
						     { "NAMES", "Names" },
						     { NULL, NULL } };
	struct out_rows rows = { NULL, NULL };
	int r = out_rows_init(&rows);

	for (size_t i = 0; r == 0 && i < d->containers_n; i++) {
		const struct container *c = &d->containers[i];
		_cleanup_free_ char *id = out_id(c->id, false);
		_cleanup_free_ char *image = out_id(c->image_id, false);
		_cleanup_free_ char *command = container_command(c);
		_cleanup_free_ char *size = out_size(container_size(d, c));
		_cleanup_free_ char *age = out_duration(c->created, time(NULL));

		if (command != NULL && strlen(command) > 20)
			command[20] = '\0';
		r = out_rows_add(&rows,
				 json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:s,s:s}", "ContainerID", id,
					   "Image", image, "Command", command, "LocalVolumes",
					   (json_int_t)json_array_size(
						   json_object_get(c->record, "volumes")),
					   "Size", size, "Created", age, "Status", c->state,
					   "Names", c->name),
				 json_object());
	}
	if (r < 0)
		(void)error_set(e, r, "listing");
	if (r == 0)
		r = heading("\nContainers space usage:", e);
	if (r == 0)
		r = out_print(&rows, columns, NULL, false, e);
	out_rows_fini(&rows);
	return r;
}

static int show_volumes(const struct df *d, struct error *e)
{
	static const struct out_column columns[] = { { "VOLUME NAME", "VolumeName" },
						     { "LINKS", "Links" },
						     { "SIZE", "Size" },
						     { NULL, NULL } };
	struct out_rows rows = { NULL, NULL };
	int r = out_rows_init(&rows);

	for (size_t i = 0; r == 0 && i < d->volumes.n; i++) {
		_cleanup_strv_ struct strv users = { .v = NULL };
		_cleanup_free_ char *size = out_size(volume_size(d, d->volumes.v[i]));

		r = volumes_users(d->s, d->volumes.v[i], &users, e);
		if (r == 0)
			r = out_rows_add(&rows,
					 json_pack("{s:s,s:I,s:s}", "VolumeName", d->volumes.v[i],
						   "Links", (json_int_t)users.n, "Size", size),
					 json_object());
	}
	if (r < 0 && e->code == 0)
		(void)error_set(e, r, "listing");
	if (r == 0)
		r = heading("\nLocal Volumes space usage:", e);
	if (r == 0)
		r = out_print(&rows, columns, NULL, false, e);
	out_rows_fini(&rows);
	return r;
}

static int df(const struct options *o, const struct cmd_global *g, struct error *e)
{
	struct df d = { .s = NULL };
	int r = storage_open(g->root, false, &d.s, e);

	if (r == 0)
		r = find(&d, e);
	if (r == 0 && !o->verbose) {
		r = show(&d, o, e);
	} else if (r == 0) {
		r = show_images(&d, e);
		if (r == 0)
			r = show_containers(&d, e);
		if (r == 0)
			r = show_volumes(&d, e);
	}
	df_fini(&d);
	return r;
}

static int df_main(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&system_verb_df, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&system_verb_df, "crt system df takes no arguments");
	if (o.verbose && o.format != NULL)
		return opt_usage_error(&system_verb_df,
				       "--format cannot be combined with --verbose");
	if (df(&o, g, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
