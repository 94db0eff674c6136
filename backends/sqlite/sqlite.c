/* The SQLite backend: one file, transactional, readable by people while the proxy runs.
 *
 * Two connections in WAL mode: the flusher's writes, the loader's reads, and neither waits for the
 * other. A batch is one transaction together with its cut LSN, synced before apply() returns. One
 * Weir per database, held by a lock on the file itself; any other program may read and write the
 * tables with SQL, see schema.c and change.c for how that is noticed.
 *
 * Checkpoints are never made by a commit but by maintain(), which keeps the WAL bounded.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "backends/sqlite/sync.h"
#include "base/clock.h"
#include "base/buf.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAINTAIN_CHUNK_ROWS = 2000,
    CACHES_MOST = 96 * 1024 * 1024, /* the writer's takes two thirds, the reader's one */
    WALKER_CACHE_KIB = 2 * 1024,    /* it reads each page once */
    CACHE_IDLE_US = 2000000,
    SUMS_PAUSE_MS = 5,
    WAL_BYTES_KEPT = 64 * 1024 * 1024, /* of the WAL file after a checkpoint emptied it */
};

static const char *const statement_texts[] = {
#define S(name, sql) sql,
    SQLITE_STATEMENTS(S)
#undef S
};

static struct sqlite_backend *sqlite_self(struct backend *b)
{
    return (struct sqlite_backend *)b;
}

/* ---- errors and small helpers ---- */

enum rc sqlite_fail(const struct sqlite_conn *c, int result, const char *what, struct err *err)
{
    enum rc rc = sqlite_rc(result);
    if (rc == RC_OK)
        rc = RC_UNAVAILABLE; /* a row where none was due, or the other way round */
    if (result == SQLITE_IOERR_DATA)
        return err_set(err, rc,
                       "%s: page %u is not what was written (its checksum differs): damaged. "
                       "`weirctl check` names the tables; restore a backup",
                       c->path, sqlite_sums_bad_page(c->db));
    int sys = c->db != NULL && rc == RC_IO ? sqlite3_system_errno(c->db) : 0;
    const char *text = c->db != NULL && (sqlite3_errcode(c->db) & 0xff) == (result & 0xff)
                           ? sqlite3_errmsg(c->db)
                           : sqlite3_errstr(result);
    return err_fill(err, rc, sys, __FILE__, __LINE__, "%s: %s: %s", c->path, what, text);
}

static int64_t expiry_column(sqlite3_stmt *s, int at)
{
    if (sqlite3_column_type(s, at) == SQLITE_NULL)
        return 0;
    int64_t ms = sqlite3_column_int64(s, at);
    return ms != 0 ? ms : 1; /* the epoch is long past; 0 would mean never */
}

sqlite3_stmt *sqlite_with_key(const struct sqlite_conn *c, enum sqlite_statement id, uint32_t db,
                              struct slice key)
{
    sqlite3_stmt *s = c->statements[id];
    /* A failed bind (key above SQLite's limit) leaves NULL, which NOT NULL or no match answers;
     * apply checks lengths before it comes here. */
    sqlite3_bind_int64(s, 1, db);
    sqlite_bind_slice(s, 2, key);
    return s;
}

struct sqlite_head sqlite_head_from_row(sqlite3_stmt *s, int type_at, int expires_at)
{
    int type = sqlite3_column_int(s, type_at);
    if (type < VALUE_STRING || type > VALUE_ZSET)
        return (struct sqlite_head){VALUE_NONE, 0};
    return (struct sqlite_head){(enum value_type)type, expiry_column(s, expires_at)};
}

enum rc sqlite_read_head(const struct sqlite_conn *c, uint32_t db, struct slice key,
                         struct sqlite_head *out, struct err *err)
{
    sqlite3_stmt *s = sqlite_with_key(c, ST_HEAD, db, key);
    int result = sqlite3_step(s);
    enum rc rc = RC_OK;
    *out = (struct sqlite_head){VALUE_NONE, 0};
    if (result == SQLITE_ROW)
        *out = sqlite_head_from_row(s, 0, 1);
    else if (result != SQLITE_DONE)
        rc = sqlite_fail(c, result, "looking up a key", err);
    sqlite3_reset(s);
    return rc;
}

