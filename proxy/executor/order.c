/* See order.h. The order is kept in the session while the client is parked; what wakes it is the
 * cutter, or the deadline.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/order.h"

#include <stdlib.h>

enum { PATIENCE_US = 2000000 };

struct pending_order {
    struct order *order;
    int64_t deadline_us;
};

static void pending_free(void *pending)
{
    struct pending_order *p = pending;
    order_end(&p->order);
    free(p);
}

static void order_wake(void *ctx)
{
    struct waiter *w = ctx;
    w->ready(w);
}

static struct pending_order *order_start(struct call *c, const struct writeback_order *what)
{
    struct pending_order *p = calloc(1, sizeof(*p));
    struct order *o = p != NULL ? order_begin(keyspace_writeback(c->keyspace), what) : NULL;
    if (o == NULL) {
        free(p);
        call_out_of_memory(c);
        return NULL;
    }
    *p = (struct pending_order){o, clock_mono().us + PATIENCE_US};
    session_keep(c->session, p, pending_free);
    return p;
}

void call_order_end(struct call *c)
{
    struct session *s = c->session;
    c->host->session_wake_at(s, (struct mono){0});
    pending_free(session_take(s));
}

bool call_order(struct call *c, const struct writeback_order *what, struct order **out)
{
    struct session *s = c->session;
    struct pending_order *p = s->pending;
    if (p == NULL)
        p = order_start(c, what);
    if (p == NULL)
        return false;
    *out = p->order;
    if (order_is_over(p->order, order_wake, &s->waiter))
        return true;
    if (clock_mono().us >= p->deadline_us) {
        call_order_end(c);
        reply_error(c->reply, what->kind == ORDER_REWRITE_CONFIG
                                  ? "TRYAGAIN the disk is slow: the file will be written when that "
                                    "is over"
                                  : "TRYAGAIN records are being written: a list is to be asked for "
                                    "again, an order will be carried out when that is over");
        return false;
    }
    c->host->session_wake_at(s, (struct mono){p->deadline_us});
    call_park(c);
    return false;
}
