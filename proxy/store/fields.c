/* See fields.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/fields.h"

#include "store/alloc.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SALT_BITS = 24 };    /* with a position it makes a cursor that fits a double's 53 bits */
enum { CAPTURE_STEP = 64 }; /* slots, or changed fields, until the sink is asked */
enum { RECENT_MIN = 64, RECENT_SHARE = 8 /* of the fields: beyond an eighth, a walk is as good */ };

static uint32_t position_of(const struct fields *fs, struct slice name)
{
    return table_position(XXH3_64bits_withSeed(name.ptr, name.len, fs->seed));
}

static size_t fields_class_of(size_t name_len, size_t value_len)
{
    return alloc_size_class(sizeof(struct field) + name_len + value_len);
}

static size_t own_class(const struct field *f)
{
    return fields_class_of(f->name_len, f->value_len);
}

static uint32_t parts_len(const struct fields *fs)
{
    return fs->divided ? FIELDS_PARTS : 1;
}

/* Once it is divided. */
static uint32_t part_number(uint32_t position)
{
    return position >> (TABLE_POSITION_BITS - FIELDS_PARTS_BITS);
}

static struct table *part_of(const struct fields *fs, uint32_t position)
{
    return &fs->parts[fs->divided ? part_number(position) : 0];
}

struct fields *fields_try_new(void)
{
    static _Atomic uint32_t made;
    struct fields *fs = alloc_try_zeroed(sizeof(*fs));
    if (fs != NULL) {
        fs->parts = &fs->whole;
        fs->salt = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) % (1u << SALT_BITS);
        fs->seed = alloc_hash_seed() + (fs->salt + 1) * 0x9e3779b97f4a7c15u;
    }
    return fs;
}

void fields_free(struct fields **fs)
{
    struct fields *old = *fs;
    *fs = NULL;
    if (old == NULL)
        return;
    for (uint32_t part = 0; part < parts_len(old); part++) {
        struct table *t = &old->parts[part];
        for (size_t i = 0; i < table_slots(t); i++)
            free(table_at(t, i));
        table_fini(t);
    }
    if (old->divided)
        free(old->parts);
    free(old->recent);
    free(old);
}

struct field *fields_find(const struct fields *fs, struct slice name)
{
    struct table_probe probe;
    uint32_t position = position_of(fs, name);
    uint64_t *slot = table_first(part_of(fs, position), position, &probe);
    for (; slot != NULL; slot = table_next(&probe)) {
        struct field *f = slot_pointer(*slot);
        if (slice_eq(field_name(f), name))
            return f;
    }
    return NULL;
}

void fields_prefetch(const struct fields *fs, struct slice name, bool near)
{
    uint32_t position = position_of(fs, name);
    if (!near) {
        table_prefetch(part_of(fs, position), position);
        return;
    }
    struct table_probe probe;
    uint64_t *slot = table_first(part_of(fs, position), position, &probe);
    if (slot != NULL)
        __builtin_prefetch(slot_pointer(*slot), 1);
}

static void note_recent(struct fields *fs, uint32_t position)
{
    if (fs->recent_incomplete)
        return;
    size_t most = fs->len / RECENT_SHARE;
    if (most < RECENT_MIN)
        most = RECENT_MIN;
    uint32_t *list = fs->recent;
    if (fs->recent_len == fs->recent_cap && fs->recent_len < most) {
        size_t cap = fs->recent_cap < 16 ? 16 : (size_t)fs->recent_cap * 2;
        list = cap > UINT32_MAX ? NULL : alloc_try_resize(list, cap * sizeof(*list));
        if (list != NULL) {
            fs->recent = list;
            fs->recent_cap = (uint32_t)cap;
        }
    }
    if (list != NULL && fs->recent_len < fs->recent_cap && fs->recent_len < most) {
        fs->recent[fs->recent_len++] = position;
        return;
    }
    free(fs->recent);
    fs->recent = NULL;
    fs->recent_len = fs->recent_cap = 0;
    fs->recent_incomplete = true;
}

void fields_set_flags(struct fields *fs, struct field *f, unsigned flags)
{
    if ((flags & FIELD_CHANGED) != 0 && !f->changed)
        note_recent(fs, position_of(fs, field_name(f)));
    f->changed = (flags & FIELD_CHANGED) != 0;
    f->fresh = (flags & FIELD_FRESH) != 0;
    f->dead = (flags & FIELD_DEAD) != 0;
}

/* --- Parts --- */

/* After a part was resized, or another one was. */
static void measure_parts(struct fields *fs)
{
    size_t most = 0;
    fs->table_bytes = fs->divided ? alloc_size_class(FIELDS_PARTS * sizeof(*fs->parts)) : 0;
    for (uint32_t i = 0; i < parts_len(fs); i++) {
        fs->table_bytes += table_memory(&fs->parts[i]);
        most = max_u64(most, table_slots(&fs->parts[i]));
    }
    fs->part_slots = (uint32_t)most;
}

