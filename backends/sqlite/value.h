/* What all who use SQLite share, the store and the records for people beside the journal: what its
 * result codes mean, and how bytes become TEXT or a blob and back.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_VALUE_H
#define BACKENDS_SQLITE_VALUE_H

#include "base/err.h"
#include "base/slice.h"

#include <sqlite3.h>

/* Of a result code, extended or not. SQLITE_ROW and SQLITE_DONE are RC_OK. */
enum rc sqlite_rc(int result);
/* Text where the bytes are text, else a blob: one representation for a given string of bytes. The
 * bytes must stay until the statement is reset. Returns a result code. */
int sqlite_bind_slice(sqlite3_stmt *s, int at, struct slice bytes);
/* The bytes of a column, whatever its type; valid until the next step. */
struct slice sqlite_column_slice(sqlite3_stmt *s, int at);

#endif
