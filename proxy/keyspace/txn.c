/* Begin and commit. See txn.h for the whole; edit.c for what happens between.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "base/num.h"
#include "config/words.h"
#include "resp/reply.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_KEPT = 64 * 1024 };
enum { EVICT_LEAST = 128 };
/* Each round loads all that is missing then: more are needed only when it is evicted meanwhile. A
 * few are bad luck; then it matters whether the keys fit into memory at all. */
enum { LOAD_ROUNDS_MAX = 32, LOAD_ROUNDS_LUCK = 2 };

static const char REFUSED_LOAD[] =
    "TRYAGAIN the backend is unavailable and this key is not in memory. See WEIR BACKENDS.";
static const char REFUSED_LOAD_SIZE[] =
    "ERR the value of this key is larger in the backend than load-max-bytes allows. Raise it with "
    "CONFIG SET, or delete the key.";
static const char REFUSED_LOADS[] =
    "OOM the keys of this command are evicted before all of them are loaded. Raise maxmemory, or "
    "name fewer keys at once.";
static const char REFUSED_ABSENT[] =
    "TRYAGAIN a key that this command names by a value is being loaded, which it cannot wait for "
    "within a transaction";

struct txn *txn_new(struct keyspace *ks, uint32_t producer)
{
    struct txn *t = calloc(1, sizeof(*t));
    must(t != NULL && producer < ks->producers);
    t->ks = ks;
    t->producer = producer;
    t->locked = calloc(ks->store.shards_len / 64 + 1, sizeof(*t->locked));
    must(t->locked != NULL);
    t->slots = t->inline_slots;
    t->slots_cap = TXN_INLINE_SLOTS;
    return t;
}

void txn_free(struct txn **tp)
{
    struct txn *t = *tp;
    *tp = NULL;
    if (t == NULL)
        return;
    must(!t->open);
    if (t->slots != t->inline_slots)
        free(t->slots);
    buf_fini(&t->effects);
    while (t->ready != NULL) {
        struct block_ready *next = t->ready->next;
        free(t->ready);
        t->ready = next;
    }
    free(t->locked);
    free(t);
}

const char *txn_refusal(const struct txn *t)
{
    return t->refusal;
}

uint64_t txn_changed_lsn(const struct txn *t)
{
    return t->open && t->stamped ? t->stamp.lsn : 0;
}

struct wall txn_now(const struct txn *t)
{
    return t->now;
}

/* --- Locks --- */

void txn_lock_all(struct keyspace *ks)
{
    for (uint32_t i = 0; i < ks->store.shards_len; i++)
        lock_acquire(&ks->store.shards[i].lock);
}

void txn_unlock_all(struct keyspace *ks)
{
    for (uint32_t i = ks->store.shards_len; i-- > 0;)
        lock_release(&ks->store.shards[i].lock);
}

void slot_resolve(struct txn *t, struct slot *s)
{
    struct keyspace *ks = t->ks;
    /* Effects name store databases. */
    s->store_db = ks->replaying ? s->key->db : dbmap_store_db(ks->map, s->key->db);
    s->hash = store_hash(&ks->store, s->store_db, s->key->name);
    s->shard = store_shard(&ks->store, s->hash);
}

/* Calls `op` on every shard that a slot needs, each once, in index order. */
static void each_locked_shard(struct txn *t, void (*op)(struct lock *l)) NO_TSA
{
    struct store *st = &t->ks->store;
    for (uint32_t word = 0; word < st->shards_len / 64 + 1; word++) {
        for (uint64_t bits = t->locked[word]; bits != 0; bits &= bits - 1)
            op(&st->shards[word * 64 + (uint32_t)__builtin_ctzll(bits)].lock);
    }
}

static void unlock(struct txn *t) NO_TSA
{
    if ((t->flags & TXN_WHOLE) != 0)
        txn_unlock_all(t->ks);
    else if (t->slots_len == 1)
        lock_release(&t->slots[0].shard->lock);
    else if (t->slots_len > 1)
        each_locked_shard(t, lock_release);
}

static void lock_slots(struct txn *t) NO_TSA
{
    if ((t->flags & TXN_WHOLE) != 0) {
        txn_lock_all(t->ks);
        for (uint32_t i = 0; i < t->slots_len; i++)
            slot_resolve(t, &t->slots[i]);
        return;
    }
    if (t->slots_len == 1) {
        slot_resolve(t, &t->slots[0]);
        lock_acquire(&t->slots[0].shard->lock);
        return;
    }
    memset(t->locked, 0, (t->ks->store.shards_len / 64 + 1) * sizeof(*t->locked));
    for (uint32_t i = 0; i < t->slots_len; i++) {
        slot_resolve(t, &t->slots[i]);
        uint32_t index = (uint32_t)(t->slots[i].shard - t->ks->store.shards);
        t->locked[index / 64] |= UINT64_C(1) << index % 64;
    }
    each_locked_shard(t, lock_acquire);
}

