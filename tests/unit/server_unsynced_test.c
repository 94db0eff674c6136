/* What clients are told of changes that no disk has yet: a whole server in this process, over the
 * memory backend, whose journal's syncs are held or fail.
 *
 * fdatasync is defined here, so that the journal's calls come to this file.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/memory/memory.h"
#include "base/log.h"
#include "base/stats.h"
#include "config/options.h"
#include "executor/executor.h"
#include "journal/journal.h"
#include "server/server.h"
#include "tests/support/client.h"
#include "writeback/writeback.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

enum { DEADLINE_MS = 20000, TEXT_MAX = 64 * 1024 };

#define STORE "unsynced-test"
#define UNSYNCED                                                                                   \
    "-UNSYNCED the journal could not be synced within journal-wait-max-ms. The command was done, " \
    "but what it wrote or read is only in memory: a crash may take it, or not.\r\n"

/* ---- the disk ---- */

static _Atomic bool syncs_held, syncs_fail;

int fdatasync(int fd)
{
    while (atomic_load(&syncs_held))
        poll(NULL, 0, 1);
    if (atomic_load(&syncs_fail)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- the server ---- */

static char directory[] = "/tmp/weir-unsynced-XXXXXX";
static char socket_path[64], journal_dir[64];
static struct server *server;
static struct keyspace *ks;

static void start_with(const char *name, const char *value)
{
    struct err err = {0};
    char *args[] = {"--port",
                    "0",
                    "--unixsocket",
                    socket_path,
                    "--io-threads",
                    "2",
                    "--backend",
                    "memory:" STORE,
                    "--journal-dir",
                    journal_dir,
                    "--shards",
                    "16",
                    "--databases",
                    "4",
                    "--hz",
                    "100",
                    "--journal-fsync",
                    "always",
                    "--journal-segment-size",
                    "1mb",
                    "--journal-ring-size",
                    "256kb",
                    "--write-delay-ms",
                    "10",
                    "--notify-keyspace-events",
                    "KEA",
                    (char *)(uintptr_t)name,
                    (char *)(uintptr_t)value};
    int argc = (int)COUNT_OF(args) - (name == NULL ? 2 : 0);
    if (options_load(NULL, argc, args, &err) != RC_OK || server_new(&server, &err) != RC_OK)
        fail_msg("%s", err.text);
    log_set_level(LOG_NOTHING);
    server_start(server);
    struct keyspace_options options = {.workers = server_workers(server),
                                       .on_journal_progress = server_on_journal_progress,
                                       .on_event = server_on_event,
                                       .ctx = server};
    if (keyspace_open(&options, &ks, &err) != RC_OK)
        fail_msg("%s", err.text);
    server_attach(server, ks);
}

static int start(void **state)
{
    (void)state;
    start_with(NULL, NULL);
    return 0;
}

static int start_impatient(void **state)
{
    (void)state;
    start_with("--journal-wait-max-ms", "50");
    return 0;
}

static int stop(void **state)
{
    struct err err;
    char command[128];
    (void)state;
    atomic_store(&syncs_fail, false);
    atomic_store(&syncs_held, false);
    memory_hold_applies(STORE, false);
    server_stop(server);
    enum rc rc = keyspace_close(&ks, false, 1000, &err);
    assert_true(rc == RC_OK || rc == RC_AGAIN);
    server_free(&server);
    memory_forget(STORE);
    snprintf(command, sizeof(command), "rm -rf '%s'", journal_dir);
    assert_int_equal(system(command), 0);
    return 0;
}

/* ---- clients ---- */

static void ask(int fd, const char *request, const char *reply)
{
    say(fd, request);
    hear(fd, reply);
}

/* PING on the same worker or not: commands that were sent before have run. */
static void await_runs(uint64_t runs)
{
    int64_t until = clock_mono().us + DEADLINE_MS * 1000;
    while (stat_get(STAT_total_commands_processed) < runs) {
        if (clock_mono().us > until)
            fail_msg("the commands are not run");
        poll(NULL, 0, 1);
    }
}

/* Says it, waits until `commands` of it have run, and nothing was answered. */
static void say_in_vain(int fd, const char *requests, uint64_t commands)
{
    uint64_t before = stat_get(STAT_total_commands_processed);
    say(fd, requests);
    await_runs(before + commands);
    hear_nothing_yet(fd);
}

/* The first cut of a new store would hold a journal that is not synced, too. */
static void settle(int fd)
{
    ask(fd, "SET warm 1\r\nWAITAOF 1 1 0\r\n", "+OK\r\n*2\r\n:1\r\n:1\r\n");
}

/* Reads and drops everything up to and with the text. */
static void hear_up_to(int fd, const char *text)
{
    size_t seen = 0, want = strlen(text);
    while (seen < want) {
        char byte;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        seen = byte == text[seen] ? seen + 1 : (byte == text[0]);
    }
}

/* ---- who is released by what ---- */

static void the_backend_releases_what_the_journal_cannot(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path);
    settle(a);
    memory_hold_applies(STORE, true);
    atomic_store(&syncs_held, true);
    say_in_vain(a, "SET k 1\r\n", 1);
    say_in_vain(b, "GET k\r\n", 1);
    memory_hold_applies(STORE, false);
    hear(a, "+OK\r\n");
    hear(b, "$1\r\n1\r\n");
    close(a);
    close(b);
}

static void a_failing_journal_refuses_writes_and_answers_what_the_backend_has(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path);
    settle(a);
    atomic_store(&syncs_fail, true);
    ask(a, "SET k 1\r\n", "+OK\r\n"); /* the backend has it */
    ask(b, "GET k\r\n", "$1\r\n1\r\n");
    char first[2] = "+";
    for (int64_t until = clock_mono().us + DEADLINE_MS * 1000; first[0] != '-';) {
        assert_true(clock_mono().us < until);
        say(b, "SET k 2\r\n");
        struct pollfd p = {.fd = b, .events = POLLIN};
        assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        assert_int_equal(recv(b, first, 1, 0), 1);
        if (first[0] == '-')
            hear(b, "MISCONF Weir cannot write its journal");
        hear_up_to(b, "\r\n");
    }
    ask(a, "GET warm\r\n", "$1\r\n1\r\n");
    atomic_store(&syncs_fail, false);
    close(a);
    close(b);
}

