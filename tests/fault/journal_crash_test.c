/* The journal survives a stop at every single call that changes the disk.
 *
 * A fixed workload (appends by two producers, syncs, segment switches, oversize records, trims, a
 * restart in the middle) runs once for each call that it makes; just before that call a picture of
 * the disk is kept. From the picture follow the disks that a killed process and a machine without
 * power might leave. Each is recovered twice, then stopped again in the middle of a third recovery,
 * then written to and recovered once more. Always the same must come back: an exact prefix of what
 * was appended, with everything that the journal had called durable, and after kill -9 everything
 * whose append had returned.
 *
 * WEIR_SEED sets the seed; FAULT_ROUNDS how many rounds of other seeds (200 in `make fault`).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "journal/journal.h"
#include "tests/support/history.h"
#include "tests/support/simfs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { RING_BYTES = 16 << 10, SEGMENT_BYTES = 64 << 10, RECORDS = 150, SYNC_EVERY = 9 };

static uint64_t seed = 1;
static uint64_t points, recoveries;

static const struct history plain_history = {.big_every = 31, .big_bytes = 12 << 10};

/* What was known at the moment of the stop. */
struct known {
    _Atomic(struct journal *) journal;
    _Atomic uint64_t appended, trimmed;
    uint64_t durable_before; /* of the first half */
    uint64_t stop_durable, stop_appended, stop_trimmed;
};

static void look(void *ctx)
{
    struct known *k = ctx;
    struct journal *j = atomic_load(&k->journal);
    k->stop_durable = j == NULL ? k->durable_before : journal_durable_lsn(j);
    k->stop_appended = atomic_load(&k->appended);
    k->stop_trimmed = atomic_load(&k->trimmed);
}

static struct journal *open_on(struct simfs *s, enum journal_fsync policy)
{
    struct journal_options options = {
        .dir = "journal",
        .fs = simfs_fs(s),
        .producers = 2,
        .fsync = policy,
        .segment_bytes = SEGMENT_BYTES,
        .ring_bytes = RING_BYTES,
        .store_id = {7, 7, 7},
    };
    struct journal *j = NULL;
    struct err err = {0};
    if (journal_open(&options, &j, &err) != RC_OK)
        fail_msg("seed %llu: open: %s", (unsigned long long)seed, err.text);
    return j;
}

static void start(struct journal *j)
{
    struct err err = {0};
    if (journal_start(j, 0, &err) != RC_OK)
        fail_msg("seed %llu: start: %s", (unsigned long long)seed, err.text);
}

/* Replays above after_lsn; the last LSN that is there. */
static uint64_t replay(struct journal *j, const struct history *h, uint64_t after_lsn)
{
    struct history_check check = {.h = h, .next_lsn = after_lsn + 1};
    struct err err = {0};
    if (journal_replay(j, after_lsn, history_check, &check, &err) != RC_OK)
        fail_msg("seed %llu: replay: %s", (unsigned long long)seed, err.text);
    assert_int_equal(check.noops, 0);
    recoveries++;
    return check.next_lsn - 1;
}

