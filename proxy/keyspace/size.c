/* How many keys a store database has, whether in memory or not, as of one moment.
 *
 * The backend knows how many it holds (ops->count). What memory knows better is only what has not
 * been flushed: entries that are dirty, or in a batch that is not committed. So the answer is
 *
 *   keys of the backend  -  unflushed keys that it has too  +  unflushed keys that live
 *
 * Memory is read before the backend. A change that is flushed between the two is in both, and
 * taken off; one that begins after its shard was read counts as coming later.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include <stdlib.h>

enum {
    LOOK_ENTRIES = 2000,            /* under one hold of a shard's lock */
    UNFLUSHED_KEYS_MAX = 1000000,   /* above that each is not looked up */
    UNFLUSHED_BYTES_MAX = 64 << 20, /* the same, of their names */
};

struct gathering {
    uint32_t store_db;
    struct wall now;
    struct buf bytes, lens; /* of the keys; u32 each */
    uint32_t len;
    uint64_t live, live_expires;
    bool full;
};

static void gather_entry(void *ctx, struct entry *e)
{
    struct gathering *g = ctx;
    uint32_t len = e->key_len;
    if (e->db != g->store_db || (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) == 0 ||
        (e->flags & ENTRY_LOADING) != 0)
        return;
    if (g->full || g->len == UNFLUSHED_KEYS_MAX || g->bytes.len + len > UNFLUSHED_BYTES_MAX ||
        !buf_try_reserve(&g->bytes, len) || !buf_try_reserve(&g->lens, sizeof(len))) {
        g->full = true;
        return;
    }
    buf_append_slice(&g->bytes, entry_key(e));
    buf_append(&g->lens, &len, sizeof(len));
    g->len++;
    if (e->type == VALUE_NONE || entry_expired(e, g->now))
        return;
    g->live++;
    g->live_expires += (e->flags & ENTRY_EXPIRES) != 0;
}

static void size_gather(struct keyspace *ks, struct gathering *g)
{
    for (uint32_t i = 0; i < ks->store.shards_len && !g->full; i++) {
        struct shard *sh = &ks->store.shards[i];
        uint32_t cursor = 0;
        do {
            lock_acquire(&sh->lock);
            shard_scan(sh, &cursor, LOOK_ENTRIES, gather_entry, g);
            lock_release(&sh->lock);
        } while (cursor != 0 && !g->full);
    }
}

static int order_of_bytes(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* The keys that were gathered, in order, so that the backend walks its tree once. NULL: no memory.
 */
static struct slice *gathered_keys(const struct gathering *g)
{
    struct slice *keys = malloc(((size_t)g->len + 1) * sizeof(*keys));
    size_t at = 0;
    for (uint32_t i = 0; keys != NULL && i < g->len; i++) {
        uint32_t len;
        memcpy(&len, g->lens.data + i * sizeof(len), sizeof(len));
        keys[i] = slice_of(g->bytes.data + at, len);
        at += len;
    }
    if (keys != NULL && g->len > 1)
        qsort(keys, g->len, sizeof(*keys), order_of_bytes);
    return keys;
}

static uint64_t combined(uint64_t stored, uint64_t found, uint64_t live)
{
    return (stored > found ? stored - found : 0) + live;
}

enum rc keyspace_measure(struct keyspace *ks, uint32_t store_db, struct database_size *out,
                         struct err *err)
{
    struct gathering g = {.store_db = store_db, .now = clock_wall()};
    struct backend_count count = {.db = store_db};
    struct slice *keys = NULL;
    enum rc rc = RC_OK;
    if (!writeback_is_settled(ks->wb)) {
        size_gather(ks, &g);
        keys = g.full ? NULL : gathered_keys(&g);
        if (keys == NULL)
            rc = err_set(err, RC_FULL, "too much is waiting to be flushed");
    }
    count.named = keys;
    count.named_len = g.len;
    if (rc == RC_OK)
        rc = ks->ops->count(ks->backend, &count, err);
    out->keys = combined(count.keys, count.found, g.live);
    out->expires = combined(count.expires, count.found_expires, g.live_expires);
    free(keys);
    buf_fini(&g.bytes);
    buf_fini(&g.lens);
    return rc;
}
