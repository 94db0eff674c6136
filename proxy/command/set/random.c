/* Sets: SPOP and SRANDMEMBER.
 *
 * SPOP is journalled as what it took: SREM of those members, or DEL when all went.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "compute/draw.h"
#include "store/set.h"

#include <stdlib.h>

/* --- Choosing distinct members --- */

struct choice {
    uint64_t need, left; /* members still to be chosen, members still to come */
    void (*take)(void *ctx, struct slice member);
    void *ctx;
};

/* Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): one pass, each subset as likely. */
static bool choose_next(void *ctx, struct slice member)
{
    struct choice *d = ctx;
    if (draw_below(d->left--) < d->need) {
        d->need--;
        d->take(d->ctx, member);
    }
    return d->need > 0;
}

/* A few members of many: draw, and draw again what was drawn before. Members of a table are told
 * apart by their address. */
static bool choose_few(struct choice *d, const struct set *s)
{
    size_t slots = 16;
    while (slots < 2 * d->need)
        slots *= 2;
    const char **drawn = calloc(slots, sizeof(*drawn));
    if (drawn == NULL)
        return false;
    while (d->need > 0) {
        char scratch[SET_SCRATCH];
        struct slice member = set_random(s, draw_bits(), scratch);
        size_t at = ((uintptr_t)member.ptr * 0x9e3779b97f4a7c15u >> 20) & (slots - 1);
        while (drawn[at] != NULL && drawn[at] != member.ptr)
            at = (at + 1) & (slots - 1);
        if (drawn[at] != NULL)
            continue;
        drawn[at] = member.ptr;
        d->take(d->ctx, member);
        d->need--;
    }
    free(drawn);
    return true;
}

/* `n` distinct members; there are at least that many. */
static void srandom_choose(const struct set *s, uint64_t n,
                           void (*take)(void *ctx, struct slice member), void *ctx)
{
    struct choice d = {n, set_count(s), take, ctx};
    if (set_members_stay(s) && n <= d.left / 4 && choose_few(&d, s))
        return;
    if (n > 0)
        set_each(s, choose_next, &d);
}

/* --- SPOP --- */

/* What is popped. */
struct popped {
    struct slice *argv;
    uint64_t len;
    char *bytes; /* copies, of members that would not stay */
    size_t used, cap;
    uint64_t said; /* bytes of the effects */
};

enum { EFFECT_MEMBERS = 1024, MEMBER_FRAME = 32 };

static bool popped_init(struct popped *p, const struct set *s, uint64_t n)
{
    *p = (struct popped){0};
    p->argv = malloc(n * sizeof(*p->argv));
    if (!set_members_stay(s)) {
        p->cap = n * SET_SCRATCH + set_ops.memory(s); /* digits, or a part of the block */
        p->bytes = malloc(p->cap);
    }
    return p->argv != NULL && (p->cap == 0 || p->bytes != NULL);
}

static void popped_fini(struct popped *p)
{
    free(p->argv);
    free(p->bytes);
}

static void pop_one(void *ctx, struct slice member)
{
    struct popped *p = ctx;
    if (p->cap > 0) {
        must(member.len <= p->cap - p->used);
        char *copy = p->bytes + p->used;
        if (member.len > 0)
            memcpy(copy, member.ptr, member.len);
        p->used += member.len;
        member.ptr = copy;
    }
    p->argv[p->len++] = member;
    p->said += member.len + MEMBER_FRAME;
}

static bool srandom_reply_member(void *ctx, struct slice member)
{
    struct call *c = ctx;
    reply_bulk(c->reply, member);
    return true;
}

static void pop_all(struct call *c)
{
    txn_remove(c->txn, c->key);
    call_notify(c, NOTIFY_SET, "spop", 0);
    call_notify(c, NOTIFY_GENERIC, "del", 0);
}

/* Journals and removes some at a time. */
static void remove_popped(struct call *c, struct popped *p)
{
    struct set **s = txn_edit_set(c->txn, c->key, NULL);
    must(s != NULL); /* it exists */
    for (uint64_t done = 0; done < p->len;) {
        struct slice *argv = p->argv + done;
        uint32_t n = (uint32_t)min_u64(p->len - done, EFFECT_MEMBERS);
        txn_effect(c->txn, c->key, "SREM", n, argv);
        for (uint32_t i = 0; i < n; i++)
            must(set_remove(s, argv[i]));
        done += n;
    }
    call_notify(c, NOTIFY_SET, "spop", 0);
}

