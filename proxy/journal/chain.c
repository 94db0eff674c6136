/* See chain.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/chain.h"

#include <stdio.h>
#include <stdlib.h>

enum { WINDOW_BYTES = 1 << 20, COST_MAX = PATH_MAX + 200 };

char *chain_path(const char *dir, const char *name)
{
    size_t len = strlen(dir) + strlen(name) + 2;
    char *path = malloc(len);
    must(path != NULL);
    snprintf(path, len, "%s/%s", dir, name);
    return path;
}

enum rc chain_remove(const struct fs *fs, const char *dir, const char *name, struct err *err)
{
    char *path = chain_path(dir, name);
    enum rc rc = fs->remove(fs->ctx, path, err);
    free(path);
    return rc;
}

enum rc chain_rename(const struct fs *fs, const char *dir, const char *from, const char *to,
                     struct err *err)
{
    char *old = chain_path(dir, from), *new = chain_path(dir, to);
    enum rc rc = fs->rename(fs->ctx, old, new, err);
    free(old);
    free(new);
    return rc;
}

/* Makes room for one more element; a directory that does not fit into memory is not ours. */
static void *chain_grow(void *array, size_t len, size_t *cap, size_t each)
{
    if (len < *cap)
        return array;
    *cap = *cap == 0 ? 16 : *cap * 2;
    array = realloc(array, *cap * each);
    must(array != NULL);
    return array;
}

static enum rc note_file(void *arg, const char *name)
{
    struct chain *c = arg;
    uint64_t n;
    uint32_t producer;
    if (format_is_segment_name(name, &n)) {
        c->segments = chain_grow(c->segments, c->len, &c->cap, sizeof(*c->segments));
        struct chain_segment *s = &c->segments[c->len++];
        memset(s, 0, sizeof(*s));
        snprintf(s->name, sizeof(s->name), "%s", name);
        s->first_lsn = n;
    } else if (format_is_spare_name(name, &n)) {
        c->spares = chain_grow(c->spares, c->spares_len, &c->spares_cap, sizeof(*c->spares));
        c->spares[c->spares_len++] = n;
    } else if (format_is_ring_name(name, &producer)) {
        c->rings = chain_grow(c->rings, c->rings_len, &c->rings_cap, sizeof(*c->rings));
        c->rings[c->rings_len++] = producer;
    }
    return RC_OK;
}

static enum rc chain_read_header(struct chain *c, struct chain_segment *s, struct err *err)
{
    char page[FORMAT_PAGE] = {0};
    struct fs_file *file;
    size_t got = 0;
    char *path = chain_path(c->dir, s->name);
    enum rc rc = c->fs->open(c->fs->ctx, path, FS_READ, &file, err);
    free(path);
    if (rc != RC_OK)
        return rc;
    rc = c->fs->size(c->fs->ctx, file, &s->size, err);
    if (rc == RC_OK)
        rc = c->fs->pread(c->fs->ctx, file, page, sizeof(page), 0, &got, err);
    c->fs->close(c->fs->ctx, &file);
    if (rc != RC_OK)
        return rc;
    switch (format_check_header(page, got, &s->header)) {
    case FORMAT_NEWER:
        return err_set(err, RC_FOREIGN,
                       "journal '%s/%s' is of format %u, newer than this "
                       "program's %d",
                       c->dir, s->name, s->header.version, FORMAT_VERSION);
    case FORMAT_OLDER:
        return err_set(err, RC_FOREIGN,
                       "journal '%s/%s' is of format %u, which an older Weir wrote: start that one "
                       "once more, stop it in order (all is flushed), and remove the directory",
                       c->dir, s->name, s->header.version);
    case FORMAT_GOOD:
        s->good = s->header.first_lsn == s->first_lsn;
        format_read_note(page, &s->note);
        break;
    case FORMAT_BAD:
        break;
    }
    return RC_OK;
}

const struct chain_segment *chain_first_good(const struct chain *c)
{
    for (size_t i = 0; i < c->len; i++)
        if (c->segments[i].good)
            return &c->segments[i];
    return NULL;
}

