/* A command whose keys are evicted again and again before all are there ends with an error.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/txn.h"
#include "config/options.h"
#include "tests/support/ks.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

static struct ks_fixture ks;

static enum txn_state begin(struct waiter *w)
{
    static const struct txn_key key = {.mode = KEY_READ, .name = {"k", 1}};
    return txn_begin(ks.t[0], &key, 1, 0, (struct slice){NULL, 0}, 0, NULL, w);
}

static void a_command_whose_keys_never_stay_is_refused(void **state)
{
    (void)state;
    struct ks_waiter w = {.waiter.ready = ks_be_ready};
    ks_make(&ks, NULL);
    ks_set(&ks, 0, "k", "v");
    for (int again = 0; again < 2; again++) { /* a refusal leaves nothing behind */
        enum txn_state s;
        uint32_t rounds = 0;
        ks_flush(&ks);
        assert_int_equal(ks_evict(&ks), 1);
        while ((s = begin(&w.waiter)) == TXN_PARKED && rounds < 1000) {
            rounds++;
            ks_await(ks_was_ready, &w, "the load");
            assert_int_equal(ks_evict(&ks), 1);
        }
        assert_int_equal(s, TXN_REFUSED);
        assert_int_equal(rounds, 32);
        assert_int_equal(strncmp(txn_refusal(ks.t[0]), "OOM the keys of this command", 28), 0);
        assert_int_equal(begin(&w.waiter), TXN_PARKED);
        ks_await(ks_was_ready, &w, "the load");
        assert_int_equal(begin(&w.waiter), TXN_READY);
        (void)txn_commit(ks.t[0]);
        ks_expect(&ks, "k", "v");
    }
    ks_destroy(&ks);
}

static void set_maxmemory(const char *bytes)
{
    struct err err;
    const char *failed;
    const struct slice pair[] = {SLICE("maxmemory"), slice_str(bytes)};
    assert_int_equal(options_set(pair, 1, &failed, &err), RC_OK);
}

/* As a rule bad luck ends; where the values do not fit together it does not. */
static void keys_that_do_not_fit_together_are_refused_soon(void **state)
{
    (void)state;
    static char large[400 * 1024];
    memset(large, 'x', sizeof(large) - 1);
    struct txn_key keys[4];
    static const char *const names[4] = {"a", "b", "c", "d"};
    struct ks_waiter w = {.waiter.ready = ks_be_ready};
    enum txn_state s;
    uint32_t rounds = 0;
    ks_make(&ks, NULL);
    for (int i = 0; i < 4; i++) {
        keys[i] = (struct txn_key){.mode = KEY_READ, .name = slice_str(names[i])};
        ks_set(&ks, 0, names[i], large);
    }
    ks_flush(&ks);
    assert_int_equal(ks_evict(&ks), 4);
    set_maxmemory("1048576");
    while ((s = txn_begin(ks.t[0], keys, 4, 0, (struct slice){NULL, 0}, 0, NULL, &w.waiter)) ==
               TXN_PARKED &&
           rounds < 1000) {
        rounds++;
        ks_await(ks_was_ready, &w, "the load");
        assert_int_equal(writeback_invalidate(keyspace_writeback(ks.ks), 1, slice_str("a")),
                         RC_NOT_FOUND); /* one of them does not stay */
    }
    assert_int_equal(s, TXN_REFUSED);
    assert_int_equal(rounds, 2);
    assert_int_equal(strncmp(txn_refusal(ks.t[0]), "OOM the keys of this command", 28), 0);
    set_maxmemory("1073741824");
    ks_destroy(&ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_whose_keys_never_stay_is_refused),
        cmocka_unit_test(keys_that_do_not_fit_together_are_refused_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
