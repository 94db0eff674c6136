/* What operators ask for about records: listing, retrying and dropping. The cutter does it, a page
 * at a time, since a worker neither reads nor writes files, nor waits for a batch that is being
 * recorded.
 *
 * A dead letter that has newer changes on top (its entry is dirty, or in a batch again) is not
 * dropped: its value is what those changes rest on after a crash. Their batch makes it void, or a
 * newer dead letter.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "config/options.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PAGE = 500 };

struct listed {
    struct writeback_record record;
    char *bytes; /* of its slices */
};

struct order {
    struct order *next; /* under wb->lock */
    struct writeback_order what;
    char *key;      /* of `what` */
    uint64_t after; /* done up to this number */
    uint64_t count;
    struct listed *list;
    uint64_t list_len;
    enum rc rc;
    struct err err;
    struct lock lock; /* outlives write-back, where a client of its time still holds the order */
    bool over GUARDED_BY(lock), abandoned GUARDED_BY(lock);
    void (*ready)(void *ctx) GUARDED_BY(lock);
    void *ctx GUARDED_BY(lock);
};

static bool is_list(const struct order *o)
{
    return o->what.kind <= ORDER_FIND_LETTER;
}

/* It does not wait for a batch that is being recorded. */
static bool goes_on(const struct order *o)
{
    return is_list(o) || o->what.kind == ORDER_REWRITE_CONFIG;
}

static void order_free(struct order *o)
{
    for (uint64_t i = 0; i < o->list_len; i++)
        free(o->list[i].bytes);
    free(o->list);
    free(o->key);
    lock_fini(&o->lock);
    free(o);
}

/* --- Asking --- */

struct order *order_begin(struct writeback *wb, const struct writeback_order *what)
{
    struct order *o = calloc(1, sizeof(*o));
    char *key = malloc(what->key.len + 1);
    if (o == NULL || key == NULL) {
        free(o);
        free(key);
        return NULL;
    }
    lock_init(&o->lock);
    o->what = *what;
    o->key = key;
    if (what->key.len > 0)
        memcpy(key, what->key.ptr, what->key.len);
    o->what.key = slice_of(key, what->key.len);
    o->after = what->id > 0 ? what->id - 1 : 0;
    lock_acquire(&wb->lock);
    struct order **last = &wb->orders;
    while (*last != NULL)
        last = &(*last)->next;
    *last = o;
    cond_signal(&wb->cond);
    lock_release(&wb->lock);
    return o;
}

bool order_is_over(struct order *o, void (*ready)(void *ctx), void *ctx)
{
    lock_acquire(&o->lock);
    bool over = o->over;
    o->ready = ready;
    o->ctx = ctx;
    lock_release(&o->lock);
    return over;
}

enum rc order_result(const struct order *o, uint64_t *count, struct err *err)
{
    *count = is_list(o) ? o->list_len : o->count;
    if (o->rc != RC_OK && err != NULL)
        *err = o->err;
    return o->rc;
}

const struct writeback_record *order_record(const struct order *o, uint64_t i)
{
    must(i < o->list_len);
    return &o->list[i].record;
}

void order_end(struct order **op)
{
    struct order *o = *op;
    *op = NULL;
    if (o == NULL)
        return;
    lock_acquire(&o->lock);
    bool over = o->over;
    o->abandoned = true;
    lock_release(&o->lock);
    if (over)
        order_free(o);
}

/* Whoever asked is told, or has left. */
static void orders_finish(struct order *o, enum rc rc)
{
    o->rc = rc;
    lock_acquire(&o->lock);
    bool abandoned = o->abandoned;
    o->over = true;
    if (!abandoned && o->ready != NULL)
        o->ready(o->ctx);
    lock_release(&o->lock);
    if (abandoned)
        order_free(o);
}

/* --- Listing --- */

static struct slice take_copy(char **at, struct slice bytes)
{
    struct slice copy = slice_of(*at, bytes.len);
    if (bytes.len > 0)
        memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
    return copy;
}

static void note_row(void *ctx, const struct record_row *row)
{
    struct order *o = ctx;
    size_t type_len = strlen(row->type) + 1;
    size_t bytes =
        type_len + row->key.len + row->reason.len + row->ours.len + row->base.len + row->theirs.len;
    if (o->rc != RC_OK)
        return;
    struct listed *list = o->list;
    if ((o->list_len & (o->list_len - 1)) == 0) /* doubled at powers of two */
        list = realloc(list, (o->list_len == 0 ? 1 : o->list_len * 2) * sizeof(*list));
    char *at = list != NULL ? malloc(bytes) : NULL;
    if (list != NULL)
        o->list = list;
    if (at == NULL) {
        o->rc = err_set(&o->err, RC_NOMEM, "out of memory for so many records");
        return;
    }
    struct listed *l = &o->list[o->list_len++];
    *l = (struct listed){.bytes = at};
    l->record = (struct writeback_record){
        .id = row->id,
        .time = row->time,
        .db = row->number,
        .type = take_copy(&at, slice_of(row->type, type_len)).ptr,
        .key = take_copy(&at, row->key),
        .reason = take_copy(&at, row->reason),
        .ours = take_copy(&at, row->ours),
        .base = take_copy(&at, row->base),
        .theirs = take_copy(&at, row->theirs),
    };
}

static enum rc do_list(struct writeback *wb, struct order *o)
{
    bool conflicts = o->what.kind == ORDER_LIST_CONFLICTS;
    struct records_reader reader = {note_row, o};
    struct records_query q = {.kind = conflicts ? RECORD_CONFLICT : RECORD_DEAD_LETTER,
                              .after = o->what.after,
                              .max = o->what.max,
                              .of_key = o->what.kind == ORDER_FIND_LETTER};
    if (q.of_key) {
        q.max = 1;
        q.db = dbmap_store_db(&wb->front.map, o->what.db);
        q.key = o->what.key;
    }
    enum rc rc = records_page(wb->records, &q, &reader, &o->err);
    return rc != RC_OK ? rc : o->rc;
}

