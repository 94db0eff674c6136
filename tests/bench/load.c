/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A load generator for what redis-benchmark cannot do: exact tail latencies, Zipf keys, each key
 * exactly once, a fixed rate, and stopping at a signal.
 *
 * One thread, one epoll. Each connection has `pipeline` requests under way; the latency of a
 * request runs from the write of its batch (with a rate: from the moment at which it was due, so
 * that a stalled server is not flattered) to the read that completes its reply. The result is one
 * line of JSON.
 *
 *   load -p PORT [-c 50] [-P 1] [-n 1000000] [-r 1000000] [-d 64] [-m uniform|each|shuffle|zipf]
 *        [-g] [-s SEED] [-R requests/s]
 *
 * -m each: keys in order; shuffle: each key once, in mixed order; -g: GET instead of SET. SIGINT
 * ends the run early.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIPELINE_MAX = 1024, VALUE_MAX = 1 << 20, INPUT_BYTES = 1 << 16 };
enum key_order { ORDER_UNIFORM, ORDER_EACH, ORDER_SHUFFLE, ORDER_ZIPF };

/* Latencies in nanoseconds: 64 linear steps in each power of two, so within 1.6 per cent. */
enum { STEP_BITS = 6, BUCKETS = 64 << STEP_BITS };
struct histogram {
    uint64_t count[BUCKETS];
    uint64_t total, max;
};

struct options {
    int port, conns, pipeline, value_bytes;
    uint64_t requests, keys, seed;
    double rate;
    enum key_order order;
    bool get;
};

struct zipf { /* the rejection-free generator of Gray et al., SIGMOD 1994 */
    double theta, alpha, zeta_n, eta, half_pow;
};

struct conn {
    int fd;
    int waiting;         /* replies that are still to come */
    uint64_t sent_at_ns; /* of the batch under way */
    char *out;
    size_t out_len;
    uint64_t bulk_left; /* bytes of a bulk reply that are still to come */
    char line[64];      /* start of a reply line that came in pieces */
    size_t line_len;
};

struct load {
    struct options opt;
    struct zipf zipf;
    struct histogram latency;
    struct conn *conns;
    uint64_t random, issued, done, errors, distinct;
    uint64_t stride; /* ORDER_SHUFFLE: coprime to the number of keys */
    uint8_t *seen;   /* one bit a key: what was issued */
    char *value;
    int epoll;
    uint64_t start_ns;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t random_next(struct load *l)
{
    uint64_t z = l->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double random_unit(struct load *l)
{
    return (double)(random_next(l) >> 11) * 0x1.0p-53;
}

static size_t bucket_of(uint64_t ns)
{
    if (ns < (1u << STEP_BITS)) {
        return (size_t)ns;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - STEP_BITS;
    return ((size_t)(shift + 1) << STEP_BITS) + (size_t)((ns >> shift) - (1u << STEP_BITS));
}

static uint64_t bucket_top(size_t bucket)
{
    if (bucket < (1u << STEP_BITS)) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> STEP_BITS) - 1;
    uint64_t step = (bucket & ((1u << STEP_BITS) - 1)) + (1u << STEP_BITS);
    return ((step + 1) << shift) - 1;
}

static void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count[bucket_of(ns)]++;
    h->total++;
    h->max = ns > h->max ? ns : h->max;
}

/* Microseconds below which the share q of all latencies lies. */
static double histogram_at(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)h->total), seen = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        seen += h->count[b];
        if (seen >= rank && seen > 0) {
            uint64_t top = bucket_top(b);
            return (double)(top < h->max ? top : h->max) / 1e3;
        }
    }
    return 0;
}

static void zipf_init(struct zipf *z, uint64_t n, double theta)
{
    z->theta = theta;
    z->zeta_n = 0;
    for (uint64_t i = 1; i <= n; i++) {
        z->zeta_n += pow((double)i, -theta);
    }
    z->alpha = 1 / (1 - theta);
    z->half_pow = pow(0.5, theta);
    z->eta = (1 - pow(2.0 / (double)n, 1 - theta)) / (1 - (1 + z->half_pow) / z->zeta_n);
}

