/* Capturing a cut: what every entry that was dirty at the cut is then, each exactly once.
 *
 * A writer that reaches an owed entry captures it before it changes it; the cutter captures all
 * others, piece by piece, as fast as the lane takes pieces, and hands over what writers captured
 * meanwhile. A cut of one piece is captured as the dirty lists come, a larger one in the order of
 * the backend (select.h).
 *
 * The lists are walked down from their ends, a few entries under each hold of a shard's lock: what
 * a writer adds meanwhile lies after the place of the walk and belongs to the next cut, and what a
 * writer's capture moves forward does too.
 *
 * An aggregate with very many changes is captured in parts, each a piece of its own, with the lock
 * released between them. Until the last one it is owed, and nobody may change it: who wants to asks
 * for it (writeback_wants) and waits, a moment, since from then on the parts do not wait for the
 * lane.
 *
 * Without memory nothing is lost and nothing is torn: what cannot be captured stays dirty and owed,
 * the cut stays open, and the rest of it is captured once there is memory. A writer that would have
 * to capture waits before it begins (keyspace/owed.c), and so do all writers: see pressure.c.
 *
 * Thread: cutter.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "config/options.h"

enum {
    UNDER_ONE_HOLD = 64,
    PIECE_SHARE = 4 /* of write-batch-keys, and of what a batch takes of memory: a piece */
};

static uint32_t piece_keys(void)
{
    return (uint32_t)(option_num(OPT_write_batch_keys) / PIECE_SHARE) + 1;
}

static uint64_t piece_bytes(void)
{
    return batch_memory() / PIECE_SHARE + 1;
}

static uint64_t part_bytes(void)
{
    return min_u64(PIECE_PART_BYTES, piece_bytes());
}

static bool takes_parts(const struct entry *e)
{
    return UNLIKELY(e->type > VALUE_STRING) && piece_takes_parts(e, part_bytes());
}

/* Calls `each` for every entry of a shard that the cut is still owed, until it says false: there is
 * no memory. */
static bool each_owed(struct writeback *wb, struct shard *sh,
                      bool (*each)(struct writeback *wb, struct shard *sh, struct entry *e))
{
    uint16_t next_cut = wb->capturing.batch->next_cut;
    bool goes_on = true;
    lock_acquire(&sh->lock);
    uint32_t at = sh->dirty_len;
    while (at > 0 && goes_on) {
        for (int n = 0; n < UNDER_ONE_HOLD && at > 0 && goes_on; n++) {
            struct entry *e = sh->dirty[--at];
            if (writeback_must_capture(e, next_cut))
                goes_on = each(wb, sh, e);
        }
        lock_release(&sh->lock);
        lock_acquire(&sh->lock);
        if (at > sh->dirty_len)
            at = sh->dirty_len;
    }
    lock_release(&sh->lock);
    return goes_on;
}

/* --- The order --- */

static bool add_to_selection(struct writeback *wb, struct shard *sh, struct entry *e)
{
    (void)sh;
    uint64_t hash = store_hash(wb->store, e->db, entry_key(e));
    return selection_add(wb->capturing.selection, e->db, entry_key(e), hash);
}

static void sample_shard(struct writeback *wb, struct shard *sh, uint32_t stride, uint32_t *skip)
{
    lock_acquire(&sh->lock);
    uint32_t at = *skip;
    for (; at < sh->dirty_len; at += stride) {
        const struct entry *e = sh->dirty[at];
        selection_sample(wb->capturing.selection, e->db, entry_key(e));
    }
    *skip = at - sh->dirty_len;
    lock_release(&sh->lock);
}

/* Without memory for the order, the cut is captured without one. */
static void select_order(struct writeback *wb, uint64_t keys, uint32_t pieces)
{
    struct selection *s = wb->capturing.selection = selection_try_new(pieces);
    if (s == NULL)
        return;
    uint32_t stride = (uint32_t)(keys / ((uint64_t)pieces * SELECT_SAMPLES)) + 1, skip = 0;
    for (uint32_t i = 0; i < wb->store->shards_len; i++)
        sample_shard(wb, &wb->store->shards[i], stride, &skip);
    selection_divide(s);
    bool fits = true;
    for (uint32_t i = 0; i < wb->store->shards_len && fits; i++)
        fits = each_owed(wb, &wb->store->shards[i], add_to_selection);
    if (!fits)
        selection_free(&wb->capturing.selection);
}

/* --- A cut begins --- */

static uint32_t pieces_of(uint64_t keys, uint64_t bytes)
{
    uint64_t pieces = max_u64(keys / piece_keys(), bytes / piece_bytes()) + 1;
    return (uint32_t)min_u64(pieces, SELECT_BUCKETS_MAX);
}

