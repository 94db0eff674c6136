/* The list type against a plain array, and what it tells write-back against a model of the backend.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list.h"

#include "store/alloc.h"
#include "tests/support/list_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void push(struct list **l, struct list_model *m, enum list_end end, unsigned value)
{
    assert_true(list_push(l, end, list_model_value(value)));
    list_model_insert(m, end == LIST_HEAD ? 0 : m->count, value);
}

static void drop(struct list **l, struct list_model *m, enum list_end end, size_t n)
{
    list_drop(l, end, n);
    list_model_remove(m, end == LIST_HEAD ? 0 : m->count - n, n);
}

static struct list_model model;
static struct list_rows backend;

static struct list *fresh(void)
{
    model.count = 0;
    backend.count = 0;
    return list_try_new();
}

static struct list *numbers(unsigned n)
{
    struct list *l = fresh();
    for (unsigned i = 0; i < n; i++)
        push(&l, &model, LIST_TAIL, i);
    list_rows_capture(&l, &backend, true);
    return l;
}

/* --- As a list --- */

static void both_ends_are_pushed_and_popped(void **state)
{
    (void)state;
    struct list *l = fresh();
    for (unsigned i = 0; i < 5000; i++) {
        push(&l, &model, i % 3 == 0 ? LIST_HEAD : LIST_TAIL, i);
        if (i % 5 == 0)
            drop(&l, &model, i % 2 == 0 ? LIST_HEAD : LIST_TAIL, 1);
    }
    list_model_shown(l, &model);
    while (model.count > 0)
        drop(&l, &model, model.count % 2 == 0 ? LIST_HEAD : LIST_TAIL,
             model.count < 7 ? model.count : 7);
    assert_int_equal(list_count(l), 0);
    struct slice value;
    assert_false(list_peek(l, LIST_TAIL, &value));
    list_ops.free(l);
}

static void any_bytes_of_any_length_are_kept(void **state)
{
    (void)state;
    static char bytes[300000];
    static const size_t lengths[] = {0,    1,     31,    32,     61,     62,     63,    64,
                                     125,  126,   127,   128,    4095,   4096,   16379, 16380,
                                     8000, 16384, 65536, 300000, 262143, 262144, 8192,  8191};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    struct list *l = list_try_new();
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        assert_true(list_push(&l, LIST_TAIL, slice_of(bytes, lengths[i])));
        assert_true(list_push(&l, LIST_HEAD, slice_of(bytes, lengths[i])));
    }
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct slice value;
        assert_true(list_at(l, (int64_t)(COUNT_OF(lengths) + i), &value));
        assert_true(slice_eq(value, slice_of(bytes, lengths[i])));
        assert_true(list_at(l, -(int64_t)(COUNT_OF(lengths) + i) - 1, &value));
        assert_true(slice_eq(value, slice_of(bytes, lengths[i])));
    }
    for (size_t i = 0; i < COUNT_OF(lengths); i++) { /* each in the place of another */
        struct slice value;
        assert_true(list_set(&l, (int64_t)i, slice_of(bytes, lengths[i])));
        assert_true(list_at(l, (int64_t)i, &value));
        assert_true(slice_eq(value, slice_of(bytes, lengths[i])));
    }
    list_ops.free(l);
}

static void a_value_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct list *l = list_try_new();
    assert_false(list_push(&l, LIST_TAIL, slice_of("", (size_t)1 << 30)));
    assert_false(list_push(&l, LIST_TAIL, slice_of("", SIZE_MAX)));
    assert_true(list_push(&l, LIST_TAIL, SLICE("v")));
    assert_false(list_set(&l, 0, slice_of("", (size_t)1 << 40)));
    assert_int_equal(list_count(l), 1);
    list_ops.free(l);
}

static size_t remove_all(struct list **l, int64_t count, struct slice value)
{
    assert_true(list_prepare_removal(l, count, value));
    return list_remove(l, count, value);
}

