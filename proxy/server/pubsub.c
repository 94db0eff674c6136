/* Publish and subscribe.
 *
 *   PUBLISH ──> topics that match ──> one message ──┬──> mail of worker 0 ──> its subscribers
 *   event  ──>  (table, under the lock)             └──> mail of worker 1 ──> its subscribers
 *
 * - A topic (topic.c) is a channel, pattern or shard channel that somebody listens to. The table
 *   of all topics is shared; within a topic each worker has a list of its own connections, which
 *   only it walks. So a publisher touches no foreign connection.
 * - A message is encoded once, whatever the number of subscribers and their protocol: RESP2 and
 *   RESP3 differ in one byte before it. A large payload is referenced, not copied.
 * - Messages are numbered and posted to all mails under one lock, so every subscriber sees them in
 *   the same order. A subscription knows the number at which it began: it hears nothing older.
 * - An event is posted under the lock of its key, so the events of a key are in order; but the
 *   write is not committed yet. Hence a message waits in the mail until the command that published
 *   it has ended. That also puts a client's own messages after the reply, as in Redis.
 * - Mail is delivered before a worker runs its next batch of requests: a message published before
 *   a request was sent arrives before the request's reply.
 * - Mail is bounded: whoever publishes into a mail that is full is held until it is delivered. The
 *   output of a subscriber is bounded by client-output-buffer-limit.
 *
 * Order of locks: shards, then the table, then a mail.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/pubsub.h"

#include "base/glob.h"
#include "base/log.h"
#include "base/num.h"
#include "config/options.h"
#include "journal/journal.h"
#include "keyspace/events.h"
#include "server/pubsub_private.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    MAIL_BYTES_MAX = 8 * 1024 * 1024, /* from here on publishers are held ... */
    MAIL_BYTES_LOW = 4 * 1024 * 1024, /* ... until all mails are below this */
    HELD_LOOK_US = 1000,              /* how often that is looked at */
    PIECE_BYTES = 4 * 1024 * 1024,    /* output made by deliveries in one go ... */
    LEAVING_BYTES = 64 * 1024 * 1024, /* ... and before somebody unsubscribes */
    DELIVERY_COST = 128,              /* what a delivery counts for beside its bytes */
};

static _Thread_local struct host_worker *this_worker;

static void unref_message(struct message *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < m->topics_len; i++)
        topic_unref(m->topics[i]);
    blob_unref(&m->blob);
    free(m);
}

/* --- Publishing --- */

struct matches { /* topics that a channel reaches, a reference to each */
    struct topic **topics;
    uint32_t len, cap;
    struct topic *few[8];
    bool out_of_memory;
};

static void add_match(struct matches *found, struct topic *t)
{
    if (found->len == found->cap) {
        size_t cap = (size_t)found->cap * 2;
        struct topic **grown = malloc(cap * sizeof(struct topic *));
        if (grown == NULL) {
            found->out_of_memory = true;
            return;
        }
        memcpy(grown, found->topics, found->len * sizeof(struct topic *));
        if (found->topics != found->few)
            free(found->topics);
        found->topics = grown;
        found->cap = (uint32_t)cap;
    }
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    found->topics[found->len++] = t;
}

static void match(struct pubsub *p, enum pubsub_kind kind, struct slice channel,
                  struct matches *found)
{
    uint64_t hash = topic_hash(p, kind, channel);
    *found = (struct matches){.topics = found->few, .cap = COUNT_OF(found->few)};
    lock_acquire(&p->lock);
    struct topic *t = topic_find(p, kind, channel, hash);
    if (t != NULL)
        add_match(found, t);
    if (kind == PUBSUB_CHANNEL)
        for (t = p->first[PUBSUB_PATTERN]; t != NULL; t = t->next)
            if (glob_match(t->name, channel, false))
                add_match(found, t);
    lock_release(&p->lock);
}

static void matches_fini(struct matches *found)
{
    for (uint32_t i = 0; i < found->len; i++)
        topic_unref(found->topics[i]);
    if (found->topics != found->few)
        free(found->topics);
}

static size_t put_bulk(char *at, struct slice s)
{
    size_t n = 0;
    at[n++] = '$';
    n += num_format_u64(at + n, s.len);
    memcpy(at + n, "\r\n", 2);
    n += 2;
    if (s.len > 0)
        memcpy(at + n, s.ptr, s.len);
    memcpy(at + n + s.len, "\r\n", 2);
    return n + s.len + 2;
}

