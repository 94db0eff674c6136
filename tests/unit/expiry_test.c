/* The expiry index: what is due comes, once, in order; what is not does not; and it stays small.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct store store;
static struct shard *shard;

static int open_store(void **state)
{
    (void)state;
    must(store_open(&store, 1, NULL) == RC_OK);
    shard = &store.shards[0];
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    store_close(&store);
    return 0;
}

struct key {
    char text[24];
    struct slice name;
    uint64_t hash;
};

static struct key *key(unsigned n)
{
    static struct key k;
    k.name = slice_of(k.text, (size_t)snprintf(k.text, sizeof(k.text), "key:%u", n));
    k.hash = store_hash(&store, 1, k.name);
    return &k;
}

static struct entry *find(unsigned n) NO_TSA
{
    struct key *k = key(n);
    return entry_find(shard, k->hash, 1, k->name);
}

static void set(unsigned n, int64_t expires_at_ms) NO_TSA
{
    struct entry *old = find(n);
    struct key *k = key(n);
    must(entry_set_string(shard, (struct key_at){k->hash, 1, k->name, old}, k->name,
                          expires_at_ms) != NULL);
}

static void expire(unsigned n, int64_t expires_at_ms) NO_TSA
{
    struct entry *e = find(n);
    must(entry_set_expiry(shard, e, key(n)->hash, expires_at_ms) != NULL);
}

static void drop(unsigned n) NO_TSA
{
    struct entry *e = find(n);
    entry_remove(shard, e, key(n)->hash);
}

/* Number of the key that is due next, which is removed; -1: none. */
static int take_due(int64_t now_ms) NO_TSA
{
    uint64_t hash = 0;
    struct entry *e = shard_due(shard, (struct wall){now_ms}, &hash);
    if (e == NULL)
        return -1;
    int n = atoi(entry_key(e).ptr + 4);
    assert_int_equal(hash, store_hash(&store, 1, entry_key(e)));
    assert_true(entry_expired(e, (struct wall){now_ms}));
    entry_remove(shard, e, hash);
    return n;
}

static void check(void) NO_TSA
{
    shard_check(shard);
}

static void due_keys_come_in_the_order_of_their_deadlines(void **state) NO_TSA
{
    (void)state;
    enum { KEYS = 500 };
    assert_int_equal(shard_next_due(shard), 0);
    for (unsigned i = 0; i < KEYS; i++)
        set(i, 1 + (i * 211) % KEYS);
    check();
    assert_int_equal(shard_next_due(shard), 1);
    assert_int_equal(take_due(0), -1);
    for (unsigned i = 0; i < KEYS; i++) {
        int n = take_due(1000);
        assert_int_equal(1 + ((unsigned)n * 211) % KEYS, i + 1);
    }
    assert_int_equal(take_due(1000), -1);
    assert_int_equal(shard_next_due(shard), 0);
    check();
}

static void a_moved_deadline_counts_and_the_old_one_does_not(void **state) NO_TSA
{
    (void)state;
    set(1, 100);
    set(1, 300); /* later */
    set(2, 300);
    expire(2, 200); /* sooner */
    set(3, 100);
    expire(3, 0); /* never */
    set(4, 100);
    drop(4);
    set(5, 100);
    drop(5);
    set(5, 250); /* another life */
    check();
    assert_int_equal(take_due(199), -1);
    assert_int_equal(take_due(200), 2);
    assert_int_equal(take_due(299), 5);
    assert_int_equal(take_due(299), -1);
    assert_int_equal(take_due(300), 1);
    assert_int_equal(take_due(1000000), -1);
    assert_non_null(find(3));
    check();
}

static void a_due_entry_that_stays_is_handed_out_again(void **state) NO_TSA
{
    (void)state;
    set(1, 100);
    uint64_t hash;
    struct entry *e = shard_due(shard, (struct wall){100}, &hash);
    assert_non_null(e);
    assert_ptr_equal(shard_due(shard, (struct wall){100}, &hash), e);
    entry_set_none(shard,
                   (struct key_at){hash, 1, entry_key(e), e}); /* a tombstone does not expire */
    assert_null(shard_due(shard, (struct wall){100}, &hash));
}

/* shard_check() breaks when stale items outnumber the live ones. */
static void the_index_stays_small_whatever_is_overwritten(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        set(i, 1000);
    for (unsigned round = 1; round <= 2000; round++) {
        set(1, 1000000 + round);              /* SETEX again and again */
        set(2, 1000000 - round);              /* ever sooner */
        set(3, round % 2 == 0 ? 5000 : 6000); /* to and fro */
        set(4, round % 2 == 0 ? 0 : 7000);    /* with and without */
        drop(5);
        set(5, 8000); /* gone and back */
        expire(6, 100000 - round);
        check();
    }
    for (unsigned i = 0; i < 20; i++)
        set(i, 0);
    check();
    assert_int_equal(take_due(INT64_MAX), -1);
}

static void random_deadlines_agree_with_a_model(void **state)
{
    (void)state;
    enum { KEYS = 200 };
    static int64_t deadline[KEYS]; /* -1: absent, 0: never */
    uint64_t random = 7;
    for (int i = 0; i < KEYS; i++)
        deadline[i] = -1;
    int64_t now = 0;
    for (int i = 0; i < 40000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned n = (unsigned)(random >> 33) % KEYS;
        int64_t at = (random >> 20) % 3 == 0 ? 0 : now + 1 + (int64_t)(random >> 41) % 400;
        if (deadline[n] >= 0 && (random >> 15) % 5 == 0) {
            drop(n);
            deadline[n] = -1;
        } else if (deadline[n] >= 0 && (random >> 15) % 2 == 0) {
            expire(n, at);
            deadline[n] = at;
        } else {
            set(n, at);
            deadline[n] = at;
        }
        now += (random >> 11) % 3;
        for (int due; (due = take_due(now)) >= 0;) {
            assert_true(deadline[due] > 0 && deadline[due] <= now);
            deadline[due] = -1;
        }
        for (int k = 0; k < KEYS && i % 16 == 0; k++)
            assert_false(deadline[k] > 0 && deadline[k] <= now);
        if (i % 64 == 0)
            check();
    }
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(due_keys_come_in_the_order_of_their_deadlines),
        IN_STORE(a_moved_deadline_counts_and_the_old_one_does_not),
        IN_STORE(a_due_entry_that_stays_is_handed_out_again),
        IN_STORE(the_index_stays_small_whatever_is_overwritten),
        IN_STORE(random_deadlines_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
