/* SCAN, KEYS, DBSIZE, RANDOMKEY: the whole keyspace, resident or not.
 *
 * A cursor is
 *   phase:1 | era:14 | database:7 | shard:13 | position in its hash space:28   resident entries
 *   phase:1 | era:14 | database:7 | id of a remembered place:41                the backend's keys
 *
 * Resident entries come first, then the backend's keys that are neither resident nor deleted. What
 * moves between the two while a walk is under way must not be missed:
 *
 *   a key that was there throughout           is shown, since
 *   resident when its shard was passed        the first phase met it
 *   came into memory after that               the second phase asks which keys came since the era
 *                                             in which the walk began (store/arrivals.h), and shows
 *                                             them although they are resident
 *   not in memory when its page is looked at  the second phase shows it
 *   not in the backend when its page is read  it was never flushed, so it never left memory either
 *
 * The other cases are shown twice at worst. A place that has been forgotten (there is room for
 * SCAN_PLACES) makes the second phase start over. When the database's number points to another
 * store database than when the walk began (FLUSHDB, SWAPDB), the walk begins again: keys of the
 * same names may have been there throughout.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "store/arrivals.h"
#include "store/table.h"

#include <assert.h>
#include <stdlib.h>

enum {
    PAGE_MIN = 64,
    PAGE_MAX = 10000,
    POSITION_BITS = TABLE_POSITION_BITS,
    SHARD_BITS = 13,
    PLACE_BITS = SHARD_BITS + POSITION_BITS,
    DB_BITS = 7,
    ERA_SHIFT = PLACE_BITS + DB_BITS,
};
#define PLACE_MASK    ((UINT64_C(1) << PLACE_BITS) - 1)
#define DB_MASK       ((1u << DB_BITS) - 1)
#define PHASE_BACKEND (UINT64_C(1) << (ERA_SHIFT + ARRIVALS_ERA_BITS))
static_assert(ERA_SHIFT + ARRIVALS_ERA_BITS < 63, "clients may read a cursor as a signed number");

struct walk {
    struct keyspace *ks;
    uint32_t db, store_db;
    bool asked; /* page is with the loader, or has come back */
    struct page page;
    /* walk_size */
    uint64_t counted;
    bool notes_expired;
    struct buf expired; /* keys that were met: u32 length, bytes */
};

