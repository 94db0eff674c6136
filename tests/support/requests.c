/* See requests.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/requests.h"

#include "compute/hyperloglog.h"
#include "compute/rdb_write.h"
#include "executor/blocked.h"
#include "keyspace/internal.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include <cmocka.h>

enum { BIG_BYTES = 20000, PARKED_MAX_S = 20, LARGE = 100 };

const char *const requests_options[] = {"--hash-max-listpack-entries",
                                        "4",
                                        "--zset-max-listpack-entries",
                                        "4",
                                        "--set-max-intset-entries",
                                        "4",
                                        "--set-max-listpack-entries",
                                        "4",
                                        "--list-max-listpack-size",
                                        "4",
                                        "--proto-max-bulk-len",
                                        "1mb",
                                        "--maxmemory",
                                        "1gb",
                                        "--notify-keyspace-events",
                                        "KEA",
                                        NULL};

static const char KINDS[] = "isbpPhHlLeETzZgnx", SOME_KINDS[] = "nslETZ";

/* How a key of each kind is made. */
static const struct {
    char kind;
    const char *request;
} prototypes[] = {
    {'i', "SET proto-i 10"},
    {'s', "SET proto-s hello-world"},
    {'b', "SET proto-b $big"},
    {'p', "PFADD proto-p a b c"},
    {'P', "PFADD proto-P a b c d"},
    {'P', "PFDEBUG TODENSE proto-P"},
    {'h', "HSET proto-h a 1 b 2"},
    {'H', "HSET proto-H a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11 l 12"},
    {'l', "RPUSH proto-l a b 3"},
    {'L', "RPUSH proto-L a b c d e f g h i j k l m n o p q r s t"},
    {'e', "SADD proto-e 1 2 3"},
    {'E', "SADD proto-E a b 3"},
    {'T', "SADD proto-T a b c d e f g h i j k l 1 2 3"},
    {'z', "ZADD proto-z 1 a 2 b 3 c"},
    {'Z', "ZADD proto-Z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i 10 j 11 k 12 l 13 m 14 n"},
    {'g', "ZADD proto-g 3479099956230698 Palermo 3479447370796909 Catania 3479273021651468 Enna"},
};

/* --- A client without a server --- */

struct client {
    struct session session;
    struct lock lock;
    struct cond cond;
    bool ready;
    struct mono wake_at;
};

static struct client client;
static struct command_worker *worker;
static struct ks_fixture *fixture;
static struct buf last_reply;

static void be_ready(struct waiter *w)
{
    (void)w;
    lock_acquire(&client.lock);
    client.ready = true;
    cond_signal(&client.cond);
    lock_release(&client.lock);
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
    each(arg, &client.session);
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
    client.wake_at = deadline;
}

static void session_push(struct session *s, struct slice bytes, uint64_t lsn)
{
    (void)s;
    (void)bytes;
    (void)lsn;
}

static bool shutdown_abort(void *ctx)
{
    (void)ctx;
    return false;
}

static void host_info(void *ctx, struct host_info *out)
{
    (void)ctx;
    *out = (struct host_info){.clients = 1, .io_threads = 1};
}

static bool subscribe(struct session *s, enum pubsub_kind kind, struct slice name)
{
    (void)name;
    s->subscriptions[kind]++;
    return true;
}

static void unsubscribe(struct session *s, enum pubsub_kind kind, struct slice name)
{
    (void)name;
    s->subscriptions[kind] -= s->subscriptions[kind] > 0;
}

static bool unsubscribe_oldest(struct session *s, enum pubsub_kind kind,
                               void (*each)(void *arg, struct slice name), void *arg)
{
    if (s->subscriptions[kind] == 0)
        return false;
    s->subscriptions[kind]--;
    each(arg, SLICE("name"));
    return true;
}

static bool publish(struct session *s, enum pubsub_kind kind, struct slice channel,
                    struct slice payload, uint64_t lsn, uint64_t *receivers)
{
    (void)channel;
    (void)payload;
    (void)lsn;
    *receivers = s->subscriptions[kind];
    return true;
}

static void each_name(struct session *s, enum pubsub_kind kind,
                      void (*each)(void *arg, struct slice name), void *arg)
{
    if (s->subscriptions[kind] > 0)
        each(arg, SLICE("name"));
}

static uint64_t count_names(struct session *s, enum pubsub_kind kind)
{
    return s->subscriptions[kind];
}

static uint64_t count_subscribers(struct session *s, enum pubsub_kind kind, struct slice name)
{
    (void)name;
    return s->subscriptions[kind];
}

