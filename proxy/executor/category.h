/* The categories of commands: what COMMAND INFO shows, and what access rights are given by.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_CATEGORY_H
#define EXECUTOR_CATEGORY_H

#include "base/slice.h"

enum category { /* in the order in which Redis shows them */
                ACL_KEYSPACE = 1u << 0,
                ACL_READ = 1u << 1,
                ACL_WRITE = 1u << 2,
                ACL_SET = 1u << 3,
                ACL_SORTEDSET = 1u << 4,
                ACL_LIST = 1u << 5,
                ACL_HASH = 1u << 6,
                ACL_STRING = 1u << 7,
                ACL_BITMAP = 1u << 8,
                ACL_HYPERLOGLOG = 1u << 9,
                ACL_GEO = 1u << 10,
                ACL_STREAM = 1u << 11,
                ACL_PUBSUB = 1u << 12,
                ACL_ADMIN = 1u << 13,
                ACL_FAST = 1u << 14,
                ACL_SLOW = 1u << 15,
                ACL_BLOCKING = 1u << 16,
                ACL_DANGEROUS = 1u << 17,
                ACL_CONNECTION = 1u << 18,
                ACL_TRANSACTION = 1u << 19,
                ACL_SCRIPTING = 1u << 20,
};
enum { CATEGORIES = 21 };

struct command;
/* Those of the command's row, and those that follow from its flags. */
unsigned command_categories(const struct command *command);
/* The name of the category with bit number i, without "@". */
const char *category_name(uint32_t i);
/* The category with this name, without "@", in any case; 0: unknown. */
unsigned category_find(struct slice name);

#endif
