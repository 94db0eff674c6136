/* Dead letters and conflicts: on disk before their batch, void when its cut never was, bounded.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/item.h"
#include "writeback/records.h"

#include "base/buf.h"
#include "base/log.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static struct backend_position position;
static uint8_t journal[BACKEND_JOURNAL_ID_BYTES];
static struct records *r;
static struct records_bounds bounds;

static void reopen(uint64_t cut_lsn)
{
    records_close(&r);
    position.cut_lsn = cut_lsn;
    r = records_open(
        &(struct records_options){.dir = dir, .position = &position, .journal_id = journal});
}

static int begin(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    strcpy(dir, "/tmp/weir-records-XXXXXX");
    assert_non_null(mkdtemp(dir));
    bounds = (struct records_bounds){1000, 1024 * 1024 * 1024};
    position = (struct backend_position){0};
    memset(journal, 1, sizeof(journal));
    reopen(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    char command[100];
    records_close(&r);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

/* --- Short words --- */

static struct backend_item string_of(const char *key, const char *value)
{
    return (struct backend_item){
        .db = 1, .type = VALUE_STRING, .key = slice_str(key), .value = slice_str(value)};
}

static enum rc add(enum record_kind kind, uint64_t lsn, const struct backend_item *ours)
{
    struct err err = {0};
    struct record record = {.kind = kind,
                            .time = {1000},
                            .number = 3,
                            .lsn = lsn,
                            .reason = SLICE("why"),
                            .ours_lost = true,
                            .ours = ours};
    return records_add(r, &record, &bounds, &err);
}

static void letter(uint64_t lsn, const char *key, const char *value)
{
    struct backend_item item = string_of(key, value);
    assert_int_equal(add(RECORD_DEAD_LETTER, lsn, &item), RC_OK);
}

static void conflict(uint64_t lsn, const char *key, const char *value)
{
    struct backend_item item = string_of(key, value);
    assert_int_equal(add(RECORD_CONFLICT, lsn, &item), RC_OK);
}

static void supersede(const char *key)
{
    struct err err;
    struct backend_item item = string_of(key, "newer");
    assert_int_equal(records_supersede(r, &item, 1, &err), RC_OK);
}

static void commit(void)
{
    struct err err;
    if (records_commit(r, &err) != RC_OK)
        fail_msg("%s", err.text);
}

/* A batch with one letter, committed on both sides. */
static void batch_with_letter(uint64_t lsn, const char *key, const char *value)
{
    records_begin(r, lsn);
    letter(lsn, key, value);
    commit();
    records_end(r, true);
}

static void note_row(void *ctx, const struct record_row *row)
{
    struct buf *out = ctx;
    buf_printf(out, "%llu %.*s=%.*s; ", (unsigned long long)row->id, (int)row->key.len,
               row->key.ptr, (int)row->ours.len, row->ours.ptr);
    assert_int_equal(row->number, 3);
    assert_true(slice_eq(row->reason, SLICE("why")));
}

static void check_rows(enum record_kind kind, uint64_t after, uint64_t max, const char *expected)
{
    struct buf got = {0};
    struct err err;
    struct records_query q = {.kind = kind, .after = after, .max = max};
    struct records_reader reader = {note_row, &got};
    if (records_page(r, &q, &reader, &err) != RC_OK)
        fail_msg("%s", err.text);
    buf_append(&got, "", 1);
    assert_string_equal(got.data, expected);
    buf_fini(&got);
}
#define LETTERS(expected)   check_rows(RECORD_DEAD_LETTER, 0, 100, expected)
#define CONFLICTS(expected) check_rows(RECORD_CONFLICT, 0, 100, expected)

/* --- Tests --- */

static void records_survive_a_restart_with_their_numbers(void **state)
{
    (void)state;
    uint64_t ids[] = {1, 77}, dropped;
    struct records_choice choice = {.kind = RECORD_DEAD_LETTER, .ids = ids, .len = 2};
    batch_with_letter(5, "a", "one");
    batch_with_letter(6, "b", "two");
    assert_int_equal(records_drop(r, &choice, &dropped, NULL), RC_OK);
    assert_int_equal(dropped, 1);
    reopen(6);
    LETTERS("2 b=two; ");
    assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 1);
    choice.ids = &ids[1];
    choice.len = 1;
    ids[1] = 2;
    assert_int_equal(records_drop(r, &choice, &dropped, NULL), RC_OK);
    reopen(6);
    batch_with_letter(7, "c", "three");
    LETTERS("3 c=three; ");
}

