/* Several producers at once, on a real disk, with everything that may happen beside: changes of
 * policy, trims, waits, records that do not fit.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "journal/journal.h"
#include "tests/support/history.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { PRODUCERS = 2, RECORDS = 30000 };

static char dir[64];
static const struct history history = {.big_every = 1009, .big_bytes = 15 << 10};

static int make_dir(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    strcpy(dir, "/tmp/weir-journal-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static enum rc remove_file(void *arg, const char *name)
{
    char path[160];
    (void)arg;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return unlink(path) == 0 ? RC_OK : RC_IO;
}

static int remove_dir(void **state)
{
    (void)state;
    struct err err;
    if (fs_posix.list(NULL, dir, remove_file, NULL, &err) != RC_OK)
        return -1;
    return rmdir(dir);
}

static struct journal *open_journal(enum journal_fsync policy, void (*on_progress)(void *),
                                    void *ctx)
{
    struct journal_options options = {.dir = dir,
                                      .producers = PRODUCERS,
                                      .fsync = policy,
                                      .segment_bytes = 1 << 20,
                                      .ring_bytes = 16 << 10,
                                      .new_id = {3},
                                      .on_progress = on_progress,
                                      .ctx = ctx};
    struct journal *j = NULL;
    struct err err = {0};
    if (journal_open(&options, &j, &err) != RC_OK)
        fail_msg("open: %s", err.text);
    return j;
}

struct worker {
    struct journal *j;
    uint32_t producer;
    uint64_t appended_last;
    bool wait_durable;
    enum rc rc;
    struct err err;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < RECORDS && w->rc == RC_OK; i++) {
        w->rc = journal_wait_room(w->j, w->producer, 600, false, 60000, &w->err);
        if (w->rc != RC_OK)
            break;
        w->appended_last = history_append(&history, w->j, w->producer);
        if (i % 16 == 15)
            journal_kick(w->j);
        if (w->wait_durable && i % 1000 == 999)
            w->rc = journal_sync(w->j, w->appended_last, 60000, &w->err);
    }
    return NULL;
}

static uint64_t replay_all(struct journal *j)
{
    struct history_check check = {.h = &history, .next_lsn = 1};
    struct err err = {0};
    if (journal_replay(j, 0, history_check, &check, &err) != RC_OK)
        fail_msg("replay: %s", err.text);
    assert_int_equal(check.noops, 0);
    return check.next_lsn - 1;
}

static void count_progress(void *ctx)
{
    atomic_fetch_add((_Atomic uint64_t *)ctx, 1);
}

/* Runs the producers while the policy keeps changing. */
static void run(enum journal_fsync policy, bool change, uint64_t already)
{
    _Atomic uint64_t progress = 0;
    struct journal *j = open_journal(policy, count_progress, &progress);
    struct err err = {0};
    assert_int_equal(replay_all(j), already);
    if (journal_start(j, 0, &err) != RC_OK)
        fail_msg("start: %s", err.text);
    struct worker workers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        workers[p] = (struct worker){.j = j, .producer = p, .wait_durable = p == 0};
        assert_int_equal(pthread_create(&threads[p], NULL, work, &workers[p]), 0);
    }
    struct journal_info info;
    do {
        journal_get_info(j, &info);
        assert_true(info.durable_lsn <= info.last_lsn);
        if (change)
            journal_set_fsync(j, (enum journal_fsync)(info.last_lsn / 1000 % 3));
        journal_request_sync(j);
    } while (journal_sync(j, info.last_lsn, 60000, &err) == RC_OK &&
             info.last_lsn < already + PRODUCERS * RECORDS);
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        pthread_join(threads[p], NULL);
        if (workers[p].rc != RC_OK)
            fail_msg("producer %u: %s", p, workers[p].err.text);
    }
    assert_true(atomic_load(&progress) > 0);
    journal_close(&j);
}

static void producers_share_a_journal_under_every_policy(void **state)
{
    (void)state;
    run(JOURNAL_FSYNC_EVERYSEC, false, 0);
    run(JOURNAL_FSYNC_ALWAYS, false, PRODUCERS * RECORDS);
    run(JOURNAL_FSYNC_NO, false, 2 * PRODUCERS * RECORDS);
    struct journal *j = open_journal(JOURNAL_FSYNC_NO, NULL, NULL);
    assert_int_equal(replay_all(j), 3 * PRODUCERS * RECORDS);
    journal_close(&j);
}

static void the_policy_may_change_at_any_time(void **state)
{
    (void)state;
    run(JOURNAL_FSYNC_ALWAYS, true, 0);
    struct journal *j = open_journal(JOURNAL_FSYNC_NO, NULL, NULL);
    assert_int_equal(replay_all(j), PRODUCERS * RECORDS);
    journal_close(&j);
}

static void *trim_all_the_time(void *arg)
{
    struct journal *j = arg;
    struct journal_info info;
    do {
        journal_get_info(j, &info);
        journal_trim(j, info.durable_lsn);
    } while (info.last_lsn < PRODUCERS * RECORDS);
    return NULL;
}

static void trimming_goes_on_beside(void **state)
{
    (void)state;
    struct journal *j = open_journal(JOURNAL_FSYNC_EVERYSEC, NULL, NULL);
    struct err err = {0};
    assert_int_equal(journal_start(j, 0, &err), RC_OK);
    struct worker workers[PRODUCERS];
    pthread_t threads[PRODUCERS], trimmer;
    assert_int_equal(pthread_create(&trimmer, NULL, trim_all_the_time, j), 0);
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        workers[p] = (struct worker){.j = j, .producer = p, .wait_durable = true};
        assert_int_equal(pthread_create(&threads[p], NULL, work, &workers[p]), 0);
    }
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        pthread_join(threads[p], NULL);
        assert_int_equal(workers[p].rc, RC_OK);
    }
    pthread_join(trimmer, NULL);
    struct journal_info info;
    journal_get_info(j, &info);
    uint64_t trimmed = info.trimmed_lsn;
    assert_true(trimmed > 0);
    journal_close(&j);
    j = open_journal(JOURNAL_FSYNC_EVERYSEC, NULL, NULL);
    struct history_check check = {.h = &history, .next_lsn = PRODUCERS * RECORDS - 9};
    assert_int_equal(journal_replay(j, PRODUCERS * RECORDS - 10, history_check, &check, &err),
                     RC_OK);
    assert_int_equal(check.records, 10);
    journal_close(&j);
}

int main(void)
{
#define THREADS_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        THREADS_TEST(producers_share_a_journal_under_every_policy),
        THREADS_TEST(the_policy_may_change_at_any_time),
        THREADS_TEST(trimming_goes_on_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
