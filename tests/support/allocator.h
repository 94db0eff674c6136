/* The allocator behind malloc() and its kin, for a test program that defines those itself: to see
 * what is asked for, or to fail. Included by the one file of the program that does.
 *
 * ThreadSanitizer's allocator cannot be stood in for: there ALLOCATOR_IS_FIXED is defined.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_ALLOCATOR_H
#define TESTS_SUPPORT_ALLOCATOR_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ALLOCATOR_IS_FIXED 1
#endif
#endif

/* AddressSanitizer's, which must not be looked for while it begins. */
void *__interceptor_malloc(size_t size) __attribute__((weak));
void *__interceptor_calloc(size_t n, size_t size) __attribute__((weak));
void *__interceptor_realloc(void *block, size_t size) __attribute__((weak));
void *__interceptor_aligned_alloc(size_t alignment, size_t size) __attribute__((weak));

static inline void *allocator_find(const char *name, void **cached)
{
    void *found = __atomic_load_n(cached, __ATOMIC_RELAXED);
    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        __atomic_store_n(cached, found, __ATOMIC_RELAXED);
    }
    return found;
}

static inline void *allocator_malloc(size_t size)
{
    static void *cached;
    if (__interceptor_malloc != NULL)
        return __interceptor_malloc(size);
    return ((__typeof__(&malloc))allocator_find("malloc", &cached))(size);
}

static inline void *allocator_calloc(size_t n, size_t size)
{
    static void *cached;
    if (__interceptor_calloc != NULL)
        return __interceptor_calloc(n, size);
    return ((__typeof__(&calloc))allocator_find("calloc", &cached))(n, size);
}

static inline void *allocator_realloc(void *block, size_t size)
{
    static void *cached;
    if (__interceptor_realloc != NULL)
        return __interceptor_realloc(block, size);
    return ((__typeof__(&realloc))allocator_find("realloc", &cached))(block, size);
}

static inline void *allocator_aligned(size_t alignment, size_t size)
{
    static void *cached;
    if (__interceptor_aligned_alloc != NULL)
        return __interceptor_aligned_alloc(alignment, size);
    return ((__typeof__(&aligned_alloc))allocator_find("aligned_alloc", &cached))(alignment, size);
}

#endif
