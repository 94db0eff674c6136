/* MONITOR (executor/monitor.c).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/attention.h"

void cmd_monitor(struct call *c)
{
    struct session *s = c->session;
    if (c->source == CALL_EXEC) {
        reply_error(c->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if ((s->flags & SESSION_MONITOR) != 0) /* Redis does not answer this, either */
        return;
    monitor_enter(s);
    reply_ok(c->reply);
}
