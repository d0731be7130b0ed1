/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/registry/conf.h"
#include <errno.h>
#include <string.h>
#include "base/buf.h"
#include "base/cleanup.h"
int conf_candidates(const struct storage_fetch_request *r, json_t **ret, struct error *e)
{
	const struct storage_ref *ref = r->ref;
	const char *domain = ref->domain != NULL ? ref->domain : "docker.io";
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *path = NULL;

	path = ref->is_short && strchr(ref->path, '/') == NULL ? str_printf("library/%s", ref->path) : strdup(ref->path);
	name = str_printf("%s/%s%s%s", domain, path, ref->digest ? "@" : ":", ref->digest ? ref->digest : ref->tag);
	*ret = json_pack("[{s:s, s:[{s:s, s:s, s:s, s:b}]}]", "name", name, "endpoints", "host",
			 strcmp(domain, "docker.io") == 0 ? "registry-1.docker.io" : domain, "path", path, "reference",
			 ref->digest ? ref->digest : ref->tag, "insecure", r->tls_verify == 0);
	return *ret == NULL ? error_set(e, -ENOMEM, "resolve") : 0;
}
