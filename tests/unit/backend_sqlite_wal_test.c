/* SQLite: the WAL is bounded, shown, and somebody is named when it cannot be; and no call outlasts
 * its deadline.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

#include "backends/sqlite/internal.h"
#include "base/log.h"
#include "tests/support/child.h"

#include <pthread.h>
#include <sys/stat.h>

enum { KEYS = 2000, SMALL_WAL_PAGES = 16 };

static void path_of(const struct contract *c, const char *suffix, char *out, size_t size)
{
    snprintf(out, size, "%s/%s%s", c->dir, strchr(c->url, ':') + 1, suffix);
}

static int64_t wal_bytes(const struct contract *c)
{
    char path[160];
    struct stat st;
    path_of(c, "-wal", path, sizeof(path));
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void set_bound(struct contract *c)
{
    ((struct sqlite_backend *)c->b)->wal_pages_max = SMALL_WAL_PAGES;
}

static void apply_many(struct contract *c, uint64_t cut_lsn, char fill)
{
    struct backend_item *items = calloc(KEYS, sizeof(*items));
    char *names = malloc(KEYS * 12), value[300];
    memset(value, fill, sizeof(value));
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(names + i * 12, 12, "%010u", i);
        items[i] = string_item(1, slice_of(names + i * 12, 10), slice_of(value, sizeof(value)));
    }
    apply_items(c, cut_lsn, items, KEYS);
    free(items);
    free(names);
}

static void maintain_once(struct contract *c)
{
    struct err err = {0};
    bool more;
    if (c->ops->maintain(c->b, 50, &more, &err) != RC_OK)
        fail_msg("maintain: %s", err.text);
}

struct program {
    const struct contract *c;
    const char *sql;
};

static bool run_program(void *ctx)
{
    const struct program *p = ctx;
    char path[160];
    sqlite3 *db;
    path_of(p->c, "", path, sizeof(path));
    return sqlite3_open(path, &db) == SQLITE_OK &&
           sqlite3_exec(db, p->sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* A process that does `sql` and then holds its transaction until it is killed. */
static pid_t other_program(const struct contract *c, const char *sql)
{
    return child_start(run_program, &(struct program){c, sql});
}

static void log_to_file(const struct contract *c, char *path, size_t size)
{
    snprintf(path, size, "%s/log", c->dir);
    unlink(path);
    assert_int_equal(log_open(path, NULL), RC_OK);
}

