/* Before the start: what of the configuration this machine cannot do, and what of it has no effect.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_START_H
#define SERVER_START_H

#include "base/buf.h"

/* Checks the configuration in force against this machine, and renames commands. Appends a line for
 * each problem: where the directive stands, what is wrong. Nothing is created. Before any thread is
 * started, in the directory in which the process was started. */
void start_check(struct buf *problems);
/* Logs what the configuration states and does not get. */
void start_say_without_effect(void);

#endif
