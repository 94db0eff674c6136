/* The journal thread: gathers, writes, has it synced as the policy wants, and sleeps whenever there
 * is nothing to do.
 *
 *   always      write, sync, tell the workers, look again: whatever arrived meanwhile is the next
 *               group. Asleep, it is woken by journal_kick.
 *   everysec    write every few milliseconds while there is traffic; a sync, in the other thread,
 *               when the oldest unsynced record is SYNC_AFTER_US old. Asleep, the first append
 *               wakes it.
 *   no          the same without the clock: syncs only when a segment is left, when the memory for
 *               unsynced records fills, and on request.
 *
 * No wake-up is lost: a sleeper first says that it sleeps and then looks once more; a waker first
 * changes what the sleeper looks at and then looks whether it sleeps; both sequentially consistent.
 * An append needs no fence of its own for this: the fetch-add of its stamp came before.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include "base/log.h"
#include "base/stats.h"

#include <sched.h>

enum { GROUPS_A_PASS = 16, GAP_YIELDS = 32, GAP_NAP_US = 50, GAP_NAP_MAX_US = 1000 };

static int policy(const struct journal *j)
{
    return atomic_load_explicit(&j->policy, memory_order_relaxed);
}

static void wake_waiters(struct journal *j)
{
    if (atomic_load(&j->waiters) == 0)
        return;
    lock_acquire(&j->lock);
    cond_broadcast(&j->progress);
    lock_release(&j->lock);
}

static void notify(struct journal *j)
{
    wake_waiters(j);
    if (j->options.on_progress != NULL)
        j->options.on_progress(j->options.ctx);
}

/* ---- failing and coming back ---- */

static void note_error(struct journal *j, const char *what, const struct err *err)
{
    lock_acquire(&j->lock);
    j->error = *err;
    lock_release(&j->lock);
    log_err(LOG_WARNING, what, err);
}

/* The current segment has failed: never write or sync it again. */
static void break_off(struct journal *j)
{
    j->broken = j->untried = true;
}

/* state: FAILING or LOST. Who hears of the one that is new finds its reason. */
static void start_failing(struct journal *j, enum journal_state state, const struct err *err)
{
    j->retry_at.us = clock_mono().us + RETRY_US;
    if (atomic_exchange(&j->state, (int)state) == (int)state)
        return;
    note_error(j, "the journal cannot be written: writes are refused until it can", err);
    notify(j);
}

/* Files are not where they were. What is synced from now on is in no journal. */
static void lose(struct journal *j, const struct err *err)
{
    j->untried = false;
    lock_acquire(&j->lock);
    j->error = *err; /* what else may have failed is for this reason */
    lock_release(&j->lock);
    start_failing(j, JOURNAL_LOST, err);
}

/* After the sync thread missed a file, and then until all are back. */
static void look_again(struct journal *j)
{
    struct err err;
    bool lost = journal_is_lost(j);
    if (!atomic_load(&j->suspect) && !lost)
        return;
    if (lost && clock_mono().us < j->retry_at.us)
        return;
    atomic_store(&j->suspect, false);
    if (moved_check_all(j, &err) != RC_OK) {
        lose(j, &err);
        return;
    }
    if (!lost)
        return;
    log_line(LOG_NOTICE, "journal: its files are where they were");
    bool broken = j->broken || j->need_bytes > 0; /* failing for another reason */
    atomic_store(&j->state, broken ? JOURNAL_FAILING : JOURNAL_RUNNING);
    notify(j);
}

/* Whether what is left of the segment is to last until there is room for the next one. It has to
 * take what the rings hold by the time producers hear of it, and then removals. */
static bool is_room_short(struct journal *j)
{
    bool scarce = atomic_load(&j->scarce);
    if (!scarce)
        atomic_store(&j->pressed, false);
    return scarce && (atomic_load(&j->pressed) || atomic_load(&j->room_left) < kept_room(j));
}

/* Between RUNNING and FULL, which a producer that was refused may have been the first to say; the
 * end of FAILING is told by who began it. */
