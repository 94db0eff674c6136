/* A batch in one transaction: the database map, the items, the cut LSN.
 *
 * What the database refuses leaves the transaction, and the rest goes on. A statement that fails
 * undoes itself, so a string costs nothing for that, and a new value is removed again. Only changes
 * of several rows to a value that is there need a savepoint, which costs more than the rows; so the
 * batch begins without any, and once such a change is refused after a part of it was written, it
 * begins again with them, and so do the next batches. No
 * refusal ends the whole transaction, whatever the owner of the database has said of constraints:
 * our statements say OR ABORT, and triggers are not for us (see configure() in sqlite.c).
 *
 * What a statement that writes an item says, and whose that is:
 *
 *   CONSTRAINT (unique index), TOOBIG, MISMATCH     the item's: refused
 *   no row written, and no error                    the item's: refused
 *   ERROR, and the statement can be prepared anew   the item's: refused. What an index computes
 *                                                   of it cannot be (json(value), no JSON)
 *   ERROR, and it cannot be                         the store's: a table or a function is missing
 *   anything else (BUSY, FULL, IOERR, CORRUPT ...)  the store's: the batch is tried again
 *
 * Strings are the hot path: one upsert each, which overwrites a string and refuses (changes no row)
 * where an aggregate lies, so that nothing needs to be looked up first. Items come in the order of
 * the index, so a batch walks the tree once.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

enum { CAREFUL_BATCHES = 1000 }; /* with savepoints, since one was needed */

struct work {
    struct sqlite_backend *b;
    const struct backend_batch *batch;
    const struct sqlite_conn *c;
    struct backend_applied *done;
    struct err *err;
    struct sqlite_tally tally;
    bool begin_again; /* a refused item has left something behind */
    /* A key that comes in parts is one change: within a savepoint from its first part on. */
    struct parts {
        bool open;                   /* the item before goes on */
        bool refused, kept;          /* it is; theirs stays: the rest is passed over */
        bool decided;                /* as a whole: the rest has no conflict of its own */
        bool saved;                  /* the savepoint is there */
        struct backend_applied done; /* before it */
        struct sqlite_tally tally;
    } parts;
};

static bool can_be_prepared(const struct work *w, sqlite3_stmt *s)
{
    sqlite3_stmt *again = NULL;
    bool can = sqlite3_prepare_v2(w->c->db, sqlite3_sql(s), -1, &again, NULL) == SQLITE_OK;
    sqlite3_finalize(again);
    return can;
}

static enum rc step_row(struct work *w, sqlite3_stmt *s, int bound, const char *what)
{
    int result = bound == SQLITE_OK ? sqlite3_step(s) : bound;
    enum rc rc = RC_OK;
    if (result == SQLITE_DONE)
        w->done->rows += (uint64_t)sqlite3_changes64(w->c->db);
    else
        rc = sqlite_fail(w->c, result, what, w->err);
    sqlite3_reset(s);
    if (result == SQLITE_ERROR && can_be_prepared(w, s))
        rc = w->err->code = RC_REJECTED;
    return rc;
}

static int bind_key(sqlite3_stmt *s, const struct backend_item *item)
{
    int bound = sqlite3_bind_int64(s, 1, item->db);
    return bound == SQLITE_OK ? sqlite_bind_slice(s, 2, item->key) : bound;
}

static int bind_key_row(sqlite3_stmt *s, const struct backend_item *item)
{
    int bound = bind_key(s, item);
    if (bound != SQLITE_OK)
        return bound;
    bound =
        item->type == VALUE_STRING ? sqlite_bind_slice(s, 3, item->value) : sqlite3_bind_null(s, 3);
    if (bound != SQLITE_OK)
        return bound;
    return item->expires_at_ms != 0 ? sqlite3_bind_int64(s, 4, item->expires_at_ms)
                                    : sqlite3_bind_null(s, 4);
}

static enum rc clear_elements(struct work *w, const struct backend_item *item, enum value_type type)
{
    if (type <= VALUE_STRING)
        return RC_OK;
    sqlite3_stmt *s = w->c->statements[sqlite_statement_for(ST_HASH_CLEAR, type)];
    return step_row(w, s, bind_key(s, item), "removing a value");
}

