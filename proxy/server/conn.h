/* A connection: a socket, its buffers, and the session that commands see. Private to server/.
 * conn.c has the picture.
 *
 * Thread: the worker that owns it, for everything but conn_ready's own fields.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "server/worker.h"

enum {
    CONN_MARKS = 8,                     /* groups of replies that wait for different LSNs */
    CONN_INPUT_COPY_MAX = 8 * 1024,     /* a shorter rest of a request is read on in the shared
                                            buffer, a longer one where it is */
    CONN_READ_AHEAD_MAX = 16 * 1024,    /* of a client that waits for a key */
    CONN_DIRECT_READ_MAX = 1024 * 1024, /* of a big argument, in one read */
    CONN_WRITE_EARLY = 64 * 1024,       /* output that is written before the end of the turn */
    CONN_WRITE_MAX = 4 * 1024 * 1024,   /* to one client in one turn */
    CONN_IOVECS = 64,
    CONN_REPLY_LARGE = 1024 * 1024, /* a batch is interrupted to write this much */
    CONN_LATE_CALL_US = 5000,
    CONN_PEAK_SECONDS = 5,   /* how long the peak of a reply buffer is remembered */
    CONN_STALL_SECONDS = 60, /* a paused client that takes nothing is closed */
};
/* With this much output waiting, and no hard limit configured, no more of the client's requests are
 * run until it has read some. */
#define CONN_OUTPUT_PAUSE (UINT64_C(256) * 1024 * 1024)

enum conn_flag {
    CONN_IN_FLUSH = 1u << 0, /* on the worker's lists */
    CONN_IN_RUNNABLE = 1u << 1,
    CONN_IN_WITHHELD = 1u << 2,
    CONN_DOOMED = 1u << 3,  /* on the reap list: closed at the end of the turn */
    CONN_PARKED = 1u << 4,  /* a command waits; nothing is read or run */
    CONN_EOF = 1u << 5,     /* the client sends no more */
    CONN_CLOSING = 1u << 6, /* no more requests; closed when the output is written */
    CONN_PAUSED = 1u << 7,  /* too much output waits: nothing is read or run */
    CONN_GONE = 1u << 8,    /* socket closed; kept until its waiter has called */
    CONN_HELD = 1u << 9,    /* publishes faster than others can deliver: nothing is read or run */
};

struct subscription;

/* Output from stream offset `start` on must wait until lsn is on a disk. */
struct conn_mark {
    uint64_t start, lsn;
    struct mono since;
};

struct conn {
    ev_io readable, writable;
    unsigned flags;

    /* input */
    struct buf in;  /* bytes kept from one read to the next; without memory when there are none */
    size_t in_head; /* of them already used */
    struct resp_parser *parser;
    struct request *waiting; /* CONN_PARKED: the request to run again */

    /* output: how far session.reply has been written */
    size_t buf_sent;      /* bytes of reply.buf */
    uint32_t refs_sent;   /* whole references */
    size_t ref_sent;      /* bytes of the next reference */
    uint64_t stream_sent; /* bytes since the connection began */
    struct conn_mark marks[CONN_MARKS];
    uint32_t marks_head, marks_len;
    uint64_t mark_turn;      /* turn in which the newest mark was made */
    size_t output_peak;      /* longest reply.buf of late ... */
    struct mono peak_at;     /* ... which was written then */
    struct mono soft_since;  /* output above the soft limit since then; 0: it is not */
    struct mono stall_since; /* CONN_PAUSED and nothing was written since then */

    /* the worker's lists */
    struct conn *all_next, *all_prev;
    struct conn *arrived_next, *flush_next, *runnable_next, *reap_next;
    struct conn *withheld_next, *withheld_prev;

    /* pubsub.c */
    struct subscription *subs_first[PUBSUB_KINDS], *subs_last[PUBSUB_KINDS];
    struct conn *held_next, *held_prev;

