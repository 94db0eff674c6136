/* The set type against a model, in each of its forms, and what it tells write-back against a model
 * of the backend.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/set.h"
#include "tests/support/capture.h"

#include "store/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NAMES = 3000 };

/* How the numbers of the model become members. */
enum kind { SMALL_INTS, ALL_INTS, STRINGS, MIXED, KINDS };

static struct slice member_of(enum kind kind, unsigned n)
{
    static char text[64];
    int64_t wide = (int64_t)n - NAMES / 2;
    int len = 0;
    if (kind == ALL_INTS)
        wide *= n % 3 == 0 ? 1 : n % 3 == 1 ? 100000 : 100000000000;
    if (kind == STRINGS || (kind == MIXED && n % 2 == 0))
        len = snprintf(text, sizeof(text), "member:%u", n);
    else
        len = snprintf(text, sizeof(text), "%lld", (long long)wide);
    return slice_of(text, (size_t)len);
}

/* What somebody believes the set to be. */
struct picture {
    enum kind kind;
    bool has[NAMES];
    size_t count;
    size_t told, told_removed; /* elements that a capture emitted */
};

static void clear(struct picture *p, enum kind kind)
{
    *p = (struct picture){.kind = kind};
}

static unsigned number_of(enum kind kind, struct slice member)
{
    char text[64];
    assert_in_range(member.len, 1, sizeof(text) - 1);
    memcpy(text, member.ptr, member.len);
    text[member.len] = 0;
    int64_t n = text[0] == 'm' ? atoi(text + 7) : atoll(text);
    if (text[0] != 'm') {
        int64_t by = kind != ALL_INTS ? 1 : 0;
        for (int64_t scale = 1; by == 0; scale = scale == 1 ? 100000 : 100000000000) {
            int64_t candidate = n / scale + NAMES / 2;
            if (n % scale == 0 && candidate >= 0 && candidate < NAMES &&
                slice_eq(member, member_of(kind, (unsigned)candidate)))
                by = scale;
            assert_true(by != 0 || scale != 100000000000);
        }
        n = n / by + NAMES / 2;
    }
    assert_in_range(n, 0, NAMES - 1);
    assert_true(slice_eq(member, member_of(kind, (unsigned)n)));
    return (unsigned)n;
}

static bool paint(void *ctx, struct slice member)
{
    struct picture *p = ctx;
    unsigned n = number_of(p->kind, member);
    assert_false(p->has[n]);
    p->has[n] = true;
    p->count++;
    return true;
}

static bool tell(void *ctx, struct slice name, struct slice value, int64_t position, double score,
                 bool removed)
{
    struct picture *p = ctx;
    (void)position, (void)score;
    assert_int_equal(value.len, 0);
    p->has[number_of(p->kind, name)] = !removed;
    p->told++;
    p->told_removed += removed;
    return true;
}

static void capture(struct set **s, struct picture *backend, bool everything)
{
    struct change_sink sink = {backend, tell, NULL};
    size_t expected = set_ops.changes(*s, everything);
    backend->told = backend->told_removed = 0;
    void *place = *s;
    capture_whole(VALUE_SET, &place, everything, sink);
    *s = place;
    assert_int_equal(backend->told, expected);
    assert_int_equal(set_ops.changes(*s, false), 0);
}

static void shows(const struct set *s, const struct picture *model)
{
    static struct picture seen;
    clear(&seen, model->kind);
    set_each(s, paint, &seen);
    assert_int_equal(seen.count, set_count(s));
    assert_memory_equal(seen.has, model->has, sizeof(seen.has));
}

static void add(struct set **s, enum kind kind, unsigned n, enum set_add_result expected)
{
    assert_int_equal(set_add(s, member_of(kind, n)), expected);
}

static void load(struct set **s, enum kind kind, unsigned n)
{
    void *place = *s;
    assert_true(set_ops.load(&place, member_of(kind, n), SLICE(""), 0, 0));
    *s = place;
}

