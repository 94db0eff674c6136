/* Reading records: pages for an operator; at start the dead letters with their values, and the keys
 * that kept theirs.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/records_internal.h"

#include "writeback/item.h"

#include <stdlib.h>

static void show_row(sqlite3_stmt *s, const struct records_reader *reader)
{
    struct slice sides[3];
    for (int i = 0; i < 3; i++) {
        sides[i] = sqlite_column_slice(s, 9 + i);
        sides[i].len = (size_t)min_u64(sides[i].len, RECORD_TEXT_MAX);
    }
    struct record_row row = {
        .id = (uint64_t)sqlite3_column_int64(s, 0),
        .kind = (enum record_kind)sqlite3_column_int(s, 1),
        .lsn = (uint64_t)sqlite3_column_int64(s, 2),
        .time = {sqlite3_column_int64(s, 3)},
        .number = (uint32_t)sqlite3_column_int64(s, 4),
        .db = (uint32_t)sqlite3_column_int64(s, 5),
        .type = (const char *)sqlite3_column_text(s, 7),
        .key = sqlite_column_slice(s, 6),
        .reason = sqlite_column_slice(s, 8),
        .ours = sides[0],
        .base = sides[1],
        .theirs = sides[2],
    };
    if (row.type == NULL)
        row.type = "none";
    reader->each(reader->ctx, &row);
}

enum rc records_page(struct records *r, const struct records_query *q,
                     const struct records_reader *reader, struct err *err)
{
    if (records_count(r, q->kind) == 0 || q->max == 0)
        return RC_OK;
    lock_acquire(&r->read_lock);
    enum rc rc = records_reader_ready(r, err);
    if (rc == RC_OK) {
        sqlite3_stmt *s = r->reader.statements[q->of_key ? RS_FIND : RS_PAGE];
        int result;
        if (q->of_key) {
            sqlite3_bind_int64(s, 5, q->db);
            sqlite_bind_slice(s, 6, q->key);
        }
        sqlite3_bind_int64(s, 1, (int64_t)atomic_load(&r->settled_lsn));
        sqlite3_bind_int(s, 2, (int)q->kind);
        sqlite3_bind_int64(s, 3, (int64_t)min_u64(q->after, INT64_MAX));
        sqlite3_bind_int64(s, 4, (int64_t)min_u64(q->max, RECORDS_PAGE_MAX));
        while ((result = sqlite3_step(s)) == SQLITE_ROW)
            show_row(s, reader);
        if (result != SQLITE_DONE)
            rc = records_fail(r, &r->reader, "reading records", err);
        sqlite3_reset(s);
    }
    lock_release(&r->read_lock);
    return rc;
}

/* --- Dead letters with their values --- */

static enum rc records_append_parts(struct records *r, uint64_t id, struct buf *bytes,
                                    struct err *err) REQUIRES(r->lock)
{
    sqlite3_stmt *s = r->writer.statements[RS_PARTS];
    enum rc rc = RC_OK;
    int result;
    sqlite3_bind_int64(s, 1, (int64_t)id);
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        struct slice part = sqlite_column_slice(s, 0);
        if (buf_try_reserve(bytes, part.len))
            buf_append_slice(bytes, part);
        else
            rc = err_set(err, RC_NOMEM, "out of memory for a dead letter");
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = records_fail(r, &r->writer, "reading a dead letter", err);
    sqlite3_reset(s);
    return rc;
}

static enum rc give_letter(struct records *r, sqlite3_stmt *s, struct buf *bytes,
                           const struct letter_reader *reader, struct err *err) REQUIRES(r->lock)
{
    struct backend_item item;
    struct backend_element *elements = NULL;
    uint64_t id = (uint64_t)sqlite3_column_int64(s, 0);
    struct slice first = sqlite_column_slice(s, 2);
    bytes->len = 0;
    buf_append_slice(bytes, first);
    enum rc rc = records_append_parts(r, id, bytes, err);
    bool known = false;
    if (rc == RC_OK)
        rc = item_decode(buf_slice(bytes), &known, &item, &elements, err);
    if (rc == RC_OK && known)
        rc = reader->each(reader->ctx, &item, err);
    free(elements);
    return rc;
}

enum rc records_each_letter(struct records *r, const struct letter_reader *reader, struct err *err)
{
    struct buf bytes = {0};
    enum rc rc = RC_OK;
    lock_acquire(&r->lock);
    if (r->writer.db != NULL && r->tally.count[RECORD_DEAD_LETTER] > 0) {
        sqlite3_stmt *s = r->writer.statements[RS_LETTERS];
        int result;
        sqlite3_bind_int64(s, 1, (int64_t)atomic_load(&r->settled_lsn));
        while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW)
            rc = give_letter(r, s, &bytes, reader, err);
        if (rc == RC_OK && result != SQLITE_DONE)
            rc = records_fail(r, &r->writer, "reading dead letters", err);
        sqlite3_reset(s);
    }
    lock_release(&r->lock);
    buf_fini(&bytes);
    return rc;
}

/* --- Keys that kept theirs --- */

enum rc records_each_kept(struct records *r, const struct kept_reader *reader, struct err *err)
{
    enum rc rc = RC_OK;
    lock_acquire(&r->lock);
    if (r->writer.db != NULL) {
        sqlite3_stmt *s = r->writer.statements[RS_KEPT];
        int result;
        sqlite3_bind_int64(s, 1, (int64_t)r->applied_lsn);
        while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW)
            rc = reader->each(reader->ctx, (uint32_t)sqlite3_column_int64(s, 0),
                              sqlite_column_slice(s, 1), err);
        if (rc == RC_OK && result != SQLITE_DONE)
            rc = records_fail(r, &r->writer, "reading keys that lost a conflict", err);
        sqlite3_reset(s);
    }
    lock_release(&r->lock);
    return rc;
}