static void equal_elements_are_removed_from_the_end_that_is_asked_for(void **state)
{
    (void)state;
    static const char *const expected[] = {"bcbcb", "cbcb", "cbc", "cc"};
    static const int64_t counts[] = {1, 1, -1, -1};
    struct list *l = list_try_new();
    for (const char *c = "bbcbcb"; *c != '\0'; c++)
        assert_true(list_push(&l, LIST_TAIL, slice_of(c, 1)));
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        assert_int_equal(remove_all(&l, counts[i], SLICE("b")), 1);
        assert_int_equal(list_count(l), strlen(expected[i]));
        for (size_t k = 0; k < list_count(l); k++) {
            struct slice value;
            assert_true(list_at(l, (int64_t)k, &value));
            assert_int_equal(value.ptr[0], expected[i][k]);
        }
    }
    assert_int_equal(remove_all(&l, INT64_MIN, SLICE("x")), 0);
    assert_int_equal(remove_all(&l, INT64_MAX, SLICE("c")), 2);
    list_ops.free(l);
}

static void the_encoding_follows_the_limits_of_redis(void **state)
{
    (void)state;
    static char text[9000];
    struct list *l = list_try_new();
    memset(text, 'x', sizeof(text));
    assert_string_equal(list_ops.encoding(l), "listpack");
    /* 7 bytes of frame, and 62 for each of these */
    for (int i = 0; i < 131; i++)
        assert_true(list_push(&l, LIST_TAIL, slice_of(text, 60)));
    assert_string_equal(list_ops.encoding(l), "listpack"); /* 8129 bytes */
    assert_true(list_push(&l, LIST_TAIL, slice_of(text, 61)));
    assert_string_equal(list_ops.encoding(l), "listpack"); /* 8129 + 61 fit */
    assert_true(list_push(&l, LIST_TAIL, SLICE("x")));
    assert_string_equal(list_ops.encoding(l), "quicklist");
    list_drop(&l, LIST_TAIL, 66);
    assert_string_equal(list_ops.encoding(l), "quicklist"); /* 67 * 62 + 7 = 4161 */
    list_drop(&l, LIST_TAIL, 2);
    assert_string_equal(list_ops.encoding(l), "listpack"); /* half of the limit */
    assert_true(list_set(&l, 3, slice_of(text, sizeof(text))));
    assert_string_equal(list_ops.encoding(l), "quicklist");
    list_ops.free(l);

    l = list_try_new(); /* numbers are small, whatever their digits */
    for (unsigned i = 0; i < 1630; i++)
        assert_true(list_push(&l, LIST_HEAD, SLICE("1000000")));
    assert_string_equal(list_ops.encoding(l), "listpack");
    list_ops.free(l);

    atomic_store(&value_limits.list_max_listpack_size, 4);
    l = list_try_new();
    for (unsigned i = 0; i < 4; i++)
        assert_true(list_push(&l, LIST_TAIL, SLICE("v")));
    assert_string_equal(list_ops.encoding(l), "listpack");
    assert_true(list_push(&l, LIST_TAIL, SLICE("v")));
    assert_string_equal(list_ops.encoding(l), "quicklist");
    list_drop(&l, LIST_TAIL, 2);
    assert_string_equal(list_ops.encoding(l), "quicklist");
    list_drop(&l, LIST_TAIL, 1);
    assert_string_equal(list_ops.encoding(l), "listpack");
    list_ops.free(l);
    atomic_store(&value_limits.list_max_listpack_size, -2);
}

/* --- What write-back is told --- */

static void a_queue_costs_its_ends(void **state)
{
    (void)state;
    struct list *l = numbers(30000);
    for (unsigned i = 0; i < 10; i++) {
        push(&l, &model, LIST_TAIL, 100000 + i);
        drop(&l, &model, LIST_HEAD, 1);
    }
    assert_int_equal(list_ops.changes(l, false), 20);
    list_rows_capture(&l, &backend, false);
    assert_int_equal(backend.removed, 10);
    list_rows_equal(&backend, &model);
    list_model_shown(l, &model);
    list_ops.free(l);
}

static void what_came_and_went_is_not_told(void **state)
{
    (void)state;
    struct list *l = numbers(100);
    for (unsigned i = 0; i < 5000; i++)
        push(&l, &model, i % 2 == 0 ? LIST_TAIL : LIST_HEAD, i);
    drop(&l, &model, LIST_TAIL, 2500);
    drop(&l, &model, LIST_HEAD, 2500);
    assert_int_equal(list_ops.changes(l, false), 0);
    assert_true(list_insert(&l, 50, SLICE("x")));
    assert_true(list_remove_at(&l, 50));
    assert_int_equal(list_ops.changes(l, false), 0);
    list_ops.free(l);
}

