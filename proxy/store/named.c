/* See named.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/named.h"

#include "store/alloc.h"
#include "store/fields.h"

#include <stdlib.h>

enum { PACKED_DEAD_MAX = 256 /* dead records make a block slow without being seen */ };

struct named_table {
    uint8_t form;
    uint8_t encoding; /* enum named_encoding */
    uint32_t count;   /* fields that are not dead */
    uint32_t changed; /* fields with FIELD_CHANGED, dead ones included */
    struct fields *fields;
};

/* A record wherever it lies. */
struct named_found {
    bool there;
    unsigned flags;
    uint32_t dead;           /* block: records passed that are */
    struct packed_pair pair; /* block */
    struct field *field;     /* table */
};

static inline bool is_table(const struct named *n)
{
    return (n->form & FORM_TABLE) != 0;
}

static inline bool named_is_valued(const struct named *n)
{
    return (n->form & FORM_VALUED) != 0;
}

static inline struct named_table *named_table_of(struct named *n)
{
    return (void *)n;
}

static inline const struct named_table *table_seen(const struct named *n)
{
    return (const void *)n;
}

static inline const struct packed *packed_seen(const struct named *n)
{
    return (const void *)n;
}

static inline struct named_found named_look_up(const struct named *n, struct slice name)
{
    struct named_found at = {0};
    if (is_table(n)) {
        at.field = fields_find(table_seen(n)->fields, name);
        at.there = at.field != NULL;
        if (at.there)
            at.flags = field_flags(at.field);
    } else {
        at.there = packed_find(packed_seen(n), name, &at.pair, &at.dead);
        if (at.there)
            at.flags = at.pair.flags;
    }
    return at;
}

struct named *named_try_new(bool valued)
{
    return (void *)packed_try_new(valued);
}

struct named *named_try_new_table(bool valued, enum named_encoding encoding)
{
    struct named_table *t = alloc_try(sizeof(*t));
    if (t == NULL)
        return NULL;
    *t = (struct named_table){.form = FORM_TABLE | (valued ? FORM_VALUED : 0),
                              .encoding = (uint8_t)encoding,
                              .fields = fields_try_new()};
    if (t->fields == NULL) {
        free(t);
        return NULL;
    }
    return (void *)t;
}

void named_free(struct named *n)
{
    if (is_table(n))
        fields_free(&named_table_of(n)->fields);
    free(n);
}

size_t named_count(const struct named *n)
{
    return is_table(n) ? table_seen(n)->count : packed_count(packed_seen(n));
}

size_t named_memory(const struct named *n)
{
    if (!is_table(n))
        return packed_memory(packed_seen(n));
    return alloc_size_class(sizeof(struct named_table)) + fields_memory(table_seen(n)->fields);
}

enum named_encoding named_encoding(const struct named *n)
{
    return is_table(n) ? (enum named_encoding)table_seen(n)->encoding : NAMED_LISTPACK;
}

void named_set_encoding(struct named *n, enum named_encoding encoding)
{
    must(is_table(n));
    named_table_of(n)->encoding = (uint8_t)encoding;
}

bool named_stays(const struct named *n)
{
    return is_table(n);
}

bool named_find(const struct named *n, struct slice name, struct slice *value)
{
    struct named_found at = named_look_up(n, name);
    if (!at.there || (at.flags & FIELD_DEAD) != 0)
        return false;
    if (value != NULL)
        *value = is_table(n) ? field_value(at.field) : at.pair.value;
    return true;
}

void named_prefetch(const struct named *n, struct slice name, bool near)
{
    if (is_table(n))
        fields_prefetch(table_seen(n)->fields, name, near);
}

/* --- Changing --- */

bool named_become_table(struct named **place, enum named_encoding encoding)
{
    struct named *n = *place;
    struct named *table = named_try_new_table(named_is_valued(n), encoding);
    if (table == NULL)
        return false;
    struct named_table *t = named_table_of(table);
    struct packed_pair pair;
    for (uint32_t at = 0; packed_read(packed_seen(n), at, &pair); at = pair.end) {
        if (fields_add(t->fields, pair.name, pair.value, pair.flags) == NULL) {
            named_free(table);
            return false;
        }
    }
    t->count = packed_count(packed_seen(n));
    t->changed = packed_changed(packed_seen(n));
    named_free(n);
    *place = table;
    return true;
}

static bool exceeds(const struct named *n, bool adds, const struct named_put *put)
{
    return put->name.len > put->limits.len_max || put->value.len > put->limits.len_max ||
           (adds && named_count(n) + 1 > put->limits.entries_max);
}

