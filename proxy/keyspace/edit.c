/* Reading and changing keys inside a transaction.
 *
 * Every change goes the same way: edit_begin() stamps the transaction, captures the entry for a cut
 * that is still owed it, and clears away what has expired; then the store changes; end_edit() makes
 * the entry dirty, keeps the sums of what is dirty, and tells WATCH. An aggregate stays open until
 * its request ends, for the command goes on changing it. What changes a whole key says its effect
 * here, too (effect.h). No other place makes an entry dirty on behalf of a command.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "store/list.h"

/* --- Reading --- */

static void edit_note_expired(struct txn *t, const struct entry *e)
{
    if (e == NULL)
        return;
    t->met_expired |= (e->type != VALUE_NONE && entry_expired(e, t->now)) ||
                      (UNLIKELY(entry_is_head(e)) && !txn_is_live_head(t, e));
}

/* Type and expiry are enough for what the command does with this key, and they are there. */
static bool edit_is_enough(const struct txn *t, const struct slot *s, const struct entry *e)
{
    return txn_is_live_head(t, e) && (needs_head(s->key->mode) || s->key->mode == KEY_OVERWRITE);
}

const struct value *txn_peek(struct txn *t, uint32_t k)
{
    must(t->open && k < t->slots_len);
    struct slot *s = &t->slots[k];
    struct entry *e = slot_entry(t, s);
    if (txn_is_live(t, e)) {
        entry_value(e, &s->view);
    } else if (edit_is_enough(t, s, e)) {
        entry_head(e, &s->view);
    } else {
        edit_note_expired(t, e);
        return NULL;
    }
    return &s->view;
}

const struct value *txn_read(struct txn *t, uint32_t k)
{
    const struct value *v = txn_peek(t, k);
    enum key_mode mode = t->slots[k].key->mode;
    bool counts = mode == KEY_READ || mode == KEY_HEAD;
    must(mode != KEY_OVERWRITE);
    if (counts)
        stat_add(v != NULL ? STAT_keyspace_hits : STAT_keyspace_misses, 1);
    if (v == NULL && t->slots[k].entry != NULL)
        stat_add(STAT_negative_hits, 1);
    if (v == NULL && counts)
        txn_notify(t, NOTIFY_MISS, "keymiss", k);
    return v;
}

void txn_object_info(struct txn *t, uint32_t k, struct txn_object_info *out)
{
    struct entry *e = slot_entry(t, &t->slots[k]);
    must(e != NULL);
    out->idle_seconds = store_idle_seconds(e);
    out->frequency = store_frequency(e);
    out->memory_bytes = entry_memory(e);
}

void txn_set_use(struct txn *t, uint32_t k, int64_t idle_seconds, int frequency)
{
    struct entry *e = slot_entry(t, &t->slots[k]);
    must(e != NULL);
    store_set_use(e, idle_seconds, frequency);
}

/* --- Telling --- */

void txn_notify(struct txn *t, enum notify_class class, const char *event, uint32_t k)
{
    struct keyspace *ks = t->ks;
    if (LIKELY(!keyspace_tells(ks, class)))
        return;
    const struct txn_key *key = t->slots[k].key;
    /* A miss may be due to a deletion that is not durable yet. */
    uint64_t lsn = t->stamped ? t->stamp.lsn : t->slots[k].shard->last_lsn;
    struct keyspace_event told = {class, event, key->db, key->name, lsn};
    ks->options.on_event(ks->options.ctx, &told);
}

/* --- The frame of every change --- */

struct edit {
    struct slot *slot;
    struct slot *open; /* the one whose object is open already: this or another of the same key */
    struct entry *entry;
    int64_t weight_before;
    bool was_none; /* the entry stood for the absence of the key, or its time was over */
    bool was_cold; /* only the backend had it, as its head says */
};

static uint32_t slot_number(const struct txn *t, const struct slot *s)
{
    return (uint32_t)(s - t->slots);
}

