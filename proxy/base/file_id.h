/* Which file it is, whatever its name. The number of an inode is given out again as soon as nobody
 * has the file open, and often at once; so the time at which the inode was made belongs to it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_FILE_ID_H
#define BASE_FILE_ID_H

#include <stdbool.h>
#include <stdint.h>

struct file_id {
    uint64_t device, inode; /* 0, 0: no file */
    int64_t made_ns;        /* 0: its file system does not know */
};

static inline bool file_id_eq(struct file_id a, struct file_id b)
{
    return a.device == b.device && a.inode == b.inode && a.made_ns == b.made_ns;
}

/* What a name points to (symbolic links are followed). False: errno says why, and *out is no file.
 * `bytes` may be NULL. */
bool file_id_at(const char *path, struct file_id *out, uint64_t *bytes);
/* An open file. */
bool file_id_of(int fd, struct file_id *out, uint64_t *bytes);

#endif
