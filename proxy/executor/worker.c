/* See worker.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/worker.h"

#include "config/options.h"
#include "executor/latency.h"
#include "executor/slowlog.h"
#include "executor/ticks.h"
#include "journal/journal.h"

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

void worker_begin_batch(struct command_worker *w)
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

static void count_error(struct command_worker *w, struct session *s, uint64_t errors)
{
    const struct reply *r = &s->reply;
    stat_add(STAT_total_error_replies, errors);
    if (r->muted || r->last_error >= r->buf.len)
        return;
    size_t at = r->last_error + 1;
    cmdstats_error(w->stats, slice_of(r->buf.data + at, r->buf.len - at));
}

static void note_slow(const struct call *c, uint64_t ticks)
{
    unsigned flags = c->command->flags;
    int64_t us = (int64_t)((double)ticks / ticks_per_us());
    int64_t slower_us = option_num(OPT_slowlog_log_slower_than);
    if (slower_us >= 0 && us >= slower_us && (flags & CMD_SKIP_SLOWLOG) == 0)
        slowlog_add(c->session, c->argc, c->argv, us);
    latency_add((flags & CMD_FAST) != 0 ? "fast-command" : "command", us / 1000);
}

void worker_account(struct command_worker *w, const struct call *c, uint64_t begin)
{
    uint64_t end = ticks_now();
    uint64_t ticks = end > begin ? end - begin : 0;
    enum command_id id = c->command->id;
    w->last_ticks = end;
    cmdstats_time(w->stats, id, ticks, w->track_latency);
    _Atomic uint64_t *processed = &w->counters->value[STAT_total_commands_processed];
    atomic_store_explicit(processed, atomic_load_explicit(processed, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (UNLIKELY(c->session->reply.errors != c->errors_before)) {
        count_error(w, c->session, c->session->reply.errors - c->errors_before);
        counter_add(&w->stats->commands[id].failed, 1);
    }
    if (UNLIKELY(ticks >= w->slow_ticks))
        note_slow(c, ticks);
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
        session_discard(s, w->ks);
    } else {
        reply_error(&s->reply, text);
    }
    if (command != NULL)
        counter_add(&w->stats->commands[command->id].rejected, 1);
    count_error(w, s, s->reply.errors - before);
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
