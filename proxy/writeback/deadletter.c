/* Dead letters: keys that the backend refuses for good. The rest of their batch goes on; they stay
 * readable, in memory and across restarts, until an operator has them retried or dropped, or a
 * newer value replaces them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "writeback/item.h"

#include <inttypes.h>
#include <stdlib.h>

struct find {
    const struct backend_item *wanted;
    uint64_t id;     /* the oldest record of this key */
    uint64_t newest; /* and the newest */
};

static bool find_key(void *ctx, const struct ledger_record *r)
{
    struct find *f = ctx;
    struct backend_item item;
    struct backend_element *elements;
    bool known;
    if (item_decode(r->ours, &known, &item, &elements, NULL) != RC_OK)
        return true;
    if (known && item.db == f->wanted->db && slice_eq(item.key, f->wanted->key)) {
        f->id = f->id == 0 ? r->id : f->id;
        f->newest = r->id;
    }
    free(elements);
    return true;
}

void dead_letter_superseded(struct writeback *wb, const struct backend_item *item, bool is_dead)
{
    struct find f;
    do {
        f = (struct find){.wanted = item};
        ledger_each(wb->dead, find_key, &f);
        if (f.id != 0 && !(is_dead && f.id == f.newest))
            ledger_drop(wb->dead, f.id);
    } while (f.id != f.newest);
}

/* An older record of the key stays until the batch is committed: until then it is what counts. */
enum rc dead_letter_add(struct writeback *wb, const struct backend_item *item, uint64_t cut_lsn,
                        const struct err *why, struct err *err)
{
    struct buf ours = {0}, key = {0};
    uint64_t id = 0;
    int number = dbmap_number(&wb->map, item->db);
    item_encode(&ours, item);
    struct ledger_record r = {
        .time = clock_wall(),
        .db = number < 0 ? 0 : (uint32_t)number,
        .lsn = cut_lsn,
        .reason = slice_str(why->text),
        .ours = buf_slice(&ours),
    };
    enum rc rc = ledger_add(wb->dead, &r, &id, err);
    if (rc == RC_OK) {
        stat_add(STAT_dead_letters_total, 1);
        buf_append_escaped(&key, item->key, 64);
        log_line(LOG_WARNING, "dead letter %" PRIu64 ": the backend refuses key '%.*s': %s", id,
                 (int)key.len, key.data, why->text);
    }
    buf_fini(&ours);
    buf_fini(&key);
    return rc;
}

/* --- At start --- */

struct restore {
    struct writeback *wb;
    enum rc rc;
    struct err *err;
    uint64_t untimely; /* a record of a cut that was not committed; 0: none */
};

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
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return slice_cmp(x->name, y->name);
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

static bool restore_one(void *ctx, const struct ledger_record *r)
{
    struct restore *restore = ctx;
    struct writeback *wb = restore->wb;
    struct backend_item item;
    struct backend_element *elements;
    bool known;
    if (r->lsn > writeback_applied_lsn(wb)) {
        restore->untimely = r->id;
        return true;
    }
    if (item_decode(r->ours, &known, &item, &elements, NULL) != RC_OK || !known ||
        dbmap_number(&wb->map, item.db) < 0)
        return true;
    void *object = NULL;
    uint64_t hash = store_hash(wb->store, item.db, item.key);
    struct shard *sh = store_shard(wb->store, hash);
    restore->rc = build(wb, &item, &object, restore->err);
    if (restore->rc == RC_OK) {
        lock_acquire(&sh->lock);
        struct entry *e = entry_find(wb->store, sh, hash, item.db, item.key);
        e = install_entry(wb->store, sh, e, hash, &item, &object);
        if (e != NULL) /* never evicted: the backend does not have it */
            e->flags |= ENTRY_IN_FLIGHT | ENTRY_REPLACE;
        else
            restore->rc = err_set(restore->err, RC_NOMEM, "out of memory for a dead letter");
        lock_release(&sh->lock);
    }
    if (object != NULL)
        value_ops(item.type)->free(object);
    free(elements);
    return restore->rc == RC_OK;
}

enum rc dead_letters_restore(struct writeback *wb, struct err *err)
{
    struct restore restore = {.wb = wb, .err = err};
    do {
        restore.untimely = 0;
        ledger_each(wb->dead, restore_one, &restore);
        if (restore.untimely != 0) /* the journal brings it again */
            ledger_drop(wb->dead, restore.untimely);
    } while (restore.untimely != 0 && restore.rc == RC_OK);
    return restore.rc;
}

struct retry {
    struct writeback *wb;
    const uint64_t *ids;
    uint32_t ids_len;
};

static bool is_wanted(const struct retry *r, uint64_t id)
{
    for (uint32_t i = 0; i < r->ids_len; i++) {
        if (r->ids[i] == 0 || r->ids[i] == id)
            return true;
    }
    return false;
}

/* The record stays until the backend has the value (then it is superseded) or refuses it again
 * (then it is replaced). */
static bool retry_one(void *ctx, const struct ledger_record *r)
{
    struct retry *retry = ctx;
    struct writeback *wb = retry->wb;
    struct backend_item item;
    struct backend_element *elements;
    bool known;
    if (!is_wanted(retry, r->id) || item_decode(r->ours, &known, &item, &elements, NULL) != RC_OK)
        return true;
    uint64_t hash = store_hash(wb->store, item.db, item.key);
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(wb->store, sh, hash, item.db, item.key);
    bool asked = e == NULL || (e->flags & ENTRY_IN_FLIGHT) == 0 || writeback_rewrite(wb, sh, e);
    lock_release(&sh->lock);
    free(elements);
    return asked; /* out of memory: the records stay, to be tried again */
}

void dead_letters_make_dirty(struct writeback *wb, const uint64_t *ids, uint32_t len)
{
    struct retry retry = {.wb = wb, .ids = ids, .ids_len = len};
    ledger_each(wb->dead, retry_one, &retry);
}

static bool release_one(void *ctx, const struct ledger_record *r)
{
    struct retry *dropped = ctx;
    struct writeback *wb = dropped->wb;
    struct backend_item item;
    struct backend_element *elements;
    bool known;
    if (!is_wanted(dropped, r->id) || item_decode(r->ours, &known, &item, &elements, NULL) != RC_OK)
        return true;
    uint64_t hash = store_hash(wb->store, item.db, item.key);
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(wb->store, sh, hash, item.db, item.key);
    if (e != NULL && (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT)) == ENTRY_IN_FLIGHT) {
        e->flags &= (uint8_t)~ENTRY_IN_FLIGHT;
        wb->on_dropped(wb->ctx, sh, item.db, item.key);
        entry_remove(wb->store, sh, e, hash);
        sh->evicted = true;
    }
    lock_release(&sh->lock);
    free(elements);
    return true;
}

void dead_letters_release(struct writeback *wb, const uint64_t *ids, uint32_t len)
{
    struct retry dropped = {.wb = wb, .ids = ids, .ids_len = len};
    ledger_each(wb->dead, release_one, &dropped);
}
