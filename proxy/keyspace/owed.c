/* What a cut is still owed of the keys that a transaction may change is captured before it begins,
 * since a change cannot fail for want of memory to keep what was there: a deletion needs none, and
 * half a transaction is none.
 *
 * A cut that is made between that and the stamp has a new batch, with memory for what is small (see
 * WRITEBACK_READY_STRINGS). Where the keys have more, the stamp comes first, so that no cut falls
 * between; should nothing be changed then, its record says so.
 *
 * What is very large only the cutter captures, in parts: the transaction waits for that.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

static bool is_changed_by(const struct slot *s, const struct entry *e)
{
    return s->key->mode > KEY_READ && e != NULL && (e->flags & ENTRY_DIRTY) != 0;
}

/* Of one key, for a transaction that has this cut or is about to have a later one. */
static enum owed owed_capture_one(struct txn *t, const struct slot *s, struct entry *e,
                                  uint16_t cut) NO_TSA
{
    struct writeback *wb = t->ks->wb;
    if (!writeback_must_capture(e, cut))
        return OWED_NOTHING;
    if (writeback_wants(wb, e))
        return OWED_LARGE;
    return writeback_capture(wb, t->producer, s->shard, e) ? OWED_NOTHING : OWED_MEMORY;
}

static enum owed capture_all(struct txn *t, uint16_t cut)
{
    enum owed owed = OWED_NOTHING;
    for (uint32_t i = 0; i < t->slots_len && owed == OWED_NOTHING; i++) {
        struct slot *s = &t->slots[i];
        struct entry *e = slot_entry(t, s);
        if (is_changed_by(s, e))
            owed = owed_capture_one(t, s, e, cut);
    }
    return owed;
}

enum owed owed_capture(struct txn *t) NO_TSA
{
    struct keyspace *ks = t->ks;
    size_t strings = 0, objects = 0;
    uint32_t dirty = 0;
    uint16_t cut = journal_cut(ks->journal);
    bool owes = false;
    for (uint32_t i = 0; i < t->slots_len; i++) {
        const struct entry *e = slot_entry(t, &t->slots[i]);
        if (LIKELY(!is_changed_by(&t->slots[i], e)))
            continue;
        dirty++;
        owes |= writeback_must_capture(e, cut);
        if (e->type <= VALUE_STRING)
            strings += entry_unflushed(e);
        else
            objects += entry_memory(e);
    }
    if (LIKELY(dirty == 0))
        return OWED_NOTHING;
    enum owed owed = UNLIKELY(owes) ? capture_all(t, cut) : OWED_NOTHING;
    if (owed != OWED_NOTHING)
        return owed;
    if (strings > WRITEBACK_READY_STRINGS || objects > WRITEBACK_READY_OBJECTS ||
        dirty > WRITEBACK_READY_ITEMS)
        txn_stamp(t);
    bool moved = t->stamped && t->stamp.cut != cut; /* a cut was made meanwhile */
    return UNLIKELY(moved) ? capture_all(t, t->stamp.cut) : OWED_NOTHING;
}
