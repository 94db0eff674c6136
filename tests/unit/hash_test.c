/* The hash type against a model, and what it tells write-back against a model of the backend.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/hash.h"
#include "tests/support/capture.h"

#include "store/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { NAMES = 3000 };

/* What somebody else believes the hash to be: value numbers by field number, -1: absent. */
struct picture {
    int value[NAMES];
    size_t count;
    size_t told, told_removed; /* elements that a capture emitted */
};

static struct slice name_of(unsigned n)
{
    static char text[64];
    return slice_of(text, (size_t)snprintf(text, sizeof(text), "field:%u", n));
}

/* Values of very different lengths that say their number. */
static struct slice value_of(int n)
{
    static char text[400];
    size_t digits = (size_t)snprintf(text, sizeof(text), "%d:", n);
    size_t len = digits + (size_t)n % 7 * ((size_t)n % 5);
    memset(text + digits, 'v', sizeof(text) - digits);
    return slice_of(text, len);
}

static unsigned number_of(struct slice name)
{
    char text[64];
    assert_true(name.len > 6 && name.len < sizeof(text));
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    unsigned n = (unsigned)strtoul(text + 6, NULL, 10);
    assert_true(n < NAMES && slice_eq(name, name_of(n)));
    return n;
}

static int number_of_value(struct slice value)
{
    int n = atoi(value.ptr);
    assert_true(slice_eq(value, value_of(n)));
    return n;
}

static void clear(struct picture *p)
{
    *p = (struct picture){0};
    for (int i = 0; i < NAMES; i++)
        p->value[i] = -1;
}

static bool paint(void *ctx, struct slice field, struct slice value)
{
    struct picture *p = ctx;
    unsigned n = number_of(field);
    assert_int_equal(p->value[n], -1);
    p->value[n] = number_of_value(value);
    p->count++;
    return true;
}

static bool tell(void *ctx, struct slice name, struct slice value, int64_t position, double score,
                 bool removed)
{
    struct picture *p = ctx;
    (void)position, (void)score;
    unsigned n = number_of(name);
    p->value[n] = removed ? -1 : number_of_value(value);
    p->told++;
    p->told_removed += removed;
    return true;
}

static void capture(struct hash **h, struct picture *backend, bool everything)
{
    struct change_sink sink = {backend, tell, NULL};
    size_t expected = hash_ops.changes(*h, everything);
    backend->told = backend->told_removed = 0;
    void *place = *h;
    capture_whole(VALUE_HASH, &place, everything, sink);
    *h = place;
    assert_int_equal(backend->told, expected);
    assert_int_equal(hash_ops.changes(*h, false), 0);
}

static void shows(const struct hash *h, const struct picture *model)
{
    static struct picture seen;
    clear(&seen);
    hash_each(h, paint, &seen);
    assert_int_equal(seen.count, hash_count(h));
    assert_memory_equal(seen.value, model->value, sizeof(seen.value));
}

static void set(struct hash **h, unsigned n, int value, enum hash_set_result expected)
{
    assert_int_equal(hash_set(h, name_of(n), value_of(value)), expected);
}

static void load(struct hash **h, unsigned n, int value)
{
    void *place = *h;
    assert_true(hash_ops.load(&place, name_of(n), value_of(value), 0, 0));
    *h = place;
}

static void fields_keep_the_order_of_insertion_while_small(void **state)
{
    (void)state;
    struct hash *h = hash_try_new();
    set(&h, 3, 1, HASH_ADDED);
    set(&h, 1, 2, HASH_ADDED);
    set(&h, 2, 3, HASH_ADDED);
    set(&h, 3, 34, HASH_UPDATED); /* longer, in its place */
    assert_true(hash_remove(&h, name_of(1)));
    assert_false(hash_remove(&h, name_of(1)));
    set(&h, 1, 4, HASH_ADDED); /* back, at the end */
    struct slice field, value;
    static const unsigned order[] = {3, 2, 1};
    for (unsigned i = 0; i < 3; i++) {
        hash_random(h, i, &field, &value);
        assert_int_equal(number_of(field), order[i]);
    }
    assert_string_equal(hash_ops.encoding(h), "listpack");
    hash_ops.free(h);
}

