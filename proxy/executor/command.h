/* The table of commands.
 *
 * commands.def has one row per command; the enum, the prototypes, the dispatch, COMMAND INFO/DOCS,
 * the statistics, and whether a key is loaded and an effect journalled all follow from it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_COMMAND_H
#define EXECUTOR_COMMAND_H

#include "executor/category.h"
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
                    CMD_ELEMENT = 1u << 22, /* ours: after the key stands a field or member */
                    CMD_REMOVES = 1u << 23, /* ours: only takes away, journalled in no more bytes
                                               than the request has: runs on a full disk */
};

enum command_id {
#define COMMAND(id, ...) COMMAND_##id,
#include "executor/commands.def"
#undef COMMAND
    COMMAND_COUNT
};

struct call;
typedef void command_handler(struct call *c);
/* Finds the keys of a command whose positions depend on its arguments, or whose key mode does (SET
 * with GET). keys has room for argc. Returns how many, or -1 for arguments that make no sense (the
 * handler then says what). When it is called, db and mode of all argc are preset, the rest is 0. */
typedef int command_find_keys(uint32_t argc, const struct slice *argv, struct txn_key *keys);

/* Whether a request names keys by what values say, so that nobody knows them before it has looked:
 * SORT. EXEC locks every shard for that. */
typedef bool command_late_keys(uint32_t argc, const struct slice *argv);
/* Within EXEC, before anything runs: gets these keys, as the values are now, into the transaction.
 * The call is a CALL_PROBE, whose replies go nowhere. PARKED: as in txn_begin. */
typedef enum txn_state command_prepare(struct call *c);

struct command {
    const char *name;     /* "get", "config|get" */
    command_handler *run; /* NULL: a container */
    int arity;            /* negative: at least */
    unsigned flags;
    enum key_mode key_mode;
    int first_key, last_key, key_step;
    command_find_keys *find_keys; /* NULL: the positions hold */
    command_late_keys *late_keys; /* NULL: it has none */
    command_prepare *prepare;
    unsigned acl; /* enum category, those that do not follow from the flags: command_categories() */
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
/* The row of a request: the subcommand's, if it is one; NULL: unknown. */
const struct command *command_lookup(uint32_t argc, const struct slice *argv);

#define COMMAND(id, name, ...) command_handler cmd_##id;
#define CONTAINER(id, name, ...)
#include "executor/commands.def"
#undef COMMAND

#endif
