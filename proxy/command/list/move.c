/* Lists: moving elements from one to another, taking from the first of several, and waiting for it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/list/list.h"
#include "executor/blocked.h"
#include "executor/find_keys.h"

#include "base/num.h"

static bool parse_end(struct call *c, uint32_t i, enum list_end *out)
{
    if (args_is(c, i, "left"))
        *out = LIST_HEAD;
    else if (args_is(c, i, "right"))
        *out = LIST_TAIL;
    else
        reply_error(c->reply, REPLY_SYNTAX);
    return args_is(c, i, "left") || args_is(c, i, "right");
}

/* --- LMOVE --- */

struct move {
    enum list_end from, to;
};

static const char *push_event(enum list_end end)
{
    return end == LIST_HEAD ? "lpush" : "rpush";
}

/* Within one list. The element is copied, since it must not lie in the list that it is added to. */
static bool rotate(struct call *c, const struct list *l, struct move m, struct slice value)
{
    if (m.from != m.to && list_count(l) > 1) {
        struct buf copy = {0};
        struct list **place = NULL;
        if (buf_try_reserve(&copy, value.len + 1)) {
            buf_append_slice(&copy, value);
            place = txn_edit_list(c->txn, c->key, NULL);
        }
        bool pushed = place != NULL && list_push(place, m.to, buf_slice(&copy));
        buf_fini(&copy);
        if (!pushed)
            return false;
        list_cmd_say_pushed(c, 0, *place, m.to, 1);
        list_cmd_drop_end(c, 0, place, m.from, 1);
    } else {
        txn_touch(c->txn, c->key);
    }
    call_notify(c, NOTIFY_LIST, push_event(m.to), 1);
    call_notify(c, NOTIFY_LIST, m.from == LIST_HEAD ? "lpop" : "rpop", 0);
    return true;
}

static bool move_over(struct call *c, struct move m, struct slice value)
{
    struct list **to = txn_edit_list(c->txn, c->key + 1, NULL);
    if (to == NULL || !list_push(to, m.to, value))
        return false;
    list_cmd_say_pushed(c, 1, *to, m.to, 1);
    call_notify(c, NOTIFY_LIST, push_event(m.to), 1);
    list_cmd_drop(c, 0, m.from, 1);
    return true;
}

/* The first key holds a list. True: moved and replied. */
static bool move_element(struct call *c, struct move m)
{
    const struct list *from, *to;
    struct slice value;
    if (!list_cmd_read(c, 0, &from) || !list_cmd_read(c, 1, &to))
        return false;
    must(from != NULL && list_peek(from, m.from, &value));
    size_t mark = c->reply->buf.len;
    reply_bulk(c->reply, value); /* before it leaves its list */
    bool same = slice_eq(c->argv[1], c->argv[2]);
    if (same ? rotate(c, from, m, value) : move_over(c, m, value))
        return true;
    reply_truncate(c->reply, mark);
    call_out_of_memory(c);
    return false;
}

static void move_or_null(struct call *c, struct move m)
{
    const struct list *from;
    if (!list_cmd_read(c, 0, &from))
        return;
    if (from == NULL)
        reply_null(c->reply);
    else
        (void)move_element(c, m);
}

void cmd_lmove(struct call *c)
{
    struct move m;
    if (parse_end(c, 3, &m.from) && parse_end(c, 4, &m.to))
        move_or_null(c, m);
}

void cmd_rpoplpush(struct call *c)
{
    move_or_null(c, (struct move){LIST_TAIL, LIST_HEAD});
}

static void move_or_wait(struct call *c, struct move m, int64_t timeout_ms)
{
    const struct list *from;
    if (!list_cmd_read(c, 0, &from))
        return;
    if (from == NULL) { /* Redis, too, replies another null when it has waited */
        call_block(c, 1, VALUE_LIST, timeout_ms,
                   c->source == CALL_EXEC ? BLOCK_NULL : BLOCK_NULL_ARRAY);
        return;
    }
    (void)move_element(c, m);
}

void cmd_blmove(struct call *c)
{
    struct move m;
    int64_t timeout_ms;
    if (parse_end(c, 3, &m.from) && parse_end(c, 4, &m.to) && call_timeout(c, 5, &timeout_ms))
        move_or_wait(c, m, timeout_ms);
}

