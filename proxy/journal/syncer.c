/* The sync thread: everything that is slow and that writing must not wait for.
 *
 *   1. a sync that the journal thread has posted (everysec, no), which goes before all else
 *   2. trimming: segments that are no longer needed become spares, or are removed
 *   3. the next spare segment: created or recycled, preallocated by writing zeros, synced
 *
 * A file whose sync has failed is removed. The system may have dropped the pages that it could not
 * write and call the next sync a success, so nobody can know what of the file is on the disk. Only
 * segments of this run that never failed are recycled: what an earlier run has seen of a file, this
 * one does not know.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include "base/log.h"
#include "base/stats.h"

#include <stdlib.h>

enum { ZERO_STEP = 1 << 20 };

enum rc names_sync(struct journal *j, uint32_t epoch, struct err *err)
{
    enum rc rc = RC_OK;
    lock_acquire(&j->names_lock);
    if (atomic_load(&j->names_epoch) != epoch)
        rc = err_set(err, RC_IO,
                     "a sync of directory '%s' has failed: what was renamed before is not used",
                     j->dir);
    else if ((rc = moved_check(j, NULL, 0, err)) == RC_OK &&
             (rc = j->fs->sync_dir(j->fs->ctx, j->dir, err)) != RC_OK)
        atomic_fetch_add(&j->names_epoch, 1);
    lock_release(&j->names_lock);
    return rc;
}

void syncer_run(struct journal *j, struct sync_job *job)
{
    struct mono start = clock_mono();
    job->rc = RC_OK;
    for (uint32_t i = 0; job->rc == RC_OK && i < job->files_len; i++) {
        stat_add(STAT_journal_syncs, 1);
        job->rc = j->fs->sync(j->fs->ctx, job->files[i], &job->err);
    }
    if (job->rc == RC_OK && job->names)
        job->rc = names_sync(j, job->epoch, &job->err);
    if (job->rc != RC_OK)
        stat_add(STAT_journal_sync_failures, 1);
    else
        job->rc = moved_check(j, job->watched, job->files_len, &job->err);
    job->took_us = clock_mono().us - start.us;
}

static void tell_writer(struct journal *j)
{
    atomic_fetch_add(&j->news, 1);
    journal_wake(j, SLEEP_BLOCKED);
}

/* ---- spares ---- */

void spare_discard(struct journal *j, struct spare *s)
{
    struct err ignored;
    if (s->file != NULL)
        j->fs->close(j->fs->ctx, &s->file);
    if (chain_remove(j->fs, j->dir, s->name, &ignored) != RC_OK)
        s->bytes = 0; /* the next start removes it */
}

/* Opens a file of the pool, or creates one. */
static enum rc begin_spare(struct journal *j, struct err *err)
{
    struct spare *s = &j->making;
    enum rc rc;
    *s = (struct spare){.epoch = atomic_load(&j->names_epoch)};
    bool recycle = j->pool_len > 0;
    struct old_file old = {0};
    if (recycle)
        old = j->pool[--j->pool_len];
    else
        old = (struct old_file){++j->spare_serial, s->epoch};
    s->epoch = old.epoch;
    format_spare_name(s->name, old.serial);
    char *path = chain_path(j->dir, s->name);
    rc = j->fs->open(j->fs->ctx, path, recycle ? FS_READ_WRITE : FS_CREATE, &s->file, err);
    free(path);
    if (rc == RC_OK)
        rc = j->fs->identify(j->fs->ctx, s->file, &s->id, err);
    if (rc == RC_OK && recycle)
        rc = j->fs->size(j->fs->ctx, s->file, &s->bytes, err);
    return rc;
}

enum rc spare_step(struct journal *j, uint64_t bytes, bool *done, struct err *err)
{
    static const char zeros[ZERO_STEP];
    struct spare *s = &j->making;
    bool lasting = true; /* what was got may be kept after a failure */
    *done = false;
    enum rc rc = RC_OK;
    /* A segment that was trimmed meanwhile has its blocks already; on a full disk it is the only
     * way on. */
    if (s->file != NULL && s->bytes < j->options.segment_bytes && j->pool_len > 0)
        spare_discard(j, s);
    if (s->file == NULL)
        rc = begin_spare(j, err);
    if (rc == RC_OK && s->bytes < bytes) {
        uint64_t step = min_u64(ZERO_STEP, bytes - s->bytes);
        rc = j->fs->pwrite(j->fs->ctx, s->file, zeros, (size_t)step, s->bytes, err);
        s->bytes += rc == RC_OK ? step : 0;
    }
    if (rc == RC_OK && s->bytes >= bytes) {
        lasting = false;
        rc = j->fs->sync(j->fs->ctx, s->file, err);
        if (rc == RC_OK)
            rc = names_sync(j, s->epoch, err);
        *done = rc == RC_OK;
    }
    /* What a full disk still gave is kept, and a retry is a single write. */
    if (rc != RC_OK && (rc != RC_FULL || !lasting || s->file == NULL))
        spare_discard(j, s);
    return rc;
}

