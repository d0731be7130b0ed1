/* SPDX-License-Identifier: Apache-2.0 */
/* Random container ids, names, and the checks of both. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>

#define ID_LEN	     64
#define ID_SHORT_LEN 12

/* 64 lower-case hexadecimal digits from getrandom(2). 0 or -errno. */
int id_generate(char ret[ID_LEN + 1]);
/* "eager_turing"-like name for a container without --name. Caller frees; NULL on -ENOMEM. */
char *id_random_name(void);
/* Container names as podman: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 255. */
bool id_name_valid(const char *s);
/* OCI container ids as crun: [a-zA-Z0-9_+-][a-zA-Z0-9_+.-]*, not "." or "..", at most 1024. */
bool id_container_valid(const char *s);
/* 1 to 64 lower-case hexadecimal digits. */
bool id_is_hex_prefix(const char *s);

#endif
