/* A connection's life: bytes come in, become requests, are run, and their replies go out.
 *
 *            recv                       resp_parse                command_run
 *   socket ───────> worker's buffer ───────────────> requests ──────────────> session.reply
 *     │  ╲             │  ▲                             │                         │
 *     │   ╲            ▼  │ a rest of a request         │ a key must be loaded:   │ end of
 *     │    ╲          conn.in                           ▼ the request is kept     │ the turn
 *     │     ╲                                        PARKED                       │
 *     │      ╲──> blob of a big argument                │ its waiter has called   ▼
 *     │           (no copy)                             └──> run again       output_flush
 *     └<──────────────────────────── send / sendmsg ──────────────────────────────┘
 *
 * - One recv per readiness and no probing for EAGAIN: a level-triggered loop comes back.
 * - An idle connection holds neither an input nor an output buffer.
 * - One turn runs at most WORKER_TURN_REQUESTS of a connection, and fewer once all connections have
 *   replied and written WORKER_TURN_BYTES in it; what is left is run in the next.
 * - Nothing here frees a connection that a caller further up may still hold: conn_doom() puts it
 *   on a list, and the end of the turn closes it. A parked one stays until its waiter has called.
 * - A client may shut down its side and still read: it gets what it asked for, then the close.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/conn.h"

#include "base/log.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/blocked.h"
#include "server/pubsub.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    RUN_BARRED = CONN_PARKED | CONN_PAUSED | CONN_HELD | CONN_CLOSING | CONN_DOOMED | CONN_GONE
};

static _Atomic uint64_t next_id = 1;

/* --- Closing --- */

void conn_doom(struct conn *c)
{
    if ((c->flags & (CONN_DOOMED | CONN_GONE)) != 0)
        return;
    c->flags |= CONN_DOOMED;
    c->reap_next = c->worker->reap;
    c->worker->reap = c;
}

void conn_cut(struct conn *c)
{
    if ((c->flags & (CONN_DOOMED | CONN_GONE)) == 0)
        (void)shutdown(c->session.fd, SHUT_RDWR);
    conn_doom(c);
}

void conn_close_after_output(struct conn *c)
{
    c->flags |= CONN_CLOSING;
    c->session.flags |= SESSION_CLOSE_AFTER_REPLY;
    output_queue(c);
}

void conn_close_when_done(struct conn *c)
{
    if (output_len(c) > 0 || c->marks_len > 0)
        return;
    if ((c->flags & CONN_CLOSING) != 0 || (c->flags & (CONN_EOF | CONN_PARKED | CONN_PAUSED |
                                                       CONN_HELD | CONN_IN_RUNNABLE)) == CONN_EOF)
        conn_doom(c);
}

static void close_socket(struct conn *c)
{
    struct host_worker *w = c->worker;
    ev_io_stop(w->loop, &c->readable);
    ev_io_stop(w->loop, &c->writable);
    close(c->session.fd);
    c->session.fd = -1;
    withheld_forget(c);
    limits_forget(c);
    pubsub_forget(c);
    if (w->sweep == c)
        w->sweep = c->all_next;
    if (c->all_prev != NULL)
        c->all_prev->all_next = c->all_next;
    else
        w->all = c->all_next;
    if (c->all_next != NULL)
        c->all_next->all_prev = c->all_prev;
    atomic_fetch_sub_explicit(&w->clients, 1, memory_order_relaxed);
}

static void gone_unlink(struct conn *c)
{
    if (c->all_prev != NULL)
        c->all_prev->all_next = c->all_next;
    else
        c->worker->gone = c->all_next;
    if (c->all_next != NULL)
        c->all_next->all_prev = c->all_prev;
}

/* The struct goes to the worker's pool, not to the allocator: a waiter that calls once too often,
 * or too late, then finds a connection that is not parked, and nothing happens. */
static void conn_free(struct conn *c)
{
    struct host_worker *w = c->worker;
    ev_timer_stop(w->loop, &c->wake);
    command_leave(&c->session);
    session_fini(&c->session, w->keyspace);
    resp_parser_free(&c->parser);
    request_free(&c->waiting);
    buf_fini(&c->in);
    c->flags = CONN_GONE;
    c->all_next = w->idle_pool;
    w->idle_pool = c;
}

