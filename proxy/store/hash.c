/* The hash type; see hash.h. Small: one packed block. Large: a table of fields.
 *
 * Every field carries what write-back needs to know (packed.h, field_flag). A removed field that
 * the backend may have stays, dead and without its value, until the capture has told of it: so
 * removing never needs memory, and there is never more than one record of a field.
 *
 *              set                         set
 *   (absent) ───────> changed, fresh    ┌───────> changed ───┐
 *      ^  ^               │             │            │       │ capture
 *      │  └───remove──────┘ ─capture─> clean <───────┼───────┘
 *      │                                │ remove     │ remove
 *      └───────────capture────────── changed, dead <─┘            (set: dead ──> changed)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/hash.h"

#include "store/alloc.h"
#include "store/fields.h"

#include <stdlib.h>

enum { PACKED_DEAD_MAX = 256 /* dead fields make a packed block slow without being seen */ };

struct hash {
    uint32_t count;   /* live fields */
    uint32_t changed; /* fields with FIELD_CHANGED, dead ones included */
    uint32_t dead;
    bool is_large; /* beyond value_limits: what OBJECT ENCODING calls "hashtable" */
    bool is_table;
    union {
        struct packed packed;
        struct fields *fields;
    };
};

/* A field wherever it lies. */
struct found {
    bool there;
    unsigned flags;
    struct packed_pair pair; /* packed */
    struct field *field;     /* table */
};

static struct found find(const struct hash *h, struct slice name)
{
    struct found at = {0};
    if (h->is_table) {
        at.field = fields_find(h->fields, name);
        at.there = at.field != NULL;
        if (at.there)
            at.flags = field_flags(at.field);
    } else {
        at.there = packed_find(&h->packed, name, &at.pair);
        if (at.there)
            at.flags = at.pair.flags;
    }
    return at;
}

struct hash *hash_try_new(void)
{
    struct hash *h = alloc_try(sizeof(*h));
    if (h != NULL)
        memset(h, 0, sizeof(*h));
    return h;
}

size_t hash_count(const struct hash *h)
{
    return h->count;
}

bool hash_get(const struct hash *h, struct slice field, struct slice *value)
{
    struct found at = find(h, field);
    if (!at.there || (at.flags & FIELD_DEAD) != 0)
        return false;
    *value = h->is_table ? field_value(at.field) : at.pair.value;
    return true;
}

/* --- Changing --- */

/* From block to table; false: out of memory, unchanged. */
static bool become_table(struct hash *h)
{
    struct fields *fields = fields_try_new();
    if (fields == NULL)
        return false;
    struct packed_pair pair;
    for (uint32_t at = 0; packed_read(&h->packed, at, &pair); at = pair.end) {
        if (fields_add(fields, pair.name, pair.value, pair.flags) == NULL) {
            fields_free(&fields);
            return false;
        }
    }
    packed_fini(&h->packed);
    h->fields = fields;
    h->is_table = true;
    return true;
}

/* Whether Redis would go from listpack to hashtable to hold one more field, or this value. */
static bool exceeds_limits(const struct hash *h, bool adds, struct slice name, struct slice value)
{
    size_t value_max =
        atomic_load_explicit(&value_limits.hash_max_listpack_value, memory_order_relaxed);
    size_t entries_max =
        atomic_load_explicit(&value_limits.hash_max_listpack_entries, memory_order_relaxed);
    return name.len > value_max || value.len > value_max ||
           (adds && (size_t)h->count + 1 > entries_max);
}

static bool write_field(struct hash *h, const struct found *at, struct slice name,
                        struct slice value, unsigned flags)
{
    if (!h->is_table && (at->flags & FIELD_DEAD) != 0) {
        /* Back again, but as the newest: at the end, as in Redis. */
        if (!packed_put(&h->packed, NULL, name, value, flags))
            return false;
        packed_cut(&h->packed, &at->pair);
        return true;
    }
    if (!h->is_table)
        return packed_put(&h->packed, at->there ? &at->pair : NULL, name, value, flags);
    if (!at->there)
        return fields_add(h->fields, name, value, flags) != NULL;
    struct field *f = fields_set_value(h->fields, at->field, value);
    if (f != NULL)
        fields_set_flags(h->fields, f, flags);
    return f != NULL;
}

