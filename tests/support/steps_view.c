/* See steps_internal.h: looking and comparing.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/steps_internal.h"

#include "base/num.h"
#include "base/stats.h"
#include "journal/journal.h"
#include "journal/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEMS_MAX = 4096, LIST_SLACK = 2 };

/* --- What a client sees --- */

/* The leaves of a RESP2 reply, in order. */
static uint32_t leaves(struct slice reply, struct slice *out)
{
    uint32_t n = 0;
    for (size_t at = 0; at < reply.len && n < ITEMS_MAX;) {
        const char *line = reply.ptr + at;
        const char *end = memchr(line, '\r', reply.len - at);
        must(end != NULL);
        size_t len = (size_t)(end - line);
        at += len + 2;
        int64_t announced = line[0] == '$' ? strtoll(line + 1, NULL, 10) : -1;
        if (line[0] == '$' && announced >= 0) {
            out[n++] = slice_of(reply.ptr + at, (size_t)announced);
            at += (size_t)announced + 2;
        } else if (line[0] != '*') {
            out[n++] = slice_of(line + 1, len - 1);
        }
    }
    return n;
}

static uint32_t ask(uint32_t db, int key, const char *before, const char *after, struct slice *out)
{
    static struct words w;
    w.len = 0;
    words_add(&w, slice_str(before));
    words_add(&w, slice_str(model_key_names[key]));
    char copy[64];
    snprintf(copy, sizeof(copy), "%s", after);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words_add(&w, slice_str(word));
    steps_say(db, &w);
    return leaves(buf_slice(&steps.clients[0].reply), out);
}

static enum value_type type_named(struct slice name)
{
    for (int type = VALUE_NONE; type <= VALUE_ZSET; type++)
        if (slice_eq(name, slice_str(value_type_name((enum value_type)type))))
            return (enum value_type)type;
    steps_fail("TYPE says '%.*s'", (int)name.len, name.ptr);
}

static double score_in(struct slice text)
{
    double score = 0;
    if (!num_parse_double(text, &score))
        steps_fail("a score is '%.*s'", (int)text.len, text.ptr);
    return score;
}

static struct model_value *value_of(enum value_type type, const struct slice *found, uint32_t n)
{
    struct model_value *v = model_value_new(type);
    bool pairs = type == VALUE_HASH || type == VALUE_ZSET;
    for (uint32_t i = 0; i + (pairs ? 1 : 0) < n; i += pairs ? 2 : 1) {
        const struct text *first = model_text(found[i]);
        if (type == VALUE_HASH)
            model_value_add(v, first, model_text(found[i + 1]), 0);
        else if (type == VALUE_ZSET)
            model_value_add(v, first, NULL, score_in(found[i + 1]));
        else if (type == VALUE_SET)
            model_value_add(v, first, NULL, 0);
        else
            model_value_add(v, NULL, first, 0);
    }
    model_value_sort(v);
    return v;
}

struct model_value *view_key(uint32_t db, int key)
{
    static const char *const questions[][2] = {
        [VALUE_STRING] = {"GET", ""},
        [VALUE_HASH] = {"HGETALL", ""},
        [VALUE_LIST] = {"LRANGE", "0 -1"},
        [VALUE_SET] = {"SMEMBERS", ""},
        [VALUE_ZSET] = {"ZRANGE", "0 -1 WITHSCORES"},
    };
    static struct slice found[ITEMS_MAX];
    int64_t until = 0;
    uint32_t n = ask(db, key, "TYPE", "", found);
    must(n == 1);
    enum value_type type = type_named(found[0]);
    if (type == VALUE_NONE)
        return NULL;
    n = ask(db, key, questions[type][0], questions[type][1], found);
    struct model_value *v = value_of(type, found, n);
    n = ask(db, key, "PEXPIRETIME", "", found);
    must(n == 1 && num_parse_i64(found[0], &until));
    v->expires_at_ms = until > 0 ? until : 0;
    return v;
}

void view_check_key(uint32_t db, int key)
{
    steps.model.now_ms = steps_clock().ms;
    model_expire(&steps.model);
    struct model_value *got = view_key(db, key);
    if (!steps.edited[key] && !model_value_equal(got, steps.model.dbs[db].keys[key].value))
        steps_fail("database %u, key %s\n  a client sees %s\n  and should see %s", db,
                   model_key_names[key], model_value_show(got),
                   model_value_show(steps.model.dbs[db].keys[key].value));
    model_value_unref(&got);
    atomic_fetch_add(&steps.report->checks, 1);
}

