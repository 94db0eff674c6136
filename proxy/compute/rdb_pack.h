/* The compact forms in which Redis keeps small aggregates, and which RDB payloads hold as one
 * string. A walk over the items in order, which checks everything that it steps over: lengths,
 * back-lengths, counts, the order of an intset. Nothing outside of the bytes is read, and nothing
 * is allocated.
 *
 *   listpack  bytes (4) items (2) [encoding, data, length backwards]... ff
 *   ziplist   bytes (4) tail (4) items (2) [length of the one before, encoding, data]... ff
 *   intset    width (4) items (4) [integer of that width, ascending]...
 *   zipmap    pairs (1) [length, key, length, free, value, free bytes]... ff
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_RDB_PACK_H
#define COMPUTE_RDB_PACK_H

#include "base/slice.h"

enum rdb_form { RDB_LISTPACK, RDB_ZIPLIST, RDB_INTSET, RDB_ZIPMAP };

struct rdb_pack {
    enum rdb_form form;
    const uint8_t *start, *at, *end; /* end: after the last item */
    uint64_t items;                  /* seen so far */
    uint64_t announced;              /* UINT64_MAX: not said */
    size_t last_len;                 /* ziplist: of the item before */
    size_t tail;                     /* ziplist: where the last item is said to begin */
    unsigned width;                  /* intset */
    int64_t last;                    /* intset: the one before */
};

struct rdb_item {
    bool is_int;
    int64_t number;
    struct slice bytes; /* when it is none */
};

enum rdb_step { RDB_ITEM, RDB_END /* and all is as it was announced */, RDB_BROKEN };

/* False: it does not begin, or end, as one of that form. The bytes must stay during the walk. */
MUST_CHECK bool rdb_pack_open(struct rdb_pack *p, enum rdb_form form, struct slice bytes);
enum rdb_step rdb_pack_next(struct rdb_pack *p, struct rdb_item *out);

#endif
