/* Time, in two kinds that must not be mixed: a monotonic instant for durations and deadlines, and
 * wall time for expiry and for people. Both are plain integers inside a struct of their own type.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

struct mono { /* microseconds since an arbitrary start, never goes back */
    int64_t us;
};

struct wall { /* milliseconds since 1970-01-01 UTC */
    int64_t ms;
};

struct mono clock_mono(void);
struct wall clock_wall(void);

/* CPU time used by the calling thread, in microseconds. */
int64_t clock_thread_cpu_us(void);

#endif
