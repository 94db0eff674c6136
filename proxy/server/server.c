/* The server as a whole: its workers, its acceptor, and what it offers to commands (struct host).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/private.h"

#include "base/log.h"
#include "config/options.h"
#include "journal/journal.h"
#include "server/conn.h"
#include "server/descriptors.h"
#include "server/pubsub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    SAMPLES = 16, /* of a rate, a tenth of a second apart: an average over 1.6 s */
    SAMPLE_US = 100 * 1000,
};

struct rate { /* under the server's lock */
    uint64_t last_total;
    uint64_t per_second[SAMPLES];
};
enum { RATE_OPS, RATE_INPUT, RATE_OUTPUT, RATES };

struct server {
    /* immutable after server_new */
    struct host host;
    struct host_worker *workers;
    uint32_t workers_len;
    struct acceptor acceptor;
    struct pubsub *pubsub;
    struct mono started_at;
    struct wall started_at_wall;
    char run_id[41];
    char executable[256];
    int request_fd;

    /* under the lock */
    struct lock lock;
    struct cond serving_changed;
    uint32_t serving;
    struct rate rates[RATES];
    struct mono sampled_at;
    uint32_t sample;

    /* atomic */
    struct keyspace *_Atomic keyspace;
    _Atomic int request; /* enum server_request */
    _Atomic bool draining, abort;
    _Atomic uint64_t most_clients;

    /* main thread */
    uint64_t *seen_ticks;
};

/* --- The host table --- */

static void host_on_every_worker(void *ctx, void (*fn)(void *arg, struct host_worker *w), void *arg,
                                 struct waiter *done)
{
    struct server *s = ctx;
    struct worker_job *job = malloc(sizeof(*job));
    must(job != NULL);
    *job = (struct worker_job){.fn = fn, .arg = arg, .done = done};
    atomic_init(&job->remaining, s->workers_len);
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_give_job(&s->workers[i], job);
}

static void host_each_session(struct host_worker *w, void (*each)(void *arg, struct session *s),
                              void *arg)
{
    struct conn *next;
    for (struct conn *c = w->all; c != NULL; c = next) {
        next = c->all_next; /* closing only marks a connection, but be plain about it */
        if ((c->flags & CONN_DOOMED) == 0)
            each(arg, &c->session);
    }
}

void server_session_info(const struct session *session, struct host_session_info *out)
{
    struct conn *c = conn_of(session);
    *out = (struct host_session_info){
        .query_buffer = c->in.len - c->in_head + resp_parser_memory(c->parser),
        .query_buffer_free = c->in.cap - c->in.len,
        .output_bytes = output_len(c),
        .output_refs = c->session.reply.refs_len - c->refs_sent,
        .output_plain = c->session.reply.buf.len - c->buf_sent,
        .output_peak = c->output_peak,
        .memory_bytes = limits_conn_bytes(c),
    };
    if (c->waiting != NULL) /* Redis has a request that waits in its query buffer still */
        out->query_buffer += c->waiting->raw.len;
    for (uint32_t i = 0; c->waiting != NULL && i < c->waiting->argc; i++)
        out->argv_bytes += c->waiting->argv[i].len;
    snprintf(out->events, sizeof(out->events), "%s%s", ev_is_active(&c->readable) ? "r" : "",
             ev_is_active(&c->writable) ? "w" : "");
}

static void host_session_close(struct session *session, bool now)
{
    struct conn *c = conn_of(session);
    if (now)
        conn_cut(c);
    else
        conn_close_after_output(c);
}

static void host_session_wake_at(struct session *session, struct mono deadline)
{
    conn_wake_at(conn_of(session), deadline);
}

static void host_session_push(struct session *session, struct slice bytes, uint64_t lsn)
{
    output_push(conn_of(session), bytes, lsn);
}

static void host_shutdown(void *ctx, bool drain)
{
    struct server *s = ctx;
    atomic_store(&s->request, drain ? SERVER_STOP_DRAIN : SERVER_STOP_NOW);
    (void)!write(s->request_fd, &(uint64_t){1}, sizeof(uint64_t));
}

static bool host_shutdown_abort(void *ctx)
{
    struct server *s = ctx;
    if (!atomic_load(&s->draining))
        return false;
    atomic_store(&s->abort, true);
    (void)!write(s->request_fd, &(uint64_t){1}, sizeof(uint64_t));
    return true;
}

static uint64_t rate_per_second(const struct rate *r)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < SAMPLES; i++)
        sum += r->per_second[i];
    return sum / SAMPLES;
}

