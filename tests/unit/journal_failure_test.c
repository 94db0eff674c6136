/* A disk that fails: nothing that was appended is lost, nothing is acknowledged that is not synced,
 * what failed is never trusted again, and the journal goes on by itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "base/stats.h"
#include "tests/support/journal_rig.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct journal_rig rig;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    stats_reset();
    rig_init(&rig, JOURNAL_FSYNC_ALWAYS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    simfs_heal(rig.disk);
    simfs_set_space(rig.disk, UINT64_MAX);
    rig_fini(&rig);
    return 0;
}

static bool is_failing(struct journal_rig *r)
{
    return journal_is_failing(r->j);
}

static bool is_running(struct journal_rig *r)
{
    return !journal_is_failing(r->j);
}

static bool takes_writes(struct journal_rig *r)
{
    return journal_reserve(r->j, 0, 10, &r->err) != RC_READONLY;
}

static bool has_spare(struct journal_rig *r)
{
    return simfs_used(r->disk) >= (2 * 64 + 2 * 20) << 10;
}

static uint64_t segments(void)
{
    struct journal_info i;
    journal_get_info(rig.j, &i);
    return i.segments;
}

/* Everything is durable: a machine that loses power now has all of it. */
static void expect_all_after_power_loss(void)
{
    uint64_t last = journal_last_lsn(rig.j);
    rig_sync(&rig);
    rig_stop(&rig, SIMFS_NONE, 1);
    rig_resume(&rig, 0, last);
}

static void a_failed_sync_is_answered_by_a_new_segment(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (int policy = JOURNAL_FSYNC_ALWAYS; policy <= JOURNAL_FSYNC_NO; policy++) {
        stats_reset();
        rig.options.fsync = (enum journal_fsync)policy;
        rig_resume(&rig, 0, last);
        assert_true(rig_wait(has_spare, &rig));
        rig_append(&rig, 20);
        rig_sync(&rig);
        uint64_t before = segments();
        /* The failure may meet the sync of a segment that is being prepared: then once more. */
        for (int i = 0; i < 100 && stat_get(STAT_journal_sync_failures) == 0; i++) {
            simfs_fail(rig.disk, SIMFS_SYNC, 1, 1, EIO);
            rig_append(&rig, 20);
            rig_sync(&rig);
        }
        assert_int_equal(stat_get(STAT_journal_sync_failures), 1);
        assert_true(segments() >= before);
        last = journal_last_lsn(rig.j);
        rig_stop(&rig, SIMFS_NONE, 1);
    }
    rig_resume(&rig, 0, last);
}

static void a_failed_write_is_answered_by_a_new_segment(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    assert_true(rig_wait(has_spare, &rig));
    rig_append(&rig, 20);
    rig_sync(&rig);
    simfs_fail(rig.disk, SIMFS_PWRITE, 1, 1, EIO);
    rig_append(&rig, 20);
    rig_sync(&rig);
    assert_int_equal(stat_get(STAT_journal_write_failures), 1);
    expect_all_after_power_loss();
}

static void several_failures_in_a_row_are_survived(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    for (uint64_t times = 1; times <= 4; times++) {
        rig_append(&rig, 20);
        rig_sync(&rig);
        simfs_fail(rig.disk, SIMFS_SYNC, 1, times, EIO);
        rig_append(&rig, 20);
        rig_sync(&rig);
        simfs_fail(rig.disk, SIMFS_PWRITE, 1, times, EIO);
        rig_append(&rig, 20);
        rig_sync(&rig);
    }
    expect_all_after_power_loss();
}

static void a_failed_sync_over_several_segments_keeps_all_of_them(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_NO;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 100);
    rig_sync(&rig);
    simfs_fail(rig.disk, SIMFS_SYNC, 2, 5, EIO);
    rig_append(&rig, 900); /* some five segments */
    rig_sync(&rig);
    expect_all_after_power_loss();
}

static enum journal_state state_of(void)
{
    struct journal_info i;
    journal_get_info(rig.j, &i);
    return i.state;
}

static uint64_t with_spare; /* segments up to which there is a spare one */

