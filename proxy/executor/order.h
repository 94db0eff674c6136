/* A client waits for what the cutter does for it: WEIR DEADLETTER, WEIR CONFLICTS, CONFIG REWRITE.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_ORDER_H
#define EXECUTOR_ORDER_H

#include "executor/call.h"
#include "writeback/writeback.h"

/* True: it is over, well or not; the caller replies and calls call_order_end(). False: the client
 * is parked, and the command runs again; or it has waited for long, and was told so. */
bool call_order(struct call *c, const struct writeback_order *what, struct order **out);
void call_order_end(struct call *c);

#endif
