/* The real disk behind fs.h: one system call a function, restarted when interrupted.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/fs.h"

#include "base/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct fs_file {
    int fd;
    char path[]; /* for error texts */
};

static enum rc posix_open(void *ctx, const char *path, enum fs_mode mode, struct fs_file **out,
                          struct err *err)
{
    lock_may_wait();
    (void)ctx;
    size_t len = strlen(path) + 1;
    struct fs_file *file = malloc(sizeof(*file) + len);
    if (file == NULL)
        return err_set(err, RC_NOMEM, "cannot open '%s': out of memory", path);
    memcpy(file->path, path, len);
    int flags = mode == FS_READ ? O_RDONLY : mode == FS_READ_WRITE ? O_RDWR : O_RDWR | O_CREAT;
    flags |= O_CLOEXEC | (mode == FS_CREATE ? O_EXCL : 0);
    do
        file->fd = open(path, flags, 0600);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int why = errno;
        free(file);
        enum rc rc = err_sys(err, why, "cannot open '%s'", path);
        if (why != ENOENT)
            return rc;
        if (err != NULL)
            err->code = RC_NOT_FOUND;
        return RC_NOT_FOUND;
    }
    *out = file;
    return RC_OK;
}

static void posix_close(void *ctx, struct fs_file **file)
{
    (void)ctx;
    if (*file == NULL)
        return;
    close((*file)->fd);
    free(*file);
    *file = NULL;
}

static enum rc posix_pread(void *ctx, struct fs_file *file, void *to, size_t len, uint64_t offset,
                           size_t *got, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(file->fd, (char *)to + *got, len - *got, (off_t)(offset + *got));
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, errno, "cannot read '%s' at %llu", file->path,
                           (unsigned long long)(offset + *got));
        *got += (size_t)n;
    }
    return RC_OK;
}

static enum rc posix_pwrite(void *ctx, struct fs_file *file, const void *from, size_t len,
                            uint64_t offset, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(file->fd, (const char *)from + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* 0 for a positive length: the disk takes no more */
            return err_sys(err, n == 0 ? ENOSPC : errno, "cannot write '%s' at %llu", file->path,
                           (unsigned long long)(offset + done));
        done += (size_t)n;
    }
    return RC_OK;
}

/* Never restarted: after any failure the kernel may have dropped the pages. */
static enum rc posix_sync(void *ctx, struct fs_file *file, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    if (fdatasync(file->fd) != 0)
        return err_sys(err, errno, "cannot sync '%s'", file->path);
    return RC_OK;
}

static enum rc posix_truncate(void *ctx, struct fs_file *file, uint64_t size, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    int rc;
    do
        rc = ftruncate(file->fd, (off_t)size);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return err_sys(err, errno, "cannot truncate '%s'", file->path);
    return RC_OK;
}

static enum rc posix_identify(void *ctx, struct fs_file *file, struct file_id *out, struct err *err)
{
    (void)ctx;
    if (!file_id_of(file->fd, out, NULL))
        return err_sys(err, errno, "cannot examine '%s'", file->path);
    return RC_OK;
}

static enum rc posix_lookup(void *ctx, const char *path, struct file_id *out, uint64_t *bytes,
                            struct err *err)
{
    lock_may_wait();
    (void)ctx;
    if (file_id_at(path, out, bytes))
        return RC_OK;
    int why = errno;
    enum rc rc = err_sys(err, why, "cannot find '%s'", path);
    return why == ENOENT || why == ENOTDIR ? RC_NOT_FOUND : rc;
}

static enum rc posix_size(void *ctx, struct fs_file *file, uint64_t *out, struct err *err)
{
    (void)ctx;
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return err_sys(err, errno, "cannot examine '%s'", file->path);
    *out = (uint64_t)st.st_size;
    return RC_OK;
}

static enum rc posix_map(void *ctx, struct fs_file *file, size_t len, void **out, struct err *err)
{
    (void)ctx;
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (at == MAP_FAILED)
        return err_sys(err, errno, "cannot map '%s'", file->path);
    *out = at;
    return RC_OK;
}

static void posix_unmap(void *ctx, void *at, size_t len)
{
    (void)ctx;
    munmap(at, len);
}

static enum rc posix_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    if (rename(from, to) != 0)
        return err_sys(err, errno, "cannot rename '%s' to '%s'", from, to);
    return RC_OK;
}

static enum rc posix_remove(void *ctx, const char *path, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    if (unlink(path) != 0)
        return err_sys(err, errno, "cannot remove '%s'", path);
    return RC_OK;
}

static enum rc posix_sync_dir(void *ctx, const char *dir, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot open directory '%s'", dir);
    int why = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return why == 0 ? RC_OK : err_sys(err, why, "cannot sync directory '%s'", dir);
}

static enum rc posix_make_dir(void *ctx, const char *dir, struct err *err)
{
    (void)ctx;
    struct stat st;
    if (mkdir(dir, 0700) == 0)
        return RC_OK;
    int why = errno;
    if (why == EEXIST && stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
        return RC_OK;
    return err_sys(err, why, "cannot create directory '%s'", dir);
}

static enum rc posix_list(void *ctx, const char *dir, enum rc (*each)(void *arg, const char *name),
                          void *arg, struct err *err)
{
    lock_may_wait();
    (void)ctx;
    DIR *d = opendir(dir);
    if (d == NULL)
        return err_sys(err, errno, "cannot list directory '%s'", dir);
    enum rc rc = RC_OK;
    while (rc == RC_OK) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (entry == NULL) {
            if (errno != 0)
                rc = err_sys(err, errno, "cannot list directory '%s'", dir);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = each(arg, entry->d_name);
        if (rc != RC_OK)
            err_set(err, rc, "cannot list directory '%s': stopped at '%s'", dir, entry->d_name);
    }
    closedir(d);
    return rc;
}

static enum rc posix_lock_dir(void *ctx, const char *dir, int *handle, struct err *err)
{
    (void)ctx;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot open directory '%s'", dir);
    int rc;
    do
        rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        *handle = fd;
        return RC_OK;
    }
    int why = errno;
    close(fd);
    if (why == EWOULDBLOCK)
        return err_set(err, RC_BUSY, "directory '%s' is in use by another process", dir);
    return err_sys(err, why, "cannot lock directory '%s'", dir);
}

static void posix_unlock_dir(void *ctx, int handle)
{
    (void)ctx;
    close(handle);
}

static bool posix_is_removed(void *ctx, int handle)
{
    (void)ctx;
    struct stat st;
    return fstat(handle, &st) == 0 && st.st_nlink == 0;
}

static void posix_boot_id(void *ctx, uint8_t out[16])
{
    (void)ctx;
    char text[64] = "";
    memset(out, 0, 16);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    size_t digits = 0;
    for (ssize_t i = 0; i < len && digits < 32; i++) {
        char c = text[i];
        int nibble = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (nibble < 0)
            continue;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | nibble);
        digits++;
    }
    if (digits != 32)
        memset(out, 0, 16);
}

const struct fs fs_posix = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .identify = posix_identify,
    .lookup = posix_lookup,
    .size = posix_size,
    .map = posix_map,
    .unmap = posix_unmap,
    .rename = posix_rename,
    .remove = posix_remove,
    .sync_dir = posix_sync_dir,
    .make_dir = posix_make_dir,
    .list = posix_list,
    .lock_dir = posix_lock_dir,
    .unlock_dir = posix_unlock_dir,
    .is_removed = posix_is_removed,
    .boot_id = posix_boot_id,
};
