/* SORT and SORT_RO: arguments, and the rounds in which one is run. See sort.h.
 *
 *   round 1   the dispatcher's transaction: source and destination
 *   round 2.. a transaction of our own: these, and every name met so far
 *
 * A SORT without names needs one round; BY or GET need two; both need three, since GET is asked
 * only for what LIMIT leaves. In between the locks are free and the source may change, which names
 * new keys: after a few rounds, or at once when there are many keys, every shard is locked, and
 * what is missing joins the transaction. Within EXEC every shard is locked from the beginning
 * (executor/multi.c calls prepare_sort(), so that what must be loaded is loaded before anything
 * runs).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/sort/sort.h"
#include "executor/args.h"
#include "executor/find_keys.h"
#include "executor/worker.h"

#include "store/alloc.h"

#include <stdlib.h>

enum {
    ROUNDS_MAX = 8, /* with locks on single shards */
    KEYS_MAX = 256, /* the same: more lie in most of the shards anyway */
};

/* --- Arguments --- */

static void parse_pattern(struct slice text, struct sort_pattern *p)
{
    *p = (struct sort_pattern){.itself = slice_eq(text, SLICE("#"))};
    const char *star = text.len > 0 ? memchr(text.ptr, '*', text.len) : NULL;
    if (star == NULL)
        return;
    size_t at = (size_t)(star - text.ptr);
    p->names = true;
    p->before = slice_of(text.ptr, at);
    p->after = slice_of(star + 1, text.len - at - 1);
    const char *arrow = p->after.len > 0 ? memmem(p->after.ptr, p->after.len, "->", 2) : NULL;
    if (arrow == NULL || (size_t)(arrow - p->after.ptr) + 2 == p->after.len)
        return;
    p->has_field = true;
    p->field = slice_of(arrow + 2, p->after.len - (size_t)(arrow - p->after.ptr) - 2);
    p->after.len = (size_t)(arrow - p->after.ptr);
}

static void parse_by(struct sort *s, struct slice text)
{
    parse_pattern(text, &s->by);
    s->by_pattern = s->by.names;
    s->unordered |= !s->by.names;
}

/* Gets room for as many patterns as there can be. */
static bool parse_get(struct sort *s, struct slice text)
{
    if (s->gets == NULL)
        s->gets = alloc_try(s->c->argc / 2 * sizeof(*s->gets));
    if (s->gets == NULL) {
        call_out_of_memory(s->c);
        return false;
    }
    parse_pattern(text, &s->gets[s->gets_len++]);
    return true;
}

