/* Records for people: dead letters and conflicts, in one SQLite file beside the journal.
 *
 *   record   one row each: which key, of which cut, why; what it was, as text, cut and with lengths
 *   part     what of a dead letter's value does not fit into its row
 *   kept     keys that kept theirs in the newest cut, for recovery
 *
 * The records of a batch are one transaction of this file, made durable before the backend commits
 * the batch. So a crash between the two leaves a record of a cut that never was, and that is what
 * the cut LSN in each record is for: at start, what belongs to a cut that the backend does not have
 * is removed. In the same way a dead letter is not deleted when something newer of its key leaves,
 * but marked with the cut that makes it void; the mark counts from that cut's commit on, crash or
 * not.
 *
 * Values are not kept in memory. What is: the numbers, and a filter that tells which keys may have
 * a dead letter, so that a batch costs no look-ups where there is nothing to find.
 *
 * Thread: any; locks inside. A batch belongs to the flusher; what others change waits for its end
 * (RC_BUSY).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_RECORDS_H
#define WRITEBACK_RECORDS_H

#include "backends/backend.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"

struct records;

enum record_kind { RECORD_DEAD_LETTER = 1, RECORD_CONFLICT = 2, RECORD_KINDS };

enum {
    RECORD_TEXT_MAX = 512,       /* of a value, where its bytes are kept elsewhere */
    RECORD_LOST_MAX = 64 * 1024, /* of a value that is nowhere else any more */
    RECORD_PART_BYTES = 256 * 1024,
    RECORDS_PAGE_MAX = 1000, /* that are read at one time */
};

/* What is to be kept. */
struct record {
    enum record_kind kind;
    struct wall time;
    uint32_t number; /* database number that clients know */
    uint64_t lsn;    /* it is void unless the backend has what belongs to this position */
    struct slice reason;
    bool ours_lost;                                  /* conflicts: which side is nowhere else */
    const struct backend_item *ours, *base, *theirs; /* dead letters: ours only; NULL: unknown */
};

/* What was kept. Slices live during the call. */
struct record_row {
    uint64_t id;
    enum record_kind kind;
    struct wall time;
    uint32_t db, number; /* store database, and the number that clients knew it by */
    uint64_t lsn;
    struct slice key, reason, ours, base, theirs;
    const char *type;
};

struct records_bounds {
    uint64_t number, bytes;
};

struct records_options {
    const char *dir;
    const struct backend_position *position; /* what the backend has */
    const uint8_t *journal_id;               /* JOURNAL_ID_BYTES: the records are about its cuts */
};

/* Never keeps the proxy from starting: a damaged file, or one of another journal, is moved aside
 * with a log line; one that cannot be opened now is tried again when it is needed. */
struct records *records_open(const struct records_options *o);
void records_close(struct records **r);

/* To be called now and then: a file that was removed, moved or replaced is written anew; one that
 * cannot be is an error. Thread: flusher. */
MUST_CHECK enum rc records_check(struct records *r, struct err *err);

/* Numbers for INFO; no lock, no I/O. */
uint64_t records_count(const struct records *r, enum record_kind kind);

/* --- A batch. Thread: flusher. --- */

/* An attempt at a batch begins: what was said of it before is taken back, also what was committed
 * here while the backend did not. */
void records_begin(struct records *r, uint64_t cut_lsn);
/* Dead letters beyond the bound: RC_FULL, and nothing else says that. Conflicts beyond it: the
 * oldest go. */
MUST_CHECK enum rc records_add(struct records *r, const struct record *record,
                               const struct records_bounds *bounds, struct err *err);
/* The number of what was added last; its file. */
uint64_t records_last_id(struct records *r);
const char *records_path(const struct records *r);
/* The change of this key loses in this cut: until the journal says so too, this does. */
MUST_CHECK enum rc records_add_kept(struct records *r, const struct backend_item *ours,
                                    struct err *err);
/* Dead letters of these keys are void once the batch is committed, whatever becomes of its items:
 * said first, so that a key has one letter and a key that is refused again takes no more room. */
MUST_CHECK enum rc records_supersede(struct records *r, const struct backend_item *items,
                                     uint32_t len, struct err *err);
/* So are all that lie in store databases which this map does not name. */
MUST_CHECK enum rc records_keep_databases(struct records *r, const struct backend_dbmap *map,
                                          struct err *err);
/* Makes it all durable. */
MUST_CHECK enum rc records_commit(struct records *r, struct err *err);
/* The backend has committed the batch (what is void goes), or has not. */
void records_end(struct records *r, bool committed);

/* --- Others --- */

/* Records that belong to no batch, in one transaction of their own. */
MUST_CHECK enum rc records_add_alone(struct records *r, const struct record *list, uint32_t n,
                                     const struct records_bounds *bounds, struct err *err);
struct records_query {
    enum record_kind kind;
    uint64_t after; /* numbers above this */
    uint64_t max;   /* rows at most, and RECORDS_PAGE_MAX */
    bool of_key;    /* only of this one: */
    uint32_t db;
    struct slice key;
};
struct records_reader {
    void (*each)(void *ctx, const struct record_row *row);
    void *ctx;
};
/* Oldest first. Waits for no batch. */
MUST_CHECK enum rc records_page(struct records *r, const struct records_query *q,
                                const struct records_reader *reader, struct err *err);
struct records_choice {
    enum record_kind kind;
    const uint64_t *ids; /* NULL: all of the kind */
    uint32_t len;
};
/* *dropped: how many there were. RC_BUSY while a batch is under way. Durable when it returns. */
MUST_CHECK enum rc records_drop(struct records *r, const struct records_choice *choice,
                                uint64_t *dropped, struct err *err);
struct letter_reader {
    enum rc (*each)(void *ctx, const struct backend_item *item, struct err *err);
    void *ctx;
};
/* Every dead letter with its whole value, oldest first; each() may fail, which ends it. At start.
 */
MUST_CHECK enum rc records_each_letter(struct records *r, const struct letter_reader *reader,
                                       struct err *err);
struct kept_reader {
    enum rc (*each)(void *ctx, uint32_t db, struct slice key, struct err *err);
    void *ctx;
};
/* Every key of records_add_kept() in the newest cut that the backend has. At start. */
MUST_CHECK enum rc records_each_kept(struct records *r, const struct kept_reader *reader,
                                     struct err *err);

#endif
