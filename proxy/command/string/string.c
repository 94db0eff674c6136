/* Whole strings: GET and SET in all their forms.
 *
 * A plain SET overwrites without looking, so it never loads; any option that needs to know what is
 * there (NX, XX, KEEPTTL) makes it look for the key, and GET for its value, see find_keys_set.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"
#include "executor/find_keys.h"

enum set_option {
    SET_NX = 1,
    SET_XX = 2,
    SET_GET = 4,
    SET_KEEPTTL = 8,
    SET_PERSIST = 16,
    SET_EX = 32,
    SET_PX = 64,
    SET_EXAT = 128,
    SET_PXAT = 256,
    SET_ANY_EXPIRY = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
};

struct set_options {
    unsigned flags;
    uint32_t expiry_arg; /* index of the time, when there is one */
};

static const struct {
    const char *word;
    unsigned flag;
    unsigned excludes; /* given before, these make it a syntax error */
} set_words[] = {
    {"nx", SET_NX, SET_XX},
    {"xx", SET_XX, SET_NX},
    {"get", SET_GET, 0},
    {"keepttl", SET_KEEPTTL, SET_ANY_EXPIRY | SET_PERSIST},
    {"persist", SET_PERSIST, SET_ANY_EXPIRY | SET_KEEPTTL},
    {"ex", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_ANY_EXPIRY & ~SET_EX)},
    {"px", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_ANY_EXPIRY & ~SET_PX)},
    {"exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_ANY_EXPIRY & ~SET_EXAT)},
    {"pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_ANY_EXPIRY & ~SET_PXAT)},
};

static bool string_parse_options(struct call *c, uint32_t from, unsigned allowed,
                                 struct set_options *out)
{
    *out = (struct set_options){0};
    for (uint32_t i = from; i < c->argc; i++) {
        size_t w = 0;
        while (w < COUNT_OF(set_words) && !args_is(c, i, set_words[w].word))
            w++;
        bool known = w < COUNT_OF(set_words) && (set_words[w].flag & allowed) != 0 &&
                     (set_words[w].excludes & out->flags) == 0;
        bool timed = known && (set_words[w].flag & SET_ANY_EXPIRY) != 0;
        if (!known || (timed && i + 1 == c->argc)) {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
        out->flags |= set_words[w].flag;
        if (timed)
            out->expiry_arg = ++i;
    }
    return true;
}

static bool parse_expiry(struct call *c, const struct set_options *o, int64_t *at_ms)
{
    *at_ms = 0;
    if ((o->flags & SET_ANY_EXPIRY) == 0)
        return true;
    enum expiry_unit unit = (o->flags & SET_EX) != 0     ? EXPIRY_RELATIVE_S
                            : (o->flags & SET_PX) != 0   ? EXPIRY_RELATIVE_MS
                            : (o->flags & SET_EXAT) != 0 ? EXPIRY_AT_S
                                                         : EXPIRY_AT_MS;
    return args_expiry(c, o->expiry_arg, unit, at_ms);
}

int find_keys_set(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    keys[0].name = argv[1];
    bool looks = false, gets = false;
    for (uint32_t i = 3; i < argc; i++) {
        gets |= slice_is_word(argv[i], "get");
        looks |= slice_is_word(argv[i], "nx") || slice_is_word(argv[i], "xx") ||
                 slice_is_word(argv[i], "keepttl");
    }
    keys[0].mode = gets ? KEY_UPDATE : looks ? KEY_PLACE : KEY_OVERWRITE;
    return 1;
}

/* SET GET, GETSET and their like look the key up as readers do. */
static bool read_old(struct call *c, const struct value **old)
{
    if (!call_read(c, 0, VALUE_STRING, old))
        return false;
    if (*old == NULL)
        call_notify(c, NOTIFY_MISS, "keymiss", 0);
    return true;
}

static void reply_value(struct call *c, const struct value *v)
{
    if (v == NULL)
        reply_null(c->reply);
    else if (v->blob != NULL)
        reply_bulk_blob(c->reply, v->blob, v->str);
    else
        reply_bulk(c->reply, v->str);
}

/* Stores argument `arg` under key 0. False: out of memory, and that was replied instead of anything
 * after `mark`. */
static bool store_arg(struct call *c, uint32_t arg, int64_t at_ms, size_t mark)
{
    struct slice value = c->argv[arg];
    bool past = at_ms > 0 && at_ms <= txn_now(c->txn).ms;
    if (!args_string_fits(c, 0, value.len))
        return false;
    if (call_set_string(c, 0, arg, at_ms) != RC_OK) {
        reply_truncate(c->reply, mark);
        call_out_of_memory(c);
        return false;
    }
    call_notify(c, NOTIFY_STRING, "set", 0);
    if (at_ms > 0)
        call_notify(c, NOTIFY_GENERIC, "expire", 0);
    if (past) /* it was there for no time at all */
        call_notify(c, NOTIFY_EXPIRED, "expired", 0);
    return true;
}

static void set_conditional(struct call *c, const struct set_options *o, int64_t at_ms)
{
    size_t mark = c->reply->buf.len;
    bool get = (o->flags & SET_GET) != 0;
    const struct value *old;
    if (!args_string_fits(c, 0, c->argv[2].len))
        return;
    if (get) {
        if (!read_old(c, &old))
            return;
        reply_value(c, old);
    } else {
        old = txn_read(c->txn, c->key);
    }
    if (((o->flags & SET_NX) != 0 && old != NULL) || ((o->flags & SET_XX) != 0 && old == NULL)) {
        if (!get)
            reply_null(c->reply);
        return;
    }
    int64_t expiry = (o->flags & SET_KEEPTTL) != 0 ? TXN_KEEP_TTL : at_ms;
    if (store_arg(c, 2, expiry, mark) && !get)
        reply_ok(c->reply);
}

void cmd_set(struct call *c)
{
    if (LIKELY(c->argc == 3)) {
        txn_effect_request(c->txn, c->key);
        if (store_arg(c, 2, 0, c->reply->buf.len))
            reply_ok(c->reply);
        return;
    }
    struct set_options o;
    int64_t at_ms;
    if (!string_parse_options(c, 3, ~(unsigned)SET_PERSIST, &o) || !parse_expiry(c, &o, &at_ms))
        return;
    if ((o.flags & (SET_NX | SET_XX | SET_GET | SET_KEEPTTL)) != 0)
        set_conditional(c, &o, at_ms);
    else if (store_arg(c, 2, at_ms, c->reply->buf.len))
        reply_ok(c->reply);
}

static void set_with_expiry(struct call *c, enum expiry_unit unit)
{
    int64_t at_ms;
    if (args_expiry(c, 2, unit, &at_ms) && store_arg(c, 3, at_ms, c->reply->buf.len))
        reply_ok(c->reply);
}

void cmd_setex(struct call *c)
{
    set_with_expiry(c, EXPIRY_RELATIVE_S);
}

void cmd_psetex(struct call *c)
{
    set_with_expiry(c, EXPIRY_RELATIVE_MS);
}

void cmd_setnx(struct call *c)
{
    if (txn_read(c->txn, c->key) != NULL)
        reply_int(c->reply, 0);
    else if (store_arg(c, 2, 0, c->reply->buf.len))
        reply_int(c->reply, 1);
}

void cmd_get(struct call *c)
{
    const struct value *v;
    if (call_read(c, 0, VALUE_STRING, &v))
        reply_value(c, v);
}

void cmd_getset(struct call *c)
{
    size_t mark = c->reply->buf.len;
    const struct value *v;
    if (!args_string_fits(c, 0, c->argv[2].len) || !read_old(c, &v))
        return;
    reply_value(c, v);
    (void)store_arg(c, 2, 0, mark);
}

void cmd_getdel(struct call *c)
{
    const struct value *v;
    if (!read_old(c, &v))
        return;
    reply_value(c, v);
    if (v != NULL && txn_remove(c->txn, c->key))
        call_notify(c, NOTIFY_GENERIC, "del", 0);
}

void cmd_getex(struct call *c)
{
    struct set_options o;
    const struct value *v;
    int64_t at_ms;
    if (!string_parse_options(c, 2, SET_ANY_EXPIRY | SET_PERSIST, &o) || !read_old(c, &v))
        return;
    if (v == NULL) {
        reply_null(c->reply);
        return;
    }
    if (!parse_expiry(c, &o, &at_ms))
        return;
    size_t mark = c->reply->buf.len;
    reply_value(c, v);
    if (at_ms > 0 && at_ms <= txn_now(c->txn).ms) {
        txn_remove(c->txn, c->key);
        call_notify(c, NOTIFY_GENERIC, "del", 0);
    } else if (at_ms > 0) {
        if (txn_set_expiry(c->txn, c->key, at_ms) != RC_OK) {
            reply_truncate(c->reply, mark);
            call_out_of_memory(c);
            return;
        }
        call_notify(c, NOTIFY_GENERIC, "expire", 0);
    } else if ((o.flags & SET_PERSIST) != 0 && v->expires_at_ms != 0) {
        must(txn_set_expiry(c->txn, c->key, 0) == RC_OK);
        call_notify(c, NOTIFY_GENERIC, "persist", 0);
    }
}

void cmd_mget(struct call *c)
{
    size_t mark = c->reply->buf.len;
    reply_array(c->reply, c->keys_len);
    for (uint32_t i = 0; i < c->keys_len && args_reply_fits(c, mark); i++) {
        const struct value *v = txn_read(c->txn, c->key + i);
        reply_value(c, v != NULL && v->type == VALUE_STRING ? v : NULL);
    }
}

/* Sets all pairs of the request; false: out of memory, replied, and what was set until then stays
 * set. */
/* Memory ended before pair `n`: says those that were set instead of the request. */
static void say_first_pairs(struct call *c, uint32_t n)
{
    txn_effect_nothing(c->txn);
    for (uint32_t i = 0; i < n; i++)
        txn_effect_string(c->txn, c->key + i);
}

static bool string_set_pairs(struct call *c)
{
    uint32_t pairs = (c->argc - 1) / 2;
    for (uint32_t i = 0; i < pairs; i++)
        if (!args_string_fits(c, 0, c->argv[2 * i + 2].len))
            return false;
    if (!txn_effect_try_request(c->txn, c->key)) {
        call_out_of_memory(c);
        return false;
    }
    for (uint32_t i = 0; i < pairs; i++) {
        if (call_set_string(c, i, 2 * i + 2, 0) != RC_OK) {
            say_first_pairs(c, i);
            call_out_of_memory(c);
            return false;
        }
        call_notify(c, NOTIFY_STRING, "set", i);
    }
    return true;
}

void cmd_mset(struct call *c)
{
    if (c->argc % 2 == 0)
        args_wrong_number(c);
    else if (string_set_pairs(c))
        reply_ok(c->reply);
}

void cmd_msetnx(struct call *c)
{
    if (c->argc % 2 == 0) {
        args_wrong_number(c);
        return;
    }
    for (uint32_t i = 0; i < c->keys_len; i++) {
        if (txn_read(c->txn, c->key + i) != NULL) {
            reply_int(c->reply, 0);
            return;
        }
    }
    if (string_set_pairs(c))
        reply_int(c->reply, 1);
}
