/* A flush without memory: at each of its allocations in turn, and at random while others write. The
 * change that cannot be captured stays dirty and leaves later, whole transactions with their cut;
 * who writes is held back with a reason, and a writer that cannot set aside what the cut is owed
 * changes nothing.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/alloc.h"
#include "tests/support/accounts.h"
#include "tests/support/ks.h"
#include "writeback/internal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STRINGS = 40, FIELDS = 3000, LARGE = 100000, ALLOCATIONS_MAX = 200, PAIRS = 256 };

static struct ks_fixture f;

/* --- An allocator that fails for some threads --- */

enum { DENY_NONE, DENY_FROM, DENY_AT_RANDOM };
static _Atomic int denies;              /* the cutter and the flusher */
static _Atomic uint32_t passes, denied; /* DENY_FROM: so many are served before */
static _Thread_local bool denies_me;

static bool is_lane(void)
{
    static _Thread_local int is = -1;
    char name[16] = "";
    if (is < 0) {
        pthread_getname_np(pthread_self(), name, sizeof(name));
        is = strcmp(name, "cutter") == 0 || strcmp(name, "flusher") == 0;
    }
    return is != 0;
}

static bool is_denied(void)
{
    static _Thread_local uint32_t random = 1;
    if (denies_me)
        return true;
    int how = atomic_load(&denies);
    if (how == DENY_NONE || !is_lane())
        return false;
    random = random * 1664525u + 1013904223u;
    bool is = how == DENY_AT_RANDOM ? random >> 30 == 0 : false;
    if (how == DENY_FROM) {
        uint32_t left = atomic_load(&passes);
        is = left == 0;
        atomic_store(&passes, is ? 0 : left - 1);
    }
    atomic_fetch_add(&denied, is);
    return is;
}

static void deny(int how, uint32_t from)
{
    atomic_store(&denied, 0);
    atomic_store(&passes, from);
    atomic_store(&denies, how);
}

static int setup(void **state)
{
    static const char *const unpaced[] = {"--backpressure-policy", "off", "--write-batch-keys",
                                          "16", NULL};
    static const char *const paced[] = {"--backpressure-max-delay-ms", "10000", NULL};
    bool waits = *state != NULL;
    alloc_should_fail = is_denied;
    ks_make(&f, waits ? paced : unpaced);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    deny(DENY_NONE, 0);
    ks_destroy(&f);
    alloc_should_fail = NULL;
    return 0;
}

/* --- Each allocation in turn --- */

static char large[LARGE + 1], read_back[LARGE + 1];

static void key_of(char out[16], int i)
{
    snprintf(out, 16, "s%d", i);
}

static void write_all(int round)
{
    char key[16], value[64];
    for (int i = 0; i < STRINGS; i++) {
        key_of(key, i);
        snprintf(value, sizeof(value), "%d of %d", i, round);
        ks_set(&f, 0, key, value);
    }
    memset(large, 'a' + round % 26, LARGE);
    ks_set(&f, 0, "large", large);
    ks_set(&f, 0, "gone", large);
    for (int i = 0; i < FIELDS; i++) {
        snprintf(key, sizeof(key), "f%d", (i * 7 + round) % (FIELDS + round));
        snprintf(value, sizeof(value), "%030d", round);
        ks_hset(&f, 0, "hash", key, value);
    }
}

static void expect_stored(int round, bool gone)
{
    char key[16], value[32];
    for (int i = 0; i < STRINGS; i++) {
        key_of(key, i);
        snprintf(value, sizeof(value), "%d of %d", i, round);
        assert_string_equal(ks_stored(&f, key), value);
    }
    assert_true((ks_stored(&f, "gone") == NULL) == gone);
}

static struct writeback_info info_now(void)
{
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(f.ks), &info);
    return info;
}

static bool is_flushed_or_denied(void *lsn)
{
    return atomic_load(&denied) > 0 || info_now().applied_lsn >= *(uint64_t *)lsn;
}

static bool has_no_memory(void *ctx)
{
    (void)ctx;
    return strcmp(info_now().backend_state, "no-memory") == 0;
}

