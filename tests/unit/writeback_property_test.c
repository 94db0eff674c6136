/* Write-back as a property: whatever is done to keys of whatever type, in whatever state they are,
 * the backend is at every moment what the keys were at its cut, and nothing is lost on the way.
 *
 * Random sequences of steps (see tests/support/steps.h) run against the real keyspace and commands,
 * each in a process of its own. One that fails is made smaller, by leaving out whatever it fails
 * without, and printed: put the lines into a file and run it alone with WRITEBACK_STEPS=file.
 * FAULT_SEED repeats a run, from that seed on; FAULT_ROUNDS says how many sequences of each kind.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "executor/executor.h"
#include "tests/support/steps.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { STEPS_MAX = 4000, LINE_MAX_BYTES = 16 * 1024, ROUNDS = 40, HANG_S = 120, SHRINK_S = 60 };

/* Time as everything in this process sees it; put in the place of the real one. */
struct wall clock_wall(void)
{
    return steps_clock();
}

static struct steps_report *report;
static uint64_t seed;

/* --- Sequences --- */

struct sequence {
    char *lines[STEPS_MAX];
    size_t len;
};

static void add(struct sequence *s, const char *line)
{
    must(s->len < STEPS_MAX);
    s->lines[s->len++] = strdup(line);
}

static void clear(struct sequence *s)
{
    for (size_t i = 0; i < s->len; i++)
        free(s->lines[i]);
    s->len = 0;
}

enum kind {
    EXACT, /* cuts where a step asks for them */
    LOOSE, /* cuts whenever the cutter likes */
    ON_SQLITE,
    REFUSING,  /* the backend refuses some keys for good */
    EDITED,    /* somebody else changes keys in the backend, whose version wins */
    OVERRULED, /* and ours does */
};

/* --- Making them up --- */

static uint64_t rng;

static uint32_t roll(uint32_t below)
{
    uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) >> 33) % below;
}

