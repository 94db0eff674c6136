/* See reply.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "resp/reply.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADER_MAX = NUM_I64_MAX + 3, ERROR_MAX = 1024 };

const char REPLY_WRONGTYPE[] = "WRONGTYPE Operation against a key holding the wrong kind of value";
const char REPLY_SYNTAX[] = "ERR syntax error";
const char REPLY_NOT_INT[] = "ERR value is not an integer or out of range";
const char REPLY_NOT_FLOAT[] = "ERR value is not a valid float";
const char REPLY_NO_KEY[] = "ERR no such key";
const char REPLY_RANGE[] = "ERR index out of range";
const char REPLY_OOM[] = "OOM command not allowed when used memory > 'maxmemory'.";
const char REPLY_NOSUB[] = "ERR unknown subcommand '%.128s'. Try %s HELP.";

void reply_init(struct reply *r)
{
    *r = (struct reply){.proto = 2};
}

void reply_fini(struct reply *r)
{
    reply_truncate(r, 0);
    free(r->refs);
    buf_fini(&r->buf);
    *r = (struct reply){.proto = 2};
}

size_t reply_len(const struct reply *r)
{
    size_t len = r->buf.len;
    for (uint32_t i = 0; i < r->refs_len; i++)
        len += r->refs[i].bytes.len;
    return len;
}

void reply_truncate(struct reply *r, size_t mark)
{
    must(mark <= r->buf.len);
    /* Bytes follow every reference, so one that stays lies before the mark. */
    while (r->refs_len > 0 && r->refs[r->refs_len - 1].at >= mark)
        blob_unref(&r->refs[--r->refs_len].blob);
    r->buf.len = mark;
}

static inline bool reply_has_space(struct reply *r, uint64_t len)
{
    if (LIKELY(r->limit == 0 || (!r->over && r->appended + len <= r->limit)))
        return true;
    r->over = true;
    return false;
}

bool reply_fits(struct reply *r, uint64_t len)
{
    return r->muted || reply_has_space(r, len);
}

/* Whether `len` bytes more may be appended. They are counted then. */
static inline bool reply_takes(struct reply *r, size_t len)
{
    if (UNLIKELY(r->muted) || !reply_has_space(r, len))
        return false;
    r->appended += len;
    return true;
}

static void reply_append_number(struct reply *r, char prefix, int64_t n)
{
    if (!reply_takes(r, 3))
        return;
    buf_append_number(&r->buf, prefix, n);
}

/* "<prefix>text\r\n" */
static void append_line(struct reply *r, char prefix, struct slice text)
{
    if (!reply_takes(r, text.len + 3))
        return;
    char *at = buf_reserve(&r->buf, text.len + 3);
    *at++ = prefix;
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    memcpy(at + text.len, "\r\n", 2);
    r->buf.len += text.len + 3;
}

void reply_raw(struct reply *r, struct slice bytes)
{
    if (reply_takes(r, bytes.len))
        buf_append_slice(&r->buf, bytes);
}

void reply_simple(struct reply *r, const char *text)
{
    append_line(r, '+', slice_str(text));
}

void reply_ok(struct reply *r)
{
    reply_raw(r, SLICE("+OK\r\n"));
}

