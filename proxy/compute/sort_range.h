/* Sorting as much of an array as is asked for: the first ten of a million cost one pass over them
 * and a sort of ten.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_SORT_RANGE_H
#define COMPUTE_SORT_RANGE_H

#include "base/base.h"

/* Puts the items that a full sort would put at [first, end) there; the others lie around them, in
 * any order. compare never says 0 for two different items, so the result is unique. Time: O(n)
 * for the selection, on any input at most O(n log n), and a sort of what is selected. */
void sort_range(void *items, size_t n, size_t item_bytes, size_t first, size_t end,
                int (*compare)(const void *a, const void *b, void *ctx), void *ctx);

#endif