static enum rc check_ids(struct chain *c, struct err *err)
{
    const struct chain_segment *first = chain_first_good(c);
    for (size_t i = 0; i < c->len; i++) {
        const struct chain_segment *s = &c->segments[i];
        if (s->good &&
            memcmp(s->header.journal_id, first->header.journal_id, JOURNAL_ID_BYTES) != 0)
            return err_set(err, RC_FOREIGN,
                           "'%s/%s' and '%s' are of two different journals: move away the files "
                           "that do not belong here",
                           c->dir, s->name, first->name);
    }
    if (first != NULL)
        memcpy(c->journal_id, first->header.journal_id, JOURNAL_ID_BYTES);
    format_key_init(&c->key, c->journal_id);
    return RC_OK;
}

static int order_by_lsn(const void *a, const void *b)
{
    const struct chain_segment *x = a, *y = b;
    return x->first_lsn < y->first_lsn ? -1 : x->first_lsn > y->first_lsn;
}

/* Moves segments whose number is lower than one before them to the end of the history. */
static void set_superseded_aside(struct chain *c)
{
    size_t kept = 0;
    struct chain_segment *aside = malloc((c->len + 1) * sizeof(*aside));
    must(aside != NULL);
    c->superseded = 0;
    for (size_t i = 0; i < c->len; i++) {
        struct chain_segment s = c->segments[i];
        if (s.good && s.header.number <= c->number_max)
            aside[c->superseded++] = s;
        else
            c->segments[kept++] = s;
        if (s.good && s.header.number > c->number_max) {
            c->number_max = s.header.number;
            c->newest_note = s.note;
        }
    }
    memcpy(c->segments + kept, aside, c->superseded * sizeof(*aside));
    c->len = kept;
    free(aside);
}

enum rc chain_open(struct chain *out, const struct fs *fs, const char *dir, struct err *err)
{
    memset(out, 0, sizeof(*out));
    out->fs = fs;
    out->dir = strdup(dir);
    must(out->dir != NULL);
    enum rc rc = fs->list(fs->ctx, dir, note_file, out, err);
    for (size_t i = 0; rc == RC_OK && i < out->len; i++)
        rc = chain_read_header(out, &out->segments[i], err);
    if (rc == RC_OK)
        rc = check_ids(out, err);
    if (rc != RC_OK) {
        chain_close(out);
        return rc;
    }
    if (out->len > 0) {
        qsort(out->segments, out->len, sizeof(*out->segments), order_by_lsn);
        set_superseded_aside(out);
    }
    return RC_OK;
}

void chain_close(struct chain *c)
{
    free(c->dir);
    free(c->segments);
    free(c->spares);
    free(c->rings);
    memset(c, 0, sizeof(*c));
}

/* ---- the window on a segment ---- */

static size_t window_for(const struct chain_segment *s)
{
    return (size_t)min_u64(WINDOW_BYTES, max_u64(s->size, FORMAT_PAGE));
}

static void leave_segment(struct chain_walk *w)
{
    if (w->file != NULL)
        w->chain->fs->close(w->chain->fs->ctx, &w->file);
    w->from = w->to = 0;
}

static enum rc enter_segment(struct chain_walk *w, size_t at, struct err *err)
{
    const struct chain *c = w->chain;
    leave_segment(w);
    w->at = at;
    w->limit = 0;
    if (at >= c->len)
        return RC_OK;
    w->buf_offset = FORMAT_DATA_AT;
    w->mix = format_mix(c->segments[at].header.number);
    for (size_t i = at + 1; i < c->len && w->limit == 0; i++)
        if (c->segments[i].good)
            w->limit = c->segments[i].header.continues_after + 1;
    char *path = chain_path(c->dir, c->segments[at].name);
    enum rc rc = c->fs->open(c->fs->ctx, path, FS_READ, &w->file, err);
    free(path);
    return rc;
}

/* Brings at least `want` bytes from the current place on into the window, fewer only at the end of
 * the file, which bounds what a wrong length can make us allocate. */
