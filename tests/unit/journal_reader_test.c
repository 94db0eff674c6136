/* Reading a journal from outside, and salvaging what can be salvaged of a damaged one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/reader.h"
#include "base/log.h"
#include "tests/support/journal_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <xxhash.h>

#define FIRST "00000000000000000001.wj"

static struct journal_rig rig;
static struct journal_reader *reader;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    rig_init(&rig, JOURNAL_FSYNC_ALWAYS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    journal_reader_close(&reader);
    rig_fini(&rig);
    return 0;
}

static void write_records(uint32_t n)
{
    while (n > 0) {
        uint32_t some = n < 10 ? n : 10;
        rig_append(&rig, some);
        rig_sync(&rig);
        n -= some;
    }
}

static void open_reader(void)
{
    journal_reader_close(&reader);
    if (journal_reader_open(simfs_fs(rig.disk), "journal", &reader, &rig.err) != RC_OK)
        fail_msg("%s", rig.err.text);
}

/* Reads on to the end or to damage; what ended it. */
static enum rc read_all(struct history_check *check)
{
    struct journal_record record;
    enum rc rc;
    while ((rc = journal_reader_next(reader, &record, &rig.err)) == RC_OK)
        assert_int_equal(history_check(check, &record, &rig.err), RC_OK);
    return rc;
}

static void damage(const char *name, uint64_t lsn)
{
    uint64_t len, at = rig_find(&rig, name, lsn);
    rig_file(&rig, name, &len)[at + 9] ^= 2;
}

/* What was changed in a file's bytes is on the disk for good. */
static void make_durable(const char *name)
{
    uint64_t len;
    char *bytes = rig_file(&rig, name, &len), *copy = malloc(len), path[64];
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    snprintf(path, sizeof(path), "journal/%s", name);
    simfs_put(rig.disk, path, copy, len);
    free(copy);
}

static void an_empty_directory_is_an_empty_journal(void **state)
{
    (void)state;
    struct history_check check = {.h = &rig.h, .next_lsn = 1};
    const struct journal_segment *segments;
    open_reader();
    assert_int_equal(read_all(&check), RC_NOT_FOUND);
    assert_int_equal(journal_reader_segments(reader, &segments), 0);
    assert_int_equal(journal_reader_place(reader).next_lsn, 1);
}

static void a_journal_is_read_while_it_is_open(void **state)
{
    (void)state;
    const struct journal_segment *segments;
    uint8_t id[16];
    rig_resume(&rig, 0, 0);
    write_records(500);
    open_reader();
    struct history_check check = {.h = &rig.h, .next_lsn = 1};
    assert_int_equal(read_all(&check), RC_NOT_FOUND);
    assert_int_equal(check.next_lsn, 501);
    assert_int_equal(read_all(&check), RC_NOT_FOUND); /* the end stays the end */
    assert_false(journal_reader_is_torn(reader));
    size_t len = journal_reader_segments(reader, &segments);
    assert_true(len >= 2);
    for (size_t i = 0; i < len; i++) {
        assert_true(segments[i].valid);
        assert_int_equal(segments[i].number, i + 1);
        assert_int_equal(segments[i].bytes, 64 << 10);
        assert_int_equal(segments[i].continues_after, segments[i].first_lsn - 1);
    }
    journal_reader_id(reader, id);
    assert_memory_equal(id, rig.options.new_id, 16);
}

static void seeking_begins_behind_an_lsn(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_records(500);
    open_reader();
    const uint64_t places[] = {0, 1, 250, 499, 500};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct history_check check = {.h = &rig.h, .next_lsn = places[i] + 1};
        assert_int_equal(journal_reader_seek(reader, places[i], &rig.err), RC_OK);
        assert_int_equal(read_all(&check), RC_NOT_FOUND);
        assert_int_equal(check.next_lsn, 501);
    }
}

static bool is_written(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.written_lsn == i.last_lsn;
}

static bool is_trimmed(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.segments == 1;
}

