/* What the files of the records share.
 *
 *   records.c        a batch and its outcome, counts, bounds
 *   records_file.c   opening, the schema, moving aside, errors
 *   records_read.c   pages, dead letters with their values
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_RECORDS_INTERNAL_H
#define WRITEBACK_RECORDS_INTERNAL_H

#include "backends/sqlite/value.h"
#include "base/buf.h"
#include "base/file_id.h"
#include "base/lock.h"
#include "writeback/records.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum { RECORDS_FORMAT = 1, FILTER_BITS = 1 << 22 };

/* A row counts from the commit of its cut (?1: what the backend has) until that of the cut that
 * makes it void. */
#define IS_LIVE "lsn <= ?1 AND (void_lsn IS NULL OR void_lsn > ?1)"

#define RECORDS_STATEMENTS(S)                                                                      \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    S(COMMIT, "COMMIT")                                                                            \
    S(ROLLBACK, "ROLLBACK")                                                                        \
    S(ADD, "INSERT INTO record(id, kind, lsn, time_ms, number, db, key, type, reason, ours, base," \
           " theirs, ours_bytes, base_bytes, theirs_bytes, bytes, item) VALUES"                    \
           " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)")        \
    S(ADD_PART, "INSERT INTO part(record, seq, bytes) VALUES (?1, ?2, ?3)")                        \
    S(SUPERSEDE, "UPDATE record SET void_lsn = ?1 WHERE kind = 1 AND db = ?2 AND key = ?3"         \
                 " AND lsn < ?1 AND void_lsn IS NULL RETURNING bytes")                             \
    S(DATABASES, "SELECT DISTINCT db FROM record WHERE kind = 1 AND void_lsn IS NULL")             \
    S(SUPERSEDE_DB, "UPDATE record SET void_lsn = ?1 WHERE kind = 1 AND db = ?2"                   \
                    " AND void_lsn IS NULL RETURNING bytes")                                       \
    S(TAKE_BACK, "DELETE FROM record WHERE id >= ?2 AND lsn = ?1")                                 \
    S(VALID_AGAIN, "UPDATE record SET void_lsn = NULL WHERE void_lsn > ?1")                        \
    S(REMOVE_VOID, "DELETE FROM record WHERE void_lsn <= ?1")                                      \
    S(ADD_KEPT, "INSERT OR IGNORE INTO kept(lsn, db, key) VALUES (?1, ?2, ?3)")                    \
    S(REMOVE_KEPT, "DELETE FROM kept WHERE lsn <> ?1")                                             \
    S(KEPT, "SELECT db, key FROM kept WHERE lsn = ?1")                                             \
    S(REMOVE_FUTURE, "DELETE FROM record WHERE lsn > ?1")                                          \
    S(DROP_OLDEST, "DELETE FROM record WHERE id = (SELECT min(id) FROM record WHERE kind = ?1)"    \
                   " RETURNING bytes")                                                             \
    S(DROP, "DELETE FROM record WHERE kind = ?1 AND id = ?2 RETURNING bytes")                      \
    S(DROP_ALL, "DELETE FROM record WHERE kind = ?1 RETURNING bytes")                              \
    S(COUNT, "SELECT kind, count(*), sum(bytes) FROM record WHERE void_lsn IS NULL GROUP BY kind") \
    S(NEXT_ID, "SELECT seq FROM sqlite_sequence WHERE name = 'record'")                            \
    S(KEYS, "SELECT db, key FROM record WHERE kind = 1")                                           \
    S(PAGE, "SELECT id, kind, lsn, time_ms, number, db, key, type, reason, ours, base, theirs"     \
            " FROM record WHERE kind = ?2 AND id > ?3 AND " IS_LIVE " ORDER BY id LIMIT ?4")       \
    S(FIND, "SELECT id, kind, lsn, time_ms, number, db, key, type, reason, ours, base, theirs"     \
            " FROM record WHERE kind = ?2 AND id > ?3 AND " IS_LIVE                                \
            " AND db = ?5 AND key = ?6 ORDER BY id LIMIT ?4")                                      \
    S(LETTERS, "SELECT id, db, item FROM record WHERE kind = 1 AND " IS_LIVE " ORDER BY id")       \
    S(PARTS, "SELECT bytes FROM part WHERE record = ?1 ORDER BY seq")

