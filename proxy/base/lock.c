/* See lock.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
    must(pthread_cond_wait(&c->cond, &l->mutex) == 0);
}

bool cond_wait_us(struct cond *c, struct lock *l, int64_t timeout_us)
{
    struct timespec until;
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
