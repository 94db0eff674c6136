/* The file of the records: opening it, what is in it, and what to do when it is not as it should
 * be.
 *
 * A file is what was opened, not what its name points to now: the two are compared before each
 * transaction, after its commit, and now and then. A file that was removed, moved or replaced is
 * written anew from the one that is open, which still has everything; what lies in its place is
 * moved aside.
 *
 * WAL with full syncs: a commit is one sync however many records it has, and whoever reads the file
 * (a page for an operator, any SQLite tool) waits for nobody. What belongs to cuts that the backend
 * does not have is removed whenever the file is opened.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/records_internal.h"

#include "backends/sqlite/sync.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const char *const file_ends[RECORDS_FILES] = {"", "-wal", "-shm"};

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
    if (rc == RC_FULL)
        rc = RC_IO; /* RC_FULL is said of our bounds, which a person can do something about */
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

static enum rc records_execute(const struct records *r, const struct records_conn *c,
                               const char *sql, struct err *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? RC_OK
               : records_fail(r, c, "opening", err);
}

static enum rc records_conn_open(const struct records *r, struct records_conn *c, int patience_ms,
                                 struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(r->path, &c->db, flags, sqlite_sync_vfs()->zName) != SQLITE_OK)
        return records_fail(r, c, "opening", err);
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, patience_ms);
    return RC_OK;
}

static enum rc records_conn_prepare(const struct records *r, struct records_conn *c,
                                    struct err *err)
{
    for (int i = 0; i < RS_COUNT_OF; i++) {
        if (sqlite3_prepare_v3(c->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &c->statements[i], NULL) != SQLITE_OK)
            return records_fail(r, c, "not a file of records", err);
    }
    return RC_OK;
}

/* One value of a query that is asked once. */
static enum rc records_ask(const struct records *r, const struct records_conn *c, const char *sql,
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
    enum rc rc = records_ask(r, c, "PRAGMA quick_check(1)", &said, err);
    if (rc == RC_OK && !slice_eq(buf_slice(&said), SLICE("ok")))
        rc = err_set(err, RC_CORRUPT, "%s: %.*s", r->path, (int)min_u64(said.len, 100), said.data);
    buf_fini(&said);
    return rc;
}

