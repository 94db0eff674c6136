/* The journal on a real disk, whose files somebody moves, removes or spoils.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "tests/support/journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct journal_rig rig;
static char home[64], dir[96];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NOTHING);
    strcpy(home, "/tmp/weir-journal-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    snprintf(dir, sizeof(dir), "%s/journal", home);
    rig_init(&rig, JOURNAL_FSYNC_ALWAYS);
    rig.options.dir = dir;
    rig.options.fs = &fs_posix;
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static enum rc remove_file(void *arg, const char *name)
{
    (void)arg;
    return remove(path_of(name)) == 0 ? RC_OK : RC_IO;
}

static int tear_down(void **state)
{
    (void)state;
    struct err err;
    rig_fini(&rig);
    if (access(dir, F_OK) == 0 &&
        (fs_posix.list(NULL, dir, remove_file, NULL, &err) != RC_OK || rmdir(dir) != 0))
        return -1;
    return rmdir(home);
}

/* Opens, replays, checks what there is, and starts. */
static void resume(uint64_t last)
{
    if (journal_open(&rig.options, &rig.j, &rig.err) != RC_OK)
        fail_msg("open: %s", rig.err.text);
    assert_int_equal(rig_replay(&rig, 0), last);
    rig_start(&rig);
}

/* It holds nothing: whatever is wrong with it, the journal starts. Here it is a directory, which
 * can neither be read nor removed as a file. */
static void a_spare_that_is_damaged_is_no_reason_not_to_start(void **state)
{
    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(path_of("spare-00000000000000000077.wj"), 0700), 0);
    for (uint64_t start = 0; start < 2; start++) {
        resume(start * 20);
        rig_append(&rig, 20);
        rig_close(&rig);
    }
}

int main(void)
{
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DISK_TEST(a_spare_that_is_damaged_is_no_reason_not_to_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
