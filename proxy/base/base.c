/* See base.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

void base_broken(const char *cond, const char *file, int line)
{
    fprintf(stderr, "weir: broken invariant: %s at %s:%d\n", cond, file, line);
    abort();
}
