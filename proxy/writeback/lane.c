/* The flusher: applies one batch at a time to its backend and does not give up on it.
 *
 *   pending ──> attempt ──OK──> done ──> (the cutter cleans up)
 *                  └──anything else──> wait, and try again
 *
 * The pieces of a batch come while it is applied. The cutter is asked for no more than some ahead.
 *
 * What the backend says of single items is the attempt's business, see attempt.c.
 *
 * The wait is exponential with jitter (Brooker, "Exponential Backoff And Jitter", 2015). After
 * breaker-failures in a row the breaker opens; after breaker-open-ms one try is let through.
 *
 * Items are absolute and the cut LSN commits with them, so a retry after an unknown outcome is
 * harmless. Runs at lowered priority and takes no lock that a worker waits for.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "config/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAINTAIN_BUDGET_MS = 50,
    MAINTAIN_IDLE_MS = 200,
    READ_FAILURE_SHOWN_US = 5000000,
    REMIND_US = 60000000,
    PIECES_AHEAD = 2,
    PIECE_WAIT_US = 100000
};

static int64_t backoff_us(struct lane *l, uint64_t failures)
{
    int64_t base = option_num(OPT_flush_backoff_ms), most = option_num(OPT_flush_backoff_max_ms);
    int64_t ceiling = failures > 20 ? most : base << (failures - 1);
    if (ceiling > most)
        ceiling = most;
    l->random = l->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (ceiling * 1000) / 2 + (int64_t)((l->random >> 33) % (uint64_t)(ceiling * 500 + 1));
}

/* Records that cannot be written keep the lane waiting, but say nothing of the backend: its breaker
 * stays closed. */
static void note_failure(struct writeback *wb, const struct err *err, bool records_failed)
{
    struct lane *l = &wb->lane;
    struct mono now = clock_mono();
    lock_acquire(&l->lock);
    if (l->failures++ == 0)
        l->failing_at = now;
    int64_t wait_us = backoff_us(l, l->failures);
    bool opened = false,
         opens = !records_failed && l->failures >= (uint64_t)option_num(OPT_breaker_failures);
    if (opens) {
        wait_us = option_num(OPT_breaker_open_ms) * 1000;
        opened = l->breaker == BREAKER_CLOSED;
        if (opened)
            stat_add(STAT_breaker_opened, 1);
        l->breaker = BREAKER_OPEN;
    }
    int64_t retry_max = option_num(OPT_flush_retry_max);
    bool gives_up = retry_max > 0 && l->failures > (uint64_t)retry_max;
    if (gives_up) {
        l->paused = true;
        l->paused_at = now;
        l->gave_up = true;
    }
    bool news =
        l->failures == 1 || l->last_error.code != err->code || l->records_failed != records_failed;
    l->last_error = *err;
    l->records_failed = records_failed;
    atomic_store(&l->letters_full, records_failed && err->code == RC_FULL);
    l->retry_at = (struct mono){now.us + wait_us};
    bool reminds = !news && now.us - l->said_at.us >= REMIND_US;
    if (news || opened || reminds)
        l->said_at = now;
    int64_t failing_us = now.us - l->failing_at.us;
    uint64_t failures = l->failures;
    lock_release(&l->lock);
    stat_add(STAT_batch_retries, 1);
    if (news)
        log_err(LOG_WARNING,
                records_failed
                    ? "a batch waits, since what it loses could not be recorded; nothing is lost"
                    : "flush failed, will be tried again; nothing is lost",
                err);
    if (opened || reminds)
        why_say_failing(
            wb, failing_us, failures,
            opened ? "; the circuit breaker opens: one flush in breaker-open-ms is tried" : "");
    if (gives_up)
        log_line(LOG_WARNING, "flush-retry-max is reached: flushing pauses until WEIR RESUME");
}

void lane_note_records(struct writeback *wb, enum rc rc, const struct err *err)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    bool news = (rc != RC_OK) != l->records_failed;
    l->records_failed = rc != RC_OK;
    if (rc != RC_OK && l->failures == 0)
        l->failing_at = clock_mono();
    l->failures = rc != RC_OK;
    if (rc != RC_OK)
        l->last_error = *err;
    lock_release(&l->lock);
    if (news && rc != RC_OK)
        log_err(LOG_WARNING, "changes that lost a conflict cannot be recorded; no cut is made",
                err);
}

static void note_success(struct writeback *wb, struct batch *b)
{
    struct lane *l = &wb->lane;
    struct mono now = clock_mono();
    lock_acquire(&l->lock);
    uint64_t failures = l->failures;
    int64_t failing_us = now.us - l->failing_at.us;
    l->failures = 0;
    l->records_failed = false;
    atomic_store(&l->letters_full, false);
    l->breaker = BREAKER_CLOSED;
    l->retry_at = (struct mono){0};
    l->last_flush_us = now.us - b->cut_at.us;
    l->last_commit = now;
    must(l->done == NULL);
    l->done = b;
    l->pending = NULL;
    lock_release(&l->lock);
    stat_add(STAT_batches, 1);
    if (failures > 0)
        why_say_recovered(wb, failing_us, failures);
}

