/* SQLite: the numbers of keys that are kept are those that counting would give, whoever writes; and
 * where they cannot be known, everything is counted once.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

#include "backends/sqlite/check.h"
#include "backends/sqlite/internal.h"

#include <poll.h>

enum { STEPS = 600, NAMES = 12, DATABASES = 2 };

static void check_kept(const struct contract *c, const char *after)
{
    if (contract_miscounted(c) != 0)
        fail_msg("weir_count is wrong after: %s", after);
}

/* ---- many writers ---- */

static uint64_t below(uint64_t *seed, uint64_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % n;
}

/* What another program may do to keys; {k} and {l} are names, {d} and {e} databases, {x} an expiry.
 */
static const char *const outside_forms[] = {
    "INSERT OR IGNORE INTO weir_key VALUES ({d}, {k}, 1, {x}, 'a')",
    "INSERT OR REPLACE INTO weir_key VALUES ({d}, {k}, 1, {x}, 'b')",
    "INSERT INTO weir_key VALUES ({d}, {k}, 1, {x}, 'c') ON CONFLICT DO UPDATE SET "
    "expires_at = {x}",
    "UPDATE weir_key SET expires_at = {x} WHERE db = {d} AND key = {k}",
    "UPDATE OR REPLACE weir_key SET db = {e}, key = {l}, expires_at = {x} WHERE db = {d} AND key = "
    "{k} AND type = 1",
    "UPDATE OR IGNORE weir_key SET key = {l} WHERE db = {d} AND key = {k} AND type = 1",
    "DELETE FROM weir_key WHERE db = {d} AND key = {k}",
    "DELETE FROM weir_key WHERE db = {d}",
    "INSERT OR IGNORE INTO string(db, key, value, expires_at) VALUES (0, {k}, 'd', {x})",
    "UPDATE OR REPLACE string SET key = {l} WHERE key = {k}",
    "DELETE FROM string WHERE key = {k}",
    "INSERT OR IGNORE INTO weir_hash VALUES ({d}, {k}, 'f', 'v')",
    "INSERT OR REPLACE INTO weir_set VALUES ({d}, {k}, 'm')",
    "DELETE FROM weir_hash WHERE db = {d} AND key = {k}",
    "DELETE FROM weir_set WHERE db = {d}",
    "BEGIN; INSERT OR REPLACE INTO weir_key VALUES ({d}, {k}, 1, {x}, 'e'); ROLLBACK",
};

static void write_form(struct buf *sql, const char *form, uint64_t *seed)
{
    const char *open;
    while ((open = strchr(form, '{')) != NULL) {
        buf_append(sql, form, (size_t)(open - form));
        if (open[1] == 'd' || open[1] == 'e')
            buf_printf(sql, "%d", (int)(1 + below(seed, DATABASES)));
        else if (open[1] == 'x')
            buf_append_str(sql, below(seed, 2) == 0 ? "NULL" : "4000000000000");
        else
            buf_printf(sql, "'k%d'", (int)below(seed, NAMES));
        form = open + 3;
    }
    buf_append(sql, form, strlen(form) + 1);
}

