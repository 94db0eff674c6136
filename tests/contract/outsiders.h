/* Somebody else who changes a store beside the proxy, and a judge of the conflicts that come of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CONTRACT_OUTSIDERS_H
#define TESTS_CONTRACT_OUTSIDERS_H

#include "contract.h"

/* ---- somebody else, with each backend's own means ---- */

static inline void sqlite_bind(sqlite3_stmt *s, int at, struct slice bytes)
{
    if (backend_is_text(bytes))
        sqlite3_bind_text(s, at, bytes.ptr, (int)bytes.len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_blob(s, at, bytes.ptr, (int)bytes.len, SQLITE_TRANSIENT);
}

/* One statement about (db, key) and up to two more values, as any program would send it. */
static inline void sqlite_outside(sqlite3 *db, const char *sql, const struct backend_item *item,
                                  const struct backend_element *e)
{
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    sqlite3_bind_int64(s, 1, item->db);
    sqlite_bind(s, 2, item->key);
    if (item->type == VALUE_LIST)
        sqlite3_bind_int64(s, 3, e->position);
    else if (sqlite3_bind_parameter_count(s) >= 3)
        sqlite_bind(s, 3, e != NULL ? e->name : item->value);
    if (item->type == VALUE_ZSET && sqlite3_bind_parameter_count(s) >= 4)
        sqlite3_bind_double(s, 4, e->score);
    else if (sqlite3_bind_parameter_count(s) >= 4)
        sqlite_bind(s, 4, e->value);
    if (sqlite3_step(s) != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(s);
}

static inline void sqlite_edit(struct contract *c, const struct backend_item *item)
{
    char path[160];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/%s", c->dir, strchr(c->url, ':') + 1);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 2000);
    if (item->type == VALUE_NONE)
        sqlite_outside(db, "DELETE FROM weir_key WHERE db = ?1 AND key = ?2", item, NULL);
    if (item->type == VALUE_STRING)
        sqlite_outside(db,
                       "INSERT OR REPLACE INTO weir_key(db, key, type, value) "
                       "VALUES (?1, ?2, 1, ?3)",
                       item, NULL);
    static const char *const puts[] = {
        [VALUE_HASH] = "INSERT OR REPLACE INTO weir_hash VALUES (?1, ?2, ?3, ?4)",
        [VALUE_LIST] = "INSERT OR REPLACE INTO weir_list VALUES (?1, ?2, ?3, ?4)",
        [VALUE_SET] = "INSERT OR REPLACE INTO weir_set VALUES (?1, ?2, ?3)",
        [VALUE_ZSET] = "INSERT OR REPLACE INTO weir_zset VALUES (?1, ?2, ?3, ?4)"};
    static const char *const takes[] = {
        [VALUE_HASH] = "DELETE FROM weir_hash WHERE db = ?1 AND key = ?2 AND field = ?3",
        [VALUE_LIST] = "DELETE FROM weir_list WHERE db = ?1 AND key = ?2 AND position = ?3",
        [VALUE_SET] = "DELETE FROM weir_set WHERE db = ?1 AND key = ?2 AND member = ?3",
        [VALUE_ZSET] = "DELETE FROM weir_zset WHERE db = ?1 AND key = ?2 AND member = ?3"};
    for (uint32_t i = 0; i < item->elements_len; i++)
        sqlite_outside(db, (item->elements[i].removed ? takes : puts)[item->type], item,
                       &item->elements[i]);
    sqlite3_close(db);
}

static inline void memory_edit_of(struct contract *c, const struct backend_item *item)
{
    memory_edit(strchr(c->url, ':') + 1, item);
}

static const struct {
    const char *scheme;
    void (*edit)(struct contract *c, const struct backend_item *item);
} outsiders[] = {{"sqlite", sqlite_edit}, {"memory", memory_edit_of}};

static inline void edit(struct contract *c, struct backend_item item)
{
    for (size_t i = 0; i < COUNT_OF(outsiders); i++) {
        if (strcmp(outsiders[i].scheme, c->ops->scheme) == 0) {
            outsiders[i].edit(c, &item);
            return;
        }
    }
    skip();
}

/* ---- a judge that writes down what it is shown ---- */

struct judge {
    enum backend_verdict verdict;
    int asked, merged;
    struct buf seen; /* "base | ours | theirs", for each */
};

static inline void note(struct judge *j, const struct backend_item *item)
{
    struct buf text = {0};
    if (item == NULL)
        buf_append_str(&text, "unknown");
    else
        (void)render_item(&text, item);
    buf_append_slice(&j->seen, buf_slice(&text));
    buf_fini(&text);
}

static inline enum backend_verdict judge(void *ctx, uint32_t item,
                                         const struct backend_conflict *conflict)
{
    struct judge *j = ctx;
    (void)item;
    buf_append_str(&j->seen, j->asked++ > 0 ? "; " : "");
    note(j, conflict->base);
    buf_append_str(&j->seen, " | ");
    note(j, conflict->ours);
    buf_append_str(&j->seen, " | ");
    note(j, conflict->theirs);
    return j->verdict;
}

static inline void note_merge(void *ctx, uint32_t item)
{
    struct judge *j = ctx;
    (void)item;
    j->merged++;
}

static inline void apply_judged(struct contract *c, struct judge *j,
                                const struct backend_item *items, size_t n)
{
    apply_batch(c, (struct backend_batch){.cut_lsn = position_of(c).cut_lsn + 1,
                                          .items = items,
                                          .items_len = (uint32_t)n,
                                          .on_conflict = judge,
                                          .on_merged = note_merge,
                                          .ctx = j});
}
/* Applies items and checks what the judge saw of them; "" when there was no conflict. */
#define JUDGED(c, its_verdict, expected, ...)                            \
    do {                                                                 \
        struct judge j_ = {.verdict = (its_verdict)};                    \
        apply_judged(c, &j_, LIST_OF(struct backend_item, __VA_ARGS__)); \
        check_text(&j_.seen, expected);                                  \
    } while (0)

#endif
