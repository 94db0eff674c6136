/* See log.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int log_fd = STDOUT_FILENO;
static atomic_int log_level = LOG_NOTICE;

enum rc log_open(const char *path, struct err *err)
{
    int fd = STDOUT_FILENO;
    if (path != NULL && path[0] != '\0') {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return err_sys(err, errno, "cannot open logfile '%s'", path);
    }
    int old = atomic_exchange(&log_fd, fd);
    if (old != STDOUT_FILENO && old != fd)
        close(old); /* a writer that still holds it loses one line at most */
    return RC_OK;
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

bool log_is_due(_Atomic int64_t *told_us, int64_t every_us)
{
    int64_t now_us = clock_mono().us, last_us = atomic_load(told_us);
    return (last_us == 0 || now_us - last_us >= every_us) &&
           atomic_compare_exchange_strong(told_us, &last_us, now_us);
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&log_level, memory_order_relaxed))
        return;
    char line[1024];
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    size_t len = (size_t)snprintf(line, sizeof(line), "%d:M ", (int)getpid());
    len += strftime(line + len, sizeof(line) - len, "%d %b %Y %H:%M:%S.", &local);
    len += (size_t)snprintf(line + len, sizeof(line) - len, "%03d %c ",
                            (int)(now.tv_nsec / 1000000), ".-*#"[level]);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    len += (size_t)n;
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    line[len++] = '\n';
    ssize_t written = write(atomic_load(&log_fd), line, len);
    (void)written; /* a log that cannot be written has nowhere to say so */
}

void log_err(enum log_level level, const char *what, const struct err *err)
{
    log_line(level, "%s: %s (%s)", what, err->text, rc_name(err->code));
}
