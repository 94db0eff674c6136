/* The journal: every acknowledged write, on the local disk, in the order in which it happened.
 *
 *  worker ── journal_append ──> its ring ──┐
 *  worker ── journal_append ──> its ring ──┤
 *                                          └─> journal thread: takes records in LSN order, writes
 *                                              a group into the segment, syncs by policy, moves
 *                                              written_lsn and durable_lsn
 *
 * An append is one bounded copy into the calling worker's ring. Rings are files in the journal's
 * directory, mapped shared: what was appended survives the death of the process (kill -9) at once,
 * and the death of the machine as soon as the journal thread has written and synced it. Recovery
 * reads the segments and then, in LSN order, what the rings hold beyond them, up to the first gap.
 *
 * The clock word joins cut number (high 16 bits, wraps) and LSN (low 48 bits): one fetch-add hands
 * out both, so no write can fall between a cut and its LSN. Every reserved LSN must be appended, if
 * only as a no-op.
 *
 * Knows no cache, no commands, no backend: payloads are bytes.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "journal/fs.h"

#include <stdatomic.h>

enum journal_fsync { JOURNAL_FSYNC_ALWAYS, JOURNAL_FSYNC_EVERYSEC, JOURNAL_FSYNC_NO };

enum { JOURNAL_LSN_BITS = 48, JOURNAL_PARTS_MAX = 4, JOURNAL_ID_BYTES = 16 };
#define JOURNAL_LSN_MASK ((UINT64_C(1) << JOURNAL_LSN_BITS) - 1)
/* A larger payload is refused by journal_reserve, and a larger length in a file is corruption. */
#define JOURNAL_PAYLOAD_MAX (UINT64_C(1) << 30)

/* What one fetch-add of the clock gives. */
struct journal_stamp {
    uint64_t lsn;
    uint16_t cut;
};

struct journal_record {
    uint64_t lsn;
    struct wall time;
    uint32_t db;          /* database number the first effect applies to */
    uint32_t flags;       /* JOURNAL_NOOP or 0 */
    struct slice payload; /* effects: RESP commands, one after the other */
};
enum { JOURNAL_NOOP = 1 };

struct journal_options {
    const char *dir;
    const struct fs *fs; /* NULL: fs_posix */
    uint32_t producers;  /* threads that append: 0..producers-1 */
    enum journal_fsync fsync;
    uint64_t segment_bytes;           /* preallocated size of a segment */
    uint64_t ring_bytes;              /* per producer, a power of two; 0: default 8 MiB */
    uint8_t new_id[JOURNAL_ID_BYTES]; /* of a journal that is created; zeros: drawn at random */
    /* Journal thread, after written_lsn (not under always) or durable_lsn moved or the state
     * changed. Must not block. */
    void (*on_progress)(void *ctx);
    /* journal_start: its disk has no room for what it must write. Says so, pauses, and has it tried
     * again, unless it returns false. NULL: the start fails. */
    bool (*on_no_room)(void *ctx, const struct err *err);
    void *ctx;
};

enum journal_state {
    JOURNAL_RUNNING,
    JOURNAL_FULL,    /* no room on the disk for the next segment: what is left of the current one is
                        for removals, other writes are refused */
    JOURNAL_FAILING, /* neither the segment nor a new one can be written: writes are refused,
                        retried all the time */
    JOURNAL_LOST,    /* failing since files of it are not where they were: what memory holds is
                        perhaps nowhere else until it is flushed */
};

