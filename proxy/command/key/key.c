/* Keys of any type: deleting, asking, moving, and whole databases.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"
#include "executor/find_keys.h"

#include "base/stats.h"
#include "config/words.h"

#include <stdlib.h>

static void remove_keys(struct call *c)
{
    int64_t removed = 0;
    for (uint32_t i = 0; i < c->keys_len; i++) {
        if (!txn_remove(c->txn, c->key + i))
            continue;
        call_notify(c, NOTIFY_GENERIC, "del", i);
        removed++;
    }
    reply_int(c->reply, removed);
}

void cmd_del(struct call *c)
{
    remove_keys(c);
}

void cmd_unlink(struct call *c)
{
    remove_keys(c);
}

static void key_count_keys(struct call *c)
{
    int64_t found = 0;
    for (uint32_t i = 0; i < c->keys_len; i++)
        found += txn_read(c->txn, c->key + i) != NULL;
    reply_int(c->reply, found);
}

void cmd_exists(struct call *c)
{
    key_count_keys(c);
}

void cmd_touch(struct call *c)
{
    key_count_keys(c);
}

void cmd_type(struct call *c)
{
    const struct value *v = txn_read(c->txn, c->key);
    reply_simple(c->reply, value_type_name(v != NULL ? v->type : VALUE_NONE));
}

/* --- Moving --- */

int find_keys_rename(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    (void)argc;
    keys[0].name = argv[1];
    keys[0].mode = KEY_UPDATE;
    keys[1].name = argv[2];
    keys[1].mode = slice_eq(argv[1], argv[2]) ? KEY_UPDATE : KEY_OVERWRITE;
    return 2;
}

int find_keys_renamenx(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    (void)argc;
    keys[0].name = argv[1];
    keys[0].mode = KEY_UPDATE;
    keys[1].name = argv[2];
    keys[1].mode = KEY_PLACE;
    return 2;
}

static void move_to_name(struct call *c, bool only_new)
{
    if (txn_read(c->txn, c->key) == NULL) {
        reply_error(c->reply, REPLY_NO_KEY);
        return;
    }
    bool same = slice_eq(c->argv[1], c->argv[2]);
    bool taken = only_new && (same || txn_read(c->txn, c->key + 1) != NULL);
    if (!same && !taken) {
        if (txn_rename(c->txn, c->key, c->key + 1) != RC_OK) {
            call_out_of_memory(c);
            return;
        }
        call_notify(c, NOTIFY_GENERIC, "rename_from", 0);
        call_notify(c, NOTIFY_GENERIC, "rename_to", 1);
    }
    if (only_new)
        reply_int(c->reply, !taken);
    else
        reply_ok(c->reply);
}

void cmd_rename(struct call *c)
{
    move_to_name(c, false);
}

void cmd_renamenx(struct call *c)
{
    move_to_name(c, true);
}

int find_keys_copy(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    keys[0].name = argv[1];
    keys[0].mode = KEY_READ;
    keys[1].name = argv[2];
    keys[1].mode = KEY_PLACE;
    for (uint32_t i = 3; i < argc; i++) {
        uint32_t db;
        if (slice_is_word(argv[i], "replace"))
            keys[1].mode = KEY_OVERWRITE;
        else if (slice_is_word(argv[i], "db") && i + 1 < argc && args_peek_db(argv[++i], &db))
            keys[1].db = db;
    }
    if (keys[0].db == keys[1].db && slice_eq(argv[1], argv[2]))
        keys[1].mode = KEY_READ; /* it will be refused */
    return 2;
}

