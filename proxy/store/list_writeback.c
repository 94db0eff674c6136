/* What write-back asks of the list type: telling changes, loading, copying; see list_internal.h for
 * what holds between two captures.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list_internal.h"

#include "store/alloc.h"

#include <stdlib.h>

enum { GONE_STEP = 64 }; /* positions until the sink is asked */

static void *list_ops_try_new(void)
{
    return list_try_new();
}

static void list_ops_free(void *object)
{
    struct list *l = object;
    for (struct list_node *n = l->head, *next; n != NULL; n = next) {
        next = n->next;
        free(n);
    }
    free(l->gone);
    free(l);
}

static size_t list_ops_count(const void *object)
{
    return list_count(object);
}

static size_t list_ops_memory(const void *object)
{
    const struct list *l = object;
    return alloc_size_class(sizeof(*l)) + l->node_bytes + list_gone_memory(l->gone);
}

static const char *list_ops_encoding(const void *object)
{
    const struct list *l = object;
    return l->is_large ? "quicklist" : "listpack";
}

static void *list_ops_copy(const void *object)
{
    const struct list *l = object;
    struct list *copy = list_try_new();
    if (copy == NULL)
        return NULL;
    copy->is_large = l->is_large;
    int64_t position = 0;
    for (const struct list_node *n = l->head; n != NULL; n = n->next) {
        struct list_element e;
        for (uint32_t at = n->start; at < n->end; at = e.end, position += LIST_STEP) {
            list_node_read(n, at, &e);
            if (!list_add_at_end(copy, LIST_TAIL, e.value, LIST_CHANGED | LIST_FRESH, position)) {
                list_ops_free(copy);
                return NULL;
            }
        }
    }
    return copy;
}

/* --- Capture --- */

static bool ops_must_replace(const void *object)
{
    const struct list *l = object;
    return l->rewrite;
}

static size_t list_ops_changes(const void *object, bool everything)
{
    const struct list *l = object;
    if (everything)
        return l->count;
    return l->changed + (l->gone != NULL ? (size_t)l->gone->positions : 0);
}

/* Goes on at (run, position in it). False: it was not taken, or that is enough. */
static bool tell_gone(const struct list *l, struct capture_place *place,
                      const struct change_sink *sink)
{
    uint32_t i = (uint32_t)(place->at >> 32), k = (uint32_t)place->at;
    for (; l->gone != NULL && i < l->gone->len; i++, k = 0) {
        const struct list_run *r = &l->gone->runs[i];
        uint64_t position = (uint64_t)r->first + k * (uint64_t)r->step;
        for (; k < r->n; position += (uint64_t)r->step) {
            if (!sink->element(sink->ctx, SLICE(""), SLICE(""), (int64_t)position, 0, true))
                return false;
            place->at = (uint64_t)i << 32 | ++k;
            if (k % GONE_STEP == 0 && sink_is_full(sink))
                return false;
        }
    }
    return true;
}

static bool tell_node(struct list *l, struct list_node *n, bool everything,
                      const struct change_sink *sink)
{
    struct list_element e;
    uint32_t index = 0;
    for (uint32_t at = n->start; at < n->end; at = e.end, index++) {
        list_node_read(n, at, &e);
        bool changed = (e.flags & LIST_CHANGED) != 0;
        if (!everything && !changed)
            continue;
        if (!sink->element(sink->ctx, SLICE(""), e.value, list_node_position(n, index, &e), 0,
                           false))
            return false;
        list_node_clean(n, &e);
        n->changed -= changed;
        l->changed -= changed;
    }
    return true;
}

/* From `n` on. Returns the node to go on with, NULL after the last one that has to be told. */
static struct list_node *tell_from(struct list *l, struct list_node *n, bool everything,
                                   const struct change_sink *sink)
{
    for (; n != NULL && (everything || l->changed > 0); n = n->next) {
        if ((everything || n->changed > 0) && !tell_node(l, n, everything, sink))
            return n;
        if (n->next != NULL && sink_is_full(sink))
            return n->next;
    }
    return NULL;
}

