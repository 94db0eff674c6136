/* See slowlog.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/slowlog.h"

#include "base/lock.h"
#include "base/num.h"
#include "config/options.h"

#include <stdlib.h>
#include <string.h>

static struct lock log_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct slowlog_entry *newest GUARDED_BY(log_lock);
static uint64_t entries GUARDED_BY(log_lock), next_id GUARDED_BY(log_lock);

static void entry_free(struct slowlog_entry *e)
{
    for (uint32_t i = 0; i < e->argc; i++)
        buf_fini(&e->args[i]);
    free(e);
}

/* Drops what is beyond the newest `keep`. */
static void slowlog_trim(uint64_t keep) REQUIRES(log_lock)
{
    struct slowlog_entry **at = &newest;
    for (uint64_t i = 0; i < keep && *at != NULL; i++)
        at = &(*at)->next;
    while (*at != NULL) {
        struct slowlog_entry *e = *at;
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

static void slowlog_keep_args(struct slowlog_entry *e, uint32_t argc, const struct slice *argv)
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
    struct slowlog_entry *e = keep == 0 ? NULL : calloc(1, sizeof(*e));
    if (e == NULL)
        return;
    e->at_s = clock_wall().ms / 1000;
    e->duration_us = duration_us;
    slowlog_keep_args(e, argc, argv);
    memcpy(e->addr, s->addr, sizeof(e->addr));
    if (s->name != NULL)
        memcpy(e->name, s->name, min_u64(strlen(s->name), sizeof(e->name) - 1));
    lock_acquire(&log_lock);
    e->id = next_id++;
    e->next = newest;
    newest = e;
    entries++;
    slowlog_trim(keep);
    lock_release(&log_lock);
}

uint64_t slowlog_each(uint64_t most, void (*each)(void *ctx, const struct slowlog_entry *e),
                      void *ctx)
{
    uint64_t n = 0;
    lock_acquire(&log_lock);
    for (const struct slowlog_entry *e = newest; e != NULL && n < most; e = e->next, n++)
        each(ctx, e);
    lock_release(&log_lock);
    return n;
}

uint64_t slowlog_len(void)
{
    lock_acquire(&log_lock);
    uint64_t len = entries;
    lock_release(&log_lock);
    return len;
}

void slowlog_reset(void)
{
    lock_acquire(&log_lock);
    slowlog_trim(0);
    lock_release(&log_lock);
}
