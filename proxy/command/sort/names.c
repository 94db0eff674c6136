/* See names.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/sort/names.h"

#include "store/alloc.h"

#include <stdlib.h>

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1024 * 1024 };

struct sort_chunk {
    struct sort_chunk *next;
    size_t bytes;
    char data[];
};

bool sort_arena_copy(struct sort_arena *a, struct slice bytes, struct slice *copy)
{
    size_t needed = bytes.len + 1;
    if (needed > a->left) {
        size_t room = a->chunks == NULL ? CHUNK_MIN : min_u64(a->chunks->bytes * 2, CHUNK_MAX);
        room = max_u64(room, needed);
        struct sort_chunk *chunk = alloc_try(sizeof(*chunk) + room);
        if (chunk == NULL)
            return false;
        chunk->next = a->chunks;
        chunk->bytes = room;
        a->chunks = chunk;
        a->at = chunk->data;
        a->left = room;
    }
    if (bytes.len > 0)
        memcpy(a->at, bytes.ptr, bytes.len);
    a->at[bytes.len] = '\0';
    *copy = slice_of(a->at, bytes.len);
    a->at += needed;
    a->left -= needed;
    return true;
}

void sort_arena_free(struct sort_arena *a)
{
    while (a->chunks != NULL) {
        struct sort_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    *a = (struct sort_arena){0};
}

/* --- Names --- */

/* The place in the table of a name, or of where it would be. */
static uint32_t *names_place_of(const struct sort_names *n, struct slice name, uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash & (n->slots - 1);; i = (i + 1) & (n->slots - 1)) {
        uint32_t at = n->table[i];
        if (at == 0 || (n->list[at - 1].hash == hash && slice_eq(n->list[at - 1].name, name)))
            return &n->table[i];
    }
}

/* The table is at most half full. */
static bool grow_table(struct sort_names *n)
{
    if (n->len < n->slots / 2)
        return true;
    uint32_t slots = n->slots == 0 ? 64 : n->slots * 2;
    uint32_t *table = alloc_try_zeroed(slots * sizeof(*table));
    if (table == NULL)
        return false;
    free(n->table);
    n->table = table;
    n->slots = slots;
    for (uint32_t i = 0; i < n->len; i++)
        *names_place_of(n, n->list[i].name, n->list[i].hash) = i + 1;
    return true;
}

static bool grow_list(struct sort_names *n)
{
    if (n->len < n->cap)
        return true;
    uint32_t cap = n->cap == 0 ? 32 : n->cap * 2;
    struct sort_name *grown = alloc_try_resize(n->list, cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    n->list = grown;
    n->cap = cap;
    return true;
}

struct sort_name *sort_names_find(struct sort_names *n, struct slice name, uint64_t hash,
                                  bool *full)
{
    *full = false;
    if (!grow_table(n))
        return NULL;
    uint32_t *at = names_place_of(n, name, hash);
    if (*at != 0)
        return &n->list[*at - 1];
    struct slice copy;
    *full = n->len == SORT_NAMES_MAX;
    if (*full || !grow_list(n) || !sort_arena_copy(&n->arena, name, &copy))
        return NULL;
    n->list[n->len] = (struct sort_name){copy, hash, SORT_KEY_UNKNOWN, false};
    *at = ++n->len;
    return &n->list[n->len - 1];
}

void sort_names_free(struct sort_names *n)
{
    sort_arena_free(&n->arena);
    free(n->table);
    free(n->list);
    *n = (struct sort_names){0};
}
