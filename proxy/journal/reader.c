/* See reader.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/reader.h"

#include "journal/missing.h"

#include <stdio.h>
#include <stdlib.h>

struct journal_reader {
    struct chain chain;
    struct chain_walk walk;
    struct journal_segment *segments;
    uint64_t after_lsn;
    bool strict; /* see chain_walk */
};

enum rc journal_reader_open(const struct fs *fs, const char *dir, struct journal_reader **out,
                            struct err *err)
{
    struct journal_reader *r = calloc(1, sizeof(*r));
    must(r != NULL);
    enum rc rc = chain_open(&r->chain, fs == NULL ? &fs_posix : fs, dir, err);
    if (rc != RC_OK) {
        free(r);
        return rc;
    }
    r->segments = calloc(r->chain.len + 1, sizeof(*r->segments));
    must(r->segments != NULL);
    for (size_t i = 0; i < r->chain.len; i++) {
        const struct chain_segment *from = &r->chain.segments[i];
        struct journal_segment *to = &r->segments[i];
        memcpy(to->name, from->name, sizeof(to->name));
        to->valid = from->good;
        to->first_lsn = from->first_lsn;
        to->bytes = from->size;
        if (!from->good)
            continue;
        to->number = from->header.number;
        to->continues_after = from->header.continues_after;
        to->created.ms = from->header.created_ms;
    }
    rc = journal_reader_seek(r, 0, err);
    if (rc != RC_OK && rc != RC_CORRUPT) {
        journal_reader_close(&r);
        return rc;
    }
    *out = r; /* damage at the very beginning is for journal_reader_next to report */
    return RC_OK;
}

void journal_reader_close(struct journal_reader **reader)
{
    struct journal_reader *r = *reader;
    if (r == NULL)
        return;
    *reader = NULL;
    chain_walk_fini(&r->walk);
    chain_close(&r->chain);
    free(r->segments);
    free(r);
}

size_t journal_reader_segments(const struct journal_reader *r, const struct journal_segment **out)
{
    *out = r->segments;
    return r->chain.len;
}

void journal_reader_id(const struct journal_reader *r, uint8_t out[16])
{
    memcpy(out, r->chain.journal_id, JOURNAL_ID_BYTES);
}

enum rc journal_reader_seek(struct journal_reader *r, uint64_t after_lsn, struct err *err)
{
    const struct chain *c = &r->chain;
    uint64_t from = after_lsn;
    chain_walk_fini(&r->walk);
    if (from == 0 && c->len > 0 && c->segments[0].good)
        from = c->segments[0].header.continues_after;
    r->after_lsn = from;
    return chain_walk_init(&r->walk, c, from, r->strict, err);
}

enum rc journal_reader_next(struct journal_reader *r, struct journal_record *out, struct err *err)
{
    const struct record_header *record;
    if (r->walk.file == NULL && r->chain.len > 0) /* the first header is damaged */
        return journal_reader_seek(r, r->after_lsn, err);
    do {
        enum rc rc = chain_walk_next(&r->walk, &record, err);
        if (rc != RC_OK)
            return rc;
    } while (record->lsn <= r->after_lsn);
    *out = (struct journal_record){
        .lsn = record->lsn,
        .time = {record->time_ms},
        .db = record->db,
        .flags = record->flags,
        .payload = slice_of(record + 1, record->len),
    };
    return RC_OK;
}

struct journal_place journal_reader_place(const struct journal_reader *r)
{
    struct chain_place from = chain_walk_place(&r->walk);
    struct journal_place place = {.offset = from.offset, .next_lsn = from.next_lsn};
    snprintf(place.name, sizeof(place.name), "%s", from.name);
    return place;
}

bool journal_reader_is_torn(const struct journal_reader *r)
{
    return r->walk.torn;
}

/* ---- salvage ---- */

enum { COPY_BYTES = 1 << 20, DAMAGED_NAME_MAX = FORMAT_NAME_MAX + 16 };

