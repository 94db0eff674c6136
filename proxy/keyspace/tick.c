/* Housekeeping: keys whose time is over are deleted, and memory is given back, a share of the
 * shards to each worker.
 *
 * An expired key is deleted like any other: journalled as DEL, flushed as a deletion. The expiry
 * index is exact, so nothing is sampled.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "config/words.h"

enum {
    EXPIRE_PIECE = 64,
    EXPIRE_SLACK = 256,
    EVICT_LOOK = 256,
    CHECK_EVERY = 16,
    ROUNDS_TO_CLEAR = 3,
    EVICT_SHARDS = 16,
    EVICT_SOME_LOOK = 32,
    TELL_EVERY_US = 60 * 1000000
};

static bool leave_expiry_index(struct keyspace *ks, uint32_t producer, struct shard *sh,
                               struct entry *e, uint64_t hash) REQUIRES(sh->lock)
{
    if (writeback_must_capture(e, journal_cut(ks->journal)) && /* a cut from before the flush */
        (writeback_wants(ks->wb, e) || !writeback_capture(ks->wb, producer, sh, e)))
        return false;
    int64_t before = writeback_weight(e);
    e = entry_set_expiry(sh, e, hash, 0);
    must(e != NULL); /* it becomes smaller */
    if ((e->flags & ENTRY_DIRTY) != 0)
        writeback_reweighed(ks->wb, producer, e, before);
    return true;
}

/* False: it has to be captured first, and there is no memory for that, or it is the cutter's: it
 * stays for now. */
static bool expire_one(struct txn *t, struct shard *sh, struct entry *e, uint64_t hash) NO_TSA
{
    struct keyspace *ks = t->ks;
    int number = dbmap_number(ks->map, e->db);
    if (number < 0) /* of a flushed database: the sweep takes it */
        return leave_expiry_index(ks, t->producer, sh, e, hash);
    int64_t before;
    txn_stamp(t);
    if (writeback_must_capture(e, t->stamp.cut) && writeback_wants(ks->wb, e))
        return false;
    if (!edit_begin_entry(t, sh, e, &before))
        return false;
    effect_del(t, e->db, entry_key(e));
    uint32_t store_db = e->db;
    struct entry *gone = entry_set_none(sh, (struct key_at){hash, store_db, entry_key(e), e});
    must(gone != NULL); /* it becomes smaller */
    writeback_changed(ks->wb, t->producer, sh, gone, t->stamp.cut, before);
    if (sh->watch != NULL)
        watch_expired(t->ks, sh, store_db, entry_key(gone));
    stat_add(STAT_expired_keys, 1);
    if (keyspace_tells(ks, NOTIFY_EXPIRED)) {
        struct keyspace_event told = {NOTIFY_EXPIRED, "expired", (uint32_t)number, entry_key(gone),
                                      t->stamp.lsn};
        ks->options.on_event(ks->options.ctx, &told);
    }
    return true;
}

static void begin_record(struct txn *t)
{
    t->stamped = false;
    t->effects.len = 0;
    t->record_db = t->effects_db = 0;
}

/* One record for what expire_one() has done since t->stamped was false. */
static void append_expired(struct txn *t, struct shard *sh) NO_TSA
{
    struct slice effects = buf_slice(&t->effects);
    sh->last_lsn = t->stamp.lsn;
    unsigned flags = effects.len == 0 ? JOURNAL_NOOP : 0;
    journal_append(t->ks->journal, t->producer, t->stamp, t->now, t->record_db, flags, &effects,
                   effects.len == 0 ? 0 : 1);
}

/* Deletes a bounded number of due keys as one record; true when there may be more. */
static bool expire_some(struct txn *t, struct shard *sh) NO_TSA
{
    uint64_t hash;
    int n = 0;
    begin_record(t);
    for (; n < EXPIRE_PIECE; n++) {
        struct entry *e = shard_due(sh, t->now, &hash);
        if (e == NULL || !expire_one(t, sh, e, hash))
            break;
    }
    if (t->stamped)
        append_expired(t, sh);
    return n == EXPIRE_PIECE;
}

static bool expire_shard(struct txn *t, struct shard *sh)
{
    struct err err;
    lock_acquire(&sh->lock);
    int64_t due = shard_next_due(sh);
    bool more = due != 0 && due <= t->now.ms;
    lock_release(&sh->lock);
    if (!more ||
        journal_reserve_removal(t->ks->journal, t->producer, EXPIRE_PIECE * 256, &err) != RC_OK)
        return false;
    lock_acquire(&sh->lock);
    more = expire_some(t, sh);
    lock_release(&sh->lock);
    return more;
}

