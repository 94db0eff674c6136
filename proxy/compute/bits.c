/* See bits.h. Loops go by 64-bit words, four at a time where that keeps more loads under way.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/bits.h"

#include <endian.h>

enum { WORD = sizeof(uint64_t), STRIDE = 4 };

static uint64_t bits_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t bits_count_bytes(const char *at, size_t len)
{
    uint64_t n[STRIDE] = {0};
    for (; len >= STRIDE * WORD; at += STRIDE * WORD, len -= STRIDE * WORD)
        for (size_t i = 0; i < STRIDE; i++)
            n[i] += (uint64_t)__builtin_popcountll(bits_load(at + i * WORD));
    for (; len >= WORD; at += WORD, len -= WORD)
        n[0] += (uint64_t)__builtin_popcountll(bits_load(at));
    uint64_t rest = 0;
    memcpy(&rest, at, len);
    return n[0] + n[1] + n[2] + n[3] + (uint64_t)__builtin_popcountll(rest);
}

uint64_t bits_count(struct slice s, uint64_t first, uint64_t end)
{
    must(end <= (uint64_t)s.len * 8);
    if (first >= end)
        return 0;
    uint64_t from = first / 8, to = (end + 7) / 8; /* bytes that have a bit in the range */
    uint64_t n = bits_count_bytes(s.ptr + from, (size_t)(to - from));
    if (first % 8 != 0)
        n -= (uint64_t)__builtin_popcountll(bits_get(s, from * 8, (unsigned)(first % 8)));
    if (end % 8 != 0)
        n -= (uint64_t)__builtin_popcountll(bits_get(s, end, (unsigned)(8 - end % 8)));
    return n;
}

int64_t bits_find(struct slice s, bool bit, uint64_t first, uint64_t end)
{
    must(end <= (uint64_t)s.len * 8);
    uint64_t boring = bit ? 0 : UINT64_MAX;
    uint64_t at = first / 8, stop = (end + 7) / 8;
    uint64_t unwanted = UINT64_MAX >> first % 8; /* bits before the first one do not count */
    for (; first < end && at < stop; at += WORD, unwanted = UINT64_MAX) {
        while (unwanted == UINT64_MAX && stop - at >= STRIDE * WORD &&
               bits_load(s.ptr + at) == boring && bits_load(s.ptr + at + WORD) == boring &&
               bits_load(s.ptr + at + 2 * WORD) == boring &&
               bits_load(s.ptr + at + 3 * WORD) == boring)
            at += STRIDE * WORD;
        uint64_t word = boring;
        memcpy(&word, s.ptr + at, (size_t)min_u64(WORD, stop - at));
        word = (be64toh(word) ^ boring) & unwanted;
        if (word != 0) {
            uint64_t found = at * 8 + (uint64_t)__builtin_clzll(word);
            return found < end ? (int64_t)found : -1;
        }
    }
    return -1;
}

/* A field of 64 bits that does not begin with a byte reaches into a ninth one. */
uint64_t bits_get(struct slice s, uint64_t offset, unsigned width)
{
    must(width >= 1 && width <= BITS_WIDTH_MAX);
    unsigned char window[WORD + 1] = {0};
    uint64_t at = offset / 8;
    unsigned shift = offset % 8;
    if (at < s.len)
        memcpy(window, s.ptr + at, (size_t)min_u64(sizeof(window), s.len - at));
    uint64_t bits;
    memcpy(&bits, window, sizeof(bits));
    bits = be64toh(bits) << shift | (uint64_t)window[WORD] >> (8 - shift);
    return bits >> (BITS_WIDTH_MAX - width);
}

void bits_put(char *bytes, uint64_t offset, unsigned width, uint64_t value)
{
    must(width >= 1 && width <= BITS_WIDTH_MAX);
    unsigned shift = offset % 8;
    size_t len = (shift + width + 7) / 8;
    unsigned char window[WORD + 1] = {0};
    char *at = bytes + offset / 8;
    memcpy(window, at, len);
    uint64_t mask = UINT64_MAX << (BITS_WIDTH_MAX - width);
    value <<= BITS_WIDTH_MAX - width;
    uint64_t bits;
    memcpy(&bits, window, sizeof(bits));
    bits = htobe64((be64toh(bits) & ~(mask >> shift)) | value >> shift);
    memcpy(window, &bits, sizeof(bits));
    unsigned char tail_mask = (unsigned char)(mask << (8 - shift));
    if (shift > 0)
        window[WORD] = (unsigned char)((window[WORD] & ~tail_mask) |
                                       ((unsigned char)(value << (8 - shift)) & tail_mask));
    memcpy(at, window, len);
}

/* The compiler makes of this whatever vectors the machine has. */
typedef uint64_t chunk __attribute__((vector_size(STRIDE * WORD)));

/* A macro, so that the choice of the operation stays outside of the loop; for a and b read a chunk
 * or a byte. */
#define COMBINE(expression)                                                     \
    do {                                                                        \
        for (; len >= sizeof(chunk);                                            \
             out += sizeof(chunk), in += sizeof(chunk), len -= sizeof(chunk)) { \
            chunk a, b;                                                         \
            memcpy(&a, out, sizeof(a));                                         \
            memcpy(&b, in, sizeof(b));                                          \
            a = (expression);                                                   \
            memcpy(out, &a, sizeof(a));                                         \
        }                                                                       \
        for (; len > 0; out++, in++, len--) {                                   \
            unsigned char a = (unsigned char)*out, b = (unsigned char)*in;      \
            a = (unsigned char)(expression);                                    \
            *out = (char)a;                                                     \
        }                                                                       \
    } while (0)

void bits_combine(enum bits_operation op, char *out, const char *in, size_t len)
{
    switch (op) {
    case BITS_AND:
        COMBINE(a & b);
        break;
    case BITS_OR:
        COMBINE(a | b);
        break;
    case BITS_XOR:
        COMBINE(a ^ b);
        break;
    case BITS_NOT:
        COMBINE(~b);
        break;
    }
}
