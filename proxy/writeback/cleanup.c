/* What happens in memory once a batch is committed. Thread: cutter, a bounded number of entries
 * under each lock.
 *
 *   outcome       the entry was not changed since          it was
 *   applied       clean; a tombstone goes                  stays dirty
 *   merged        dropped: the backend has more of it      dropped once it is clean (`apart`)
 *   applied over  clean, or all of it is written again     stays dirty
 *   kept theirs   dropped, forgotten                       loses too, and is recorded
 *   dead          stays in flight, `apart`: a dead letter  stays dirty, all of it
 *
 * An entry whose bit `apart` is set is a dead letter while it is in flight and not dirty; while it
 * is dirty, others changed parts of the key that its changes do not touch.
 *
 * What the journal has of a change that lost must not come back with it: see forget.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"

enum { PREFETCH_AHEAD = 16, SUSPECT_SLOTS = 256 };

/* The next capture is to be one of everything. */
static void replace_all(struct writeback *wb, struct entry *e)
{
    int64_t before = writeback_weight(e);
    e->flags |= ENTRY_REPLACE;
    if ((e->flags & ENTRY_DIRTY) != 0)
        writeback_reweighed(wb, wb->front.producers_len - 1, e, before);
}

bool writeback_rewrite(struct writeback *wb, struct shard *sh, struct entry *e)
{
    uint32_t producer = wb->front.producers_len - 1;
    replace_all(wb, e);
    if ((e->flags & ENTRY_DIRTY) != 0)
        return true;
    if (!shard_try_reserve_dirty(sh, 1))
        return false;
    struct journal_stamp stamp = journal_stamp(wb->journal);
    writeback_changed(wb, producer, sh, e, stamp.cut, 0);
    journal_append(wb->journal, producer, stamp, clock_wall(), 0, JOURNAL_NOOP, NULL, 0);
    return true;
}

/* A delta applied over a foreign value leaves its other elements in place, so the next cut rewrites
 * the whole value. */
static bool must_rewrite(const struct backend_item *item, enum batch_outcome outcome)
{
    return outcome == BATCH_APPLIED_OVER && item->type > VALUE_STRING && !item->replace;
}

/* --- Settling --- */

/* False: out of memory for what lost, nothing is settled. */
static bool cleanup_settle(struct writeback *wb, const struct backend_item *item,
                           enum batch_outcome outcome, uint64_t hash, struct lost *lost)
{
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, item->db, item->key);
    if (e == NULL || (e->flags & ENTRY_IN_FLIGHT) == 0) {
        lock_release(&sh->lock); /* its whole database was flushed away meanwhile */
        return true;
    }
    if (outcome == BATCH_DEAD) { /* stays in flight: never evicted, so it stays readable */
        replace_all(wb, e);      /* the backend lacks changes that will not be captured again */
        e->apart = 1;
        lock_release(&sh->lock);
        return true;
    }
    if (outcome == BATCH_KEPT_THEIRS) {
        bool forgotten = forget_key(wb, sh, e, hash, lost);
        if (forgotten)
            wb->on_dropped(wb->ctx, sh, item->db, item->key);
        lock_release(&sh->lock);
        return forgotten;
    }
    e->flags &= (uint8_t)~ENTRY_IN_FLIGHT;
    bool behind = must_rewrite(item, outcome) && !writeback_rewrite(wb, sh, e);
    bool apart = outcome == BATCH_MERGED || (outcome == BATCH_APPLIED && item->apart);
    if ((e->flags & ENTRY_DIRTY) == 0) {
        if (behind || apart) {
            wb->on_dropped(wb->ctx, sh, item->db, item->key);
            writeback_take_out(wb, sh, e, hash);
        } else if (e->type == VALUE_NONE && (e->flags & ENTRY_LOADING) == 0) {
            /* The backend does not have the key either. Where a miss would load, that is worth
             * remembering. */
            if (writeback_is_complete(wb, sh, item->db))
                entry_remove(sh, e, hash);
        }
    } else if (apart) {
        e->apart = 1;
    }
    lock_release(&sh->lock);
    return true;
}

/* A part of a value as what it is for its entry: the last one replaces it if the first one did.
 * *replaces: what came before was a part of a value that is replaced. */
static const struct backend_item *as_part(const struct backend_item *item, bool *replaces,
                                          struct backend_item *part)
{
    *part = *item;
    part->replace |= *replaces;
    *replaces = part->goes_on && part->replace;
    return part;
}

/* What comes in parts is settled with the last one, which has the outcome of all. *replaces: see
 * as_part(). */
