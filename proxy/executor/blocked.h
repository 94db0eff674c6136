/* Commands that wait for a key: BLPOP and its kind.
 *
 * A handler tries first. If there is nothing, it calls call_block() and returns: the client waits,
 * in the queue of each of its keys, until one of them holds a value of the type; then the command
 * is run again, from the start, for the client that has waited longest. Inside EXEC and in recovery
 * nobody waits: the reply is null at once.
 *
 * Who runs it: the worker that committed the value, straight after that commit and before its own
 * next command, with a copy of the request; the client's own worker then only passes the reply on.
 * So a client that pushes and then looks finds what Redis would show it. Where the command cannot
 * run at once, because another of its keys is not resident, the client's own worker runs it again
 * as it runs any command; the client keeps its place meanwhile. The states: keyspace/block.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_BLOCKED_H
#define EXECUTOR_BLOCKED_H

#include "executor/call.h"

/* --- For handlers --- */

/* Argument i as a timeout in seconds, fractions allowed; 0 is for ever. False: replied. */
MUST_CHECK bool call_timeout(struct call *c, uint32_t i, int64_t *timeout_ms);

enum block_null { /* what is replied when the time is over */
                  BLOCK_NULL_ARRAY,
                  BLOCK_NULL,
};
/* Waits until one of the first `keys_len` keys of the call holds a value of `type`. Nothing may
 * have been replied or changed. */
void call_block(struct call *c, uint32_t keys_len, enum value_type type, int64_t timeout_ms,
                enum block_null null);

/* --- For running commands --- */

struct command_worker;

enum blocked_step {
    BLOCKED_RUN,     /* run the command again */
    BLOCKED_REPLIED, /* done */
};
/* The waiter of a waiting client was called. What was not served is counted here: its calls, errors
 * and time, as what was served is by who served it. Thread: the session's. */
enum blocked_step blocking_resume(struct command_worker *w, struct session *s);
/* The client waits no more, whatever its command did. */
void blocking_end(struct session *s);
/* Serves whoever waits for what the worker has committed since the last call. */
void blocking_serve(struct command_worker *w);

/* --- For the connection and CLIENT UNBLOCK. Thread: the session's. --- */

/* Its time is over. */
void blocking_expire(struct session *s);
/* CLIENT UNBLOCK; false: it is being served just now. */
MUST_CHECK bool blocking_unblock(struct session *s, bool with_error);
/* The client has gone. True: nobody holds it. False: its waiter is going to be called. */
MUST_CHECK bool blocking_abandon(struct session *s);

#endif
