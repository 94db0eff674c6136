/* Dead letters: keys that the backend refuses for good. The rest of their batch goes on; they stay
 * readable, in memory and across restarts, until an operator has them retried or dropped, a newer
 * value replaces them, or their database is flushed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* A record that has changes only, and what they are changes of. */
struct merge {
    const struct backend_item *changes;
    const struct backend_element **sorted;
    void *object;
};

static int element_order(const void *a, const void *b)
{
    const struct backend_element *x = *(const struct backend_element *const *)a;
    const struct backend_element *y = *(const struct backend_element *const *)b;
    return backend_element_order(x, y);
}

static enum rc add_unchanged(void *ctx, const struct backend_item *base)
{
    struct merge *m = ctx;
    const struct value_ops *ops = value_ops(m->changes->type);
    if (base->type != m->changes->type)
        return RC_OK;
    for (uint32_t i = 0; i < base->elements_len; i++) {
        const struct backend_element *e = &base->elements[i];
        if (bsearch(&e, m->sorted, m->changes->elements_len, sizeof(e), element_order) == NULL &&
            !ops->load(&m->object, e->name, e->value, e->position, e->score))
            return RC_NOMEM;
    }
    return RC_OK;
}

/* The whole value: what the backend has, with the changes that it refused. */
static enum rc build(struct writeback *wb, const struct backend_item *item, void **object,
                     struct err *err)
{
    struct merge m = {.changes = item};
    enum rc rc = RC_OK;
    if (item->type == VALUE_NONE || item->type == VALUE_STRING)
        return RC_OK;
    if (!item->replace) {
        struct backend_item key = {
            .db = item->db, .key = item->key, .expires_at_ms = BACKEND_EVEN_EXPIRED};
        m.sorted = calloc(item->elements_len + 1, sizeof(*m.sorted));
        if (m.sorted == NULL)
            return err_set(err, RC_NOMEM, "out of memory for a dead letter");
        for (uint32_t i = 0; i < item->elements_len; i++)
            m.sorted[i] = &item->elements[i];
        qsort(m.sorted, item->elements_len, sizeof(*m.sorted), element_order);
        rc = wb->ops->load(wb->backend, &key, 1, add_unchanged, &m, err);
        free(m.sorted);
    }
    if (rc == RC_OK && !install_elements(item, &m.object))
        rc = err_set(err, RC_NOMEM, "out of memory for a dead letter");
    *object = m.object;
    return rc;
}

static enum rc restore_one(void *ctx, const struct backend_item *item, struct err *err)
{
    struct writeback *wb = ctx;
    if (dbmap_number(&wb->front.map, item->db) < 0)
        return RC_OK; /* flushed */
    void *object = NULL;
    uint64_t hash = store_hash(wb->store, item->db, item->key);
    struct shard *sh = store_shard(wb->store, hash);
    enum rc rc = build(wb, item, &object, err);
    if (rc == RC_OK) {
        lock_acquire(&sh->lock);
        struct entry *e = entry_find(sh, hash, item->db, item->key);
        e = install_entry(sh, e, hash, item, &object);
        if (e != NULL) { /* never evicted: the backend does not have it */
            e->flags |= ENTRY_IN_FLIGHT | ENTRY_REPLACE;
            e->apart = 1;
        } else {
            rc = err_set(err, RC_NOMEM, "out of memory for a dead letter");
        }
        lock_release(&sh->lock);
    }
    if (object != NULL)
        value_ops(item->type)->free(object);
    return rc;
}

enum rc dead_letters_restore(struct writeback *wb, struct err *err)
{
    struct letter_reader reader = {restore_one, wb};
    struct err why;
    enum rc rc = records_each_letter(wb->records, &reader, &why);
    if (rc == RC_CORRUPT) { /* of the records: what they hold is no reason to serve nothing */
        log_err(LOG_WARNING, "dead letters could not all be read back", &why);
        return RC_OK;
    }
    if (rc != RC_OK && err != NULL)
        *err = why;
    return rc;
}

bool dead_letter_is(const struct entry *e)
{
    return e != NULL && e->apart && (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) == ENTRY_IN_FLIGHT;
}

bool dead_letter_retry(struct writeback *wb, uint32_t db, struct slice key)
{
    uint64_t hash = store_hash(wb->store, db, key);
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, db, key);
    bool done = e == NULL || (e->flags & ENTRY_IN_FLIGHT) == 0 || writeback_rewrite(wb, sh, e);
    lock_release(&sh->lock);
    return done;
}

bool dead_letter_is_newer(struct writeback *wb, uint32_t db, struct slice key)
{
    uint64_t hash = store_hash(wb->store, db, key);
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    const struct entry *e = entry_find(sh, hash, db, key);
    bool newer =
        e != NULL && (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) != 0 && !dead_letter_is(e);
    lock_release(&sh->lock);
    return newer;
}

void dead_letter_release(struct writeback *wb, uint32_t db, struct slice key)
{
    uint64_t hash = store_hash(wb->store, db, key);
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, db, key);
    if (dead_letter_is(e)) {
        e->flags &= (uint8_t)~ENTRY_IN_FLIGHT;
        wb->on_dropped(wb->ctx, sh, db, key);
        entry_remove(sh, e, hash);
        shard_note_dropped(sh, db);
    }
    lock_release(&sh->lock);
}
