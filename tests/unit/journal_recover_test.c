/* What a start makes of what it finds: what comes back, what is cut off, and what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "journal/format.h"
#include "journal/missing.h"
#include "journal/ring.h"
#include "tests/support/journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define FIRST "00000000000000000001.wj"

static struct journal_rig rig;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    rig_init(&rig, JOURNAL_FSYNC_NO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

static bool is_written(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.written_lsn == i.last_lsn;
}

/* n records in a group or more of their own, in the segment and not synced. */
static void write_unsynced(uint32_t n)
{
    rig_append(&rig, n);
    assert_true(rig_wait(is_written, &rig));
}

static void write_synced(uint32_t n)
{
    rig_append(&rig, n);
    rig_sync(&rig);
}

/* Inverts a byte of the payload, or of the header when there is none. */
static void damage(const char *name, uint64_t lsn)
{
    uint64_t len, at = rig_find(&rig, name, lsn);
    rig_file(&rig, name, &len)[at + 36] ^= 0x40;
}

static void expect_corrupt(const char *file, const char *lsns)
{
    struct history_check check;
    enum rc rc = rig_try_open(&rig);
    if (rc == RC_OK)
        rc = rig_try_replay(&rig, 0, &check);
    assert_int_equal(rc, RC_CORRUPT);
    assert_non_null(strstr(rig.err.text, file));
    assert_non_null(strstr(rig.err.text, lsns));
    assert_non_null(strstr(rig.err.text, "salvage"));
}

static void after_a_kill_everything_appended_is_there(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(20);
    for (uint64_t lsn = 20; lsn < 120; lsn += 10) {
        rig_append(&rig, 10);
        rig_stop(&rig, SIMFS_KILLED, lsn);
        rig_resume(&rig, 0, lsn + 10);
    }
}

static void after_power_loss_everything_synced_is_there(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(200);
    rig_append(&rig, 50);
    for (int image = SIMFS_NONE; image < SIMFS_IMAGES; image++) {
        struct journal_rig other = rig;
        other.j = NULL;
        other.disk = simfs_after(rig.disk, (enum simfs_image)image, 3);
        rig_open(&other);
        uint64_t last = rig_replay(&other, 0);
        assert_in_range(last, 200, 250);
        rig_fini(&other);
    }
}

static void recovering_changes_nothing(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_append(&rig, 10);
    rig_stop(&rig, SIMFS_KILLED, 1);
    uint64_t digest = simfs_digest(rig.disk);
    for (int i = 0; i < 3; i++) {
        rig_open(&rig);
        assert_int_equal(rig_replay(&rig, 0), 20);
        assert_int_equal(rig_replay(&rig, 15), 20);
        assert_int_equal(rig_replay(&rig, 20), 20);
        rig_close(&rig);
    }
    assert_int_equal(simfs_digest(rig.disk), digest);
}

/* LSN 6 was handed out, its transaction not acknowledged; 7..9 of other producers were. */
static void leave_a_gap(enum simfs_image image)
{
    rig_resume(&rig, 0, 0);
    write_synced(5);
    struct journal_stamp hole = journal_stamp(rig.j);
    assert_int_equal(hole.lsn, 6);
    for (int i = 0; i < 3; i++)
        history_append(&rig.h, rig.j, 1);
    struct simfs *after = simfs_after(rig.disk, image, 1);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    rig_close(&rig);
    simfs_free(&rig.disk);
    rig.disk = after;
}

static void a_gap_left_by_a_kill_becomes_a_noop(void **state)
{
    (void)state;
    struct history_check check;
    leave_a_gap(SIMFS_KILLED);
    for (int i = 0; i < 3; i++) {
        rig_open(&rig);
        assert_int_equal(rig_try_replay(&rig, 0, &check), RC_OK);
        assert_int_equal(check.next_lsn, 10);
        assert_int_equal(check.noops, 1);
        if (i == 1) /* the third time it is in a segment */
            rig_start(&rig);
        rig_close(&rig);
    }
}

static void a_gap_after_power_loss_is_the_end(void **state)
{
    (void)state;
    leave_a_gap(SIMFS_ALL);
    rig_resume(&rig, 0, 5);
    history_next_epoch(&rig.h, 5);
    rig_append(&rig, 1);
    rig_stop(&rig, SIMFS_KILLED, 1);
    rig_resume(&rig, 0, 6); /* and what lay after the gap does not come back */
}