static void a_stack_takes_its_positions_up_again(void **state)
{
    (void)state;
    struct list *l = numbers(100);
    drop(&l, &model, LIST_TAIL, 3);
    for (unsigned i = 0; i < 3; i++)
        push(&l, &model, LIST_TAIL, 500 + i);
    assert_int_equal(list_ops.changes(l, false), 3);
    list_rows_capture(&l, &backend, false);
    assert_int_equal(backend.removed, 0);
    list_rows_equal(&backend, &model);
    list_ops.free(l);
}

static void a_change_in_the_middle_is_one_row(void **state)
{
    (void)state;
    struct list *l = numbers(20000);
    assert_true(list_set(&l, 7000, list_model_value(5)));
    model.value[7000] = 5;
    assert_true(list_set(&l, 7000, list_model_value(6)));
    model.value[7000] = 6;
    assert_int_equal(list_ops.changes(l, false), 1);
    list_rows_capture(&l, &backend, false);
    assert_int_equal(backend.told, 1);
    assert_true(list_insert(&l, 12345, list_model_value(77)));
    list_model_insert(&model, 12345, 77);
    assert_true(list_remove_at(&l, 3456));
    list_model_remove(&model, 3456, 1);
    assert_int_equal(list_ops.changes(l, false), 2);
    list_rows_capture(&l, &backend, false);
    list_rows_equal(&backend, &model);
    list_model_shown(l, &model);
    list_ops.free(l);
}

static void inserting_in_one_place_rewrites_little(void **state)
{
    (void)state;
    struct list *l = numbers(20000);
    size_t told = 0;
    for (unsigned i = 0; i < 2000; i++) {
        assert_true(list_insert(&l, 10000, list_model_value(i)));
        list_model_insert(&model, 10000, i);
        if (i % 10 == 9) {
            list_rows_capture(&l, &backend, false);
            told += backend.told;
        }
    }
    assert_true(told < 2000 * 40);
    list_rows_equal(&backend, &model);
    list_model_shown(l, &model);
    drop(&l, &model, LIST_HEAD, model.count - 3);
    assert_string_equal(list_ops.encoding(l), "listpack"); /* its size was kept through all that */
    list_ops.free(l);
}

static void trimming_to_little_replaces_the_rows(void **state)
{
    (void)state;
    struct list *l = numbers(20000);
    drop(&l, &model, LIST_HEAD, 19900);
    assert_true(list_ops.must_replace(l));
    list_rows_capture(&l, &backend, false);
    assert_int_equal(backend.told, 100);
    list_rows_equal(&backend, &model);
    list_ops.free(l);
}

static void rows_without_gaps_are_numbered_anew_when_there_is_need(void **state)
{
    (void)state;
    struct list *l = fresh();
    for (unsigned i = 0; i < 100; i++) {
        backend.rows[i] = (struct list_row){(int64_t)i - 50, i};
        list_model_insert(&model, i, i);
    }
    backend.count = 100;
    list_ops.free(l);
    l = list_rows_load(&backend);
    push(&l, &model, LIST_TAIL, 1000);
    assert_int_equal(list_ops.changes(l, false), 1);
    assert_true(list_insert(&l, 30, list_model_value(7)));
    list_model_insert(&model, 30, 7);
    list_rows_capture(&l, &backend, false);
    list_rows_equal(&backend, &model);
    list_ops.free(l);
}