static void add_text(struct set **s, const char *text)
{
    assert_int_equal(set_add(s, slice_str(text)), SET_ADDED);
}

static void is_called(const struct set *s, const char *encoding)
{
    assert_string_equal(set_ops.encoding(s), encoding);
}

/* --- Forms --- */

static void integers_are_kept_in_order(void **state)
{
    (void)state;
    static const char *const sorted[] = {"-9223372036854775808", "-5", "0", "7", "70000",
                                         "9223372036854775807"};
    static const unsigned order[] = {3, 1, 2, 4, 5, 0};
    struct set *s = set_try_new();
    for (unsigned i = 0; i < COUNT_OF(order); i++)
        add_text(&s, sorted[order[i]]);
    is_called(s, "intset");
    for (unsigned i = 0; i < COUNT_OF(order); i++) {
        char scratch[SET_SCRATCH];
        assert_true(slice_eq(set_random(s, i, scratch), slice_str(sorted[i])));
        assert_true(set_has(s, slice_str(sorted[i])));
    }
    assert_false(set_has(s, SLICE("07")));
    assert_false(set_has(s, SLICE("8")));
    set_ops.free(s);
}

static void the_form_changes_at_the_limits_of_redis(void **state)
{
    (void)state;
    struct set *s = set_try_new();
    for (unsigned i = 0; i < 512; i++)
        add(&s, SMALL_INTS, i, SET_ADDED);
    is_called(s, "intset");
    add(&s, SMALL_INTS, 5, SET_PRESENT);
    is_called(s, "intset");
    add(&s, SMALL_INTS, 512, SET_ADDED);
    is_called(s, "hashtable");
    for (unsigned i = 0; i < 512; i++)
        assert_true(set_remove(&s, member_of(SMALL_INTS, i)));
    is_called(s, "hashtable");
    set_ops.free(s);

    s = set_try_new();
    for (unsigned i = 0; i < 128; i++)
        add(&s, STRINGS, i, SET_ADDED);
    is_called(s, "listpack");
    add(&s, STRINGS, 128, SET_ADDED);
    is_called(s, "hashtable");
    set_ops.free(s);

    for (unsigned ints = 127; ints <= 128; ints++) {
        s = set_try_new();
        for (unsigned i = 0; i < ints; i++)
            add(&s, SMALL_INTS, i, SET_ADDED);
        add_text(&s, "x");
        is_called(s, ints == 127 ? "listpack" : "hashtable");
        assert_int_equal(set_count(s), ints + 1);
        set_ops.free(s);
    }

    static char text[65];
    memset(text, 'x', sizeof(text));
    s = set_try_new();
    assert_int_equal(set_add(&s, slice_of(text, 64)), SET_ADDED);
    is_called(s, "listpack");
    assert_int_equal(set_add(&s, slice_of(text, 65)), SET_ADDED);
    is_called(s, "hashtable");
    set_ops.free(s);
}

static void the_number_of_members_announced_decides_too(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        size_t more;
        const char *encoding;
    } cases[] = {{"1", 512, "intset"},
                 {"1", 513, "hashtable"},
                 {"x", 128, "listpack"},
                 {"x", 129, "hashtable"},
                 {"1", 1, "intset"}};
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct set *s = set_try_new();
        assert_true(set_expect(&s, slice_str(cases[i].first), cases[i].more));
        add_text(&s, cases[i].first);
        is_called(s, cases[i].encoding);
        assert_true(set_expect(&s, slice_str(cases[i].first), 1));
        is_called(s, cases[i].encoding);
        assert_true(set_expect(&s, slice_str(cases[i].first), 1000));
        is_called(s, "hashtable");
        assert_true(set_has(s, slice_str(cases[i].first)));
        set_ops.free(s);
    }
}

