/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cage of crt-net.
 *
 * Theory of operation
 *
 * Whoever takes libslirp over by a crafted frame shall find nothing.
 */
#include "net/confine.h"

#include <errno.h>
#include <sys/prctl.h>

void confine_early(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NAME, "crt-net");
}

int confine_self(struct error *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(e, -errno, "crt-net: set no_new_privs");
	return 0;
}