void cmd_brpoplpush(struct call *c)
{
    int64_t timeout_ms;
    if (call_timeout(c, 3, &timeout_ms))
        move_or_wait(c, (struct move){LIST_TAIL, LIST_HEAD}, timeout_ms);
}

/* --- Taking from the first list that is there --- */

enum popped {
    POPPED_NONE,  /* no key has a list: nothing was replied */
    POPPED_SOME,  /* replied */
    POPPED_ERROR, /* a key has something else: replied */
};

/* Of the keys from argument `first` on. count 0: one element, replied without an array of its own.
 */
static enum popped pop_first(struct call *c, uint32_t first, uint32_t keys, enum list_end end,
                             uint64_t count)
{
    for (uint32_t i = 0; i < keys; i++) {
        const struct list *l;
        struct slice value;
        if (!list_cmd_read(c, i, &l))
            return POPPED_ERROR;
        if (l == NULL)
            continue;
        size_t n = min_u64(count > 0 ? count : 1, list_count(l));
        reply_array(c->reply, 2);
        reply_bulk(c->reply, c->argv[first + i]);
        must(list_peek(l, end, &value));
        if (count > 0)
            list_cmd_reply_end(c, l, end, n);
        else
            reply_bulk(c->reply, value);
        list_cmd_drop(c, i, end, n);
        return POPPED_SOME;
    }
    return POPPED_NONE;
}

static void pop_or_wait(struct call *c, enum list_end end)
{
    int64_t timeout_ms;
    uint32_t keys = c->argc - 2;
    if (call_timeout(c, c->argc - 1, &timeout_ms) && pop_first(c, 1, keys, end, 0) == POPPED_NONE)
        call_block(c, keys, VALUE_LIST, timeout_ms, BLOCK_NULL_ARRAY);
}

void cmd_blpop(struct call *c)
{
    pop_or_wait(c, LIST_HEAD);
}

void cmd_brpop(struct call *c)
{
    pop_or_wait(c, LIST_TAIL);
}

/* --- LMPOP --- */

/* The keys that follow their number, which is argument `at`; -1: it cannot be. */
static int find_counted(uint32_t argc, const struct slice *argv, uint32_t at, struct txn_key *keys)
{
    int64_t n;
    if (argc <= at || !num_parse_i64(argv[at], &n) || n < 1 || n > (int64_t)(argc - at - 1))
        return -1;
    for (uint32_t i = 0; i < (uint32_t)n; i++) {
        keys[i].mode = KEY_UPDATE;
        keys[i].name = argv[at + 1 + i];
    }
    return (int)n;
}

int find_keys_lmpop(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    return find_counted(argc, argv, 1, keys);
}

int find_keys_blmpop(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    return find_counted(argc, argv, 2, keys);
}

struct multi_pop {
    uint32_t keys;
    enum list_end end;
    uint64_t count;
};

/* numkeys is argument `at`. */
static bool parse_multi_pop(struct call *c, uint32_t at, struct multi_pop *out)
{
    int64_t keys, count = 1;
    if (!args_positive(c, at, &keys, "ERR numkeys should be greater than 0"))
        return false;
    if (keys >= (int64_t)(c->argc - at - 1)) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    uint32_t i = at + 1 + (uint32_t)keys;
    if (!parse_end(c, i++, &out->end))
        return false;
    bool counted = c->argc == i + 2 && args_is(c, i, "count");
    if (counted && !args_positive(c, i + 1, &count, "ERR count should be greater than 0"))
        return false;
    if (c->argc > i && !counted) {
        /* The first of several counts is looked at before what is wrong later. */
        if (c->argc > i + 2 && args_is(c, i, "count") &&
            !args_positive(c, i + 1, &count, "ERR count should be greater than 0"))
            return false;
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    out->keys = (uint32_t)keys;
    out->count = (uint64_t)count;
    return true;
}

void cmd_lmpop(struct call *c)
{
    struct multi_pop p;
    if (parse_multi_pop(c, 1, &p) && pop_first(c, 2, p.keys, p.end, p.count) == POPPED_NONE)
        reply_null_array(c->reply);
}

void cmd_blmpop(struct call *c)
{
    struct multi_pop p;
    int64_t timeout_ms;
    if (parse_multi_pop(c, 2, &p) && call_timeout(c, 1, &timeout_ms) &&
        pop_first(c, 3, p.keys, p.end, p.count) == POPPED_NONE)
        call_block(c, p.keys, VALUE_LIST, timeout_ms, BLOCK_NULL_ARRAY);
}