/* Changes are mostly near the ends: they are looked for from both, inwards, until all are found.
 * Returns the first node after those of the left end, and in *right the first one of the right
 * end, NULL: there is none. */
static struct list_node *find_changed(const struct list *l, struct list_node **right)
{
    struct list_node *from_left = l->head, *from_right = l->tail; /* neither is looked at yet */
    for (uint32_t found = 0; found < l->changed;) {
        found += from_left->changed;
        from_left = from_left->next;
        if (found == l->changed || from_left == from_right->next)
            break;
        found += from_right->changed;
        from_right = from_right->prev;
        if (from_left->prev == from_right)
            break;
    }
    *right = from_right != NULL ? from_right->next : NULL;
    return from_left;
}

/* All at once, in the order of their positions. */
static bool tell_changed(struct list *l, const struct change_sink *sink)
{
    struct list_node *right, *left = find_changed(l, &right);
    for (struct list_node *n = l->head; n != left; n = n->next)
        if (n->changed > 0 && !tell_node(l, n, false, sink))
            return false;
    for (struct list_node *n = right; n != NULL; n = n->next)
        if (n->changed > 0 && !tell_node(l, n, false, sink))
            return false;
    return true;
}

/* What is gone is told first, since an element may have come to a position of that. `at` of the
 * place is tell_gone()'s, and once `begun` the node to go on with. */
static bool capture_some(struct list *l, bool everything, struct capture_place *place,
                         const struct change_sink *sink)
{
    if (!place->begun) {
        if (!everything && !tell_gone(l, place, sink))
            return false;
        place->begun = true;
        place->at = (uintptr_t)l->head;
    }
    if (!everything && sink->is_full == NULL)
        return l->changed == 0 || tell_changed(l, sink);
    struct list_node *n = tell_from(l, (void *)(uintptr_t)place->at, everything, sink);
    place->at = (uintptr_t)n;
    return n == NULL;
}

static bool list_ops_capture(void **object, bool everything, struct capture_place *place,
                             const struct change_sink *sink)
{
    struct list *l = *object;
    must(everything || !l->rewrite);
    if (!capture_some(l, everything, place, sink))
        return false;
    must(l->changed == 0);
    free(l->gone);
    l->gone = NULL;
    l->rewrite = false;
    return true;
}

/* --- Loading --- */

/* Elements come in the order of their positions, so this is for what a broken backend says. */
static bool load_between(struct list *l, struct slice value, int64_t position)
{
    struct list_element e = {0};
    uint32_t index;
    struct list_node *n = list_find_position(l, position, &index, &e);
    if (index < n->count && list_node_position(n, index, &e) == position)
        return (e.flags & LIST_CHANGED) != 0 || list_set_at(l, n, index, value, 0);
    return list_add_at(l, n, index, value, 0, &position);
}

static bool list_ops_load(void **object, struct slice name, struct slice value, int64_t position,
                          double score)
{
    (void)name, (void)score;
    if (*object == NULL)
        *object = list_try_new();
    struct list *l = *object;
    if (l == NULL)
        return false;
    if (l->gone != NULL && list_gone_has(l->gone, position))
        return true; /* what happened here is newer */
    list_expect(l, 1, value.len);
    if (l->tail == NULL || list_node_last(l->tail) < position)
        return list_add_at_end(l, LIST_TAIL, value, 0, position);
    return load_between(l, value, position);
}

const struct value_ops list_ops = {
    .type = VALUE_LIST,
    .try_new = list_ops_try_new,
    .free = list_ops_free,
    .count = list_ops_count,
    .memory = list_ops_memory,
    .encoding = list_ops_encoding,
    .copy = list_ops_copy,
    .must_replace = ops_must_replace,
    .changes = list_ops_changes,
    .capture = list_ops_capture,
    .load = list_ops_load,
};
