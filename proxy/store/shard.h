/* Inside the store: what its files share about shards and entries.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_SHARD_H
#define STORE_SHARD_H

#include "store/alloc.h"
#include "store/store.h"
#include "store/table.h"

/* The expiry index: a heap of deadlines, cleaned as it goes. Every entry with an expiry has at
 * least one item that is not later than its deadline. An extended deadline adds no item: the old
 * one is corrected when it comes up. Items that speak of nothing are dropped then, or as soon as
 * they outnumber the live entries: memory stays bounded whatever is overwritten. */
struct expiry_item {
    int64_t deadline_ms;
    uint64_t hash;
};

struct expiry_heap {
    struct expiry_item *items; /* four children a node: they share a cache line */
    size_t len, cap;
    size_t live; /* entries with an expiry */
};

void expiry_fini(struct expiry_heap *heap);
/* Room for one more item; false: out of memory, unchanged. */
MUST_CHECK bool expiry_try_reserve(struct expiry_heap *heap);
/* The deadline of an entry was `old` (0: none) and is `now`. After expiry_try_reserve if now is not
 * 0. Call when the table is up to date. */
void expiry_moved(struct shard *sh, uint64_t hash, int64_t old, int64_t now) REQUIRES(sh->lock);

/* Hash of the entry's key. */
static inline uint64_t entry_hash(const struct store *s, const struct entry *e)
{
    return store_hash(s, e->db, entry_key(e));
}

static inline size_t entry_key_offset(const struct entry *e)
{
    return (e->flags & ENTRY_EXPIRES) != 0 ? sizeof(int64_t) : 0;
}

static inline char *entry_payload(struct entry *e)
{
    return e->data + entry_key_offset(e) + e->key_len;
}

/* Bytes of an entry, rounded up to what is allocated at least. */
static inline size_t entry_class(bool expires, size_t key_len, size_t payload_len)
{
    return alloc_size_class(sizeof(struct entry) + (expires ? sizeof(int64_t) : 0) + key_len +
                            payload_len);
}

static inline size_t entry_own_class(const struct entry *e)
{
    return entry_class((e->flags & ENTRY_EXPIRES) != 0, e->key_len, e->value_len);
}

/* Marks a new entry as just used, without making it look popular. */
void entry_touch_new(struct entry *e);

/* What an entry held outside of itself. */
struct content {
    enum value_type type;
    struct blob *blob;
    void *object;
};
struct content entry_content(const struct entry *e);
/* Frees it: at once when that is quick, else by store_free_later_run(). */
void content_release(struct content *c);

/* Keeps the counters of the store right when an entry changes from one kind to another. */
struct kind {
    bool present; /* in the table */
    bool live;    /* type is not NONE */
    bool head;    /* what is known is not that there is nothing */
    bool expires;
};
static inline struct kind kind_of(const struct entry *e)
{
    if (e == NULL)
        return (struct kind){0};
    return (struct kind){true, e->type != VALUE_NONE, e->type == VALUE_NONE && e->value_len != 0,
                         (e->flags & ENTRY_EXPIRES) != 0};
}
void store_account(struct store *s, uint32_t db, struct kind was, struct kind is);

#endif
