/* The sorted set: members with a score, ordered by (score, member bytes). Few as one packed block,
 * many as a table of members beside a counted tree, which knows every rank in O(log n).
 *
 * Changed and removed members are remembered for write-back.
 *
 * Lock: the shard of the key, for every function. A sorted set may move when it changes. No
 * argument may lie in the set itself, except where a function says so. Ranks count from 0, lowest
 * score first.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_ZSET_H
#define STORE_ZSET_H

#include "store/value.h"

struct zset;

extern const struct value_ops zset_ops;

struct zset *zset_try_new(void);
size_t zset_count(const struct zset *z);
bool zset_score(const struct zset *z, struct slice member, double *score);
/* False: not a member. */
bool zset_rank(const struct zset *z, struct slice member, size_t *rank);

enum zset_put_result { ZSET_ADDED, ZSET_UPDATED, ZSET_SAME, ZSET_OOM /* unchanged */ };
/* score is not NaN; -0 is kept as 0. */
MUST_CHECK enum zset_put_result zset_put(struct zset **z, struct slice member, double score);
/* True when it was there. `member` may lie in the set. Needs no memory. */
bool zset_remove(struct zset **z, struct slice member);
/* Removes the members of these ranks. Needs no memory. */
void zset_remove_ranks(struct zset **z, size_t first, size_t n);

/* How many members lie before a score: with score < s, or (inclusive) score <= s. So the range
 * [min, max] has the ranks zset_below(min, false) .. zset_below(max, true) - 1. */
size_t zset_below(const struct zset *z, double score, bool inclusive);
/* The same by bytes, where all members have one score (ZRANGEBYLEX). */
size_t zset_below_lex(const struct zset *z, struct slice member, bool inclusive);

/* The member of a rank that exists; the slice is valid until the set changes. */
void zset_at(const struct zset *z, size_t rank, struct slice *member, double *score);
/* Visits `n` members from `rank` on, upwards or, `reverse`, downwards; stop by returning false. The
 * set must not change meanwhile. */
void zset_each(const struct zset *z, size_t rank, size_t n, bool reverse,
               bool (*each)(void *ctx, struct slice member, double score), void *ctx);
/* ZSCAN: see hash_scan. */
uint64_t zset_scan(const struct zset *z, uint64_t cursor, size_t count,
                   void (*each)(void *ctx, struct slice member, double score), void *ctx);

#endif
