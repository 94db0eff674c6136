/* SQLite for people: the views show what the proxy sees, use the index, take changes, and refuse
 * what would make the tables contradict each other.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

/* The test's state: a store with databases 0 -> 11 and 1 -> 12, and an outsider's connection. */
struct views {
    struct contract *c;
    sqlite3 *db;
};

static int setup(void **state)
{
    struct views *v = calloc(1, sizeof(*v));
    void *contract = (void *)(uintptr_t)&backend_sqlite;
    char path[160];
    if (contract_setup(&contract) != 0)
        return -1;
    v->c = contract;
    snprintf(path, sizeof(path), "%s/%s", v->c->dir, strchr(v->c->url, ':') + 1);
    assert_int_equal(sqlite3_open(path, &v->db), SQLITE_OK);
    struct backend_dbmap map = MAP(11, 12);
    struct backend_item items[] = {STRING(11, "x", "text"),
                                   STRING(11, "y", "\xff"),
                                   STRING(12, "x", "in one"),
                                   WHOLE(11, HASH, "h", FIELD("f", "v"), FIELD("g", "w")),
                                   WHOLE(11, LIST, "l", AT(5, "b"), AT(-1, "a")),
                                   WHOLE(11, SET, "s", MEMBER("m")),
                                   WHOLE(11, ZSET, "z", SCORED("m", 1.5)),
                                   STRING(13, "x", "in no database")};
    items[1].expires_at_ms = 99000000000000;
    apply_batch(v->c,
                (struct backend_batch){
                    .cut_lsn = 1, .dbmap = &map, .items = items, .items_len = COUNT_OF(items)});
    *state = v;
    return 0;
}

static int teardown(void **state)
{
    struct views *v = *state;
    void *contract = v->c;
    sqlite3_close(v->db);
    free(v);
    return contract_teardown(&contract);
}

/* Runs SQL as somebody else; rows come as "a|b|c" with spaces between, an error as its text. */
static void check_sql(void **state, const char *sql, const char *expected)
{
    struct views *v = *state;
    struct buf got = {0};
    sqlite3_stmt *s;
    int result = sqlite3_prepare_v2(v->db, sql, -1, &s, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(s);
        if (result == SQLITE_ROW && got.len > 0)
            buf_append_str(&got, " ");
        for (int i = 0; result == SQLITE_ROW && i < sqlite3_column_count(s); i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            buf_append_str(&got, i > 0 ? "|" : "");
            buf_append_escaped(&got, slice_str(text != NULL ? text : "null"), 200);
        }
    }
    if (result != SQLITE_DONE)
        buf_append_str(&got, sqlite3_errmsg(v->db));
    sqlite3_finalize(s);
    check_text(&got, expected);
}

static void check_key(void **state, uint32_t db, const char *key, const char *expected)
{
    struct views *v = *state;
    struct backend_item item = {.db = db, .key = slice_str(key)};
    check_loaded(v->c, &item, 1, expected);
}

/* ---- reading ---- */

static void each_type_has_a_view(void **state)
{
    check_sql(state, "SELECT * FROM string",
              "0|x|text|null 0|y|\\xff|99000000000000 1|x|in one|null");
    check_sql(state, "SELECT * FROM hash", "0|h|f|v 0|h|g|w");
    check_sql(state, "SELECT * FROM list", "0|l|-1|a 0|l|5|b");
    check_sql(state, "SELECT * FROM \"set\"", "0|s|m");
    check_sql(state, "SELECT * FROM zset", "0|z|m|1.5");
    check_sql(state, "SELECT key, type FROM keys WHERE db = 0",
              "h|hash l|list s|set x|string y|string z|zset");
}

static void text_is_text_and_the_rest_is_blob(void **state)
{
    check_sql(state, "SELECT key, typeof(key), typeof(value) FROM string WHERE db = 0",
              "x|text|text y|text|blob");
}

static void a_dropped_database_is_invisible_at_once(void **state)
{
    struct views *v = *state;
    struct backend_dbmap map = MAP(14, 12);
    apply_batch(v->c, (struct backend_batch){.cut_lsn = 2, .dbmap = &map});
    check_sql(state, "SELECT * FROM string", "1|x|in one|null");
    check_sql(state, "SELECT * FROM hash", "");
    check_sql(state, "SELECT * FROM keys", "1|x|string|null");
}

