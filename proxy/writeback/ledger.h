/* Durable records that an operator can list, retry and drop: dead letters and conflicts.
 *
 * One append-only file each, in the journal's directory: a record is written and synced before what
 * it tells of is given up. Records have numbers that stay. The file is rewritten when most of it
 * has been dropped.
 *
 * Thread: any; a lock inside.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_LEDGER_H
#define WRITEBACK_LEDGER_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "journal/fs.h"

struct ledger;

struct ledger_record {
    uint64_t id;
    struct wall time;
    uint32_t db;  /* database number */
    uint64_t lsn; /* of the cut that it is about */
    struct slice reason;
    struct slice ours, base, theirs; /* encoded items, see item.h */
};

/* `drop_oldest`: at `records_max` the oldest record makes room; else adding fails with RC_FULL. A
 * torn record at the end (the process died while adding) is cut off. */
MUST_CHECK enum rc ledger_open(const struct fs *fs, const char *dir, const char *name,
                               uint64_t records_max, bool drop_oldest, struct ledger **out,
                               struct err *err);
void ledger_close(struct ledger **l);
/* On disk when it returns RC_OK; record->id is ignored and given. */
MUST_CHECK enum rc ledger_add(struct ledger *l, const struct ledger_record *record, uint64_t *id,
                              struct err *err);
/* False: there is no such record. */
bool ledger_drop(struct ledger *l, uint64_t id);
uint64_t ledger_count(struct ledger *l);
/* The lock is held meanwhile: each must not call back. Returning false ends it. */
void ledger_each(struct ledger *l, bool (*each)(void *ctx, const struct ledger_record *r),
                 void *ctx);

#endif
