/* What happens in memory once a batch is committed. Thread: cutter, a bounded number of entries
 * under each lock.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

enum { PREFETCH_AHEAD = 16 };

bool writeback_rewrite(struct writeback *wb, struct shard *sh, struct entry *e)
{
    uint32_t producer = wb->producers_len - 1;
    e->flags |= ENTRY_REPLACE;
    if ((e->flags & ENTRY_DIRTY) != 0)
        return true;
    if (!shard_try_reserve_dirty(sh, 1))
        return false;
    struct journal_stamp stamp = journal_stamp(wb->journal);
    writeback_changed(wb, producer, sh, e, stamp.cut, 0);
    journal_append(wb->journal, producer, stamp, clock_wall(), 0, JOURNAL_NOOP, NULL, 0);
    return true;
}

/* Of theirs, a set of changes leaves what it does not name: the next cut writes all of ours. */
static bool must_rewrite(const struct backend_item *item, enum batch_outcome outcome)
{
    return outcome == BATCH_APPLIED_OVER && item->type > VALUE_STRING && !item->replace;
}

static void settle(struct writeback *wb, const struct backend_item *item,
                   enum batch_outcome outcome, uint64_t hash)
{
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(wb->store, sh, hash, item->db, item->key);
    if (e == NULL || (e->flags & ENTRY_IN_FLIGHT) == 0) {
        lock_release(&sh->lock); /* its whole database was flushed away meanwhile */
        return;
    }
    if (outcome == BATCH_DEAD) {   /* stays in flight: never evicted, so it stays readable */
        e->flags |= ENTRY_REPLACE; /* the backend lacks changes that will not be captured again */
        lock_release(&sh->lock);
        return;
    }
    e->flags &= (uint8_t)~ENTRY_IN_FLIGHT;
    bool behind = must_rewrite(item, outcome) && !writeback_rewrite(wb, sh, e);
    if ((e->flags & ENTRY_DIRTY) == 0) {
        if (outcome == BATCH_KEPT_THEIRS || behind) {
            sh->evicted = true;
            wb->on_dropped(wb->ctx, sh, item->db, item->key);
            if (e->type != VALUE_NONE)
                store_note_cold(wb->store, item->db, 1);
            entry_remove(wb->store, sh, e, hash);
            stat_add(STAT_invalidations, 1);
        } else if (e->type == VALUE_NONE && (e->flags & ENTRY_LOADING) == 0) {
            /* The backend does not have the key either. Where a miss would load, that is worth
             * remembering. */
            if (writeback_is_complete(wb, sh, item->db))
                entry_remove(wb->store, sh, e, hash);
        }
    } else if (outcome == BATCH_KEPT_THEIRS) {
        e->flags |= ENTRY_REPLACE; /* changes of ours mean nothing to theirs */
    }
    lock_release(&sh->lock);
}

void cleanup_batch(struct writeback *wb, const struct batch *b)
{
    uint64_t hashes[PREFETCH_AHEAD];
    bool letters = ledger_count(wb->dead) > 0;
    for (uint32_t i = 0; i < b->items_len; i += PREFETCH_AHEAD) {
        uint32_t n = (uint32_t)min_u64(PREFETCH_AHEAD, b->items_len - i);
        for (uint32_t k = 0; k < n; k++) {
            hashes[k] = store_hash(wb->store, b->items[i + k].db, b->items[i + k].key);
            store_prefetch_bucket(wb->store, hashes[k]);
        }
        for (uint32_t k = 0; k < n; k++)
            store_prefetch_entry(wb->store, hashes[k]);
        for (uint32_t k = 0; k < n; k++) {
            enum batch_outcome outcome = (enum batch_outcome)b->outcomes[i + k];
            settle(wb, &b->items[i + k], outcome, hashes[k]);
            if (letters)
                dead_letter_superseded(wb, &b->items[i + k], outcome == BATCH_DEAD);
        }
    }
}

enum rc writeback_invalidate(struct writeback *wb, uint32_t store_db, struct slice key)
{
    uint64_t hash = store_hash(wb->store, store_db, key);
    struct shard *sh = store_shard(wb->store, hash);
    enum rc rc = RC_OK;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(wb->store, sh, hash, store_db, key);
    unsigned held = e != NULL ? e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT | ENTRY_LOADING) : 0;
    atomic_store_explicit(&wb->map.touched[store_db], true, memory_order_relaxed);
    if (held == 0) {
        sh->evicted = true;
        wb->on_dropped(wb->ctx, sh, store_db, key);
        if (e != NULL) {
            if (e->type != VALUE_NONE)
                store_note_cold(wb->store, store_db, 1);
            entry_remove(wb->store, sh, e, hash);
            stat_add(STAT_invalidations, 1);
        }
        rc = RC_NOT_FOUND;
    } else if (held == ENTRY_IN_FLIGHT && !lane_is_failing(wb)) {
        rc = RC_AGAIN; /* before our commit it is a conflict, behind it news: soon it is clear which
                        */
    }
    lock_release(&sh->lock);
    return rc;
}
