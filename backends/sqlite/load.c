/* Reading: one key with all its elements, the keys of a database in order, their number.
 *
 * Recovery reads keys as they were before others changed them: the journal was written on top of
 * that, and the change meets what comes of it as a conflict. See ELEMENTS_BEFORE.
 *
 * load runs on the loader's connection, scan and count on the walker's: they read for long, and no
 * load waits for them. sqlite_read_key() is used by apply, too, on the flusher's, to show what a
 * conflicting key holds now.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/clock.h"

#include <stdlib.h>

/* What an element costs a piece beside its bytes, so that a million empty ones are many too. */
enum { ELEMENT_COST = 64, ELEMENTS_MAX = BACKEND_PIECE_BYTES / ELEMENT_COST };

bool sqlite_piece_start(struct sqlite_piece *p)
{
    if (p->bytes == NULL)
        p->bytes = malloc(BACKEND_PIECE_BYTES);
    if (p->elements == NULL)
        p->elements = malloc(ELEMENTS_MAX * sizeof(*p->elements));
    p->bytes_len = 0;
    p->elements_len = 0;
    return p->bytes != NULL && p->elements != NULL;
}

void sqlite_piece_fini(struct sqlite_piece *p)
{
    free(p->bytes);
    free(p->elements);
    p->bytes = NULL;
    p->elements = NULL;
}

static size_t element_bytes(const struct backend_element *e)
{
    return e->name.len + e->value.len;
}

static bool piece_fits(const struct sqlite_piece *p, const struct backend_element *e)
{
    size_t used = p->bytes_len + (size_t)p->elements_len * ELEMENT_COST;
    return element_bytes(e) <= BACKEND_PIECE_BYTES &&
           used + element_bytes(e) + ELEMENT_COST <= BACKEND_PIECE_BYTES;
}

static struct slice piece_keep(struct sqlite_piece *p, struct slice bytes)
{
    char *at = p->bytes + p->bytes_len;
    if (bytes.len > 0)
        memcpy(at, bytes.ptr, bytes.len);
    p->bytes_len += bytes.len;
    return slice_of(at, bytes.len);
}

bool sqlite_piece_add(struct sqlite_piece *p, const struct backend_element *e)
{
    if (!piece_fits(p, e))
        return false;
    struct backend_element *kept = &p->elements[p->elements_len++];
    *kept = *e;
    kept->name = piece_keep(p, e->name);
    kept->value = piece_keep(p, e->value);
    return true;
}

void sqlite_element_from_row(sqlite3_stmt *s, enum value_type type, struct backend_element *e)
{
    memset(e, 0, sizeof(*e));
    if (type == VALUE_LIST)
        e->position = sqlite3_column_int64(s, 0);
    else
        e->name = sqlite_column_slice(s, 0);
    if (type == VALUE_ZSET)
        e->score = sqlite3_column_double(s, 1);
    else if (type != VALUE_SET)
        e->value = sqlite_column_slice(s, 1);
}

static enum rc emit_elements(struct sqlite_piece *p, struct backend_item *item,
                             const struct backend_element *elements, uint32_t n, backend_emit *emit,
                             void *ctx)
{
    item->elements = elements;
    item->elements_len = n;
    enum rc rc = emit(ctx, item);
    item->replace = false; /* the pieces after the first */
    p->bytes_len = 0;
    p->elements_len = 0;
    return rc;
}

struct load_reading {
    const struct sqlite_conn *c;
    struct sqlite_piece *p;
    backend_emit *emit;
    void *ctx;
};

/* Walks the rows of an aggregate that `s` yields in the order of the elements. What is emitted is
 * not the last piece as long as a row is in hand. */