static void judge_room(struct journal *j)
{
    if (journal_is_failing(j))
        return;
    bool full = is_room_short(j);
    atomic_store(&j->state, full ? JOURNAL_FULL : JOURNAL_RUNNING);
    if (full == j->full_is_told)
        return;
    j->full_is_told = full;
    log_line(full ? LOG_WARNING : LOG_NOTICE,
             full ? "journal: no room for the next segment: what is left of this one is kept for "
                    "deletions, other writes are refused"
                  : "journal: there is room for the next segment, writes are accepted");
    notify(j);
}

/* Goes on in a new segment, if there can be one. */
static bool advance(struct journal *j)
{
    struct err err;
    bool repair = j->broken;
    if (atomic_load(&j->state) == JOURNAL_FAILING && clock_mono().us < j->retry_at.us &&
        atomic_load(&j->news) == j->news_seen)
        return false;
    j->untried = false;
    enum rc rc = segment_advance(j, &err);
    if (rc != RC_OK && rc != RC_AGAIN)
        start_failing(j, JOURNAL_FAILING, &err);
    if (rc != RC_OK)
        return false;
    if (repair)
        log_line(LOG_NOTICE, "journal: everything that was not durable is now in a new segment");
    if (atomic_exchange(&j->state, JOURNAL_RUNNING) == JOURNAL_FAILING)
        log_line(LOG_NOTICE, "journal: can be written again, writes are accepted");
    notify(j);
    return true;
}

/* ---- writing ---- */

static void write_groups(struct journal *j)
{
    struct err err;
    uint64_t until = journal_lsn(j);
    j->pass = PASS_NOTHING;
    for (int i = 0; i < GROUPS_A_PASS && j->gathered_lsn < until; i++) {
        switch (group_write(j, &err)) {
        case GROUP_WRITTEN:
            j->pass = PASS_WROTE;
            j->stalls = 0;
            if (j->unsynced_since.us == 0)
                j->unsynced_since = clock_mono();
            break;
        case GROUP_NOTHING:
            j->stalls++;
            return;
        case GROUP_NO_SEGMENT:
            if (!advance(j)) {
                j->pass = PASS_BLOCKED;
                return;
            }
            break;
        case GROUP_NO_MEMORY:
            j->pass = PASS_BLOCKED; /* a sync frees it */
            return;
        case GROUP_FAILED:
            note_error(j, "journal write failed, going on in a new segment", &err);
            break_off(j);
            return;
        }
    }
}

/* Under always nobody waits for written_lsn but those who wait for room. */
static void report_written(struct journal *j)
{
    if (j->pass != PASS_WROTE)
        return;
    if (policy(j) == JOURNAL_FSYNC_ALWAYS)
        wake_waiters(j);
    else
        notify(j);
}

/* ---- syncing ---- */

static void plan_job(struct journal *j, struct sync_job *job)
{
    *job = (struct sync_job){
        .state = JOB_POSTED, .target = atomic_load(&j->written_lsn), .posted = clock_mono()};
    for (struct segment *s = j->unsynced; s != NULL; s = s->next) {
        must(job->files_len < UNSYNCED_SEGMENTS_MAX);
        job->watched[job->files_len] = watched_of(s);
        job->files[job->files_len++] = s->file;
        if (!s->named && !job->names)
            job->epoch = s->epoch;
        job->names |= !s->named;
    }
}

/* All of the job's segments but the last are left for good; the last may hold more by now. */
static void job_succeeded(struct journal *j, const struct sync_job *job)
{
    for (uint32_t i = 0; i < job->files_len; i++) {
        struct segment *s = j->unsynced;
        bool left = i + 1 < job->files_len;
        if (left) {
            j->fs->close(j->fs->ctx, &s->file);
            j->unsynced = s->next;
        }
        lock_acquire(&j->lock);
        s->named = true;
        s->synced = left;
        cond_signal(&j->sync_cond); /* something may be trimmed now */
        lock_release(&j->lock);
    }
    retained_drop(&j->retained, job->target);
    j->unsynced_since = atomic_load(&j->written_lsn) > job->target ? job->posted : (struct mono){0};
    atomic_store(&j->last_sync_us, job->took_us);
    group_set_durable(j, job->target);
    notify(j);
}

