/* A failed sync of a file of SQLite's costs nothing: what it may have lost is written again before
 * any later sync is believed.
 *
 * After a failed fsync() the system has forgotten what was to be written, still shows it to whoever
 * reads the file, and says yes to the next fsync(). SQLite repeats that on the same file. Who
 * begins anew has no better view: a process that starts, after one that was killed, reads commits
 * in a WAL that no disk has. So:
 *
 *   file         what a failed sync has lost             so
 *   database     pages that this checkpoint has moved,   all of the WAL is moved again: how far
 *                or one before that synced nothing       checkpoints have come is set back to none
 *   -journal     what is needed to roll back             SQLite does not touch the database then
 *   -wal         commits that nobody had synced, and     all of it is written again, in its place,
 *                with them all that comes after them     and synced
 *
 * Until both is done they are in doubt: no sync of either is tried, and every commit and checkpoint
 * of the process ends with SQLITE_IOERR_FSYNC. A WAL that is not empty when it is opened, and its
 * database, are in doubt from the start. A page
 * that is written again with the same bytes is dirty again, so that the next sync covers it.
 *
 * Used by the store and by the records for people. Whoever opens a database by this VFS calls
 * sqlite_sync_renew() after opening it and before each transaction that is to be believed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_SYNC_H
#define BACKENDS_SQLITE_SYNC_H

#include "base/err.h"

#include <sqlite3.h>

/* The VFS on top of the default one; it is registered with the first call. Thread: any. */
sqlite3_vfs *sqlite_sync_vfs(void);
/* Writes the WAL again if it is in doubt. Waits for other writers as long as the connection does,
 * which is in no transaction.
 * Errors: as of a commit; it stays in doubt. RC_CORRUPT: what was in it cannot be read any more;
 * when all connections are closed and opened again, it ends before that. */
MUST_CHECK enum rc sqlite_sync_renew(sqlite3 *db, struct err *err);

#endif
