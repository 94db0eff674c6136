/* See spool.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/spool.h"

#include "base/log.h"
#include "store/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void spool_init(struct spool *s, const char *dir)
{
    *s = (struct spool){.dir = dir, .fd = -1};
}

/* Where the file system has no files without a name, it loses its name at once. */
static int open_nameless(const char *dir)
{
    struct buf path = {0};
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    buf_printf(&path, "%s/spool-XXXXXX", dir);
    buf_append(&path, "", 1);
    fd = mkostemp(path.data, O_CLOEXEC);
    if (fd >= 0)
        unlink(path.data);
    buf_fini(&path);
    return fd;
}

/* All of it, from or to `bytes`. */
static bool transfer(int fd, bool writes, char *bytes, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = writes ? pwrite(fd, bytes, len, (off_t)at) : pread(fd, bytes, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

void spool_put(struct spool *s, struct piece *p)
{
    struct buf bytes = {0};
    if (s->fd < 0)
        s->fd = open_nameless(s->dir);
    if (s->fd < 0)
        return;
    if (p->spooled_len == 0) {
        if (!piece_write(p, &bytes)) {
            log_line(LOG_VERBOSE, "%s: no memory to spool a piece of a batch, it stays as it is",
                     s->dir);
            return;
        }
        if (!transfer(s->fd, true, bytes.data, bytes.len, s->end)) {
            log_line(LOG_VERBOSE, "%s: no room to spool a piece of a batch, it stays in memory",
                     s->dir);
            buf_fini(&bytes);
            return;
        }
        p->spooled_at = s->end;
        p->spooled_len = bytes.len;
        s->end += bytes.len;
        buf_fini(&bytes);
    }
    piece_drop_items(p);
}

enum rc spool_get(struct spool *s, struct piece *p, struct err *err)
{
    if (p->items != NULL)
        return RC_OK;
    must(p->spooled_len > 0);
    char *bytes = alloc_try(p->spooled_len + 1);
    if (bytes == NULL)
        return err_set(err, RC_NOMEM, "no memory to read a spooled piece of a batch back");
    if (!transfer(s->fd, false, bytes, p->spooled_len, p->spooled_at)) {
        int error = errno;
        free(bytes);
        return err_set(err, RC_IO, "%s: a spooled piece of a batch cannot be read: %s", s->dir,
                       strerror(error));
    }
    enum rc rc = piece_read(p, bytes, p->spooled_len);
    if (rc == RC_OK)
        return rc;
    if (rc == RC_NOMEM)
        return err_set(err, rc, "no memory for a spooled piece of a batch");
    return err_set(err, RC_IO, "%s: a spooled piece of a batch is not what was written", s->dir);
}

void spool_clear(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    spool_init(s, s->dir);
}
