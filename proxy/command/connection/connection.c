/* HELLO AUTH PING ECHO SELECT QUIT RESET: the connection itself.
 *
 * There is one user, "default", whose password is requirepass.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"
#include "base/stats.h"
#include "command/connection/names.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/version.h"

#include <stdlib.h>

static const char WRONGPASS[] = "WRONGPASS invalid username-password pair or user is disabled.";

/* Compares in a time that tells nothing about where the texts differ. */
static bool same_secret(struct slice given, struct slice secret)
{
    unsigned char differs = given.len != secret.len;
    for (size_t i = 0; i < given.len; i++)
        differs |= (unsigned char)(given.ptr[i] ^ secret.ptr[i % secret.len]);
    return differs == 0;
}

static bool password_fits(struct slice user, struct slice given)
{
    struct buf secret = {0}; /* empty when none is set */
    option_text(OPT_requirepass, &secret);
    bool fits = slice_eq(user, SLICE("default")) &&
                (secret.len == 0 || same_secret(given, buf_slice(&secret)));
    buf_fini(&secret);
    if (!fits)
        stat_add(STAT_acl_access_denied_auth, 1);
    return fits;
}

void cmd_auth(struct call *c)
{
    if (c->argc > 3) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    if (c->argc == 2 && !session_password_is_set()) {
        reply_error(c->reply, "ERR AUTH <password> called without any password configured for "
                              "the default user. Are you sure your configuration is correct?");
        return;
    }
    struct slice user = c->argc == 3 ? c->argv[1] : SLICE("default");
    if (!password_fits(user, c->argv[c->argc - 1])) {
        reply_error(c->reply, WRONGPASS);
        return;
    }
    c->session->flags |= SESSION_AUTHENTICATED;
    reply_ok(c->reply);
}

struct hello {
    int64_t proto; /* 0: not given */
    struct slice user, password, name;
    bool has_auth, has_name;
};

static bool parse_hello(struct call *c, struct hello *h)
{
    if (c->argc >= 2) {
        if (!call_int(c, 1, &h->proto, "ERR Protocol version is not an integer or out of range"))
            return false;
        if (h->proto < 2 || h->proto > 3) {
            reply_error(c->reply, "NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (uint32_t i = 2; i < c->argc; i++) {
        uint32_t more = c->argc - 1 - i;
        if (slice_is_word(c->argv[i], "auth") && more >= 2) {
            h->has_auth = true;
            h->user = c->argv[i + 1];
            h->password = c->argv[i + 2];
            i += 2;
        } else if (slice_is_word(c->argv[i], "setname") && more >= 1) {
            h->has_name = true;
            h->name = c->argv[++i];
            if (!name_is_plain(h->name)) {
                reply_error(c->reply, NAME_NOT_PLAIN);
                return false;
            }
        } else {
            reply_errorf(c->reply, "ERR Syntax error in HELLO option '%.*s'",
                         (int)min_u64(c->argv[i].len, 128), c->argv[i].ptr);
            return false;
        }
    }
    return true;
}

static void reply_hello(struct call *c)
{
    reply_map(c->reply, 7);
    reply_bulk_str(c->reply, "server");
    reply_bulk_str(c->reply, "redis");
    reply_bulk_str(c->reply, "version");
    reply_bulk_str(c->reply, REDIS_VERSION);
    reply_bulk_str(c->reply, "proto");
    reply_int(c->reply, c->reply->proto);
    reply_bulk_str(c->reply, "id");
    reply_int(c->reply, (int64_t)c->session->id);
    reply_bulk_str(c->reply, "mode");
    reply_bulk_str(c->reply, "standalone");
    reply_bulk_str(c->reply, "role");
    reply_bulk_str(c->reply, "master");
    reply_bulk_str(c->reply, "modules");
    reply_array(c->reply, 0);
}

void cmd_hello(struct call *c)
{
    struct hello h = {0};
    if (!parse_hello(c, &h))
        return;
    if (h.has_auth) {
        if (!password_fits(h.user, h.password)) {
            reply_error(c->reply, WRONGPASS);
            return;
        }
        c->session->flags |= SESSION_AUTHENTICATED;
    }
    if (session_is_untrusted(c->session)) {
        reply_error(c->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                    "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                    "client and select the RESP protocol version at the same time");
        return;
    }
    if (h.has_name && !name_set(&c->session->name, h.name)) {
        call_out_of_memory(c);
        return;
    }
    if (h.proto != 0)
        c->reply->proto = (uint8_t)h.proto;
    reply_hello(c);
}

/* A subscribed RESP2 client gets PONG in the form of a message. */
static void reply_pong(struct call *c)
{
    reply_array(c->reply, 2);
    reply_bulk_str(c->reply, "pong");
    reply_bulk(c->reply, c->argc == 2 ? c->argv[1] : SLICE(""));
}

void cmd_ping(struct call *c)
{
    if (c->argc > 2)
        reply_error(c->reply, "ERR wrong number of arguments for 'ping' command");
    else if (session_is_subscribed(c->session) && c->reply->proto < 3)
        reply_pong(c);
    else if (c->argc == 2)
        reply_bulk(c->reply, c->argv[1]);
    else
        reply_simple(c->reply, "PONG");
}

void cmd_echo(struct call *c)
{
    reply_bulk(c->reply, c->argv[1]);
}

void cmd_select(struct call *c)
{
    int64_t db;
    if (!call_int(c, 1, &db, NULL))
        return;
    if (db < INT32_MIN || db > INT32_MAX)
        reply_errorf(c->reply, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                     INT32_MAX);
    else if (db < 0 || db >= option_num(OPT_databases))
        reply_error(c->reply, "ERR DB index is out of range");
    else {
        c->session->db = (uint32_t)db;
        reply_ok(c->reply);
    }
}

void cmd_quit(struct call *c)
{
    reply_ok(c->reply);
    c->session->flags |= SESSION_CLOSE_AFTER_REPLY;
}

static void forget_name(void *arg, struct slice name)
{
    (void)arg;
    (void)name;
}

static void unsubscribe_all(struct call *c)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        while (c->session->subscriptions[kind] > 0)
            (void)c->host->pubsub->unsubscribe_oldest(c->session, (enum pubsub_kind)kind,
                                                      forget_name, NULL);
}

void cmd_reset(struct call *c)
{
    unsubscribe_all(c);
    monitor_leave(c->session);
    session_reset(c->session, c->keyspace, !session_password_is_set());
    reply_simple(c->reply, "RESET");
}
