/* Losing with what it rests on: changes that were made on top of one that lost a conflict.
 *
 * They were journalled before anybody knew, and must not come back with the journal. So whenever a
 * batch keeps theirs, the journal is told to forget the key (FORGET), in the order of the key's
 * other effects: what comes later was made by somebody who saw theirs.
 *
 * The batch is committed before that is journalled, and a crash may come between the two. The
 * records name the keys that kept theirs in the newest cut. Of those that the journal does not tell
 * to forget, everything that it has above the cut is void, and the start says so to the journal.
 *
 *   [kept in the records] ──> [the backend commits] ──> [FORGET in the journal] ──> later changes
 *     crash: never was          crash: the start forgets    crash: replay forgets
 *
 * What is lost so and cannot be recorded now waits in memory, and no cut is made until it is: below
 * the next cut the journal would not tell of it any more, and a start could not make the record
 * again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "store/alloc.h"

#include <stdlib.h>

/* FORGET: what was journalled of the key before is void. */
static void forget_effect(struct writeback *wb, struct shard *sh, uint32_t db, struct slice key)
    REQUIRES(sh->lock)
{
    int number = dbmap_number(&wb->front.map, db);
    struct buf effect = {0};
    buf_append_array_header(&effect, 2);
    buf_append_bulk(&effect, SLICE(WRITEBACK_FORGET));
    buf_append_bulk(&effect, key);
    struct slice payload = buf_slice(&effect);
    struct journal_stamp stamp = journal_stamp(wb->journal);
    sh->last_lsn = stamp.lsn;
    journal_append(wb->journal, wb->front.producers_len - 1, stamp, clock_wall(), db,
                   number < 0 ? JOURNAL_NOOP : 0, &payload, number < 0 ? 0 : 1);
    buf_fini(&effect);
}

void writeback_take_out(struct writeback *wb, struct shard *sh, struct entry *e, uint64_t hash)
{
    if ((e->flags & ENTRY_DIRTY) != 0)
        writeback_unmark(wb, wb->front.producers_len - 1, sh, e);
    e->flags &= (uint8_t)~ENTRY_IN_FLIGHT;
    shard_note_dropped(sh, e->db);
    if (e->type != VALUE_NONE)
        store_note_cold(wb->store, e->db, 1);
    entry_remove(sh, e, hash);
    stat_add(STAT_invalidations, 1);
}

/* --- Newer changes, which rest on what lost --- */

/* False: out of memory. */
static bool lost_keep(struct lost *lost, struct entry *e)
{
    if (lost->items == NULL)
        lost->items = piece_try_new();
    if (lost->items == NULL || !piece_capture(lost->items, e))
        return false;
    lost->len++;
    return true;
}

static enum rc try_record(struct writeback *wb, struct lost *lost)
{
    struct err err = {0};
    enum rc rc = record_lost_changes(wb, lost, &err);
    lane_note_records(wb, rc, &err);
    if (rc == RC_OK)
        piece_free(&lost->items);
    return rc;
}

bool lost_record(struct writeback *wb, struct lost *lost)
{
    if (lost->items == NULL)
        return true;
    struct lost *waits = alloc_try(sizeof(*waits)); /* for one that cannot be recorded now */
    if (waits == NULL || (lost->items->items == NULL && !piece_try_seal(lost->items, NULL))) {
        free(waits);
        return false;
    }
    if (wb->unrecorded == NULL && try_record(wb, lost) == RC_OK) {
        free(waits);
        return true;
    }
    *waits = *lost;
    waits->next = NULL;
    struct lost **last = &wb->unrecorded;
    while (*last != NULL)
        last = &(*last)->next;
    *last = waits;
    lost->items = NULL;
    return true;
}

bool lost_record_rest(struct writeback *wb)
{
    while (wb->unrecorded != NULL) {
        struct lost *first = wb->unrecorded;
        if (try_record(wb, first) != RC_OK)
            return false;
        wb->unrecorded = first->next;
        free(first);
    }
    return true;
}

void lost_fini(struct writeback *wb)
{
    while (wb->unrecorded != NULL) {
        struct lost *first = wb->unrecorded;
        wb->unrecorded = first->next;
        piece_free(&first->items);
        free(first);
    }
}

/* Before it is dropped: what is dirty of it is kept. False: out of memory, and it stays. */
static bool keep_dirty(struct writeback *wb, struct entry *e, struct lost *lost)
{
    if ((e->flags & ENTRY_DIRTY) == 0)
        return true;
    int64_t before = writeback_weight(e);
    bool kept = lost_keep(lost, e);
    writeback_reweighed(wb, wb->front.producers_len - 1, e, before);
    return kept;
}

