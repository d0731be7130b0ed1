/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-fetch: takes one image from a registry or file into a transaction.
 *
 * Who starts it: crt, through storage_fetch_exec(), as root of a user
 * namespace. What it gets: the descriptors of storage/fetch-proto.h, an empty
 * environment. What it may do: talk to registries, write below the
 * transaction directory. How it dies: by itself, with its parent, or by its
 * seccomp filter. All the rest is in storage/fetch-main.c.
 */
#include "storage/storage.h"

#ifdef CRT_SANITIZED
const char *__asan_default_options(void);
/* Inside the cage there is neither a /proc for the leak checker nor a second process. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	return storage_fetch_main(argc, argv);
}
