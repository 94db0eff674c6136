/* The server against commands, a journal and a keyspace that the test controls: parking, withheld
 * replies, closing, limits. Real workers, real sockets (a unix socket in a directory of its own).
 *
 * The functions of command/, keyspace/ and journal/ that server/ calls are defined here, so the
 * linker leaves the real ones in the library.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include "base/log.h"
#include "base/num.h"
#include "base/stats.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/executor.h"
#include "journal/journal.h"
#include "tests/support/client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 10000 };

/* --- What the server sees of the rest --- */

struct keyspace {
    int unused;
};
struct journal {
    int unused;
};
static struct keyspace the_keyspace;
static struct journal the_journal;
static _Atomic uint64_t last_lsn, durable_lsn, kicks, runs, freed_sessions, pending_frees;
static _Atomic(struct waiter *) parked; /* the waiter of the PARK that waits */
static _Atomic bool release;            /* PARK answers when it is run again */
static _Atomic uint64_t reparks, last_mark;

struct command_worker {
    const struct host *host;
    struct keyspace *ks;
};

struct command_worker *command_worker_new(struct keyspace *ks, const struct host *host,
                                          uint32_t worker)
{
    struct command_worker *w = calloc(1, sizeof(*w));
    (void)worker;
    w->host = host;
    w->ks = ks;
    return w;
}

void command_worker_attach(struct command_worker *w, struct keyspace *ks)
{
    w->ks = ks;
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
    char *password = option_strdup(OPT_requirepass);
    s->flags = password[0] == '\0' ? SESSION_AUTHENTICATED : 0;
    free(password);
}

void session_fini(struct session *s, struct keyspace *ks)
{
    (void)ks;
    if (s->pending_free != NULL)
        s->pending_free(s->pending);
    reply_fini(&s->reply);
    atomic_fetch_add(&freed_sessions, 1);
}

void command_prefetch(struct command_worker *w, struct session *s, const struct request *requests,
                      size_t n)
{
    (void)w, (void)s, (void)requests;
    assert_true(n > 1 && n <= 64);
}

static void free_pending(void *pending)
{
    free(pending);
    atomic_fetch_add(&pending_frees, 1);
}

static void end_pending(struct session *s)
{
    free(s->pending);
    s->pending = NULL;
    s->pending_free = NULL;
}

static enum run_result run_park(struct session *s, const struct request *r)
{
    if (s->pending == NULL) {
        s->pending = malloc(1);
        s->pending_free = free_pending;
    } else if (atomic_load(&release)) {
        end_pending(s);
        reply_bulk(&s->reply, r->argv[1]);
        return RUN_DONE;
    } else {
        atomic_fetch_add(&reparks, 1);
    }
    atomic_store(&parked, &s->waiter);
    return RUN_PARKED;
}

static enum run_result run_sleep(struct command_worker *w, struct session *s,
                                 const struct request *r)
{
    int64_t ms = 0;
    if (s->pending == NULL) {
        assert_true(num_parse_i64(r->argv[1], &ms));
        struct mono *until = malloc(sizeof(*until));
        until->us = clock_mono().us + ms * 1000;
        s->pending = until;
        s->pending_free = free_pending;
        w->host->session_wake_at(s, *until);
        return RUN_PARKED;
    }
    struct mono *until = s->pending;
    assert_true(clock_mono().us >= until->us);
    end_pending(s);
    reply_simple(&s->reply, "SLEPT");
    return RUN_DONE;
}

static void count_session(void *arg, struct session *s)
{
    (void)s;
    atomic_fetch_add((_Atomic uint64_t *)arg, 1);
}

static const struct host *the_host;
static _Atomic uint64_t visited_workers;

static void visit_worker(void *arg, struct host_worker *w)
{
    the_host->each_session(w, count_session, arg);
    atomic_fetch_add(&visited_workers, 1);
}

/* COUNT: asks every worker for its sessions, as CLIENT LIST does. */
static enum run_result run_count(struct command_worker *w, struct session *s)
{
    if (s->pending == NULL) {
        s->pending = calloc(1, sizeof(uint64_t));
        s->pending_free = free_pending;
        the_host = w->host;
        w->host->on_every_worker(w->host->ctx, visit_worker, s->pending, &s->waiter);
        return RUN_PARKED;
    }
    reply_int(&s->reply, (int64_t)atomic_load((_Atomic uint64_t *)s->pending));
    end_pending(s);
    return RUN_DONE;
}

