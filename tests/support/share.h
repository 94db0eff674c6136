/* How much of what there is to try a suite tries: FAULT_SHARE=n asks for each n-th. A suite that
 * tries every case in the optimised build may try a share of them under a sanitizer, where one
 * takes ten times as long; which ones they are depends on the seed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_SHARE_H
#define TESTS_SUPPORT_SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* At least 1. */
static inline uint64_t share(void)
{
    const char *given = getenv("FAULT_SHARE");
    uint64_t n = given == NULL ? 1 : strtoull(given, NULL, 10);
    return n == 0 ? 1 : n;
}

/* Whether case `n` of a row is tried. */
static inline bool share_has(uint64_t n)
{
    const char *seed = getenv("FAULT_SEED");
    return (n + (seed == NULL ? 0 : strtoull(seed, NULL, 10))) % share() == 0;
}

#endif