struct journal_info {
    enum journal_state state;
    uint64_t last_lsn;                    /* handed out */
    uint64_t written_lsn;                 /* in a segment file: the contiguous prefix */
    uint64_t durable_lsn;                 /* synced */
    uint64_t trimmed_lsn;                 /* no longer needed */
    uint64_t first_lsn;                   /* oldest record still in a segment, 0: none */
    uint64_t segments, bytes;             /* live segments and their sizes on disk */
    uint64_t buffered_bytes;              /* in rings, not written */
    uint64_t rings_bytes, retained_bytes; /* in memory, not from the allocator: all rings, and what
                                             is kept until it is synced */
    uint64_t bytes_due;    /* what `bytes` will be when what is in rings is written */
    int64_t unappended_ms; /* how long all waits for an LSN whose record has not come, 0: none */
    int64_t last_sync_us;  /* duration of the last fdatasync */
    struct err error;      /* why it is FAILING, or the last failure */
};

struct journal;

/* Opens or creates the directory, takes its lock, and checks the headers. A torn tail is cut off
 * with one log line; any other damage is RC_CORRUPT with file, offset and LSN range (damage in what
 * the last segment knew to be synced is found by replaying it). Changes nothing on disk; no thread
 * runs yet. */
MUST_CHECK enum rc journal_open(const struct journal_options *options, struct journal **out,
                                struct err *err);

/* What a journal that was opened, and not started yet, has. A store that stands at a position from
 * whole_after_lsn to last_lsn becomes what it was at last_lsn by replaying; below, records that
 * there have been are missing. */
struct journal_history {
    uint8_t id[JOURNAL_ID_BYTES];
    bool exists;   /* false: nothing was there; the id was drawn just now, and is not on disk */
    bool coherent; /* the machine has run since it was written: nothing is missing at its end */
    uint64_t after_lsn; /* the oldest record, if there is one, is above */
    uint64_t whole_after_lsn;
    uint64_t last_lsn; /* of what the rings hold, too; after_lsn when there is no record */
};
void journal_get_history(const struct journal *j, struct journal_history *out);
/* Between open and start. Moves all segments and rings into the new directory `to` below the
 * journal's: the journal is none any more, and its records are kept. *files: how many. */
MUST_CHECK enum rc journal_set_aside(struct journal *j, const char *to, uint64_t *files,
                                     struct err *err);
/* The journal's own id. */
const uint8_t *journal_id(const struct journal *j);

/* Calls each for every record above `after_lsn` in LSN order, segments first, then what the rings
 * hold: an exact prefix of what was appended. After a kill (not after power loss) an LSN that was
 * handed out and never appended is a JOURNAL_NOOP: it was not acknowledged, what follows may have
 * been. May be called again until journal_start. Errors of
 * `each` end it. A gap between after_lsn and the oldest record is RC_CORRUPT. */
MUST_CHECK enum rc journal_replay(struct journal *j, uint64_t after_lsn,
                                  enum rc (*each)(void *ctx, const struct journal_record *record,
                                                  struct err *err),
                                  void *ctx, struct err *err);

/* Moves what only the rings hold into a synced segment, empties the rings, and starts the journal
 * thread. LSNs go on after max(last record, floor_lsn). */
MUST_CHECK enum rc journal_start(struct journal *j, uint64_t floor_lsn, struct err *err);

/* Writes and syncs what was appended, stops the thread, releases the lock. */
void journal_close(struct journal **j);

/* The clock. journal_stamp: Lock: all shards of the transaction. The cut is bumped by one thread
 * only; the LSN returned is the last one that belongs to the old cut. */
struct journal_stamp journal_stamp(struct journal *j);
uint64_t journal_bump_cut(struct journal *j);
uint16_t journal_cut(const struct journal *j);

/* Before a transaction locks anything: makes sure that `bytes` of payload fit into the producer's
 * ring, or a sixteenth of the ring, header included, where that is more: effects that depend on
 * what is stored are not known yet. RC_AGAIN: not now, the journal thread has been woken and the
 * caller may wait with journal_wait_room. RC_READONLY: JOURNAL_FULL or JOURNAL_FAILING. RC_FULL:
 * longer than JOURNAL_PAYLOAD_MAX. A transaction that turns out to need more, or more than half of
 * a ring, is still appended, see journal_append; while such records together hold more memory
 * than eight rings, RC_AGAIN. */