static const struct host_pubsub pubsub = {.subscribe = subscribe,
                                          .unsubscribe = unsubscribe,
                                          .unsubscribe_oldest = unsubscribe_oldest,
                                          .publish = publish,
                                          .each = each_name,
                                          .count = count_names,
                                          .subscribers = count_subscribers};
static const struct host host = {.on_every_worker = on_every_worker,
                                 .each_session = each_session,
                                 .session_info = session_info,
                                 .session_close = session_close,
                                 .session_wake_at = session_wake_at,
                                 .session_push = session_push,
                                 .shutdown_abort = shutdown_abort,
                                 .info = host_info,
                                 .pubsub = &pubsub};

void requests_reconnect(uint8_t proto)
{
    command_leave(&client.session);
    session_fini(&client.session, fixture->ks);
    session_init(&client.session, 1);
    client.session.waiter.ready = be_ready;
    client.session.reply.proto = proto;
    client.ready = false;
    client.wake_at.us = 0;
}

/* So many that adding one may need a node, a leaf or a larger table. */
static void make_large(void)
{
    static const char *const requests[] = {"HSET proto-H field-%d v", "RPUSH proto-L element-%d",
                                           "SADD proto-T member-%d", "ZADD proto-Z 7 member-%d"};
    char text[64];
    for (int i = 0; i < LARGE; i++) {
        for (size_t k = 0; k < COUNT_OF(requests); k++) {
            snprintf(text, sizeof(text), requests[k], i);
            (void)requests_say_text(text);
        }
    }
}

void requests_connect(struct ks_fixture *ks)
{
    fixture = ks;
    worker = command_worker_new(ks->ks, &host, 0);
    memset(&client, 0, sizeof(client));
    lock_init(&client.lock);
    cond_init(&client.cond);
    session_init(&client.session, 1);
    client.session.waiter.ready = be_ready;
}

uint64_t requests_last_lsn(void)
{
    return client.session.last_write_lsn;
}

void requests_begin(struct ks_fixture *ks)
{
    requests_connect(ks);
    if (slice_eq(requests_say_text("EXISTS proto-i"), SLICE(":1\r\n")))
        return; /* they were recovered */
    for (size_t i = 0; i < COUNT_OF(prototypes); i++)
        if (requests_say_text(prototypes[i].request).ptr[0] == '-')
            fail_msg("%s: %.*s", prototypes[i].request, (int)last_reply.len, last_reply.data);
    make_large();
}

void requests_end(void)
{
    command_leave(&client.session);
    session_fini(&client.session, fixture->ks);
    command_worker_free(&worker);
    lock_fini(&client.lock);
    cond_fini(&client.cond);
    buf_fini(&last_reply);
    fixture = NULL;
}

/* --- Replies --- */

/* One reply begins at `at`; returns where it ends. */
static size_t reply_end(struct slice s, size_t at, int depth)
{
    size_t next = at + 1;
    assert_true(depth < 32 && at < s.len);
    while (next + 1 < s.len && s.ptr[next] != '\r' && s.ptr[next] != '\n')
        next++;
    assert_true(next + 1 < s.len && s.ptr[next] == '\r' && s.ptr[next + 1] == '\n');
    next += 2;
    char kind = s.ptr[at];
    if (strchr("+-:_#,(", kind) != NULL)
        return next;
    long long n = strtoll(s.ptr + at + 1, NULL, 10);
    assert_true(n >= -1);
    if (kind == '$' || kind == '=') {
        if (n < 0)
            return next;
        assert_true(s.len - next >= (size_t)n + 2);
        assert_memory_equal(s.ptr + next + n, "\r\n", 2);
        return next + (size_t)n + 2;
    }
    assert_non_null(strchr("*~>%", kind));
    for (long long i = 0; i < (kind == '%' ? 2 * n : n); i++)
        next = reply_end(s, next, depth + 1);
    return next;
}

static void take_reply(void)
{
    const struct reply *r = &client.session.reply;
    size_t at = 0;
    last_reply.len = 0;
    for (uint32_t i = 0; i < r->refs_len; i++) {
        buf_append(&last_reply, r->buf.data + at, r->refs[i].at - at);
        buf_append_slice(&last_reply, r->refs[i].bytes);
        at = r->refs[i].at;
    }
    if (r->buf.len > at)
        buf_append(&last_reply, r->buf.data + at, r->buf.len - at);
    reply_truncate(&client.session.reply, 0);
    for (at = 0; at < last_reply.len;) /* SUBSCRIBE has one for each name */
        at = reply_end(buf_slice(&last_reply), at, 0);
}

/* --- Saying --- */

