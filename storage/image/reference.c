/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: text to parts and back. Pure.
 *
 * Theory of operation
 *
 * The text comes from the command line, from a configuration file or from an
 * image's index, so it is hostile. It is read once, left to right, against the
 * grammar of the registry protocol:
 *
 *   reference  = [domain "/"] component *("/" component) [":" tag] ["@" digest]
 *   domain     = (label *("." label) / "[" IPv6 "]") [":" port]
 *   component  = alnum *(("." / "_" / "__" / 1*"-") alnum)     lower case only
 *   tag        = (letter / digit / "_") *127(letter / digit / "_" / "." / "-")
 *   digest     = "sha256:" 64 lower-case hexadecimal digits
 *
 * The first component is a domain when it holds "." or ":" or an upper-case
 * letter, starts with "[", or is "localhost"; otherwise the name is short.
 * Domain and path together are at most 255 bytes. "docker.io/x" means
 * "docker.io/library/x" and index.docker.io is an old name of docker.io.
 * Nothing that passes can contain "..", a control character, or begin with a
 * slash, so parts may be used in URLs and messages as they are.
 *
 * More transports carry a path of the host: "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]",
 * "docker-archive:FILE[:NAME]" and "dir:DIR". As with other tools the path ends at the first
 * colon, but that of dir at none. "builtin:NAME" names an image that is shipped with the program.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/path.h"
#include "storage/storage.h"

#define NAME_MAX_LEN 255
#define TAG_MAX	     128

#define LOWER	     "abcdefghijklmnopqrstuvwxyz"
#define UPPER	     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	     "0123456789"

void storage_ref_fini(struct storage_ref *r)
{
	free(r->transport);
	free(r->domain);
	free(r->path);
	free(r->tag);
	free(r->digest);
	*r = (struct storage_ref){ .transport = NULL };
}

static bool is_alnum_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The whole message: which text, which part, what is wrong with it. */
static int refuse(struct error *e, const char *text, const char *why)
{
	_cleanup_free_ char *shown = str_escape(text);

	return error_setf(e, -EINVAL, "invalid image reference \"%.200s\": %s",
			  shown != NULL ? shown : "?", why);
}

static bool component_valid(const char *s, size_t len)
{
	size_t i = 0;

	if (len == 0 || !is_alnum_lower(s[0]))
		return false;
	while (i < len) {
		if (is_alnum_lower(s[i])) {
			i++;
		} else if (s[i] == '-') {
			while (i < len && s[i] == '-')
				i++;
			if (i == len || !is_alnum_lower(s[i]))
				return false;
		} else if (s[i] == '.' || s[i] == '_') {
			i += s[i] == '_' && i + 1 < len && s[i + 1] == '_' ? 2 : 1;
			if (i >= len || !is_alnum_lower(s[i]))
				return false;
		} else {
			return false;
		}
	}
	return true;
}

static bool label_valid(const char *s, size_t len)
{
	return len > 0 && len <= 63 && strspn(s, LOWER UPPER DIGITS "-") >= len && s[0] != '-' &&
	       s[len - 1] != '-';
}

static bool port_valid(const char *s, size_t len)
{
	size_t n = strspn(s, DIGITS);
	unsigned int port = 0;

	if (len == 0 || len > 5 || n < len)
		return false;
	for (size_t i = 0; i < len; i++)
		port = port * 10 + (unsigned int)(s[i] - '0');
	return port > 0 && port <= 65535;
}

static bool domain_valid(const char *s, size_t len)
{
	const char *colon;
	size_t host = len;

	if (len > 0 && s[0] == '[') {
		const char *end = memchr(s, ']', len);

		if (end == NULL || end - s < 3 ||
		    strspn(s + 1, DIGITS "abcdefABCDEF:.") != (size_t)(end - s - 1))
			return false;
		host = (size_t)(end - s) + 1;
		return host == len || (s[host] == ':' && port_valid(s + host + 1, len - host - 1));
	}
	colon = memchr(s, ':', len);
	if (colon != NULL) {
		host = (size_t)(colon - s);
		if (!port_valid(colon + 1, len - host - 1))
			return false;
	}
	for (size_t i = 0; i <= host;) {
		size_t n = 0;

		while (i + n < host && s[i + n] != '.')
			n++;
		if (!label_valid(s + i, n))
			return false;
		i += n + 1;
	}
	return true;
}

