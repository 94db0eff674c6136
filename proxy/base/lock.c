/* See lock.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef WEIR_LOCK_CHECKS
static _Thread_local uint32_t brief_held;
static _Thread_local struct mono held_since;
static _Atomic int64_t longest_us;

void lock_may_wait(void)
{
    must(brief_held == 0);
}

void lock_check_wanted(enum lock_kind kind)
{
    if (kind == LOCK_SLOW)
        lock_may_wait();
}

void lock_check_acquired(enum lock_kind kind)
{
    if (kind == LOCK_BRIEF && brief_held++ == 0)
        held_since = clock_mono();
}

void lock_check_released(enum lock_kind kind)
{
    if (kind != LOCK_BRIEF || --brief_held > 0)
        return;
    int64_t us = clock_mono().us - held_since.us, longest = atomic_load(&longest_us);
    while (us > longest && !atomic_compare_exchange_weak(&longest_us, &longest, us))
        continue;
}

int64_t lock_longest_hold_us(void)
{
    return atomic_load(&longest_us);
}

void lock_forget_holds(void)
{
    atomic_store(&longest_us, 0);
}
#else
int64_t lock_longest_hold_us(void)
{
    return -1;
}

void lock_forget_holds(void)
{
}
#endif

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&c->cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *c)
{
    must(pthread_cond_destroy(&c->cond) == 0);
}

void cond_wait(struct cond *c, struct lock *l)
{
    lock_may_wait();
    must(pthread_cond_wait(&c->cond, &l->mutex) == 0);
}

bool cond_wait_us(struct cond *c, struct lock *l, int64_t timeout_us)
{
    struct timespec until;
    lock_may_wait();
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_us / 1000000;
    until.tv_nsec += (timeout_us % 1000000) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int rc = pthread_cond_timedwait(&c->cond, &l->mutex, &until);
    must(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct cond *c)
{
    pthread_cond_signal(&c->cond);
}

void cond_broadcast(struct cond *c)
{
    pthread_cond_broadcast(&c->cond);
}

struct thread_boot {
    void *(*run)(void *);
    void *arg;
    int nice_steps;
    char name[16];
};

static void *thread_main(void *arg)
{
    struct thread_boot boot = *(struct thread_boot *)arg;
    free(arg);
    pthread_setname_np(pthread_self(), boot.name);
    if (boot.nice_steps >
        0) /* Linux keeps a priority per thread; a refusal costs only smoothness */
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), boot.nice_steps);
    return boot.run(boot.arg);
}

void thread_start(pthread_t *out, const char *name, int nice_steps, void *(*run)(void *), void *arg)
{
    struct thread_boot *boot = malloc(sizeof(*boot));
    must(boot != NULL);
    *boot = (struct thread_boot){.run = run, .arg = arg, .nice_steps = nice_steps};
    snprintf(boot->name, sizeof(boot->name), "%s", name);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    must(pthread_create(out, NULL, thread_main, boot) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
