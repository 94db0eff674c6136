/* See owned.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/owned.h"

#include "base/lock.h"
#include "config/options.h"
#include "journal/journal.h"
#include "keyspace/keyspace.h"
#include "tests/support/requests.h"
#include "writeback/writeback.h"

#include <poll.h>
#include <sqlite3.h>
#include <stdarg.h>

enum { COUNTERS = 3, PAIRS = 2, LISTS = 2, FIELDS = 4, OTHERS = 3, LIST_MAX = 64, PATIENCE_S = 60 };

char owned_where[200];

/* ---- what plain keys are ---- */

/* Values are numbers of operations, or counts; 0: absent. */
struct plain {
    uint32_t counter[COUNTERS], pair[PAIRS], field[FIELDS], other[OTHERS];
    uint32_t list[LISTS][LIST_MAX], head[LISTS], tail[LISTS];
};

/* One key a line: strings by database and key, then lists, then the hash. */
static void render(const struct plain *p, struct buf *out)
{
    for (int i = 0; i < COUNTERS; i++)
        if (p->counter[i] > 0)
            buf_printf(out, "0|c%d|%u\n", i, p->counter[i]);
    for (int i = 0; i < PAIRS; i++)
        if (p->pair[i] > 0)
            buf_printf(out, "0|p%da|%u\n0|p%db|%u\n", i, p->pair[i], i, p->pair[i]);
    for (int i = 0; i < OTHERS; i++)
        if (p->other[i] > 0)
            buf_printf(out, "1|f%d|%u\n", i, p->other[i]);
    for (int i = 0; i < LISTS; i++) {
        for (uint32_t at = p->head[i]; at < p->tail[i]; at++) {
            if (at == p->head[i])
                buf_printf(out, "l%d|", i);
            buf_printf(out, at == p->head[i] ? "%u" : ",%u", p->list[i][at]);
        }
        if (p->head[i] < p->tail[i])
            buf_append_str(out, "\n");
    }
    for (int i = 0; i < FIELDS; i++)
        if (p->field[i] > 0)
            buf_printf(out, "h%d|%u\n", i, p->field[i]);
}

static void push(struct plain *p, int list, uint32_t n)
{
    owned_require(p->tail[list] < LIST_MAX, "LIST_MAX");
    p->list[list][p->tail[list]++] = n;
}

/* ---- a client ---- */

static struct ks_fixture fixture;

static struct slice say(const char *format, ...) PRINTF_LIKE(1, 2);
static struct slice say(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct slice reply = requests_say_text(text);
    owned_require(reply.len > 0 && reply.ptr[0] != '-', "%s: %.*s", text, (int)reply.len,
                  reply.ptr);
    return reply;
}

/* The next bulk string of a reply; false: there is none. */
static bool next_bulk(struct slice *reply, struct slice *out)
{
    while (reply->len > 0 && reply->ptr[0] != '$') {
        const char *end = memchr(reply->ptr, '\n', reply->len);
        *reply = slice_of(end + 1, reply->len - (size_t)(end + 1 - reply->ptr));
    }
    if (reply->len == 0 || reply->ptr[1] == '-')
        return false;
    char *after;
    size_t len = strtoul(reply->ptr + 1, &after, 10);
    *out = slice_of(after + 2, len);
    *reply = slice_of(after + 2 + len + 2, reply->len - (size_t)(after + 4 + len - reply->ptr));
    return true;
}

const char *owned_get(const char *key)
{
    static char value[64];
    struct slice reply = say("GET %s", key), v;
    bool found = next_bulk(&reply, &v);
    snprintf(value, sizeof(value), "%.*s", found ? (int)v.len : 0, found ? v.ptr : "");
    return value;
}

static uint32_t number(const char *format, int i)
{
    char key[16];
    snprintf(key, sizeof(key), format, i);
    return (uint32_t)strtoul(owned_get(key), NULL, 10);
}

