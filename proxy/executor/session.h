/* What a client is to a command: everything about a connection except its socket.
 *
 * server/ embeds a session in each connection. Thread: the worker that owns the connection, for
 * every field.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_SESSION_H
#define EXECUTOR_SESSION_H

#include "keyspace/keyspace.h"
#include "resp/reply.h"
#include "resp/request.h"

struct command;
struct host;
struct blocked_call; /* blocked.c */

enum session_flag {
    SESSION_AUTHENTICATED = 1,
    SESSION_MULTI = 2,        /* between MULTI and EXEC */
    SESSION_MULTI_FAILED = 4, /* a command was refused when queued: EXECABORT */
    SESSION_REPLY_OFF = 8,
    SESSION_REPLY_SKIP_NEXT = 16,
    SESSION_REPLY_SKIP = 32,
    SESSION_NO_EVICT = 64,
    SESSION_NO_TOUCH = 128,
    SESSION_CLOSE_AFTER_REPLY = 256, /* QUIT, protocol error, CLIENT KILL of oneself */
    SESSION_PARKED = 512,
    SESSION_UNIX = 1024,
    SESSION_POSTPONED = 2048, /* parked by CLIENT PAUSE */
    SESSION_MONITOR = 4096,   /* gets a line for every command */
};

/* What a client can subscribe to. */
enum pubsub_kind {
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    PUBSUB_SHARD, /* a namespace of its own: SSUBSCRIBE */
    PUBSUB_KINDS
};

struct session_watched {
    uint32_t db;
    struct slice name; /* owned */
};

struct session {
    uint64_t id;
    uint32_t db;
    unsigned flags;
    struct reply reply;              /* output that is not written yet */
    uint64_t depends_lsn;            /* newest LSN that anything in `reply` depends on */
    uint64_t last_write_lsn;         /* of this client's own writes: WAITAOF */
    uint64_t first_write_lsn;        /* of those since its last receipt; 0: none */
    char *name, *lib_name, *lib_ver; /* NULL: not set */
    char addr[80], laddr[80];        /* "127.0.0.1:5000", "/path:0" */
    const struct command *last_command;
    struct mono connected_at, last_active_at;
    uint64_t commands, bytes_in, bytes_out;
    struct request **queue; /* MULTI: detached requests */
    uint32_t queue_len, queue_cap;
    size_t queue_bytes; /* memory of the queue and of `watched` */
    struct watch watch;
    struct session_watched *watched; /* WATCH: the same keys, for EXEC to lock */
    uint32_t watched_len, watched_cap;
    struct waiter waiter; /* set up by server/; ready() resumes the connection */
    void *pending;        /* see session_keep() */
    void (*pending_free)(void *pending);
    struct blocked_call *blocked; /* while it waits for a key: BLPOP and its kind */
    int fd;
    struct session *monitor_next; /* SESSION_MONITOR: the worker's others */
    uint32_t subscriptions[PUBSUB_KINDS];
    size_t subscription_bytes;
};

/* In Redis's words a client "in pub/sub mode": it listens to something. */
static inline bool session_is_subscribed(const struct session *s)
{
    return (s->subscriptions[PUBSUB_CHANNEL] | s->subscriptions[PUBSUB_PATTERN] |
            s->subscriptions[PUBSUB_SHARD]) != 0;
}

bool session_password_is_set(void); /* thread: any */
/* The client has not given the password that is asked for. */
static inline bool session_is_untrusted(const struct session *s)
{
    return UNLIKELY((s->flags & SESSION_AUTHENTICATED) == 0) && session_password_is_set();
}

static inline void session_note_write(struct session *s, uint64_t lsn)
{
    if (lsn <= s->last_write_lsn)
        return;
    s->last_write_lsn = lsn;
    if (s->first_write_lsn == 0)
        s->first_write_lsn = lsn;
}

/* Authenticated at once where no password is set. */
void session_init(struct session *s, uint64_t id);
/* Frees what the session owns. Thread: owner; not while it is parked, waits for a key or monitors
 * (command_leave). */
void session_fini(struct session *s, struct keyspace *ks);
/* What a command that parks wants to find when it is run again; freed should the client leave. */
static inline void session_keep(struct session *s, void *what, void (*free_it)(void *what))
{
    must(s->pending == NULL);
    s->pending = what;
    s->pending_free = free_it;
}
/* That, which is the caller's again; NULL: the command runs for the first time. */
static inline void *session_take(struct session *s)
{
    void *what = s->pending;
    s->pending = NULL;
    s->pending_free = NULL;
    return what;
}
/* RESET: as if just connected; the connection's id stays. It does not monitor any more. */
void session_reset(struct session *s, struct keyspace *ks, bool authenticated);

/* WATCH of key number `at` of the open transaction, UNWATCH. False: out of memory. */
MUST_CHECK bool session_watch(struct session *s, struct txn *t, uint32_t at, struct slice key);
void session_unwatch(struct session *s, struct keyspace *ks);
/* Ends MULTI and WATCH, whatever was queued. */
void session_discard(struct session *s, struct keyspace *ks);

#endif
