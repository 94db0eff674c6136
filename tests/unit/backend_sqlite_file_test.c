/* SQLite: one Weir per file whatever it is called, and nothing is believed of a file that was taken
 * away.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../contract/contract.h"

#include "backends/sqlite/check.h"
#include "backends/sqlite/internal.h"
#include "tests/support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

struct path {
    char text[256];
};

static struct path in_dir(const struct contract *c, const char *name)
{
    struct path p;
    snprintf(p.text, sizeof(p.text), "%s/%s", c->dir, name);
    return p;
}

/* The database with a suffix: "-wal", ".away". */
static struct path database(const struct contract *c, const char *suffix)
{
    char name[128];
    snprintf(name, sizeof(name), "%s%s", strchr(c->url, ':') + 1, suffix);
    return in_dir(c, name);
}

static enum rc put(struct contract *c, uint64_t cut_lsn, struct backend_item item, struct err *err)
{
    struct backend_applied applied;
    struct backend_batch batch = {.cut_lsn = cut_lsn, .items = &item, .items_len = 1};
    return try_apply(c, batch, &applied, err);
}

static enum rc load_one(struct contract *c, struct err *err)
{
    struct backend_item key = {.db = 1, .key = KEY("k")};
    struct buf got = {0};
    enum rc rc = c->ops->load(c->b, &key, 1, render_item, &got, err);
    buf_fini(&got);
    return rc;
}

static enum rc keep(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_OK;
}

/* Every operation says the same. */
static void check_all_say_moved(struct contract *c, const char *text)
{
    struct err err = {0};
    struct backend_count n = {.db = 1};
    bool more;
    struct backend_position position;
    assert_int_equal(put(c, 9, STRING(1, "k", "lost?"), &err), RC_MOVED);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    assert_non_null(strstr(err.text, "journal keeps"));
    assert_int_equal(c->ops->position(c->b, &position, &err), RC_MOVED);
    assert_int_equal(load_one(c, &err), RC_MOVED);
    assert_int_equal(c->ops->scan(c->b, 1, KEY(""), 10, keep, NULL, &err), RC_MOVED);
    assert_int_equal(c->ops->count(c->b, &n, &err), RC_MOVED);
    assert_int_equal(c->ops->poll(c->b, keep, NULL, &err), RC_MOVED);
    assert_int_equal(c->ops->maintain(c->b, 10, &more, &err), RC_MOVED);
}

