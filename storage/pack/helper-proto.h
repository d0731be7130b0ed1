/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crt and crt-pack say to each other: one JSON object each way over a SOCK_SEQPACKET socket.
 *
 * crt -> crt-pack, already in the socket when it starts
 *   {"op":"layer","keep_ids":B}
 *       FD_DIR a transaction, FD_SOURCE the directory to make a layer of
 *   {"op":"untar","keep_ids":B,"set_owner":B,"uid":N,"gid":N,"overwrite":B}
 *       FD_DIR the directory to unpack in, FD_SOURCE the archive
 * crt-pack -> crt
 *   {"code":0,"notes":BITS,"diff_id":S,"digest":S,"size":N}    the last three for layers
 *   {"code":N,"msg":S}
 */
#ifndef STORAGE_PACK_HELPER_PROTO_H
#define STORAGE_PACK_HELPER_PROTO_H

#define HELPER_FD_CONTROL  3
#define HELPER_FD_DIR	   4
#define HELPER_FD_SOURCE   5
#define HELPER_MESSAGE_MAX 2048

#endif
