/* What each command leaves in the journal: effects that say what is, and not what to do.
 *
 * The table is the promise: a command that computes from what was there is journalled as its
 * result. Replaying them is the business of writeback_property_test.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/executor.h"
#include "journal/reader.h"
#include "keyspace/internal.h"
#include "writeback/internal.h"
#include "tests/support/ks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 64 };

static struct ks_fixture ks;
static struct command_worker *worker;
static struct session session;
static const struct host host;

static _Atomic bool ready;

static void be_ready(struct waiter *w)
{
    (void)w;
    atomic_store(&ready, true);
}

static int make(void **state)
{
    (void)state;
    ks_make(&ks, NULL);
    worker = command_worker_new(ks.ks, &host, 0);
    session_init(&session, 1);
    session.waiter.ready = be_ready;
    return 0;
}

/* The request as a client would send it, so that it may be journalled byte for byte. */
static void say(const char *line)
{
    char *copy = strdup(line);
    struct slice argv[ARGS_MAX];
    uint32_t argc = 0;
    struct buf raw = {0};
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc < ARGS_MAX);
        argv[argc++] = slice_str(word);
    }
    buf_append_array_header(&raw, argc);
    for (uint32_t i = 0; i < argc; i++)
        buf_append_bulk(&raw, argv[i]);
    struct request r = {.argc = argc, .argv = argv, .raw = buf_slice(&raw)};
    assert_int_equal(command_run(worker, &session, &r, -1), RUN_DONE);
    if (session.reply.buf.len > 0 && session.reply.buf.data[0] == '-')
        fail_msg("%s: %.*s", line, (int)session.reply.buf.len, session.reply.buf.data);
    reply_truncate(&session.reply, 0);
    buf_fini(&raw);
    free(copy);
}

/* Lines are apart by "; ". */
static void say_all(const char *lines)
{
    char *copy = strdup(lines), *rest = NULL;
    for (char *line = strtok_r(copy, ";", &rest); line != NULL; line = strtok_r(NULL, ";", &rest))
        say(line + strspn(line, " "));
    free(copy);
}

/* RESP as words; what is not printable is a dot, and a payload of RESTORE too. */
static void append_words(struct buf *out, struct slice payload)
{
    const char *at = payload.ptr, *end = at + payload.len;
    while (at < end) {
        long n = strtol(at + 1, NULL, 10);
        bool head = *at == '*';
        at = strchr(at, '\n') + 1;
        if (head) {
            bool first = out->len == 0 || out->data[out->len - 2] == ')';
            buf_append_str(out, first ? "" : "; ");
            continue;
        }
        buf_append_str(out, out->len > 0 && out->data[out->len - 1] != ' ' ? " " : "");
        bool text = true;
        for (long i = 0; i < n; i++)
            text = text && at[i] > ' ' && at[i] < 127;
        if (text)
            buf_append(out, at, (size_t)n);
        else
            buf_append_str(out, ".");
        at += n + 2;
    }
}

/* The effects of the records above an LSN. The journal is closed. */
static void read_effects(struct journal_reader *reader, uint64_t *next, uint64_t until,
                         struct buf *out)
{
    struct journal_record record;
    struct err err;
    for (; *next <= until; ++*next) {
        if (journal_reader_next(reader, &record, &err) != RC_OK)
            fail_msg("%s", err.text);
        assert_int_equal(record.lsn, *next);
        if (record.db > 1)
            buf_printf(out, "(in %u) ", record.db);
        append_words(out, record.payload);
    }
}

/* Uses up the gap between the first two elements of a list that was pushed. */
#define HALVE      "; LINSERT k BEFORE b x"
#define FIVE_TIMES HALVE HALVE HALVE HALVE HALVE

