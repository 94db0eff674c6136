/* LATENCY: the monitor of slow events (executor/latency.h), and the histogram of each command.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/options.h"
#include "executor/cmdstats.h"
#include "executor/call.h"
#include "executor/latency.h"
#include "executor/ticks.h"

#include <stdio.h>
#include <string.h>

static void show_latest(void *ctx, const struct latency_event *e)
{
    struct reply *r = ctx;
    const struct latency_sample *last = latency_sample(e, e->len - 1);
    reply_array(r, 4);
    reply_bulk_str(r, e->name);
    reply_int(r, last->at_s);
    reply_int(r, last->ms);
    reply_int(r, e->max_ms);
}

void cmd_latency_latest(struct call *c)
{
    size_t begin = reply_array_begin(c->reply);
    uint32_t n = latency_each((struct slice){0}, show_latest, c->reply);
    reply_array_end(c->reply, begin, n);
}

static void show_history(void *ctx, const struct latency_event *e)
{
    struct reply *r = ctx;
    reply_array(r, e->len);
    for (uint32_t i = 0; i < e->len; i++) {
        const struct latency_sample *s = latency_sample(e, i);
        reply_array(r, 2);
        reply_int(r, s->at_s);
        reply_int(r, s->ms);
    }
}

void cmd_latency_history(struct call *c)
{
    if (latency_each(c->argv[2], show_history, c->reply) == 0)
        reply_array(c->reply, 0);
}

/* --- GRAPH --- */

enum { GRAPH_ROWS = 4, GRAPH_MARKS = 3, GRAPH_COLUMNS = 80 };

