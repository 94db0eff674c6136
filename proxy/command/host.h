/* What commands ask of the server around them (CLIENT LIST, SHUTDOWN, INFO): a table that server/
 * fills, so that command/ does not depend on it.
 *
 * Sessions belong to their workers. A command that looks at other clients runs a function on every
 * worker and is parked until the last of them has run it: no session is ever read from a foreign
 * thread.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_HOST_H
#define COMMAND_HOST_H

#include "command/session.h"

struct host_worker; /* opaque: one of the server's workers */

struct host_session_info { /* what only the connection knows */
    size_t query_buffer, query_buffer_free, output_bytes, memory_bytes;
    char events[3]; /* "r", "rw" */
};

struct host_info {
    uint64_t clients, blocked, max_clients_seen;
    uint64_t input_buffers_bytes, output_buffers_bytes;
    uint32_t io_threads;
    int tcp_port;
    struct mono started_at;
    struct wall started_at_wall;
    char run_id[41];
    char executable[256];
    uint64_t instantaneous_ops; /* commands a second, over the last 1.6 s */
    double instantaneous_input_kbps, instantaneous_output_kbps; /* KiB a second */
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
    /* Ends the process in an orderly way. drain false: SHUTDOWN NOSAVE/FORCE (the journal keeps
     * everything). */
    void (*shutdown)(void *ctx, bool drain);
    bool (*shutdown_abort)(void *ctx); /* false: none under way */
    void (*info)(void *ctx, struct host_info *out);
};

#endif