static const struct row {
    const char *before, *command, *effects;
} rows[] = {
    /* strings */
    {"", "SET k v", "SET k v"},
    {"", "SET k v PXAT 4102444800000", "SET k v PXAT 4102444800000"},
    {"SET k v PXAT 4102444800000", "SET k w KEEPTTL", "SET k w PXAT 4102444800000"},
    {"SET k v", "SET k w XX GET", "SET k w"},
    {"", "SETNX k v", "SET k v"},
    {"SET k v PXAT 4102444800000", "GETSET k w", "SET k w"},
    {"SET k v", "GETDEL k", "DEL k"},
    {"SET k v", "GETEX k PXAT 4102444800000", "PEXPIREAT k 4102444800000"},
    {"SET k v PXAT 4102444800000", "GETEX k PERSIST", "PERSIST k"},
    {"SET k 5", "INCR k", "SET k 6"},
    {"SET k 5 PXAT 4102444800000", "DECRBY k 7", "SET k -2 PXAT 4102444800000"},
    {"SET k 5", "INCRBYFLOAT k 0.5", "SET k 5.5"},
    {"", "INCR k", "SET k 1"},
    {"SET k abc", "APPEND k def", "SETRANGE k 3 def"},
    {"", "APPEND k def", "SET k def"},
    {"SET k abc", "SETRANGE k 1 x", "SETRANGE k 1 x"},
    {"SET k a", "SETBIT k 1 0", "SETRANGE k 0 !"},
    {"SET k abc", "BITFIELD k SET u8 8 65 INCRBY u8 16 1", "SETRANGE k 1 A; SETRANGE k 2 d"},
    {"SET k a; SET l c", "BITOP AND k k l", "SET k a"},
    {"SET k a", "BITOP AND k none none", "DEL k"},
    {"", "MSET k 1 l 2", "MSET k 1 l 2"},
    {"", "MSETNX k 1 l 2", "MSETNX k 1 l 2"},
    /* hashes */
    {"", "HSET k a 1 b 2", "HSET k a 1 b 2"},
    {"", "HSETNX k a 1", "HSET k a 1"},
    {"HSET k n 5", "HINCRBY k n 3", "HSET k n 8"},
    {"HSET k n 5", "HINCRBYFLOAT k n 0.5", "HSET k n 5.5"},
    {"HSET k a 1 b 2", "HDEL k a none", "HDEL k a none"},
    {"HSET k a 1 b 2", "HDEL k a b", "DEL k"},
    /* sets */
    {"SADD k a", "SADD k a b", "SADD k a b"},
    {"SADD k a b", "SREM k b c", "SREM k b c"},
    {"SADD k a b", "SREM k b a", "DEL k"},
    {"SADD k a", "SPOP k", "DEL k"},
    {"SADD k a b; SADD l c", "SMOVE k l b", "SADD l b; SREM k b"},
    {"SADD k a", "SMOVE k l a", "SADD l a; DEL k"},
    {"SADD k a; SADD l b", "SUNIONSTORE k k l", "RESTORE k 0 . REPLACE ABSTTL"},
    {"SADD k a; SADD l b", "SINTERSTORE k k l", "DEL k"},
    /* sorted sets */
    {"", "ZADD k 1 a 2 b", "ZADD k 1 a 2 b"},
    {"ZADD k 1 a", "ZADD k GT CH 3 a 0 b", "ZADD k 3 a; ZADD k 0 b"},
    {"ZADD k 5 a", "ZADD k GT 3 a 7 b", "ZADD k 7 b"},
    {"ZADD k 1 a", "ZADD k NX 3 a 4 b", "ZADD k 4 b"},
    {"ZADD k 1 a", "ZADD k XX INCR 2.5 a", "ZADD k 3.5 a"},
    {"ZADD k 1 a", "ZINCRBY k 2 a", "ZADD k 3 a"},
    {"ZADD k 1 a 2 b", "ZREM k a", "ZREM k a"},
    {"ZADD k 1 a 2 b", "ZREM k a b", "DEL k"},
    {"ZADD k 1 a 2 b 3 c", "ZPOPMIN k 2", "ZREM k a b"},
    {"ZADD k 1 a 2 b", "ZPOPMAX k 5", "DEL k"},
    {"ZADD k 1 a 2 b 3 c", "ZMPOP 2 none k MAX", "ZREM k c"},
    {"ZADD k 1 a 2 b 3 c", "BZPOPMIN none k 1", "ZREM k a"},
    {"ZADD k 1 a 2 b 3 c", "ZREMRANGEBYSCORE k 2 3", "ZREM k b c"},
    {"ZADD k 1 a 2 b 3 c", "ZREMRANGEBYRANK k 0 -1", "DEL k"},
    {"ZADD k 1 a; ZADD l 2 b", "ZUNIONSTORE k 2 k l", "RESTORE k 0 . REPLACE ABSTTL"},
    {"ZADD k 1 a", "ZRANGESTORE l k 5 9", ""},
    {"", "GEOADD k 0 0 a", "ZADD k 3377699720527872 a"},
    /* lists: a new one begins at position 0, its neighbours are 2^20 away */
    {"", "RPUSH k a b", "LISTSET k 0 a 1048576 b"},
    {"RPUSH k a", "LPUSH k b c", "LISTSET k -2097152 c -1048576 b"},
    {"RPUSH k a b c", "LPOP k", "LISTDEL k 0 0"},
    {"RPUSH k a b c", "RPOP k 2", "LISTDEL k 1048576 2097152"},
    {"RPUSH k a b", "LPOP k 2", "DEL k"},
    {"RPUSH k a b c", "LSET k -1 x", "LISTSET k 2097152 x"},
    {"RPUSH k a b", "LINSERT k BEFORE b x", "LISTSET k 524288 x"},
    {"RPUSH k a b; PEXPIREAT k 4102444800000" FIVE_TIMES FIVE_TIMES FIVE_TIMES FIVE_TIMES,
     "LINSERT k BEFORE b x", "RESTORE k 4102444800000 . REPLACE ABSTTL"},
    {"RPUSH k x a x x b x", "LREM k 0 x", "LISTDEL k 0 0 2097152 3145728 5242880 5242880"},
    {"RPUSH k x a x b x", "LREM k -2 x", "LISTDEL k 2097152 2097152 4194304 4194304"},
    {"RPUSH k a b c d", "LTRIM k 1 2", "LISTDEL k 3145728 3145728; LISTDEL k 0 0"},
    {"RPUSH k a b", "LTRIM k 5 9", "DEL k"},
    {"RPUSH k a b", "LMOVE k k LEFT RIGHT", "LISTSET k 2097152 a; LISTDEL k 0 0"},
    {"RPUSH k a b; RPUSH l c", "RPOPLPUSH k l", "LISTSET l -1048576 b; LISTDEL k 1048576 1048576"},
    {"RPUSH k a", "BLMOVE k l LEFT LEFT 1", "LISTSET l 0 a; DEL k"},
    {"RPUSH k b a", "SORT k ALPHA STORE l", "RESTORE l 0 . REPLACE ABSTTL"},
    /* keys of any type */
    {"SET k 1; SET l 2", "DEL k none l", "DEL k; DEL l"},
    {"SET k 1", "PEXPIREAT k 4102444800000", "PEXPIREAT k 4102444800000"},
    {"SET k 1", "PEXPIRE k -5", "DEL k"},
    {"SET k 1 PXAT 4102444800000", "PERSIST k", "PERSIST k"},
    {"SET k 1 PXAT 4102444800000", "RENAME k l", "SET l 1 PXAT 4102444800000; DEL k"},
    {"HSET k a 1", "RENAME k l", "RESTORE l 0 . REPLACE ABSTTL; DEL k"},
    {"RPUSH k a; PEXPIREAT k 4102444800000", "COPY k l",
     "RESTORE l 4102444800000 . REPLACE ABSTTL"},
    /* databases: the numbers of a new store are 1, 2, 3... */
    {"SELECT 0; SET k 1", "MOVE k 3", "(in 4) SET k 1; SELECT 1; DEL k"},
    {"SELECT 0", "SWAPDB 0 3", "DBMAP 0 4 3 1"},
};

