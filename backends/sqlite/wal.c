/* The write-ahead log as a file: how large it is, who keeps it from shrinking, and how long anybody
 * waits for a lock.
 *
 * A checkpoint moves committed pages into the database; when all are moved, the next commit begins
 * the file anew. A program that reads an old state of the database holds that up: then the file
 * grows with every commit, and nothing but the end of that reader helps. So its size is a figure,
 * and above a mark the log says who it is.
 *
 * SQLite's readers hold a shared lock on one of five bytes of the -shm file: holder.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READ_LOCK_FIRST = 123, /* bytes of the -shm: https://www.sqlite.org/walformat.html */
    READ_LOCK_LAST = 127,
    LOCK_PAUSE_MAX_MS = 20,
    STEPS_BETWEEN_LOOKS = 1000, /* of SQLite's machine */
};

bool sqlite_wal_find_reader(const struct sqlite_file *f, char *out, size_t size)
{
    const struct sqlite_lock_bytes readers = {false, (unsigned long)f->shm.inode, READ_LOCK_FIRST,
                                              READ_LOCK_LAST};
    return sqlite_holder_find(&readers, out, size);
}

/* ---- checkpoints ---- */

static int wal_grew(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_backend *b = ctx;
    (void)db;
    (void)name;
    b->wal_pages = pages;
    return SQLITE_OK;
}

void sqlite_wal_watch(struct sqlite_backend *b)
{
    sqlite3_wal_hook(b->writer.db, wal_grew, b);
}

/* BUSY is no failure: somebody reads an old snapshot, and the next checkpoint will get further. */
enum rc sqlite_wal_checkpoint(struct sqlite_backend *b, int mode, struct err *err)
{
    int in_wal = 0, moved = 0;
    int result = sqlite3_wal_checkpoint_v2(b->writer.db, "main", mode, &in_wal, &moved);
    if (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY && (result & 0xff) != SQLITE_LOCKED) {
        enum rc rc = sqlite_fail(&b->writer, result, "checkpoint", err);
        sqlite_overwrite_remember(b); /* what it has written of the file was ours */
        return rc;
    }
    if (in_wal >= 0)
        b->wal_pages = in_wal - moved;
    sqlite_overwrite_remember(b);
    return RC_OK;
}

/* Once, until it is below the mark again. */
static void tell_if_stuck(struct sqlite_backend *b)
{
    char who[64];
    if (b->wal_pages <= b->wal_pages_max) {
        if (b->told_of_wal)
            log_line(LOG_NOTICE, "%s: its WAL is below the mark again", b->path);
        b->told_of_wal = false;
        return;
    }
    if (b->told_of_wal)
        return;
    b->told_of_wal = true;
    sqlite_wal_find_reader(&b->file, who, sizeof(who));
    log_line(LOG_WARNING,
             "%s: %lld MB, and it grows with every flush, because %s reads an old state of the "
             "database; end that transaction",
             b->file.wal_path, (long long)(sqlite_file_wal_bytes(&b->file) >> 20), who);
}

/* If it is: this is by what the sums of the pages are believed later. */
static void note_empty(struct sqlite_backend *b)
{
    if (sqlite_file_wal_bytes(&b->file) == 0 && !sums_file_is_as_noted(b->sums))
        sums_file_note_empty(b->sums, b->file_seen.meta_page);
}

enum rc sqlite_wal_maintain(struct sqlite_backend *b, bool idle, struct err *err)
{
    enum rc rc = RC_OK;
    sums_file_note_life(b->sums);
    if (b->wal_pages > b->wal_pages_max || (idle && b->wal_pages > 0))
        rc = sqlite_wal_checkpoint(b, SQLITE_CHECKPOINT_PASSIVE, err);
    if (rc == RC_OK)
        tell_if_stuck(b);
    if (rc != RC_OK || !idle || b->wal_pages > 0)
        return rc;
    if (sqlite_file_wal_bytes(&b->file) > 0) {
        b->writer.wait_ms = 0; /* not worth waiting for readers */
        rc = sqlite_wal_checkpoint(b, SQLITE_CHECKPOINT_TRUNCATE, err);
        b->writer.wait_ms = b->timeout_ms;
    }
    note_empty(b);
    return rc;
}

