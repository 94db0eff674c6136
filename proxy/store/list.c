/* The list type; see list.h. A chain of nodes: elements are added to and taken from the nodes at
 * its ends without moving others; an index is found by stepping over whole nodes from the nearer
 * end.
 *
 * A node is as large as Redis would make it (list-max-listpack-size), and an element that is larger
 * has a node of its own. What write-back needs to know: list_internal.h, and list_writeback.c,
 * which tells it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list_internal.h"

#include "store/alloc.h"

#include <stdlib.h>

enum {
    NODE_BYTES = 8192,        /* where only elements are limited: as Redis */
    COMPACT_BYTES = 32 * 1024 /* of a node while Redis would have one listpack, whatever its size */
};

struct list *list_try_new(void)
{
    struct list *l = alloc_try(sizeof(*l));
    if (l != NULL)
        *l = (struct list){0};
    return l;
}

size_t list_count(const struct list *l)
{
    return l->count;
}

/* --- Encodings --- */

struct list_limits {
    uint32_t bytes, count; /* UINT32_MAX: none */
};

static struct list_limits limits_now(void)
{
    int32_t size = atomic_load_explicit(&value_limits.list_max_listpack_size, memory_order_relaxed);
    if (size >= 0)
        return (struct list_limits){UINT32_MAX, size > 0 ? (uint32_t)size : 1};
    return (struct list_limits){4096u << (size < -5 ? 4 : -size - 1), UINT32_MAX};
}

static uint64_t listpack_bytes(const struct list *l)
{
    enum { LISTPACK_FRAME = 7 };
    return l->listpack + LISTPACK_FRAME;
}

void list_expect(struct list *l, size_t n, size_t bytes)
{
    if (l->is_large)
        return;
    struct list_limits limits = limits_now();
    uint64_t size = listpack_bytes(l) + bytes;
    l->is_large =
        size > min_u64(limits.bytes, limits.count != UINT32_MAX ? NODE_BYTES : UINT32_MAX) ||
        (uint64_t)l->count + n > limits.count;
}

/* One that has become smaller than half of what makes it large is small again. */
static void has_shrunk(struct list *l)
{
    if (LIKELY(!l->is_large) || l->nodes > 1)
        return;
    struct list_limits limits = limits_now();
    l->is_large = listpack_bytes(l) > limits.bytes / 2 || l->count > limits.count / 2;
}

static size_t node_max(const struct list *l)
{
    if (!l->is_large)
        return COMPACT_BYTES;
    return min_u64(limits_now().bytes, limits_now().bytes == UINT32_MAX ? NODE_BYTES : UINT32_MAX);
}

static bool list_has_room(const struct list *l, const struct list_node *n, size_t value_len)
{
    size_t bytes = sizeof(*n) + n->end - n->start + list_element_size(value_len);
    return bytes <= node_max(l) && (!l->is_large || n->count < limits_now().count);
}

/* --- The chain --- */

/* After a node may have moved or got another size. */
static void list_mend(struct list *l, struct list_node *n, size_t memory_before)
{
    *(n->prev != NULL ? &n->prev->next : &l->head) = n;
    *(n->next != NULL ? &n->next->prev : &l->tail) = n;
    l->node_bytes += list_node_memory(n) - memory_before;
}

/* Between prev and its successor; NULL: at the head. */
static void link_behind(struct list *l, struct list_node *n, struct list_node *prev)
{
    n->prev = prev;
    n->next = prev != NULL ? prev->next : l->head;
    l->nodes++;
    list_mend(l, n, 0);
}

static void remove_node(struct list *l, struct list_node *n)
{
    *(n->prev != NULL ? &n->prev->next : &l->head) = n->next;
    *(n->next != NULL ? &n->next->prev : &l->tail) = n->prev;
    l->nodes--;
    l->node_bytes -= list_node_memory(n);
    l->count -= n->count;
    l->changed -= n->changed;
    l->listpack -= n->listpack;
    free(n);
}

