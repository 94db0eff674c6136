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
#include "base/log.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/blocked.h"
#include "executor/latency.h"
#include "executor/slowlog.h"
#include "executor/ticks.h"
#include "executor/worker.h"
#include "journal/journal.h"
#include "keyspace/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct command_worker *current;

struct command_worker *worker_current(void)
{
    return current;
}

struct command_worker *command_worker_new(struct keyspace *ks, const struct host *host,
                                          uint32_t worker)
{
    struct command_worker *w = calloc(1, sizeof(*w));
    must(w != NULL);
    ticks_init();
    w->host = host;
    w->index = worker;
    w->stats = cmdstats_new();
    w->slow_ticks = UINT64_MAX;
    w->track_latency = true;
    if (ks != NULL)
        command_worker_attach(w, ks);
    return w;
}

void command_worker_attach(struct command_worker *w, struct keyspace *ks)
{
    must(w->ks == NULL && w->txn == NULL);
    w->ks = ks;
    w->txn = txn_new(ks, w->index);
}

void command_worker_free(struct command_worker **w)
{
    if (*w == NULL)
        return;
    if ((*w)->serving != NULL) {
        session_fini((*w)->serving, (*w)->ks);
        free((*w)->serving);
    }
    if ((*w)->txn != NULL)
        txn_free(&(*w)->txn);
    free((*w)->keys);
    free((*w)->key_runs);
    buf_fini(&(*w)->shown);
    free(*w);
    *w = NULL;
}

struct txn *command_worker_txn(struct command_worker *w)
{
    return w->txn;
}

const struct command *command_lookup(uint32_t argc, const struct slice *argv)
{
    const struct command *command = command_find(argv[0]);
    if (command != NULL && UNLIKELY((command->flags & CMD_CONTAINER) != 0) && argc > 1)
        return command_find_sub(command, argv[1]);
    return command;
}

/* Directives that are looked at once a batch instead of once a command. */
static void begin_batch(struct command_worker *w)
{
    int64_t slower_us = option_num(OPT_slowlog_log_slower_than);
    int64_t latency_ms = option_num(OPT_latency_monitor_threshold);
    double limit_us = (double)INT64_MAX;
    if (slower_us >= 0)
        limit_us = (double)slower_us;
    if (latency_ms > 0 && (double)latency_ms * 1000 < limit_us)
        limit_us = (double)latency_ms * 1000;
    double limit = limit_us * ticks_per_us();
    w->slow_ticks = limit < 9e18 ? (uint64_t)limit : UINT64_MAX;
    w->withholds = option_num(OPT_journal_fsync) == JOURNAL_FSYNC_ALWAYS;
    w->track_latency = option_num(OPT_latency_tracking) != 0;
    w->last_ticks = ticks_now();
    if (UNLIKELY(w->counters == NULL))
        w->counters = stats_mine();
    current = w;
}

/* Requests that name one key again and again are about its elements. */
static void prefetch_elements(struct command_worker *w, const struct request *requests, bool near)
{
    enum { NAME_MAX_BYTES = 256 }; /* more is not worth hashing */
    for (uint32_t i = 0; i < w->slots_len; i++) {
        const struct slot *slot = &w->slots[i];
        const struct request *r = &requests[i];
        if (slot->hash == 0 || (slot->command->flags & CMD_ELEMENT) == 0 || r->argc < 3 ||
            r->argv[2].len > NAME_MAX_BYTES)
            continue;
        if ((i > 0 && w->slots[i - 1].hash == slot->hash) ||
            (i + 1 < w->slots_len && w->slots[i + 1].hash == slot->hash))
            keyspace_prefetch_element(w->ks, slot->hash, r->argv[2], near);
    }
}

