/* CONFIG: the directives of config/options.def, at run time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "base/stats.h"
#include "config/options.h"
#include "executor/cmdstats.h"
#include "executor/call.h"
#include "executor/order.h"

struct config_found {
    struct slice names[OPT_COUNT * 2]; /* aliases have names of their own */
    enum option_id ids[OPT_COUNT * 2];
    uint32_t len;
    struct slice asked; /* a name, which is answered as it was spelt; a pattern has ptr NULL */
};

static void note(void *ctx, const char *name, enum option_id id)
{
    struct config_found *f = ctx;
    for (uint32_t i = 0; i < f->len; i++)
        if (slice_is_word(f->names[i], name))
            return;
    must(f->len < COUNT_OF(f->names));
    f->names[f->len] = f->asked.ptr != NULL ? f->asked : slice_str(name);
    f->ids[f->len++] = id;
}

static bool is_pattern(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr("[*?", text.ptr[i], 3) != NULL)
            return true;
    return false;
}

void cmd_config_get(struct call *c)
{
    struct config_found found = {.len = 0};
    for (uint32_t i = 2; i < c->argc; i++) {
        found.asked = is_pattern(c->argv[i]) ? (struct slice){0} : c->argv[i];
        options_match(c->argv[i], note, &found);
    }
    reply_map(c->reply, found.len);
    struct buf text = {0};
    for (uint32_t i = 0; i < found.len; i++) {
        text.len = 0;
        option_text(found.ids[i], &text);
        reply_bulk(c->reply, found.names[i]);
        reply_bulk(c->reply, buf_slice(&text));
    }
    buf_fini(&text);
}

/* Which directives, without their values: some are passwords. */
static void log_names(const struct call *c)
{
    struct buf text = {0};
    for (uint32_t i = 2; i < c->argc; i += 2) {
        buf_append_str(&text, " ");
        buf_append_escaped(&text, c->argv[i], 64);
    }
    buf_append(&text, "", 1);
    call_log(c, text.data);
    buf_fini(&text);
}

void cmd_config_set(struct call *c)
{
    struct err err;
    const char *failed = NULL;
    if (c->argc % 2 != 0) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    enum rc rc = options_set(c->argv + 2, (c->argc - 2) / 2, &failed, &err);
    if (rc == RC_OK) {
        log_names(c);
        reply_ok(c->reply);
    } else if (rc == RC_NOT_FOUND) {
        reply_errorf(c->reply, "ERR %s", err.text);
    } else {
        reply_errorf(c->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
                     failed == NULL ? "" : failed, err.text);
    }
}

void cmd_config_resetstat(struct call *c)
{
    stats_reset();
    cmdstats_reset();
    lock_forget_holds();
    reply_ok(c->reply);
}

/* A worker neither reads nor writes files, so that the cutter does it. While the server loads there
 * is no cutter yet, and nobody who could be held up. */
static bool rewrite(struct call *c, enum rc *rc, struct err *err)
{
    const struct writeback_order what = {.kind = ORDER_REWRITE_CONFIG};
    struct order *order;
    uint64_t count;
    if (c->keyspace == NULL) {
        *rc = options_rewrite(err);
        return true;
    }
    if (!call_order(c, &what, &order))
        return false;
    *rc = order_result(order, &count, err);
    call_order_end(c);
    return true;
}

void cmd_config_rewrite(struct call *c)
{
    enum rc rc;
    struct err err;
    if (options_path()[0] == '\0')
        reply_error(c->reply, "ERR The server is running without a config file");
    else if (!rewrite(c, &rc, &err))
        return;
    else if (rc != RC_OK)
        reply_errorf(c->reply, "ERR Rewriting config file: %s", err.text);
    else
        reply_ok(c->reply);
}

void cmd_config_help(struct call *c)
{
    call_help(c);
}
