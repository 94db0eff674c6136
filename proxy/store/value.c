/* See value.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/value.h"

#include "base/num.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

enum { EMBEDDED_MAX = 44 }; /* longer strings are "raw" in Redis */

struct value_limits value_limits = {
    .hash_max_listpack_entries = 128,
    .hash_max_listpack_value = 64,
    .list_max_listpack_size = -2,
    .set_max_intset_entries = 512,
    .set_max_listpack_entries = 128,
    .set_max_listpack_value = 64,
    .zset_max_listpack_entries = 128,
    .zset_max_listpack_value = 64,
};

const struct value_ops *value_ops(enum value_type type)
{
    switch (type) {
    case VALUE_HASH:
        return &hash_ops;
    case VALUE_LIST:
        return &list_ops;
    case VALUE_SET:
        return &set_ops;
    case VALUE_ZSET:
        return &zset_ops;
    default:
        return NULL;
    }
}

const char *value_encoding(const struct value *v)
{
    if (v->type != VALUE_STRING) {
        const struct value_ops *ops = value_ops(v->type);
        return ops != NULL ? ops->encoding(v->object) : "none";
    }
    int64_t number;
    if (!v->raw && num_parse_i64(v->str, &number))
        return "int";
    return !v->raw && v->str.len <= EMBEDDED_MAX ? "embstr" : "raw";
}