static void exchanged_databases_are_exchanged_in_the_views(void **state)
{
    struct views *v = *state;
    struct backend_dbmap map = MAP(12, 11);
    apply_batch(v->c, (struct backend_batch){.cut_lsn = 2, .dbmap = &map});
    check_sql(state, "SELECT value FROM string WHERE db = 1 AND key = 'x'", "text");
    check_sql(state, "SELECT value FROM string WHERE db = 0 AND key = 'x'", "in one");
}

static void check_plan(void **state, const char *query, const char *search)
{
    struct views *v = *state;
    sqlite3_stmt *s;
    struct buf plan = {0}, sql = {0};
    buf_printf(&sql, "EXPLAIN QUERY PLAN %s", query);
    assert_int_equal(sqlite3_prepare_v2(v->db, sql.data, -1, &s, NULL), SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        buf_printf(&plan, "%s; ", (const char *)sqlite3_column_text(s, 3));
    sqlite3_finalize(s);
    if (strstr(plan.data, search) == NULL)
        fail_msg("%s: %s", query, plan.data);
    buf_fini(&plan);
    buf_fini(&sql);
}

static void a_query_by_key_uses_the_index(void **state)
{
    check_plan(state, "SELECT * FROM string WHERE key = 'x'",
               "SEARCH k USING PRIMARY KEY (db=? AND key=?)");
    check_plan(state, "SELECT * FROM string WHERE db = 0 AND key = 'x'",
               "SEARCH k USING PRIMARY KEY (db=? AND key=?)");
    check_plan(state, "SELECT * FROM string WHERE key BETWEEN 'user:' AND 'user;'",
               "SEARCH k USING PRIMARY KEY (db=? AND key>? AND key<?)");
    check_plan(state, "SELECT * FROM keys WHERE key = 'x'",
               "SEARCH k USING PRIMARY KEY (db=? AND key=?)");
    check_plan(state, "SELECT * FROM hash WHERE key = 'h'",
               "SEARCH x USING PRIMARY KEY (db=? AND key=?)");
    check_plan(state, "SELECT * FROM hash WHERE key = 'h' AND field = 'f'",
               "SEARCH x USING PRIMARY KEY (db=? AND key=? AND field=?)");
    check_plan(state, "SELECT * FROM list WHERE key = 'l'",
               "SEARCH x USING PRIMARY KEY (db=? AND key=?)");
    check_plan(state, "SELECT * FROM \"set\" WHERE key = 's' AND member = 'm'",
               "SEARCH x USING PRIMARY KEY (db=? AND key=? AND member=?)");
    check_plan(state, "SELECT * FROM zset WHERE key = 'z'",
               "SEARCH x USING PRIMARY KEY (db=? AND key=?)");
}

/* ---- writing through the views ---- */

static void strings_are_written_through_the_view(void **state)
{
    struct views *v = *state;
    check_sql(state, "INSERT INTO string(key, value) VALUES ('new', 'one'), ('x', 'two')", "");
    check_key(state, 11, "new", "string one");
    check_key(state, 11, "x", "string two");
    check_sql(state, "INSERT INTO string VALUES (1, 42, 43, 99000000000000)", "");
    check_key(state, 12, "42", "string 43 until 99000000000000");
    check_sql(state, "UPDATE string SET value = value || '!' WHERE db = 0 AND key = 'x'", "");
    check_key(state, 11, "x", "string two!");
    check_sql(state, "UPDATE string SET key = 'renamed' WHERE db = 0 AND key = 'x'", "");
    check_key(state, 11, "x", "none");
    check_key(state, 11, "renamed", "string two!");
    check_sql(state, "DELETE FROM string WHERE key = 'renamed'", "");
    check_key(state, 11, "renamed", "none");
    check_poll(v->c, "new x 42 renamed ");
}

static void elements_are_written_through_the_views(void **state)
{
    struct views *v = *state;
    check_sql(state, "INSERT INTO hash(key, field, value) VALUES ('h', 'f', 'vv'), ('n', 1, 2)",
              "");
    check_key(state, 11, "h", "hash f=vv g=w");
    check_key(state, 11, "n", "hash 1=2");
    check_sql(state, "UPDATE hash SET value = 'ww', field = 'gg' WHERE field = 'g'", "");
    check_key(state, 11, "h", "hash f=vv gg=ww");
    check_sql(state, "DELETE FROM hash WHERE key = 'h' AND field = 'f'", "");
    check_key(state, 11, "h", "hash gg=ww");
    check_sql(state, "INSERT INTO list(key, position, value) VALUES ('l', 6, 'c')", "");
    check_sql(state, "DELETE FROM list WHERE value = 'a'", "");
    check_key(state, 11, "l", "list 5=b 6=c");
    check_sql(state, "INSERT INTO \"set\"(key, member) VALUES ('s', 'm'), ('s', 'n')", "");
    check_key(state, 11, "s", "set m n");
    check_sql(state, "UPDATE zset SET score = score + 1", "");
    check_sql(state, "INSERT INTO zset(key, member, score) VALUES ('z', 'k', 7)", "");
    check_key(state, 11, "z", "zset k=7 m=2.5");
    check_poll(v->c, "h n l s z ");
}

static void deleting_the_last_element_deletes_the_key(void **state)
{
    check_sql(state, "DELETE FROM hash WHERE key = 'h'", "");
    check_sql(state, "SELECT count(*) FROM weir_key WHERE key = 'h'", "0");
    check_key(state, 11, "h", "none");
}

static void deleting_a_key_deletes_its_elements(void **state)
{
    check_sql(state, "DELETE FROM weir_key WHERE key IN ('h', 'l', 's', 'z')", "");
    check_sql(state,
              "SELECT (SELECT count(*) FROM weir_hash) + (SELECT count(*) FROM weir_list) + "
              "(SELECT count(*) FROM weir_set) + (SELECT count(*) FROM weir_zset)",
              "0");
}

static void a_string_written_over_a_hash_replaces_it(void **state)
{
    check_sql(state, "INSERT INTO string(key, value) VALUES ('h', 'now text')", "");
    check_key(state, 11, "h", "string now text");
    check_sql(state, "REPLACE INTO weir_key(db, key, type, value) VALUES (11, 's', 1, 'too')", "");
    check_key(state, 11, "s", "string too");
    check_sql(state, "SELECT (SELECT count(*) FROM weir_hash) + (SELECT count(*) FROM weir_set)",
              "0");
}

static void nonsense_is_refused(void **state)
{
    check_sql(state, "INSERT INTO string(db, key, value) VALUES (5, 'a', 'b')", "no such database");
    check_sql(state, "INSERT INTO hash(key, field, value) VALUES ('x', 'f', 'v')",
              "WRONGTYPE the key holds another type");
    check_sql(state, "UPDATE weir_key SET key = 'other' WHERE key = 'h'",
              "only a string can be renamed");
    check_sql(state, "UPDATE hash SET key = 'other'", "an element cannot move to another key");
    check_sql(state, "INSERT INTO weir_key(db, key, type, value) VALUES (11, 5, 1, 'x')",
              "CHECK constraint failed: typeof(key) IN ('text', 'blob')");
    check_sql(state, "INSERT INTO weir_key(db, key, type) VALUES (11, 'a', 1)",
              "CHECK constraint failed: (type = 1) = (value IS NOT NULL)");
    check_sql(state, "INSERT INTO weir_key(db, key, type) VALUES (11, 'a', 9)",
              "CHECK constraint failed: type IN (1, 2, 3, 4, 5)");
    check_sql(state, "INSERT INTO zset(key, member, score) VALUES ('z', 'k', 'high')",
              "CHECK constraint failed: typeof(score) = 'real'");
}

static void others_may_use_recursive_triggers(void **state)
{
    struct views *v = *state;
    check_sql(state, "PRAGMA recursive_triggers = ON", "");
    check_sql(state, "REPLACE INTO weir_key(db, key, type, value) VALUES (11, 'x', 1, 'r')", "");
    check_sql(state, "REPLACE INTO weir_hash(db, key, field, value) VALUES (11, 'h', 'f', 'r')",
              "");
    check_sql(state, "DELETE FROM weir_key WHERE key = 's'", "");
    check_key(state, 11, "x", "string r");
    check_key(state, 11, "h", "hash f=r g=w");
    check_key(state, 11, "s", "none");
    check_poll(v->c, "x h s ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_type_has_a_view),
        TEST(text_is_text_and_the_rest_is_blob),
        TEST(a_dropped_database_is_invisible_at_once),
        TEST(exchanged_databases_are_exchanged_in_the_views),
        TEST(a_query_by_key_uses_the_index),
        TEST(strings_are_written_through_the_view),
        TEST(elements_are_written_through_the_views),
        TEST(deleting_the_last_element_deletes_the_key),
        TEST(deleting_a_key_deletes_its_elements),
        TEST(a_string_written_over_a_hash_replaces_it),
        TEST(nonsense_is_refused),
        TEST(others_may_use_recursive_triggers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