static void a_tail_that_was_not_synced_is_cut_off(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    write_unsynced(5);
    rig_stop(&rig, SIMFS_ALL, 1);
    damage(FIRST, 13);
    rig_resume(&rig, 0, 12);
    history_next_epoch(&rig.h, 12);
    write_synced(5);
    rig_stop(&rig, SIMFS_NONE, 1);
    rig_resume(&rig, 0, 17);
}

static void a_hole_before_unsynced_groups_is_cut_off_after_power_loss(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    write_unsynced(5);
    write_unsynced(5);
    write_unsynced(5);
    rig_stop(&rig, SIMFS_ALL, 1);
    damage(FIRST, 13);
    rig_resume(&rig, 0, 12);
}

static void the_same_hole_without_power_loss_is_corruption(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    write_unsynced(5);
    write_unsynced(5);
    write_unsynced(5);
    rig_stop(&rig, SIMFS_KILLED, 1);
    damage(FIRST, 13);
    expect_corrupt(FIRST, "13 to 15");
}

static void damage_in_what_was_synced_is_corruption(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    for (int i = 0; i < 5; i++)
        write_synced(5);
    rig_stop(&rig, SIMFS_ALL, 1);
    damage(FIRST, 13);
    uint64_t at = rig_find(&rig, FIRST, 13);
    char text[40];
    snprintf(text, sizeof(text), "offset %llu", (unsigned long long)at);
    expect_corrupt(FIRST, text);
    rig_close(&rig);
    expect_corrupt(FIRST, "13 to 15");
}

static void zeros_in_what_was_synced_are_no_clean_end(void **state)
{
    (void)state;
    uint64_t len;
    rig_resume(&rig, 0, 0);
    for (int i = 0; i < 5; i++)
        write_synced(5);
    rig_stop(&rig, SIMFS_ALL, 1);
    uint64_t at = rig_find(&rig, FIRST, 13);
    memset(rig_file(&rig, FIRST, &len) + at, 0, rig_find(&rig, FIRST, 18) - at);
    expect_corrupt(FIRST, "13");
}

static void a_clean_close_protects_the_very_last_record(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    damage(FIRST, 10);
    expect_corrupt(FIRST, "10");
}

static void write_segments(uint32_t segments)
{
    struct journal_info i;
    do {
        write_synced(10);
        journal_get_info(rig.j, &i);
    } while (i.segments < segments);
    write_synced(20);
}

static void damage_in_an_old_segment_is_found_by_replaying(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_segments(4);
    rig_stop(&rig, SIMFS_ALL, 1);
    damage(FIRST, 100);
    rig_open(&rig);
    struct history_check check;
    assert_int_equal(rig_try_replay(&rig, 0, &check), RC_CORRUPT);
    assert_int_equal(check.next_lsn, 100);
    rig_close(&rig);
}

static void a_missing_segment_is_corruption(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_segments(4);
    rig_stop(&rig, SIMFS_ALL, 1);
    rig_list_segments(&rig);
    assert_int_equal(rig.names_len, 4);
    const struct fs *fs = simfs_fs(rig.disk);
    char path[128];
    snprintf(path, sizeof(path), "journal/%s", rig.names[1]);
    assert_int_equal(fs->remove(fs->ctx, path, &rig.err), RC_OK);
    expect_corrupt(FIRST, "are missing");
}

static void a_damaged_header_is_corruption_wherever_it_is(void **state)
{
    (void)state;
    uint64_t len;
    rig_resume(&rig, 0, 0);
    write_segments(4);
    rig_stop(&rig, SIMFS_ALL, 1);
    rig_list_segments(&rig);
    for (int i = 0; i < rig.names_len; i++) {
        rig_file(&rig, rig.names[i], &len)[20] ^= 1;
        expect_corrupt("", "are lost");
        rig_close(&rig);
        rig_file(&rig, rig.names[i], &len)[20] ^= 1;
    }
    rig_open(&rig);
}

