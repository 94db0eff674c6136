/* Sorted sets: what takes a range of ranks, scores or names. Whatever the form, it becomes a run of
 * ranks first, found in O(log n), so that LIMIT and counting cost nothing.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset/zset.h"

#include "base/num.h"
#include "executor/find_keys.h"

#include <math.h>
#include <stdlib.h>

enum range_kind { BY_RANK, BY_SCORE, BY_LEX };

struct score_bound {
    double score;
    bool exclusive;
};

struct lex_bound {
    enum { LEX_LOWEST, LEX_HIGHEST, LEX_NAME } kind;
    struct slice name;
    bool exclusive;
};

struct zrange {
    enum range_kind kind;
    bool reverse;
    bool scores;            /* WITHSCORES */
    int64_t offset, limit;  /* a negative limit is none */
    int64_t start, stop;    /* ranks, negative from the end */
    struct score_bound min; /* BY_SCORE */
    struct score_bound max;
    struct lex_bound first; /* BY_LEX */
    struct lex_bound last;
};

/* --- Bounds --- */

/* As Redis does, laxer than with a score. */
static bool parse_score_bound(struct slice text, struct score_bound *out)
{
    out->exclusive = text.len > 0 && text.ptr[0] == '(';
    size_t skip = out->exclusive;
    return num_parse_double_lax(slice_of(text.ptr + skip, text.len - skip), &out->score);
}

static bool parse_lex_bound(struct slice text, struct lex_bound *out)
{
    if (text.len == 0)
        return false;
    char first = text.ptr[0];
    out->exclusive = first == '(';
    out->kind = first == '-' ? LEX_LOWEST : first == '+' ? LEX_HIGHEST : LEX_NAME;
    if (out->kind != LEX_NAME)
        return text.len == 1;
    out->name = slice_of(text.ptr + 1, text.len - 1);
    return first == '(' || first == '[';
}

/* The bounds are arguments i and i + 1; for a reverse range the higher one comes first. */
static bool parse_bounds(struct call *c, uint32_t i, struct zrange *r)
{
    uint32_t low = r->reverse && r->kind != BY_RANK ? i + 1 : i;
    uint32_t high = r->reverse && r->kind != BY_RANK ? i : i + 1;
    switch (r->kind) {
    case BY_RANK:
        return call_int(c, i, &r->start, NULL) && call_int(c, i + 1, &r->stop, NULL);
    case BY_SCORE:
        if (parse_score_bound(c->argv[low], &r->min) && parse_score_bound(c->argv[high], &r->max))
            return true;
        reply_error(c->reply, "ERR min or max is not a float");
        return false;
    case BY_LEX:
        if (parse_lex_bound(c->argv[low], &r->first) && parse_lex_bound(c->argv[high], &r->last))
            return true;
        reply_error(c->reply, "ERR min or max not valid string range item");
        return false;
    }
    return false;
}

/* --- From bounds to ranks --- */

/* A run of ranks: `first` is the lowest. */
struct zrange_run {
    size_t first, n;
};

static struct zrange_run run_of_ranks(const struct zset *z, const struct zrange *r)
{
    int64_t count = (int64_t)zset_count(z), start = r->start, stop = r->stop;
    if (start < 0)
        start = start < -count ? 0 : start + count;
    if (stop < 0)
        stop = stop < -count ? -1 : stop + count;
    if (stop >= count)
        stop = count - 1;
    if (start > stop || start >= count)
        return (struct zrange_run){0, 0};
    size_t n = (size_t)(stop - start + 1);
    return (struct zrange_run){(size_t)(r->reverse ? count - 1 - stop : start), n};
}

/* How many members lie before a bound. */
static size_t before_lex(const struct zset *z, const struct lex_bound *b, bool inclusive)
{
    if (b->kind == LEX_NAME)
        return zset_below_lex(z, b->name, inclusive);
    return b->kind == LEX_LOWEST ? 0 : zset_count(z);
}

