/* A sync that fails: nothing more is believed of that WAL until it has been written again.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/sync.h"

#include "base/log.h"
#include "base/stats.h"
#include "tests/support/simvfs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[80];
static struct simfs *disk;
static sqlite3 *db;

static int run(const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void open_it(void)
{
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     sqlite_sync_vfs()->zName),
                     SQLITE_OK);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0"), SQLITE_OK);
}

static void close_it(void)
{
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static enum rc renew(void)
{
    struct err err;
    return sqlite_sync_renew(db, &err);
}

static int count_row(void *ctx, int n, char **values, char **names)
{
    (void)n, (void)names;
    *(int *)ctx = atoi(values[0]);
    return 0;
}

static int keep_text(void *out, int n, char **values, char **names)
{
    (void)n, (void)names;
    snprintf(out, 64, "%s", values[0]);
    return 0;
}

static int rows(void)
{
    int n = -1;
    (void)sqlite3_exec(db, "SELECT count(*) FROM t", count_row, &n, NULL);
    return n;
}

/* Whatever was not synced is gone. */
static void lose_power(void)
{
    struct simfs *after = simfs_after(disk, SIMFS_NONE, 1);
    close_it();
    simfs_free(&disk);
    disk = after;
    simvfs_use(disk, dir);
    open_it();
}

static int begin(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    strcpy(dir, "/tmp/weir-sync-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.db", dir);
    disk = simfs_new(1);
    simvfs_use(disk, dir);
    open_it();
    assert_int_equal(run("CREATE TABLE t(a)"), SQLITE_OK);
    assert_int_equal(renew(), RC_OK);
    return 0;
}

static int end(void **state)
{
    char command[100];
    (void)state;
    close_it();
    simfs_free(&disk);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static void no_sync_is_believed_until_the_wal_is_written_again(void **state)
{
    (void)state;
    uint64_t failures = stat_get(STAT_store_sync_failures);
    simfs_fail_file(disk, "x.db-wal", SIMFS_SYNC, 1, 1, EIO);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(stat_get(STAT_store_sync_failures), failures + 1);
    uint64_t syncs = simfs_count(disk, SIMFS_SYNC);
    assert_int_equal(run("INSERT INTO t VALUES (2)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
                     SQLITE_IOERR_FSYNC);
    assert_int_equal(simfs_count(disk, SIMFS_SYNC), syncs);
    assert_int_equal(renew(), RC_OK);
    assert_int_equal(run("INSERT INTO t VALUES (3)"), SQLITE_OK);
    assert_int_equal(rows(), 1);
    lose_power();
    assert_int_equal(rows(), 1);
}

static void commits_that_nobody_had_synced_are_written_again(void **state)
{
    (void)state;
    assert_int_equal(run("PRAGMA synchronous = NORMAL; INSERT INTO t VALUES (1), (2);"
                         "INSERT INTO t VALUES (3); PRAGMA synchronous = FULL"),
                     SQLITE_OK);
    simfs_fail_file(disk, "x.db-wal", SIMFS_SYNC, 1, 1, EIO);
    assert_int_equal(run("INSERT INTO t VALUES (4)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(renew(), RC_OK);
    assert_int_equal(run("INSERT INTO t VALUES (5)"), SQLITE_OK);
    lose_power();
    assert_int_equal(rows(), 4);
}

static void what_a_start_reads_in_a_wal_survives_once_it_is_renewed(void **state)
{
    (void)state;
    simfs_fail_file(disk, "x.db-wal", SIMFS_SYNC, 1, 1, EIO);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
    close_it();
    open_it();
    int n = rows(); /* the frames are there, whatever the disk has of them */
    assert_int_equal(n, 1);
    assert_int_equal(run("INSERT INTO t VALUES (2)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(renew(), RC_OK);
    lose_power();
    assert_int_equal(rows(), n);
}

/* A reader holds up the first checkpoint, which syncs nothing then; the second one fails. */
static void pages_that_a_checkpoint_moved_are_moved_again(void **state)
{
    sqlite3 *reader;
    char last[64];
    (void)state;
    assert_int_equal(run("CREATE TABLE u(a); INSERT INTO t VALUES (randomblob(200000))"),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_open_v2(path, &reader, SQLITE_OPEN_READWRITE, sqlite_sync_vfs()->zName), SQLITE_OK);
    sqlite3_db_config(reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM t", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(run("INSERT INTO u VALUES (1)"), SQLITE_OK);
    sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    simfs_fail_file(disk, "x.db", SIMFS_SYNC, 1, 1, EIO);
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
                     SQLITE_IOERR_FSYNC);
    assert_int_equal(renew(), RC_OK);
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(run("INSERT INTO u VALUES (2)"), SQLITE_OK); /* the WAL begins anew */
    lose_power();
    int n = sqlite3_exec(db, "PRAGMA integrity_check", keep_text, last, NULL);
    assert_int_equal(n, SQLITE_OK);
    assert_string_equal(last, "ok");
    assert_int_equal(rows(), 1);
}

static void a_commit_that_has_failed_does_not_come_back(void **state)
{
    (void)state;
    simfs_fail_file(disk, "x.db-wal", SIMFS_SYNC, 1, 1, EIO);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(renew(), RC_OK);
    close_it();
    open_it();
    assert_int_equal(rows(), 0);
    lose_power();
    assert_int_equal(rows(), 0);
}

static void a_wal_stays_in_doubt_while_it_cannot_be_synced(void **state)
{
    (void)state;
    simfs_fail_file(disk, "x.db-wal", SIMFS_SYNC, 1, 3, EIO);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(renew(), RC_IO);
    assert_int_equal(renew(), RC_IO);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
    assert_int_equal(renew(), RC_OK);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_OK);
}

static void a_wal_that_cannot_be_read_any_more_is_not_written(void **state)
{
    char wal[96];
    (void)state;
    simfs_fail_file(disk, "x.db-wal", SIMFS_SYNC, 1, 1, EIO);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
    snprintf(wal, sizeof(wal), "%s-wal", path);
    int fd = open(wal, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && pwrite(fd, "other", 5, 32 + 24 + 100) == 5);
    close(fd);
    assert_int_equal(renew(), RC_CORRUPT);
    assert_int_equal(run("INSERT INTO t VALUES (1)"), SQLITE_IOERR_FSYNC);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(no_sync_is_believed_until_the_wal_is_written_again),
        T(commits_that_nobody_had_synced_are_written_again),
        T(what_a_start_reads_in_a_wal_survives_once_it_is_renewed),
        T(pages_that_a_checkpoint_moved_are_moved_again),
        T(a_commit_that_has_failed_does_not_come_back),
        T(a_wal_stays_in_doubt_while_it_cannot_be_synced),
        T(a_wal_that_cannot_be_read_any_more_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