static enum rc chain_fill(struct chain_walk *w, uint64_t want, struct err *err)
{
    if (w->to - w->from >= want)
        return RC_OK;
    uint64_t offset = w->buf_offset + w->from, size = w->chain->segments[w->at].size;
    want = min_u64(want, size > offset ? size - offset : 0);
    if (w->to - w->from >= want)
        return RC_OK;
    memmove(w->buf, w->buf + w->from, w->to - w->from);
    w->to -= w->from;
    w->buf_offset += w->from;
    w->from = 0;
    if (want > w->cap) {
        char *bigger = realloc(w->buf, want + WINDOW_BYTES);
        if (bigger == NULL)
            return err_set(err, RC_NOMEM, "no memory for a record of %llu bytes in '%s'",
                           (unsigned long long)want, w->chain->segments[w->at].name);
        w->buf = bigger;
        w->cap = want + WINDOW_BYTES;
    }
    size_t got;
    enum rc rc = w->chain->fs->pread(w->chain->fs->ctx, w->file, w->buf + w->to, w->cap - w->to,
                                     w->buf_offset + w->to, &got, err);
    w->to += got;
    return rc;
}

/* The record at the current place, NULL where none verifies; *zero: it looks like a clean end. */
static enum rc chain_look(struct chain_walk *w, const struct record_header **out, bool *zero,
                          struct err *err)
{
    *out = NULL;
    *zero = false;
    enum rc rc = chain_fill(w, sizeof(struct record_header), err);
    if (rc != RC_OK)
        return rc;
    size_t room = w->to - w->from;
    const struct record_header *head = (const void *)(w->buf + w->from);
    if (room < sizeof(*head) || head->lsn == 0) {
        *zero = format_is_zero(head, min_u64(room, sizeof(*head)));
        return RC_OK;
    }
    if (head->len > JOURNAL_PAYLOAD_MAX)
        return RC_OK;
    rc = chain_fill(w, format_record_bytes(head->len), err);
    if (rc != RC_OK)
        return rc;
    head = (const void *)(w->buf + w->from);
    if (format_verify(&w->chain->key, w->mix, head, w->to - w->from))
        *out = head;
    return RC_OK;
}

/* ---- judging a break ---- */

struct chain_evidence {
    uint64_t durable_lsn; /* the highest that is stated after the break */
    uint64_t next_lsn;    /* of the first group found after it, 0: none */
    uint64_t last_lsn;    /* the highest that is known to have been after it */
};

/* Looks for markers at every place of a segment from `offset` on. Without a header the number is
 * taken from the marker, which has to verify with it. */
static enum rc find_markers(const struct chain *c, const struct chain_segment *s, uint64_t offset,
                            uint64_t break_lsn, struct chain_evidence *found, struct err *err)
{
    struct fs_file *file;
    char *path = chain_path(c->dir, s->name);
    enum rc rc = c->fs->open(c->fs->ctx, path, FS_READ, &file, err);
    free(path);
    if (rc != RC_OK)
        return rc;
    size_t step = window_for(s), got = step;
    char *buf = malloc(step + FORMAT_MARKER_BYTES);
    must(buf != NULL);
    for (; rc == RC_OK && got >= step; offset += step) {
        rc = c->fs->pread(c->fs->ctx, file, buf, step + FORMAT_MARKER_BYTES, offset, &got, err);
        for (size_t at = 0; rc == RC_OK && at < step && at + FORMAT_MARKER_BYTES <= got; at += 8) {
            const struct record_header *head = (const void *)(buf + at);
            const struct marker_body *body = (const void *)(head + 1);
            if (head->flags != FORMAT_MARKER || head->len != sizeof(*body) ||
                head->lsn <= break_lsn)
                continue;
            uint64_t number = s->good ? s->header.number : body->number;
            if (body->number != number ||
                !format_verify(&c->key, format_mix(number), head, FORMAT_MARKER_BYTES))
                continue;
            found->durable_lsn = max_u64(found->durable_lsn, body->durable_lsn);
            found->last_lsn = max_u64(found->last_lsn, head->lsn);
            if (found->next_lsn == 0)
                found->next_lsn = head->lsn;
        }
    }
    free(buf);
    c->fs->close(c->fs->ctx, &file);
    return rc;
}

