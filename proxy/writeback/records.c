/* Records: the transaction of a batch, and what its outcome makes of it. See records.h.
 *
 *   begin ──> add, supersede ... ──> commit (durable) ──> [backend commits] ──> end(true)
 *     └──────────── taken back <──────────┴───────────── [it does not] <── end(false)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/records_internal.h"

#include "base/log.h"
#include "writeback/item.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FREED_PAGES = 2000 }; /* given back to the file system at one time */

/* --- The transaction of a batch --- */

static enum rc records_begin_transaction(struct records *r, struct err *err) REQUIRES(r->lock)
{
    enum rc rc = records_ready(r, err);
    if (rc == RC_OK)
        rc = records_stay(r, err);
    if (rc == RC_OK)
        rc = records_renew(r, err);
    r->before = r->tally;
    return rc == RC_OK ? records_run(r, RS_BEGIN, err) : rc;
}

static void records_give_up(struct records *r) REQUIRES(r->lock)
{
    records_rollback(r);
    r->tally = r->before;
    r->in_batch = false;
}

/* Runs a statement that answers with the bytes of each record that it takes out. */
static enum rc run_taking(struct records *r, enum records_statement id, enum record_kind kind,
                          uint64_t *taken, struct err *err) REQUIRES(r->lock)
{
    sqlite3_stmt *s = r->writer.statements[id];
    struct records_tally *t = &r->tally;
    int result;
    while ((result = sqlite3_step(s)) == SQLITE_ROW) {
        t->count[kind] -= t->count[kind] > 0;
        t->bytes[kind] -= min_u64((uint64_t)sqlite3_column_int64(s, 0), t->bytes[kind]);
        ++*taken;
    }
    enum rc rc = result == SQLITE_DONE ? RC_OK : records_fail(r, &r->writer, "writing", err);
    sqlite3_reset(s);
    return rc;
}

void records_begin(struct records *r, uint64_t cut_lsn)
{
    lock_acquire(&r->lock);
    if (r->in_batch)
        records_give_up(r);
    r->cut_lsn = cut_lsn;
    lock_release(&r->lock);
}

static enum rc take_back(struct records *r, struct err *err) REQUIRES(r->lock)
{
    sqlite3_stmt *s = r->writer.statements[RS_TAKE_BACK];
    sqlite3_bind_int64(s, 1, (int64_t)r->cut_lsn);
    sqlite3_bind_int64(s, 2, (int64_t)r->committed_id);
    enum rc rc = records_run(r, RS_TAKE_BACK, err);
    if (rc == RC_OK)
        rc = records_run_with(r, RS_VALID_AGAIN, atomic_load(&r->settled_lsn), err);
    return rc == RC_OK ? records_recount(r, err) : rc;
}

/* The first thing that a batch has to say opens the transaction. */
static enum rc records_enter(struct records *r, struct err *err) REQUIRES(r->lock)
{
    if (r->in_batch)
        return RC_OK;
    enum rc rc = records_begin_transaction(r, err);
    if (rc == RC_OK && r->committed)
        rc = take_back(r, err);
    if (rc == RC_OK)
        rc = records_run_with(r, RS_REMOVE_KEPT, r->applied_lsn, err);
    if (rc != RC_OK) {
        records_give_up(r);
        return rc;
    }
    r->in_batch = true;
    r->first_id = r->next_id;
    return RC_OK;
}

/* Whether there can be a dead letter at all: a file that is not open may hold some, and what a
 * failed attempt has made void is valid again. */
static bool may_hold(struct records *r) REQUIRES(r->lock)
{
    struct stat st;
    if (r->writer.db != NULL)
        return r->committed || r->tally.count[RECORD_DEAD_LETTER] > 0;
    return stat(r->path, &st) == 0 && st.st_size > 0;
}

enum rc records_commit(struct records *r, struct err *err)
{
    lock_acquire(&r->lock);
    enum rc rc = r->committed && !r->in_batch ? records_enter(r, err) : RC_OK;
    if (rc == RC_OK && r->in_batch) {
        rc = records_run(r, RS_COMMIT, err);
        if (rc != RC_OK) {
            records_give_up(r);
        } else {
            r->committed = true;
            r->committed_id = r->first_id;
        }
        r->in_batch = false;
    }
    if (rc == RC_OK && r->committed)
        rc = records_stay(r, err); /* a commit to a file that nobody finds again is none */
    lock_release(&r->lock);
    return rc;
}

static void free_pages(struct records *r) REQUIRES(r->lock)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", (int)FREED_PAGES);
    (void)sqlite3_exec(r->writer.db, sql, NULL, NULL, NULL); /* what stays is used again */
}