static void a_removed_and_told_field_comes_back_at_the_end(void **state)
{
    (void)state;
    static struct picture backend;
    struct hash *h = hash_try_new();
    for (unsigned i = 0; i < 3; i++)
        set(&h, i, 1, HASH_ADDED);
    clear(&backend);
    capture(&h, &backend, false);
    assert_true(hash_remove(&h, name_of(0)));
    set(&h, 0, 2, HASH_ADDED);
    struct slice field, value;
    hash_random(h, 2, &field, &value);
    assert_int_equal(number_of(field), 0);
    capture(&h, &backend, false);
    assert_int_equal(backend.told, 1);
    shows(h, &backend);
    hash_ops.free(h);
}

static void the_encoding_changes_at_the_limits_of_redis(void **state)
{
    (void)state;
    struct hash *h = hash_try_new();
    for (unsigned i = 0; i < 128; i++)
        set(&h, i, 1, HASH_ADDED);
    assert_string_equal(hash_ops.encoding(h), "listpack");
    set(&h, 5, 2, HASH_UPDATED);
    assert_string_equal(hash_ops.encoding(h), "listpack");
    set(&h, 128, 1, HASH_ADDED);
    assert_string_equal(hash_ops.encoding(h), "hashtable");
    for (unsigned i = 0; i < 128; i++)
        assert_true(hash_remove(&h, name_of(i)));
    assert_string_equal(hash_ops.encoding(h), "hashtable");
    hash_ops.free(h);

    static char text[65];
    h = hash_try_new();
    assert_int_equal(hash_set(&h, SLICE("f"), slice_of(text, 64)), HASH_ADDED);
    assert_string_equal(hash_ops.encoding(h), "listpack");
    assert_int_equal(hash_set(&h, slice_of(text, 65), SLICE("v")), HASH_ADDED);
    assert_string_equal(hash_ops.encoding(h), "hashtable");
    hash_ops.free(h);

    value_limits.hash_max_listpack_entries = 2;
    h = hash_try_new();
    for (unsigned i = 0; i < 3; i++)
        set(&h, i, 1, HASH_ADDED);
    assert_string_equal(hash_ops.encoding(h), "hashtable");
    value_limits.hash_max_listpack_entries = 128;
    hash_ops.free(h);
}

static void churn_of_names_does_not_change_the_encoding(void **state)
{
    (void)state;
    static struct picture backend, model;
    struct hash *h = hash_try_new();
    clear(&backend);
    clear(&model);
    for (unsigned i = 0; i < 2000; i++) {
        set(&h, i, (int)i, HASH_ADDED);
        model.value[i] = (int)i;
        if (i % 20 == 0)
            capture(&h, &backend, false); /* the backend has some of them */
        if (i >= 10) {
            assert_true(hash_remove(&h, name_of(i - 10)));
            model.value[i - 10] = -1;
        }
    }
    assert_string_equal(hash_ops.encoding(h), "listpack");
    shows(h, &model);
    capture(&h, &backend, false);
    assert_memory_equal(model.value, backend.value, sizeof(model.value));
    hash_ops.free(h);
}

static void one_changed_field_of_many_is_one_element(void **state)
{
    (void)state;
    static struct picture backend, model;
    struct hash *h = NULL;
    void *object = NULL;
    clear(&model);
    for (unsigned i = 0; i < NAMES; i++) {
        assert_true(hash_ops.load(&object, name_of(i), value_of(7), 0, 0));
        model.value[i] = 7;
    }
    h = object;
    backend = model;
    assert_int_equal(hash_ops.changes(h, false), 0);
    assert_int_equal(hash_ops.changes(h, true), NAMES);
    set(&h, 1234, 99, HASH_UPDATED);
    set(&h, 1234, 98, HASH_UPDATED);
    assert_true(hash_remove(&h, name_of(77)));
    set(&h, 78, 5, HASH_UPDATED);
    assert_true(hash_remove(&h, name_of(78)));
    assert_int_equal(hash_ops.changes(h, false), 3);
    model.value[1234] = 98;
    model.value[77] = model.value[78] = -1;
    capture(&h, &backend, false);
    assert_int_equal(backend.told_removed, 2);
    assert_memory_equal(model.value, backend.value, sizeof(model.value));
    capture(&h, &backend, false);
    assert_int_equal(backend.told, 0);
    hash_ops.free(h);
}