/* What was appended is written, and whether there can be a next segment is known. */
static bool is_settled(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.state != JOURNAL_RUNNING ||
           (i.written_lsn == i.last_lsn && (i.error.code == RC_FULL || i.segments <= with_spare));
}

static bool says_that_it_refuses(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.state != JOURNAL_RUNNING;
}

/* Appends until writes are refused, on a disk with room for no other segment than the spare one.
 * What is appended before it is found to be full may take more than the room that is kept. */
static void fill(bool spare)
{
    enum rc rc;
    with_spare = spare ? segments() : UINT64_MAX;
    while ((rc = journal_wait_room(rig.j, 0, 600, false, 1000, &rig.err)) != RC_READONLY)
        if (rc == RC_OK) {
            history_append(&rig.h, rig.j, 0);
            journal_request_sync(rig.j);
            assert_true(rig_wait(is_settled, &rig));
        }
    assert_true(rig_wait(says_that_it_refuses, &rig));
}

/* The same with removals, each of them synced. */
static uint64_t fill_with_removals(void)
{
    uint64_t n = 0;
    for (; journal_reserve_removal(rig.j, 1, 600, &rig.err) == RC_OK; n++) {
        history_append(&rig.h, rig.j, 1);
        rig_sync(&rig);
    }
    return n;
}

/* The last of a segment is for removals; they are synced as any write, until it is used up. (What
 * was accepted before the disk was found to be full may have used it up already.) */
static void a_full_disk_leaves_room_for_removals(void **state)
{
    (void)state;
    int full = 0;
    for (int policy = JOURNAL_FSYNC_ALWAYS; policy <= JOURNAL_FSYNC_NO; policy++) {
        rig.options.fsync = (enum journal_fsync)policy;
        uint64_t last = rig.j == NULL ? 0 : journal_last_lsn(rig.j);
        rig_close(&rig);
        rig_resume(&rig, 0, last);
        assert_true(rig_wait(has_spare, &rig));
        simfs_set_space(rig.disk, simfs_used(rig.disk) + (10 << 10));
        fill(true);
        assert_int_equal(journal_reserve(rig.j, 0, 10, &rig.err), RC_READONLY);
        if (state_of() == JOURNAL_FULL) {
            full++;
            assert_true(fill_with_removals() >= 4);
            assert_int_equal(rig.err.code, RC_READONLY);
            assert_int_equal(state_of(), JOURNAL_FULL);
        }
        simfs_set_space(rig.disk, UINT64_MAX);
        assert_true(rig_wait(takes_writes, &rig));
        rig_append(&rig, 20);
        expect_all_after_power_loss();
    }
    assert_true(full > 0);
}

static bool has_spare_beside_large_rings(struct journal_rig *r)
{
    return simfs_used(r->disk) >= (2 * 64 + 2 * 68) << 10;
}

static bool knows_that_there_is_no_room(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.error.code == RC_FULL;
}

/* However fast it comes: nothing of it is written yet when the next is asked for. */
static void a_burst_on_a_full_disk_leaves_room_for_removals(void **state)
{
    (void)state;
    enum { RECORD = 600, SEGMENT = 64 << 10 };
    struct journal_info i;
    rig.options.ring_bytes = SEGMENT;
    rig_resume(&rig, 0, 0);
    assert_true(rig_wait(has_spare_beside_large_rings, &rig));
    simfs_set_space(rig.disk, simfs_used(rig.disk) + (10 << 10));
    while (segments() == 1) { /* until the spare is in use, and there is no room for another */
        rig_append(&rig, 1);
        rig_sync(&rig);
    }
    assert_true(rig_wait(knows_that_there_is_no_room, &rig));
    struct journal_stamp hole = journal_stamp(rig.j); /* keeps the ring from being drained */
    while (journal_reserve(rig.j, 1, RECORD, &rig.err) == RC_OK)
        history_append(&rig.h, rig.j, 1);
    assert_int_equal(rig.err.code, RC_READONLY);
    journal_get_info(rig.j, &i);
    assert_int_equal(i.state, JOURNAL_FULL);
    assert_in_range(i.buffered_bytes, RECORD, SEGMENT / 2);
    assert_int_equal(journal_reserve_removal(rig.j, 1, RECORD, &rig.err), RC_OK);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    assert_int_equal(state_of(), JOURNAL_FULL);
    simfs_set_space(rig.disk, UINT64_MAX);
    assert_true(rig_wait(takes_writes, &rig));
    rig_sync(&rig);
}

