/* Putting segments to use: when one is full, and when one has failed.
 *
 * A full segment is followed by one whose header and name become durable with the first sync that
 * covers it, so that going on to the next costs no wait. After a failed write or sync nothing is
 * known about the old segment after the last successful sync: the new one begins with everything
 * that is not durable, and is complete and synced before it gets its name.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include "base/log.h"

#include <stdlib.h>

static enum rc write_header(struct journal *j, struct spare *spare, const struct segment *s,
                            struct err *err)
{
    char pages[2 * FORMAT_PAGE] = {0}; /* the second one: no leftovers where the data begins */
    struct segment_header header = {
        .number = s->number,
        .first_lsn = s->first_lsn,
        .continues_after = s->continues_after,
        .durable_lsn = atomic_load(&j->durable_lsn),
        .run = j->run,
        .created_ms = clock_wall().ms,
    };
    memcpy(header.journal_id, j->id, sizeof(header.journal_id));
    format_seal_header(&header, pages);
    format_seal_note(j->boot_id, j->options.producers, pages);
    return j->fs->pwrite(j->fs->ctx, spare->file, pages, sizeof(pages), 0, err);
}

static enum rc rename_spare(struct journal *j, const struct spare *spare, const struct segment *s,
                            struct err *err)
{
    char name[FORMAT_NAME_MAX];
    format_segment_name(name, s->first_lsn);
    return chain_rename(j->fs, j->dir, spare->name, name, err);
}

void segment_link(struct journal *j, struct segment *s)
{
    lock_acquire(&j->lock);
    struct segment **end = &j->oldest;
    while (*end != NULL)
        end = &(*end)->next;
    *end = s;
    j->segments_len++;
    j->segments_bytes += s->bytes;
    lock_release(&j->lock);
}

/* Takes the spare if it is ready and large enough, else has one made. */
static enum rc take_spare(struct journal *j, uint64_t need, struct spare *out, struct err *err)
{
    enum rc rc = RC_AGAIN;
    lock_acquire(&j->lock);
    if (j->ready.file != NULL && j->ready.bytes >= need) {
        *out = j->ready;
        j->ready.file = NULL;
        /* What comes from now on goes there. No spare may follow, and then this is what has to
         * last, and not what is left of the segment before. */
        atomic_store(&j->room_left, out->bytes - FORMAT_DATA_AT);
        need = j->options.segment_bytes;
        rc = RC_OK;
    } else if (j->spare_failed) {
        *err = j->error;
        rc = err->code;
    } else {
        err_set(err, RC_AGAIN, "the next segment is being prepared");
    }
    j->spare_want = need;
    cond_signal(&j->sync_cond);
    lock_release(&j->lock);
    return rc;
}

/* Unlinks the segments that hold nothing that the new one does not: those that begin at or after
 * its first LSN. */
static struct segment *unlink_replaced(struct journal *j, uint64_t first_lsn)
{
    lock_acquire(&j->lock);
    struct segment **at = &j->oldest;
    while (*at != NULL && (*at)->first_lsn < first_lsn)
        at = &(*at)->next;
    struct segment *replaced = *at;
    *at = NULL;
    for (struct segment *s = replaced; s != NULL; s = s->next) {
        j->segments_len--;
        j->segments_bytes -= s->bytes;
    }
    lock_release(&j->lock);
    return replaced;
}

/* Removes their files, but for the one whose name the new segment has taken. What cannot be removed
 * is superseded all the same: its number is lower. */
static void remove_replaced(struct journal *j, struct segment *s, uint64_t first_lsn)
{
    while (s != NULL) {
        struct segment *next = s->next;
        char name[FORMAT_NAME_MAX];
        struct err err;
        format_segment_name(name, s->first_lsn);
        if (s->file != NULL)
            j->fs->close(j->fs->ctx, &s->file);
        if (s->first_lsn != first_lsn && chain_remove(j->fs, j->dir, name, &err) != RC_OK)
            log_err(LOG_WARNING, "cannot remove a journal segment that was replaced", &err);
        free(s);
        s = next;
    }
}

enum rc segment_write_whole(struct journal *j, struct spare *spare, const struct segment *s,
                            segment_body *body, uint64_t *end, struct err *err)
{
    *end = FORMAT_DATA_AT;
    uint32_t epoch = atomic_load(&j->names_epoch);
    enum rc rc = write_header(j, spare, s, err);
    if (rc == RC_OK && body != NULL)
        rc = body(j, spare->file, s->number, end, err);
    if (rc == RC_OK)
        rc = j->fs->sync(j->fs->ctx, spare->file, err);
    if (rc == RC_OK)
        rc = rename_spare(j, spare, s, err);
    return rc == RC_OK ? names_sync(j, epoch, err) : rc;
}

