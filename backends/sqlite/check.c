/* Everything that can be told about a database by reading it: pages and their checksums, indexes,
 * and whether our tables agree with each other.
 *
 * SQLite's own check finds what contradicts the structure of the file. It cannot tell that a byte
 * within a value is not the one that was written: of single bits that were turned over at random
 * and changed what a key holds, it found 52 of 336. The checksums find each, of the pages that have
 * one.
 *
 * While a proxy runs, it has the lock under which the file is written, and keeps the sums current;
 * a page that it is just writing is looked at again. While none runs, the lock is ours for as long
 * as pages are read.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/check.h"

#include "backends/sqlite/internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOOKS = 5, /* at a page that differs */
    LOOK_PAUSE_MS = 20,
    LOCK_TRIES = 50,    /* another program's checkpoint is over by then; a proxy keeps the lock */
    DAMAGED_SHOWN = 50, /* of which we ask where they belong */
};

struct file_check {
    struct sqlite_conn c;
    void (*say)(const char *what);
    struct sqlite_sums *sums;
    struct sqlite_checked *out;
};

/* What belongs to a flushed database goes in steps, and contradicts itself meanwhile. */
#define KEPT(db) db " NOT IN (SELECT store_db FROM weir_dropped)"

/* Each query yields a line for everything that is wrong. */
static const char *const questions[] = {
    "SELECT 'weir_meta: no format, cut_lsn or store_id' WHERE (SELECT count(*) FROM weir_meta "
    "WHERE name IN ('format', 'cut_lsn', 'store_id')) <> 3",
    "SELECT 'weir_db: database ' || number || ' is store database ' || store_db || ', as another "
    "is' FROM weir_db GROUP BY store_db HAVING count(*) > 1",
    "SELECT 'weir_count: says ' || sum(says) || ' keys, ' || sum(says_expires) || ' of them "
    "expiring, in store database ' || db || ', which has ' || sum(has) || ' and ' || "
    "sum(has_expires) || '; DELETE FROM weir_count lets the next start count anew' FROM "
    "(SELECT db, keys AS says, expires AS says_expires, 0 AS has, 0 AS has_expires FROM weir_count "
    "UNION ALL SELECT db, 0, 0, count(*), count(expires_at) FROM weir_key GROUP BY db) "
    "WHERE db <> 0 AND " KEPT(
        "db") " AND EXISTS (SELECT 1 FROM weir_count WHERE db = 0) "
              "GROUP BY db HAVING sum(says) <> sum(has) OR sum(says_expires) <> sum(has_expires)",
    "SELECT 'weir_key: ' || quote(key) || ' in store database ' || db || ' has the type ' || "
    "quote(type) FROM weir_key WHERE type NOT IN (1, 2, 3, 4, 5) OR typeof(type) <> 'integer' OR "
    "(type = 1) <> (value IS NOT NULL)",
#define ALONE(table, type)                                                                       \
    "SELECT DISTINCT '" table ": elements of ' || quote(key) || ' in store database ' || db || " \
    "', which is no such key' FROM " table " x WHERE NOT EXISTS (SELECT 1 FROM weir_key k "      \
    "WHERE k.db = x.db AND k.key = x.key AND k.type = " type ") AND " KEPT("x.db"),              \
        "SELECT 'weir_key: ' || quote(key) || ' in store database ' || db || ' is without "      \
        "elements in " table "' FROM weir_key k WHERE type = " type " AND NOT EXISTS "           \
        "(SELECT 1 FROM " table " x WHERE x.db = k.db AND x.key = k.key) AND " KEPT("k.db")
    ALONE("weir_hash", "2"),
    ALONE("weir_list", "3"),
    ALONE("weir_set", "4"),
    ALONE("weir_zset", "5"),
#undef ALONE
};
#undef KEPT

/* Says each row that is not `fine`. A failure of the query itself is a finding: it is damage that
 * the query ran into. */
static void check_ask(struct file_check *k, const char *sql, const char *fine)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(k->c.db, sql, -1, &s, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(s);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (text == NULL || (fine != NULL && strcmp(text, fine) == 0))
            continue;
        k->say(text);
        k->out->wrong++;
    }
    if (result != SQLITE_DONE) {
        k->say(sqlite3_errmsg(k->c.db));
        k->out->wrong++;
    }
    sqlite3_finalize(s);
}

