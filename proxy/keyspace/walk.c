/* SCAN, KEYS, DBSIZE, RANDOMKEY: the whole keyspace, resident or not.
 *
 * A cursor is
 *      phase:1 | generation:16 | shard:13 | position in its hash space:32   resident entries
 *      phase:1 | generation:16 | id of a remembered place:45                the backend's keys
 *
 * Resident entries come first, then the backend's keys that are not resident and not deleted. A key
 * that a load brings in between would be missed by both; so the cursor carries the generation of
 * loads in which the walk began, and when loads have happened since, the second phase also emits
 * resident keys: twice is allowed, missing is not. A place that has been forgotten (there is room
 * for SCAN_PLACES) makes the second phase start over, for the same reason.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include <stdlib.h>

#define PHASE_BACKEND (UINT64_C(1) << 61)
#define PLACE_MASK    ((UINT64_C(1) << (SHARD_BITS + POSITION_BITS)) - 1)
enum { PAGE_MIN = 64, PAGE_MAX = 10000, SHARD_BITS = 13, POSITION_BITS = 32 };

struct walk {
    struct keyspace *ks;
    uint32_t db, store_db;
    uint64_t generation;
    bool asked; /* page is with the loader, or has come back */
    struct page page;
    /* walk_size */
    uint64_t counted;
    bool counting;
};

struct walk *walk_new(struct keyspace *ks, uint32_t db)
{
    struct walk *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->ks = ks;
    w->db = db;
    w->store_db = dbmap_store_db(&ks->wb->map, db);
    w->generation = atomic_load(&ks->load_generation);
    return w;
}

void walk_free(struct walk **wp)
{
    struct walk *w = *wp;
    *wp = NULL;
    if (w == NULL)
        return;
    buf_fini(&w->page.after);
    buf_fini(&w->page.keys);
    free(w);
}

static void lock_shard(struct shard *sh, struct txn *t) NO_TSA
{
    if (t == NULL)
        lock_acquire(&sh->lock);
}

static void unlock_shard(struct shard *sh, struct txn *t) NO_TSA
{
    if (t == NULL)
        lock_release(&sh->lock);
}

/* --- Resident entries --- */

struct emit {
    struct walk *w;
    struct wall now;
    enum value_type type;
    void (*each)(void *ctx, struct slice key);
    void *ctx;
    uint64_t emitted;
};

static bool is_visible(const struct emit *m, const struct entry *e)
{
    return e->type != VALUE_NONE && !entry_expired(e, m->now);
}

static void emit_entry(void *ctx, struct entry *e)
{
    struct emit *m = ctx;
    if (e->db != m->w->store_db || !is_visible(m, e) ||
        (m->type != VALUE_NONE && e->type != m->type))
        return;
    m->each(m->ctx, entry_key(e));
    m->emitted++;
}

static uint64_t make_cursor(uint64_t generation, uint32_t shard, uint32_t position)
{
    return (generation & 0xffff) << (SHARD_BITS + POSITION_BITS) |
           (uint64_t)shard << POSITION_BITS | position;
}

/* Goes on from a resident cursor; true when the last shard is done. */
static bool walk_resident(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                          struct emit *m) NO_TSA
{
    struct store *s = &w->ks->store;
    uint64_t generation = *cursor == 0 ? w->generation : *cursor >> (SHARD_BITS + POSITION_BITS);
    uint32_t shard = (uint32_t)(*cursor >> POSITION_BITS) & ((1u << SHARD_BITS) - 1);
    uint32_t position = (uint32_t)*cursor;
    uint64_t looked = 0;
    w->generation = generation;
    while (shard < s->shards_len && looked < count) {
        struct shard *sh = &s->shards[shard];
        uint64_t before = m->emitted;
        lock_shard(sh, t);
        shard_scan(s, sh, &position, count - looked, emit_entry, m);
        unlock_shard(sh, t);
        looked += m->emitted - before;
        if (position == 0) {
            shard++;
            if (m->emitted == before && shard % 64 == 0)
                looked++; /* empty stretches count a little, so that a call stays bounded */
        }
    }
    *cursor = make_cursor(generation, shard, position);
    return shard >= s->shards_len;
}

/* --- The backend's keys --- */

static uint64_t remember_place(struct keyspace *ks, struct slice after)
{
    lock_acquire(&ks->scan_lock);
    uint64_t id = ++ks->next_place;
    struct scan_place *place = &ks->places[id % SCAN_PLACES];
    place->id = id;
    place->after.len = 0;
    buf_append_slice(&place->after, after);
    lock_release(&ks->scan_lock);
    return id;
}

