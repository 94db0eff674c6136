/* Clients that wait for a key to hold a value: BLPOP and its kind.
 *
 * A waiting client stands in a queue of each of its keys, in the order of arrival. Whoever commits
 * a list or sorted set under such a key serves the queue, first come first served, before running
 * anything else: it claims the first client and runs that client's command in its own thread.
 *
 *                    block_claim                        served
 *   WAITING ────────────────────────> SERVING ────────────────────> SERVED ──┐
 *      │  ▲ ▲                           │  │  a key must be loaded first     │ the owner
 *      │  │ └───── nothing there ───────┘  └──────> AGAIN ──┐                │ is called, once
 *      │  │                                           │     │<───────────────┘
 *      │  └────────── the owner finds nothing ────────┘     ▼
 *      │ timeout, CLIENT UNBLOCK, disconnect          the owner takes its
 *      └────────────────────────────────> LEFT ────> place out of the queues
 *
 * Only the owner frees. In WAITING nobody may touch the client but by claiming it; in SERVING it is
 * the claimer's; in every other state the owner's. Each change to SERVED or AGAIN is followed by
 * exactly one call of the waiter.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_BLOCK_H
#define KEYSPACE_BLOCK_H

#include "keyspace/txn.h"

#include <stdatomic.h>

enum block_state {
    BLOCK_WAITING,
    BLOCK_SERVING,
    BLOCK_SERVED,
    BLOCK_AGAIN, /* the owner runs the command itself */
    BLOCK_LEFT,
};

struct block_place; /* a place in one queue */

struct blocked { /* a waiting client; allocated and freed by its owner */
    struct waiter *waiter;
    enum value_type type; /* what it waits for */
    _Atomic int state;    /* enum block_state */
    _Atomic bool overdue; /* the owner wants it back: see block_recall */
    uint32_t places_len;
    struct block_place *places;
};

/* Puts the client into the queues of the first `keys_len` keys of the open transaction, from key
 * `first` on; or, when it stands there already, makes it wait again. *recalled: the owner wants it
 * back; the caller owns the state AGAIN and must call the waiter after the commit. After commit
 * nothing of `b` may be touched otherwise. False: out of memory, nothing changed. */
MUST_CHECK bool block_wait(struct txn *t, uint32_t first, uint32_t keys_len, struct blocked *b,
                           bool *recalled);
/* The owner takes its client back; true: it is LEFT. False: it is being served or was: the waiter
 * is going to be called. Thread: the owner. */
MUST_CHECK bool block_recall(struct blocked *b);
/* Takes it out of all queues and frees the places. Not in WAITING or SERVING. Thread: the owner. */
void block_leave(struct blocked *b);

/* A key under which a transaction left something to be served. */
struct block_ready {
    struct block_ready *next;
    uint32_t store_db;
    uint64_t hash;
    size_t len;
    char key[];
};
/* True when txn_take_ready() would return something: asked after every command. */
bool txn_has_ready(const struct txn *t);
/* The keys that the transactions committed since the last call made ready, oldest first; NULL
 * mostly. To be freed one by one. */
struct block_ready *txn_take_ready(struct txn *t);
/* Claims the client that has waited longest for what lies under the key now; NULL: none. */
struct blocked *block_claim(struct keyspace *ks, const struct block_ready *ready);

#endif
