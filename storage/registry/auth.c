/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answering a registry that says 401.
 *
 * Theory of operation
 *
 * The registry names in WWW-Authenticate what it wants: "Basic", or "Bearer"
 * with the URL of a token server (realm), a service and a scope. All of it is
 * hostile text. Where credentials go:
 *
 *   - basic: to the endpoint that asked, on later requests to its own host
 *     and port only (http.c decides by URL);
 *   - bearer: to the realm, which must be https; a realm of plain http gets
 *     anything only when the endpoint is marked insecure and the realm is on the
 *     same host. Without credentials a token is asked for anonymously. The token
 *     is then sent to the endpoint only.
 *
 * One request is answered at most twice (a token may expire between layers),
 * so a server that says 401 for ever is left. The token request follows no
 * redirects, has a total time and a size limit, and its answer is strict JSON;
 * a token with blanks or control characters is refused, since it becomes a
 * header. It blocks this thread: layers that download meanwhile wait in their
 * sockets for that moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "storage/registry/http.h"

#define AUTH_TRIES	2
#define TOKEN_BYTES_MAX (64u << 10)
#define TOKEN_SECONDS	30L

/* What the server asked for. */
struct challenge {
	bool basic, bearer;
	char realm[2048];
	char service[512];
	char scope[1024];
};

/* Read token=value or token="value" at *p; false at the end or at the next scheme. */
static bool next_param(const char **p, char key[32], char *value, size_t size)
{
	const char *s = *p + strspn(*p, " \t,");
	size_t k = strcspn(s, "= \t,\n"), n = 0;

	if (s[k] != '=' || k == 0 || k >= 32)
		return false;
	memcpy(key, s, k);
	key[k] = '\0';
	s += k + 1;
	if (*s == '"') {
		for (s++; *s != '\0' && *s != '"' && *s != '\n'; s++) {
			if (*s == '\\' && s[1] != '\0')
				s++;
			if (n + 1 < size)
				value[n++] = *s;
			else
				n = size; /* too long */
		}
		if (*s == '"')
			s++;
	} else {
		for (; *s != '\0' && strchr(" \t,\n", *s) == NULL; s++)
			if (n + 1 < size)
				value[n++] = *s;
			else
				n = size;
	}
	if (n >= size)
		n = 0;
	value[n] = '\0';
	*p = s;
	return true;
}

static void parse_challenge(const char *text, struct challenge *ret)
{
	while (*text != '\0') {
		size_t scheme;
		bool bearer;

		text += strspn(text, " \t,\n");
		scheme = strcspn(text, " \t,\n");
		bearer = scheme == 6 && strncasecmp(text, "Bearer", 6) == 0;
		if (scheme == 5 && strncasecmp(text, "Basic", 5) == 0)
			ret->basic = true;
		text += scheme;
		for (;;) {
			char key[32], value[2048];

			if (!next_param(&text, key, value, sizeof(value)))
				break;
			if (!bearer)
				continue;
			if (strcasecmp(key, "realm") == 0) {
				(void)snprintf(ret->realm, sizeof(ret->realm), "%s",
					       value); /* same size */
				ret->bearer = true;
			} else if (strcasecmp(key, "service") == 0 &&
				   strlen(value) < sizeof(ret->service)) {
				memcpy(ret->service, value, strlen(value) + 1);
			} else if (strcasecmp(key, "scope") == 0 &&
				   strlen(value) < sizeof(ret->scope)) {
				memcpy(ret->scope, value, strlen(value) + 1);
			}
		}
	}
}

/* May this endpoint's credentials be sent to the realm? -EACCES says why not. */
static int check_realm(const struct http_endpoint *ep, const char *realm, struct error *e)
{
	_cleanup_free_ char *host = NULL;
	_cleanup_free_ char *shown = str_escape(realm);
	size_t realm_len, ep_len;
	bool https = false;

	if (http_url_host(realm, &host, &https) < 0)
		return error_setf(
			e, -EACCES,
			"%s names the token server \"%.120s\", which is no http or https URL",
			ep->host, shown != NULL ? shown : "");
	if (https)
		return 0;
	/* "host:port": only the host must be the same */
	realm_len = (size_t)(strrchr(host, ':') - host);
	ep_len = strrchr(ep->host, ':') != NULL && strchr(ep->host, ']') < strrchr(ep->host, ':') ?
			 (size_t)(strrchr(ep->host, ':') - ep->host) :
			 strlen(ep->host);
	if (!ep->insecure || realm_len != ep_len || strncasecmp(host, ep->host, ep_len) != 0)
		return error_setf(e, -EACCES,
				  "%s names the token server \"%.120s\" without TLS: refused",
				  ep->host, shown != NULL ? shown : "");
	return 0;
}

static size_t token_body(char *p, size_t size, size_t n, void *data)
{
	struct buf *b = data;

	if (b->len + size * n > TOKEN_BYTES_MAX || buf_append(b, p, size * n) < 0)
		return 0;
	return size * n;
}

static int query_add(CURLU *u, const char *key, const char *value)
{
	_cleanup_free_ char *text = str_printf("%s=%s", key, value);

	return text != NULL && curl_url_set(u, CURLUPART_QUERY, text,
					    CURLU_APPENDQUERY | CURLU_URLENCODE) == CURLUE_OK ?
		       0 :
		       -ENOMEM;
}