static int64_t size_of(const struct path *p)
{
    struct stat st;
    return stat(p->text, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* What a file on its own holds, as an operator would look at it. */
static void check_value_in(const struct path *file, const char *expected)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open_v2(file->text, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    const char *sql = "SELECT value FROM weir_key WHERE key = 'k'";
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", file->text, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), expected);
    sqlite3_finalize(s);
    assert_int_equal(sqlite3_exec(db, "PRAGMA integrity_check", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* ---- one Weir per file ---- */

static bool open_store(void *ctx)
{
    struct contract *c = ctx;
    struct err err = {0};
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 1000};
    return backend_sqlite.open(&config, &c->b, &err) == RC_OK;
}

static void check_refused(const struct contract *c, const char *url)
{
    struct backend_config config = {.url = url, .dir = c->dir, .timeout_ms = 100};
    struct backend *b;
    struct err err = {0};
    assert_int_equal(backend_sqlite.open(&config, &b, &err), RC_BUSY);
    assert_null(b);
    assert_non_null(strstr(err.text, "in use by another Weir"));
    assert_non_null(strstr(err.text, strchr(url, ':') + 1));
}

static void check_refused_by_every_name(struct contract *c)
{
    struct buf url = {0};
    check_refused(c, c->url);
    check_refused(c, "sqlite:symbolic.db");
    check_refused(c, "sqlite:hard.db");
    buf_printf(&url, "sqlite:elsewhere/%s", strchr(c->url, ':') + 1);
    buf_append(&url, "", 1);
    check_refused(c, url.data);
    buf_fini(&url);
}

static void a_second_weir_is_refused_by_every_name(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, "");
    APPLY(c, 1, STRING(1, "k", "v"));
    assert_int_equal(symlink(db.text, in_dir(c, "symbolic.db").text), 0);
    assert_int_equal(link(db.text, in_dir(c, "hard.db").text), 0);
    assert_int_equal(symlink(".", in_dir(c, "elsewhere").text), 0);
    check_refused_by_every_name(c); /* within one process */
    LOADED(c, 1, "k", "string v");
    backend_sqlite.close(&c->b);
    pid_t other = child_start(open_store, c);
    check_refused_by_every_name(c);
    child_end(other);
    contract_open(c); /* a process that died leaves no lock */
    LOADED(c, 1, "k", "string v");
}

static void there_is_no_lock_file_that_could_be_deleted(void **state)
{
    struct contract *c = contract_of(state);
    backend_sqlite.close(&c->b);
    pid_t other = child_start(open_store, c);
    assert_int_equal(access(database(c, ".lock").text, F_OK), -1);
    assert_int_equal(access(database(c, "").text, F_OK), 0);
    child_end(other);
    contract_open(c);
}

/* POSIX locks of a process go when it closes any descriptor of the file. */
static void a_refused_open_leaves_sqlites_own_locks_alone(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"));
    assert_int_equal(link(database(c, "").text, in_dir(c, "hard.db").text), 0);
    check_refused(c, "sqlite:hard.db");
    check_refused(c, c->url);
    pid_t child = fork();
    if (child == 0) { /* locks belong to processes: only another one sees them */
        struct flock shared = {.l_type = F_WRLCK, .l_start = 0x40000000 + 2, .l_len = 510};
        int fd = open(database(c, "").text, O_RDWR);
        _exit(fcntl(fd, F_GETLK, &shared) == 0 && shared.l_type == F_RDLCK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- a file that was taken away ---- */

static void a_removed_database_takes_no_more_commits(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"));
    assert_int_equal(unlink(database(c, "").text), 0);
    check_all_say_moved(c, "removed or replaced");
    check_all_say_moved(c, strchr(c->url, ':') + 1);
}

static void a_database_that_is_put_back_is_used_again(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, ""), away = database(c, ".away");
    APPLY(c, 1, STRING(1, "k", "one"));
    assert_int_equal(rename(db.text, away.text), 0);
    check_all_say_moved(c, "Put the file back");
    assert_int_equal(rename(away.text, db.text), 0);
    APPLY(c, 2, STRING(1, "k", "two"));
    LOADED(c, 1, "k", "string two");
    contract_reopen(c);
    LOADED(c, 1, "k", "string two");
    assert_int_equal(position_of(c).cut_lsn, 2);
}

static struct path back_up(struct contract *c)
{
    struct path backup = database(c, ".backup");
    char sql[300];
    snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", backup.text);
    assert_int_equal(sqlite3_exec(sqlite_writer_of(c->b), sql, NULL, NULL, NULL), SQLITE_OK);
    return backup;
}

/* The file that takes its place must not get our last commits out of the -wal beside it. */
static void a_replacement_is_not_mixed_with_what_was_there(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, ""), away = database(c, ".away");
    APPLY(c, 1, STRING(1, "k", "old"));
    struct path backup = back_up(c);
    APPLY(c, 2, STRING(1, "k", "new"));
    struct path wal = database(c, "-wal");
    assert_true(size_of(&wal) > 0);
    assert_int_equal(rename(db.text, away.text), 0);
    assert_int_equal(rename(backup.text, db.text), 0);
    check_all_say_moved(c, "removed or replaced");
    assert_int_equal(size_of(&wal), 0); /* as kill -9 would leave it from here on */
    check_value_in(&away, "new");       /* nothing is missing where the old one went */
    backend_sqlite.close(&c->b);
    contract_open(c);
    LOADED(c, 1, "k", "string old");
    assert_int_equal(position_of(c).cut_lsn, 1);
}

/* Between the commit and the answer, too. */
static int remove_while_committing(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct contract *c = arg;
    (void)db;
    (void)name;
    (void)pages;
    return rename(database(c, "").text, database(c, ".away").text) == 0 ? SQLITE_OK : SQLITE_ERROR;
}

static void a_commit_is_not_believed_when_the_file_left_meanwhile(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    struct backend_position position;
    APPLY(c, 1, STRING(1, "k", "one"));
    sqlite3_wal_hook(sqlite_writer_of(c->b), remove_while_committing, c);
    assert_int_equal(put(c, 2, STRING(1, "k", "two"), &err), RC_MOVED);
    assert_int_equal(c->ops->position(c->b, &position, &err), RC_MOVED);
    sqlite3_wal_hook(sqlite_writer_of(c->b), NULL, NULL);
    assert_int_equal(rename(database(c, ".away").text, database(c, "").text), 0);
    assert_int_equal(put(c, 2, STRING(1, "k", "two"), &err), RC_OK);
    LOADED(c, 1, "k", "string two");
}

static void a_deleted_wal_is_noticed_and_nothing_of_it_is_lost(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "only in the wal"));
    assert_int_equal(unlink(database(c, "-wal").text), 0);
    check_all_say_moved(c, "-wal: removed or replaced");
    contract_reopen(c);
    LOADED(c, 1, "k", "string only in the wal");
    APPLY(c, 2, STRING(1, "k", "two"));
}

static void a_wal_that_is_put_back_is_used_again(void **state)
{
    struct contract *c = contract_of(state);
    struct path wal = database(c, "-wal"), away = database(c, ".away");
    APPLY(c, 1, STRING(1, "k", "one"));
    assert_int_equal(rename(wal.text, away.text), 0);
    check_all_say_moved(c, "-wal: removed or replaced");
    assert_int_equal(rename(away.text, wal.text), 0);
    APPLY(c, 2, STRING(1, "k", "two"));
    contract_reopen(c);
    LOADED(c, 1, "k", "string two");
}

static void a_deleted_index_of_the_wal_is_noticed(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"));
    assert_int_equal(unlink(database(c, "-shm").text), 0);
    check_all_say_moved(c, "-shm: removed or replaced");
    contract_reopen(c);
    LOADED(c, 1, "k", "string v");
}

static void a_file_that_others_wrote_around_is_not_taken_back(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    struct path db = database(c, ""), away = database(c, ".away");
    APPLY(c, 1, STRING(1, "k", "one"));
    assert_int_equal(rename(db.text, away.text), 0);
    check_all_say_moved(c, "removed or replaced");
    FILE *wal = fopen(database(c, "-wal").text, "r+");
    assert_non_null(wal);
    assert_int_equal(fputs("frames of another database", wal) >= 0, 1);
    fclose(wal);
    assert_int_equal(rename(away.text, db.text), 0);
    assert_int_equal(put(c, 2, STRING(1, "k", "two"), &err), RC_MOVED);
    assert_non_null(strstr(err.text, "others wrote"));
}

/* ---- a file that was overwritten ---- */

/* `cp from to`: the same inode, other bytes. */
static void copy_over(const struct path *from, const struct path *to)
{
    static char bytes[4 * 1024 * 1024];
    FILE *in = fopen(from->text, "r"), *out = fopen(to->text, "w");
    assert_non_null(in);
    assert_non_null(out);
    size_t n = fread(bytes, 1, sizeof(bytes), in);
    assert_true(n < sizeof(bytes) && fwrite(bytes, 1, n, out) == n);
    assert_int_equal(fclose(out), 0);
    fclose(in);
}

static void a_backup_copied_over_it_is_noticed_and_not_mixed(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, "");
    APPLY(c, 1, STRING(1, "k", "old"));
    struct path backup = back_up(c);
    APPLY(c, 2, STRING(1, "k", "moved into the file"));
    maintain_all(c);
    maintain_all(c);
    APPLY(c, 3, STRING(1, "k", "in the wal"));
    copy_over(&backup, &db);
    check_all_say_moved(c, "overwritten while in use");
    backend_sqlite.close(&c->b);
    contract_open(c);
    LOADED(c, 1, "k", "string old");
    assert_int_equal(position_of(c).cut_lsn, 1);
    sqlite3 *writer = sqlite_writer_of(c->b);
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(writer, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
}

/* The file itself is not newer than the backup: all that is new is in the WAL. */
static void a_backup_as_new_as_the_file_is_noticed_too(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, "");
    APPLY(c, 1, STRING(1, "k", "old"));
    maintain_all(c);
    maintain_all(c);
    struct path backup = back_up(c);
    APPLY(c, 2, STRING(1, "k", "in the wal"));
    copy_over(&backup, &db);
    check_all_say_moved(c, "overwritten while in use");
    contract_reopen(c);
    LOADED(c, 1, "k", "string old");
}

static void something_else_copied_over_it_is_noticed(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, ""), other = in_dir(c, "other");
    FILE *f = fopen(other.text, "w");
    assert_non_null(f);
    fprintf(f, "not a database at all");
    fclose(f);
    APPLY(c, 1, STRING(1, "k", "v"));
    copy_over(&other, &db);
    check_all_say_moved(c, "overwritten while in use");
}

