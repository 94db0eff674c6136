/* Publish and subscribe under the server's real workers, with commands and a journal that the test
 * controls: when events are told, in which order, and what a subscriber may learn of a write that
 * is not durable yet.
 *
 * The functions of command/, keyspace/ and journal/ that server/ calls are defined here, so the
 * linker leaves the real ones in the library.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include "base/log.h"
#include "base/num.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/executor.h"
#include "journal/journal.h"
#include "tests/support/client.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 10000, WORKERS = 2 };

/* --- What the server sees of the rest --- */

struct keyspace {
    int unused;
};
struct journal {
    int unused;
};
static struct keyspace the_keyspace;
static struct journal the_journal;
static struct server *server;
static _Atomic uint64_t durable_lsn, told;
static _Atomic bool release;

struct command_worker {
    const struct host *host;
    uint32_t number;
};

struct command_worker *command_worker_new(struct keyspace *ks, const struct host *host,
                                          uint32_t worker)
{
    struct command_worker *w = calloc(1, sizeof(*w));
    (void)ks;
    assert_non_null(w);
    w->host = host;
    w->number = worker;
    return w;
}

void command_worker_attach(struct command_worker *w, struct keyspace *ks)
{
    (void)w;
    (void)ks;
}

void command_worker_free(struct command_worker **w)
{
    free(*w);
    *w = NULL;
}

struct txn *command_worker_txn(struct command_worker *w)
{
    (void)w;
    return NULL;
}

void session_init(struct session *s, uint64_t id)
{
    memset(s, 0, sizeof(*s));
    s->id = id;
    reply_init(&s->reply);
    s->last_active_at = clock_mono();
    s->flags = SESSION_AUTHENTICATED;
}

void session_fini(struct session *s, struct keyspace *ks)
{
    (void)ks;
    reply_fini(&s->reply);
}

void monitor_post(struct command_worker *w)
{
    (void)w;
}

void keyspace_hold_expiry(struct keyspace *ks, bool on)
{
    (void)ks;
    (void)on;
}

void command_prefetch(struct command_worker *w, struct session *s, const struct request *requests,
                      size_t n)
{
    (void)w;
    (void)s;
    (void)requests;
    (void)n;
}

static void tell(const char *name, uint64_t lsn)
{
    struct keyspace_event event = {NOTIFY_STRING, name, 3, SLICE("key"), lsn};
    server_on_event(server, &event);
}

static void run_publish(const struct host *host, struct session *s, const struct request *r)
{
    uint64_t receivers;
    assert_true(host->pubsub->publish(s, PUBSUB_CHANNEL, r->argv[1], r->argv[2], 0, &receivers));
    reply_int(&s->reply, (int64_t)receivers);
}

/* EVENT name lsn: the command ends at once. HOLD name: it ends when the test says so. */
enum run_result command_run(struct command_worker *w, struct session *s, struct request *r,
                            int slot)
{
    struct slice name = r->argv[0];
    int64_t lsn = 0;
    char event[32];
    (void)slot;
    if (r->argc > 1)
        snprintf(event, sizeof(event), "%.*s", (int)r->argv[1].len, r->argv[1].ptr);
    if (slice_is_word(name, "worker")) {
        reply_int(&s->reply, w->number);
    } else if (slice_is_word(name, "subscribe")) {
        assert_true(w->host->pubsub->subscribe(s, PUBSUB_CHANNEL, r->argv[1]));
        reply_ok(&s->reply);
    } else if (slice_is_word(name, "psubscribe")) {
        assert_true(w->host->pubsub->subscribe(s, PUBSUB_PATTERN, r->argv[1]));
        reply_ok(&s->reply);
    } else if (slice_is_word(name, "unsubscribe")) {
        w->host->pubsub->unsubscribe(s, PUBSUB_CHANNEL, r->argv[1]);
        reply_ok(&s->reply);
    } else if (slice_is_word(name, "publish")) {
        run_publish(w->host, s, r);
    } else if (slice_is_word(name, "event")) {
        assert_true(num_parse_i64(r->argv[2], &lsn));
        tell(event, (uint64_t)lsn);
        reply_ok(&s->reply);
    } else if (slice_is_word(name, "hold")) {
        tell(event, 0);
        atomic_fetch_add(&told, 1);
        while (!atomic_load(&release))
            poll(NULL, 0, 1);
        reply_ok(&s->reply);
    } else {
        reply_simple(&s->reply, "PONG");
    }
    return RUN_DONE;
}

