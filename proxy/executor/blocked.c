/* See blocked.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/blocked_call.h"

#include "base/num.h"
#include "executor/worker.h"

#include <math.h>
#include <stdlib.h>

/* --- Waiting --- */

bool call_timeout(struct call *c, uint32_t i, int64_t *timeout_ms)
{
    long double seconds;
    if (!num_parse_long_double(c->argv[i], &seconds) || isnan(seconds)) {
        reply_error(c->reply, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = ceill(seconds * 1000);
    if (ms > (long double)(INT64_MAX / 1000 - clock_mono().us / 1000 - 1)) {
        reply_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *timeout_ms = (int64_t)ms;
    return true;
}

static void reply_nothing(struct reply *r, enum block_null null)
{
    if (null == BLOCK_NULL_ARRAY)
        reply_null_array(r);
    else
        reply_null(r);
}

static struct blocked_call *blocked_new(const struct call *c)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < c->argc; i++)
        bytes += c->argv[i].len;
    struct blocked_call *b = malloc(sizeof(*b) + c->argc * sizeof(*b->argv) + bytes);
    if (b == NULL)
        return NULL;
    *b = (struct blocked_call){
        .base = {.waiter = &c->session->waiter},
        .command = c->command,
        .host = c->host,
        .db = c->session->db,
        .proto = c->reply->proto,
        .argc = c->argc,
    };
    char *at = (char *)(b->argv + c->argc);
    for (uint32_t i = 0; i < c->argc; i++) {
        if (c->argv[i].len > 0)
            memcpy(at, c->argv[i].ptr, c->argv[i].len);
        b->argv[i] = slice_of(at, c->argv[i].len);
        at += c->argv[i].len;
    }
    return b;
}

static bool blocked_is_over(const struct blocked_call *b)
{
    return b->unblock != UNBLOCK_NO || (b->deadline.us != 0 && clock_mono().us >= b->deadline.us);
}

/* Somebody else's worker found nothing after all: the client goes on waiting. After the commit it
 * is out of our hands, unless its owner wants it back: `c->parked` tells the server which. */
static void block_again_for(struct call *c, uint32_t keys_len)
{
    struct blocked_call *b = c->serving;
    bool recalled;
    must(block_wait(c->txn, c->key, keys_len, &b->base, &recalled));
    c->parked = true;
    if (!recalled)
        c->serving = NULL;
}

void call_block(struct call *c, uint32_t keys_len, enum value_type type, int64_t timeout_ms,
                enum block_null null)
{
    struct session *s = c->session;
    if (c->serving != NULL) {
        block_again_for(c, keys_len);
        return;
    }
    struct blocked_call *b = s->blocked;
    if (c->source == CALL_EXEC || s->waiter.ready == NULL || (b != NULL && blocked_is_over(b))) {
        reply_nothing(c->reply, null);
        return;
    }
    if (b == NULL) {
        b = blocked_new(c);
        if (b == NULL) {
            call_out_of_memory(c);
            return;
        }
        b->base.type = type;
        b->null = null;
        if (timeout_ms > 0)
            b->deadline.us = clock_mono().us + timeout_ms * 1000;
    }
    bool recalled;
    struct mono deadline = b->deadline; /* once it waits, others may serve and so change it */
    if (!block_wait(c->txn, c->key, keys_len, &b->base, &recalled)) {
        free(b);
        call_out_of_memory(c);
        return;
    }
    must(!recalled); /* only the owner recalls, and that is this thread */
    s->blocked = b;
    c->host->session_wake_at(s, deadline);
    call_park(c);
}

/* --- The owner's end --- */

void blocking_end(struct session *s)
{
    struct blocked_call *b = s->blocked;
    s->blocked = NULL;
    block_leave(&b->base);
    reply_fini(&b->reply);
    free(b);
}

/* Its time is over, or CLIENT UNBLOCK ended it: the command ends here, and is counted here. */
static void reply_unserved(struct command_worker *w, struct session *s, struct blocked_call *b)
{
    const struct request r = {.argc = b->argc, .argv = b->argv};
    const struct call c = worker_call(w, s, b->command, &r, CALL_CLIENT);
    uint64_t begin = w->last_ticks;
    if (b->unblock == UNBLOCK_ERROR)
        reply_error(&s->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else
        reply_nothing(&s->reply, b->null);
    worker_account(w, &c, begin);
}

enum blocked_step blocking_resume(struct command_worker *w, struct session *s)
{
    struct blocked_call *b = s->blocked;
    int state = atomic_load(&b->base.state);
    must(state != BLOCK_WAITING && state != BLOCK_SERVING);
    if (state == BLOCK_AGAIN && !blocked_is_over(b)) {
        atomic_store(&b->base.overdue, false);
        return BLOCKED_RUN;
    }
    if (state == BLOCK_SERVED) {
        must(b->reply.refs_len == 0);
        reply_raw(&s->reply, slice_of(b->reply.buf.data, b->reply.buf.len));
        if (b->depends_lsn > s->depends_lsn)
            s->depends_lsn = b->depends_lsn;
        session_note_write(s, b->last_write_lsn);
    } else {
        reply_unserved(w, s, b);
    }
    blocking_end(s);
    return BLOCKED_REPLIED;
}

void blocking_expire(struct session *s)
{
    if (s->blocked != NULL && block_recall(&s->blocked->base))
        s->waiter.ready(&s->waiter);
}

bool blocking_unblock(struct session *s, bool with_error)
{
    struct blocked_call *b = s->blocked;
    int state = b == NULL ? BLOCK_SERVED : atomic_load(&b->base.state);
    if ((state != BLOCK_WAITING && state != BLOCK_AGAIN) || b->unblock != UNBLOCK_NO)
        return false;
    b->unblock = with_error ? UNBLOCK_ERROR : UNBLOCK_TIMEOUT;
    if (block_recall(&b->base))
        s->waiter.ready(&s->waiter);
    return true;
}

bool blocking_abandon(struct session *s)
{
    return block_recall(&s->blocked->base);
}
