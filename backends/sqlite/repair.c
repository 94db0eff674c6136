/* Is the schema the one that this version creates? If not: what can be repaired, and what is said.
 *
 * Somebody drops a trigger, and from then on their changes are not noticed; a view, and a person
 * reads nothing. So every table, index, view and trigger is compared, by its text, with what a new
 * database would get: a database in memory is made for that, so that there is no second list.
 *
 *   trigger, view, index   missing or changed: made again, in one transaction, with a log line
 *   weir_change            missing: made again; what others changed before is forgotten, and said
 *   weir_count             missing: made again; the keys are counted once (count.c)
 *   weir_dropped           missing: made again; emptied databases may leave rows behind
 *   an element table       missing: made again if no key has elements in it
 *   weir_key, weir_db      missing: made again in a database that never held anything
 *   any other difference   refused: a table is data
 *
 * Quotes are left out of the comparison: ALTER TABLE adds them when it renames there and back.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { OBJECTS_MAX = 64 };

enum difference { SAME, MISSING, CHANGED, NOT_OURS };

struct object {
    char *type, *name, *table, *sql;
    enum difference was; /* before anything was repaired */
};

struct repair {
    const struct sqlite_conn *c;
    struct object objects[OBJECTS_MAX];
    size_t len;
    bool old_revision; /* of our texts: differences are ours */
    bool unnoticed;    /* changes of others may have gone unnoticed */
    bool uncounted;    /* and may be missing in weir_count */
};

static char *copy_column(sqlite3_stmt *s, int at)
{
    const char *text = (const char *)sqlite3_column_text(s, at);
    char *copy = strdup(text != NULL ? text : "");
    must(copy != NULL);
    return copy;
}

static enum rc read_expected(struct repair *r, sqlite3 *fresh, struct err *err)
{
    struct sqlite_conn c = {.path = "a new database", .db = fresh};
    sqlite3_stmt *s = NULL;
    enum rc rc = sqlite_schema_create(&c, err);
    if (rc != RC_OK)
        return rc;
    int result = sqlite3_prepare_v2(fresh,
                                    "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                                    "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' "
                                    "ESCAPE '\\' ORDER BY rowid",
                                    -1, &s, NULL);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
        result = sqlite3_step(s);
        if (result != SQLITE_ROW)
            break;
        must(r->len < OBJECTS_MAX);
        r->objects[r->len++] = (struct object){.type = copy_column(s, 0),
                                               .name = copy_column(s, 1),
                                               .table = copy_column(s, 2),
                                               .sql = copy_column(s, 3)};
    }
    rc = result == SQLITE_DONE ? RC_OK : sqlite_fail(&c, result, "reading its schema", err);
    sqlite3_finalize(s);
    return rc;
}

static bool same_text(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "\"");
        b += strspn(b, "\"");
        if (*a != *b)
            return false;
        if (*a == '\0')
            return true;
    }
}

static enum rc repair_look(struct repair *r, const struct object *o, enum difference *out,
                           struct err *err)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(
        r->c->db, "SELECT type, sql FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE", -1, &s,
        NULL);
    if (result == SQLITE_OK)
        result = sqlite3_bind_text(s, 1, o->name, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    enum rc rc = RC_OK;
    *out = MISSING;
    if (result == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(s, 1);
        if (strcmp((const char *)sqlite3_column_text(s, 0), o->type) != 0)
            *out = NOT_OURS;
        else
            *out = sql != NULL && same_text(sql, o->sql) ? SAME : CHANGED;
    } else if (result != SQLITE_DONE) {
        rc = sqlite_fail(r->c, result, "reading its schema", err);
    }
    sqlite3_finalize(s);
    return rc;
}

static enum rc repair_execute(struct repair *r, const char *sql, struct err *err)
{
    return sqlite_exec(r->c, sql, "repairing its schema", err);
}

static bool is(const struct object *o, const char *name)
{
    return strcmp(o->name, name) == 0;
}

/* Whether a table that is missing can have held nothing. A query that fails says that it can. */
static enum rc may_be_empty(struct repair *r, const struct object *o, bool *out, struct err *err)
{
    static const struct {
        const char *table, *held;
    } proofs[] = {
        {"weir_hash", "SELECT 1 FROM weir_key WHERE type = 2 LIMIT 1"},
        {"weir_list", "SELECT 1 FROM weir_key WHERE type = 3 LIMIT 1"},
        {"weir_set", "SELECT 1 FROM weir_key WHERE type = 4 LIMIT 1"},
        {"weir_zset", "SELECT 1 FROM weir_key WHERE type = 5 LIMIT 1"},
        {"weir_key", "SELECT 1 FROM weir_meta WHERE name = 'cut_lsn' AND value > 0"},
        {"weir_db", "SELECT 1 FROM weir_meta WHERE name = 'cut_lsn' AND value > 0"},
    };
    int64_t held = 0;
    enum rc rc = RC_OK;
    for (size_t i = 0; i < COUNT_OF(proofs) && rc == RC_OK; i++)
        if (is(o, proofs[i].table))
            rc = sqlite_query_number(r->c, proofs[i].held, 0, &held, err);
    *out = held == 0;
    return rc;
}

