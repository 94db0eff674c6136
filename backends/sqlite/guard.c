/* What is checked before a commit or an answer is believed: that the file is still the one that its
 * name points to (file.c), and that its schema is still the one that we made
 * (repair.c).
 *
 * A database that was taken away is not written any more, and one thing is done at once: its WAL is
 * emptied into it. The name of the WAL is beside the *new* file now, and whoever opens that would
 * read our last commits into it, which leaves a mixture of two databases. An empty one is harmless,
 * and when the file is put back nothing is missing.
 *
 * When only the WAL was deleted, our descriptor still reads it: what it holds is moved into the
 * database, and only a restart gives us a WAL that others see.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "backends/sqlite/sync.h"
#include "base/log.h"

#include <unistd.h>

static void rescue_wal(struct sqlite_backend *b, enum sqlite_place place)
{
    bool wal_is_ours = place == SQLITE_PLACE_DATABASE_MOVED;
    if (place == SQLITE_PLACE_SHM_MOVED)
        return; /* nothing is in the wrong place */
    if (!wal_is_ours && access(b->file.wal_path, F_OK) == 0)
        return; /* others write to a WAL of their own, through the index that we share */
    int in_wal, moved, mode = wal_is_ours ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    b->writer.wait_ms = 0;
    int result = sqlite3_wal_checkpoint_v2(b->writer.db, "main", mode, &in_wal, &moved);
    b->writer.wait_ms = b->timeout_ms;
    if (wal_is_ours && result == SQLITE_OK) {
        b->rescued = true;
        log_line(LOG_NOTICE, "%s: what its WAL held is in the database file that is open", b->path);
    }
}

/* While another file was in its place, programs that opened that one shared our WAL by its name. */
static bool was_mixed(const struct sqlite_backend *b)
{
    return b->rescued && sqlite_file_wal_bytes(&b->file) > 0;
}

enum rc sqlite_guard_write(struct sqlite_backend *b, struct err *err)
{
    enum rc overwritten = sqlite_overwrite_check(b, err);
    if (overwritten != RC_OK) {
        sqlite_sums_suspend(b->sums);
        return overwritten;
    }
    enum sqlite_place place = sqlite_file_place(&b->file);
    if (LIKELY(place == SQLITE_PLACE_OURS && !b->rescued))
        return sqlite_sync_renew(b->writer.db, err);
    if (place != SQLITE_PLACE_OURS) {
        sqlite_sums_suspend(b->sums);
        if (!b->rescued)
            rescue_wal(b, place);
        return sqlite_file_check(&b->file, err);
    }
    if (was_mixed(b))
        return err_set(err, RC_MOVED,
                       "%s: is back, but others wrote to %s-wal while another file was in its "
                       "place; the journal keeps what is new: restart Weir",
                       b->path, b->path);
    b->rescued = false;
    return sqlite_sync_renew(b->writer.db, err);
}

static enum rc repair_schema(struct sqlite_backend *b, struct err *err)
{
    bool unnoticed = false;
    int64_t version = 0;
    enum rc rc = sqlite_run(&b->writer, ST_BEGIN_WRITE, err);
    if (rc == RC_OK)
        rc = sqlite_schema_repair(&b->writer, &unnoticed, err);
    if (rc == RC_OK)
        rc = sqlite_number(&b->writer, ST_SCHEMA_VERSION, 0, &version, err);
    if (rc == RC_OK)
        rc = sqlite_run(&b->writer, ST_COMMIT, err);
    sqlite_rollback(&b->writer);
    if (rc != RC_OK)
        return rc;
    b->schema_version = version;
    if (unnoticed)
        atomic_store(&b->unnoticed, true);
    return sqlite_counter_start(b, err);
}

enum rc sqlite_guard_schema(struct sqlite_backend *b, struct err *err)
{
    int64_t version;
    enum rc rc = sqlite_number(&b->writer, ST_SCHEMA_VERSION, 0, &version, err);
    if (rc != RC_OK || version == b->schema_version)
        return rc;
    return repair_schema(b, err);
}

enum rc sqlite_guard_identity(struct sqlite_backend *b, struct sqlite_identity *out,
                              struct err *err)
{
    sqlite3_stmt *s = b->writer.statements[ST_IDENTITY];
    int result = sqlite3_step(s);
    enum rc rc = RC_OK;
    *out = (struct sqlite_identity){0};
    if (result == SQLITE_ROW) {
        struct slice id = sqlite_column_slice(s, 1);
        out->cut_lsn = (uint64_t)sqlite3_column_int64(s, 0);
        out->has_cut = sqlite3_column_type(s, 0) == SQLITE_INTEGER;
        out->has_store = id.len == sizeof(out->store_id);
        if (out->has_store)
            memcpy(out->store_id, id.ptr, id.len);
    } else {
        rc = sqlite_fail(&b->writer, result, "reading weir_meta", err);
    }
    sqlite3_reset(s);
    return rc;
}

enum rc sqlite_guard_restored(struct sqlite_backend *b, struct err *err)
{
    struct sqlite_identity now;
    enum rc rc = sqlite_guard_identity(b, &now, err);
    if (rc != RC_OK)
        return rc;
    if (memcmp(now.store_id, b->committed.store_id, sizeof(now.store_id)) != 0)
        return err_set(err, RC_MOVED,
                       "%s: another store was restored into it while in use. The journal keeps "
                       "what is new: restore the right one, or restart Weir to take this one",
                       b->path);
    if (now.cut_lsn < b->committed.cut_lsn)
        return err_set(err, RC_MOVED,
                       "%s: an older state was restored into it while in use (cut %llu, Weir had "
                       "written %llu). The journal keeps what is new: restart Weir to go on",
                       b->path, (unsigned long long)now.cut_lsn,
                       (unsigned long long)b->committed.cut_lsn);
    return RC_OK;
}
