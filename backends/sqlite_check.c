/* Everything that can be told about a database by reading it: pages, indexes, and whether our
 * tables agree with each other.
 *
 * SQLite's own check finds what contradicts the structure of the file. It cannot tell that a byte
 * within a value is not the one that was written: of single bits that were turned over at random
 * and changed what a key holds, it found 52 of 336.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite_check.h"

#include "backends/sqlite_internal.h"

#include <stdio.h>

struct check {
    struct sqlite_conn c;
    void (*say)(const char *what);
    uint64_t wrong;
};

/* Each query yields a line for everything that is wrong. */
static const char *const questions[] = {
    "SELECT 'weir_meta: no format, cut_lsn or store_id' WHERE (SELECT count(*) FROM weir_meta "
    "WHERE name IN ('format', 'cut_lsn', 'store_id')) <> 3",
    "SELECT 'weir_db: database ' || number || ' is store database ' || store_db || ', as another "
    "is' FROM weir_db GROUP BY store_db HAVING count(*) > 1",
    "SELECT 'weir_key: ' || quote(key) || ' in store database ' || db || ' has the type ' || "
    "quote(type) FROM weir_key WHERE type NOT IN (1, 2, 3, 4, 5) OR typeof(type) <> 'integer' OR "
    "(type = 1) <> (value IS NOT NULL)",
#define ALONE(table, type)                                                                       \
    "SELECT DISTINCT '" table ": elements of ' || quote(key) || ' in store database ' || db || " \
    "', which is no such key' FROM " table " x WHERE NOT EXISTS (SELECT 1 FROM weir_key k "      \
    "WHERE k.db = x.db AND k.key = x.key AND k.type = " type ")",                                \
        "SELECT 'weir_key: ' || quote(key) || ' in store database ' || db || ' is without "      \
        "elements in " table "' FROM weir_key k WHERE type = " type " AND NOT EXISTS "           \
        "(SELECT 1 FROM " table " x WHERE x.db = k.db AND x.key = k.key)"
    ALONE("weir_hash", "2"),
    ALONE("weir_list", "3"),
    ALONE("weir_set", "4"),
    ALONE("weir_zset", "5"),
#undef ALONE
};

/* Says each row that is not `fine`. A failure of the query itself is a finding: it is damage that
 * the query ran into. */
static void ask(struct check *k, const char *sql, const char *fine)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(k->c.db, sql, -1, &s, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(s);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (text == NULL || (fine != NULL && strcmp(text, fine) == 0))
            continue;
        k->say(text);
        k->wrong++;
    }
    if (result != SQLITE_DONE) {
        k->say(sqlite3_errmsg(k->c.db));
        k->wrong++;
    }
    sqlite3_finalize(s);
}

enum rc sqlite_check_file(const char *path, void (*say)(const char *what), uint64_t *wrong,
                          struct err *err)
{
    struct check k = {.c = {.path = path}, .say = say};
    int64_t ours = 0;
    *wrong = 0;
    enum rc rc = sqlite_label_check(path, err);
    if (rc != RC_OK)
        return rc;
    int result = sqlite3_open_v2(path, &k.c.db, SQLITE_OPEN_READWRITE, NULL);
    if (result != SQLITE_OK)
        rc = sqlite_fail(&k.c, result, "opening", err);
    if (rc == RC_OK) {
        sqlite3_db_config(k.c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        rc = sqlite_query_number(
            &k.c, "SELECT count(*) FROM sqlite_schema WHERE name IN ('weir_meta', 'weir_key')", 0,
            &ours, err);
    }
    if (rc == RC_OK && ours != 2)
        rc = err_set(err, RC_FOREIGN, "%s: not a database of Weir's", path);
    if (rc == RC_OK) {
        ask(&k, "PRAGMA integrity_check(100)", "ok");
        for (size_t i = 0; i < COUNT_OF(questions); i++)
            ask(&k, questions[i], NULL);
    }
    *wrong = k.wrong;
    sqlite3_close(k.c.db);
    return rc;
}
