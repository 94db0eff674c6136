/* Listening sockets and accepting.
 *
 * A failed accept never ends accepting: a connection that died in the queue is skipped; when
 * descriptors run out, a spare one is given up to refuse clients with an error; and when that does
 * not help, the watchers rest for a tenth of a second instead of spinning.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/listen.h"

#include "base/log.h"
#include "config/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ACCEPT_BURST = 64,
    ACCEPT_PAUSE_MS = 100,
    ACCEPT_GRACE_MS = 1000, /* that a start may take before clients hear of it */
    GATHERED_CLIENTS = 128,
    COMPLAIN_EVERY_US = 1000 * 1000
};

static const char text_max_clients[] = "-ERR max number of clients reached\r\n";
static const char text_protected[] =
    "-DENIED Weir is running in protected mode: no password is set, so only clients on this host "
    "are served. To serve others: 1) set one with 'requirepass' in the configuration or with "
    "'CONFIG SET requirepass <password>' from this host; or 2) switch the mode off with "
    "'protected-mode no', if nobody untrusted can reach the port.\r\n";

static const char text_nowhere[] = "port is 0 and unixsocket is empty: nothing to listen on";

/* --- Opening --- */

/* A set of sockets that is being opened. */
struct opening {
    struct acceptor *acceptor;
    struct listeners *set;
    const struct listeners *before; /* that listen already; NULL: none */
    int port;
};

static void listener_add(struct opening *o, int fd, bool is_unix, const char *name)
{
    struct listener *l = &o->set->of[o->set->len++];
    *l = (struct listener){.acceptor = o->acceptor, .fd = fd, .is_unix = is_unix};
    snprintf(l->name, sizeof(l->name), "%s", name);
}

static struct listeners *listeners_new(void)
{
    struct listeners *set = calloc(1, sizeof(*set));
    must(set != NULL);
    return set;
}

static bool holds(const struct listeners *set, int fd)
{
    for (uint32_t i = 0; set != NULL && i < set->len; i++)
        if (set->of[i].fd == fd)
            return true;
    return false;
}

/* Closes what neither of the other sets, which may be NULL, holds too. */
static void listeners_free(struct listeners **set, const struct listeners *one,
                           const struct listeners *other)
{
    for (uint32_t i = 0; *set != NULL && i < (*set)->len; i++)
        if (!holds(one, (*set)->of[i].fd) && !holds(other, (*set)->of[i].fd))
            close((*set)->of[i].fd);
    free(*set);
    *set = NULL;
}

/* A socket that listens already goes on, in both sets, and under its number: epoll would go on
 * telling of a number that was closed while the socket has another. */
static bool keep_open(struct opening *o, const char *name)
{
    for (uint32_t i = 0; o->before != NULL && i < o->before->len; i++) {
        const struct listener *l = &o->before->of[i];
        if (strcmp(l->name, name) != 0)
            continue;
        listener_add(o, l->fd, l->is_unix, name);
        return true;
    }
    return false;
}

