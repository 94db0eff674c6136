/* Bits of strings against a model that looks at one bit at a time. Every string lies in a block of
 * exactly its length, at any alignment, so that a sanitizer sees a byte too many.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LEN_MAX = 150, ROUNDS = 20000 };

static uint64_t random_state = 42;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

static uint64_t below(uint64_t n)
{
    return random_u64() % n;
}

/* Mostly zeros, mostly ones, or anything. */
static char *random_bytes(size_t len)
{
    char *bytes = malloc(len + 1);
    assert_non_null(bytes);
    unsigned kind = (unsigned)below(3);
    for (size_t i = 0; i < len; i++) {
        bool odd = kind == 2 || below(40) == 0;
        bytes[i] = (char)(odd ? random_u64() : kind == 1 ? 255 : 0);
    }
    char *exact = realloc(bytes, len > 0 ? len : 1);
    assert_non_null(exact);
    return exact;
}

static bool bit_of(struct slice s, uint64_t at)
{
    return at / 8 < s.len && ((unsigned char)s.ptr[at / 8] >> (7 - at % 8) & 1) != 0;
}

static void counting_and_finding_agree_with_single_bits(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t skip = below(9), len = skip + below(LEN_MAX);
        char *bytes = random_bytes(len);
        struct slice s = slice_of(bytes + skip, len - skip);
        uint64_t first = below(s.len * 8 + 1), end = first + below(s.len * 8 - first + 1),
                 count = 0;
        int64_t found[2] = {-1, -1};
        for (uint64_t i = end; i-- > first;) {
            count += bit_of(s, i);
            found[bit_of(s, i)] = (int64_t)i;
        }
        assert_int_equal(bits_count(s, first, end), count);
        assert_int_equal(bits_find(s, false, first, end), found[0]);
        assert_int_equal(bits_find(s, true, first, end), found[1]);
        free(bytes);
    }
}

static void a_range_that_is_empty_or_crossed_has_nothing(void **state)
{
    (void)state;
    struct slice s = SLICE("\xff\xff");
    assert_int_equal(bits_count(s, 3, 3), 0);
    assert_int_equal(bits_count(s, 9, 3), 0);
    assert_int_equal(bits_find(s, true, 9, 3), -1);
    assert_int_equal(bits_count(SLICE(""), 0, 0), 0);
    assert_int_equal(bits_find(SLICE(""), true, 0, 0), -1);
}

static void a_field_is_its_bits_and_zeros_follow_the_end(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t len = below(20);
        char *bytes = random_bytes(len);
        struct slice s = slice_of(bytes, len);
        uint64_t offset = below(200), value = 0;
        unsigned width = 1 + (unsigned)below(64);
        for (unsigned i = 0; i < width; i++)
            value = value << 1 | bit_of(s, offset + i);
        assert_true(bits_get(s, offset, width) == value);
        free(bytes);
    }
    assert_int_equal(bits_get(SLICE("a"), UINT64_C(1) << 40, 64), 0);
}

static void what_is_put_is_read_and_nothing_else_changes(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t len = 1 + below(20);
        char *bytes = random_bytes(len), before[32];
        memcpy(before, bytes, len);
        unsigned width = 1 + (unsigned)below(len * 8 < 64 ? len * 8 : 64);
        uint64_t offset = below(len * 8 - width + 1), value = random_u64();
        bits_put(bytes, offset, width, value);
        struct slice s = slice_of(bytes, len);
        assert_true(bits_get(s, offset, width) == (width == 64 ? value : value % (1ULL << width)));
        for (uint64_t i = 0; i < len * 8; i++)
            if (i < offset || i >= offset + width)
                assert_int_equal(bit_of(s, i), bit_of(slice_of(before, len), i));
        free(bytes);
    }
}

static char combined(enum bits_operation op, char a, char b)
{
    switch (op) {
    case BITS_AND:
        return (char)(a & b);
    case BITS_OR:
        return (char)(a | b);
    case BITS_XOR:
        return (char)(a ^ b);
    default:
        return (char)~b;
    }
}

static void combining_goes_byte_by_byte(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS / 4; round++) {
        size_t len = below(LEN_MAX), skip = below(9);
        char *a = random_bytes(len), *b = random_bytes(len + skip), was[LEN_MAX];
        enum bits_operation op = (enum bits_operation)below(4);
        memcpy(was, a, len);
        bits_combine(op, a, b + skip, len);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(a[i], combined(op, was[i], b[skip + i]));
        free(a);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_and_finding_agree_with_single_bits),
        cmocka_unit_test(a_range_that_is_empty_or_crossed_has_nothing),
        cmocka_unit_test(a_field_is_its_bits_and_zeros_follow_the_end),
        cmocka_unit_test(what_is_put_is_read_and_nothing_else_changes),
        cmocka_unit_test(combining_goes_byte_by_byte),
    };
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
