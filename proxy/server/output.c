/* Writing replies: straight from session.reply to the socket, references included.
 *
 * What may not leave yet, because the journal does not have it, is withheld.c's business.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/conn.h"

#include "base/log.h"
#include "config/options.h"
#include "server/limits.h"

#include <errno.h>
#include <sys/uio.h>

uint64_t output_len_at(const struct conn *c, size_t buf_len, uint32_t refs_len)
{
    uint64_t len = buf_len - c->buf_sent;
    if (UNLIKELY(refs_len > c->refs_sent)) {
        for (uint32_t i = c->refs_sent; i < refs_len; i++)
            len += c->session.reply.refs[i].bytes.len;
        len -= c->ref_sent;
    }
    return len;
}

uint64_t output_len(const struct conn *c)
{
    return output_len_at(c, c->session.reply.buf.len, c->session.reply.refs_len);
}

void output_queue(struct conn *c)
{
    if ((c->flags & (CONN_IN_FLUSH | CONN_GONE)) != 0)
        return;
    c->flags |= CONN_IN_FLUSH;
    c->flush_next = c->worker->flush;
    c->worker->flush = c;
}

/* --- Writing --- */

/* Fills iov with what is next, at most `max` bytes; returns how many entries. */
static int output_gather(const struct conn *c, uint64_t max, struct iovec *iov, size_t *total)
{
    const struct reply *r = &c->session.reply;
    size_t at = c->buf_sent, skip = c->ref_sent;
    uint32_t ref = c->refs_sent;
    int n = 0;
    *total = 0;
    while (*total < max && n + 1 < CONN_IOVECS) {
        size_t until = ref < r->refs_len ? r->refs[ref].at : r->buf.len;
        if (until > at) {
            size_t len = min_u64(until - at, max - *total);
            iov[n++] = (struct iovec){r->buf.data + at, len};
            *total += len;
            at = until;
        }
        if (ref == r->refs_len)
            break;
        size_t len = min_u64(r->refs[ref].bytes.len - skip, max - *total);
        if (len > 0) {
            const char *from = r->refs[ref].bytes.ptr + skip;
            iov[n++] = (struct iovec){(char *)(uintptr_t)from, len};
            *total += len;
        }
        ref++;
        skip = 0;
    }
    return n;
}

static void output_advance(struct conn *c, size_t n)
{
    const struct reply *r = &c->session.reply;
    c->stream_sent += n;
    c->session.bytes_out += n;
    while (n > 0) {
        size_t until = c->refs_sent < r->refs_len ? r->refs[c->refs_sent].at : r->buf.len;
        size_t plain = min_u64(until - c->buf_sent, n);
        c->buf_sent += plain;
        n -= plain;
        if (c->buf_sent < until || c->refs_sent == r->refs_len)
            break;
        size_t left = r->refs[c->refs_sent].bytes.len - c->ref_sent;
        if (n < left) {
            c->ref_sent += n;
            n = 0;
        } else {
            n -= left;
            c->refs_sent++;
            c->ref_sent = 0;
        }
    }
    must(n == 0);
}

