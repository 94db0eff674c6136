/* Listening sockets and accepting. Private to server/.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "server/worker.h"

enum { LISTEN_SOCKETS_MAX = 32 };

struct listener {
    ev_io io;
    struct acceptor *acceptor;
    int fd;
    bool is_unix;
    char name[128]; /* "127.0.0.1:6380" */
};

/* All listening sockets. They are polled by the first worker's loop, which hands each connection to
 * the worker with the fewest. */
struct acceptor {
    struct listener listeners[LISTEN_SOCKETS_MAX];
    uint32_t listeners_len;
    int spare_fd;    /* given up for a moment to refuse a client when descriptors run out */
    char *unix_path; /* removed at the end; NULL: none */
    int tcp_port;
    _Atomic uint64_t clients_max; /* maxclients, or what descriptors allow */
    uint32_t workers_len;
    struct host_worker *workers;
    ev_timer pause; /* accepting goes on when it fires */
    struct mono complained_at;
};

/* Binds what `bind`, `port`, `unixsocket` say. */
MUST_CHECK enum rc acceptor_open(struct acceptor *a, struct err *err);
/* Starts the watchers. Before the first worker's thread runs, or on it. */
void acceptor_start(struct acceptor *a, struct host_worker *workers, uint32_t workers_len);
/* Stops accepting. Thread: the first worker. */
void acceptor_stop(struct acceptor *a);
void acceptor_close(struct acceptor *a);

#endif
