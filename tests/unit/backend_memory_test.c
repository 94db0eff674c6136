/* The test backend keeps its promises to the tests: sharing, failing on demand, holding, counting.
 * What it does as a backend is in the contract suites.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/memory/memory.h"
#include "base/lock.h"

static const char name[] = "unit";

static struct backend *open_store(const char *url)
{
    struct backend *b;
    struct backend_config config = {.url = url, .dir = "", .timeout_ms = 1000};
    assert_int_equal(backend_memory.open(&config, &b, NULL), RC_OK);
    return b;
}

static int setup(void **state)
{
    *state = open_store("memory:unit");
    return 0;
}

static int teardown(void **state)
{
    struct backend *b = *state;
    backend_memory.close(&b);
    memory_forget(name);
    return 0;
}

static enum rc put(struct backend *b, const char *key, const char *value, struct err *err)
{
    struct backend_item item = {
        .db = 1, .type = VALUE_STRING, .key = slice_str(key), .value = slice_str(value)};
    struct backend_batch batch = {.cut_lsn = 7, .items = &item, .items_len = 1};
    struct backend_applied applied;
    return backend_memory.apply(b, &batch, &applied, err);
}

static void check_value(const char *key, const char *expected)
{
    struct buf got = {0};
    enum value_type type = memory_get(name, 1, slice_str(key), &got);
    buf_append(&got, "", 1);
    assert_int_equal(type, expected != NULL ? VALUE_STRING : VALUE_NONE);
    assert_string_equal(got.data, expected != NULL ? expected : "");
    buf_fini(&got);
}

static void opens_of_one_name_share_the_content(void **state)
{
    struct backend *first = *state, *second = open_store("memory:unit");
    struct backend *other = open_store("memory:other"), *unnamed = open_store("memory:");
    struct backend_count n = {.db = 1};
    assert_int_equal(put(first, "k", "v", NULL), RC_OK);
    check_value("k", "v");
    assert_int_equal(backend_memory.count(second, &n, NULL), RC_OK);
    assert_int_equal(n.keys, 1);
    assert_int_equal(backend_memory.count(other, &n, NULL), RC_OK);
    assert_int_equal(n.keys, 0);
    assert_int_equal(backend_memory.count(unnamed, &n, NULL), RC_OK);
    assert_int_equal(n.keys, 0);
    backend_memory.close(&second);
    backend_memory.close(&other);
    backend_memory.close(&unnamed);
    memory_forget("other");
    assert_int_equal(memory_size(name), 1);
    assert_int_equal(memory_cut_lsn(name), 7);
}

static void applies_fail_before_anything_is_changed(void **state)
{
    struct err err = {0};
    memory_fail_applies(name, 2, RC_UNAVAILABLE);
    assert_int_equal(put(*state, "k", "v", &err), RC_UNAVAILABLE);
    assert_int_equal(err.code, RC_UNAVAILABLE);
    assert_int_equal(put(*state, "k", "v", &err), RC_UNAVAILABLE);
    check_value("k", NULL);
    assert_int_equal(memory_cut_lsn(name), 0);
    assert_int_equal(put(*state, "k", "v", &err), RC_OK);
    check_value("k", "v");
    assert_int_equal(memory_counters(name).applies, 3);
    assert_int_equal(memory_counters(name).commits, 1);
}

static void applies_fail_after_the_commit(void **state)
{
    memory_fail_applies_after_commit(name, UINT64_MAX, RC_UNAVAILABLE);
    assert_int_equal(put(*state, "k", "v", NULL), RC_UNAVAILABLE);
    assert_int_equal(put(*state, "k", "v", NULL), RC_UNAVAILABLE);
    check_value("k", "v");
    assert_int_equal(memory_cut_lsn(name), 7);
    memory_fail_applies_after_commit(name, 0, RC_OK);
    assert_int_equal(put(*state, "k", "v", NULL), RC_OK);
}

static void count_refusal(void *ctx, uint32_t item, const struct err *why)
{
    assert_true(item == 0 && why->code == RC_REJECTED);
    ++*(int *)ctx;
}

static int refusals_of(struct backend *b, const char *key)
{
    struct backend_item item = {
        .db = 1, .type = VALUE_STRING, .key = slice_str(key), .value = SLICE("v")};
    int refusals = 0;
    struct backend_batch batch = {.cut_lsn = 7,
                                  .items = &item,
                                  .items_len = 1,
                                  .on_refused = count_refusal,
                                  .ctx = &refusals};
    struct backend_applied applied;
    assert_int_equal(backend_memory.apply(b, &batch, &applied, NULL), RC_OK);
    return refusals;
}

static void chosen_keys_are_refused(void **state)
{
    memory_reject_key(name, SLICE("bad"));
    memory_reject_key(name, SLICE("worse"));
    assert_int_equal(refusals_of(*state, "good"), 0);
    assert_int_equal(refusals_of(*state, "bad"), 1);
    assert_int_equal(refusals_of(*state, "worse"), 1);
    assert_int_equal(memory_size(name), 1);
    memory_accept_all(name);
    assert_int_equal(refusals_of(*state, "bad"), 0);
    assert_int_equal(memory_size(name), 2);
}

static enum rc ignore(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_OK;
}

static void loads_and_opens_fail_on_demand(void **state)
{
    struct backend_item key = {.db = 1, .key = SLICE("k")};
    struct backend *b;
    struct backend_config config = {.url = "memory:unit", .timeout_ms = 1000};
    memory_fail_loads(name, 1, RC_IO);
    assert_int_equal(backend_memory.load(*state, &key, 1, ignore, NULL, NULL), RC_IO);
    assert_int_equal(backend_memory.load(*state, &key, 1, ignore, NULL, NULL), RC_OK);
    assert_int_equal(memory_counters(name).loads, 2);
    assert_int_equal(memory_counters(name).keys_loaded, 2);
    memory_fail_opens(name, RC_CORRUPT);
    assert_int_equal(backend_memory.open(&config, &b, NULL), RC_CORRUPT);
    assert_null(b);
    memory_fail_opens(name, RC_OK);
}

static void *put_in_thread(void *b)
{
    return put(b, "k", "v", NULL) == RC_OK ? b : NULL;
}

static void a_held_apply_waits(void **state)
{
    pthread_t thread;
    void *done;
    memory_hold_applies(name, true);
    assert_false(memory_wait_held(name, 0));
    assert_int_equal(pthread_create(&thread, NULL, put_in_thread, *state), 0);
    assert_true(memory_wait_held(name, 10000));
    check_value("k", NULL);
    memory_hold_applies(name, false);
    assert_int_equal(pthread_join(thread, &done), 0);
    assert_ptr_equal(done, *state);
    check_value("k", "v");
}

static void an_edit_is_seen_at_once(void **state)
{
    struct memory_counters before = memory_counters(name);
    (void)state;
    memory_edit(name,
                &(struct backend_item){
                    .db = 1, .type = VALUE_STRING, .key = SLICE("k"), .value = SLICE("theirs")});
    check_value("k", "theirs");
    struct memory_counters after = memory_counters(name);
    assert_memory_equal(&before, &after, sizeof(before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_of_one_name_share_the_content, setup, teardown),
        cmocka_unit_test_setup_teardown(applies_fail_before_anything_is_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(applies_fail_after_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(chosen_keys_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(loads_and_opens_fail_on_demand, setup, teardown),
        cmocka_unit_test_setup_teardown(a_held_apply_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(an_edit_is_seen_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
