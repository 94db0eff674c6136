/* Counting different elements: PFADD, PFCOUNT, PFMERGE, and PFDEBUG, PFSELFTEST for whoever wants
 * to look inside. What a sketch is, as bytes, is in compute/hyperloglog.h; here it is a string key.
 *
 * PFCOUNT keeps the estimate it has made in the value, as in Redis, but in memory only: a question
 * journals nothing and makes no key dirty. A later change carries it to the backend, or the key
 * leaves memory and it is made anew.
 *
 * A dense value is changed in place; a sparse one, a few KB at most, in a copy that replaces it
 * once all is well. Either way an error leaves the key as it was. The journal gets the bytes that
 * result, so that recovery does not depend on the limit that is configured then.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/hyperloglog.h"
#include "config/options.h"
#include "executor/args.h"
#include "executor/find_keys.h"

static const char CORRUPT[] = "INVALIDOBJ Corrupted HLL object detected";

/* False: replied, the key holds something else. *value is empty when the key is absent. */
static bool read_sketch(struct call *c, uint32_t i, struct slice *value)
{
    const struct value *v;
    *value = SLICE("");
    if (!call_read(c, i, VALUE_STRING, &v))
        return false;
    if (v == NULL)
        return true;
    *value = v->str;
    if (hll_is_valid(v->str))
        return true;
    reply_error(c->reply, "WRONGTYPE Key is not a valid HyperLogLog string value.");
    return false;
}

static uint64_t sparse_max(void)
{
    return (uint64_t)option_num(OPT_hll_sparse_max_bytes);
}

/* Puts a sketch under key 0. Only its cached estimate may differ from the value already there: then
 * the key does not change. False: replied. */
static bool store_sketch(struct call *c, const struct hll *h)
{
    const struct value *v = txn_peek(c->txn, c->key);
    struct slice bytes = hll_slice(h);
    if (v != NULL && hll_has_same_registers(v->str, bytes)) {
        txn_note_in_string(c->txn, c->key, 0, slice_of(bytes.ptr, HLL_HEADER_LEN));
        txn_touch(c->txn, c->key);
        return true;
    }
    char *place = txn_edit_string(c->txn, c->key, bytes.len);
    if (place == NULL) {
        call_out_of_memory(c);
        return false;
    }
    memcpy(place, bytes.ptr, bytes.len);
    txn_effect_string(c->txn, c->key);
    return true;
}

/* --- PFADD --- */

/* Argument numbers from *i on; stops at the first element that raises a register. */
static enum hll_change find_news(struct call *c, struct slice value, uint32_t *i)
{
    for (; *i < c->argc; ++*i) {
        struct hll_point point = hll_point(c->argv[*i]);
        int has = hll_register(value, point.index);
        if (has < 0)
            return HLL_CORRUPT;
        if (has < point.count)
            return HLL_CHANGED;
    }
    return HLL_SAME;
}

static void say_register(struct call *c, uint32_t index)
{
    size_t at = HLL_HEADER_LEN + (size_t)index * 6 / 8;
    txn_effect_bytes(c->txn, c->key, at, at + 1 < HLL_DENSE_LEN ? 2 : 1);
}

static bool add_dense(struct call *c, uint32_t i)
{
    enum { MANY = 64 }; /* then all of it is the shorter effect */
    char *value = txn_edit_string(c->txn, c->key, HLL_DENSE_LEN);
    uint32_t raised = 0;
    if (value == NULL) {
        call_out_of_memory(c);
        return false;
    }
    bool few = c->argc - i <= MANY;
    for (; i < c->argc; i++) {
        struct hll_point point = hll_point(c->argv[i]);
        bool news = hll_raise_dense(value, point);
        raised += news;
        if (news && few)
            say_register(c, point.index);
    }
    must(raised > 0);
    if (few) /* the count that the header keeps is out of date */
        txn_effect_bytes(c->txn, c->key, 0, HLL_HEADER_LEN);
    else
        txn_effect_string(c->txn, c->key);
    return true;
}

/* value: empty for a new sketch. */
static bool add_sparse(struct call *c, struct slice value, uint32_t i)
{
    struct hll h;
    bool sound = true;
    if (value.len == 0)
        hll_init(&h);
    else
        sound = hll_open(&h, value);
    for (; sound && i < c->argc; i++)
        sound = hll_raise(&h, hll_point(c->argv[i]), sparse_max()) != HLL_CORRUPT;
    if (!sound) {
        reply_error(c->reply, CORRUPT);
        return false;
    }
    hll_touch(&h);
    return store_sketch(c, &h);
}

void cmd_pfadd(struct call *c)
{
    struct slice value;
    uint32_t i = 2;
    if (!read_sketch(c, 0, &value))
        return;
    enum hll_change change = value.len == 0 ? HLL_CHANGED : find_news(c, value, &i);
    if (change == HLL_CORRUPT) {
        reply_error(c->reply, CORRUPT);
        return;
    }
    if (change == HLL_CHANGED) {
        bool dense = value.len > 0 && hll_is_dense(value);
        if (!(dense ? add_dense(c, i) : add_sparse(c, value, i)))
            return;
        call_notify(c, NOTIFY_STRING, "pfadd", 0);
    }
    reply_int(c->reply, change);
}

/* --- PFCOUNT --- */

static void pf_reply_count(struct call *c, bool sound, uint64_t count)
{
    if (sound)
        reply_int(c->reply, (int64_t)count);
    else
        reply_error(c->reply, CORRUPT);
}

