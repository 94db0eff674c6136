/* A process beside the test that begins something and holds it until it is killed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Returns when begin() has returned true in the child. False there is a test failure here. It dies
 * with the test, too. */
pid_t child_start(bool (*begin)(void *ctx), void *ctx);
/* Kills it, as kill -9 does, and waits. */
void child_end(pid_t child);

#endif
