/* What is asked of the server as a whole: TIME ROLE REPLICAOF CLUSTER MODULE LOLWUT SHUTDOWN, and
 * the commands that Redis has for saving, which here mean a flush to the backend.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"
#include "executor/call.h"
#include "executor/version.h"
#include "executor/wait.h"
#include "journal/journal.h"
#include "writeback/writeback.h"

#include <time.h>

void cmd_time(struct call *c)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    reply_array(c->reply, 2);
    reply_bulk_i64(c->reply, ts.tv_sec);
    reply_bulk_i64(c->reply, ts.tv_nsec / 1000);
}

/* No replication: a master at offset 0 without replicas. */
void cmd_role(struct call *c)
{
    reply_array(c->reply, 3);
    reply_bulk_str(c->reply, "master");
    reply_int(c->reply, 0);
    reply_array(c->reply, 0);
}

/* A client or tool that configures replication turns it off where there was none: that is done. */
void cmd_replicaof(struct call *c)
{
    if (slice_is_word(c->argv[1], "no") && slice_is_word(c->argv[2], "one"))
        reply_ok(c->reply);
    else
        reply_error(c->reply, "ERR Weir replicates from nobody: what it serves is in its backend");
}

void cmd_slaveof(struct call *c)
{
    cmd_replicaof(c);
}

/* --- Clusters: there is none --- */

void cmd_cluster(struct call *c)
{
    reply_error(c->reply, "ERR This instance has cluster support disabled");
}

void cmd_readonly(struct call *c)
{
    cmd_cluster(c);
}

void cmd_readwrite(struct call *c)
{
    cmd_cluster(c);
}

void cmd_asking(struct call *c)
{
    cmd_cluster(c);
}

void cmd_module_list(struct call *c)
{
    reply_array(c->reply, 0);
}

void cmd_module_help(struct call *c)
{
    call_help(c);
}

void cmd_lolwut(struct call *c)
{
    static const char picture[] = "   ~  ~    ~   ~ ~\n"
                                  " ~~~~~~~~~~~~~~~~~~~~|\n"
                                  " ~~~~~~~~~~~~~~~~~~~~|\\\n"
                                  " ~~~~~~~~~~~~~~~~~~~~| \\_______________\n"
                                  " ~~~~~~~~~~~~~~~~~~~~|  ~  ~  ~  ~  ~  ~\n\n"
                                  "Redis ver. " REDIS_VERSION " (Weir " WEIR_VERSION ")\n";
    int64_t version;
    if (c->argc >= 3 && slice_is_word(c->argv[1], "version") && !call_int(c, 2, &version, NULL))
        return;
    reply_verbatim(c->reply, "txt", SLICE(picture));
}

/* --- Saving --- */

void cmd_save(struct call *c)
{
    if (wait_flushed(c))
        reply_ok(c->reply);
}

void cmd_bgsave(struct call *c)
{
    if (c->argc > 2 || (c->argc == 2 && !slice_is_word(c->argv[1], "schedule"))) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    (void)writeback_request_flush(keyspace_writeback(c->keyspace));
    reply_simple(c->reply, "Background saving started");
}

void cmd_bgrewriteaof(struct call *c)
{
    (void)writeback_request_flush(keyspace_writeback(c->keyspace));
    reply_simple(c->reply, "Background append only file rewriting started");
}

void cmd_lastsave(struct call *c)
{
    struct host_info host;
    c->host->info(c->host->ctx, &host);
    int64_t at_ms = host.started_at_wall.ms;
    if (c->keyspace != NULL) {
        struct writeback_info info;
        writeback_get_info(keyspace_writeback(c->keyspace), &info);
        if (info.last_flush_age_ms >= 0)
            at_ms = clock_wall().ms - info.last_flush_age_ms;
    }
    reply_int(c->reply, at_ms / 1000);
}

/* --- SHUTDOWN --- */

void cmd_shutdown(struct call *c)
{
    bool nosave = false, save = false, hurry = false, abort = false;
    for (uint32_t i = 1; i < c->argc; i++) {
        struct slice word = c->argv[i];
        nosave |= slice_is_word(word, "nosave");
        save |= slice_is_word(word, "save");
        abort |= slice_is_word(word, "abort");
        hurry |= slice_is_word(word, "now") || slice_is_word(word, "force");
        if (!slice_is_word(word, "nosave") && !slice_is_word(word, "save") &&
            !slice_is_word(word, "abort") && !slice_is_word(word, "now") &&
            !slice_is_word(word, "force")) {
            reply_error(c->reply, REPLY_SYNTAX);
            return;
        }
    }
    if ((nosave && save) || (abort && (nosave || save || hurry))) {
        reply_error(c->reply, REPLY_SYNTAX);
    } else if (abort) {
        if (c->host->shutdown_abort(c->host->ctx))
            reply_ok(c->reply);
        else
            reply_error(c->reply, "ERR No shutdown in progress.");
    } else {
        c->host->shutdown(c->host->ctx, !nosave); /* the end of the connection is the answer */
    }
}
