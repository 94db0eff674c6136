/* Write-back: dirty entries leave in consistent cuts, in the order and at the pace the backend can
 * take.
 *
 *   cutter thread (normal priority)           flusher thread (lowered priority)
 *   decide, bump the cut, capture  ─────────> sort, apply with the cut LSN, retry, maintain
 *   clean, drop tombstones, trim   <───────── committed
 *
 * Only the cutter takes shard locks, and holds each for a bounded number of entries; the flusher,
 * which may be starved by a surge, holds nothing that a worker waits for.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_WRITEBACK_H
#define WRITEBACK_WRITEBACK_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"

struct writeback;

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Above the low watermark writers are slowed to what the backend takes; above the high one they
 * wait, and are refused in the end. */
enum pressure_level { PRESSURE_NONE, PRESSURE_PACING, PRESSURE_HIGH };

struct writeback_info {
    /* What the backend does not have: waiting for the next cut, or in flight. A key that was
     * changed again while it was in flight counts as both. */
    uint64_t dirty_keys, dirty_bytes;
    uint64_t in_flight_keys, in_flight_bytes; /* of them: in a batch that is not committed */
    int64_t oldest_dirty_ms;                  /* age of the oldest of them; 0: there is none */
    uint64_t last_cut_lsn;                    /* newest cut made */
    uint64_t applied_lsn;                     /* newest cut committed in the backend */
    int64_t last_flush_us;                    /* from cut to commit */
    int64_t last_flush_age_ms;                /* since the last commit; -1: none yet */
    uint64_t lag_records;                     /* effects journalled above applied_lsn */
    uint64_t unsynced_records; /* the loss exposure: effects not yet durable on this host's disk */
    bool paused;
    bool flushing;
    char backend_url[256];
    /* "up"; of flushes "retrying", "down"; of loads "unreadable"; of either "read-only", "full",
     * "corrupt", "locked", "moved"; of the records "records-full", "records-failing" (last_error
     * says what to do) */
    const char *backend_state;
    uint64_t wal_bytes; /* on the backend's disk beside the data */
    /* of the backend's data: with a checksum, without one yet, not what was written */
    uint64_t pages_summed, pages_unknown, pages_damaged;
    int64_t verified_at_ms; /* wall time of the last full look at them; 0: none yet */
    enum breaker_state breaker;
    uint64_t failures;                /* in a row */
    int64_t next_retry_ms;            /* until the next try; 0: none pending */
    struct err last_error;            /* code RC_OK: none since start */
    uint64_t dead_letters, conflicts; /* records kept now */
    enum pressure_level backpressure;
};

void writeback_get_info(struct writeback *wb, struct writeback_info *out);

/* Asks for a cut now; returns the LSN to wait for with keyspace_wait_lsn(remote): everything up to
 * now. */
uint64_t writeback_request_flush(struct writeback *wb);
/* `by`: whom errors and the log name: a client's address. */
void writeback_pause(struct writeback *wb, bool on, const char *by);
/* What keeps flushing from going on, since when, and what to do, as a sentence. False: nothing, the
 * backend is only slow. Thread: any. */
bool writeback_why(struct writeback *wb, char *out, size_t size);

/* What of the changes between two positions (both included) the backend has refused or overruled,
 * as far as it has committed them. Counts whole cuts that touch the range: rather too much than too
 * little. Thread: any. */
struct writeback_losses {
    uint64_t refused, overruled;
};
void writeback_get_losses(struct writeback *wb, uint64_t from_lsn, uint64_t to_lsn,
                          struct writeback_losses *out);

/* Dead letters and conflicts: durable records, each with a number that stays. Text is for people:
 * bytes are escaped. */
struct writeback_record {
    uint64_t id;
    struct wall time;
    uint32_t db;
    struct slice key;
    const char *type; /* "string", "hash", "none" */
    /* dead letters: the backend's error; conflicts: the verdict, "backend-wins" */
    struct slice reason;
    struct slice ours, base, theirs; /* as text, cut; dead letters have ours only */
};
/* Memory that moves data, in bytes. `caches` are SQLite's, of store and records together. The
 * journal's rings and what it retains are mapped, all else comes from the allocator. None of it
 * counts as data but captured_ahead: what writers captured ahead of the cutter, beside `batches`.
 * Thread: any. */
struct writeback_memory {
    uint64_t caches, batches, captured_ahead, selections, long_records, rings, retained;
};
void writeback_get_memory(struct writeback *wb, struct writeback_memory *out);

/* What an operator asks for about records, or files, is an *order*: the cutter carries it out,
 * since a worker neither reads files nor waits; whoever asked waits without holding a thread.
 *
 * List: a page. Find: the one of a key, as a list. Retry: the key is made dirty again with its dead
 * value, or what is newer; the record stays until the backend takes that, or refuses it anew. Drop:
 * of a dead letter, the key is what the backend says it is; one with newer changes on top is not
 * dropped. Rewrite: the configuration, see options_rewrite(). */
enum writeback_order_kind {
    ORDER_LIST_LETTERS,
    ORDER_LIST_CONFLICTS,
    ORDER_FIND_LETTER,
    ORDER_RETRY_LETTER,
    ORDER_DROP_LETTER,
    ORDER_DROP_CONFLICT,
    ORDER_REWRITE_CONFIG
};
enum { WRITEBACK_PAGE_MAX = 1000 };
struct writeback_order {
    enum writeback_order_kind kind;
    uint64_t id;         /* retry, drop: 0 is all */
    uint64_t after, max; /* list: records with higher numbers, oldest first; how many at most, and
                            WRITEBACK_PAGE_MAX */
    uint32_t db;         /* find: the number that clients know, and a key of theirs, copied */
    struct slice key;
};
struct order;

/* NULL: out of memory. Owns: the caller, until order_end(). Thread: any, one at a time. */
struct order *order_begin(struct writeback *wb, const struct writeback_order *what);
/* True: it is over. False: ready(ctx) will be called, by the cutter and once, when it is; it must
 * not call back. The last one asked for counts, and none after order_end(). */
bool order_is_over(struct order *o, void (*ready)(void *ctx), void *ctx);
/* Of an order that is over. *count: how many records were retried, dropped, or are in the list. */
MUST_CHECK enum rc order_result(const struct order *o, uint64_t *count, struct err *err);
/* Record number i of a list that is over; slices live as long as the order. */
const struct writeback_record *order_record(const struct order *o, uint64_t i);
/* One that is not over is carried out all the same, except a list. */
void order_end(struct order **o);

#endif
