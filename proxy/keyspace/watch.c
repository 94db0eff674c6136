/* WATCH: who wants to know that a key was changed.
 *
 * A shard with watched keys has a list of them; one without costs a change a single test. A watched
 * key is bound to a numbered database, so FLUSHDB and SWAPDB, which exchange what a number points
 * to, look at the watched keys themselves.
 *
 * Lock: the shard of the key, for its list; the owner's own fields belong to the client's worker,
 * but for `broken`.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include <stdlib.h>

struct watch_key {
    struct watch_key *next, **link; /* in the shard's list */
    struct watch *owner;
    struct shard *shard; /* changes only with all shards locked (SWAPDB, FLUSHDB) */
    uint64_t hash;
    uint32_t db, store_db;
    bool live; /* when it was watched */
    struct slice name;
};

static void link_key(struct watch_key *w) NO_TSA
{
    struct watch_key **head = (struct watch_key **)(void *)&w->shard->watch;
    w->next = *head;
    w->link = head;
    if (w->next != NULL)
        w->next->link = &w->next;
    *head = w;
}

static void unlink_key(struct watch_key *w)
{
    *w->link = w->next;
    if (w->next != NULL)
        w->next->link = w->link;
}

/* Locks the shard that the key of a numbered database is in now. */
static void lock_key(struct keyspace *ks, struct watch_key *w) NO_TSA
{
    for (;;) {
        w->store_db = dbmap_store_db(&ks->wb->map, w->db);
        w->hash = store_hash(&ks->store, w->store_db, w->name);
        w->shard = store_shard(&ks->store, w->hash);
        lock_acquire(&w->shard->lock);
        if (dbmap_store_db(&ks->wb->map, w->db) == w->store_db)
            return;
        lock_release(&w->shard->lock);
    }
}

static bool is_live(struct keyspace *ks, struct watch_key *w) NO_TSA
{
    struct entry *e = entry_find(&ks->store, w->shard, w->hash, w->store_db, w->name);
    return e != NULL && e->type != VALUE_NONE && !entry_expired(e, clock_wall());
}

bool watch_add(struct keyspace *ks, struct watch *w, uint32_t db, struct slice key) NO_TSA
{
    for (uint32_t i = 0; i < w->keys_len; i++) {
        if (w->keys[i]->db == db && slice_eq(w->keys[i]->name, key))
            return true;
    }
    struct watch_key *k = malloc(sizeof(*k) + key.len);
    if (k == NULL)
        return false;
    *k = (struct watch_key){.owner = w, .db = db};
    char *name = (char *)(k + 1);
    memcpy(name, key.ptr, key.len);
    k->name = slice_of(name, key.len);
    struct watch_key **grown = realloc(w->keys, (w->keys_len + 1) * sizeof(*grown));
    if (grown == NULL) {
        free(k);
        return false;
    }
    w->keys = grown;
    w->keys[w->keys_len++] = k;
    lock_key(ks, k);
    k->live = is_live(ks, k);
    link_key(k);
    lock_release(&k->shard->lock);
    return true;
}

/* The shard of a key that is on a list changes only under all locks: read it, lock it, and see
 * whether it still is. */
static struct shard *lock_linked(struct watch_key *k) NO_TSA
{
    for (;;) {
        struct shard *sh = __atomic_load_n(&k->shard, __ATOMIC_ACQUIRE);
        lock_acquire(&sh->lock);
        if (__atomic_load_n(&k->shard, __ATOMIC_ACQUIRE) == sh)
            return sh;
        lock_release(&sh->lock);
    }
}

void watch_clear(struct keyspace *ks, struct watch *w) NO_TSA
{
    (void)ks;
    for (uint32_t i = 0; i < w->keys_len; i++) {
        struct shard *sh = lock_linked(w->keys[i]);
        unlink_key(w->keys[i]);
        lock_release(&sh->lock);
        free(w->keys[i]);
    }
    free(w->keys);
    w->keys = NULL;
    w->keys_len = 0;
    atomic_store(&w->broken, false);
}

bool watch_is_broken(struct keyspace *ks, struct watch *w) NO_TSA
{
    for (uint32_t i = 0; i < w->keys_len && !atomic_load(&w->broken); i++) {
        struct watch_key *k = w->keys[i];
        struct shard *sh = lock_linked(k);
        struct entry *e = entry_find(&ks->store, sh, k->hash, k->store_db, k->name);
        if (k->live && e != NULL && e->type != VALUE_NONE && entry_expired(e, clock_wall()))
            atomic_store(&w->broken, true); /* expired, and nobody has deleted it yet */
        lock_release(&sh->lock);
    }
    return atomic_load(&w->broken);
}

void watch_touch(struct keyspace *ks, struct shard *sh, uint32_t store_db, struct slice key)
{
    (void)ks;
    for (struct watch_key *k = sh->watch; k != NULL; k = k->next) {
        if (k->store_db == store_db && slice_eq(k->name, key))
            atomic_store(&k->owner->broken, true);
    }
}

struct changed_databases {
    struct txn *t;
    uint32_t a, b, old_a, old_b;
    struct watch_key *moving;
};

static bool exists(struct txn *t, uint32_t store_db, struct slice key) NO_TSA
{
    struct keyspace *ks = t->ks;
    uint64_t hash = store_hash(&ks->store, store_db, key);
    struct shard *sh = store_shard(&ks->store, hash);
    struct entry *e = entry_find(&ks->store, sh, hash, store_db, key);
    if (e == NULL)
        return !writeback_is_complete(ks->wb, sh, store_db); /* the backend may have it */
    return txn_is_live(t, e);
}

static void look(struct changed_databases *c, struct watch_key *k)
{
    if (k->db != c->a && k->db != c->b)
        return;
    bool was = exists(c->t, k->db == c->a ? c->old_a : c->old_b, k->name);
    bool is = c->a != c->b && exists(c->t, k->db == c->a ? c->old_b : c->old_a, k->name);
    if (was || is)
        atomic_store(&k->owner->broken, true);
    unlink_key(k);
    k->next = c->moving;
    c->moving = k;
}

void watch_databases_changed(struct txn *t, uint32_t a, uint32_t b, uint32_t old_a,
                             uint32_t old_b) NO_TSA
{
    struct keyspace *ks = t->ks;
    struct changed_databases c = {.t = t, .a = a, .b = b, .old_a = old_a, .old_b = old_b};
    for (uint32_t i = 0; i < ks->store.shards_len; i++) {
        struct watch_key *next;
        for (struct watch_key *k = ks->store.shards[i].watch; k != NULL; k = next) {
            next = k->next;
            look(&c, k);
        }
    }
    while (c.moving != NULL) {
        struct watch_key *k = c.moving;
        c.moving = k->next;
        k->store_db = dbmap_store_db(&ks->wb->map, k->db);
        k->hash = store_hash(&ks->store, k->store_db, k->name);
        __atomic_store_n(&k->shard, store_shard(&ks->store, k->hash), __ATOMIC_RELEASE);
        link_key(k);
    }
}
