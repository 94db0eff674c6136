/* Waiting for durability: shared by WAITAOF, WAIT, SAVE and WEIR FLUSH.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_WAIT_H
#define EXECUTOR_WAIT_H

#include "executor/call.h"

/* Flushes and waits until the backend has everything up to now. True: it has (or the command is
 * inside EXEC, where nothing waits); false: parked, or an error was replied. */
bool wait_flushed(struct call *c);

#endif