void view_check_all(void)
{
    for (uint32_t db = 0; db < MODEL_DBS; db++)
        for (int key = 0; key < MODEL_KEYS; key++)
            view_check_key(db, key);
}

/* --- Pasts --- */

void view_note_past(void)
{
    uint64_t lsn = journal_last_lsn(keyspace_journal(steps.ks.ks));
    if (steps.pasts_len > 0 && steps.pasts[steps.pasts_len - 1].lsn == lsn) {
        model_clear(&steps.pasts[--steps.pasts_len].model);
    } else if (steps.pasts_len == steps.pasts_cap) {
        steps.pasts_cap = steps.pasts_cap * 2 + 64;
        steps.pasts = realloc(steps.pasts, steps.pasts_cap * sizeof(*steps.pasts));
        must(steps.pasts != NULL);
    }
    struct past *p = &steps.pasts[steps.pasts_len++];
    p->lsn = lsn;
    model_copy(&p->model, &steps.model);
}

void view_forget_pasts(size_t n)
{
    for (size_t i = 0; i < n; i++)
        model_clear(&steps.pasts[i].model);
    steps.pasts_len -= n;
    memmove(steps.pasts, steps.pasts + n, steps.pasts_len * sizeof(*steps.pasts));
}

/* --- What the backend has --- */

struct picture {
    uint64_t cut_lsn;
    uint32_t db; /* being read */
    struct model_value *keys[MODEL_DBS][MODEL_KEYS];
};

static void picture_fini(struct picture *p)
{
    for (int db = 0; db < MODEL_DBS; db++)
        for (int key = 0; key < MODEL_KEYS; key++)
            model_value_unref(&p->keys[db][key]);
}

static void add_elements(struct model_value *v, const struct backend_item *item)
{
    if (item->type == VALUE_STRING)
        model_value_add(v, NULL, model_text(item->value), 0);
    for (uint32_t i = 0; i < item->elements_len; i++) {
        const struct backend_element *e = &item->elements[i];
        const struct text *name = item->type != VALUE_LIST ? model_text(e->name) : NULL;
        bool has_value = item->type == VALUE_HASH || item->type == VALUE_LIST;
        model_value_add(v, name, has_value ? model_text(e->value) : NULL,
                        item->type == VALUE_ZSET ? e->score : 0);
    }
}

static enum rc take_item(void *ctx, const struct backend_item *item)
{
    struct picture *p = ctx;
    int key = model_key(model_text(item->key));
    must(key >= 0);
    if (item->type == VALUE_NONE)
        return RC_OK;
    struct model_value **v = &p->keys[p->db][key];
    if (*v == NULL) {
        *v = model_value_new(item->type);
        (*v)->expires_at_ms = item->expires_at_ms;
    }
    add_elements(*v, item);
    return RC_OK;
}

struct stored {
    struct picture *picture;
    const struct backend_position *position; /* filled in before the first key comes */
};

static enum rc take_stored(void *ctx, const struct backend_item *item)
{
    struct stored *s = ctx;
    const struct backend_dbmap *map = &s->position->dbmap;
    for (uint32_t db = 0; db < map->len; db++) {
        if (map->store_db[db] != item->db || item->type == VALUE_NONE)
            continue;
        s->picture->db = db;
        if (item->type == VALUE_STRING || item->elements_len > 0)
            return take_item(s->picture, item);
    }
    return RC_OK;
}

static void read_memory(struct picture *p)
{
    struct backend_position position;
    struct stored s = {p, &position};
    memory_each(steps.ks.store, &position, take_stored, &s);
    p->cut_lsn = position.cut_lsn;
}

/* Rows of (database, key, name, value, expiry) of a type, through the view of that type. */
static void read_sqlite_type(struct picture *p, enum value_type type, const char *sql)
{
    sqlite3_stmt *s;
    must(sqlite3_prepare_v2(steps.reader, sql, -1, &s, NULL) == SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        struct slice cells[2];
        for (int i = 0; i < 2; i++) {
            const void *bytes = sqlite3_column_blob(s, 2 + i);
            cells[i] = slice_of(bytes, (size_t)sqlite3_column_bytes(s, 2 + i));
        }
        struct backend_element e = {
            .name = cells[0], .value = cells[1], .score = sqlite3_column_double(s, 3)};
        struct backend_item item = {
            .type = type,
            .key = slice_of(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1)),
            .value = cells[1],
            .expires_at_ms = sqlite3_column_int64(s, 4),
            .elements_len = type != VALUE_STRING,
            .elements = &e};
        p->db = (uint32_t)sqlite3_column_int(s, 0);
        must(p->db < MODEL_DBS);
        (void)take_item(p, &item);
    }
    sqlite3_finalize(s);
}

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        steps_fail("%s: %s", sql, sqlite3_errmsg(db));
}

