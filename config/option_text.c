/* See option_text.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4 * 1024 * 1024, READ_BYTES = 64 * 1024 };

enum rc option_text_read(const char *path, struct buf *out, struct err *err)
{
    enum rc rc = RC_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, errno, "cannot open configuration file %s", path);
    while (rc == RC_OK) {
        ssize_t n = read(fd, buf_reserve(out, READ_BYTES), READ_BYTES);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            rc = err_sys(err, errno, "cannot read configuration file %s", path);
        out->len += n > 0 ? (size_t)n : 0;
        if (out->len > FILE_BYTES_MAX)
            rc = err_set(err, RC_INVALID, "configuration file %s is larger than %d bytes", path,
                         FILE_BYTES_MAX);
    }
    close(fd);
    return rc;
}

static bool text_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool option_text_line(struct slice *text, struct slice *line)
{
    if (text->len == 0)
        return false;
    const char *p = text->ptr, *end = memchr(p, '\n', text->len);
    size_t len = end != NULL ? (size_t)(end - p) : text->len;
    size_t used = len + (end != NULL);
    *text = slice_of(p + used, text->len - used);
    while (len > 0 && text_is_blank(*p)) {
        p++;
        len--;
    }
    while (len > 0 && text_is_blank(p[len - 1]))
        len--;
    *line = slice_of(p, len);
    return true;
}

static enum rc write_all(int fd, struct slice text, const char *path, struct err *err)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot write %s", path);
        if (n > 0)
            text = slice_of(text.ptr + n, text.len - (size_t)n);
    }
    return RC_OK;
}

static enum rc sync_dir(char *path, struct err *err)
{
    char *slash = strrchr(path, '/');
    must(slash != NULL);
    slash[slash == path] = '\0';
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot open directory %s", path);
    enum rc rc = fsync(fd) == 0 ? RC_OK : err_sys(err, errno, "cannot sync directory %s", path);
    close(fd);
    return rc;
}

/* Fills the file aside: bytes, mode, owner, all synced. */
static enum rc text_fill(int fd, const struct stat *like, struct slice text, const char *path,
                         struct err *err)
{
    enum rc rc = write_all(fd, text, path, err);
    if (rc == RC_OK && fchmod(fd, like->st_mode & 07777) != 0)
        rc = err_sys(err, errno, "cannot set the mode of %s", path);
    if (rc == RC_OK && fchown(fd, like->st_uid, like->st_gid) != 0 && errno != EPERM)
        rc = err_sys(err, errno, "cannot set the owner of %s", path);
    if (rc == RC_OK && fsync(fd) != 0)
        rc = err_sys(err, errno, "cannot sync %s", path);
    return rc;
}

enum rc option_text_replace(const char *path, struct slice text, struct err *err)
{
    struct stat like;
    char *target = realpath(path, NULL), *aside = NULL;
    if (target == NULL || stat(target, &like) != 0) {
        free(target);
        return err_sys(err, errno, "cannot find %s", path);
    }
    must(asprintf(&aside, "%s.XXXXXX", target) > 0);
    enum rc rc;
    int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0) {
        rc = err_sys(err, errno, "cannot create %s", aside);
        goto out;
    }
    rc = text_fill(fd, &like, text, aside, err);
    if (close(fd) != 0 && rc == RC_OK)
        rc = err_sys(err, errno, "cannot write %s", aside);
    if (rc == RC_OK && rename(aside, target) != 0)
        rc = err_sys(err, errno, "cannot replace %s", target);
    if (rc == RC_OK)
        rc = sync_dir(target, err);
    else
        unlink(aside);
out:
    free(aside);
    free(target);
    return rc;
}