/* As if the segment had been begun before the end of the one before it was synced. */
static void durable_before(const char *name)
{
    uint64_t len;
    char page[FORMAT_PAGE], *bytes = rig_file(&rig, name, &len);
    struct segment_header header;
    assert_int_equal(format_check_header(bytes, len, &header), FORMAT_GOOD);
    header.durable_lsn = header.continues_after - 1;
    format_seal_header(&header, page);
    memcpy(bytes, page, sizeof(header));
}

static bool one_segment_is_left(struct journal_rig *r)
{
    rig_list_segments(r);
    return r->names_len == 1;
}

/* A segment that was replaced and removed may come back when the directory could not be synced, and
 * what it holds is on no disk. */
static void a_first_segment_without_header_is_no_harm_when_it_is_not_needed(void **state)
{
    (void)state;
    static const char nothing[64 << 10];
    rig.options.fsync = JOURNAL_FSYNC_ALWAYS;
    rig_resume(&rig, 0, 0);
    write_segments(4);
    journal_trim(rig.j, journal_durable_lsn(rig.j));
    uint64_t last = journal_last_lsn(rig.j);
    assert_true(rig_wait(one_segment_is_left, &rig));
    rig_stop(&rig, SIMFS_ALL, 1);
    durable_before(rig.names[0]);
    simfs_put(rig.disk, "journal/" FIRST, nothing, sizeof(nothing));
    rig_resume(&rig, last, last);
    rig_close(&rig);
    expect_corrupt("", "are lost"); /* to somebody who needs all */
}

static void a_superseded_segment_is_ignored_and_removed(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    rig_resume(&rig, 0, 10); /* its segment has number 2 */
    write_synced(10);
    rig_stop(&rig, SIMFS_ALL, 1);
    /* As if number 1 had gone on to 15.., failed, and been replaced by number 2. */
    uint64_t len;
    char page[2 * FORMAT_PAGE] = {0}, *first = rig_file(&rig, FIRST, &len);
    struct segment_header header;
    assert_int_equal(format_check_header(first, len, &header), FORMAT_GOOD);
    header.first_lsn = 15;
    header.continues_after = 14;
    format_seal_header(&header, page);
    simfs_put(rig.disk, "journal/00000000000000000015.wj", page, sizeof(page));
    rig_resume(&rig, 0, 20);
    assert_null(rig_file(&rig, "00000000000000000015.wj", &len));
    rig_close(&rig);
    rig_resume(&rig, 0, 20);
}

static void a_truncated_segment_is_corruption(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_segments(3);
    rig_stop(&rig, SIMFS_ALL, 1);
    struct fs_file *file;
    const struct fs *fs = simfs_fs(rig.disk);
    uint64_t at = rig_find(&rig, FIRST, 50) + 20;
    assert_int_equal(fs->open(fs->ctx, "journal/" FIRST, FS_READ_WRITE, &file, &rig.err), RC_OK);
    assert_int_equal(fs->truncate(fs->ctx, file, at, &rig.err), RC_OK);
    fs->close(fs->ctx, &file);
    expect_corrupt(FIRST, "50");
}

static void a_newer_and_an_older_format_are_refused_with_a_way_on(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    uint64_t len;
    rig_file(&rig, FIRST, &len)[8] = FORMAT_VERSION + 1;
    assert_int_equal(rig_try_open(&rig), RC_FOREIGN);
    assert_non_null(strstr(rig.err.text, "newer"));
    rig_file(&rig, FIRST, &len)[8] = FORMAT_VERSION - 1;
    assert_int_equal(rig_try_open(&rig), RC_FOREIGN);
    assert_non_null(strstr(rig.err.text, "start that one once more, stop it in order"));
    assert_non_null(strstr(rig.err.text, "remove the directory"));
    rig_file(&rig, FIRST, &len)[8] = FORMAT_VERSION;
    rig_resume(&rig, 0, 10);
}

static struct journal_history history_now(void)
{
    struct journal_history history;
    rig_open(&rig);
    journal_get_history(rig.j, &history);
    return history;
}

/* Opens, changes nothing, and closes. */
static struct journal_history history_of_files(void)
{
    struct journal_history history = history_now();
    rig_close(&rig);
    return history;
}