static void a_field_that_came_and_went_is_not_told(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct hash *h = hash_try_new();
        for (unsigned i = 0; i < (large ? 500 : 5); i++)
            set(&h, i, 1, HASH_ADDED);
        static struct picture backend;
        clear(&backend);
        capture(&h, &backend, false);
        set(&h, 1000, 1, HASH_ADDED);
        assert_true(hash_remove(&h, name_of(1000)));
        assert_int_equal(hash_ops.changes(h, false), 0);
        assert_true(hash_remove(&h, name_of(1))); /* the backend has this one */
        set(&h, 1, 2, HASH_ADDED);
        assert_true(hash_remove(&h, name_of(1)));
        assert_int_equal(hash_ops.changes(h, false), 1);
        capture(&h, &backend, false);
        assert_int_equal(backend.told_removed, 1);
        hash_ops.free(h);
    }
}

static void a_capture_of_everything_tells_no_removals(void **state)
{
    (void)state;
    for (unsigned fields = 5; fields <= 500; fields += 495) {
        static struct picture backend;
        struct hash *h = hash_try_new();
        for (unsigned i = 0; i < fields; i++)
            set(&h, i, 1, HASH_ADDED);
        clear(&backend);
        capture(&h, &backend, false);
        assert_true(hash_remove(&h, name_of(0)));
        set(&h, 1, 2, HASH_UPDATED);
        clear(&backend);
        capture(&h, &backend, true);
        assert_int_equal(backend.told, fields - 1);
        assert_int_equal(backend.told_removed, 0);
        shows(h, &backend);
        hash_ops.free(h);
    }
}

static void loading_does_not_undo_a_change(void **state)
{
    (void)state;
    struct hash *h = hash_try_new();
    set(&h, 1, 50, HASH_ADDED);
    load(&h, 1, 10);
    load(&h, 2, 20);
    assert_true(hash_remove(&h, name_of(2)));
    load(&h, 2, 20);
    assert_int_equal(hash_count(h), 1);
    struct slice value;
    assert_true(hash_get(h, name_of(1), &value));
    assert_int_equal(number_of_value(value), 50);
    assert_int_equal(hash_ops.changes(h, false), 2);
    hash_ops.free(h);
}

static void a_copy_is_deep_and_counts_as_changed(void **state)
{
    (void)state;
    for (unsigned fields = 5; fields <= 500; fields += 495) {
        static struct picture model, backend;
        struct hash *h = hash_try_new();
        clear(&model);
        for (unsigned i = 0; i < fields; i++) {
            set(&h, i, (int)i, HASH_ADDED);
            model.value[i] = (int)i;
        }
        clear(&backend);
        capture(&h, &backend, false);
        assert_true(hash_remove(&h, name_of(4)));
        model.value[4] = -1;
        struct hash *copy = hash_ops.copy(h);
        hash_ops.free(h);
        shows(copy, &model);
        assert_int_equal(hash_ops.changes(copy, false), fields - 1);
        assert_string_equal(hash_ops.encoding(copy), fields > 128 ? "hashtable" : "listpack");
        hash_ops.free(copy);
    }
}

/* --- Scanning and random fields --- */

static void count_field(void *ctx, struct slice field, struct slice value)
{
    unsigned *times = ctx;
    (void)value;
    times[number_of(field)]++;
}

