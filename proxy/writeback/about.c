/* What write-back tells about itself and takes from operators.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "writeback/item.h"

#include <stdio.h>
#include <stdlib.h>

enum { RENDER_MAX = 512, RETRY_WAIT_US = 2000000 };

void writeback_get_info(struct writeback *wb, struct writeback_info *out)
{
    *out = (struct writeback_info){0};
    lane_get_info(wb, out);
    out->paused = out->paused || atomic_load(&wb->pausing);
    int64_t keys = writeback_dirty_keys(wb), bytes = writeback_dirty_bytes(wb);
    out->dirty_keys = keys > 0 ? (uint64_t)keys : 0;
    out->dirty_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    out->in_flight_keys = atomic_load(&wb->in_flight_keys);
    out->in_flight_bytes = atomic_load(&wb->in_flight_bytes);
    int64_t first = atomic_load(&wb->first_dirty_us);
    if (first != 0 && out->dirty_keys > 0)
        out->oldest_dirty_ms = (clock_mono().us - first) / 1000;
    out->last_cut_lsn = atomic_load(&wb->last_cut_lsn);
    out->applied_lsn = writeback_applied_lsn(wb);
    struct journal_info journal;
    journal_get_info(wb->journal, &journal);
    out->lag_records = journal.last_lsn - (uint64_t)min_u64(journal.last_lsn, out->applied_lsn);
    out->unsynced_records = journal.last_lsn - journal.durable_lsn;
    snprintf(out->backend_url, sizeof(out->backend_url), "%s", wb->backend_url);
    struct backend_status status = {0};
    if (wb->ops->status != NULL)
        wb->ops->status(wb->backend, &status);
    out->wal_bytes = status.log_bytes;
    out->dead_letters = ledger_count(wb->dead);
    out->conflicts = ledger_count(wb->conflicts);
    out->backpressure = atomic_load(&wb->pressure);
}

uint64_t writeback_request_flush(struct writeback *wb)
{
    uint64_t lsn = journal_last_lsn(wb->journal);
    lock_acquire(&wb->lock);
    wb->flush_requested = true;
    cond_signal(&wb->cond);
    lock_release(&wb->lock);
    lane_hurry(wb);
    return lsn;
}

void writeback_pause(struct writeback *wb, bool on)
{
    atomic_store(&wb->pausing, on);
    lane_set_paused(wb, on);
}

struct listing {
    void (*each)(void *ctx, const struct writeback_record *r);
    void *ctx;
};

static void render(const struct slice encoded, struct buf *out, const char **type, struct buf *key)
{
    struct backend_item item;
    struct backend_element *elements;
    bool known = false;
    if (item_decode(encoded, &known, &item, &elements, NULL) != RC_OK)
        return;
    item_render(out, known ? &item : NULL, RENDER_MAX);
    if (known && type != NULL) {
        *type = value_type_name(item.type);
        buf_append_slice(key, item.key);
    }
    free(elements);
}

static bool list_one(void *ctx, const struct ledger_record *r)
{
    struct listing *l = ctx;
    struct buf key = {0}, ours = {0}, base = {0}, theirs = {0};
    struct writeback_record out = {
        .id = r->id, .time = r->time, .db = r->db, .type = "none", .reason = r->reason};
    render(r->ours, &ours, &out.type, &key);
    if (r->base.len > 0)
        render(r->base, &base, NULL, NULL);
    if (r->theirs.len > 0)
        render(r->theirs, &theirs, NULL, NULL);
    out.key = buf_slice(&key);
    out.ours = buf_slice(&ours);
    out.base = buf_slice(&base);
    out.theirs = buf_slice(&theirs);
    l->each(l->ctx, &out);
    buf_fini(&key);
    buf_fini(&ours);
    buf_fini(&base);
    buf_fini(&theirs);
    return true;
}

static void list(struct ledger *ledger, void (*each)(void *ctx, const struct writeback_record *r),
                 void *ctx)
{
    struct listing l = {.each = each, .ctx = ctx};
    ledger_each(ledger, list_one, &l);
}

void writeback_each_dead_letter(struct writeback *wb,
                                void (*each)(void *ctx, const struct writeback_record *r),
                                void *ctx)
{
    list(wb->dead, each, ctx);
}

void writeback_each_conflict(struct writeback *wb,
                             void (*each)(void *ctx, const struct writeback_record *r), void *ctx)
{
    list(wb->conflicts, each, ctx);
}

struct pick {
    uint64_t wanted; /* 0: any */
    uint64_t *ids;
    uint64_t len;
};

static bool pick_one(void *ctx, const struct ledger_record *r)
{
    struct pick *p = ctx;
    if (p->wanted == 0 || p->wanted == r->id)
        p->ids[p->len++] = r->id;
    return true;
}

/* The numbers of the records that are meant; the caller frees the array. */
static struct pick pick(struct ledger *ledger, uint64_t id)
{
    struct pick p = {.wanted = id};
    p.ids = malloc((LEDGER_RECORDS_MAX + 1) * sizeof(*p.ids));
    must(p.ids != NULL);
    ledger_each(ledger, pick_one, &p);
    return p;
}

uint64_t writeback_retry_dead_letter(struct writeback *wb, uint64_t id)
{
    struct pick p = pick(wb->dead, id);
    lock_acquire(&wb->lock);
    uint64_t *grown = realloc(wb->retries, (wb->retries_len + p.len + 1) * sizeof(*grown));
    must(grown != NULL);
    wb->retries = grown;
    for (uint64_t i = 0; i < p.len; i++)
        wb->retries[wb->retries_len++] = p.ids[i];
    wb->retries_asked += p.len;
    wb->flush_requested = true;
    cond_signal(&wb->cond);
    int64_t until = clock_mono().us + RETRY_WAIT_US;
    for (uint64_t mine = wb->retries_asked; wb->retries_done < mine && clock_mono().us < until;)
        cond_wait_us(&wb->retried, &wb->lock, RETRY_WAIT_US);
    lock_release(&wb->lock);
    free(p.ids);
    return p.len;
}

static uint64_t drop_picked(struct ledger *ledger, struct pick *p)
{
    for (uint64_t i = 0; i < p->len; i++)
        ledger_drop(ledger, p->ids[i]);
    free(p->ids);
    return p->len;
}

uint64_t writeback_drop_dead_letter(struct writeback *wb, uint64_t id)
{
    struct pick p = pick(wb->dead, id);
    dead_letters_release(wb, p.ids, (uint32_t)p.len);
    return drop_picked(wb->dead, &p);
}

uint64_t writeback_drop_conflict(struct writeback *wb, uint64_t id)
{
    struct pick p = pick(wb->conflicts, id);
    return drop_picked(wb->conflicts, &p);
}
