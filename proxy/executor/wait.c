/* WAIT and WAITAOF, and waiting for a flush.
 *
 * WAITAOF is the durability receipt: local is this host's journal, remote is the backend. remote is
 * 0 when the backend has refused or overruled something that was written since this client's last
 * receipt: its own write, or one by others in the same cuts (WEIR DEADLETTER and WEIR CONFLICTS say
 * which keys). It is said once: what was lost does not spoil the receipts of later writes.
 *
 * A wait is kept in the session while the client is parked; what wakes it is the progress of the
 * journal or the backend, or the deadline.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/wait.h"

#include "base/num.h"
#include "writeback/writeback.h"

#include <stdlib.h>

/* A wait without an end still wakes now and then, so that the session of a client that left is
 * found and freed. */
enum { WAKE_EVERY_US = 10 * 1000 * 1000 };

struct pending_wait {
    uint64_t lsn;
    uint64_t from; /* WEIR FLUSH: the first position that it is about */
    bool local, remote;
    bool never;          /* more was asked for than there is: only the deadline ends it */
    int64_t deadline_us; /* 0: none */
};

static struct pending_wait *pending_new(struct call *c, int64_t timeout_ms)
{
    struct pending_wait *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        call_out_of_memory(c);
        return NULL;
    }
    p->lsn = c->session->last_write_lsn;
    if (timeout_ms > 0)
        p->deadline_us = clock_mono().us + timeout_ms * 1000;
    session_keep(c->session, p, free);
    return p;
}

static void pending_done(struct call *c)
{
    struct session *s = c->session;
    (void)keyspace_cancel_wait(c->keyspace, &s->waiter);
    c->host->session_wake_at(s, (struct mono){0});
    free(session_take(s));
}

/* True: what was waited for is there, or the time is over. False: parked. */
static bool pending_is_over(struct call *c, struct pending_wait *p)
{
    struct session *s = c->session;
    int64_t now = clock_mono().us, wake_us = now + WAKE_EVERY_US;
    (void)keyspace_cancel_wait(c->keyspace, &s->waiter);
    if (p->deadline_us != 0 && now >= p->deadline_us)
        return true;
    if (!p->never && !keyspace_wait_lsn(c->keyspace, p->lsn, p->local, p->remote, &s->waiter))
        return true;
    if (p->deadline_us != 0 && p->deadline_us < wake_us)
        wake_us = p->deadline_us;
    c->host->session_wake_at(s, (struct mono){wake_us});
    call_park(c);
    return false;
}

static bool wait_parse_timeout(struct call *c, uint32_t i, int64_t *timeout_ms)
{
    if (!call_int(c, i, timeout_ms, "ERR timeout is not an integer or out of range"))
        return false;
    if (*timeout_ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    if (*timeout_ms > INT64_MAX / 1000 - clock_mono().us / 1000 - 1) {
        reply_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    return true;
}

/* --- WAIT: replicas, of which there are none --- */

void cmd_wait(struct call *c)
{
    int64_t replicas, timeout_ms;
    if (!call_int(c, 1, &replicas, NULL) || !wait_parse_timeout(c, 2, &timeout_ms))
        return;
    struct pending_wait *p = c->session->pending;
    if (p == NULL) {
        if (replicas <= 0 || c->source == CALL_EXEC) {
            reply_int(c->reply, 0);
            return;
        }
        p = pending_new(c, timeout_ms);
        if (p == NULL)
            return;
        p->never = true;
    }
    if (!pending_is_over(c, p))
        return;
    pending_done(c);
    reply_int(c->reply, 0);
}

/* --- WAITAOF --- */

static void reply_durability(struct call *c, uint64_t lsn)
{
    struct session *s = c->session;
    struct writeback_losses losses = {0};
    bool applied = keyspace_is_applied(c->keyspace, lsn);
    if (applied && s->first_write_lsn != 0) {
        writeback_get_losses(keyspace_writeback(c->keyspace), s->first_write_lsn, lsn, &losses);
        s->first_write_lsn = 0;
    }
    reply_array(c->reply, 2);
    reply_int(c->reply, keyspace_is_durable(c->keyspace, lsn));
    reply_int(c->reply, applied && losses.refused + losses.overruled == 0);
}

static bool parse_waitaof(struct call *c, int64_t *local, int64_t *remote, int64_t *timeout_ms)
{
    if (!call_int(c, 1, local, NULL))
        return false;
    if (*local < 0 || *local > 1) {
        reply_error(c->reply, "ERR value is out of range, value must between 0 and 1");
        return false;
    }
    if (!call_int(c, 2, remote, NULL))
        return false;
    if (*remote < 0) {
        reply_error(c->reply, "ERR value is out of range, must be positive");
        return false;
    }
    return wait_parse_timeout(c, 3, timeout_ms);
}

void cmd_waitaof(struct call *c)
{
    int64_t local, remote, timeout_ms;
    if (!parse_waitaof(c, &local, &remote, &timeout_ms))
        return;
    struct session *s = c->session;
    struct pending_wait *p = s->pending;
    if (p == NULL) {
        uint64_t lsn = s->last_write_lsn;
        bool there = (local == 0 || keyspace_is_durable(c->keyspace, lsn)) &&
                     (remote == 0 || keyspace_is_applied(c->keyspace, lsn)) && remote <= 1;
        if (there || c->source == CALL_EXEC) {
            reply_durability(c, lsn);
            return;
        }
        p = pending_new(c, timeout_ms);
        if (p == NULL)
            return;
        p->local = local > 0;
        p->remote = remote > 0;
        p->never = remote > 1;
    }
    if (!pending_is_over(c, p))
        return;
    uint64_t lsn = p->lsn;
    pending_done(c);
    reply_durability(c, lsn);
}

/* --- Flushing --- */

bool wait_flushed(struct call *c)
{
    struct writeback *wb = keyspace_writeback(c->keyspace);
    struct pending_wait *p = c->session->pending;
    if (p == NULL) {
        struct writeback_info info;
        writeback_get_info(wb, &info);
        if (info.paused) {
            char why[512] = "Flushing is paused; WEIR RESUME ends that.";
            (void)writeback_why(wb, why, sizeof(why));
            reply_errorf(c->reply, "TRYAGAIN %s", why);
            return false;
        }
        uint64_t lsn = writeback_request_flush(wb);
        if (c->source == CALL_EXEC)
            return true;
        p = pending_new(c, 0);
        if (p == NULL)
            return false;
        p->lsn = lsn;
        p->from = info.applied_lsn + 1;
        p->remote = true;
    }
    if (!pending_is_over(c, p))
        return false;
    struct writeback_losses losses;
    writeback_get_losses(wb, p->from, p->lsn, &losses);
    pending_done(c);
    if (losses.refused + losses.overruled == 0)
        return true;
    reply_errorf(c->reply,
                 "ERR flushed, but for %llu changes that the backend refuses (WEIR DEADLETTER) and "
                 "%llu that lost to changes made in it (WEIR CONFLICTS)",
                 (unsigned long long)losses.refused, (unsigned long long)losses.overruled);
    return false;
}
