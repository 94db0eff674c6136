/* The table and the shard as a whole: finding, walking, prefetching, counting, many threads.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/store.h"
#include "store/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct store store;

static int open_store(void **state)
{
    (void)state;
    return store_open(&store, 4, NULL) == RC_OK ? 0 : -1;
}

static int close_store(void **state)
{
    (void)state;
    store_close(&store);
    return 0;
}

struct key {
    char text[24];
};

static struct slice key_of(struct key *k, unsigned n)
{
    return slice_of(k->text, (size_t)snprintf(k->text, sizeof(k->text), "key:%u", n));
}

static struct entry *find(uint32_t db, unsigned n, struct shard **sh, uint64_t *hash) NO_TSA
{
    struct key k;
    struct slice name = key_of(&k, n);
    *hash = store_hash(&store, db, name);
    *sh = store_shard(&store, *hash);
    return entry_find(*sh, *hash, db, name);
}

static void set(uint32_t db, unsigned n) NO_TSA
{
    struct key k;
    struct shard *sh;
    uint64_t hash;
    struct entry *e = find(db, n, &sh, &hash);
    struct slice name = key_of(&k, n);
    must(entry_set_string(sh, (struct key_at){hash, db, name, e}, name, 0) != NULL);
}

static void drop(uint32_t db, unsigned n) NO_TSA
{
    struct shard *sh;
    uint64_t hash;
    struct entry *e = find(db, n, &sh, &hash);
    must(e != NULL);
    entry_remove(sh, e, hash);
}

static bool has(uint32_t db, unsigned n)
{
    struct shard *sh;
    uint64_t hash;
    struct entry *e = find(db, n, &sh, &hash);
    struct key k;
    return e != NULL && slice_eq(entry_key(e), key_of(&k, n));
}

static void check_all(void) NO_TSA
{
    for (uint32_t i = 0; i < store.shards_len; i++)
        shard_check(&store.shards[i]);
}

static void keys_are_found_while_the_tables_grow_and_shrink(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    for (unsigned i = 0; i < KEYS; i++) {
        set(1, i);
        if (i % 4999 == 0)
            check_all();
    }
    assert_int_equal(store.dbs[1].keys, KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(has(1, i));
    assert_false(has(1, KEYS));
    assert_false(has(2, 0));
    for (unsigned i = 0; i < KEYS; i++) {
        if (i % 50 != 0)
            drop(1, i);
        if (i % 4999 == 0)
            check_all();
    }
    check_all();
    assert_int_equal(store.dbs[1].keys, KEYS / 50);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(has(1, i), i % 50 == 0);
    assert_true(table_len(store.shards[0].table) < 40);
}

static void databases_do_not_see_each_others_keys(void **state)
{
    (void)state;
    set(1, 7);
    set(STORE_DB_MAX, 7);
    drop(1, 7);
    assert_false(has(1, 7));
    assert_true(has(STORE_DB_MAX, 7));
    assert_int_equal(store.dbs[1].keys, 0);
    assert_int_equal(store.dbs[STORE_DB_MAX].keys, 1);
}

static void shards_get_similar_shares(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4000; i++)
        set(1, i);
    for (uint32_t i = 0; i < store.shards_len; i++)
        assert_in_range(store.shards[i].table->used, 850, 1150);
}

static void a_shard_count_that_is_no_power_of_two_is_refused(void **state)
{
    (void)state;
    struct store s;
    struct err err;
    assert_int_equal(store_open(&s, 12, &err), RC_INVALID);
    assert_int_equal(store_open(&s, 0, &err), RC_INVALID);
    store_close(&s);
}

/* --- Scanning --- */

enum { SCANNED = 6000 };

struct seen {
    uint8_t times[SCANNED];
    bool removing;
};

static void see(void *ctx, struct entry *e) NO_TSA
{
    struct seen *seen = ctx;
    unsigned n = (unsigned)strtoul(entry_key(e).ptr + 4, NULL, 10);
    if (n < SCANNED)
        seen->times[n]++;
    if (seen->removing) {
        uint64_t hash = store_hash(&store, e->db, entry_key(e));
        entry_remove(store_shard(&store, hash), e, hash);
    }
}