/* What is void is not shown from here on in any case; its room is for others. */
static void remove_void(struct records *r) REQUIRES(r->lock)
{
    struct err err;
    if (records_run_with(r, RS_REMOVE_VOID, r->cut_lsn, &err) != RC_OK)
        log_err(LOG_VERBOSE, "void records could not be removed yet", &err);
    else if (sqlite3_changes64(r->writer.db) > 0)
        free_pages(r);
    if (r->filter != NULL && r->filtered > 2 * r->tally.count[RECORD_DEAD_LETTER] + FREED_PAGES &&
        records_recount(r, &err) != RC_OK)
        log_err(LOG_VERBOSE, "records could not be counted", &err);
}

void records_end(struct records *r, bool committed)
{
    lock_acquire(&r->lock);
    if (r->in_batch)
        records_give_up(r);
    if (committed) {
        r->applied_lsn = max_u64(r->cut_lsn, r->applied_lsn);
        atomic_store(&r->settled_lsn, max_u64(r->cut_lsn, atomic_load(&r->settled_lsn)));
        if (r->committed) {
            records_publish(r);
            remove_void(r);
        }
        r->committed = false;
    }
    lock_release(&r->lock);
}

/* --- Adding --- */

/* A value on its way into the file: the first part lies in the record's row. */
struct writing {
    struct records *r;
    const struct record *record;
    uint64_t id, bytes, parts;
    struct buf part;
    enum rc rc;
    struct err *err;
};

/* A side of a record as text at `at`, and how long the value is at at + 3. */
static void bind_side(sqlite3_stmt *s, int at, const struct backend_item *item, size_t max)
{
    struct buf text = {0};
    if (item == NULL) {
        sqlite3_bind_null(s, at);
        sqlite3_bind_null(s, at + 3);
        return;
    }
    item_render(&text, item, max);
    sqlite3_bind_text64(s, at, text.len > 0 ? text.data : "", text.len, SQLITE_TRANSIENT,
                        SQLITE_UTF8);
    sqlite3_bind_int64(s, at + 3, (int64_t)(backend_item_bytes(item) - item->key.len));
    buf_fini(&text);
}

/* What a record takes up of its bound: its texts are cut, so this is about right. */
static uint64_t record_bytes(const struct record *record)
{
    const struct backend_item *sides[] = {record->ours, record->base, record->theirs};
    uint64_t bytes = 200 + record->reason.len;
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        if (sides[i] == NULL)
            continue;
        uint64_t n = backend_item_bytes(sides[i]);
        bytes += record->kind == RECORD_DEAD_LETTER ? n : min_u64(n, RECORD_LOST_MAX);
    }
    return bytes;
}

static void insert_row(struct writing *w) NO_TSA /* the writer's statements: the caller has it */
{
    const struct record *record = w->record;
    const struct backend_item *ours = record->ours;
    sqlite3_stmt *s = w->r->writer.statements[RS_ADD];
    bool conflict = record->kind == RECORD_CONFLICT;
    sqlite3_bind_int64(s, 1, (int64_t)w->id);
    sqlite3_bind_int(s, 2, (int)record->kind);
    sqlite3_bind_int64(s, 3, (int64_t)record->lsn);
    sqlite3_bind_int64(s, 4, record->time.ms);
    sqlite3_bind_int64(s, 5, record->number);
    sqlite3_bind_int64(s, 6, ours->db);
    sqlite_bind_slice(s, 7, ours->key);
    sqlite3_bind_text(s, 8, value_type_name(ours->type), -1, SQLITE_STATIC);
    sqlite3_bind_text64(s, 9, record->reason.ptr, record->reason.len, SQLITE_STATIC, SQLITE_UTF8);
    bind_side(s, 10, ours, conflict && record->ours_lost ? RECORD_LOST_MAX : RECORD_TEXT_MAX);
    bind_side(s, 11, record->base, RECORD_TEXT_MAX);
    bind_side(s, 12, record->theirs,
              conflict && !record->ours_lost ? RECORD_LOST_MAX : RECORD_TEXT_MAX);
    sqlite3_bind_int64(s, 16, (int64_t)w->bytes);
    if (conflict)
        sqlite3_bind_null(s, 17);
    else
        sqlite3_bind_blob64(s, 17, w->part.data, w->part.len, SQLITE_STATIC);
    w->rc = records_run(w->r, RS_ADD, w->err);
}

static void write_part(struct writing *w) NO_TSA /* the same */
{
    if (w->rc == RC_OK && w->parts == 0) {
        insert_row(w);
    } else if (w->rc == RC_OK) {
        sqlite3_stmt *s = w->r->writer.statements[RS_ADD_PART];
        sqlite3_bind_int64(s, 1, (int64_t)w->id);
        sqlite3_bind_int64(s, 2, (int64_t)w->parts);
        sqlite3_bind_blob64(s, 3, w->part.data, w->part.len, SQLITE_STATIC);
        w->rc = records_run(w->r, RS_ADD_PART, w->err);
    }
    w->parts++;
    w->part.len = 0;
}

