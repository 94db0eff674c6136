/* Client eviction: when all connections together take more than maxmemory-clients, those that take
 * most are closed.
 *
 * Each worker counts its own connections whenever one of them has read, run or written something,
 * and keeps them in buckets by size, each twice as wide as the one before: the largest is found,
 * nearly, without looking at the others. Sums and numbers are read by all workers. One that finds
 * them above the limit at the end of its turn evicts from its own highest bucket if no worker has a
 * higher one, and otherwise wakes the worker that has it; of several, the first. So the largest of
 * all go first, and two workers hardly ever evict for the same excess.
 *
 * Without a limit nothing is counted.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/limits.h"

#include "base/log.h"
#include "config/options.h"
#include "server/conn.h"
#include "server/private.h"

enum { EVICT_IN_A_TURN = 64, SMALLEST_BUCKET_BITS = 16, LIMIT_LEAST = 1024 * 1024 };

static uint64_t limits_request_bytes(const struct request *r)
{
    if (r == NULL)
        return 0;
    uint64_t bytes = sizeof(*r) + r->argc * sizeof(struct slice) + r->raw.len;
    for (uint32_t i = 0; i < r->argc; i++)
        bytes += r->argv[i].len;
    return bytes;
}

uint64_t limits_conn_bytes(const struct conn *c)
{
    const struct session *s = &c->session;
    uint64_t bytes = sizeof(*c) + c->in.cap + resp_parser_memory(c->parser) + s->reply.buf.cap +
                     s->queue_bytes + s->subscription_bytes + limits_request_bytes(c->waiting);
    for (uint32_t i = c->refs_sent; i < s->reply.refs_len; i++)
        bytes += s->reply.refs[i].bytes.len + sizeof(s->reply.refs[i]);
    return bytes;
}

/* --- Counting --- */

static uint8_t bucket_for(const struct conn *c, uint64_t bytes)
{
    if ((c->session.flags & SESSION_NO_EVICT) != 0)
        return LIMITS_NO_BUCKET;
    uint8_t bucket = 0;
    while (bucket + 1 < LIMITS_BUCKETS && bytes >> (SMALLEST_BUCKET_BITS + bucket) != 0)
        bucket++;
    return bucket;
}

static void count_in_bucket(struct client_memory *m, uint8_t bucket, uint32_t change)
{
    _Atomic uint32_t *n = &m->in_bucket[bucket];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + change,
                          memory_order_relaxed);
}

static void leave_bucket(struct conn *c)
{
    struct client_memory *m = &c->worker->memory;
    if (c->bucket == LIMITS_NO_BUCKET)
        return;
    if (c->bucket_prev != NULL)
        c->bucket_prev->bucket_next = c->bucket_next;
    else
        m->bucket[c->bucket] = c->bucket_next;
    if (c->bucket_next != NULL)
        c->bucket_next->bucket_prev = c->bucket_prev;
    count_in_bucket(m, c->bucket, UINT32_MAX);
    c->bucket = LIMITS_NO_BUCKET;
}

static void enter_bucket(struct conn *c, uint8_t bucket)
{
    struct client_memory *m = &c->worker->memory;
    c->bucket = bucket;
    if (bucket == LIMITS_NO_BUCKET)
        return;
    c->bucket_prev = NULL;
    c->bucket_next = m->bucket[bucket];
    if (c->bucket_next != NULL)
        c->bucket_next->bucket_prev = c;
    m->bucket[bucket] = c;
    count_in_bucket(m, bucket, 1);
}

static void limits_count_bytes(struct conn *c, uint64_t bytes)
{
    _Atomic uint64_t *sum = &c->worker->memory.bytes;
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) - c->counted + bytes,
                          memory_order_relaxed);
    c->counted = bytes;
}

void limits_update(struct conn *c)
{
    if (!c->worker->memory.counts || (c->flags & (CONN_DOOMED | CONN_GONE)) != 0)
        return;
    uint64_t bytes = limits_conn_bytes(c);
    if (c->counted == 0) /* the first time: it is in no bucket */
        c->bucket = LIMITS_NO_BUCKET;
    uint8_t bucket = bucket_for(c, bytes);
    if (bucket != c->bucket) {
        leave_bucket(c);
        enter_bucket(c, bucket);
    }
    limits_count_bytes(c, bytes);
}

