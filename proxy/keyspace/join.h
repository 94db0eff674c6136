/* Whether a store and a journal belong together, and joining them on purpose.
 *
 * A store carries the id of its journal and its position in it. What a start makes of the two is
 * decided by this table, from top to bottom:
 *
 *   store          journal                                          verdict
 *   -------------  -----------------------------------------------  -------------------------------
 *   of no journal  new, or without a record and where the store is  JOIN
 *   of no journal  anything else, the store is fresh                NEW_STORE       refused
 *   of no journal  anything else                                    FOREIGN         refused
 *   of a journal   none                                             NO_JOURNAL      refused
 *   of another     any                                              FOREIGN         refused
 *   of this one    begins later, or has a gap later, which was      STORE_OLDER     refused
 *                  not accepted by an operator
 *   of this one    reaches the store's position                     REPLAY
 *   of this one    ends before, the machine has not run since, and  REPLAY_NOTHING  power loss took
 *                  all that was known to be synced is there         what the store has already
 *   of this one    ends before                                      JOURNAL_OLDER   refused
 *
 * A store that no journal has joined yet is joined by a start after the journal's first segment is
 * on disk and before anything is written to it: so a new store beside a journal that has records,
 * or a store that knows a journal where there is none, is never what a crash leaves.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_JOIN_H
#define KEYSPACE_JOIN_H

#include "backends/backend.h"
#include "journal/journal.h"

enum join_verdict {
    JOIN_JOIN,
    JOIN_REPLAY,
    JOIN_REPLAY_NOTHING,
    JOIN_NEW_STORE, /* this one and what follows: refused */
    JOIN_FOREIGN,
    JOIN_NO_JOURNAL,
    JOIN_STORE_OLDER,
    JOIN_JOURNAL_OLDER,
};

enum join_verdict join_decide(const struct backend_position *store,
                              const struct journal_history *journal);
static inline bool join_is_refused(enum join_verdict v)
{
    return v >= JOIN_NEW_STORE;
}

/* RC_INVALID: there is no such kind of backend. */
MUST_CHECK enum rc join_check_url(struct slice url, struct err *err);
/* Opens the store that the configuration names, and reads its position. *b may be open after a
 * failure; the caller closes it. A store that this made goes again unless a batch is applied. */
MUST_CHECK enum rc join_open_store(const struct backend_ops **ops, struct backend **b,
                                   struct backend_position *position, struct err *err);

/* Says, line by line, what the two are, what is missing, and what can be done. `j` is open and not
 * started: it is read for the number and the times of its records. */
void join_describe(const struct backend_position *store, struct journal *j,
                   void (*line)(void *ctx, const char *text), void *ctx);

/* RC_OK, or RC_FOREIGN with each line of join_describe() in the log. */
MUST_CHECK enum rc join_check(const struct backend_position *store, struct journal *j,
                              struct err *err);

/* Ways to join what a start refuses. */
enum join_way {
    JOIN_WAY_REPLAY, /* the journal's records are replayed over the store, from the oldest on */
    JOIN_WAY_STORE,  /* the store is kept as it is; the journal's files are set aside */
};
/* Why a way is not open; NULL: it is. */
const char *join_forbids(const struct backend_position *store,
                         const struct journal_history *journal, enum join_way way);
/* JOIN_WAY_REPLAY: the store stands where the journal begins, and the next start replays all of it.
 * JOIN_WAY_STORE: the store is of no journal. */
MUST_CHECK enum rc join_mark_store(const struct backend_ops *ops, struct backend *b,
                                   const struct backend_position *store,
                                   const struct journal_history *journal, enum join_way way,
                                   struct err *err);

#endif