static void positions_at_the_end_of_the_numbers_are_no_end(void **state)
{
    (void)state;
    void *object = NULL;
    struct list *l = fresh();
    list_ops.free(l);
    static const int64_t positions[] = {INT64_MIN, -1, 5, INT64_MAX - 1, INT64_MAX};
    for (unsigned i = 0; i < COUNT_OF(positions); i++) {
        backend.rows[i] = (struct list_row){positions[i], 10 + i};
        list_model_insert(&model, i, 10 + i);
        assert_true(list_ops.load(&object, SLICE(""), list_model_value(10 + i), positions[i], 0));
    }
    backend.count = COUNT_OF(positions);
    l = object;
    assert_true(list_insert(&l, 3, list_model_value(40)));
    list_model_insert(&model, 3, 40);
    assert_true(list_insert(&l, 2, list_model_value(41)));
    list_model_insert(&model, 2, 41);
    list_rows_capture(&l, &backend, false);
    assert_int_equal(backend.told, 2);
    list_rows_equal(&backend, &model);
    push(&l, &model, LIST_TAIL, 50);
    push(&l, &model, LIST_HEAD, 51);
    assert_true(list_insert(&l, 2, list_model_value(52)));
    list_model_insert(&model, 2, 52);
    list_rows_capture(&l, &backend, false);
    list_rows_equal(&backend, &model);
    list_model_shown(l, &model);
    list_ops.free(l);
}

static void a_broken_order_of_loading_is_put_right(void **state)
{
    (void)state;
    void *object = NULL;
    struct list *l = fresh();
    list_ops.free(l);
    for (unsigned i = 0; i < 3000; i++) {
        int64_t position = (int64_t)(i * 7919u % 3001u) - 1500;
        assert_true(list_ops.load(&object, SLICE(""), list_model_value(i), position, 0));
        list_rows_tell(&backend, SLICE(""), list_model_value(i), position, 0, false);
        assert_true(
            list_ops.load(&object, SLICE(""), list_model_value(i), position, 0)); /* again */
    }
    for (size_t i = 0; i < backend.count; i++)
        list_model_insert(&model, i, backend.rows[i].value);
    l = object;
    assert_int_equal(list_ops.changes(l, false), 0);
    list_model_shown(l, &model);
    list_ops.free(l);
}

static void loading_does_not_undo_a_change(void **state)
{
    (void)state;
    struct list *l = numbers(10);
    assert_true(list_set(&l, 4, list_model_value(99)));
    model.value[4] = 99;
    drop(&l, &model, LIST_HEAD, 2);
    void *object = l;
    for (size_t i = 0; i < backend.count; i++)
        assert_true(list_ops.load(&object, SLICE(""), list_model_value(backend.rows[i].value),
                                  backend.rows[i].position, 0));
    list_model_shown(l, &model);
    assert_int_equal(list_ops.changes(l, false), 3);
    list_ops.free(l);
}

static void a_copy_is_deep_and_counts_as_changed(void **state)
{
    (void)state;
    for (unsigned n = 5; n <= 5005; n += 5000) {
        struct list *l = numbers(n);
        drop(&l, &model, LIST_HEAD, 2);
        struct list *copy = list_ops.copy(l);
        assert_string_equal(list_ops.encoding(copy), list_ops.encoding(l));
        list_ops.free(l);
        list_model_shown(copy, &model);
        assert_int_equal(list_ops.changes(copy, false), n - 2);
        list_ops.free(copy);
    }
}

static void memory_is_told_and_given_back(void **state)
{
    (void)state;
    struct list *l = numbers(30000);
    size_t bytes = 0;
    for (unsigned i = 0; i < 30000; i++)
        bytes += list_model_value(i).len;
    assert_in_range(list_ops.memory(l), bytes + 30000 * 2, bytes + bytes / 4 + 30000 * 4);
    drop(&l, &model, LIST_HEAD, 29990);
    assert_true(list_ops.memory(l) < 1500);
    list_ops.free(l);

    l = list_try_new();
    assert_true(list_push(&l, LIST_TAIL, SLICE("element")));
    assert_true(list_ops.memory(l) <= 64 + 80);
    list_ops.free(l);
}

/* --- Random changes, captures, reloads, and memory running out --- */

static uint64_t seed;
static int64_t fail_after;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

static bool fail_now(void)
{
    return fail_after-- == 0;
}

static void change_ends(struct list **l, struct list_model *m, unsigned value)
{
    enum list_end end = draw(2) == 0 ? LIST_HEAD : LIST_TAIL;
    if (draw(5) < 3) {
        if (list_push(l, end, list_model_value(value)))
            list_model_insert(m, end == LIST_HEAD ? 0 : m->count, value);
    } else if (m->count > 0) {
        size_t n = draw(50) == 0 ? draw((unsigned)m->count) : 1 + draw(2);
        drop(l, m, end, n < m->count ? n : m->count);
    }
}