struct journal *keyspace_journal(struct keyspace *ks)
{
    (void)ks;
    return &the_journal;
}

bool keyspace_cancel_wait(struct keyspace *ks, struct waiter *w)
{
    (void)ks;
    (void)w;
    return false;
}

bool keyspace_tick(struct keyspace *ks, struct txn *t, uint32_t worker, uint32_t workers,
                   int64_t budget_us)
{
    (void)ks;
    (void)t;
    (void)worker;
    (void)workers;
    (void)budget_us;
    return false;
}

uint64_t keyspace_durable_lsn(const struct keyspace *ks)
{
    (void)ks;
    return atomic_load(&durable_lsn);
}

void journal_kick(struct journal *j)
{
    (void)j;
}

/* --- The server under test, and its clients --- */

static char directory[] = "/tmp/weir-pubsub-test-XXXXXX";
static char socket_path[64];

static int start(void **state)
{
    (void)state;
    struct err err;
    char *args[] = {"--port",
                    "0",
                    "--unixsocket",
                    socket_path,
                    "--io-threads",
                    "2",
                    "--journal-fsync",
                    "always",
                    "--notify-keyspace-events",
                    "KE$"};
    if (options_load(NULL, (int)COUNT_OF(args), args, &err) != RC_OK)
        fail_msg("%s", err.text);
    log_set_level(LOG_NOTHING);
    atomic_store(&durable_lsn, UINT64_MAX);
    atomic_store(&release, false);
    atomic_store(&told, 0);
    if (server_new(&server, &err) != RC_OK)
        fail_msg("%s", err.text);
    server_start(server);
    server_attach(server, &the_keyspace);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    atomic_store(&release, true); /* a test that failed may have left a worker in HOLD */
    server_stop(server);
    server_free(&server);
    return 0;
}

/* A client of this worker. The first few gather on one worker, so the others stay for a while. */
static int dial_worker(uint32_t number)
{
    int others[256], n = 0, found = -1;
    while (found < 0 && n < (int)COUNT_OF(others)) {
        char got[8];
        int fd = dial(socket_path);
        say(fd, "WORKER\r\n");
        hear_some(fd, got, 4, "a number");
        if (got[1] == (char)('0' + number))
            found = fd;
        else
            others[n++] = fd;
    }
    while (n > 0)
        close(others[--n]);
    assert_true(found >= 0);
    return found;
}

#define KEYSPACE_SET "*3\r\n$7\r\nmessage\r\n$18\r\n__keyspace@3__:key\r\n$3\r\nset\r\n"
#define KEYEVENT_SET "*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@3__:set\r\n$3\r\nkey\r\n"

static void an_event_is_told_when_its_command_has_ended(void **state)
{
    (void)state;
    int listener = dial_worker(0), other = dial_worker(0), writer = dial_worker(1);
    say(listener, "SUBSCRIBE __keyspace@3__:key\r\n");
    hear(listener, "+OK\r\n");
    say(writer, "HOLD set\r\n");
    while (atomic_load(&told) == 0)
        poll(NULL, 0, 1);
    for (int i = 0; i < 3; i++) { /* the listener's worker turns, and sees the mail */
        say(other, "PING\r\n");
        hear(other, "+PONG\r\n");
        say(listener, "PING\r\n");
        hear(listener, "+PONG\r\n");
    }
    hear_nothing_yet(listener);
    atomic_store(&release, true);
    hear(listener, KEYSPACE_SET);
    hear(writer, "+OK\r\n");
    close(listener);
    close(other);
    close(writer);
}

