/* What a cut is still owed of the keys that a transaction may change is captured before it begins,
 * since a change cannot fail for want of memory to keep what was there: a deletion needs none, and
 * half a transaction is none.
 *
 * A cut that is made between that and the stamp has a new batch, with memory for what is small (see
 * WRITEBACK_READY_STRINGS). Where the keys have more, the stamp comes first, so that no cut falls
 * between; should nothing be changed then, its record says so.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

static bool is_changed_by(const struct slot *s, const struct entry *e)
{
    return s->key->mode > KEY_READ && e != NULL && (e->flags & ENTRY_DIRTY) != 0;
}

bool owed_capture(struct txn *t) NO_TSA
{
    struct keyspace *ks = t->ks;
    size_t strings = 0, objects = 0;
    uint32_t dirty = 0;
    bool captured = true;
    for (uint32_t i = 0; i < t->slots_len; i++) {
        const struct entry *e = slot_entry(t, &t->slots[i]);
        if (LIKELY(!is_changed_by(&t->slots[i], e)))
            continue;
        dirty++;
        if (e->type <= VALUE_STRING)
            strings += entry_unflushed(e);
        else
            objects += entry_memory(e);
    }
    if (LIKELY(dirty == 0))
        return true;
    if (strings > WRITEBACK_READY_STRINGS || objects > WRITEBACK_READY_OBJECTS ||
        dirty > PIECE_READY_ITEMS)
        txn_stamp(t);
    uint16_t cut = t->stamped ? t->stamp.cut : journal_cut(ks->journal);
    for (uint32_t i = 0; i < t->slots_len && captured; i++) {
        struct slot *s = &t->slots[i];
        struct entry *e = slot_entry(t, s);
        if (is_changed_by(s, e) && writeback_must_capture(e, cut))
            captured = writeback_capture(ks->wb, t->producer, s->shard, e);
    }
    return captured;
}
