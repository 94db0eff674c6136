/* Names that clients give themselves: of the connection, of their library.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_CONNECTION_NAMES_H
#define COMMAND_CONNECTION_NAMES_H

#include "base/slice.h"

extern const char NAME_NOT_PLAIN[]; /* the error for a name that is not */

/* Printable ASCII without spaces, so that CLIENT LIST stays readable. */
bool name_is_plain(struct slice name);
/* Replaces *place by a copy; an empty name removes it. False: out of memory. */
MUST_CHECK bool name_set(char **place, struct slice name);

#endif
