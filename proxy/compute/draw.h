/* Random numbers for commands that choose: good enough that every choice is as likely, not for
 * secrets.
 *
 * Thread: any; each has a sequence of its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_DRAW_H
#define COMPUTE_DRAW_H

#include "base/base.h"

uint64_t draw_bits(void);
/* Evenly distributed in 0..n-1; n is not 0. */
uint64_t draw_below(uint64_t n);

#endif