static void list_trim(struct list *l, struct list_node *n)
{
    size_t memory = list_node_memory(n);
    list_node_trim(&n);
    if (list_node_memory(n) != memory)
        list_mend(l, n, memory);
}

/* A node for one more element after prev. Those of a long list will be filled. */
static struct list_node *add_node(struct list *l, struct list_node *prev, size_t value_len)
{
    enum { MORE = 1536 };
    bool long_list = l->nodes > 1;
    struct list_node *n = list_node_try_new(value_len, long_list ? MORE : 0);
    if (n == NULL)
        return NULL;
    if (prev == NULL && l->head != NULL)
        n->start = n->end = n->cap; /* it will grow towards its head */
    link_behind(l, n, prev);
    return n;
}

static struct list_node *list_split(struct list *l, struct list_node *n, uint32_t index)
{
    struct list_node *right = list_node_try_split(n, index);
    if (right != NULL)
        link_behind(l, right, n);
    return right;
}

struct list_node *list_locate(const struct list *l, size_t index, uint32_t *within)
{
    struct list_node *n;
    if (index < l->count / 2) {
        for (n = l->head; index >= n->count; n = n->next)
            index -= n->count;
        *within = (uint32_t)index;
    } else {
        size_t behind = l->count - index; /* elements from this one on, at least 1 */
        for (n = l->tail; behind > n->count; n = n->prev)
            behind -= n->count;
        *within = n->count - (uint32_t)behind;
    }
    return n;
}

/* --- Positions --- */

void list_give_up(struct list *l)
{
    l->rewrite = true;
    free(l->gone);
    l->gone = NULL;
}

/* An element leaves its position. */
static void list_forget(struct list *l, int64_t position, unsigned flags)
{
    if ((flags & LIST_FRESH) == 0 && !l->rewrite && !list_gone_add(&l->gone, position, 0, 1))
        list_give_up(l);
}

/* All elements of a node leave; those at `end` are named first, so that runs join. */
static void forget_node(struct list *l, const struct list_node *n, enum list_end end)
{
    if (l->rewrite)
        return;
    if (n->changed == 0 && n->step != 0) {
        int64_t step = n->step;
        if (!list_gone_add(&l->gone, end == LIST_HEAD ? n->first : list_node_last(n),
                           end == LIST_HEAD ? step : -step, n->count))
            list_give_up(l);
        return;
    }
    struct list_element e = {0};
    if (end == LIST_HEAD) {
        uint32_t at = n->start;
        for (uint32_t i = 0; i < n->count; i++, at = e.end) {
            list_node_read(n, at, &e);
            list_forget(l, list_node_position(n, i, &e), e.flags);
        }
        return;
    }
    uint32_t at = n->end;
    for (uint32_t i = n->count; i-- > 0; at = e.at) {
        list_node_read(n, list_node_before(n, at), &e);
        list_forget(l, list_node_position(n, i, &e), e.flags);
    }
}

/* When telling the backend what is gone costs more than telling it what is there. */
static void weigh_gone(struct list *l)
{
    enum { GONE_MIN = 32, RUNS_MIN = 64 };
    if (l->gone != NULL && (l->gone->positions > 2 * (uint64_t)l->count + GONE_MIN ||
                            l->gone->len > l->count / 4 + RUNS_MIN))
        list_give_up(l);
}

void list_renumber(struct list *l)
{
    int64_t first = 0;
    list_give_up(l);
    l->renumbered = false;
    for (struct list_node *n = l->head; n != NULL; n = n->next) {
        list_node_renumber(n, first, LIST_STEP, 0);
        first += (int64_t)n->count * LIST_STEP;
    }
}

static void renumber_all(struct list *l)
{
    list_renumber(l);
    l->renumbered = true;
}

