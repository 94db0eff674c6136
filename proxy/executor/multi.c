/* MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * Queued requests are detached from the input and kept in the session, bounded by
 * client-query-buffer-limit. EXEC gathers the keys of all of them and runs them in one transaction,
 * so a group is one journal record and lies in one cut. If a key has to be loaded first, EXEC parks
 * before anything has been replied or changed, and starts again.
 *
 * The watched keys join the transaction unlooked-at, which locks their shards: between the check of
 * the watch and the commit nobody can change one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/worker.h"

#include <stdlib.h>
#include <string.h>

static size_t multi_request_bytes(const struct request *r)
{
    size_t bytes = sizeof(*r) + r->argc * sizeof(struct slice) + r->raw.len;
    for (uint32_t i = 0; i < r->argc; i++)
        bytes += r->argv[i].len;
    return bytes;
}

static bool reserve_queue(struct session *s)
{
    if (s->queue_len < s->queue_cap)
        return true;
    if (s->queue_cap > UINT32_MAX / 2)
        return false;
    uint32_t cap = s->queue_cap == 0 ? 8 : s->queue_cap * 2;
    struct request **grown = realloc(s->queue, cap * sizeof(struct request *));
    if (grown == NULL)
        return false;
    s->queue = grown;
    s->queue_cap = cap;
    return true;
}

/* Too much is queued or watched: as when any request is too long, the client is closed. */
static bool multi_over_limit(struct session *s)
{
    if (s->queue_bytes <= (size_t)option_num(OPT_client_query_buffer_limit))
        return false;
    stat_add(STAT_client_query_buffer_limit_disconnections, 1);
    s->flags |= SESSION_CLOSE_AFTER_REPLY;
    return true;
}

enum run_result multi_queue(struct command_worker *w, struct session *s,
                            const struct command *command, struct request *r)
{
    size_t bytes = multi_request_bytes(r);
    s->queue_bytes += bytes;
    if (multi_over_limit(s)) {
        s->queue_bytes -= bytes;
        return RUN_CLOSE;
    }
    struct request *kept = reserve_queue(s) ? request_detach(r) : NULL;
    if (kept == NULL) {
        s->queue_bytes -= bytes;
        worker_reject(w, s, command, REPLY_OOM);
        return RUN_DONE;
    }
    s->queue[s->queue_len++] = kept;
    reply_simple(&s->reply, "QUEUED");
    return RUN_DONE;
}

enum { DATABASES_MAX = 256 }; /* as many as the keyspace can have */

/* What EXEC asks of the transaction. */
struct group {
    /* numbers[n]: the number before EXEC of the database that n names after the SWAPDBs queued so
     * far. */
    uint16_t numbers[DATABASES_MAX];
    bool swapped;
    uint32_t keys;
    uint64_t bytes; /* of their requests */
    unsigned flags;
    bool needs_txn;
    bool touches;    /* something in it marks keys as used */
    bool needs_room; /* something in it is refused when memory is full */
    bool adds;       /* something in it does more than take away */
    bool prepares;   /* something in it names keys by what values say */
};

static bool reserve_runs(struct command_worker *w, uint32_t n)
{
    if (n <= w->key_runs_cap)
        return true;
    struct key_run *grown = realloc(w->key_runs, n * sizeof(*grown));
    if (grown == NULL)
        return false;
    w->key_runs = grown;
    w->key_runs_cap = n;
    return true;
}

static void join_flags(struct group *g, const struct command *command, const struct session *s)
{
    unsigned flags = worker_txn_flags(command, s);
    g->needs_txn = true;
    g->flags |= flags & (TXN_WRITES | TXN_WHOLE);
    if ((command->flags & CMD_WALK) != 0)
        g->flags |= TXN_WHOLE;
    g->touches |= (flags & TXN_NO_TOUCH) == 0;
    g->needs_room |= (flags & TXN_WRITES) != 0 && (flags & TXN_NO_OOM) == 0;
    g->adds |= (flags & TXN_WRITES) != 0 && (flags & TXN_REMOVES) == 0;
}

static bool has_late_keys(const struct command *command, const struct request *r)
{
    return UNLIKELY(command->late_keys != NULL) && command->late_keys(r->argc, r->argv);
}

static bool parse_db(struct slice text, uint32_t *db)
{
    int64_t n;
    if (!num_parse_i64(text, &n) || n < 0 || n >= option_num(OPT_databases) || n >= DATABASES_MAX)
        return false;
    *db = (uint32_t)n;
    return true;
}