static enum hash_set_result set_field(struct hash *h, struct slice name, struct slice value,
                                      bool loading)
{
    if (name.len > FIELD_LEN_MAX || value.len > FIELD_LEN_MAX)
        return HASH_OOM;
    struct found at = find(h, name);
    bool dead = (at.flags & FIELD_DEAD) != 0;
    if (loading && (at.flags & FIELD_CHANGED) != 0)
        return HASH_UPDATED; /* what happened here is newer */
    bool adds = !at.there || dead;
    bool large = h->is_large || exceeds_limits(h, adds, name, value);
    if (!h->is_table &&
        (large || h->dead > PACKED_DEAD_MAX ||
         packed_len_with(&h->packed, adds ? NULL : &at.pair, name.len, value.len) > PACKED_MAX)) {
        if (!become_table(h))
            return HASH_OOM;
        at = find(h, name);
    }
    unsigned flags = at.flags & ~(unsigned)FIELD_DEAD;
    if (!loading)
        flags |= at.there ? FIELD_CHANGED : FIELD_CHANGED | FIELD_FRESH;
    if (!write_field(h, &at, name, value, flags))
        return HASH_OOM;
    h->is_large = large;
    h->changed += (flags & FIELD_CHANGED) != 0 && (at.flags & FIELD_CHANGED) == 0;
    h->dead -= dead;
    h->count += adds;
    return adds ? HASH_ADDED : HASH_UPDATED;
}

enum hash_set_result hash_set(struct hash **h, struct slice field, struct slice value)
{
    return set_field(*h, field, value, false);
}

bool hash_remove(struct hash **place, struct slice field)
{
    struct hash *h = *place;
    struct found at = find(h, field);
    if (!at.there || (at.flags & FIELD_DEAD) != 0)
        return false;
    h->count--;
    if ((at.flags & FIELD_FRESH) != 0) {
        h->changed--;
        if (h->is_table)
            fields_remove(h->fields, at.field);
        else
            packed_cut(&h->packed, &at.pair);
    } else {
        h->changed += (at.flags & FIELD_CHANGED) == 0;
        h->dead++;
        if (h->is_table) {
            at.field = fields_set_value(h->fields, at.field, slice_of("", 0));
            fields_set_flags(h->fields, at.field, FIELD_CHANGED | FIELD_DEAD);
        } else {
            packed_kill(&h->packed, &at.pair, FIELD_CHANGED | FIELD_DEAD);
        }
    }
    return true;
}

/* --- Walking --- */

void hash_each(const struct hash *h,
               bool (*each)(void *ctx, struct slice field, struct slice value), void *ctx)
{
    if (!h->is_table) {
        struct packed_pair pair;
        for (uint32_t at = 0; packed_read(&h->packed, at, &pair); at = pair.end) {
            if ((pair.flags & FIELD_DEAD) == 0 && !each(ctx, pair.name, pair.value))
                return;
        }
        return;
    }
    const struct table *t = &h->fields->table;
    for (size_t i = 0; i < table_slots(t); i++) {
        const struct field *f = table_at(t, i);
        if (f != NULL && !f->dead && !each(ctx, field_name(f), field_value(f)))
            return;
    }
}

struct scan {
    void (*each)(void *ctx, struct slice field, struct slice value);
    void *ctx;
};

static void scan_one(void *ctx, void *pointer)
{
    const struct scan *scan = ctx;
    const struct field *f = pointer;
    if (!f->dead)
        scan->each(scan->ctx, field_name(f), field_value(f));
}

static bool scan_pair(void *ctx, struct slice field, struct slice value)
{
    const struct scan *scan = ctx;
    scan->each(scan->ctx, field, value);
    return true;
}

uint64_t hash_scan(const struct hash *h, uint64_t cursor, size_t count,
                   void (*each)(void *ctx, struct slice field, struct slice value), void *ctx)
{
    struct scan scan = {each, ctx};
    if (!h->is_table) {
        hash_each(h, scan_pair, &scan);
        return 0;
    }
    if (cursor >= TABLE_POSITIONS)
        return 0;
    uint32_t next = table_walk(&h->fields->table, (uint32_t)cursor, count, scan_one, &scan);
    return next == TABLE_POSITIONS ? 0 : next;
}

static bool is_live(const void *ctx, const void *pointer)
{
    (void)ctx;
    const struct field *f = pointer;
    return !f->dead;
}