/* --- Doing --- */

struct order_letters {
    uint64_t ids[PAGE];
    uint32_t dbs[PAGE];
    size_t ends[PAGE]; /* of each key in `keys` */
    uint32_t len;
    struct buf keys;
};

static void note_letter(void *ctx, const struct record_row *row)
{
    struct order_letters *l = ctx;
    buf_append_slice(&l->keys, row->key);
    l->ids[l->len] = row->id;
    l->dbs[l->len] = row->db;
    l->ends[l->len++] = l->keys.len;
}

static struct slice key_of(const struct order_letters *l, uint32_t i)
{
    size_t from = i == 0 ? 0 : l->ends[i - 1];
    return slice_of(l->keys.data + from, l->ends[i] - from);
}

static enum rc retry(struct writeback *wb, struct order *o, const struct order_letters *l)
{
    for (uint32_t i = 0; i < l->len; i++) {
        if (!dead_letter_retry(wb, l->dbs[i], key_of(l, i)))
            return err_set(&o->err, RC_NOMEM, "out of memory: the dead letters stay");
        o->count++;
    }
    return RC_OK;
}

/* The record goes first: a crash between the two leaves a letter that is gone. */
static enum rc orders_drop(struct writeback *wb, struct order *o, const struct order_letters *l)
{
    uint64_t ids[PAGE];
    uint32_t chosen[PAGE], n = 0;
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < l->len; i++) {
        if (dead_letter_is_newer(wb, l->dbs[i], key_of(l, i)))
            continue;
        chosen[n] = i;
        ids[n++] = l->ids[i];
    }
    struct records_choice choice = {.kind = RECORD_DEAD_LETTER, .ids = ids, .len = n};
    enum rc rc = n > 0 ? records_drop(wb->records, &choice, &dropped, &o->err) : RC_OK;
    for (uint32_t i = 0; i < n && rc == RC_OK; i++)
        dead_letter_release(wb, l->dbs[chosen[i]], key_of(l, chosen[i]));
    o->count += dropped;
    return rc;
}

/* RC_AGAIN: there is more. RC_BUSY: not now. */
static enum rc do_letters(struct writeback *wb, struct order *o)
{
    struct order_letters l = {.len = 0};
    struct records_query q = {
        .kind = RECORD_DEAD_LETTER, .after = o->after, .max = o->what.id > 0 ? 1 : PAGE};
    struct records_reader reader = {note_letter, &l};
    enum rc rc = records_page(wb->records, &q, &reader, &o->err);
    if (o->what.id > 0 && l.len > 0 && l.ids[0] != o->what.id)
        l.len = 0;
    if (rc == RC_OK && l.len > 0)
        rc = o->what.kind == ORDER_RETRY_LETTER ? retry(wb, o, &l) : orders_drop(wb, o, &l);
    if (rc == RC_OK && l.len == PAGE) {
        o->after = l.ids[l.len - 1];
        rc = RC_AGAIN;
    }
    buf_fini(&l.keys);
    return rc;
}

static enum rc do_conflicts(struct writeback *wb, struct order *o)
{
    struct records_choice choice = {
        .kind = RECORD_CONFLICT, .ids = o->what.id > 0 ? &o->what.id : NULL, .len = 1};
    return records_drop(wb->records, &choice, &o->count, &o->err);
}

static enum rc carry_out(struct writeback *wb, struct order *o)
{
    switch (o->what.kind) {
    case ORDER_LIST_LETTERS:
    case ORDER_LIST_CONFLICTS:
    case ORDER_FIND_LETTER:
        return do_list(wb, o);
    case ORDER_DROP_CONFLICT:
        return do_conflicts(wb, o);
    case ORDER_RETRY_LETTER:
    case ORDER_DROP_LETTER:
        return do_letters(wb, o);
    case ORDER_REWRITE_CONFIG:
        return options_rewrite(&o->err);
    }
    return RC_OK;
}

/* The oldest order that may be carried out now. While a batch is being recorded, lists go on, and
 * what is not about records. */
static struct order *next_order(struct writeback *wb)
{
    lock_acquire(&wb->lock);
    struct order *o = wb->orders;
    while (o != NULL && wb->orders_busy && !goes_on(o))
        o = o->next;
    if (o == NULL)
        o = wb->orders;
    lock_release(&wb->lock);
    return o;
}

bool orders_run(struct writeback *wb)
{
    struct order *o = next_order(wb);
    if (o == NULL)
        return false;
    bool passes = goes_on(o);
    enum rc rc = carry_out(wb, o);
    if (!passes)
        wb->orders_busy = rc == RC_BUSY;
    bool retried = o->what.kind == ORDER_RETRY_LETTER && o->count > 0;
    if (!passes && (rc == RC_BUSY || rc == RC_AGAIN))
        return retried;
    lock_acquire(&wb->lock);
    struct order **at = &wb->orders; /* the cutter alone takes out */
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    lock_release(&wb->lock);
    orders_finish(o, rc);
    if (!passes)
        lane_hurry(wb); /* it may wait for the room that was made */
    return retried;
}

void orders_fini(struct writeback *wb) NO_TSA /* the last user */
{
    while (wb->orders != NULL) {
        struct order *o = wb->orders;
        wb->orders = o->next;
        orders_finish(o, err_set(&o->err, RC_AGAIN, "Weir is ending"));
    }
}