static void journal_expired(struct txn *t, const struct slot *s)
{
    txn_notify(t, NOTIFY_EXPIRED, "expired", slot_number(t, s));
    effect_del(t, s->store_db, s->key->name); /* goes before the effect of the request */
    stat_add(STAT_expired_keys, 1);
}

bool edit_begin_entry(struct txn *t, struct shard *sh, struct entry *e, int64_t *weight)
{
    txn_stamp(t);
    struct keyspace *ks = t->ks;
    bool ready =
        !writeback_must_capture(e, t->stamp.cut) || writeback_capture(ks->wb, t->producer, sh, e);
    *weight = (e->flags & ENTRY_DIRTY) != 0 ? writeback_weight(e) : 0;
    return ready;
}

static struct slot *edit_find_open(struct txn *t, const struct slot *s)
{
    for (uint32_t n = t->open_objects; n != 0; n = t->slots[n - 1].next_open) {
        struct slot *other = &t->slots[n - 1];
        if (other->hash == s->hash && slice_eq(other->key->name, s->key->name))
            return other;
    }
    return NULL;
}

static struct edit edit_begin(struct txn *t, uint32_t k) NO_TSA
{
    must(t->open && k < t->slots_len && (t->flags & TXN_WRITES) != 0);
    struct keyspace *ks = t->ks;
    struct slot *s = &t->slots[k];
    must(s->key->mode > KEY_READ); /* so what was owed of it is captured */
    txn_stamp(t);
    t->edited = true;
    struct entry *e = slot_entry(t, s);
    if (e == NULL)
        return (struct edit){.slot = s};
    struct slot *open = edit_find_open(t, s);
    int64_t before;
    must(edit_begin_entry(t, s->shard, e, &before)); /* see owed.c */
    if (open != NULL)
        before = open->weight;
    bool was_head = entry_is_head(e), was_cold = was_head && txn_is_live_head(t, e);
    if ((e->flags & ENTRY_LOADING) != 0 && !was_head)
        load_cancel(ks, s->hash, s->store_db, s->key->name); /* the change ends the flag */
    if (e->type != VALUE_NONE && entry_expired(e, t->now)) {
        struct entry *gone = entry_set_none(s->shard, slot_at(s, e));
        if (gone != NULL) {
            journal_expired(t, s);
            e = gone;
        }
    } else if (was_head && !was_cold) {
        journal_expired(t, s); /* before the reaper came by */
    } else if (e->type == VALUE_NONE && (e->flags & ENTRY_REPLACE) != 0) {
        e->flags &= (uint8_t)~ENTRY_REPLACE;
        journal_expired(t, s); /* before it was looked for */
    }
    return (struct edit){.slot = s,
                         .open = open,
                         .entry = e,
                         .weight_before = before,
                         .was_none = e->type == VALUE_NONE && !was_cold,
                         .was_cold = was_cold};
}

/* The entry as it is now is dirty, and stands so in the sums. */
static void note_changed(struct txn *t, const struct edit *edit, struct entry *e) NO_TSA
{
    writeback_changed(t->ks->wb, t->producer, edit->slot->shard, e, t->stamp.cut,
                      edit->weight_before);
    if (edit->open != NULL)
        edit->open->weight = writeback_weight(e);
}

