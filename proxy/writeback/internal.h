/* What the files of writeback/ share.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_INTERNAL_H
#define WRITEBACK_INTERNAL_H

#include "backends/backend.h"
#include "base/lock.h"
#include "base/stats.h"
#include "journal/journal.h"
#include "store/store.h"
#include "writeback/batch.h"
#include "writeback/hooks.h"
#include "writeback/recovery.h"
#include "writeback/records.h"
#include "writeback/select.h"
#include "writeback/spool.h"
#include "writeback/writeback.h"

#include <stdatomic.h>

enum { LANE_NICE = 10, CAPTURE_AHEAD = 16 };
enum { PACING_TICK_US = 2000 /* of the cutter, while writers wait */ };

struct reading {
    struct err error; /* code RC_OK: it works */
    struct mono failed_at;
};

/* The flusher of one backend. */
struct lane {
    pthread_t thread;
    struct lock lock;
    struct cond cond;
    struct batch *pending GUARDED_BY(lock); /* handed over by the cutter */
    struct batch *done GUARDED_BY(lock);    /* committed, not cleaned up by the cutter yet */
    bool stopping GUARDED_BY(lock);
    bool paused GUARDED_BY(lock);
    struct mono paused_at GUARDED_BY(lock);  /* since when, and ... */
    char paused_by[80] GUARDED_BY(lock);     /* ... by which client */
    bool gave_up GUARDED_BY(lock);           /* no client did: flush-retry-max was reached */
    struct mono failing_at GUARDED_BY(lock); /* when the first of `failures` was ... */
    struct mono said_at GUARDED_BY(lock);    /* ... and when the log was told of them last */
    bool hurry GUARDED_BY(lock);             /* try now, whatever the backoff says */
    enum breaker_state breaker GUARDED_BY(lock);
    uint64_t failures GUARDED_BY(lock); /* in a row */
    struct mono retry_at GUARDED_BY(lock);
    struct err last_error GUARDED_BY(lock);
    bool records_failed GUARDED_BY(lock); /* it was not the backend's */
    int64_t last_flush_us GUARDED_BY(lock);
    struct mono last_commit GUARDED_BY(lock);
    struct reading reading[LANE_READS] GUARDED_BY(lock);
    atomic_bool letters_full;  /* a look without the lock: the batch waits for room for records */
    atomic_bool reading_fails; /* a look without the lock: one of `reading` is a failure */
    struct attempt *unsure;    /* flusher only: the last one, while nobody knows what came of it */
    struct spool spool;        /* flusher; cutter, when a batch is done */
    uint64_t random;           /* flusher only: jitter */
    bool maintenance_left;     /* flusher only */
};

struct allowance {
    _Atomic int64_t left;             /* bytes; below 0: owed */
    _Atomic uint64_t spent, spenders; /* lately, for the average */
} __attribute__((aligned(CACHE_LINE)));

/* Cutter only; see pressure.c. */
struct pace {
    int64_t ticked_us, refreshed_us; /* when pressure and memory were looked at */
    int64_t cut_us, moved_us;        /* when the running cut was made, and when it last got on */
    bool cut_runs;
    uint64_t cut_keys, cut_bytes; /* of it */
    uint64_t cut_journal_bytes;   /* of the journal then */
    uint64_t seen_done;           /* of its keys, applied */
    double us_per_byte;           /* of the last cuts; 0: none yet */
};

/* Where changes were lost lately. When there is no more room the oldest two become one. */
enum { LOSSES_MAX = 64 };
struct loss {
    uint64_t after, up_to; /* positions */
    struct writeback_losses count;
};

/* Keys that kept theirs in the newest cut. While the journal is replayed. */
struct kept {
    struct kept_key {
        uint64_t hash;
        bool told; /* the journal says FORGET */
    } * keys;      /* by hash */
    uint32_t len, capacity;
};

struct writeback {
    struct writeback_front front; /* first */
    /* immutable after open */
    struct store *store;
    struct journal *journal;
    struct backend *backend;
    const struct backend_ops *ops;
    char backend_url[256];
    struct records *records;
    void (*on_applied)(void *ctx); /* cutter: applied_lsn moved */
    void (*on_look)(void *ctx);    /* cutter: those that wait for their turn may look again */
    void (*on_dropped)(void *ctx, struct shard *sh, uint32_t store_db,
                       struct slice key);              /* under the shard's lock */
    void (*on_suspected)(void *ctx, struct shard *sh); /* any key of it; under its lock */
    void *ctx;

