/* Starting: from what a past run left to a running journal.
 *
 *   1. remove the spares of earlier runs
 *   2. a new segment, whole and synced, that begins with all records that no marker or header
 *      proves to be durable: the end of the segments, and what only the rings hold
 *   3. remove the segments that it replaces, and those after the end
 *   4. empty the rings; they count only together with the run named in that segment
 *
 * Killed between any two steps, the next open finds the same records. A new segment with every
 * start is what makes this simple: nothing is ever appended after a torn tail.
 *
 * The end of the segments is written anew although reading shows it. A run that saw a sync fail and
 * was killed leaves pages that are on no disk and that the system takes for clean: they can be read
 * for as long as the machine runs, and a sync of them succeeds and does nothing.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/walk.h"

#include "base/log.h"

#include <stdlib.h>
#include <sys/mman.h>

/* The records above the last one that is proven to be durable, as the body of a segment, collected
 * into larger writes. */
static enum rc write_tail(struct journal *j, struct fs_file *file, uint64_t number, uint64_t *end,
                          struct err *err)
{
    const struct record_header *record;
    struct record_walk w;
    size_t cap = (size_t)j->options.segment_bytes, len = 0;
    char *buf = malloc(cap);
    must(buf != NULL);
    enum rc rc = record_walk_init(&w, j, j->proven_lsn, err);
    while (rc == RC_OK) {
        rc = record_walk_next(&w, &record, err);
        uint64_t bytes = rc == RC_OK ? format_record_bytes(record->len) : 0;
        if (len > 0 && (rc == RC_NOT_FOUND || len + bytes > cap)) {
            enum rc written = j->fs->pwrite(j->fs->ctx, file, buf, len, *end, err);
            *end += len;
            len = 0;
            if (written != RC_OK)
                rc = written;
        }
        if (rc != RC_OK)
            break;
        if (bytes > cap) {
            cap = (size_t)bytes;
            buf = realloc(buf, cap);
            must(buf != NULL);
        }
        struct record_header *to = (void *)(buf + len);
        memcpy(to, record, (size_t)bytes);
        to->checksum = format_hash(&j->key, record) ^ format_mix(number);
        len += bytes;
    }
    record_walk_fini(&w);
    free(buf);
    static const char zeros[FORMAT_TAIL_ZEROS];
    return rc == RC_NOT_FOUND ? j->fs->pwrite(j->fs->ctx, file, zeros, sizeof(zeros), *end, err)
                              : rc;
}

/* How large that tail is, and with which LSN it begins. */
static enum rc measure_tail(struct journal *j, uint64_t *first_lsn, uint64_t *bytes,
                            struct err *err)
{
    const struct record_header *record;
    struct record_walk w;
    *bytes = 0;
    enum rc rc = record_walk_init(&w, j, j->proven_lsn, err);
    while (rc == RC_OK && (rc = record_walk_next(&w, &record, err)) == RC_OK) {
        if (*bytes == 0)
            *first_lsn = record->lsn;
        *bytes += format_record_bytes(record->len);
    }
    if (*bytes == 0)
        *first_lsn = j->chain_lsn + 1;
    record_walk_fini(&w);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc identify(const struct journal *j, const char *name, struct file_id *out,
                        struct err *err)
{
    char *path = chain_path(j->dir, name);
    enum rc rc = j->fs->lookup(j->fs->ctx, path, out, NULL, err);
    free(path);
    return rc;
}

/* The segments that were found, as part of the journal that runs now. */
static enum rc take_over_segments(struct journal *j, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < j->chain_end; i++) {
        const struct chain_segment *from = &j->chain.segments[i];
        struct segment *s = calloc(1, sizeof(*s));
        must(s != NULL);
        s->number = from->header.number;
        s->first_lsn = from->first_lsn;
        s->continues_after = from->good ? from->header.continues_after : from->first_lsn - 1;
        s->bytes = from->size;
        s->synced = s->named = s->spoiled = true;
        rc = identify(j, from->name, &s->id, err);
        segment_link(j, s);
    }
    return rc;
}

/* A spare of the usual size; on a full disk one that holds what it must, so that reads can be
 * served: the next segment then waits for room, and says so. */
