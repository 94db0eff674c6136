/* Sets: intersections, unions and differences, and what stores them.
 *
 * Sources are only read, the result is built apart and put over the destination at the end: so the
 * destination may be among the sources. Every source is checked for its type, also where one that
 * is missing decides the result already.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"
#include "executor/find_keys.h"

#include "base/num.h"
#include "store/set.h"

#include <stdlib.h>

/* --- Keys --- */

int find_keys_setstore(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    for (uint32_t i = 1; i < argc; i++) {
        keys[i - 1].mode = i == 1 ? KEY_REMOVE : KEY_READ;
        keys[i - 1].name = argv[i];
    }
    return (int)argc - 1;
}

int find_keys_sintercard(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    int64_t n;
    if (argc < 3 || !num_parse_i64(argv[1], &n) || n < 1 || n > (int64_t)argc - 2)
        return -1;
    for (int64_t i = 0; i < n; i++) {
        keys[i].mode = KEY_READ;
        keys[i].name = argv[2 + i];
    }
    return (int)n;
}

/* --- Sources --- */

struct sources {
    const struct set **sets; /* NULL: missing */
    uint32_t len, missing;
    uint64_t members; /* of all of them */
    const struct set *few[16];
};

/* Reads the keys from number `first` on; false: an error was replied. */
static bool sources_read(struct call *c, uint32_t first, struct sources *s)
{
    *s = (struct sources){.len = c->keys_len - first};
    s->sets = s->len <= COUNT_OF(s->few) ? s->few : malloc(s->len * sizeof(struct set *));
    if (s->sets == NULL) {
        call_out_of_memory(c);
        return false;
    }
    for (uint32_t i = 0; i < s->len; i++) {
        const struct value *v;
        if (!call_read(c, first + i, VALUE_SET, &v)) {
            if (s->sets != s->few)
                free(s->sets);
            return false;
        }
        s->sets[i] = v != NULL ? v->object : NULL;
        s->missing += v == NULL;
        s->members += v != NULL ? set_count(v->object) : 0;
    }
    return true;
}

static void sources_fini(struct sources *s)
{
    if (s->sets != s->few)
        free(s->sets);
}

/* --- Where members go --- */

struct result {
    struct set **collect; /* collected, */
    struct reply *reply;  /* but no more than fits there; or written there; both may be NULL */
    uint64_t bytes;       /* collected */
    uint64_t len, limit;  /* how many, and when to stop (0: never) */
    bool failed;          /* out of memory */
};

static bool result_take(struct result *r, struct slice member)
{
    if (r->collect != NULL) {
        enum set_add_result added = set_add(r->collect, member);
        r->failed = added == SET_OOM;
        r->len += added == SET_ADDED;
        r->bytes += added == SET_ADDED ? member.len : 0;
        if (r->reply != NULL && !reply_fits(r->reply, r->bytes))
            return false;
    } else {
        if (r->reply != NULL)
            reply_bulk(r->reply, member);
        r->len++;
    }
    return !r->failed && (r->limit == 0 || r->len < r->limit);
}

struct pass {
    const struct sources *sources;
    struct result *result;
    const struct set *skip; /* the set that is walked */
};

/* --- Intersection --- */

static int setop_by_count(const void *a, const void *b)
{
    size_t x = set_count(*(const struct set *const *)a);
    size_t y = set_count(*(const struct set *const *)b);
    return x < y ? -1 : x > y;
}

static bool take_common(void *ctx, struct slice member)
{
    const struct pass *p = ctx;
    for (uint32_t i = 1; i < p->sources->len; i++) {
        if (p->sources->sets[i] != p->skip && !set_has(p->sources->sets[i], member))
            return true;
    }
    return result_take(p->result, member);
}

/* The smallest is walked, the others are asked, small ones first. */
static void intersect(struct sources *s, struct result *r)
{
    if (s->missing > 0)
        return;
    qsort(s->sets, s->len, sizeof(*s->sets), setop_by_count);
    struct pass p = {s, r, s->sets[0]};
    set_each(s->sets[0], take_common, &p);
}

/* --- Union --- */

static bool take_any(void *ctx, struct slice member)
{
    return result_take(ctx, member);
}

static void unite(struct sources *s, struct result *r)
{
    for (uint32_t i = 0; i < s->len && !r->failed; i++) {
        if (s->sets[i] != NULL)
            set_each(s->sets[i], take_any, r);
    }
}

/* --- Difference --- */

static bool take_if_elsewhere_absent(void *ctx, struct slice member)
{
    const struct pass *p = ctx;
    for (uint32_t i = 1; i < p->sources->len; i++) {
        const struct set *other = p->sources->sets[i];
        if (other != NULL && (other == p->skip || set_has(other, member)))
            return true;
    }
    return result_take(p->result, member);
}

static bool take_away(void *ctx, struct slice member)
{
    struct result *r = ctx;
    r->len -= set_remove(r->collect, member);
    return r->len > 0;
}

/* Asking every other set of each member of the first, or taking all others away from a copy of it:
 * the cheaper of the two, as Redis estimates it. */
static bool asking_is_cheaper(const struct sources *s)
{
    return set_count(s->sets[0]) * s->len / 2 <= s->members;
}

