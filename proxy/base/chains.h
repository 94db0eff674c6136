/* A small hash table of nodes that lie in their owners' structures: it finds what clients have made
 * many. Adding never fails: where there is no memory to grow, chains get longer.
 *
 * The hash is the caller's, and of good quality in its low bits.
 *
 * Thread, Lock: the owner's.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_CHAINS_H
#define BASE_CHAINS_H

#include "base/base.h"

struct chain_node {
    struct chain_node *next, **link; /* in its bucket */
    uint64_t hash;
};

/* All zero: empty. Nothing is allocated for few nodes. */
struct chains {
    struct chain_node *few; /* the only bucket, while there is no other */
    struct chain_node **buckets;
    uint32_t cap; /* of buckets: a power of two, or 0 */
    uint32_t len;
    bool walked;
};

/* Frees the buckets; the nodes are their owners'. */
void chains_fini(struct chains *c);
/* node->hash is set. */
void chains_add(struct chains *c, struct chain_node *node);
void chains_remove(struct chains *c, struct chain_node *node);

static inline struct chain_node **chains_bucket(struct chains *c, uint64_t hash)
{
    return c->cap == 0 ? &c->few : &c->buckets[hash & (c->cap - 1)];
}

/* The first node with this hash, and the next one: others may have it, too. */
struct chain_node *chains_first(struct chains *c, uint64_t hash);
struct chain_node *chains_next(const struct chain_node *node);

/* Calls `each` for all nodes, which may remove the one it is given and must not add any. */
void chains_each(struct chains *c, void (*each)(void *ctx, struct chain_node *node), void *ctx);

/* A table that is there only while it holds something: *place is NULL before and after. False: out
 * of memory. */
MUST_CHECK bool chains_try_put(struct chains **place, struct chain_node *node);
void chains_take(struct chains **place, struct chain_node *node);
/* Gives back one that is empty, after a walk that removed nodes. */
void chains_trim(struct chains **place);

#endif