static void job_done(struct journal *j, const struct sync_job *job)
{
    if (job->rc == RC_OK) {
        job_succeeded(j, job);
        return;
    }
    if (job->rc == RC_MOVED) {
        lose(j, &job->err);
        return;
    }
    note_error(j, "journal sync failed, going on in a new segment", &job->err);
    break_off(j);
}

/* Takes the sync thread's result; false while it is at work. */
static bool collect_job(struct journal *j)
{
    struct sync_job job;
    lock_acquire(&j->lock);
    job = j->job;
    if (job.state == JOB_DONE)
        j->job.state = JOB_NONE;
    lock_release(&j->lock);
    if (job.state == JOB_DONE)
        job_done(j, &job);
    return job.state == JOB_NONE || job.state == JOB_DONE;
}

/* When a sync is due, in microseconds from now; INT64_MAX: it is not. */
static int64_t sync_due_us(const struct journal *j)
{
    uint64_t written = atomic_load(&j->written_lsn), durable = atomic_load(&j->durable_lsn);
    uint64_t request = atomic_load(&j->sync_request);
    if (written == durable || j->broken)
        return INT64_MAX;
    if (policy(j) == JOURNAL_FSYNC_ALWAYS || atomic_load(&j->stop) || j->switched ||
        retained_is_filling(&j->retained) || (request > durable && written >= request))
        return 0;
    if (policy(j) != JOURNAL_FSYNC_EVERYSEC)
        return INT64_MAX;
    int64_t left = j->unsynced_since.us + SYNC_AFTER_US - clock_mono().us;
    return left > 0 ? left : 0;
}

static void sync_by_policy(struct journal *j)
{
    struct sync_job job;
    if (sync_due_us(j) > 0)
        return;
    plan_job(j, &job);
    j->switched = false;
    if (policy(j) == JOURNAL_FSYNC_ALWAYS || atomic_load(&j->stop)) {
        syncer_run(j, &job);
        job_done(j, &job);
        return;
    }
    lock_acquire(&j->lock);
    j->job = job;
    cond_signal(&j->sync_cond);
    lock_release(&j->lock);
}

/* An LSN that was handed out is appended at once, unless its worker is held up: everything after it
 * waits, so how long is a figure. */
static void watch_gap(struct journal *j)
{
    bool stuck = j->broken || j->need_bytes > 0 || j->pass == PASS_BLOCKED || journal_is_lost(j);
    if (LIKELY(stuck || j->gathered_lsn == journal_lsn(j) || j->gap_lsn != j->gathered_lsn)) {
        j->gap_lsn = j->gathered_lsn; /* looked at again, if it is one, when it is a moment old */
        if (UNLIKELY(atomic_load_explicit(&j->gap_since_us, memory_order_relaxed) != 0))
            atomic_store(&j->gap_since_us, 0);
    } else if (atomic_load_explicit(&j->gap_since_us, memory_order_relaxed) == 0) {
        atomic_store(&j->gap_since_us, clock_mono().us);
    }
}

/* ---- sleeping ---- */

struct nap {
    enum { NAP_NONE, NAP_BLOCKED, NAP_GAP, NAP_TICK, NAP_SYNC, NAP_QUIET, NAP_IDLE } why;
    int depth;
    int64_t us; /* INT64_MAX: until woken */
};

static struct nap plan_nap(const struct journal *j, bool syncing)
{
    bool always = policy(j) == JOURNAL_FSYNC_ALWAYS, stop = atomic_load(&j->stop);
    uint64_t lsn = journal_lsn(j);
    int idle_depth = always ? SLEEP_TICK : SLEEP_DEEP;
    if (atomic_load(&j->news) != j->news_seen || (stop && j->stop_by.us == 0) || j->untried)
        return (struct nap){NAP_NONE, AWAKE, 0};
    if (j->broken || j->need_bytes > 0 || j->pass == PASS_BLOCKED || journal_is_lost(j))
        return (struct nap){NAP_BLOCKED, SLEEP_BLOCKED, RETRY_US};
    if (!syncing && sync_due_us(j) == 0)
        return (struct nap){NAP_NONE, AWAKE, 0};
    if (lsn > j->gathered_lsn) {
        bool hurry = always || stop || atomic_load(&j->sync_request) > j->gathered_lsn;
        if (!hurry)
            return (struct nap){NAP_TICK, SLEEP_TICK, TICK_US};
        if (j->pass == PASS_WROTE)
            return (struct nap){NAP_NONE, AWAKE, 0};
        int64_t us = j->stalls < GAP_YIELDS ? 0 : (int64_t)(j->stalls - GAP_YIELDS) * GAP_NAP_US;
        return (struct nap){NAP_GAP, SLEEP_TICK, us > GAP_NAP_MAX_US ? GAP_NAP_MAX_US : us};
    }
    if (j->pass == PASS_WROTE && !always)
        return (struct nap){NAP_TICK, SLEEP_TICK, TICK_US};
    if (syncing)
        return (struct nap){NAP_IDLE, idle_depth, INT64_MAX};
    int64_t due = sync_due_us(j);
    if (due != INT64_MAX)
        return (struct nap){NAP_SYNC, idle_depth, due};
    if (!j->tidy)
        return (struct nap){NAP_QUIET, idle_depth, QUIET_US};
    return (struct nap){NAP_IDLE, idle_depth, INT64_MAX};
}

