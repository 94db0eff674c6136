/* All records that past runs left, in the order of their LSNs: those of the segments, then those
 * that only the rings of the last run hold.
 *
 * What the rings hold beyond the segments, and a gap in it:
 *   - The machine has run ever since (same boot id): everything that was appended is there. An LSN
 *     that is missing was handed out and not appended when the process was killed, at most one a
 *     producer. Its transaction was not acknowledged and still held its locks, so nothing after
 *     the gap depends on it, while what is after may have been acknowledged: a no-op takes the
 *     place, and the history goes on.
 *   - Else the rings' pages are from any time: the history ends at the gap.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_WALK_H
#define JOURNAL_WALK_H

#include "journal/internal.h"

struct ring_walk {
    struct journal *j;
    uint64_t next_lsn;
    uint32_t gaps_left;
    bool cut; /* ended before records that do not follow on */
    struct record_header noop;
};

struct record_walk {
    struct journal *j;
    uint64_t after_lsn;
    struct chain_walk chain;
    struct ring_walk rings;
    bool in_rings;
};

/* Begins after after_lsn. j has been examined: where its segments end is known. RC_CORRUPT: there
 * are segments, and none that begins early enough. record_walk_fini() in either case. */
MUST_CHECK enum rc record_walk_init(struct record_walk *w, struct journal *j, uint64_t after_lsn,
                                    struct err *err);
void record_walk_fini(struct record_walk *w);
/* The next record, valid until the next call. RC_NOT_FOUND: the end. RC_CORRUPT: damage, err says
 * where. */
MUST_CHECK enum rc record_walk_next(struct record_walk *w, const struct record_header **out,
                                    struct err *err);

#endif
