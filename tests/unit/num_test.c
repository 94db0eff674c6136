/* Numbers as Redis reads and writes them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void integers_are_read_in_canonical_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t n;
    } good[] = {{"0", 0},
                {"-1", -1},
                {"10", 10},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t n = 99;
        assert_true(num_parse_i64(slice_str(good[i].text), &n));
        assert_true(n == good[i].n);
    }
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "-0",
                                      "00",
                                      "007",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "9223372036854775808",
                                      "0x1",
                                      "1e3",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "184467440737095516160"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t n;
        assert_false(num_parse_i64(slice_str(bad[i]), &n));
    }
    int64_t n;
    assert_false(num_parse_i64(SLICE("1\0"), &n));
}

static void integers_survive_a_round_trip(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits =
            (uint64_t)rand_r(&seed) << 42 ^ (uint64_t)rand_r(&seed) << 21 ^ (uint64_t)rand_r(&seed);
        int64_t n = (int64_t)(bits >> (unsigned)(rand_r(&seed) % 64)), back;
        n = i % 2 == 0 ? n : -n;
        char text[NUM_I64_MAX], expected[32];
        size_t len = num_format_i64(text, n);
        assert_int_equal(len, snprintf(expected, sizeof(expected), "%lld", (long long)n));
        assert_memory_equal(text, expected, len);
        assert_true(num_parse_i64(slice_of(text, len), &back) && back == n);
    }
    char text[NUM_I64_MAX];
    assert_int_equal(num_format_u64(text, UINT64_MAX), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
    assert_int_equal(num_format_i64(text, INT64_MIN), 20);
    assert_memory_equal(text, "-9223372036854775808", 20);
}

static void floats_are_read_strictly(void **state)
{
    (void)state;
    double d;
    long double l;
    assert_true(num_parse_double(SLICE("3.25"), &d) && d == 3.25);
    assert_true(num_parse_double(SLICE("-inf"), &d) && isinf(d) && d < 0);
    assert_true(num_parse_double(SLICE("1e3"), &d) && d == 1000);
    static const char *const bad[] = {"", " 1", "1 ", "nan", "1x", "1e999", "abc", "\t1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(num_parse_double(slice_str(bad[i]), &d));
        if (strcmp(bad[i], "1e999") != 0) /* fits a long double */
            assert_false(num_parse_long_double(slice_str(bad[i]), &l));
    }
    assert_false(num_parse_double(SLICE("1\0"), &d));
    assert_true(num_parse_long_double(SLICE("10.5"), &l) && l == 10.5L);
}

/* The largest have thousands of digits, and are read again by the next INCRBYFLOAT. */
static void what_is_written_of_a_long_double_is_read_again(void **state)
{
    (void)state;
    static const long double cases[] = {LDBL_MAX, -LDBL_MAX, 1e2161L, 12345.678L};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[NUM_LONG_DOUBLE_MAX];
        long double again;
        size_t len = num_format_long_double(text, cases[i]);
        assert_true(num_parse_long_double(slice_of(text, len), &again));
        assert_true(again == cases[i]);
    }
    char long_text[NUM_LONG_DOUBLE_MAX + 1];
    long double ignored;
    memset(long_text, '0', sizeof(long_text));
    assert_false(num_parse_long_double(slice_of(long_text, NUM_LONG_DOUBLE_MAX), &ignored));
}

static void floats_are_written_as_redis_does(void **state)
{
    (void)state;
    static const struct {
        double n;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {3, "3"},
                 {-17, "-17"},
                 {1.5, "1.5"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {0.1, "0.1"},
                 {-3.14, "-3.14"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e17, "1e+17"},
                 {123456789012345678.0, "123456789012345680"},
                 {1e100, "1e+100"},
                 {0.00001, "0.00001"},
                 {0.00001234, "1.234e-5"},
                 {0.0000001, "1e-7"},
                 {1.0 / 3, "0.3333333333333333"},
                 {12345678.901234567, "1.2345678901234567e+7"},
                 {5e-324, "5e-324"},
                 {-1.7976931348623157e308, "-1.7976931348623157e+308"},
                 {1234.5678, "1234.5678"},
                 {9007199254740993.5, "9007199254740994"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[NUM_DOUBLE_MAX];
        size_t len = num_format_double(text, cases[i].n);
        assert_true(slice_eq(slice_of(text, len), slice_str(cases[i].text)));
    }
    static const struct {
        long double n;
        const char *text;
    } long_cases[] = {{3.0L, "3"}, {10.5L, "10.5"}, {-0.0L, "0"}, {5.0e3L, "5000"}, {0.1L, "0.1"}};
    for (size_t i = 0; i < COUNT_OF(long_cases); i++) {
        char text[NUM_LONG_DOUBLE_MAX];
        size_t len = num_format_long_double(text, long_cases[i].n);
        assert_true(slice_eq(slice_of(text, len), slice_str(long_cases[i].text)));
    }
}

static void doubles_survive_a_round_trip(void **state)
{
    (void)state;
    unsigned seed = 5;
    for (int i = 0; i < 100000; i++) {
        double n = ldexp((double)rand_r(&seed) - 1e9, rand_r(&seed) % 200 - 100), back;
        char text[NUM_DOUBLE_MAX];
        size_t len = num_format_double(text, n);
        assert_true(len <= NUM_DOUBLE_MAX);
        assert_true(num_parse_double(slice_of(text, len), &back) && back == n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_in_canonical_form_only),
        cmocka_unit_test(integers_survive_a_round_trip),
        cmocka_unit_test(floats_are_read_strictly),
        cmocka_unit_test(what_is_written_of_a_long_double_is_read_again),
        cmocka_unit_test(floats_are_written_as_redis_does),
        cmocka_unit_test(doubles_survive_a_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
