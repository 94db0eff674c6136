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
 * Each case runs in a process of its own, two at a time.
 *
 * FAULT_SEED sets the seed; FAULT_ROUNDS how many rounds of other seeds (200 in `make fault`);
 * FAULT_SHARE what part of the calls.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "journal/journal.h"
#include "tests/support/history.h"
#include "tests/support/share.h"
#include "tests/support/simfs.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { RING_BYTES = 16 << 10, SEGMENT_BYTES = 64 << 10, RECORDS = 150, SYNC_EVERY = 9 };

static uint64_t seed = 1;
static struct {
    _Atomic uint64_t points, recoveries, span;
} * count; /* shared with the children */

static char where[100]; /* which case a child runs */

/* A child has no cmocka to return to. */
#define require(cond, ...)                                                                        \
    do {                                                                                          \
        if (!(cond)) {                                                                            \
            fprintf(stderr, "line %d, seed %llu%s: ", __LINE__, (unsigned long long)seed, where); \
            fprintf(stderr, __VA_ARGS__);                                                         \
            fprintf(stderr, "\n");                                                                \
            _exit(EXIT_FAILURE);                                                                  \
        }                                                                                         \
    } while (0)

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
        .new_id = {7, 7, 7},
    };
    struct journal *j = NULL;
    struct err err = {0};
    require(journal_open(&options, &j, &err) == RC_OK, "open: %s", err.text);
    return j;
}

static void start(struct journal *j)
{
    struct err err = {0};
    require(journal_start(j, 0, &err) == RC_OK, "start: %s", err.text);
}

/* Replays above after_lsn; the last LSN that is there. */
static uint64_t replay(struct journal *j, const struct history *h, uint64_t after_lsn)
{
    struct history_check check = {.h = h, .next_lsn = after_lsn + 1};
    struct err err = {0};
    require(journal_replay(j, after_lsn, history_check, &check, &err) == RC_OK, "replay: %s",
            err.text);
    require(check.noops == 0, "no-ops");
    count->recoveries++;
    return check.next_lsn - 1;
}

static void append(struct simfs *s, struct known *k, struct journal *j, const struct history *h,
                   uint32_t producer)
{
    bool oversize = h->big_every > 0 && (journal_last_lsn(j) + 1) % h->big_every == 0;
    struct err err = {0};
    enum rc rc;
    struct mono until = {clock_mono().us + 60000000};
    do /* failing is refused at once, and ends by itself */
        rc = journal_wait_room(j, producer, oversize ? h->big_bytes : 600, false, 60000, &err);
    while (rc == RC_READONLY && clock_mono().us < until.us && sched_yield() == 0);
    require(rc == RC_OK, "%s", err.text);
    if (!oversize)
        simfs_lock(s);
    uint64_t lsn = history_append(h, j, producer);
    if (oversize) /* it lies in memory until it is written: who waits for it is not told before */
        require(journal_sync(j, lsn, 60000, &err) == RC_OK, "%s", err.text);
    atomic_store(&k->appended, lsn);
    if (!oversize)
        simfs_unlock(s);
}

static void sync_all(struct journal *j)
{
    struct err err = {0};
    require(journal_sync(j, journal_last_lsn(j), 60000, &err) == RC_OK, "sync: %s", err.text);
}