static void an_error_says_what_is_true_when_the_wait_is_over(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path);
    settle(a);
    memory_hold_applies(STORE, true);
    atomic_store(&syncs_held, true);
    uint64_t before = stat_get(STAT_unsynced_replies);
    ask(a, "GET warm\r\nSET k 1\r\n", "$1\r\n1\r\n" UNSYNCED);
    ask(b, "GET k\r\n", UNSYNCED); /* what was read may vanish as well */
    ask(b, "PING\r\n", "+PONG\r\n");
    assert_int_equal(stat_get(STAT_unsynced_replies), before + 2);
    atomic_store(&syncs_held, false);
    ask(a, "SET k 2\r\n", "+OK\r\n");
    ask(b, "GET k\r\n", "$1\r\n2\r\n");
    close(a);
    close(b);
}

static void pipelined_replies_stay_in_order_and_whole(void **state)
{
    (void)state;
    int a = dial(socket_path);
    static char large[40000], request[48000], expected[TEXT_MAX];
    settle(a);
    memset(large, 'x', sizeof(large) - 1);
    memory_hold_applies(STORE, true);
    atomic_store(&syncs_held, true);
    /* A referenced value, arrays, nulls, a nested reply; each is one error. */
    snprintf(
        request, sizeof(request),
        "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%zu\r\n%s\r\nGET large\r\nMGET large none large\r\n"
        "GET none\r\nMULTI\r\nGET large\r\nLPUSH l a b\r\nLRANGE l 0 -1\r\nEXEC\r\nBLPOP l 1\r\n",
        sizeof(large) - 1, large);
    say(a, request);
    expected[0] = '\0';
    for (int i = 0; i < 9; i++)
        strcat(expected, UNSYNCED);
    strcat(expected, UNSYNCED);
    hear(a, expected);
    hear_nothing_yet(a);
    atomic_store(&syncs_held, false);
    ask(a, "STRLEN large\r\nLLEN l\r\n", ":39999\r\n:1\r\n");
    close(a);
}

