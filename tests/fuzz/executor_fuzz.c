/* Any sequence of commands, run in process over a journal and the memory backend: nothing crashes
 * or hangs, and every command is answered by exactly one well-formed reply of the session's
 * protocol.
 *
 * An input is text, one command a line, words apart by spaces. So that short inputs reach far, a
 * word may be one byte of 0x80 and above: in the first place it names a command of the table,
 * elsewhere a word of the list below. A word that begins with 0x01 is made large. The first byte
 * chooses how requests come: parsed from RESP, or with each argument in a heap block of its own, so
 * that reading past one is seen.
 *
 * Left out are commands that end or block the process, or that change it for later inputs.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "command/command.h"
#include "config/options.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* The hash table's pointers carry a tag in their upper bits, so what only they point to would be
 * taken for lost. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum { ARGS_MAX = 64, COMMANDS_MAX = 64, BIG_WORD = 40000, PARKED_MAX_S = 20 };

static const char *const words[] = {
    "k",
    "h",
    "a",
    "b",
    "f",
    "g",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-10",
    "100",
    "1000000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "4294967296",
    "536870912",
    "1.5",
    "inf",
    "nan",
    "1e4932",
    "-0",
    "",
    "nx",
    "xx",
    "gt",
    "lt",
    "get",
    "ex",
    "px",
    "exat",
    "pxat",
    "keepttl",
    "persist",
    "match",
    "count",
    "type",
    "hash",
    "string",
    "*",
    "[a-k]*",
    "k\\*?",
    "replace",
    "db",
    "withvalues",
    "idx",
    "len",
    "minmatchlen",
    "withmatchlen",
    "sync",
    "async",
    "encoding",
    "freq",
    "idletime",
    "refcount",
    "help",
    "list",
    "info",
    "docs",
    "getkeys",
    "getkeysandflags",
    "setname",
    "id",
    "reply",
    "off",
    "on",
    "skip",
    "usage",
    "status",
    "explain",
    "backends",
    "3",
    "withscores",
    "all",
    "everything",
    "setinfo",
    "lib-name",
    "filterby",
};

struct executor {
    struct keyspace *ks;
    struct host host;
    struct command_worker *worker;
    struct session session;
    pthread_mutex_t mutex; /* guards ready */
    pthread_cond_t cond;
    bool ready;
    struct mono wake_at; /* 0: never */
    struct resp_parser *parser;
};
static struct executor fuzz;

/* --- A host without a server --- */

static void on_ready(struct waiter *w)
{
    (void)w;
    pthread_mutex_lock(&fuzz.mutex);
    fuzz.ready = true;
    pthread_cond_signal(&fuzz.cond);
    pthread_mutex_unlock(&fuzz.mutex);
}

static void on_every_worker(void *ctx, void (*fn)(void *arg, struct host_worker *w), void *arg,
                            struct waiter *done)
{
    fn(arg, ctx);
    done->ready(done);
}

static void each_session(struct host_worker *w, void (*each)(void *arg, struct session *s),
                         void *arg)
{
    (void)w;
    each(arg, &fuzz.session);
}

static void session_info(const struct session *s, struct host_session_info *out)
{
    (void)s;
    *out = (struct host_session_info){.events = "r"};
}

static void session_close(struct session *s, bool now)
{
    (void)now;
    s->flags |= SESSION_CLOSE_AFTER_REPLY;
}

static void session_wake_at(struct session *s, struct mono deadline)
{
    (void)s;
    fuzz.wake_at = deadline;
}

static void no_shutdown(void *ctx, bool drain)
{
    (void)ctx;
    (void)drain;
}

static bool no_shutdown_abort(void *ctx)
{
    (void)ctx;
    return false;
}

static void host_info(void *ctx, struct host_info *out)
{
    (void)ctx;
    *out = (struct host_info){.clients = 1, .io_threads = 1};
}

static enum rc replay(void *ctx, struct txn *t, uint32_t db, uint32_t argc,
                      const struct slice *argv, struct err *err)
{
    return command_replay(ctx, t, db, argc, argv, err);
}

static void on_progress(void *ctx)
{
    (void)ctx;
}

static char directory[] = "/tmp/weir-executor-fuzz-XXXXXX";

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", directory);
    (void)!system(command);
}