static bool pop_count(struct call *c, int64_t *count)
{
    static const char negative[] = "ERR value is out of range, must be positive";
    if (!call_int(c, 2, count, negative))
        return false;
    if (*count < 0)
        reply_error(c->reply, negative);
    return *count >= 0;
}

static void pop_several(struct call *c)
{
    int64_t count;
    const struct value *v;
    if (!pop_count(c, &count) || !call_read(c, 0, VALUE_SET, &v))
        return;
    if (v == NULL || count == 0) {
        reply_set(c->reply, 0);
        return;
    }
    const struct set *s = v->object;
    uint64_t n = min_u64((uint64_t)count, set_count(s));
    if (n == set_count(s)) {
        reply_set(c->reply, n);
        set_each(s, srandom_reply_member, c);
        pop_all(c);
        return;
    }
    struct popped p;
    bool ready = popped_init(&p, s, n);
    if (ready)
        srandom_choose(s, n, pop_one, &p);
    if (!ready) {
        call_out_of_memory(c);
    } else if (call_effect_fits(c, p.said)) {
        reply_set(c->reply, n);
        for (uint64_t i = 0; i < n; i++)
            reply_bulk(c->reply, p.argv[i]);
        remove_popped(c, &p);
    }
    popped_fini(&p);
}

static void pop_one_of(struct call *c)
{
    /* Edited first: a capture on the way may move what members lie in. */
    struct set **s = txn_edit_set(c->txn, c->key, NULL);
    must(s != NULL); /* it exists */
    char scratch[SET_SCRATCH];
    struct slice member = set_random(*s, draw_bits(), scratch);
    reply_bulk(c->reply, member);
    if (set_count(*s) == 1) {
        pop_all(c);
        return;
    }
    txn_effect(c->txn, c->key, "SREM", 1, &member);
    must(set_remove(s, member));
    call_notify(c, NOTIFY_SET, "spop", 0);
}

void cmd_spop(struct call *c)
{
    const struct value *v;
    if (c->argc > 3) {
        reply_error(c->reply, REPLY_SYNTAX);
    } else if (c->argc == 3) {
        pop_several(c);
    } else if (call_read(c, 0, VALUE_SET, &v)) {
        if (v == NULL)
            reply_null(c->reply);
        else
            pop_one_of(c);
    }
}

/* --- SRANDMEMBER --- */

static void take_reply(void *ctx, struct slice member)
{
    (void)srandom_reply_member(ctx, member);
}

/* With repetition: the reply could become as long as the client likes, so it has a limit, and what
 * cannot stay below it is not begun. */
static void reply_any(struct call *c, const struct set *s, uint64_t n)
{
    enum { BULK_MIN = 6, ANY_BYTES_MAX = 64 * 1024 * 1024 }; /* "$0\r\n\r\n" */
    struct reply *r = c->reply;
    size_t mark = r->buf.len, limit = min_u64(args_reply_limit(), ANY_BYTES_MAX);
    if (n > limit / BULK_MIN) {
        reply_error(r, "ERR value is out of range");
        return;
    }
    reply_array(r, n);
    for (uint64_t i = 0; i < n; i++) {
        char scratch[SET_SCRATCH];
        reply_bulk(r, set_random(s, draw_bits(), scratch));
        if (r->buf.len - mark > limit) {
            reply_truncate(r, mark);
            reply_error(r, "ERR value is out of range");
            return;
        }
    }
}

static bool random_count(struct call *c, int64_t *count)
{
    if (c->argc > 3) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    return args_negatable(c, 2, count);
}

void cmd_srandmember(struct call *c)
{
    int64_t count = 0;
    const struct value *v;
    if ((c->argc > 2 && !random_count(c, &count)) || !call_read(c, 0, VALUE_SET, &v))
        return;
    if (c->argc == 2) {
        char scratch[SET_SCRATCH];
        if (v == NULL)
            reply_null(c->reply);
        else
            reply_bulk(c->reply, set_random(v->object, draw_bits(), scratch));
    } else if (v == NULL || count == 0) {
        reply_array(c->reply, 0);
    } else if (count < 0) {
        reply_any(c, v->object, (uint64_t)-count);
    } else {
        uint64_t n = min_u64((uint64_t)count, set_count(v->object));
        reply_array(c->reply, n);
        srandom_choose(v->object, n, take_reply, c);
    }
}