static void take_bytes(void *ctx, struct slice bytes)
{
    struct writing *w = ctx;
    while (bytes.len > 0 && w->rc == RC_OK) {
        size_t n = (size_t)min_u64(bytes.len, RECORD_PART_BYTES - w->part.len);
        buf_append(&w->part, bytes.ptr, n);
        bytes = slice_of(bytes.ptr + n, bytes.len - n);
        if (w->part.len == RECORD_PART_BYTES)
            write_part(w);
    }
}

static enum rc records_say_full(const struct records *r, const struct records_bounds *bounds,
                                struct err *err) REQUIRES(r->lock)
{
    const struct records_tally *t = &r->tally;
    bool number = t->count[RECORD_DEAD_LETTER] >= bounds->number;
    uint64_t letters = records_count(r, RECORD_DEAD_LETTER);
    if (number)
        return err_set(err, RC_FULL, "%s: %" PRIu64 " dead letters, dead-letters-max is %" PRIu64,
                       r->path, letters, bounds->number);
    return err_set(err, RC_FULL,
                   "%s: %" PRIu64 " dead letters of %" PRIu64 " bytes, dead-letters-max-bytes is "
                   "%" PRIu64,
                   r->path, letters, r->before.bytes[RECORD_DEAD_LETTER], bounds->bytes);
}

/* Conflicts make room for others; dead letters do not. */
static enum rc records_make_room(struct records *r, enum record_kind kind, uint64_t bytes,
                                 const struct records_bounds *bounds, struct err *err)
    REQUIRES(r->lock)
{
    struct records_tally *t = &r->tally;
    while (t->count[kind] > 0 &&
           (t->count[kind] >= bounds->number || t->bytes[kind] + bytes > bounds->bytes)) {
        if (kind == RECORD_DEAD_LETTER)
            return records_say_full(r, bounds, err);
        sqlite3_bind_int(r->writer.statements[RS_DROP_OLDEST], 1, (int)kind);
        uint64_t taken = 0;
        enum rc rc = run_taking(r, RS_DROP_OLDEST, kind, &taken, err);
        if (rc != RC_OK)
            return rc;
        if (taken == 0)
            break;
    }
    return RC_OK;
}

/* Inside a transaction. */
static enum rc records_insert(struct records *r, const struct record *record,
                              const struct records_bounds *bounds, struct err *err)
    REQUIRES(r->lock)
{
    uint64_t bytes = record_bytes(record);
    enum rc rc = records_make_room(r, record->kind, bytes, bounds, err);
    if (rc != RC_OK)
        return rc;
    struct writing w = {
        .r = r, .record = record, .id = r->next_id, .bytes = bytes, .rc = RC_OK, .err = err};
    if (record->kind == RECORD_DEAD_LETTER) {
        item_encode(&(struct item_sink){take_bytes, &w}, record->ours);
        if (w.part.len > 0)
            write_part(&w);
        records_note_key(r, record->ours->db, record->ours->key);
    } else {
        insert_row(&w);
    }
    buf_fini(&w.part);
    if (w.rc != RC_OK)
        return w.rc;
    r->next_id++;
    r->tally.count[record->kind]++;
    r->tally.bytes[record->kind] += bytes;
    return RC_OK;
}

static enum rc supersede_key(struct records *r, const struct backend_item *item, struct err *err)
    REQUIRES(r->lock)
{
    sqlite3_stmt *s = r->writer.statements[RS_SUPERSEDE];
    sqlite3_bind_int64(s, 1, (int64_t)r->cut_lsn);
    sqlite3_bind_int64(s, 2, item->db);
    sqlite_bind_slice(s, 3, item->key);
    uint64_t taken = 0;
    return run_taking(r, RS_SUPERSEDE, RECORD_DEAD_LETTER, &taken, err);
}

enum rc records_add(struct records *r, const struct record *record,
                    const struct records_bounds *bounds, struct err *err)
{
    lock_acquire(&r->lock);
    enum rc rc = records_enter(r, err);
    if (rc == RC_OK)
        rc = records_insert(r, record, bounds, err);
    lock_release(&r->lock);
    return rc;
}

uint64_t records_last_id(struct records *r)
{
    lock_acquire(&r->lock);
    uint64_t id = r->next_id - 1;
    lock_release(&r->lock);
    return id;
}

const char *records_path(const struct records *r)
{
    return r->path;
}

