/* What tells that files of the journal are missing. A journal that lost its newest file reads like
 * a sound one that ends earlier, so that other files say what there must be:
 *
 *   who                    says                                            believed
 *   each ring              durable_lsn: the segments hold it               always
 *   each ring              released_lsn: the segments hold it              while the machine runs
 *   each ring              its run: a segment of that run or a later one   always
 *   a segment's note       how many rings its run has                      while the machine runs
 *   the mark of the stop   last_lsn: the segments hold it; of its run no   always
 *                          ring is needed
 *
 * "While the machine runs": the boot id is that of the newest segment. After power loss rings are
 * of any time. What the store's position says is weighed by who knows both (keyspace/join.h).
 *
 * An operator gives up what is missing by `weirctl journal salvage`, which leaves a mark: from
 * there on this is the whole journal.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_MISSING_H
#define JOURNAL_MISSING_H

#include "journal/internal.h"

#define STOP_MARK_NAME "last-stop"

/* Up to where the journal is complete: an orderly stop says so, or an operator who has salvaged it;
 * a file of its own. All zeros: no mark, or none that can be read. */
struct stop_mark {
    uint64_t run, last_lsn;
};

/* A mark that does not verify, or is another journal's, is no mark. */
void stop_mark_read(const struct fs *fs, const char *dir, const uint8_t journal_id[16],
                    struct stop_mark *out);
/* Durable, or an error. */
MUST_CHECK enum rc stop_mark_write(const struct fs *fs, const char *dir,
                                   const uint8_t journal_id[16], const struct stop_mark *mark,
                                   struct err *err);

/* After the ends of the segments and of the rings have been found. RC_CORRUPT names what is missing
 * and what to do. */
MUST_CHECK enum rc missing_check(const struct journal *j, struct err *err);
/* Whether the machine has run since then; false where that is not known. */
bool same_boot(const struct journal *j, const uint8_t boot_id[16]);

#endif