/* A database number may point elsewhere once the locks are held: then all over again. */
static void lock_with_map(struct txn *t)
{
    const struct dbmap *map = t->ks->map;
    for (;;) {
        uint64_t version = atomic_load_explicit(&map->version, memory_order_acquire);
        lock_slots(t);
        if (t->slots_len == 0 ||
            LIKELY(atomic_load_explicit(&map->version, memory_order_acquire) == version))
            return;
        if ((t->flags & TXN_WHOLE) != 0)
            return; /* resolved with every lock held */
        unlock(t);
    }
}

/* --- Residency --- */

bool txn_is_live(const struct txn *t, const struct entry *e)
{
    if (e == NULL || e->type == VALUE_NONE)
        return false;
    if (entry_expired(e, t->now))
        return false;
    if (UNLIKELY(t->open_objects != 0) && e->type != VALUE_STRING)
        return value_ops((enum value_type)e->type)->count(entry_object(e)) > 0;
    return true;
}

bool txn_is_live_head(const struct txn *t, const struct entry *e)
{
    struct value head;
    if (LIKELY(e == NULL || !entry_is_head(e)))
        return false;
    entry_head(e, &head);
    return head.expires_at_ms == 0 || head.expires_at_ms > t->now.ms;
}

struct value txn_head(const struct txn *t, const struct entry *e)
{
    struct value head = {0};
    if (txn_is_live_head(t, e))
        entry_head(e, &head);
    else if (txn_is_live(t, e))
        head =
            (struct value){.type = (enum value_type)e->type, .expires_at_ms = entry_expires_at(e)};
    return head;
}

struct entry *slot_entry(struct txn *t, struct slot *s)
{
    if (s->generation != t->generation) {
        s->entry = entry_find(s->shard, s->hash, s->store_db, s->key->name);
        s->generation = t->generation;
    }
    return s->entry;
}

/* True when the command can not run before this key is loaded. */
static bool must_load(struct txn *t, struct slot *s) NO_TSA
{
    struct entry *e = slot_entry(t, s);
    /* A key that is overwritten is only "new" if the backend has none. */
    bool value = key_mode_needs_value(s->key->mode);
    if (!value && !needs_head(s->key->mode) &&
        (s->key->mode != KEY_OVERWRITE || LIKELY(!keyspace_tells(t->ks, NOTIFY_NEW))))
        return false;
    if (e == NULL)
        return !writeback_is_complete(t->ks->wb, s->shard, s->store_db);
    return (e->flags & ENTRY_LOADING) != 0 && (value || !entry_is_head(e));
}

static void note_use(struct txn *t, struct slot *s)
{
    struct entry *e = s->entry;
    if (e != NULL && (t->flags & TXN_NO_TOUCH) == 0)
        store_touch(e, t->lfu);
}

/* Loads of what the slots from `first` on need, with nobody who waits. False: out of memory. */
static bool queue_loads(struct txn *t, uint32_t first) NO_TSA
{
    for (uint32_t i = first; i < t->slots_len; i++) {
        struct slot *s = &t->slots[i];
        if (must_load(t, s) && !load_join(t->ks, s, NULL))
            return false;
        t->generation++;
    }
    return true;
}

/* Recovery has no loader thread yet: a base that is needed and was not loaded ahead is read on the
 * spot. It is the only thread, so nothing changes while the locks are let go. */
static bool load_all_now(struct txn *t) NO_TSA
{
    struct err err;
    if (!queue_loads(t, 0))
        return false;
    unlock(t);
    enum rc rc = load_queued(t->ks, &err);
    lock_slots(t);
    t->generation++;
    if (rc != RC_OK)
        log_err(LOG_WARNING, "recovery needs a key from the backend", &err);
    return rc == RC_OK;
}

/* Begins the loads of all keys that are missing. The queue is first in, first out, so waiting for
 * the last one is waiting for all. */
static bool load_missing(struct txn *t, struct waiter *w) NO_TSA
{
    struct slot *last = NULL;
    for (uint32_t i = t->slots_len; i-- > 0 && last == NULL;) {
        if (must_load(t, &t->slots[i]))
            last = &t->slots[i];
    }
    must(last != NULL);
    for (struct slot *s = t->slots; s <= last; s++) {
        if (s != last && !must_load(t, s))
            continue;
        if (!load_join(t->ks, s, s == last ? w : NULL))
            return false;
        t->generation++;
    }
    stat_add(STAT_parked_commands, 1);
    return true;
}