static void kill_others(void *arg, struct session *s)
{
    if (s->id != *(uint64_t *)arg)
        the_host->session_close(s, true);
}

static void kill_on_worker(void *arg, struct host_worker *w)
{
    the_host->each_session(w, kill_others, arg);
}

static enum run_result run_kill(struct command_worker *w, struct session *s)
{
    if (s->pending == NULL) {
        uint64_t *id = malloc(sizeof(*id));
        *id = s->id;
        s->pending = id;
        s->pending_free = free_pending;
        the_host = w->host;
        w->host->on_every_worker(w->host->ctx, kill_on_worker, id, &s->waiter);
        return RUN_PARKED;
    }
    end_pending(s);
    reply_ok(&s->reply);
    return RUN_DONE;
}

/* BIG n: a reply of n bytes, copied. REF n: the same in three parts, referenced. */
static void run_big(struct session *s, const struct request *r, bool referenced)
{
    int64_t n = 0;
    assert_true(r->argc == 2 && num_parse_i64(r->argv[1], &n));
    struct blob *b = blob_try_new((size_t)n);
    for (int64_t i = 0; i < n; i++)
        b->data[i] = (char)('a' + i % 26);
    b->len = (size_t)n;
    if (referenced) {
        reply_array(&s->reply, 3);
        reply_bulk_blob(&s->reply, b, blob_slice(b));
        reply_bulk_str(&s->reply, "middle");
        reply_bulk_blob(&s->reply, b, blob_slice(b));
    } else {
        reply_bulk(&s->reply, blob_slice(b));
    }
    blob_unref(&b);
}

enum run_result command_run(struct command_worker *w, struct session *s, struct request *r,
                            int slot)
{
    struct slice name = r->argv[0];
    atomic_fetch_add(&runs, slot >= -1);
    if (w->ks == NULL)
        reply_error(&s->reply, "LOADING Weir is loading the dataset in memory");
    else if (slice_is_word(name, "ping"))
        reply_simple(&s->reply, "PONG");
    else if (slice_is_word(name, "echo"))
        reply_bulk(&s->reply, r->argv[1]);
    else if (slice_is_word(name, "len"))
        reply_int(&s->reply, (int64_t)r->argv[1].len);
    else if (slice_is_word(name, "write")) {
        s->depends_lsn = atomic_fetch_add(&last_lsn, 1) + 1;
        reply_ok(&s->reply);
    } else if (slice_is_word(name, "auth")) {
        s->flags |= SESSION_AUTHENTICATED;
        reply_ok(&s->reply);
    } else if (slice_is_word(name, "mark")) {
        atomic_store(&last_mark, atomic_load(&runs));
        reply_simple(&s->reply, "MARKED");
    } else if (slice_is_word(name, "hold")) {
        while (!atomic_load(&release))
            poll(NULL, 0, 1);
    } else if (slice_is_word(name, "big"))
        run_big(s, r, false);
    else if (slice_is_word(name, "ref"))
        run_big(s, r, true);
    else if (slice_is_word(name, "park"))
        return run_park(s, r);
    else if (slice_is_word(name, "sleep"))
        return run_sleep(w, s, r);
    else if (slice_is_word(name, "count"))
        return run_count(w, s);
    else if (slice_is_word(name, "kill"))
        return run_kill(w, s);
    else if (slice_is_word(name, "quit")) {
        reply_ok(&s->reply);
        return RUN_CLOSE;
    } else
        reply_error(&s->reply, "ERR unknown command");
    return RUN_DONE;
}

struct journal *keyspace_journal(struct keyspace *ks)
{
    return ks == &the_keyspace ? &the_journal : NULL;
}

bool keyspace_cancel_wait(struct keyspace *ks, struct waiter *w)
{
    return ks != &the_keyspace || w == NULL; /* never: it is calling just now */
}

void keyspace_hold_expiry(struct keyspace *ks, bool on)
{
    (void)ks, (void)on;
}

