/* A running command: what its handler gets, and what most handlers need.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_CALL_H
#define EXECUTOR_CALL_H

#include "executor/command.h"
#include "executor/host.h"
#include "executor/session.h"

enum call_source {
    CALL_CLIENT,  /* a request of the session, by itself */
    CALL_EXEC,    /* queued by the session, within its EXEC: nothing waits */
    CALL_SERVING, /* a request that waited, run by the worker that has what it waited for */
    CALL_PROBE,   /* only finds out which keys it names: nothing is replied or changed */
};

/* One running command. Key number i of the request is c->key + i in the transaction. */
struct call {
    struct session *session;
    struct reply *reply; /* the session's */
    struct txn *txn;     /* open while the handler runs, unless CMD_NO_TXN; NULLed by a handler that
                            has ended it */
    struct txn *spare; /* not open: where a walk deletes the expired keys that it met; NULL in EXEC
                          */
    struct keyspace *keyspace;
    const struct host *host;
    const struct command *command;
    enum call_source source;
    uint32_t argc;
    const struct slice *argv;
    struct blob **blobs; /* see struct request */
    uint32_t key, keys_len;
    uint64_t errors_before;       /* of the reply: what is above is this command's failure */
    struct blocked_call *serving; /* runs for a client that waits; see blocked.c */
    bool parked; /* set by call_park: no reply was written, run again when the waiter was called */
};

static inline struct slice call_arg(const struct call *c, uint32_t i)
{
    return c->argv[i];
}
/* Argument i becomes the string under key number `key`, without a copy where it is large. The
 * request keeps its own hold of it: slow log and monitors look at it after the commit. */
MUST_CHECK enum rc call_set_string(struct call *c, uint32_t key, uint32_t i, int64_t expires_at_ms);
/* Parses argument i; on failure replies REPLY_NOT_INT (or `error` if not NULL) and returns false.
 */
MUST_CHECK bool call_int(struct call *c, uint32_t i, int64_t *out, const char *error);
/* The value if key number i exists and has the type; *out is NULL when it does not exist. False:
 * WRONGTYPE was replied. */
MUST_CHECK bool call_read(struct call *c, uint32_t i, enum value_type type,
                          const struct value **out);
/* Tells whoever listens what was done to key number i, see txn_notify. */
static inline void call_notify(struct call *c, enum notify_class class, const char *event,
                               uint32_t i)
{
    txn_notify(c->txn, class, event, c->key + i);
}
/* The command waits: the session's waiter has been handed to something that will call it. */
void call_park(struct call *c);
/* What was replied may tell of any key, looked at without a transaction: it leaves once the newest
 * change there is cannot vanish any more. Call it after looking. */
void call_depends_on_all(struct call *c);
/* Replies -OOM. What is journalled are the effects that were said until now, if any. */
void call_out_of_memory(struct call *c);
/* Before anything changes, for a command whose effect can be much longer than its request. False:
 * effects of so many bytes are more than one record of the journal may have, replied. */
MUST_CHECK bool call_effect_fits(struct call *c, uint64_t bytes);
/* One line in the log: the command's name and `text`, and which client it was. What is in `text`
 * that a client said is escaped by then. */
void call_log(const struct call *c, const char *text);
void call_help(struct call *c); /* <COMMAND> HELP: written from the rows of the container */

#endif
