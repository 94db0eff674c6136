/* What write-back promises, driven by transactions over the memory backend.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/accounts.h"
#include "tests/support/ks.h"
#include "writeback/internal.h"

#include "base/stats.h"
#include "config/options.h"
#include "journal/journal.h"
#include "store/store.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct ks_fixture f;

static struct writeback_info about(void)
{
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(f.ks), &info);
    return info;
}

static void flush_keeps_the_newest_value_and_writes_it_once(void **state)
{
    (void)state;
    char value[16];
    uint64_t items = stat_get(STAT_flushed_items), coalesced = stat_get(STAT_coalesced_writes);
    for (int i = 0; i < 100; i++) {
        snprintf(value, sizeof(value), "v%d", i);
        ks_set(&f, 0, "k", value);
    }
    assert_null(ks_stored(&f, "k"));
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "v99");
    assert_int_equal(stat_get(STAT_flushed_items) - items, 1);
    assert_int_equal(stat_get(STAT_coalesced_writes) - coalesced, 99);
}

static void a_tombstone_shadows_the_backend_until_its_cut_is_committed(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "v");
    ks_flush(&f);
    memory_hold_applies(f.store, true);
    assert_true(ks_del(&f, 0, "k"));
    writeback_request_flush(keyspace_writeback(f.ks));
    assert_true(memory_wait_held(f.store, 10000));
    assert_string_equal(ks_stored(&f, "k"), "v");
    ks_expect(&f, "k", NULL);
    assert_false(ks_del(&f, 0, "k"));
    memory_hold_applies(f.store, false);
    ks_flush(&f);
    assert_null(ks_stored(&f, "k"));
    ks_expect(&f, "k", NULL);
}

static void a_write_during_a_flush_leaves_with_the_next_one(void **state)
{
    (void)state;
    memory_hold_applies(f.store, true);
    ks_set(&f, 0, "k", "old");
    writeback_request_flush(keyspace_writeback(f.ks));
    assert_true(memory_wait_held(f.store, 10000));
    ks_set(&f, 0, "k", "new");
    memory_hold_applies(f.store, false);
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "new");
}

/* Every state that the backend ever has must add up. */
enum { PAIRS = 512 };

static void the_backend_is_a_consistent_past_at_every_instant(void **state)
{
    (void)state;
    int seen = 0;
    struct accounts accounts;
    const struct slice delay[] = {SLICE("write-delay-ms"), SLICE("0")};
    const char *failed;
    struct err err;
    assert_int_equal(options_set(delay, 1, &failed, &err), RC_OK);
    accounts_start(&accounts, &f, PAIRS);
    int64_t until = clock_mono().us + 60000000;
    while (seen <= 40 * PAIRS && clock_mono().us < until) {
        memory_hold_applies(f.store, true); /* the store stands still while it is looked at */
        assert_true(memory_wait_held(f.store, 10000));
        seen += accounts_check(&accounts);
        memory_hold_applies(f.store, false);
    }
    accounts_stop(&accounts);
    assert_true(seen > 40 * PAIRS);
    ks_flush(&f);
}

static void a_lost_answer_is_repaired_by_trying_again(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "v");
    memory_fail_applies_after_commit(f.store, 3, RC_UNAVAILABLE);
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "v");
}

static void a_failing_backend_loses_nothing_and_says_so(void **state)
{
    (void)state;
    struct writeback_info info;
    uint64_t retries = stat_get(STAT_batch_retries);
    memory_fail_applies(f.store, 8, RC_FULL);
    ks_set(&f, 0, "k", "v");
    writeback_request_flush(keyspace_writeback(f.ks));
    ks_expect(&f, "k", "v");
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "v");
    assert_int_equal(stat_get(STAT_batch_retries) - retries, 8);
    writeback_get_info(keyspace_writeback(f.ks), &info);
    assert_string_equal(info.backend_state, "up");
    assert_int_equal(info.breaker, BREAKER_CLOSED);
}

static bool has_failed_for_a_while(void *ctx)
{
    struct writeback_info *info = ctx;
    writeback_get_info(keyspace_writeback(f.ks), info);
    return info->failures >= 3 && info->oldest_dirty_ms >= 20;
}