void conn_reap(struct conn *c)
{
    struct host_worker *w = c->worker;
    must((c->flags & (CONN_DOOMED | CONN_GONE)) == CONN_DOOMED);
    close_socket(c);
    c->flags = (c->flags & CONN_PARKED) | CONN_GONE;
    if (c->flags & CONN_PARKED) {
        atomic_fetch_sub_explicit(&w->blocked, 1, memory_order_relaxed);
        struct session *s = &c->session;
        bool is_free = (s->flags & SESSION_POSTPONED) != 0;
        if (!is_free)
            is_free = s->blocked != NULL
                          ? blocking_abandon(s)
                          : w->keyspace != NULL && keyspace_cancel_wait(w->keyspace, &s->waiter);
        if (!is_free) {
            c->all_prev = NULL;
            c->all_next = w->gone;
            if (w->gone != NULL)
                w->gone->all_prev = c;
            w->gone = c;
            return;
        }
    }
    conn_free(c);
}

void conn_end_waits(struct host_worker *w)
{
    for (struct conn *c = w->gone; c != NULL; c = c->all_next) {
        if (c->session.blocked != NULL)
            blocking_end(&c->session);
    }
}

void conn_free_pool(struct host_worker *w)
{
    w->keyspace = NULL;
    while (w->gone != NULL) {
        struct conn *c = w->gone;
        gone_unlink(c);
        conn_free(c);
    }
    while (w->idle_pool != NULL) {
        struct conn *c = w->idle_pool;
        w->idle_pool = c->all_next;
        free(c);
    }
}

/* --- Running --- */

void conn_queue_run(struct conn *c)
{
    if ((c->flags & (CONN_IN_RUNNABLE | CONN_GONE)) != 0)
        return;
    struct host_worker *w = c->worker;
    c->flags |= CONN_IN_RUNNABLE;
    c->runnable_next = NULL;
    if (w->runnable == NULL)
        w->runnable = c;
    else
        w->runnable_last->runnable_next = c;
    w->runnable_last = c;
}

/* Keeps the request until its waiter calls. */
static void conn_park(struct conn *c, struct request *r)
{
    struct host_worker *w = c->worker;
    c->flags |= CONN_PARKED;
    c->session.flags |= SESSION_PARKED;
    atomic_fetch_add_explicit(&w->blocked, 1, memory_order_relaxed);
    if (r == c->waiting)
        return;
    c->waiting = request_detach(r);
    if (c->waiting == NULL) {
        log_line(LOG_WARNING, "client %s closed: no memory to keep its request", c->session.addr);
        conn_doom(c);
    }
}

/* Runs one request and notes what its reply depends on. False: no more of this connection now. */
static bool run_one(struct conn *c, struct request *r, int slot)
{
    struct host_worker *w = c->worker;
    struct session *s = &c->session;
    size_t buf_len = s->reply.buf.len;
    uint32_t refs_len = s->reply.refs_len;
    enum run_result result = command_run(w->commands, s, r, slot);
    if (UNLIKELY(s->depends_lsn != 0)) {
        withheld_add(c, c->stream_sent + output_len_at(c, buf_len, refs_len), s->depends_lsn);
        s->depends_lsn = 0;
    }
    if (UNLIKELY(w->published))
        pubsub_end_command(w, c);
    if (UNLIKELY(s->reply.over))
        output_take_back(c, buf_len);
    if (UNLIKELY(r->blobs != NULL) && result != RUN_PARKED)
        request_drop_blobs(r);
    if (UNLIKELY(result == RUN_PARKED))
        conn_park(c, r);
    else if (UNLIKELY(result == RUN_CLOSE || (s->flags & SESSION_CLOSE_AFTER_REPLY) != 0))
        conn_close_after_output(c);
    return (c->flags & RUN_BARRED) == 0;
}

/* Runs the worker's first n requests; returns how many were run. */
static size_t run_batch(struct conn *c, size_t n)
{
    struct host_worker *w = c->worker;
    struct reply *reply = &c->session.reply;
    w->ran = true;
    if (UNLIKELY(atomic_load_explicit(&w->has_mail, memory_order_relaxed)))
        pubsub_deliver(w);
    if (n > 1)
        command_prefetch(w->commands, &c->session, w->requests, n);
    uint64_t before = reply->appended, large = before + worker_slice(w, CONN_REPLY_LARGE);
    size_t ran = 0;
    output_limit_replies(c);
    while (ran < n) {
        bool more = run_one(c, &w->requests[ran], n > 1 ? (int)ran : -1);
        ran++;
        if (!more || reply->appended > large)
            break;
    }
    reply->limit = 0;
    w->turn_bytes += reply->appended - before;
    return ran;
}