void monitor_post(struct command_worker *w)
{
    (void)w;
}

bool keyspace_tick(struct keyspace *ks, struct txn *t, uint32_t worker, uint32_t workers,
                   int64_t budget_us)
{
    (void)ks, (void)t, (void)budget_us;
    assert_true(worker < workers);
    return false;
}

uint64_t keyspace_durable_lsn(const struct keyspace *ks)
{
    return ks == &the_keyspace ? atomic_load(&durable_lsn) : 0;
}

void journal_kick(struct journal *j)
{
    atomic_fetch_add(&kicks, j == &the_journal);
}

/* --- The server under test, and its clients --- */

static struct server *server;
static char directory[] = "/tmp/weir-server-test-XXXXXX";
static char socket_path[64];

static void load_options(char *const *extra, int extra_len)
{
    struct err err;
    char *args[16] = {"--port", "0", "--unixsocket", socket_path, "--io-threads", "2"};
    int n = 6;
    for (int i = 0; i < extra_len; i++)
        args[n++] = extra[i];
    if (options_load(NULL, n, args, &err) != RC_OK)
        fail_msg("%s", err.text);
    log_set_level(LOG_NOTHING);
}

static void start_with(char *const *extra, int extra_len)
{
    struct err err;
    load_options(extra, extra_len);
    atomic_store(&last_lsn, 0);
    atomic_store(&durable_lsn, UINT64_MAX);
    atomic_store(&release, false);
    atomic_store(&parked, NULL);
    if (server_new(&server, &err) != RC_OK)
        fail_msg("%s", err.text);
    server_start(server);
}

static int start(void **state)
{
    (void)state;
    start_with(NULL, 0);
    server_attach(server, &the_keyspace);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    server_free(&server);
    return 0;
}

static void hear_close(int fd)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
    ssize_t n = recv(fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

/* Waits until the counter has reached a value; fails after the deadline. */
static void await(_Atomic uint64_t *counter, uint64_t value)
{
    int64_t until = clock_mono().us + DEADLINE_MS * 1000;
    while (atomic_load(counter) < value) {
        if (clock_mono().us > until)
            fail_msg("%llu is not reached", (unsigned long long)value);
        poll(NULL, 0, 1);
    }
}

static struct waiter *await_parked(void)
{
    int64_t until = clock_mono().us + DEADLINE_MS * 1000;
    struct waiter *w;
    while ((w = atomic_exchange(&parked, NULL)) == NULL) {
        if (clock_mono().us > until)
            fail_msg("nothing is parked");
        poll(NULL, 0, 1);
    }
    return w;
}

static void requests_are_answered_in_order_however_they_are_cut(void **state)
{
    (void)state;
    static const char requests[] =
        "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nPING\r\n*1\r\n$4\r\nPING\r\n";
    static const char replies[] = "$5\r\nhello\r\n+PONG\r\n+PONG\r\n";
    int fd = dial(socket_path);
    for (size_t cut = 0; cut < sizeof(requests); cut++) {
        assert_int_equal(send(fd, requests, cut, 0), (ssize_t)cut);
        if (cut % 7 == 0)
            poll(NULL, 0, 1); /* sometimes the server sees the first part alone */
        size_t rest = sizeof(requests) - 1 - cut;
        if (cut < sizeof(requests) - 1)
            assert_int_equal(send(fd, requests + cut, rest, 0), (ssize_t)rest);
        hear(fd, replies);
    }
    close(fd);
}

static void a_long_pipeline_is_answered_completely(void **state)
{
    (void)state;
    enum { N = 20000 };
    int fd = dial(socket_path);
    int kind = 1024 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kind, sizeof(kind));
    char *all = malloc(N * 64), *at = all;
    for (int i = 0; i < N; i++) {
        char number[16];
        int len = snprintf(number, sizeof(number), "%d", i);
        at += sprintf(at, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len, number);
    }
    size_t sent = 0, size = (size_t)(at - all), heard = 0;
    struct buf replies = {0};
    while (heard < N) {
        struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (sent < size ? POLLOUT : 0))};
        assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        if (p.revents & POLLOUT) {
            ssize_t n = send(fd, all + sent, size - sent, MSG_DONTWAIT);
            sent += n > 0 ? (size_t)n : 0;
        }
        if (p.revents & POLLIN) {
            char *to = buf_reserve(&replies, 65536);
            ssize_t n = recv(fd, to, 65536, MSG_DONTWAIT);
            assert_true(n > 0);
            for (ssize_t i = 0; i < n; i++)
                heard += to[i] == '$';
            replies.len += (size_t)n;
        }
    }
    int next = 0;
    for (char *line = strtok(replies.data, "\r\n"); line != NULL && next < N - 1;
         line = strtok(NULL, "\r\n"))
        if (line[0] != '$')
            assert_int_equal(atoi(line), next++);
    free(all);
    buf_fini(&replies);
    close(fd);
}

