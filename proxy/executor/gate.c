/* See gate.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/gate.h"

#include "base/log.h"
#include "config/words.h"
#include "executor/attention.h"

#include <stdio.h>
#include <string.h>

/* A line of HTTP: a browser was made to talk to this port, and commands of an attacker may follow
 * in the body. */
static bool is_http(struct slice name)
{
    return slice_is_word(name, "post") || slice_is_word(name, "host:");
}

/* The connection ends before anything of the body runs. Said once a minute, since the attacker
 * decides how often it happens. */
static void end_http(struct command_worker *w, struct session *s)
{
    enum { SAY_EVERY_US = 60 * 1000 * 1000 };
    static _Atomic int64_t said_at_us;
    if (log_is_due(&said_at_us, SAY_EVERY_US))
        log_line(LOG_WARNING,
                 "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or "
                 "Host: commands to Weir. This is likely due to an attacker attempting to use "
                 "Cross Protocol Scripting to compromise your Weir instance. Connection from %s "
                 "aborted.",
                 s->addr);
    w->host->session_close(s, true);
}

static void reject_unknown(struct command_worker *w, struct session *s, const struct request *r)
{
    enum { PREVIEW_MAX = 128 };
    struct buf text = {0};
    if (UNLIKELY(is_http(r->argv[0])) && w->host != NULL) {
        end_http(w, s);
        return;
    }
    const struct command *parent = command_find(r->argv[0]);
    if (parent != NULL) {
        must((parent->flags & CMD_CONTAINER) != 0);
        struct slice sub = r->argv[1];
        buf_printf(&text, "ERR unknown subcommand '%.*s'. Try ", (int)min_u64(sub.len, PREVIEW_MAX),
                   sub.ptr);
        for (const char *p = parent->name; *p != '\0'; p++)
            buf_append(&text, &(char){(char)(*p - 32)}, 1);
        buf_append_str(&text, " HELP.");
    } else {
        buf_append_str(&text, "ERR unknown command '");
        buf_append(&text, r->argv[0].ptr, min_u64(r->argv[0].len, PREVIEW_MAX));
        buf_append_str(&text, "', with args beginning with: ");
        size_t shown = 0;
        for (uint32_t i = 1; i < r->argc && shown < PREVIEW_MAX; i++) {
            size_t len = min_u64(r->argv[i].len, PREVIEW_MAX - shown);
            buf_append_str(&text, "'");
            buf_append(&text, r->argv[i].ptr, len);
            buf_append_str(&text, "' ");
            shown += len + 3;
        }
    }
    for (size_t i = 0; i < text.len; i++) /* reply_error takes a C string */
        if (text.data[i] == '\0')
            text.data[i] = ' ';
    buf_append(&text, "", 1);
    worker_reject(w, s, NULL, text.data);
    buf_fini(&text);
}

/* Whether DEBUG may be used by this client. */
static bool debug_is_allowed(const struct session *s)
{
    switch ((enum debug_users)option_num(OPT_enable_debug_command)) {
    case DEBUG_FOR_ALL:
        return true;
    case DEBUG_FOR_LOCAL:
        return (s->flags & SESSION_UNIX) != 0 || strncmp(s->addr, "127.", 4) == 0 ||
               strncmp(s->addr, "[::1]", 5) == 0 || strncmp(s->addr, "::1", 3) == 0;
    case DEBUG_FOR_NOBODY:
        break;
    }
    return false;
}

/* What a RESP2 client that listens to channels may still send: only these answers cannot be taken
 * for a message. */
static bool goes_with_messages(const struct command *command)
{
    switch (command->id) {
    case COMMAND_subscribe:
    case COMMAND_psubscribe:
    case COMMAND_ssubscribe:
    case COMMAND_unsubscribe:
    case COMMAND_punsubscribe:
    case COMMAND_sunsubscribe:
    case COMMAND_ping:
    case COMMAND_quit:
    case COMMAND_reset:
        return true;
    default:
        return false;
    }
}

bool gate_examine(struct command_worker *w, struct session *s, const struct command *command,
                  const struct request *r)
{
    if (command == NULL) {
        reject_unknown(w, s, r);
        return false;
    }
    if (!gate_arity_holds(command, r->argc) || command->run == NULL) {
        char text[96];
        snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command",
                 command->name);
        worker_reject(w, s, command, text);
        return false;
    }
    if (UNLIKELY(command->id == COMMAND_debug) && !debug_is_allowed(s)) {
        worker_reject(w, s, command,
                      "ERR DEBUG command not allowed. If the enable-debug-command option is set "
                      "to \"local\", you can run it from a local connection, otherwise you need "
                      "to set this option in the configuration file, and then restart the "
                      "server.");
        return false;
    }
    if (UNLIKELY(session_is_untrusted(s)) && (command->flags & CMD_NO_AUTH) == 0) {
        worker_reject(w, s, command, "NOAUTH Authentication required.");
        return false;
    }
    if (UNLIKELY((s->flags & SESSION_MULTI) != 0) && (command->flags & CMD_NO_MULTI) != 0) {
        worker_reject(w, s, command, "ERR Command not allowed inside a transaction");
        return false;
    }
    if (UNLIKELY(session_is_subscribed(s)) && s->reply.proto < 3 && !goes_with_messages(command)) {
        char text[192];
        snprintf(text, sizeof(text),
                 "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                 "RESET are allowed in this context",
                 command->name);
        worker_reject(w, s, command, text);
        return false;
    }
    if (UNLIKELY(w->ks == NULL) &&
        ((command->flags & CMD_LOADING) == 0 || (command->flags & CMD_NO_TXN) == 0)) {
        worker_reject(w, s, command, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    return true;
}

bool gate_refuses_monitor(struct command_worker *w, struct session *s,
                          const struct command *command)
{
    if ((s->flags & SESSION_MONITOR) == 0)
        return false;
    if ((command->flags & CMD_READONLY) == 0 && !pause_is_write(s, command))
        return false;
    worker_reject(w, s, command, "ERR Replica can't interact with the keyspace");
    return true;
}
