/* See block.h. The queues of a shard are in a table that hangs on it while there are any.
 *
 * A queue is bound to a numbered database: SWAPDB and FLUSHDB, which change what a number points
 * to, move the queues to the shards where their keys are then.
 *
 * Lock: the shard of the key for a queue and its places.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/chains.h"

#include <assert.h>
#include <stdlib.h>

struct block_queue {
    struct chain_node node; /* first; in the shard's table, by the hash of the key */
    struct block_queue *moving;
    struct block_place *first, **last;
    struct shard *shard; /* changes only with all shards locked (SWAPDB, FLUSHDB) */
    uint32_t db, store_db;
    const struct txn *noted_by; /* its key is among what this one made ready, */
    uint64_t noted_round;       /* since it was last asked for that so often */
    size_t len;
    char key[];
};

struct block_place {
    struct block_place *next, **link; /* in the queue */
    struct block_queue *queue;
    struct blocked *owner;
};

static bool try_move(struct blocked *b, enum block_state from, enum block_state to)
{
    int expected = (int)from;
    return atomic_compare_exchange_strong(&b->state, &expected, (int)to);
}

/* --- Queues --- */

static struct chains **block_table_of(struct shard *sh)
{
    return (struct chains **)(void *)&sh->blocked;
}

static struct block_queue *find_queue(struct shard *sh, uint64_t hash, uint32_t store_db,
                                      struct slice key) REQUIRES(sh->lock)
{
    if (sh->blocked == NULL)
        return NULL;
    struct chain_node *n = chains_first(sh->blocked, hash);
    for (; n != NULL; n = chains_next(n)) {
        struct block_queue *q = (struct block_queue *)n;
        if (q->store_db == store_db && slice_eq(slice_of(q->key, q->len), key))
            return q;
    }
    return NULL;
}

static struct block_queue *get_queue(const struct slot *s) NO_TSA
{
    struct slice key = s->key->name;
    struct block_queue *q = find_queue(s->shard, s->hash, s->store_db, key);
    if (q != NULL)
        return q;
    q = malloc(sizeof(*q) + key.len);
    if (q == NULL)
        return NULL;
    *q = (struct block_queue){.node.hash = s->hash,
                              .shard = s->shard,
                              .db = s->key->db,
                              .store_db = s->store_db,
                              .len = key.len};
    if (key.len > 0)
        memcpy(q->key, key.ptr, key.len);
    q->last = &q->first;
    if (!chains_try_put(block_table_of(s->shard), &q->node)) {
        free(q);
        return NULL;
    }
    return q;
}

static void free_if_empty(struct block_queue *q) NO_TSA
{
    if (q->first != NULL)
        return;
    chains_take(block_table_of(q->shard), &q->node);
    free(q);
}

static void block_enter(struct block_place *p, struct block_queue *q, struct blocked *b)
{
    *p = (struct block_place){.link = q->last, .queue = q, .owner = b};
    *q->last = p;
    q->last = &p->next;
}

static void leave(struct block_place *p)
{
    struct block_queue *q = p->queue;
    *p->link = p->next;
    if (p->next != NULL)
        p->next->link = p->link;
    else
        q->last = p->link;
    free_if_empty(q);
}

/* Of a client that is just entering: nobody else came after it, since all shards are locked. */
static bool stands_in(const struct blocked *b, const struct block_queue *q)
{
    static_assert(offsetof(struct block_place, next) == 0, "`last` points to the last place");
    return q->first != NULL && ((const struct block_place *)(void *)q->last)->owner == b;
}

/* --- Waiting and leaving --- */

static bool enter_all(struct txn *t, uint32_t first, uint32_t keys_len, struct blocked *b)
{
    b->places = malloc(keys_len * sizeof(*b->places));
    if (b->places == NULL)
        return false;
    for (uint32_t i = first; i < first + keys_len; i++) {
        struct block_queue *q = get_queue(&t->slots[i]);
        if (q == NULL) {
            while (b->places_len > 0)
                leave(&b->places[--b->places_len]);
            free(b->places);
            b->places = NULL;
            return false;
        }
        if (!stands_in(b, q)) /* a key may be named twice */
            block_enter(&b->places[b->places_len++], q, b);
    }
    return true;
}

bool block_wait(struct txn *t, uint32_t first, uint32_t keys_len, struct blocked *b, bool *recalled)
{
    must(t->open && keys_len > 0 && first + keys_len <= t->slots_len);
    *recalled = false;
    if (b->places == NULL && !enter_all(t, first, keys_len, b))
        return false;
    atomic_store(&b->state, BLOCK_WAITING);
    /* The owner stores `overdue` and then tries the state: one of the two sees the other. */
    *recalled = atomic_load(&b->overdue) && try_move(b, BLOCK_WAITING, BLOCK_AGAIN);
    return true;
}

bool block_recall(struct blocked *b)
{
    if (try_move(b, BLOCK_WAITING, BLOCK_LEFT))
        return true;
    atomic_store(&b->overdue, true);
    return try_move(b, BLOCK_WAITING, BLOCK_LEFT);
}

