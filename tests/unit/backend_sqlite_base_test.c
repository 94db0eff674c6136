/* SQLite: what recovery loads is what a key was before others changed it, whatever they did.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

static int setup(void **state)
{
    if (contract_setup_sqlite(state) != 0)
        return -1;
    struct contract *c = *state;
    struct backend_dbmap map = MAP(1);
    struct backend_item items[] = {STRING(1, "s", "text"),
                                   STRING(1, "due", "soon"),
                                   WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")),
                                   WHOLE(1, LIST, "l", AT(-1, "x"), AT(0, "y"), AT(4, "z")),
                                   WHOLE(1, SET, "m", MEMBER("p"), MEMBER("q")),
                                   WHOLE(1, ZSET, "z", SCORED("p", 1.5), SCORED("q", -2))};
    items[1].expires_at_ms = 1000; /* long past: recovery needs it nevertheless */
    apply_batch(c, (struct backend_batch){
                       .cut_lsn = 1, .dbmap = &map, .items = items, .items_len = COUNT_OF(items)});
    return 0;
}

#define S_BEFORE "string text"
#define H_BEFORE "hash a=1 b=2"
#define L_BEFORE "list -1=x 0=y 4=z"
#define M_BEFORE "set p q"
#define Z_BEFORE "zset p=1.5 q=-2"
#define ALL_BEFORE                                                   \
    S_BEFORE "; " H_BEFORE "; " L_BEFORE "; " M_BEFORE "; " Z_BEFORE \
             "; string soon until 1000; none"

