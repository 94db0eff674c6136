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
    /* when it was watched */
    bool live;
    int64_t expires_at_ms; /* 0: never, or it was not live */
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

bool watch_add(struct txn *t, uint32_t key, struct watch *w) NO_TSA /* the shard is locked */
{
    must(t->open && key < t->slots_len);
    struct slot *s = &t->slots[key];
    struct slice bytes = s->key->name;
    for (uint32_t i = 0; i < w->keys_len; i++) {
        if (w->keys[i]->db == s->key->db && slice_eq(w->keys[i]->name, bytes))
            return true;
    }
    struct watch_key *k = malloc(sizeof(*k) + bytes.len);
    if (k == NULL)
        return false;
    struct watch_key **grown = realloc(w->keys, (w->keys_len + 1) * sizeof(*grown));
    if (grown == NULL) {
        free(k);
        return false;
    }
    w->keys = grown;
    w->keys[w->keys_len++] = k;
    *k = (struct watch_key){
        .owner = w, .db = s->key->db, .store_db = s->store_db, .hash = s->hash, .shard = s->shard};
    char *name = (char *)(k + 1);
    memcpy(name, bytes.ptr, bytes.len);
    k->name = slice_of(name, bytes.len);
    const struct entry *e = slot_entry(t, s);
    k->live = txn_is_live(t, e);
    k->expires_at_ms = k->live ? entry_expires_at(e) : 0;
    link_key(k);
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

/* Any change of a key, of its expiry too, breaks the watch at once; so the expiry that was found
 * when it began holds, whether or not the key is still in memory. */
bool watch_is_broken(struct watch *w)
{
    int64_t now_ms = clock_wall().ms;
    for (uint32_t i = 0; i < w->keys_len && !atomic_load(&w->broken); i++) {
        int64_t expires_at_ms = w->keys[i]->expires_at_ms;
        if (expires_at_ms != 0 && expires_at_ms <= now_ms)
            atomic_store(&w->broken, true);
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

void watch_touch_shard(struct shard *sh)
{
    for (struct watch_key *k = sh->watch; k != NULL; k = k->next)
        atomic_store(&k->owner->broken, true);
}

void watch_expired(struct shard *sh, uint32_t store_db, struct slice key) NO_TSA
{
    for (struct watch_key *k = sh->watch; k != NULL; k = k->next) {
        if (k->live && k->store_db == store_db && slice_eq(k->name, key))
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
