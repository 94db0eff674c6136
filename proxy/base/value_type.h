/* The types a key can have. Numbers are stored by backends: append only, never renumber.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_VALUE_TYPE_H
#define BASE_VALUE_TYPE_H

enum value_type {
    VALUE_NONE = 0, /* absent: a tombstone, or known not to exist */
    VALUE_STRING = 1,
    VALUE_HASH = 2,
    VALUE_LIST = 3,
    VALUE_SET = 4,
    VALUE_ZSET = 5,
    VALUE_STREAM = 6,
};

/* What TYPE answers: "none", "string", "hash", ... */
const char *value_type_name(enum value_type type);

#endif
