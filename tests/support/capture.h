/* A capture for tests: of all at once, or, every other time, in parts that are as small as the type
 * makes them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_CAPTURE_H
#define TESTS_SUPPORT_CAPTURE_H

#include "base/base.h"
#include "store/value.h"

static inline bool capture_is_full(void *ctx)
{
    (void)ctx;
    return true;
}

static inline void capture_whole(enum value_type type, void **object, bool everything,
                                 struct change_sink sink)
{
    static unsigned n;
    struct capture_place place = {0};
    if (n++ % 2 != 0)
        sink.is_full = capture_is_full;
    while (!value_ops(type)->capture(object, everything, &place, &sink))
        must(sink.is_full != NULL);
}

#endif