/* What giving up costs: all from the break on, since nothing is replayed across a gap. */
static void say_cost(const struct chain_walk *w, const struct chain_evidence *found,
                     const char *dir, char *out, size_t size)
{
    uint64_t first = w->next_lsn, last = max_u64(found->last_lsn, found->durable_lsn);
    snprintf(out, size,
             "`weirctl journal salvage %s` keeps what is before record %llu and sets aside the "
             "rest, up to record %llu at least: %llu records",
             dir, (unsigned long long)first, (unsigned long long)last,
             (unsigned long long)(last < first ? 0 : last - first + 1));
}

/* A sound end, and the next segment begins later. */
static enum rc lacking(const struct chain_walk *w, const struct chain_segment *next,
                       const struct chain_evidence *found, struct err *err)
{
    char shown[PATH_MAX], cost[COST_MAX];
    const char *dir = path_shown(w->chain->dir, shown);
    uint64_t last = next->header.continues_after;
    say_cost(w, found, dir, cost, sizeof(cost));
    return err_set(err, RC_CORRUPT,
                   "journal '%s': records %llu to %llu are missing (%llu of them) between '%s' and "
                   "'%s'. Put the files back, or give them up: %s",
                   dir, (unsigned long long)w->next_lsn, (unsigned long long)last,
                   (unsigned long long)(last - w->next_lsn + 1), w->chain->segments[w->at].name,
                   next->name, cost);
}

static enum rc damaged(const struct chain_walk *w, const struct chain_evidence *found,
                       struct err *err)
{
    char shown[PATH_MAX], cost[COST_MAX], until[64] = "on are lost";
    const char *dir = path_shown(w->chain->dir, shown);
    if (found->next_lsn > w->next_lsn)
        snprintf(until, sizeof(until), "to %llu are lost (%llu of them)",
                 (unsigned long long)(found->next_lsn - 1),
                 (unsigned long long)(found->next_lsn - w->next_lsn));
    say_cost(w, found, dir, cost, sizeof(cost));
    return err_set(err, RC_CORRUPT,
                   "journal file '%s/%s' is damaged at offset %llu: records from %llu %s. Put a "
                   "sound copy back, or give up more: %s",
                   dir, w->chain->segments[w->at].name,
                   (unsigned long long)(w->buf_offset + w->from), (unsigned long long)w->next_lsn,
                   until, cost);
}

/* The chain ends here: is that its end, or is something missing? */
static enum rc chain_judge(struct chain_walk *w, bool zero, struct err *err)
{
    const struct chain *c = w->chain;
    struct chain_evidence found = {0};
    uint64_t offset = w->buf_offset + w->from;
    bool whole = zero; /* it looks like the end of a segment in which nothing is wrong */
    for (size_t i = w->at; i < c->len; i++) {
        const struct chain_segment *s = &c->segments[i];
        enum rc rc =
            find_markers(c, s, i == w->at ? offset : FORMAT_DATA_AT, w->next_lsn, &found, err);
        if (rc != RC_OK)
            return rc;
        if (i == w->at)
            whole &= found.next_lsn == 0;
        else if (s->good)
            found.durable_lsn = max_u64(found.durable_lsn, s->header.durable_lsn);
        if (i > w->at)
            found.last_lsn = max_u64(found.last_lsn, s->first_lsn);
    }
    if (found.durable_lsn >= w->next_lsn || (w->strict && found.next_lsn != 0)) {
        size_t next = w->at + 1;
        whole &= next < c->len && c->segments[next].good;
        return whole ? lacking(w, &c->segments[next], &found, err) : damaged(w, &found, err);
    }
    w->torn = !zero || found.next_lsn != 0 || w->at + 1 < c->len;
    return RC_NOT_FOUND;
}

/* ---- walking ---- */

