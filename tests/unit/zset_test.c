/* The sorted set against a model, and what it tells write-back against a model of the backend.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/zset.h"
#include "tests/support/capture.h"

#include "store/alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NAMES = 2000 };

/* What somebody believes the set to be, by member number. */
struct picture {
    double score[NAMES];
    bool there[NAMES];
    size_t count;
    size_t told, told_removed; /* elements that a capture emitted */
};

static struct slice name_of(unsigned n)
{
    static char text[64];
    return slice_of(text, (size_t)snprintf(text, sizeof(text), "member:%u", n));
}

static unsigned number_of(struct slice name)
{
    char text[64];
    assert_true(name.len > 7 && name.len < sizeof(text));
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    unsigned n = (unsigned)strtoul(text + 7, NULL, 10);
    assert_true(n < NAMES && slice_eq(name, name_of(n)));
    return n;
}

static void clear(struct picture *p)
{
    memset(p, 0, sizeof(*p));
}

static void draw(struct picture *p, unsigned n, double score)
{
    p->count += !p->there[n];
    p->there[n] = true;
    p->score[n] = score;
}

static void erase(struct picture *p, unsigned n)
{
    p->count -= p->there[n];
    p->there[n] = false;
    p->score[n] = 0;
}

static void same(const struct picture *a, const struct picture *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->there, b->there, sizeof(a->there));
    assert_memory_equal(a->score, b->score, sizeof(a->score));
}

static bool tell(void *ctx, struct slice name, struct slice value, int64_t position, double score,
                 bool removed)
{
    struct picture *p = ctx;
    assert_int_equal(value.len, 0);
    assert_int_equal(position, 0);
    if (removed)
        erase(p, number_of(name));
    else
        draw(p, number_of(name), score);
    p->told++;
    p->told_removed += removed;
    return true;
}

static void capture(struct zset **z, struct picture *backend, bool everything)
{
    struct change_sink sink = {backend, tell, NULL};
    size_t expected = zset_ops.changes(*z, everything);
    backend->told = backend->told_removed = 0;
    void *place = *z;
    capture_whole(VALUE_ZSET, &place, everything, sink);
    *z = place;
    assert_int_equal(backend->told, expected);
    assert_int_equal(zset_ops.changes(*z, false), 0);
}

struct walk {
    struct picture seen;
    bool reverse, any;
    double last_score;
    unsigned last;
};

static bool step(void *ctx, struct slice member, double score)
{
    struct walk *w = ctx;
    unsigned n = number_of(member);
    if (w->any) {
        static char text[64];
        struct slice before = name_of(w->last);
        memcpy(text, before.ptr, before.len);
        int order = w->last_score != score ? (w->last_score < score ? -1 : 1)
                                           : slice_cmp(slice_of(text, before.len), member);
        assert_true(w->reverse ? order > 0 : order < 0);
    }
    w->any = true;
    w->last = n;
    w->last_score = score;
    assert_false(w->seen.there[n]);
    draw(&w->seen, n, score);
    return true;
}

/* Up, down, and the same members as the model. */
static void shows(const struct zset *z, const struct picture *model)
{
    assert_int_equal(zset_count(z), model->count);
    for (int reverse = 0; reverse < 2; reverse++) {
        static struct walk w;
        w = (struct walk){.reverse = reverse};
        size_t n = zset_count(z);
        zset_each(z, reverse && n > 0 ? n - 1 : 0, n, reverse, step, &w);
        same(&w.seen, model);
    }
}

static void put(struct zset **z, unsigned n, double score, enum zset_put_result expected)
{
    assert_int_equal(zset_put(z, name_of(n), score), expected);
}

static struct zset *filled(unsigned n)
{
    struct zset *z = zset_try_new();
    for (unsigned i = 0; i < n; i++)
        put(&z, i, i, ZSET_ADDED);
    return z;
}