static enum rc try_prepare_segment(struct journal *j, uint64_t need, struct err *err)
{
    bool done = false;
    enum rc rc = RC_OK;
    while (rc == RC_OK && !done)
        rc = spare_step(j, max_u64(need, j->options.segment_bytes), &done, err);
    if (rc != RC_FULL)
        return rc;
    spare_discard(j, &j->making);
    rc = names_sync(j, atomic_load(&j->names_epoch), err); /* gives its space back */
    need = format_round_up(need, FORMAT_PAGE);
    while (rc == RC_OK && !done)
        rc = spare_step(j, need, &done, err);
    if (rc == RC_OK)
        log_line(LOG_WARNING, "journal: no room for a segment, beginning with a small one");
    if (rc != RC_FULL)
        return rc;
    spare_discard(j, &j->making);
    return err_set(err, RC_FULL,
                   "no room for the journal in '%s': %llu bytes are needed to start, and %llu more "
                   "to take writes",
                   j->dir, (unsigned long long)need, (unsigned long long)j->options.segment_bytes);
}

static enum rc prepare_segment(struct journal *j, uint64_t need, struct err *err)
{
    enum rc rc;
    do
        rc = try_prepare_segment(j, need, err);
    while (rc == RC_FULL && j->options.on_no_room != NULL &&
           j->options.on_no_room(j->options.ctx, err));
    return rc;
}

/* Step 2: a segment that is whole and durable, and the current one from now on. Those that begin
 * with the same LSN or later are replaced by it. */
static enum rc begin_segment(struct journal *j, uint64_t first_lsn, uint64_t after,
                             uint64_t body_bytes, struct err *err)
{
    uint64_t need = FORMAT_DATA_AT + body_bytes + FORMAT_TAIL_ZEROS + FORMAT_PAGE, end;
    enum rc rc = prepare_segment(j, need, err);
    if (rc != RC_OK)
        return rc;
    for (const struct segment *old = j->oldest; old != NULL; old = old->next)
        if (old->first_lsn == first_lsn)
            after = old->continues_after;
    struct spare spare = j->making;
    j->making.file = NULL;
    struct segment *s = segment_new(j, &spare, first_lsn, after);
    rc = segment_write_whole(j, &spare, s, body_bytes > 0 ? write_tail : NULL, &end, err);
    if (rc != RC_OK) {
        spare_discard(j, &spare);
        free(s);
        return rc;
    }
    if (j->current != NULL) { /* only when a floor follows a tail */
        j->fs->close(j->fs->ctx, &j->current->file);
        j->current->synced = true;
    }
    s->named = true;
    segment_adopt(j, s, end);
    j->unsynced = s;
    return RC_OK;
}

static enum rc begin_segments(struct journal *j, uint64_t floor_lsn, struct err *err)
{
    uint64_t last = journal_lsn(j), first = 0, bytes = 0;
    enum rc rc = measure_tail(j, &first, &bytes, err);
    j->next_number = j->chain.number_max + 1;
    j->run = j->next_number;
    atomic_store(&j->durable_lsn, j->proven_lsn);
    if (rc == RC_OK && (bytes > 0 || floor_lsn <= last))
        rc = begin_segment(j, first, first - 1, bytes, err);
    if (rc != RC_OK)
        return rc;
    atomic_store(&j->durable_lsn, last);
    if (floor_lsn > last)
        rc = begin_segment(j, floor_lsn + 1, last, 0, err);
    last = max_u64(last, floor_lsn);
    atomic_store(&j->clock, last);
    atomic_store(&j->written_lsn, last);
    atomic_store(&j->durable_lsn, last);
    j->gathered_lsn = last;
    return rc;
}

static bool is_in_use(const struct journal *j, uint64_t first_lsn)
{
    const struct segment *s = j->oldest;
    while (s != NULL && s->first_lsn != first_lsn)
        s = s->next;
    return s != NULL;
}

/* Step 3: segments after the end, and those that were superseded long ago. */
static enum rc remove_the_rest(struct journal *j, struct err *err)
{
    struct chain *c = &j->chain;
    enum rc rc = RC_OK;
    for (size_t i = c->len + c->superseded; rc == RC_OK && i > j->chain_end; i--) {
        if (is_in_use(j, c->segments[i - 1].first_lsn)) /* the name is another file's by now */
            continue;
        rc = chain_remove(j->fs, j->dir, c->segments[i - 1].name, err);
    }
    return rc == RC_OK ? names_sync(j, atomic_load(&j->names_epoch), err) : rc;
}

