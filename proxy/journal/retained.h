/* What was written and is not durable yet, kept in memory: when a sync fails, nobody can say what
 * of it is on the disk, so all of it is written again, elsewhere.
 *
 * A list of chunks in LSN order. Groups are built in a chunk and written from there, so keeping
 * them costs no copy. The number of chunks is bounded; when all are in use, writing waits for a
 * sync. Oversize records stay with their producers, which wait until they are durable.
 *
 * Thread: the journal thread.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_RETAINED_H
#define JOURNAL_RETAINED_H

#include "journal/format.h"

enum {
    RETAINED_BYTES_MAX = 64 << 20,
    RETAINED_RECORDS = 16, /* of the largest size, or what the other bounds allow */
    CHUNK_BYTES_MIN = 1 << 20,
    CHUNK_SLACK = 2 * FORMAT_PAGE, /* behind the last record: zeros up to the end of a page */
};

struct chunk {
    struct chunk *next;
    uint64_t number; /* of the segment whose mix is in the checksums */
    uint64_t offset; /* in that segment */
    uint64_t len;
    uint64_t first_lsn, last_lsn;
    struct oversize *oversize; /* not NULL: a single record, lying there */
    char *data;                /* retained.chunk_bytes + CHUNK_SLACK, mapped; else NULL */
};

/* A record that does not fit into the ring; lives on the stack of its producer. */
struct oversize {
    struct record_header head; /* checksum without any mix */
    const struct slice *parts;
    uint32_t parts_len;
    struct chunk chunk;
};

struct retained {
    struct chunk *head, *tail;
    struct chunk *free;
    struct chunk *pool; /* all of them */
    uint32_t pool_len, used;
    uint64_t chunk_bytes;
    uint64_t bytes; /* in the list */
};

/* Chunks hold a record of `record_max` at least. */
void retained_init(struct retained *r, uint64_t record_max);
void retained_fini(struct retained *r);
/* A fresh chunk at the end; NULL when the bound is reached or memory is short. */
struct chunk *retained_add(struct retained *r, uint64_t number, uint64_t offset);
void retained_add_oversize(struct retained *r, struct oversize *o);
/* Drops chunks that are durable as a whole. */
void retained_drop(struct retained *r, uint64_t durable_lsn);
/* Gives the memory of unused chunks back to the system. */
void retained_shrink(struct retained *r);
static inline bool retained_is_filling(const struct retained *r)
{
    return r->used * 4 >= r->pool_len * 3;
}

#endif
