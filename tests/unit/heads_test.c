/* Commands that need no value have only type and expiry loaded.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/ks.h"

#include "base/clock.h"
#include "base/stats.h"
#include "keyspace/effect.h"
#include "keyspace/internal.h"
#include "store/alloc.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ks_fixture f;
static struct txn_key one;

/* Begins a request for a key and waits until all that it needs is there. */
static enum txn_state begin(enum key_mode mode, const char *key, unsigned flags)
{
    static struct ks_waiter w = {.waiter.ready = ks_be_ready};
    enum txn_state state;
    one = (struct txn_key){.mode = mode, .name = slice_str(key)};
    while ((state = txn_begin(f.t[0], &one, 1, flags, (struct slice){0}, 0, NULL, &w.waiter)) ==
           TXN_PARKED)
        ks_await(ks_was_ready, &w, "the load");
    return state;
}

/* What a command that needs no value sees. */
static struct value look(const char *key)
{
    struct value seen = {0};
    assert_int_equal(begin(KEY_HEAD, key, 0), TXN_READY);
    const struct value *v = txn_read(f.t[0], 0);
    if (v != NULL)
        seen = (struct value){.type = v->type, .expires_at_ms = v->expires_at_ms};
    txn_commit(f.t[0]);
    return seen;
}

static struct memory_counters counters(void)
{
    return memory_counters(f.store);
}

static void edit_outside(const char *key, enum value_type type, const char *value)
{
    struct backend_item item = {
        .db = 1, .key = slice_str(key), .type = type, .value = slice_str(value)};
    memory_edit(f.store, &item);
}

/* A key that the backend does not have either, in a shard from which nothing was dropped: only
 * there is it known to be absent without being asked for. */
static const char *absent(void)
{
    static char name[32];
    for (int i = 0;; i++) {
        snprintf(name, sizeof(name), "absent%d", i);
        uint64_t hash = store_hash(&f.ks->store, 1, slice_str(name));
        struct shard *sh = store_shard(&f.ks->store, hash);
        lock_acquire(&sh->lock);
        bool whole = sh->incomplete == 0;
        lock_release(&sh->lock);
        if (whole)
            return name;
    }
}

/* Keys that only the backend has; one has an expiry. */
static void put_cold(int64_t expires_at_ms)
{
    ks_make(&f, NULL);
    keyspace_set_active_expire(f.ks, false);
    ks_set_until(&f, 0, "s", "value", expires_at_ms);
    ks_hset(&f, 0, "h", "field", "value");
    ks_set(&f, 0, "other", "value");
    ks_flush(&f);
    assert_int_equal(ks_evict(&f), 3);
}

static void what_needs_no_value_loads_none(void **state)
{
    (void)state;
    int64_t until = clock_wall().ms + 1000000;
    put_cold(until);
    uint64_t hits = stat_get(STAT_keyspace_hits), misses = stat_get(STAT_keyspace_misses);
    struct memory_counters before = counters();
    for (int again = 0; again < 2; again++) { /* once is enough */
        assert_int_equal(look("s").type, VALUE_STRING);
        assert_int_equal(look("s").expires_at_ms, until);
        assert_int_equal(look("h").type, VALUE_HASH);
        assert_int_equal(look("h").expires_at_ms, 0);
        assert_int_equal(look(absent()).type, VALUE_NONE);
    }
    assert_int_equal(counters().keys_loaded - before.keys_loaded, 2);
    assert_int_equal(counters().heads_loaded - before.heads_loaded, 2);
    assert_int_equal(stat_get(STAT_keyspace_hits) - hits, 8);
    assert_int_equal(stat_get(STAT_keyspace_misses) - misses, 2);
    assert_int_equal(atomic_load(&f.ks->store.dbs[1].keys), 0); /* none is resident */
    ks_expect(&f, "s", "value");                                /* who needs it has it loaded */
    assert_int_equal(ks_hlen(&f, 0, "h"), 1);
    assert_int_equal(counters().keys_loaded - before.keys_loaded, 4);
    assert_int_equal(counters().heads_loaded - before.heads_loaded, 2);
    assert_int_equal(look("s").expires_at_ms, until);
    assert_int_equal(counters().keys_loaded - before.keys_loaded, 4);
    ks_destroy(&f);
}

static void a_head_is_evicted_and_loaded_again(void **state)
{
    (void)state;
    put_cold(0);
    uint64_t before = counters().heads_loaded;
    int64_t negatives = atomic_load(&f.ks->store.negatives);
    assert_int_equal(look("s").type, VALUE_STRING);
    assert_int_equal(atomic_load(&f.ks->store.negatives), negatives); /* says that it is there */
    assert_int_equal(ks_evict(&f), 1);
    assert_int_equal(look("s").type, VALUE_STRING);
    assert_int_equal(counters().heads_loaded - before, 2);
    ks_destroy(&f);
}

static void a_deletion_by_the_head_is_kept_and_flushed(void **state)
{
    (void)state;
    put_cold(0);
    struct memory_counters before = counters();
    assert_true(ks_del(&f, 0, "s"));
    assert_false(ks_del(&f, 0, "s"));
    assert_true(ks_del(&f, 0, "h"));
    assert_int_equal(look("s").type, VALUE_NONE);
    ks_expect(&f, "s", NULL);
    assert_int_equal(counters().keys_loaded - before.keys_loaded, 2);
    assert_int_equal(counters().heads_loaded - before.heads_loaded, 2);
    ks_restart(&f, false); /* killed before the flush */
    ks_expect(&f, "s", NULL);
    assert_int_equal(look("h").type, VALUE_NONE);
    ks_flush(&f);
    assert_null(ks_stored(&f, "s"));
    assert_null(ks_stored(&f, "h"));
    assert_non_null(ks_stored(&f, "other"));
    ks_destroy(&f);
}