/* A row that is silently not written (a trigger or a constraint that ignores) is refused. */
static enum rc step_put(struct work *w, sqlite3_stmt *s, int bound, const char *what)
{
    uint64_t rows = w->done->rows;
    enum rc rc = step_row(w, s, bound, what);
    if (rc == RC_OK && w->done->rows == rows)
        return err_set(w->err, RC_REJECTED, "%s: %s: the database ignores it", w->c->path, what);
    return rc;
}

/* The row of an item has been written; `before`: what statements had met before that. */
static void tally_put(struct work *w, const struct backend_item *item,
                      const struct sqlite_met *before)
{
    w->tally.keys += 1 - (w->c->met.rows - before->rows);
    w->tally.expires += (item->expires_at_ms != 0) - (w->c->met.expiring - before->expiring);
}

/* Deletes the row of a key, if it is there and of what the statement is about. */
static enum rc delete_key_row(struct work *w, const struct backend_item *item,
                              enum sqlite_statement id)
{
    sqlite3_stmt *s = w->c->statements[id];
    uint64_t rows = w->done->rows;
    int64_t expiring = w->c->met.expiring;
    enum rc rc = step_row(w, s, bind_key(s, item), "deleting a key");
    if (rc == RC_OK && w->done->rows > rows) {
        w->tally.keys--;
        w->tally.expires -= w->c->met.expiring - expiring;
    }
    return rc;
}

static enum rc put_key_row(struct work *w, const struct backend_item *item)
{
    sqlite3_stmt *s = w->c->statements[ST_KEY_PUT];
    struct sqlite_met before = w->c->met;
    int bound = bind_key_row(s, item);
    if (bound == SQLITE_OK)
        bound = sqlite3_bind_int(s, 5, (int)item->type);
    enum rc rc = step_put(w, s, bound, "writing a key");
    if (rc == RC_OK)
        tally_put(w, item, &before);
    return rc;
}

/* Several statements of which all or none counts. */
static enum rc together(struct work *w, const struct backend_item *item,
                        const struct sqlite_head *old,
                        enum rc (*put)(struct work *w, const struct backend_item *item,
                                       const struct sqlite_head *old))
{
    struct backend_applied before = *w->done;
    struct sqlite_tally tally = w->tally;
    struct err ignored;
    enum rc rc = sqlite_run(w->c, ST_SAVEPOINT, w->err);
    if (rc != RC_OK)
        return rc;
    rc = put(w, item, old);
    if (rc == RC_OK)
        return sqlite_run(w->c, ST_RELEASE, w->err);
    *w->done = before;
    w->tally = tally;
    if (rc == RC_REJECTED && (sqlite_run(w->c, ST_ROLLBACK_TO, &ignored) != RC_OK ||
                              sqlite_run(w->c, ST_RELEASE, &ignored) != RC_OK))
        return err_set(w->err, ignored.code, "%s", ignored.text);
    return rc;
}

static enum rc put_over_aggregate(struct work *w, const struct backend_item *item,
                                  const struct sqlite_head *old)
{
    enum rc rc = clear_elements(w, item, old->type);
    return rc == RC_OK ? put_key_row(w, item) : rc;
}

static enum rc put_string(struct work *w, const struct backend_item *item)
{
    sqlite3_stmt *s = w->c->statements[ST_KEY_PUT_STRING];
    uint64_t rows = w->done->rows;
    struct sqlite_met before = w->c->met;
    enum rc rc = step_row(w, s, bind_key_row(s, item), "writing a string");
    if (rc == RC_OK && w->done->rows > rows) {
        tally_put(w, item, &before);
    } else if (rc == RC_OK) {
        struct sqlite_head old;
        rc = sqlite_read_head(w->c, item->db, item->key, &old, w->err);
        if (rc == RC_OK)
            rc = together(w, item, &old, put_over_aggregate);
    }
    if (rc == RC_OK)
        w->done->bytes += item->key.len + item->value.len;
    return rc;
}