static void what_is_in_flight_while_flushes_fail_is_dirty_and_grows_old(void **state)
{
    (void)state;
    struct writeback_info info;
    memory_fail_applies(f.store, 1000, RC_FULL);
    ks_set(&f, 0, "k", "v");
    writeback_request_flush(keyspace_writeback(f.ks));
    ks_await(has_failed_for_a_while, &info, "three failures");
    assert_int_equal(info.in_flight_keys, 1);
    assert_int_equal(info.dirty_keys, 1);
    assert_true(info.dirty_bytes > 0 && info.dirty_bytes >= info.in_flight_bytes);
    int64_t age_ms = info.oldest_dirty_ms;
    ks_set(&f, 0, "later", "v"); /* does not make the oldest younger */
    writeback_get_info(keyspace_writeback(f.ks), &info);
    assert_true(info.oldest_dirty_ms >= age_ms);
    assert_int_equal(info.dirty_keys, 2);
    memory_fail_applies(f.store, 0, RC_OK);
    ks_flush(&f);
    writeback_get_info(keyspace_writeback(f.ks), &info);
    assert_int_equal(info.oldest_dirty_ms + (int64_t)info.dirty_keys, 0);
}

static bool has_no_dead_letters(void *ctx)
{
    struct writeback_info info;
    (void)ctx;
    writeback_get_info(keyspace_writeback(f.ks), &info);
    return info.dead_letters == 0;
}

static void a_rejected_key_becomes_a_dead_letter_and_the_rest_goes_on(void **state)
{
    (void)state;
    struct writeback_info info;
    memory_reject_key(f.store, SLICE("bad"));
    ks_set(&f, 0, "good", "1");
    ks_set(&f, 0, "bad", "2");
    ks_set(&f, 0, "fine", "3");
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "good"), "1");
    assert_string_equal(ks_stored(&f, "fine"), "3");
    assert_null(ks_stored(&f, "bad"));
    ks_expect(&f, "bad", "2");
    writeback_get_info(keyspace_writeback(f.ks), &info);
    assert_int_equal(info.dead_letters, 1);

    ks_restart(&f, true); /* the journal has given it up; the letter has not */
    ks_expect(&f, "bad", "2");
    memory_accept_all(f.store);
    assert_int_equal(ks_order(&f, ORDER_RETRY_LETTER, 0), 1);
    ks_await(has_no_dead_letters, NULL, "the letter is delivered");
    assert_string_equal(ks_stored(&f, "bad"), "2");
}

/* It is captured in parts, of which each could be refused by itself. */
static void a_large_value_that_is_refused_is_one_letter(void **state)
{
    (void)state;
    enum { FIELDS = 3 * PIECE_PART_ELEMENTS };
    memory_reject_key(f.store, SLICE("bad"));
    for (int i = 0; i < FIELDS; i++) {
        char field[16];
        snprintf(field, sizeof(field), "%d", i);
        ks_hset(&f, 0, "bad", field, "value");
    }
    ks_set(&f, 0, "good", "1");
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "good"), "1");
    assert_int_equal(about().dead_letters, 1);
    ks_restart(&f, true);
    assert_int_equal(ks_hlen(&f, 0, "bad"), FIELDS);
    memory_accept_all(f.store);
    assert_int_equal(ks_order(&f, ORDER_RETRY_LETTER, 0), 1);
    ks_await(has_no_dead_letters, NULL, "the letter is delivered");
    ks_restart(&f, true);
    assert_int_equal(ks_hlen(&f, 0, "bad"), FIELDS);
}

static void edit_outside(const char *key, const char *value)
{
    struct backend_item item = {.db = 1,
                                .type = value != NULL ? VALUE_STRING : VALUE_NONE,
                                .key = slice_str(key),
                                .value = slice_str(value != NULL ? value : "")};
    memory_edit(f.store, &item);
}

static bool sees_theirs(void *ctx)
{
    char got[32] = "";
    ks_get(&f, 0, ctx, got, sizeof(got));
    return strcmp(got, "theirs") == 0;
}

static void a_clean_key_that_somebody_changed_is_loaded_again(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "ours");
    ks_flush(&f);
    edit_outside("k", "theirs");
    ks_await(sees_theirs, "k", "the outside change is noticed");
}

static void a_conflict_is_decided_for_the_backend_by_default_and_recorded(void **state)
{
    (void)state;
    struct writeback_info info;
    ks_set(&f, 0, "k", "base");
    ks_flush(&f);
    ks_set(&f, 0, "k", "ours");
    edit_outside("k", "theirs");
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "theirs");
    ks_expect(&f, "k", "theirs");
    writeback_get_info(keyspace_writeback(f.ks), &info);
    assert_int_equal(info.conflicts, 1);
}

