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

#include "base/chains.h"

#include <stdlib.h>

struct watch_key {
    struct chain_node node; /* first; in the shard's table, by the hash of the key */
    struct watch_key *moving;
    struct watch *owner;
    struct shard *shard; /* changes only with all shards locked (SWAPDB, FLUSHDB) */
    uint32_t db, store_db;
    /* when it was watched */
    bool live;
    int64_t expires_at_ms; /* 0: never, or it was not live */
    struct slice name;
};

static struct chains **watch_table_of(struct shard *sh)
{
    return (struct chains **)(void *)&sh->watch;
}

static struct watch_key *first_of(struct shard *sh, uint64_t hash) REQUIRES(sh->lock)
{
    struct chains *table = sh->watch;
    return table == NULL ? NULL : (struct watch_key *)chains_first(table, hash);
}

static struct watch_key *next_of(const struct watch_key *k)
{
    return (struct watch_key *)chains_next(&k->node);
}

static bool watches(struct watch *w, const struct slot *s) NO_TSA /* the shard is locked */
{
    for (struct watch_key *k = first_of(s->shard, s->hash); k != NULL; k = next_of(k)) {
        if (k->owner == w && k->db == s->key->db && slice_eq(k->name, s->key->name))
            return true;
    }
    return false;
}

static bool watch_reserve(struct watch *w)
{
    if (w->keys_len < w->keys_cap)
        return true;
    uint32_t cap = w->keys_cap == 0 ? 4 : w->keys_cap * 2;
    struct watch_key **grown = realloc(w->keys, (size_t)cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    w->keys = grown;
    w->keys_cap = cap;
    return true;
}

enum watch_result watch_add(struct txn *t, uint32_t key,
                            struct watch *w) NO_TSA /* the shard is locked */
{
    must(t->open && key < t->slots_len);
    struct slot *s = &t->slots[key];
    struct slice bytes = s->key->name;
    if (watches(w, s))
        return WATCH_PRESENT;
    struct watch_key *k = watch_reserve(w) ? malloc(sizeof(*k) + bytes.len) : NULL;
    if (k == NULL)
        return WATCH_OOM;
    *k = (struct watch_key){.node.hash = s->hash,
                            .owner = w,
                            .db = s->key->db,
                            .store_db = s->store_db,
                            .shard = s->shard};
    char *name = (char *)(k + 1);
    if (bytes.len > 0)
        memcpy(name, bytes.ptr, bytes.len);
    k->name = slice_of(name, bytes.len);
    struct value head = txn_head(t, slot_entry(t, s));
    k->live = head.type != VALUE_NONE;
    k->expires_at_ms = head.expires_at_ms;
    if (!chains_try_put(watch_table_of(s->shard), &k->node)) {
        free(k);
        return WATCH_OOM;
    }
    w->keys[w->keys_len++] = k;
    return WATCH_ADDED;
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
        chains_take(watch_table_of(sh), &w->keys[i]->node);
        lock_release(&sh->lock);
        free(w->keys[i]);
    }
    free(w->keys);
    w->keys = NULL;
    w->keys_len = w->keys_cap = 0;
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
    uint64_t hash = store_hash(&ks->store, store_db, key);
    for (struct watch_key *k = first_of(sh, hash); k != NULL; k = next_of(k)) {
        if (k->store_db == store_db && slice_eq(k->name, key))
            atomic_store(&k->owner->broken, true);
    }
}

static void break_watch(void *ctx, struct chain_node *node)
{
    (void)ctx;
    atomic_store(&((struct watch_key *)node)->owner->broken, true);
}

void watch_touch_shard(struct shard *sh)
{
    if (sh->watch != NULL)
        chains_each(sh->watch, break_watch, NULL);
}

void watch_expired(struct keyspace *ks, struct shard *sh, uint32_t store_db,
                   struct slice key) NO_TSA
{
    uint64_t hash = store_hash(&ks->store, store_db, key);
    for (struct watch_key *k = first_of(sh, hash); k != NULL; k = next_of(k)) {
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
    struct entry *e = entry_find(sh, hash, store_db, key);
    if (e == NULL)
        return !writeback_is_complete(ks->wb, sh, store_db); /* the backend may have it */
    if ((e->flags & ENTRY_LOADING) != 0)
        return !entry_is_head(e) || txn_is_live_head(t, e);
    return txn_is_live(t, e);
}

static void watch_look(void *ctx, struct chain_node *node)
{
    struct changed_databases *c = ctx;
    struct watch_key *k = (struct watch_key *)node;
    if (k->db != c->a && k->db != c->b)
        return;
    bool was = exists(c->t, k->db == c->a ? c->old_a : c->old_b, k->name);
    bool is = c->a != c->b && exists(c->t, k->db == c->a ? c->old_b : c->old_a, k->name);
    if (was || is)
        atomic_store(&k->owner->broken, true);
    chains_remove(k->shard->watch, &k->node);
    k->moving = c->moving;
    c->moving = k;
}

void watch_databases_changed(struct txn *t, uint32_t a, uint32_t b, uint32_t old_a,
                             uint32_t old_b) NO_TSA
{
    struct keyspace *ks = t->ks;
    struct changed_databases c = {.t = t, .a = a, .b = b, .old_a = old_a, .old_b = old_b};
    for (uint32_t i = 0; i < ks->store.shards_len; i++) {
        if (ks->store.shards[i].watch != NULL)
            chains_each(ks->store.shards[i].watch, watch_look, &c);
    }
    while (c.moving != NULL) {
        struct watch_key *k = c.moving;
        c.moving = k->moving;
        k->store_db = dbmap_store_db(ks->map, k->db);
        k->node.hash = store_hash(&ks->store, k->store_db, k->name);
        struct shard *sh = store_shard(&ks->store, k->node.hash);
        __atomic_store_n(&k->shard, sh, __ATOMIC_RELEASE);
        must(chains_try_put(watch_table_of(sh), &k->node));
    }
    for (uint32_t i = 0; i < ks->store.shards_len; i++)
        chains_trim(watch_table_of(&ks->store.shards[i]));
}
