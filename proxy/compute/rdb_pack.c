/* See rdb_pack.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/rdb_pack.h"

#include <endian.h>

enum {
    LISTPACK_HEAD = 6,
    ZIPLIST_HEAD = 10,
    INTSET_HEAD = 8,
    ZIPMAP_HEAD = 1,
    END_MARK = 255,
    COUNT_UNKNOWN = 65535,
    LONG_LENGTH = 254, /* ziplist, zipmap: a length of four bytes follows */
};

/* Integers of 1 to 8 bytes, as they lie in all four forms: little-endian, two's complement. */
static uint64_t read_unsigned(const uint8_t *at, unsigned width)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < width; i++)
        n |= (uint64_t)at[i] << (8 * i);
    return n;
}

static int64_t read_signed(const uint8_t *at, unsigned width)
{
    uint64_t sign = (uint64_t)1 << (8 * width - 1);
    return (int64_t)((read_unsigned(at, width) ^ sign) - sign);
}

static size_t pack_left(const struct rdb_pack *p)
{
    return (size_t)(p->end - p->at);
}

static bool ends_with_mark(struct slice bytes)
{
    return (uint8_t)bytes.ptr[bytes.len - 1] == END_MARK;
}

bool rdb_pack_open(struct rdb_pack *p, enum rdb_form form, struct slice bytes)
{
    static const size_t heads[] = {LISTPACK_HEAD, ZIPLIST_HEAD, INTSET_HEAD, ZIPMAP_HEAD};
    size_t mark = form != RDB_INTSET;
    if (bytes.len < heads[form] + mark || (mark > 0 && !ends_with_mark(bytes)))
        return false;
    const uint8_t *start = (const uint8_t *)bytes.ptr;
    *p = (struct rdb_pack){.form = form, .start = start, .announced = UINT64_MAX};
    p->at = start + heads[form];
    p->end = start + bytes.len - mark;
    switch (form) {
    case RDB_LISTPACK:
    case RDB_ZIPLIST:
        p->announced = read_unsigned(p->at - 2, 2);
        p->announced = p->announced == COUNT_UNKNOWN ? UINT64_MAX : p->announced;
        p->tail = form == RDB_ZIPLIST ? read_unsigned(start + 4, 4) : 0;
        return read_unsigned(start, 4) == bytes.len;
    case RDB_INTSET:
        p->width = (unsigned)read_unsigned(start, 4);
        p->announced = read_unsigned(start + 4, 4);
        return (p->width == 2 || p->width == 4 || p->width == 8) &&
               pack_left(p) == p->announced * p->width;
    case RDB_ZIPMAP:
        p->announced = start[0] < LONG_LENGTH ? 2u * start[0] : UINT64_MAX;
        return true;
    }
    return false;
}

/* --- Listpack --- */

static size_t backlen_len(size_t n)
{
    return n < 128 ? 1 : n < 16383 ? 2 : n < 2097151 ? 3 : n < 268435455 ? 4 : 5;
}

/* An item of n bytes ends with that length, seven bits a byte, the lowest last; all but the first
 * byte are marked. */
static bool backlen_holds(const uint8_t *at, size_t n, size_t len)
{
    for (size_t i = len; i-- > 0; n >>= 7)
        if (at[i] != ((n & 127) | (i > 0 ? 128 : 0)))
            return false;
    return true;
}

struct pack_head {
    unsigned len;    /* bytes before a string; 0: no such encoding, or cut off */
    unsigned width;  /* bytes of an integer after the head */
    uint64_t string; /* bytes of a string after it */
};

/* Reads an encoding; small integers are in the head itself. */
static struct pack_head listpack_head(const struct rdb_pack *p, struct rdb_item *out)
{
    static const uint8_t widths[] = {2, 3, 4, 8}; /* f1 .. f4 */
    const uint8_t *at = p->at;
    unsigned byte = at[0];
    out->is_int = byte < 0x80 || (byte & 0xe0) == 0xc0 || byte > 0xf0;
    if (byte < 0x80) {
        out->number = byte;
        return (struct pack_head){.len = 1};
    }
    if (byte < 0xc0)
        return (struct pack_head){.len = 1, .string = byte & 63};
    if (byte > 0xf0)
        return byte > 0xf4 ? (struct pack_head){0}
                           : (struct pack_head){.len = 1, .width = widths[byte - 0xf1]};
    if (pack_left(p) < (byte == 0xf0 ? 5 : 2))
        return (struct pack_head){0};
    if (byte == 0xf0)
        return (struct pack_head){.len = 5, .string = read_unsigned(at + 1, 4)};
    if (byte >= 0xe0)
        return (struct pack_head){.len = 2, .string = (byte & 15) << 8 | at[1]};
    unsigned bits = (byte & 31) << 8 | at[1];
    out->number = (int64_t)bits - (bits >= 4096 ? 8192 : 0);
    return (struct pack_head){.len = 2};
}

