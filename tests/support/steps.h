/* A sequence of steps, as text, run against a keyspace and a model of it at the same time.
 *
 *   !open [sqlite] [--directive value ...]     always the first
 *   0 HSET a f1 v1                             a command for database 0
 *   1 MULTI ; SET a 1 ; SELECT 2 ; DEL b ; EXEC
 *   0 & GET a & SET a 1 & DEL b                the first by a client that waits for its load while
 *                                              another says the rest
 *   !cut        a cut, and its commit unless something stands in the way
 *   !split      a cut of which a part is not captured yet while the next steps run
 *   !swaps      a cut, while databases are exchanged all the time
 *   !hold       the backend takes nothing until !release: what is cut stays in flight
 *   !fail 2     the next two batches fail; !lost 2: are committed, and the answer is lost
 *   !down, !up  every batch fails
 *   !reject a   the backend refuses key a for good, until !accept
 *   !edit 0 a v somebody else makes it the string v; !settle: until that has come through
 *   !free       cuts are made whenever the cutter likes, from now on
 *   !evict, !time 50, !tick, !restart, !drain
 *   !rewind 30  a restart from which the journal is replayed from an earlier position than the
 *               backend's: so many per cent of what there is
 *   !read 0 a, !check, !look                   compare a key, all keys, the backend
 *   !rows 3     so many rows were written by the last commit
 *
 * Words are apart by spaces; %XX is a byte. The clock only moves by !time.
 *
 * What is compared: what a client reads with the model; the backend, whenever it has committed a
 * cut, with the model as it was at that cut; the rows written, with what was touched since the cut
 * before.
 *
 * A failure ends the process, so that each run has one of its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_STEPS_H
#define TESTS_SUPPORT_STEPS_H

#include "base/clock.h"

#include <stdatomic.h>
#include <stddef.h>

enum { STEPS_TEXT_MAX = 8192 };

/* Shared with the process that waits for the result. */
struct steps_report {
    atomic_ulong commands, cuts, commits, evicted, parked, restarts, checks;
    atomic_ulong rows, rows_allowed; /* written, and what would have been the most */
    atomic_long step;                /* that is running */
    char scratch[2][160];            /* directories to remove, where a step has ended the process */
    uintptr_t cause;                 /* of a failure: equal where it is the same kind */
    char text[STEPS_TEXT_MAX];       /* why it failed */
};

/* Returns when all steps were right; else the process exits with status 1. Thread: the only one. */
void steps_run(const char *const *steps, size_t len, struct steps_report *report);
/* For a clock_wall() in place of the real one. */
struct wall steps_clock(void);

#endif