enum rc sqlite_run(const struct sqlite_conn *c, enum sqlite_statement id, struct err *err)
{
    int result = sqlite3_step(c->statements[id]);
    if (result == SQLITE_DONE) {
        sqlite3_reset(c->statements[id]);
        return RC_OK;
    }
    enum rc rc = sqlite_fail(c, result, statement_texts[id], err);
    sqlite3_reset(c->statements[id]);
    return rc;
}

enum rc sqlite_number(const struct sqlite_conn *c, enum sqlite_statement id, int64_t otherwise,
                      int64_t *out, struct err *err)
{
    sqlite3_stmt *s = c->statements[id];
    int result = sqlite3_step(s);
    bool found = result == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL;
    *out = found ? sqlite3_column_int64(s, 0) : otherwise;
    enum rc rc = RC_OK;
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        rc = sqlite_fail(c, result, "reading", err);
    sqlite3_reset(s);
    return rc;
}

enum rc sqlite_exec(const struct sqlite_conn *c, const char *sql, const char *what, struct err *err)
{
    int result = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? RC_OK : sqlite_fail(c, result, what, err);
}

void sqlite_rollback(const struct sqlite_conn *c)
{
    sqlite3_stmt *s = c->statements[ST_ROLLBACK];
    if (sqlite3_get_autocommit(c->db))
        return;
    if (s == NULL) {
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        return;
    }
    sqlite3_step(s);
    sqlite3_reset(s);
}

sqlite3 *sqlite_writer_of(struct backend *b)
{
    return sqlite_self(b)->writer.db;
}

/* ---- open and close ---- */

static enum rc pragma(const struct sqlite_conn *c, struct err *err, const char *format, ...)
    PRINTF_LIKE(3, 4);
static enum rc pragma(const struct sqlite_conn *c, struct err *err, const char *format, ...)
{
    char sql[128];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    return sqlite_exec(c, sql, sql, err);
}

static enum rc enter_wal(const struct sqlite_conn *c, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    enum rc rc = RC_OK;
    if (result != SQLITE_ROW)
        rc = sqlite_fail(c, result, "switching to WAL", err);
    else if (strcmp((const char *)sqlite3_column_text(s, 0), "wal") != 0)
        rc = err_set(err, RC_UNAVAILABLE, "%s: its file system cannot do SQLite's WAL mode",
                     c->path);
    sqlite3_finalize(s);
    return rc;
}

/* Foreign writers get triggers and CHECKs, we do not: what we write is consistent by itself. */
static enum rc sqlite_configure(struct sqlite_conn *c, int cache_kib, struct err *err)
{
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    enum rc rc = pragma(c, err, "PRAGMA page_size = %d", (int)PAGE_BYTES);
    if (rc == RC_OK)
        rc = enter_wal(c, err);
    if (rc == RC_OK) /* a page that contradicts itself is damage, and nothing else is read of it */
        rc = pragma(c, err, "PRAGMA cell_size_check = ON");
    if (rc == RC_OK)
        rc = pragma(c, err, "PRAGMA synchronous = FULL");
    if (rc == RC_OK)
        rc = pragma(c, err, "PRAGMA wal_autocheckpoint = 0");
    if (rc == RC_OK)
        rc = pragma(c, err, "PRAGMA ignore_check_constraints = ON");
    if (rc == RC_OK)
        rc = pragma(c, err, "PRAGMA journal_size_limit = %d", (int)WAL_BYTES_KEPT);
    if (rc == RC_OK)
        rc = pragma(c, err, "PRAGMA cache_size = -%d", cache_kib);
    if (rc == RC_OK)
        rc = sqlite_count_define(c, err);
    return rc;
}

