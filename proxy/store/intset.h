/* Few integers as one sorted block: what a set is while all of its members are integers.
 *
 *   block:   form, width, count, changed, length      width: 2, 4 or 8 bytes, as the largest needs
 *   record:  value (little-endian, width bytes)  flags (enum field_flag)
 *
 * As in a packed block, dead records stay until the capture, the block moves when it grows or
 * shrinks, and getting smaller never needs memory.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_INTSET_H
#define STORE_INTSET_H

#include "store/packed.h"

struct intset {
    uint8_t form, width;
    uint16_t count;   /* records that are not dead */
    uint16_t changed; /* records with FIELD_CHANGED */
    uint16_t len;     /* records */
    char bytes[];
};

enum { INTSET_LEN_MAX = 16 * 1024 /* records; what is longer must become a table */ };

struct intset *intset_try_new(void);
size_t intset_memory(const struct intset *s);
int64_t intset_at(const struct intset *s, uint32_t i);
unsigned intset_flags(const struct intset *s, uint32_t i);
/* Where the value is, dead or alive, or where it belongs; false when it is not there. */
bool intset_find(const struct intset *s, int64_t value, uint32_t *at);
/* Puts a value that is not there where intset_find said. There must be less than INTSET_LEN_MAX.
 * False: out of memory, unchanged. */
MUST_CHECK bool intset_insert(struct intset **s, uint32_t at, int64_t value, unsigned flags);
void intset_set_flags(struct intset *s, uint32_t i, unsigned flags);
void intset_cut(struct intset **s, uint32_t i);
/* Takes the dead ones out and clears every flag. */
void intset_settle(struct intset **s);

#endif
