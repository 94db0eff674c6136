/* See table.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/table.h"

#include "store/alloc.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct bucket) == CACHE_LINE, "a bucket is one cache line");

/* The next larger number of buckets that fills an allocation: 1 2 3 4 5 6 7 8 10 12 14 16 20 ... */
static uint32_t len_above(uint32_t len)
{
    return (uint32_t)(alloc_size_class(((size_t)len + 1) * sizeof(struct bucket)) /
                      sizeof(struct bucket));
}

/* Returns how many buckets it had to pass. */
static uint32_t table_put(const struct table *t, struct bucket *buckets, uint32_t len,
                          uint32_t position, const void *pointer)
{
    uint32_t passes = 0;
    for (uint32_t at = table_home(t, len, position);; at = at + 1 == len ? 0 : at + 1, passes++) {
        struct bucket *b = &buckets[at];
        for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
            if (b->slot[i] == 0) {
                b->slot[i] = slot_bits(position) | (uint64_t)(uintptr_t)pointer;
                b->tag[i] = (uint8_t)position;
                return passes;
            }
        }
        if (b->passed < BUCKET_PASSED_MAX)
            b->passed++;
    }
}

/* False: no memory, or what is smaller would be crowded; unchanged. */
static bool try_resize(struct table *t, uint32_t len)
{
    if (len >= TABLE_POSITIONS / 2)
        return false;
    struct bucket *to = alloc_try_aligned((size_t)len * sizeof(*to));
    if (to == NULL)
        return false;
    memset(to, 0, (size_t)len * sizeof(*to));
    struct bucket *from = table_buckets(t);
    uint32_t from_len = table_len(t);
    bool crowded = false;
    for (uint32_t at = 0; at < from_len && !(crowded && len < from_len); at++) {
        for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
            if (from[at].slot[i] != 0 &&
                table_put(t, to, len, slot_position(&from[at], i), slot_pointer(from[at].slot[i])) >
                    TABLE_PASSES_MAX)
                crowded = true;
        }
    }
    if (crowded && len < from_len) {
        free(to);
        return false;
    }
    atomic_store_explicit(&t->buckets, to, memory_order_relaxed);
    atomic_store_explicit(&t->buckets_len, len, memory_order_relaxed);
    t->crowded = crowded;
    free(from);
    return true;
}

/* It does not shrink back to where it was crowded as soon as one is removed. */
static void relieve(struct table *t)
{
    uint32_t len = table_len(t);
    t->crowded = false; /* once, whatever comes of it */
    if (t->used > (uint64_t)len * BUCKET_SLOTS / TABLE_SPARSE && try_resize(t, len_above(len)))
        t->shrink_below = t->used / 2;
}

bool table_try_reserve(struct table *t)
{
    uint32_t len = table_len(t);
    if (UNLIKELY(t->crowded))
        relieve(t);
    else if (LIKELY(t->used + 1 <= (uint64_t)len * BUCKET_FILL))
        return true;
    if (t->used + 1 <= (uint64_t)table_len(t) * BUCKET_FILL)
        return true;
    t->shrink_below = 0;
    return try_resize(t, len_above(table_len(t)));
}

bool table_try_size(struct table *t, uint32_t n)
{
    must(table_len(t) == 0);
    return try_resize(t, len_above(n / BUCKET_FILL));
}

void table_insert(struct table *t, uint32_t position, const void *pointer)
{
    slow_must(((uintptr_t)pointer & ~SLOT_POINTER_BITS) == 0);
    must(t->used < (uint64_t)table_len(t) * BUCKET_FILL);
    if (UNLIKELY(table_put(t, table_buckets(t), table_len(t), position, pointer) >
                 TABLE_PASSES_MAX))
        t->crowded = true;
    t->used++;
}

/* Below a third full: back to two thirds. Failing to is no harm; the next time is when half of it
 * has gone. */
static void shrink_if_sparse(struct table *t)
{
    uint32_t len = table_len(t);
    if (t->frozen != 0 || len <= 4 || t->used >= (uint64_t)len * BUCKET_SLOTS / 3 ||
        (t->shrink_below != 0 && t->used >= t->shrink_below))
        return;
    uint32_t enough = (uint32_t)((uint64_t)t->used * 3 / (BUCKET_SLOTS * 2)) + 1;
    size_t bytes = alloc_size_class((size_t)enough * sizeof(struct bucket));
    uint32_t smaller = (uint32_t)(bytes / sizeof(struct bucket));
    if (smaller < len)
        t->shrink_below = try_resize(t, smaller) ? 0 : t->used / 2;
}

