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
    uint64_t id;
};

static bool find_key(void *ctx, const struct ledger_record *r)
{
    struct find *f = ctx;
    struct backend_item item;
    struct backend_element *elements;
    bool known;
    if (item_decode(r->ours, &known, &item, &elements, NULL) != RC_OK)
        return true;
    if (known && item.db == f->wanted->db && slice_eq(item.key, f->wanted->key))
        f->id = r->id;
    free(elements);
    return f->id == 0;
}

void dead_letter_superseded(struct writeback *wb, const struct backend_item *item)
{
    struct find f = {.wanted = item};
    ledger_each(wb->dead, find_key, &f);
    if (f.id != 0)
        ledger_drop(wb->dead, f.id);
}

enum rc dead_letter_add(struct writeback *wb, const struct backend_item *item,
                        const struct err *why, struct err *err)
{
    struct buf ours = {0}, key = {0};
    uint64_t id = 0;
    int number = dbmap_number(&wb->map, item->db);
    dead_letter_superseded(wb, item);
    item_encode(&ours, item);
    struct ledger_record r = {
        .time = clock_wall(),
        .db = number < 0 ? 0 : (uint32_t)number,
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

static bool restore_one(void *ctx, const struct ledger_record *r)
{
    struct writeback *wb = ctx;
    struct backend_item item;
    struct backend_element *elements;
    bool known;
    if (item_decode(r->ours, &known, &item, &elements, NULL) != RC_OK || !known)
        return true;
    void *object = NULL;
    bool built =
        item.type == VALUE_NONE || item.type == VALUE_STRING || install_elements(&item, &object);
    uint64_t hash = store_hash(wb->store, item.db, item.key);
    struct shard *sh = store_shard(wb->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(wb->store, sh, hash, item.db, item.key);
    if (built && dbmap_number(&wb->map, item.db) >= 0 &&
        (e == NULL || (e->flags & ENTRY_DIRTY) == 0)) {
        e = install_entry(wb->store, sh, e, hash, &item, &object);
        if (e != NULL)
            e->flags |= ENTRY_IN_FLIGHT; /* never evicted: the backend does not have it */
    }
    lock_release(&sh->lock);
    if (object != NULL)
        value_ops(item.type)->free(object);
    free(elements);
    return true;
}

void dead_letters_restore(struct writeback *wb)
{
    ledger_each(wb->dead, restore_one, wb);
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
    if (e != NULL && (e->flags & ENTRY_DIRTY) == 0 && (e->flags & ENTRY_IN_FLIGHT) != 0) {
        struct journal_stamp stamp = journal_stamp(wb->journal);
        e->flags |= ENTRY_REPLACE;
        writeback_changed(wb, wb->producers_len - 1, sh, e, stamp.cut, 0);
        journal_append(wb->journal, wb->producers_len - 1, stamp, clock_wall(), r->db, JOURNAL_NOOP,
                       NULL, 0);
    }
    lock_release(&sh->lock);
    free(elements);
    return true;
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
