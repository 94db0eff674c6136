/* Commands that wait for a key: BLPOP and its kind.
 *
 * A handler tries first. If there is nothing, it calls call_block() and returns: the client waits,
 * in the queue of each of its keys, until one of them holds a value of the type; then the command
 * is run again, from the start, for the client that has waited longest. Inside EXEC and in recovery
 * nobody waits: the reply is null at once.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_BLOCKING_H
#define COMMAND_BLOCKING_H

#include "command/command.h"

/* Argument i as a timeout in seconds, fractions allowed; 0 is for ever. False: replied. */
MUST_CHECK bool call_timeout(struct call *c, uint32_t i, int64_t *timeout_ms);

enum block_null { /* what is replied when the time is over */
                  BLOCK_NULL_ARRAY,
                  BLOCK_NULL,
};
/* Waits until one of the first `keys_len` keys of the call holds a value of `type`. Nothing may
 * have been replied or changed. */
void call_block(struct call *c, uint32_t keys_len, enum value_type type, int64_t timeout_ms,
                enum block_null null);

#endif
