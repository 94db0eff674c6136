/* Creating and changing entries: layout, moving, and everything that has to follow a change (table,
 * dirty list, expiry index, counters).
 *
 * The order is always: get all the memory that is needed, change, account, release what was there.
 * So running out of memory leaves everything as it was.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/shard.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct entry) == 16, "the header of an entry is 16 bytes");
static_assert(STORE_INLINE_MAX < 1 << 15, "value_len has 15 bits");

enum {
    SURVIVES = ENTRY_DIRTY | ENTRY_CUT_ODD | ENTRY_IN_FLIGHT | ENTRY_VISITED | ENTRY_EXPIRES,
    GROWTH_MAX = 1024 * 1024, /* how far a blob that is edited grows ahead of its use */
};

/* --- Looking --- */

struct entry *entry_find(struct shard *sh, uint64_t hash, uint32_t db, struct slice key)
{
    struct table_probe probe;
    uint64_t *slot = table_first(sh->table, table_position(hash), &probe);
    for (; slot != NULL; slot = table_next(&probe)) {
        struct entry *e = slot_pointer(*slot);
        if (LIKELY(e->key_len == key.len && e->db == db &&
                   memcmp(e->data + entry_key_offset(e), key.ptr, key.len) == 0))
            return e;
    }
    return NULL;
}

struct slice entry_key(const struct entry *e)
{
    return slice_of(e->data + entry_key_offset(e), e->key_len);
}

int64_t entry_expires_at(const struct entry *e)
{
    int64_t at = 0;
    if ((e->flags & ENTRY_EXPIRES) != 0)
        memcpy(&at, e->data, sizeof(at));
    return at;
}

static const char *payload_of(const struct entry *e)
{
    return e->data + entry_key_offset(e) + e->key_len;
}

/* Between the key and the pointer to an object, so that the pointer can be changed in place. */
static size_t object_padding(size_t key_len)
{
    return -key_len % sizeof(void *);
}

struct content entry_content(const struct entry *e)
{
    struct content c = {.type = e->type};
    if (e->is_blob)
        memcpy(&c.blob, payload_of(e), sizeof(c.blob));
    else if (e->type != VALUE_NONE && e->type != VALUE_STRING)
        memcpy(&c.object, payload_of(e) + object_padding(e->key_len), sizeof(c.object));
    return c;
}

void **entry_object_place(struct entry *e)
{
    must(entry_content(e).object != NULL);
    return (void **)(void *)(entry_payload(e) + object_padding(e->key_len));
}

void *entry_object(const struct entry *e)
{
    void *object = entry_content(e).object;
    must(object != NULL);
    return object;
}

void entry_value(const struct entry *e, struct value *out)
{
    *out = (struct value){.type = e->type, .expires_at_ms = entry_expires_at(e)};
    if (e->type == VALUE_STRING && !e->is_blob) {
        out->str = slice_of(payload_of(e), e->value_len);
        out->raw = (e->flags & ENTRY_RAW) != 0;
    } else {
        struct content c = entry_content(e);
        out->object = c.object;
        out->blob = c.blob;
        out->raw = (e->flags & ENTRY_RAW) != 0;
        if (c.blob != NULL)
            out->str = blob_slice(c.blob);
    }
}

size_t entry_memory(const struct entry *e)
{
    size_t bytes = entry_own_class(e) + sizeof(uint64_t) + 1;
    if ((e->flags & ENTRY_EXPIRES) != 0)
        bytes += sizeof(struct expiry_item);
    struct content c = entry_content(e);
    if (c.blob != NULL)
        bytes += alloc_size_class(sizeof(*c.blob) + c.blob->cap);
    else if (c.object != NULL)
        bytes += value_ops(c.type)->memory(c.object);
    return bytes;
}

static bool must_replace(const struct entry *e, const struct value_ops *ops, const void *object)
{
    return (e->flags & ENTRY_REPLACE) != 0 ||
           (ops->must_replace != NULL && ops->must_replace(object));
}

bool entry_must_replace(const struct entry *e)
{
    return must_replace(e, value_ops((enum value_type)e->type), entry_object(e));
}

/* An average element for each change: what an aggregate knows without looking through it. */
static size_t unflushed_of_object(const struct entry *e, const struct value_ops *ops,
                                  const void *object)
{
    size_t memory = ops->memory(object);
    if (must_replace(e, ops, object))
        return memory;
    size_t changes = ops->changes(object, false), elements = ops->count(object);
    return changes >= elements ? memory : memory / elements * changes;
}