/* Spreads the elements of a node over the space between its neighbours. False: too little. */
static bool renumber_node(struct list *l, struct list_node *n)
{
    int64_t low, high, slots = (int64_t)n->count + 2;
    if (n->prev != NULL)
        low = list_node_last(n->prev);
    else if (__builtin_sub_overflow(list_node_first(n), slots * LIST_STEP, &low))
        return false;
    if (n->next != NULL)
        high = list_node_first(n->next);
    else if (__builtin_add_overflow(list_node_last(n), slots * LIST_STEP, &high))
        return false;
    uint64_t step = min_u64(((uint64_t)high - (uint64_t)low) / (uint64_t)slots, LIST_STEP);
    if (step < 2)
        return false;
    forget_node(l, n, LIST_HEAD);
    l->changed += n->count - n->changed;
    list_node_renumber(n, low + (int64_t)step, (uint32_t)step, LIST_CHANGED | LIST_FRESH);
    return true;
}

bool list_position_before(const struct list_node *n, uint32_t index, int64_t *out)
{
    int64_t left = index > 0 ? list_node_position_at(n, index - 1) : list_node_last(n->prev);
    int64_t right = index < n->count ? list_node_position_at(n, index) : list_node_first(n->next);
    uint64_t gap = (uint64_t)right - (uint64_t)left;
    *out = left + (int64_t)(gap / 2);
    return gap >= 2;
}

static int64_t free_position(struct list *l, struct list_node *n, uint32_t index)
{
    int64_t position;
    if (list_position_before(n, index, &position))
        return position;
    if (n->count > 0 && renumber_node(l, n) && list_position_before(n, index, &position))
        return position;
    renumber_all(l);
    must(list_position_before(n, index, &position));
    return position;
}

/* For a new element at an end. */
static int64_t end_position(struct list *l, enum list_end end)
{
    const struct list_node *n = end == LIST_HEAD ? l->head : l->tail;
    if (n == NULL)
        return 0;
    int64_t step = n->count > 1 && n->step != 0 ? n->step : LIST_STEP, position;
    if (end == LIST_HEAD && !__builtin_sub_overflow(list_node_first(n), step, &position))
        return position;
    if (end == LIST_TAIL && !__builtin_add_overflow(list_node_last(n), step, &position))
        return position;
    renumber_all(l);
    return end == LIST_HEAD ? -LIST_STEP : list_node_last(n) + LIST_STEP;
}

/* --- Adding --- */

static bool list_put_at(struct list *l, struct list_node *n, uint32_t index, struct slice value,
                        unsigned flags, int64_t position)
{
    size_t memory = list_node_memory(n);
    uint32_t listpack = n->listpack;
    const struct list_node *before = n;
    bool done = list_node_insert(&n, index, value, flags, position);
    if (n != before || list_node_memory(n) != memory) /* a failed one may have moved, too */
        list_mend(l, n, memory);
    if (!done) {
        if (n->count == 0)
            remove_node(l, n);
        return false;
    }
    l->count++;
    l->changed += (flags & LIST_CHANGED) != 0;
    l->listpack += n->listpack - listpack;
    return true;
}

static bool list_fits(const struct list *l, struct slice value)
{
    return value.len <= LIST_ELEMENT_MAX && l->count < LIST_COUNT_MAX;
}

bool list_add_at_end(struct list *l, enum list_end end, struct slice value, unsigned flags,
                     int64_t position)
{
    struct list_node *n = end == LIST_HEAD ? l->head : l->tail;
    if (!list_fits(l, value))
        return false;
    if (UNLIKELY(n == NULL || !list_has_room(l, n, value.len))) {
        n = add_node(l, end == LIST_HEAD ? NULL : l->tail, value.len);
        if (n == NULL)
            return false;
    }
    return list_put_at(l, n, end == LIST_HEAD ? 0 : n->count, value, flags, position);
}

