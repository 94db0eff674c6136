/* Any sequence of commands of two clients, run in process over a journal and the memory backend:
 * nothing crashes or hangs, and every command is answered by exactly one well-formed reply of the
 * session's protocol.
 *
 * An input is text, one command a line, words apart by spaces. A line that begins with '@' is the
 * second client's; "!" flushes and evicts, so that keys have to be loaded. So that short inputs
 * reach far, a byte of 0x80 and above, or 0xff and another one, is a word: in the first place it
 * names a command of the table (and its subcommand), elsewhere a word of the list below. A word
 * that begins with 0x01 is made large, and "=k" is what DUMP says of the key k: for RESTORE, whose
 * payloads no mutation would hit. The first byte chooses how requests come: parsed from RESP,
 * or with each argument in a heap block of its own, so that reading past one is seen; whether
 * values take their large forms early; and the protocol. Half of all mutations put in whole lines.
 *
 * A client that waits for a key goes on waiting while the other one says its lines. When it is its
 * own turn again, its time is over.
 *
 * Left out are commands that end or block the process, or that change it for later inputs.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "base/num.h"
#include "base/words.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/blocked.h"
#include "keyspace/dump.h"
#include "keyspace/internal.h"
#include "writeback/internal.h"
#include "tests/fuzz/executor_lines.h"
#include "tests/fuzz/executor_reply.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
const char *__asan_default_options(void);

/* The hash table's pointers carry a tag in their upper bits, so what only they point to would be
 * taken for lost. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum {
    ARGS_MAX = 64,
    COMMANDS_MAX = 64,
    BIG_WORD = 40000,
    BIG_PAYLOAD = 1000000,
    PARKED_MAX_S = 20,
    CLIENTS = 2,
    EVICT_LOOK = 256
};
enum { MODE_APART = 1, MODE_ONE_BY_ONE = 2, MODE_LARGE_FORMS = 0x40, MODE_RESP3 = 0x80 };

/* Named by their place in saved inputs: append only. */
static const char word_list[] =
    "k h a b f g l s z 0 1 -1 2 10 -10 100 1000000 9223372036854775807 -9223372036854775808 "
    "9223372036854775808 4294967296 536870912 1.5 inf nan 1e4932 -0 \"\" nx xx gt lt get ex px "
    "exat pxat keepttl persist match count type hash string * [a-k]* k\\*? replace db "
    "withvalues idx len minmatchlen withmatchlen sync async encoding freq idletime refcount "
    "help list info docs getkeys getkeysandflags setname id reply off on skip usage status "
    "explain backends 3 withscores all everything setinfo lib-name filterby limit rev byscore "
    "bylex withscore ch incr weights aggregate sum min max store storedist bybox byradius "
    "frommember fromlonlat asc desc any withcoord withdist withhash m km ft mi by alpha nosort "
    "# #->a k* overflow wrap sat fail set incrby u8 i64 u63 u64 i1 #1 #9223372036854775807 bit "
    "byte and or xor not left right before after rank maxlen timeout error todense getreg "
    "decode -inf +inf (1 [a (a - + 0.001 0.01 -0.001 1e308 -1e308 5e-324 13.361389 38.115556 "
    "180 -180 85.05112878 2147483647 2147483648 -2147483648 -2147483649 4294967295 "
    "18446744073709551615 576460752303423487 4611686018427387904 -9223372036854775807 "
    "99999999999999999999 1024 65536 0x10 channels numsub numpat shardchannels shardnumsub "
    "aclcat pattern module read write yes no user default addr laddr skipme normal pubsub "
    "maxmemory hash-max-listpack-entries copy move async encoding zset stream 16383 1048576 -5 "
    "7 e 256";
static struct slice words[256];
static uint32_t words_len;

struct client {
    struct session session;
    bool ready;
    struct mono wake_at;    /* 0: never */
    struct request *parked; /* its command waits, with the request in a place of its own */
};

struct executor {
    struct keyspace *ks;
    struct host host;
    struct command_worker *worker;
    struct client clients[CLIENTS];
    pthread_mutex_t mutex; /* guards ready */
    pthread_cond_t cond;
    struct resp_parser *parser;
    bool holes;
    bool told; /* the running command has written replies of its own kind: SUBSCRIBE */
};
static struct executor fuzz;