/* Whether the values that a command needs are more than maxmemory, going by those in memory. */
static bool are_too_large(struct txn *t) NO_TSA
{
    uint64_t bytes = 0, there = 0, needed = 0;
    for (uint32_t i = 0; i < t->slots_len; i++) {
        struct slot *s = &t->slots[i];
        if (!key_mode_needs_value(s->key->mode))
            continue;
        const struct entry *e = slot_entry(t, s);
        needed++;
        if (e == NULL || (e->flags & ENTRY_LOADING) != 0)
            continue;
        there++;
        bytes += entry_memory(e);
    }
    return there > 0 && bytes / there * needed > (uint64_t)option_num(OPT_maxmemory);
}

static enum txn_state make_resident(struct txn *t, struct waiter *w)
{
    bool missing = false;
    for (uint32_t i = 0; i < t->slots_len; i++) {
        missing |= must_load(t, &t->slots[i]);
        note_use(t, &t->slots[i]);
    }
    if (LIKELY(!missing)) {
        if (UNLIKELY(w != NULL && w->load_rounds > 0))
            w->load_rounds = 0;
        return TXN_READY;
    }
    if (t->ks->replaying)
        return load_all_now(t) ? TXN_READY : txn_refuse(t, REFUSED_LOAD);
    if ((t->flags & TXN_TRY) != 0)
        return TXN_PARKED;
    if (w == NULL)
        return TXN_READY;
    if (++w->load_rounds > LOAD_ROUNDS_MAX ||
        (w->load_rounds > LOAD_ROUNDS_LUCK && are_too_large(t))) {
        w->load_rounds = 0;
        return txn_refuse(t, REFUSED_LOADS);
    }
    return load_missing(t, w) ? TXN_PARKED : txn_refuse(t, REPLY_OOM);
}

/* --- Begin, next, commit --- */

/* A change cannot fail once it is made: the place on the dirty list is there before. */
static bool reserve_dirty(struct txn *t) NO_TSA
{
    bool enough = true;
    if (LIKELY(t->slots_len == 1))
        return shard_try_reserve_dirty(t->slots[0].shard, 1);
    for (uint32_t i = 0; i < t->slots_len && enough; i++) {
        struct shard *sh = t->slots[i].shard;
        enough = shard_try_reserve_dirty(sh, ++sh->dirty_wanted);
    }
    for (uint32_t i = 0; i < t->slots_len; i++)
        t->slots[i].shard->dirty_wanted = 0;
    return enough;
}

static bool take_slots(struct txn *t, const struct txn_key *keys, uint32_t keys_len)
{
    if (UNLIKELY(keys_len > t->slots_cap)) {
        struct slot *grown = malloc(keys_len * sizeof(*grown));
        if (grown == NULL)
            return false;
        if (t->slots != t->inline_slots)
            free(t->slots);
        t->slots = grown;
        t->slots_cap = keys_len;
    }
    t->slots_len = keys_len;
    for (uint32_t i = 0; i < keys_len; i++) {
        t->slots[i].key = &keys[i];
        t->slots[i].generation = t->generation - 1;
    }
    return true;
}

static struct joined_keys *copy_keys(const struct txn_key *keys, uint32_t keys_len)
{
    size_t names = 0;
    for (uint32_t i = 0; i < keys_len; i++)
        names += keys[i].name.len;
    struct joined_keys *copy = malloc(sizeof(*copy) + keys_len * sizeof(*keys) + names);
    if (copy == NULL)
        return NULL;
    char *at = (char *)(copy->keys + keys_len);
    for (uint32_t i = 0; i < keys_len; i++) {
        copy->keys[i] = keys[i];
        copy->keys[i].name.ptr = at;
        if (keys[i].name.len > 0)
            memcpy(at, keys[i].name.ptr, keys[i].name.len);
        at += keys[i].name.len;
    }
    return copy;
}

static bool grow_slots(struct txn *t, uint32_t more)
{
    uint64_t needed = (uint64_t)t->slots_len + more;
    if (needed <= t->slots_cap)
        return true;
    if (needed > UINT32_MAX)
        return false;
    struct slot *old = t->slots == t->inline_slots ? NULL : t->slots;
    struct slot *grown = realloc(old, needed * sizeof(*grown));
    if (grown == NULL)
        return false;
    if (old == NULL)
        memcpy(grown, t->inline_slots, t->slots_len * sizeof(*grown));
    t->slots = grown;
    t->slots_cap = (uint32_t)needed;
    return true;
}