/* One address may contain the other ("*"): for the moment of the change both are open. */
static void share_ports(const struct listeners *set, int fd, int on)
{
    for (uint32_t i = 0; set != NULL && i < set->len; i++)
        if (!set->of[i].is_unix)
            setsockopt(set->of[i].fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int bind_and_listen(int fd, const struct addrinfo *ai)
{
    bool done = bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
                listen(fd, (int)option_num(OPT_tcp_backlog)) == 0;
    return done ? 0 : errno;
}

static int listen_on(const struct opening *o, int fd, const struct addrinfo *ai)
{
    int num = bind_and_listen(fd, ai);
    if (num != EADDRINUSE || o->before == NULL)
        return num;
    share_ports(o->before, fd, 1);
    num = bind_and_listen(fd, ai);
    share_ports(o->before, fd, 0);
    return num;
}

static enum rc bind_error(int num, const char *name, struct err *err)
{
    if (num == EADDRINUSE)
        return err_sys(err, num,
                       "cannot listen on %s: another process does; stop it (`ss -ltnp` names it) "
                       "or choose another port (`port`, --port)",
                       name);
    if (num == EADDRNOTAVAIL)
        return err_sys(err, num,
                       "cannot listen on %s: this machine has no such address; correct `bind`, or "
                       "put '-' in front of the address to do without it",
                       name);
    if (num == EACCES)
        return err_sys(err, num,
                       "cannot listen on %s: no permission; a port below 1024 needs "
                       "CAP_NET_BIND_SERVICE",
                       name);
    return err_sys(err, num, "cannot listen on %s", name);
}

static enum rc open_tcp(struct opening *o, const struct addrinfo *ai, const char *name,
                        struct err *err)
{
    int on = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bind_error(errno == EAFNOSUPPORT ? EADDRNOTAVAIL : errno, name, err);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    int num = listen_on(o, fd, ai);
    if (num != 0) {
        close(fd);
        return bind_error(num, name, err);
    }
    listener_add(o, fd, false, name);
    return RC_OK;
}

/* One word of `bind`: an address, "*" or "::*", maybe with a "-" in front. */
static enum rc open_bind(struct opening *o, const char *word, struct err *err)
{
    bool optional = word[0] == '-';
    const char *host = optional ? word + 1 : word;
    char port[16], name[128];
    snprintf(port, sizeof(port), "%d", o->port);
    snprintf(name, sizeof(name), strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
    if (o->set->len + 1 >= LISTEN_SOCKETS_MAX)
        return err_set(err, RC_INVALID, "bind names more than %d addresses",
                       LISTEN_SOCKETS_MAX - 1);
    if (keep_open(o, name))
        return RC_OK;
    const char *numeric = host;
    if (strcmp(host, "*") == 0)
        numeric = "0.0.0.0";
    else if (strcmp(host, "::*") == 0)
        numeric = "::";
    int numbers = o->before != NULL ? AI_NUMERICHOST : 0;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV | numbers,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int why = getaddrinfo(numeric, port, &hints, &found);
    if (why != 0) {
        if (optional)
            return RC_OK;
        return err_set(err, RC_INVALID, "bind: '%s' is not an address of this machine: %s", host,
                       gai_strerror(why));
    }
    enum rc rc = open_tcp(o, found, name, err);
    freeaddrinfo(found);
    bool lacking = rc != RC_OK && optional && err->sys_errno == EADDRNOTAVAIL;
    return lacking ? RC_OK : rc;
}

static enum rc open_all_tcp(struct opening *o, struct err *err)
{
    o->port = (int)option_num(OPT_port);
    if (o->port == 0)
        return RC_OK;
    struct buf text = {0};
    option_text(OPT_bind, &text);
    if (text.len == 0)
        buf_append_str(&text, "*");
    buf_append(&text, "", 1);
    enum rc rc = RC_OK;
    char *save = NULL;
    for (char *word = strtok_r(text.data, " \t\n", &save); word != NULL && rc == RC_OK;
         word = strtok_r(NULL, " \t\n", &save))
        rc = open_bind(o, word, err);
    buf_fini(&text);
    if (rc == RC_OK && o->set->len == 0)
        return err_set(err, RC_INVALID, "none of the addresses in `bind` exists on this machine");
    return rc;
}

/* A socket file that nobody listens on is what a killed process left: it may be replaced. */
static bool is_stale(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 &&
                 errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

static enum rc open_unix(struct opening *o, struct err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char *path = option_strdup(OPT_unixsocket);
    if (path == NULL || path[0] == '\0') {
        free(path);
        return RC_OK;
    }
    enum rc rc = RC_OK;
    int fd = -1;
    if (strlen(path) >= sizeof(at.sun_path)) {
        rc = err_set(err, RC_INVALID, "unixsocket: the path is longer than %zu bytes",
                     sizeof(at.sun_path) - 1);
        goto out;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (is_stale(&at))
        unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        rc = bind_error(errno, path, err);
        goto out;
    }
    /* The file is never more open than it will be, and is connectable only after listen(). */
    mode_t mode = (mode_t)option_num(OPT_unixsocketperm);
    mode_t old = mode != 0 ? umask(0777 & ~mode) : 0;
    int failed = bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ? errno : 0;
    if (mode != 0)
        umask(old);
    if (failed == 0 && mode != 0 && chmod(path, mode) != 0)
        failed = errno;
    if (failed == 0 && listen(fd, (int)option_num(OPT_tcp_backlog)) != 0)
        failed = errno;
    if (failed != 0) {
        rc = bind_error(failed, path, err);
        goto out;
    }
    listener_add(o, fd, true, path);
    o->acceptor->unix_path = path;
    return RC_OK;
out:
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

enum rc acceptor_open(struct acceptor *a, struct err *err)
{
    *a = (struct acceptor){.spare_fd = -1, .now = listeners_new()};
    lock_init(&a->lock);
    struct opening o = {.acceptor = a, .set = a->now};
    enum rc rc = open_all_tcp(&o, err);
    if (rc == RC_OK)
        rc = open_unix(&o, err);
    if (rc == RC_OK && o.set->len == 0)
        rc = err_set(err, RC_INVALID, text_nowhere);
    if (rc != RC_OK) {
        acceptor_close(a);
        return rc;
    }
    atomic_store(&a->tcp_port, o.port);
    a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return RC_OK;
}

/* The new set, with the sockets that stay. Owns: the caller. */
static struct listeners *open_change(struct acceptor *a, const struct listeners *before, int *port,
                                     struct err *err)
{
    struct opening o = {.acceptor = a, .set = listeners_new(), .before = before};
    enum rc rc = open_all_tcp(&o, err);
    if (rc == RC_OK && a->unix_path != NULL)
        must(keep_open(&o, a->unix_path));
    if (rc == RC_OK && o.set->len == 0)
        rc = err_set(err, RC_INVALID, text_nowhere);
    if (rc != RC_OK)
        listeners_free(&o.set, before, NULL);
    *port = o.port;
    return o.set;
}

enum rc acceptor_change(struct acceptor *a, struct err *err)
{
    int port;
    lock_acquire(&a->lock);
    struct listeners *set = open_change(a, a->later != NULL ? a->later : a->now, &port, err);
    if (set != NULL) {
        listeners_free(&a->later, set, a->now);
        a->later = set;
        atomic_store(&a->tcp_port, port);
    }
    lock_release(&a->lock);
    if (set == NULL)
        return err->code;
    worker_order(&a->workers[0], WORKER_LISTEN);
    return RC_OK;
}

void acceptor_close(struct acceptor *a)
{
    listeners_free(&a->later, a->now, NULL);
    listeners_free(&a->now, NULL, NULL);
    if (a->spare_fd >= 0)
        close(a->spare_fd);
    a->spare_fd = -1;
    if (a->unix_path != NULL)
        unlink(a->unix_path);
    free(a->unix_path);
    a->unix_path = NULL;
}

/* --- Accepting --- */

static void listen_refuse(int fd, const char *text, size_t len)
{
    stat_add(STAT_rejected_connections, 1);
    (void)!send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void listen_describe(const struct sockaddr_storage *sa, char *out, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
        snprintf(out, size, "[%s]:%u", ip, (unsigned)ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &in4->sin_addr, ip, sizeof(ip));
        snprintf(out, size, "%s:%u", ip, (unsigned)ntohs(in4->sin_port));
    }
}

static bool is_local(const struct sockaddr_storage *sa)
{
    if (sa->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static bool is_protected(void)
{
    if (option_num(OPT_protected_mode) == 0)
        return false;
    char *password = option_strdup(OPT_requirepass);
    bool none = password == NULL || password[0] == '\0';
    free(password);
    return none;
}

static void set_tcp_options(int fd)
{
    int on = 1, idle = (int)option_num(OPT_tcp_keepalive);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (idle == 0)
        return;
    int interval = idle / 3 > 0 ? idle / 3 : 1, count = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* A few connections are gathered on the first workers, then the one with the fewest takes the next.
 *
 * One loop that serves many connections finds several ready at a time; the same connections spread
 * over more loops cost a wake-up and an epoll_wait each, and take the cores that the clients on
 * this machine need: with 50 clients on two cores, one loop served 810 k GET/s at pipeline 16, two
 * loops 431 k. */
static struct host_worker *listen_choose(struct acceptor *a, uint64_t *total)
{
    struct host_worker *gathering = NULL, *fewest = NULL;
    uint64_t fewest_clients = UINT64_MAX, enough = GATHERED_CLIENTS / a->workers_len + 1;
    *total = 0;
    for (uint32_t i = 0; i < a->workers_len; i++) {
        struct host_worker *w = &a->workers[i];
        uint64_t clients = atomic_load_explicit(&w->clients, memory_order_relaxed);
        *total += clients;
        if (gathering == NULL && clients < enough)
            gathering = w;
        if (clients < fewest_clients) {
            fewest_clients = clients;
            fewest = w;
        }
    }
    return gathering != NULL ? gathering : fewest;
}

static void admit(struct acceptor *a, const struct listener *l, int fd,
                  const struct sockaddr_storage *peer)
{
    uint64_t total;
    struct host_worker *w = listen_choose(a, &total);
    stat_add(STAT_total_connections_received, 1);
    if (total >= atomic_load_explicit(&a->clients_max, memory_order_relaxed)) {
        listen_refuse(fd, text_max_clients, sizeof(text_max_clients) - 1);
        return;
    }
    struct accepted news = {.fd = fd, .is_unix = l->is_unix};
    if (l->is_unix) {
        snprintf(news.addr, sizeof(news.addr), "%.70s:0", a->unix_path);
        memcpy(news.laddr, news.addr, sizeof(news.laddr));
    } else {
        if (!is_local(peer) && is_protected()) {
            listen_refuse(fd, text_protected, sizeof(text_protected) - 1);
            return;
        }
        struct sockaddr_storage own = {0};
        socklen_t own_len = sizeof(own);
        getsockname(fd, (struct sockaddr *)&own, &own_len);
        listen_describe(peer, news.addr, sizeof(news.addr));
        listen_describe(&own, news.laddr, sizeof(news.laddr));
        set_tcp_options(fd);
    }
    worker_give_connection(w, &news);
}

static void watch(struct acceptor *a, bool on)
{
    struct ev_loop *loop = a->workers[0].loop;
    a->watching = on;
    for (uint32_t i = 0; i < a->now->len; i++) {
        if (on)
            ev_io_start(loop, &a->now->of[i].io);
        else
            ev_io_stop(loop, &a->now->of[i].io);
    }
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct acceptor *a = (struct acceptor *)((char *)timer - offsetof(struct acceptor, pause));
    ev_timer_stop(loop, timer);
    watch(a, true);
}

static void listen_complain(struct acceptor *a, int num)
{
    if (log_is_due(&a->complained_us, COMPLAIN_EVERY_US))
        log_line(LOG_WARNING, "cannot accept a connection: %s", strerror(num));
}

/* No descriptor for the next client. False: accepting has to rest. */
static bool refuse_with_spare(struct acceptor *a, int listener)
{
    if (a->spare_fd < 0)
        return false;
    close(a->spare_fd);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        listen_refuse(fd, text_max_clients, sizeof(text_max_clients) - 1);
    a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && a->spare_fd >= 0;
}

static void on_acceptable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct listener *l = (struct listener *)((char *)io - offsetof(struct listener, io));
    struct acceptor *a = l->acceptor;
    for (int i = 0; i < ACCEPT_BURST; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(a, l, fd, &peer);
            continue;
        }
        int num = errno;
        if (num == EAGAIN || num == EWOULDBLOCK)
            return;
        if (num == EINTR || num == ECONNABORTED || num == EPROTO || num == EPERM)
            continue;
        listen_complain(a, num);
        if ((num == EMFILE || num == ENFILE) && refuse_with_spare(a, l->fd))
            continue;
        if (a->spare_fd < 0)
            a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        watch(a, false);
        ev_timer_set(&a->pause, ACCEPT_PAUSE_MS / 1000., 0.);
        ev_timer_start(loop, &a->pause);
        return;
    }
}

static void listen_prepare(struct listeners *set)
{
    for (uint32_t i = 0; i < set->len; i++)
        ev_io_init(&set->of[i].io, on_acceptable, set->of[i].fd, EV_READ);
}

void acceptor_take_change(struct acceptor *a)
{
    bool watching = a->watching;
    lock_acquire(&a->lock);
    struct listeners *old = a->now;
    if (a->later != NULL) {
        watch(a, false);
        a->now = a->later;
        a->later = NULL;
    }
    bool changed = old != a->now;
    lock_release(&a->lock);
    if (!changed)
        return;
    listen_prepare(a->now);
    watch(a, watching);
    listeners_free(&old, a->now, NULL);
}

void acceptor_start(struct acceptor *a, struct host_worker *workers, uint32_t workers_len)
{
    a->workers = workers;
    a->workers_len = workers_len;
    ev_timer_init(&a->pause, on_pause_over, 0., 0.);
    listen_prepare(a->now);
    ev_timer_set(&a->pause, ACCEPT_GRACE_MS / 1000., 0.);
    ev_timer_start(workers[0].loop, &a->pause);
}

void acceptor_open_door(struct acceptor *a)
{
    ev_timer_stop(a->workers[0].loop, &a->pause);
    watch(a, true);
}

void acceptor_stop(struct acceptor *a)
{
    ev_timer_stop(a->workers[0].loop, &a->pause);
    watch(a, false);
}
