/* Keys that expire while they are not in memory leave the backend, too.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/ks.h"

#include "base/clock.h"
#include "base/stats.h"
#include "keyspace/internal.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { KEYS = 300, TTL_MS = 300 };

static struct ks_fixture f;

static const char *key(int i)
{
    static char name[16];
    snprintf(name, sizeof(name), "k%d", i);
    return name;
}

/* Some keys that expire soon, flushed and out of memory; returns when. */
static int64_t put_cold(void)
{
    int64_t until = clock_wall().ms + TTL_MS;
    keyspace_set_active_expire(f.ks, false);
    for (int i = 0; i < KEYS; i++)
        ks_set_until(&f, 0, key(i), "v", until);
    ks_set(&f, 0, "stays", "v");
    ks_flush(&f);
    ks_evict(&f);
    return until;
}

static bool all_are_gone(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < KEYS; i++)
        if (ks_stored(&f, key(i)) != NULL)
            return false;
    return true;
}

static size_t entries(void)
{
    struct store *s = &f.ks->store;
    return (size_t)(atomic_load(&s->negatives) + atomic_load(&s->dbs[1].keys));
}

static bool all_are_counted(void *ctx)
{
    return stat_get(STAT_expired_keys) - *(const uint64_t *)ctx == KEYS;
}

static void expired_keys_that_are_not_in_memory_leave_the_backend(void **state)
{
    (void)state;
    uint64_t before = stat_get(STAT_expired_keys);
    ks_await_past(put_cold());
    assert_false(all_are_gone(NULL));
    keyspace_set_active_expire(f.ks, true);
    ks_await(all_are_gone, NULL, "the reaper");
    assert_string_equal(ks_stored(&f, "stays"), "v");
    ks_expect(&f, "stays", "v");
    ks_expect(&f, key(7), NULL);
    ks_await(all_are_counted, &before, "the counter of expired keys");
}

static bool nothing_is_remembered(void *ctx)
{
    (void)ctx;
    return entries() == 0;
}

static void what_is_reaped_takes_no_memory(void **state)
{
    (void)state;
    ks_await_past(put_cold());
    keyspace_set_active_expire(f.ks, true);
    ks_await(all_are_gone, NULL, "the reaper");
    ks_await(nothing_is_remembered, NULL, "no entry that says that a reaped key is absent");
}

/* The row has expired, the key in memory has not. */
static void a_key_that_was_written_again_stays(void **state)
{
    (void)state;
    int64_t until = put_cold();
    for (int i = 0; i < KEYS; i += 3)
        ks_set(&f, 0, key(i), "new");
    ks_await_past(until);
    keyspace_set_active_expire(f.ks, true);
    for (int i = 1; i < KEYS; i += 3)
        ks_set(&f, 0, key(i), "newer"); /* while the reaper is at it */
    ks_flush(&f);
    ks_evict(&f);
    for (int i = 0; i < KEYS; i++)
        ks_expect(&f, key(i), i % 3 == 0 ? "new" : i % 3 == 1 ? "newer" : NULL);
    ks_restart(&f, false);
    for (int i = 0; i < KEYS; i++)
        ks_expect(&f, key(i), i % 3 == 0 ? "new" : i % 3 == 1 ? "newer" : NULL);
}

/* A hash that is begun anew where a row has expired: nothing of the old one comes back, and
 * nothing of the new one is lost. */
static void a_value_that_is_begun_anew_is_whole(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        int64_t until = clock_wall().ms + 20;
        keyspace_set_active_expire(f.ks, false);
        ks_hset(&f, 0, "h", "old", "v");
        ks_expire_at(&f, 0, "h", until);
        ks_flush(&f);
        ks_evict(&f);
        keyspace_set_active_expire(f.ks, true);
        ks_await_past(until);
        for (int i = 1; i <= 30; i++) {
            ks_hset(&f, 0, "h", key(i), "v");
            ks_flush(&f);
            ks_evict(&f);
            assert_int_equal(ks_hlen(&f, 0, "h"), i);
        }
        assert_true(ks_del(&f, 0, "h"));
    }
}

static bool witness_is_gone(void *ctx)
{
    (void)ctx;
    return ks_stored(&f, "witness") == NULL;
}

/* Its row has expired, the hash in memory lives longer by now, and only that is still to be
 * flushed: the other fields are in the row. */
static void a_key_in_memory_keeps_its_row(void **state)
{
    (void)state;
    int64_t until = clock_wall().ms + TTL_MS;
    keyspace_set_active_expire(f.ks, false);
    ks_set_until(&f, 0, "witness", "v", until);
    ks_hset(&f, 0, "h", "a", "1");
    ks_hset(&f, 0, "h", "b", "2");
    ks_expire_at(&f, 0, "h", until);
    ks_flush(&f);
    ks_evict(&f);
    ks_hset(&f, 0, "h", "c", "3");
    ks_expire_at(&f, 0, "h", until + 1000000);
    ks_await_past(until);
    keyspace_set_active_expire(f.ks, true);
    ks_await(witness_is_gone, NULL, "the reaper");
    ks_flush(&f);
    ks_evict(&f);
    assert_int_equal(ks_hlen(&f, 0, "h"), 3);
}

static void a_paused_expiry_reaps_nothing(void **state)
{
    (void)state;
    keyspace_hold_expiry(f.ks, true);
    int64_t until = put_cold();
    keyspace_set_active_expire(f.ks, true);
    ks_await_past(until + 250); /* the reaper has looked twice */
    assert_non_null(ks_stored(&f, key(0)));
    keyspace_hold_expiry(f.ks, false);
    ks_await(all_are_gone, NULL, "the reaper");
}

int main(void)
{
#define KS(test) KS_TEST(test, &f)
    const struct CMUnitTest tests[] = {
        KS(expired_keys_that_are_not_in_memory_leave_the_backend),
        KS(what_is_reaped_takes_no_memory),
        KS(a_key_that_was_written_again_stays),
        KS(a_value_that_is_begun_anew_is_whole),
        KS(a_key_in_memory_keeps_its_row),
        KS(a_paused_expiry_reaps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
