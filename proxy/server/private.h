/* What the parts of server/ know of the whole. Private to server/.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_PRIVATE_H
#define SERVER_PRIVATE_H

#include "server/listen.h"

/* NULL while the keyspace recovers. Thread: any, after WORKER_SERVE was ordered. */
struct keyspace *server_keyspace(struct server *s);
struct acceptor *server_acceptor(struct server *s);
/* Thread: any, for what is marked so. */
struct host_worker *server_worker(struct server *s, uint32_t i);
/* One more worker serves the keyspace. */
void server_count_serving(struct server *s);
/* Takes a sample for the per-second rates. Thread: the first worker. */
void server_sample(struct server *s, struct mono now);
/* Thread: the session's worker. */
void server_session_info(const struct session *s, struct host_session_info *out);

#endif
