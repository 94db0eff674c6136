/* See rdb_read.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/rdb_read.h"

#include "base/buf.h"
#include "base/num.h"
#include "compute/crc64.h"
#include "compute/lzf.h"
#include "compute/rdb.h"
#include "compute/rdb_pack.h"

#include <endian.h>
#include <math.h>

/* How the body of a type is made. */
enum body { BODY_NONE, BODY_PLAIN, BODY_PACK, BODY_PACKS /* a list's nodes */ };

static const struct form {
    enum value_type type;
    enum body body;
    enum rdb_form pack;
} forms[RDB_TYPES] = {
    [RDB_STRING] = {VALUE_STRING, BODY_PLAIN, 0},
    [RDB_LIST] = {VALUE_LIST, BODY_PLAIN, 0},
    [RDB_SET] = {VALUE_SET, BODY_PLAIN, 0},
    [RDB_ZSET_TEXT] = {VALUE_ZSET, BODY_PLAIN, 0},
    [RDB_HASH] = {VALUE_HASH, BODY_PLAIN, 0},
    [RDB_ZSET] = {VALUE_ZSET, BODY_PLAIN, 0},
    [RDB_HASH_ZIPMAP] = {VALUE_HASH, BODY_PACK, RDB_ZIPMAP},
    [RDB_LIST_ZIPLIST] = {VALUE_LIST, BODY_PACK, RDB_ZIPLIST},
    [RDB_SET_INTSET] = {VALUE_SET, BODY_PACK, RDB_INTSET},
    [RDB_ZSET_ZIPLIST] = {VALUE_ZSET, BODY_PACK, RDB_ZIPLIST},
    [RDB_HASH_ZIPLIST] = {VALUE_HASH, BODY_PACK, RDB_ZIPLIST},
    [RDB_LIST_QUICKLIST] = {VALUE_LIST, BODY_PACKS, RDB_ZIPLIST},
    [RDB_HASH_LISTPACK] = {VALUE_HASH, BODY_PACK, RDB_LISTPACK},
    [RDB_ZSET_LISTPACK] = {VALUE_ZSET, BODY_PACK, RDB_LISTPACK},
    [RDB_LIST_QUICKLIST2] = {VALUE_LIST, BODY_PACKS, RDB_LISTPACK},
    [RDB_SET_LISTPACK] = {VALUE_SET, BODY_PACK, RDB_LISTPACK},
};

/* A string that was read, with the room that it may need to be one. */
struct text {
    struct slice bytes; /* while checking, ptr is NULL where it is compressed */
    char digits[NUM_I64_MAX];
    struct buf room;
    const uint8_t *room_of; /* the compressed bytes that `room` is the expansion of */
};

struct reader {
    const uint8_t *start, *at, *end;
    enum rdb_type type;
    const struct form *form;
    const struct rdb_sink *sink; /* NULL: the first walk */
    struct rdb_summary summary;
    struct text text[2]; /* name or value, and the value of a pair */
    struct text block;   /* a pack */
    enum rc rc;
    struct err *err;
};

/* --- Failing --- */

static bool bad(struct reader *r, const char *what)
{
    r->rc = err_set(r->err, RC_CORRUPT, "bad data before byte %zu of a payload of %zu: %s",
                    (size_t)(r->at - r->start), (size_t)(r->end - r->start) + RDB_FOOTER_LEN, what);
    return false;
}

static bool rdb_no_memory(struct reader *r, uint64_t bytes)
{
    r->rc = err_set(r->err, RC_NOMEM, "no memory for %llu bytes of a payload",
                    (unsigned long long)bytes);
    return false;
}

/* --- Lengths and strings --- */

static size_t rdb_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Reads n bytes as an unsigned number, the highest byte first. There are as many. */
static uint64_t rdb_take_big_endian(struct reader *r, unsigned n)
{
    uint64_t value = 0;
    for (; n > 0; n--)
        value = value << 8 | *r->at++;
    return value;
}

