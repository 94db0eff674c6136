/* Mutexes that clang's thread-safety analysis can follow, and thread roles of the same kind.
 *
 * A lock sleeps when it is contended: cores are few, holders get preempted, and a spinning waiter
 * would keep the holder from running. Threads of lowered priority (flushers, loaders) never take a
 * shard lock: a preempted holder of low priority would stall every worker behind it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "base/base.h"

#include <pthread.h>

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY(name) TSA(capability(name))
/* For people: in C, clang 14 cannot resolve a sibling field. REQUIRES on functions is checked. */
#define GUARDED_BY(x)
#define REQUIRES(...)     TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...)     TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRES(...)     TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...)     TSA(release_capability(__VA_ARGS__))
#define TRY_ACQUIRES(...) TSA(try_acquire_capability(__VA_ARGS__))
#define NO_TSA            TSA(no_thread_safety_analysis) /* say why where it is used */

struct CAPABILITY("mutex") lock {
    pthread_mutex_t mutex;
};

static inline void lock_init(struct lock *l)
{
    must(pthread_mutex_init(&l->mutex, NULL) == 0);
}

static inline void lock_fini(struct lock *l)
{
    must(pthread_mutex_destroy(&l->mutex) == 0);
}

static inline void lock_acquire(struct lock *l) ACQUIRES(l) NO_TSA
{
    must(pthread_mutex_lock(&l->mutex) == 0);
}

static inline bool lock_try_acquire(struct lock *l) TRY_ACQUIRES(true, l) NO_TSA
{
    return pthread_mutex_trylock(&l->mutex) == 0;
}

static inline void lock_release(struct lock *l) RELEASES(l) NO_TSA
{
    must(pthread_mutex_unlock(&l->mutex) == 0);
}

/* A condition to wait for under a lock; deadlines are monotonic. */
struct cond {
    pthread_cond_t cond;
};

void cond_init(struct cond *c);
void cond_fini(struct cond *c);
void cond_wait(struct cond *c, struct lock *l) REQUIRES(l);
/* Waits at most `timeout_us`; false when the time ran out. */
bool cond_wait_us(struct cond *c, struct lock *l, int64_t timeout_us) REQUIRES(l);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/* Starts a named thread (the name is what `top -H` shows, 15 bytes) with all signals blocked.
 * `nice_steps` lowers its scheduling priority (0: none); aborts when the system refuses a thread.
 */
void thread_start(pthread_t *out, const char *name, int nice_steps, void *(*run)(void *),
                  void *arg);

#endif
