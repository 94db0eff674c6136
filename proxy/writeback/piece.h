/* A piece of a cut: what some keys that were dirty at the cut are to become in the backend.
 *
 * Whoever captures adds to it; then it is sealed, which sorts it, and goes through the backend.
 * Lock: the owner's, see batch.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_PIECE_H
#define WRITEBACK_PIECE_H

#include "backends/backend.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

enum batch_outcome {
    BATCH_APPLIED,
    BATCH_APPLIED_OVER, /* a conflict was decided for ours */
    BATCH_MERGED,       /* applied, beside what others changed of other elements */
    BATCH_KEPT_THEIRS,  /* a conflict was decided for theirs: ours was not applied */
    BATCH_DEAD,         /* the backend refused it: a dead letter now */
    BATCH_SKIPPED,      /* its database was flushed within the same cut */
};

struct piece_chunk;

struct piece {
    struct piece *next;                /* for its owner */
    bool was_taken;                    /* for its owner: an attempt has begun with it */
    struct piece_chunk *taken, *bytes; /* newest first; `taken`: items, until it is sealed */
    struct piece_chunk *blobs;         /* large strings, each with a reference */
    uint32_t len;                      /* items */
    uint64_t payload;                  /* bytes of keys and values */
    uint64_t weight;                   /* for its owner: of the entries, in in_flight_bytes */
    /* after piece_seal: */
    struct backend_item *items;       /* in backend_item_order; those to be skipped come last */
    uint8_t *outcomes;                /* enum batch_outcome, by item */
    uint32_t live;                    /* items that are not to be skipped */
    char *block;                      /* the bytes of items that were read back */
    uint64_t spooled_at, spooled_len; /* items NULL: where they are in the spool */
};

/* A key and a value of so many bytes together are captured into a new piece without another
 * allocation, and so are several that have it together. */
enum { PIECE_READY_BYTES = 32 * 1024, PIECE_READY_ITEMS = 256 };
/* NULL: out of memory. */
struct piece *piece_try_new(void);
void piece_free(struct piece **p);
/* Copies the entry as it is now; aggregates: their changes, which are then forgotten, or everything
 * where the entry says REPLACE. False: out of memory; the piece is as it was, and the entry still
 * has its changes, if only as a whole (REPLACE). Lock: the entry's shard. */
MUST_CHECK bool piece_capture(struct piece *p, struct entry *e);
/* Whether the changes of an aggregate are more than one part: PIECE_PART_ELEMENTS, or more than
 * `bytes`, at most PIECE_PART_BYTES. To capture a part takes a millisecond or so. Lock: the entry's
 * shard. */
enum { PIECE_PART_ELEMENTS = 4096, PIECE_PART_BYTES = 256 * 1024 };
bool piece_takes_parts(const struct entry *e, uint64_t bytes);
struct piece_part {
    uint64_t bytes;
    struct capture_place place;
    bool begun, everything, done;
};
/* Captures the next part as an item of its own; the first one begins with {.bytes}. Nobody may
 * change the entry between two parts. False: out of memory; the same part comes next. Lock: the
 * entry's shard. */
MUST_CHECK bool piece_capture_part(struct piece *p, struct entry *e, struct piece_part *part);
/* Takes over what the other one has captured. */
void piece_absorb(struct piece *p, struct piece **other);
/* A sealed piece as bytes, without its outcomes, and back: items lie in `bytes` then, which the
 * piece takes over (from malloc), or frees when it fails: RC_CORRUPT, they are no piece of this
 * length; RC_NOMEM. */
MUST_CHECK bool piece_write(const struct piece *p, struct buf *out);
MUST_CHECK enum rc piece_read(struct piece *p, char *bytes, size_t len);
/* Bytes that the items of all pieces take in memory. Thread: any. */
size_t pieces_memory(void);
/* The same of one. */
size_t piece_memory(const struct piece *p);
/* Forgets the items of a sealed piece; its length and outcomes stay. */
void piece_drop_items(struct piece *p);
/* Sorts the items. No captures after this. map: of the cut; NULL: nothing is to be skipped.
 * False: out of memory, unchanged. */
MUST_CHECK bool piece_try_seal(struct piece *p, const struct backend_dbmap *map);

#endif
