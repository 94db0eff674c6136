/* The journal on a real disk, whose files somebody moves, removes or spoils.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "tests/support/journal_rig.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct journal_rig rig;
static char home[64], dir[96];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    strcpy(home, "/tmp/weir-journal-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/journal", home);
    rig_init(&rig, JOURNAL_FSYNC_ALWAYS);
    rig.options.dir = dir;
    rig.options.fs = &fs_posix;
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static enum rc remove_file(void *arg, const char *name)
{
    (void)arg;
    return remove(path_of(name)) == 0 ? RC_OK : RC_IO;
}

static int tear_down(void **state)
{
    (void)state;
    struct err err;
    rig_fini(&rig);
    if (access(dir, F_OK) == 0 &&
        (fs_posix.list(NULL, dir, remove_file, NULL, &err) != RC_OK || rmdir(dir) != 0))
        return -1;
    return rmdir(home);
}

/* Opens, replays, checks what there is, and starts. */
static void resume(uint64_t last)
{
    if (journal_open(&rig.options, &rig.j, &rig.err) != RC_OK)
        fail_msg("open: %s", rig.err.text);
    assert_int_equal(rig_replay(&rig, 0), last);
    rig_start(&rig);
}

/* It holds nothing: whatever is wrong with it, the journal starts. Here it is a directory, which
 * can neither be read nor removed as a file. */
static void a_spare_that_is_damaged_is_no_reason_not_to_start(void **state)
{
    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(path_of("spare-00000000000000000077.wj"), 0700), 0);
    for (uint64_t start = 0; start < 2; start++) {
        resume(start * 20);
        rig_append(&rig, 20);
        rig_close(&rig);
    }
}

static bool is_failing(struct journal_rig *r)
{
    return journal_is_failing(r->j);
}

static bool is_running(struct journal_rig *r)
{
    return !journal_is_failing(r->j);
}

static uint64_t segments(void)
{
    struct journal_info i;
    journal_get_info(rig.j, &i);
    return i.segments;
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(from, to), 0);
}

/* Writes are refused with a reason, what is appended all the same is not called durable, and no
 * trim touches anything; until the file is back, and then nothing is lost. */
static void expect_failing_until_it_is_back(const char *what, const char *from, const char *to)
{
    struct journal_info i;
    uint64_t last = journal_last_lsn(rig.j), before = segments();
    assert_true(rig_wait(is_failing, &rig));
    assert_true(journal_is_lost(rig.j));
    assert_int_equal(journal_reserve(rig.j, 0, 10, &rig.err), RC_READONLY);
    history_append(&rig.h, rig.j, 0);
    journal_kick(rig.j);
    assert_int_not_equal(journal_sync(rig.j, last + 1, 250, &rig.err), RC_OK);
    assert_true(journal_durable_lsn(rig.j) <= last);
    journal_trim(rig.j, last);
    journal_get_info(rig.j, &i);
    if (strstr(i.error.text, what) == NULL || strstr(i.error.text, "moved or removed") == NULL)
        fail_msg("%s", i.error.text);
    assert_int_equal(segments(), before);
    move(from, to);
    assert_true(rig_wait(is_running, &rig));
    rig_append(&rig, 20);
    rig_sync(&rig);
}

