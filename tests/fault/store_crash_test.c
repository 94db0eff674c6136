/* Journal, database and records survive a stop at every single call that changes one of their
 * files, together.
 *
 * A history (tests/support/owned.h) runs on a simulated disk that holds all of them: segments and
 * rings, weir.db, records.db, and SQLite's journals and WALs (tests/support/simvfs.h). Before a
 * call of it that changes the disk, a picture is kept; from each picture follow the disks that a
 * killed process and a machine without power might leave. On each of them:
 *
 *   a reader of weir.db alone sees the keys as they were at its cut, and the owner's changes;
 *   a start, whatever it is stopped by in turn, brings back the keys as they were after some
 *     operation, and no acknowledged one is missing;
 *   when that is flushed, each key is once in the database, or its value is the dead letter that
 *     can be read and is listed once, or it lost to the owner and is listed once.
 *
 * FAULT_SEED sets the seed, and whether the odd or the even calls; FAULT_ROUNDS how many rounds of
 * other seeds, FAULT_ONLY which test, FAULT_SHARE what part of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "tests/support/owned.h"
#include "tests/support/share.h"
#include "tests/support/simvfs.h"

#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

enum { PICTURES_MAX = 40, CHILDREN = 4, PATH_BYTES = 64 };

static uint64_t seed = 1;
static char fault[80]; /* of a child, for a failure's text */
static struct {
    _Atomic uint64_t calls, points, recoveries;
} * count; /* shared with the children */

/* ---- one that reads files alone ---- */

static char look_dir[PATH_BYTES], work_dir[PATH_BYTES];

struct alone {
    bool set_up; /* there is something to read */
    uint64_t cut_lsn;
    struct buf plain;
    char x[OWNED_ROUNDS][16], b[OWNED_ROUNDS][16]; /* "": absent */
    bool fixed[OWNED_ROUNDS];
};

static sqlite3 *open_alone(const char *name)
{
    char path[2 * PATH_BYTES];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/%s", look_dir, name);
    int result =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, simvfs_real());
    owned_require(result == SQLITE_OK, "%s: %s", path, sqlite3_errstr(result));
    return db;
}

