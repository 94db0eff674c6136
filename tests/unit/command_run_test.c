/* Running commands against a real keyspace, without a server: checks, MULTI, parking, statistics,
 * recovery. A test reads as a dialogue: say() is one request, and its whole reply as bytes.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "base/stats.h"
#include "config/options.h"
#include "executor/cmdstats.h"
#include "executor/executor.h"
#include "tests/support/ks.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CLIENTS = 3, ARGS_MAX = 64 };

struct client {
    struct session session; /* first: found from its waiter by subtraction */
    struct lock lock;
    struct cond cond;
    bool ready, closed;
    uint32_t parked; /* times */
    char reply[8192];
};

static struct ks_fixture ks;
static struct command_worker *worker;
static struct client clients[CLIENTS];

/* --- A server of one worker --- */

static void be_ready(struct waiter *w)
{
    struct client *c =
        (struct client *)(void *)((char *)w - offsetof(struct client, session.waiter));
    lock_acquire(&c->lock);
    c->ready = true;
    cond_signal(&c->cond);
    lock_release(&c->lock);
}

static void host_on_every_worker(void *ctx, void (*fn)(void *arg, struct host_worker *w), void *arg,
                                 struct waiter *done)
{
    fn(arg, ctx);
    done->ready(done);
}

static void host_each_session(struct host_worker *w, void (*each)(void *arg, struct session *s),
                              void *arg)
{
    (void)w;
    for (int i = 0; i < CLIENTS; i++)
        if (!clients[i].closed)
            each(arg, &clients[i].session);
}

static void host_session_info(const struct session *s, struct host_session_info *out)
{
    (void)s;
    *out = (struct host_session_info){.events = "r"};
}

static void host_session_close(struct session *s, bool now)
{
    (void)now;
    ((struct client *)(void *)s)->closed = true;
}

static void host_wake_at(struct session *s, struct mono deadline)
{
    if (deadline.us != 0 && deadline.us <= clock_mono().us + 1000000)
        s->waiter.ready(&s->waiter); /* as if the deadline had passed */
}

static void host_info(void *ctx, struct host_info *out)
{
    (void)ctx;
    *out = (struct host_info){.clients = CLIENTS};
}

static const struct host host = {.on_every_worker = host_on_every_worker,
                                 .each_session = host_each_session,
                                 .session_info = host_session_info,
                                 .session_close = host_session_close,
                                 .session_wake_at = host_wake_at,
                                 .info = host_info};

static void connect_clients(void)
{
    worker = command_worker_new(ks.ks, &host, 0);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[i];
        *c = (struct client){.parked = 0};
        session_init(&c->session, (uint64_t)i + 1);
        c->session.waiter.ready = be_ready;
        snprintf(c->session.addr, sizeof(c->session.addr), "10.0.0.%d:1", i + 1);
        lock_init(&c->lock);
        cond_init(&c->cond);
    }
}

static void disconnect_clients(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        command_leave(&clients[i].session);
        session_fini(&clients[i].session, ks.ks);
    }
    command_worker_free(&worker);
}

static int make(void **state)
{
    (void)state;
    ks_make(&ks, NULL);
    connect_clients();
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    disconnect_clients();
    ks_destroy(&ks);
    return 0;
}

/* --- Saying and hearing --- */

static uint32_t split(char *line, struct slice *argv)
{
    uint32_t argc = 0;
    for (char *word = strtok(line, " "); word != NULL && argc < ARGS_MAX; word = strtok(NULL, " "))
        argv[argc++] = slice_str(word);
    return argc;
}

static void take_reply(struct client *c)
{
    struct reply *r = &c->session.reply;
    size_t len = r->buf.len < sizeof(c->reply) - 1 ? r->buf.len : sizeof(c->reply) - 1;
    if (len > 0)
        memcpy(c->reply, r->buf.data, len);
    c->reply[len] = '\0';
    reply_truncate(r, 0);
}

