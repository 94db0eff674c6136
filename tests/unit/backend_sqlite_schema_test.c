/* SQLite: the schema is checked whole, at start and while running; what can be made again is, with
 * a line in the log, and what cannot is refused.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

#include "backends/sqlite/internal.h"
#include "base/log.h"

#include <fcntl.h>

/* Everything in the schema as one text, quotes left out. */
static void schema_of(const struct contract *c, struct buf *out)
{
    sqlite3 *db = outsider(c);
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT type || ' ' || name || ' ' || "
                                        "replace(coalesce(sql, ''), '\"', '') FROM sqlite_schema "
                                        "ORDER BY type, name",
                                        -1, &s, NULL),
                     SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        buf_printf(out, "%s\n", (const char *)sqlite3_column_text(s, 0));
    buf_append(out, "", 1);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

/* ---- the log, as a person reads it ---- */

static void log_to_file(const struct contract *c, char *path, size_t size)
{
    snprintf(path, size, "%s/log", c->dir);
    unlink(path);
    assert_int_equal(log_open(path, NULL), RC_OK);
}

static void read_log(const char *path, struct buf *out)
{
    char bytes[65536];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    buf_append(out, bytes, n);
    buf_append(out, "", 1);
    assert_int_equal(log_open("", NULL), RC_OK);
}

/* `said`: NULL: nothing at all. */
static void check_log(const char *path, const char *said, const char *not_said)
{
    struct buf text = {0};
    read_log(path, &text);
    if (said == NULL ? text.len > 1 : strstr(text.data, said) == NULL)
        fail_msg("the log says \"%s\", and not \"%s\"", text.data, said == NULL ? "" : said);
    if (not_said != NULL && strstr(text.data, not_said) != NULL)
        fail_msg("the log says \"%s\"", text.data);
    buf_fini(&text);
}

/* What `sql` did to the schema is undone by the next start. */
static void check_repaired(void **state, const char *sql, const char *said)
{
    struct contract *c = contract_of(state);
    char path[128];
    struct buf before = {0}, after = {0};
    schema_of(c, &before);
    c->ops->close(&c->b);
    outside(c, sql);
    log_to_file(c, path, sizeof(path));
    contract_open(c);
    check_log(path, said, NULL);
    schema_of(c, &after);
    assert_string_equal(after.data, before.data);
    buf_fini(&before);
    buf_fini(&after);
}

static void a_schema_that_is_whole_is_left_alone(void **state)
{
    struct contract *c = contract_of(state);
    char path[128];
    int64_t version = outsider_number(c, "PRAGMA schema_version");
    log_to_file(c, path, sizeof(path));
    contract_reopen(c);
    check_log(path, NULL, NULL);
    assert_int_equal(outsider_number(c, "PRAGMA schema_version"), version);
}

static void a_dropped_trigger_is_made_again(void **state)
{
    check_repaired(state, "DROP TRIGGER weir_key_update",
                   "its trigger weir_key_update was missing and has been made again; what others "
                   "changed meanwhile was not noticed");
}

static void a_changed_trigger_is_made_again(void **state)
{
    check_repaired(state,
                   "DROP TRIGGER weir_hash_delete;"
                   "CREATE TRIGGER weir_hash_delete BEFORE DELETE ON weir_hash BEGIN SELECT 1; END",
                   "its trigger weir_hash_delete was changed and has been made again");
}

static void a_dropped_view_comes_back_with_its_triggers(void **state)
{
    check_repaired(state, "DROP VIEW string", "its view string was missing and has been made");
    check_repaired(state, "DROP VIEW \"set\"; CREATE VIEW \"set\" AS SELECT 1 AS one",
                   "its view set was changed");
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(1);
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &map});
    outside(c, "INSERT INTO \"set\"(key, member) VALUES ('s', 'm');"
               "INSERT INTO string(key, value) VALUES ('k', 'v')");
    LOADED(c, 1, "s", "set m");
    LOADED(c, 1, "k", "string v");
}

static void every_trigger_view_and_index_can_be_made_again(void **state)
{
    struct contract *c = contract_of(state);
    sqlite3 *db = outsider(c);
    struct buf drops = {0};
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT 'DROP ' || type || ' \"' || name || '\";' FROM "
                                        "sqlite_schema WHERE type = 'trigger' AND tbl_name LIKE "
                                        "'weir_%' OR type = 'view' OR name = 'weir_change_key'",
                                        -1, &s, NULL),
                     SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        buf_append_str(&drops, (const char *)sqlite3_column_text(s, 0));
    buf_append(&drops, "", 1);
    sqlite3_finalize(s);
    sqlite3_close(db);
    check_repaired(state, drops.data, "index weir_change_key was missing");
    buf_fini(&drops);
}

