/* The one place that decides a conflict: a key that was changed here and, since the proxy last
 * looked, by somebody else in the backend. Whatever is decided, the other version is kept in the
 * conflict log.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "config/options.h"
#include "writeback/item.h"

enum { POLICY_BACKEND_WINS, POLICY_PROXY_WINS };

static void record(struct writeback *wb, const struct backend_conflict *c, const char *verdict)
{
    struct buf ours = {0}, base = {0}, theirs = {0}, key = {0};
    struct err err;
    uint64_t id;
    int number = dbmap_number(&wb->map, c->ours->db);
    item_encode(&ours, c->ours);
    item_encode(&base, c->base);
    item_encode(&theirs, c->theirs);
    struct ledger_record r = {
        .time = clock_wall(),
        .db = number < 0 ? 0 : (uint32_t)number,
        .reason = slice_str(verdict),
        .ours = buf_slice(&ours),
        .base = buf_slice(&base),
        .theirs = buf_slice(&theirs),
    };
    if (ledger_add(wb->conflicts, &r, &id, &err) != RC_OK)
        log_err(LOG_WARNING, "a conflict could not be recorded", &err);
    buf_append_escaped(&key, c->ours->key, 64);
    log_line(LOG_WARNING, "conflict on key '%.*s': %s", (int)key.len, key.data, verdict);
    stat_add(STAT_conflicts_total, 1);
    buf_fini(&ours);
    buf_fini(&base);
    buf_fini(&theirs);
    buf_fini(&key);
}

enum backend_verdict conflict_decide(struct writeback *wb, struct batch *b, uint32_t item,
                                     const struct backend_conflict *c)
{
    bool ours = option_num(OPT_conflict_policy) == POLICY_PROXY_WINS;
    enum batch_outcome outcome = ours ? BATCH_APPLIED_OVER : BATCH_KEPT_THEIRS;
    if (b->outcomes[item] != outcome) /* a retried batch asks again */
        record(wb, c, ours ? "proxy-wins" : "backend-wins");
    b->outcomes[item] = (uint8_t)outcome;
    return ours ? BACKEND_APPLY : BACKEND_KEEP;
}