static void a_program_that_checkpoints_is_no_overwriting(void **state)
{
    struct contract *c = contract_of(state);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(database(c, "").text, &db), SQLITE_OK);
    for (uint64_t n = 1; n < 6; n++) {
        APPLY(c, n, STRING(1, "k", "v"), STRING(1, "l", "v"));
        const char *sql = n == 4 ? "VACUUM; PRAGMA wal_checkpoint(FULL)"
                                 : "UPDATE weir_key SET value = 'w' WHERE key = 'l';"
                                   "PRAGMA wal_checkpoint(FULL)";
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        maintain_all(c);
    }
    sqlite3_close(db);
    LOADED(c, 1, "k", "string v");
}

static void a_file_that_was_touched_is_still_ours(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "one"));
    maintain_all(c);
    maintain_all(c);
    APPLY(c, 2, STRING(1, "k", "two"));
    assert_int_equal(utimensat(AT_FDCWD, database(c, "").text, NULL, 0), 0);
    APPLY(c, 3, STRING(1, "k", "three"));
    maintain_all(c);
    contract_reopen(c);
    LOADED(c, 1, "k", "string three");
}

static void an_older_state_restored_by_sql_is_noticed(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    APPLY(c, 1, STRING(1, "k", "old"));
    struct path backup = back_up(c);
    APPLY(c, 2, STRING(1, "k", "new"));
    sqlite3 *from, *to;
    assert_int_equal(sqlite3_open(backup.text, &from), SQLITE_OK);
    assert_int_equal(sqlite3_open(database(c, "").text, &to), SQLITE_OK);
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
    assert_int_equal(sqlite3_backup_step(copy, -1), SQLITE_DONE);
    assert_int_equal(sqlite3_backup_finish(copy), SQLITE_OK);
    sqlite3_close(from);
    sqlite3_close(to);
    assert_int_equal(put(c, 3, STRING(1, "k", "newer"), &err), RC_MOVED);
    assert_non_null(strstr(err.text, "cut 1, Weir had written 2"));
    contract_reopen(c);
    LOADED(c, 1, "k", "string old");
}

