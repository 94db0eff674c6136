/* DEBUG: helpers for tests, only where enable-debug-command allows them.
 *
 * What Redis's own suite asks for is here, one row of the table each; a few settle how Redis lays
 * out or reuses its memory, and are taken without effect where Weir has nothing to set (their help
 * says so).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/digest.h"

#include "base/glob.h"
#include "base/num.h"
#include "config/options.h"
#include "executor/find_keys.h"
#include "executor/wait.h"
#include "keyspace/dump.h"

#include <stdlib.h>
#include <time.h>

int find_keys_debug(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    static const char *const of_one_key[] = {"object", "listpack"};
    bool many = slice_is_word(argv[1], "digest-value");
    for (size_t i = 0; i < COUNT_OF(of_one_key) && !many; i++)
        many = argc == 3 && slice_is_word(argv[1], of_one_key[i]);
    for (uint32_t i = 2; many && i < argc; i++) {
        keys[i - 2].mode = KEY_READ;
        keys[i - 2].name = argv[i];
    }
    return many ? (int)argc - 2 : 0;
}

/* --- A key --- */

/* What Redis would save of the value: DUMP without its type byte, version and checksum. */
static size_t serialized_length(const struct value *v)
{
    enum { AROUND = 1 + 2 + 8 };
    struct buf payload = {0};
    size_t len = value_dump(&payload, v) && payload.len > AROUND ? payload.len - AROUND : 0;
    buf_fini(&payload);
    return len;
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
               (const void *)v, value_encoding(v), serialized_length(v),
               (long long)info.idle_seconds);
    buf_append(&text, "", 1);
    reply_simple(c->reply, text.data);
    buf_fini(&text);
}

static void debug_listpack(struct call *c)
{
    const struct value *v = txn_peek(c->txn, c->key);
    if (v == NULL)
        reply_error(c->reply, REPLY_NO_KEY);
    else if (strcmp(value_encoding(v), "listpack") != 0)
        reply_error(c->reply, "ERR Not a listpack encoded object.");
    else
        reply_simple(c->reply, "It is one block in the order of its elements");
}

static void debug_digest_value(struct call *c)
{
    reply_array(c->reply, c->keys_len);
    for (uint32_t i = 0; i < c->keys_len; i++) {
        char text[DIGEST_TEXT];
        struct digest d = {{0}};
        const struct value *v = txn_peek(c->txn, c->key + i);
        if (v != NULL)
            digest_value(&d, v);
        reply_simple(c->reply, digest_text(&d, text));
    }
}

/* --- The server --- */

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

static void debug_set_active_expire(struct call *c)
{
    int64_t on;
    if (!call_int(c, 2, &on, NULL))
        return;
    keyspace_set_active_expire(c->keyspace, on != 0);
    reply_ok(c->reply);
}

static void append_table(struct buf *out, const char *title, uint64_t elements)
{
    buf_printf(out, "[%s]\nHash table 0 stats (main hash table):\n", title);
    if (elements == 0)
        buf_append_str(out, "No stats available for empty dictionaries\n");
    else
        buf_printf(out, " number of elements: %llu\n", (unsigned long long)elements);
}

static void debug_htstats(struct call *c)
{
    int64_t db;
    if (!call_int(c, 2, &db, "ERR Out of range database"))
        return;
    if (db < 0 || db >= option_num(OPT_databases)) {
        reply_error(c->reply, "ERR Out of range database");
        return;
    }
    struct keyspace_db_info info;
    struct buf out = {0};
    keyspace_db_info(c->keyspace, (uint32_t)db, &info);
    append_table(&out, "Dictionary HT", info.resident);
    append_table(&out, "Expires HT", info.expires);
    reply_verbatim(c->reply, "txt", buf_slice(&out));
    buf_fini(&out);
}

static void debug_stringmatch_len(struct call *c)
{
    enum { LEN_MAX = 1 << 24 };
    int64_t len;
    if (!call_int(c, 2, &len, NULL))
        return;
    char *text = len >= 0 && len <= LEN_MAX ? malloc((size_t)len + 1) : NULL;
    if (text == NULL) {
        reply_error(c->reply, "ERR length is out of range");
        return;
    }
    memset(text, 'a', (size_t)len);
    reply_int(c->reply, glob_match(c->argv[3], slice_of(text, (size_t)len), false));
    free(text);
}

/* What Redis loads again from its files lies in the backend once it is flushed. */
static void debug_reload(struct call *c)
{
    if (c->keyspace == NULL || c->source == CALL_EXEC) {
        reply_error(c->reply, "ERR DEBUG RELOAD and LOADAOF run neither while Weir is loading nor "
                              "in a transaction");
    } else if (wait_flushed(c)) {
        keyspace_drop_clean(c->keyspace);
        reply_ok(c->reply);
    }
}

/* --- The protocol --- */

static void debug_check(struct call *c)
{
    keyspace_check(c->keyspace);
    reply_ok(c->reply);
}

static void debug_error(struct call *c)
{
    reply_errorf(c->reply, "%.*s", (int)min_u64(c->argv[2].len, 512), c->argv[2].ptr);
}

static void say_attribute(struct reply *r)
{
    if (r->proto >= 3) {
        reply_raw(r, SLICE("|1\r\n"));
        reply_bulk_str(r, "key-popularity");
        reply_array(r, 2);
        reply_bulk_str(r, "key:123");
        reply_int(r, 90);
    }
    reply_bulk_str(r, "Some real reply following the attribute");
}