static void a_parked_command_runs_again_and_what_follows_waits(void **state)
{
    (void)state;
    int fd = dial(socket_path);
    say(fd, "PING\r\n*2\r\n$4\r\nPARK\r\n$3\r\nkey\r\nPING\r\n");
    hear(fd, "+PONG\r\n");
    struct waiter *w = await_parked();
    say(fd, "*2\r\n$4\r\nECHO\r\n$4\r\nlate\r\n");
    hear_nothing_yet(fd);
    w->ready(w); /* not yet: it waits again */
    w = await_parked();
    assert_int_equal(atomic_load(&reparks), 1);
    atomic_store(&release, true);
    w->ready(w);
    hear(fd, "$3\r\nkey\r\n+PONG\r\n$4\r\nlate\r\n");
    w->ready(w); /* once too often: nothing happens */
    say(fd, "PING\r\n");
    hear(fd, "+PONG\r\n");
    close(fd);
}

static void a_client_that_leaves_while_parked_is_freed_when_its_waiter_calls(void **state)
{
    (void)state;
    int fd = dial(socket_path), other = dial(socket_path);
    uint64_t sessions = atomic_load(&freed_sessions), pendings = atomic_load(&pending_frees);
    say(fd, "PARK x\r\n");
    struct waiter *w = await_parked();
    say(other, "KILL\r\n");
    hear(other, "+OK\r\n");
    hear_close(fd);
    say(other, "COUNT\r\n");
    hear(other, ":1\r\n");
    assert_int_equal(atomic_load(&freed_sessions), sessions);
    w->ready(w);
    await(&freed_sessions, sessions + 1);
    assert_true(atomic_load(&pending_frees) > pendings);
    close(other);
}

static void a_wake_up_time_resumes_a_parked_command(void **state)
{
    (void)state;
    int fd = dial(socket_path);
    say(fd, "SLEEP 30\r\nSLEEP 0\r\nPING\r\n");
    hear(fd, "+SLEPT\r\n+SLEPT\r\n+PONG\r\n");
    close(fd);
}

static void every_worker_is_visited_before_the_command_goes_on(void **state)
{
    (void)state;
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = dial(socket_path);
        say(fds[i], "PING\r\n");
        hear(fds[i], "+PONG\r\n");
    }
    uint64_t visited = atomic_load(&visited_workers);
    say(fds[0], "COUNT\r\n");
    hear(fds[0], ":5\r\n");
    assert_int_equal(atomic_load(&visited_workers), visited + 2);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void replies_wait_for_the_journal_and_reading_goes_on(void **state)
{
    (void)state;
    atomic_store(&durable_lsn, 0);
    int fd = dial(socket_path);
    uint64_t ran = atomic_load(&runs), kicked = atomic_load(&kicks);
    say(fd, "PING\r\nWRITE\r\nPING\r\n");
    hear(fd, "+PONG\r\n"); /* what came before the write does not wait for it */
    await(&runs, ran + 3);
    hear_nothing_yet(fd);
    say(fd, "WRITE\r\n");
    await(&runs, ran + 4); /* parsing goes on meanwhile */
    await(&kicks, kicked + 1);
    hear_nothing_yet(fd);
    atomic_store(&durable_lsn, 1);
    server_on_journal_progress(server);
    hear(fd, "+OK\r\n+PONG\r\n");
    hear_nothing_yet(fd);
    atomic_store(&durable_lsn, 2);
    server_on_journal_progress(server);
    hear(fd, "+OK\r\n");
    say(fd, "PING\r\n");
    hear(fd, "+PONG\r\n");
    close(fd);
}

