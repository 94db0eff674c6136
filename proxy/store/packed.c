/* See packed.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/packed.h"

#include "store/alloc.h"

#include <stdlib.h>

enum { FLAG_BITS = 3 };

static size_t varint_len(uint64_t n)
{
    size_t len = 1;
    for (; n >= 128; n >>= 7)
        len++;
    return len;
}

static size_t varint_write(char *out, uint64_t n)
{
    size_t len = 0;
    for (; n >= 128; n >>= 7)
        out[len++] = (char)(n | 128);
    out[len++] = (char)n;
    return len;
}

static inline uint64_t varint_read(const char *bytes, uint32_t *at)
{
    uint8_t byte = (uint8_t)bytes[(*at)++];
    uint64_t n = byte & 127;
    for (unsigned shift = 7; byte >= 128; shift += 7) {
        byte = (uint8_t)bytes[(*at)++];
        n |= (uint64_t)(byte & 127) << shift;
    }
    return n;
}

static size_t pair_len(size_t name_len, size_t value_len)
{
    return varint_len((uint64_t)name_len << FLAG_BITS) + varint_len(value_len) + name_len +
           value_len;
}

bool packed_read(const struct packed *p, uint32_t at, struct packed_pair *out)
{
    if (at >= p->len)
        return false;
    out->at = at;
    uint64_t head = varint_read(p->bytes, &at);
    uint64_t value_len = varint_read(p->bytes, &at);
    out->flags = (unsigned)head & ((1 << FLAG_BITS) - 1);
    out->name = slice_of(p->bytes + at, head >> FLAG_BITS);
    out->value = slice_of(out->name.ptr + out->name.len, value_len);
    out->end = at + (uint32_t)(out->name.len + value_len);
    return true;
}

bool packed_find(const struct packed *p, struct slice name, struct packed_pair *out)
{
    for (uint32_t at = 0; packed_read(p, at, out); at = out->end) {
        if (slice_eq(out->name, name))
            return true;
    }
    return false;
}

size_t packed_len_with(const struct packed *p, const struct packed_pair *pair, size_t name_len,
                       size_t value_len)
{
    return p->len - (pair == NULL ? 0 : pair->end - pair->at) + pair_len(name_len, value_len);
}

/* Makes bytes[at..end) `len` long; what is behind moves. */
static bool splice(struct packed *p, uint32_t at, uint32_t end, uint32_t len)
{
    uint32_t total = p->len - (end - at) + len;
    if (total > p->cap) {
        size_t cap = alloc_size_class(total);
        char *bytes = alloc_try_resize(p->bytes, cap);
        if (bytes == NULL)
            return false;
        p->bytes = bytes;
        p->cap = (uint32_t)cap;
    }
    if (p->len > end)
        memmove(p->bytes + at + len, p->bytes + end, p->len - end);
    p->len = total;
    return true;
}

bool packed_put(struct packed *p, const struct packed_pair *pair, struct slice name,
                struct slice value, unsigned flags)
{
    must(packed_len_with(p, pair, name.len, value.len) <= PACKED_MAX);
    uint32_t at = pair == NULL ? p->len : pair->at;
    if (!splice(p, at, pair == NULL ? p->len : pair->end, (uint32_t)pair_len(name.len, value.len)))
        return false;
    char *out = p->bytes + at;
    out += varint_write(out, (uint64_t)name.len << FLAG_BITS | flags);
    out += varint_write(out, value.len);
    if (name.len > 0)
        memcpy(out, name.ptr, name.len);
    if (value.len > 0)
        memcpy(out + name.len, value.ptr, value.len);
    return true;
}

/* The flags are the low bits of the pair's first byte. */
void packed_set_flags(struct packed *p, const struct packed_pair *pair, unsigned flags)
{
    unsigned byte = (uint8_t)p->bytes[pair->at];
    p->bytes[pair->at] = (char)((byte & ~((1u << FLAG_BITS) - 1)) | flags);
}

void packed_kill(struct packed *p, const struct packed_pair *pair, unsigned flags)
{
    packed_set_flags(p, pair, flags);
    /* The value's length, then name and value: the name moves up to a length of one byte. */
    uint32_t length_at = pair->at;
    (void)varint_read(p->bytes, &length_at);
    size_t name_len = pair->name.len;
    memmove(p->bytes + length_at + 1, pair->name.ptr, name_len);
    p->bytes[length_at] = 0;
    must(splice(p, length_at + 1 + (uint32_t)name_len, pair->end, 0));
}

void packed_cut(struct packed *p, const struct packed_pair *pair)
{
    must(splice(p, pair->at, pair->end, 0));
}

void packed_trim(struct packed *p)
{
    size_t cap = alloc_size_class(p->len);
    if (p->len == 0) {
        packed_fini(p);
    } else if (p->cap > 64 && cap < p->cap / 4 * 3) {
        char *bytes = alloc_try_resize(p->bytes, cap);
        if (bytes == NULL)
            return;
        p->bytes = bytes;
        p->cap = (uint32_t)cap;
    }
}

void packed_fini(struct packed *p)
{
    free(p->bytes);
    *p = (struct packed){0};
}