static void records_of_a_cut_that_never_was_are_void(void **state)
{
    (void)state;
    batch_with_letter(5, "a", "kept");
    records_begin(r, 9);
    letter(9, "b", "of a cut that is not committed");
    conflict(9, "c", "the same");
    commit();
    LETTERS("1 a=kept; "); /* not shown before it is */
    assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 1);
    reopen(5); /* killed between the two commits */
    LETTERS("1 a=kept; ");
    CONFLICTS("");
    assert_int_equal(records_count(r, RECORD_CONFLICT), 0);
    records_begin(r, 9);
    letter(9, "b", "again");
    commit();
    reopen(9); /* killed when both were made */
    LETTERS("1 a=kept; 4 b=again; ");
}

static void a_letter_is_void_from_the_commit_of_something_newer_on(void **state)
{
    (void)state;
    for (uint64_t killed = 0; killed < 2; killed++) {
        uint64_t lsn = 10 * (killed + 1);
        batch_with_letter(lsn, "a", "old");
        records_begin(r, lsn + 5);
        supersede("a");
        supersede("other");
        commit();
        if (killed)
            reopen(lsn); /* the backend has not */
        else
            reopen(lsn + 5); /* it has, and nothing was cleaned up */
        assert_int_equal(records_count(r, RECORD_DEAD_LETTER), killed);
    }
    LETTERS("2 a=old; ");
    records_begin(r, 30);
    supersede("a");
    commit();
    records_end(r, true);
    LETTERS("");
    reopen(30);
    LETTERS("");
}

static void a_retried_batch_does_not_double_its_records(void **state)
{
    (void)state;
    batch_with_letter(5, "a", "old");
    for (int attempt = 0; attempt < 3; attempt++) {
        records_begin(r, 9);
        supersede("a");
        letter(9, "b", "value");
        conflict(9, "c", "lost");
        if (attempt == 1)
            commit(); /* here, and then the backend fails */
        records_end(r, false);
        assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 1);
    }
    records_begin(r, 9);
    letter(9, "b", "value"); /* there is no conflict any more, nor something newer of a */
    commit();
    records_end(r, true);
    LETTERS("1 a=old; 6 b=value; ");
    CONFLICTS("");
    reopen(9);
    LETTERS("1 a=old; 6 b=value; ");
    CONFLICTS("");
}

static void an_attempt_with_nothing_to_say_takes_back_what_the_one_before_said(void **state)
{
    (void)state;
    records_begin(r, 9);
    conflict(9, "c", "lost");
    commit();
    records_end(r, false);
    records_begin(r, 9);
    commit();
    records_end(r, true);
    CONFLICTS("");
    reopen(9);
    CONFLICTS("");
}

static void what_an_attempt_made_void_is_made_void_by_the_next_one_too(void **state)
{
    (void)state;
    for (uint64_t attempts = 1; attempts <= 3; attempts++) {
        batch_with_letter(10 * attempts, "a", "old"); /* the only one */
        for (uint64_t i = 1; i <= attempts; i++) {
            records_begin(r, 10 * attempts + 5);
            supersede("a");
            commit(); /* here; the backend takes the last one */
            records_end(r, i == attempts);
        }
        assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 0);
        reopen(10 * attempts + 5);
        LETTERS("");
    }
}

static void a_key_has_one_letter(void **state)
{
    (void)state;
    bounds.number = 1;
    batch_with_letter(5, "a", "one");
    records_begin(r, 6);
    supersede("a");
    letter(6, "a", "two");
    commit();
    records_end(r, true);
    LETTERS("2 a=two; ");
    assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 1);
}

static void a_flushed_database_takes_its_letters_with_it(void **state)
{
    (void)state;
    struct err err;
    struct backend_dbmap map = {.len = 2, .store_db = {2, 3}};
    batch_with_letter(5, "a", "in 1");
    for (int committed = 0; committed < 2; committed++) {
        records_begin(r, 8);
        assert_int_equal(records_keep_databases(r, &map, &err), RC_OK);
        commit();
        reopen(committed ? 8 : 5);
        assert_int_equal(records_count(r, RECORD_DEAD_LETTER), !committed);
    }
}