static void load_options(void)
{
    char *argv[] = {"--journal-dir",
                    directory,
                    "--backend",
                    "memory:fuzz",
                    "--shards",
                    "16",
                    "--io-threads",
                    "1",
                    "--maxmemory",
                    "64mb",
                    "--write-delay-ms",
                    "5",
                    "--proto-max-bulk-len",
                    "1mb",
                    "--journal-fsync",
                    "no",
                    "--journal-segment-size",
                    "1mb",
                    "--loglevel",
                    "nothing"};
    struct err err;
    must(options_load(NULL, COUNT_OF(argv), argv, &err) == RC_OK);
    log_set_level(LOG_NOTHING);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    must(mkdtemp(directory) != NULL);
    atexit(remove_directory);
    load_options();
    pthread_mutex_init(&fuzz.mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&fuzz.cond, &attr);
    fuzz.host = (struct host){.on_every_worker = on_every_worker,
                              .each_session = each_session,
                              .session_info = session_info,
                              .session_close = session_close,
                              .session_wake_at = session_wake_at,
                              .shutdown = no_shutdown,
                              .shutdown_abort = no_shutdown_abort,
                              .info = host_info};
    struct command_worker *replayer = command_worker_new(NULL, &fuzz.host, 0);
    struct keyspace_options options = {
        .workers = 1, .on_journal_progress = on_progress, .replay = replay, .replay_ctx = replayer};
    struct err err = {0};
    if (keyspace_open(&options, &fuzz.ks, &err) != RC_OK) {
        fprintf(stderr, "cannot open the keyspace: %s\n", err.text);
        abort();
    }
    command_worker_free(&replayer);
    fuzz.worker = command_worker_new(fuzz.ks, &fuzz.host, 0);
    fuzz.parser = resp_parser_new();
    return 0;
}

/* --- Replies --- */

/* The length of the line at `at`, CRLF included; every reply consists of complete lines. */
static size_t line_end(struct slice s, size_t at)
{
    while (at + 1 < s.len && !(s.ptr[at] == '\r' && s.ptr[at + 1] == '\n')) {
        must(s.ptr[at] != '\n' && s.ptr[at] != '\r');
        at++;
    }
    must(at + 1 < s.len);
    return at + 2;
}

/* One reply begins at `at`; returns where it ends. */
static size_t reply_end(struct slice s, size_t at, uint8_t proto, int depth)
{
    must(depth < 32 && at < s.len);
    char kind = s.ptr[at];
    size_t next = line_end(s, at + 1);
    long long n = 0;
    switch (kind) {
    case '+':
    case '-':
    case ':':
        return next;
    case '_':
    case '#':
    case ',':
    case '(':
        must(proto == 3);
        return next;
    case '=':
        must(proto == 3);
        /* fall through */
    case '$':
        n = strtoll(s.ptr + at + 1, NULL, 10);
        must(n >= (proto == 3 ? 0 : -1));
        if (n < 0)
            return next;
        must(s.len - next >= (size_t)n + 2 && memcmp(s.ptr + next + n, "\r\n", 2) == 0);
        return next + (size_t)n + 2;
    case '%':
    case '~':
    case '>':
        must(proto == 3);
        /* fall through */
    case '*':
        n = strtoll(s.ptr + at + 1, NULL, 10);
        must(n >= (proto == 3 ? 0 : -1));
        for (long long i = 0; i < (kind == '%' ? 2 * n : n); i++)
            next = reply_end(s, next, proto, depth + 1);
        return next;
    default:
        must(false);
        return 0;
    }
}

static struct buf flat_reply(const struct reply *r)
{
    struct buf out = {0};
    size_t at = 0;
    for (uint32_t i = 0; i < r->refs_len; i++) {
        buf_append(&out, r->buf.data + at, r->refs[i].at - at);
        buf_append_slice(&out, r->refs[i].bytes);
        at = r->refs[i].at;
    }
    buf_append(&out, r->buf.data + at, r->buf.len - at);
    return out;
}

/* --- Running --- */

static void wait_until_ready(void)
{
    int64_t until_us = clock_mono().us + (int64_t)PARKED_MAX_S * 1000000;
    if (fuzz.wake_at.us != 0 && fuzz.wake_at.us < until_us)
        until_us = fuzz.wake_at.us;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_mutex_lock(&fuzz.mutex);
    int waited = 0;
    while (!fuzz.ready && waited == 0)
        waited = pthread_cond_timedwait(&fuzz.cond, &fuzz.mutex, &until);
    must(fuzz.ready || fuzz.wake_at.us != 0); /* else it waits for nothing */
    fuzz.ready = false;
    pthread_mutex_unlock(&fuzz.mutex);
    fuzz.wake_at.us = 0;
}

static bool is_left_out(const struct request *r)
{
    static const char *const names[] = {"shutdown", "debug", "config",  "wait",
                                        "waitaof",  "save",  "monitor", "weir"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!slice_is_word(r->argv[0], names[i]))
            continue;
        bool weir = slice_is_word(r->argv[0], "weir") && r->argc > 1;
        return !weir || slice_is_word(r->argv[1], "pause");
    }
    return false;
}

/* False: the session has ended. */
static bool run(struct request *r, bool prefetch)
{
    struct session *s = &fuzz.session;
    if (is_left_out(r))
        return true;
    uint8_t proto = s->reply.proto;
    bool may_mute =
        (s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT)) != 0;
    if (prefetch)
        command_prefetch(fuzz.worker, s, r, 1);
    enum run_result result = command_run(fuzz.worker, s, r, prefetch ? 0 : -1);
    while (result == RUN_PARKED) {
        must(s->reply.buf.len == 0 && s->reply.refs_len == 0);
        wait_until_ready();
        result = command_run(fuzz.worker, s, r, -1);
    }
    struct buf out = flat_reply(&s->reply);
    may_mute |= (s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0;
    if (out.len > 0) {
        if (s->reply.proto != proto) /* HELLO: the reply is of the new protocol */
            proto = s->reply.proto;
        must(reply_end(buf_slice(&out), 0, proto, 0) == out.len);
    } else {
        must(may_mute || result == RUN_CLOSE);
    }
    buf_fini(&out);
    reply_truncate(&s->reply, 0);
    return result != RUN_CLOSE;
}

