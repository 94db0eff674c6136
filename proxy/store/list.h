/* The list type: a deque of packed nodes; pushes and pops at both ends are O(1), whatever its size.
 *
 * Every element has a position that orders it in the backend (struct backend_element); changed and
 * removed positions are remembered for write-back, so that a list used as a queue costs the ends
 * that were pushed and popped.
 *
 * Lock: the shard of the key, for every function. A list may move when it changes. No argument may
 * lie in the list itself. Indices count from 0; a negative one counts from the tail (-1: the last).
 * A value of a gigabyte or more, and an element beyond 2^30, are out of memory.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_LIST_H
#define STORE_LIST_H

#include "store/value.h"

struct list;

extern const struct value_ops list_ops;

enum list_end { LIST_HEAD, LIST_TAIL };

struct list *list_try_new(void);
size_t list_count(const struct list *l);

/* False: out of memory, unchanged. */
MUST_CHECK bool list_push(struct list **l, enum list_end end, struct slice value);
/* Pushes one after the other and returns how many were, fewer than n when memory ran out. What
 * OBJECT ENCODING says depends on what is pushed together, as in Redis. */
MUST_CHECK size_t list_push_all(struct list **l, enum list_end end, const struct slice *values,
                                size_t n);
/* The element at an end, or at an index; the slice is valid until the list changes. False: none. */
bool list_peek(const struct list *l, enum list_end end, struct slice *value);
bool list_at(const struct list *l, int64_t index, struct slice *value);
/* Removes the `n` elements (at most all) at an end. Needs no memory. */
void list_drop(struct list **l, enum list_end end, size_t n);
/* Index exists. False: out of memory, unchanged. */
MUST_CHECK bool list_set(struct list **l, int64_t index, struct slice value);
/* Puts `value` before the element that has this index now (0..count; count: at the tail). */
MUST_CHECK bool list_insert(struct list **l, size_t index, struct slice value);
/* Removes one element. False: out of memory, unchanged. */
MUST_CHECK bool list_remove_at(struct list **l, size_t index);
/* Removes elements equal to `value`: the first `count` from the head, the last -count from the tail
 * when negative, all when 0. Returns how many. What it needs of memory is got by preparing it with
 * the same arguments, which must have succeeded. */
size_t list_remove(struct list **l, int64_t count, struct slice value);
MUST_CHECK bool list_prepare_removal(struct list **l, int64_t count, struct slice value);

/* Visits `n` elements from `index` on, upwards or, `reverse`, downwards; stop by returning false.
 * The list must not change meanwhile. */
void list_each(const struct list *l, size_t index, size_t n, bool reverse,
               bool (*each)(void *ctx, struct slice value), void *ctx);

/* --- Positions. They order the elements in the backend and in the journal. A list that was filled
 * at its tail, from nothing, has the canonical ones; list_renumber() gives them to any list. --- */

struct list_span { /* positions, both included */
    int64_t first, last;
};

int64_t list_position(const struct list *l, size_t index); /* index < count */
/* How many elements lie before this position. */
size_t list_index_from(const struct list *l, int64_t position);
/* Visits `n` elements from `index` on with their positions; stop by returning false. */
void list_each_placed(const struct list *l, size_t index, size_t n,
                      bool (*each)(void *ctx, int64_t position, struct slice value), void *ctx);
/* Whether list_insert() at this index finds a free position. If not, elements within `around` get
 * new ones, which lie within it too; or all do, see list_take_renumbered(). */
bool list_has_gap(const struct list *l, size_t index, struct list_span *around);
/* Gives the canonical ones to all; the caller says so to whoever knows the others. */
void list_renumber(struct list *l);
/* True, once, when elements that were there before the last changes may have got other positions,
 * beyond what list_has_gap() said. */
bool list_take_renumbered(struct list *l);
/* Replay: elements are about to be put, together: the encoding follows from it. */
void list_expect(struct list *l, size_t n, size_t bytes);
/* Replay: the element at this position is `value` from now on. False: out of memory, unchanged. */
MUST_CHECK bool list_put(struct list **l, int64_t position, struct slice value);
/* Replay: there are no elements within these positions from now on. False: out of memory, and some
 * of them are left. */
MUST_CHECK bool list_remove_span(struct list **l, struct list_span span);

#endif
