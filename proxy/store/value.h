/* What a command sees of a key, and what every aggregate type must offer to be written back by its
 * changes.
 *
 * Strings live inside their entry (or in a blob, when large). Every other type is one heap object
 * behind a `struct value_ops`: a new type is one file with such a table and touches no other layer.
 *
 * An aggregate records its own changes: each mutation notes which element changed since the last
 * capture, so that a hash of a million fields with one changed field costs one row.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/value_type.h"

/* A view, valid while the shard is locked and the entry is not edited. */
struct value {
    enum value_type type;
    bool raw;              /* strings: was modified in place, so it is "raw" whatever its length */
    struct slice str;      /* strings */
    struct blob *blob;     /* strings: where str lies when it is large, else NULL */
    const void *object;    /* aggregates: struct hash *, ... */
    int64_t expires_at_ms; /* 0: never */
};

/* Receives the changes of an aggregate at capture; slices live as long as the shard is locked. */
struct change_sink {
    void *ctx;
    /* One element: see struct backend_element for what each type uses. False: it is not taken, and
     * no other will be. */
    bool (*element)(void *ctx, struct slice name, struct slice value, int64_t position,
                    double score, bool removed);
    /* Asked after every few: whether that is enough for this time. NULL: it never is. */
    bool (*is_full)(void *ctx);
};

static inline bool sink_is_full(const struct change_sink *sink)
{
    return sink->is_full != NULL && sink->is_full(sink->ctx);
}

/* How far a capture has got that comes in parts; {0}: it has not begun. */
struct capture_place {
    uint64_t at; /* the type's own */
    bool begun;
};

/* An object may move when it changes: who changes one passes the place of its pointer. */
struct value_ops {
    enum value_type type;
    void *(*try_new)(void);     /* an empty one; NULL: out of memory */
    void (*free)(void *object); /* may be slow for a large one: called without a lock held */
    size_t (*count)(const void *object);         /* elements */
    size_t (*memory)(const void *object);        /* bytes allocated */
    const char *(*encoding)(const void *object); /* OBJECT ENCODING: "listpack", "hashtable" */
    void *(*copy)(
        const void *object); /* deep, all of it counting as changed; NULL: out of memory */
    /* NULL: never. True: what was removed is not known any more, so the next capture has to be one
     * of everything, and the backend's elements go first. */
    bool (*must_replace)(const void *object);
    /* Number of elements that capture() would emit. */
    size_t (*changes)(const void *object, bool everything);
    /* Emits the changed elements (everything: all of them, none as removed) and forgets that they
     * are changed. False: the sink is full, or did not take an element. What comes at the same
     * place next goes on there, as long as nothing else changes the object. Elements that were not
     * taken are changed still; with `everything`, all of this call may come again. */
    bool (*capture)(void **object, bool everything, struct capture_place *place,
                    const struct change_sink *sink);
    /* Puts one element that the backend has: does not count as a change, and does not undo one.
     * *object NULL: the object is made. False: out of memory. */
    MUST_CHECK bool (*load)(void **object, struct slice name, struct slice value, int64_t position,
                            double score);
    /* A hint that this element will be looked for soon: brings closer what says where it is, then
     * (`near`, a while later) the element. NULL: nothing to gain. */
    void (*prefetch)(const void *object, struct slice name, bool near);
};

/* The table of a type; NULL for NONE, STRING and types this build does not have. */
const struct value_ops *value_ops(enum value_type type);

/* OBJECT ENCODING of any value: "int", "embstr", "raw", or what its ops say. */
const char *value_encoding(const struct value *v);

/* Thresholds of the compact encodings; set at start and by CONFIG SET, read when a value grows. */
struct value_limits {
    _Atomic uint32_t hash_max_listpack_entries; /* 128 */
    _Atomic uint32_t hash_max_listpack_value;   /* 64 */
    _Atomic int32_t list_max_listpack_size;     /* -2: nodes of 8 KB; positive: elements */
    _Atomic uint32_t set_max_intset_entries;    /* 512 */
    _Atomic uint32_t set_max_listpack_entries;  /* 128 */
    _Atomic uint32_t set_max_listpack_value;    /* 64 */
    _Atomic uint32_t zset_max_listpack_entries; /* 128 */
    _Atomic uint32_t zset_max_listpack_value;   /* 64 */
};
extern struct value_limits value_limits;

#endif
