/* Sorted sets: union, intersection and difference, of sets too, whose members have the score 1.
 *
 * A result is built as a sorted set, since that is what is replied as well: in its order.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset/zset.h"
#include "executor/find_keys.h"

#include "base/num.h"
#include "store/set.h"

#include <math.h>
#include <stdlib.h>

enum operation { UNION, INTERSECTION, DIFFERENCE };
enum aggregate { SUM, MIN, MAX };

struct source { /* none of the two: an absent key */
    const struct zset *zset;
    const struct set *set;
    double weight;
    uint32_t place; /* in the request */
};

struct algebra {
    struct call *c;
    enum operation operation;
    enum aggregate aggregate;
    bool stores, counts, scores;
    uint64_t limit; /* ZINTERCARD: 0 is none */
    uint32_t numkeys_at;
    uint32_t sources_len;
    struct source *sources;

    const struct source *base; /* the one that is walked */
    uint64_t counted;
    struct zset *result;
    uint64_t bytes; /* of its members */
    bool failed;    /* out of memory */
};

/* --- Keys --- */

int find_keys_zalgebra(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    int n = zset_peek_numkeys(argc, argv, 1);
    for (int i = 0; i < n; i++) {
        keys[i].mode = KEY_READ;
        keys[i].name = argv[2 + i];
    }
    return n;
}

int find_keys_zalgebrastore(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    int n = zset_peek_numkeys(argc, argv, 2);
    if (n < 0)
        return -1;
    keys[0].mode = KEY_REMOVE; /* an empty result removes what is there, so that must be known */
    keys[0].name = argv[1];
    for (int i = 0; i < n; i++) {
        keys[1 + i].mode = KEY_READ;
        keys[1 + i].name = argv[3 + i];
    }
    return n + 1;
}

static bool parse_numkeys(struct algebra *a)
{
    struct call *c = a->c;
    int64_t n;
    if (!call_int(c, a->numkeys_at, &n, NULL))
        return false;
    if (n < 1) {
        reply_errorf(c->reply, "ERR at least 1 input key is needed for '%s' command",
                     c->command->name);
        return false;
    }
    if (n > (int64_t)c->argc - (int64_t)a->numkeys_at - 1) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    a->sources_len = (uint32_t)n;
    return true;
}

static bool read_sources(struct algebra *a)
{
    for (uint32_t i = 0; i < a->sources_len; i++) {
        struct source *s = &a->sources[i];
        const struct value *v = txn_read(a->c->txn, a->c->key + a->stores + i);
        *s = (struct source){.weight = 1, .place = i};
        if (v != NULL && v->type == VALUE_ZSET) {
            s->zset = v->object;
        } else if (v != NULL && v->type == VALUE_SET) {
            s->set = v->object;
        } else if (v != NULL) {
            reply_error(a->c->reply, REPLY_WRONGTYPE);
            return false;
        }
    }
    return true;
}

/* --- Options --- */

static bool parse_weights(struct algebra *a, uint32_t i)
{
    for (uint32_t k = 0; k < a->sources_len; k++) {
        if (!num_parse_double(a->c->argv[i + k], &a->sources[k].weight)) {
            reply_error(a->c->reply, "ERR weight value is not a float");
            return false;
        }
    }
    return true;
}

static bool parse_aggregate(struct algebra *a, uint32_t i)
{
    if (args_is(a->c, i, "sum"))
        a->aggregate = SUM;
    else if (args_is(a->c, i, "min"))
        a->aggregate = MIN;
    else if (args_is(a->c, i, "max"))
        a->aggregate = MAX;
    else
        return false;
    return true;
}

static bool zalgebra_parse_limit(struct algebra *a, uint32_t i)
{
    static const char wrong[] = "ERR LIMIT can't be negative";
    int64_t limit;
    if (!call_int(a->c, i, &limit, wrong))
        return false;
    if (limit < 0)
        reply_error(a->c->reply, wrong);
    a->limit = (uint64_t)limit;
    return limit >= 0;
}

