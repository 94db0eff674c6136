/* See stats.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/stats.h"

static struct stats_block blocks[STATS_THREADS_MAX];
static atomic_uint blocks_used;
static _Atomic uint64_t baseline[STAT_COUNT]; /* what CONFIG RESETSTAT subtracts */
static _Thread_local struct stats_block *mine;

struct stats_block *stats_mine(void)
{
    if (UNLIKELY(mine == NULL)) {
        unsigned index = atomic_fetch_add(&blocks_used, 1);
        must(index < STATS_THREADS_MAX);
        mine = &blocks[index];
    }
    return mine;
}

static uint64_t sum(enum stat_id id)
{
    unsigned used = atomic_load(&blocks_used);
    uint64_t total = 0;
    for (unsigned i = 0; i < used; i++)
        total += atomic_load_explicit(&blocks[i].value[id], memory_order_relaxed);
    return total;
}

uint64_t stat_get(enum stat_id id)
{
    return sum(id) - atomic_load_explicit(&baseline[id], memory_order_relaxed);
}

void stats_reset(void)
{
    for (int id = 0; id < STAT_COUNT; id++)
        atomic_store_explicit(&baseline[id], sum((enum stat_id)id), memory_order_relaxed);
}

static const struct {
    const char *name, *help;
} rows[] = {
#define STAT(name, help) {#name, help},
#include "base/stats.def"
#undef STAT
};

const char *stat_name(enum stat_id id)
{
    return rows[id].name;
}

const char *stat_help(enum stat_id id)
{
    return rows[id].help;
}
