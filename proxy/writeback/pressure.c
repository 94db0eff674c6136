/* Back-pressure: how fast writers may go on, so that what is not flushed stays within its bounds.
 *
 * From the low watermark on, writers spend from an allowance that the cutter fills every few
 * milliseconds. A cut leaves memory as a whole when it is committed, so what must not happen is
 * that the next one, which grows meanwhile, does not fit beside it:
 *
 *     rate = room for the next cut / time until the running one is committed
 *
 * where the room is what is left of half the high watermark, which makes two equal cuts fill it.
 * The time is extrapolated from how much of the cut the backend has taken already. So the rate
 * settles at what the backend takes, without a step; while nothing moves, it falls towards zero.
 * The journal, which a commit trims, is treated alike.
 *
 * Thread: cutter, unless it says otherwise.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "config/options.h"

enum {
    TICK_US = 5000,
    LOOK_IDLE_US = 100000,
    LOOK_SOON_US = 5000,   /* near maxmemory */
    BURST_US = 10000,      /* an allowance holds what comes in this time */
    LEFT_LEAST_US = 10000, /* a commit takes so long at least */
    STALLED_US = 1000000,  /* no progress for so long: nothing moves */
};

#define NO_BOUND (INT64_C(1) << 50) /* bytes: as good as none, and no sum of it overflows */

/* Workers may take half of what is left before the cutter looks again. */
enum { SHARE_OF_ROOM = 2 };

/* Pacing of the journal begins at half of its bound. */
enum { JOURNAL_LOW = 50 };

static bool pressure_is_over(int64_t value, int64_t limit)
{
    return limit > 0 && value > limit;
}

/* Microseconds until the running cut is committed, as far as one can tell. */
static int64_t time_left(struct writeback *wb, int64_t now_us)
{
    struct pace *p = &wb->pace;
    if (!p->cut_runs)
        return LEFT_LEAST_US;
    uint64_t done = min_u64(atomic_load(&wb->applied_keys), p->cut_keys);
    if (done != p->seen_done) {
        p->seen_done = done;
        p->moved_us = now_us;
    }
    int64_t passed = now_us - p->cut_us;
    double part = p->cut_keys == 0 ? 0 : (double)done / (double)p->cut_keys, left;
    if (part > 0.05)
        left = (double)passed * (1 - part) / part;
    else
        left = p->us_per_byte * (double)p->cut_bytes - (double)passed;
    left = left > (double)passed / 10 ? left : (double)passed / 10;
    int64_t still = now_us - p->moved_us;
    return LEFT_LEAST_US + (left > (double)still ? (int64_t)left : still);
}

void pressure_cut_begins(struct writeback *wb, uint64_t keys, uint64_t bytes)
{
    struct journal_info journal;
    journal_get_info(wb->journal, &journal);
    struct pace *p = &wb->pace;
    p->cut_us = p->moved_us = clock_mono().us;
    p->cut_runs = true;
    p->cut_keys = keys;
    p->cut_bytes = bytes;
    p->cut_journal_bytes = journal.bytes_due;
    p->seen_done = 0;
    atomic_store(&wb->applied_keys, 0);
}

void pressure_cut_ends(struct writeback *wb)
{
    struct pace *p = &wb->pace;
    if (p->cut_bytes > 0) {
        double took = (double)(clock_mono().us - p->cut_us) / (double)p->cut_bytes;
        p->us_per_byte = p->us_per_byte == 0 ? took : (p->us_per_byte + took) / 2;
    }
    p->cut_runs = false;
    for (int i = 0; i < ALLOWANCES; i++) /* a large write is paid for: there is room again */
        if (atomic_load(&wb->allowances[i].left) < 0)
            atomic_store(&wb->allowances[i].left, 0);
    p->cut_keys = p->cut_bytes = p->cut_journal_bytes = 0;
}

/* Room for what will be the next cut, when `held` is held and the running cut's part of it is
 * `cut`. */
static int64_t room(int64_t held, int64_t cut, int64_t high)
{
    int64_t next = held > cut ? held - cut : 0;
    int64_t whole = high - held, half = cut > 0 ? high / 2 - next : whole;
    return whole < half ? whole : half;
}

static void pressure_fill(struct allowance *b, int64_t room_left, int64_t left_us,
                          int64_t passed_us)
{
    double rate = room_left <= 0 ? 0 : (double)room_left / (double)left_us;
    int64_t most = (int64_t)(rate * BURST_US);
    int64_t has = atomic_load_explicit(&b->left, memory_order_relaxed), now;
    do {
        now = has + (int64_t)(rate * (double)passed_us);
        now = now > most ? most : now;
    } while (!atomic_compare_exchange_weak(&b->left, &has, now));
}

static int64_t share_of(const struct writeback *wb, bool bounded, int64_t left)
{
    int64_t share = bounded ? left / SHARE_OF_ROOM / (wb->front.producers_len - 1) : INT64_MAX;
    return share > 0 ? share : 0;
}