static void protocol_error(struct conn *c)
{
    const char *text = resp_parser_error(c->parser);
    log_line(LOG_VERBOSE, "client %s: %s", c->session.addr, text);
    reply_errorf(&c->session.reply, "ERR %s", text);
    worker_count(c->worker, STAT_total_error_replies, 1);
    conn_close_after_output(c);
}

static void limits_for(const struct conn *c, struct resp_limits *out)
{
    out->authenticated = !session_is_untrusted(&c->session);
    out->argc_max = out->authenticated ? INT32_MAX : 10;
    out->bulk_len_max = out->authenticated ? (uint64_t)option_num(OPT_proto_max_bulk_len) : 16384;
}

/* Between two batches: what is long is written now, what is too much ends or pauses the client. */
static void check_output(struct conn *c)
{
    size_t early = session_is_untrusted(&c->session) ? CONN_UNTRUSTED_OUTPUT_MAX : CONN_WRITE_EARLY;
    if (LIKELY(c->session.reply.buf.len < early && c->session.reply.refs_len == 0))
        return;
    monitor_post(c->worker->commands); /* before replies leave */
    if (!ev_is_active(&c->writable))
        output_flush(c);
    output_check_limit(c, false);
}

/* Runs what is complete in in[0..len) and returns how many bytes are done with. */
static size_t run_input(struct conn *c, const char *in, size_t len)
{
    struct host_worker *w = c->worker;
    size_t done = 0, ran_total = 0;
    worker_lend(w, &c->session.reply.buf);
    while ((c->flags & RUN_BARRED) == 0) {
        struct resp_limits limits;
        limits_for(c, &limits);
        size_t used = 0;
        enum resp_status status;
        size_t n = resp_parse(c->parser, &limits, in + done, len - done, w->requests,
                              limits.authenticated ? WORKER_BATCH : 1, &used, &status);
        size_t ran = n > 0 ? run_batch(c, n) : 0;
        if (UNLIKELY(ran < n)) {
            done += w->requests[ran - 1].end;
        } else {
            done += used;
            if (status == RESP_ERROR && (c->flags & RUN_BARRED) == 0)
                protocol_error(c);
            if (status == RESP_MORE)
                break;
        }
        check_output(c);
        ran_total += ran;
        bool turn_is_full = ran_total >= WORKER_TURN_REQUESTS || w->turn_bytes > WORKER_TURN_BYTES;
        if (turn_is_full && (c->flags & RUN_BARRED) == 0) {
            conn_queue_run(c);
            break;
        }
    }
    if (LIKELY(c->session.reply.buf.len > 0))
        output_queue(c);
    else
        worker_take_back(w, &c->session.reply.buf);
    return (c->flags & CONN_CLOSING) != 0 ? len : done;
}

static bool over_query_limit(struct conn *c)
{
    uint64_t held = c->in.len - c->in_head + resp_parser_memory(c->parser);
    uint64_t max = (uint64_t)option_num(OPT_client_query_buffer_limit);
    if (session_is_untrusted(&c->session))
        max = min_u64(max, CONN_UNTRUSTED_INPUT_MAX);
    if (LIKELY(held <= max))
        return false;
    worker_count(c->worker, STAT_client_query_buffer_limit_disconnections, 1);
    log_line(LOG_WARNING, "client %s closed: %llu bytes of requests exceed %s", c->session.addr,
             (unsigned long long)held,
             max == CONN_UNTRUSTED_INPUT_MAX ? "what it may send before AUTH"
                                             : "client-query-buffer-limit");
    conn_doom(c);
    return true;
}

static void out_of_memory(struct conn *c)
{
    log_line(LOG_WARNING, "client %s closed: out of memory for its input", c->session.addr);
    conn_doom(c);
}

/* Keeps rest[0..len) for the next read. It may lie in c->in. */
static void keep_rest(struct conn *c, const char *rest, size_t len)
{
    if (LIKELY(len == 0)) {
        if (UNLIKELY(c->in.data != NULL))
            buf_fini(&c->in);
        c->in_head = 0;
        return;
    }
    if (c->in.data != NULL && rest >= c->in.data && rest < c->in.data + c->in.cap) {
        c->in_head = (size_t)(rest - c->in.data);
        if (c->in_head > len) { /* moves less than was used up since the last move */
            memmove(c->in.data, rest, len);
            c->in.len = len;
            c->in_head = 0;
        }
        return;
    }
    c->in.len = c->in_head = 0;
    if (!buf_try_reserve(&c->in, len)) {
        out_of_memory(c);
        return;
    }
    memcpy(c->in.data, rest, len);
    c->in.len = len;
}

