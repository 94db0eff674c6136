/* Which database a WAL belongs to.
 *
 * A WAL lies beside its database, and the name is all that SQLite knows of the two: checksums in
 * a WAL hold it together and say nothing of the database. When Weir was killed, and a backup is
 * moved to where the database was, SQLite reads the commits of the old database into the new one,
 * page by page, and neither is left.
 *
 * So a WAL that is opened gets a label, an extended attribute: which file it is itself, and which
 * file its database is (base/file_id.h). The device is left out: it may be another after a boot.
 *
 *   the WAL               the database          so
 *   none, or empty        -                     there is nothing to be mixed
 *   has no label          -                     another program made it: as SQLite has it
 *   is not what it says   -                     both were copied, label and all: as SQLite has it
 *   is what it says       the one it names      they belong together
 *   is what it says       another                  refused
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

static const char LABEL[] = "user.weir.database";

/* A label does not say the device. */
static bool same(const struct file_id *a, const struct file_id *b)
{
    return a->inode == b->inode && a->made_ns == b->made_ns;
}

static bool read_label(const char *wal, struct file_id *itself, struct file_id *database)
{
    char text[128];
    ssize_t len = getxattr(wal, LABEL, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    return sscanf(text, "wal %" SCNu64 " made %" SCNd64 ", database %" SCNu64 " made %" SCNd64,
                  &itself->inode, &itself->made_ns, &database->inode, &database->made_ns) == 4;
}

void sqlite_label_put(const struct sqlite_file *f)
{
    char text[128];
    struct file_id wal, database;
    if (!file_id_at(f->wal_path, &wal, NULL) || !file_id_at(f->path, &database, NULL))
        return; /* that they are gone is found elsewhere */
    snprintf(text, sizeof(text),
             "wal %" PRIu64 " made %" PRId64 ", database %" PRIu64 " made %" PRId64, wal.inode,
             wal.made_ns, database.inode, database.made_ns);
    if (setxattr(f->wal_path, LABEL, text, strlen(text), 0) != 0)
        log_line(LOG_NOTICE,
                 "%s: cannot be labelled (%s). Should Weir be killed and another database be put "
                 "here, remove this file with the old one: nothing can tell them apart",
                 f->wal_path, strerror(errno));
}

enum rc sqlite_label_check(const char *path, struct err *err)
{
    char wal_path[PATH_MAX + sizeof("-wal")];
    struct file_id wal, database, says_wal, says_database;
    uint64_t wal_bytes;
    if (realpath(path, wal_path) == NULL || !file_id_at(path, &database, NULL))
        return RC_OK; /* a new one; else whoever opens it says why not */
    memcpy(wal_path + strlen(wal_path), "-wal", sizeof("-wal"));
    if (!file_id_at(wal_path, &wal, &wal_bytes) || wal_bytes == 0 ||
        !read_label(wal_path, &says_wal, &says_database) || !same(&wal, &says_wal) ||
        same(&database, &says_database))
        return RC_OK;
    return err_set(err, RC_FOREIGN,
                   "%s: belongs to the database that was here before, and would be mixed into the "
                   "one that is here now. Put the old one back; or, to go on with this one, move "
                   "this file away (it holds the last commits of the old one), and remove the "
                   "-shm beside it",
                   wal_path);
}
