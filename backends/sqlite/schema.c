/* The tables that hold the data, the views that people read, and the triggers that watch others.
 *
 * One row per key in weir_key: a string has its value there and so costs exactly one row; an
 * aggregate has its elements in the table of its type. Columns of bytes have no type: bytes that
 * are UTF-8 without NUL are stored as text, others as blobs, one representation for each.
 *
 * Our own connections run with triggers and CHECKs disabled, so these act on other writers only:
 * they keep the tables consistent with each other, and note in weir_change what a key was before
 * somebody changed it. Log rows are of three kinds (`part`):
 *   0  the row in weir_key, with the type (0: was absent), value and expiry that it had
 *   1  an element that was there: its name, and its value or score
 *   2  an element that was not there
 * The first row of a key has the type and the expiry that the key had; rows of elements have the
 * type of their own table, also when the key has become something else meanwhile.
 * Insertions are logged BEFORE they happen, because a REPLACE removes the old row without firing
 * its delete triggers. That logs an INSERT OR IGNORE that does nothing too: a conflict that was
 * none is better than one that nobody saw.
 *
 * The numbers in weir_count (count.c) are kept in the same way: what an insertion or a move
 * is about to replace is noted there BEFORE (`met`), and taken off AFTER, unless a delete trigger
 * has done so meanwhile.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/buf.h"

#include <stdio.h>
#include <sys/random.h>

static const char tables_sql[] =
    "CREATE TABLE weir_meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE weir_db(number INTEGER PRIMARY KEY, store_db INTEGER NOT NULL);"
    "CREATE TABLE weir_dropped(store_db INTEGER PRIMARY KEY);"
    "CREATE TABLE weir_count(db INTEGER PRIMARY KEY, keys INTEGER NOT NULL DEFAULT 0,"
    " expires INTEGER NOT NULL DEFAULT 0, met INTEGER NOT NULL DEFAULT 0,"
    " met_expiry INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE weir_key("
    " db INTEGER NOT NULL CHECK(typeof(db) = 'integer'),"
    " key NOT NULL CHECK(typeof(key) IN ('text', 'blob')),"
    " type INTEGER NOT NULL CHECK(type IN (1, 2, 3, 4, 5)),"
    " expires_at INTEGER CHECK(typeof(expires_at) IN ('integer', 'null')),"
    " value CHECK((type = 1) = (value IS NOT NULL))," /* last: it may be long and lie elsewhere */
    " PRIMARY KEY(db, key)) WITHOUT ROWID;"
    "CREATE INDEX weir_key_expires ON weir_key(expires_at) WHERE expires_at IS NOT NULL;"
    "CREATE TABLE weir_hash(db INTEGER NOT NULL, key NOT NULL,"
    " field NOT NULL CHECK(typeof(field) IN ('text', 'blob')), value NOT NULL,"
    " PRIMARY KEY(db, key, field)) WITHOUT ROWID;"
    "CREATE TABLE weir_list(db INTEGER NOT NULL, key NOT NULL,"
    " position INTEGER NOT NULL CHECK(typeof(position) = 'integer'), value NOT NULL,"
    " PRIMARY KEY(db, key, position)) WITHOUT ROWID;"
    "CREATE TABLE weir_set(db INTEGER NOT NULL, key NOT NULL,"
    " member NOT NULL CHECK(typeof(member) IN ('text', 'blob')),"
    " PRIMARY KEY(db, key, member)) WITHOUT ROWID;"
    "CREATE TABLE weir_zset(db INTEGER NOT NULL, key NOT NULL,"
    " member NOT NULL CHECK(typeof(member) IN ('text', 'blob')),"
    " score REAL NOT NULL CHECK(typeof(score) = 'real'),"
    " PRIMARY KEY(db, key, member)) WITHOUT ROWID;"
    "CREATE TABLE weir_change(seq INTEGER PRIMARY KEY AUTOINCREMENT, db INTEGER NOT NULL,"
    " key NOT NULL, part INTEGER NOT NULL, type INTEGER NOT NULL, value, expires_at INTEGER,"
    " name);"
    "CREATE INDEX weir_change_key ON weir_change(db, key);";

