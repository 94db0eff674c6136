/* Opening, examining and replaying what past runs left. Changes nothing on disk; may be repeated,
 * until start.c goes on from here.
 *
 *   open     lock, then the examination: read the headers, find the end of the segments, see what
 *            the rings hold beyond (walk.h), and whether anything is missing (missing.h)
 *   replay   segments, then rings
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/missing.h"
#include "journal/walk.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

/* ---- the rings of the last run ---- */

static enum rc open_old_ring(struct journal *j, uint32_t producer, struct err *err)
{
    struct old_ring *old = &j->old[j->old_len];
    memset(old, 0, sizeof(*old));
    old->producer = producer;
    format_ring_name(old->name, producer);
    char *path = chain_path(j->dir, old->name);
    enum rc rc = ring_open(j->fs, path, j->id, &old->ring, err);
    free(path);
    if (rc == RC_CORRUPT || rc == RC_NOT_FOUND) {
        if (j->chain.len > 0) /* else a first start was killed on the way */
            log_err(LOG_NOTICE, "journal: a ring is not usable, it is made anew", err);
        j->coherent = false;
        return RC_OK;
    }
    if (rc != RC_OK)
        return rc;
    const struct ring_page *page = old->ring.page;
    old->counts = j->chain_end > 0 && page->generation == j->run;
    if (old->counts && !same_boot(j, page->boot_id))
        j->coherent = false;
    j->old_len++;
    return RC_OK;
}

/* The run of the last segment says which rings belong to it: older contents were carried over. */
static enum rc open_old_rings(struct journal *j, struct err *err)
{
    bool any = false;
    enum rc rc = RC_OK;
    j->old = aligned_alloc(CACHE_LINE, (j->chain.rings_len + 1) * sizeof(*j->old));
    must(j->old != NULL);
    j->coherent = true;
    for (size_t i = 0; i < j->chain.len; i++)
        if (j->chain.segments[i].good)
            j->run = max_u64(j->run, j->chain.segments[i].header.run);
    for (size_t i = 0; rc == RC_OK && i < j->chain.rings_len; i++)
        rc = open_old_ring(j, j->chain.rings[i], err);
    for (size_t i = 0; i < j->old_len; i++)
        any |= j->old[i].counts;
    j->coherent &= any;
    return rc;
}

void recover_release(struct journal *j)
{
    for (size_t i = 0; i < j->old_len; i++)
        ring_close(j->fs, &j->old[i].ring);
    free(j->old);
    j->old = NULL;
    j->old_len = 0;
    chain_close(&j->chain);
}

/* ---- open ---- */

/* Everything up to the durable LSN in the last header is synced, so a start looks for the end from
 * there on, or from where the first segment with a good header begins: it may have got its name
 * before what it continues was synced. What is before is verified when it is replayed. */