static void settle_piece(struct writeback *wb, const struct piece *p, struct lost *lost,
                         bool *replaces)
{
    struct backend_item part;
    uint64_t hashes[PREFETCH_AHEAD];
    for (uint32_t i = 0; i < p->len; i += PREFETCH_AHEAD) {
        uint32_t n = (uint32_t)min_u64(PREFETCH_AHEAD, p->len - i);
        for (uint32_t k = 0; k < n; k++) {
            hashes[k] = store_hash(wb->store, p->items[i + k].db, p->items[i + k].key);
            store_prefetch_bucket(wb->store, hashes[k]);
        }
        for (uint32_t k = 0; k < n; k++)
            store_prefetch_entry(wb->store, hashes[k]);
        for (uint32_t k = 0; k < n; k++) {
            enum batch_outcome outcome = (enum batch_outcome)p->outcomes[i + k];
            const struct backend_item *item = &p->items[i + k];
            if (UNLIKELY(item->goes_on || *replaces))
                item = as_part(item, replaces, &part);
            while (!item->goes_on && !cleanup_settle(wb, item, outcome, hashes[k], lost) &&
                   writeback_wait_for_memory(wb)) {
            }
        }
        pressure_tick(wb);
    }
    atomic_fetch_sub_explicit(&wb->in_flight_bytes, p->weight, memory_order_relaxed);
}

void cleanup_batch(struct writeback *wb, const struct batch *b)
{
    struct lost lost = {0};
    struct err err;
    bool replaces = false;
    for (struct piece *p = b->first; p != NULL; p = p->next) {
        enum rc rc;
        do
            rc = spool_get(&wb->lane.spool, p, &err);
        while (rc == RC_NOMEM && writeback_wait_for_memory(wb));
        if (rc == RC_OK)
            settle_piece(wb, p, &lost, &replaces);
        else /* its entries stay in memory, and are settled when they are changed again */
            log_err(LOG_WARNING, "a batch is committed, but cannot be cleaned up behind", &err);
        piece_drop_items(p);
    }
    spool_clear(&wb->lane.spool);
    losses_add(wb, b->cut_lsn, lost.lsn, 0, lost.len);
    while (!lost_record(wb, &lost)) {
        if (!writeback_wait_for_memory(wb)) { /* the journal has it all, and the next start */
            piece_free(&lost.items);
            return;
        }
    }
}

enum rc writeback_invalidate(struct writeback *wb, uint32_t store_db, struct slice key)
{
    uint64_t hash = store_hash(wb->store, store_db, key);
    struct shard *sh = store_shard(wb->store, hash);
    enum rc rc = RC_OK;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, store_db, key);
    unsigned held = e != NULL ? e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT | ENTRY_LOADING) : 0;
    if (e != NULL && entry_is_head(e))
        held = 0; /* nothing is under way that would read theirs */
    atomic_store_explicit(&wb->front.map.touched[store_db], true, memory_order_relaxed);
    if (held == 0) {
        shard_note_dropped(sh, store_db);
        wb->on_dropped(wb->ctx, sh, store_db, key);
        if (e != NULL)
            writeback_take_out(wb, sh, e, hash);
        rc = RC_NOT_FOUND;
    } else if (dead_letter_is(e)) {
        rc = RC_BUSY;
    } else if (held == ENTRY_IN_FLIGHT && !lane_is_failing(wb)) {
        rc = RC_AGAIN; /* before our commit it is a conflict, after it news: soon it is clear which
                        */
    }
    lock_release(&sh->lock);
    /* What was written before somebody's change was noticed is to meet it now, not when its time
     * has come: who writes the key from then on could have seen the change, and is not to lose. */
    if (rc == RC_OK && (held & ENTRY_DIRTY) != 0)
        writeback_cut_soon(wb);
    return rc;
}

/* Whatever is clean goes, as if it had been named. */
static bool is_suspect(void *ctx, const struct entry *e)
{
    struct writeback *wb = ctx;
    if ((e->flags & ENTRY_LOADING) != 0 && !entry_is_head(e))
        return false; /* what is being read is theirs already, or is read again */
    if (e->type != VALUE_NONE)
        store_note_cold(wb->store, e->db, 1);
    stat_add(STAT_invalidations, 1);
    return true;
}

void writeback_suspect_all(struct writeback *wb)
{
    for (size_t db = 0; db < COUNT_OF(wb->front.map.touched); db++)
        atomic_store_explicit(&wb->front.map.touched[db], true, memory_order_relaxed);
    for (uint32_t i = 0; i < wb->store->shards_len; i++) {
        struct shard *sh = &wb->store->shards[i];
        uint32_t position = 0;
        do {
            lock_acquire(&sh->lock);
            sh->incomplete = UINT64_MAX;
            shard_sweep(sh, &position, SUSPECT_SLOTS, is_suspect, wb);
            wb->on_suspected(wb->ctx, sh);
            lock_release(&sh->lock);
        } while (position != 0);
    }
    store_free_later_run();
}