static void forget_joined(struct txn *t)
{
    while (t->joined != NULL) {
        struct joined_keys *next = t->joined->next;
        free(t->joined);
        t->joined = next;
    }
}

static void forget_raw_copy(struct txn *t)
{
    if (LIKELY(t->raw_copy == NULL))
        return;
    free(t->raw_copy);
    t->raw_copy = NULL;
}

void txn_close_request(struct txn *t)
{
    if (!t->edited || t->ks->replaying)
        return;
    must(t->said != SAID_NOTHING);
    if (t->said != SAID_REQUEST)
        return;
    t->said = SAID_EFFECTS;
    if (t->raw.len > 0) {
        effect_select(t, t->request_db);
        buf_append_slice(&t->effects, t->raw);
        return;
    }
    effect_head(t, t->request_db, t->argv[0], t->argc - 1);
    for (uint32_t i = 1; i < t->argc; i++)
        buf_append_bulk(&t->effects, t->argv[i]);
}

static void append_record(struct txn *t)
{
    struct journal_entry e = {.stamp = t->stamp, .now = t->now};
    uint32_t n = 0;
    bool verbatim = t->edited && t->said == SAID_REQUEST && t->raw.len > 0 &&
                    (t->effects.len == 0 || t->effects_db == t->request_db);
    if (!verbatim)
        txn_close_request(t);
    else if (t->effects.len == 0)
        t->record_db = t->request_db;
    void *effects = t->effects.data;
    if (t->effects.len > 0) {
        e.memory[n] = effects;
        e.parts[n++] = buf_slice(&t->effects);
    }
    if (verbatim) {
        e.memory[n] = t->raw_copy;
        e.parts[n++] = t->raw_copy != NULL ? slice_of(t->raw_copy, t->raw.len) : t->raw;
    }
    e.db = t->record_db;
    e.flags = n == 0 ? JOURNAL_NOOP : 0;
    e.parts_len = n;
    uint64_t bytes = TXN_FRAME_BYTES;
    for (uint32_t i = 0; i < n; i++)
        bytes += e.parts[i].len;
    writeback_journalled(t->ks->wb, t->producer, bytes);
    journal_append_entry(t->ks->journal, t->producer, &e);
    if (t->effects.len > 0 && e.memory[0] == NULL)
        t->effects = (struct buf){0};
    if (verbatim && e.memory[n - 1] == NULL)
        t->raw_copy = NULL;
}

enum txn_state txn_join(struct txn *t, const struct txn_key *keys, uint32_t keys_len,
                        struct waiter *waiter, uint32_t *first)
{
    must(t->open && (t->flags & TXN_WHOLE) != 0 && (waiter == NULL || !t->edited));
    struct joined_keys *copy = copy_keys(keys, keys_len);
    if (copy == NULL || !grow_slots(t, keys_len)) {
        free(copy);
        return txn_refuse(t, REPLY_OOM);
    }
    copy->next = t->joined;
    t->joined = copy;
    *first = t->slots_len;
    bool missing = false;
    for (uint32_t i = 0; i < keys_len; i++) {
        struct slot *s = &t->slots[t->slots_len++];
        *s = (struct slot){.key = &copy->keys[i], .generation = t->generation - 1};
        slot_resolve(t, s);
        missing |= must_load(t, s);
        note_use(t, s);
    }
    if (!missing)
        return TXN_READY;
    if (waiter == NULL && (t->flags & TXN_TRY) == 0) {
        (void)queue_loads(t, *first); /* who tries again shall find them */
        return txn_refuse(t, REFUSED_ABSENT);
    }
    enum txn_state state = make_resident(t, waiter);
    if (state == TXN_PARKED) {
        if (t->stamped)
            append_record(t);
        unlock(t);
        forget_joined(t);
        forget_raw_copy(t);
        t->open = false;
    }
    return state;
}

static void begin_request(struct txn *t, struct slice raw, uint32_t argc, const struct slice *argv)
{
    t->raw = raw;
    t->argc = argc;
    t->argv = argv;
    t->edited = false;
    t->said = SAID_NOTHING;
}

