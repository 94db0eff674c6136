/* How a request is run: found, checked, its keys locked, handled, committed, accounted for.
 *
 *   command_prefetch   looks up all requests of a batch, hashes their first keys, and touches the
 *                      memory that they will need, so that the loads overlap
 *   command_run        checks in the order of Redis, then txn_begin, handler, txn_commit
 *
 * Nothing here allocates or asks the operating system for the time, once the scratch space has
 * grown: a command's time runs from the end of the one before it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/executor.h"

#include "executor/attention.h"
#include "executor/blocked.h"
#include "executor/gate.h"
#include "executor/ticks.h"
#include "keyspace/block.h"

/* Requests that name one key again and again are about its elements. */
static void prefetch_elements(struct command_worker *w, const struct request *requests, bool near)
{
    enum { NAME_MAX_BYTES = 256 }; /* more is not worth hashing */
    for (uint32_t i = 0; i < w->lookups_len; i++) {
        const struct lookup *l = &w->lookups[i];
        const struct request *r = &requests[i];
        if (l->hash == 0 || (l->command->flags & CMD_ELEMENT) == 0 || r->argc < 3 ||
            r->argv[2].len > NAME_MAX_BYTES)
            continue;
        if ((i > 0 && w->lookups[i - 1].hash == l->hash) ||
            (i + 1 < w->lookups_len && w->lookups[i + 1].hash == l->hash))
            keyspace_prefetch_element(w->ks, l->hash, r->argv[2], near);
    }
}

void command_prefetch(struct command_worker *w, struct session *s, const struct request *requests,
                      size_t n)
{
    worker_begin_batch(w);
    w->lookups_len = (uint32_t)min_u64(n, LOOKUPS_MAX);
    bool hashes = w->ks != NULL && n > 1 && (s->flags & SESSION_MULTI) == 0, elements = false;
    for (uint32_t i = 0; i < w->lookups_len; i++) {
        const struct request *r = &requests[i];
        struct lookup *l = &w->lookups[i];
        l->command = command_lookup(r->argc, r->argv);
        l->hash = 0;
        if (!hashes || l->command == NULL || l->command->first_key == 0 ||
            (l->command->flags & CMD_NO_TXN) != 0 || r->argc <= (uint32_t)l->command->first_key)
            continue;
        l->db = s->db;
        l->hash = keyspace_hash(w->ks, s->db, r->argv[l->command->first_key]);
        keyspace_prefetch_bucket(w->ks, l->hash);
        elements |= (l->command->flags & CMD_ELEMENT) != 0;
    }
    if (!hashes)
        return;
    for (uint32_t i = 0; i < w->lookups_len; i++)
        if (w->lookups[i].hash != 0)
            keyspace_prefetch_entry(w->ks, w->lookups[i].hash);
    if (!elements)
        return;
    prefetch_elements(w, requests, false);
    prefetch_elements(w, requests, true);
}

static bool runs_at_once_in_multi(const struct command *command)
{
    switch (command->id) {
    case COMMAND_exec:
    case COMMAND_discard:
    case COMMAND_multi:
    case COMMAND_watch:
    case COMMAND_quit:
    case COMMAND_reset:
        return true;
    default:
        return false;
    }
}

enum step { STEP_DONE, STEP_PARKED, STEP_REJECTED };

/* A request of a command that may write, which does not: BITFIELD with nothing but GETs. */
static bool only_reads(const struct txn_key *keys, int found)
{
    int reads = 0;
    while (reads < found && keys[reads].mode == KEY_READ)
        reads++;
    return found > 0 && reads == found;
}

/* Begin, handler, commit. */
static enum step run_in_txn(struct command_worker *w, const struct lookup *l, struct request *r,
                            struct call *c)
{
    const struct command *command = l->command;
    struct session *s = c->session;
    struct txn_key one, *keys = &one;
    int found = 1;
    if (LIKELY(command->find_keys == NULL && command->first_key > 0 &&
               command->last_key == command->first_key)) {
        one = (struct txn_key){
            .db = s->db, .mode = command->key_mode, .name = r->argv[command->first_key]};
    } else {
        found = worker_find_keys(w, command, s->db, r, 0);
        if (UNLIKELY(found < 0)) {
            worker_reject(w, s, command, REPLY_OOM);
            return STEP_REJECTED;
        }
        keys = w->keys;
    }
    if (found > 0 && l->hash != 0 && keys[0].db == l->db &&
        keys[0].name.ptr == r->argv[command->first_key].ptr)
        keys[0].hash = l->hash;
    unsigned flags = worker_txn_flags(command, s);
    if (UNLIKELY(command->find_keys != NULL) && only_reads(keys, found))
        flags &= ~(unsigned)TXN_WRITES; /* so no memory and no journal can refuse it */
    enum txn_state state =
        txn_begin(w->txn, keys, (uint32_t)found, flags, r->raw, r->argc, r->argv, &s->waiter);
    if (UNLIKELY(state == TXN_PARKED))
        return STEP_PARKED;
    if (UNLIKELY(state == TXN_REFUSED)) {
        worker_reject(w, s, command, txn_refusal(w->txn));
        return STEP_REJECTED;
    }
    c->txn = w->txn;
    c->keys_len = (uint32_t)found;
    command->run(c);
    if (LIKELY(c->txn != NULL)) /* SORT may have ended it */
        worker_commit(w, s, (command->flags & CMD_WRITE) != 0);
    return STEP_DONE;
}