void command_prefetch(struct command_worker *w, struct session *s, const struct request *requests,
                      size_t n)
{
    begin_batch(w);
    w->slots_len = (uint32_t)min_u64(n, WORKER_SLOTS);
    bool hashes = w->ks != NULL && n > 1 && (s->flags & SESSION_MULTI) == 0, elements = false;
    for (uint32_t i = 0; i < w->slots_len; i++) {
        const struct request *r = &requests[i];
        struct slot *slot = &w->slots[i];
        slot->command = command_lookup(r->argc, r->argv);
        slot->hash = 0;
        if (!hashes || slot->command == NULL || slot->command->first_key == 0 ||
            (slot->command->flags & CMD_NO_TXN) != 0 ||
            r->argc <= (uint32_t)slot->command->first_key)
            continue;
        slot->db = s->db;
        slot->hash = keyspace_hash(w->ks, s->db, r->argv[slot->command->first_key]);
        keyspace_prefetch_bucket(w->ks, slot->hash);
        elements |= (slot->command->flags & CMD_ELEMENT) != 0;
    }
    if (!hashes)
        return;
    for (uint32_t i = 0; i < w->slots_len; i++)
        if (w->slots[i].hash != 0)
            keyspace_prefetch_entry(w->ks, w->slots[i].hash);
    if (!elements)
        return;
    prefetch_elements(w, requests, false);
    prefetch_elements(w, requests, true);
}

static void count_error(struct command_worker *w, struct session *s, uint64_t errors)
{
    const struct reply *r = &s->reply;
    stat_add(STAT_total_error_replies, errors);
    if (r->muted || r->last_error >= r->buf.len)
        return;
    size_t at = r->last_error + 1;
    cmdstats_error(w->stats, slice_of(r->buf.data + at, r->buf.len - at));
}

static void note_slow(struct session *s, const struct command *command, uint32_t argc,
                      const struct slice *argv, uint64_t ticks)
{
    int64_t us = (int64_t)((double)ticks / ticks_per_us());
    int64_t slower_us = option_num(OPT_slowlog_log_slower_than);
    if (slower_us >= 0 && us >= slower_us && (command->flags & CMD_SKIP_SLOWLOG) == 0)
        slowlog_add(s, argc, argv, us);
    latency_add((command->flags & CMD_FAST) != 0 ? "fast-command" : "command", us / 1000);
}

