/* What was written and is not durable yet, kept in memory: when a sync fails, nobody can say what
 * of it is on the disk, so all of it is written again, elsewhere.
 *
 * A list of chunks in LSN order. Groups are built in a chunk and written from there, so keeping
 * them costs no copy. The number of chunks is bounded; when all are in use, writing waits for a
 * sync. An oversize record lies in memory of its own, from its append until it is durable.
 *
 * Thread: the journal thread.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_RETAINED_H
#define JOURNAL_RETAINED_H

#include "journal/format.h"
#include "journal/journal.h"

enum {
    RETAINED_BYTES_MAX = 64 << 20,
    RETAINED_RECORDS = 16, /* of the largest size, or what the other bounds allow */
    CHUNK_BYTES_MIN = 1 << 20,
    CHUNK_SLACK = 2 * FORMAT_PAGE, /* after the last record: zeros up to the end of a page */
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

/* A record that does not fit into the ring, with the memory that it lies in. */
struct oversize {
    struct oversize *next;     /* of its producer's queue, until it is written; under j->lock */
    struct record_header head; /* checksum without any mix, as soon as it is written */
    struct slice parts[JOURNAL_PARTS_MAX];
    void *memory[JOURNAL_PARTS_MAX]; /* from malloc; NULL: none, or another part's */
    uint32_t parts_len;
    _Atomic uint64_t *account; /* NULL, or what counts head.len until it is freed */
    struct chunk chunk;
};

void oversize_free(struct oversize *o);

struct retained {
    struct chunk *head, *tail;
    struct chunk *free;
    struct chunk *pool; /* all of them */
    uint32_t pool_len, used;
    uint64_t chunk_bytes;
    uint64_t bytes; /* in the list */
    _Atomic uint64_t mapped_bytes;
};

/* Chunks hold a record of `record_max` at least. */
void retained_init(struct retained *r, uint64_t record_max);
void retained_fini(struct retained *r);
/* A fresh chunk at the end; NULL when the bound is reached or memory is short. */
struct chunk *retained_add(struct retained *r, uint64_t number, uint64_t offset);
/* Takes the record over. */
void retained_add_oversize(struct retained *r, struct oversize *o);
/* Drops chunks that are durable as a whole, and frees the oversize records among them. */
void retained_drop(struct retained *r, uint64_t durable_lsn);
/* Gives the memory of unused chunks back to the system. */
void retained_shrink(struct retained *r);
static inline bool retained_is_filling(const struct retained *r)
{
    return r->used * 4 >= r->pool_len * 3;
}

#endif