static void note_swap(struct group *g, const struct request *r)
{
    uint32_t a, b;
    if (!parse_db(r->argv[1], &a) || !parse_db(r->argv[2], &b))
        return;
    for (uint32_t i = 0; i < DATABASES_MAX && !g->swapped; i++)
        g->numbers[i] = (uint16_t)i;
    g->swapped = true;
    uint16_t number = g->numbers[a];
    g->numbers[a] = g->numbers[b];
    g->numbers[b] = number;
}

/* Keys after a SWAPDB are looked for where the numbers point then; they have to be loaded from
 * where they are before it, so each is named once more as that. */
static bool add_swapped_keys(struct command_worker *w, struct group *g, uint32_t first, uint32_t n)
{
    if (!worker_reserve_keys(w, (uint64_t)g->keys + n))
        return false;
    for (uint32_t i = first; i < first + n; i++) {
        const struct txn_key *key = &w->keys[i];
        if (key->mode == KEY_OVERWRITE || key->mode == KEY_NONE || key->db >= DATABASES_MAX)
            continue;
        w->keys[g->keys++] =
            (struct txn_key){.db = g->numbers[key->db],
                             .mode = key_mode_needs_value(key->mode) ? KEY_READ : KEY_HEAD,
                             .name = key->name};
    }
    return true;
}

/* A SELECT in the queue decides the database of those after it. */
static uint32_t database_after(const struct command *command, const struct request *r, uint32_t db)
{
    uint32_t selected;
    if (command->id == COMMAND_select && parse_db(r->argv[1], &selected))
        return selected;
    return db;
}

static bool add_watched_keys(struct command_worker *w, const struct session *s, struct group *g)
{
    if (!worker_reserve_keys(w, (uint64_t)g->keys + s->watched_len))
        return false;
    for (uint32_t i = 0; i < s->watched_len; i++)
        w->keys[g->keys++] =
            (struct txn_key){.db = s->watched[i].db, .mode = KEY_NONE, .name = s->watched[i].name};
    return true;
}

/* The keys of all queued requests into w->keys, where each has its own into w->key_runs. */
static bool multi_gather(struct command_worker *w, const struct session *s, struct group *g)
{
    uint32_t db = s->db;
    if (!reserve_runs(w, s->queue_len))
        return false;
    for (uint32_t i = 0; i < s->queue_len; i++) {
        const struct request *r = s->queue[i];
        const struct command *command = command_lookup(r->argc, r->argv);
        must(command != NULL);
        w->key_runs[i] = (struct key_run){0, 0};
        db = database_after(command, r, db);
        if ((command->flags & CMD_NO_TXN) != 0)
            continue;
        join_flags(g, command, s);
        g->bytes += txn_request_bytes(r->raw, r->argc, r->argv);
        if (has_late_keys(command, r)) {
            g->prepares = true;
            g->flags |= TXN_WHOLE;
        }
        int found = worker_find_keys(w, command, db, r, g->keys);
        if (found < 0)
            return false;
        w->key_runs[i] = (struct key_run){g->keys, (uint32_t)found};
        g->keys += (uint32_t)found;
        if (g->swapped && !add_swapped_keys(w, g, g->keys - (uint32_t)found, (uint32_t)found))
            return false;
        if (command->id == COMMAND_swapdb)
            note_swap(g, r);
    }
    if (g->needs_txn && !g->touches)
        g->flags |= TXN_NO_TOUCH;
    if ((g->flags & TXN_WRITES) != 0 && !g->needs_room)
        g->flags |= TXN_NO_OOM;
    if ((g->flags & TXN_WRITES) != 0 && !g->adds)
        g->flags |= TXN_REMOVES;
    return !g->needs_txn || add_watched_keys(w, s, g);
}

static void run_queued(struct command_worker *w, struct session *s, struct txn *t,
                       struct request *r, struct key_run keys)
{
    const struct command *command = command_lookup(r->argc, r->argv);
    uint64_t begin = w->last_ticks;
    struct call c = worker_call(w, s, command, r, CALL_EXEC);
    c.txn = t;
    c.key = keys.first;
    c.keys_len = keys.len;
    if (t != NULL)
        txn_next_request(t, r->raw, r->argc, r->argv);
    command->run(&c);
    must(!c.parked);
    worker_account(w, &c, begin);
    if (UNLIKELY((attention_now() & ATTENTION_MONITOR) != 0))
        monitor_show(w, s, command, r->argc, r->argv);
}