static void bounds_hold_letters_back_and_push_conflicts_out(void **state)
{
    (void)state;
    char big[3000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    bounds.number = 2;
    batch_with_letter(1, "a", "1");
    batch_with_letter(2, "b", "2");
    struct backend_item third = string_of("c", "3");
    records_begin(r, 3);
    assert_int_equal(add(RECORD_DEAD_LETTER, 3, &third), RC_FULL);
    records_end(r, false);
    LETTERS("1 a=1; 2 b=2; ");
    records_begin(r, 3);
    for (int i = 0; i < 5; i++)
        conflict(3, "k", i % 2 ? "odd" : "even");
    commit();
    records_end(r, true);
    CONFLICTS("6 k=odd; 7 k=even; ");
    bounds = (struct records_bounds){1000, 9000};
    records_begin(r, 4);
    for (int i = 0; i < 20; i++)
        conflict(4, "k", big);
    commit();
    records_end(r, true);
    assert_int_equal(records_count(r, RECORD_CONFLICT), 2);
    struct backend_item large = string_of("d", big);
    bounds.bytes = 3500;
    records_begin(r, 5);
    assert_int_equal(add(RECORD_DEAD_LETTER, 5, &large), RC_FULL);
    records_end(r, false);
}

static void records_are_read_a_page_at_a_time(void **state)
{
    (void)state;
    records_begin(r, 1);
    for (int i = 0; i < 5; i++)
        conflict(1, "k", "v");
    commit();
    records_end(r, true);
    check_rows(RECORD_CONFLICT, 0, 2, "1 k=v; 2 k=v; ");
    check_rows(RECORD_CONFLICT, 2, 2, "3 k=v; 4 k=v; ");
    check_rows(RECORD_CONFLICT, 4, 2, "5 k=v; ");
    check_rows(RECORD_CONFLICT, UINT64_MAX, 2, "");
}

static void what_others_drop_waits_for_the_end_of_a_batch(void **state)
{
    (void)state;
    uint64_t dropped;
    struct err err;
    struct records_choice all = {.kind = RECORD_CONFLICT};
    records_begin(r, 1);
    conflict(1, "k", "v");
    assert_int_equal(records_drop(r, &all, &dropped, &err), RC_BUSY);
    commit();
    assert_int_equal(records_drop(r, &all, &dropped, &err), RC_BUSY);
    records_end(r, true);
    assert_int_equal(records_drop(r, &all, &dropped, &err), RC_OK);
    assert_int_equal(dropped, 1);
    CONFLICTS("");
}

struct same {
    const struct backend_item *item;
    int seen;
};

static enum rc compare_letter(void *ctx, const struct backend_item *item, struct err *err)
{
    struct same *same = ctx;
    (void)err;
    same->seen++;
    assert_true(item->type == same->item->type && item->db == same->item->db);
    assert_true(slice_eq(item->key, same->item->key));
    assert_true(slice_eq(item->value, same->item->value));
    assert_int_equal(item->elements_len, same->item->elements_len);
    for (uint32_t i = 0; i < item->elements_len; i++)
        assert_true(slice_eq(item->elements[i].name, same->item->elements[i].name) &&
                    slice_eq(item->elements[i].value, same->item->elements[i].value));
    return RC_OK;
}

static void a_large_letter_comes_back_whole_and_a_large_conflict_is_cut(void **state)
{
    (void)state;
    enum { LONG = 3 * 1000 * 1000 };
    struct err err;
    char *bytes = malloc(LONG);
    for (int i = 0; i < LONG; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    struct backend_element elements[] = {{.name = SLICE("f\0"), .value = slice_of(bytes, LONG)},
                                         {.name = SLICE("g"), .value = slice_of(bytes, LONG / 2)}};
    struct backend_item item = {.db = 1,
                                .type = VALUE_HASH,
                                .key = SLICE("h"),
                                .elements = elements,
                                .elements_len = COUNT_OF(elements)};
    struct same same = {.item = &item};
    struct letter_reader reader = {compare_letter, &same};
    records_begin(r, 1);
    assert_int_equal(add(RECORD_DEAD_LETTER, 1, &item), RC_OK);
    commit();
    records_end(r, true);
    reopen(1);
    assert_int_equal(records_each_letter(r, &reader, &err), RC_OK);
    assert_int_equal(same.seen, 1);
    char path[100];
    struct stat before, after;
    snprintf(path, sizeof(path), "%s/records.db", dir);
    reopen(1);
    stat(path, &before);
    for (uint64_t lsn = 2; lsn < 22; lsn++) {
        records_begin(r, lsn);
        assert_int_equal(add(RECORD_CONFLICT, lsn, &item), RC_OK);
        commit();
        records_end(r, true);
    }
    reopen(22);
    stat(path, &after);
    assert_true(after.st_size - before.st_size < 20 * 300 * 1024);
    free(bytes);
}

static void overwrite(long at, const char *bytes, size_t len)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/records.db", dir);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    fwrite(bytes, 1, len, f);
    fclose(f);
}

static bool is_aside(void)
{
    char command[100];
    snprintf(command, sizeof(command), "ls '%s' | grep -q 'records.db.aside'", dir);
    return system(command) == 0;
}

static void a_damaged_file_is_moved_aside_and_new_records_begin(void **state)
{
    (void)state;
    static char rubbish[4096 * 8];
    memset(rubbish, 'z', sizeof(rubbish));
    batch_with_letter(5, "a", "one");
    records_close(&r);
    overwrite(4096, rubbish, sizeof(rubbish)); /* every page but the first */
    reopen(5);
    assert_true(is_aside());
    LETTERS("");
    batch_with_letter(6, "b", "two");
    reopen(6);
    LETTERS("1 b=two; ");
}

static void shell(const char *text)
{
    struct buf command = {0};
    buf_printf(&command, "cd '%s' && %s", dir, text);
    buf_append(&command, "", 1);
    if (system(command.data) != 0)
        fail_msg("%s", command.data);
    buf_fini(&command);
}

/* Whoever removes, moves or replaces the file, or a part of it, while it is in use: nothing of what
 * was recorded is missing, whether that is noticed between two batches, by the next one, or within
 * it, and whatever happens to the process afterwards. */
static void a_file_that_was_taken_away_is_written_anew(void **state)
{
    (void)state;
    static const char *const deeds[] = {
        "rm records.db",
        "rm records.db records.db-wal records.db-shm",
        "mv records.db x",
        "mv records.db x && mv records.db-wal x-wal",
        "rm records.db-wal",
        "cp records.db x && mv x records.db",
        "cp records.db x && rm records.db records.db-wal records.db-shm && mv x records.db",
        "echo something else > x && mv x records.db",
    };
    enum { BETWEEN, NEXT, WITHIN, TIMES };
    uint64_t lsn = 1;
    char expected[200];
    for (size_t i = 0; i < COUNT_OF(deeds); i++) {
        for (int when = BETWEEN; when < TIMES; when++) {
            struct err err = {0};
            begin(state);
            batch_with_letter(lsn, "a", "old");
            records_begin(r, ++lsn);
            supersede("a");
            letter(lsn, "a", "one");
            conflict(lsn, "c", "lost");
            commit();
            records_end(r, true);
            if (when != WITHIN)
                shell(deeds[i]);
            if (when == BETWEEN && records_check(r, &err) != RC_OK)
                fail_msg("%s: %s", deeds[i], err.text);
            if (when == BETWEEN) {
                LETTERS("2 a=one; ");
                reopen(lsn);
            }
            records_begin(r, ++lsn);
            letter(lsn, "b", "two");
            if (when == WITHIN)
                shell(deeds[i]);
            commit();
            reopen(lsn); /* killed after the commit */
            snprintf(expected, sizeof(expected), "2 a=one; 4 b=two; ");
            LETTERS(expected);
            CONFLICTS("3 c=lost; ");
            assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 2);
            end(state);
        }
    }
}