/* Appends each row of one column as a line. */
static void read_rows(sqlite3 *db, struct buf *out, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    owned_require(result == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    while ((result = sqlite3_step(s)) == SQLITE_ROW)
        buf_printf(out, "%s\n", (const char *)sqlite3_column_text(s, 0));
    owned_require(result == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(s);
}

static int64_t read_number(sqlite3 *db, const char *sql)
{
    struct buf out = {0};
    read_rows(db, &out, sql);
    buf_append(&out, "", 1);
    int64_t n = strtoll(out.data, NULL, 10);
    buf_fini(&out);
    return n;
}

static void read_string(sqlite3 *db, char kind, int round, char out[16])
{
    char sql[100];
    struct buf got = {0};
    snprintf(sql, sizeof(sql), "SELECT value FROM string WHERE db = 0 AND key = '%c%d'", kind,
             round);
    read_rows(db, &got, sql);
    snprintf(out, 16, "%.*s", got.len > 0 ? (int)got.len - 1 : 0, got.len > 0 ? got.data : "");
    buf_fini(&got);
}

static void look_alone(struct simfs *disk, struct alone *a)
{
    memset(a, 0, sizeof(*a));
    simvfs_write_out(disk, look_dir);
    sqlite3 *db = open_alone("weir.db");
    struct buf ok = {0};
    read_rows(db, &ok, "PRAGMA integrity_check");
    owned_require(slice_eq(buf_slice(&ok), SLICE("ok\n")), "weir.db: %.*s", (int)ok.len, ok.data);
    buf_fini(&ok);
    a->set_up = read_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'string'") > 0;
    if (a->set_up) {
        char o[16];
        a->cut_lsn =
            (uint64_t)read_number(db, "SELECT value FROM weir_meta WHERE name = 'cut_lsn'");
        read_rows(db, &a->plain,
                  "SELECT db || '|' || key || '|' || value FROM string"
                  " WHERE key GLOB '[cpf]*' ORDER BY db, key");
        read_rows(db, &a->plain,
                  "SELECT key || '|' || group_concat(value, ',') FROM"
                  " (SELECT * FROM list ORDER BY key, position) GROUP BY key ORDER BY key");
        read_rows(db, &a->plain, "SELECT field || '|' || value FROM hash ORDER BY field");
        for (int r = 0; r < OWNED_ROUNDS; r++) {
            read_string(db, 'x', r, a->x[r]);
            read_string(db, 'b', r, a->b[r]);
            read_string(db, 'o', r, o);
            a->fixed[r] = o[0] == '\0';
        }
    }
    owned_require(sqlite3_close(db) == SQLITE_OK, "close");
}

/* ---- the oracle ---- */

/* A stop, and what follows from it. */
struct found {
    const struct owned *o;
    struct owned_moment m;
    struct alone before; /* what weir.db alone had */
    uint32_t lower;      /* operations that must be there */
    uint32_t min, max;   /* it is as after one of these */
};

enum { NO, MAYBE, YES };
static int is_in(const struct found *f, uint32_t op)
{
    return op == 0 || op > f->max ? NO : op <= f->min ? YES : MAYBE;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Which operation made the keys what they are. */
static void place(struct found *f, const struct buf *plain)
{
    f->min = UINT32_MAX;
    for (uint32_t n = f->lower; n <= f->m.begun; n++) {
        if (!same(plain, &f->o->plain[n]))
            continue;
        f->min = f->min == UINT32_MAX ? n : f->min;
        f->max = n;
    }
    owned_require(f->min != UINT32_MAX, "memory is as after none of %u..%u, but:\n%.*sat %u:\n%.*s",
                  f->lower, f->m.begun, (int)plain->len, plain->data, f->lower,
                  (int)f->o->plain[f->lower].len, f->o->plain[f->lower].data);
}

static bool is_theirs(const struct found *f, int round)
{
    return strcmp(f->before.x[round], "theirs") == 0;
}

/* weir.db alone, before anybody has opened it. */
static void check_alone(struct found *f)
{
    const struct alone *a = &f->before;
    uint32_t n = 0;
    for (uint32_t i = 1; i <= f->m.begun; i++)
        if (atomic_load(&f->o->lsn[i]) <= a->cut_lsn)
            n = i;
    if (!a->set_up) {
        owned_require(!f->m.deed_done[0][DEED_SET_UP], "weir.db is empty");
        return;
    }
    owned_require(same(&a->plain, &f->o->plain[n]), "weir.db is not as after %u:\n%.*sbut\n%.*s", n,
                  (int)f->o->plain[n].len, f->o->plain[n].data, (int)a->plain.len, a->plain.data);
    for (int r = 0; r < OWNED_ROUNDS; r++) {
        const struct owned_round *p = &f->o->rounds[r];
        bool after = p->after > 0 && p->after <= n;
        const char *ours = p->base == 0 || p->base > n       ? ""
                           : p->on_top > 0 && p->on_top <= n ? "on-top"
                           : p->ours > 0 && p->ours <= n     ? "ours"
                                                             : "base";
        bool *begun = f->m.deed_begun[r], *done = f->m.deed_done[r];
        owned_require(after             ? strcmp(a->x[r], "after") == 0
                      : is_theirs(f, r) ? begun[DEED_THEIRS]
                                        : !done[DEED_THEIRS] && strcmp(a->x[r], ours) == 0,
                      "weir.db has x%d as '%s', ours is '%s'", r, a->x[r], ours);
        owned_require(a->fixed[r] ? begun[DEED_FIX] || !f->m.deed_done[0][DEED_SET_UP]
                                  : !done[DEED_FIX],
                      "o%d", r);
        const char *b = p->good > 0 && p->good <= n ? "good" : "";
        owned_require(strcmp(a->b[r], b) == 0 ||
                          (a->fixed[r] && strncmp(a->b[r], "twin", 4) == 0 && begun[DEED_FIX]),
                      "weir.db has b%d as '%s', not '%s'", r, a->b[r], b);
    }
}

/* "theirs", or what the newest of our operations made; `or`: what a doubtful one did. */
static void expect_x(const struct found *f, int round, const char *got, const char *who)
{
    const struct owned_round *p = &f->o->rounds[round];
    const uint32_t ops[] = {p->on_top, p->ours, p->base};
    const char *const values[] = {"on-top", "ours", "base"};
    int after = is_in(f, p->after);
    if (after != NO && strcmp(got, "after") == 0)
        return;
    owned_require(after != YES, "%s has x%d as '%s', not 'after'", who, round, got);
    if (is_theirs(f, round)) {
        owned_require(strcmp(got, "theirs") == 0, "%s has x%d as '%s', not theirs", who, round,
                      got);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        int in = is_in(f, ops[i]);
        if (in != NO && strcmp(got, values[i]) == 0)
            return;
        owned_require(in != YES, "%s has x%d as '%s', not '%s'", who, round, got, values[i]);
    }
    owned_require(got[0] == '\0', "%s has x%d as '%s'", who, round, got);
}

/* What of x<round> lost is listed: "ours;on-top;". */
static void expect_conflicts(const struct found *f, int round, struct slice rows)
{
    const struct owned_round *p = &f->o->rounds[round];
    char text[200];
    snprintf(text, sizeof(text), ";%.*s", (int)rows.len, rows.ptr);
    bool ours = strstr(text, ";ours;") != NULL, on_top = strstr(text, ";on-top;") != NULL;
    size_t known = (ours ? 5 : 0) + (on_top ? 7 : 0);
    bool sure_ours = is_in(f, p->ours) == YES, sure_top = is_in(f, p->on_top) == YES;
    owned_require(rows.len == known, "conflicts of x%d: %s", round, text);
    if (!is_theirs(f, round) && strcmp(f->before.x[round], "after") != 0) {
        owned_require(known == 0, "conflicts of x%d without any: %s", round, text);
        return;
    }
    sure_top &= !p->repeated;
    sure_ours &= !p->repeated;
    owned_require(!sure_top || on_top, "x%d lost 'on-top' and is not listed: '%s'", round, text);
    owned_require(!sure_ours || on_top || ours, "x%d lost 'ours' and is not listed: '%s'", round,
                  text);
    owned_require((!ours || is_in(f, p->ours) != NO) && (!on_top || is_in(f, p->on_top) != NO),
                  "conflicts of x%d that never were: %s", round, text);
}

/* got: as a client reads it; stored: as the database has it; letters: of the key. */
static void expect_b(const struct found *f, int round, const char *got, const char *stored,
                     int64_t letters)
{
    const struct owned_round *p = &f->o->rounds[round];
    const bool *begun = f->m.deed_begun[round], *done = f->m.deed_done[round];
    bool twin = strncmp(got, "twin", 4) == 0;
    bool dead = letters == 1 && twin && stored[0] == '\0';
    bool taken = letters == 0 && twin && strcmp(stored, got) == 0;
    bool gone = letters == 0 && got[0] == '\0' && stored[0] == '\0';
    bool good = letters == 0 && strcmp(got, "good") == 0 && strcmp(stored, "good") == 0;
    int bad_in = is_in(f, p->bad), good_in = is_in(f, p->good);
    bool fine = bad_in == NO ? gone : dead || (bad_in == MAYBE && gone);
    if (good_in != NO)
        fine = good || (good_in == MAYBE && fine);
    if (f->before.fixed[round] && begun[DEED_FIX])
        fine = taken || (dead && !done[DEED_RETRIED]) || (bad_in != YES && gone);
    if (begun[DEED_DROP])
        fine = gone || (dead && !done[DEED_DROP]);
    owned_require(
        fine,
        "b%d (fate %d, in %d): a client has '%s', weir.db '%s', %lld dead letters; fix %d "
        "%d %d, drop %d %d",
        round, p->fate, bad_in, got, stored, (long long)letters, begun[DEED_FIX], done[DEED_FIX],
        done[DEED_RETRIED], begun[DEED_DROP], done[DEED_DROP]);
}

/* When everything is flushed. */
static void check_end(struct found *f, struct simfs *disk, char got_b[OWNED_ROUNDS][16])
{
    struct alone end;
    struct buf rows = {0};
    char sql[200];
    look_alone(disk, &end);
    bool found = false;
    for (uint32_t n = f->min; n <= f->max; n++)
        found |= same(&end.plain, &f->o->plain[n]);
    owned_require(found, "in the end weir.db is not as after %u..%u:\n%.*s", f->min, f->max,
                  (int)end.plain.len, end.plain.data);
    sqlite3 *db = open_alone("journal/records.db");
    for (int r = 0; r < OWNED_ROUNDS; r++) {
        rows.len = 0;
        snprintf(sql, sizeof(sql),
                 "SELECT group_concat(ours, ';') || ';' FROM conflict WHERE key = 'x%d'"
                 " HAVING count(*) > 0",
                 r);
        read_rows(db, &rows, sql);
        expect_x(f, r, end.x[r], "weir.db");
        expect_conflicts(f, r, slice_of(rows.data, rows.len > 0 ? rows.len - 1 : 0));
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM dead_letter WHERE key = 'b%d'", r);
        expect_b(f, r, got_b[r], end.b[r], read_number(db, sql));
    }
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM record WHERE key NOT GLOB '[xb]?'");
    owned_require(read_number(db, sql) == 0, "records of other keys");
    owned_require(sqlite3_close(db) == SQLITE_OK, "close");
    buf_fini(&rows);
    buf_fini(&end.plain);
}

/* ---- stops ---- */

struct picture {
    struct simfs *disk;
    struct owned_moment m;
    uint64_t call;
};

struct camera {
    struct owned *o;
    uint64_t first, step, calls;
    struct picture pictures[PICTURES_MAX];
    size_t len;
};

static void take(void *ctx, struct simfs *s)
{
    struct camera *c = ctx;
    uint64_t call = ++c->calls;
    if (call < c->first || (call - c->first) % c->step != 0)
        return;
    owned_require(c->len < PICTURES_MAX, "PICTURES_MAX");
    struct picture *p = &c->pictures[c->len++];
    p->call = call;
    owned_look_done(c->o, &p->m);
    p->disk = simfs_picture(s);
    owned_look_begun(c->o, &p->m);
}

static void take_one(void *ctx, struct simfs *s)
{
    struct picture *p = ctx;
    if (p->disk == NULL && --p->call == 0)
        p->disk = simfs_picture(s);
}

/* Opens what a stop has left, flushes, closes, and asks. `again`: where to stop that, if at all. */
static void recover(struct found *f, struct simfs *disk, struct picture *again)
{
    struct buf plain = {0};
    char b[OWNED_ROUNDS][16], name[16];
    count->recoveries++;
    look_alone(disk, &f->before);
    check_alone(f);
    simvfs_use(disk, work_dir);
    if (again != NULL)
        simfs_before_each(disk, take_one, again);
    struct keyspace *ks = owned_open(disk, false);
    owned_read(&plain);
    place(f, &plain);
    for (int r = 0; r < OWNED_ROUNDS; r++) {
        snprintf(name, sizeof(name), "b%d", r);
        snprintf(b[r], sizeof(b[r]), "%s", owned_get(name));
    }
    owned_flush(ks);
    plain.len = 0;
    owned_read(&plain);
    owned_require(same(&plain, &f->o->plain[f->min]), "a flush changes:\n%.*s", (int)plain.len,
                  plain.data);
    for (int r = 0; r < OWNED_ROUNDS; r++) {
        snprintf(name, sizeof(name), "x%d", r);
        expect_x(f, r, owned_get(name), "a client");
        snprintf(name, sizeof(name), "b%d", r);
        owned_require(strcmp(b[r], owned_get(name)) == 0, "a flush changes b%d", r);
    }
    owned_close(&ks);
    simfs_before_each(disk, NULL, NULL);
    check_end(f, disk, b);
    buf_fini(&plain);
}

static void check_image(const struct owned *o, const struct picture *p, enum simfs_image image,
                        uint64_t salt)
{
    static const char *const names[] = {"killed", "none", "all", "torn", "reordered"};
    struct found f = {.o = o, .m = p->m};
    struct simfs *disk = simfs_after(p->disk, image, salt);
    struct picture second = {.call = 1 + salt % 90};
    bool twice = salt % 3 == 0;
    snprintf(owned_where, sizeof(owned_where), "seed %llu%s, call %llu, %s",
             (unsigned long long)seed, fault, (unsigned long long)p->call, names[image]);
    f.lower = image == SIMFS_KILLED ? p->m.done : p->m.durable;
    recover(&f, disk, twice ? &second : NULL);
    simfs_free(&disk);
    count->points++;
    if (second.disk != NULL) {
        enum simfs_image next = (enum simfs_image)(salt / 3 % SIMFS_IMAGES);
        struct found g = {.o = o, .m = p->m};
        g.m.begun = f.max; /* the numbers of what is lost are given to others */
        g.lower = image != SIMFS_KILLED || next == SIMFS_KILLED ? f.min : p->m.durable;
        snprintf(owned_where + strlen(owned_where), 60, ", then %s", names[next]);
        disk = simfs_after(second.disk, next, salt + 1);
        recover(&g, disk, NULL);
        simfs_free(&disk);
        buf_fini(&g.before.plain);
    }
    simfs_free(&second.disk);
    buf_fini(&f.before.plain);
}

/* ---- cases, each in a child ---- */

struct child {
    const char *only; /* a file of which calls fail; NULL: none */
    enum simfs_call kind;
    uint64_t nth, times;
    int why;
    uint64_t history, first, step;
    int images; /* for each picture, drawn */
};

enum { PAST_THE_END = 3 };

static int stop_before(const struct child *c)
{
    static struct owned o;
    static struct camera camera;
    struct simfs *disk = simfs_new(c->history);
    camera = (struct camera){.o = &o, .first = c->first, .step = c->step};
    snprintf(owned_where, sizeof(owned_where), "seed %llu, history %llu", (unsigned long long)seed,
             (unsigned long long)c->history);
    simvfs_use(disk, work_dir);
    simfs_before_each(disk, take, &camera);
    if (c->only != NULL)
        snprintf(fault, sizeof(fault), ", %s call %llu of %s fails %llu times",
                 c->kind == SIMFS_SYNC ? "sync" : "write", (unsigned long long)c->nth, c->only,
                 (unsigned long long)c->times);
    if (c->only != NULL)
        simfs_fail_file(disk, c->only, c->kind, c->nth, c->times, c->why);
    owned_run(&o, disk, c->history);
    bool failed = c->only == NULL || simfs_has_failed(disk, c->kind);
    count->calls = camera.calls;
    simfs_before_each(disk, NULL, NULL);
    for (size_t i = 0; i < camera.len; i++) {
        struct picture *p = &camera.pictures[i];
        for (int k = 0; k < c->images; k++) {
            uint64_t salt = c->history * 1000003 + p->call * 7 + (uint64_t)k * 131;
            check_image(&o, p, (enum simfs_image)((p->call + (uint64_t)k) % SIMFS_IMAGES), salt);
        }
        simfs_free(&p->disk);
    }
    simfs_free(&disk);
    owned_fini(&o);
    return camera.len > 0 && failed ? EXIT_SUCCESS : PAST_THE_END;
}

static void make_dirs(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char path[2 * PATH_BYTES];
    char *const dirs[] = {look_dir, work_dir};
    for (size_t i = 0; i < COUNT_OF(dirs); i++) {
        snprintf(dirs[i], PATH_BYTES, "%s/weir-crash-XXXXXX", base);
        must(mkdtemp(dirs[i]) != NULL);
        snprintf(path, sizeof(path), "%s/journal", dirs[i]);
        must(mkdir(path, 0700) == 0);
    }
}

static pid_t running[CHILDREN];
static char made[CHILDREN][2][PATH_BYTES];

/* The exit status of one that has ended. */
static int reap(void)
{
    int status;
    char command[64 + 8 * PATH_BYTES];
    pid_t pid = wait(&status);
    assert_true(pid > 0);
    for (int i = 0; i < CHILDREN; i++) {
        if (running[i] != pid)
            continue;
        running[i] = 0;
        snprintf(command, sizeof(command), "rm -rf '%s' '%s'", made[i][0], made[i][1]);
        assert_int_equal(system(command), 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static bool any_runs(void)
{
    for (int i = 0; i < CHILDREN; i++)
        if (running[i] != 0)
            return true;
    return false;
}

static int run_child(int (*run)(const struct child *c), const struct child *c)
{
    int worst = EXIT_SUCCESS, at = -1;
    do {
        for (int i = 0; i < CHILDREN; i++)
            at = running[i] == 0 ? i : at;
        if (at < 0)
            worst = reap();
    } while (at < 0);
    fflush(stdout);
    make_dirs();
    memcpy(made[at][0], look_dir, PATH_BYTES);
    memcpy(made[at][1], work_dir, PATH_BYTES);
    running[at] = fork();
    assert_true(running[at] >= 0);
    if (running[at] == 0) {
        must(chdir(work_dir) == 0);
        _exit(run(c));
    }
    return worst;
}

static void finish(int worst)
{
    while (any_runs()) {
        int status = reap();
        worst = status == EXIT_FAILURE || worst == EXIT_SUCCESS ? status : worst;
    }
    assert_true(worst == EXIT_SUCCESS || worst == PAST_THE_END);
}

static void survives_a_stop_at_every_call(void **state)
{
    enum { STEP = 60 };
    int worst = EXIT_SUCCESS;
    (void)state;
    for (uint64_t first = 1 + seed % 2; first <= STEP && worst == EXIT_SUCCESS; first += 2) {
        if (!share_has(first / 2))
            continue;
        struct child c = {.history = seed, .first = first, .step = STEP, .images = 2};
        worst = run_child(stop_before, &c);
    }
    finish(worst);
}

/* The disk refuses some calls of a file in a row, then all is well again. What was written before a
 * sync that failed is lost in parts, and what is written later is not: SQLite goes on with the same
 * file, and has no answer to a disk that takes nothing of it any more (simfs_set_pessimistic). */
static void fail_each(const char *only, enum simfs_call kind, int why)
{
    static const uint64_t times[] = {1, 2, 30};
    int worst = EXIT_SUCCESS;
    struct child c = {.only = only, .kind = kind, .why = why, .history = seed, .step = 150};
    uint64_t case_number = 0;
    for (c.nth = 1 + seed % 3; worst == EXIT_SUCCESS && c.nth < 200; c.nth += 1 + c.nth / 2) {
        if (!share_has(case_number++))
            continue;
        c.first = 1 + (c.nth * 37 + seed) % c.step;
        c.times = times[c.nth % COUNT_OF(times)];
        c.images = 2;
        worst = run_child(stop_before, &c);
    }
    finish(worst);
}

static void survives_records_that_cannot_be_written(void **state)
{
    (void)state;
    fail_each("records.db-wal", SIMFS_PWRITE, ENOSPC);
    fail_each("records.db-wal", SIMFS_SYNC, EIO);
    fail_each("records.db", SIMFS_PWRITE, EIO);
    fail_each("records.db", SIMFS_SYNC, EIO);
}

static void survives_a_database_that_cannot_be_written(void **state)
{
    (void)state;
    fail_each("weir.db-wal", SIMFS_PWRITE, ENOSPC);
    fail_each("weir.db-wal", SIMFS_SYNC, EIO);
    fail_each("weir.db", SIMFS_PWRITE, ENOSPC);
    fail_each("weir.db", SIMFS_SYNC, EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_stop_at_every_call),
        cmocka_unit_test(survives_records_that_cannot_be_written),
        cmocka_unit_test(survives_a_database_that_cannot_be_written),
    };
    const char *given = getenv("FAULT_SEED"), *only = getenv("FAULT_ONLY"),
               *rounds = getenv("FAULT_ROUNDS");
    seed = given == NULL ? 1 : strtoull(given, NULL, 10);
    if (only != NULL)
        cmocka_set_test_filter(only);
    log_set_level(getenv("VERBOSE") != NULL ? LOG_DEBUG : LOG_NOTHING);
    count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(count != MAP_FAILED);
    int failed = 0;
    long n = rounds == NULL ? 1 : strtol(rounds, NULL, 10) / 20;
    for (long i = 0; i <= n - 1 || i == 0; i++, seed++) {
        count->points = count->recoveries = 0;
        failed += cmocka_run_group_tests(tests, NULL, NULL);
        printf("seed %llu: %llu calls, %llu crash points, %llu recoveries\n",
               (unsigned long long)seed, (unsigned long long)count->calls,
               (unsigned long long)count->points, (unsigned long long)count->recoveries);
    }
    return failed;
}