static void members_are_ordered_by_score_then_name(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct zset *z = filled(large ? 1000 : 0);
        put(&z, 1500, -1, ZSET_ADDED);
        put(&z, 1400, -1, ZSET_ADDED);
        put(&z, 1600, -INFINITY, ZSET_ADDED);
        put(&z, 1700, INFINITY, ZSET_ADDED);
        put(&z, 1400, -1, ZSET_SAME);
        size_t rank;
        assert_true(zset_rank(z, name_of(1600), &rank) && rank == 0);
        assert_true(zset_rank(z, name_of(1400), &rank) && rank == 1);
        assert_true(zset_rank(z, name_of(1500), &rank) && rank == 2);
        assert_true(zset_rank(z, name_of(1700), &rank) && rank == zset_count(z) - 1);
        assert_false(zset_rank(z, name_of(1999), &rank));
        put(&z, 1500, -2, ZSET_UPDATED);
        assert_true(zset_rank(z, name_of(1500), &rank) && rank == 1);
        assert_int_equal(zset_below(z, -1, false), 2);
        assert_int_equal(zset_below(z, -1, true), 3);
        assert_int_equal(zset_below(z, -INFINITY, false), 0);
        assert_int_equal(zset_below(z, INFINITY, true), zset_count(z));
        struct slice member;
        double score;
        zset_at(z, 1, &member, &score);
        assert_int_equal(number_of(member), 1500);
        assert_true(score == -2);
        zset_ops.free(z);
    }
}

static void negative_zero_is_zero(void **state)
{
    (void)state;
    struct zset *z = zset_try_new();
    double score;
    put(&z, 1, -0.0, ZSET_ADDED);
    assert_true(zset_score(z, name_of(1), &score) && !signbit(score));
    put(&z, 1, 0.0, ZSET_SAME);
    zset_ops.free(z);
}

static void a_search_by_name_does_not_see_the_dead(void **state)
{
    (void)state;
    static struct picture backend;
    struct zset *z = zset_try_new();
    put(&z, 1, 0, ZSET_ADDED);
    put(&z, 3, 0, ZSET_ADDED);
    put(&z, 2, 5, ZSET_ADDED);
    put(&z, 4, -5, ZSET_ADDED);
    clear(&backend);
    capture(&z, &backend, false);
    assert_true(zset_remove(&z, name_of(2)));
    assert_true(zset_remove(&z, name_of(4)));
    assert_int_equal(zset_below_lex(z, name_of(3), true), 2);
    assert_int_equal(zset_below_lex(z, name_of(3), false), 1);
    assert_int_equal(zset_below(z, -1, true), 0);
    zset_ops.free(z);
}

static void a_member_may_be_any_bytes(void **state)
{
    (void)state;
    struct zset *z = zset_try_new();
    double score;
    assert_int_equal(zset_put(&z, slice_of("", 0), 3), ZSET_ADDED);
    assert_int_equal(zset_put(&z, slice_of("\0\xff", 2), 2), ZSET_ADDED);
    static char text[100000];
    assert_int_equal(zset_put(&z, slice_of(text, 70), 1), ZSET_ADDED);
    assert_int_equal(zset_put(&z, slice_of(text, sizeof(text)), 0), ZSET_ADDED);
    assert_true(zset_score(z, slice_of("", 0), &score) && score == 3);
    assert_true(zset_score(z, slice_of("\0\xff", 2), &score) && score == 2);
    assert_true(zset_score(z, slice_of(text, sizeof(text)), &score) && score == 0);
    assert_int_equal(zset_below_lex(z, slice_of("", 0), true), zset_below_lex(z, SLICE(""), true));
    zset_ops.free(z);
}

