/* What the files of the sorted set commands share.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_ZSET_ZSET_H
#define COMMAND_ZSET_ZSET_H

#include "command/zset_value.h"
#include "executor/args.h"

/* Before n members from a rank on are removed. False: the journal cannot say them, replied. */
MUST_CHECK bool zset_cmd_may_remove(struct call *c, const struct zset *z, size_t first, size_t n);
/* Removes n members from a rank on, of those under key number i, and journals it. */
void zset_cmd_remove_ranks(struct call *c, uint32_t i, struct zset **z, size_t first, size_t n);

/* Members as replies. */
enum zset_layout {
    ZSET_MEMBERS, /* alone */
    ZSET_FLAT,    /* member, score, member, score: how RESP2 has them */
    ZSET_PAIRS,   /* [member, score]: how RESP3 has them */
};
struct zset_replying {
    struct reply *reply;
    enum zset_layout layout;
};
static inline enum zset_layout zset_layout_with_scores(const struct reply *r)
{
    return r->proto >= 3 ? ZSET_PAIRS : ZSET_FLAT;
}
void zset_reply_header(const struct zset_replying *r, uint64_t n);
bool zset_reply_member(void *ctx, struct slice member, double score); /* for zset_each */

/* numkeys at argument i and as many keys after it: how many, or -1 when that cannot be. */
int zset_peek_numkeys(uint32_t argc, const struct slice *argv, uint32_t i);

#endif