static void pressure_look(struct writeback *wb, int64_t now_us)
{
    struct pace *p = &wb->pace;
    int64_t limit = option_num(OPT_maxmemory), journal_max = option_num(OPT_journal_max_size);
    int64_t high = limit / 100 * option_num(OPT_dirty_high_watermark);
    int64_t held = writeback_dirty_bytes(wb) + (int64_t)atomic_load(&wb->in_flight_bytes);
    struct journal_info journal;
    journal_get_info(wb->journal, &journal);
    int64_t logged = (int64_t)journal.bytes_due;
    int level = PRESSURE_NONE;
    if (pressure_is_over(held, limit / 100 * option_num(OPT_dirty_low_watermark)) ||
        pressure_is_over(logged, journal_max / 100 * JOURNAL_LOW))
        level = PRESSURE_PACING;
    bool memory_is_high = pressure_is_over(held, high),
         journal_is_high = pressure_is_over(logged, journal_max);
    if (memory_is_high || journal_is_high || writeback_is_starved(wb))
        level = PRESSURE_HIGH;
    int64_t left_us = time_left(wb, now_us);
    int64_t passed_us = (int64_t)min_u64((uint64_t)(now_us - p->ticked_us), BURST_US);
    pressure_fill(&wb->allowances[ALLOWANCE_MEMORY],
                  limit > 0 ? room(held, (int64_t)p->cut_bytes, high) : NO_BOUND, left_us,
                  passed_us);
    pressure_fill(&wb->allowances[ALLOWANCE_JOURNAL],
                  journal_max > 0 ? room(logged, (int64_t)p->cut_journal_bytes, journal_max)
                                  : NO_BOUND,
                  left_us, passed_us);
    atomic_store(&wb->front.share, share_of(wb, limit > 0, high - held));
    atomic_store(&wb->front.journal_share, share_of(wb, journal_max > 0, journal_max - logged));
    atomic_fetch_add(&wb->front.looks, 1);
    p->ticked_us = now_us;
    atomic_store(&wb->front.moves, now_us - p->moved_us < STALLED_US || !p->cut_runs);
    atomic_store(&wb->front.pressure, level);
    why_say_pressure(wb, memory_is_high, journal_is_high);
    wb->on_look(wb->ctx);
}

void writeback_get_memory(struct writeback *wb, struct writeback_memory *out)
{
    struct journal_info journal;
    journal_get_info(wb->journal, &journal);
    size_t pieces = pieces_memory();
    uint64_t ahead = min_u64(atomic_load(&wb->ahead_bytes), pieces);
    *out = (struct writeback_memory){
        .caches = wb->ops->memory != NULL ? wb->ops->memory(wb->backend) : 0,
        .batches = pieces - ahead,
        .captured_ahead = ahead,
        .selections = selections_memory(),
        .long_records = journal_oversize_bytes(wb->journal),
        .rings = journal.rings_bytes,
        .retained = journal.retained_bytes,
    };
}

/* Called by whoever refreshes the figures. */
static size_t apart(void *ctx)
{
    struct writeback_memory m;
    writeback_get_memory(ctx, &m);
    return m.caches + m.batches + m.selections + m.long_records;
}

void pressure_init(struct writeback *wb)
{
    atomic_store(&wb->front.share, INT64_MAX); /* until the cutter looks */
    atomic_store(&wb->front.journal_share, INT64_MAX);
    memory_count_apart(apart, wb);
}

void pressure_fini(void)
{
    memory_count_apart(NULL, NULL);
}

static void look_at_memory(struct writeback *wb, int64_t now_us)
{
    int64_t limit = option_num(OPT_maxmemory);
    bool near = pressure_is_over((int64_t)memory_data(), limit / 8 * 7);
    if (now_us - wb->pace.refreshed_us < (near ? LOOK_SOON_US : LOOK_IDLE_US))
        return;
    wb->pace.refreshed_us = now_us;
    memory_refresh();
    atomic_store(&wb->front.memory_high, pressure_is_over((int64_t)memory_data(), limit));
}

void pressure_tick(struct writeback *wb)
{
    int64_t now_us = clock_mono().us;
    bool paces = atomic_load(&wb->front.pressure) != PRESSURE_NONE;
    if (now_us - wb->pace.ticked_us < (paces ? PACING_TICK_US : TICK_US))
        return;
    pressure_look(wb, now_us);
    look_at_memory(wb, now_us);
}

void pressure_spend(struct writeback *wb, enum allowance_of what, int64_t amount)
{
    struct allowance *b = &wb->allowances[what];
    atomic_fetch_sub_explicit(&b->left, amount, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->spent, amount, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->spenders, 1, memory_order_relaxed);
}

/* How many can go on if they spend what others did on average. */
static uint32_t affords(struct allowance *b)
{
    int64_t left = atomic_load_explicit(&b->left, memory_order_relaxed);
    uint64_t spenders = atomic_load_explicit(&b->spenders, memory_order_relaxed);
    uint64_t spent = (uint64_t)atomic_load_explicit(&b->spent, memory_order_relaxed);
    if (left <= 0)
        return 0;
    uint64_t each = spenders == 0 ? 1 : spent / spenders + 1;
    if (spenders > 1000) { /* the average follows what happens now */
        atomic_store_explicit(&b->spenders, spenders / 2, memory_order_relaxed);
        atomic_store_explicit(&b->spent, (int64_t)(spent / 2), memory_order_relaxed);
    }
    return (uint32_t)min_u64((uint64_t)left / each + 1, PRESSURE_ADMITS_ALL - 1);
}

uint32_t pressure_admits(struct writeback *wb)
{
    int level = atomic_load_explicit(&wb->front.pressure, memory_order_relaxed);
    if (level == PRESSURE_NONE)
        return PRESSURE_ADMITS_ALL;
    if (level == PRESSURE_HIGH)
        return 0;
    uint32_t memory = affords(&wb->allowances[ALLOWANCE_MEMORY]);
    uint32_t journal = affords(&wb->allowances[ALLOWANCE_JOURNAL]);
    return memory < journal ? memory : journal;
}
