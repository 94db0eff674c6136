/* A hash table of pointers, kept in the order of the hash: the index of a shard, and of a large
 * hash.
 *
 *   hash ── 28 bits: the position ──> home bucket = position * buckets / 2^28
 *
 *   bucket (one cache line)   | slot 0 | ... | slot 6 | 7 tags | passed |
 *   slot                      | position 27..12 | pointer (16-aligned) | position 11..8 |
 *   tag                       | position 7..0 |
 *
 * A full bucket sends what comes to the next one (the last to the first) and counts it in `passed`;
 * a search goes on only where something has passed. Removing gives the count back, so there are no
 * tombstones and nothing but the removed pointer moves. A count that reached 255 stays until the
 * next resize.
 *
 * The whole position is stored: resizing reads no element, and a search reads only elements whose
 * 28 bits agree. Because a bucket covers a range of positions, a walk can be continued by position
 * however the table was resized in between.
 *
 * The number of buckets is a size class of the allocator, a quarter apart: on average 76 % of the
 * slots are used.
 *
 * A client sees this order (SSCAN, HSCAN) and can remove in it, so what is left may lie in a part
 * of the range alone. Whoever would pass many buckets there tells of it: a table does not shrink to
 * where that happens, and grows when it does.
 *
 * Lock: the owner's; only table_prefetch may run without.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "base/base.h"

#include <stdatomic.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tags are searched as one little-endian word"
#endif

enum {
    TABLE_POSITION_BITS = 28,
    TABLE_POSITIONS = 1 << TABLE_POSITION_BITS,
    BUCKET_SLOTS = 7,
    BUCKET_FILL = 6, /* grow beyond that many per bucket, on average */
    BUCKET_PASSED_MAX = 255,
    TABLE_PASSES_MAX = 250, /* more tell of a crowd: at random it takes a billion buckets */
    TABLE_SPARSE = 8,       /* with less than that part of its slots in use, it does not grow */
};

struct bucket {
    uint64_t slot[BUCKET_SLOTS]; /* 0: free */
    uint8_t tag[BUCKET_SLOTS];
    uint8_t passed;
} __attribute__((aligned(CACHE_LINE)));

struct table {
    /* Atomic only for table_prefetch. */
    _Atomic(struct bucket *) buckets; /* NULL while empty */
    _Atomic uint32_t buckets_len;
    uint32_t used;
    uint32_t shrink_below; /* no shrinking before so few are used; 0: as usual */
    uint16_t frozen;       /* walks under way: no shrinking */
    bool crowded;          /* somebody has passed more than TABLE_PASSES_MAX buckets */
    uint8_t shift; /* all positions here agree in so many first bits; immutable once it is used */
};

#define SLOT_POINTER_BITS 0x0000fffffffffff0u

static inline uint32_t table_position(uint64_t hash)
{
    return (uint32_t)hash >> (32 - TABLE_POSITION_BITS);
}

static inline struct bucket *table_buckets(const struct table *t)
{
    return atomic_load_explicit(&t->buckets, memory_order_relaxed);
}

static inline uint32_t table_len(const struct table *t)
{
    return atomic_load_explicit(&t->buckets_len, memory_order_relaxed);
}

static inline uint32_t table_home(const struct table *t, uint32_t len, uint32_t position)
{
    uint32_t own = (position << t->shift) & (TABLE_POSITIONS - 1);
    return (uint32_t)(((uint64_t)own * len) >> TABLE_POSITION_BITS);
}

static inline uint64_t slot_bits(uint32_t position)
{
    return ((uint64_t)(position >> 12) << 48) | ((position >> 8) & 15);
}

static inline void *slot_pointer(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & SLOT_POINTER_BITS);
}

static inline uint32_t slot_position(const struct bucket *b, unsigned i)
{
    uint64_t slot = b->slot[i];
    return (uint32_t)(slot >> 48) << 12 | (uint32_t)(slot & 15) << 8 | b->tag[i];
}

/* Points the slot elsewhere; the position stays. */
static inline void slot_set_pointer(uint64_t *slot, const void *pointer)
{
    *slot = (*slot & ~(uint64_t)SLOT_POINTER_BITS) | (uint64_t)(uintptr_t)pointer;
}