static void messages_are_no_replies_and_go_on_waiting(void **state)
{
    (void)state;
    int a = dial(socket_path), two = dial(socket_path), three = dial(socket_path),
        monitor = dial(socket_path);
    settle(a);
    ask(two, "SUBSCRIBE __keyevent@0__:set\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$18\r\n__keyevent@0__:set\r\n:1\r\n");
    say(three, "HELLO 3\r\nECHO done\r\n");
    hear_up_to(three, "$4\r\ndone\r\n");
    ask(three, "SUBSCRIBE __keyevent@0__:set\r\n",
        ">3\r\n$9\r\nsubscribe\r\n$18\r\n__keyevent@0__:set\r\n:1\r\n");
    ask(monitor, "MONITOR\r\n", "+OK\r\n");
    memory_hold_applies(STORE, true);
    atomic_store(&syncs_held, true);
    ask(a, "SET k 1\r\n", UNSYNCED);
    hear_nothing_yet(two);
    ask(three, "GET k\r\n", UNSYNCED); /* before the message that came first */
    hear_nothing_yet(two);
    hear_nothing_yet(three);
    hear_nothing_yet(monitor);
    atomic_store(&syncs_held, false);
    hear(two, "*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n");
    hear(three, ">3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n");
    hear_up_to(monitor, "\"SET\" \"k\" \"1\"\r\n");
    ask(three, "GET k\r\n", "$1\r\n1\r\n");
    close(monitor);
    close(three);
    close(two);
    close(a);
}

static void what_is_published_behind_a_write_waits_with_it(void **state)
{
    (void)state;
    static const char message[] = "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\n";
    int a = dial(socket_path), b = dial(socket_path), two = dial(socket_path);
    char expected[128];
    settle(a);
    ask(two, "SUBSCRIBE ch\r\n", "*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n");
    ask(b, "PUBLISH ch free\r\n", ":1\r\n");
    snprintf(expected, sizeof(expected), "%sfree\r\n", message);
    hear(two, expected);
    memory_hold_applies(STORE, true);
    atomic_store(&syncs_held, true);
    say(a, "MULTI\r\nSET k 1\r\nPUBLISH ch exec\r\nEXEC\r\nECHO 1\r\n");
    hear_up_to(a, "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    hear_nothing_yet(two);
    say_in_vain(b, "SET j 1\r\nPUBLISH ch pipe\r\n", 2);
    hear_nothing_yet(two);
    atomic_store(&syncs_held, false);
    snprintf(expected, sizeof(expected), "%sexec\r\n%spipe\r\n", message, message);
    hear(two, expected);
    hear(a, "*2\r\n+OK\r\n:1\r\n$1\r\n1\r\n");
    hear(b, "+OK\r\n:1\r\n");
    close(two);
    close(b);
    close(a);
}

/* ---- what tells of changes that are not synced ---- */

static int start_with_one_worker(void **state)
{
    (void)state;
    start_with("--io-threads", "1");
    return 0;
}

/* Whatever tells of the keyspace; k1 was changed just now. */
static const char *const tells[] = {
    "GET k1",
    "EXISTS k1",
    "TYPE k1",
    "KEYS *",
    "SCAN 0",
    "DBSIZE",
    "RANDOMKEY",
    "WEIR EXPLAIN k1",
    "INFO keyspace",
    "INFO",
    "MEMORY USAGE k1",
    "MEMORY STATS",
    "OBJECT ENCODING k1",
    "OBJECT IDLETIME k1",
    "SLOWLOG GET",
    "SORT numbers BY nothing GET k*",
    "SORT numbers BY k*",
};

/* On the only worker: what came before has been run and written. */
static void pass_by(int fd)
{
    ask(fd, "PING\r\n", "+PONG\r\n");
}

static void expect_withheld(const char *command, bool in_exec)
{
    char request[256], got[512];
    int fd = dial(socket_path), other = dial(socket_path);
    snprintf(request, sizeof(request), in_exec ? "MULTI\r\n%s\r\nEXEC\r\n" : "%s\r\n", command);
    say(fd, request);
    if (in_exec)
        hear(fd, "+OK\r\n+QUEUED\r\n");
    pass_by(other);
    pass_by(other);
    ssize_t n = recv(fd, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT);
    if (n >= 0)
        fail_msg("%s%s told: %.*s", command, in_exec ? " within EXEC" : "", (int)n, got);
    atomic_store(&syncs_held, false);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
    close(fd);
    close(other);
}

static void nothing_tells_of_a_change_before_it_is_synced(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path);
    settle(a);
    ask(a, "RPUSH numbers 1 2\r\nWAITAOF 1 1 0\r\n", ":2\r\n*2\r\n:1\r\n:1\r\n");
    memory_hold_applies(STORE, true);
    ask(a, "CONFIG SET slowlog-log-slower-than 0\r\n", "+OK\r\n");
    for (size_t i = 0; i < COUNT_OF(tells); i++) {
        for (int in_exec = 0; in_exec <= 1; in_exec++) {
            if (in_exec && strncmp(tells[i], "WEIR", 4) == 0)
                continue; /* refused there */
            atomic_store(&syncs_held, true);
            say(a, "INCR k1\r\n");
            pass_by(b);
            hear_nothing_yet(a);
            expect_withheld(tells[i], in_exec != 0);
            hear_up_to(a, "\r\n");
        }
    }
    close(a);
    close(b);
}