/* Takes the references over; NULL: out of memory. */
static struct message *new_message(const struct pubsub *p, enum pubsub_kind kind,
                                   struct slice channel, struct slice payload,
                                   struct matches *found)
{
    enum { AROUND_BULK = NUM_I64_MAX + 5 };
    size_t links = p->workers_len * sizeof(struct message *);
    struct message *m = malloc(sizeof(*m) + links + found->len * sizeof(struct topic *));
    struct blob *blob = NULL;
    if (m != NULL && channel.len <= SIZE_MAX / 4 && payload.len <= SIZE_MAX / 4)
        blob = blob_try_new(channel.len + payload.len + 2 * AROUND_BULK);
    if (blob == NULL) {
        free(m);
        return NULL;
    }
    memset(m, 0, sizeof(*m) + links);
    atomic_init(&m->refs, 1);
    m->kind = kind;
    m->blob = blob;
    m->channel_len = put_bulk(blob->data, channel);
    blob->len = m->channel_len + put_bulk(blob->data + m->channel_len, payload);
    m->payload = slice_of(blob->data + blob->len - 2 - payload.len, payload.len);
    m->topics = (struct topic **)(void *)((char *)(m + 1) + links);
    m->topics_len = found->len;
    memcpy(m->topics, found->topics, found->len * sizeof(struct topic *));
    m->bytes = sizeof(*m) + links + found->len * sizeof(struct topic *) + blob->len;
    found->len = 0;
    return m;
}

/* Lock: the table's. */
static uint64_t listeners(const struct message *m, uint32_t worker)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < m->topics_len; i++)
        n += m->topics[i]->sides[worker].len;
    return n;
}

static void post(struct host_worker *to, struct message *m)
{
    struct pubsub_worker *mail = to->mail;
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&mail->bytes, m->bytes, memory_order_relaxed);
    lock_acquire(&mail->lock);
    if (mail->tail != NULL)
        mail->tail->next[to->number] = m;
    else
        mail->head = m;
    mail->tail = m;
    lock_release(&mail->lock);
    atomic_store_explicit(&to->has_mail, true, memory_order_release);
}

/* Thread: w. False: out of memory. */
static bool pubsub_publish_now(struct host_worker *w, enum pubsub_kind kind, struct slice channel,
                               struct slice payload, uint64_t lsn, uint64_t *receivers)
{
    struct pubsub *p = w->pubsub;
    struct matches found;
    struct message *m = NULL;
    *receivers = 0;
    if (atomic_load_explicit(&p->len[kind], memory_order_relaxed) == 0 &&
        (kind != PUBSUB_CHANNEL ||
         atomic_load_explicit(&p->len[PUBSUB_PATTERN], memory_order_relaxed) == 0))
        return true;
    match(p, kind, channel, &found);
    bool wanted = found.len > 0;
    if (wanted && !found.out_of_memory)
        m = new_message(p, kind, channel, payload, &found);
    matches_fini(&found);
    if (m == NULL)
        return !wanted;
    m->lsn = lsn;
    lock_acquire(&p->lock);
    m->number = ++p->number;
    for (uint32_t i = 0; i < p->workers_len; i++) {
        uint64_t n = listeners(m, i);
        if (n == 0)
            continue;
        *receivers += n;
        w->mail->wake[i] = true;
        post(&p->workers[i], m);
    }
    lock_release(&p->lock);
    m->outgoing = w->mail->outgoing;
    w->mail->outgoing = m;
    w->published = true;
    return true;
}

static void publish_event(struct host_worker *w, const char *prefix, uint32_t db,
                          struct slice suffix, struct slice payload, uint64_t lsn)
{
    struct buf *name = &w->mail->name;
    uint64_t receivers;
    bool told = false;
    name->len = 0;
    if (buf_try_reserve(name, suffix.len + 64)) {
        buf_printf(name, "__%s@%u__:", prefix, db);
        buf_append_slice(name, suffix);
        told = pubsub_publish_now(w, PUBSUB_CHANNEL, buf_slice(name), payload, lsn, &receivers);
    }
    if (!told)
        log_line(LOG_WARNING, "a keyspace event was lost: out of memory");
    if (name->cap > 64 * 1024)
        buf_fini(name);
}