MUST_CHECK enum rc journal_reserve(struct journal *j, uint32_t producer, uint64_t bytes,
                                   struct err *err);
/* The same for a transaction that only takes away, by a record of about the length of its request:
 * under JOURNAL_FULL it may use what is left of the current segment. Two threads that reserve at
 * the same instant may together take more than there is; then the journal is FAILING until there is
 * room. */
MUST_CHECK enum rc journal_reserve_removal(struct journal *j, uint32_t producer, uint64_t bytes,
                                           struct err *err);
/* Blocks up to timeout_ms for room, then answers as journal_reserve or, for a `removal`,
 * journal_reserve_removal does. Thread: the producer. */
MUST_CHECK enum rc journal_wait_room(struct journal *j, uint32_t producer, uint64_t bytes,
                                     bool removal, int64_t timeout_ms, struct err *err);

/* Appends the record of a stamped LSN; the payload is the concatenation of parts. Lock: the
 * transaction's shards are still held. Each producer appends in the order of its stamps (else the
 * journal waits for the missing one forever). Never fails, and never waits. Under everysec/no it
 * wakes the journal thread only from a deep sleep, or when the ring is filling.
 *
 * A record that does not fit into the ring lies in memory until it is written: it is copied, and
 * would not outlive the process. So no reply that depends on journal_oversize_lsn() or a later LSN
 * may leave before that LSN is durable, whatever the policy. */
void journal_append(struct journal *j, uint32_t producer, struct journal_stamp stamp,
                    struct wall now, uint32_t db, uint32_t flags, const struct slice *parts,
                    uint32_t parts_len);

/* The same, for a record that is long: of a part that lies in memory of its own, from malloc, the
 * memory is taken over (and NULLed) instead of copied. */
struct journal_entry {
    struct journal_stamp stamp;
    struct wall now;
    uint32_t db, flags;
    struct slice parts[JOURNAL_PARTS_MAX];
    void *memory[JOURNAL_PARTS_MAX];
    uint32_t parts_len;
};
void journal_append_entry(struct journal *j, uint32_t producer, struct journal_entry *e);
/* The oldest LSN that may be in memory only; UINT64_MAX: none. Thread: any. */
uint64_t journal_oversize_lsn(const struct journal *j);
/* Bytes of memory that such records take now. Thread: any. */
uint64_t journal_oversize_bytes(const struct journal *j);
/* What a producer can have in its ring at most; a longer record is an oversize one. */
uint64_t journal_ring_max(const struct journal *j, uint32_t producer);

/* End of a worker's loop iteration: under `always`, wakes the journal thread if there is something
 * to sync. */
void journal_kick(struct journal *j);

/* Everything at or below is durable (the contiguous, synced prefix). Lock-free. */
uint64_t journal_durable_lsn(const struct journal *j);
uint64_t journal_last_lsn(const struct journal *j);
/* JOURNAL_FAILING or JOURNAL_LOST; JOURNAL_LOST. Thread: any. */
bool journal_is_failing(const struct journal *j);
bool journal_is_lost(const struct journal *j);
/* "running", "full", "failing"; JOURNAL_LOST is "failing" too, the error says why. */
const char *journal_state_name(enum journal_state state);
/* Blocks until durable_lsn >= lsn (syncing now whatever the policy) or timeout. For shutdown:
 * no worker waits like that. */
MUST_CHECK enum rc journal_sync(struct journal *j, uint64_t lsn, int64_t timeout_ms,
                                struct err *err);
/* Asks the journal thread for a sync soon, whatever the policy; on_progress tells when it is done.
 * Thread: any. */
void journal_request_sync(struct journal *j);

/* Everything at or below lsn is in the backends: whole segments below are recycled. Thread: any. */
void journal_trim(struct journal *j, uint64_t lsn);
void journal_set_fsync(struct journal *j, enum journal_fsync policy);
void journal_get_info(struct journal *j, struct journal_info *out);

#endif
