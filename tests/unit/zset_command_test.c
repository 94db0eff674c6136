/* Sorted set commands when memory runs out in the middle: what the client sees afterwards is what
 * the journal brings back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "executor/executor.h"
#include "store/alloc.h"
#include "tests/support/ks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARGS_MAX = 600, LONG = 70 /* more than a listpack takes */ };

static struct ks_fixture ks;
static struct command_worker *worker;
static struct session session;
static const struct host host;

/* Only what the test itself allocates fails, not the threads behind it. */
static _Thread_local int64_t fail_after = -1;
static _Thread_local bool failed;

static bool fail_once(void)
{
    if (fail_after < 0)
        return false;
    bool now = fail_after-- == 0;
    failed |= now;
    return now;
}

/* A key is loaded after a restart; the client waits for it. */
static struct lock lock;
static struct cond cond;
static bool ready;

static void be_ready(struct waiter *w)
{
    (void)w;
    lock_acquire(&lock);
    ready = true;
    cond_signal(&cond);
    lock_release(&lock);
}

static void await_ready(void)
{
    lock_acquire(&lock);
    while (!ready)
        cond_wait(&cond, &lock);
    ready = false;
    lock_release(&lock);
}

static void connect_client(void)
{
    worker = command_worker_new(ks.ks, &host, 0);
    session_init(&session, 1);
    session.waiter.ready = be_ready;
}

static void disconnect_client(void)
{
    command_leave(&session);
    session_fini(&session, ks.ks);
    command_worker_free(&worker);
}

static int make(void **state)
{
    (void)state;
    lock_init(&lock);
    cond_init(&cond);
    alloc_should_fail = fail_once; /* before any other thread looks at it */
    ks_make(&ks, NULL);
    connect_client();
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    disconnect_client();
    ks_destroy(&ks);
    alloc_should_fail = NULL;
    return 0;
}

/* The key that stands for "z" in the lines below. */
static char key[32];

static void use_key(unsigned number)
{
    snprintf(key, sizeof(key), "z%u", number);
}

/* The reply, to be freed. "%" is a long name. */
static char *say(const char *line)
{
    static char name[LONG + 1];
    memset(name, 'n', LONG);
    char *copy = strdup(line);
    struct slice argv[ARGS_MAX];
    uint32_t argc = 0;
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc < ARGS_MAX);
        bool is_key = strcmp(word, "z") == 0, is_long = strcmp(word, "%") == 0;
        argv[argc++] = slice_str(is_key ? key : is_long ? name : word);
    }
    struct request r = {.argc = argc, .argv = argv};
    while (command_run(worker, &session, &r, -1) == RUN_PARKED)
        await_ready();
    char *reply = strndup(session.reply.buf.data, session.reply.buf.len);
    reply_truncate(&session.reply, 0);
    free(copy);
    return reply;
}

static void said(const char *line)
{
    char *reply = say(line);
    assert_int_not_equal(reply[0], '-');
    free(reply);
}

/* Enough members to fill a leaf, so that the next may need memory for a node. */
static const char *many(void)
{
    static char line[8192];
    size_t len = (size_t)snprintf(line, sizeof(line), "ZADD z");
    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, " %d member:%d", i, i);
    return line;
}

static const char *const befores[] = {NULL, "ZADD z 1 a 2 b", ""};
static const char *const lines[] = {
    "ZADD z 5 a 6 x 7 % 8 y",
    "ZADD z 5 %",
    "ZADD z 9 a",
    "ZADD z 0.5 new",
    "ZINCRBY z 1.5 a",
    "ZINCRBY z 1.5 %",
    "ZADD z INCR 2 new",
    "ZADD z GT CH 0 a 9 b 3 %",
    "ZADD z XX CH 50 a 1 b",
    "ZREM z a % x",
    "ZPOPMIN z",
    "ZREMRANGEBYSCORE z 1 1",
    "ZRANGESTORE z z 0 0",
    "ZUNIONSTORE z 2 z z WEIGHTS 1 2",
};

/* Runs a line on a key of its own, failing at allocation number k; false: that one never came. */
static bool run_failing(const char *before, const char *line, int64_t k)
{
    if (before != NULL)
        said(before[0] != '\0' ? before : many());
    failed = false;
    fail_after = k;
    char *reply = say(line);
    fail_after = -1;
    assert_true(failed || strstr(reply, "OOM") == NULL);
    free(reply);
    return failed;
}

static void what_is_left_after_a_failure_is_what_comes_back(void **state)
{
    (void)state;
    enum { ALLOCATIONS = 12, RUNS_MAX = ALLOCATIONS * COUNT_OF(befores) * COUNT_OF(lines) };
    static char *was[RUNS_MAX];
    static const char *ran[RUNS_MAX];
    unsigned runs = 0, failures = 0;
    for (unsigned b = 0; b < COUNT_OF(befores); b++) {
        for (unsigned i = 0; i < COUNT_OF(lines); i++) {
            /* Which allocations a line needs differs from key to key: tables grow now and then. */
            for (int64_t k = 0; k < ALLOCATIONS; k++) {
                use_key(runs);
                failures += run_failing(befores[b], lines[i], k);
                ran[runs] = lines[i];
                was[runs++] = say("ZRANGE z 0 -1 WITHSCORES");
            }
        }
    }
    disconnect_client();
    ks_restart(&ks, false);
    connect_client();
    for (unsigned n = 0; n < runs; n++) {
        use_key(n);
        char *is = say("ZRANGE z 0 -1 WITHSCORES");
        if (strcmp(was[n], is) != 0)
            fail_msg("%s: %s is %s", ran[n], was[n], is);
        free(was[n]);
        free(is);
    }
    assert_true(failures > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_left_after_a_failure_is_what_comes_back, make,
                                        destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
