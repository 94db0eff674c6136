/* The set type: few integers as one sorted block, few strings as one packed block, large ones as a
 * table; added and removed members are remembered for write-back.
 *
 * Lock: the shard of the key, for every function. A set may move when it changes. No argument may
 * lie in the set itself, except where a function says so.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_SET_H
#define STORE_SET_H

#include "store/value.h"

struct set;

extern const struct value_ops set_ops;

struct set *set_try_new(void);
size_t set_count(const struct set *s);
bool set_has(const struct set *s, struct slice member);

/* Before a command adds `more` members, the first of which is `first`: Redis chooses by that
 * number what OBJECT ENCODING says. False: out of memory, unchanged. */
MUST_CHECK bool set_expect(struct set **s, struct slice first, size_t more);
/* To "hashtable". False: out of memory, unchanged. */
MUST_CHECK bool set_become_table(struct set **s);

enum set_add_result { SET_ADDED, SET_PRESENT, SET_OOM /* unchanged */ };
MUST_CHECK enum set_add_result set_add(struct set **s, struct slice member);
/* True when it was there. `member` may lie in the set. Needs no memory. */
bool set_remove(struct set **s, struct slice member);

/* Room for the text of a member that is kept as a number. */
enum { SET_SCRATCH = 24 };

/* Whether the slices of members stay valid while other members are removed. */
bool set_members_stay(const struct set *s);

/* All members: integers in growing order while the set is "intset", in insertion order while it is
 * "listpack". Stop by returning false. The set must not change meanwhile; the slice is valid during
 * the call. */
void set_each(const struct set *s, bool (*each)(void *ctx, struct slice member), void *ctx);
/* SSCAN: about `count` members from `cursor` (0: start); returns the next cursor (0: end). Every
 * member present from the first to the last call is emitted at least once. */
uint64_t set_scan(const struct set *s, uint64_t cursor, size_t count,
                  void (*each)(void *ctx, struct slice member), void *ctx);
/* A uniformly random member; `random` is 64 random bits. The set is not empty. The slice points
 * into the set or into scratch. */
struct slice set_random(const struct set *s, uint64_t random, char scratch[SET_SCRATCH]);

#endif
