/* Errors that a caller can act on: a code to branch on and a text for a person.
 *
 * The place that detects an error fills `struct err`; the place that handles it logs it, once.
 * Every function that can fail returns `enum rc`, is MUST_CHECK, and fills err unless it returns
 * RC_OK.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

enum rc {
    RC_OK = 0,
    RC_NOT_FOUND,   /* what was asked for is not there */
    RC_AGAIN,       /* not now: a queue is full, a lock is taken; a retry may succeed */
    RC_IO,          /* the operating system refused; err.sys_errno says how */
    RC_FULL,        /* no space left: disk, quota or a configured bound */
    RC_NOMEM,       /* allocation failed */
    RC_CORRUPT,     /* stored bytes are not what was written */
    RC_FOREIGN,     /* another store's data, or a newer format */
    RC_BUSY,        /* somebody else holds it */
    RC_INVALID,     /* the input is wrong: configuration, request, address */
    RC_REJECTED,    /* the backend refuses this item for good */
    RC_UNAVAILABLE, /* the backend or the disk is down; the outcome may be unknown */
    RC_READONLY,    /* may be read and not written */
    RC_MOVED,       /* a name no longer points to the file that was opened by it */
};

struct err {
    enum rc code;
    int sys_errno;    /* 0 where the operating system was not involved */
    const char *file; /* place of detection */
    int line;
    char text[480]; /* one line, no newline, says what, where and what to do */
};

/* Fills `err` (which may be NULL) and returns `code`. */
#define err_set(err, code, ...) err_fill((err), (code), 0, __FILE__, __LINE__, __VA_ARGS__)
/* The same for a failed system call: ": <strerror>" is appended, ENOSPC and EDQUOT become RC_FULL.
 */
#define err_sys(err, num, ...) err_fill((err), RC_IO, (num), __FILE__, __LINE__, __VA_ARGS__)

enum rc err_fill(struct err *err, enum rc code, int sys_errno, const char *file, int line,
                 const char *format, ...) PRINTF_LIKE(6, 7);

/* The field's name for a code, for logs: "corrupt", "unavailable". */
const char *rc_name(enum rc code);

#endif