struct walk *walk_new(struct keyspace *ks, uint32_t db)
{
    struct walk *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->ks = ks;
    w->db = db;
    w->store_db = dbmap_store_db(ks->map, db);
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
    buf_fini(&w->expired);
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

/* At worst it is not noted, and goes with the worker's timer. */
static void walk_collect_expired(struct walk *w, const struct entry *e)
{
    struct slice key = entry_key(e);
    uint32_t len = (uint32_t)key.len;
    if (!buf_try_reserve(&w->expired, sizeof(len) + len))
        return;
    buf_append(&w->expired, &len, sizeof(len));
    buf_append_slice(&w->expired, key);
}

static void emit_entry(void *ctx, struct entry *e)
{
    struct emit *m = ctx;
    if (m->w->notes_expired && e->db == m->w->store_db && e->type != VALUE_NONE &&
        entry_expired(e, m->now))
        walk_collect_expired(m->w, e);
    if (e->db != m->w->store_db || !is_visible(m, e) ||
        (m->type != VALUE_NONE && e->type != m->type))
        return;
    m->each(m->ctx, entry_key(e));
    m->emitted++;
}

void walk_note_expired(struct walk *w)
{
    w->notes_expired = true;
}

void walk_expire_noted(struct walk *w, struct txn *t)
{
    struct slice noted = buf_slice(&w->expired);
    for (size_t at = 0; at < noted.len;) {
        uint32_t len;
        memcpy(&len, noted.ptr + at, sizeof(len));
        struct txn_key key = {.db = w->db, .name = slice_of(noted.ptr + at + sizeof(len), len)};
        expire_walked(t, &key, w->store_db);
        at += sizeof(len) + len;
    }
    w->expired.len = 0;
}

static uint32_t cursor_era(uint64_t cursor)
{
    return (uint32_t)(cursor >> ERA_SHIFT) & ((1u << ARRIVALS_ERA_BITS) - 1);
}

/* The same walk at another place. */
static uint64_t cursor_at(uint64_t cursor, uint64_t place)
{
    return (cursor & ~PLACE_MASK) | place;
}

/* Begins the walk, or begins it again when the cursor is of another store database than the number
 * points to now. */
static void begin_or_go_on(struct walk *w, uint64_t *cursor)
{
    uint32_t store_db = dbmap_store_db(w->ks->map, w->db);
    if (*cursor != 0 && store_db == w->store_db &&
        ((*cursor >> PLACE_BITS) & DB_MASK) == (store_db & DB_MASK))
        return;
    w->store_db = store_db;
    w->asked = false; /* a page that has come back is of the other one */
    *cursor = (uint64_t)arrivals_begin(&w->ks->store.arrivals) << ERA_SHIFT |
              (uint64_t)(store_db & DB_MASK) << PLACE_BITS;
}

/* As keyspace_is_all_resident(), with the locks held within EXEC. */
static bool is_all_resident(struct walk *w, struct txn *t) NO_TSA
{
    bool complete = true;
    for (uint32_t i = 0; i < w->ks->store.shards_len && complete; i++) {
        struct shard *sh = &w->ks->store.shards[i];
        lock_shard(sh, t);
        complete = writeback_is_complete(w->ks->wb, sh, w->store_db);
        unlock_shard(sh, t);
    }
    return complete;
}

/* Goes on from a resident cursor; true when the last shard is done. */
static bool walk_resident(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                          struct emit *m) NO_TSA
{
    struct store *s = &w->ks->store;
    uint32_t shard = (uint32_t)(*cursor >> POSITION_BITS) & ((1u << SHARD_BITS) - 1);
    uint32_t position = (uint32_t)*cursor & (TABLE_POSITIONS - 1);
    uint64_t looked = 0;
    while (shard < s->shards_len && looked < count) {
        struct shard *sh = &s->shards[shard];
        uint64_t before = m->emitted;
        lock_shard(sh, t);
        shard_scan(sh, &position, count - looked, emit_entry, m);
        unlock_shard(sh, t);
        looked += m->emitted - before;
        if (position == 0) {
            shard++;
            if (m->emitted == before && shard % 64 == 0)
                looked++; /* empty stretches count a little, so that a call stays bounded */
        }
    }
    *cursor = cursor_at(*cursor, (uint64_t)shard << POSITION_BITS | position);
    return shard >= s->shards_len;
}

/* --- The backend's keys --- */

static uint64_t remember_place(struct keyspace *ks, struct slice after)
{
    lock_acquire(&ks->scan_lock);
    if (ks->next_place == 0) /* a cursor from before a restart is of a place that is not known */
        ks->next_place = ks->store.seed & PLACE_MASK;
    uint64_t id = ++ks->next_place & PLACE_MASK;
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

static void walk_ask(struct walk *w, enum page_kind kind, uint32_t limit, struct waiter *waiter)
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
    uint32_t era; /* of the walk */
};

/* What memory knows of a key. */
enum known {
    KNOWN_DELETED = -1,
    KNOWN_NOTHING,
    KNOWN_RESIDENT, /* since before the era */
    KNOWN_ARRIVED,  /* resident, maybe since it */
};

static enum known in_memory(const struct emit *m, struct txn *t, struct slice key, uint32_t era,
                            enum value_type *type) NO_TSA
{
    struct store *s = &m->w->ks->store;
    uint64_t hash = store_hash(s, m->w->store_db, key);
    struct shard *sh = store_shard(s, hash);
    enum known known = KNOWN_NOTHING;
    lock_shard(sh, t);
    struct entry *e = entry_find(sh, hash, m->w->store_db, key);
    if (e != NULL && (e->flags & ENTRY_LOADING) == 0) {
        known = !is_visible(m, e)                         ? KNOWN_DELETED
                : arrivals_since(&s->arrivals, era, hash) ? KNOWN_ARRIVED
                                                          : KNOWN_RESIDENT;
        *type = (enum value_type)e->type;
    }
    unlock_shard(sh, t);
    return known;
}

static void emit_backend_key(void *ctx, enum value_type type, struct slice key)
{
    struct backend_emit_state *b = ctx;
    struct emit *m = b->m;
    enum known known = in_memory(m, b->t, key, b->era, &type);
    if (known == KNOWN_DELETED || known == KNOWN_RESIDENT ||
        (m->type != VALUE_NONE && type != m->type))
        return;
    m->each(m->ctx, key);
    m->emitted++;
}

static enum walk_state walk_backend(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                                    struct emit *m, struct waiter *waiter, struct err *err)
{
    if (waiter == NULL) { /* all is resident by now */
        *cursor = 0;
        return WALK_END;
    }
    if (!w->asked) {
        recall_place(w->ks, *cursor & PLACE_MASK, &w->page.after);
        walk_ask(w, PAGE_KEYS,
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
    struct backend_emit_state b = {.m = m, .t = t, .era = cursor_era(*cursor)};
    bool more = use_page(w, emit_backend_key, &b);
    *cursor = more ? cursor_at(*cursor, remember_place(w->ks, buf_slice(&w->page.after))) : 0;
    return more ? WALK_MORE : WALK_END;
}

static enum walk_state walk_step(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                                 struct emit *m, struct waiter *waiter, struct err *err)
{
    begin_or_go_on(w, cursor);
    if (waiter == NULL && !is_all_resident(w, t))
        return WALK_PARKED; /* who cannot wait cannot have the rest of the keys, and is told */
    if ((*cursor & PHASE_BACKEND) != 0)
        return walk_backend(w, t, cursor, count, m, waiter, err);
    if (!walk_resident(w, t, cursor, count, m))
        return WALK_MORE;
    if (is_all_resident(w, t)) {
        *cursor = 0;
        return WALK_END;
    }
    *cursor = PHASE_BACKEND | cursor_at(*cursor, 0); /* place 0, never remembered: the start */
    return WALK_MORE;
}

enum walk_state walk_keys(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                          enum value_type type, void (*each)(void *ctx, struct slice key),
                          void *ctx, struct waiter *waiter, struct err *err)
{
    struct emit m = {.w = w, .now = clock_wall(), .type = type, .each = each, .ctx = ctx};
    err->code = RC_OK;
    enum walk_state state = walk_step(w, t, cursor, count, &m, waiter, err);
    if (state != WALK_END || err->code != RC_OK || dbmap_store_db(w->ks->map, w->db) == w->store_db)
        return state;
    begin_or_go_on(w, cursor); /* flushed or exchanged during the last step */
    return WALK_MORE;
}

/* --- DBSIZE --- */

static void count_absent(void *ctx, enum value_type type, struct slice key)
{
    const struct emit *m = ctx;
    if (in_memory(m, NULL, key, 0, &type) == KNOWN_NOTHING)
        m->w->counted++;
}

static uint64_t resident_keys(struct walk *w)
{
    int64_t n = atomic_load(&w->ks->store.dbs[w->store_db].keys);
    return n > 0 ? (uint64_t)n : 0;
}

enum walk_state walk_size(struct walk *w, uint64_t *size, struct waiter *waiter, struct err *err)
{
    enum page_kind kind = PAGE_COUNT;
    err->code = RC_OK;
    *size = resident_keys(w);
    if (waiter == NULL) /* within EXEC: what is known of the others */
        *size += keyspace_cold(w->ks, w->store_db);
    if (waiter == NULL || keyspace_is_all_resident(w->ks, w->store_db))
        return WALK_END;
    if (w->asked) {
        must(atomic_load(&w->page.ready));
        w->asked = false;
        struct emit c = {.w = w, .now = clock_wall()};
        bool too_much = w->page.kind == PAGE_COUNT && w->page.rc == RC_FULL;
        if (w->page.rc != RC_OK && !too_much) {
            *err = w->page.err;
            return WALK_END;
        }
        if (w->page.rc == RC_OK && w->page.kind == PAGE_COUNT) {
            *size = w->page.count;
            return WALK_END;
        }
        if (!too_much && !use_page(w, count_absent, &c)) {
            *size = resident_keys(w) + w->counted;
            return WALK_END;
        }
        kind = PAGE_KEYS; /* the backend's keys are looked up in memory one by one */
    }
    walk_ask(w, kind, PAGE_MAX, waiter);
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
    struct emit m;
    struct buf *key;
    uint64_t seen;
};

/* Reservoir sampling of one (Vitter 1985). */
static void pick(void *ctx, enum value_type type, struct slice key)
{
    struct pick_state *p = ctx;
    if (in_memory(&p->m, NULL, key, 0, &type) == KNOWN_DELETED || random_u64() % ++p->seen != 0)
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
        struct wall now = clock_wall();
        struct entry *e = shard_random(sh, random_u64(), w->store_db, now);
        uint64_t hash;
        const struct entry *due = NULL;
        if (e != NULL)
            buf_append_slice(key, entry_key(e));
        else if (w->notes_expired) /* what might have been drawn */
            due = shard_due(sh, now, &hash);
        if (due != NULL && due->db == w->store_db)
            walk_collect_expired(w, due);
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
        if (*found || is_all_resident(w, t))
            return WALK_END;
        if (waiter == NULL)
            return WALK_PARKED;
        walk_ask(w, PAGE_KEYS, PAGE_MIN, waiter);
        return WALK_PARKED;
    }
    must(atomic_load(&w->page.ready));
    if (w->page.rc != RC_OK)
        *err = w->page.err;
    struct pick_state p = {.m = {.w = w, .now = clock_wall()}, .key = key};
    use_page(w, pick, &p);
    *found = p.seen > 0;
    return WALK_END;
}
