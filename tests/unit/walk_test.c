/* Walks over the keyspace, against a model that knows which keys were there throughout.
 *
 * Between two steps of a walk anything happens: overwrites, loads, evictions, flushes, deletions,
 * renames, expiry, FLUSHDB, SWAPDB. A key that existed at every moment of the walk is to be shown.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/ks.h"

#include "base/clock.h"
#include "keyspace/internal.h"
#include "store/arrivals.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { NAMES = 400, WALKS = 60, CHURN_MAX = 40 };

static struct ks_fixture f;
static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static const char *name_of(uint32_t i)
{
    static char names[2][16];
    static unsigned turn;
    char *name = names[turn++ % 2];
    snprintf(name, sizeof(names[0]), "k%u", i);
    return name;
}

/* --- One walk --- */

struct shown {
    uint32_t times[NAMES];
    struct keyspace *ks;
};

static void show(void *ctx, struct slice key)
{
    struct shown *s = ctx;
    char text[16];
    must(key.len < sizeof(text) && key.len > 1);
    memcpy(text, key.ptr, key.len);
    text[key.len] = '\0';
    s->times[strtoul(text + 1, NULL, 10)]++;
}

/* One call of SCAN: what is parked is waited for. `churn` may be NULL; it runs while a page is
 * under way, too. */
static enum walk_state step(struct walk *w, uint64_t *cursor, enum value_type type, uint64_t count,
                            struct shown *shown, void (*churn)(void))
{
    for (;;) {
        struct ks_waiter p = {.waiter.ready = ks_be_ready};
        struct err err = {0};
        enum walk_state state =
            walk_keys(w, NULL, cursor, count, type, show, shown, &p.waiter, &err);
        if (err.code != RC_OK)
            fail_msg("%s", err.text);
        if (state != WALK_PARKED)
            return state;
        if (churn != NULL)
            churn();
        ks_await(ks_was_ready, &p, "a page of keys");
    }
}

/* One SCAN to the end, a new walk for each call; or one KEYS. */
static void walk(struct shown *shown, enum value_type type, bool one_call, uint64_t count,
                 void (*churn)(void))
{
    uint64_t cursor = 0;
    enum walk_state state = WALK_MORE;
    struct walk *w = walk_new(f.ks, 0);
    while (state == WALK_MORE) {
        state = step(w, &cursor, type, count, shown, churn);
        if (churn != NULL)
            churn();
        if (!one_call) {
            walk_free(&w);
            w = walk_new(f.ks, 0);
        }
    }
    walk_free(&w);
    assert_int_equal(cursor, 0);
}

/* --- The model --- */

struct model {
    enum value_type type[2][NAMES]; /* VALUE_NONE: absent; of databases 0 and 1 */
    enum value_type throughout[NAMES];
} model;

static void set_type(uint32_t i, enum value_type type)
{
    model.type[0][i] = type;
    if (model.throughout[i] != type)
        model.throughout[i] = VALUE_NONE;
}

static void begin_model(void)
{
    memcpy(model.throughout, model.type[0], sizeof(model.throughout));
}

static void put_key(uint32_t i)
{
    if (i % 5 == 0) {
        if (model.type[0][i] == VALUE_STRING)
            return;
        ks_hset(&f, 0, name_of(i), "f", "v");
        set_type(i, VALUE_HASH);
    } else {
        ks_set(&f, 0, name_of(i), "v");
        set_type(i, VALUE_STRING);
    }
}

static void rename_key(uint32_t from, uint32_t to)
{
    if (from == to || model.type[0][from] != VALUE_STRING)
        return;
    ks_rename(&f, 0, name_of(from), name_of(to));
    set_type(to, VALUE_STRING);
    set_type(from, VALUE_NONE);
}

static void swap(void)
{
    ks_swap_db(&f, 0, 1);
    for (uint32_t i = 0; i < NAMES; i++) {
        enum value_type type = model.type[0][i];
        model.type[0][i] = model.type[1][i];
        model.type[1][i] = type;
        set_type(i, model.type[0][i]);
    }
}