static const char key_views_sql[] =
    "CREATE VIEW keys(db, key, type, expires_at) AS"
    " SELECT d.number, k.key, CASE k.type WHEN 1 THEN 'string' WHEN 2 THEN 'hash'"
    " WHEN 3 THEN 'list' WHEN 4 THEN 'set' WHEN 5 THEN 'zset' END, k.expires_at"
    " FROM weir_db d CROSS JOIN weir_key k ON k.db = d.store_db;"
    "CREATE VIEW string(db, key, value, expires_at) AS"
    " SELECT d.number, k.key, k.value, k.expires_at"
    " FROM weir_db d CROSS JOIN weir_key k ON k.db = d.store_db AND k.type = 1;";

/* In what follows {word} stands for a piece of SQL, see schema_expand(). */
struct word {
    const char *name;
    const char *sql;
};

static const struct word common_words[] = {
    /* what a row is about to replace, or that there was none */
    {"log_new", "INSERT INTO weir_change(db, key, part, type, value, expires_at)"
                " SELECT NEW.db, NEW.key, 0, coalesce(k.type, 0), k.value, k.expires_at"
                " FROM (SELECT 1) LEFT JOIN weir_key k ON k.db = NEW.db AND k.key = NEW.key"},
    {"log_old", "INSERT INTO weir_change(db, key, part, type, value, expires_at)"
                " VALUES (OLD.db, OLD.key, 0, OLD.type, OLD.value, OLD.expires_at)"},
    {"clear_others", "DELETE FROM weir_hash WHERE db = NEW.db AND key = NEW.key AND NEW.type <> 2;"
                     "DELETE FROM weir_list WHERE db = NEW.db AND key = NEW.key AND NEW.type <> 3;"
                     "DELETE FROM weir_set WHERE db = NEW.db AND key = NEW.key AND NEW.type <> 4;"
                     "DELETE FROM weir_zset WHERE db = NEW.db AND key = NEW.key AND NEW.type <> 5"},
    {"count_row", "INSERT INTO weir_count(db) SELECT NEW.db WHERE NOT EXISTS"
                  " (SELECT 1 FROM weir_count WHERE db = NEW.db)"},
    {"count_met", "UPDATE weir_count SET met = EXISTS (SELECT 1 FROM weir_key k"
                  " WHERE k.db = NEW.db AND k.key = NEW.key),"
                  " met_expiry = EXISTS (SELECT 1 FROM weir_key k"
                  " WHERE k.db = NEW.db AND k.key = NEW.key AND k.expires_at IS NOT NULL)"
                  " WHERE db = NEW.db"},
    {"count_not_met", "UPDATE weir_count SET met = 0, met_expiry = 0 WHERE db = NEW.db"},
    {"count_new", "UPDATE weir_count SET keys = keys + 1 - met,"
                  " expires = expires + (NEW.expires_at IS NOT NULL) - met_expiry,"
                  " met = 0, met_expiry = 0 WHERE db = NEW.db"},
    {"count_old", "UPDATE weir_count SET keys = keys - 1,"
                  " expires = expires - (OLD.expires_at IS NOT NULL),"
                  " met = 0, met_expiry = 0 WHERE db = OLD.db"},
    /* views: the store database of a client's database, 0 unless said */
    {"check_db", "SELECT RAISE(ABORT, 'no such database') WHERE NOT EXISTS"
                 " (SELECT 1 FROM weir_db WHERE number = coalesce(NEW.db, 0))"},
    {"new_db", "(SELECT store_db FROM weir_db WHERE number = coalesce(NEW.db, 0))"},
    {"old_db", "(SELECT store_db FROM weir_db WHERE number = OLD.db)"},
    /* views: what a person writes; numbers are taken as the text that they look like */
    {"new_key", "CASE typeof(NEW.key) WHEN 'blob' THEN NEW.key ELSE CAST(NEW.key AS TEXT) END"},
    {"new_value",
     "CASE typeof(NEW.value) WHEN 'blob' THEN NEW.value ELSE CAST(NEW.value AS TEXT) END"},
    {"new_field",
     "CASE typeof(NEW.field) WHEN 'blob' THEN NEW.field ELSE CAST(NEW.field AS TEXT) END"},
    {"new_member",
     "CASE typeof(NEW.member) WHEN 'blob' THEN NEW.member ELSE CAST(NEW.member AS TEXT) END"},
    {NULL, NULL},
};

