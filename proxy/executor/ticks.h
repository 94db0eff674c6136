/* A clock cheap enough to read once per command: the CPU's time stamp counter where it is steady,
 * the monotonic clock elsewhere. Ticks have no unit; ticks_per_us() converts.
 *
 * Only for measuring how long commands take. Deadlines and expiry use base/clock.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_TICKS_H
#define EXECUTOR_TICKS_H

#include "base/base.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern bool ticks_steady; /* set by ticks_init: the counter runs at one rate on every core */

/* Finds out whether the counter can be used and how fast it runs. Blocks: about a millisecond, once
 * per process; thread-safe. */
void ticks_init(void);
uint64_t ticks_slow(void);
double ticks_per_us(void);

static inline uint64_t ticks_now(void)
{
#if defined(__x86_64__)
    if (LIKELY(ticks_steady))
        return __rdtsc();
#endif
    return ticks_slow();
}

#endif
