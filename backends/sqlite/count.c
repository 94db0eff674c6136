/* How many keys a store database has, without counting them.
 *
 * weir_count has a row for each store database, and its numbers change in the transactions that
 * change weir_key: a batch and the reaper add up what they do in memory and write it once for each
 * database; triggers do the same for other writers (schema.c). Expired rows count until they
 * are deleted.
 *
 * Whether an upsert has found a row is something that SQLite does not tell. So our statements call
 * weir_met(result, expires_at) with the row that they overwrite or delete. It gives back `result`
 * and notes on the connection that a row was met, and whether that had an expiry.
 *
 * Not counted is what no trigger sees: a connection that turns them off, and what a REPLACE of
 * others removes because of a unique index of the owner's. `weirctl check` compares.
 *
 * The row of database 0, which is none, says that the numbers are to be believed. It is missing in
 * a database of an older version, and once a trigger had to be made again: then everything is
 * counted once, from a snapshot, by a thread of its own. Others go on writing meanwhile, so what is
 * written in the end is the difference between what was counted and what the numbers were in the
 * same snapshot. Until then, keys are counted as they are asked for.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/log.h"

#include <poll.h>

enum {
    COUNTER_CACHE_KIB = 2 * 1024, /* it reads each page once */
    STOP_LOOK_STEPS = 10000,      /* of SQLite's machine between two looks at whether to stop */
    PAUSE_MS = 100,               /* after a try that failed, or that has to be made again */
    TRIES_MAX = 100,
    COUNTER_NICE = 5,
};

/* ---- what statements meet ---- */

static void met(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    struct sqlite_met *m = sqlite3_user_data(ctx);
    (void)n;
    m->rows++;
    m->expiring += sqlite3_value_type(args[1]) != SQLITE_NULL;
    sqlite3_result_value(ctx, args[0]);
}

enum rc sqlite_count_define(struct sqlite_conn *c, struct err *err)
{
    int result = sqlite3_create_function_v2(c->db, "weir_met", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                            &c->met, met, NULL, NULL, NULL);
    return result == SQLITE_OK ? RC_OK : sqlite_fail(c, result, "defining a function", err);
}

/* ---- what a transaction changes ---- */

enum rc sqlite_tally_write(const struct sqlite_conn *c, struct sqlite_tally *t, struct err *err)
{
    struct sqlite_tally now = *t;
    t->keys = t->expires = 0;
    if (now.keys == 0 && now.expires == 0)
        return RC_OK;
    sqlite3_stmt *s = c->statements[ST_COUNT_ADD];
    sqlite3_bind_int64(s, 1, now.db);
    sqlite3_bind_int64(s, 2, now.keys);
    sqlite3_bind_int64(s, 3, now.expires);
    return sqlite_run(c, ST_COUNT_ADD, err);
}

enum rc sqlite_tally_turn(const struct sqlite_conn *c, struct sqlite_tally *t, uint32_t db,
                          struct err *err)
{
    if (LIKELY(t->db == db))
        return RC_OK;
    enum rc rc = sqlite_tally_write(c, t, err);
    t->db = db;
    return rc;
}

enum rc sqlite_count_forget(struct sqlite_backend *b, uint32_t db, struct err *err)
{
    atomic_fetch_add(&b->counter.forgotten, 1);
    sqlite3_bind_int64(b->writer.statements[ST_COUNT_FORGET], 1, db);
    return sqlite_run(&b->writer, ST_COUNT_FORGET, err);
}

/* ---- answering ---- */

/* Of the keys that were named: how many there are. */
static enum rc find_named(const struct sqlite_conn *c, struct backend_count *what, int64_t now_ms,
                          struct err *err)
{
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < what->named_len && rc == RC_OK; i++) {
        struct sqlite_head head;
        rc = sqlite_read_head(c, what->db, what->named[i], &head, err);
        bool alive = rc == RC_OK && head.type != VALUE_NONE &&
                     (head.expires_at_ms == 0 || head.expires_at_ms > now_ms);
        what->found += alive;
        what->found_expires += alive && head.expires_at_ms != 0;
    }
    return rc;
}