static void work(struct simfs *s, struct known *k, enum journal_fsync policy, uint32_t records)
{
    struct history h = plain_history;
    struct journal *j = open_on(s, policy);
    uint64_t last = replay(j, &h, atomic_load(&k->trimmed));
    require(last == atomic_load(&k->appended), "a clean close has lost something");
    start(j);
    atomic_store(&k->journal, j);
    for (uint32_t i = 1; i <= records; i++) {
        append(s, k, j, &h, i % 2);
        journal_kick(j);
        if (i % SYNC_EVERY == 0)
            sync_all(j);
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
    struct known k = {.durable_before = 0};
    struct journal *j = open_on(disk, JOURNAL_FSYNC_ALWAYS);
    require(replay(j, &h, after) == last, "recovered something else");
    start(j);
    history_next_epoch(&h, last);
    for (int i = 0; i < 5; i++) {
        append(disk, &k, j, &h, (uint32_t)i % 2);
        journal_kick(j);
    }
    sync_all(j);
    struct simfs *later = simfs_after(disk, SIMFS_REORDERED, salt);
    journal_close(&j);
    j = open_on(later, JOURNAL_FSYNC_ALWAYS);
    require(replay(j, &h, after) == last + 5, "lost what was written after recovery");
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
    require(last >= k->stop_durable && last <= k->stop_appended + 1,
            "image %d: recovered up to %llu, durable %llu, appended %llu", image,
            (unsigned long long)last, (unsigned long long)k->stop_durable,
            (unsigned long long)k->stop_appended);
    require(image != SIMFS_KILLED || last >= k->stop_appended,
            "killed: recovered up to %llu of %llu appended", (unsigned long long)last,
            (unsigned long long)k->stop_appended);
    journal_close(&j);

    /* Again, and nothing has changed. */
    uint64_t digest = simfs_digest(disk);
    j = open_on(disk, JOURNAL_FSYNC_EVERYSEC);
    require(replay(j, &h, after) == last, "recovered something else");
    require(simfs_digest(disk) == digest, "reading has changed the disk");

    /* And once more after a stop in the middle of starting. */
    simfs_stop_at(disk, 1 + salt % 12, NULL, NULL);
    start(j);
    struct simfs *again = simfs_after(disk, (enum simfs_image)(salt % SIMFS_IMAGES), salt + 1);
    journal_close(&j);
    j = open_on(again, JOURNAL_FSYNC_ALWAYS);
    uint64_t third = replay(j, &h, after);
    /* Without power a second time, what was never synced may go, too. */
    bool settled = image != SIMFS_KILLED || salt % SIMFS_IMAGES == SIMFS_KILLED;
    require(settled ? third == last : third >= k->stop_durable && third <= last,
            "second recovery up to %llu, first up to %llu", (unsigned long long)third,
            (unsigned long long)last);
    journal_close(&j);
    if (salt % 4 == 0)
        go_on(again, h, after, third, salt + 2);
    simfs_free(&again);
    simfs_free(&disk);
}

/* ---- cases, each in a child ---- */

struct child {
    enum journal_fsync policy;
    uint64_t call; /* stop before it, or: make it fail */
    enum simfs_call kind;
    int why;
    uint64_t point, span; /* the end comes at a random one of `span` changes; point 0: at the end */
};

enum { PAST_THE_END = 3 };

static int stop_before(const struct child *c)
{
    struct known k;
    struct simfs *s = run_until(c->call, c->policy, &k);
    bool stopped = simfs_has_stopped(s);
    for (int image = 0; stopped && image < SIMFS_IMAGES; image++, count->points++)
        check_image(s, &k, (enum simfs_image)image, seed * 1000003 + c->call * 7 + (uint64_t)image);
    simfs_free(&s);
    return stopped ? EXIT_SUCCESS : PAST_THE_END;
}

enum { CHILDREN = 8 }; /* they mostly wait for threads of their own */

static int running;

/* The worst exit status of one child that has ended. */
static int reap(void)
{
    int status;
    assert_true(wait(&status) > 0);
    running--;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static int run_child(int (*run)(const struct child *c), const struct child *c)
{
    int worst = EXIT_SUCCESS;
    if (running == CHILDREN)
        worst = reap();
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exit(run(c));
    running++;
    return worst;
}

static void finish(int worst)
{
    while (running > 0) {
        int status = reap();
        worst = status == EXIT_FAILURE || worst == EXIT_SUCCESS ? status : worst;
    }
    assert_true(worst == EXIT_SUCCESS || worst == PAST_THE_END);
}

static void stop_everywhere(enum journal_fsync policy, uint64_t step)
{
    step *= share();
    struct child c = {.policy = policy, .call = 1 + seed % step};
    int worst = EXIT_SUCCESS;
    for (; worst == EXIT_SUCCESS; c.call += step)
        worst = run_child(stop_before, &c);
    finish(worst);
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
static int fail_once(const struct child *c)
{
    enum journal_fsync policy = c->policy;
    uint64_t nth = c->call;
    struct known k = {.durable_before = 0};
    struct simfs *s = simfs_new(seed + nth);
    struct journal *j = open_on(s, policy);
    struct history h = plain_history;
    start(j);
    simfs_fail(s, c->kind, nth, 1 + nth % 3, c->why);
    for (uint32_t i = 1; i <= 60; i++) {
        append(s, &k, j, &h, i % 2);
        journal_kick(j);
        if (i % SYNC_EVERY == 0)
            sync_all(j);
    }
    uint64_t durable = journal_durable_lsn(j);
    for (int image = 0; image < SIMFS_IMAGES; image++, count->points++) {
        struct simfs *disk = simfs_after(s, (enum simfs_image)image, seed + nth);
        struct journal *again = open_on(disk, policy);
        uint64_t last = replay(again, &h, 0);
        require(last >= durable && (image != SIMFS_KILLED || last == journal_last_lsn(j)),
                "call %llu, image %d: recovered up to %llu, durable %llu of %llu",
                (unsigned long long)nth, image, (unsigned long long)last,
                (unsigned long long)durable, (unsigned long long)journal_last_lsn(j));
        journal_close(&again);
        simfs_free(&disk);
    }
    journal_close(&j);
    simfs_free(&s);
    return EXIT_SUCCESS;
}

static void fail_early(enum journal_fsync policy, enum simfs_call kind, int why)
{
    struct child c = {.policy = policy, .call = 1, .kind = kind, .why = why};
    int worst = EXIT_SUCCESS;
    for (; worst == EXIT_SUCCESS && c.call <= 12; c.call++)
        worst = run_child(fail_once, &c);
    finish(worst);
}

static void loses_nothing_when_an_early_write_fails(void **state)
{
    (void)state;
    fail_early(JOURNAL_FSYNC_ALWAYS, SIMFS_PWRITE, EIO);
    fail_early(JOURNAL_FSYNC_EVERYSEC, SIMFS_PWRITE, ENOSPC);
}

static void loses_nothing_when_an_early_sync_fails(void **state)
{
    (void)state;
    fail_early(JOURNAL_FSYNC_ALWAYS, SIMFS_SYNC, EIO);
    fail_early(JOURNAL_FSYNC_EVERYSEC, SIMFS_SYNC, ENOSPC);
    fail_early(JOURNAL_FSYNC_NO, SIMFS_SYNC_DIR, EIO);
    fail_early(JOURNAL_FSYNC_ALWAYS, SIMFS_RENAME, EIO);
}

/* ---- the pessimistic disk ---- */

struct span {
    uint64_t after, upto; /* the records after+1..upto */
};

/* Without power, those of `durable` are still there. */
static void lose_power(struct simfs *disk, const struct history *h, struct span durable,
                       uint64_t mix, const char *when)
{
    const enum simfs_image images[] = {SIMFS_NONE, SIMFS_TORN, SIMFS_REORDERED};
    for (size_t i = 0; i < COUNT_OF(images); i++, count->points++) {
        struct simfs *after = simfs_after(disk, images[i], mix + i);
        struct journal *j = open_on(after, JOURNAL_FSYNC_ALWAYS);
        uint64_t last = replay(j, h, durable.after);
        require(last >= durable.upto, "%s, image %d: recovered up to %llu, durable %llu", when,
                images[i], (unsigned long long)last, (unsigned long long)durable.upto);
        journal_close(&j);
        simfs_free(&after);
    }
}

/* Killed, started again (a sync of the start may fail, and then it is repeated), and then without
 * power: what a start has called durable is there, which is all that it had read. */
static void kill_and_lose_power(struct simfs *s, const struct known *k, uint64_t mix)
{
    struct simfs *disk = simfs_after(s, SIMFS_KILLED, mix);
    struct history h = plain_history;
    struct err err = {0};
    const enum simfs_call kinds[] = {SIMFS_SYNC, SIMFS_SYNC_DIR, SIMFS_RENAME};
    struct span durable = {k->stop_trimmed, k->stop_durable};
    struct journal *j = open_on(disk, JOURNAL_FSYNC_ALWAYS);
    uint64_t last = replay(j, &h, durable.after);
    require(last >= k->stop_appended, "killed: recovered up to %llu of %llu",
            (unsigned long long)last, (unsigned long long)k->stop_appended);
    if (mix % 2 == 0)
        simfs_fail(disk, kinds[mix / 2 % COUNT_OF(kinds)], 1 + mix / 6 % 3, 1, EIO);
    if (journal_start(j, 0, &err) != RC_OK) {
        journal_close(&j);
        lose_power(disk, &h, durable, mix, "after a start that failed");
        j = open_on(disk, JOURNAL_FSYNC_ALWAYS);
        require(replay(j, &h, durable.after) == last, "recovered something else");
        start(j);
    }
    require(journal_durable_lsn(j) == last, "a start leaves something that is not durable");
    durable.upto = last;
    lose_power(disk, &h, durable, mix, "after a restart");
    history_next_epoch(&h, last);
    struct known more = {.durable_before = 0};
    journal_trim(j, last); /* what was found is retired, and what takes its place is filled */
    for (uint32_t i = 1; i <= 300; i++) {
        append(disk, &more, j, &h, i % 2);
        journal_kick(j);
    }
    sync_all(j);
    durable = (struct span){last, last + 300};
    lose_power(disk, &h, durable, mix, "after a restart and more");
    journal_close(&j);
    simfs_free(&disk);
}

/* Appends, with a trim now and then so that segments are recycled, while a call fails. */
static int fail_for_good(const struct child *c)
{
    struct known k = {.durable_before = 0};
    struct history h = plain_history;
    snprintf(where, sizeof(where), ", policy %d: call %llu of kind %d fails, end %llu of %llu",
             c->policy, (unsigned long long)c->call, c->kind, (unsigned long long)c->point,
             (unsigned long long)c->span);
    struct simfs *s = simfs_new(seed + c->call);
    simfs_set_pessimistic(s, true);
    struct journal *j = open_on(s, c->policy);
    start(j);
    atomic_store(&k.journal, j);
    uint64_t mix = seed * 7919 + c->call * 104729 + c->point * 31;
    simfs_fail(s, c->kind, c->call, 1 + mix % 2, c->why);
    uint64_t before = simfs_count(s, SIMFS_CHANGES);
    if (c->point > 0)
        simfs_stop_at(s, 1 + mix % c->span, look, &k);
    for (uint32_t i = 1; i <= 400; i++) {
        append(s, &k, j, &h, i % 2);
        journal_kick(j);
        if (i % SYNC_EVERY == 0)
            sync_all(j);
        if (i % 100 == 0) {
            atomic_store(&k.trimmed, journal_durable_lsn(j) * 3 / 4);
            journal_trim(j, atomic_load(&k.trimmed));
        }
    }
    sync_all(j);
    if (!simfs_has_stopped(s))
        look(&k);
    count->span = simfs_count(s, SIMFS_CHANGES) - before;
    lose_power(s, &h, (struct span){k.stop_trimmed, k.stop_durable}, mix, "power loss");
    kill_and_lose_power(s, &k, mix);
    atomic_store(&k.journal, NULL);
    journal_close(&j);
    simfs_free(&s);
    return EXIT_SUCCESS;
}

/* Each of the first calls of a kind fails once; the end comes at four moments, the last of them
 * when all has been synced. All of them are run, so that the number of bad ones is known. */
static void fail_each_for_good(enum journal_fsync policy, enum simfs_call kind, int why,
                               uint64_t calls)
{
    enum { MOMENTS = 4 };
    uint64_t bad = 0, all = 0;
    struct child c = {.policy = policy, .kind = kind, .why = why, .span = 300};
    for (c.call = 1; c.call <= calls; c.call++)
        for (c.point = 0; share_has(c.call) && c.point < MOMENTS; c.point++, all++) {
            bad += run_child(fail_for_good, &c) != EXIT_SUCCESS;
            c.span = count->span > 0 ? count->span : c.span;
        }
    while (running > 0)
        bad += reap() != EXIT_SUCCESS;
    if (bad > 0)
        fail_msg("%llu of %llu points of failure lose something", (unsigned long long)bad,
                 (unsigned long long)all);
}

static void a_file_whose_sync_failed_is_never_believed(void **state)
{
    (void)state;
    fail_each_for_good(JOURNAL_FSYNC_ALWAYS, SIMFS_SYNC, EIO, 50);
    fail_each_for_good(JOURNAL_FSYNC_ALWAYS, SIMFS_SYNC, ENOSPC, 50);
    fail_each_for_good(JOURNAL_FSYNC_EVERYSEC, SIMFS_SYNC, ENOSPC, 25);
    fail_each_for_good(JOURNAL_FSYNC_NO, SIMFS_SYNC, EIO, 25);
}

static void a_directory_whose_sync_failed_is_never_believed(void **state)
{
    (void)state;
    fail_each_for_good(JOURNAL_FSYNC_ALWAYS, SIMFS_SYNC_DIR, EIO, 8);
    fail_each_for_good(JOURNAL_FSYNC_EVERYSEC, SIMFS_SYNC_DIR, EIO, 8);
}

static void other_failures_on_the_same_disk_lose_nothing(void **state)
{
    (void)state;
    fail_each_for_good(JOURNAL_FSYNC_ALWAYS, SIMFS_PWRITE, ENOSPC, 20);
    fail_each_for_good(JOURNAL_FSYNC_ALWAYS, SIMFS_RENAME, EIO, 5);
    fail_each_for_good(JOURNAL_FSYNC_EVERYSEC, SIMFS_OPEN, EIO, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_stop_at_every_call_under_always),
        cmocka_unit_test(survives_a_stop_at_every_call_under_everysec),
        cmocka_unit_test(survives_a_stop_at_every_call_without_syncs),
        cmocka_unit_test(loses_nothing_when_an_early_write_fails),
        cmocka_unit_test(loses_nothing_when_an_early_sync_fails),
        cmocka_unit_test(a_file_whose_sync_failed_is_never_believed),
        cmocka_unit_test(a_directory_whose_sync_failed_is_never_believed),
        cmocka_unit_test(other_failures_on_the_same_disk_lose_nothing),
    };
    const char *given = getenv("FAULT_SEED"), *rounds = getenv("FAULT_ROUNDS");
    seed = given == NULL ? 1 : strtoull(given, NULL, 10);
    log_set_level(LOG_NOTHING);
    count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(count != MAP_FAILED);
    int failed = 0;
    /* A round takes seconds here, a tenth of one elsewhere. */
    long n = rounds == NULL ? 1 : strtol(rounds, NULL, 10) / 20;
    for (long i = 0; i <= n - 1 || i == 0; i++, seed++) {
        count->points = count->recoveries = 0;
        failed += cmocka_run_group_tests(tests, NULL, NULL);
        printf("seed %llu: %llu crash points, %llu recoveries\n", (unsigned long long)seed,
               (unsigned long long)count->points, (unsigned long long)count->recoveries);
    }
    return failed;
}
