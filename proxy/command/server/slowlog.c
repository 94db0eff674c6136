/* SLOWLOG shows the slow log (executor/slowlog.h).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"
#include "executor/call.h"
#include "executor/slowlog.h"

static void show_entry(void *ctx, const struct slowlog_entry *e)
{
    struct reply *r = ctx;
    reply_array(r, 6);
    reply_int(r, (int64_t)e->id);
    reply_int(r, e->at_s);
    reply_int(r, e->duration_us);
    reply_array(r, e->argc);
    for (uint32_t i = 0; i < e->argc; i++)
        reply_bulk(r, buf_slice(&e->args[i]));
    reply_bulk_str(r, e->addr);
    reply_bulk_str(r, e->name);
}

void cmd_slowlog_get(struct call *c)
{
    int64_t count = 10;
    if (c->argc > 3) {
        reply_error(c->reply, "ERR wrong number of arguments for 'slowlog|get' command");
        return;
    }
    if (c->argc == 3 && (!num_parse_i64(c->argv[2], &count) || count < -1)) {
        reply_error(c->reply, "ERR count should be greater than or equal to -1");
        return;
    }
    call_depends_on_all(c); /* it shows the arguments of writes */
    size_t begin = reply_array_begin(c->reply);
    uint64_t n = slowlog_each(count < 0 ? UINT64_MAX : (uint64_t)count, show_entry, c->reply);
    reply_array_end(c->reply, begin, n);
}

void cmd_slowlog_len(struct call *c)
{
    reply_int(c->reply, (int64_t)slowlog_len());
}

void cmd_slowlog_reset(struct call *c)
{
    slowlog_reset();
    reply_ok(c->reply);
}

void cmd_slowlog_help(struct call *c)
{
    call_help(c);
}
