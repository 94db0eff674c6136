/* Appending, waiting, switching and trimming, while nothing goes wrong.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "base/stats.h"
#include "journal/format.h"
#include "tests/support/journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static struct journal_rig rig;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    rig_init(&rig, JOURNAL_FSYNC_EVERYSEC);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

static struct journal_info info(void)
{
    struct journal_info i;
    journal_get_info(rig.j, &i);
    return i;
}

static void a_new_journal_is_empty_and_begins_at_one(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    assert_int_equal(info().first_lsn, 0);
    assert_int_equal(info().segments, 1);
    assert_int_equal(journal_last_lsn(rig.j), 0);
    struct journal_stamp stamp = journal_stamp(rig.j);
    assert_int_equal(stamp.lsn, 1);
    journal_append(rig.j, 0, stamp, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    rig_sync(&rig);
    assert_int_equal(info().first_lsn, 1);
    assert_int_equal(info().durable_lsn, 1);
}

static void what_was_appended_comes_back_after_closing(void **state)
{
    (void)state;
    for (int policy = JOURNAL_FSYNC_ALWAYS; policy <= JOURNAL_FSYNC_NO; policy++) {
        rig.options.fsync = (enum journal_fsync)policy;
        uint64_t before = (uint64_t)policy * 100;
        rig_resume(&rig, 0, before);
        rig_append(&rig, 100);
        rig_close(&rig);
    }
    rig_resume(&rig, 0, 300);
}

static void records_count_in_statistics_by_whole_groups(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    stats_reset();
    rig_append(&rig, 50);
    rig_sync(&rig);
    assert_int_equal(stat_get(STAT_journal_records), 50);
    assert_true(stat_get(STAT_journal_groups) >= 1);
    assert_true(stat_get(STAT_journal_syncs) >= 1);
    assert_true(stat_get(STAT_journal_bytes) > 50 * sizeof(struct record_header));
    assert_int_equal(stat_get(STAT_journal_sync_failures), 0);
    assert_int_equal(stat_get(STAT_journal_write_failures), 0);
}

static void a_cut_falls_between_two_stamps(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 3);
    assert_int_equal(journal_cut(rig.j), 0);
    assert_int_equal(journal_bump_cut(rig.j), 3);
    assert_int_equal(journal_cut(rig.j), 1);
    struct journal_stamp stamp = journal_stamp(rig.j);
    assert_int_equal(stamp.cut, 1);
    assert_int_equal(stamp.lsn, 4);
    journal_append(rig.j, 0, stamp, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    for (int i = 0; i < 65535; i++)
        assert_int_equal(journal_bump_cut(rig.j), 4);
    assert_int_equal(journal_cut(rig.j), 0); /* wraps, and the LSN does not notice */
    assert_int_equal(journal_last_lsn(rig.j), 4);
}

static void under_always_a_kick_makes_it_durable(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_ALWAYS;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 1); /* kicks */
    int64_t until = clock_mono().us + RIG_PATIENCE_MS * INT64_C(1000);
    while (journal_durable_lsn(rig.j) < 1)
        assert_true(clock_mono().us < until);
    /* What power loss leaves has it. */
    rig_stop(&rig, SIMFS_NONE, 1);
    rig_resume(&rig, 0, 1);
}

static uint64_t tidy_writes;

static bool is_tidy(struct journal_rig *r)
{
    return simfs_count(r->disk, SIMFS_PWRITE) > tidy_writes;
}

static bool is_written(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.written_lsn == i.last_lsn;
}

static bool is_durable(struct journal_rig *r)
{
    return journal_durable_lsn(r->j) == journal_last_lsn(r->j);
}

static void an_append_wakes_a_journal_that_sleeps_deeply(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    for (int round = 0; round < 3; round++) {
        rig_append(&rig, 1);
        rig_sync(&rig);
        /* The marker of a quiet journal is the last thing it writes before it sleeps. */
        tidy_writes = simfs_count(rig.disk, SIMFS_PWRITE);
        assert_true(rig_wait(is_tidy, &rig));
        rig_append(&rig, 1);
        assert_true(rig_wait(is_written, &rig));
    }
}

