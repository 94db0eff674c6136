/* Publish and subscribe, and keyspace events on their way to subscribers. Private to server/.
 * pubsub.c has the picture.
 *
 * Thread: the worker that is passed, or owns the connection, unless it says otherwise.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_PUBSUB_H
#define SERVER_PUBSUB_H

#include "executor/host.h"

struct conn;
struct keyspace_event;
struct pubsub;        /* what all workers share */
struct pubsub_worker; /* what each has for itself */

/* For server_new and server_free. Aborts when there is no memory to start with. */
struct pubsub *pubsub_new(struct host_worker *workers, uint32_t workers_len);
void pubsub_free(struct pubsub **p);
/* The calling thread is this worker's: who publishes is known by the thread. */
void pubsub_attach(struct host_worker *w);

/* What commands see. */
extern const struct host_pubsub pubsub_host;
/* How many channels or patterns have a subscriber. Thread: any. */
uint64_t pubsub_count(struct pubsub *p, enum pubsub_kind kind);

/* A key was changed: tells the subscribers of its channels, once the command has ended. Thread: any
 * worker. Lock: the key's shard. */
void pubsub_tell(const struct keyspace_event *event);
/* A command has ended, or housekeeping (c NULL): what it published goes out. A connection that
 * publishes faster than others can deliver is held. */
void pubsub_end_command(struct host_worker *w, struct conn *c);
/* Delivers what is here for this worker's connections; a bounded piece of it, the rest follows. */
void pubsub_deliver(struct host_worker *w);
/* The connection closes. */
void pubsub_forget(struct conn *c);

#endif
