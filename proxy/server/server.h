/* The server: sockets, event loops and connections around the command layer.
 *
 * main.c drives it in this order: server_new (workers and listening sockets), server_start (threads
 * run; clients are answered -LOADING), server_attach (the keyspace is recovered: serve), then
 * server_quiesce and server_stop, and server_free when the keyspace is closed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "executor/host.h"

struct server;

/* Binds every address and the unix socket, as config/options.h says. The error names the address
 * and what to do. Nothing is accepted before server_start. */
MUST_CHECK enum rc server_new(struct server **out, struct err *err);
/* Starts the workers' threads. Every request is answered -LOADING until server_attach. */
void server_start(struct server *s);
/* maxclients was changed. RC_INVALID, with Redis's text: the system does not allow so many; as many
 * as it does are admitted. Thread: any, one at a time. */
MUST_CHECK enum rc server_apply_max_clients(struct server *s, struct err *err);
/* `bind` or `port` was changed: see acceptor_change(). Thread: any, one at a time. */
MUST_CHECK enum rc server_apply_listeners(struct server *s, struct err *err);
/* Hands the recovered keyspace to the workers; returns when all of them serve it. */
void server_attach(struct server *s, struct keyspace *ks);
/* Stops accepting and reading; commands that wait (parked) still end, replies still leave. */
void server_quiesce(struct server *s);
/* Ends the workers' threads and closes every connection; what can be written without blocking is
 * written before. The keyspace is not used afterwards. */
void server_stop(struct server *s);
/* After server_stop and after the keyspace is closed (a late waiter may still call until then). */
void server_free(struct server **s);

const struct host *server_host(const struct server *s);
uint32_t server_workers(const struct server *s);
/* Appends "127.0.0.1:6380, /run/weir.sock": where clients can connect. */
void server_describe(const struct server *s, struct buf *out);
/* For keyspace_options: releases replies that waited for the journal. Thread: any; never blocks. */
void server_on_journal_progress(void *server);
/* For keyspace_options: tells subscribers of keyspace notifications. Thread: a worker. */
void server_on_event(void *server, const struct keyspace_event *event);
/* True when every worker's loop has turned since the last call. Thread: one caller. */
bool server_is_alive(struct server *s);

/* What a command asked of the process: SHUTDOWN. */
enum server_request { SERVER_NOTHING, SERVER_STOP_DRAIN, SERVER_STOP_NOW };
/* Readable when there is a request; never closed while the server exists. */
int server_request_fd(const struct server *s);
/* Takes the newest request. Thread: the main thread. */
enum server_request server_take_request(struct server *s);
/* Whether a stop is under way, for SHUTDOWN ABORT; and whether a client has aborted it. */
void server_set_draining(struct server *s, bool on);
bool server_take_abort(struct server *s);

#endif