/* --- A host without a server --- */

static struct client *client_of(const struct session *s)
{
    for (int i = 0; i < CLIENTS; i++)
        if (s == &fuzz.clients[i].session)
            return &fuzz.clients[i];
    must(false);
    return NULL;
}

static void on_ready(struct waiter *w)
{
    struct client *c =
        (struct client *)(void *)((char *)w - offsetof(struct client, session.waiter));
    pthread_mutex_lock(&fuzz.mutex);
    c->ready = true;
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
    for (int i = 0; i < CLIENTS; i++)
        each(arg, &fuzz.clients[i].session);
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
    client_of(s)->wake_at = deadline;
}

/* Lines of MONITOR: there to be read, and then they are gone. */
static void session_push(struct session *s, struct slice bytes, uint64_t lsn)
{
    (void)lsn;
    must((s->flags & SESSION_MONITOR) != 0 && bytes.len > 2 && bytes.ptr[0] == '+');
    must(memcmp(bytes.ptr + bytes.len - 2, "\r\n", 2) == 0);
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
    *out = (struct host_info){.clients = CLIENTS, .io_threads = 1};
}

static void on_progress(void *ctx)
{
    (void)ctx;
}

static void on_event(void *ctx, const struct keyspace_event *event)
{
    unsigned sum = 0;
    (void)ctx;
    must(event->name[0] != '\0');
    for (size_t i = 0; i < event->key.len; i++)
        sum += (unsigned char)event->key.ptr[i];
    must(sum <= event->key.len * 255);
}

/* --- Publish and subscribe: who listens to what. Messages go nowhere. --- */

enum { SUBSCRIPTIONS_MAX = 32 };

static struct subscription {
    struct session *session; /* NULL: free */
    enum pubsub_kind kind;
    struct buf name;
} subscriptions[SUBSCRIPTIONS_MAX]; /* the oldest first */

static struct subscription *find_subscription(const struct session *s, enum pubsub_kind kind,
                                              const struct slice *name)
{
    for (size_t i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        struct subscription *sub = &subscriptions[i];
        if (sub->session == s && (s == NULL || sub->kind == kind) &&
            (name == NULL || slice_eq(buf_slice(&sub->name), *name)))
            return sub;
    }
    return NULL;
}

static void end_subscription(struct subscription *sub)
{
    sub->session->subscriptions[sub->kind]--;
    buf_fini(&sub->name);
    for (; sub + 1 < subscriptions + SUBSCRIPTIONS_MAX; sub++)
        sub[0] = sub[1];
    *sub = (struct subscription){0};
}

static bool subscribe(struct session *s, enum pubsub_kind kind, struct slice name)
{
    fuzz.told = true;
    if (find_subscription(s, kind, &name) != NULL)
        return true;
    struct subscription *sub = find_subscription(NULL, kind, NULL);
    if (sub == NULL)
        return false;
    *sub = (struct subscription){.session = s, .kind = kind};
    buf_append_slice(&sub->name, name);
    s->subscriptions[kind]++;
    return true;
}

static void unsubscribe(struct session *s, enum pubsub_kind kind, struct slice name)
{
    struct subscription *sub = find_subscription(s, kind, &name);
    fuzz.told = true;
    if (sub != NULL)
        end_subscription(sub);
}

static bool unsubscribe_oldest(struct session *s, enum pubsub_kind kind,
                               void (*each)(void *arg, struct slice name), void *arg)
{
    struct subscription *sub = find_subscription(s, kind, NULL);
    fuzz.told = true;
    if (sub == NULL)
        return false;
    struct buf name = sub->name;
    sub->name = (struct buf){0};
    end_subscription(sub);
    each(arg, buf_slice(&name));
    buf_fini(&name);
    return true;
}

static void each_name(struct session *s, enum pubsub_kind kind,
                      void (*each)(void *arg, struct slice name), void *arg)
{
    (void)s;
    for (size_t i = 0; i < SUBSCRIPTIONS_MAX; i++)
        if (subscriptions[i].session != NULL && subscriptions[i].kind == kind)
            each(arg, buf_slice(&subscriptions[i].name));
}