bool list_add_at(struct list *l, struct list_node *n, uint32_t index, struct slice value,
                 unsigned flags, const int64_t *position)
{
    if (!list_fits(l, value))
        return false;
    if (!list_has_room(l, n, value.len)) {
        struct list_node *right = index == n->count ? n->next : n;
        struct list_node *left = index == 0 ? n->prev : n;
        if (index > 0 && index < n->count) {
            right = list_split(l, n, index);
            if (right == NULL)
                return false;
        }
        if (left != NULL && list_has_room(l, left, value.len)) {
            n = left;
            index = left->count;
        } else {
            bool goes_right = right != NULL && list_has_room(l, right, value.len);
            n = goes_right ? right : add_node(l, left, value.len);
            index = 0;
        }
        if (n == NULL)
            return false;
    }
    return list_put_at(l, n, index, value, flags,
                       position != NULL ? *position : free_position(l, n, index));
}

unsigned list_take_up(struct list *l, int64_t position)
{
    bool known = l->gone != NULL && list_gone_take_back(l->gone, position);
    return known ? LIST_CHANGED : LIST_CHANGED | LIST_FRESH;
}

void list_take_up_undo(struct list *l, int64_t position, unsigned flags)
{
    list_forget(l, position, flags);
}

static bool list_push_end(struct list *l, enum list_end end, struct slice value)
{
    int64_t position = end_position(l, end);
    unsigned flags = list_take_up(l, position);
    if (LIKELY(list_add_at_end(l, end, value, flags, position)))
        return true;
    list_take_up_undo(l, position, flags);
    return false;
}

size_t list_push_all(struct list **place, enum list_end end, const struct slice *values, size_t n)
{
    struct list *l = *place;
    size_t bytes = 0, pushed = 0;
    for (size_t i = 0; i < n; i++)
        bytes += values[i].len;
    list_expect(l, n, bytes);
    while (pushed < n && list_push_end(l, end, values[pushed]))
        pushed++;
    return pushed;
}

bool list_push(struct list **l, enum list_end end, struct slice value)
{
    return list_push_all(l, end, &value, 1) == 1;
}

bool list_insert(struct list **place, size_t index, struct slice value)
{
    struct list *l = *place;
    must(index <= l->count);
    if (index == 0 || index == l->count)
        return list_push(place, index == 0 && l->count > 0 ? LIST_HEAD : LIST_TAIL, value);
    list_expect(l, 1, value.len);
    uint32_t within;
    struct list_node *n = list_locate(l, index, &within);
    return list_add_at(l, n, within, value, LIST_CHANGED | LIST_FRESH, NULL);
}

/* --- Replacing --- */

/* Splits the node until this element alone is left of it, or it has room for so many bytes. */
static struct list_node *isolate(struct list *l, struct list_node *n, uint32_t *index,
                                 const struct list_element *e, size_t value_len)
{
    size_t bytes = sizeof(*n) + n->end - n->start - (e->end - e->at) + list_element_size(value_len);
    if (n->count == 1 || bytes <= node_max(l))
        return n;
    if (*index > 0)
        n = list_split(l, n, *index);
    *index = 0;
    if (n != NULL && n->count > 1 && list_split(l, n, 1) == NULL)
        return NULL;
    return n;
}

bool list_set_at(struct list *l, struct list_node *n, uint32_t index, struct slice value,
                 unsigned flags)
{
    struct list_element e;
    if (value.len > LIST_ELEMENT_MAX)
        return false;
    list_node_find(n, index, &e);
    n = isolate(l, n, &index, &e, value.len);
    if (n == NULL)
        return false;
    list_node_find(n, index, &e);
    size_t memory = list_node_memory(n);
    uint32_t listpack = n->listpack, changed = n->changed;
    if (!list_node_set(&n, index, &e, value, e.flags | flags))
        return false;
    list_mend(l, n, memory);
    l->changed += n->changed - changed;
    l->listpack += (uint64_t)n->listpack - listpack;
    return true;
}