static bool write_packed(struct named **place, const struct named_found *at,
                         const struct named_put *put, unsigned flags)
{
    struct packed *p = (void *)*place;
    bool returns = (at->flags & FIELD_DEAD) != 0;
    /* What comes back is the newest, so it goes to the end, as in Redis. */
    if (!packed_put(&p, at->there && !returns ? &at->pair : NULL, put->name, put->value, flags))
        return false;
    if (returns)
        packed_cut(&p, &at->pair);
    *place = (void *)p;
    return true;
}

static bool write_field(struct named_table *t, const struct named_found *at,
                        const struct named_put *put, unsigned flags)
{
    if (at->there) {
        struct field *f = fields_set_value(t->fields, at->field, put->value);
        if (f == NULL)
            return false;
        fields_set_flags(t->fields, f, flags);
    } else if (fields_add(t->fields, put->name, put->value, flags) == NULL) {
        return false;
    }
    t->count += !at->there || (at->flags & FIELD_DEAD) != 0;
    t->changed += (flags & FIELD_CHANGED) != 0 && (at->flags & FIELD_CHANGED) == 0;
    return true;
}

enum named_result named_put(struct named **place, const struct named_put *put)
{
    if (put->name.len > FIELD_LEN_MAX || put->value.len > FIELD_LEN_MAX)
        return NAMED_OOM;
    struct named_found at = named_look_up(*place, put->name);
    bool adds = !at.there || (at.flags & FIELD_DEAD) != 0;
    if (put->loading && (at.flags & FIELD_CHANGED) != 0)
        return NAMED_UPDATED; /* what happened here is newer */
    if (!adds && !named_is_valued(*place))
        return NAMED_UPDATED;
    enum named_encoding encoding = named_encoding(*place);
    if (encoding != NAMED_HASHTABLE && exceeds(*place, adds, put))
        encoding = NAMED_HASHTABLE;
    if (!is_table(*place) && (encoding == NAMED_HASHTABLE || at.dead > PACKED_DEAD_MAX ||
                              packed_len_with(packed_seen(*place), adds ? NULL : &at.pair,
                                              put->name.len, put->value.len) > PACKED_MAX)) {
        if (!named_become_table(place, named_encoding(*place)))
            return NAMED_OOM;
        at = named_look_up(*place, put->name);
    }
    unsigned flags = at.flags & ~(unsigned)FIELD_DEAD;
    if (!put->loading)
        flags |= at.there ? FIELD_CHANGED : FIELD_CHANGED | FIELD_FRESH;
    if (!is_table(*place)) {
        if (!write_packed(place, &at, put, flags))
            return NAMED_OOM;
    } else {
        if (!write_field(named_table_of(*place), &at, put, flags))
            return NAMED_OOM;
        named_table_of(*place)->encoding = (uint8_t)encoding;
    }
    return adds ? NAMED_ADDED : NAMED_UPDATED;
}

bool named_restore(struct named **place, struct slice name, unsigned flags)
{
    struct slice none = SLICE("");
    if (!is_table(*place) && packed_len_with(packed_seen(*place), NULL, name.len, 0) > PACKED_MAX &&
        !named_become_table(place, named_encoding(*place)))
        return false;
    if (is_table(*place)) {
        struct named_table *t = named_table_of(*place);
        if (fields_add(t->fields, name, none, flags) == NULL)
            return false;
        t->count += (flags & FIELD_DEAD) == 0;
        t->changed += (flags & FIELD_CHANGED) != 0;
        return true;
    }
    struct packed *p = (void *)*place;
    bool added = packed_put(&p, NULL, name, none, flags);
    *place = (void *)p;
    return added;
}

static void remove_field(struct named_table *t, const struct named_found *at)
{
    t->count--;
    if ((at->flags & FIELD_FRESH) != 0) {
        t->changed--;
        fields_remove(t->fields, at->field);
    } else {
        t->changed += (at->flags & FIELD_CHANGED) == 0;
        struct field *f = fields_set_value(t->fields, at->field, slice_of("", 0));
        fields_set_flags(t->fields, f, FIELD_CHANGED | FIELD_DEAD);
    }
}

bool named_remove(struct named **place, struct slice name)
{
    struct named_found at = named_look_up(*place, name);
    if (!at.there || (at.flags & FIELD_DEAD) != 0)
        return false;
    if (is_table(*place)) {
        remove_field(named_table_of(*place), &at);
        return true;
    }
    struct packed *p = (void *)*place;
    if ((at.flags & FIELD_FRESH) != 0)
        packed_cut(&p, &at.pair);
    else
        packed_kill(&p, &at.pair, FIELD_CHANGED | FIELD_DEAD);
    *place = (void *)p;
    return true;
}

/* --- Walking --- */

struct named_pairs {
    bool (*each)(void *ctx, struct slice name, struct slice value);
    void *ctx;
};

static bool each_pair(void *ctx, const struct field *f)
{
    const struct named_pairs *p = ctx;
    return f->dead || p->each(p->ctx, field_name(f), field_value(f));
}