static bool read_length(struct reader *r, uint64_t *out)
{
    if (rdb_left(r) == 0)
        return bad(r, "a length is missing");
    unsigned byte = *r->at++;
    unsigned more = 0;
    if ((byte & RDB_LEN_KIND) == RDB_LEN_14)
        more = 1;
    else if (byte == RDB_LEN_32)
        more = 4;
    else if (byte == RDB_LEN_64)
        more = 8;
    else if ((byte & RDB_LEN_KIND) != RDB_LEN_6)
        return bad(r, "no valid length");
    if (rdb_left(r) < more)
        return bad(r, "a length is cut off");
    uint64_t high = more == 1 ? (uint64_t)(byte & 63) << 8 : 0;
    *out = more == 0 ? byte : high | rdb_take_big_endian(r, more);
    return true;
}

/* A number of things that take at least `each` bytes. */
static bool read_count(struct reader *r, size_t each, uint64_t *out)
{
    if (!read_length(r, out))
        return false;
    if (*out == 0)
        return bad(r, "an empty aggregate");
    return *out <= rdb_left(r) / each || bad(r, "more elements than the payload has room for");
}

static void set_number(struct text *t, int64_t n)
{
    t->bytes = slice_of(t->digits, num_format_i64(t->digits, n));
}

static bool read_int(struct reader *r, unsigned width, struct text *out)
{
    uint32_t n = 0;
    if (rdb_left(r) < width)
        return bad(r, "an integer is cut off");
    for (unsigned i = 0; i < width; i++)
        n |= (uint32_t)*r->at++ << (8 * i);
    set_number(out, width == 1 ? (int8_t)n : width == 2 ? (int16_t)n : (int32_t)n);
    return true;
}

static bool rdb_expand(struct reader *r, struct slice packed, size_t len, struct text *out)
{
    if (out->room_of != (const uint8_t *)packed.ptr) {
        out->room.len = 0;
        out->room_of = NULL;
        if (!buf_try_reserve(&out->room, len))
            return rdb_no_memory(r, len);
        if (!lzf_expand(packed, out->room.data, len))
            return bad(r, "a compressed string is damaged");
        out->room.len = len;
        out->room_of = (const uint8_t *)packed.ptr;
    }
    out->bytes = buf_slice(&out->room);
    return true;
}

/* needed: its bytes are looked at in the first walk, too. */
static bool read_compressed(struct reader *r, bool needed, struct text *out)
{
    uint64_t packed_len, len;
    if (!read_length(r, &packed_len) || !read_length(r, &len))
        return false;
    if (packed_len > rdb_left(r))
        return bad(r, "a compressed string is cut off");
    if (len == 0 || len > RDB_STRING_MAX || len > packed_len * LZF_RATIO_MAX)
        return bad(r, "a compressed string cannot become as long as it says");
    struct slice packed = slice_of(r->at, (size_t)packed_len);
    r->at += packed_len;
    if (needed || r->sink != NULL)
        return rdb_expand(r, packed, (size_t)len, out);
    out->bytes = slice_of(NULL, (size_t)len);
    return lzf_is_valid(packed, (size_t)len) || bad(r, "a compressed string is damaged");
}

static bool read_string(struct reader *r, bool needed, struct text *out)
{
    uint64_t len;
    unsigned byte = rdb_left(r) > 0 ? *r->at : 0;
    if ((byte & RDB_LEN_KIND) == RDB_LEN_ENCODED) {
        r->at++;
        if (byte == RDB_LZF)
            return read_compressed(r, needed, out);
        if (byte > RDB_LZF)
            return bad(r, "a string in an unknown encoding");
        return read_int(r, 1u << (byte - RDB_INT8), out);
    }
    if (!read_length(r, &len))
        return false;
    if (len > rdb_left(r))
        return bad(r, "a string is cut off");
    out->bytes = slice_of(r->at, (size_t)len);
    r->at += len;
    return true;
}

/* --- Scores --- */