static void host_info_fill(void *ctx, struct host_info *out)
{
    struct server *s = ctx;
    *out = (struct host_info){
        .io_threads = s->workers_len,
        .max_clients = atomic_load_explicit(&s->acceptor.clients_max, memory_order_relaxed),
        .tcp_port = atomic_load_explicit(&s->acceptor.tcp_port, memory_order_relaxed),
        .started_at = s->started_at,
        .started_at_wall = s->started_at_wall,
    };
    for (uint32_t i = 0; i < s->workers_len; i++) {
        struct host_worker *w = &s->workers[i];
        out->clients += atomic_load_explicit(&w->clients, memory_order_relaxed);
        out->blocked += atomic_load_explicit(&w->blocked, memory_order_relaxed);
        out->input_buffers_bytes += atomic_load_explicit(&w->input_bytes, memory_order_relaxed);
        out->output_buffers_bytes += atomic_load_explicit(&w->output_bytes, memory_order_relaxed);
        out->clients_bytes += atomic_load_explicit(&w->client_bytes, memory_order_relaxed);
    }
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        out->pubsub_topics[kind] = pubsub_count(s->pubsub, (enum pubsub_kind)kind);
    uint64_t most = atomic_load_explicit(&s->most_clients, memory_order_relaxed);
    out->max_clients_seen = max_u64(most, out->clients);
    lock_acquire(&s->lock);
    out->instantaneous_ops = rate_per_second(&s->rates[RATE_OPS]);
    out->instantaneous_input_kbps = (double)rate_per_second(&s->rates[RATE_INPUT]) / 1024;
    out->instantaneous_output_kbps = (double)rate_per_second(&s->rates[RATE_OUTPUT]) / 1024;
    lock_release(&s->lock);
    memcpy(out->run_id, s->run_id, sizeof(out->run_id));
    memcpy(out->executable, s->executable, sizeof(out->executable));
}

void server_sample(struct server *s, struct mono now)
{
    static const enum stat_id from[RATES] = {
        STAT_total_commands_processed, STAT_total_net_input_bytes, STAT_total_net_output_bytes};
    uint64_t clients = 0;
    for (uint32_t i = 0; i < s->workers_len; i++)
        clients += atomic_load_explicit(&s->workers[i].clients, memory_order_relaxed);
    if (clients > atomic_load_explicit(&s->most_clients, memory_order_relaxed))
        atomic_store_explicit(&s->most_clients, clients, memory_order_relaxed);

    lock_acquire(&s->lock);
    int64_t elapsed = now.us - s->sampled_at.us;
    if (elapsed >= SAMPLE_US) {
        for (uint32_t i = 0; i < RATES; i++) {
            struct rate *r = &s->rates[i];
            uint64_t total = stat_get(from[i]);
            uint64_t grown = total >= r->last_total ? total - r->last_total : 0; /* RESETSTAT */
            r->per_second[s->sample] = grown * 1000000 / (uint64_t)elapsed;
            r->last_total = total;
        }
        s->sample = (s->sample + 1) % SAMPLES;
        s->sampled_at = now;
    }
    lock_release(&s->lock);
}

/* --- Opening --- */

enum rc server_apply_max_clients(struct server *s, struct err *err)
{
    uint64_t clients;
    enum rc rc = descriptors_fit(s->workers_len, &clients, err);
    if (rc != RC_OK)
        return rc;
    atomic_store(&s->acceptor.clients_max, clients);
    if (clients < (uint64_t)option_num(OPT_maxclients))
        rc = err_set(err, RC_INVALID,
                     "The operating system is not able to handle the specified number of clients, "
                     "try with %llu",
                     (unsigned long long)clients);
    return rc;
}

enum rc server_apply_listeners(struct server *s, struct err *err)
{
    return acceptor_change(&s->acceptor, err);
}

static void make_run_id(char out[41])
{
    unsigned char random[20];
    must(getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

enum rc server_new(struct server **out, struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));
    must(s != NULL);
    s->workers_len = (uint32_t)max_u64(1, (uint64_t)option_num(OPT_io_threads));
    uint64_t clients;
    enum rc rc = descriptors_fit(s->workers_len, &clients, err);
    if (rc == RC_OK)
        rc = acceptor_open(&s->acceptor, err);
    if (rc != RC_OK) {
        free(s);
        return rc;
    }
    atomic_store(&s->acceptor.clients_max, clients);
    if (clients < (uint64_t)option_num(OPT_maxclients))
        log_line(LOG_WARNING,
                 "The system allows no more open files than %llu clients need: more are refused, "
                 "though maxclients is %lld. Raise it with `ulimit -n` or LimitNOFILE=",
                 (unsigned long long)clients, (long long)option_num(OPT_maxclients));
    s->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(s->request_fd >= 0);
    lock_init(&s->lock);
    cond_init(&s->serving_changed);
    s->started_at = clock_mono();
    s->started_at_wall = clock_wall();
    make_run_id(s->run_id);
    ssize_t len = readlink("/proc/self/exe", s->executable, sizeof(s->executable) - 1);
    s->executable[len > 0 ? len : 0] = '\0';
    s->host = (struct host){
        .ctx = s,
        .on_every_worker = host_on_every_worker,
        .each_session = host_each_session,
        .session_info = server_session_info,
        .session_close = host_session_close,
        .session_wake_at = host_session_wake_at,
        .session_push = host_session_push,
        .shutdown = host_shutdown,
        .shutdown_abort = host_shutdown_abort,
        .info = host_info_fill,
        .pubsub = &pubsub_host,
    };
    s->workers = aligned_alloc(CACHE_LINE, s->workers_len * sizeof(*s->workers));
    s->seen_ticks = calloc(s->workers_len, sizeof(*s->seen_ticks));
    must(s->workers != NULL && s->seen_ticks != NULL);
    memset(s->workers, 0, s->workers_len * sizeof(*s->workers));
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_init(&s->workers[i], s, i);
    s->pubsub = pubsub_new(s->workers, s->workers_len);
    *out = s;
    return RC_OK;
}