static bool sort_parse(struct sort *s)
{
    struct call *c = s->c;
    s->limit_count = -1;
    for (uint32_t i = 2; i < c->argc; i++) {
        uint32_t more = c->argc - i - 1;
        if (args_is(c, i, "asc")) {
            s->descending = false;
        } else if (args_is(c, i, "desc")) {
            s->descending = true;
        } else if (args_is(c, i, "alpha")) {
            s->alpha = true;
        } else if (args_is(c, i, "limit") && more >= 2) {
            if (!call_int(c, i + 1, &s->limit_first, NULL) ||
                !call_int(c, i + 2, &s->limit_count, NULL))
                return false;
            i += 2;
        } else if (args_is(c, i, "store") && more >= 1 && !s->read_only) {
            i++; /* its key was found with the other keys */
            s->stores = true;
        } else if (args_is(c, i, "by") && more >= 1) {
            parse_by(s, c->argv[++i]);
        } else if (args_is(c, i, "get") && more >= 1) {
            if (!parse_get(s, c->argv[++i]))
                return false;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    s->by_pattern &= !s->unordered;
    return true;
}

/* As sort_parse(): the last STORE counts. */
int find_keys_sort(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    int found = 1;
    keys[0].name = argv[1];
    keys[0].mode = KEY_READ;
    for (uint32_t i = 2; i < argc; i++) {
        if (slice_is_word(argv[i], "limit")) {
            i += 2;
        } else if (slice_is_word(argv[i], "by") || slice_is_word(argv[i], "get")) {
            i++;
        } else if (slice_is_word(argv[i], "store") && i + 1 < argc) {
            keys[1].name = argv[++i];
            keys[1].mode = KEY_REMOVE;
            found = 2;
        }
    }
    return found;
}

/* --- Rounds --- */

struct sort_running {
    struct sort s;
    struct txn_key *keys; /* of our own transaction */
    bool whole;           /* which locks every shard */
    unsigned rounds;
};

static void run_free(struct sort_running *r)
{
    sort_names_free(&r->s.names);
    sort_arena_free(&r->s.arena);
    buf_fini(&r->s.scratch);
    free(r->s.items);
    free(r->s.gets);
    free(r->keys);
}

/* False: names are missing, nothing was replied. */
static bool run_round(struct sort *s)
{
    struct call *c = s->c;
    bool first = s->names.len == 0 && !s->dry; /* a hit or a miss is counted once */
    const struct value *source = first ? txn_read(c->txn, c->key) : txn_peek(c->txn, c->key);
    s->missing = 0;
    if (source != NULL && source->type != VALUE_LIST && source->type != VALUE_SET &&
        source->type != VALUE_ZSET) {
        reply_error(c->reply, REPLY_WRONGTYPE);
        return true;
    }
    if (!sort_order(s, source)) {
        sort_reply_failure(s);
        return true;
    }
    /* Without an order nobody knows which elements GET is to be asked for. */
    if (s->missing == 0)
        sort_answer(s);
    return s->missing == 0;
}

static void number_names(struct sort *s, uint32_t from, uint32_t key)
{
    for (uint32_t i = from; i < s->names.len; i++)
        s->names.list[i].key = key++;
}

static void add_names(const struct sort *s, uint32_t from, struct txn_key *keys)
{
    for (uint32_t i = from; i < s->names.len; i++)
        *keys++ = (struct txn_key){.db = s->db, .mode = KEY_READ, .name = s->names.list[i].name};
}

/* What is missing joins the transaction, which has every lock. */
static enum txn_state sort_join(struct sort *s, struct waiter *waiter)
{
    uint32_t from = s->names.len, key;
    while (from > 0 && s->names.list[from - 1].key == SORT_KEY_UNKNOWN)
        from--;
    uint32_t n = s->names.len - from;
    struct txn_key *keys = alloc_try(n * sizeof(*keys));
    s->refusal = REPLY_OOM;
    if (keys == NULL)
        return TXN_REFUSED;
    add_names(s, from, keys);
    enum txn_state state = txn_join(s->c->txn, keys, n, waiter, &key);
    if (state == TXN_READY)
        number_names(s, from, key);
    else if (state == TXN_REFUSED)
        s->refusal = txn_refusal(s->c->txn);
    free(keys);
    return state;
}

/* A new transaction, with every name that was met. REFUSED: c->txn is NULL. */
static enum txn_state sort_begin(struct sort_running *r, unsigned flags)
{
    struct sort *s = &r->s;
    struct call *c = s->c;
    struct command_worker *w = worker_current();
    uint32_t own = c->keys_len;
    worker_commit(w, c->session, false);
    c->txn = NULL;
    free(r->keys);
    r->keys = alloc_try((c->argc + (size_t)s->names.len) * sizeof(*r->keys));
    s->refusal = REPLY_OOM;
    if (r->keys == NULL)
        return TXN_REFUSED;
    must(command_keys(c->command, s->db, c->argc, c->argv, r->keys) == (int)own);
    add_names(s, 0, r->keys + own);
    number_names(s, 0, own);
    enum txn_state state =
        txn_begin(w->txn, r->keys, own + s->names.len, flags, (struct slice){NULL, 0}, c->argc,
                  c->argv, &c->session->waiter);
    if (state == TXN_READY)
        c->txn = w->txn;
    else if (state == TXN_REFUSED)
        s->refusal = txn_refusal(w->txn);
    return state;
}

/* What SORT itself needs; without STORE it writes nothing, so neither memory nor journal refuses
 * it. */
static unsigned flags_of(const struct sort_running *r)
{
    unsigned flags = worker_txn_flags(r->s.c->command, r->s.c->session);
    if (!r->s.stores)
        flags &= ~(unsigned)TXN_WRITES;
    return flags | (r->whole ? TXN_WHOLE : 0);
}

/* Gets what is missing. False: parked, or an error was replied. Run again after a wait, a SORT
 * starts anew, since its source may have changed; what was loaded is there by then. */
static bool sort_go_on(struct sort_running *r)
{
    struct call *c = r->s.c;
    enum txn_state state;
    if (c->source == CALL_EXEC) {
        state = sort_join(&r->s, NULL); /* every lock is held, but nothing can be waited for */
    } else if (r->whole) {
        state = sort_join(&r->s, &c->session->waiter);
        if (state == TXN_PARKED)
            c->txn = NULL;
    } else {
        r->whole = ++r->rounds >= ROUNDS_MAX || r->s.names.len > KEYS_MAX;
        state = sort_begin(r, flags_of(r));
    }
    if (state == TXN_PARKED)
        call_park(c);
    else if (state == TXN_REFUSED)
        reply_error(c->reply, r->s.refusal);
    return state == TXN_READY;
}

static void sort_run(struct call *c, bool read_only)
{
    struct sort_running r = {.s = {.c = c, .db = c->session->db, .read_only = read_only}};
    bool own = false;
    if (!sort_parse(&r.s))
        goto out;
    while (!run_round(&r.s)) {
        own = c->source != CALL_EXEC;
        if (!sort_go_on(&r))
            break;
    }
    /* What our own transaction refers to goes with us. */
    if (own && c->txn != NULL) {
        worker_commit(worker_current(), c->session, r.s.stores);
        c->txn = NULL;
    }
out:
    run_free(&r);
}

void cmd_sort(struct call *c)
{
    sort_run(c, false);
}

void cmd_sort_ro(struct call *c)
{
    sort_run(c, true);
}

/* --- Within EXEC --- */

bool late_keys_sort(uint32_t argc, const struct slice *argv)
{
    for (uint32_t i = 3; i < argc; i++)
        if (argv[i].len > 0 && memchr(argv[i].ptr, '*', argv[i].len) != NULL &&
            (slice_is_word(argv[i - 1], "by") || slice_is_word(argv[i - 1], "get")))
            return true;
    return false;
}

/* Its database is that of its key: a SELECT in the queue has not run yet. */
enum txn_state prepare_sort(struct call *c)
{
    uint32_t db = worker_current()->keys[c->key].db;
    struct sort_running r = {.s = {.c = c, .db = db, .dry = true}};
    enum txn_state state = TXN_READY;
    if (sort_parse(&r.s))
        while (state == TXN_READY && !run_round(&r.s))
            state = sort_join(&r.s, &c->session->waiter);
    run_free(&r);
    return state;
}