static enum rc sqlite_conn_open(struct sqlite_conn *c, struct sqlite_backend *b, int cache_kib,
                                struct err *err)
{
    c->path = b->path;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(b->path, &c->db, flags, b->sums->name);
    if (result != SQLITE_OK)
        return sqlite_fail(c, result, "opening", err);
    /* Nor is the WAL deleted then: an empty one that stays shows that nobody else wrote. */
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_limit_waiting(c, b);
    if (sqlite3_db_readonly(c->db, "main") == 1)
        return err_set(err, RC_READONLY, "%s: may be read and not written", b->path);
    return sqlite_configure(c, cache_kib, err);
}

static enum rc sqlite_conn_prepare(struct sqlite_conn *c, struct err *err)
{
    for (int i = 0; i < ST_COUNT_OF; i++) {
        int result = sqlite3_prepare_v3(c->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &c->statements[i], NULL);
        if (result != SQLITE_OK)
            return sqlite_fail(c, result, statement_texts[i], err);
    }
    return RC_OK;
}

/* A connection beside the writer's. It syncs what it commits, as that one does: an owner's commit
 * that comes later is not to rest on something that no disk has. */
enum rc sqlite_open_side(struct sqlite_conn *c, struct sqlite_backend *b, int cache_kib,
                         struct err *err)
{
    enum rc rc = sqlite_conn_open(c, b, cache_kib, err);
    return rc == RC_OK ? sqlite_conn_prepare(c, err) : rc;
}

void sqlite_close_conn(struct sqlite_conn *c)
{
    for (int i = 0; i < ST_COUNT_OF; i++) {
        sqlite3_finalize(c->statements[i]);
        c->statements[i] = NULL;
    }
    sqlite3_close(c->db);
    c->db = NULL;
}

static char *path_of(const struct backend_config *config)
{
    const char *file = strchr(config->url, ':') + 1;
    struct buf path = {0};
    if (file[0] != '/' && config->dir != NULL && config->dir[0] != '\0')
        buf_printf(&path, "%s/", config->dir);
    buf_append(&path, file, strlen(file) + 1);
    return path.data;
}

static enum rc backend_position(struct backend *pb, struct backend_position *out, struct err *err);

/* Made by us, and nobody has put anything in: neither we nor others. */
static bool is_unused(struct sqlite_backend *b)
{
    struct backend_position now;
    return b->discards_unused && b->file.created && !b->used &&
           b->writer.statements[ST_COUNT_OF - 1] != NULL &&
           backend_position((struct backend *)b, &now, NULL) == RC_OK && now.fresh;
}

static void backend_close(struct backend **pb)
{
    struct sqlite_backend *b = sqlite_self(*pb);
    *pb = NULL;
    sqlite_counter_stop(b);
    bool discard = is_unused(b);
    sqlite_close_conn(&b->walker);
    sqlite_close_conn(&b->reader);
    if (b->writer.db != NULL && b->file.wal_path != NULL)
        sqlite_wal_close(b);
    sqlite_close_conn(&b->writer);
    sqlite_sums_free(&b->sums);
    if (discard)
        sqlite_file_discard(&b->file);
    sqlite_file_close(&b->file); /* after SQLite's */
    sqlite_piece_fini(&b->piece);
    sqlite_piece_fini(&b->theirs);
    sqlite_piece_fini(&b->before);
    sqlite_change_fini(b);
    sqlite_reap_fini(b);
    sqlite_conflict_fini(b);
    lock_fini(&b->lock);
    free(b->path);
    free(b);
}

/* SQLite opened the file by its name, we by ours: both must have found the same one. */
static enum rc bind_file(struct sqlite_backend *b, struct err *err)
{
    enum rc rc = sqlite_file_bind(&b->file, &b->writer, err);
    if (rc == RC_OK)
        rc = sqlite_file_check(&b->file, err);
    if (rc == RC_OK &&
        (!sqlite_file_is_opened_by(&b->writer) || !sqlite_file_is_opened_by(&b->reader) ||
         !sqlite_file_is_opened_by(&b->walker)))
        rc = err_set(err, RC_MOVED, "%s: replaced while it was being opened; start again", b->path);
    if (rc == RC_OK)
        sqlite_label_put(&b->file);
    return rc;
}