static void wait_until_ready(void)
{
    int64_t until = clock_mono().us + (int64_t)PARKED_MAX_S * 1000000;
    lock_acquire(&client.lock);
    while (!client.ready && client.wake_at.us == 0 && clock_mono().us < until)
        cond_wait_us(&client.cond, &client.lock, 10000);
    bool woken = client.ready || client.wake_at.us != 0;
    client.ready = false;
    client.wake_at.us = 0;
    lock_release(&client.lock);
    assert_true(woken);
}

struct slice requests_say(uint32_t argc, const struct slice *argv)
{
    struct request r = {.argc = argc, .argv = argv};
    struct session *s = &client.session;
    while (command_run(worker, s, &r, -1) == RUN_PARKED) {
        if (s->blocked != NULL) {
            client.wake_at.us = 0;
            blocking_expire(s);
        }
        wait_until_ready();
    }
    lock_acquire(&client.lock);
    client.ready = false; /* it may have been looked at again before it was called */
    lock_release(&client.lock);
    take_reply();
    return buf_slice(&last_reply);
}

/* A payload of thirty elements, or of a string of as many numbers. One of a request. */
static struct slice dumped(struct requests *r, char type)
{
    enum { ELEMENTS = 30 };
    static const char letters[] = "slezh";
    static const enum rdb_type types[] = {RDB_STRING, RDB_LIST, RDB_SET, RDB_ZSET, RDB_HASH};
    struct rdb_writer w;
    char text[16];
    enum rdb_type as = types[strchr(letters, type) - letters];
    must(r->dumped.len == 0);
    rdb_write_begin(&w, &r->dumped, as);
    if (as != RDB_STRING)
        rdb_write_count(&w, ELEMENTS);
    for (int i = 0; i < (as == RDB_STRING ? 1 : ELEMENTS); i++) {
        struct slice name = slice_of(text, (size_t)snprintf(text, sizeof(text), "m%d", i));
        rdb_write_string(&w, name);
        if (as == RDB_ZSET)
            rdb_write_score(&w, i / 2.0);
        else if (as == RDB_HASH)
            rdb_write_string(&w, name);
    }
    must(rdb_write_end(&w));
    return buf_slice(&r->dumped);
}

static struct slice word_of(struct requests *r, char *word)
{
    if (strncmp(word, "$dump-", 6) == 0)
        return dumped(r, word[6]);
    if (strcmp(word, "$big") == 0) {
        while (r->big.len < BIG_BYTES)
            buf_append_str(&r->big, "0123456789");
        return buf_slice(&r->big);
    }
    if (strcmp(word, "$long") == 0)
        return SLICE("a-value-that-is-longer-than-what-the-compact-forms-of-aggregates-would-take");
    return slice_str(word);
}

