/* See draw.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/draw.h"

#include "base/clock.h"

#include <sys/random.h>

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a Weyl sequence, scrambled. */
uint64_t draw_bits(void)
{
    static _Thread_local uint64_t state;
    static _Thread_local bool seeded;
    if (!seeded) {
        seeded = true;
        if (getrandom(&state, sizeof(state), GRND_NONBLOCK) != (ssize_t)sizeof(state))
            state = (uint64_t)clock_mono().us;
    }
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Lemire 2019, without the last correction: off by n / 2^64. */
uint64_t draw_below(uint64_t n)
{
    return (uint64_t)(((unsigned __int128)draw_bits() * n) >> 64);
}
