/* Sorted sets: ZRANDMEMBER and ZSCAN. A random rank is a random member, in O(log n).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset/zset.h"
#include "compute/draw.h"

#include "base/num.h"

#include <stdlib.h>

/* --- ZRANDMEMBER --- */

static void reply_rank(struct zset_replying *r, const struct zset *z, size_t rank)
{
    struct slice member;
    double score;
    zset_at(z, rank, &member, &score);
    zset_reply_member(r, member, score);
}

/* With repetition: the reply could become as long as the client likes, so it has a limit, and what
 * cannot stay below it is not begun. */
static void zrandom_draw_any(struct call *c, struct zset_replying *r, const struct zset *z,
                             uint64_t n)
{
    enum { BULK_MIN = 6, ANY_BYTES_MAX = 64 * 1024 * 1024 }; /* "$0\r\n\r\n" */
    size_t mark = c->reply->buf.len, limit = min_u64(args_reply_limit(), ANY_BYTES_MAX);
    if (n > limit / BULK_MIN) {
        reply_error(c->reply, "ERR value is out of range");
        return;
    }
    zset_reply_header(r, n);
    for (uint64_t i = 0; i < n; i++) {
        reply_rank(r, z, draw_below(zset_count(z)));
        if (c->reply->buf.len - mark > limit) {
            reply_truncate(c->reply, mark);
            reply_error(c->reply, "ERR value is out of range");
            return;
        }
    }
}

/* Sampling without repetition (Floyd; Bentley, CACM 30/9, 1987): n draws, a bit for each rank. */
static bool zrandom_draw_few(struct zset_replying *r, const struct zset *z, uint64_t n)
{
    size_t all = zset_count(z);
    uint64_t *drawn = calloc(all / 64 + 1, sizeof(*drawn));
    if (drawn == NULL)
        return false;
    zset_reply_header(r, n);
    for (size_t top = all - n; top < all; top++) {
        size_t rank = draw_below(top + 1);
        if ((drawn[rank / 64] >> rank % 64 & 1) != 0)
            rank = top;
        drawn[rank / 64] |= UINT64_C(1) << rank % 64;
        reply_rank(r, z, rank);
    }
    free(drawn);
    return true;
}

struct selecting {
    struct zset_replying *replying;
    uint64_t need, left; /* members still to be chosen, members still to come */
};

/* Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): one pass, each subset as likely. */
static bool select_next(void *ctx, struct slice member, double score)
{
    struct selecting *s = ctx;
    if (draw_below(s->left--) < s->need) {
        s->need--;
        zset_reply_member(s->replying, member, score);
    }
    return s->need > 0;
}

static void zrandom_draw_distinct(struct zset_replying *r, const struct zset *z, uint64_t n)
{
    uint64_t all = zset_count(z);
    n = min_u64(n, all);
    if (n <= all / 4 && zrandom_draw_few(r, z, n))
        return;
    struct selecting s = {r, n, all};
    zset_reply_header(r, n);
    zset_each(z, 0, all, false, select_next, &s);
}

void cmd_zrandmember(struct call *c)
{
    const struct zset *z;
    int64_t count = 0;
    bool scores = false;
    if ((c->argc > 2 && !args_draw(c, "withscores", &count, &scores)) || !zset_read(c, 0, &z))
        return;
    struct zset_replying replying = {c->reply, ZSET_MEMBERS};
    if (scores)
        replying.layout = zset_layout_with_scores(c->reply);
    if (c->argc == 2 && z == NULL)
        reply_null(c->reply);
    else if (c->argc == 2)
        reply_rank(&replying, z, draw_below(zset_count(z)));
    else if (z == NULL || count == 0)
        reply_array(c->reply, 0);
    else if (count < 0)
        zrandom_draw_any(c, &replying, z, (uint64_t)-count);
    else
        zrandom_draw_distinct(&replying, z, (uint64_t)count);
}

/* --- ZSCAN --- */

static void zrandom_scan_member(void *ctx, struct slice member, double score)
{
    struct args_scan_step *s = ctx;
    char digits[NUM_DOUBLE_MAX];
    if (!args_scan_wants(s, member))
        return;
    reply_bulk(&s->elements, member);
    reply_bulk(&s->elements, slice_of(digits, num_format_double(digits, score)));
    s->bulks += 2;
}

void cmd_zscan(struct call *c)
{
    struct args_scan_step step;
    const struct zset *z;
    uint64_t cursor = 0;
    if (!args_scan_cursor(c, 2, &step.options) || !zset_read(c, 0, &z) ||
        !args_scan_begin(c, z != NULL, &step))
        return;
    if (z != NULL)
        cursor = zset_scan(z, step.options.cursor, step.options.count, zrandom_scan_member, &step);
    args_scan_end(c, &step, cursor);
}