static void run_kept(struct conn *c)
{
    size_t len = c->in.len - c->in_head;
    const char *in = len > 0 ? c->in.data + c->in_head : c->worker->input;
    size_t done = run_input(c, in, len);
    keep_rest(c, in + done, len - done);
}

void conn_run_on(struct conn *c)
{
    if ((c->flags & RUN_BARRED) == 0 && !c->worker->quiet) {
        run_kept(c);
        conn_update_reading(c);
    }
    if ((c->flags & CONN_EOF) != 0)
        output_queue(c);
    conn_note_memory(c);
}

void conn_resume(struct conn *c)
{
    struct host_worker *w = c->worker;
    if ((c->flags & CONN_PARKED) == 0)
        return;
    c->flags &= ~(unsigned)CONN_PARKED;
    c->session.flags &= ~(unsigned)SESSION_PARKED;
    ev_timer_stop(w->loop, &c->wake);
    if ((c->flags & CONN_GONE) != 0) {
        gone_unlink(c);
        conn_free(c);
        return;
    }
    atomic_fetch_sub_explicit(&w->blocked, 1, memory_order_relaxed);
    if ((c->flags & CONN_DOOMED) != 0)
        return;
    w->ran = true;
    worker_lend(w, &c->session.reply.buf);
    output_limit_replies(c);
    bool more = run_one(c, c->waiting, -1);
    c->session.reply.limit = 0;
    if ((c->flags & CONN_PARKED) == 0)
        request_free(&c->waiting);
    output_queue(c); /* which notes the memory, too */
    if (more)
        conn_run_on(c);
}

/* --- Reading --- */

void conn_update_reading(struct conn *c)
{
    if ((c->flags & (RUN_BARRED | CONN_EOF)) == 0 && !c->worker->quiet &&
        !ev_is_active(&c->readable))
        ev_io_start(c->worker->loop, &c->readable);
}

void conn_quiesce(struct conn *c)
{
    ev_io_stop(c->worker->loop, &c->readable);
}

static void got_bytes(struct conn *c, size_t n)
{
    struct host_worker *w = c->worker;
    worker_count(w, STAT_total_net_input_bytes, n);
    worker_count(w, STAT_total_reads_processed, 1);
    c->session.bytes_in += n;
    c->session.last_active_at = worker_now(w);
}

/* A client that waits for a key must be known to have gone before an element is handed to it. What
 * it has sent since is read ahead, within a bound, so that its end is seen. */
static void watch_for_end(struct conn *c)
{
    if (c->in.len - c->in_head >= CONN_READ_AHEAD_MAX ||
        !buf_try_reserve(&c->in, CONN_READ_AHEAD_MAX)) {
        ev_io_stop(c->worker->loop, &c->readable);
        return;
    }
    ssize_t n = recv(c->session.fd, c->in.data + c->in.len, CONN_READ_AHEAD_MAX, MSG_DONTWAIT);
    if (n > 0) {
        got_bytes(c, (size_t)n);
        c->in.len += (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        conn_doom(c);
    }
}

/* Nothing may be read now. The watcher stays on until there is something: most waits are over
 * before the client sends more. */
static void on_unwanted(struct conn *c)
{
    char byte;
    if (c->session.blocked != NULL) {
        watch_for_end(c);
        return;
    }
    ev_io_stop(c->worker->loop, &c->readable);
    if (recv(c->session.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno != EAGAIN &&
        errno != EWOULDBLOCK && errno != EINTR)
        conn_doom(c); /* reset: nobody is there to read the reply */
}

/* What recv said, if it was not bytes. */
static void on_no_bytes(struct conn *c, ssize_t n)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n < 0) {
        conn_doom(c);
        return;
    }
    c->flags |= CONN_EOF;
    ev_io_stop(c->worker->loop, &c->readable);
    output_queue(c);
}

