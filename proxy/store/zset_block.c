/* See zset_block.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/zset_block.h"

#include "store/alloc.h"

enum { SCORE_BYTES = sizeof(double), FLAG_BITS = 3, FLAGS = (1 << FLAG_BITS) - 1 };

static size_t zblock_class_of(size_t len)
{
    return alloc_size_class(sizeof(struct zset_block) + len);
}

static size_t zblock_varint_len(uint64_t n)
{
    size_t len = 1;
    for (; n >= 128; n >>= 7)
        len++;
    return len;
}

static size_t item_len(size_t member_len)
{
    return SCORE_BYTES + zblock_varint_len((uint64_t)member_len << FLAG_BITS) + member_len;
}

struct zset_block *zset_block_try_new(void)
{
    struct zset_block *b = alloc_try(zblock_class_of(0));
    if (b != NULL)
        *b = (struct zset_block){0};
    return b;
}

bool zset_block_read(const struct zset_block *b, uint32_t at, struct zset_item *out)
{
    if (at >= b->len)
        return false;
    const char *p = b->bytes + at;
    memcpy(&out->score, p, SCORE_BYTES);
    p += SCORE_BYTES;
    uint32_t n = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t)*p++;
        n |= (uint32_t)(byte & 127) << shift;
        if (LIKELY(byte < 128))
            break;
    }
    out->at = at;
    out->flags = n & FLAGS;
    out->member = slice_of(p, n >> FLAG_BITS);
    out->end = (uint32_t)(p - b->bytes) + (n >> FLAG_BITS);
    return true;
}

bool zset_block_find(const struct zset_block *b, struct slice member, struct zset_item *out)
{
    for (uint32_t at = 0; zset_block_read(b, at, out); at = out->end) {
        if (slice_eq(out->member, member))
            return true;
    }
    return false;
}

size_t zset_block_len_with(const struct zset_block *b, size_t member_len)
{
    return b->len + item_len(member_len);
}

/* Where (score, member) belongs. */
static uint32_t zblock_place_of(const struct zset_block *b, struct slice member, double score)
{
    struct zset_item item;
    uint32_t at = 0;
    for (; zset_block_read(b, at, &item); at = item.end) {
        if (item.score > score || (item.score == score && slice_cmp(item.member, member) >= 0))
            break;
    }
    return at;
}

static void write_item(char *p, struct slice member, double score, unsigned flags)
{
    memcpy(p, &score, SCORE_BYTES);
    p += SCORE_BYTES;
    uint64_t n = (uint64_t)member.len << FLAG_BITS | flags;
    for (; n >= 128; n >>= 7)
        *p++ = (char)(n | 128);
    *p++ = (char)n;
    if (member.len > 0)
        memcpy(p, member.ptr, member.len);
}

bool zset_block_insert(struct zset_block **place, struct slice member, double score, unsigned flags)
{
    struct zset_block *b = *place;
    uint32_t more = (uint32_t)item_len(member.len);
    must(b->len + more <= ZSET_BLOCK_MAX);
    if (zblock_class_of(b->len + more) != zblock_class_of(b->len)) {
        b = alloc_try_resize(b, zblock_class_of(b->len + more));
        if (b == NULL)
            return false;
        *place = b;
    }
    uint32_t at = zblock_place_of(b, member, score);
    memmove(b->bytes + at + more, b->bytes + at, b->len - at);
    write_item(b->bytes + at, member, score, flags);
    b->len += more;
    return true;
}

void zset_block_change(struct zset_block *b, const struct zset_item *item, struct slice member,
                       double score, unsigned flags)
{
    uint32_t to = zblock_place_of(b, member, score), len = item->end - item->at;
    if (to > item->at) { /* after itself: what lies between moves down */
        to -= len;
        memmove(b->bytes + item->at, b->bytes + item->end, to - item->at);
    } else {
        memmove(b->bytes + to + len, b->bytes + to, item->at - to);
    }
    write_item(b->bytes + to, member, score, flags);
}

void zset_block_set_flags(struct zset_block *b, const struct zset_item *item, unsigned flags)
{
    char *p = b->bytes + item->at + SCORE_BYTES; /* the flags are in the varint's first byte */
    *p = (char)(((unsigned char)*p & ~(unsigned)FLAGS) | flags);
}

void zset_block_cut(struct zset_block **place, const struct zset_item *item)
{
    struct zset_block *b = *place;
    size_t had = zblock_class_of(b->len);
    memmove(b->bytes + item->at, b->bytes + item->end, b->len - item->end);
    b->len -= item->end - item->at;
    if (zblock_class_of(b->len) == had)
        return;
    struct zset_block *smaller = alloc_try_resize(b, zblock_class_of(b->len));
    if (smaller != NULL) /* else it stays larger than it need be, which harms nobody */
        *place = smaller;
}

size_t zset_block_memory(const struct zset_block *b)
{
    return zblock_class_of(b->len);
}
