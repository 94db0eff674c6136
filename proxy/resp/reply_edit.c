/* Changing replies that are written already: stepping over whole ones, and exchanging them.
 *
 * What is stepped over was written by reply.c, so it is whole and well-formed; a broken one is our
 * own mistake.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "resp/reply.h"

#include "base/num.h"

/* The number of a header line "<type><number>\r\n", which is stepped over. */
static int64_t take_header(const struct reply *r, struct reply_place *p)
{
    const char *line = r->buf.data + p->at;
    const char *end = memchr(line, '\r', r->buf.len - p->at);
    int64_t n = 0;
    must(end != NULL);
    if (memchr("$=!*%~>|", line[0], 8) != NULL)
        must(num_parse_i64(slice_of(line + 1, (size_t)(end - line - 1)), &n));
    p->at += (size_t)(end - line) + 2;
    return n;
}

/* Of a bulk: in the buffer, or referenced. */
static void skip_bytes(const struct reply *r, struct reply_place *p, int64_t len)
{
    if (len < 0)
        return;
    if (p->ref < r->refs_len && r->refs[p->ref].at == p->at) {
        must(r->refs[p->ref].bytes.len == (size_t)len);
        p->ref++;
    } else {
        p->at += (size_t)len;
    }
    p->at += 2;
}

char reply_skip(const struct reply *r, struct reply_place *p)
{
    must(p->at < r->buf.len);
    char first = r->buf.data[p->at];
    for (uint64_t left = 1; left > 0; left--) {
        must(p->at < r->buf.len);
        char type = r->buf.data[p->at];
        int64_t n = take_header(r, p);
        switch (type) {
        case '$':
        case '=':
        case '!':
            skip_bytes(r, p, n);
            break;
        case '*':
        case '~':
        case '>':
            left += n > 0 ? (uint64_t)n : 0;
            break;
        case '%':
            left += 2 * (uint64_t)n;
            break;
        case '|':
            left += 2 * (uint64_t)n + 1;
            break;
        default:
            break;
        }
    }
    must(p->at <= r->buf.len);
    return first;
}

bool reply_replace(struct reply *r, struct reply_place from, struct reply_place to,
                   struct slice bytes)
{
    must(from.at <= to.at && to.at <= r->buf.len && from.ref <= to.ref && to.ref <= r->refs_len);
    size_t gone = to.at - from.at;
    if (bytes.len > gone && !buf_try_reserve(&r->buf, bytes.len - gone))
        return false;
    if (to.at < r->buf.len)
        memmove(r->buf.data + from.at + bytes.len, r->buf.data + to.at, r->buf.len - to.at);
    if (bytes.len > 0)
        memcpy(r->buf.data + from.at, bytes.ptr, bytes.len);
    r->buf.len = r->buf.len - gone + bytes.len;
    for (uint32_t i = from.ref; i < to.ref; i++)
        blob_unref(&r->refs[i].blob);
    if (to.ref < r->refs_len)
        memmove(r->refs + from.ref, r->refs + to.ref, (r->refs_len - to.ref) * sizeof(*r->refs));
    r->refs_len -= to.ref - from.ref;
    for (uint32_t i = from.ref; i < r->refs_len; i++)
        r->refs[i].at = r->refs[i].at - gone + bytes.len;
    return true;
}
