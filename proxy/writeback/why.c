/* Why write-back holds writers back, in words: for the error that they get, and for the log.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "config/options.h"

#include <inttypes.h>
#include <stdio.h>

enum { AGE_MAX = 32, CALM_US = 10000000 };

static const char *why_age_text(char out[AGE_MAX], int64_t us)
{
    int64_t s = us / 1000000;
    if (s < 10)
        snprintf(out, AGE_MAX, "%.1f s", (double)us / 1e6);
    else if (s < 600)
        snprintf(out, AGE_MAX, "%" PRId64 " s", s);
    else if (s < 36000)
        snprintf(out, AGE_MAX, "%" PRId64 " min", s / 60);
    else
        snprintf(out, AGE_MAX, "%" PRId64 " h", s / 3600);
    return out;
}

bool writeback_why(struct writeback *wb, char *out, size_t size)
{
    struct lane *l = &wb->lane;
    int64_t now = clock_mono().us;
    char age[AGE_MAX];
    bool known = true;
    lock_acquire(&l->lock);
    if (l->paused && !l->gave_up)
        snprintf(out, size,
                 "Flushing has been paused for %s by the client %s; WEIR RESUME ends that.",
                 why_age_text(age, now - l->paused_at.us), l->paused_by);
    else if (l->paused)
        snprintf(out, size,
                 "Flushing stopped %s ago at flush-retry-max: %s. WEIR RESUME tries again.",
                 why_age_text(age, now - l->paused_at.us), l->last_error.text);
    else if (l->failures > 0)
        snprintf(out, size,
                 "Flushing has failed for %s, %" PRIu64 " times, and is tried again: %s.",
                 why_age_text(age, now - l->failing_at.us), l->failures, l->last_error.text);
    else if (writeback_is_starved(wb))
        snprintf(out, size,
                 "There is no memory to set changes aside for the flush; none is lost, and it is "
                 "tried again.");
    else
        known = false;
    lock_release(&l->lock);
    return known;
}

static void append_backlog(struct writeback *wb, struct buf *out)
{
    struct writeback_info info;
    char age[AGE_MAX];
    writeback_get_info(wb, &info);
    buf_printf(out, "%" PRIu64 " keys are not in the backend, the oldest change for %s",
               info.dirty_keys, why_age_text(age, info.oldest_dirty_ms * 1000));
}

void why_say_failing(struct writeback *wb, int64_t failing_us, uint64_t failures, const char *then)
{
    struct buf text = {0};
    char age[AGE_MAX];
    append_backlog(wb, &text);
    log_line(LOG_WARNING, "flushing has failed for %s, %" PRIu64 " times; nothing is lost; %.*s%s",
             why_age_text(age, failing_us), failures, (int)text.len, text.data, then);
    buf_fini(&text);
}

void why_say_recovered(struct writeback *wb, int64_t failing_us, uint64_t failures)
{
    struct buf text = {0};
    char age[AGE_MAX];
    append_backlog(wb, &text);
    log_line(LOG_NOTICE, "batches are committed again, after %" PRIu64 " failures in %s; %.*s",
             failures, why_age_text(age, failing_us), (int)text.len, text.data);
    buf_fini(&text);
}

/* A state that comes and goes within seconds is one state: it is over when it has been away for
 * some. */
void why_say_pressure(struct writeback *wb, bool dirty_is_high, bool journal_is_high)
{
    int64_t now = clock_mono().us;
    char age[AGE_MAX], cause[512];
    bool starves = writeback_is_starved(wb);
    if (dirty_is_high || journal_is_high || starves) {
        wb->calm_at.us = 0;
        if (wb->high_at.us != 0)
            return;
        wb->high_at.us = now;
        wb->refused_before = stat_get(STAT_backpressure_refusals);
        bool known = writeback_why(wb, cause, sizeof(cause));
        if (!dirty_is_high && !journal_is_high) {
            log_line(LOG_WARNING, "writers are held back. %s", cause);
            return;
        }
        log_line(LOG_NOTICE, "writers are held back: %s%s is above %s. %s",
                 dirty_is_high ? "dirty data" : "",
                 journal_is_high ? dirty_is_high ? ", and the journal," : "the journal" : "",
                 dirty_is_high ? journal_is_high ? "dirty-high-watermark and journal-max-size"
                                                 : "dirty-high-watermark"
                               : "journal-max-size",
                 known ? cause : "The backend is slower than the writes.");
        return;
    }
    if (wb->high_at.us == 0)
        return;
    if (wb->calm_at.us == 0)
        wb->calm_at.us = now;
    if (now - wb->calm_at.us < CALM_US)
        return;
    uint64_t refused = stat_get(STAT_backpressure_refusals);
    log_line(LOG_NOTICE,
             "writers go on: they were held back, on and off, for %s; %" PRIu64
             " writes were refused",
             why_age_text(age, wb->calm_at.us - wb->high_at.us),
             refused > wb->refused_before ? refused - wb->refused_before : 0);
    wb->high_at.us = wb->calm_at.us = 0;
}