static struct zrange_run find_run(const struct zset *z, const struct zrange *r)
{
    if (r->kind == BY_RANK)
        return run_of_ranks(z, r);
    size_t low, high;
    if (r->kind == BY_SCORE) {
        low = zset_below(z, r->min.score, r->min.exclusive);
        high = zset_below(z, r->max.score, !r->max.exclusive);
    } else {
        low = before_lex(z, &r->first, r->first.exclusive);
        high = before_lex(z, &r->last, !r->last.exclusive);
    }
    if (high <= low || r->offset < 0 || (uint64_t)r->offset >= high - low)
        return (struct zrange_run){0, 0};
    size_t n = high - low - (size_t)r->offset;
    if (r->limit >= 0)
        n = min_u64(n, (uint64_t)r->limit);
    return (struct zrange_run){r->reverse ? high - (size_t)r->offset - n : low + (size_t)r->offset,
                               n};
}

static void visit(const struct zset *z, const struct zrange_run *run, bool reverse,
                  bool (*each)(void *ctx, struct slice member, double score), void *ctx)
{
    if (run->n > 0)
        zset_each(z, reverse ? run->first + run->n - 1 : run->first, run->n, reverse, each, ctx);
}

/* --- ZRANGE and its kind --- */

/* What the name of the command leaves open. */
struct zrange_form {
    bool any_kind;  /* BYSCORE, BYLEX */
    bool any_order; /* REV */
    bool stores;
};

static bool zrange_parse_limit(struct call *c, uint32_t i, struct zrange *r)
{
    return call_int(c, i + 1, &r->offset, NULL) && call_int(c, i + 2, &r->limit, NULL);
}

