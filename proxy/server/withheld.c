/* Replies that wait for a disk.
 *
 *   stream offset:   0 ......... stream_sent ............... mark.start ............ end
 *                    written     may be written now          waits for mark.lsn
 *
 * Under `journal-fsync always` a reply may only leave when what it tells is on a disk: the journal
 * is synced, or the backend has committed, up to the LSN that the reply depends on. A mark
 * remembers from which offset of the reply stream on that is so; the bytes before the first mark
 * are free. Marks have growing offsets and LSNs, and there are few of them: the commands of one
 * turn share one, because one sync will cover them all.
 *
 * A reply that has waited for journal-wait-max-ms is replaced by an error that says what is true:
 * the command was done, and nobody knows whether that will survive. Messages (pub/sub, MONITOR) are
 * no replies; nobody waits for them, so they go on waiting.
 *
 * Under the other policies a command reports a dependence only while a record that was too long for
 * its ring lies in memory (journal_append), on that or a later one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/conn.h"

#include "base/log.h"
#include "config/options.h"
#include "keyspace/keyspace.h"

static const char UNSYNCED[] =
    "-UNSYNCED the journal could not be synced within journal-wait-max-ms. The command was done, "
    "but what it wrote or read is only in memory: a crash may take it, or not.\r\n";

static struct conn_mark *mark_at(struct conn *c, uint32_t i)
{
    slow_must(i < c->marks_len);
    return &c->marks[(c->marks_head + i) % CONN_MARKS];
}

static void withheld_link(struct conn *c)
{
    struct host_worker *w = c->worker;
    c->flags |= CONN_IN_WITHHELD;
    c->withheld_prev = NULL;
    c->withheld_next = w->withheld;
    if (w->withheld != NULL)
        w->withheld->withheld_prev = c;
    w->withheld = c;
}

static void withheld_unlink(struct conn *c)
{
    if ((c->flags & CONN_IN_WITHHELD) == 0)
        return;
    c->flags &= ~(unsigned)CONN_IN_WITHHELD;
    if (c->withheld_prev != NULL)
        c->withheld_prev->withheld_next = c->withheld_next;
    else
        c->worker->withheld = c->withheld_next;
    if (c->withheld_next != NULL)
        c->withheld_next->withheld_prev = c->withheld_prev;
}

uint64_t withheld_newest(struct conn *c)
{
    return c->marks_len > 0 ? mark_at(c, c->marks_len - 1)->lsn : 0;
}

void withheld_add(struct conn *c, uint64_t start, uint64_t lsn)
{
    struct host_worker *w = c->worker;
    if (w->journal == NULL || lsn <= keyspace_durable_lsn(w->keyspace))
        return;
    if (c->marks_len > 0) {
        struct conn_mark *newest = mark_at(c, c->marks_len - 1);
        if (newest->lsn >= lsn)
            return;
        if (c->mark_turn == w->turn || c->marks_len == CONN_MARKS) {
            newest->lsn = lsn;
            newest->since = worker_now(w); /* late rather than early for those that came before */
            return;
        }
    } else {
        withheld_link(c);
        if (lsn < atomic_load_explicit(&w->withheld_lsn, memory_order_relaxed))
            atomic_store(&w->withheld_lsn, lsn);
    }
    c->marks_len++;
    *mark_at(c, c->marks_len - 1) =
        (struct conn_mark){.start = start, .lsn = lsn, .since = worker_now(w)};
    c->mark_turn = w->turn;
}

/* The thread that moves the durable LSN stores it and then looks at withheld_lsn; a worker stores
 * withheld_lsn and then, here, looks at the durable LSN: one of the two sees the other. */
void withheld_release(struct host_worker *w)
{
    if (w->withheld == NULL)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t durable = keyspace_durable_lsn(w->keyspace);
    while (durable >= atomic_load_explicit(&w->withheld_lsn, memory_order_relaxed)) {
        uint64_t lowest = UINT64_MAX;
        struct conn *next;
        for (struct conn *c = w->withheld; c != NULL; c = next) {
            next = c->withheld_next;
            while (c->marks_len > 0 && mark_at(c, 0)->lsn <= durable) {
                c->marks_head = (c->marks_head + 1) % CONN_MARKS;
                c->marks_len--;
                output_queue(c);
            }
            if (c->marks_len == 0)
                withheld_unlink(c);
            else
                lowest = min_u64(lowest, mark_at(c, 0)->lsn);
        }
        atomic_store(&w->withheld_lsn, lowest);
        atomic_thread_fence(memory_order_seq_cst);
        durable = keyspace_durable_lsn(w->keyspace);
        if (w->withheld == NULL)
            return;
    }
}

void withheld_forget(struct conn *c)
{
    withheld_unlink(c);
    c->marks_len = 0;
}

