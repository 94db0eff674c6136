/* What is looked at before a command runs, in the order of Redis, which is what its errors show.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_GATE_H
#define EXECUTOR_GATE_H

#include "executor/worker.h"

static inline bool gate_arity_holds(const struct command *command, uint32_t argc)
{
    return command->arity >= 0 ? argc == (uint32_t)command->arity
                               : argc >= (uint32_t)-command->arity;
}

/* All is looked at. False: rejected, replied and counted. */
MUST_CHECK bool gate_examine(struct command_worker *w, struct session *s,
                             const struct command *command, const struct request *r);

/* Whether the request may be run, or queued, at all: its name, the number of its arguments, the
 * rights and the state of its client. command NULL: unknown. False: rejected, replied and counted.
 * Of nearly every request it is clear at a glance. */
MUST_CHECK static inline bool gate_admits(struct command_worker *w, struct session *s,
                                          const struct command *command, const struct request *r)
{
    if (LIKELY(command != NULL && gate_arity_holds(command, r->argc) && command->run != NULL &&
               command->id != COMMAND_debug && w->ks != NULL &&
               (s->flags & (SESSION_AUTHENTICATED | SESSION_MULTI)) == SESSION_AUTHENTICATED &&
               !session_is_subscribed(s)))
        return true;
    return gate_examine(w, s, command, r);
}

/* True: a client that monitors may not ask for keys; rejected, replied and counted. */
MUST_CHECK bool gate_refuses_monitor(struct command_worker *w, struct session *s,
                                     const struct command *command);

#endif
