/* What a worker keeps for running commands. Private to the executor and to the few commands that
 * are about running commands.
 *
 * Scratch space is reused from one command to the next, so that running one allocates nothing.
 * Statistics are in cmdstats.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_WORKER_H
#define EXECUTOR_WORKER_H

#include "base/stats.h"
#include "executor/cmdstats.h"
#include "executor/executor.h"

enum { LOOKUPS_MAX = 512 }; /* requests of one batch that are looked up ahead */

/* What is known of a request before it runs. */
struct lookup {
    const struct command *command; /* NULL: unknown */
    uint64_t hash;                 /* of the first key; 0: not computed */
    uint32_t db;                   /* for which it was computed */
};

struct key_run {
    uint32_t first, len;
};

struct command_worker {
    /* immutable */
    const struct host *host;
    uint32_t index;
    /* worker only */
    struct keyspace *ks; /* NULL while loading */
    struct txn *txn;
    struct txn_key *keys; /* scratch: keys of the running request, or of a whole EXEC */
    uint32_t keys_cap;
    struct key_run *key_runs; /* scratch: EXEC, which of the keys each queued request has */
    uint32_t key_runs_cap;
    uint32_t lookups_len;
    uint64_t last_ticks; /* end of the command before, which is where the next one begins */
    uint64_t slow_ticks; /* from here on a command is looked at by slow log and latency monitor */
    bool track_latency;
    bool withholds;           /* journal-fsync always: replies wait for what they depend on */
    struct session *serving;  /* for commands of clients that waited: serve.c */
    struct session *monitors; /* of this worker; linked by monitor_next */
    struct buf shown;         /* lines for all monitors, not posted yet */
    uint64_t shown_lsn;       /* newest LSN that they depend on */
    bool shown_lost;          /* there was no memory for a line */
    struct cmdstats *stats;   /* written here, read by all */
    struct stats_block *counters;
    struct lookup lookups[LOOKUPS_MAX]; /* of the batch */
};

/* Directives that are looked at once a batch instead of once a command. */
void worker_begin_batch(struct command_worker *w);

/* A call of `command` for the session, with the arguments of the request. Its transaction and the
 * place of its keys in there are for the caller to fill in. Every call is made here. */
static inline struct call worker_call(const struct command_worker *w, struct session *s,
                                      const struct command *command, const struct request *r,
                                      enum call_source source)
{
    return (struct call){.session = s,
                         .reply = &s->reply,
                         .errors_before = s->reply.errors,
                         .keyspace = w->ks,
                         .host = w->host,
                         .command = command,
                         .source = source,
                         .argc = r->argc,
                         .argv = r->argv,
                         .blobs = r->blobs,
                         .spare = source == CALL_CLIENT ? w->txn : NULL};
}

/* The keys of a request into `out`, which has room for argc; -1: the arguments make no sense. */
int command_keys(const struct command *command, uint32_t db, uint32_t argc,
                 const struct slice *argv, struct txn_key *out);
/* Fills in the keys of a request from `at` on in w->keys and returns how many; -1: out of memory. A
 * request whose keys cannot be told has none. */
int worker_find_keys(struct command_worker *w, const struct command *command, uint32_t db,
                     const struct request *r, uint32_t at);
/* Room for n keys in all; false: out of memory. */
MUST_CHECK bool worker_reserve_keys(struct command_worker *w, uint64_t n);

/* What txn_begin is to know of a command. */
unsigned worker_txn_flags(const struct command *command, const struct session *s);

/* The session's reply may tell of any key: it depends on the newest change there is. */
void worker_depends_on_all(struct command_worker *w, struct session *s);

/* Commits, and notes in the session what its replies and its WAITAOF depend on. */
void worker_commit(struct command_worker *w, struct session *s, bool writes);

/* Accounts for a finished run: calls, time, errors, slow log. The errors of its reply tell whether
 * it failed. begin: in ticks. */
void worker_account(struct command_worker *w, const struct call *c, uint64_t begin);
/* Replies an error to a request that is not run, and fails an open MULTI. */
void worker_reject(struct command_worker *w, struct session *s, const struct command *command,
                   const char *text);

/* multi.c: puts a request into the queue of an open MULTI. */
enum run_result multi_queue(struct command_worker *w, struct session *s,
                            const struct command *command, struct request *r);
/* The running worker of this thread: for handlers that need more than a call tells. */
struct command_worker *worker_current(void);

#endif
