/* See rdb_write.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/rdb_write.h"

#include "base/num.h"
#include "compute/crc64.h"

#include <endian.h>

enum { HEAD_MAX = 9, INT32_TEXT_MAX = 11 /* "-2147483648" */ };

static bool rdb_has_room(struct rdb_writer *w, size_t bytes)
{
    if (LIKELY(w->out->cap - w->out->len >= bytes && !w->failed))
        return true;
    w->failed = w->failed || !buf_try_reserve(w->out, bytes);
    return !w->failed;
}

/* There is room. */
static void rdb_put(struct rdb_writer *w, const void *bytes, size_t len)
{
    memcpy(w->out->data + w->out->len, bytes, len);
    w->out->len += len;
}

static void put_byte(struct rdb_writer *w, unsigned byte)
{
    w->out->data[w->out->len++] = (char)byte;
}

static void put_length(struct rdb_writer *w, uint64_t n)
{
    if (n < 1u << 6) {
        put_byte(w, RDB_LEN_6 | (unsigned)n);
    } else if (n < 1u << 14) {
        put_byte(w, RDB_LEN_14 | (unsigned)(n >> 8));
        put_byte(w, (unsigned)n & 255);
    } else if (n <= UINT32_MAX) {
        uint32_t big_endian = htobe32((uint32_t)n);
        put_byte(w, RDB_LEN_32);
        rdb_put(w, &big_endian, sizeof(big_endian));
    } else {
        uint64_t big_endian = htobe64(n);
        put_byte(w, RDB_LEN_64);
        rdb_put(w, &big_endian, sizeof(big_endian));
    }
}

/* True when the text was such an integer. */
static bool rdb_put_int(struct rdb_writer *w, struct slice text)
{
    int64_t n;
    if (text.len == 0 || text.len > INT32_TEXT_MAX || !num_parse_i64(text, &n) || n < INT32_MIN ||
        n > INT32_MAX)
        return false;
    uint32_t little_endian = htole32((uint32_t)n);
    unsigned encoding = n >= INT8_MIN && n <= INT8_MAX     ? RDB_INT8
                        : n >= INT16_MIN && n <= INT16_MAX ? RDB_INT16
                                                           : RDB_INT32;
    put_byte(w, encoding);
    rdb_put(w, &little_endian, (size_t)1 << (encoding - RDB_INT8));
    return true;
}

void rdb_write_begin(struct rdb_writer *w, struct buf *out, enum rdb_type type)
{
    *w = (struct rdb_writer){.out = out, .start = out->len};
    if (rdb_has_room(w, 1))
        put_byte(w, type);
}

void rdb_write_count(struct rdb_writer *w, uint64_t n)
{
    if (rdb_has_room(w, HEAD_MAX))
        put_length(w, n);
}

void rdb_write_string(struct rdb_writer *w, struct slice text)
{
    if (!rdb_has_room(w, HEAD_MAX + text.len) || rdb_put_int(w, text))
        return;
    put_length(w, text.len);
    if (text.len > 0)
        rdb_put(w, text.ptr, text.len);
}

void rdb_write_score(struct rdb_writer *w, double score)
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof(bits));
    bits = htole64(bits);
    if (rdb_has_room(w, sizeof(bits)))
        rdb_put(w, &bits, sizeof(bits));
}

bool rdb_write_end(struct rdb_writer *w)
{
    uint16_t version = htole16(RDB_VERSION_WRITTEN);
    if (!rdb_has_room(w, RDB_FOOTER_LEN)) {
        w->out->len = w->start;
        return false;
    }
    rdb_put(w, &version, sizeof(version));
    struct slice written = slice_of(w->out->data + w->start, w->out->len - w->start);
    uint64_t crc = htole64(crc64(0, written));
    rdb_put(w, &crc, sizeof(crc));
    return true;
}
