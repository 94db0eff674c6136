/* See names.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/connection/names.h"

#include <stdlib.h>

const char NAME_NOT_PLAIN[] =
    "ERR Client names cannot contain spaces, newlines or special characters.";

bool name_is_plain(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < '!' || name.ptr[i] > '~')
            return false;
    return true;
}

bool name_set(char **place, struct slice name)
{
    char *copy = NULL;
    if (name.len > 0) {
        copy = malloc(name.len + 1);
        if (copy == NULL)
            return false;
        memcpy(copy, name.ptr, name.len);
        copy[name.len] = '\0';
    }
    free(*place);
    *place = copy;
    return true;
}
