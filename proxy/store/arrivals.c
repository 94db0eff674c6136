/* See arrivals.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/arrivals.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    WORDS = 1 << (ARRIVALS_BITS_LOG2 - 6), /* of a filter */
    ERA_MASK = (1 << ARRIVALS_ERA_BITS) - 1,
    /* A new era costs an old one its filter, so none is begun for a few keys, nor too often. */
    ERA_NOTED_MIN = 64,
    ERA_US_MIN = 250000,
};

void arrivals_init(struct arrivals *a)
{
    *a = (struct arrivals){.era = 1};
    lock_init(&a->lock);
}

void arrivals_fini(struct arrivals *a)
{
    free((void *)(uintptr_t)atomic_load(&a->filters));
    lock_fini(&a->lock);
}

static void next_era(struct arrivals *a, _Atomic uint64_t *filters, int64_t now_us)
    REQUIRES(a->lock)
{
    uint32_t next = atomic_load(&a->era) + 1;
    _Atomic uint64_t *words = filters + (size_t)(next % ARRIVALS_ERAS) * WORDS;
    for (uint32_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
    atomic_store(&a->noted, 0);
    atomic_store(&a->era, next);
    a->began_us = now_us;
}

uint32_t arrivals_begin(struct arrivals *a)
{
    int64_t now_us = clock_mono().us;
    lock_acquire(&a->lock);
    _Atomic uint64_t *filters = atomic_load(&a->filters);
    if (filters == NULL) { /* none still: the answer is yes for every key */
        filters = calloc((size_t)ARRIVALS_ERAS * WORDS, sizeof(*filters));
        a->began_us = now_us;
        atomic_store(&a->filters, filters);
    } else if (atomic_load(&a->noted) >= ERA_NOTED_MIN && now_us - a->began_us >= ERA_US_MIN) {
        next_era(a, filters, now_us);
    }
    uint32_t era = atomic_load(&a->era);
    lock_release(&a->lock);
    return era & ERA_MASK;
}

bool arrivals_since(struct arrivals *a, uint32_t era, uint64_t hash)
{
    _Atomic uint64_t *filters = atomic_load(&a->filters);
    uint32_t now = atomic_load(&a->era), age = (now - era) & ERA_MASK;
    uint64_t bit;
    if (filters == NULL || age >= ARRIVALS_ERAS)
        return true;
    for (uint32_t i = 0; i <= age; i++) {
        _Atomic uint64_t *word = arrivals_word(filters, now - i, hash, &bit);
        if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0)
            return true;
    }
    /* The oldest of them may have been given to a later era meanwhile. */
    return ((atomic_load(&a->era) - era) & ERA_MASK) >= ARRIVALS_ERAS;
}
