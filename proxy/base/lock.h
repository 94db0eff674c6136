/* Mutexes that clang's thread-safety analysis can follow, and thread roles of the same kind.
 *
 * A lock sleeps when it is contended: cores are few, holders get preempted, and a spinning waiter
 * would keep the holder from running. A thread of lowered priority (a flusher) never takes a
 * shard lock: preempted while it holds one, it would stall every worker that waits for it.
 *
 * A lock may be *brief*: whoever holds it waits for nothing, neither a condition nor a file, nor a
 * *slow* lock, which others hold while they wait for such a thing. A build with WEIR_LOCK_CHECKS
 * (debug, the sanitizers, and holds, which is the release with it) aborts where that is broken, and
 * measures how long brief locks are held.
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

enum lock_kind { LOCK_PLAIN, LOCK_BRIEF, LOCK_SLOW };

struct CAPABILITY("mutex") lock {
    pthread_mutex_t mutex;
#ifdef WEIR_LOCK_CHECKS
    enum lock_kind kind;
#endif
};

#ifdef WEIR_LOCK_CHECKS
/* Before a lock of this kind is acquired, after it was, and before it is released. */
void lock_check_wanted(enum lock_kind kind);
void lock_check_acquired(enum lock_kind kind);
void lock_check_released(enum lock_kind kind);
#define LOCK_CHECK(what, l) lock_check_##what((l)->kind)
#else
#define LOCK_CHECK(what, l) ((void)(l))
#endif

/* Says that the caller may wait here for a disk or for another thread: a build with checks aborts
 * when it holds a brief lock. */
#ifdef WEIR_LOCK_CHECKS
void lock_may_wait(void);
#else
static inline void lock_may_wait(void)
{
}
#endif
/* The longest time for which a thread held brief locks without a pause, since the process started
 * or lock_forget_holds, in microseconds; -1: not measured in this build. Thread: any. */
int64_t lock_longest_hold_us(void);
void lock_forget_holds(void);

static inline void lock_init_kind(struct lock *l, enum lock_kind kind)
{
    must(pthread_mutex_init(&l->mutex, NULL) == 0);
#ifdef WEIR_LOCK_CHECKS
    l->kind = kind;
#else
    (void)kind;
#endif
}

static inline void lock_init(struct lock *l)
{
    lock_init_kind(l, LOCK_PLAIN);
}

static inline void lock_fini(struct lock *l)
{
    must(pthread_mutex_destroy(&l->mutex) == 0);
}

static inline void lock_acquire(struct lock *l) ACQUIRES(l) NO_TSA
{
    LOCK_CHECK(wanted, l);
    must(pthread_mutex_lock(&l->mutex) == 0);
    LOCK_CHECK(acquired, l);
}

static inline bool lock_try_acquire(struct lock *l) TRY_ACQUIRES(true, l) NO_TSA
{
    if (pthread_mutex_trylock(&l->mutex) != 0)
        return false;
    LOCK_CHECK(acquired, l);
    return true;
}

static inline void lock_release(struct lock *l) RELEASES(l) NO_TSA
{
    LOCK_CHECK(released, l);
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
