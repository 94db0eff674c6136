/* HyperLogLog: how many different elements were seen, in at most 12 KB, within 0.81 %.
 *
 * Here is the algorithm on bytes, without keys: the format in which Redis stores a sketch as a
 * string, so that one can be taken from Redis to Weir and back and goes on growing alike. The same
 * additions in the same order give the same bytes.
 *
 * An element is hashed to 64 bits (MurmurHash64A). The low 14 choose one of 16,384 registers; the
 * register keeps the greatest position, from 1, of the lowest set bit in the other 50. The string:
 *
 *   "HYLL"  encoding  3 zero bytes  cached cardinality, 8 bytes little endian  registers
 *
 * The highest bit of the cached cardinality says that it is out of date. Encoding 0 is dense: 6
 * bits a register, from the lowest bit of the first byte. Encoding 1 is sparse: runs of registers,
 *
 *   00nnnnnn            n + 1 registers that are 0
 *   01nnnnnn nnnnnnnn   the same, up to 16,384
 *   1vvvvvnn            n + 1 registers that are v + 1
 *
 * which is given up for dense when a register exceeds 32 or the string a configured length.
 *
 * Every function takes any bytes: a stored value is only as good as who wrote it.
 *
 * Sources: P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation
 * algorithm" (2007); O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
 * (arXiv:1702.01284), algorithm 6: the estimate.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_HYPERLOGLOG_H
#define COMPUTE_HYPERLOGLOG_H

#include "base/buf.h"

enum {
    HLL_REGISTERS = 1 << 14,
    HLL_REGISTER_MAX = 63, /* what 6 bits hold; an element gives 51 at most */
    HLL_CACHED_AT = 8,     /* the cached cardinality */
    HLL_CACHED_LEN = 8,
    HLL_HEADER_LEN = 16,
    HLL_DENSE_LEN = HLL_HEADER_LEN + HLL_REGISTERS * 6 / 8,
    HLL_SPARSE_LEN_MAX = HLL_HEADER_LEN + HLL_REGISTERS * 2, /* two bytes for every register */
};

/* What one element asks of a register. */
struct hll_point {
    uint32_t index;
    uint8_t count;
};
struct hll_point hll_point(struct slice element);

/* --- A stored value, read --- */

/* Magic, encoding and length are those of a sketch; its registers may still be corrupt. */
bool hll_is_valid(struct slice value);
/* The rest takes values that are valid in this sense. */
bool hll_is_dense(struct slice value);
/* False: out of date. */
bool hll_cached_count(struct slice value, uint64_t *count);
/* The bytes that cache a count: HLL_CACHED_LEN of them, to be put at HLL_CACHED_AT of a value. */
void hll_cache_count(char *bytes, uint64_t count);
/* Two strings that differ in their cached cardinality at most. */
bool hll_has_same_registers(struct slice a, struct slice b);
/* One register; -1: corrupt. */
int hll_register(struct slice value, uint32_t index);
/* Raises each of HLL_REGISTERS bytes to the value's register. False: corrupt. */
MUST_CHECK bool hll_merge(uint8_t *registers, struct slice value);
/* The estimate from HLL_REGISTERS bytes, or from a value. False: corrupt, or no set has these. */
MUST_CHECK bool hll_estimate(const uint8_t *registers, uint64_t *count);
MUST_CHECK bool hll_count(struct slice value, uint64_t *count);
/* Appends the runs of a sparse value as text, "Z:" and "v:" for people. False: corrupt. */
MUST_CHECK bool hll_describe(struct slice value, struct buf *out);

/* --- One that is being changed --- */

/* Where a search may begin: the last but one opcode before the one that was changed last. */
struct hll_hint {
    uint32_t at, first; /* offset of an opcode, and the first register it is about */
};

/* Large: about 32 KB, for the stack. */
struct hll {
    uint32_t len;
    struct hll_hint hint;
    uint8_t bytes[HLL_SPARSE_LEN_MAX];
};

enum hll_change {
    HLL_CORRUPT = -1,
    HLL_SAME,
    HLL_CHANGED,
};

static inline struct slice hll_slice(const struct hll *h)
{
    return slice_of(h->bytes, h->len);
}

/* An empty sketch, sparse. */
void hll_init(struct hll *h);
/* A copy of a valid value. False: it is too long to be anything but corrupt. */
MUST_CHECK bool hll_open(struct hll *h, struct slice value);
/* Raises a register. sparse_max: how long the string may be before it becomes dense. After
 * HLL_CORRUPT the content is of no use. */
enum hll_change hll_raise(struct hll *h, struct hll_point point, uint64_t sparse_max);
/* Makes it dense. False: corrupt. */
MUST_CHECK bool hll_densify(struct hll *h);
/* Writes all registers of a dense one. */
void hll_fill(struct hll *h, const uint8_t *registers);
/* The cached cardinality is out of date from now on. */
void hll_touch(struct hll *h);

/* The same for a dense value in place, HLL_DENSE_LEN bytes. True: the register was raised; the
 * cached cardinality is out of date then. */
bool hll_raise_dense(char *value, struct hll_point point);

#endif
