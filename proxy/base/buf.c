/* See buf.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/buf.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

bool buf_try_grow(struct buf *b, size_t more)
{
    if (more > SIZE_MAX / 2 - b->len)
        return false;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap - b->len < more)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (data == NULL)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_must_grow(struct buf *b, size_t more)
{
    must(buf_try_grow(b, more));
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(b, len), bytes, len);
    b->len += len;
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.ptr, s.len);
}

void buf_append_str(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    must(n >= 0);
    char *at = buf_reserve(b, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(at, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
}

void buf_append_escaped(struct buf *b, struct slice s, size_t max)
{
    size_t shown = s.len < max ? s.len : max;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= ' ' && c <= '~' && c != '\\')
            buf_append(b, &c, 1);
        else
            buf_printf(b, "\\x%02x", c);
    }
    if (shown < s.len)
        buf_append_str(b, "...");
}

enum { NUMBER_MAX = 1 + NUM_I64_MAX + 2 };

/* At most NUMBER_MAX bytes; returns where it ends. */
static char *write_number(char *at, char prefix, int64_t n)
{
    *at++ = prefix;
    at += num_format_i64(at, n);
    memcpy(at, "\r\n", 2);
    return at + 2;
}

void buf_append_number(struct buf *b, char prefix, int64_t n)
{
    char *at = buf_reserve(b, NUMBER_MAX);
    b->len = (size_t)(write_number(at, prefix, n) - b->data);
}

void buf_append_bulk(struct buf *b, struct slice s)
{
    char *at = write_number(buf_reserve(b, NUMBER_MAX + s.len + 2), '$', (int64_t)s.len);
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    memcpy(at + s.len, "\r\n", 2);
    b->len = (size_t)(at + s.len + 2 - b->data);
}

struct blob *blob_try_new(size_t cap)
{
    if (cap > SIZE_MAX / 2)
        return NULL;
    struct blob *b = malloc(sizeof(*b) + cap);
    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 1);
    b->len = 0;
    b->cap = cap;
    return b;
}

struct blob *blob_try_grow(struct blob *b, size_t cap)
{
    must(atomic_load_explicit(&b->refs, memory_order_relaxed) == 1);
    if (cap <= b->cap)
        return b;
    struct blob *grown = cap > SIZE_MAX / 2 ? NULL : realloc(b, sizeof(*b) + cap);
    if (grown != NULL)
        grown->cap = cap;
    return grown;
}

struct blob *blob_ref(struct blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref(struct blob **b)
{
    struct blob *old = *b;
    *b = NULL;
    if (old != NULL && atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) == 1)
        free(old);
}
