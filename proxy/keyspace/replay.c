/* Reading effects: the other half of effect.h.
 *
 * Applying an effect is a total function. If the key is absent or of another type, because somebody
 * changed the store meanwhile or because replay began too early, the effect begins a new value of
 * its own type. That such a key differs from what the store holds is found when it is flushed, as
 * for any other key. Time plays no part: what had expired says DEL.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/num.h"
#include "keyspace/dump.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

#include <math.h>

struct replay {
    struct txn *t;
    uint32_t store_db;
    uint32_t argc; /* without the verb */
    const struct slice *argv;
    struct err *err;
};

/* --- Steps that effects share --- */

static enum rc malformed(const struct replay *r)
{
    return err_set(r->err, RC_CORRUPT, "an effect whose arguments make no sense");
}

static enum rc no_memory(const struct replay *r)
{
    return err_set(r->err, RC_NOMEM, "out of memory");
}

static enum rc open_keys(const struct replay *r, struct txn_key *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        keys[i].db = r->store_db;
    enum txn_state state =
        txn_begin(r->t, keys, n, TXN_WRITES | TXN_NO_OOM, (struct slice){NULL, 0}, 0, NULL, NULL);
    if (state == TXN_READY)
        return RC_OK;
    return err_set(r->err, RC_UNAVAILABLE, "a key that it needs cannot be read: %s",
                   state == TXN_REFUSED ? txn_refusal(r->t) : "it is not loaded");
}

static enum rc open_key(const struct replay *r, struct txn_key *key, enum key_mode mode)
{
    *key = (struct txn_key){.mode = mode, .name = r->argv[0]};
    return open_keys(r, key, 1);
}

/* The aggregate to change; what is there of another type goes. NULL: out of memory. */
static void **object_of(const struct replay *r, enum value_type type)
{
    const struct value *v = txn_peek(r->t, 0);
    if (v != NULL && v->type != type)
        (void)txn_remove(r->t, 0);
    return txn_edit_object(r->t, 0, type, NULL);
}

