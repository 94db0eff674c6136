/* Whether a write may begin: memory, back-pressure, room in the journal. It may have to wait, or is
 * refused with the reason.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "config/words.h"
#include "resp/reply.h"

#include <stdio.h>
#include <stdlib.h>

enum { EFFECT_SLACK = 256 };

static const char REFUSED_JOURNAL[] =
    "MISCONF Weir cannot write its journal, so it takes no "
    "writes until it can: its disk is full or failing, see "
    "INFO writeback and the log. Reads go on, except, under "
    "journal-fsync always, those of changes that no disk has yet.";
static const char REFUSED_PRESSURE[] =
    "OOM Weir holds more unflushed data than dirty-high-watermark or journal-max-size allows: the "
    "backend takes them more slowly than they come. Try again later.";
static const char REFUSED_LETTERS[] =
    "OOM Weir holds more unflushed data than dirty-high-watermark or journal-max-size allows: the "
    "backend has refused more keys than there is room for as dead letters, and flushing waits. See "
    "WEIR BACKENDS; retry or drop some with WEIR DEADLETTER.";
static const char REFUSED_CAPTURE[] =
    "OOM Weir has no memory to keep what this key was, which is being flushed. Try again later.";
static const char REFUSED_LARGE_CAPTURE[] =
    "TRYAGAIN this key is large and is being captured for a flush, which takes unusually long. Try "
    "again later.";
static const char REFUSED_ROOM[] = "TRYAGAIN the journal's disk does not keep up. Try again later.";
static const char REFUSED_LARGE[] = "ERR the command is too large for the journal";
static const char REFUSED_FLUSHES[] =
    "TRYAGAIN too many databases were flushed and are still being removed";

enum txn_state txn_refuse(struct txn *t, const char *text)
{
    t->refusal = text;
    return TXN_REFUSED;
}

/* Refused because changes cannot leave: says what keeps them, where that is known. */
static enum txn_state refuse_held(struct txn *t, const char *text)
{
    char cause[512];
    if (!writeback_why(t->ks->wb, cause, sizeof(cause)))
        return txn_refuse(t, text);
    snprintf(t->refusal_text, sizeof(t->refusal_text), "%s %s", text, cause);
    return txn_refuse(t, t->refusal_text);
}

enum txn_state txn_hold_back(struct txn *t, struct waiter *w, enum held_by cause)
{
    static const char *const texts[] = {[HELD_BY_PRESSURE] = REFUSED_PRESSURE,
                                        [HELD_BY_LETTERS] = REFUSED_LETTERS,
                                        [HELD_BY_MAXMEMORY] = REPLY_OOM,
                                        [HELD_BY_CAPTURE] = REFUSED_CAPTURE};
    int64_t policy = option_num(OPT_backpressure_policy), now = clock_mono().us;
    bool slowed = writeback_is_slowing(t->ks->wb) && cause == HELD_BY_PRESSURE;
    if (slowed && (policy != BACKPRESSURE_DELAY || w == NULL))
        return TXN_READY;
    if (policy == BACKPRESSURE_OFF) /* memory alone refuses */
        return cause == HELD_BY_MAXMEMORY || cause == HELD_BY_CAPTURE ? refuse_held(t, texts[cause])
                                                                      : TXN_READY;
    if ((t->flags & TXN_TRY) != 0)
        return TXN_PARKED;
    bool may_wait = policy == BACKPRESSURE_DELAY && w != NULL;
    if (may_wait && w->since_us == 0) {
        w->since_us = now;
        stat_add(STAT_backpressure_delays, 1);
    }
    int64_t most_us = option_num(OPT_backpressure_max_delay_ms) * 1000;
    if (!may_wait || (now - w->since_us >= most_us && !slowed)) {
        stat_add(STAT_backpressure_refusals, 1);
        if (w != NULL)
            w->since_us = 0;
        return refuse_held(t, texts[cause]);
    }
    wait_for_relief(t->ks, w);
    return TXN_PARKED;
}

uint64_t txn_request_bytes(struct slice raw, uint32_t argc, const struct slice *argv)
{
    uint64_t bytes = raw.len + (uint64_t)argc * TXN_FRAME_BYTES;
    for (uint32_t i = 0; raw.len == 0 && i < argc; i++)
        bytes += argv[i].len + TXN_FRAME_BYTES;
    return bytes;
}

void txn_announce(struct txn *t, uint64_t bytes)
{
    t->announced = bytes;
}

/* Waits for what comes soon; *since_us is the waiter's for that. */
static enum txn_state await_soon(struct txn *t, struct waiter *w, int64_t *since_us,
                                 const char *refusal)
{
    int64_t now = clock_mono().us;
    if (*since_us == 0)
        *since_us = now;
    if (now - *since_us >= option_num(OPT_backpressure_max_delay_ms) * 1000) {
        *since_us = 0;
        return txn_refuse(t, refusal);
    }
    wait_for_relief(t->ks, w);
    return TXN_PARKED;
}

