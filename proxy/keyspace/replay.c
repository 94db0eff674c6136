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
    uint32_t argc; /* without the verb, which takes so many */
    const struct slice *argv;
    struct err *err;
};

struct verb {
    const char *name;
    uint32_t argc_min,
        argc_step;   /* without the verb: the least, and by how many more; 0: no more */
    bool needs_base; /* changes a part of its first argument */
    enum rc (*apply)(const struct replay *r); /* NULL: it changes an aggregate, */
    enum value_type type;                     /* of this type, */
    bool adds;                                /* which it begins where there is none, */
    enum rc (*change)(const struct replay *r, void **object); /* like this */
};

/* --- Steps that effects share --- */

static enum rc malformed(const struct replay *r)
{
    return err_set(r->err, RC_CORRUPT, "an effect whose arguments make no sense");
}

static enum rc replay_no_memory(const struct replay *r)
{
    return err_set(r->err, RC_NOMEM, "out of memory");
}

static enum rc open_keys(const struct replay *r, struct txn_key *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        keys[i].db = r->store_db;
        if (keys[i].mode == KEY_OVERWRITE)
            unreadable_replaced(r->t->ks, r->store_db, keys[i].name);
    }
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

/* Opens the key, lets the verb make of the aggregate what the arguments say, and commits. Where
 * none of its type is, adding begins one in the place of what is there; taking away does nothing.
 */
static enum rc change_object(const struct replay *r, const struct verb *verb)
{
    struct txn_key key;
    enum rc rc = open_key(r, &key, KEY_UPDATE);
    if (rc != RC_OK)
        return rc;
    const struct value *v = txn_peek(r->t, 0);
    bool there = v != NULL && v->type == verb->type;
    if (v != NULL && !there && verb->adds)
        (void)txn_remove(r->t, 0);
    if (there || verb->adds) {
        void **object = txn_edit_object(r->t, 0, verb->type, NULL);
        rc = object != NULL ? verb->change(r, object) : replay_no_memory(r);
    }
    (void)txn_commit(r->t);
    return rc;
}

/* --- Strings --- */

static enum rc replay_set(const struct replay *r)
{
    struct txn_key key;
    int64_t at_ms = 0;
    if (r->argc != 2 && (r->argc != 4 || !slice_is_word(r->argv[2], "pxat") ||
                         !num_parse_i64(r->argv[3], &at_ms) || at_ms <= 0))
        return malformed(r);
    enum rc rc = open_key(r, &key, KEY_OVERWRITE);
    if (rc != RC_OK)
        return rc;
    if (txn_set_string(r->t, 0, r->argv[1], at_ms) != RC_OK)
        rc = replay_no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

static enum rc replay_mset(const struct replay *r)
{
    enum rc rc = RC_OK;
    struct replay pair = *r;
    for (pair.argc = 2; rc == RC_OK && pair.argv < r->argv + r->argc; pair.argv += 2)
        rc = replay_set(&pair);
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
        return replay_no_memory(r);
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
    struct txn_key key;
    enum rc rc = open_key(r, &key, KEY_OVERWRITE);
    if (rc != RC_OK)
        return rc;
    if (edit_clear(r->t, 0) != RC_OK)
        rc = replay_no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

static enum rc set_expiry(const struct replay *r, int64_t at_ms)
{
    struct txn_key key;
    enum rc rc = open_key(r, &key, KEY_UPDATE);
    if (rc != RC_OK)
        return rc;
    if (txn_peek(r->t, 0) != NULL && txn_set_expiry(r->t, 0, at_ms) != RC_OK)
        rc = replay_no_memory(r);
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
            rc = replay_no_memory(r);
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
        rc = replay_no_memory(r);
    (void)txn_commit(r->t);
    return rc;
}

static enum rc replay_dbmap(const struct replay *r)
{
    struct dbmap *map = r->t->ks->map;
    struct backend_dbmap wanted;
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
    struct keyspace *ks = r->t->ks;
    struct lost why = {.lsn = r->t->stamp.lsn,
                       .reason = unreadable_is(ks, r->store_db, r->argv[0]) ? UNREADABLE : NULL};
    unreadable_replaced(ks, r->store_db, r->argv[0]);
    if (!forget_replay(ks->wb, r->store_db, r->argv[0], &why))
        return err_set(r->err, RC_NOMEM, "out of memory for a change that lost a conflict");
    return RC_OK;
}

/* --- Parts of aggregates --- */

static enum rc set_fields(const struct replay *r, void **object)
{
    struct hash **h = (struct hash **)(void *)object;
    for (uint32_t i = 1; i < r->argc; i += 2) {
        if (hash_set(h, r->argv[i], r->argv[i + 1]) == HASH_OOM)
            return replay_no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_remove_fields(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i++)
        (void)hash_remove((struct hash **)(void *)object, r->argv[i]);
    return RC_OK;
}

static enum rc replay_add_members(const struct replay *r, void **object)
{
    struct set **s = (struct set **)(void *)object;
    if (r->argc > 2 && !set_expect(s, r->argv[1], r->argc - 1))
        return replay_no_memory(r);
    for (uint32_t i = 1; i < r->argc; i++) {
        if (set_add(s, r->argv[i]) == SET_OOM)
            return replay_no_memory(r);
    }
    return RC_OK;
}

static enum rc replay_remove_members(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i++)
        (void)set_remove((struct set **)(void *)object, r->argv[i]);
    return RC_OK;
}

static enum rc set_scores(const struct replay *r, void **object)
{
    struct zset **z = (struct zset **)(void *)object;
    for (uint32_t i = 1; i < r->argc; i += 2) {
        double score;
        if (!num_parse_double(r->argv[i], &score) || isnan(score))
            return malformed(r);
        if (zset_put(z, r->argv[i + 1], score) == ZSET_OOM)
            return replay_no_memory(r);
    }
    return RC_OK;
}

static enum rc remove_scores(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i++)
        (void)zset_remove((struct zset **)(void *)object, r->argv[i]);
    return RC_OK;
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
            return replay_no_memory(r);
    }
    return RC_OK;
}