static bool parse_copy(struct call *c, bool *replace, uint32_t *db)
{
    *replace = false;
    *db = c->session->db;
    for (uint32_t i = 3; i < c->argc; i++) {
        if (args_is(c, i, "replace")) {
            *replace = true;
        } else if (args_is(c, i, "db") && i + 1 < c->argc) {
            if (!args_db(c, ++i, db))
                return false;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    return true;
}

void cmd_copy(struct call *c)
{
    bool replace;
    uint32_t db;
    if (!parse_copy(c, &replace, &db))
        return;
    if (db == c->session->db && slice_eq(c->argv[1], c->argv[2])) {
        reply_error(c->reply, "ERR source and destination objects are the same");
        return;
    }
    if (txn_read(c->txn, c->key) == NULL || (!replace && txn_read(c->txn, c->key + 1) != NULL)) {
        reply_int(c->reply, 0);
        return;
    }
    if (txn_copy(c->txn, c->key, c->key + 1) != RC_OK) {
        call_out_of_memory(c);
        return;
    }
    call_notify(c, NOTIFY_GENERIC, "copy_to", 1);
    reply_int(c->reply, 1);
}

int find_keys_move(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    (void)argc;
    uint32_t db;
    keys[0].name = argv[1];
    keys[0].mode = KEY_UPDATE;
    if (!args_peek_db(argv[2], &db) || db == keys[0].db)
        return 1;
    keys[1].name = argv[1];
    keys[1].mode = KEY_PLACE;
    keys[1].db = db;
    return 2;
}

void cmd_move(struct call *c)
{
    uint32_t db;
    if (!args_db(c, 2, &db))
        return;
    if (db == c->session->db) {
        reply_error(c->reply, "ERR source and destination objects are the same");
        return;
    }
    if (txn_read(c->txn, c->key) == NULL || txn_read(c->txn, c->key + 1) != NULL)
        reply_int(c->reply, 0);
    else if (txn_rename(c->txn, c->key, c->key + 1) != RC_OK)
        call_out_of_memory(c);
    else {
        call_notify(c, NOTIFY_GENERIC, "move_from", 0);
        call_notify(c, NOTIFY_GENERIC, "move_to", 1);
        reply_int(c->reply, 1);
    }
}

/* --- Whole databases --- */

void cmd_swapdb(struct call *c)
{
    int64_t n;
    uint32_t a, b;
    if (!args_int32(c, 1, &n, "ERR invalid first DB index") ||
        !args_int32(c, 2, &n, "ERR invalid second DB index") || !args_db(c, 1, &a) ||
        !args_db(c, 2, &b))
        return;
    if (a != b)
        txn_swap_db(c->txn, a, b);
    reply_ok(c->reply);
}

/* FLUSHDB and FLUSHALL take SYNC or ASYNC; either way a database is dropped at once and its memory
 * freed later. */
static bool flush_args_valid(struct call *c)
{
    bool valid =
        c->argc == 1 || (c->argc == 2 && (args_is(c, 1, "sync") || args_is(c, 1, "async")));
    if (!valid)
        reply_error(c->reply, REPLY_SYNTAX);
    return valid;
}

void cmd_flushdb(struct call *c)
{
    if (!flush_args_valid(c))
        return;
    if (txn_flush_db(c->txn, c->session->db))
        reply_ok(c->reply);
    else
        reply_error(c->reply, txn_refusal(c->txn));
}

void cmd_flushall(struct call *c)
{
    if (!flush_args_valid(c))
        return;
    if (txn_flush_all(c->txn))
        reply_ok(c->reply);
    else
        reply_error(c->reply, txn_refusal(c->txn));
}

/* --- OBJECT --- */

static const struct value *object_value(struct call *c)
{
    if (txn_peek(c->txn, c->key) == NULL) { /* counted as a miss, but nobody is told of it */
        stat_add(STAT_keyspace_misses, 1);
        reply_null(c->reply);
        return NULL;
    }
    return txn_read(c->txn, c->key);
}

void cmd_object_encoding(struct call *c)
{
    const struct value *v = object_value(c);
    if (v != NULL)
        reply_bulk_str(c->reply, value_encoding(v));
}

void cmd_object_refcount(struct call *c)
{
    if (object_value(c) != NULL)
        reply_int(c->reply, 1);
}

/* The use of a key, of which maxmemory-policy decides what is on show, as in Redis. False: replied;
 * `other` is said where the policy is of the other kind. */
static bool object_use(struct call *c, bool lfu, const char *other, struct txn_object_info *out)
{
    if (object_value(c) == NULL)
        return false;
    if (policy_is_lfu() != lfu) {
        reply_error(c->reply, other);
        return false;
    }
    txn_object_info(c->txn, c->key, out);
    return true;
}

void cmd_object_freq(struct call *c)
{
    struct txn_object_info info;
    if (object_use(c, true,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                   "Please note that when switching between policies at runtime LRU and LFU data "
                   "will take some time to adjust.",
                   &info))
        reply_int(c->reply, info.frequency);
}

void cmd_object_idletime(struct call *c)
{
    struct txn_object_info info;
    if (object_use(c, false,
                   "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note "
                   "that when switching between policies at runtime LRU and LFU data will take "
                   "some time to adjust.",
                   &info))
        reply_int(c->reply, info.idle_seconds);
}

void cmd_object_help(struct call *c)
{
    call_help(c);
}
