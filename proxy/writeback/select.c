/* See select.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/select.h"

#include "store/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { HASHES_PER_BLOCK = 511 };

/* The beginning of a key. What is longer is cut off, which may put a key one piece too early. */
struct boundary {
    uint32_t db;
    uint8_t len;
    char key[SELECT_KEY_BYTES];
};

struct hash_block {
    struct hash_block *next;
    uint64_t hashes[HASHES_PER_BLOCK];
};

static _Atomic size_t blocks; /* of all selections */

/* Blocks are filled one after the other; only the newest is not full. */
struct bucket_list {
    struct hash_block *newest;
    uint32_t newest_len;
};

struct selection {
    uint32_t buckets_len, samples_len;
    struct boundary *samples;    /* sorted by selection_divide() */
    struct boundary *boundaries; /* buckets_len - 1: the first key of each bucket but the first */
    struct bucket_list *buckets;
    uint32_t current; /* is taken from */
};

struct selection *selection_try_new(uint32_t buckets)
{
    must(buckets > 0 && buckets <= SELECT_BUCKETS_MAX);
    struct selection *s = alloc_try_zeroed(sizeof(*s));
    if (s == NULL)
        return NULL;
    s->samples = alloc_try_zeroed((size_t)buckets * SELECT_SAMPLES * sizeof(*s->samples));
    s->boundaries = alloc_try_zeroed(buckets * sizeof(*s->boundaries));
    s->buckets = alloc_try_zeroed(buckets * sizeof(*s->buckets));
    s->buckets_len = s->buckets != NULL ? buckets : 0;
    if (s->samples == NULL || s->boundaries == NULL || s->buckets == NULL)
        selection_free(&s);
    return s;
}

static void drop_newest(struct bucket_list *list)
{
    struct hash_block *block = list->newest;
    atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    list->newest = block->next;
    list->newest_len = HASHES_PER_BLOCK;
    free(block);
}

void selection_free(struct selection **sp)
{
    struct selection *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->buckets_len; i++) {
        while (s->buckets[i].newest != NULL)
            drop_newest(&s->buckets[i]);
    }
    free(s->samples);
    free(s->boundaries);
    free(s->buckets);
    free(s);
}

static struct boundary boundary_of(uint32_t db, struct slice key)
{
    struct boundary b = {.db = db, .len = (uint8_t)min_u64(key.len, SELECT_KEY_BYTES)};
    if (b.len > 0)
        memcpy(b.key, key.ptr, b.len);
    return b;
}

void selection_sample(struct selection *s, uint32_t db, struct slice key)
{
    if (s->samples_len < s->buckets_len * SELECT_SAMPLES)
        s->samples[s->samples_len++] = boundary_of(db, key);
}

static int select_compare(const struct boundary *b, uint32_t db, struct slice key)
{
    if (b->db != db)
        return b->db < db ? -1 : 1;
    return slice_cmp(slice_of(b->key, b->len), key);
}

static int boundary_order(const void *a, const void *b)
{
    const struct boundary *y = b;
    return select_compare(a, y->db, slice_of(y->key, y->len));
}

void selection_divide(struct selection *s)
{
    qsort(s->samples, s->samples_len, sizeof(*s->samples), boundary_order);
    for (uint32_t i = 1; i < s->buckets_len && s->samples_len > 0; i++)
        s->boundaries[i - 1] = s->samples[(uint64_t)i * s->samples_len / s->buckets_len];
    free(s->samples);
    s->samples = NULL;
}

/* The last bucket of which the first key is not behind this one. */
static uint32_t select_bucket_of(const struct selection *s, uint32_t db, struct slice key)
{
    uint32_t low = 0, high = s->buckets_len - 1;
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        if (select_compare(&s->boundaries[middle - 1], db, key) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

bool selection_add(struct selection *s, uint32_t db, struct slice key, uint64_t hash)
{
    struct bucket_list *list = &s->buckets[select_bucket_of(s, db, key)];
    if (list->newest == NULL || list->newest_len == HASHES_PER_BLOCK) {
        struct hash_block *block = alloc_try(sizeof(*block));
        if (block == NULL)
            return false;
        atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
        block->next = list->newest;
        list->newest = block;
        list->newest_len = 0;
    }
    list->newest->hashes[list->newest_len++] = hash;
    return true;
}

uint32_t selection_take(struct selection *s, uint64_t *hashes, uint32_t most)
{
    while (s->current < s->buckets_len && s->buckets[s->current].newest == NULL)
        s->current++;
    if (s->current == s->buckets_len)
        return 0;
    struct bucket_list *list = &s->buckets[s->current];
    uint32_t n = (uint32_t)min_u64(list->newest_len, most);
    list->newest_len -= n;
    memcpy(hashes, list->newest->hashes + list->newest_len, n * sizeof(*hashes));
    if (list->newest_len == 0)
        drop_newest(list);
    return n;
}

size_t selections_memory(void)
{
    return atomic_load_explicit(&blocks, memory_order_relaxed) * sizeof(struct hash_block);
}
