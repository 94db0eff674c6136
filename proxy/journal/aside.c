/* Setting the files of a journal aside: an operator goes on with the store alone.
 *
 * The oldest segment goes first and the rings last, so that what an interrupted attempt leaves is
 * still a journal: one with missing files, which a salvage makes whole, to be set aside once more.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/missing.h"

#include <errno.h>
#include <stdlib.h>

static enum rc move(struct journal *j, const char *name, const char *to_dir, struct err *err)
{
    char *from = chain_path(j->dir, name), *to = chain_path(to_dir, name);
    enum rc rc = j->fs->rename(j->fs->ctx, from, to, err);
    free(from);
    free(to);
    return rc;
}

enum rc journal_set_aside(struct journal *j, const char *to, uint64_t *files, struct err *err)
{
    must(!j->started);
    const struct chain *c = &j->chain;
    char *to_dir = chain_path(j->dir, to);
    enum rc rc = j->fs->make_dir(j->fs->ctx, to_dir, err);
    *files = 0;
    if (rc == RC_OK) { /* first: it tells what must be there. It may be missing. */
        rc = move(j, STOP_MARK_NAME, to_dir, err);
        rc = rc != RC_OK && err->sys_errno == ENOENT ? RC_OK : rc;
    }
    for (size_t i = 0; rc == RC_OK && i < c->len + c->superseded; i++, (*files)++)
        rc = move(j, c->segments[i].name, to_dir, err);
    for (size_t i = 0; rc == RC_OK && i < c->rings_len; i++, (*files)++) {
        char name[FORMAT_NAME_MAX];
        format_ring_name(name, c->rings[i]);
        rc = move(j, name, to_dir, err);
    }
    if (rc == RC_OK)
        rc = j->fs->sync_dir(j->fs->ctx, to_dir, err);
    if (rc == RC_OK)
        rc = j->fs->sync_dir(j->fs->ctx, j->dir, err);
    free(to_dir);
    return rc;
}