static void a_scan_sees_every_field_that_stays(void **state)
{
    (void)state;
    enum { STAY = 1000 };
    static unsigned times[NAMES];
    memset(times, 0, sizeof(times));
    struct hash *h = hash_try_new();
    for (unsigned i = 0; i < STAY; i++)
        set(&h, i, 1, HASH_ADDED);
    uint64_t cursor = 0;
    unsigned calls = 0;
    do {
        cursor = hash_scan(h, cursor, 10, count_field, times);
        for (unsigned i = STAY; i < NAMES; i++) {
            if (calls % 2 == 0)
                set(&h, i, 1, HASH_ADDED);
            else
                assert_true(hash_remove(&h, name_of(i)));
        }
        calls++;
    } while (cursor != 0);
    assert_true(calls > 20);
    for (unsigned i = 0; i < STAY; i++)
        assert_true(times[i] >= 1);
    hash_ops.free(h);
}

/* Evicted and loaded again between two calls, it is another object with another hash. */
static void a_scan_goes_on_in_a_hash_that_was_loaded_again(void **state)
{
    (void)state;
    enum { FIELDS = 2000, EACH_CALLS = 7 };
    static unsigned times[NAMES];
    memset(times, 0, sizeof(times));
    struct hash *h = hash_try_new();
    for (unsigned i = 0; i < FIELDS; i++)
        set(&h, i, 1, HASH_ADDED);
    uint64_t cursor = 0;
    unsigned calls = 0;
    do {
        cursor = hash_scan(h, cursor, 10, count_field, times);
        if (++calls % EACH_CALLS == 0 && calls < 10 * EACH_CALLS) {
            struct hash *again = hash_ops.copy(h);
            hash_ops.free(h);
            h = again;
        }
        assert_true(cursor < (uint64_t)1 << 53); /* clients may keep it in a double */
    } while (cursor != 0);
    for (unsigned i = 0; i < FIELDS; i++)
        assert_true(times[i] >= 1);
    hash_ops.free(h);
}

/* Fields that come in the order of another table must not crowd into the first buckets of a growing
 * one: where they did, this took 150 times as long as adding them in any order. */
static void a_large_hash_is_copied_as_fast_as_it_was_built(void **state)
{
    (void)state;
    enum { FIELDS = 100000, TIMES = 25 };
    struct hash *h = hash_try_new();
    char name[32];
    clock_t start = clock();
    for (unsigned i = 0; i < FIELDS; i++) {
        int len = snprintf(name, sizeof(name), "field:%u", i);
        assert_int_equal(hash_set(&h, slice_of(name, (size_t)len), SLICE("v")), HASH_ADDED);
    }
    clock_t built = clock() - start;
    start = clock();
    struct hash *copy = hash_ops.copy(h);
    assert_true(clock() - start < TIMES * built);
    assert_int_equal(hash_count(copy), FIELDS);
    hash_ops.free(copy);
    hash_ops.free(h);
}

static void a_scan_of_an_unchanged_hash_sees_each_field_once(void **state)
{
    (void)state;
    for (unsigned fields = 10; fields <= 1010; fields += 1000) {
        static unsigned times[NAMES];
        memset(times, 0, sizeof(times));
        struct hash *h = hash_try_new();
        for (unsigned i = 0; i < fields; i++)
            set(&h, i, 1, HASH_ADDED);
        uint64_t cursor = 0;
        do
            cursor = hash_scan(h, cursor, 3, count_field, times);
        while (cursor != 0);
        for (unsigned i = 0; i < fields; i++)
            assert_int_equal(times[i], 1);
        assert_int_equal(hash_scan(h, UINT64_MAX, 3, count_field, times), 0);
        hash_ops.free(h);
    }
}

static void random_fields_are_uniform(void **state)
{
    (void)state;
    for (unsigned fields = 50; fields <= 250; fields += 200) {
        static unsigned times[NAMES];
        static struct picture backend;
        memset(times, 0, sizeof(times));
        struct hash *h = hash_try_new();
        for (unsigned i = 0; i < fields; i++)
            set(&h, i, 1, HASH_ADDED);
        clear(&backend);
        capture(&h, &backend, false);
        for (unsigned i = 0; i < fields / 2; i++)
            assert_true(hash_remove(&h, name_of(i)));
        uint64_t random = 5;
        struct slice field, value;
        for (unsigned i = 0; i < fields * 200; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            hash_random(h, random ^ random >> 31, &field, &value);
            times[number_of(field)]++;
        }
        for (unsigned i = 0; i < fields; i++)
            assert_in_range(times[i], i < fields / 2 ? 0 : 300, i < fields / 2 ? 0 : 510);
        hash_ops.free(h);
    }
}

