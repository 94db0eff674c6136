/* Hashes: HRANDFIELD and HSCAN.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/draw.h"
#include "executor/args.h"

#include "base/num.h"
#include "store/hash.h"

#include <stdlib.h>

/* --- HRANDFIELD --- */

struct draw {
    struct call *c;
    bool values;
    uint64_t need, left; /* fields still to be chosen, fields still to come */
};

static void reply_drawn(const struct draw *d, struct slice field, struct slice value)
{
    struct reply *r = d->c->reply;
    if (d->values && r->proto >= 3)
        reply_array(r, 2);
    reply_bulk(r, field);
    if (d->values)
        reply_bulk(r, value);
}

static void reply_draw_header(const struct draw *d, uint64_t n)
{
    reply_array(d->c->reply, d->values && d->c->reply->proto < 3 ? 2 * n : n);
}

/* With repetition: the reply could become as long as the client likes, so it has a limit, and what
 * cannot stay below it is not begun. */
static void hscan_draw_any(struct draw *d, const struct hash *h, uint64_t n)
{
    enum { BULK_MIN = 6, ANY_BYTES_MAX = 64 * 1024 * 1024 }; /* "$0\r\n\r\n" */
    struct reply *r = d->c->reply;
    size_t mark = r->buf.len, limit = min_u64(args_reply_limit(), ANY_BYTES_MAX);
    if (n > limit / BULK_MIN) {
        reply_error(r, "ERR value is out of range");
        return;
    }
    reply_draw_header(d, n);
    for (uint64_t i = 0; i < n; i++) {
        struct slice field, value;
        hash_random(h, draw_bits(), &field, &value);
        reply_drawn(d, field, value);
        if (r->buf.len - mark > limit) {
            reply_truncate(r, mark);
            reply_error(r, "ERR value is out of range");
            return;
        }
    }
}

/* Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): one pass, each subset as likely. */
static bool draw_next(void *ctx, struct slice field, struct slice value)
{
    struct draw *d = ctx;
    if (draw_below(d->left--) < d->need) {
        d->need--;
        reply_drawn(d, field, value);
    }
    return d->need > 0;
}

/* A few distinct fields of many: draw, and draw again what was drawn before. Fields are told apart
 * by their address, which does not change meanwhile. */
static bool hscan_draw_few(struct draw *d, const struct hash *h, uint64_t n)
{
    size_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    const char **drawn = calloc(slots, sizeof(*drawn));
    if (drawn == NULL)
        return false;
    reply_draw_header(d, n);
    while (n > 0) {
        struct slice field, value;
        hash_random(h, draw_bits(), &field, &value);
        size_t at = ((uintptr_t)field.ptr * 0x9e3779b97f4a7c15u >> 20) & (slots - 1);
        while (drawn[at] != NULL && drawn[at] != field.ptr)
            at = (at + 1) & (slots - 1);
        if (drawn[at] != NULL)
            continue;
        drawn[at] = field.ptr;
        reply_drawn(d, field, value);
        n--;
    }
    free(drawn);
    return true;
}

static void hscan_draw_distinct(struct draw *d, const struct hash *h, uint64_t n)
{
    uint64_t all = hash_count(h);
    n = min_u64(n, all);
    if (n <= all / 4 && hscan_draw_few(d, h, n))
        return;
    d->need = n;
    d->left = all;
    reply_draw_header(d, n);
    if (n > 0)
        hash_each(h, draw_next, d);
}

void cmd_hrandfield(struct call *c)
{
    struct draw d = {.c = c};
    int64_t count = 0;
    const struct value *v;
    if (c->argc > 2 && !args_draw(c, "withvalues", &count, &d.values))
        return;
    if (!call_read(c, 0, VALUE_HASH, &v))
        return;
    if (c->argc == 2) {
        struct slice field, value;
        if (v == NULL) {
            reply_null(c->reply);
            return;
        }
        hash_random(v->object, draw_bits(), &field, &value);
        reply_bulk(c->reply, field);
    } else if (v == NULL || count == 0) {
        reply_array(c->reply, 0);
    } else if (count < 0) {
        hscan_draw_any(&d, v->object, (uint64_t)-count);
    } else {
        hscan_draw_distinct(&d, v->object, (uint64_t)count);
    }
}

/* --- HSCAN --- */

static void hscan_scan_field(void *ctx, struct slice field, struct slice value)
{
    struct args_scan_step *s = ctx;
    if (!args_scan_wants(s, field))
        return;
    reply_bulk(&s->elements, field);
    reply_bulk(&s->elements, value);
    s->bulks += 2;
}

void cmd_hscan(struct call *c)
{
    struct args_scan_step step;
    const struct value *v;
    uint64_t cursor = 0;
    if (!args_scan_cursor(c, 2, &step.options) || !call_read(c, 0, VALUE_HASH, &v) ||
        !args_scan_begin(c, v != NULL, &step))
        return;
    if (v != NULL)
        cursor =
            hash_scan(v->object, step.options.cursor, step.options.count, hscan_scan_field, &step);
    args_scan_end(c, &step, cursor);
}