/* Another program may be in the middle of a checkpoint. If it takes long, maintain() goes on. */
static void start_sums(struct sqlite_backend *b)
{
    int64_t until_us = clock_mono().us + (int64_t)b->timeout_ms * 1000;
    while (!sqlite_sums_start(b->sums, b->writer.db) && clock_mono().us < until_us)
        (void)poll(NULL, 0, SUMS_PAUSE_MS);
}

/* What a WAL has that was left here may be on no disk: nothing is committed, and no position is
 * told, before it is. Then its pages are moved. If either must wait, it is tried again then. */
static enum rc settle_wal(struct sqlite_backend *b, bool move, struct err *err)
{
    enum rc rc = sqlite_sync_renew(b->writer.db, err);
    if (rc == RC_OK && move)
        rc = sqlite_wal_checkpoint(b, SQLITE_CHECKPOINT_PASSIVE, err);
    return rc == RC_FULL || rc == RC_BUSY ? RC_OK : rc;
}

static enum rc open_both(struct sqlite_backend *b, struct err *err)
{
    enum rc rc = sqlite_file_open(&b->file, b->path, err);
    if (rc == RC_OK)
        rc = sqlite_label_check(b->path, err);
    if (rc == RC_OK)
        rc = sqlite_conn_open(&b->writer, b, b->cache_kib / 3 * 2, err);
    if (rc == RC_OK)
        rc = settle_wal(b, false, err);
    if (rc == RC_OK) {
        start_sums(b);
        rc = sqlite_schema_prepare(&b->writer, err);
    }
    if (rc == RC_OK)
        rc = sqlite_conn_prepare(&b->writer, err);
    if (rc == RC_OK)
        rc = sqlite_open_side(&b->reader, b, b->cache_kib / 3, err);
    if (rc == RC_OK)
        rc = sqlite_open_side(&b->walker, b, WALKER_CACHE_KIB, err);
    if (rc == RC_OK)
        rc = bind_file(b, err);
    if (rc == RC_OK)
        rc = sqlite_number(&b->writer, ST_SCHEMA_VERSION, 0, &b->schema_version, err);
    if (rc == RC_OK)
        rc = sqlite_query_number(&b->writer, "PRAGMA page_size", 0, &b->page_bytes, err);
    if (rc == RC_OK)
        rc = sqlite_guard_identity(b, &b->committed, err);
    if (rc == RC_OK) {
        sqlite_wal_watch(b);
        rc = settle_wal(b, true, err);
    }
    return rc == RC_OK ? sqlite_counter_start(b, err) : rc;
}

/* The file is ours, and another program is in the middle of a transaction of its own. */
static enum rc is_locked(const struct sqlite_backend *b, struct err *err)
{
    struct err why = *err;
    char who[64];
    sqlite_holder_of(b->path, who, sizeof(who));
    return err_set(err, RC_AGAIN, "%s; %s holds the lock", why.text, who);
}

static enum rc backend_open(const struct backend_config *config, struct backend **out,
                            struct err *err)
{
    *out = NULL;
    if (strchr(config->url, ':')[1] == '\0')
        return err_set(err, RC_INVALID, "%s: no file named; write sqlite:FILE", config->url);
    struct sqlite_backend *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return err_set(err, RC_NOMEM, "no memory for a backend");
    b->base.ops = &backend_sqlite;
    b->sums = sqlite_sums_new();
    must(b->sums != NULL);
    b->path = path_of(config);
    b->file.fd = -1;
    b->discards_unused = config->discards_unused;
    b->timeout_ms = config->timeout_ms > INT32_MAX ? INT32_MAX : (int)config->timeout_ms;
    uint64_t caches = config->memory == 0 ? CACHES_MOST : min_u64(config->memory, CACHES_MOST);
    b->cache_kib = (int)(caches / 1024);
    b->data_version = -1;
    b->held_seq = INT64_MAX;
    b->reaped.expires_at_ms = INT64_MIN;
    b->wal_pages_max = WAL_PAGES_MAX;
    lock_init_kind(&b->lock, LOCK_SLOW);
    struct backend *opened = (struct backend *)b;
    enum rc rc = open_both(b, err);
    if (rc == RC_BUSY && b->file.listed)
        rc = is_locked(b, err);
    if (rc != RC_OK)
        backend_close(&opened);
    *out = opened;
    return rc;
}

