/* A large cut is captured piece by piece, in the order of the backend: every key once, and pieces
 * of about one size whatever the keys look like.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 20000, BUCKETS = 20, MOST = 100 };

struct one {
    uint32_t db;
    char key[100];
};

static struct one keys[KEYS];
static uint32_t sorted[KEYS], place[KEYS]; /* by number: where the key is in the order of all */

static int order(const void *a, const void *b)
{
    const struct one *x = &keys[*(const uint32_t *)a], *y = &keys[*(const uint32_t *)b];
    if (x->db != y->db)
        return x->db < y->db ? -1 : 1;
    return slice_cmp(slice_str(x->key), slice_str(y->key));
}

/* Selects the first n keys, a key's hash being its number. Each comes out once; returns how far one
 * comes out from where it would in a sorted list. */
static uint32_t farthest(uint32_t n)
{
    struct selection *s = selection_try_new(BUCKETS);
    for (uint32_t i = 0; i < n; i += n / (BUCKETS * SELECT_SAMPLES) + 1)
        selection_sample(s, keys[i].db, slice_str(keys[i].key));
    selection_divide(s);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(selection_add(s, keys[i].db, slice_str(keys[i].key), i));
        sorted[i] = i;
    }
    qsort(sorted, n, sizeof(*sorted), order);
    for (uint32_t i = 0; i < n; i++)
        place[sorted[i]] = i;

    uint64_t hashes[MOST];
    uint32_t got, all = 0, far = 0;
    while ((got = selection_take(s, hashes, MOST)) > 0) {
        for (uint32_t k = 0; k < got; k++, all++) {
            uint32_t *at = &place[hashes[k]];
            assert_int_not_equal(*at, UINT32_MAX);
            uint32_t distance = *at > all ? *at - all : all - *at;
            far = distance > far ? distance : far;
            *at = UINT32_MAX;
        }
    }
    assert_int_equal(all, n);
    selection_free(&s);
    return far;
}

/* Scattered, as hashing makes them. */
static uint32_t scattered(uint32_t i)
{
    return i * 2654435761u;
}

static void pieces_follow_each_other(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        keys[i].db = 1;
        snprintf(keys[i].key, sizeof(keys[i].key), "user:%010u", scattered(i));
    }
    assert_in_range(farthest(KEYS), 1, KEYS / BUCKETS * 5 / 2);
}

static void that_holds_for_families_of_keys_and_databases(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t x = scattered(i);
        keys[i].db = 1 + x / 7 % 3;
        snprintf(keys[i].key, sizeof(keys[i].key), "application:%s:%08x:name",
                 x % 3 == 0 ? "session" : "tenant", x);
    }
    assert_in_range(farthest(KEYS), 1, KEYS / BUCKETS * 5 / 2);
}

/* Of keys that differ after what a sample keeps, nothing is lost. */
static void long_common_beginnings_are_one_piece(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        keys[i].db = 1;
        snprintf(keys[i].key, sizeof(keys[i].key), "%080u%08x", 7, scattered(i));
    }
    (void)farthest(KEYS);
}

static void few_keys_and_none_are_fine(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        keys[i].db = 1;
        snprintf(keys[i].key, sizeof(keys[i].key), "%08x", scattered(i));
    }
    assert_int_equal(farthest(0), 0);
    assert_int_equal(farthest(1), 0);
    (void)farthest(BUCKETS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_follow_each_other),
        cmocka_unit_test(that_holds_for_families_of_keys_and_databases),
        cmocka_unit_test(long_common_beginnings_are_one_piece),
        cmocka_unit_test(few_keys_and_none_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