/* The journal is behind. A worker does not stand still for that: others wait for it, too. */
static enum txn_state await_room(struct txn *t, struct waiter *w)
{
    if ((t->flags & TXN_TRY) != 0)
        return TXN_PARKED;
    return await_soon(t, w, &w->room_since_us, REFUSED_ROOM);
}

/* Not for long: from now on nothing keeps the cutter from it. */
enum txn_state txn_await_capture(struct txn *t, struct waiter *w)
{
    if ((t->flags & TXN_TRY) != 0)
        return TXN_PARKED;
    if (w == NULL)
        return txn_refuse(t, REFUSED_LARGE_CAPTURE);
    return await_soon(t, w, &w->capture_since_us, REFUSED_LARGE_CAPTURE);
}

static enum txn_state admit_make_room(struct txn *t, struct waiter *w, uint64_t bytes)
{
    struct err err;
    bool removal = (t->flags & TXN_REMOVES) != 0;
    enum rc rc = removal ? journal_reserve_removal(t->ks->journal, t->producer, bytes, &err)
                         : journal_reserve(t->ks->journal, t->producer, bytes, &err);
    if (rc == RC_AGAIN && (w != NULL || (t->flags & TXN_TRY) != 0))
        return await_room(t, w);
    if (UNLIKELY(w != NULL && w->room_since_us != 0))
        w->room_since_us = 0;
    if (LIKELY(rc == RC_OK))
        return TXN_READY;
    if (rc == RC_AGAIN) /* nobody could be called */
        rc = journal_wait_room(t->ks->journal, t->producer, bytes, removal,
                               option_num(OPT_backpressure_max_delay_ms), &err);
    switch (rc) {
    case RC_OK:
        return TXN_READY;
    case RC_READONLY:
        return txn_refuse(t, REFUSED_JOURNAL);
    case RC_FULL:
        return txn_refuse(t, REFUSED_LARGE);
    default:
        return txn_refuse(t, REFUSED_ROOM);
    }
}

/* Who waited and was called may go on, others only if nobody waits. */
static bool is_admitted(struct txn *t, const struct waiter *w)
{
    struct keyspace *ks = t->ks;
    if (w != NULL && w->admitted)
        return true;
    return atomic_load_explicit(&ks->pressed_len, memory_order_relaxed) == 0 &&
           pressure_admits(ks->wb) > 0 && !pressure_runs_ahead(ks->wb, t->producer);
}

bool txn_may_flush(struct txn *t, uint32_t n)
{
    if (dbmap_free(t->ks->map) >= n)
        return true;
    t->refusal = REFUSED_FLUSHES;
    return false;
}

/* What is longer than a ring goes to the journal in memory of its own. That is filled before any
 * lock is taken. */
static bool prepare_oversize(struct txn *t)
{
    uint64_t bytes = txn_request_bytes(t->raw, t->argc, t->argv);
    if (LIKELY(bytes + t->following <= journal_ring_max(t->ks->journal, t->producer)))
        return true;
    if (t->raw.len == 0)
        return buf_try_reserve(&t->effects, bytes + t->following);
    t->raw_copy = malloc(t->raw.len);
    if (t->raw_copy != NULL)
        memcpy(t->raw_copy, t->raw.ptr, t->raw.len);
    return t->raw_copy != NULL;
}

enum txn_state txn_admit(struct txn *t, struct waiter *w)
{
    struct keyspace *ks = t->ks;
    if (journal_is_failing(ks->journal))
        return txn_refuse(t, REFUSED_JOURNAL);
    if ((t->flags & TXN_WHOLE) != 0 && !dbmap_has_room(ks->map))
        return txn_refuse(t, REFUSED_FLUSHES);
    if ((t->flags & TXN_NO_OOM) == 0) {
        enum txn_state state = TXN_READY;
        if (UNLIKELY(atomic_load_explicit(&ks->stuck, memory_order_relaxed)))
            state = writeback_dirty_keys(ks->wb) > 0 || !lane_is_idle(ks->wb)
                        ? txn_hold_back(t, w, HELD_BY_MAXMEMORY)
                        : txn_refuse(t, REPLY_OOM);
        else if (UNLIKELY(writeback_pressure(ks->wb) != PRESSURE_NONE ||
                          pressure_runs_ahead(ks->wb, t->producer)) &&
                 !is_admitted(t, w))
            state = txn_hold_back(
                t, w, writeback_letters_are_full(ks->wb) ? HELD_BY_LETTERS : HELD_BY_PRESSURE);
        if (state != TXN_READY)
            return state;
        if (w != NULL) {
            w->since_us = 0;
            w->admitted = false;
        }
    }
    enum txn_state state = admit_make_room(
        t, w, txn_request_bytes(t->raw, t->argc, t->argv) + t->following + EFFECT_SLACK);
    if (state == TXN_READY && !prepare_oversize(t))
        return txn_refuse(t, REPLY_OOM);
    return state;
}