size_t entry_unflushed(const struct entry *e)
{
    size_t bytes = entry_own_class(e);
    if (LIKELY(!e->is_blob && e->type <= VALUE_STRING))
        return bytes;
    struct content c = entry_content(e);
    if (c.blob != NULL)
        bytes += alloc_size_class(sizeof(*c.blob) + c.blob->cap);
    else if (c.object != NULL)
        bytes += unflushed_of_object(e, value_ops(c.type), c.object);
    return bytes;
}

/* --- Laying out --- */

/* A new entry in the table: of type NONE, with key and room for the payload, not accounted. */
static struct entry *create(struct shard *sh, struct key_at at, bool expires, size_t payload_len)
    REQUIRES(sh->lock)
{
    must(at.db <= STORE_DB_MAX && at.key.len <= STORE_KEY_MAX);
    if (!table_try_reserve(sh->table))
        return NULL;
    struct entry *e = alloc_try(entry_class(expires, at.key.len, payload_len));
    if (e == NULL)
        return NULL;
    *e = (struct entry){
        .value_len = (uint32_t)payload_len & 0x7fff,
        .key_len = (uint32_t)at.key.len & STORE_KEY_MAX,
        .db = (uint16_t)at.db,
        .flags = expires ? ENTRY_EXPIRES : 0,
    };
    entry_touch_new(e);
    if (at.key.len > 0)
        memcpy(e->data + entry_key_offset(e), at.key.ptr, at.key.len);
    table_insert(sh->table, table_position(at.hash), e);
    return e;
}

/* Whether an allocation of at least `had` bytes is right for `wanted` ones: they fit, and do not
 * waste more than a third of it. The allocator is asked only when the class changes. */
static bool entry_fits(struct entry *e, size_t had, size_t wanted)
{
    if (LIKELY(had == wanted))
        return true;
    size_t usable = alloc_usable(e);
    return wanted <= usable && usable <= wanted + wanted / 2;
}

/* Puts the expiry in front of the key, or takes it away; `keep` bytes of the payload move along. */
static void shift(struct entry *e, bool expires, size_t keep)
{
    if (expires == ((e->flags & ENTRY_EXPIRES) != 0))
        return;
    size_t from = expires ? 0 : sizeof(int64_t), to = expires ? sizeof(int64_t) : 0;
    memmove(e->data + to, e->data + from, e->key_len + keep);
    e->flags ^= ENTRY_EXPIRES;
}

/* What an entry is to have room for. */
struct entry_room {
    size_t payload_len;
    size_t keep; /* the first so many bytes of the payload stay */
    bool expires;
};

/* The entry with room for another payload, with or without an expiry: in place or moved. NULL: out
 * of memory, unchanged. */
static struct entry *reshape(struct shard *sh, struct entry *e, uint64_t hash,
                             struct entry_room room) REQUIRES(sh->lock)
{
    size_t had = entry_own_class(e);
    size_t wanted = entry_class(room.expires, e->key_len, room.payload_len);
    if (!entry_fits(e, had, wanted)) {
        struct entry *moved = alloc_try(wanted);
        if (moved != NULL) {
            memcpy(moved, e, sizeof(*e));
            moved->flags &= (uint8_t)~ENTRY_EXPIRES;
            if (room.expires) {
                int64_t deadline = entry_expires_at(e);
                moved->flags |= ENTRY_EXPIRES;
                memcpy(moved->data, &deadline, sizeof(deadline));
            }
            memcpy(moved->data + entry_key_offset(moved), e->data + entry_key_offset(e),
                   e->key_len + room.keep);
            slot_set_pointer(table_slot_of(sh->table, table_position(hash), e), moved);
            if ((e->flags & ENTRY_DIRTY) != 0)
                sh->dirty[e->dirty_index] = moved;
            free(e);
            moved->value_len = (uint32_t)room.payload_len & 0x7fff;
            return moved;
        }
        if (wanted > alloc_usable(e))
            return NULL;
    }
    shift(e, room.expires, room.keep);
    e->value_len = (uint32_t)room.payload_len & 0x7fff;
    return e;
}

static void set_deadline(struct entry *e, int64_t expires_at_ms)
{
    if ((e->flags & ENTRY_EXPIRES) != 0)
        memcpy(e->data, &expires_at_ms, sizeof(expires_at_ms));
}