static void the_encoding_changes_at_the_limits_of_redis(void **state)
{
    (void)state;
    struct zset *z = filled(128);
    assert_string_equal(zset_ops.encoding(z), "listpack");
    put(&z, 5, 1000, ZSET_UPDATED);
    assert_string_equal(zset_ops.encoding(z), "listpack");
    put(&z, 128, 1, ZSET_ADDED);
    assert_string_equal(zset_ops.encoding(z), "skiplist");
    for (unsigned i = 0; i < 128; i++)
        assert_true(zset_remove(&z, name_of(i)));
    assert_string_equal(zset_ops.encoding(z), "skiplist");
    zset_ops.free(z);

    static char text[65];
    z = zset_try_new();
    assert_int_equal(zset_put(&z, slice_of(text, 64), 1), ZSET_ADDED);
    assert_string_equal(zset_ops.encoding(z), "listpack");
    assert_int_equal(zset_put(&z, slice_of(text, 65), 1), ZSET_ADDED);
    assert_string_equal(zset_ops.encoding(z), "skiplist");
    zset_ops.free(z);
}

static void a_block_that_gets_too_long_becomes_a_tree_unseen(void **state)
{
    (void)state;
    value_limits.zset_max_listpack_value = 40000;
    static char text[30000];
    struct zset *z = zset_try_new();
    double score;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(zset_put(&z, slice_of(text, sizeof(text) - i), i), ZSET_ADDED);
    assert_string_equal(zset_ops.encoding(z), "listpack");
    value_limits.zset_max_listpack_entries = 5;
    assert_int_equal(zset_put(&z, slice_of(text, sizeof(text)), 9), ZSET_UPDATED);
    assert_string_equal(zset_ops.encoding(z), "listpack");
    assert_int_equal(zset_put(&z, SLICE("x"), 9), ZSET_ADDED);
    assert_string_equal(zset_ops.encoding(z), "skiplist");
    value_limits.zset_max_listpack_entries = 128;
    value_limits.zset_max_listpack_value = 64;
    assert_true(zset_score(z, slice_of(text, sizeof(text) - 4), &score) && score == 4);
    zset_ops.free(z);
}

static void churn_of_names_does_not_change_the_encoding(void **state)
{
    (void)state;
    static struct picture backend, model;
    struct zset *z = zset_try_new();
    clear(&backend);
    clear(&model);
    for (unsigned i = 0; i < NAMES; i++) {
        put(&z, i, NAMES - i, ZSET_ADDED);
        draw(&model, i, NAMES - i);
        if (i % 20 == 0)
            capture(&z, &backend, false); /* the backend has some of them */
        if (i >= 10) {
            assert_true(zset_remove(&z, name_of(i - 10)));
            erase(&model, i - 10);
        }
    }
    assert_string_equal(zset_ops.encoding(z), "listpack");
    shows(z, &model);
    capture(&z, &backend, false);
    same(&model, &backend);
    zset_ops.free(z);
}

static void one_changed_member_of_many_is_one_element(void **state)
{
    (void)state;
    static struct picture backend, model;
    void *object = NULL;
    clear(&model);
    for (unsigned i = 0; i < NAMES; i++) {
        assert_true(zset_ops.load(&object, name_of(i), SLICE(""), 0, 7));
        draw(&model, i, 7);
    }
    struct zset *z = object;
    backend = model;
    assert_int_equal(zset_ops.changes(z, false), 0);
    assert_int_equal(zset_ops.changes(z, true), NAMES);
    put(&z, 1234, 99, ZSET_UPDATED);
    put(&z, 1234, 98, ZSET_UPDATED);
    put(&z, 1235, 7, ZSET_SAME);
    assert_true(zset_remove(&z, name_of(77)));
    put(&z, 78, 5, ZSET_UPDATED);
    assert_true(zset_remove(&z, name_of(78)));
    assert_int_equal(zset_ops.changes(z, false), 3);
    draw(&model, 1234, 98);
    erase(&model, 77);
    erase(&model, 78);
    capture(&z, &backend, false);
    assert_int_equal(backend.told_removed, 2);
    same(&model, &backend);
    capture(&z, &backend, false);
    assert_int_equal(backend.told, 0);
    zset_ops.free(z);
}

