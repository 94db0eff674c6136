/* See value.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/value.h"

#include "backends/backend.h"

enum rc sqlite_rc(int result)
{
    if (result == SQLITE_IOERR_DATA) /* a checksum that differs, see sums.h */
        return RC_CORRUPT;
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return RC_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return RC_BUSY;
    case SQLITE_READONLY:
        return result == SQLITE_READONLY_DBMOVED ? RC_MOVED : RC_READONLY;
    case SQLITE_FULL:
        return RC_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return RC_CORRUPT;
    case SQLITE_IOERR:
        return RC_IO;
    case SQLITE_NOMEM:
        return RC_NOMEM;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return RC_REJECTED;
    default:
        return RC_UNAVAILABLE;
    }
}

int sqlite_bind_slice(sqlite3_stmt *s, int at, struct slice bytes)
{
    const char *ptr = bytes.len > 0 ? bytes.ptr : "";
    if (backend_is_text(bytes))
        return sqlite3_bind_text64(s, at, ptr, bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(s, at, ptr, bytes.len, SQLITE_STATIC);
}

struct slice sqlite_column_slice(sqlite3_stmt *s, int at)
{
    const void *bytes = sqlite3_column_blob(s, at);
    int len = sqlite3_column_bytes(s, at);
    return bytes != NULL ? slice_of(bytes, (size_t)len) : SLICE("");
}
