/* Geo indices: adding places and asking about them. A geo index is a sorted set whose scores are
 * cells of a grid (compute/geohash.h); so it is written back, listed and removed from as one.
 * Searches are in search.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/geo/geo.h"
#include "command/zset_value.h"

#include "base/num.h"
#include "store/zset.h"

#include <math.h>
#include <stdio.h>

bool geo_read_point(struct call *c, uint32_t i, struct geo_point *out)
{
    if (!num_parse_double(c->argv[i], &out->lon) || !num_parse_double(c->argv[i + 1], &out->lat)) {
        reply_error(c->reply, REPLY_NOT_FLOAT);
        return false;
    }
    if (geo_is_valid(*out))
        return true;
    reply_errorf(c->reply, "ERR invalid longitude,latitude pair %f,%f", out->lon, out->lat);
    return false;
}

bool geo_read_unit(struct call *c, uint32_t i, double *unit_m)
{
    *unit_m = geo_unit(c->argv[i]);
    if (*unit_m > 0)
        return true;
    reply_error(c->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

bool geo_read_index(struct call *c, uint32_t i, const struct zset **out)
{
    const struct value *v;
    if (!call_read(c, i, VALUE_ZSET, &v))
        return false;
    *out = v != NULL ? v->object : NULL;
    return true;
}

/* Rounded the way Redis does it: the product is, and halves go to the even neighbour. */
void geo_reply_distance(struct call *c, double distance)
{
    char text[32];
    long long scaled = llrint(distance * 10000); /* at most half the globe in feet: it fits */
    int len = snprintf(text, sizeof(text), "%lld.%04lld", scaled / 10000, scaled % 10000);
    reply_bulk(c->reply, slice_of(text, (size_t)len));
}

/* As fixed-point text, in RESP3 as a double that looks so. */
static void reply_degrees(struct reply *r, double degrees)
{
    char text[NUM_LONG_DOUBLE_MAX + 2];
    size_t len = num_format_long_double(text + 1, degrees);
    if (r->proto < 3) {
        reply_bulk(r, slice_of(text + 1, len));
        return;
    }
    text[0] = ',';
    reply_raw(r, slice_of(text, len + 1));
    reply_raw(r, SLICE("\r\n"));
}

void geo_reply_point(struct call *c, struct geo_point p)
{
    reply_array(c->reply, 2);
    reply_degrees(c->reply, p.lon);
    reply_degrees(c->reply, p.lat);
}

/* --- GEOADD --- */

struct geoadd {
    bool only_new, only_present, count_changed;
    uint32_t first; /* argument of the first longitude */
    int64_t added, updated;
};

static bool geoadd_parse(struct call *c, struct geoadd *a)
{
    uint32_t i = 2;
    for (; i < c->argc; i++) {
        if (args_is(c, i, "nx"))
            a->only_new = true;
        else if (args_is(c, i, "xx"))
            a->only_present = true;
        else if (args_is(c, i, "ch"))
            a->count_changed = true;
        else
            break;
    }
    a->first = i;
    if (i == c->argc || (c->argc - i) % 3 != 0 || (a->only_new && a->only_present)) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    struct geo_point p;
    for (; i < c->argc; i += 3)
        if (!geo_read_point(c, i, &p))
            return false;
    return true;
}

/* The score of the place at argument i, which was checked. */
static double score_at(const struct call *c, uint32_t i)
{
    struct geo_point p;
    must(num_parse_double(c->argv[i], &p.lon) && num_parse_double(c->argv[i + 1], &p.lat));
    return (double)geo_encode(p);
}

/* Whether the place at argument i is to be put into the set, which may be absent. */
static bool would_change(const struct call *c, const struct geoadd *a, const struct zset *z,
                         uint32_t i)
{
    double old;
    if (z == NULL || !zset_score(z, c->argv[i + 2], &old))
        return !a->only_present;
    return !a->only_new && old != score_at(c, i);
}

/* False: out of memory, replied. */
static bool add_places(struct call *c, struct geoadd *a, uint32_t from)
{
    struct zset **z = txn_edit_zset(c->txn, c->key, NULL);
    if (z == NULL) {
        call_out_of_memory(c);
        return false;
    }
    for (uint32_t i = from; i < c->argc; i += 3) {
        if (!would_change(c, a, *z, i))
            continue;
        double score = score_at(c, i);
        enum zset_put_result result = zset_put(z, c->argv[i + 2], score);
        if (result == ZSET_OOM) {
            call_out_of_memory(c);
            return false;
        }
        a->added += result == ZSET_ADDED;
        a->updated += result == ZSET_UPDATED;
        zset_effect_score(c, c->argv[i + 2], score);
    }
    return true;
}

void cmd_geoadd(struct call *c)
{
    struct geoadd a = {0};
    const struct zset *present;
    if (!geoadd_parse(c, &a) || !geo_read_index(c, 0, &present))
        return;
    uint32_t i = a.first;
    while (i < c->argc && !would_change(c, &a, present, i))
        i += 3;
    if (i < c->argc) {
        bool all = add_places(c, &a, i);
        if (a.added + a.updated > 0)
            call_notify(c, NOTIFY_ZSET, "zadd", 0);
        if (!all)
            return;
    }
    reply_int(c->reply, a.count_changed ? a.added + a.updated : a.added);
}

/* --- Asking --- */

static bool geo_place_of(const struct zset *z, struct slice member, struct geo_point *out)
{
    double score;
    if (z == NULL || !zset_score(z, member, &score))
        return false;
    *out = geo_decode(score);
    return true;
}

static void reply_text(struct call *c, struct geo_point p)
{
    char text[GEO_TEXT];
    geo_text(p, text);
    reply_bulk(c->reply, slice_of(text, sizeof(text)));
}

/* For each member that is named: where it is, or that it is nowhere. */
static void reply_places(struct call *c, void (*place)(struct call *c, struct geo_point p),
                         void (*nowhere)(struct reply *r))
{
    const struct zset *z;
    struct geo_point p;
    if (!geo_read_index(c, 0, &z))
        return;
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++) {
        if (geo_place_of(z, c->argv[i], &p))
            place(c, p);
        else
            nowhere(c->reply);
    }
}

void cmd_geopos(struct call *c)
{
    reply_places(c, geo_reply_point, reply_null_array);
}

void cmd_geohash(struct call *c)
{
    reply_places(c, reply_text, reply_null);
}

void cmd_geodist(struct call *c)
{
    double unit_m = 1;
    const struct zset *z;
    struct geo_point a, b;
    if (c->argc == 5 && !geo_read_unit(c, 4, &unit_m))
        return;
    if (c->argc > 5) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    if (!geo_read_index(c, 0, &z))
        return;
    if (geo_place_of(z, c->argv[2], &a) && geo_place_of(z, c->argv[3], &b))
        geo_reply_distance(c, geo_distance(a, b) / unit_m);
    else
        reply_null(c->reply);
}
