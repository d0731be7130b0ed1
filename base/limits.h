/* SPDX-License-Identifier: Apache-2.0 */
/* Every numeric limit of the product, each with its reason. Tests cover them. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define LIMIT_JSON_BYTES \
	(4u << 20)	    /* config.json, manifests, image configs: OCI registries cap at 4 MiB */
#define LIMIT_JSON_DEPTH 64 /* nesting; real documents stay below 12 */
#define LIMIT_TAR_NAME	 4096 /* PATH_MAX: a longer name cannot be opened anyway */
#define LIMIT_TAR_ENTRIES \
	4000000u /* entries of one layer; the largest known image has 1.2 million */
#define LIMIT_TAR_XATTR_BYTES (64u << 10) /* XATTR_SIZE_MAX */
#define LIMIT_LAYERS	      512 /* layers of one image; registries and builders stop at 127 */
#define LIMIT_LAYER_BYTES     (1ull << 40)  /* unpacked bytes of one layer */
#define LIMIT_RATIO_MIN_BYTES (64ull << 20) /* below this size no expansion ratio is judged */
#define LIMIT_RATIO	      1100 /* unpacked : packed; deflate cannot exceed 1032, zstd bombs do */
#define LIMIT_LARGE_BYTES     (1ull << 30) /* from this size on a smaller ratio is judged */
#define LIMIT_LARGE_RATIO     500	   /* 1 GiB of anything but zeros packs worse than that */
#define LIMIT_ZSTD_WINDOW_LOG 27   /* 128 MiB window, the maximum of zstd without --long=28+ */
#define LIMIT_ENV	      4096 /* environment entries of an image or a command line */
#define LIMIT_ENV_BYTES	      (128u << 10) /* one entry: MAX_ARG_STRLEN of the kernel */
#define LIMIT_PASSWD_BYTES    (1u << 20)   /* /etc/passwd and /etc/group of an image */
#define LIMIT_NAME	      255	   /* container names, hostnames are shorter still (64) */
#define LIMIT_REFERENCE	      512	   /* image reference: 255 name + 128 tag + digest */
#define LIMIT_MOUNTS	      4096	   /* entries of mounts[] */
#define LIMIT_ID_RANGES	      340	   /* lines of uid_map (kernel limit) */
#define LIMIT_FORWARDS	      4096 /* published ports of one container; each costs crt-net two sockets */
#define LIMIT_LINE	      (64u << 10) /* one line of a text file that we parse */
#define LIMIT_HTTP_HEADER     (64u << 10) /* bytes of one response's headers */
#define LIMIT_HTTP_REDIRECTS  10
#define LIMIT_HTTP_RETRIES    3

#endif