/* What is published meanwhile keeps its place after the event. */
static void a_message_waits_for_the_event_before_it(void **state)
{
    (void)state;
    int listener = dial_worker(0), writer = dial_worker(1);
    say(listener, "SUBSCRIBE __keyevent@3__:set\r\nSUBSCRIBE c\r\n");
    hear(listener, "+OK\r\n+OK\r\n");
    say(writer, "HOLD set\r\n");
    while (atomic_load(&told) == 0)
        poll(NULL, 0, 1);
    say(listener, "PUBLISH c x\r\n");
    hear(listener, ":1\r\n");
    hear_nothing_yet(listener);
    atomic_store(&release, true);
    hear(listener, KEYEVENT_SET "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n");
    hear(writer, "+OK\r\n");
    close(listener);
    close(writer);
}

static void a_message_is_there_before_the_answer_to_a_later_request(void **state)
{
    (void)state;
    int listener = dial_worker(0), holder = dial_worker(0), publisher = dial_worker(1);
    say(listener, "SUBSCRIBE c\r\n");
    hear(listener, "+OK\r\n");
    say(holder, "HOLD other\r\n");
    while (atomic_load(&told) == 0)
        poll(NULL, 0, 1);
    say(publisher, "PUBLISH c x\r\n");
    hear(publisher, ":1\r\n");
    say(listener, "PING\r\n"); /* the worker finds message and request at once */
    atomic_store(&release, true);
    hear(listener, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n+PONG\r\n");
    close(listener);
    close(holder);
    close(publisher);
}

static void an_event_waits_until_its_change_is_durable(void **state)
{
    (void)state;
    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        int listener = dial_worker(worker), other = dial_worker(worker), writer = dial_worker(0);
        atomic_store(&durable_lsn, 4);
        say(listener, "SUBSCRIBE __keyspace@3__:key\r\n");
        hear(listener, "+OK\r\n");
        say(writer, "EVENT set 5\r\n");
        hear(writer, "+OK\r\n");
        say(listener, "PING\r\n"); /* its answer is after the message */
        say(other, "PING\r\n");
        hear(other, "+PONG\r\n");
        say(other, "PING\r\n");
        hear(other, "+PONG\r\n");
        hear_nothing_yet(listener);
        atomic_store(&durable_lsn, 5);
        server_on_journal_progress(server);
        hear(listener, KEYSPACE_SET "+PONG\r\n");
        close(listener);
        close(other);
        close(writer);
    }
}

static void who_subscribes_after_a_message_does_not_get_it(void **state)
{
    (void)state;
    int early = dial_worker(0), late = dial_worker(0), writer = dial_worker(1);
    say(early, "SUBSCRIBE __keyspace@3__:key\r\n");
    hear(early, "+OK\r\n");
    say(writer, "HOLD set\r\n");
    while (atomic_load(&told) == 0)
        poll(NULL, 0, 1);
    say(late, "SUBSCRIBE __keyspace@3__:key\r\n");
    hear(late, "+OK\r\n");
    atomic_store(&release, true);
    hear(early, KEYSPACE_SET);
    say(late, "PING\r\n");
    hear(late, "+PONG\r\n");
    close(early);
    close(late);
    close(writer);
}

static void messages_left_behind_by_a_client_are_freed(void **state)
{
    (void)state;
    int listener = dial_worker(0), writer = dial_worker(1);
    say(listener, "SUBSCRIBE __keyspace@3__:key\r\nPSUBSCRIBE *\r\n");
    hear(listener, "+OK\r\n+OK\r\n");
    say(writer, "HOLD set\r\n");
    while (atomic_load(&told) == 0)
        poll(NULL, 0, 1);
    close(listener);
    int asking = dial_worker(0);
    for (int i = 0; i < 3; i++) {
        say(asking, "PING\r\n");
        hear(asking, "+PONG\r\n");
    }
    atomic_store(&release, true);
    hear(writer, "+OK\r\n");
    say(asking, "PUBLISH anything x\r\n");
    hear(asking, ":0\r\n");
    close(asking);
    close(writer);
}

