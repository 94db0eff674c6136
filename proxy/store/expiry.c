/* The expiry index of a shard; see shard.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/shard.h"

#include <stdlib.h>

enum { ARITY = 4, SLACK = 64 /* stale items that are always tolerated */ };

void expiry_fini(struct expiry_heap *heap)
{
    free(heap->items);
    *heap = (struct expiry_heap){0};
}

bool expiry_try_reserve(struct expiry_heap *heap)
{
    if (heap->len < heap->cap)
        return true;
    size_t bytes = alloc_size_class((heap->cap + heap->cap / 2 + 4) * sizeof(*heap->items));
    struct expiry_item *items = alloc_try_resize(heap->items, bytes);
    if (items == NULL)
        return false;
    heap->items = items;
    heap->cap = bytes / sizeof(*items);
    return true;
}

static void sift_down(struct expiry_heap *heap, size_t at)
{
    struct expiry_item moving = heap->items[at];
    for (;;) {
        size_t child = at * ARITY + 1;
        if (child >= heap->len)
            break;
        size_t end = child + ARITY < heap->len ? child + ARITY : heap->len;
        size_t least = child;
        for (size_t i = child + 1; i < end; i++) {
            if (heap->items[i].deadline_ms < heap->items[least].deadline_ms)
                least = i;
        }
        if (moving.deadline_ms <= heap->items[least].deadline_ms)
            break;
        heap->items[at] = heap->items[least];
        at = least;
    }
    heap->items[at] = moving;
}

static void expiry_push(struct expiry_heap *heap, struct expiry_item item)
{
    must(heap->len < heap->cap);
    size_t at = heap->len++;
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (heap->items[parent].deadline_ms <= item.deadline_ms)
            break;
        heap->items[at] = heap->items[parent];
        at = parent;
    }
    heap->items[at] = item;
}

static void expiry_pop(struct expiry_heap *heap)
{
    heap->items[0] = heap->items[--heap->len];
    if (heap->len > 0)
        sift_down(heap, 0);
}

/* The entry that an item speaks of, NULL if there is none with an expiry. */
static struct entry *find_by_hash(struct shard *sh, uint64_t hash) REQUIRES(sh->lock)
{
    struct table_probe probe;
    uint64_t *slot = table_first(sh->table, table_position(hash), &probe);
    for (; slot != NULL; slot = table_next(&probe)) {
        struct entry *e = slot_pointer(*slot);
        if ((e->flags & ENTRY_EXPIRES) != 0 && entry_hash(sh->store, e) == hash)
            return e;
    }
    return NULL;
}

static int by_deadline_and_hash(const void *a, const void *b)
{
    const struct expiry_item *x = a, *y = b;
    if (x->deadline_ms != y->deadline_ms)
        return x->deadline_ms < y->deadline_ms ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Corrects every item, drops the stale and the double ones. What is left is sorted, and so a heap.
 */
static void clean(struct shard *sh) REQUIRES(sh->lock)
{
    struct expiry_heap *heap = sh->expiry;
    size_t kept = 0;
    for (size_t i = 0; i < heap->len; i++) {
        if (i + 8 < heap->len)
            table_prefetch(sh->table, table_position(heap->items[i + 8].hash));
        const struct entry *e = find_by_hash(sh, heap->items[i].hash);
        if (e != NULL)
            heap->items[kept++] = (struct expiry_item){entry_expires_at(e), heap->items[i].hash};
    }
    if (kept > 0)
        qsort(heap->items, kept, sizeof(*heap->items), by_deadline_and_hash);
    heap->len = 0;
    for (size_t i = 0; i < kept; i++) {
        if (i == 0 || by_deadline_and_hash(&heap->items[i], &heap->items[heap->len - 1]) != 0)
            heap->items[heap->len++] = heap->items[i];
    }
    if (heap->len == 0) {
        free(heap->items);
        heap->items = NULL;
        heap->cap = 0;
    } else if (heap->cap > heap->len * 4) {
        size_t bytes = alloc_size_class(heap->len * 2 * sizeof(*heap->items));
        struct expiry_item *items = alloc_try_resize(heap->items, bytes);
        if (items != NULL) {
            heap->items = items;
            heap->cap = bytes / sizeof(*items);
        }
    }
}

void expiry_moved(struct shard *sh, uint64_t hash, int64_t old, int64_t now)
{
    struct expiry_heap *heap = sh->expiry;
    if (old == 0 && now == 0)
        return;
    if (old == 0)
        heap->live++;
    else if (now == 0)
        heap->live--;
    if (now != 0 && (old == 0 || now < old))
        expiry_push(heap, (struct expiry_item){now, hash});
    if (heap->len > heap->live * 2 + SLACK)
        clean(sh);
}

struct entry *shard_due(struct shard *sh, struct wall now, uint64_t *hash)
{
    struct expiry_heap *heap = sh->expiry;
    while (heap->len > 0 && heap->items[0].deadline_ms <= now.ms) {
        struct entry *e = find_by_hash(sh, heap->items[0].hash);
        if (e == NULL) {
            expiry_pop(heap);
            continue;
        }
        int64_t deadline = entry_expires_at(e);
        if (deadline <= now.ms) {
            *hash = heap->items[0].hash;
            return e;
        }
        heap->items[0].deadline_ms = deadline;
        sift_down(heap, 0);
    }
    return NULL;
}

int64_t shard_next_due(const struct shard *sh)
{
    return sh->expiry->len == 0 ? 0 : sh->expiry->items[0].deadline_ms;
}

/* Evenly over the index: a heap is roughly sorted, so its front alone would say too little. */
void shard_sample_ttl(struct shard *sh, uint32_t db, struct wall now, size_t most, double *sum_ms,
                      uint64_t *n)
{
    const struct expiry_heap *heap = sh->expiry;
    size_t step = heap->len <= most ? 1 : heap->len / most;
    for (size_t i = 0; i < heap->len; i += step) {
        const struct entry *e = find_by_hash(sh, heap->items[i].hash);
        if (e == NULL || e->db != db || entry_expires_at(e) <= now.ms)
            continue;
        *sum_ms += (double)(entry_expires_at(e) - now.ms);
        (*n)++;
    }
}
