/* An item of ours meets what others changed of its key since the proxy last looked.
 *
 * Whether it conflicts element by element or as a whole, backend_conflicts_by_element() says. The
 * log has what each element was before its first change; what it is now is read where it matters.
 *
 * Runs inside the transaction of a batch; ST_CHANGE_OF_KEY stands on the first row of the key's
 * log.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include <stdlib.h>

enum { BASE_ELEMENTS_MAX = 1024 }; /* shown of what a key held before */

/* The elements of an item, and which of them somebody else has changed. */
struct sqlite_overlap {
    size_t cap, len;
    struct place {
        const struct backend_element *e;
        bool seen, changed; /* in the log; and it is not what it was */
    } * sorted;
    struct backend_element *rest, *lost; /* what is applied in any case, what conflicts */
    uint32_t rest_len, lost_len;
    struct backend_item applied; /* the item, with `rest` */
    bool others;                 /* elements that are not ours were changed */
};

struct settling {
    const struct backend_batch *batch;
    uint32_t item;
    const struct sqlite_piece *theirs;
    struct backend_conflict conflict;
    enum backend_verdict verdict;
};

/* Changed and changed back, or a statement that changed nothing. */
static bool nothing_changed(const struct backend_item *base, const struct backend_item *theirs)
{
    if (base->type != theirs->type || base->expires_at_ms != theirs->expires_at_ms)
        return false;
    return base->type == VALUE_NONE ||
           (base->type == VALUE_STRING && slice_eq(base->value, theirs->value));
}

/* Receives the first piece of theirs, which is what a conflict shows. */
static enum rc decide(void *ctx, const struct backend_item *item)
{
    struct settling *st = ctx;
    struct backend_item theirs = *item;
    theirs.replace = st->theirs->last; /* false: there is more */
    st->conflict.theirs = &theirs;
    if (nothing_changed(st->conflict.base, &theirs) || st->batch->on_conflict == NULL)
        st->verdict = BACKEND_APPLY;
    else
        st->verdict = st->batch->on_conflict(st->batch->ctx, st->item, &st->conflict);
    return st->theirs->last ? RC_OK : RC_AGAIN;
}

static bool has_element(const struct sqlite_piece *p, enum value_type type,
                        const struct backend_element *e)
{
    for (uint32_t i = 0; i < p->elements_len; i++) {
        const struct backend_element *other = &p->elements[i];
        if (type == VALUE_LIST ? other->position == e->position : slice_eq(other->name, e->name))
            return true;
    }
    return false;
}

static void element_from_log(sqlite3_stmt *s, enum value_type type, struct backend_element *e)
{
    memset(e, 0, sizeof(*e));
    e->removed = sqlite3_column_int(s, 0) == 2;
    if (type == VALUE_LIST)
        e->position = sqlite3_column_int64(s, 4);
    else
        e->name = sqlite_column_slice(s, 4);
    if (e->removed || type == VALUE_SET)
        return;
    if (type == VALUE_ZSET)
        e->score = sqlite3_column_double(s, 2);
    else
        e->value = sqlite_column_slice(s, 2);
}

/* Reads on through the log of the key: the first thing said about an element is what it was.
 * Elements that nobody touched are not in the log, so base->replace is false. */
static int collect_elements(sqlite3_stmt *s, struct sqlite_piece *p, struct backend_item *base)
{
    int result = SQLITE_ROW;
    do {
        struct backend_element e;
        int type = sqlite3_column_int(s, 1);
        if (sqlite3_column_int(s, 0) == 0 || type != (int)base->type)
            continue;
        element_from_log(s, base->type, &e);
        if (!has_element(p, base->type, &e) && !sqlite_piece_add(p, &e))
            break;
    } while (p->elements_len < BASE_ELEMENTS_MAX && (result = sqlite3_step(s)) == SQLITE_ROW);
    base->elements = p->elements;
    base->elements_len = p->elements_len;
    return result == SQLITE_DONE ? SQLITE_ROW : result;
}

/* ---- keys as a whole ---- */

static void base_from_row(sqlite3_stmt *s, struct backend_item *base)
{
    struct sqlite_head head = sqlite_head_from_row(s, 1, 3);
    base->type = head.type;
    base->expires_at_ms = head.expires_at_ms;
    base->replace = base->type <= VALUE_STRING;
    if (base->type == VALUE_STRING)
        base->value = sqlite_column_slice(s, 2);
}

