/* SQLite: what can go wrong with the file, and that nothing is lost by it. The data itself is in
 * the contract suites, the views in backend_sqlite_views_test.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

#include "backends/sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *path_in(const struct contract *c, const char *suffix)
{
    static char path[192];
    snprintf(path, sizeof(path), "%s/%s%s", c->dir, strchr(c->url, ':') + 1, suffix);
    return path;
}

static enum rc open_again(struct contract *c, int64_t timeout_ms, struct err *err)
{
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = timeout_ms};
    return backend_sqlite.open(&config, &c->b, err);
}

static enum rc put(struct contract *c, uint64_t cut_lsn, struct backend_item item, struct err *err)
{
    struct backend_applied applied;
    struct backend_batch batch = {.cut_lsn = cut_lsn, .items = &item, .items_len = 1};
    return try_apply(c, batch, &applied, err);
}

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

/* ---- opening ---- */

static void one_database_has_one_weir(void **state)
{
    struct contract *c = contract_of(state), again = *c;
    struct err err;
    assert_int_equal(open_again(&again, 100, &err), RC_BUSY);
    assert_null(again.b);
    assert_non_null(strstr(err.text, "in use by another Weir"));
    assert_non_null(strstr(err.text, path_in(c, "")));
    backend_sqlite.close(&c->b);
    assert_int_equal(open_again(c, 100, &err), RC_OK);
}

static void a_url_without_a_file_is_refused(void **state)
{
    struct contract none = {.url = "sqlite:", .dir = "/tmp"};
    struct err err;
    (void)state;
    assert_int_equal(open_again(&none, 100, &err), RC_INVALID);
}

static void a_directory_that_is_missing_is_reported(void **state)
{
    struct contract *c = contract_of(state), other = *c;
    struct err err;
    snprintf(other.url, sizeof(other.url), "%s", "sqlite:no/such/dir/weir.db");
    assert_int_equal(open_again(&other, 100, &err), RC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "no/such/dir/weir.db"));
    assert_int_equal(err.sys_errno, ENOENT);
}