void table_remove(struct table *t, uint32_t position, uint64_t *slot)
{
    struct bucket *buckets = table_buckets(t);
    uint32_t len = table_len(t);
    uint32_t place = (uint32_t)(((uintptr_t)slot - (uintptr_t)buckets) / sizeof(*buckets));
    for (uint32_t at = table_home(t, len, position); at != place; at = at + 1 == len ? 0 : at + 1) {
        if (buckets[at].passed < BUCKET_PASSED_MAX)
            buckets[at].passed--;
    }
    *slot = 0;
    t->used--;
    shrink_if_sparse(t);
}

uint64_t *table_slot_of(const struct table *t, uint32_t position, const void *pointer)
{
    struct table_probe probe;
    uint64_t *slot = table_first(t, position, &probe);
    while (slot != NULL && slot_pointer(*slot) != pointer)
        slot = table_next(&probe);
    must(slot != NULL);
    return slot;
}

void table_fini(struct table *t)
{
    free(table_buckets(t));
    atomic_store_explicit(&t->buckets, NULL, memory_order_relaxed);
    atomic_store_explicit(&t->buckets_len, 0, memory_order_relaxed);
    t->used = t->shrink_below = 0;
    t->crowded = false;
}

/* The first position from `base` on whose home is the bucket. */
static uint32_t first_position(const struct table *t, uint32_t base, uint32_t len, uint32_t bucket)
{
    uint32_t own = (uint32_t)((((uint64_t)bucket << TABLE_POSITION_BITS) + len - 1) / len);
    return base + (uint32_t)(((uint64_t)own + (1u << t->shift) - 1) >> t->shift);
}

uint32_t table_walk(struct table *t, uint32_t from, size_t count,
                    void (*each)(void *ctx, void *pointer), void *ctx)
{
    struct bucket *buckets = table_buckets(t);
    uint32_t len = table_len(t), range = TABLE_POSITIONS >> t->shift;
    if (from >= TABLE_POSITIONS)
        return TABLE_POSITIONS;
    uint32_t base = from / range * range;
    if (len == 0)
        return base + range;
    uint32_t first = table_home(t, len, from);
    size_t most = count / BUCKET_SLOTS + 1;
    uint32_t end = most >= len - first ? len : first + (uint32_t)most;
    uint32_t to = end == len ? base + range : first_position(t, base, len, end);

    t->frozen++;
    /* Elements of the range may lie after its last bucket, as long as something has passed. */
    for (uint32_t i = 0; i < len; i++) {
        uint32_t at = first + i < len ? first + i : first + i - len;
        if (first + i >= end && buckets[at == 0 ? len - 1 : at - 1].passed == 0)
            break;
        struct bucket *b = &buckets[at];
        for (unsigned k = 0; k < BUCKET_SLOTS; k++) {
            if (b->slot[k] == 0)
                continue;
            uint32_t position = slot_position(b, k);
            if (position >= from && position < to)
                each(ctx, slot_pointer(b->slot[k]));
        }
    }
    t->frozen--;
    shrink_if_sparse(t);
    return to;
}

void *table_random(const struct table *t, uint64_t random,
                   bool (*suits)(const void *ctx, const void *pointer), const void *ctx)
{
    enum { ROUNDS = 24, TRIES = 6 };
    size_t slots = table_slots(t);
    if (t->used == 0)
        return NULL;
    /* Rejection keeps it uniform. The first try mostly does it; then several are prepared at
     * once, so that their cache misses overlap. Where nearly nothing suits, the next one that does
     * has to do. */
    for (int round = 0; round < ROUNDS; round++) {
        size_t at[TRIES];
        void *found[TRIES];
        int tries = round == 0 ? 1 : TRIES;
        for (int i = 0; i < tries; i++) {
            at[i] = (size_t)(((unsigned __int128)random * slots) >> 64);
            random = random * 6364136223846793005u + 1442695040888963407u;
            __builtin_prefetch(&table_buckets(t)[at[i] / BUCKET_SLOTS]);
        }
        for (int i = 0; i < tries; i++) {
            found[i] = table_at(t, at[i]);
            __builtin_prefetch(found[i]);
        }
        for (int i = 0; i < tries; i++) {
            if (found[i] != NULL && suits(ctx, found[i]))
                return found[i];
        }
    }
    size_t start = (size_t)(((unsigned __int128)random * slots) >> 64);
    for (size_t i = 0; i < slots; i++) {
        void *p = table_at(t, (start + i) % slots);
        if (p != NULL && suits(ctx, p))
            return p;
    }
    return NULL;
}
