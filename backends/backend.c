/* What every backend shares: the registry, the order that a batch comes in, and what an item is.
 *
 * The order is the one of SQLite's index (text before blobs, then bytes), so that a sorted batch
 * walks a B-tree from left to right once and each page is read and written once. The other backends
 * do not care and take the same.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/backend.h"

static const struct backend_ops *const all_backends[] = {
#define BACKEND(name, help) &name,
#include "backends/backends.def"
#undef BACKEND
};

const struct backend_ops *backend_find(const char *url)
{
    for (size_t i = 0; i < COUNT_OF(all_backends); i++) {
        size_t len = strlen(all_backends[i]->scheme);
        if (strncmp(url, all_backends[i]->scheme, len) == 0 && url[len] == ':')
            return all_backends[i];
    }
    return NULL;
}

/* Length of the sequence of two to four bytes at p, 0 when it is not UTF-8: RFC 3629, table 3-7 of
 * the Unicode standard (no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t multibyte_len(const unsigned char *p, size_t left)
{
    unsigned char lead = p[0];
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f) ||
        (lead == 0xf0 && p[1] < 0x90) || (lead == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

/* Bytes 1..127 in all eight places: no high bit, and no zero (the classic borrow test, exact when
 * no high bit is set). */
static bool eight_are_ascii(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return ((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) == 0;
}

bool backend_is_text(struct slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;

    while (left > 0) {
        if (left >= 8 && eight_are_ascii(p)) {
            p += 8;
            left -= 8;
            continue;
        }
        size_t len = *p == 0 ? 0 : *p < 0x80 ? 1 : multibyte_len(p, left);
        if (len == 0)
            return false;
        p += len;
        left -= len;
    }
    return true;
}

int backend_item_order(const struct backend_item *a, const struct backend_item *b)
{
    if (a->db != b->db)
        return a->db < b->db ? -1 : 1;
    bool a_text = backend_is_text(a->key);
    bool b_text = backend_is_text(b->key);
    if (a_text != b_text)
        return a_text ? -1 : 1;
    return slice_cmp(a->key, b->key);
}

int backend_element_order(const struct backend_element *a, const struct backend_element *b)
{
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return slice_cmp(a->name, b->name);
}

/* Whatever is about a key as a whole, here or there, conflicts with everything. */
bool backend_conflicts_by_element(const struct backend_item *item, const struct backend_item *base,
                                  const struct backend_item *theirs)
{
    return item->type > VALUE_STRING && !item->replace && base->type == item->type &&
           theirs->type == item->type && base->expires_at_ms == item->expires_at_ms &&
           theirs->expires_at_ms == item->expires_at_ms;
}

uint64_t backend_item_bytes(const struct backend_item *item)
{
    uint64_t bytes = item->key.len + item->value.len;
    for (uint32_t i = 0; i < item->elements_len; i++)
        bytes += item->elements[i].name.len + item->elements[i].value.len;
    return bytes;
}

bool backend_dbmap_names(const struct backend_dbmap *map, int64_t store_db)
{
    for (uint32_t i = 0; i < map->len; i++)
        if (map->store_db[i] == store_db)
            return true;
    return false;
}

enum rc backend_next_piece(const struct backend_batch *batch, struct backend_batch *piece,
                           struct err *err)
{
    bool first = piece->items == NULL;
    *piece = *batch;
    if (batch->next_piece != NULL)
        return batch->next_piece(batch->ctx, &piece->items, &piece->items_len, err);
    return first && batch->items_len > 0 ? RC_OK : RC_NOT_FOUND;
}
