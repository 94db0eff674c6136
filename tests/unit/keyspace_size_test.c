/* DBSIZE and INFO keyspace: how many keys a database has, wherever they are.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/ks.h"

#include "base/clock.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { KEYS = 100, WITH_EXPIRY = 30, TTL_MS = 1000000 };

static struct ks_fixture f;

static const char *key(int i)
{
    static char name[16];
    snprintf(name, sizeof(name), "k%d", i);
    return name;
}

static struct keyspace_db_info info_of(uint32_t db)
{
    struct keyspace_db_info info;
    keyspace_db_info(f.ks, db, &info);
    return info;
}

static void fill(void)
{
    int64_t until = clock_wall().ms + TTL_MS;
    for (int i = 0; i < KEYS; i++)
        ks_set_until(&f, 0, key(i), "v", i < WITH_EXPIRY ? until : 0);
}

struct expected {
    uint32_t db;
    uint64_t keys;
};

static bool has_keys(void *ctx)
{
    const struct expected *e = ctx;
    return info_of(e->db).keys == e->keys;
}

static void await_keys(uint32_t db, uint64_t keys)
{
    struct expected e = {db, keys};
    ks_await(has_keys, &e, "the right number of keys");
}

static void expect_ttl(const struct keyspace_db_info *info)
{
    assert_int_equal(info->expires, WITH_EXPIRY);
    assert_in_range(info->avg_ttl_ms, TTL_MS - 60000, TTL_MS);
}

static void keys_in_memory_are_counted_exactly(void **state)
{
    (void)state;
    fill();
    struct keyspace_db_info info = info_of(0);
    assert_int_equal(info.keys, KEYS);
    assert_int_equal(info.resident, KEYS);
    expect_ttl(&info);
    ks_del(&f, 0, key(0));
    assert_int_equal(info_of(0).keys, KEYS - 1);
    assert_int_equal(info_of(1).keys, 0);
}

static void keys_that_only_the_backend_has_are_counted(void **state)
{
    (void)state;
    fill();
    ks_restart(&f, true);
    await_keys(0, KEYS);
    struct keyspace_db_info info = info_of(0);
    assert_int_equal(info.resident, 0);
    expect_ttl(&info);
    ks_swap_db(&f, 0, 1);
    assert_int_equal(info_of(0).keys, 0);
    assert_int_equal(info_of(1).keys, KEYS);
}

static void loads_evictions_and_deletions_are_followed_at_once(void **state)
{
    (void)state;
    fill();
    ks_restart(&f, true);
    await_keys(0, KEYS);
    for (int i = 0; i < 10; i++)
        ks_expect(&f, key(i), "v");
    assert_int_equal(info_of(0).resident, 10);
    assert_int_equal(info_of(0).keys, KEYS);
    assert_int_equal(ks_evict(&f), 10);
    assert_int_equal(info_of(0).resident, 0);
    assert_int_equal(info_of(0).keys, KEYS);
    for (int i = 0; i < 7; i++)
        assert_true(ks_del(&f, 0, key(i))); /* still in the backend */
    assert_int_equal(info_of(0).keys, KEYS - 7);
    ks_flush(&f);
    assert_int_equal(info_of(0).keys, KEYS - 7);
    ks_set(&f, 0, "new", "v");
    assert_int_equal(info_of(0).keys, KEYS - 6);
    ks_flush_db(&f, 0);
    assert_int_equal(info_of(0).keys, 0);
}

static void overwrites_that_did_not_look_are_counted_again(void **state)
{
    (void)state;
    fill();
    ks_restart(&f, true);
    await_keys(0, KEYS);
    for (int i = 0; i < 20; i++)
        ks_set(&f, 0, key(i), "w"); /* were these new? */
    ks_flush(&f);
    await_keys(0, KEYS);
}

