/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What SQLite gives when nothing stands in front of it: a bare loop of prepared upserts, sorted by
 * key, in transactions of 10,000 rows, into a table and with settings like those of
 * backends/sqlite. Run twice over the same keys, so that the rows are new first and exist then.
 *
 *   sqlite_floor FILE ROWS VALUE_BYTES
 *
 * Prints rows per second of both passes as JSON. Durable like the backend: each commit is synced.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_PER_TRANSACTION = 10000 };

static const char schema[] =
    "PRAGMA page_size = 8192;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA wal_autocheckpoint = 20000;" /* measured: faster than the default of 1,000 pages */
    "PRAGMA cache_size = -65536;"
    "CREATE TABLE weir_key(db INTEGER NOT NULL, key NOT NULL, type INTEGER NOT NULL, value,"
    " expires_at INTEGER, PRIMARY KEY(db, key)) WITHOUT ROWID;";

static const char upsert[] =
    "INSERT INTO weir_key(db, key, type, value, expires_at) VALUES (1, ?1, 1, ?2, NULL)"
    " ON CONFLICT(db, key) DO UPDATE SET type = excluded.type, value = excluded.value,"
    " expires_at = excluded.expires_at";

static sqlite3 *db;

static void check(int result, const char *what)
{
    if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW) {
        fprintf(stderr, "sqlite_floor: %s: %s\n", what, sqlite3_errmsg(db));
        exit(1);
    }
}

static void execute(const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Writes every row once, in key order; returns rows per second. */
static double write_all(sqlite3_stmt *s, long rows, char *value, size_t value_bytes, char mark)
{
    char key[32];
    double start = now();
    for (long i = 0; i < rows; i++) {
        if (i % ROWS_PER_TRANSACTION == 0) {
            execute("BEGIN IMMEDIATE");
        }
        int key_bytes = snprintf(key, sizeof key, "key:%012ld", i);
        memset(value, mark + (char)(i % 8), value_bytes);
        check(sqlite3_bind_text(s, 1, key, key_bytes, SQLITE_STATIC), "bind");
        check(sqlite3_bind_text(s, 2, value, (int)value_bytes, SQLITE_STATIC), "bind");
        check(sqlite3_step(s), "step");
        check(sqlite3_reset(s), "reset");
        if ((i + 1) % ROWS_PER_TRANSACTION == 0 || i + 1 == rows) {
            execute("COMMIT");
        }
    }
    return (double)rows / (now() - start);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: sqlite_floor FILE ROWS VALUE_BYTES\n");
        return 2;
    }
    long rows = atol(argv[2]);
    size_t value_bytes = (size_t)atol(argv[3]);
    char *value = malloc(value_bytes + 1);
    sqlite3_stmt *s = NULL;
    if (!value) {
        return 1;
    }
    check(sqlite3_open(argv[1], &db), "open");
    execute(schema);
    check(sqlite3_prepare_v2(db, upsert, -1, &s, NULL), upsert);
    double fresh = write_all(s, rows, value, value_bytes, 'a');
    double existing = write_all(s, rows, value, value_bytes, 'A');
    printf("{\"new\": %.0f, \"existing\": %.0f}\n", fresh, existing);
    sqlite3_finalize(s);
    sqlite3_close(db);
    free(value);
    return 0;
}
