/* See worker.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/worker.h"

#include "base/log.h"
#include "config/options.h"
#include "executor/attention.h"
#include "journal/journal.h"
#include "server/conn.h"
#include "server/private.h"
#include "server/pubsub.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TICK_BUDGET_US = 1000, /* housekeeping in one go ... */
    TICK_AGAIN_US = 1000,  /* ... and the pause before more of it, when it asks for that */
    SWEEP_MIN = 16,        /* connections looked at in a tick, at least */
};

/* --- The inbox: what other threads may do --- */

void worker_give_connection(struct host_worker *w, const struct accepted *a)
{
    struct inbox *in = &w->inbox;
    atomic_fetch_add_explicit(&w->clients, 1, memory_order_relaxed);
    lock_acquire(&in->lock);
    if (in->accepted_len == in->accepted_cap) {
        size_t cap = in->accepted_cap == 0 ? 16 : in->accepted_cap * 2; /* maxclients bounds it */
        struct accepted *more = realloc(in->accepted, cap * sizeof(*more));
        must(more != NULL);
        in->accepted = more;
        in->accepted_cap = cap;
    }
    in->accepted[in->accepted_len++] = *a;
    lock_release(&in->lock);
    ev_async_send(w->loop, &w->wake);
}

void worker_give_job(struct host_worker *w, struct worker_job *job)
{
    struct inbox *in = &w->inbox;
    struct worker_job_ref *ref = malloc(sizeof(*ref));
    must(ref != NULL);
    *ref = (struct worker_job_ref){.job = job};
    lock_acquire(&in->lock);
    if (in->jobs_tail != NULL)
        in->jobs_tail->next = ref;
    else
        in->jobs_head = ref;
    in->jobs_tail = ref;
    lock_release(&in->lock);
    ev_async_send(w->loop, &w->wake);
}

void worker_give_ready(struct host_worker *w, struct conn *c)
{
    struct inbox *in = &w->inbox;
    lock_acquire(&in->lock);
    bool news = !c->in_ready;
    if (news) {
        c->in_ready = true;
        c->ready_next = NULL;
        if (in->ready_tail != NULL)
            in->ready_tail->ready_next = c;
        else
            in->ready_head = c;
        in->ready_tail = c;
    }
    lock_release(&in->lock);
    if (news)
        ev_async_send(w->loop, &w->wake);
}

void worker_order(struct host_worker *w, enum worker_order order)
{
    lock_acquire(&w->inbox.lock);
    w->inbox.orders |= order;
    lock_release(&w->inbox.lock);
    ev_async_send(w->loop, &w->wake);
}

/* --- The inbox: the worker's end --- */

static void take_accepted(struct host_worker *w)
{
    struct inbox *in = &w->inbox;
    lock_acquire(&in->lock);
    struct accepted *list = in->accepted;
    size_t len = in->accepted_len;
    in->accepted = NULL;
    in->accepted_len = in->accepted_cap = 0;
    lock_release(&in->lock);
    for (size_t i = 0; i < len; i++)
        conn_open(w, &list[i]);
    free(list);
}

static void take_ready(struct host_worker *w)
{
    struct inbox *in = &w->inbox;
    for (;;) {
        lock_acquire(&in->lock);
        struct conn *c = in->ready_head;
        if (c != NULL) {
            in->ready_head = c->ready_next;
            if (in->ready_head == NULL)
                in->ready_tail = NULL;
            c->in_ready = false;
        }
        lock_release(&in->lock);
        if (c == NULL)
            return;
        conn_resume(c);
    }
}

static void take_jobs(struct host_worker *w)
{
    struct inbox *in = &w->inbox;
    lock_acquire(&in->lock);
    struct worker_job_ref *ref = in->jobs_head;
    in->jobs_head = in->jobs_tail = NULL;
    lock_release(&in->lock);
    while (ref != NULL) {
        struct worker_job_ref *next = ref->next;
        struct worker_job *job = ref->job;
        free(ref);
        job->fn(job->arg, w);
        if (atomic_fetch_sub_explicit(&job->remaining, 1, memory_order_acq_rel) == 1) {
            struct waiter *done = job->done;
            free(job);
            done->ready(done);
        }
        ref = next;
    }
}

static void worker_serve(struct host_worker *w)
{
    w->keyspace = server_keyspace(w->server);
    w->journal = keyspace_journal(w->keyspace);
    command_worker_attach(w->commands, w->keyspace);
    server_count_serving(w->server);
}