/* ---- a WAL that a killed process left ---- */

static const char LABEL[] = "user.weir.database";

static bool open_and_write(void *ctx)
{
    struct contract *c = ctx;
    struct err err = {0};
    return open_store(c) && put(c, 1, STRING(1, "k", "in the wal"), &err) == RC_OK;
}

/* The store as a kill leaves it, with a commit in its WAL alone, and beside it a store that is
 * called other.db. */
static void leave_a_wal_and_another_store(struct contract *c)
{
    char label[128];
    struct contract other = *c;
    backend_sqlite.close(&c->b);
    child_end(child_start(open_and_write, c));
    struct path wal = database(c, "-wal");
    assert_true(size_of(&wal) > 0);
    if (getxattr(wal.text, LABEL, label, sizeof(label)) < 0 && errno == ENOTSUP)
        skip(); /* on this file system nothing can be told */
    snprintf(other.url, sizeof(other.url), "%s", "sqlite:other.db");
    contract_open(&other);
    APPLY(&other, 7, STRING(1, "k", "of the other"));
    backend_sqlite.close(&other.b);
}

static void check_refuses_the_wal(struct contract *c)
{
    struct backend_config config = {.url = c->url, .dir = c->dir, .timeout_ms = 1000};
    struct err err = {0};
    struct sqlite_checked found;
    assert_int_equal(backend_sqlite.open(&config, &c->b, &err), RC_FOREIGN);
    assert_null(c->b);
    assert_non_null(strstr(err.text, "belongs to the database that was here before"));
    assert_non_null(strstr(err.text, database(c, "-wal").text));
    assert_int_equal(sqlite_check_file(database(c, "").text, NULL, &found, &err), RC_FOREIGN);
}

