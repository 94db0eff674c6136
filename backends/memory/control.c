/* Looking into the in-memory test backend, and making it fail: what memory.h offers to tests.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/memory/internal.h"

#include "base/clock.h"

#include <stdlib.h>

struct memory_counters memory_counters(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    struct memory_counters counters = s->counters;
    lock_release(&s->lock);
    return counters;
}

void memory_fail_applies(const char *name, uint64_t n, enum rc rc)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->fail_before = n;
    s->fail_before_rc = rc;
    lock_release(&s->lock);
}

void memory_fail_applies_after_commit(const char *name, uint64_t n, enum rc rc)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->fail_after = n;
    s->fail_after_rc = rc;
    lock_release(&s->lock);
}

void memory_fail_loads(const char *name, uint64_t n, enum rc rc)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->fail_loads = n;
    s->fail_loads_rc = rc;
    lock_release(&s->lock);
}

void memory_fail_opens(const char *name, enum rc rc)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->fail_opens_rc = rc;
    lock_release(&s->lock);
}

void memory_leave_after_commit(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->leaves_after_commit = true;
    lock_release(&s->lock);
}

void memory_return(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->leaves_after_commit = s->away = false;
    lock_release(&s->lock);
}

bool memory_is_away(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    bool away = s->away;
    lock_release(&s->lock);
    return away;
}

void memory_reject_key(const char *name, struct slice key)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->rejected = memory_grow(s->rejected, s->rejected_len, sizeof(*s->rejected));
    s->rejected[s->rejected_len++] = memory_key_new(&(struct backend_item){.key = key});
    lock_release(&s->lock);
}

void memory_accept_all(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    for (size_t i = 0; i < s->rejected_len; i++)
        memory_key_unref(s->rejected[i]);
    s->rejected_len = 0;
    free(s->rejected);
    s->rejected = NULL;
    lock_release(&s->lock);
}

void memory_hold_applies(const char *name, bool hold)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    s->held = hold;
    cond_broadcast(&s->changed);
    lock_release(&s->lock);
}

bool memory_wait_held(const char *name, int64_t timeout_ms)
{
    int64_t deadline_us = clock_mono().us + timeout_ms * 1000;
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    int64_t left_us;
    while (s->waiting == 0 && (left_us = deadline_us - clock_mono().us) > 0)
        (void)cond_wait_us(&s->changed, &s->lock, left_us);
    bool held = s->waiting > 0;
    lock_release(&s->lock);
    return held;
}

void memory_edit(const char *name, const struct backend_item *item)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    struct memory_key *old = memory_key_ref(memory_key_find(s, item));
    s->changes = memory_grow(s->changes, s->changes_len, sizeof(*s->changes));
    s->changes[s->changes_len++] = (struct memory_change){
        .base = old,
        .name = memory_key_new(&(struct backend_item){.db = item->db, .key = item->key})};
    struct memory_merged merged;
    memory_merge_begin(s, &merged);
    memory_merge(s, &(struct backend_batch){.items = item, .items_len = 1}, false, &merged);
    memory_take(s, &merged);
    lock_release(&s->lock);
}

enum value_type memory_get(const char *name, uint32_t db, struct slice key, struct buf *value)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    struct memory_key *k = memory_key_find(s, &(struct backend_item){.db = db, .key = key});
    enum value_type type = k != NULL ? k->item.type : VALUE_NONE;
    if (type == VALUE_STRING && value != NULL)
        buf_append_slice(value, k->item.value);
    lock_release(&s->lock);
    return type;
}

void memory_each(const char *name, struct backend_position *position, backend_emit *emit, void *ctx)
{
    struct memory_store *s = memory_store_get(name);
    enum rc rc = RC_OK;
    lock_acquire(&s->lock);
    *position = (struct backend_position){.cut_lsn = s->cut_lsn, .dbmap = s->dbmap};
    for (size_t i = 0; i < s->keys_len && rc == RC_OK; i++)
        rc = emit(ctx, &s->keys[i]->item);
    lock_release(&s->lock);
}

uint64_t memory_size(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    uint64_t n = s->keys_len;
    lock_release(&s->lock);
    return n;
}

uint64_t memory_cut_lsn(const char *name)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    uint64_t cut_lsn = s->cut_lsn;
    lock_release(&s->lock);
    return cut_lsn;
}

void memory_move_cut_lsn(const char *name, uint64_t from, uint64_t to)
{
    struct memory_store *s = memory_store_get(name);
    lock_acquire(&s->lock);
    if (s->cut_lsn == from)
        s->cut_lsn = to;
    lock_release(&s->lock);
}

void memory_forget(const char *name)
{
    lock_acquire(&memory_stores_lock);
    struct memory_store **at = &memory_stores;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    struct memory_store *s = *at;
    if (s != NULL)
        *at = s->next;
    lock_release(&memory_stores_lock);
    must(s == NULL || s->opens == 0);
    if (s != NULL)
        memory_store_free(s);
}