static uint64_t count_subscribers(struct session *s, enum pubsub_kind kind, struct slice name)
{
    uint64_t n = 0;
    (void)s;
    for (int i = 0; i < CLIENTS; i++)
        n += find_subscription(&fuzz.clients[i].session, kind, &name) != NULL;
    return n;
}

static uint64_t count_names(struct session *s, enum pubsub_kind kind)
{
    return s->subscriptions[kind];
}

static bool publish(struct session *s, enum pubsub_kind kind, struct slice channel,
                    struct slice payload, uint64_t lsn, uint64_t *receivers)
{
    (void)lsn;
    *receivers = count_subscribers(s, kind, channel);
    return payload.len <= BIG_WORD + 1024;
}

static const struct host_pubsub pubsub = {.subscribe = subscribe,
                                          .unsubscribe = unsubscribe,
                                          .unsubscribe_oldest = unsubscribe_oldest,
                                          .publish = publish,
                                          .each = each_name,
                                          .count = count_names,
                                          .subscribers = count_subscribers};

/* --- Beginning --- */

static void split_words(void)
{
    static char room_for_words[sizeof(word_list)];
    struct slice rest = SLICE(word_list);
    char *room = room_for_words;
    while (words_next(&rest, &room, &words[words_len]) == WORDS_FOUND)
        must(++words_len < COUNT_OF(words));
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
                    "--notify-keyspace-events",
                    "KEA",
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
    split_words();
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
                              .session_push = session_push,
                              .shutdown = no_shutdown,
                              .shutdown_abort = no_shutdown_abort,
                              .info = host_info,
                              .pubsub = &pubsub};
    struct keyspace_options options = {
        .workers = 1, .on_journal_progress = on_progress, .on_event = on_event};
    struct err err = {0};
    if (keyspace_open(&options, &fuzz.ks, &err) != RC_OK) {
        fprintf(stderr, "cannot open the keyspace: %s\n", err.text);
        abort();
    }
    fuzz.worker = command_worker_new(fuzz.ks, &fuzz.host, 0);
    fuzz.parser = resp_parser_new();
    return 0;
}

/* --- Replies --- */

static struct buf flat_reply(const struct reply *r)
{
    struct buf out = {0};
    size_t at = 0;
    for (uint32_t i = 0; i < r->refs_len; i++) {
        buf_append(&out, r->buf.data + at, r->refs[i].at - at);
        buf_append_slice(&out, r->refs[i].bytes);
        at = r->refs[i].at;
    }
    if (r->buf.len > at)
        buf_append(&out, r->buf.data + at, r->buf.len - at);
    return out;
}

/* --- Running --- */

static void wait_until_ready(struct client *c)
{
    int64_t until_us = clock_mono().us + (int64_t)PARKED_MAX_S * 1000000;
    if (c->wake_at.us != 0 && c->wake_at.us < until_us)
        until_us = c->wake_at.us;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_mutex_lock(&fuzz.mutex);
    int waited = 0;
    while (!c->ready && waited == 0)
        waited = pthread_cond_timedwait(&fuzz.cond, &fuzz.mutex, &until);
    must(c->ready || c->wake_at.us != 0); /* else it waits for nothing */
    c->ready = false;
    pthread_mutex_unlock(&fuzz.mutex);
    c->wake_at.us = 0;
}

/* A pause holds for the process: only a short one ends before the next input. */
static bool is_long_pause(const struct request *r)
{
    int64_t ms;
    return slice_is_word(r->argv[0], "client") && r->argc > 2 &&
           slice_is_word(r->argv[1], "pause") && num_parse_i64(r->argv[2], &ms) && ms > 2;
}

static bool is_left_out(const struct request *r)
{
    static const char *const names[] = {"shutdown", "wait", "waitaof", "save"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_is_word(r->argv[0], names[i]))
            return true;
    bool sub = r->argc > 1;
    bool weir = slice_is_word(r->argv[0], "weir") && sub;
    bool config = slice_is_word(r->argv[0], "config") && sub;
    return (weir && slice_is_word(r->argv[1], "pause")) ||
           (config && (slice_is_word(r->argv[1], "set") || slice_is_word(r->argv[1], "rewrite"))) ||
           is_long_pause(r);
}

