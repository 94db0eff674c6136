/* Files of the journal that are missing: a start says so, and an operator can go on.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "journal/format.h"
#include "journal/reader.h"
#include "tests/support/journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

static void remove_file(const char *name)
{
    const struct fs *fs = simfs_fs(rig.disk);
    char path[128];
    snprintf(path, sizeof(path), "journal/%s", name);
    assert_int_equal(fs->remove(fs->ctx, path, &rig.err), RC_OK);
}

static void remove_newest(void)
{
    rig_list_segments(&rig);
    assert_true(rig.names_len > 0);
    remove_file(rig.names[rig.names_len - 1]);
}

static enum rc open_and_replay(uint64_t after_lsn)
{
    struct history_check check;
    enum rc rc = rig_try_open(&rig);
    return rc == RC_OK ? rig_try_replay(&rig, after_lsn, &check) : rc;
}

static void expect_refusal(uint64_t after_lsn, const char *what, const char *way_on)
{
    assert_int_equal(open_and_replay(after_lsn), RC_CORRUPT);
    if (strstr(rig.err.text, what) == NULL || strstr(rig.err.text, way_on) == NULL)
        fail_msg("no '%s' or '%s' in: %s", what, way_on, rig.err.text);
    rig_close(&rig);
}

/* After the operator's word, what is left comes back and the journal goes on. */
static void salvage(uint64_t last)
{
    struct journal_salvage done;
    if (journal_salvage(simfs_fs(rig.disk), "journal", &done, &rig.err) != RC_OK)
        fail_msg("salvage: %s", rig.err.text);
    assert_false(done.was_sound);
    assert_int_equal(done.last_lsn, last);
}

static void go_on(uint64_t last)
{
    rig_resume(&rig, 0, last);
    history_next_epoch(&rig.h, last);
    rig_append(&rig, 10);
    rig_stop(&rig, SIMFS_KILLED, 3);
    rig_resume(&rig, 0, last + 10);
}

static bool is_written(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.written_lsn == i.last_lsn;
}

/* Two runs; 34 records in the first segment, the others in the second. */
static void write_two_runs(uint32_t n)
{
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 34);
    rig_close(&rig);
    rig_resume(&rig, 0, 34);
    rig_append(&rig, n);
    assert_true(rig_wait(is_written, &rig));
}

static void the_newest_segment_is_missed_after_a_kill(void **state)
{
    (void)state;
    write_two_runs(27);
    rig_stop(&rig, SIMFS_KILLED, 1);
    remove_newest();
    expect_refusal(0, "records 35 to", "weirctl journal salvage");
    salvage(34);
    go_on(34);
}

/* In the middle of a run: its first segments are there. */
static void the_newest_of_a_run_is_missed_after_a_kill(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 500);
    assert_true(rig_wait(is_written, &rig));
    rig_stop(&rig, SIMFS_KILLED, 1);
    remove_newest();
    assert_true(rig.names_len > 1);
    expect_refusal(0, "are missing: 'ring-", "weirctl journal salvage");
    uint64_t first;
    assert_true(format_is_segment_name(rig.names[rig.names_len - 1], &first));
    salvage(first - 1);
    go_on(first - 1);
}

static void the_newest_segment_is_missed_after_power_loss(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 500);
    rig_sync(&rig);
    rig_stop(&rig, SIMFS_ALL, 1);
    remove_newest();
    assert_true(rig.names_len > 1);
    expect_refusal(0, "to 500 are missing", "weirctl journal salvage");
}

static void the_newest_segment_is_missed_after_a_clean_stop(void **state)
{
    (void)state;
    write_two_runs(27);
    rig_close(&rig);
    rig_stop(&rig, SIMFS_NONE, 1);
    remove_newest();
    remove_file("ring-0"); /* which may be missing after a clean stop */
    remove_file("ring-1");
    expect_refusal(0, "records 35 to 61 are missing: 'last-stop'", "weirctl journal salvage");
    salvage(34);
    go_on(34);
}

