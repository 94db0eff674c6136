/* The slow log and the latency monitor: what took long, lately. Shared by all workers; touched only
 * by commands that were slow, so one lock is enough.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_SLOWLOG_H
#define EXECUTOR_SLOWLOG_H

#include "executor/session.h"

enum { SLOWLOG_ARGS_MAX = 32, SLOWLOG_ARG_BYTES_MAX = 128, LATENCY_SAMPLES = 160 };

/* Keeps a copy of the request, trimmed. Thread: any. */
void slowlog_add(const struct session *s, uint32_t argc, const struct slice *argv,
                 int64_t duration_us);

/* Passwords are shown neither here nor by MONITOR. */
bool slowlog_is_secret(const struct slice *argv, uint32_t argc, uint32_t i);

/* Notes that `event` ("command", "fast-command", "journal-sync") took `ms`, if that is at or above
 * latency-monitor-threshold and it is not 0. Thread: any. */
void latency_add(const char *event, int64_t ms);

#endif