static void change_middle(struct list **l, struct list_model *m, unsigned value)
{
    unsigned index = draw((unsigned)m->count), what = draw(4);
    if (what == 0) {
        int64_t named = draw(2) == 0 ? (int64_t)index : (int64_t)index - (int64_t)m->count;
        if (list_set(l, named, list_model_value(value)))
            m->value[index] = value;
    } else if (what == 1) {
        if (list_remove_at(l, index))
            list_model_remove(m, index, 1);
    } else if (list_insert(l, index, list_model_value(value))) {
        list_model_insert(m, index, value);
    }
}

static void remove_equal(struct list **l, struct list_model *m, int64_t count)
{
    unsigned value = m->value[draw((unsigned)m->count)];
    size_t most = count == 0 ? SIZE_MAX : (size_t)(count < 0 ? -count : count), removed = 0;
    if (!list_prepare_removal(l, count, list_model_value(value)))
        return;
    size_t got = list_remove(l, count, list_model_value(value));
    for (size_t i = 0; i < m->count && removed < most && count >= 0;) {
        if (m->value[i] != value) {
            i++;
            continue;
        }
        list_model_remove(m, i, 1);
        removed++;
    }
    for (size_t i = m->count; i > 0 && removed < most && count < 0; i--) {
        if (m->value[i - 1] != value)
            continue;
        list_model_remove(m, i - 1, 1);
        removed++;
    }
    assert_int_equal(got, removed);
}

static void flush_now_and_then(struct list **l, struct list_model *m, bool reload)
{
    list_rows_capture(l, &backend, draw(20) == 0);
    list_rows_equal(&backend, m);
    if (!reload || m->count == 0)
        return;
    list_ops.free(*l);
    *l = list_rows_load(&backend);
    list_model_shown(*l, m);
}

static void random_changes_reach_the_backend_and_come_back(void **state)
{
    (void)state;
    static const int limits[] = {-2, -1, 3, 128, -5};
    for (unsigned round = 0; round < 30; round++) {
        struct list *l = fresh();
        unsigned size = 1u << draw(12), values = draw(2) == 0 ? 5 : 100000;
        bool failing = round % 3 != 0;
        seed = 20261125 + round;
        atomic_store(&value_limits.list_max_listpack_size, limits[round % COUNT_OF(limits)]);
        for (unsigned i = 0; i < 4000; i++) {
            fail_after = draw(4);
            alloc_should_fail = failing && draw(4) == 0 ? fail_now : NULL;
            if (model.count == 0 || draw(3) != 0)
                change_ends(&l, &model, draw(values));
            else if (draw(10) == 0)
                remove_equal(&l, &model, (int64_t)draw(5) - 2);
            else
                change_middle(&l, &model, draw(values));
            alloc_should_fail = NULL;
            assert_int_equal(list_count(l), model.count);
            if (model.count > size)
                drop(&l, &model, LIST_HEAD, draw(2) == 0 ? 1 : size / 2);
            if (draw(40) == 0)
                flush_now_and_then(&l, &model, draw(4) == 0);
            if (draw(100) == 0)
                list_model_shown(l, &model);
        }
        list_model_shown(l, &model);
        list_ops.free(l);
    }
}

/* --- Replay: elements by their positions --- */

enum { PLACES = 40 };

static void flatten(const unsigned *placed, struct list_model *m)
{
    m->count = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        if (placed[i] != 0)
            m->value[m->count++] = placed[i];
    }
}