/* CLIENT REPLY SKIP mutes the command after it. */
static void finish_skip(struct session *s)
{
    s->flags &= ~(unsigned)SESSION_REPLY_SKIP;
    if ((s->flags & SESSION_REPLY_SKIP_NEXT) != 0) {
        s->flags |= SESSION_REPLY_SKIP;
        s->flags &= ~(unsigned)SESSION_REPLY_SKIP_NEXT;
    }
    s->reply.muted = (s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0;
}

static enum run_result run_finish(struct session *s, bool ran)
{
    if (UNLIKELY((s->flags & (SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT |
                              SESSION_CLOSE_AFTER_REPLY)) != 0)) {
        if ((s->flags & SESSION_CLOSE_AFTER_REPLY) != 0)
            return RUN_CLOSE;
        finish_skip(s);
    }
    s->commands += ran;
    return RUN_DONE;
}

static enum run_result run_park(struct session *s)
{
    s->flags |= SESSION_PARKED;
    return RUN_PARKED;
}

/* The command has begun and waits for something; being run again it is not a new one. */
static bool is_under_way(const struct session *s)
{
    return s->pending != NULL || s->blocked != NULL;
}

/* Checks and runs a request whose row was looked up. */
static enum run_result run_found(struct command_worker *w, struct session *s,
                                 const struct lookup *l, struct request *r)
{
    const struct command *command = l->command;
    if (UNLIKELY(!gate_admits(w, s, command, r)))
        return run_finish(s, false);
    s->last_command = command;
    unsigned attention = attention_now();
    bool resumed = false; /* shown and let through when it began */
    if (UNLIKELY(attention != 0)) {
        resumed = is_under_way(s);
        if (!resumed && gate_refuses_monitor(w, s, command))
            return run_finish(s, false);
        if (!resumed && (attention & ATTENTION_PAUSE) != 0 && pause_holds(w->host, s, command))
            return run_park(s);
    }
    if (UNLIKELY((s->flags & SESSION_MULTI) != 0) && !runs_at_once_in_multi(command))
        return multi_queue(w, s, command, r) == RUN_CLOSE ? RUN_CLOSE : run_finish(s, false);

    uint64_t begin = w->last_ticks;
    struct call c = worker_call(w, s, command, r, CALL_CLIENT);
    enum step step = STEP_DONE;
    if ((command->flags & (CMD_NO_TXN | CMD_WALK)) != 0) {
        command->run(&c);
        if ((command->flags & CMD_WALK) != 0 && !c.parked)
            worker_depends_on_all(w, s);
    } else {
        step = run_in_txn(w, l, r, &c);
    }
    if (UNLIKELY(step != STEP_DONE))
        return step == STEP_PARKED ? run_park(s) : run_finish(s, false);
    bool shows = UNLIKELY((attention & ATTENTION_MONITOR) != 0) && !resumed;
    if (UNLIKELY(c.parked)) {
        must(s->reply.errors == c.errors_before);
        if (shows && is_under_way(s))
            monitor_show(w, s, command, r->argc, r->argv);
        return run_park(s);
    }
    worker_account(w, &c, begin);
    if (shows)
        monitor_show(w, s, command, r->argc, r->argv);
    return run_finish(s, true);
}

enum run_result command_run(struct command_worker *w, struct session *s, struct request *r,
                            int slot)
{
    struct lookup alone;
    const struct lookup *l = &alone;
    if (LIKELY(slot >= 0 && (uint32_t)slot < w->lookups_len)) {
        l = &w->lookups[slot];
    } else {
        worker_begin_batch(w);
        alone = (struct lookup){.command = command_lookup(r->argc, r->argv)};
    }
    s->flags &= ~(unsigned)(SESSION_PARKED | SESSION_POSTPONED);
    if (UNLIKELY(s->blocked != NULL) && blocking_resume(w, s) == BLOCKED_REPLIED)
        return run_finish(s, true);
    enum run_result result = run_found(w, s, l, r);
    /* A client that ran its own command again kept its place in the queues until now. */
    if (UNLIKELY(s->blocked != NULL) && result != RUN_PARKED)
        blocking_end(s);
    /* What was committed may be what others wait for. */
    if (UNLIKELY(w->txn != NULL && txn_has_ready(w->txn)))
        blocking_serve(w);
    return result;
}

void command_leave(struct session *s)
{
    if (s->blocked != NULL)
        blocking_end(s);
    monitor_leave(s);
}
