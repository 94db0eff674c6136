/* Serving clients that wait: the worker that has committed what they wait for runs their commands,
 * as a session of its own. See blocked.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/blocked_call.h"
#include "executor/worker.h"

#include <stdlib.h>

static struct session *serving_session(struct command_worker *w)
{
    if (w->serving == NULL) {
        w->serving = calloc(1, sizeof(*w->serving));
        must(w->serving != NULL);
        session_init(w->serving, 0);
    }
    return w->serving;
}

static void serve_settle(struct blocked_call *b, enum block_state state)
{
    struct waiter *waiter = b->base.waiter; /* the owner may free b as soon as it sees the state */
    atomic_store(&b->base.state, (int)state);
    waiter->ready(waiter);
}

/* The reply of the session becomes the client's. */
static void serve_hand_over(struct session *s, struct blocked_call *b)
{
    b->reply = s->reply;
    b->depends_lsn = s->depends_lsn;
    b->last_write_lsn = s->last_write_lsn;
    reply_init(&s->reply);
    serve_settle(b, BLOCK_SERVED);
}

static void serve_one(struct command_worker *w, struct blocked_call *b)
{
    struct session *s = serving_session(w);
    uint64_t begin = w->last_ticks;
    s->db = b->db;
    s->reply.proto = b->proto;
    s->depends_lsn = s->last_write_lsn = 0;
    const struct request r = {.argc = b->argc, .argv = b->argv};
    struct call c = worker_call(w, s, b->command, &r, CALL_SERVING);
    c.txn = w->txn;
    c.serving = b;
    int found = worker_find_keys(w, b->command, b->db, &r, 0);
    enum txn_state state = TXN_PARKED; /* no memory for the keys: its own worker says so */
    if (found >= 0)
        state =
            txn_begin(w->txn, w->keys, (uint32_t)found, worker_txn_flags(b->command, s) | TXN_TRY,
                      (struct slice){NULL, 0}, b->argc, b->argv, NULL);
    if (state == TXN_PARKED) {
        serve_settle(b, BLOCK_AGAIN);
        return;
    }
    if (state == TXN_REFUSED) {
        worker_reject(w, s, b->command, txn_refusal(w->txn));
        serve_hand_over(s, b);
        return;
    }
    c.keys_len = (uint32_t)found;
    b->command->run(&c);
    worker_commit(w, s, true);
    if (!c.parked) {
        worker_account(w, &c, begin);
        serve_hand_over(s, b);
    } else if (c.serving != NULL) {
        b->base.waiter->ready(b->base.waiter);
    }
}

void blocking_serve(struct command_worker *w)
{
    struct block_ready *ready = txn_take_ready(w->txn);
    while (ready != NULL) {
        struct blocked *claimed;
        while ((claimed = block_claim(w->ks, ready)) != NULL)
            serve_one(w, (struct blocked_call *)claimed);
        struct block_ready *done = ready;
        ready = ready->next;
        free(done);
        struct block_ready **last = &ready; /* what serving has made ready comes last */
        while (*last != NULL)
            last = &(*last)->next;
        *last = txn_take_ready(w->txn);
    }
}