static void a_value_above_load_max_bytes_can_be_asked_for_and_deleted(void **state)
{
    (void)state;
    const char *const more[] = {"--load-max-bytes", "1048576", NULL};
    char *large = malloc(2 << 20);
    memset(large, 'x', (2 << 20) - 1);
    large[(2 << 20) - 1] = 0;
    ks_make(&f, more);
    ks_hset(&f, 0, "h", "a", large);
    ks_flush(&f);
    assert_int_equal(ks_evict(&f), 1);
    assert_int_equal(begin(KEY_READ, "h", 0), TXN_REFUSED);
    assert_int_equal(look("h").type, VALUE_HASH);
    assert_true(ks_del(&f, 0, "h"));
    ks_flush(&f);
    assert_null(ks_stored(&f, "h"));
    free(large);
    ks_destroy(&f);
}

static bool is_gone(void *ctx)
{
    return look(ctx).type == VALUE_NONE;
}

static bool is_there(void *ctx)
{
    return !is_gone(ctx);
}

static void a_head_goes_when_somebody_else_changes_the_key(void **state)
{
    (void)state;
    put_cold(0);
    assert_int_equal(look("s").type, VALUE_STRING);
    edit_outside("s", VALUE_NONE, "");
    ks_await(is_gone, "s", "the deletion to be noticed");
    edit_outside("s", VALUE_STRING, "theirs");
    ks_await(is_there, "s", "the new one to be noticed");
    ks_expect(&f, "s", "theirs");
    ks_destroy(&f);
}

static void a_deletion_by_the_head_meets_a_later_change_as_a_conflict(void **state)
{
    (void)state;
    put_cold(0);
    uint64_t before = counters().conflicts;
    assert_int_equal(look("s").type, VALUE_STRING);
    memory_hold_applies(f.store, true);
    assert_true(ks_del(&f, 0, "s"));
    writeback_cut_soon(keyspace_writeback(f.ks));
    assert_true(memory_wait_held(f.store, 10000));
    edit_outside("s", VALUE_STRING, "theirs");
    memory_hold_applies(f.store, false);
    ks_flush(&f);
    assert_int_equal(counters().conflicts - before, 1);
    ks_expect(&f, "s", "theirs");
    ks_destroy(&f);
}

static void what_expires_while_only_its_head_is_known_is_absent(void **state)
{
    (void)state;
    int64_t until = clock_wall().ms + 600;
    put_cold(until);
    struct value v = look("s");
    if (v.type != VALUE_NONE) /* a slow machine may have missed it */
        assert_int_equal(v.expires_at_ms, until);
    ks_await_past(until);
    assert_int_equal(look("s").type, VALUE_NONE);
    assert_false(ks_del(&f, 0, "s"));
    ks_expect(&f, "s", NULL);
    ks_set(&f, 0, "s", "again");
    ks_flush(&f);
    ks_evict(&f);
    ks_expect(&f, "s", "again");
    ks_destroy(&f);
}

static void what_is_placed_over_a_head_keeps_its_expiry_where_told(void **state)
{
    (void)state;
    int64_t until = clock_wall().ms + 1000000;
    put_cold(until);
    assert_int_equal(begin(KEY_PLACE, "s", TXN_WRITES), TXN_READY);
    assert_non_null(txn_read(f.t[0], 0));
    assert_int_equal(txn_set_string(f.t[0], 0, SLICE("new"), TXN_KEEP_TTL), RC_OK);
    assert_int_equal(txn_read(f.t[0], 0)->expires_at_ms, until);
    txn_commit(f.t[0]);
    assert_int_equal(counters().heads_loaded, 1);
    ks_restart(&f, false);
    assert_int_equal(look("s").expires_at_ms, until);
    ks_expect(&f, "s", "new");
    ks_destroy(&f);
}

static _Thread_local bool never_again;

static bool fail_large(void)
{
    return never_again;
}

/* An entry that cannot be made over a placeholder leaves the placeholder: no deletion. */
static void memory_that_ends_over_a_head_deletes_nothing(void **state)
{
    (void)state;
    static char value[4096];
    memset(value, 'x', sizeof(value) - 1);
    alloc_should_fail = fail_large; /* before any other thread looks at it */
    put_cold(0);
    assert_int_equal(look("s").type, VALUE_STRING);
    assert_int_equal(begin(KEY_OVERWRITE, "s", TXN_WRITES), TXN_READY);
    never_again = true;
    assert_int_equal(txn_set_string(f.t[0], 0, slice_str(value), 0), RC_NOMEM);
    never_again = false;
    txn_effect_nothing(f.t[0]);
    txn_commit(f.t[0]);
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "s"), "value");
    ks_expect(&f, "s", "value");
    ks_destroy(&f);
    alloc_should_fail = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_no_value_loads_none),
        cmocka_unit_test(a_head_is_evicted_and_loaded_again),
        cmocka_unit_test(a_deletion_by_the_head_is_kept_and_flushed),
        cmocka_unit_test(a_value_above_load_max_bytes_can_be_asked_for_and_deleted),
        cmocka_unit_test(a_head_goes_when_somebody_else_changes_the_key),
        cmocka_unit_test(a_deletion_by_the_head_meets_a_later_change_as_a_conflict),
        cmocka_unit_test(what_expires_while_only_its_head_is_known_is_absent),
        cmocka_unit_test(what_is_placed_over_a_head_keeps_its_expiry_where_told),
        cmocka_unit_test(memory_that_ends_over_a_head_deletes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