static void all_segments_are_missed_when_the_rings_are_there(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_stop(&rig, SIMFS_KILLED, 1); /* with nothing in it */
    remove_newest();
    expect_refusal(0, "every segment of run 1", "weirctl journal salvage");
    salvage(0);
    go_on(0);
}

static void a_missing_middle_segment_is_named_by_its_neighbours(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_ALWAYS;
    rig_resume(&rig, 0, 0);
    for (int i = 0; i < 70; i++) {
        rig_append(&rig, 10);
        rig_sync(&rig);
    }
    rig_close(&rig);
    rig_list_segments(&rig);
    assert_true(rig.names_len > 3);
    remove_file(rig.names[1]);
    uint64_t first, next;
    assert_true(format_is_segment_name(rig.names[1], &first));
    assert_true(format_is_segment_name(rig.names[2], &next));
    char text[64];
    snprintf(text, sizeof(text), "records %d to %d are missing", (int)first, (int)next - 1);
    expect_refusal(0, text, "weirctl journal salvage");
    assert_int_equal(open_and_replay(next - 1), RC_OK); /* the store has them */
    rig_close(&rig);
    salvage(first - 1);
    go_on(first - 1);
}

static void missing_first_segments_are_told(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    rig_append(&rig, 700);
    rig_close(&rig);
    rig_list_segments(&rig);
    remove_file(rig.names[0]);
    expect_refusal(50, "records from 51 on are needed", "weirctl store adopt");
}

static void a_ring_is_missed_after_a_kill_only(void **state)
{
    (void)state;
    for (int image = SIMFS_KILLED; image <= SIMFS_NONE; image++) {
        rig_fini(&rig);
        rig_init(&rig, JOURNAL_FSYNC_EVERYSEC);
        rig_resume(&rig, 0, 0);
        rig_append(&rig, 20);
        rig_sync(&rig);
        struct simfs *killed = simfs_after(rig.disk, (enum simfs_image)image, 1);
        rig_close(&rig);
        rig_stop(&rig, SIMFS_KILLED, 1);
        remove_file("ring-1");
        rig_resume(&rig, 0, 20); /* a clean stop needs none */
        rig_close(&rig);
        simfs_free(&rig.disk);
        rig.disk = killed;
        remove_file("ring-1");
        if (image == SIMFS_KILLED) {
            expect_refusal(0, "'ring-1' is missing", "weirctl journal salvage");
            salvage(20);
        }
        go_on(20);
    }
}

static void checking_from_outside_finds_what_is_missing(void **state)
{
    (void)state;
    write_two_runs(27);
    assert_int_equal(journal_check(simfs_fs(rig.disk), "journal", &rig.err), RC_BUSY);
    rig_close(&rig);
    assert_int_equal(journal_check(simfs_fs(rig.disk), "journal", &rig.err), RC_OK);
    remove_newest();
    assert_int_equal(journal_check(simfs_fs(rig.disk), "journal", &rig.err), RC_CORRUPT);
    if (strstr(rig.err.text, "35 to 61") == NULL)
        fail_msg("%s", rig.err.text);
}

int main(void)
{
#define MISSING_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MISSING_TEST(the_newest_segment_is_missed_after_a_kill),
        MISSING_TEST(the_newest_of_a_run_is_missed_after_a_kill),
        MISSING_TEST(the_newest_segment_is_missed_after_power_loss),
        MISSING_TEST(the_newest_segment_is_missed_after_a_clean_stop),
        MISSING_TEST(all_segments_are_missed_when_the_rings_are_there),
        MISSING_TEST(a_missing_middle_segment_is_named_by_its_neighbours),
        MISSING_TEST(missing_first_segments_are_told),
        MISSING_TEST(a_ring_is_missed_after_a_kill_only),
        MISSING_TEST(checking_from_outside_finds_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
