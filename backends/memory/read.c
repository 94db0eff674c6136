/* Reading from the in-memory test backend: keys, pages of keys, numbers of keys.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/memory/internal.h"

static enum rc load_failure(struct memory_store *s, struct err *err)
{
    if (s->away)
        return memory_fail_away(err);
    if (s->fail_loads == 0)
        return RC_OK;
    s->fail_loads -= s->fail_loads != UINT64_MAX;
    return err_set(err, s->fail_loads_rc, "memory: failing on demand, nothing loaded");
}

/* Emits an aggregate in pieces; every item of one element or more makes progress. */
static enum rc emit_key(const struct memory_key *k, backend_emit *emit, void *ctx)
{
    struct backend_item item = k->item;
    uint32_t at = 0;
    enum rc rc = RC_OK;
    item.replace = true;
    do {
        size_t bytes = 0;
        uint32_t n = 0;
        while (at + n < k->item.elements_len) {
            const struct backend_element *e = &k->item.elements[at + n];
            bytes += e->name.len + e->value.len;
            if (n > 0 && bytes > BACKEND_PIECE_BYTES)
                break;
            n++;
        }
        item.elements = k->item.elements + at;
        item.elements_len = n;
        rc = emit(ctx, &item);
        item.replace = false;
        at += n;
    } while (rc == RC_OK && at < k->item.elements_len);
    return rc;
}

static enum rc emit_head(const struct memory_key *k, backend_emit *emit, void *ctx)
{
    struct backend_item item = {.db = k->item.db,
                                .key = k->item.key,
                                .type = k->item.type,
                                .expires_at_ms = k->item.expires_at_ms,
                                .replace = true};
    return emit(ctx, &item);
}

static bool has_something(const struct memory_key *k, bool even_expired)
{
    return k != NULL && (even_expired || memory_key_alive(k)) &&
           (k->item.type == VALUE_STRING || k->item.elements_len > 0);
}

enum rc memory_load(struct backend *b, const struct backend_item *keys, uint32_t n,
                    backend_emit *emit, void *ctx, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    lock_acquire(&s->lock);
    s->counters.loads++;
    s->counters.keys_loaded += n;
    for (uint32_t i = 0; i < n; i++)
        s->counters.heads_loaded += keys[i].head_only;
    enum rc rc = load_failure(s, err);
    lock_release(&s->lock);
    for (uint32_t i = 0; i < n && rc == RC_OK; i++) {
        lock_acquire(&s->lock);
        struct memory_key *k = memory_key_ref(memory_key_find(s, &keys[i]));
        if (s->polled)
            memory_settle(s, &keys[i]);
        lock_release(&s->lock);
        struct backend_item absent = {.db = keys[i].db, .key = keys[i].key, .replace = true};
        if (k != NULL && k->item.type != VALUE_NONE)
            absent.expires_at_ms = k->item.expires_at_ms;
        bool even_expired = keys[i].expires_at_ms == BACKEND_EVEN_EXPIRED;
        if (!has_something(k, even_expired))
            rc = emit(ctx, &absent);
        else
            rc = keys[i].head_only ? emit_head(k, emit, ctx) : emit_key(k, emit, ctx);
        lock_acquire(&s->lock);
        memory_key_unref(k);
        lock_release(&s->lock);
    }
    return rc;
}

enum rc memory_scan(struct backend *b, uint32_t db, struct slice after, uint32_t limit,
                    backend_emit *emit, void *ctx, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    struct backend_item from = {.db = db, .key = after};
    lock_acquire(&s->lock);
    s->counters.scans++;
    enum rc rc = load_failure(s, err);
    size_t at = memory_position_of(s, &from);
    if (after.len > 0 && at < s->keys_len && memory_same_key(&s->keys[at]->item, &from))
        at++;
    for (; rc == RC_OK && limit > 0 && at < s->keys_len && s->keys[at]->item.db == db; at++) {
        if (!has_something(s->keys[at], false))
            continue;
        struct backend_item item = {.db = db,
                                    .key = s->keys[at]->item.key,
                                    .type = s->keys[at]->item.type,
                                    .expires_at_ms = s->keys[at]->item.expires_at_ms};
        rc = emit(ctx, &item);
        limit--;
    }
    lock_release(&s->lock);
    return rc;
}

enum rc memory_count(struct backend *b, struct backend_count *what, struct err *err)
{
    struct memory_store *s = ((struct memory_backend *)b)->store;
    lock_acquire(&s->lock);
    s->counters.counts++;
    enum rc rc = load_failure(s, err);
    what->keys = what->expires = what->found = what->found_expires = 0;
    for (size_t i = 0; i < s->keys_len; i++) {
        const struct backend_item *item = &s->keys[i]->item;
        if (item->db != what->db || !has_something(s->keys[i], false))
            continue;
        what->keys++;
        what->expires += item->expires_at_ms != 0;
    }
    for (uint32_t i = 0; i < what->named_len; i++) {
        struct backend_item named = {.db = what->db, .key = what->named[i]};
        struct memory_key *k = memory_key_find(s, &named);
        if (!has_something(k, false))
            continue;
        what->found++;
        what->found_expires += k->item.expires_at_ms != 0;
    }
    lock_release(&s->lock);
    return rc;
}
