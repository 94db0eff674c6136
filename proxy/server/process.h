/* The process around the server: signals, the supervisor, and the orderly end.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include "keyspace/keyspace.h"
#include "server/server.h"

/* Makes `dir` the working directory: all relative paths of the configuration start there. */
MUST_CHECK enum rc process_enter_dir(struct err *err);
/* Opens the log that `logfile` and `loglevel` name. Also done again for SIGUSR1. */
MUST_CHECK enum rc process_open_log(struct err *err);
/* Standard input, output and error that are closed become /dev/null, so that no socket, no database
 * and no journal ever gets one of their numbers, and with it what is meant for people. Before
 * anything else is opened. */
void process_fill_standard_fds(void);
/* daemonize: goes on in the background, in a session of its own, unless a supervisor started it;
 * the calling process ends. Before any thread is started, and after everything that can be told to
 * the terminal. */
MUST_CHECK enum rc process_daemonize(struct err *err);
/* pidfile. One that cannot be written is a warning in the log, as in Redis. */
void process_write_pidfile(void);
void process_remove_pidfile(void);
/* Before any thread is started: signals are handled by process_serve alone from here on. */
void process_block_signals(void);
/* On: SIGTERM and SIGINT end the process at once with exit code 0. For the times in which nothing
 * waits for signals (recovery, the last flush) and nothing can be lost: the journal has it all. */
void process_exit_on_signal(bool on);
/* Tells the supervisor, when there is one. */
void process_notify(const char *state);

/* Serves until a signal or SHUTDOWN ends it. An orderly end goes on serving while everything
 * written before it is flushed, up to shutdown-timeout; a second signal ends the process at once.
 * Returns false when nothing more is to be flushed (SHUTDOWN NOSAVE). *end_by: when
 * shutdown-timeout is over, counted from the signal: what follows shares it. Thread: the main
 * thread. */
bool process_serve(struct server *s, struct keyspace *ks, struct mono *end_by);

#endif