static enum rc apply_remove_key(struct work *w, const struct backend_item *item)
{
    uint64_t rows = w->done->rows;
    enum rc rc = delete_key_row(w, item, ST_KEY_DELETE_STRING);
    w->done->bytes += item->key.len;
    if (rc != RC_OK || w->done->rows > rows)
        return rc;

    struct sqlite_head old; /* an aggregate, or nothing */
    rc = sqlite_read_head(w->c, item->db, item->key, &old, w->err);
    if (rc != RC_OK || old.type == VALUE_NONE)
        return rc;
    rc = clear_elements(w, item, old.type);
    return rc == RC_OK ? delete_key_row(w, item, ST_KEY_DELETE) : rc;
}

static int bind_element(sqlite3_stmt *s, enum value_type type, const struct backend_element *e)
{
    int bound = type == VALUE_LIST ? sqlite3_bind_int64(s, 3, e->position)
                                   : sqlite_bind_slice(s, 3, e->name);
    if (bound != SQLITE_OK || e->removed || type == VALUE_SET)
        return bound;
    return type == VALUE_ZSET ? sqlite3_bind_double(s, 4, e->score)
                              : sqlite_bind_slice(s, 4, e->value);
}

/* Key and database stay bound from one element to the next. */
static enum rc put_elements(struct work *w, const struct backend_item *item)
{
    sqlite3_stmt *put = w->c->statements[sqlite_statement_for(ST_HASH_PUT, item->type)];
    sqlite3_stmt *gone = w->c->statements[sqlite_statement_for(ST_HASH_REMOVE, item->type)];
    int key_bound = bind_key(put, item);
    if (key_bound == SQLITE_OK)
        key_bound = bind_key(gone, item);
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < item->elements_len && rc == RC_OK; i++) {
        const struct backend_element *e = &item->elements[i];
        sqlite3_stmt *s = e->removed ? gone : put;
        int bound = key_bound == SQLITE_OK ? bind_element(s, item->type, e) : key_bound;
        rc = step_row(w, s, bound, "writing an element");
        w->done->bytes += e->name.len + e->value.len;
    }
    return rc;
}

static enum rc put_aggregate_over(struct work *w, const struct backend_item *item,
                                  const struct sqlite_head *old)
{
    enum rc rc = RC_OK;
    w->done->bytes += item->key.len;
    if (old->type != item->type)
        rc = clear_elements(w, item, old->type);
    if (rc == RC_OK && item->replace)
        rc = clear_elements(w, item, item->type);
    if (rc == RC_OK && (old->type != item->type || old->expires_at_ms != item->expires_at_ms))
        rc = put_key_row(w, item);
    return rc == RC_OK ? put_elements(w, item) : rc;
}

/* A value that was not there before is undone by removing what there is of it. */
static enum rc undo_new(struct work *w, const struct backend_item *item,
                        const struct backend_applied *before)
{
    struct err why = *w->err;
    enum rc rc = clear_elements(w, item, item->type);
    if (rc == RC_OK)
        rc = delete_key_row(w, item, ST_KEY_DELETE);
    if (rc != RC_OK)
        return rc;
    *w->done = *before;
    *w->err = why;
    return why.code;
}

static enum rc put_aggregate(struct work *w, const struct backend_item *item)
{
    struct sqlite_head old;
    struct backend_applied before = *w->done;
    enum rc rc = sqlite_read_head(w->c, item->db, item->key, &old, w->err);
    if (rc != RC_OK)
        return rc;
    if (w->parts.saved)
        return put_aggregate_over(w, item, &old);
    bool one_row = item->elements_len <= 1 && !item->replace && old.type == item->type &&
                   old.expires_at_ms == item->expires_at_ms;
    if (w->b->careful_batches > 0 && old.type != VALUE_NONE && !one_row)
        return together(w, item, &old, put_aggregate_over);
    rc = put_aggregate_over(w, item, &old);
    if (rc != RC_REJECTED || w->done->rows == before.rows)
        return rc;
    if (old.type == VALUE_NONE)
        return undo_new(w, item, &before);
    w->begin_again = true;
    return rc;
}

