/* See packed.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/packed.h"

#include "store/alloc.h"

#include <assert.h>
#include <stdlib.h>

enum { FLAG_BITS = 3, FLAG_MASK = (1 << FLAG_BITS) - 1, NARROW = 4, WIDE = 8, NARROW_MAX = 255 };

static_assert(sizeof(struct packed) == WIDE, "the wide head has no holes");

static size_t packed_varint_len(uint64_t n)
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
    for (unsigned shift = 7; UNLIKELY(byte >= 128); shift += 7) {
        byte = (uint8_t)bytes[(*at)++];
        n |= (uint64_t)(byte & 127) << shift;
    }
    return n;
}

static inline bool is_wide(const struct packed *p)
{
    return (p->narrow.form & FORM_WIDE) != 0;
}

static inline bool packed_is_valued(const struct packed *p)
{
    return (p->narrow.form & FORM_VALUED) != 0;
}

static inline uint32_t head_len(const struct packed *p)
{
    return is_wide(p) ? WIDE : NARROW;
}

static inline char *records(struct packed *p)
{
    return (char *)p + head_len(p);
}

static inline const char *records_seen(const struct packed *p)
{
    return (const char *)p + head_len(p);
}

static inline uint32_t len_of(const struct packed *p)
{
    return is_wide(p) ? p->wide.len : p->narrow.len;
}

static void set_len(struct packed *p, uint32_t len)
{
    if (is_wide(p))
        p->wide.len = (uint16_t)len;
    else
        p->narrow.len = (uint8_t)len;
}

/* A record with the flags `was` becomes one with the flags `is`; -1: there is none. The shortest
 * records but one take two bytes, so the counts fit wherever the length does. */
static void packed_account(struct packed *p, int was, int is)
{
    int live = (is >= 0 && (is & FIELD_DEAD) == 0) - (was >= 0 && (was & FIELD_DEAD) == 0);
    int changed = (is >= 0 && (is & FIELD_CHANGED) != 0) - (was >= 0 && (was & FIELD_CHANGED) != 0);
    if (is_wide(p)) {
        p->wide.count = (uint16_t)(p->wide.count + live);
        p->wide.changed = (uint16_t)(p->wide.changed + changed);
    } else {
        p->narrow.count = (uint8_t)(p->narrow.count + live);
        p->narrow.changed = (uint8_t)(p->narrow.changed + changed);
    }
}

struct packed *packed_try_new(bool valued)
{
    struct packed *p = alloc_try(alloc_size_class(sizeof(*p)));
    if (p != NULL) {
        memset(p, 0, sizeof(*p));
        p->narrow.form = valued ? FORM_VALUED : 0;
    }
    return p;
}

uint32_t packed_count(const struct packed *p)
{
    return is_wide(p) ? p->wide.count : p->narrow.count;
}

uint32_t packed_changed(const struct packed *p)
{
    return is_wide(p) ? p->wide.changed : p->narrow.changed;
}

size_t packed_memory(const struct packed *p)
{
    return alloc_size_class(head_len(p) + len_of(p));
}

/* --- Reading --- */

static inline void read_record(const char *bytes, bool valued, uint32_t at, struct packed_pair *out)
{
    out->at = at;
    uint64_t head = varint_read(bytes, &at);
    uint64_t value_len = valued ? varint_read(bytes, &at) : 0;
    out->flags = (unsigned)head & FLAG_MASK;
    out->name = slice_of(bytes + at, head >> FLAG_BITS);
    out->value = slice_of(out->name.ptr + out->name.len, value_len);
    out->end = at + (uint32_t)(out->name.len + value_len);
}

bool packed_read(const struct packed *p, uint32_t at, struct packed_pair *out)
{
    if (at >= len_of(p))
        return false;
    read_record(records_seen(p), packed_is_valued(p), at, out);
    return true;
}

bool packed_find(const struct packed *p, struct slice name, struct packed_pair *out, uint32_t *dead)
{
    const char *bytes = records_seen(p);
    bool valued = packed_is_valued(p);
    uint32_t len = len_of(p);
    *dead = 0;
    for (uint32_t at = 0; at < len; at = out->end) {
        read_record(bytes, valued, at, out);
        if (slice_eq(out->name, name))
            return true;
        *dead += (out->flags & FIELD_DEAD) != 0;
    }
    return false;
}

/* --- Changing --- */

static size_t record_len(const struct packed *p, size_t name_len, size_t value_len)
{
    return packed_varint_len((uint64_t)name_len << FLAG_BITS) + name_len +
           (packed_is_valued(p) ? packed_varint_len(value_len) + value_len : 0);
}

