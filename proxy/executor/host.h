/* What commands ask of the server around them (CLIENT LIST, SHUTDOWN, INFO): a table that server/
 * fills, so that command/ does not depend on it.
 *
 * Sessions belong to their workers. A command that looks at other clients runs a function on every
 * worker and is parked until the last of them has run it: no session is ever read from a foreign
 * thread.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_HOST_H
#define EXECUTOR_HOST_H

#include "executor/session.h"

struct host_worker; /* opaque: one of the server's workers */

struct host_session_info { /* what only the connection knows */
    size_t query_buffer, query_buffer_free, output_bytes, memory_bytes;
    size_t argv_bytes;   /* of a request that waits */
    size_t output_plain; /* bytes of output_bytes that are in the buffer, not referenced */
    size_t output_peak;  /* most of them of late */
    uint32_t output_refs;
    char events[3]; /* "r", "rw" */
};

struct host_info {
    uint64_t clients, blocked, max_clients_seen;
    uint64_t max_clients; /* maxclients, or fewer: what the system's limit on open files allows */
    uint64_t input_buffers_bytes, output_buffers_bytes, clients_bytes;
    uint32_t io_threads;
    int tcp_port;
    struct mono started_at;
    struct wall started_at_wall;
    char run_id[41];
    char executable[256];
    uint64_t instantaneous_ops; /* commands a second, over the last 1.6 s */
    double instantaneous_input_kbps, instantaneous_output_kbps; /* KiB a second */
    uint64_t pubsub_topics[PUBSUB_KINDS];
};

/* Publish and subscribe: server/pubsub.c. Thread: the session's worker, for all of it. */
struct host_pubsub {
    /* True when the session listens to it now, or did before; false: out of memory. */
    bool (*subscribe)(struct session *s, enum pubsub_kind kind, struct slice name);
    void (*unsubscribe)(struct session *s, enum pubsub_kind kind, struct slice name);
    /* Ends the session's oldest subscription of the kind and tells which it was; false: none. */
    bool (*unsubscribe_oldest)(struct session *s, enum pubsub_kind kind,
                               void (*each)(void *arg, struct slice name), void *arg);
    /* Sends to all that listen once the running command has ended, and, under journal-fsync always,
     * once lsn is on a disk. PUBSUB_CHANNEL reaches patterns too. False: out of memory. */
    bool (*publish)(struct session *s, enum pubsub_kind kind, struct slice channel,
                    struct slice payload, uint64_t lsn, uint64_t *receivers);
    /* Every channel or pattern that has a subscriber. */
    void (*each)(struct session *s, enum pubsub_kind kind,
                 void (*each)(void *arg, struct slice name), void *arg);
    uint64_t (*count)(struct session *s, enum pubsub_kind kind);
    uint64_t (*subscribers)(struct session *s, enum pubsub_kind kind, struct slice name);
};

struct host {
    void *ctx;
    /* Runs fn(arg, worker) on every worker's own thread, then done->ready. Thread: a worker. */
    void (*on_every_worker)(void *ctx, void (*fn)(void *arg, struct host_worker *w), void *arg,
                            struct waiter *done);
    /* Thread: the worker itself. `each` may call session_close on any of them. */
    void (*each_session)(struct host_worker *w, void (*each)(void *arg, struct session *s),
                         void *arg);
    void (*session_info)(const struct session *s,
                         struct host_session_info *out); /* thread: the session's worker */
    /* Closes a client once its pending output is written (or at once). Thread: the session's
     * worker. */
    void (*session_close)(struct session *s, bool now);
    /* Calls the session's waiter.ready when the deadline passes, unless something else did before;
     * replaces an earlier one. Thread: the session's worker. `us` 0: cancel. */
    void (*session_wake_at)(struct session *s, struct mono deadline);
    /* Appends bytes that the session did not ask for (MONITOR); they leave at the end of the turn,
     * but not before the journal is durable up to lsn. Thread: the session's worker. */
    void (*session_push)(struct session *s, struct slice bytes, uint64_t lsn);
    /* Ends the process in an orderly way. drain false: SHUTDOWN NOSAVE/FORCE (the journal keeps
     * everything). */
    void (*shutdown)(void *ctx, bool drain);
    bool (*shutdown_abort)(void *ctx); /* false: none under way */
    void (*info)(void *ctx, struct host_info *out);
    const struct host_pubsub *pubsub;
};

#endif