static const char key_triggers_sql[] =
    "CREATE TRIGGER weir_key_insert BEFORE INSERT ON weir_key BEGIN {log_new}; {count_row};"
    " {count_met}; END;"
    "CREATE TRIGGER weir_key_inserted AFTER INSERT ON weir_key BEGIN {count_new};"
    " {clear_others}; END;"
    "CREATE TRIGGER weir_key_update BEFORE UPDATE ON weir_key BEGIN"
    " SELECT RAISE(ABORT, 'only a string can be renamed')"
    " WHERE OLD.type <> 1 AND (OLD.db <> NEW.db OR OLD.key <> NEW.key);"
    " {log_old}; {log_new} WHERE OLD.db <> NEW.db OR OLD.key <> NEW.key;"
    " {count_row}; {count_not_met}; {count_met} AND (OLD.db <> NEW.db OR OLD.key <> NEW.key);"
    " END;"
    "CREATE TRIGGER weir_key_updated AFTER UPDATE ON weir_key BEGIN {count_new};"
    " {count_old}; {clear_others}; END;"
    "CREATE TRIGGER weir_key_delete BEFORE DELETE ON weir_key BEGIN {log_old}; END;"
    "CREATE TRIGGER weir_key_deleted AFTER DELETE ON weir_key BEGIN {count_old};"
    " DELETE FROM weir_hash WHERE db = OLD.db AND key = OLD.key;"
    " DELETE FROM weir_list WHERE db = OLD.db AND key = OLD.key;"
    " DELETE FROM weir_set WHERE db = OLD.db AND key = OLD.key;"
    " DELETE FROM weir_zset WHERE db = OLD.db AND key = OLD.key; END;";

static const char string_view_triggers_sql[] =
    "CREATE TRIGGER weir_string_insert INSTEAD OF INSERT ON string BEGIN {check_db};"
    " INSERT INTO weir_key(db, key, type, value, expires_at)"
    " VALUES ({new_db}, {new_key}, 1, coalesce({new_value}, ''), NEW.expires_at)"
    " ON CONFLICT(db, key) DO UPDATE SET type = 1, value = excluded.value,"
    " expires_at = excluded.expires_at; END;"
    "CREATE TRIGGER weir_string_update INSTEAD OF UPDATE ON string BEGIN {check_db};"
    " UPDATE weir_key SET db = {new_db}, key = {new_key}, value = coalesce({new_value}, ''),"
    " expires_at = NEW.expires_at WHERE db = {old_db} AND key = OLD.key; END;"
    "CREATE TRIGGER weir_string_delete INSTEAD OF DELETE ON string BEGIN"
    " DELETE FROM weir_key WHERE db = {old_db} AND key = OLD.key; END;";