static void a_conflict_is_decided_for_the_proxy_when_configured(void **state)
{
    (void)state;
    const struct slice policy[] = {SLICE("conflict-policy"), SLICE("proxy-wins")};
    const char *failed;
    struct err err;
    assert_int_equal(options_set(policy, 1, &failed, &err), RC_OK);
    ks_set(&f, 0, "k", "base");
    ks_flush(&f);
    ks_set(&f, 0, "k", "ours");
    edit_outside("k", "theirs");
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "ours");
    ks_expect(&f, "k", "ours");
}

static bool is_settled(void *ctx)
{
    return writeback_is_settled(ctx);
}

/* Two writes in a batch that the backend has and does not answer yet. */
static void write_into_held_batch(const char *bad, const char *k)
{
    memory_hold_applies(f.store, true);
    ks_set(&f, 0, "bad", bad);
    ks_set(&f, 0, "k", k);
    writeback_request_flush(keyspace_writeback(f.ks));
    assert_true(memory_wait_held(f.store, 10000));
}

/* A batch is lost on the way back: it was committed once, and so were its records. */
static void a_lost_answer_neither_doubles_records_nor_overrules_what_was_decided(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "base");
    ks_flush(&f);
    ks_await(is_settled, keyspace_writeback(f.ks), "that nothing is on its way");
    uint64_t cuts = stat_get(STAT_cuts), applies = memory_counters(f.store).applies;
    memory_reject_key(f.store, SLICE("bad"));
    write_into_held_batch("refused", "ours");
    memory_hold_applies(f.store, false);
    ks_flush(&f);
    write_into_held_batch("again", "ours too");
    edit_outside("k", "theirs");
    memory_fail_applies_after_commit(f.store, 1, RC_UNAVAILABLE);
    memory_hold_applies(f.store, false);
    ks_flush(&f);
    /* It is not applied again. A cut of nothing, which moves the position along, may be among them.
     */
    assert_true(memory_counters(f.store).applies - applies <= stat_get(STAT_cuts) - cuts);
    assert_int_equal(about().dead_letters, 1);
    assert_int_equal(about().conflicts, 1);
    ks_expect(&f, "bad", "again");
    assert_string_equal(ks_stored(&f, "k"), "theirs");
    ks_expect(&f, "k", "theirs");
}

/* What fails on the way there is tried again from the start. */
static void a_batch_that_is_retried_has_each_record_once(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "base");
    ks_flush(&f);
    memory_reject_key(f.store, SLICE("bad"));
    memory_fail_applies(f.store, UINT64_MAX, RC_BUSY);
    ks_set(&f, 0, "bad", "refused");
    ks_set(&f, 0, "k", "ours");
    edit_outside("k", "theirs");
    writeback_request_flush(keyspace_writeback(f.ks));
    int64_t until = clock_mono().us + 10000000;
    while (about().failures < 3 && clock_mono().us < until)
        sched_yield();
    assert_int_equal(about().dead_letters + about().conflicts, 0);
    memory_fail_applies(f.store, 0, RC_OK);
    ks_flush(&f);
    assert_int_equal(about().dead_letters, 1);
    assert_int_equal(about().conflicts, 1);
    assert_string_equal(ks_stored(&f, "k"), "theirs");
    ks_restart(&f, true);
    assert_int_equal(about().dead_letters, 1);
    assert_int_equal(about().conflicts, 1);
}

static void what_is_made_of_a_change_that_loses_loses_with_it(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        uint64_t before = about().conflicts;
        ks_set(&f, 0, "k", "base");
        ks_flush(&f);
        memory_hold_applies(f.store, true);
        ks_set(&f, 0, "k", "ours");
        writeback_request_flush(keyspace_writeback(f.ks));
        assert_true(memory_wait_held(f.store, 10000));
        /* The store is held by its lock's owner: the edit comes through when the hold ends. */
        ks_set(&f, 0, "k", "on top of ours");
        edit_outside("k", "theirs");
        memory_hold_applies(f.store, false);
        ks_await(sees_theirs, "k", "theirs has won");
        if (restart)
            ks_restart(&f, false); /* the journal does not bring it back */
        ks_expect(&f, "k", "theirs");
        ks_flush(&f);
        assert_string_equal(ks_stored(&f, "k"), "theirs");
        assert_int_equal(about().conflicts - before, 2);
        ks_set(&f, 0, "k", "later");
        ks_flush(&f);
        assert_string_equal(ks_stored(&f, "k"), "later");
    }
}

