/* A worker: one thread, one libev loop, its connections, and an inbox through which other threads
 * reach it. Private to server/.
 *
 * One turn of the loop:
 *
 *   ev_run (one epoll_wait, then handlers: read, parse, run)
 *     └─> worker_end_turn: input left over ─> wake the journal ─> write the replies
 *                          ─> free the connections that were closed
 *
 * Nothing is freed before the end of the turn, so a handler may close any connection it meets.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "base/clock.h"
#include "base/lock.h"
#include "base/stats.h"
#include "executor/executor.h"
#include "server/limits.h"
#include "server/server.h"

#include <sys/socket.h>

/* libev wants to be told that its callbacks get the loop as their first argument; it is the default
 * that Debian's library is built with. */
#include <ev.h>

enum {
    WORKER_BATCH = 64,              /* requests parsed and prefetched together */
    WORKER_INPUT_BYTES = 64 * 1024, /* read buffer that all connections of a worker share */
    WORKER_SPARES = 64,             /* output buffers kept for the next replies */
    WORKER_SPARE_BYTES = 32 * 1024, /* a larger one goes back to the allocator */
    WORKER_TURN_REQUESTS = 1024,    /* of one connection in one turn; the others come first then */
    WORKER_TURN_BYTES = 8 * 1024 * 1024, /* replied and written in one turn in large pieces */
    WORKER_SLICE_BYTES = 64 * 1024,      /* the pieces from then on */
};

struct conn;
struct journal;
struct pubsub;
struct pubsub_worker;

struct accepted { /* a new connection on its way to its worker */
    int fd;
    bool is_unix;
    char addr[80], laddr[80];
};

struct worker_job { /* a function that every worker runs; the last one frees it */
    void (*fn)(void *arg, struct host_worker *w);
    void *arg;
    struct waiter *done;
    _Atomic uint32_t remaining;
};

struct worker_job_ref {
    struct worker_job_ref *next;
    struct worker_job *job;
};

enum worker_order {
    WORKER_SERVE = 1,
    WORKER_QUIESCE = 2,
    WORKER_STOP = 4,
    WORKER_ACCEPT = 8,
    WORKER_LISTEN = 16
};

struct inbox { /* all of it under the lock */
    struct lock lock;
    struct accepted *accepted;
    size_t accepted_len, accepted_cap;
    struct conn *ready_head, *ready_tail;
    struct worker_job_ref *jobs_head, *jobs_tail;
    unsigned orders; /* enum worker_order */
};

struct host_worker {
    /* immutable after start */
    struct server *server;
    struct pubsub *pubsub;
    uint32_t number;
    pthread_t thread;
    struct ev_loop *loop;

    /* any thread */
    struct inbox inbox;
    ev_async wake;
    _Atomic uint64_t clients;      /* connections that are this worker's, or on their way to it */
    _Atomic uint64_t blocked;      /* of them parked */
    _Atomic uint64_t withheld_lsn; /* lowest LSN that a reply waits for; UINT64_MAX: none */
    _Atomic uint64_t ticks;        /* turns of the timer: the watchdog looks at it */
    _Atomic uint64_t input_bytes, output_bytes; /* buffers, as of the last tick */
    _Atomic uint64_t client_bytes;              /* of all connections, as of the last tick */
    struct client_memory memory;
    _Atomic bool has_mail;      /* messages for its subscribers */
    struct pubsub_worker *mail; /* pubsub.c */

    /* loop only */
    struct keyspace *keyspace; /* NULL: still recovering */
    struct journal *journal;   /* NULL: none is kept */
    struct command_worker *commands;
    bool quiet;     /* reads nothing any more */
    bool stopped;   /* leaves the loop at the end of the turn */
    bool ran;       /* commands were run in this turn */
    bool published; /* something was published that waits for its command to end */
    bool now_known;
    struct mono now;            /* one clock reading a turn */
    uint64_t turn;              /* counts turns */
    uint64_t turn_bytes;        /* replied and written in this turn, of all connections */
    struct conn *all;           /* every connection that has a socket */
    struct conn *flush;         /* has output for the end of this turn */
    struct conn *arrived;       /* has something to read, the first to be read first */
    struct conn *runnable;      /* has input that was not run in this turn; the longest first */
    struct conn *runnable_last; /* valid while there is one */
    struct conn *withheld;      /* has output that waits for a disk */
    bool said_unsynced;         /* that some of it waited for too long */
    struct conn *reap;          /* closed in this turn */
    struct conn *gone;          /* without a socket, their waiter is out */
    struct conn *idle_pool;     /* conn structs for the next connections, see conn_new */
    struct conn *sweep;         /* where the timer goes on looking for idle clients */
    char *input;                /* WORKER_INPUT_BYTES */
    struct request requests[WORKER_BATCH];
    struct buf spares[WORKER_SPARES]; /* empty output buffers */
    uint32_t spares_len;
    ev_timer tick;
    ev_timer again;            /* housekeeping that did not fit into a tick */
    uint64_t stat[STAT_COUNT]; /* of this turn: added to the process's at its end */
    /* being summed up by the sweep */
    uint64_t pending_input_bytes, pending_output_bytes, pending_client_bytes;
} __attribute__((aligned(CACHE_LINE)));

/* Aborts when the system refuses a loop. */
void worker_init(struct host_worker *w, struct server *s, uint32_t number);
void worker_start(struct host_worker *w);
/* Ends the thread after WORKER_STOP; then frees what is left. */
void worker_join(struct host_worker *w);
void worker_fini(struct host_worker *w);

/* Thread: any. */
void worker_give_connection(struct host_worker *w, const struct accepted *a);
void worker_give_job(struct host_worker *w, struct worker_job *job);
void worker_give_ready(struct host_worker *w, struct conn *c);
void worker_order(struct host_worker *w, enum worker_order order);

/* Thread: the worker. The time, read once a turn. */
struct mono worker_now(struct host_worker *w);
/* Lends an output buffer to `out`, and takes it back. */
void worker_lend(struct host_worker *w, struct buf *out);
void worker_take_back(struct host_worker *w, struct buf *out);

/* How many bytes a connection may reply or write at a time: `most`, or, once this turn has moved
 * much, little. So many clients that ask for much share a turn, and who asks for little waits for a
 * slice of each of them, not for all of it. */
static inline uint64_t worker_slice(const struct host_worker *w, uint64_t most)
{
    return w->turn_bytes <= WORKER_TURN_BYTES ? most : WORKER_SLICE_BYTES;
}

static inline void worker_count(struct host_worker *w, enum stat_id id, uint64_t n)
{
    w->stat[id] += n;
}

#endif
