/* See digest.h. Elements are hashed one by one and the hashes joined by exclusive or, so that
 * their order does not matter; where it does, an element's place is hashed with it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/digest.h"

#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

struct mixing {
    struct digest *digest;
    uint64_t place; /* of the next element of a list */
};

/* `number` is what an element has besides its bytes: a place, a score, a type. */
static void mix(struct digest *d, uint64_t number, struct slice a, struct slice b)
{
    uint64_t parts[2] = {XXH3_64bits(a.ptr == NULL ? "" : a.ptr, a.len),
                         XXH3_64bits(b.ptr == NULL ? "" : b.ptr, b.len)};
    uint64_t all[3] = {number, parts[0], parts[1]};
    XXH128_hash_t low = XXH3_128bits(all, sizeof(all));
    uint64_t high = XXH3_64bits_withSeed(all, sizeof(all), 1);
    uint8_t bytes[DIGEST_BYTES];
    memcpy(bytes, &low.low64, 8);
    memcpy(bytes + 8, &low.high64, 8);
    memcpy(bytes + 16, &high, DIGEST_BYTES - 16);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        d->bytes[i] ^= bytes[i];
}

static bool mix_field(void *ctx, struct slice field, struct slice value)
{
    struct mixing *m = ctx;
    mix(m->digest, 0, field, value);
    return true;
}

static bool mix_member(void *ctx, struct slice member)
{
    struct mixing *m = ctx;
    mix(m->digest, 0, member, (struct slice){NULL, 0});
    return true;
}

static bool mix_element(void *ctx, struct slice element)
{
    struct mixing *m = ctx;
    mix(m->digest, ++m->place, element, (struct slice){NULL, 0});
    return true;
}

static bool mix_scored(void *ctx, struct slice member, double score)
{
    struct mixing *m = ctx;
    uint64_t bits;
    memcpy(&bits, &score, sizeof(bits));
    mix(m->digest, bits, member, (struct slice){NULL, 0});
    return true;
}

void digest_value(struct digest *d, const struct value *v)
{
    struct mixing m = {.digest = d};
    struct slice type = slice_str(value_type_name(v->type));
    mix(d, v->expires_at_ms != 0, type, v->type == VALUE_STRING ? v->str : (struct slice){NULL, 0});
    switch (v->type) {
    case VALUE_HASH:
        hash_each(v->object, mix_field, &m);
        break;
    case VALUE_SET:
        set_each(v->object, mix_member, &m);
        break;
    case VALUE_LIST:
        list_each(v->object, 0, list_count(v->object), false, mix_element, &m);
        break;
    case VALUE_ZSET:
        zset_each(v->object, 0, zset_count(v->object), false, mix_scored, &m);
        break;
    default:
        break;
    }
}

const char *digest_text(const struct digest *d, char *text)
{
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", d->bytes[i]);
    return text;
}