#define WITH_EXPIRY(view) "FROM " view " x JOIN keys k ON k.db = x.db AND k.key = x.key"

static uint64_t stored_in_sqlite(void)
{
    sqlite3_stmt *s;
    uint64_t cut_lsn = 0;
    must(sqlite3_prepare_v2(steps.reader, "SELECT value FROM weir_meta WHERE name = 'cut_lsn'", -1,
                            &s, NULL) == SQLITE_OK);
    if (sqlite3_step(s) == SQLITE_ROW)
        cut_lsn = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return cut_lsn;
}

static void read_sqlite(struct picture *p)
{
    execute(steps.reader, "BEGIN");
    p->cut_lsn = stored_in_sqlite();
    read_sqlite_type(p, VALUE_STRING, "SELECT db, key, NULL, value, expires_at FROM string");
    read_sqlite_type(p, VALUE_HASH,
                     "SELECT x.db, x.key, field, value, expires_at " WITH_EXPIRY("hash"));
    read_sqlite_type(p, VALUE_LIST,
                     "SELECT x.db, x.key, NULL, value, expires_at " WITH_EXPIRY(
                         "list") " ORDER BY x.db, x.key, position");
    read_sqlite_type(p, VALUE_SET,
                     "SELECT x.db, x.key, member, NULL, expires_at " WITH_EXPIRY("\"set\""));
    read_sqlite_type(p, VALUE_ZSET,
                     "SELECT x.db, x.key, member, score, expires_at " WITH_EXPIRY("zset"));
    execute(steps.reader, "COMMIT");
}

static void take_picture(struct picture *p)
{
    if (steps.reader != NULL)
        read_sqlite(p);
    else
        read_memory(p);
    for (int db = 0; db < MODEL_DBS; db++)
        for (int key = 0; key < MODEL_KEYS; key++)
            if (p->keys[db][key] != NULL)
                model_value_sort(p->keys[db][key]);
}

static const struct model_value *if_live(const struct model_value *v)
{
    int64_t now_ms = steps_clock().ms;
    return v != NULL && (v->expires_at_ms == 0 || v->expires_at_ms > now_ms) ? v : NULL;
}

/* What a cut may have cost at most: a row per key that a command has reached since the cut before,
 * and one per element touched; of a value that was made anew all of its elements, and the removal
 * of those that were there. */
static uint64_t rows_allowed(const struct model *before, const struct model *at)
{
    static const struct model_db none;
    uint64_t rows = 0;
    for (int db = 0; db < MODEL_DBS; db++) {
        const struct model_db *old = &none;
        for (int i = 0; i < MODEL_DBS; i++)
            if (before->dbs[i].id == at->dbs[db].id)
                old = &before->dbs[i];
        for (int key = 0; key < MODEL_KEYS; key++) {
            const struct model_slot *now = &at->dbs[db].keys[key], *was = &old->keys[key];
            uint64_t touched = now->touched - was->touched;
            if (now->anew == was->anew && touched == 0)
                continue;
            uint64_t all = (now->value != NULL ? now->value->len : 0) +
                           (was->value != NULL ? was->value->len : 0);
            bool is_list = now->value != NULL && now->value->type == VALUE_LIST;
            bool expired = now->expired != was->expired;
            rows += 1 + (now->anew != was->anew ? all : 0) +
                    (now->anew == was->anew || expired ? touched : 0);
            if (now->anew == was->anew && is_list && touched > all / LIST_SLACK)
                rows += all; /* so much is gone that all is written anew */
        }
    }
    return rows;
}

static void check_rows(const struct model *before, const struct model *at)
{
    uint64_t rows = stat_get(STAT_flushed_rows);
    uint64_t written = rows - steps.rows_before;
    bool one =
        !steps.loose && !steps.two_commits && !steps.rewound; /* commit since the last look */
    steps.rows_written = written;
    steps.rows_before = rows;
    for (int key = 0; key < MODEL_KEYS; key++)
        one = one && !steps.tainted[key];
    if (!one)
        return;
    uint64_t allowed = rows_allowed(before, at);
    atomic_fetch_add(&steps.report->rows, written);
    atomic_fetch_add(&steps.report->rows_allowed, allowed);
    uint64_t beyond = written > allowed ? written - allowed : 0;
    steps.faded_used += beyond;
    if (steps.faded_used > steps.model.faded)
        steps_fail("%llu rows were written for changes worth %llu", (unsigned long long)written,
                   (unsigned long long)allowed);
}