static void everysec_syncs_by_itself(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 5);
    int64_t start = clock_mono().us;
    assert_true(rig_wait(is_durable, &rig));
    assert_true(clock_mono().us - start < 5000000);
}

static void without_syncs_a_request_syncs(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_NO;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 5);
    assert_true(rig_wait(is_written, &rig));
    assert_int_equal(journal_durable_lsn(rig.j), 0);
    journal_request_sync(rig.j);
    assert_true(rig_wait(is_durable, &rig));
}

static void changing_to_always_syncs_what_is_there(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_NO;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 5);
    assert_true(rig_wait(is_written, &rig));
    journal_set_fsync(rig.j, JOURNAL_FSYNC_ALWAYS);
    assert_true(rig_wait(is_durable, &rig));
    journal_set_fsync(rig.j, JOURNAL_FSYNC_EVERYSEC);
    rig_append(&rig, 5);
    assert_true(rig_wait(is_durable, &rig));
}

static void a_gap_is_waited_for_and_never_passed(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_ALWAYS;
    rig_resume(&rig, 0, 0);
    struct journal_stamp hole = journal_stamp(rig.j);
    for (int i = 0; i < 3; i++)
        history_append(&rig.h, rig.j, 1);
    journal_kick(rig.j);
    assert_int_equal(journal_sync(rig.j, 4, 20, &rig.err), RC_AGAIN);
    assert_int_equal(info().written_lsn, 0);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    rig_sync(&rig);
    assert_int_equal(info().durable_lsn, 4);
}

static bool tells_of_a_gap(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.unappended_ms >= 2;
}

static bool tells_of_none(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.unappended_ms == 0;
}

