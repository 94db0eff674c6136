/* LZF, the compression that Redis applies to long strings in RDB payloads: reading only.
 *
 *   000LLLLL              L + 1 bytes follow, to be copied
 *   LLLooooo oooooooo     L + 2 bytes from o + 1 bytes before the end of what is written (L 1..6)
 *   111ooooo llllllll oooooooo     the same, l + 9 bytes
 *
 * A copy may overlap what it makes. The format is that of M. Lehmann's liblzf.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_LZF_H
#define COMPUTE_LZF_H

#include "base/slice.h"

enum { LZF_RATIO_MAX = 88 }; /* 264 bytes out of 3: more cannot be expected of any input */

/* Whether `in` expands to exactly out_len bytes; nothing is written. */
MUST_CHECK bool lzf_is_valid(struct slice in, size_t out_len);
/* Expands `in` to exactly out_len bytes. False: it is not valid; bytes of out may then have been
 * written, none beyond out_len. */
MUST_CHECK bool lzf_expand(struct slice in, char *out, size_t out_len);

#endif