size_t packed_len_with(const struct packed *p, const struct packed_pair *pair, size_t name_len,
                       size_t value_len)
{
    return len_of(p) - (pair == NULL ? 0 : pair->end - pair->at) +
           record_len(p, name_len, value_len);
}

static bool packed_resize(struct packed **place, size_t had, size_t bytes)
{
    size_t class = alloc_size_class(bytes);
    if (class == alloc_size_class(had))
        return true;
    struct packed *moved = alloc_try_resize(*place, class);
    if (moved == NULL)
        return false;
    *place = moved;
    return true;
}

/* Room for `total` bytes of records, of which there are fewer now. */
static bool packed_grow(struct packed **place, uint32_t total)
{
    struct packed *p = *place;
    uint32_t len = len_of(p), head = head_len(p);
    bool widen = !is_wide(p) && total > NARROW_MAX;
    if (!packed_resize(place, head + len, (widen ? WIDE : head) + total))
        return false;
    if (widen) {
        p = *place;
        struct packed was = *p;
        memmove((char *)p + WIDE, (const char *)p + NARROW, len);
        p->wide.form = was.narrow.form | FORM_WIDE;
        p->wide.unused = 0;
        p->wide.count = was.narrow.count;
        p->wide.changed = was.narrow.changed;
        p->wide.len = was.narrow.len;
    }
    return true;
}

/* Makes the bytes at..end `len` long; what comes after them moves. */
static bool packed_splice(struct packed **place, uint32_t at, uint32_t end, uint32_t len)
{
    uint32_t had = len_of(*place), total = had - (end - at) + len;
    if (total > had && !packed_grow(place, total))
        return false;
    struct packed *p = *place;
    char *bytes = records(p);
    if (had > end && end != at + len)
        memmove(bytes + at + len, bytes + end, had - end);
    set_len(p, total);
    if (total < had)
        (void)packed_resize(place, head_len(p) + had,
                            head_len(p) + total); /* too large is no harm */
    return true;
}

bool packed_put(struct packed **place, const struct packed_pair *pair, struct slice name,
                struct slice value, unsigned flags)
{
    must(packed_len_with(*place, pair, name.len, value.len) <= PACKED_MAX);
    uint32_t at = pair == NULL ? len_of(*place) : pair->at;
    if (!packed_splice(place, at, pair == NULL ? at : pair->end,
                       (uint32_t)record_len(*place, name.len, value.len)))
        return false;
    struct packed *p = *place;
    packed_account(p, pair == NULL ? -1 : (int)pair->flags, (int)flags);
    char *out = records(p) + at;
    out += varint_write(out, (uint64_t)name.len << FLAG_BITS | flags);
    if (packed_is_valued(p))
        out += varint_write(out, value.len);
    if (name.len > 0)
        memcpy(out, name.ptr, name.len);
    if (packed_is_valued(p) && value.len > 0)
        memcpy(out + name.len, value.ptr, value.len);
    return true;
}

/* The flags are the low bits of the record's first byte. */
static void put_flags(char *record, unsigned flags)
{
    *record = (char)(((unsigned)(uint8_t)*record & ~(unsigned)FLAG_MASK) | flags);
}

void packed_kill(struct packed **place, const struct packed_pair *pair, unsigned flags)
{
    struct packed *p = *place;
    char *bytes = records(p);
    put_flags(bytes + pair->at, flags);
    packed_account(p, (int)pair->flags, (int)flags);
    if (!packed_is_valued(p))
        return;
    /* The value's length, then name and value: the name moves up to a length of one byte. */
    uint32_t length_at = pair->at, name_len = (uint32_t)pair->name.len;
    (void)varint_read(bytes, &length_at);
    memmove(bytes + length_at + 1, pair->name.ptr, name_len);
    bytes[length_at] = 0;
    must(packed_splice(place, length_at + 1 + name_len, pair->end, 0));
}

void packed_cut(struct packed **place, const struct packed_pair *pair)
{
    packed_account(*place, (int)pair->flags, -1);
    must(packed_splice(place, pair->at, pair->end, 0));
}

void packed_settle(struct packed **place)
{
    struct packed *p = *place;
    char *bytes = records(p);
    uint32_t had = len_of(p), to = 0;
    struct packed_pair pair;
    for (uint32_t at = 0; at < had; at = pair.end) {
        read_record(bytes, packed_is_valued(p), at, &pair);
        packed_account(p, (int)pair.flags, (pair.flags & FIELD_DEAD) != 0 ? -1 : 0);
        if ((pair.flags & FIELD_DEAD) != 0)
            continue;
        put_flags(bytes + at, 0);
        if (to != at)
            memmove(bytes + to, bytes + at, pair.end - at);
        to += pair.end - at;
    }
    set_len(p, to);
    if (to < had)
        (void)packed_resize(place, head_len(p) + had, head_len(p) + to);
}