/* CLIENT REPLY within EXEC leaves holes in its array, as in Redis. */
static bool has_holes(const struct session *s)
{
    for (uint32_t i = 0; i < s->queue_len; i++)
        if (slice_is_word(s->queue[i]->argv[0], "client") && s->queue[i]->argc > 1 &&
            slice_is_word(s->queue[i]->argv[1], "reply"))
            return true;
    return false;
}

/* One reply, or several where each name gets one. */
static void check_reply(struct slice bytes, uint8_t proto)
{
    size_t at = 0;
    do {
        at = reply_end(bytes, at, proto, 0);
    } while (at < bytes.len && fuzz.told);
    must(at == bytes.len);
}

/* False: the session has ended. */
static bool finish(struct client *c, enum run_result result, uint8_t proto, bool may_mute)
{
    struct session *s = &c->session;
    struct buf out = flat_reply(&s->reply);
    may_mute |= (s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0;
    if (out.len > 0) {
        if (s->reply.proto != proto) /* HELLO: the reply is of the new protocol */
            proto = out.data[0] == '*' ? PROTO_MIXED : s->reply.proto;
        if (!fuzz.holes)
            check_reply(buf_slice(&out), proto);
    } else {
        must(may_mute || result == RUN_CLOSE);
    }
    buf_fini(&out);
    reply_truncate(&s->reply, 0);
    monitor_post(fuzz.worker);
    return result != RUN_CLOSE;
}

/* Runs a request, or goes on with the one that waits (r NULL). False: the session has ended. */
static bool run(struct client *c, struct request *r, bool prefetch)
{
    struct session *s = &c->session;
    const unsigned mutes = SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT;
    if (r != NULL && is_left_out(r))
        return true;
    uint8_t proto = s->reply.proto;
    /* MONITOR said twice is not answered. */
    bool may_mute = (s->flags & (mutes | SESSION_MONITOR)) != 0;
    fuzz.told = false;
    fuzz.holes = has_holes(s);
    if (prefetch)
        command_prefetch(fuzz.worker, s, r, 1);
    if (r == NULL)
        r = c->parked;
    enum run_result result = command_run(fuzz.worker, s, r, prefetch ? 0 : -1);
    while (result == RUN_PARKED) {
        must(s->reply.buf.len == 0 && s->reply.refs_len == 0);
        if (c->parked == NULL) {
            r = c->parked = request_detach(r);
            must(r != NULL);
        }
        if (s->blocked != NULL)
            return true;
        wait_until_ready(c);
        result = command_run(fuzz.worker, s, r, -1);
    }
    if (c->parked != NULL)
        request_free(&c->parked);
    c->wake_at.us = 0;
    return finish(c, result, proto, may_mute);
}

static bool take_ready(struct client *c)
{
    pthread_mutex_lock(&fuzz.mutex);
    bool ready = c->ready;
    c->ready = false;
    pthread_mutex_unlock(&fuzz.mutex);
    return ready;
}

/* Whoever was served, or has waited long enough, gets the reply. False: a session has ended. */
static bool go_on(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &fuzz.clients[i];
        if (c->parked != NULL && c->wake_at.us != 0 && clock_mono().us >= c->wake_at.us)
            blocking_expire(&c->session);
        while (c->parked != NULL && take_ready(c))
            if (!run(c, NULL, false))
                return false;
    }
    return true;
}

/* The time of a client that waits is over. */
static bool end_waiting(struct client *c)
{
    while (c->parked != NULL) {
        blocking_expire(&c->session);
        if (!go_on())
            return false;
    }
    return true;
}

/* --- From bytes to requests --- */

/* Command and subcommand for a byte in the first place; returns how many words. */
static uint32_t append_command(struct buf *out, unsigned number)
{
    const char *name = command_get((enum command_id)(number % COMMAND_COUNT))->name;
    const char *bar = strchr(name, '|');
    buf_append_bulk(out, bar == NULL ? slice_str(name) : slice_of(name, (size_t)(bar - name)));
    if (bar != NULL)
        buf_append_bulk(out, slice_str(bar + 1));
    return bar != NULL ? 2 : 1;
}