enum txn_state txn_begin(struct txn *t, const struct txn_key *keys, uint32_t keys_len,
                         unsigned flags, struct slice raw, uint32_t argc, const struct slice *argv,
                         struct waiter *waiter)
{
    must(!t->open);
    struct keyspace *ks = t->ks;
    t->flags = flags;
    t->stamped = t->met_expired = false;
    t->open_objects = 0;
    t->generation++;
    t->effects.len = 0;
    t->following = t->announced;
    t->announced = 0;
    begin_request(t, raw, argc, argv);
    t->effects_db = t->record_db = 0;
    if (waiter != NULL && waiter->failed != RC_OK) {
        bool too_large = waiter->failed == RC_FULL;
        waiter->failed = RC_OK;
        waiter->load_rounds = 0;
        return txn_refuse(t, too_large ? REFUSED_LOAD_SIZE : REFUSED_LOAD);
    }
    if (!take_slots(t, keys, keys_len))
        return txn_refuse(t, REPLY_OOM);
    if (!ks->replaying) {
        t->lfu = policy_is_lfu();
        t->now = clock_wall();
        if ((flags & TXN_WRITES) != 0) {
            enum txn_state state = txn_admit(t, waiter);
            if (state != TXN_READY)
                return state;
        }
    }
    lock_with_map(t);
    enum txn_state state = make_resident(t, waiter);
    if (state == TXN_READY && (flags & TXN_WRITES) != 0 && UNLIKELY(!reserve_dirty(t)))
        state = txn_refuse(t, REPLY_OOM);
    enum owed owed = OWED_NOTHING;
    if (state == TXN_READY && (flags & TXN_WRITES) != 0 && !ks->replaying)
        owed = owed_capture(t);
    t->open = state == TXN_READY && owed == OWED_NOTHING;
    if (t->open && waiter != NULL && UNLIKELY((waiter->since_us | waiter->capture_since_us) != 0)) {
        waiter->since_us = waiter->capture_since_us = 0; /* the next wait begins anew */
        waiter->admitted = false;
    }
    if (!t->open) {
        if (t->stamped && !ks->replaying)
            append_record(t);
        unlock(t);
        forget_raw_copy(t);
    }
    if (UNLIKELY(owed == OWED_LARGE))
        return txn_await_capture(t, waiter);
    return UNLIKELY(owed == OWED_MEMORY) ? txn_hold_back(t, waiter, HELD_BY_CAPTURE) : state;
}

void txn_stamp(struct txn *t)
{
    if (t->stamped)
        return;
    t->stamped = true;
    if (t->ks->replaying)
        t->stamp.cut = journal_cut(t->ks->journal); /* recover.c has set the LSN */
    else
        t->stamp = journal_stamp(t->ks->journal);
}

void txn_next_request(struct txn *t, struct slice raw, uint32_t argc, const struct slice *argv)
{
    txn_close_request(t);
    edit_close_objects(t);
    t->following -= min_u64(t->following, txn_request_bytes(raw, argc, argv));
    begin_request(t, raw, argc, argv);
}

uint64_t txn_commit(struct txn *t) NO_TSA
{
    must(t->open);
    struct keyspace *ks = t->ks;
    uint64_t depends = 0;
    edit_close_objects(t);
    if (t->stamped) {
        depends = t->stamp.lsn;
        for (uint32_t i = 0; i < t->slots_len; i++)
            t->slots[i].shard->last_lsn = t->stamp.lsn;
        for (uint32_t i = 0; (t->flags & TXN_WHOLE) != 0 && i < ks->store.shards_len; i++)
            ks->store.shards[i].last_lsn = t->stamp.lsn;
        if (!ks->replaying)
            append_record(t);
    } else {
        for (uint32_t i = 0; i < t->slots_len; i++)
            depends = max_u64(depends, t->slots[i].shard->last_lsn);
        for (uint32_t i = 0; (t->flags & TXN_WHOLE) != 0 && i < ks->store.shards_len; i++)
            depends = max_u64(depends, ks->store.shards[i].last_lsn); /* it may have walked them */
    }
    unlock(t);
    t->open = false;
    if (t->stamped && UNLIKELY(writeback_memory_is_high(ks->wb)))
        evict_some(ks, &t->evict_next, EVICT_LEAST + t->effects.len + t->raw.len);
    forget_raw_copy(t);
    if (t->effects.cap > 64 * 1024)
        buf_fini(&t->effects);
    for (uint32_t i = 0; UNLIKELY(t->met_expired) && i < t->slots_len; i++)
        expire_met(t, &t->slots[i]);
    forget_joined(t);
    if (UNLIKELY(t->slots_cap > SLOTS_KEPT)) {
        free(t->slots);
        t->slots = t->inline_slots;
        t->slots_cap = TXN_INLINE_SLOTS;
    }
    return depends;
}