static bool looks_like_domain(const char *s, size_t len)
{
	if (len == 9 && memcmp(s, "localhost", 9) == 0)
		return true;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' || s[i] == ':' || s[i] == '[' || (s[i] >= 'A' && s[i] <= 'Z'))
			return true;
	}
	return false;
}

static bool tag_valid(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= TAG_MAX && s[0] != '.' && s[0] != '-' &&
	       strspn(s, LOWER UPPER DIGITS "_.-") == len;
}

/* The path part of a name that has no domain any more; len bytes at s. */
static int check_path(const char *text, const char *s, size_t len, struct error *e)
{
	size_t i = 0;

	while (i <= len) {
		size_t n = 0;

		while (i + n < len && s[i + n] != '/')
			n++;
		for (size_t k = 0; k < n; k++) {
			if (s[i + k] >= 'A' && s[i + k] <= 'Z')
				return refuse(e, text, "the repository name must be lower case");
		}
		if (n == 0)
			return refuse(e, text, "a component of the name is empty");
		if (!component_valid(s + i, n))
			return refuse(
				e, text,
				"components of the name are lower-case letters and digits, joined by \".\", "
				"\"_\", \"__\" or \"-\"");
		i += n + 1;
	}
	return 0;
}

/* domain "/" path, len bytes at s, into r. */
static int parse_name(const char *text, const char *s, size_t len, struct storage_ref *r,
		      struct error *e)
{
	const char *slash = memchr(s, '/', len);
	const char *path = s;
	size_t path_len = len;
	int err;

	if (len == 0)
		return refuse(e, text, "the name is empty");
	if (len > NAME_MAX_LEN)
		return refuse(e, text, "the name is longer than 255 bytes");
	r->is_short = true;
	if (slash != NULL && looks_like_domain(s, (size_t)(slash - s))) {
		size_t domain_len = (size_t)(slash - s);

		if (!domain_valid(s, domain_len))
			return refuse(e, text, "the registry is not HOST[:PORT]");
		r->is_short = false;
		if (domain_len == 15 && memcmp(s, "index.docker.io", 15) == 0)
			r->domain = strdup("docker.io");
		else
			r->domain = strndup(s, domain_len);
		if (r->domain == NULL)
			return error_set(e, -ENOMEM, "image reference");
		path = slash + 1;
		path_len = len - domain_len - 1;
	}
	err = check_path(text, path, path_len, e);
	if (err < 0)
		return err;
	if (path_len == 64 && strspn(path, DIGITS "abcdef") >= path_len && r->is_short)
		return refuse(e, text, "64 hexadecimal digits are an image id, not a name");
	if (!r->is_short && strcmp(r->domain, "docker.io") == 0 &&
	    memchr(path, '/', path_len) == NULL)
		r->path = str_printf("library/%.*s", (int)path_len, path);
	else
		r->path = strndup(path, path_len);
	return r->path == NULL ? error_set(e, -ENOMEM, "image reference") : 0;
}

static int parse_docker(const char *text, const char *s, struct storage_ref *r, struct error *e)
{
	const char *at = strchr(s, '@');
	size_t len = at != NULL ? (size_t)(at - s) : strlen(s);
	size_t name_len = len;

	if (at != NULL) {
		if (!storage_digest_valid(at + 1))
			return refuse(
				e, text,
				"the digest is not \"sha256:\" and 64 lower-case hexadecimal digits");
		r->digest = strdup(at + 1);
		if (r->digest == NULL)
			return error_set(e, -ENOMEM, "image reference");
	}
	/* A colon behind the last slash begins the tag; before it, a port. */
	while (name_len > 0 && s[name_len - 1] != ':' && s[name_len - 1] != '/')
		name_len--;
	if (name_len > 0 && s[name_len - 1] == ':') {
		r->tag = strndup(s + name_len, len - name_len);
		if (r->tag == NULL)
			return error_set(e, -ENOMEM, "image reference");
		if (!tag_valid(r->tag))
			return refuse(
				e, text,
				"a tag is 1 to 128 letters, digits, \"_\", \".\" and \"-\", not beginning with "
				"\".\" or \"-\"");
		name_len--;
	} else {
		name_len = len;
		if (r->digest == NULL) {
			r->tag = strdup("latest");
			if (r->tag == NULL)
				return error_set(e, -ENOMEM, "image reference");
		}
	}
	return parse_name(text, s, name_len, r, e);
}