/* What an entry is to hold. */
struct entry_form {
    enum value_type type;
    bool is_blob;
    const void *payload; /* NULL: zeros */
    size_t payload_len;
    int64_t expires_at_ms;
};

static struct entry *entry_put(struct shard *sh, struct key_at at, const struct entry_form *f)
    REQUIRES(sh->lock)
{
    bool expires = f->expires_at_ms != 0;
    if (expires && !expiry_try_reserve(sh->expiry))
        return NULL;
    struct kind was = kind_of(at.entry);
    struct content leaving = {0};
    int64_t old_deadline = 0;
    struct entry *e;
    if (at.entry == NULL) {
        e = create(sh, at, expires, f->payload_len);
    } else {
        leaving = entry_content(at.entry);
        old_deadline = entry_expires_at(at.entry);
        e = reshape(sh, at.entry, at.hash, (struct entry_room){f->payload_len, 0, expires});
    }
    if (e == NULL)
        return NULL;
    if (f->payload == NULL)
        memset(entry_payload(e), 0, f->payload_len);
    else
        memmove(entry_payload(e), f->payload, f->payload_len);
    set_deadline(e, f->expires_at_ms);
    e->type = f->type;
    e->is_blob = f->is_blob;
    e->flags &= SURVIVES;
    store_account(sh->store, at.db, was, kind_of(e));
    if (!was.live && f->type != VALUE_NONE)
        arrivals_note(&sh->store->arrivals, at.hash);
    expiry_moved(sh, at.hash, old_deadline, f->expires_at_ms);
    if (UNLIKELY(leaving.blob != NULL || leaving.object != NULL)) {
        struct content now = entry_content(e);
        if (leaving.object == NULL || leaving.object != now.object)
            content_release(&leaving);
    }
    return e;
}

/* --- Setting --- */

/* True when the bytes lie in the entry itself: they would move under the writer's hands. */
static bool lies_within(const struct entry *e, struct slice bytes)
{
    uintptr_t from = (uintptr_t)e, at = (uintptr_t)bytes.ptr;
    return e != NULL && at >= from && at < from + entry_own_class(e);
}

struct entry *entry_set_string(struct shard *sh, struct key_at at, struct slice value,
                               int64_t expires_at_ms)
{
    struct entry_form f = {VALUE_STRING, false, value.ptr, value.len, expires_at_ms};
    if (LIKELY(value.len <= STORE_INLINE_MAX)) {
        if (LIKELY(!lies_within(at.entry, value)))
            return entry_put(sh, at, &f);
        char *copy = alloc_try(value.len + 1);
        if (copy == NULL)
            return NULL;
        memcpy(copy, value.ptr, value.len);
        f.payload = copy;
        struct entry *e = entry_put(sh, at, &f);
        free(copy);
        return e;
    }
    struct blob *b = alloc_try_blob(value.len);
    if (b == NULL)
        return NULL;
    memcpy(b->data, value.ptr, value.len);
    b->len = value.len;
    struct entry *e = entry_set_blob(sh, at, &b, expires_at_ms);
    blob_unref(&b);
    return e;
}

struct entry *entry_set_blob(struct shard *sh, struct key_at at, struct blob **blob,
                             int64_t expires_at_ms)
{
    struct entry_form f = {VALUE_STRING, true, blob, sizeof(*blob), expires_at_ms};
    struct entry *e = entry_put(sh, at, &f);
    if (e != NULL)
        *blob = NULL;
    return e;
}

struct entry *entry_set_object(struct shard *sh, struct key_at at, enum value_type type,
                               void *object, int64_t expires_at_ms)
{
    must(value_ops(type) != NULL);
    char payload[2 * sizeof(object)] = {0};
    size_t padding = object_padding(at.key.len);
    memcpy(payload + padding, &object, sizeof(object));
    struct entry_form f = {type, false, payload, padding + sizeof(object), expires_at_ms};
    return entry_put(sh, at, &f);
}

struct entry *entry_set_none(struct shard *sh, struct key_at at)
{
    struct entry_form f = {.type = VALUE_NONE};
    return entry_put(sh, at, &f);
}

/* What the payload of a head is. */
struct entry_head_payload {
    int64_t expires_at_ms;
    int64_t type;
};