void named_each(const struct named *n,
                bool (*each)(void *ctx, struct slice name, struct slice value), void *ctx)
{
    if (!is_table(n)) {
        struct packed_pair pair;
        for (uint32_t at = 0; packed_read(packed_seen(n), at, &pair); at = pair.end) {
            if ((pair.flags & FIELD_DEAD) == 0 && !each(ctx, pair.name, pair.value))
                return;
        }
        return;
    }
    struct named_pairs pairs = {each, ctx};
    fields_each(table_seen(n)->fields, each_pair, &pairs);
}

struct named_scan {
    void (*each)(void *ctx, struct slice name, struct slice value);
    void *ctx;
};

static void named_scan_field(void *ctx, void *pointer)
{
    const struct named_scan *scan = ctx;
    const struct field *f = pointer;
    if (!f->dead)
        scan->each(scan->ctx, field_name(f), field_value(f));
}

static bool scan_pair(void *ctx, struct slice name, struct slice value)
{
    const struct named_scan *scan = ctx;
    scan->each(scan->ctx, name, value);
    return true;
}

uint64_t named_scan(const struct named *n, uint64_t cursor, size_t count,
                    void (*each)(void *ctx, struct slice name, struct slice value), void *ctx)
{
    struct named_scan scan = {each, ctx};
    if (!is_table(n)) {
        named_each(n, scan_pair, &scan);
        return 0;
    }
    return fields_scan(table_seen(n)->fields, cursor, count, named_scan_field, &scan);
}

void named_random(const struct named *n, uint64_t random, struct slice *name, struct slice *value)
{
    uint64_t count = named_count(n);
    must(count > 0);
    if (is_table(n)) {
        const struct field *f = fields_random(table_seen(n)->fields, random);
        *name = field_name(f);
        *value = field_value(f);
        return;
    }
    uint64_t skip = random % count;
    struct packed_pair pair;
    for (uint32_t at = 0; packed_read(packed_seen(n), at, &pair); at = pair.end) {
        if ((pair.flags & FIELD_DEAD) == 0 && skip-- == 0)
            break;
    }
    *name = pair.name;
    *value = pair.value;
}

/* --- For write-back --- */

size_t named_changes(const struct named *n, bool everything)
{
    if (everything)
        return named_count(n);
    return is_table(n) ? table_seen(n)->changed : packed_changed(packed_seen(n));
}

struct named_capture {
    struct named_table *t;
    const struct change_sink *sink;
    bool everything;
};

/* False: it was not taken. */
static bool named_tell(const struct named_capture *c, struct slice name, struct slice value,
                       unsigned flags)
{
    bool removed = (flags & FIELD_DEAD) != 0;
    if (c->everything ? removed : (flags & FIELD_CHANGED) == 0)
        return true;
    return c->sink->element(c->sink->ctx, name, value, 0, 0, removed);
}

static bool named_capture_field(void *ctx, struct field *f)
{
    const struct named_capture *c = ctx;
    if (!named_tell(c, field_name(f), field_value(f), field_flags(f)))
        return false;
    c->t->changed -= f->changed;
    if (f->dead)
        fields_remove(c->t->fields, f);
    else
        fields_set_flags(c->t->fields, f, 0);
    return true;
}

static bool capture_packed(const struct named_capture *c, struct packed **place)
{
    struct packed_pair pair;
    for (uint32_t at = 0; packed_read(*place, at, &pair); at = pair.end)
        if (!named_tell(c, pair.name, pair.value, pair.flags))
            return false;
    packed_settle(place);
    return true;
}

bool named_capture(struct named **n, bool everything, struct capture_place *place,
                   const struct change_sink *sink)
{
    struct named_capture c = {.sink = sink, .everything = everything};
    if (!is_table(*n)) {
        struct packed *p = (void *)*n;
        bool done = capture_packed(&c, &p);
        *n = (void *)p;
        return done;
    }
    c.t = named_table_of(*n);
    return fields_capture(c.t->fields, everything, place, sink, named_capture_field, &c);
}

struct named_copying {
    struct named *to;
    bool failed;
};

static bool named_copy_one(void *ctx, struct slice name, struct slice value)
{
    struct named_copying *c = ctx;
    const struct named_put put = {name, value, {SIZE_MAX, SIZE_MAX}, false};
    c->failed = named_put(&c->to, &put) == NAMED_OOM;
    return !c->failed;
}

struct named *named_copy(const struct named *n)
{
    bool valued = named_is_valued(n);
    struct named_copying c = {
        is_table(n) ? named_try_new_table(valued, named_encoding(n)) : named_try_new(valued),
        false,
    };
    if (c.to == NULL)
        return NULL;
    named_each(n, named_copy_one, &c);
    if (c.failed) {
        named_free(c.to);
        return NULL;
    }
    return c.to;
}