static void a_block_of_ours_that_is_full_keeps_its_name(void **state)
{
    (void)state;
    value_limits.set_max_intset_entries = 40000;
    struct set *s = set_try_new();
    char text[32];
    for (int i = 0; i < 40000; i++)
        assert_int_equal(
            set_add(&s, slice_of(text, (size_t)snprintf(text, sizeof(text), "%d", i * 7))),
            SET_ADDED);
    is_called(s, "intset");
    assert_int_equal(set_count(s), 40000);
    struct set *copy = set_ops.copy(s);
    is_called(copy, "intset");
    add_text(&copy, "-1");
    is_called(copy, "hashtable");
    set_ops.free(copy);
    value_limits.set_max_listpack_entries = 50000;
    add_text(&s, "x");
    is_called(s, "listpack");
    value_limits.set_max_listpack_entries = 128;
    value_limits.set_max_intset_entries = 512;
    add_text(&s, "y");
    is_called(s, "hashtable");
    assert_true(set_has(s, SLICE("279993")));
    set_ops.free(s);

    value_limits.set_max_listpack_entries = 50000;
    s = set_try_new();
    for (int i = 0; i < 20000; i++)
        assert_int_equal(
            set_add(&s, slice_of(text, (size_t)snprintf(text, sizeof(text), "m%d", i))), SET_ADDED);
    is_called(s, "listpack");
    value_limits.set_max_listpack_entries = 128;
    assert_int_equal(set_count(s), 20000);
    set_ops.free(s);
}

static void churn_of_members_does_not_change_the_form(void **state)
{
    (void)state;
    static struct picture backend, model;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct set *s = set_try_new();
        clear(&backend, kind);
        clear(&model, kind);
        for (unsigned i = 0; i < NAMES; i++) {
            add(&s, kind, i, SET_ADDED);
            model.has[i] = true;
            if (i % 20 == 0)
                capture(&s, &backend, false); /* the backend has some of them */
            if (i >= 10) {
                assert_true(set_remove(&s, member_of(kind, i - 10)));
                model.has[i - 10] = false;
            }
        }
        is_called(s, kind == STRINGS || kind == MIXED ? "listpack" : "intset");
        shows(s, &model);
        capture(&s, &backend, false);
        assert_memory_equal(model.has, backend.has, sizeof(model.has));
        set_ops.free(s);
    }
}

/* --- Write-back --- */

static void one_changed_member_of_many_is_one_element(void **state)
{
    (void)state;
    static struct picture backend, model;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        unsigned names = kind == SMALL_INTS ? 400 : NAMES;
        struct set *s = NULL;
        clear(&model, kind);
        for (unsigned i = 0; i < names; i++) {
            load(&s, kind, i);
            model.has[i] = true;
        }
        backend = model;
        assert_int_equal(set_ops.changes(s, false), 0);
        assert_int_equal(set_ops.changes(s, true), names);
        add(&s, kind, 77, SET_PRESENT);
        assert_int_equal(set_ops.changes(s, false), 0);
        assert_true(set_remove(&s, member_of(kind, 77)));
        assert_false(set_remove(&s, member_of(kind, 77)));
        assert_int_equal(set_ops.changes(s, false), 1);
        model.has[77] = false;
        capture(&s, &backend, false);
        assert_int_equal(backend.told_removed, 1);
        add(&s, kind, 77, SET_ADDED);
        model.has[77] = true;
        capture(&s, &backend, false);
        assert_int_equal(backend.told, 1);
        shows(s, &model);
        assert_memory_equal(model.has, backend.has, sizeof(model.has));
        set_ops.free(s);
    }
}

