/* SQLite on the simulated disk of simfs.h: a VFS that is the default one from simvfs_use() on.
 *
 * SQLite's files are real, in a directory of the test, so that all that asks the system works as it
 * is: locks, identity, the shared memory of the WAL, a look at the database past SQLite. Each
 * change of them is made to the simulated disk first, which decides whether it fails, and what is
 * left of it after a stop; what it shows and what the real file holds are always the same. Nothing
 * real is ever synced.
 *
 * As the real VFS does, the first sync of a journal or WAL that may have been created syncs its
 * directory, too, and a deletion does when SQLite asks for it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_SIMVFS_H
#define TESTS_SUPPORT_SIMVFS_H

#include "tests/support/simfs.h"

/* From now on every file in `root`, an absolute path without links, is on this disk, under its
 * path below `root`. No file of SQLite may be open. The real files become what the disk has:
 * databases, their journals and WALs. */
void simvfs_use(struct simfs *disk, const char *root);
/* Writes what a disk has of SQLite's files into another directory, for one who reads them alone. */
void simvfs_write_out(struct simfs *disk, const char *root);
/* The name of the VFS that knows no simulation. */
const char *simvfs_real(void);

#endif