/* Opens key and aggregate, lets `change` make of them what the arguments say, and commits. */
static enum rc change_object(const struct replay *r, enum value_type type,
                             enum rc (*change)(const struct replay *r, void **object))
{
    struct txn_key key;
    enum rc rc = open_key(r, &key, KEY_UPDATE);
    if (rc != RC_OK)
        return rc;
    void **object = object_of(r, type);
    rc = object != NULL ? change(r, object) : no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

/* Removes parts of an aggregate; there is nothing to do where there is none of this type. */
static enum rc shrink_object(const struct replay *r, enum value_type type,
                             enum rc (*change)(const struct replay *r, void **object))
{
    struct txn_key key;
    enum rc rc = open_key(r, &key, KEY_UPDATE);
    if (rc != RC_OK)
        return rc;
    const struct value *v = txn_peek(r->t, 0);
    if (v != NULL && v->type == type) {
        void **object = txn_edit_object(r->t, 0, type, NULL);
        rc = object != NULL ? change(r, object) : no_memory(r);
    }
    (void)txn_commit(r->t);
    return rc;
}

/* --- Strings --- */

static enum rc put_string(const struct replay *r, struct slice name, struct slice value,
                          int64_t expires_at_ms)
{
    struct txn_key key = {.mode = KEY_OVERWRITE, .name = name};
    enum rc rc = open_keys(r, &key, 1);
    if (rc != RC_OK)
        return rc;
    if (txn_set_string(r->t, 0, value, expires_at_ms) != RC_OK)
        rc = no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

static enum rc replay_set(const struct replay *r)
{
    int64_t at_ms = 0;
    bool valid = r->argc == 2 || (r->argc == 4 && slice_is_word(r->argv[2], "pxat") &&
                                  num_parse_i64(r->argv[3], &at_ms) && at_ms > 0);
    return valid ? put_string(r, r->argv[0], r->argv[1], at_ms) : malformed(r);
}

static enum rc replay_mset(const struct replay *r)
{
    enum rc rc = r->argc % 2 == 0 ? RC_OK : malformed(r);
    for (uint32_t i = 0; i < r->argc && rc == RC_OK; i += 2)
        rc = put_string(r, r->argv[i], r->argv[i + 1], 0);
    return rc;
}

static enum rc put_bytes(const struct replay *r, size_t offset, struct slice bytes)
{
    const struct value *v = txn_peek(r->t, 0);
    if (v != NULL && v->type != VALUE_STRING) {
        (void)txn_remove(r->t, 0);
        v = NULL;
    }
    size_t len = v != NULL ? v->str.len : 0, end = offset + bytes.len;
    char *at = txn_edit_string(r->t, 0, end > len ? end : len);
    if (at == NULL)
        return no_memory(r);
    memcpy(at + offset, bytes.ptr, bytes.len);
    return RC_OK;
}

static enum rc replay_setrange(const struct replay *r)
{
    struct txn_key key;
    int64_t offset;
    if (!num_parse_i64(r->argv[1], &offset) || offset < 0 || offset > STORE_STRING_MAX ||
        r->argv[2].len == 0 || r->argv[2].len > STORE_STRING_MAX - (size_t)offset)
        return malformed(r);
    enum rc rc = open_key(r, &key, KEY_UPDATE);
    if (rc != RC_OK)
        return rc;
    rc = put_bytes(r, (size_t)offset, r->argv[2]);
    (void)txn_commit(r->t);
    return rc;
}

/* --- Whole keys --- */

static enum rc replay_del(const struct replay *r)
{
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < r->argc && rc == RC_OK; i++) {
        struct txn_key key = {.mode = KEY_OVERWRITE, .name = r->argv[i]};
        rc = open_keys(r, &key, 1);
        if (rc != RC_OK)
            break;
        if (edit_clear(r->t, 0) != RC_OK)
            rc = no_memory(r);
        (void)txn_commit(r->t);
    }
    return rc;
}

static enum rc set_expiry(const struct replay *r, int64_t at_ms)
{
    struct txn_key key;
    enum rc rc = open_key(r, &key, KEY_UPDATE);
    if (rc != RC_OK)
        return rc;
    if (txn_peek(r->t, 0) != NULL && txn_set_expiry(r->t, 0, at_ms) != RC_OK)
        rc = no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

static enum rc replay_pexpireat(const struct replay *r)
{
    int64_t at_ms;
    bool valid = num_parse_i64(r->argv[1], &at_ms) && at_ms > 0;
    return valid ? set_expiry(r, at_ms) : malformed(r);
}

static enum rc replay_persist(const struct replay *r)
{
    return set_expiry(r, 0);
}

static enum rc replay_restore(const struct replay *r)
{
    struct txn_key key;
    struct restored restored;
    int64_t at_ms;
    if (!num_parse_i64(r->argv[1], &at_ms) || at_ms < 0)
        return malformed(r);
    enum rc rc = value_restore(&restored, r->argv[2], UINT64_MAX, r->err);
    if (rc != RC_OK)
        return rc;
    rc = open_key(r, &key, KEY_OVERWRITE);
    if (rc == RC_OK) {
        restored.value.expires_at_ms = at_ms;
        if (txn_put_value(r->t, 0, &restored.value, &restored.object) != RC_OK)
            rc = no_memory(r);
        (void)txn_commit(r->t);
    }
    restored_fini(&restored);
    return rc;
}

static enum rc replay_rename(const struct replay *r)
{
    struct txn_key keys[] = {{.mode = KEY_UPDATE, .name = r->argv[0]},
                             {.mode = KEY_OVERWRITE, .name = r->argv[1]}};
    enum rc rc = open_keys(r, keys, COUNT_OF(keys));
    if (rc != RC_OK)
        return rc;
    if (txn_peek(r->t, 0) != NULL && txn_rename(r->t, 0, 1) != RC_OK)
        rc = no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

static enum rc replay_dbmap(const struct replay *r)
{
    struct dbmap *map = &r->t->ks->wb->map;
    struct backend_dbmap wanted;
    if (r->argc % 2 != 0)
        return malformed(r);
    dbmap_export(map, &wanted);
    for (uint32_t i = 0; i < r->argc; i += 2) {
        int64_t number, store_db;
        if (!num_parse_i64(r->argv[i], &number) || !num_parse_i64(r->argv[i + 1], &store_db) ||
            number < 0 || store_db <= 0 || store_db > STORE_DB_MAX)
            return malformed(r);
        if (number >= wanted.len)
            return err_set(r->err, RC_CORRUPT, "an effect on database %lld; raise `databases`",
                           (long long)number);
        wanted.store_db[number] = (uint32_t)store_db;
    }
    dbmap_become(map, &wanted, r->t->stamp.lsn);
    return RC_OK;
}

static enum rc replay_forget(const struct replay *r)
{
    forget_replay(r->t->ks->wb, r->store_db, r->argv[0], r->t->stamp.lsn);
    return RC_OK;
}

/* --- Parts of aggregates --- */

static enum rc set_fields(const struct replay *r, void **object)
{
    struct hash **h = (struct hash **)(void *)object;
    for (uint32_t i = 1; i < r->argc; i += 2) {
        if (hash_set(h, r->argv[i], r->argv[i + 1]) == HASH_OOM)
            return no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_hset(const struct replay *r)
{
    return r->argc % 2 == 1 ? change_object(r, VALUE_HASH, set_fields) : malformed(r);
}

static enum rc remove_fields(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i++)
        (void)hash_remove((struct hash **)(void *)object, r->argv[i]);
    return RC_OK;
}

static enum rc replay_hdel(const struct replay *r)
{
    return shrink_object(r, VALUE_HASH, remove_fields);
}

static enum rc add_members(const struct replay *r, void **object)
{
    struct set **s = (struct set **)(void *)object;
    if (r->argc > 2 && !set_expect(s, r->argv[1], r->argc - 1))
        return no_memory(r);
    for (uint32_t i = 1; i < r->argc; i++) {
        if (set_add(s, r->argv[i]) == SET_OOM)
            return no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_sadd(const struct replay *r)
{
    return change_object(r, VALUE_SET, add_members);
}

static enum rc remove_members(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i++)
        (void)set_remove((struct set **)(void *)object, r->argv[i]);
    return RC_OK;
}

static enum rc replay_srem(const struct replay *r)
{
    return shrink_object(r, VALUE_SET, remove_members);
}

static enum rc set_scores(const struct replay *r, void **object)
{
    struct zset **z = (struct zset **)(void *)object;
    for (uint32_t i = 1; i < r->argc; i += 2) {
        double score;
        if (!num_parse_double(r->argv[i], &score) || isnan(score))
            return malformed(r);
        if (zset_put(z, r->argv[i + 1], score) == ZSET_OOM)
            return no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_zadd(const struct replay *r)
{
    return r->argc % 2 == 1 ? change_object(r, VALUE_ZSET, set_scores) : malformed(r);
}

static enum rc remove_scores(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i++)
        (void)zset_remove((struct zset **)(void *)object, r->argv[i]);
    return RC_OK;
}

static enum rc replay_zrem(const struct replay *r)
{
    return shrink_object(r, VALUE_ZSET, remove_scores);
}

static enum rc set_elements(const struct replay *r, void **object)
{
    struct list **l = (struct list **)(void *)object;
    size_t bytes = 0;
    for (uint32_t i = 1; i < r->argc; i += 2)
        bytes += r->argv[i + 1].len;
    list_expect(*l, (r->argc - 1) / 2, bytes);
    for (uint32_t i = 1; i < r->argc; i += 2) {
        int64_t position;
        if (!num_parse_i64(r->argv[i], &position))
            return malformed(r);
        if (!list_put(l, position, r->argv[i + 1]))
            return no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_listset(const struct replay *r)
{
    return r->argc % 2 == 1 ? change_object(r, VALUE_LIST, set_elements) : malformed(r);
}

static enum rc remove_spans(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i += 2) {
        struct list_span span;
        if (!num_parse_i64(r->argv[i], &span.first) || !num_parse_i64(r->argv[i + 1], &span.last))
            return malformed(r);
        if (!list_remove_span((struct list **)(void *)object, span))
            return no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_listdel(const struct replay *r)
{
    return r->argc % 2 == 1 ? shrink_object(r, VALUE_LIST, remove_spans) : malformed(r);
}

/* --- The words --- */

static const struct verb {
    const char *name;
    uint32_t argc_min; /* without the verb */
    bool needs_base;   /* changes a part of its first argument */
    enum rc (*apply)(const struct replay *r);
} verbs[] = {
    {"set", 2, false, replay_set},        {"hset", 3, true, replay_hset},
    {"del", 1, false, replay_del},        {"zadd", 3, true, replay_zadd},
    {"sadd", 2, true, replay_sadd},       {"listset", 3, true, replay_listset},
    {"listdel", 3, true, replay_listdel}, {"pexpireat", 2, true, replay_pexpireat},
    {"persist", 1, true, replay_persist}, {"setrange", 3, true, replay_setrange},
    {"mset", 2, false, replay_mset},      {"hmset", 3, true, replay_hset},
    {"hdel", 2, true, replay_hdel},       {"srem", 2, true, replay_srem},
    {"zrem", 2, true, replay_zrem},       {"restore", 3, false, replay_restore},
    {"rename", 2, true, replay_rename},   {"dbmap", 2, false, replay_dbmap},
    {"forget", 1, false, replay_forget},
};

static const struct verb *find_verb(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (slice_is_word(name, verbs[i].name))
            return &verbs[i];
    }
    return NULL;
}

bool replay_needs_base(uint32_t argc, const struct slice *argv)
{
    const struct verb *verb = argc > 1 ? find_verb(argv[0]) : NULL;
    return verb != NULL && verb->needs_base;
}

enum rc replay_effect(struct txn *t, uint32_t store_db, uint32_t argc, const struct slice *argv,
                      struct err *err)
{
    const struct verb *verb = argc > 0 ? find_verb(argv[0]) : NULL;
    if (verb == NULL || argc - 1 < verb->argc_min) {
        struct buf name = {0};
        if (argc > 0)
            buf_append_escaped(&name, argv[0], 64);
        enum rc rc = err_set(err, RC_CORRUPT, "'%.*s' with %u arguments is no effect",
                             (int)name.len, name.len > 0 ? name.data : "", argc > 0 ? argc - 1 : 0);
        buf_fini(&name);
        return rc;
    }
    struct replay r = {t, store_db, argc - 1, argv + 1, err};
    return verb->apply(&r);
}
