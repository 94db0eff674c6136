/* The counted tree against a sorted array.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/zset_tree.h"

#include "store/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NAMES = 20000 };

struct item {
    double score;
    struct field *field;
};

/* The tree and what it should hold, in order. */
struct rig {
    struct zset_tree tree;
    struct fields *fields;
    struct field *field[NAMES];
    double score[NAMES]; /* of field[i] */
    bool there[NAMES];
    struct item model[NAMES];
    size_t len;
    uint64_t random;
};

static uint64_t draw(struct rig *r, uint64_t n)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (r->random >> 33) % n;
}

static struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof(*r));
    r->fields = fields_try_new();
    r->random = 7;
    for (unsigned i = 0; i < NAMES; i++) {
        char name[32];
        size_t len = (size_t)snprintf(name, sizeof(name), "m%u", i);
        r->field[i] = fields_add(r->fields, slice_of(name, len), slice_of("12345678", 8), 0);
        assert_non_null(r->field[i]);
    }
    return r;
}

static void rig_free(struct rig *r)
{
    zset_tree_fini(&r->tree);
    fields_free(&r->fields);
    free(r);
}

static int order(double score, struct slice name, const struct item *b)
{
    if (score != b->score)
        return score < b->score ? -1 : 1;
    return slice_cmp(name, field_name(b->field));
}

