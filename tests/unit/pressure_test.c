/* Writers are slowed to what the backend takes, in the order in which they came.
 *
 * The watermarks are one and two per cent of a gigabyte, so that the sanitizers' own memory, which
 * counts as used, decides nothing.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/memory/memory.h"
#include "keyspace/txn.h"
#include "tests/support/ks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { VALUE = 100 * 1000, HIGH = 20 * 1024 * 1024, LOW = HIGH / 2, WAITERS = 8 };

static const char *const directives[] = {"--maxmemory",
                                         "1gb",
                                         "--dirty-low-watermark",
                                         "1",
                                         "--dirty-high-watermark",
                                         "2",
                                         "--backpressure-max-delay-ms",
                                         "300",
                                         "--write-delay-ms",
                                         "10",
                                         NULL};
static struct ks_fixture ks;
static char value[VALUE];

struct client {
    struct waiter waiter;
    int number;
    _Atomic bool called;
    _Atomic int place; /* in the order of the calls; 0: not called */
};
static _Atomic int calls;

static void be_ready(struct waiter *w)
{
    struct client *c = (void *)w;
    atomic_store(&c->place, atomic_fetch_add(&calls, 1) + 1);
    atomic_store(&c->called, true);
}

static bool was_called(void *ctx)
{
    struct client *c = ctx;
    return atomic_exchange(&c->called, false);
}

/* One try at a write; a key of its own each time. What waits for the journal's ring waits here. */
static enum txn_state try_write(struct client *c)
{
    static int number;
    char name[32];
    snprintf(name, sizeof(name), "key:%d", number++);
    struct txn_key key = {.mode = KEY_OVERWRITE, .name = slice_str(name)};
    struct slice argv[] = {SLICE("SET"), key.name, {value, sizeof(value)}};
    enum txn_state s;
    while ((s = txn_begin(ks.t[0], &key, 1, TXN_WRITES, (struct slice){NULL, 0}, 3, argv,
                          &c->waiter)) == TXN_PARKED &&
           c->waiter.room_since_us != 0) {
        ks_await(was_called, c, "room in the journal");
        atomic_store(&c->place, 0);
    }
    if (s == TXN_READY) {
        assert_int_equal(txn_set_string(ks.t[0], 0, argv[2], 0), RC_OK);
        (void)txn_commit(ks.t[0]);
    }
    return s;
}

static uint64_t held(void)
{
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(ks.ks), &info);
    return info.dirty_bytes;
}

static int make(void **state)
{
    (void)state;
    memset(value, 'v', sizeof(value));
    atomic_store(&calls, 0);
    ks_make(&ks, directives);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    ks_destroy(&ks);
    return 0;
}

/* Writes until one has to wait or is refused. */
static enum txn_state write_on(struct client *c, uint32_t *written)
{
    enum txn_state s = TXN_READY;
    for (*written = 0; *written < 10000 && (s = try_write(c)) == TXN_READY; ++*written)
        ;
    return s;
}

/* Waits for its turn, however often. */
static void write_one(struct client *c)
{
    enum txn_state s;
    while ((s = try_write(c)) == TXN_PARKED)
        ks_await(was_called, c, "a turn");
    assert_int_equal(s, TXN_READY);
}

static void below_the_low_watermark_a_backend_that_stands_still_holds_nobody_up(void **state)
{
    (void)state;
    struct client c = {.waiter.ready = be_ready};
    memory_hold_applies(ks.store, true);
    for (int i = 0; i < LOW / VALUE * 8 / 10; i++)
        write_one(&c);
    memory_hold_applies(ks.store, false);
}

/* The backend takes nothing: writers come to a stop before the high watermark, and only after their
 * time is over they are refused. When it takes data again, so do they. */
static void
while_the_backend_stands_still_what_is_dirty_stays_below_the_high_watermark(void **state)
{
    (void)state;
    struct client c = {.waiter.ready = be_ready};
    uint32_t written = 0, n;
    enum txn_state s = TXN_READY;
    memory_hold_applies(ks.store, true);
    while (s != TXN_REFUSED) {
        s = write_on(&c, &n);
        written += n;
        assert_true(s != TXN_READY);
        if (s == TXN_PARKED)
            ks_await(was_called, &c, "a call");
    }
    assert_true(held() <= HIGH + 2 * VALUE);
    assert_true(written >= LOW / VALUE * 9 / 10);
    assert_non_null(strstr(txn_refusal(ks.t[0]), "OOM "));
    memory_hold_applies(ks.store, false);
    ks_flush(&ks);
    assert_int_equal(try_write(&c), TXN_READY);
}

/* More than fits is written, and nobody hears an error. */
static void what_the_backend_takes_writers_may_bring(void **state)
{
    (void)state;
    struct client c = {.waiter.ready = be_ready};
    for (int i = 0; i < 6 * (HIGH / VALUE); i++) {
        write_one(&c);
        assert_true(held() <= HIGH + 2 * VALUE);
    }
}

static bool all_were_called(void *ctx)
{
    const struct client *clients = ctx;
    for (int i = 0; i < WAITERS; i++)
        if (atomic_load(&clients[i].place) == 0)
            return false;
    return true;
}

static void who_came_first_goes_first(void **state)
{
    (void)state;
    static struct client clients[WAITERS];
    struct client first = {.waiter.ready = be_ready};
    uint32_t n;
    int last = 0;
    memset(clients, 0, sizeof(clients));
    memory_hold_applies(ks.store, true);
    assert_int_equal(write_on(&first, &n), TXN_PARKED);
    ks_await(was_called, &first, "a turn");
    atomic_store(&calls, 0);
    for (int i = 0; i < WAITERS; i++) {
        clients[i].waiter.ready = be_ready;
        while (try_write(&clients[i]) == TXN_READY) /* until the allowance is spent */
            ;
    }
    memory_hold_applies(ks.store, false);
    ks_await(all_were_called, clients, "all of them");
    for (int i = 0; i < WAITERS; i++) {
        int place = atomic_load(&clients[i].place);
        assert_true(place > last);
        last = place;
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, destroy)
    const struct CMUnitTest tests[] = {
        TEST(below_the_low_watermark_a_backend_that_stands_still_holds_nobody_up),
        TEST(while_the_backend_stands_still_what_is_dirty_stays_below_the_high_watermark),
        TEST(what_the_backend_takes_writers_may_bring),
        TEST(who_came_first_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