/* The last one leaves nothing behind, and touches no key of the next. */
static void clear_keys(void)
{
    say("DEL k l none");
}

static void every_effect_says_what_is(void **state)
{
    (void)state;
    struct {
        uint64_t first, last;
    } lsn[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        clear_keys();
        say_all(rows[i].before);
        lsn[i].first = journal_last_lsn(keyspace_journal(ks.ks)) + 1;
        say(rows[i].command);
        lsn[i].last = journal_last_lsn(keyspace_journal(ks.ks));
    }
    command_leave(&session);
    session_fini(&session, ks.ks);
    command_worker_free(&worker);
    ks_stop(&ks, false);

    char dir[96];
    struct err err;
    struct journal_reader *reader;
    snprintf(dir, sizeof(dir), "%s/journal", ks.dir);
    assert_int_equal(journal_reader_open(NULL, dir, &reader, &err), RC_OK);
    uint64_t next = 1;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf ignored = {0}, effects = {0};
        read_effects(reader, &next, lsn[i].first - 1, &ignored);
        read_effects(reader, &next, lsn[i].last, &effects);
        buf_append(&effects, "", 1);
        if (strcmp(effects.data, rows[i].effects) != 0)
            fail_msg("%s; %s\n  is journalled as %s\n  instead of       %s", rows[i].before,
                     rows[i].command, effects.data, rows[i].effects);
        buf_fini(&ignored);
        buf_fini(&effects);
    }
    journal_reader_close(&reader);
    ks_start(&ks);
    ks_destroy(&ks);
}