static void quiesce(struct host_worker *w)
{
    if (w->quiet)
        return;
    w->quiet = true;
    if (w->number == 0)
        acceptor_stop(server_acceptor(w->server));
    for (struct conn *c = w->all; c != NULL; c = c->all_next)
        conn_quiesce(c);
}

static void on_inbox(struct ev_loop *loop, ev_async *async, int events)
{
    (void)async;
    (void)events;
    struct host_worker *w = ev_userdata(loop);
    lock_acquire(&w->inbox.lock);
    unsigned orders = w->inbox.orders;
    w->inbox.orders = 0;
    lock_release(&w->inbox.lock);
    if (orders & WORKER_SERVE)
        worker_serve(w);
    if (orders & WORKER_ACCEPT)
        acceptor_open_door(server_acceptor(w->server));
    if (orders & WORKER_LISTEN)
        acceptor_take_change(server_acceptor(w->server));
    if (orders & WORKER_QUIESCE)
        quiesce(w);
    take_accepted(w);
    pubsub_deliver(w);
    take_jobs(w);
    take_ready(w);
    if (orders & WORKER_STOP)
        w->stopped = true;
}

/* --- The turn --- */

struct mono worker_now(struct host_worker *w)
{
    if (!w->now_known) {
        w->now = clock_mono();
        w->now_known = true;
    }
    return w->now;
}

void worker_lend(struct host_worker *w, struct buf *out)
{
    if (out->data == NULL && w->spares_len > 0)
        *out = w->spares[--w->spares_len];
}

void worker_take_back(struct host_worker *w, struct buf *out)
{
    slow_must(out->len == 0);
    if (out->data == NULL)
        return;
    if (w->spares_len < WORKER_SPARES && out->cap <= WORKER_SPARE_BYTES) {
        w->spares[w->spares_len++] = *out;
        *out = (struct buf){0};
    } else {
        buf_fini(out);
    }
}

static void read_arrived(struct host_worker *w)
{
    struct conn *c = w->arrived;
    w->arrived = NULL;
    while (c != NULL) {
        struct conn *next = c->arrived_next;
        conn_read(c);
        c = next;
    }
}

/* The first to be queued run first, and those that are left when the turn has moved much are the
 * first of the next one. What is queued meanwhile is for the next turn, too. */
static void run_runnable(struct host_worker *w)
{
    struct conn *c, *last = w->runnable_last;
    do {
        c = w->runnable;
        w->runnable = c->runnable_next;
        c->flags &= ~(unsigned)CONN_IN_RUNNABLE;
        conn_run_on(c);
    } while (c != last && w->turn_bytes <= WORKER_TURN_BYTES);
}

static void flush_all(struct host_worker *w)
{
    struct conn *c = w->flush;
    w->flush = NULL;
    while (c != NULL) {
        struct conn *next = c->flush_next;
        c->flags &= ~(unsigned)CONN_IN_FLUSH;
        output_flush(c);
        c = next;
    }
}

/* A connection that is still on a list of the next turn is closed at the end of that one. */
static void reap_all(struct host_worker *w)
{
    struct conn *c = w->reap;
    w->reap = NULL;
    while (c != NULL) {
        struct conn *next = c->reap_next;
        if ((c->flags & (CONN_IN_RUNNABLE | CONN_IN_FLUSH)) != 0) {
            c->reap_next = w->reap;
            w->reap = c;
        } else {
            conn_reap(c);
        }
        c = next;
    }
}

static void publish_stats(struct host_worker *w)
{
    for (size_t i = 0; i < STAT_COUNT; i++) {
        if (w->stat[i] == 0)
            continue;
        stat_add((enum stat_id)i, w->stat[i]);
        w->stat[i] = 0;
    }
}

static void worker_end_turn(struct host_worker *w)
{
    read_arrived(w);
    if (w->runnable != NULL)
        run_runnable(w);
    if (UNLIKELY(w->published))
        pubsub_end_command(w, NULL);
    if (w->ran && w->journal != NULL)
        journal_kick(w->journal);
    monitor_post(w->commands);
    withheld_release(w);
    flush_all(w);
    limits_enforce(w);
    if (w->reap != NULL)
        reap_all(w);
    publish_stats(w);
    w->ran = false;
    w->now_known = false;
    w->turn_bytes = 0;
    w->turn++;
}

/* --- The timer --- */

