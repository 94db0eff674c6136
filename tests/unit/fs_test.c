/* The real file system behind fs.h keeps the promises of fs.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static const struct fs *const fs = &fs_posix;
static struct err err;

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/weir-fs-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(in_dir("a"));
    unlink(in_dir("b"));
    rmdir(in_dir("sub"));
    return rmdir(dir);
}

static struct fs_file *create(const char *name, const char *text)
{
    struct fs_file *file = NULL;
    assert_int_equal(fs->open(fs->ctx, in_dir(name), FS_CREATE, &file, &err), RC_OK);
    assert_int_equal(fs->pwrite(fs->ctx, file, text, strlen(text), 0, &err), RC_OK);
    return file;
}

static void what_is_written_is_read_and_a_short_read_is_the_end(void **state)
{
    (void)state;
    char got[32] = "";
    size_t len;
    uint64_t size;
    struct fs_file *file = create("a", "flood");
    assert_int_equal(fs->pwrite(fs->ctx, file, "level", 5, 10, &err), RC_OK);
    assert_int_equal(fs->sync(fs->ctx, file, &err), RC_OK);
    assert_int_equal(fs->size(fs->ctx, file, &size, &err), RC_OK);
    assert_int_equal(size, 15);
    assert_int_equal(fs->pread(fs->ctx, file, got, sizeof(got), 0, &len, &err), RC_OK);
    assert_int_equal(len, 15);
    assert_memory_equal(got, "flood\0\0\0\0\0level", 15);
    assert_int_equal(fs->pread(fs->ctx, file, got, sizeof(got), 99, &len, &err), RC_OK);
    assert_int_equal(len, 0);
    assert_int_equal(fs->truncate(fs->ctx, file, 3, &err), RC_OK);
    assert_int_equal(fs->size(fs->ctx, file, &size, &err), RC_OK);
    assert_int_equal(size, 3);
    fs->close(fs->ctx, &file);
    assert_null(file);
}

static void opening_tells_absent_from_refused(void **state)
{
    (void)state;
    struct fs_file *file = NULL;
    assert_int_equal(fs->open(fs->ctx, in_dir("a"), FS_READ, &file, &err), RC_NOT_FOUND);
    assert_int_equal(err.code, RC_NOT_FOUND);
    assert_int_equal(fs->open(fs->ctx, in_dir("a"), FS_READ_WRITE, &file, &err), RC_NOT_FOUND);
    file = create("a", "x");
    fs->close(fs->ctx, &file);
    assert_int_equal(fs->open(fs->ctx, in_dir("a"), FS_CREATE, &file, &err), RC_IO);
    assert_int_equal(err.sys_errno, EEXIST);
    assert_non_null(strstr(err.text, dir));
}

static void a_file_opened_for_reading_cannot_be_written(void **state)
{
    (void)state;
    struct fs_file *file = create("a", "x");
    fs->close(fs->ctx, &file);
    assert_int_equal(fs->open(fs->ctx, in_dir("a"), FS_READ, &file, &err), RC_OK);
    assert_int_equal(fs->pwrite(fs->ctx, file, "y", 1, 0, &err), RC_IO);
    fs->close(fs->ctx, &file);
}

static void a_map_is_the_file(void **state)
{
    (void)state;
    void *at;
    char got[4];
    size_t len;
    struct fs_file *file = create("a", "0123456789");
    assert_int_equal(fs->map(fs->ctx, file, 10, &at, &err), RC_OK);
    memcpy((char *)at + 2, "WEIR", 4);
    assert_int_equal(fs->pread(fs->ctx, file, got, 4, 2, &len, &err), RC_OK);
    assert_memory_equal(got, "WEIR", 4);
    fs->close(fs->ctx, &file);
    assert_memory_equal(at, "01WEIR6789", 10);
    fs->unmap(fs->ctx, at, 10);
}

static enum rc count_name(void *arg, const char *name)
{
    int *n = arg;
    n[0]++;
    n[1] += strcmp(name, "b") == 0;
    return RC_OK;
}

static enum rc stop_listing(void *arg, const char *name)
{
    (void)arg, (void)name;
    return RC_FULL;
}

static void names_can_be_changed_and_listed(void **state)
{
    (void)state;
    int seen[2] = {0, 0};
    struct fs_file *file = create("a", "x");
    fs->close(fs->ctx, &file);
    char from[128];
    snprintf(from, sizeof(from), "%s", in_dir("a"));
    assert_int_equal(fs->rename(fs->ctx, from, in_dir("b"), &err), RC_OK);
    assert_int_equal(fs->sync_dir(fs->ctx, dir, &err), RC_OK);
    assert_int_equal(fs->list(fs->ctx, dir, count_name, seen, &err), RC_OK);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 1);
    assert_int_equal(fs->list(fs->ctx, dir, stop_listing, NULL, &err), RC_FULL);
    assert_int_equal(fs->remove(fs->ctx, in_dir("b"), &err), RC_OK);
    assert_int_equal(fs->remove(fs->ctx, in_dir("b"), &err), RC_IO);
    assert_int_equal(fs->list(fs->ctx, in_dir("nowhere"), count_name, seen, &err), RC_IO);
    assert_int_equal(fs->sync_dir(fs->ctx, in_dir("nowhere"), &err), RC_IO);
}

static void making_a_directory_that_exists_is_fine_and_over_a_file_is_not(void **state)
{
    (void)state;
    assert_int_equal(fs->make_dir(fs->ctx, in_dir("sub"), &err), RC_OK);
    assert_int_equal(fs->make_dir(fs->ctx, in_dir("sub"), &err), RC_OK);
    struct fs_file *file = create("a", "x");
    fs->close(fs->ctx, &file);
    assert_int_equal(fs->make_dir(fs->ctx, in_dir("a"), &err), RC_IO);
}

static void a_directory_is_locked_once(void **state)
{
    (void)state;
    int first, second;
    assert_int_equal(fs->lock_dir(fs->ctx, dir, &first, &err), RC_OK);
    assert_int_equal(fs->lock_dir(fs->ctx, dir, &second, &err), RC_BUSY);
    assert_non_null(strstr(err.text, dir));
    fs->unlock_dir(fs->ctx, first);
    assert_int_equal(fs->lock_dir(fs->ctx, dir, &second, &err), RC_OK);
    fs->unlock_dir(fs->ctx, second);
}

static void a_full_disk_has_a_code_of_its_own(void **state)
{
    (void)state;
    struct fs_file *file;
    if (fs->open(fs->ctx, "/dev/full", FS_READ_WRITE, &file, &err) != RC_OK)
        skip();
    assert_int_equal(fs->pwrite(fs->ctx, file, "x", 1, 0, &err), RC_FULL);
    assert_int_equal(err.sys_errno, ENOSPC);
    fs->close(fs->ctx, &file);
}

static void the_boot_id_stays_the_same(void **state)
{
    (void)state;
    uint8_t a[16], b[16];
    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    fs->boot_id(fs->ctx, a);
    fs->boot_id(fs->ctx, b);
    assert_memory_equal(a, b, 16);
}

int main(void)
{
#define FS_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        FS_TEST(what_is_written_is_read_and_a_short_read_is_the_end),
        FS_TEST(opening_tells_absent_from_refused),
        FS_TEST(a_file_opened_for_reading_cannot_be_written),
        FS_TEST(a_map_is_the_file),
        FS_TEST(names_can_be_changed_and_listed),
        FS_TEST(making_a_directory_that_exists_is_fine_and_over_a_file_is_not),
        FS_TEST(a_directory_is_locked_once),
        FS_TEST(a_full_disk_has_a_code_of_its_own),
        FS_TEST(the_boot_id_stays_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
