/* Dead letters and conflicts survive what a process can do to their file.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/ledger.h"
#include "writeback/item.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/weir-ledger-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/letters", dir);
    unlink(path);
    return rmdir(dir);
}

static struct ledger *reopen(struct ledger *l, uint64_t max, bool drop_oldest)
{
    struct err err = {0};
    ledger_close(&l);
    if (ledger_open(&fs_posix, dir, "letters", max, drop_oldest, &l, &err) != RC_OK)
        fail_msg("%s", err.text);
    return l;
}

static uint64_t add(struct ledger *l, const char *reason)
{
    struct ledger_record r = {
        .time = {1}, .db = 3, .reason = slice_str(reason), .ours = SLICE("o\0urs")};
    struct err err;
    uint64_t id = 0;
    return ledger_add(l, &r, &id, &err) == RC_OK ? id : 0;
}

struct seen {
    uint64_t ids[16];
    char reasons[16][32];
    int len;
};

static bool see(void *ctx, const struct ledger_record *r)
{
    struct seen *s = ctx;
    assert_true(slice_eq(r->ours, SLICE("o\0urs")));
    assert_int_equal(r->db, 3);
    s->ids[s->len] = r->id;
    snprintf(s->reasons[s->len++], 32, "%.*s", (int)r->reason.len, r->reason.ptr);
    return true;
}

static void records_survive_a_restart_with_their_numbers(void **state)
{
    (void)state;
    struct ledger *l = reopen(NULL, 10, false);
    assert_int_equal(add(l, "one"), 1);
    assert_int_equal(add(l, "two"), 2);
    assert_true(ledger_drop(l, 1));
    assert_false(ledger_drop(l, 1));
    l = reopen(l, 10, false);
    struct seen s = {0};
    ledger_each(l, see, &s);
    assert_int_equal(s.len, 1);
    assert_int_equal(s.ids[0], 2);
    assert_string_equal(s.reasons[0], "two");
    assert_int_equal(add(l, "three"), 3);
    ledger_close(&l);
}

static void a_torn_record_is_cut_off_and_the_rest_kept(void **state)
{
    (void)state;
    char path[128];
    struct stat st;
    struct ledger *l = reopen(NULL, 10, false);
    add(l, "whole");
    snprintf(path, sizeof(path), "%s/letters", dir);
    stat(path, &st);
    add(l, "torn");
    struct stat full;
    stat(path, &full);
    for (off_t size = st.st_size; size < full.st_size; size++) {
        assert_int_equal(truncate(path, size), 0);
        l = reopen(l, 10, false);
        assert_int_equal(ledger_count(l), 1);
        assert_int_equal(add(l, "torn"), 2);
    }
    ledger_close(&l);
}

static void a_full_ledger_refuses_or_makes_room(void **state)
{
    (void)state;
    struct ledger *l = reopen(NULL, 2, false);
    assert_int_equal(add(l, "a"), 1);
    assert_int_equal(add(l, "b"), 2);
    assert_int_equal(add(l, "c"), 0);
    assert_int_equal(ledger_count(l), 2);
    l = reopen(l, 2, true);
    assert_int_equal(add(l, "c"), 3);
    struct seen s = {0};
    ledger_each(l, see, &s);
    assert_int_equal(s.len, 2);
    assert_int_equal(s.ids[0], 2);
    assert_int_equal(s.ids[1], 3);
    ledger_close(&l);
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
    item_encode(&bytes, &item);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_survive_a_restart_with_their_numbers, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_torn_record_is_cut_off_and_the_rest_kept, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_full_ledger_refuses_or_makes_room, make_dir, remove_dir),
        cmocka_unit_test(an_item_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