/* PATH[:REST] of oci: and archives, PATH of dir:. */
static int parse_file(const char *text, const char *s, struct storage_ref *r, struct error *e)
{
	size_t len = strcmp(r->transport, "dir") == 0 ? strlen(s) : strcspn(s, ":");

	if (len == 0)
		return refuse(e, text, "the path is empty");
	if (s[len] == ':') {
		const char *rest = s + len + 1;

		if (rest[0] == '\0' || strspn(rest, LOWER UPPER DIGITS "_.-/:@+") != strlen(rest))
			return refuse(e, text, "the part behind the path is not a tag or a name");
		r->tag = strdup(rest);
		if (r->tag == NULL)
			return error_set(e, -ENOMEM, "image reference");
	}
	r->path = strndup(s, len);
	return r->path == NULL ? error_set(e, -ENOMEM, "image reference") : 0;
}

int storage_ref_parse(const char *text, struct storage_ref *ret, struct error *e)
{
	static const char *const files[] = { "oci", "oci-archive", "docker-archive", "dir",
					     "builtin" };
	struct storage_ref r = { .transport = NULL };
	const char *transport = "docker", *rest = text;
	int err;

	if (str_starts(text, "docker://"))
		rest = text + strlen("docker://");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		size_t len = strlen(files[i]);

		if (strncmp(text, files[i], len) == 0 && text[len] == ':') {
			transport = files[i];
			rest = text + len + 1;
		}
	}
	r.transport = strdup(transport);
	if (r.transport == NULL)
		return error_set(e, -ENOMEM, "image reference");

	if (strcmp(transport, "docker") == 0) {
		err = strlen(rest) > LIMIT_REFERENCE ? refuse(e, text, "it is too long") :
						       parse_docker(text, rest, &r, e);
	} else if (strcmp(transport, "builtin") == 0) {
		err = component_valid(rest, strlen(rest)) && strlen(rest) <= 64 ?
			      0 :
			      refuse(e, text,
				     "the name of a built-in image is lower-case letters, digits and \"-\"");
		if (err == 0 && (r.path = strdup(rest)) == NULL)
			err = error_set(e, -ENOMEM, "image reference");
	} else {
		err = strlen(rest) > LIMIT_TAR_NAME ? refuse(e, text, "the path is too long") :
						      parse_file(text, rest, &r, e);
	}
	if (err < 0) {
		storage_ref_fini(&r);
		return err;
	}
	*ret = r;
	return 0;
}

char *storage_ref_text(const struct storage_ref *r)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (strcmp(r->transport, "docker") != 0) {
		(void)buf_printf(&b, "%s:%s", r->transport,
				 r->path); /* failures are kept in b.err */
		if (r->tag != NULL)
			(void)buf_printf(&b, ":%s", r->tag);
		return buf_steal(&b);
	}
	if (r->domain != NULL)
		(void)buf_printf(&b, "%s/", r->domain);
	else if (strcmp(r->path, "oci") == 0 || strcmp(r->path, "oci-archive") == 0 ||
		 strcmp(r->path, "docker-archive") == 0 || strcmp(r->path, "dir") == 0 ||
		 strcmp(r->path, "builtin") == 0)
		(void)buf_puts(&b, "docker://"); /* "oci:latest" would be a directory */
	(void)buf_puts(&b, r->path);
	if (r->digest != NULL)
		(void)buf_printf(
			&b, "@%s",
			r->digest); /* the digest decides; a tag beside it is only a remark */
	else if (r->tag != NULL)
		(void)buf_printf(&b, ":%s", r->tag);
	return buf_steal(&b);
}

int storage_ref_make_absolute(struct storage_ref *r, struct error *e)
{
	_cleanup_free_ char *cwd = NULL;
	_cleanup_free_ char *joined = NULL;
	_cleanup_free_ char *clean = NULL;

	if (strcmp(r->transport, "docker") == 0 || strcmp(r->transport, "builtin") == 0)
		return 0;
	if (r->path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (cwd == NULL)
			return error_set(e, -errno, "working directory");
	}
	joined = str_printf("%s/%s", cwd != NULL ? cwd : "", r->path);
	clean = joined != NULL ? path_clean(joined) : NULL;
	if (clean == NULL)
		return error_set(e, -ENOMEM, "image reference");
	if (clean[0] != '/') {
		char *abs = str_printf("/%s", clean);

		if (abs == NULL)
			return error_set(e, -ENOMEM, "image reference");
		free(clean);
		clean = abs;
	}
	free(r->path);
	r->path = steal_ptr(&clean);
	return 0;
}
