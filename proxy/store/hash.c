/* The hash type; see hash.h. A hash is values under names (named.h) within Redis's limits.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/hash.h"

#include "store/named.h"

static inline const struct named *named_of(const struct hash *h)
{
    return (const void *)h;
}

struct hash *hash_try_new(void)
{
    return (void *)named_try_new(true);
}

size_t hash_count(const struct hash *h)
{
    return named_count(named_of(h));
}

bool hash_get(const struct hash *h, struct slice field, struct slice *value)
{
    return named_find(named_of(h), field, value);
}

static struct named_limits hash_limits(void)
{
    return (struct named_limits){
        atomic_load_explicit(&value_limits.hash_max_listpack_entries, memory_order_relaxed),
        atomic_load_explicit(&value_limits.hash_max_listpack_value, memory_order_relaxed),
    };
}

enum hash_set_result hash_set(struct hash **h, struct slice field, struct slice value)
{
    const struct named_put put = {field, value, hash_limits(), false};
    struct named *n = (void *)*h;
    enum named_result result = named_put(&n, &put);
    *h = (void *)n;
    return result == NAMED_OOM ? HASH_OOM : result == NAMED_ADDED ? HASH_ADDED : HASH_UPDATED;
}

bool hash_remove(struct hash **h, struct slice field)
{
    struct named *n = (void *)*h;
    bool removed = named_remove(&n, field);
    *h = (void *)n;
    return removed;
}

void hash_each(const struct hash *h,
               bool (*each)(void *ctx, struct slice field, struct slice value), void *ctx)
{
    named_each(named_of(h), each, ctx);
}

uint64_t hash_scan(const struct hash *h, uint64_t cursor, size_t count,
                   void (*each)(void *ctx, struct slice field, struct slice value), void *ctx)
{
    return named_scan(named_of(h), cursor, count, each, ctx);
}

void hash_random(const struct hash *h, uint64_t random, struct slice *field, struct slice *value)
{
    named_random(named_of(h), random, field, value);
}

/* --- What write-back asks of every type --- */

static void *hash_ops_try_new(void)
{
    return named_try_new(true);
}

static void hash_ops_free(void *object)
{
    named_free(object);
}

static size_t hash_ops_count(const void *object)
{
    return named_count(object);
}

static size_t hash_ops_memory(const void *object)
{
    return named_memory(object);
}

static const char *hash_ops_encoding(const void *object)
{
    return named_encoding(object) == NAMED_HASHTABLE ? "hashtable" : "listpack";
}

static void *hash_ops_copy(const void *object)
{
    return named_copy(object);
}

static size_t hash_ops_changes(const void *object, bool everything)
{
    return named_changes(object, everything);
}

static bool hash_ops_capture(void **object, bool everything, struct capture_place *place,
                             const struct change_sink *sink)
{
    struct named *n = *object;
    bool done = named_capture(&n, everything, place, sink);
    *object = n;
    return done;
}

static bool hash_ops_load(void **object, struct slice name, struct slice value, int64_t position,
                          double score)
{
    (void)position, (void)score;
    const struct named_put put = {name, value, hash_limits(), true};
    struct named *n = *object != NULL ? *object : named_try_new(true);
    if (n == NULL)
        return false;
    enum named_result result = named_put(&n, &put);
    *object = n;
    return result != NAMED_OOM;
}

static void hash_ops_prefetch(const void *object, struct slice name, bool near)
{
    named_prefetch(object, name, near);
}

const struct value_ops hash_ops = {
    .type = VALUE_HASH,
    .try_new = hash_ops_try_new,
    .free = hash_ops_free,
    .count = hash_ops_count,
    .memory = hash_ops_memory,
    .encoding = hash_ops_encoding,
    .copy = hash_ops_copy,
    .changes = hash_ops_changes,
    .capture = hash_ops_capture,
    .load = hash_ops_load,
    .prefetch = hash_ops_prefetch,
};
