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

/* What `bind`, `port` and `unixsocket` stand for at one time. */
struct listeners {
    struct listener of[LISTEN_SOCKETS_MAX];
    uint32_t len;
};

/* All listening sockets. They are polled by the first worker's loop, which hands each connection to
 * the worker with the fewest. */
struct acceptor {
    /* under the lock; what is in them: first worker, before its thread runs: any */
    struct lock lock;
    struct listeners *now;
    struct listeners *later; /* to be taken by the first worker; NULL: none */

    /* first worker */
    bool watching;
    int spare_fd;   /* given up for a moment to refuse a client when descriptors run out */
    ev_timer pause; /* accepting goes on when it fires */
    _Atomic int64_t complained_us;

    /* immutable after acceptor_start */
    char *unix_path; /* removed at the end; NULL: none */
    uint32_t workers_len;
    struct host_worker *workers;

    /* atomic */
    _Atomic int tcp_port;
    _Atomic uint64_t clients_max; /* maxclients, or what descriptors allow */
};

/* Binds what `bind`, `port`, `unixsocket` say. */
MUST_CHECK enum rc acceptor_open(struct acceptor *a, struct err *err);
/* Accepting begins with acceptor_open_door, or after a second without it: clients that come during
 * a short start wait in the kernel's queue and are served, during a long one they are told that it
 * is LOADING. Before the first worker's thread runs. */
void acceptor_start(struct acceptor *a, struct host_worker *workers, uint32_t workers_len);
/* `bind` or `port` was changed: listens where they say now; sockets that stay are kept, new ones
 * listen before old ones are closed. On an error all is as before. Addresses only, no names, since
 * a worker does not ask for them. Thread: any, one at a time. */
MUST_CHECK enum rc acceptor_change(struct acceptor *a, struct err *err);
/* The first worker's part of it. Thread: the first worker. */
void acceptor_take_change(struct acceptor *a);
/* Everybody can be served. Thread: the first worker. */
void acceptor_open_door(struct acceptor *a);
/* Stops accepting. Thread: the first worker. */
void acceptor_stop(struct acceptor *a);
void acceptor_close(struct acceptor *a);

#endif