static uint64_t zipf_rank(const struct zipf *z, uint64_t n, double u)
{
    double uz = u * z->zeta_n;
    if (uz < 1) {
        return 0;
    }
    if (uz < 1 + z->half_pow) {
        return 1;
    }
    uint64_t rank = (uint64_t)((double)n * pow(z->eta * u - z->eta + 1, z->alpha));
    return rank < n ? rank : n - 1;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static uint64_t next_key(struct load *l)
{
    uint64_t n = l->opt.keys, key = 0;
    switch (l->opt.order) {
    case ORDER_UNIFORM:
        key = random_next(l) % n;
        break;
    case ORDER_EACH:
        key = l->issued % n;
        break;
    case ORDER_SHUFFLE:
        key = (uint64_t)((__uint128_t)(l->issued % n) * l->stride % n);
        break;
    case ORDER_ZIPF: /* popular keys are spread over the key space */
        key = (uint64_t)((__uint128_t)zipf_rank(&l->zipf, n, random_unit(l)) * l->stride % n);
        break;
    }
    if (!(l->seen[key / 8] & (1u << key % 8))) {
        l->seen[key / 8] |= (uint8_t)(1u << key % 8);
        l->distinct++;
    }
    return key;
}

static void append_request(struct load *l, struct conn *c)
{
    int key_bytes = 16;
    uint64_t key = next_key(l);
    size_t room = (size_t)l->opt.value_bytes + 128;
    char *p = c->out + c->out_len;
    if (l->opt.get) {
        p += snprintf(p, room, "*2\r\n$3\r\nGET\r\n$%d\r\nkey:%012llu\r\n", key_bytes,
                      (unsigned long long)key);
    } else {
        p += snprintf(p, room, "*3\r\n$3\r\nSET\r\n$%d\r\nkey:%012llu\r\n$%d\r\n", key_bytes,
                      (unsigned long long)key, l->opt.value_bytes);
        memcpy(p, l->value, (size_t)l->opt.value_bytes);
        /* Values differ, or a store could tell that nothing changed. */
        uint64_t mark = l->issued;
        memcpy(p, &mark, l->opt.value_bytes < 8 ? (size_t)l->opt.value_bytes : 8);
        for (int i = 0; i < 8 && i < l->opt.value_bytes; i++) {
            p[i] = (char)('a' + (mark >> (4 * i)) % 16);
        }
        p += l->opt.value_bytes;
        *p++ = '\r';
        *p++ = '\n';
    }
    c->out_len = (size_t)(p - c->out);
    l->issued++;
}

/* Blocks if the server does not read; what one batch sends and gets fits the socket's buffers. */
static void write_out(struct conn *c)
{
    for (size_t done = 0; done < c->out_len;) {
        ssize_t n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            die("send");
        }
        done += n > 0 ? (size_t)n : 0;
    }
    c->out_len = 0;
}

/* The moment at which request number i is due; without a rate: now. */
static uint64_t due_ns(const struct load *l, uint64_t i, uint64_t now)
{
    return l->opt.rate > 0 ? l->start_ns + (uint64_t)((double)i * 1e9 / l->opt.rate) : now;
}

/* Sends the connection's next batch if one is due and left. */
static void send_batch(struct load *l, struct conn *c, uint64_t now)
{
    if (stopping || l->issued >= l->opt.requests || due_ns(l, l->issued, now) > now) {
        return;
    }
    c->sent_at_ns = due_ns(l, l->issued, now);
    while (c->waiting < l->opt.pipeline && l->issued < l->opt.requests) {
        append_request(l, c);
        c->waiting++;
    }
    write_out(c);
}

static void reply_done(struct load *l, struct conn *c, uint64_t now)
{
    c->waiting--;
    l->done++;
    histogram_add(&l->latency, now - c->sent_at_ns);
}

/* A complete reply line without its CR LF. */
static void take_line(struct load *l, struct conn *c, const char *line, uint64_t now)
{
    if (line[0] == '$' && line[1] != '-') {
        c->bulk_left = strtoull(line + 1, NULL, 10) + 2;
        return;
    }
    if (line[0] == '-') {
        if (l->errors++ == 0) {
            fprintf(stderr, "load: %s\n", line);
        }
    }
    reply_done(l, c, now);
}

static void take_bytes(struct load *l, struct conn *c, const char *p, size_t len, uint64_t now)
{
    const char *end = p + len;
    while (p < end) {
        if (c->bulk_left) {
            size_t n = (size_t)(end - p) < c->bulk_left ? (size_t)(end - p) : c->bulk_left;
            c->bulk_left -= n;
            p += n;
            if (c->bulk_left == 0) {
                reply_done(l, c, now);
            }
            continue;
        }
        if (*p == '\n') {
            c->line[c->line_len] = 0;
            c->line_len = 0;
            take_line(l, c, c->line, now);
        } else if (*p != '\r' && c->line_len < sizeof c->line - 1) {
            c->line[c->line_len++] = *p;
        }
        p++;
    }
}