/* The options from argument i on. */
static bool zrange_parse_options(struct call *c, uint32_t i, struct zrange_form form,
                                 struct zrange *r)
{
    for (; i < c->argc; i++) {
        if (!form.stores && args_is(c, i, "withscores")) {
            r->scores = true;
        } else if (args_is(c, i, "limit") && c->argc - i > 2) {
            if (!zrange_parse_limit(c, i, r))
                return false;
            i += 2;
        } else if (form.any_order && args_is(c, i, "rev")) {
            form.any_order = false;
            r->reverse = true;
        } else if (form.any_kind && (args_is(c, i, "bylex") || args_is(c, i, "byscore"))) {
            form.any_kind = false;
            r->kind = args_is(c, i, "bylex") ? BY_LEX : BY_SCORE;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    const char *wrong = NULL;
    if (r->limit != -1 && r->kind == BY_RANK)
        wrong = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
                "BYLEX";
    else if (r->scores && r->kind == BY_LEX)
        wrong = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    if (wrong != NULL)
        reply_error(c->reply, wrong);
    return wrong == NULL;
}

static void zrange_reply_range(struct call *c, struct zrange_form form, struct zrange *r)
{
    const struct zset *z;
    r->limit = -1;
    if (!zrange_parse_options(c, 4, form, r) || !parse_bounds(c, 2, r) || !zset_read(c, 0, &z))
        return;
    struct zrange_run run = z != NULL ? find_run(z, r) : (struct zrange_run){0, 0};
    struct zset_replying replying = {c->reply, ZSET_MEMBERS};
    if (r->scores)
        replying.layout = zset_layout_with_scores(c->reply);
    zset_reply_header(&replying, run.n);
    visit(z, &run, r->reverse, zset_reply_member, &replying);
}

void cmd_zrange(struct call *c)
{
    struct zrange r = {.kind = BY_RANK};
    zrange_reply_range(c, (struct zrange_form){.any_kind = true, .any_order = true}, &r);
}

void cmd_zrevrange(struct call *c)
{
    struct zrange r = {.kind = BY_RANK, .reverse = true};
    zrange_reply_range(c, (struct zrange_form){0}, &r);
}

void cmd_zrangebyscore(struct call *c)
{
    struct zrange r = {.kind = BY_SCORE};
    zrange_reply_range(c, (struct zrange_form){0}, &r);
}

void cmd_zrevrangebyscore(struct call *c)
{
    struct zrange r = {.kind = BY_SCORE, .reverse = true};
    zrange_reply_range(c, (struct zrange_form){0}, &r);
}

void cmd_zrangebylex(struct call *c)
{
    struct zrange r = {.kind = BY_LEX};
    zrange_reply_range(c, (struct zrange_form){0}, &r);
}

void cmd_zrevrangebylex(struct call *c)
{
    struct zrange r = {.kind = BY_LEX, .reverse = true};
    zrange_reply_range(c, (struct zrange_form){0}, &r);
}

/* --- ZRANGESTORE --- */

int find_keys_zrangestore(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    (void)argc;
    keys[0].mode = KEY_REMOVE; /* an empty result removes what is there, so that must be known */
    keys[0].name = argv[1];
    keys[1].mode = KEY_READ;
    keys[1].name = argv[2];
    return 2;
}

struct zrange_copying {
    struct zset *to;
    bool failed;
};

static bool copy_member(void *ctx, struct slice member, double score)
{
    struct zrange_copying *copying = ctx;
    copying->failed = zset_put(&copying->to, member, score) == ZSET_OOM;
    return !copying->failed;
}

void cmd_zrangestore(struct call *c)
{
    const struct zset *z;
    struct zrange r = {.limit = -1};
    struct zrange_form form = {.any_kind = true, .any_order = true, .stores = true};
    if (!zrange_parse_options(c, 5, form, &r) || !parse_bounds(c, 3, &r) || !zset_read(c, 1, &z))
        return;
    struct zrange_run run = z != NULL ? find_run(z, &r) : (struct zrange_run){0, 0};
    struct zrange_copying copying = {zset_try_new(), false};
    if (copying.to != NULL)
        visit(z, &run, false, copy_member, &copying);
    if (copying.to == NULL || copying.failed) {
        zset_discard(&copying.to);
        call_out_of_memory(c);
        return;
    }
    zset_store(c, &copying.to, "zrangestore");
}

/* --- Counting and removing --- */

static void count_range(struct call *c, struct zrange *r)
{
    const struct zset *z;
    r->limit = -1;
    if (parse_bounds(c, 2, r) && zset_read(c, 0, &z))
        reply_int(c->reply, z != NULL ? (int64_t)find_run(z, r).n : 0);
}

void cmd_zcount(struct call *c)
{
    struct zrange r = {.kind = BY_SCORE};
    count_range(c, &r);
}

void cmd_zlexcount(struct call *c)
{
    struct zrange r = {.kind = BY_LEX};
    count_range(c, &r);
}

static void remove_range(struct call *c, struct zrange *r, const char *event)
{
    const struct zset *present;
    r->limit = -1;
    if (!parse_bounds(c, 2, r) || !zset_read(c, 0, &present))
        return;
    struct zrange_run run = present != NULL ? find_run(present, r) : (struct zrange_run){0, 0};
    bool all = run.n > 0 && run.n == zset_count(present);
    if (all) {
        txn_remove(c->txn, c->key);
    } else if (run.n > 0) {
        if (!zset_cmd_may_remove(c, present, run.first, run.n))
            return;
        struct zset **z = zset_edit(c, 0);
        if (z == NULL)
            return;
        zset_cmd_remove_ranks(c, 0, z, run.first, run.n);
    }
    if (run.n > 0)
        call_notify(c, NOTIFY_ZSET, event, 0);
    if (all)
        call_notify(c, NOTIFY_GENERIC, "del", 0);
    reply_int(c->reply, (int64_t)run.n);
}

void cmd_zremrangebyrank(struct call *c)
{
    struct zrange r = {.kind = BY_RANK};
    remove_range(c, &r, "zremrangebyrank");
}

void cmd_zremrangebyscore(struct call *c)
{
    struct zrange r = {.kind = BY_SCORE};
    remove_range(c, &r, "zremrangebyscore");
}

void cmd_zremrangebylex(struct call *c)
{
    struct zrange r = {.kind = BY_LEX};
    remove_range(c, &r, "zremrangebylex");
}
