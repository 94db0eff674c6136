/* Positions of a list that the backend still has and is to be told to remove, as runs: what a queue
 * consumed is one run, whatever its length.
 *
 * Removing an element must not fail, and this needs memory: without it, or when removing element by
 * element would cost more than writing the list anew, the list gives up keeping them; see
 * list_internal.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_LIST_GONE_H
#define STORE_LIST_GONE_H

#include "base/base.h"

struct list_run { /* first, first + step, ... */
    int64_t first;
    int64_t step; /* of either sign; 0 while n is 1 */
    uint32_t n;
};

struct list_gone {
    uint32_t len, cap;
    uint64_t positions; /* in all runs */
    struct list_run runs[];
};

/* *gone may be NULL. False: out of memory, unchanged. The positions are not among those there. */
MUST_CHECK bool list_gone_add(struct list_gone **gone, int64_t first, int64_t step, uint32_t n);
/* Takes a position back, if it is the last of one of the newest runs. */
bool list_gone_take_back(struct list_gone *gone, int64_t position);
bool list_gone_has(const struct list_gone *gone, int64_t position);
size_t list_gone_memory(const struct list_gone *gone);

#endif
