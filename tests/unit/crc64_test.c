/* The checksum of DUMP payloads: the published value, and the fast way against the slow one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/crc64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_published_check_value_comes_out(void **state)
{
    (void)state;
    assert_true(crc64(0, SLICE("")) == 0);
    assert_true(crc64(0, SLICE("123456789")) == 0xe9c6d914c4b8d9cau);
}

/* From the definition: bit by bit, each reflected, the polynomial as it is published. */
static uint64_t bit_by_bit(struct slice bytes)
{
    uint64_t crc = 0, reflected = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bool top = (crc >> 63) != ((unsigned)(uint8_t)bytes.ptr[i] >> bit & 1);
            crc = crc << 1 ^ (top ? 0xad93d23594c935a9u : 0);
        }
    }
    for (int bit = 0; bit < 64; bit++)
        reflected |= (crc >> bit & 1) << (63 - bit);
    return reflected;
}

static void every_length_place_and_cut_gives_what_the_definition_says(void **state)
{
    (void)state;
    enum { LEN = 67 };
    char bytes[LEN + 8];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 167 + 13);
    for (size_t at = 0; at < 8; at++) {
        for (size_t len = 0; len <= LEN; len++) {
            struct slice whole = slice_of(bytes + at, len);
            uint64_t expected = bit_by_bit(whole);
            assert_true(crc64(0, whole) == expected);
            size_t cut = len / 3;
            uint64_t first = crc64(0, slice_of(whole.ptr, cut));
            assert_true(crc64(first, slice_of(whole.ptr + cut, len - cut)) == expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_check_value_comes_out),
        cmocka_unit_test(every_length_place_and_cut_gives_what_the_definition_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