static void a_file_that_cannot_be_written_anew_is_said_and_written_when_it_can_be(void **state)
{
    (void)state;
    struct err err = {0};
    batch_with_letter(5, "a", "one");
    shell("rm -r ../$(basename $PWD)");
    assert_true(records_check(r, &err) != RC_OK);
    assert_non_null(strstr(err.text, "records.db"));
    assert_true(records_check(r, &err) != RC_OK);
    assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 1);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(records_check(r, &err), RC_OK);
    batch_with_letter(6, "b", "two");
    reopen(6);
    LETTERS("1 a=one; 2 b=two; ");
}

static void the_records_of_another_store_are_moved_aside(void **state)
{
    (void)state;
    batch_with_letter(5, "a", "one");
    journal[0] = 9;
    reopen(5);
    assert_true(is_aside());
    LETTERS("");
}

static void a_place_that_cannot_be_written_is_said_when_it_is_needed(void **state)
{
    (void)state;
    char path[100];
    struct err err = {0};
    struct backend_item item = string_of("a", "1");
    struct record record = {.kind = RECORD_DEAD_LETTER, .lsn = 1, .ours = &item};
    records_close(&r);
    snprintf(path, sizeof(path), "rm -rf '%s'", dir);
    assert_int_equal(system(path), 0);
    reopen(0);
    assert_int_equal(records_count(r, RECORD_DEAD_LETTER), 0);
    records_begin(r, 1);
    assert_true(records_add(r, &record, &bounds, &err) != RC_OK);
    assert_non_null(strstr(err.text, "records.db"));
    records_end(r, false);
    assert_int_equal(mkdir(dir, 0700), 0); /* and it goes on when it can be */
    batch_with_letter(1, "a", "1");
    LETTERS("1 a=1; ");
}

