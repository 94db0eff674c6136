/* INFO commandstats, errorstats, latencystats: what executor/cmdstats.h counts.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/info.h"
#include "config/options.h"
#include "executor/cmdstats.h"
#include "executor/ticks.h"

#include <stdlib.h>

void info_commandstats(const struct info_sources *from, struct buf *out)
{
    (void)from;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        struct command_totals t;
        cmdstats_total(id, &t);
        if (t.calls == 0 && t.rejected == 0 && t.failed == 0)
            continue;
        double usec = (double)t.ticks / ticks_per_us();
        buf_printf(out,
                   "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   command_get((enum command_id)id)->name, (unsigned long long)t.calls,
                   (unsigned long long)usec, t.calls == 0 ? 0.0 : usec / (double)t.calls,
                   (unsigned long long)t.rejected, (unsigned long long)t.failed);
    }
}

static void append_error(void *ctx, const char *code, uint64_t count)
{
    buf_printf(ctx, "errorstat_%s:count=%llu\r\n", code, (unsigned long long)count);
}

void info_errorstats(const struct info_sources *from, struct buf *out)
{
    (void)from;
    cmdstats_each_error(append_error, out);
}

/* The time in microseconds that `percentile` per cent of the runs stayed within. */
static double percentile_us(const uint64_t *buckets, uint64_t total, double percentile)
{
    uint64_t wanted = (uint64_t)((double)total * percentile / 100), sum = 0;
    if ((double)wanted < (double)total * percentile / 100)
        wanted++;
    for (uint32_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        sum += buckets[b];
        if (sum >= wanted && sum > 0)
            return (double)histogram_upper(b) / ticks_per_us();
    }
    return 0;
}

/* `percentiles`: the directive's text, "50 99 99.9", terminated. */
static void append_percentiles(struct buf *out, const char *percentiles, const uint64_t *buckets,
                               uint64_t total)
{
    bool first = true;
    for (const char *at = percentiles; *at != '\0';) {
        char *end;
        double p = strtod(at, &end);
        if (end == at)
            break;
        buf_printf(out, "%sp%.*s=%.3f", first ? "" : ",", (int)(end - at), at,
                   percentile_us(buckets, total, p));
        first = false;
        for (at = end; *at == ' ';)
            at++;
    }
}

void info_latencystats(const struct info_sources *from, struct buf *out)
{
    struct buf percentiles = {0};
    (void)from;
    option_text(OPT_latency_tracking_info_percentiles, &percentiles);
    buf_append(&percentiles, "", 1);
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        uint64_t buckets[HISTOGRAM_BUCKETS];
        uint64_t total = cmdstats_histogram(id, buckets);
        if (total == 0)
            continue;
        buf_printf(out, "latency_percentiles_usec_%s:", command_get((enum command_id)id)->name);
        append_percentiles(out, percentiles.data, buckets, total);
        buf_append_str(out, "\r\n");
    }
    buf_fini(&percentiles);
}