static void a_journal_keeps_the_id_that_it_was_created_with(void **state)
{
    (void)state;
    uint8_t first[JOURNAL_ID_BYTES];
    memset(rig.options.new_id, 0, sizeof(rig.options.new_id)); /* at random */
    struct journal_history none = history_of_files(), other = history_of_files();
    assert_false(none.exists);
    assert_int_equal(none.last_lsn, 0);
    assert_memory_not_equal(none.id, other.id, sizeof(none.id)); /* it is not on disk yet */
    rig_resume(&rig, 0, 0);
    memcpy(first, journal_id(rig.j), sizeof(first));
    rig_close(&rig);
    struct journal_history empty = history_of_files();
    assert_true(empty.exists);
    assert_memory_equal(empty.id, first, sizeof(first));
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    memset(rig.options.new_id, 9, sizeof(rig.options.new_id)); /* is not asked for any more */
    struct journal_history some = history_of_files();
    assert_memory_equal(some.id, first, sizeof(first));
    assert_int_equal(some.after_lsn, 0);
    assert_int_equal(some.last_lsn, 10);
    assert_true(some.coherent);
}

static void a_ring_says_the_id_when_no_segment_is_left(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    const struct fs *fs = simfs_fs(rig.disk);
    assert_int_equal(fs->remove(fs->ctx, "journal/" FIRST, &rig.err), RC_OK);
    assert_int_equal(fs->remove(fs->ctx, "journal/" STOP_MARK_NAME, &rig.err), RC_OK);
    memset(rig.options.new_id, 9, sizeof(rig.options.new_id)); /* else the ring would be foreign */
    assert_int_equal(rig_try_open(&rig), RC_CORRUPT);
    assert_non_null(strstr(rig.err.text, "'ring-0' knows of them"));
}

static void files_of_two_journals_are_not_read_as_one(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_segments(2);
    rig_close(&rig);
    uint64_t len;
    struct segment_header header;
    char *page = rig_file(&rig, FIRST, &len);
    memcpy(&header, page, sizeof(header));
    header.journal_id[0] ^= 1;
    format_seal_header(&header, page);
    assert_int_equal(rig_try_open(&rig), RC_FOREIGN);
    assert_non_null(strstr(rig.err.text, "two different journals"));
}

static void a_jump_in_the_history_is_known(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(journal_start(rig.j, 50, &rig.err), RC_OK); /* power took 11 to 50 */
    rig_close(&rig);
    struct journal_history history = history_of_files();
    assert_int_equal(history.after_lsn, 0);
    assert_int_equal(history.whole_after_lsn, 50);
    assert_int_equal(history.last_lsn, 50);
}

static void a_directory_in_use_is_named(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    struct journal *second = NULL;
    assert_int_equal(journal_open(&rig.options, &second, &rig.err), RC_BUSY);
    assert_non_null(strstr(rig.err.text, "journal"));
}

static void a_damaged_ring_is_corruption_after_a_kill_and_an_end_after_power_loss(void **state)
{
    (void)state;
    for (int image = SIMFS_KILLED; image <= SIMFS_ALL; image += SIMFS_ALL) {
        rig_fini(&rig);
        rig_init(&rig, JOURNAL_FSYNC_NO);
        rig_resume(&rig, 0, 0);
        write_synced(10);
        /* A gap keeps the records in the ring. */
        struct journal_stamp hole = journal_stamp(rig.j);
        for (int i = 0; i < 5; i++)
            history_append(&rig.h, rig.j, 1);
        struct simfs *after = simfs_after(rig.disk, (enum simfs_image)image, 1);
        journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
        rig_close(&rig);
        simfs_free(&rig.disk);
        rig.disk = after;
        uint64_t len;
        uint64_t at;
        char *bytes = rig_file(&rig, "ring-1", &len);
        memcpy(&at, bytes + offsetof(struct ring_page, read_pos), sizeof(at));
        bytes[FORMAT_PAGE + at % rig.options.ring_bytes + 8] ^= 1;
        if (image == SIMFS_KILLED)
            expect_corrupt("ring-1", "11");
        else
            rig_resume(&rig, 0, 10);
    }
}