static void keys_that_others_add_and_remove_are_counted_again(void **state)
{
    (void)state;
    fill();
    ks_restart(&f, true);
    await_keys(0, KEYS);
    uint32_t db = dbmap_store_db(&keyspace_writeback(f.ks)->front.map, 0);
    struct backend_item gone = {.db = db, .key = SLICE("k0")};
    ks_expect(&f, "k0", "v");
    memory_edit(f.store, &gone);
    await_keys(0, KEYS - 1);
}

static void keys_that_are_dropped_on_suspicion_are_still_there(void **state)
{
    (void)state;
    fill();
    ks_flush(&f);
    writeback_suspect_all(keyspace_writeback(f.ks));
    struct keyspace_db_info info = info_of(0);
    assert_int_equal(info.resident, 0);
    assert_int_equal(info.keys, KEYS);
}

/* Each is legal, and their sum is no 64-bit integer. */
static void times_to_live_without_end_have_a_mean(void **state)
{
    (void)state;
    int64_t now_ms = clock_wall().ms;
    for (int i = 0; i < KEYS; i++)
        ks_set_until(&f, 0, key(i), "v", i == 0 ? INT64_MAX : INT64_MAX - now_ms);
    struct keyspace_db_info info = info_of(0);
    assert_int_equal(info.expires, KEYS);
    assert_true(info.avg_ttl_ms > INT64_MAX / 2);
    ks_restart(&f, true);
    await_keys(0, KEYS);
    info = info_of(0);
    assert_int_equal(info.expires, KEYS);
    assert_true(info.avg_ttl_ms > INT64_MAX / 2);
}

/* --- DBSIZE --- */

static uint64_t size_now(void)
{
    struct walk *w = walk_new(f.ks, 0);
    uint64_t size;
    struct err err;
    for (;;) {
        struct ks_waiter p = {.waiter.ready = ks_be_ready};
        if (walk_size(w, &size, &p.waiter, &err) != WALK_PARKED)
            break;
        ks_await(ks_was_ready, &p, "the size");
    }
    assert_int_equal(err.code, RC_OK);
    walk_free(&w);
    return size;
}

/* Keys are written blindly and deleted, while some are in the backend only, some are dirty, and
 * some are in a batch that is held. */
static void the_size_is_exact_whatever_is_unflushed(void **state)
{
    (void)state;
    bool there[KEYS] = {false};
    uint64_t expected = KEYS;
    fill();
    ks_restart(&f, true);
    memset(there, true, sizeof(there));
    srand((unsigned)clock_mono().us);
    for (int i = 0; i < 2000; i++) {
        int k = rand() % KEYS;
        switch (rand() % 8) {
        case 0:
            ks_evict(&f);
            break;
        case 1:
            if (i % 5 == 0) {
                memory_hold_applies(f.store, false);
                ks_flush(&f);
            }
            break;
        case 2: /* a cut that stays in flight */
            memory_hold_applies(f.store, true);
            (void)writeback_request_flush(keyspace_writeback(f.ks));
            break;
        case 3:
        case 4:
            (void)ks_del(&f, 0, key(k));
            expected -= there[k];
            there[k] = false;
            break;
        default:
            ks_set(&f, 0, key(k), "w");
            expected += !there[k];
            there[k] = true;
        }
        assert_int_equal(size_now(), expected);
    }
    memory_hold_applies(f.store, false);
}

int main(void)
{
#define KS(test) KS_TEST(test, &f)
    const struct CMUnitTest tests[] = {
        KS(keys_in_memory_are_counted_exactly),
        KS(keys_that_only_the_backend_has_are_counted),
        KS(loads_evictions_and_deletions_are_followed_at_once),
        KS(overwrites_that_did_not_look_are_counted_again),
        KS(keys_that_others_add_and_remove_are_counted_again),
        KS(keys_that_are_dropped_on_suspicion_are_still_there),
        KS(times_to_live_without_end_have_a_mean),
        KS(the_size_is_exact_whatever_is_unflushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