/* ---- checksums ---- */

static bool is_damaged(struct file_check *k, uint32_t page, void *bytes)
{
    uint32_t sum = sums_get(k->sums, page);
    for (int looks = 0; sum != 0 && looks < LOOKS; looks++) {
        if (looks > 0) {
            (void)poll(NULL, 0, LOOK_PAUSE_MS);
            sum = sums_file_get(k->sums, page);
        }
        if (sum == 0 || !sums_read_page(k->sums, page, bytes) ||
            sums_of(page, bytes, k->sums->page_bytes) == sum)
            return false;
    }
    return sum != 0;
}

static void say_damaged(struct file_check *k, uint32_t page)
{
    char text[256];
    sqlite3_stmt *s = NULL;
    const char *name = NULL;
    if (k->out->wrong < DAMAGED_SHOWN &&
        sqlite3_prepare_v2(k->c.db, "SELECT name FROM dbstat WHERE pageno = ?1", -1, &s, NULL) ==
            SQLITE_OK) {
        sqlite3_bind_int64(s, 1, page);
        if (sqlite3_step(s) == SQLITE_ROW)
            name = (const char *)sqlite3_column_text(s, 0);
    }
    snprintf(text, sizeof(text), "page %u: not what was written (its checksum differs): %s%.100s",
             page, name != NULL ? "of " : "of no table, or of one that cannot be walked",
             name != NULL ? name : "");
    k->say(text);
    k->out->wrong++;
    sqlite3_finalize(s);
}

static const char *check_read_sums(struct file_check *k, bool *locked)
{
    *locked = false;
    for (int tries = 0; tries < LOCK_TRIES && !*locked; tries++) {
        if (tries > 0)
            (void)poll(NULL, 0, LOOK_PAUSE_MS);
        *locked = sqlite_sums_pin(k->sums, k->c.db);
    }
    if (*locked) {
        const char *why = sums_file_decide(k->sums);
        return why != NULL && why[0] == '\0' ? "there are none" : why;
    }
    return sums_file_read_beside(k->sums) ? NULL : "there are none";
}

static void check_sums(struct file_check *k)
{
    bool locked;
    k->out->sums_not_believed = check_read_sums(k, &locked);
    k->out->pages = atomic_load(&k->sums->pages);
    void *bytes = malloc(SUMS_PAGE_MAX);
    for (uint32_t page = 1;
         bytes != NULL && k->out->sums_not_believed == NULL && page <= k->out->pages; page++) {
        k->out->with_sum += sums_get(k->sums, page) != 0;
        if (is_damaged(k, page, bytes))
            say_damaged(k, page);
    }
    free(bytes);
    sqlite_sums_unpin(k->sums);
}

enum rc sqlite_check_file(const char *path, void (*say)(const char *what),
                          struct sqlite_checked *out, struct err *err)
{
    int64_t ours = 0;
    *out = (struct sqlite_checked){0};
    enum rc rc = sqlite_label_check(path, err);
    if (rc != RC_OK)
        return rc;
    struct file_check k = {.c = {.path = path}, .say = say, .out = out, .sums = sqlite_sums_new()};
    if (k.sums == NULL)
        return err_set(err, RC_NOMEM, "no memory for checksums");
    k.sums->reads_only = true;
    int result = sqlite3_open_v2(path, &k.c.db, SQLITE_OPEN_READWRITE, k.sums->name);
    if (result != SQLITE_OK)
        rc = sqlite_fail(&k.c, result, "opening", err);
    if (rc == RC_OK) {
        sqlite3_db_config(k.c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        check_sums(&k);
        rc = sqlite_query_number(
            &k.c, "SELECT count(*) FROM sqlite_schema WHERE name IN ('weir_meta', 'weir_key')", 0,
            &ours, err);
    }
    if (rc == RC_OK && ours != 2)
        rc = err_set(err, RC_FOREIGN, "%s: not a database of Weir's", path);
    if (rc == RC_OK) {
        check_ask(&k, "PRAGMA integrity_check(100)", "ok");
        for (size_t i = 0; i < COUNT_OF(questions); i++)
            check_ask(&k, questions[i], NULL);
    }
    sqlite3_close(k.c.db);
    sqlite_sums_free(&k.sums);
    return rc;
}