static void a_recycled_segment_ends_cleanly(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    for (int i = 0; i < 6; i++) {
        write_records(250);
        journal_trim(rig.j, journal_last_lsn(rig.j));
        assert_true(rig_wait(is_trimmed, &rig));
    }
    for (int i = 0; i < 30; i++) { /* at many places within a page */
        write_records(1);
        open_reader();
        const struct journal_segment *segments;
        assert_true(journal_reader_segments(reader, &segments) >= 1);
        struct history_check check = {.h = &rig.h, .next_lsn = segments[0].first_lsn};
        assert_int_equal(read_all(&check), RC_NOT_FOUND);
        assert_int_equal(check.next_lsn, journal_last_lsn(rig.j) + 1);
        assert_false(journal_reader_is_torn(reader));
    }
    assert_int_equal(journal_reader_seek(reader, 5, &rig.err), RC_CORRUPT); /* trimmed */
}

static void verifying_finds_the_damage(void **state)
{
    (void)state;
    rig_resume(&rig, 0, 0);
    write_records(300);
    rig_close(&rig);
    damage(FIRST, 123);
    open_reader();
    struct history_check check = {.h = &rig.h, .next_lsn = 1};
    assert_int_equal(read_all(&check), RC_CORRUPT);
    assert_int_equal(check.next_lsn, 123);
    struct journal_place place = journal_reader_place(reader);
    assert_string_equal(place.name, FIRST);
    assert_int_equal(place.next_lsn, 123);
    assert_non_null(strstr(rig.err.text, FIRST));
    assert_int_equal(read_all(&check), RC_CORRUPT);
}

static enum rc salvage(struct journal_salvage *out)
{
    return journal_salvage(simfs_fs(rig.disk), "journal", out, &rig.err);
}

static void salvage_keeps_what_is_before_the_damage(void **state)
{
    (void)state;
    struct journal_salvage done;
    uint64_t len, old;
    rig_resume(&rig, 0, 0);
    write_records(500);
    rig_close(&rig);
    rig_file(&rig, FIRST, &old);
    damage(FIRST, 123);
    assert_int_equal(salvage(&done), RC_OK);
    assert_false(done.was_sound);
    assert_int_equal(done.last_lsn, 122);
    assert_int_equal(done.at.next_lsn, 123);
    assert_string_equal(done.at.name, FIRST);
    assert_true(done.set_aside >= 4); /* the tail, a segment, two rings */
    assert_non_null(rig_file(&rig, FIRST ".damaged", &len));
    assert_int_equal(len, old - done.at.offset);
    assert_non_null(rig_file(&rig, "ring-0.damaged", &len));
    rig_resume(&rig, 0, 122);
    history_next_epoch(&rig.h, 122);
    write_records(10);
    rig_close(&rig);
    rig_resume(&rig, 0, 132);
}

static void a_second_salvage_keeps_what_the_first_set_aside(void **state)
{
    (void)state;
    struct journal_salvage done;
    uint64_t len, first_len;
    rig_resume(&rig, 0, 0);
    write_records(500);
    rig_close(&rig);
    damage(FIRST, 123);
    assert_int_equal(salvage(&done), RC_OK);
    char *kept = rig_file(&rig, FIRST ".damaged", &first_len);
    uint64_t sum = first_len == 0 ? 0 : XXH3_64bits(kept, first_len);
    rig_resume(&rig, 0, 122);
    history_next_epoch(&rig.h, 122);
    write_records(10);
    rig_close(&rig);
    damage(FIRST, 60);
    assert_int_equal(salvage(&done), RC_OK);
    assert_int_equal(done.last_lsn, 59);
    kept = rig_file(&rig, FIRST ".damaged", &len);
    assert_int_equal(len, first_len);
    assert_int_equal(XXH3_64bits(kept, len), sum);
    assert_non_null(rig_file(&rig, FIRST ".damaged.2", &len)); /* copied, then cut off */
    assert_non_null(rig_file(&rig, "ring-0.damaged.2", &len)); /* renamed */
}

static void salvage_leaves_a_sound_journal_alone(void **state)
{
    (void)state;
    struct journal_salvage done;
    rig_resume(&rig, 0, 0);
    write_records(100);
    rig_close(&rig);
    uint64_t digest = simfs_digest(rig.disk);
    assert_int_equal(salvage(&done), RC_OK);
    assert_true(done.was_sound);
    assert_int_equal(done.last_lsn, 100);
    assert_int_equal(simfs_digest(rig.disk), digest);
}

