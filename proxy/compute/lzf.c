/* See lzf.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/lzf.h"

enum { LITERAL_CODES = 32, LONG_COPY = 7 };

/* One step: bytes to be copied from the input, or from `back` bytes before the end of the output.
 */
struct lzf_step {
    size_t len, back; /* back 0: from the input */
};

/* Reads the next step; false: the input ends within it. */
static bool read_step(const uint8_t **at, const uint8_t *end, struct lzf_step *out)
{
    uint8_t code = *(*at)++;
    if (code < LITERAL_CODES) {
        *out = (struct lzf_step){.len = code + 1u};
        return out->len <= (size_t)(end - *at);
    }
    size_t len = code >> 5;
    if (end - *at < (len == LONG_COPY ? 2 : 1))
        return false;
    if (len == LONG_COPY)
        len += *(*at)++;
    *out = (struct lzf_step){.len = len + 2, .back = ((code & 31u) << 8 | *(*at)++) + 1u};
    return true;
}

/* A copy whose source may reach into what it writes: byte by byte, that repeats a pattern. */
static void copy_back(char *to, size_t back, size_t len)
{
    const char *from = to - back;
    if (back >= len) {
        memcpy(to, from, len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        to[i] = from[i];
}

static bool lzf_unpack(struct slice in, char *out, size_t out_len)
{
    const uint8_t *at = (const uint8_t *)in.ptr, *end = at + in.len;
    size_t done = 0;
    while (at < end) {
        struct lzf_step s;
        if (!read_step(&at, end, &s) || s.len > out_len - done || s.back > done)
            return false;
        if (out != NULL && s.back == 0)
            memcpy(out + done, at, s.len);
        else if (out != NULL)
            copy_back(out + done, s.back, s.len);
        at += s.back == 0 ? s.len : 0;
        done += s.len;
    }
    return done == out_len;
}

bool lzf_is_valid(struct slice in, size_t out_len)
{
    return lzf_unpack(in, NULL, out_len);
}

bool lzf_expand(struct slice in, char *out, size_t out_len)
{
    return lzf_unpack(in, out, out_len);
}
