/* Glob patterns as Redis has them: * ? [a-z] [^a] and backslash.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/slice.h"

/* Time is bounded by O(pattern * text): one star is backtracked to, never a nest of them. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);

/* True when the pattern has no special characters: it can match one text only. */
bool glob_is_literal(struct slice pattern);

#endif
