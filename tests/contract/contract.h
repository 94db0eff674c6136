/* What the contract suites share: a backend of each kind on a store of its own, and short words for
 * building batches and for saying what a key holds.
 *
 * A backend takes part by its row in backends.def: each test runs with batches as they are, and
 * with batches that come in pieces, of one item where they are few. One that others can write to
 * beside the proxy gets a row in `outsiders` too, so that its conflicts are tested.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/backend.h"
#include "backends/memory/memory.h"
#include "base/buf.h"
#include "base/clock.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct contract_variant {
    const struct backend_ops *ops;
    bool in_pieces; /* batches come item by item */
};

struct contract {
    const struct backend_ops *ops;
    bool in_pieces;
    char dir[64];
    char url[64];
    struct backend *b;
};

/* ---- a store of its own ---- */

static inline struct contract *contract_of(void **state)
{
    return *state;
}

static inline void contract_open(struct contract *c)
{
    struct err err = {0};
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 2000};
    if (c->ops->open(&config, &c->b, &err) != RC_OK)
        fail_msg("open: %s", err.text);
}

static inline void contract_reopen(struct contract *c)
{
    c->ops->close(&c->b);
    contract_open(c);
}

static inline int contract_setup(void **state)
{
    const struct backend_ops *ops = *state;
    struct contract *c = calloc(1, sizeof(*c));
    c->ops = ops;
    snprintf(c->dir, sizeof(c->dir), "%s", "/tmp/weir-contract-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->url, sizeof(c->url), "%s:%s.store", ops->scheme, strrchr(c->dir, '-') + 1);
    contract_open(c);
    *state = c;
    return 0;
}

static inline int contract_setup_sqlite(void **state)
{
    *state = (void *)(uintptr_t)&backend_sqlite;
    return contract_setup(state);
}

static inline int contract_setup_variant(void **state)
{
    const struct contract_variant *v = *state;
    *state = (void *)(uintptr_t)v->ops;
    int rc = contract_setup(state);
    contract_of(state)->in_pieces = v->in_pieces;
    return rc;
}

static inline int contract_remove_file(const char *path, const struct stat *st, int flag,
                                       struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/* What SQLite keeps of its numbers of keys that is not so; 0: all is as it should be, or nothing is
 * kept, or the test has left no whole database. */
static inline int64_t contract_miscounted(const struct contract *c)
{
    char path[160];
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    int64_t wrong = 0;
    snprintf(path, sizeof(path), "%s/%s", c->dir, strchr(c->url, ':') + 1);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(
            db,
            "SELECT count(*) FROM (SELECT sum(k) AS k, sum(e) AS e FROM (SELECT db, keys AS k, "
            "expires AS e FROM weir_count UNION ALL SELECT db, -count(*), -count(expires_at) FROM "
            "weir_key GROUP BY db) WHERE db NOT IN (SELECT store_db FROM weir_dropped) GROUP BY "
            "db) WHERE (k <> 0 OR e <> 0) AND EXISTS (SELECT 1 FROM weir_count WHERE db = 0)",
            -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        wrong = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return wrong;
}

static inline int contract_teardown(void **state)
{
    struct contract *c = *state;
    if (c->b != NULL)
        c->ops->close(&c->b);
    bool is_sqlite = strcmp(c->ops->scheme, "sqlite") == 0;
    int64_t wrong = is_sqlite ? contract_miscounted(c) : 0;
    if (wrong != 0)
        print_error("weir_count is wrong for %lld databases\n", (long long)wrong);
    if (strcmp(c->ops->scheme, "memory") == 0)
        memory_forget(strchr(c->url, ':') + 1);
    nftw(c->dir, contract_remove_file, 8, FTW_DEPTH | FTW_PHYS);
    free(c);
    return wrong == 0 ? 0 : -1;
}

/* ---- another program, on the file of a backend that is SQLite ---- */

static inline sqlite3 *outsider(const struct contract *c)
{
    char path[160];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/%s", c->dir, strchr(c->url, ':') + 1);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 2000);
    return db;
}

/* The first column of the first row, as somebody else asks. */
static inline int64_t outsider_number(const struct contract *c, const char *sql)
{
    sqlite3 *db = outsider(c);
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static inline void outside(const struct contract *c, const char *sql)
{
    sqlite3 *db = outsider(c);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- running ---- */

/* Every test of the list for every backend; names read "sqlite: a_batch_is_all_or_nothing" and
 * "sqlite, in pieces: ...". */
struct contract_test {
    const char *name;
    CMUnitTestFunction run;
};

static inline int contract_run(const char *group, const struct contract_test *tests, size_t n)
{
    static const struct contract_variant variants[] = {
#define BACKEND(name, help) {&name, false}, {&name, true},
#include "backends/backends.def"
#undef BACKEND
    };
    struct CMUnitTest *all = calloc(n * COUNT_OF(variants), sizeof(*all));
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(variants); i++) {
        for (size_t j = 0; j < n; j++) {
            struct buf name = {0};
            buf_printf(&name, "%s%s: %s", variants[i].ops->scheme,
                       variants[i].in_pieces ? ", in pieces" : "", tests[j].name);
            all[len++] = (struct CMUnitTest){name.data, tests[j].run, contract_setup_variant,
                                             contract_teardown, (void *)(uintptr_t)&variants[i]};
        }
    }
    int failed = _cmocka_run_group_tests(group, all, len, NULL, NULL);
    for (size_t i = 0; i < len; i++)
        free((void *)(uintptr_t)all[i].name);
    free(all);
    return failed;
}

/* ---- batches ---- */

#define KEY(text)       ((struct slice){(text), sizeof(text) - 1})
#define LIST_OF(T, ...) (T[]){__VA_ARGS__}, sizeof((T[]){__VA_ARGS__}) / sizeof(T)

static inline struct backend_item string_item(uint32_t db, struct slice key, struct slice value)
{
    return (struct backend_item){.db = db, .type = VALUE_STRING, .key = key, .value = value};
}
#define STRING(db, key, value) string_item(db, KEY(key), KEY(value))
#define DELETED(number, name)  ((struct backend_item){.db = (number), .key = KEY(name)})

static inline struct backend_item many_item(struct backend_item item,
                                            const struct backend_element *elements, size_t n)
{
    item.elements = elements;
    item.elements_len = (uint32_t)n;
    return item;
}
/* An aggregate that replaces what is there, and one that changes some of it. */
#define WHOLE(number, of_type, name, ...)                                                \
    many_item(                                                                           \
        (struct backend_item){                                                           \
            .db = (number), .type = VALUE_##of_type, .key = KEY(name), .replace = true}, \
        LIST_OF(struct backend_element, __VA_ARGS__))
#define DELTA(number, of_type, key_text, ...)                                                 \
    many_item(                                                                                \
        (struct backend_item){.db = (number), .type = VALUE_##of_type, .key = KEY(key_text)}, \
        LIST_OF(struct backend_element, __VA_ARGS__))
#define FIELD(f, v)                     \
    {                                   \
        .name = KEY(f), .value = KEY(v) \
    }
#define MEMBER(m)      \
    {                  \
        .name = KEY(m) \
    }
#define SCORED(m, s)                 \
    {                                \
        .name = KEY(m), .score = (s) \
    }
#define AT(p, v)                         \
    {                                    \
        .position = (p), .value = KEY(v) \
    }
#define GONE(m)                         \
    {                                   \
        .name = KEY(m), .removed = true \
    }
#define GONE_AT(p)                       \
    {                                    \
        .position = (p), .removed = true \
    }

static inline int contract_order(const void *a, const void *b)
{
    return backend_item_order(a, b);
}

/* A batch of which the items come in pieces; who is told of them hears their numbers in the whole.
 */
enum { CONTRACT_PIECES = 64 };
struct contract_pieces {
    struct backend_batch whole;
    uint32_t at, given; /* where the piece at hand begins and ends */
};

static inline enum rc pieces_next(void *ctx, const struct backend_item **items, uint32_t *items_len,
                                  struct err *err)
{
    struct contract_pieces *p = ctx;
    (void)err;
    if (p->given == p->whole.items_len)
        return RC_NOT_FOUND;
    uint32_t most = p->whole.items_len / CONTRACT_PIECES + 1;
    p->at = p->given;
    *items = &p->whole.items[p->at];
    *items_len = (uint32_t)min_u64(most, p->whole.items_len - p->at);
    p->given += *items_len;
    return RC_OK;
}

static inline void pieces_begin(void *ctx)
{
    struct contract_pieces *p = ctx;
    p->at = p->given = 0;
    if (p->whole.on_begin != NULL)
        p->whole.on_begin(p->whole.ctx);
}

static inline enum backend_verdict pieces_conflict(void *ctx, uint32_t item,
                                                   const struct backend_conflict *conflict)
{
    struct contract_pieces *p = ctx;
    return p->whole.on_conflict(p->whole.ctx, p->at + item, conflict);
}

static inline void pieces_merged(void *ctx, uint32_t item)
{
    struct contract_pieces *p = ctx;
    p->whole.on_merged(p->whole.ctx, p->at + item);
}

static inline void pieces_refused(void *ctx, uint32_t item, const struct err *why)
{
    struct contract_pieces *p = ctx;
    p->whole.on_refused(p->whole.ctx, p->at + item, why);
}

static inline enum rc pieces_commit(void *ctx, struct err *err)
{
    struct contract_pieces *p = ctx;
    assert_int_equal(p->given, p->whole.items_len);
    return p->whole.before_commit != NULL ? p->whole.before_commit(p->whole.ctx, err) : RC_OK;
}

static inline enum rc apply_in_pieces(struct contract *c, const struct backend_batch *batch,
                                      struct backend_applied *out, struct err *err)
{
    struct contract_pieces p = {.whole = *batch};
    struct backend_batch in_pieces = *batch;
    in_pieces.items = NULL;
    in_pieces.items_len = 0;
    in_pieces.next_piece = pieces_next;
    in_pieces.on_begin = pieces_begin;
    in_pieces.on_conflict = batch->on_conflict != NULL ? pieces_conflict : NULL;
    in_pieces.on_merged = batch->on_merged != NULL ? pieces_merged : NULL;
    in_pieces.on_refused = batch->on_refused != NULL ? pieces_refused : NULL;
    in_pieces.before_commit = pieces_commit;
    in_pieces.ctx = &p;
    return c->ops->apply(c->b, &in_pieces, out, err);
}

/* Sorts a copy and applies it; returns what apply returns. */
static inline enum rc try_apply(struct contract *c, struct backend_batch batch,
                                struct backend_applied *out, struct err *err)
{
    struct backend_item *sorted = calloc((size_t)batch.items_len + 1, sizeof(*sorted));
    if (batch.items_len > 0)
        memcpy(sorted, batch.items, batch.items_len * sizeof(*sorted));
    qsort(sorted, batch.items_len, sizeof(*sorted), contract_order);
    batch.items = sorted;
    enum rc rc =
        c->in_pieces ? apply_in_pieces(c, &batch, out, err) : c->ops->apply(c->b, &batch, out, err);
    free(sorted);
    return rc;
}

static inline void apply_batch(struct contract *c, struct backend_batch batch)
{
    struct err err = {0};
    struct backend_applied applied;
    if (try_apply(c, batch, &applied, &err) != RC_OK)
        fail_msg("apply: %s", err.text);
}

static inline void apply_items(struct contract *c, uint64_t cut_lsn,
                               const struct backend_item *items, size_t n)
{
    apply_batch(
        c, (struct backend_batch){.cut_lsn = cut_lsn, .items = items, .items_len = (uint32_t)n});
}
#define APPLY(c, lsn, ...) apply_items(c, lsn, LIST_OF(struct backend_item, __VA_ARGS__))

/* What a batch was told of its items: "begin; 1 refused; commit". */
static inline void tell_begin(void *ctx)
{
    struct buf *said = ctx;
    said->len = 0;
}

static inline void tell_refused(void *ctx, uint32_t item, const struct err *why)
{
    assert_true(why->code == RC_REJECTED && why->text[0] != '\0');
    buf_printf(ctx, "%u refused; ", item);
}

static inline enum rc tell_commit(void *ctx, struct err *err)
{
    (void)err;
    buf_append_str(ctx, "commit");
    return RC_OK;
}

static inline void tell_all(struct backend_batch *batch, struct buf *said)
{
    batch->on_begin = tell_begin;
    batch->on_refused = tell_refused;
    batch->before_commit = tell_commit;
    batch->ctx = said;
}

/* Applies sorted items and checks what was told of them. */
static inline void check_told(struct contract *c, struct backend_batch batch, const char *expected)
{
    struct buf said = {0};
    tell_all(&batch, &said);
    apply_batch(c, batch);
    buf_append(&said, "", 1);
    assert_string_equal(said.data, expected);
    buf_fini(&said);
}
#define TOLD(c, lsn, expected, ...)                                                            \
    check_told(                                                                                \
        c,                                                                                     \
        (struct backend_batch){.cut_lsn = (lsn),                                               \
                               .items = (struct backend_item[]){__VA_ARGS__},                  \
                               .items_len = COUNT_OF(((struct backend_item[]){__VA_ARGS__}))}, \
        expected)

static inline struct backend_dbmap contract_map(const uint32_t *store_dbs, size_t n)
{
    struct backend_dbmap map = {.len = (uint32_t)n};
    memcpy(map.store_db, store_dbs, n * sizeof(*store_dbs));
    return map;
}
#define MAP(...) contract_map(LIST_OF(uint32_t, __VA_ARGS__))

/* ---- what a key holds, as text ---- */

static inline void render_element(struct buf *out, enum value_type type,
                                  const struct backend_element *e)
{
    buf_append_str(out, e->removed ? " -" : " ");
    if (type == VALUE_LIST)
        buf_printf(out, "%lld", (long long)e->position);
    else
        buf_append_escaped(out, e->name, 100);
    if (type == VALUE_SET || e->removed)
        return;
    buf_append_str(out, "=");
    if (type == VALUE_ZSET)
        buf_printf(out, "%.17g", e->score);
    else
        buf_append_escaped(out, e->value, 100);
}

/* "none", "string x", "hash f=v g=w", "string x until 99": pieces of one key become one line. */
static inline enum rc render_item(void *ctx, const struct backend_item *item)
{
    struct buf *out = ctx;
    bool first = item->replace || item->type <= VALUE_STRING || out->len == 0;
    if (first && out->len > 0)
        buf_append_str(out, "; ");
    if (first)
        buf_append_str(out, value_type_name(item->type));
    if (item->type == VALUE_STRING) {
        buf_append_str(out, " ");
        buf_append_escaped(out, item->value, 200);
    }
    for (uint32_t i = 0; i < item->elements_len; i++)
        render_element(out, item->type, &item->elements[i]);
    if (first && item->expires_at_ms != 0)
        buf_printf(out, " until %lld", (long long)item->expires_at_ms);
    return RC_OK;
}

static inline void check_text(struct buf *got, const char *expected)
{
    buf_append(got, "", 1);
    assert_string_equal(got->data, expected);
    buf_fini(got);
}

static inline void check_loaded(struct contract *c, const struct backend_item *keys, size_t n,
                                const char *expected)
{
    struct err err = {0};
    struct buf got = {0};
    if (c->ops->load(c->b, keys, (uint32_t)n, render_item, &got, &err) != RC_OK)
        fail_msg("load: %s", err.text);
    check_text(&got, expected);
}
/* LOADED(c, 1, "key", "string value") */
#define LOADED(c, number, name, expected) \
    check_loaded(c, LIST_OF(struct backend_item, {.db = (number), .key = KEY(name)}), expected)

static inline enum rc render_key(void *ctx, const struct backend_item *item)
{
    struct buf *out = ctx;
    if (out->len > 0)
        buf_append_str(out, " ");
    buf_append_escaped(out, item->key, 100);
    return RC_OK;
}

static inline void check_scan(struct contract *c, uint32_t db, struct slice after, uint32_t limit,
                              const char *expected)
{
    struct err err = {0};
    struct buf got = {0};
    if (c->ops->scan(c->b, db, after, limit, render_key, &got, &err) != RC_OK)
        fail_msg("scan: %s", err.text);
    check_text(&got, expected);
}

static inline void check_count(struct contract *c, uint32_t db, uint64_t expected)
{
    struct err err = {0};
    struct backend_count n = {.db = db};
    if (c->ops->count(c->b, &n, &err) != RC_OK)
        fail_msg("count: %s", err.text);
    assert_int_equal(n.keys, expected);
}

/* Keys handed out by poll, each once, in the order of their first mention. */
static inline enum rc render_polled(void *ctx, const struct backend_item *item)
{
    struct buf *out = ctx;
    struct buf key = {0};
    buf_append_escaped(&key, item->key, 100);
    buf_append_str(&key, " ");
    if (out->len == 0 || memmem(out->data, out->len, key.data, key.len) == NULL)
        buf_append_slice(out, buf_slice(&key));
    buf_fini(&key);
    return RC_OK;
}

static inline void check_poll(struct contract *c, const char *expected)
{
    struct err err = {0};
    struct buf got = {0};
    if (c->ops->poll(c->b, render_polled, &got, &err) != RC_OK)
        fail_msg("poll: %s", err.text);
    check_text(&got, expected);
}

static inline struct backend_position position_of(struct contract *c)
{
    struct err err = {0};
    struct backend_position p;
    if (c->ops->position(c->b, &p, &err) != RC_OK)
        fail_msg("position: %s", err.text);
    return p;
}

/* Runs maintain until it has nothing left to do. */
static inline void maintain_all(struct contract *c)
{
    struct err err = {0};
    bool more = true;
    for (int rounds = 0; more; rounds++) {
        assert_true(rounds < 10000);
        if (c->ops->maintain(c->b, 1, &more, &err) != RC_OK)
            fail_msg("maintain: %s", err.text);
    }
}

#endif