static const char *run(struct client *c, struct request *r, int slot)
{
    enum run_result result;
    while ((result = command_run(worker, &c->session, r, slot)) == RUN_PARKED) {
        assert_int_equal(c->session.reply.buf.len, 0);
        c->parked++;
        lock_acquire(&c->lock);
        while (!c->ready)
            cond_wait(&c->cond, &c->lock);
        c->ready = false;
        lock_release(&c->lock);
        slot = -1;
    }
    c->closed |= result == RUN_CLOSE;
    take_reply(c);
    return c->reply;
}

static const char *say_args(struct client *c, uint32_t argc, const struct slice *argv)
{
    struct request r = {.argc = argc, .argv = argv};
    return run(c, &r, -1);
}

static const char *say(int client, const char *line)
{
    char copy[2048];
    struct slice argv[ARGS_MAX];
    snprintf(copy, sizeof(copy), "%s", line);
    uint32_t argc = split(copy, argv);
    return say_args(&clients[client], argc, argv);
}

static void expect(int client, const char *line, const char *reply)
{
    const char *got = say(client, line);
    if (strcmp(got, reply) != 0)
        fail_msg("%s\n  expected %s\n  but got  %s", line, reply, got);
}

static void expect_part(int client, const char *line, const char *part)
{
    const char *got = say(client, line);
    if (strstr(got, part) == NULL)
        fail_msg("%s\n  expected a reply with %s\n  but got %s", line, part, got);
}

/* --- Checks before a command --- */

