/* Numbered databases point where FLUSHDB and SWAPDB say, and numbers come back into use.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/dbmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct dbmap *fresh(uint32_t databases)
{
    static struct backend_position position = {.fresh = true};
    struct dbmap *m = calloc(1, sizeof(*m));
    dbmap_init(m, &position, databases);
    return m;
}

static void a_fresh_map_is_owed_to_the_backend(void **state)
{
    (void)state;
    struct dbmap *m = fresh(16);
    assert_true(m->changed);
    for (uint32_t n = 0; n < 16; n++)
        assert_int_equal(dbmap_number(m, dbmap_store_db(m, n)), n);
    assert_true(m->born_empty[dbmap_store_db(m, 0)]);
    free(m);
}

static void what_the_backend_holds_is_not_taken_for_empty(void **state)
{
    (void)state;
    struct backend_position position = {.dbmap = {.len = 2, .store_db = {7, 3}}};
    struct dbmap *m = calloc(1, sizeof(*m));
    dbmap_init(m, &position, 4);
    assert_int_equal(dbmap_store_db(m, 0), 7);
    assert_int_equal(dbmap_store_db(m, 1), 3);
    assert_false(m->born_empty[7]);
    uint32_t added = dbmap_store_db(m, 2);
    assert_true(added != 7 && added != 3 && m->born_empty[added]);
    free(m);
}

static void a_flush_leaves_the_old_database_dead_until_it_is_freed(void **state)
{
    (void)state;
    struct dbmap *m = fresh(2);
    uint32_t old = dbmap_store_db(m, 1);
    dbmap_renew(m, 1, 100);
    assert_int_not_equal(dbmap_store_db(m, 1), old);
    assert_int_equal(dbmap_number(m, old), -1);
    dbmap_free_dead(m, 99);
    assert_int_equal(m->state[old], DBMAP_DEAD);
    dbmap_free_dead(m, 100);
    assert_int_equal(m->state[old], DBMAP_FREE);
    assert_int_equal(m->dead, 0);
    free(m);
}

static void flushing_for_ever_never_hands_out_a_database_in_use(void **state)
{
    (void)state;
    struct dbmap *m = fresh(3);
    for (uint64_t lsn = 1; lsn < 200000; lsn++) {
        dbmap_renew(m, lsn % 3, lsn);
        for (uint32_t n = 0; n < 3; n++)
            assert_int_equal(dbmap_number(m, dbmap_store_db(m, n)), n);
        if (!dbmap_has_room(m))
            dbmap_free_dead(m, lsn);
    }
    free(m);
}

static void a_swap_exchanges_two_pointers(void **state)
{
    (void)state;
    struct dbmap *m = fresh(4);
    uint32_t a = dbmap_store_db(m, 1), b = dbmap_store_db(m, 2);
    uint64_t version = m->version;
    dbmap_swap(m, 1, 2);
    assert_int_equal(dbmap_store_db(m, 1), b);
    assert_int_equal(dbmap_store_db(m, 2), a);
    assert_true(m->version > version);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_map_is_owed_to_the_backend),
        cmocka_unit_test(what_the_backend_holds_is_not_taken_for_empty),
        cmocka_unit_test(a_flush_leaves_the_old_database_dead_until_it_is_freed),
        cmocka_unit_test(flushing_for_ever_never_hands_out_a_database_in_use),
        cmocka_unit_test(a_swap_exchanges_two_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
