/* See ticks.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/ticks.h"

#include "base/clock.h"

#include <pthread.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool ticks_steady;
static double per_us = 1000.0;

uint64_t ticks_slow(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool counter_is_invariant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
    return false;
#endif
}

static void init(void)
{
#if defined(__x86_64__)
    if (!counter_is_invariant())
        return;
    struct mono from = clock_mono(), to;
    uint64_t begin = __rdtsc();
    do {
        to = clock_mono();
    } while (to.us - from.us < 1000);
    double rate = (double)(__rdtsc() - begin) / (double)(to.us - from.us);
    if (rate < 1.0) /* a counter slower than a microsecond measures nothing */
        return;
    per_us = rate;
    ticks_steady = true;
#else
    (void)counter_is_invariant;
#endif
}

void ticks_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, init) == 0);
}

double ticks_per_us(void)
{
    return per_us;
}