static bool is_away(void *ctx)
{
    (void)ctx;
    return memory_is_away(f.store);
}

/* The store has the batch, and neither the answer nor the position can be had for a while. What it
 * decided stands, and is recorded once. */
static void while_nobody_knows_whether_a_batch_was_committed_it_is_not_decided_anew(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "base");
    ks_flush(&f);
    uint64_t conflicts = about().conflicts, letters = about().dead_letters;
    uint64_t commits = memory_counters(f.store).commits, failures = stat_get(STAT_batch_retries);
    memory_reject_key(f.store, SLICE("bad"));
    write_into_held_batch("refused", "ours");
    edit_outside("k", "theirs");
    memory_leave_after_commit(f.store);
    memory_hold_applies(f.store, false);
    int64_t until = clock_mono().us + 10000000;
    while (stat_get(STAT_batch_retries) < failures + 3 && clock_mono().us < until)
        sched_yield();
    assert_true(memory_is_away(f.store));
    memory_return(f.store);
    ks_flush(&f);
    assert_int_equal(memory_counters(f.store).commits - commits, 1);
    assert_string_equal(ks_stored(&f, "k"), "theirs");
    ks_expect(&f, "k", "theirs");
    ks_expect(&f, "bad", "refused");
    for (int restart = 0; restart < 2; restart++) {
        assert_int_equal(about().conflicts - conflicts, 1);
        assert_int_equal(about().dead_letters - letters, 1);
        ks_restart(&f, false);
    }
}

/* The store has the batch that kept theirs, and the proxy ended before it could journal that. */
static void a_crash_behind_such_a_commit_does_not_bring_back_what_lost(void **state)
{
    (void)state;
    ks_set_two(&f, 0, "k", "base", "once", "base");
    ks_flush(&f);
    uint64_t before = about().conflicts;
    memory_hold_applies(f.store, true);
    ks_set_two(&f, 0, "k", "ours", "once", "ours");
    writeback_request_flush(keyspace_writeback(f.ks));
    assert_true(memory_wait_held(f.store, 10000));
    ks_set(&f, 0, "k", "on top of ours");
    ks_set(&f, 0, "other", "is not concerned");
    edit_outside("k", "theirs");
    edit_outside("once", "theirs");
    memory_leave_after_commit(f.store);
    memory_hold_applies(f.store, false);
    ks_await(is_away, NULL, "the batch is committed");
    ks_stop(&f, false);
    memory_return(f.store);

    memory_fail_applies(f.store, UINT64_MAX, RC_UNAVAILABLE); /* the cut stays where it is */
    ks_start(&f);
    ks_expect(&f, "k", "theirs");
    ks_expect(&f, "once", "theirs");
    ks_expect(&f, "other", "is not concerned");
    assert_int_equal(about().conflicts - before, 3);
    ks_set_two(&f, 0, "k", "later", "once", "later"); /* by somebody who saw theirs */
    ks_restart(&f, false);
    ks_expect(&f, "k", "later");
    ks_expect(&f, "once", "later");
    assert_int_equal(about().conflicts - before, 3);
    memory_fail_applies(f.store, 0, RC_OK);
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "k"), "later");
    assert_string_equal(ks_stored(&f, "once"), "later");
    assert_string_equal(ks_stored(&f, "other"), "is not concerned");
}

static void a_database_that_is_flushed_takes_its_letters_with_it(void **state)
{
    (void)state;
    memory_reject_key(f.store, SLICE("bad"));
    ks_set(&f, 0, "bad", "1");
    ks_flush(&f);
    assert_int_equal(about().dead_letters, 1);
    ks_flush_db(&f, 0);
    ks_expect(&f, "bad", NULL);
    ks_flush(&f);
    assert_int_equal(about().dead_letters, 0);
    ks_restart(&f, true);
    ks_expect(&f, "bad", NULL);
}

