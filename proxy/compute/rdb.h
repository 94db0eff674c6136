/* How Redis encodes one value in an RDB file and in a DUMP payload: what writer and reader share.
 *
 *   payload:  type (1 byte)  body  version (2 bytes, little-endian)  CRC-64 of all that (8 bytes)
 *   body:     string        of a string
 *             count strings of a list or set
 *             count (string string)... of a hash, count (string score)... of a sorted set
 *             or one string that holds all elements in one of the compact forms, see rdb_pack.h
 *   count, length:  00nnnnnn | 01nnnnnn n | 10000000 n*4 | 10000001 n*8   (big-endian)
 *   string:   length bytes | 11000000 int8 | 11000001 int16 | 11000010 int32 (little-endian)
 *             | 11000011 compressed-length length LZF
 *
 * Written from the published format (redis.io, "RDB file format" by S. Sankarasubramanian, and
 * payloads of redis-server).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_RDB_H
#define COMPUTE_RDB_H

#include "base/slice.h"

enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET_TEXT = 3, /* scores as text */
    RDB_HASH = 4,
    RDB_ZSET = 5, /* scores as doubles */
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_QUICKLIST = 14, /* nodes are ziplists */
    RDB_HASH_LISTPACK = 16,
    RDB_ZSET_LISTPACK = 17,
    RDB_LIST_QUICKLIST2 = 18, /* nodes are listpacks, or elements as they are */
    RDB_SET_LISTPACK = 20,
    RDB_TYPES
};

enum {
    RDB_LEN_6 = 0x00, /* the two highest bits of the first byte of a length */
    RDB_LEN_14 = 0x40,
    RDB_LEN_OTHER = 0x80,
    RDB_LEN_ENCODED = 0xc0, /* no length: a string in another encoding */
    RDB_LEN_KIND = 0xc0,
    RDB_LEN_32 = 0x80, /* the whole byte */
    RDB_LEN_64 = 0x81,
    RDB_INT8 = 0xc0,
    RDB_INT16 = 0xc1,
    RDB_INT32 = 0xc2,
    RDB_LZF = 0xc3,
};

enum {
    RDB_FOOTER_LEN = 10,
    /* What is written needs no more than version 8 (Redis 4.0), which brought scores as doubles and
     * lengths of 64 bits; a server refuses what is newer than itself, so the oldest is the best. */
    RDB_VERSION_WRITTEN = 8,
    RDB_VERSION_MAX = 11,               /* that Redis 7.2 accepts */
    RDB_STRING_MAX = 512 * 1024 * 1024, /* bytes of a compressed string when expanded */
};

#endif