static bool forget_drop(struct writeback *wb, struct shard *sh, struct entry *e, uint64_t hash,
                        struct lost *lost) REQUIRES(sh->lock)
{
    if (!keep_dirty(wb, e, lost))
        return false;
    writeback_take_out(wb, sh, e, hash);
    return true;
}

bool forget_key(struct writeback *wb, struct shard *sh, struct entry *e, uint64_t hash,
                struct lost *lost)
{
    if (!keep_dirty(wb, e, lost))
        return false;
    forget_effect(wb, sh, e->db, entry_key(e));
    lost->lsn = sh->last_lsn;
    writeback_take_out(wb, sh, e, hash);
    return true;
}

/* --- Replay --- */

static int hash_order(const void *a, const void *b)
{
    uint64_t x = ((const struct kept_key *)a)->hash, y = ((const struct kept_key *)b)->hash;
    return x < y ? -1 : x > y;
}

static enum rc note_kept(void *ctx, uint32_t db, struct slice key, struct err *err)
{
    struct writeback *wb = ctx;
    struct kept *kept = &wb->kept;
    if (kept->len == kept->capacity) {
        uint32_t capacity = kept->capacity == 0 ? 64 : kept->capacity * 2;
        struct kept_key *keys = realloc(kept->keys, capacity * sizeof(*keys));
        if (keys == NULL)
            return err_set(err, RC_NOMEM, "out of memory for the keys that lost a conflict");
        kept->keys = keys;
        kept->capacity = capacity;
    }
    kept->keys[kept->len++] = (struct kept_key){.hash = store_hash(wb->store, db, key)};
    return RC_OK;
}

enum rc forget_begin_replay(struct writeback *wb, struct err *err)
{
    struct kept_reader reader = {note_kept, wb};
    enum rc rc = records_each_kept(wb->records, &reader, err);
    if (wb->kept.len > 0)
        qsort(wb->kept.keys, wb->kept.len, sizeof(*wb->kept.keys), hash_order);
    return rc;
}

static struct kept_key *find_kept(struct writeback *wb, uint64_t hash)
{
    struct kept_key wanted = {.hash = hash};
    if (wb->kept.len == 0)
        return NULL;
    return bsearch(&wanted, wb->kept.keys, wb->kept.len, sizeof(wanted), hash_order);
}

/* A record of it that was made before a crash is of a cut that never was, and is gone: this makes
 * it again. */
bool forget_replay(struct writeback *wb, uint32_t store_db, struct slice key,
                   const struct lost *why)
{
    struct lost lost = {.lsn = why->lsn, .reason = why->reason};
    uint64_t hash = store_hash(wb->store, store_db, key);
    struct shard *sh = store_shard(wb->store, hash);
    struct kept_key *kept = find_kept(wb, hash);
    if (kept != NULL)
        kept->told = true;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, store_db, key);
    bool done = e == NULL || forget_drop(wb, sh, e, hash, &lost);
    lock_release(&sh->lock);
    done = done && lost_record(wb, &lost);
    piece_free(&lost.items);
    return done;
}

struct untold {
    struct writeback *wb;
    struct lost lost;
};

static enum rc forget_untold(void *ctx, uint32_t db, struct slice key, struct err *err)
{
    struct untold *u = ctx;
    struct writeback *wb = u->wb;
    uint64_t hash = store_hash(wb->store, db, key);
    struct shard *sh = store_shard(wb->store, hash);
    if (find_kept(wb, hash)->told)
        return RC_OK;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, db, key);
    if (e != NULL && !forget_drop(wb, sh, e, hash, &u->lost)) {
        lock_release(&sh->lock);
        return err_set(err, RC_NOMEM, "out of memory for the changes that lost a conflict");
    }
    forget_effect(wb, sh, db, key);
    u->lost.lsn = sh->last_lsn;
    lock_release(&sh->lock);
    return RC_OK;
}

enum rc forget_end_replay(struct writeback *wb, struct err *err)
{
    struct untold u = {.wb = wb};
    struct kept_reader reader = {forget_untold, &u};
    enum rc rc = wb->kept.len > 0 ? records_each_kept(wb->records, &reader, err) : RC_OK;
    if (rc == RC_OK && !lost_record(wb, &u.lost))
        rc = err_set(err, RC_NOMEM, "out of memory for the changes that lost a conflict");
    piece_free(&u.lost.items);
    free(wb->kept.keys);
    wb->kept = (struct kept){0};
    return rc;
}
