/* Where things lie in SQLite's WAL and in its index, as far as we read or write them ourselves.
 *
 * The layouts are SQLite's: https://www.sqlite.org/fileformat2.html section 4, and
 * https://www.sqlite.org/walformat.html section 2.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_WAL_FORMAT_H
#define BACKENDS_SQLITE_WAL_FORMAT_H

enum {
    WAL_HEADER = 32,
    FRAME_HEADER = 24,
    PAGE_MAX = 65536,
    INDEX_REGION = 32 * 1024, /* of the WAL's index, as SQLite maps it */
    INDEX_FRAMES = 16,
    INDEX_SALTS = 32,
    INDEX_BACKFILLED = 96,
    CHECKPOINT_LOCK = 1,
};

#endif