static void append(struct simfs *s, struct known *k, struct journal *j, const struct history *h,
                   uint32_t producer)
{
    bool oversize = h->big_every > 0 && (journal_last_lsn(j) + 1) % h->big_every == 0;
    struct err err = {0};
    enum rc rc = journal_wait_room(j, producer, oversize ? h->big_bytes : 600, 60000, &err);
    if (rc != RC_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    if (!oversize)
        simfs_lock(s);
    uint64_t lsn = history_append(h, j, producer);
    atomic_store(&k->appended, lsn);
    if (!oversize)
        simfs_unlock(s);
}

static void work(struct simfs *s, struct known *k, enum journal_fsync policy, uint32_t records)
{
    struct history h = plain_history;
    struct journal *j = open_on(s, policy);
    struct err err = {0};
    uint64_t last = replay(j, &h, atomic_load(&k->trimmed));
    assert_int_equal(last, atomic_load(&k->appended));
    start(j);
    atomic_store(&k->journal, j);
    for (uint32_t i = 1; i <= records; i++) {
        append(s, k, j, &h, i % 2);
        journal_kick(j);
        if (i % SYNC_EVERY == 0 && journal_sync(j, journal_last_lsn(j), 60000, &err) != RC_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
        if (i % 50 == 0) {
            atomic_store(&k->trimmed, journal_durable_lsn(j) * 3 / 4);
            journal_trim(j, atomic_load(&k->trimmed));
        }
    }
    /* Closing syncs; until it has, what is durable is what it was before. */
    k->durable_before = journal_durable_lsn(j);
    atomic_store(&k->journal, NULL);
    journal_close(&j);
    k->durable_before = atomic_load(&k->appended);
}

/* A picture, and the disk it was taken of. */
static struct simfs *run_until(uint64_t call, enum journal_fsync policy, struct known *k)
{
    struct simfs *s = simfs_new(seed + call);
    memset(k, 0, sizeof(*k));
    simfs_stop_at(s, call, look, k);
    work(s, k, policy, RECORDS);
    work(s, k, policy, RECORDS / 3);
    return s;
}

/* Recovers, writes a little of another epoch, stops without power, and looks again. */
static void go_on(struct simfs *disk, struct history h, uint64_t after, uint64_t last,
                  uint64_t salt)
{
    struct known k = {0};
    struct journal *j = open_on(disk, JOURNAL_FSYNC_ALWAYS);
    assert_int_equal(replay(j, &h, after), last);
    start(j);
    history_next_epoch(&h, last);
    for (int i = 0; i < 5; i++) {
        append(disk, &k, j, &h, (uint32_t)i % 2);
        journal_kick(j);
    }
    struct err err = {0};
    assert_int_equal(journal_sync(j, journal_last_lsn(j), 60000, &err), RC_OK);
    struct simfs *later = simfs_after(disk, SIMFS_REORDERED, salt);
    journal_close(&j);
    j = open_on(later, JOURNAL_FSYNC_ALWAYS);
    assert_int_equal(replay(j, &h, after), last + 5);
    journal_close(&j);
    simfs_free(&later);
}

static void check_image(struct simfs *s, const struct known *k, enum simfs_image image,
                        uint64_t salt)
{
    struct simfs *disk = simfs_after(s, image, salt);
    struct history h = plain_history;
    uint64_t after = k->stop_trimmed;
    struct journal *j = open_on(disk, JOURNAL_FSYNC_EVERYSEC);
    uint64_t last = replay(j, &h, after);
    if (last < k->stop_durable || last > k->stop_appended + 1)
        fail_msg("seed %llu, image %d: recovered up to %llu, durable %llu, appended %llu",
                 (unsigned long long)seed, image, (unsigned long long)last,
                 (unsigned long long)k->stop_durable, (unsigned long long)k->stop_appended);
    if (image == SIMFS_KILLED && last < k->stop_appended)
        fail_msg("seed %llu: killed: recovered up to %llu of %llu appended",
                 (unsigned long long)seed, (unsigned long long)last,
                 (unsigned long long)k->stop_appended);
    journal_close(&j);

    /* Again, and nothing has changed. */
    uint64_t digest = simfs_digest(disk);
    j = open_on(disk, JOURNAL_FSYNC_EVERYSEC);
    assert_int_equal(replay(j, &h, after), last);
    assert_int_equal(simfs_digest(disk), digest);

    /* And once more after a stop in the middle of starting. */
    simfs_stop_at(disk, 1 + salt % 12, NULL, NULL);
    start(j);
    struct simfs *again = simfs_after(disk, (enum simfs_image)(salt % SIMFS_IMAGES), salt + 1);
    journal_close(&j);
    j = open_on(again, JOURNAL_FSYNC_ALWAYS);
    uint64_t third = replay(j, &h, after);
    /* Without power a second time, what was never synced may go, too. */
    bool settled = image != SIMFS_KILLED || salt % SIMFS_IMAGES == SIMFS_KILLED;
    if (settled ? third != last : third < k->stop_durable || third > last)
        fail_msg("seed %llu: second recovery up to %llu, first up to %llu",
                 (unsigned long long)seed, (unsigned long long)third, (unsigned long long)last);
    journal_close(&j);
    if (salt % 4 == 0)
        go_on(again, h, after, third, salt + 2);
    simfs_free(&again);
    simfs_free(&disk);
}

static void stop_everywhere(enum journal_fsync policy, uint64_t step)
{
    struct known k;
    for (uint64_t call = 1 + seed % step;; call += step) {
        struct simfs *s = run_until(call, policy, &k);
        bool stopped = simfs_has_stopped(s);
        for (int image = 0; stopped && image < SIMFS_IMAGES; image++, points++)
            check_image(s, &k, (enum simfs_image)image,
                        seed * 1000003 + call * 7 + (uint64_t)image);
        simfs_free(&s);
        if (!stopped)
            return;
    }
}

static void survives_a_stop_at_every_call_under_always(void **state)
{
    (void)state;
    stop_everywhere(JOURNAL_FSYNC_ALWAYS, 2);
}

static void survives_a_stop_at_every_call_under_everysec(void **state)
{
    (void)state;
    stop_everywhere(JOURNAL_FSYNC_EVERYSEC, 1);
}

static void survives_a_stop_at_every_call_without_syncs(void **state)
{
    (void)state;
    stop_everywhere(JOURNAL_FSYNC_NO, 2);
}

/* The disk refuses one call, or some in a row; then all is well again. Nothing may be lost, neither
 * now nor by a stop afterwards. */
static void fail_once(enum journal_fsync policy, enum simfs_call kind, uint64_t nth, int why)
{
    struct known k = {0};
    struct simfs *s = simfs_new(seed + nth);
    struct journal *j = open_on(s, policy);
    struct history h = plain_history;
    struct err err = {0};
    start(j);
    simfs_fail(s, kind, nth, 1 + nth % 3, why);
    for (uint32_t i = 1; i <= 60; i++) {
        append(s, &k, j, &h, i % 2);
        journal_kick(j);
        if (i % SYNC_EVERY == 0 && journal_sync(j, journal_last_lsn(j), 60000, &err) != RC_OK)
            fail_msg("seed %llu, call %llu: %s", (unsigned long long)seed, (unsigned long long)nth,
                     err.text);
    }
    uint64_t durable = journal_durable_lsn(j);
    for (int image = 0; image < SIMFS_IMAGES; image++, points++) {
        struct simfs *disk = simfs_after(s, (enum simfs_image)image, seed + nth);
        struct journal *again = open_on(disk, policy);
        uint64_t last = replay(again, &h, 0);
        if (last < durable || (image == SIMFS_KILLED && last != journal_last_lsn(j)))
            fail_msg("seed %llu, call %llu, image %d: recovered up to %llu, durable %llu of %llu",
                     (unsigned long long)seed, (unsigned long long)nth, image,
                     (unsigned long long)last, (unsigned long long)durable,
                     (unsigned long long)journal_last_lsn(j));
        journal_close(&again);
        simfs_free(&disk);
    }
    journal_close(&j);
    simfs_free(&s);
}

static void loses_nothing_when_an_early_write_fails(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        fail_once(JOURNAL_FSYNC_ALWAYS, SIMFS_PWRITE, nth, EIO);
        fail_once(JOURNAL_FSYNC_EVERYSEC, SIMFS_PWRITE, nth, ENOSPC);
    }
}

static void loses_nothing_when_an_early_sync_fails(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        fail_once(JOURNAL_FSYNC_ALWAYS, SIMFS_SYNC, nth, EIO);
        fail_once(JOURNAL_FSYNC_EVERYSEC, SIMFS_SYNC, nth, ENOSPC);
        fail_once(JOURNAL_FSYNC_EVERYSEC, SIMFS_SYNC_DIR, nth, EIO);
        fail_once(JOURNAL_FSYNC_ALWAYS, SIMFS_RENAME, nth % 4 + 1, EIO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_stop_at_every_call_under_always),
        cmocka_unit_test(survives_a_stop_at_every_call_under_everysec),
        cmocka_unit_test(survives_a_stop_at_every_call_without_syncs),
        cmocka_unit_test(loses_nothing_when_an_early_write_fails),
        cmocka_unit_test(loses_nothing_when_an_early_sync_fails),
    };
    const char *given = getenv("WEIR_SEED"), *rounds = getenv("FAULT_ROUNDS");
    seed = given == NULL ? 1 : strtoull(given, NULL, 10);
    log_set_level(LOG_NOTHING);
    int failed = 0;
    /* A round takes seconds here, a tenth of one elsewhere. */
    long n = rounds == NULL ? 1 : strtol(rounds, NULL, 10) / 20;
    for (long i = 0; i <= n - 1 || i == 0; i++, seed++) {
        points = recoveries = 0;
        failed += cmocka_run_group_tests(tests, NULL, NULL);
        printf("seed %llu: %llu crash points, %llu recoveries\n", (unsigned long long)seed,
               (unsigned long long)points, (unsigned long long)recoveries);
    }
    return failed;
}
