/* See batch.h. Memory comes in chunks, so that a capture is a copy and not an allocation.
 *
 * Sorting compares eight bytes of each key first, taken behind the prefix that all keys share: keys
 * of one application mostly begin alike.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/batch.h"

#include <stdlib.h>

enum { ITEMS_PER_CHUNK = 512, BYTES_PER_CHUNK = 64 * 1024 };

struct batch_chunk {
    struct batch_chunk *next;
    size_t used, size;
    char data[];
};

/* Memory for a captured value is not a size that a client may fail on: without it the change could
 * not leave. */
static void *chunk_take(struct batch_chunk **list, size_t want, size_t chunk_size)
{
    struct batch_chunk *c = *list;
    if (c == NULL || c->size - c->used < want) {
        size_t size = want > chunk_size ? want : chunk_size;
        c = malloc(sizeof(*c) + size);
        must(c != NULL);
        c->size = size;
        c->used = 0;
        c->next = *list;
        *list = c;
    }
    void *at = c->data + c->used;
    c->used += (want + 7) & ~(size_t)7;
    if (c->used > c->size)
        c->used = c->size;
    return at;
}

static void chunks_free(struct batch_chunk **list)
{
    while (*list != NULL) {
        struct batch_chunk *next = (*list)->next;
        free(*list);
        *list = next;
    }
}

static struct slice keep_bytes(struct batch_part *part, struct slice s)
{
    if (s.len == 0)
        return SLICE("");
    char *at = chunk_take(&part->bytes, s.len, BYTES_PER_CHUNK);
    memcpy(at, s.ptr, s.len);
    part->payload += s.len;
    return slice_of(at, s.len);
}

struct batch *batch_new(uint32_t parts_len)
{
    struct batch *b = calloc(1, sizeof(*b));
    must(b != NULL);
    b->parts_len = parts_len;
    b->parts = aligned_alloc(CACHE_LINE, parts_len * sizeof(*b->parts));
    must(b->parts != NULL);
    memset(b->parts, 0, parts_len * sizeof(*b->parts));
    return b;
}

void batch_free(struct batch **b)
{
    if (*b == NULL)
        return;
    for (uint32_t i = 0; i < (*b)->parts_len; i++) {
        chunks_free(&(*b)->parts[i].items);
        chunks_free(&(*b)->parts[i].bytes);
    }
    free((*b)->parts);
    free((*b)->items);
    free((*b)->outcomes);
    free(*b);
    *b = NULL;
}

struct element_sink {
    struct batch_part *part;
    struct backend_element *elements;
    uint32_t len, cap;
};

static void take_element(void *ctx, struct slice name, struct slice value, int64_t position,
                         double score, bool removed)
{
    struct element_sink *sink = ctx;
    must(sink->len < sink->cap);
    sink->elements[sink->len++] = (struct backend_element){
        .name = keep_bytes(sink->part, name),
        .value = keep_bytes(sink->part, value),
        .position = position,
        .score = score,
        .removed = removed,
    };
}

static void capture_object(struct batch_part *part, struct entry *e, struct backend_item *item)
{
    const struct value_ops *ops = value_ops(item->type);
    void *object = entry_object(e);
    item->replace =
        (e->flags & ENTRY_REPLACE) != 0 || (ops->must_replace != NULL && ops->must_replace(object));
    size_t changes = ops->changes(object, item->replace);
    must(changes <= UINT32_MAX);
    struct element_sink elements = {.part = part, .cap = (uint32_t)changes};
    if (changes > 0)
        elements.elements =
            chunk_take(&part->bytes, changes * sizeof(*elements.elements), BYTES_PER_CHUNK);
    struct change_sink sink = {.ctx = &elements, .element = take_element};
    ops->capture(entry_object_place(e), item->replace, &sink);
    item->elements = elements.elements;
    item->elements_len = elements.len;
    e->flags &= (uint8_t)~ENTRY_REPLACE;
}

void batch_capture(struct batch *b, uint32_t part_index, struct entry *e)
{
    must(part_index < b->parts_len && b->items == NULL);
    struct batch_part *part = &b->parts[part_index];
    struct backend_item *item =
        chunk_take(&part->items, sizeof(*item), ITEMS_PER_CHUNK * sizeof(*item));
    *item = (struct backend_item){
        .db = e->db,
        .type = (enum value_type)e->type,
        .key = keep_bytes(part, entry_key(e)),
        .expires_at_ms = entry_expires_at(e),
        .apart = e->apart,
    };
    if (item->type == VALUE_STRING) {
        struct value value;
        entry_value(e, &value);
        item->value = keep_bytes(part, value.str);
    } else if (item->type != VALUE_NONE) {
        capture_object(part, e, item);
    }
    part->items_len++;
}

struct sort_key {
    uint64_t bytes; /* eight bytes of the key behind the common prefix, big-endian */
    uint32_t group; /* store database and text before binary */
    const struct backend_item *item;
};

static int sort_order(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return slice_cmp(x->item->key, y->item->key);
}

static uint64_t bytes_behind(struct slice key, size_t prefix)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < 8; i++)
        bytes = bytes << 8 | (prefix + i < key.len ? (unsigned char)key.ptr[prefix + i] : 0);
    return bytes;
}

static size_t common_prefix(struct slice a, struct slice b, size_t at_most)
{
    size_t n = 0;
    while (n < at_most && n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
        n++;
    return n;
}

static uint32_t collect(const struct batch *b, struct sort_key *keys)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < b->parts_len; p++) {
        for (const struct batch_chunk *c = b->parts[p].items; c != NULL; c = c->next) {
            const struct backend_item *items = (const void *)c->data;
            for (size_t i = 0; i < c->used / sizeof(*items); i++)
                keys[n++].item = &items[i];
        }
    }
    return n;
}

/* Items lie by database, so each database is looked up once. */
static void mark_skipped(struct batch *b)
{
    bool live = false;
    for (uint32_t i = 0; i < b->items_len; i++) {
        if (i == 0 || b->items[i].db != b->items[i - 1].db)
            live = backend_dbmap_names(&b->map, b->items[i].db);
        if (!live)
            b->outcomes[i] = BATCH_SKIPPED;
    }
}

void batch_seal(struct batch *b)
{
    uint32_t total = 0;
    for (uint32_t p = 0; p < b->parts_len; p++) {
        total += b->parts[p].items_len;
        b->payload += b->parts[p].payload;
    }
    struct sort_key *keys = malloc((total + 1) * sizeof(*keys));
    b->items = malloc((total + 1) * sizeof(*b->items));
    b->outcomes = calloc(total + 1, 1);
    must(keys != NULL && b->items != NULL && b->outcomes != NULL);
    must(collect(b, keys) == total);
    size_t prefix = SIZE_MAX;
    for (uint32_t i = 0; i < total; i++)
        prefix = common_prefix(keys[0].item->key, keys[i].item->key, prefix);
    for (uint32_t i = 0; i < total; i++) {
        const struct backend_item *item = keys[i].item;
        keys[i].bytes = bytes_behind(item->key, prefix);
        keys[i].group = item->db << 1 | (backend_is_text(item->key) ? 0 : 1);
    }
    qsort(keys, total, sizeof(*keys), sort_order);
    for (uint32_t i = 0; i < total; i++)
        b->items[i] = *keys[i].item;
    b->items_len = total;
    free(keys);
    mark_skipped(b);
    for (uint32_t p = 0; p < b->parts_len; p++)
        chunks_free(&b->parts[p].items);
}
