/* A pause of clients: for a while no command, or no write, is begun.
 *
 * A command that has to wait is parked before it has done anything and is run again, from the
 * start, when the pause is over; what its client sent later stays in the input, so the order
 * holds. A command that waits already (BLPOP, WAIT, a round of all workers) is under way and is not
 * held. Nobody but a session's own worker ever calls a postponed session, so one whose client has
 * gone can be freed at once.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/attention.h"

#include "base/lock.h"
#include "executor/worker.h"

_Atomic unsigned attention_bits;

static struct lock pause_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
/* Changed under the lock, read by everybody. */
static _Atomic int pause_mode;      /* enum pause_mode */
static _Atomic int64_t pause_until; /* monotonic, in microseconds */

/* Capped so that the time of day plus a pause cannot overflow. */
enum { NEVER_MS_SHIFT = 12 };
static const int64_t NEVER_MS = INT64_MAX >> NEVER_MS_SHIFT;

static void clear_pause(void) REQUIRES(pause_lock)
{
    atomic_store(&pause_mode, PAUSE_NONE);
    atomic_store(&pause_until, 0);
    atomic_fetch_and(&attention_bits, ~(unsigned)ATTENTION_PAUSE);
}

enum pause_mode pause_now(int64_t *left_ms)
{
    if (left_ms != NULL)
        *left_ms = 0;
    if ((attention_now() & ATTENTION_PAUSE) == 0)
        return PAUSE_NONE;
    lock_acquire(&pause_lock);
    int64_t left_us = atomic_load(&pause_until) - clock_mono().us;
    if (left_us <= 0)
        clear_pause();
    else if (left_ms != NULL)
        *left_ms = (left_us + 999) / 1000;
    enum pause_mode mode = (enum pause_mode)atomic_load(&pause_mode);
    lock_release(&pause_lock);
    return mode;
}

void pause_begin(enum pause_mode mode, int64_t ms)
{
    lock_acquire(&pause_lock);
    int64_t now = clock_mono().us;
    if (atomic_load(&pause_until) <= now)
        clear_pause();
    int64_t until = ms > 0 ? now + (ms < NEVER_MS ? ms : NEVER_MS) * 1000 : 0;
    if (until > atomic_load(&pause_until))
        atomic_store(&pause_until, until);
    if (atomic_load(&pause_until) != 0) {
        if (mode > (enum pause_mode)atomic_load(&pause_mode))
            atomic_store(&pause_mode, (int)mode);
        atomic_fetch_or(&attention_bits, ATTENTION_PAUSE);
    }
    lock_release(&pause_lock);
}

void pause_end(void)
{
    lock_acquire(&pause_lock);
    clear_pause();
    lock_release(&pause_lock);
}

/* --- Holding back --- */

/* PFCOUNT may write what it counted into the value, PUBLISH reaches replicas: Redis holds them as
 * it holds writes. */
static bool writes(const struct command *command)
{
    return (command->flags & CMD_WRITE) != 0 || strcmp(command->name, "publish") == 0 ||
           strcmp(command->name, "spublish") == 0 || strcmp(command->name, "pfcount") == 0;
}

bool pause_is_write(const struct session *s, const struct command *command)
{
    if (command->id != COMMAND_exec)
        return writes(command);
    for (uint32_t i = 0; i < s->queue_len; i++) {
        const struct command *queued = command_lookup(s->queue[i]->argc, s->queue[i]->argv);
        if (queued != NULL && writes(queued))
            return true;
    }
    return false;
}

bool pause_holds(const struct host *host, struct session *s, const struct command *command)
{
    enum pause_mode mode = (enum pause_mode)atomic_load_explicit(&pause_mode, memory_order_relaxed);
    if (mode == PAUSE_NONE || (mode == PAUSE_WRITE && !pause_is_write(s, command)) ||
        pause_now(NULL) == PAUSE_NONE)
        return false;
    s->flags |= SESSION_POSTPONED;
    host->session_wake_at(s, (struct mono){atomic_load(&pause_until)});
    return true;
}