/* GET URL of a token request; NULL on failure. Free with curl_free(). */
static char *token_url(const struct challenge *ch)
{
	CURLU *u = curl_url();
	char *url = NULL;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, ch->realm, 0) == CURLUE_OK &&
	    (ch->service[0] == '\0' || query_add(u, "service", ch->service) == 0) &&
	    (ch->scope[0] == '\0' || query_add(u, "scope", ch->scope) == 0))
		(void)curl_url_get(u, CURLUPART_URL, &url, 0); /* NULL on failure */
	curl_url_cleanup(u);
	return url;
}

static int form_add(CURL *easy, struct buf *b, const char *key, const char *value)
{
	char *enc = curl_easy_escape(easy, value, 0);

	(void)buf_printf(b, "%s%s=%s", b->len > 0 ? "&" : "", key,
			 enc != NULL ? enc : ""); /* err is kept in b */
	if (enc == NULL)
		b->err = -ENOMEM;
	curl_free(enc);
	return b->err;
}

/* With an identity token the exchange is OAuth2's refresh grant. */
static int set_refresh(CURL *easy, const struct http_endpoint *ep, const struct challenge *ch,
		       struct buf *form)
{
	if (form_add(easy, form, "grant_type", "refresh_token") < 0 ||
	    form_add(easy, form, "client_id", "crt") < 0 ||
	    form_add(easy, form, "service", ch->service) < 0 ||
	    form_add(easy, form, "scope", ch->scope) < 0 ||
	    form_add(easy, form, "refresh_token", ep->token) < 0 ||
	    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_str(form)) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

static int take_token(struct http_endpoint *ep, const struct buf *body, struct error *e)
{
	_cleanup_json_ json_t *doc =
		json_parse(buf_str(body), body->len, "answer of the token server", e);
	const char *token = NULL;

	if (doc == NULL || json_get_string(doc, "", "token", &token, e) < 0 ||
	    (token == NULL && json_get_string(doc, "", "access_token", &token, e) < 0))
		return -EBADMSG;
	if (token == NULL || token[0] == '\0')
		return error_setf(e, -EBADMSG, "the token server of %s sent no token", ep->host);
	for (const char *p = token; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return error_setf(e, -EBADMSG,
					  "the token server of %s sent an invalid token", ep->host);
	free(ep->bearer);
	ep->bearer = strdup(token);
	return ep->bearer != NULL ? 0 : error_set(e, -ENOMEM, "keep a token");
}

static int fetch_token(struct http_client *c, struct http_endpoint *ep, const struct challenge *ch,
		       struct error *e)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	_cleanup_buf_ struct buf form = BUF_INIT;
	char *url = ep->token != NULL ? NULL : token_url(ch);
	CURL *easy = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;
	long status = 0;
	int r = -ENOMEM;

	if (easy != NULL && (url != NULL || ep->token != NULL))
		r = http_easy_setup(c, easy, ep, url != NULL ? url : ch->realm, e);
	if (r == 0 && ep->token != NULL)
		r = set_refresh(easy, ep, ch, &form);
	if (r == 0 && ep->token == NULL && ep->user != NULL &&
	    (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) != CURLE_OK ||
	     curl_easy_setopt(easy, CURLOPT_USERNAME, ep->user) != CURLE_OK ||
	     curl_easy_setopt(easy, CURLOPT_PASSWORD, ep->password) != CURLE_OK))
		r = -ENOMEM;
	if (r == 0 && (curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, token_body) != CURLE_OK ||
		       curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body) != CURLE_OK ||
		       curl_easy_setopt(easy, CURLOPT_TIMEOUT, TOKEN_SECONDS) != CURLE_OK))
		r = -ENOMEM;
	if (r == 0) {
		code = curl_easy_perform(easy);
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* 0 on failure */
		if (code != CURLE_OK)
			r = error_setf(e, -EIO, "token server of %s: %s", ep->host,
				       curl_easy_strerror(code));
		else if (status == 401 || status == 403)
			r = error_setf(e, -EACCES, "the token server of %s refused the %s",
				       ep->host,
				       ep->user != NULL || ep->token != NULL ?
					       "user name or password" :
					       "request: log in first");
		else if (status != 200)
			r = error_setf(e, -EIO, "token server of %s: HTTP status %ld", ep->host,
				       status);
		else
			r = take_token(ep, &body, e);
	} else {
		(void)error_set(e, -ENOMEM, "ask for a token");
	}
	curl_easy_cleanup(easy);
	curl_free(url);
	return r;
}

int auth_answer(struct http_client *c, struct http_request *r, struct error *e)
{
	struct http_endpoint *ep = r->ep;
	struct challenge *ch = calloc(1, sizeof(*ch));
	int res;

	if (ch == NULL)
		return error_set(e, -ENOMEM, "authenticate");
	parse_challenge(buf_str(&r->challenge), ch);
	if (r->auth_tries++ >= AUTH_TRIES || (!ch->basic && !ch->bearer)) {
		res = error_setf(e, -EACCES, "%s refuses access to %s%s", ep->host, ep->path,
				 ep->user == NULL && ep->token == NULL ?
					 ": log in first, or name a user by --creds" :
					 "");
	} else if (ch->bearer) {
		res = check_realm(ep, ch->realm, e);
		if (res == 0)
			res = fetch_token(c, ep, ch, e);
	} else if (ep->user == NULL) {
		res = error_setf(
			e, -EACCES,
			"%s asks for a user name and password: log in first, or use --creds",
			ep->host);
	} else if (ep->use_basic && r->auth_tries > 1) {
		res = error_setf(e, -EACCES, "%s refuses the user name or password of \"%.100s\"",
				 ep->host, ep->user);
	} else {
		ep->use_basic = true;
		res = 0;
	}
	free(ch);
	return res;
}
