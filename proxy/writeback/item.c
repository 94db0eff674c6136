/* See item.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/item.h"

#include <endian.h>
#include <stdlib.h>

static void encode_u64(const struct item_sink *out, uint64_t n)
{
    n = htole64(n);
    out->write(out->ctx, slice_of((const char *)&n, sizeof(n)));
}

static void encode_bytes(const struct item_sink *out, struct slice s)
{
    encode_u64(out, s.len);
    out->write(out->ctx, s);
}

static bool decode_u64(struct slice *in, uint64_t *out)
{
    if (in->len < sizeof(*out))
        return false;
    memcpy(out, in->ptr, sizeof(*out));
    *out = le64toh(*out);
    *in = slice_of(in->ptr + sizeof(*out), in->len - sizeof(*out));
    return true;
}

static bool decode_bytes(struct slice *in, struct slice *out)
{
    uint64_t len;
    if (!decode_u64(in, &len) || len > in->len)
        return false;
    *out = slice_of(in->ptr, (size_t)len);
    *in = slice_of(in->ptr + len, in->len - (size_t)len);
    return true;
}

static uint64_t double_bits(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

static double bits_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

void item_encode(const struct item_sink *out, const struct backend_item *item)
{
    encode_u64(out, item != NULL);
    if (item == NULL)
        return;
    encode_u64(out, item->db);
    encode_u64(out, item->type);
    encode_u64(out, (uint64_t)item->expires_at_ms);
    encode_u64(out, item->replace);
    encode_bytes(out, item->key);
    encode_bytes(out, item->value);
    encode_u64(out, item->elements_len);
    for (uint32_t i = 0; i < item->elements_len; i++) {
        const struct backend_element *e = &item->elements[i];
        encode_bytes(out, e->name);
        encode_bytes(out, e->value);
        encode_u64(out, (uint64_t)e->position);
        encode_u64(out, double_bits(e->score));
        encode_u64(out, e->removed);
    }
}

static bool decode_head(struct slice *in, struct backend_item *item)
{
    uint64_t db, type, expires, replace, elements;
    if (!decode_u64(in, &db) || !decode_u64(in, &type) || !decode_u64(in, &expires) ||
        !decode_u64(in, &replace) || !decode_bytes(in, &item->key) ||
        !decode_bytes(in, &item->value) || !decode_u64(in, &elements))
        return false;
    if (db > UINT32_MAX || type > VALUE_STREAM || elements > in->len)
        return false;
    item->db = (uint32_t)db;
    item->type = (enum value_type)type;
    item->expires_at_ms = (int64_t)expires;
    item->replace = replace != 0;
    item->elements_len = (uint32_t)elements;
    return true;
}

static bool decode_element(struct slice *in, struct backend_element *e)
{
    uint64_t position, score, removed;
    if (!decode_bytes(in, &e->name) || !decode_bytes(in, &e->value) || !decode_u64(in, &position) ||
        !decode_u64(in, &score) || !decode_u64(in, &removed))
        return false;
    e->position = (int64_t)position;
    e->score = bits_double(score);
    e->removed = removed != 0;
    return true;
}

enum rc item_decode(struct slice bytes, bool *known, struct backend_item *item,
                    struct backend_element **elements, struct err *err)
{
    uint64_t present;
    *item = (struct backend_item){0};
    *elements = NULL;
    if (!decode_u64(&bytes, &present))
        goto corrupt;
    *known = present != 0;
    if (!*known)
        return RC_OK;
    if (!decode_head(&bytes, item))
        goto corrupt;
    *elements = calloc(item->elements_len + 1, sizeof(**elements));
    if (*elements == NULL)
        return err_set(err, RC_NOMEM, "out of memory for %u elements", item->elements_len);
    for (uint32_t i = 0; i < item->elements_len; i++) {
        if (!decode_element(&bytes, &(*elements)[i]))
            goto corrupt;
    }
    item->elements = *elements;
    return RC_OK;
corrupt:
    free(*elements);
    *elements = NULL;
    return err_set(err, RC_CORRUPT, "a record does not hold a whole item");
}

void item_render(struct buf *out, const struct backend_item *item, size_t max)
{
    if (item == NULL) {
        buf_append_str(out, "(unknown)");
    } else if (item->type == VALUE_NONE) {
        buf_append_str(out, "(deleted)");
    } else if (item->type == VALUE_STRING) {
        buf_append_escaped(out, item->value, max);
    } else {
        size_t start = out->len;
        buf_append_str(out, "{");
        for (uint32_t i = 0; i < item->elements_len && out->len - start < max; i++) {
            const struct backend_element *e = &item->elements[i];
            buf_append_str(out, i == 0 ? "" : ", ");
            buf_append_str(out, e->removed ? "-" : "");
            buf_append_escaped(out, e->name, max);
            if (e->value.len > 0) {
                buf_append_str(out, ": ");
                buf_append_escaped(out, e->value, max);
            }
        }
        buf_append_str(out, "}");
    }
}
