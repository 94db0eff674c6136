/* Walks over a shard: SCAN, RANDOMKEY, eviction, dropping databases, and the check of everything.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/shard.h"

#include <stdlib.h>

/* --- SCAN --- */

struct shard_scanning {
    void (*each)(void *ctx, struct entry *e);
    void *ctx;
};

static void scan_one(void *ctx, void *pointer)
{
    const struct shard_scanning *scan = ctx;
    scan->each(scan->ctx, pointer);
}

void shard_scan(struct shard *sh, uint32_t *cursor, size_t count,
                void (*each)(void *ctx, struct entry *e), void *ctx)
{
    struct shard_scanning scan = {each, ctx};
    uint32_t next = table_walk(sh->table, *cursor, count, scan_one, &scan);
    *cursor = next == TABLE_POSITIONS ? 0 : next;
}

/* --- RANDOMKEY --- */

struct wanted {
    uint32_t db;
    struct wall now;
};

static bool walk_is_wanted(const void *ctx, const void *pointer)
{
    const struct wanted *w = ctx;
    const struct entry *e = pointer;
    return e->db == w->db && e->type != VALUE_NONE && !entry_expired(e, w->now);
}

struct entry *shard_random(struct shard *sh, uint64_t random, uint32_t db, struct wall now)
{
    struct wanted w = {db, now};
    return table_random(sh->table, random, walk_is_wanted, &w);
}

/* --- Eviction --- */

static bool is_evictable(const struct entry *e, bool volatile_only)
{
    unsigned held = e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT | ENTRY_LOADING);
    if (held != 0 && (held != ENTRY_LOADING || !entry_is_head(e)))
        return false;
    return !volatile_only || e->type == VALUE_NONE || (e->flags & ENTRY_EXPIRES) != 0;
}

enum {
    PROBATION_SHARE = 10, /* a tenth of the entries may be unproven before a proven one goes */
    VAIN_MAX = 128,       /* but for so many slots at most: the unproven may all be dirty */
};

/* Whether the hand takes it; if not, it loses its mark. */
static bool is_victim(struct shard *sh, struct entry *e) REQUIRES(sh->lock)
{
    if ((e->flags & ENTRY_VISITED) != 0) {
        e->flags &= (uint8_t)~ENTRY_VISITED;
        sh->proven += !e->proven;
        e->proven = 1;
        return false;
    }
    return !e->proven || sh->looked_in_vain >= VAIN_MAX ||
           (sh->table->used - sh->proven) * PROBATION_SHARE <= sh->table->used;
}

static void prefetch_bucket_entries(const struct bucket *b)
{
    for (unsigned i = 0; i < BUCKET_SLOTS; i++)
        __builtin_prefetch(slot_pointer(b->slot[i]), 1);
}

/* sh->hand is a position: it stays where it is when the table is resized. */
size_t shard_evict(struct shard *sh, size_t look, bool volatile_only)
{
    size_t slots = table_slots(sh->table);
    if (slots == 0)
        return 0;
    const struct bucket *buckets = table_buckets(sh->table);
    uint32_t len = table_len(sh->table);
    uint32_t home = table_home(sh->table, len, (uint32_t)sh->hand / BUCKET_SLOTS);
    size_t i = (size_t)home * BUCKET_SLOTS + sh->hand % BUCKET_SLOTS;
    struct entry *victim = NULL;
    prefetch_bucket_entries(&buckets[i / BUCKET_SLOTS]);
    for (; look > 0 && victim == NULL; look--) {
        struct entry *e = table_at(sh->table, i);
        if (++i == slots)
            i = 0;
        if (i % BUCKET_SLOTS == 0)
            prefetch_bucket_entries(&buckets[i / BUCKET_SLOTS]);
        if (e != NULL && is_evictable(e, volatile_only) && is_victim(sh, e))
            victim = e;
        else if (sh->looked_in_vain < VAIN_MAX)
            sh->looked_in_vain++;
    }
    uint64_t bucket = i / BUCKET_SLOTS;
    sh->hand =
        (((bucket << TABLE_POSITION_BITS) + len - 1) / len) * BUCKET_SLOTS + i % BUCKET_SLOTS;
    if (victim == NULL)
        return 0;
    sh->looked_in_vain = 0;
    size_t bytes = entry_memory(victim);
    if (victim->type != VALUE_NONE) {
        shard_note_dropped(sh, victim->db);
        store_note_cold(sh->store, victim->db, 1);
    }
    entry_remove(sh, victim, entry_hash(sh->store, victim));
    return bytes;
}

size_t shard_slots(const struct shard *sh)
{
    return table_slots(sh->table);
}

/* --- Dropping what is known to be absent --- */

struct forget {
    struct shard *sh;
};

/* Called within shard_forget_absent, under the lock. */
static void forget_one(void *ctx, void *pointer) NO_TSA
{
    const struct forget *f = ctx;
    struct entry *e = pointer;
    if (e->type == VALUE_NONE && !entry_is_head(e) && is_evictable(e, false))
        entry_remove(f->sh, e, entry_hash(f->sh->store, e));
}

void shard_forget_absent(struct shard *sh, uint32_t *position, size_t look)
{
    struct forget f = {sh};
    uint32_t next = table_walk(sh->table, *position, look, forget_one, &f);
    *position = next == TABLE_POSITIONS ? 0 : next;
}

/* --- Dropping whole databases --- */

struct sweep {
    struct shard *sh;
    bool (*dead)(void *ctx, const struct entry *e);
    void *ctx;
};

