/* Whether bytes are a reply, for executor_fuzz.c. Included there only.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FUZZ_EXECUTOR_REPLY_H
#define TESTS_FUZZ_EXECUTOR_REPLY_H

#include "base/slice.h"

#include <stdlib.h>

/* The length of the line at `at`, CRLF included; every reply consists of complete lines. */
static inline size_t line_end(struct slice s, size_t at)
{
    while (at + 1 < s.len && !(s.ptr[at] == '\r' && s.ptr[at + 1] == '\n')) {
        must(s.ptr[at] != '\n' && s.ptr[at] != '\r');
        at++;
    }
    must(at + 1 < s.len);
    return at + 2;
}

enum { PROTO_MIXED = 0 }; /* HELLO within EXEC */

/* One reply begins at `at`; returns where it ends. */
static inline size_t reply_end(struct slice s, size_t at, uint8_t proto, int depth)
{
    must(depth < 32 && at < s.len);
    char kind = s.ptr[at];
    size_t next = line_end(s, at + 1);
    long long n = 0;
    switch (kind) {
    case '+':
    case '-':
    case ':':
        return next;
    case '_':
    case '#':
    case ',':
    case '(':
        must(proto != 2);
        return next;
    case '=':
        must(proto != 2);
        /* fall through */
    case '$':
        n = strtoll(s.ptr + at + 1, NULL, 10);
        must(n >= (proto == 3 ? 0 : -1));
        if (n < 0)
            return next;
        must(s.len - next >= (size_t)n + 2 && memcmp(s.ptr + next + n, "\r\n", 2) == 0);
        return next + (size_t)n + 2;
    case '%':
    case '~':
    case '>':
        must(proto != 2);
        /* fall through */
    case '*':
        n = strtoll(s.ptr + at + 1, NULL, 10);
        must(n >= (proto == 3 ? 0 : -1));
        for (long long i = 0; i < (kind == '%' ? 2 * n : n); i++)
            next = reply_end(s, next, proto, depth + 1);
        return next;
    default:
        must(false);
        return 0;
    }
}

#endif
