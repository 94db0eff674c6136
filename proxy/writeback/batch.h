/* A cut's batch: what every key that was dirty at the cut is to become in the backend.
 *
 * Captures come from the cutter and, where a writer reaches an entry first, from that writer's
 * thread; each thread adds to a part of its own, under the lock of the entry's shard. When the
 * cutter has walked all shards the batch is complete, and the shard locks have made every part
 * visible to it. Then the flusher sorts it and owns it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_BATCH_H
#define WRITEBACK_BATCH_H

#include "backends/backend.h"
#include "base/clock.h"
#include "store/store.h"

enum batch_outcome {
    BATCH_APPLIED,
    BATCH_APPLIED_OVER, /* a conflict was decided for ours */
    BATCH_MERGED,       /* applied, beside what others changed of other elements */
    BATCH_KEPT_THEIRS,  /* a conflict was decided for theirs: ours was not applied */
    BATCH_DEAD,         /* the backend refused it: a dead letter now */
    BATCH_SKIPPED,      /* its database was flushed within the same cut */
};

struct batch_chunk;

struct batch_part {
    struct batch_chunk *items, *bytes; /* newest first */
    uint32_t items_len;
    uint64_t payload; /* bytes of keys and values */
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
    /* after batch_seal: */
    struct backend_item *items; /* in backend_item_order */
    uint32_t items_len;
    uint8_t *outcomes; /* enum batch_outcome, by item */
    uint64_t payload;
};

struct batch *batch_new(uint32_t parts_len);
void batch_free(struct batch **b);
/* Copies the entry as it is now; aggregates: their changes, which are then forgotten, or everything
 * where the entry says REPLACE. Lock: the entry's shard. */
void batch_capture(struct batch *b, uint32_t part, struct entry *e);
/* Sorts everything into items. No captures after this. Thread: flusher. */
void batch_seal(struct batch *b);

#endif
