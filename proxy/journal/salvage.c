/* Salvaging: see reader.h.
 *
 * What a start would find wrong is set aside, in rounds: each takes away what the examination has
 * found, and the next one finds less. Interrupted anywhere, it is begun again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/reader.h"

#include "journal/missing.h"

#include <stdio.h>
#include <stdlib.h>

enum { COPY_BYTES = 1 << 20, ROUNDS_MAX = 8, DAMAGED_NAME_MAX = FORMAT_NAME_MAX + 16 };

/* A name that no file has yet: what an earlier salvage set aside may be all that is left of it. */
static enum rc damaged_name(const struct chain *c, const char *name, char out[DAMAGED_NAME_MAX],
                            struct err *err)
{
    enum rc rc = RC_OK;
    snprintf(out, DAMAGED_NAME_MAX, "%s.damaged", name);
    for (unsigned n = 2; rc == RC_OK; n++) {
        struct file_id ignored;
        char *path = chain_path(c->dir, out);
        rc = c->fs->lookup(c->fs->ctx, path, &ignored, NULL, err);
        free(path);
        if (rc == RC_OK)
            snprintf(out, DAMAGED_NAME_MAX, "%s.damaged.%u", name, n);
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc rename_aside(const struct chain *c, const char *name, struct err *err)
{
    char to[DAMAGED_NAME_MAX];
    enum rc rc = damaged_name(c, name, to, err);
    return rc == RC_OK ? chain_rename(c->fs, c->dir, name, to, err) : rc;
}

/* Copies what is after `offset` to a file of its own, then cuts it off: the cut comes last. An
 * attempt that was interrupted before leaves its copy, too. */
static enum rc cut_tail(const struct chain *c, const char *name, uint64_t offset, struct err *err)
{
    const struct fs *fs = c->fs;
    struct fs_file *from = NULL, *to = NULL;
    char damaged[DAMAGED_NAME_MAX];
    enum rc rc = damaged_name(c, name, damaged, err);
    if (rc != RC_OK)
        return rc;
    char *path = chain_path(c->dir, name), *aside = chain_path(c->dir, damaged);
    char *buf = malloc(COPY_BYTES);
    must(buf != NULL);
    size_t got = COPY_BYTES;
    uint64_t done = 0;
    rc = fs->open(fs->ctx, path, FS_READ_WRITE, &from, err);
    if (rc == RC_OK)
        rc = fs->open(fs->ctx, aside, FS_CREATE, &to, err);
    while (rc == RC_OK && got == COPY_BYTES) {
        rc = fs->pread(fs->ctx, from, buf, COPY_BYTES, offset + done, &got, err);
        if (rc == RC_OK && got > 0)
            rc = fs->pwrite(fs->ctx, to, buf, got, done, err);
        done += got;
    }
    if (rc == RC_OK)
        rc = fs->sync(fs->ctx, to, err);
    if (rc == RC_OK)
        rc = fs->sync_dir(fs->ctx, c->dir, err);
    if (rc == RC_OK)
        rc = fs->truncate(fs->ctx, from, offset, err);
    if (rc == RC_OK)
        rc = fs->sync(fs->ctx, from, err);
    if (from != NULL)
        fs->close(fs->ctx, &from);
    if (to != NULL)
        fs->close(fs->ctx, &to);
    free(buf);
    free(path);
    free(aside);
    return rc;
}

static enum rc set_rings_aside(const struct chain *c, struct journal_salvage *out, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < c->rings_len; i++, out->set_aside++) {
        char name[FORMAT_NAME_MAX];
        format_ring_name(name, c->rings[i]);
        rc = rename_aside(c, name, err);
    }
    return rc;
}

/* First segments whose header is lost. What follows is kept: whether it is of use without them, the
 * store's position says. */
static enum rc set_heads_aside(const struct chain *c, struct journal_salvage *out, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < c->len && !c->segments[i].good; i++, out->set_aside++)
        rc = rename_aside(c, c->segments[i].name, err);
    return rc == RC_OK ? c->fs->sync_dir(c->fs->ctx, c->dir, err) : rc;
}

/* What is after a bad place. Later segments go first, newest before older, then the rings, the
 * damaged one last: an interrupted salvage leaves a journal that is still reported as damaged, or
 * is sound. */
static enum rc set_rest_aside(const struct chain *c, size_t at, uint64_t offset,
                              struct journal_salvage *out, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = c->len; rc == RC_OK && i > at + 1; i--, out->set_aside++)
        rc = rename_aside(c, c->segments[i - 1].name, err);
    if (rc == RC_OK)
        rc = set_rings_aside(c, out, err);
    if (rc == RC_OK) {
        rc = cut_tail(c, c->segments[at].name, offset, err);
        out->set_aside++;
    }
    return rc == RC_OK ? c->fs->sync_dir(c->fs->ctx, c->dir, err) : rc;
}