/* Called within shard_sweep, under the lock. */
static void sweep_one(void *ctx, void *pointer) NO_TSA
{
    const struct sweep *w = ctx;
    struct entry *e = pointer;
    if ((e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) == 0 && w->dead(w->ctx, e))
        entry_remove(w->sh, e, entry_hash(w->sh->store, e));
}

void shard_sweep(struct shard *sh, uint32_t *position, size_t look,
                 bool (*dead)(void *ctx, const struct entry *e), void *ctx)
{
    struct sweep w = {sh, dead, ctx};
    uint32_t next = table_walk(sh->table, *position, look, sweep_one, &w);
    *position = next == TABLE_POSITIONS ? 0 : next;
}

/* --- Checking --- */

static void check_dirty(struct shard *sh, size_t dirty_found) REQUIRES(sh->lock)
{
    must(dirty_found == sh->dirty_len && sh->dirty_len <= sh->dirty_cap);
    for (uint32_t i = 0; i < sh->dirty_len; i++)
        must(sh->dirty[i]->dirty_index == i && (sh->dirty[i]->flags & ENTRY_DIRTY) != 0);
}

/* Every entry with an expiry needs an item that comes up in time. */
static bool has_item(const struct expiry_heap *heap, uint64_t hash, int64_t deadline)
{
    for (size_t i = 0; i < heap->len; i++) {
        if (heap->items[i].hash == hash && heap->items[i].deadline_ms <= deadline)
            return true;
    }
    return false;
}

static void check_heap(const struct expiry_heap *heap, size_t expiring_found)
{
    must(heap->live == expiring_found && heap->len <= heap->cap);
    must(heap->len <= heap->live * 2 + 64);
    for (size_t i = 1; i < heap->len; i++)
        must(heap->items[(i - 1) / 4].deadline_ms <= heap->items[i].deadline_ms);
}

/* `passed` of each bucket must cover what lies after it. */
static void check_passed(const struct table *t)
{
    const struct bucket *buckets = table_buckets(t);
    uint32_t len = table_len(t);
    for (uint32_t b = 0; b < len; b++) {
        uint32_t passed = 0;
        for (size_t i = 0; i < table_slots(t); i++) {
            if (table_at(t, i) == NULL)
                continue;
            uint32_t home = table_home(t, len, table_position_at(t, i));
            uint32_t place = (uint32_t)(i / BUCKET_SLOTS);
            uint32_t from_home = b >= home ? b - home : b + len - home;
            uint32_t distance = place >= home ? place - home : place + len - home;
            passed += from_home < distance;
        }
        must(buckets[b].passed == passed || buckets[b].passed == BUCKET_PASSED_MAX);
    }
}

void shard_check(struct shard *sh)
{
    size_t used = 0, dirty = 0, expiring = 0, proven = 0;
    for (size_t i = 0; i < table_slots(sh->table); i++) {
        struct entry *e = table_at(sh->table, i);
        if (e == NULL)
            continue;
        uint64_t hash = entry_hash(sh->store, e);
        used++;
        proven += e->proven;
        must(store_shard(sh->store, hash) == sh);
        must(table_position_at(sh->table, i) == table_position(hash));
        must(entry_find(sh, hash, e->db, entry_key(e)) == e);
        must(entry_own_class(e) <= alloc_usable(e));
        if ((e->flags & ENTRY_DIRTY) != 0) {
            must(e->dirty_index < sh->dirty_len && sh->dirty[e->dirty_index] == e);
            dirty++;
        }
        if (e->type == VALUE_NONE && e->value_len != 0)
            must(entry_is_head(e) && (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) == 0);
        if ((e->flags & ENTRY_EXPIRES) != 0) {
            must(e->type != VALUE_NONE);
            must(has_item(sh->expiry, hash, entry_expires_at(e)));
            expiring++;
        }
    }
    must(used == sh->table->used && proven == sh->proven);
    check_dirty(sh, dirty);
    check_heap(sh->expiry, expiring);
    if (table_len(sh->table) <= 1024)
        check_passed(sh->table);
}

/* Takes what is there from a copy of the counters, which must leave nothing. */
static void take_counted(const struct shard *sh, int64_t *keys, int64_t *expires,
                         int64_t *negatives)
{
    for (size_t i = 0; i < table_slots(sh->table); i++) {
        const struct entry *e = table_at(sh->table, i);
        if (e == NULL)
            continue;
        bool live = e->type != VALUE_NONE;
        keys[e->db] -= live;
        expires[e->db] -= live && (e->flags & ENTRY_EXPIRES) != 0;
        *negatives -= !live && e->value_len == 0;
    }
}

void store_check_sums(struct store *s)
{
    int64_t *keys = malloc((STORE_DB_MAX + 1) * sizeof(*keys));
    int64_t *expires = malloc((STORE_DB_MAX + 1) * sizeof(*expires));
    int64_t negatives = atomic_load(&s->negatives);
    must(keys != NULL && expires != NULL);
    for (uint32_t db = 0; db <= STORE_DB_MAX; db++) {
        keys[db] = atomic_load(&s->dbs[db].keys);
        expires[db] = atomic_load(&s->dbs[db].expires);
    }
    for (uint32_t i = 0; i < s->shards_len; i++)
        take_counted(&s->shards[i], keys, expires, &negatives);
    for (uint32_t db = 0; db <= STORE_DB_MAX; db++)
        must(keys[db] == 0 && expires[db] == 0);
    must(negatives == 0);
    free(keys);
    free(expires);
}