struct entry *entry_set_head(struct shard *sh, struct key_at at, enum value_type type,
                             int64_t expires_at_ms)
{
    struct entry_head_payload head = {expires_at_ms, type};
    struct entry_form f = {.type = VALUE_NONE, .payload = &head, .payload_len = sizeof(head)};
    struct entry *e = entry_put(sh, at, &f);
    if (e != NULL)
        e->flags |= ENTRY_LOADING;
    return e;
}

void entry_head(const struct entry *e, struct value *out)
{
    struct entry_head_payload head;
    must(entry_is_head(e) && e->value_len == sizeof(head));
    memcpy(&head, payload_of(e), sizeof(head));
    *out = (struct value){.type = (enum value_type)head.type, .expires_at_ms = head.expires_at_ms};
}

struct entry *entry_set_expiry(struct shard *sh, struct entry *e, uint64_t hash,
                               int64_t expires_at_ms)
{
    must(e->type != VALUE_NONE);
    bool expires = expires_at_ms != 0;
    int64_t old_deadline = entry_expires_at(e);
    struct kind was = kind_of(e);
    if (expires && !expiry_try_reserve(sh->expiry))
        return NULL;
    e = reshape(sh, e, hash, (struct entry_room){e->value_len, e->value_len, expires});
    if (e == NULL)
        return NULL;
    set_deadline(e, expires_at_ms);
    store_account(sh->store, e->db, was, kind_of(e));
    expiry_moved(sh, hash, old_deadline, expires_at_ms);
    return e;
}

/* --- Editing strings in place --- */

/* How much to allocate for a blob that is growing under edits. */
static size_t grown_cap(size_t len)
{
    return len + (len < GROWTH_MAX ? len : GROWTH_MAX);
}

/* A blob of new_len bytes that only this entry holds, with the old bytes; NULL: out of memory. */
static struct blob *writable_blob(struct blob *b, size_t new_len)
{
    if (atomic_load_explicit(&b->refs, memory_order_acquire) == 1) {
        if (new_len > b->cap)
            b = alloc_try_grow_blob(b, grown_cap(new_len));
    } else {
        struct blob *shared = b;
        b = alloc_try_blob(new_len > shared->len ? grown_cap(new_len) : new_len);
        if (b != NULL) {
            b->len = shared->len < new_len ? shared->len : new_len;
            memcpy(b->data, shared->data, b->len);
            blob_unref(&shared);
        }
    }
    if (b != NULL && new_len > b->len)
        memset(b->data + b->len, 0, new_len - b->len);
    if (b != NULL)
        b->len = new_len;
    return b;
}

/* An inline string becomes a blob of new_len bytes. */
static struct entry *edit_into_blob(struct shard *sh, struct entry *e, uint64_t hash,
                                    size_t new_len, char **at) REQUIRES(sh->lock)
{
    struct blob *b = alloc_try_blob(grown_cap(new_len));
    if (b == NULL)
        return NULL;
    size_t had = e->value_len;
    memcpy(b->data, entry_payload(e), had);
    memset(b->data + had, 0, new_len - had);
    b->len = new_len;
    e = reshape(sh, e, hash, (struct entry_room){sizeof(b), 0, (e->flags & ENTRY_EXPIRES) != 0});
    if (e == NULL) {
        blob_unref(&b);
        return NULL;
    }
    memcpy(entry_payload(e), &b, sizeof(b));
    e->is_blob = 1;
    *at = b->data;
    return e;
}

/* A string of zeros where there was nothing. */
static struct entry *edit_absent(struct shard *sh, struct key_at at, size_t new_len, char **bytes)
    REQUIRES(sh->lock)
{
    if (new_len <= STORE_INLINE_MAX) {
        struct entry_form f = {.type = VALUE_STRING, .payload_len = new_len};
        struct entry *e = entry_put(sh, at, &f);
        if (e != NULL)
            *bytes = entry_payload(e);
        return e;
    }
    struct blob *b = alloc_try_blob(new_len);
    if (b == NULL)
        return NULL;
    memset(b->data, 0, new_len);
    b->len = new_len;
    *bytes = b->data;
    struct entry *e = entry_set_blob(sh, at, &b, 0);
    blob_unref(&b);
    return e;
}