static void how_long_a_record_does_not_come_is_told(void **state)
{
    (void)state;
    for (int policy = JOURNAL_FSYNC_ALWAYS; policy <= JOURNAL_FSYNC_NO; policy++) {
        rig_fini(&rig);
        rig_init(&rig, (enum journal_fsync)policy);
        rig_resume(&rig, 0, 0);
        rig_append(&rig, 3);
        assert_true(rig_wait(tells_of_none, &rig));
        struct journal_stamp hole = journal_stamp(rig.j);
        journal_append(rig.j, 1, journal_stamp(rig.j), (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
        journal_kick(rig.j);
        assert_true(rig_wait(tells_of_a_gap, &rig));
        journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
        assert_true(rig_wait(tells_of_none, &rig));
        rig_sync(&rig);
    }
}

static void reserving_tells_when_there_is_no_room(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    struct journal_stamp hole = journal_stamp(rig.j); /* keeps the ring from being drained */
    enum rc rc;
    uint32_t n = 0;
    while ((rc = journal_reserve(rig.j, 1, 600, &rig.err)) == RC_OK && n++ < 1000)
        history_append(&rig.h, rig.j, 1);
    assert_int_equal(rc, RC_AGAIN);
    assert_int_equal(journal_wait_room(rig.j, 1, 600, false, 20, &rig.err), RC_AGAIN);
    assert_true(info().buffered_bytes > 8 << 10);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    assert_int_equal(journal_wait_room(rig.j, 1, 600, false, RIG_PATIENCE_MS, &rig.err), RC_OK);
    assert_int_equal(journal_reserve(rig.j, 1, JOURNAL_PAYLOAD_MAX + 1, &rig.err), RC_FULL);
}

/* What is appended may be longer than what was asked for. */
static void a_sixteenth_of_a_ring_is_free_whatever_was_asked_for(void **state)
{
    (void)state;
    static const char text[1 << 10];
    enum { RING = 16 << 10, SIXTEENTH = RING / 16 - 32 /* a header */ };
    struct slice part = {text, SIXTEENTH};
    rig_resume(&rig, 0, 0);
    struct journal_stamp hole = journal_stamp(rig.j); /* keeps the ring from being drained */
    uint32_t n = 0;
    journal_append(rig.j, 1, journal_stamp(rig.j), (struct wall){1}, 0, 0, &part, 1);
    part.len -= 64;
    journal_append(rig.j, 1, journal_stamp(rig.j), (struct wall){1}, 0, 0, &part, 1);
    part.len += 64;
    for (; journal_reserve(rig.j, 1, 10, &rig.err) == RC_OK && n < 1000; n++)
        journal_append(rig.j, 1, journal_stamp(rig.j), (struct wall){1}, 0, 0, &part, 1);
    assert_true(journal_oversize_lsn(rig.j) == UINT64_MAX);
    assert_in_range(n, 10, 14);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    rig_sync(&rig);
}

static void a_record_larger_than_the_ring_and_the_segment_is_kept(void **state)
{
    (void)state;
    static char big[300 << 10];
    memset(big, 'b', sizeof(big));
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 3);
    assert_int_equal(journal_reserve(rig.j, 0, sizeof(big), &rig.err), RC_OK);
    struct slice parts[3] = {{big, 100001}, {big, 0}, {big + 100001, sizeof(big) - 100001}};
    journal_append(rig.j, 0, journal_stamp(rig.j), (struct wall){1}, 0, 0, parts, 3);
    rig_sync(&rig);
    assert_int_equal(journal_durable_lsn(rig.j), 4);
    assert_true(journal_oversize_lsn(rig.j) == UINT64_MAX);
    rig_append(&rig, 3);
    rig_close(&rig);
    struct journal_rig *r = &rig;
    rig_open(r);
    struct history_check check;
    assert_int_equal(rig_try_replay(r, 4, &check), RC_OK);
    assert_int_equal(check.next_lsn, 8);
    assert_int_equal(rig_try_replay(r, 0, &check), RC_REJECTED); /* the big one is not ours */
    assert_int_equal(check.records, 4);
    assert_non_null(strstr(r->err.text, "record 4"));
}

static bool is_trimmed(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.segments == 1 && simfs_used(r->disk) < 350 << 10;
}

static void a_trimmed_journal_recycles_its_segments(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 800); /* some 270 KiB: five segments */
    rig_sync(&rig);
    assert_true(info().segments >= 4);
    assert_int_equal(info().bytes, info().segments * (64 << 10));
    journal_trim(rig.j, 800);
    assert_true(rig_wait(is_trimmed, &rig));
    assert_true(info().first_lsn > 400);
    assert_int_equal(info().trimmed_lsn, info().first_lsn - 1);
    uint64_t trimmed = info().trimmed_lsn;
    for (int i = 0; i < 5; i++) { /* in the recycled ones there are old records */
        rig_append(&rig, 300);
        rig_sync(&rig);
        journal_trim(rig.j, journal_last_lsn(rig.j));
    }
    assert_true(simfs_used(rig.disk) < 1 << 20);
    rig_close(&rig);
    rig_open(&rig);
    struct history_check check;
    assert_int_equal(rig_try_replay(&rig, trimmed, &check), RC_CORRUPT); /* no longer there */
    assert_int_equal(rig_replay(&rig, 2290), 2300);
}

static void trimming_spares_what_is_not_applied(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 800);
    rig_sync(&rig);
    journal_trim(rig.j, 5); /* within the first segment */
    rig_append(&rig, 10);
    rig_close(&rig);
    rig_resume(&rig, 0, 810);
}