static bool read_binary_score(struct reader *r, double *out)
{
    uint64_t bits;
    if (rdb_left(r) < sizeof(bits))
        return bad(r, "a score is cut off");
    memcpy(&bits, r->at, sizeof(bits));
    bits = le64toh(bits);
    memcpy(out, &bits, sizeof(bits));
    r->at += sizeof(bits);
    return !isnan(*out) || bad(r, "a score that is not a number");
}

static bool read_text_score(struct reader *r, double *out)
{
    enum { MINUS_INFINITE = 255, INFINITE = 254, NOT_A_NUMBER = 253 };
    if (rdb_left(r) == 0)
        return bad(r, "a score is missing");
    unsigned len = *r->at++;
    if (len == MINUS_INFINITE || len == INFINITE) {
        *out = len == INFINITE ? INFINITY : -INFINITY;
        return true;
    }
    if (len == NOT_A_NUMBER || len > rdb_left(r) || !num_parse_double(slice_of(r->at, len), out))
        return bad(r, "a score that is not a number");
    r->at += len;
    return true;
}

/* --- Elements --- */

static bool rdb_tell(struct reader *r, struct slice name, struct slice value, double score)
{
    if (r->sink == NULL) {
        r->summary.elements++;
        r->summary.bytes += name.len + value.len;
        return true;
    }
    enum rc rc = r->sink->element(r->sink->ctx, name, value, score);
    if (rc == RC_OK)
        return true;
    if (rc == RC_INVALID)
        return bad(r, "an element is there twice");
    r->rc = rc == RC_NOMEM ? err_set(r->err, rc, "no memory for a value of %llu elements",
                                     (unsigned long long)r->summary.elements)
                           : err_set(r->err, rc, "an element was refused: %s", rc_name(rc));
    return false;
}

/* What is not a pair. */
static bool tell_single(struct reader *r, struct slice bytes)
{
    bool named = r->form->type == VALUE_SET;
    return rdb_tell(r, named ? bytes : SLICE(""), named ? SLICE("") : bytes, 0);
}

static bool read_plain_element(struct reader *r)
{
    double score;
    struct text *name = &r->text[0], *value = &r->text[1];
    if (!read_string(r, false, name))
        return false;
    switch (r->type) {
    case RDB_HASH:
        return read_string(r, false, value) && rdb_tell(r, name->bytes, value->bytes, 0);
    case RDB_ZSET:
        return read_binary_score(r, &score) && rdb_tell(r, name->bytes, SLICE(""), score);
    case RDB_ZSET_TEXT:
        return read_text_score(r, &score) && rdb_tell(r, name->bytes, SLICE(""), score);
    default:
        return tell_single(r, name->bytes);
    }
}

static bool read_plain(struct reader *r)
{
    uint64_t n = 1;
    size_t each = r->type == RDB_HASH || r->type == RDB_ZSET_TEXT ? 2 : r->type == RDB_ZSET ? 9 : 1;
    if (r->type != RDB_STRING && !read_count(r, each, &n))
        return false;
    while (n > 0 && read_plain_element(r))
        n--;
    return n == 0;
}

/* --- Elements in packs --- */

static struct slice item_bytes(const struct rdb_item *item, struct text *room)
{
    if (!item->is_int)
        return item->bytes;
    set_number(room, item->number);
    return room->bytes;
}

static bool tell_scored(struct reader *r, struct slice name, const struct rdb_item *item)
{
    double score = (double)item->number;
    if (!item->is_int && !num_parse_double(item->bytes, &score))
        return bad(r, "a score that is not a number");
    return rdb_tell(r, name, SLICE(""), score);
}

