/* The log: one line an event, in the format that Redis log readers know,
 * `pid:M 23 Nov 2026 19:15:17.733 * text`, to stdout or a file. Thread-safe; a line is one write.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"
#include "base/err.h"

#include <stdatomic.h>

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING, LOG_NOTHING };

/* `path` empty: stdout. Called again by SIGUSR1 and CONFIG SET to reopen. */
MUST_CHECK enum rc log_open(const char *path, struct err *err);
void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* For what may happen very often: true at first, and then at most once in `every_us`, whoever asks.
 * *told_us is 0 at first. */
bool log_is_due(_Atomic int64_t *told_us, int64_t every_us);
/* An error at the place that handles it: "<what>: <text> (<code>)". */
void log_err(enum log_level level, const char *what, const struct err *err);

#endif