/* Whether a spare is wanted and not there. */
static bool spare_wanted(const struct journal *j) REQUIRES(j->lock)
{
    return !journal_is_lost(j) && j->spare_want > 0 &&
           (j->ready.file == NULL || j->ready.bytes < j->spare_want);
}

static void make_spare(struct journal *j) REQUIRES(j->lock)
{
    uint64_t want = j->spare_want;
    bool done;
    struct err err;
    if (j->ready.file != NULL) { /* too small: grows */
        j->making = j->ready;
        j->ready.file = NULL;
    }
    lock_release(&j->lock);
    enum rc rc = spare_step(j, want, &done, &err);
    lock_acquire(&j->lock);
    if (done) {
        j->ready = j->making;
        j->making.file = NULL;
    }
    if (rc == RC_FULL)
        err_set(&err, RC_FULL,
                "no room for the journal in '%s': its next segment needs %llu bytes, of which %llu "
                "are there; writes go on when there is room",
                j->dir, (unsigned long long)want, (unsigned long long)j->making.bytes);
    bool was_full = j->spare_full;
    j->spare_full = rc == RC_FULL || (was_full && !done); /* an attempt has several steps */
    bool news = done || (rc != RC_OK) != j->spare_failed || j->spare_full != was_full;
    j->spare_failed = rc != RC_OK;
    atomic_store(&j->scarce, j->spare_full && j->ready.file == NULL);
    if (rc != RC_OK)
        j->error = err;
    lock_release(&j->lock);
    if (news && rc != RC_OK)
        log_err(LOG_WARNING, "cannot prepare the next journal segment, trying again", &err);
    if (news)
        tell_writer(j);
    lock_acquire(&j->lock);
}

/* ---- watching ---- */

/* Looks once a second, and before a trim, whether the files are where they were. */
static bool syncer_look_around(struct journal *j) REQUIRES(j->lock)
{
    struct err ignored;
    lock_release(&j->lock);
    j->looked_at = clock_mono();
    bool fine = moved_check_all(j, &ignored) == RC_OK;
    if (!fine && !atomic_exchange(&j->suspect, true))
        tell_writer(j);
    lock_acquire(&j->lock);
    return fine;
}

static bool is_time_to_look(const struct journal *j)
{
    return clock_mono().us - j->looked_at.us >= WATCH_US;
}

/* ---- trimming ---- */

static bool may_trim(const struct journal *j) REQUIRES(j->lock)
{
    const struct segment *s = j->oldest;
    return !journal_is_lost(j) && s != NULL && s->synced &&
           segment_ends_by(s, atomic_load(&j->trim_lsn)) && s->next->named;
}

/* Takes the oldest segment off the list if nothing in it is needed: the next one must stand on its
 * own by then, with a durable header. */
static struct segment *take_trimmed(struct journal *j) REQUIRES(j->lock)
{
    struct segment *s = j->oldest;
    if (!may_trim(j))
        return NULL;
    j->oldest = s->next;
    j->segments_len--;
    j->segments_bytes -= s->bytes;
    j->trimmed_lsn = s->next->continues_after;
    return s;
}

static void retire(struct journal *j, struct segment *s)
{
    char name[FORMAT_NAME_MAX], spare_name[FORMAT_NAME_MAX];
    struct err err;
    bool recycle = !s->spoiled && s->bytes == j->options.segment_bytes && j->pool_len < POOL_MAX;
    format_segment_name(name, s->first_lsn);
    format_spare_name(spare_name, j->spare_serial + 1);
    uint32_t epoch = atomic_load(&j->names_epoch);
    enum rc rc = recycle ? chain_rename(j->fs, j->dir, name, spare_name, &err)
                         : chain_remove(j->fs, j->dir, name, &err);
    if (rc != RC_OK)
        log_err(LOG_WARNING, "cannot retire a journal segment", &err);
    else if (recycle)
        j->pool[j->pool_len++] = (struct old_file){++j->spare_serial, epoch};
    free(s);
}

void *syncer_main(void *arg)
{
    struct journal *j = arg;
    struct segment *trimmed;
    lock_acquire(&j->lock);
    for (;;) {
        if (j->job.state == JOB_POSTED) {
            struct sync_job job = j->job;
            j->job.state = JOB_RUNNING;
            lock_release(&j->lock);
            syncer_run(j, &job);
            lock_acquire(&j->lock);
            job.state = JOB_DONE;
            j->job = job;
            lock_release(&j->lock);
            tell_writer(j);
            lock_acquire(&j->lock);
        } else if (j->sync_stop) {
            break;
        } else if (is_time_to_look(j)) {
            syncer_look_around(j);
        } else if (may_trim(j) && syncer_look_around(j) && (trimmed = take_trimmed(j)) != NULL) {
            lock_release(&j->lock);
            retire(j, trimmed);
            lock_acquire(&j->lock);
        } else if (spare_wanted(j) && !j->spare_failed) {
            make_spare(j);
        } else if (spare_wanted(j)) {
            if (!cond_wait_us(&j->sync_cond, &j->lock, RETRY_US))
                make_spare(j);
        } else {
            cond_wait_us(&j->sync_cond, &j->lock, WATCH_US);
        }
    }
    lock_release(&j->lock);
    return NULL;
}
