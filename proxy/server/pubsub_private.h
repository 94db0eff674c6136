/* What pubsub.c and topic.c share: who listens to what, and messages on their way. Private to them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_PUBSUB_PRIVATE_H
#define SERVER_PUBSUB_PRIVATE_H

#include "server/conn.h"
#include "server/pubsub.h"

/* A hash table: chains of nodes, grown and shrunk by halves and doubles. */
struct node {
    struct node *chain;
    uint64_t hash;
};

struct topic_table {
    struct node **buckets;
    size_t cap, len;
};

struct topic_side {
    struct subscription *first, *last; /* the worker only */
    uint32_t len;                      /* under the lock */
};

struct topic {
    struct node node;          /* under the lock */
    struct topic *next, *prev; /* under the lock: all of its kind, oldest first */
    enum pubsub_kind kind;
    _Atomic uint32_t refs;     /* the table, and messages under way */
    uint64_t subscribers;      /* under the lock */
    struct slice name;         /* after the sides */
    struct topic_side sides[]; /* one for each worker */
};

struct subscription { /* loop only */
    struct node node;
    struct conn *conn;
    struct topic *topic;
    uint64_t since;                             /* the newest message that it is too late for */
    struct subscription *next, *prev;           /* of the topic, on this worker */
    struct subscription *conn_next, *conn_prev; /* of the connection and kind, oldest first */
};

struct message {
    _Atomic uint32_t refs; /* mails that it lies in, and the publisher's list */
    _Atomic bool ready;    /* the command that published it has ended */
    uint64_t number, lsn;
    size_t bytes;
    enum pubsub_kind kind;
    struct blob *blob;    /* channel and payload as bulks */
    size_t channel_len;   /* of the first of them, encoded */
    struct slice payload; /* within the second */
    struct message *outgoing;
    uint32_t topics_len;
    struct topic **topics;  /* after the links */
    struct message *next[]; /* a link for each worker's mail */
};

struct pubsub_worker {
    /* any thread */
    struct lock lock;
    struct message *head, *tail; /* under the lock */
    _Atomic uint64_t bytes;      /* of messages not delivered yet */
    /* loop only */
    struct message *taken;    /* from the mail, oldest first */
    struct message *outgoing; /* published by the running command, newest first */
    bool *wake;               /* which workers get some of them */
    struct topic_table subscriptions;
    struct buf name; /* scratch: of a channel for events */
    struct conn *held;
    ev_timer look;
};

struct pubsub {
    /* immutable */
    struct host_worker *workers;
    uint32_t workers_len;
    uint64_t seed;
    /* under the lock */
    struct lock lock;
    uint64_t number; /* of the newest message */
    struct topic_table topics;
    struct topic *first[PUBSUB_KINDS], *last[PUBSUB_KINDS];
    /* written under the lock, read by any thread */
    _Atomic uint64_t len[PUBSUB_KINDS];
};

/* --- topic.c --- */

void table_init(struct topic_table *t);

uint64_t topic_hash(const struct pubsub *p, enum pubsub_kind kind, struct slice name);
/* NULL: nobody listens to it. */
struct topic *topic_find(struct pubsub *p, enum pubsub_kind kind, struct slice name, uint64_t hash)
    REQUIRES(p->lock);
void topic_unref(struct topic *t);

/* See struct host_pubsub. Thread: the connection's worker. */
bool topic_subscribe(struct conn *c, enum pubsub_kind kind, struct slice name);
void topic_unsubscribe(struct conn *c, enum pubsub_kind kind, struct slice name);
/* The topic that the connection has listened to for longest, and does no more; NULL: none. The
 * caller unrefs it. */
struct topic *topic_unsubscribe_oldest(struct conn *c, enum pubsub_kind kind);

#endif