static enum rc load_read_elements(const struct load_reading *r, sqlite3_stmt *s,
                                  struct backend_item *item, struct err *err)
{
    struct sqlite_piece *p = r->p;
    backend_emit *emit = r->emit;
    void *ctx = r->ctx;
    if (!sqlite_piece_start(p))
        return err_set(err, RC_NOMEM, "%s: no memory to load a value", r->c->path);
    enum rc rc = RC_OK;
    bool any = false;
    int result;
    p->last = false;
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        struct backend_element e;
        any = true;
        sqlite_element_from_row(s, item->type, &e);
        if (p->elements_len > 0 && !piece_fits(p, &e))
            rc = emit_elements(p, item, p->elements, p->elements_len, emit, ctx);
        if (rc != RC_OK)
            break;
        if (!sqlite_piece_add(p, &e)) /* larger than a piece: straight from the row */
            rc = emit_elements(p, item, &e, 1, emit, ctx);
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(r->c, result, "loading a value", err);
    sqlite3_reset(s);
    p->last = true;
    if (!any)
        item->type = VALUE_NONE; /* an aggregate without elements does not exist */
    if (rc == RC_OK && (p->elements_len > 0 || !any))
        rc = emit_elements(p, item, p->elements, p->elements_len, emit, ctx);
    return rc;
}

static bool expired(int64_t expires_at_ms)
{
    return expires_at_ms != 0 && expires_at_ms <= clock_wall().ms;
}

enum rc sqlite_read_key(const struct sqlite_conn *c, struct sqlite_piece *p,
                        const struct backend_item *key, backend_emit *emit, void *ctx,
                        struct err *err)
{
    struct backend_item item = {.db = key->db, .key = key->key, .replace = true};
    sqlite3_stmt *s = sqlite_with_key(c, ST_KEY, key->db, key->key);
    int result = sqlite3_step(s);
    enum rc rc = RC_OK;

    p->last = true;
    if (result != SQLITE_ROW && result != SQLITE_DONE) {
        rc = sqlite_fail(c, result, "loading a key", err);
        sqlite3_reset(s);
        return rc;
    }
    if (result == SQLITE_ROW) {
        struct sqlite_head head = sqlite_head_from_row(s, 0, 1);
        bool live = key->expires_at_ms == BACKEND_EVEN_EXPIRED || !expired(head.expires_at_ms);
        item.type = live ? head.type : VALUE_NONE;
        item.expires_at_ms = head.expires_at_ms;
    }
    if (item.type > VALUE_STRING) {
        sqlite3_reset(s);
        struct load_reading r = {c, p, emit, ctx};
        enum sqlite_statement id = sqlite_statement_for(ST_HASH, item.type);
        return load_read_elements(&r, sqlite_with_key(c, id, item.db, item.key), &item, err);
    }
    if (item.type == VALUE_STRING)
        item.value = sqlite_column_slice(s, 2);
    rc = emit(ctx, &item);
    sqlite3_reset(s);
    return rc;
}

/* Whether an aggregate has an element; without one it does not exist. */
static enum rc has_elements(const struct sqlite_conn *c, const struct backend_item *item, bool *has,
                            struct err *err)
{
    enum sqlite_statement id = sqlite_statement_for(ST_HASH_ANY, item->type);
    int64_t found;
    sqlite_with_key(c, id, item->db, item->key);
    enum rc rc = sqlite_number(c, id, 0, &found, err);
    *has = found != 0;
    return rc;
}

/* Type and expiry: looks at no page of the value. */
static enum rc load_read_head(const struct load_reading *r, const struct backend_item *key,
                              struct err *err)
{
    struct sqlite_head head;
    bool has = true;
    enum rc rc = sqlite_read_head(r->c, key->db, key->key, &head, err);
    struct backend_item item = {.db = key->db,
                                .key = key->key,
                                .type = expired(head.expires_at_ms) ? VALUE_NONE : head.type,
                                .expires_at_ms = head.expires_at_ms,
                                .replace = true};
    if (rc == RC_OK && item.type > VALUE_STRING)
        rc = has_elements(r->c, &item, &has, err);
    if (!has)
        item.type = VALUE_NONE;
    return rc == RC_OK ? r->emit(r->ctx, &item) : rc;
}

/* Recovery: the key as it was before the first change in the log; *found says whether there is one.
 * Expired or not: it was not when the journalled command ran. */