/* What each aggregate says for the words of the two texts below. */
static const struct word aggregate_words[AGGREGATES][11] = {
    {{"table", "weir_hash"},
     {"view", "hash"},
     {"type", "2"},
     {"name", "field"},
     {"logged", "x.value"},
     {"columns", "field, value"},
     {"selected", "x.field, x.value"},
     {"inserted", "{new_field}, {new_value}"},
     {"upsert", "UPDATE SET value = excluded.value"},
     {"assigned", "field = {new_field}, value = {new_value}"}},
    {{"table", "weir_list"},
     {"view", "list"},
     {"type", "3"},
     {"name", "position"},
     {"logged", "x.value"},
     {"columns", "position, value"},
     {"selected", "x.position, x.value"},
     {"inserted", "NEW.position, {new_value}"},
     {"upsert", "UPDATE SET value = excluded.value"},
     {"assigned", "position = NEW.position, value = {new_value}"}},
    {{"table", "weir_set"},
     {"view", "\"set\""},
     {"type", "4"},
     {"name", "member"},
     {"logged", "NULL"},
     {"columns", "member"},
     {"selected", "x.member"},
     {"inserted", "{new_member}"},
     {"upsert", "NOTHING"},
     {"assigned", "member = {new_member}"}},
    {{"table", "weir_zset"},
     {"view", "zset"},
     {"type", "5"},
     {"name", "member"},
     {"logged", "x.score"},
     {"columns", "member, score"},
     {"selected", "x.member, x.score"},
     {"inserted", "{new_member}, NEW.score"},
     {"upsert", "UPDATE SET score = excluded.score"},
     {"assigned", "member = {new_member}, score = NEW.score"}},
};

static const struct word element_words[] = {
    /* the first element of a new key: that the key was absent comes first in the log */
    {"log_no_key",
     "INSERT INTO weir_change(db, key, part, type) SELECT NEW.db, NEW.key, 0, 0"
     " WHERE NOT EXISTS (SELECT 1 FROM weir_key WHERE db = NEW.db AND key = NEW.key)"},
    {"log_new_element",
     "INSERT INTO weir_change(db, key, part, type, expires_at, name, value)"
     " SELECT NEW.db, NEW.key, CASE WHEN x.db IS NULL THEN 2 ELSE 1 END, {type},"
     " k.expires_at, NEW.{name}, {logged} FROM (SELECT 1)"
     " LEFT JOIN weir_key k ON k.db = NEW.db AND k.key = NEW.key"
     " LEFT JOIN {table} x ON x.db = NEW.db AND x.key = NEW.key AND x.{name} = NEW.{name}"},
    {"log_old_element", "INSERT INTO weir_change(db, key, part, type, expires_at, name, value)"
                        " SELECT OLD.db, OLD.key, 1, {type}, k.expires_at, OLD.{name}, {logged}"
                        " FROM {table} x LEFT JOIN weir_key k ON k.db = x.db AND k.key = x.key"
                        " WHERE x.db = OLD.db AND x.key = OLD.key AND x.{name} = OLD.{name}"},
    {NULL, NULL},
};

static const char element_triggers_sql[] =
    "CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} BEGIN"
    " SELECT RAISE(ABORT, 'WRONGTYPE the key holds another type') WHERE EXISTS"
    " (SELECT 1 FROM weir_key WHERE db = NEW.db AND key = NEW.key AND type <> {type});"
    " {log_no_key}; {log_new_element}; END;"
    "CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN"
    " INSERT INTO weir_key(db, key, type) SELECT NEW.db, NEW.key, {type} WHERE NOT EXISTS"
    " (SELECT 1 FROM weir_key WHERE db = NEW.db AND key = NEW.key); END;"
    "CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} BEGIN"
    " SELECT RAISE(ABORT, 'an element cannot move to another key')"
    " WHERE OLD.db <> NEW.db OR OLD.key <> NEW.key;"
    " {log_old_element}; {log_new_element} WHERE OLD.{name} <> NEW.{name}; END;"
    "CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} BEGIN {log_old_element}; END;"
    "CREATE TRIGGER {table}_deleted AFTER DELETE ON {table} BEGIN"
    " DELETE FROM weir_key WHERE db = OLD.db AND key = OLD.key AND type = {type} AND NOT EXISTS"
    " (SELECT 1 FROM {table} WHERE db = OLD.db AND key = OLD.key); END;";