static void replace_file(const struct contract *c, const char *bytes, size_t len)
{
    int fd = open(path_in(c, ""), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void a_file_that_is_no_database_is_corrupt(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    char garbage[4096];
    memset(garbage, 'x', sizeof(garbage));
    backend_sqlite.close(&c->b);
    replace_file(c, garbage, sizeof(garbage));
    assert_int_equal(open_again(c, 100, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, path_in(c, "")));
}

static void a_damaged_page_is_corrupt_and_not_a_crash(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    char names[4000][16];
    struct backend_item items[4000];
    for (unsigned i = 0; i < COUNT_OF(items); i++) {
        snprintf(names[i], sizeof(names[i]), "key%08u", i);
        items[i] = string_item(1, slice_str(names[i]), slice_str(names[i]));
    }
    apply_items(c, 1, items, COUNT_OF(items));
    backend_sqlite.close(&c->b);
    int fd = open(path_in(c, ""), O_WRONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    char garbage[PAGE_BYTES];
    memset(garbage, 0xa5, sizeof(garbage));
    for (off_t at = 12 * PAGE_BYTES; at < size; at += PAGE_BYTES)
        assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), PAGE_BYTES);
    close(fd);
    enum rc rc = open_again(c, 100, &err);
    for (unsigned i = 0; i < COUNT_OF(items) && rc == RC_OK; i++)
        rc = c->ops->apply(
            c->b, &(struct backend_batch){.cut_lsn = 2, .items = &items[i], .items_len = 1},
            &(struct backend_applied){0}, &err);
    assert_int_equal(rc, RC_CORRUPT);
    assert_non_null(strstr(err.text, path_in(c, "")));
}

static void a_newer_format_is_refused(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    sqlite3 *db = outsider(c);
    execute(db, "UPDATE weir_meta SET value = 2 WHERE name = 'format'");
    sqlite3_close(db);
    backend_sqlite.close(&c->b);
    assert_int_equal(open_again(c, 100, &err), RC_FOREIGN);
    assert_non_null(strstr(err.text, "newer"));
}

/* Makes a database of somebody else's with `sql`, and opens it; nothing in it may be touched. */
static enum rc open_foreign(struct contract *c, const char *sql, struct err *err)
{
    snprintf(c->url, sizeof(c->url), "%s", "sqlite:foreign.db");
    sqlite3 *db = outsider(c);
    execute(db, sql);
    sqlite3_close(db);
    backend_sqlite.close(&c->b);
    return open_again(c, 100, err);
}

static void a_database_with_clashing_tables_is_refused(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    assert_int_equal(open_foreign(c, "CREATE TABLE hash(x)", &err), RC_FOREIGN);
    assert_non_null(strstr(err.text, "table named hash"));
    sqlite3 *db = outsider(c);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema"), 1);
    sqlite3_close(db);
}

static void a_weir_meta_of_somebody_else_is_refused(void **state)
{
    struct err err;
    struct contract *c = contract_of(state);
    assert_int_equal(open_foreign(c, "CREATE TABLE weir_meta(a, b)", &err), RC_FOREIGN);
}

static void a_utf16_database_is_refused(void **state)
{
    struct err err;
    struct contract *c = contract_of(state);
    const char *sql = "PRAGMA encoding = 'UTF-16'; CREATE TABLE app(x)";
    assert_int_equal(open_foreign(c, sql, &err), RC_FOREIGN);
    assert_non_null(strstr(err.text, "UTF-16"));
}

static void a_database_may_be_shared_with_other_tables(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    assert_int_equal(open_foreign(c, "CREATE TABLE app(x); INSERT INTO app VALUES (7)", &err),
                     RC_OK);
    APPLY(c, 1, STRING(1, "k", "v"));
    contract_reopen(c);
    LOADED(c, 1, "k", "string v");
    sqlite3 *db = outsider(c);
    assert_int_equal(number(db, "SELECT x FROM app"), 7);
    sqlite3_close(db);
}

/* ---- a store that refuses ---- */

static void a_locked_database_is_busy_and_loses_nothing(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    backend_sqlite.close(&c->b);
    assert_int_equal(open_again(c, 50, &err), RC_OK);
    APPLY(c, 1, STRING(1, "k", "old"));
    sqlite3 *db = outsider(c);
    execute(db, "BEGIN EXCLUSIVE");
    assert_int_equal(put(c, 2, STRING(1, "k", "new"), &err), RC_BUSY);
    assert_non_null(strstr(err.text, "locked"));
    LOADED(c, 1, "k", "string old"); /* readers go on */
    execute(db, "COMMIT");
    assert_int_equal(put(c, 2, STRING(1, "k", "new"), &err), RC_OK);
    LOADED(c, 1, "k", "string new");
    sqlite3_close(db);
}

static void a_full_disk_is_full_and_loses_nothing(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    char value[64 * 1024], limit[64];
    memset(value, 'v', sizeof(value));
    APPLY(c, 1, STRING(1, "k", "old"));
    sqlite3 *db = sqlite_writer_of(c->b);
    snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %lld",
             (long long)number(db, "PRAGMA page_count"));
    execute(db, limit);
    struct backend_item big = string_item(1, KEY("big"), slice_of(value, sizeof(value)));
    assert_int_equal(put(c, 2, big, &err), RC_FULL);
    assert_non_null(strstr(err.text, "full"));
    assert_int_equal(position_of(c).cut_lsn, 1);
    execute(db, "PRAGMA max_page_count = 1000000");
    assert_int_equal(put(c, 2, big, &err), RC_OK);
    assert_int_equal(position_of(c).cut_lsn, 2);
}

static void a_store_that_became_read_only_says_so(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    APPLY(c, 1, STRING(1, "k", "old"));
    execute(sqlite_writer_of(c->b), "PRAGMA query_only = ON");
    assert_int_equal(put(c, 2, STRING(1, "k", "new"), &err), RC_READONLY);
    LOADED(c, 1, "k", "string old");
    execute(sqlite_writer_of(c->b), "PRAGMA query_only = OFF");
    assert_int_equal(put(c, 2, STRING(1, "k", "new"), &err), RC_OK);
}

/* Runs in a child that gave up root, since root may write anywhere. */
static void a_read_only_file_is_refused(void **state)
{
    struct contract *c = contract_of(state);
    backend_sqlite.close(&c->b);
    assert_int_equal(chmod(c->dir, 0755), 0);
    assert_int_equal(chmod(path_in(c, ""), 0444), 0);
    pid_t child = fork();
    if (child == 0) {
        struct err err = {0};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        _exit((int)open_again(c, 100, &err));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), RC_READONLY);
}

