/* Allocation for the store: every one can fail, and knows its size class.
 *
 * The classes are jemalloc's (16 bytes apart up to 128, then four to a doubling). Requests are
 * rounded up to them, so that the size of a block can be computed from what it holds instead of
 * asked of the allocator, whichever allocator that is.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_ALLOC_H
#define STORE_ALLOC_H

#include "base/buf.h"

static inline size_t alloc_size_class(size_t size)
{
    if (size <= 128)
        return (size + 15) & ~(size_t)15;
    unsigned log = 63 - (unsigned)__builtin_clzl(size - 1);
    size_t step = (size_t)1 << (log - 2);
    return (size + step - 1) & ~(step - 1);
}

/* Tests: while set, asked before every allocation; true makes it fail. Set while nothing runs. */
extern bool (*alloc_should_fail)(void);

/* NULL: out of memory, nothing changed. Freed with free(). */
void *alloc_try(size_t size);
void *alloc_try_zeroed(size_t size);
void *alloc_try_resize(void *block, size_t size);
void *alloc_try_aligned(size_t size); /* to a cache line; size is a multiple of one */
struct blob *alloc_try_blob(size_t cap);
struct blob *alloc_try_grow_blob(struct blob *b, size_t cap);
/* What the allocator really gave. */
size_t alloc_usable(void *block);

/* Random per process: nobody outside can make keys collide. */
uint64_t alloc_hash_seed(void);

#endif