static enum rc two_numbers(const struct sqlite_conn *c, sqlite3_stmt *s, int64_t out[2],
                           struct err *err)
{
    int result = sqlite3_step(s);
    enum rc rc = RC_OK;
    out[0] = out[1] = 0;
    if (result == SQLITE_ROW) {
        out[0] = sqlite3_column_int64(s, 0);
        out[1] = sqlite3_column_int64(s, 1);
    } else if (result != SQLITE_DONE) {
        rc = sqlite_fail(c, result, "counting keys", err);
    }
    sqlite3_reset(s);
    return rc;
}

/* *kept: the numbers are to be believed. */
static enum rc read_kept(const struct sqlite_conn *c, struct backend_count *what, int64_t now_ms,
                         bool *kept, struct err *err)
{
    int64_t marked, expired, numbers[2];
    sqlite3_bind_int64(c->statements[ST_COUNT_KEPT], 1, what->db);
    sqlite3_bind_int64(c->statements[ST_COUNT_EXPIRED], 1, what->db);
    sqlite3_bind_int64(c->statements[ST_COUNT_EXPIRED], 2, now_ms);
    enum rc rc = sqlite_number(c, ST_COUNT_MARKED, 0, &marked, err);
    if (rc == RC_OK)
        rc = two_numbers(c, c->statements[ST_COUNT_KEPT], numbers, err);
    if (rc == RC_OK)
        rc = sqlite_number(c, ST_COUNT_EXPIRED, 0, &expired, err);
    *kept = rc == RC_OK && marked != 0 && numbers[1] >= expired && numbers[0] >= numbers[1];
    if (*kept) {
        what->keys = (uint64_t)(numbers[0] - expired);
        what->expires = (uint64_t)(numbers[1] - expired);
    }
    return rc;
}

enum rc sqlite_count(struct backend *pb, struct backend_count *what, struct err *err)
{
    struct sqlite_backend *b = (struct sqlite_backend *)pb;
    const struct sqlite_conn *c = &b->walker;
    int64_t now_ms = clock_wall().ms, numbers[2];
    bool kept = false;
    what->keys = what->expires = what->found = what->found_expires = 0;
    enum rc rc = sqlite_run(c, ST_BEGIN_READ, err);
    if (rc == RC_OK)
        rc = read_kept(c, what, now_ms, &kept, err);
    if (rc == RC_OK && !kept) {
        sqlite3_bind_int64(c->statements[ST_COUNT], 1, what->db);
        sqlite3_bind_int64(c->statements[ST_COUNT], 2, now_ms);
        rc = two_numbers(c, c->statements[ST_COUNT], numbers, err);
        what->keys = (uint64_t)numbers[0];
        what->expires = (uint64_t)numbers[1];
    }
    if (rc == RC_OK)
        rc = find_named(c, what, now_ms, err);
    sqlite_rollback(c);
    return rc;
}

/* ---- counting once ---- */

static const char look_sql[] =
    "BEGIN;"
    "CREATE TEMP TABLE counted AS SELECT db, count(*) AS keys, count(expires_at) AS expires"
    " FROM main.weir_key GROUP BY db;"
    "INSERT INTO counted SELECT db, -keys, -expires FROM main.weir_count WHERE db <> 0;"
    "COMMIT;";

static const char correct_sql[] =
    "INSERT INTO main.weir_count(db, keys, expires) SELECT db, sum(keys), sum(expires)"
    " FROM counted WHERE db NOT IN (SELECT store_db FROM main.weir_dropped) GROUP BY db"
    " ON CONFLICT(db) DO UPDATE SET keys = keys + excluded.keys,"
    " expires = expires + excluded.expires;"
    "INSERT INTO main.weir_count(db) VALUES (0) ON CONFLICT DO NOTHING;";

static enum rc run_sql(const struct sqlite_conn *c, const char *sql, struct err *err)
{
    return sqlite_exec(c, sql, "counting keys", err);
}