/* A number that was never there: whatever is restored later can be told from what is left now. */
static void write_mark_of_end(struct sqlite_backend *b)
{
    struct err ignored;
    uint8_t mark[16];
    if (!atomic_load(&b->sums->on))
        return;
    sqlite3_randomness(sizeof(mark), mark);
    sqlite3_stmt *s = b->writer.statements[ST_META_PUT];
    sqlite_bind_slice(s, 1, SLICE("closed"));
    sqlite3_bind_blob(s, 2, mark, sizeof(mark), SQLITE_STATIC);
    enum rc rc = sqlite_run(&b->writer, ST_BEGIN_WRITE, &ignored);
    if (rc == RC_OK)
        rc = sqlite_run(&b->writer, ST_META_PUT, &ignored);
    if (rc == RC_OK)
        rc = sqlite_run(&b->writer, ST_COMMIT, &ignored);
    if (rc != RC_OK)
        sqlite_rollback(&b->writer);
    sqlite3_clear_bindings(s);
}

static void empty_at_end(struct sqlite_backend *b)
{
    struct err ignored;
    if (sqlite_file_wal_bytes(&b->file) == 0 && sums_file_is_as_noted(b->sums))
        return; /* nobody has written anything */
    sums_file_note_life(b->sums);
    write_mark_of_end(b);
    if (sqlite_wal_checkpoint(b, SQLITE_CHECKPOINT_TRUNCATE, &ignored) != RC_OK)
        b->wal_pages = 0;
    note_empty(b);
}

/* The last checkpoint. What it does not move stays in the WAL, and stays valid. */
void sqlite_wal_close(struct sqlite_backend *b)
{
    struct err ignored;
    char who[64];
    bool in_time = !sqlite_is_past_deadline(&b->writer);
    if (sqlite_overwrite_check(b, &ignored) != RC_OK)
        return; /* SQLite would mix what it has of the old content into the new */
    if (sqlite_file_place(&b->file) != SQLITE_PLACE_OURS)
        return;
    b->writer.wait_ms = 0;
    if (in_time)
        empty_at_end(b);
    int64_t bytes = sqlite_file_wal_bytes(&b->file);
    if (bytes == 0)
        return;
    bool read = sqlite_wal_find_reader(&b->file, who, sizeof(who));
    log_line(LOG_NOTICE,
             "%s: %lld bytes are left in it%s%s. It is a part of the database: copy or move both "
             "files, or neither",
             b->file.wal_path, (long long)bytes, read ? ", since the database is read by " : "",
             read ? who : "");
}

/* ---- waiting ---- */

bool sqlite_is_past_deadline(const struct sqlite_conn *c)
{
    int64_t deadline = atomic_load_explicit(c->deadline_us, memory_order_relaxed);
    return deadline != 0 && clock_mono().us >= deadline;
}

static int wait_for_lock(void *ctx, int tries)
{
    struct sqlite_conn *c = ctx;
    int64_t now = clock_mono().us;
    if (tries == 0)
        c->waits_since_us = now;
    int64_t waited_ms = (now - c->waits_since_us) / 1000;
    if (waited_ms >= c->wait_ms || sqlite_is_past_deadline(c))
        return 0;
    int pause_ms = tries < LOCK_PAUSE_MAX_MS ? tries + 1 : LOCK_PAUSE_MAX_MS;
    if (pause_ms > c->wait_ms - waited_ms)
        pause_ms = (int)(c->wait_ms - waited_ms);
    (void)poll(NULL, 0, pause_ms);
    return 1;
}

static int wal_is_over(void *ctx)
{
    return sqlite_is_past_deadline(ctx);
}

void sqlite_limit_waiting(struct sqlite_conn *c, struct sqlite_backend *b)
{
    c->deadline_us = &b->deadline_us;
    c->wait_ms = b->timeout_ms;
    sqlite3_busy_handler(c->db, wait_for_lock, c);
    sqlite3_progress_handler(c->db, STEPS_BETWEEN_LOOKS, wal_is_over, c);
}
