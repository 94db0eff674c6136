/* Eviction: who goes, who stays, and what it leaves behind.
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

static struct entry *set(unsigned n, int64_t expires_at_ms) NO_TSA
{
    struct entry *old = find(n);
    struct key *k = key(n);
    return entry_set_string(shard, (struct key_at){k->hash, 1, k->name, old}, k->name,
                            expires_at_ms);
}

static size_t evict(size_t look, bool volatile_only) NO_TSA
{
    return shard_evict(shard, look, volatile_only);
}

static size_t evict_all(bool volatile_only)
{
    size_t n = 0;
    while (evict(1000000, volatile_only) > 0)
        n++;
    return n;
}

static void everything_clean_goes_in_the_end_and_frees_what_it_says(void **state) NO_TSA
{
    (void)state;
    assert_int_equal(evict(100, false), 0);
    size_t held = 0, freed = 0, bytes;
    for (unsigned i = 0; i < 1000; i++)
        held += entry_memory(set(i, 0));
    assert_true(shard->incomplete == 0);
    while ((bytes = evict(10000, false)) > 0)
        freed += bytes;
    assert_int_equal(freed, held);
    assert_int_equal(store.dbs[1].keys, 0);
    assert_true(shard->incomplete != 0);
    shard_check(shard);
}

static void what_is_dirty_in_flight_or_loading_stays(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct entry *e = set(i, 0);
        if (i < 10)
            must(entry_mark_dirty(shard, e, 1));
        else if (i < 20)
            e->flags |= ENTRY_IN_FLIGHT;
    }
    struct key *k = key(999);
    struct entry *e = entry_set_none(shard, (struct key_at){k->hash, 1, k->name, NULL});
    e->flags |= ENTRY_LOADING;
    assert_int_equal(evict_all(false), 280);
    for (unsigned i = 0; i < 20; i++)
        assert_non_null(find(i));
    assert_non_null(find(999));
    shard_check(shard);
}

static void a_used_key_gets_another_turn(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        struct entry *e = set(i, 0);
        if (i % 2 == 0)
            store_touch(e, false);
    }
    for (unsigned i = 0; i < 300; i++)
        assert_true(evict(1000000, false) > 0);
    size_t kept = 0;
    for (unsigned i = 0; i < 600; i += 2)
        kept += find(i) != NULL;
    /* The hand has to come round before a used one is due: nearly all unused ones went first. */
    assert_int_equal(kept, 300);
    assert_int_equal(evict_all(false), 300);
}

/* The proven ones normally stay while there are many newcomers; not when those cannot go. */
static void proven_keys_go_when_all_others_are_dirty(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        store_touch(set(i, 0), false);
    while (shard->proven < 100)
        assert_int_equal(evict(1, false), 0); /* the hand takes the marks: proven now */
    for (unsigned i = 100; i < 1000; i++)
        must(entry_mark_dirty(shard, set(i, 0), 1));
    assert_int_equal(evict_all(false), 100);
    shard_check(shard);
}

static void only_keys_with_an_expiry_go_when_asked_so(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        set(i, i % 4 == 0 ? 1000 : 0);
    assert_int_equal(evict_all(true), 25);
    assert_int_equal(store.dbs[1].keys, 75);
    assert_int_equal(store.dbs[1].expires, 0);
}

static void a_known_absent_key_goes_without_a_trace(void **state) NO_TSA
{
    (void)state;
    struct key *k = key(1);
    assert_non_null(entry_set_none(shard, (struct key_at){k->hash, 1, k->name, NULL}));
    assert_int_equal(store.negatives, 1);
    assert_true(evict(1000, false) > 0);
    assert_true(shard->incomplete == 0);
    assert_int_equal(store.negatives, 0);
}

static void the_hand_looks_no_further_than_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5000; i++)
        store_touch(set(i, 0), false);
    assert_int_equal(evict(100, false), 0);
    size_t unmarked = 0;
    for (unsigned i = 0; i < 5000; i++)
        unmarked += (find(i)->flags & ENTRY_VISITED) == 0;
    assert_in_range(unmarked, 50, 100);
}

static void a_scan_of_cold_keys_does_not_drive_out_the_hot_ones(void **state)
{
    (void)state;
    enum { HOT = 300, ROOM = 1000 };
    for (unsigned i = 0; i < ROOM; i++)
        set(i, 0);
    for (unsigned i = 0; i < HOT; i++)
        store_touch(find(i), false);
    for (unsigned i = 0; i < 50000; i++) {
        store_touch(find(i % HOT), false);
        set(100000 + i, 0);
        while (store.dbs[1].keys > ROOM)
            assert_true(evict(4000, false) > 0);
    }
    for (unsigned i = 0; i < HOT; i++)
        assert_non_null(find(i));
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(everything_clean_goes_in_the_end_and_frees_what_it_says),
        IN_STORE(what_is_dirty_in_flight_or_loading_stays),
        IN_STORE(a_used_key_gets_another_turn),
        IN_STORE(proven_keys_go_when_all_others_are_dirty),
        IN_STORE(only_keys_with_an_expiry_go_when_asked_so),
        IN_STORE(a_known_absent_key_goes_without_a_trace),
        IN_STORE(the_hand_looks_no_further_than_told),
        IN_STORE(a_scan_of_cold_keys_does_not_drive_out_the_hot_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
