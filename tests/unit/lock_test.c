/* What may be done under a brief lock, and how long one was held. Both are checked and measured in
 * the debug builds only.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "base/lock.h"
#include "journal/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct lock brief, slow, plain;
static struct cond cond;

static void wait_for_a_condition(void)
{
    lock_acquire(&plain);
    (void)cond_wait_us(&cond, &plain, 1);
    lock_release(&plain);
}

static void take_a_slow_lock(void)
{
    lock_acquire(&slow);
    lock_release(&slow);
}

static void look_for_a_file(void)
{
    struct file_id id;
    struct err err;
    must(fs_posix.lookup(fs_posix.ctx, "/nowhere", &id, NULL, &err) != RC_OK);
}

static void take_a_plain_lock(void)
{
    lock_acquire(&plain);
    lock_release(&plain);
}

/* Whether a process survives doing it while it holds the brief lock, or after it did. */
static bool survives(void (*what)(void), bool holding)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        must(freopen("/dev/null", "w", stderr) != NULL);
        lock_acquire(&brief);
        if (!holding)
            lock_release(&brief);
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void nobody_waits_under_a_brief_lock(void **state)
{
    (void)state;
    static const struct {
        void (*what)(void);
        bool waits;
    } table[] = {{wait_for_a_condition, true},
                 {take_a_slow_lock, true},
                 {look_for_a_file, true},
                 {take_a_plain_lock, false}};
    if (lock_longest_hold_us() < 0)
        skip();
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_true(survives(table[i].what, false));
        assert_true(survives(table[i].what, true) == !table[i].waits);
    }
}

static void the_longest_hold_is_from_the_first_lock_to_the_last(void **state)
{
    (void)state;
    if (lock_longest_hold_us() < 0)
        skip();
    struct lock other;
    lock_init_kind(&other, LOCK_BRIEF);
    int64_t before = lock_longest_hold_us(), begin = clock_mono().us;
    lock_acquire(&plain);
    while (clock_mono().us < begin + 2000)
        continue;
    lock_release(&plain);
    assert_int_equal(lock_longest_hold_us(), before);
    lock_acquire(&brief);
    begin = clock_mono().us;
    while (clock_mono().us < begin + before + 2000)
        continue;
    assert_true(lock_try_acquire(&other));
    lock_release(&brief);
    assert_int_equal(lock_longest_hold_us(), before);
    lock_release(&other);
    assert_true(lock_longest_hold_us() >= before + 2000);
    lock_forget_holds();
    assert_int_equal(lock_longest_hold_us(), 0);
    lock_fini(&other);
}

static void only_a_build_with_checks_measures(void **state)
{
    (void)state;
#ifdef WEIR_LOCK_CHECKS
    assert_true(lock_longest_hold_us() >= 0);
#else
    assert_int_equal(lock_longest_hold_us(), -1);
#endif
}

int main(void)
{
    lock_init_kind(&brief, LOCK_BRIEF);
    lock_init_kind(&slow, LOCK_SLOW);
    lock_init(&plain);
    cond_init(&cond);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_build_with_checks_measures),
        cmocka_unit_test(nobody_waits_under_a_brief_lock),
        cmocka_unit_test(the_longest_hold_is_from_the_first_lock_to_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