static bool holds_back(void *ctx)
{
    (void)ctx;
    return info_now().backpressure == PRESSURE_HIGH;
}

/* A deletion when this thread has no memory either: it is done, or nothing is. */
static bool try_delete(void)
{
    struct txn_key k = {.mode = KEY_REMOVE, .name = SLICE("gone")};
    struct slice argv[] = {SLICE("DEL"), SLICE("gone")};
    denies_me = true;
    enum txn_state state = txn_begin(f.t[0], &k, 1, TXN_WRITES | TXN_NO_OOM, (struct slice){0},
                                     COUNT_OF(argv), argv, NULL);
    if (state == TXN_READY) {
        assert_true(txn_remove(f.t[0], 0));
        txn_commit(f.t[0]);
    } else {
        assert_int_equal(state, TXN_REFUSED);
        assert_non_null(strstr(txn_refusal(f.t[0]), "no memory"));
    }
    denies_me = false;
    return state == TXN_READY;
}

static void what_cannot_be_captured_leaves_when_there_is_memory(void **state)
{
    (void)state;
    uint32_t n = 0, refused = 0, held = 0;
    size_t hlen = 0;
    for (; n < ALLOCATIONS_MAX; n++) {
        write_all((int)n);
        hlen = ks_hlen(&f, 0, "hash");
        deny(DENY_FROM, n);
        uint64_t lsn = writeback_request_flush(keyspace_writeback(f.ks));
        ks_await(is_flushed_or_denied, &lsn, "flushed or denied");
        bool was_denied = atomic_load(&denied) > 0, gone = false;
        if (was_denied) {
            const char *refusal = NULL;
            ks_await(has_no_memory, NULL, "a state that says so");
            if (writeback_is_starved(keyspace_writeback(f.ks))) { /* else it was the flusher's */
                ks_await(holds_back, NULL, "back-pressure");
                assert_int_equal(ks_try_write(&f, "s1", &refusal), TXN_REFUSED);
                assert_non_null(strstr(refusal, "no memory"));
                held++;
            }
            gone = try_delete();
            refused += !gone;
            assert_true(ks_get(&f, 0, "gone", read_back, sizeof(read_back)) != gone);
        }
        deny(DENY_NONE, 0);
        ks_flush(&f);
        expect_stored((int)n, gone);
        assert_true(ks_evict(&f) > 0);
        assert_true(ks_get(&f, 0, "large", read_back, sizeof(read_back)));
        assert_true(strcmp(read_back, large) == 0);
        assert_int_equal(ks_hlen(&f, 0, "hash"), hlen);
        if (!was_denied)
            break;
    }
    print_message("%u allocations, %u times writers are held back, %u deletions wait\n", n, held,
                  refused);
    assert_in_range(n, 15, ALLOCATIONS_MAX - 1);
    assert_true(refused > 0 && refused < n && held > 0 && held < n);
}

/* --- At random, while others write --- */

static void no_transaction_is_torn_where_memory_fails_now_and_then(void **state)
{
    (void)state;
    int seen = 0;
    struct accounts accounts;
    deny(DENY_AT_RANDOM, 0);
    accounts_start(&accounts, &f, PAIRS);
    int64_t until = clock_mono().us + 60000000;
    while (seen <= 20 * PAIRS && clock_mono().us < until) {
        writeback_request_flush(keyspace_writeback(f.ks));
        memory_hold_applies(f.store, true); /* the store stands still while it is looked at */
        if (memory_wait_held(f.store, 1000))
            seen += accounts_check(&accounts);
        memory_hold_applies(f.store, false);
    }
    accounts_stop(&accounts);
    print_message("%d seen, %u allocations failed\n", seen, atomic_load(&denied));
    assert_true(seen > 20 * PAIRS && atomic_load(&denied) > 20);
    deny(DENY_NONE, 0);
    ks_flush(&f);
    assert_int_equal(accounts_check(&accounts), 2 * 2 * PAIRS);
}

int main(void)
{
    static bool waits = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(
            what_cannot_be_captured_leaves_when_there_is_memory, setup, teardown, &waits),
        cmocka_unit_test_setup_teardown(no_transaction_is_torn_where_memory_fails_now_and_then,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