/* `e` is the entry at its place now, or NULL when memory ran out and nothing changed. */
static enum rc end_edit(struct txn *t, struct edit *edit, struct entry *e) NO_TSA
{
    struct slot *s = edit->slot;
    t->generation++;
    if (e == NULL) {
        s->generation = t->generation - 1;
        if (edit->entry == NULL || edit->entry->type != VALUE_NONE ||
            (edit->entry->flags & ENTRY_LOADING) != 0)
            return RC_NOMEM;  /* as it was, a placeholder too: it stands for no deletion */
        e = slot_entry(t, s); /* an expired key may have been cleared away: that must be flushed */
        must(e != NULL);
        note_changed(t, edit, e);
        return RC_NOMEM;
    }
    s->entry = e;
    s->generation = t->generation;
    note_changed(t, edit, e);
    if (UNLIKELY(edit->was_cold))
        store_note_cold(&t->ks->store, s->store_db, -1);
    atomic_store_explicit(&t->ks->map->touched[s->store_db], true, memory_order_relaxed);
    if (UNLIKELY(s->shard->watch != NULL))
        watch_touch(t->ks, s->shard, s->store_db, s->key->name);
    if (UNLIKELY(s->shard->blocked != NULL))
        block_note(t, s);
    bool absent_before = edit->entry == NULL || edit->was_none;
    if (absent_before && e->type != VALUE_NONE)
        txn_notify(t, NOTIFY_NEW, "new", slot_number(t, s));
    return RC_OK;
}

void txn_touch(struct txn *t, uint32_t k) NO_TSA
{
    const struct slot *s = &t->slots[k];
    must(t->open && (t->flags & TXN_WRITES) != 0);
    if (s->shard->watch != NULL)
        watch_touch(t->ks, s->shard, s->store_db, s->key->name);
}

void txn_note_in_string(struct txn *t, uint32_t k, size_t at, struct slice bytes) NO_TSA
{
    const struct value *v = txn_peek(t, k);
    must(v != NULL && v->type == VALUE_STRING && at + bytes.len <= v->str.len);
    if (v->blob == NULL || atomic_load(&v->blob->refs) == 1)
        memcpy((char *)(uintptr_t)v->str.ptr + at, bytes.ptr, bytes.len);
}

/* --- Strings --- */

static bool is_past(const struct txn *t, int64_t expires_at_ms)
{
    return expires_at_ms > 0 && expires_at_ms <= t->now.ms;
}

static int64_t kept_expiry(const struct txn *t, const struct edit *edit, int64_t expires_at_ms)
{
    if (expires_at_ms != TXN_KEEP_TTL)
        return expires_at_ms;
    return txn_head(t, edit->entry).expires_at_ms;
}

enum rc edit_clear(struct txn *t, uint32_t k) NO_TSA
{
    struct edit edit = edit_begin(t, k);
    struct slot *s = edit.slot;
    enum rc rc = end_edit(t, &edit, entry_set_none(s->shard, slot_at(s, edit.entry)));
    if (rc == RC_OK)
        effect_say_removed(t, k);
    return rc;
}

enum rc txn_set_blob(struct txn *t, uint32_t k, struct slice value, struct blob **blob,
                     int64_t expires_at_ms) NO_TSA
{
    if (is_past(t, expires_at_ms))
        return edit_clear(t, k);
    if (!effect_try_reserve(t, k, value.len))
        return RC_NOMEM;
    struct edit edit = edit_begin(t, k);
    struct slot *s = edit.slot;
    int64_t expires = kept_expiry(t, &edit, expires_at_ms);
    struct entry *e;
    if (blob != NULL && *blob != NULL)
        e = entry_set_blob(s->shard, slot_at(s, edit.entry), blob, expires);
    else
        e = entry_set_string(s->shard, slot_at(s, edit.entry), value, expires);
    enum rc rc = end_edit(t, &edit, e);
    if (rc == RC_OK)
        effect_say_string(t, k, value, expires);
    return rc;
}

enum rc txn_set_string(struct txn *t, uint32_t k, struct slice value, int64_t expires_at_ms)
{
    return txn_set_blob(t, k, value, NULL, expires_at_ms);
}

char *txn_edit_string(struct txn *t, uint32_t k, size_t new_len) NO_TSA
{
    struct edit edit = edit_begin(t, k);
    struct slot *s = edit.slot;
    char *at = NULL;
    struct entry *e = entry_edit_string(s->shard, slot_at(s, edit.entry), new_len, &at);
    return end_edit(t, &edit, e) == RC_OK ? at : NULL;
}

