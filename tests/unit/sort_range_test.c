/* A part of the order against a full sort, and the set of names that a SORT gathers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/sort/names.h"
#include "compute/sort_range.h"

#include "store/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ITEMS_MAX = 3000, NAMES = 5000 };

struct thing {
    int value;
    int number; /* no two are equal */
    char more[40];
};

static size_t comparisons;

static int compare(const void *a, const void *b, void *ctx)
{
    const struct thing *x = a, *y = b;
    (void)ctx;
    comparisons++;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* --- sort_range --- */

enum shape { RANDOM, UP, DOWN, EQUAL, FEW, ORGAN_PIPES, SHAPES };

static void fill(struct thing *things, size_t n, enum shape shape)
{
    for (size_t i = 0; i < n; i++) {
        int at = (int)i, size = (int)n;
        int values[SHAPES] = {rand(), at, -at, 1, rand() % 5, at < size / 2 ? at : size - at};
        things[i] = (struct thing){.value = values[shape], .number = at};
        memset(things[i].more, at & 0x7f, sizeof(things[i].more));
    }
}

static void check(const struct thing *things, size_t n, size_t first, size_t end)
{
    static struct thing part[ITEMS_MAX], all[ITEMS_MAX];
    memcpy(part, things, n * sizeof(*part));
    memcpy(all, things, n * sizeof(*all));
    sort_range(part, n, sizeof(*part), first, end, compare, NULL);
    qsort_r(all, n, sizeof(*all), compare, NULL);
    assert_memory_equal(part + first, all + first, (end - first) * sizeof(*part));
    /* Nothing is lost. */
    qsort_r(part, n, sizeof(*part), compare, NULL);
    assert_memory_equal(part, all, n * sizeof(*part));
}

static void a_part_is_what_a_full_sort_puts_there(void **state)
{
    (void)state;
    static struct thing things[ITEMS_MAX];
    for (int round = 0; round < 600; round++) {
        size_t n = (size_t)rand() % (round % 3 == 0 ? ITEMS_MAX : 100);
        size_t first = n == 0 ? 0 : (size_t)rand() % n;
        size_t end = first + (size_t)rand() % (n - first + 1);
        if (round % 2 == 0)
            end = min_u64(end, first + 10);
        fill(things, n, (enum shape)(round % SHAPES));
        check(things, n, first, end);
    }
}

static void the_first_ten_cost_a_few_passes(void **state)
{
    (void)state;
    static struct thing things[ITEMS_MAX];
    for (int shape = 0; shape < SHAPES; shape++) {
        fill(things, ITEMS_MAX, (enum shape)shape);
        comparisons = 0;
        sort_range(things, ITEMS_MAX, sizeof(*things), 0, 10, compare, NULL);
        assert_in_range(comparisons, 1, 8 * ITEMS_MAX);
    }
}

static void nothing_at_all_can_be_sorted(void **state)
{
    (void)state;
    struct thing one = {.value = 1};
    sort_range(NULL, 0, sizeof(one), 0, 0, compare, NULL);
    sort_range(&one, 1, sizeof(one), 0, 0, compare, NULL);
    sort_range(&one, 1, sizeof(one), 1, 1, compare, NULL);
    sort_range(&one, 1, sizeof(one), 0, 1, compare, NULL);
    assert_int_equal(one.value, 1);
}

/* --- sort_names --- */

static struct slice name_of(unsigned n, char text[64])
{
    return slice_of(text, (size_t)snprintf(text, 64, "name:%u", n));
}

static void a_name_is_there_once_and_stays_where_it_is(void **state)
{
    (void)state;
    struct sort_names names = {0};
    char text[64];
    bool full;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < NAMES; i++) {
            /* Few hashes: names must be told apart by their bytes. */
            struct sort_name *n = sort_names_find(&names, name_of(i, text), i % 7, &full);
            assert_true(n == &names.list[i] && slice_eq(n->name, name_of(i, text)));
            assert_int_equal(n->key, round == 0 ? SORT_KEY_UNKNOWN : i);
            n->key = i;
        }
        assert_int_equal(names.len, NAMES);
    }
    sort_names_free(&names);
    assert_int_equal(names.len, 0);
}

static void an_empty_and_a_long_name_are_names(void **state)
{
    (void)state;
    struct sort_names names = {0};
    bool full;
    size_t len = 3 * 1024 * 1024;
    char *bytes = calloc(1, len);
    assert_non_null(bytes);
    assert_non_null(sort_names_find(&names, SLICE(""), 1, &full));
    assert_non_null(sort_names_find(&names, slice_of(bytes, len), 1, &full));
    assert_non_null(sort_names_find(&names, slice_of(bytes, len - 1), 1, &full));
    assert_int_equal(names.len, 3);
    assert_ptr_equal(sort_names_find(&names, SLICE(""), 1, &full), &names.list[0]);
    sort_names_free(&names);
    free(bytes);
}

static int allocations_left;

static bool run_out(void)
{
    return allocations_left-- <= 0;
}

static void without_memory_a_name_is_refused_and_the_others_stay(void **state)
{
    (void)state;
    for (int budget = 0; budget < 12; budget++) {
        struct sort_names names = {0};
        char text[64];
        bool full;
        unsigned kept = 0;
        allocations_left = budget;
        alloc_should_fail = run_out;
        while (kept < NAMES && sort_names_find(&names, name_of(kept, text), kept, &full) != NULL)
            kept++;
        alloc_should_fail = NULL;
        assert_false(full);
        assert_int_equal(names.len, kept);
        for (unsigned i = 0; i < kept; i++)
            assert_ptr_equal(sort_names_find(&names, name_of(i, text), i, &full), &names.list[i]);
        assert_non_null(sort_names_find(&names, SLICE("another"), 9, &full));
        sort_names_free(&names);
    }
}

static void more_than_a_million_names_are_refused(void **state)
{
    (void)state;
    struct sort_names names = {0};
    char text[64];
    bool full = false;
    for (unsigned i = 0; i < SORT_NAMES_MAX; i++)
        assert_non_null(sort_names_find(&names, name_of(i, text), i * UINT64_C(2654435761), &full));
    assert_null(sort_names_find(&names, SLICE("one more"), 1, &full));
    assert_true(full);
    assert_non_null(sort_names_find(&names, name_of(5, text), 5 * UINT64_C(2654435761), &full));
    assert_false(full);
    sort_names_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_what_a_full_sort_puts_there),
        cmocka_unit_test(the_first_ten_cost_a_few_passes),
        cmocka_unit_test(nothing_at_all_can_be_sorted),
        cmocka_unit_test(a_name_is_there_once_and_stays_where_it_is),
        cmocka_unit_test(an_empty_and_a_long_name_are_names),
        cmocka_unit_test(without_memory_a_name_is_refused_and_the_others_stay),
        cmocka_unit_test(more_than_a_million_names_are_refused),
    };
    srand(11);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