struct entry *entry_edit_string(struct shard *sh, struct key_at at, size_t new_len, char **bytes)
{
    struct entry *e, *old = at.entry;
    if (old == NULL || old->type == VALUE_NONE) {
        e = edit_absent(sh, at, new_len, bytes);
    } else if (old->is_blob) {
        struct blob *b = writable_blob(entry_content(old).blob, new_len);
        e = b == NULL ? NULL : old;
        if (b != NULL) {
            memcpy(entry_payload(old), &b, sizeof(b));
            *bytes = b->data;
        }
    } else if (new_len > STORE_INLINE_MAX) {
        e = edit_into_blob(sh, old, at.hash, new_len, bytes);
    } else {
        must(old->type == VALUE_STRING);
        size_t had = old->value_len;
        bool expires = (old->flags & ENTRY_EXPIRES) != 0;
        e = reshape(sh, old, at.hash,
                    (struct entry_room){new_len, had < new_len ? had : new_len, expires});
        if (e != NULL) {
            *bytes = entry_payload(e);
            if (new_len > had)
                memset(*bytes + had, 0, new_len - had);
        }
    }
    if (e != NULL)
        e->flags |= ENTRY_RAW;
    return e;
}

/* --- Leaving --- */

void entry_remove(struct shard *sh, struct entry *e, uint64_t hash)
{
    must((e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) == 0);
    struct content leaving = entry_content(e);
    int64_t deadline = entry_expires_at(e);
    uint32_t position = table_position(hash);
    table_remove(sh->table, position, table_slot_of(sh->table, position, e));
    store_account(sh->store, e->db, kind_of(e), (struct kind){0});
    sh->proven -= e->proven;
    free(e);
    expiry_moved(sh, hash, deadline, 0);
    content_release(&leaving);
}

void *entry_take_object(struct shard *sh, struct entry *e, uint64_t hash)
{
    void *object = entry_object(e);
    struct kind was = kind_of(e);
    int64_t deadline = entry_expires_at(e);
    shift(e, false, 0);
    e->value_len = 0;
    e->type = VALUE_NONE;
    e->flags &= SURVIVES;
    store_account(sh->store, e->db, was, kind_of(e));
    expiry_moved(sh, hash, deadline, 0);
    return object;
}

/* --- The dirty list --- */

static bool grow_dirty(struct shard *sh, uint32_t n) REQUIRES(sh->lock)
{
    size_t wanted = (size_t)sh->dirty_len + n;
    size_t cap = sh->dirty_cap < 16 ? 16 : (size_t)sh->dirty_cap * 3 / 2;
    if (cap < wanted)
        cap = wanted;
    if (cap > STORE_DIRTY_MAX)
        cap = STORE_DIRTY_MAX;
    if (cap < wanted)
        return false;
    struct entry **list = alloc_try_resize(sh->dirty, cap * sizeof(struct entry *));
    if (list == NULL)
        return false;
    sh->dirty = list;
    sh->dirty_cap = (uint32_t)cap;
    return true;
}

bool shard_try_reserve_dirty(struct shard *sh, uint32_t n)
{
    return LIKELY(sh->dirty_cap - sh->dirty_len >= n) || grow_dirty(sh, n);
}

bool entry_mark_dirty(struct shard *sh, struct entry *e, uint16_t cut)
{
    if ((e->flags & ENTRY_DIRTY) != 0)
        return true;
    if (!shard_try_reserve_dirty(sh, 1))
        return false;
    e->dirty_index = sh->dirty_len & 0xffffff;
    sh->dirty[sh->dirty_len++] = e;
    e->flags &= (uint8_t)~ENTRY_CUT_ODD;
    e->flags |= ENTRY_DIRTY;
    if (cut % 2 == 1)
        e->flags |= ENTRY_CUT_ODD;
    return true;
}

void entry_unmark_dirty(struct shard *sh, struct entry *e)
{
    must((e->flags & ENTRY_DIRTY) != 0 && sh->dirty[e->dirty_index] == e);
    struct entry *last = sh->dirty[--sh->dirty_len];
    sh->dirty[e->dirty_index] = last;
    last->dirty_index = e->dirty_index;
    e->flags &= (uint8_t) ~(ENTRY_DIRTY | ENTRY_CUT_ODD);
    if (sh->dirty_cap <= 64 || sh->dirty_len >= sh->dirty_cap / 4)
        return;
    uint32_t cap = sh->dirty_cap / 2;
    struct entry **list = alloc_try_resize(sh->dirty, cap * sizeof(struct entry *));
    if (list != NULL) {
        sh->dirty = list;
        sh->dirty_cap = cap;
    }
}