/* "45s", "12m", "3h", "9d": how long ago. */
static void latency_age_text(int64_t s, char *out, size_t size)
{
    static const struct {
        int64_t s;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (i + 1 < COUNT_OF(units) && s < units[i].s)
        i++;
    snprintf(out, size, "%lld%c", (long long)(s / units[i].s), units[i].unit);
}

/* A column for each sample, the oldest first: its height, and under it how old it is, downwards. */
static void draw(const struct latency_event *e, int64_t low, int64_t high, struct buf *out)
{
    uint32_t first = e->len > GRAPH_COLUMNS ? e->len - GRAPH_COLUMNS : 0;
    int64_t now_s = clock_wall().ms / 1000, span = high > low ? high - low : 1;
    for (int row = GRAPH_ROWS - 1; row >= 0; row--) {
        for (uint32_t i = first; i < e->len; i++) {
            int64_t steps =
                (latency_sample(e, i)->ms - low) * (GRAPH_ROWS * GRAPH_MARKS - 1) / span;
            int64_t above = steps - row * GRAPH_MARKS;
            char mark = above < 0 ? ' ' : above < GRAPH_MARKS ? "_o#"[above] : '|';
            buf_append(out, &mark, 1);
        }
        buf_append_str(out, "\n");
    }
    buf_append_str(out, "\n");
    bool more = true;
    for (size_t at = 0; more; at++) {
        more = false;
        for (uint32_t i = first; i < e->len; i++) {
            char age[24] = "";
            latency_age_text(now_s > latency_sample(e, i)->at_s ? now_s - latency_sample(e, i)->at_s
                                                                : 0,
                             age, sizeof(age));
            size_t len = strlen(age);
            buf_append(out, at < len ? &age[at] : " ", 1);
            more = more || at + 1 < len;
        }
        buf_append_str(out, "\n");
    }
}

static void show_graph(void *ctx, const struct latency_event *e)
{
    struct buf *out = ctx;
    int64_t low = INT64_MAX, high = 0;
    for (uint32_t i = 0; i < e->len; i++) {
        int64_t ms = latency_sample(e, i)->ms;
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    buf_printf(out, "%s - high %lld ms, low %lld ms (all time high %lld ms)\n%.*s\n", e->name,
               (long long)high, (long long)low, (long long)e->max_ms, GRAPH_COLUMNS,
               "--------------------------------------------------------------------------------");
    draw(e, low, high, out);
}

void cmd_latency_graph(struct call *c)
{
    struct buf out = {0};
    if (latency_each(c->argv[2], show_graph, &out) > 0)
        reply_verbatim(c->reply, "txt", buf_slice(&out));
    else
        reply_errorf(c->reply, "ERR No samples available for event '%.*s'",
                     (int)min_u64(c->argv[2].len, 128), c->argv[2].ptr);
    buf_fini(&out);
}

/* --- RESET, DOCTOR --- */

void cmd_latency_reset(struct call *c)
{
    uint32_t removed = c->argc == 2 ? latency_reset((struct slice){0}) : 0;
    for (uint32_t i = 2; i < c->argc; i++)
        removed += latency_reset(c->argv[i]);
    reply_int(c->reply, removed);
}

static void describe_event(void *ctx, const struct latency_event *e)
{
    struct buf *out = ctx;
    int64_t sum = 0;
    for (uint32_t i = 0; i < e->len; i++)
        sum += e->samples[i].ms;
    buf_printf(out,
               "%s: %u latency spikes, mean %lld ms, worst %lld ms, the latest %lld seconds "
               "ago.\n",
               e->name, e->len, (long long)(sum / e->len), (long long)e->max_ms,
               (long long)(clock_wall().ms / 1000 - latency_sample(e, e->len - 1)->at_s));
    if (strcmp(e->name, "journal-sync") == 0)
        buf_append_str(out, "  - The disk of the journal is slow to sync: give it a faster disk, "
                            "or choose journal-fsync everysec.\n");
    else
        buf_append_str(out, "  - Look into SLOWLOG GET for the commands that took long; avoid "
                            "those that go over many keys or elements.\n");
}

void cmd_latency_doctor(struct call *c)
{
    struct buf out = {0};
    if (option_num(OPT_latency_monitor_threshold) == 0)
        buf_append_str(&out, "The latency monitor is off. CONFIG SET latency-monitor-threshold "
                             "<milliseconds> turns it on.\n");
    bool is_off = out.len > 0;
    if (latency_each((struct slice){0}, describe_event, &out) == 0 && !is_off)
        buf_append_str(&out, "No latency spike has been seen so far.\n");
    reply_verbatim(c->reply, "txt", buf_slice(&out));
    buf_fini(&out);
}

void cmd_latency_help(struct call *c)
{
    call_help(c);
}

/* --- HISTOGRAM --- */

/* The number of runs that took at most 1, 2, 4, ... microseconds, each bound that adds some. */
static void reply_bounds(struct reply *r, const uint64_t *buckets, uint64_t total)
{
    size_t begin = reply_array_begin(r);
    uint64_t sum = 0, written = 0, pairs = 0;
    uint32_t b = 0;
    for (uint64_t bound = 1; written < total; bound *= 2) {
        while (b < HISTOGRAM_BUCKETS &&
               (double)histogram_upper(b) <= (double)bound * ticks_per_us())
            sum += buckets[b++];
        if (b == HISTOGRAM_BUCKETS)
            sum = total;
        if (sum == written)
            continue;
        reply_int(r, (int64_t)bound);
        reply_int(r, (int64_t)sum);
        written = sum;
        pairs++;
    }
    reply_map_end(r, begin, pairs);
}

/* False: the command has not been run. */
static bool reply_histogram(struct reply *r, const struct command *command)
{
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t total = cmdstats_histogram(command->id, buckets);
    if (total == 0)
        return false;
    reply_bulk_str(r, command->name);
    reply_map(r, 2);
    reply_bulk_str(r, "calls");
    reply_int(r, (int64_t)total);
    reply_bulk_str(r, "histogram_usec");
    reply_bounds(r, buckets, total);
    return true;
}

/* A command, and all its subcommands. */
static uint64_t reply_histograms(struct reply *r, const struct command *command)
{
    size_t len = strlen(command->name);
    uint64_t n = reply_histogram(r, command);
    for (uint32_t id = command->id + 1; id < COMMAND_COUNT; id++) {
        const struct command *sub = command_get((enum command_id)id);
        if (strncmp(sub->name, command->name, len) != 0 || sub->name[len] != '|')
            break;
        n += reply_histogram(r, sub);
    }
    return n;
}

void cmd_latency_histogram(struct call *c)
{
    size_t begin = reply_array_begin(c->reply);
    uint64_t n = 0;
    for (uint32_t id = 0; c->argc == 2 && id < COMMAND_COUNT; id++)
        n += reply_histogram(c->reply, command_get((enum command_id)id));
    for (uint32_t i = 2; i < c->argc; i++) {
        const struct command *command = command_find_full(c->argv[i]);
        if (command != NULL)
            n += reply_histograms(c->reply, command);
    }
    reply_map_end(c->reply, begin, n);
}