/* A full ring is soon written, on a full disk too: who may write there waits for it. (How much of
 * the last segment is used up before the disk is found to be full differs.) */
static void a_removal_waits_for_its_ring_on_a_full_disk(void **state)
{
    (void)state;
    enum rc rc = RC_READONLY;
    for (int i = 0; i < 20 && rc != RC_AGAIN; i++) {
        uint64_t last = rig.j == NULL ? 0 : journal_last_lsn(rig.j);
        rig_close(&rig);
        rig_resume(&rig, 0, last);
        assert_true(rig_wait(has_spare, &rig));
        simfs_set_space(rig.disk, simfs_used(rig.disk) + (10 << 10));
        fill(true);
        struct journal_stamp hole = journal_stamp(rig.j); /* keeps the ring from being drained */
        while ((rc = journal_reserve_removal(rig.j, 1, 600, &rig.err)) == RC_OK)
            history_append(&rig.h, rig.j, 1);
        if (rc == RC_AGAIN) {
            assert_int_equal(state_of(), JOURNAL_FULL);
            assert_int_equal(journal_wait_room(rig.j, 1, 600, true, 20, &rig.err), RC_AGAIN);
            assert_int_equal(journal_wait_room(rig.j, 1, 600, false, 20, &rig.err), RC_READONLY);
        }
        journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
        if (rc == RC_AGAIN)
            assert_int_equal(journal_wait_room(rig.j, 1, 600, true, RIG_PATIENCE_MS, &rig.err),
                             RC_OK);
        simfs_set_space(rig.disk, UINT64_MAX);
        assert_true(rig_wait(takes_writes, &rig));
        rig_sync(&rig);
    }
    assert_int_equal(rc, RC_AGAIN);
}

static void a_full_disk_refuses_writes_and_resumes_by_itself(void **state)
{
    (void)state;
    struct journal_info i;
    rig_resume(&rig, 0, 0);
    assert_true(rig_wait(has_spare, &rig));
    simfs_set_space(rig.disk, simfs_used(rig.disk) + (10 << 10));
    fill(true);
    while (!journal_is_failing(rig.j)) { /* and then without asking */
        journal_get_info(rig.j, &i);
        if (i.buffered_bytes < 8 << 10)
            history_append(&rig.h, rig.j, 0);
    }
    assert_int_equal(journal_reserve(rig.j, 0, 10, &rig.err), RC_READONLY);
    assert_int_equal(journal_reserve_removal(rig.j, 0, 10, &rig.err), RC_READONLY);
    assert_int_equal(journal_wait_room(rig.j, 0, 10, false, 10, &rig.err), RC_READONLY);
    journal_get_info(rig.j, &i);
    assert_int_equal(i.state, JOURNAL_FAILING);
    assert_int_equal(i.error.code, RC_FULL);
    assert_true(i.durable_lsn > 50);
    assert_int_equal(journal_sync(rig.j, i.last_lsn, 250, &rig.err), RC_UNAVAILABLE);
    simfs_set_space(rig.disk, UINT64_MAX);
    assert_true(rig_wait(is_running, &rig));
    rig_append(&rig, 20);
    expect_all_after_power_loss();
}

static void a_trim_frees_a_full_disk(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 400);
    rig_sync(&rig);
    assert_true(rig_wait(has_spare, &rig));
    simfs_set_space(rig.disk, simfs_used(rig.disk));
    fill(true);
    journal_trim(rig.j, 400);
    assert_true(rig_wait(takes_writes, &rig));
    rig_append(&rig, 20);
    rig_sync(&rig);
}

static void a_disk_that_fails_for_long_comes_back(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    simfs_fail(rig.disk, SIMFS_SYNC, 1, UINT64_MAX / 2, EIO);
    rig_append(&rig, 1);
    assert_true(rig_wait(is_failing, &rig));
    assert_int_equal(journal_durable_lsn(rig.j), 20);
    simfs_heal(rig.disk);
    assert_true(rig_wait(is_running, &rig));
    rig_sync(&rig);
    expect_all_after_power_loss();
}

