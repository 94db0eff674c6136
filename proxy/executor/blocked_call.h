/* A client's waiting command, for those who keep it (blocked.c) and those who run it (serve.c).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_BLOCKED_CALL_H
#define EXECUTOR_BLOCKED_CALL_H

#include "executor/blocked.h"
#include "keyspace/block.h"

enum unblock { UNBLOCK_NO, UNBLOCK_TIMEOUT, UNBLOCK_ERROR };

/* A client's waiting command: a copy of the request, because it is run by others. */
struct blocked_call {
    struct blocked base; /* first: what block_claim() returns is one of these */
    const struct command *command;
    const struct host *host;
    uint32_t db;
    uint8_t proto;
    enum block_null null;
    struct mono deadline; /* 0: none */
    enum unblock unblock; /* owner only */
    struct reply reply;   /* once it is served */
    uint64_t depends_lsn, last_write_lsn;
    uint32_t argc;
    struct slice argv[];
};

#endif