static void salvage_may_be_interrupted_and_repeated(void **state)
{
    (void)state;
    for (uint64_t stop = 1; stop <= 16; stop++) {
        struct journal_salvage done;
        rig_fini(&rig);
        rig_init(&rig, JOURNAL_FSYNC_ALWAYS);
        rig_resume(&rig, 0, 0);
        write_records(250);
        rig_stop(&rig, SIMFS_ALL, 1);
        damage(FIRST, 123);
        make_durable(FIRST);
        simfs_stop_at(rig.disk, stop, NULL, NULL);
        assert_int_equal(salvage(&done), RC_OK);
        rig_stop(&rig, stop % 2 == 0 ? SIMFS_KILLED : SIMFS_TORN, stop);
        assert_int_equal(salvage(&done), RC_OK);
        assert_int_equal(done.last_lsn, 122);
        rig_resume(&rig, 0, 122);
    }
}

/* The rest is kept: whether what is lost is still wanted, only the store's position says. */
static void salvage_keeps_what_is_behind_a_first_segment_without_header(void **state)
{
    (void)state;
    struct journal_salvage done;
    struct history_check check;
    uint64_t len, second;
    rig_resume(&rig, 0, 0);
    write_records(300);
    rig_close(&rig);
    rig_list_segments(&rig);
    assert_true(rig.names_len > 1);
    assert_true(format_is_segment_name(rig.names[1], &second));
    rig_file(&rig, FIRST, &len)[30] ^= 1;
    rig_open(&rig);
    assert_int_equal(rig_try_replay(&rig, 0, &check), RC_CORRUPT);
    rig_close(&rig);
    assert_int_equal(journal_check(simfs_fs(rig.disk), "journal", &rig.err), RC_CORRUPT);
    assert_int_equal(salvage(&done), RC_OK);
    assert_false(done.was_sound);
    assert_string_equal(done.at.name, FIRST);
    assert_int_equal(done.last_lsn, 300);
    assert_int_equal(done.set_aside, 1);
    assert_non_null(rig_file(&rig, FIRST ".damaged", &len));
    assert_int_equal(journal_check(simfs_fs(rig.disk), "journal", &rig.err), RC_OK);
    rig_resume(&rig, second - 1, 300);
}

static void salvage_sets_a_journal_without_any_header_aside(void **state)
{
    (void)state;
    struct journal_salvage done;
    uint64_t len;
    rig_resume(&rig, 0, 0);
    write_records(20);
    rig_stop(&rig, SIMFS_KILLED, 1);
    rig_file(&rig, FIRST, &len)[30] ^= 1;
    assert_int_equal(rig_try_open(&rig), RC_CORRUPT);
    assert_int_equal(salvage(&done), RC_OK);
    assert_int_equal(done.last_lsn, 0);
    assert_int_equal(done.set_aside, 3);
    assert_non_null(rig_file(&rig, FIRST ".damaged", &len));
    rig_resume(&rig, 0, 0);
}

/* What can be read is read, from the first segment with a header on. */
static void reading_begins_with_the_first_header_that_verifies(void **state)
{
    (void)state;
    uint64_t len, second;
    rig_resume(&rig, 0, 0);
    write_records(300);
    rig_close(&rig);
    rig_list_segments(&rig);
    assert_true(format_is_segment_name(rig.names[1], &second));
    rig_file(&rig, FIRST, &len)[30] ^= 1;
    open_reader();
    struct history_check check = {.h = &rig.h, .next_lsn = second};
    assert_int_equal(read_all(&check), RC_NOT_FOUND);
    assert_int_equal(check.next_lsn, 301);
    assert_int_equal(journal_reader_seek(reader, 5, &rig.err), RC_CORRUPT);
}

/* Each of the two looks at the same disk, and the start sees `last`. */
static void expect_salvage_to_keep(uint64_t last)
{
    struct journal_salvage done;
    uint64_t digest = simfs_digest(rig.disk);
    rig_open(&rig);
    assert_int_equal(rig_replay(&rig, 0), last);
    rig_close(&rig);
    assert_int_equal(journal_check(simfs_fs(rig.disk), "journal", &rig.err), RC_OK);
    assert_int_equal(salvage(&done), RC_OK);
    assert_true(done.was_sound);
    assert_int_equal(simfs_digest(rig.disk), digest);
    rig_resume(&rig, 0, last);
}

