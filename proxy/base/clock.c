/* See clock.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct mono clock_mono(void)
{
    return (struct mono){read_us(CLOCK_MONOTONIC)};
}

struct wall clock_wall(void)
{
    return (struct wall){read_us(CLOCK_REALTIME) / 1000};
}

int64_t clock_thread_cpu_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}
