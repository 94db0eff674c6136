/* What is counted for each command: calls, time, failures, a latency histogram; and errors by their
 * code.
 *
 * Each worker writes a block of its own; any thread sums the blocks. CONFIG RESETSTAT notes the
 * counts of the moment as a base that readers subtract, so the single writer never races with it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_CMDSTATS_H
#define EXECUTOR_CMDSTATS_H

#include "base/slice.h"

#include <stdatomic.h>

/* Buckets are ticks, four to each power of two (19 % wide at most), from 2^6 to 2^42. */
enum {
    HISTOGRAM_SUB_BITS = 2,
    HISTOGRAM_MIN_BITS = 6,
    HISTOGRAM_MAX_BITS = 42,
    HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_BITS - HISTOGRAM_MIN_BITS) << HISTOGRAM_SUB_BITS,
    CMDSTATS_ERRORS_MAX = 128, /* different codes; more are counted together */
    CMDSTATS_ERROR_CODE_MAX = 32,
};

struct counter { /* one writer; `base` is written by CONFIG RESETSTAT only */
    _Atomic uint64_t n, base;
};

struct command_counters {
    struct counter calls, ticks, rejected, failed;
    struct counter *_Atomic histogram; /* HISTOGRAM_BUCKETS of them; NULL: not called yet */
};

struct error_counter {
    char code[CMDSTATS_ERROR_CODE_MAX]; /* written before errors_len makes it visible */
    struct counter count;
};

struct cmdstats {
    struct command_counters *commands; /* by command_id */
    _Atomic uint32_t errors_len;
    struct error_counter errors[CMDSTATS_ERRORS_MAX];
};

/* Registered until the process ends: the counts of a worker outlive it. */
struct cmdstats *cmdstats_new(void);

static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->n, atomic_load_explicit(&c->n, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint32_t histogram_bucket(uint64_t ticks)
{
    if (ticks < (UINT64_C(1) << HISTOGRAM_MIN_BITS))
        return 0;
    uint32_t log = 63u - (uint32_t)__builtin_clzll(ticks);
    if (log >= HISTOGRAM_MAX_BITS)
        return HISTOGRAM_BUCKETS - 1;
    uint32_t sub =
        (uint32_t)(ticks >> (log - HISTOGRAM_SUB_BITS)) & ((1u << HISTOGRAM_SUB_BITS) - 1);
    return ((log - HISTOGRAM_MIN_BITS) << HISTOGRAM_SUB_BITS) + sub;
}
/* Largest value of a bucket, in ticks. */
uint64_t histogram_upper(uint32_t bucket);

/* Notes the time of one run. Thread: the block's worker. */
void cmdstats_time(struct cmdstats *s, uint32_t command_id, uint64_t ticks, bool track_latency);
/* Counts an error reply by its code: the word after '-'. Thread: the block's worker. */
void cmdstats_error(struct cmdstats *s, struct slice text);

struct command_totals {
    uint64_t calls, ticks, rejected, failed;
};
/* Thread: any, for the rest. */
void cmdstats_total(uint32_t command_id, struct command_totals *out);
/* Sums the histogram of a command into out[HISTOGRAM_BUCKETS]; returns the number of samples. */
uint64_t cmdstats_histogram(uint32_t command_id, uint64_t *out);
/* Calls each for every error code with a count, sorted by code. */
void cmdstats_each_error(void (*each)(void *ctx, const char *code, uint64_t count), void *ctx);
void cmdstats_reset(void);

#endif