static void take(void *ctx, struct slice bytes)
{
    buf_append_slice(ctx, bytes);
}

static void an_item_comes_back_as_it_was(void **state)
{
    (void)state;
    struct backend_element elements[] = {
        {.name = SLICE("f\0"), .value = SLICE("v"), .position = -7, .score = 1.5, .removed = false},
        {.name = SLICE("g"), .removed = true},
    };
    struct backend_item item = {.db = 9,
                                .type = VALUE_HASH,
                                .key = SLICE("k"),
                                .expires_at_ms = 42,
                                .replace = true,
                                .elements = elements,
                                .elements_len = 2};
    struct buf bytes = {0}, text = {0};
    item_encode(&(struct item_sink){take, &bytes}, &item);
    struct backend_item back;
    struct backend_element *got;
    struct err err;
    bool known;
    assert_int_equal(item_decode(buf_slice(&bytes), &known, &back, &got, &err), RC_OK);
    assert_true(known && back.db == 9 && back.type == VALUE_HASH && back.replace &&
                back.elements_len == 2);
    assert_true(slice_eq(got[0].name, SLICE("f\0")) && got[0].position == -7 &&
                got[0].score == 1.5);
    assert_true(got[1].removed);
    item_render(&text, &back, 100);
    assert_true(slice_eq(buf_slice(&text), SLICE("{f\\x00: v, -g}")));
    free(got);
    for (size_t len = 0; len < bytes.len; len++) /* no prefix of it is taken for a whole item */
        assert_int_equal(item_decode(slice_of(bytes.data, len), &known, &back, &got, &err),
                         RC_CORRUPT);
    buf_fini(&bytes);
    buf_fini(&text);
}

int main(void)
{
#define RECORDS(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        RECORDS(records_survive_a_restart_with_their_numbers),
        RECORDS(records_of_a_cut_that_never_was_are_void),
        RECORDS(a_letter_is_void_from_the_commit_of_something_newer_on),
        RECORDS(a_retried_batch_does_not_double_its_records),
        RECORDS(an_attempt_with_nothing_to_say_takes_back_what_the_one_before_said),
        RECORDS(what_an_attempt_made_void_is_made_void_by_the_next_one_too),
        RECORDS(a_key_has_one_letter),
        RECORDS(a_flushed_database_takes_its_letters_with_it),
        RECORDS(bounds_hold_letters_back_and_push_conflicts_out),
        RECORDS(records_are_read_a_page_at_a_time),
        RECORDS(what_others_drop_waits_for_the_end_of_a_batch),
        RECORDS(a_large_letter_comes_back_whole_and_a_large_conflict_is_cut),
        RECORDS(a_damaged_file_is_moved_aside_and_new_records_begin),
        RECORDS(the_records_of_another_store_are_moved_aside),
        cmocka_unit_test(a_file_that_was_taken_away_is_written_anew),
        RECORDS(a_file_that_cannot_be_written_anew_is_said_and_written_when_it_can_be),
        RECORDS(a_place_that_cannot_be_written_is_said_when_it_is_needed),
        cmocka_unit_test(an_item_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