static void a_value_above_the_limit_is_refused(void **state)
{
    struct contract *c = contract_of(state);
    char bytes[5000];
    memset(bytes, 'x', sizeof(bytes));
    struct slice big = slice_of(bytes, sizeof(bytes));
    struct backend_element field = {.name = KEY("f"), .value = big};
    APPLY(c, 1, STRING(1, "k", "old"), WHOLE(1, HASH, "h", FIELD("a", "old")));
    sqlite3_limit(sqlite_writer_of(c->b), SQLITE_LIMIT_LENGTH, 4000);
    TOLD(c, 2, "1 refused; 2 refused; 3 refused; commit", STRING(1, "a", "new"),
         many_item(WHOLE(1, HASH, "h", FIELD("a", "b")), &field, 1), string_item(1, KEY("k"), big),
         string_item(1, big, KEY("v")));
    TOLD(c, 3, "0 refused; commit", {.db = 1, .key = big}); /* a deletion */
    LOADED(c, 1, "a", "string new");
    LOADED(c, 1, "k", "string old");
    LOADED(c, 1, "h", "hash a=old");
    assert_int_equal(position_of(c).cut_lsn, 3);
}

/* ---- what the owner of the database forbids ---- */

static void as_owner(struct contract *c, const char *sql)
{
    char path[160], *why = NULL;
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/%s", c->dir, strchr(c->url, ':') + 1);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static void a_refused_value_of_several_rows_leaves_nothing_behind(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")), STRING(1, "s", "x"),
          WHOLE(1, SET, "t", MEMBER("m")));
    as_owner(c, "CREATE UNIQUE INDEX no_twins ON weir_hash(value);"
                "CREATE UNIQUE INDEX one_text ON weir_key(value)");
    TOLD(c, 2, "1 refused; 2 refused; 4 refused; commit",
         WHOLE(1, HASH, "g", FIELD("a", "7"), FIELD("b", "8")),
         WHOLE(1, HASH, "h", FIELD("a", "3"), FIELD("b", "3")),
         DELTA(1, HASH, "i", FIELD("a", "9"), FIELD("b", "9")), DELETED(1, "none"),
         STRING(1, "t", "x"));
    LOADED(c, 1, "g", "hash a=7 b=8");
    LOADED(c, 1, "h", "hash a=1 b=2");
    LOADED(c, 1, "i", "none");
    LOADED(c, 1, "t", "set m");
    check_count(c, 1, 4);
}

/* ---- durability ---- */

/* Batch n sets every key to n, adds field n to a hash and deletes a key that batch n-1 set. */
/* An index of the owner that can be computed of most rows. */
static void a_row_of_which_an_index_cannot_be_computed_is_refused(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "1"), WHOLE(1, HASH, "old", FIELD("f", "2")));
    as_owner(c, "CREATE INDEX of_json ON weir_key(json_extract(value, '$.x'));"
                "CREATE INDEX of_field ON weir_hash(json_extract(value, '$.x'))");
    TOLD(c, 2, "0 refused; 2 refused; 4 refused; 5 refused; commit", STRING(1, "a", "no json"),
         STRING(1, "b", "{}"), STRING(1, "c", "{"), STRING(1, "d", "{\"x\": 1}"),
         WHOLE(1, HASH, "new", FIELD("f", "1"), FIELD("g", "no json")),
         DELTA(1, HASH, "old", FIELD("f", "1"), FIELD("g", "no json")));
    LOADED(c, 1, "a", "string 1");
    LOADED(c, 1, "b", "string {}");
    LOADED(c, 1, "c", "none");
    LOADED(c, 1, "d", "string {\"x\": 1}");
    LOADED(c, 1, "new", "none");
    LOADED(c, 1, "old", "hash f=2");
    sqlite3 *db = outsider(c);
    assert_int_equal(number(db, "SELECT count(*) FROM pragma_integrity_check"
                                " WHERE integrity_check <> 'ok'"),
                     0);
    sqlite3_close(db);
}

static void identity(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    sqlite3_result_value(ctx, argv[0]);
}

/* Nothing can be written then, whatever it is: that is no reason to give rows up. */
static void an_index_on_a_function_that_is_not_known_is_the_stores_failure(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    sqlite3 *db = outsider(c);
    sqlite3_create_function(db, "mine", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, identity, NULL,
                            NULL);
    execute(db, "CREATE INDEX of_mine ON weir_key(mine(value))");
    assert_int_equal(put(c, 1, STRING(1, "k", "1"), &err), RC_UNAVAILABLE);
    assert_non_null(strstr(err.text, "mine"));
    execute(db, "DROP INDEX of_mine");
    sqlite3_close(db);
    APPLY(c, 1, STRING(1, "k", "1"));
    LOADED(c, 1, "k", "string 1");
}