/* A ring that power loss left with pages of any time holds some more records all the same. */
static void salvage_keeps_what_a_start_takes_from_rings_after_power_loss(void **state)
{
    (void)state;
    uint64_t len, read_pos;
    rig_resume(&rig, 0, 0);
    write_records(20);
    simfs_fail(rig.disk, SIMFS_PWRITE, 1, UINT64_MAX / 2, EIO);
    for (uint32_t i = 0; i < 4; i++)
        history_append(&rig.h, rig.j, i % 2);
    rig_stop(&rig, SIMFS_ALL, 1);
    char *ring = rig_file(&rig, "ring-1", &len);
    memcpy(&read_pos, ring + 2048, sizeof(read_pos));
    ring[4096 + read_pos + 9] ^= 1; /* LSN 22 */
    expect_salvage_to_keep(21);
}

/* Groups that were never synced reach the disk in any order. */
static void salvage_keeps_what_a_start_takes_before_a_torn_group(void **state)
{
    (void)state;
    rig.options.fsync = JOURNAL_FSYNC_NO;
    rig_resume(&rig, 0, 0);
    write_records(20);
    for (int i = 0; i < 4; i++) {
        rig_append(&rig, 10);
        assert_true(rig_wait(is_written, &rig));
    }
    rig_stop(&rig, SIMFS_ALL, 1);
    damage(FIRST, 35);
    make_durable(FIRST);
    expect_salvage_to_keep(34);
}

static void salvage_sets_damaged_rings_aside(void **state)
{
    (void)state;
    struct journal_salvage done;
    uint64_t len;
    rig_resume(&rig, 0, 0);
    write_records(20);
    struct journal_stamp hole = journal_stamp(rig.j);
    for (int i = 0; i < 5; i++)
        history_append(&rig.h, rig.j, 1);
    struct simfs *after = simfs_after(rig.disk, SIMFS_KILLED, 1);
    journal_append(rig.j, 0, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    rig_close(&rig);
    simfs_free(&rig.disk);
    rig.disk = after;
    uint64_t read_pos;
    char *ring = rig_file(&rig, "ring-1", &len);
    memcpy(&read_pos, ring + 2048, sizeof(read_pos));
    ring[4096 + read_pos + 9] ^= 1;
    assert_int_equal(rig_try_open(&rig), RC_CORRUPT);
    assert_int_equal(salvage(&done), RC_OK);
    assert_false(done.was_sound);
    assert_int_equal(done.last_lsn, 20);
    rig_resume(&rig, 0, 20);
}

static void salvage_is_refused_while_the_journal_is_in_use(void **state)
{
    (void)state;
    struct journal_salvage done;
    rig_resume(&rig, 0, 0);
    assert_int_equal(salvage(&done), RC_BUSY);
}

int main(void)
{
#define READER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        READER_TEST(an_empty_directory_is_an_empty_journal),
        READER_TEST(a_journal_is_read_while_it_is_open),
        READER_TEST(seeking_begins_behind_an_lsn),
        READER_TEST(a_recycled_segment_ends_cleanly),
        READER_TEST(verifying_finds_the_damage),
        READER_TEST(salvage_keeps_what_is_before_the_damage),
        READER_TEST(a_second_salvage_keeps_what_the_first_set_aside),
        READER_TEST(salvage_leaves_a_sound_journal_alone),
        READER_TEST(salvage_may_be_interrupted_and_repeated),
        READER_TEST(salvage_keeps_what_is_behind_a_first_segment_without_header),
        READER_TEST(salvage_sets_a_journal_without_any_header_aside),
        READER_TEST(reading_begins_with_the_first_header_that_verifies),
        READER_TEST(salvage_keeps_what_a_start_takes_from_rings_after_power_loss),
        READER_TEST(salvage_keeps_what_a_start_takes_before_a_torn_group),
        READER_TEST(salvage_sets_damaged_rings_aside),
        READER_TEST(salvage_is_refused_while_the_journal_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
