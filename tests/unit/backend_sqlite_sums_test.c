/* SQLite: a bit that was turned over in the database file is never read as data, and whatever
 * others may rightly do to the file is no damage.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

#include "backends/sqlite/internal.h"
#include "tests/support/child.h"
#include "tests/support/share.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { KEYS = 180, PARTS = 120, FLIPS_PER_PAGE = 2, FLIPS_IN_HEADER = 24, LONG_VALUE = 30000 };

static const char *file_of(const struct contract *c, const char *suffix)
{
    static char paths[4][192];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s%s", c->dir, strchr(c->url, ':') + 1, suffix);
    return path;
}

/* ---- what the store holds ---- */

static char names[KEYS][20];

static struct slice name_of(int i)
{
    snprintf(names[i], sizeof(names[i]), "key:%03u", (unsigned)i % 1000);
    return slice_str(names[i]);
}

static char words[PARTS][20];
static char long_value[LONG_VALUE];
static struct backend_element parts_of[KEYS][PARTS];

static struct backend_item item_of(int i)
{
    struct backend_item item = {.db = 1 + (uint32_t)i % 2, .key = name_of(i)};
    static const enum value_type types[] = {VALUE_STRING, VALUE_HASH, VALUE_LIST, VALUE_SET,
                                            VALUE_ZSET};
    item.type = types[i % 5];
    if (item.type == VALUE_STRING) {
        memset(long_value, 'v', sizeof(long_value));
        item.value = slice_of(long_value, i % 25 == 0 ? LONG_VALUE : (size_t)i);
        return item;
    }
    struct backend_element *parts = parts_of[i];
    for (int j = 0; j < PARTS; j++) {
        snprintf(words[j], sizeof(words[j]), "part:%03u", (unsigned)j % 1000);
        parts[j] = (struct backend_element){.name = slice_str(words[j]),
                                            .value = slice_str(words[PARTS - 1 - j]),
                                            .position = j,
                                            .score = j + i / 1000.0};
        if (item.type == VALUE_LIST)
            parts[j].name = SLICE("");
    }
    item.replace = true;
    item.elements = parts;
    item.elements_len = PARTS;
    return item;
}

/* The keys below `n`; every seventh is deleted when `some_gone`, which leaves free pages. */
static bool fill(struct contract *c, int n, uint64_t cut_lsn, bool some_gone)
{
    struct backend_item items[KEYS];
    struct backend_dbmap map = {.len = 2, .store_db = {1, 2}};
    struct backend_applied applied;
    struct err err;
    for (int i = 0; i < n; i++) {
        items[i] = item_of(i);
        if (some_gone && i % 7 == 3)
            items[i] = (struct backend_item){.db = items[i].db, .key = items[i].key};
    }
    struct backend_batch batch = {
        .cut_lsn = cut_lsn, .dbmap = &map, .items = items, .items_len = (uint32_t)n};
    return try_apply(c, batch, &applied, &err) == RC_OK;
}

static struct sqlite_sums *sums_of_store(const struct contract *c)
{
    return ((struct sqlite_backend *)c->b)->sums;
}

/* Verifies or learns every page. */
static enum rc go_round(struct contract *c, struct err *err)
{
    struct sqlite_sums *s = sums_of_store(c);
    struct sums_figures figures;
    s->head.full_pass_ms = 0;
    s->scrub_interval_ms = 0;
    for (int turns = 0; turns < 1000; turns++) {
        bool more;
        s->scrub_next_us = 0;
        enum rc rc = c->ops->maintain(c->b, 10, &more, err);
        sqlite_sums_get_figures(s, &figures);
        if (rc != RC_OK || (figures.full_pass_ms != 0 && !more))
            return rc;
    }
    fail_msg("no pass of the scrubber ends");
    return RC_OK;
}

static bool fill_and_settle(void *ctx)
{
    struct contract *c = ctx;
    struct err err = {0};
    if (c->b == NULL) {
        struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 2000};
        if (c->ops->open(&config, &c->b, &err) != RC_OK)
            return false;
    }
    bool more;
    return fill(c, KEYS, 1, false) && fill(c, KEYS, 2, true) &&
           c->ops->maintain(c->b, 100, &more, &err) == RC_OK &&
           c->ops->maintain(c->b, 100, &more, &err) == RC_OK && go_round(c, &err) == RC_OK;
}

/* The same, with some more that is in the WAL only. */
static bool fill_and_go_on(void *ctx)
{
    return fill_and_settle(ctx) && fill(ctx, KEYS / 3, 3, false);
}

enum end { STOPPED, KILLED, KILLED_IDLE };
static const char *const end_names[] = {"stopped", "killed", "killed idle"};