static void a_subscription_counts_once_and_ends_once(void **state)
{
    (void)state;
    int fd = dial(socket_path);
    for (int i = 0; i < 1000; i++) {
        char text[160];
        snprintf(text, sizeof(text), "SUBSCRIBE c%d\r\nSUBSCRIBE c%d\r\n", i, i);
        say(fd, text);
        hear(fd, "+OK\r\n+OK\r\n");
    }
    int publisher = dial(socket_path);
    say(publisher, "PUBLISH c7 x\r\nPUBLISH c1000 x\r\n");
    hear(publisher, ":1\r\n:0\r\n");
    hear(fd, "*3\r\n$7\r\nmessage\r\n$2\r\nc7\r\n$1\r\nx\r\n");
    for (int i = 0; i < 1000; i++) {
        char text[160];
        snprintf(text, sizeof(text), "UNSUBSCRIBE c%d\r\nUNSUBSCRIBE c%d\r\n", i, i);
        say(fd, text);
        hear(fd, "+OK\r\n+OK\r\n");
    }
    say(publisher, "PUBLISH c7 x\r\nPUBLISH c999 x\r\n");
    hear(publisher, ":0\r\n:0\r\n");
    close(fd);
    close(publisher);
}

enum { FLOOD = 400, FLOOD_BYTES = 64 * 1024, FLOOD_HELD_AT = 200 };

static void *flood(void *arg)
{
    static char payload[FLOOD_BYTES + 1];
    char head[64];
    int fd = *(int *)arg;
    memset(payload, 'x', FLOOD_BYTES);
    snprintf(head, sizeof(head), "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%d\r\n", FLOOD_BYTES);
    for (int i = 0; i < FLOOD; i++) {
        say(fd, head);
        for (size_t sent = 0; sent < FLOOD_BYTES;) {
            ssize_t n = send(fd, payload + sent, FLOOD_BYTES - sent, MSG_NOSIGNAL);
            if (n <= 0)
                return NULL;
            sent += (size_t)n;
        }
        say(fd, "\r\n");
    }
    return NULL;
}

/* A worker that does not come to deliver has 8 MiB of mail, and no more than a message above that
 * for each publisher. */
static void who_publishes_faster_than_others_deliver_is_held(void **state)
{
    (void)state;
    int listener = dial_worker(0), holder = dial_worker(0);
    int publisher = dial_worker(1), other = dial_worker(1);
    char got[16];
    pthread_t thread;
    say(listener, "SUBSCRIBE c\r\n");
    hear(listener, "+OK\r\n");
    say(holder, "HOLD set\r\n");
    while (atomic_load(&told) == 0)
        poll(NULL, 0, 1);
    assert_int_equal(pthread_create(&thread, NULL, flood, &publisher), 0);
    int replies = 0;
    for (; replies < 100; replies++)
        hear(publisher, ":1\r\n");
    for (int i = 0; i < 1000; i++) { /* time enough to run all of it */
        say(other, "PING\r\n");
        hear(other, "+PONG\r\n");
        while (recv(publisher, got, 4, MSG_DONTWAIT) == 4)
            replies++;
    }
    assert_in_range(replies, 100, FLOOD_HELD_AT);
    atomic_store(&release, true);
    for (size_t left = (size_t)FLOOD * (FLOOD_BYTES + 34);
         left > 0;) { /* the listener has to read */
        static char some[65536];
        struct pollfd p = {.fd = listener, .events = POLLIN};
        assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        ssize_t n = recv(listener, some, left < sizeof(some) ? left : sizeof(some), 0);
        assert_true(n > 0);
        left -= (size_t)n;
    }
    for (; replies < FLOOD; replies++)
        hear(publisher, ":1\r\n");
    pthread_join(thread, NULL);
    say(listener, "PING\r\n");
    hear(listener, "+PONG\r\n");
    close(listener);
    close(holder);
    close(publisher);
    close(other);
}

#define PUBSUB_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUBSUB_TEST(an_event_is_told_when_its_command_has_ended),
        PUBSUB_TEST(a_message_waits_for_the_event_before_it),
        PUBSUB_TEST(a_message_is_there_before_the_answer_to_a_later_request),
        PUBSUB_TEST(an_event_waits_until_its_change_is_durable),
        PUBSUB_TEST(who_subscribes_after_a_message_does_not_get_it),
        PUBSUB_TEST(messages_left_behind_by_a_client_are_freed),
        PUBSUB_TEST(who_publishes_faster_than_others_deliver_is_held),
        PUBSUB_TEST(a_subscription_counts_once_and_ends_once),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(socket_path);
    rmdir(directory);
    return failed;
}
