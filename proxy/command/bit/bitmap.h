/* What the two files of bit commands share.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_BIT_BITMAP_H
#define COMMAND_BIT_BITMAP_H

#include "executor/call.h"

/* A bit offset that a string may have. width > 0 (BITFIELD): "#2" means twice the width, and so
 * many bits from there on must fit if the command writes them. False: replied. */
MUST_CHECK bool bitmap_offset(struct call *c, struct slice text, unsigned width, bool writes,
                              uint64_t *out);

#endif