static enum rc remove_spans(const struct replay *r, void **object)
{
    for (uint32_t i = 1; i < r->argc; i += 2) {
        struct list_span span;
        if (!num_parse_i64(r->argv[i], &span.first) || !num_parse_i64(r->argv[i + 1], &span.last))
            return malformed(r);
        if (!list_remove_span((struct list **)(void *)object, span))
            return replay_no_memory(r);
    }
    return RC_OK;
}

/* --- The words --- */

#define WHOLE(name, min, step, base, apply)                   \
    {                                                         \
        name, min, step, base, apply, VALUE_NONE, false, NULL \
    }
#define PART(name, min, step, type, adds, change)       \
    {                                                   \
        name, min, step, true, NULL, type, adds, change \
    }
/* The frequent ones come first. */
static const struct verb verbs[] = {
    WHOLE("set", 2, 2, false, replay_set),
    PART("hset", 3, 2, VALUE_HASH, true, set_fields),
    WHOLE("del", 1, 0, false, replay_del),
    WHOLE("mset", 2, 2, false, replay_mset),
    PART("zadd", 3, 2, VALUE_ZSET, true, set_scores),
    PART("sadd", 2, 1, VALUE_SET, true, replay_add_members),
    PART("listset", 3, 2, VALUE_LIST, true, set_elements),
    PART("listdel", 3, 2, VALUE_LIST, false, remove_spans),
    WHOLE("pexpireat", 2, 0, true, replay_pexpireat),
    WHOLE("persist", 1, 0, true, replay_persist),
    WHOLE("setrange", 3, 0, true, replay_setrange),
    WHOLE("msetnx", 2, 2, false, replay_mset),
    PART("hmset", 3, 2, VALUE_HASH, true, set_fields),
    PART("hdel", 2, 1, VALUE_HASH, false, replay_remove_fields),
    PART("srem", 2, 1, VALUE_SET, false, replay_remove_members),
    PART("zrem", 2, 1, VALUE_ZSET, false, remove_scores),
    WHOLE("restore", 5, 0, false, replay_restore),
    WHOLE("rename", 2, 0, true, replay_rename),
    WHOLE("dbmap", 2, 2, false, replay_dbmap),
    WHOLE("forget", 1, 0, false, replay_forget),
};
#undef WHOLE
#undef PART

static bool replay_takes(const struct verb *verb, uint32_t argc)
{
    if (argc <= verb->argc_min || verb->argc_step == 0)
        return argc == verb->argc_min;
    return (argc - verb->argc_min) % verb->argc_step == 0;
}

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
    if (verb == NULL || !replay_takes(verb, argc - 1)) {
        struct buf name = {0};
        if (argc > 0)
            buf_append_escaped(&name, argv[0], 64);
        enum rc rc = err_set(err, RC_CORRUPT, "'%.*s' with %u arguments is no effect",
                             (int)name.len, name.len > 0 ? name.data : "", argc > 0 ? argc - 1 : 0);
        buf_fini(&name);
        return rc;
    }
    if (verb->needs_base && unreadable_is(t->ks, store_db, argv[1]))
        return unreadable_keep(t, store_db, argc, argv, err);
    struct replay r = {t, store_db, argc - 1, argv + 1, err};
    return verb->apply != NULL ? verb->apply(&r) : change_object(&r, verb);
}