static ssize_t output_write(struct conn *c, uint64_t max, size_t *asked)
{
    const struct reply *r = &c->session.reply;
    if (LIKELY(c->refs_sent == r->refs_len)) {
        *asked = min_u64(r->buf.len - c->buf_sent, max);
        return send(c->session.fd, r->buf.data + c->buf_sent, *asked, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    struct iovec iov[CONN_IOVECS];
    struct msghdr message = {.msg_iov = iov};
    message.msg_iovlen = (size_t)output_gather(c, max, iov, asked);
    return sendmsg(c->session.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Drops what is written. A client that never quite empties its output must not keep all of it. */
static void output_drop_sent(struct conn *c)
{
    struct reply *r = &c->session.reply;
    if (c->buf_sent == r->buf.len && c->refs_sent == r->refs_len) {
        if (r->refs_len > 0)
            reply_truncate(r, 0);
        r->buf.len = 0;
        must(r->refs_len == 0);
        c->buf_sent = c->refs_sent = 0;
        worker_take_back(c->worker, &r->buf);
        return;
    }
    if (c->buf_sent >= CONN_WRITE_EARLY && c->buf_sent > r->buf.len / 2) {
        memmove(r->buf.data, r->buf.data + c->buf_sent, r->buf.len - c->buf_sent);
        r->buf.len -= c->buf_sent;
        for (uint32_t i = c->refs_sent; i < r->refs_len; i++)
            r->refs[i].at -= c->buf_sent;
        c->buf_sent = 0;
    }
    if (c->refs_sent > 0) {
        for (uint32_t i = 0; i < c->refs_sent; i++)
            blob_unref(&r->refs[i].blob);
        r->refs_len -= c->refs_sent;
        memmove(r->refs, r->refs + c->refs_sent, r->refs_len * sizeof(*r->refs));
        c->refs_sent = 0;
    }
}

static void output_want_writable(struct conn *c, bool on)
{
    if (on && !ev_is_active(&c->writable))
        ev_io_start(c->worker->loop, &c->writable);
    else if (!on && UNLIKELY(ev_is_active(&c->writable)))
        ev_io_stop(c->worker->loop, &c->writable);
}

/* Writes up to `max` bytes; false when the connection broke. *blocked: the socket takes no more. */
static bool output_write_all(struct conn *c, uint64_t max, bool *blocked)
{
    *blocked = false;
    while (max > 0 && !*blocked) {
        size_t asked;
        ssize_t n = output_write(c, max, &asked);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (n > 0) {
            c->worker->turn_bytes += (uint64_t)n;
            worker_count(c->worker, STAT_total_net_output_bytes, (uint64_t)n);
            output_advance(c, (size_t)n);
            max -= (uint64_t)n;
            c->stall_since.us = 0;
        }
        *blocked = n < (ssize_t)asked;
    }
    return true;
}

static void output_unpause(struct conn *c)
{
    c->flags &= ~(unsigned)CONN_PAUSED;
    conn_update_reading(c);
    conn_queue_run(c);
}

void output_push(struct conn *c, struct slice bytes, uint64_t lsn)
{
    struct reply *r = &c->session.reply;
    if ((c->flags & (CONN_DOOMED | CONN_GONE | CONN_CLOSING)) != 0 || r->muted)
        return;
    worker_lend(c->worker, &r->buf);
    if (!buf_try_reserve(&r->buf, bytes.len)) {
        log_line(LOG_WARNING, "client %s closed: out of memory for its output", c->session.addr);
        conn_doom(c);
        return;
    }
    uint64_t start = c->stream_sent + output_len(c);
    reply_raw(r, bytes);
    if (lsn != 0)
        withheld_add(c, start, lsn);
    output_queue(c);
    (void)output_check_limit(c, false);
}

void output_flush(struct conn *c)
{
    if (UNLIKELY((c->flags & (CONN_DOOMED | CONN_GONE)) != 0))
        return;
    uint64_t free_to_go = withheld_free_to_go(c);
    bool blocked = false;
    if (UNLIKELY(c->session.reply.buf.len > c->output_peak)) {
        c->output_peak = c->session.reply.buf.len;
        c->peak_at = worker_now(c->worker);
    }
    if (free_to_go > 0) {
        worker_count(c->worker, STAT_total_writes_processed, 1);
        uint64_t most = worker_slice(c->worker, CONN_WRITE_MAX);
        if (!output_write_all(c, min_u64(free_to_go, most), &blocked)) {
            conn_doom(c);
            return;
        }
        output_drop_sent(c);
        blocked = blocked || free_to_go > most;
    }
    output_want_writable(c, blocked);
    conn_note_memory(c);
    if (UNLIKELY((c->flags & CONN_PAUSED) != 0) && output_len(c) < CONN_OUTPUT_PAUSE / 2)
        output_unpause(c);
    if (UNLIKELY((c->flags & (CONN_EOF | CONN_CLOSING)) != 0))
        conn_close_when_done(c);
}

/* *since remembers when the soft limit was passed; 0: it is not. */
static bool output_is_over(const struct output_limit *limit, uint64_t len, bool with_soft,
                           struct mono now, struct mono *since)
{
    if (limit->hard_bytes > 0 && len > limit->hard_bytes)
        return true;
    if (!with_soft)
        return false;
    if (limit->soft_bytes == 0 || len <= limit->soft_bytes) {
        since->us = 0;
        return false;
    }
    if (since->us == 0)
        *since = now;
    return now.us - since->us > limit->soft_seconds * 1000000;
}

static struct output_limit limit_of(const struct conn *c)
{
    if (session_is_untrusted(&c->session))
        return (struct output_limit){.hard_bytes = CONN_UNTRUSTED_OUTPUT_MAX};
    return option_output_limit(session_is_subscribed(&c->session) ? OUTPUT_PUBSUB : OUTPUT_NORMAL);
}

static void close_over_limit(struct conn *c, uint64_t len)
{
    worker_count(c->worker, STAT_client_output_buffer_limit_disconnections, 1);
    log_line(LOG_WARNING, "client %s closed: %llu bytes of %s wait for it, more than %s allows",
             c->session.addr, (unsigned long long)len,
             session_is_subscribed(&c->session) ? "messages" : "replies",
             session_is_untrusted(&c->session) ? "a client before AUTH"
                                               : "client-output-buffer-limit");
    conn_doom(c);
}

/* What its replies may come to; 0: there is no limit. *together: that is due to what all clients
 * may hold, and not to its own limit. */
static uint64_t replies_max(const struct conn *c, bool *together)
{
    uint64_t own = limit_of(c).hard_bytes, all = limits_output_max(c);
    *together = all != 0 && (own == 0 || all < own);
    return *together ? all : own;
}

void output_limit_replies(struct conn *c)
{
    struct reply *r = &c->session.reply;
    bool together;
    uint64_t hard = replies_max(c, &together);
    if (UNLIKELY(hard == 0))
        return;
    uint64_t len = output_len(c);
    r->limit = max_u64(1, r->appended + (hard > len ? hard - len : 0));
}

void output_take_back(struct conn *c, size_t mark)
{
    struct reply *r = &c->session.reply;
    bool together;
    uint64_t len = output_len(c), hard = replies_max(c, &together);
    reply_truncate(r, mark);
    r->over = false;
    if (together)
        limits_close_over_output(c);
    else
        close_over_limit(c, max_u64(len, hard + 1));
}

bool output_check_limit(struct conn *c, bool with_soft)
{
    uint64_t len = output_len(c);
    if (LIKELY(len == 0)) {
        c->soft_since.us = 0;
        return false;
    }
    struct output_limit limit = limit_of(c);
    if (output_is_over(&limit, len, with_soft, worker_now(c->worker), &c->soft_since)) {
        close_over_limit(c, len);
        return true;
    }
    if (LIKELY(limit.hard_bytes != 0 || len <= CONN_OUTPUT_PAUSE))
        return false;
    if ((c->session.flags & SESSION_MONITOR) != 0) { /* others make this output: no pause helps */
        worker_count(c->worker, STAT_client_output_buffer_limit_disconnections, 1);
        log_line(LOG_WARNING, "client %s closed: it does not read what MONITOR tells it",
                 c->session.addr);
        conn_doom(c);
        return true;
    }
    c->flags |= CONN_PAUSED;
    return false;
}