void capture_begin(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
    struct batch *b = c->batch = batch_try_new(wb->front.producers_len);
    if (b == NULL) {
        writeback_starves(wb);
        return;
    }
    int64_t keys = writeback_dirty_keys(wb), bytes = writeback_dirty_bytes(wb);
    uint32_t pieces = pieces_of(keys > 0 ? (uint64_t)keys : 0, bytes > 0 ? (uint64_t)bytes : 0);
    b->cut_at = clock_mono();
    b->next_cut = (uint16_t)(journal_cut(wb->journal) + 1);
    atomic_store_explicit(&wb->current, b, memory_order_release);
    int64_t first_us = atomic_load(&wb->first_dirty_us);
    atomic_store(&wb->first_in_flight_us, first_us != 0 ? first_us : b->cut_at.us);
    atomic_store(&wb->first_dirty_us, 0);
    b->cut_lsn = journal_bump_cut(wb->journal);
    b->mark = writeback_mark(wb);
    atomic_store(&wb->last_cut_lsn, b->cut_lsn);
    pressure_cut_begins(wb, keys > 0 ? (uint64_t)keys : 0, bytes > 0 ? (uint64_t)bytes : 0);

    struct shard *first = &wb->store->shards[0];
    lock_acquire(&first->lock);
    writeback_capture_map(wb, b->next_cut);
    lock_release(&first->lock);
    lane_submit(wb, b);
    c->shard = c->at = c->hashes_len = 0;
    if (pieces > 1)
        select_order(wb, (uint64_t)keys, pieces);
}

/* --- Its pieces --- */

static bool has_piece(struct writeback *wb)
{
    uint32_t keys;
    uint64_t bytes;
    batch_part_size(wb->capturing.batch, wb->front.producers_len - 1, &keys, &bytes);
    return keys >= piece_keys() || bytes >= piece_bytes();
}

enum progress { SOME_CAPTURED, ALL_CAPTURED, MEETS_LARGE, NO_MEMORY };

/* False: no memory, or it is large. */
static bool capture_one(struct writeback *wb, struct shard *sh, struct entry *e)
{
    struct capturing *c = &wb->capturing;
    if (LIKELY(!takes_parts(e)))
        return writeback_capture(wb, wb->front.producers_len - 1, sh, e);
    atomic_store_explicit(&wb->large, e, memory_order_relaxed);
    c->large_hash = store_hash(wb->store, e->db, entry_key(e));
    c->part = (struct piece_part){.bytes = part_bytes()};
    return false;
}

static struct entry *large(const struct writeback *wb)
{
    return atomic_load_explicit(&wb->large, memory_order_relaxed);
}

static enum progress stopped(const struct writeback *wb)
{
    return large(wb) != NULL ? MEETS_LARGE : NO_MEMORY;
}

/* Unless a writer has captured it meanwhile. Entries of one hash that are owed are all captured, in
 * whatever order. */
static bool capture_hash(struct writeback *wb, uint64_t hash)
{
    bool captured = true;
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = shard_find_dirty(sh, hash, (wb->capturing.batch->next_cut & 1) != 0);
    if (e != NULL)
        captured = capture_one(wb, sh, e);
    lock_release(&sh->lock);
    return captured;
}

static bool fetch_selected(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
    c->at = 0;
    c->hashes_len = selection_take(c->selection, c->hashes, CAPTURE_AHEAD);
    for (uint32_t i = 0; i < c->hashes_len; i++)
        store_prefetch_bucket(wb->store, c->hashes[i]);
    for (uint32_t i = 0; i < c->hashes_len; i++)
        store_prefetch_entry(wb->store, c->hashes[i]);
    return c->hashes_len > 0;
}

/* Once memory has run out, the rest is found shard by shard. */
static enum progress capture_selected(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
    if (c->at == c->hashes_len && !fetch_selected(wb))
        return ALL_CAPTURED;
    bool captured = true;
    while (c->at < c->hashes_len && captured)
        captured = capture_hash(wb, c->hashes[c->at++]);
    pressure_tick(wb);
    if (captured)
        return SOME_CAPTURED;
    if (stopped(wb) == NO_MEMORY)
        selection_free(&c->selection);
    return stopped(wb);
}

static enum progress capture_next_shard(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
    if (c->shard == wb->store->shards_len)
        return ALL_CAPTURED;
    if (!each_owed(wb, &wb->store->shards[c->shard], capture_one))
        return stopped(wb);
    c->shard++;
    pressure_tick(wb);
    return SOME_CAPTURED;
}

