/* The file of the records: opening it, what is in it, and what to do when it is not as it should
 * be.
 *
 * WAL with full syncs: a commit is one sync however many records it has, and whoever reads the file
 * (a page for an operator, any SQLite tool) waits for nobody. What belongs to cuts that the backend
 * does not have is removed whenever the file is opened.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/records_internal.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { WRITER_PATIENCE_MS = 2000, READER_PATIENCE_MS = 100 };
static const uint64_t checked_bytes_max = UINT64_C(256) * 1024 * 1024;

static const char *const statement_texts[] = {
#define S(name, sql) sql,
    RECORDS_STATEMENTS(S)
#undef S
};

/* Keys and values are TEXT where they are text, so that people can read them. */
static const char schema[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS about(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS record(id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
    " lsn INTEGER NOT NULL, void_lsn INTEGER, time_ms INTEGER NOT NULL, number INTEGER,"
    " db INTEGER NOT NULL, key NOT NULL, type TEXT NOT NULL, reason TEXT NOT NULL,"
    " ours TEXT, base TEXT, theirs TEXT, ours_bytes INTEGER, base_bytes INTEGER,"
    " theirs_bytes INTEGER, bytes INTEGER NOT NULL, item BLOB);"
    "CREATE INDEX IF NOT EXISTS record_kind ON record(kind, id, bytes, void_lsn);"
    "CREATE INDEX IF NOT EXISTS record_key ON record(kind, db, key);"
    "CREATE INDEX IF NOT EXISTS record_void ON record(void_lsn) WHERE void_lsn IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS part(record INTEGER, seq INTEGER, bytes BLOB,"
    " PRIMARY KEY(record, seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS kept(lsn INTEGER, db INTEGER, key,"
    " PRIMARY KEY(lsn, db, key)) WITHOUT ROWID;"
    "CREATE TRIGGER IF NOT EXISTS record_gone AFTER DELETE ON record BEGIN"
    " DELETE FROM part WHERE record = OLD.id; END;"
    "CREATE VIEW IF NOT EXISTS dead_letter AS SELECT id, datetime(time_ms / 1000, 'unixepoch')"
    " AS time, number AS db, key, type, reason, ours AS value, ours_bytes AS bytes, lsn"
    " FROM record WHERE kind = 1 AND void_lsn IS NULL;"
    "CREATE VIEW IF NOT EXISTS conflict AS SELECT id, datetime(time_ms / 1000, 'unixepoch')"
    " AS time, number AS db, key, type, reason AS verdict, ours, base, theirs, ours_bytes,"
    " base_bytes, theirs_bytes, lsn FROM record WHERE kind = 2;"
    "COMMIT";

/* --- Errors --- */

enum rc records_fail(const struct records *r, const struct records_conn *c, const char *what,
                     struct err *err)
{
    enum rc rc = c->db != NULL ? sqlite_rc(sqlite3_extended_errcode(c->db)) : RC_NOMEM;
    int sys = c->db != NULL ? sqlite3_system_errno(c->db) : 0;
    if (sys == ENOSPC || sys == EDQUOT)
        rc = RC_FULL;
    return err_set(err, rc != RC_OK ? rc : RC_UNAVAILABLE, "%s: %s: %s", r->path, what,
                   c->db != NULL ? sqlite3_errmsg(c->db) : "out of memory");
}

/* --- Small change --- */

enum rc records_run(struct records *r, enum records_statement id, struct err *err)
{
    sqlite3_stmt *s = r->writer.statements[id];
    enum rc rc = RC_OK;
    if (sqlite3_step(s) != SQLITE_DONE)
        rc = records_fail(r, &r->writer, "writing", err);
    sqlite3_reset(s);
    return rc;
}

enum rc records_run_with(struct records *r, enum records_statement id, uint64_t lsn,
                         struct err *err)
{
    sqlite3_bind_int64(r->writer.statements[id], 1, (int64_t)lsn);
    return records_run(r, id, err);
}

void records_rollback(struct records *r)
{
    if (r->writer.db == NULL || sqlite3_get_autocommit(r->writer.db))
        return;
    sqlite3_step(r->writer.statements[RS_ROLLBACK]);
    sqlite3_reset(r->writer.statements[RS_ROLLBACK]);
}

/* --- Which keys may have a dead letter --- */

static uint64_t filter_place(uint32_t db, struct slice key)
{
    return XXH3_64bits_withSeed(key.ptr, key.len, db) % FILTER_BITS;
}

void records_note_key(struct records *r, uint32_t db, struct slice key)
{
    if (r->filter == NULL)
        r->filter = calloc(FILTER_BITS / 64, sizeof(*r->filter));
    must(r->filter != NULL);
    uint64_t at = filter_place(db, key);
    r->filter[at / 64] |= UINT64_C(1) << (at % 64);
    r->filtered++;
}

bool records_has_noted(const struct records *r, uint32_t db, struct slice key)
{
    uint64_t at = filter_place(db, key);
    return r->filter != NULL && (r->filter[at / 64] >> (at % 64) & 1) != 0;
}

/* --- Counting --- */

void records_publish(struct records *r)
{
    for (int kind = 1; kind < RECORD_KINDS; kind++)
        atomic_store(&r->counts[kind], r->tally.count[kind]);
}

enum rc records_recount(struct records *r, struct err *err)
{
    sqlite3_stmt *s = r->writer.statements[RS_COUNT];
    int result;
    r->tally = (struct records_tally){0};
    while ((result = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t kind = sqlite3_column_int64(s, 0);
        if (kind <= 0 || kind >= RECORD_KINDS)
            continue;
        r->tally.count[kind] = (uint64_t)sqlite3_column_int64(s, 1);
        r->tally.bytes[kind] = (uint64_t)sqlite3_column_int64(s, 2);
    }
    enum rc rc = result == SQLITE_DONE ? RC_OK : records_fail(r, &r->writer, "counting", err);
    sqlite3_reset(s);
    free(r->filter);
    r->filter = NULL;
    r->filtered = 0;
    s = r->writer.statements[RS_KEYS];
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW)
        records_note_key(r, (uint32_t)sqlite3_column_int64(s, 0), sqlite_column_slice(s, 1));
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = records_fail(r, &r->writer, "reading keys", err);
    sqlite3_reset(s);
    s = r->writer.statements[RS_NEXT_ID];
    if (rc == RC_OK)
        r->next_id = sqlite3_step(s) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) + 1 : 1;
    sqlite3_reset(s);
    return rc;
}

/* --- Opening --- */

static void conn_close(struct records_conn *c)
{
    for (int i = 0; i < RS_COUNT_OF; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
}

static enum rc execute(const struct records *r, const struct records_conn *c, const char *sql,
                       struct err *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? RC_OK
               : records_fail(r, c, "opening", err);
}

static enum rc conn_open(const struct records *r, struct records_conn *c, int patience_ms,
                         struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(r->path, &c->db, flags, NULL) != SQLITE_OK)
        return records_fail(r, c, "opening", err);
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, patience_ms);
    return RC_OK;
}

static enum rc conn_prepare(const struct records *r, struct records_conn *c, struct err *err)
{
    for (int i = 0; i < RS_COUNT_OF; i++) {
        if (sqlite3_prepare_v3(c->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &c->statements[i], NULL) != SQLITE_OK)
            return records_fail(r, c, "not a file of records", err);
    }
    return RC_OK;
}

/* One value of a query that is asked once. */
static enum rc ask(const struct records *r, const struct records_conn *c, const char *sql,
                   struct buf *out, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        buf_append_slice(out, sqlite_column_slice(s, 0));
    enum rc rc = result == SQLITE_ROW || result == SQLITE_DONE
                     ? RC_OK
                     : records_fail(r, c, "reading it", err);
    sqlite3_finalize(s);
    return rc;
}

/* Bits that went bad are found when it is opened, as long as that does not take long. */
static enum rc check_bytes(const struct records *r, const struct records_conn *c, struct err *err)
{
    struct stat st;
    struct buf said = {0};
    if (stat(r->path, &st) != 0 || st.st_size == 0 || (uint64_t)st.st_size > checked_bytes_max)
        return RC_OK;
    enum rc rc = ask(r, c, "PRAGMA quick_check(1)", &said, err);
    if (rc == RC_OK && !slice_eq(buf_slice(&said), SLICE("ok")))
        rc = err_set(err, RC_CORRUPT, "%s: %.*s", r->path, (int)min_u64(said.len, 100), said.data);
    buf_fini(&said);
    return rc;
}

/* Writes down whose records these are, or finds that they are another journal's. */
static enum rc check_about(const struct records *r, const struct records_conn *c, struct err *err)
{
    struct buf format = {0}, store = {0}, sql = {0};
    enum rc rc = ask(r, c, "SELECT value FROM about WHERE name = 'format'", &format, err);
    if (rc == RC_OK)
        rc = ask(r, c, "SELECT value FROM about WHERE name = 'journal_id'", &store, err);
    if (rc == RC_OK && format.len == 0) {
        buf_printf(&sql, "INSERT INTO about VALUES ('format', %d), ('journal_id', x'",
                   RECORDS_FORMAT);
        for (size_t i = 0; i < sizeof(r->journal_id); i++)
            buf_printf(&sql, "%02x", r->journal_id[i]);
        buf_append(&sql, "')", sizeof("')"));
        rc = execute(r, c, sql.data, err);
    } else if (rc == RC_OK && !slice_eq(buf_slice(&format), SLICE("1"))) {
        rc = err_set(err, RC_FOREIGN, "%s: written by a newer Weir", r->path);
    } else if (rc == RC_OK && (store.len != sizeof(r->journal_id) ||
                               memcmp(store.data, r->journal_id, sizeof(r->journal_id)) != 0)) {
        rc = err_set(err, RC_FOREIGN, "%s: holds the records of another journal", r->path);
    }
    buf_fini(&format);
    buf_fini(&store);
    buf_fini(&sql);
    return rc;
}

/* What belongs to cuts that the backend does not have: the journal brings their changes again. */
static enum rc remove_what_never_was(struct records *r, struct err *err) REQUIRES(r->lock)
{
    uint64_t lsn = atomic_load(&r->settled_lsn);
    enum rc rc = records_run(r, RS_BEGIN, err);
    if (rc == RC_OK)
        rc = records_run_with(r, RS_REMOVE_FUTURE, lsn, err);
    int64_t removed = rc == RC_OK ? sqlite3_changes64(r->writer.db) : 0;
    if (rc == RC_OK)
        rc = records_run_with(r, RS_VALID_AGAIN, lsn, err);
    if (rc == RC_OK)
        rc = records_run_with(r, RS_REMOVE_VOID, lsn, err);
    if (rc == RC_OK)
        rc = records_run_with(r, RS_REMOVE_KEPT, r->applied_lsn, err);
    if (rc == RC_OK)
        rc = records_run(r, RS_COMMIT, err);
    records_rollback(r);
    if (rc == RC_OK && removed > 0)
        log_line(LOG_NOTICE,
                 "%s: removed %" PRId64 " records of cuts that the backend does not have; the "
                 "journal brings their changes again",
                 r->path, removed);
    return rc;
}

static enum rc open_writer(struct records *r, struct err *err) REQUIRES(r->lock)
{
    struct records_conn *c = &r->writer;
    enum rc rc = conn_open(r, c, WRITER_PATIENCE_MS, err);
    if (rc == RC_OK)
        rc = check_bytes(r, c, err);
    if (rc == RC_OK)
        rc = execute(r, c, schema, err);
    if (rc == RC_OK)
        rc = execute(r, c,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 4000",
                     err);
    if (rc == RC_OK)
        rc = check_about(r, c, err);
    if (rc == RC_OK)
        rc = conn_prepare(r, c, err);
    if (rc == RC_OK)
        rc = remove_what_never_was(r, err);
    if (rc == RC_OK)
        rc = records_recount(r, err);
    if (rc == RC_OK)
        records_publish(r);
    else
        conn_close(c);
    return rc;
}

/* Out of the way, for a person to look at, with what belongs to it. */
static enum rc move_aside(const struct records *r, const struct err *why, struct err *err)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char from[600], to[640];
    int64_t now = clock_wall().ms;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        snprintf(from, sizeof(from), "%s%s", r->path, ends[i]);
        snprintf(to, sizeof(to), "%s.aside-%" PRId64 "%s", r->path, now, ends[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return err_sys(err, errno, "%s: cannot be moved aside", from);
    }
    log_line(LOG_WARNING,
             "the records of dead letters and conflicts cannot be used (%s): moved to "
             "'%s.aside-%" PRId64 "', new ones begin; `sqlite3 FILE .recover` shows what is in it",
             why->text, r->path, now);
    return RC_OK;
}

enum rc records_ready(struct records *r, struct err *err)
{
    if (r->writer.db != NULL)
        return RC_OK;
    enum rc rc = open_writer(r, &r->why);
    if (rc == RC_CORRUPT || rc == RC_FOREIGN) {
        struct err why = r->why;
        rc = move_aside(r, &why, &r->why);
        if (rc == RC_OK)
            rc = open_writer(r, &r->why);
    }
    if (rc != RC_OK && err != NULL)
        *err = r->why;
    return rc;
}

enum rc records_reader_ready(struct records *r, struct err *err)
{
    if (r->reader.db != NULL)
        return RC_OK;
    enum rc rc = conn_open(r, &r->reader, READER_PATIENCE_MS, err);
    if (rc == RC_OK)
        rc = conn_prepare(r, &r->reader, err);
    if (rc != RC_OK)
        conn_close(&r->reader);
    return rc;
}

struct records *records_open(const struct records_options *o)
{
    struct records *r = calloc(1, sizeof(*r));
    struct err err;
    must(r != NULL);
    snprintf(r->path, sizeof(r->path), "%s/records.db", o->dir);
    memcpy(r->journal_id, o->journal_id, sizeof(r->journal_id));
    atomic_store(&r->settled_lsn, o->position->cut_lsn);
    lock_init(&r->lock);
    lock_init(&r->read_lock);
    lock_acquire(&r->lock);
    r->applied_lsn = o->position->cut_lsn;
    if (records_ready(r, &err) != RC_OK)
        log_err(LOG_WARNING, "dead letters and conflicts cannot be recorded now", &err);
    lock_release(&r->lock);
    return r;
}

void records_close(struct records **rp) NO_TSA /* the last user */
{
    struct records *r = *rp;
    *rp = NULL;
    if (r == NULL)
        return;
    conn_close(&r->reader);
    conn_close(&r->writer);
    free(r->filter);
    lock_fini(&r->lock);
    lock_fini(&r->read_lock);
    free(r);
}

uint64_t records_count(const struct records *r, enum record_kind kind)
{
    return atomic_load_explicit(&r->counts[kind], memory_order_relaxed);
}