void block_leave(struct blocked *b) NO_TSA
{
    int state = atomic_load(&b->state);
    must(state != BLOCK_WAITING && state != BLOCK_SERVING);
    for (uint32_t i = 0; i < b->places_len; i++) {
        struct block_queue *q = b->places[i].queue;
        struct shard *sh;
        for (;;) { /* the queue may move to another shard until one is locked */
            sh = __atomic_load_n(&q->shard, __ATOMIC_ACQUIRE);
            lock_acquire(&sh->lock);
            if (__atomic_load_n(&q->shard, __ATOMIC_ACQUIRE) == sh)
                break;
            lock_release(&sh->lock);
        }
        leave(&b->places[i]);
        lock_release(&sh->lock);
    }
    free(b->places);
    b->places = NULL;
    b->places_len = 0;
}

/* --- Serving --- */

void block_note(struct txn *t, const struct slot *s) NO_TSA
{
    struct slice key = s->key->name;
    struct block_queue *q =
        t->ks->replaying ? NULL : find_queue(s->shard, s->hash, s->store_db, key);
    if (q == NULL || (q->noted_by == t && q->noted_round == t->ready_round))
        return;
    q->noted_by = t;
    q->noted_round = t->ready_round;
    struct block_ready *r = malloc(sizeof(*r) + key.len);
    must(r != NULL); /* a client would wait for ever; keys that somebody waits for are short */
    *r = (struct block_ready){.store_db = s->store_db, .hash = s->hash, .len = key.len};
    if (key.len > 0)
        memcpy(r->key, key.ptr, key.len);
    if (t->ready == NULL)
        t->ready = r;
    else
        t->ready_last->next = r;
    t->ready_last = r;
}

bool txn_has_ready(const struct txn *t)
{
    return t->ready != NULL;
}

struct block_ready *txn_take_ready(struct txn *t)
{
    struct block_ready *r = t->ready;
    must(!t->open);
    t->ready = NULL;
    t->ready_round++;
    return r;
}

struct blocked *block_claim(struct keyspace *ks, const struct block_ready *ready)
{
    struct shard *sh = store_shard(&ks->store, ready->hash);
    struct slice key = slice_of(ready->key, ready->len);
    struct blocked *claimed = NULL;
    lock_acquire(&sh->lock);
    struct block_queue *q = find_queue(sh, ready->hash, ready->store_db, key);
    struct entry *e = entry_find(sh, ready->hash, ready->store_db, key);
    if (q != NULL && e != NULL && e->type != VALUE_NONE && !entry_expired(e, clock_wall())) {
        for (struct block_place *p = q->first; p != NULL && claimed == NULL; p = p->next) {
            if (p->owner->type == (enum value_type)e->type &&
                try_move(p->owner, BLOCK_WAITING, BLOCK_SERVING))
                claimed = p->owner;
        }
    }
    lock_release(&sh->lock);
    return claimed;
}

/* --- When nobody commits: the key came from the backend, or with another database --- */

/* Whoever waits here looks for himself. */
static void call_all(struct block_queue *q)
{
    for (struct block_place *p = q->first; p != NULL; p = p->next) {
        struct blocked *b = p->owner;
        if (try_move(b, BLOCK_WAITING, BLOCK_AGAIN))
            b->waiter->ready(b->waiter);
    }
}

void block_look_again(struct keyspace *ks, uint64_t hash, uint32_t store_db, struct slice key)
{
    struct shard *sh = store_shard(&ks->store, hash);
    lock_acquire(&sh->lock);
    struct block_queue *q = find_queue(sh, hash, store_db, key);
    if (q != NULL)
        call_all(q);
    lock_release(&sh->lock);
}

static void call_all_of(void *ctx, struct chain_node *node)
{
    (void)ctx;
    call_all((struct block_queue *)node);
}

void block_look_again_shard(struct shard *sh)
{
    if (sh->blocked != NULL)
        chains_each(sh->blocked, call_all_of, NULL);
}

struct moving_queues {
    uint32_t a, b;
    struct block_queue *first;
};

static void take_out(void *ctx, struct chain_node *node) NO_TSA
{
    struct moving_queues *m = ctx;
    struct block_queue *q = (struct block_queue *)node;
    if (q->db != m->a && q->db != m->b)
        return;
    chains_remove(q->shard->blocked, node);
    q->moving = m->first;
    m->first = q;
}

void block_databases_changed(struct txn *t, uint32_t a, uint32_t b) NO_TSA
{
    struct keyspace *ks = t->ks;
    struct moving_queues m = {a, b, NULL};
    for (uint32_t i = 0; i < ks->store.shards_len; i++)
        if (ks->store.shards[i].blocked != NULL)
            chains_each(ks->store.shards[i].blocked, take_out, &m);
    while (m.first != NULL) {
        struct block_queue *q = m.first;
        m.first = q->moving;
        q->store_db = dbmap_store_db(ks->map, q->db);
        q->node.hash = store_hash(&ks->store, q->store_db, slice_of(q->key, q->len));
        struct shard *sh = store_shard(&ks->store, q->node.hash);
        __atomic_store_n(&q->shard, sh, __ATOMIC_RELEASE);
        must(chains_try_put(block_table_of(sh), &q->node));
        call_all(q);
    }
    for (uint32_t i = 0; i < ks->store.shards_len; i++)
        chains_trim(block_table_of(&ks->store.shards[i]));
}