struct slice requests_say_text(const char *text)
{
    struct requests r = {.len = 1};
    uint32_t argc = 0;
    snprintf(r.text, sizeof(r.text), "%s", text);
    char *save = NULL;
    for (char *w = strtok_r(r.text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        r.all[0].argv[argc++] = word_of(&r, w);
    struct slice reply = requests_say(argc, r.all[0].argv);
    requests_fini(&r);
    return reply;
}

/* --- Forms --- */

static bool is_known(const char *form)
{
    char name[64];
    if (*form == '*' || *form == '?')
        form++;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(form, " "), form);
    return strcmp(name, "NOSUCHCOMMAND") == 0 || command_find(slice_str(name)) != NULL;
}

bool requests_each(const char *form, bool every_kind,
                   void (*each)(void *ctx, const char *form, char k, char m), void *ctx)
{
    if (!is_known(form))
        return false;
    const char *ks = strstr(form, "%k") == NULL ? "-" : every_kind ? KINDS : SOME_KINDS;
    const char *ms = strstr(form, "%m") == NULL ? "-" : SOME_KINDS;
    for (const char *k = ks; *k != '\0'; k++)
        for (const char *m = ms; *m != '\0'; m++)
            each(ctx, form, *k, *m);
    return true;
}

/* "%H2": the kind's letter, and what tells it from another of the kind. */
static struct slice key_of(struct requests *r, const char *word, char k, char m, uint32_t serial)
{
    char kind = word[1] == 'k' ? k : word[1] == 'm' ? m : word[1];
    char name[REQUEST_NAME_MAX];
    must(strchr(KINDS, kind) != NULL);
    snprintf(name, sizeof(name), "%c%c%.4s%07u", word[1], kind, word + 2, serial);
    for (uint32_t i = 0; i < r->keys_len; i++)
        if (strcmp(r->keys[i].name, name) == 0)
            return slice_str(r->keys[i].name);
    must(r->keys_len < REQUEST_KEYS_MAX);
    struct request_key *key = &r->keys[r->keys_len++];
    key->kind = kind;
    memcpy(key->name, name, sizeof(name));
    return slice_str(key->name);
}

void requests_make(struct requests *out, const char *form, char k, char m, uint32_t serial)
{
    *out = (struct requests){.partial = *form == '*', .random = *form == '?', .len = 1};
    if (out->partial || out->random)
        form++;
    must(strlen(form) < sizeof(out->text));
    strcpy(out->text, form);
    char *save = NULL;
    struct one_request *one = &out->all[0];
    for (char *w = strtok_r(out->text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        if (strcmp(w, ";") == 0 || strcmp(w, "|") == 0) {
            if (*w == '|')
                out->prepares = out->len;
            must(out->len < REQUESTS_MAX);
            one = &out->all[out->len++];
            continue;
        }
        must(one->argc < REQUEST_ARGS_MAX);
        one->is_key[one->argc] = w[0] == '%';
        one->argv[one->argc++] = w[0] == '%' ? key_of(out, w, k, m, serial) : word_of(out, w);
    }
}

void requests_fini(struct requests *r)
{
    buf_fini(&r->dumped);
    buf_fini(&r->big);
}

void requests_set_up(const struct requests *r)
{
    for (uint32_t i = 0; i < r->keys_len; i++) {
        const struct request_key *key = &r->keys[i];
        char text[128];
        if (key->kind == 'n')
            snprintf(text, sizeof(text), "DEL %s", key->name);
        else if (key->kind == 'x')
            snprintf(text, sizeof(text), "SET %s v PX 1", key->name);
        else
            snprintf(text, sizeof(text), "COPY proto-%c %s REPLACE", key->kind, key->name);
        struct slice reply = requests_say_text(text);
        if (reply.ptr[0] == '-')
            fail_msg("%s: %.*s", text, (int)reply.len, reply.ptr);
    }
}

void requests_let_expire(const struct requests *r)
{
    bool any = false;
    for (uint32_t i = 0; i < r->keys_len; i++)
        any |= r->keys[i].kind == 'x';
    int64_t now = clock_wall().ms;
    while (any && clock_wall().ms <= now + 1)
        continue;
}

/* --- Looking --- */

static uint64_t mix(uint64_t sum, struct slice s)
{
    return XXH3_64bits_withSeed(s.ptr == NULL ? "" : s.ptr, s.len, sum);
}

static bool add_field(void *ctx, struct slice field, struct slice value)
{
    *(uint64_t *)ctx += mix(mix(1, field), value);
    return true;
}

static bool add_member(void *ctx, struct slice member)
{
    *(uint64_t *)ctx += mix(2, member);
    return true;
}

static bool add_element(void *ctx, struct slice value)
{
    *(uint64_t *)ctx = mix(*(uint64_t *)ctx, value);
    return true;
}

static bool add_scored(void *ctx, struct slice member, double score)
{
    *(uint64_t *)ctx = mix(mix(*(uint64_t *)ctx, member), slice_of(&score, sizeof(score)));
    return true;
}

/* A sketch keeps what PFCOUNT has made of it in eight bytes of its head, in memory only. */
static uint64_t mix_string(uint64_t sum, struct slice text)
{
    if (!hll_is_valid(text))
        return mix(sum, text);
    size_t rest = HLL_CACHED_AT + HLL_CACHED_LEN;
    return mix(mix(sum, slice_of(text.ptr, HLL_CACHED_AT)),
               slice_of(text.ptr + rest, text.len - rest));
}

uint64_t requests_digest(const char *key, bool exact)
{
    struct txn *t = fixture->t[1];
    struct txn_key k = {.mode = KEY_READ, .name = slice_str(key)};
    struct slice resident[] = {SLICE("OBJECT"), SLICE("ENCODING"), k.name}; /* loads it */
    (void)requests_say(3, resident);
    assert_int_equal(txn_begin(t, &k, 1, 0, (struct slice){0}, 0, NULL, NULL), TXN_READY);
    const struct value *v = txn_peek(t, 0);
    uint64_t sum = 0;
    if (v != NULL) {
        sum = (uint64_t)v->type + 16 * (v->expires_at_ms != 0);
        if (exact)
            sum += 1000 * (uint64_t)v->expires_at_ms;
        if (v->type == VALUE_STRING)
            sum = mix_string(sum, v->str);
        else if (v->type == VALUE_HASH)
            hash_each(v->object, add_field, &sum);
        else if (v->type == VALUE_SET)
            set_each(v->object, add_member, &sum);
        else if (v->type == VALUE_LIST)
            list_each(v->object, 0, list_count(v->object), false, add_element, &sum);
        else
            zset_each(v->object, 0, zset_count(v->object), false, add_scored, &sum);
    }
    txn_commit(t);
    return sum;
}

void requests_check_store(void)
{
    keyspace_check(fixture->ks);
}