/* A bit in each byte of the bucket's tags that equals the repeated byte. */
static inline uint64_t bucket_match(const struct bucket *b, uint64_t repeated)
{
    const uint64_t low7 = 0x007f7f7f7f7f7f7fu;
    uint64_t tags;
    memcpy(&tags, b->tag, sizeof(tags));
    uint64_t x = tags ^ repeated;
    return ~(((x & low7) + low7) | x | low7) & 0x0080808080808080u;
}

/* Visits the slots of one position: for (slot = table_first(...); slot; slot = table_next(...)).
 * Nothing may be inserted or removed meanwhile. */
struct table_probe {
    struct bucket *buckets;
    uint64_t bits, repeated, matches;
    uint32_t len, at, left;
};

static inline uint64_t *table_next(struct table_probe *p)
{
    for (;;) {
        struct bucket *b = &p->buckets[p->at];
        while (p->matches != 0) {
            unsigned i = (unsigned)__builtin_ctzll(p->matches) >> 3;
            p->matches &= p->matches - 1;
            if ((b->slot[i] & ~(uint64_t)SLOT_POINTER_BITS) == p->bits && b->slot[i] != 0)
                return &b->slot[i];
        }
        if (LIKELY(b->passed == 0) || --p->left == 0)
            return NULL;
        p->at = p->at + 1 == p->len ? 0 : p->at + 1;
        p->matches = bucket_match(&p->buckets[p->at], p->repeated);
    }
}

static inline uint64_t *table_first(const struct table *t, uint32_t position, struct table_probe *p)
{
    p->buckets = table_buckets(t);
    if (UNLIKELY(p->buckets == NULL))
        return NULL;
    p->len = p->left = table_len(t);
    p->at = table_home(t, p->len, position);
    p->bits = slot_bits(position);
    p->repeated = (position & 255) * 0x0101010101010101u;
    p->matches = bucket_match(&p->buckets[p->at], p->repeated);
    return table_next(p);
}

/* The slot of this very pointer; it must be there. */
uint64_t *table_slot_of(const struct table *t, uint32_t position, const void *pointer);

/* Room for one more; false: out of memory, unchanged. A crowded table without memory to grow stays
 * as it is. */
MUST_CHECK bool table_try_reserve(struct table *t);
/* Room for n in a table that is empty. */
MUST_CHECK bool table_try_size(struct table *t, uint32_t n);
/* After table_try_reserve. */
void table_insert(struct table *t, uint32_t position, const void *pointer);
/* Frees the slot; the table shrinks when it is sparse and no walk is under way. */
void table_remove(struct table *t, uint32_t position, uint64_t *slot);
void table_fini(struct table *t); /* frees the buckets, not what they point to */

/* All slots by number, in the order of positions but for what has passed; NULL where free. */
static inline size_t table_slots(const struct table *t)
{
    return (size_t)table_len(t) * BUCKET_SLOTS;
}
static inline void *table_at(const struct table *t, size_t i)
{
    return slot_pointer(table_buckets(t)[i / BUCKET_SLOTS].slot[i % BUCKET_SLOTS]);
}
/* Slot i as it is stored, with its position. */
static inline uint32_t table_position_at(const struct table *t, size_t i)
{
    return slot_position(&table_buckets(t)[i / BUCKET_SLOTS], (unsigned)(i % BUCKET_SLOTS));
}

/* Calls `each` for every pointer whose position is in the range that begins at `from` and covers
 * about `count` slots; returns the end of the range (where the table's own ends: that was all).
 * `each` may remove or replace the pointer it is given, nothing else. */
uint32_t table_walk(struct table *t, uint32_t from, size_t count,
                    void (*each)(void *ctx, void *pointer), void *ctx);

/* A uniformly random pointer that `suits` accepts, NULL when there is none. */
void *table_random(const struct table *t, uint64_t random,
                   bool (*suits)(const void *ctx, const void *pointer), const void *ctx);

static inline size_t table_memory(const struct table *t)
{
    return (size_t)table_len(t) * sizeof(struct bucket);
}

/* Brings the bucket closer. Needs no lock: what is read may be stale, but is never followed. */
static inline void table_prefetch(const struct table *t, uint32_t position)
{
    const struct bucket *b = table_buckets(t);
    __builtin_prefetch(
        (const void *)((uintptr_t)b +
                       (uintptr_t)table_home(t, table_len(t), position) * sizeof(*b)));
}

#endif