/* Looks at a part of the connections, so that each comes up about once a second. */
static void worker_sweep(struct host_worker *w, int64_t hz)
{
    int64_t timeout_s = option_num(OPT_timeout);
    uint64_t n = atomic_load_explicit(&w->clients, memory_order_relaxed) / (uint64_t)hz;
    n = max_u64(n, SWEEP_MIN);
    if (w->sweep == NULL)
        w->sweep = w->all;
    while (w->sweep != NULL && n-- > 0) {
        struct conn *c = w->sweep;
        struct host_session_info info;
        w->sweep = c->all_next;
        server_session_info(&c->session, &info);
        w->pending_input_bytes += info.query_buffer + info.query_buffer_free;
        w->pending_output_bytes += info.output_bytes;
        w->pending_client_bytes += info.memory_bytes;
        conn_sweep(c, timeout_s);
    }
    if (w->sweep == NULL) {
        atomic_store_explicit(&w->input_bytes, w->pending_input_bytes, memory_order_relaxed);
        atomic_store_explicit(&w->output_bytes, w->pending_output_bytes, memory_order_relaxed);
        atomic_store_explicit(&w->client_bytes, w->pending_client_bytes, memory_order_relaxed);
        w->pending_input_bytes = w->pending_output_bytes = w->pending_client_bytes = 0;
    }
}

static void housekeep(struct host_worker *w)
{
    if (w->keyspace == NULL)
        return;
    keyspace_hold_expiry(w->keyspace, pause_now(NULL) != PAUSE_NONE);
    bool again = keyspace_tick(w->keyspace, command_worker_txn(w->commands), w->number,
                               server_workers(w->server), TICK_BUDGET_US);
    if (again && !ev_is_active(&w->again)) {
        ev_timer_set(&w->again, TICK_AGAIN_US / 1e6, 0.);
        ev_timer_start(w->loop, &w->again);
    }
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
    housekeep(ev_userdata(loop));
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct host_worker *w = ev_userdata(loop);
    int64_t hz = option_num(OPT_hz);
    worker_sweep(w, hz);
    withheld_tick(w);
    housekeep(w);
    atomic_fetch_add_explicit(&w->ticks, 1, memory_order_relaxed);
    if (w->number == 0)
        server_sample(w->server, worker_now(w));
    timer->repeat = 1. / (double)hz;
    ev_timer_again(loop, timer);
}

/* --- Life --- */

void worker_init(struct host_worker *w, struct server *s, uint32_t number)
{
    w->server = s;
    w->number = number;
    lock_init(&w->inbox.lock);
    atomic_init(&w->withheld_lsn, UINT64_MAX);
    w->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    must(w->loop != NULL);
    ev_set_userdata(w->loop, w);
    w->input = malloc(WORKER_INPUT_BYTES);
    must(w->input != NULL);
    ev_async_init(&w->wake, on_inbox);
    ev_async_start(w->loop, &w->wake);
    ev_timer_init(&w->tick, on_tick, 0., 0.1);
    ev_timer_start(w->loop, &w->tick);
    ev_timer_init(&w->again, on_again, 0., 0.);
}

static void close_all(struct host_worker *w)
{
    while (w->all != NULL) {
        struct conn *c = w->all;
        output_flush(c);
        conn_doom(c);
        c->flags &= ~(unsigned)(CONN_IN_RUNNABLE | CONN_IN_FLUSH);
        w->runnable = w->flush = w->reap = NULL;
        conn_reap(c);
    }
    publish_stats(w);
}

static void *worker_run(void *arg)
{
    struct host_worker *w = arg;
    pubsub_attach(w);
    /* Without a keyspace it runs what may run while loading, and refuses the rest. */
    w->commands = command_worker_new(NULL, server_host(w->server), w->number);
    while (!w->stopped) {
        ev_run(w->loop, w->runnable != NULL ? EVRUN_NOWAIT : EVRUN_ONCE);
        worker_end_turn(w);
    }
    close_all(w);
    return NULL;
}

void worker_start(struct host_worker *w)
{
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", w->number);
    thread_start(&w->thread, name, 0, worker_run, w);
}

void worker_join(struct host_worker *w)
{
    must(pthread_join(w->thread, NULL) == 0);
    command_worker_free(&w->commands);
}

void worker_fini(struct host_worker *w)
{
    conn_free_pool(w);
    while (w->spares_len > 0)
        buf_fini(&w->spares[--w->spares_len]);
    ev_timer_stop(w->loop, &w->tick);
    ev_timer_stop(w->loop, &w->again);
    ev_async_stop(w->loop, &w->wake);
    ev_loop_destroy(w->loop);
    for (size_t i = 0; i < w->inbox.accepted_len; i++)
        close(w->inbox.accepted[i].fd);
    free(w->inbox.accepted);
    free(w->input);
    lock_fini(&w->inbox.lock);
}