/* The store is filled by a process of its own, so that it can be killed. */
static void fill_and_end(struct contract *c, enum end end)
{
    if (c->b != NULL)
        c->ops->close(&c->b);
    if (end == STOPPED) {
        contract_open(c);
        assert_true(fill_and_settle(c));
        c->ops->close(&c->b);
        return;
    }
    child_end(child_start(end == KILLED ? fill_and_go_on : fill_and_settle, c));
}

/* ---- everything is read ---- */

struct answers {
    struct buf keys[KEYS];
    struct buf scan;
    uint64_t count[2];
};

static void answers_fini(struct answers *a)
{
    for (int i = 0; i < KEYS; i++)
        buf_fini(&a->keys[i]);
    buf_fini(&a->scan);
}

/* Returns how many of the questions were answered by an error; the others' answers are in *out, or,
 * when there is something to compare with, must be the same. */
static int ask_all(struct contract *c, struct answers *out, const struct answers *expected)
{
    struct err err;
    int errors = 0;
    *out = (struct answers){0};
    for (int i = 0; i < KEYS; i++) {
        struct backend_item key = {.db = 1 + (uint32_t)i % 2, .key = name_of(i)};
        if (c->ops->load(c->b, &key, 1, render_item, &out->keys[i], &err) != RC_OK)
            errors++;
        else if (expected != NULL &&
                 (out->keys[i].len != expected->keys[i].len ||
                  memcmp(out->keys[i].data, expected->keys[i].data, out->keys[i].len) != 0))
            fail_msg("%s is \"%.60s...\", and was \"%.60s...\"", names[i], out->keys[i].data,
                     expected->keys[i].data);
    }
    for (uint32_t db = 1; db < 3; db++) {
        struct backend_count n = {.db = db};
        if (c->ops->count(c->b, &n, &err) != RC_OK)
            errors++;
        else if (expected != NULL)
            assert_int_equal(n.keys, expected->count[db - 1]);
        out->count[db - 1] = n.keys;
    }
    if (c->ops->scan(c->b, 1, SLICE(""), 1000, render_item, &out->scan, &err) != RC_OK)
        errors++;
    else if (expected != NULL)
        assert_true(out->scan.len == expected->scan.len &&
                    memcmp(out->scan.data, expected->scan.data, out->scan.len) == 0);
    return errors;
}

/* ---- files as they were ---- */

struct saved {
    const char *suffix;
    char *bytes;
    size_t len;
    struct timespec times[2];
};

static void save(const struct contract *c, struct saved *f, const char *suffix)
{
    struct stat st;
    int fd = open(file_of(c, suffix), O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    f->suffix = suffix;
    f->len = (size_t)st.st_size;
    f->bytes = malloc(f->len + 1);
    assert_int_equal(read(fd, f->bytes, f->len + 1), f->len);
    f->times[0] = st.st_atim;
    f->times[1] = st.st_mtim;
    close(fd);
}

/* In place: the same inode, the same times. */
static void put_back(const struct contract *c, const struct saved *f)
{
    int fd = open(file_of(c, f->suffix), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, f->bytes, f->len, 0), f->len);
    assert_int_equal(ftruncate(fd, (off_t)f->len), 0);
    assert_int_equal(futimens(fd, f->times), 0);
    close(fd);
}

static void flip(const struct contract *c, const char *suffix, int64_t bit)
{
    unsigned char byte;
    int fd = open(file_of(c, suffix), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, bit / 8), 1);
    byte ^= (unsigned char)(1u << bit % 8);
    assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
    close(fd);
}

/* ---- damage ---- */

struct tally {
    unsigned flips, refused, errors, unseen;
};

/* With one bit turned over: each answer is right, or an error. Is it found at all? */
static bool meet_damage(struct contract *c, const struct answers *expected, struct tally *t)
{
    struct err err = {0};
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 2000};
    if (c->ops->open(&config, &c->b, &err) != RC_OK) {
        t->refused++;
        return true;
    }
    struct answers now;
    int errors = ask_all(c, &now, expected);
    answers_fini(&now);
    bool found = go_round(c, &err) != RC_OK || errors > 0;
    t->errors += errors > 0;
    c->ops->set_deadline(c->b, clock_mono()); /* nothing is written at the end */
    c->ops->close(&c->b);
    return found;
}

