/* Strings as rows of bits: what the bit commands compute, on bytes alone.
 *
 * Bit 0 is the highest bit of the first byte, as in Redis. Whole words are read wherever the bytes
 * lie; nothing outside of the slice is touched.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_BITS_H
#define COMPUTE_BITS_H

#include "base/slice.h"

enum { BITS_WIDTH_MAX = 64 };

/* How many bits are set from bit `first` up to and not including bit `end` <= 8 * s.len. */
uint64_t bits_count(struct slice s, uint64_t first, uint64_t end);
/* The first bit in that range that is `bit`; -1: there is none. */
int64_t bits_find(struct slice s, bool bit, uint64_t first, uint64_t end);

/* `width` bits (1..64) from bit `offset` on as a number, the first one the highest; zeros follow
 * the end of the slice. */
uint64_t bits_get(struct slice s, uint64_t offset, unsigned width);
/* Puts the low `width` bits of `value` there; bytes up to the last of them must exist. */
void bits_put(char *bytes, uint64_t offset, unsigned width, uint64_t value);

enum bits_operation { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

/* out[i] = out[i] op in[i] for len bytes; BITS_NOT: out[i] = ~in[i]. */
void bits_combine(enum bits_operation op, char *out, const char *in, size_t len);

#endif