static void a_scan_without_changes_sees_every_key_exactly_once(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < SCANNED; i++)
        set(1, i);
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < store.shards_len; i++) {
        uint32_t cursor = 0;
        do
            shard_scan(&store.shards[i], &cursor, 10, see, &seen);
        while (cursor != 0);
    }
    for (unsigned i = 0; i < SCANNED; i++)
        assert_int_equal(seen.times[i], 1);
}

/* The keys below SCANNED stay throughout; others come and go and make the tables resize. */
static void a_scan_sees_every_key_that_stays_while_the_table_is_resized(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < SCANNED; i++)
        set(1, i);
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    unsigned low = SCANNED, high = SCANNED, calls = 0;
    for (uint32_t i = 0; i < store.shards_len; i++) {
        uint32_t cursor = 0;
        do {
            shard_scan(&store.shards[i], &cursor, 40, see, &seen);
            bool growing = calls++ / 50 % 2 == 0;
            for (unsigned k = 0; k < 400; k++) {
                if (growing)
                    set(1, high++);
                else if (low < high)
                    drop(1, low++);
            }
        } while (cursor != 0);
    }
    for (unsigned i = 0; i < SCANNED; i++)
        assert_true(seen.times[i] >= 1);
    check_all();
}

static void a_scan_may_remove_what_it_is_given(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < SCANNED; i++)
        set(1, i);
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    seen.removing = true;
    for (uint32_t i = 0; i < store.shards_len; i++) {
        uint32_t cursor = 0;
        do
            shard_scan(&store.shards[i], &cursor, 500, see, &seen);
        while (cursor != 0);
        assert_int_equal(store.shards[i].table->used, 0);
    }
    for (unsigned i = 0; i < SCANNED; i++)
        assert_int_equal(seen.times[i], 1);
    assert_int_equal(store.dbs[1].keys, 0);
    check_all();
}

static bool is_two(void *ctx, const struct entry *e)
{
    (void)ctx;
    return e->db == 2;
}

static void a_sweep_drops_dead_databases_but_not_dirty_entries(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        set(1, i);
        set(2, i);
    }
    struct shard *sh;
    uint64_t hash;
    struct entry *e = find(2, 3, &sh, &hash);
    assert_true(entry_mark_dirty(sh, e, 1));
    for (uint32_t i = 0; i < store.shards_len; i++) {
        uint32_t position = 0;
        do
            shard_sweep(&store.shards[i], &position, 20, is_two, NULL);
        while (position != 0);
    }
    assert_int_equal(store.dbs[1].keys, 500);
    assert_int_equal(store.dbs[2].keys, 1);
    assert_true(has(2, 3));
    check_all();
}

static void random_keys_come_from_the_whole_database_and_no_other(void **state) NO_TSA
{
    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        set(1, i);
        set(2, 1000 + i);
    }
    struct shard *sh = &store.shards[0];
    struct wall now = {1000};
    static unsigned times[400];
    unsigned in_shard = 0;
    memset(times, 0, sizeof(times));
    uint64_t random = 1;
    for (unsigned i = 0; i < 40000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        struct entry *e = shard_random(sh, random ^ random >> 29, 1, now);
        unsigned n = (unsigned)strtoul(entry_key(e).ptr + 4, NULL, 10);
        assert_true(n < 400);
        times[n]++;
    }
    for (unsigned i = 0; i < 400; i++)
        in_shard += times[i] > 0;
    for (unsigned i = 0; i < 400; i++) {
        if (times[i] > 0)
            assert_in_range(times[i], 40000 / in_shard / 2, 40000 / in_shard * 2);
    }
    assert_null(shard_random(sh, random, 3, now));
    struct slice name = SLICE("gone");
    uint64_t hash = store_hash(&store, 5, name);
    sh = store_shard(&store, hash);
    assert_non_null(entry_set_string(sh, (struct key_at){hash, 5, name, NULL}, name, 900));
    assert_null(shard_random(sh, random, 5, now)); /* expired */
    assert_non_null(shard_random(sh, random, 5, (struct wall){899}));
}

/* --- Use --- */

