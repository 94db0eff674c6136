/* The check of a database file for people: weirctl check FILE.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_CHECK_H
#define BACKENDS_SQLITE_CHECK_H

#include "base/err.h"

/* Reads the whole file, and calls `say` for each thing that is wrong; *wrong counts them. Changes
 * nothing; a proxy may be using the file. */
MUST_CHECK enum rc sqlite_check_file(const char *path, void (*say)(const char *what),
                                     uint64_t *wrong, struct err *err);

#endif