/* Few places, so that most changes meet what others left there. */
static void elements_put_and_removed_by_position_reach_the_backend(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        unsigned placed[PLACES] = {0}; /* 0: none */
        struct list *l = fresh();
        seed = 20261130 + round;
        for (unsigned i = 1; i < 400; i++) {
            unsigned first = draw(PLACES), last = first + draw(4) * draw(2);
            fail_after = draw(4);
            alloc_should_fail = round % 2 == 1 && draw(4) == 0 ? fail_now : NULL;
            if (draw(2) == 0) {
                if (list_put(&l, (int64_t)first * 3 - 50, list_model_value(i)))
                    placed[first] = i;
            } else if (list_count(l) > 0) {
                last = last < PLACES ? last : PLACES - 1;
                alloc_should_fail = NULL; /* a part of them would be left */
                assert_true(list_remove_span(
                    &l, (struct list_span){(int64_t)first * 3 - 50, (int64_t)last * 3 - 50}));
                for (; first <= last; first++)
                    placed[first] = 0;
            }
            alloc_should_fail = NULL;
            flatten(placed, &model);
            list_model_shown(l, &model);
            if (draw(50) == 0)
                flush_now_and_then(&l, &model, false);
        }
        list_ops.free(l);
    }
}

static int back_to_normal(void **state)
{
    (void)state;
    alloc_should_fail = NULL;
    atomic_store(&value_limits.list_max_listpack_size, -2);
    return 0;
}

static void every_failing_allocation_leaves_the_list_as_it_was(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (unsigned what = 0; what < 4; what++) {
        for (int64_t nth = 0; nth < 6; nth++) {
            struct list *l = numbers(3000);
            struct slice large = list_model_value(998); /* 9 kB */
            bool done;
            fail_after = nth;
            alloc_should_fail = fail_now;
            if (what == 0)
                done = list_set(&l, 1500, large);
            else if (what == 1)
                done = list_insert(&l, 1500, large);
            else if (what == 2)
                done = list_insert(&l, 1500, SLICE("7"));
            else
                done = list_push(&l, LIST_TAIL, large);
            alloc_should_fail = NULL;
            failures += !done;
            if (!done) {
                list_model_shown(l, &model);
                list_rows_capture(&l, &backend, false);
                list_rows_equal(&backend, &model);
            }
            list_ops.free(l);
        }
    }
    assert_true(failures >= 6);
}

static void removing_from_the_middle_without_memory_changes_nothing(void **state)
{
    (void)state;
    struct list *l = numbers(3000);
    alloc_should_fail = fail_now;
    fail_after = 0;
    assert_false(list_remove_at(&l, 700));
    fail_after = 0;
    assert_false(list_prepare_removal(&l, 0, list_model_value(700)));
    fail_after = 0;
    assert_false(
        list_remove_span(&l, (struct list_span){list_position(l, 700), list_position(l, 701)}));
    alloc_should_fail = NULL;
    list_model_shown(l, &model);
    list_ops.free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_are_pushed_and_popped),
        cmocka_unit_test(any_bytes_of_any_length_are_kept),
        cmocka_unit_test(a_value_that_is_too_long_is_refused),
        cmocka_unit_test(equal_elements_are_removed_from_the_end_that_is_asked_for),
        cmocka_unit_test_teardown(the_encoding_follows_the_limits_of_redis, back_to_normal),
        cmocka_unit_test(a_queue_costs_its_ends),
        cmocka_unit_test(what_came_and_went_is_not_told),
        cmocka_unit_test(a_stack_takes_its_positions_up_again),
        cmocka_unit_test(a_change_in_the_middle_is_one_row),
        cmocka_unit_test(inserting_in_one_place_rewrites_little),
        cmocka_unit_test(trimming_to_little_replaces_the_rows),
        cmocka_unit_test(rows_without_gaps_are_numbered_anew_when_there_is_need),
        cmocka_unit_test(positions_at_the_end_of_the_numbers_are_no_end),
        cmocka_unit_test(a_broken_order_of_loading_is_put_right),
        cmocka_unit_test(loading_does_not_undo_a_change),
        cmocka_unit_test(a_copy_is_deep_and_counts_as_changed),
        cmocka_unit_test(memory_is_told_and_given_back),
        cmocka_unit_test_teardown(random_changes_reach_the_backend_and_come_back, back_to_normal),
        cmocka_unit_test_teardown(elements_put_and_removed_by_position_reach_the_backend,
                                  back_to_normal),
        cmocka_unit_test_teardown(every_failing_allocation_leaves_the_list_as_it_was,
                                  back_to_normal),
        cmocka_unit_test_teardown(removing_from_the_middle_without_memory_changes_nothing,
                                  back_to_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
