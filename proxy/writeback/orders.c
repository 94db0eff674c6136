/* What operators ask for about records: retrying and dropping. The cutter does it, a page at a
 * time, since a worker neither writes files nor waits for a batch that is being recorded.
 *
 * A dead letter that has newer changes on top (its entry is dirty, or in a batch again) is not
 * dropped: its value is what those changes rest on after a crash. Their batch makes it void, or a
 * newer dead letter.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PAGE = 500, WAIT_US = 2000000 };

struct order {
    struct order *next;
    enum writeback_order kind;
    uint64_t id;    /* 0: all */
    uint64_t after; /* done up to this number */
    uint64_t count;
    bool done, abandoned; /* under wb->lock */
    enum rc rc;
    struct err err;
};

/* --- Asking --- */

enum rc writeback_order(struct writeback *wb, enum writeback_order kind, uint64_t id,
                        uint64_t *count, struct err *err)
{
    struct order *o = calloc(1, sizeof(*o));
    enum rc rc = RC_OK;
    *count = 0;
    if (o == NULL)
        return err_set(err, RC_NOMEM, "out of memory");
    o->kind = kind;
    o->id = id;
    o->after = id > 0 ? id - 1 : 0;
    lock_acquire(&wb->lock);
    struct order **last = &wb->orders;
    while (*last != NULL)
        last = &(*last)->next;
    *last = o;
    cond_signal(&wb->cond);
    int64_t until = clock_mono().us + WAIT_US;
    while (!o->done && clock_mono().us < until)
        cond_wait_us(&wb->ordered, &wb->lock, WAIT_US);
    if (o->done) {
        *count = o->count;
        rc = o->rc;
        if (rc != RC_OK && err != NULL)
            *err = o->err;
        free(o);
    } else {
        o->abandoned = true;
        rc = err_set(err, RC_AGAIN,
                     "a batch is being recorded: this will be done when that is over");
    }
    lock_release(&wb->lock);
    return rc;
}

/* --- Doing --- */

struct letters {
    uint64_t ids[PAGE];
    uint32_t dbs[PAGE];
    size_t ends[PAGE]; /* of each key in `keys` */
    uint32_t len;
    struct buf keys;
};

static void note_letter(void *ctx, const struct record_row *row)
{
    struct letters *l = ctx;
    buf_append_slice(&l->keys, row->key);
    l->ids[l->len] = row->id;
    l->dbs[l->len] = row->db;
    l->ends[l->len++] = l->keys.len;
}

static struct slice key_of(const struct letters *l, uint32_t i)
{
    size_t from = i == 0 ? 0 : l->ends[i - 1];
    return slice_of(l->keys.data + from, l->ends[i] - from);
}

static enum rc retry(struct writeback *wb, struct order *o, const struct letters *l)
{
    for (uint32_t i = 0; i < l->len; i++) {
        if (!dead_letter_retry(wb, l->dbs[i], key_of(l, i)))
            return err_set(&o->err, RC_NOMEM, "out of memory: the dead letters stay");
        o->count++;
    }
    return RC_OK;
}

/* The record goes first: a crash between the two leaves a letter that is gone. */
static enum rc drop(struct writeback *wb, struct order *o, const struct letters *l)
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
    struct letters l = {.len = 0};
    struct records_query q = {
        .kind = RECORD_DEAD_LETTER, .after = o->after, .max = o->id > 0 ? 1 : PAGE};
    struct records_reader reader = {note_letter, &l};
    enum rc rc = records_page(wb->records, &q, &reader, &o->err);
    if (o->id > 0 && l.len > 0 && l.ids[0] != o->id)
        l.len = 0;
    if (rc == RC_OK && l.len > 0)
        rc = o->kind == ORDER_RETRY_LETTER ? retry(wb, o, &l) : drop(wb, o, &l);
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
        .kind = RECORD_CONFLICT, .ids = o->id > 0 ? &o->id : NULL, .len = 1};
    return records_drop(wb->records, &choice, &o->count, &o->err);
}

bool orders_run(struct writeback *wb)
{
    lock_acquire(&wb->lock);
    struct order *o = wb->orders;
    lock_release(&wb->lock);
    if (o == NULL)
        return false;
    enum rc rc = o->kind == ORDER_DROP_CONFLICT ? do_conflicts(wb, o) : do_letters(wb, o);
    wb->orders_busy = rc == RC_BUSY;
    bool retried = o->kind == ORDER_RETRY_LETTER && o->count > 0;
    if (rc == RC_BUSY || rc == RC_AGAIN)
        return retried;
    lock_acquire(&wb->lock);
    wb->orders = o->next; /* the cutter alone takes out, and the oldest first */
    o->rc = rc;
    o->done = true;
    if (o->abandoned)
        free(o);
    else
        cond_broadcast(&wb->ordered);
    lock_release(&wb->lock);
    lane_hurry(wb); /* it may wait for the room that was made */
    return retried;
}

void orders_fini(struct writeback *wb) NO_TSA /* the last user */
{
    while (wb->orders != NULL) {
        struct order *o = wb->orders;
        wb->orders = o->next;
        free(o);
    }
}
