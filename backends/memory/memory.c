/* A backend that keeps everything in memory, for tests: transactional, and it fails on demand.
 *
 * The keys of a store are one sorted array of immutable objects. A batch, which is sorted too, is
 * merged into a new array; that makes it atomic, and cheap enough for tests with many keys.
 *
 * Running out of memory aborts: this is no place to learn how to survive it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/memory/internal.h"

#include "base/clock.h"

#include <stdlib.h>

struct lock memory_stores_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
struct memory_store *memory_stores; /* under memory_stores_lock */

void *memory_grow(void *array, size_t len, size_t item_size)
{
    /* Doubles at powers of two, so that the capacity need not be kept. */
    if ((len & (len - 1)) != 0)
        return array;
    void *bigger = realloc(array, (len == 0 ? 1 : len * 2) * item_size);
    must(bigger != NULL);
    return bigger;
}

/* ---- keys ---- */

void memory_key_unref(struct memory_key *k)
{
    if (k == NULL || --k->refs > 0)
        return;
    free((void *)(uintptr_t)k->item.elements);
    free(k->bytes);
    free(k);
}

struct memory_key *memory_key_ref(struct memory_key *k)
{
    if (k != NULL)
        k->refs++;
    return k;
}

static struct slice memory_keep_bytes(char **at, struct slice bytes)
{
    struct slice kept = {*at, bytes.len};
    if (bytes.len > 0)
        memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
    return kept;
}

/* A deep copy; none of its elements is marked as removed. */
struct memory_key *memory_key_new(const struct backend_item *item)
{
    size_t size = item->key.len + item->value.len + 1;
    for (uint32_t i = 0; i < item->elements_len; i++)
        size += item->elements[i].name.len + item->elements[i].value.len;
    struct memory_key *k = calloc(1, sizeof(*k));
    struct backend_element *elements =
        calloc((size_t)item->elements_len + 1, sizeof(struct backend_element));
    must(k != NULL && elements != NULL);
    char *at = malloc(size);
    must(at != NULL);
    k->refs = 1;
    k->bytes = at;
    k->item = *item;
    k->item.key = memory_keep_bytes(&at, item->key);
    k->item.value = memory_keep_bytes(&at, item->value);
    k->item.elements = elements;
    for (uint32_t i = 0; i < item->elements_len; i++) {
        elements[i] = item->elements[i];
        elements[i].name = memory_keep_bytes(&at, item->elements[i].name);
        elements[i].value = memory_keep_bytes(&at, item->elements[i].value);
    }
    return k;
}

/* Equal ones stay in the order of the batch: the last one counts. */
static int change_order(const void *a, const void *b)
{
    const struct backend_element *x = *(const struct backend_element *const *)a;
    const struct backend_element *y = *(const struct backend_element *const *)b;
    int order = backend_element_order(x, y);
    return order != 0 ? order : x < y ? -1 : x > y;
}

/* Merges the changed elements into those that are there; returns how many there are then. */
static uint32_t merge_elements(const struct backend_item *old, const struct backend_item *item,
                               struct backend_element *out)
{
    size_t n = item->elements_len;
    const struct backend_element **changes = calloc(n + 1, sizeof(*changes));
    must(changes != NULL);
    for (size_t i = 0; i < n; i++)
        changes[i] = &item->elements[i];
    qsort(changes, n, sizeof(*changes), change_order);

    uint32_t len = 0, from_old = 0, old_len = old != NULL ? old->elements_len : 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && backend_element_order(changes[i], changes[i + 1]) == 0)
            continue;
        int order = -1;
        while (from_old < old_len &&
               (order = backend_element_order(&old->elements[from_old], changes[i])) < 0)
            out[len++] = old->elements[from_old++];
        if (from_old < old_len && order == 0)
            from_old++;
        if (!changes[i]->removed)
            out[len++] = *changes[i];
    }
    while (from_old < old_len)
        out[len++] = old->elements[from_old++];
    free(changes);
    return len;
}

