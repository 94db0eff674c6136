/* What the commands on lists have in common.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_LIST_LIST_H
#define COMMAND_LIST_LIST_H

#include "executor/args.h"
#include "store/list.h"

/* The list under key number i, or NULL when it is absent; false: WRONGTYPE was replied. */
MUST_CHECK bool list_cmd_read(struct call *c, uint32_t i, const struct list **out);

/* Says that n elements were added at this end of the list under key number i. */
void list_cmd_say_pushed(struct call *c, uint32_t i, const struct list *l, enum list_end end,
                         size_t n);

/* Drops n elements, of more than n, at an end of the list under key number i; tells nobody. */
void list_cmd_drop_end(struct call *c, uint32_t i, struct list **l, enum list_end end, size_t n);

/* Drops the n elements (at least 1) at an end of the list under key number i, and the key with the
 * last of them; tells whoever listens. */
void list_cmd_drop(struct call *c, uint32_t i, enum list_end end, size_t n);

/* Replies the n elements at an end, nearest to it first, as an array. */
void list_cmd_reply_end(struct call *c, const struct list *l, enum list_end end, size_t n);

#endif
