/* Counters without contention: each thread adds to a block of its own, a reader sums the blocks.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include "base/base.h"

#include <stdatomic.h>

enum stat_id {
#define STAT(name, help) STAT_##name,
#include "base/stats.def"
#undef STAT
    STAT_COUNT
};

enum { STATS_THREADS_MAX = 256 };

struct stats_block {
    _Atomic uint64_t value[STAT_COUNT];
} __attribute__((aligned(CACHE_LINE)));

/* The calling thread's block, claimed at its first use; blocks of ended threads keep their counts.
 */
struct stats_block *stats_mine(void);

/* Thread: any; the block has one writer, so this is a plain add that readers may watch. */
static inline void stat_add(enum stat_id id, uint64_t n)
{
    _Atomic uint64_t *v = &stats_mine()->value[id];
    atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Sum over all threads since start or the last stats_reset(). */
uint64_t stat_get(enum stat_id id);
const char *stat_name(enum stat_id id);
const char *stat_help(enum stat_id id);
void stats_reset(void);

#endif