static void many_withheld_replies_come_out_whole(void **state)
{
    (void)state;
    enum { N = 100 };
    atomic_store(&durable_lsn, 0);
    int fd = dial(socket_path);
    for (int i = 0; i < N; i++) {
        uint64_t ran = atomic_load(&runs);
        say(fd, "WRITE\r\n");
        await(&runs, ran + 1); /* each in a turn of its own: more groups than marks */
    }
    hear_nothing_yet(fd);
    for (uint64_t lsn = 1; lsn <= N; lsn++) {
        atomic_store(&durable_lsn, lsn);
        server_on_journal_progress(server);
    }
    for (int i = 0; i < N; i++)
        hear(fd, "+OK\r\n");
    hear_nothing_yet(fd);
    close(fd);
}

static void quit_waits_for_a_withheld_reply(void **state)
{
    (void)state;
    atomic_store(&durable_lsn, 0);
    int fd = dial(socket_path);
    uint64_t ran = atomic_load(&runs);
    say(fd, "WRITE\r\nQUIT\r\nPING\r\n");
    await(&runs, ran + 2);
    hear_nothing_yet(fd);
    atomic_store(&durable_lsn, 1);
    server_on_journal_progress(server);
    hear(fd, "+OK\r\n+OK\r\n");
    hear_close(fd);
    assert_int_equal(atomic_load(&runs), ran + 2);
}

static void a_half_closed_client_gets_its_replies(void **state)
{
    (void)state;
    int fd = dial(socket_path);
    say(fd, "PING\r\nSLEEP 20\r\nPING\r\n*1\r\n$4\r\nPI");
    shutdown(fd, SHUT_WR);
    hear(fd, "+PONG\r\n+SLEPT\r\n+PONG\r\n");
    hear_close(fd);
}

static void referenced_replies_arrive_intact(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    int fd = dial(socket_path);
    char *got = malloc(SIZE + 2);
    say(fd, "PING\r\nREF 300000\r\nPING\r\n");
    hear(fd, "+PONG\r\n*3\r\n");
    for (int part = 0; part < 2; part++) {
        hear(fd, "$300000\r\n");
        for (size_t have = 0; have < SIZE;) {
            ssize_t n = recv(fd, got + have, SIZE - have, 0);
            assert_true(n > 0);
            have += (size_t)n;
        }
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(got[i], 'a' + i % 26);
        hear(fd, part == 0 ? "\r\n$6\r\nmiddle\r\n" : "\r\n");
    }
    hear(fd, "+PONG\r\n");
    free(got);
    close(fd);
}

static void a_client_that_does_not_read_is_closed_at_its_limit(void **state)
{
    (void)state;
    struct slice pairs[] = {SLICE("client-output-buffer-limit"), SLICE("normal 1000000 0 0")};
    struct err err;
    const char *failed;
    assert_int_equal(options_set(pairs, 1, &failed, &err), RC_OK);
    uint64_t closed = stat_get(STAT_client_output_buffer_limit_disconnections);
    int fd = dial(socket_path), other = dial(socket_path);
    say(fd, "BIG 900000\r\nBIG 900000\r\nBIG 900000\r\n");
    say(other, "PING\r\n");
    hear(other, "+PONG\r\n");
    int64_t until = clock_mono().us + DEADLINE_MS * 1000;
    while (stat_get(STAT_client_output_buffer_limit_disconnections) == closed)
        assert_true(clock_mono().us < until);
    close(fd);
    close(other);
}

