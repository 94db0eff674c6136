/* See category.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/category.h"

#include "executor/command.h"

static const char *const names[CATEGORIES] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

unsigned command_categories(const struct command *command)
{
    static const struct {
        unsigned flag, categories;
    } implied[] = {
        {CMD_WRITE, ACL_WRITE},   {CMD_READONLY, ACL_READ}, {CMD_ADMIN, ACL_ADMIN | ACL_DANGEROUS},
        {CMD_PUBSUB, ACL_PUBSUB}, {CMD_FAST, ACL_FAST},     {CMD_BLOCKING, ACL_BLOCKING},
    };
    unsigned all = command->acl;
    for (size_t i = 0; i < COUNT_OF(implied); i++)
        if ((command->flags & implied[i].flag) != 0)
            all |= implied[i].categories;
    return (all & ACL_FAST) != 0 ? all : all | ACL_SLOW;
}

const char *category_name(uint32_t i)
{
    must(i < CATEGORIES);
    return names[i];
}

unsigned category_find(struct slice name)
{
    for (uint32_t i = 0; i < CATEGORIES; i++)
        if (slice_is_word(name, names[i]))
            return 1u << i;
    return 0;
}
