/* Sorted sets: popping the lowest or highest members, at once or waiting for them.
 *
 * What is journalled of a pop are the members that it took.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset/zset.h"
#include "executor/blocked.h"
#include "executor/find_keys.h"

#include "base/num.h"

static const char NOT_POSITIVE[] = "ERR value is out of range, must be positive";

/* The ends of a sorted set. */
struct end {
    bool highest;
    const char *event;
};

static const struct end LOWEST = {false, "zpopmin"};
static const struct end HIGHEST = {true, "zpopmax"};

struct pop {
    const struct end *end;
    uint32_t key;           /* number in the call */
    const struct zset *set; /* is there */
    struct zset **edited;   /* NULL: all members go, and with them the key */
    size_t all, n;
};

static size_t pop_rank(const struct pop *p)
{
    return p->end->highest ? p->all - p->n : 0;
}

/* Makes ready to take up to `count` members, at least one. False: that cannot be, replied. */
static bool pop_begin(struct call *c, struct pop *p, uint64_t count)
{
    p->all = zset_count(p->set);
    p->n = min_u64(count, p->all);
    if (p->n == p->all)
        return true;
    if (!zset_cmd_may_remove(c, p->set, pop_rank(p), p->n))
        return false;
    p->edited = zset_edit(c, p->key);
    if (p->edited != NULL)
        p->set = *p->edited;
    return p->edited != NULL;
}

/* Replies the members, whose header is written, and removes them. */
static void pop_finish(struct call *c, const struct pop *p, enum zset_layout layout)
{
    struct zset_replying replying = {c->reply, layout};
    bool highest = p->end->highest;
    zset_each(p->set, highest ? p->all - 1 : 0, p->n, highest, zset_reply_member, &replying);
    if (p->edited != NULL)
        zset_cmd_remove_ranks(c, p->key, p->edited, pop_rank(p), p->n);
    else
        txn_remove(c->txn, c->key + p->key);
    call_notify(c, NOTIFY_ZSET, p->end->event, p->key);
    if (p->edited == NULL)
        call_notify(c, NOTIFY_GENERIC, "del", p->key);
}

/* --- ZPOPMIN, ZPOPMAX --- */

static bool zpop_parse_count(struct call *c, uint32_t i, int64_t *count)
{
    if (!call_int(c, i, count, NOT_POSITIVE))
        return false;
    if (*count < 0)
        reply_error(c->reply, NOT_POSITIVE);
    return *count >= 0;
}

static void pop_of_one_key(struct call *c, const struct end *end)
{
    struct pop p = {.end = end};
    int64_t count = 1;
    if (c->argc > 3) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    if ((c->argc == 3 && !zpop_parse_count(c, 2, &count)) || !zset_read(c, 0, &p.set))
        return;
    if (p.set == NULL || count == 0) {
        reply_array(c->reply, 0);
        return;
    }
    if (!pop_begin(c, &p, (uint64_t)count))
        return;
    /* Without a count there is one member, and no pair in RESP3 either. */
    struct zset_replying replying = {c->reply, ZSET_FLAT};
    if (c->argc == 3)
        replying.layout = zset_layout_with_scores(c->reply);
    zset_reply_header(&replying, p.n);
    pop_finish(c, &p, replying.layout);
}

void cmd_zpopmin(struct call *c)
{
    pop_of_one_key(c, &LOWEST);
}

void cmd_zpopmax(struct call *c)
{
    pop_of_one_key(c, &HIGHEST);
}

/* --- The first key that has members --- */

/* False: replied. p->set is NULL when all keys are absent. */
static bool find_first(struct call *c, struct pop *p)
{
    for (p->key = 0; p->key < c->keys_len; p->key++) {
        if (!zset_read(c, p->key, &p->set))
            return false;
        if (p->set != NULL)
            return true;
    }
    return true;
}

/* [key, member, score] */
static void wait_for_one(struct call *c, const struct end *end)
{
    struct pop p = {.end = end};
    int64_t timeout_ms;
    if (!call_timeout(c, c->argc - 1, &timeout_ms) || !find_first(c, &p))
        return;
    if (p.set == NULL) {
        call_block(c, c->keys_len, VALUE_ZSET, timeout_ms, BLOCK_NULL_ARRAY);
        return;
    }
    if (!pop_begin(c, &p, 1))
        return;
    struct slice key = c->argv[1 + p.key];
    reply_array(c->reply, 3);
    reply_bulk(c->reply, key);
    pop_finish(c, &p, ZSET_FLAT);
}

void cmd_bzpopmin(struct call *c)
{
    wait_for_one(c, &LOWEST);
}

void cmd_bzpopmax(struct call *c)
{
    wait_for_one(c, &HIGHEST);
}

/* --- ZMPOP, BZMPOP --- */

static int find_keys_from(uint32_t argc, const struct slice *argv, uint32_t at,
                          struct txn_key *keys)
{
    int n = zset_peek_numkeys(argc, argv, at);
    for (int i = 0; i < n; i++) {
        keys[i].mode = KEY_UPDATE;
        keys[i].name = argv[at + 1 + (uint32_t)i];
    }
    return n;
}

int find_keys_zmpop(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    return find_keys_from(argc, argv, 1, keys);
}

int find_keys_bzmpop(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    return find_keys_from(argc, argv, 2, keys);
}

/* numkeys stands at argument i. */
static bool parse_mpop(struct call *c, uint32_t i, const struct end **end, int64_t *count)
{
    int64_t keys;
    if (!args_positive(c, i, &keys, "ERR numkeys should be greater than 0"))
        return false;
    bool valid = keys < (int64_t)c->argc - (int64_t)i - 1;
    uint32_t at = valid ? i + 1 + (uint32_t)keys : 0;
    if (valid && args_is(c, at, "min"))
        *end = &LOWEST;
    else if (valid && args_is(c, at, "max"))
        *end = &HIGHEST;
    else
        valid = false;
    if (valid && at + 1 < c->argc) {
        valid = at + 2 < c->argc && args_is(c, at + 1, "count");
        if (valid && !args_positive(c, at + 2, count, "ERR count should be greater than 0"))
            return false;
        valid = valid && at + 3 == c->argc; /* the first of several counts is judged before them */
    }
    if (!valid)
        reply_error(c->reply, REPLY_SYNTAX);
    return valid;
}

/* [key, [[member, score], ...]] */
static void pop_of_many(struct call *c, uint32_t i, bool waits)
{
    struct pop p = {0};
    int64_t count = 1, timeout_ms = 0;
    if (!parse_mpop(c, i, &p.end, &count) || (waits && !call_timeout(c, 1, &timeout_ms)) ||
        !find_first(c, &p))
        return;
    if (p.set == NULL && waits) {
        call_block(c, c->keys_len, VALUE_ZSET, timeout_ms, BLOCK_NULL_ARRAY);
        return;
    }
    if (p.set == NULL) {
        reply_null_array(c->reply);
        return;
    }
    if (!pop_begin(c, &p, (uint64_t)count))
        return;
    struct slice key = c->argv[i + 1 + p.key];
    reply_array(c->reply, 2);
    reply_bulk(c->reply, key);
    reply_array(c->reply, p.n);
    pop_finish(c, &p, ZSET_PAIRS);
}

void cmd_zmpop(struct call *c)
{
    pop_of_many(c, 1, false);
}

void cmd_bzmpop(struct call *c)
{
    pop_of_many(c, 2, true);
}