static void a_table_that_held_nothing_is_made_again(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"));
    check_repaired(state, "DROP TABLE weir_hash",
                   "its table weir_hash was missing and has been made again, empty");
    check_repaired(state, "DROP TABLE weir_change", "what others changed before is not known");
    check_repaired(state, "DROP TABLE weir_dropped", "weir_dropped was missing");
    LOADED(c, 1, "k", "string v");
}

static void check_refused(void **state, const char *sql, enum rc expected, const char *text)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 1000};
    struct buf before = {0}, after = {0};
    c->ops->close(&c->b);
    outside(c, sql);
    schema_of(c, &before);
    assert_int_equal(c->ops->open(&config, &c->b, &err), expected);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    schema_of(c, &after);
    assert_string_equal(after.data, before.data); /* nothing was touched */
    buf_fini(&before);
    buf_fini(&after);
}

static void a_table_that_held_data_is_not_made_up(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("f", "v")));
    check_refused(state, "ALTER TABLE weir_hash RENAME TO mine", RC_CORRUPT,
                  "table weir_hash is missing, and it held data");
    outside(c, "ALTER TABLE mine RENAME TO weir_hash");
    contract_open(c); /* there and back: quotes are no difference */
    LOADED(c, 1, "h", "hash f=v");
    check_refused(state, "DROP TABLE weir_key", RC_CORRUPT, "table weir_key is missing");
}

static void an_altered_table_is_refused(void **state)
{
    check_refused(state, "ALTER TABLE weir_key ADD COLUMN note", RC_FOREIGN,
                  "table weir_key was altered");
}

static void a_table_in_the_place_of_a_view_is_refused(void **state)
{
    check_refused(state, "DROP VIEW hash; CREATE TABLE hash(mine)", RC_FOREIGN,
                  "something else is named hash");
}

/* An older Weir's triggers are no sign of somebody's hand. */
static void the_texts_of_an_older_version_are_replaced_quietly(void **state)
{
    struct contract *c = contract_of(state);
    char path[128];
    c->ops->close(&c->b);
    outside(c, "DELETE FROM weir_meta WHERE name = 'revision'; DROP TRIGGER weir_zset_delete;"
               "CREATE TRIGGER weir_zset_delete BEFORE DELETE ON weir_zset BEGIN SELECT 'old'; "
               "END; DROP INDEX weir_key_expires");
    log_to_file(c, path, sizeof(path));
    contract_open(c);
    check_log(path, "its views, triggers and indexes are those of this version now", "missing");
    log_to_file(c, path, sizeof(path));
    contract_reopen(c);
    check_log(path, NULL, NULL);
    outside(c, "SELECT count(*) FROM weir_key INDEXED BY weir_key_expires "
               "WHERE expires_at IS NOT NULL");
}

/* ---- while running ---- */

struct polled {
    bool anything;
    struct buf keys;
};

static enum rc note_polled(void *ctx, const struct backend_item *item)
{
    struct polled *p = ctx;
    if (item->key.ptr == NULL)
        p->anything = true;
    else
        (void)render_polled(&p->keys, item);
    return RC_OK;
}

static void check_suspects_everything(struct contract *c, bool expected)
{
    struct polled p = {0};
    assert_int_equal(c->ops->poll(c->b, note_polled, &p, NULL), RC_OK);
    assert_int_equal(p.anything, expected);
    buf_fini(&p.keys);
}

static void a_trigger_dropped_while_running_is_made_again(void **state)
{
    struct contract *c = contract_of(state);
    char path[128];
    bool more;
    APPLY(c, 1, STRING(1, "k", "v"));
    check_suspects_everything(c, false);
    outside(c, "DROP TRIGGER weir_key_update; UPDATE weir_key SET value = 'unseen'");
    log_to_file(c, path, sizeof(path));
    assert_int_equal(c->ops->maintain(c->b, 10, &more, NULL), RC_OK);
    check_log(path, "trigger weir_key_update was missing", NULL);
    check_suspects_everything(c, true);
    check_suspects_everything(c, false);
    outside(c, "UPDATE weir_key SET value = 'seen'");
    check_poll(c, "k ");
}

static void a_batch_does_not_commit_before_the_triggers_are_back(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"));
    outside(c, "DROP TRIGGER weir_hash_insert; DROP VIEW keys");
    APPLY(c, 2, STRING(1, "k", "w"));
    assert_int_equal(outsider_number(c, "SELECT count(*) FROM sqlite_schema WHERE name IN "
                                        "('weir_hash_insert', 'keys')"),
                     2);
}