/* The frame around a value that is put at a place as a whole. */
static struct entry *place_value(const struct edit *edit, const struct value *v,
                                 void *object) NO_TSA
{
    const struct slot *s = edit->slot;
    struct entry *e;
    if (object != NULL) {
        e = entry_set_object(s->shard, slot_at(s, edit->entry), v->type, object, v->expires_at_ms);
        if (e != NULL)
            e->flags |= ENTRY_REPLACE;
    } else if (v->blob != NULL) {
        struct blob *shared = blob_ref(v->blob);
        e = entry_set_blob(s->shard, slot_at(s, edit->entry), &shared, v->expires_at_ms);
        blob_unref(&shared);
    } else {
        e = entry_set_string(s->shard, slot_at(s, edit->entry), v->str, v->expires_at_ms);
    }
    if (e != NULL && v->raw)
        e->flags |= ENTRY_RAW;
    return e;
}

/* Puts a string or an object at `to` and says it in full; the object is taken over on success. */
static enum rc edit_put(struct txn *t, uint32_t to, const struct value *v, void *object)
{
    struct edit edit = edit_begin(t, to);
    size_t mark = t->effects.len;
    struct value whole = *v;
    whole.object = object;
    bool said = effect_say_whole(t, to, &whole);
    struct entry *e = said ? place_value(&edit, v, object) : NULL;
    if (e != NULL && v->type == VALUE_LIST)
        list_renumber(object); /* what replay makes of a payload has the canonical positions */
    enum rc rc = end_edit(t, &edit, e);
    if (rc != RC_OK)
        t->effects.len = mark;
    return rc;
}

/* --- Aggregates --- */

static void **open_object(struct txn *t, const struct edit *edit, struct entry *e)
{
    struct slot *s = edit->slot;
    if (edit->open == NULL) {
        s->weight = writeback_weight(e);
        s->next_open = t->open_objects;
        t->open_objects = slot_number(t, s) + 1;
    }
    return entry_object_place(e);
}

void **txn_edit_object(struct txn *t, uint32_t k, enum value_type type, bool *created) NO_TSA
{
    const struct value_ops *ops = value_ops(type);
    struct edit edit = edit_begin(t, k);
    struct slot *s = edit.slot;
    struct entry *e = edit.entry;
    bool creates = e == NULL || e->type == VALUE_NONE;
    if (created != NULL)
        *created = creates;
    if (creates) {
        void *object = ops->try_new();
        e = NULL;
        if (object != NULL)
            e = entry_set_object(s->shard, slot_at(s, edit.entry), type, object, 0);
        if (e != NULL)
            e->flags |= ENTRY_REPLACE;
        else if (object != NULL)
            ops->free(object);
    } else {
        must(e->type == type);
    }
    return end_edit(t, &edit, e) == RC_OK ? open_object(t, &edit, e) : NULL;
}

/* Nothing is left of an aggregate: it is gone. */
static struct entry *remove_empty(struct txn *t, struct slot *s, struct entry *e) NO_TSA
{
    struct entry *gone = entry_set_none(s->shard, slot_at(s, e));
    if (gone != NULL)
        t->generation++;
    txn_close_request(t); /* it comes first */
    effect_del(t, s->store_db, s->key->name);
    return gone != NULL ? gone : e;
}

void edit_close_objects(struct txn *t) NO_TSA
{
    for (uint32_t n = t->open_objects; n != 0; n = t->slots[n - 1].next_open) {
        struct slot *s = &t->slots[n - 1];
        struct entry *e = slot_entry(t, s);
        if (e->type > VALUE_STRING &&
            value_ops((enum value_type)e->type)->count(entry_object(e)) == 0)
            e = remove_empty(t, s, e);
        writeback_reweighed(t->ks->wb, t->producer, e, s->weight);
    }
    t->open_objects = 0;
}

enum rc txn_put_object(struct txn *t, uint32_t k, enum value_type type, void **object)
{
    struct value v = {.type = type};
    must(*object != NULL && value_ops(type)->count(*object) > 0);
    enum rc rc = edit_put(t, k, &v, *object);
    if (rc == RC_OK)
        *object = NULL;
    return rc;
}