bool list_set(struct list **place, int64_t index, struct slice value)
{
    struct list *l = *place;
    uint32_t within;
    must(index < 0 ? index >= -(int64_t)l->count : index < (int64_t)l->count);
    list_expect(l, 1, value.len);
    struct list_node *n =
        list_locate(l, index < 0 ? l->count - (size_t)-index : (size_t)index, &within);
    bool done = list_set_at(l, n, within, value, LIST_CHANGED);
    has_shrunk(l);
    return done;
}

/* --- Removing --- */

static bool is_middle(const struct list_node *n, uint32_t index)
{
    return index > 0 && index + 1 < n->count;
}

/* From now on any element of the node may be cut out without moving others. False: out of memory,
 * unchanged. */
static bool carry_positions(struct list *l, struct list_node **place)
{
    size_t memory = list_node_memory(*place);
    if ((*place)->step == 0)
        return true;
    if (!list_node_carry_positions(place))
        return false;
    list_mend(l, *place, memory);
    return true;
}

/* Cuts one element out; e->at is then where the next one begins. The node may be left empty. */
static void cut_element(struct list *l, struct list_node *n, uint32_t index, struct list_element *e)
{
    must(n->step == 0 || !is_middle(n, index)); /* else those after it would move down */
    list_forget(l, list_node_position(n, index, e), e->flags);
    uint32_t listpack = n->listpack;
    l->changed -= (e->flags & LIST_CHANGED) != 0;
    l->count--;
    list_node_cut(n, index, e);
    l->listpack -= listpack - n->listpack;
}

static void tidy(struct list *l, struct list_node *n)
{
    if (n->count == 0)
        remove_node(l, n);
    else
        list_trim(l, n);
}

void list_drop(struct list **place, enum list_end end, size_t n)
{
    struct list *l = *place;
    while (n > 0 && l->count > 0) {
        struct list_node *node = end == LIST_HEAD ? l->head : l->tail;
        if (n >= node->count) {
            n -= node->count;
            forget_node(l, node, end);
            remove_node(l, node);
            continue;
        }
        struct list_element e;
        for (; n > 0; n--) {
            uint32_t at = end == LIST_HEAD ? node->start : list_node_before(node, node->end);
            list_node_read(node, at, &e);
            cut_element(l, node, end == LIST_HEAD ? 0 : node->count - 1, &e);
        }
        list_trim(l, node);
    }
    weigh_gone(l);
    has_shrunk(l);
}

bool list_remove_at(struct list **place, size_t index)
{
    struct list *l = *place;
    uint32_t within;
    struct list_element e;
    must(index < l->count);
    struct list_node *n = list_locate(l, index, &within);
    if (is_middle(n, within) && !carry_positions(l, &n))
        return false;
    list_node_find(n, within, &e);
    cut_element(l, n, within, &e);
    tidy(l, n);
    weigh_gone(l);
    has_shrunk(l);
    return true;
}

/* How many elements of a node have this value; *middle: one that is not at its ends. */
static size_t count_matches(const struct list_node *n, struct slice value, bool *middle)
{
    struct list_element e;
    uint32_t index = 0;
    size_t matches = 0;
    *middle = false;
    for (uint32_t at = n->start; at < n->end; at = e.end, index++) {
        list_node_read(n, at, &e);
        if (!slice_eq(e.value, value))
            continue;
        matches++;
        *middle |= is_middle(n, index);
    }
    return matches;
}

/* A count of LREM: how many at the most. */
static size_t most_of(int64_t count)
{
    if (count == 0)
        return SIZE_MAX;
    return (size_t)(count < 0 ? 0 - (uint64_t)count : (uint64_t)count);
}

bool list_prepare_removal(struct list **place, int64_t count, struct slice value)
{
    struct list *l = *place;
    enum list_end from = count < 0 ? LIST_TAIL : LIST_HEAD;
    size_t most = most_of(count);
    struct list_node *n = from == LIST_HEAD ? l->head : l->tail;
    for (size_t found = 0; n != NULL && found < most; n = from == LIST_HEAD ? n->next : n->prev) {
        bool middle;
        found += count_matches(n, value, &middle);
        if (middle && !carry_positions(l, &n))
            return false;
    }
    return true;
}