static char *damaged_path(const char *dir, const char *name)
{
    char damaged[DAMAGED_NAME_MAX];
    snprintf(damaged, sizeof(damaged), "%s.damaged", name);
    return chain_path(dir, damaged);
}

static enum rc rename_aside(const struct chain *c, const char *name, struct err *err)
{
    char *from = chain_path(c->dir, name), *to = damaged_path(c->dir, name);
    enum rc rc = c->fs->rename(c->fs->ctx, from, to, err);
    free(from);
    free(to);
    return rc;
}

/* Copies what is behind `offset` to the file for it, then cuts it off: the cut comes last. */
static enum rc cut_tail(const struct chain *c, const char *name, uint64_t offset, struct err *err)
{
    const struct fs *fs = c->fs;
    struct fs_file *from = NULL, *to = NULL;
    char *path = chain_path(c->dir, name), *aside = damaged_path(c->dir, name);
    char *buf = malloc(COPY_BYTES);
    must(buf != NULL);
    struct err ignored;
    size_t got = COPY_BYTES;
    uint64_t done = 0;
    /* An attempt that was interrupted may have left a copy; if not, there is nothing to remove. */
    (void)!fs->remove(fs->ctx, aside, &ignored);
    enum rc rc = fs->open(fs->ctx, path, FS_READ_WRITE, &from, err);
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

/* Whether a ring that can be read holds a record that does not verify. */
static bool has_bad_ring(const struct chain *c)
{
    bool bad = false;
    for (size_t i = 0; !bad && i < c->rings_len; i++) {
        char name[FORMAT_NAME_MAX];
        struct ring ring;
        struct err ignored;
        const struct record_header *record;
        format_ring_name(name, c->rings[i]);
        char *path = chain_path(c->dir, name);
        if (ring_open(c->fs, path, c->journal_id, &ring, &ignored) == RC_OK) {
            while ((record = ring_peek(&ring, &c->key, &bad)) != NULL)
                ring_skip(&ring, record);
            ring_close(c->fs, &ring);
        }
        free(path);
    }
    return bad;
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

/* Later segments go first, newest before older, then the rings, the damaged one last: an
 * interrupted salvage leaves a journal that is still reported as damaged, or is sound. */
static enum rc set_aside(const struct chain *c, const struct chain_walk *w, bool headless,
                         struct journal_salvage *out, struct err *err)
{
    enum rc rc = RC_OK;
    size_t keep = headless ? 0 : w->at + 1;
    for (size_t i = c->len; rc == RC_OK && i > keep; i--, out->set_aside++)
        rc = rename_aside(c, c->segments[i - 1].name, err);
    if (rc == RC_OK)
        rc = set_rings_aside(c, out, err);
    if (rc == RC_OK && !headless) {
        rc = cut_tail(c, c->segments[w->at].name, out->at.offset, err);
        out->set_aside++;
    }
    return rc == RC_OK ? c->fs->sync_dir(c->fs->ctx, c->dir, err) : rc;
}

/* What is left is declared to be the whole journal. */
static enum rc declare_whole(const struct chain *c, const struct journal_salvage *done,
                             struct err *err)
{
    struct stop_mark mark = {.kind = STOP_SALVAGED, .last_lsn = done->last_lsn};
    for (size_t i = 0; i < c->len && c->segments[i].first_lsn <= done->last_lsn + 1; i++)
        if (c->segments[i].good)
            mark.run = max_u64(mark.run, c->segments[i].header.run);
    return stop_mark_write(c->fs, c->dir, c->journal_id, &mark, err);
}

/* The segments are sound; what only the rings held, and files that are missing, are given up. */
static enum rc salvage_sound(struct journal_reader *r, struct journal_salvage *out, struct err *err)
{
    const struct chain *c = &r->chain;
    struct err missing;
    if (!has_bad_ring(c)) {
        enum rc rc = recover_examine(c->fs, c->dir, &missing);
        out->was_sound = rc == RC_OK;
        if (rc == RC_OK)
            return RC_OK;
        if (rc != RC_CORRUPT) {
            *err = missing;
            return rc;
        }
    }
    enum rc rc = set_rings_aside(c, out, err);
    return rc == RC_OK ? declare_whole(c, out, err) : rc;
}

static enum rc salvage_locked(struct journal_reader *r, struct journal_salvage *out,
                              struct err *err)
{
    struct journal_record record;
    struct err found;
    enum rc rc;
    do
        rc = journal_reader_next(r, &record, &found);
    while (rc == RC_OK);
    out->at = journal_reader_place(r);
    out->last_lsn = r->chain.len == 0 ? 0 : out->at.next_lsn - 1;
    if (rc == RC_NOT_FOUND)
        return salvage_sound(r, out, err);
    if (rc != RC_CORRUPT) {
        *err = found;
        return rc;
    }
    bool headless = !r->chain.segments[0].good;
    if (headless) {
        out->last_lsn = 0;
        memcpy(out->at.name, r->segments[0].name, sizeof(out->at.name));
    }
    rc = set_aside(&r->chain, &r->walk, headless, out, err);
    return rc == RC_OK ? declare_whole(&r->chain, out, err) : rc;
}

/* Whose journal it is when no segment says so: the rings know, too. */
static void ask_rings(struct chain *c)
{
    for (size_t i = 0; i < c->rings_len; i++) {
        struct ring_page page;
        struct fs_file *file;
        struct err ignored;
        char name[FORMAT_NAME_MAX];
        size_t got = 0;
        format_ring_name(name, c->rings[i]);
        char *path = chain_path(c->dir, name);
        enum rc rc = c->fs->open(c->fs->ctx, path, FS_READ, &file, &ignored);
        free(path);
        if (rc != RC_OK)
            continue;
        rc = c->fs->pread(c->fs->ctx, file, &page, sizeof(page), 0, &got, &ignored);
        c->fs->close(c->fs->ctx, &file);
        if (rc == RC_OK && got == sizeof(page) && page.generation > 0)
            memcpy(c->journal_id, page.journal_id, sizeof(c->journal_id));
    }
}

/* Opens for a start's eyes, with the lock that the proxy takes. */
static enum rc open_locked(const struct fs *fs, const char *dir, struct journal_reader **out,
                           int *handle, struct err *err)
{
    *out = NULL;
    enum rc rc = fs->lock_dir(fs->ctx, dir, handle, err);
    if (rc != RC_OK)
        return rc;
    rc = journal_reader_open(fs, dir, out, err);
    if (rc == RC_OK) {
        (*out)->strict = true;
        if ((*out)->chain.number_max == 0)
            ask_rings(&(*out)->chain);
        rc = journal_reader_seek(*out, 0, err);
        if (rc == RC_OK || rc == RC_CORRUPT)
            return RC_OK;
    }
    journal_reader_close(out);
    fs->unlock_dir(fs->ctx, *handle);
    return rc;
}

enum rc journal_salvage(const struct fs *fs, const char *dir, struct journal_salvage *out,
                        struct err *err)
{
    struct journal_reader *r;
    int handle;
    memset(out, 0, sizeof(*out));
    fs = fs == NULL ? &fs_posix : fs;
    enum rc rc = open_locked(fs, dir, &r, &handle, err);
    if (rc != RC_OK)
        return rc;
    rc = salvage_locked(r, out, err);
    journal_reader_close(&r);
    fs->unlock_dir(fs->ctx, handle);
    return rc;
}

enum rc journal_check_whole(const struct fs *fs, const char *dir, struct err *err)
{
    struct journal_reader *r;
    int handle;
    fs = fs == NULL ? &fs_posix : fs;
    enum rc rc = open_locked(fs, dir, &r, &handle, err);
    if (rc != RC_OK)
        return rc;
    rc = recover_examine(fs, dir, err);
    journal_reader_close(&r);
    fs->unlock_dir(fs->ctx, handle);
    return rc;
}