static enum rc apply_item(struct work *w, const struct backend_item *item)
{
    enum rc rc = sqlite_tally_turn(w->c, &w->tally, item->db, w->err);
    if (rc != RC_OK)
        return rc;
    switch (item->type) {
    case VALUE_NONE:
        return apply_remove_key(w, item);
    case VALUE_STRING:
        return put_string(w, item);
    case VALUE_HASH:
    case VALUE_LIST:
    case VALUE_SET:
    case VALUE_ZSET:
        return put_aggregate(w, item);
    default:
        return err_set(w->err, RC_REJECTED, "%s: cannot keep a value of type %d", w->c->path,
                       (int)item->type);
    }
}

/* ---- the database map ---- */

enum rc sqlite_empty_db(const struct sqlite_conn *c, uint32_t db, int64_t limit, bool *left,
                        struct err *err)
{
    static const enum sqlite_statement tables[] = {ST_HASH_EMPTY, ST_LIST_EMPTY, ST_SET_EMPTY,
                                                   ST_ZSET_EMPTY, ST_KEY_EMPTY};
    *left = false;
    for (size_t i = 0; i < COUNT_OF(tables) && !*left; i++) {
        sqlite3_bind_int64(c->statements[tables[i]], 1, db);
        sqlite3_bind_int64(c->statements[tables[i]], 2, limit);
        enum rc rc = sqlite_run(c, tables[i], err);
        if (rc != RC_OK)
            return rc;
        *left = sqlite3_changes64(c->db) == limit;
    }
    return RC_OK;
}

static enum rc run_with(const struct sqlite_conn *c, enum sqlite_statement id, int64_t number,
                        struct err *err)
{
    sqlite3_bind_int64(c->statements[id], 1, number);
    return sqlite_run(c, id, err);
}

/* Store databases that the new map does not name are garbage from now on. */
static enum rc drop_unnamed(struct work *w, const struct backend_dbmap *map)
{
    sqlite3_stmt *s = w->c->statements[ST_MAP];
    enum rc rc = RC_OK;
    int result = SQLITE_DONE;
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t store_db = sqlite3_column_int64(s, 1);
        if (!backend_dbmap_names(map, store_db))
            rc = run_with(w->c, ST_DROPPED_ADD, store_db, w->err);
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(w->c, result, "reading weir_db", w->err);
    sqlite3_reset(s);
    return rc;
}

/* A number that is used again must not show what its rows were before. */
static enum rc empty_if_dropped(struct work *w, uint32_t store_db)
{
    int64_t dropped;
    bool left;
    sqlite3_bind_int64(w->c->statements[ST_DROPPED_FIND], 1, store_db);
    enum rc rc = sqlite_number(w->c, ST_DROPPED_FIND, 0, &dropped, w->err);
    if (rc != RC_OK || dropped == 0)
        return rc;
    rc = sqlite_empty_db(w->c, store_db, -1, &left, w->err);
    if (rc == RC_OK)
        rc = run_with(w->c, ST_DROPPED_DONE, store_db, w->err);
    return rc == RC_OK ? sqlite_count_forget(w->b, store_db, w->err) : rc;
}

/* Whether weir_db says what it is to say. It does not when the map has changed, nor when somebody
 * else wrote into the table: then all rows of a database would belong to nobody at the next start.
 */
static enum rc is_map(struct work *w, const struct backend_dbmap *map, bool *same)
{
    sqlite3_stmt *s = w->c->statements[ST_MAP];
    int64_t n = 0;
    int result;
    *same = true;
    while (*same && (result = sqlite3_step(s)) == SQLITE_ROW) {
        *same = n < map->len && sqlite3_column_int64(s, 0) == n &&
                sqlite3_column_int64(s, 1) == map->store_db[n];
        n++;
    }
    enum rc rc = *same && result != SQLITE_DONE
                     ? sqlite_fail(w->c, result, "reading weir_db", w->err)
                     : RC_OK;
    sqlite3_reset(s);
    *same = *same && n == map->len;
    return rc;
}

