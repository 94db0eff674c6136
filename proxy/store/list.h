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
/* Removes one element. Needs no memory. */
void list_remove_at(struct list **l, size_t index);
/* Removes elements equal to `value`: the first `count` from the head, the last -count from the tail
 * when negative, all when 0. Returns how many. Needs no memory. */
size_t list_remove(struct list **l, int64_t count, struct slice value);

/* Visits `n` elements from `index` on, upwards or, `reverse`, downwards; stop by returning false.
 * The list must not change meanwhile. */
void list_each(const struct list *l, size_t index, size_t n, bool reverse,
               bool (*each)(void *ctx, struct slice value), void *ctx);

#endif
