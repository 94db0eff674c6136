/* See piece.h. Memory comes in chunks, so that a capture is a copy and not an allocation.
 *
 * Sorting compares eight bytes of each key first, taken after the prefix that all keys share: keys
 * of one application mostly begin alike.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/piece.h"

#include "store/alloc.h"

#include <stdlib.h>

enum { ITEMS_PER_CHUNK = 512, BYTES_PER_CHUNK = 64 * 1024, BLOBS_PER_CHUNK = 64 };
enum { PART_STEPS = 1024 }; /* what is passed over under one hold of the lock takes time, too */
#define SKIPPED (UINT32_C(1) << 31) /* in sort_key.group: after all others */

struct piece_chunk {
    struct piece_chunk *next;
    size_t used, size;
    char data[];
};

static _Atomic size_t memory; /* of all pieces */

size_t pieces_memory(void)
{
    return atomic_load_explicit(&memory, memory_order_relaxed);
}

static void piece_count(size_t bytes)
{
    atomic_fetch_add_explicit(&memory, bytes, memory_order_relaxed);
}

static void discount(size_t bytes)
{
    atomic_fetch_sub_explicit(&memory, bytes, memory_order_relaxed);
}

/* NULL: out of memory. */
static void *chunk_take(struct piece_chunk **list, size_t want, size_t chunk_size)
{
    struct piece_chunk *c = *list;
    if (c == NULL || c->size - c->used < want) {
        size_t size = want > chunk_size ? want : chunk_size;
        c = alloc_try(sizeof(*c) + size);
        if (c == NULL)
            return NULL;
        piece_count(sizeof(*c) + size);
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

/* Frees the newest, down to `last`. */
static void chunks_free_to(struct piece_chunk **list, const struct piece_chunk *last)
{
    while (*list != last) {
        struct piece_chunk *next = (*list)->next;
        discount(sizeof(**list) + (*list)->size);
        free(*list);
        *list = next;
    }
}

static void chunks_free(struct piece_chunk **list)
{
    chunks_free_to(list, NULL);
}

/* False: out of memory. */
static bool piece_keep_bytes(struct piece *p, struct slice s, struct slice *out)
{
    *out = SLICE("");
    if (s.len == 0)
        return true;
    char *at = chunk_take(&p->bytes, s.len, BYTES_PER_CHUNK);
    if (at == NULL)
        return false;
    memcpy(at, s.ptr, s.len);
    p->payload += s.len;
    *out = slice_of(at, s.len);
    return true;
}

struct piece *piece_try_new(void)
{
    struct piece *p = alloc_try(sizeof(*p));
    if (p == NULL)
        return NULL;
    *p = (struct piece){0};
    /* What is small is captured without another allocation: see PIECE_READY_BYTES. */
    void *items = chunk_take(&p->taken, 0, ITEMS_PER_CHUNK * sizeof(struct backend_item));
    if (items == NULL || chunk_take(&p->bytes, 0, BYTES_PER_CHUNK) == NULL)
        piece_free(&p);
    return p;
}

static size_t chunks_memory(const struct piece_chunk *c)
{
    size_t bytes = 0;
    for (; c != NULL; c = c->next)
        bytes += sizeof(*c) + c->size;
    return bytes;
}

/* Of a sealed one, beside its chunks. */
static size_t items_memory(const struct piece *p)
{
    return p->len * sizeof(*p->items) + (p->block != NULL ? p->spooled_len : 0);
}

size_t piece_memory(const struct piece *p)
{
    size_t items = p->items != NULL ? items_memory(p) : 0;
    return items + chunks_memory(p->taken) + chunks_memory(p->bytes);
}

static void piece_drop_blobs(struct piece *p)
{
    for (const struct piece_chunk *c = p->blobs; c != NULL; c = c->next) {
        struct blob **blobs = (void *)(uintptr_t)c->data;
        for (size_t i = 0; i < c->used / sizeof(*blobs); i++)
            blob_unref(&blobs[i]);
    }
    chunks_free(&p->blobs);
}

void piece_drop_items(struct piece *p)
{
    chunks_free(&p->bytes);
    piece_drop_blobs(p);
    if (p->items != NULL)
        discount(items_memory(p));
    free(p->block);
    free(p->items);
    p->block = NULL;
    p->items = NULL;
}

void piece_free(struct piece **pp)
{
    struct piece *p = *pp;
    *pp = NULL;
    if (p == NULL)
        return;
    chunks_free(&p->taken);
    piece_drop_items(p);
    free(p->outcomes);
    free(p);
}

struct element_sink {
    struct piece *piece;
    struct backend_element *elements;
    uint32_t len, cap;
    uint64_t bytes, bytes_max; /* of names and values; of a part */
    uint32_t asked;            /* how often the type has asked whether that is enough */
    bool failed;               /* out of memory */
};

/* What it leaves behind when it grows is freed with the piece. */
static bool piece_grow(struct element_sink *sink)
{
    uint32_t cap = sink->cap * 2;
    struct backend_element *more =
        chunk_take(&sink->piece->bytes, cap * sizeof(*more), BYTES_PER_CHUNK);
    if (more == NULL)
        return false;
    memcpy(more, sink->elements, sink->len * sizeof(*more));
    sink->elements = more;
    sink->cap = cap;
    return true;
}

static bool piece_take_element(void *ctx, struct slice name, struct slice value, int64_t position,
                               double score, bool removed)
{
    struct element_sink *sink = ctx;
    sink->failed = sink->failed || (sink->len == sink->cap && !piece_grow(sink));
    if (sink->failed)
        return false;
    struct backend_element *element = &sink->elements[sink->len];
    *element = (struct backend_element){.position = position, .score = score, .removed = removed};
    sink->failed = !piece_keep_bytes(sink->piece, name, &element->name) ||
                   !piece_keep_bytes(sink->piece, value, &element->value);
    if (sink->failed)
        return false;
    sink->len++;
    sink->bytes += name.len + value.len;
    return true;
}

static bool part_is_full(void *ctx)
{
    struct element_sink *sink = ctx;
    return sink->len >= PIECE_PART_ELEMENTS || sink->bytes >= sink->bytes_max ||
           ++sink->asked >= PART_STEPS;
}

static bool sink_start(struct element_sink *sink, struct piece *p, size_t elements)
{
    *sink = (struct element_sink){.piece = p, .cap = (uint32_t)elements};
    if (elements > 0)
        sink->elements = chunk_take(&p->bytes, elements * sizeof(*sink->elements), BYTES_PER_CHUNK);
    return elements == 0 || sink->elements != NULL;
}

/* False: out of memory. Which parts had changed may be forgotten then, so the next capture is one
 * of everything. */
static bool capture_object(struct piece *p, struct entry *e, struct backend_item *item)
{
    const struct value_ops *ops = value_ops(item->type);
    struct capture_place place = {0};
    struct element_sink elements;
    item->replace = entry_must_replace(e);
    size_t changes = ops->changes(entry_object(e), item->replace);
    must(changes <= UINT32_MAX);
    if (!sink_start(&elements, p, changes))
        return false;
    struct change_sink sink = {.ctx = &elements, .element = piece_take_element};
    bool done = ops->capture(entry_object_place(e), item->replace, &place, &sink);
    item->elements = elements.elements;
    item->elements_len = elements.len;
    if (done)
        e->flags &= (uint8_t)~ENTRY_REPLACE;
    else
        e->flags |= ENTRY_REPLACE;
    return done;
}

static bool capture_head(struct piece *p, const struct entry *e, struct backend_item *item)
{
    *item = (struct backend_item){
        .db = e->db,
        .type = (enum value_type)e->type,
        .expires_at_ms = entry_expires_at(e),
        .apart = e->apart,
    };
    return piece_keep_bytes(p, entry_key(e), &item->key);
}

/* A large string is not copied: whoever changes it meanwhile leaves this one alone. */
static bool capture_string(struct piece *p, const struct entry *e, struct backend_item *item)
{
    struct value value;
    entry_value(e, &value);
    if (value.blob == NULL)
        return piece_keep_bytes(p, value.str, &item->value);
    struct blob **kept =
        chunk_take(&p->blobs, sizeof(struct blob *), BLOBS_PER_CHUNK * sizeof(*kept));
    if (kept == NULL)
        return false;
    *kept = blob_ref(value.blob);
    p->payload += value.str.len;
    item->value = value.str;
    return true;
}

static bool capture_into(struct piece *p, struct entry *e, struct backend_item *item)
{
    if (!capture_head(p, e, item))
        return false;
    if (item->type == VALUE_NONE)
        return true;
    return item->type == VALUE_STRING ? capture_string(p, e, item) : capture_object(p, e, item);
}

/* What a capture that fails has taken goes. */
struct savepoint {
    struct piece_chunk *bytes;
    size_t bytes_used;
    uint64_t payload;
};

static struct backend_item *begin_item(struct piece *p, struct savepoint *s)
{
    must(p->items == NULL);
    *s = (struct savepoint){p->bytes, p->bytes != NULL ? p->bytes->used : 0, p->payload};
    return chunk_take(&p->taken, sizeof(struct backend_item),
                      ITEMS_PER_CHUNK * sizeof(struct backend_item));
}

static void undo_item(struct piece *p, const struct backend_item *item, const struct savepoint *s)
{
    if (item != NULL)
        p->taken->used -= sizeof(*item);
    chunks_free_to(&p->bytes, s->bytes);
    if (s->bytes != NULL)
        s->bytes->used = s->bytes_used;
    p->payload = s->payload;
}

bool piece_capture(struct piece *p, struct entry *e)
{
    struct savepoint before;
    struct backend_item *item = begin_item(p, &before);
    if (item != NULL && capture_into(p, e, item)) {
        p->len++;
        return true;
    }
    undo_item(p, item, &before);
    return false;
}

bool piece_takes_parts(const struct entry *e, uint64_t bytes)
{
    const struct value_ops *ops = value_ops((enum value_type)e->type);
    size_t changes = ops->changes(entry_object(e), entry_must_replace(e));
    return changes > PIECE_PART_ELEMENTS || (changes > 1 && entry_unflushed(e) > bytes);
}

static bool capture_part(struct piece *p, struct entry *e, struct piece_part *part,
                         struct backend_item *item)
{
    struct element_sink elements;
    struct capture_place place = part->place;
    if (!part->begun)
        part->everything = entry_must_replace(e);
    size_t changes =
        value_ops((enum value_type)e->type)->changes(entry_object(e), part->everything);
    changes = min_u64(changes, PIECE_PART_ELEMENTS + PIECE_PART_ELEMENTS / 8) + 1;
    if (!capture_head(p, e, item) || !sink_start(&elements, p, changes))
        return false;
    elements.bytes_max = part->bytes;
    struct change_sink sink = {&elements, piece_take_element, part_is_full};
    bool done =
        value_ops(item->type)->capture(entry_object_place(e), part->everything, &place, &sink);
    /* Of everything, what was taken comes again; of changes, it does not. */
    if (elements.failed && (part->everything || elements.len == 0))
        return false;
    item->replace = part->everything && !part->begun;
    item->goes_on = !done;
    item->elements = elements.elements;
    item->elements_len = elements.len;
    if (done)
        e->flags &= (uint8_t)~ENTRY_REPLACE;
    part->begun = true;
    part->place = place;
    part->done = done;
    return true;
}

bool piece_capture_part(struct piece *p, struct entry *e, struct piece_part *part)
{
    struct savepoint before;
    struct backend_item *item = begin_item(p, &before);
    if (item != NULL && capture_part(p, e, part, item)) {
        p->len++;
        return true;
    }
    undo_item(p, item, &before);
    return false;
}

/* The newest chunk of a list is the one that is filled: ours stays in front. */
static void append_chunks(struct piece_chunk **list, struct piece_chunk **other)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = *other;
    *other = NULL;
}

void piece_absorb(struct piece *p, struct piece **other)
{
    struct piece *o = *other;
    must(p->items == NULL && o->items == NULL);
    append_chunks(&p->taken, &o->taken);
    append_chunks(&p->bytes, &o->bytes);
    append_chunks(&p->blobs, &o->blobs);
    p->len += o->len;
    p->payload += o->payload;
    p->weight += o->weight;
    piece_free(other);
}

struct sort_key {
    uint64_t bytes; /* eight bytes of the key after the common prefix, big-endian */
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

static void piece_collect(const struct piece *p, struct sort_key *keys)
{
    uint32_t n = 0;
    for (const struct piece_chunk *c = p->taken; c != NULL; c = c->next) {
        const struct backend_item *items = (const void *)c->data;
        for (size_t i = 0; i < c->used / sizeof(*items); i++)
            keys[n++].item = &items[i];
    }
    must(n == p->len);
}

static void set_keys(struct sort_key *keys, uint32_t n, const struct backend_dbmap *map)
{
    size_t prefix = SIZE_MAX;
    uint32_t db = 0;
    bool skipped = false; /* of the last one: neighbours are mostly of one database */
    for (uint32_t i = 0; i < n; i++)
        prefix = common_prefix(keys[0].item->key, keys[i].item->key, prefix);
    for (uint32_t i = 0; i < n; i++) {
        const struct backend_item *item = keys[i].item;
        if (item->db != db && map != NULL)
            skipped = !backend_dbmap_names(map, item->db);
        db = item->db;
        keys[i].bytes = bytes_behind(item->key, prefix);
        keys[i].group =
            (skipped ? SKIPPED : 0) | item->db << 1 | (backend_is_text(item->key) ? 0 : 1);
    }
}

bool piece_try_seal(struct piece *p, const struct backend_dbmap *map)
{
    struct sort_key *keys = alloc_try((p->len + (size_t)1) * sizeof(*keys));
    p->items = alloc_try((p->len + (size_t)1) * sizeof(*p->items));
    p->outcomes = alloc_try_zeroed(p->len + (size_t)1);
    if (keys == NULL || p->items == NULL || p->outcomes == NULL) {
        free(keys);
        free(p->items);
        free(p->outcomes);
        p->items = NULL;
        p->outcomes = NULL;
        return false;
    }
    piece_count(items_memory(p));
    piece_collect(p, keys);
    set_keys(keys, p->len, map);
    qsort(keys, p->len, sizeof(*keys), sort_order);
    for (uint32_t i = 0; i < p->len; i++) {
        p->items[i] = *keys[i].item;
        if ((keys[i].group & SKIPPED) != 0)
            p->outcomes[i] = BATCH_SKIPPED;
        else
            p->live++;
    }
    free(keys);
    chunks_free(&p->taken);
    return true;
}

/* --- As bytes --- */

/* What is written of an item, before its bytes: key, value, elements, and then theirs. */
struct written_item {
    int64_t expires_at_ms;
    uint64_t key_len, value_len;
    uint32_t db, elements_len;
    uint8_t type, replace, goes_on, apart;
};

static size_t written_bytes(const struct piece *p)
{
    size_t bytes = p->len * sizeof(struct written_item) + p->payload;
    for (uint32_t i = 0; i < p->len; i++)
        bytes += p->items[i].elements_len * sizeof(*p->items[i].elements);
    return bytes;
}

bool piece_write(const struct piece *p, struct buf *out)
{
    if (!buf_try_reserve(out, written_bytes(p)))
        return false;
    for (uint32_t i = 0; i < p->len; i++) {
        const struct backend_item *item = &p->items[i];
        struct written_item head = {.expires_at_ms = item->expires_at_ms,
                                    .key_len = item->key.len,
                                    .value_len = item->value.len,
                                    .db = item->db,
                                    .elements_len = item->elements_len,
                                    .type = (uint8_t)item->type,
                                    .replace = item->replace,
                                    .goes_on = item->goes_on,
                                    .apart = item->apart};
        buf_append(out, &head, sizeof(head));
        buf_append(out, item->elements, item->elements_len * sizeof(*item->elements));
        buf_append_slice(out, item->key);
        buf_append_slice(out, item->value);
        for (uint32_t k = 0; k < item->elements_len; k++) {
            buf_append_slice(out, item->elements[k].name);
            buf_append_slice(out, item->elements[k].value);
        }
    }
    return true;
}

struct piece_reading {
    const char *at;
    size_t left;
    bool no_memory;
};

static const char *take(struct piece_reading *r, size_t len)
{
    const char *at = r->at;
    if (len > r->left)
        return NULL;
    r->at += len;
    r->left -= len;
    return at;
}

static bool take_slice(struct piece_reading *r, uint64_t len, struct slice *out)
{
    const char *at = take(r, len);
    *out = at == NULL ? SLICE("") : slice_of(at, len);
    return at != NULL;
}

static bool piece_read_elements(struct piece *p, struct piece_reading *r, struct backend_item *item)
{
    size_t bytes = item->elements_len * sizeof(*item->elements);
    const char *at = take(r, bytes);
    if (at == NULL || bytes == 0)
        return bytes == 0;
    struct backend_element *elements = chunk_take(&p->bytes, bytes, BYTES_PER_CHUNK);
    r->no_memory = elements == NULL;
    if (elements == NULL)
        return false;
    memcpy(elements, at, bytes);
    item->elements = elements;
    return true;
}

static bool read_item(struct piece *p, struct piece_reading *r, struct backend_item *item)
{
    struct written_item head;
    const char *at = take(r, sizeof(head));
    if (at == NULL)
        return false;
    memcpy(&head, at, sizeof(head));
    *item = (struct backend_item){.db = head.db,
                                  .type = (enum value_type)head.type,
                                  .expires_at_ms = head.expires_at_ms,
                                  .replace = head.replace != 0,
                                  .goes_on = head.goes_on != 0,
                                  .apart = head.apart != 0,
                                  .elements_len = head.elements_len};
    bool whole = piece_read_elements(p, r, item) && take_slice(r, head.key_len, &item->key) &&
                 take_slice(r, head.value_len, &item->value);
    for (uint32_t k = 0; whole && k < item->elements_len; k++) {
        struct backend_element *e = (struct backend_element *)(uintptr_t)&item->elements[k];
        whole = take_slice(r, e->name.len, &e->name) && take_slice(r, e->value.len, &e->value);
    }
    return whole;
}

enum rc piece_read(struct piece *p, char *bytes, size_t len)
{
    struct piece_reading r = {bytes, len, false};
    bool whole = true;
    must(p->items == NULL && p->block == NULL);
    p->items = alloc_try((p->len + (size_t)1) * sizeof(*p->items));
    if (p->items == NULL) {
        free(bytes);
        return RC_NOMEM;
    }
    p->block = bytes;
    piece_count(items_memory(p));
    for (uint32_t i = 0; i < p->len && whole; i++)
        whole = read_item(p, &r, &p->items[i]);
    if (!whole || r.left != 0) {
        piece_drop_items(p);
        return r.no_memory ? RC_NOMEM : RC_CORRUPT;
    }
    return RC_OK;
}