/* Without memory for it, all stays in one. */
static void fields_divide(struct fields *fs)
{
    struct table *parts = alloc_try(FIELDS_PARTS * sizeof(*parts));
    bool enough = parts != NULL;
    for (uint32_t i = 0; parts != NULL && i < FIELDS_PARTS; i++) {
        parts[i] = (struct table){.shift = FIELDS_PARTS_BITS};
        enough = enough && table_try_size(&parts[i], fs->len / FIELDS_PARTS * 5 / 4);
    }
    const struct table *whole = &fs->whole;
    for (size_t i = 0; enough && i < table_slots(whole); i++) {
        if (table_at(whole, i) == NULL)
            continue;
        uint32_t position = table_position_at(whole, i);
        struct table *t = &parts[part_number(position)];
        enough = table_try_reserve(t);
        if (enough)
            table_insert(t, position, table_at(whole, i));
    }
    if (!enough) {
        for (uint32_t i = 0; parts != NULL && i < FIELDS_PARTS; i++)
            table_fini(&parts[i]);
        free(parts);
        return;
    }
    table_fini(&fs->whole);
    fs->parts = parts;
    fs->divided = true;
    measure_parts(fs);
}

static bool try_reserve(struct fields *fs, uint32_t position)
{
    if (UNLIKELY(!fs->divided && fs->len >= FIELDS_WHOLE_MAX))
        fields_divide(fs);
    struct table *t = part_of(fs, position);
    uint32_t had = table_len(t);
    bool enough = table_try_reserve(t);
    if (UNLIKELY(table_len(t) != had))
        measure_parts(fs);
    return enough;
}

/* --- Fields --- */

struct field *fields_add(struct fields *fs, struct slice name, struct slice value, unsigned flags)
{
    uint32_t position = position_of(fs, name);
    if (!try_reserve(fs, position))
        return NULL;
    size_t class = fields_class_of(name.len, value.len);
    struct field *f = alloc_try(class);
    if (f == NULL)
        return NULL;
    *f = (struct field){
        .name_len = (uint32_t)name.len & FIELD_LEN_MAX,
        .value_len = (uint32_t)value.len & FIELD_LEN_MAX,
    };
    if (name.len > 0)
        memcpy(f->data, name.ptr, name.len);
    if (value.len > 0)
        memcpy(f->data + name.len, value.ptr, value.len);
    table_insert(part_of(fs, position), position, f);
    fs->len++;
    fs->bytes += class;
    fields_set_flags(fs, f, flags);
    return f;
}

struct field *fields_set_value(struct fields *fs, struct field *f, struct slice value)
{
    size_t had = own_class(f), class = fields_class_of(f->name_len, value.len);
    if (had != class) {
        uint32_t position = position_of(fs, field_name(f));
        uint64_t *slot = table_slot_of(part_of(fs, position), position, f);
        struct field *moved = alloc_try_resize(f, class);
        if (moved == NULL && class > had)
            return NULL;
        if (moved != NULL) {
            f = moved;
            slot_set_pointer(slot, f);
        }
        fs->bytes += class - had;
    }
    if (value.len > 0)
        memmove(f->data + f->name_len, value.ptr, value.len);
    f->value_len = (uint32_t)value.len & FIELD_LEN_MAX;
    return f;
}

void fields_remove(struct fields *fs, struct field *f)
{
    uint32_t position = position_of(fs, field_name(f));
    fs->bytes -= own_class(f);
    struct table *t = part_of(fs, position);
    uint32_t had = table_len(t);
    table_remove(t, position, table_slot_of(t, position, f));
    fs->len--;
    if (UNLIKELY(table_len(t) != had))
        measure_parts(fs);
    free(f);
}

void fields_each(const struct fields *fs, bool (*each)(void *ctx, const struct field *f), void *ctx)
{
    for (uint32_t part = 0; part < parts_len(fs); part++) {
        const struct table *t = &fs->parts[part];
        for (size_t i = 0; i < table_slots(t); i++) {
            const struct field *f = table_at(t, i);
            if (f != NULL && !each(ctx, f))
                return;
        }
    }
}

static bool is_live(const void *ctx, const void *pointer)
{
    (void)ctx;
    const struct field *f = pointer;
    return !f->dead;
}

