/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-pack: makes a layer of a directory, or unpacks a stranger's archive.
 *
 * Who starts it: crt, through storage_layer_make() and storage_untar(), as root of a user
 * namespace. What it gets: the descriptors of storage/pack/helper-proto.h, an empty
 * environment. What it may do: read one tree or archive, write in one directory. How it dies:
 * by itself, with its parent, or by its seccomp filter. All the rest is in storage/pack/helper-main.c.
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

int main(void)
{
	return storage_helper_main();
}