static void moved(const char *name, enum journal_fsync policy)
{
    char from[160], to[96];
    snprintf(from, sizeof(from), "%s%s%s", dir, name[0] == 0 ? "" : "/", name);
    snprintf(to, sizeof(to), "%s/elsewhere", home);
    rig.options.fsync = policy;
    resume(0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    move(from, to);
    expect_failing_until_it_is_back(name[0] == 0 ? dir : name, to, from);
    uint64_t last = journal_last_lsn(rig.j);
    rig_close(&rig);
    resume(last);
}

static void a_directory_that_moves_is_noticed(void **state)
{
    (void)state;
    moved("", JOURNAL_FSYNC_ALWAYS);
}

static void a_directory_that_moves_is_noticed_without_syncs(void **state)
{
    (void)state;
    moved("", JOURNAL_FSYNC_NO);
}

static void the_current_segment_that_moves_is_noticed(void **state)
{
    (void)state;
    moved("00000000000000000001.wj", JOURNAL_FSYNC_ALWAYS);
}

static void a_ring_that_moves_is_noticed(void **state)
{
    (void)state;
    moved("ring-1", JOURNAL_FSYNC_EVERYSEC);
}

/* It holds what has not been flushed; when that is flushed, nobody needs it. */
static void an_old_segment_that_is_gone_is_missed_until_all_is_flushed(void **state)
{
    (void)state;
    char path[160];
    resume(0);
    while (segments() < 3)
        rig_append(&rig, 20);
    rig_sync(&rig);
    snprintf(path, sizeof(path), "%s/00000000000000000001.wj", dir);
    assert_int_equal(truncate(path, 4096), 0);
    assert_true(rig_wait(is_failing, &rig));
    assert_true(journal_is_lost(rig.j));
    assert_int_equal(unlink(path), 0);
    journal_trim(rig.j, journal_last_lsn(rig.j));
    assert_true(rig_wait(is_running, &rig));
    assert_false(journal_is_lost(rig.j));
    rig_append(&rig, 20);
    rig_sync(&rig);
}

/* Nobody can put it back: the state says so, with the way on. */
static void a_directory_that_is_removed_is_told_from_one_that_moves(void **state)
{
    (void)state;
    struct journal_info i;
    struct err err;
    resume(0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    assert_false(journal_is_lost(rig.j));
    assert_int_equal(fs_posix.list(NULL, dir, remove_file, NULL, &err), RC_OK);
    assert_int_equal(rmdir(dir), 0);
    assert_true(rig_wait(is_failing, &rig));
    assert_true(journal_is_lost(rig.j));
    journal_get_info(rig.j, &i);
    if (strstr(i.error.text, "was removed") == NULL || strstr(i.error.text, "store adopt") == NULL)
        fail_msg("%s", i.error.text);
    assert_int_equal(journal_reserve_removal(rig.j, 0, 10, &rig.err), RC_READONLY);
}

/* The real disk, which has no room for spares when told so, and counts who comes. */
static struct {
    struct fs fs;
    _Atomic bool full;
    _Atomic pthread_t maker;          /* of spares */
    _Atomic uint64_t created, looked; /* spares; looks of that thread for the directory */
} watched;

static enum rc open_watched(void *ctx, const char *path, enum fs_mode mode, struct fs_file **out,
                            struct err *err)
{
    if (mode == FS_CREATE && strstr(path, "/spare-") != NULL) {
        atomic_store(&watched.maker, pthread_self());
        atomic_fetch_add(&watched.created, 1);
        if (atomic_load(&watched.full))
            return err_sys(err, ENOSPC, "cannot open '%s'", path);
    }
    return fs_posix.open(ctx, path, mode, out, err);
}

static enum rc lookup_watched(void *ctx, const char *path, struct file_id *out, uint64_t *bytes,
                              struct err *err)
{
    if (strcmp(path, dir) == 0 && pthread_equal(atomic_load(&watched.maker), pthread_self()))
        atomic_fetch_add(&watched.looked, 1);
    return fs_posix.lookup(ctx, path, out, bytes, err);
}

static bool wants_a_spare(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.error.code == RC_FULL;
}

static bool has_looked(struct journal_rig *r)
{
    (void)r;
    return atomic_load(&watched.looked) > 0;
}

static bool misses_its_directory(struct journal_rig *r)
{
    struct journal_info i;
    journal_get_info(r->j, &i);
    return i.state == JOURNAL_LOST && strstr(i.error.text, "was replaced") != NULL;
}

/* A spare that is wanted waits until the files are back: the directory of that name is somebody
 * else's, and why the journal is failing is not covered by what fails in there. */
static void nothing_is_made_in_the_place_of_a_directory_that_moved(void **state)
{
    (void)state;
    char elsewhere[96];
    watched.fs = fs_posix;
    watched.fs.open = open_watched;
    watched.fs.lookup = lookup_watched;
    rig.options.fs = &watched.fs;
    if (journal_open(&rig.options, &rig.j, &rig.err) != RC_OK)
        fail_msg("open: %s", rig.err.text);
    rig_start(&rig); /* its own segment begins as a spare */
    atomic_store(&watched.full, true);
    while (!wants_a_spare(&rig)) /* takes the spare that is there */
        if (journal_reserve(rig.j, 0, 600, &rig.err) == RC_OK)
            history_append(&rig.h, rig.j, 0);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", home);
    move(dir, elsewhere);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_true(rig_wait(misses_its_directory, &rig));
    atomic_store(&watched.looked, 0);
    assert_true(rig_wait(has_looked, &rig)); /* an attempt that was under way is over */
    atomic_store(&watched.full, false);
    atomic_store(&watched.created, 0);
    atomic_store(&watched.looked, 0);
    assert_true(
        rig_wait(has_looked, &rig)); /* after a second, ten times as long as a retry takes */
    assert_int_equal(atomic_load(&watched.created), 0);
    assert_true(misses_its_directory(&rig));
    assert_int_equal(rmdir(dir), 0); /* nothing is in it */
    move(elsewhere, dir);
    assert_true(rig_wait(is_running, &rig));
    rig_append(&rig, 200);
    rig_sync(&rig);
    assert_true(atomic_load(&watched.created) > 0);
}

/* No write is acknowledged between the removal and the moment at which it is noticed. */
static void under_always_nothing_is_durable_in_a_file_that_is_gone(void **state)
{
    (void)state;
    resume(0);
    rig_append(&rig, 20);
    rig_sync(&rig);
    assert_int_equal(unlink(path_of("00000000000000000001.wj")), 0);
    history_append(&rig.h, rig.j, 0);
    journal_kick(rig.j);
    assert_int_not_equal(journal_sync(rig.j, 21, 300, &rig.err), RC_OK);
    assert_int_equal(journal_durable_lsn(rig.j), 20);
    assert_true(journal_is_failing(rig.j));
}

int main(void)
{
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DISK_TEST(a_spare_that_is_damaged_is_no_reason_not_to_start),
        DISK_TEST(a_directory_that_moves_is_noticed),
        DISK_TEST(a_directory_that_moves_is_noticed_without_syncs),
        DISK_TEST(the_current_segment_that_moves_is_noticed),
        DISK_TEST(a_ring_that_moves_is_noticed),
        DISK_TEST(an_old_segment_that_is_gone_is_missed_until_all_is_flushed),
        DISK_TEST(a_directory_that_is_removed_is_told_from_one_that_moves),
        DISK_TEST(nothing_is_made_in_the_place_of_a_directory_that_moved),
        DISK_TEST(under_always_nothing_is_durable_in_a_file_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
