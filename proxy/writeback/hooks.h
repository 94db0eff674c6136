/* What a transaction, a load and a worker's timer ask of write-back. What a start needs is in
 * recovery.h, what commands show to people in writeback.h.
 *
 * The inline functions read a few fields without a call (struct writeback_front); all else of
 * write-back is closed to them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_HOOKS_H
#define WRITEBACK_HOOKS_H

#include "backends/backend.h"
#include "base/lock.h"
#include "journal/journal.h"
#include "store/store.h"
#include "writeback/dbmap.h"
#include "writeback/writeback.h"

#include <stdatomic.h>

/* Dirty totals, one block per thread that changes entries; only the sum means something. */
struct wb_producer {
    _Atomic int64_t dirty_keys, dirty_bytes;
    /* The producer's own: what it has journalled, and its dirty bytes when it saw that the cutter
     * had looked once more. */
    uint64_t journalled;
    uint64_t journalled_then;
    int64_t bytes_then;
    uint32_t look_then;
} __attribute__((aligned(CACHE_LINE)));

/* What writers may take of a bounded resource until the cutter looks again. */
enum allowance_of { ALLOWANCE_MEMORY, ALLOWANCE_JOURNAL, ALLOWANCES };

/* What is read without a call. */
struct writeback_front {
    uint32_t producers_len; /* immutable: the journal's, plus one for the cutter */
    struct wb_producer *producers;
    struct dbmap map; /* lock, to change it: all shards */
    _Atomic uint64_t applied_lsn;
    _Atomic int pressure;   /* enum pressure_level */
    _Atomic uint32_t looks; /* how often the cutter has looked at it */
    /* Bytes that a worker may add until it looks again: dirty ones, and to the journal. */
    _Atomic int64_t share, journal_share;
    _Atomic bool moves;         /* the backend takes something now and then */
    _Atomic int64_t starved_us; /* when there was no memory for a capture or a batch; 0: never */
    _Atomic bool memory_high;   /* above maxmemory: evict, and refuse what needs more */
};
/* It is the first member of struct writeback. */
static inline struct writeback_front *writeback_front(const struct writeback *wb)
{
    return (struct writeback_front *)(uintptr_t)wb;
}

/* --- Its life --- */

struct writeback_options {
    struct store *store;
    struct journal *journal;
    struct backend *backend;
    const struct backend_position *position;
    const char *backend_url;
    const char *records_dir;
    uint32_t producers, databases;
    void (*on_applied)(void *ctx);
    void (*on_look)(void *ctx);
    void (*on_dropped)(void *ctx, struct shard *sh, uint32_t store_db, struct slice key);
    void (*on_suspected)(void *ctx, struct shard *sh);
    void *ctx;
};

struct writeback *writeback_open(const struct writeback_options *options);
void writeback_start(struct writeback *wb);
/* Stops both threads; a batch that is not committed stays in the journal. */
void writeback_stop(struct writeback *wb);
void writeback_close(struct writeback **wb);

/* --- Hooks of a transaction. Lock: the entry's shard. --- */

/* Whether an entry that a transaction is about to change is still owed to an earlier cut and must
 * be captured before. */
static inline bool writeback_must_capture(const struct entry *e, uint16_t cut)
{
    return (e->flags & ENTRY_DIRTY) != 0 && ((e->flags & ENTRY_CUT_ODD) != 0) != ((cut & 1) != 0);
}
/* False: out of memory. The entry is as it was, dirty and owed, and weighs something else. Not for
 * an entry that only the cutter captures: see writeback_wants(). */
MUST_CHECK bool writeback_capture(struct writeback *wb, uint32_t producer, struct shard *sh,
                                  struct entry *e) REQUIRES(sh->lock);
/* True: an owed entry is so large that the cutter alone captures it, part by part, and nobody may
 * change it until then. The call has the cutter do so soon. Lock: the entry's shard. */
bool writeback_wants(struct writeback *wb, const struct entry *e);
/* What is captured meanwhile needs no memory that a new batch does not have, whenever the cut is
 * made. */
enum {
    WRITEBACK_READY_STRINGS = 16 * 1024, /* bytes */
    WRITEBACK_READY_OBJECTS = 1024,      /* bytes */
    WRITEBACK_READY_ITEMS = 256,
};
/* Whether that was within the last second. */
static inline bool writeback_is_starved(const struct writeback *wb)
{
    int64_t at = atomic_load_explicit(&writeback_front(wb)->starved_us, memory_order_relaxed);
    return UNLIKELY(at != 0) && clock_mono().us - at < 1000000;
}
/* What a dirty entry adds to dirty_bytes. */
static inline int64_t writeback_weight(const struct entry *e)
{
    return (int64_t)entry_unflushed(e);
}
/* After a change: makes the entry dirty, or notes that one more change was folded into it.
 * `before`: its weight before, when it was dirty already. */
void writeback_changed(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e,
                       uint16_t cut, int64_t before) REQUIRES(sh->lock);
/* A dirty entry weighs something else than it did, and nothing more is to be noted. */
void writeback_reweighed(struct writeback *wb, uint32_t producer, const struct entry *e,
                         int64_t before);
/* Before the map of databases changes. Lock: all shards. */
void writeback_capture_map(struct writeback *wb, uint16_t cut);

static inline uint64_t writeback_applied_lsn(const struct writeback *wb)
{
    return atomic_load_explicit(&writeback_front(wb)->applied_lsn, memory_order_acquire);
}

