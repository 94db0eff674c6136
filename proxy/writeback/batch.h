/* A cut on its way to the backend: in pieces, so that no more of it than some pieces is in memory.
 *
 * Captures come from the cutter and, where a writer reaches an entry first, from that writer's
 * thread; each thread adds to a part of its own. What the parts hold is handed to the lane as a
 * piece, again and again until every entry that was owed is captured: then the batch is complete.
 * The flusher takes the pieces in that order through one transaction of the backend, which may have
 * to be repeated. Pieces that it has are kept for that until it is committed: in memory, or, beyond
 * a bound, in the spool.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_BATCH_H
#define WRITEBACK_BATCH_H

#include "base/clock.h"
#include "base/lock.h"
#include "writeback/piece.h"

struct batch_part {
    struct lock lock;
    /* What was captured since the last was taken. NULL: nothing, but in a new batch, where it is
     * there for what must be captured then, whatever memory there is. */
    struct piece *open GUARDED_BY(lock);
} __attribute__((aligned(CACHE_LINE)));

struct batch {
    uint64_t cut_lsn;
    struct backend_mark mark; /* the journal that cut_lsn is a position of */
    uint16_t next_cut;        /* changes stamped with this number belong to the next cut */
    struct mono cut_at;
    uint32_t parts_len;
    struct batch_part *parts;
    struct backend_dbmap map; /* as of the cut */
    bool map_captured;        /* Lock: all shards, or the first one */
    bool map_changed;         /* the backend does not have it yet */

    /* Lock: the lane's */
    struct piece *first, **last; /* in order */
    uint32_t waiting;            /* of them, not taken by the flusher yet, ... */
    uint64_t waiting_bytes;      /* ... and their payload */
    bool complete;               /* no other will come */

    uint64_t in_memory; /* flusher only: payload of the pieces that it has taken */
};

/* NULL: out of memory. Each part is ready for what is small: see PIECE_READY_BYTES. */
struct batch *batch_try_new(uint32_t parts_len);
void batch_free(struct batch **b);
/* Bytes that pieces wait in before others go to the spool. */
uint64_t batch_memory(void);
/* Captures the entry into a part; adds to *weight, what the entry weighs, what is copied where
 * nothing else bounds it: `ahead` of the cutter. False: out of memory, see piece_capture. Lock: the
 * entry's shard. */
MUST_CHECK bool batch_capture(struct batch *b, uint32_t part, struct entry *e, uint64_t *weight,
                              bool ahead);
/* What has been captured since the last time, by everybody; NULL: nothing. `last`: nobody captures
 * any more. Until then, what a writer has captured stays in its part while there is no memory for
 * another one in its place. Owns: the caller. */
struct piece *batch_take(struct batch *b, bool last);
/* How much the part holds now: whether it is time for batch_take(). */
void batch_part_size(struct batch *b, uint32_t part, uint32_t *keys, uint64_t *bytes);

#endif