/* Builds base from the first row and decides. `s` stays on that row for a string, whose bytes are
 * used from there. */
static enum rc decide_whole(struct sqlite_backend *b, struct settling *st, sqlite3_stmt *s,
                            struct err *err)
{
    struct backend_item base = {.db = st->conflict.ours->db, .key = st->conflict.ours->key};
    base_from_row(s, &base);
    if (base.type > VALUE_STRING) {
        if (!sqlite_piece_start(&b->before))
            return err_set(err, RC_NOMEM, "%s: no memory for a conflict", b->path);
        int result = collect_elements(s, &b->before, &base);
        if (result != SQLITE_ROW)
            return sqlite_fail(&b->writer, result, "reading the change log", err);
    }
    st->conflict.base = &base;
    enum rc rc = sqlite_read_key(&b->writer, &b->theirs, st->conflict.ours, decide, st, err);
    return rc == RC_AGAIN ? RC_OK : rc; /* decided after the first piece */
}

/* ---- elements ---- */

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return backend_element_order(x->e, y->e);
}

static bool overlap_start(struct sqlite_overlap *o, const struct backend_item *item)
{
    size_t n = item->elements_len;
    if (n > o->cap || o->cap == 0) {
        free(o->sorted);
        free(o->rest);
        free(o->lost);
        o->sorted = calloc(n + 1, sizeof(*o->sorted));
        o->rest = calloc(n + 1, sizeof(*o->rest));
        o->lost = calloc(n + 1, sizeof(*o->lost));
        o->cap = o->sorted != NULL && o->rest != NULL && o->lost != NULL ? n + 1 : 0;
    }
    o->len = n;
    o->rest_len = o->lost_len = 0;
    o->others = false;
    if (o->cap == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        o->sorted[i] = (struct place){.e = &item->elements[i]};
    qsort(o->sorted, n, sizeof(*o->sorted), place_order);
    return true;
}

void sqlite_conflict_fini(struct sqlite_backend *b)
{
    if (b->overlap == NULL)
        return;
    free(b->overlap->sorted);
    free(b->overlap->rest);
    free(b->overlap->lost);
    free(b->overlap);
    b->overlap = NULL;
}

/* What an element is now; removed: it is not there. Valid until the statement's next use. */
static enum rc read_element(struct sqlite_backend *b, const struct backend_item *item,
                            const struct backend_element *which, struct backend_element *now,
                            sqlite3_stmt **used, struct err *err)
{
    enum sqlite_statement id = sqlite_statement_for(ST_HASH_GET, item->type);
    sqlite3_stmt *s = *used = sqlite_with_key(&b->writer, id, item->db, item->key);
    if (item->type == VALUE_LIST)
        sqlite3_bind_int64(s, 3, which->position);
    else
        sqlite_bind_slice(s, 3, which->name);
    int result = sqlite3_step(s);
    *now = (struct backend_element){
        .name = which->name, .position = which->position, .removed = result != SQLITE_ROW};
    if (result == SQLITE_ROW)
        sqlite_element_from_row(s, item->type, now);
    return result == SQLITE_ROW || result == SQLITE_DONE
               ? RC_OK
               : sqlite_fail(&b->writer, result, "reading an element", err);
}

static bool conflict_same_element(const struct backend_element *a, const struct backend_element *b)
{
    return a->removed == b->removed &&
           (a->removed ||
            (slice_eq(a->value, b->value) && !(a->score < b->score) && !(a->score > b->score)));
}

/* One row of the log: the first thing that it says of an element is what that was. */
static enum rc look_at_row(struct sqlite_backend *b, const struct backend_item *item,
                           sqlite3_stmt *s, struct err *err)
{
    struct sqlite_overlap *o = b->overlap;
    struct backend_element was, now;
    sqlite3_stmt *used;
    element_from_log(s, item->type, &was);
    struct place key = {.e = &was};
    struct place *p = bsearch(&key, o->sorted, o->len, sizeof(*p), place_order);
    if (p == NULL) {
        o->others = true;
        return RC_OK;
    }
    if (p->seen)
        return RC_OK;
    p->seen = true;
    enum rc rc = read_element(b, item, &was, &now, &used, err);
    if (rc == RC_OK && !conflict_same_element(&was, &now)) {
        p->changed = true;
        (void)sqlite_piece_add(&b->before, &was); /* what does not fit is not shown */
        (void)sqlite_piece_add(&b->theirs, &now);
    }
    sqlite3_reset(used);
    return rc;
}

static void part(struct sqlite_overlap *o)
{
    for (size_t i = 0; i < o->len; i++) {
        if (o->sorted[i].changed)
            o->lost[o->lost_len++] = *o->sorted[i].e;
        else
            o->rest[o->rest_len++] = *o->sorted[i].e;
    }
}

/* Asks about the elements that were changed here and there. */
static enum backend_verdict decide_elements(struct sqlite_backend *b,
                                            const struct backend_batch *batch, uint32_t index)
{
    const struct sqlite_overlap *o = b->overlap;
    struct backend_item ours = batch->items[index], base = ours, theirs = ours;
    ours.elements = o->lost;
    ours.elements_len = o->lost_len;
    base.elements = b->before.elements;
    base.elements_len = b->before.elements_len;
    theirs.elements = b->theirs.elements;
    theirs.elements_len = b->theirs.elements_len;
    struct backend_conflict conflict = {&ours, &base, &theirs};
    return batch->on_conflict != NULL ? batch->on_conflict(batch->ctx, index, &conflict)
                                      : BACKEND_APPLY;
}

static enum rc decide_by_element(struct sqlite_backend *b, const struct backend_batch *batch,
                                 uint32_t index, sqlite3_stmt *s, const struct backend_item **item,
                                 struct err *err)
{
    struct sqlite_overlap *o = b->overlap;
    const struct backend_item *ours = &batch->items[index];
    if (!overlap_start(o, ours) || !sqlite_piece_start(&b->before) ||
        !sqlite_piece_start(&b->theirs))
        return err_set(err, RC_NOMEM, "%s: no memory for a conflict", b->path);
    enum rc rc = RC_OK;
    int result = SQLITE_ROW;
    for (; rc == RC_OK && result == SQLITE_ROW; result = sqlite3_step(s)) {
        if (sqlite3_column_int(s, 0) != 0 && sqlite3_column_int(s, 1) == (int)ours->type)
            rc = look_at_row(b, ours, s, err);
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(&b->writer, result, "reading the change log", err);
    if (rc != RC_OK)
        return rc;
    part(o);
    if (o->lost_len > 0 && decide_elements(b, batch, index) == BACKEND_KEEP) {
        o->applied = *ours;
        o->applied.elements = o->rest;
        o->applied.elements_len = o->rest_len;
        *item = o->rest_len > 0 ? &o->applied : NULL;
    }
    if ((o->others || o->lost_len > 0) && batch->on_merged != NULL)
        batch->on_merged(batch->ctx, index);
    return RC_OK;
}

/* ---- an item ---- */

enum rc sqlite_conflict_decide(struct sqlite_backend *b, const struct backend_batch *batch,
                               uint32_t index, const struct backend_item **item, bool *whole,
                               struct err *err)
{
    const struct backend_item *ours = &batch->items[index];
    sqlite3_stmt *s = b->writer.statements[ST_CHANGE_OF_KEY];
    struct backend_item base = {.type = VALUE_NONE};
    struct sqlite_head now;
    base_from_row(s, &base);
    enum rc rc = sqlite_read_head(&b->writer, ours->db, ours->key, &now, err);
    if (b->overlap == NULL)
        b->overlap = calloc(1, sizeof(*b->overlap));
    if (rc == RC_OK && b->overlap == NULL)
        rc = err_set(err, RC_NOMEM, "%s: no memory for a conflict", b->path);
    if (rc != RC_OK)
        return rc;
    struct backend_item theirs = {.type = now.type, .expires_at_ms = now.expires_at_ms};
    if (backend_conflicts_by_element(ours, &base, &theirs))
        return decide_by_element(b, batch, index, s, item, err);
    *whole = true;
    struct settling st = {
        .batch = batch, .item = index, .theirs = &b->theirs, .conflict = {.ours = ours}};
    rc = decide_whole(b, &st, s, err);
    if (rc == RC_OK && st.verdict == BACKEND_KEEP)
        *item = NULL;
    return rc;
}
