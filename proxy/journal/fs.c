/* What is done with any file system, see fs.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/fs.h"

#include "journal/chain.h"

#include <stdio.h>
#include <stdlib.h>

enum { MADE_NAME_MAX = 128 };

enum rc fs_put_file(const struct fs *fs, const char *dir, const char *name, struct slice bytes,
                    struct err *err)
{
    struct fs_file *file = NULL;
    struct err ignored;
    char made_name[MADE_NAME_MAX];
    must(snprintf(made_name, sizeof(made_name), "%s.new", name) < MADE_NAME_MAX);
    char *path = chain_path(dir, name), *made = chain_path(dir, made_name);
    (void)!fs->remove(fs->ctx, made, &ignored); /* left by an attempt that was interrupted */
    enum rc rc = fs->open(fs->ctx, made, FS_CREATE, &file, err);
    if (rc == RC_OK)
        rc = fs->pwrite(fs->ctx, file, bytes.ptr, bytes.len, 0, err);
    if (rc == RC_OK)
        rc = fs->sync(fs->ctx, file, err);
    fs->close(fs->ctx, &file);
    if (rc == RC_OK)
        rc = fs->rename(fs->ctx, made, path, err);
    if (rc == RC_OK)
        rc = fs->sync_dir(fs->ctx, dir, err);
    free(path);
    free(made);
    return rc;
}