void reply_error(struct reply *r, const char *text)
{
    if (r->muted)
        return;
    size_t at = r->buf.len, len = strlen(text);
    append_line(r, '-', slice_of(text, len));
    if (UNLIKELY(r->over))
        return;
    for (char *c = r->buf.data + at, *end = c + 1 + len; c < end; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    r->errors++;
    r->last_error = at;
}

void reply_errorf(struct reply *r, const char *format, ...)
{
    char text[ERROR_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    must(len >= 0);
    reply_error(r, text);
}

void reply_int(struct reply *r, int64_t n)
{
    reply_append_number(r, ':', n);
}

void reply_bulk(struct reply *r, struct slice s)
{
    if (!reply_takes(r, s.len + 5))
        return;
    buf_append_bulk(&r->buf, s);
}

void reply_bulk_str(struct reply *r, const char *text)
{
    reply_bulk(r, slice_str(text));
}

void reply_bulk_blob(struct reply *r, struct blob *b, struct slice s)
{
    if (s.len < REPLY_REF_MIN || b == NULL) {
        reply_bulk(r, s);
        return;
    }
    if (!reply_takes(r, s.len + 2))
        return;
    reply_append_number(r, '$', (int64_t)s.len);
    if (r->refs_len == r->refs_cap) {
        r->refs_cap = r->refs_cap == 0 ? 4 : r->refs_cap * 2;
        r->refs = realloc(r->refs, r->refs_cap * sizeof(*r->refs));
        must(r->refs != NULL);
    }
    r->refs[r->refs_len++] = (struct reply_ref){.at = r->buf.len, .blob = blob_ref(b), .bytes = s};
    reply_raw(r, SLICE("\r\n"));
}

void reply_bulk_i64(struct reply *r, int64_t n)
{
    char text[NUM_I64_MAX];
    reply_bulk(r, slice_of(text, num_format_i64(text, n)));
}

void reply_null(struct reply *r)
{
    reply_raw(r, r->proto >= 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
}

void reply_null_array(struct reply *r)
{
    reply_raw(r, r->proto >= 3 ? SLICE("_\r\n") : SLICE("*-1\r\n"));
}

void reply_double(struct reply *r, double n)
{
    char text[NUM_DOUBLE_MAX];
    struct slice s = slice_of(text, num_format_double(text, n));
    if (r->proto >= 3)
        append_line(r, ',', s);
    else
        reply_bulk(r, s);
}

void reply_bool(struct reply *r, bool b)
{
    if (r->proto >= 3)
        reply_raw(r, b ? SLICE("#t\r\n") : SLICE("#f\r\n"));
    else
        reply_int(r, b);
}

void reply_big_number(struct reply *r, struct slice digits)
{
    if (r->proto >= 3)
        append_line(r, '(', digits);
    else
        reply_bulk(r, digits);
}

void reply_verbatim(struct reply *r, const char *format3, struct slice s)
{
    must(strlen(format3) == 3);
    if (r->proto < 3) {
        reply_bulk(r, s);
        return;
    }
    reply_append_number(r, '=', (int64_t)s.len + 4);
    reply_raw(r, slice_of(format3, 3));
    reply_raw(r, SLICE(":"));
    reply_raw(r, s);
    reply_raw(r, SLICE("\r\n"));
}

static void append_aggregate(struct reply *r, char prefix3, uint64_t n, uint64_t per_element2)
{
    if (r->proto >= 3)
        reply_append_number(r, prefix3, (int64_t)n);
    else
        reply_append_number(r, '*', (int64_t)(n * per_element2));
}

void reply_array(struct reply *r, uint64_t n)
{
    append_aggregate(r, '*', n, 1);
}

void reply_map(struct reply *r, uint64_t pairs)
{
    append_aggregate(r, '%', pairs, 2);
}

void reply_set(struct reply *r, uint64_t n)
{
    append_aggregate(r, '~', n, 1);
}

void reply_push(struct reply *r, uint64_t n)
{
    append_aggregate(r, '>', n, 1);
}

size_t reply_array_begin(struct reply *r)
{
    return r->buf.len;
}

/* Writes the header after the elements and turns the two around. */
static void end_aggregate(struct reply *r, size_t begin, char prefix3, uint64_t n,
                          uint64_t per_element2)
{
    if (r->muted || r->over)
        return;
    must(begin <= r->buf.len);
    size_t body = r->buf.len - begin;
    append_aggregate(r, prefix3, n, per_element2);
    if (UNLIKELY(r->over))
        return;
    size_t header = r->buf.len - begin - body;
    char copy[HEADER_MAX], *data = r->buf.data + begin;
    memcpy(copy, data + body, header);
    memmove(data + header, data, body);
    memcpy(data, copy, header);
    for (uint32_t i = r->refs_len; i > 0 && r->refs[i - 1].at > begin; i--)
        r->refs[i - 1].at += header;
    if (r->errors > 0 && r->last_error >= begin)
        r->last_error += header;
}

void reply_array_end(struct reply *r, size_t begin, uint64_t n)
{
    end_aggregate(r, begin, '*', n, 1);
}

void reply_map_end(struct reply *r, size_t begin, uint64_t pairs)
{
    end_aggregate(r, begin, '%', pairs, 2);
}

void reply_set_end(struct reply *r, size_t begin, uint64_t n)
{
    end_aggregate(r, begin, '~', n, 1);
}