static void a_wal_is_not_read_into_a_database_that_was_moved_there(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, ""), wal = database(c, "-wal"), shm = database(c, "-shm");
    leave_a_wal_and_another_store(c);
    assert_int_equal(rename(db.text, database(c, ".away").text), 0);
    assert_int_equal(rename(in_dir(c, "other.db").text, db.text), 0);
    check_refuses_the_wal(c);
    assert_int_equal(rename(wal.text, database(c, ".away-wal").text), 0);
    assert_int_equal(unlink(shm.text), 0);
    contract_open(c);
    LOADED(c, 1, "k", "string of the other");
    backend_sqlite.close(&c->b);
    /* Nothing of the old one was lost. */
    assert_int_equal(rename(database(c, ".away").text, db.text), 0);
    assert_int_equal(rename(database(c, ".away-wal").text, wal.text), 0);
    contract_open(c);
    LOADED(c, 1, "k", "string in the wal");
}

/* Most file systems give the number of a removed file to the next one. */
static void a_wal_is_not_read_into_a_database_that_was_removed_and_copied_there(void **state)
{
    struct contract *c = contract_of(state);
    struct path db = database(c, ""), other = in_dir(c, "other.db");
    leave_a_wal_and_another_store(c);
    assert_int_equal(unlink(db.text), 0);
    copy_over(&other, &db);
    check_refuses_the_wal(c);
}

static void a_wal_goes_on_with_its_database_wherever_both_are_moved_or_copied(void **state)
{
    struct contract *c = contract_of(state);
    char label[128];
    leave_a_wal_and_another_store(c);
    struct path db = database(c, ""), wal = database(c, "-wal");
    struct path copy = in_dir(c, "copy.db"), copy_wal = in_dir(c, "copy.db-wal");
    copy_over(&db, &copy);
    copy_over(&wal, &copy_wal);
    ssize_t n = getxattr(wal.text, LABEL, label, sizeof(label));
    assert_true(n > 0 && setxattr(copy_wal.text, LABEL, label, (size_t)n, 0) == 0);
    struct contract copied = *c;
    snprintf(copied.url, sizeof(copied.url), "%s", "sqlite:copy.db");
    contract_open(&copied);
    LOADED(&copied, 1, "k", "string in the wal");
    backend_sqlite.close(&copied.b);
    assert_int_equal(rename(db.text, in_dir(c, "moved.db").text), 0);
    assert_int_equal(rename(wal.text, in_dir(c, "moved.db-wal").text), 0);
    snprintf(copied.url, sizeof(copied.url), "%s", "sqlite:moved.db");
    contract_open(&copied);
    LOADED(&copied, 1, "k", "string in the wal");
    backend_sqlite.close(&copied.b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup_sqlite, contract_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_weir_is_refused_by_every_name),
        TEST(there_is_no_lock_file_that_could_be_deleted),
        TEST(a_refused_open_leaves_sqlites_own_locks_alone),
        TEST(a_removed_database_takes_no_more_commits),
        TEST(a_database_that_is_put_back_is_used_again),
        TEST(a_replacement_is_not_mixed_with_what_was_there),
        TEST(a_commit_is_not_believed_when_the_file_left_meanwhile),
        TEST(a_deleted_wal_is_noticed_and_nothing_of_it_is_lost),
        TEST(a_wal_that_is_put_back_is_used_again),
        TEST(a_deleted_index_of_the_wal_is_noticed),
        TEST(a_backup_copied_over_it_is_noticed_and_not_mixed),
        TEST(a_backup_as_new_as_the_file_is_noticed_too),
        TEST(something_else_copied_over_it_is_noticed),
        TEST(a_program_that_checkpoints_is_no_overwriting),
        TEST(a_file_that_was_touched_is_still_ours),
        TEST(an_older_state_restored_by_sql_is_noticed),
        TEST(a_file_that_others_wrote_around_is_not_taken_back),
        TEST(a_wal_is_not_read_into_a_database_that_was_moved_there),
        TEST(a_wal_is_not_read_into_a_database_that_was_removed_and_copied_there),
        TEST(a_wal_goes_on_with_its_database_wherever_both_are_moved_or_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