/* As table_random: each slot of each part is as likely, and one that is free is drawn again. */
const struct field *fields_random(const struct fields *fs, uint64_t random)
{
    enum { TRIES = 128 };
    if (!fs->divided)
        return table_random(&fs->whole, random, is_live, NULL);
    for (int i = 0; i < TRIES; i++) {
        const struct table *t = &fs->parts[random >> (64 - FIELDS_PARTS_BITS)];
        uint64_t slot = ((random << FIELDS_PARTS_BITS >> 32) * fs->part_slots) >> 32;
        const struct field *f = slot < table_slots(t) ? table_at(t, slot) : NULL;
        if (f != NULL && !f->dead)
            return f;
        random = random * 6364136223846793005u + 1442695040888963407u;
    }
    const struct field *f = NULL;
    for (uint32_t i = 0; i < FIELDS_PARTS && f == NULL; i++)
        f = table_random(&fs->parts[(random + i) % FIELDS_PARTS], random, is_live, NULL);
    return f;
}

/* As table_walk, over all parts. */
static uint32_t walk_parts(struct fields *fs, uint32_t from, size_t count,
                           void (*each)(void *ctx, void *pointer), void *ctx)
{
    uint32_t range = fs->divided ? TABLE_POSITIONS / FIELDS_PARTS : TABLE_POSITIONS;
    for (;;) {
        struct table *t = part_of(fs, from);
        size_t slots = table_slots(t);
        from = table_walk(t, from, count, each, ctx);
        if (table_slots(t) != slots) /* so many have gone */
            measure_parts(fs);
        if (from == TABLE_POSITIONS || from % range != 0 || count <= slots)
            return from;
        count -= slots;
    }
}

/* A changed field with this position, or NULL. */
static struct field *changed_at(const struct fields *fs, uint32_t position)
{
    struct table_probe probe;
    uint64_t *slot = table_first(part_of(fs, position), position, &probe);
    for (; slot != NULL; slot = table_next(&probe)) {
        struct field *f = slot_pointer(*slot);
        if (f->changed)
            return f;
    }
    return NULL;
}

static void forget_recent(struct fields *fs)
{
    free(fs->recent);
    fs->recent = NULL;
    fs->recent_len = fs->recent_cap = 0;
    fs->recent_incomplete = false;
}

struct visit {
    bool (*each)(void *ctx, struct field *f);
    void *ctx;
    bool everything, refused;
};

static void visit_one(void *ctx, void *pointer)
{
    struct visit *v = ctx;
    struct field *f = pointer;
    if (!v->refused && (v->everything || f->changed))
        v->refused = !v->each(v->ctx, f);
}

/* What is refused within a step is met again, with the rest of that. */
static bool capture_by_walk(struct fields *fs, struct capture_place *place,
                            const struct change_sink *sink, struct visit *v)
{
    size_t step = sink->is_full != NULL ? CAPTURE_STEP : SIZE_MAX / 2;
    while (place->at < TABLE_POSITIONS) {
        uint32_t next = walk_parts(fs, (uint32_t)place->at, step, visit_one, v);
        if (v->refused)
            return false;
        place->at = next;
        if (next < TABLE_POSITIONS && sink_is_full(sink))
            return false;
    }
    return true;
}

static bool capture_by_list(struct fields *fs, const struct change_sink *sink, struct visit *v)
{
    for (uint32_t n = 1; fs->recent_len > 0; n++) {
        struct field *f;
        while ((f = changed_at(fs, fs->recent[fs->recent_len - 1])) != NULL)
            if (!v->each(v->ctx, f))
                return false;
        fs->recent_len--;
        if (n % CAPTURE_STEP == 0 && sink_is_full(sink))
            return false;
    }
    return true;
}

bool fields_capture(struct fields *fs, bool everything, struct capture_place *place,
                    const struct change_sink *sink, bool (*each)(void *ctx, struct field *f),
                    void *ctx)
{
    struct visit v = {each, ctx, everything, false};
    place->begun = true;
    bool done = everything || fs->recent_incomplete ? capture_by_walk(fs, place, sink, &v)
                                                    : capture_by_list(fs, sink, &v);
    if (done)
        forget_recent(fs);
    return done;
}

size_t fields_memory(const struct fields *fs)
{
    return alloc_size_class(sizeof(*fs)) + fs->bytes + fs->table_bytes +
           fs->recent_cap * sizeof(*fs->recent);
}

uint64_t fields_scan(struct fields *fs, uint64_t cursor, size_t count,
                     void (*each)(void *ctx, void *field), void *ctx)
{
    uint64_t salt = cursor >> TABLE_POSITION_BITS;
    if (salt >> SALT_BITS != 0)
        return 0; /* never given out */
    uint32_t from = salt == fs->salt ? (uint32_t)(cursor % TABLE_POSITIONS) : 0;
    uint32_t next = walk_parts(fs, from, count, each, ctx);
    return next == TABLE_POSITIONS ? 0 : (uint64_t)fs->salt << TABLE_POSITION_BITS | next;
}