/* How often the log says it. */
static int times_said(const char *path, const char *text)
{
    static char bytes[65536];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    bytes[fread(bytes, 1, sizeof(bytes) - 1, f)] = '\0';
    fclose(f);
    int n = 0;
    for (const char *at = bytes; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

/* ---- the size of the WAL ---- */

static void a_large_batch_leaves_no_wal_once_it_is_idle(void **state)
{
    struct contract *c = contract_of(state);
    set_bound(c);
    apply_many(c, 1, 'a');
    assert_true(wal_bytes(c) > SMALL_WAL_PAGES * PAGE_BYTES);
    maintain_once(c); /* above the bound: moved at once */
    maintain_once(c); /* idle */
    assert_int_equal(wal_bytes(c), 0);
}

static void many_batches_use_the_same_wal_again(void **state)
{
    struct contract *c = contract_of(state);
    set_bound(c);
    apply_many(c, 1, 'a');
    int64_t one = wal_bytes(c);
    for (uint64_t n = 2; n < 10; n++) {
        maintain_once(c);
        apply_many(c, n, (char)('a' + n));
    }
    assert_true(wal_bytes(c) < 2 * one);
}

static void the_size_of_the_wal_is_a_figure(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_status status = {0};
    apply_many(c, 1, 'a');
    c->ops->status(c->b, &status);
    assert_true(status.log_bytes > 0);
    assert_int_equal(status.log_bytes, wal_bytes(c));
    uint64_t bytes = status.log_bytes; /* known without a look at the disk: a worker asks */
    char path[160], away[168];
    path_of(c, "-wal", path, sizeof(path));
    path_of(c, "-wal.away", away, sizeof(away));
    assert_int_equal(rename(path, away), 0);
    c->ops->status(c->b, &status);
    assert_int_equal(status.log_bytes, bytes);
    assert_int_equal(rename(away, path), 0);
}

static void who_keeps_the_wal_from_shrinking_is_named_once(void **state)
{
    struct contract *c = contract_of(state);
    char log[128], who[64];
    set_bound(c);
    apply_many(c, 1, 'a');
    pid_t reader = other_program(c, "BEGIN; SELECT count(*) FROM weir_key");
    log_to_file(c, log, sizeof(log));
    for (uint64_t n = 2; n < 5; n++) {
        apply_many(c, n, (char)('a' + n));
        maintain_once(c);
        maintain_once(c);
    }
    snprintf(who, sizeof(who), "(pid %d) reads an old state", (int)reader);
    assert_int_equal(times_said(log, who), 1);
    assert_true(wal_bytes(c) > 0);
    child_end(reader);
    maintain_once(c);
    maintain_once(c);
    assert_int_equal(times_said(log, "below the mark again"), 1);
    assert_int_equal(wal_bytes(c), 0);
    assert_int_equal(log_open("", NULL), RC_OK);
}

static void an_orderly_end_says_what_it_leaves_behind(void **state)
{
    struct contract *c = contract_of(state);
    char log[128], who[64];
    apply_many(c, 1, 'a');
    pid_t reader = other_program(c, "BEGIN; SELECT count(*) FROM weir_key");
    apply_many(c, 2, 'b');
    log_to_file(c, log, sizeof(log));
    c->ops->close(&c->b);
    snprintf(who, sizeof(who), "read by backend_sqlite_ (pid %d)", (int)reader);
    assert_int_equal(times_said(log, who), 1);
    assert_int_equal(times_said(log, "copy or move both"), 1);
    child_end(reader);
    contract_open(c);
    check_count(c, 1, KEYS);
    assert_int_equal(log_open("", NULL), RC_OK);
}

static void an_orderly_end_that_leaves_nothing_says_nothing(void **state)
{
    struct contract *c = contract_of(state);
    char log[128];
    apply_many(c, 1, 'a');
    log_to_file(c, log, sizeof(log));
    c->ops->close(&c->b);
    assert_int_equal(times_said(log, "\n"), 0);
    assert_int_equal(wal_bytes(c), 0);
    assert_int_equal(log_open("", NULL), RC_OK);
}

/* ---- deadlines ---- */

static struct mono from_now(int64_t ms)
{
    return (struct mono){clock_mono().us + ms * 1000};
}

static void open_patiently(struct contract *c)
{
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 60000};
    c->ops->close(&c->b);
    assert_int_equal(c->ops->open(&config, &c->b, NULL), RC_OK);
}

static enum rc put(struct contract *c)
{
    struct err err = {0};
    struct backend_applied applied;
    struct backend_item item = STRING(1, "k", "v");
    struct backend_batch batch = {.cut_lsn = 9, .items = &item, .items_len = 1};
    return c->ops->apply(c->b, &batch, &applied, &err);
}

static void a_batch_waits_for_a_lock_until_the_deadline_only(void **state)
{
    struct contract *c = contract_of(state);
    open_patiently(c);
    pid_t writer = other_program(c, "BEGIN IMMEDIATE");
    struct mono began = clock_mono();
    c->ops->set_deadline(c->b, from_now(100));
    assert_int_equal(put(c), RC_BUSY);
    int64_t took_ms = (clock_mono().us - began.us) / 1000;
    assert_true(took_ms >= 90 && took_ms < 5000);
    child_end(writer);
}

static void *set_deadline_now(void *arg)
{
    struct contract *c = arg;
    for (int64_t until = clock_mono().us + 50 * 1000; clock_mono().us < until;)
        sched_yield();
    c->ops->set_deadline(c->b, clock_mono());
    return NULL;
}

static void a_batch_that_waits_already_hears_of_a_deadline(void **state)
{
    struct contract *c = contract_of(state);
    pthread_t thread;
    open_patiently(c);
    pid_t writer = other_program(c, "BEGIN IMMEDIATE");
    struct mono began = clock_mono();
    assert_int_equal(pthread_create(&thread, NULL, set_deadline_now, c), 0);
    assert_int_equal(put(c), RC_BUSY);
    assert_true(clock_mono().us - began.us < 5000000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    child_end(writer);
}

static void a_batch_under_way_ends_at_the_deadline_and_changes_nothing(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    struct backend_applied applied;
    enum { MANY = 20000 };
    struct backend_item *items = calloc(MANY, sizeof(*items));
    char *names = malloc(MANY * 12);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names + i * 12, 12, "%010u", i);
        items[i] = string_item(1, slice_of(names + i * 12, 10), KEY("v"));
    }
    struct backend_batch batch = {.cut_lsn = 9, .items = items, .items_len = MANY};
    c->ops->set_deadline(c->b, clock_mono());
    assert_int_equal(c->ops->apply(c->b, &batch, &applied, &err), RC_UNAVAILABLE);
    contract_reopen(c);
    check_count(c, 1, 0);
    assert_int_equal(position_of(c).cut_lsn, 0);
    free(items);
    free(names);
}

static void a_close_behind_the_deadline_leaves_the_wal_as_it_is(void **state)
{
    struct contract *c = contract_of(state);
    char log[128];
    apply_many(c, 1, 'a');
    int64_t before = wal_bytes(c);
    log_to_file(c, log, sizeof(log));
    c->ops->set_deadline(c->b, clock_mono());
    c->ops->close(&c->b);
    assert_int_equal(wal_bytes(c), before);
    assert_int_equal(times_said(log, "bytes are left in it"), 1);
    contract_open(c);
    check_count(c, 1, KEYS);
    assert_int_equal(log_open("", NULL), RC_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup_sqlite, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_batch_leaves_no_wal_once_it_is_idle),
        TEST(many_batches_use_the_same_wal_again),
        TEST(the_size_of_the_wal_is_a_figure),
        TEST(who_keeps_the_wal_from_shrinking_is_named_once),
        TEST(an_orderly_end_says_what_it_leaves_behind),
        TEST(an_orderly_end_that_leaves_nothing_says_nothing),
        TEST(a_batch_waits_for_a_lock_until_the_deadline_only),
        TEST(a_batch_that_waits_already_hears_of_a_deadline),
        TEST(a_batch_under_way_ends_at_the_deadline_and_changes_nothing),
        TEST(a_close_behind_the_deadline_leaves_the_wal_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
