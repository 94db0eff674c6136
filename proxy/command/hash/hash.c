/* Hashes: setting, asking, removing and counting fields. Random fields and HSCAN are in
 * scan.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "base/num.h"
#include "store/hash.h"

#include <math.h>

/* The hash under key 0, or NULL when it is absent; false: WRONGTYPE was replied. */
static bool read_hash(struct call *c, const struct hash **out)
{
    const struct value *v;
    if (!call_read(c, 0, VALUE_HASH, &v))
        return false;
    *out = v != NULL ? v->object : NULL;
    return true;
}

/* --- Writing --- */

/* The hash to change; NULL: out of memory, replied. The type was checked. */
static struct hash **edit_hash(struct call *c)
{
    struct hash **h = txn_edit_hash(c->txn, c->key, NULL);
    if (h == NULL)
        call_out_of_memory(c);
    return h;
}

static bool set_field(struct call *c, struct slice field, struct slice value, const char *event)
{
    struct hash **h = edit_hash(c);
    if (h == NULL)
        return false;
    if (hash_set(h, field, value) == HASH_OOM) {
        call_out_of_memory(c);
        return false;
    }
    txn_effect(c->txn, c->key, "HSET", 2, (struct slice[]){field, value});
    call_notify(c, NOTIFY_HASH, event, 0);
    return true;
}

/* Sets all pairs and counts the new fields; false: an error was replied, and what was set until
 * then stays set. */
static bool hash_set_pairs(struct call *c, int64_t *added)
{
    const struct hash *present;
    *added = 0;
    if (c->argc % 2 != 0) {
        args_wrong_number(c);
        return false;
    }
    if (!read_hash(c, &present))
        return false;
    struct hash **h = edit_hash(c);
    if (h == NULL)
        return false;
    for (uint32_t i = 2; i < c->argc; i += 2) {
        enum hash_set_result result = hash_set(h, c->argv[i], c->argv[i + 1]);
        if (result == HASH_OOM) {
            if (i > 2) {
                txn_effect(c->txn, c->key, "HSET", i - 2, c->argv + 2);
                call_notify(c, NOTIFY_HASH, "hset", 0);
            }
            call_out_of_memory(c);
            return false;
        }
        *added += result == HASH_ADDED;
    }
    txn_effect_request(c->txn, c->key);
    call_notify(c, NOTIFY_HASH, "hset", 0);
    return true;
}

void cmd_hset(struct call *c)
{
    int64_t added;
    if (hash_set_pairs(c, &added))
        reply_int(c->reply, added);
}

void cmd_hmset(struct call *c)
{
    int64_t added;
    if (hash_set_pairs(c, &added))
        reply_ok(c->reply);
}

void cmd_hsetnx(struct call *c)
{
    const struct hash *h;
    struct slice value;
    if (!read_hash(c, &h))
        return;
    if (h != NULL && hash_get(h, c->argv[2], &value))
        reply_int(c->reply, 0);
    else if (set_field(c, c->argv[2], c->argv[3], "hset"))
        reply_int(c->reply, 1);
}

/* Removes fields from argument i on and counts them. With the last one the key goes, at once: what
 * comes behind this command in EXEC finds neither hash nor TTL. */
static int64_t hash_remove_fields(struct call *c, struct hash **h, uint32_t i)
{
    int64_t removed = 0;
    struct slice value;
    for (; i < c->argc; i++) {
        if (hash_count(*h) == 1 && hash_get(*h, c->argv[i], &value)) {
            txn_remove(c->txn, c->key);
            return removed + 1;
        }
        removed += hash_remove(h, c->argv[i]);
    }
    return removed;
}

void cmd_hdel(struct call *c)
{
    const struct hash *present;
    int64_t removed = 0;
    if (!read_hash(c, &present))
        return;
    struct slice value;
    uint32_t i = 2;
    while (present != NULL && i < c->argc && !hash_get(present, c->argv[i], &value))
        i++;
    if (present != NULL && i < c->argc) {
        struct hash **h = edit_hash(c);
        if (h == NULL)
            return;
        removed = hash_remove_fields(c, h, i);
        call_notify(c, NOTIFY_HASH, "hdel", 0);
        if (txn_peek(c->txn, c->key) != NULL)
            txn_effect_request(c->txn, c->key);
        else
            call_notify(c, NOTIFY_GENERIC, "del", 0);
    }
    reply_int(c->reply, removed);
}