void limits_forget(struct conn *c)
{
    if (c->counted == 0)
        return;
    leave_bucket(c);
    limits_count_bytes(c, 0);
}

static void limits_count_all(struct host_worker *w, bool on)
{
    w->memory.counts = on;
    w->memory.complained = false;
    for (struct conn *c = w->all; c != NULL; c = c->all_next) {
        if (on)
            limits_update(c);
        else
            limits_forget(c);
    }
}

/* --- Evicting --- */

/* Never so little that nobody could connect to set it right: a turn lends a client two buffers. */
static uint64_t configured_limit(void)
{
    int64_t limit = option_num(OPT_maxmemory_clients);
    if (limit == 0)
        return 0;
    uint64_t bytes =
        limit > 0 ? (uint64_t)limit : (uint64_t)option_num(OPT_maxmemory) / 100 * (uint64_t)-limit;
    return max_u64(bytes, LIMIT_LEAST);
}

uint64_t limits_output_max(const struct conn *c)
{
    return (c->session.flags & SESSION_NO_EVICT) != 0 ? 0 : configured_limit();
}

void limits_close_over_output(struct conn *c)
{
    log_line(LOG_NOTICE, "client %s closed: a reply to it exceeds maxmemory-clients",
             c->session.addr);
    worker_count(c->worker, STAT_evicted_clients, 1);
    conn_doom(c);
}

static uint64_t total_bytes(struct server *s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < server_workers(s); i++)
        sum += atomic_load_explicit(&server_worker(s, i)->memory.bytes, memory_order_relaxed);
    return sum;
}

/* The first worker that has something in the highest bucket of all; NULL: all are empty. */
static struct host_worker *find_owner(struct server *s, uint8_t *bucket)
{
    for (*bucket = LIMITS_BUCKETS; (*bucket)-- > 0;) {
        for (uint32_t i = 0; i < server_workers(s); i++) {
            struct host_worker *w = server_worker(s, i);
            if (atomic_load_explicit(&w->memory.in_bucket[*bucket], memory_order_relaxed) > 0)
                return w;
        }
    }
    return NULL;
}

static void limits_evict_one(struct conn *c)
{
    log_line(LOG_NOTICE, "client %s closed: all clients exceed maxmemory-clients, it takes %llu",
             c->session.addr, (unsigned long long)c->counted);
    worker_count(c->worker, STAT_evicted_clients, 1);
    limits_forget(c);
    conn_cut(c);
}

static void limits_complain(struct host_worker *w, uint64_t total)
{
    if (w->memory.complained)
        return;
    w->memory.complained = true;
    log_line(LOG_WARNING,
             "Clients take %llu bytes, more than maxmemory-clients, and none of them "
             "may be closed (CLIENT NO-EVICT)",
             (unsigned long long)total);
}

static void evict_some(struct host_worker *w, uint64_t limit)
{
    for (int n = 0; n < EVICT_IN_A_TURN; n++) {
        uint8_t bucket;
        uint64_t total = total_bytes(w->server);
        if (total <= limit) {
            w->memory.complained = false;
            return;
        }
        struct host_worker *owner = find_owner(w->server, &bucket);
        if (owner == NULL) {
            limits_complain(w, total);
            return;
        }
        if (owner != w) {
            ev_async_send(owner->loop, &owner->wake);
            return;
        }
        limits_evict_one(w->memory.bucket[bucket]);
    }
    ev_async_send(w->loop, &w->wake); /* the rest in the next turn */
}

void limits_enforce(struct host_worker *w)
{
    uint64_t limit = configured_limit();
    if (UNLIKELY((limit != 0) != w->memory.counts))
        limits_count_all(w, limit != 0);
    if (UNLIKELY(limit != 0))
        evict_some(w, limit);
}
