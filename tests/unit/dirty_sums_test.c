/* What is dirty is counted in keys and in bytes, exactly, whatever is done to a key: after all of
 * it was flushed, nothing is left of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/requests.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ks_fixture ks;

static int begin(void **state)
{
    (void)state;
    ks_make(&ks, requests_options);
    requests_begin(&ks);
    ks_flush(&ks);
    return 0;
}

static int end(void **state)
{
    (void)state;
    requests_end();
    ks_destroy(&ks);
    return 0;
}

static int64_t dirty_bytes(void)
{
    return writeback_dirty_bytes(keyspace_writeback(ks.ks));
}

static int64_t dirty_keys(void)
{
    return writeback_dirty_keys(keyspace_writeback(ks.ks));
}

/* A dozen rounds are enough to see that a round leaves nothing behind. */
static void assert_leaves_nothing(const char *const *round, size_t len)
{
    int64_t after_one = 0;
    for (int i = 0; i < 12; i++) {
        for (size_t k = 0; k < len; k++)
            (void)requests_say_text(round[k]);
        if (i == 0)
            after_one = dirty_bytes();
        assert_int_equal(dirty_bytes(), after_one);
    }
    requests_check_store();
    ks_flush(&ks);
    assert_int_equal(dirty_bytes(), 0);
    assert_int_equal(dirty_keys(), 0);
}

#define LEAVES_NOTHING(...)                                             \
    do {                                                                \
        static const char *const round[] = {__VA_ARGS__};               \
        assert_leaves_nothing(round, sizeof(round) / sizeof(round[0])); \
    } while (0)

static void what_comes_and_goes_leaves_nothing(void **state)
{
    (void)state;
    LEAVES_NOTHING("RPUSH q job", "LREM q 1 job");
    LEAVES_NOTHING("RPUSH q a b c", "LMOVE q q LEFT RIGHT", "LMOVE q r LEFT RIGHT", "DEL q r");
    LEAVES_NOTHING("SADD s a b c", "SPOP s 2", "SREM s a b c");
    LEAVES_NOTHING("SADD s a", "SMOVE s t a", "SMOVE t s a", "SREM s a");
    LEAVES_NOTHING("HSET h a 1 b 2", "HINCRBY h a 1", "HDEL h a b");
    LEAVES_NOTHING("ZADD z 1 a 2 b", "ZPOPMIN z 2");
    LEAVES_NOTHING("SET x 1 PX 100000", "PERSIST x", "APPEND x more", "DEL x");
    LEAVES_NOTHING("RPUSH q a", "RENAME q r", "COPY r q REPLACE", "DEL q r");
    LEAVES_NOTHING("MULTI", "RPUSH q a b", "LPOP q", "RPUSH q c", "LPOP q", "LPOP q", "EXEC");
    LEAVES_NOTHING("MULTI", "SADD s a", "SADD t b", "SMOVE s t a", "SMOVE t s b", "DEL s t",
                   "EXEC");
    LEAVES_NOTHING("GEOADD g 1 1 a", "GEOSEARCHSTORE g g FROMMEMBER a BYRADIUS 1 m", "DEL g");
}

/* In one transaction, then flushed in the middle of a value's life. */
static void a_flush_in_between_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        (void)requests_say_text("RPUSH q a b c");
        (void)requests_say_text("HSET h a 1 b 2 c 3");
        ks_flush(&ks);
        assert_int_equal(dirty_bytes(), 0);
        (void)requests_say_text("LREM q 1 b");
        (void)requests_say_text("HDEL h b");
        requests_check_store();
        ks_flush(&ks);
        (void)requests_say_text("LTRIM q 1 0");
        (void)requests_say_text("HDEL h a c");
        requests_check_store();
    }
    ks_flush(&ks);
    assert_int_equal(dirty_bytes(), 0);
}

/* Of a large value that is flushed, a changed element is dirty and not the whole. */
static void bytes_are_those_of_the_changes(void **state)
{
    enum { FIELDS = 2000, VALUE = 1000 };
    (void)state;
    char *value = malloc(VALUE);
    assert_non_null(value);
    memset(value, 'v', VALUE);
    for (int i = 0; i < FIELDS; i++) {
        char field[16];
        snprintf(field, sizeof(field), "f%d", i);
        struct slice argv[] = {SLICE("HSET"), SLICE("large"), slice_str(field),
                               slice_of(value, VALUE)};
        (void)requests_say(4, argv);
    }
    assert_in_range(dirty_bytes(), FIELDS * VALUE, FIELDS * VALUE * 13 / 10);
    ks_flush(&ks);
    (void)requests_say_text("HSET large f7 short");
    assert_in_range(dirty_bytes(), 100, 10 * VALUE);
    (void)requests_say_text("COPY large other");
    assert_in_range(dirty_bytes(), (FIELDS - 1) * VALUE, FIELDS * VALUE * 13 / 10);
    (void)requests_say_text("SETRANGE string 999999 x");
    assert_in_range(dirty_bytes(), (FIELDS - 1) * VALUE + 1000000,
                    FIELDS * VALUE * 13 / 10 + 1300000);
    requests_check_store();
    ks_flush(&ks);
    assert_int_equal(dirty_bytes(), 0);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_comes_and_goes_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_flush_in_between_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(bytes_are_those_of_the_changes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
