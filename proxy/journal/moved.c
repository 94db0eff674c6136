/* A file is what was opened, not what its name points to now. When somebody moves or removes
 * the directory, a segment or a ring of a journal that runs, writing and syncing go on without an
 * error, into files that no start will find. So before a sync is believed, before anything is
 * trimmed, and once a second, the names are compared with what was opened.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include <stdlib.h>

static const char put_back[] = "Put it back, and writes are accepted again";

static bool is_same(struct fs_id a, struct fs_id b)
{
    return a.device == b.device && a.inode == b.inode;
}

static enum rc check_path(const struct journal *j, const char *path, struct fs_id id,
                          const char *what, struct err *err)
{
    struct fs_id now;
    enum rc rc = j->fs->lookup(j->fs->ctx, path, &now, err);
    if (rc == RC_OK && is_same(now, id))
        return RC_OK;
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    return err_set(err, RC_MOVED, "%s '%s' was %s while it was in use. %s", what, path,
                   rc == RC_OK ? "replaced" : "moved or removed", put_back);
}

static enum rc check_file(const struct journal *j, const char *name, struct fs_id id,
                          struct err *err)
{
    char *path = chain_path(j->dir, name);
    enum rc rc = check_path(j, path, id, "journal file", err);
    free(path);
    return rc;
}

/* What is gone for good cannot be put back. */
static enum rc check_dir(const struct journal *j, struct err *err)
{
    enum rc rc = check_path(j, j->dir, j->dir_id, "journal directory", err);
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
    for (size_t i = 0; rc == RC_OK && i < len; i++) {
        char name[FORMAT_NAME_MAX];
        format_segment_name(name, segments[i].first_lsn);
        rc = check_file(j, name, segments[i].id, err);
    }
    return rc;
}

enum rc moved_check_rings(const struct journal *j, struct err *err)
{
    enum rc rc = RC_OK;
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++) {
        char name[FORMAT_NAME_MAX];
        format_ring_name(name, p);
        rc = check_file(j, name, j->producers[p].ring_id, err);
    }
    return rc;
}
