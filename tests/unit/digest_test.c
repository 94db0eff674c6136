/* Signatures of values: equal for equal values, and for no others.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/digest.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { FEW = 3, MANY = 1000 };

static struct slice number(char *text, int n)
{
    return slice_of(text, (size_t)snprintf(text, 16, "m%d", n));
}

/* 0..n-1, upwards or downwards. */
static void *filled(enum value_type type, int n, bool downwards)
{
    void *object = value_ops(type)->try_new();
    char name[16];
    for (int i = 0; i < n; i++) {
        int k = downwards ? n - 1 - i : i;
        struct slice s = number(name, k);
        if (type == VALUE_HASH)
            assert_int_equal(hash_set((struct hash **)&object, s, s), HASH_ADDED);
        else if (type == VALUE_SET)
            assert_int_equal(set_add((struct set **)&object, s), SET_ADDED);
        else if (type == VALUE_ZSET)
            assert_int_equal(zset_put((struct zset **)&object, s, k * 0.5), ZSET_ADDED);
        else
            assert_true(list_push((struct list **)&object, LIST_TAIL, s));
    }
    return object;
}

static const char *signature(enum value_type type, void *object, int64_t expires_at_ms)
{
    static char texts[4][DIGEST_TEXT];
    static int next;
    struct digest d = {{0}};
    struct value v = {.type = type, .object = object, .expires_at_ms = expires_at_ms};
    digest_value(&d, &v);
    return digest_text(&d, texts[next++ % 4]);
}

static void the_order_in_which_it_was_filled_matters_to_a_list_only(void **state)
{
    (void)state;
    static const enum value_type types[] = {VALUE_HASH, VALUE_SET, VALUE_ZSET, VALUE_LIST};
    static const int sizes[] = {FEW, MANY};
    for (size_t i = 0; i < COUNT_OF(types) * COUNT_OF(sizes); i++) {
        enum value_type type = types[i / COUNT_OF(sizes)];
        int n = sizes[i % COUNT_OF(sizes)];
        void *up = filled(type, n, false), *down = filled(type, n, true);
        bool same = strcmp(signature(type, up, 0), signature(type, down, 0)) == 0;
        assert_int_equal(same, type != VALUE_LIST);
        assert_string_not_equal(signature(type, up, 0), signature(type, up, 5));
        assert_string_equal(signature(type, up, 7), signature(type, up, 5));
        void *fewer = filled(type, n - 1, false);
        assert_string_not_equal(signature(type, up, 0), signature(type, fewer, 0));
        value_ops(type)->free(up);
        value_ops(type)->free(down);
        value_ops(type)->free(fewer);
    }
}

static void a_score_and_a_fields_value_count(void **state)
{
    (void)state;
    struct zset *z = filled(VALUE_ZSET, FEW, false);
    char before[DIGEST_TEXT];
    strcpy(before, signature(VALUE_ZSET, z, 0));
    assert_int_equal(zset_put(&z, SLICE("m1"), 7), ZSET_UPDATED);
    assert_string_not_equal(before, signature(VALUE_ZSET, z, 0));
    value_ops(VALUE_ZSET)->free(z);
    struct hash *h = filled(VALUE_HASH, FEW, false);
    strcpy(before, signature(VALUE_HASH, h, 0));
    assert_int_equal(hash_set(&h, SLICE("m1"), SLICE("")), HASH_UPDATED);
    assert_string_not_equal(before, signature(VALUE_HASH, h, 0));
    value_ops(VALUE_HASH)->free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_in_which_it_was_filled_matters_to_a_list_only),
        cmocka_unit_test(a_score_and_a_fields_value_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
