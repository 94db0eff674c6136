/* Opening and closing: which part starts when. Then the small questions about the whole.
 *
 *   open:   backend ─ position ─> journal ─> do they belong together? (join.h) ─> store, write-back
 *           ─> recovery ─> journal starts ─> a new store joins it ─> write-back, loader and walker
 *           start
 *   close:  walker and loader stop ─> (drain) ─> write-back stops ─> journal syncs, stops
 *           ─> backend closes
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "config/options.h"
#include "keyspace/join.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAY_WAITING_US = 10 * 1000 * 1000, START_PAUSE_MS = 100 };

static void on_journal_progress(void *ctx)
{
    struct keyspace *ks = ctx;
    wait_look(ks, true);
    if (ks->options.on_journal_progress != NULL)
        ks->options.on_journal_progress(ks->options.ctx);
}

static void keyspace_on_look(void *ctx)
{
    wait_look(ctx, false);
}

static void on_dropped(void *ctx, struct shard *sh, uint32_t store_db, struct slice key) NO_TSA
{
    if (sh->watch != NULL)
        watch_touch(ctx, sh, store_db, key);
}

static void on_suspected(void *ctx, struct shard *sh) NO_TSA
{
    (void)ctx;
    watch_touch_shard(sh);
    block_look_again_shard(sh);
}

/* The process serves nothing yet, and nothing is lost: it waits until somebody puts that right. */
static void pause_start(struct keyspace *ks, const char *text, const struct err *why)
{
    struct mono now = clock_mono();
    if (ks->said != text || now.us - ks->said_at.us >= SAY_WAITING_US) {
        ks->said = text;
        ks->said_at = now;
        log_err(LOG_WARNING, text, why);
    }
    if (ks->options.on_waiting != NULL)
        ks->options.on_waiting(ks->options.ctx);
    (void)poll(NULL, 0, START_PAUSE_MS);
}

static bool on_no_room(void *ctx, const struct err *err)
{
    pause_start(ctx, "The start waits until there is room", err);
    return true;
}

static enum rc open_journal(struct keyspace *ks, struct err *err)
{
    char *dir = option_strdup(OPT_journal_dir);
    struct journal_options o = {
        .dir = dir,
        .fs = ks->options.fs,
        .producers = ks->producers,
        .fsync = (enum journal_fsync)option_num(OPT_journal_fsync),
        .segment_bytes = (uint64_t)option_num(OPT_journal_segment_size),
        .ring_bytes = (uint64_t)option_num(OPT_journal_ring_size),
        .on_progress = on_journal_progress,
        .on_no_room = on_no_room,
        .ctx = ks,
    };
    enum rc rc = journal_open(&o, &ks->journal, err);
    free(dir);
    return rc;
}

/* Whether a store that somebody has locked is to be asked again, after a pause. */
static bool wait_for_store(struct keyspace *ks, const struct err *err)
{
    if (err->code != RC_AGAIN && err->code != RC_BUSY)
        return false;
    pause_start(ks, "The start waits until the backend is not locked any more", err);
    return true;
}

/* The journal's first segment, which says its id, is on disk, and nothing is in it yet: a store
 * that is of no journal becomes this one's. */
static enum rc join_store(struct keyspace *ks, const struct backend_position *position,
                          struct err *err)
{
    struct backend_mark mark = writeback_mark(ks->wb);
    if (memcmp(position->mark.journal_id, mark.journal_id, sizeof(mark.journal_id)) == 0)
        return RC_OK;
    struct backend_applied applied;
    struct backend_batch batch = {.cut_lsn = position->cut_lsn, .mark = mark, .joins = true};
    enum rc rc;
    do
        rc = ks->ops->apply(ks->backend, &batch, &applied, err);
    while (rc == RC_BUSY && wait_for_store(ks, err));
    return rc;
}

static enum rc open_store(struct keyspace *ks, struct backend_position *position, struct err *err)
{
    enum rc rc;
    do
        rc = join_open_store(&ks->ops, &ks->backend, position, err);
    while (rc == RC_AGAIN && wait_for_store(ks, err));
    return rc;
}

static void open_writeback(struct keyspace *ks, const struct backend_position *position)
{
    char *dir = option_strdup(OPT_journal_dir), *url = option_strdup(OPT_backend);
    struct writeback_options o = {
        .store = &ks->store,
        .journal = ks->journal,
        .backend = ks->backend,
        .position = position,
        .backend_url = url,
        .records_dir = dir,
        .producers = ks->producers,
        .databases = (uint32_t)option_num(OPT_databases),
        .on_applied = on_journal_progress, /* a commit releases replies, too */
        .on_look = keyspace_on_look,
        .on_dropped = on_dropped,
        .on_suspected = on_suspected,
        .ctx = ks,
    };
    ks->wb = writeback_open(&o);
    ks->map = &writeback_front(ks->wb)->map;
    free(dir);
    free(url);
}

