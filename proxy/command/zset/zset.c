/* Sorted sets: adding, removing and asking for members. Ranges, popping, algebra and random members
 * have files of their own.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset/zset.h"

#include "base/num.h"

#include <math.h>

void zset_reply_header(const struct zset_replying *r, uint64_t n)
{
    reply_array(r->reply, r->layout == ZSET_FLAT ? 2 * n : n);
}

bool zset_reply_member(void *ctx, struct slice member, double score)
{
    const struct zset_replying *r = ctx;
    if (r->layout == ZSET_PAIRS)
        reply_array(r->reply, 2);
    reply_bulk(r->reply, member);
    if (r->layout != ZSET_MEMBERS)
        reply_double(r->reply, score);
    return true;
}

int zset_peek_numkeys(uint32_t argc, const struct slice *argv, uint32_t i)
{
    int64_t n;
    if (i >= argc || !num_parse_i64(argv[i], &n) || n < 1 || n > (int64_t)argc - (int64_t)i - 1)
        return -1;
    return (int)n;
}

/* --- Adding --- */

struct zadd {
    bool nx, xx, gt, lt, ch, incr;
    uint32_t first; /* argument: the first score */
};

/* Whole numbers, which most scores are, without strtod. */
static bool parse_score(struct slice text, double *out)
{
    enum { EXACT_DIGITS = 15 };
    int64_t n;
    if (text.len <= EXACT_DIGITS && num_parse_i64(text, &n)) {
        *out = (double)n;
        return true;
    }
    return num_parse_double(text, out);
}

static bool zadd_parse_option(struct call *c, uint32_t i, struct zadd *a)
{
    if (args_is(c, i, "nx"))
        a->nx = true;
    else if (args_is(c, i, "xx"))
        a->xx = true;
    else if (args_is(c, i, "ch"))
        a->ch = true;
    else if (args_is(c, i, "incr"))
        a->incr = true;
    else if (args_is(c, i, "gt"))
        a->gt = true;
    else if (args_is(c, i, "lt"))
        a->lt = true;
    else
        return false;
    return true;
}

