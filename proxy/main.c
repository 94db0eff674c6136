/* Weir: the wiring. Reads as the table of contents: what there is, and in which order it begins and
 * ends.
 *
 * Exit codes: 0 ended in order, everything flushed or kept by the journal; 1 wrong configuration,
 * or it could not start.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "config/options.h"
#include "executor/executor.h"
#include "executor/version.h"
#include "journal/journal.h"
#include "server/process.h"
#include "server/server.h"
#include "server/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_NOT_STARTED = 1, SYNC_MS_MIN = 500, SYNC_MS_MAX = 2000 };

struct arguments {
    const char *path; /* configuration file, NULL: none */
    bool check, help, version;
    int rest_len; /* "--directive value ...", what options_load takes */
    char **rest;
};

static void arguments_read(int argc, char **argv, struct arguments *out)
{
    *out = (struct arguments){.rest = argv + 1};
    for (int i = 1; i < argc; i++) {
        if (i == 1 && argv[i][0] != '-')
            out->path = argv[i];
        else if (strcmp(argv[i], "--check") == 0)
            out->check = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            out->help = true;
        else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-v") == 0)
            out->version = true;
        else
            out->rest[out->rest_len++] = argv[i];
    }
}

static void print_help(void)
{
    printf("Weir %s: a write-back caching proxy that speaks the Redis protocol\n\n"
           "usage: weir [FILE] [--directive value ...]   serve\n"
           "       weir [FILE] [--directive value ...] --check   check the configuration and end\n"
           "       weir --help | --version\n\n"
           "Directives, for FILE and for the command line (proxy.conf explains them in full):\n",
           WEIR_VERSION);
    for (int i = 0; i < OPT_COUNT; i++) {
        struct buf value = {0};
        option_text((enum option_id)i, &value);
        printf("  --%s (%.*s)\n      %s\n", option_name((enum option_id)i), (int)value.len,
               value.len > 0 ? value.data : "", option_help((enum option_id)i));
        buf_fini(&value);
    }
}

struct running {
    struct server *server;
    struct keyspace *keyspace;
};

static enum rc on_option_changed(void *ctx, enum option_id id, struct err *err)
{
    struct keyspace *ks = ((struct running *)ctx)->keyspace;
    if (id == OPT_loglevel)
        log_set_level((enum log_level)option_num(OPT_loglevel));
    keyspace_apply_settings();
    if (id == OPT_notify_keyspace_events)
        keyspace_apply_notify(ks);
    if (id == OPT_journal_fsync && keyspace_journal(ks) != NULL)
        journal_set_fsync(keyspace_journal(ks), (enum journal_fsync)option_num(OPT_journal_fsync));
    if (id == OPT_maxclients)
        return server_apply_max_clients(((struct running *)ctx)->server, err);
    if (id == OPT_bind || id == OPT_port)
        return server_apply_listeners(((struct running *)ctx)->server, err);
    return RC_OK;
}

static void on_replay_progress(void *ctx, uint64_t done, uint64_t total)
{
    enum { SAY_EVERY_US = 2 * 1000 * 1000 };
    static _Atomic int64_t said_us;
    (void)ctx;
    if (!log_is_due(&said_us, SAY_EVERY_US))
        return;
    log_line(LOG_NOTICE, "Replaying the journal: %llu of %llu", (unsigned long long)done,
             (unsigned long long)total);
    process_notify("EXTEND_TIMEOUT_USEC=30000000\nSTATUS=Replaying the journal");
}

static void on_waiting(void *ctx)
{
    (void)ctx;
    process_notify("EXTEND_TIMEOUT_USEC=30000000\nSTATUS=Waiting for the backend, which is locked, "
                   "or for room on the disk");
}

static enum rc open_keyspace(struct server *server, struct keyspace **out, struct err *err)
{
    struct keyspace_options options = {
        .workers = server_workers(server),
        .on_journal_progress = server_on_journal_progress,
        .on_event = server_on_event,
        .ctx = server,
        .on_waiting = on_waiting,
        .on_replay_progress = on_replay_progress,
    };
    return keyspace_open(&options, out, err);
}

static void say_hello(const struct server *server)
{
    struct buf where = {0};
    server_describe(server, &where);
    log_line(LOG_NOTICE, "Weir %s, pid %d, %u worker threads, %s%s", WEIR_VERSION, (int)getpid(),
             server_workers(server), options_path()[0] != '\0' ? "configuration " : "defaults",
             options_path());
    log_line(LOG_NOTICE, "Listening on %.*s", (int)where.len, where.data);
    buf_fini(&where);
    start_say_without_effect();
}

