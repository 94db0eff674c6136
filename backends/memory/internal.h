/* What the files of the in-memory test backend share.
 *
 *   memory.c          the backend itself
 *   read.c     what is read from it
 *   control.c  what tests see and steer, see memory.h
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_MEMORY_INTERNAL_H
#define BACKENDS_MEMORY_INTERNAL_H

#include "backends/memory/memory.h"
#include "base/lock.h"

/* One key, never changed once it is made; its bytes lie after it. */
struct memory_key {
    uint32_t refs;
    struct backend_item item;
    char *bytes;
};

/* What somebody else did to a key. Goes when it is polled and settled. */
struct memory_change {
    struct memory_key *base; /* NULL: the key was absent */
    struct memory_key *name; /* type NONE: only says which key */
    bool polled;
    bool settled;
    bool decided; /* in the attempt at a batch that is under way */
};

struct memory_store {
    struct memory_store *next;
    char *name; /* NULL: private */

    /* under lock */
    struct lock lock;
    struct cond changed;
    struct memory_key **keys; /* sorted by backend_item_order() */
    size_t keys_len;
    struct memory_change *changes;
    size_t changes_len;
    uint64_t cut_lsn;
    struct backend_mark mark;
    struct backend_dbmap dbmap;
    uint32_t opens;
    bool polled; /* since the last close */

    /* under lock: failures on demand */
    struct memory_counters counters;
    uint64_t fail_before, fail_after, fail_loads;
    enum rc fail_before_rc, fail_after_rc, fail_loads_rc, fail_opens_rc;
    bool leaves_after_commit, away;
    struct memory_key **rejected;
    size_t rejected_len;
    bool held;
    uint32_t waiting; /* applies that block because of it */
};

struct memory_backend {
    struct backend_base base;
    struct memory_store *store;
};

extern struct lock memory_stores_lock;
extern struct memory_store *memory_stores; /* under memory_stores_lock */

/* The store of a name, made when it is not there yet. */
struct memory_store *memory_store_get(const char *name);
void memory_store_free(struct memory_store *s);
/* Room for one more in an array that has `len`; capacity doubles at powers of two. */
void *memory_grow(void *array, size_t len, size_t item_size);

/* A deep copy of an item, with one reference. All of these: Lock: the store's. */
struct memory_key *memory_key_new(const struct backend_item *item);
struct memory_key *memory_key_ref(struct memory_key *k);
void memory_key_unref(struct memory_key *k);
/* NULL when it is not there. */
struct memory_key *memory_key_find(const struct memory_store *s, const struct backend_item *item);
/* Its time is not over. */
bool memory_key_alive(const struct memory_key *k);
bool memory_same_key(const struct backend_item *a, const struct backend_item *b);
/* Where the key is among the keys, or would be. */
size_t memory_position_of(const struct memory_store *s, const struct backend_item *item);
/* What others did to the key is known from here on. */
void memory_settle(struct memory_store *s, const struct backend_item *item);
enum rc memory_fail_away(struct err *err);

/* What the keys become with a batch, piece by piece. */
struct memory_merged {
    struct memory_key **keys; /* each with a reference */
    size_t len;
    uint64_t items;
    struct backend_applied applied;
};
/* As the keys are. */
void memory_merge_begin(const struct memory_store *s, struct memory_merged *m);
/* `ours`: a piece of the proxy's batch, of which items may be refused or conflict. */
void memory_merge(struct memory_store *s, const struct backend_batch *piece, bool ours,
                  struct memory_merged *m);
void memory_take(struct memory_store *s, struct memory_merged *merged);

/* --- read.c: see backend.h --- */
enum rc memory_load(struct backend *b, const struct backend_item *keys, uint32_t n,
                    backend_emit *emit, void *ctx, struct err *err);
enum rc memory_scan(struct backend *b, uint32_t db, struct slice after, uint32_t limit,
                    backend_emit *emit, void *ctx, struct err *err);
enum rc memory_count(struct backend *b, struct backend_count *what, struct err *err);

#endif