static void apply_generation(struct contract *c, uint64_t n)
{
    enum { KEYS = 50 };
    char names[KEYS][8], value[24], old[24];
    struct backend_item items[KEYS + 3];
    snprintf(value, sizeof(value), "%llu", (unsigned long long)n);
    snprintf(old, sizeof(old), "%llu", (unsigned long long)n - 1);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "k%04u", i);
        items[i] = string_item(1, slice_str(names[i]), slice_str(value));
    }
    struct backend_element field = {.name = slice_str(value), .value = slice_str(value)};
    items[KEYS] = (struct backend_item){
        .db = 2, .type = VALUE_HASH, .key = KEY("h"), .elements = &field, .elements_len = 1};
    items[KEYS + 1] = string_item(3, slice_str(value), KEY("x"));
    items[KEYS + 2] = (struct backend_item){.db = 3, .key = slice_str(old)};
    apply_items(c, n, items, KEYS + 3);
}

static void kill_while_applying(struct contract *c)
{
    int progress[2];
    assert_int_equal(pipe(progress), 0);
    pid_t child = fork();
    if (child == 0) {
        struct err err;
        bool more;
        if (open_again(c, 1000, &err) != RC_OK)
            _exit(1);
        uint64_t n = position_of(c).cut_lsn;
        for (;;) {
            apply_generation(c, ++n);
            if (c->ops->maintain(c->b, 1, &more, &err) != RC_OK || write(progress[1], ".", 1) != 1)
                _exit(1);
        }
    }
    close(progress[1]);
    char dots[1];
    for (int i = 0; i < 20; i++)
        assert_int_equal(read(progress[0], dots, 1), 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(progress[0]);
}

static void a_kill_leaves_one_whole_batch_or_the_other(void **state)
{
    struct contract *c = contract_of(state);
    uint64_t before = 0;
    for (int round = 0; round < 5; round++) {
        struct err err;
        backend_sqlite.close(&c->b);
        kill_while_applying(c);
        assert_int_equal(open_again(c, 1000, &err), RC_OK);
        uint64_t n = position_of(c).cut_lsn;
        assert_true(n >= before + 20);
        sqlite3 *db = outsider(c);
        char sql[128];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM weir_key WHERE db = 1 AND value = '%llu'",
                 (unsigned long long)n);
        assert_int_equal(number(db, sql), 50);
        assert_int_equal(number(db, "SELECT count(*) FROM weir_key WHERE db = 1"), 50);
        assert_int_equal(number(db, "SELECT count(*) FROM weir_hash"), (int64_t)n);
        assert_int_equal(number(db, "SELECT count(*) FROM weir_key WHERE db = 3"), 1);
        assert_int_equal(number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
                         1);
        sqlite3_close(db);
        before = n;
    }
}

static void commits_are_synced_and_checkpoints_are_ours(void **state)
{
    struct contract *c = contract_of(state);
    sqlite3 *db = sqlite_writer_of(c->b);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA wal_autocheckpoint"), 0);
    assert_int_equal(number(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    APPLY(c, 1, STRING(1, "k", "v"));
    struct stat st;
    assert_int_equal(stat(path_in(c, "-wal"), &st), 0);
    assert_true(st.st_size > 0);
    maintain_all(c); /* right after a batch: nothing due */
    assert_int_equal(stat(path_in(c, "-wal"), &st), 0);
    assert_true(st.st_size > 0);
    maintain_all(c); /* idle */
    assert_int_equal(stat(path_in(c, "-wal"), &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void a_dropped_database_is_emptied_in_bounded_steps(void **state)
{
    struct contract *c = contract_of(state);
    enum { KEYS = 9000 };
    struct backend_item *items = calloc(KEYS, sizeof(*items));
    char *names = malloc(KEYS * 12);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(names + i * 12, 12, "%010u", i);
        items[i] = string_item(1, slice_of(names + i * 12, 10), KEY("v"));
    }
    struct backend_dbmap map = MAP(1), next = MAP(2);
    apply_batch(
        c, (struct backend_batch){.cut_lsn = 1, .items = items, .items_len = KEYS, .dbmap = &map});
    apply_batch(c, (struct backend_batch){.cut_lsn = 2, .dbmap = &next});
    sqlite3 *db = outsider(c);
    assert_int_equal(number(db, "SELECT count(*) FROM string"), 0);
    int64_t left = KEYS;
    bool more = true;
    for (int rounds = 0; more; rounds++) {
        assert_int_equal(c->ops->maintain(c->b, 0, &more, NULL), RC_OK);
        int64_t now = number(db, "SELECT count(*) FROM weir_key");
        assert_true(left - now <= 2000 && rounds < 10);
        left = now;
    }
    assert_int_equal(left, 0);
    sqlite3_close(db);
    free(items);
    free(names);
}

/* ---- the change log stays small ---- */

static void settled_changes_leave_the_log(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "1"), STRING(1, "b", "1"), STRING(1, "c", "1"));
    sqlite3 *db = outsider(c);
    check_poll(c, "");
    execute(db, "UPDATE weir_key SET value = '2'");
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), 3);
    LOADED(c, 1, "a", "string 2");
    APPLY(c, 2, STRING(1, "b", "3"));
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), 1);
    check_poll(c, "c ");
    for (uint64_t n = 3; n < 6; n++) {
        APPLY(c, n, STRING(1, "x", "1"));
        maintain_all(c);
    }
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), 0);
    sqlite3_close(db);
}

