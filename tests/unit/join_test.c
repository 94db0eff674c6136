/* Which store and which journal belong together: every row of the table in keyspace/join.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/join.h"

#include "base/log.h"
#include "tests/support/journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define OURS    \
    {           \
        7, 7, 7 \
    }

/* A journal that has the records from `after` + 1 to `last`. */
static struct journal_history journal_of(uint64_t after, uint64_t last)
{
    return (struct journal_history){.id = OURS,
                                    .exists = true,
                                    .coherent = true,
                                    .after_lsn = after,
                                    .whole_after_lsn = after,
                                    .last_lsn = last};
}

static const struct backend_position fresh = {.fresh = true};

static struct backend_position store_at(uint64_t lsn)
{
    return (struct backend_position){.cut_lsn = lsn, .mark.journal_id = OURS};
}

static struct backend_position unjoined_at(uint64_t lsn)
{
    return (struct backend_position){.cut_lsn = lsn};
}

#define DECIDES(verdict, store, journal)                                   \
    do {                                                                   \
        struct backend_position store_ = (store);                          \
        struct journal_history journal_ = (journal);                       \
        assert_int_equal(join_decide(&store_, &journal_), JOIN_##verdict); \
    } while (0)

static void a_store_of_no_journal_joins_a_new_or_an_empty_one(void **state)
{
    (void)state;
    struct journal_history none = {.id = OURS};
    DECIDES(JOIN, fresh, none);
    DECIDES(JOIN, unjoined_at(500), none);
    DECIDES(JOIN, fresh, journal_of(0, 0)); /* killed between the journal's start and ours */
    DECIDES(JOIN, unjoined_at(500), journal_of(500, 500));
}

static void a_fresh_store_beside_a_journal_with_a_history_is_refused(void **state)
{
    (void)state;
    DECIDES(NEW_STORE, fresh, journal_of(0, 10));
    DECIDES(NEW_STORE, fresh, journal_of(90, 100));
    DECIDES(NEW_STORE, fresh, journal_of(100, 100)); /* stopped in order, all of it flushed */
}

static void a_store_of_an_unknown_journal_is_refused_beside_one_with_records(void **state)
{
    (void)state;
    DECIDES(FOREIGN, unjoined_at(50), journal_of(0, 100));
    DECIDES(FOREIGN, unjoined_at(50), journal_of(60, 60));
}

static void a_store_whose_journal_is_gone_is_refused(void **state)
{
    (void)state;
    struct journal_history none = {.id = {1}};
    DECIDES(NO_JOURNAL, store_at(50), none);
    DECIDES(NO_JOURNAL, store_at(0), none);
}

static void a_store_of_another_journal_is_refused_at_any_position(void **state)
{
    (void)state;
    struct journal_history other = journal_of(0, 100);
    other.id[15] = 1;
    DECIDES(FOREIGN, store_at(0), other);
    DECIDES(FOREIGN, store_at(50), other);
    DECIDES(FOREIGN, store_at(500), other);
}

static void a_store_that_is_older_than_the_first_record_is_refused(void **state)
{
    (void)state;
    DECIDES(STORE_OLDER, store_at(49), journal_of(50, 100));
    struct journal_history gap = journal_of(50, 100);
    gap.whole_after_lsn = 80;
    DECIDES(STORE_OLDER, store_at(79), gap);
    DECIDES(REPLAY, store_at(80), gap);
}

static void what_an_operator_accepted_is_replayed_over_the_gap(void **state)
{
    (void)state;
    struct journal_history gap = journal_of(50, 100);
    struct backend_position store = store_at(50);
    gap.whole_after_lsn = 80;
    store.mark.accepts_lsn = 79;
    DECIDES(STORE_OLDER, store, gap);
    store.mark.accepts_lsn = 80;
    DECIDES(REPLAY, store, gap);
    store.cut_lsn = 49;
    DECIDES(STORE_OLDER, store, gap);
}

static void a_store_within_the_journal_or_at_its_end_is_replayed(void **state)
{
    (void)state;
    DECIDES(REPLAY, store_at(50), journal_of(50, 100));
    DECIDES(REPLAY, store_at(75), journal_of(50, 100));
    DECIDES(REPLAY, store_at(100), journal_of(50, 100));
    DECIDES(REPLAY, store_at(100), journal_of(100, 100));
}

static void a_journal_that_ends_before_the_store_is_refused(void **state)
{
    (void)state;
    DECIDES(JOURNAL_OLDER, store_at(101), journal_of(50, 100)); /* the machine ran all the time */
    struct journal_history rebooted = journal_of(50, 100);
    struct backend_position store = store_at(120);
    rebooted.coherent = false;
    store.mark.durable_lsn = 101;
    DECIDES(JOURNAL_OLDER, store, rebooted);
}

static void power_loss_may_leave_the_store_ahead_of_the_journal(void **state)
{
    (void)state;
    struct journal_history rebooted = journal_of(50, 100);
    struct backend_position store = store_at(120);
    rebooted.coherent = false;
    store.mark.durable_lsn = 100;
    DECIDES(REPLAY_NOTHING, store, rebooted);
}

/* ---- in words, over a real journal ---- */

static struct journal_rig rig;
static char text[4096];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    rig_init(&rig, JOURNAL_FSYNC_NO);
    text[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

static void add_line(void *ctx, const char *line)
{
    (void)ctx;
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, "%s\n", line);
}

static void describe(struct backend_position store)
{
    text[0] = '\0';
    join_describe(&store, rig.j, add_line, NULL);
}

static void expect(const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void write_and_open_again(uint32_t records)
{
    rig_resume(&rig, 0, 0);
    rig_append(&rig, records);
    rig_sync(&rig);
    rig_close(&rig);
    rig_open(&rig);
}

static void a_refusal_names_ids_positions_what_is_missing_and_the_ways_on(void **state)
{
    (void)state;
    write_and_open_again(20);
    struct backend_position foreign = store_at(33);
    foreign.mark.journal_id[0] = 0xab;
    foreign.mark.cut_at_ms = 86400000;
    describe(foreign);
    expect("store: of journal ab070700, at LSN 33, from 1970-01-02 00:00:00 UTC");
    expect("journal: 07070700, 20 records, LSN 1 to 20, ");
    expect("they do not belong together");
    expect("weirctl store adopt replay");
    expect("weirctl store adopt as-is");
    assert_int_equal(join_check(&foreign, rig.j, &rig.err), RC_FOREIGN);
    describe(fresh);
    expect("The journal reaches back to its first record");
    describe(store_at(40));
    expect("journal is older than the store, or has lost its end");
    expect("is closed: its records are older than what the store has");
    describe(store_at(10));
    expect("they belong together");
}

static void an_older_store_is_told_which_records_are_missing(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(journal_start(rig.j, 50, &rig.err), RC_OK); /* 1 to 50 are not there */
    rig_close(&rig);
    rig_open(&rig);
    describe(store_at(20));
    expect("the store is older than the journal (a backup?). Missing: LSN 21 to 50, 30 records");
    describe(fresh);
    expect("Missing: what was written up to LSN 50");
}

static void a_journal_that_was_set_aside_is_no_journal_any_more(void **state)
{
    (void)state;
    uint64_t files, len;
    write_and_open_again(20);
    assert_int_equal(journal_set_aside(rig.j, "aside", &files, &rig.err), RC_OK);
    assert_int_equal(files, 3); /* a segment and two rings */
    rig_close(&rig);
    assert_non_null(simfs_bytes(rig.disk, "journal/aside/00000000000000000001.wj", &len));
    struct journal_history h;
    rig_open(&rig);
    journal_get_history(rig.j, &h);
    assert_false(h.exists);
}

static void ways_are_closed_where_they_would_harm(void **state)
{
    (void)state;
    struct journal_history full = journal_of(0, 100), empty = journal_of(100, 100), none = {0};
    struct backend_position at = store_at(50), newer = store_at(200), other = store_at(50);
    other.mark.journal_id[1] = 99;
    assert_non_null(join_forbids(&at, &full, JOIN_WAY_REPLAY)); /* nothing to do */
    assert_non_null(join_forbids(&at, &full, JOIN_WAY_STORE));
    assert_non_null(join_forbids(&newer, &full, JOIN_WAY_REPLAY)); /* older values over newer */
    assert_null(join_forbids(&newer, &full, JOIN_WAY_STORE));
    assert_non_null(join_forbids(&fresh, &empty, JOIN_WAY_REPLAY));
    assert_non_null(join_forbids(&at, &none, JOIN_WAY_REPLAY));
    assert_null(join_forbids(&at, &none, JOIN_WAY_STORE));
    assert_null(join_forbids(&other, &full, JOIN_WAY_REPLAY));
    assert_null(join_forbids(&fresh, &full, JOIN_WAY_REPLAY));
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_no_journal_joins_a_new_or_an_empty_one),
        cmocka_unit_test(a_fresh_store_beside_a_journal_with_a_history_is_refused),
        cmocka_unit_test(a_store_of_an_unknown_journal_is_refused_beside_one_with_records),
        cmocka_unit_test(a_store_whose_journal_is_gone_is_refused),
        cmocka_unit_test(a_store_of_another_journal_is_refused_at_any_position),
        cmocka_unit_test(a_store_that_is_older_than_the_first_record_is_refused),
        cmocka_unit_test(what_an_operator_accepted_is_replayed_over_the_gap),
        cmocka_unit_test(a_store_within_the_journal_or_at_its_end_is_replayed),
        cmocka_unit_test(a_journal_that_ends_before_the_store_is_refused),
        cmocka_unit_test(power_loss_may_leave_the_store_ahead_of_the_journal),
        cmocka_unit_test(ways_are_closed_where_they_would_harm),
        RIG_TEST(a_refusal_names_ids_positions_what_is_missing_and_the_ways_on),
        RIG_TEST(an_older_store_is_told_which_records_are_missing),
        RIG_TEST(a_journal_that_was_set_aside_is_no_journal_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
