/* How requests are run: what the server asks of the executor.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

#include "executor/call.h"

/* Per worker: scratch space, the transaction, statistics that other threads may read. */
struct command_worker;
struct command_worker *command_worker_new(struct keyspace *ks, const struct host *host,
                                          uint32_t worker);
void command_worker_free(struct command_worker **w);
struct txn *command_worker_txn(struct command_worker *w);
/* A worker made with `ks` NULL answers -LOADING until it gets its keyspace. Thread: the worker. */
void command_worker_attach(struct command_worker *w, struct keyspace *ks);

enum run_result {
    RUN_DONE,   /* replied (or muted); go on */
    RUN_PARKED, /* nothing replied yet: the session's waiter will be called; then run the same
                   request again */
    RUN_CLOSE,  /* write out the reply, then close */
};

/* Looks up commands and prefetches the memory that requests[0..n) will touch. Optional; call it for
 * a batch just before running it. */
void command_prefetch(struct command_worker *w, struct session *s, const struct request *requests,
                      size_t n);
/* Runs requests[i]; `slot` is its place in the last command_prefetch, or -1. */
enum run_result command_run(struct command_worker *w, struct session *s, struct request *r,
                            int slot);
/* The client leaves: it waits for no key and watches nobody's commands any more. Before
 * session_fini(). Thread: the session's worker. */
void command_leave(struct session *s);

#endif