static size_t model_rank(const struct rig *r, double score, struct slice name)
{
    size_t low = 0, high = r->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (order(score, name, &r->model[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void model_put(struct rig *r, unsigned i, double score)
{
    size_t at = model_rank(r, score, field_name(r->field[i]));
    memmove(r->model + at + 1, r->model + at, (r->len - at) * sizeof(*r->model));
    r->model[at] = (struct item){score, r->field[i]};
    r->len++;
    r->score[i] = score;
    r->there[i] = true;
}

static void model_cut(struct rig *r, unsigned i)
{
    size_t at = model_rank(r, r->score[i], field_name(r->field[i]));
    assert_ptr_equal(r->model[at].field, r->field[i]);
    r->len--;
    memmove(r->model + at, r->model + at + 1, (r->len - at) * sizeof(*r->model));
    r->there[i] = false;
}

static void put(struct rig *r, unsigned i, double score)
{
    assert_true(zset_tree_insert(&r->tree, score, r->field[i]));
    model_put(r, i, score);
}

struct seen {
    const struct rig *rig;
    size_t at, step, visits, most;
};

static bool see(void *ctx, const struct field *f, double score)
{
    struct seen *s = ctx;
    assert_ptr_equal(f, s->rig->model[s->at].field);
    assert_true(score == s->rig->model[s->at].score);
    s->at += s->step;
    return ++s->visits < s->most;
}

static void shows_the_model(struct rig *r)
{
    assert_true(zset_tree_check(&r->tree));
    assert_int_equal(r->tree.count, r->len);
    if (r->len == 0) {
        assert_null(r->tree.root);
        assert_int_equal(r->tree.bytes, 0);
        return;
    }
    struct seen up = {r, 0, 1, 0, SIZE_MAX};
    zset_tree_each(&r->tree, 0, r->len, false, see, &up);
    assert_int_equal(up.visits, r->len);
    struct seen down = {r, r->len - 1, (size_t)-1, 0, SIZE_MAX};
    zset_tree_each(&r->tree, r->len - 1, r->len, true, see, &down);
    assert_int_equal(down.visits, r->len);
}

/* Questions about random places. */
static void answers_like_the_model(struct rig *r)
{
    if (r->len == 0)
        return;
    double score;
    size_t at = draw(r, r->len);
    const struct item *item = &r->model[at];
    assert_ptr_equal(zset_tree_at(&r->tree, at, &score), item->field);
    assert_true(score == item->score);
    assert_int_equal(zset_tree_rank(&r->tree, item->score, field_name(item->field)), at);
    size_t first = at, last = at + 1;
    while (first > 0 && r->model[first - 1].score == item->score)
        first--;
    while (last < r->len && r->model[last].score == item->score)
        last++;
    assert_int_equal(zset_tree_below(&r->tree, item->score, false), first);
    assert_int_equal(zset_tree_below(&r->tree, item->score, true), last);
    assert_int_equal(zset_tree_below(&r->tree, item->score + 0.25, false), last);
    size_t n = 1 + draw(r, r->len - at);
    struct seen some = {r, at, 1, 0, SIZE_MAX};
    zset_tree_each(&r->tree, at, n, false, see, &some);
    assert_int_equal(some.visits, n);
    n = 1 + draw(r, at + 1);
    some = (struct seen){r, at, (size_t)-1, 0, SIZE_MAX};
    zset_tree_each(&r->tree, at, n, true, see, &some);
    assert_int_equal(some.visits, n);
}

static void an_empty_tree_answers(void **state)
{
    (void)state;
    struct zset_tree t = {0};
    assert_int_equal(zset_tree_below(&t, 1, true), 0);
    assert_int_equal(zset_tree_below_lex(&t, SLICE("a"), true), 0);
    assert_int_equal(zset_tree_rank(&t, 1, SLICE("a")), 0);
    assert_true(zset_tree_check(&t));
    zset_tree_fini(&t);
}

static void what_comes_in_order_fills_its_leaves(void **state)
{
    (void)state;
    for (int down = 0; down < 2; down++) {
        struct rig *r = rig_new();
        for (unsigned i = 0; i < NAMES; i++) {
            assert_true(zset_tree_insert(&r->tree, down ? -(double)i : i, r->field[i]));
            if (i % 997 == 0)
                assert_true(zset_tree_check(&r->tree));
        }
        assert_true(zset_tree_check(&r->tree));
        assert_int_equal(r->tree.count, NAMES);
        assert_in_range(r->tree.bytes, 0, NAMES * 18); /* of 16 that the items need */
        rig_free(r);
    }
}

static void random_order_leaves_leaves_four_fifths_full(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (unsigned i = 0; i < NAMES; i++)
        assert_true(zset_tree_insert(&r->tree, (double)draw(r, 1000000), r->field[i]));
    assert_true(zset_tree_check(&r->tree));
    assert_in_range(r->tree.bytes, 0, NAMES * 21);
    rig_free(r);
}

static void a_walk_stops_when_it_is_told(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (unsigned i = 0; i < 500; i++)
        put(r, i, i);
    struct seen s = {r, 100, 1, 0, 150};
    zset_tree_each(&r->tree, 100, 400, false, see, &s);
    assert_int_equal(s.visits, 150);
    rig_free(r);
}

static void names_order_equal_scores(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (unsigned i = 0; i < 3000; i++)
        put(r, (i * 7919) % 3000, 0);
    shows_the_model(r);
    for (unsigned i = 0; i < 3000; i++) {
        struct slice name = field_name(r->field[i]);
        size_t rank = model_rank(r, 0, name);
        assert_int_equal(zset_tree_below_lex(&r->tree, name, false), rank);
        assert_int_equal(zset_tree_below_lex(&r->tree, name, true), rank + 1);
    }
    assert_int_equal(zset_tree_below_lex(&r->tree, SLICE("l"), true), 0);
    assert_int_equal(zset_tree_below_lex(&r->tree, SLICE("n"), false), 3000);
    rig_free(r);
}

/* Where names are out of order the answer means nothing, but it is one. */
static void a_search_by_name_among_different_scores_ends(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (unsigned i = 0; i < 3000; i++)
        put(r, i, (double)draw(r, 50));
    for (unsigned i = 0; i < 3000; i++) {
        struct slice name = field_name(r->field[i]);
        assert_in_range(zset_tree_below_lex(&r->tree, name, i % 2 == 0), 0, 3000);
    }
    rig_free(r);
}

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

/* spread: how many different scores; few make ties, and one makes names decide. */
static unsigned random_steps(struct rig *r, unsigned steps, unsigned names, uint64_t spread)
{
    unsigned failures = 0;
    for (unsigned step = 0; step < steps; step++) {
        unsigned i = (unsigned)draw(r, names), what = (unsigned)draw(r, 8);
        double score = (double)draw(r, spread);
        fail_after = (int64_t)draw(r, 3);
        alloc_should_fail = draw(r, 2) == 0 ? fail_now : NULL;
        if (!r->there[i]) {
            bool done = zset_tree_insert(&r->tree, score, r->field[i]);
            failures += !done;
            if (done)
                model_put(r, i, score);
        } else if (what < 5 && score != r->score[i]) {
            if (what < 2) /* near by */
                score = r->score[i] + 1;
            bool done = zset_tree_move(&r->tree, r->score[i], score, r->field[i]);
            failures += !done;
            if (done) {
                model_cut(r, i);
                model_put(r, i, score);
            }
        } else {
            zset_tree_remove(&r->tree, r->score[i], r->field[i]);
            model_cut(r, i);
        }
        alloc_should_fail = NULL;
        answers_like_the_model(r);
        if (step % 1000 == 0)
            shows_the_model(r);
    }
    return failures;
}

static void take_some(struct rig *r, size_t rank, size_t most)
{
    struct field *taken[ZSET_LEAF_MAX];
    size_t n = zset_tree_take(&r->tree, rank, most, taken);
    assert_in_range(n, 1, most);
    for (size_t k = 0; k < n; k++) {
        assert_ptr_equal(taken[k], r->model[rank + k].field);
        for (unsigned i = 0; i < NAMES; i++)
            r->there[i] = r->there[i] && r->field[i] != taken[k];
    }
    r->len -= n;
    memmove(r->model + rank, r->model + rank + n, (r->len - rank) * sizeof(*r->model));
}

static void random_changes_keep_the_order(void **state)
{
    (void)state;
    static const uint64_t spreads[] = {1, 20, 100000};
    unsigned failures = 0;
    for (unsigned s = 0; s < COUNT_OF(spreads); s++) {
        struct rig *r = rig_new();
        failures += random_steps(r, 30000, s == 2 ? 10000 : 4000, spreads[s]);
        shows_the_model(r);
        while (r->len > 0) {
            size_t rank = draw(r, 4) == 0 ? draw(r, r->len) : 0;
            take_some(r, rank, 1 + draw(r, 100));
            if (draw(r, 10) == 0)
                assert_true(zset_tree_check(&r->tree));
        }
        shows_the_model(r);
        rig_free(r);
    }
    assert_true(failures > 20);
}

static void random_removals_keep_the_separators(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (unsigned i = 0; i < NAMES; i++)
        put(r, i, i);
    for (unsigned step = 0; r->len > 0; step++) {
        struct field *taken[ZSET_LEAF_MAX];
        size_t rank = draw(r, r->len);
        assert_int_equal(zset_tree_take(&r->tree, rank, 1, taken), 1);
        assert_ptr_equal(taken[0], r->model[rank].field);
        r->len--;
        memmove(r->model + rank, r->model + rank + 1, (r->len - rank) * sizeof(*r->model));
        if (step % 25 == 0)
            assert_true(zset_tree_check(&r->tree));
    }
    shows_the_model(r);
    rig_free(r);
}

static void a_queue_that_moves_on_stays_small(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct field *taken[ZSET_LEAF_MAX];
    for (unsigned i = 0; i < NAMES * 5; i++) {
        assert_true(zset_tree_insert(&r->tree, i, r->field[i % NAMES]));
        if (i >= 1000)
            assert_int_equal(zset_tree_take(&r->tree, 0, 1, taken), 1);
    }
    assert_true(zset_tree_check(&r->tree));
    assert_int_equal(r->tree.count, 1000);
    assert_in_range(r->tree.bytes, 0, 40 * 1024);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_answers),
        cmocka_unit_test(what_comes_in_order_fills_its_leaves),
        cmocka_unit_test(random_order_leaves_leaves_four_fifths_full),
        cmocka_unit_test(a_walk_stops_when_it_is_told),
        cmocka_unit_test(names_order_equal_scores),
        cmocka_unit_test(a_search_by_name_among_different_scores_ends),
        cmocka_unit_test_teardown(random_changes_keep_the_order, no_more_failures),
        cmocka_unit_test(random_removals_keep_the_separators),
        cmocka_unit_test(a_queue_that_moves_on_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