/* All keys, as recovery asks for them. */
static void check_base(struct contract *c, const char *expected)
{
    static const char *const names[] = {"s", "h", "l", "m", "z", "due", "new"};
    struct backend_item keys[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        keys[i] = (struct backend_item){
            .db = 1, .key = slice_str(names[i]), .expires_at_ms = BACKEND_EVEN_EXPIRED};
    check_loaded(c, keys, COUNT_OF(keys), expected);
}

/* Whatever `sql` does while the proxy is down, recovery sees what was before, twice if it must. */
static void check_unchanged_base(void **state, const char *sql)
{
    struct contract *c = contract_of(state);
    c->ops->close(&c->b);
    outside(c, sql);
    contract_open(c);
    check_base(c, ALL_BEFORE);
    contract_reopen(c); /* recovery was killed, and runs again */
    check_base(c, ALL_BEFORE);
}

static void without_changes_the_base_is_what_is_there(void **state)
{
    struct contract *c = contract_of(state);
    contract_reopen(c);
    check_base(c, ALL_BEFORE);
}

static void a_string_changed_or_deleted(void **state)
{
    check_unchanged_base(state, "UPDATE string SET value = 'theirs'");
    check_unchanged_base(state, "DELETE FROM string WHERE key = 's'");
}

static void a_key_inserted(void **state)
{
    check_unchanged_base(state, "INSERT INTO string(key, value) VALUES ('new', 'theirs')");
    check_unchanged_base(state, "REPLACE INTO weir_key(db, key, type, value) "
                                "VALUES (1, 's', 1, 'replaced'), (1, 'new', 1, 'again')");
}

static void an_aggregate_inserted(void **state)
{
    check_unchanged_base(state, "INSERT INTO hash(key, field, value) VALUES ('new', 'f', 'v'), "
                                "('new', 'g', 'w')");
    check_unchanged_base(state, "DELETE FROM hash WHERE key = 'new';"
                                "INSERT INTO \"set\"(key, member) VALUES ('new', 'm')");
}

static void an_aggregate_inserted_into_its_table(void **state)
{
    check_unchanged_base(state, "INSERT INTO weir_zset VALUES (1, 'new', 'm', 7.0)");
}

static void fields_changed_added_and_removed(void **state)
{
    check_unchanged_base(state, "UPDATE hash SET value = 'theirs' WHERE key = 'h' AND field = 'a'");
    check_unchanged_base(state, "INSERT INTO hash(key, field, value) VALUES ('h', 'c', '3'), "
                                "('h', 'b', 'over')");
    check_unchanged_base(state, "DELETE FROM hash WHERE key = 'h' AND field = 'a'");
    check_unchanged_base(state, "UPDATE hash SET field = 'renamed' WHERE field = 'c'");
    check_unchanged_base(state, "REPLACE INTO weir_hash VALUES (1, 'h', 'a', 'back')");
}

static void members_and_scores_changed(void **state)
{
    check_unchanged_base(state, "UPDATE zset SET score = score + 10;"
                                "UPDATE zset SET member = 'r' WHERE member = 'p'");
    check_unchanged_base(state, "INSERT INTO \"set\"(key, member) VALUES ('m', 'r');"
                                "DELETE FROM \"set\" WHERE member = 'q'");
}

static void list_positions_changed(void **state)
{
    check_unchanged_base(state, "DELETE FROM list WHERE position = 0");
    check_unchanged_base(state, "UPDATE list SET position = 2 WHERE position = 4");
    check_unchanged_base(state, "INSERT INTO list(key, position, value) VALUES ('l', 0, 'new'), "
                                "('l', 9, 'end'), ('l', 4, 'again')");
    check_unchanged_base(state, "UPDATE list SET value = value || '!'");
}

static void a_whole_aggregate_deleted(void **state)
{
    check_unchanged_base(state, "DELETE FROM weir_key WHERE key IN ('h', 'l', 'm', 'z')");
    check_unchanged_base(state, "INSERT INTO hash(key, field, value) VALUES ('h', 'a', 'reborn')");
}

static void an_aggregate_deleted_by_its_elements(void **state)
{
    check_unchanged_base(state, "DELETE FROM hash; DELETE FROM list; DELETE FROM \"set\"; "
                                "DELETE FROM zset");
}

static void an_aggregate_turned_into_a_string(void **state)
{
    check_unchanged_base(state, "INSERT INTO string(key, value) VALUES ('h', 'text'), "
                                "('l', 'text'), ('m', 'text'), ('z', 'text')");
}

static void an_aggregate_replaced_by_a_string(void **state)
{
    check_unchanged_base(state, "REPLACE INTO weir_key(db, key, type, value) VALUES "
                                "(1, 'h', 1, 'text'), (1, 'l', 1, 'text'), (1, 'm', 1, 'text'), "
                                "(1, 'z', 1, 'text')");
}

static void a_string_turned_into_an_aggregate(void **state)
{
    check_unchanged_base(state, "DELETE FROM weir_key WHERE key = 's';"
                                "INSERT INTO hash(key, field, value) VALUES ('s', 'f', 'v')");
    check_unchanged_base(state, "UPDATE weir_key SET type = 4 , value = NULL WHERE key = 's';"
                                "INSERT INTO \"set\"(key, member) VALUES ('s', 'm')");
}

static void a_hash_turned_into_a_set_and_back(void **state)
{
    check_unchanged_base(state, "UPDATE weir_key SET type = 4 WHERE key = 'h';"
                                "INSERT INTO \"set\"(key, member) VALUES ('h', 'a')");
    check_unchanged_base(state, "UPDATE weir_key SET type = 2 WHERE key = 'h';"
                                "INSERT INTO hash(key, field, value) VALUES ('h', 'a', '9'), "
                                "('h', 'z', '9')");
}

static void expiry_changed(void **state)
{
    check_unchanged_base(state, "UPDATE weir_key SET expires_at = 5");
    check_unchanged_base(state, "UPDATE weir_key SET expires_at = NULL");
    check_unchanged_base(state, "UPDATE hash SET value = 'later'; DELETE FROM string");
}

static void what_cannot_be_read_as_text(void **state)
{
    check_unchanged_base(state, "INSERT INTO hash(key, field, value) VALUES ('h', x'ff00', x'00')");
    check_unchanged_base(state, "UPDATE hash SET value = x'00ff' WHERE key = 'h'");
}

/* Once the proxy serves, it wants what is there. */
static void after_the_first_poll_a_load_shows_what_is_there(void **state)
{
    struct contract *c = contract_of(state);
    outside(c, "UPDATE string SET value = 'theirs'; DELETE FROM hash WHERE field = 'a'");
    contract_reopen(c);
    check_base(c, ALL_BEFORE);
    check_poll(c, "due s h ");
    check_base(c, "string theirs; hash b=2; " L_BEFORE "; " M_BEFORE "; " Z_BEFORE
                  "; string theirs until 1000; none");
}

/* Any of these may be refused (WRONGTYPE, NOT NULL): then it changes nothing. */
static void change_at_random(const struct contract *c, unsigned *seed)
{
    static const char *const statements[] = {
        "DELETE FROM weir_key WHERE key = '%s'",
        "REPLACE INTO weir_key(db, key, type, value) VALUES (1, '%s', 1, 'v')",
        "UPDATE weir_key SET type = 1, value = 'v' WHERE key = '%s'",
        "UPDATE weir_key SET type = 5, value = NULL WHERE key = '%s'",
        "UPDATE weir_key SET expires_at = 77 WHERE key = '%s'",
        "INSERT INTO string(key, value) VALUES ('%s', 'v')",
        "UPDATE OR REPLACE string SET key = 'new' WHERE key = '%s'",
        "INSERT INTO hash(key, field, value) VALUES ('%s', 'a', '7'), ('new', 'c', '8')",
        "REPLACE INTO weir_hash VALUES (1, '%s', 'b', '9')",
        "UPDATE OR REPLACE hash SET field = 'b' WHERE key = '%s'",
        "DELETE FROM weir_hash WHERE key = '%s' AND field = 'a'",
        "INSERT INTO list(key, position, value) VALUES ('%s', 0, 'w'), ('%s', 3, 'w')",
        "UPDATE OR REPLACE list SET position = 4 WHERE key = '%s' AND position < 3",
        "DELETE FROM list WHERE key = '%s'",
        "INSERT OR IGNORE INTO weir_set VALUES (1, '%s', 'p')",
        "DELETE FROM \"set\" WHERE key = '%s' AND member = 'q'",
        "INSERT INTO zset(key, member, score) VALUES ('%s', 'p', 3.5), ('%s', 'r', 4)",
        "DELETE FROM weir_zset WHERE key = '%s'",
    };
    static const char *const names[] = {"s", "h", "l", "m", "z", "due", "new"};
    char sql[256];
    const char *name = names[(unsigned)rand_r(seed) % COUNT_OF(names)];
    const char *format = statements[(unsigned)rand_r(seed) % COUNT_OF(statements)];
    const char *rest = format;
    sql[0] = '\0';
    for (const char *at; (at = strchr(rest, '%')) != NULL; rest = strchr(at, 's') + 1)
        snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "%.*s%s", (int)(at - rest), rest,
                 name);
    snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "%s", rest);
    sqlite3 *db = outsider(c);
    int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (result != SQLITE_OK && result != SQLITE_CONSTRAINT)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void many_changes_of_every_kind(void **state)
{
    struct contract *c = contract_of(state);
    const char *given = getenv("FAULT_SEED");
    unsigned seed = given != NULL ? (unsigned)atoi(given) : (unsigned)clock_mono().us;
    print_message("seed %u (FAULT_SEED repeats it)\n", seed);
    for (int round = 0; round < 20; round++) {
        c->ops->close(&c->b);
        for (int i = 0; i < 10; i++)
            change_at_random(c, &seed);
        contract_open(c);
        check_base(c, ALL_BEFORE);
    }
}

