/* The fields of a large hash: one allocation each, indexed by a table.
 *
 * A table that grows holds its shard's lock meanwhile. So that this stays short, the range of
 * positions is divided among many tables, once for all, when the fields are very many.
 *
 * Which of them changed is a bit in each; a short list of hash positions finds those bits again
 * without a walk. When the list gets long, or there is no memory for it, the capture walks.
 *
 * Each has a hash of its own. With one hash for all, the fields of one table, in the order of its
 * buckets, would crowd the first buckets of a growing other one, where each then steps over all
 * that came before it: copying a million fields took minutes.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_FIELDS_H
#define STORE_FIELDS_H

#include "store/packed.h"
#include "store/table.h"
#include "store/value.h"

struct field { /* 8 bytes, then name and value */
    uint32_t value_len : 30;
    uint32_t changed : 1;
    uint32_t fresh : 1;
    uint32_t name_len : 30;
    uint32_t dead : 1;
    uint32_t unused : 1;
    char data[];
};

struct fields {
    struct table whole;  /* the only part, until it is divided */
    struct table *parts; /* &whole, or FIELDS_PARTS of them, in the order of positions */
    bool divided;
    uint32_t len;
    uint32_t part_slots; /* of the largest part */
    size_t table_bytes;
    uint64_t seed; /* follows from the salt */
    uint32_t salt;
    size_t bytes;     /* of all field allocations */
    uint32_t *recent; /* positions of changed fields; may name others too */
    uint32_t recent_len, recent_cap;
    bool recent_incomplete; /* walk instead */
};

enum {
    FIELD_LEN_MAX = (1 << 30) - 1,
    FIELDS_WHOLE_MAX = 128 * 1024, /* moving these takes 2 ms */
    FIELDS_PARTS_BITS = 4,
    FIELDS_PARTS = 1 << FIELDS_PARTS_BITS,
};

static inline struct slice field_name(const struct field *f)
{
    return slice_of(f->data, f->name_len);
}

static inline struct slice field_value(const struct field *f)
{
    return slice_of(f->data + f->name_len, f->value_len);
}

struct fields *fields_try_new(void);
void fields_free(struct fields **fs);

/* Dead ones too; NULL: none. */
struct field *fields_find(const struct fields *fs, struct slice name);
/* Adds one that is not there, with these flags; NULL: out of memory, unchanged. */
struct field *fields_add(struct fields *fs, struct slice name, struct slice value, unsigned flags);
/* Changes the value; the field may move. NULL: out of memory, unchanged. */
struct field *fields_set_value(struct fields *fs, struct field *f, struct slice value);
void fields_remove(struct fields *fs, struct field *f);

static inline unsigned field_flags(const struct field *f)
{
    return (f->changed ? FIELD_CHANGED : 0) | (f->fresh ? FIELD_FRESH : 0) |
           (f->dead ? FIELD_DEAD : 0);
}
/* Notes it in the list when it becomes changed. */
void fields_set_flags(struct fields *fs, struct field *f, unsigned flags);

/* A capture: calls `each` for every changed field, or every one, from the place on. It clears the
 * mark or removes the field, and says false when the field was not taken, and none will be. False:
 * that, or the sink is full. */
bool fields_capture(struct fields *fs, bool everything, struct capture_place *place,
                    const struct change_sink *sink, bool (*each)(void *ctx, struct field *f),
                    void *ctx);
/* Calls `each` for every field until it says false; it changes nothing. */
void fields_each(const struct fields *fs, bool (*each)(void *ctx, const struct field *f),
                 void *ctx);
/* A random one that is not dead; there must be one. */
const struct field *fields_random(const struct fields *fs, uint64_t random);
/* HSCAN and its like: about `count` fields from `cursor` (0: start); the next cursor (0: end). It
 * holds salt and position, so one that was given out before the fields were evicted and loaded
 * again, with another salt, is known: the walk then starts over, and misses nothing. */
uint64_t fields_scan(struct fields *fs, uint64_t cursor, size_t count,
                     void (*each)(void *ctx, void *field), void *ctx);
/* Hints: the bucket of a field that will be looked for; then, where that is near, the field. */
void fields_prefetch(const struct fields *fs, struct slice name, bool near);
size_t fields_memory(const struct fields *fs);

#endif