static unsigned next_random(unsigned *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

static void turn_bits(struct contract *c, enum end end)
{
    struct saved files[3];
    struct answers expected;
    struct tally t = {0};
    unsigned seed = 7;
    fill_and_end(c, end);
    save(c, &files[0], "");
    save(c, &files[1], "-wal");
    save(c, &files[2], "-sums");
    contract_open(c);
    assert_int_equal(ask_all(c, &expected, NULL), 0);
    c->ops->close(&c->b);
    int64_t pages = (int64_t)files[0].len / PAGE_BYTES;
    assert_true(pages > 60);
    for (int64_t n = -FLIPS_IN_HEADER; n < pages * FLIPS_PER_PAGE; n++) {
        int64_t bit = n < 0 ? next_random(&seed) / 16 % 800
                            : n / FLIPS_PER_PAGE * PAGE_BYTES * 8 +
                                  next_random(&seed) / 16 % (PAGE_BYTES * 8);
        if (n >= 0 && !share_has((uint64_t)n / FLIPS_PER_PAGE))
            continue; /* but it has drawn as many random numbers */
        for (size_t i = 0; i < COUNT_OF(files); i++)
            put_back(c, &files[i]);
        flip(c, "", bit);
        t.flips++;
        if (!meet_damage(c, &expected, &t)) {
            t.unseen++;
            if (end != KILLED) /* else the page may be in the WAL, and is written anew */
                fail_msg("bit %lld of page %lld was not found", (long long)bit,
                         (long long)(bit / 8 / PAGE_BYTES + 1));
        }
    }
    print_message("%s: %u bits in %lld pages: %u refused the start, %u met by reading, %u by the "
                  "scrubber, %u without effect\n",
                  end_names[end], t.flips, (long long)pages, t.refused, t.errors,
                  t.flips - t.refused - t.errors - t.unseen, t.unseen);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        free(files[i].bytes);
    answers_fini(&expected);
}

static void a_turned_bit_is_never_read_after_an_orderly_stop(void **state)
{
    turn_bits(contract_of(state), STOPPED);
}

static void a_turned_bit_is_never_read_after_kill_9(void **state)
{
    turn_bits(contract_of(state), KILLED);
}

static void a_turned_bit_is_never_read_after_kill_9_of_an_idle_one(void **state)
{
    turn_bits(contract_of(state), KILLED_IDLE);
}

/* ---- what others may do ---- */

struct change {
    const char *what;
    const char *sql;    /* by another program, which then ... */
    bool killed, stays; /* ... is killed, is still there, or closes */
    bool copied, moved; /* "x.db" is then put in the place of the database */
    bool other_state;   /* what is in the store is not what was */
    bool (*also)(const struct contract *c);
};

#define UPDATE "UPDATE weir_key SET value = 'theirs' WHERE key = 'key:000';"

static bool remove_sums(const struct contract *c)
{
    return unlink(file_of(c, "-sums")) == 0;
}

static bool damage_sums(const struct contract *c)
{
    flip(c, "-sums", 8 * 20);
    return true;
}

static bool truncate_sums(const struct contract *c)
{
    return truncate(file_of(c, "-sums"), 5000) == 0;
}

static bool damage_a_sum(const struct contract *c)
{
    flip(c, "-sums", 8 * (4096 + 2 * 65536 + 8 * 10));
    return true;
}

static const struct change changes[] = {
    {.what = "nothing"},
    {.what = "a write", .sql = UPDATE, .other_state = true},
    {.what = "a write, killed", .sql = UPDATE, .killed = true, .other_state = true},
    {.what = "a passive checkpoint, killed",
     .sql = UPDATE "PRAGMA wal_checkpoint(PASSIVE)",
     .killed = true,
     .other_state = true},
    {.what = "a full checkpoint, killed",
     .sql = UPDATE "PRAGMA wal_checkpoint(TRUNCATE)",
     .killed = true,
     .other_state = true},
    {.what = "two checkpoints, killed",
     .sql = UPDATE "PRAGMA wal_checkpoint(RESTART);" UPDATE "PRAGMA wal_checkpoint(PASSIVE)",
     .killed = true,
     .other_state = true},
    {.what = "a checkpoint of what was there, killed",
     .sql = "PRAGMA wal_checkpoint(PASSIVE)",
     .killed = true},
    {.what = "a truncating checkpoint of what was there, killed",
     .sql = "PRAGMA wal_checkpoint(TRUNCATE)",
     .killed = true},
    {.what = "a checkpoint of what was there by a program that stays",
     .sql = "PRAGMA wal_checkpoint(PASSIVE)",
     .stays = true},
    {.what = "a checkpoint of more by a program that stays",
     .sql = UPDATE "PRAGMA wal_checkpoint(PASSIVE)",
     .stays = true,
     .other_state = true},
    {.what = "a reader", .sql = "SELECT count(*) FROM weir_key"},
    {.what = "VACUUM", .sql = "VACUUM"},
    {.what = "VACUUM, killed", .sql = "VACUUM; PRAGMA wal_checkpoint(PASSIVE)", .killed = true},
    {.what = "VACUUM INTO, moved", .sql = "VACUUM INTO 'x.db'", .moved = true},
    {.what = "VACUUM INTO, copied", .sql = "VACUUM INTO 'x.db'", .copied = true},
    {.what = "another page size",
     .sql = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM"},
    {.what = "rollback journal and back",
     .sql = "PRAGMA journal_mode = DELETE;" UPDATE "PRAGMA journal_mode = WAL",
     .other_state = true},
    {.what = "rollback journal",
     .sql = "PRAGMA journal_mode = DELETE;" UPDATE,
     .other_state = true},
    {.what = "exclusive", .sql = "PRAGMA locking_mode = EXCLUSIVE;" UPDATE, .other_state = true},
    {.what = "no sums", .also = remove_sums},
    {.what = "damaged head of sums", .also = damage_sums},
    {.what = "short sums", .also = truncate_sums},
    {.what = "a damaged sum", .also = damage_a_sum},
};

static bool run_change(void *ctx)
{
    const struct contract *c = ((void **)ctx)[0];
    const struct change *change = ((void **)ctx)[1];
    sqlite3 *db;
    bool done = chdir(c->dir) == 0 && sqlite3_open(file_of(c, ""), &db) == SQLITE_OK &&
                sqlite3_exec(db, change->sql, NULL, NULL, NULL) == SQLITE_OK;
    if (done && !change->killed && !change->stays)
        done = sqlite3_close(db) == SQLITE_OK;
    return done;
}

static void copy_in_place(const char *from, const char *to)
{
    char bytes[65536];
    ssize_t n;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

/* Everything can be read, and the scrubber finds nothing. */
static void check_sound(struct contract *c, const struct answers *expected, const char *what)
{
    struct answers now;
    struct err err = {0};
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 2000};
    if (c->ops->open(&config, &c->b, &err) != RC_OK)
        fail_msg("%s: %s", what, err.text);
    if (ask_all(c, &now, expected) != 0)
        fail_msg("%s: not everything could be read", what);
    answers_fini(&now);
    for (int rounds = 0; rounds < 2; rounds++)
        if (go_round(c, &err) != RC_OK)
            fail_msg("%s: %s", what, err.text);
    c->ops->close(&c->b);
}

static void remove_store(const struct contract *c)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-sums"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++)
        (void)remove(file_of(c, suffixes[i]));
}

static void make_change(struct contract *c, enum end end, const struct change *change,
                        const struct answers *expected)
{
    char what[128], other[192];
    snprintf(what, sizeof(what), "%s, then %s", end_names[end], change->what);
    snprintf(other, sizeof(other), "%s/x.db", c->dir);
    fill_and_end(c, end);
    pid_t program = 0;
    if (change->sql != NULL)
        program = child_start(run_change, (void *[]){c, (void *)(uintptr_t)change});
    if (program != 0 && !change->stays)
        child_end(program);
    if (change->copied)
        copy_in_place(other, file_of(c, ""));
    if (change->moved)
        assert_int_equal(rename(other, file_of(c, "")), 0);
    if (change->also != NULL)
        assert_true(change->also(c));
    check_sound(c, change->other_state ? NULL : expected, what);
    check_sound(c, change->other_state ? NULL : expected, what); /* what was learnt is right, too */
    if (change->stays)
        child_end(program);
    unlink(other);
    remove_store(c);
}

static void make_changes(struct contract *c, enum end end)
{
    struct answers expected;
    fill_and_end(c, end);
    contract_open(c);
    assert_int_equal(ask_all(c, &expected, NULL), 0);
    c->ops->close(&c->b);
    remove_store(c);
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        make_change(c, end, &changes[i], &expected);
    answers_fini(&expected);
}

static void what_others_do_after_an_orderly_stop_is_no_damage(void **state)
{
    make_changes(contract_of(state), STOPPED);
}

static void what_others_do_after_kill_9_is_no_damage(void **state)
{
    make_changes(contract_of(state), KILLED);
    make_changes(contract_of(state), KILLED_IDLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup_sqlite, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turned_bit_is_never_read_after_an_orderly_stop),
        TEST(a_turned_bit_is_never_read_after_kill_9),
        TEST(a_turned_bit_is_never_read_after_kill_9_of_an_idle_one),
        TEST(what_others_do_after_an_orderly_stop_is_no_damage),
        TEST(what_others_do_after_kill_9_is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