static void say_ready(void)
{
    char *backend = option_strdup(OPT_backend), *journal = option_strdup(OPT_journal_dir);
    char *dir = getcwd(NULL, 0), *unix_socket = option_strdup(OPT_unixsocket);
    struct buf fsync = {0};
    option_text(OPT_journal_fsync, &fsync);
    log_line(LOG_NOTICE, "Backend %s, journal %s (fsync %.*s), in directory %s", backend, journal,
             (int)fsync.len, fsync.data, dir == NULL ? "?" : dir);
    if (option_num(OPT_port) != 0)
        log_line(LOG_NOTICE, "Ready. Connect with: redis-cli -p %lld",
                 (long long)option_num(OPT_port));
    else
        log_line(LOG_NOTICE, "Ready. Connect with: redis-cli -s %s", unix_socket);
    process_notify("READY=1\nSTATUS=Serving");
    buf_fini(&fsync);
    free(backend);
    free(journal);
    free(dir);
    free(unix_socket);
}

static int64_t ms_until(struct mono instant)
{
    int64_t left_us = instant.us - clock_mono().us;
    return left_us > 0 ? left_us / 1000 : 0;
}

/* The journal gets a moment in any case: it keeps what the backend did not take. */
static int64_t last_sync_ms(struct mono end_by)
{
    int64_t left_ms = ms_until(end_by);
    return left_ms < SYNC_MS_MIN ? SYNC_MS_MIN : left_ms > SYNC_MS_MAX ? SYNC_MS_MAX : left_ms;
}

/* The orderly end. One deadline for all of it, since a supervisor has one too: what is not flushed
 * by `end_by` stays in the journal. A signal ends it at once. */
static void main_finish(struct server *server, struct keyspace **ks, bool drain, struct mono end_by)
{
    struct err err = {0};
    struct journal *journal = keyspace_journal(*ks);
    process_exit_on_signal(true);
    server_quiesce(server);
    if (journal != NULL && /* so that replies that wait for it still leave */
        journal_sync(journal, journal_last_lsn(journal), last_sync_ms(end_by), &err) != RC_OK)
        log_err(LOG_WARNING, "The journal was not synced", &err);
    server_stop(server);
    bool all = keyspace_close(ks, drain, ms_until(end_by), &err) == RC_OK;
    server_free(&server);
    if (all)
        log_line(LOG_NOTICE, "Ended in order");
    else
        log_err(LOG_WARNING, "Ended", &err);
}

static int main_serve(void)
{
    struct err err = {0};
    struct server *server = NULL;
    struct keyspace *ks = NULL;
    if (server_new(&server, &err) != RC_OK) {
        log_err(LOG_WARNING, "Cannot start", &err);
        return EXIT_NOT_STARTED;
    }
    say_hello(server);
    server_start(server);
    process_exit_on_signal(true);
    if (open_keyspace(server, &ks, &err) != RC_OK) {
        log_err(LOG_WARNING, "Cannot start", &err);
        server_stop(server);
        server_free(&server);
        return EXIT_NOT_STARTED;
    }
    process_exit_on_signal(false);
    struct running running = {server, ks};
    options_on_change(on_option_changed, &running);
    server_attach(server, ks);
    say_ready();
    struct mono end_by;
    bool drain = process_serve(server, ks, &end_by);
    main_finish(server, &ks, drain, end_by);
    return EXIT_FINE;
}

/* Puts the configuration in force, or prints all that is wrong with it. */
static bool main_configure(const struct arguments *a)
{
    struct err err = {0};
    struct buf problems = {0};
    options_problems(a->path, a->rest_len, a->rest, &problems);
    if (problems.len == 0 && options_load(a->path, a->rest_len, a->rest, &err) != RC_OK)
        buf_printf(&problems, "%s\n", err.text);
    if (problems.len == 0)
        start_check(&problems);
    bool fine = problems.len == 0;
    for (size_t at = 0; at < problems.len;) {
        size_t len = strcspn(problems.data + at, "\n");
        fprintf(stderr, "weir: %.*s\n", (int)len, problems.data + at);
        at += len + 1;
    }
    buf_fini(&problems);
    return fine;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct err err = {0};
    process_fill_standard_fds();
    arguments_read(argc, argv, &arguments);
    if (arguments.version) {
        printf("Weir %s (answers as Redis %s)\n", WEIR_VERSION, REDIS_VERSION);
        return EXIT_FINE;
    }
    if (arguments.help) {
        options_reset();
        print_help();
        return EXIT_FINE;
    }
    if (!main_configure(&arguments))
        return EXIT_NOT_STARTED;
    if (arguments.check) {
        printf("The configuration is fine.\n");
        return EXIT_FINE;
    }
    process_block_signals();
    if (process_enter_dir(&err) != RC_OK || process_open_log(&err) != RC_OK ||
        process_daemonize(&err) != RC_OK) {
        fprintf(stderr, "weir: %s\n", err.text);
        return EXIT_NOT_STARTED;
    }
    process_write_pidfile();
    int code = main_serve();
    process_remove_pidfile();
    return code;
}
