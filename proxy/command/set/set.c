/* Sets: adding, removing, moving and asking for members, SSCAN. Random members are in
 * random.c, intersections, unions and differences in algebra.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "base/num.h"
#include "store/set.h"

/* The set under key i, or NULL when it is absent; false: WRONGTYPE was replied. */
static bool read_set(struct call *c, uint32_t i, const struct set **out)
{
    const struct value *v;
    if (!call_read(c, i, VALUE_SET, &v))
        return false;
    *out = v != NULL ? v->object : NULL;
    return true;
}

static bool has(const struct set *s, struct slice member)
{
    return s != NULL && set_has(s, member);
}

/* --- Adding and removing --- */

/* Adds the members from argument i on; false: out of memory, replied. */
static bool set_add_members(struct call *c, uint32_t i, int64_t *added)
{
    struct set **s = txn_edit_set(c->txn, c->key, NULL);
    if (s == NULL || (c->argc > 3 && !set_expect(s, c->argv[2], c->argc - 2))) {
        call_out_of_memory(c);
        return false;
    }
    for (; i < c->argc; i++) {
        enum set_add_result result = set_add(s, c->argv[i]);
        if (result == SET_OOM) {
            if (*added > 0)
                txn_effect(c->txn, c->key, "SADD", i - 2, c->argv + 2);
            call_out_of_memory(c);
            return false;
        }
        *added += result == SET_ADDED;
    }
    txn_effect_request(c->txn, c->key);
    return true;
}

void cmd_sadd(struct call *c)
{
    const struct set *present;
    int64_t added = 0;
    uint32_t i = 2;
    if (!read_set(c, 0, &present))
        return;
    while (i < c->argc && has(present, c->argv[i]))
        i++;
    bool done = i == c->argc || set_add_members(c, i, &added);
    if (added > 0)
        call_notify(c, NOTIFY_SET, "sadd", 0);
    if (done)
        reply_int(c->reply, added);
}

/* Removes the members from argument i on, of which the first is there; with the last one the key
 * goes. */
static int64_t set_remove_members(struct call *c, uint32_t i)
{
    struct set **s = txn_edit_set(c->txn, c->key, NULL);
    int64_t removed = 0;
    must(s != NULL); /* it exists */
    for (; i < c->argc; i++) {
        if (set_count(*s) == 1 && set_has(*s, c->argv[i])) {
            txn_remove(c->txn, c->key);
            call_notify(c, NOTIFY_SET, "srem", 0);
            call_notify(c, NOTIFY_GENERIC, "del", 0);
            return removed + 1;
        }
        removed += set_remove(s, c->argv[i]);
    }
    txn_effect_request(c->txn, c->key);
    call_notify(c, NOTIFY_SET, "srem", 0);
    return removed;
}

void cmd_srem(struct call *c)
{
    const struct set *present;
    uint32_t i = 2;
    if (!read_set(c, 0, &present))
        return;
    while (i < c->argc && !has(present, c->argv[i]))
        i++;
    reply_int(c->reply, i < c->argc ? set_remove_members(c, i) : 0);
}

static bool move_in(struct call *c, struct slice member)
{
    struct set **to = txn_edit_set(c->txn, c->key + 1, NULL);
    if (to == NULL || set_add(to, member) == SET_OOM)
        return false;
    txn_effect(c->txn, c->key + 1, "SADD", 1, &member);
    return true;
}

static void move_out(struct call *c, struct slice member)
{
    struct set **from = txn_edit_set(c->txn, c->key, NULL);
    must(from != NULL); /* it exists */
    bool last = set_count(*from) == 1;
    if (last)
        txn_remove(c->txn, c->key);
    else
        (void)set_remove(from, member);
    if (!last)
        txn_effect(c->txn, c->key, "SREM", 1, &member);
    call_notify(c, NOTIFY_SET, "srem", 0);
    if (last)
        call_notify(c, NOTIFY_GENERIC, "del", 0);
}

void cmd_smove(struct call *c)
{
    const struct set *from, *to;
    struct slice member = c->argv[3];
    (void)txn_peek(c->txn, c->key + 1); /* it is met whatever the first is */
    if (!read_set(c, 0, &from))
        return;
    if (from == NULL) {
        reply_int(c->reply, 0);
        return;
    }
    if (!read_set(c, 1, &to))
        return;
    bool there = set_has(from, member), same = slice_eq(c->argv[1], c->argv[2]);
    bool arrives = there && !same && !has(to, member);
    if (arrives && !move_in(c, member)) { /* first what can fail */
        call_out_of_memory(c);
        return;
    }
    if (there && !same)
        move_out(c, member);
    if (arrives)
        call_notify(c, NOTIFY_SET, "sadd", 1);
    reply_int(c->reply, there);
}

/* --- Asking --- */

static bool set_reply_member(void *ctx, struct slice member)
{
    struct call *c = ctx;
    reply_bulk(c->reply, member);
    return true;
}

void cmd_smembers(struct call *c)
{
    const struct set *s;
    if (!read_set(c, 0, &s))
        return;
    reply_set(c->reply, s != NULL ? set_count(s) : 0);
    if (s != NULL)
        set_each(s, set_reply_member, c);
}

void cmd_sismember(struct call *c)
{
    const struct set *s;
    if (read_set(c, 0, &s))
        reply_int(c->reply, has(s, c->argv[2]));
}

void cmd_smismember(struct call *c)
{
    const struct set *s;
    if (!read_set(c, 0, &s))
        return;
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++)
        reply_int(c->reply, has(s, c->argv[i]));
}

void cmd_scard(struct call *c)
{
    const struct set *s;
    if (read_set(c, 0, &s))
        reply_int(c->reply, s != NULL ? (int64_t)set_count(s) : 0);
}

/* --- SSCAN --- */

static void set_scan_member(void *ctx, struct slice member)
{
    struct args_scan_step *s = ctx;
    if (!args_scan_wants(s, member))
        return;
    reply_bulk(&s->elements, member);
    s->bulks++;
}

void cmd_sscan(struct call *c)
{
    struct args_scan_step step;
    const struct set *s;
    uint64_t cursor = 0;
    if (!args_scan_cursor(c, 2, &step.options) || !read_set(c, 0, &s) ||
        !args_scan_begin(c, s != NULL, &step))
        return;
    if (s != NULL)
        cursor = set_scan(s, step.options.cursor, step.options.count, set_scan_member, &step);
    args_scan_end(c, &step, cursor);
}