void expire_met(struct txn *t, const struct slot *slot)
{
    struct keyspace *ks = t->ks;
    struct shard *sh = slot->shard;
    struct slice key = slot->key->name;
    struct err err;
    if (ks->replaying || atomic_load(&ks->expiry_held) ||
        journal_reserve_removal(ks->journal, t->producer, key.len + EXPIRE_SLACK, &err) != RC_OK)
        return;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, slot->hash, slot->store_db, key);
    if (e != NULL && e->type != VALUE_NONE && entry_expired(e, t->now)) {
        begin_record(t);
        (void)expire_one(t, sh, e, slot->hash);
        if (t->stamped)
            append_expired(t, sh);
    } else if (e != NULL && entry_is_head(e) && !txn_is_live_head(t, e)) {
        e = entry_set_none(sh, (struct key_at){slot->hash, slot->store_db, key, e});
        must(e != NULL);           /* it becomes smaller */
        e->flags |= ENTRY_REPLACE; /* its row is the reaper's, who counts it */
    }
    lock_release(&sh->lock);
}

void expire_walked(struct txn *t, const struct txn_key *key, uint32_t store_db)
{
    struct store *st = &t->ks->store;
    struct slot slot = {
        .key = key, .store_db = store_db, .hash = store_hash(st, store_db, key->name)};
    must(!t->open);
    slot.shard = store_shard(st, slot.hash);
    t->now = clock_wall();
    expire_met(t, &slot);
}

/* Looks at so many slots of a shard for one entry to evict; the bytes freed. Lock: none. */
static size_t tick_evict_one(struct shard *sh, size_t look, bool volatile_only)
{
    lock_acquire(&sh->lock);
    size_t freed = shard_evict(sh, look, volatile_only);
    lock_release(&sh->lock);
    if (freed > 0)
        stat_add(STAT_evicted_keys, 1);
    return freed;
}

void evict_some(struct keyspace *ks, uint32_t *next, size_t bytes)
{
    bool volatile_only = policy_is_volatile();
    size_t freed = 0;
    for (int i = 0; i < EVICT_SHARDS && freed < bytes; i++) {
        struct shard *sh = &ks->store.shards[(*next)++ % ks->store.shards_len];
        freed += tick_evict_one(sh, EVICT_SOME_LOOK, volatile_only);
    }
}

void keyspace_drop_clean(struct keyspace *ks)
{
    enum { AT_A_TIME = 100 };
    for (uint32_t i = 0; i < ks->store.shards_len; i++) {
        struct shard *sh = &ks->store.shards[i];
        size_t freed;
        do {
            lock_acquire(&sh->lock);
            size_t look = ROUNDS_TO_CLEAR * shard_slots(sh);
            freed = 1;
            for (int n = 0; n < AT_A_TIME && freed > 0; n++)
                freed = shard_evict(sh, look, false);
            lock_release(&sh->lock);
        } while (freed > 0);
    }
}

/* Somebody has to hear why writes are refused; it may come and go many times a second. */
static void tell_stuck(struct keyspace *ks)
{
    if (!log_is_due(&ks->stuck_told_us, TELL_EVERY_US))
        return;
    log_line(LOG_WARNING,
             "writes are refused: %llu bytes are used, maxmemory is %lld, and nothing can be "
             "evicted: %lld bytes are not flushed, %llu were in use when Weir had started, the "
             "rest is clients' and what goes with keys. Raise maxmemory",
             (unsigned long long)memory_data(), (long long)option_num(OPT_maxmemory),
             (long long)writeback_dirty_bytes(ks->wb), (unsigned long long)memory_at_start());
}

/* Nothing of this worker's shards can be evicted: its rounds over them have found nothing for as
 * long as it takes to clear every mark and to come by twice again. Where all workers say so, the
 * proxy is stuck. */
static void note_barren(struct keyspace *ks, uint32_t worker, uint32_t workers, bool barren)
{
    if (ks->barren[worker] == barren)
        return;
    ks->barren[worker] = barren;
    uint32_t many = barren ? atomic_fetch_add(&ks->barren_len, 1) + 1
                           : atomic_fetch_sub(&ks->barren_len, 1) - 1;
    if (!atomic_exchange(&ks->stuck, many == workers) && many == workers)
        tell_stuck(ks);
}