void owned_read(struct buf *out)
{
    struct plain p = {.counter = {0}};
    char torn[64] = "";
    struct slice reply, v;
    for (int i = 0; i < COUNTERS; i++)
        p.counter[i] = number("c%d", i);
    for (int i = 0; i < PAIRS; i++) {
        p.pair[i] = number("p%da", i);
        if (number("p%db", i) != p.pair[i])
            snprintf(torn, sizeof(torn), "pair %d is torn\n", i);
    }
    for (int i = 0; i < LISTS; i++)
        for (reply = say("LRANGE l%d 0 -1", i); next_bulk(&reply, &v);)
            push(&p, i, (uint32_t)strtoul(v.ptr, NULL, 10));
    for (int i = 0; i < FIELDS; i++) {
        reply = say("HGET h h%d", i);
        p.field[i] = next_bulk(&reply, &v) ? (uint32_t)strtoul(v.ptr, NULL, 10) : 0;
    }
    say("SELECT 1");
    for (int i = 0; i < OTHERS; i++)
        p.other[i] = number("f%d", i);
    say("SELECT 0");
    render(&p, out);
    buf_append_str(out, torn);
}

/* ---- the keyspace ---- */

struct keyspace *owned_open(struct simfs *disk, bool may_fail)
{
    char *argv[] = {"--journal-dir",
                    "journal",
                    "--backend",
                    "sqlite:weir.db",
                    "--journal-fsync",
                    "always",
                    "--write-delay-ms",
                    "3600000",
                    "--journal-segment-size",
                    "1mb",
                    "--journal-ring-size",
                    "64kb",
                    "--shards",
                    "64",
                    "--flush-backoff-ms",
                    "1",
                    "--flush-backoff-max-ms",
                    "2",
                    "--breaker-open-ms",
                    "2"};
    struct err err = {0};
    options_reset();
    owned_require(options_load(NULL, COUNT_OF(argv), argv, &err) == RC_OK, "%s", err.text);
    struct keyspace_options options = {.workers = 1, .fs = simfs_fs(disk)};
    struct keyspace *ks;
    struct mono until = {clock_mono().us + PATIENCE_S * 1000000};
    while (keyspace_open(&options, &ks, &err) != RC_OK)
        owned_require(err.code != RC_CORRUPT && err.code != RC_FOREIGN && may_fail &&
                          clock_mono().us < until.us,
                      "open: %s", err.text);
    fixture.ks = ks;
    requests_connect(&fixture);
    return ks;
}

void owned_close(struct keyspace **ks)
{
    struct err err;
    requests_end();
    enum rc rc = keyspace_close(ks, false, 10000, &err);
    owned_require(rc == RC_OK, "close: %s", err.text);
}

static void await(bool (*condition)(void *ctx), void *ctx, const char *what)
{
    struct lock lock;
    struct cond tick;
    struct mono until = {clock_mono().us + PATIENCE_S * 1000000};
    lock_init(&lock);
    cond_init(&tick);
    lock_acquire(&lock);
    while (!condition(ctx)) {
        owned_require(clock_mono().us < until.us, "waited in vain for: %s", what);
        cond_wait_us(&tick, &lock, 100);
    }
    lock_release(&lock);
    cond_fini(&tick);
    lock_fini(&lock);
}

struct flush {
    struct keyspace *ks;
    uint64_t lsn;
};

static bool is_flushed(void *ctx)
{
    struct flush *f = ctx;
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(f->ks), &info);
    if (info.applied_lsn < f->lsn)
        return false;
    if (info.in_flight_keys > 0 || info.flushing)
        return false;
    if (info.dirty_keys > 0)
        writeback_request_flush(keyspace_writeback(f->ks));
    return info.dirty_keys == 0;
}

void owned_flush(struct keyspace *ks)
{
    struct flush f = {ks, writeback_request_flush(keyspace_writeback(ks))};
    await(is_flushed, &f, "the backend has everything");
}

static bool is_in_flight(void *ctx)
{
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(ctx), &info);
    return info.in_flight_keys > 0;
}

struct durable {
    struct owned *o;
    uint64_t lsn;
};

static bool is_durable(void *ctx)
{
    struct durable *d = ctx;
    return keyspace_durable_lsn(atomic_load(&d->o->ks)) >= d->lsn;
}

/* ---- looking ---- */

