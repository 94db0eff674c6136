/* Elements by their positions: what the journal says of a list, and what replay does with that.
 *
 * Positions rise from head to tail, so an element is found by stepping over whole nodes from the
 * end that is nearer.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list_internal.h"

int64_t list_position(const struct list *l, size_t index)
{
    uint32_t within;
    must(index < l->count);
    const struct list_node *n = list_locate(l, index, &within);
    return list_node_position_at(n, within);
}

void list_each_placed(const struct list *l, size_t index, size_t n,
                      bool (*each)(void *ctx, int64_t position, struct slice value), void *ctx)
{
    struct list_element e;
    uint32_t within;
    if (index >= l->count)
        return;
    n = min_u64(n, l->count - index);
    const struct list_node *node = list_locate(l, index, &within);
    list_node_find(node, within, &e);
    for (uint32_t at = e.at; n > 0; n--, within++, at = e.end) {
        if (at == node->end) {
            node = node->next;
            at = node->start;
            within = 0;
        }
        list_node_read(node, at, &e);
        if (!each(ctx, list_node_position(node, within, &e), e.value))
            return;
    }
}

/* The first element of a node whose position is not below; `at` is set to where it begins, or to
 * the node's end. */
static uint32_t first_within(const struct list_node *n, int64_t position, struct list_element *e)
{
    uint32_t index = 0, at = n->start;
    for (; at < n->end; at = e->end, index++) {
        list_node_read(n, at, e);
        if (list_node_position(n, index, e) >= position)
            break;
    }
    e->at = at;
    return index;
}

static bool is_nearer_to_tail(const struct list *l, int64_t position)
{
    uint64_t head = (uint64_t)list_node_first(l->head), tail = (uint64_t)list_node_last(l->tail);
    return (uint64_t)position - head > tail - (uint64_t)position;
}

size_t list_index_from(const struct list *l, int64_t position)
{
    struct list_element e = {0};
    if (l->head == NULL || position <= list_node_first(l->head))
        return 0;
    if (position > list_node_last(l->tail))
        return l->count;
    const struct list_node *n;
    size_t before = 0;
    if (is_nearer_to_tail(l, position)) {
        size_t behind = l->tail->count;
        for (n = l->tail; list_node_first(n) > position; n = n->prev)
            behind += n->prev->count;
        before = l->count - behind;
    } else {
        for (n = l->head; list_node_last(n) < position; n = n->next)
            before += n->count;
    }
    return before + first_within(n, position, &e);
}

bool list_has_gap(const struct list *l, size_t index, struct list_span *around)
{
    *around = (struct list_span){INT64_MIN, INT64_MAX};
    if (index == 0 || index >= l->count)
        return true;
    uint32_t within;
    int64_t free;
    const struct list_node *n = list_locate(l, index, &within);
    if (list_position_before(n, within, &free))
        return true;
    /* The node, or the one that it shares the gap with, gets new positions between its neighbours;
     * a full one is split first. */
    const struct list_node *low = n->prev != NULL ? n->prev->prev : NULL;
    const struct list_node *high = n->next != NULL ? n->next->next : NULL;
    if (low != NULL)
        around->first = list_node_last(low) + 1;
    if (high != NULL)
        around->last = list_node_first(high) - 1;
    return false;
}

bool list_take_renumbered(struct list *l)
{
    bool renumbered = l->renumbered;
    l->renumbered = false;
    return renumbered;
}

/* --- Replay --- */

/* The last node whose first position is not above; the head when there is none. */
static struct list_node *node_for(const struct list *l, int64_t position)
{
    struct list_node *n;
    if (is_nearer_to_tail(l, position)) {
        for (n = l->tail; n->prev != NULL && list_node_first(n) > position;)
            n = n->prev;
    } else {
        for (n = l->head; n->next != NULL && list_node_first(n->next) <= position;)
            n = n->next;
    }
    return n;
}

struct list_node *list_find_position(const struct list *l, int64_t position, uint32_t *index,
                                     struct list_element *e)
{
    struct list_node *n = node_for(l, position);
    *index = first_within(n, position, e);
    return n;
}

bool list_put(struct list **place, int64_t position, struct slice value)
{
    struct list *l = *place;
    struct list_node *n = NULL;
    uint32_t index = 0;
    list_expect(l, 1, value.len);
    bool before_head = l->head != NULL && list_node_first(l->head) > position;
    if (l->head != NULL && !before_head && list_node_last(l->tail) >= position) {
        struct list_element e = {0};
        n = list_find_position(l, position, &index, &e);
        if (index < n->count && list_node_position(n, index, &e) == position)
            return list_set_at(l, n, index, value, LIST_CHANGED);
    }
    /* Only an element that is new here takes its position up again: one that is there may be FRESH
     * although the position is in `gone`. */
    unsigned flags = list_take_up(l, position);
    bool done =
        n != NULL ? list_add_at(l, n, index, value, flags, &position)
                  : list_add_at_end(l, before_head ? LIST_HEAD : LIST_TAIL, value, flags, position);
    if (!done)
        list_take_up_undo(l, position, flags);
    return done;
}

bool list_remove_span(struct list **place, struct list_span span)
{
    struct list *l = *place;
    if (span.first > span.last)
        return true;
    size_t first = list_index_from(l, span.first);
    size_t end = span.last == INT64_MAX ? l->count : list_index_from(l, span.last + 1);
    if (first == 0) {
        list_drop(place, LIST_HEAD, end);
    } else if (end == l->count) {
        list_drop(place, LIST_TAIL, end - first);
    } else {
        for (; end > first; end--) {
            if (!list_remove_at(place, end - 1))
                return false;
        }
    }
    return true;
}