static void subtract(struct sources *s, struct result *r)
{
    if (s->sets[0] == NULL)
        return;
    struct pass p = {s, r, s->sets[0]};
    if (r->collect == NULL || asking_is_cheaper(s)) {
        set_each(s->sets[0], take_if_elsewhere_absent, &p);
        return;
    }
    set_each(s->sets[0], take_any, r);
    for (uint32_t i = 1; i < s->len && !r->failed && r->len > 0; i++) {
        if (s->sets[i] == s->sets[0])
            r->len = 0;
        else if (s->sets[i] != NULL)
            set_each(s->sets[i], take_away, r);
    }
}

/* --- Replying --- */

static bool setop_reply_member(void *ctx, struct slice member)
{
    struct call *c = ctx;
    reply_bulk(c->reply, member);
    return true;
}

typedef void algebra(struct sources *s, struct result *r);

/* Members are written as they are found. */
static void setop_reply_found(struct call *c, algebra *op)
{
    struct sources s;
    if (!sources_read(c, 0, &s))
        return;
    struct result r = {.reply = c->reply};
    size_t begin = reply_array_begin(c->reply);
    op(&s, &r);
    reply_set_end(c->reply, begin, r.len);
    sources_fini(&s);
}

/* The result must be complete before it is written. Of one that only grows, no more is collected
 * than may be replied. */
static void reply_collected(struct call *c, algebra *op)
{
    struct sources s;
    if (!sources_read(c, 0, &s))
        return;
    struct set *set = set_try_new();
    struct result r = {.collect = &set, .failed = set == NULL};
    r.reply = op == unite ? c->reply : NULL;
    if (set != NULL && set_become_table(&set)) /* no detour through the small forms */
        op(&s, &r);
    else
        r.failed = true;
    if (r.failed) {
        call_out_of_memory(c);
    } else {
        reply_set(c->reply, r.len);
        if (r.len > 0)
            set_each(set, setop_reply_member, c);
    }
    if (set != NULL)
        set_ops.free(set);
    sources_fini(&s);
}

void cmd_sinter(struct call *c)
{
    setop_reply_found(c, intersect);
}

void cmd_sunion(struct call *c)
{
    if (c->keys_len == 1)
        setop_reply_found(c, unite);
    else
        reply_collected(c, unite);
}

void cmd_sdiff(struct call *c)
{
    struct sources s;
    if (!sources_read(c, 0, &s))
        return;
    bool asking = s.sets[0] == NULL || asking_is_cheaper(&s);
    sources_fini(&s);
    if (asking)
        setop_reply_found(c, subtract);
    else
        reply_collected(c, subtract);
}

static bool card_options(struct call *c, int64_t *limit)
{
    int64_t n;
    if (!args_positive(c, 1, &n, "ERR numkeys should be greater than 0"))
        return false;
    if (n > (int64_t)c->argc - 2) {
        reply_error(c->reply, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    *limit = 0;
    for (uint32_t i = (uint32_t)n + 2; i < c->argc; i += 2) {
        if (!args_is(c, i, "limit") || i + 1 == c->argc) {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
        if (!call_int(c, i + 1, limit, "ERR LIMIT can't be negative"))
            return false;
        if (*limit < 0) {
            reply_error(c->reply, "ERR LIMIT can't be negative");
            return false;
        }
    }
    return true;
}

void cmd_sintercard(struct call *c)
{
    int64_t limit;
    struct sources s;
    if (!card_options(c, &limit) || !sources_read(c, 0, &s))
        return;
    struct result r = {.limit = (uint64_t)limit};
    intersect(&s, &r);
    sources_fini(&s);
    reply_int(c->reply, (int64_t)r.len);
}

/* --- Storing --- */

/* Puts the set over the destination, or removes that when the set is empty. False: out of memory,
 * unchanged. */
static bool put_result(struct call *c, const char *event, void **set, uint64_t len)
{
    if (len > 0) {
        if (txn_put_object(c->txn, c->key, VALUE_SET, set) != RC_OK)
            return false;
        call_notify(c, NOTIFY_SET, event, 0);
    } else if (txn_remove(c->txn, c->key)) {
        call_notify(c, NOTIFY_GENERIC, "del", 0);
    }
    return true;
}

static void setop_store_result(struct call *c, const char *event, algebra *op)
{
    struct sources s;
    if (!sources_read(c, 1, &s))
        return;
    struct set *set = set_try_new();
    struct result r = {.collect = &set, .failed = set == NULL};
    if (set != NULL)
        op(&s, &r);
    sources_fini(&s);
    void *object = set;
    if (!r.failed && put_result(c, event, &object, r.len))
        reply_int(c->reply, (int64_t)r.len);
    else
        call_out_of_memory(c);
    if (object != NULL)
        set_ops.free(object);
}

void cmd_sinterstore(struct call *c)
{
    setop_store_result(c, "sinterstore", intersect);
}

void cmd_sunionstore(struct call *c)
{
    setop_store_result(c, "sunionstore", unite);
}

void cmd_sdiffstore(struct call *c)
{
    setop_store_result(c, "sdiffstore", subtract);
}