static const char element_view_sql[] =
    "CREATE VIEW {view}(db, key, {columns}) AS SELECT d.number, x.key, {selected}"
    " FROM weir_db d CROSS JOIN {table} x ON x.db = d.store_db;"
    "CREATE TRIGGER {table}_view_insert INSTEAD OF INSERT ON {view} BEGIN {check_db};"
    " INSERT INTO {table}(db, key, {columns}) VALUES ({new_db}, {new_key}, {inserted})"
    " ON CONFLICT DO {upsert}; END;"
    "CREATE TRIGGER {table}_view_update INSTEAD OF UPDATE ON {view} BEGIN {check_db};"
    " UPDATE {table} SET db = {new_db}, key = {new_key}, {assigned}"
    " WHERE db = {old_db} AND key = OLD.key AND {name} = OLD.{name}; END;"
    "CREATE TRIGGER {table}_view_delete INSTEAD OF DELETE ON {view} BEGIN"
    " DELETE FROM {table} WHERE db = {old_db} AND key = OLD.key AND {name} = OLD.{name}; END;";

static const char *word_find(const struct word *words, const char *name, size_t len)
{
    for (; words != NULL && words->name != NULL; words++)
        if (strlen(words->name) == len && memcmp(words->name, name, len) == 0)
            return words->sql;
    return NULL;
}

/* Appends a text of this file with its words put in; words may hold words. `mine` (of one
 * aggregate) may be NULL. */
static void schema_expand(struct buf *sql, const char *text, const struct word *mine)
{
    const char *open;
    while ((open = strchr(text, '{')) != NULL) {
        size_t len = strcspn(open + 1, "}");
        const char *word = word_find(mine, open + 1, len);
        if (word == NULL)
            word = word_find(common_words, open + 1, len);
        if (word == NULL)
            word = word_find(element_words, open + 1, len);
        must(word != NULL);
        buf_append(sql, text, (size_t)(open - text));
        schema_expand(sql, word, mine);
        text = open + 1 + len + 1;
    }
    buf_append_str(sql, text);
}

enum sqlite_statement sqlite_statement_for(enum sqlite_statement of_hash, enum value_type type)
{
    must(type >= VALUE_HASH && type <= VALUE_ZSET);
    return (enum sqlite_statement)((int)of_hash + (int)type - VALUE_HASH);
}

/* The store's own id tells this file from another that was copied over it while it is open. */
static enum rc create_meta(const struct sqlite_conn *c, struct err *err)
{
    unsigned char store_id[16];
    if (getrandom(store_id, sizeof(store_id), 0) != (ssize_t)sizeof(store_id))
        return err_set(err, RC_UNAVAILABLE, "%s: no random bytes for a store id", c->path);
    struct buf sql = {0};
    buf_printf(&sql,
               "INSERT INTO weir_meta VALUES ('format', %d);"
               "INSERT INTO weir_meta VALUES ('revision', %d);"
               "INSERT INTO weir_meta VALUES ('cut_lsn', 0);"
               "INSERT INTO weir_count(db) VALUES (0);"
               "INSERT INTO weir_meta VALUES ('store_id', x'",
               SCHEMA_FORMAT, SCHEMA_REVISION);
    for (size_t i = 0; i < sizeof(store_id); i++)
        buf_printf(&sql, "%02x", store_id[i]);
    buf_append(&sql, "')", sizeof("')"));
    enum rc rc = sqlite_exec(c, sql.data, "creating its tables", err);
    buf_fini(&sql);
    return rc;
}

enum rc sqlite_schema_create(const struct sqlite_conn *c, struct err *err)
{
    struct buf sql = {0};
    schema_expand(&sql, tables_sql, NULL);
    schema_expand(&sql, key_views_sql, NULL);
    schema_expand(&sql, key_triggers_sql, NULL);
    schema_expand(&sql, string_view_triggers_sql, NULL);
    for (int i = 0; i < AGGREGATES; i++) {
        schema_expand(&sql, element_triggers_sql, aggregate_words[i]);
        schema_expand(&sql, element_view_sql, aggregate_words[i]);
    }
    buf_append(&sql, "", 1);
    enum rc rc = sqlite_exec(c, sql.data, "creating its tables", err);
    buf_fini(&sql);
    return rc;
}

