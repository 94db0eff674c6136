/* The check of a database file for people: weirctl check FILE.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_CHECK_H
#define BACKENDS_SQLITE_CHECK_H

#include "base/err.h"

struct sqlite_checked {
    uint64_t wrong;                /* findings */
    uint32_t pages, with_sum;      /* in the file; those whose checksum is known */
    const char *sums_not_believed; /* why none is; NULL: they are */
};

/* Reads the whole file, and calls `say` for each thing that is wrong. Changes nothing; a proxy may
 * be using the file. */
MUST_CHECK enum rc sqlite_check_file(const char *path, void (*say)(const char *what),
                                     struct sqlite_checked *out, struct err *err);

#endif