static bool read_pack(struct reader *r, struct slice bytes)
{
    struct rdb_pack pack;
    struct rdb_item item;
    enum rdb_step step;
    bool pairs = r->form->type == VALUE_HASH || r->form->type == VALUE_ZSET;
    if (!rdb_pack_open(&pack, r->form->pack, bytes))
        return bad(r, "a compact block with a wrong head or end");
    while ((step = rdb_pack_next(&pack, &item)) == RDB_ITEM) {
        struct slice first = item_bytes(&item, &r->text[0]);
        if (pairs && rdb_pack_next(&pack, &item) != RDB_ITEM)
            return bad(r, "a compact block that is damaged or has half a pair");
        bool told = !pairs ? tell_single(r, first)
                    : r->form->type == VALUE_ZSET
                        ? tell_scored(r, first, &item)
                        : rdb_tell(r, first, item_bytes(&item, &r->text[1]), 0);
        if (!told)
            return false;
    }
    return step == RDB_END || bad(r, "a damaged compact block");
}

/* The nodes of a list; one that holds nothing is skipped, as Redis does. */
static bool read_packs(struct reader *r)
{
    enum { PLAIN = 1, PACKED = 2 };
    uint64_t nodes, container = PACKED;
    if (!read_count(r, r->type == RDB_LIST_QUICKLIST2 ? 2 : 1, &nodes))
        return false;
    for (; nodes > 0; nodes--) {
        if (r->type == RDB_LIST_QUICKLIST2 && !read_length(r, &container))
            return false;
        if (container != PLAIN && container != PACKED)
            return bad(r, "a node of a list in an unknown form");
        if (!read_string(r, container == PACKED, &r->block))
            return false;
        if (!(container == PACKED ? read_pack(r, r->block.bytes) : tell_single(r, r->block.bytes)))
            return false;
    }
    return true;
}

/* --- The whole --- */

static bool read_body(struct reader *r)
{
    r->at = r->start + 1;
    switch (r->form->body) {
    case BODY_PLAIN:
        return read_plain(r);
    case BODY_PACK:
        return read_string(r, true, &r->block) && read_pack(r, r->block.bytes);
    case BODY_PACKS:
        return read_packs(r);
    case BODY_NONE:
        break;
    }
    return bad(r, "a type that is not supported");
}

static bool read_checked(struct reader *r, const struct rdb_sink *sink)
{
    unsigned type = *r->start;
    static const struct form none = {VALUE_NONE, BODY_NONE, 0};
    r->type = (enum rdb_type)type;
    r->form = type < RDB_TYPES ? &forms[type] : &none;
    r->summary.type = r->form->type;
    if (!read_body(r))
        return false;
    if (r->at != r->end)
        return bad(r, "bytes after the value");
    if (r->summary.elements == 0)
        return bad(r, "an empty aggregate");
    enum rc rc = sink->begin(sink->ctx, &r->summary);
    if (rc != RC_OK) {
        r->rc = err_set(r->err, rc, "a value of %llu bytes is refused: %s",
                        (unsigned long long)r->summary.bytes, rc_name(rc));
        return false;
    }
    r->sink = sink;
    return read_body(r);
}

static bool footer_holds(struct slice payload)
{
    uint16_t version;
    uint64_t crc;
    if (payload.len < RDB_FOOTER_LEN)
        return false;
    const char *footer = payload.ptr + payload.len - RDB_FOOTER_LEN;
    memcpy(&version, footer, sizeof(version));
    memcpy(&crc, footer + sizeof(version), sizeof(crc));
    return le16toh(version) <= RDB_VERSION_MAX &&
           le64toh(crc) == crc64(0, slice_of(payload.ptr, payload.len - sizeof(crc)));
}

enum rc rdb_read(struct slice payload, const struct rdb_sink *sink, struct err *err)
{
    if (!footer_holds(payload))
        return err_set(err, RC_FOREIGN, "version or checksum of a payload of %zu bytes are wrong",
                       payload.len);
    const uint8_t *start = (const uint8_t *)payload.ptr;
    struct reader r = {.start = start, .end = start + payload.len - RDB_FOOTER_LEN, .err = err};
    if (r.start == r.end)
        return err_set(err, RC_CORRUPT, "a payload without a value");
    bool done = read_checked(&r, sink);
    must(done == (r.rc == RC_OK));
    buf_fini(&r.text[0].room);
    buf_fini(&r.text[1].room);
    buf_fini(&r.block.room);
    return r.rc;
}