static void open_conns(struct load *l)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->opt.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->conns = calloc((size_t)l->opt.conns, sizeof *l->conns);
    for (int i = 0; i < l->opt.conns; i++) {
        struct conn *c = &l->conns[i];
        int on = 1;
        c->out = malloc((size_t)l->opt.pipeline * ((size_t)l->opt.value_bytes + 128));
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (!c->out || c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to)) {
            die("connect");
        }
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e)) {
            die("epoll_ctl");
        }
    }
}

static void read_conn(struct load *l, struct conn *c, char *input)
{
    ssize_t n = recv(c->fd, input, INPUT_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        die(n == 0 ? "the server closed a connection" : "recv");
    }
    uint64_t now = now_ns();
    take_bytes(l, c, input, (size_t)n, now);
    if (c->waiting == 0) {
        send_batch(l, c, now);
    }
}

static void send_idle(struct load *l)
{
    uint64_t now = now_ns();
    for (int i = 0; i < l->opt.conns; i++) {
        if (l->conns[i].waiting == 0) {
            send_batch(l, &l->conns[i], now);
        }
    }
}

static void run(struct load *l)
{
    static char input[INPUT_BYTES];
    struct epoll_event events[256];
    l->start_ns = now_ns();
    send_idle(l);
    while (l->done < l->issued || (!stopping && l->issued < l->opt.requests)) {
        int n = epoll_wait(l->epoll, events, 256, l->opt.rate > 0 ? 1 : 100);
        for (int i = 0; i < n; i++) {
            read_conn(l, events[i].data.ptr, input);
        }
        if (l->opt.rate > 0) {
            send_idle(l);
        }
    }
}

static enum key_order parse_order(const char *word)
{
    static const char *const words[] = {"uniform", "each", "shuffle", "zipf"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (enum key_order)i;
        }
    }
    fprintf(stderr, "load: unknown order of keys '%s'\n", word);
    exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
    int c;
    while ((c = getopt(argc, argv, "p:c:P:n:r:d:m:gs:R:")) != -1) {
        switch (c) {
        case 'p':
            o->port = atoi(optarg);
            break;
        case 'c':
            o->conns = atoi(optarg);
            break;
        case 'P':
            o->pipeline = atoi(optarg);
            break;
        case 'n':
            o->requests = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            o->keys = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            o->value_bytes = atoi(optarg);
            break;
        case 'm':
            o->order = parse_order(optarg);
            break;
        case 'g':
            o->get = true;
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'R':
            o->rate = atof(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (o->port <= 0 || o->conns <= 0 || o->pipeline <= 0 || o->pipeline > PIPELINE_MAX ||
        o->keys == 0 || o->value_bytes < 0 || o->value_bytes > VALUE_MAX) {
        fprintf(stderr, "load: bad arguments\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct load l = {.opt = {.conns = 50,
                             .pipeline = 1,
                             .value_bytes = 64,
                             .requests = 1000000,
                             .keys = 1000000,
                             .seed = 1}};
    parse(&l.opt, argc, argv);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    l.random = l.opt.seed;
    l.stride = 0x9e3779b97f4a7c15u % l.opt.keys | 1;
    while (gcd(l.stride, l.opt.keys) != 1) {
        l.stride += 2;
    }
    if (l.opt.order == ORDER_ZIPF) {
        zipf_init(&l.zipf, l.opt.keys, 0.99);
    }
    l.seen = calloc(l.opt.keys / 8 + 1, 1);
    l.value = malloc((size_t)l.opt.value_bytes + 1);
    l.epoll = epoll_create1(0);
    if (!l.seen || !l.value || l.epoll < 0) {
        die("start");
    }
    memset(l.value, 'x', (size_t)l.opt.value_bytes);
    open_conns(&l);
    run(&l);
    double seconds = (double)(now_ns() - l.start_ns) / 1e9;
    printf("{\"requests\": %llu, \"seconds\": %.6f, \"rps\": %.1f, \"errors\": %llu, "
           "\"distinct\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"max_us\": %.1f}\n",
           (unsigned long long)l.done, seconds, (double)l.done / seconds,
           (unsigned long long)l.errors, (unsigned long long)l.distinct,
           histogram_at(&l.latency, 0.50), histogram_at(&l.latency, 0.99),
           histogram_at(&l.latency, 0.999), (double)l.latency.max / 1e3);
    return 0;
}
