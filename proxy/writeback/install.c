/* Items become entries: what a loader read, or a dead letter kept.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

bool install_elements(const struct backend_item *item, void **object)
{
    const struct value_ops *ops = value_ops(item->type);
    for (uint32_t i = 0; i < item->elements_len; i++) {
        const struct backend_element *e = &item->elements[i];
        if (!e->removed && !ops->load(object, e->name, e->value, e->position, e->score))
            return false;
    }
    return true;
}

struct entry *install_entry(struct shard *sh, struct entry *old, uint64_t hash,
                            const struct backend_item *item, void **object)
{
    struct entry *e;
    if (item->type == VALUE_STRING)
        return entry_set_string(sh, (struct key_at){hash, item->db, item->key, old}, item->value,
                                item->expires_at_ms);
    if (item->type == VALUE_NONE || *object == NULL) {
        e = entry_set_none(sh, (struct key_at){hash, item->db, item->key, old});
        if (e != NULL && item->type == VALUE_NONE && item->expires_at_ms != 0)
            e->flags |= ENTRY_REPLACE;
        return e;
    }
    e = entry_set_object(sh, (struct key_at){hash, item->db, item->key, old}, item->type, *object,
                         item->expires_at_ms);
    if (e == NULL)
        value_ops(item->type)->free(*object);
    *object = NULL;
    return e;
}