static void unpolled_changes_stay_in_the_log(void **state)
{
    struct contract *c = contract_of(state);
    sqlite3 *db = outsider(c);
    execute(db, "INSERT INTO weir_key(db, key, type, value) VALUES (1, 'a', 1, 'x')");
    for (uint64_t n = 1; n < 9; n++) {
        APPLY(c, n, STRING(1, "x", "1"));
        maintain_all(c);
    }
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), 1);
    check_poll(c, "a ");
    sqlite3_close(db);
}

static enum rc count_and_settle(void *ctx, const struct backend_item *item)
{
    int *polled = ctx;
    (void)item;
    ++*polled;
    return RC_NOT_FOUND;
}

static void many_polled_changes_are_forgotten_without_a_flush(void **state)
{
    struct contract *c = contract_of(state);
    sqlite3 *db = outsider(c);
    int polled = 0;
    execute(db, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999) "
                "INSERT INTO weir_key(db, key, type, value) "
                "SELECT 1, printf('%06d', i), 1, i FROM n");
    assert_int_equal(c->ops->poll(c->b, count_and_settle, &polled, NULL), RC_OK);
    assert_int_equal(polled, 3000);
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), 0);
    sqlite3_close(db);
}

static void many_loaded_changes_are_forgotten_without_a_flush(void **state)
{
    struct contract *c = contract_of(state);
    check_poll(c, "");
    enum { KEYS = 3000 };
    struct backend_item *keys = calloc(KEYS, sizeof(*keys));
    char *names = malloc(KEYS * 8);
    sqlite3 *db = outsider(c);
    execute(db, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999) "
                "INSERT INTO weir_key(db, key, type, value) "
                "SELECT 1, printf('%06d', i), 1, i FROM n");
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(names + i * 8, 8, "%06u", i % 1000000);
        keys[i] = (struct backend_item){.db = 1, .key = slice_of(names + i * 8, 6)};
    }
    struct buf got = {0};
    assert_int_equal(c->ops->load(c->b, keys, KEYS, render_item, &got, NULL), RC_OK);
    buf_fini(&got);
    assert_int_equal(number(db, "SELECT count(*) FROM weir_change"), 0);
    sqlite3_close(db);
    free(keys);
    free(names);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup_sqlite, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_database_has_one_weir),
        TEST(a_url_without_a_file_is_refused),
        TEST(a_directory_that_is_missing_is_reported),
        TEST(a_file_that_is_no_database_is_corrupt),
        TEST(a_damaged_page_is_corrupt_and_not_a_crash),
        TEST(a_newer_format_is_refused),
        TEST(a_database_with_clashing_tables_is_refused),
        TEST(a_weir_meta_of_somebody_else_is_refused),
        TEST(a_utf16_database_is_refused),
        TEST(a_database_may_be_shared_with_other_tables),
        TEST(a_locked_database_is_busy_and_loses_nothing),
        TEST(a_full_disk_is_full_and_loses_nothing),
        TEST(a_store_that_became_read_only_says_so),
        TEST(a_read_only_file_is_refused),
        TEST(a_value_above_the_limit_is_refused),
        TEST(a_refused_value_of_several_rows_leaves_nothing_behind),
        TEST(a_row_of_which_an_index_cannot_be_computed_is_refused),
        TEST(an_index_on_a_function_that_is_not_known_is_the_stores_failure),
        TEST(a_kill_leaves_one_whole_batch_or_the_other),
        TEST(commits_are_synced_and_checkpoints_are_ours),
        TEST(a_dropped_database_is_emptied_in_bounded_steps),
        TEST(settled_changes_leave_the_log),
        TEST(unpolled_changes_stay_in_the_log),
        TEST(many_polled_changes_are_forgotten_without_a_flush),
        TEST(many_loaded_changes_are_forgotten_without_a_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
