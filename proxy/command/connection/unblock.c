/* CLIENT UNBLOCK: ends the waiting of a client that BLPOP or its kind has blocked.
 *
 * The client belongs to a worker; that worker looks for it, as in CLIENT KILL.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/blocked.h"

#include <stdlib.h>

struct unblock_search {
    const struct host *host;
    uint64_t id;
    bool with_error;
    _Atomic bool unblocked;
};

static void unblock_visit_session(void *arg, struct session *s)
{
    struct unblock_search *search = arg;
    if (s->id == search->id && blocking_unblock(s, search->with_error))
        atomic_store(&search->unblocked, true);
}

static void unblock_visit_worker(void *arg, struct host_worker *w)
{
    struct unblock_search *search = arg;
    search->host->each_session(w, unblock_visit_session, search);
}

static bool parse_reason(struct call *c, bool *with_error)
{
    *with_error = false;
    if (c->argc == 3 || (c->argc == 4 && slice_is_word(c->argv[3], "timeout")))
        return true;
    if (c->argc == 4 && slice_is_word(c->argv[3], "error")) {
        *with_error = true;
        return true;
    }
    if (c->argc == 4)
        reply_error(c->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else
        reply_errorf(c->reply,
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT "
                     "HELP.",
                     (int)min_u64(c->argv[1].len, 128), c->argv[1].ptr);
    return false;
}

void cmd_client_unblock(struct call *c)
{
    struct session *s = c->session;
    struct unblock_search *search = session_take(s);
    if (search != NULL) {
        reply_int(c->reply, atomic_load(&search->unblocked));
        free(search);
        return;
    }
    int64_t id;
    bool with_error;
    if (!parse_reason(c, &with_error) || !call_int(c, 2, &id, NULL))
        return;
    search = calloc(1, sizeof(*search));
    if (search == NULL) {
        call_out_of_memory(c);
        return;
    }
    search->host = c->host;
    search->id = (uint64_t)id;
    search->with_error = with_error;
    session_keep(s, search, free);
    call_park(c);
    c->host->on_every_worker(c->host->ctx, unblock_visit_worker, search, &s->waiter);
}
