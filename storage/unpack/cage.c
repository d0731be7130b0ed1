/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/unpack/cage.h"

int cage_enter(int *txn_fd, int *source_fd, bool network, struct error *e)
{
	(void)txn_fd; (void)source_fd; (void)network; (void)e;
	return 0;
}
const char *cage_ca_path(void) { return "/etc/ssl/certs/ca-certificates.crt"; }