static void exec_does_not_tell_that_a_watched_key_was_changed(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path), c = dial(socket_path);
    settle(a);
    memory_hold_applies(STORE, true);
    ask(b, "WATCH k\r\nMULTI\r\nPING\r\n", "+OK\r\n+OK\r\n+QUEUED\r\n");
    atomic_store(&syncs_held, true);
    say(a, "SET k 1\r\n");
    pass_by(c);
    say(b, "EXEC\r\n");
    pass_by(c);
    pass_by(c);
    hear_nothing_yet(b);
    atomic_store(&syncs_held, false);
    hear(b, "*-1\r\n");
    hear(a, "+OK\r\n");
    close(a);
    close(b);
    close(c);
}

static void what_a_blocked_client_is_served_waits_too(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path), c = dial(socket_path);
    settle(a);
    memory_hold_applies(STORE, true);
    say(b, "BLPOP l 0\r\n");
    pass_by(c);
    atomic_store(&syncs_held, true);
    say(a, "RPUSH l x\r\n");
    pass_by(c);
    pass_by(c);
    hear_nothing_yet(b);
    hear_nothing_yet(a);
    atomic_store(&syncs_held, false);
    hear(b, "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
    hear(a, ":1\r\n");
    close(a);
    close(b);
    close(c);
}

static bool says_failing(int fd)
{
    static char reply[TEXT_MAX];
    size_t have = 0;
    say(fd, "INFO writeback\r\nPING\r\n");
    do {
        ssize_t n = recv(fd, reply + have, sizeof(reply) - 1 - have, 0);
        assert_true(n > 0);
        have += (size_t)n;
        reply[have] = '\0';
    } while (strstr(reply, "+PONG\r\n") == NULL);
    return strstr(reply, "journal_state:failing") != NULL;
}

static void info_leaves_the_keys_out_while_no_disk_works(void **state)
{
    (void)state;
    int a = dial(socket_path), b = dial(socket_path);
    settle(a);
    memory_hold_applies(STORE, true);
    atomic_store(&syncs_fail, true);
    say(a, "SET k 1\r\n");
    for (int64_t until = clock_mono().us + DEADLINE_MS * 1000; !says_failing(b);)
        assert_true(clock_mono().us < until);
    ask(b, "INFO keyspace\r\n", "$12\r\n# Keyspace\r\n\r\n");
    hear_nothing_yet(a);
    memory_hold_applies(STORE, false);
    hear(a, "+OK\r\n");
    ask(b, "INFO keyspace\r\n", "$44\r\n# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n\r\n");
    close(a);
    close(b);
}

/* EXEC holds the shards that INFO would like to look at. */
static void info_within_exec_waits_for_no_shard(void **state)
{
    (void)state;
    int a = dial(socket_path);
    settle(a);
    ask(a, "MULTI\r\nSET e 1 EX 1000\r\nINFO keyspace\r\nKEYS e\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n$44\r\n# Keyspace\r\n"
        "db0:keys=2,expires=1,avg_ttl=0\r\n\r\n*1\r\n$1\r\ne\r\n");
    close(a);
}

#define ONE_WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, start_with_one_worker, stop)
#define TEST(name)            cmocka_unit_test_setup_teardown(name, start, stop)
#define IMPATIENT_TEST(name)  cmocka_unit_test_setup_teardown(name, start_impatient, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_backend_releases_what_the_journal_cannot),
        TEST(a_failing_journal_refuses_writes_and_answers_what_the_backend_has),
        IMPATIENT_TEST(an_error_says_what_is_true_when_the_wait_is_over),
        IMPATIENT_TEST(pipelined_replies_stay_in_order_and_whole),
        IMPATIENT_TEST(messages_are_no_replies_and_go_on_waiting),
        TEST(what_is_published_behind_a_write_waits_with_it),
        ONE_WORKER_TEST(nothing_tells_of_a_change_before_it_is_synced),
        ONE_WORKER_TEST(exec_does_not_tell_that_a_watched_key_was_changed),
        ONE_WORKER_TEST(what_a_blocked_client_is_served_waits_too),
        TEST(info_leaves_the_keys_out_while_no_disk_works),
        TEST(info_within_exec_waits_for_no_shard),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(socket_path, sizeof(socket_path), "%s/weir.sock", directory);
    snprintf(journal_dir, sizeof(journal_dir), "%s/journal", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(socket_path);
    rmdir(directory);
    return failed;
}