void worker_account(struct command_worker *w, struct session *s, const struct command *command,
                    uint32_t argc, const struct slice *argv, uint64_t errors_before, uint64_t begin)
{
    uint64_t end = ticks_now();
    uint64_t ticks = end > begin ? end - begin : 0;
    w->last_ticks = end;
    cmdstats_time(w->stats, command->id, ticks, w->track_latency);
    _Atomic uint64_t *processed = &w->counters->value[STAT_total_commands_processed];
    atomic_store_explicit(processed, atomic_load_explicit(processed, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (UNLIKELY(s->reply.errors != errors_before)) {
        count_error(w, s, s->reply.errors - errors_before);
        counter_add(&w->stats->commands[command->id].failed, 1);
    }
    if (UNLIKELY(ticks >= w->slow_ticks))
        note_slow(s, command, argc, argv, ticks);
}

void worker_reject(struct command_worker *w, struct session *s, const struct command *command,
                   const char *text)
{
    uint64_t before = s->reply.errors;
    if ((s->flags & SESSION_MULTI) != 0)
        s->flags |= SESSION_MULTI_FAILED;
    if (command != NULL && command->id == COMMAND_exec) {
        bool plain = strncmp(text, "ERR ", 4) == 0;
        reply_errorf(&s->reply, "EXECABORT Transaction discarded because of: %s",
                     plain ? text + 4 : text);
        multi_discard(s, w->ks);
    } else {
        reply_error(&s->reply, text);
    }
    if (command != NULL)
        counter_add(&w->stats->commands[command->id].rejected, 1);
    count_error(w, s, s->reply.errors - before);
}

/* A line of HTTP: a browser was made to talk to this port, and commands of an attacker may follow
 * in the body. */
static bool is_http(struct slice name)
{
    return slice_is_word(name, "post") || slice_is_word(name, "host:");
}

/* The connection ends before anything of the body runs. Said once a minute, since the attacker
 * decides how often it happens. */
static void end_http(struct command_worker *w, struct session *s)
{
    enum { SAY_EVERY_US = 60 * 1000 * 1000 };
    static _Atomic int64_t said_at_us;
    if (log_is_due(&said_at_us, SAY_EVERY_US))
        log_line(LOG_WARNING,
                 "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or "
                 "Host: commands to Weir. This is likely due to an attacker attempting to use "
                 "Cross Protocol Scripting to compromise your Weir instance. Connection from %s "
                 "aborted.",
                 s->addr);
    w->host->session_close(s, true);
}

static void reject_unknown(struct command_worker *w, struct session *s, const struct request *r)
{
    enum { PREVIEW_MAX = 128 };
    struct buf text = {0};
    if (UNLIKELY(is_http(r->argv[0])) && w->host != NULL) {
        end_http(w, s);
        return;
    }
    const struct command *parent = command_find(r->argv[0]);
    if (parent != NULL) {
        must((parent->flags & CMD_CONTAINER) != 0);
        struct slice sub = r->argv[1];
        buf_printf(&text, "ERR unknown subcommand '%.*s'. Try ", (int)min_u64(sub.len, PREVIEW_MAX),
                   sub.ptr);
        for (const char *p = parent->name; *p != '\0'; p++)
            buf_append(&text, &(char){(char)(*p - 32)}, 1);
        buf_append_str(&text, " HELP.");
    } else {
        buf_append_str(&text, "ERR unknown command '");
        buf_append(&text, r->argv[0].ptr, min_u64(r->argv[0].len, PREVIEW_MAX));
        buf_append_str(&text, "', with args beginning with: ");
        size_t shown = 0;
        for (uint32_t i = 1; i < r->argc && shown < PREVIEW_MAX; i++) {
            size_t len = min_u64(r->argv[i].len, PREVIEW_MAX - shown);
            buf_append_str(&text, "'");
            buf_append(&text, r->argv[i].ptr, len);
            buf_append_str(&text, "' ");
            shown += len + 3;
        }
    }
    for (size_t i = 0; i < text.len; i++) /* reply_error takes a C string */
        if (text.data[i] == '\0')
            text.data[i] = ' ';
    buf_append(&text, "", 1);
    worker_reject(w, s, NULL, text.data);
    buf_fini(&text);
}

/* Whether DEBUG may be used by this client: enable-debug-command no, yes or local. */
static bool debug_is_allowed(const struct session *s)
{
    switch (option_num(OPT_enable_debug_command)) {
    case 1:
        return true;
    case 2:
        return (s->flags & SESSION_UNIX) != 0 || strncmp(s->addr, "127.", 4) == 0 ||
               strncmp(s->addr, "[::1]", 5) == 0 || strncmp(s->addr, "::1", 3) == 0;
    default:
        return false;
    }
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

/* What a RESP2 client that listens to channels may still send: only these answers cannot be taken
 * for a message. */
static bool goes_with_messages(const struct command *command)
{
    switch (command->id) {
    case COMMAND_subscribe:
    case COMMAND_psubscribe:
    case COMMAND_ssubscribe:
    case COMMAND_unsubscribe:
    case COMMAND_punsubscribe:
    case COMMAND_sunsubscribe:
    case COMMAND_ping:
    case COMMAND_quit:
    case COMMAND_reset:
        return true;
    default:
        return false;
    }
}

static bool arity_holds(const struct command *command, uint32_t argc)
{
    return command->arity >= 0 ? argc == (uint32_t)command->arity
                               : argc >= (uint32_t)-command->arity;
}

/* The checks before a command, in Redis's order; false: rejected. */
static bool check(struct command_worker *w, struct session *s, const struct command *command,
                  const struct request *r)
{
    if (command == NULL) {
        reject_unknown(w, s, r);
        return false;
    }
    if (!arity_holds(command, r->argc) || command->run == NULL) {
        char text[96];
        snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command",
                 command->name);
        worker_reject(w, s, command, text);
        return false;
    }
    if (UNLIKELY(command->id == COMMAND_debug) && !debug_is_allowed(s)) {
        worker_reject(w, s, command,
                      "ERR DEBUG command not allowed. If the enable-debug-command option is set "
                      "to \"local\", you can run it from a local connection, otherwise you need "
                      "to set this option in the configuration file, and then restart the "
                      "server.");
        return false;
    }
    if (UNLIKELY(session_is_untrusted(s)) && (command->flags & CMD_NO_AUTH) == 0) {
        worker_reject(w, s, command, "NOAUTH Authentication required.");
        return false;
    }
    if (UNLIKELY((s->flags & SESSION_MULTI) != 0) && (command->flags & CMD_NO_MULTI) != 0) {
        worker_reject(w, s, command, "ERR Command not allowed inside a transaction");
        return false;
    }
    if (UNLIKELY(session_is_subscribed(s)) && s->reply.proto < 3 && !goes_with_messages(command)) {
        char text[192];
        snprintf(text, sizeof(text),
                 "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                 "RESET are allowed in this context",
                 command->name);
        worker_reject(w, s, command, text);
        return false;
    }
    if (UNLIKELY(w->ks == NULL) &&
        ((command->flags & CMD_LOADING) == 0 || (command->flags & CMD_NO_TXN) == 0)) {
        worker_reject(w, s, command, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    return true;
}

unsigned worker_txn_flags(const struct command *command, const struct session *s)
{
    unsigned flags = 0;
    if ((command->flags & CMD_WRITE) != 0)
        flags = TXN_WRITES | ((command->flags & CMD_DENYOOM) != 0 ? 0 : TXN_NO_OOM);
    if ((command->flags & CMD_REMOVES) != 0)
        flags |= TXN_REMOVES;
    if ((command->flags & CMD_NO_TOUCH) != 0)
        flags |= TXN_NO_TOUCH;
    if (UNLIKELY((s->flags & SESSION_NO_TOUCH) != 0) && command->id != COMMAND_touch)
        flags |= TXN_NO_TOUCH;
    if ((command->flags & CMD_WHOLE) != 0)
        flags |= TXN_WHOLE;
    return flags;
}

void worker_depends_on_all(struct command_worker *w, struct session *s)
{
    if (w->ks == NULL)
        return;
    const struct journal *j = keyspace_journal(w->ks);
    uint64_t last = journal_last_lsn(j);
    if (UNLIKELY(w->withholds || last >= journal_oversize_lsn(j)))
        s->depends_lsn = max_u64(s->depends_lsn, last);
}

void worker_commit(struct command_worker *w, struct session *s, bool writes)
{
    uint64_t lsn = txn_commit(w->txn);
    bool withholds = w->withholds || lsn >= journal_oversize_lsn(keyspace_journal(w->ks));
    if (UNLIKELY(withholds) && lsn > s->depends_lsn)
        s->depends_lsn = lsn;
    if (writes)
        session_note_write(s, lsn);
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
static enum step run_in_txn(struct command_worker *w, struct session *s,
                            const struct command *command, struct request *r, uint64_t hash,
                            uint32_t hash_db, struct call *c)
{
    struct txn_key one, *keys = &one;
    int found = 1;
    if (LIKELY(command->find_keys == NULL && command->first_key > 0 &&
               command->last_key == command->first_key)) {
        one = (struct txn_key){
            .db = s->db, .mode = command->key_mode, .name = r->argv[command->first_key]};
    } else {
        found = worker_find_keys(w, command, s->db, r->argc, r->argv, 0);
        if (UNLIKELY(found < 0)) {
            worker_reject(w, s, command, REPLY_OOM);
            return STEP_REJECTED;
        }
        keys = w->keys;
    }
    if (found > 0 && hash != 0 && keys[0].db == hash_db &&
        keys[0].name.ptr == r->argv[command->first_key].ptr)
        keys[0].hash = hash;
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

/* CLIENT REPLY SKIP mutes one command behind itself. */
static void finish_skip(struct session *s)
{
    s->flags &= ~(unsigned)SESSION_REPLY_SKIP;
    if ((s->flags & SESSION_REPLY_SKIP_NEXT) != 0) {
        s->flags |= SESSION_REPLY_SKIP;
        s->flags &= ~(unsigned)SESSION_REPLY_SKIP_NEXT;
    }
    s->reply.muted = (s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0;
}

static enum run_result finish(struct session *s, bool ran)
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

static enum run_result park(struct session *s)
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
                                 const struct command *command, struct request *r, uint64_t hash,
                                 uint32_t hash_db)
{
    if (UNLIKELY(!check(w, s, command, r)))
        return finish(s, false);
    s->last_command = command;
    unsigned attention = attention_now();
    bool resumed = false; /* shown and let through when it began */
    if (UNLIKELY(attention != 0)) {
        resumed = is_under_way(s);
        if (!resumed && monitor_refuses(w, s, command))
            return finish(s, false);
        if (!resumed && (attention & ATTENTION_PAUSE) != 0 && pause_holds(w->host, s, command))
            return park(s);
    }
    if (UNLIKELY((s->flags & SESSION_MULTI) != 0) && !runs_at_once_in_multi(command))
        return multi_queue(w, s, command, r) == RUN_CLOSE ? RUN_CLOSE : finish(s, false);

    uint64_t begin = w->last_ticks;
    struct call c = {.session = s,
                     .reply = &s->reply,
                     .errors_before = s->reply.errors,
                     .keyspace = w->ks,
                     .host = w->host,
                     .command = command,
                     .argc = r->argc,
                     .argv = r->argv,
                     .blobs = r->blobs,
                     .spare = w->txn};
    enum step step = STEP_DONE;
    if ((command->flags & (CMD_NO_TXN | CMD_WALK)) != 0) {
        command->run(&c);
        if ((command->flags & CMD_WALK) != 0 && !c.parked)
            worker_depends_on_all(w, s);
    } else {
        step = run_in_txn(w, s, command, r, hash, hash_db, &c);
    }
    if (UNLIKELY(step != STEP_DONE))
        return step == STEP_PARKED ? park(s) : finish(s, false);
    bool shows = UNLIKELY((attention & ATTENTION_MONITOR) != 0) && !resumed;
    if (UNLIKELY(c.parked)) {
        must(s->reply.errors == c.errors_before);
        if (shows && is_under_way(s))
            monitor_show(w, s, command, r->argc, r->argv);
        return park(s);
    }
    worker_account(w, s, command, r->argc, r->argv, c.errors_before, begin);
    if (shows)
        monitor_show(w, s, command, r->argc, r->argv);
    return finish(s, true);
}

enum run_result command_run(struct command_worker *w, struct session *s, struct request *r,
                            int slot)
{
    const struct command *command;
    uint64_t hash = 0;
    uint32_t hash_db = 0;
    if (LIKELY(slot >= 0 && (uint32_t)slot < w->slots_len)) {
        command = w->slots[slot].command;
        hash = w->slots[slot].hash;
        hash_db = w->slots[slot].db;
    } else {
        begin_batch(w);
        command = command_lookup(r->argc, r->argv);
    }
    s->flags &= ~(unsigned)(SESSION_PARKED | SESSION_POSTPONED);
    if (UNLIKELY(s->blocked != NULL) && blocking_resume(w, s) == BLOCKED_REPLIED)
        return finish(s, true);
    enum run_result result = run_found(w, s, command, r, hash, hash_db);
    /* A client that ran its own command again kept its place in the queues until now. */
    if (UNLIKELY(s->blocked != NULL) && result != RUN_PARKED)
        blocking_end(s);
    /* What was committed may be what others wait for. */
    if (UNLIKELY(w->txn != NULL && txn_has_ready(w->txn)))
        blocking_serve(w);
    return result;
}
