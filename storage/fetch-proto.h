/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crt and crt-fetch say to each other: JSON objects, one per message of a
 * SOCK_SEQPACKET socket.
 *
 * crt -> crt-fetch
 *   the request, already in the socket when crt-fetch starts (see fetch.c)
 *   its "op" says what is to be done: fetch (take an image in), push, query, load
 *   {"layer":bool,"blob":bool}        answer to "ask"; with an fd when the blob can be read from the store
 * crt-fetch -> crt
 *   {"t":"resolved","text":S}         what is being tried
 *   {"t":"layer","d":DIGEST,"n":N,"m":TOTAL,"s":STATE}
 *   {"t":"note","text":S}
 *   {"t":"ask","d":BLOB DIGEST or "","diff":DIFF-ID}
 *   {"t":"open","d":DIGEST}           push: the answer is {} with an fd
 *   {"t":"image","d":DIGEST,"name":S,"docker":bool}   load: one of the images, "" without a name
 *   {"t":"alive"}                     nothing else to say for a while
 *   {"t":"done","d":MANIFEST DIGEST (query: ""),"i":INDEX OF THE CANDIDATE}
 *   {"t":"error","code":N,"msg":S}    the last message; nothing of the transaction is used
 */
#ifndef STORAGE_FETCH_PROTO_H
#define STORAGE_FETCH_PROTO_H

#include <stdbool.h>

/* Descriptors of crt-fetch. */
#define FETCH_FD_CONTROL 3
#define FETCH_FD_TXN	 4 /* the transaction directory */
#define FETCH_FD_SOURCE \
	5 /* the local directory or archive, where there is one; query: a file for the answer */

enum fetch_op {
	FETCH_OP_FETCH,
	FETCH_OP_PUSH,
	FETCH_OP_QUERY,
	FETCH_OP_LOAD,
	FETCH_OP_COUNT
};
#define FETCH_OP_NAMES "fetch", "push", "query", "load"
static inline bool fetch_op_has_txn(enum fetch_op op)
{
	return op == FETCH_OP_FETCH || op == FETCH_OP_LOAD;
}

/* An empty file beside a layer's tree whose deleted files are marked by names (see storage/rootfs.c). */
#define STAND_INS	  "stand-ins"

#define FETCH_REQUEST_MAX (160u << 10) /* below the default socket buffer of the kernel */
#define FETCH_MESSAGE_MAX (8u << 10)
#define FETCH_ALIVE_MS	  5000	/* crt-fetch says something at least this often ... */
#define FETCH_SILENCE_MS  90000 /* ... and crt gives it up after this time */

#endif
