/* The latency monitor: what was slow, lately. Per event it keeps the newest samples at or above
 * latency-monitor-threshold, at most one a second (the worst of it). LATENCY shows it.
 *
 * Shared by all workers, and touched only by what was slow, so one lock is enough. Thread: any.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_LATENCY_H
#define EXECUTOR_LATENCY_H

#include "base/slice.h"

enum { LATENCY_SAMPLES = 160, LATENCY_NAME_MAX = 32 };

struct latency_sample {
    int64_t at_s, ms;
};

struct latency_event {
    char name[LATENCY_NAME_MAX];
    struct latency_sample samples[LATENCY_SAMPLES]; /* a ring; the newest is at next - 1 */
    uint32_t len, next;                             /* len: at least 1 */
    int64_t max_ms;
};

/* Sample i of an event, from 0 for the oldest. */
static inline const struct latency_sample *latency_sample(const struct latency_event *e, uint32_t i)
{
    return &e->samples[(e->next + LATENCY_SAMPLES - e->len + i) % LATENCY_SAMPLES];
}

/* Notes that `event` ("command", "fast-command", "journal-sync") took `ms`, if that is at or above
 * latency-monitor-threshold and it is not 0. */
void latency_add(const char *event, int64_t ms);
/* Calls `each`, with the monitor locked, for the event of this name, or for all when name.ptr is
 * NULL. Returns for how many. */
uint32_t latency_each(struct slice name, void (*each)(void *ctx, const struct latency_event *e),
                      void *ctx);
/* Forgets the event of this name, or all when name.ptr is NULL. Returns how many there were. */
uint32_t latency_reset(struct slice name);

#endif
