/* What people are told of a path: the absolute one, where the system knows it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <limits.h>
#include <stdlib.h>

static inline const char *path_shown(const char *path, char out[PATH_MAX])
{
    return realpath(path, out) != NULL ? out : path;
}

#endif
