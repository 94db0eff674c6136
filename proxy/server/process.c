/* Signals, the supervisor, and the orderly end. The main thread spends its life in process_serve:
 * it polls for signals and for what commands ask of the process.
 *
 * An orderly end, in order: a flush is asked for and waited for while clients are still served
 * (they go on writing: applications reconnect and finish during a shutdown); then main stops the
 * workers and closes the keyspace, which flushes the little that came in meanwhile.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/process.h"

#include "base/log.h"
#include "config/words.h"
#include "server/notify.h"
#include "writeback/writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    POLL_MS = 1000,
    CLOSE_MS = 1000,        /* to close in, when nothing is waited for */
    EXTEND_EVERY_MS = 5000, /* how often the supervisor is asked for patience, ... */
};
static const char extend_timeout[] = "EXTEND_TIMEOUT_USEC=15000000"; /* ... and for how much */

struct process {
    struct server *server;
    struct keyspace *keyspace;
    int signals_fd, flushed_fd;
    bool draining, flush_waits;
    struct mono drain_until, extended_at, watchdog_at;
    struct waiter flushed;
};

/* Its waiter may be called late, so it lives as long as the process. */
static struct process the_process;

static void watched_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

void process_fill_standard_fds(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

void process_block_signals(void)
{
    sigset_t set;
    watched_signals(&set);
    must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of the write, EFBIG */
}

/* --- The background, and the file that says who is there --- */

static char *pid_path; /* absolute where `pidfile` is, else relative to dir; NULL: none */

/* A supervisor waits for the process that it started. */
static bool has_supervisor(void)
{
    return option_num(OPT_supervised) != SUPERVISED_NO &&
           (getenv("NOTIFY_SOCKET") != NULL || getenv("UPSTART_JOB") != NULL);
}

enum rc process_daemonize(struct err *err)
{
    if (option_num(OPT_daemonize) == 0 || has_supervisor())
        return RC_OK;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return err_sys(err, errno, "cannot open /dev/null");
    pid_t child = fork();
    if (child < 0) {
        close(null);
        return err_sys(err, errno, "cannot go into the background");
    }
    if (child > 0)
        _exit(0);
    (void)setsid();
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    close(null);
    return RC_OK;
}

void process_write_pidfile(void)
{
    char *path = option_strdup(OPT_pidfile);
    must(path != NULL);
    bool background = option_num(OPT_daemonize) != 0 && !has_supervisor();
    if (path[0] == '\0' && background) {
        free(path);
        path = strdup("/var/run/weir.pid");
        must(path != NULL);
    }
    if (path[0] == '\0') {
        free(path);
        return;
    }
    FILE *f = fopen(path, "we");
    bool written = f != NULL && fprintf(f, "%d\n", (int)getpid()) > 0;
    if (f != NULL && fclose(f) != 0)
        written = false;
    if (!written)
        log_line(LOG_WARNING, "cannot write pidfile %s: %s", path, strerror(errno));
    pid_path = written ? path : NULL;
    if (!written)
        free(path);
}

void process_remove_pidfile(void)
{
    if (pid_path != NULL)
        (void)unlink(pid_path);
}

static void exit_now(int number)
{
    static const char text[] = "Told to end again, or too early to wait: ended at once, the "
                               "journal has everything.\n";
    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    process_remove_pidfile();
    _exit(0);
}

void process_exit_on_signal(bool on)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    struct sigaction action = {.sa_handler = on ? exit_now : SIG_DFL};
    if (!on)
        must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    must(sigaction(SIGTERM, &action, NULL) == 0);
    must(sigaction(SIGINT, &action, NULL) == 0);
    if (on)
        must(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
}

enum rc process_enter_dir(struct err *err)
{
    char *dir = option_strdup(OPT_dir);
    must(dir != NULL);
    enum rc rc = RC_OK;
    if (dir[0] != '\0' && chdir(dir) != 0)
        rc = err_sys(err, errno, "cannot enter the directory '%s' that `dir` names", dir);
    free(dir);
    return rc;
}

enum rc process_open_log(struct err *err)
{
    char *path = option_strdup(OPT_logfile);
    must(path != NULL);
    enum rc rc = log_open(path, err);
    free(path);
    log_set_level((enum log_level)option_num(OPT_loglevel));
    return rc;
}

void process_notify(const char *state)
{
    if (option_num(OPT_supervised) != SUPERVISED_NO)
        notify_send(state);
}

/* --- The orderly end --- */

static void on_flushed(struct waiter *waiter)
{
    (void)waiter;
    (void)!write(the_process.flushed_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* Paused, nothing would come of waiting: the journal keeps what the backend does not have. */
static bool is_paused(const struct process *p)
{
    struct writeback_info info;
    char why[512] = "";
    writeback_get_info(keyspace_writeback(p->keyspace), &info);
    if (!info.paused)
        return false;
    (void)writeback_why(keyspace_writeback(p->keyspace), why, sizeof(why));
    log_line(LOG_NOTICE, "Ending without a flush. %s", why);
    return true;
}

/* True when there is nothing to wait for: everything written so far is flushed already, or nothing
 * will be. */
static bool begin_drain(struct process *p)
{
    if (is_paused(p))
        return true;
    int64_t timeout_s = option_num(OPT_shutdown_timeout);
    p->draining = true;
    p->drain_until.us = clock_mono().us + timeout_s * 1000000;
    server_set_draining(p->server, true);
    process_notify("STOPPING=1\nSTATUS=Flushing to the backend");
    log_line(LOG_NOTICE,
             "Ending: flushing what the backend does not have yet, for up to %lld s; clients are "
             "still served. A second signal ends at once, the journal keeps everything.",
             (long long)timeout_s);
    uint64_t lsn = writeback_request_flush(keyspace_writeback(p->keyspace));
    p->flushed.ready = on_flushed;
    p->flush_waits = keyspace_wait_lsn(p->keyspace, lsn, true, true, &p->flushed);
    return !p->flush_waits;
}

static void end_drain(struct process *p)
{
    if (p->flush_waits)
        (void)keyspace_cancel_wait(p->keyspace, &p->flushed);
    p->flush_waits = false;
    p->draining = false;
    server_set_draining(p->server, false);
}

/* Called at every wake-up while draining; true: the wait is over. */
static bool drain_is_over(struct process *p, struct mono now)
{
    uint64_t flushed = 0;
    if (read(p->flushed_fd, &flushed, sizeof(flushed)) == (ssize_t)sizeof(flushed)) {
        p->flush_waits = false;
        return true;
    }
    if (now.us >= p->drain_until.us) {
        log_line(LOG_WARNING, "The backend did not take everything within shutdown-timeout");
        return true;
    }
    if (now.us - p->extended_at.us >= EXTEND_EVERY_MS * INT64_C(1000)) {
        p->extended_at = now;
        process_notify(extend_timeout);
    }
    return false;
}

/* --- Signals --- */

static void reload(void)
{
    struct err err = {0};
    char text[96];
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono().us);
    process_notify(text);
    if (options_reload(&err) != RC_OK)
        log_err(LOG_WARNING, "SIGHUP: the configuration stays as it was", &err);
    else if (err.text[0] != '\0')
        log_line(LOG_NOTICE, "SIGHUP: configuration read again; %s", err.text);
    else
        log_line(LOG_NOTICE, "SIGHUP: configuration read again");
    process_notify("READY=1");
}

static void reopen_log(void)
{
    struct err err = {0};
    if (process_open_log(&err) != RC_OK)
        log_err(LOG_WARNING, "SIGUSR1: the log was not opened again", &err);
}

/* True: the process is to end in an orderly way. */
static bool take_signals(struct process *p)
{
    struct signalfd_siginfo info;
    while (read(p->signals_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGHUP:
            reload();
            break;
        case SIGUSR1:
            reopen_log();
            break;
        default:
            log_line(LOG_NOTICE, "%s received", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
            if (p->draining)
                exit_now((int)info.ssi_signo);
            return true;
        }
    }
    return false;
}

static void feed_watchdog(struct process *p, struct mono now)
{
    int64_t every_ms = notify_watchdog_ms();
    if (every_ms == 0 || now.us - p->watchdog_at.us < every_ms * 1000)
        return;
    p->watchdog_at = now;
    if (server_is_alive(p->server))
        process_notify("WATCHDOG=1");
}

static int poll_ms(const struct process *p)
{
    int64_t ms = POLL_MS, watchdog_ms = notify_watchdog_ms();
    if (watchdog_ms > 0 && watchdog_ms < ms)
        ms = watchdog_ms;
    if (p->draining) {
        int64_t left_ms = (p->drain_until.us - clock_mono().us) / 1000 + 1;
        ms = left_ms < ms ? (left_ms < 0 ? 0 : left_ms) : ms;
    }
    return (int)ms;
}

bool process_serve(struct server *s, struct keyspace *ks, struct mono *end_by)
{
    struct process *p = &the_process;
    sigset_t set;
    watched_signals(&set);
    *p = (struct process){.server = s, .keyspace = ks};
    p->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    p->flushed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(p->signals_fd >= 0 && p->flushed_fd >= 0);
    bool drain = true;
    for (;;) {
        struct pollfd fds[] = {{.fd = p->signals_fd, .events = POLLIN},
                               {.fd = server_request_fd(s), .events = POLLIN},
                               {.fd = p->flushed_fd, .events = POLLIN}};
        (void)poll(fds, COUNT_OF(fds), poll_ms(p)); /* a timeout or EINTR is a look around, too */
        bool stop = take_signals(p);
        enum server_request request = server_take_request(s);
        if (request == SERVER_STOP_NOW) {
            drain = false;
            break;
        }
        if (p->draining && server_take_abort(s)) {
            log_line(LOG_NOTICE, "SHUTDOWN ABORT: the proxy stays");
            end_drain(p);
            process_notify("READY=1");
            continue;
        }
        if ((stop || request == SERVER_STOP_DRAIN) && !p->draining && begin_drain(p))
            break;
        struct mono now = clock_mono();
        if (p->draining && drain_is_over(p, now))
            break;
        feed_watchdog(p, now);
    }
    *end_by = p->drain_until;
    if (!drain || option_num(OPT_shutdown_timeout) == 0)
        end_by->us = clock_mono().us + CLOSE_MS * INT64_C(1000);
    end_drain(p);
    close(p->signals_fd);
    return drain;
}
