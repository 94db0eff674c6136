/* A small sorted set: one block of bytes, which is the whole object.
 *
 *   item:  score (8 bytes)  varint(member length * 8 + flags)  member
 *
 * Items lie in the order of (score, member), dead ones too, where they were when they were removed.
 * The block has the size class of what it holds, and moves when that changes.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_ZSET_BLOCK_H
#define STORE_ZSET_BLOCK_H

#include "store/packed.h"

struct zset_block {
    uint8_t is_tree; /* false; the first two as in every struct zset */
    uint8_t is_large;
    uint16_t count; /* live items; the three are the business of zset.c */
    uint16_t changed, dead;
    uint32_t len; /* bytes in use */
    char bytes[];
};

enum { ZSET_BLOCK_MAX = 64 * 1024 /* bytes; what is larger must become a tree */ };

struct zset_item {
    uint32_t at, end; /* the item is bytes[at..end) */
    unsigned flags;   /* enum field_flag */
    double score;
    struct slice member; /* valid until the block changes */
};

struct zset_block *zset_block_try_new(void);

/* Reads the item at `at`; false at the end. */
bool zset_block_read(const struct zset_block *b, uint32_t at, struct zset_item *out);
/* Dead ones too. */
bool zset_block_find(const struct zset_block *b, struct slice member, struct zset_item *out);
/* Bytes of the block with one more member. */
size_t zset_block_len_with(const struct zset_block *b, size_t member_len);

/* Puts in a member that is not there. False: out of memory, unchanged. zset_block_len_with() must
 * have been <= ZSET_BLOCK_MAX. */
MUST_CHECK bool zset_block_insert(struct zset_block **place, struct slice member, double score,
                                  unsigned flags);
/* Gives an item another score. `member` is the item's, but must not lie in the block. */
void zset_block_change(struct zset_block *b, const struct zset_item *item, struct slice member,
                       double score, unsigned flags);
void zset_block_set_flags(struct zset_block *b, const struct zset_item *item, unsigned flags);
/* Takes the item out. Needs no memory. */
void zset_block_cut(struct zset_block **place, const struct zset_item *item);
size_t zset_block_memory(const struct zset_block *b);

#endif