static const char *pick(const char *const *words, size_t n)
{
    return words[roll((uint32_t)n)];
}
#define PICK(...)                            \
    pick((const char *const[]){__VA_ARGS__}, \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *const keys[] = {"a", "b", "c", "d%ff", "e"};
static int wanted; /* type of the step: 0 string, 1 hash, 2 list, 3 set, 4 sorted set */
static uint32_t wanted_db;

/* A template becomes a step: K a key of the wanted type, Q any key, F a field, V a value, I an
 * integer, S a score, N a small number, T a time in milliseconds, A an absolute one, D a database,
 * *X many of X. */
static void put_word(char *out, size_t size, char what)
{
    long long now = steps_clock().ms;
    switch (what) {
    case 'K':
        snprintf(out, size, "%s",
                 keys[(roll(100) < 85 ? 5 + (uint32_t)wanted - wanted_db : roll(5)) % 5]);
        break;
    case 'Q':
        snprintf(out, size, "%s", keys[roll(5)]);
        break;
    case 'F':
        if (roll(10) < 3)
            snprintf(out, size, "%u", roll(25)); /* an intset */
        else
            snprintf(out, size, roll(30) == 0 ? "f%u-of-a-name-that-is-long" : "f%u",
                     roll(roll(2) ? 8 : 60));
        break;
    case 'V':
        snprintf(out, size, roll(20) == 0 ? "value-%u-that-is-rather-long-%%00" : "v%u", roll(40));
        break;
    case 'I':
        snprintf(out, size, "%d", (int)roll(20) - 5);
        break;
    case 'S':
        snprintf(out, size, "%d.%u", (int)roll(30) - 5, roll(2) * 5);
        break;
    case 'N':
        snprintf(out, size, "%u", 1 + roll(roll(4) ? 3 : 30));
        break;
    case 'T':
        snprintf(out, size, "%u", 1 + roll(300));
        break;
    case 'A':
        snprintf(out, size, "%lld", now + (int)roll(8000) - 100);
        break;
    default:
        snprintf(out, size, "%u", roll(3));
    }
}

static void expand(char *out, size_t size, const char *template)
{
    size_t len = 0;
    uint32_t many = roll(12) == 0 ? 20 + roll(60) : 1 + roll(3);
    for (const char *at = template; *at != '\0'; at++) { /* begins with a longer word */
        bool alone =
            strchr("KQFVISNTAD", *at) != NULL && (at[1] == ' ' || at[1] == '\0') && at[-1] == ' ';
        bool group = *at == '*';
        const char *letters = group ? at + 1 : at;
        size_t n = group ? strcspn(letters, " ") : 1;
        if (!alone && !group) {
            out[len++] = *at;
            continue;
        }
        for (uint32_t i = 0; i < (group ? many : 1); i++) {
            for (size_t k = 0; k < n && len + 64 < size; k++) {
                if (len > 0 && out[len - 1] != ' ')
                    out[len++] = ' ';
                put_word(out + len, size - len, letters[k]);
                len += strlen(out + len);
            }
        }
        at = letters + n - 1;
    }
    out[len] = '\0';
}

static const char *const type_templates[5][24] = {
    {"SET K V",         "SET K I",
     "SET K V PX T",    "SET K V PXAT A",
     "SET K V KEEPTTL", "SET K V NX",
     "SET K V XX",      "SETNX K V",
     "GETSET K V",      "GETDEL K",
     "GETEX K PX T",    "GETEX K PERSIST",
     "APPEND K V",      "INCRBY K I",
     "INCRBY K I",      "MSET K V Q V",
     "MSETNX K V Q V",  "SETRANGE K N V",
     "SETBIT K N 1",    "BITOP XOR K Q K",
     "INCRBYFLOAT K S", "BITFIELD K SET u8 N N",
     "PFADD K *F",      "PFMERGE K Q K"},
    {"HSET K *FV", "HSET K F V", "HSET K F V", "HSET K F I", "HSETNX K F V", "HDEL K F",
     "HDEL K *F", "HDEL K F F", "HINCRBY K F I", "HINCRBYFLOAT K F S"},
    {"LPUSH K V",
     "RPUSH K V",
     "RPUSH K *V",
     "LPUSH K *V",
     "LPUSHX K V",
     "RPUSHX K V",
     "LPOP K",
     "RPOP K",
     "LPOP K N",
     "RPOP K N",
     "LSET K I V",
     "LINSERT K BEFORE V V",
     "LINSERT K AFTER V V",
     "LREM K I V",
     "LREM K 0 V",
     "LTRIM K N -2",
     "LTRIM K 0 N",
     "LTRIM K 1 -1",
     "LMOVE K Q LEFT RIGHT",
     "LMOVE K K RIGHT LEFT",
     "RPOPLPUSH K K",
     "RPOPLPUSH K Q",
     "LMPOP 2 Q K LEFT COUNT N",
     "LMPOP 1 K RIGHT COUNT N"},
    {"SADD K *F", "SADD K F", "SADD K F", "SADD K N", "SREM K F", "SREM K *F", "SMOVE K Q F",
     "SPOP K", "SPOP K N", "SUNIONSTORE K Q K", "SUNIONSTORE K Q Q", "SINTERSTORE K Q K",
     "SDIFFSTORE K K Q", "SUNIONSTORE K K"},
    {"ZADD K *SF",
     "ZADD K S F",
     "ZADD K S F",
     "ZADD K NX S F S F",
     "ZADD K XX S F",
     "ZADD K GT S F",
     "ZINCRBY K S F",
     "ZREM K F",
     "ZREM K *F",
     "ZPOPMIN K N",
     "ZPOPMAX K",
     "ZREMRANGEBYRANK K 0 N",
     "ZREMRANGEBYRANK K -2 -1",
     "ZREMRANGEBYSCORE K I 7",
     "ZUNIONSTORE K 2 K Q",
     "ZUNIONSTORE K 1 Q",
     "ZINTERSTORE K 2 K Q",
     "ZDIFFSTORE K 2 K Q",
     "ZRANGESTORE K Q 0 N",
     "GEOADD K S S F",
     "GEOSEARCHSTORE K Q FROMLONLAT 5 5 BYRADIUS 999 km"},
};

static const char *const any_templates[] = {
    "DEL K",
    "DEL Q Q",
    "UNLINK K",
    "PEXPIRE K T",
    "PEXPIRE K T",
    "PEXPIRE K -1",
    "PEXPIREAT K A",
    "PERSIST K",
    "RENAME K Q",
    "RENAME Q K",
    "RENAMENX K Q",
    "COPY K Q",
    "COPY K Q REPLACE",
    "COPY K Q DB D",
    "COPY K K DB D REPLACE",
    "MOVE K D",
    "SET K V",
    "SORT K ALPHA STORE Q",
};

static const char *const whole_templates[] = {"SWAPDB 0 1", "SWAPDB 1 2", "SWAPDB 0 2",
                                              "FLUSHDB",    "FLUSHDB",    "FLUSHALL"};

/* Random results are not for groups: the model asks for them, which it can not do inside. */
static bool is_for_groups(const char *template)
{
    static const char *const asked[] = {"SPOP",        "SETRANGE",    "SETBIT",      "BITFIELD",
                                        "BITOP",       "PF",          "GEO",         "SORT",
                                        "ZRANGESTORE", "INCRBYFLOAT", "HINCRBYFLOAT"};
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        if (strncmp(template, asked[i], strlen(asked[i])) == 0)
            return false;
    return true;
}

static bool is_known(const char *template)
{
    return command_find(slice_of(template, strcspn(template, " "))) != NULL;
}

static void one_command(char *out, size_t size, bool grouped)
{
    const char *template;
    do {
        wanted = (int)roll(5);
        size_t n = 0;
        while (n < COUNT_OF(type_templates[wanted]) && type_templates[wanted][n] != NULL)
            n++;
        uint32_t which = roll(1000);
        template = which < 740   ? type_templates[wanted][roll((uint32_t)n)]
                   : which < 990 ? any_templates[roll(COUNT_OF(any_templates))]
                                 : whole_templates[roll(COUNT_OF(whole_templates))];
    } while (!is_known(template) || (grouped && !is_for_groups(template)));
    expand(out, size, template);
}

static void command_step(struct sequence *s)
{
    char line[LINE_MAX_BYTES], part[LINE_MAX_BYTES / 4];
    wanted_db = roll(10) < 6 ? 0 : roll(3);
    int len = snprintf(line, sizeof(line), "%u", wanted_db);
    uint32_t form = roll(100), parts = form < 90 ? 1 : 1 + roll(4);
    bool multi = form >= 95, overlap = form >= 90 && !multi;
    if (multi)
        len += snprintf(line + len, sizeof(line) - (size_t)len, " MULTI ;");
    for (uint32_t i = 0; i < parts; i++) {
        one_command(part, sizeof(part), multi);
        len += snprintf(line + len, sizeof(line) - (size_t)len, "%s %s", overlap ? " &" : "", part);
        if (multi)
            len += snprintf(line + len, sizeof(line) - (size_t)len, " ;");
        if (multi && roll(4) == 0)
            len += snprintf(line + len, sizeof(line) - (size_t)len, " SELECT %u ;", roll(3));
    }
    if (multi)
        snprintf(line + len, sizeof(line) - (size_t)len, " EXEC");
    add(s, line);
}

struct weight {
    const char *step;
    uint32_t weight[OVERRULED + 1]; /* by kind */
};

static const struct weight weights[] = {
    {"!cut", {240, 0, 200, 240, 240, 240}},  {"!evict", {60, 60, 60, 60, 40, 40}},
    {"!time 20", {60, 40, 60, 40, 0, 0}},    {"!time 300", {15, 10, 15, 10, 0, 0}},
    {"!tick", {25, 25, 25, 25, 10, 10}},     {"!split", {60, 0, 60, 40, 30, 30}},
    {"!swaps", {10, 0, 10, 0, 0, 0}},        {"!hold", {40, 30, 30, 20, 20, 20}},
    {"!release", {50, 60, 40, 30, 30, 30}},  {"!fail 2", {15, 15, 0, 15, 10, 10}},
    {"!lost 2", {15, 15, 0, 0, 0, 0}},       {"!down", {5, 5, 0, 0, 5, 5}},
    {"!up", {15, 15, 0, 15, 15, 15}},        {"!restart", {3, 2, 2, 6, 0, 0}},
    {"!rewind N", {3, 2, 2, 0, 0, 0}},       {"!rewind A", {2, 2, 1, 0, 0, 0}},
    {"!drain", {2, 2, 1, 2, 0, 0}},          {"!check", {10, 10, 10, 10, 0, 0}},
    {"!look", {10, 200, 10, 10, 0, 0}},      {"!read D Q", {40, 40, 40, 40, 20, 20}},
    {"!reject Q", {0, 0, 0, 30, 0, 0}},      {"!accept", {0, 0, 0, 20, 0, 0}},
    {"!edit D Q V", {0, 0, 0, 0, 30, 30}},   {"!edit D Q V 2", {0, 0, 0, 0, 15, 15}},
    {"!edit D Q V 3", {0, 0, 0, 0, 10, 10}}, {"!edit D Q V 5", {0, 0, 0, 0, 10, 10}},
    {"!settle", {0, 0, 0, 0, 10, 10}},
};

static void control_step(struct sequence *s, enum kind kind)
{
    char line[128];
    uint32_t sum = 0, at;
    for (size_t i = 0; i < COUNT_OF(weights); i++)
        sum += weights[i].weight[kind];
    at = roll(sum);
    size_t i = 0;
    for (; at >= weights[i].weight[kind]; i++)
        at -= weights[i].weight[kind];
    expand(line, sizeof(line), weights[i].step);
    add(s, line);
}

static void open_step(struct sequence *s, enum kind kind)
{
    char line[1024];
    snprintf(line, sizeof(line),
             "!open %s --shards %s --hash-max-listpack-entries %s --hash-max-listpack-value %s "
             "--list-max-listpack-size %s --set-max-intset-entries %s "
             "--set-max-listpack-entries %s --zset-max-listpack-entries %s "
             "--conflict-policy %s --negative-cache-keys %s "
             "--write-batch-keys %s --write-batch-bytes %s",
             kind == ON_SQLITE ? "sqlite" : "", kind == LOOSE ? PICK("64", "4096") : "64",
             PICK("0", "4", "128"), PICK("8", "64"), PICK("1", "3", "-2"), PICK("0", "3", "512"),
             PICK("2", "6", "128"), PICK("2", "6", "128"),
             kind == OVERRULED ? "proxy-wins" : "backend-wins", PICK("0", "100000"),
             PICK("1", "8", "100000"), PICK("1", "100", "64mb"));
    if (kind == LOOSE)
        strcat(line, " --write-delay-ms 1");
    add(s, line);
    if (kind == LOOSE)
        add(s, "!free");
}

static void make_up(struct sequence *s, enum kind kind, uint64_t from, size_t len)
{
    rng = from * 1000003 + (uint64_t)kind;
    s->len = 0;
    open_step(s, kind);
    while (s->len < len) {
        if (roll(100) < 14)
            control_step(s, kind);
        else
            command_step(s);
    }
    if (kind == EDITED || kind == OVERRULED)
        add(s, "!settle");
}

/* --- Running them --- */

static void remove_scratch(void)
{
    char command[256];
    for (int i = 0; i < 2; i++) {
        if (report->scratch[i][0] != '\0') {
            snprintf(command, sizeof(command), "rm -rf '%s'", report->scratch[i]);
            assert_int_equal(system(command), 0);
        }
        report->scratch[i][0] = '\0';
    }
}

/* False: it failed; report->text says how. */
static bool run(const struct sequence *s)
{
    int status = 0;
    report->text[0] = '\0';
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        alarm(HANG_S);
        log_set_level(LOG_NOTHING);
        steps_run((const char *const *)s->lines, s->len, report);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    remove_scratch();
    if (WIFSIGNALED(status))
        report->cause = (uintptr_t)WTERMSIG(status);
    if (WIFSIGNALED(status))
        snprintf(report->text, sizeof(report->text), "ended by %s", strsignal(WTERMSIG(status)));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- Making them smaller --- */

/* For the same reason. */
static bool fails(const struct sequence *s, int tries, uintptr_t cause)
{
    for (int i = 0; i < tries; i++)
        if (!run(s) && report->cause == cause)
            return true;
    return false;
}

/* Leaves out `n` steps at a time as long as it goes on failing without them. */
static bool leave_out(struct sequence *s, size_t n, int tries, uintptr_t cause, int64_t until_us)
{
    bool smaller = false;
    for (size_t at = 1; at < s->len && clock_mono().us < until_us;) {
        struct sequence less = {.len = 0};
        size_t gone = min_u64(n, s->len - at);
        for (size_t i = 0; i < s->len; i++)
            if (i < at || i >= at + gone)
                less.lines[less.len++] = s->lines[i];
        if (fails(&less, tries, cause)) {
            for (size_t i = at; i < at + gone; i++)
                free(s->lines[i]);
            *s = less;
            smaller = true;
        } else {
            at += gone;
        }
    }
    return smaller;
}

/* What comes after the step that failed does not matter. */
static void cut_off(struct sequence *s)
{
    size_t end = (size_t)atomic_load(&report->step) + 1;
    while (s->len > end)
        free(s->lines[--s->len]);
}

static void shrink(struct sequence *s)
{
    uintptr_t cause = report->cause;
    cut_off(s);
    int tries = fails(s, 1, cause) && fails(s, 1, cause) ? 1 : 20;
    if (!fails(s, tries, cause))
        return;
    int64_t until_us = clock_mono().us + SHRINK_S * INT64_C(1000000);
    for (size_t n = s->len / 2; n > 0; n /= 2)
        while (leave_out(s, n, tries, cause, until_us) && n <= 2)
            continue;
    (void)fails(s, tries * 5, cause);
}

static void fail_with(struct sequence *s, uint64_t from, bool made_up)
{
    char first[STEPS_TEXT_MAX];
    snprintf(first, sizeof(first), "%s", report->text);
    if (made_up || getenv("WRITEBACK_SHRINK") != NULL)
        shrink(s);
    fprintf(stderr, "FAULT_SEED=%llu FAULT_ROUNDS=1: %s\n", (unsigned long long)from, first);
    fprintf(stderr, "the same in %zu steps:\n", s->len);
    for (size_t i = 0; i < s->len; i++)
        fprintf(stderr, "%s\n", s->lines[i]);
    fprintf(stderr, "in step %ld: %s\n", atomic_load(&report->step) + 1, report->text);
    clear(s);
    fail();
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    return given != NULL ? strtoull(given, NULL, 10) : otherwise;
}

static void run_kind(enum kind kind, size_t rounds, size_t len)
{
    static struct sequence s;
    for (uint64_t i = 0; i < max_u64(rounds, 1); i++) {
        make_up(&s, kind, seed + i, len);
        if (!run(&s))
            fail_with(&s, seed + i, true);
        clear(&s);
    }
}

/* --- Sequences that are not made up --- */

static void add_lines(struct sequence *s, const char *lines)
{
    char *copy = strdup(lines), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        add(s, line);
    free(copy);
}

/* Each was a bug. */
static const char *const mended[] = {
    /* replay saw a source that had expired before the command ran */
    "!open\n0 SET a v1 PX 5\n0 SADD b f1\n!time 10\n0 SUNIONSTORE b a\n!restart\n!check",
    "!open\n0 SADD a f2\n0 PEXPIRE a 5\n0 SADD b f1\n!time 10\n0 SUNIONSTORE b a\n!restart\n!check",
    /* and not one that has expired since */
    "!open\n0 RPUSH a v1\n0 PEXPIRE a 50\n!cut\n!evict\n0 PERSIST a\n!time 100\n!restart\n!check",
    "!open sqlite\n0 RPUSH a v1\n0 PEXPIRE a 50\n!cut\n!evict\n0 PERSIST a\n!time 100\n!restart\n"
    "!check",
    /* a part of a new key was put into the expired one that the backend still had */
    "!open\n2 SET a v1 PX 205\n!cut\n!evict\n!time 300\n2 SETBIT a 1 1\n!restart\n!check",
    "!open sqlite\n0 HSET a f1 v1\n0 PEXPIRE a 20\n!cut\n!evict\n!time 300\n0 HSET a f2 v2\n"
    "!restart\n!check",
    /* an expired key was deleted in the database of the request instead of its own */
    "!open\n1 SET a v1 PX 5\n0 SET a v2\n!time 10\n0 MOVE a 1\n!restart\n!check",
    "!open\n1 SET a v1 PX 5\n0 SET a v2\n!time 10\n0 COPY a a DB 1\n0 COPY a b\n!restart\n!check",
    /* what is known to be absent beyond its bound had writes refused */
    "!open --negative-cache-keys 0\n0 SADD a f1\n!cut\n!evict\n0 DEL a\n!cut\n!tick\n0 SET b v1",
    /* after a refusal only later changes were written, and brought back by a restart */
    "!open\n0 HSET a f1 v1\n!cut\n!reject a\n0 HSET a f2 v2\n!cut\n0 HSET a f3 v3\n!accept",
    "!open\n0 HSET a f1 v1\n!cut\n!reject a\n0 HSET a f2 v2\n!cut\n!restart\n!check\n!accept",
    "!open\n0 RPUSH a v1 v2\n!cut\n!reject a\n0 LPUSH a v3\n0 RPOP a\n!cut\n0 RPUSH a "
    "v4\n!restart\n"
    "!check",
    "!open\n!reject a\n0 INCRBY a 5\n!hold\n!cut\n0 INCRBY a 1\n!restart\n0 INCRBY a 1\n!check",
    /* so they were after a conflict */
    "!open\n0 HSET a f1 v1\n!cut\n!hold\n0 HSET a f2 v2\n!cut\n!edit 0 a v3 2\n0 HSET a f4 "
    "v4\n!settle",
    "!open --conflict-policy proxy-wins\n0 HSET a f1 v1\n!cut\n0 HSET a f2 v2\n!edit 0 a v3 "
    "2\n!settle",
    "!open --conflict-policy proxy-wins\n0 RPUSH a v1 v2\n!cut\n0 LPOP a\n!edit 0 a v3 3\n!settle",
    /* a database with nothing but what others had put there was not flushed */
    "!open\n!edit 0 a v1\n!settle\n2 FLUSHALL\n!check",
};

static void what_was_wrong_once_stays_right(void **state)
{
    (void)state;
    static struct sequence s;
    for (size_t i = 0; i < COUNT_OF(mended); i++) {
        add_lines(&s, mended[i]);
        if (!run(&s))
            fail_with(&s, 0, false);
        clear(&s);
    }
}

/* In a store that counts a row for the key and one for each element. */
static const char *const cheap[] = {
    "HSET a f1 new\n2",
    "HSET a new v\n2",
    "HDEL a f7\n2",
    "HINCRBY a new 1\n2",
    "LPUSH b new\n2",
    "RPUSH b x y\n3",
    "LPOP b\n2",
    "RPOP b 3\n4",
    "LSET b 90 new\n2",
    "LMOVE b b LEFT RIGHT\n3",
    "LREM b 1 e50\n2",
    "LINSERT b BEFORE e60 new\n2",
    "SADD c new\n2",
    "SREM c m7\n2",
    "SMOVE c d%ff m9\n4",
    "ZADD e 1.5 new\n2",
    "ZINCRBY e 5 z8\n2",
    "ZREM e z9\n2",
    "ZPOPMIN e\n2",
    "PEXPIRE a 100000\n1",
    "PERSIST a\n1",
    "SUNIONSTORE d%ff c c\n200",
    "SADD d%ff m1\n-",
    "ZUNIONSTORE d%ff 1 e\n200",
    "COPY b d%ff REPLACE\n200",
    "RENAME d%ff b\n201",
    "DEL b\n1",
    "HSET a f1 new\n2",
};

static void fill(struct sequence *s, const char *command, const char *each)
{
    char line[LINE_MAX_BYTES];
    int len = snprintf(line, sizeof(line), "0 %s", command);
    for (unsigned i = 0; i < 200; i++)
        for (const char *at = each; *at != '\0'; at++)
            len += snprintf(line + len, sizeof(line) - (size_t)len,
                            strchr("efmz", *at) ? " %c%u" : " %c", *at, i);
    add(s, line);
}

static void a_changed_element_of_a_large_value_costs_one(void **state)
{
    (void)state;
    static struct sequence s;
    add(&s, "!open");
    fill(&s, "HSET a", "fv");
    fill(&s, "RPUSH b", "e");
    fill(&s, "SADD c", "m");
    fill(&s, "ZADD e", "1z");
    add(&s, "!cut");
    for (size_t i = 0; i < COUNT_OF(cheap); i++) {
        char line[128];
        const char *rows = strchr(cheap[i], '\n');
        snprintf(line, sizeof(line), "0 %.*s", (int)(rows - cheap[i]), cheap[i]);
        add(&s, line);
        add(&s, "!cut");
        snprintf(line, sizeof(line), "!rows %s", rows + 1);
        if (rows[1] != '-')
            add(&s, line);
    }
    if (!run(&s))
        fail_with(&s, 0, false);
    clear(&s);
}

static void show_report(void)
{
    printf("%lu commands, %lu cuts, %lu committed, %lu evicted, %lu loads waited for, %lu "
           "restarts, %lu comparisons; %lu rows written, %lu would have been allowed\n",
           atomic_load(&report->commands), atomic_load(&report->cuts),
           atomic_load(&report->commits), atomic_load(&report->evicted),
           atomic_load(&report->parked), atomic_load(&report->restarts),
           atomic_load(&report->checks), atomic_load(&report->rows),
           atomic_load(&report->rows_allowed));
}

static void the_backend_is_what_the_keys_were_at_its_cut(void **state)
{
    (void)state;
    run_kind(EXACT, from_environment("FAULT_ROUNDS", ROUNDS), 1000);
}

static void that_holds_when_cuts_are_made_at_any_time(void **state)
{
    (void)state;
    run_kind(LOOSE, from_environment("FAULT_ROUNDS", ROUNDS), 1000);
}

static void that_holds_for_what_people_see_in_sqlite(void **state)
{
    (void)state;
    run_kind(ON_SQLITE, from_environment("FAULT_ROUNDS", ROUNDS) / 4, 500);
}

static void what_the_backend_refuses_is_neither_lost_nor_in_the_way(void **state)
{
    (void)state;
    run_kind(REFUSING, from_environment("FAULT_ROUNDS", ROUNDS) / 2, 400);
}

static void a_change_by_somebody_else_ends_in_one_version(void **state)
{
    (void)state;
    run_kind(EDITED, from_environment("FAULT_ROUNDS", ROUNDS) / 4, 200);
}

static void a_change_by_somebody_else_may_be_overruled(void **state)
{
    (void)state;
    run_kind(OVERRULED, from_environment("FAULT_ROUNDS", ROUNDS) / 4, 200);
}

static int setup(void **state)
{
    (void)state;
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(report != MAP_FAILED);
    uint32_t drawn = 0;
    assert_int_equal(getrandom(&drawn, sizeof(drawn), 0), sizeof(drawn));
    seed = from_environment("FAULT_SEED", drawn);
    printf("FAULT_SEED=%llu\n", (unsigned long long)seed);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    show_report();
    return 0;
}

/* The lines of a file. */
static void a_given_sequence_is_right(void **state)
{
    (void)state;
    static struct sequence s;
    static char line[LINE_MAX_BYTES];
    FILE *f = fopen(getenv("WRITEBACK_STEPS"), "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            add(&s, line);
    }
    fclose(f);
    if (!run(&s))
        fail_with(&s, 0, false);
    clear(&s);
}

int main(void)
{
    const struct CMUnitTest given[] = {cmocka_unit_test(a_given_sequence_is_right)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_wrong_once_stays_right),
        cmocka_unit_test(a_changed_element_of_a_large_value_costs_one),
        cmocka_unit_test(the_backend_is_what_the_keys_were_at_its_cut),
        cmocka_unit_test(that_holds_when_cuts_are_made_at_any_time),
        cmocka_unit_test(that_holds_for_what_people_see_in_sqlite),
        cmocka_unit_test(what_the_backend_refuses_is_neither_lost_nor_in_the_way),
        cmocka_unit_test(a_change_by_somebody_else_ends_in_one_version),
        cmocka_unit_test(a_change_by_somebody_else_may_be_overruled),
    };
    cmocka_set_test_filter(getenv("WRITEBACK_TEST")); /* NULL: all */
    if (getenv("WRITEBACK_STEPS") != NULL)
        return cmocka_run_group_tests(given, setup, teardown);
    return cmocka_run_group_tests(tests, setup, teardown);
}
