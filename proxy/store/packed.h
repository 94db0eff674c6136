/* Few named values as one block of bytes, in the order of their insertion: a small hash or, without
 * values, a small set. The block is the object itself; it moves when it grows or shrinks.
 *
 *   block:   head  record ...
 *   head:    form, length, count, changed        one byte each, while the records fit in 255 bytes
 *            form, -, count, changed, length     two bytes each, from then on ("wide")
 *   record:  varint(name length * 8 + flags)  [varint(value length)]  name  [value]
 *
 * It is allocated at least as large as the size class of what it holds. It counts by itself which
 * records are alive and which changed. Getting smaller never needs memory.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_PACKED_H
#define STORE_PACKED_H

#include "base/slice.h"

/* What write-back knows of a field. */
enum field_flag {
    FIELD_CHANGED = 1, /* since the last capture */
    FIELD_FRESH = 2,   /* and the backend cannot have it: removing it leaves nothing to tell */
    FIELD_DEAD = 4,    /* removed, but still to be told to the backend; has no value */
};

/* The first byte of every object of these types says what it is. */
enum object_form {
    FORM_WIDE = 1,   /* a block with a wide head */
    FORM_VALUED = 2, /* a block whose records have values */
    FORM_TABLE = 4,  /* named.c: a table of fields */
    FORM_INTS = 8,   /* intset.h */
};

struct packed {
    union {
        struct {
            uint8_t form, len, count, changed;
        } narrow;
        struct {
            uint8_t form, unused;
            uint16_t count, changed, len;
        } wide;
    };
};

struct packed_pair {
    uint32_t at, end; /* of the record; `at` stays right when the block moves */
    unsigned flags;
    struct slice name, value; /* valid until the block changes */
};

enum { PACKED_MAX = 65535 /* bytes of records; what is larger must become a table */ };

struct packed *packed_try_new(bool valued);
uint32_t packed_count(const struct packed *p);   /* records that are not dead */
uint32_t packed_changed(const struct packed *p); /* records with FIELD_CHANGED */
size_t packed_memory(const struct packed *p);
/* Reads the record at `at` (the first: 0); false at the end. */
bool packed_read(const struct packed *p, uint32_t at, struct packed_pair *out);
/* Dead ones too. *dead: how many dead records were passed on the way. */
bool packed_find(const struct packed *p, struct slice name, struct packed_pair *out,
                 uint32_t *dead);
/* Bytes of the records if `pair` (NULL: none) were replaced by one of these lengths. */
size_t packed_len_with(const struct packed *p, const struct packed_pair *pair, size_t name_len,
                       size_t value_len);
/* Replaces `pair` (its place stays), or appends when NULL. name and value must not lie in the
 * block. False: out of memory, unchanged. packed_len_with() must have been <= PACKED_MAX. */
MUST_CHECK bool packed_put(struct packed **p, const struct packed_pair *pair, struct slice name,
                           struct slice value, unsigned flags);
/* Takes the record's value away and sets its flags. */
void packed_kill(struct packed **p, const struct packed_pair *pair, unsigned flags);
/* Takes the record out. */
void packed_cut(struct packed **p, const struct packed_pair *pair);
/* Takes the dead ones out and clears every flag. */
void packed_settle(struct packed **p);

#endif