static void flush_db(void)
{
    ks_flush_db(&f, 0);
    for (uint32_t i = 0; i < NAMES; i++)
        set_type(i, VALUE_NONE);
}

static void one_change(void)
{
    char got[16];
    uint32_t i = draw(NAMES), what = draw(1000);
    if (what < 400) {
        put_key(i);
    } else if (what < 650) {
        if (model.type[0][i] != VALUE_HASH)
            assert_int_equal(ks_get(&f, 0, name_of(i), got, sizeof(got)),
                             model.type[0][i] != VALUE_NONE);
    } else if (what < 780) {
        assert_int_equal(ks_del(&f, 0, name_of(i)), model.type[0][i] != VALUE_NONE);
        set_type(i, VALUE_NONE);
    } else if (what < 880) {
        rename_key(i, draw(NAMES));
    } else if (what < 920) {
        ks_set_until(&f, 0, name_of(i), "v", clock_wall().ms + 1); /* gone in a moment */
        set_type(i, VALUE_NONE);
        ks_await_past(clock_wall().ms + 2);
    } else if (what < 955) {
        ks_flush(&f);
    } else if (what < 990) {
        ks_evict(&f);
    } else if (what < 997) {
        swap();
    } else {
        flush_db();
    }
}

static void churn(void)
{
    for (uint32_t n = draw(CHURN_MAX); n > 0; n--)
        one_change();
}

static void check(const struct shown *shown, enum value_type type, bool one_call)
{
    uint32_t missing = 0, first = 0, wanted = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        if (model.throughout[i] == VALUE_NONE ||
            (type != VALUE_NONE && model.throughout[i] != type))
            continue;
        wanted++;
        if (shown->times[i] > 0)
            continue;
        first = missing++ == 0 ? i : first;
    }
    if (missing > 0)
        fail_msg("%u of %u keys that were there throughout are missing, the first is %s (%s)",
                 missing, wanted, name_of(first), one_call ? "KEYS" : "SCAN");
}

static void keys_that_were_there_throughout_are_shown(void **state)
{
    (void)state;
    random_state = (uint64_t)clock_mono().us;
    const char *given = getenv("SEED");
    if (given != NULL)
        random_state = strtoull(given, NULL, 10);
    print_message("SEED=%llu\n", (unsigned long long)random_state);
    memset(&model, 0, sizeof(model));
    for (int round = 0; round < WALKS; round++) {
        static const enum value_type types[] = {VALUE_NONE, VALUE_NONE, VALUE_STRING, VALUE_HASH};
        struct shown shown = {.ks = f.ks};
        enum value_type type = types[draw(4)];
        bool one_call = draw(3) == 0;
        for (uint32_t i = 0; i < NAMES; i++)
            if (draw(3) > 0)
                put_key(i);
        if (draw(4) > 0)
            ks_flush(&f);
        if (draw(4) > 0)
            ks_evict(&f);
        begin_model();
        walk(&shown, type, one_call, 1 + draw(60), churn);
        check(&shown, type, one_call);
    }
}

/* --- Single promises --- */

static uint32_t shown_times(const struct shown *shown, uint32_t times)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < NAMES; i++)
        n += shown->times[i] == times;
    return n;
}

static void overwrite_all(void)
{
    for (uint32_t i = 0; i < NAMES; i++)
        ks_set(&f, 0, name_of(i), "w");
}

static void cold_keys_that_are_overwritten_between_two_calls_are_shown(void **state)
{
    (void)state;
    struct shown shown = {.ks = f.ks};
    uint64_t cursor = 0;
    overwrite_all();
    ks_restart(&f, true);
    struct walk *w = walk_new(f.ks, 0);
    assert_int_equal(step(w, &cursor, VALUE_NONE, 10, &shown, NULL), WALK_MORE);
    while ((cursor >> 62) == 0) /* until the resident ones are done */
        (void)step(w, &cursor, VALUE_NONE, 10, &shown, NULL);
    overwrite_all();
    while (step(w, &cursor, VALUE_NONE, 10, &shown, NULL) == WALK_MORE)
        ;
    walk_free(&w);
    assert_int_equal(shown_times(&shown, 0), 0);
}

