/* Single bits, counting and searching them, and combining whole strings: SETBIT, GETBIT, BITCOUNT,
 * BITPOS, BITOP. BITFIELD is in bitfield.c, what works on bytes alone in compute/bits.c.
 *
 * All of them are journalled as they came: the same strings give the same result. SETBIT of a bit
 * that is there already changes nothing, as in Redis.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/bit/bitmap.h"

#include "base/num.h"
#include "compute/bits.h"
#include "executor/args.h"
#include "executor/find_keys.h"
#include "store/alloc.h"
#include "store/store.h"

/* --- One bit --- */

bool bitmap_offset(struct call *c, struct slice text, unsigned width, bool writes, uint64_t *out)
{
    int64_t offset;
    bool counted = text.len > 1 && text.ptr[0] == '#' && width > 0;
    if (counted)
        text = slice_of(text.ptr + 1, text.len - 1);
    bool valid = num_parse_i64(text, &offset) && offset >= 0;
    if (valid && counted)
        valid = !__builtin_mul_overflow(offset, (int64_t)width, &offset);
    uint64_t last = valid ? (uint64_t)offset + (writes && width > 0 ? width - 1 : 0) : 0;
    if (!valid || last / 8 >= args_string_max()) {
        reply_error(c->reply, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *out = (uint64_t)offset;
    return true;
}

void cmd_getbit(struct call *c)
{
    uint64_t offset;
    const struct value *v;
    if (bitmap_offset(c, c->argv[2], 0, false, &offset) && call_read(c, 0, VALUE_STRING, &v))
        reply_int(c->reply, v != NULL ? (int64_t)bits_get(v->str, offset, 1) : 0);
}

void cmd_setbit(struct call *c)
{
    static const char NOT_A_BIT[] = "ERR bit is not an integer or out of range";
    uint64_t offset;
    int64_t bit;
    const struct value *v;
    if (!bitmap_offset(c, c->argv[2], 0, true, &offset) || !call_int(c, 3, &bit, NOT_A_BIT))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(c->reply, NOT_A_BIT);
        return;
    }
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    size_t len = v != NULL ? v->str.len : 0, needed = (size_t)(offset / 8) + 1;
    int64_t before = v != NULL ? (int64_t)bits_get(v->str, offset, 1) : 0;
    if (before != bit || needed > len) {
        char *bytes = txn_edit_string(c->txn, c->key, needed > len ? needed : len);
        if (bytes == NULL) {
            call_out_of_memory(c);
            return;
        }
        bits_put(bytes, offset, 1, (uint64_t)bit);
        txn_effect_bytes(c->txn, c->key, needed - 1, 1);
        call_notify(c, NOTIFY_STRING, "setbit", 0);
    }
    reply_int(c->reply, before);
}

/* --- Ranges --- */

struct bit_range {
    int64_t start, end; /* as given: inclusive, negative from the end */
    bool has_start, has_end, by_bit;
};

/* BYTE or BIT at argument i, if there is one. */
static bool parse_unit(struct call *c, uint32_t i, struct bit_range *r)
{
    if (c->argc <= i)
        return true;
    r->by_bit = args_is(c, i, "bit");
    if (r->by_bit || args_is(c, i, "byte"))
        return true;
    reply_error(c->reply, REPLY_SYNTAX);
    return false;
}

/* Turns the range into bits [*first, *end) of a string; false: it is empty. */
static bool resolve_range(const struct bit_range *r, size_t bytes, uint64_t *first, uint64_t *end)
{
    int64_t len = (int64_t)bytes * (r->by_bit ? 8 : 1), scale = r->by_bit ? 1 : 8;
    int64_t from = r->has_start ? r->start : 0, to = r->has_end ? r->end : len - 1;
    if (from < 0)
        from = from < -len ? 0 : from + len;
    if (to < 0)
        to = to < -len ? 0 : to + len;
    if (to >= len)
        to = len - 1;
    if (from > to)
        return false;
    *first = (uint64_t)(from * scale);
    *end = (uint64_t)((to + 1) * scale);
    return true;
}

void cmd_bitcount(struct call *c)
{
    struct bit_range r = {0};
    uint64_t first, end;
    const struct value *v;
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    if (v == NULL) { /* before the arguments are looked at, as in Redis 7.2 */
        reply_int(c->reply, 0);
        return;
    }
    if (c->argc == 3 || c->argc > 5) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    r.has_start = r.has_end = c->argc > 2;
    if (r.has_start && (!call_int(c, 2, &r.start, NULL) || !call_int(c, 3, &r.end, NULL)))
        return;
    bool crossed = r.start < 0 && r.end < 0 && r.start > r.end;
    if (!crossed && !parse_unit(c, 4, &r)) /* in this order, as in Redis */
        return;
    bool any = !crossed && resolve_range(&r, v->str.len, &first, &end);
    reply_int(c->reply, any ? (int64_t)bits_count(v->str, first, end) : 0);
}

static bool parse_bitpos(struct call *c, struct bit_range *r)
{
    if (c->argc > 6) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    r->has_start = c->argc >= 4;
    r->has_end = c->argc >= 5;
    return (!r->has_start || call_int(c, 3, &r->start, NULL)) && parse_unit(c, 5, r) &&
           (!r->has_end || call_int(c, 4, &r->end, NULL));
}

void cmd_bitpos(struct call *c)
{
    struct bit_range r = {0};
    int64_t bit;
    const struct value *v;
    if (!call_int(c, 2, &bit, NULL))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(c->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    if (v == NULL) { /* before the range is looked at, as in Redis 7.2 */
        reply_int(c->reply, bit == 1 ? -1 : 0);
        return;
    }
    uint64_t first, end;
    if (!parse_bitpos(c, &r))
        return;
    int64_t found = -1;
    if (resolve_range(&r, v->str.len, &first, &end)) {
        found = bits_find(v->str, bit == 1, first, end);
        /* Without an end, zeros are thought to follow the string. */
        if (found < 0 && bit == 0 && !r.has_end)
            found = (int64_t)end;
    }
    reply_int(c->reply, found);
}

/* --- BITOP --- */

/* The destination may go, so it must be known whether it is there. */
int find_keys_bitop(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    keys[0].name = argv[2];
    keys[0].mode = KEY_REMOVE;
    for (uint32_t i = 3; i < argc; i++) {
        keys[i - 2].name = argv[i];
        keys[i - 2].mode = KEY_READ;
    }
    return (int)argc - 2;
}

static bool parse_bitop(struct call *c, enum bits_operation *op)
{
    static const char *const words[] = {"and", "or", "xor", "not"};
    uint32_t i = 0;
    while (i < COUNT_OF(words) && !args_is(c, 1, words[i]))
        i++;
    if (i == COUNT_OF(words)) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    *op = (enum bits_operation)i;
    if (*op == BITS_NOT && c->argc != 4) {
        reply_error(c->reply, "ERR BITOP NOT must be called with a single source key.");
        return false;
    }
    return true;
}

/* Bytes [at, at + len) of source i; what it lacks is zero. */
static void combine_block(struct call *c, enum bits_operation op, uint32_t i, char *out, size_t at,
                          size_t len)
{
    const struct value *v = txn_peek(c->txn, c->key + i);
    size_t has = v != NULL && v->str.len > at ? v->str.len - at : 0;
    has = has < len ? has : len;
    if (i == 1 && op != BITS_NOT) {
        if (has > 0)
            memcpy(out, v->str.ptr + at, has);
        memset(out + has, 0, len - has);
        return;
    }
    if (has > 0)
        bits_combine(op, out, v->str.ptr + at, has);
    if (op == BITS_AND)
        memset(out + has, 0, len - has);
}

static void bitop_combine(struct call *c, enum bits_operation op, char *out, size_t len)
{
    enum { BLOCK = 16 * 1024 }; /* the result stays in the cache while the sources go over it */
    for (size_t at = 0; at < len; at += BLOCK)
        for (uint32_t i = 1; i < c->keys_len; i++)
            combine_block(c, op, i, out + at, at, (size_t)min_u64(BLOCK, len - at));
}

static enum rc bitop_store_result(struct call *c, struct blob **result)
{
    struct slice bytes = blob_slice(*result);
    if (bytes.len > STORE_INLINE_MAX)
        return txn_set_blob(c->txn, c->key, bytes, result, 0);
    enum rc rc = txn_set_string(c->txn, c->key, bytes, 0);
    if (rc == RC_OK)
        (void)txn_edit_string(c->txn, c->key, bytes.len); /* Redis calls the result "raw" */
    return rc;
}

void cmd_bitop(struct call *c)
{
    enum bits_operation op;
    size_t len = 0;
    if (!parse_bitop(c, &op))
        return;
    for (uint32_t i = 1; i < c->keys_len; i++) {
        const struct value *v;
        if (!call_read(c, i, VALUE_STRING, &v))
            return;
        if (v != NULL && v->str.len > len)
            len = v->str.len;
    }
    if (len == 0) {
        if (txn_remove(c->txn, c->key))
            call_notify(c, NOTIFY_GENERIC, "del", 0);
        reply_int(c->reply, 0);
        return;
    }
    struct blob *result = alloc_try_blob(len);
    if (result != NULL) {
        result->len = len;
        bitop_combine(c, op, result->data, len);
    }
    if (result == NULL || bitop_store_result(c, &result) != RC_OK) {
        call_out_of_memory(c);
    } else {
        call_notify(c, NOTIFY_STRING, "set", 0);
        reply_int(c->reply, (int64_t)len);
    }
    blob_unref(&result);
}
