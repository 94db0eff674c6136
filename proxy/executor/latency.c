/* See latency.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/latency.h"

#include "base/clock.h"
#include "base/lock.h"
#include "config/options.h"

#include <string.h>

enum { EVENTS_MAX = 16 };

static struct lock monitor_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct latency_event events[EVENTS_MAX] GUARDED_BY(monitor_lock);
static uint32_t events_len GUARDED_BY(monitor_lock);

static struct latency_event *find_event(struct slice name) REQUIRES(monitor_lock)
{
    for (uint32_t i = 0; i < events_len; i++)
        if (slice_eq(name, slice_str(events[i].name)))
            return &events[i];
    return NULL;
}

static struct latency_event *make_event(const char *name) REQUIRES(monitor_lock)
{
    struct latency_event *e = find_event(slice_str(name));
    if (e != NULL)
        return e;
    must(events_len < EVENTS_MAX && strlen(name) < LATENCY_NAME_MAX);
    e = &events[events_len++];
    memset(e, 0, sizeof(*e));
    strcpy(e->name, name);
    return e;
}

void latency_add(const char *name, int64_t ms)
{
    int64_t threshold = option_num(OPT_latency_monitor_threshold);
    if (threshold == 0 || ms < threshold)
        return;
    int64_t now_s = clock_wall().ms / 1000;
    lock_acquire(&monitor_lock);
    struct latency_event *e = make_event(name);
    struct latency_sample *last = &e->samples[(e->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
    if (e->len > 0 && last->at_s == now_s) {
        if (ms > last->ms)
            last->ms = ms;
    } else {
        e->samples[e->next] = (struct latency_sample){now_s, ms};
        e->next = (e->next + 1) % LATENCY_SAMPLES;
        if (e->len < LATENCY_SAMPLES)
            e->len++;
    }
    if (ms > e->max_ms)
        e->max_ms = ms;
    lock_release(&monitor_lock);
}

uint32_t latency_each(struct slice name, void (*each)(void *ctx, const struct latency_event *e),
                      void *ctx)
{
    uint32_t n = 0;
    lock_acquire(&monitor_lock);
    for (uint32_t i = 0; i < events_len; i++) {
        if (name.ptr != NULL && !slice_eq(name, slice_str(events[i].name)))
            continue;
        each(ctx, &events[i]);
        n++;
    }
    lock_release(&monitor_lock);
    return n;
}

uint32_t latency_reset(struct slice name)
{
    uint32_t n = 0;
    lock_acquire(&monitor_lock);
    struct latency_event *e = name.ptr != NULL ? find_event(name) : NULL;
    if (name.ptr == NULL) {
        n = events_len;
        events_len = 0;
    } else if (e != NULL) {
        n = 1;
        *e = events[--events_len];
    }
    lock_release(&monitor_lock);
    return n;
}