/* True when a miss proves that the key does not exist anywhere. */
static inline bool writeback_is_complete(const struct writeback *wb, const struct shard *sh,
                                         uint32_t store_db) REQUIRES(sh->lock)
{
    return (sh->incomplete & shard_database_bit(store_db)) == 0 &&
           atomic_load_explicit(&writeback_front(wb)->map.born_empty[store_db],
                                memory_order_relaxed);
}

/* Somebody else has changed a key in the backend: drops what is clean here. RC_NOT_FOUND: nothing
 * of it is unflushed. RC_OK: a change here is still to be flushed, and will meet the other as a
 * conflict. RC_BUSY: the same, but nobody knows when (a dead letter). RC_AGAIN: ask
 * again soon. Thread: loader. */
enum rc writeback_invalidate(struct writeback *wb, uint32_t store_db, struct slice key);

/* Anything may have been changed in the backend: everything that is clean here goes. Thread:
 * loader; holds a shard's lock for a bounded number of entries. */
void writeback_suspect_all(struct writeback *wb);

/* Writers wait for their turn, which comes: none is refused for having waited long. */
static inline bool writeback_is_slowing(const struct writeback *wb)
{
    return atomic_load_explicit(&writeback_front(wb)->pressure, memory_order_relaxed) !=
               PRESSURE_HIGH &&
           atomic_load_explicit(&writeback_front(wb)->moves, memory_order_relaxed);
}

/* --- What is dirty --- */

/* The backend has everything that had been changed when this was asked. Thread: any. */
bool writeback_is_settled(struct writeback *wb);
/* Everything that is dirty now leaves with the next cut, which is due. Thread: any. */
void writeback_cut_soon(struct writeback *wb);
/* Counts what is dirty and breaks (must) where the sums say something else. Lock: all shards. */
void writeback_check(struct writeback *wb);
int64_t writeback_dirty_keys(const struct writeback *wb);
int64_t writeback_dirty_bytes(const struct writeback *wb);

/* --- Pressure --- */

/* True: this worker has added so much since the cutter looked that others could not add as much.
 * The cutter may be late. */
static inline bool pressure_runs_ahead(struct writeback *wb, uint32_t producer)
{
    struct wb_producer *p = &writeback_front(wb)->producers[producer];
    uint32_t look = atomic_load_explicit(&writeback_front(wb)->looks, memory_order_relaxed);
    int64_t bytes = atomic_load_explicit(&p->dirty_bytes, memory_order_relaxed);
    if (p->look_then != look) {
        p->look_then = look;
        p->bytes_then = bytes;
        p->journalled_then = p->journalled;
    }
    return bytes - p->bytes_then >
               atomic_load_explicit(&writeback_front(wb)->share, memory_order_relaxed) ||
           (int64_t)(p->journalled - p->journalled_then) >
               atomic_load_explicit(&writeback_front(wb)->journal_share, memory_order_relaxed);
}
/* A writer has taken so much. Thread: any. */
void pressure_spend(struct writeback *wb, enum allowance_of what, int64_t amount);
/* Nobody is slowed, and each looks itself whether it runs ahead. */
#define PRESSURE_ADMITS_ALL UINT32_MAX
/* How many writers may go on now; one that comes anew waits after those that wait. Thread: any. */
uint32_t pressure_admits(struct writeback *wb);

/* A record of so many bytes is on its way to the journal. Thread: the producer. */
static inline void writeback_journalled(struct writeback *wb, uint32_t producer, uint64_t bytes)
{
    writeback_front(wb)->producers[producer].journalled += bytes;
    if (UNLIKELY(atomic_load_explicit(&writeback_front(wb)->pressure, memory_order_relaxed) !=
                 PRESSURE_NONE))
        pressure_spend(wb, ALLOWANCE_JOURNAL, (int64_t)bytes);
}

/* --- What a worker looks at --- */

static inline enum pressure_level writeback_pressure(const struct writeback *wb)
{
    return (enum pressure_level)atomic_load_explicit(&writeback_front(wb)->pressure,
                                                     memory_order_relaxed);
}
/* Above maxmemory: evict, and refuse what needs more. */
static inline bool writeback_memory_is_high(const struct writeback *wb)
{
    return atomic_load_explicit(&writeback_front(wb)->memory_high, memory_order_relaxed);
}
/* A batch waits for room for records, and all others wait for it. */
bool writeback_letters_are_full(const struct writeback *wb);
int64_t writeback_in_flight_keys(const struct writeback *wb);
const char *writeback_backend_url(const struct writeback *wb);
bool lane_is_idle(struct writeback *wb);

/* How those fare who ask the backend for something else than a flush, and the file of the records.
 * Polls and maintenance speak of the whole store, so that their next success ends the failure. A
 * load speaks of some keys: others are fine when a page is damaged, so that a failure is shown for
 * some seconds after the last one. */
enum lane_read {
    LANE_READ_POLL,
    LANE_READ_MAINTENANCE,
    LANE_READ_RECORDS,
    LANE_READ_KEYS,
    LANE_READS
};
/* Tells what came of asking the backend; err speaks unless rc is RC_OK. True: this
 * failure is news, and worth a line in the log. Thread: any. */
bool lane_note_read(struct writeback *wb, enum lane_read what, enum rc rc, const struct err *err);

#endif