static enum rc read_key_before(const struct load_reading *r, const struct backend_item *key,
                               bool *found, struct err *err)
{
    struct backend_item item = {.db = key->db, .key = key->key, .replace = true};
    sqlite3_stmt *s = sqlite_with_key(r->c, ST_CHANGE_OF_KEY, key->db, key->key);
    sqlite3_bind_int64(s, 3, 0);
    int result = sqlite3_step(s);
    enum rc rc = RC_OK;
    *found = result == SQLITE_ROW;
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        rc = sqlite_fail(r->c, result, "reading the change log", err);
    if (*found) {
        struct sqlite_head head = sqlite_head_from_row(s, 1, 3);
        item.type = head.type;
        item.expires_at_ms = head.expires_at_ms;
    }
    if (item.type == VALUE_STRING)
        item.value = sqlite_column_slice(s, 2);
    if (*found && item.type <= VALUE_STRING)
        rc = r->emit(r->ctx, &item);
    sqlite3_reset(s);
    if (item.type <= VALUE_STRING)
        return rc;
    s = sqlite_with_key(r->c, sqlite_statement_for(ST_HASH_BEFORE, item.type), key->db, key->key);
    sqlite3_bind_int(s, 3, (int)item.type);
    return load_read_elements(r, s, &item, err);
}

static enum rc read_base(const struct load_reading *r, const struct backend_item *key,
                         struct err *err)
{
    bool found;
    enum rc rc = read_key_before(r, key, &found, err);
    return rc == RC_OK && !found ? sqlite_read_key(r->c, r->p, key, r->emit, r->ctx, err) : rc;
}

enum rc sqlite_load(struct backend *pb, const struct backend_item *keys, uint32_t n,
                    backend_emit *emit, void *ctx, struct err *err)
{
    struct sqlite_backend *b = (struct sqlite_backend *)pb;
    struct load_reading r = {&b->reader, &b->piece, emit, ctx};
    bool changes = false, recovering = b->data_version < 0;
    enum rc rc = sqlite_run(&b->reader, ST_BEGIN_READ, err);
    if (rc == RC_OK)
        rc = sqlite_change_any(&b->reader, &changes, err);
    for (uint32_t i = 0; i < n && rc == RC_OK; i++) {
        if (changes)
            rc = sqlite_change_resolve(b, keys[i].db, keys[i].key, err);
        if (rc == RC_OK && changes && recovering && keys[i].expires_at_ms == BACKEND_EVEN_EXPIRED)
            rc = read_base(&r, &keys[i], err);
        else if (rc == RC_OK && keys[i].head_only)
            rc = load_read_head(&r, &keys[i], err);
        else if (rc == RC_OK)
            rc = sqlite_read_key(&b->reader, &b->piece, &keys[i], emit, ctx, err);
    }
    sqlite_rollback(&b->reader);
    if (changes)
        sqlite_change_relieve(b);
    return rc;
}

enum rc sqlite_scan(struct backend *pb, uint32_t db, struct slice after, uint32_t limit,
                    backend_emit *emit, void *ctx, struct err *err)
{
    struct sqlite_backend *b = (struct sqlite_backend *)pb;
    sqlite3_stmt *s =
        sqlite_with_key(&b->walker, after.len == 0 ? ST_SCAN_START : ST_SCAN_AFTER, db, after);
    sqlite3_bind_int64(s, 3, clock_wall().ms);
    sqlite3_bind_int64(s, 4, limit);
    enum rc rc = RC_OK;
    int result = SQLITE_DONE;
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        struct sqlite_head head = sqlite_head_from_row(s, 1, 2);
        struct backend_item item = {.db = db,
                                    .key = sqlite_column_slice(s, 0),
                                    .type = head.type,
                                    .expires_at_ms = head.expires_at_ms};
        if (head.type != VALUE_NONE)
            rc = emit(ctx, &item);
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(&b->walker, result, "listing keys", err);
    sqlite3_reset(s);
    return rc;
}
