/* See cmdstats.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/cmdstats.h"

#include "base/lock.h"
#include "executor/call.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS_MAX = 1024 };

static struct lock blocks_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct cmdstats *blocks[BLOCKS_MAX] GUARDED_BY(blocks_lock);
static uint32_t blocks_len GUARDED_BY(blocks_lock);

struct cmdstats *cmdstats_new(void)
{
    struct cmdstats *s = calloc(1, sizeof(*s));
    must(s != NULL);
    s->commands = calloc(COMMAND_COUNT, sizeof(*s->commands));
    must(s->commands != NULL);
    lock_acquire(&blocks_lock);
    must(blocks_len < BLOCKS_MAX);
    blocks[blocks_len++] = s;
    lock_release(&blocks_lock);
    return s;
}

static uint64_t counter_get(const struct counter *c)
{
    uint64_t base = atomic_load_explicit(&c->base, memory_order_relaxed);
    return atomic_load_explicit(&c->n, memory_order_relaxed) - base;
}

static void counter_reset(struct counter *c)
{
    atomic_store_explicit(&c->base, atomic_load_explicit(&c->n, memory_order_relaxed),
                          memory_order_relaxed);
}

uint64_t histogram_upper(uint32_t bucket)
{
    uint32_t log = (bucket >> HISTOGRAM_SUB_BITS) + HISTOGRAM_MIN_BITS;
    uint64_t sub = bucket & ((1u << HISTOGRAM_SUB_BITS) - 1);
    uint64_t step = UINT64_C(1) << (log - HISTOGRAM_SUB_BITS);
    return (UINT64_C(1) << log) + (sub + 1) * step - 1;
}

void cmdstats_time(struct cmdstats *s, uint32_t command_id, uint64_t ticks, bool track_latency)
{
    struct command_counters *c = &s->commands[command_id];
    counter_add(&c->calls, 1);
    counter_add(&c->ticks, ticks);
    if (!track_latency)
        return;
    struct counter *histogram = atomic_load_explicit(&c->histogram, memory_order_relaxed);
    if (UNLIKELY(histogram == NULL)) {
        histogram = calloc(HISTOGRAM_BUCKETS, sizeof(*histogram));
        if (histogram == NULL)
            return;
        atomic_store_explicit(&c->histogram, histogram, memory_order_release);
    }
    counter_add(&histogram[histogram_bucket(ticks)], 1);
}

void cmdstats_error(struct cmdstats *s, struct slice text)
{
    char code[CMDSTATS_ERROR_CODE_MAX] = "";
    size_t len = 0;
    while (len < text.len && len < sizeof(code) - 1 && text.ptr[len] > ' ' && text.ptr[len] < 127)
        len++;
    memcpy(code, text.ptr, len);
    uint32_t used = atomic_load_explicit(&s->errors_len, memory_order_relaxed);
    for (uint32_t i = 0; i < used; i++)
        if (strcmp(s->errors[i].code, code) == 0) {
            counter_add(&s->errors[i].count, 1);
            return;
        }
    if (used == CMDSTATS_ERRORS_MAX) {
        counter_add(&s->errors[used - 1].count, 1);
        return;
    }
    if (used == CMDSTATS_ERRORS_MAX - 1)
        strcpy(s->errors[used].code, "OTHER");
    else
        memcpy(s->errors[used].code, code, sizeof(code));
    counter_add(&s->errors[used].count, 1);
    atomic_store_explicit(&s->errors_len, used + 1, memory_order_release);
}

void cmdstats_total(uint32_t command_id, struct command_totals *out)
{
    *out = (struct command_totals){0};
    lock_acquire(&blocks_lock);
    for (uint32_t i = 0; i < blocks_len; i++) {
        const struct command_counters *c = &blocks[i]->commands[command_id];
        out->calls += counter_get(&c->calls);
        out->ticks += counter_get(&c->ticks);
        out->rejected += counter_get(&c->rejected);
        out->failed += counter_get(&c->failed);
    }
    lock_release(&blocks_lock);
}

uint64_t cmdstats_histogram(uint32_t command_id, uint64_t *out)
{
    uint64_t total = 0;
    memset(out, 0, HISTOGRAM_BUCKETS * sizeof(*out));
    lock_acquire(&blocks_lock);
    for (uint32_t i = 0; i < blocks_len; i++) {
        const struct counter *histogram =
            atomic_load_explicit(&blocks[i]->commands[command_id].histogram, memory_order_acquire);
        for (uint32_t b = 0; histogram != NULL && b < HISTOGRAM_BUCKETS; b++) {
            uint64_t n = counter_get(&histogram[b]);
            out[b] += n;
            total += n;
        }
    }
    lock_release(&blocks_lock);
    return total;
}

struct error_sum {
    const char *code;
    uint64_t count;
};

static int by_code(const void *a, const void *b)
{
    const struct error_sum *x = a, *y = b;
    return strcmp(x->code, y->code);
}

static size_t add_error(struct error_sum *sums, size_t len, size_t cap, const char *code,
                        uint64_t count)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(sums[i].code, code) == 0) {
            sums[i].count += count;
            return len;
        }
    if (len == cap) { /* more codes than anybody wants to see */
        sums[cap - 1].code = "OTHER";
        sums[cap - 1].count += count;
        return len;
    }
    sums[len] = (struct error_sum){code, count};
    return len + 1;
}

void cmdstats_each_error(void (*each)(void *ctx, const char *code, uint64_t count), void *ctx)
{
    struct error_sum sums[CMDSTATS_ERRORS_MAX];
    size_t len = 0;
    lock_acquire(&blocks_lock);
    for (uint32_t i = 0; i < blocks_len; i++) {
        uint32_t used = atomic_load_explicit(&blocks[i]->errors_len, memory_order_acquire);
        for (uint32_t e = 0; e < used; e++)
            len = add_error(sums, len, COUNT_OF(sums), blocks[i]->errors[e].code,
                            counter_get(&blocks[i]->errors[e].count));
    }
    lock_release(&blocks_lock);
    qsort(sums, len, sizeof(sums[0]), by_code);
    for (size_t i = 0; i < len; i++)
        if (sums[i].count > 0)
            each(ctx, sums[i].code, sums[i].count);
}

static void reset_block(struct cmdstats *s)
{
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        struct command_counters *c = &s->commands[id];
        counter_reset(&c->calls);
        counter_reset(&c->ticks);
        counter_reset(&c->rejected);
        counter_reset(&c->failed);
        struct counter *histogram = atomic_load_explicit(&c->histogram, memory_order_acquire);
        for (uint32_t b = 0; histogram != NULL && b < HISTOGRAM_BUCKETS; b++)
            counter_reset(&histogram[b]);
    }
    uint32_t used = atomic_load_explicit(&s->errors_len, memory_order_acquire);
    for (uint32_t e = 0; e < used; e++)
        counter_reset(&s->errors[e].count);
}

void cmdstats_reset(void)
{
    lock_acquire(&blocks_lock);
    for (uint32_t i = 0; i < blocks_len; i++)
        reset_block(blocks[i]);
    lock_release(&blocks_lock);
}