/* A big argument goes where it will stay; what follows it goes to the shared buffer. */
static void read_direct(struct conn *c, char *at, size_t room)
{
    struct host_worker *w = c->worker;
    bool cut = room > CONN_DIRECT_READ_MAX;
    struct iovec iov[2] = {{at, cut ? CONN_DIRECT_READ_MAX : room}, {w->input, WORKER_INPUT_BYTES}};
    struct msghdr message = {.msg_iov = iov};
    message.msg_iovlen = cut ? 1 : 2;
    ssize_t n = recvmsg(c->session.fd, &message, MSG_DONTWAIT);
    if (n <= 0) {
        on_no_bytes(c, n);
        return;
    }
    got_bytes(c, (size_t)n);
    size_t direct = min_u64((size_t)n, iov[0].iov_len);
    resp_parser_filled(c->parser, direct);
    size_t behind = (size_t)n - direct;
    size_t done = run_input(c, w->input, behind);
    keep_rest(c, w->input + done, behind - done);
}

static void read_shared(struct conn *c)
{
    struct host_worker *w = c->worker;
    size_t rest = c->in.len - c->in_head;
    ssize_t n = recv(c->session.fd, w->input + rest, WORKER_INPUT_BYTES - rest, MSG_DONTWAIT);
    if (UNLIKELY(n <= 0)) {
        on_no_bytes(c, n);
        return;
    }
    if (rest > 0)
        memcpy(w->input, c->in.data + c->in_head, rest);
    got_bytes(c, (size_t)n);
    size_t len = rest + (size_t)n;
    size_t done = run_input(c, w->input, len);
    keep_rest(c, w->input + done, len - done);
}

static void read_behind_rest(struct conn *c)
{
    if (!buf_try_reserve(&c->in, WORKER_INPUT_BYTES)) {
        out_of_memory(c);
        return;
    }
    ssize_t n = recv(c->session.fd, c->in.data + c->in.len, c->in.cap - c->in.len, MSG_DONTWAIT);
    if (n <= 0) {
        on_no_bytes(c, n);
        return;
    }
    got_bytes(c, (size_t)n);
    c->in.len += (size_t)n;
    run_kept(c);
}

/* The kernel names sockets in the order in which they became readable, libev calls back in the
 * reverse of that: pushed in front, they are in order again, and who came first is served first. */
static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct conn *c = (struct conn *)((char *)io - offsetof(struct conn, readable));
    c->arrived_next = c->worker->arrived;
    c->worker->arrived = c;
}

void conn_read(struct conn *c)
{
    if (UNLIKELY(!ev_is_active(&c->readable)))
        return; /* since then somebody has stopped it */
    if (UNLIKELY((c->flags & (RUN_BARRED | CONN_EOF | CONN_IN_RUNNABLE)) != 0 ||
                 c->worker->quiet)) {
        if ((c->flags & CONN_IN_RUNNABLE) == 0) /* those are run at the end of this turn anyway */
            on_unwanted(c);
        return;
    }
    size_t rest = c->in.len - c->in_head, room;
    char *at;
    if (rest == 0 && resp_parser_direct(c->parser, &at, &room))
        read_direct(c, at, room);
    else if (rest <= CONN_INPUT_COPY_MAX)
        read_shared(c);
    else
        read_behind_rest(c);
    over_query_limit(c);
    conn_note_memory(c);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    output_flush((struct conn *)((char *)io - offsetof(struct conn, writable)));
}

/* --- Waking and the timer --- */

static void conn_ready(struct waiter *waiter)
{
    struct conn *c = (struct conn *)((char *)waiter - offsetof(struct conn, session) -
                                     offsetof(struct session, waiter));
    worker_give_ready(c->worker, c);
}

static void set_wake(struct conn *c, int64_t after_us)
{
    ev_timer_set(&c->wake, after_us > 0 ? (double)after_us / 1e6 : 0., 0.);
    ev_timer_start(c->worker->loop, &c->wake);
}

/* The deadline has passed. If the keyspace was to call the waiter as well, it must not do so any
 * more; when it cannot be stopped because it is calling just now, its call is waited for. Only when
 * that does not come is it known that nothing but the deadline was waited for. */
static void on_wake(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct conn *c = (struct conn *)((char *)timer - offsetof(struct conn, wake));
    int64_t left_us = c->wake_at.us - clock_mono().us;
    ev_timer_stop(loop, timer);
    if (c->session.blocked != NULL && left_us <= 0) {
        blocking_expire(&c->session);
    } else if (left_us > 0) { /* libev counts from the beginning of the turn in which it was set */
        set_wake(c, left_us);
    } else if (c->wake_alone || (c->worker->keyspace != NULL &&
                                 keyspace_cancel_wait(c->worker->keyspace, &c->session.waiter))) {
        c->session.waiter.ready(&c->session.waiter);
    } else {
        c->wake_alone = true;
        set_wake(c, CONN_LATE_CALL_US);
    }
}