static enum rc find_end(struct journal *j, struct examined *found, struct err *err)
{
    const struct record_header *record;
    struct chain_walk w;
    const struct chain_segment *first = chain_first_good(&j->chain);
    uint64_t begin = first == NULL ? 0 : first->header.continues_after, durable = begin;
    for (size_t i = 0; i < j->chain.len; i++)
        if (j->chain.segments[i].good)
            durable = max_u64(durable, j->chain.segments[i].header.durable_lsn);
    enum rc rc = chain_walk_init(&w, &j->chain, found->all ? begin : durable, j->coherent, err);
    if (rc == RC_OK && j->chain.len > 0) {
        do
            rc = chain_walk_next(&w, &record, err);
        while (rc == RC_OK);
        j->chain_end = w.at + 1;
    }
    j->chain_lsn = w.next_lsn - 1;
    j->proven_lsn = min_u64(max_u64(durable, w.durable_lsn), j->chain_lsn);
    j->run_begun = w.marked_run == j->run || j->chain.number_max > j->run + 1;
    found->at = chain_walk_place(&w);
    if (w.torn && !found->all)
        log_line(LOG_NOTICE,
                 "journal: '%s' ends at offset %llu in what was not synced when it was "
                 "interrupted: cut off behind record %llu",
                 found->at.name, (unsigned long long)found->at.offset,
                 (unsigned long long)j->chain_lsn);
    chain_walk_fini(&w);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc find_last(struct journal *j, const struct examined *found, struct err *err)
{
    const struct record_header *record;
    struct record_walk w;
    enum rc rc = record_walk_init(&w, j, j->chain_lsn, err);
    while (rc == RC_OK)
        rc = record_walk_next(&w, &record, err);
    if (w.rings.cut && rc == RC_NOT_FOUND && !found->all)
        log_line(LOG_NOTICE, "journal: records behind %llu in the rings are incomplete: dropped",
                 (unsigned long long)w.rings.next_lsn - 1);
    atomic_store(&j->clock, w.rings.next_lsn - 1);
    record_walk_fini(&w);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc recover_check_options(const struct journal_options *o, struct err *err)
{
    uint64_t ring = o->ring_bytes == 0 ? RING_BYTES_DEFAULT : o->ring_bytes;
    if (o->segment_bytes < SEGMENT_BYTES_MIN)
        return err_set(err, RC_INVALID, "a journal segment needs %d bytes at least",
                       SEGMENT_BYTES_MIN);
    if (ring < RING_BYTES_MIN || (ring & (ring - 1)) != 0 || ring > UINT32_MAX)
        return err_set(err, RC_INVALID, "the size of a journal ring must be a power of two");
    if (o->producers == 0 || o->producers > 4096)
        return err_set(err, RC_INVALID, "a journal needs 1 to 4096 producers");
    return RC_OK;
}

static struct journal *new_journal(const struct journal_options *options)
{
    struct journal *j = aligned_alloc(CACHE_LINE, format_round_up(sizeof(*j), CACHE_LINE));
    must(j != NULL);
    memset(j, 0, sizeof(*j));
    j->options = *options;
    if (j->options.ring_bytes == 0)
        j->options.ring_bytes = RING_BYTES_DEFAULT;
    j->options.segment_bytes = format_round_up(options->segment_bytes, FORMAT_PAGE);
    j->fs = options->fs == NULL ? &fs_posix : options->fs;
    j->options.fs = j->fs;
    j->dir = strdup(options->dir);
    must(j->dir != NULL);
    j->options.dir = j->dir;
    j->lock_handle = -1;
    j->policy = options->fsync;
    j->oversize_first = UINT64_MAX;
    lock_init(&j->lock);
    cond_init(&j->wake_cond);
    cond_init(&j->progress);
    cond_init(&j->sync_cond);
    lock_init(&j->names_lock);
    return j;
}

/* The id that a ring says, when no segment does (any more, or because its header is damaged). */
static bool id_of_rings(struct journal *j)
{
    bool found = false;
    for (size_t i = 0; !found && i < j->chain.rings_len; i++) {
        char name[FORMAT_NAME_MAX];
        struct ring ring;
        struct err ignored;
        format_ring_name(name, j->chain.rings[i]);
        char *path = chain_path(j->dir, name);
        if (ring_open(j->fs, path, NULL, &ring, &ignored) == RC_OK) {
            memcpy(j->id, ring.page->journal_id, sizeof(j->id));
            found = true;
            ring_close(j->fs, &ring);
        }
        free(path);
    }
    return found;
}

/* A journal has the id that its files say. A new one gets its id here, and keeps it from the first
 * segment on, which the start makes. */
static enum rc settle_id(struct journal *j, struct err *err)
{
    static const uint8_t none[JOURNAL_ID_BYTES];
    memcpy(j->id, j->chain.journal_id, sizeof(j->id));
    j->existed = memcmp(j->id, none, sizeof(none)) != 0 || id_of_rings(j) || j->chain.len > 0;
    if (!j->existed)
        memcpy(j->id, j->options.new_id, sizeof(j->id));
    if (!j->existed && memcmp(j->id, none, sizeof(none)) == 0 &&
        getrandom(j->id, sizeof(j->id), 0) != (ssize_t)sizeof(j->id))
        return err_sys(err, errno, "no random bytes for the id of the journal '%s'", j->dir);
    format_key_init(&j->key, j->id);
    j->chain.key = j->key;
    return RC_OK;
}

/* A start takes no notice of first segments without a header, unless it needs what they held. */
static enum rc check_heads(const struct chain *c, struct examined *found, struct err *err)
{
    if (c->len == 0 || c->segments[0].good)
        return RC_OK;
    found->flaw = FLAW_HEADS;
    found->at =
        (struct chain_place){.name = c->segments[0].name, .next_lsn = c->segments[0].first_lsn};
    return chain_headless(c, err);
}

/* What is there, and what is wrong with it. */
static enum rc examine(struct journal *j, struct examined *found, struct err *err)
{
    found->flaw = FLAW_NONE;
    enum rc rc = chain_open(&j->chain, j->fs, j->dir, err);
    if (rc == RC_OK)
        rc = settle_id(j, err);
    if (rc == RC_OK) {
        j->fs->boot_id(j->fs->ctx, j->boot_id);
        j->chain_end = j->chain.len;
        rc = open_old_rings(j, err);
    }
    if (rc == RC_OK && found->all)
        rc = check_heads(&j->chain, found, err);
    if (rc == RC_OK && (rc = find_end(j, found, err)) == RC_CORRUPT)
        found->flaw = FLAW_SEGMENTS;
    if (rc == RC_OK) {
        rc = find_last(j, found, err);
        if (rc == RC_OK)
            rc = missing_check(j, err);
        if (rc == RC_CORRUPT)
            found->flaw = FLAW_REST;
    }
    return rc;
}

enum rc recover_examine(const struct fs *fs, const char *dir, struct journal **out,
                        struct examined *found, struct err *err)
{
    struct journal_options options = {.dir = dir, .fs = fs, .producers = 1};
    *found = (struct examined){.all = true};
    *out = new_journal(&options);
    return examine(*out, found, err);
}

enum rc journal_open(const struct journal_options *options, struct journal **out, struct err *err)
{
    enum rc rc = recover_check_options(options, err);
    if (rc != RC_OK)
        return rc;
    struct examined found = {.all = false};
    struct journal *j = new_journal(options);
    rc = j->fs->make_dir(j->fs->ctx, j->dir, err);
    if (rc == RC_OK)
        rc = j->fs->lock_dir(j->fs->ctx, j->dir, &j->lock_handle, err);
    if (rc == RC_OK)
        rc = j->fs->lookup(j->fs->ctx, j->dir, &j->dir_id, NULL, err);
    if (rc == RC_OK)
        rc = examine(j, &found, err);
    if (rc != RC_OK)
        journal_close(&j);
    else
        *out = j;
    return rc;
}

/* ---- what there is ---- */

const uint8_t *journal_id(const struct journal *j)
{
    return j->id;
}

void journal_get_history(const struct journal *j, struct journal_history *out)
{
    must(!j->started);
    const struct chain *c = &j->chain;
    *out = (struct journal_history){
        .exists = j->existed, .coherent = j->coherent, .last_lsn = journal_lsn(j)};
    memcpy(out->id, j->id, sizeof(out->id));
    const struct chain_segment *first = chain_first_good(c);
    if (first != NULL)
        out->after_lsn = first->first_lsn - 1;
    out->whole_after_lsn = out->after_lsn;
    for (size_t i = 1; i < j->chain_end; i++) { /* a jump: what was between was lost */
        const struct segment_header *h = &c->segments[i].header;
        if (c->segments[i].good && h->continues_after + 1 < h->first_lsn)
            out->whole_after_lsn = h->first_lsn - 1;
    }
}

/* ---- replay ---- */

enum rc journal_replay(struct journal *j, uint64_t after_lsn,
                       enum rc (*each)(void *ctx, const struct journal_record *record,
                                       struct err *err),
                       void *ctx, struct err *err)
{
    must(!j->started);
    const struct record_header *record;
    struct record_walk w;
    enum rc rc = record_walk_init(&w, j, after_lsn, err);
    while (rc == RC_OK && (rc = record_walk_next(&w, &record, err)) == RC_OK) {
        struct journal_record r = format_view(record);
        rc = each(ctx, &r, err);
    }
    record_walk_fini(&w);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