static void a_kill_while_failing_loses_nothing_that_was_appended(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    simfs_fail(rig.disk, SIMFS_PWRITE, 1, UINT64_MAX / 2, EIO);
    rig_append(&rig, 1);
    assert_true(rig_wait(is_failing, &rig));
    rig_stop(&rig, SIMFS_KILLED, 1); /* whose journal is closed while it fails, which ends */
    rig_resume(&rig, 0, 21);
}

static void append_big(void)
{
    static char big[200 << 10];
    struct slice part = {big, sizeof(big)};
    journal_append(rig.j, 1, journal_stamp(rig.j), (struct wall){1}, 0, 0, &part, 1);
}

static void an_oversize_record_survives_a_failed_sync(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    simfs_fail(rig.disk, SIMFS_SYNC, 3, 4, EIO); /* after those of the segment it needs */
    append_big();
    rig_sync(&rig);
    assert_int_equal(journal_durable_lsn(rig.j), 21);
    rig_stop(&rig, SIMFS_NONE, 1);
    rig_open(&rig);
    struct history_check check;
    assert_int_equal(rig_try_replay(&rig, 0, &check), RC_REJECTED);
    assert_int_equal(check.records, 21);
    assert_int_equal(rig_try_replay(&rig, 21, &check), RC_OK);
}

static bool has_no_oversize(struct journal_rig *r)
{
    return journal_oversize_lsn(r->j) == UINT64_MAX;
}

static bool is_durable_up_to_23(struct journal_rig *r)
{
    return journal_durable_lsn(r->j) == 23;
}

/* Each append returns at once: the caller holds the locks of its keys. */
static void oversize_records_lie_in_memory_until_the_disk_is_back(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    simfs_fail(rig.disk, SIMFS_SYNC, 1, UINT64_MAX / 2, EIO);
    for (int i = 0; i < 3; i++)
        append_big();
    assert_true(rig_wait(is_failing, &rig));
    assert_int_equal(journal_durable_lsn(rig.j), 20);
    assert_int_equal(journal_oversize_lsn(rig.j), 21);
    simfs_heal(rig.disk);
    assert_true(rig_wait(is_durable_up_to_23, &rig));
    assert_true(rig_wait(has_no_oversize, &rig));
}

static bool has_room_again(struct journal_rig *r)
{
    return journal_reserve(r->j, 0, 10, &r->err) == RC_OK;
}

static void what_oversize_records_hold_in_memory_is_bounded(void **state)
{
    (void)state;
    enum { RING = 256 << 10, MOST = 8 * RING, RECORD = 200 << 10 };
    rig.options.ring_bytes = RING;
    rig_resume(&rig, 0, 0);
    struct journal_stamp hole = journal_stamp(rig.j); /* nothing after it is written */
    uint32_t n = 0;
    for (; n < 1000 && journal_reserve(rig.j, 1, RECORD, &rig.err) == RC_OK; n++)
        append_big();
    assert_int_equal(n, MOST / RECORD + 1);
    assert_int_equal(journal_reserve(rig.j, 0, 10, &rig.err), RC_AGAIN); /* whoever it is */
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    assert_true(rig_wait(has_room_again, &rig));
}

static void an_oversize_record_that_was_never_written_is_given_back_at_the_end(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    simfs_fail(rig.disk, SIMFS_SYNC, 1, UINT64_MAX / 2, EIO);
    append_big();
    assert_true(rig_wait(is_failing, &rig));
    rig_close(&rig); /* the sanitizer says what was not freed */
}

