/* What write-back tells about itself and takes from operators.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include <stdio.h>

void writeback_get_info(struct writeback *wb, struct writeback_info *out)
{
    *out = (struct writeback_info){0};
    lane_get_info(wb, out);
    out->paused = out->paused || atomic_load(&wb->pausing);
    int64_t keys = writeback_dirty_keys(wb), bytes = writeback_dirty_bytes(wb);
    out->in_flight_keys = atomic_load(&wb->in_flight_keys);
    out->in_flight_bytes = atomic_load(&wb->in_flight_bytes);
    out->dirty_keys = (keys > 0 ? (uint64_t)keys : 0) + out->in_flight_keys;
    out->dirty_bytes = (bytes > 0 ? (uint64_t)bytes : 0) + out->in_flight_bytes;
    int64_t first = atomic_load(&wb->first_in_flight_us);
    if (first == 0 && keys > 0)
        first = atomic_load(&wb->first_dirty_us);
    if (first != 0)
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
    out->pages_summed = status.pages_summed;
    out->pages_unknown = status.pages_unknown;
    out->pages_damaged = status.pages_damaged;
    out->verified_at_ms = status.verified_at_ms;
    out->dead_letters = records_count(wb->records, RECORD_DEAD_LETTER);
    out->conflicts = records_count(wb->records, RECORD_CONFLICT);
    out->backpressure = (enum pressure_level)atomic_load(&wb->front.pressure);
}

void losses_add(struct writeback *wb, uint64_t after, uint64_t up_to, uint64_t refused,
                uint64_t overruled)
{
    if (refused + overruled == 0)
        return;
    lock_acquire(&wb->losses_lock);
    if (wb->losses_len == LOSSES_MAX) {
        struct loss *l = wb->losses;
        l[1].after = l[0].after;
        l[1].count.refused += l[0].count.refused;
        l[1].count.overruled += l[0].count.overruled;
        memmove(l, l + 1, --wb->losses_len * sizeof(*l));
    }
    wb->losses[wb->losses_len++] = (struct loss){after, up_to, {refused, overruled}};
    lock_release(&wb->losses_lock);
}

void writeback_get_losses(struct writeback *wb, uint64_t from_lsn, uint64_t to_lsn,
                          struct writeback_losses *out)
{
    *out = (struct writeback_losses){0};
    lock_acquire(&wb->losses_lock);
    for (uint32_t i = 0; i < wb->losses_len; i++) {
        const struct loss *l = &wb->losses[i];
        if (l->after >= to_lsn || l->up_to < from_lsn)
            continue;
        out->refused += l->count.refused;
        out->overruled += l->count.overruled;
    }
    lock_release(&wb->losses_lock);
}

uint64_t writeback_request_flush(struct writeback *wb)
{
    uint64_t lsn = journal_last_lsn(wb->journal);
    writeback_cut_soon(wb);
    lane_hurry(wb);
    return lsn;
}

void writeback_pause(struct writeback *wb, bool on, const char *by)
{
    atomic_store(&wb->pausing, on);
    lane_set_paused(wb, on, by);
}
