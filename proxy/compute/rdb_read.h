/* Reads one value from a DUMP payload, in every encoding that servers up to Redis 7.2 write for
 * strings, lists, sets, hashes and sorted sets; see rdb.h and rdb_pack.h. Streams and the values of
 * modules are refused as bad data.
 *
 * The payload is walked twice. The first walk checks all of it and counts; nothing is told to the
 * sink before. So what arrives there is sound but for what only the sink can see: a field or member
 * that is there twice. Memory: room for the longest compressed string or block, two of them for
 * pairs, none of which is more than LZF_RATIO_MAX times as long as in the payload.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_RDB_READ_H
#define COMPUTE_RDB_READ_H

#include "base/err.h"
#include "base/slice.h"
#include "base/value_type.h"

/* What will be told: so many elements, with so many bytes of names and values together. */
struct rdb_summary {
    enum value_type type;
    uint64_t elements; /* at least 1; pairs count once */
    uint64_t bytes;
};

/* Both may refuse by a code other than RC_OK, which ends the reading: RC_NOMEM, RC_INVALID for an
 * element that was there before. */
struct rdb_sink {
    void *ctx;
    MUST_CHECK enum rc (*begin)(void *ctx, const struct rdb_summary *summary);
    /* string, list: value; set: name; hash: name and value; zset: name and score, which is not NaN.
     * Slices are valid during the call. */
    MUST_CHECK enum rc (*element)(void *ctx, struct slice name, struct slice value, double score);
};

/* RC_FOREIGN: version or checksum are wrong. RC_CORRUPT: bad data, or an element that is there
 * twice; err says which byte. RC_NOMEM, and whatever else the sink said, too. */
MUST_CHECK enum rc rdb_read(struct slice payload, const struct rdb_sink *sink, struct err *err);

#endif