    /* limits.c */
    struct conn *bucket_next, *bucket_prev;
    uint64_t counted; /* bytes; 0: not counted */
    uint8_t bucket;

    ev_timer wake; /* session_wake_at */
    struct mono wake_at;
    bool wake_alone; /* nothing but `wake` will call the waiter */
    struct session session;

    /* These stay as they are when the struct is used for the next connection. */
    struct host_worker *worker; /* immutable */
    struct conn *ready_next;    /* under the inbox's lock */
    bool in_ready;              /* under the inbox's lock */
};

static inline struct conn *conn_of(const struct session *s)
{
    return (struct conn *)((uintptr_t)s - offsetof(struct conn, session));
}

/* The connection has read, run or written something. */
static inline void conn_note_memory(struct conn *c)
{
    if (UNLIKELY(c->worker->memory.counts))
        limits_update(c);
}

/* Takes the socket over. */
void conn_open(struct host_worker *w, const struct accepted *a);
/* No more requests; closes when the output is written. */
void conn_close_after_output(struct conn *c);
/* Closes at the end of the turn, output or not. */
void conn_doom(struct conn *c);
/* The same, and the other side sees the end at once: it is there before whoever asked for it has
 * the answer. */
void conn_cut(struct conn *c);
/* End of turn: closes the socket and frees the connection, or keeps it while its waiter is out. */
void conn_reap(struct conn *c);
/* The waiter has called. */
void conn_resume(struct conn *c);
/* Reads and runs, for a connection that has something to read. */
void conn_read(struct conn *c);
/* Runs input that is already here, for a connection that was runnable. */
void conn_run_on(struct conn *c);
/* Puts the connection on the list of those whose input is run on in the next turn. */
void conn_queue_run(struct conn *c);
/* Closes a connection that has ended its requests and has its replies. */
void conn_close_when_done(struct conn *c);
/* Starts and stops the read watcher after the connection's state changed. */
void conn_update_reading(struct conn *c);
/* Stops reading for good: the server is ending. */
void conn_quiesce(struct conn *c);
/* Timer: idle and stalled clients, soft limits. */
void conn_sweep(struct conn *c, int64_t timeout_s);
void conn_wake_at(struct conn *c, struct mono deadline);
/* After the keyspace is closed: frees the structs, also of those whose waiter never called. */
void conn_free_pool(struct host_worker *w);
/* All workers have stopped and the keyspace is still there: clients that left while another worker
 * was serving them leave the queues of their keys. */
void conn_end_waits(struct host_worker *w);

/* --- output.c --- */

/* Bytes of replies not written yet. */
uint64_t output_len(const struct conn *c);
/* The same when only the first buf_len bytes and refs_len references count: the stream offset, less
 * what is sent, at which a reply begins. */
uint64_t output_len_at(const struct conn *c, size_t buf_len, uint32_t refs_len);
/* Appends bytes that no command of this connection asked for. Nothing may be appended by a command
 * at that moment. */
void output_push(struct conn *c, struct slice bytes, uint64_t lsn);
/* Puts the connection on the list of the end of the turn. */
void output_queue(struct conn *c);
/* Writes what may be written; closes the connection when that was the last of it. */
void output_flush(struct conn *c);
/* Ends the connection if its output is above the limits; true then. */
bool output_check_limit(struct conn *c, bool with_soft);

/* --- withheld.c --- */

/* The newest LSN that a reply of this connection still waits for; 0: none waits. */
uint64_t withheld_newest(struct conn *c);
/* Everything from `start` (a stream offset) on depends on lsn; called after each such command. */
void withheld_add(struct conn *c, uint64_t start, uint64_t lsn);
/* Bytes of output that may be written now. */
uint64_t withheld_free_to_go(struct conn *c);
/* Lets go of replies that the journal or the backend now covers. Thread: the worker. */
void withheld_release(struct host_worker *w);
/* Timer: answers what has waited too long with an error. Thread: the worker. */
void withheld_tick(struct host_worker *w);
void withheld_forget(struct conn *c);

#endif