/* ---- position ---- */

/* A store that no journal has joined yet has no id, nor has one that an older Weir wrote. */
enum rc sqlite_read_journal_id(const struct sqlite_conn *c, struct backend_mark *out,
                               struct err *err)
{
    sqlite3_stmt *s = c->statements[ST_META];
    sqlite_bind_slice(s, 1, SLICE("journal_id"));
    enum rc rc = RC_OK;
    int result = sqlite3_step(s);
    struct slice id = result == SQLITE_ROW ? sqlite_column_slice(s, 0) : SLICE("");
    if (id.len == sizeof(out->journal_id))
        memcpy(out->journal_id, id.ptr, id.len);
    else if (result == SQLITE_ROW)
        rc = err_set(err, RC_CORRUPT, "%s: weir_meta has no valid journal_id", c->path);
    else if (result != SQLITE_DONE)
        rc = sqlite_fail(c, result, "reading weir_meta", err);
    sqlite3_reset(s);
    return rc;
}

static enum rc read_meta_number(const struct sqlite_conn *c, struct slice name, int64_t *out,
                                struct err *err)
{
    sqlite_bind_slice(c->statements[ST_META], 1, name);
    return sqlite_number(c, ST_META, 0, out, err);
}

static enum rc read_mark(const struct sqlite_conn *c, struct backend_position *out, struct err *err)
{
    int64_t cut = 0, durable = 0, accepts = 0;
    enum rc rc = read_meta_number(c, SLICE("cut_lsn"), &cut, err);
    if (rc == RC_OK)
        rc = read_meta_number(c, SLICE("journal_durable"), &durable, err);
    if (rc == RC_OK)
        rc = read_meta_number(c, SLICE("cut_at_ms"), &out->mark.cut_at_ms, err);
    if (rc == RC_OK)
        rc = read_meta_number(c, SLICE("accepts_lsn"), &accepts, err);
    out->cut_lsn = (uint64_t)cut;
    out->mark.accepts_lsn = (uint64_t)accepts;
    out->mark.durable_lsn = (uint64_t)durable;
    return rc == RC_OK ? sqlite_read_journal_id(c, &out->mark, err) : rc;
}