static void count_one(struct call *c)
{
    struct slice value;
    uint64_t count = 0;
    if (!read_sketch(c, 0, &value))
        return;
    bool sound = value.len == 0 || hll_cached_count(value, &count);
    if (!sound && hll_count(value, &count)) {
        char cached[HLL_CACHED_LEN];
        hll_cache_count(cached, count);
        txn_note_in_string(c->txn, c->key, HLL_CACHED_AT, slice_of(cached, sizeof(cached)));
        sound = true;
    }
    pf_reply_count(c, sound, count);
}

void cmd_pfcount(struct call *c)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    uint64_t count = 0;
    if (c->keys_len == 1) {
        count_one(c);
        return;
    }
    for (uint32_t i = 0; i < c->keys_len; i++) {
        struct slice value;
        if (!read_sketch(c, i, &value))
            return;
        if (value.len > 0 && !hll_merge(registers, value)) {
            reply_error(c->reply, CORRUPT);
            return;
        }
    }
    bool sound = hll_estimate(registers, &count);
    pf_reply_count(c, sound, count);
}

/* --- PFMERGE --- */

int find_keys_pfmerge(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    for (uint32_t i = 1; i < argc; i++) {
        keys[i - 1].name = argv[i];
        keys[i - 1].mode = i == 1 ? KEY_UPDATE : KEY_READ;
    }
    return (int)argc - 1;
}

/* The union of all keys, the destination among them. *dense: one of them is. False: replied. */
static bool merge_keys(struct call *c, uint8_t *registers, bool *dense)
{
    *dense = false;
    for (uint32_t i = 0; i < c->keys_len; i++) {
        struct slice value;
        if (!read_sketch(c, i, &value))
            return false;
        if (value.len == 0)
            continue;
        *dense |= hll_is_dense(value);
        if (!hll_merge(registers, value)) {
            reply_error(c->reply, CORRUPT);
            return false;
        }
    }
    return true;
}

static bool merge_into(struct hll *h, const uint8_t *registers, bool dense, uint64_t limit)
{
    if (dense) {
        if (!hll_densify(h))
            return false;
        hll_fill(h, registers);
        return true;
    }
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        if (registers[i] > 0 &&
            hll_raise(h, (struct hll_point){i, registers[i]}, limit) == HLL_CORRUPT)
            return false;
    return true;
}

void cmd_pfmerge(struct call *c)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    struct hll h;
    bool dense, sound = true;
    if (!merge_keys(c, registers, &dense))
        return;
    const struct value *v = txn_peek(c->txn, c->key);
    if (v == NULL)
        hll_init(&h);
    else
        sound = hll_open(&h, v->str);
    if (!sound || !merge_into(&h, registers, dense, sparse_max())) {
        reply_error(c->reply, CORRUPT);
        return;
    }
    hll_touch(&h);
    if (!store_sketch(c, &h))
        return;
    call_notify(c, NOTIFY_STRING, "pfadd", 0);
    reply_ok(c->reply);
}

/* --- PFDEBUG, PFSELFTEST --- */

/* Replaces a sparse value by the same one dense. False: replied. */
static bool make_dense(struct call *c, struct slice value)
{
    struct hll h;
    if (!hll_open(&h, value) || !hll_densify(&h)) {
        reply_error(c->reply, CORRUPT);
        return false;
    }
    return store_sketch(c, &h);
}

static void debug_registers(struct call *c, struct slice value)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    if (!hll_is_dense(value) && !make_dense(c, value)) /* as Redis does */
        return;
    value = txn_peek(c->txn, c->key)->str;
    must(hll_merge(registers, value));
    reply_array(c->reply, HLL_REGISTERS);
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        reply_int(c->reply, registers[i]);
}

static void debug_decode(struct call *c, struct slice value)
{
    struct buf text = {0};
    if (hll_is_dense(value))
        reply_error(c->reply, "ERR HLL encoding is not sparse");
    else if (hll_describe(value, &text))
        reply_bulk(c->reply, buf_slice(&text));
    else
        reply_error(c->reply, CORRUPT);
    buf_fini(&text);
}

void cmd_pfdebug(struct call *c)
{
    struct slice value;
    if (!read_sketch(c, 0, &value))
        return;
    if (value.len == 0) {
        reply_error(c->reply, "ERR The specified key does not exist");
        return;
    }
    bool dense = hll_is_dense(value);
    if (args_is(c, 1, "getreg"))
        debug_registers(c, value);
    else if (args_is(c, 1, "decode"))
        debug_decode(c, value);
    else if (args_is(c, 1, "encoding"))
        reply_simple(c->reply, dense ? "dense" : "sparse");
    else if (!args_is(c, 1, "todense"))
        reply_errorf(c->reply, "ERR Unknown PFDEBUG subcommand '%.*s'",
                     (int)min_u64(c->argv[1].len, 128), c->argv[1].ptr);
    else if (dense || make_dense(c, value))
        reply_int(c->reply, !dense);
}

/* The estimate of 1, 10, ... 100,000 numbers is within six standard errors. */
void cmd_pfselftest(struct call *c)
{
    enum { NUMBERS = 100000 };
    const uint64_t limit = sparse_max();
    struct hll h;
    uint64_t count = 0, check = 1;
    hll_init(&h);
    for (uint64_t n = 1; n <= NUMBERS; n++) {
        bool sound = hll_raise(&h, hll_point(slice_of(&n, sizeof(n))), limit) != HLL_CORRUPT;
        if (n < check && sound)
            continue;
        check *= 10;
        double off = sound && hll_count(hll_slice(&h), &count) ? (double)count - (double)n : 1e18;
        double allowed = 6 * 0.0081 * (double)n + 1;
        if (off > allowed || off < -allowed) {
            reply_errorf(c->reply, "TESTFAILED %llu elements are estimated at %llu",
                         (unsigned long long)n, (unsigned long long)count);
            return;
        }
    }
    reply_ok(c->reply);
}