/* Writes down whose records these are, or finds that they are another journal's. */
static enum rc check_about(const struct records *r, const struct records_conn *c, struct err *err)
{
    struct buf format = {0}, store = {0}, sql = {0};
    enum rc rc = records_ask(r, c, "SELECT value FROM about WHERE name = 'format'", &format, err);
    if (rc == RC_OK)
        rc = records_ask(r, c, "SELECT value FROM about WHERE name = 'journal_id'", &store, err);
    if (rc == RC_OK && format.len == 0) {
        buf_printf(&sql, "INSERT INTO about VALUES ('format', %d), ('journal_id', x'",
                   RECORDS_FORMAT);
        for (size_t i = 0; i < sizeof(r->journal_id); i++)
            buf_printf(&sql, "%02x", r->journal_id[i]);
        buf_append(&sql, "')", sizeof("')"));
        rc = records_execute(r, c, sql.data, err);
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

/* What SQLite's names for the file, its WAL and its index point to. */
static void look_up(const struct records *r, struct records_place *out)
{
    char name[600];
    for (size_t i = 0; i < COUNT_OF(file_ends); i++) {
        snprintf(name, sizeof(name), "%s%s", r->path, file_ends[i]);
        (void)file_id_at(name, &out->files[i], NULL);
    }
}

static enum rc open_conn(const struct records *r, struct records_conn *c, struct err *err)
{
    enum rc rc = records_conn_open(r, c, WRITER_PATIENCE_MS, err);
    if (rc == RC_OK)
        rc = sqlite_sync_renew(c->db, err);
    if (rc == RC_OK)
        rc = check_bytes(r, c, err);
    if (rc == RC_OK)
        rc = records_execute(r, c, schema, err);
    if (rc == RC_OK)
        rc = records_execute(
            r, c,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 4000",
            err);
    if (rc == RC_OK)
        rc = check_about(r, c, err);
    return rc == RC_OK ? records_conn_prepare(r, c, err) : rc;
}

static enum rc open_writer(struct records *r, struct err *err) REQUIRES(r->lock)
{
    enum rc rc = open_conn(r, &r->writer, err);
    if (rc == RC_OK)
        rc = remove_what_never_was(r, err);
    if (rc == RC_OK)
        rc = records_recount(r, err);
    if (rc == RC_OK) {
        records_publish(r);
        look_up(r, &r->place);
    } else {
        conn_close(&r->writer);
    }
    return rc;
}

/* Out of the way, for a person to look at. */
static enum rc move_one_aside(const struct records *r, size_t which, int64_t now_ms,
                              struct err *err)
{
    char from[600], to[640];
    snprintf(from, sizeof(from), "%s%s", r->path, file_ends[which]);
    snprintf(to, sizeof(to), "%s.aside-%" PRId64 "%s", r->path, now_ms, file_ends[which]);
    if (rename(from, to) != 0 && errno != ENOENT)
        return err_sys(err, errno, "%s: cannot be moved aside", from);
    if (which == 0)
        log_line(LOG_WARNING,
                 "%s is not the file of our dead letters and conflicts, or cannot be read: it is "
                 "'%s' now; `sqlite3 FILE .recover` shows what is in it",
                 r->path, to);
    return RC_OK;
}

static enum rc move_aside(const struct records *r, const struct err *why, struct err *err)
{
    int64_t now_ms = clock_wall().ms;
    enum rc rc = RC_OK;
    for (size_t i = 0; i < COUNT_OF(file_ends) && rc == RC_OK; i++)
        rc = move_one_aside(r, i, now_ms, err);
    if (rc == RC_OK)
        log_err(LOG_WARNING, "new records begin, the old ones were moved aside", why);
    return rc;
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

/* --- A file that was taken away --- */

static enum rc sync_path(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "%s: cannot be opened", path);
    enum rc rc = fsync(fd) == 0 ? RC_OK : err_sys(err, errno, "%s: cannot be synced", path);
    close(fd);
    return rc;
}

/* All that the open file holds, as a file of its own. */
static enum rc copy_to(struct records *r, const char *copy, struct err *err) REQUIRES(r->lock)
{
    (void)unlink(copy);
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
    must(sql != NULL);
    enum rc rc = sqlite3_exec(r->writer.db, sql, NULL, NULL, NULL) == SQLITE_OK
                     ? RC_OK
                     : records_fail(r, &r->writer, "writing it anew", err);
    sqlite3_free(sql);
    /* What was moved away is whole, too, without a WAL that is not beside it any more. */
    if (rc == RC_OK)
        (void)sqlite3_wal_checkpoint_v2(r->writer.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                        NULL);
    return rc == RC_OK ? sync_path(copy, err) : rc;
}

/* Makes room for the copy. A file of somebody else is kept, with its WAL; ours is in the copy. */
static enum rc clear_place(struct records *r, const struct records_place *now, struct err *err)
    REQUIRES(r->lock)
{
    char name[600];
    int64_t now_ms = clock_wall().ms;
    bool foreign = now->files[0].inode != 0 && !file_id_eq(now->files[0], r->place.files[0]) &&
                   !file_id_eq(now->files[0], r->copied);
    enum rc rc = RC_OK;
    for (size_t i = 0; i < COUNT_OF(file_ends) && rc == RC_OK; i++) {
        snprintf(name, sizeof(name), "%s%s", r->path, file_ends[i]);
        if (foreign && !file_id_eq(now->files[i], r->place.files[i]))
            rc = move_one_aside(r, i, now_ms, err);
        else if (i > 0 && unlink(name) != 0 && errno != ENOENT)
            rc = err_sys(err, errno, "%s: cannot be removed", name);
    }
    return rc;
}

static enum rc put_in_place(struct records *r, const char *copy, struct err *err) REQUIRES(r->lock)
{
    struct file_id id;
    char dir[sizeof(r->path)];
    snprintf(dir, sizeof(dir), "%s", r->path);
    *strrchr(dir, '/') = '\0';
    if (!file_id_at(copy, &id, NULL) || rename(copy, r->path) != 0)
        return err_sys(err, errno, "%s: cannot be put in its place", copy);
    r->copied = id;
    return sync_path(dir, err);
}

/* The old connection stays until the new one has shown that nothing is missing. */
static enum rc change_over(struct records *r, struct err *err) REQUIRES(r->lock)
{
    struct records_conn old = r->writer, fresh = {.db = NULL}; /* one of the two is closed */
    struct records_tally tally = r->tally;
    enum rc rc = open_conn(r, &fresh, err);
    if (rc == RC_OK) {
        r->writer = fresh;
        rc = records_recount(r, err);
        if (rc == RC_OK && memcmp(tally.count, r->tally.count, sizeof(tally.count)) != 0)
            rc = err_set(err, RC_CORRUPT, "%s: records are missing in the copy", r->path);
        if (rc != RC_OK) {
            struct err ignored;
            r->writer = old;
            old = fresh;
            if (records_recount(r, &ignored) != RC_OK) /* the filter is the copy's */
                log_err(LOG_VERBOSE, "records could not be counted", &ignored);
        }
        r->tally = tally;
    } else {
        old = fresh;
    }
    conn_close(&old);
    if (rc != RC_OK)
        return rc;
    lock_acquire(&r->read_lock);
    conn_close(&r->reader);
    lock_release(&r->read_lock);
    look_up(r, &r->place);
    return RC_OK;
}

enum rc records_stay(struct records *r, struct err *err)
{
    struct records_place now;
    char copy[600];
    if (r->writer.db == NULL)
        return RC_OK;
    look_up(r, &now);
    bool same = true;
    for (size_t i = 0; i < COUNT_OF(file_ends); i++)
        same = same && file_id_eq(now.files[i], r->place.files[i]);
    if (LIKELY(same))
        return RC_OK;
    snprintf(copy, sizeof(copy), "%s.new", r->path);
    enum rc rc = copy_to(r, copy, err);
    if (rc == RC_OK)
        rc = clear_place(r, &now, err);
    if (rc == RC_OK)
        rc = put_in_place(r, copy, err);
    if (rc == RC_OK)
        rc = change_over(r, err);
    if (rc == RC_OK)
        log_line(LOG_WARNING,
                 "%s was removed, moved or replaced while in use: it is written anew, with %" PRIu64
                 " dead letters and %" PRIu64 " conflicts; nothing is missing",
                 r->path, r->tally.count[RECORD_DEAD_LETTER], r->tally.count[RECORD_CONFLICT]);
    return rc;
}

enum rc records_check(struct records *r, struct err *err)
{
    lock_acquire(&r->lock);
    enum rc rc = r->in_batch ? RC_OK : records_stay(r, err);
    lock_release(&r->lock);
    return rc;
}

enum rc records_renew(struct records *r, struct err *err)
{
    enum rc rc = sqlite_sync_renew(r->writer.db, err);
    if (rc != RC_CORRUPT)
        return rc;
    conn_close(&r->writer); /* it is opened again, and ends before what cannot be read */
    lock_acquire(&r->read_lock);
    conn_close(&r->reader);
    lock_release(&r->read_lock);
    return rc;
}

enum rc records_reader_ready(struct records *r, struct err *err)
{
    if (r->reader.db != NULL)
        return RC_OK;
    enum rc rc = records_conn_open(r, &r->reader, READER_PATIENCE_MS, err);
    if (rc == RC_OK)
        rc = records_conn_prepare(r, &r->reader, err);
    if (rc != RC_OK)
        conn_close(&r->reader);
    return rc;
}

/* What a person should know of a directory in which records are missing, or others lie. A copy that
 * was all but in its place when the process ended is taken; the checks of any file apply to it. */
static void records_look_around(const struct records *r, const char *dir, uint64_t cut_lsn)
{
    static const char *const older[] = {"dead-letters", "conflicts"};
    char name[600];
    struct stat st;
    for (size_t i = 0; i < COUNT_OF(older); i++) {
        snprintf(name, sizeof(name), "%s/%s", dir, older[i]);
        if (stat(name, &st) == 0 && st.st_size > 0)
            log_line(LOG_WARNING,
                     "%s: records of an older Weir, which this one does not read; `strings` shows "
                     "what is in it. Remove it when that has been seen to",
                     name);
    }
    snprintf(name, sizeof(name), "%s.new", r->path);
    if (stat(r->path, &st) == 0 || cut_lsn == 0 || rename(name, r->path) == 0)
        return;
    log_line(LOG_WARNING,
             "%s is missing, and a new one begins: if the backend had refused keys (dead letters), "
             "their values are not known any more, and they are what the backend has",
             r->path);
}

struct records *records_open(const struct records_options *o)
{
    struct records *r = calloc(1, sizeof(*r));
    struct err err;
    must(r != NULL);
    snprintf(r->path, sizeof(r->path), "%s/records.db", o->dir);
    memcpy(r->journal_id, o->journal_id, sizeof(r->journal_id));
    atomic_store(&r->settled_lsn, o->position->cut_lsn);
    lock_init_kind(&r->lock, LOCK_SLOW);
    lock_init_kind(&r->read_lock, LOCK_SLOW);
    lock_acquire(&r->lock);
    r->applied_lsn = o->position->cut_lsn;
    records_look_around(r, o->dir, r->applied_lsn);
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
