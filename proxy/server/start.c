/* See start.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/start.h"

#include "base/log.h"
#include "config/options.h"
#include "executor/executor.h"
#include "keyspace/join.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void problem(struct buf *out, enum option_id id, const char *format, const char *path,
                    const char *why)
{
    option_where(id, out);
    buf_printf(out, "%s: ", option_name(id));
    buf_printf(out, format, path, why); /* NOLINT: each caller's is a literal */
    buf_append_str(out, "\n");
}

static const char *why_no_directory(const char *path, int access_mode)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return strerror(errno);
    if (!S_ISDIR(st.st_mode))
        return strerror(ENOTDIR);
    return access(path, access_mode) != 0 ? strerror(errno) : NULL;
}

/* The path as it will be once `dir` is the working directory. */
static char *from_dir(const char *dir, const char *path)
{
    bool as_it_is = path[0] == '/' || dir[0] == '\0';
    size_t size = strlen(dir) + strlen(path) + 2;
    char *full = malloc(size);
    must(full != NULL);
    snprintf(full, size, "%s%s%s", as_it_is ? "" : dir, as_it_is ? "" : "/", path);
    return full;
}

/* A file can be made in its directory. */
static void check_place(struct buf *out, enum option_id id, const char *dir)
{
    char *path = option_strdup(id);
    char *full = from_dir(dir, path);
    char *slash = strrchr(full, '/');
    if (slash != NULL && slash != full)
        *slash = '\0';
    const char *parent = slash == NULL ? "." : slash == full ? "/" : full;
    const char *why = path[0] != '\0' ? why_no_directory(parent, X_OK) : NULL;
    if (why != NULL)
        problem(out, id, "the directory %s cannot be used: %s", parent, why);
    free(full);
    free(path);
}

static void check_unix_socket(struct buf *out, const char *dir)
{
    struct sockaddr_un at;
    char *path = option_strdup(OPT_unixsocket);
    if (strlen(path) >= sizeof(at.sun_path)) {
        option_where(OPT_unixsocket, out);
        buf_printf(out, "unixsocket: the path is longer than %zu bytes\n", sizeof(at.sun_path) - 1);
    } else {
        check_place(out, OPT_unixsocket, dir);
    }
    if (path[0] == '\0' && option_num(OPT_port) == 0) {
        option_where(OPT_port, out);
        buf_append_str(out, "port: 0, and unixsocket is empty: nothing to listen on\n");
    }
    free(path);
}

static void check_text(struct buf *out, enum option_id id,
                       enum rc (*check)(struct slice text, struct err *err))
{
    struct err err;
    struct buf text = {0};
    option_text(id, &text);
    if (check(buf_slice(&text), &err) != RC_OK) {
        option_where(id, out);
        buf_printf(out, "%s\n", err.text);
    }
    buf_fini(&text);
}

void start_check(struct buf *problems)
{
    char *dir = option_strdup(OPT_dir);
    const char *why = dir[0] != '\0' ? why_no_directory(dir, R_OK | W_OK | X_OK) : NULL;
    if (why != NULL)
        problem(problems, OPT_dir, "the directory %s cannot be used: %s", dir, why);
    check_unix_socket(problems, why == NULL ? dir : "/");
    check_place(problems, OPT_logfile, why == NULL ? dir : "/");
    check_text(problems, OPT_backend, join_check_url);
    check_text(problems, OPT_rename_command, command_rename);
    free(dir);
}

/* A snapshot of a Redis beside a store that has nothing yet: somebody expects its keys here. */
static void say_dump(void)
{
    char *name = option_strdup(OPT_dbfilename), *backend = option_strdup(OPT_backend);
    const char *file = strchr(backend, ':') != NULL ? strchr(backend, ':') + 1 : backend;
    char *full = realpath(name, NULL);
    if (full != NULL && access(file, F_OK) != 0)
        log_line(LOG_WARNING,
                 "%s is a snapshot of a Redis, which Weir does not read, and the store is still "
                 "empty. To bring its keys here: let a redis-server load it on another port, and "
                 "copy each key with its DUMP and PTTL there and RESTORE here",
                 full);
    free(full);
    free(backend);
    free(name);
}

void start_say_without_effect(void)
{
    enum { LINE_MAX_BYTES = 800 };
    struct buf names = {0};
    options_stated_inert(&names);
    for (size_t at = 0; at < names.len;) { /* cut at commas into lines that the log can hold */
        size_t len = names.len - at;
        if (len > LINE_MAX_BYTES) {
            const char *comma = memrchr(names.data + at, ',', LINE_MAX_BYTES);
            len = (size_t)(comma - names.data) - at;
        }
        log_line(LOG_NOTICE, "Accepted without effect: %.*s", (int)len, names.data + at);
        at += len + 2;
    }
    buf_fini(&names);
    if (option_num(OPT_journal) == 0)
        log_line(LOG_WARNING, "journal no (appendonly no) has no effect: every write goes into the "
                              "journal, which is what makes it safe; journal-fsync (appendfsync) "
                              "says when it is synced");
    say_dump();
}
