/* Deleting what has expired: a few rows in a transaction of their own, by the index on expiry.
 *
 * An expired row is absent for everybody, so deleting it changes nothing that anybody can see, no
 * position moves, and it does not matter when power fails before it is on the disk: then it is
 * deleted again. Our own connections run without triggers, so that the change log hears nothing of
 * it. A key of which the log tells something is left alone, because what the key was before that
 * change may still be asked for, and is partly in its rows.
 *
 * Keys go in the order in which they expire. Those that may not go are passed over, so the place is
 * remembered; after the last one that is due it begins again.
 *
 * Thread: walker.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

enum {
    KEYS_MAX = 1000,     /* of one transaction */
    ELEMENTS_MAX = 2000, /* the same */
    LOCK_WAIT_MS = 20,   /* for a batch that is being written */
};

struct due {
    size_t at, len; /* of its key, in `keys` */
    struct backend_item item;
};

struct reap_rows {
    struct sqlite_backend *b;
    const struct sqlite_conn *c;
    const struct backend_reap *what;
    struct due *due;
    uint32_t due_len;
    char *keys;
    size_t keys_len, keys_cap;
    int64_t elements_left;
    struct sqlite_tally tally;
    struct err *err;
};

static bool reap_remember(struct sqlite_reaped *place, const struct backend_item *item)
{
    char *key = realloc(place->key, item->key.len + 1);
    if (key == NULL)
        return false;
    memcpy(key, item->key.ptr, item->key.len);
    place->key = key;
    place->key_len = item->key.len;
    place->db = item->db;
    place->expires_at_ms = item->expires_at_ms;
    return true;
}

void sqlite_reap_fini(struct sqlite_backend *b)
{
    free(b->reaped.key);
    b->reaped.key = NULL;
}

/* Copies what is due: rows are not deleted while a statement walks over them. */
static enum rc add_due(struct reap_rows *r, sqlite3_stmt *s)
{
    struct slice key = sqlite_column_slice(s, 1);
    struct sqlite_head head = sqlite_head_from_row(s, 2, 3);
    if (r->keys_len + key.len > r->keys_cap) {
        size_t cap = (r->keys_len + key.len) * 2;
        char *grown = realloc(r->keys, cap);
        if (grown == NULL)
            return err_set(r->err, RC_NOMEM, "%s: no memory to list what has expired", r->c->path);
        r->keys = grown;
        r->keys_cap = cap;
    }
    if (key.len > 0)
        memcpy(r->keys + r->keys_len, key.ptr, key.len);
    r->due[r->due_len++] = (struct due){
        .at = r->keys_len,
        .len = key.len,
        .item = {.db = (uint32_t)sqlite3_column_int64(s, 0),
                 .type = head.type,
                 .expires_at_ms = head.expires_at_ms},
    };
    r->keys_len += key.len;
    return RC_OK;
}

static enum rc find_due(struct reap_rows *r, uint32_t limit)
{
    const struct sqlite_reaped *from = &r->b->reaped;
    sqlite3_stmt *s =
        sqlite_with_key(r->c, ST_REAP_DUE, from->db, slice_of(from->key, from->key_len));
    sqlite3_bind_int64(s, 3, from->expires_at_ms);
    sqlite3_bind_int64(s, 4, r->what->now_ms);
    sqlite3_bind_int64(s, 5, limit);
    enum rc rc = RC_OK;
    int result = SQLITE_DONE;
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW)
        rc = add_due(r, s);
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(r->c, result, "listing what has expired", r->err);
    sqlite3_reset(s);
    for (uint32_t i = 0; i < r->due_len; i++) /* they do not move any more */
        r->due[i].item.key = slice_of(r->keys + r->due[i].at, r->due[i].len);
    return rc;
}

/* *whole: nothing is left of its elements. */
static enum rc delete_elements(struct reap_rows *r, const struct backend_item *item, bool *whole)
{
    *whole = true;
    if (item->type <= VALUE_STRING)
        return RC_OK;
    enum sqlite_statement id = sqlite_statement_for(ST_HASH_SHORTEN, item->type);
    sqlite3_stmt *s = sqlite_with_key(r->c, id, item->db, item->key);
    sqlite3_bind_int64(s, 3, r->elements_left);
    enum rc rc = sqlite_run(r->c, id, r->err);
    if (rc != RC_OK)
        return rc;
    r->elements_left -= sqlite3_changes64(r->c->db);
    *whole = r->elements_left > 0;
    return RC_OK;
}

