/* See history.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/history.h"

#include <string.h>

static uint32_t epoch_of(const struct history *h, uint64_t lsn)
{
    uint32_t epoch = 0;
    while (epoch < h->epochs && lsn > h->upto[epoch])
        epoch++;
    return epoch;
}

static size_t fill(const struct history *h, uint64_t lsn, uint32_t epoch, char *to)
{
    uint64_t x = lsn * UINT64_C(0x9E3779B97F4A7C15) + epoch * UINT64_C(0xD1342543DE82EF95);
    size_t len = (size_t)((x >> 40) % 600);
    if (h->big_every > 0 && lsn % h->big_every == 0)
        len = h->big_bytes;
    for (size_t i = 0; i < len; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        to[i] = (char)(x >> 56);
    }
    return len;
}

size_t history_payload(const struct history *h, uint64_t lsn, char *to)
{
    return fill(h, lsn, h->epochs, to);
}

static struct wall time_of(uint64_t lsn)
{
    return (struct wall){(int64_t)lsn * 1000 + 7};
}

uint64_t history_append(const struct history *h, struct journal *j, uint32_t producer)
{
    char payload[HISTORY_PAYLOAD_MAX];
    struct journal_stamp stamp = journal_stamp(j);
    size_t len = history_payload(h, stamp.lsn, payload);
    struct slice parts[3] = {{payload, len / 3}, {payload + len / 3, len / 2}};
    size_t done = parts[0].len + parts[1].len;
    parts[2] = (struct slice){payload + done, len - done};
    journal_append(j, producer, stamp, time_of(stamp.lsn), (uint32_t)(stamp.lsn % 16), 0, parts, 3);
    return stamp.lsn;
}

void history_next_epoch(struct history *h, uint64_t last_lsn)
{
    must(h->epochs < HISTORY_EPOCHS_MAX);
    h->upto[h->epochs++] = last_lsn;
}

enum rc history_check(void *check, const struct journal_record *r, struct err *err)
{
    struct history_check *c = check;
    char payload[HISTORY_PAYLOAD_MAX];
    if (r->lsn != c->next_lsn && !(c->jumps && r->lsn > c->next_lsn))
        return err_set(err, RC_REJECTED, "record %llu where %llu was expected",
                       (unsigned long long)r->lsn, (unsigned long long)c->next_lsn);
    c->next_lsn = r->lsn + 1;
    c->records++;
    if (r->flags == JOURNAL_NOOP && r->payload.len == 0) {
        c->noops++;
        return RC_OK;
    }
    uint32_t epoch = epoch_of(c->h, r->lsn);
    size_t len = fill(c->h, r->lsn, epoch, payload);
    if (r->flags != 0 || r->db != r->lsn % 16 || r->time.ms != time_of(r->lsn).ms ||
        !slice_eq(r->payload, slice_of(payload, len)))
        return err_set(err, RC_REJECTED, "record %llu is not the one of epoch %u",
                       (unsigned long long)r->lsn, epoch);
    return RC_OK;
}
