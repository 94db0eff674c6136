/* Expanding LZF: each kind of step, its limits, and whatever is damaged.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/lzf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Expands into a block of exactly that length; what it is must be `expected`, NULL: refused. */
static void expands(struct slice in, size_t len, const char *expected)
{
    char *block = malloc(in.len > 0 ? in.len : 1), *out = malloc(len > 0 ? len : 1);
    assert_non_null(block);
    assert_non_null(out);
    if (in.len > 0)
        memcpy(block, in.ptr, in.len); /* so that reading beyond it is seen */
    bool valid = lzf_is_valid(slice_of(block, in.len), len);
    assert_int_equal(valid, expected != NULL);
    assert_int_equal(lzf_expand(slice_of(block, in.len), out, len), valid);
    if (expected != NULL)
        assert_memory_equal(out, expected, len);
    free(block);
    free(out);
}

static void each_kind_of_step_expands(void **state)
{
    (void)state;
    char run[300];
    memset(run, 'a', sizeof(run));
    expands(SLICE("\x02"
                  "abc"),
            3, "abc");
    expands(SLICE("\x02"
                  "abc\x20\x02"),
            6, "abcabc"); /* three bytes from three before the end */
    expands(SLICE("\x02"
                  "abc\xc0\x02"),
            11, "abcabcabcab"); /* eight: the copy overlaps what it makes */
    expands(SLICE("\0a\xe0\0\0"), 10, run);
    expands(SLICE("\0a\xe0\xff\0"), 265, run);
    expands(SLICE("\x03"
                  "abcd\x20\x03\0z"),
            8, "abcdabcz");
    expands(SLICE(""), 0, "");
}

static void an_offset_may_reach_back_eight_kilobytes(void **state)
{
    (void)state;
    enum { FAR = 8192 };
    char in[FAR / 32 * 33 + 2], expected[FAR + 3];
    size_t len = 0;
    for (int i = 0; i < FAR; i += 32) {
        in[len++] = 31;
        for (int k = 0; k < 32; k++)
            in[len++] = expected[i + k] = (char)(i / 32 + k);
    }
    in[len++] = 0x3f;
    in[len++] = (char)0xff;
    memcpy(expected + FAR, expected, 3);
    expands(slice_of(in, len), FAR + 3, expected);
    in[1 + 33] = 0; /* one byte less before it: the offset would point before the beginning */
    expands(slice_of(in + 33, len - 33), FAR + 3 - 32, NULL);
}

static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    expands(SLICE("\x02"
                  "ab"),
            3, NULL); /* cut off in what is copied */
    expands(SLICE("\x02"
                  "abc\x20"),
            6, NULL); /* in an offset */
    expands(SLICE("\0a\xe0"), 10, NULL);
    expands(SLICE("\0a\xe0\0"), 10, NULL);
    expands(SLICE("\0a\x20\x01"), 4, NULL); /* from before the beginning */
    expands(SLICE("\x20\0"), 3, NULL);
    expands(SLICE("\0a\xe0\xff\0"), 264, NULL); /* longer than it says */
    expands(SLICE("\0a\xe0\xff\0"), 266, NULL); /* shorter */
    expands(SLICE("\0a"), 0, NULL);
    expands(SLICE(""), 1, NULL);
}

static void any_bytes_are_refused_or_expand_to_what_they_say(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    char in[40], out[4096];
    unsigned valid = 0;
    for (int i = 0; i < 200000; i++) {
        size_t len = 0, says = 0;
        for (; len < sizeof(in); len++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            in[len] = (char)(random % 5 == 0 ? random >> 8 : random >> 8 & 3);
        }
        len = 1 + random % sizeof(in);
        says = random >> 20 & 63;
        memset(out, '!', sizeof(out));
        bool is_valid = lzf_is_valid(slice_of(in, len), says);
        assert_int_equal(lzf_expand(slice_of(in, len), out, says), is_valid);
        for (size_t k = says; k < says + 300; k++)
            assert_int_equal(out[k], '!'); /* nothing beyond what it may write */
        valid += is_valid;
        assert_true(!is_valid || says <= len * LZF_RATIO_MAX);
    }
    assert_true(valid > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_step_expands),
        cmocka_unit_test(an_offset_may_reach_back_eight_kilobytes),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(any_bytes_are_refused_or_expand_to_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