enum rc records_add_kept(struct records *r, const struct backend_item *ours, struct err *err)
{
    lock_acquire(&r->lock);
    enum rc rc = records_enter(r, err);
    if (rc == RC_OK) {
        sqlite3_stmt *s = r->writer.statements[RS_ADD_KEPT];
        sqlite3_bind_int64(s, 1, (int64_t)r->cut_lsn);
        sqlite3_bind_int64(s, 2, ours->db);
        sqlite_bind_slice(s, 3, ours->key);
        rc = records_run(r, RS_ADD_KEPT, err);
    }
    lock_release(&r->lock);
    return rc;
}

enum rc records_add_alone(struct records *r, const struct record *list, uint32_t n,
                          const struct records_bounds *bounds, struct err *err)
{
    lock_acquire(&r->lock);
    enum rc rc = r->in_batch ? err_set(err, RC_BUSY, "%s: a batch is being recorded", r->path)
                             : records_begin_transaction(r, err);
    if (rc == RC_OK) {
        uint64_t lsn = atomic_load(&r->settled_lsn);
        for (uint32_t i = 0; i < n && rc == RC_OK; i++) {
            lsn = max_u64(list[i].lsn, lsn);
            rc = records_insert(r, &list[i], bounds, err);
        }
        if (rc == RC_OK)
            rc = records_run(r, RS_COMMIT, err);
        if (rc == RC_OK) {
            atomic_store(&r->settled_lsn, lsn);
            records_publish(r);
        } else {
            records_give_up(r);
        }
    }
    lock_release(&r->lock);
    return rc;
}

/* --- What is void --- */

enum rc records_supersede(struct records *r, const struct backend_item *items, uint32_t len,
                          struct err *err)
{
    enum rc rc = RC_OK;
    lock_acquire(&r->lock);
    bool any = may_hold(r);
    if (any)
        rc = records_ready(r, err);
    for (uint32_t i = 0; any && i < len && rc == RC_OK; i++) {
        if (!records_has_noted(r, items[i].db, items[i].key))
            continue;
        rc = records_enter(r, err);
        if (rc == RC_OK)
            rc = supersede_key(r, &items[i], err);
    }
    lock_release(&r->lock);
    return rc;
}

enum rc records_keep_databases(struct records *r, const struct backend_dbmap *map, struct err *err)
{
    uint32_t gone[BACKEND_DATABASES_MAX];
    uint32_t n = 0;
    lock_acquire(&r->lock);
    enum rc rc = may_hold(r) ? records_enter(r, err) : RC_OK;
    if (rc == RC_OK && r->in_batch) {
        sqlite3_stmt *s = r->writer.statements[RS_DATABASES];
        int result;
        while ((result = sqlite3_step(s)) == SQLITE_ROW && n < COUNT_OF(gone)) {
            int64_t db = sqlite3_column_int64(s, 0);
            if (!backend_dbmap_names(map, db))
                gone[n++] = (uint32_t)db;
        }
        if (result != SQLITE_DONE && result != SQLITE_ROW)
            rc = records_fail(r, &r->writer, "reading databases", err);
        sqlite3_reset(s);
    }
    for (uint32_t i = 0; i < n && rc == RC_OK; i++) {
        sqlite3_stmt *s = r->writer.statements[RS_SUPERSEDE_DB];
        sqlite3_bind_int64(s, 1, (int64_t)r->cut_lsn);
        sqlite3_bind_int64(s, 2, gone[i]);
        uint64_t taken = 0;
        rc = run_taking(r, RS_SUPERSEDE_DB, RECORD_DEAD_LETTER, &taken, err);
    }
    lock_release(&r->lock);
    return rc;
}

/* --- Dropping --- */

enum rc records_drop(struct records *r, const struct records_choice *c, uint64_t *dropped,
                     struct err *err)
{
    bool all = c->ids == NULL;
    *dropped = 0;
    lock_acquire(&r->lock);
    bool busy = r->in_batch || r->committed;
    enum rc rc = busy ? err_set(err, RC_BUSY, "%s: a batch is being recorded", r->path)
                      : records_begin_transaction(r, err);
    for (uint32_t i = 0; rc == RC_OK && i < (all ? 1 : c->len); i++) {
        enum records_statement id = all ? RS_DROP_ALL : RS_DROP;
        sqlite3_bind_int(r->writer.statements[id], 1, (int)c->kind);
        if (!all)
            sqlite3_bind_int64(r->writer.statements[id], 2, (int64_t)c->ids[i]);
        rc = run_taking(r, id, c->kind, dropped, err);
    }
    if (rc == RC_OK)
        rc = records_run(r, RS_COMMIT, err);
    if (rc == RC_OK) {
        records_publish(r);
        free_pages(r);
    } else if (!busy) {
        records_give_up(r);
        *dropped = 0;
    }
    lock_release(&r->lock);
    return rc;
}