static void release(struct keyspace **ksp)
{
    struct keyspace *ks = *ksp;
    *ksp = NULL;
    struct journal *journal = ks->journal; /* its thread asks us for both until it has stopped */
    if (journal != NULL)
        journal_close(&journal);
    ks->journal = NULL;
    writeback_close(&ks->wb);
    if (ks->backend != NULL)
        ks->ops->close(&ks->backend);
    if (ks->store.shards != NULL)
        store_close(&ks->store);
    unreadable_fini(ks);
    for (int i = 0; i < SCAN_PLACES; i++)
        buf_fini(&ks->places[i].after);
    buf_fini(&ks->cold.after);
    buf_fini(&ks->walker.untold);
    free(ks->barren);
    free(ks->empty_rounds);
    free(ks);
}

static uint32_t setting(enum option_id id)
{
    return (uint32_t)min_u64((uint64_t)option_num(id), UINT32_MAX);
}

void keyspace_apply_settings(void)
{
    value_limits.hash_max_listpack_entries = setting(OPT_hash_max_listpack_entries);
    value_limits.hash_max_listpack_value = setting(OPT_hash_max_listpack_value);
    value_limits.list_max_listpack_size = (int32_t)option_num(OPT_list_max_listpack_size);
    value_limits.set_max_intset_entries = setting(OPT_set_max_intset_entries);
    value_limits.set_max_listpack_entries = setting(OPT_set_max_listpack_entries);
    value_limits.set_max_listpack_value = setting(OPT_set_max_listpack_value);
    value_limits.zset_max_listpack_entries = setting(OPT_zset_max_listpack_entries);
    value_limits.zset_max_listpack_value = setting(OPT_zset_max_listpack_value);
    store_settings.lfu_log_factor = setting(OPT_lfu_log_factor);
    store_settings.lfu_decay_minutes = setting(OPT_lfu_decay_time);
}

void keyspace_apply_notify(struct keyspace *ks)
{
    unsigned wanted = (unsigned)option_num(OPT_notify_keyspace_events);
    bool heard = (wanted & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)) != 0;
    atomic_store(&ks->notify, heard && ks->options.on_event != NULL ? wanted : 0);
}

enum rc keyspace_open(const struct keyspace_options *options, struct keyspace **out,
                      struct err *err)
{
    struct keyspace *ks = calloc(1, sizeof(*ks));
    struct backend_position position = {0};
    must(ks != NULL);
    ks->options = *options;
    ks->producers = options->workers + 1;
    ks->barren = calloc(options->workers, sizeof(*ks->barren));
    ks->empty_rounds = calloc(options->workers, sizeof(*ks->empty_rounds));
    must(ks->barren != NULL && ks->empty_rounds != NULL);
    memory_begin((uint64_t)option_num(OPT_maxmemory));
    atomic_store(&ks->active_expire, true);
    keyspace_apply_settings();
    keyspace_apply_notify(ks);
    lock_init(&ks->wait_lock);
    lock_init(&ks->scan_lock);
    loader_init(ks);
    walker_init(ks);
    enum rc rc = store_open(&ks->store, (uint32_t)option_num(OPT_shards), err);
    if (rc == RC_OK)
        rc = open_store(ks, &position, err);
    if (rc == RC_OK)
        rc = open_journal(ks, err);
    if (rc == RC_OK)
        rc = join_check(&position, ks->journal, err);
    if (rc == RC_OK)
        open_writeback(ks, &position);
    *out = ks;             /* replay needs it */
    memory_mark_started(); /* what comes from here on is data */
    if (rc == RC_OK)
        rc = dead_letters_restore(ks->wb, err);
    if (rc == RC_OK)
        rc = forget_begin_replay(ks->wb, err);
    if (rc == RC_OK)
        rc = recover(ks, position.cut_lsn, err);
    if (rc == RC_OK)
        rc = journal_start(ks->journal, position.cut_lsn, err);
    if (rc == RC_OK)
        rc = forget_end_replay(ks->wb, err);
    if (rc == RC_OK)
        rc = unreadable_set_aside(ks, err);
    if (rc == RC_OK)
        rc = join_store(ks, &position, err);
    if (rc != RC_OK) {
        release(out);
        return rc;
    }
    writeback_start(ks->wb);
    loader_start(ks);
    walker_start(ks);
    return RC_OK;
}

/* Flushes until the backend has everything or `until` has come. */
static bool drain(struct keyspace *ks, struct mono until)
{
    uint64_t lsn = writeback_request_flush(ks->wb);
    struct lock lock;
    struct cond tick;
    lock_init(&lock);
    cond_init(&tick);
    lock_acquire(&lock);
    struct writeback_info info;
    writeback_get_info(ks->wb, &info);
    while (!info.paused && !keyspace_is_applied(ks, lsn) && clock_mono().us < until.us) {
        cond_wait_us(&tick, &lock, 2000); /* nobody signals: the backend's pace decides */
        if (lane_is_idle(ks->wb))
            writeback_request_flush(ks->wb);
    }
    lock_release(&lock);
    cond_fini(&tick);
    lock_fini(&lock);
    return keyspace_is_applied(ks, lsn);
}

