/* A command whose keys are evicted again and again before all are there ends with an error.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/txn.h"
#include "tests/support/ks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

static struct ks_fixture ks;
static _Atomic bool called;

static void be_ready(struct waiter *w)
{
    (void)w;
    atomic_store(&called, true);
}

static bool was_called(void *ctx)
{
    (void)ctx;
    return atomic_exchange(&called, false);
}

static enum txn_state begin(struct waiter *w)
{
    static const struct txn_key key = {.mode = KEY_READ, .name = {"k", 1}};
    return txn_begin(ks.t[0], &key, 1, 0, (struct slice){NULL, 0}, 0, NULL, w);
}

static void a_command_whose_keys_never_stay_is_refused(void **state)
{
    (void)state;
    struct waiter w = {.ready = be_ready};
    ks_make(&ks, NULL);
    ks_set(&ks, 0, "k", "v");
    for (int again = 0; again < 2; again++) { /* a refusal leaves nothing behind */
        enum txn_state s;
        uint32_t rounds = 0;
        ks_flush(&ks);
        assert_int_equal(ks_evict(&ks), 1);
        while ((s = begin(&w)) == TXN_PARKED && rounds < 1000) {
            rounds++;
            ks_await(was_called, NULL, "the load");
            assert_int_equal(ks_evict(&ks), 1);
        }
        assert_int_equal(s, TXN_REFUSED);
        assert_int_equal(rounds, 32);
        assert_int_equal(strncmp(txn_refusal(ks.t[0]), "OOM the keys of this command", 28), 0);
        assert_int_equal(begin(&w), TXN_PARKED);
        ks_await(was_called, NULL, "the load");
        assert_int_equal(begin(&w), TXN_READY);
        (void)txn_commit(ks.t[0]);
        ks_expect(&ks, "k", "v");
    }
    ks_destroy(&ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_whose_keys_never_stay_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