    _Atomic(struct batch *) current; /* the cut that is being captured */

    _Atomic int64_t first_dirty_us; /* when the oldest change of the next cut was made; 0: none */
    _Atomic int64_t first_in_flight_us; /* the same of the cut that is not committed; 0: none is */
    _Atomic uint64_t last_cut_lsn;
    _Atomic uint64_t in_flight_keys, in_flight_bytes;
    _Atomic uint64_t ahead_bytes;  /* of in_flight_bytes: copies that writers made */
    _Atomic uint64_t applied_keys; /* of the cut that is in flight: what the backend has taken */
    struct allowance allowances[ALLOWANCES];
    struct pace pace;
    atomic_bool pausing;

    /* cutter */
    pthread_t thread;
    struct lock lock;
    struct cond cond;
    bool stopping GUARDED_BY(lock);
    bool flush_requested GUARDED_BY(lock);
    struct order *orders GUARDED_BY(lock); /* of operators, for records */
    struct mono behind_since;              /* cutter only: an LSN waits and nothing is dirty; 0 */
    bool orders_busy;                      /* cutter only: they wait for the end of a batch */
    struct mono surge_at;                  /* cutter only: when the rate of changes was measured */
    uint64_t surge_writes;                 /* and how many there had been */
    bool surging;                          /* cutter only: more than SURGE_PER_S changes a second */
    struct mono high_at, calm_at;          /* cutter only: why_say_pressure() */
    uint64_t refused_before;               /* cutter only: the same */
    uint32_t sweep_shard, sweep_position;  /* cutter only */
    uint32_t swept_dead;                   /* cutter only: dead databases when it began */
    uint64_t sweep_lsn; /* cutter only: what the running sweep will have cleared */
    char *spool_dir;    /* immutable */
    struct capturing {
        struct batch *batch;         /* NULL: no cut is being captured */
        struct selection *selection; /* NULL: shard by shard, from this one on */
        uint32_t shard;
        uint64_t
            hashes[CAPTURE_AHEAD]; /* taken from the selection, those from `at` on not captured */
        uint32_t hashes_len, at;
        uint64_t large_hash; /* of `large` */
        struct piece_part part;
    } capturing; /* cutter only */
    /* Is captured in parts, and owed until the last one; NULL: none. The cutter changes it, under
     * the lock of the entry's shard. */
    _Atomic(struct entry *) large;
    /* A large entry that somebody waits for: the cutter captures it, whatever the lane wants. 0:
     * none. Not all are remembered; who waits says so again. */
    _Atomic uint64_t wanted_hash;
    struct lane lane;
    struct kept kept;        /* start only */
    struct lost *unrecorded; /* cutter, start: what could not be recorded yet, oldest first */

    struct lock losses_lock;
    struct loss losses[LOSSES_MAX] GUARDED_BY(losses_lock); /* oldest first */
    uint32_t losses_len GUARDED_BY(losses_lock);
};

/* why.c: lines of the log. Lock: none of the lane's. */
void why_say_failing(struct writeback *wb, int64_t failing_us, uint64_t failures, const char *then);
void why_say_recovered(struct writeback *wb, int64_t failing_us, uint64_t failures);
/* At every look at the watermarks. Thread: the cutter. */
void why_say_pressure(struct writeback *wb, bool dirty_is_high, bool journal_is_high);

/* There was no memory for a capture: writers wait until there is. Thread: any. */
void writeback_starves(struct writeback *wb);
/* The cutter has no memory for what it cannot leave out: it waits a little. False: the proxy ends.
 * Lock: none. */
MUST_CHECK bool writeback_wait_for_memory(struct writeback *wb);
/* Takes a dirty entry off the dirty list and out of the sums. */
void writeback_unmark(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e)
    REQUIRES(sh->lock);
/* All of an entry is captured: it is in flight, and dirty no more. */
void writeback_captured(struct writeback *wb, uint32_t producer, struct shard *sh, struct entry *e)
    REQUIRES(sh->lock);

