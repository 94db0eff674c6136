/* The cutter: decides when dirty data leaves, makes the cut, and cleans up after it.
 *
 * A cut is a bump of the cut number in the journal's clock word. Whatever was stamped before
 * belongs to it, and is captured: see capture.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "config/options.h"

#include <stdlib.h>

enum {
    BUSY_TICK_US = 5000,
    IDLE_TICK_US = 50000,
    SWEEP_SLOTS = 4096,
    SURGE_WINDOW_US = 100000,
    SURGE_PER_S = 10000
};

int64_t writeback_dirty_keys(const struct writeback *wb)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < wb->front.producers_len; i++)
        sum += atomic_load_explicit(&wb->front.producers[i].dirty_keys, memory_order_relaxed);
    return sum;
}

int64_t writeback_dirty_bytes(const struct writeback *wb)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < wb->front.producers_len; i++)
        sum += atomic_load_explicit(&wb->front.producers[i].dirty_bytes, memory_order_relaxed);
    return sum;
}

/* Each block has one writer, so load and store suffice; readers sum the blocks. */
static void cutter_count(_Atomic int64_t *counter, int64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

void writeback_unmark(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e)
{
    cutter_count(&wb->front.producers[producer].dirty_keys, -1);
    cutter_count(&wb->front.producers[producer].dirty_bytes, -writeback_weight(e));
    entry_unmark_dirty(sh, e);
}

void writeback_starves(struct writeback *wb)
{
    atomic_store_explicit(&wb->front.starved_us, clock_mono().us, memory_order_relaxed);
}

bool writeback_wait_for_memory(struct writeback *wb)
{
    writeback_starves(wb);
    pressure_tick(wb);
    lock_acquire(&wb->lock);
    if (!wb->stopping)
        cond_wait_us(&wb->cond, &wb->lock, BUSY_TICK_US);
    bool goes_on = !wb->stopping;
    lock_release(&wb->lock);
    return goes_on;
}

void writeback_captured(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e)
{
    /* Before it is no longer dirty: whoever looks at dirty and then at this sees it in one of the
     * two. */
    atomic_fetch_add_explicit(&wb->in_flight_keys, 1, memory_order_release);
    writeback_unmark(wb, producer, sh, e);
    e->flags |= ENTRY_IN_FLIGHT;
    e->apart = 0;
}

bool writeback_capture(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e)
{
    struct batch *b = atomic_load_explicit(&wb->current, memory_order_acquire);
    must(b != NULL && e != atomic_load_explicit(&wb->large, memory_order_relaxed));
    uint64_t weight = (uint64_t)writeback_weight(e), all = weight; /* captured, it weighs less */
    if (!batch_capture(b, producer, e, &all, producer != wb->front.producers_len - 1)) {
        writeback_reweighed(wb, producer, e, (int64_t)weight);
        writeback_starves(wb);
        return false;
    }
    writeback_reweighed(wb, producer, e, (int64_t)weight);
    writeback_captured(wb, producer, sh, e);
    atomic_fetch_add_explicit(&wb->in_flight_bytes, all, memory_order_relaxed);
    atomic_fetch_add_explicit(&wb->ahead_bytes, all - weight, memory_order_relaxed);
    return true;
}

void writeback_reweighed(struct writeback *wb, uint32_t producer, const struct entry *e,
                         int64_t before)
{
    must((e->flags & ENTRY_DIRTY) != 0);
    cutter_count(&wb->front.producers[producer].dirty_bytes, writeback_weight(e) - before);
}

static void spend(struct writeback *wb, int64_t grown)
{
    if (UNLIKELY(atomic_load_explicit(&wb->front.pressure, memory_order_relaxed) !=
                 PRESSURE_NONE) &&
        grown > 0)
        pressure_spend(wb, ALLOWANCE_MEMORY, grown);
}

void writeback_check(struct writeback *wb) NO_TSA
{
    int64_t keys = 0, bytes = 0;
    for (uint32_t i = 0; i < wb->store->shards_len; i++) {
        const struct shard *sh = &wb->store->shards[i];
        keys += sh->dirty_len;
        for (uint32_t k = 0; k < sh->dirty_len; k++)
            bytes += writeback_weight(sh->dirty[k]);
    }
    must(keys == writeback_dirty_keys(wb));
    must(bytes == writeback_dirty_bytes(wb));
}

void writeback_changed(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e,
                       uint16_t cut, int64_t before)
{
    int64_t weight = writeback_weight(e);
    stat_add(STAT_writes, 1);
    if ((e->flags & ENTRY_DIRTY) != 0) {
        stat_add(STAT_coalesced_writes, 1);
        cutter_count(&wb->front.producers[producer].dirty_bytes, weight - before);
        spend(wb, weight - before);
        return;
    }
    must(entry_mark_dirty(sh, e, cut));
    cutter_count(&wb->front.producers[producer].dirty_keys, 1);
    cutter_count(&wb->front.producers[producer].dirty_bytes, weight);
    spend(wb, weight);
    if (UNLIKELY(atomic_load_explicit(&wb->first_dirty_us, memory_order_relaxed) == 0)) {
        int64_t none = 0;
        atomic_compare_exchange_strong(&wb->first_dirty_us, &none, clock_mono().us);
    }
}

void writeback_capture_map(struct writeback *wb, uint16_t cut)
{
    struct batch *b = atomic_load_explicit(&wb->current, memory_order_acquire);
    if (b == NULL || b->map_captured || b->next_cut != cut)
        return;
    dbmap_export(&wb->front.map, &b->map);
    b->map_changed = atomic_exchange(&wb->front.map.changed, false);
    b->map_captured = true;
}

struct backend_mark writeback_mark(const struct writeback *wb)
{
    struct backend_mark mark = {.durable_lsn = journal_durable_lsn(wb->journal),
                                .cut_at_ms = clock_wall().ms};
    memcpy(mark.journal_id, journal_id(wb->journal), sizeof(mark.journal_id));
    return mark;
}

static void finish_batch(struct writeback *wb, struct batch *b)
{
    pressure_cut_ends(wb);
    cleanup_batch(wb, b);
    atomic_store(&wb->in_flight_keys, 0);
    atomic_store(&wb->in_flight_bytes, 0);
    atomic_store(&wb->first_in_flight_us, 0);
    atomic_store(&wb->ahead_bytes, 0);
    atomic_store_explicit(&wb->front.applied_lsn, b->cut_lsn, memory_order_release);
    journal_trim(wb->journal, b->cut_lsn);
    batch_free(&b);
    wb->on_applied(wb->ctx);
}

/* What leaves one of the three is in the next one already; so they are looked at in this order. */
bool writeback_is_settled(struct writeback *wb)
{
    return writeback_dirty_keys(wb) <= 0 &&
           atomic_load_explicit(&wb->current, memory_order_acquire) == NULL && lane_is_idle(wb);
}

void writeback_cut_soon(struct writeback *wb)
{
    lock_acquire(&wb->lock);
    wb->flush_requested = true;
    cond_signal(&wb->cond);
    lock_release(&wb->lock);
}

/* A backend that takes long gets as long a rest: it is spared, and more updates are folded. */
static bool is_resting(struct writeback *wb)
{
    struct writeback_info lane = {0};
    lane_get_info(wb, &lane);
    int64_t rest_ms = lane.last_flush_us / 1000, most = option_num(OPT_write_delay_max_ms);
    return lane.last_flush_age_ms >= 0 &&
           lane.last_flush_age_ms < (rest_ms < most ? rest_ms : most);
}

static void measure_surge(struct writeback *wb)
{
    struct mono now = clock_mono();
    int64_t passed_us = now.us - wb->surge_at.us;
    if (passed_us < SURGE_WINDOW_US)
        return;
    uint64_t writes = stat_get(STAT_writes);
    uint64_t changes = writes > wb->surge_writes ? writes - wb->surge_writes : 0;
    wb->surging = changes * 1000000 / (uint64_t)passed_us > SURGE_PER_S;
    wb->surge_at = now;
    wb->surge_writes = writes;
}

/* A surge is absorbed first: while it lasts, a flush that would take the workers' cores and their
 * disk waits, ten times as long as usual at most. */
static bool is_deferred(struct writeback *wb, int64_t age_us)
{
    int64_t most = option_num(OPT_write_delay_max_ms), usual = option_num(OPT_write_delay_ms);
    int64_t stretched_ms = usual * 10 < most ? usual * 10 : most;
    return wb->surging && age_us < stretched_ms * 1000;
}

/* LSNs after which nothing is dirty (a FLUSHALL of nothing, a key that was flushed meanwhile): the
 * position moves along all the same, so that nobody waits for it in vain. */
static bool is_behind(struct writeback *wb, bool requested)
{
    struct mono now = clock_mono();
    if (journal_last_lsn(wb->journal) <= writeback_applied_lsn(wb))
        wb->behind_since.us = 0;
    else if (wb->behind_since.us == 0)
        wb->behind_since = now;
    return wb->behind_since.us != 0 &&
           (requested || now.us - wb->behind_since.us >= option_num(OPT_write_delay_ms) * 1000);
}

static bool should_cut(struct writeback *wb, bool requested)
{
    if (wb->capturing.batch != NULL || !lane_is_idle(wb) || !lost_record_rest(wb) ||
        atomic_load(&wb->pausing))
        return false;
    if (atomic_load(&wb->front.map.changed))
        return true;
    int64_t keys = writeback_dirty_keys(wb);
    if (keys <= 0)
        return is_behind(wb, requested);
    wb->behind_since.us = 0;
    int64_t first = atomic_load(&wb->first_dirty_us);
    int64_t age_us = first == 0 ? 0 : clock_mono().us - first;
    if (requested || atomic_load(&wb->front.pressure) != PRESSURE_NONE ||
        atomic_load(&wb->front.memory_high))
        return true;
    bool due = age_us >= option_num(OPT_write_delay_ms) * 1000 ||
               keys >= option_num(OPT_write_batch_keys) ||
               writeback_dirty_bytes(wb) >= option_num(OPT_write_batch_bytes);
    return due && !is_deferred(wb, age_us) && !is_resting(wb);
}

static bool is_dead(void *ctx, const struct entry *e)
{
    struct dbmap *m = ctx;
    return atomic_load_explicit(&m->state[e->db], memory_order_relaxed) == DBMAP_DEAD;
}

/* Entries of flushed databases go in small steps. A sweep that began when their last batch was
 * committed finds all of them; one that can not free anything new is not begun. */
static bool cutter_sweep(struct writeback *wb)
{
    uint32_t dead = atomic_load(&wb->front.map.dead);
    if (wb->sweep_shard == 0 && wb->sweep_position == 0) {
        uint64_t applied = lane_is_idle(wb) ? writeback_applied_lsn(wb) : 0;
        if (dead == 0 || (dead == wb->swept_dead && applied <= wb->sweep_lsn))
            return false;
        wb->sweep_lsn = applied;
        wb->swept_dead = dead;
    }
    for (int i = 0; i < 16; i++) {
        struct shard *sh = &wb->store->shards[wb->sweep_shard];
        lock_acquire(&sh->lock);
        shard_sweep(sh, &wb->sweep_position, SWEEP_SLOTS / 16, is_dead, &wb->front.map);
        lock_release(&sh->lock);
        if (wb->sweep_position == 0 && ++wb->sweep_shard == wb->store->shards_len) {
            wb->sweep_shard = 0;
            dbmap_free_dead(&wb->front.map, wb->sweep_lsn);
            wb->swept_dead -= dead - atomic_load(&wb->front.map.dead);
            break;
        }
    }
    store_free_later_run();
    return true;
}

static void *cutter_main(void *arg)
{
    struct writeback *wb = arg;
    uint64_t wanted = 0; /* a flush was asked for: a cut is to hold everything up to here */
    for (;;) {
        struct batch *done = lane_take_done(wb);
        if (done != NULL)
            finish_batch(wb, done);
        pressure_tick(wb);
        measure_surge(wb);
        if (orders_run(wb))
            wanted = journal_last_lsn(wb->journal);
        bool requested = wanted > atomic_load(&wb->last_cut_lsn) || journal_is_lost(wb->journal);
        if (should_cut(wb, requested))
            capture_begin(wb);
        bool capturing = capture_some(wb);
        bool sweeping = cutter_sweep(wb);
        store_free_later_run();
        bool busy =
            sweeping || capturing || requested || writeback_dirty_keys(wb) > 0 ||
            !lane_is_idle(wb) ||
            atomic_load(&wb->front.memory_high); /* writers are refused until that is looked at */
        bool paces = atomic_load(&wb->front.pressure) != PRESSURE_NONE;
        lock_acquire(&wb->lock);
        if (!wb->stopping && !wb->flush_requested && (wb->orders == NULL || wb->orders_busy))
            cond_wait_us(&wb->cond, &wb->lock,
                         sweeping ? 100
                         : paces  ? PACING_TICK_US
                         : busy   ? BUSY_TICK_US
                                  : IDLE_TICK_US);
        if (wb->flush_requested)
            wanted = journal_last_lsn(wb->journal);
        wb->flush_requested = false;
        bool stopping = wb->stopping;
        lock_release(&wb->lock);
        if (stopping)
            return NULL;
    }
}

struct writeback *writeback_open(const struct writeback_options *o)
{
    struct writeback *wb = calloc(1, sizeof(*wb));
    must(wb != NULL);
    wb->store = o->store;
    wb->journal = o->journal;
    wb->backend = o->backend;
    wb->ops = ((const struct backend_base *)(const void *)o->backend)->ops;
    wb->on_applied = o->on_applied;
    wb->on_look = o->on_look;
    wb->on_dropped = o->on_dropped;
    wb->on_suspected = o->on_suspected;
    wb->ctx = o->ctx;
    strncpy(wb->backend_url, o->backend_url, sizeof(wb->backend_url) - 1);
    wb->front.producers_len = o->producers;
    wb->front.producers = aligned_alloc(CACHE_LINE, o->producers * sizeof(*wb->front.producers));
    must(wb->front.producers != NULL);
    memset(wb->front.producers, 0, o->producers * sizeof(*wb->front.producers));
    lock_init(&wb->lock);
    cond_init(&wb->cond);
    lock_init(&wb->losses_lock);
    pressure_init(wb);
    lane_init(wb);
    wb->spool_dir = strdup(o->records_dir);
    must(wb->spool_dir != NULL);
    spool_init(&wb->lane.spool, wb->spool_dir);
    dbmap_init(&wb->front.map, o->position, o->databases);
    atomic_store(&wb->front.applied_lsn, o->position->cut_lsn);
    atomic_store(&wb->last_cut_lsn, o->position->cut_lsn);
    wb->records = records_open(&(struct records_options){
        .dir = o->records_dir, .position = o->position, .journal_id = journal_id(o->journal)});
    return wb;
}

void writeback_start(struct writeback *wb)
{
    lane_start(wb);
    thread_start(&wb->thread, "cutter", 0, cutter_main, wb);
}

void writeback_stop(struct writeback *wb)
{
    lock_acquire(&wb->lock);
    wb->stopping = true;
    cond_signal(&wb->cond);
    lock_release(&wb->lock);
    pthread_join(wb->thread, NULL);
    lane_stop(wb);
    struct batch *done = lane_take_done(wb);
    if (done != NULL)
        finish_batch(wb, done);
}

void writeback_close(struct writeback **wbp) NO_TSA /* the last user */
{
    struct writeback *wb = *wbp;
    *wbp = NULL;
    if (wb == NULL)
        return;
    pressure_fini();
    attempt_free(&wb->lane.unsure);
    batch_free(&wb->lane.pending);
    capture_fini(wb);
    spool_clear(&wb->lane.spool);
    free(wb->spool_dir);
    records_close(&wb->records);
    lost_fini(wb);
    orders_fini(wb);
    free(wb->front.producers);
    free(wb);
}

bool writeback_letters_are_full(const struct writeback *wb)
{
    return atomic_load(&wb->lane.letters_full);
}

int64_t writeback_in_flight_keys(const struct writeback *wb)
{
    return (int64_t)atomic_load(&wb->in_flight_keys);
}

const char *writeback_backend_url(const struct writeback *wb)
{
    return wb->backend_url;
}