static void recall_place(struct keyspace *ks, uint64_t id, struct buf *after)
{
    after->len = 0;
    lock_acquire(&ks->scan_lock);
    const struct scan_place *place = &ks->places[id % SCAN_PLACES];
    if (place->id == id)
        buf_append_slice(after, buf_slice(&place->after));
    lock_release(&ks->scan_lock);
}

static void ask(struct walk *w, enum page_kind kind, uint32_t limit, struct waiter *waiter)
{
    struct page *p = &w->page;
    p->kind = kind;
    p->store_db = w->store_db;
    p->limit = limit;
    p->keys.len = 0;
    p->keys_len = 0;
    p->waiter = waiter;
    atomic_store(&p->ready, false);
    w->asked = true;
    page_submit(w->ks, p);
}

/* Takes the answer apart: calls `use` for each key, leaves the last one in page.after; true when
 * the page was full. */
static bool use_page(struct walk *w, void (*use)(void *ctx, enum value_type type, struct slice key),
                     void *ctx)
{
    struct page *p = &w->page;
    bool full = p->keys_len >= p->limit;
    for (size_t at = 0; at < p->keys.len;) {
        uint32_t len;
        memcpy(&len, p->keys.data + at, sizeof(len));
        enum value_type type = (enum value_type)(uint8_t)p->keys.data[at + sizeof(len)];
        struct slice key = slice_of(p->keys.data + at + sizeof(len) + 1, len);
        use(ctx, type, key);
        at += sizeof(len) + 1 + len;
        if (at == p->keys.len) {
            p->after.len = 0;
            buf_append_slice(&p->after, key);
        }
    }
    w->asked = false;
    return full;
}

struct backend_emit_state {
    struct emit *m;
    struct txn *t;
    bool also_resident;
};

/* What memory knows of a key: 0 nothing, 1 it is resident, -1 it is deleted. */
static int in_memory(struct walk *w, struct txn *t, struct slice key, struct wall now,
                     enum value_type *type) NO_TSA
{
    struct store *s = &w->ks->store;
    uint64_t hash = store_hash(s, w->store_db, key);
    struct shard *sh = store_shard(s, hash);
    lock_shard(sh, t);
    struct entry *e = entry_find(s, sh, hash, w->store_db, key);
    int known = e == NULL || (e->flags & ENTRY_LOADING) != 0     ? 0
                : e->type == VALUE_NONE || entry_expired(e, now) ? -1
                                                                 : 1;
    if (known == 1)
        *type = (enum value_type)e->type;
    unlock_shard(sh, t);
    return known;
}

static void emit_backend_key(void *ctx, enum value_type type, struct slice key)
{
    struct backend_emit_state *b = ctx;
    struct emit *m = b->m;
    int known = in_memory(m->w, b->t, key, m->now, &type);
    if (known < 0 || (known > 0 && !b->also_resident) || (m->type != VALUE_NONE && type != m->type))
        return;
    m->each(m->ctx, key);
    m->emitted++;
}

static enum walk_state walk_backend(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                                    struct emit *m, struct waiter *waiter, struct err *err)
{
    if (!w->asked && waiter == NULL)
        return WALK_PARKED; /* for somebody who cannot wait: nothing is asked */
    if (!w->asked) {
        recall_place(w->ks, *cursor & PLACE_MASK, &w->page.after);
        ask(w, PAGE_KEYS,
            (uint32_t)(count < PAGE_MIN   ? PAGE_MIN
                       : count > PAGE_MAX ? PAGE_MAX
                                          : count),
            waiter);
        return WALK_PARKED;
    }
    must(atomic_load(&w->page.ready));
    if (w->page.rc != RC_OK) {
        w->asked = false;
        *err = w->page.err;
        *cursor = 0;
        return WALK_END;
    }
    struct backend_emit_state b = {
        .m = m,
        .t = t,
        .also_resident =
            (w->generation & 0xffff) != (atomic_load(&w->ks->load_generation) & 0xffff),
    };
    bool more = use_page(w, emit_backend_key, &b);
    uint64_t generation = *cursor & ~(PHASE_BACKEND | PLACE_MASK);
    *cursor =
        more ? PHASE_BACKEND | generation | remember_place(w->ks, buf_slice(&w->page.after)) : 0;
    return more ? WALK_MORE : WALK_END;
}