/* RC_AGAIN: a database was emptied meanwhile, and its numbers with it. */
static enum rc correct(struct sqlite_backend *b, uint64_t forgotten, struct err *err)
{
    const struct sqlite_conn *c = &b->counter.c;
    enum rc rc = sqlite_run(c, ST_BEGIN_WRITE, err);
    if (rc == RC_OK && atomic_load(&b->counter.forgotten) != forgotten)
        rc = RC_AGAIN;
    if (rc == RC_OK)
        rc = run_sql(c, correct_sql, err);
    if (rc == RC_OK)
        rc = sqlite_run(c, ST_COMMIT, err);
    sqlite_rollback(c);
    return rc;
}

static enum rc count_all(struct sqlite_backend *b, struct err *err)
{
    const struct sqlite_conn *c = &b->counter.c;
    uint64_t forgotten = atomic_load(&b->counter.forgotten);
    int64_t keys = 0;
    struct mono began = clock_mono();
    enum rc rc = run_sql(c, "DROP TABLE IF EXISTS temp.counted", err);
    if (rc == RC_OK)
        rc = run_sql(c, look_sql, err);
    if (rc == RC_OK)
        rc = correct(b, forgotten, err);
    if (rc == RC_OK)
        rc = sqlite_query_number(c, "SELECT sum(keys) FROM main.weir_count", 0, &keys, err);
    sqlite_rollback(c);
    if (rc == RC_OK)
        log_line(LOG_NOTICE, "%s: its %lld keys were counted anew, in %lld ms", b->path,
                 (long long)keys, (long long)(clock_mono().us - began.us) / 1000);
    return rc;
}

static int must_stop(void *arg)
{
    return atomic_load_explicit(&((struct sqlite_counter *)arg)->stopping, memory_order_relaxed);
}

static enum rc open_counter(struct sqlite_backend *b, struct err *err)
{
    struct sqlite_conn *c = &b->counter.c;
    enum rc rc = sqlite_open_side(c, b, COUNTER_CACHE_KIB, err);
    if (rc == RC_OK && !sqlite_file_is_opened_by(c))
        rc = err_set(err, RC_MOVED, "%s: replaced while in use", b->path);
    if (rc != RC_OK)
        return rc;
    sqlite3_progress_handler(c->db, STOP_LOOK_STEPS, must_stop, &b->counter);
    return run_sql(c, "PRAGMA temp_store = MEMORY", err);
}

static void *counter_main(void *arg)
{
    struct sqlite_backend *b = arg;
    struct err err = {0};
    enum rc rc = open_counter(b, &err);
    for (int i = 0; rc == RC_OK && i < TRIES_MAX && !must_stop(&b->counter); i++) {
        enum rc counted = count_all(b, &err);
        if (counted != RC_AGAIN && counted != RC_BUSY) {
            rc = counted;
            break;
        }
        (void)poll(NULL, 0, PAUSE_MS);
    }
    if (rc != RC_OK && !must_stop(&b->counter))
        log_err(LOG_WARNING, "keys are counted whenever they are asked for", &err);
    sqlite_close_conn(&b->counter.c);
    return NULL;
}

void sqlite_counter_stop(struct sqlite_backend *b)
{
    struct sqlite_counter *n = &b->counter;
    if (!n->running)
        return;
    atomic_store(&n->stopping, true);
    pthread_join(n->thread, NULL);
    atomic_store(&n->stopping, false);
    n->running = false;
}

enum rc sqlite_counter_start(struct sqlite_backend *b, struct err *err)
{
    int64_t marked;
    enum rc rc = sqlite_number(&b->writer, ST_COUNT_MARKED, 0, &marked, err);
    if (rc != RC_OK || marked != 0)
        return rc;
    sqlite_counter_stop(b);
    thread_start(&b->counter.thread, "counter", COUNTER_NICE, counter_main, b);
    b->counter.running = true;
    return RC_OK;
}