static bool zalgebra_parse_options(struct algebra *a)
{
    struct call *c = a->c;
    bool merges = a->operation != DIFFERENCE && !a->counts;
    for (uint32_t i = a->numkeys_at + 1 + a->sources_len; i < c->argc; i++) {
        uint32_t left = c->argc - i - 1;
        if (merges && left >= a->sources_len && args_is(c, i, "weights")) {
            if (!parse_weights(a, i + 1))
                return false;
            i += a->sources_len;
        } else if (merges && left >= 1 && args_is(c, i, "aggregate") && parse_aggregate(a, i + 1)) {
            i++;
        } else if (!a->stores && !a->counts && args_is(c, i, "withscores")) {
            a->scores = true;
        } else if (a->counts && left >= 1 && args_is(c, i, "limit")) {
            if (!zalgebra_parse_limit(a, i + 1))
                return false;
            i++;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    return true;
}

/* --- Sources --- */

static size_t source_count(const struct source *s)
{
    if (s->zset != NULL)
        return zset_count(s->zset);
    return s->set != NULL ? set_count(s->set) : 0;
}

static bool source_score(const struct source *s, struct slice member, double *score)
{
    if (s->zset != NULL)
        return zset_score(s->zset, member, score);
    *score = 1;
    return s->set != NULL && set_has(s->set, member);
}

struct set_walk {
    bool (*each)(void *ctx, struct slice member, double score);
    void *ctx;
};

static bool walk_set(void *ctx, struct slice member)
{
    const struct set_walk *w = ctx;
    return w->each(w->ctx, member, 1);
}

static void source_each(const struct source *s,
                        bool (*each)(void *ctx, struct slice member, double score), void *ctx)
{
    struct set_walk w = {each, ctx};
    if (s->zset != NULL)
        zset_each(s->zset, 0, zset_count(s->zset), false, each, ctx);
    else if (s->set != NULL)
        set_each(s->set, walk_set, &w);
}

/* The smallest first, as in Redis: the order in which scores are summed shows in the last bits. */
static int zalgebra_by_count(const void *left, const void *right)
{
    const struct source *a = left, *b = right;
    size_t na = source_count(a), nb = source_count(b);
    if (na != nb)
        return na < nb ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* --- Computing --- */

/* What has no value (inf - inf, 0 * inf) counts as 0. */
static double not_nan(double score)
{
    return isnan(score) ? 0 : score;
}

static double zalgebra_combine(enum aggregate how, double a, double b)
{
    switch (how) {
    case SUM:
        return not_nan(a + b);
    case MIN:
        return b < a ? b : a;
    case MAX:
        return b > a ? b : a;
    }
    return a;
}

/* Of what would be replied, no more is collected than may be. */
static bool zalgebra_put(struct algebra *a, struct slice member, double score)
{
    enum zset_put_result put = zset_put(&a->result, member, not_nan(score));
    a->failed = put == ZSET_OOM;
    a->bytes += put == ZSET_ADDED ? member.len : 0;
    return !a->failed && (a->stores || reply_fits(a->c->reply, a->bytes));
}

static bool unite_member(void *ctx, struct slice member, double score)
{
    struct algebra *a = ctx;
    double present;
    score = not_nan(a->base->weight * score);
    if (zset_score(a->result, member, &present))
        score = zalgebra_combine(a->aggregate, present, score);
    return zalgebra_put(a, member, score);
}

/* The base is sources[0], the smallest. */
static bool intersect_member(void *ctx, struct slice member, double score)
{
    struct algebra *a = ctx;
    score = not_nan(a->base->weight * score);
    for (uint32_t i = 1; i < a->sources_len; i++) {
        double other;
        if (!source_score(&a->sources[i], member, &other))
            return true;
        score = zalgebra_combine(a->aggregate, score, a->sources[i].weight * other);
    }
    if (!a->counts)
        return zalgebra_put(a, member, score);
    return ++a->counted != a->limit;
}

/* The base is sources[0], the first. */
static bool subtract_member(void *ctx, struct slice member, double score)
{
    struct algebra *a = ctx;
    for (uint32_t i = 1; i < a->sources_len; i++) {
        double other;
        if (source_score(&a->sources[i], member, &other))
            return true;
    }
    return zalgebra_put(a, member, score);
}

static void compute(struct algebra *a)
{
    if (a->operation != DIFFERENCE)
        qsort(a->sources, a->sources_len, sizeof(*a->sources), zalgebra_by_count);
    a->base = a->sources;
    switch (a->operation) {
    case UNION:
        for (; a->base < a->sources + a->sources_len && !a->failed; a->base++)
            source_each(a->base, unite_member, a);
        break;
    case INTERSECTION:
        source_each(a->base, intersect_member, a);
        break;
    case DIFFERENCE:
        source_each(a->base, subtract_member, a);
        break;
    }
}

/* --- The commands --- */

static void reply_result(struct algebra *a, const char *event)
{
    struct call *c = a->c;
    if (a->failed) {
        call_out_of_memory(c);
    } else if (a->counts) {
        reply_int(c->reply, (int64_t)a->counted);
    } else if (a->stores) {
        zset_store(c, &a->result, event);
    } else {
        struct zset_replying replying = {c->reply, ZSET_MEMBERS};
        size_t n = zset_count(a->result);
        if (a->scores)
            replying.layout = zset_layout_with_scores(c->reply);
        zset_reply_header(&replying, n);
        zset_each(a->result, 0, n, false, zset_reply_member, &replying);
    }
}

static void zalgebra_run(struct call *c, struct algebra *a, const char *event)
{
    a->c = c;
    a->stores = event != NULL;
    a->numkeys_at = a->stores ? 2 : 1;
    if (!parse_numkeys(a))
        return;
    a->sources = calloc(a->sources_len, sizeof(*a->sources));
    a->result = zset_try_new();
    if (a->sources == NULL || a->result == NULL) {
        call_out_of_memory(c);
    } else if (read_sources(a) && zalgebra_parse_options(a)) {
        compute(a);
        reply_result(a, event);
    }
    zset_discard(&a->result);
    free(a->sources);
}

void cmd_zunion(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = UNION}, NULL);
}

void cmd_zinter(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = INTERSECTION}, NULL);
}

void cmd_zdiff(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = DIFFERENCE}, NULL);
}

void cmd_zintercard(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = INTERSECTION, .counts = true}, NULL);
}

void cmd_zunionstore(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = UNION}, "zunionstore");
}

void cmd_zinterstore(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = INTERSECTION}, "zinterstore");
}

void cmd_zdiffstore(struct call *c)
{
    zalgebra_run(c, &(struct algebra){.operation = DIFFERENCE}, "zdiffstore");
}