void cmd_hincrby(struct call *c)
{
    int64_t by, n = 0;
    const struct hash *h;
    struct slice value;
    if (!call_int(c, 3, &by, NULL) || !read_hash(c, &h))
        return;
    if (h != NULL && hash_get(h, c->argv[2], &value) && !num_parse_i64(value, &n)) {
        reply_error(c->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(n, by, &n)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    char digits[NUM_I64_MAX];
    if (set_field(c, c->argv[2], slice_of(digits, num_format_i64(digits, n)), "hincrby"))
        reply_int(c->reply, n);
}

void cmd_hincrbyfloat(struct call *c)
{
    long double by, n = 0;
    const struct hash *h;
    struct slice value;
    if (!num_parse_long_double(c->argv[3], &by)) {
        reply_error(c->reply, REPLY_NOT_FLOAT);
        return;
    }
    if (isinf(by)) {
        reply_error(c->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!read_hash(c, &h))
        return;
    if (h != NULL && hash_get(h, c->argv[2], &value) && !num_parse_long_double(value, &n)) {
        reply_error(c->reply, "ERR hash value is not a float");
        return;
    }
    if (!args_add_float(c, &n, by))
        return;
    char digits[NUM_LONG_DOUBLE_MAX];
    struct slice text = slice_of(digits, num_format_long_double(digits, n));
    if (!set_field(c, c->argv[2], text, "hincrbyfloat"))
        return;
    reply_bulk(c->reply, text);
}

/* --- Reading --- */

static void hash_reply_field(struct call *c, const struct hash *h, struct slice field)
{
    struct slice value;
    if (h != NULL && hash_get(h, field, &value))
        reply_bulk(c->reply, value);
    else
        reply_null(c->reply);
}

void cmd_hget(struct call *c)
{
    const struct hash *h;
    if (read_hash(c, &h))
        hash_reply_field(c, h, c->argv[2]);
}

void cmd_hmget(struct call *c)
{
    const struct hash *h;
    if (!read_hash(c, &h))
        return;
    size_t mark = c->reply->buf.len;
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc && args_reply_fits(c, mark); i++)
        hash_reply_field(c, h, c->argv[i]);
}

static bool hash_reply_pair(void *ctx, struct slice field, struct slice value)
{
    struct call *c = ctx;
    reply_bulk(c->reply, field);
    reply_bulk(c->reply, value);
    return true;
}

static bool reply_name(void *ctx, struct slice field, struct slice value)
{
    (void)value;
    struct call *c = ctx;
    reply_bulk(c->reply, field);
    return true;
}

static bool reply_content(void *ctx, struct slice field, struct slice value)
{
    (void)field;
    struct call *c = ctx;
    reply_bulk(c->reply, value);
    return true;
}

void cmd_hgetall(struct call *c)
{
    const struct hash *h;
    if (!read_hash(c, &h))
        return;
    reply_map(c->reply, h != NULL ? hash_count(h) : 0);
    if (h != NULL)
        hash_each(h, hash_reply_pair, c);
}

void cmd_hkeys(struct call *c)
{
    const struct hash *h;
    if (!read_hash(c, &h))
        return;
    reply_array(c->reply, h != NULL ? hash_count(h) : 0);
    if (h != NULL)
        hash_each(h, reply_name, c);
}

void cmd_hvals(struct call *c)
{
    const struct hash *h;
    if (!read_hash(c, &h))
        return;
    reply_array(c->reply, h != NULL ? hash_count(h) : 0);
    if (h != NULL)
        hash_each(h, reply_content, c);
}

void cmd_hlen(struct call *c)
{
    const struct hash *h;
    if (read_hash(c, &h))
        reply_int(c->reply, h != NULL ? (int64_t)hash_count(h) : 0);
}

void cmd_hstrlen(struct call *c)
{
    const struct hash *h;
    struct slice value = {NULL, 0};
    if (!read_hash(c, &h))
        return;
    bool found = h != NULL && hash_get(h, c->argv[2], &value);
    reply_int(c->reply, found ? (int64_t)value.len : 0);
}

void cmd_hexists(struct call *c)
{
    const struct hash *h;
    struct slice value;
    if (read_hash(c, &h))
        reply_int(c->reply, h != NULL && hash_get(h, c->argv[2], &value));
}
