/* Rows of bits against the textbook table of numbers.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/lcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LEN_MAX = 200 };

static uint32_t book[LEN_MAX + 1][LEN_MAX + 1];

static void fill_book(struct slice a, struct slice b)
{
    for (size_t i = 1; i <= a.len; i++)
        for (size_t j = 1; j <= b.len; j++) {
            uint32_t up = book[i - 1][j], left = book[i][j - 1];
            book[i][j] = a.ptr[i - 1] == b.ptr[j - 1] ? book[i - 1][j - 1] + 1
                         : up > left                  ? up
                                                      : left;
        }
}

static void check(struct slice a, struct slice b)
{
    fill_book(a, b);
    struct lcs_table *t = lcs_table_try_new(a, b, true), *one = lcs_table_try_new(a, b, false);
    assert_true(t != NULL && one != NULL);
    assert_int_equal(lcs_table_length(t), book[a.len][b.len]);
    assert_int_equal(lcs_table_length(one), book[a.len][b.len]);
    for (size_t i = 1; i <= a.len; i++)
        for (size_t j = 1; j <= b.len; j++)
            assert_true(lcs_table_grows(t, i, j) == (book[i][j] > book[i][j - 1]));
    lcs_table_free(&t);
    lcs_table_free(&one);
}

static void every_step_is_that_of_the_book(void **state)
{
    (void)state;
    static char a[LEN_MAX], b[LEN_MAX];
    static const size_t lens[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, LEN_MAX};
    srand48(1);
    for (int alphabet = 1; alphabet <= 256; alphabet *= 4)
        for (size_t m = 0; m < COUNT_OF(lens); m++)
            for (size_t n = 0; n < COUNT_OF(lens); n++) {
                for (size_t i = 0; i < LEN_MAX; i++) {
                    a[i] = (char)(lrand48() % alphabet);
                    b[i] = (char)(lrand48() % alphabet);
                }
                check(slice_of(a, lens[m]), slice_of(b, lens[n]));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_step_is_that_of_the_book)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
