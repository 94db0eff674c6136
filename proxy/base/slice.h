/* Bytes that somebody else owns: a pointer and a length, never terminated.
 *
 * Keys, values and arguments travel as slices. A slice says nothing about lifetime; the function
 * that hands one out does.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include "base/base.h"

#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){(const char *)ptr, len};
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Orders by bytes, a prefix before what it begins: <0, 0, >0. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* ASCII letters compare without case; every other byte as it is. `word` is lower case. */
bool slice_is_word(struct slice text, const char *word);

#endif
