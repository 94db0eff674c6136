/* SUBSCRIBE, PUBLISH and their kin. Who listens to what, and the delivery, is server/pubsub.c; here
 * are the replies: one for each channel, and as pushes they are not subject to CLIENT REPLY.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/glob.h"
#include "base/num.h"
#include "base/stats.h"
#include "config/options.h"
#include "executor/args.h"

/* What a client listens to, as the replies count it: shard channels are apart. */
static int64_t pubsub_count_of(const struct session *s, enum pubsub_kind kind)
{
    if (kind == PUBSUB_SHARD)
        return s->subscriptions[PUBSUB_SHARD];
    return (int64_t)s->subscriptions[PUBSUB_CHANNEL] + s->subscriptions[PUBSUB_PATTERN];
}

/* name NULL: none. */
static void reply_change(struct call *c, const char *word, enum pubsub_kind kind,
                         const struct slice *name)
{
    struct reply *r = c->reply;
    bool muted = r->muted;
    r->muted = false;
    reply_push(r, 3);
    reply_bulk_str(r, word);
    if (name != NULL)
        reply_bulk(r, *name);
    else
        reply_null(r);
    reply_int(r, pubsub_count_of(c->session, kind));
    r->muted = muted;
}

/* As when a request is too long, a client that names too much is closed. */
static bool pubsub_over_limit(struct session *s)
{
    if (s->subscription_bytes <= (size_t)option_num(OPT_client_query_buffer_limit))
        return false;
    stat_add(STAT_client_query_buffer_limit_disconnections, 1);
    s->flags |= SESSION_CLOSE_AFTER_REPLY;
    return true;
}

static void subscribe(struct call *c, enum pubsub_kind kind, const char *word)
{
    for (uint32_t i = 1; i < c->argc && !pubsub_over_limit(c->session); i++) {
        if (!c->host->pubsub->subscribe(c->session, kind, c->argv[i])) {
            call_out_of_memory(c);
            return;
        }
        reply_change(c, word, kind, &c->argv[i]);
    }
}

struct leaving {
    struct call *call;
    enum pubsub_kind kind;
    const char *word;
};

static void reply_left(void *arg, struct slice name)
{
    const struct leaving *l = arg;
    reply_change(l->call, l->word, l->kind, &name);
}

static void unsubscribe(struct call *c, enum pubsub_kind kind, const char *word)
{
    const struct host_pubsub *pubsub = c->host->pubsub;
    struct leaving leaving = {c, kind, word};
    for (uint32_t i = 1; i < c->argc; i++) {
        pubsub->unsubscribe(c->session, kind, c->argv[i]);
        reply_change(c, word, kind, &c->argv[i]);
    }
    if (c->argc > 1)
        return;
    if (!pubsub->unsubscribe_oldest(c->session, kind, reply_left, &leaving)) {
        reply_change(c, word, kind, NULL);
        return;
    }
    while (pubsub->unsubscribe_oldest(c->session, kind, reply_left, &leaving))
        ;
}

void cmd_subscribe(struct call *c)
{
    subscribe(c, PUBSUB_CHANNEL, "subscribe");
}

void cmd_psubscribe(struct call *c)
{
    subscribe(c, PUBSUB_PATTERN, "psubscribe");
}

void cmd_ssubscribe(struct call *c)
{
    if (c->source == CALL_EXEC)
        reply_error(c->reply, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    else
        subscribe(c, PUBSUB_SHARD, "ssubscribe");
}

void cmd_unsubscribe(struct call *c)
{
    unsubscribe(c, PUBSUB_CHANNEL, "unsubscribe");
}

void cmd_punsubscribe(struct call *c)
{
    unsubscribe(c, PUBSUB_PATTERN, "punsubscribe");
}

void cmd_sunsubscribe(struct call *c)
{
    unsubscribe(c, PUBSUB_SHARD, "sunsubscribe");
}

static void pubsub_publish(struct call *c, enum pubsub_kind kind)
{
    uint64_t receivers, lsn = c->txn != NULL ? txn_changed_lsn(c->txn) : 0; /* within EXEC */
    if (c->host->pubsub->publish(c->session, kind, c->argv[1], c->argv[2], lsn, &receivers))
        reply_int(c->reply, (int64_t)receivers);
    else
        call_out_of_memory(c);
}

void cmd_publish(struct call *c)
{
    pubsub_publish(c, PUBSUB_CHANNEL);
}

void cmd_spublish(struct call *c)
{
    pubsub_publish(c, PUBSUB_SHARD);
}

/* --- PUBSUB --- */

struct listing {
    struct call *call;
    uint64_t len;
};

static void pubsub_list_one(void *arg, struct slice name)
{
    struct listing *l = arg;
    if (l->call->argc == 3 && !glob_match(l->call->argv[2], name, false))
        return;
    reply_bulk(l->call->reply, name);
    l->len++;
}

static void list_channels(struct call *c, enum pubsub_kind kind)
{
    struct listing listing = {.call = c};
    if (c->argc > 3) {
        reply_errorf(c->reply,
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB "
                     "HELP.",
                     (int)min_u64(c->argv[1].len, 128), c->argv[1].ptr);
        return;
    }
    size_t begin = reply_array_begin(c->reply);
    c->host->pubsub->each(c->session, kind, pubsub_list_one, &listing);
    reply_array_end(c->reply, begin, listing.len);
}

void cmd_pubsub_channels(struct call *c)
{
    list_channels(c, PUBSUB_CHANNEL);
}

void cmd_pubsub_shardchannels(struct call *c)
{
    list_channels(c, PUBSUB_SHARD);
}

static void count_subscribers(struct call *c, enum pubsub_kind kind)
{
    size_t mark = c->reply->buf.len;
    reply_array(c->reply, ((uint64_t)c->argc - 2) * 2);
    for (uint32_t i = 2; i < c->argc && args_reply_fits(c, mark); i++) {
        reply_bulk(c->reply, c->argv[i]);
        reply_int(c->reply, (int64_t)c->host->pubsub->subscribers(c->session, kind, c->argv[i]));
    }
}

void cmd_pubsub_numsub(struct call *c)
{
    count_subscribers(c, PUBSUB_CHANNEL);
}

void cmd_pubsub_shardnumsub(struct call *c)
{
    count_subscribers(c, PUBSUB_SHARD);
}

void cmd_pubsub_numpat(struct call *c)
{
    reply_int(c->reply, (int64_t)c->host->pubsub->count(c->session, PUBSUB_PATTERN));
}

void cmd_pubsub_help(struct call *c)
{
    call_help(c);
}