/* --- Reading them --- */

static enum rc replay(uint32_t argc, const char *const *words, struct err *err)
{
    struct slice argv[ARGS_MAX];
    for (uint32_t i = 0; i < argc; i++)
        argv[i] = slice_str(words[i]);
    ks.ks->replaying = true;
    enum rc rc = replay_effect(ks.t[0], 1, argc, argv, err);
    ks.ks->replaying = false;
    return rc;
}
#define REPLAY(err, ...)                                                \
    replay(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), \
           (const char *const[]){__VA_ARGS__}, err)

static void what_is_no_effect_is_refused(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(REPLAY(&err, "NOSUCH\r\n", "x"), RC_CORRUPT);
    assert_null(strchr(err.text, '\r'));
    assert_int_equal(REPLAY(&err, "GET", "x"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "SET", "x"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "SET", "x", "1", "PXAT", "never"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "SETRANGE", "x", "-1", "v"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "SETRANGE", "x", "99999999999999", "v"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "HSET", "x", "a"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "ZADD", "x", "much", "a"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "ZADD", "x", "nan", "a"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "LISTSET", "x", "first", "a"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "LISTDEL", "x", "1"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "RESTORE", "x", "0", "junk", "REPLACE", "ABSTTL"), RC_FOREIGN);
    assert_int_equal(REPLAY(&err, "DBMAP", "0", "0"), RC_CORRUPT);
    assert_int_equal(REPLAY(&err, "DBMAP", "4000", "1"), RC_CORRUPT);
    ks_destroy(&ks);
}

/* A key, and an effect of every type that changes a part of one. */
static void an_effect_begins_a_new_value_where_another_type_is(void **state)
{
    (void)state;
    static const char *const effects[][5] = {{"SETRANGE", "k", "2", "x"},
                                             {"HSET", "k", "a", "1"},
                                             {"SADD", "k", "a"},
                                             {"ZADD", "k", "1", "a"},
                                             {"LISTSET", "k", "7", "a"}};
    static const char *const types[] = {"string", "hash", "set", "zset", "list"};
    struct err err;
    for (size_t from = 0; from < COUNT_OF(effects); from++) {
        for (size_t to = 0; to < COUNT_OF(effects); to++) {
            assert_int_equal(REPLAY(&err, "DEL", "k"), RC_OK);
            for (size_t k = 0; k < 2; k++) {
                const char *const *words = effects[k == 0 ? from : to];
                uint32_t argc = 0;
                while (words[argc] != NULL)
                    argc++;
                assert_int_equal(replay(argc, words, &err), RC_OK);
            }
            struct txn_key key = {.mode = KEY_READ, .name = SLICE("k")};
            assert_int_equal(txn_begin(ks.t[0], &key, 1, 0, (struct slice){NULL, 0}, 0, NULL, NULL),
                             TXN_READY);
            const struct value *v = txn_read(ks.t[0], 0);
            assert_non_null(v);
            assert_string_equal(value_type_name(v->type), types[to]);
            (void)txn_commit(ks.t[0]);
        }
    }
    ks_destroy(&ks);
}

