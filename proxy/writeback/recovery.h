/* What a start asks of write-back while it replays the journal, and how values that the backend has
 * are put into the table.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_RECOVERY_H
#define WRITEBACK_RECOVERY_H

#include "writeback/hooks.h"

struct piece;

/* What a batch says of the journal now. Thread: any. */
struct backend_mark writeback_mark(const struct writeback *wb);

/* --- forget.c --- */
#define WRITEBACK_FORGET "FORGET" /* the effect that says so in the journal */
/* Changes that lost what they rest on, for a record of each. */
struct lost {
    struct piece *items; /* NULL while there are none */
    uint32_t len;
    uint64_t lsn;       /* of the newest FORGET */
    const char *reason; /* NULL: they were made on top of a change that lost */
    struct lost *next;
};
/* The backend kept theirs: takes the entry out, whatever is dirty of it into `lost`, and tells the
 * journal. False: out of memory, and it stays. Thread: cutter. */
MUST_CHECK bool forget_key(struct writeback *wb, struct shard *sh, struct entry *e, uint64_t hash,
                           struct lost *lost) REQUIRES(sh->lock);
/* Writes the records, or has them wait, and frees. False: out of memory for that, unchanged.
 * Thread: cutter, or the start. Lock: none of a shard. */
MUST_CHECK bool lost_record(struct writeback *wb, struct lost *lost);
/* Around a replay of the journal, the second when that may be appended to. forget_replay() is for
 * each FORGET that is met; `why` has its LSN and the reason; false: out of memory. */
MUST_CHECK enum rc forget_begin_replay(struct writeback *wb, struct err *err);
MUST_CHECK bool forget_replay(struct writeback *wb, uint32_t store_db, struct slice key,
                              const struct lost *why);
MUST_CHECK enum rc forget_end_replay(struct writeback *wb, struct err *err);

/* --- deadletter.c --- */
/* At start, before the journal is replayed on top of that: keys of dead letters are put back into
 * memory, as they were at the cut that the backend has. */
MUST_CHECK enum rc dead_letters_restore(struct writeback *wb, struct err *err);
/* An entry of which the backend has refused the value, and which nobody has changed since. */
bool dead_letter_is(const struct entry *e);

/* --- install.c --- */
/* Adds an item's elements to the object of an aggregate being built (*object NULL at first). False:
 * out of memory. */
MUST_CHECK bool install_elements(const struct backend_item *item, void **object);
/* Puts a value that the backend has (or had) into the table as a clean entry; object: from
 * install_elements, taken over. Lock: shard. NULL: out of memory, the object is freed. */
struct entry *install_entry(struct shard *sh, struct entry *old, uint64_t hash,
                            const struct backend_item *item, void **object) REQUIRES(sh->lock);

#endif