static enum rc apply_map(struct work *w, const struct backend_dbmap *map)
{
    bool same;
    enum rc rc = is_map(w, map, &same);
    if (rc != RC_OK || same)
        return rc;
    rc = drop_unnamed(w, map);
    if (rc == RC_OK)
        rc = sqlite_run(w->c, ST_MAP_CLEAR, w->err);
    for (uint32_t i = 0; i < map->len && rc == RC_OK; i++) {
        sqlite3_bind_int64(w->c->statements[ST_MAP_ADD], 2, map->store_db[i]);
        rc = run_with(w->c, ST_MAP_ADD, i, w->err);
        if (rc == RC_OK)
            rc = empty_if_dropped(w, map->store_db[i]);
    }
    return rc;
}

/* ---- the batch ---- */

static void tell_refused(struct work *w, uint32_t item)
{
    if (w->batch->on_refused != NULL)
        w->batch->on_refused(w->batch->ctx, item, w->err);
}

/* What conflicts of an item is decided; *item: what is to be applied of it. */
static enum rc apply_settle_item(struct work *w, const struct backend_batch *piece, uint32_t i,
                                 const struct backend_item **item)
{
    struct parts *p = &w->parts;
    const struct backend_item *ours = &piece->items[i];
    bool goes_on = ours->goes_on, whole = false;
    if (p->open && p->decided) /* by the first part; its log goes with the last one */
        return goes_on ? RC_OK : sqlite_change_forget(w->c, ours, w->err);
    enum rc rc = sqlite_change_settle(w->b, piece, i, item, &whole, w->err);
    if (rc == RC_OK && (goes_on || p->open)) {
        p->decided = p->decided || whole || ours->replace;
        p->kept = p->kept || (whole && *item == NULL);
    }
    return rc;
}

static enum rc begin_parts(struct work *w)
{
    w->parts = (struct parts){.saved = true, .done = *w->done, .tally = w->tally};
    return sqlite_run(w->c, ST_SAVEPOINT, w->err);
}

/* Nothing of a key is applied of which a part was refused. */
static enum rc apply_refuse_parts(struct work *w, uint32_t i)
{
    struct parts *p = &w->parts;
    tell_refused(w, i);
    *w->done = p->done;
    w->tally = p->tally;
    p->refused = true;
    p->saved = false;
    enum rc rc = sqlite_run(w->c, ST_ROLLBACK_TO, w->err);
    return rc == RC_OK ? sqlite_run(w->c, ST_RELEASE, w->err) : rc;
}

static enum rc apply_end_parts(struct work *w)
{
    bool saved = w->parts.saved;
    w->parts = (struct parts){.open = false};
    return saved ? sqlite_run(w->c, ST_RELEASE, w->err) : RC_OK;
}

static enum rc apply_one(struct work *w, const struct backend_batch *piece, uint32_t i,
                         bool changes)
{
    struct parts *p = &w->parts;
    const struct backend_item *item = &piece->items[i];
    bool goes_on = item->goes_on, is_part = p->open || goes_on;
    enum rc rc = goes_on && !p->open ? begin_parts(w) : RC_OK;
    if (rc == RC_OK && changes && !p->refused)
        rc = apply_settle_item(w, piece, i, &item);
    if (rc == RC_OK && item != NULL && !p->refused && !p->kept)
        rc = apply_item(w, item);
    if (rc == RC_REJECTED && is_part) {
        rc = apply_refuse_parts(w, i);
    } else if (rc == RC_REJECTED && !w->begin_again) {
        tell_refused(w, i);
        rc = RC_OK;
    }
    p->open = goes_on;
    return rc == RC_OK && is_part && !goes_on ? apply_end_parts(w) : rc;
}

static enum rc apply_piece(struct work *w, const struct backend_batch *piece, bool changes)
{
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < piece->items_len && rc == RC_OK; i++)
        rc = apply_one(w, piece, i, changes);
    return rc;
}

static enum rc apply_pieces(struct work *w)
{
    bool changes;
    struct backend_batch piece = {0};
    enum rc rc = sqlite_change_any(w->c, &changes, w->err);
    while (rc == RC_OK && (rc = backend_next_piece(w->batch, &piece, w->err)) == RC_OK)
        rc = apply_piece(w, &piece, changes);
    return rc == RC_NOT_FOUND ? sqlite_tally_write(w->c, &w->tally, w->err) : rc;
}