enum records_statement {
#define S(name, sql) RS_##name,
    RECORDS_STATEMENTS(S)
#undef S
        RS_COUNT_OF,
};

struct records_conn {
    sqlite3 *db;
    sqlite3_stmt *statements[RS_COUNT_OF];
};

/* The file, its WAL, its index. */
enum { RECORDS_FILES = 3 };
struct records_place {
    struct file_id files[RECORDS_FILES]; /* zeros: there is none */
};

struct records_tally {
    uint64_t count[RECORD_KINDS], bytes[RECORD_KINDS];
};

struct records {
    /* immutable after open */
    char path[512];
    uint8_t journal_id[16];

    _Atomic uint64_t counts[RECORD_KINDS]; /* of what the backend's commits have made valid */
    _Atomic uint64_t settled_lsn;          /* what counts: the backend's cuts, and single records */

    struct lock lock;
    struct records_conn writer GUARDED_BY(lock); /* db NULL: not open, see why */
    struct err why GUARDED_BY(lock);
    struct records_place place GUARDED_BY(lock); /* of what is open */
    struct file_id copied GUARDED_BY(lock);      /* what was last put there in place of that */
    uint64_t next_id GUARDED_BY(lock);
    struct records_tally tally GUARDED_BY(lock);  /* as the writer sees it */
    struct records_tally before GUARDED_BY(lock); /* as it was when its transaction began */
    uint64_t *filter GUARDED_BY(lock);            /* NULL while there was no dead letter */
    uint64_t filtered GUARDED_BY(lock);           /* keys put into it since it was made */
    bool in_batch GUARDED_BY(lock);               /* the flusher's transaction is open */
    bool committed GUARDED_BY(lock);              /* here, and not in the backend yet */
    uint64_t cut_lsn GUARDED_BY(lock);            /* of the batch */
    uint64_t applied_lsn GUARDED_BY(lock);        /* of the newest that the backend has */
    uint64_t first_id GUARDED_BY(lock);           /* of its records in this attempt */
    uint64_t committed_id GUARDED_BY(lock);       /* and in the one that was committed here */

    struct lock read_lock;
    struct records_conn reader GUARDED_BY(read_lock); /* for pages: nobody waits for a batch */
};

/* --- records_file.c --- */
MUST_CHECK enum rc records_fail(const struct records *r, const struct records_conn *c,
                                const char *what, struct err *err);
/* Opens what is not open; the reason why it cannot be is the lane's reason to wait. */
MUST_CHECK enum rc records_ready(struct records *r, struct err *err) REQUIRES(r->lock);
MUST_CHECK enum rc records_reader_ready(struct records *r, struct err *err) REQUIRES(r->read_lock);
/* Makes sure that what is open is what its name points to, and writes it anew where it is not.
 * Lock: and no transaction is open. */
MUST_CHECK enum rc records_stay(struct records *r, struct err *err) REQUIRES(r->lock);
/* After a sync that failed: what the file has is on disk again (backends/sqlite/sync.h). Lock: and
 * no transaction is open. */
MUST_CHECK enum rc records_renew(struct records *r, struct err *err) REQUIRES(r->lock);
/* Runs a statement that yields no row, then resets it. */
MUST_CHECK enum rc records_run(struct records *r, enum records_statement id, struct err *err)
    REQUIRES(r->lock);
/* The same with an LSN as ?1. */
MUST_CHECK enum rc records_run_with(struct records *r, enum records_statement id, uint64_t lsn,
                                    struct err *err) REQUIRES(r->lock);
void records_rollback(struct records *r) REQUIRES(r->lock);
/* Numbers, bytes, and the filter, from the file. */
MUST_CHECK enum rc records_recount(struct records *r, struct err *err) REQUIRES(r->lock);
void records_publish(struct records *r) REQUIRES(r->lock);
void records_note_key(struct records *r, uint32_t db, struct slice key) REQUIRES(r->lock);
bool records_has_noted(const struct records *r, uint32_t db, struct slice key) REQUIRES(r->lock);

#endif