static void numbers_go_on_behind_the_floor(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 10);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(journal_start(rig.j, 1000, &rig.err), RC_OK);
    assert_int_equal(journal_last_lsn(rig.j), 1000);
    rig_append(&rig, 10);
    rig_close(&rig);
    rig_open(&rig); /* once more with an empty segment after a jump, and another jump */
    assert_int_equal(journal_start(rig.j, 900, &rig.err), RC_OK);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(journal_start(rig.j, 2000, &rig.err), RC_OK);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(journal_start(rig.j, 2000, &rig.err), RC_OK);
    rig_append(&rig, 1);
    rig_close(&rig);
    rig_open(&rig);
    struct history_check check = {.h = &rig.h, .next_lsn = 1, .jumps = true};
    assert_int_equal(journal_replay(rig.j, 0, history_check, &check, &rig.err), RC_OK);
    assert_int_equal(check.records, 21);
    assert_int_equal(check.next_lsn, 2002);
}

static void the_number_and_size_of_rings_may_change(void **state)
{
    (void)state;
    for (uint32_t producers = 1; producers <= 4; producers++) {
        rig.options.producers = producers == 4 ? 1 : producers;
        rig.options.ring_bytes = 8192 << producers;
        rig_resume(&rig, 0, (producers - 1) * 20);
        rig_append(&rig, 20);
        rig_stop(&rig, SIMFS_KILLED, producers); /* the rings hold what the next start must take */
    }
    rig_resume(&rig, 0, 80);
    uint64_t len;
    assert_null(rig_file(&rig, "ring-2", &len));
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    rig.options.segment_bytes = 1000;
    assert_int_equal(rig_try_open(&rig), RC_INVALID);
    rig.options.segment_bytes = 1 << 20;
    rig.options.ring_bytes = 10000;
    assert_int_equal(rig_try_open(&rig), RC_INVALID);
    rig.options.ring_bytes = 0;
    rig.options.producers = 0;
    assert_int_equal(rig_try_open(&rig), RC_INVALID);
}

static void count_progress(void *ctx)
{
    atomic_fetch_add((_Atomic int *)ctx, 1);
}

static void progress_is_reported(void **state)
{
    (void)state;
    _Atomic int progress = 0;
    rig.options.on_progress = count_progress;
    rig.options.ctx = &progress;
    rig.options.fsync = JOURNAL_FSYNC_ALWAYS;
    rig_resume(&rig, 0, 0);
    for (int i = 1; i <= 10; i++) {
        int before = atomic_load(&progress);
        rig_append(&rig, 1);
        int64_t until = clock_mono().us + RIG_PATIENCE_MS * INT64_C(1000);
        while (atomic_load(&progress) == before)
            assert_true(clock_mono().us < until);
        assert_int_equal(journal_durable_lsn(rig.j), i);
    }
    rig_close(&rig);
}

int main(void)
{
#define WRITE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WRITE_TEST(a_new_journal_is_empty_and_begins_at_one),
        WRITE_TEST(what_was_appended_comes_back_after_closing),
        WRITE_TEST(records_count_in_statistics_by_whole_groups),
        WRITE_TEST(a_cut_falls_between_two_stamps),
        WRITE_TEST(under_always_a_kick_makes_it_durable),
        WRITE_TEST(an_append_wakes_a_journal_that_sleeps_deeply),
        WRITE_TEST(everysec_syncs_by_itself),
        WRITE_TEST(without_syncs_a_request_syncs),
        WRITE_TEST(changing_to_always_syncs_what_is_there),
        WRITE_TEST(a_gap_is_waited_for_and_never_passed),
        WRITE_TEST(how_long_a_record_does_not_come_is_told),
        WRITE_TEST(reserving_tells_when_there_is_no_room),
        WRITE_TEST(a_sixteenth_of_a_ring_is_free_whatever_was_asked_for),
        WRITE_TEST(a_record_larger_than_the_ring_and_the_segment_is_kept),
        WRITE_TEST(a_trimmed_journal_recycles_its_segments),
        WRITE_TEST(trimming_spares_what_is_not_applied),
        WRITE_TEST(numbers_go_on_behind_the_floor),
        WRITE_TEST(the_number_and_size_of_rings_may_change),
        WRITE_TEST(options_that_make_no_sense_are_refused),
        WRITE_TEST(progress_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
