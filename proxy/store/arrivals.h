/* Which keys came into memory since a walk began.
 *
 * A walk (SCAN, KEYS) shows what is resident, shard by shard, and then what only the backend has. A
 * key that comes into memory after its shard was passed is shown by neither, unless the second part
 * knows that it came. So each key that begins to be resident is noted in the filter of the current
 * *era* (a Bloom filter of one hash function, Bloom 1970); a walk carries the era in which it began
 * in its cursor, and asks for all eras since. The answer may be a wrong yes: then a key is shown
 * twice, which is allowed. It is never a wrong no: of an era whose filter has been given to a later
 * one, the answer is yes for every key.
 *
 * Nothing is noted, and no memory used, before the first walk begins.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_ARRIVALS_H
#define STORE_ARRIVALS_H

#include "base/lock.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    ARRIVALS_ERAS = 8,       /* filters that are kept */
    ARRIVALS_BITS_LOG2 = 19, /* of a filter: 64 KiB */
    ARRIVALS_ERA_BITS = 14,  /* of an era in a cursor */
};

struct arrivals {
    _Atomic(_Atomic uint64_t *) filters; /* NULL: no walk has begun yet */
    _Atomic uint32_t era;
    _Atomic uint32_t noted; /* in this era */
    struct lock lock;
    int64_t began_us GUARDED_BY(lock); /* this era */
};

void arrivals_init(struct arrivals *a);
void arrivals_fini(struct arrivals *a);

/* A walk begins: returns its era, of ARRIVALS_ERA_BITS. Lock: none of a shard, unless all are
 * held. Thread: any. */
uint32_t arrivals_begin(struct arrivals *a);

/* Whether a key with this hash may have come into memory since the walk of this era began. Lock:
 * the key's shard, so that the answer and what is in the table are of one moment. */
bool arrivals_since(struct arrivals *a, uint32_t era, uint64_t hash);

static inline _Atomic uint64_t *arrivals_word(_Atomic uint64_t *filters, uint32_t era,
                                              uint64_t hash, uint64_t *bit)
{
    uint64_t place = (hash * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - ARRIVALS_BITS_LOG2);
    *bit = UINT64_C(1) << place % 64;
    return &filters[((uint64_t)(era % ARRIVALS_ERAS) << (ARRIVALS_BITS_LOG2 - 6)) + place / 64];
}

/* A key begins to be resident. Lock: its shard. That orders it with walks: one that passes the
 * shard later meets the key, one that passed it earlier has made its era known. */
static inline void arrivals_note(struct arrivals *a, uint64_t hash)
{
    _Atomic uint64_t *filters = atomic_load_explicit(&a->filters, memory_order_acquire);
    uint64_t bit;
    if (filters == NULL)
        return;
    uint32_t era = atomic_load_explicit(&a->era, memory_order_acquire);
    _Atomic uint64_t *word = arrivals_word(filters, era, hash, &bit);
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0)
        return;
    atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->noted, 1, memory_order_relaxed);
}

#endif
