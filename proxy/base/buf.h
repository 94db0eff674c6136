/* A growable byte buffer, and a shared immutable-after-handover block of bytes.
 *
 * `struct buf` has one owner. Growth doubles; running out of memory is an error where a client
 * chose the size (`buf_try_reserve`) and an abort where we did (`buf_append` and the rest).
 *
 * `struct blob` is a heap block with a reference count: a large bulk argument is read into one,
 * becomes the stored value, and is sent to readers from there, without a copy on the way.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

#include <stdatomic.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_fini(struct buf *b);
/* What the two that follow call when there is too little room. */
MUST_CHECK bool buf_try_grow(struct buf *b, size_t more);
void buf_must_grow(struct buf *b, size_t more);
/* Makes room for `more` bytes beyond len; false when memory or SIZE_MAX is exhausted, b unchanged.
 */
MUST_CHECK static inline bool buf_try_reserve(struct buf *b, size_t more)
{
    return LIKELY(more <= b->cap - b->len) || buf_try_grow(b, more);
}
/* The same, aborting on failure; returns the first free byte. */
static inline char *buf_reserve(struct buf *b, size_t more)
{
    if (UNLIKELY(more > b->cap - b->len))
        buf_must_grow(b, more);
    return b->data + b->len;
}
void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_str(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends `s` for a log or an error: printable ASCII as it is, the rest as \xNN, cut at `max`
 * bytes. */
void buf_append_escaped(struct buf *b, struct slice s, size_t max);
/* RESP: appends a number with what it is, as in `:42\r\n`; the head of an array, `*n\r\n`; a bulk,
 * `$len\r\n..\r\n`. */
void buf_append_number(struct buf *b, char prefix, int64_t n);
static inline void buf_append_array_header(struct buf *b, uint64_t n)
{
    buf_append_number(b, '*', (int64_t)n);
}
void buf_append_bulk(struct buf *b, struct slice s);

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

struct blob {
    _Atomic uint32_t refs;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated after data */
    char data[];
};

/* NULL when out of memory. The caller owns one reference. */
struct blob *blob_try_new(size_t cap);
/* Grows a blob that only the caller holds; NULL when out of memory, the old one is then intact. */
struct blob *blob_try_grow(struct blob *b, size_t cap);
struct blob *blob_ref(struct blob *b);
/* Drops one reference and NULLs the pointer. NULL is fine. */
void blob_unref(struct blob **b);

static inline struct slice blob_slice(const struct blob *b)
{
    return (struct slice){b->data, b->len};
}

#endif
