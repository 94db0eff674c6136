/* The registry, what counts as text, and the order of a batch.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/backend.h"

#define BYTES(text) ((struct slice){(text), sizeof(text) - 1})

static void a_url_finds_its_backend(void **state)
{
    (void)state;
    assert_ptr_equal(backend_find("sqlite:weir.db"), &backend_sqlite);
    assert_ptr_equal(backend_find("memory:"), &backend_memory);
    assert_null(backend_find("sqlite"));
    assert_null(backend_find("sqlite3:weir.db"));
    assert_null(backend_find("nothing:at-all"));
    assert_null(backend_find(""));
}

static void text_is_utf8_without_nul(void **state)
{
    (void)state;
    static const struct {
        struct slice bytes;
        bool text;
    } cases[] = {
        {{NULL, 0}, true},
        {BYTES("plain"), true},
        {BYTES("exactly8"), true},
        {BYTES("long enough for words of eight bytes, and some more"), true},
        {BYTES("\x01\x7f\x01\x7f\x01\x7f\x01\x7f"), true},
        {BYTES("gr\xc3\xbc\xc3\x9f"), true},
        {BYTES("\xe2\x82\xac \xf0\x9f\x8c\x8a \xf4\x8f\xbf\xbf \xef\xbf\xbf"), true},
        {BYTES("12345678\xc3\xbc"), true},
        {BYTES("\0"), false},
        {BYTES("1234567\0"), false},
        {BYTES("\0"
               "2345678"),
         false},
        {BYTES("12345678abc\0"), false},
        {BYTES("\x80"), false},
        {BYTES("\xc3"), false},             /* cut off */
        {BYTES("\xe2\x82"), false},         /* cut off */
        {BYTES("\xf0\x9f\x8c"), false},     /* cut off */
        {BYTES("\xc0\x80"), false},         /* NUL, overlong */
        {BYTES("\xc1\xbf"), false},         /* overlong */
        {BYTES("\xe0\x9f\xbf"), false},     /* overlong */
        {BYTES("\xf0\x8f\xbf\xbf"), false}, /* overlong */
        {BYTES("\xed\xa0\x80"), false},     /* surrogate */
        {BYTES("\xf4\x90\x80\x80"), false}, /* above U+10FFFF */
        {BYTES("\xf5\x80\x80\x80"), false},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), false},
        {BYTES("\xc3\x28"), false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (backend_is_text(cases[i].bytes) != cases[i].text)
            fail_msg("case %zu", i);
}

static void items_sort_by_database_then_text_then_bytes(void **state)
{
    (void)state;
    static const struct backend_item sorted[] = {
        {.db = 1, .key = {"", 0}},         {.db = 1, .key = {"a", 1}},
        {.db = 1, .key = {"aa", 2}},       {.db = 1, .key = {"b", 1}},
        {.db = 1, .key = {"\xc3\xbc", 2}}, {.db = 1, .key = {"\0", 1}},
        {.db = 1, .key = {"a\0", 2}},      {.db = 1, .key = {"\xff", 1}},
        {.db = 2, .key = {"", 0}},         {.db = 0xffffffff, .key = {"", 0}},
    };
    for (size_t i = 0; i < COUNT_OF(sorted); i++) {
        for (size_t j = 0; j < COUNT_OF(sorted); j++) {
            int order = backend_item_order(&sorted[i], &sorted[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_finds_its_backend),
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(items_sort_by_database_then_text_then_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