enum rc sqlite_query_number(const struct sqlite_conn *c, const char *sql, int64_t otherwise,
                            int64_t *out, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    *out = result == SQLITE_ROW ? sqlite3_column_int64(s, 0) : otherwise;
    enum rc rc = result == SQLITE_ROW || result == SQLITE_DONE
                     ? RC_OK
                     : sqlite_fail(c, result, "reading its schema", err);
    sqlite3_finalize(s);
    return rc;
}

static enum rc check_format(const struct sqlite_conn *c, struct err *err)
{
    int64_t format;
    enum rc rc = sqlite_query_number(
        c, "SELECT CAST(value AS INTEGER) FROM weir_meta WHERE name = 'format'", 0, &format, err);
    if (rc != RC_OK && rc != RC_UNAVAILABLE) /* unavailable: it has no such columns */
        return rc;
    if (format < 1)
        return err_set(err, RC_FOREIGN, "%s: has a table weir_meta that is not Weir's", c->path);
    if (format > SCHEMA_FORMAT)
        return err_set(err, RC_FOREIGN,
                       "%s: written by a newer Weir (format %lld, this one knows %d)", c->path,
                       (long long)format, (int)SCHEMA_FORMAT);
    return RC_OK;
}

/* A name of ours that somebody else uses; the database may hold other tables beside ours. */
static enum rc check_no_clash(const struct sqlite_conn *c, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(c->db,
                                    "SELECT type, name FROM sqlite_schema WHERE type IN ('table', "
                                    "'view') AND (name LIKE 'weir\\_%' ESCAPE '\\' OR lower(name) "
                                    "IN ('keys', 'string', 'hash', 'list', 'set', 'zset')) LIMIT 1",
                                    -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    enum rc rc = RC_OK;
    if (result == SQLITE_ROW)
        rc = err_set(err, RC_FOREIGN, "%s: not Weir's database, and has a %s named %s already",
                     c->path, (const char *)sqlite3_column_text(s, 0),
                     (const char *)sqlite3_column_text(s, 1));
    else if (result != SQLITE_DONE)
        rc = sqlite_fail(c, result, "reading its schema", err);
    sqlite3_finalize(s);
    return rc;
}

static enum rc check_encoding(const struct sqlite_conn *c, struct err *err)
{
    int64_t utf8;
    enum rc rc =
        sqlite_query_number(c, "SELECT encoding = 'UTF-8' FROM pragma_encoding", 0, &utf8, err);
    if (rc == RC_OK && utf8 == 0)
        rc = err_set(err, RC_FOREIGN, "%s: keeps text as UTF-16; Weir needs UTF-8", c->path);
    return rc;
}

static enum rc prepare_in_transaction(const struct sqlite_conn *c, struct err *err)
{
    int64_t ours;
    enum rc rc =
        sqlite_query_number(c,
                            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = "
                            "'weir_meta'",
                            0, &ours, err);
    if (rc == RC_OK)
        rc = check_encoding(c, err);
    if (rc != RC_OK)
        return rc;
    if (ours > 0) {
        bool unnoticed; /* nothing is in memory yet that could be stale */
        rc = check_format(c, err);
        return rc == RC_OK ? sqlite_schema_repair(c, &unnoticed, err) : rc;
    }
    rc = check_no_clash(c, err);
    if (rc == RC_OK)
        rc = sqlite_schema_create(c, err);
    return rc == RC_OK ? create_meta(c, err) : rc;
}

enum rc sqlite_schema_prepare(const struct sqlite_conn *c, struct err *err)
{
    enum rc rc = sqlite_exec(c, "BEGIN IMMEDIATE", "locking it", err);
    if (rc != RC_OK)
        return rc;
    rc = prepare_in_transaction(c, err);
    if (rc == RC_OK)
        rc = sqlite_exec(c, "COMMIT", "creating its tables", err);
    sqlite_rollback(c);
    return rc;
}