/* Waits until the pending batch may be tried (again); NULL when it is time to stop or to maintain.
 */
static struct batch *next_batch(struct lane *l)
{
    lock_acquire(&l->lock);
    int64_t now = clock_mono().us, wait_us = MAINTAIN_IDLE_MS * 1000;
    struct batch *b = l->paused ? NULL : l->pending;
    if (b != NULL && b->first == NULL && !b->complete)
        b = NULL; /* nothing has come yet */
    if (b != NULL && !l->hurry && l->retry_at.us > now) {
        wait_us = l->retry_at.us - now < wait_us ? l->retry_at.us - now : wait_us;
        b = NULL;
    }
    if (b == NULL && !l->stopping)
        cond_wait_us(&l->cond, &l->lock, wait_us);
    if (b != NULL && l->breaker == BREAKER_OPEN)
        l->breaker = BREAKER_HALF_OPEN;
    l->hurry = l->hurry && b == NULL;
    lock_release(&l->lock);
    return b;
}

static bool is_stopping(struct lane *l)
{
    lock_acquire(&l->lock);
    bool stopping = l->stopping;
    lock_release(&l->lock);
    return stopping;
}

static void maintain(struct writeback *wb)
{
    struct err err;
    bool more = false;
    enum rc rc = records_check(wb->records, &err);
    if (lane_note_read(wb, LANE_READ_RECORDS, rc, &err))
        log_err(LOG_WARNING, "dead letters and conflicts are not safe", &err);
    rc = wb->ops->maintain(wb->backend, MAINTAIN_BUDGET_MS, &more, &err);
    if (rc == RC_BUSY) /* somebody writes: it will be done another time */
        return;
    if (lane_note_read(wb, LANE_READ_MAINTENANCE, rc, &err))
        log_err(LOG_WARNING, "backend maintenance", &err);
}

static void wake_cutter(struct writeback *wb)
{
    lock_acquire(&wb->lock);
    cond_signal(&wb->cond);
    lock_release(&wb->lock);
}

enum rc lane_next_piece(struct writeback *wb, struct batch *b, struct piece *after,
                        struct piece **out, struct err *err)
{
    struct lane *l = &wb->lane;
    enum rc rc = RC_OK;
    lock_acquire(&l->lock);
    for (;;) {
        *out = after != NULL ? after->next : b->first;
        if (*out != NULL || b->complete || l->stopping)
            break;
        cond_wait_us(&l->cond, &l->lock, PIECE_WAIT_US);
    }
    if (*out != NULL) {
        if (!(*out)->was_taken) {
            b->waiting--;
            b->waiting_bytes -= (*out)->payload;
        }
        (*out)->was_taken = true;
    } else {
        rc = b->complete ? RC_NOT_FOUND : RC_UNAVAILABLE;
    }
    lock_release(&l->lock);
    if (rc == RC_UNAVAILABLE)
        return err_set(err, rc, "the proxy ends; the journal keeps what is not in the backend");
    if (rc == RC_OK)
        wake_cutter(wb);
    return rc;
}

void lane_add_piece(struct writeback *wb, struct batch *b, struct piece *p)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    must(l->pending == b && !b->complete);
    p->next = NULL;
    *b->last = p;
    b->last = &p->next;
    b->waiting++;
    b->waiting_bytes += p->payload;
    cond_signal(&l->cond);
    lock_release(&l->lock);
}

void lane_complete(struct writeback *wb, struct batch *b)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    b->complete = true;
    cond_signal(&l->cond);
    lock_release(&l->lock);
}

bool lane_wants_piece(struct writeback *wb, struct batch *b)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    bool wants =
        b->waiting == 0 || (b->waiting < PIECES_AHEAD && b->waiting_bytes < batch_memory() / 2);
    lock_release(&l->lock);
    return wants;
}

static void *lane_main(void *arg)
{
    struct writeback *wb = arg;
    struct lane *l = &wb->lane;
    while (!is_stopping(l)) {
        struct batch *b = next_batch(l);
        if (b == NULL) {
            maintain(wb);
            continue;
        }
        struct err err;
        bool records_failed;
        if (attempt_batch(wb, b, &records_failed, &err) == RC_OK) {
            note_success(wb, b);
            wake_cutter(wb);
            maintain(wb);
        } else if (!is_stopping(l)) {
            note_failure(wb, &err, records_failed);
        }
    }
    return NULL;
}

void lane_init(struct writeback *wb)
{
    lock_init(&wb->lane.lock);
    cond_init(&wb->lane.cond);
    wb->lane.random = (uint64_t)clock_mono().us;
}