void segment_adopt(struct journal *j, struct segment *s, uint64_t end)
{
    struct segment *replaced = unlink_replaced(j, s->first_lsn);
    remove_replaced(j, replaced, s->first_lsn);
    segment_link(j, s);
    j->current = s;
    j->offset = end;
    atomic_store(&j->room_left, s->bytes - end);
    j->need_bytes = 0;
    j->broken = j->tidy = false;
}

struct segment *segment_new(struct journal *j, const struct spare *spare, uint64_t first_lsn,
                            uint64_t continues_after)
{
    struct segment *s = calloc(1, sizeof(*s));
    must(s != NULL);
    s->first_lsn = first_lsn;
    s->continues_after = continues_after;
    s->number = j->next_number++;
    s->bytes = spare->bytes;
    s->epoch = atomic_load(&j->names_epoch);
    s->file = spare->file;
    s->id = spare->id;
    return s;
}

/* Everything that is not durable. */
static enum rc write_retained(struct journal *j, struct fs_file *file, uint64_t number,
                              uint64_t *end, struct err *err)
{
    enum rc rc = RC_OK;
    for (struct chunk *c = j->retained.head; rc == RC_OK && c != NULL; c = c->next) {
        rc = group_rewrite(j, c, file, number, *end, err);
        *end += c->len;
    }
    return rc;
}

/* What the new segment is: its first LSN, and after which one it continues. */
static void segment_describe(struct journal *j, uint64_t *first_lsn, uint64_t *continues_after,
                             bool *replaces)
{
    bool again = j->broken && j->retained.head != NULL;
    *first_lsn = again ? j->retained.head->first_lsn : j->gathered_lsn + 1;
    *continues_after = *first_lsn - 1;
    *replaces = false;
    lock_acquire(&j->lock);
    for (const struct segment *old = j->oldest; old != NULL; old = old->next) {
        *replaces |= old->first_lsn >= *first_lsn;
        if (old->first_lsn == *first_lsn)
            *continues_after = old->continues_after; /* it may have begun with a jump */
    }
    lock_release(&j->lock);
}

/* Everything written is durable, in `s`; what was not synced before never will be. */
static void segment_settle(struct journal *j, struct segment *s, uint64_t end)
{
    for (struct segment *old = j->unsynced; old != NULL; old = old->next)
        if (old->file != NULL)
            j->fs->close(j->fs->ctx, &old->file);
    segment_adopt(j, s, end);
    lock_acquire(&j->lock);
    s->named = true;
    for (struct segment *old = j->oldest; old != s; old = old->next) {
        old->spoiled |= !old->synced;
        old->synced = old->named = true;
    }
    lock_release(&j->lock);
    j->unsynced = s;
    j->unsynced_since.us = 0;
    retained_drop(&j->retained, j->gathered_lsn);
    group_publish(j);
    group_set_durable(j, j->gathered_lsn);
}

/* Whether the state of the syncs allows to go on in a new segment now. */
static bool may_advance(struct journal *j, bool whole)
{
    uint32_t unsynced = 0;
    for (const struct segment *s = j->unsynced; s != NULL; s = s->next)
        unsynced++;
    lock_acquire(&j->lock);
    bool syncing = j->job.state != JOB_NONE;
    lock_release(&j->lock);
    if (j->broken)
        return !syncing; /* its files are about to be closed */
    if (whole && atomic_load(&j->durable_lsn) == j->gathered_lsn)
        return !syncing;
    /* Sync first: to have nothing to carry over, or few files to sync. */
    j->switched |= whole || unsynced >= UNSYNCED_SEGMENTS_MAX;
    return !whole && unsynced < UNSYNCED_SEGMENTS_MAX;
}

enum rc segment_advance(struct journal *j, struct err *err)
{
    struct spare spare;
    bool whole;
    uint64_t first_lsn, continues_after, end = FORMAT_DATA_AT;
    uint64_t need = max_u64(j->need_bytes, j->options.segment_bytes);
    segment_describe(j, &first_lsn, &continues_after, &whole);
    whole |= j->broken;
    if (j->broken)
        need = max_u64(need, FORMAT_DATA_AT + j->retained.bytes + FORMAT_PAGE);
    if (!may_advance(j, whole))
        return err_set(err, RC_AGAIN, "a sync must come first");
    enum rc rc = take_spare(j, need, &spare, err);
    if (rc != RC_OK)
        return rc;
    struct segment *s = segment_new(j, &spare, first_lsn, continues_after);
    if (whole) {
        rc = segment_write_whole(j, &spare, s, j->broken ? write_retained : NULL, &end, err);
    } else {
        rc = write_header(j, &spare, s, err);
        if (rc == RC_OK)
            rc = rename_spare(j, &spare, s, err);
    }
    if (rc != RC_OK) {
        spare_discard(j, &spare);
        free(s);
        return rc;
    }
    if (whole) {
        segment_settle(j, s, end);
    } else {
        segment_adopt(j, s, end);
        j->switched = true;
    }
    return RC_OK;
}