static bool is_round_in_vain(struct keyspace *ks, uint32_t worker, uint32_t workers)
{
    size_t most = 0;
    for (uint32_t i = worker; i < ks->store.shards_len; i += workers) {
        struct shard *sh = &ks->store.shards[i];
        lock_acquire(&sh->lock);
        size_t slots = shard_slots(sh);
        lock_release(&sh->lock);
        most = slots > most ? slots : most;
    }
    return (size_t)++ks->empty_rounds[worker] * EVICT_LOOK > ROUNDS_TO_CLEAR * most;
}

/* Above maxmemory: frees what this worker's share of the excess is. */
static void evict(struct keyspace *ks, uint32_t worker, uint32_t workers, int64_t until_us)
{
    bool volatile_only = policy_is_volatile();
    size_t limit = (size_t)option_num(OPT_maxmemory), used = memory_data();
    size_t excess = used > limit ? (used - limit) / workers + 1 : 0, freed = 0;
    while (freed < excess && clock_mono().us < until_us) {
        size_t round = 0;
        bool whole = true;
        for (uint32_t i = worker; i < ks->store.shards_len && freed + round < excess && whole;
             i += workers) {
            round += tick_evict_one(&ks->store.shards[i], EVICT_LOOK, volatile_only);
            whole = i / workers % CHECK_EVERY != 0 || clock_mono().us < until_us;
        }
        freed += round;
        if (round > 0) {
            ks->empty_rounds[worker] = 0;
            note_barren(ks, worker, workers, false);
        } else if (whole && is_round_in_vain(ks, worker, workers)) {
            note_barren(ks, worker, workers, true);
            break;
        }
    }
    store_free_later_run();
}

/* Known-absent keys beyond what may be remembered. Tombstones are bounded by what is unflushed. */
static bool absent_are_many(struct keyspace *ks)
{
    return atomic_load(&ks->store.negatives) > option_num(OPT_negative_cache_keys) +
                                                   writeback_dirty_keys(ks->wb) +
                                                   writeback_in_flight_keys(ks->wb);
}

/* Forgets them shard by shard, from another one each time. */
static void forget_absent(struct keyspace *ks, uint32_t worker, uint32_t workers, int64_t until_us)
{
    uint32_t len = ks->store.shards_len, from = (uint32_t)clock_mono().us % len;
    for (uint32_t i = 0; i < len && absent_are_many(ks) && clock_mono().us < until_us; i++) {
        uint32_t index = (from + i) % len, position = 0;
        struct shard *sh = &ks->store.shards[index];
        if (index % workers != worker)
            continue;
        do {
            lock_acquire(&sh->lock);
            shard_forget_absent(sh, &position, EVICT_LOOK);
            lock_release(&sh->lock);
        } while (position != 0);
    }
}

bool keyspace_tick(struct keyspace *ks, struct txn *t, uint32_t worker, uint32_t workers,
                   int64_t budget_us)
{
    must(!t->open);
    int64_t until = clock_mono().us + budget_us;
    bool more = false;
    wait_look(ks, false); /* where nothing moves, a wait ends by its time */
    t->now = clock_wall();
    store_clock_tick(t->now);
    if (worker == 0)
        walker_tell_events(ks);
    bool expires = atomic_load(&ks->active_expire) && !atomic_load(&ks->expiry_held);
    for (uint32_t i = worker; i < ks->store.shards_len && expires; i += workers) {
        while (expire_shard(t, &ks->store.shards[i])) {
            if (clock_mono().us >= until)
                return true;
        }
        if (i / workers % CHECK_EVERY == 0 && clock_mono().us >= until) {
            more = true;
            break;
        }
    }
    if (absent_are_many(ks))
        forget_absent(ks, worker, workers, until + budget_us);
    if (writeback_memory_is_high(ks->wb))
        evict(ks, worker, workers, until + budget_us);
    else
        note_barren(ks, worker, workers, false);
    return more;
}

void keyspace_hold_expiry(struct keyspace *ks, bool on)
{
    atomic_store_explicit(&ks->expiry_held, on, memory_order_relaxed);
}

void keyspace_set_active_expire(struct keyspace *ks, bool on)
{
    atomic_store(&ks->active_expire, on);
}
