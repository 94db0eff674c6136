/* Commands: the table, the call, and how a request is run.
 *
 * commands.def has one row per command; the enum, the prototypes, the dispatch, COMMAND INFO/DOCS,
 * the statistics, and whether a key is loaded and an effect journalled all follow from it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_COMMAND_H
#define EXECUTOR_COMMAND_H

#include "executor/host.h"
#include "executor/session.h"
#include "keyspace/effect.h"

enum command_flag { /* names as in COMMAND INFO */
                    CMD_WRITE = 1u << 0,
                    CMD_READONLY = 1u << 1,
                    CMD_DENYOOM = 1u << 2,
                    CMD_ADMIN = 1u << 3,
                    CMD_PUBSUB = 1u << 4,
                    CMD_NOSCRIPT = 1u << 5,
                    CMD_BLOCKING = 1u << 6,
                    CMD_LOADING = 1u << 7,
                    CMD_STALE = 1u << 8,
                    CMD_NO_AUTH = 1u << 9,
                    CMD_FAST = 1u << 10,
                    CMD_NO_MULTI = 1u << 11,
                    CMD_MOVABLEKEYS = 1u << 12,
                    CMD_ALLOW_BUSY = 1u << 13,
                    CMD_SKIP_MONITOR = 1u << 14,
                    CMD_SKIP_SLOWLOG = 1u << 15,
                    CMD_WHOLE = 1u << 16,  /* ours: locks every shard (FLUSHALL, SWAPDB) */
                    CMD_WALK = 1u << 17,   /* ours: walks the keyspace (KEYS, SCAN): no keys, no txn
                                              outside EXEC, TXN_WHOLE inside */
                    CMD_NO_TXN = 1u << 18, /* ours: touches no key at all (PING, CLIENT, CONFIG) */
                    CMD_CONTAINER = 1u << 19, /* ours: has subcommands (CONFIG, CLIENT);
                                                 `parent|sub` rows follow it */
                    CMD_NO_TOUCH = 1u << 20,  /* ours: looks at a key without marking it as used */
                    CMD_NO_ASYNC_LOADING = 1u << 21,
                    CMD_ELEMENT = 1u << 22, /* ours: behind the key stands a field or member */
                    CMD_REMOVES = 1u << 23, /* ours: only takes away, journalled in no more bytes
                                               than the request has: runs on a full disk */
};

enum command_id {
#define COMMAND(id, ...) COMMAND_##id,
#include "executor/commands.def"
#undef COMMAND
    COMMAND_COUNT
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
    uint32_t argc;
    const struct slice *argv;
    struct blob **blobs; /* see struct request */
    uint32_t key, keys_len;
    uint64_t errors_before; /* of the reply: what is above is this command's failure */
    bool in_exec;
    struct blocked_call *serving; /* runs for a client that waits; see blocked.c */
    bool parked; /* set by call_park: no reply was written, run again when the waiter was called */
};

typedef void command_handler(struct call *c);
/* Finds the keys of a command whose positions depend on its arguments, or whose key mode does (SET
 * with GET). keys has room for argc. Returns how many, or -1 for arguments that make no sense (the
 * handler then says what). When it is called, db and mode of all argc are preset, the rest is 0. */
typedef int command_find_keys(uint32_t argc, const struct slice *argv, struct txn_key *keys);

struct command {
    const char *name;     /* "get", "config|get" */
    command_handler *run; /* NULL: a container */
    int arity;            /* negative: at least */
    unsigned flags;
    enum key_mode key_mode;
    int first_key, last_key, key_step;
    command_find_keys *find_keys; /* NULL: the positions hold */
    const char *acl;              /* "@string @slow" */
    const char *group, *since, *complexity, *summary;
    const char *syntax; /* "key value [NX | XX] ..." */
    const char *specs;  /* flags of the key specs: "RW access delete; OW update" */
    const char *tips;   /* "request_policy:multi_shard ..." */
    enum command_id id;
};

const struct command *command_get(enum command_id id);
const struct command *command_find(struct slice name); /* any case; NULL: unknown; top level only */
/* rename-command: "command name ...", quoted as in a file. Before any thread looks for a command.
 */
MUST_CHECK enum rc command_rename(struct slice pairs, struct err *err);
const struct command *command_find_sub(const struct command *parent, struct slice name);
const struct command *command_find_full(struct slice name); /* "get" or "config|get" */

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

/* --- For handlers --- */

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
/* The value if key number i exists and has the type; *absent when it does not exist. False:
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

#define COMMAND(id, name, ...) command_handler cmd_##id;
#define CONTAINER(id, name, ...)
#include "executor/commands.def"
#undef COMMAND

#endif