static void a_member_that_came_and_went_is_not_told(void **state)
{
    (void)state;
    static struct picture backend;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (unsigned members = 5; members <= 605; members += 600) {
            struct set *s = set_try_new();
            clear(&backend, kind);
            for (unsigned i = 0; i < members; i++)
                add(&s, kind, i, SET_ADDED);
            capture(&s, &backend, false);
            add(&s, kind, 1000, SET_ADDED);
            assert_true(set_remove(&s, member_of(kind, 1000)));
            assert_int_equal(set_ops.changes(s, false), 0);
            assert_true(set_remove(&s, member_of(kind, 1))); /* the backend has this one */
            add(&s, kind, 1, SET_ADDED);
            assert_true(set_remove(&s, member_of(kind, 1)));
            assert_int_equal(set_ops.changes(s, false), 1);
            capture(&s, &backend, false);
            assert_int_equal(backend.told_removed, 1);
            set_ops.free(s);
        }
    }
}

static void a_change_of_form_keeps_what_the_backend_has_to_be_told(void **state)
{
    (void)state;
    static struct picture model, backend;
    for (int large = 0; large < 2; large++) {
        struct set *s = set_try_new();
        clear(&model, MIXED);
        clear(&backend, MIXED);
        for (unsigned i = 1; i < (large ? 601 : 41); i += 2) { /* integers */
            add(&s, MIXED, i, SET_ADDED);
            model.has[i] = true;
        }
        capture(&s, &backend, false);
        assert_true(set_remove(&s, member_of(MIXED, 3)));
        add(&s, MIXED, 1001, SET_ADDED);
        add(&s, MIXED, 2, SET_ADDED); /* no integer */
        model.has[3] = false;
        model.has[2] = model.has[1001] = true;
        is_called(s, large ? "hashtable" : "listpack");
        assert_int_equal(set_ops.changes(s, false), 3);
        shows(s, &model);
        capture(&s, &backend, false);
        assert_int_equal(backend.told_removed, 1);
        assert_memory_equal(model.has, backend.has, sizeof(model.has));
        set_ops.free(s);
    }
}

static void loading_does_not_undo_a_change(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct set *s = set_try_new();
        add(&s, kind, 1, SET_ADDED);
        load(&s, kind, 1);
        load(&s, kind, 2);
        assert_true(set_remove(&s, member_of(kind, 2)));
        load(&s, kind, 2);
        assert_int_equal(set_count(s), 1);
        assert_false(set_has(s, member_of(kind, 2)));
        assert_int_equal(set_ops.changes(s, false), 2);
        set_ops.free(s);
    }
}

static void a_copy_is_deep_and_counts_as_changed(void **state)
{
    (void)state;
    static struct picture model, backend;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (unsigned members = 5; members <= 605; members += 600) {
            struct set *s = set_try_new();
            clear(&model, kind);
            clear(&backend, kind);
            for (unsigned i = 0; i < members; i++) {
                add(&s, kind, i, SET_ADDED);
                model.has[i] = true;
            }
            capture(&s, &backend, false);
            assert_true(set_remove(&s, member_of(kind, 4)));
            model.has[4] = false;
            char encoding[16];
            snprintf(encoding, sizeof(encoding), "%s", set_ops.encoding(s));
            struct set *copy = set_ops.copy(s);
            set_ops.free(s);
            shows(copy, &model);
            is_called(copy, encoding);
            assert_int_equal(set_ops.changes(copy, false), members - 1);
            clear(&backend, kind);
            capture(&copy, &backend, true);
            assert_int_equal(backend.told_removed, 0);
            assert_memory_equal(model.has, backend.has, sizeof(model.has));
            set_ops.free(copy);
        }
    }
}

/* --- Scanning and random members --- */

struct times {
    enum kind kind;
    unsigned of[NAMES];
};

static void count_member(void *ctx, struct slice member)
{
    struct times *t = ctx;
    t->of[number_of(t->kind, member)]++;
}