/* What a key becomes; NULL: it goes. */
static struct memory_key *key_after(const struct memory_key *old, const struct backend_item *item)
{
    if (item->type == VALUE_NONE)
        return NULL;
    struct backend_item next = *item;
    next.replace = false;
    if (item->type == VALUE_STRING) {
        next.elements_len = 0;
        return memory_key_new(&next);
    }
    next.value = SLICE("");
    const struct backend_item *base =
        old != NULL && !item->replace && old->item.type == item->type ? &old->item : NULL;
    size_t room = (size_t)item->elements_len + (base != NULL ? base->elements_len : 0) + 1;
    struct backend_element *elements = calloc(room, sizeof(*elements));
    must(elements != NULL);
    next.elements_len = merge_elements(base, item, elements);
    next.elements = elements;
    struct memory_key *k = memory_key_new(&next);
    free(elements);
    return k;
}

size_t memory_position_of(const struct memory_store *s, const struct backend_item *item)
{
    size_t low = 0, high = s->keys_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (backend_item_order(&s->keys[middle]->item, item) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool memory_same_key(const struct backend_item *a, const struct backend_item *b)
{
    return a->db == b->db && slice_eq(a->key, b->key);
}

struct memory_key *memory_key_find(const struct memory_store *s, const struct backend_item *item)
{
    size_t at = memory_position_of(s, item);
    return at < s->keys_len && memory_same_key(&s->keys[at]->item, item) ? s->keys[at] : NULL;
}

bool memory_key_alive(const struct memory_key *k)
{
    return k != NULL && (k->item.expires_at_ms == 0 || k->item.expires_at_ms > clock_wall().ms);
}

/* ---- changes by others ---- */

static void drop_done_changes(struct memory_store *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->changes_len; i++) {
        struct memory_change *c = &s->changes[i];
        if (c->polled && c->settled) {
            memory_key_unref(c->base);
            memory_key_unref(c->name);
        } else {
            s->changes[kept++] = *c;
        }
    }
    s->changes_len = kept;
    /* memory_grow() expects capacity by length: give back what the length no longer stands for. */
    size_t cap = 1;
    while (cap < kept)
        cap *= 2;
    struct memory_change *fitted = realloc(s->changes, cap * sizeof(*s->changes));
    must(fitted != NULL);
    s->changes = fitted;
}

static struct memory_change *first_unsettled(struct memory_store *s,
                                             const struct backend_item *item)
{
    for (size_t i = 0; i < s->changes_len; i++)
        if (!s->changes[i].settled && memory_same_key(&s->changes[i].name->item, item))
            return &s->changes[i];
    return NULL;
}

void memory_settle(struct memory_store *s, const struct backend_item *item)
{
    for (size_t i = 0; i < s->changes_len; i++)
        if (memory_same_key(&s->changes[i].name->item, item))
            s->changes[i].settled = true;
}

static const struct backend_element *element_find(const struct backend_item *item,
                                                  const struct backend_element *e)
{
    size_t low = 0, high = item->elements_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = backend_element_order(&item->elements[middle], e);
        if (order == 0)
            return &item->elements[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

static bool memory_same_element(const struct backend_element *a, const struct backend_element *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return slice_eq(a->value, b->value) && !(a->score < b->score) && !(a->score > b->score);
}

/* Elements of one kind, put together: what was, is and becomes of those that conflict. */
struct overlap {
    struct backend_item ours, base, theirs, rest;
    struct backend_element *elements; /* room for all four */
};

static void memory_take_element(struct backend_item *item, const struct backend_element *e,
                                const struct backend_element *name)
{
    struct backend_element *at =
        (struct backend_element *)(uintptr_t)&item->elements[item->elements_len++];
    *at = e != NULL ? *e : *name;
    at->removed = e == NULL || e->removed;
}

static void memory_compare(struct overlap *o, const struct backend_item *item,
                           const struct backend_item *base, const struct backend_item *theirs)
{
    struct backend_item *parts[] = {&o->ours, &o->base, &o->theirs, &o->rest};
    o->elements = calloc(4 * ((size_t)item->elements_len + 1), sizeof(*o->elements));
    must(o->elements != NULL);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        *parts[i] = *item;
        parts[i]->elements = o->elements + i * ((size_t)item->elements_len + 1);
        parts[i]->elements_len = 0;
    }
    for (uint32_t i = 0; i < item->elements_len; i++) {
        const struct backend_element *e = &item->elements[i];
        const struct backend_element *was = element_find(base, e), *is = element_find(theirs, e);
        struct backend_item *part = memory_same_element(was, is) ? &o->rest : &o->ours;
        memory_take_element(part, e, e);
        if (part == &o->ours) {
            memory_take_element(&o->base, was, e);
            memory_take_element(&o->theirs, is, e);
        }
    }
}

/* What of an item is to be applied: it, a part of it, or nothing (NULL). */
static const struct backend_item *memory_settle_item(struct memory_store *s,
                                                     const struct backend_batch *batch,
                                                     uint32_t index, struct overlap *o)
{
    const struct backend_item *item = &batch->items[index];
    struct memory_change *c = s->changes_len > 0 ? first_unsettled(s, item) : NULL;
    if (c == NULL)
        return item;
    for (size_t i = 0; i < s->changes_len; i++)
        s->changes[i].decided |= memory_same_key(&s->changes[i].name->item, item);
    struct memory_key *old = memory_key_find(s, item);
    struct backend_item absent = {.db = item->db, .key = item->key};
    struct backend_item theirs = memory_key_alive(old) ? old->item : absent;
    struct backend_item base = c->base != NULL ? c->base->item : absent;
    struct backend_conflict conflict = {item, &base, &theirs};
    bool elements = backend_conflicts_by_element(item, &base, &theirs);
    theirs.replace = base.replace = true;
    if (elements) {
        memory_compare(o, item, &base, &theirs);
        conflict = (struct backend_conflict){&o->ours, &o->base, &o->theirs};
    }
    bool asks = !elements || o->ours.elements_len > 0;
    s->counters.conflicts += asks;
    bool keep = asks && batch->on_conflict != NULL &&
                batch->on_conflict(batch->ctx, index, &conflict) == BACKEND_KEEP;
    if (elements && batch->on_merged != NULL)
        batch->on_merged(batch->ctx, index);
    if (!keep)
        return item;
    return elements && o->rest.elements_len > 0 ? &o->rest : NULL;
}

/* ---- apply ---- */

static void memory_apply_map(struct memory_store *s, const struct backend_dbmap *map)
{
    size_t kept = 0;
    if (map->len == s->dbmap.len &&
        memcmp(map->store_db, s->dbmap.store_db, map->len * sizeof(map->store_db[0])) == 0)
        return;
    for (size_t i = 0; i < s->keys_len; i++) {
        uint32_t db = s->keys[i]->item.db;
        if (backend_dbmap_names(&s->dbmap, db) && !backend_dbmap_names(map, db))
            memory_key_unref(s->keys[i]);
        else
            s->keys[kept++] = s->keys[i];
    }
    s->keys_len = kept;
    s->dbmap = *map;
}

static uint64_t rows_of(const struct backend_item *item)
{
    return 1 + (uint64_t)item->elements_len;
}

static bool memory_is_refused(const struct memory_store *s, const struct backend_item *item)
{
    for (size_t i = 0; i < s->rejected_len; i++)
        if (slice_eq(s->rejected[i]->item.key, item->key))
            return true;
    return item->type > VALUE_ZSET;
}

static void memory_refuse(const struct backend_batch *batch, uint32_t item)
{
    struct err why;
    if (batch->on_refused == NULL)
        return;
    (void)err_set(&why, RC_REJECTED, "memory: item %u of the batch is refused", item);
    batch->on_refused(batch->ctx, item, &why);
}

static void free_keys(struct memory_key **keys, size_t len)
{
    for (size_t i = 0; i < len; i++)
        memory_key_unref(keys[i]);
    free(keys);
}

void memory_merge_begin(const struct memory_store *s, struct memory_merged *m)
{
    *m = (struct memory_merged){.keys = calloc(s->keys_len + 1, sizeof(*m->keys)),
                                .len = s->keys_len};
    must(m->keys != NULL);
    for (size_t i = 0; i < s->keys_len; i++)
        m->keys[i] = memory_key_ref(s->keys[i]);
}

void memory_merge(struct memory_store *s, const struct backend_batch *piece, bool ours,
                  struct memory_merged *m)
{
    size_t room = m->len + piece->items_len + 1, from_old = 0, len = 0;
    struct memory_key **keys = calloc(room, sizeof(*keys));
    must(keys != NULL);
    for (uint32_t i = 0; i < piece->items_len; i++) {
        const struct backend_item *item = &piece->items[i];
        must(i == 0 || backend_item_order(&piece->items[i - 1], item) < 0);
        if (ours && memory_is_refused(s, item)) {
            memory_refuse(piece, i);
            continue;
        }
        struct overlap overlap = {.elements = NULL};
        if (ours)
            item = memory_settle_item(s, piece, i, &overlap);
        if (item == NULL) {
            free(overlap.elements);
            continue;
        }
        while (from_old < m->len && backend_item_order(&m->keys[from_old]->item, item) < 0)
            keys[len++] = memory_key_ref(m->keys[from_old++]);
        struct memory_key *old = NULL;
        if (from_old < m->len && memory_same_key(&m->keys[from_old]->item, item))
            old = m->keys[from_old];
        struct memory_key *next = key_after(old, item);
        if (next != NULL)
            keys[len++] = next;
        from_old += old != NULL;
        m->items++;
        m->applied.rows += rows_of(item);
        m->applied.bytes += backend_item_bytes(item);
        free(overlap.elements);
    }
    while (from_old < m->len)
        keys[len++] = memory_key_ref(m->keys[from_old++]);
    free_keys(m->keys, m->len);
    m->keys = keys;
    m->len = len;
}

void memory_take(struct memory_store *s, struct memory_merged *merged)
{
    free_keys(s->keys, s->keys_len);
    s->keys = merged->keys;
    s->keys_len = merged->len;
}

/* What has come of a key in parts, which are merged as one item. Takes `parts` over. */
static struct memory_key *memory_join(struct memory_key *parts, const struct backend_item *next)
{
    struct backend_item joined = parts != NULL ? parts->item : *next;
    uint32_t had = parts != NULL ? parts->item.elements_len : 0;
    struct backend_element *all =
        calloc((size_t)had + next->elements_len + 1, sizeof(struct backend_element));
    must(all != NULL);
    if (had > 0)
        memcpy(all, parts->item.elements, had * sizeof(*all));
    if (next->elements_len > 0)
        memcpy(&all[had], next->elements, next->elements_len * sizeof(*all));
    joined.elements = all;
    joined.elements_len = had + next->elements_len;
    joined.goes_on = false;
    struct memory_key *k = memory_key_new(&joined);
    memory_key_unref(parts);
    free(all);
    return k;
}

static void merge_piece(struct memory_store *s, const struct backend_batch *piece,
                        struct memory_key **parts, struct memory_merged *m)
{
    struct backend_batch whole = *piece;
    bool goes_on = piece->items_len > 0 && piece->items[piece->items_len - 1].goes_on;
    if (*parts == NULL && !goes_on) {
        memory_merge(s, piece, true, m);
        return;
    }
    must(piece->items_len == 1);
    *parts = memory_join(*parts, &piece->items[0]);
    if (goes_on)
        return;
    whole.items = &(*parts)->item;
    memory_merge(s, &whole, true, m);
    memory_key_unref(*parts);
    *parts = NULL;
}

/* The changes that were decided on in this attempt are settled, or as open as before. */
static void end_attempt(struct memory_store *s, bool committed)
{
    for (size_t i = 0; i < s->changes_len; i++) {
        s->changes[i].settled |= committed && s->changes[i].decided;
        s->changes[i].decided = false;
    }
}

enum rc memory_fail_away(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "memory: the store is away");
}

static enum rc check_store(struct memory_store *s, const struct backend_batch *batch,
                           struct err *err) REQUIRES(s->lock)
{
    while (s->held) {
        s->waiting++;
        cond_broadcast(&s->changed);
        cond_wait(&s->changed, &s->lock);
        s->waiting--;
    }
    if (s->away)
        return memory_fail_away(err);
    if (s->fail_before > 0) {
        s->fail_before -= s->fail_before != UINT64_MAX;
        return err_set(err, s->fail_before_rc, "memory: failing on demand, nothing changed");
    }
    if (!batch->joins &&
        memcmp(s->mark.journal_id, batch->mark.journal_id, sizeof(batch->mark.journal_id)) != 0)
        return err_set(err, RC_FOREIGN, "memory: the store belongs to another journal");
    return RC_OK;
}

static enum rc memory_attempt(struct memory_store *s, const struct backend_batch *batch,
                              struct backend_applied *out, struct err *err) REQUIRES(s->lock)
{
    struct memory_merged merged;
    struct backend_batch piece = {0};
    struct memory_key *parts = NULL;
    enum rc rc;
    if (batch->on_begin != NULL)
        batch->on_begin(batch->ctx);
    memory_merge_begin(s, &merged);
    while ((rc = backend_next_piece(batch, &piece, err)) == RC_OK)
        merge_piece(s, &piece, &parts, &merged);
    memory_key_unref(parts); /* of an attempt that ended early */
    if (rc == RC_NOT_FOUND)
        rc = RC_OK;
    if (rc == RC_OK && batch->before_commit != NULL)
        rc = batch->before_commit(batch->ctx, err);
    end_attempt(s, rc == RC_OK);
    if (rc != RC_OK) {
        free_keys(merged.keys, merged.len);
        return rc;
    }
    memory_take(s, &merged);
    if (batch->dbmap != NULL)
        memory_apply_map(s, batch->dbmap);
    s->cut_lsn = batch->joins ? batch->cut_lsn : max_u64(s->cut_lsn, batch->cut_lsn);
    s->mark = batch->mark;
    s->counters.commits++;
    s->counters.items += merged.items;
    s->counters.rows += merged.applied.rows;
    *out = merged.applied;
    s->away = s->leaves_after_commit;
    if (s->away)
        return memory_fail_away(err);
    if (s->fail_after > 0) {
        s->fail_after -= s->fail_after != UINT64_MAX;
        rc = err_set(err, s->fail_after_rc, "memory: failing on demand, after the commit");
    }
    return rc;
}

static enum rc memory_apply(struct backend *b, const struct backend_batch *batch,
                            struct backend_applied *out, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    lock_acquire(&s->lock);
    s->counters.applies++;
    enum rc rc = check_store(s, batch, err);
    if (rc == RC_OK)
        rc = memory_attempt(s, batch, out, err);
    lock_release(&s->lock);
    return rc;
}

/* ---- what others did, and what is due ---- */

/* All of them at once: what is due is not much in a test. */
static enum rc memory_reap(struct backend *b, const struct backend_reap *what, bool *more,
                           struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    size_t kept = 0;
    (void)err;
    *more = false;
    lock_acquire(&s->lock);
    for (size_t i = 0; i < s->keys_len; i++) {
        const struct backend_item *item = &s->keys[i]->item;
        bool goes = item->expires_at_ms != 0 && item->expires_at_ms <= what->now_ms &&
                    backend_dbmap_names(&s->dbmap, item->db) && first_unsettled(s, item) == NULL &&
                    what->may_go(what->ctx, item);
        if (!goes) {
            s->keys[kept++] = s->keys[i];
            continue;
        }
        what->on_gone(what->ctx, item);
        memory_key_unref(s->keys[i]);
    }
    s->keys_len = kept;
    lock_release(&s->lock);
    return RC_OK;
}

static enum rc memory_poll(struct backend *b, backend_emit *emit, void *ctx, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    enum rc rc = RC_OK;
    (void)err;
    lock_acquire(&s->lock);
    s->counters.polls++;
    for (size_t i = 0; i < s->changes_len && rc == RC_OK; i++) {
        struct memory_change *c = &s->changes[i];
        struct backend_item item = {.db = c->name->item.db, .key = c->name->item.key};
        if (c->polled)
            continue;
        rc = emit(ctx, &item);
        c->polled = rc == RC_OK || rc == RC_NOT_FOUND || rc == RC_BUSY;
        c->settled = c->settled || rc == RC_NOT_FOUND;
        rc = c->polled ? RC_OK : rc;
    }
    s->polled = true;
    drop_done_changes(s);
    lock_release(&s->lock);
    return rc;
}

/* ---- memory_stores ---- */

static struct memory_store *store_new(const char *name)
{
    struct memory_store *s = calloc(1, sizeof(*s));
    must(s != NULL);
    lock_init_kind(&s->lock, LOCK_SLOW); /* as that of a store on a disk is */
    cond_init(&s->changed);
    if (name != NULL) {
        s->name = strdup(name);
        must(s->name != NULL);
    }
    return s;
}

void memory_store_free(struct memory_store *s)
{
    for (size_t i = 0; i < s->keys_len; i++)
        memory_key_unref(s->keys[i]);
    for (size_t i = 0; i < s->changes_len; i++) {
        memory_key_unref(s->changes[i].base);
        memory_key_unref(s->changes[i].name);
    }
    for (size_t i = 0; i < s->rejected_len; i++)
        memory_key_unref(s->rejected[i]);
    free(s->keys);
    free(s->changes);
    free(s->rejected);
    free(s->name);
    cond_fini(&s->changed);
    lock_fini(&s->lock);
    free(s);
}

struct memory_store *memory_store_get(const char *name)
{
    lock_acquire(&memory_stores_lock);
    struct memory_store *s = memory_stores;
    while (s != NULL && strcmp(s->name, name) != 0)
        s = s->next;
    if (s == NULL) {
        s = store_new(name);
        s->next = memory_stores;
        memory_stores = s;
    }
    lock_release(&memory_stores_lock);
    return s;
}

static enum rc memory_open(const struct backend_config *config, struct backend **out,
                           struct err *err)
{
    const char *name = strchr(config->url, ':') + 1;
    struct memory_store *s = name[0] != '\0' ? memory_store_get(name) : store_new(NULL);
    *out = NULL;
    lock_acquire(&s->lock);
    enum rc rc = s->fail_opens_rc;
    s->opens += rc == RC_OK;
    lock_release(&s->lock);
    if (rc != RC_OK)
        return err_set(err, rc, "%s: failing on demand", config->url);
    struct memory_backend *b = calloc(1, sizeof(*b));
    must(b != NULL);
    b->base.ops = &backend_memory;
    b->store = s;
    *out = (struct backend *)b;
    return RC_OK;
}

static void memory_close(struct backend **pb)
{
    struct memory_backend *b = (struct memory_backend *)*pb;
    *pb = NULL;
    lock_acquire(&b->store->lock);
    b->store->polled = false;
    b->store->opens--;
    lock_release(&b->store->lock);
    if (b->store->name == NULL)
        memory_store_free(b->store);
    free(b);
}

static enum rc memory_position(struct backend *b, struct backend_position *out, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    lock_acquire(&s->lock);
    memset(out, 0, sizeof(*out));
    out->fresh = s->cut_lsn == 0 && s->dbmap.len == 0 && s->keys_len == 0;
    out->cut_lsn = s->cut_lsn;
    out->mark = s->mark;
    out->dbmap = s->dbmap;
    enum rc rc = s->away ? memory_fail_away(err) : RC_OK;
    lock_release(&s->lock);
    return rc;
}

static enum rc memory_maintain(struct backend *b, int64_t budget_ms, bool *more, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    (void)budget_ms;
    (void)err;
    *more = false;
    lock_acquire(&s->lock);
    s->counters.maintains++;
    lock_release(&s->lock);
    return RC_OK;
}

const struct backend_ops backend_memory = {
    .scheme = "memory",
    .transactional = true,
    .open = memory_open,
    .close = memory_close,
    .position = memory_position,
    .apply = memory_apply,
    .maintain = memory_maintain,
    .load = memory_load,
    .scan = memory_scan,
    .count = memory_count,
    .reap = memory_reap,
    .poll = memory_poll,
};
