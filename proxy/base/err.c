/* See err.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum rc err_fill(struct err *err, enum rc code, int sys_errno, const char *file, int line,
                 const char *format, ...)
{
    if (sys_errno == ENOSPC || sys_errno == EDQUOT)
        code = RC_FULL;
    if (err == NULL)
        return code;
    err->code = code;
    err->sys_errno = sys_errno;
    err->file = file;
    err->line = line;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (sys_errno != 0 && n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerror(sys_errno));
    return code;
}

const char *rc_name(enum rc code)
{
    static const char *const names[] = {
        [RC_OK] = "ok",
        [RC_NOT_FOUND] = "not found",
        [RC_AGAIN] = "again",
        [RC_IO] = "i/o",
        [RC_FULL] = "full",
        [RC_NOMEM] = "no memory",
        [RC_CORRUPT] = "corrupt",
        [RC_FOREIGN] = "foreign",
        [RC_BUSY] = "busy",
        [RC_INVALID] = "invalid",
        [RC_REJECTED] = "rejected",
        [RC_UNAVAILABLE] = "unavailable",
        [RC_READONLY] = "read-only",
        [RC_MOVED] = "moved",
    };
    return (size_t)code < COUNT_OF(names) && names[code] != NULL ? names[code] : "unknown";
}