static void a_dropped_letter_gives_way_unless_something_newer_rests_on_it(void **state)
{
    (void)state;
    memory_reject_key(f.store, SLICE("bad"));
    ks_set(&f, 0, "bad", "1");
    ks_flush(&f);
    ks_set(&f, 0, "bad", "2");
    assert_int_equal(ks_order(&f, ORDER_DROP_LETTER, 0), 0);
    ks_expect(&f, "bad", "2");
    ks_flush(&f);
    assert_int_equal(about().dead_letters, 1);
    assert_int_equal(ks_order(&f, ORDER_DROP_LETTER, 0), 1);
    ks_expect(&f, "bad", NULL);
    assert_int_equal(about().dead_letters, 0);
    ks_restart(&f, true);
    ks_expect(&f, "bad", NULL);
}

static void losses_are_told_for_the_range_that_they_are_in(void **state)
{
    (void)state;
    struct writeback_losses losses;
    struct writeback *wb = keyspace_writeback(f.ks);
    memory_reject_key(f.store, SLICE("bad"));
    ks_set(&f, 0, "good", "1");
    ks_flush(&f);
    uint64_t first = about().applied_lsn;
    ks_set(&f, 0, "bad", "1");
    ks_flush(&f);
    uint64_t second = about().applied_lsn;
    ks_set(&f, 0, "good", "2");
    ks_flush(&f);
    writeback_get_losses(wb, 1, first, &losses);
    assert_int_equal(losses.refused, 0);
    writeback_get_losses(wb, first + 1, second, &losses);
    assert_int_equal(losses.refused, 1);
    writeback_get_losses(wb, second + 1, about().applied_lsn, &losses);
    assert_int_equal(losses.refused, 0);
    char value[16];
    for (int i = 0; i < 200; i++) { /* a bounded memory of them says rather too much */
        snprintf(value, sizeof(value), "%d", i);
        ks_set(&f, 0, "bad", value);
        ks_flush(&f);
    }
    writeback_get_losses(wb, first + 1, second, &losses);
    assert_true(losses.refused >= 1);
    writeback_get_losses(wb, about().applied_lsn, about().applied_lsn, &losses);
    assert_int_equal(losses.refused, 1);
}

static void what_was_not_flushed_comes_back_from_the_journal(void **state)
{
    (void)state;
    ks_set(&f, 0, "flushed", "1");
    ks_flush(&f);
    ks_set(&f, 0, "late", "2");
    ks_hset(&f, 1, "h", "f", "3");
    assert_true(ks_del(&f, 2, "flushed"));
    for (int round = 0; round < 3;
         round++) { /* recovery may itself be interrupted, any number of times */
        ks_restart(&f, false);
        ks_expect(&f, "late", "2");
        ks_expect(&f, "flushed", NULL);
    }
    ks_flush(&f);
    assert_string_equal(ks_stored(&f, "late"), "2");
    assert_null(ks_stored(&f, "flushed"));
    assert_non_null(ks_stored(&f, "h"));
}

static void an_expired_dirty_key_flushes_a_deletion(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "v");
    ks_flush(&f);
    ks_set_until(&f, 0, "k", "short", clock_wall().ms + 20);
    int64_t until = clock_mono().us + 10000000;
    while (stat_get(STAT_expired_keys) == 0 && clock_mono().us < until) {
        for (uint32_t w = 0; w < 3; w++)
            keyspace_tick(f.ks, f.t[w], w, 3, 10000);
    }
    ks_flush(&f);
    assert_null(ks_stored(&f, "k"));
}

static void flushdb_and_swapdb_reach_the_backend_with_their_cut(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "v");
    ks_flush(&f);
    ks_swap_db(&f, 0, 1);
    ks_expect(&f, "k", NULL);
    ks_set(&f, 0, "other", "w");
    ks_restart(&f, false);
    ks_expect(&f, "k", NULL);
    ks_expect(&f, "other", "w");
    ks_swap_db(&f, 1, 0);
    ks_expect(&f, "k", "v");
    ks_flush_db(&f, 0);
    ks_expect(&f, "k", NULL);
    ks_set(&f, 0, "k", "again");
    ks_flush(&f);
    ks_restart(&f, true);
    ks_expect(&f, "k", "again");
    ks_flush_db(&f, 0);
    ks_restart(&f, true);
    ks_expect(&f, "k", NULL);
}

static void a_miss_loads_once_and_absence_is_remembered(void **state)
{
    (void)state;
    ks_set(&f, 0, "k", "v");
    ks_restart(&f, true);
    uint64_t loads = stat_get(STAT_backend_loads);
    ks_expect(&f, "k", "v");
    ks_expect(&f, "k", "v");
    ks_expect(&f, "no", NULL);
    ks_expect(&f, "no", NULL);
    assert_int_equal(stat_get(STAT_backend_loads) - loads, 2);
    ks_set(&f, 0, "new", "1"); /* an overwrite never loads */
    assert_int_equal(stat_get(STAT_backend_loads) - loads, 2);
}

