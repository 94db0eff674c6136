/* See file_id.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/file_id.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool file_id_look(int fd, const char *path, int flags, struct file_id *out, uint64_t *bytes)
{
    struct statx st;
    *out = (struct file_id){0};
    if (statx(fd, path, flags, STATX_INO | STATX_SIZE | STATX_BTIME, &st) != 0)
        return false;
    out->device = makedev(st.stx_dev_major, st.stx_dev_minor);
    out->inode = st.stx_ino;
    if ((st.stx_mask & STATX_BTIME) != 0)
        out->made_ns = st.stx_btime.tv_sec * 1000000000LL + st.stx_btime.tv_nsec;
    if (bytes != NULL)
        *bytes = st.stx_size;
    return true;
}

bool file_id_at(const char *path, struct file_id *out, uint64_t *bytes)
{
    return file_id_look(AT_FDCWD, path, 0, out, bytes);
}

bool file_id_of(int fd, struct file_id *out, uint64_t *bytes)
{
    return file_id_look(fd, "", AT_EMPTY_PATH, out, bytes);
}