void owned_look_done(struct owned *o, struct owned_moment *m)
{
    struct keyspace *ks = atomic_load(&o->ks);
    uint64_t durable = atomic_load(&o->durable_before);
    if (ks != NULL)
        durable = max_u64(durable, keyspace_durable_lsn(ks));
    m->done = atomic_load(&o->done);
    for (m->durable = m->done; m->durable > 0 && atomic_load(&o->lsn[m->durable]) > durable;)
        m->durable--;
    for (int r = 0; r < OWNED_ROUNDS; r++)
        for (int d = 0; d < DEEDS; d++)
            m->deed_done[r][d] = atomic_load(&o->deed_done[r][d]);
}

void owned_look_begun(struct owned *o, struct owned_moment *m)
{
    m->begun = atomic_load(&o->begun);
    for (int r = 0; r < OWNED_ROUNDS; r++)
        for (int d = 0; d < DEEDS; d++)
            m->deed_begun[r][d] = atomic_load(&o->deed_begun[r][d]);
}

/* ---- steps ---- */

static struct plain now;

static uint32_t roll(struct owned *o, uint32_t below)
{
    uint64_t z = o->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) >> 33) % below;
}

/* Before it is said: what it will make of the plain keys is known. */
static uint32_t begin(struct owned *o)
{
    uint32_t n = atomic_load(&o->begun) + 1;
    owned_require(n <= OWNED_OPS_MAX, "OWNED_OPS_MAX");
    render(&now, &o->plain[n]);
    atomic_store(&o->begun, n);
    return n;
}

static void end(struct owned *o, uint32_t n)
{
    atomic_store(&o->lsn[n], max_u64(requests_last_lsn(), atomic_load(&o->lsn[n - 1])));
    atomic_store(&o->done, n);
    journal_kick(keyspace_journal(atomic_load(&o->ks)));
    if (roll(o, 4) > 0)
        return;
    struct durable d = {o, atomic_load(&o->lsn[n])};
    await(is_durable, &d, "the journal is synced");
}

static uint32_t set(struct owned *o, char kind, int round, const char *value)
{
    uint32_t n = begin(o);
    say("SET %c%d %s", kind, round, value);
    end(o, n);
    return n;
}

/* Something to a plain key. */
static void change(struct owned *o)
{
    uint32_t n = atomic_load(&o->begun) + 1;
    char text[4][64] = {"", "", "", ""};
    int i = (int)roll(o, 2), k = (int)roll(o, 3), f = (int)roll(o, FIELDS);
    switch (roll(o, 9)) {
    case 0:
    case 1:
        now.counter[k]++;
        snprintf(text[0], 64, "INCR c%d", k);
        break;
    case 2:
        now.counter[k] = 0;
        snprintf(text[0], 64, "DEL c%d", k);
        break;
    case 3:
        push(&now, i, n);
        snprintf(text[0], 64, "RPUSH l%d %u", i, n);
        break;
    case 4:
        now.head[i] += now.head[i] < now.tail[i];
        snprintf(text[0], 64, "LPOP l%d", i);
        break;
    case 5:
        now.field[f] = n;
        snprintf(text[0], 64, "HSET h h%d %u", f, n);
        break;
    case 6: /* in two databases */
        now.other[k] = now.pair[i] = n;
        push(&now, i, n);
        snprintf(text[0], 64, "MSET p%da %u p%db %u", i, n, i, n);
        snprintf(text[1], 64, "RPUSH l%d %u", i, n);
        snprintf(text[2], 64, "SELECT 1");
        snprintf(text[3], 64, "SET f%d %u", k, n);
        break;
    case 7:
        now.pair[i] = n;
        now.counter[k]++;
        snprintf(text[0], 64, "SET p%da %u", i, n);
        snprintf(text[1], 64, "SET p%db %u", i, n);
        snprintf(text[2], 64, "INCR c%d", k);
        break;
    default:
        memset(now.other, 0, sizeof(now.other));
        now.counter[k]++;
        snprintf(text[0], 64, "INCR c%d", k);
        snprintf(text[1], 64, "SELECT 1");
        snprintf(text[2], 64, "FLUSHDB");
    }
    n = begin(o);
    bool group = text[1][0] != '\0';
    if (group)
        say("MULTI");
    for (int at = 0; at < 4 && text[at][0] != '\0'; at++)
        say("%s", text[at]);
    if (group)
        say("EXEC");
    end(o, n);
    say("SELECT 0");
}

static void changes(struct owned *o, uint32_t max)
{
    for (uint32_t i = roll(o, max + 1); i > 0; i--)
        change(o);
}

