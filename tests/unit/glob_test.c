/* Glob patterns: Redis's meaning, and no pattern that takes for ever.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/glob.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool matches(const char *pattern, const char *text)
{
    return glob_match(slice_str(pattern), slice_str(text), false);
}

static void stars_and_question_marks_match_as_in_redis(void **state)
{
    (void)state;
    assert_true(matches("*", ""));
    assert_true(matches("*", "anything"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_false(matches("a", ""));
    assert_true(matches("h?llo", "hallo"));
    assert_false(matches("h?llo", "hllo"));
    assert_true(matches("h*llo", "heeeello"));
    assert_true(matches("*a*b*", "xxaxxbxx"));
    assert_false(matches("*a*b*", "xxbxxaxx"));
    assert_true(matches("a**b", "ab"));
    assert_true(matches("*ab", "aab"));
    assert_false(matches("a*", "ba"));
    assert_true(matches("user:*:name", "user:1:x:name"));
    assert_false(matches("abc?", "abc"));
}

static void classes_match_as_in_redis(void **state)
{
    (void)state;
    assert_true(matches("h[ae]llo", "hello"));
    assert_false(matches("h[ae]llo", "hillo"));
    assert_true(matches("h[^e]llo", "hallo"));
    assert_false(matches("h[^e]llo", "hello"));
    assert_true(matches("h[a-b]llo", "hbllo"));
    assert_true(matches("h[b-a]llo", "hallo"));
    assert_false(matches("h[a-b]llo", "hcllo"));
    assert_true(matches("[\\]]", "]"));
    assert_true(matches("[a-]x", "-x") == false);
    assert_true(matches("[", "x") == false);
    assert_true(matches("[a", "a"));
    assert_true(matches("[abc]d", "ad")); /* what is after the byte that matched is passed over */
    assert_true(matches("[^a", "b"));
    assert_true(matches("x[]*", "xa") == false);
    assert_false(matches("[a]", ""));
}

static void a_backslash_takes_the_meaning_away(void **state)
{
    (void)state;
    assert_true(matches("a\\*b", "a*b"));
    assert_false(matches("a\\*b", "axb"));
    assert_true(matches("\\?", "?"));
    assert_true(matches("\\[a]", "[a]"));
    assert_true(matches("a\\", "a\\"));
    assert_true(matches("*\\*", "a*"));
}

static void case_is_ignored_only_when_asked(void **state)
{
    (void)state;
    assert_false(matches("MAX*", "maxmemory"));
    assert_true(glob_match(SLICE("MAX*"), SLICE("maxmemory"), true));
    assert_true(glob_match(SLICE("[A-C]x"), SLICE("bX"), true));
}

static void bytes_of_any_value_match(void **state)
{
    (void)state;
    assert_true(glob_match(SLICE("a\0*\xff"), SLICE("a\0b\xff"), false));
    assert_true(glob_match(SLICE("[\x80-\xff]"), SLICE("\xc3"), false));
    assert_false(glob_match(SLICE("a\0b"), SLICE("a\0c"), false));
}

static void many_stars_do_not_take_exponential_time(void **state)
{
    (void)state;
    char pattern[401], text[20000];
    for (size_t i = 0; i < 400; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[400] = 'b';
    memset(text, 'a', sizeof(text));
    int64_t start = clock_thread_cpu_us();
    assert_false(glob_match(slice_of(pattern, 401), slice_of(text, sizeof(text)), false));
    assert_true(clock_thread_cpu_us() - start < 5 * 1000 * 1000);
}

static bool slow_match(const char *p, const char *p_end, const char *t, const char *t_end)
{
    if (p == p_end)
        return t == t_end;
    if (*p == '*')
        return slow_match(p + 1, p_end, t, t_end) ||
               (t < t_end && slow_match(p, p_end, t + 1, t_end));
    return t < t_end && (*p == '?' || *p == *t) && slow_match(p + 1, p_end, t + 1, t_end);
}

static void random_patterns_agree_with_a_simple_matcher(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 200000; round++) {
        char p[8], t[8];
        size_t p_len = (size_t)rand_r(&seed) % 8, t_len = (size_t)rand_r(&seed) % 8;
        for (size_t i = 0; i < p_len; i++)
            p[i] = "ab*?"[rand_r(&seed) % 4];
        for (size_t i = 0; i < t_len; i++)
            t[i] = "ab"[rand_r(&seed) % 2];
        assert_int_equal(glob_match(slice_of(p, p_len), slice_of(t, t_len), false),
                         slow_match(p, p + p_len, t, t + t_len));
    }
}

static void literal_patterns_are_told_apart(void **state)
{
    (void)state;
    assert_true(glob_is_literal(SLICE("user:1")));
    assert_true(glob_is_literal(SLICE("")));
    assert_false(glob_is_literal(SLICE("user:*")));
    assert_false(glob_is_literal(SLICE("a\\b")));
    assert_false(glob_is_literal(SLICE("[a]")));
    assert_false(glob_is_literal(SLICE("a?")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_and_question_marks_match_as_in_redis),
        cmocka_unit_test(classes_match_as_in_redis),
        cmocka_unit_test(a_backslash_takes_the_meaning_away),
        cmocka_unit_test(case_is_ignored_only_when_asked),
        cmocka_unit_test(bytes_of_any_value_match),
        cmocka_unit_test(many_stars_do_not_take_exponential_time),
        cmocka_unit_test(random_patterns_agree_with_a_simple_matcher),
        cmocka_unit_test(literal_patterns_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
