/* All file I/O of the journal (and of the dead letters and the conflict log), behind one table, so
 * that a test can put a simulated disk in its place: fail any call, lose or tear what was not
 * synced, reorder it.
 *
 * Semantics are those of the system calls; errors come back as rc + err with errno kept.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_FS_H
#define JOURNAL_FS_H

#include "base/err.h"
#include "base/file_id.h"
#include "base/slice.h"

#include <sys/types.h>

struct fs_file; /* an open file */

enum fs_mode { FS_READ, FS_READ_WRITE, FS_CREATE /* must not exist; read and write */ };

struct fs {
    void *ctx; /* passed to every call; NULL for the real one */
    enum rc (*open)(void *ctx, const char *path, enum fs_mode mode, struct fs_file **out,
                    struct err *err) MUST_CHECK;
    void (*close)(void *ctx, struct fs_file **file);
    /* Reads up to len bytes; *got < len only at the end of the file. */
    enum rc (*pread)(void *ctx, struct fs_file *file, void *to, size_t len, uint64_t offset,
                     size_t *got, struct err *err) MUST_CHECK;
    /* Writes all of it or fails (a part may then have been written). */
    enum rc (*pwrite)(void *ctx, struct fs_file *file, const void *from, size_t len,
                      uint64_t offset, struct err *err) MUST_CHECK;
    enum rc (*sync)(void *ctx, struct fs_file *file, struct err *err) MUST_CHECK; /* fdatasync */
    enum rc (*truncate)(void *ctx, struct fs_file *file, uint64_t size, struct err *err) MUST_CHECK;
    enum rc (*identify)(void *ctx, struct fs_file *file, struct file_id *out, struct err *err)
        MUST_CHECK;
    /* What a name points to now, a directory's, too, and how long it is; RC_NOT_FOUND: nothing. */
    enum rc (*lookup)(void *ctx, const char *path, struct file_id *out, uint64_t *bytes,
                      struct err *err) MUST_CHECK;
    enum rc (*size)(void *ctx, struct fs_file *file, uint64_t *out, struct err *err) MUST_CHECK;
    /* Shared mapping of the first len bytes: it outlives the process, not the machine. */
    enum rc (*map)(void *ctx, struct fs_file *file, size_t len, void **out, struct err *err)
        MUST_CHECK;
    void (*unmap)(void *ctx, void *at, size_t len);
    enum rc (*rename)(void *ctx, const char *from, const char *to, struct err *err) MUST_CHECK;
    enum rc (*remove)(void *ctx, const char *path, struct err *err) MUST_CHECK;
    enum rc (*sync_dir)(void *ctx, const char *dir, struct err *err) MUST_CHECK;
    enum rc (*make_dir)(void *ctx, const char *dir, struct err *err)
        MUST_CHECK; /* fine when it exists */
    /* Calls each with the name of every file in dir. */
    enum rc (*list)(void *ctx, const char *dir, enum rc (*each)(void *arg, const char *name),
                    void *arg, struct err *err) MUST_CHECK;
    /* Exclusive advisory lock on dir until unlock or the end of the process; RC_BUSY when taken. */
    enum rc (*lock_dir)(void *ctx, const char *dir, int *handle, struct err *err) MUST_CHECK;
    void (*unlock_dir)(void *ctx, int handle);
    /* Whether that directory was removed, not moved: no name leads to it any more. */
    bool (*is_removed)(void *ctx, int handle);
    /* Names this run of the machine; all zeros: not known. While it is the same, what was written
     * or mapped is still there, synced or not; a process that was killed loses nothing. */
    void (*boot_id)(void *ctx, uint8_t out[16]);
};

extern const struct fs fs_posix;

/* A small file of a directory as a whole: whoever is killed meanwhile leaves the old one, or none.
 * Durable when it returns RC_OK. */
MUST_CHECK enum rc fs_put_file(const struct fs *fs, const char *dir, const char *name,
                               struct slice bytes, struct err *err);

#endif