/* True when it was not woken. */
static bool sleep_for(struct journal *j, int64_t us)
{
    bool woken;
    lock_acquire(&j->lock);
    if (us == INT64_MAX)
        while (!j->wake)
            cond_wait(&j->wake_cond, &j->lock);
    else if (!j->wake)
        cond_wait_us(&j->wake_cond, &j->lock, us);
    woken = j->wake;
    j->wake = false;
    lock_release(&j->lock);
    return !woken;
}

/* After a while without traffic: says in the file what is durable, and gives memory back. */
static void tidy_up(struct journal *j)
{
    struct err err;
    j->tidy = true;
    retained_shrink(&j->retained);
    if (group_write_mark(j, &err) == RC_OK)
        return;
    stat_add(STAT_journal_write_failures, 1);
    note_error(j, "journal write failed, going on in a new segment", &err);
    break_off(j);
}

static void nap(struct journal *j, bool syncing)
{
    struct nap n = plan_nap(j, syncing);
    if (n.why == NAP_GAP && n.us == 0)
        sched_yield();
    if (n.us == 0)
        return;
    bool timed_out = false;
    atomic_store(&j->sleeping, n.depth);
    struct nap again = plan_nap(j, syncing);
    if (again.why == n.why && again.depth == n.depth)
        timed_out = sleep_for(j, again.us);
    atomic_store(&j->sleeping, AWAKE);
    if (timed_out && n.why == NAP_QUIET)
        tidy_up(j);
    if (n.why == NAP_TICK || n.why == NAP_BLOCKED)
        j->pass = PASS_NOTHING;
}

/* ---- the thread ---- */

static bool is_finished(struct journal *j)
{
    if (!atomic_load(&j->stop))
        return false;
    if (j->stop_by.us == 0)
        j->stop_by.us = clock_mono().us + CLOSE_PATIENCE_US;
    bool all = j->gathered_lsn == journal_lsn(j) && !j->broken && !journal_is_lost(j) &&
               atomic_load(&j->durable_lsn) == j->gathered_lsn;
    if (!all && clock_mono().us < j->stop_by.us)
        return false;
    if (!all)
        log_line(LOG_WARNING, "journal: closed with records up to %llu of %llu synced",
                 (unsigned long long)atomic_load(&j->durable_lsn),
                 (unsigned long long)journal_lsn(j));
    else if (!j->tidy)
        tidy_up(j);
    return true;
}

void *writer_main(void *arg)
{
    struct journal *j = arg;
    for (;;) {
        j->news_seen = atomic_load(&j->news);
        bool free_to_sync = collect_job(j);
        look_again(j);
        bool lost = journal_is_lost(j);
        if (!lost && (j->broken || j->need_bytes > 0))
            advance(j);
        if (!lost && !j->broken && j->need_bytes == 0) {
            write_groups(j);
            report_written(j);
        }
        watch_gap(j);
        judge_room(j);
        if (free_to_sync && !lost)
            sync_by_policy(j);
        if (free_to_sync && is_finished(j))
            return NULL;
        lock_acquire(&j->lock);
        bool syncing = j->job.state != JOB_NONE;
        lock_release(&j->lock);
        nap(j, syncing);
    }
}