static enum rc put_meta(struct work *w, struct slice name, int64_t number)
{
    sqlite3_stmt *s = w->c->statements[ST_META_PUT];
    sqlite_bind_slice(s, 1, name);
    sqlite3_bind_int64(s, 2, number);
    return sqlite_run(w->c, ST_META_PUT, w->err);
}

/* Whose store this is and of when, in the transaction of the batch: the file may have been
 * exchanged, restored, or joined with another journal, since it was opened. */
static enum rc check_mark(struct work *w, const struct backend_batch *batch)
{
    struct backend_mark now = {0};
    enum rc rc = sqlite_guard_restored(w->b, w->err);
    if (rc == RC_OK)
        rc = sqlite_read_journal_id(w->c, &now, w->err);
    if (rc != RC_OK || batch->joins ||
        memcmp(now.journal_id, batch->mark.journal_id, sizeof(now.journal_id)) == 0)
        return rc;
    return err_set(w->err, RC_FOREIGN,
                   "%s: belongs to another journal by now; nothing is written to it. Put the "
                   "right file back, or stop and see `weirctl store`",
                   w->c->path);
}

/* The position commits with what it is the position of. */
static enum rc put_mark(struct work *w, const struct backend_batch *batch)
{
    const struct backend_mark *mark = &batch->mark;
    sqlite3_stmt *s = w->c->statements[ST_META_PUT];
    enum rc rc = batch->joins ? put_meta(w, SLICE("cut_lsn"), (int64_t)batch->cut_lsn)
                              : run_with(w->c, ST_META_CUT, (int64_t)batch->cut_lsn, w->err);
    if (rc == RC_OK)
        rc = put_meta(w, SLICE("journal_durable"), (int64_t)mark->durable_lsn);
    if (rc == RC_OK)
        rc = put_meta(w, SLICE("cut_at_ms"), mark->cut_at_ms);
    if (rc == RC_OK)
        rc = put_meta(w, SLICE("accepts_lsn"), (int64_t)mark->accepts_lsn);
    if (rc != RC_OK || !batch->joins)
        return rc;
    sqlite_bind_slice(s, 1, SLICE("journal_id"));
    sqlite3_bind_blob64(s, 2, mark->journal_id, sizeof(mark->journal_id), SQLITE_STATIC);
    return sqlite_run(w->c, ST_META_PUT, w->err);
}

static enum rc apply_attempt(struct work *w)
{
    const struct backend_batch *batch = w->batch;
    *w->done = (struct backend_applied){0};
    w->tally = (struct sqlite_tally){0};
    w->begin_again = false;
    w->parts = (struct parts){.open = false};
    if (batch->on_begin != NULL)
        batch->on_begin(batch->ctx);
    enum rc rc = sqlite_run(w->c, ST_BEGIN_WRITE, w->err);
    if (rc == RC_OK)
        rc = check_mark(w, batch);
    if (rc == RC_OK && batch->dbmap != NULL)
        rc = apply_map(w, batch->dbmap);
    if (rc == RC_OK)
        rc = apply_pieces(w);
    if (rc == RC_OK)
        rc = put_mark(w, batch);
    if (rc == RC_OK && batch->before_commit != NULL)
        rc = batch->before_commit(batch->ctx, w->err);
    if (rc == RC_OK)
        rc = sqlite_change_commit(w->b, w->c, w->err);
    sqlite_rollback(w->c);
    return rc;
}

enum rc sqlite_apply(struct backend *pb, const struct backend_batch *batch,
                     struct backend_applied *out, struct err *err)
{
    struct sqlite_backend *b = (struct sqlite_backend *)pb;
    struct backend_applied done;
    struct err ignored;
    struct work w = {.b = b,
                     .batch = batch,
                     .c = &b->writer,
                     .done = &done,
                     .err = err != NULL ? err : &ignored};
    enum rc rc = apply_attempt(&w);
    if (w.begin_again) {
        b->careful_batches = CAREFUL_BATCHES;
        rc = apply_attempt(&w);
    } else if (rc == RC_OK && b->careful_batches > 0) {
        b->careful_batches--;
    }
    if (rc != RC_OK)
        return rc;
    b->applied_since = true;
    sqlite_change_committed(b);
    *out = done;
    return RC_OK;
}