/* What is under a key of database 0 in memory, as RESTORE takes it; a short string for nothing. */
static void append_payload(struct buf *out, struct slice key) NO_TSA
{
    struct txn *t = command_worker_txn(fuzz.worker);
    struct txn_key k = {.mode = KEY_READ, .name = key};
    struct value nothing = {.type = VALUE_STRING, .str = SLICE("x")};
    struct buf payload = {0};
    must(txn_begin(t, &k, 1, TXN_NO_TOUCH, (struct slice){NULL, 0}, 0, NULL, NULL) == TXN_READY);
    const struct value *v = txn_peek(t, 0);
    must(value_dump(&payload, v != NULL ? v : &nothing));
    if (payload.len > BIG_PAYLOAD) { /* the parser takes no longer words */
        payload.len = 0;
        must(value_dump(&payload, &nothing));
    }
    (void)txn_commit(t);
    buf_append_bulk(out, buf_slice(&payload));
    buf_fini(&payload);
}

/* Returns how many words it became. */
static uint32_t append_word(struct buf *out, struct slice text, uint32_t place)
{
    unsigned first = (unsigned char)text.ptr[0], number = words_len + COMMAND_COUNT;
    if (text.len == 1 && first >= 0x80)
        number = first - 0x80;
    else if (text.len == 2 && first == 0xff)
        number = 0x7f + (unsigned)(unsigned char)text.ptr[1];
    if (number < words_len + COMMAND_COUNT) {
        if (place == 0)
            return append_command(out, number);
        buf_append_bulk(out, words[number % words_len]);
        return 1;
    }
    if (text.len == 2 && first == '=') {
        append_payload(out, slice_of(text.ptr + 1, 1));
        return 1;
    }
    if (text.len > 1 && first == 1) {
        struct buf word = {0};
        while (word.len < BIG_WORD)
            buf_append(&word, text.ptr + 1, text.len - 1);
        buf_append_bulk(out, buf_slice(&word));
        buf_fini(&word);
        return 1;
    }
    buf_append_bulk(out, text);
    return 1;
}

/* Makes one line a request in RESP; false: it has no words. */
static bool encode_line(struct slice line, struct buf *out)
{
    struct buf body = {0};
    uint32_t n = 0;
    for (size_t at = 0; at <= line.len && n < ARGS_MAX - 1;) {
        const char *space = at < line.len ? memchr(line.ptr + at, ' ', line.len - at) : NULL;
        size_t end = space != NULL ? (size_t)(space - line.ptr) : line.len;
        if (end > at)
            n += append_word(&body, slice_of(line.ptr + at, end - at), n);
        at = end + 1;
    }
    buf_append_array_header(out, n);
    buf_append_slice(out, buf_slice(&body));
    buf_fini(&body);
    return n > 0;
}

/* Each argument in a heap block of its exact size. */
static bool run_apart(struct client *c, struct request *r)
{
    struct slice argv[ARGS_MAX];
    for (uint32_t i = 0; i < r->argc; i++) {
        char *bytes = malloc(r->argv[i].len);
        if (r->argv[i].len > 0)
            memcpy(bytes, r->argv[i].ptr, r->argv[i].len);
        argv[i] = slice_of(bytes, r->argv[i].len);
    }
    struct request apart = {.argc = r->argc, .argv = argv};
    bool goes_on = run(c, &apart, false);
    for (uint32_t i = 0; i < r->argc; i++)
        free((void *)(uintptr_t)argv[i].ptr);
    return goes_on;
}

static void evict_all(void) NO_TSA
{
    struct store *store = &fuzz.ks->store;
    for (uint32_t i = 0; i < store->shards_len; i++) {
        struct shard *sh = &store->shards[i];
        lock_acquire(&sh->lock);
        for (int in_vain = 0; in_vain < 3; in_vain++)
            while (shard_evict(sh, EVICT_LOOK, false) > 0)
                continue;
        lock_release(&sh->lock);
    }
    keyspace_check(fuzz.ks);
}