void conn_wake_at(struct conn *c, struct mono deadline)
{
    ev_timer_stop(c->worker->loop, &c->wake);
    c->wake_at = deadline;
    if (deadline.us == 0)
        return;
    int64_t left_us = deadline.us - clock_mono().us;
    c->wake_alone = left_us <= 0; /* a command that only lets others have a turn */
    set_wake(c, left_us);
}

/* A client that waits and has sent more is not read from, and so its end would not be seen. */
static bool has_hung_up(struct conn *c)
{
    struct pollfd fd = {.fd = c->session.fd};
    return (c->flags & CONN_PARKED) != 0 && !ev_is_active(&c->readable) && poll(&fd, 1, 0) == 1 &&
           (fd.revents & (POLLERR | POLLHUP)) != 0;
}

void conn_sweep(struct conn *c, int64_t timeout_s)
{
    struct mono now = worker_now(c->worker);
    if (now.us - c->peak_at.us > CONN_PEAK_SECONDS * INT64_C(1000000))
        c->output_peak = 0;
    if ((c->flags & CONN_DOOMED) != 0 || output_check_limit(c, true))
        return;
    if (has_hung_up(c)) {
        conn_doom(c);
        return;
    }
    if (timeout_s > 0 && (c->flags & CONN_PARKED) == 0 && c->marks_len == 0 &&
        !session_is_subscribed(&c->session) &&
        now.us - c->session.last_active_at.us > timeout_s * 1000000) {
        log_line(LOG_VERBOSE, "client %s closed: idle", c->session.addr);
        conn_doom(c);
        return;
    }
    if ((c->flags & (CONN_PAUSED | CONN_CLOSING | CONN_EOF)) == 0 || c->marks_len > 0 ||
        output_len(c) == 0) {
        c->stall_since.us = 0;
    } else if (c->stall_since.us == 0) {
        c->stall_since = now;
    } else if (now.us - c->stall_since.us > CONN_STALL_SECONDS * INT64_C(1000000)) {
        worker_count(c->worker, STAT_client_output_buffer_limit_disconnections, 1);
        log_line(LOG_WARNING, "client %s closed: it has not read its replies for %d seconds",
                 c->session.addr, CONN_STALL_SECONDS);
        conn_doom(c);
    }
}

/* --- Opening --- */

static struct conn *conn_new(struct host_worker *w)
{
    struct conn *c = w->idle_pool;
    if (c == NULL) {
        c = calloc(1, sizeof(*c));
        if (c != NULL)
            c->worker = w;
        return c;
    }
    w->idle_pool = c->all_next;
    memset(c, 0, offsetof(struct conn, worker));
    return c;
}

static void link_all(struct conn *c)
{
    struct host_worker *w = c->worker;
    c->all_next = w->all;
    if (w->all != NULL)
        w->all->all_prev = c;
    w->all = c;
}

void conn_open(struct host_worker *w, const struct accepted *a)
{
    struct conn *c = conn_new(w);
    struct resp_parser *parser = c == NULL ? NULL : resp_parser_new();
    if (parser == NULL || w->quiet) {
        resp_parser_free(&parser);
        free(c);
        close(a->fd);
        atomic_fetch_sub_explicit(&w->clients, 1, memory_order_relaxed);
        return;
    }
    struct session *s = &c->session;
    session_init(s, atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed));
    s->fd = a->fd;
    s->flags |= a->is_unix ? SESSION_UNIX : 0u;
    s->waiter.ready = conn_ready;
    memcpy(s->addr, a->addr, sizeof(s->addr));
    memcpy(s->laddr, a->laddr, sizeof(s->laddr));
    static_assert(sizeof(s->addr) == sizeof(a->addr) && sizeof(s->laddr) == sizeof(a->laddr),
                  "addresses are passed on as they are");
    c->parser = parser;
    ev_io_init(&c->readable, on_readable, a->fd, EV_READ);
    ev_io_init(&c->writable, on_writable, a->fd, EV_WRITE);
    ev_timer_init(&c->wake, on_wake, 0., 0.);
    link_all(c);
    conn_note_memory(c);
    ev_io_start(w->loop, &c->readable);
}