static void a_member_that_came_and_went_is_not_told(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        static struct picture backend;
        struct zset *z = filled(large ? 500 : 5);
        clear(&backend);
        capture(&z, &backend, false);
        put(&z, 1000, 1, ZSET_ADDED);
        assert_true(zset_remove(&z, name_of(1000)));
        assert_int_equal(zset_ops.changes(z, false), 0);
        assert_true(zset_remove(&z, name_of(1))); /* the backend has this one */
        put(&z, 1, 2, ZSET_ADDED);
        assert_true(zset_remove(&z, name_of(1)));
        assert_int_equal(zset_ops.changes(z, false), 1);
        capture(&z, &backend, false);
        assert_int_equal(backend.told_removed, 1);
        zset_ops.free(z);
    }
}

static void a_capture_of_everything_tells_no_removals(void **state)
{
    (void)state;
    for (unsigned members = 5; members <= 500; members += 495) {
        static struct picture backend;
        struct zset *z = filled(members);
        clear(&backend);
        capture(&z, &backend, false);
        assert_true(zset_remove(&z, name_of(0)));
        put(&z, 1, 200.5, ZSET_UPDATED);
        clear(&backend);
        capture(&z, &backend, true);
        assert_int_equal(backend.told, members - 1);
        assert_int_equal(backend.told_removed, 0);
        shows(z, &backend);
        zset_ops.free(z);
    }
}

static void loading_does_not_undo_a_change(void **state)
{
    (void)state;
    for (unsigned members = 0; members <= 500; members += 500) {
        struct zset *z = filled(members);
        static struct picture backend;
        clear(&backend);
        capture(&z, &backend, false);
        put(&z, 1001, 50, ZSET_ADDED);
        void *object = z;
        assert_true(zset_ops.load(&object, name_of(1001), SLICE(""), 0, 10));
        assert_true(zset_ops.load(&object, name_of(1002), SLICE(""), 0, 20));
        z = object;
        assert_true(zset_remove(&z, name_of(1002)));
        object = z;
        assert_true(zset_ops.load(&object, name_of(1002), SLICE(""), 0, 20));
        z = object;
        assert_int_equal(zset_count(z), members + 1);
        double score;
        assert_true(zset_score(z, name_of(1001), &score) && score == 50);
        assert_int_equal(zset_ops.changes(z, false), 2);
        zset_ops.free(z);
    }
}

static void what_a_backend_says_of_nan_is_zero(void **state)
{
    (void)state;
    void *object = NULL;
    double score;
    assert_true(zset_ops.load(&object, name_of(1), SLICE(""), 0, NAN));
    assert_true(zset_score(object, name_of(1), &score) && score == 0);
    zset_ops.free(object);
}

static void a_copy_is_deep_and_counts_as_changed(void **state)
{
    (void)state;
    for (unsigned members = 5; members <= 500; members += 495) {
        static struct picture model, backend;
        struct zset *z = filled(members);
        clear(&model);
        clear(&backend);
        capture(&z, &backend, false);
        assert_true(zset_remove(&z, name_of(4)));
        for (unsigned i = 0; i < members; i++) {
            if (i != 4)
                draw(&model, i, i);
        }
        struct zset *copy = zset_ops.copy(z);
        zset_ops.free(z);
        shows(copy, &model);
        assert_int_equal(zset_ops.changes(copy, false), members - 1);
        assert_string_equal(zset_ops.encoding(copy), members > 128 ? "skiplist" : "listpack");
        zset_ops.free(copy);
    }
}

static void a_range_of_ranks_is_removed(void **state)
{
    (void)state;
    for (unsigned members = 100; members <= 1100; members += 1000) {
        for (int told = 0; told < 2; told++) {
            static struct picture model, backend;
            struct zset *z = filled(members);
            clear(&model);
            clear(&backend);
            if (told)
                capture(&z, &backend, false);
            assert_true(zset_remove(&z, name_of(50)));
            zset_remove_ranks(&z, 10, members - 21);
            zset_remove_ranks(&z, 3, 0);
            for (unsigned i = 0; i < 10; i++)
                draw(&model, i, i);
            for (unsigned i = members - 10; i < members; i++)
                draw(&model, i, i);
            shows(z, &model);
            capture(&z, &backend, false);
            same(&model, &backend);
            zset_remove_ranks(&z, 0, 20);
            assert_int_equal(zset_count(z), 0);
            assert_int_equal(zset_ops.changes(z, false), 20);
            zset_ops.free(z);
        }
    }
}

