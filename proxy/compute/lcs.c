/* See lcs.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/lcs.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64, BYTES = 256 };

struct lcs_table {
    size_t words; /* of a row */
    size_t rows;  /* a.len, or one */
    size_t length;
    uint64_t *row; /* a bit is zero where L grows */
};

/* Where each byte that occurs in a lies in b: a row of bits, found by place[byte]. */
struct places {
    uint64_t *row;
    uint16_t of[BYTES];
};

static bool find_places(struct slice a, struct slice b, size_t words, struct places *p)
{
    enum { NOWHERE = BYTES };
    uint16_t kinds = 0;
    for (int i = 0; i < BYTES; i++)
        p->of[i] = NOWHERE;
    for (size_t i = 0; i < a.len && kinds < BYTES; i++) {
        uint8_t byte = (uint8_t)a.ptr[i];
        if (p->of[byte] == NOWHERE)
            p->of[byte] = kinds++;
    }
    p->row = calloc(kinds * words + 1, sizeof(*p->row));
    if (p->row == NULL)
        return false;
    for (size_t j = 0; j < b.len; j++) {
        uint16_t kind = p->of[(uint8_t)b.ptr[j]];
        if (kind != NOWHERE)
            p->row[kind * words + j / WORD_BITS] |= UINT64_C(1) << j % WORD_BITS;
    }
    return true;
}

/* V := (V + (V & M)) | (V & ~M), over all words with carry. */
static void next_row(const uint64_t *above, const uint64_t *matches, uint64_t *row, size_t words)
{
    unsigned long long carry = 0;
    for (size_t w = 0; w < words; w++) {
        unsigned long long v = above[w], u = v & matches[w], sum;
        bool over = __builtin_uaddll_overflow(v, u, &sum);
        over |= __builtin_uaddll_overflow(sum, carry, &sum);
        carry = over;
        row[w] = sum | (v & ~u);
    }
}

static size_t count_zeros(const uint64_t *row, size_t bits)
{
    size_t zeros = 0;
    for (size_t at = 0; at < bits; at += WORD_BITS) {
        uint64_t word = ~row[at / WORD_BITS];
        if (bits - at < WORD_BITS)
            word &= (UINT64_C(1) << (bits - at)) - 1;
        zeros += (size_t)__builtin_popcountll(word);
    }
    return zeros;
}

static bool lcs_fill(struct lcs_table *t, struct slice a, struct slice b)
{
    struct places p;
    uint64_t *first = malloc((t->words + 1) * sizeof(*first));
    if (first == NULL || !find_places(a, b, t->words, &p)) {
        free(first);
        return false;
    }
    memset(first, 0xff, t->words * sizeof(*first));
    const uint64_t *above = first;
    for (size_t i = 0; i < a.len; i++) {
        uint64_t *row = t->row + (t->rows > 1 ? i * t->words : 0);
        next_row(above, p.row + p.of[(uint8_t)a.ptr[i]] * t->words, row, t->words);
        above = row;
    }
    t->length = count_zeros(above, b.len);
    free(first);
    free(p.row);
    return true;
}

struct lcs_table *lcs_table_try_new(struct slice a, struct slice b, bool rows)
{
    struct lcs_table *t = malloc(sizeof(*t));
    if (t == NULL)
        return NULL;
    t->words = b.len / WORD_BITS + (b.len % WORD_BITS != 0);
    t->rows = rows ? a.len : 1;
    t->row = t->words < SIZE_MAX / sizeof(*t->row) / (t->rows + 1)
                 ? malloc((t->rows * t->words + 1) * sizeof(*t->row))
                 : NULL;
    if (t->row != NULL && lcs_fill(t, a, b))
        return t;
    free(t->row);
    free(t);
    return NULL;
}

void lcs_table_free(struct lcs_table **t)
{
    if (*t == NULL)
        return;
    free((*t)->row);
    free(*t);
    *t = NULL;
}

size_t lcs_table_length(const struct lcs_table *t)
{
    return t->length;
}

bool lcs_table_grows(const struct lcs_table *t, size_t i, size_t j)
{
    uint64_t word = t->row[(i - 1) * t->words + (j - 1) / WORD_BITS];
    return (word >> (j - 1) % WORD_BITS & 1) == 0;
}
