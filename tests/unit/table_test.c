/* The table under orders that are not random: its own, and another table's. Probes are counted, not
 * time: how many buckets lie between a pointer's home and where it is.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/fields.h"
#include "store/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 100000, PASSES_RANDOM = 1 /* a pointer, on average; measured: 0.3 */ };

struct thing {
    uint32_t position;
} __attribute__((aligned(16)));

static struct thing things[2 * MANY];

static uint32_t random_position(void)
{
    return (uint32_t)lrand48() % TABLE_POSITIONS;
}

static void add(struct table *t, struct thing *thing)
{
    thing->position = random_position();
    assert_true(table_try_reserve(t));
    table_insert(t, thing->position, thing);
}

/* Buckets passed on the way from home, by all. */
static uint64_t passes(const struct table *t)
{
    uint64_t sum = 0;
    uint32_t len = table_len(t);
    for (size_t i = 0; i < table_slots(t); i++) {
        if (table_at(t, i) == NULL)
            continue;
        uint32_t home = table_home(len, table_position_at(t, i)), at = (uint32_t)(i / BUCKET_SLOTS);
        sum += at >= home ? at - home : at + len - home;
    }
    return sum;
}

struct removal {
    struct table *table;
    size_t left;
};

static void remove_one(void *ctx, void *pointer)
{
    struct removal *r = ctx;
    const struct thing *thing = pointer;
    if (r->left == 0)
        return;
    r->left--;
    table_remove(r->table, thing->position, table_slot_of(r->table, thing->position, thing));
}

/* Removes so many in the order of the walk, as a client does that scans; `looked` after each turn.
 */
static void remove_in_order(struct table *t, size_t n, void (*look)(const struct table *t))
{
    struct removal r = {t, n};
    uint32_t from = 0;
    while (r.left > 0 && from < TABLE_POSITIONS) {
        from = table_walk(t, from, 100, remove_one, &r);
        look(t);
    }
}

static void is_not_crowded(const struct table *t)
{
    assert_true(passes(t) <= (uint64_t)t->used * TABLE_PASSES_MAX / 2);
}

static void a_table_that_is_emptied_in_its_own_order_does_not_shrink_to_a_crowd(void **state)
{
    (void)state;
    struct table t = {0};
    for (size_t i = 0; i < MANY; i++)
        add(&t, &things[i]);
    remove_in_order(&t, MANY, is_not_crowded);
    assert_int_equal(t.used, 0);
    assert_true(table_len(&t) <= 4); /* and it did shrink */
    table_fini(&t);
}

static void nothing(const struct table *t)
{
    (void)t;
}

static void what_is_left_at_one_end_does_not_crowd_what_comes(void **state)
{
    (void)state;
    for (size_t left = MANY / 2; left >= MANY / 4; left -= MANY / 8) {
        struct table t = {0};
        for (size_t i = 0; i < MANY; i++)
            add(&t, &things[i]);
        remove_in_order(&t, MANY - left, nothing);
        for (size_t i = 0; i < MANY - left; i++)
            add(&t, &things[MANY + i]);
        assert_int_equal(t.used, MANY);
        assert_true(passes(&t) <= (uint64_t)MANY * 4);
        assert_true(table_slots(&t) <= (size_t)MANY * TABLE_SPARSE);
        table_fini(&t);
    }
}

static void a_random_table_is_never_crowded(void **state)
{
    (void)state;
    struct table t = {0};
    for (size_t i = 0; i < MANY; i++) {
        add(&t, &things[i]);
        assert_false(t.crowded);
    }
    assert_true(passes(&t) <= (uint64_t)MANY * PASSES_RANDOM);
    assert_true(table_slots(&t) <= (size_t)MANY * 3 / 2);
    table_fini(&t);
}

/* --- In the order of another --- */

static void add_to(void *ctx, struct field *f)
{
    struct fields *other = ctx;
    assert_non_null(fields_add(other, field_name(f), SLICE(""), 0));
    if (other->table.used % 1000 == 0)
        assert_true(passes(&other->table) <= (uint64_t)other->table.used * PASSES_RANDOM);
}

/* Sets, sorted sets and hashes are all made of these. */
static void fields_that_come_in_the_order_of_another_table_do_not_crowd(void **state)
{
    (void)state;
    struct fields *one = fields_try_new(), *other = fields_try_new();
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "name:%zu", i);
        assert_non_null(fields_add(one, slice_of(name, (size_t)len), SLICE(""), 0));
    }
    fields_walk(one, add_to, other);
    assert_int_equal(other->table.used, MANY);
    fields_free(&one);
    fields_free(&other);
}

int main(void)
{
    srand48(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_table_is_never_crowded),
        cmocka_unit_test(a_table_that_is_emptied_in_its_own_order_does_not_shrink_to_a_crowd),
        cmocka_unit_test(what_is_left_at_one_end_does_not_crowd_what_comes),
        cmocka_unit_test(fields_that_come_in_the_order_of_another_table_do_not_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