static bool run_line(struct slice line, unsigned mode)
{
    static const struct resp_limits limits = {1024, 1024 * 1024, true};
    struct buf bytes = {0};
    struct request r[2];
    bool goes_on = true, second = line.len > 0 && line.ptr[0] == '@';
    struct client *c = &fuzz.clients[second];
    if (slice_eq(line, SLICE("!"))) {
        goes_on = end_waiting(c) && run_line(SLICE("WEIR FLUSH"), 0);
        evict_all();
        return goes_on;
    }
    if (second)
        line = slice_of(line.ptr + 1, line.len - 1);
    if (encode_line(line, &bytes) && end_waiting(c)) {
        size_t consumed;
        enum resp_status status;
        size_t n =
            resp_parse(fuzz.parser, &limits, bytes.data, bytes.len, r, 2, &consumed, &status);
        must(n == 1 && status != RESP_ERROR);
        if ((mode & MODE_APART) != 0)
            goes_on = run_apart(c, &r[0]);
        else
            goes_on = run(c, &r[0], (mode & MODE_ONE_BY_ONE) == 0);
        n = resp_parse(fuzz.parser, &limits, bytes.data, 0, r, 2, &consumed, &status);
        must(n == 0);
        goes_on = goes_on && go_on();
    }
    buf_fini(&bytes);
    return goes_on;
}

/* --- One input --- */

static void connect_clients(uint64_t first_id, uint8_t proto)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *c = &fuzz.clients[i];
        must(c->parked == NULL);
        session_init(&c->session, first_id + i);
        c->session.waiter.ready = on_ready;
        c->session.reply.proto = proto;
        c->ready = false;
        c->wake_at.us = 0;
    }
}

static void disconnect_clients(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &fuzz.clients[i];
        while (c->parked != NULL) {
            blocking_expire(&c->session);
            (void)go_on();
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct session *s = &fuzz.clients[i].session;
        for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
            struct subscription *sub;
            while ((sub = find_subscription(s, (enum pubsub_kind)kind, NULL)) != NULL)
                end_subscription(sub);
        }
        command_leave(s);
        session_fini(s, fuzz.ks);
    }
}

static void take_forms(bool large)
{
    value_limits.hash_max_listpack_entries = value_limits.zset_max_listpack_entries = large ? 2 : 8;
    value_limits.hash_max_listpack_value = value_limits.zset_max_listpack_value = large ? 4 : 64;
    value_limits.set_max_intset_entries = large ? 2 : 8;
    value_limits.set_max_listpack_entries = large ? 3 : 8;
    value_limits.set_max_listpack_value = large ? 4 : 64;
    value_limits.list_max_listpack_size = large ? 2 : -2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    take_forms((data[0] & MODE_LARGE_FORMS) != 0);
    connect_clients(1, (data[0] & MODE_RESP3) != 0 ? 3 : 2);
    struct slice rest = slice_of(data + 1, size - 1);
    bool goes_on = true;
    for (int i = 0; i < COMMANDS_MAX && rest.len > 0 && goes_on; i++) {
        const char *newline = memchr(rest.ptr, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.ptr) : rest.len;
        goes_on = run_line(slice_of(rest.ptr, len), data[0]);
        len += newline != NULL;
        rest = slice_of(rest.ptr + len, rest.len - len);
    }
    disconnect_clients();
    connect_clients(1 + CLIENTS, 2);
    must(run_line(SLICE("FLUSHALL"), 0));
    must(run_line(SLICE("WEIR RESUME"), 0));
    disconnect_clients();
    keyspace_tick(fuzz.ks, command_worker_txn(fuzz.worker), 0, 1, 1000);
    return 0;
}

/* Half of the time bytes are mutated as ever; else a line is put in, or in the place of another. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    struct line_maker m = {.words = words, .words_len = words_len, .state = seed | 1ull << 40};
    if (size == 0 || line_below(&m, 2) == 0)
        return LLVMFuzzerMutate(data, size, size_max);
    struct slice text = slice_of(data, size);
    size_t at = 1 + line_below(&m, (uint32_t)size);
    while (at < size && data[at - 1] != '\n')
        at++;
    size_t end = at;
    while (line_below(&m, 2) == 0 && end < size && data[end++] != '\n')
        while (end < size && data[end - 1] != '\n')
            end++;
    buf_append(&m.out, text.ptr, at);
    if (at == size && data[size - 1] != '\n' && size > 1)
        buf_append(&m.out, "\n", 1);
    for (uint32_t n = 1 + line_below(&m, 3); n > 0; n--)
        line_make(&m);
    buf_append(&m.out, text.ptr + end, size - end);
    size_t len = m.out.len < size_max ? m.out.len : size_max;
    memcpy(data, m.out.data, len);
    buf_fini(&m.out);
    return len;
}