/* What takes away from a key that is absent, or of another type, does nothing. */
static void taking_away_from_nothing_is_fine(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(REPLAY(&err, "SET", "k", "v"), RC_OK);
    for (int i = 0; i < 2; i++) {
        const char *key = i == 0 ? "absent" : "k";
        assert_int_equal(REPLAY(&err, "HDEL", key, "a"), RC_OK);
        assert_int_equal(REPLAY(&err, "SREM", key, "a"), RC_OK);
        assert_int_equal(REPLAY(&err, "ZREM", key, "a"), RC_OK);
        assert_int_equal(REPLAY(&err, "LISTDEL", key, "0", "9"), RC_OK);
    }
    assert_int_equal(REPLAY(&err, "PEXPIREAT", "absent", "5"), RC_OK);
    assert_int_equal(REPLAY(&err, "PERSIST", "absent"), RC_OK);
    assert_int_equal(REPLAY(&err, "RENAME", "absent", "k"), RC_OK);
    ks_expect(&ks, "k", "v");
    ks_expect(&ks, "absent", NULL);
    ks_destroy(&ks);
}

/* --- Room in the journal --- */

static void free_request(struct request *r, struct buf *raw)
{
    free((void *)(uintptr_t)r->argv);
    buf_fini(raw);
}

/* "MSET 0 v 1 v ..." or "SET k vvv...", as a client sends it. */
static struct request long_request(bool pairs, uint32_t n, struct buf *raw)
{
    struct request r = {.argc = pairs ? 1 + 2 * n : 3};
    struct slice *argv = calloc(r.argc, sizeof(*argv));
    static char digits[1000][16], value[8192];
    memset(value, 'v', sizeof(value));
    argv[0] = pairs ? SLICE("MSET") : SLICE("SET");
    for (uint32_t i = 0; pairs && i < n; i++) {
        snprintf(digits[i], sizeof(digits[i]), "%u", i);
        argv[1 + 2 * i] = slice_str(digits[i]);
        argv[2 + 2 * i] = SLICE("v");
    }
    if (!pairs) {
        argv[1] = SLICE("k");
        argv[2] = slice_of(value, n);
    }
    *raw = (struct buf){0};
    buf_append_array_header(raw, r.argc);
    for (uint32_t i = 0; i < r.argc; i++)
        buf_append_bulk(raw, argv[i]);
    r.argv = argv;
    if (pairs) /* what is queued needs its arguments where its bytes are, or no bytes */
        r.raw = buf_slice(raw);
    return r;
}

static void check_reply(const char *expected)
{
    struct slice got = buf_slice(&session.reply.buf);
    if (strncmp(got.ptr, expected, strlen(expected)) != 0)
        fail_msg("%.*s", (int)got.len, got.ptr);
    reply_truncate(&session.reply, 0);
}

static uint64_t ring_left(void)
{
    struct journal_info info;
    journal_get_info(ks.ks->journal, &info);
    return (256 << 10) - info.buffered_bytes;
}

/* The worker goes on meanwhile: the client waits, and is told in the end that it was in vain. */
static void expect_no_room(struct request *r, const char *error)
{
    enum run_result result;
    uint32_t waits = 0;
    while ((result = command_run(worker, &session, r, -1)) == RUN_PARKED) {
        waits++;
        while (!atomic_exchange(&ready, false))
            wait_look(ks.ks, false); /* as the tick of a worker does */
    }
    assert_int_equal(result, RUN_DONE);
    assert_true(waits > 0);
    check_reply(error);
}

/* A record that does not come keeps the journal from emptying its rings. Whoever waited for room
 * with locks held would wait for ever, and the alarm ends the test. */