static void a_scan_sees_every_member_that_stays(void **state)
{
    (void)state;
    enum { STAY = 1000 };
    static struct times times;
    times = (struct times){.kind = STRINGS};
    struct set *s = set_try_new();
    for (unsigned i = 0; i < STAY; i++)
        add(&s, STRINGS, i, SET_ADDED);
    uint64_t cursor = 0;
    unsigned calls = 0;
    do {
        cursor = set_scan(s, cursor, 10, count_member, &times);
        for (unsigned i = STAY; i < NAMES; i++) {
            if (calls % 2 == 0)
                add(&s, STRINGS, i, SET_ADDED);
            else
                assert_true(set_remove(&s, member_of(STRINGS, i)));
        }
        calls++;
    } while (cursor != 0);
    assert_true(calls > 20);
    for (unsigned i = 0; i < STAY; i++)
        assert_true(times.of[i] >= 1);
    set_ops.free(s);
}

static void a_scan_of_an_unchanged_set_sees_each_member_once(void **state)
{
    (void)state;
    static struct times times;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (unsigned members = 10; members <= 1010; members += 1000) {
            times = (struct times){.kind = kind};
            struct set *s = set_try_new();
            for (unsigned i = 0; i < members; i++)
                add(&s, kind, i, SET_ADDED);
            uint64_t cursor = 0;
            do
                cursor = set_scan(s, cursor, 3, count_member, &times);
            while (cursor != 0);
            for (unsigned i = 0; i < NAMES; i++)
                assert_int_equal(times.of[i], i < members);
            set_ops.free(s);
        }
    }
}

static void random_members_are_uniform(void **state)
{
    (void)state;
    static struct times times;
    static struct picture backend;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (unsigned members = 50; members <= 650; members += 600) {
            times = (struct times){.kind = kind};
            struct set *s = set_try_new();
            for (unsigned i = 0; i < members; i++)
                add(&s, kind, i, SET_ADDED);
            clear(&backend, kind);
            capture(&s, &backend, false);
            for (unsigned i = 0; i < members / 2; i++)
                assert_true(set_remove(&s, member_of(kind, i)));
            uint64_t random = 5;
            char scratch[SET_SCRATCH];
            for (unsigned i = 0; i < members * 200; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                count_member(&times, set_random(s, random ^ random >> 31, scratch));
            }
            for (unsigned i = 0; i < members; i++)
                assert_in_range(times.of[i], i < members / 2 ? 0 : 300, i < members / 2 ? 0 : 510);
            set_ops.free(s);
        }
    }
}

/* --- Random changes, captures, reloads and memory running out --- */

static int64_t fail_after;

static bool fail_now(void)
{
    return fail_after-- == 0;
}

static struct set *reload(struct set *s, struct picture *backend)
{
    capture(&s, backend, false);
    size_t count = set_count(s);
    set_ops.free(s);
    s = NULL;
    for (unsigned i = 0; i < NAMES; i++) {
        if (backend->has[i])
            load(&s, backend->kind, i);
    }
    if (s == NULL)
        s = set_try_new();
    assert_int_equal(set_count(s), count);
    assert_int_equal(set_ops.changes(s, false), 0);
    return s;
}

/* One random step; true when memory ran out. */
static bool step(struct set **s, struct picture *model, unsigned n, bool removes)
{
    if (removes) {
        assert_int_equal(set_remove(s, member_of(model->kind, n)), model->has[n]);
        model->has[n] = false;
        return false;
    }
    enum set_add_result r = set_add(s, member_of(model->kind, n));
    if (r != SET_OOM) {
        assert_int_equal(r, model->has[n] ? SET_PRESENT : SET_ADDED);
        model->has[n] = true;
    }
    return r == SET_OOM;
}

