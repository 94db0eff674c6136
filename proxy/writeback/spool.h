/* Pieces of a batch that the backend's transaction has already, on disk until it is committed:
 * should it fail, they are read back and applied once more.
 *
 * A file without a name, beside the journal: it ends with the process, and is of no use to another
 * one, which replays the journal. A piece that cannot be written stays in memory.
 *
 * Thread: one at a time: the flusher, and the cutter when the batch is over.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_SPOOL_H
#define WRITEBACK_SPOOL_H

#include "writeback/piece.h"

struct spool {
    const char *dir; /* the owner's */
    int fd;          /* -1: nothing is in it */
    uint64_t end;
};

void spool_init(struct spool *s, const char *dir);
/* Moves the items of a sealed piece to disk, or leaves it as it is. */
void spool_put(struct spool *s, struct piece *p);
/* Reads them back, unless they are in memory. */
MUST_CHECK enum rc spool_get(struct spool *s, struct piece *p, struct err *err);
/* The batch is over: the file goes. */
void spool_clear(struct spool *s);

#endif