enum walk_state walk_keys(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                          enum value_type type, void (*each)(void *ctx, struct slice key),
                          void *ctx, struct waiter *waiter, struct err *err)
{
    struct emit m = {.w = w, .now = clock_wall(), .type = type, .each = each, .ctx = ctx};
    err->code = RC_OK;
    if ((*cursor & PHASE_BACKEND) == 0) {
        if (!walk_resident(w, t, cursor, count, &m))
            return WALK_MORE;
        if (waiter == NULL || keyspace_is_all_resident(w->ks, w->store_db)) {
            *cursor = 0;
            return WALK_END;
        }
        *cursor =
            PHASE_BACKEND | (*cursor & ~PLACE_MASK); /* place 0, never remembered: the start */
        return WALK_MORE;
    }
    return walk_backend(w, t, cursor, count, &m, waiter, err);
}

/* --- DBSIZE --- */

struct count_state {
    struct walk *w;
    struct wall now;
};

static void count_absent(void *ctx, enum value_type type, struct slice key)
{
    struct count_state *c = ctx;
    if (in_memory(c->w, NULL, key, c->now, &type) == 0)
        c->w->counted++;
}

static uint64_t resident_keys(struct walk *w)
{
    int64_t n = atomic_load(&w->ks->store.dbs[w->store_db].keys);
    return n > 0 ? (uint64_t)n : 0;
}

enum walk_state walk_size(struct walk *w, uint64_t *size, struct waiter *waiter, struct err *err)
{
    err->code = RC_OK;
    *size = resident_keys(w);
    if (waiter == NULL) /* within EXEC: what is known of the others */
        *size += keyspace_cold(w->ks, w->store_db);
    if (waiter == NULL || keyspace_is_all_resident(w->ks, w->store_db))
        return WALK_END;
    if (w->asked) {
        must(atomic_load(&w->page.ready));
        w->asked = false;
        if (w->page.rc != RC_OK) {
            *err = w->page.err;
            return WALK_END;
        }
        if (w->page.kind == PAGE_COUNT) {
            *size = w->page.count;
            return WALK_END;
        }
        struct count_state c = {.w = w, .now = clock_wall()};
        if (!use_page(w, count_absent, &c)) {
            *size = resident_keys(w) + w->counted;
            return WALK_END;
        }
    }
    /* With nothing dirty the backend's own count is right; else its keys are looked up in memory
     * one by one. */
    bool settled = !w->counting && writeback_is_settled(w->ks->wb);
    w->counting = !settled;
    ask(w, settled ? PAGE_COUNT : PAGE_KEYS, PAGE_MAX, waiter);
    return WALK_PARKED;
}

/* --- RANDOMKEY --- */

static uint64_t random_u64(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        state = (uint64_t)clock_mono().us | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

struct pick_state {
    struct walk *w;
    struct wall now;
    struct buf *key;
    uint64_t seen;
};

/* Reservoir sampling of one (Vitter 1985). */
static void pick(void *ctx, enum value_type type, struct slice key)
{
    struct pick_state *p = ctx;
    if (in_memory(p->w, NULL, key, p->now, &type) < 0 || random_u64() % ++p->seen != 0)
        return;
    p->key->len = 0;
    buf_append_slice(p->key, key);
}

static bool random_resident(struct walk *w, struct txn *t, struct buf *key) NO_TSA
{
    struct store *s = &w->ks->store;
    uint32_t start = (uint32_t)(random_u64() % s->shards_len);
    for (uint32_t i = 0; i < s->shards_len; i++) {
        struct shard *sh = &s->shards[(start + i) % s->shards_len];
        lock_shard(sh, t);
        struct entry *e = shard_random(sh, random_u64(), w->store_db, clock_wall());
        if (e != NULL)
            buf_append_slice(key, entry_key(e));
        unlock_shard(sh, t);
        if (e != NULL)
            return true;
    }
    return false;
}

enum walk_state walk_random(struct walk *w, struct txn *t, struct buf *key, bool *found,
                            struct waiter *waiter, struct err *err)
{
    err->code = RC_OK;
    key->len = 0;
    if (!w->asked) {
        *found = random_resident(w, t, key);
        if (*found || waiter == NULL || keyspace_is_all_resident(w->ks, w->store_db))
            return WALK_END;
        ask(w, PAGE_KEYS, PAGE_MIN, waiter);
        return WALK_PARKED;
    }
    must(atomic_load(&w->page.ready));
    if (w->page.rc != RC_OK)
        *err = w->page.err;
    struct pick_state p = {.w = w, .now = clock_wall(), .key = key};
    use_page(w, pick, &p);
    *found = p.seen > 0;
    return WALK_END;
}
