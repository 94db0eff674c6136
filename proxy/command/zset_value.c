/* See zset_value.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset_value.h"

#include "base/num.h"

bool zset_read(struct call *c, uint32_t i, const struct zset **out)
{
    const struct value *v;
    if (!call_read(c, i, VALUE_ZSET, &v))
        return false;
    *out = v != NULL ? v->object : NULL;
    return true;
}

struct zset **zset_edit(struct call *c, uint32_t i)
{
    struct zset **z = txn_edit_zset(c->txn, c->key + i, NULL);
    if (z == NULL)
        call_out_of_memory(c);
    return z;
}

void zset_discard(struct zset **z)
{
    if (*z != NULL)
        zset_ops.free(*z);
    *z = NULL;
}

void zset_store(struct call *c, struct zset **result, const char *event)
{
    size_t n = zset_count(*result);
    if (n == 0) {
        zset_discard(result);
        if (txn_remove(c->txn, c->key))
            call_notify(c, NOTIFY_GENERIC, "del", 0);
        reply_int(c->reply, 0);
        return;
    }
    void *object = *result;
    *result = NULL;
    if (txn_put_object(c->txn, c->key, VALUE_ZSET, &object) != RC_OK) {
        zset_ops.free(object);
        call_out_of_memory(c);
        return;
    }
    call_notify(c, NOTIFY_ZSET, event, 0);
    reply_int(c->reply, (int64_t)n);
}

void zset_effect_score(struct call *c, struct slice member, double score)
{
    char digits[NUM_DOUBLE_MAX];
    struct slice effect[] = {slice_of(digits, num_format_double(digits, score)), member};
    txn_effect(c->txn, c->key, "ZADD", COUNT_OF(effect), effect);
}