void hash_random(const struct hash *h, uint64_t random, struct slice *field, struct slice *value)
{
    must(h->count > 0);
    if (h->is_table) {
        const struct field *f = table_random(&h->fields->table, random, is_live, NULL);
        *field = field_name(f);
        *value = field_value(f);
        return;
    }
    uint64_t skip = random % h->count;
    struct packed_pair pair;
    for (uint32_t at = 0; packed_read(&h->packed, at, &pair); at = pair.end) {
        if ((pair.flags & FIELD_DEAD) == 0 && skip-- == 0)
            break;
    }
    *field = pair.name;
    *value = pair.value;
}

/* --- What write-back asks of every type --- */

static void *ops_try_new(void)
{
    return hash_try_new();
}

static void ops_free(void *object)
{
    struct hash *h = object;
    if (h->is_table)
        fields_free(&h->fields);
    else
        packed_fini(&h->packed);
    free(h);
}

static size_t ops_count(const void *object)
{
    return hash_count(object);
}

static size_t ops_memory(const void *object)
{
    const struct hash *h = object;
    return alloc_size_class(sizeof(*h)) + (h->is_table ? fields_memory(h->fields) : h->packed.cap);
}

static const char *ops_encoding(const void *object)
{
    const struct hash *h = object;
    return h->is_large ? "hashtable" : "listpack";
}

struct copying {
    struct hash *to;
    bool failed;
};

static bool copy_one(void *ctx, struct slice field, struct slice value)
{
    struct copying *c = ctx;
    c->failed = hash_set(&c->to, field, value) == HASH_OOM;
    return !c->failed;
}

static void *ops_copy(const void *object)
{
    const struct hash *h = object;
    struct copying c = {hash_try_new(), false};
    if (c.to == NULL)
        return NULL;
    c.to->is_large = h->is_large;
    hash_each(h, copy_one, &c);
    if (c.failed) {
        ops_free(c.to);
        return NULL;
    }
    return c.to;
}

static size_t ops_changes(const void *object, bool everything)
{
    const struct hash *h = object;
    return everything ? h->count : h->changed;
}

struct capture {
    struct hash *h;
    struct change_sink *sink;
    bool everything;
};

static void tell(const struct capture *c, struct slice name, struct slice value, unsigned flags)
{
    bool removed = (flags & FIELD_DEAD) != 0;
    if (c->everything ? !removed : (flags & FIELD_CHANGED) != 0)
        c->sink->element(c->sink->ctx, name, value, 0, 0, removed);
}

static void capture_field(void *ctx, struct field *f)
{
    const struct capture *c = ctx;
    tell(c, field_name(f), field_value(f), field_flags(f));
    if (f->dead)
        fields_remove(c->h->fields, f);
    else
        fields_set_flags(c->h->fields, f, 0);
}

static void capture_packed(const struct capture *c)
{
    struct packed *p = &c->h->packed;
    struct packed_pair pair;
    for (uint32_t at = 0; packed_read(p, at, &pair);) {
        tell(c, pair.name, pair.value, pair.flags);
        if ((pair.flags & FIELD_DEAD) != 0) {
            packed_cut(p, &pair);
        } else {
            packed_set_flags(p, &pair, 0);
            at = pair.end;
        }
    }
    packed_trim(p);
}

static void ops_capture(void **object, bool everything, struct change_sink *sink)
{
    struct hash *h = *object;
    struct capture c = {h, sink, everything};
    if (!h->is_table) {
        capture_packed(&c);
    } else {
        if (everything)
            fields_walk(h->fields, capture_field, &c);
        fields_take_changed(h->fields, capture_field, &c);
    }
    h->changed = h->dead = 0;
}

static bool ops_load(void **object, struct slice name, struct slice value, int64_t position,
                     double score)
{
    (void)position, (void)score;
    if (*object == NULL)
        *object = hash_try_new();
    return *object != NULL && set_field(*object, name, value, true) != HASH_OOM;
}

const struct value_ops hash_ops = {
    .type = VALUE_HASH,
    .try_new = ops_try_new,
    .free = ops_free,
    .count = ops_count,
    .memory = ops_memory,
    .encoding = ops_encoding,
    .copy = ops_copy,
    .changes = ops_changes,
    .capture = ops_capture,
    .load = ops_load,
};