/* --- Random changes, captures and memory running out --- */

static int64_t fail_after;

static bool fail_now(void)
{
    return fail_after-- == 0;
}

static void random_changes_reach_the_backend_model(void **state)
{
    (void)state;
    static struct picture model, backend;
    uint64_t random = 20261124;
    unsigned failures = 0;
    for (unsigned round = 0; round < 8; round++) {
        unsigned names = round % 2 == 0 ? 60 : NAMES;
        struct hash *h = hash_try_new();
        clear(&model);
        clear(&backend);
        for (unsigned i = 0; i < 20000; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned n = (unsigned)(random >> 33) % names;
            fail_after = (int64_t)(random >> 20) % 3;
            alloc_should_fail = (random >> 24) % 4 == 0 ? fail_now : NULL;
            if ((random >> 30) % 5 < 2) {
                assert_int_equal(hash_remove(&h, name_of(n)), model.value[n] >= 0);
                model.value[n] = -1;
            } else {
                enum hash_set_result r = hash_set(&h, name_of(n), value_of((int)i));
                failures += r == HASH_OOM;
                if (r != HASH_OOM) {
                    assert_int_equal(r, model.value[n] < 0 ? HASH_ADDED : HASH_UPDATED);
                    model.value[n] = (int)i;
                }
            }
            struct slice value;
            assert_int_equal(hash_get(h, name_of(n), &value), model.value[n] >= 0);
            if (i % 701 == 0) {
                if (i % 5 == 0)
                    clear(&backend); /* everything is told: what was there is replaced */
                capture(&h, &backend, i % 5 == 0);
                assert_memory_equal(model.value, backend.value, sizeof(model.value));
            }
            alloc_should_fail = NULL;
            if (i % 500 == 0)
                shows(h, &model);
        }
        hash_ops.free(h);
    }
    assert_true(failures > 1000);
}

static int no_more_failures(void **state)
{
    (void)state;
    alloc_should_fail = NULL;
    return 0;
}

static void memory_is_told(void **state)
{
    (void)state;
    struct hash *h = hash_try_new();
    size_t empty = hash_ops.memory(h);
    for (unsigned i = 0; i < NAMES; i++)
        set(&h, i, 1, HASH_ADDED);
    assert_int_equal(hash_ops.count(h), NAMES);
    assert_in_range(hash_ops.memory(h), empty + NAMES * 30, empty + NAMES * 60);
    for (unsigned i = 0; i < NAMES; i++)
        assert_true(hash_remove(&h, name_of(i)));
    assert_true(hash_ops.memory(h) < 2000);
    hash_ops.free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_keep_the_order_of_insertion_while_small),
        cmocka_unit_test(a_removed_and_told_field_comes_back_at_the_end),
        cmocka_unit_test(the_encoding_changes_at_the_limits_of_redis),
        cmocka_unit_test(churn_of_names_does_not_change_the_encoding),
        cmocka_unit_test(one_changed_field_of_many_is_one_element),
        cmocka_unit_test(a_field_that_came_and_went_is_not_told),
        cmocka_unit_test(a_capture_of_everything_tells_no_removals),
        cmocka_unit_test(loading_does_not_undo_a_change),
        cmocka_unit_test(a_copy_is_deep_and_counts_as_changed),
        cmocka_unit_test(a_scan_sees_every_field_that_stays),
        cmocka_unit_test(a_scan_of_an_unchanged_hash_sees_each_field_once),
        cmocka_unit_test(a_scan_goes_on_in_a_hash_that_was_loaded_again),
        cmocka_unit_test(a_large_hash_is_copied_as_fast_as_it_was_built),
        cmocka_unit_test(random_fields_are_uniform),
        cmocka_unit_test_teardown(random_changes_reach_the_backend_model, no_more_failures),
        cmocka_unit_test(memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