void pubsub_tell(const struct keyspace_event *event)
{
    struct host_worker *w = this_worker;
    must(w != NULL);
    struct pubsub *p = w->pubsub;
    int64_t wanted = option_num(OPT_notify_keyspace_events);
    if (atomic_load_explicit(&p->len[PUBSUB_CHANNEL], memory_order_relaxed) == 0 &&
        atomic_load_explicit(&p->len[PUBSUB_PATTERN], memory_order_relaxed) == 0)
        return;
    bool always = option_num(OPT_journal_fsync) == JOURNAL_FSYNC_ALWAYS;
    uint64_t lsn = always ? event->lsn : 0;
    struct slice name = slice_str(event->name);
    if ((wanted & NOTIFY_KEYSPACE) != 0)
        publish_event(w, "keyspace", event->db, event->key, name, lsn);
    if ((wanted & NOTIFY_KEYEVENT) != 0)
        publish_event(w, "keyevent", event->db, name, event->key, lsn);
}

/* --- Holding who publishes too fast --- */

static bool is_full(const struct pubsub *p, uint64_t limit)
{
    for (uint32_t i = 0; i < p->workers_len; i++)
        if (atomic_load_explicit(&p->workers[i].mail->bytes, memory_order_relaxed) > limit)
            return true;
    return false;
}

static void pubsub_hold(struct conn *c)
{
    struct pubsub_worker *mail = c->worker->mail;
    if ((c->flags & CONN_HELD) != 0)
        return;
    c->flags |= CONN_HELD;
    c->held_prev = NULL;
    c->held_next = mail->held;
    if (mail->held != NULL)
        mail->held->held_prev = c;
    mail->held = c;
    if (!ev_is_active(&mail->look)) {
        ev_timer_set(&mail->look, HELD_LOOK_US / 1e6, HELD_LOOK_US / 1e6);
        ev_timer_start(c->worker->loop, &mail->look);
    }
}

static void unhold(struct conn *c)
{
    struct pubsub_worker *mail = c->worker->mail;
    if ((c->flags & CONN_HELD) == 0)
        return;
    c->flags &= ~(unsigned)CONN_HELD;
    if (c->held_prev != NULL)
        c->held_prev->held_next = c->held_next;
    else
        mail->held = c->held_next;
    if (c->held_next != NULL)
        c->held_next->held_prev = c->held_prev;
}

static void pubsub_on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct host_worker *w = ev_userdata(loop);
    if (w->mail->held != NULL && is_full(w->pubsub, MAIL_BYTES_LOW))
        return;
    ev_timer_stop(loop, timer);
    while (w->mail->held != NULL) {
        struct conn *c = w->mail->held;
        unhold(c);
        conn_update_reading(c);
        conn_queue_run(c);
    }
}

void pubsub_end_command(struct host_worker *w, struct conn *c)
{
    struct pubsub *p = w->pubsub;
    struct pubsub_worker *mail = w->mail;
    w->published = false;
    while (mail->outgoing != NULL) {
        struct message *m = mail->outgoing;
        mail->outgoing = m->outgoing;
        atomic_store_explicit(&m->ready, true, memory_order_release);
        unref_message(m);
    }
    for (uint32_t i = 0; i < p->workers_len; i++) {
        if (mail->wake[i] && i != w->number)
            ev_async_send(p->workers[i].loop, &p->workers[i].wake);
    }
    if (mail->wake[w->number])
        pubsub_deliver(w);
    memset(mail->wake, 0, p->workers_len * sizeof(mail->wake[0]));
    if (c != NULL && UNLIKELY(is_full(p, MAIL_BYTES_MAX)))
        pubsub_hold(c);
}

/* --- Delivering --- */

static void pubsub_append_head(struct reply *r, const struct message *m, const struct topic *t)
{
    static const struct slice heads[PUBSUB_KINDS] = {
        [PUBSUB_CHANNEL] = {"3\r\n$7\r\nmessage\r\n", 16},
        [PUBSUB_PATTERN] = {"4\r\n$8\r\npmessage\r\n", 17},
        [PUBSUB_SHARD] = {"3\r\n$8\r\nsmessage\r\n", 17},
    };
    reply_raw(r, r->proto >= 3 ? SLICE(">") : SLICE("*"));
    reply_raw(r, heads[t->kind]);
    if (t->kind == PUBSUB_PATTERN)
        reply_bulk(r, t->name);
    if (m->payload.len < REPLY_REF_MIN) {
        reply_raw(r, blob_slice(m->blob));
    } else {
        reply_raw(r, slice_of(m->blob->data, m->channel_len));
        reply_bulk_blob(r, m->blob, m->payload);
    }
}

