/* See num.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool num_parse_i64(struct slice text, int64_t *out)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    if (text.len == 0 || text.len > 20)
        return false;
    bool negative = *p == '-';
    if (negative && ++p == end)
        return false;
    if (*p == '0') { /* a lone zero, and it has no sign */
        *out = 0;
        return p + 1 == end && !negative;
    }
    uint64_t n = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    if (n > limit)
        return false;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static bool num_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool num_parse_double_lax(struct slice text, double *out)
{
    enum { SHORT = 256 };
    char room[SHORT], *copy = room, *end; /* strtod wants a terminated text */
    if (text.len >= sizeof(room) && (copy = malloc(text.len + 1)) == NULL)
        return false;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *out = strtod(copy, &end);
    bool ok = *end == '\0' && !isnan(*out);
    if (copy != room)
        free(copy);
    return ok;
}

bool num_parse_double(struct slice text, double *out)
{
    if (text.len == 0 || num_is_blank(text.ptr[0]) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    if (!num_parse_double_lax(text, out))
        return false;
    return errno != ERANGE || (fabs(*out) != HUGE_VAL && fpclassify(*out) != FP_ZERO);
}

bool num_parse_long_double(struct slice text, long double *out)
{
    char copy[NUM_LONG_DOUBLE_MAX], *end; /* strtold wants a terminated text */
    if (text.len == 0 || text.len >= sizeof(copy) || num_is_blank(text.ptr[0]) ||
        memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *out = strtold(copy, &end);
    if (errno == ERANGE && (fabsl(*out) == HUGE_VALL || fpclassify(*out) == FP_ZERO))
        return false;
    return *end == '\0' && !isnan(*out);
}

/* How many digits it has, by four comparisons a step. */
static size_t count_digits(uint64_t n)
{
    for (size_t digits = 0;; n /= 10000, digits += 4) {
        if (n < 10)
            return digits + 1;
        if (n < 100)
            return digits + 2;
        if (n < 1000)
            return digits + 3;
        if (n < 10000)
            return digits + 4;
    }
}

static const char DIGIT_PAIRS[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

size_t num_format_u64(char *out, uint64_t n)
{
    if (n < 10) {
        *out = (char)('0' + n);
        return 1;
    }
    size_t len = count_digits(n), at = len;
    for (; n >= 100; n /= 100)
        memcpy(out + (at -= 2), DIGIT_PAIRS + 2 * (n % 100), 2);
    if (n < 10)
        *out = (char)('0' + n);
    else
        memcpy(out, DIGIT_PAIRS + 2 * n, 2);
    return len;
}

size_t num_format_i64(char *out, int64_t n)
{
    if (n >= 0)
        return num_format_u64(out, (uint64_t)n);
    out[0] = '-';
    return 1 + num_format_u64(out + 1, 0 - (uint64_t)n);
}

/* A positive double as digits * 10^exponent, no digit too many; `text` has NUM_DOUBLE_MAX bytes. */
struct decimal {
    char digits[NUM_DOUBLE_MAX];
    int len, exponent;
};

/* Few decimals, as in 3.14, are found without printing: below 2^53 the product and the power are
 * exact, so that their quotient is the double that the text would be read as (Clinger, "How to read
 * floating point numbers accurately", 1990). */
static bool few_decimals(double n, struct decimal *d)
{
    double power = 1;
    for (int decimals = 1; decimals <= 15 && n * (power *= 10) < 0x1p53; decimals++) {
        double product = rint(n * power);
        if (product > 0 && product / power == n) {
            d->len = (int)num_format_u64(d->digits, (uint64_t)product);
            d->exponent = -decimals;
            return true;
        }
    }
    return false;
}

/* 15 digits always fit a normal double, 17 always tell it from the next. */
static void shortest_decimal(double n, struct decimal *d)
{
    if (few_decimals(n, d))
        return;
    char text[NUM_DOUBLE_MAX];
    int decimals = n < DBL_MIN ? 0 : 14;
    do {
        must(snprintf(text, sizeof(text), "%.*e", decimals, n) < (int)sizeof(text));
    } while (strtod(text, NULL) != n && ++decimals <= 16);
    const char *e = strchr(text, 'e');
    d->len = 0;
    for (const char *c = text; c < e; c++)
        if (*c != '.')
            d->digits[d->len++] = *c;
    d->exponent = (int)strtol(e + 1, NULL, 10) - (d->len - 1);
    for (; d->len > 1 && d->digits[d->len - 1] == '0'; d->len--)
        d->exponent++;
}

/* Where the point goes, and when it is an exponent that says so: as Redis 7.2 does it. */
static size_t write_decimal(char *out, const struct decimal *d)
{
    int first = d->len + d->exponent - 1; /* the power of ten of the first digit */
    int point = d->len + d->exponent;     /* digits before the point */
    if (d->exponent >= 0 && abs(first) < d->len + 7)
        return (size_t)sprintf(out, "%.*s%.*s", d->len, d->digits, d->exponent, "0000000");
    if (d->exponent < 0 && (d->exponent > -7 || abs(first) < 4)) {
        if (point > 0)
            return (size_t)sprintf(out, "%.*s.%.*s", point, d->digits, d->len - point,
                                   d->digits + point);
        return (size_t)sprintf(out, "0.%.*s%.*s", -point, "0000000", d->len, d->digits);
    }
    return (size_t)sprintf(out, "%c%s%.*se%+d", d->digits[0], d->len > 1 ? "." : "", d->len - 1,
                           d->digits + 1, first);
}

size_t num_format_double(char *out, double n)
{
    if (isinf(n))
        return (size_t)sprintf(out, n > 0 ? "inf" : "-inf");
    if (n == 0)
        return (size_t)sprintf(out, signbit(n) ? "-0" : "0");
    if (n > -4503599627370496.0 && n < 4503599627370496.0 && n == (double)(int64_t)n)
        return num_format_i64(out, (int64_t)n);
    struct decimal d;
    shortest_decimal(fabs(n), &d);
    *out = '-';
    return (n < 0) + write_decimal(out + (n < 0), &d);
}

size_t num_format_long_double(char *out, long double n)
{
    int len = snprintf(out, NUM_LONG_DOUBLE_MAX, "%.17Lf", n);
    must(len > 0 && len < NUM_LONG_DOUBLE_MAX);
    if (memchr(out, '.', (size_t)len) != NULL) {
        while (out[len - 1] == '0')
            len--;
        if (out[len - 1] == '.')
            len--;
    }
    if (len == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        len = 1;
    }
    return (size_t)len;
}
