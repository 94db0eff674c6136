/* What write-back asks of the list type: telling changes, loading, copying; see list_internal.h for
 * what holds between two captures.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list_internal.h"

#include "store/alloc.h"

#include <stdlib.h>

static void *ops_try_new(void)
{
    return list_try_new();
}

static void ops_free(void *object)
{
    struct list *l = object;
    for (struct list_node *n = l->head, *next; n != NULL; n = next) {
        next = n->next;
        free(n);
    }
    free(l->gone);
    free(l);
}

static size_t ops_count(const void *object)
{
    return list_count(object);
}

static size_t ops_memory(const void *object)
{
    const struct list *l = object;
    return alloc_size_class(sizeof(*l)) + l->node_bytes + list_gone_memory(l->gone);
}

static const char *ops_encoding(const void *object)
{
    const struct list *l = object;
    return l->is_large ? "quicklist" : "listpack";
}

static void *ops_copy(const void *object)
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
                ops_free(copy);
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

static size_t ops_changes(const void *object, bool everything)
{
    const struct list *l = object;
    if (everything)
        return l->count;
    return l->changed + (l->gone != NULL ? (size_t)l->gone->positions : 0);
}

static void tell_gone(const struct list *l, struct change_sink *sink)
{
    for (uint32_t i = 0; l->gone != NULL && i < l->gone->len; i++) {
        const struct list_run *r = &l->gone->runs[i];
        uint64_t position = (uint64_t)r->first;
        for (uint32_t k = 0; k < r->n; k++, position += (uint64_t)r->step)
            sink->element(sink->ctx, SLICE(""), SLICE(""), (int64_t)position, 0, true);
    }
}

static void tell_node(struct list_node *n, bool everything, struct change_sink *sink)
{
    struct list_element e;
    uint32_t index = 0;
    for (uint32_t at = n->start; at < n->end; at = e.end, index++) {
        list_node_read(n, at, &e);
        if (!everything && (e.flags & LIST_CHANGED) == 0)
            continue;
        sink->element(sink->ctx, SLICE(""), e.value, list_node_position(n, index, &e), 0, false);
        list_node_clean(n, &e);
    }
    n->changed = 0;
}

/* Changes are mostly near the ends: they are looked for from both, inwards, until all are found;
 * then they are told in the order of their positions. */
static void tell_changed(struct list *l, struct change_sink *sink)
{
    struct list_node *left = l->head, *right = l->tail; /* neither is looked at yet */
    for (uint32_t found = 0; found < l->changed;) {
        found += left->changed;
        left = left->next;
        if (found == l->changed || left == right->next)
            break;
        found += right->changed;
        right = right->prev;
        if (left->prev == right)
            break;
    }
    for (struct list_node *n = l->head; n != left; n = n->next) {
        if (n->changed > 0)
            tell_node(n, false, sink);
    }
    for (struct list_node *n = right != NULL ? right->next : NULL; n != NULL; n = n->next) {
        if (n->changed > 0)
            tell_node(n, false, sink);
    }
}

static void ops_capture(void **object, bool everything, struct change_sink *sink)
{
    struct list *l = *object;
    must(everything || !l->rewrite);
    if (everything) {
        for (struct list_node *n = l->head; n != NULL; n = n->next)
            tell_node(n, true, sink);
    } else {
        tell_gone(l, sink);
        if (l->changed > 0)
            tell_changed(l, sink);
    }
    free(l->gone);
    l->gone = NULL;
    l->rewrite = false;
    l->changed = 0;
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

static bool ops_load(void **object, struct slice name, struct slice value, int64_t position,
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
    .try_new = ops_try_new,
    .free = ops_free,
    .count = ops_count,
    .memory = ops_memory,
    .encoding = ops_encoding,
    .copy = ops_copy,
    .must_replace = ops_must_replace,
    .changes = ops_changes,
    .capture = ops_capture,
    .load = ops_load,
};
