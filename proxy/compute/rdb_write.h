/* Writes one value as a DUMP payload, element by element; see rdb.h.
 *
 *   rdb_write_begin(&w, &out, RDB_HASH); rdb_write_count(&w, 1);
 *   rdb_write_string(&w, field); rdb_write_string(&w, value); if (!rdb_write_end(&w)) ...
 *
 * Only the plain forms are written. Every Redis since 4.0 reads them and chooses its own compact
 * form by its own limits, and they are as short as listpacks: a string of up to 63 bytes takes one
 * byte more than its length. Nothing is compressed: see the README for the measurement.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_RDB_WRITE_H
#define COMPUTE_RDB_WRITE_H

#include "base/buf.h"
#include "compute/rdb.h"

struct rdb_writer {
    struct buf *out;
    size_t start; /* of the payload in out */
    bool failed;  /* out of memory: everything that follows is left out */
};

void rdb_write_begin(struct rdb_writer *w, struct buf *out, enum rdb_type type);
void rdb_write_count(struct rdb_writer *w, uint64_t n);
/* One that is the canonical text of an integer of 32 bits is written as that integer. */
void rdb_write_string(struct rdb_writer *w, struct slice text);
void rdb_write_score(struct rdb_writer *w, double score);
/* Appends version and checksum. False: memory ran out, and out is as it was before the begin. */
MUST_CHECK bool rdb_write_end(struct rdb_writer *w);

#endif
