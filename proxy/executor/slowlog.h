/* The slow log: the newest commands that took long. SLOWLOG shows it.
 *
 * Shared by all workers, and touched only by commands that were slow, so one lock is enough.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_SLOWLOG_H
#define EXECUTOR_SLOWLOG_H

#include "executor/session.h"

enum { SLOWLOG_ARGS_MAX = 32, SLOWLOG_ARG_BYTES_MAX = 128 };

struct slowlog_entry {
    struct slowlog_entry *next; /* older */
    uint64_t id;
    int64_t at_s, duration_us;
    uint32_t argc;
    struct buf args[SLOWLOG_ARGS_MAX];
    char addr[80];
    char name[64]; /* cut */
};

/* Keeps a copy of the request, trimmed. Thread: any. */
void slowlog_add(const struct session *s, uint32_t argc, const struct slice *argv,
                 int64_t duration_us);
/* Calls `each`, with the log locked, for at most `most` entries, the newest first. Returns for how
 * many. Thread: any. */
uint64_t slowlog_each(uint64_t most, void (*each)(void *ctx, const struct slowlog_entry *e),
                      void *ctx);
/* Thread: any. */
uint64_t slowlog_len(void);
void slowlog_reset(void);

/* Passwords are shown neither here nor by MONITOR. */
bool slowlog_is_secret(const struct slice *argv, uint32_t argc, uint32_t i);

#endif
