/* A small hash as one block of bytes: pairs in the order of their insertion.
 *
 *   pair:  varint(name length * 8 + flags)  varint(value length)  name  value
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

struct packed {
    char *bytes;
    uint32_t len, cap;
};

struct packed_pair {
    uint32_t at, end; /* the pair is bytes[at..end) */
    unsigned flags;
    struct slice name, value; /* valid until the block changes */
};

enum { PACKED_MAX = 256 * 1024 /* bytes; what is larger must become a table */ };

/* Reads the pair at `at`; false at the end. */
bool packed_read(const struct packed *p, uint32_t at, struct packed_pair *out);
/* Dead ones too. */
bool packed_find(const struct packed *p, struct slice name, struct packed_pair *out);
/* Bytes of the block if `pair` (NULL: none) were replaced by a pair of these lengths. */
size_t packed_len_with(const struct packed *p, const struct packed_pair *pair, size_t name_len,
                       size_t value_len);
/* Replaces `pair` (its place stays), or appends when NULL. name and value must not lie in the
 * block. False: out of memory, unchanged. packed_len_with() must have been <= PACKED_MAX. */
MUST_CHECK bool packed_put(struct packed *p, const struct packed_pair *pair, struct slice name,
                           struct slice value, unsigned flags);
void packed_set_flags(struct packed *p, const struct packed_pair *pair, unsigned flags);
/* Takes the pair's value away and sets its flags. Needs no memory. */
void packed_kill(struct packed *p, const struct packed_pair *pair, unsigned flags);
/* Takes the pair out. Needs no memory. */
void packed_cut(struct packed *p, const struct packed_pair *pair);
/* Gives back what is not used, if that is much. */
void packed_trim(struct packed *p);
void packed_fini(struct packed *p);

#endif
