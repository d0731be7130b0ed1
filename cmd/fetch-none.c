/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for cmd/fetch.c while the fetcher is not part of the build. */
#include <errno.h>

#include "cmd/fetch.h"

int cmd_fetch_image(struct storage *s, const char *reftext, const struct cmd_fetch_options *o,
		    bool quiet, char **ret_ref, struct error *e)
{
	(void)s;
	(void)o;
	(void)quiet;
	(void)ret_ref;
	return error_setf(e, -ENOENT, "%s: image not known and this build has no fetcher", reftext);
}
