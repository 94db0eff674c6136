/* A key that holds a sorted set: reading, changing and storing it. The commands for sorted sets and
 * those for geo indices, which are sorted sets, share it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_ZSET_VALUE_H
#define COMMAND_ZSET_VALUE_H

#include "executor/call.h"
#include "store/zset.h"

/* The sorted set under key number i, NULL when it is absent; false: WRONGTYPE was replied. */
MUST_CHECK bool zset_read(struct call *c, uint32_t i, const struct zset **out);
/* The one to change, which exists or whose type was checked; NULL: out of memory, replied. */
struct zset **zset_edit(struct call *c, uint32_t i);

/* Makes *result, which must not be NULL, the value of key 0 and replies how many members it has; an
 * empty one removes the key. Takes *result over, whatever happens. */
void zset_store(struct call *c, struct zset **result, const char *event);
void zset_discard(struct zset **z);

/* Journals a score of a member of key 0. */
void zset_effect_score(struct call *c, struct slice member, double score);

#endif
