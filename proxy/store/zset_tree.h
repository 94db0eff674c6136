/* The order of a large sorted set: a counted B+tree of (score, member).
 *
 *   inner   | len | score, field of each child's first item | child | members below it |
 *   leaf    | len | scores, in order | fields |
 *
 * A search within a node reads one array of scores; members are looked at only where scores are
 * equal. The counts give a rank, or the member of a rank, in one descent. Leaves have no links: a
 * range is walked from above.
 *
 * A full leaf gives to a neighbour that has room before it is split, and what comes in order fills
 * its leaves: a member takes 16 bytes if it came in order, 20 if not, and 22 after many moves at
 * random. Two neighbours that fit into three quarters of a leaf become one. Nothing below a node
 * depends on it being half full.
 *
 * The members themselves are the fields of the set (store/fields.h), which must not move; the tree
 * reads their names, never their values. Order: by score, then by the bytes of the member.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_ZSET_TREE_H
#define STORE_ZSET_TREE_H

#include "store/fields.h"

struct zset_tree {
    void *root;      /* NULL: empty */
    uint32_t height; /* levels of inner nodes */
    size_t count;
    size_t bytes; /* of all nodes */
};

enum { ZSET_LEAF_MAX = 63 }; /* members in a leaf: 1 KB */

/* Frees the nodes, not the members. */
void zset_tree_fini(struct zset_tree *t);

/* One that is not there. False: out of memory, unchanged. */
MUST_CHECK bool zset_tree_insert(struct zset_tree *t, double score, struct field *f);
/* One that is there. Needs no memory. */
void zset_tree_remove(struct zset_tree *t, double score, struct field *f);
/* Gives one that is there another score. False: out of memory, unchanged. */
MUST_CHECK bool zset_tree_move(struct zset_tree *t, double from, double to, struct field *f);
/* Removes up to `most` members, and no more than ZSET_LEAF_MAX, from a rank that exists on; returns
 * how many. Needs no memory. */
size_t zset_tree_take(struct zset_tree *t, size_t rank, size_t most,
                      struct field *out[ZSET_LEAF_MAX]);

/* How many come before (score, name). */
size_t zset_tree_rank(const struct zset_tree *t, double score, struct slice name);
/* How many have a score < `score`, or (inclusive) <= `score`. */
size_t zset_tree_below(const struct zset_tree *t, double score, bool inclusive);
/* The same by name, where all have one score; where not, any number up to count. */
size_t zset_tree_below_lex(const struct zset_tree *t, struct slice name, bool inclusive);
/* The one of a rank that exists. */
struct field *zset_tree_at(const struct zset_tree *t, size_t rank, double *score);
/* `n` members from a rank on (all must exist), upwards or downwards, until `each` returns false. */
void zset_tree_each(const struct zset_tree *t, size_t rank, size_t n, bool reverse,
                    bool (*each)(void *ctx, const struct field *f, double score), void *ctx);

/* Verifies everything that the tree promises; for tests. */
bool zset_tree_check(const struct zset_tree *t);

#endif