/* Until it is done; false: not at once. */
static bool sql(struct owned *o, const char *format, ...) PRINTF_LIKE(2, 3);
static bool sql(struct owned *o, const char *format, ...)
{
    char text[256];
    va_list args;
    struct mono until = {clock_mono().us + PATIENCE_S * 1000000};
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bool at_once = true;
    for (; sqlite3_exec(o->owner, text, NULL, NULL, NULL) != SQLITE_OK; at_once = false)
        owned_require(clock_mono().us < until.us, "%s: %s", text, sqlite3_errmsg(o->owner));
    return at_once;
}

static bool make_it_theirs(struct owned *o, int round)
{
    return sql(o, "UPDATE string SET value = 'theirs' WHERE key = 'x%d'", round);
}

static void begin_deed(struct owned *o, int round, enum owned_deed deed)
{
    atomic_store(&o->deed_begun[round][deed], true);
}

static void end_deed(struct owned *o, int round, enum owned_deed deed)
{
    atomic_store(&o->deed_done[round][deed], true);
}

/* ---- what an operator does ---- */

static void ignore(void *ctx)
{
    (void)ctx;
}

static struct order *carry_out(struct owned *o, const struct writeback_order *what, uint64_t *count)
{
    struct mono until = {clock_mono().us + PATIENCE_S * 1000000};
    for (;;) {
        struct err err;
        struct order *order = order_begin(keyspace_writeback(atomic_load(&o->ks)), what);
        owned_require(order != NULL, "no memory for an order");
        while (!order_is_over(order, ignore, NULL)) {
            owned_require(clock_mono().us < until.us, "an order is not carried out");
            (void)poll(NULL, 0, 1);
        }
        if (order_result(order, count, &err) == RC_OK)
            return order;
        owned_require(clock_mono().us < until.us, "order: %s", err.text);
        order_end(&order);
    }
}

static void order(struct owned *o, enum writeback_order_kind kind, int round)
{
    char key[16];
    uint64_t count;
    snprintf(key, sizeof(key), "b%d", round);
    struct order *found = carry_out(
        o, &(struct writeback_order){.kind = ORDER_FIND_LETTER, .key = slice_str(key)}, &count);
    owned_require(count == 1, "%s has no dead letter", key);
    uint64_t id = order_record(found, 0)->id;
    struct order *done = carry_out(o, &(struct writeback_order){.kind = kind, .id = id}, &count);
    order_end(&done);
    order_end(&found);
}

static void meet_fate(struct owned *o, int round)
{
    struct owned_round *r = &o->rounds[round];
    struct keyspace *ks = atomic_load(&o->ks);
    switch (r->fate) {
    case FATE_REFUSED_AGAIN:
        order(o, ORDER_RETRY_LETTER, round);
        owned_flush(ks);
        break;
    case FATE_FIXED:
        begin_deed(o, round, DEED_FIX);
        sql(o, "DELETE FROM string WHERE key = 'o%d'", round);
        end_deed(o, round, DEED_FIX);
        order(o, ORDER_RETRY_LETTER, round);
        owned_flush(ks);
        end_deed(o, round, DEED_RETRIED);
        break;
    case FATE_DROPPED:
        begin_deed(o, round, DEED_DROP);
        order(o, ORDER_DROP_LETTER, round);
        end_deed(o, round, DEED_DROP);
        break;
    case FATE_OVERWRITTEN:
        r->good = atomic_load(&o->begun) + 1;
        set(o, 'b', round, "good");
        changes(o, 2);
        owned_flush(ks);
        break;
    default:
        break;
    }
}

/* ---- the history ---- */

static void set_up(struct owned *o)
{
    struct keyspace *ks = atomic_load(&o->ks);
    now = (struct plain){.counter = {0}};
    owned_flush(ks); /* the databases are in the map */
    char path[600];
    owned_require(getcwd(path, sizeof(path) - 16) != NULL, "getcwd");
    strcat(path, "/weir.db");
    owned_require(sqlite3_open(path, &o->owner) == SQLITE_OK, "the owner cannot open");
    sqlite3_busy_timeout(o->owner, PATIENCE_S * 1000);
    sql(o, "PRAGMA synchronous = FULL");
    begin_deed(o, 0, DEED_SET_UP);
    sql(o, "CREATE UNIQUE INDEX IF NOT EXISTS no_twins ON weir_key(value)"
           " WHERE substr(value, 1, 4) = 'twin'");
    for (int r = 0; r < OWNED_ROUNDS; r++)
        sql(o, "INSERT OR REPLACE INTO string(db, key, value) VALUES (0, 'o%d', 'twin%d')", r, r);
    end_deed(o, 0, DEED_SET_UP);
}