/* The ring of a producer: its old one if it has the right size, else a new one. */
static enum rc set_up_ring(struct journal *j, uint32_t producer, bool *created, struct err *err)
{
    struct ring *ring = &j->producers[producer].ring;
    for (size_t i = 0; i < j->old_len; i++) {
        struct old_ring *old = &j->old[i];
        if (old->producer != producer || old->ring.bytes != j->options.ring_bytes)
            continue;
        *ring = old->ring;
        old->ring.page = NULL;
        return RC_OK;
    }
    char name[FORMAT_NAME_MAX];
    format_ring_name(name, producer);
    char *path = chain_path(j->dir, name);
    *created = true;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < j->chain.rings_len; i++)
        if (j->chain.rings[i] == producer)
            rc = chain_remove(j->fs, j->dir, name, err);
    if (rc == RC_OK)
        rc = ring_create(j->fs, path, j->options.ring_bytes, ring, err);
    free(path);
    return rc;
}

/* Step 4. All are emptied only when all exist. */
static enum rc set_up_rings(struct journal *j, struct err *err)
{
    bool changed = false;
    enum rc rc = RC_OK;
    size_t bytes = j->options.producers * sizeof(*j->producers);
    j->producers = aligned_alloc(CACHE_LINE, bytes);
    must(j->producers != NULL);
    memset(j->producers, 0, bytes);
    j->producers_len = j->options.producers;
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++)
        rc = set_up_ring(j, p, &changed, err);
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++) {
        char name[FORMAT_NAME_MAX];
        format_ring_name(name, p);
        rc = identify(j, name, &j->producers[p].ring_id, err);
    }
    for (size_t i = 0; rc == RC_OK && i < j->chain.rings_len; i++) {
        char name[FORMAT_NAME_MAX];
        if (j->chain.rings[i] < j->producers_len)
            continue;
        format_ring_name(name, j->chain.rings[i]);
        rc = chain_remove(j->fs, j->dir, name, err);
        changed = true;
    }
    if (rc == RC_OK && changed)
        rc = names_sync(j, atomic_load(&j->names_epoch), err);
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++) {
        struct ring *ring = &j->producers[p].ring;
        ring_reset(ring, j->id, j->boot_id, p, j->run);
        /* Best effort: an append that faults a page in would be slow. Only a store makes the page
         * of a file writable. */
        (void)mlock(ring->page, (size_t)ring->bytes + FORMAT_PAGE);
        for (uint64_t at = 0; at < ring->bytes; at += FORMAT_PAGE)
            *(volatile char *)(ring->data + at) = 0;
    }
    return rc;
}

/* Spares of earlier runs hold nothing, and nobody knows whether a sync of one has failed. So they
 * go, and one that cannot be removed is left alone: it must not keep the journal from starting. */
static void remove_spares(struct journal *j)
{
    for (size_t i = 0; i < j->chain.spares_len; i++) {
        char name[FORMAT_NAME_MAX];
        struct err err;
        j->spare_serial = max_u64(j->spare_serial, j->chain.spares[i]);
        format_spare_name(name, j->chain.spares[i]);
        if (chain_remove(j->fs, j->dir, name, &err) != RC_OK)
            log_err(LOG_WARNING, "cannot remove an unused journal segment of an earlier run", &err);
    }
}

enum rc journal_start(struct journal *j, uint64_t floor_lsn, struct err *err)
{
    must(!j->started);
    remove_spares(j);
    enum rc rc = take_over_segments(j, err);
    if (rc == RC_OK)
        rc = names_sync(j, atomic_load(&j->names_epoch), err); /* gives their space back */
    if (rc == RC_OK)
        rc = begin_segments(j, floor_lsn, err);
    if (rc == RC_OK)
        rc = remove_the_rest(j, err);
    if (rc == RC_OK)
        rc = set_up_rings(j, err);
    if (rc != RC_OK)
        return rc;
    /* A run whose rings are set up has a marker: from now on they are needed. */
    rc = group_write_mark(j, err);
    if (rc != RC_OK)
        return rc;
    group_set_durable(j, j->gathered_lsn);
    recover_release(j);
    retained_init(&j->retained, j->options.ring_bytes / 2);
    j->trimmed_lsn = j->oldest->continues_after;
    j->spare_want = j->options.segment_bytes;
    j->started = true;
    thread_start(&j->syncer, "journal-sync", 0, syncer_main, j);
    thread_start(&j->writer, "journal", 0, writer_main, j);
    return RC_OK;
}