/* --- pressure.c. Thread: cutter, where nothing else is said. --- */
/* Looks at memory and journal, and fills the allowances, if it is time to: to be called often. */
void pressure_tick(struct writeback *wb);
void pressure_init(struct writeback *wb);
void pressure_fini(void); /* before the backend closes */
void pressure_cut_begins(struct writeback *wb, uint64_t keys, uint64_t bytes);
void pressure_cut_ends(struct writeback *wb);
/* --- lane.c --- */
void lane_init(struct writeback *wb);
void lane_start(struct writeback *wb);
void lane_stop(struct writeback *wb);
/* A batch begins; its pieces come while it is applied. Thread: cutter, and the next three too. */
void lane_submit(struct writeback *wb, struct batch *b);
bool lane_wants_piece(struct writeback *wb, struct batch *b); /* or has enough to do */
void lane_add_piece(struct writeback *wb, struct batch *b, struct piece *p); /* takes it over */
void lane_complete(struct writeback *wb, struct batch *b);                   /* that was all */
/* The piece after another one (NULL: the first); waits for it. RC_NOT_FOUND: there is none.
 * RC_UNAVAILABLE: the proxy ends. Thread: flusher. */
MUST_CHECK enum rc lane_next_piece(struct writeback *wb, struct batch *b, struct piece *after,
                                   struct piece **out, struct err *err);
/* The committed batch, if there is one; the caller frees it. */
struct batch *lane_take_done(struct writeback *wb);
bool lane_is_failing(struct writeback *wb); /* the last attempt did not succeed */
void lane_get_info(struct writeback *wb, struct writeback_info *out);
void lane_set_paused(struct writeback *wb, bool on, const char *by);
/* What came of records that no batch waits for: no cut is made until they are written. While the
 * lane is idle. Thread: cutter, or the start. */
void lane_note_records(struct writeback *wb, enum rc rc, const struct err *err);
void lane_hurry(struct writeback *wb); /* an operator asks: no backoff now */

/* --- capture.c. Thread: cutter. --- */
/* Makes a cut. */
void capture_begin(struct writeback *wb);
/* Captures some of it, as much as the lane wants now; false when there is nothing to capture. */
bool capture_some(struct writeback *wb);
void capture_fini(struct writeback *wb); /* when nobody writes any more */

/* --- cleanup.c --- */
/* Makes an entry dirty, so that the next cut writes all of it. False: out of memory.
 * Thread: cutter. */
MUST_CHECK bool writeback_rewrite(struct writeback *wb, struct shard *sh, struct entry *e)
    REQUIRES(sh->lock);
/* After the commit: entries that were not changed again are clean, tombstones go, kept-theirs
 * entries are dropped. */
void cleanup_batch(struct writeback *wb, const struct batch *b);
/* --- forget.c --- */
/* Takes an entry out of memory, dirty or not: the key is what the backend says. */
void writeback_take_out(struct writeback *wb, struct shard *sh, struct entry *e, uint64_t hash)
    REQUIRES(sh->lock);
/* False: some still wait, and no cut may be made. Thread: cutter. */
bool lost_record_rest(struct writeback *wb);
void lost_fini(struct writeback *wb);
/* --- attempt.c --- */
struct attempt;
/* Once through the backend, unless the batch may be there already: then the backend is asked
 * whether it is. *records_failed: what failed is not the backend. Thread: flusher. */
MUST_CHECK enum rc attempt_batch(struct writeback *wb, struct batch *b, bool *records_failed,
                                 struct err *err);
void attempt_free(struct attempt **a);
/* Changes that were made on top of some that lost a conflict, and lose with them: all are recorded,
 * or none. Thread: cutter. */
MUST_CHECK enum rc record_lost_changes(struct writeback *wb, const struct lost *lost,
                                       struct err *err);

/* Changes after a position, up to another, did not get to the backend: for writeback_get_losses().
 * Before applied_lsn says that they were committed. */
void losses_add(struct writeback *wb, uint64_t after, uint64_t up_to, uint64_t refused,
                uint64_t overruled);

/* --- conflict.c --- */
enum backend_verdict conflict_decide(void);
const char *conflict_verdict_name(enum backend_verdict verdict);

/* --- deadletter.c --- */
/* Makes the key dirty again, so that the next cut has it. False: out of memory. Thread: cutter. */
MUST_CHECK bool dead_letter_retry(struct writeback *wb, uint32_t db, struct slice key);
/* True when changes rest on the dead value: the entry is dirty, or in a batch. */
bool dead_letter_is_newer(struct writeback *wb, uint32_t db, struct slice key);
/* The value is given up: the key is what the backend says it is. Thread: cutter. */
void dead_letter_release(struct writeback *wb, uint32_t db, struct slice key);

/* --- orders.c --- */
/* Does a bounded part of what an operator has asked for; true when there was something to do.
 * Thread: cutter. */
bool orders_run(struct writeback *wb);
/* When the cutter has stopped. */
void orders_fini(struct writeback *wb);

#endif