static void one_client_does_not_keep_the_others_waiting(void **state)
{
    enum { N = 3000 };
    char many[N * 3 + 1] = "", *one_thread[] = {"--io-threads", "1"};
    stop(state);
    start_with(one_thread, 2);
    server_attach(server, &the_keyspace);
    int holder = dial(socket_path), before = dial(socket_path), busy = dial(socket_path),
        after = dial(socket_path);
    int all[] = {holder, before, busy, after};
    for (int i = 0; i < 4; i++) {
        say(all[i], "PING\r\n");
        hear(all[i], "+PONG\r\n");
    }
    uint64_t ran = atomic_load(&runs);
    say(holder, "HOLD\r\n"); /* the worker is inside of a command until all have sent */
    await(&runs, ran + 1);
    for (int i = 0; i < N; i++)
        memcpy(many + i * 3, "x\r\n", 4);
    say(before, "MARK\r\n"); /* readiness is seen in this order, or in the reverse */
    say(busy, many);
    say(after, "MARK\r\n");
    atomic_store(&release, true);
    hear(before, "+MARKED\r\n");
    hear(after, "+MARKED\r\n");
    assert_true(atomic_load(&last_mark) < ran + N);
    for (int i = 0; i < 4; i++)
        close(all[i]);
}

static void what_follows_auth_in_the_same_bytes_has_the_wide_limits(void **state)
{
    char *extra[] = {"--requirepass", "secret"};
    stop(state);
    start_with(extra, 2);
    server_attach(server, &the_keyspace);
    int fd = dial(socket_path);
    say(fd, "AUTH x\r\n*11\r\n$4\r\nPING\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"
            "$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$1\r\n0\r\n");
    hear(fd, "+OK\r\n+PONG\r\n");
    close(fd);
}

static void loading_is_answered_until_the_keyspace_is_there(void **state)
{
    stop(state);
    start_with(NULL, 0);
    int fd = dial(socket_path);
    say(fd, "PING\r\n");
    hear(fd, "-LOADING Weir is loading the dataset in memory\r\n");
    server_attach(server, &the_keyspace);
    say(fd, "PING\r\n");
    hear(fd, "+PONG\r\n");
    close(fd);
}

static void a_big_argument_arrives_in_pieces(void **state)
{
    (void)state;
    enum { SIZE = 3000000 };
    int fd = dial(socket_path);
    char *bytes = malloc(SIZE);
    memset(bytes, 'x', SIZE);
    say(fd, "PING\r\n*2\r\n$3\r\nLEN\r\n$3000000\r\n");
    for (size_t sent = 0; sent < SIZE;) {
        ssize_t n = send(fd, bytes + sent, SIZE - sent < 70001 ? SIZE - sent : 70001, 0);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    say(fd, "\r\nPING\r\n");
    hear(fd, "+PONG\r\n:3000000\r\n+PONG\r\n");
    free(bytes);
    close(fd);
}

static void stopping_sends_what_is_ready_and_closes(void **state)
{
    (void)state;
    int fd = dial(socket_path), waiting = dial(socket_path);
    say(waiting, "PARK x\r\n");
    struct waiter *w = await_parked();
    say(fd, "PING\r\n");
    hear(fd, "+PONG\r\n");
    server_stop(server);
    hear_close(fd);
    hear_close(waiting);
    w->ready(w); /* the keyspace may still call when the workers have ended */
    server_free(&server);
    start(state);
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(requests_are_answered_in_order_however_they_are_cut),
        SERVER_TEST(a_long_pipeline_is_answered_completely),
        SERVER_TEST(a_parked_command_runs_again_and_what_follows_waits),
        SERVER_TEST(a_client_that_leaves_while_parked_is_freed_when_its_waiter_calls),
        SERVER_TEST(a_wake_up_time_resumes_a_parked_command),
        SERVER_TEST(every_worker_is_visited_before_the_command_goes_on),
        SERVER_TEST(replies_wait_for_the_journal_and_reading_goes_on),
        SERVER_TEST(many_withheld_replies_come_out_whole),
        SERVER_TEST(quit_waits_for_a_withheld_reply),
        SERVER_TEST(a_half_closed_client_gets_its_replies),
        SERVER_TEST(referenced_replies_arrive_intact),
        SERVER_TEST(a_client_that_does_not_read_is_closed_at_its_limit),
        SERVER_TEST(one_client_does_not_keep_the_others_waiting),
        SERVER_TEST(what_follows_auth_in_the_same_bytes_has_the_wide_limits),
        SERVER_TEST(loading_is_answered_until_the_keyspace_is_there),
        SERVER_TEST(a_big_argument_arrives_in_pieces),
        SERVER_TEST(stopping_sends_what_is_ready_and_closes),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(socket_path, sizeof(socket_path), "%s/s", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
