/* Numbers as text, the way Redis reads and writes them.
 *
 * Reading is strict: no spaces, no leading zeros or plus sign, the whole text must be used.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/slice.h"

enum { NUM_I64_MAX = 21, NUM_DOUBLE_MAX = 32, NUM_LONG_DOUBLE_MAX = 5 * 1024 };

/* Canonical decimal only ("-0", "007", " 1", "+1" are refused), as Redis's string2ll. */
MUST_CHECK bool num_parse_i64(struct slice text, int64_t *out);
/* Accepts what strtod does incl. inf/infinity, hex and exponents; refuses NaN, spaces, empty text.
 */
MUST_CHECK bool num_parse_double(struct slice text, double *out);
/* As Redis reads the bounds of a range: "" is 0, spaces may lead, "1e999" is infinite, what follows
 * a zero byte does not count. errno is that of strtod. */
MUST_CHECK bool num_parse_double_lax(struct slice text, double *out);
/* The same as num_parse_double, but what is longer than Weir writes (NUM_LONG_DOUBLE_MAX) is
 * refused, as Redis refuses it. */
MUST_CHECK bool num_parse_long_double(struct slice text, long double *out);

/* Write without terminator and return the length. `out` has NUM_I64_MAX bytes. */
size_t num_format_u64(char *out, uint64_t n);
size_t num_format_i64(char *out, int64_t n);
/* The fewest digits that read back as the same, integers without a point, inf, -inf: how scores and
 * RESP3 doubles look. n is not NaN. `out` has NUM_DOUBLE_MAX bytes. */
size_t num_format_double(char *out, double n);
/* Fixed notation, 17 decimals, trailing zeros cut, never "-0": how INCRBYFLOAT stores its result.
 * `out` has NUM_LONG_DOUBLE_MAX bytes. */
size_t num_format_long_double(char *out, long double n);

#endif
