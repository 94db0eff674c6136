/* What every command has to look at before and after it runs: is there a pause (CLIENT PAUSE), and
 * does somebody watch (MONITOR)?
 *
 * Both are bits of one word, so that a command that is neither held back nor watched pays for one
 * relaxed load.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_ATTENTION_H
#define EXECUTOR_ATTENTION_H

#include "executor/call.h"

enum attention { ATTENTION_PAUSE = 1, ATTENTION_MONITOR = 2 };

extern _Atomic unsigned attention_bits; /* enum attention; changed by the functions below */

static inline unsigned attention_now(void)
{
    return atomic_load_explicit(&attention_bits, memory_order_relaxed);
}

/* --- CLIENT PAUSE: pause.c --- */

enum pause_mode { PAUSE_NONE, PAUSE_WRITE, PAUSE_ALL };

/* Begins a pause of so many milliseconds. Of two pauses at a time the later end and the stricter
 * mode hold. Thread: any. */
void pause_begin(enum pause_mode mode, int64_t ms);
void pause_end(void);
/* The pause as it is now; *left_ms, which may be NULL, is what is left of it. Thread: any. */
enum pause_mode pause_now(int64_t *left_ms);
/* True: this command has to wait. The session is then marked as postponed and will be called when
 * the pause is over, or ends early. Thread: the session's worker. */
MUST_CHECK bool pause_holds(const struct host *host, struct session *s,
                            const struct command *command);
/* True when the command may change something, or an EXEC holds one that may: what a pause of
 * writing clients holds back. */
bool pause_is_write(const struct session *s, const struct command *command);

/* --- MONITOR: monitor.c --- */

struct command_worker;
/* A command of this session has run: a line for those who watch. Thread: the session's worker. */
void monitor_show(struct command_worker *w, const struct session *s, const struct command *command,
                  uint32_t argc, const struct slice *argv);
/* Hands the lines so far to all workers. Before the replies of the same commands leave: whoever
 * acts upon one of those comes later in every monitor. Thread: the worker. */
void monitor_post(struct command_worker *w);
/* The session watches from now on. Thread: the session's worker. */
void monitor_enter(struct session *s);
/* The session watches no more. Thread: the session's worker. */
void monitor_leave(struct session *s);

#endif