/* --- Removal and expiry --- */

/* A key that is overwritten is not looked up in the backend. */
static bool may_be_in_backend(const struct slot *s, const struct entry *e)
{
    return s->key->mode == KEY_OVERWRITE && (e == NULL || (e->flags & ENTRY_LOADING) != 0);
}

bool txn_remove(struct txn *t, uint32_t k)
{
    const struct entry *e = slot_entry(t, &t->slots[k]);
    edit_note_expired(t, e);
    if (!txn_is_live(t, e) && !edit_is_enough(t, &t->slots[k], e) &&
        !may_be_in_backend(&t->slots[k], e))
        return false;
    return edit_clear(t, k) == RC_OK;
}

enum rc txn_set_expiry(struct txn *t, uint32_t k, int64_t expires_at_ms) NO_TSA
{
    must(txn_is_live(t, slot_entry(t, &t->slots[k])));
    if (is_past(t, expires_at_ms))
        return edit_clear(t, k);
    struct edit edit = edit_begin(t, k);
    struct slot *s = edit.slot;
    struct entry *e = entry_set_expiry(s->shard, edit.entry, s->hash, expires_at_ms);
    enum rc rc = end_edit(t, &edit, e);
    if (rc == RC_OK)
        effect_say_expiry(t, k, expires_at_ms);
    return rc;
}

/* --- RENAME and COPY --- */

/* As Redis has it, what is overwritten here goes first, and the name is new again. */
static void notify_renewed(struct txn *t, uint32_t to)
{
    if (UNLIKELY(keyspace_tells(t->ks, NOTIFY_NEW)) && txn_peek(t, to) != NULL)
        txn_notify(t, NOTIFY_NEW, "new", to);
}

enum rc txn_copy(struct txn *t, uint32_t from, uint32_t to)
{
    const struct value *v = txn_peek(t, from);
    must(v != NULL);
    notify_renewed(t, to);
    if (v->type == VALUE_STRING)
        return edit_put(t, to, v, NULL);
    void *object = value_ops(v->type)->copy(v->object);
    if (object == NULL)
        return RC_NOMEM;
    enum rc rc = edit_put(t, to, v, object);
    if (rc != RC_OK)
        value_ops(v->type)->free(object);
    return rc;
}

enum rc txn_put_value(struct txn *t, uint32_t k, const struct value *v, void **object)
{
    must((v->type == VALUE_STRING) == (*object == NULL) && !is_past(t, v->expires_at_ms));
    must(*object == NULL || value_ops(v->type)->count(*object) > 0);
    notify_renewed(t, k);
    enum rc rc = edit_put(t, k, v, *object);
    if (rc == RC_OK)
        *object = NULL;
    return rc;
}

/* A value that is too large to be said in full is said by its source, which replay then has: keys
 * of one database are in one backend. */
static bool goes_by_name(const struct txn *t, uint32_t from, uint32_t to, const struct value *v)
{
    enum { LARGE = 1024 * 1024 };
    return value_ops(v->type)->memory(v->object) > LARGE &&
           t->slots[from].store_db == t->slots[to].store_db;
}

enum rc txn_rename(struct txn *t, uint32_t from, uint32_t to) NO_TSA
{
    const struct value *v = txn_peek(t, from);
    must(v != NULL);
    notify_renewed(t, to);
    if (v->type == VALUE_STRING) {
        enum rc rc = edit_put(t, to, v, NULL);
        return rc == RC_OK ? edit_clear(t, from) : rc;
    }
    struct value moved = *v;
    bool by_name = t->ks->replaying || goes_by_name(t, from, to, v); /* what is replayed went so */
    struct edit edit = edit_begin(t, from); /* a capture may move the object */
    struct slot *s = edit.slot;
    /* First where it goes, which needs memory; leaving needs none. */
    enum rc rc;
    if (by_name) {
        struct edit arriving = edit_begin(t, to);
        rc = end_edit(t, &arriving, place_value(&arriving, &moved, entry_object(edit.entry)));
    } else {
        rc = edit_put(t, to, &moved, entry_object(edit.entry));
    }
    if (rc == RC_OK)
        (void)entry_take_object(s->shard, edit.entry, s->hash);
    must(end_edit(t, &edit, edit.entry) == RC_OK);
    if (rc == RC_OK && by_name)
        effect_say_renamed(t, from, to);
    else if (rc == RC_OK)
        effect_say_removed(t, from);
    return rc;
}

