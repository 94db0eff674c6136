/* Encodings as OBJECT ENCODING names them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *encoding(const char *text, bool raw)
{
    struct value v = {.type = VALUE_STRING, .str = slice_str(text), .raw = raw};
    return value_encoding(&v);
}

static void strings_are_int_embstr_or_raw(void **state)
{
    (void)state;
    assert_string_equal(encoding("0", false), "int");
    assert_string_equal(encoding("-9223372036854775808", false), "int");
    assert_string_equal(encoding("9223372036854775807", false), "int");
    assert_string_equal(encoding("9223372036854775808", false), "embstr");
    assert_string_equal(encoding("007", false), "embstr");
    assert_string_equal(encoding("1.5", false), "embstr");
    assert_string_equal(encoding("", false), "embstr");
    assert_string_equal(encoding("12345678901234567890123456789012345678901234", false), "embstr");
    assert_string_equal(encoding("123456789012345678901234567890123456789012345", false), "raw");
}

static void a_string_edited_in_place_is_raw(void **state)
{
    (void)state;
    assert_string_equal(encoding("12", true), "raw");
    assert_string_equal(encoding("x", true), "raw");
}

static void only_existing_types_have_operations(void **state)
{
    (void)state;
    assert_ptr_equal(value_ops(VALUE_HASH), &hash_ops);
    assert_int_equal(value_ops(VALUE_HASH)->type, VALUE_HASH);
    assert_null(value_ops(VALUE_NONE));
    assert_null(value_ops(VALUE_STRING));
    assert_null(value_ops(VALUE_STREAM));
}

static void an_aggregate_says_its_own_encoding(void **state)
{
    (void)state;
    struct hash *h = hash_try_new();
    struct value v = {.type = VALUE_HASH, .object = h};
    assert_string_equal(value_encoding(&v), "listpack");
    hash_ops.free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_int_embstr_or_raw),
        cmocka_unit_test(a_string_edited_in_place_is_raw),
        cmocka_unit_test(only_existing_types_have_operations),
        cmocka_unit_test(an_aggregate_says_its_own_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
