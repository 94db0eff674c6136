/* See value_type.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/value_type.h"

const char *value_type_name(enum value_type type)
{
    static const char *const names[] = {"none", "string", "hash", "list", "set", "zset", "stream"};
    return names[type];
}