static void idle_time_and_frequency_follow_use(void **state) NO_TSA
{
    (void)state;
    store_clock_tick((struct wall){10000000});
    set(1, 1);
    struct shard *sh;
    uint64_t hash;
    struct entry *e = find(1, 1, &sh, &hash);
    assert_int_equal(store_idle_seconds(e), 0);
    assert_int_equal(store_frequency(e), 5);
    assert_false(e->flags & ENTRY_VISITED);
    store_clock_tick((struct wall){10000000 + 90 * 1000});
    assert_int_equal(store_idle_seconds(e), 90);
    assert_int_equal(store_frequency(e), 4);
    store_touch(e, false);
    assert_true(e->flags & ENTRY_VISITED);
    assert_int_equal(store_idle_seconds(e), 0);
    store_clock_tick((struct wall){10000000 + 10 * 86400000LL});
    assert_in_range(store_idle_seconds(e), 9 * 86400, 10 * 86400);
    assert_int_equal(store_frequency(e), 0);
    for (int i = 0; i < 100; i++)
        store_touch(e, true);
    assert_in_range(store_frequency(e), 6, 40);
    uint8_t after_hundred = store_frequency(e);
    for (int i = 0; i < 300000; i++)
        store_touch(e, true);
    assert_in_range(store_frequency(e), after_hundred + 50, 255);
    store_clock_tick(clock_wall());
}

/* --- Threads --- */

struct worker {
    pthread_t thread;
    unsigned number;
};

static void *work(void *arg)
{
    const struct worker *w = arg;
    struct key k;
    for (unsigned i = 0; i < 20000; i++) {
        struct slice name = key_of(&k, (i * 7 + w->number) % 3000);
        uint64_t hash = store_hash(&store, 1, name);
        struct shard *sh = store_shard(&store, hash);
        store_prefetch_bucket(&store, hash);
        store_prefetch_entry(&store, hash);
        lock_acquire(&sh->lock);
        struct entry *e = entry_find(sh, hash, 1, name);
        if (e != NULL && i % 3 == 0)
            entry_remove(sh, e, hash);
        else
            must(entry_set_string(sh, (struct key_at){hash, 1, name, e}, name, 0) != NULL);
        lock_release(&sh->lock);
        if (i % 100 == 0) {
            store_clock_tick(clock_wall());
            memory_refresh();
            store_free_later_run();
        }
    }
    return NULL;
}

static void threads_share_the_store(void **state) NO_TSA
{
    (void)state;
    struct worker workers[4];
    for (unsigned i = 0; i < COUNT_OF(workers); i++) {
        workers[i].number = i;
        thread_start(&workers[i].thread, "store-test", 0, work, &workers[i]);
    }
    for (unsigned i = 0; i < COUNT_OF(workers); i++)
        pthread_join(workers[i].thread, NULL);
    check_all();
    size_t used = 0;
    for (uint32_t i = 0; i < store.shards_len; i++)
        used += store.shards[i].table->used;
    assert_int_equal(used, store.dbs[1].keys);
}

static void memory_figures_grow_with_what_is_stored(void **state)
{
    (void)state;
    memory_refresh();
    struct memory_info before, after;
    memory_get_info(&before);
    for (unsigned i = 0; i < 50000; i++)
        set(1, i);
    memory_refresh();
    memory_get_info(&after);
    assert_true(after.allocated >= before.allocated + 50000 * 40);
    assert_true(after.peak >= after.allocated);
    assert_true(after.resident > 0 && after.mapped > 0 && after.active > 0);
    assert_int_equal(memory_data(), after.data);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(keys_are_found_while_the_tables_grow_and_shrink),
        IN_STORE(databases_do_not_see_each_others_keys),
        IN_STORE(shards_get_similar_shares),
        cmocka_unit_test(a_shard_count_that_is_no_power_of_two_is_refused),
        IN_STORE(a_scan_without_changes_sees_every_key_exactly_once),
        IN_STORE(a_scan_sees_every_key_that_stays_while_the_table_is_resized),
        IN_STORE(a_scan_may_remove_what_it_is_given),
        IN_STORE(a_sweep_drops_dead_databases_but_not_dirty_entries),
        IN_STORE(random_keys_come_from_the_whole_database_and_no_other),
        IN_STORE(idle_time_and_frequency_follow_use),
        IN_STORE(threads_share_the_store),
        IN_STORE(memory_figures_grow_with_what_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