/* Takes what stands after a head; false: it does not end before the pack does. */
static bool take_body(struct rdb_pack *p, struct pack_head h, struct rdb_item *out)
{
    if (h.len == 0 || pack_left(p) < h.len || pack_left(p) - h.len < h.width + h.string)
        return false;
    p->at += h.len;
    if (h.width > 0)
        out->number = read_signed(p->at, h.width);
    out->bytes = slice_of(p->at, (size_t)h.string);
    p->at += h.width + h.string;
    return true;
}

static bool next_of_listpack(struct rdb_pack *p, struct rdb_item *out)
{
    const uint8_t *start = p->at;
    if (!take_body(p, listpack_head(p, out), out))
        return false;
    size_t len = (size_t)(p->at - start), trailer = backlen_len(len);
    if (pack_left(p) < trailer || !backlen_holds(p->at, len, trailer))
        return false;
    p->at += trailer;
    return true;
}

/* --- Ziplist --- */

static struct pack_head ziplist_head(const struct rdb_pack *p, struct rdb_item *out)
{
    const uint8_t *at = p->at;
    unsigned byte = at[0];
    out->is_int = byte >= 0xc0;
    if (byte < 0x40)
        return (struct pack_head){.len = 1, .string = byte};
    if (byte < 0xc0) {
        unsigned len = byte < 0x80 ? 2 : 5;
        uint32_t big_endian;
        if (pack_left(p) < len)
            return (struct pack_head){0};
        if (len == 2)
            return (struct pack_head){.len = len, .string = (byte & 63) << 8 | at[1]};
        memcpy(&big_endian, at + 1, sizeof(big_endian));
        return (struct pack_head){.len = len, .string = be32toh(big_endian)};
    }
    if (byte > 0xf0 && byte < 0xfe) {
        out->number = (byte & 15) - 1;
        return (struct pack_head){.len = 1};
    }
    unsigned width = byte == 0xc0   ? 2
                     : byte == 0xd0 ? 4
                     : byte == 0xe0 ? 8
                     : byte == 0xf0 ? 3
                     : byte == 0xfe ? 1
                                    : 0;
    return (struct pack_head){.len = width > 0, .width = width};
}

/* The length of the item before may take five bytes though one would do. */
static bool next_of_ziplist(struct rdb_pack *p, struct rdb_item *out)
{
    const uint8_t *start = p->at;
    size_t last_len = start[0], len_len = 1;
    if (start[0] == END_MARK)
        return false;
    if (start[0] == LONG_LENGTH) {
        len_len = 5;
        if (pack_left(p) < len_len)
            return false;
        last_len = read_unsigned(start + 1, 4);
    }
    if (last_len != p->last_len || pack_left(p) <= len_len)
        return false;
    p->at += len_len;
    if (!take_body(p, ziplist_head(p, out), out))
        return false;
    p->last_len = (size_t)(p->at - start);
    return true;
}

static bool ziplist_tail_holds(const struct rdb_pack *p)
{
    return p->tail == (size_t)(p->at - p->start) - p->last_len;
}

/* --- Intset and zipmap --- */

static bool next_of_intset(struct rdb_pack *p, struct rdb_item *out)
{
    *out = (struct rdb_item){.is_int = true, .number = read_signed(p->at, p->width)};
    bool ascends = p->items == 0 || out->number > p->last;
    p->last = out->number;
    p->at += p->width;
    return ascends;
}

static bool next_of_zipmap(struct rdb_pack *p, struct rdb_item *out)
{
    bool is_value = p->items % 2 == 1;
    uint64_t len = p->at[0];
    unsigned head = len == LONG_LENGTH ? 5 : 1;
    if (len == END_MARK || pack_left(p) < head + is_value)
        return false;
    if (head == 5)
        len = read_unsigned(p->at + 1, 4);
    unsigned unused = is_value ? p->at[head] : 0;
    p->at += head + is_value;
    if (pack_left(p) < len + unused)
        return false;
    *out = (struct rdb_item){.bytes = slice_of(p->at, (size_t)len)};
    p->at += len + unused;
    return true;
}

enum rdb_step rdb_pack_next(struct rdb_pack *p, struct rdb_item *out)
{
    static bool (*const next[])(struct rdb_pack *, struct rdb_item *) = {
        next_of_listpack, next_of_ziplist, next_of_intset, next_of_zipmap};
    if (p->at == p->end) {
        bool sound = (p->announced == UINT64_MAX || p->announced == p->items) &&
                     (p->form != RDB_ZIPLIST || ziplist_tail_holds(p));
        return sound ? RDB_END : RDB_BROKEN;
    }
    *out = (struct rdb_item){0};
    if (!next[p->form](p, out))
        return RDB_BROKEN;
    p->items++;
    return RDB_ITEM;
}
