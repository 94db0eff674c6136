/* What is kept in memory until it is durable is bounded, in order, and given back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/retained.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct chunk *add(struct retained *r, uint64_t first, uint64_t last)
{
    struct chunk *c = retained_add(r, 1, 0);
    if (c == NULL)
        return NULL;
    c->first_lsn = first;
    c->last_lsn = last;
    c->len = 1000;
    r->bytes += 1000;
    memset(c->data, 'x', 1000);
    return c;
}

static void chunks_are_bounded_and_come_back_when_durable(void **state)
{
    (void)state;
    struct retained r;
    uint64_t lsn = 0;
    retained_init(&r, 4 << 20);
    assert_true(r.chunk_bytes >= 4 << 20);
    assert_false(retained_is_filling(&r));
    while (add(&r, lsn + 1, lsn + 10) != NULL)
        lsn += 10;
    assert_true(retained_is_filling(&r));
    assert_in_range(r.pool_len * r.chunk_bytes, 16 << 20, RETAINED_BYTES_MAX);
    assert_int_equal(lsn, r.pool_len * 10);
    assert_int_equal(r.bytes, r.pool_len * 1000);
    retained_drop(&r, 9); /* not the whole of the first one */
    assert_null(add(&r, 0, 0));
    retained_drop(&r, 25);
    assert_int_equal(r.head->first_lsn, 21);
    assert_non_null(add(&r, lsn + 1, lsn + 10));
    retained_drop(&r, UINT64_MAX);
    assert_null(r.head);
    assert_null(r.tail);
    assert_int_equal(r.bytes, 0);
    assert_int_equal(r.used, 0);
    retained_fini(&r);
}

static void oversize_records_take_their_place_and_no_chunk(void **state)
{
    (void)state;
    struct retained r;
    struct oversize *o = calloc(1, sizeof(*o));
    assert_non_null(o);
    o->chunk = (struct chunk){.first_lsn = 11, .last_lsn = 11, .len = 5, .oversize = o};
    retained_init(&r, 4096);
    add(&r, 1, 10);
    retained_add_oversize(&r, o);
    r.bytes += 5;
    add(&r, 12, 20);
    assert_ptr_equal(r.head->next, &o->chunk);
    assert_int_equal(r.used, 2);
    retained_drop(&r, 11);
    assert_int_equal(r.head->first_lsn, 12);
    assert_int_equal(r.bytes, 1000);
    retained_fini(&r);
}

static void shrinking_gives_back_all_but_one(void **state)
{
    (void)state;
    struct retained r;
    uint32_t held = 0;
    retained_init(&r, 4096);
    for (uint64_t i = 1; i <= 4; i++)
        add(&r, i, i);
    retained_drop(&r, 4);
    retained_shrink(&r);
    for (uint32_t i = 0; i < r.pool_len; i++)
        held += r.pool[i].data != NULL;
    assert_int_equal(held, 1);
    for (uint64_t i = 1; i <= 4; i++)
        assert_non_null(add(&r, i, i));
    retained_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_bounded_and_come_back_when_durable),
        cmocka_unit_test(oversize_records_take_their_place_and_no_chunk),
        cmocka_unit_test(shrinking_gives_back_all_but_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