static void a_ring_that_lost_its_head_is_made_anew(void **state)
{
    (void)state;
    uint64_t len;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    memset(rig_file(&rig, "ring-1", &len), 0xff, 100);
    rig_resume(&rig, 0, 10);
    write_synced(10);
    rig_stop(&rig, SIMFS_KILLED, 1);
    rig_resume(&rig, 0, 20);
}

static void rings_may_hold_more_than_a_segment(void **state)
{
    (void)state;
    rig.options.ring_bytes = 256 << 10;
    rig_resume(&rig, 0, 0);
    write_synced(3);
    struct journal_stamp hole = journal_stamp(rig.j);
    for (int i = 0; i < 700; i++) {
        assert_int_equal(journal_reserve(rig.j, 1, 600, &rig.err), RC_OK);
        history_append(&rig.h, rig.j, 1);
    }
    struct simfs *after = simfs_after(rig.disk, SIMFS_KILLED, 1);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    rig_close(&rig);
    simfs_free(&rig.disk);
    rig.disk = after;
    struct history_check check;
    for (int i = 0; i < 2; i++) {
        rig_open(&rig);
        assert_int_equal(rig_try_replay(&rig, 0, &check), RC_OK);
        assert_int_equal(check.next_lsn, 705);
        assert_int_equal(check.noops, 1);
        rig_start(&rig);
        rig_stop(&rig, SIMFS_NONE, 1); /* what start has moved is synced */
    }
}

static enum rc refuse_third(void *ctx, const struct journal_record *record, struct err *err)
{
    (*(int *)ctx)++;
    return record->lsn < 3 ? RC_OK : err_set(err, RC_NOMEM, "that is enough");
}

static void an_error_of_the_caller_ends_the_replay(void **state)
{
    (void)state;
    int seen = 0;
    rig_resume(&rig, 0, 0);
    write_synced(10);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(journal_replay(rig.j, 0, refuse_third, &seen, &rig.err), RC_NOMEM);
    assert_int_equal(seen, 3);
    assert_string_equal(rig.err.text, "that is enough");
}

int main(void)
{
#define RECOVER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RECOVER_TEST(after_a_kill_everything_appended_is_there),
        RECOVER_TEST(after_power_loss_everything_synced_is_there),
        RECOVER_TEST(recovering_changes_nothing),
        RECOVER_TEST(a_gap_left_by_a_kill_becomes_a_noop),
        RECOVER_TEST(a_gap_after_power_loss_is_the_end),
        RECOVER_TEST(a_tail_that_was_not_synced_is_cut_off),
        RECOVER_TEST(a_hole_before_unsynced_groups_is_cut_off_after_power_loss),
        RECOVER_TEST(the_same_hole_without_power_loss_is_corruption),
        RECOVER_TEST(damage_in_what_was_synced_is_corruption),
        RECOVER_TEST(zeros_in_what_was_synced_are_no_clean_end),
        RECOVER_TEST(a_clean_close_protects_the_very_last_record),
        RECOVER_TEST(damage_in_an_old_segment_is_found_by_replaying),
        RECOVER_TEST(a_missing_segment_is_corruption),
        RECOVER_TEST(a_damaged_header_is_corruption_wherever_it_is),
        RECOVER_TEST(a_first_segment_without_header_is_no_harm_when_it_is_not_needed),
        RECOVER_TEST(a_superseded_segment_is_ignored_and_removed),
        RECOVER_TEST(a_truncated_segment_is_corruption),
        RECOVER_TEST(a_newer_and_an_older_format_are_refused_with_a_way_on),
        RECOVER_TEST(a_journal_keeps_the_id_that_it_was_created_with),
        RECOVER_TEST(a_ring_says_the_id_when_no_segment_is_left),
        RECOVER_TEST(files_of_two_journals_are_not_read_as_one),
        RECOVER_TEST(a_jump_in_the_history_is_known),
        RECOVER_TEST(a_directory_in_use_is_named),
        RECOVER_TEST(a_damaged_ring_is_corruption_after_a_kill_and_an_end_after_power_loss),
        RECOVER_TEST(a_ring_that_lost_its_head_is_made_anew),
        RECOVER_TEST(rings_may_hold_more_than_a_segment),
        RECOVER_TEST(an_error_of_the_caller_ends_the_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