/* --- In parts --- */

bool writeback_wants(struct writeback *wb, const struct entry *e)
{
    if (LIKELY(e != large(wb) && !takes_parts(e)))
        return false;
    uint64_t hash = store_hash(wb->store, e->db, entry_key(e));
    atomic_store_explicit(&wb->wanted_hash, hash, memory_order_relaxed);
    lock_acquire(&wb->lock);
    cond_signal(&wb->cond);
    lock_release(&wb->lock);
    return true;
}

static void seek_wanted(struct writeback *wb)
{
    uint64_t hash = atomic_load_explicit(&wb->wanted_hash, memory_order_relaxed);
    if (LIKELY(hash == 0) || large(wb) != NULL)
        return;
    if (capture_hash(wb, hash)) /* it is captured, or was */
        atomic_store_explicit(&wb->wanted_hash, 0, memory_order_relaxed);
}

/* The one under way, or one that comes after it. */
static bool capture_is_wanted(const struct writeback *wb)
{
    return UNLIKELY(large(wb) != NULL) &&
           atomic_load_explicit(&wb->wanted_hash, memory_order_relaxed) != 0;
}

/* Under one hold of the lock. */
static bool capture_fill_part(struct writeback *wb, struct piece *p)
{
    struct capturing *c = &wb->capturing;
    struct entry *e = large(wb);
    uint32_t producer = wb->front.producers_len - 1;
    struct shard *sh = store_shard(wb->store, c->large_hash);
    lock_acquire(&sh->lock);
    int64_t before = writeback_weight(e);
    bool captured = piece_capture_part(p, e, &c->part);
    writeback_reweighed(wb, producer, e, before);
    if (captured) {
        p->weight = (uint64_t)(before - (c->part.done ? 0 : writeback_weight(e)));
        atomic_fetch_add_explicit(&wb->in_flight_bytes, p->weight, memory_order_relaxed);
    }
    if (captured && c->part.done) {
        writeback_captured(wb, producer, sh, e);
        atomic_store_explicit(&wb->large, NULL, memory_order_relaxed);
    }
    lock_release(&sh->lock);
    return captured;
}

static enum progress capture_next_part(struct writeback *wb)
{
    struct piece *p = piece_try_new();
    if (p == NULL || !capture_fill_part(wb, p)) {
        piece_free(&p);
        writeback_starves(wb);
        return NO_MEMORY;
    }
    lane_add_piece(wb, wb->capturing.batch, p);
    pressure_tick(wb);
    return SOME_CAPTURED;
}

/* --- To the lane --- */

static void capture_hand_over(struct writeback *wb, bool last)
{
    struct piece *p = batch_take(wb->capturing.batch, last);
    if (p != NULL)
        lane_add_piece(wb, wb->capturing.batch, p);
}

static bool must_be_whole(struct writeback *wb, struct shard *sh, struct entry *e)
{
    (void)wb, (void)sh, (void)e;
    must(false);
    return false;
}

static void capture_finish(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
#ifdef WEIR_SLOW_CHECKS
    for (uint32_t i = 0; i < wb->store->shards_len; i++)
        (void)each_owed(wb, &wb->store->shards[i], must_be_whole);
#else
    (void)must_be_whole;
#endif
    capture_hand_over(wb, true);
    stat_add(STAT_cuts, 1);
    lane_complete(wb, c->batch);
    atomic_store_explicit(&wb->current, NULL, memory_order_release); /* see writeback_is_settled */
    selection_free(&c->selection);
    c->batch = NULL;
}

static enum progress capture_piece(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
    enum progress made = SOME_CAPTURED;
    if (large(wb) != NULL)
        return capture_next_part(wb);
    while (made == SOME_CAPTURED && !has_piece(wb))
        made = c->selection != NULL ? capture_selected(wb) : capture_next_shard(wb);
    if (made == ALL_CAPTURED)
        capture_finish(wb);
    else
        capture_hand_over(wb, false);
    return made;
}

bool capture_some(struct writeback *wb)
{
    struct capturing *c = &wb->capturing;
    enum progress made = SOME_CAPTURED;
    if (c->batch == NULL)
        atomic_store_explicit(&wb->wanted_hash, 0, memory_order_relaxed);
    while (c->batch != NULL && made != NO_MEMORY) {
        seek_wanted(wb);
        if (!capture_is_wanted(wb) && !lane_wants_piece(wb, c->batch))
            break;
        made = capture_piece(wb);
    }
    return c->batch != NULL;
}

void capture_fini(struct writeback *wb)
{
    selection_free(&wb->capturing.selection);
    wb->capturing.batch = NULL; /* the lane's */
}
