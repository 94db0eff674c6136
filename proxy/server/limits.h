/* Client eviction: maxmemory-clients. Private to server/; limits.c says how.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include "base/base.h"

#include <stdatomic.h>

enum {
    LIMITS_BUCKETS = 19, /* below 64 KiB, below 128 KiB, ... */
    LIMITS_NO_BUCKET = 0xff,
};

struct conn;
struct host_worker;

/* What a worker's connections take, while maxmemory-clients is set. */
struct client_memory {
    /* written by the worker, read by all */
    _Atomic uint64_t bytes;
    _Atomic uint32_t in_bucket[LIMITS_BUCKETS]; /* that may be evicted */
    /* loop only */
    struct conn *bucket[LIMITS_BUCKETS];
    bool counts;     /* there is a limit */
    bool complained; /* nobody is left to be evicted */
};

/* Bytes that are there because of this connection. */
uint64_t limits_conn_bytes(const struct conn *c);
/* The connection has grown or shrunk. */
void limits_update(struct conn *c);
/* It is closed, or about to be. */
void limits_forget(struct conn *c);
/* End of turn: closes connections, the largest first, until all workers together are below the
 * limit; a bounded number of them. */
void limits_enforce(struct host_worker *w);
/* What its replies may come to at most, since it would be closed for more; 0: no such limit. */
uint64_t limits_output_max(const struct conn *c);
/* They would have come to more: closes it. */
void limits_close_over_output(struct conn *c);

#endif