static void a_start_that_fails_can_be_repeated(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 20);
    rig_stop(&rig, SIMFS_KILLED, 1);
    const enum simfs_call kinds[] = {SIMFS_PWRITE,   SIMFS_SYNC, SIMFS_RENAME,
                                     SIMFS_SYNC_DIR, SIMFS_OPEN, SIMFS_MAP};
    int failures = 0;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (uint64_t nth = 1; nth <= 8; nth++) {
            simfs_fail(rig.disk, kinds[k], nth, 1, nth % 2 == 0 ? EIO : ENOSPC);
            enum rc rc = rig_try_open(&rig);
            if (rc == RC_OK)
                rc = journal_start(rig.j, 0, &rig.err);
            failures += rc != RC_OK;
            rig_close(&rig);
            simfs_heal(rig.disk);
            rig_open(&rig);
            assert_int_equal(rig_replay(&rig, 0), 20);
            rig_close(&rig);
        }
    assert_true(failures > 10);
}

static void reading_errors_are_no_corruption(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 200);
    rig_close(&rig);
    for (uint64_t nth = 1; nth <= 4; nth++) {
        simfs_fail(rig.disk, SIMFS_PREAD, nth, 1, EIO);
        enum rc rc = rig_try_open(&rig);
        struct history_check check;
        if (rc == RC_OK)
            rc = rig_try_replay(&rig, 0, &check);
        assert_true(rc == RC_IO || rc == RC_OK);
        rig_close(&rig);
    }
}

static bool spare_failed(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.error.code == RC_FULL;
}

static void a_spare_whose_sync_failed_is_not_used(void **state)
{
    (void)state;
    simfs_set_pessimistic(rig.disk, true);
    rig_open(&rig);
    simfs_fail(rig.disk, SIMFS_SYNC, 5, 1, ENOSPC); /* the first segment takes two, a ring one */
    rig_start(&rig);
    assert_true(rig_wait(spare_failed, &rig));
    rig_append(&rig, 400); /* fills the segment and goes on in what was a spare */
    rig_sync(&rig);
    assert_true(segments() > 1);
    expect_all_after_power_loss();
}

/* What of the segment lies on the disk is not known, so a new file takes its place. */
static void a_segment_whose_sync_failed_is_not_recycled(void **state)
{
    (void)state;
    simfs_set_pessimistic(rig.disk, true);
    rig_resume(&rig, 0, 0);
    assert_true(rig_wait(has_spare, &rig));
    rig_append(&rig, 20);
    rig_sync(&rig);
    assert_true(rig_wait(has_spare, &rig));
    simfs_fail(rig.disk, SIMFS_SYNC, 1, 1, EIO);
    rig_append(&rig, 20);
    rig_sync(&rig);
    simfs_heal(rig.disk);
    for (int i = 0; i < 10; i++) {
        rig_append(&rig, 100);
        rig_sync(&rig);
        journal_trim(rig.j, journal_durable_lsn(rig.j) - 50);
    }
    uint64_t last = journal_last_lsn(rig.j);
    rig_stop(&rig, SIMFS_NONE, 1);
    rig_resume(&rig, last - 50, last);
}

/* Spares of before give room, but somebody else may have taken it. What is needed is little, and
 * reads can be served. */
static void a_start_on_a_full_disk_serves_reads_and_resumes_by_itself(void **state)
{
    (void)state;
    struct journal_info i;
    rig.options.fsync = JOURNAL_FSYNC_EVERYSEC;
    rig_resume(&rig, 0, 0);
    assert_true(rig_wait(has_spare, &rig));
    rig_append(&rig, 30);
    rig_stop(&rig, SIMFS_KILLED, 1);
    uint64_t spare = 0;
    assert_non_null(rig_file(&rig, "spare-00000000000000000002.wj", &spare));
    simfs_set_space(rig.disk, simfs_used(rig.disk) + (40 << 10) - spare);
    rig_resume(&rig, 0, 30);
    assert_int_equal(journal_durable_lsn(rig.j), 30);
    history_next_epoch(&rig.h, 30);
    fill(false);
    if (state_of() == JOURNAL_FULL) /* else what was accepted before has used up the segment */
        assert_true(fill_with_removals() >= 1); /* the small segment takes some */
    journal_get_info(rig.j, &i);
    assert_int_equal(i.error.code, RC_FULL);
    assert_non_null(strstr(i.error.text, "needs 65536 bytes"));
    assert_int_equal(journal_reserve(rig.j, 0, 10, &rig.err), RC_READONLY);
    simfs_set_space(rig.disk, UINT64_MAX);
    assert_true(rig_wait(takes_writes, &rig));
    rig_append(&rig, 20);
    expect_all_after_power_loss();
}