/* Returns what it counts for. */
static size_t deliver_to(struct host_worker *w, struct conn *c, const struct message *m,
                         const struct topic *t)
{
    struct reply *r = &c->session.reply;
    if ((c->flags & (CONN_DOOMED | CONN_GONE | CONN_CLOSING)) != 0)
        return 0;
    size_t inlined = m->payload.len < REPLY_REF_MIN ? m->blob->len : m->channel_len;
    worker_lend(w, &r->buf);
    if (!buf_try_reserve(&r->buf, inlined + t->name.len + DELIVERY_COST)) {
        log_line(LOG_WARNING, "client %s closed: out of memory for a message", c->session.addr);
        conn_doom(c);
        return 0;
    }
    if (m->lsn != 0)
        withheld_add(c, c->stream_sent + output_len(c), m->lsn);
    bool muted = r->muted; /* CLIENT REPLY OFF is about replies */
    size_t before = r->buf.len;
    r->muted = false;
    pubsub_append_head(r, m, t);
    r->muted = muted;
    size_t grown = r->buf.len - before;
    output_queue(c);
    output_check_limit(c, true);
    return grown + DELIVERY_COST;
}

static size_t pubsub_deliver_all(struct host_worker *w, const struct message *m)
{
    size_t done = 0;
    for (uint32_t i = 0; i < m->topics_len; i++) {
        struct topic *t = m->topics[i];
        for (struct subscription *sub = t->sides[w->number].first; sub != NULL; sub = sub->next)
            if (sub->since < m->number)
                done += deliver_to(w, sub->conn, m, t);
    }
    return done;
}

/* The oldest message that is here; NULL: none. */
static struct message *oldest(struct host_worker *w)
{
    struct pubsub_worker *mail = w->mail;
    if (mail->taken == NULL) {
        lock_acquire(&mail->lock);
        mail->taken = mail->head;
        mail->head = mail->tail = NULL;
        atomic_store_explicit(&w->has_mail, false, memory_order_relaxed);
        lock_release(&mail->lock);
    }
    return mail->taken;
}

static void deliver_some(struct host_worker *w, size_t budget)
{
    struct pubsub_worker *mail = w->mail;
    size_t done = 0;
    struct message *m;
    if (!atomic_load_explicit(&w->has_mail, memory_order_acquire))
        return;
    while ((m = oldest(w)) != NULL && atomic_load_explicit(&m->ready, memory_order_acquire)) {
        if (done >= budget) {
            ev_async_send(w->loop, &w->wake);
            break;
        }
        mail->taken = m->next[w->number];
        done += pubsub_deliver_all(w, m);
        atomic_fetch_sub_explicit(&mail->bytes, m->bytes, memory_order_relaxed);
        unref_message(m);
    }
    /* Who makes the next one ready wakes us. */
    if (mail->taken != NULL)
        atomic_store_explicit(&w->has_mail, true, memory_order_relaxed);
}

void pubsub_deliver(struct host_worker *w)
{
    deliver_some(w, PIECE_BYTES);
}

/* --- What commands see --- */

static bool host_subscribe(struct session *s, enum pubsub_kind kind, struct slice name)
{
    return topic_subscribe(conn_of(s), kind, name);
}

/* What was published before a client unsubscribes is for it still. In EXEC that waits until the
 * replies are complete. */
static void deliver_before_leaving(struct conn *c)
{
    if ((c->session.flags & SESSION_MULTI) == 0)
        deliver_some(c->worker, LEAVING_BYTES);
}

static void host_unsubscribe(struct session *s, enum pubsub_kind kind, struct slice name)
{
    deliver_before_leaving(conn_of(s));
    topic_unsubscribe(conn_of(s), kind, name);
}

static bool host_unsubscribe_oldest(struct session *s, enum pubsub_kind kind,
                                    void (*each)(void *arg, struct slice name), void *arg)
{
    deliver_before_leaving(conn_of(s));
    struct topic *t = topic_unsubscribe_oldest(conn_of(s), kind);
    if (t == NULL)
        return false;
    each(arg, t->name);
    topic_unref(t);
    return true;
}

