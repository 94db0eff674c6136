/* A client of a server under test, on its unix socket: what it says and what it must hear.
 *
 * Every function fails the running test when that does not happen, or not in time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H

#include <stddef.h>

/* A new connection; its file descriptor, for the caller to close. */
int dial(const char *socket_path);
void say(int fd, const char *text);
/* Reads `want` bytes into `got`, which has room for one more, and ends them with a zero byte; the
 * text is for the message of a failure. */
void hear_some(int fd, char *got, size_t want, const char *text);
/* Reads exactly the text. */
void hear(int fd, const char *text);
void hear_nothing_yet(int fd);

#endif
