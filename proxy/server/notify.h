/* Tells a supervisor (systemd) what the process is doing: the sd_notify protocol, by hand, because
 * it is one datagram.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include "base/base.h"

/* Sends "READY=1" and the like to NOTIFY_SOCKET; does nothing when there is none. */
void notify_send(const char *state);
/* How often WATCHDOG=1 has to be sent, in milliseconds: half of what the supervisor allows. 0: it
 * does not watch. */
int64_t notify_watchdog_ms(void);

#endif
