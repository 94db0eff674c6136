/* See executor/slowlog.h. SLOWLOG shows the log; LATENCY (latency.c) shows the monitor.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/slowlog.h"

#include "base/lock.h"
#include "base/num.h"
#include "config/options.h"
#include "executor/command.h"

#include <stdlib.h>
#include <string.h>

struct slow_entry {
    struct slow_entry *next; /* older */
    uint64_t id;
    int64_t at_s, duration_us;
    uint32_t argc;
    struct buf args[SLOWLOG_ARGS_MAX];
    char addr[80];
    char name[64]; /* cut */
};

static struct lock log_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct slow_entry *newest GUARDED_BY(log_lock);
static uint64_t entries GUARDED_BY(log_lock), next_id GUARDED_BY(log_lock);

static void entry_free(struct slow_entry *e)
{
    for (uint32_t i = 0; i < e->argc; i++)
        buf_fini(&e->args[i]);
    free(e);
}

/* Drops what is beyond the newest `keep`. */
static void trim(uint64_t keep) REQUIRES(log_lock)
{
    struct slow_entry **at = &newest;
    for (uint64_t i = 0; i < keep && *at != NULL; i++)
        at = &(*at)->next;
    while (*at != NULL) {
        struct slow_entry *e = *at;
        *at = e->next;
        entry_free(e);
        entries--;
    }
}

bool slowlog_is_secret(const struct slice *argv, uint32_t argc, uint32_t i)
{
    if (slice_is_word(argv[0], "auth"))
        return i > 0;
    if (slice_is_word(argv[0], "hello"))
        return (i >= 3 && slice_is_word(argv[i - 1], "auth")) ||
               (i >= 4 && slice_is_word(argv[i - 2], "auth"));
    if (argc > 2 && slice_is_word(argv[0], "config") && slice_is_word(argv[1], "set"))
        return i >= 3 && i % 2 == 1 && slice_is_word(argv[i - 1], "requirepass");
    return false;
}

static void keep_arg(struct buf *out, struct slice arg)
{
    if (arg.len <= SLOWLOG_ARG_BYTES_MAX) {
        buf_append_slice(out, arg);
        return;
    }
    buf_append(out, arg.ptr, SLOWLOG_ARG_BYTES_MAX);
    buf_printf(out, "... (%zu more bytes)", arg.len - SLOWLOG_ARG_BYTES_MAX);
}

static void keep_args(struct slow_entry *e, uint32_t argc, const struct slice *argv)
{
    e->argc = (uint32_t)min_u64(argc, SLOWLOG_ARGS_MAX);
    for (uint32_t i = 0; i < e->argc; i++) {
        if (argc > SLOWLOG_ARGS_MAX && i == SLOWLOG_ARGS_MAX - 1)
            buf_printf(&e->args[i], "... (%u more arguments)", argc - SLOWLOG_ARGS_MAX + 1);
        else if (slowlog_is_secret(argv, argc, i))
            buf_append_str(&e->args[i], "(redacted)");
        else
            keep_arg(&e->args[i], argv[i]);
    }
}

void slowlog_add(const struct session *s, uint32_t argc, const struct slice *argv,
                 int64_t duration_us)
{
    uint64_t keep = (uint64_t)option_num(OPT_slowlog_max_len);
    struct slow_entry *e = keep == 0 ? NULL : calloc(1, sizeof(*e));
    if (e == NULL)
        return;
    e->at_s = clock_wall().ms / 1000;
    e->duration_us = duration_us;
    keep_args(e, argc, argv);
    memcpy(e->addr, s->addr, sizeof(e->addr));
    if (s->name != NULL)
        memcpy(e->name, s->name, min_u64(strlen(s->name), sizeof(e->name) - 1));
    lock_acquire(&log_lock);
    e->id = next_id++;
    e->next = newest;
    newest = e;
    entries++;
    trim(keep);
    lock_release(&log_lock);
}

static void reply_entry(struct reply *r, const struct slow_entry *e)
{
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
    lock_acquire(&log_lock);
    uint64_t n = count < 0 ? entries : min_u64((uint64_t)count, entries);
    reply_array(c->reply, n);
    const struct slow_entry *e = newest;
    for (uint64_t i = 0; i < n; i++, e = e->next)
        reply_entry(c->reply, e);
    lock_release(&log_lock);
}

void cmd_slowlog_len(struct call *c)
{
    lock_acquire(&log_lock);
    reply_int(c->reply, (int64_t)entries);
    lock_release(&log_lock);
}

void cmd_slowlog_reset(struct call *c)
{
    lock_acquire(&log_lock);
    trim(0);
    lock_release(&log_lock);
    reply_ok(c->reply);
}

void cmd_slowlog_help(struct call *c)
{
    call_help(c);
}