/* Errors are part of it: of the wrong type, for one. What failed has changed nothing. */
static void write_outside(sqlite3 *db, uint64_t *seed, struct buf *sql)
{
    const char *form = outside_forms[below(seed, COUNT_OF(outside_forms))];
    sqlite3_exec(db,
                 below(seed, 2) == 0 ? "PRAGMA recursive_triggers = ON"
                                     : "PRAGMA recursive_triggers = OFF",
                 NULL, NULL, NULL);
    sql->len = 0;
    write_form(sql, form, seed);
    sqlite3_exec(db, sql->data, NULL, NULL, NULL);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

static struct backend_item any_item(uint64_t *seed, char *name, size_t size)
{
    static const struct backend_element field = {.name = {"f", 1}, .value = {"w", 1}};
    static const struct backend_element member = {.name = {"m", 1}};
    struct backend_item item = {.db = 1 + (uint32_t)below(seed, DATABASES)};
    snprintf(name, size, "k%d", (int)below(seed, NAMES));
    item.key = slice_of(name, strlen(name));
    item.expires_at_ms = below(seed, 2) == 0 ? 0 : 4000000000000;
    item.replace = true;
    switch (below(seed, 4)) {
    case 0:
        item.expires_at_ms = 0;
        return item;
    case 1:
        item.type = VALUE_STRING;
        item.value = SLICE("v");
        return item;
    case 2:
        item.type = VALUE_HASH;
        item.elements = &field;
        break;
    default:
        item.type = VALUE_SET;
        item.elements = &member;
    }
    item.elements_len = 1;
    return item;
}

static void the_numbers_are_right_whoever_writes(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap map = {.len = DATABASES, .store_db = {1, 2}};
    uint64_t seed = (uint64_t)clock_mono().us;
    struct buf sql = {0};
    print_message("seed %llu\n", (unsigned long long)seed);
    struct err err;
    struct backend_applied applied;
    struct backend_batch first = {.cut_lsn = 1, .dbmap = &map};
    assert_int_equal(c->ops->apply(c->b, &first, &applied, &err), RC_OK);
    /* of the owner: refuses every string or field there, also over another type */
    outside(c, "CREATE INDEX mine ON weir_key(json(value)) WHERE key IN ('k1', 'k2', 'k3');"
               "CREATE INDEX mine_too ON weir_hash(json(value)) WHERE key IN ('k4', 'k5', 'k6')");
    sqlite3 *db = outsider(c);
    for (uint64_t i = 2; i < STEPS; i++) {
        char name[16];
        struct backend_item item = any_item(&seed, name, sizeof(name));
        struct backend_batch batch = {.cut_lsn = i, .items = &item, .items_len = 1};
        if (below(&seed, 2) == 0) {
            write_outside(db, &seed, &sql);
            check_kept(c, sql.data);
        } else {
            assert_int_equal(c->ops->apply(c->b, &batch, &applied, &err), RC_OK);
            check_kept(c, name);
        }
    }
    sqlite3_close(db);
    buf_fini(&sql);
}

/* ---- answering ---- */

static void named_keys_are_counted_among_all(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    APPLY(c, 1, STRING(1, "a", "v"), STRING(1, "b", "v"), STRING(1, "c", "v"), STRING(2, "d", "v"));
    outside(c, "UPDATE weir_key SET expires_at = 4000000000000 WHERE key = 'b';"
               "UPDATE weir_key SET expires_at = 1 WHERE key = 'c'");
    struct slice named[] = {SLICE("b"), SLICE("c"), SLICE("d"), SLICE("a")};
    struct backend_count n = {.db = 1, .named = named, .named_len = COUNT_OF(named)};
    assert_int_equal(c->ops->count(c->b, &n, &err), RC_OK);
    assert_int_equal(n.keys, 2);
    assert_int_equal(n.expires, 1);
    assert_int_equal(n.found, 2);
    assert_int_equal(n.found_expires, 1);
}

/* ---- counting once ---- */

static void wait_until_counted(const struct contract *c)
{
    for (int i = 0; outsider_number(c, "SELECT count(*) FROM weir_count WHERE db = 0") != 1; i++) {
        assert_true(i < 1000);
        (void)poll(NULL, 0, 10);
    }
}

static void a_database_of_an_older_version_is_counted(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "v"), STRING(1, "b", "v"), STRING(2, "c", "v"));
    c->ops->close(&c->b);
    outside(c, "DROP TABLE weir_count; DROP TRIGGER weir_key_inserted;"
               "CREATE TRIGGER weir_key_inserted AFTER INSERT ON weir_key BEGIN SELECT 1; END;"
               "UPDATE weir_meta SET value = 3 WHERE name = 'revision'");
    contract_open(c);
    check_count(c, 1, 2); /* counted or not */
    wait_until_counted(c);
    assert_int_equal(outsider_number(c, "SELECT keys FROM weir_count WHERE db = 1"), 2);
    assert_int_equal(outsider_number(c, "SELECT keys FROM weir_count WHERE db = 2"), 1);
    check_count(c, 2, 1);
}

static void what_is_written_while_keys_are_counted_counts(void **state)
{
    struct contract *c = contract_of(state);
    uint64_t lsn = 1;
    for (int round = 0; round < 10; round++) {
        c->ops->close(&c->b);
        outside(c, "DELETE FROM weir_count");
        contract_open(c);
        do {
            lsn++;
            APPLY(c, lsn, STRING(1, "a", "v"), STRING(2, "b", "v"));
            outside(c, "INSERT INTO weir_key VALUES (1, 'x' || random(), 1, NULL, 'v')");
            lsn++;
            APPLY(c, lsn, DELETED(1, "a"));
        } while (outsider_number(c, "SELECT count(*) FROM weir_count WHERE db = 0") != 1);
        check_kept(c, "counting");
    }
}

static int told;

static void note_wrong(const char *what)
{
    told += strstr(what, "weir_count: says 9 keys") != NULL;
}

static void check_tells_of_a_wrong_number(void **state)
{
    struct contract *c = contract_of(state);
    char path[160];
    struct sqlite_checked checked;
    struct err err;
    APPLY(c, 1, STRING(1, "a", "v"));
    snprintf(path, sizeof(path), "%s/%s", c->dir, strchr(c->url, ':') + 1);
    assert_int_equal(sqlite_check_file(path, note_wrong, &checked, &err), RC_OK);
    assert_int_equal(checked.wrong, 0);
    outside(c, "UPDATE weir_count SET keys = 9 WHERE db = 1");
    assert_int_equal(sqlite_check_file(path, note_wrong, &checked, &err), RC_OK);
    assert_int_equal(told, 1);
    c->ops->close(&c->b);
    outside(c, "DELETE FROM weir_count"); /* as it says */
    contract_open(c);
    wait_until_counted(c);
    assert_int_equal(sqlite_check_file(path, note_wrong, &checked, &err), RC_OK);
    assert_int_equal(checked.wrong, 0);
}

static void a_trigger_that_was_gone_makes_them_be_counted(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "v"));
    outside(c, "DROP TRIGGER weir_key_inserted;"
               "INSERT INTO weir_key VALUES (1, 'b', 1, NULL, 'v')");
    maintain_all(c);
    wait_until_counted(c);
    check_count(c, 1, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup_sqlite, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_numbers_are_right_whoever_writes),
        TEST(named_keys_are_counted_among_all),
        TEST(a_database_of_an_older_version_is_counted),
        TEST(what_is_written_while_keys_are_counted_counts),
        TEST(check_tells_of_a_wrong_number),
        TEST(a_trigger_that_was_gone_makes_them_be_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