/* --- Whole databases --- */

static void begin_whole(struct txn *t)
{
    must(t->open && (t->flags & TXN_WHOLE) != 0);
    txn_stamp(t);
    writeback_capture_map(t->ks->wb, t->stamp.cut);
}

/* Later commands of the same transaction find their keys where the numbers point now. */
static void end_whole(struct txn *t)
{
    t->edited = true;
    atomic_store(&t->ks->map->changed, true);
    for (uint32_t i = 0; i < t->slots_len; i++)
        slot_resolve(t, &t->slots[i]);
    t->generation++;
}

/* Nothing was ever under this number: there is nothing to flush, here or in the backend. */
static bool is_untouched(const struct dbmap *map, uint32_t db)
{
    uint32_t store_db = dbmap_store_db(map, db);
    return atomic_load(&map->born_empty[store_db]) && !atomic_load(&map->touched[store_db]);
}

/* Nothing of a new store database has been dropped, whatever was dropped of the one before that had
 * its bit. One that is in use and shares it keeps what it says. */
static void begin_complete(struct txn *t, uint32_t db) NO_TSA
{
    const struct dbmap *map = t->ks->map;
    uint64_t bit = shard_database_bit(dbmap_store_db(map, db));
    for (uint32_t n = 0; n < map->len; n++)
        if (n != db && shard_database_bit(dbmap_store_db(map, n)) == bit)
            return;
    for (uint32_t i = 0; i < t->ks->store.shards_len; i++)
        t->ks->store.shards[i].incomplete &= ~bit;
}

static void flush_one(struct txn *t, uint32_t db)
{
    struct dbmap *map = t->ks->map;
    uint32_t old = dbmap_store_db(map, db);
    begin_whole(t);
    dbmap_renew(map, db, t->stamp.lsn);
    begin_complete(t, db);
    atomic_store(&t->ks->store.dbs[dbmap_store_db(map, db)].cold, 0);
    watch_databases_changed(t, db, db, old, old);
    block_databases_changed(t, db, db);
    end_whole(t);
}

/* All of them or none. */
static bool flush(struct txn *t, const uint32_t *numbers, uint32_t n)
{
    if (!txn_may_flush(t, n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        flush_one(t, numbers[i]);
    if (n > 0)
        effect_say_map(t, numbers, n);
    return true;
}

bool txn_flush_db(struct txn *t, uint32_t db)
{
    return flush(t, &db, is_untouched(t->ks->map, db) ? 0 : 1);
}

bool txn_flush_all(struct txn *t)
{
    uint32_t numbers[BACKEND_DATABASES_MAX], n = 0;
    for (uint32_t db = 0; db < t->ks->map->len; db++) {
        if (!is_untouched(t->ks->map, db))
            numbers[n++] = db;
    }
    return flush(t, numbers, n);
}

void txn_swap_db(struct txn *t, uint32_t a, uint32_t b)
{
    struct dbmap *map = t->ks->map;
    uint32_t old_a = dbmap_store_db(map, a), old_b = dbmap_store_db(map, b);
    if (a == b)
        return;
    begin_whole(t);
    dbmap_swap(map, a, b);
    watch_databases_changed(t, a, b, old_a, old_b);
    block_databases_changed(t, a, b);
    end_whole(t);
    effect_say_map(t, (uint32_t[]){a, b}, 2);
}