static size_t remove_upwards(struct list *l, size_t most, struct slice value)
{
    size_t removed = 0;
    for (struct list_node *n = l->head, *next; n != NULL && removed < most; n = next) {
        struct list_element e;
        uint32_t index = 0, at = n->start;
        size_t before = removed;
        while (at < n->end && removed < most) {
            list_node_read(n, at, &e);
            at = e.end;
            index++;
            if (slice_eq(e.value, value)) {
                cut_element(l, n, --index, &e);
                at = e.at;
                removed++;
            }
        }
        next = n->next;
        if (removed > before)
            tidy(l, n);
    }
    return removed;
}

static size_t remove_downwards(struct list *l, size_t most, struct slice value)
{
    size_t removed = 0;
    for (struct list_node *n = l->tail, *next; n != NULL && removed < most; n = next) {
        struct list_element e;
        uint32_t index = n->count, at = n->end;
        size_t before = removed;
        while (index > 0 && removed < most) {
            list_node_read(n, list_node_before(n, at), &e);
            index--;
            if (slice_eq(e.value, value)) {
                cut_element(l, n, index, &e);
                removed++;
            }
            at = e.at;
        }
        next = n->prev;
        if (removed > before)
            tidy(l, n);
    }
    return removed;
}

size_t list_remove(struct list **place, int64_t count, struct slice value)
{
    struct list *l = *place;
    size_t most = most_of(count);
    size_t removed = count < 0 ? remove_downwards(l, most, value) : remove_upwards(l, most, value);
    weigh_gone(l);
    has_shrunk(l);
    return removed;
}

/* --- Reading --- */

bool list_peek(const struct list *l, enum list_end end, struct slice *value)
{
    struct list_element e;
    const struct list_node *n = end == LIST_HEAD ? l->head : l->tail;
    if (n == NULL)
        return false;
    list_node_read(n, end == LIST_HEAD ? n->start : list_node_before(n, n->end), &e);
    *value = e.value;
    return true;
}

bool list_at(const struct list *l, int64_t index, struct slice *value)
{
    if (index < -(int64_t)l->count || index >= (int64_t)l->count)
        return false;
    uint32_t within;
    struct list_element e;
    const struct list_node *n =
        list_locate(l, (size_t)(index < 0 ? index + (int64_t)l->count : index), &within);
    list_node_find(n, within, &e);
    *value = e.value;
    return true;
}

static void each_upwards(const struct list_node *node, uint32_t at, size_t n,
                         bool (*each)(void *ctx, struct slice value), void *ctx)
{
    for (struct list_element e; n > 0; n--) {
        if (at == node->end) {
            node = node->next;
            at = node->start;
        }
        list_node_read(node, at, &e);
        if (!each(ctx, e.value))
            return;
        at = e.end;
    }
}

static void each_downwards(const struct list_node *node, uint32_t at, size_t n,
                           bool (*each)(void *ctx, struct slice value), void *ctx)
{
    for (struct list_element e; n > 0; n--) {
        list_node_read(node, at, &e);
        if (!each(ctx, e.value))
            return;
        if (n > 1) {
            if (at == node->start) {
                node = node->prev;
                at = node->end;
            }
            at = list_node_before(node, at);
        }
    }
}

void list_each(const struct list *l, size_t index, size_t n, bool reverse,
               bool (*each)(void *ctx, struct slice value), void *ctx)
{
    uint32_t within;
    struct list_element e;
    if (index >= l->count)
        return;
    n = min_u64(n, reverse ? index + 1 : l->count - index);
    const struct list_node *node = list_locate(l, index, &within);
    list_node_find(node, within, &e);
    if (reverse)
        each_downwards(node, e.at, n, each, ctx);
    else
        each_upwards(node, e.at, n, each, ctx);
}