static enum rc delete_key(struct reap_rows *r, const struct backend_item *item)
{
    enum rc rc = sqlite_tally_turn(r->c, &r->tally, item->db, r->err);
    if (rc != RC_OK)
        return rc;
    sqlite3_stmt *s = sqlite_with_key(r->c, ST_REAP_KEY, item->db, item->key);
    sqlite3_bind_int64(s, 3, r->what->now_ms);
    rc = sqlite_run(r->c, ST_REAP_KEY, r->err);
    if (rc != RC_OK || sqlite3_changes64(r->c->db) == 0)
        return rc;
    r->tally.keys--;
    r->tally.expires--;
    r->what->on_gone(r->what->ctx, item);
    return RC_OK;
}

static enum rc reap_one(struct reap_rows *r, const struct backend_item *item, bool changes,
                        bool *whole)
{
    int64_t logged = 0;
    enum rc rc = RC_OK;
    *whole = true;
    if (changes) {
        (void)sqlite_with_key(r->c, ST_CHANGE_LAST_OF_KEY, item->db, item->key);
        rc = sqlite_number(r->c, ST_CHANGE_LAST_OF_KEY, 0, &logged, r->err);
    }
    if (rc != RC_OK || logged != 0 || item->type == VALUE_NONE || item->expires_at_ms == 0 ||
        !r->what->may_go(r->what->ctx, item))
        return rc;
    rc = delete_elements(r, item, whole);
    return rc == RC_OK && *whole ? delete_key(r, item) : rc;
}

/* *done: how many of those that are due were looked at to their end. */
static enum rc reap_due(struct reap_rows *r, uint32_t *done)
{
    bool changes, whole = true;
    enum rc rc = sqlite_change_any(r->c, &changes, r->err);
    *done = 0;
    while (rc == RC_OK && whole && *done < r->due_len) {
        rc = reap_one(r, &r->due[*done].item, changes, &whole);
        *done += rc == RC_OK && whole;
    }
    return rc;
}

static enum rc reap_in_transaction(struct reap_rows *r, uint32_t limit, bool *more)
{
    uint32_t done = 0;
    enum rc rc = sqlite_run(r->c, ST_BEGIN_WRITE, r->err);
    if (rc == RC_OK)
        rc = find_due(r, limit);
    if (rc == RC_OK)
        rc = reap_due(r, &done);
    if (rc == RC_OK)
        rc = sqlite_tally_write(r->c, &r->tally, r->err);
    if (rc == RC_OK)
        rc = sqlite_run(r->c, ST_COMMIT, r->err);
    sqlite_rollback(r->c);
    if (rc != RC_OK)
        return rc;
    *more = r->due_len == limit || done < r->due_len;
    if (!*more)
        r->b->reaped.expires_at_ms = INT64_MIN;
    else if (done > 0 && !reap_remember(&r->b->reaped, &r->due[done - 1].item))
        r->b->reaped.expires_at_ms = INT64_MIN;
    return RC_OK;
}

enum rc sqlite_reap(struct backend *pb, const struct backend_reap *what, bool *more,
                    struct err *err)
{
    struct sqlite_backend *b = (struct sqlite_backend *)pb;
    uint32_t limit = what->limit < KEYS_MAX ? what->limit : KEYS_MAX;
    int64_t first;
    *more = false;
    enum rc rc = sqlite_number(&b->walker, ST_REAP_FIRST, INT64_MAX, &first, err);
    if (rc != RC_OK || first > what->now_ms)
        return rc;
    struct reap_rows r = {.b = b,
                          .c = &b->walker,
                          .what = what,
                          .due = calloc(limit, sizeof(*r.due)),
                          .elements_left = ELEMENTS_MAX,
                          .err = err};
    if (r.due == NULL)
        return err_set(err, RC_NOMEM, "%s: no memory to list what has expired", b->path);
    b->walker.wait_ms = LOCK_WAIT_MS;
    rc = reap_in_transaction(&r, limit, more);
    b->walker.wait_ms = b->timeout_ms;
    free(r.due);
    free(r.keys);
    return rc;
}