/* A large aggregate comes in pieces, and takes time in proportion. */
static enum rc count_elements(void *ctx, const struct backend_item *item)
{
    uint64_t *n = ctx;
    size_t bytes = 0;
    for (uint32_t i = 0; i < item->elements_len; i++)
        bytes += item->elements[i].name.len + item->elements[i].value.len;
    assert_true(bytes <= BACKEND_PIECE_BYTES);
    assert_int_equal(item->replace, *n == 0);
    *n += item->elements_len;
    return RC_OK;
}

static void a_large_aggregate_that_was_changed_throughout(void **state)
{
    struct contract *c = contract_of(state);
    enum { FIELDS = 60000 };
    struct backend_element *fields = calloc(FIELDS, sizeof(*fields));
    char *names = malloc(FIELDS * 12);
    for (unsigned i = 0; i < FIELDS; i++) {
        snprintf(names + i * 12, 12, "f%08u", i);
        fields[i].name = fields[i].value = slice_of(names + i * 12, 9);
    }
    struct backend_item big = {.db = 1,
                               .type = VALUE_HASH,
                               .key = KEY("big"),
                               .replace = true,
                               .elements = fields,
                               .elements_len = FIELDS};
    apply_items(c, 2, &big, 1);
    c->ops->close(&c->b);
    outside(c, "DELETE FROM weir_hash WHERE key = 'big' AND field > 'f00030000';"
               "UPDATE weir_hash SET value = 'theirs' WHERE key = 'big';"
               "INSERT INTO weir_hash SELECT 1, 'big', 'x' || field, 'y' FROM weir_hash "
               "WHERE key = 'big'");
    contract_open(c);
    struct backend_item key = {.db = 1, .key = KEY("big"), .expires_at_ms = BACKEND_EVEN_EXPIRED};
    uint64_t n = 0;
    struct mono began = clock_mono();
    assert_int_equal(c->ops->load(c->b, &key, 1, count_elements, &n, NULL), RC_OK);
    assert_int_equal(n, FIELDS);
    assert_true(clock_mono().us - began.us < 20 * 1000 * 1000); /* quadratic: minutes */
    free(fields);
    free(names);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_changes_the_base_is_what_is_there),
        TEST(a_string_changed_or_deleted),
        TEST(a_key_inserted),
        TEST(an_aggregate_inserted),
        TEST(an_aggregate_inserted_into_its_table),
        TEST(fields_changed_added_and_removed),
        TEST(members_and_scores_changed),
        TEST(list_positions_changed),
        TEST(a_whole_aggregate_deleted),
        TEST(an_aggregate_deleted_by_its_elements),
        TEST(an_aggregate_turned_into_a_string),
        TEST(an_aggregate_replaced_by_a_string),
        TEST(a_string_turned_into_an_aggregate),
        TEST(a_hash_turned_into_a_set_and_back),
        TEST(expiry_changed),
        TEST(what_cannot_be_read_as_text),
        TEST(after_the_first_poll_a_load_shows_what_is_there),
        TEST(many_changes_of_every_kind),
        TEST(a_large_aggregate_that_was_changed_throughout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