/* What is left, the first `segments` ones, is declared to be the whole journal. */
static enum rc declare_whole(const struct journal *j, size_t segments, struct err *err)
{
    static const uint8_t nobody[JOURNAL_ID_BYTES];
    struct stop_mark mark = {.last_lsn = j->chain_lsn};
    for (size_t i = 0; i < segments; i++)
        if (j->chain.segments[i].good)
            mark.run = max_u64(mark.run, j->chain.segments[i].header.run);
    return stop_mark_write(j->fs, j->dir, j->existed ? j->id : nobody, &mark, err);
}

static enum rc salvage_mend(const struct journal *j, const struct examined *found,
                            struct journal_salvage *out, struct err *err)
{
    const struct chain *c = &j->chain;
    size_t keep = found->flaw == FLAW_SEGMENTS ? j->chain_end : c->len;
    enum rc rc = RC_OK;
    switch (found->flaw) {
    case FLAW_NONE:
        return RC_OK;
    case FLAW_HEADS:
        return set_heads_aside(c, out, err);
    case FLAW_SEGMENTS:
        rc = set_rest_aside(c, keep - 1, found->at.offset, out, err);
        break;
    case FLAW_REST:
        rc = set_rings_aside(c, out, err);
        break;
    }
    return rc == RC_OK ? declare_whole(j, keep, err) : rc;
}

/* The highest LSN that any file speaks of. */
static uint64_t known_lsn(const struct journal *j)
{
    uint64_t lsn = j->chain_lsn;
    for (size_t i = 0; i < j->chain.len; i++) {
        const struct chain_segment *s = &j->chain.segments[i];
        lsn = max_u64(lsn, s->first_lsn);
        lsn = s->good ? max_u64(lsn, s->header.durable_lsn) : lsn;
    }
    for (size_t i = 0; i < j->old_len; i++) {
        const struct ring_page *page = j->old[i].ring.page;
        lsn = max_u64(lsn, atomic_load(&page->durable_lsn));
        if (j->coherent && j->old[i].counts)
            lsn = max_u64(lsn, atomic_load(&page->released_lsn));
    }
    return lsn;
}

/* One examination, and what follows from it; *sound: nothing did. */
static enum rc salvage_round(const struct fs *fs, const char *dir, bool first,
                             struct journal_salvage *out, bool *sound, struct err *err)
{
    struct journal *j;
    struct examined found;
    enum rc rc = recover_examine(fs, dir, &j, &found, err);
    *sound = rc == RC_OK;
    out->last_lsn = j->chain.len == 0 ? 0 : j->chain_lsn;
    if (first) {
        snprintf(out->at.name, sizeof(out->at.name), "%s", found.at.name);
        out->at.offset = found.at.offset;
        out->at.next_lsn = found.at.next_lsn;
        out->was_sound = *sound;
        out->was_empty = *sound && !j->existed;
        out->known_lsn = known_lsn(j);
    }
    if (rc == RC_CORRUPT)
        rc = salvage_mend(j, &found, out, err);
    journal_close(&j);
    return rc;
}

enum rc journal_salvage(const struct fs *fs, const char *dir, struct journal_salvage *out,
                        struct err *err)
{
    int handle;
    bool sound = false;
    memset(out, 0, sizeof(*out));
    fs = fs == NULL ? &fs_posix : fs;
    enum rc rc = fs->lock_dir(fs->ctx, dir, &handle, err);
    if (rc != RC_OK)
        return rc;
    for (int round = 0; rc == RC_OK && !sound && round < ROUNDS_MAX; round++)
        rc = salvage_round(fs, dir, round == 0, out, &sound, err);
    fs->unlock_dir(fs->ctx, handle);
    if (rc == RC_OK && !sound)
        return err_set(err, RC_CORRUPT, "journal '%s' stays damaged whatever is set aside", dir);
    return rc;
}

enum rc journal_check(const struct fs *fs, const char *dir, struct err *err)
{
    struct journal *j;
    struct examined found;
    int handle;
    fs = fs == NULL ? &fs_posix : fs;
    enum rc rc = fs->lock_dir(fs->ctx, dir, &handle, err);
    if (rc != RC_OK)
        return rc;
    rc = recover_examine(fs, dir, &j, &found, err);
    journal_close(&j);
    fs->unlock_dir(fs->ctx, handle);
    return rc;
}