static void keys_of_the_same_names_in_an_exchanged_database_are_shown(void **state)
{
    (void)state;
    overwrite_all();
    ks_swap_db(&f, 0, 1);
    overwrite_all();
    ks_restart(&f, true);
    for (int calls = 1; calls < 80; calls += 7) {
        struct shown shown = {.ks = f.ks};
        uint64_t cursor = 0;
        char got[16];
        for (uint32_t i = 0; i < NAMES / 2; i++)
            ks_get(&f, 0, name_of(i), got, sizeof(got));
        for (int call = 0; call == 0 || cursor != 0; call++) {
            struct walk *w = walk_new(f.ks, 0);
            (void)step(w, &cursor, VALUE_NONE, 10, &shown, NULL);
            walk_free(&w);
            if (call == calls)
                ks_swap_db(&f, 0, 1);
        }
        assert_int_equal(shown_times(&shown, 0), 0);
    }
}

static void nothing_is_shown_twice_where_nothing_moves(void **state)
{
    (void)state;
    struct shown shown = {.ks = f.ks};
    char got[16];
    overwrite_all();
    ks_restart(&f, true);
    for (uint32_t i = 0; i < NAMES / 2; i++)
        ks_get(&f, 0, name_of(i), got, sizeof(got));
    walk(&shown, VALUE_NONE, false, 10, NULL);
    assert_int_equal(shown_times(&shown, 1), NAMES);
}

static void who_cannot_wait_is_told_that_keys_are_not_in_memory(void **state)
{
    (void)state;
    struct shown shown = {.ks = f.ks};
    struct err err;
    uint64_t cursor = 0;
    ks_set(&f, 0, "k1", "v");
    struct walk *w = walk_new(f.ks, 0);
    while (walk_keys(w, NULL, &cursor, 10, VALUE_NONE, show, &shown, NULL, &err) == WALK_MORE)
        ;
    assert_int_equal(shown.times[1], 1); /* everything is in memory */
    walk_free(&w);
    ks_restart(&f, true);
    w = walk_new(f.ks, 0);
    assert_int_equal(walk_keys(w, NULL, &cursor, 10, VALUE_NONE, show, &shown, NULL, &err),
                     WALK_PARKED);
    walk_free(&w);
}

/* --- Arrivals --- */

static void of_an_era_that_is_forgotten_every_key_may_have_come(void **state)
{
    (void)state;
    struct arrivals a;
    arrivals_init(&a);
    assert_true(arrivals_since(&a, 1, 42)); /* no walk has begun: nothing was noted */
    uint32_t first = arrivals_begin(&a);
    assert_false(arrivals_since(&a, first, 42));
    for (int era = 0; era < ARRIVALS_ERAS - 1; era++) {
        for (uint64_t hash = 1; hash <= 100; hash++)
            arrivals_note(&a, hash << 40);
        a.began_us = 0;
        (void)arrivals_begin(&a);
    }
    assert_false(arrivals_since(&a, first, 42));
    assert_true(arrivals_since(&a, first, UINT64_C(7) << 40));
    uint32_t last = arrivals_begin(&a);
    assert_int_equal(last, first + ARRIVALS_ERAS - 1);
    assert_false(arrivals_since(&a, last, UINT64_C(7) << 40));
    for (uint64_t hash = 1; hash <= 100; hash++)
        arrivals_note(&a, hash << 40);
    a.began_us = 0;
    (void)arrivals_begin(&a);
    assert_true(arrivals_since(&a, first, 42));
    assert_false(arrivals_since(&a, last, 42));
    arrivals_fini(&a);
}

int main(void)
{
#define KS(test) KS_TEST(test, &f)
    const struct CMUnitTest tests[] = {
        KS(keys_that_were_there_throughout_are_shown),
        KS(cold_keys_that_are_overwritten_between_two_calls_are_shown),
        KS(keys_of_the_same_names_in_an_exchanged_database_are_shown),
        KS(nothing_is_shown_twice_where_nothing_moves),
        KS(who_cannot_wait_is_told_that_keys_are_not_in_memory),
        cmocka_unit_test(of_an_era_that_is_forgotten_every_key_may_have_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
