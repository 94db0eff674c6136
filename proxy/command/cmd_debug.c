/* DEBUG: helpers for tests, only where enable-debug-command allows them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"
#include "command/find_keys.h"

#include <time.h>

int find_keys_debug(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    if (argc != 3 || !slice_is_word(argv[1], "object"))
        return 0;
    keys[0].mode = KEY_READ;
    keys[0].name = argv[2];
    return 1;
}

static void debug_object(struct call *c)
{
    const struct value *v = txn_peek(c->txn, c->key);
    if (v == NULL) {
        reply_error(c->reply, REPLY_NO_KEY);
        return;
    }
    struct txn_object_info info;
    txn_object_info(c->txn, c->key, &info);
    struct buf text = {0};
    buf_printf(&text,
               "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:0 "
               "lru_seconds_idle:%lld",
               (const void *)v, value_encoding(v), info.memory_bytes, (long long)info.idle_seconds);
    buf_append(&text, "", 1);
    reply_simple(c->reply, text.data);
    buf_fini(&text);
}

/* Holds up this worker and all its clients, which is what it is for. */
static void debug_sleep(struct call *c)
{
    double seconds;
    if (!num_parse_double(c->argv[2], &seconds) || seconds < 0 || seconds > 3600) {
        reply_error(c->reply, REPLY_NOT_FLOAT);
        return;
    }
    struct timespec left = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        continue;
    reply_ok(c->reply);
}

void cmd_debug(struct call *c)
{
    struct slice what = c->argv[1];
    int64_t on;
    if (c->argc == 3 && slice_is_word(what, "sleep")) {
        debug_sleep(c);
    } else if (c->argc == 3 && slice_is_word(what, "object")) {
        debug_object(c);
    } else if (c->argc == 3 && slice_is_word(what, "set-active-expire")) {
        if (!call_int(c, 2, &on, NULL))
            return;
        keyspace_set_active_expire(c->keyspace, on != 0);
        reply_ok(c->reply);
    } else if (c->argc == 2 && slice_is_word(what, "check")) {
        keyspace_check(c->keyspace);
        reply_ok(c->reply);
    } else {
        reply_errorf(c->reply,
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG "
                     "HELP.",
                     (int)min_u64(what.len, 128), what.ptr);
    }
}