static void random_changes_reach_the_backend_model(void **state)
{
    (void)state;
    static struct picture model, backend;
    uint64_t random = 20261124;
    unsigned failures = 0;
    for (unsigned round = 0; round < 3 * KINDS; round++) {
        static const unsigned sizes[] = {60, 700, NAMES};
        unsigned names = sizes[round % 3];
        struct set *s = set_try_new();
        clear(&model, round / 3);
        clear(&backend, round / 3);
        for (unsigned i = 0; i < 12000; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned n = (unsigned)(random >> 33) % names;
            fail_after = (int64_t)(random >> 20) % 3;
            alloc_should_fail = (random >> 24) % 4 == 0 ? fail_now : NULL;
            failures += step(&s, &model, n, (random >> 30) % 5 < (i / 1000 % 2 == 0 ? 2 : 3));
            assert_int_equal(set_has(s, member_of(model.kind, n)), model.has[n]);
            if (i % 701 == 0) {
                if (i % 5 == 0)
                    clear(&backend, model.kind); /* everything is told: what was there goes */
                capture(&s, &backend, i % 5 == 0);
                assert_memory_equal(model.has, backend.has, sizeof(model.has));
            }
            alloc_should_fail = NULL;
            if (i % 500 == 0)
                shows(s, &model);
            if (i % 1999 == 0)
                s = reload(s, &backend);
        }
        set_ops.free(s);
    }
    assert_true(failures > 1000);
}

static void copies_and_changes_of_form_survive_a_lack_of_memory(void **state)
{
    (void)state;
    static struct picture model;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (unsigned members = 20; members <= 620; members += 600) {
            struct set *s = set_try_new();
            clear(&model, kind);
            for (unsigned i = 0; i < members; i++) {
                add(&s, kind, i, SET_ADDED);
                model.has[i] = true;
            }
            void *copy = NULL;
            bool became = false;
            for (int64_t at = 0; copy == NULL || !became; at++) {
                alloc_should_fail = fail_now;
                fail_after = at;
                if (copy == NULL)
                    copy = set_ops.copy(s);
                fail_after = at;
                became = became || set_become_table(&s);
                alloc_should_fail = NULL;
                shows(s, &model);
                assert_int_equal(set_ops.changes(s, false), members);
            }
            is_called(s, "hashtable");
            shows(copy, &model);
            set_ops.free(copy);
            set_ops.free(s);
        }
    }
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
    struct set *s = set_try_new();
    size_t empty = set_ops.memory(s);
    for (unsigned i = 0; i < 8; i++)
        add(&s, SMALL_INTS, i, SET_ADDED);
    assert_int_equal(set_ops.memory(s), 32);
    for (unsigned i = 8; i < 500; i++)
        add(&s, SMALL_INTS, i, SET_ADDED);
    assert_in_range(set_ops.memory(s), 500 * 3, 500 * 3 + 400);
    for (unsigned i = 0; i < NAMES; i++)
        (void)!set_add(&s, member_of(STRINGS, i));
    assert_int_equal(set_ops.count(s), NAMES + 500);
    assert_in_range(set_ops.memory(s), empty + NAMES * 25, empty + NAMES * 60);
    for (unsigned i = 0; i < NAMES; i++)
        assert_true(set_remove(&s, member_of(STRINGS, i)));
    set_ops.free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_kept_in_order),
        cmocka_unit_test(the_form_changes_at_the_limits_of_redis),
        cmocka_unit_test(the_number_of_members_announced_decides_too),
        cmocka_unit_test(a_block_of_ours_that_is_full_keeps_its_name),
        cmocka_unit_test(churn_of_members_does_not_change_the_form),
        cmocka_unit_test(one_changed_member_of_many_is_one_element),
        cmocka_unit_test(a_member_that_came_and_went_is_not_told),
        cmocka_unit_test(a_change_of_form_keeps_what_the_backend_has_to_be_told),
        cmocka_unit_test(loading_does_not_undo_a_change),
        cmocka_unit_test(a_copy_is_deep_and_counts_as_changed),
        cmocka_unit_test(a_scan_sees_every_member_that_stays),
        cmocka_unit_test(a_scan_of_an_unchanged_set_sees_each_member_once),
        cmocka_unit_test(random_members_are_uniform),
        cmocka_unit_test_teardown(random_changes_reach_the_backend_model, no_more_failures),
        cmocka_unit_test_teardown(copies_and_changes_of_form_survive_a_lack_of_memory,
                                  no_more_failures),
        cmocka_unit_test(memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