/* Who is told must not know more than a disk does: neither of this transaction nor of what the
 * client wrote before and has no answer to yet. */
static bool host_publish(struct session *s, enum pubsub_kind kind, struct slice channel,
                         struct slice payload, uint64_t lsn, uint64_t *receivers)
{
    struct conn *c = conn_of(s);
    bool always = option_num(OPT_journal_fsync) == JOURNAL_FSYNC_ALWAYS;
    return pubsub_publish_now(c->worker, kind, channel, payload,
                              always ? max_u64(lsn, withheld_newest(c)) : 0, receivers);
}

static void host_each(struct session *s, enum pubsub_kind kind,
                      void (*each)(void *arg, struct slice name), void *arg)
{
    struct pubsub *p = conn_of(s)->worker->pubsub;
    lock_acquire(&p->lock);
    for (const struct topic *t = p->first[kind]; t != NULL; t = t->next)
        each(arg, t->name);
    lock_release(&p->lock);
}

uint64_t pubsub_count(struct pubsub *p, enum pubsub_kind kind)
{
    return atomic_load_explicit(&p->len[kind], memory_order_relaxed);
}

static uint64_t host_count(struct session *s, enum pubsub_kind kind)
{
    return pubsub_count(conn_of(s)->worker->pubsub, kind);
}

static uint64_t host_subscribers(struct session *s, enum pubsub_kind kind, struct slice name)
{
    struct pubsub *p = conn_of(s)->worker->pubsub;
    uint64_t hash = topic_hash(p, kind, name);
    lock_acquire(&p->lock);
    const struct topic *t = topic_find(p, kind, name, hash);
    uint64_t n = t == NULL ? 0 : t->subscribers;
    lock_release(&p->lock);
    return n;
}

const struct host_pubsub pubsub_host = {
    .subscribe = host_subscribe,
    .unsubscribe = host_unsubscribe,
    .unsubscribe_oldest = host_unsubscribe_oldest,
    .publish = host_publish,
    .each = host_each,
    .count = host_count,
    .subscribers = host_subscribers,
};

/* --- Life --- */

struct pubsub *pubsub_new(struct host_worker *workers, uint32_t workers_len)
{
    struct pubsub *p = calloc(1, sizeof(*p));
    must(p != NULL);
    p->workers = workers;
    p->workers_len = workers_len;
    must(getrandom(&p->seed, sizeof(p->seed), 0) == (ssize_t)sizeof(p->seed));
    lock_init(&p->lock);
    table_init(&p->topics);
    for (uint32_t i = 0; i < workers_len; i++) {
        struct pubsub_worker *mail = calloc(1, sizeof(*mail));
        must(mail != NULL);
        lock_init(&mail->lock);
        table_init(&mail->subscriptions);
        mail->wake = calloc(workers_len, sizeof(mail->wake[0]));
        must(mail->wake != NULL);
        ev_timer_init(&mail->look, pubsub_on_look, 0., 0.);
        workers[i].mail = mail;
        workers[i].pubsub = p;
    }
    return p;
}

void pubsub_forget(struct conn *c)
{
    struct topic *t;
    unhold(c);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        while ((t = topic_unsubscribe_oldest(c, (enum pubsub_kind)kind)) != NULL)
            topic_unref(t);
}

void pubsub_attach(struct host_worker *w)
{
    this_worker = w;
}

static void free_mail(struct host_worker *w)
{
    struct pubsub_worker *mail = w->mail;
    struct message *m;
    w->mail = NULL;
    while ((m = mail->outgoing) != NULL) {
        mail->outgoing = m->outgoing;
        unref_message(m);
    }
    for (int i = 0; i < 2; i++) {
        while ((m = mail->taken) != NULL) {
            mail->taken = m->next[w->number];
            unref_message(m);
        }
        mail->taken = mail->head;
        mail->head = NULL;
    }
    must(mail->subscriptions.len == 0 && mail->held == NULL);
    free(mail->subscriptions.buckets);
    free(mail->wake);
    buf_fini(&mail->name);
    lock_fini(&mail->lock);
    free(mail);
}

void pubsub_free(struct pubsub **pp)
{
    struct pubsub *p = *pp;
    *pp = NULL;
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->workers_len; i++)
        free_mail(&p->workers[i]);
    must(p->topics.len == 0);
    free(p->topics.buckets);
    lock_fini(&p->lock);
    free(p);
}