/* --- Scanning --- */

static void count_member(void *ctx, struct slice member, double score)
{
    unsigned *times = ctx;
    (void)score;
    times[number_of(member)]++;
}

static void a_scan_sees_every_member_that_stays(void **state)
{
    (void)state;
    enum { STAY = 1000 };
    static unsigned times[NAMES];
    memset(times, 0, sizeof(times));
    struct zset *z = filled(STAY);
    uint64_t cursor = 0;
    unsigned calls = 0;
    do {
        cursor = zset_scan(z, cursor, 10, count_member, times);
        for (unsigned i = STAY; i < NAMES; i++) {
            if (calls % 2 == 0)
                put(&z, i, 1, ZSET_ADDED);
            else
                assert_true(zset_remove(&z, name_of(i)));
        }
        for (unsigned i = 0; i < STAY; i += 10)
            put(&z, i, calls + NAMES, ZSET_UPDATED);
        calls++;
    } while (cursor != 0);
    assert_true(calls > 20);
    for (unsigned i = 0; i < STAY; i++)
        assert_true(times[i] >= 1);
    assert_int_equal(zset_scan(z, UINT64_MAX, 3, count_member, times), 0);
    zset_ops.free(z);
}

/* --- Random changes, captures and memory running out --- */

static int64_t fail_after;

static bool fail_now(void)
{
    return fail_after-- <= 0;
}

static int no_more_failures(void **state)
{
    (void)state;
    alloc_should_fail = NULL;
    return 0;
}

struct run {
    struct zset *z;
    struct picture *model, *backend;
    uint64_t random;
    unsigned names, failures;
};

static uint64_t next(struct run *r, uint64_t n)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (r->random >> 33) % n;
}

static void change(struct run *r)
{
    unsigned n = (unsigned)next(r, r->names);
    static const double odd[] = {INFINITY, -INFINITY, 5e-324, 1e300, 0.1};
    double score = next(r, 20) == 0 ? odd[next(r, COUNT_OF(odd))] : (double)next(r, 300);
    if (next(r, 5) < 2) {
        assert_int_equal(zset_remove(&r->z, name_of(n)), r->model->there[n]);
        erase(r->model, n);
    } else {
        enum zset_put_result result = zset_put(&r->z, name_of(n), score);
        bool there = r->model->there[n];
        r->failures += result == ZSET_OOM;
        if (result != ZSET_OOM) {
            assert_int_equal(result, !there                        ? ZSET_ADDED
                                     : r->model->score[n] == score ? ZSET_SAME
                                                                   : ZSET_UPDATED);
            draw(r->model, n, score);
        }
    }
    double found;
    size_t rank;
    assert_int_equal(zset_score(r->z, name_of(n), &found), r->model->there[n]);
    assert_int_equal(zset_rank(r->z, name_of(n), &rank), r->model->there[n]);
    if (r->model->there[n]) {
        struct slice member;
        assert_true(found == r->model->score[n]);
        zset_at(r->z, rank, &member, &found);
        assert_int_equal(number_of(member), n);
        assert_in_range(rank, zset_below(r->z, found, false), zset_below(r->z, found, true) - 1);
    }
    assert_int_equal(zset_count(r->z), r->model->count);
}

static void remove_some_ranks(struct run *r)
{
    size_t count = zset_count(r->z);
    if (count == 0)
        return;
    size_t first = next(r, count), n = next(r, min_u64(count - first, 20) + 1);
    for (size_t i = 0; i < n; i++) {
        struct slice member;
        double score;
        zset_at(r->z, first + i, &member, &score);
        erase(r->model, number_of(member));
    }
    zset_remove_ranks(&r->z, first, n);
}