static void room_is_asked_for_before_anything_is_locked(void **state)
{
    (void)state;
    struct buf raw[3];
    struct request mset = long_request(true, 1000, &raw[0]);
    struct request set = long_request(false, 8000, &raw[1]);
    struct request small = long_request(false, 1, &raw[2]);
    struct journal_stamp hole = journal_stamp(ks.ks->journal);
    alarm(8);
    while (ring_left() > 28000) {
        assert_int_equal(command_run(worker, &session, &set, -1), RUN_DONE);
        check_reply("+OK");
    }
    assert_true(mset.raw.len <
                ring_left() - 1000); /* one by one, its effects would be twice as long */
    expect_no_room(&mset, "-TRYAGAIN the journal's disk does not keep up");
    say("MULTI");
    for (int i = 0; i < 6; i++)
        assert_int_equal(command_run(worker, &session, &set, -1), RUN_DONE);
    reply_truncate(&session.reply, 0);
    static const struct slice exec = {"EXEC", 4};
    struct request run = {.argc = 1, .argv = &exec};
    expect_no_room(&run, "-EXECABORT Transaction discarded because of: TRYAGAIN");
    assert_int_equal(command_run(worker, &session, &small, -1), RUN_DONE);
    check_reply("+OK"); /* there is room for that */
    alarm(0);
    say("MULTI");
    for (int i = 0; i < 6; i++)
        assert_int_equal(command_run(worker, &session, &set, -1), RUN_DONE);
    reply_truncate(&session.reply, 0);
    enum run_result result = command_run(worker, &session, &run, -1);
    assert_int_equal(result, RUN_PARKED);
    journal_append(ks.ks->journal, 2, hole, (struct wall){1}, 0, JOURNAL_NOOP, NULL, 0);
    while (result == RUN_PARKED) { /* it is called when something moves, and looks again */
        while (!atomic_exchange(&ready, false))
            sched_yield();
        result = command_run(worker, &session, &run, -1);
    }
    assert_int_equal(result, RUN_DONE);
    check_reply("*6\r\n+OK");
    assert_int_equal(command_run(worker, &session, &mset, -1), RUN_DONE);
    check_reply("+OK");
    free_request(&mset, &raw[0]);
    free_request(&set, &raw[1]);
    free_request(&small, &raw[2]);
    command_leave(&session);
    session_fini(&session, ks.ks);
    command_worker_free(&worker);
    ks_destroy(&ks);
}

/* A record has a greatest length, and what is copied is not bounded by the requests. */
static void a_copy_leaves_room_for_the_requests_after_it(void **state)
{
    (void)state;
    struct txn *t = ks.t[0];
    struct txn_key keys[] = {{.mode = KEY_UPDATE, .name = SLICE("k")},
                             {.mode = KEY_UPDATE, .name = SLICE("copy")}};
    static char value[8001];
    memset(value, 'v', sizeof(value) - 1);
    ks_set(&ks, 0, "k", value);
    ks_del(&ks, 0, "copy");
    for (int i = 0; i < 2; i++) {
        txn_announce(t, JOURNAL_PAYLOAD_MAX - (i == 0 ? 8000 : 10000));
        assert_int_equal(txn_begin(t, keys, 2, TXN_WRITES, (struct slice){NULL, 0}, 0, NULL, NULL),
                         TXN_READY);
        assert_int_equal(txn_copy(t, 0, 1), i == 0 ? RC_NOMEM : RC_OK);
        if (i == 0)
            txn_effect_nothing(t);
        assert_int_equal(txn_peek(t, 1) != NULL, i == 1);
        (void)txn_commit(t);
    }
    txn_announce(t, JOURNAL_PAYLOAD_MAX);
    assert_int_equal(txn_begin(t, keys, 2, TXN_WRITES, (struct slice){NULL, 0}, 0, NULL, NULL),
                     TXN_REFUSED);
    assert_string_equal(txn_refusal(t), "ERR the command is too large for the journal");
    ks_destroy(&ks);
}

static int make_keyspace(void **state)
{
    (void)state;
    ks_make(&ks, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_effect_says_what_is, make),
        cmocka_unit_test_setup(what_is_no_effect_is_refused, make_keyspace),
        cmocka_unit_test_setup(an_effect_begins_a_new_value_where_another_type_is, make_keyspace),
        cmocka_unit_test_setup(taking_away_from_nothing_is_fine, make_keyspace),
        cmocka_unit_test_setup(room_is_asked_for_before_anything_is_locked, make),
        cmocka_unit_test_setup(a_copy_leaves_room_for_the_requests_after_it, make_keyspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
