/* Topics: who listens to what. See pubsub.c for the picture.
 *
 * The table of topics is under the lock. Subscriptions belong to their connection's worker, which
 * finds them by connection and name in a table of its own; only their number is under the lock.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/pubsub_private.h"

#include <stdlib.h>
#include <xxhash.h>

enum { TABLE_MIN = 64 };

/* --- Tables --- */

static void table_resize(struct topic_table *t, size_t cap)
{
    struct node **buckets = calloc(cap, sizeof(struct node *));
    if (buckets == NULL)
        return; /* longer chains, or memory that is given back later */
    for (size_t i = 0; i < t->cap; i++) {
        for (struct node *n = t->buckets[i], *next; n != NULL; n = next) {
            next = n->chain;
            n->chain = buckets[n->hash & (cap - 1)];
            buckets[n->hash & (cap - 1)] = n;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->cap = cap;
}

void table_init(struct topic_table *t)
{
    *t = (struct topic_table){0};
    table_resize(t, TABLE_MIN);
    must(t->buckets != NULL);
}

static void table_add(struct topic_table *t, struct node *n)
{
    if (t->len >= t->cap)
        table_resize(t, t->cap * 2);
    n->chain = t->buckets[n->hash & (t->cap - 1)];
    t->buckets[n->hash & (t->cap - 1)] = n;
    t->len++;
}

static void table_remove(struct topic_table *t, struct node *n)
{
    struct node **at = &t->buckets[n->hash & (t->cap - 1)];
    while (*at != n)
        at = &(*at)->chain;
    *at = n->chain;
    t->len--;
    if (t->cap > TABLE_MIN && t->len < t->cap / 8)
        table_resize(t, t->cap / 2);
}

/* --- Topics --- */

uint64_t topic_hash(const struct pubsub *p, enum pubsub_kind kind, struct slice name)
{
    return XXH3_64bits_withSeed(name.ptr, name.len, p->seed + (uint64_t)kind);
}

struct topic *topic_find(struct pubsub *p, enum pubsub_kind kind, struct slice name, uint64_t hash)
    REQUIRES(p->lock)
{
    struct node *n = p->topics.buckets[hash & (p->topics.cap - 1)];
    for (; n != NULL; n = n->chain) {
        struct topic *t = (struct topic *)n;
        if (n->hash == hash && t->kind == kind && slice_eq(t->name, name))
            return t;
    }
    return NULL;
}

static struct topic *add_topic(struct pubsub *p, enum pubsub_kind kind, struct slice name,
                               uint64_t hash) REQUIRES(p->lock)
{
    size_t fixed = sizeof(struct topic) + p->workers_len * sizeof(struct topic_side);
    struct topic *t = malloc(fixed + name.len);
    if (t == NULL)
        return NULL;
    memset(t, 0, fixed);
    t->kind = kind;
    t->node.hash = hash;
    atomic_init(&t->refs, 1);
    t->name = slice_of((char *)t + fixed, name.len);
    if (name.len > 0)
        memcpy((char *)t + fixed, name.ptr, name.len);
    table_add(&p->topics, &t->node);
    t->prev = p->last[kind];
    if (t->prev != NULL)
        t->prev->next = t;
    else
        p->first[kind] = t;
    p->last[kind] = t;
    atomic_fetch_add(&p->len[kind], 1);
    return t;
}

void topic_unref(struct topic *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        free(t);
}

/* Nobody listens any more. The caller unrefs it when it has left the lock. */
static void remove_topic(struct pubsub *p, struct topic *t) REQUIRES(p->lock)
{
    table_remove(&p->topics, &t->node);
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        p->first[t->kind] = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    else
        p->last[t->kind] = t->prev;
    atomic_fetch_sub(&p->len[t->kind], 1);
}

/* --- Subscribing --- */

static uint64_t hash_subscription(const struct conn *c, uint64_t hash_of_topic)
{
    return hash_of_topic ^ (uint64_t)(uintptr_t)c * UINT64_C(0x9E3779B97F4A7C15) >> 7;
}

static struct subscription *find_subscription(struct conn *c, enum pubsub_kind kind,
                                              struct slice name, uint64_t hash_of_topic)
{
    const struct topic_table *t = &c->worker->mail->subscriptions;
    uint64_t hash = hash_subscription(c, hash_of_topic);
    for (struct node *n = t->buckets[hash & (t->cap - 1)]; n != NULL; n = n->chain) {
        struct subscription *sub = (struct subscription *)n;
        if (n->hash == hash && sub->conn == c && sub->topic->kind == kind &&
            slice_eq(sub->topic->name, name))
            return sub;
    }
    return NULL;
}

static size_t subscription_cost(const struct topic *t)
{
    return sizeof(struct subscription) + sizeof(*t) + t->name.len;
}

static void link_to_topic(struct subscription *sub, struct topic_side *side)
{
    sub->prev = side->last;
    if (side->last != NULL)
        side->last->next = sub;
    else
        side->first = sub;
    side->last = sub;
}

static void unlink_from_topic(struct subscription *sub, struct topic_side *side)
{
    if (sub->prev != NULL)
        sub->prev->next = sub->next;
    else
        side->first = sub->next;
    if (sub->next != NULL)
        sub->next->prev = sub->prev;
    else
        side->last = sub->prev;
}

static void link_to_conn(struct subscription *sub)
{
    struct conn *c = sub->conn;
    enum pubsub_kind kind = sub->topic->kind;
    sub->conn_prev = c->subs_last[kind];
    if (sub->conn_prev != NULL)
        sub->conn_prev->conn_next = sub;
    else
        c->subs_first[kind] = sub;
    c->subs_last[kind] = sub;
}

static void unlink_from_conn(struct subscription *sub)
{
    struct conn *c = sub->conn;
    enum pubsub_kind kind = sub->topic->kind;
    if (sub->conn_prev != NULL)
        sub->conn_prev->conn_next = sub->conn_next;
    else
        c->subs_first[kind] = sub->conn_next;
    if (sub->conn_next != NULL)
        sub->conn_next->conn_prev = sub->conn_prev;
    else
        c->subs_last[kind] = sub->conn_prev;
}

bool topic_subscribe(struct conn *c, enum pubsub_kind kind, struct slice name)
{
    struct host_worker *w = c->worker;
    struct pubsub *p = w->pubsub;
    uint64_t hash = topic_hash(p, kind, name);
    if (find_subscription(c, kind, name, hash) != NULL)
        return true;
    struct subscription *sub = calloc(1, sizeof(*sub));
    if (sub == NULL)
        return false;
    lock_acquire(&p->lock);
    struct topic *t = topic_find(p, kind, name, hash);
    if (t == NULL)
        t = add_topic(p, kind, name, hash);
    if (t != NULL) {
        t->subscribers++;
        t->sides[w->number].len++;
        sub->since = p->number;
    }
    lock_release(&p->lock);
    if (t == NULL) {
        free(sub);
        return false;
    }
    sub->node.hash = hash_subscription(c, hash);
    sub->conn = c;
    sub->topic = t;
    link_to_topic(sub, &t->sides[w->number]);
    link_to_conn(sub);
    table_add(&w->mail->subscriptions, &sub->node);
    c->session.subscriptions[kind]++;
    c->session.subscription_bytes += subscription_cost(t);
    return true;
}

/* Ends a subscription. The topic, which may be gone now, is the caller's to unref. */
static struct topic *end_subscription(struct subscription *sub)
{
    struct conn *c = sub->conn;
    struct host_worker *w = c->worker;
    struct pubsub *p = w->pubsub;
    struct topic *t = sub->topic;
    table_remove(&w->mail->subscriptions, &sub->node);
    unlink_from_conn(sub);
    unlink_from_topic(sub, &t->sides[w->number]);
    c->session.subscriptions[t->kind]--;
    c->session.subscription_bytes -= subscription_cost(t);
    free(sub);
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    lock_acquire(&p->lock);
    t->sides[w->number].len--;
    bool last = --t->subscribers == 0;
    if (last)
        remove_topic(p, t);
    lock_release(&p->lock);
    if (last)
        topic_unref(t);
    return t;
}

void topic_unsubscribe(struct conn *c, enum pubsub_kind kind, struct slice name)
{
    uint64_t hash = topic_hash(c->worker->pubsub, kind, name);
    struct subscription *sub = find_subscription(c, kind, name, hash);
    if (sub != NULL)
        topic_unref(end_subscription(sub));
}

struct topic *topic_unsubscribe_oldest(struct conn *c, enum pubsub_kind kind)
{
    struct subscription *sub = c->subs_first[kind];
    return sub == NULL ? NULL : end_subscription(sub);
}
