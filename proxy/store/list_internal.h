/* What the files of the list type share; see list.h.
 *
 * What the backend has, and what it is to be told, at any time between two captures:
 *
 *   - it may have something at the position of an element that is not FRESH, and at every position
 *     in `gone`; nowhere else
 *   - what it has at the position of an element that is not CHANGED is that element
 *
 * So a capture emits `gone` as removed and then the changed elements, which may take up a position
 * that was just removed. Where positions can not be kept in `gone` (no memory, or too many), or
 * elements got new ones all over, `rewrite` is set: the backend's rows are to be replaced by all
 * elements (value_ops.must_replace), and until then nothing is kept in `gone`.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_LIST_INTERNAL_H
#define STORE_LIST_INTERNAL_H

#include "store/list.h"
#include "store/list_gone.h"
#include "store/list_node.h"

enum { LIST_COUNT_MAX = 1 << 30 /* elements: changes of a capture are counted in 32 bits */ };

struct list {
    struct list_node *head, *tail;
    struct list_gone *gone; /* NULL: none */
    uint64_t listpack;      /* of all nodes, see there */
    size_t node_bytes;      /* memory of all nodes */
    uint32_t count;
    uint32_t changed; /* elements with LIST_CHANGED */
    uint32_t nodes;
    bool is_large; /* beyond value_limits: what OBJECT ENCODING calls "quicklist" */
    bool rewrite;
    bool renumbered; /* elements got other positions, and the journal was not told yet */
};

/* The node with this element, and the element's index there. index < count. */
struct list_node *list_locate(const struct list *l, size_t index, uint32_t *within);
/* In the middle of the gap before the element with `index`, which has neighbours on both sides.
 * False: there is no gap. */
bool list_position_before(const struct list_node *n, uint32_t index, int64_t *out);
/* Where the element with this position is, or would come: the node, the index there, and that
 * element. The list is not empty. */
struct list_node *list_find_position(const struct list *l, int64_t position, uint32_t *index,
                                     struct list_element *e);
/* The backend's rows will all be replaced. */
void list_give_up(struct list *l);
/* The flags of an element that comes to a position where there is none. One that the backend still
 * has is simply taken up again: one row instead of two. Undo: the element did not come. */
unsigned list_take_up(struct list *l, int64_t position);
void list_take_up_undo(struct list *l, int64_t position, unsigned flags);
/* An element at an end, or before the one with `index` in node n. False: out of memory, unchanged
 * but for the cut of nodes. */
MUST_CHECK bool list_add_at_end(struct list *l, enum list_end end, struct slice value,
                                unsigned flags, int64_t position);
MUST_CHECK bool list_add_at(struct list *l, struct list_node *n, uint32_t index, struct slice value,
                            unsigned flags, const int64_t *position);
MUST_CHECK bool list_set_at(struct list *l, struct list_node *n, uint32_t index, struct slice value,
                            unsigned flags);

#endif