/* --- From bytes to requests --- */

/* Command and subcommand for a byte in the first place. */
static void append_command(struct buf *word, unsigned byte)
{
    const struct command *command = command_get((enum command_id)(byte % COMMAND_COUNT));
    for (const char *p = command->name; *p != '\0' && *p != '|'; p++)
        buf_append(word, p, 1);
}

static void append_word(struct buf *out, struct slice text, uint32_t place)
{
    struct buf word = {0};
    unsigned char first = text.len > 0 ? (unsigned char)text.ptr[0] : 0;
    if (text.len == 1 && first >= 0x80 && place == 0) {
        append_command(&word, first - 0x80u);
    } else if (text.len == 2 && first == 0xff && place == 0) {
        append_command(&word, 0x80u + (unsigned char)text.ptr[1]);
    } else if (text.len == 1 && first >= 0x80) {
        buf_append_str(&word, words[(first - 0x80u) % COUNT_OF(words)]);
    } else if (text.len > 1 && first == 1) {
        while (word.len < BIG_WORD)
            buf_append(&word, text.ptr + 1, text.len - 1);
    } else {
        buf_append_slice(&word, text);
    }
    buf_append_bulk(out, buf_slice(&word));
    buf_fini(&word);
}

/* Makes one line a request in RESP; false: it has no words. */
static bool encode_line(struct slice line, struct buf *out)
{
    struct slice parts[ARGS_MAX];
    uint32_t n = 0;
    out->len = 0;
    for (size_t at = 0; at <= line.len && n < ARGS_MAX;) {
        const char *space = at < line.len ? memchr(line.ptr + at, ' ', line.len - at) : NULL;
        size_t end = space != NULL ? (size_t)(space - line.ptr) : line.len;
        if (end > at)
            parts[n++] = slice_of(line.ptr + at, end - at);
        at = end + 1;
    }
    buf_append_array_header(out, n);
    for (uint32_t i = 0; i < n; i++)
        append_word(out, parts[i], i);
    return n > 0;
}

/* Each argument in a heap block of its exact size. */
static bool run_apart(struct request *r)
{
    struct slice argv[ARGS_MAX];
    for (uint32_t i = 0; i < r->argc; i++) {
        char *bytes = malloc(r->argv[i].len);
        if (r->argv[i].len > 0)
            memcpy(bytes, r->argv[i].ptr, r->argv[i].len);
        argv[i] = slice_of(bytes, r->argv[i].len);
    }
    struct request apart = {.argc = r->argc, .argv = argv};
    bool goes_on = run(&apart, false);
    for (uint32_t i = 0; i < r->argc; i++)
        free((void *)(uintptr_t)argv[i].ptr);
    return goes_on;
}

static bool run_line(struct slice line, unsigned mode)
{
    static const struct resp_limits limits = {1024, 1024 * 1024, true};
    struct buf bytes = {0};
    struct request r[2];
    bool goes_on = true;
    if (encode_line(line, &bytes)) {
        size_t consumed;
        enum resp_status status;
        size_t n =
            resp_parse(fuzz.parser, &limits, bytes.data, bytes.len, r, 2, &consumed, &status);
        must(n == 1 && status != RESP_ERROR);
        goes_on = mode % 2 == 0 ? run(&r[0], mode % 4 == 0) : run_apart(&r[0]);
        n = resp_parse(fuzz.parser, &limits, bytes.data, 0, r, 2, &consumed, &status);
        must(n == 0);
    }
    buf_fini(&bytes);
    return goes_on;
}

static void run_text(const char *text)
{
    must(run_line(slice_str(text), 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    session_init(&fuzz.session, 1);
    fuzz.session.waiter.ready = on_ready;
    struct slice rest = slice_of(data + 1, size - 1);
    bool goes_on = true;
    for (int i = 0; i < COMMANDS_MAX && rest.len > 0 && goes_on; i++) {
        const char *newline = memchr(rest.ptr, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.ptr) : rest.len;
        goes_on = run_line(slice_of(rest.ptr, len), data[0]);
        len += newline != NULL;
        rest = slice_of(rest.ptr + len, rest.len - len);
    }
    session_fini(&fuzz.session, fuzz.ks);
    session_init(&fuzz.session, 2);
    fuzz.session.waiter.ready = on_ready;
    run_text("FLUSHALL");
    run_text("WEIR RESUME");
    session_fini(&fuzz.session, fuzz.ks);
    keyspace_tick(fuzz.ks, command_worker_txn(fuzz.worker), 0, 1, 1000);
    return 0;
}