static void run_group(struct command_worker *w, struct session *s, struct txn *t)
{
    reply_array(&s->reply, s->queue_len);
    for (uint32_t i = 0; i < s->queue_len; i++)
        run_queued(w, s, t, s->queue[i], w->key_runs[i]);
}

/* Gets the keys of one that names them by what values say. What is refused then is refused again
 * when the command runs, which says so. */
static enum txn_state multi_prepare(struct command_worker *w, struct session *s,
                                    const struct request *r, struct key_run keys)
{
    struct reply nowhere;
    const struct command *command = command_lookup(r->argc, r->argv);
    struct call c = worker_call(w, s, command, r, CALL_PROBE);
    reply_init(&nowhere);
    nowhere.muted = true;
    c.reply = &nowhere;
    c.errors_before = nowhere.errors;
    c.txn = w->txn;
    c.key = keys.first;
    c.keys_len = keys.len;
    enum txn_state state = command->prepare(&c);
    reply_fini(&nowhere);
    return state;
}

/* False: parked. */
static bool prepare_all(struct command_worker *w, struct session *s)
{
    for (uint32_t i = 0; i < s->queue_len; i++) {
        const struct request *r = s->queue[i];
        if (has_late_keys(command_lookup(r->argc, r->argv), r) &&
            multi_prepare(w, s, r, w->key_runs[i]) == TXN_PARKED)
            return false;
    }
    return true;
}

/* False: parked. *ran: the queued commands have run and have accounted for their errors. */
static bool exec_in_txn(struct command_worker *w, struct session *s, const struct group *g,
                        bool *ran)
{
    struct txn *t = w->txn;
    txn_announce(t, g->bytes);
    switch (
        txn_begin(t, w->keys, g->keys, g->flags, (struct slice){NULL, 0}, 0, NULL, &s->waiter)) {
    case TXN_PARKED:
        return false;
    case TXN_REFUSED:
        reply_errorf(&s->reply, "EXECABORT Transaction discarded because of: %s", txn_refusal(t));
        return true;
    case TXN_READY:
        break;
    }
    *ran = !atomic_load(&s->watch.broken);
    if (*ran && g->prepares && !prepare_all(w, s))
        return false;
    if (*ran)
        run_group(w, s, t);
    else
        reply_null_array(&s->reply);
    worker_commit(w, s, (g->flags & TXN_WRITES) != 0);
    return true;
}

void cmd_exec(struct call *c)
{
    struct session *s = c->session;
    struct command_worker *w = worker_current();
    if ((s->flags & SESSION_MULTI) == 0) {
        reply_error(c->reply, "ERR EXEC without MULTI");
        return;
    }
    struct group group = {.keys = 0};
    bool ran = false;
    if ((s->flags & SESSION_MULTI_FAILED) != 0) {
        reply_error(c->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (s->watched_len > 0 && watch_is_broken(&s->watch)) {
        reply_null_array(c->reply);
        call_depends_on_all(c); /* it tells that somebody has changed a key */
    } else if (!multi_gather(w, s, &group)) {
        reply_error(c->reply, REPLY_OOM);
    } else if (!group.needs_txn) {
        run_group(w, s, NULL);
        ran = true;
    } else if (!exec_in_txn(w, s, &group, &ran)) {
        call_park(c);
        return;
    }
    if (ran)
        c->errors_before = s->reply.errors;
    session_discard(s, c->keyspace);
}

void cmd_multi(struct call *c)
{
    if ((c->session->flags & SESSION_MULTI) != 0) {
        reply_error(c->reply, "ERR MULTI calls can not be nested");
        return;
    }
    c->session->flags |= SESSION_MULTI;
    reply_ok(c->reply);
}

void cmd_discard(struct call *c)
{
    if ((c->session->flags & SESSION_MULTI) == 0) {
        reply_error(c->reply, "ERR DISCARD without MULTI");
        return;
    }
    session_discard(c->session, c->keyspace);
    reply_ok(c->reply);
}

void cmd_watch(struct call *c)
{
    struct session *s = c->session;
    if ((s->flags & SESSION_MULTI) != 0) {
        reply_error(c->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (uint32_t i = 1; i < c->argc; i++)
        if (!session_watch(s, c->txn, c->key + i - 1, c->argv[i])) {
            call_out_of_memory(c);
            return;
        }
    if (!multi_over_limit(s))
        reply_ok(c->reply);
}

void cmd_unwatch(struct call *c)
{
    if (c->source !=
        CALL_EXEC) /* EXEC ends the watching itself, once it has let go of the shards */
        session_unwatch(c->session, c->keyspace);
    reply_ok(c->reply);
}
