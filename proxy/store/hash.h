/* The hash type: small ones as one packed block, large ones as a table; changed and removed fields
 * are remembered for write-back.
 *
 * Lock: the shard of the key, for every function.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_HASH_H
#define STORE_HASH_H

#include "store/value.h"

struct hash;

extern const struct value_ops hash_ops;

struct hash *hash_try_new(void);
size_t hash_count(const struct hash *h);
/* The slice is valid until the hash changes. */
bool hash_get(const struct hash *h, struct slice field, struct slice *value);
/* Changing may move the hash. Neither field nor value may lie in the hash itself. */
enum hash_set_result { HASH_ADDED, HASH_UPDATED, HASH_OOM /* unchanged */ };
MUST_CHECK enum hash_set_result hash_set(struct hash **h, struct slice field, struct slice value);
bool hash_remove(struct hash **h, struct slice field); /* true when it was there */

/* All fields, in insertion order while the hash is small; stop by returning false. The hash must
 * not change meanwhile. */
void hash_each(const struct hash *h,
               bool (*each)(void *ctx, struct slice field, struct slice value), void *ctx);
/* HSCAN: emits about `count` fields from `cursor` (0: start) and returns the next cursor (0: end).
 * Every field present from the first to the last call is emitted at least once, whatever else is
 * added and removed and however the table resizes. */
uint64_t hash_scan(const struct hash *h, uint64_t cursor, size_t count,
                   void (*each)(void *ctx, struct slice field, struct slice value), void *ctx);
/* A uniformly random field; `random` is 64 random bits. The hash is not empty. */
void hash_random(const struct hash *h, uint64_t random, struct slice *field, struct slice *value);

#endif