static enum rc repair_table(struct repair *r, const struct object *o, struct err *err)
{
    bool empty = false;
    if (o->was == CHANGED)
        return err_set(err, RC_FOREIGN,
                       "%s: its table %s was altered; undo that (.schema %s shows it), or restore "
                       "a backup",
                       r->c->path, o->name, o->name);
    enum rc rc = may_be_empty(r, o, &empty, err);
    if (rc == RC_OK && !empty)
        rc = err_set(err, RC_CORRUPT,
                     "%s: its table %s is missing, and it held data; rename it back, or restore a "
                     "backup",
                     r->c->path, o->name);
    if (rc == RC_OK)
        rc = repair_execute(r, o->sql, err);
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < r->len; i++) /* went with their table */
        if (strcmp(r->objects[i].table, o->name) == 0)
            r->objects[i].was = SAME;
    if (r->old_revision && is(o, "weir_count"))
        return RC_OK; /* there was none */
    r->unnoticed = true;
    log_line(LOG_WARNING, "%s: its table %s was missing and has been made again, empty%s",
             r->c->path, o->name,
             is(o, "weir_change") ? "; what others changed before is not known any more" : "");
    return RC_OK;
}

static enum rc make_again(struct repair *r, const struct object *o, enum difference now,
                          struct err *err)
{
    char drop[128];
    enum rc rc = RC_OK;
    if (now == CHANGED) {
        snprintf(drop, sizeof(drop), "DROP %s \"%s\"", o->type, o->name);
        rc = repair_execute(r, drop, err);
    }
    if (rc == RC_OK)
        rc = repair_execute(r, o->sql, err);
    bool watches = strcmp(o->type, "trigger") == 0 && strncmp(o->table, "weir_", 5) == 0;
    r->uncounted = r->uncounted || watches;
    bool is_index = strcmp(o->type, "index") == 0;
    bool ours = r->old_revision && (o->was == CHANGED || is_index);
    if (rc != RC_OK || o->was == SAME || ours)
        return rc;
    r->unnoticed = r->unnoticed || watches;
    log_line(LOG_WARNING, "%s: its %s %s was %s and has been made again%s", r->c->path, o->type,
             o->name, o->was == MISSING ? "missing" : "changed",
             watches ? "; what others changed meanwhile was not noticed" : "");
    return rc;
}

static enum rc repair_all(struct repair *r, struct err *err)
{
    enum rc rc = RC_OK;
    bool differs = false;
    for (size_t i = 0; i < r->len && rc == RC_OK; i++) {
        struct object *o = &r->objects[i];
        rc = repair_look(r, o, &o->was, err);
        differs |= o->was != SAME;
        if (rc == RC_OK && o->was == NOT_OURS)
            rc = err_set(err, RC_FOREIGN, "%s: something else is named %s, as Weir's %s is",
                         r->c->path, o->name, o->type);
    }
    if (rc != RC_OK || !differs)
        return rc;
    for (size_t i = 0; i < r->len && rc == RC_OK; i++)
        if (strcmp(r->objects[i].type, "table") == 0 && r->objects[i].was != SAME)
            rc = repair_table(r, &r->objects[i], err);
    for (size_t i = 0; i < r->len && rc == RC_OK; i++) {
        enum difference now; /* dropping a view drops its triggers, which follow it in the list */
        rc = repair_look(r, &r->objects[i], &now, err);
        if (rc == RC_OK && now != SAME)
            rc = make_again(r, &r->objects[i], now, err);
    }
    if (rc == RC_OK && r->uncounted)
        rc = repair_execute(r, "DELETE FROM weir_count WHERE db = 0", err);
    return rc;
}

static enum rc read_revision(struct repair *r, struct err *err)
{
    int64_t revision;
    enum rc rc = sqlite_query_number(r->c,
                                     "SELECT CAST(value AS INTEGER) FROM weir_meta WHERE name = "
                                     "'revision'",
                                     1, &revision, err);
    r->old_revision = revision < SCHEMA_REVISION;
    return rc;
}

static enum rc write_revision(struct repair *r, struct err *err)
{
    char sql[96];
    if (!r->old_revision)
        return RC_OK;
    snprintf(sql, sizeof(sql), "REPLACE INTO weir_meta(name, value) VALUES ('revision', %d)",
             SCHEMA_REVISION);
    log_line(LOG_NOTICE, "%s: its views, triggers and indexes are those of this version now",
             r->c->path);
    return repair_execute(r, sql, err);
}

enum rc sqlite_schema_repair(const struct sqlite_conn *c, bool *unnoticed, struct err *err)
{
    struct repair *r = calloc(1, sizeof(*r));
    sqlite3 *fresh = NULL;
    must(r != NULL);
    r->c = c;
    enum rc rc = RC_OK;
    if (sqlite3_open(":memory:", &fresh) != SQLITE_OK)
        rc = err_set(err, RC_NOMEM, "%s: no memory to check its schema", c->path);
    if (rc == RC_OK)
        rc = read_expected(r, fresh, err);
    if (rc == RC_OK)
        rc = read_revision(r, err);
    if (rc == RC_OK)
        rc = repair_all(r, err);
    if (rc == RC_OK)
        rc = write_revision(r, err);
    *unnoticed = r->unnoticed;
    for (size_t i = 0; i < r->len; i++) {
        free(r->objects[i].type);
        free(r->objects[i].name);
        free(r->objects[i].table);
        free(r->objects[i].sql);
    }
    sqlite3_close(fresh);
    free(r);
    return rc;
}