void lane_start(struct writeback *wb)
{
    thread_start(&wb->lane.thread, "flusher", LANE_NICE, lane_main, wb);
}

void lane_stop(struct writeback *wb)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    l->stopping = true;
    cond_signal(&l->cond);
    lock_release(&l->lock);
    pthread_join(l->thread, NULL);
}

void lane_submit(struct writeback *wb, struct batch *b)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    must(l->pending == NULL && l->done == NULL);
    l->pending = b;
    cond_signal(&l->cond);
    lock_release(&l->lock);
}

struct batch *lane_take_done(struct writeback *wb)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    struct batch *b = l->done;
    l->done = NULL;
    lock_release(&l->lock);
    return b;
}

bool lane_is_idle(struct writeback *wb)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    bool idle = l->pending == NULL && l->done == NULL;
    lock_release(&l->lock);
    return idle;
}

bool lane_is_failing(struct writeback *wb)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    bool failing = l->failures > 0;
    lock_release(&l->lock);
    return failing;
}

void lane_set_paused(struct writeback *wb, bool on, const char *by)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    if (on && !l->paused)
        l->paused_at = clock_mono();
    if (on)
        snprintf(l->paused_by, sizeof(l->paused_by), "%s", by);
    l->gave_up = false;
    l->paused = on;
    cond_signal(&l->cond);
    lock_release(&l->lock);
}

void lane_hurry(struct writeback *wb)
{
    struct lane *l = &wb->lane;
    lock_acquire(&l->lock);
    l->hurry = l->pending != NULL;
    cond_signal(&l->cond);
    lock_release(&l->lock);
}

bool lane_note_read(struct writeback *wb, enum lane_read what, enum rc rc, const struct err *err)
{
    struct lane *l = &wb->lane;
    if (rc == RC_OK && !atomic_load_explicit(&l->reading_fails, memory_order_relaxed))
        return false;
    struct mono now = clock_mono();
    lock_acquire(&l->lock);
    struct reading *r = &l->reading[what];
    bool news = rc != RC_OK && r->error.code != rc;
    if (rc != RC_OK)
        *r = (struct reading){*err, now};
    else if (what != LANE_READ_KEYS)
        r->error.code = RC_OK;
    struct reading *keys = &l->reading[LANE_READ_KEYS];
    if (rc == RC_OK && now.us - keys->failed_at.us > READ_FAILURE_SHOWN_US)
        keys->error.code = RC_OK; /* who still meets it will say so again */
    bool fails = false;
    for (int i = 0; i < LANE_READS; i++)
        fails = fails || l->reading[i].error.code != RC_OK;
    atomic_store_explicit(&l->reading_fails, fails, memory_order_relaxed);
    lock_release(&l->lock);
    return news;
}

/* What the state is about: a flush that fails comes first. NULL: nothing fails. */
static const struct err *present_error(const struct lane *l) REQUIRES(l->lock)
{
    if (l->failures > 0)
        return &l->last_error;
    for (int i = 0; i < LANE_READS; i++)
        if (l->reading[i].error.code != RC_OK)
            return &l->reading[i].error;
    return NULL;
}

static const char *state_name(const struct lane *l) REQUIRES(l->lock)
{
    const struct err *error = present_error(l);
    if (error == NULL)
        return "up";
    if (error == &l->reading[LANE_READ_RECORDS].error)
        return "records-failing";
    if (l->records_failed) /* last_error has the text, and what to do */
        return l->last_error.code == RC_FULL ? "records-full" : "records-failing";
    switch (error->code) {
    case RC_READONLY:
        return "read-only";
    case RC_FULL:
        return "full";
    case RC_CORRUPT:
        return "corrupt";
    case RC_BUSY:
        return "locked";
    case RC_MOVED:
        return "moved";
    case RC_NOMEM:
        return "no-memory";
    default:
        if (l->failures == 0)
            return "unreadable";
        return l->breaker == BREAKER_CLOSED ? "retrying" : "down";
    }
}

void lane_get_info(struct writeback *wb, struct writeback_info *out)
{
    struct lane *l = &wb->lane;
    struct mono now = clock_mono();
    lock_acquire(&l->lock);
    out->last_flush_us = l->last_flush_us;
    out->last_flush_age_ms = l->last_commit.us == 0 ? -1 : (now.us - l->last_commit.us) / 1000;
    out->paused = l->paused;
    out->flushing = l->pending != NULL;
    out->backend_state = state_name(l);
    if (present_error(l) == NULL && writeback_is_starved(wb))
        out->backend_state = "no-memory";
    out->breaker = l->breaker;
    out->failures = l->failures;
    out->next_retry_ms =
        l->pending != NULL && l->retry_at.us > now.us ? (l->retry_at.us - now.us) / 1000 : 0;
    const struct err *error = present_error(l);
    out->last_error = error != NULL ? *error : l->last_error;
    lock_release(&l->lock);
}