uint64_t withheld_free_to_go(struct conn *c)
{
    if (LIKELY(c->marks_len == 0))
        return output_len(c);
    uint64_t start = mark_at(c, 0)->start;
    slow_must(start >= c->stream_sent);
    return start - c->stream_sent;
}

/* --- Waiting no longer --- */

/* Where a stream offset lies in what is not written yet. It begins a reply, or is the end. */
static struct reply_place withheld_place_of(const struct conn *c, uint64_t offset)
{
    const struct reply *r = &c->session.reply;
    struct reply_place p = {.at = c->buf_sent, .ref = c->refs_sent};
    uint64_t rest = offset - c->stream_sent, sent = c->ref_sent;
    while (p.ref < r->refs_len && rest > r->refs[p.ref].at - p.at) {
        rest -= r->refs[p.ref].at - p.at + r->refs[p.ref].bytes.len - sent;
        p.at = r->refs[p.ref].at;
        p.ref++;
        sent = 0;
    }
    p.at += (size_t)rest;
    return p;
}

/* What takes the place of the replies between two places: an error for each, and in `kept` the
 * messages among them. False: out of memory. */
static bool substitute(const struct reply *r, struct reply_place from, struct reply_place to,
                       struct buf *out, struct buf *kept)
{
    while (from.at < to.at) {
        size_t begin = from.at;
        uint32_t ref = from.ref;
        bool message = reply_skip(r, &from) == '>' && from.ref == ref;
        struct slice bytes = message ? slice_of(r->buf.data + begin, from.at - begin)
                                     : slice_of(UNSYNCED, sizeof(UNSYNCED) - 1);
        struct buf *to_buf = message ? kept : out;
        if (!buf_try_reserve(to_buf, bytes.len))
            return false;
        buf_append_slice(to_buf, bytes);
    }
    return true;
}

/* Gives up on the oldest mark. Messages keep it, after the errors. */
static bool withheld_give_up(struct conn *c)
{
    struct conn_mark *mark = mark_at(c, 0);
    struct reply *r = &c->session.reply;
    uint64_t until = c->marks_len > 1 ? mark_at(c, 1)->start : c->stream_sent + output_len(c);
    struct reply_place from = withheld_place_of(c, mark->start), to = withheld_place_of(c, until);
    struct buf errors = {0}, kept = {0};
    bool done = substitute(r, from, to, &errors, &kept);
    uint64_t replies = errors.len / (sizeof(UNSYNCED) - 1), before = output_len(c);
    uint64_t kept_at = mark->start + errors.len;
    if (done && kept.len > 0 && (done = buf_try_reserve(&errors, kept.len)))
        buf_append(&errors, kept.data, kept.len);
    done = done && reply_replace(r, from, to, buf_slice(&errors));
    if (done) {
        for (uint32_t i = 1; i < c->marks_len; i++)
            mark_at(c, i)->start += output_len(c) - before;
        if (kept.len > 0) {
            mark->start = kept_at;
            mark->since = worker_now(c->worker);
        } else {
            c->marks_head = (c->marks_head + 1) % CONN_MARKS;
            c->marks_len--;
        }
        worker_count(c->worker, STAT_unsynced_replies, replies);
        worker_count(c->worker, STAT_total_error_replies, replies);
    }
    buf_fini(&errors);
    buf_fini(&kept);
    return done;
}

static bool gets_messages_only(const struct session *s)
{
    return (s->flags & SESSION_MONITOR) != 0 || (s->reply.proto == 2 && session_is_subscribed(s));
}

void withheld_tick(struct host_worker *w)
{
    int64_t most_us = option_num(OPT_journal_wait_max_ms) * 1000;
    struct conn *next;
    uint64_t before = w->stat[STAT_unsynced_replies];
    for (struct conn *c = most_us > 0 ? w->withheld : NULL; c != NULL; c = next) {
        next = c->withheld_next;
        if ((c->flags & (CONN_DOOMED | CONN_GONE)) != 0 || gets_messages_only(&c->session))
            continue;
        while (c->marks_len > 0 && worker_now(w).us - mark_at(c, 0)->since.us >= most_us) {
            if (!withheld_give_up(c)) {
                log_line(LOG_WARNING, "client %s closed: out of memory for its output",
                         c->session.addr);
                conn_doom(c);
                break;
            }
            output_queue(c);
        }
        if (c->marks_len == 0)
            withheld_unlink(c);
        (void)output_check_limit(c, false);
    }
    bool gave_up = w->stat[STAT_unsynced_replies] > before;
    if (gave_up && !w->said_unsynced)
        log_line(LOG_WARNING, "replies that waited journal-wait-max-ms for a sync of the journal "
                              "are answered with an error; see INFO writeback");
    w->said_unsynced = gave_up || (w->said_unsynced && w->withheld != NULL);
}