/* Ours and the owner's change of x<round>: the owner's is committed later, and ours could not be
 * flushed before. in_flight: ours is being flushed meanwhile, and more is made on top of that. */
static void cross(struct owned *o, int round, bool in_flight)
{
    struct owned_round *r = &o->rounds[round];
    struct keyspace *ks = atomic_load(&o->ks);
    sql(o, "BEGIN IMMEDIATE");
    make_it_theirs(o, round);
    r->ours = atomic_load(&o->begun) + 1;
    set(o, 'x', round, "ours");
    change(o);
    if (in_flight) {
        writeback_request_flush(keyspace_writeback(ks));
        await(is_in_flight, ks, "a batch is in flight");
        r->on_top = atomic_load(&o->begun) + 1;
        set(o, 'x', round, "on-top");
        change(o);
    }
    begin_deed(o, round, DEED_THEIRS);
    if (sqlite3_exec(o->owner, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        if (!sqlite3_get_autocommit(o->owner))
            sql(o, "ROLLBACK");
        r->repeated = true;
        make_it_theirs(o, round);
    }
    end_deed(o, round, DEED_THEIRS);
}

static void one_round(struct owned *o, int round)
{
    struct owned_round *r = &o->rounds[round];
    char twin[16];
    snprintf(twin, sizeof(twin), "twin%d", round);
    r->fate = (enum owned_fate)(roll(o, FATES * 4) % FATES);
    r->base = atomic_load(&o->begun) + 1;
    set(o, 'x', round, "base");
    changes(o, 3);
    owned_flush(atomic_load(&o->ks));
    changes(o, 2);
    r->bad = atomic_load(&o->begun) + 1;
    set(o, 'b', round, twin);
    change(o);
    changes(o, 1);
    cross(o, round, roll(o, 2) == 0);
    writeback_request_flush(keyspace_writeback(atomic_load(&o->ks)));
    changes(o, 2);
    owned_flush(atomic_load(&o->ks));
    if (roll(o, 2) == 0) {
        char key[16];
        snprintf(key, sizeof(key), "x%d", round);
        owned_require(strcmp(owned_get(key), "theirs") == 0, "the owner's %s is not seen", key);
        r->after = atomic_load(&o->begun) + 1;
        set(o, 'x', round, "after");
        change(o); /* by which it is known that the other was there */
    }
    meet_fate(o, round);
    if (roll(o, 3) == 0)
        sql(o, "PRAGMA wal_checkpoint(%s)", roll(o, 2) == 0 ? "PASSIVE" : "TRUNCATE");
    changes(o, 2);
}

static void restart(struct owned *o)
{
    struct keyspace *ks = atomic_load(&o->ks);
    atomic_store(&o->durable_before, keyspace_durable_lsn(ks));
    atomic_store(&o->ks, NULL);
    owned_close(&ks);
    atomic_store(&o->durable_before, atomic_load(&o->lsn[atomic_load(&o->done)]));
    atomic_store(&o->ks, owned_open(o->disk, true));
}

void owned_run(struct owned *o, struct simfs *disk, uint64_t seed)
{
    o->random = seed;
    o->disk = disk;
    atomic_store(&o->ks, owned_open(disk, true));
    set_up(o);
    for (int round = 0; round < OWNED_ROUNDS; round++) {
        one_round(o, round);
        if (round == OWNED_ROUNDS / 2)
            restart(o);
    }
    struct keyspace *ks = atomic_load(&o->ks);
    owned_flush(ks);
    atomic_store(&o->durable_before, keyspace_durable_lsn(ks));
    atomic_store(&o->ks, NULL);
    owned_close(&ks);
    sqlite3_close(o->owner);
}

void owned_fini(struct owned *o)
{
    for (size_t i = 0; i < COUNT_OF(o->plain); i++)
        buf_fini(&o->plain[i]);
}
