/* Values under names, and what write-back has to know of each: what hashes are made of, and sets,
 * whose names have no values. Small: one packed block. Large: a table of fields.
 *
 * Every name has one record. A removed one that the backend may have stays, dead and without its
 * value, until the capture has told of it: so removing never needs memory.
 *
 *              put                         put
 *   (absent) ───────> changed, fresh    ┌───────> changed ───┐
 *      ^  ^               │             │            │       │ capture
 *      │  └───remove──────┘ ─capture─> clean <───────┼───────┘
 *      │                                │ remove     │ remove
 *      └───────────capture────────── changed, dead <─┘            (put: dead ──> changed)
 *
 * The object moves when it changes; who changes it passes the place of its pointer.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_NAMED_H
#define STORE_NAMED_H

#include "store/packed.h"
#include "store/value.h"

struct named {
    uint8_t form; /* enum object_form; the rest depends on it */
};

/* What Redis would call it. A table may well be called compact: blocks have limits of their own. */
enum named_encoding { NAMED_HASHTABLE, NAMED_LISTPACK, NAMED_INTSET };

struct named *named_try_new(bool valued);
/* An empty table. NULL: out of memory. */
struct named *named_try_new_table(bool valued, enum named_encoding encoding);
void named_free(struct named *n);
size_t named_count(const struct named *n);
size_t named_memory(const struct named *n);
enum named_encoding named_encoding(const struct named *n);
/* Of a table. */
void named_set_encoding(struct named *n, enum named_encoding encoding);
/* Whether the slices of names stay valid while other names are removed. */
bool named_stays(const struct named *n);
/* The slice is valid until the object changes. value may be NULL. */
bool named_find(const struct named *n, struct slice name, struct slice *value);

/* Beyond these Redis goes from listpack (or intset) to hashtable. */
struct named_limits {
    size_t entries_max, len_max;
};

struct named_put {
    struct slice name, value; /* neither lies in the object */
    struct named_limits limits;
    bool loading; /* the backend has it: no change, and does not undo one */
};
enum named_result { NAMED_ADDED, NAMED_UPDATED, NAMED_OOM /* unchanged */ };
/* Without values, a name that is there stays as it is: updated says only that. */
MUST_CHECK enum named_result named_put(struct named **place, const struct named_put *put);
/* A name without a value that is not there, in whatever state. False: out of memory, unchanged. */
MUST_CHECK bool named_restore(struct named **place, struct slice name, unsigned flags);
/* From block to table; false: out of memory, unchanged. */
MUST_CHECK bool named_become_table(struct named **place, enum named_encoding encoding);
/* True when it was there. `name` may lie in the object. Needs no memory. */
bool named_remove(struct named **place, struct slice name);

/* All, in insertion order while a block; stop by returning false. */
void named_each(const struct named *n,
                bool (*each)(void *ctx, struct slice name, struct slice value), void *ctx);
/* Emits about `count` from `cursor` (0: start), returns the next cursor (0: end). */
uint64_t named_scan(const struct named *n, uint64_t cursor, size_t count,
                    void (*each)(void *ctx, struct slice name, struct slice value), void *ctx);
/* Uniformly random; there is at least one. */
void named_random(const struct named *n, uint64_t random, struct slice *name, struct slice *value);

/* As in struct value_ops. */
void named_prefetch(const struct named *n, struct slice name, bool near);
size_t named_changes(const struct named *n, bool everything);
bool named_capture(struct named **n, bool everything, struct capture_place *place,
                   const struct change_sink *sink);
struct named *named_copy(const struct named *n);

#endif