static enum rc read_map(struct sqlite_backend *b, struct backend_dbmap *map, struct err *err)
{
    sqlite3_stmt *s = b->writer.statements[ST_MAP];
    enum rc rc = RC_OK;
    int result;
    map->len = 0;
    while ((result = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(s, 0);
        int64_t store_db = sqlite3_column_int64(s, 1);
        if (number != map->len || number >= BACKEND_DATABASES_MAX || store_db <= 0 ||
            store_db > UINT32_MAX || backend_dbmap_names(map, store_db)) {
            rc = err_set(err, RC_CORRUPT, "%s: weir_db maps database %lld to %lld", b->path,
                         (long long)number, (long long)store_db);
            break;
        }
        map->store_db[map->len++] = (uint32_t)store_db;
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(&b->writer, result, "reading weir_db", err);
    sqlite3_reset(s);
    return rc;
}

static enum rc backend_position(struct backend *pb, struct backend_position *out, struct err *err)
{
    struct sqlite_backend *b = sqlite_self(pb);
    memset(out, 0, sizeof(*out));
    int64_t any_key = 0;
    enum rc rc = sqlite_guard_write(b, err); /* a file that was taken away is no answer */
    if (rc == RC_OK)
        rc = sqlite_run(&b->writer, ST_BEGIN_READ, err);
    if (rc == RC_OK)
        rc = read_mark(&b->writer, out, err);
    if (rc == RC_OK)
        rc = read_map(b, &out->dbmap, err);
    if (rc == RC_OK)
        rc = sqlite_number(&b->writer, ST_ANY_KEY, 0, &any_key, err);
    out->fresh = out->cut_lsn == 0 && out->dbmap.len == 0 && any_key == 0;
    sqlite_rollback(&b->writer);
    return rc;
}

/* ---- the file is looked at around what is believed ---- */

/* For those who ask status() and may not look at a file. */
static void note_wal(struct sqlite_backend *b)
{
    atomic_store_explicit(&b->wal_bytes, sqlite_file_wal_bytes(&b->file), memory_order_relaxed);
}

static enum rc backend_apply(struct backend *pb, const struct backend_batch *batch,
                             struct backend_applied *out, struct err *err)
{
    struct sqlite_backend *b = sqlite_self(pb);
    enum rc rc = sqlite_guard_write(b, err);
    if (rc == RC_OK)
        rc = sqlite_guard_schema(b, err);
    if (rc == RC_OK)
        rc = sqlite_apply(pb, batch, out, err);
    if (rc != RC_OK)
        return rc;
    b->used = true;
    if (batch->cut_lsn > b->committed.cut_lsn)
        b->committed.cut_lsn = batch->cut_lsn;
    note_wal(b);
    return sqlite_guard_write(b, err);
}

/* Before an answer. */
static enum rc sqlite_check_path(const struct sqlite_backend *b, struct err *err)
{
    enum rc rc = sqlite_overwrite_result(b, err);
    return rc == RC_OK ? sqlite_file_check(&b->file, err) : rc;
}

static enum rc backend_load(struct backend *pb, const struct backend_item *keys, uint32_t n,
                            backend_emit *emit, void *ctx, struct err *err)
{
    enum rc rc = sqlite_check_path(sqlite_self(pb), err);
    return rc == RC_OK ? sqlite_load(pb, keys, n, emit, ctx, err) : rc;
}

static enum rc backend_scan(struct backend *pb, uint32_t db, struct slice after, uint32_t limit,
                            backend_emit *emit, void *ctx, struct err *err)
{
    enum rc rc = sqlite_check_path(sqlite_self(pb), err);
    return rc == RC_OK ? sqlite_scan(pb, db, after, limit, emit, ctx, err) : rc;
}

static enum rc backend_count(struct backend *pb, struct backend_count *what, struct err *err)
{
    enum rc rc = sqlite_check_path(sqlite_self(pb), err);
    return rc == RC_OK ? sqlite_count(pb, what, err) : rc;
}

static enum rc backend_reap(struct backend *pb, const struct backend_reap *what, bool *more,
                            struct err *err)
{
    enum rc rc = sqlite_check_path(sqlite_self(pb), err);
    return rc == RC_OK ? sqlite_reap(pb, what, more, err) : rc;
}

static enum rc backend_poll(struct backend *pb, backend_emit *emit, void *ctx, struct err *err)
{
    struct sqlite_backend *b = sqlite_self(pb);
    static const struct backend_item anything = {.key = {NULL, 0}};
    enum rc rc = sqlite_check_path(b, err);
    if (rc == RC_OK && atomic_load_explicit(&b->unnoticed, memory_order_relaxed)) {
        atomic_store(&b->unnoticed, false);
        rc = emit(ctx, &anything);
        if (rc != RC_OK)
            atomic_store(&b->unnoticed, true);
    }
    return rc == RC_OK ? sqlite_poll(pb, emit, ctx, err) : rc;
}

/* ---- maintain ---- */

static enum rc empty_dropped(struct sqlite_backend *b, bool *left, struct err *err)
{
    int64_t store_db;
    enum rc rc = sqlite_number(&b->writer, ST_DROPPED, 0, &store_db, err);
    *left = false;
    if (rc != RC_OK || store_db == 0)
        return rc;
    *left = true;
    rc = sqlite_run(&b->writer, ST_BEGIN_WRITE, err);
    bool rows_left = true;
    if (rc == RC_OK)
        rc = sqlite_empty_db(&b->writer, (uint32_t)store_db, MAINTAIN_CHUNK_ROWS, &rows_left, err);
    if (rc == RC_OK && !rows_left) {
        sqlite3_bind_int64(b->writer.statements[ST_DROPPED_DONE], 1, store_db);
        rc = sqlite_run(&b->writer, ST_DROPPED_DONE, err);
        if (rc == RC_OK)
            rc = sqlite_count_forget(b, (uint32_t)store_db, err);
    }
    if (rc == RC_OK)
        rc = sqlite_change_commit(b, &b->writer, err);
    sqlite_rollback(&b->writer);
    return rc;
}

/* Pages that were cached for batches go back to the allocator when none came for a while: what is
 * resident is then the proxy's, not the backend's. The system's cache still has them. */
static void release_cache_if_idle(struct sqlite_backend *b)
{
    struct mono now = clock_mono();
    if (b->applied_since) {
        b->busy_at = now;
    } else if (b->busy_at.us != 0 && now.us - b->busy_at.us > CACHE_IDLE_US) {
        sqlite3_db_release_memory(b->writer.db);
        b->busy_at.us = 0;
    }
}

static enum rc backend_maintain(struct backend *pb, int64_t budget_ms, bool *more, struct err *err)
{
    struct sqlite_backend *b = sqlite_self(pb);
    int64_t deadline_us = clock_mono().us + budget_ms * 1000;
    bool log_left = true, rows_left = true;
    enum rc rc = sqlite_guard_write(b, err);
    if (rc == RC_OK)
        rc = sqlite_guard_schema(b, err);
    while (rc == RC_OK && (log_left || rows_left)) {
        rc = sqlite_change_trim(b, MAINTAIN_CHUNK_ROWS, &log_left, err);
        if (rc == RC_OK)
            rc = empty_dropped(b, &rows_left, err);
        if (clock_mono().us >= deadline_us)
            break;
    }
    *more = rc == RC_OK && (log_left || rows_left);
    if (rc == RC_OK)
        rc = sqlite_wal_maintain(b, !b->applied_since && !*more, err);
    if (rc == RC_OK && sqlite_sums_start(b->sums, b->writer.db))
        sqlite_sums_scrub(b->sums);
    note_wal(b);
    release_cache_if_idle(b);
    b->applied_since = false;
    return rc == RC_OK ? sqlite_sums_result(b->sums, err) : rc;
}

/* ---- figures, and the end ---- */

static void backend_status(struct backend *pb, struct backend_status *out)
{
    struct sums_figures sums;
    sqlite_sums_get_figures(sqlite_self(pb)->sums, &sums);
    out->log_bytes =
        (uint64_t)atomic_load_explicit(&sqlite_self(pb)->wal_bytes, memory_order_relaxed);
    out->pages_summed = sums.known;
    out->pages_unknown = sums.unknown;
    out->pages_damaged = sums.damaged;
    out->verified_at_ms = sums.full_pass_ms;
}

static size_t caches_memory(struct backend *pb)
{
    (void)pb;
    return (size_t)sqlite3_memory_used(); /* of all connections there are, and that is meant */
}

static void backend_set_deadline(struct backend *pb, struct mono until)
{
    struct sqlite_backend *b = sqlite_self(pb);
    atomic_store(&b->deadline_us, until.us);
    if (until.us <= clock_mono().us) /* checkpoints look for nothing else */
        sqlite3_interrupt(b->writer.db);
}

const struct backend_ops backend_sqlite = {
    .scheme = "sqlite",
    .transactional = true,
    .open = backend_open,
    .close = backend_close,
    .position = backend_position,
    .apply = backend_apply,
    .maintain = backend_maintain,
    .load = backend_load,
    .scan = backend_scan,
    .count = backend_count,
    .reap = backend_reap,
    .poll = backend_poll,
    .status = backend_status,
    .memory = caches_memory,
    .set_deadline = backend_set_deadline,
};