static void say_push(struct reply *r)
{
    if (r->proto < 3) {
        reply_error(r, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(r, 2);
    reply_bulk_str(r, "server-cpu-usage");
    reply_int(r, 42);
    reply_bulk_str(r, "Some real reply following the push reply");
}

static void say_map(struct reply *r)
{
    reply_map(r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
        reply_bool(r, i == 1);
    }
}

static void say_numbers(struct reply *r)
{
    for (int i = 0; i < 3; i++)
        reply_int(r, i);
}

static void debug_protocol(struct call *c)
{
    struct slice type = c->argv[2];
    struct reply *r = c->reply;
    if (slice_is_word(type, "string")) {
        reply_bulk_str(r, "Hello World");
    } else if (slice_is_word(type, "integer")) {
        reply_int(r, 12345);
    } else if (slice_is_word(type, "double")) {
        reply_double(r, 3.141);
    } else if (slice_is_word(type, "bignum")) {
        reply_big_number(r, SLICE("1234567999999999999999999999999999999"));
    } else if (slice_is_word(type, "null")) {
        reply_null(r);
    } else if (slice_is_word(type, "array")) {
        reply_array(r, 3);
        say_numbers(r);
    } else if (slice_is_word(type, "set")) {
        reply_set(r, 3);
        say_numbers(r);
    } else if (slice_is_word(type, "map")) {
        say_map(r);
    } else if (slice_is_word(type, "attrib")) {
        say_attribute(r);
    } else if (slice_is_word(type, "push")) {
        say_push(r);
    } else if (slice_is_word(type, "verbatim")) {
        reply_verbatim(r, "txt", SLICE("This is a verbatim\nstring"));
    } else if (slice_is_word(type, "true") || slice_is_word(type, "false")) {
        reply_bool(r, slice_is_word(type, "true"));
    } else {
        reply_error(r, "ERR Wrong protocol type name. Please use one of the following: "
                       "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                       "true|false");
    }
}

/* --- Taken without effect --- */

static void debug_accept(struct call *c)
{
    reply_ok(c->reply);
}

/* --- The table --- */

static void debug_help(struct call *c);

static const struct {
    const char *name;
    uint32_t argc_min, argc_max;
    void (*run)(struct call *c);
    const char *arguments, *help;
} rows[] = {
    {"check", 2, 2, debug_check, "",
     "Counts everything anew and ends the process where a sum differs."},
    {"digest-value", 2, UINT32_MAX, debug_digest_value, "<key> [<key> ...]",
     "Signatures of values: equal values have equal ones, in this process."},
    {"error", 3, 3, debug_error, "<string>", "Replies with an error of this text."},
    {"help", 2, 2, debug_help, "", "Prints this."},
    {"htstats", 3, 4, debug_htstats, "<dbid> [full]", "How many keys of a database are in memory."},
    {"listpack", 3, 3, debug_listpack, "<key>", "Whether the value is one packed block."},
    {"loadaof", 2, 2, debug_reload, "", "The same as RELOAD: the journal is flushed, too."},
    {"object", 3, 3, debug_object, "<key>", "Low-level facts about a key and its value."},
    {"pause-cron", 3, 3, debug_accept, "<0|1>", "Accepted without effect."},
    {"protocol", 3, 3, debug_protocol, "<type>",
     "Replies with a test value of the type: string, integer, double, bignum, null, array, set, "
     "map, attrib, push, verbatim, true, false."},
    {"quicklist-packed-threshold", 3, 3, debug_accept, "<size>",
     "Accepted without effect: lists have no other kind of node."},
    {"reload", 2, 5, debug_reload, "[NOSAVE] [NOFLUSH] [MERGE]",
     "Flushes everything and drops it from memory; each key is loaded again when it is read. The "
     "options make no difference."},
    {"replybuffer", 4, 4, debug_accept, "<PEAK-RESET-TIME <NEVER|RESET|ms>|RESIZING <0|1>>",
     "Accepted without effect: buffers of replies are lent by the worker."},
    {"set-active-expire", 3, 3, debug_set_active_expire, "<0|1>",
     "0 leaves keys that have expired until somebody looks at them."},
    {"sleep", 3, 3, debug_sleep, "<seconds>",
     "Stops the worker of this client, and all its clients, for so long."},
    {"stringmatch-len", 4, 4, debug_stringmatch_len, "<length> <pattern>",
     "Whether a text of so many letters 'a' matches."},
};

static void debug_help(struct call *c)
{
    struct buf line = {0};
    reply_array(c->reply, 1 + 2 * COUNT_OF(rows));
    reply_simple(c->reply, "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        line.len = 0;
        for (const char *p = rows[i].name; *p != '\0'; p++)
            buf_append(&line, &(char){*p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p}, 1);
        buf_printf(&line, "%s%s", rows[i].arguments[0] == '\0' ? "" : " ", rows[i].arguments);
        buf_append(&line, "", 1);
        reply_simple(c->reply, line.data);
        line.len = 0;
        buf_printf(&line, "    %s", rows[i].help);
        buf_append(&line, "", 1);
        reply_simple(c->reply, line.data);
    }
    buf_fini(&line);
}

void cmd_debug(struct call *c)
{
    struct slice what = c->argv[1];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (c->argc < rows[i].argc_min || c->argc > rows[i].argc_max ||
            !slice_is_word(what, rows[i].name))
            continue;
        rows[i].run(c);
        return;
    }
    reply_errorf(c->reply,
                 "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
                 (int)min_u64(what.len, 128), what.ptr);
}