static void a_table_of_somebody_else_is_no_matter(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"));
    outside(c, "CREATE TABLE mine(x); CREATE INDEX by_value ON weir_key(value)");
    APPLY(c, 2, STRING(1, "k", "w"));
    check_suspects_everything(c, false);
    assert_int_equal(
        outsider_number(c, "SELECT count(*) FROM sqlite_schema WHERE name = 'by_value'"), 1);
}

static void a_table_renamed_while_running_is_told_and_waited_for(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_item item = WHOLE(1, HASH, "h", FIELD("f", "v"));
    struct backend_applied applied;
    struct err err = {0};
    apply_items(c, 1, &item, 1);
    outside(c, "ALTER TABLE weir_hash RENAME TO mine");
    struct backend_batch batch = {.cut_lsn = 2, .items = &item, .items_len = 1};
    assert_int_equal(try_apply(c, batch, &applied, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "weir_hash is missing"));
    outside(c, "ALTER TABLE mine RENAME TO weir_hash");
    assert_int_equal(try_apply(c, batch, &applied, &err), RC_OK);
    LOADED(c, 1, "h", "hash f=v");
}

/* ---- the map of databases ---- */

static void what_others_did_to_the_map_of_databases_is_undone_by_the_next_batch(void **state)
{
    static const char *const changes[] = {
        "DELETE FROM weir_db",
        "DELETE FROM weir_db WHERE number = 2",
        "UPDATE weir_db SET store_db = 1",
        "INSERT INTO weir_db VALUES (3, 8)",
        "UPDATE weir_db SET number = -1 WHERE number = 1",
    };
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(1, 7, 2);
    uint64_t lsn = 1;
    apply_batch(c, (struct backend_batch){.cut_lsn = lsn, .dbmap = &map});
    APPLY(c, ++lsn, STRING(7, "k", "v"));
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        outside(c, changes[i]);
        apply_batch(c, (struct backend_batch){.cut_lsn = ++lsn, .dbmap = &map});
        assert_int_equal(
            outsider_number(c, "SELECT count(*) * 100 + sum(number * store_db) FROM weir_db"),
            300 + 7 + 4);
        assert_int_equal(
            outsider_number(c, "SELECT count(*) FROM string WHERE db = 1 AND key = 'k'"), 1);
    }
}

static void one_store_database_for_two_numbers_is_refused(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(1, 2);
    struct backend_position position;
    struct err err = {0};
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &map});
    outside(c, "UPDATE weir_db SET store_db = 1");
    assert_int_equal(c->ops->position(c->b, &position, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "weir_db maps database 1 to 1"));
}

/* The first row of a key says what it was; a judge shows that as the base. */
static void the_log_of_a_new_aggregate_begins_with_its_absence(void **state)
{
    struct contract *c = contract_of(state);
    outside(c, "INSERT INTO weir_hash VALUES (1, 'h', 'f', 'v'), (1, 'h', 'g', 'w')");
    assert_int_equal(
        outsider_number(c, "SELECT part * 10 + type FROM weir_change ORDER BY seq LIMIT 1"), 0);
    assert_int_equal(
        outsider_number(c, "SELECT count(*) FROM weir_change WHERE part = 2 AND type = 2"), 2);
    outside(c, "INSERT INTO weir_hash VALUES (1, 'h', 'h', 'x')");
    assert_int_equal(outsider_number(c,
                                     "SELECT part * 10 + type FROM weir_change ORDER BY seq DESC "
                                     "LIMIT 1"),
                     22);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup_sqlite, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_schema_that_is_whole_is_left_alone),
        TEST(a_dropped_trigger_is_made_again),
        TEST(a_changed_trigger_is_made_again),
        TEST(a_dropped_view_comes_back_with_its_triggers),
        TEST(every_trigger_view_and_index_can_be_made_again),
        TEST(a_table_that_held_nothing_is_made_again),
        TEST(a_table_that_held_data_is_not_made_up),
        TEST(an_altered_table_is_refused),
        TEST(a_table_in_the_place_of_a_view_is_refused),
        TEST(the_texts_of_an_older_version_are_replaced_quietly),
        TEST(a_trigger_dropped_while_running_is_made_again),
        TEST(a_batch_does_not_commit_before_the_triggers_are_back),
        TEST(a_table_of_somebody_else_is_no_matter),
        TEST(a_table_renamed_while_running_is_told_and_waited_for),
        TEST(what_others_did_to_the_map_of_databases_is_undone_by_the_next_batch),
        TEST(one_store_database_for_two_numbers_is_refused),
        TEST(the_log_of_a_new_aggregate_begins_with_its_absence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