void view_check_backend(void)
{
    struct picture p = {0};
    take_picture(&p);
    size_t at = 0;
    while (at + 1 < steps.pasts_len && steps.pasts[at + 1].lsn <= p.cut_lsn)
        at++;
    const struct past *past = &steps.pasts[at];
    for (int db = 0; db < MODEL_DBS; db++) {
        for (int key = 0; key < MODEL_KEYS; key++) {
            const struct model_value *got = if_live(p.keys[db][key]);
            const struct model_value *should = if_live(past->model.dbs[db].keys[key].value);
            if (!steps.tainted[key] && !model_value_equal(got, should))
                steps_fail("database %d, key %s, after cut %llu\n  the backend has %s\n"
                           "  and should have %s",
                           db, model_key_names[key], (unsigned long long)p.cut_lsn,
                           model_value_show(got), model_value_show(should));
        }
    }
    check_rows(&steps.pasts[0].model, &past->model);
    steps.rewound = steps.rewound && p.cut_lsn <= steps.rewound_at;
    picture_fini(&p);
    view_forget_pasts(at);
    atomic_fetch_add(&steps.report->checks, 1);
}

void view_adopt_tainted(void)
{
    struct picture p = {0};
    take_picture(&p);
    for (uint32_t db = 0; db < MODEL_DBS; db++) {
        for (int key = 0; key < MODEL_KEYS; key++) {
            if (!steps.tainted[key])
                continue;
            struct model_value *got = view_key(db, key);
            if (!model_value_equal(got, if_live(p.keys[db][key])))
                steps_fail("database %u, key %s, after a change by somebody else\n"
                           "  a client sees %s\n  and the backend has %s",
                           db, model_key_names[key], model_value_show(got),
                           model_value_show(p.keys[db][key]));
            model_put(&steps.model.dbs[db].keys[key], got);
        }
    }
    picture_fini(&p);
    memset(steps.tainted, 0, sizeof(steps.tainted));
    memset(steps.edited, 0, sizeof(steps.edited));
    view_note_past();
    view_forget_pasts(steps.pasts_len - 1);
}

/* --- Rewinding --- */

static uint64_t stored_cut(void)
{
    return steps.blocker != NULL ? stored_in_sqlite() : memory_cut_lsn(steps.ks.store);
}

/* From one cut to another, unless a newer one was committed meanwhile. */
static void move_stored_cut(uint64_t from, uint64_t to)
{
    char sql[128];
    snprintf(sql, sizeof(sql),
             "UPDATE weir_meta SET value = %llu WHERE name = 'cut_lsn' AND value = %llu",
             (unsigned long long)to, (unsigned long long)from);
    if (steps.blocker != NULL)
        execute(steps.blocker, sql);
    else
        memory_move_cut_lsn(steps.ks.store, from, to);
}

/* The LSN before the oldest record that the journal has; UINT64_MAX: it has none. */
static uint64_t oldest_position(void)
{
    char dir[128];
    struct journal_reader *reader;
    const struct journal_segment *segments;
    struct err err;
    snprintf(dir, sizeof(dir), "%s/journal", steps.ks.dir);
    if (journal_reader_open(NULL, dir, &reader, &err) != RC_OK)
        steps_fail("%s", err.text);
    size_t n = journal_reader_segments(reader, &segments);
    uint64_t oldest = n > 0 ? segments[0].first_lsn - 1 : UINT64_MAX;
    journal_reader_close(&reader);
    return oldest;
}

void view_start_rewound(unsigned per_cent)
{
    uint64_t cut_lsn = stored_cut(), oldest = oldest_position(), earlier = cut_lsn;
    if (oldest < cut_lsn && per_cent < 100) {
        earlier = oldest + (cut_lsn - oldest) * per_cent / 100;
        steps.rewound = true;
        steps.rewound_at = cut_lsn;
    }
    move_stored_cut(cut_lsn, earlier);
    ks_start(&steps.ks);
    move_stored_cut(earlier, cut_lsn);
}

void view_open_backend(void)
{
    if (steps.report->scratch[1][0] == '\0')
        return;
    char path[200];
    snprintf(path, sizeof(path), "%s/weir.db", steps.report->scratch[1]);
    must(sqlite3_open_v2(path, &steps.reader, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    must(sqlite3_open_v2(path, &steps.blocker, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    sqlite3_busy_timeout(steps.blocker, 10000);
    sqlite3_busy_timeout(steps.reader, 10000);
}

void view_close_backend(void)
{
    sqlite3_close(steps.reader);
    sqlite3_close(steps.blocker);
    steps.reader = steps.blocker = NULL;
}
