/* Assertions and attributes that every file may use.
 *
 * must() states an invariant of ours and is on in every build: a broken invariant is a crash with a
 * message. It is never applied to bytes from a client, a disk, a backend or a configuration.
 * slow_must() is for checks that cost more than they may in production: on in `make debug`.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN               __attribute__((noreturn))
#define LIKELY(x)              __builtin_expect(!!(x), 1)
#define UNLIKELY(x)            __builtin_expect(!!(x), 0)
#define COUNT_OF(array)        (sizeof(array) / sizeof((array)[0]))
#define CACHE_LINE             64

#define must(cond)                                  \
    do {                                            \
        if (UNLIKELY(!(cond)))                      \
            base_broken(#cond, __FILE__, __LINE__); \
    } while (0)

#ifdef WEIR_SLOW_CHECKS
#define slow_must(cond) must(cond)
#else
#define slow_must(cond) ((void)sizeof(!(cond)))
#endif

/* Prints the broken condition and its place on stderr and aborts. */
NORETURN void base_broken(const char *cond, const char *file, int line);

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