static void a_start_without_any_room_says_what_it_needs(void **state)
{
    (void)state;
    simfs_set_space(rig.disk, 1000);
    rig_open(&rig);
    assert_int_equal(journal_start(rig.j, 0, &rig.err), RC_FULL);
    assert_non_null(strstr(rig.err.text, "12288 bytes are needed to start"));
}

static uint32_t asked;

static bool make_room(void *ctx, const struct err *err)
{
    (void)ctx;
    assert_non_null(strstr(err->text, "are needed to start"));
    if (++asked == 3)
        simfs_set_space(rig.disk, UINT64_MAX);
    return true;
}

static void a_start_without_any_room_goes_on_when_there_is_some(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_EVERYSEC;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 30);
    rig_stop(&rig, SIMFS_KILLED, 1);
    simfs_set_space(rig.disk, 0);
    rig.options.on_no_room = make_room;
    asked = 0;
    rig_resume(&rig, 0, 30);
    assert_int_equal(asked, 3);
    rig_append(&rig, 20);
    expect_all_after_power_loss();
}

/* Killed after a failed sync: reading shows records that are on no disk. Whoever starts again and
 * calls them durable has written them once more. */
static void what_nothing_proves_is_written_again_by_a_start(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_NO;
    simfs_set_pessimistic(rig.disk, true);
    rig_resume(&rig, 0, 0);
    assert_true(rig_wait(has_spare, &rig));
    rig_append(&rig, 20);
    rig_sync(&rig);
    rig_append(&rig, 20);
    simfs_fail(rig.disk, SIMFS_SYNC, 1, UINT64_MAX / 2, EIO);
    assert_int_not_equal(journal_sync(rig.j, 40, 250, &rig.err), RC_OK);
    rig_stop(&rig, SIMFS_KILLED, 1);
    rig_resume(&rig, 0, 40);
    assert_int_equal(journal_durable_lsn(rig.j), 40);
    rig_stop(&rig, SIMFS_NONE, 2);
    rig_resume(&rig, 0, 40);
}

int main(void)
{
#define FAILURE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FAILURE_TEST(a_failed_sync_is_answered_by_a_new_segment),
        FAILURE_TEST(a_failed_write_is_answered_by_a_new_segment),
        FAILURE_TEST(several_failures_in_a_row_are_survived),
        FAILURE_TEST(a_failed_sync_over_several_segments_keeps_all_of_them),
        FAILURE_TEST(a_removal_waits_for_its_ring_on_a_full_disk),
        FAILURE_TEST(a_burst_on_a_full_disk_leaves_room_for_removals),
        FAILURE_TEST(a_full_disk_refuses_writes_and_resumes_by_itself),
        FAILURE_TEST(a_full_disk_leaves_room_for_removals),
        FAILURE_TEST(a_trim_frees_a_full_disk),
        FAILURE_TEST(a_disk_that_fails_for_long_comes_back),
        FAILURE_TEST(a_kill_while_failing_loses_nothing_that_was_appended),
        FAILURE_TEST(an_oversize_record_survives_a_failed_sync),
        FAILURE_TEST(oversize_records_lie_in_memory_until_the_disk_is_back),
        FAILURE_TEST(what_oversize_records_hold_in_memory_is_bounded),
        FAILURE_TEST(an_oversize_record_that_was_never_written_is_given_back_at_the_end),
        FAILURE_TEST(a_start_that_fails_can_be_repeated),
        FAILURE_TEST(reading_errors_are_no_corruption),
        FAILURE_TEST(a_spare_whose_sync_failed_is_not_used),
        FAILURE_TEST(a_start_on_a_full_disk_serves_reads_and_resumes_by_itself),
        FAILURE_TEST(a_start_without_any_room_says_what_it_needs),
        FAILURE_TEST(a_start_without_any_room_goes_on_when_there_is_some),
        FAILURE_TEST(a_segment_whose_sync_failed_is_not_recycled),
        FAILURE_TEST(what_nothing_proves_is_written_again_by_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
