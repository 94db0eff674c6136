/* The table under orders that are not random: its own, and another table's. Probes are counted, not
 * time: how many buckets lie between a pointer's home and where it is.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/alloc.h"
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
        uint32_t home = table_home(t, len, table_position_at(t, i)),
                 at = (uint32_t)(i / BUCKET_SLOTS);
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
    struct table t = {.used = 0};
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
        struct table t = {.used = 0};
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
    struct table t = {.used = 0};
    for (size_t i = 0; i < MANY; i++) {
        add(&t, &things[i]);
        assert_false(t.crowded);
    }
    assert_true(passes(&t) <= (uint64_t)MANY * PASSES_RANDOM);
    assert_true(table_slots(&t) <= (size_t)MANY * 3 / 2);
    table_fini(&t);
}

/* --- Very many fields --- */

static unsigned times[4 * MANY];

static struct slice name_of(char *name, size_t i)
{
    return slice_of(name, (size_t)snprintf(name, 32, "name:%zu", i));
}

static bool count_walked(void *ctx, const struct field *f)
{
    (void)ctx;
    times[atol(f->data + 5)]++; /* "name:", digits, and a value that is none */
    return true;
}

static void count_field(void *ctx, void *pointer)
{
    (void)count_walked(ctx, pointer);
}

static size_t memory_recounted(const struct fields *fs)
{
    size_t sum = fs->divided ? alloc_size_class(FIELDS_PARTS * sizeof(*fs->parts)) : 0;
    for (uint32_t i = 0; i < (fs->divided ? FIELDS_PARTS : 1); i++)
        sum += table_memory(&fs->parts[i]);
    return alloc_size_class(sizeof(*fs)) + fs->bytes + sum + fs->recent_cap * sizeof(*fs->recent);
}

static void add_names(struct fields *fs, size_t from, size_t to)
{
    char name[32];
    for (size_t i = from; i < to; i++) {
        assert_non_null(fields_add(fs, name_of(name, i), SLICE("-"), 0));
        assert_true(fs->part_slots <= FIELDS_WHOLE_MAX * 3 / 2);
    }
}

static void a_growing_table_of_many_fields_moves_few_at_once(void **state)
{
    (void)state;
    struct fields *fs = fields_try_new();
    add_names(fs, 0, MANY);
    assert_false(fs->divided);
    uint64_t cursor = fields_scan(fs, 0, MANY / 2, count_field, NULL);
    add_names(fs, MANY, 4 * MANY);
    assert_true(fs->divided);
    assert_true(fs->part_slots <= 4 * MANY / FIELDS_PARTS * 2);
    assert_int_equal(fields_memory(fs), memory_recounted(fs));
    for (size_t turns = 0; cursor != 0; turns++) {
        assert_true(turns < 4 * MANY);
        cursor = fields_scan(fs, cursor, 50, count_field, NULL);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(times[i], 1); /* they were there all the time */
    for (size_t i = MANY; i < 4 * MANY; i++)
        assert_true(times[i] <= 1);
    fields_free(&fs);
}

static void many_fields_are_found_walked_and_removed(void **state)
{
    (void)state;
    char name[32];
    struct fields *fs = fields_try_new();
    add_names(fs, 0, 3 * MANY);
    for (size_t i = 0; i < 3 * MANY; i++) {
        struct field *f = fields_find(fs, name_of(name, i));
        assert_non_null(f);
        if (i % 100 == 0) {
            f = fields_set_value(fs, f, SLICE("-a longer value, which moves the field"));
            assert_ptr_equal(f, fields_find(fs, name_of(name, i)));
        }
    }
    assert_null(fields_find(fs, SLICE("another")));
    memset(times, 0, sizeof(times));
    fields_each(fs, count_walked, NULL);
    for (size_t i = 0; i < 3 * MANY; i++)
        assert_int_equal(times[i], 1);
    for (size_t i = 0; i < 3 * MANY - 10; i++)
        fields_remove(fs, fields_find(fs, name_of(name, i)));
    assert_int_equal(fs->len, 10);
    assert_int_equal(fields_memory(fs), memory_recounted(fs));
    assert_true(fields_memory(fs) < 64 * 1024);
    unsigned seen = 0;
    for (uint64_t random = 1; random < 1000; random++) {
        const struct field *f = fields_random(fs, random * 0x9e3779b97f4a7c15u);
        assert_true((size_t)atol(f->data + 5) >= 3 * MANY - 10);
        seen |= 1u << (3 * MANY - (size_t)atol(f->data + 5));
    }
    assert_int_equal(seen, 2046); /* each of the ten */
    fields_free(&fs);
}

static void a_random_one_of_many_fields_is_any_of_them(void **state)
{
    (void)state;
    enum { DRAWS = 2000000, FIELDS = 2 * MANY, CLASSES = 100 };
    static unsigned drawn[CLASSES];
    struct fields *fs = fields_try_new();
    add_names(fs, 0, FIELDS);
    char name[32];
    for (size_t i = 0; i < FIELDS; i += 2)
        fields_set_flags(fs, fields_find(fs, name_of(name, i)), FIELD_DEAD);
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t random = (uint64_t)lrand48() << 33 ^ (uint64_t)lrand48() << 11 ^ i;
        const struct field *f = fields_random(fs, random);
        assert_false(f->dead);
        drawn[(size_t)atol(f->data + 5) * CLASSES / FIELDS]++;
    }
    for (unsigned i = 0; i < CLASSES; i++) /* seven standard deviations: 1,000 */
        assert_in_range(drawn[i], DRAWS / CLASSES * 95 / 100, DRAWS / CLASSES * 105 / 100);
    fields_free(&fs);
}

/* --- In the order of another --- */

static bool add_to(void *ctx, const struct field *f)
{
    struct fields *other = ctx;
    assert_non_null(fields_add(other, field_name(f), SLICE(""), 0));
    if (other->len % 1000 == 0)
        assert_true(passes(&other->whole) <= (uint64_t)other->len * PASSES_RANDOM);
    return true;
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
    fields_each(one, add_to, other);
    assert_int_equal(other->len, MANY);
    fields_free(&one);
    fields_free(&other);
}

int main(void)
{
    srand48(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_growing_table_of_many_fields_moves_few_at_once),
        cmocka_unit_test(many_fields_are_found_walked_and_removed),
        cmocka_unit_test(a_random_one_of_many_fields_is_any_of_them),
        cmocka_unit_test(a_random_table_is_never_crowded),
        cmocka_unit_test(a_table_that_is_emptied_in_its_own_order_does_not_shrink_to_a_crowd),
        cmocka_unit_test(what_is_left_at_one_end_does_not_crowd_what_comes),
        cmocka_unit_test(fields_that_come_in_the_order_of_another_table_do_not_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