enum rc keyspace_close(struct keyspace **ksp, bool want_drain, int64_t timeout_ms, struct err *err)
{
    struct keyspace *ks = *ksp;
    bool all = true;
    struct mono now = clock_mono(), until = {now.us + timeout_ms * 1000};
    if (ks->ops->set_deadline != NULL)
        ks->ops->set_deadline(ks->backend, until);
    walker_stop(ks);
    loader_stop(ks);
    if (want_drain)
        all = drain(ks, until);
    if (!all && ks->ops->set_deadline != NULL) /* ends a batch that still waits for its store */
        ks->ops->set_deadline(ks->backend, clock_mono());
    writeback_stop(ks->wb);
#ifdef WEIR_SLOW_CHECKS
    keyspace_check(ks);
#endif
    uint64_t left = journal_last_lsn(ks->journal) - writeback_applied_lsn(ks->wb);
    release(ksp);
    if (all)
        return RC_OK;
    return err_set(err, RC_AGAIN,
                   "%" PRIu64
                   " changes are not in the backend yet; the journal keeps them for the next start",
                   left);
}

void keyspace_check(struct keyspace *ks) NO_TSA
{
    txn_lock_all(ks);
    for (uint32_t i = 0; i < ks->store.shards_len; i++)
        shard_check(&ks->store.shards[i]);
    store_check_sums(&ks->store);
    writeback_check(ks->wb);
    txn_unlock_all(ks);
}

struct journal *keyspace_journal(struct keyspace *ks)
{
    return ks->journal;
}

struct writeback *keyspace_writeback(struct keyspace *ks)
{
    return ks->wb;
}

uint64_t keyspace_hash(struct keyspace *ks, uint32_t db, struct slice key)
{
    uint64_t hash = store_hash(&ks->store, dbmap_store_db(ks->map, db), key);
    return hash == 0 ? 1 : hash;
}

void keyspace_prefetch_bucket(struct keyspace *ks, uint64_t hash)
{
    store_prefetch_bucket(&ks->store, hash);
}

void keyspace_prefetch_entry(struct keyspace *ks, uint64_t hash)
{
    store_prefetch_entry(&ks->store, hash);
}

void keyspace_prefetch_element(struct keyspace *ks, uint64_t hash, struct slice name, bool near)
{
    store_prefetch_element(&ks->store, hash, name, near);
}

static void explain_entry(const struct entry *e, struct buf *out)
{
    struct value v;
    entry_value(e, &v);
    bool head = entry_is_head(e), loading = (e->flags & ENTRY_LOADING) != 0;
    if (head)
        entry_head(e, &v);
    buf_printf(out, "resident:%s\r\n", head ? "type and expiry" : loading ? "loading" : "yes");
    buf_printf(out, "type:%s\r\n", value_type_name(v.type));
    if (v.type == VALUE_NONE && (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) != 0)
        buf_append_str(out, "meaning:deleted, the backend does not know yet\r\n");
    else if (v.type == VALUE_NONE)
        buf_append_str(out,
                       loading ? "meaning:not known yet\r\n" : "meaning:known not to exist\r\n");
    else if (!head)
        buf_printf(out, "encoding:%s\r\n", value_encoding(&v));
    buf_printf(out, "dirty:%s\r\n", (e->flags & ENTRY_DIRTY) != 0 ? "yes" : "no");
    buf_printf(out, "in_flight:%s\r\n", (e->flags & ENTRY_IN_FLIGHT) != 0 ? "yes" : "no");
    buf_printf(out, "expires_at_ms:%" PRId64 "\r\n", v.expires_at_ms);
    buf_printf(out, "memory_bytes:%zu\r\n", entry_memory(e));
    buf_printf(out, "idle_seconds:%" PRId64 "\r\n", store_idle_seconds(e));
}

bool keyspace_explain(struct keyspace *ks, uint32_t db, struct slice key, struct buf *out)
{
    uint32_t store_db = dbmap_store_db(ks->map, db);
    uint64_t hash = store_hash(&ks->store, store_db, key);
    struct shard *sh = store_shard(&ks->store, hash);
    lock_acquire(&sh->lock);
    const struct entry *e = entry_find(sh, hash, store_db, key);
    bool dead = dead_letter_is(e);
    if (e != NULL)
        explain_entry(e, out);
    else
        buf_printf(out, "resident:no\r\nmiss:%s\r\n",
                   writeback_is_complete(ks->wb, sh, store_db)
                       ? "proves that the key does not exist"
                       : "loads from the backend");
    buf_printf(out, "shard:%u\r\n", (unsigned)(sh - ks->store.shards));
    buf_printf(out, "newest_lsn_in_shard:%" PRIu64 "\r\n", sh->last_lsn);
    lock_release(&sh->lock);
    buf_printf(out, "applied_lsn:%" PRIu64 "\r\n", writeback_applied_lsn(ks->wb));
    buf_printf(out, "backend:%s\r\n", writeback_backend_url(ks->wb));
    return dead;
}