static const char *wrong_options(const struct call *c, const struct zadd *a)
{
    uint32_t left = c->argc - a->first;
    if (left == 0 || left % 2 != 0)
        return REPLY_SYNTAX;
    if (a->nx && a->xx)
        return "ERR XX and NX options at the same time are not compatible";
    if ((a->gt && (a->nx || a->lt)) || (a->lt && a->nx))
        return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if (a->incr && left > 2)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

static bool zadd_parse(struct call *c, struct zadd *a)
{
    a->first = 2;
    while (a->first < c->argc && zadd_parse_option(c, a->first, a))
        a->first++;
    const char *wrong = wrong_options(c, a);
    double score;
    for (uint32_t i = a->first; wrong == NULL && i < c->argc; i += 2) {
        if (!parse_score(c->argv[i], &score))
            wrong = REPLY_NOT_FLOAT;
    }
    if (wrong != NULL)
        reply_error(c->reply, wrong);
    return wrong == NULL;
}

enum verdict { REFUSED, SAME, CHANGES, NOT_A_NUMBER };

/* What the options make of a member and a score, which becomes the one to be stored. */
static enum verdict zadd_judge(const struct zadd *a, const struct zset *z, struct slice member,
                               double *score)
{
    double present;
    if (z == NULL || !zset_score(z, member, &present))
        return a->xx ? REFUSED : CHANGES;
    if (a->nx)
        return REFUSED;
    if (a->incr) {
        *score += present;
        if (isnan(*score))
            return NOT_A_NUMBER;
    }
    if ((a->lt && *score >= present) || (a->gt && *score <= present))
        return REFUSED;
    return *score == present ? SAME : CHANGES;
}

/* Memory ran out at argument i. What was done until then stays, and options have said it. */
static void stop_adding(struct call *c, bool plain, uint32_t i)
{
    if (plain && i > 2)
        txn_effect(c->txn, c->key, "ZADD", i - 2, c->argv + 2);
    call_out_of_memory(c);
}

struct added {
    int64_t added, updated;
    enum verdict last;
    double score; /* of the last one */
};

/* False: an error was replied. */
static bool zadd_add_members(struct call *c, const struct zadd *a, struct added *out)
{
    const struct zset *present;
    struct zset **z = NULL;
    bool plain = !a->nx && !a->xx && !a->gt && !a->lt && !a->incr;
    bool verbatim = plain && a->first == 2; /* without options the request says it all */
    if (!zset_read(c, 0, &present))
        return false;
    for (uint32_t i = a->first; i < c->argc; i += 2) {
        struct slice member = c->argv[i + 1];
        must(parse_score(c->argv[i], &out->score));
        out->last = CHANGES;
        if (z == NULL || !plain)
            out->last = zadd_judge(a, z != NULL ? *z : present, member, &out->score);
        if (out->last == NOT_A_NUMBER) {
            reply_error(c->reply, "ERR resulting score is not a number (NaN)");
            return false;
        }
        if (out->last != CHANGES)
            continue;
        if (z == NULL)
            z = txn_edit_zset(c->txn, c->key, NULL);
        enum zset_put_result result = z != NULL ? zset_put(z, member, out->score) : ZSET_OOM;
        if (result == ZSET_OOM) {
            stop_adding(c, verbatim, i);
            return false;
        }
        out->added += result == ZSET_ADDED;
        out->updated += result == ZSET_UPDATED;
        if (!verbatim)
            zset_effect_score(c, member, out->score);
    }
    if (z != NULL)
        txn_effect_request(c->txn, c->key);
    return true;
}

static void zadd_run(struct call *c, struct zadd *a)
{
    struct added done = {0};
    if (!zadd_parse(c, a))
        return;
    bool complete = zadd_add_members(c, a, &done);
    if (done.added + done.updated > 0)
        call_notify(c, NOTIFY_ZSET, a->incr ? "zincr" : "zadd", 0);
    if (!complete)
        return;
    if (!a->incr)
        reply_int(c->reply, a->ch ? done.added + done.updated : done.added);
    else if (done.last == REFUSED)
        reply_null(c->reply);
    else
        reply_double(c->reply, done.score);
}

void cmd_zadd(struct call *c)
{
    struct zadd a = {0};
    zadd_run(c, &a);
}

void cmd_zincrby(struct call *c)
{
    struct zadd a = {.incr = true};
    zadd_run(c, &a);
}

/* --- Removing --- */

void cmd_zrem(struct call *c)
{
    const struct zset *present;
    int64_t removed = 0;
    double score;
    if (!zset_read(c, 0, &present))
        return;
    uint32_t i = 2;
    while (present != NULL && i < c->argc && !zset_score(present, c->argv[i], &score))
        i++;
    if (present == NULL || i == c->argc) {
        reply_int(c->reply, 0);
        return;
    }
    struct zset **z = zset_edit(c, 0);
    if (z == NULL)
        return;
    bool gone = false;
    for (; i < c->argc && !gone; i++) {
        gone = zset_count(*z) == 1 && zset_score(*z, c->argv[i], &score);
        removed += gone || zset_remove(z, c->argv[i]);
    }
    if (gone) /* at once: what comes behind this command in EXEC finds neither set nor TTL */
        txn_remove(c->txn, c->key);
    else
        txn_effect_request(c->txn, c->key);
    call_notify(c, NOTIFY_ZSET, "zrem", 0);
    if (gone)
        call_notify(c, NOTIFY_GENERIC, "del", 0);
    reply_int(c->reply, removed);
}

enum { MEMBER_FRAME = 32 };

static bool add_bytes(void *ctx, struct slice member, double score)
{
    uint64_t *bytes = ctx;
    (void)score;
    *bytes += member.len + MEMBER_FRAME;
    return true;
}

bool zset_cmd_may_remove(struct call *c, const struct zset *z, size_t first, size_t n)
{
    uint64_t bytes = 0;
    if (LIKELY(txn_effect_fits(c->txn, zset_ops.memory(z) + n * MEMBER_FRAME)))
        return true;
    zset_each(z, first, n, false, add_bytes, &bytes);
    return call_effect_fits(c, bytes);
}

struct zremoval {
    struct call *c;
    uint32_t key, argc;
    struct slice argv[256];
};

static void zrem_say(struct zremoval *r)
{
    if (r->argc > 0)
        txn_effect(r->c->txn, r->c->key + r->key, "ZREM", r->argc, r->argv);
    r->argc = 0;
}

static bool zrem_note(void *ctx, struct slice member, double score)
{
    struct zremoval *r = ctx;
    (void)score;
    r->argv[r->argc++] = member;
    if (r->argc == COUNT_OF(r->argv))
        zrem_say(r);
    return true;
}

void zset_cmd_remove_ranks(struct call *c, uint32_t i, struct zset **z, size_t first, size_t n)
{
    struct zremoval r;
    r.c = c;
    r.key = i;
    r.argc = 0;
    zset_each(*z, first, n, false, zrem_note, &r);
    zrem_say(&r);
    zset_remove_ranks(z, first, n);
}

/* --- Asking --- */

void cmd_zcard(struct call *c)
{
    const struct zset *z;
    if (zset_read(c, 0, &z))
        reply_int(c->reply, z != NULL ? (int64_t)zset_count(z) : 0);
}

static void reply_score(struct call *c, const struct zset *z, struct slice member)
{
    double score;
    if (z != NULL && zset_score(z, member, &score))
        reply_double(c->reply, score);
    else
        reply_null(c->reply);
}

void cmd_zscore(struct call *c)
{
    const struct zset *z;
    if (zset_read(c, 0, &z))
        reply_score(c, z, c->argv[2]);
}

void cmd_zmscore(struct call *c)
{
    const struct zset *z;
    if (!zset_read(c, 0, &z))
        return;
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++)
        reply_score(c, z, c->argv[i]);
}

static void rank(struct call *c, bool reverse)
{
    const struct zset *z;
    size_t at;
    double score = 0;
    if (c->argc > 4) {
        args_wrong_number(c);
        return;
    }
    bool with_score = c->argc == 4;
    if (with_score && !args_is(c, 3, "withscore")) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    if (!zset_read(c, 0, &z))
        return;
    if (z == NULL || !zset_rank(z, c->argv[2], &at)) {
        if (with_score)
            reply_null_array(c->reply);
        else
            reply_null(c->reply);
        return;
    }
    if (with_score && zset_score(z, c->argv[2], &score))
        reply_array(c->reply, 2);
    reply_int(c->reply, (int64_t)(reverse ? zset_count(z) - 1 - at : at));
    if (with_score)
        reply_double(c->reply, score);
}

void cmd_zrank(struct call *c)
{
    rank(c, false);
}

void cmd_zrevrank(struct call *c)
{
    rank(c, true);
}