enum rc chain_headless(const struct chain *c, struct err *err)
{
    const struct chain_segment *first = &c->segments[0];
    char shown[PATH_MAX], until[64] = "on are lost";
    const char *dir = path_shown(c->dir, shown);
    if (c->len > 1)
        snprintf(until, sizeof(until), "to %llu are lost (%llu of them)",
                 (unsigned long long)c->segments[1].first_lsn - 1,
                 (unsigned long long)(c->segments[1].first_lsn - first->first_lsn));
    return err_set(err, RC_CORRUPT,
                   "journal file '%s/%s' has a damaged header: records from %llu %s. Put a sound "
                   "copy back, or `weirctl journal salvage %s` sets it aside and keeps what "
                   "follows",
                   dir, first->name, (unsigned long long)first->first_lsn, until, dir);
}

enum rc chain_walk_init(struct chain_walk *w, const struct chain *c, uint64_t after_lsn,
                        bool strict, struct err *err)
{
    memset(w, 0, sizeof(*w));
    w->chain = c;
    w->strict = strict;
    w->next_lsn = 1;
    w->at = c->len;
    if (c->len == 0)
        return RC_OK;
    const struct chain_segment *first = &c->segments[0];
    w->cap = window_for(first);
    w->buf = malloc(w->cap);
    must(w->buf != NULL);
    size_t at = c->len;
    for (size_t i = 0; i < c->len; i++)
        if (c->segments[i].good && c->segments[i].header.continues_after <= after_lsn)
            at = i;
    /* A first one whose header is bad may be what a failed sync of the directory has brought back;
     * it matters only to those who need it. */
    if (at == c->len && !first->good)
        return chain_headless(c, err);
    if (at == c->len) {
        char shown[PATH_MAX];
        uint64_t missing = first->header.continues_after;
        return err_set(err, RC_CORRUPT,
                       "journal '%s' begins with '%s', but records from %llu on are needed: %llu "
                       "to %llu are missing (%llu of them). Put their files back; if they are "
                       "lost, `weirctl store adopt` has the ways on",
                       path_shown(c->dir, shown), first->name, (unsigned long long)after_lsn + 1,
                       (unsigned long long)after_lsn + 1, (unsigned long long)missing,
                       (unsigned long long)(missing - after_lsn));
    }
    w->next_lsn = c->segments[at].first_lsn;
    return enter_segment(w, at, err);
}

void chain_walk_fini(struct chain_walk *w)
{
    if (w->chain != NULL)
        leave_segment(w);
    free(w->buf);
    memset(w, 0, sizeof(*w));
}

/* The next valid segment takes over. */
static enum rc follow(struct chain_walk *w, struct err *err)
{
    size_t next = w->at + 1;
    while (!w->chain->segments[next].good)
        next++;
    w->next_lsn = w->chain->segments[next].first_lsn;
    return enter_segment(w, next, err);
}

enum rc chain_walk_next(struct chain_walk *w, const struct record_header **out, struct err *err)
{
    bool zero;
    if (w->at >= w->chain->len)
        return RC_NOT_FOUND;
    for (;;) {
        if (w->limit != 0 && w->next_lsn == w->limit) {
            enum rc rc = follow(w, err);
            if (rc != RC_OK)
                return rc;
            continue;
        }
        enum rc rc = chain_look(w, out, &zero, err);
        if (rc != RC_OK)
            return rc;
        if (*out == NULL || (*out)->lsn != w->next_lsn)
            return chain_judge(w, zero, err);
        w->from += format_record_bytes((*out)->len);
        if (((*out)->flags & FORMAT_MARKER) == 0) {
            w->next_lsn++;
            return RC_OK;
        }
        const struct marker_body *body = (const void *)(*out + 1);
        if ((*out)->len == sizeof(*body))
            w->durable_lsn = max_u64(w->durable_lsn, body->durable_lsn);
        w->marked_run = w->chain->segments[w->at].header.run;
    }
}

struct chain_place chain_walk_place(const struct chain_walk *w)
{
    bool inside = w->at < w->chain->len;
    return (struct chain_place){inside ? w->chain->segments[w->at].name : "",
                                w->buf_offset + w->from, w->next_lsn};
}