/* From what the backend has, as after an eviction. */
static void reload(struct run *r)
{
    void *object = NULL;
    for (unsigned i = 0; i < NAMES; i++) {
        if (r->backend->there[i])
            assert_true(zset_ops.load(&object, name_of(i), SLICE(""), 0, r->backend->score[i]));
    }
    if (object == NULL)
        return;
    zset_ops.free(r->z);
    r->z = object;
    assert_int_equal(zset_ops.changes(r->z, false), 0);
}

static void random_changes_reach_the_backend_model(void **state)
{
    (void)state;
    static struct picture model, backend;
    unsigned failures = 0;
    for (unsigned round = 0; round < 8; round++) {
        struct run r = {
            zset_try_new(), &model, &backend, 20261124 + round, round % 2 == 0 ? 60 : NAMES, 0};
        clear(&model);
        clear(&backend);
        for (unsigned i = 0; i < 20000; i++) {
            fail_after = (int64_t)next(&r, 3);
            alloc_should_fail = next(&r, 4) == 0 ? fail_now : NULL;
            change(&r);
            if (next(&r, 50) == 0)
                remove_some_ranks(&r);
            if (i % 701 == 0) {
                bool everything = i % 5 == 0;
                if (everything)
                    clear(&backend); /* everything is told: what was there is replaced */
                capture(&r.z, &backend, everything);
                same(&model, &backend);
                alloc_should_fail = NULL;
                if (i % 3 == 0)
                    reload(&r);
            }
            alloc_should_fail = NULL;
            if (i % 500 == 0)
                shows(r.z, &model);
        }
        zset_ops.free(r.z);
        failures += r.failures;
    }
    assert_true(failures > 1000);
}

static void memory_is_told(void **state)
{
    (void)state;
    struct zset *z = zset_try_new();
    size_t empty = zset_ops.memory(z);
    assert_in_range(empty, 16, 16);
    put(&z, 1, 1, ZSET_ADDED);
    assert_int_equal(zset_ops.memory(z), 32);
    for (unsigned i = 0; i < NAMES; i++)
        put(&z, i, i, i == 1 ? ZSET_SAME : ZSET_ADDED);
    assert_int_equal(zset_ops.count(z), NAMES);
    assert_in_range(zset_ops.memory(z), NAMES * 50, NAMES * 72);
    for (unsigned i = 0; i < NAMES; i++)
        assert_true(zset_remove(&z, name_of(i)));
    assert_true(zset_ops.memory(z) < 2000);
    zset_ops.free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_ordered_by_score_then_name),
        cmocka_unit_test(negative_zero_is_zero),
        cmocka_unit_test(a_search_by_name_does_not_see_the_dead),
        cmocka_unit_test(a_member_may_be_any_bytes),
        cmocka_unit_test(the_encoding_changes_at_the_limits_of_redis),
        cmocka_unit_test(a_block_that_gets_too_long_becomes_a_tree_unseen),
        cmocka_unit_test(churn_of_names_does_not_change_the_encoding),
        cmocka_unit_test(one_changed_member_of_many_is_one_element),
        cmocka_unit_test(a_member_that_came_and_went_is_not_told),
        cmocka_unit_test(a_capture_of_everything_tells_no_removals),
        cmocka_unit_test(loading_does_not_undo_a_change),
        cmocka_unit_test(what_a_backend_says_of_nan_is_zero),
        cmocka_unit_test(a_copy_is_deep_and_counts_as_changed),
        cmocka_unit_test(a_range_of_ranks_is_removed),
        cmocka_unit_test(a_scan_sees_every_member_that_stays),
        cmocka_unit_test_teardown(random_changes_reach_the_backend_model, no_more_failures),
        cmocka_unit_test(memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