void server_start(struct server *s)
{
    acceptor_start(&s->acceptor, s->workers, s->workers_len);
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_start(&s->workers[i]);
}

void server_attach(struct server *s, struct keyspace *ks)
{
    atomic_store(&s->keyspace, ks);
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_order(&s->workers[i], WORKER_SERVE);
    lock_acquire(&s->lock);
    while (s->serving < s->workers_len)
        cond_wait(&s->serving_changed, &s->lock);
    lock_release(&s->lock);
    worker_order(&s->workers[0], WORKER_ACCEPT);
}

void server_count_serving(struct server *s)
{
    lock_acquire(&s->lock);
    s->serving++;
    cond_broadcast(&s->serving_changed);
    lock_release(&s->lock);
}

void server_quiesce(struct server *s)
{
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_order(&s->workers[i], WORKER_QUIESCE);
}

void server_stop(struct server *s)
{
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_order(&s->workers[i], WORKER_QUIESCE | WORKER_STOP);
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_join(&s->workers[i]);
    for (uint32_t i = 0; i < s->workers_len; i++)
        conn_end_waits(&s->workers[i]);
    acceptor_close(&s->acceptor);
}

void server_free(struct server **sp)
{
    struct server *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    acceptor_close(&s->acceptor);
    for (uint32_t i = 0; i < s->workers_len; i++)
        worker_fini(&s->workers[i]);
    pubsub_free(&s->pubsub);
    free(s->workers);
    free(s->seen_ticks);
    close(s->request_fd);
    cond_fini(&s->serving_changed);
    lock_fini(&s->lock);
    free(s);
}

/* --- About --- */

const struct host *server_host(const struct server *s)
{
    return &s->host;
}

uint32_t server_workers(const struct server *s)
{
    return s->workers_len;
}

struct keyspace *server_keyspace(struct server *s)
{
    return atomic_load(&s->keyspace);
}

struct host_worker *server_worker(struct server *s, uint32_t i)
{
    return &s->workers[i];
}

struct acceptor *server_acceptor(struct server *s)
{
    return &s->acceptor;
}

void server_describe(const struct server *s, struct buf *out)
{
    for (uint32_t i = 0; i < s->acceptor.now->len; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", s->acceptor.now->of[i].name);
}

void server_on_journal_progress(void *server)
{
    struct server *s = server;
    struct keyspace *ks = atomic_load(&s->keyspace);
    if (ks == NULL)
        return;
    uint64_t durable = keyspace_durable_lsn(ks);
    atomic_thread_fence(memory_order_seq_cst); /* see withheld_release */
    for (uint32_t i = 0; i < s->workers_len; i++) {
        struct host_worker *w = &s->workers[i];
        if (durable >= atomic_load_explicit(&w->withheld_lsn, memory_order_relaxed))
            ev_async_send(w->loop, &w->wake);
    }
}

void server_on_event(void *server, const struct keyspace_event *event)
{
    (void)server;
    pubsub_tell(event);
}

bool server_is_alive(struct server *s)
{
    bool alive = true;
    for (uint32_t i = 0; i < s->workers_len; i++) {
        uint64_t ticks = atomic_load_explicit(&s->workers[i].ticks, memory_order_relaxed);
        alive = alive && ticks != s->seen_ticks[i];
        s->seen_ticks[i] = ticks;
    }
    return alive;
}

int server_request_fd(const struct server *s)
{
    return s->request_fd;
}

enum server_request server_take_request(struct server *s)
{
    uint64_t count;
    (void)!read(s->request_fd, &count, sizeof(count));
    return (enum server_request)atomic_exchange(&s->request, SERVER_NOTHING);
}

void server_set_draining(struct server *s, bool on)
{
    atomic_store(&s->draining, on);
    if (!on)
        atomic_store(&s->abort, false);
}

bool server_take_abort(struct server *s)
{
    return atomic_exchange(&s->abort, false);
}