static int make_quick(void **state)
{
    static const char *const more[] = {"--write-delay-ms", "5", NULL};
    *state = &f;
    ks_make(&f, more);
    return 0;
}

static bool has_all(void *ctx)
{
    uint64_t last = journal_last_lsn(keyspace_journal(ctx));
    return keyspace_is_applied(ctx, last);
}

static void a_record_that_changes_nothing_moves_the_position_along(void **state)
{
    (void)state;
    struct journal *j = keyspace_journal(f.ks);
    struct journal_stamp stamp = journal_stamp(j); /* as of a command that ran out of memory */
    journal_append(j, 0, stamp, clock_wall(), 0, JOURNAL_NOOP, NULL, 0);
    ks_await(has_all, f.ks, "the backend has everything, though nothing was dirty");
    uint64_t cuts = stat_get(STAT_cuts);
    ks_set(&f, 0, "k", "v");
    ks_await(has_all, f.ks, "the backend has the key");
    assert_int_equal(stat_get(STAT_cuts), cuts + 1); /* and none was made for nothing */
}

/* Whether it was there is not known: the backend may have it. */
static void an_overwritten_key_is_removed_without_a_look(void **state)
{
    (void)state;
    struct txn_key k = {.mode = KEY_OVERWRITE, .name = SLICE("k")};
    struct slice argv[] = {SLICE("DEL"), SLICE("k")};
    ks_set(&f, 0, "k", "v");
    ks_restart(&f, true);
    uint64_t loads = stat_get(STAT_backend_loads);
    assert_int_equal(txn_begin(f.t[0], &k, 1, TXN_WRITES | TXN_NO_OOM, (struct slice){0},
                               COUNT_OF(argv), argv, NULL),
                     TXN_READY);
    assert_true(txn_remove(f.t[0], 0));
    txn_commit(f.t[0]);
    assert_int_equal(stat_get(STAT_backend_loads), loads);
    ks_expect(&f, "k", NULL);
    ks_flush(&f);
    assert_null(ks_stored(&f, "k"));
}

int main(void)
{
#define KS(test) KS_TEST(test, &f)
    const struct CMUnitTest tests[] = {
        KS(flush_keeps_the_newest_value_and_writes_it_once),
        KS(a_tombstone_shadows_the_backend_until_its_cut_is_committed),
        KS(a_write_during_a_flush_leaves_with_the_next_one),
        KS(the_backend_is_a_consistent_past_at_every_instant),
        KS(a_lost_answer_is_repaired_by_trying_again),
        KS(a_failing_backend_loses_nothing_and_says_so),
        KS(what_is_in_flight_while_flushes_fail_is_dirty_and_grows_old),
        KS(a_rejected_key_becomes_a_dead_letter_and_the_rest_goes_on),
        KS(a_large_value_that_is_refused_is_one_letter),
        KS(a_clean_key_that_somebody_changed_is_loaded_again),
        KS(a_conflict_is_decided_for_the_backend_by_default_and_recorded),
        KS(a_conflict_is_decided_for_the_proxy_when_configured),
        KS(a_lost_answer_neither_doubles_records_nor_overrules_what_was_decided),
        KS(a_batch_that_is_retried_has_each_record_once),
        KS(while_nobody_knows_whether_a_batch_was_committed_it_is_not_decided_anew),
        KS(what_is_made_of_a_change_that_loses_loses_with_it),
        KS(a_crash_behind_such_a_commit_does_not_bring_back_what_lost),
        KS(a_database_that_is_flushed_takes_its_letters_with_it),
        KS(a_dropped_letter_gives_way_unless_something_newer_rests_on_it),
        KS(losses_are_told_for_the_range_that_they_are_in),
        KS(what_was_not_flushed_comes_back_from_the_journal),
        KS(an_expired_dirty_key_flushes_a_deletion),
        KS(flushdb_and_swapdb_reach_the_backend_with_their_cut),
        KS(a_miss_loads_once_and_absence_is_remembered),
        cmocka_unit_test_setup_teardown(a_record_that_changes_nothing_moves_the_position_along,
                                        make_quick, ks_teardown),
        KS(an_overwritten_key_is_removed_without_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
