/* A file is what was opened, not what its name points to now. When somebody moves or removes
 * the directory, a segment or a ring of a journal that runs, writing and syncing go on without an
 * error, into files that no start will find. So before a sync is believed the names of what was
 * synced are compared with what was opened; and before anything is trimmed and once a second, those
 * of all files that a start would need. A missing segment is needed no more as soon as what it held
 * is flushed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include <stdlib.h>

static const char put_back[] =
    "All changes are in memory and are flushed now. Put it back, and writes are accepted again; "
    "if it is gone for good, stop Weir when lag_records is 0 and go on with `weirctl store adopt "
    "as-is`";

/* `bytes`: the least that it must have. */
static enum rc check_path(const struct journal *j, const char *path, struct file_id id,
                          uint64_t bytes, struct err *err)
{
    struct file_id now;
    uint64_t bytes_now;
    enum rc rc = j->fs->lookup(j->fs->ctx, path, &now, &bytes_now, err);
    if (rc == RC_OK && file_id_eq(now, id) && bytes_now >= bytes)
        return RC_OK;
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    return err_set(err, RC_MOVED, "journal %s '%s' was %s while it was in use. %s",
                   path == j->dir ? "directory" : "file", path,
                   rc != RC_OK           ? "moved or removed"
                   : file_id_eq(now, id) ? "cut short"
                                         : "replaced",
                   put_back);
}

static enum rc moved_check_file(const struct journal *j, const char *name, struct file_id id,
                                uint64_t bytes, struct err *err)
{
    char *path = chain_path(j->dir, name);
    enum rc rc = check_path(j, path, id, bytes, err);
    free(path);
    return rc;
}

static enum rc check_segment(const struct journal *j, const struct watched *w, struct err *err)
{
    char name[FORMAT_NAME_MAX];
    format_segment_name(name, w->first_lsn);
    return moved_check_file(j, name, w->id, w->bytes, err);
}

/* What is gone for good cannot be put back. */
static enum rc check_dir(const struct journal *j, struct err *err)
{
    enum rc rc = check_path(j, j->dir, j->dir_id, 0, err);
    if (rc != RC_MOVED || !j->fs->is_removed(j->fs->ctx, j->lock_handle))
        return rc;
    return err_set(err, RC_MOVED,
                   "journal directory '%s' was removed while it was in use. All changes are in "
                   "memory and are flushed now: when lag_records is 0, stop Weir and go on with "
                   "`weirctl store adopt as-is`",
                   j->dir);
}

enum rc moved_check(const struct journal *j, const struct watched *segments, size_t len,
                    struct err *err)
{
    enum rc rc = check_dir(j, err);
    for (size_t i = 0; rc == RC_OK && i < len; i++)
        rc = check_segment(j, &segments[i], err);
    return rc;
}

static enum rc check_rings(const struct journal *j, struct err *err)
{
    enum rc rc = RC_OK;
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++) {
        char name[FORMAT_NAME_MAX];
        format_ring_name(name, p);
        rc = moved_check_file(j, name, j->producers[p].ring_id, 0, err);
    }
    return rc;
}

/* Nothing in it is above what has been flushed. */
static bool is_flushed(const struct journal *j, const struct segment *s)
{
    return segment_ends_by(s, atomic_load(&j->trim_lsn));
}

/* The segments that a start would need, oldest first, on the heap. */
static struct watched *needed(struct journal *j, size_t *len)
{
    *len = 0;
    lock_acquire(&j->lock);
    struct watched *list = malloc((size_t)(j->segments_len + 1) * sizeof(*list));
    must(list != NULL);
    for (const struct segment *s = j->oldest; s != NULL; s = s->next)
        if (!is_flushed(j, s))
            list[(*len)++] = watched_of(s);
    lock_release(&j->lock);
    return list;
}

static bool is_still_needed(struct journal *j, const struct watched *w)
{
    bool found = false;
    lock_acquire(&j->lock);
    for (const struct segment *s = j->oldest; s != NULL && !found; s = s->next)
        found = s->first_lsn == w->first_lsn && file_id_eq(s->id, w->id) && !is_flushed(j, s);
    lock_release(&j->lock);
    return found;
}

enum rc moved_check_all(struct journal *j, struct err *err)
{
    size_t len;
    struct watched *list = needed(j, &len);
    enum rc rc = check_dir(j, err);
    for (size_t i = 0; rc == RC_OK && i < len; i++) {
        rc = check_segment(j, &list[i], err);
        if (rc != RC_OK && !is_still_needed(j, &list[i]))
            rc = RC_OK; /* the other thread has trimmed or replaced it meanwhile */
    }
    free(list);
    return rc == RC_OK ? check_rings(j, err) : rc;
}
