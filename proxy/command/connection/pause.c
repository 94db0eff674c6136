/* CLIENT PAUSE and UNPAUSE (executor/pause.c).
 *
 * CLIENT PAUSE replies when every worker has seen the pause: no command that it would have held
 * still runs then.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/attention.h"

static bool pause_parse_timeout(struct call *c, int64_t *ms)
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
    if (!parse_mode(c, &mode) || !pause_parse_timeout(c, &ms))
        return;
    pause_begin(mode, ms);
    if (c->source == CALL_EXEC) { /* where nothing waits */
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

static void pause_ignore(struct waiter *w)
{
    (void)w;
}

void cmd_client_unpause(struct call *c)
{
    static struct waiter nobody = {.ready = pause_ignore};
    pause_end();
    c->host->on_every_worker(c->host->ctx, wake_worker, (void *)(uintptr_t)c->host, &nobody);
    reply_ok(c->reply);
}