static void unknown_commands_are_told_with_their_arguments(void **state)
{
    (void)state;
    expect(0, "FOO a bc", "-ERR unknown command 'FOO', with args beginning with: 'a' 'bc' \r\n");
    expect(0, "config foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n");
    char word[300];
    memset(word, 'x', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    struct slice argv[] = {slice_str(word), slice_str(word), SLICE("more")};
    const char *reply = say_args(&clients[0], 3, argv);
    assert_true(strlen(reply) < 350);
    assert_null(strstr(reply, "more"));
    struct slice nasty[] = {SLICE("a\r\nb\0c"), SLICE("\r\n+OK")};
    reply = say_args(&clients[0], 2, nasty);
    assert_ptr_equal(strchr(reply, '\r'), reply + strlen(reply) - 2);
}

static void wrong_numbers_of_arguments_are_refused(void **state)
{
    (void)state;
    expect(0, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(0, "GET a b", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(0, "CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n");
    expect(0, "CONFIG", "-ERR wrong number of arguments for 'config' command\r\n");
    expect_part(0, "INFO commandstats",
                "cmdstat_get:calls=0,usec=0,usec_per_call=0.00,"
                "rejected_calls=2,failed_calls=0");
}

static void a_password_is_asked_for_from_then_on(void **state)
{
    (void)state;
    expect(0, "CONFIG SET requirepass secret", "+OK\r\n");
    expect(0, "PING", "+PONG\r\n");
    command_leave(&clients[1].session);
    session_fini(&clients[1].session, ks.ks);
    session_init(&clients[1].session, 9);
    expect(1, "PING", "-NOAUTH Authentication required.\r\n");
    expect_part(1, "HELLO 3", "-NOAUTH HELLO must be called");
    expect(1, "AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    expect(1, "AUTH secretsecret",
           "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    expect(1, "AUTH nobody secret",
           "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    expect(1, "AUTH default secret", "+OK\r\n");
    expect(1, "PING", "+PONG\r\n");
    expect(1, "RESET", "+RESET\r\n");
    expect(1, "PING", "-NOAUTH Authentication required.\r\n");
    expect(0, "CONFIG SET requirepass ",
           "-ERR wrong number of arguments for 'config|set' "
           "command\r\n");
}

static void debug_is_off_by_default(void **state)
{
    (void)state;
    expect_part(0, "DEBUG SLEEP 0", "-ERR DEBUG command not allowed.");
}

/* --- MULTI --- */

static void exec_is_one_transaction(void **state)
{
    (void)state;
    uint64_t records = stat_get(STAT_journal_records);
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SET a 1", "+QUEUED\r\n");
    expect(0, "INCR a", "+QUEUED\r\n");
    expect(0, "SELECT 3", "+QUEUED\r\n");
    expect(0, "SET a x", "+QUEUED\r\n");
    expect(0, "INCR a", "+QUEUED\r\n");
    expect(1, "GET a", "$-1\r\n");
    expect(0, "EXEC",
           "*5\r\n+OK\r\n:2\r\n+OK\r\n+OK\r\n-ERR value is not an integer or out of range\r\n");
    assert_true(stat_get(STAT_journal_records) <= records + 1);
    assert_int_equal(clients[0].session.db, 3);
    expect(0, "GET a", "$1\r\nx\r\n");
    expect(1, "GET a", "$1\r\n2\r\n");
    expect(0, "EXEC", "-ERR EXEC without MULTI\r\n");
}

static void an_error_when_queueing_fails_exec(void **state)
{
    (void)state;
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SET a 1", "+QUEUED\r\n");
    expect(0, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect(0, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    expect(0, "GET a", "$-1\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SHUTDOWN", "-ERR Command not allowed inside a transaction\r\n");
    expect(0, "DISCARD", "+OK\r\n");
    expect(0, "DISCARD", "-ERR DISCARD without MULTI\r\n");
}

static void exec_fails_when_a_watched_key_was_changed(void **state)
{
    (void)state;
    expect(0, "WATCH a b", "+OK\r\n");
    expect(1, "SET b 1", "+OK\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SET c 1", "+QUEUED\r\n");
    expect(0, "EXEC", "*-1\r\n");
    expect(0, "GET c", "$-1\r\n");
    expect(0, "WATCH a", "+OK\r\n");
    expect(1, "SET a 1", "+OK\r\n");
    expect(0, "UNWATCH", "+OK\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "GET a", "+QUEUED\r\n");
    expect(0, "EXEC", "*1\r\n$1\r\n1\r\n");
    expect(0, "WATCH a", "+OK\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "WATCH b", "-ERR WATCH inside MULTI is not allowed\r\n");
    expect(0, "INCR a", "+QUEUED\r\n");
    expect(0, "EXEC", "*1\r\n:2\r\n");
}

/* In memory it is large enough to be renamed by name, since its elements were large; as it is
 * loaded again it is not. Its positions must be the same either way. */
static void a_list_that_was_renamed_by_name_is_renamed_so_in_replay(void **state)
{
    (void)state;
    enum { ELEMENTS = 3500, BYTES = 300 };
    char line[BYTES + 32];
    for (int i = 0; i < ELEMENTS; i++) {
        snprintf(line, sizeof(line), "LPUSH l %0*d", BYTES, i);
        (void)say(0, line);
    }
    for (int i = 0; i < ELEMENTS; i++) {
        snprintf(line, sizeof(line), "LSET l %d %d", i, i);
        expect(0, line, "+OK\r\n");
    }
    ks_flush(&ks);
    expect(0, "RENAME l m", "+OK\r\n");
    (void)say(0, "RPOP m 10");
    (void)say(0, "LPOP m 7");
    disconnect_clients();
    ks_restart(&ks, false);
    connect_clients();
    expect(0, "LLEN m", ":3483\r\n");
    expect(0, "LINDEX m 0", "$1\r\n7\r\n");
    expect(0, "LINDEX m -1", "$4\r\n3489\r\n");
}

/* What was changed in the backend without a trace may have been any key. */
static void a_watched_key_may_be_among_those_that_are_suspected(void **state)
{
    (void)state;
    expect(1, "SET a 1", "+OK\r\n");
    ks_flush(&ks);
    expect(0, "WATCH a", "+OK\r\n");
    writeback_suspect_all(keyspace_writeback(ks.ks));
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "GET a", "+QUEUED\r\n");
    expect(0, "EXEC", "*-1\r\n");
}

/* Until that moment of wall time is over. */
static bool is_over(void *ctx)
{
    return clock_wall().ms > *(int64_t *)ctx;
}

static void set_until(const char *key, int64_t until_ms)
{
    char request[96];
    snprintf(request, sizeof(request), "SET %s 1 PXAT %lld", key, (long long)until_ms);
    expect(1, request, "+OK\r\n");
}

static void a_watched_key_that_is_not_in_memory_expires_too(void **state)
{
    (void)state;
    int64_t until_ms = clock_wall().ms + 60;
    set_until("cold", until_ms);
    set_until("gone", until_ms);
    expect(1, "SET kept 1", "+OK\r\n");
    disconnect_clients();
    ks_flush(&ks);
    ks_evict(&ks);
    connect_clients();
    uint64_t parked = clients[0].parked;
    expect(0, "WATCH cold gone kept", "+OK\r\n");
    assert_true(clients[0].parked > parked); /* it was looked up */
    ks_evict(&ks);                           /* and need not stay for that */
    ks_await(is_over, &until_ms, "the keys expire");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "GET kept", "+QUEUED\r\n");
    expect(0, "EXEC", "*-1\r\n");
    /* What was gone when it was watched is no change when somebody notices. */
    expect(0, "WATCH gone kept", "+OK\r\n");
    expect(1, "GET gone", "$-1\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "GET kept", "+QUEUED\r\n");
    expect(0, "EXEC", "*1\r\n$1\r\n1\r\n");
    expect(0, "WATCH kept", "+OK\r\n");
    ks_evict(&ks);
    expect(1, "SET kept 2", "+OK\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "GET kept", "+QUEUED\r\n");
    expect(0, "EXEC", "*-1\r\n");
}

static void a_key_that_had_expired_when_it_was_watched_breaks_nothing(void **state)
{
    (void)state;
    int64_t until_ms = clock_wall().ms + 5;
    set_until("k", until_ms);
    ks_await(is_over, &until_ms, "the key expires");
    expect(0, "WATCH k", "+OK\r\n");
    expect(1, "GET k", "$-1\r\n"); /* deletes it */
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "GET k", "+QUEUED\r\n");
    expect(0, "EXEC", "*1\r\n$-1\r\n");
}

static void exec_waits_for_its_keys_and_runs_once(void **state)
{
    (void)state;
    expect(0, "MSET a 1 b 2", "+OK\r\n");
    disconnect_clients();
    ks_flush(&ks);
    ks_restart(&ks, true);
    connect_clients();
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "INCR new", "+QUEUED\r\n");
    expect(0, "INCR a", "+QUEUED\r\n");
    expect(0, "GET b", "+QUEUED\r\n");
    expect(0, "EXEC", "*3\r\n:1\r\n:2\r\n$1\r\n2\r\n");
    assert_true(clients[0].parked > 0);
}

static void a_queue_that_grows_too_long_closes_the_client(void **state)
{
    (void)state;
    expect(0, "CONFIG SET client-query-buffer-limit 1mb", "+OK\r\n");
    static char big[300 * 1024];
    memset(big, 'x', sizeof(big));
    struct slice argv[] = {SLICE("SET"), SLICE("k"), slice_of(big, sizeof(big))};
    expect(0, "MULTI", "+OK\r\n");
    for (int i = 0; i < 3; i++)
        assert_string_equal(say_args(&clients[0], 3, argv), "+QUEUED\r\n");
    assert_false(clients[0].closed);
    say_args(&clients[0], 3, argv);
    assert_true(clients[0].closed);
}

static void exec_finds_keys_where_swapdb_has_put_them(void **state)
{
    (void)state;
    expect(0, "SET a zero", "+OK\r\n");
    expect(0, "SELECT 1", "+OK\r\n");
    expect(0, "SET a one", "+OK\r\n");
    disconnect_clients();
    ks_flush(&ks);
    ks_restart(&ks, true); /* so that keys must be loaded, too */
    connect_clients();
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SWAPDB 0 1", "+QUEUED\r\n");
    expect(0, "GET a", "+QUEUED\r\n");
    expect(0, "SWAPDB 1 2", "+QUEUED\r\n");
    expect(0, "SELECT 2", "+QUEUED\r\n");
    expect(0, "APPEND a !", "+QUEUED\r\n");
    expect(0, "EXEC", "*5\r\n+OK\r\n$3\r\none\r\n+OK\r\n+OK\r\n:5\r\n");
    expect(0, "GET a", "$5\r\nzero!\r\n");
    expect(1, "GET a", "$3\r\none\r\n");
}

static void commands_that_walk_or_flush_work_in_exec(void **state)
{
    (void)state;
    expect(0, "SET x 1", "+OK\r\n");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "DBSIZE", "+QUEUED\r\n");
    expect(0, "FLUSHALL", "+QUEUED\r\n");
    expect(0, "SET y 1", "+QUEUED\r\n");
    expect(0, "KEYS *", "+QUEUED\r\n");
    expect(0, "INFO keyspace", "+QUEUED\r\n");
    expect_part(0, "EXEC", "*5\r\n:1\r\n+OK\r\n+OK\r\n*1\r\n$1\r\ny\r\n");
}

/* --- Batches --- */

static void a_batch_follows_select(void **state)
{
    (void)state;
    static const char *const lines[] = {"SET k zero", "SELECT 4", "SET k four", "GET k",
                                        "SELECT 0",   "GET k",    "NOSUCH",     "DEL k"};
    static const char *const replies[] = {
        "+OK\r\n",
        "+OK\r\n",
        "+OK\r\n",
        "$4\r\nfour\r\n",
        "+OK\r\n",
        "$4\r\nzero\r\n",
        "-ERR unknown command 'NOSUCH', with args beginning with: \r\n",
        ":1\r\n"};
    char copies[COUNT_OF(lines)][64];
    struct slice argv[COUNT_OF(lines)][ARGS_MAX];
    struct request requests[COUNT_OF(lines)];
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        strcpy(copies[i], lines[i]);
        requests[i] = (struct request){.argv = argv[i]};
        requests[i].argc = split(copies[i], argv[i]);
    }
    command_prefetch(worker, &clients[0].session, requests, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        assert_string_equal(run(&clients[0], &requests[i], (int)i), replies[i]);
}

/* --- Clients --- */

static void clients_are_listed_and_killed(void **state)
{
    (void)state;
    expect(1, "CLIENT SETNAME worker-1", "+OK\r\n");
    expect_part(0, "CLIENT LIST", "id=2 addr=10.0.0.2:1 laddr= fd=-1 name=worker-1 ");
    assert_non_null(strstr(clients[0].reply, "id=3 "));
    expect_part(0, "CLIENT LIST ID 3 1", "id=1 ");
    assert_null(strstr(clients[0].reply, "id=2 "));
    expect(0, "CLIENT KILL 10.0.0.9:1", "-ERR No such client\r\n");
    expect(0, "CLIENT KILL ID 2", ":1\r\n");
    assert_true(clients[1].closed);
    expect(0, "CLIENT KILL TYPE normal", ":1\r\n");
    assert_true(clients[2].closed && !clients[0].closed);
    expect(0, "CLIENT KILL SKIPME foo", "-ERR syntax error\r\n");
    expect(0, "CLIENT KILL 10.0.0.1:1", "+OK\r\n");
    assert_true(clients[0].closed);
}

static void replies_can_be_switched_off(void **state)
{
    (void)state;
    expect(0, "CLIENT REPLY SKIP", "");
    expect(0, "SET a 1", "");
    expect(0, "GET a", "$1\r\n1\r\n");
    expect(0, "CLIENT REPLY OFF", "");
    expect(0, "GET a", "");
    expect(0, "NOSUCH", "");
    expect(0, "CLIENT REPLY ON", "+OK\r\n");
    expect(0, "GET a", "$1\r\n1\r\n");
}

static void hello_switches_the_protocol(void **state)
{
    (void)state;
    expect_part(0, "HELLO 3 SETNAME me", "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
    expect(0, "CLIENT GETNAME", "$2\r\nme\r\n");
    expect(0, "GET nothing", "_\r\n");
    expect(0, "HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    expect_part(0, "HELLO 2", "*14\r\n");
}

/* --- Durability --- */

static void waitaof_is_a_receipt(void **state)
{
    (void)state;
    expect(0, "WAITAOF 1 1 0", "*2\r\n:1\r\n:1\r\n");
    expect(0, "WEIR PAUSE", "+OK\r\n");
    expect(0, "SET a 1", "+OK\r\n");
    expect_part(0, "WAITAOF 1 0 0", "*2\r\n:1\r\n");
    expect(0, "WAITAOF 0 1 1", "*2\r\n:1\r\n:0\r\n");
    assert_true(clients[0].parked > 0);
    expect_part(0, "WEIR FLUSH", "-TRYAGAIN Flushing has been paused for ");
    expect(0, "WEIR RESUME", "+OK\r\n");
    expect(0, "WEIR FLUSH", "+OK\r\n");
    expect(0, "WAITAOF 1 1 0", "*2\r\n:1\r\n:1\r\n");
    expect(0, "WAITAOF 1 2 1", "*2\r\n:1\r\n:1\r\n");
    assert_null(clients[0].session.pending);
    assert_string_equal(ks_stored(&ks, "a"), "1");
}

static void replies_depend_on_the_journal_under_always_only(void **state)
{
    (void)state;
    expect(0, "SET a 1", "+OK\r\n");
    assert_int_equal(clients[0].session.depends_lsn, 0);
    assert_true(clients[0].session.last_write_lsn > 0);
    expect(0, "CONFIG SET journal-fsync always", "+OK\r\n");
    expect(1, "GET a", "$1\r\n1\r\n");
    assert_true(clients[1].session.depends_lsn >= clients[0].session.last_write_lsn);
    assert_int_equal(clients[1].session.last_write_lsn, 0);
}

/* --- Statistics --- */

static void errors_and_calls_are_counted(void **state)
{
    (void)state;
    cmdstats_reset();
    uint64_t errors = stat_get(STAT_total_error_replies);
    expect(0, "SET s x", "+OK\r\n");
    say(0, "INCR s");
    say(0, "HGET s f");
    say(0, "NOSUCH");
    assert_int_equal(stat_get(STAT_total_error_replies), errors + 3);
    expect_part(0, "INFO errorstats", "errorstat_ERR:count=2\r\nerrorstat_WRONGTYPE:count=1\r\n");
    expect_part(0, "INFO commandstats", "cmdstat_incr:calls=1,");
    assert_non_null(strstr(clients[0].reply, "rejected_calls=0,failed_calls=1\r\n"));
    expect_part(0, "LATENCY HISTOGRAM hget", "*2\r\n$4\r\nhget\r\n*4\r\n$5\r\ncalls\r\n:1\r\n");
    expect(0, "CONFIG RESETSTAT", "+OK\r\n");
    expect(0, "LATENCY HISTOGRAM hget", "*0\r\n");
}

static void the_slow_log_is_trimmed_and_keeps_no_secrets(void **state)
{
    (void)state;
    say(0, "SLOWLOG RESET");
    expect(0, "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 4", "+OK\r\n");
    char word[201];
    memset(word, 'x', 200);
    word[200] = '\0';
    struct slice argv[ARGS_MAX] = {SLICE("DEL"), slice_str(word)};
    for (int i = 2; i < 40; i++)
        argv[i] = SLICE("k");
    say_args(&clients[0], 40, argv);
    expect_part(0, "SLOWLOG GET 1", "xxx... (72 more bytes)");
    assert_non_null(strstr(clients[0].reply, "*32\r\n"));
    say_args(&clients[0], 40, argv);
    expect_part(0, "SLOWLOG GET 1", "... (9 more arguments)");
    say(0, "AUTH hunter2");
    say(0, "HELLO 3 AUTH default hunter2");
    say(0, "CONFIG SET requirepass hunter2");
    expect_part(0, "SLOWLOG GET -1", "(redacted)");
    assert_null(strstr(clients[0].reply, "hunter2"));
    say(0, "PING");
    expect(0, "SLOWLOG LEN", ":4\r\n");
}

/* --- Recovery --- */

static void what_was_acknowledged_is_replayed(void **state)
{
    (void)state;
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SET a 1", "+QUEUED\r\n");
    expect(0, "SELECT 2", "+QUEUED\r\n");
    expect(0, "HSET h f v", "+QUEUED\r\n");
    say(0, "EXEC");
    expect(0, "SELECT 5", "+OK\r\n");
    expect(0, "SET gone 1", "+OK\r\n");
    expect(0, "FLUSHDB", "+OK\r\n");
    expect(0, "SET kept 1", "+OK\r\n");
    disconnect_clients();
    ks_restart(&ks, false);
    connect_clients();
    expect(0, "GET a", "$1\r\n1\r\n");
    expect(0, "SELECT 2", "+OK\r\n");
    expect(0, "HGET h f", "$1\r\nv\r\n");
    expect(0, "SELECT 5", "+OK\r\n");
    expect(0, "GET gone", "$-1\r\n");
    expect(0, "GET kept", "$1\r\n1\r\n");
}

static void while_loading_only_some_commands_run(void **state)
{
    (void)state;
    command_worker_free(&worker);
    worker = command_worker_new(NULL, &host, 0);
    expect(0, "GET a", "-LOADING Redis is loading the dataset in memory\r\n");
    expect(0, "PING", "-LOADING Redis is loading the dataset in memory\r\n");
    expect(0, "WATCH a", "-LOADING Redis is loading the dataset in memory\r\n");
    expect_part(0, "INFO", "loading:1");
    expect(0, "MULTI", "+OK\r\n");
    expect(0, "SET a 1", "-LOADING Redis is loading the dataset in memory\r\n");
    expect(0, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    command_worker_attach(worker, ks.ks);
    expect(0, "SET a 1", "+OK\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_commands_are_told_with_their_arguments),
        TEST(wrong_numbers_of_arguments_are_refused),
        TEST(a_password_is_asked_for_from_then_on),
        TEST(debug_is_off_by_default),
        TEST(exec_is_one_transaction),
        TEST(an_error_when_queueing_fails_exec),
        TEST(exec_fails_when_a_watched_key_was_changed),
        TEST(a_list_that_was_renamed_by_name_is_renamed_so_in_replay),
        TEST(a_watched_key_may_be_among_those_that_are_suspected),
        TEST(a_watched_key_that_is_not_in_memory_expires_too),
        TEST(a_key_that_had_expired_when_it_was_watched_breaks_nothing),
        TEST(exec_waits_for_its_keys_and_runs_once),
        TEST(a_queue_that_grows_too_long_closes_the_client),
        TEST(exec_finds_keys_where_swapdb_has_put_them),
        TEST(commands_that_walk_or_flush_work_in_exec),
        TEST(a_batch_follows_select),
        TEST(clients_are_listed_and_killed),
        TEST(replies_can_be_switched_off),
        TEST(hello_switches_the_protocol),
        TEST(waitaof_is_a_receipt),
        TEST(replies_depend_on_the_journal_under_always_only),
        TEST(errors_and_calls_are_counted),
        TEST(the_slow_log_is_trimmed_and_keeps_no_secrets),
        TEST(what_was_acknowledged_is_replayed),
        TEST(while_loading_only_some_commands_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
