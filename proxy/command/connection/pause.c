/* CLIENT PAUSE and UNPAUSE: for a while no command, or no write, is begun.
 *
 * A command that has to wait is parked before it has done anything and is run again, from the
 * start, when the pause is over; what its client sent behind it stays in the input, so the order
 * holds. A command that waits already (BLPOP, WAIT, a round of all workers) is under way and is not
 * held. Nobody but a session's own worker ever calls a postponed session, so one whose client has
 * gone can be freed at once.
 *
 * CLIENT PAUSE replies when every worker has seen the pause: no command that it would have held
 * still runs then.
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

/* An end that lies beyond all clocks still fits into what is computed with it. */
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

/* Of two pauses at a time the later end and the stricter mode hold. */
static void begin_pause(enum pause_mode mode, int64_t ms)
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

static void end_pause(void)
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

/* --- The commands --- */

static bool parse_timeout(struct call *c, int64_t *ms)
{
    if (!call_int(c, 2, ms, "ERR timeout is not an integer or out of range"))
        return false;
    if (*ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    if (*ms > INT64_MAX - clock_wall().ms) {
        reply_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    return true;
}

static bool parse_mode(struct call *c, enum pause_mode *mode)
{
    *mode = PAUSE_ALL;
    if (c->argc == 3)
        return true;
    if (c->argc > 4) {
        reply_error(c->reply, "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. "
                              "Try CLIENT HELP.");
        return false;
    }
    if (slice_is_word(c->argv[3], "write"))
        *mode = PAUSE_WRITE;
    else if (!slice_is_word(c->argv[3], "all")) {
        reply_error(c->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return false;
    }
    return true;
}

static void see_it(void *arg, struct host_worker *w)
{
    (void)arg;
    (void)w;
}

static void nothing_to_free(void *pending)
{
    (void)pending;
}

void cmd_client_pause(struct call *c)
{
    static char seen; /* what the parked command remembers is only that it was here */
    struct session *s = c->session;
    enum pause_mode mode;
    int64_t ms;
    if (session_take(s) != NULL) {
        reply_ok(c->reply);
        return;
    }
    if (!parse_mode(c, &mode) || !parse_timeout(c, &ms))
        return;
    begin_pause(mode, ms);
    if (c->in_exec) { /* where nothing waits */
        reply_ok(c->reply);
        return;
    }
    session_keep(s, &seen, nothing_to_free);
    call_park(c);
    c->host->on_every_worker(c->host->ctx, see_it, NULL, &s->waiter);
}

static void wake_session(void *arg, struct session *s)
{
    (void)arg;
    if ((s->flags & SESSION_POSTPONED) != 0)
        s->waiter.ready(&s->waiter);
}

static void wake_worker(void *arg, struct host_worker *w)
{
    const struct host *host = arg;
    host->each_session(w, wake_session, NULL);
}

static void ignore(struct waiter *w)
{
    (void)w;
}

void cmd_client_unpause(struct call *c)
{
    static struct waiter nobody = {.ready = ignore};
    end_pause();
    c->host->on_every_worker(c->host->ctx, wake_worker, (void *)(uintptr_t)c->host, &nobody);
    reply_ok(c->reply);
}
